#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# An unverified connection with nothing under way is verified anew for a request that needs it, and is a verified one
# from then on; with something under way, or another handshake, or a chain that proves nothing, a new one is opened
# (INV-35, INV-36, ADV-44, ADV-45, ADV-48). What trelayctl explain predicts comes to pass (ADV-64, INV-50).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(response);
use Trelay::SIP::Server;

my $edge = Trelay::Edge->start(workers => 2);
my $pki  = $edge->pki;
my ($ca, $other_ca) = map { $pki->authority($_) } qw(federation other);
my $ours = $ca->leaf('ours', uri => ['sip:atlanta.example']);

sub tls_server ($leaf, @more) {
    return Trelay::SIP::Server->start(transport => 'tls', host => own_address(2), tls => { certificate => $leaf, ask => 1 },
        @more);
}
sub address ($server) { return $server->host . ':' . $server->port }

$edge->apply($edge->trust_sql('fed', $ca) . $edge->trust_sql('elsewhere', $other_ca) . $edge->certificate_sql('us', $ours));

my $leaf = $ca->leaf('biloxi', uri => [ 'sip:biloxi.example', 'sip:chicago.example' ]);
my $count = 0;
# A partner of its own for each case: the server, and the URI of its row.
sub partner ($server, %column) {
    my $name = 'p' . ++$count;
    %column = (expected_domain => 'biloxi.example', sni => 'biloxi.example', trust_set => 'fed', level => 'domain',
        weaken => 'allowed', %column);
    my @names = sort keys %column;
    $edge->apply("INSERT INTO trelay.outbound_policy (name, domain, next_hop, " . join(', ', @names)
            . ") VALUES ('$name', '$name.example', '{" . address($server) . "}', "
            . join(', ', map { "'$column{$_}'" } @names) . ")");
    return "sip:bob\@$name.example";
}

# Asks after having asked what would come of it: the response and its record. They must agree.
sub ask ($what, $uri, $flags, $status = 200) {
    my $explained = $edge->control('explain', $uri, defined $flags ? "flags=$flags" : ());
    my $reply = $edge->ask('OPTIONS', $uri, flags => $flags);
    my $record = $edge->record($reply);
    is($reply->status, $status, "$what: status");
    is($explained->{decision}, $record->{outbound_decision}, "$what: explain predicted it");
    return ($reply, $record, $explained);
}

subtest 'an idle connection is verified and kept' => sub {
    my $server = tls_server($leaf);
    my $uri = partner($server);
    my ($lax, $first) = ask('lax', $uri, 'no-verify');
    is($first->{outbound_decision}, 'open', 'the first is opened');
    my ($strict, $second) = ask('strict', $uri, undef);
    is($second->{outbound_decision}, 'upgrade', 'the second is upgraded');
    is($strict->header('X-Conn'), $lax->header('X-Conn'), 'it is the same connection');
    is($second->{outbound_connection_id}, $first->{outbound_connection_id}, 'by the same name');
    is("$second->{outbound_level} $second->{outbound_verified_domain}", 'domain biloxi.example', 'proven as the row wants');
    isnt($second->{outbound_key_digest}, $first->{outbound_key_digest}, 'under another key');
    my ($shown) = grep { $_->{id} eq $first->{outbound_connection_id} } $edge->connections;
    is("$shown->{class} $shown->{level} $shown->{identity}", 'verified domain sip:biloxi.example', 'trelayctl shows what it is');
    my $row = $edge->daemon->process->wait_until('the row of the connection', sub {
        my ($row) = $edge->rows("SELECT * FROM trelay.connection WHERE id = '$shown->{id}' AND class = 'verified'");
        return $row;
    });
    is($row->{verified_domain}, 'biloxi.example', 'so does trelay.connection');
    like($edge->daemon->log, qr/event=connection-upgraded connection=\Q$shown->{id}\E /, 'and the log');
    my ($again, $third) = ask('strict again', $uri, undef);
    is("$third->{outbound_decision} " . $again->header('X-Conn'), 'reuse ' . $lax->header('X-Conn'), 'it is reused');
    my ($other, $fourth) = ask('lax again', $uri, 'no-verify');
    is($fourth->{outbound_decision}, 'open', 'a lax request gets another one');
    isnt($other->header('X-Conn'), $lax->header('X-Conn'), 'indeed');
    my ($domain, $fifth) = ask('another domain', $uri, 'verify-domain=chicago.example');
    is("$fifth->{outbound_decision} $fifth->{outbound_verified_domain}", 'upgrade chicago.example',
        'which another domain may have');
    is($domain->header('X-Conn'), $other->header('X-Conn'), 'indeed');
    is($server->stop, 0, 'the partner ends well');
};

subtest 'what is under way keeps its class' => sub {
    my $server = tls_server($leaf, answer => sub ($message, $n) {
        my $subject = $message->header('Subject') // '';
        return if $message->method eq 'ACK' || $subject eq 'silence';
        return response($message, $subject eq 'busy' ? 486 : 200, 'So', headers => [ [ 'X-Conn', $n ] ]);
    });
    my $uri = partner($server);
    my $sent = $edge->send('OPTIONS', $uri, flags => 'no-verify', headers => [ [ Subject => 'silence' ] ]);
    $server->wait_for_messages(1);
    my ($strict, $record, $explained) = ask('strict', $uri, undef);
    is("$record->{outbound_decision} $explained->{upgrade}", 'open busy', 'a request without an answer: another connection');
    isnt($strict->header('X-Conn'), 1, 'indeed');
    my $refused = $edge->ask('INVITE', $uri, flags => 'no-verify,no-cert,sni=chicago.example', headers => [ [ Subject => 'busy' ] ]);
    is($refused->status, 486, 'an INVITE is answered');
    my $first = $edge->record($refused);
    (undef, $record) = ask('strict', $uri, 'no-cert,sni=chicago.example,verify-domain=chicago.example');
    is("$record->{outbound_decision} $record->{outbound_connection_id}", "upgrade $first->{outbound_connection_id}",
        'and with that its connection may be upgraded');
    is($server->stop, 0, 'the partner ends well');
    is($edge->final($sent)->status, 500, 'the request without an answer ends with the connection');
};

subtest 'what the row or a flag forbids, or the handshake was not' => sub {
    my $server = tls_server($leaf);
    for my $case (
        [ 'the row', { upgrade => 'never' }, undef, 'not-wanted' ],
        [ 'a flag', {}, 'no-upgrade', 'not-wanted' ],
        [ 'a connection of its own is wanted', {}, 'no-conn-reuse', 'not-wanted' ],
        [ 'another certificate', {}, 'cert=us', 'other-handshake' ],
        [ 'another server name', {}, 'sni=chicago.example', 'other-handshake' ],
        [ 'no server name', {}, 'no-sni', 'other-handshake' ],
    ) {
        my ($what, $column, $flags, $obstacle) = @$case;
        my $uri = partner($server, %$column, isolation => "case-$count");
        ask("$what: lax", $uri, 'no-verify');
        my (undef, $record, $explained) = ask("$what: strict", $uri, $flags);
        is("$record->{outbound_decision} $explained->{upgrade}", "open $obstacle", "$what: another connection");
    }
    is($server->stop, 0, 'the partner ends well');
};

subtest 'a chain that proves nothing' => sub {
    my %reason = ('wrong-identity' => $ca->leaf('impostor', uri => ['sip:impostor.example']),
        'chain-untrusted' => $other_ca->leaf('stranger', uri => ['sip:biloxi.example']));
    for my $reason (sort keys %reason) {
        my $server = tls_server($reason{$reason});
        my $uri = partner($server);
        my ($lax, $first) = ask("$reason: lax", $uri, 'no-verify');
        my $explained = $edge->control('explain', $uri);
        is("$explained->{decision} $explained->{upgrade}", "open $reason", "$reason: explain knows that it would not do");
        my $reply = $edge->ask('OPTIONS', $uri);
        is($reply->status, 502, "$reason: refused");
        is($edge->record($reply)->{reason}, $reason, "$reason: accounting");
        my ($again, $record) = ask("$reason: lax again", $uri, 'no-verify');
        is("$record->{outbound_decision} " . $again->header('X-Conn'), 'reuse ' . $lax->header('X-Conn'),
            "$reason: the connection serves on as what it is");
        is($record->{outbound_verified_domain}, undef, "$reason: which is unverified");
        my @seen = $server->messages;
        is(scalar(grep { $_->call_id eq $reply->call_id } @seen), 0, "$reason: nobody saw the request");
        if ($reason eq 'chain-untrusted') {
            $edge->apply("UPDATE trelay.outbound_policy SET trust_set = 'elsewhere' WHERE name = 'p$count'");
            (undef, $record) = ask("$reason: with the right anchor", $uri, undef);
            is("$record->{outbound_decision} $record->{outbound_connection_id}", "upgrade $first->{outbound_connection_id}",
                "$reason: with the right anchor it is upgraded");
        }
        is($server->stop, 0, "$reason: the partner ends well");
    }
};

$edge->stop;
done_testing;
