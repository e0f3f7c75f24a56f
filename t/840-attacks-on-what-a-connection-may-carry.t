#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Attacks on the choice of a connection, with real partners: another level, transport, certificate, server name, tenant
# or domain at the same address never gets a request that was not meant for exactly that (INV-5, INV-9, INV-10, INV-11,
# INV-13, INV-32, INV-34, INV-37, INV-43).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Trelay::Between;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP;
use Trelay::SIP::Server;

my $edge = Trelay::Edge->start;
my ($fed, $other, $evil) = map { $edge->pki->authority($_) } qw(federation other evil);
$edge->apply($edge->trust_sql('fed', $fed));

sub address ($server) { return $server->host . ':' . $server->port }

sub tls_server ($certificate, %options) {
    my $tls = { certificate => $certificate, ask => 1, %{ delete $options{tls} // {} } };
    return Trelay::SIP::Server->start(transport => 'tls', host => own_address(2), %options, tls => $tls);
}

# A policy row of level domain for NAME at the server, with what is different.
sub row ($name, $server, %different) {
    my %column = (name => $name, domain => "$name.example", level => 'domain', trust_set => 'fed', weaken => 'allowed',
        next_hop => '{' . address($server) . '}', %different);
    my @names = grep { defined $column{$_} } sort keys %column;
    $edge->apply('INSERT INTO trelay.outbound_policy (' . join(', ', @names) . ') VALUES ('
            . join(', ', map { "'$column{$_}'" } @names) . ')');
    return;
}

sub ask ($name, %options) { return $edge->ask('OPTIONS', "sip:bob\@$name.example", %options) }

# The number of the server's connection that answered.
sub n ($reply) { return scalar $reply->header('X-Conn') }

sub is_unseen ($server, $reply, $what) {
    return ok(!(grep { $_->call_id eq $reply->call_id } $server->messages), "$what: the peer has not seen it");
}

subtest 'ADV-4: a session that proved nothing, and one that proved all' => sub {
    my $impostor = tls_server($evil->leaf('impostor', uri => ['sip:lax.example']));
    row('lax', $impostor);
    my $first = ask('lax', flags => 'no-verify');
    is($first->status, 200, 'unvalidated: served by the impostor');
    my $strict = ask('lax');
    is($strict->status, 502, 'validated: refused');
    is_unseen($impostor, $strict, 'validated');
    is(scalar(my @made = $impostor->connections), 2, 'on a handshake of its own');
    is(n(ask('lax', flags => 'no-verify')), n($first), 'unvalidated: the first connection still');
    my $good = tls_server($fed->leaf('mirror', uri => ['sip:mirror.example']));
    row('mirror', $good);
    my $proven = ask('mirror');
    my $unproven = ask('mirror', flags => 'no-verify');
    is($unproven->status, 200, 'the other way round: served');
    isnt(n($unproven), n($proven), 'and not on the validated connection');
    is(n(ask('mirror')), n($proven), 'which serves those for whom it was made');
    is($_->stop, 0, 'a server ends well') for $impostor, $good;
};

subtest 'ADV-5: one port, TCP and TLS' => sub {
    my $clear = Trelay::SIP::Server->start(transport => 'tcp', host => own_address(2));
    my $secret = tls_server($fed->leaf('both', uri => ['sip:both.example']));
    my $door = Trelay::Between->start(host => own_address(2),
        choose => sub ($first) { ord($first) == 22 ? $secret : $clear });
    row('clear', $door, level => 'none', trust_set => undef);
    row('both', $door);
    my $open = $edge->ask('OPTIONS', 'sip:bob@clear.example;transport=tcp');
    is($open->status, 200, 'over TCP');
    my $closed = ask('both');
    is($closed->status, 200, 'over TLS');
    is_unseen($clear, $closed, 'in clear');
    is(scalar(my @all = $clear->messages), 1, 'one message in clear');
    my $wrong = $edge->ask('OPTIONS', 'sip:bob@both.example;transport=tcp');
    is_unseen($clear, $wrong, 'a URI that asks for TCP where the row asks for proof');
    is($_->stop, 0, 'a server ends well') for $clear, $secret, $door;
};

subtest 'ADV-6: certificates of ours that are alike' => sub {
    my %ours = (one => $fed->leaf('ours', uri => ['sip:atlanta.example'], serial => 77),
        two => $other->leaf('ours', uri => ['sip:atlanta.example'], serial => 77));
    $ours{renewed} = $fed->leaf('ours', uri => ['sip:atlanta.example'], serial => 78, key => $ours{one});
    my $server = tls_server($fed->leaf('alike', uri => ['sip:alike.example']));
    $edge->apply(join '', map { $edge->certificate_sql($_, $ours{$_}) } sort keys %ours);
    row('alike', $server);
    my (%connection, @wrong);
    for my $which ((sort keys %ours) x 20) {
        my $reply = ask('alike', flags => "cert=$which");
        push @wrong, $which if $reply->status != 200 || ($connection{$which} //= n($reply)) != n($reply);
    }
    is_deeply(\@wrong, [], 'each request on the connection of its certificate');
    my %shown = map { $_->{n} => $_->{sha256} } $server->connections;
    is($shown{ $connection{$_} }, $ours{$_}->sha256, "$_: that certificate was shown there") for sort keys %ours;
    is(scalar(keys %shown), 3, 'one connection each');
    is($server->stop, 0, 'the server ends well');
};

subtest 'ADV-7: no certificate after one' => sub {
    my $server = tls_server($fed->leaf('shy', uri => ['sip:shy.example']));
    row('shy', $server, certificate => 'one');
    my ($with, $without) = (n(ask('shy')), n(ask('shy', flags => 'no-cert')));
    isnt($without, $with, 'another connection');
    my %shown = map { $_->{n} => $_->{sha256} } $server->connections;
    ok($shown{$with}, 'the first showed a certificate');
    is($shown{$without}, undef, 'the second none');
    is($server->stop, 0, 'the server ends well');
};

subtest 'ADV-9: the server name and the name to prove are two things' => sub {
    my %leaf = ('' => $fed->leaf('default', uri => [ 'sip:snia.example', 'sip:snib.example' ]),
        'snia.example' => $fed->leaf('a', uri => ['sip:snia.example']),
        'snib.example' => $fed->leaf('b', uri => ['sip:snib.example']));
    my $server = tls_server(\%leaf);
    row('snia', $server);
    my ($named, $unnamed, $misnamed) =
        (ask('snia'), ask('snia', flags => 'no-sni'), ask('snia', flags => 'sni=snib.example'));
    is($named->status, 200, 'its own name');
    is($unnamed->status, 200, 'no name');
    isnt(n($unnamed), n($named), 'two connections');
    is($misnamed->status, 502, 'the other name leads to the other certificate: refused');
    is_unseen($server, $misnamed, 'refused');
    is(n(ask('snia')), n($named), 'and the first goes on');
    is($server->stop, 0, 'the server ends well');
};

subtest 'ADV-12: tenants' => sub {
    my $server = tls_server($fed->leaf('tenants', uri => ['sip:tenants.example']));
    my %shared = (expected_domain => 'tenants.example');
    row('red', $server, %shared, isolation => 'red');
    row('blue', $server, %shared, isolation => 'blue');
    my ($red, $blue) = (n(ask('red')), n(ask('blue')));
    isnt($blue, $red, 'apart');
    is(n(ask('red')), $red, 'each has its own');
    $edge->apply("UPDATE trelay.outbound_policy SET isolation = NULL WHERE name IN ('red', 'blue')");
    my $common = n(ask('red'));
    is(n(ask('blue')), $common, 'no tag: together');
    ok($common != $red && $common != $blue, 'on a connection that was no tenant\'s');
    is($server->stop, 0, 'the server ends well');
};

subtest 'ADV-39: two domains, one address, one certificate' => sub {
    for my $case (
        [ 'both named', tls_server($fed->leaf('shared', uri => [ 'sip:one.example', 'sip:two.example' ])), qw(one two) ],
        [ 'a wildcard', tls_server($fed->leaf('wild', dns => ['*.wild.example'])), qw(x.wild y.wild) ],
    ) {
        my ($what, $server, @names) = @$case;
        row($_, $server, wildcard => 'true') for @names;
        my @n = map { n(ask($_)) } @names;
        isnt($n[0], $n[1], "$what: each domain has its own connection");
        is(n(ask($names[$_])), $n[$_], "$names[$_]: and keeps it") for 0, 1;
        is($server->stop, 0, 'the server ends well');
    }
};

subtest 'ADV-43: what is up does not stand in for what is down' => sub {
    my $server = tls_server($fed->leaf('down', uri => ['sip:other.example'])); # no upgrade will do
    my $door = Trelay::Between->start(host => own_address(2), to => $server, connections => 1);
    row('down', $door);
    is(ask('down', flags => 'no-verify')->status, 200, 'an unvalidated connection is up');
    my $reply = ask('down');
    cmp_ok($reply->status, '>=', 500, 'a validated one cannot be made');
    is_unseen($server, $reply, 'refused');
    is(ask('down', flags => 'no-verify')->status, 200, 'the unvalidated one is still up');
    is($_->stop, 0, 'it ends well') for $door, $server;
};

subtest 'ADV-56: another certificate after a restart' => sub {
    my $leaf = $fed->leaf('before', uri => ['sip:moving.example']);
    my $server = tls_server($leaf);
    my $port = $server->port;
    row('moving', $server);
    my $reply = ask('moving');
    is($edge->record($reply)->{outbound_certificate_sha256}, $leaf->sha256, 'proven by the first');
    is($server->stop, 0, 'the peer ends');
    my $wrong = tls_server($fed->leaf('wrong', uri => ['sip:elsewhere.example']), port => $port);
    $reply = ask('moving');
    is($reply->status, 502, 'one for another name: refused');
    is_unseen($wrong, $reply, 'refused');
    is($wrong->stop, 0, 'the peer ends');
    my $next = $fed->leaf('after', uri => ['sip:moving.example']);
    my $right = tls_server($next, port => $port);
    $reply = $edge->daemon->process->wait_until('answer after the back-off', sub {
        my $tried = ask('moving');
        return $tried->status == 200 ? $tried : undef;
    });
    is($edge->record($reply)->{outbound_certificate_sha256}, $next->sha256, 'one for the right name: proven by that');
    is($right->stop, 0, 'the peer ends');
};

$edge->stop;
done_testing;
