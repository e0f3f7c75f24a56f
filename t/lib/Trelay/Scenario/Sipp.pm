# SPDX-License-Identifier: GPL-2.0-or-later
# Sipp.pm - the agents of a scenario played by SIPp: one process, with a scenario of its own, for each agent and call.
# In:  a Trelay::Scenario. Out: what SIPp sends, when its turn has come; its judgement of what it is handed.
# Never: decides what a scenario means. SIPp makes responses, ACK, route sets and targets of what it has received
# itself; what the file spells out stands in its scenario as it is. What cannot be said so is refused by translate().
#
# Debian's SIPp knows no TLS, and several of it know nothing of each other's turns. So each speaks UDP with a gate, which
# holds what it sends until the file says so, and carries it over the sockets of Trelay::Scenario::Wire.
package Trelay::Scenario::Sipp;

use v5.36;

use File::Temp qw(tempdir);
use Trelay::Process ();
use Trelay::SIP ();
use Trelay::Scenario::Compose;
use Trelay::Sipp;

# Words of SIPp, told apart from brackets of the file.
sub word ($name) { return "\x01$name\x02" }

# Dies with the reason when there is something in the file that SIPp cannot say. The parts: { agent, call, events }.
sub translate ($class, $scenario) {
    my $self = bless { agents => {}, parts => {}, call => undef, tagged => {} }, $class;
    for (@{ $scenario->{agents} }) {
        my ($address, $port) = split /:/, $_->word(3);
        $self->{agents}{ $_->word(1) } = { name => $_->word(1), transport => $_->word(2), address => $address, port => $port,
            sent => [], received => [] };
    }
    for (@{ $scenario->{steps} }) {
        if    ($_->word(0) eq 'from') { $self->from($_) }
        elsif ($_->word(0) eq 'to')   { $self->to($_) }
        elsif ($_->word(0) eq 'met' && $_->word(1) =~ /^(?:cancel-unmatched|crowded|unreadable)$/) {
            die "an answer that is not in the file\n";
        }
    }
    die "nobody sends anything\n" if !%{ $self->{parts} };
    return $self;
}

sub part ($self, $agent, $call) {
    return $self->{parts}{"$agent->{name} $call"} //= { agent => $agent, call => $call, events => [] };
}

sub from ($self, $statement) {
    my $agent = $self->{agents}{ $statement->word(1) };
    my $what = $statement->word(2);
    die "bytes as they are\n" if $what eq 'raw';
    return if $what eq 'again'; # the gate has them
    my $text = Trelay::Scenario::Compose->new($statement, $agent, sub ($text) {
        die "a word that is known late\n" if $text =~ /\$[a-z0-9]/;
        return $text;
    })->text;
    my ($body) = $text =~ /\r\n\r\n(.*)\z/s;
    die "brackets\n" if $text =~ /[\[\]]/;
    die "a body with blanks that SIPp takes away\n" if $body =~ /^[ \t\r]/m;
    my $message = Trelay::SIP::parse($text);
    my $call = $message->call_id // "\x01";
    $call = ($message->status ? answered($agent, $statement) : dialog($agent, $statement))->call_id if $call =~ /\x01/;
    push @{ $agent->{sent} }, $message;
    my $part = $self->part($agent, $call);
    push @{ $part->{events} }, { send => $text };
    push @{ $self->{turns} }, $call;
    $part->{is_cancelling} = ($message->method // '') eq 'CANCEL';
    my $is_in_dialog = defined $message->to_tag || !defined $statement->uri && ($message->method // '') ne 'CANCEL';
    $self->{tagged}{$call}{ $message->method } = $is_in_dialog if $message->method;
    @$self{qw(answered answers)} = (answered($agent, $statement)->method, $agent->{name}) if $message->status;
    $self->{call} = $call;
    return;
}

sub answered ($agent, $statement) {
    return Trelay::Scenario::Compose::last_request($agent->{received}, $statement->value('of'), $statement->value('call'));
}

sub dialog ($agent, $statement) {
    return Trelay::Scenario::Compose::last_request($agent->{received}, 'INVITE', $statement->value('call'));
}

# What comes is of the call that was spoken of last.
sub to ($self, $statement) {
    my $agent = $self->{agents}{ $statement->word(1) };
    my $part = $self->part($agent, $self->{call} // die "nobody has spoken\n");
    my $what = $statement->word(2);
    my $is_dialog = $what eq 'INVITE' || ($what =~ /^2/ && ($self->{answered} // '') eq 'INVITE' && !$part->{is_cancelling});
    $part->{is_cancelling} = 0 if $what =~ /^2/;
    $part->{dialogs}{ $self->{answers} } = 1 if $is_dialog && $what =~ /^2/;
    die "two dialogs of one call\n" if keys %{ $part->{dialogs} } > 1;
    my $tagged = $self->{tagged}{ $self->{call} };
    my $heard = bless { what => $what, call => $self->{call}, part => $part, n => scalar @{ $part->{events} }, words => {},
        is_dialog => $is_dialog, has_to_tag => $tagged->{$what} // $tagged->{INVITE} }, 'Trelay::Scenario::Sipp::Heard';
    push @{ $agent->{received} }, $heard;
    push @{ $part->{events} }, { heard => $heard };
    $part->{last} = $heard;
    return;
}

# ---- its scenario ----

my $ROWS = '%s: [^[:cntrl:]]*([[:cntrl:]]+%1$s: [^[:cntrl:]]*)*';
my %SEARCH = (
    map({ my $name = lc =~ s/-//gr; $name => [ sprintf($ROWS, $_), 'msg', '' ] } qw(Via Record-Route)),
    map({ my $name = lc =~ s/-//gr; $name => [ '[^ ].*', 'hdr', "header=\"$_:\" " ] } qw(From To Call-ID CSeq)),
);

sub recv_xml ($heard) {
    my $kind = $heard->method ? 'request' : 'response';
    my @keep = sort keys %{ $heard->{words} };
    my $xml = sprintf '  <recv %s="%s"%s>', $kind, $heard->{what}, $heard->{is_dialog} ? ' rrs="true"' : '';
    $xml .= "\n    <action>" if @keep;
    for (@keep) {
        my ($regex, $in, $header) = @{ $SEARCH{ s/\d+$//r } };
        my $more = $in eq 'msg' ? ',junk' : '';
        $xml .= qq(\n      <ereg regexp="$regex" search_in="$in" ${header}check_it="true" assign_to="$_$more"/>);
    }
    $xml .= "\n    </action>" if @keep;
    return ("$xml\n  </recv>\n", @keep, (grep { /^(?:via|recordroute)/ } @keep) ? 'junk' : ());
}

sub send_xml ($text) {
    return "  <send>\n    <![CDATA[\n\n" . ($text =~ tr/\x01\x02\r/[]/dr) . "\n    ]]>\n  </send>\n";
}

sub xml ($part) {
    my ($xml, %variables) = qq(<?xml version="1.0" encoding="UTF-8" ?>\n<scenario name="$part->{agent}{name}">\n);
    for (@{ $part->{events} }) {
        my ($more, @variables) = $_->{heard} ? recv_xml($_->{heard}) : send_xml($_->{send});
        $xml .= $more;
        $variables{$_} = 1 for @variables;
    }
    $xml .= '  <Reference variables="' . join(',', sort keys %variables) . qq("/>\n) if %variables;
    return "$xml</scenario>\n";
}

# ---- its processes ----

sub start ($self) {
    $self->{directory} = tempdir('trelay-sipp-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $port = 7000;
    $self->start_part($self->{parts}{$_}, ++$port) for sort keys %{ $self->{parts} };
    return $self;
}

sub start_part ($self, $part, $port) {
    my $host = $part->{agent}{address};
    my $base = "$self->{directory}/$port";
    open my $out, '>', "$base.xml" or die "$base.xml: $!\n";
    print {$out} xml($part);
    close $out or die "$base.xml: $!\n";
    my $gate = Trelay::SIP::UDP->new(host => $host);
    my $is_first = $part->{events}[0]{send};
    my $seconds = int Trelay::Process::patience(60);
    @$part{qw(gate port errors)} = ($gate, $port, "$base.errors");
    $part->{process} = Trelay::Process->start(name => "sipp for $part->{agent}{name}", directory => $self->{directory},
        command => [ Trelay::Sipp::program(), $is_first ? $host . ':' . $gate->port : (), '-sf', "$base.xml", '-i', $host,
            '-p', $port, '-t', 'u1', '-m', 1, '-nr', '-default_behaviors', 'abortunexp', '-cid_str', $part->{call}, '-nostdin',
            '-timeout', "${seconds}s", '-timeout_error', '-trace_err', '-error_file', $part->{errors} ]);
    return;
}

sub said ($part) {
    my $errors = '';
    if (open my $in, '<', $part->{errors}) { local $/ = undef; $errors = <$in> // '' }
    return $errors || $part->{process}->output;
}

# Handed over, for it to judge.
sub hand ($self, $name, $message) {
    my $part = $self->{parts}{ "$name " . $message->call_id } // die "no SIPp of $name for this call\n" . $message->text;
    my $host = $part->{agent}{address};
    $part->{process}->wait_until('its socket', sub { return Trelay::Sipp::has_socket($host, $part->{port}) })
        if !$part->{is_there}++;
    $part->{gate}->send($message->text, $host, $part->{port});
    return;
}

# The call of the next message, in the order of the file.
sub turn ($self) { return shift @{ $self->{turns} } }

# What it has sent, or sends now.
sub next_from ($self, $name, $call) {
    my $part = $self->{parts}{"$name $call"} // die "no SIPp of $name for this call\n";
    my $message = $part->{gate}->receive // die "SIPp sends nothing\n" . said($part);
    $part->{is_there} = 1;
    return $message->text;
}

# "": each has had all that it expects, and has sent all that it should.
sub judgement ($self) {
    my $judgement = '';
    for (map { $self->{parts}{$_} } sort keys %{ $self->{parts} }) {
        my $status = eval { $_->{process}->wait_for_exit(10) } // "$@";
        $judgement .= "SIPp as $_->{agent}{name}: $status\n" . said($_) if $status ne '0';
    }
    return $judgement;
}

sub stop ($self) {
    for (values %{ $self->{parts} }) {
        $_->{process}->stop('KILL') if $_->{process};
        $_->{gate}->close if $_->{gate};
    }
    return;
}

sub count ($self) { return scalar keys %{ $self->{parts} } }

# ---- what SIPp will have heard ----

package Trelay::Scenario::Sipp::Heard;

use v5.36;

sub method ($self)     { return $self->{what} =~ /^\d/ ? undef : $self->{what} }
sub status ($self)     { return $self->{what} =~ /^\d/ ? $self->{what} : undef }
sub call_id ($self)    { return $self->{call} }
sub has_to_tag ($self) { return $self->{has_to_tag} }
sub number ($self)     { die "a number that is known late\n" }
sub uri ($self)        { die "a URI that is known late\n" }

sub variable ($self, $name) {
    my $variable = lc($name =~ s/-//gr) . $self->{n};
    $self->{words}{$variable} = 1;
    return Trelay::Scenario::Sipp::word("\$$variable");
}

# SIPp makes one row of several of [last_Record-Route:].
sub rows ($self, $name) {
    return $self->variable($name) . "\r\n" if $name eq 'Record-Route' && $self->{what} eq 'INVITE';
    return Trelay::Scenario::Sipp::word("last_$name:") . "\r\n" if $self->{part}{last} == $self;
    return $self->variable($name) . "\r\n" if $name eq 'Via';
    return '' if $name eq 'Record-Route';
    return "$name: " . $self->variable($name) . "\r\n";
}

sub row ($self, $name) { return $self->variable($name) }

sub routes ($self, $) { return Trelay::Scenario::Sipp::word('routes') . "\r\n" }
sub target ($self, $) { return Trelay::Scenario::Sipp::word('next_url') }

1;
