# SPDX-License-Identifier: GPL-2.0-or-later
# Run.pm - a scenario from its first step to the last, between agents at real sockets and a trelayd of its own.
# In:  the file, a database, certificates, addresses. Out: what was not as the file says, or "".
# Never: more than the file says; time is as real as the clock, or by a factor shorter.
#
# What t/200 sees and nobody outside of the relay can: which outcome a message met ("met": what is said about it to the
# sender, is checked), how many transactions there are of each kind ("open": how many of all), the millisecond ("at").
package Trelay::Scenario::Run;

use v5.36;

use Time::HiRes qw(time);
use Trelay::Process ();
use Trelay::SIP ();
use Trelay::Scenario;
use Trelay::Scenario::Compose;
use Trelay::Scenario::Pattern;
use Trelay::Scenario::Relay;
use Trelay::Scenario::Sipp;
use Trelay::Scenario::Wire;

# What the relay around its core answers to what the core does not take.
my %ANSWER = ('cancel-unmatched' => 481, crowded => 503, unreadable => 400);

# Options: path; places (address in the file => real one); postgres; names; trust => { ca, us, agents => { name => certificate } };
# factor (of time); seconds (of patience, 10); sipp: SIPp makes the messages of the agents, and judges those that come.
sub run ($class, %options) {
    my $self = bless { seconds => 10, %options, sipp => undef, pattern => Trelay::Scenario::Pattern->new }, $class;
    my $is_well = eval {
        my $scenario = $self->{scenario} = Trelay::Scenario->read($options{path}, $options{places});
        $self->{wire} = Trelay::Scenario::Wire->new(scenario => $scenario, certificates => $options{trust}{agents});
        $self->{relay} = Trelay::Scenario::Relay->start(%options{qw(postgres names trust factor)}, scenario => $scenario);
        $self->{sipp} = $options{sipp} && Trelay::Scenario::Sipp->translate($scenario)->start;
        $self->steps;
        $self->judge;
        1;
    };
    my $error = $is_well ? '' : "$@" . ($ENV{SCENARIO_LOG} && $self->{relay} ? $self->{relay}->log : '');
    $error .= eval { $self->{relay}->stop } // "$@" if $self->{relay};
    $self->{wire}->close if $self->{wire};
    $self->{sipp}->stop if $self->{sipp};
    return $error;
}

# Every SIPp is content, too.
sub judge ($self) {
    my $judgement = $self->{sipp} ? $self->{sipp}->judgement : '';
    die $judgement if $judgement ne '';
    return;
}

sub steps ($self) {
    my $steps = $self->{scenario}{steps};
    die "nothing happens\n" if !@$steps;
    for my $i (0 .. $#$steps) {
        my $verb = 'do_' . $steps->[$i]->word(0);
        $self->{next} = [ @$steps[ $i + 1 .. $#$steps ] ];
        unshift @{ $self->{next} }, $steps->[$i] if $verb eq 'do_pass';
        eval { $self->$verb($steps->[$i]); 1 }
            or die "$steps->[$i]{place}: $steps->[$i]{text}: $@";
    }
    $self->{next} = [];
    $self->expect_nothing;
    return;
}

sub expect_nothing ($self) {
    $self->{wire}->settle;
    for my $agent ($self->{wire}->agents) {
        next if !@{ $agent->{waiting} } || ($self->{factor} && $self->is_early($agent));
        $self->forget_repetitions($agent) if $self->{factor};
        die "not expected for $agent->{name}:\n" . $agent->{waiting}[0]->text . "\n" if @{ $agent->{waiting} };
    }
    return;
}

sub agent_of ($self, $statement) { return $self->{wire}->agent($statement->word(1)) }

# ---- what happens ----

sub again ($self, $agent, $statement) {
    my $of = $statement->value('of');
    my $last = defined $of ? Trelay::Scenario::Compose::last_request($agent->{sent}, $of, undef) : $agent->{sent}[-1];
    return ($last // die "$agent->{name} has sent nothing yet\n")->text;
}

sub text_of ($self, $agent, $statement) {
    return $self->again($agent, $statement) if $statement->word(2) eq 'again';
    return $self->{sipp}->next_from($agent->{name}, $self->{sipp}->turn) if $self->{sipp};
    return Trelay::Scenario::Compose->new($statement, $agent, sub ($text) { return $self->{pattern}->replace($text) })->text;
}

sub do_from ($self, $statement) {
    my $agent = $self->agent_of($statement);
    $self->expect_nothing;
    my $text = $self->text_of($agent, $statement);
    my $message = Trelay::SIP::parse($text);
    my $origin = $statement->value('origin');
    my ($request) = grep { $_->method && ($_->branch // '') eq ($message->branch // '') } @{ $agent->{received} };
    my $endpoint = $self->{wire}->send(defined $origin ? $self->{wire}->agent($origin) : $agent, $text,
        connection => $statement->value('connection'), answers => defined $origin || !$message->status ? undef : $request);
    $endpoint->{is_used} = 1;
    push @{ $agent->{sent} }, Trelay::SIP::Message->new($text, $endpoint);
    @$self{qw(sender sender_port)} = ($agent, $endpoint->port);
    return;
}

# IS_BARE: an answer to what could not be read need not have all that is copied from it.
sub next_for ($self, $agent, $is_bare = 0) {
    $self->{wire}->wait_until(sub { return scalar @{ $agent->{waiting} } }, $self->{seconds}) or die "nothing came for $agent->{name}\n";
    my $message = shift @{ $agent->{waiting} };
    my $wrong = $is_bare ? '' : Trelay::Scenario::Pattern::always_wrong($message, $agent, [ $self->{wire}->agents ]);
    push @{ $agent->{received} }, $message;
    die "$wrong\n" . $message->text . "\n" if $wrong;
    return $message;
}

# A stream comes from a port of its own, not from that of its agent.
sub with_port ($self, $statement) {
    my @lines = map { s/rport=\K$self->{sender}{port}\b/$self->{sender_port}/r } @{ $statement->{lines} };
    return bless { %$statement, lines => \@lines }, ref $statement;
}

# Where times are short and the machine is slow, what the file has behind a later "pass" may be there ahead of it: those
# messages of an agent; and a datagram may be repeated once more.
sub is_early ($self, $agent) {
    my @next = @{ $self->{next} };
    shift @next while @next && $next[0]->word(0) ne 'pass';
    my @later = map { $_->word(2) } grep { $_->word(0) eq 'to' && $_->word(1) eq $agent->{name} } @next;
    my @waiting = map { $_->status // $_->method } @{ $agent->{waiting} };
    return @waiting <= @later && "@waiting" eq "@later[ 0 .. $#waiting ]";
}

sub forget_repetitions ($self, $agent) {
    return if $agent->{transport} ne 'udp';
    my %seen = map { $_->text => 1 } @{ $agent->{received} };
    @{ $agent->{waiting} } = grep { !$seen{ $_->text } } @{ $agent->{waiting} };
    return;
}

sub do_to ($self, $statement) {
    my $agent = $self->agent_of($statement);
    my $message = $self->next_for($agent);
    if ($self->{factor} && !$self->{pattern}->start_is($statement, $message)) {
        $self->forget_repetitions($agent);
        $message = $self->next_for($agent) if grep { $_ != $message && $_->text eq $message->text } @{ $agent->{received} };
    }
    my $wrong = $self->{pattern}->wrong($self->with_port($statement), $message);
    my $connection = $statement->value('connection');
    $wrong ||= 'on another connection'
        if defined $connection && $message->source != ($agent->{connections}[ $connection - 1 ] // 0);
    die "$wrong\n" . $message->text . "\n" if $wrong;
    $self->{sipp}->hand($agent->{name}, $message) if $self->{sipp};
    $self->{last} = $message;
    return;
}

sub do_nothing ($self, $) { return $self->expect_nothing }

# Where the file goes on with what comes for somebody, that is what is waited for.
sub do_pass ($self, $statement) {
    $self->expect_nothing;
    my ($then) = grep { !/^(?:nothing|pass|met|record)$/ } map { $_->word(0) } @{ $self->{next} };
    return if $then && $then =~ /^(?:to|open)$/;
    $self->{wire}->pass($statement->word(1) / 1000 * ($self->{factor} // 1) * 1.1);
    return;
}

sub do_connect ($self, $statement) {
    $self->expect_nothing;
    $self->{wire}->connect($self->agent_of($statement));
    return;
}

sub do_lose ($self, $statement) {
    $self->expect_nothing;
    $self->{wire}->lose($self->agent_of($statement));
    return;
}

sub do_met ($self, $statement) {
    my $status = $ANSWER{ $statement->word(1) } // return;
    my $message = $self->next_for($self->{sender}, 1);
    die "not $status\n" . $message->text . "\n" if ($message->status // 0) != $status;
    return;
}

sub do_record ($self, $statement) {
    my $message = $self->{last};
    my $method = $message->cseq =~ s/^\d+\s+//r;
    my @records;
    my $deadline = time + Trelay::Process::patience($self->{seconds});
    until (grep { $_ eq $statement->rest } @records = $self->{relay}->records($message->call_id, $method)) {
        die "the record is: @records\n" if time > $deadline;
        $self->{wire}->pass(0.02);
    }
    return;
}

# All are over. What else may be open is not seen from outside.
sub do_open ($self, $statement) {
    my $wanted = 0;
    die "what is open is only known when nothing is\n" if $statement->rest =~ /servers=[1-9]/;
    my $count;
    my $deadline = time + Trelay::Process::patience($self->{seconds});
    until (($count = $self->{relay}->open_count) == $wanted) {
        die "$count servers are open\n" if time > $deadline;
        $self->{wire}->pass(0.05);
    }
    return;
}

1;
