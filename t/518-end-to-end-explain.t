#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# What becomes of a request is known before it is sent, by trelayctl and by psql alike: row, level, key, its digest as in
# accounting and in trelay.connection, and whether a connection is reused, joined, upgraded, opened or refused; within a
# dialog by its pin, and with several addresses as the relay goes through them (INV-50).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url);
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address free_port);
use Trelay::SIP qw(response);
use Trelay::SIP::Server;

my $edge = Trelay::Edge->start(workers => 2, configuration => "limits {\n    backoff = 60000\n    backoff_max = 60000\n}\n");
my $ca = $edge->pki->authority('federation');
my $biloxi = Trelay::SIP::Server->start(transport => 'tls', host => own_address(2),
    tls => { certificate => $ca->leaf('biloxi', uri => ['sip:biloxi.example']), ask => 1 },
    answer => sub ($message, $n) {
        return if !defined $message->method || $message->method eq 'ACK';
        my ($host, $port) = split /:/, $message->header('X-At') // 'x:1';
        return response($message, 200, 'OK', to_tag => 'callee', contact => "<sip:bob\@$host:$port;transport=tls>");
    });
my $to_biloxi = $biloxi->host . ':' . $biloxi->port;
my $busy = Trelay::SIP::Server->start(transport => 'tls', host => own_address(3),
    tls => { certificate => $ca->leaf('busy', uri => ['sip:busy.example']) },
    answer => sub ($message, $n) { return $message->method ne 'ACK' ? response($message, 503, 'Busy', headers => [ [ 'Retry-After' => 300 ] ]) : () });
my $to_busy = $busy->host . ':' . $busy->port;
my $silent = Trelay::SIP::Listener->new(host => own_address(3));
my $to_silent = $silent->host . ':' . $silent->port;
my $to_nobody = own_address(3) . ':' . free_port(own_address(3));
$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $ca->leaf('us', uri => ['sip:atlanta.example'])) . <<"END");
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, weaken, next_hop) VALUES
    ('biloxi', 'biloxi.example', 'domain', 'fed', 'us', 'allowed', '{$to_biloxi}'),
    ('strict', 'strict.example', 'domain', 'fed', NULL, 'refused', '{$to_biloxi}'),
    ('silent', 'silent.example', 'encrypt', NULL, NULL, 'refused', '{$to_silent}'),
    ('two', 'two.example', 'encrypt', NULL, NULL, 'refused', '{$to_nobody,$to_biloxi}'),
    ('nobody', 'nobody.example', 'encrypt', NULL, NULL, 'refused', '{$to_nobody}');
INSERT INTO trelay.outbound_policy (name, domain, level, sni, next_hop) VALUES
    ('busy', 'busy.example', 'encrypt', 'busy.example', '{$to_busy,$to_biloxi}'),
    ('lone', 'lone.example', 'encrypt', 'busy.example', '{$to_busy}');
INSERT INTO trelay.outbound_policy (name, source_domain, level, next_hop) VALUES ('hosted', 'atlanta.example', 'encrypt', '{$to_biloxi}');
INSERT INTO trelay.outbound_policy (name, domain, level, scheme, next_hop) VALUES ('sips', 'sips.example', 'encrypt', 'sips', '{$to_biloxi}');
END

my $BOB = 'sip:bob@biloxi.example';
my @COLUMNS = qw(node decision reason detail status policy pinned pin level expected_domain certificate sni trust_set flags target
    transport key_digest key terms connection upgrade passed_over held);

sub quoted ($text) { return "'" . $text =~ s/'/''/gr . "'" }

# What psql says: two statements, the question and the answer.
sub by_psql ($destination, %members) {
    my $named = join '', map { ', ' . tr/-/_/r . ' => ' . quoted($members{$_}) } sort keys %members;
    my $answer = $edge->{postgres}->value(<<"END", user => 'test_admin');
SELECT trelay.explain_on('edge', @{[ quoted($destination) ]}$named) AS question \\gset
SELECT row_to_json(e) FROM trelay.explained(:question) AS e
END
    return JSON::PP->new->decode($answer);
}

# What both say, once they were seen to say the same.
sub explained ($what, $destination, %members) {
    my $by_control = $edge->control('explain', $destination, map { "$_=$members{$_}" } sort keys %members);
    my $by_psql = by_psql($destination, %members);
    delete $by_control->{destination};
    is_deeply($by_psql, { map { $_ => $by_control->{$_} } @COLUMNS }, "$what: psql and trelayctl say the same");
    is_deeply([ grep { !exists $by_psql->{$_} } sort keys %$by_control ], [], "$what: and all of it");
    return $by_control;
}

sub both ($what, $uri, $expected, %options) {
    my $explained = explained($what, $options{destination} // $uri, defined $options{flags} ? (flags => $options{flags}) : (),
        %{ $options{members} // {} });
    my $reply = $edge->ask('OPTIONS', $uri, flags => $options{flags}, %{ $options{request} // {} });
    my $record = $edge->record($reply);
    is($explained->{decision}, $expected, "$what: $expected");
    my %column = (policy => 'outbound_policy', level => 'outbound_level', key_digest => 'outbound_key_digest', decision => 'outbound_decision',
        reason => 'reason', expected_domain => 'outbound_expected_domain', certificate => 'outbound_own_certificate', sni => 'outbound_sni',
        transport => 'outbound_transport', flags => 'flags');
    is($record->{ $column{$_} }, $explained->{$_}, "$what: accounting says the same of $_") for sort keys %column;
    is("$record->{outbound_address}:$record->{outbound_port}", $explained->{target}, "$what: accounting says the same of its address");
    return ($explained, $record);
}

subtest 'open, then reuse; upgrade' => sub {
    my ($opened, $record) = both('first', $BOB, 'open');
    like($opened->{key}, qr/^role=out transport=tls destination=\Q$to_biloxi\E certificate=\w{64} .*level=domain expected-domain=biloxi\.example/, 'the key in words');
    like($opened->{terms}, qr/upgrade=idle may-reuse=yes/, 'and the terms');
    my ($shown) = $edge->connections;
    is("$shown->{key_digest} $shown->{key}", "$opened->{key_digest} " . substr($opened->{key}, 0, length $shown->{key}), 'the connection has that key');
    my $row = $edge->daemon->process->wait_until('the row of the connection', sub {
        return ($edge->rows("SELECT * FROM trelay.connection WHERE id = '$shown->{id}' AND key_digest IS NOT NULL"))[0] });
    is($row->{key_digest}, $opened->{key_digest}, 'and trelay.connection shows it');
    my ($reused) = both('second', $BOB, 'reuse');
    is($reused->{connection}, $shown->{id}, 'that connection');
    both('another class', $BOB, 'open', flags => 'no-verify,no-cert,sni=upgrade.example');
    my ($upgraded) = both('which is verified', $BOB, 'upgrade', flags => 'no-cert,sni=upgrade.example');
    is($upgraded->{upgrade}, 'possible', 'and why');
    both('by another row', 'sip:bob@strict.example', 'open', flags => 'verify-domain=biloxi.example');
};

subtest 'join' => sub {
    my $sent = $edge->send('OPTIONS', 'sip:bob@silent.example');
    my $stream = $silent->accept_plain; # and no handshake
    $edge->daemon->process->wait_until('the handshake', sub { grep { $_->{state} eq 'handshaking' } $edge->connections });
    my ($pending) = grep { $_->{state} eq 'handshaking' } $edge->connections;
    my $explained = explained('join', 'sip:bob@silent.example');
    is("$explained->{decision} $explained->{connection}", "join $pending->{id}", 'the handshake under way');
    $stream->close;
    is($edge->record($edge->final($sent))->{reason}, 'tls-failed', 'it fails');
    is(explained('then', 'sip:bob@silent.example')->{reason}, 'backoff', 'and is left alone for a while');
};

subtest 'refused' => sub {
    for my $case ([ 'no row', 'sip:bob@192.0.2.1', undef, 'no-policy' ],
        [ 'no connection', 'sip:bob@two.example', 'no-connect', 'no-connection' ],
        [ 'less than the row asks', 'sip:bob@strict.example', 'no-verify', 'weaken-refused' ],
        [ 'a plain transport', 'sip:bob@sips.example', 'tls', 'sips-required' ],
        [ 'another place', 'sip:bob@biloxi.example;maddr=192.0.2.1', undef, 'no-policy' ]) {
        my ($what, $uri, $flags, $reason) = @$case;
        my $explained = explained($what, $uri, defined $flags ? (flags => $flags) : ());
        is("$explained->{decision} $explained->{reason}", "reject $reason", "$what: $reason");
        my $reply = $edge->ask('OPTIONS', $uri, flags => $flags);
        is($reply->status, $explained->{status}, "$what: by that status");
        is($edge->record($reply)->{reason}, $reason, "$what: in accounting, too");
    }
};

subtest 'several addresses' => sub {
    is($edge->record($edge->ask('OPTIONS', 'sip:bob@nobody.example'))->{reason}, 'connect-failed', 'nobody is there');
    my ($explained) = both('two', 'sip:bob@two.example', 'open');
    is($explained->{target}, $to_biloxi, 'the second address');
    is_deeply([ map { "$_->{target} $_->{reason}" } @{ $explained->{passed_over} } ], ["$to_nobody backoff"], 'because of the first');
    is(explained('the first alone', 'sip:bob@two.example', flags => 'no-dns-failover')->{reason}, 'backoff', 'as long as it may go on');
};

subtest 'flags of a sender' => sub {
    my @source = (source => 'atlanta.example');
    my %sent = (members => { @source, 'sender-flags' => 'lookup=src,no-cert' }, request => { flags => 'lookup=src,no-cert' });
    my ($explained) = both('a look-up that the row permits', $BOB, 'open', %sent);
    is("$explained->{policy} $explained->{level}", 'hosted encrypt', 'leads to the other row');
    my $strict = 'sip:bob@strict.example';
    is(explained('one that it does not', $strict, @source, 'sender-flags' => 'lookup=src')->{reason}, 'weaken-refused', 'is refused');
    is(explained('the same by the operator', $strict, @source, flags => 'lookup=src')->{policy}, 'hosted', 'is his to choose');
    is(explained('both', $strict, flags => 'no-connect', 'sender-flags' => 'no-conn-reuse')->{reason}, 'flag-conflict',
        'what contradicts the operator');
};

subtest 'who asked for rest' => sub {
    is($edge->ask('OPTIONS', 'sip:bob@busy.example')->status, 200, 'one answers 503 with Retry-After, the other serves');
    my $explained = explained('where there is another', 'sip:bob@busy.example');
    is($explained->{target}, $to_busy, 'one worker of two knows of it: the first is named');
    is_deeply($explained->{held}, { why => 'unavailable', workers => 1, of => 2 }, 'and that it is spared by one');
    is(explained('where there is none', 'sip:bob@lone.example')->{held}{why}, 'unavailable', 'told as well');
};

subtest 'the Request-URI' => sub {
    my $explained = explained('a request of SIPS', 'sip:sips.example', request => 'sips:bob@sips.example');
    is($explained->{decision}, 'open', 'its scheme counts');
    is(explained('by Request-URI', 'sip:192.0.2.1', request => $BOB, flags => 'lookup=ruri')->{policy}, 'biloxi', 'and its domain');
    is(explained('contact', 'sip:sips.example', request => 'sips:bob@sips.example', contact => 'sip:alice@192.0.2.1')->{reason},
        'bad-request', 'and the Contact of a request of SIPS');
};

sub refused ($what, $pattern, @words) {
    my ($status, $out) = $edge->daemon->ctl('explain', @words);
    is($status, 1, "$what: refused");
    like($out, $pattern, "$what: with a reason");
    return;
}

subtest 'what cannot be asked' => sub {
    refused('an unknown member', qr/"flag" means nothing here/, $BOB, 'flag=tls');
    refused('an unknown flag', qr/tsl/, $BOB, 'flags=tsl');
    refused('no URI', qr/no SIP URI, domain or address/, 'tel:+1');
    refused('no domain', qr/source "-" is no domain name/, $BOB, 'source=-');
    refused('a pin alone', qr/call-id, from-tag and to-tag are needed/, $BOB, 'pin=AAAA');
    refused('no pin', qr/has no pin/, $BOB, 'pin=<sip:192.0.2.1;lr>', 'call-id=a', 'from-tag=b', 'to-tag=c');
    refused('neither', qr/neither one nor a Route/, $BOB, 'pin=http://x y', 'call-id=a', 'from-tag=b', 'to-tag=c');
    like($edge->{postgres}->refused("SELECT trelay.explain_on('edge', 'a b') AS question \\gset\nSELECT * FROM trelay.explained(:question)", user => 'test_admin'),
        qr/ERROR:  destination "a b" is no SIP URI/, 'psql says why, too');
};

# A call from the phone, whose callee names itself by its address: what its dialog is called, and the Route with the pin.
sub call () {
    my $invite = $edge->send('INVITE', $BOB, contact => '<sip:alice@' . own_address(1) . '>', headers => [ [ 'X-At' => $to_biloxi ] ]);
    my $ok = $edge->final($invite);
    is($ok->status, 200, 'a call');
    my @route = reverse map { split /,\s*/ } $ok->header('Record-Route');
    my ($from_tag) = $ok->header('From') =~ /;tag=([^;]+)/;
    return { uri => "sip:bob\@$to_biloxi;transport=tls", route => \@route,
        members => { 'call-id' => $ok->call_id, 'from-tag' => $from_tag, 'to-tag' => 'callee' },
        request => { call_id => $ok->call_id, from => scalar $ok->header('From'), to => scalar $ok->header('To'), cseq => 2,
            headers => [ map { [ Route => $_ ] } @route ] } };
}

subtest 'within a dialog' => sub {
    my $before = call();
    is(explained('without a secret', $before->{uri}, %{ $before->{members} }, pin => 'AAAA')->{pin}, 'no-secret', 'nothing is read');
    $edge->apply('DO $$ BEGIN PERFORM trelay.rotate_dialog_secret(); END $$');
    my $call = call();
    my ($route) = grep { /;pin=/ } @{ $call->{route} };
    my ($pin) = $route =~ /;pin=([\w-]+)/;
    my ($explained, $record) = both('its request', $call->{uri}, 'reuse', members => { %{ $call->{members} }, pin => $pin }, request => $call->{request});
    is("$explained->{pin} $explained->{pinned} $explained->{policy} $explained->{level}", 'valid 1 biloxi domain', 'by the row of the call');
    is($record->{outbound_pinned}, 1, 'in accounting, too');
    my ($uri) = $route =~ /<(.*)>/;
    for my $form ("pin=$pin", $uri, $route) {
        is_deeply(explained("as $form", $call->{uri}, %{ $call->{members} }, pin => $form), $explained, 'the same pin');
    }
    my $without = explained('without it', $call->{uri});
    is("$without->{decision} $without->{reason}", 'reject no-policy', 'ordinary policy');
    my $bytes = decode_base64url($pin);
    substr($bytes, 7, 1) ^.= "\x01";
    my $forged = explained('changed', $call->{uri}, %{ $call->{members} }, pin => encode_base64url($bytes));
    is("$forged->{pin} $forged->{reason}", 'forged no-policy', 'is none');
    is(explained('of another', $call->{uri}, %{ $call->{members} }, 'call-id' => 'other', pin => $pin)->{pin}, 'forged', 'neither is it of another dialog');
    my $back = explained('the other way', $call->{uri}, 'call-id' => $call->{members}{'call-id'}, 'from-tag' => 'callee',
        'to-tag' => $call->{members}{'from-tag'}, pin => $pin);
    is("$back->{pin} $back->{pinned} $back->{reason}", 'valid 0 no-policy', 'it says nothing of the way back, whose caller has proven nothing');
};

is($_->stop, 0, 'a server ends well') for $biloxi, $busy;
$edge->stop;
done_testing;
