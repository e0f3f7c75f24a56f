# SPDX-License-Identifier: GPL-2.0-or-later
# Pattern.pm - what a scenario expects against a message that came, and what holds for all that the relay sends.
# In:  a "to" statement, a Trelay::SIP::Message. Out: what is wrong with it, or "".
# The words that $name stands for are kept from one message to the next. t/unit/scenario_match.c does the same.
package Trelay::Scenario::Pattern;

use v5.36;

sub new ($class) { return bless { word => {} }, $class }

sub matches ($self, $pattern, $text) {
    my (%new, @names);
    my $regex = join '', map {
        my ($name) = /^\$([a-z0-9]+)$/;
          $_ eq '*'                           ? '.*?'
        : !defined $name                      ? quotemeta
        : defined $self->{word}{$name}        ? quotemeta $self->{word}{$name}
        : $new{$name}                         ? "\\g{$new{$name}}"
        : do { push @names, $name; $new{$name} = @names; '([0-9A-Za-z_.-]++)' }
    } split /(\*|\$[a-z0-9]+)/, $pattern;
    my @words = $text =~ /\A$regex\z/s or return 0;
    $self->{word}{ $names[$_] } = $words[$_] for 0 .. $#names;
    return 1;
}

# TEXT that is to be sent, each $name replaced.
sub replace ($self, $text) {
    return $text =~ s/\$([a-z0-9]+)/$self->{word}{$1} \/\/ die "\$$1 is not known yet\n"/ger;
}

sub start_is ($self, $statement, $message) {
    my $what = $statement->word(2);
    return ($message->status // '') eq $what if $what =~ /^\d/;
    my $uri = ($statement->word(3) // '') =~ /:/ ? $statement->word(3) : '*';
    return ($message->method // '') eq $what && $self->matches($uri, $message->uri);
}

# Each line about a header is one row of it.
sub wrong_rows ($self, $statement, $message) {
    my (%wanted, %spelling, $body);
    for my $line (@{ $statement->{lines} }) {
        if ($line =~ /^\|(.*)/) {
            $body .= "$1\r\n";
        }
        elsif ($line =~ /^!(\S+)/) {
            return "there is $1" if $message->header($1);
        }
        elsif ($line =~ /^([^:\s]+)\s*:\s*(.*)/) {
            my @rows = $message->header($1);
            my $row = $wanted{ lc $1 }++;
            $spelling{ lc $1 } = $1;
            return "not \"$line\"" if $row >= @rows || !$self->matches($2, $rows[$row]);
        }
        else {
            return "what is \"$line\"?";
        }
    }
    for my $name (sort keys %wanted) {
        my @rows = $message->header($name);
        return scalar(@rows) . " rows of $spelling{$name}" if @rows != $wanted{$name};
    }
    return defined $body && $body ne $message->body ? 'another body' : '';
}

sub wrong ($self, $statement, $message) {
    return 'another message' if !$self->start_is($statement, $message);
    return $self->wrong_rows($statement, $message);
}

# ---- what holds for all ----

# 9.1 and 17.1.1.3: of the relay's own making, after the INVITE that it sent there.
sub unlike_invite ($message, $invite) {
    my @names = ('From', 'Call-ID', 'Route', $message->method eq 'CANCEL' ? 'To' : ());
    my @different = grep { join("\n", $message->header($_)) ne join("\n", $invite->header($_)) } @names;
    push @different, 'URI' if $message->uri ne $invite->uri;
    push @different, 'CSeq' if ($message->cseq =~ /^(\d+)/)[0] != ($invite->cseq =~ /^(\d+)/)[0];
    push @different, grep { scalar $message->header($_) } qw(Require Proxy-Require);
    push @different, 'Via' if (my @vias = $message->header('Via')) != 1;
    return @different ? 'CANCEL or ACK is not like its INVITE: ' . join(' ', @different) : '';
}

# AGENT: { name, transport, received => [ ... ], sent => [ ... ] } of messages; ALL: every agent.
sub wrong_request ($message, $agent, $all) {
    return 'no Max-Forwards' if ($message->header('Max-Forwards') // '') !~ /^\d+$/;
    return 'no Content-Length' if $agent->{transport} ne 'udp' && !defined $message->header('Content-Length');
    return 'our own header leaves' if defined $message->header('X-Trelay-Flags');
    my ($invite) = grep { ($_->method // '') eq 'INVITE' && $_->header('Via') eq $message->header('Via') } @{ $agent->{received} };
    return 'CANCEL of no INVITE' if $message->method eq 'CANCEL' && !$invite;
    return unlike_invite($message, $invite) if $message->method eq 'CANCEL' || ($message->method eq 'ACK' && $invite);
    return 'not one Max-Breadth' if (my @rows = $message->header('Max-Breadth')) != 1;
    for my $earlier (grep { $_->method } map { @{ $_->{received} } } @$all) {
        return 'a branch for the second time'
            if $earlier->branch eq $message->branch && $earlier->text ne $message->text; # a repetition may have it
    }
    return '';
}

# 18.1.2: the top Via is the receiver's own.
sub wrong_response ($message, $agent) {
    my $key = sub ($via) { $via =~ s/,.*//s; $via =~ s/;\s*(?:received|rport)\b[^;]*//gi; return lc $via =~ s/\s+//gr };
    my $own = $key->($message->header('Via') // return 'no Via');
    return '' if grep { $_->method && $key->($_->header('Via') // '') eq $own } @{ $agent->{sent} };
    return 'a response to what it has not sent';
}

sub always_wrong ($message, $agent, $all) {
    my @missing = grep { !defined $message->header($_) } qw(Via From To Call-ID CSeq);
    return "no @missing" if @missing;
    return $message->method ? wrong_request($message, $agent, $all) : wrong_response($message, $agent);
}

1;
