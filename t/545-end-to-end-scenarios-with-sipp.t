#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Every scenario of t/data/scenario, which t/200 runs through the core, holds for the daemon as well: its agents stand at
# real sockets (UDP, TCP, TLS with certificates that are proven), most of them played by SIPp, and what is expected is taken
# from the same file. A scenario is here, or in the table of those that cannot be, with the reason.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Fcntl qw(:flock SEEK_SET);
use File::Basename qw(basename);
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(time);
use Trelay::House qw(top_srcdir slurp);
use Trelay::Loopback qw(further_addresses free_port);
use Trelay::PKI;
use Trelay::Postgres;
use Trelay::Process;
use Trelay::Scenario;
use Trelay::Scenario::Run;
use Trelay::Sipp;

my $WORKERS = 6; # most of the time they wait

my $MOMENT = 'what holds until a moment, and not after it, needs a clock that the test owns';
# A scenario that t/200 alone runs, and why.
my %ONLY_IN_MEMORY = (
    'a17-connection-lost'              => 'who answers on a connection of his own is nobody to the daemon (t/835)',
    'c01-unmatched-response'           => $MOMENT,
    'c02-timer-c-is-reset'             => $MOMENT,
    'd02-other-times'                  => $MOMENT,
    'd05-accepted'                     => $MOMENT,
    'd08-no-trying-after-a-final'      => $MOMENT,
    'd12-ack-stops-repetitions'        => $MOMENT,
    'd12-failure-without-ack'          => 'what is only remembered is not seen from outside',
    'd13-accepted-ends'                => $MOMENT,
    'd15-other-request-again-over-udp' => $MOMENT,
    'no-auto-477'                      => "$MOMENT (t/541)",
);

# What must fail here, too, but for these, which are about what only t/200 sees.
my %FAILS_IN_MEMORY = map { $_ => 1 } qw(f6-time f11-met);

# What SIPp cannot say, and Perl says instead: the words are those of Trelay::Scenario::Sipp.
my ($LATE, $RAW, $MORE) = ('a word that is known late', 'bytes as they are', 'an answer that is not in the file');
my %BY_HAND = (
    'a07-order-and-unknown-fields' => 'a body with blanks that SIPp takes away',
    'a16-sent-by-is-not-ours'      => $LATE,
    'a22-next-via-is-nobodys'      => $LATE,
    'a24-room-for-transactions'    => $MORE,
    'b10-aliases'                  => 'brackets',
    'c03-second-via-is-empty'      => $LATE,
    'c03-top-via'                  => $LATE,
    'c05-both-branches-accept'     => 'two dialogs of one call',
    'c16-cancel-that-is-not-valid' => $RAW,
    'c19-cancel-of-nothing'        => $MORE,
    'c20-cancel-of-another-method' => $RAW,
    'd16-cancel-of-somebody-else'  => $RAW,
    'k01-loop'                     => $LATE,
    'k01-loop-of-one-branch'       => $LATE,
);

# Times are so much shorter where time passes; elsewhere they are as long as may be, so that nothing is repeated.
my %FACTOR = (
    'b28-no-100'                             => 1,
    'b28-trying-in-time'                     => 1,
    'c04-provisionals'                       => 1,
    'c05-both-branches-accept'               => 0.2,
    'c05-further-2xx'                        => 0.2,
    'c08-nobody-answers'                     => 0.1,
    'c08-time-to-connect-counts'             => 0.1,
    'c13-server-transaction-gone'            => 0.1,
    'c15-cancel-of-timer-c-unanswered'       => 0.1,
    'c15-timer-c-silent'                     => 0.2,
    'c17-cancel-waits-for-a-provisional'     => 0.2,
    'd02-invite-over-udp'                    => 0.5,
    'd03-ack-of-failures'                    => 0.2,
    'd04-failure-again-over-udp'             => 0.2,
    'd05-2xx-over-udp'                       => 0.2,
    'd06-other-request'                      => 0.1,
    'd06-other-request-over-udp'             => 0.5,
    'd08-trying-of-the-next-hop'             => 0.2,
    'd10-late-answer'                        => 0.2,
    'd12-failure-without-ack-over-udp'       => 0.5,
    'd15-other-request-again'                => 0.5,
);

my $folder = top_srcdir() . '/t/data/scenario';
my %path = map { basename($_, '.scenario') => $_ } glob "$folder/*.scenario";
my %failing = map { basename($_, '.scenario') => $_ } glob "$folder/failing/*.scenario";
my @names = @ARGV ? @ARGV : sort grep { !$ONLY_IN_MEMORY{$_} } keys %path;
my $has_sipp = Trelay::Sipp->is_there;
Trelay::Postgres::bin_directory() or plan(skip_all => 'no PostgreSQL server programs here');

subtest 'the tables are about scenarios, and what passes time has its factor' => sub {
    for my $table (\%ONLY_IN_MEMORY, \%BY_HAND, \%FACTOR) {
        is(join(' ', grep { !$path{$_} } sort keys %$table), '', 'each has its file');
    }
    my @passing = grep { slurp($path{$_}) =~ /^pass /m && !$ONLY_IN_MEMORY{$_} } sort keys %path;
    is(join(' ', sort keys %FACTOR), join(' ', @passing), 'a scenario in which time passes is in one of two tables');
};

subtest 'what SIPp cannot say is what the table says' => sub {
    for my $name (sort grep { !$ONLY_IN_MEMORY{$_} } keys %path) {
        my $is_said = eval { Trelay::Scenario::Sipp->translate(Trelay::Scenario->read($path{$name})) };
        is($is_said ? '' : $@ =~ s/\n\z//r, $BY_HAND{$name} // '', $name);
    }
};

my $pki = Trelay::PKI->new;
my $ca  = $pki->authority('federation');
my %trust = (ca => $ca, us => $ca->leaf('us', uri => ['sip:edge.example']));
my %agents = map { $_->word(1) => 1 } grep { $_->word(2) eq 'tls' } map { @{ Trelay::Scenario->read($_)->{agents} } } values %path;
$trust{agents}{$_} = $ca->leaf($_, uri => [ "sip:$_.agents.example", $_ eq 'fake' ? 'sip:impostor.example' : 'sip:partners.example' ])
    for sort keys %agents;

my $results = tempdir('trelay-scenarios-XXXXXX', TMPDIR => 1, CLEANUP => 1);

sub places ($path, @free) {
    return { map { $_ => /^\[/ ? '[::1]:' . free_port('::1') : (shift @free // die "too few addresses\n") }
            Trelay::Scenario->addresses($path) };
}

sub write_file ($file, $text) {
    open my $out, '>', $file or die "$file: $!\n";
    print {$out} $text;
    close $out or die "$file: $!\n";
    return;
}

# Seconds that pass in it.
sub duration ($name) {
    my $passes = 0;
    $passes += $_ for $path{$name} ? slurp($path{$name}) =~ /^pass (\d+)/mg : ();
    return $passes / 1000 * ($FACTOR{$name} // 0);
}

# The next one that nobody has taken.
sub next_name ($queue) {
    open my $file, '+<', $queue or die "$queue: $!\n";
    flock $file, LOCK_EX or die "$queue: $!\n";
    my ($first, @rest) = <$file>;
    seek $file, 0, SEEK_SET;
    truncate $file, 0;
    print {$file} @rest;
    close $file or die "$queue: $!\n";
    return defined $first ? $first =~ s/\n\z//r : undef;
}

# One scenario: what was wrong.
sub play ($name, $addresses, %options) {
    my $path = $path{$name} // $failing{$name};
    return Trelay::Scenario::Run->run(%options, path => $path, places => scalar eval { places($path, @$addresses) },
        trust => \%trust, factor => $FACTOR{$name}, seconds => $failing{$name} ? 1 : 10,
        sipp => $has_sipp && !$BY_HAND{$name} && !$failing{$name});
}

sub work ($queue) {
    my $postgres = Trelay::Postgres->with_schema;
    my @addresses = further_addresses(24);
    my $names = Trelay::Scenario::NoNames->start(pop @addresses);
    while (defined(my $name = next_name($queue))) {
        my $start = time;
        my $error = play($name, \@addresses, postgres => $postgres, names => $names);
        write_file("$results/$name", sprintf "%.1f\n%s", time - $start, $error);
    }
    $postgres->destroy;
    return;
}

# What takes long begins first: what passes much time.
my @failing = @ARGV ? () : sort grep { !$FAILS_IN_MEMORY{$_} } keys %failing;
my $queue = "$results/.queue";
write_file($queue, join '', map { "$_\n" } sort { duration($b) <=> duration($a) || $a cmp $b } @names, @failing);
my @workers = map { Trelay::Process->start(name => 'worker', code => sub { work($queue) }) } 1 .. $WORKERS;
is($_->wait_for_exit(300), 0, 'a worker ends well') || diag($_->output) for @workers;

my $played = 0;
for my $name (@names) {
    my $title = Trelay::Scenario->read($path{$name})->{title};
    my ($seconds, $error) = -e "$results/$name" ? split(/\n/, slurp("$results/$name"), 2) : (0, "it was not run\n");
    my $is_sipp = $has_sipp && !$BY_HAND{$name};
    $played += $is_sipp;
    ok($error eq '', sprintf '%s%s (%s s)', $is_sipp ? 'SIPp: ' : '', $title, $seconds) || diag("$path{$name}:\n$error");
}
for my $name (@failing) {
    my ($fails) = slurp($failing{$name}) =~ /^fails (.*)/m;
    my (undef, $error) = -e "$results/$name" ? split(/\n/, slurp("$results/$name"), 2) : (0, "it was not run\n");
    ok(length($fails // '') && index($error, $fails) >= 0, "$name must fail, and does") || diag("expected: $fails\n$error");
}

subtest 'SIPp judges: what it does not expect fails' => sub {
    plan(skip_all => 'no SIPp here') if !$has_sipp;
    my ($holder) = further_addresses(4);
    my $sipp = Trelay::Scenario::Sipp->translate(Trelay::Scenario->read($path{'c06-6xx'}, { '198.51.100.1' => $holder }));
    $sipp->{parts} = { map { $_ => $sipp->{parts}{$_} } 'bob call' };
    $sipp->start;
    $sipp->hand('bob', Trelay::SIP::parse(Trelay::SIP::request('BYE', 'sip:bob@far.example', call_id => 'call')));
    like($sipp->judgement, qr/SIPp as bob: [1-9]/, 'a BYE instead of an INVITE');
    $sipp->stop;
};

note(sprintf '%d scenarios: %d with SIPp, %d without, %d in memory alone', scalar(keys %path), $played, @names - $played,
    scalar(keys %ONLY_IN_MEMORY));
done_testing;
