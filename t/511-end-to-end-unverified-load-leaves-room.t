#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# ADV-42: when unverified connections, opened and accepted, are as many as there may be, or as the process has
# descriptors for, a verified request opens its connection all the same, and verified connections stay.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::IP;
use Test::More;
use Trelay::Edge;
use Trelay::House qw(run_command);
use Trelay::Loopback qw(own_address);
use Trelay::Process ();
use Trelay::SIP qw(request response);
use Trelay::SIP::Server;

my ($status, $out) = run_command('prlimit', '--pid', $$, '--nofile=256:256');
plan skip_all => "prlimit: $out" if $status != 0;

# On a busy machine, too, what is silent or under way stays so until the test is through.
my $edge = Trelay::Edge->start(workers => 1, configuration => <<'END');
limits {
    accepted = 20
    opened = 3
    opened_verified = 3
    handshake_timeout = 60000
}
timers {
    t1 = 5000
    t2 = 8000
}
listener "inside-tcp" {
    transport = "tcp"
    address = "@RELAY@"
}
END
my $ca = $edge->pki->authority('federation');
my $leaf = $ca->leaf('biloxi', uri => ['sip:biloxi.example']);
my $biloxi = Trelay::SIP::Server->start(transport => 'tls', host => own_address(2), tls => { certificate => $leaf });
# Takes requests and never answers them: they stay under way.
my $silent = Trelay::SIP::Server->start(transport => 'tls', host => own_address(3), tls => { certificate => $leaf },
    answer => sub { return });
my ($to_biloxi, $to_silent) = map { $_->host . ':' . $_->port } $biloxi, $silent;
$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $ca->leaf('us', uri => ['sip:atlanta.example']))
        . "INSERT INTO trelay.server_profile (name, client_auth) VALUES ('edge', 'none');"
        . "INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us');"
        . "INSERT INTO trelay.outbound_policy (name, domain, expected_domain, level, trust_set, next_hop) VALUES"
        . " ('biloxi', 'biloxi.example', NULL, 'domain', 'fed', '{$to_biloxi}'),"
        . " ('other', 'other.example', 'biloxi.example', 'domain', 'fed', '{$to_biloxi}'),"
        . " ('lax', 'lax.example', NULL, 'encrypt', NULL, '{$to_silent}')");

my $first = $edge->ask('OPTIONS', 'sip:bob@biloxi.example');
is($first->status, 200, 'a verified connection is there');

# Opened: three requests under way, each on its own connection.
my @sent = map { $edge->send('OPTIONS', 'sip:bob@lax.example', flags => 'no-conn-reuse') } 1 .. 3;
$silent->wait_for_messages(3);
my $reply = $edge->ask('OPTIONS', 'sip:bob@lax.example', flags => 'no-conn-reuse');
is($reply->status, 503, 'no fourth unverified one is opened');
is($edge->record($reply)->{reason}, 'limit', 'accounting says why');
is($edge->control('explain', 'lax.example', 'flags=no-conn-reuse')->{reason}, 'limit', 'explain says so, too');

# Accepted: handshakes that are never finished and connections that say nothing, more than there may be.
my @idle;
for my $n (1 .. 60) {
    my $port = $n % 2 ? 5061 : 5060;
    push @idle, IO::Socket::IP->new(PeerHost => $edge->host, PeerPort => $port, LocalHost => own_address(3), Timeout => 10)
        // die "connect: $@\n";
}
# The oldest make room; the relay has been through all of them when all but twenty are closed. Which of two listeners is
# looked at first is the relay's matter, so the oldest are those of each.
my $open    = IO::Select->new(@idle);
my $patient = time + Trelay::Process::patience(10);
while ($open->count > 20 && time <= $patient) {
    for my $socket ($open->can_read(1)) {
        is(sysread($socket, my $byte, 1) || 0, 0, 'one that is closed has heard nothing');
        $open->remove($socket);
    }
}
is($open->count, 20, 'as many are left as there may be');
for my $first (0, 1) {
    my @is_open = map { $open->exists($idle[ 2 * $_ + $first ]) ? 1 : 0 } 0 .. 29;
    is("@is_open", join(' ', sort @is_open), 'the oldest of them are closed');
}
is(scalar($edge->connections('inbound')), 20, 'there are as many accepted connections as there may be');

$reply = $edge->ask('OPTIONS', 'sip:bob@biloxi.example');
my $record = $edge->record($reply);
is("@{[$reply->status]} $record->{outbound_decision}", '200 reuse', 'the verified connection is there still');
$reply = $edge->ask('OPTIONS', 'sip:bob@other.example', flags => 'no-sni');
$record = $edge->record($reply);
is("@{[$reply->status]} $record->{outbound_decision}", '200 open', 'another verified one is opened');
is($record->{outbound_verified_domain}, 'biloxi.example', 'and it is verified');
isnt($reply->header('X-Conn'), $first->header('X-Conn'), 'another one indeed');

is($silent->stop, 0, 'the silent partner ends well');
is($edge->final($_)->status, 500, 'and with it its connections: an answer at once') for @sent;
$edge->stop;
is($biloxi->stop, 0, 'the partner ends well');
done_testing;
