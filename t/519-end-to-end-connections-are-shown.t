#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# trelay.connection and trelayctl show of each connection what it is and does: its own address, the row that opened it or
# the peer row that applies to it, the trust set that its peer was proven against, requests in both directions, what is
# under way, when it was used and its peer proven last; and they follow what changes.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep);
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);

my $edge   = Trelay::Edge->start(workers => 2);
my $ca     = $edge->pki->authority('federation');
my $biloxi = Trelay::SIP::Listener->new(host => own_address(2),
    tls => { certificate => $ca->leaf('biloxi', uri => ['sip:biloxi.example']) });
my $place = $biloxi->host . ':' . $biloxi->port;
my $phone = $edge->phone->host . ':' . $edge->phone->port;
my $there = own_address(3);
$edge->apply($edge->trust_sql('fed', $ca)
        . $edge->certificate_sql('us', $ca->leaf('us', dns => ['atlanta.example'])) . <<"END");
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop) VALUES
    ('to-biloxi', 'biloxi.example', 'domain', 'fed', '{$place}');
INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us');
INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('from-chicago', 'fed', 'chicago.example', 'accept');
INSERT INTO trelay.route (name, domain, next_hop) VALUES ('phone', 'atlanta.example', 'sip:$phone;transport=udp');
END

# The one row of that direction, as soon as it is as IS_RIGHT wants it; undef when it does not become so.
sub row ($direction, $is_right) {
    my $query = <<"END";
SELECT *, extract(epoch FROM verified_at) AS proven, extract(epoch FROM last_used_at) AS used FROM trelay.connection
 WHERE direction = '$direction'
END
    my $last;
    for (1 .. 100) {
        ($last) = $edge->rows($query);
        return $last if $last && $is_right->($last);
        sleep 0.1;
    }
    return $last // {};
}

my ($stream, $first);

subtest 'a connection that we opened' => sub {
    my $sent = $edge->send('OPTIONS', 'sip:bob@biloxi.example');
    $stream = $biloxi->accept;
    my $seen = $stream->receive;
    my $row  = row('outbound', sub ($row) { $row->{in_flight} });
    is($row->{in_flight}, 1, 'a request is under way');
    my ($shown) = $edge->connections;
    is($shown->{in_flight}, 1, 'trelayctl shows it');
    $stream->send(response($seen, 200, 'OK', to_tag => 'x'));
    is($edge->final($sent)->status, 200, 'it is answered');
    $row = $first = row('outbound', sub ($row) { !$row->{in_flight} });
    is($row->{in_flight}, 0, 'nothing is under way any more');
    my ($host, $port) = @{ $stream->{peer} };
    is($row->{$_->[0]}, $_->[1], $_->[0]) for (
        [ policy => 'to-biloxi' ], [ peer => undef ], [ trust_set => 'fed' ], [ requests => 1 ],
        [ local_address => $host ], [ local_port => $port ], [ remote_port => $biloxi->port ],
    );
    is_deeply($row->{peer_sans}, ['uri:sip:biloxi.example'], 'peer_sans, each with its type');
    ok($row->{proven}, 'verified_at');
    ($shown) = $edge->connections;
    is($shown->{$_->[0]}, $_->[1], "trelayctl: $_->[0]") for (
        [ policy => 'to-biloxi' ], [ peer_row => undef ], [ trust_set => 'fed' ], [ in_flight => 0 ],
        [ local => "$host:$port" ], [ requests => 1 ],
    );
    cmp_ok(abs($shown->{verified_at} - $row->{proven}), '<=', 1, 'trelayctl: verified_at');
};

subtest 'it is used again, and its peer proven again' => sub {
    sleep 3.1; # times are shown in seconds, one of which is no change
    my $sent = $edge->send('OPTIONS', 'sip:bob@biloxi.example');
    $stream->send(response($stream->receive, 200, 'OK', to_tag => 'x'));
    is($edge->final($sent)->status, 200, 'answered');
    my $row = row('outbound', sub ($row) { $row->{requests} == 2 && !$row->{in_flight} });
    is($row->{requests}, 2, 'requests');
    cmp_ok($row->{used}, '>', $first->{used}, 'last_used_at has moved');
    $edge->control('reload', 'revalidate');
    $row = row('outbound', sub ($row) { $row->{proven} > $first->{proven} });
    cmp_ok($row->{proven}, '>', $first->{proven}, 'verified_at has moved');
};

subtest 'its peer pings, and asks nothing' => sub {
    my $before = row('outbound', sub { 1 });
    sleep 3.1;
    $stream->send("\r\n\r\n");
    my $row = row('outbound', sub ($row) { $row->{used} > $before->{used} });
    cmp_ok($row->{used}, '>', $before->{used}, 'last_used_at has moved');
    is($row->{requests}, 2, 'and requests has not');
};

subtest 'a connection that was made to us' => sub {
    my $caller = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $there,
        tls => { certificate => $ca->leaf('chicago', uri => ['sip:chicago.example']) });
    for my $count (1 .. 2) {
        $caller->send(request('MESSAGE', 'sip:alice@atlanta.example', via => $caller->via, call_id => "$count\@chicago"));
        my $seen = $edge->phone->receive;
        $edge->phone->reply($seen, response($seen, 200, 'OK'));
        1 while ($caller->receive // last)->status < 200;
    }
    my $row = row('inbound', sub ($row) { $row->{requests} == 2 && !$row->{in_flight} });
    is($row->{$_->[0]}, $_->[1], $_->[0]) for (
        [ policy => undef ], [ peer => 'from-chicago' ], [ trust_set => 'fed' ], [ requests => 2 ], [ in_flight => 0 ],
        [ local_address => own_address(0) ], [ local_port => 5061 ], [ remote_address => $there ],
    );
    my ($shown) = $edge->connections('inbound');
    is($shown->{$_->[0]}, $_->[1], "trelayctl: $_->[0]") for (
        [ policy => undef ], [ peer_row => 'from-chicago' ], [ trust_set => 'fed' ], [ requests => 2 ],
        [ local => own_address(0) . ':5061' ],
    );
    $edge->apply("INSERT INTO trelay.peer (name, address, priority, action) VALUES ('by-place', '$there', 1, 'accept')");
    is(row('inbound', sub ($row) { ($row->{peer} // '') eq 'by-place' })->{peer}, 'by-place',
        'another peer row applies from now on');
    $edge->apply("DELETE FROM trelay.peer WHERE name IN ('by-place', 'from-chicago')");
    is(row('inbound', sub ($row) { !defined $row->{peer} })->{peer}, undef, 'and then none');
};

$edge->stop;
done_testing;
