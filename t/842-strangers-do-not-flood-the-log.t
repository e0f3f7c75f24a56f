#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# What anybody can cause as often as he likes is in the log as often as is worth reading, then as a number: datagrams that
# are no SIP, requests of strangers, handshakes that fail, pins that are no good. What the relay does for those whom it
# accepts is in the log whole, beside it. Likewise in accounting: what strangers ask for has so many records in a second and
# is counted beyond, and those whom the relay accepts have theirs.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::IP;
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request);
use Trelay::SIP::Server;

use constant { TIMES => 150, LINES => 50, SPAN_S => 10, RECORDS => 5 };

my $edge    = Trelay::Edge->start(configuration => "accounting {\n    strangers = " . RECORDS . "\n}\n");
my $partner = Trelay::SIP::Server->start(transport => 'udp', host => own_address(2));
my $address = $partner->host . ':' . $partner->port;
$edge->sql('SELECT trelay.rotate_dialog_secret()');
$edge->apply("INSERT INTO trelay.outbound_policy (name, domain, level, next_hop) VALUES"
        . " ('biloxi', 'biloxi.example', 'none', '{$address}')");
my $stranger = Trelay::SIP::UDP->new(host => own_address(3));

my %sent;

# A few at a time, each batch answered before the next, so that none is lost on the way.
sub flood ($event, $once, $is_over) {
    for my $n (1 .. TIMES) {
        $once->($n);
        $sent{$event}++;
        $is_over->() if $n % 20 == 0;
    }
    return;
}

sub answer_to_stranger () {
    $edge->send('OPTIONS', 'sip:bob@biloxi.example', from_socket => $stranger);
    $sent{'transaction-refused'}++;
    my $answer = $stranger->receive;
    return $answer && $answer->status;
}

flood('message-dropped', sub ($n) { $stranger->send("no SIP $n\r\n\r\n", $edge->host, 5060) }, \&answer_to_stranger);
flood('transaction-refused', sub ($n) {
    $edge->send('OPTIONS', 'sip:bob@biloxi.example', from_socket => $stranger);
}, sub { $stranger->receive for 1 .. 20 });
flood('connection-failed', sub ($n) {
    my $socket = IO::Socket::IP->new(PeerHost => $edge->host, PeerPort => 5061, LocalHost => own_address(3));
    syswrite $socket, "no TLS $n\r\n\r\n";
    sysread $socket, my $alert, 100;
    close $socket;
}, sub { });
# The phone is accepted, and what it brings was made by somebody else; its own lines are not left out.
my $pin = 'sip:' . $edge->host . ':5060;lr;pin=bm8tcGlu';
my %answered;
flood('pin-refused', sub ($n) {
    my $reply = $edge->ask('OPTIONS', 'sip:bob@biloxi.example', to => '<sip:bob@biloxi.example>;tag=x',
        headers => [ [ Route => "<$pin>" ] ]);
    $answered{ $reply->status }++;
}, sub { });

is_deeply(\%answered, { 200 => TIMES }, 'who is accepted is served');
my $daemon = $edge->daemon->process;

# Records of the flood of strangers lie within these seconds; the last of one may end in the next.
subtest 'accounting' => sub {
    my $refused = $sent{'transaction-refused'};
    my $records = sub { return $edge->control('status')->{records} };
    $daemon->wait_until('all are written', sub {
        my $now = $records->();
        return !$now->{waiting} && $now->{written} + $now->{withheld} >= $refused + TIMES;
    });
    my ($written, $seconds) = split /\|/, $edge->sql("SELECT count(*), count(DISTINCT date_trunc('second', recorded_at))"
            . ' FROM trelay.transaction_record WHERE inbound_peer IS NULL');
    my $withheld = $records->()->{withheld};
    is($written + $withheld, $refused, 'each request of a stranger has a record, or is counted');
    cmp_ok($withheld, '>', 0, 'some were too many');
    cmp_ok($written, '>=', RECORDS, 'enough to see what is going on');
    cmp_ok($written, '<=', RECORDS * ($seconds + 1), 'and no more in any second');
    is($edge->sql('SELECT count(*) FROM trelay.transaction_record WHERE inbound_peer IS NOT NULL'), TIMES, 'the others have all of theirs');
    like($daemon->output, qr/event=records-withheld /, 'and the log says that it began');
};
$edge->stop; # what was left out is told at the end, at the latest
my $log = $daemon->output;

# The spans of time that the log has: two at the least, for the first may end at any moment; more on a slow machine.
my @times = map { my ($h, $m, $s) = split /:/; ($h * 60 + $m) * 60 + $s } $log =~ /^time=\S+?T(\d+:\d+:\d+)/mg;
my $spans = 2 + int(($times[-1] - $times[0]) % 86400 / SPAN_S);

for my $event (sort keys %sent) {
    my $lines = () = $log =~ /^.*\bevent=\Q$event\E\b.*$/mg;
    my $told  = 0;
    $told += $1 while $log =~ /\bevent=log-limited what=\Q$event\E lines=(\d+)$/mg;
    cmp_ok($lines, '>=', LINES, "$event: enough lines to see what is going on");
    cmp_ok($lines, '<=', LINES * $spans, "$event: and no more in any span of time");
    is($lines + $told, $sent{$event}, "$event: each is a line, or counted in one");
}
my $done = () = $log =~ /\bevent=transaction-done\b/g;
is($done, TIMES, 'what was done for others is there, line by line');
is($partner->stop, 0, 'the partner ends well');
done_testing;
