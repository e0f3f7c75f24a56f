#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A next hop answers a request of another worker, and there is no memory to hand the answer on: who waits for it is
# answered then, and does not wait until the request's timers end; it is counted and in the log.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Apart qw(partners_apart);
use Trelay::Edge;
use Trelay::SIP qw(response);
use Trelay::Shortage;

use constant { WORKERS => 8, ALLOCATIONS_MAX => 60, RESENDS => 16, PASSES => 5 };

# Timers that end long after the test has given up.
my $memory = Trelay::Shortage->new;
my $edge   = Trelay::Edge->start(foresee => 0, workers => WORKERS, configuration => "timers {\n    t1 = 4000\n}\n");
my %far    = partners_apart($edge);

# What the phone hears of a request that is answered when the Nth allocation from then on is refused, and whether it was.
# It asks again where its datagram, or the answer to it, found no memory.
sub outcome ($n, $nth) {
    my $sent   = $edge->send('OPTIONS', "sip:bob\@$n.example", flags => 'no-conn-reuse');
    my $stream = $far{$n}->accept // return ('no connection', 0);
    my $seen   = $stream->receive // return ('no request', 0);
    $memory->refuse($nth);
    $stream->send(response($seen, 200, 'OK', to_tag => 'far'));
    for (1 .. RESENDS) {
        while (my $message = $edge->phone->receive(0.5)) {
            next if $message->call_id ne $sent->call_id || $message->status < 200;
            return ($message->status, $memory->plenty);
        }
        $edge->phone->send($sent->text, $edge->host, 5060);
    }
    return ('nothing', $memory->plenty);
}

# Each allocation from an answer on. Others that the daemon makes meanwhile may take the place of one: all is repeated,
# PASSES times at most, until a response was lost.
sub has_been_lost () { return $edge->daemon->log =~ /event=message-undeliverable [^\n]*what=response/ }
for my $pass (1 .. PASSES) {
    for my $n (sort keys %far) {
        my ($nth, $was_refused, @outcomes) = (0, 1);
        while ($was_refused && $nth < ALLOCATIONS_MAX) {
            (my $outcome, $was_refused) = outcome($n, $nth++);
            push @outcomes, $outcome;
        }
        cmp_ok(scalar @outcomes, '>', 1, "partner $n: memory was refused");
        is_deeply([ grep { !/^(?:200|5\d\d)$/ } @outcomes ], [], "partner $n: each wait has an end (@outcomes)");
        ok(!$was_refused, "partner $n: all allocations were refused once");
    }
    last if has_been_lost();
}
ok(has_been_lost(), 'what is lost is in the log');
cmp_ok($edge->control('status')->{dropped}, '>', 0, 'and counted');

$edge->stop;
done_testing;
