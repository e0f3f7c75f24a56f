#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A request whose handshake is under way when the policy changes is decided anew by the policy of today: no SIP byte
# leaves on the connection of yesterday unless today's policy yields the very same one (INV-22, INV-23, ADV-35, ADV-50, ADV-52).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(response);

my $edge = Trelay::Edge->start(workers => 2, configuration => "limits {\n    handshake_timeout = 60000\n}\n");
my $pki  = $edge->pki;
my ($ca, $other_ca) = map { $pki->authority($_) } qw(federation other);
my %ours = map { $_ => $ca->leaf($_, uri => ['sip:atlanta.example']) } qw(first second);
my $leaf = $ca->leaf('biloxi', uri => ['sip:biloxi.example']);
my $biloxi = Trelay::SIP::Listener->new(host => own_address(2), tls => { certificate => $leaf, ask => 1 });
my $address = $biloxi->host . ':' . $biloxi->port;
$edge->apply($edge->trust_sql('fed', $ca) . $edge->trust_sql('elsewhere', $other_ca)
        . join('', map { $edge->certificate_sql($_, $ours{$_}) } sort keys %ours));

# One domain for each case, so that nothing but the address is shared.
my $count = 0;
sub partner () {
    my $name = 'p' . ++$count;
    $edge->apply("INSERT INTO trelay.outbound_policy (name, domain, expected_domain, level, trust_set, certificate, next_hop)"
            . " VALUES ('$name', '$name.example', 'biloxi.example', 'domain', 'fed', 'first', '{$address}')");
    return $name;
}

# A request to a fresh partner; CHANGE is applied when TCP is connected, then the handshake goes on. Returns the request
# and the first connection.
sub changed_meanwhile ($change, %options) {
    my $name = partner();
    my $sent = $edge->send('OPTIONS', "sip:bob\@$name.example", %options);
    my $stream = $biloxi->accept_plain // die "no connection\n";
    $edge->apply($change =~ s/NAME/$name/gr);
    eval { $stream->start_tls($biloxi->{tls}, 1); 1 } or note("handshake: $@");
    return ($sent, $stream, $name);
}

sub answer ($stream) {
    my $seen = $stream->receive // die "no request\n";
    $stream->send(response($seen, 200, 'OK'));
    return $seen;
}

sub expect_silence ($stream, $what) {
    is($stream->receive(1), undef, "$what: no message on the connection of yesterday");
    is($stream->rest, '', "$what: nor a byte");
    ok($stream->wait_for_close, "$what: it is closed");
    return;
}

for my $case (
    [ 'another certificate', "UPDATE trelay.outbound_policy SET certificate = 'second' WHERE name = 'NAME'",
        { outbound_own_certificate => 'second', outbound_level => 'domain' } ],
    [ 'a lower level', "UPDATE trelay.outbound_policy SET level = 'chain' WHERE name = 'NAME'", undef ],
    [ 'another floor', "UPDATE trelay.outbound_policy SET tls_min = '1.3' WHERE name = 'NAME'",
        { outbound_own_certificate => 'first', outbound_level => 'domain' } ],
    [ 'another server name', "UPDATE trelay.outbound_policy SET sni = 'sip.biloxi.example' WHERE name = 'NAME'",
        { outbound_sni => 'sip.biloxi.example' } ],
) {
    my ($what, $change, $expected) = @$case;
    my ($sent, $stream, $name) = changed_meanwhile($change);
    if (!$expected) {
        is($edge->final($sent)->status, 403, "$what: a request that had to prove more is not sent with less");
        expect_silence($stream, $what);
        is($edge->record($sent)->{reason}, 'weaken-refused', "$what: accounting");
        next;
    }
    my $second = $biloxi->accept;
    is(answer($second)->call_id, $sent->call_id, "$what: the request comes on another connection");
    expect_silence($stream, $what);
    is($edge->final($sent)->status, 200, "$what: answered");
    my $record = $edge->record($sent);
    is($record->{$_}, $expected->{$_}, "$what: accounting: $_") for sort keys %$expected;
    is("$record->{outbound_policy} $record->{outbound_decision}", "$name open", "$what: accounting: row and decision");
    $second->close;
}

for my $case (
    [ 'another trust set', "UPDATE trelay.outbound_policy SET trust_set = 'elsewhere' WHERE name = 'NAME'", 502,
        'chain-untrusted' ],
    [ 'another expected domain', "UPDATE trelay.outbound_policy SET expected_domain = 'chicago.example' WHERE name = 'NAME'",
        502, 'wrong-identity' ],
    [ 'no row any more', "DELETE FROM trelay.outbound_policy WHERE name = 'NAME'", 500, qr/^(?:no-address|dns-failed)$/ ],
    [ 'a row of level none instead', "UPDATE trelay.outbound_policy SET enabled = false WHERE name = 'NAME';"
            . "INSERT INTO trelay.outbound_policy (name, domain, level, next_hop) VALUES ('none-NAME', 'NAME.example', 'none',"
            . " '{192.0.2.1:5060}')", 403, 'weaken-refused' ],
    [ 'SIPS alone', "UPDATE trelay.outbound_policy SET scheme = 'sips' WHERE name = 'NAME'", 480, 'sips-required' ],
) {
    my ($what, $change, $status, $reason) = @$case;
    my ($sent, $stream) = changed_meanwhile($change);
    if ($status == 502) {
        my $second = eval { $biloxi->accept };
        is($second && $second->receive(1), undef, "$what: nothing on another connection");
    }
    is($edge->final($sent)->status, $status, "$what: refused");
    like($edge->record($sent)->{reason}, qr/^$reason$/, "$what: accounting");
    expect_silence($stream, $what);
}

subtest 'what is of no consequence changes nothing' => sub {
    my ($sent, $stream) = changed_meanwhile("UPDATE trelay.outbound_policy SET max_age = '1 hour' WHERE name = 'NAME'");
    is(answer($stream)->call_id, $sent->call_id, 'the connection of yesterday is that of today');
    is($edge->final($sent)->status, 200, 'answered');
    my ($again, $second) = changed_meanwhile("INSERT INTO trelay.outbound_policy (name, domain, level)"
            . " VALUES ('unrelated', 'unrelated.example', 'encrypt')", flags => 'no-conn-reuse');
    is(answer($second)->call_id, $again->call_id, 'other rows do not matter');
    is($edge->final($again)->status, 200, 'answered');
};

$edge->stop;
done_testing;
