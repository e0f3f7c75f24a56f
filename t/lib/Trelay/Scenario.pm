# SPDX-License-Identifier: GPL-2.0-or-later
# Scenario.pm - a file of t/data/scenario as it is: what there is, and the statements of what happens.
# In:  a path, and where its addresses really are. Out: title, timers, listeners, agents, hosts, rows; steps in order.
# Never: runs anything (Trelay::Scenario::Run does).
#
#   my $scenario = Trelay::Scenario->read("$folder/c06-6xx.scenario", { '10.0.0.1' => '127.0.4.1', ... });
#   $_->word(0), $_->value('call'), $_->has('fork'), @{ $_->{lines} } for @{ $scenario->{steps} };
package Trelay::Scenario;

use v5.36;

use File::Basename qw(basename dirname);
use Trelay::House qw(slurp);

my $STEPS = qr/^(?:from|to|nothing|pass|connect|lose|met|record|open)$/;
my $ADDRESS = qr/(?<![\d.])\d+(?:\.\d+){3}(?![\d.])|\[[0-9a-f:]+\]:\d+/;

# The text of a file and of those that it includes, each once; [file, line number, line].
sub lines_of ($path, $seen = {}) {
    return if $seen->{$path}++;
    my ($number, @lines) = 0;
    for my $line (split /\n/, slurp($path)) {
        $number++;
        if ($line =~ /^include\s+(\S+)/) {
            my ($found) = grep { -e } map { dirname($path) . "/$_$1" } '', '../';
            push @lines, lines_of($found // die("$path:$number: $1 cannot be included\n"), $seen);
        }
        elsif ($line !~ /^\s*(?:#.*)?$/) {
            push @lines, [ basename($path), $number, $line ];
        }
    }
    return @lines;
}

# The addresses that agents and listeners have, in the order in which they stand: 10.0.0.1, [2001:db8::1]:5061.
sub addresses ($class, $path) {
    my (%seen, @found);
    for (map { $_->[2] } lines_of($path)) {
        push @found, grep { !$seen{$_}++ } /^(?:agent|listener)\s+\S+\s+\S+\s+($ADDRESS)/;
    }
    return @found;
}

# PLACES: what stands instead of an address. Others stay as they are.
sub read ($class, $path, $places = {}) {
    my $self = bless { name => basename($path, '.scenario'), title => '', fails => undef, timers => {}, limit => undef,
        map { $_ => [] } qw(listeners aliases agents hosts routes terms steps) }, $class;
    my $last;
    for (lines_of($path)) {
        my ($file, $number, $line) = @$_;
        my ($port) = $line =~ /^listener\s.*:(\d+)\s/;
        $line =~ s/($ADDRESS)/$places->{$1} \/\/ $1/ge;
        if ($line =~ s/^\s+//) {
            push @{ $last->{lines} }, $line;
        }
        elsif ($line =~ /^(title|fails)\s+(.*)/) {
            $self->{$1} = $2;
        }
        else {
            $last = Trelay::Scenario::Statement->new("$file:$number", $line);
            $last->{port} = $port; # as it is advertised
            $self->add($last);
        }
    }
    return $self;
}

my %LIST = (listener => 'listeners', alias => 'aliases', agent => 'agents', host => 'hosts', route => 'routes', terms => 'terms');

sub add ($self, $statement) {
    my $verb = $statement->word(0);
    if ($verb =~ $STEPS) {
        push @{ $self->{steps} }, $statement;
    }
    elsif ($verb eq 'timers') {
        $self->{timers}{$_} = $statement->value($_) for grep { defined $statement->value($_) } qw(t1 t2 t4 c);
    }
    elsif ($verb eq 'limit') {
        $self->{limit} = $statement->value('servers');
    }
    else {
        push @{ $self->{ $LIST{$verb} // die "$statement->{place}: \"$verb\" is no word of scenarios\n" } }, $statement;
    }
    return;
}

package Trelay::Scenario::Statement;

use v5.36;

sub new ($class, $place, $line) {
    return bless { place => $place, text => $line, words => [ split ' ', $line ], lines => [] }, $class;
}

sub word ($self, $n) { return $self->{words}[$n] }

sub value ($self, $name) {
    my @values = map { /^\Q$name\E=(.*)/s ? $1 : () } @{ $self->{words} };
    return $values[0];
}

sub has ($self, $word) { return scalar grep { $_ eq $word } @{ $self->{words} } }

# What is behind the verb.
sub rest ($self) { return $self->{text} =~ s/^\S+\s*//r }

# The URI of a new request; parameters of a URI have "=", too.
sub uri ($self) { return ($self->word(3) // q{=}) =~ /:|^[^=]*$/ ? $self->word(3) : undef }

1;
