#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# While the database is away accounting records wait, as many as there is room for; what is lost is counted: in trelayctl
# status, in trelay.node and trelay.problem when the database is back, and, with what could not be written before the end,
# in a line of the log.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP::Server;

# Records get lost here, and there is none to compare what explain foretells with.
my $edge    = Trelay::Edge->start(foresee => 0, configuration => "accounting {\n    backlog = 64\n}\n");
my $partner = Trelay::SIP::Server->start(transport => 'udp', host => own_address(2));
my $address = $partner->host . ':' . $partner->port;
$edge->apply("INSERT INTO trelay.outbound_policy (name, domain, level, next_hop)"
        . " VALUES ('biloxi', 'biloxi.example', 'none', '{$address}')");
my $process = $edge->daemon->process;

sub records () { return $edge->control('status')->{records} // {} }
sub ask ()     { return $edge->ask('OPTIONS', 'sip:bob@biloxi.example')->status }

is(ask(), 200, 'a request is served');
$process->wait_until('its record', sub { (records()->{written} // 1) == 1 });
is_deeply(records(), { written => 1, waiting => 0, lost => 0, withheld => 0 }, 'its record is written');

my $asked = 1;
subtest 'the database is away' => sub {
    $edge->{postgres}->stop;
    $process->wait_until('no session', sub { !$edge->control('status')->{database} });
    do { $asked++ } while ask() == 200 && $asked < 2000 && !(records()->{lost} // 1);
    $process->wait_until('all are counted', sub {
        my $records = records();
        return !%$records || $records->{written} + $records->{waiting} + $records->{lost} >= $asked;
    });
    my $records = records();
    cmp_ok($records->{waiting} // 0, '>', 10, 'records wait');
    cmp_ok($records->{lost} // 0,    '>', 0,  'and are lost when there is no room');
    is(scalar(() = $process->output =~ /event=records-lost/g), 1, 'which is a line of the log, one');
};

subtest 'the database is back' => sub {
    my $lost = records()->{lost} // 0;
    $edge->{postgres}->start;
    $process->wait_until('they are written', sub { !records()->{waiting} && $edge->control('status')->{database} });
    is($edge->sql('SELECT count(*) FROM trelay.transaction_record'), records()->{written}, 'as many as it says');
    my $told = sub { $edge->sql("SELECT to_jsonb(n) ->> 'records_lost' FROM trelay.node AS n") };
    $process->wait_until('a heartbeat', sub { $told->() eq $lost });
    is($told->(), $lost, 'trelay.node has the lost ones');
    like($edge->sql("SELECT severity, row_name, problem FROM trelay.problem WHERE table_name = 'node'"),
        qr/^warning\|edge\|$lost accounting records are lost since /, 'and trelay.problem says it');
};

subtest 'the end without a database' => sub {
    my $lost = records()->{lost} // 0;
    $edge->{postgres}->stop;
    $process->wait_until('no session', sub { !$edge->control('status')->{database} });
    is(ask(), 200, 'a request is served') for 1 .. 3;
    ok($edge->daemon->stop, 'trelayd ends');
    my $all = $lost + 3;
    like($process->output, qr/event=records-lost records=$all unwritten=3 /, 'and tells how many records nobody has');
};

is($partner->stop, 0, 'the partner ends well');
done_testing;
