#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Requests of a phone inside to partners over TLS: each gets a connection that proved exactly what it needs, and
# whoever is not whom he ought to be gets no SIP byte. Accounting says the same as what went over the wire.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(response);
use Trelay::SIP::Server;

my $edge = Trelay::Edge->start;
my $pki  = $edge->pki;
my ($fed_a, $fed_b) = map { $pki->authority("federation $_") } qw(a b);
my $ours_a = $fed_a->leaf('ours a', uri => ['sip:atlanta.example']);
my $ours_b = $fed_b->leaf('ours b', uri => ['sip:atlanta.example']);

sub answer ($message, $n) {
    return if !defined $message->method || $message->method eq 'ACK';
    my @more = (contact => '<sip:bob@biloxi.example>', headers => [ [ 'X-Conn', $n ] ], to_tag => 'callee');
    my $ok = response($message, 200, 'OK', @more);
    return $message->method eq 'INVITE' ? (response($message, 180, 'Ringing', @more), $ok) : $ok;
}

sub tls_server ($leaf, @more) {
    return Trelay::SIP::Server->start(transport => 'tls', host => own_address(2), answer => \&answer,
        tls => { certificate => $leaf, ask => 1 }, @more);
}

my $biloxi = tls_server($fed_a->leaf('biloxi', uri => [ 'sip:biloxi.example', 'sip:chicago.example' ]));
my $moved = tls_server($fed_a->leaf('moved', uri => ['sip:biloxi.example']));
my $impostor = tls_server($fed_a->leaf('impostor', uri => ['sip:impostor.example']));

sub address ($server) { return $server->host . ':' . $server->port }

my $plain = own_address(3);
my ($to_biloxi, $to_impostor) = (address($biloxi), address($impostor));
$edge->apply($edge->trust_sql('fed', $fed_a) . $edge->certificate_sql('fed-a', $ours_a)
        . $edge->certificate_sql('fed-b', $ours_b) . <<"END");
INSERT INTO trelay.peer (name, address, action) VALUES ('plain', '$plain/32', 'accept');
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, weaken, next_hop) VALUES
    ('biloxi', 'biloxi.example', 'domain', 'fed', 'fed-a', 'allowed', '{$to_biloxi}'),
    ('denver', 'denver.example', 'domain', 'fed', 'fed-a', 'refused', '{$to_impostor}');
END

my $BOB = 'sip:bob@biloxi.example';

# Asks for biloxi: the response, the record, and what the server saw.
sub ask (%options) {
    my $reply = $edge->ask('OPTIONS', $options{uri} // $BOB, %options);
    my ($seen) = grep { $_->call_id eq $reply->call_id } $biloxi->messages;
    return ($reply, $edge->record($reply), $seen);
}

sub connection_of ($reply) { return scalar $reply->header('X-Conn') }

my $strict; # the number of the connection that is fully validated

subtest 'the first request opens a validated connection' => sub {
    my ($reply, $record, $seen) = ask();
    is($reply->status, 200, 'answered');
    $strict = connection_of($reply);
    my ($connection) = $biloxi->connections;
    is($connection->{sni}, 'biloxi.example', 'server name');
    is($connection->{sha256}, $ours_a->sha256, 'the certificate of the row');
    is(scalar $seen->header('Max-Forwards'), 69, 'Max-Forwards');
    is(scalar(my @vias = $seen->header('Via')), 2, 'our Via and the phone\'s');
    like($vias[0], qr{^SIP/2\.0/TLS atlanta\.example:5061;branch=z9hG4bK}, 'our Via has our name');
    is(scalar(@{[ $reply->header('Via') ]}), 1, 'our Via does not go back');
    is($record->{$_->[0]}, $_->[1], "accounting: $_->[0]") for (
        [ method => 'OPTIONS' ], [ status => 200 ], [ reason => 'none' ], [ inbound_peer => 'phone' ],
        [ outbound_policy => 'biloxi' ], [ outbound_decision => 'open' ], [ outbound_level => 'domain' ],
        [ outbound_expected_domain => 'biloxi.example' ], [ outbound_verified_domain => 'biloxi.example' ],
        [ outbound_own_certificate => 'fed-a' ], [ outbound_own_certificate_sha256 => $ours_a->sha256 ],
        [ outbound_sni => 'biloxi.example' ], [ outbound_transport => 'tls' ], [ outbound_port => $biloxi->port ],
    );
    my ($shown) = $edge->connections;
    is($shown->{id}, $record->{outbound_connection_id}, 'trelayctl shows the connection by the same name');
    is("$shown->{class} $shown->{level} $shown->{identity}", 'verified domain sip:biloxi.example', 'and its class');
};

subtest 'the next one reuses it' => sub {
    my ($reply, $record) = ask();
    is($reply->status, 200, 'answered');
    is(connection_of($reply), $strict, 'the same connection');
    is($record->{outbound_decision}, 'reuse', 'accounting');
};

subtest 'a call: INVITE, ACK, BYE' => sub {
    my $invite = $edge->send('INVITE', $BOB, contact => '<sip:alice@' . own_address(1) . '>');
    my $ok = $edge->final($invite);
    is($ok->status, 200, 'answered');
    is_deeply([ grep { $_ != 100 } $edge->provisional ], [180], 'ringing before');
    my @route = map { split /,\s*/ } $ok->header('Record-Route');
    is(scalar(@route), 2, 'the relay stays on the path, once for each side');
    my %dialog = (call_id => $ok->call_id, from => scalar $ok->header('From'), to => scalar $ok->header('To'),
        headers => [ map { [ Route => $_ ] } reverse @route ]);
    $edge->send('ACK', $BOB, %dialog);
    my $bye = $edge->ask('BYE', $BOB, %dialog, cseq => 2);
    is($bye->status, 200, 'BYE answered');
    is(connection_of($bye), $strict, 'on the same connection');
    my @seen = grep { $_->call_id eq $ok->call_id } $biloxi->messages;
    is(join(' ', map { $_->method } @seen), 'INVITE ACK BYE', 'the server saw each once, in order');
    is_deeply([ map { [ $_->header('Route') ] } @seen ], [ ([]) x 3 ], 'our own Route values were taken off');
    is_deeply([ map { [ $_->header('Max-Breadth') ] } @seen ], [ ([60]) x 3 ], 'K03 one Max-Breadth in each, the ACK too');
    is($edge->record($ok)->{outbound_decision},  'reuse', 'accounting of INVITE');
    is($edge->record($bye)->{outbound_decision}, 'reuse', 'accounting of BYE');
};

# INV-50: each thing that is sent has a line, which names its connection by the digest of accounting.
subtest 'the log says what was decided' => sub {
    my ($reply, $record) = ask(flags => 'crl,no-100');
    my $id = quotemeta $reply->call_id;
    my ($key) = lc($record->{outbound_key_digest}) =~ /([0-9a-f]{64})/ or die 'no key digest';
    ok($edge->daemon->wait_for_log(
            qr/event=decision [^\n]*call-id="?$id"? [^\n]*decision=open [^\n]*key=$key verdict=proven /),
        'the digest of the key and the verdict');
    like($edge->daemon->log, qr/event=decision [^\n]*$id[^\n]* without-effect=crl(?: |\n)/,
        'the flag that has no effect, and not the one that has');
    like($edge->daemon->log, qr/event=decision [^\n]*method=ACK [^\n]*decision=reuse [^\n]*verdict=proven/, 'an ACK has its line');
};

subtest 'other needs, other connections' => sub {
    my %is_used = ($strict => 1);
    for my $case (
        [ 'no-verify', { outbound_level => 'encrypt', outbound_verified_domain => undef }, $ours_a ],
        [ 'cert=fed-b', { outbound_level => 'domain', outbound_own_certificate => 'fed-b' }, $ours_b ],
        [ 'verify-domain=chicago.example', { outbound_level => 'domain', outbound_verified_domain => 'chicago.example' },
            $ours_a ],
        [ 'verify-chain', { outbound_level => 'domain' }, $ours_a, 'reuse' ],
        [ 'no-cert', { outbound_own_certificate => undef } ],
        [ 'sni=other.example', { outbound_sni => 'other.example', outbound_level => 'domain' }, $ours_a ],
        [ 'no-conn-reuse', { outbound_level => 'domain' }, $ours_a ],
    ) {
        my ($flags, $expected, $own, $decision) = @$case;
        my ($reply, $record, $seen) = ask(flags => $flags);
        is($reply->status, 200, "$flags: answered") or next;
        my $n = connection_of($reply);
        if (($decision // 'open') eq 'reuse') {
            is($n, $strict, "$flags: nothing new");
        }
        else {
            ok(!$is_used{$n}++, "$flags: a connection of its own");
        }
        is($record->{outbound_decision}, $decision // 'open', "$flags: decision");
        is($record->{$_}, $expected->{$_}, "$flags: $_") for sort keys %$expected;
        is(scalar $seen->header('X-Trelay-Flags'), undef, "$flags: stays inside");
        my ($connection) = grep { $_->{n} == $n } $biloxi->connections;
        is($connection->{sha256}, $own && $own->sha256, "$flags: the certificate that was shown");
    }
    my ($reply) = ask();
    is(connection_of($reply), $strict, 'the strict one is used by strict requests still');
    ($reply) = ask(flags => 'no-verify');
    isnt(connection_of($reply), $strict, 'and not by lax ones');
    ($reply) = ask(flags => 'no-connect');
    is(connection_of($reply), $strict, 'no-connect finds it');
    ($reply, my $record) = ask(flags => 'no-connect,sni=nobody.example');
    is($reply->status, 500, 'no-connect without a connection that fits');
    is($record->{reason}, 'no-connection', 'and why');
    ($reply, $record) = ask(headers => [ [ Route => '<sip:' . own_address(0) . ';lr;conn=fresh>' ] ]);
    is($record->{outbound_decision}, 'open', 'a parameter of our Route is a flag, too');
};

subtest 'an impostor gets no SIP byte' => sub {
    my $reply = $edge->ask('INVITE', 'sip:bob@denver.example');
    is($reply->status, 502, 'refused');
    like($reply->header('Warning'), qr/^399 edge "wrong-identity: .*denver\.example.*impostor\.example/,
        'the warning names whom we wanted and whom we met');
    my $record = $edge->record($reply);
    is($record->{reason}, 'wrong-identity', 'accounting');
    is($record->{outbound_verified_domain}, undef, 'nothing was proven');
    my $end = $impostor->wait_for_end(1);
    is(scalar(@{ $end->{messages} }), 0, 'no message');
    is($end->{rest} // '', '', 'nor a byte');
    is((my @all = $edge->rows("SELECT * FROM trelay.transaction_record WHERE call_id = '" . $reply->call_id . "'")), 1,
        'one record');
    my $lax = $edge->ask('OPTIONS', 'sip:bob@denver.example', flags => 'no-verify');
    is($lax->status, 403, 'no flag weakens a row that does not let it');
    is($edge->record($lax)->{reason}, 'weaken-refused', 'accounting says why');
};

subtest 'who may say what' => sub {
    my $other = Trelay::SIP::UDP->new(host => $plain);
    my ($reply, $record, $seen) = ask(from_socket => $other, flags => 'no-verify');
    is($reply->status, 200, 'an upstream that is not trusted is served');
    is(connection_of($reply), $strict, 'its flags are ignored');
    is(scalar $seen->header('X-Trelay-Flags'), undef, 'and stripped');
    is($record->{inbound_peer}, 'plain', 'accounting');
    ($reply) = ask(from_socket => $other, flags => 'nonsense!');
    is(connection_of($reply), $strict, 'nonsense of its, too');
    ($reply) = ask(from_socket => $other, headers => [ [ Route => '<sip:' . own_address(0) . ';lr;conn=fresh>' ] ]);
    is(connection_of($reply), $strict, 'and parameters of Route');
    ($reply, $record) = ask(flags => 'nonsense');
    is($reply->status, 500, 'an unknown flag of a trusted one refuses the request');
    is($record->{reason}, 'flag-unknown', 'accounting');
    my $stranger = Trelay::SIP::UDP->new(host => own_address(2));
    ($reply, $record, $seen) = ask(from_socket => $stranger);
    is($reply->status, 403, 'no peer row: refused');
    is($record->{reason}, 'peer-unknown', 'accounting');
    is($seen, undef, 'nothing went out');
    for my $nowhere ([ uri => 'sip:bob@' . own_address(2) ], [ uri => 'sip:bob@nowhere.example', flags => 'lookup=dst' ]) {
        ($reply, $record) = ask(@$nowhere);
        is($reply->status, 403, 'no policy row: refused');
        is($record->{reason}, 'no-policy', 'accounting');
    }
    ($reply, $record) = ask(uri => 'sip:bob@nowhere.example');
    is($reply->status, 500, 'a name without an address, by which a row might have been found');
    like($record->{reason}, qr/^(?:no-address|dns-failed)$/, 'accounting');
};

subtest 'UPDATE takes effect' => sub {
    my $set = sub ($what) { $edge->apply("UPDATE trelay.outbound_policy SET $what WHERE name = 'biloxi'") };
    $set->("level = 'encrypt'");
    my ($reply, $record) = ask();
    isnt(connection_of($reply), $strict, 'level: not on a connection that proved more');
    is($record->{outbound_level}, 'encrypt', 'accounting');
    $set->("level = 'domain', certificate = 'fed-b'");
    ($reply, $record) = ask();
    is($record->{outbound_own_certificate}, 'fed-b', 'certificate');
    isnt(connection_of($reply), $strict, 'another connection');
    $set->("certificate = 'fed-a', next_hop = '{" . address($moved) . "}'");
    ($reply, $record) = ask();
    is($reply->status, 200, 'next_hop: answered');
    is($record->{outbound_port}, $moved->port, 'by the other server');
    $set->("next_hop = '{$to_biloxi}'");
    ($reply) = ask();
    is(connection_of($reply), $strict, 'back, and the old connection still does');
};

subtest 'ADV-26: a row that cannot be used' => sub {
    $edge->apply("INSERT INTO trelay.certificate (name, chain_path) VALUES ('lost', '" . $ours_a->chain . "');"
            . "INSERT INTO trelay.certificate_key (certificate, key_path) VALUES ('lost', '/nonexistent/key.pem');"
            . "INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, next_hop)"
            . " VALUES ('lost', 'lost.example', 'domain', 'fed', 'lost', '{$to_biloxi}')");
    my ($problem) = $edge->daemon->process->wait_until('problem', sub {
        my @rows = $edge->rows("SELECT * FROM trelay.problem WHERE row_name = 'lost' AND node = 'edge'");
        return @rows ? \@rows : undef;
    })->@*;
    is($problem->{severity}, 'error', 'trelay.problem shows it');
    my ($reply, $record) = ask(uri => 'sip:bob@lost.example');
    is($reply->status, 500, 'requests that need it are refused');
    is($record->{reason}, 'policy-unusable', 'accounting');
    ($reply) = ask();
    is($reply->status, 200, 'others are not');
};

subtest 'trelayctl' => sub {
    my $status = $edge->control('status');
    is($status->{node}, 'edge', 'status: node');
    is($status->{database}, 1, 'status: database');
    ok($status->{started_at} >= $^T && $status->{started_at} <= time, 'status: when it was started');
    my $explained = $edge->control('explain', 'biloxi.example');
    is($explained->{policy},   'biloxi', 'explain: the row');
    is($explained->{decision}, 'reuse',  'explain: the decision');
    is($edge->control('explain', 'biloxi.example', 'flags=no-sni')->{decision}, 'open', 'explain: with flags');
    is($edge->control('explain', 'denver.example', 'flags=no-verify')->{reason}, 'weaken-refused', 'explain: a refusal');
    is($edge->control('explain', own_address(2))->{reason}, 'no-policy', 'explain: no row');
    is($edge->control('explain', 'biloxi.example', 'flags=tls,crl,lookup=dst+live')->{without_effect}, 'crl',
        'explain: what has no effect');
    is($edge->control('explain', 'biloxi.example', 'flags=tls')->{without_effect}, undef, 'explain: all has');
    is($edge->control('explain', $to_biloxi, 'flags=lookup=none')->{reason}, 'no-policy', 'explain: lookup=none asks for nothing');
    my $alone = $edge->control('explain', $to_biloxi, 'flags=lookup=none,verify-domain=biloxi.example,trust=fed');
    is("$alone->{policy} $alone->{level} $alone->{trust_set}", 'lookup=none domain fed', 'explain: what flags alone ask for');
    for my $wrong (
        [ 2, qr/unknown command "dance"/,          'dance' ],
        [ 2, qr/explain needs its destination/,    'explain' ],
        [ 1, qr/flag/,                             'explain', 'biloxi.example', 'flags=nonsense' ],
        [ 1, qr/no SIP URI/,                       'explain', 'http://biloxi.example' ],
        [ 1, qr/unknown mode; there are drop, drain and revalidate/,          'reload', 'sideways' ],
        [ 1, qr/no such connection/,               'close', '7.7.7' ],
        [ 1, qr/no such connection/,               'close', 'first' ],
    ) {
        my ($expected, $pattern, @words) = @$wrong;
        my ($code, $said) = $edge->daemon->ctl(@words);
        is($code, $expected, "@words: exit status");
        like($said, $pattern, "@words: what is wrong");
    }
    my ($id) = map { $_->{id} } grep { $_->{id} eq $edge->record((ask())[0])->{outbound_connection_id} } $edge->connections;
    $edge->control('close', $id);
    $biloxi->wait_for_end($strict);
    my ($reply) = ask();
    isnt(connection_of($reply), $strict, 'close: ended, and another one opened');
    $strict = connection_of($reply);
    $edge->control('reload', 'revalidate');
    ($reply) = ask();
    is(connection_of($reply), $strict, 'reload revalidate: what passes stays');
    $edge->control('reload', 'drain');
    $biloxi->wait_for_end($strict);
    ($reply) = ask();
    isnt(connection_of($reply), $strict, 'reload drain: another connection');
    $strict = connection_of($reply);
    $edge->control('reload');
    $biloxi->wait_for_end($strict);
    ($reply) = ask();
    is($reply->status, 200, 'reload: new connections');
    isnt(connection_of($reply), $strict, 'the old ones ended');
};

subtest 'SIGTERM lets calls end' => sub {
    my $leaf = $fed_a->leaf('slow', uri => ['sip:slow.example']);
    my $slow = Trelay::SIP::Listener->new(host => own_address(3), tls => { certificate => $leaf });
    $edge->apply("INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop)"
            . " VALUES ('slow', 'slow.example', 'domain', 'fed', '{" . address($slow) . "}')");
    my $sent = $edge->send('OPTIONS', 'sip:bob@slow.example');
    my $stream = $slow->accept;
    my $seen = $stream->receive;
    is($seen->method, 'OPTIONS', 'a request is on its way');
    $edge->daemon->signal('TERM');
    $edge->daemon->process->wait_until('drain', sub { $edge->ask('OPTIONS', $BOB)->status == 503 });
    $stream->send(response($seen, 200, 'OK'));
    is($edge->final($sent)->status, 200, 'it is answered although the relay ends');
    is($edge->daemon->process->wait_for_exit, 0, 'and then it ends by itself');
    my ($last) = $edge->rows("SELECT * FROM trelay.transaction_record WHERE call_id = '" . $sent->call_id . "'");
    is($last->{status}, 200, 'its record was written');
};

unlike($edge->daemon->log, qr/=unset\b/, 'no line of the log tells of what was not decided');
$edge->stop;
is($_->stop, 0, 'the partner ends well') for $biloxi, $moved, $impostor;
done_testing;
