#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Records get into the table whatever stands in them; a bad one does not take others with it; a full backlog says so.
use v5.36;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::DbProbe;
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
my $probe = Trelay::DbProbe->start($pg->conninfo(user => 'test_daemon'), 'edge1');
$probe->wait_for(qr/^loaded/);
$probe->wait_until('partitions', sub { $pg->value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'trelay.transaction_record'::regclass") == 3 });
pass 'the partitions of today and tomorrow are made';

sub count ($where) { return $pg->value("SELECT count(*) FROM trelay.transaction_record WHERE $where") }

# More than libpq takes at once, and many batches.
$probe->say(map { 'record|call-' . $_ . ('x' x ($_ % 700)) . '|200' } 1 .. 5000);
$probe->wait_until('5000 records', sub { count('true') == 5000 });
is $pg->value('SELECT count(DISTINCT call_id), min(status), max(status) FROM trelay.transaction_record'), '5000|200|200', 'each once';
is $pg->value("SELECT count(*) FROM trelay.transaction_record_default"), 0, 'all in the partition of their day';

$probe->say("record|tab\tbackslash\\quote'|200", "record|\xff\xfe broken \xc3\xbc whole|486");
$probe->wait_until('odd bytes', sub { count("status = 486") == 1 });
is count(q{call_id = E'tab\tbackslash\\\\quote\''}), 1, 'what is special to COPY arrives as it was';
is count(q{call_id = E'\\\\xff\\\\xfe broken \u00fc whole'}), 1, 'what is no text is spelled out';

$probe->say((map { "record|good-$_|200" } 1 .. 20), 'record|bad|not a number', (map { "record|good-$_|200" } 21 .. 40), 'record|worse|');
$probe->wait_until('the good ones', sub { count("call_id LIKE 'good-%'") == 40 });
$probe->wait_until('the bad ones', sub { $probe->ask('records') =~ /refused=2 / });
is $probe->ask('records'), 'written=5042 refused=2 turned_away=0 waiting=0', 'one bad record is one record';
like $probe->output, qr/record-refused.*invalid input syntax for type integer/, 'and is told';

subtest 'the table cannot be written for a while' => sub {
    $pg->run('REVOKE INSERT ON trelay.transaction_record FROM trelay_daemon');
    $probe->say('record|delayed|200');
    $probe->wait_for(qr/record-delayed.*permission denied/);
    like $probe->ask('records'), qr/refused=2 .*waiting=[1-9]/, 'they wait';
    $pg->run('GRANT INSERT ON trelay.transaction_record TO trelay_daemon');
    $probe->wait_until('the delayed one', sub { count("call_id = 'delayed'") == 1 });
};
is $probe->stop, '', 'ends in order';

subtest 'a full backlog' => sub {
    my $small = Trelay::DbProbe->start('host=/nonexistent', 'edge1', backlog => 4000);
    $small->say(map { 'record|' . ('x' x 100) . "|$_" } 100 .. 199);
    is $small->wait_for(qr/^record refused: (.*)/), 'a limit was exceeded', 'who comes too late is told';
    my ($turned_away, $waiting) = $small->ask('records') =~ /turned_away=(\d+) waiting=(\d+)/;
    cmp_ok $waiting, '<=', 4000, 'no more than the limit waits';
    is $turned_away, 100 - $waiting / int($waiting / (100 - $turned_away)), 'nothing else is lost';
    is $small->stop, '', 'ends in order';
};

subtest 'connections' => sub {
    my $probe = Trelay::DbProbe->start($pg->conninfo(user => 'test_daemon'), 'edge1');
    $probe->wait_for(qr/^resync/);
    $probe->say((map { "put|c$_|handshaking" } 1 .. 2500), (map { "put|c$_|ready" } 1 .. 2500), (map { "remove|c$_" } 1 .. 100));
    $probe->wait_until('rows', sub { $pg->value("SELECT count(*) FROM trelay.connection WHERE state = 'ready'") == 2400 });
    is $pg->value("SELECT count(*) FROM trelay.connection"), 2400, 'the last state of each that lives';
    is $pg->value("SELECT remote_address, remote_port, peer_sans, peer_subject, peer_not_before, peer_not_after, requests FROM trelay.connection WHERE id = 'c101'"),
        '2001:db8::1|5061|{uri:sip:biloxi.example,"dns:a\"b\\\\c"}|CN=biloxi ' . "\x01" . '\\xff||2030-01-01 00:00:00+00|3', 'as it was given';
    is $probe->stop, '', 'ends in order';
};
done_testing;
