#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The load programs of bench/ answer each other, directly and through the bare pipe, and count right.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP qw(decode_json);
use Test::More;
use Trelay::House qw(top_builddir run_command);
use Trelay::Loopback qw(own_address);
use Trelay::PKI;
use Trelay::Process;

my $build = top_builddir();
my ($status, $output) = run_command('make', '-s', '-C', $build, map { "bench/$_" } qw(siplite tlschurn bare_pipe));
is($status, 0, 'they build') or die $output;

my $ca = Trelay::PKI->new->authority('bench');
my %tls = map {
    my $leaf = $ca->leaf("$_.example", dns => ["$_.example"]);
    ($_ => [ '-c', $leaf->chain, '-k', $leaf->key, '-a', $ca->certificate ])
} qw(relay server client);

my ($relay, $next, $here) = map { own_address($_) } 0 .. 2;

sub server ($kind) {
    my $server = Trelay::Process->start(command => [
        "$build/bench/siplite", 'server', '-l', "$next:5070", '-t', $kind, $kind eq 'tls' ? @{ $tls{server} } : () ]);
    $server->wait_for_line(qr/^ready/);
    return $server;
}

sub bare_pipe (@where) {
    my $pipe = Trelay::Process->start(command => [ "$build/bench/bare_pipe", @where, @{ $tls{relay} } ]);
    $pipe->wait_for_line(qr/^ready/);
    return $pipe;
}

# What the client says of 200 transactions at 1000 a second.
sub load ($kind, $to, @more) {
    my (undef, $said) = run_command("$build/bench/siplite", 'client', '-l', "$here:5080", '-d', $to, '-t', $kind,
        '-r', 1000, '-n', 200, $kind eq 'tls' ? @{ $tls{client} } : (), @more);
    my $report = eval { decode_json($said) } // {};
    return join ' ', map { "$_ " . ($report->{$_} // "? $said") } qw(ok failed);
}

# What the server counted, when it ends.
sub counted ($server) {
    my $end = $server->stop;
    my ($line) = $server->output =~ /^(\{.*\})$/m;
    my $report = decode_json($line // '{}');
    return join ' ', "end $end", map { "$_ " . ($report->{$_} // '?') } qw(invite ack bye other connections);
}

for my $kind (qw(udp tls)) {
    my $server = server($kind);
    is(load($kind, "$next:5070"), 'ok 200 failed 0', "OPTIONS over $kind");
    is(load($kind, "$next:5070", '-s', 'invite', '-w', 50), 'ok 200 failed 0', "calls over $kind");
    # Over UDP something may have been sent again.
    my $expected = $kind eq 'tls' ? qr/^end 0 invite 200 ack 200 bye 200 other 200 connections 2$/ : qr/^end 0 invite 2\d\d /;
    like(counted($server), $expected, "counted over $kind");
}

my $server = server('tls');
my $pipe = bare_pipe('out', '-u', "$relay:5060", '-d', "$next:5070");
is(load('udp', "$relay:5060"), 'ok 200 failed 0', 'UDP in, TLS out');
$pipe->stop;
is(counted($server), 'end 0 invite 0 ack 0 bye 0 other 200 connections 1', 'one connection');

$server = server('udp');
$pipe = bare_pipe('in', '-l', "$relay:5061", '-u', "$relay:5060", '-d', "$next:5070");
is(load('tls', "$relay:5061"), 'ok 200 failed 0', 'TLS in, UDP out');
$pipe->stop;
$server->stop;

$server = server('tls');
my @churn = ("$build/bench/tlschurn", 'churn', '-d', 1, '-j', 1, '-r', 20, '-t', "$next:5070", '-f', $here, @{ $tls{client} });
($status, $output) = run_command(@churn);
my $report = eval { decode_json($output) } // {};
ok(($report->{ok} // 0) > 0 && $report->{failed} == 0, 'churn') or diag($output);
my $idle = Trelay::Process->start(
    command => [ "$build/bench/tlschurn", 'idle', '-n', 20, '-t', "$next:5070", '-f', $here, @{ $tls{client} } ]);
is($idle->wait_for_line(qr/"open": (\d+), "failed": 0/), 20, 'idle connections');
is($idle->wait_for_exit, 0, 'closed when the input ends');
like(counted($server), qr/^end 0 .* connections (\d+)/, 'the server lives');

done_testing();
