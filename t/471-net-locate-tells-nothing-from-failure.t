#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A name service that says "there is nothing" is told from one that says nothing or fails; a failure is never a reason
# to leave TLS; answers are cached for their TTL, and equal questions are asked once.
use v5.36;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IO::Socket::INET;
use IPC::Open2 qw(open2);
use Test::More;
use Trelay::NameServer;

my $program = ($ENV{top_builddir} // '.') . '/t/net-locate';
plan skip_all => 'knotd is not installed' if !Trelay::NameServer->program;

my $zone = <<'ZONE';
@                NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp
_sips._tcp       SRV   10 0 5061 sip
sip              A     192.0.2.1
other            A     192.0.2.2
short       1    A     192.0.2.3
zero        0    A     192.0.2.4
ZONE
my $names = Trelay::NameServer->start('biloxi.example' => $zone);

# Runs the lines in a resolver of its own; returns what it prints.
sub run ($arguments, @lines) {
    my $pid = open2(my $out, my $in, $program, @$arguments);
    print {$in} map { "$_\n" } @lines;
    close $in;
    chomp(my @said = readline $out);
    waitpid $pid, 0;
    is($?, 0, 'an orderly end');
    return @said;
}

my @quick = ($names->address, 2000, 3);
my $whole = 'locate biloxi.example 0 sips - tls 4';
my $found = 'none tls=192.0.2.1:5061';

# A cache, and its limits.
is_deeply([ run(\@quick, $whole, 'go', $whole, 'go', 'counters') ],
    [ $found, $found, 'asked=3 cached=3 joined=0 failed=0' ], 'the second answer comes from the cache');
is(scalar(my @asked = $names->asked), 3, 'each question went out once');
is_deeply([ run(\@quick, ($whole) x 5, 'go', 'counters') ],
    [ ($found) x 5, 'asked=3 cached=0 joined=12 failed=0' ], 'who asks the same at the same time waits for the same');
is(scalar(@asked = $names->asked), 3, 'each question went out once');
is_deeply([ run(\@quick, $whole, $whole =~ s/locate/cancel/r, $whole, 'go', $whole, 'go') ], [ ($found) x 3 ],
    'a cancelled question takes nothing from the others');
is_deeply([ run(\@quick, $whole =~ s/locate/cancel/r, 'locate 192.0.2.9 0 sips - tls 4', 'go', $whole, 'go') ],
    [ 'none tls=192.0.2.9:5061', $found ], 'nor from the cache');
is_deeply([ run(\@quick, $whole, 'go', 'forget', $whole, 'go', 'counters') ],
    [ $found, $found, 'asked=6 cached=0 joined=0 failed=0' ], 'a cache can be forgotten');
is_deeply([ run(\@quick, ('locate nobody.biloxi.example 5061 sips - tls 4', 'go') x 2, 'counters') ],
    [ ('no-address (nobody.biloxi.example has no address that can be used)') x 2,
        'asked=1 cached=1 joined=0 failed=0' ], 'that there is nothing is cached too');
is_deeply([ run(\@quick, ('locate zero.biloxi.example 5061 sips - tls 4', 'go') x 2, 'counters') ],
    [ ('none tls=192.0.2.4:5061') x 2, 'asked=2 cached=0 joined=0 failed=0' ], 'a TTL of 0 is not cached');
# Room for two: the one that was not used for longest goes.
my @one_by_one = map { ("locate $_.biloxi.example 5061 sips - tls 4", 'go') } qw(sip other sip short sip other);
is((run([ @quick, 0, 2 ], @one_by_one, 'counters'))[-1], 'asked=4 cached=2 joined=0 failed=0', 'a full cache forgets what was not used for longest');
is_deeply([ run([ @quick, 0, 2 ], (map { "locate $_.biloxi.example 5061 sips - tls 4" } qw(sip other short)), 'go') ],
    [ 'none tls=192.0.2.1:5061', 'none tls=192.0.2.2:5061',
        'dns-failed (name service: short.biloxi.example: a limit was exceeded)' ], 'questions under way are not forgotten');

# A record that changes is seen when its TTL is over.
{
    my $pid = open2(my $out, my $in, $program, @quick);
    my $ask = sub {
        print {$in} "locate short.biloxi.example 5061 sips - tls 4\ngo\n";
        $in->flush;
        chomp(my $line = readline $out);
        return $line;
    };
    is($ask->(), 'none tls=192.0.2.3:5061', 'before the change');
    $names->zone('biloxi.example', $zone =~ s/192\.0\.2\.3/192.0.2.33/r);
    select undef, undef, undef, 1.1; # nothing tells that a TTL is over
    is($ask->(), 'none tls=192.0.2.33:5061', 'after the TTL, at the first question');
    close $in;
    waitpid $pid, 0;
}

# Failure.
is_deeply([ map { s/ .*//r } run(\@quick, 'locate elsewhere.example 0 sips - tls 4', 'go') ], ['dns-failed'],
    'a server that refuses is not one that says there is nothing');
$names->asked;
my @hasty = ($names->address, 100, 1);
$names->mute(1);
is_deeply([ map { s/ .*//r } run(\@hasty, $whole, 'go') ], ['dns-failed'], 'a server that is silent');
is_deeply([ $names->asked ], ['NAPTR biloxi.example'], 'is not asked on and on');
is_deeply([ map { s/ .*//r } run(\@hasty, ($whole =~ s/ 0 / 5061 /r, 'go') x 3) ], [ ('dns-failed') x 3 ],
    'a failure is remembered for a moment');
is(scalar(@asked = $names->asked), 1, 'so that the server is left alone');
$names->mute(0);

my $closed = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'udp') or die "socket: $!\n";
my $dead = '127.0.0.1:' . $closed->sockport;
close $closed;
is_deeply([ map { s/ .*//r } run([ $dead, 100, 1 ], $whole, 'go') ], ['dns-failed'], 'no server at all');
is_deeply([ run([ "$dead," . $names->address, 500, 2 ], $whole, 'go') ], [$found], 'the second server serves');

# A server of our own that fails for one type and serves the others.
sub odd_server ($rcode_of) {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'udp') or die "socket: $!\n";
    my $pid = fork // die "fork: $!\n";
    return ('127.0.0.1:' . $socket->sockport, $pid) if $pid;
    while (defined $socket->recv(my $message, 65535)) {
        my $name = Trelay::NameServer::question($message);
        my ($id, $flags) = unpack 'nn', $message;
        my $end = index($message, "\0", 12) + 5;
        my $rcode = $rcode_of->($name);
        my $record = $rcode ? '' : $name =~ /^A / ? pack('nnnNnC4', 0xc00c, 1, 1, 60, 4, 192, 0, 2, 77)
            : $name =~ /^SRV _sip\._udp\.b/ ? pack('nnnNn/a', 0xc00c, 33, 1, 60, pack('nnnC/aC/aC', 1, 1, 5070, 'b',
                'example', 0)) : '';
        $socket->send(pack('nnnnnn', $id, 0x8180 | $rcode, 1, $record ne '' ? 1 : 0, 0, 0)
            . substr($message, 12, $end - 12) . $record);
    }
    POSIX::_exit(0);
}

# A server that says ANSWERS for each question, which is given with its header's id and flags; UDP alone.
sub saying ($answers) {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'udp') or die "socket: $!\n";
    my $pid = fork // die "fork: $!\n";
    return ('127.0.0.1:' . $socket->sockport, $pid) if $pid;
    while (defined $socket->recv(my $message, 65535)) {
        my $end = index($message, "\0", 12) + 5;
        $socket->send($_) for $answers->(unpack('n', $message), substr($message, 12, $end - 12));
    }
    POSIX::_exit(0);
}

my ($tls, $udp, $srv) = ('none tls=192.0.2.77:5061', 'none udp=192.0.2.77:5060', 'none udp=192.0.2.77:5070');
my $at = sub ($last) { return pack 'nnnNnC4', 0xc00c, 1, 1, 60, 4, 192, 0, 2, $last };
my $good = sub ($id, $asked, $last = 77) { return pack('nnnnnn', $id, 0x8180, 1, 1, 0, 0) . $asked . $at->($last) };
my $evil = pack('C/aC/aC', 'evil', 'example', 0) . pack 'nn', 1, 1;
for my $case (
    # What is not an answer to the question is no answer: the right one comes behind it.
    [ 'an answer of another number', $tls, sub ($id, $asked) { return map { $good->(@$_) } [ $id ^ 1, $asked, 66 ], [ $id, $asked ] } ],
    [ 'an answer to another question', $tls,
        sub ($id, $asked) { return ($good->($id, $evil, 66), $good->($id, $asked)) } ],
    [ 'a question instead of an answer', 'dns-failed', sub ($id, $asked) { return pack('nnnnnn', $id, 0x0100, 1, 0, 0, 0) . $asked } ],
    # What cannot be read says nothing, and least of all that there is nothing.
    [ 'an answer cut off', 'dns-failed', sub ($id, $asked) { return substr $good->($id, $asked), 0, -3 } ],
    [ 'more records announced than there are', 'dns-failed',
        sub ($id, $asked) { return pack('nnnnnn', $id, 0x8180, 1, 9, 0, 0) . $asked . $at->(77) } ],
    [ 'a name that points at itself', 'dns-failed', sub ($id, $asked) {
        my $here = 0xc000 | 12 + length $asked;
        return pack('nnnnnn', $id, 0x8180, 1, 1, 0, 0) . $asked . pack('nnnNnC4', $here, 1, 1, 60, 4, 192, 0, 2, 66);
    } ],
    [ 'an address of three bytes', 'dns-failed', sub ($id, $asked) {
        return pack('nnnnnn', $id, 0x8180, 1, 1, 0, 0) . $asked . pack 'nnnNnC3', 0xc00c, 1, 1, 60, 3, 192, 0, 2;
    } ],
    [ 'a large answer, and no TCP', 'dns-failed',
        sub ($id, $asked) { return pack('nnnnnn', $id, 0x8380, 1, 0, 0, 0) . $asked } ],
) {
    my ($what, $expected, $answers) = @$case;
    my ($address, $pid) = saying($answers);
    is_deeply([ map { s/ \(.*//r } run([ $address, 300, 1 ], 'locate a.example 5061 sips - tls 4', 'go') ], [$expected],
        $what);
    kill 'KILL', $pid;
    waitpid $pid, 0;
}

# Questions that fail => what is found for a.example, with TLS required and with anything allowed, and for b.example,
# which has SRV records for UDP.
for my $case (
    [ 'NAPTR fails',         qr/^NAPTR/,          $tls,         'dns-failed', 'dns-failed' ],
    [ 'SRV of TLS fails',    qr/^SRV _sips/,      'dns-failed', 'dns-failed', 'dns-failed' ],
    [ 'SRV of UDP fails',    qr/^SRV _sip\._udp/, $tls,         'dns-failed', 'dns-failed' ],
    [ 'SRV of TCP fails',    qr/^SRV _sip\._tcp/, $tls,         'dns-failed', $srv ],
    [ 'addresses fail',      qr/^A /,             'dns-failed', 'dns-failed', 'dns-failed' ],
    [ 'IPv6 addresses fail', qr/^AAAA/,           $tls,         $udp,         $srv ],
    [ 'nothing fails',       qr/^$/,              $tls,         $udp,         $srv ],
) {
    my ($what, $failing, @expected) = @$case;
    for my $rcode (2, 4, 5) {
        my ($address, $pid) = odd_server(sub ($question) { return $question =~ $failing ? $rcode : 0 });
        is_deeply([ map { s/ \(.*//r } run([ $address, 1000, 1 ], 'locate a.example 0 sip - tls 46',
            'locate a.example 0 sip - udp+tcp+tls 46', 'locate b.example 0 sip - udp+tcp+tls 46', 'go') ],
            \@expected, "$what, code $rcode");
        kill 'KILL', $pid;
        waitpid $pid, 0;
    }
}

$names->stop;
done_testing;
