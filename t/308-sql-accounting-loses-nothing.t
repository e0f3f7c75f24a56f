#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Accounting records go into the partition of their day; a missing one does not lose them, and many nodes may make
# it at once.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;

sub record { return "INSERT INTO trelay.transaction_record (recorded_at, node, call_id) VALUES ('$_[0]', 'edge1', '$_[1]');" }
sub partition_of { return $pg->value("SELECT tableoid::regclass FROM trelay.transaction_record WHERE call_id = '$_[0]'") }

$pg->run(record('2031-05-01 12:00+00', 'early') . record('2031-05-02 00:00+00', 'next-day'), user => 'test_daemon');
is partition_of('early'), 'trelay.transaction_record_default', 'without a partition it is kept aside';
is $pg->value("SELECT row_name FROM trelay.problem WHERE table_name = 'transaction_record'"), 'transaction_record_default', 'and seen as a problem';
is $pg->value("SELECT trelay.make_partition(DATE '2031-05-01')", user => 'test_daemon'), 'transaction_record_20310501', 'the daemon makes the partition';
is partition_of('early'), 'trelay.transaction_record_20310501', 'what was kept aside moves into it';
is partition_of('next-day'), 'trelay.transaction_record_default', 'and nothing else does';
is $pg->value("SELECT trelay.make_partition(DATE '2031-05-01')", user => 'test_daemon'), 'transaction_record_20310501', 'twice is once';
$pg->run("SET timezone = 'Pacific/Auckland'; SELECT trelay.make_partition(DATE '2031-05-02')", user => 'test_daemon');
$pg->run(record('2031-05-02 23:59:59.999+00', 'late') . record('2031-05-03 00:00+00', 'after'), user => 'test_daemon');
is partition_of('next-day'), 'trelay.transaction_record_20310502', 'a day begins at midnight UTC, wherever the session is';
is partition_of('late'), 'trelay.transaction_record_20310502', 'and ends there';
is partition_of('after'), 'trelay.transaction_record_default', 'not later';

subtest 'many at once' => sub {
    my @pids = map {
        my $pid = fork // die;
        if ($pid == 0) {
            my ($status, undef, $error) = $pg->psql("SELECT trelay.make_partition(DATE '2031-06-01'); SELECT trelay.make_partition(DATE '2031-06-02');"
                . record('2031-06-01 10:00+00', "fork-$_"), user => 'test_daemon');
            require POSIX;
            print STDERR $error;
            POSIX::_exit($status ? 1 : 0);
        }
        $pid
    } 1 .. 4;
    for (@pids) { waitpid $_, 0; is $?, 0, 'succeeds' }
    is $pg->value("SELECT count(*) FROM trelay.transaction_record_20310601"), 4, 'all records are in the one partition';
};

like $pg->refused("SELECT trelay.make_partition(NULL)", user => 'test_daemon'), qr/a day between 2000 and 2999/, 'no day, no partition';
like $pg->refused("SELECT * FROM trelay.transaction_record", user => 'test_daemon'), qr/permission denied/, 'the daemon writes and does not read';
is $pg->value("SELECT count(*) FROM trelay.transaction_record", user => 'test_reader'), 8, 'a reader reads';
is $pg->value("SELECT string_agg(p, ' ') FROM trelay.drop_records(DATE '2031-06-01') AS p", user => 'test_admin'),
    'transaction_record_20310501 transaction_record_20310502', 'old days are dropped';
is $pg->value("SELECT string_agg(DISTINCT left(call_id, 4), ' ') FROM trelay.transaction_record"), 'fork', 'also from what was kept aside';
done_testing;
