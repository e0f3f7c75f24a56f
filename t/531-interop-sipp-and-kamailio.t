#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Calls of SIPp through the relay and through a Kamailio that is its neighbour over TLS, in both directions: long calls
# that outlive their connection, refreshed by both sides; calls given up; MESSAGE and OPTIONS; calls that fork.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(sum);
use Test::More;
use Trelay::Edge;
use Trelay::Kamailio;
use Trelay::Loopback qw(own_address);
use Trelay::Sipp;

plan(skip_all => 'no Kamailio with TLS here') if !Trelay::Kamailio->is_there;
plan(skip_all => 'no SIPp here')              if !Trelay::Sipp->is_there;

my ($relay, $inside, $partner, $behind) = map { own_address($_) } 0 .. 3;
my $edge = Trelay::Edge->start;
my $ca = $edge->pki->authority('federation');
my $us   = $ca->leaf('us',   uri => ['sip:atlanta.example']);
my $them = $ca->leaf('them', uri => ['sip:biloxi.example']);
# A connection takes requests for one second: calls are longer than that.
my $terms = "'biloxi.example', 'domain', 'fed', 'us', true, '1 s'";
$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $us) . <<"END");
INSERT INTO trelay.outbound_policy (name, domain, address, next_hop, expected_domain, level, trust_set, certificate,
    transport_tls_param, max_age) VALUES
    ('biloxi', 'biloxi.example', NULL, '{$partner:5061}', $terms), ('proxy', NULL, '$partner/32', NULL, $terms);
INSERT INTO trelay.peer (name, trust_set, san, action, transport_tls_param) VALUES ('biloxi', 'fed', 'biloxi.example', 'accept', true);
INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us');
INSERT INTO trelay.route (name, domain, next_hop) VALUES ('in', 'atlanta.example', 'sip:$inside:5070');
INSERT INTO trelay.route (name, domain, next_hop, fork) VALUES ('far', 'ring.example', 'sip:biloxi.example', true),
    ('near', 'ring.example', 'sip:$inside:5072', true), ('desk', 'ring.example', 'sip:$inside:5074', true);
END

# A proxy that records its route; what is for the other side goes to the relay, whatever name stands in Route.
my $kamailio = Trelay::Kamailio->start(host => $partner, certificate => $them, authority => $ca,
    modules => [qw(rr siputils)], script => <<"END");
request_route {
    if (is_method("CANCEL")) {
        if (t_check_trans()) t_relay();
        exit;
    }
    if (has_totag() && !loose_route()) {
        if (is_method("ACK") && t_check_trans()) t_relay();
        exit;
    }
    if (!has_totag()) record_route();
    if (\$pr == "udp") {
        \$du = "sip:$relay:5061;transport=tls";
    } else if (!has_totag()) {
        \$du = "sip:$behind:5070";
    }
    t_relay();
}
END

# SCENARIO by both sides, COUNT times, into the inside or out of it.
sub run ($scenario, $count, $direction) {
    my $is_in = $direction eq 'in';
    my ($here, $there) = $is_in ? ($behind, $inside) : ($inside, $behind);
    my %common = (keys => { user => $direction, domain => $is_in ? 'atlanta.example' : 'biloxi.example',
        origin => 'chicago.example', refresher => 'uac' });
    my $callee = Trelay::Sipp->start("uas-$scenario", %common, host => $there, port => 5070);
    my $caller = Trelay::Sipp->start("uac-$scenario", %common, host => $here, port => 5080, calls => $count,
        to => $is_in ? "$partner:5060" : "$relay:5060");
    is($caller->wait_for_exit, 0, "$scenario $direction, $count times: the caller is content") or diag($caller->errors);
    is($callee->stop, 0, "$scenario $direction: the callee is content") or diag($callee->errors);
    return;
}

# What accounting says, by direction: how many of each "METHOD STATUS".
sub counts ($direction) {
    my ($own, $other) = $direction eq 'in' ? qw(inbound outbound) : qw(outbound inbound);
    my $query = <<"END";
SELECT method || ' ' || status AS what, count(*) FROM trelay.transaction_record
    WHERE ${own}_verified_domain = 'biloxi.example' AND ${other}_transport = 'udp' AND reason = 'none' GROUP BY what
END
    return { map { $_->{what} => $_->{count} } $edge->rows($query) };
}

for my $direction (qw(out in)) {
    run('long-call', 10, $direction);
    run('cancel',    10, $direction);
    run('message',   10, $direction);
}
# In a call begun outside the callee is inside: his requests go out.
my %caller = ('INVITE 200' => 20, 'UPDATE 200' => 10, 'INVITE 487' => 10, 'MESSAGE 202' => 10, 'OPTIONS 200' => 10);
my $expected = { %caller, 'UPDATE 200' => 20, 'BYE 200' => 10 };
# Records are written behind the answers.
sub wait_for_records ($count) {
    return $edge->daemon->process->wait_until("record $count", sub {
        return $edge->sql('SELECT count(*) FROM trelay.transaction_record') >= $count;
    });
}
my $records = 2 * sum(values %$expected);
wait_for_records($records);
is_deeply(counts($_), $expected, "accounting of what went $_, all of it proven") for qw(out in);
my ($fewest) = $edge->sql(<<'END');
SELECT min(n) FROM (SELECT count(DISTINCT outbound_connection_id) AS n FROM trelay.transaction_record
    WHERE call_id IN (SELECT call_id FROM trelay.transaction_record WHERE method = 'UPDATE' AND outbound_transport = 'tls')
    AND outbound_transport = 'tls' AND method IN ('INVITE', 'UPDATE', 'BYE') GROUP BY call_id) AS calls
END
cmp_ok($fewest, '>=', 2, 'every long call outlived a connection');
# One of them answers, the others are cancelled; each has had every call when it exits.
my %place = (far => [ $behind, 5070 ], near => [ $inside, 5072 ], desk => [ $inside, 5074 ]);
for my $winner (qw(far near)) {
    subtest "C14 calls that ring in three places, and $winner answers" => sub {
        my %sipp = map {
            $_ => Trelay::Sipp->start($_ eq $winner ? 'uas-fork' : 'uas-cancel', host => $place{$_}[0],
                port => $place{$_}[1], calls => 10)
        } keys %place;
        $sipp{caller} = Trelay::Sipp->start('uac-fork', host => $inside, port => 5080, to => "$relay:5060", calls => 10,
            keys => { user => $winner, domain => 'ring.example', origin => 'atlanta.example' });
        is($sipp{$_}->wait_for_exit, 0, "$_ is content") || diag($sipp{$_}->errors) for sort keys %sipp;
        wait_for_records($records += 20); # INVITE and BYE
        my $transport = $winner eq 'far' ? 'tls' : 'udp';
        my $query = "SELECT count(*) FROM trelay.transaction_record WHERE method = 'INVITE' AND status = 200"
            . " AND request_uri = 'sip:$winner\@ring.example' AND outbound_transport = '$transport'";
        is($edge->sql($query), 10, 'accounting: who has them');
    };
}
is($kamailio->stop, 0, 'Kamailio ends well');
$edge->stop;
done_testing;
