#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Next hops that are silent in every way, under load, while another one answers: nothing of his fails or waits for
# them. Latency with and without them is printed, not judged: the machine is not ours alone.
# TEST_SECONDS: of each load (t/942 asks for a minute).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::IP;
use Test::More;
use Trelay::Edge;
use Trelay::Load;
use Trelay::Loopback qw(own_address);
use Trelay::SIP::Server;

my $seconds = $ENV{TEST_SECONDS} // 4;
my ($rate, $hole_rate) = (200, 50);
my $edge = Trelay::Edge->start(configuration => <<'END');
limits {
    connect_timeout = 1500
    handshake_timeout = 1500
    backoff = 100
}
timers {
    test = true
    t1 = 100
}
END
my $load = Trelay::Load->new;
my $ca   = $edge->pki->authority('federation');
my %leaf = map { $_ => $ca->leaf($_, uri => ["sip:$_.example"]) } qw(atlanta biloxi mute);
my ($relay, $phone, $partner, $holes) = map { own_address($_) } 0 .. 3;
my $server = $load->server("$partner:5061", certificate => $leaf{biloxi}, authority => $ca);

# Takes no connection: its queue is full, SYNs are dropped.
my $full = IO::Socket::IP->new(LocalHost => $holes, LocalPort => 6001, Listen => 1, Proto => 'tcp') or die "listen: $@\n";
my @fillers;
for (1 .. 4) {
    my $filler = IO::Socket::IP->new(PeerHost => $holes, PeerPort => 6001, Proto => 'tcp', Blocking => 0);
    push @fillers, $filler if $filler;
}
# Takes connections and never says a word of TLS; shakes hands and never answers; never answers a datagram.
my $wordless = Trelay::SIP::Listener->new(host => $holes, port => 6002);
my $mute = Trelay::SIP::Server->start(transport => 'tls', host => $holes, port => 6003,
    tls => { certificate => $leaf{mute} }, answer => sub { return });
my $datagrams = Trelay::SIP::UDP->new(host => $holes, port => 6004);

my %hole = (full => 'connect-timeout', wordless => 'tls-timeout', mute => 'timeout', datagrams => 'timeout');
my $port = 6001;
my $rows = join ', ', map { "('$_', '$_.example', 'domain', 'mute.example', 'fed', '{$holes:" . $port++ . "}')" }
    qw(full wordless mute);
$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $leaf{atlanta}) . <<"END");
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, next_hop) VALUES
    ('biloxi', 'biloxi.example', 'domain', 'fed', 'us', '{$partner:5061}');
INSERT INTO trelay.outbound_policy (name, domain, level, expected_domain, trust_set, next_hop) VALUES $rows;
INSERT INTO trelay.outbound_policy (name, domain, level, next_hop) VALUES
    ('datagrams', 'datagrams.example', 'none', '{$holes:6004}');
END

sub serve () {
    return $load->report($load->client(to => "$relay:5060", local => "$phone:5080", rate => $rate,
            count => $rate * $seconds), 60 + 3 * $seconds);
}

my $alone = serve();
is($alone->{failed}, 0, 'nothing fails without them');
my $client_port = 5090;
my @asking = map {
    $load->client(to => "$relay:5060", local => "$phone:" . $client_port++, rate => $hole_rate,
        count => $hole_rate * $seconds, domain => "$_.example")
} sort keys %hole;
my $beside = serve();
is($beside->{failed}, 0, 'nothing fails beside them');
diag(sprintf '%s: %.2f ms alone, %.2f ms beside silent next hops, ratio %.2f', $_, $alone->{$_}, $beside->{$_},
    $beside->{$_} / $alone->{$_}) for qw(p50_ms p99_ms max_ms);
my $answered = 0;
$answered += $load->report($_, 60 + 3 * $seconds)->{ok} for @asking;
is($answered, 0, 'and nothing of theirs is answered 200');

for my $name (sort keys %hole) {
    my $expected = $hole_rate * $seconds;
    my $query = "SELECT count(*) AS n, count(*) FILTER (WHERE reason = '$hole{$name}') AS main, string_agg(DISTINCT"
        . " reason, ' ') AS reasons FROM trelay.transaction_record WHERE outbound_policy = '$name'";
    my $row = $edge->daemon->process->wait_until("records of $name", sub {
        my ($row) = $edge->rows($query);
        return $row->{n} >= $expected ? $row : undef;
    }, 60);
    pass("$name: each request has a record that names the next hop"); # repeated ones may begin anew behind Timer F
    cmp_ok($row->{main}, '>', 0, "$name: for $hole{$name}") or diag("$row->{n} records: $row->{reasons}");
}
is($load->report($server)->{other}, 2 * $rate * $seconds, 'the one that answers saw each request once');
is($mute->stop, 0, 'the mute one ends well');
$edge->stop;
done_testing;
