#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A call keeps the requirement with which it began, though its Contact and Record-Route show nothing but addresses: in
# both directions, on any node that has the secret. Nothing that is tampered with, replayed, too old or under another
# secret has that effect, and nothing of it ever makes the next hop prove less (INV-33).
use v5.36;

use Digest::SHA qw(hmac_sha256);
use FindBin;
use lib "$FindBin::Bin/lib";
use MIME::Base64 qw(encode_base64url decode_base64url);
use Test::More;
use Trelay::Daemon;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);
use Trelay::SIP::Server;

my $SECRET = join '', map { chr } 1 .. 32;

my $edge = Trelay::Edge->start(configuration => "limits {\n    pin_age = 7200\n    backoff = 0\n}\n");
my $pki  = $edge->pki;
my $ca   = $pki->authority('federation');
my %leaf = (
    us      => $ca->leaf('us', uri => ['sip:atlanta.example']),
    biloxi  => $ca->leaf('biloxi', uri => ['sip:biloxi.example']),
    gateway => $ca->leaf('gateway of biloxi', uri => ['sip:gateway.example']),
);

# Each names itself by its address, and so does the proxy that it has in front of it.
sub answer ($server, $message, $n) {
    return if !defined $message->method || $message->method eq 'ACK';
    my $uri = 'sip:' . $server->{host} . ':' . $server->{port} . ';transport=tls';
    my @more = (contact => "<sip:bob\@$server->{host}:$server->{port};transport=tls>", to_tag => 'callee');
    my $text = response($message, 200, 'OK', @more, headers => [ [ 'X-Conn' => $n ] ]);
    $text =~ s/^Record-Route:/Record-Route: <$uri;lr>\r\nRecord-Route:/m if ($message->header('X-Proxy') // '') eq 'yes';
    return $text;
}

sub tls_server ($leaf) {
    my %place = (host => own_address(2));
    my $server = Trelay::SIP::Server->start(transport => 'tls', host => $place{host},
        tls => { certificate => $leaf, ask => 1 },
        answer => sub ($message, $n) {
            $message->header('X-At') // '' and @place{qw(host port)} = split /:/, $message->header('X-At');
            return answer(\%place, $message, $n);
        });
    return $server;
}

my ($biloxi, $gateway) = map { tls_server($leaf{$_}) } qw(biloxi gateway);
sub address ($server) { return $server->host . ':' . $server->port }
sub contact ($server) { return 'sip:bob@' . address($server) . ';transport=tls' }
my ($to_biloxi, $here) = (address($biloxi), own_address(2));

$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $leaf{us}) . <<"END");
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, next_hop) VALUES
    ('biloxi', 'biloxi.example', 'domain', 'fed', 'us', '{$to_biloxi}');
INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us');
INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('biloxi', 'fed', 'biloxi.example', 'accept');
INSERT INTO trelay.route (name, domain, next_hop) VALUES ('alice', 'atlanta.example', 'sip:alice\@@{[ address($edge->phone) ]}');
END

my $BOB   = 'sip:bob@biloxi.example';
my $PHONE = '<sip:alice@' . address($edge->phone) . '>';

sub values_of ($message, $name) { return map { split /,\s*/ } $message->header($name) }
sub pin_of ($route) { return $route =~ /;pin=([\w-]+)/ ? $1 : undef }

# A call from the phone: its dialog, as options of a request, with the route set as "route".
sub call ($at = $biloxi, %options) {
    my ($flags, $proxy) = delete @options{qw(flags proxy)};
    my $invite = $edge->send('INVITE', $options{uri} // $BOB, contact => $PHONE, flags => $flags,
        headers => [ [ 'X-At' => address($at) ], [ 'X-Proxy' => $proxy // 'no' ] ]);
    my $ok = $edge->final($invite);
    return { status => $ok->status, reply => $ok, n => scalar $ok->header('X-Conn'), call_id => $ok->call_id,
        from => scalar $ok->header('From'), to => scalar $ok->header('To'), at => $at,
        route => [ reverse values_of($ok, 'Record-Route') ], cseq => 1 };
}

# A request of the phone within the dialog. Options: route, call_id, from, to, flags, at, uri.
my %asked; # "Call-ID method" => how many such requests there were, the first of the dialog aside
sub within ($dialog, $method, %options) {
    my %whole = (%$dialog, %options);
    my $count = ++$asked{"$whole{call_id} $method"};
    $count++ if $method eq 'INVITE' && $whole{call_id} eq $dialog->{call_id};
    my $sent = $edge->send($method, $options{uri} // contact($whole{at}), contact => $PHONE, flags => $options{flags},
        (map { $_ => $whole{$_} } qw(call_id from to)), cseq => ++$dialog->{cseq},
        headers => [ [ 'X-At' => address($whole{at}) ], map { [ Route => $_ ] } @{ $whole{route} } ]);
    return $sent if $method eq 'ACK';
    my $reply = $edge->final($sent);
    return ($reply, $edge->record($reply, $count));
}

sub changed ($dialog, $change) {
    return (route => [ map { my $route = $_; $route =~ s/;pin=([\w-]+)/my $new = $change->($1); defined $new ? ";pin=$new" : ''/e; $route } @{ $dialog->{route} } ]);
}

sub refused ($name, $status, $reason, $dialog, %options) {
    my $seen = () = $dialog->{at}->messages;
    my ($reply, $record) = within($dialog, 'INFO', %options);
    is($reply->status, $status, "$name: $status");
    is($record->{reason}, $reason, "$name: $reason");
    is(scalar(() = $dialog->{at}->messages), $seen, "$name: nothing was sent");
    return $record;
}

sub pinned ($name, $dialog, $expected, %options) {
    my ($reply, $record) = within($dialog, 'INFO', %options);
    is($reply->status, 200, "$name: answered");
    is($record->{$_}, $expected->{$_}, "$name: $_") for sort keys %$expected;
    return ($reply, $record);
}

my %SAME = (outbound_policy => 'biloxi', outbound_pinned => 1, outbound_level => 'domain', outbound_own_certificate => 'us',
    outbound_expected_domain => 'biloxi.example', outbound_verified_domain => 'biloxi.example', outbound_sni => 'biloxi.example',
    outbound_decision => 'reuse');
sub pins_refused { return $edge->control('status')->{pins_refused} }

subtest 'without a secret nothing is pinned' => sub {
    my $dialog = call();
    is($dialog->{status}, 200, 'answered');
    is(join(' ', grep { defined } map { pin_of($_) } @{ $dialog->{route} }), '', 'no parameter');
    my $record = refused('by address', 403, 'no-policy', $dialog);
    is($record->{outbound_pinned}, undef, 'not even tried');
    is(pins_refused(), 0, 'no pin was refused');
};

$edge->apply("INSERT INTO trelay.dialog_secret (secret) VALUES ('\\x" . unpack('H*', $SECRET) . "')");

my $dialog = call();
subtest 'a call by domain goes on by address' => sub {
    is($dialog->{status}, 200, 'INVITE');
    my @pins = grep { defined } map { pin_of($_) } @{ $dialog->{route} };
    is(scalar(@pins), 1, 'one pin');
    cmp_ok(length $pins[0], '<', 60, 'it is short');
    unlike(decode_base64url($pins[0]), qr/us|fed/, 'and tells no name of ours');
    my $record = $edge->record($dialog->{reply});
    is($record->{outbound_pinned}, 0, 'the INVITE itself was not pinned');
    within($dialog, 'ACK');
    my ($reply) = pinned('INFO', $dialog, \%SAME);
    is(scalar $reply->header('X-Conn'), $dialog->{n}, 'on the same connection');
    my ($again) = within($dialog, 'INVITE');
    is($again->status, 200, 're-INVITE');
    my ($new) = grep { defined } map { pin_of($_) } values_of($again, 'Record-Route');
    isnt($new, undef, 'a pin in it, too');
    pinned('with the route set of the re-INVITE', $dialog, \%SAME, route => [ reverse values_of($again, 'Record-Route') ]);
    within($dialog, 'ACK', cseq => 1);
    pinned('BYE', $dialog, \%SAME);
    my @seen = grep { $_->call_id eq $dialog->{call_id} } $biloxi->messages;
    is(join(' ', map { $_->method } @seen), 'INVITE ACK INFO INVITE INFO ACK INFO', 'the server saw each once, in order');
    is(scalar(grep { ($_->header('Route') // '') =~ /pin=/ } @seen), 0, 'no pin leaves in Route');
    like($edge->daemon->log, qr/event=decision [^\n]*method=INFO [^\n]*policy=biloxi pinned=yes/, 'the log says so');
    is(pins_refused(), 0, 'no pin was refused');
};

subtest 'and by the address of a proxy that is on the path' => sub {
    my $other = call($biloxi, proxy => 'yes');
    is(scalar @{ $other->{route} }, 3, 'its Record-Route is in the set');
    pinned('INFO', $other, \%SAME);
};

# The bytes of a pin with our MAC, whoever wrote them.
sub make_pin ($body, $call_id, $tag, $secret = $SECRET) {
    my $bound = 'trelay dialog pin' . pack('NN', length $call_id, length $tag) . $call_id . $tag . $body;
    return encode_base64url($body . substr hmac_sha256($bound, $secret), 0, 16);
}
sub tag_of ($header) { return $header =~ /;tag=([^;]+)/ ? $1 : die "no tag in $header\n" }
my ($PIN) = grep { defined } map { pin_of($_) } @{ $dialog->{route} };
my $BODY = substr decode_base64url($PIN), 0, -16;
my $TAG = tag_of($dialog->{from});

subtest 'what is no pin of this dialog means nothing' => sub {
    is(make_pin($BODY, $dialog->{call_id}, $TAG), $PIN, 'this is how one is made');
    my $refused = pins_refused();
    refused('without', 403, 'no-policy', $dialog, changed($dialog, sub { undef }));
    is(pins_refused(), $refused, 'none that was refused');
    my $bytes = decode_base64url($PIN);
    my @places = (0, 1, 5, 6, 7, 8, length($bytes) - 16, length($bytes) - 1);
    for my $at (@places) {
        my $other = $bytes;
        substr($other, $at, 1) ^.= "\x01";
        refused("tampered with at $at", 403, 'no-policy', $dialog, changed($dialog, sub { encode_base64url($other) }));
    }
    my $third = call();
    my %others = (
        'cut' => sub ($pin) { substr $pin, 0, -1 },
        'longer' => sub ($pin) { $pin . 'AAAA' },
        'of another dialog' => sub { pin_of(join ' ', @{ $third->{route} }) },
        'under another secret' => sub { make_pin($BODY, $dialog->{call_id}, $TAG, 'x' x 32) },
        'for another tag' => sub { make_pin($BODY, $dialog->{call_id}, 'other') },
        'too old' => sub { make_pin(pack('CN', 1, time - 7300) . substr($BODY, 5), $dialog->{call_id}, $TAG) },
        'of the future' => sub { make_pin(pack('CN', 1, time + 3600) . substr($BODY, 5), $dialog->{call_id}, $TAG) },
        'of a later version' => sub { make_pin("\x02" . substr($BODY, 1), $dialog->{call_id}, $TAG) },
    );
    refused($_, 403, 'no-policy', $dialog, changed($dialog, $others{$_})) for sort keys %others;
    refused('in another dialog', 403, 'no-policy', $dialog, call_id => 'another@test.invalid');
    refused('from another caller', 403, 'no-policy', $dialog, from => '<sip:alice@atlanta.example>;tag=eve');
    pinned('not quite too old', $dialog, \%SAME,
        changed($dialog, sub { make_pin(pack('CN', 1, time - 7000) . substr($BODY, 5), $dialog->{call_id}, $TAG) }));
    pinned('the right one', $dialog, \%SAME);
    is(pins_refused() - $refused, @places + keys(%others) + 2, 'each was counted');
    my %reasons = map { $_ => 1 } $edge->daemon->log =~ /event=pin-refused [^\n]*reason=([\w-]+)/g;
    is(join(' ', sort keys %reasons), 'forged malformed too-old', 'and is in the log');
};

subtest 'a call from outside goes back by address' => sub {
    my $stream = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $here,
        tls => { certificate => $leaf{biloxi}, sni => 'atlanta.example' });
    my %theirs = (from => '<sip:bob@biloxi.example>;tag=caller', call_id => 'inbound@test.invalid');
    $stream->send(request('INVITE', 'sip:alice@atlanta.example', via => $stream->via, %theirs,
        contact => '<' . contact($biloxi) . '>'));
    my $invite = $edge->phone->receive;
    $edge->phone->reply($invite, response($invite, 200, 'OK', to_tag => 'phone', contact => $PHONE));
    my $ok;
    do { $ok = $stream->receive } while $ok && $ok->status < 200;
    is($ok->status, 200, 'answered');
    my @route = values_of($invite, 'Record-Route');
    my $back = { at => $biloxi, call_id => $theirs{call_id}, from => scalar $ok->header('To'), to => $theirs{from},
        route => [@route], cseq => 1 };
    pinned('the phone\'s request', $back, \%SAME);
    refused('without the pin', 403, 'no-policy', $back, changed($back, sub { undef }));
    # What they send in the dialog goes to the phone, as policy has it for its address.
    $stream->send(request('INFO', 'sip:alice@' . address($edge->phone), via => $stream->via, %theirs, cseq => 2,
        to => scalar $ok->header('To'), headers => [ map { [ Route => $_ ] } reverse @route ]));
    my $info = $edge->phone->receive;
    is($info->method, 'INFO', 'their request comes to the phone');
    $edge->phone->reply($info, response($info, 200, 'OK'));
    is($stream->receive->status, 200, 'and is answered');
    $stream->close;
};

subtest 'the callee\'s requests go to the phone' => sub {
    my $stream = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $here,
        tls => { certificate => $leaf{biloxi}, sni => 'atlanta.example' });
    my $refused = pins_refused();
    $stream->send(request('BYE', 'sip:alice@' . address($edge->phone), via => $stream->via, cseq => 7,
        from => $dialog->{to}, to => $dialog->{from}, call_id => $dialog->{call_id},
        headers => [ map { [ Route => $_ ] } reverse @{ $dialog->{route} } ]));
    my $bye = $edge->phone->receive;
    is($bye->method, 'BYE', 'their BYE comes to the phone');
    $edge->phone->reply($bye, response($bye, 200, 'OK'));
    is($stream->receive->status, 200, 'and is answered');
    is(pins_refused(), $refused, 'the pin is good from that side, too, and says nothing of it');
    $stream->close;
};

subtest 'what the flags of the INVITE chose stays' => sub {
    $edge->apply($edge->certificate_sql('other', $ca->leaf('other', uri => ['sip:atlanta.example'])));
    my $other = call($biloxi, flags => 'cert=other,sni=sni.example');
    my %expected = (%SAME, outbound_own_certificate => 'other', outbound_sni => 'sni.example');
    pinned('INFO', $other, \%expected);
    pinned('a flag of its own', $other, { %expected, outbound_own_certificate => undef, outbound_decision => 'open' },
        flags => 'no-cert');
    my $weak = call($biloxi, flags => 'verify-domain=biloxi.example');
    pinned('no less by a flag', $weak, \%SAME, flags => 'verify-chain');
};

subtest 'another node, which has never seen the call' => sub {
    my $node = Trelay::Daemon->start(postgres => $edge->{postgres}, values => { RELAY => own_address(3) }, configuration => <<'END');
node = "second"
workers = 1
database { connection = "@DATABASE@" }
control { socket = "@DIRECTORY@/control" }
accounting { flush = 10 }
listener "inside" { transport = "udp" address = "@RELAY@" }
listener "edge" { transport = "tls" address = "@RELAY@" advertise = "atlanta.example" }
END
    my $other = own_address(3);
    my @route = map { s/\Q@{[ $edge->host ]}\E/$other/r } @{ $dialog->{route} };
    my $text = request('INFO', contact($biloxi), via => $edge->phone->via, cseq => 90, (map { $_ => $dialog->{$_} } qw(call_id from to)),
        headers => [ map { [ Route => $_ ] } @route ]);
    $edge->phone->send($text, $other, 5060);
    $asked{"$dialog->{call_id} INFO"}++; # there is a record of it
    my $reply;
    do { $reply = $edge->phone->receive } while $reply && $reply->status < 200;
    is($reply->status, 200, 'answered') or diag $node->log;
    my $query = "SELECT * FROM trelay.transaction_record WHERE node = 'second'";
    my $record = $edge->daemon->process->wait_until('record', sub { return ($edge->rows($query))[-1] });
    my %expected = (%SAME, outbound_decision => 'open');
    is($record->{$_}, $expected{$_}, $_) for sort keys %expected;
    $node->stop;
};

subtest 'secrets are rotated' => sub {
    my $rotate = "DO \$\$ BEGIN PERFORM trelay.rotate_dialog_secret(); END \$\$";
    $edge->apply($rotate);
    pinned('the old one is read', $dialog, \%SAME);
    my $new = call();
    my $pin = pin_of(join ' ', @{ $new->{route} });
    isnt(make_pin(substr(decode_base64url($pin), 0, -16), $new->{call_id}, tag_of($new->{from})), $pin, 'and makes no more');
    pinned('the new one', $new, \%SAME);
    $edge->apply($rotate);
    refused('the oldest is forgotten', 403, 'no-policy', $dialog);
    pinned('the one before', $new, \%SAME);
    $edge->apply("INSERT INTO trelay.dialog_secret (secret) VALUES ('\\x" . unpack('H*', 'y' x 32) . "')");
    refused('of three that are there the oldest is not read', 403, 'no-policy', $new);
};

subtest 'policy of today' => sub {
    my $now = call();
    # The address has a row: an ordinary request is not validated, one of the dialog is.
    $edge->apply("INSERT INTO trelay.outbound_policy (name, address, level) VALUES ('address', '$here/32', 'encrypt')");
    my ($reply, $record) = within($now, 'INFO', changed($now, sub { undef }));
    is("$record->{outbound_policy} $record->{outbound_level}", 'address encrypt', 'without the pin: the row of the address');
    is($record->{outbound_pinned}, 0, 'not pinned');
    isnt(scalar $reply->header('X-Conn'), $now->{n}, 'on another connection');
    pinned('with it: the row of the call', $now, \%SAME);
    $edge->apply("UPDATE trelay.outbound_policy SET level = 'encrypt' WHERE name = 'biloxi'");
    pinned('the row asks for less now: the call does not', $now, \%SAME);
    $edge->apply("UPDATE trelay.outbound_policy SET level = 'domain', expected_domain = 'other.example' WHERE name = 'biloxi'");
    $record = refused('the row expects another one now', 502, 'wrong-identity', $now);
    is($record->{outbound_expected_domain}, 'other.example', 'by the row');
    for my $gone ("UPDATE trelay.outbound_policy SET enabled = false WHERE name = 'biloxi'",
        "UPDATE trelay.outbound_policy SET enabled = true, trust_set = 'empty' WHERE name = 'biloxi'") {
        $edge->apply("INSERT INTO trelay.trust_set (name) VALUES ('empty') ON CONFLICT DO NOTHING; $gone");
        refused('the row is gone, and that of the address asks for less', 403, 'weaken-refused', $now);
    }
    $edge->apply("UPDATE trelay.outbound_policy SET level = 'domain', trust_set = 'fed', expected_domain = 'biloxi.example'
        WHERE name = 'address'");
    pinned('or for as much', $now, { outbound_policy => 'address', outbound_level => 'domain', outbound_pinned => 0 });
    $edge->apply("DELETE FROM trelay.outbound_policy WHERE name = 'address'");
    refused('no row at all', 403, 'no-policy', $now);
    $edge->apply("UPDATE trelay.outbound_policy SET trust_set = 'fed', expected_domain = NULL WHERE name = 'biloxi'");
    pinned('there it is again', $now, \%SAME);
};

subtest 'initial-only' => sub {
    my $strict = call($gateway);
    refused('another member of the federation is not biloxi', 502, 'wrong-identity', $strict);
    my $initial = "UPDATE trelay.outbound_policy SET initial_only";
    $edge->apply("$initial = true WHERE name = 'biloxi'");
    my $lighter = call($gateway);
    my $invite = $edge->record($lighter->{reply});
    is($invite->{outbound_level}, 'domain', 'the INVITE has domain proven');
    my %chain = (outbound_policy => 'biloxi', outbound_pinned => 1, outbound_level => 'chain', outbound_own_certificate => 'us',
        outbound_expected_domain => undef);
    pinned('in the dialog chain is enough', $lighter, { %chain, outbound_decision => 'open' });
    pinned('a call that began before', $strict, \%chain);
    refused('not for a request that asks for more', 502, 'wrong-identity', $lighter, flags => 'verify-domain');
    refused('without the pin', 403, 'no-policy', $lighter, changed($lighter, sub { undef }));
    refused('a To tag alone is no dialog', 403, 'no-policy', $lighter, route => []);
    my ($again) = within($lighter, 'INVITE');
    is($again->status, 200, 're-INVITE');
    pinned('with the route set of the re-INVITE', $lighter, \%chain, route => [ reverse values_of($again, 'Record-Route') ]);
    $edge->apply("$initial = false WHERE name = 'biloxi'");
    refused('with that, too, the call began with domain', 502, 'wrong-identity', $lighter,
        route => [ reverse values_of($again, 'Record-Route') ]);
    # The same of a next hop with a row of its own.
    $edge->apply("INSERT INTO trelay.outbound_policy (name, address, level, trust_set, expected_domain)
        VALUES ('address', '$here/32', 'domain', 'fed', 'biloxi.example'); $initial = true WHERE name = 'biloxi'");
    refused('the row of the address asks for more', 502, 'wrong-identity', $lighter);
    refused('the same without a pin', 502, 'wrong-identity', $lighter, changed($lighter, sub { undef }));
    $edge->apply("DELETE FROM trelay.outbound_policy WHERE name = 'address'; $initial = false WHERE name = 'biloxi'");
};

subtest 'initial-only as a flag' => sub {
    my $asked = call($gateway, flags => 'initial-only');
    refused('where the row is not to be weakened', 502, 'wrong-identity', $asked);
    $edge->apply("UPDATE trelay.outbound_policy SET weaken = 'allowed' WHERE name = 'biloxi'");
    pinned('where it may be', $asked, { outbound_level => 'chain', outbound_pinned => 1 });
    my $not_asked = call($gateway);
    refused('a call without the flag', 502, 'wrong-identity', $not_asked);
};

# Below chain the address rules, which may permit a plain transport: what the call began with is a floor.
my $plain = Trelay::SIP::Server->start(transport => 'udp', host => $here, port => $biloxi->port,
    answer => sub ($message, $n) { return answer({ host => $here, port => 1 }, $message, $n) });
my $CLEAR = "sip:bob\@$to_biloxi;transport=udp";
my $OPEN  = "sip:bob\@$to_biloxi";
$edge->apply("INSERT INTO trelay.outbound_policy (name, domain, level, next_hop) VALUES
    ('encrypted', 'encrypted.example', 'encrypt', '{$to_biloxi}'), ('clear', 'clear.example', 'none', '{$to_biloxi}');
    INSERT INTO trelay.outbound_policy (name, address, level) VALUES ('address', '$here/32', 'none')");

sub body_of ($dialog) {
    my $pin = pin_of(join ' ', @{ $dialog->{route} }) // return '';
    return join ' ', unpack '(H2)*', substr decode_base64url($pin), 5, -16;
}

my %FLOOR = (outbound_policy => 'address', outbound_pinned => 0, outbound_level => 'encrypt', outbound_transport => 'tls',
    outbound_expected_domain => undef, flags => 'tls');

subtest 'a call that began with TLS does not go on in clear' => sub {
    my $floor = call($biloxi, uri => 'sip:bob@encrypted.example');
    is($floor->{status}, 200, 'INVITE');
    is($edge->record($floor->{reply})->{outbound_level}, 'encrypt', 'of level encrypt');
    is(body_of($floor), '01 03', 'its pin has a level, and neither row nor domain');
    my $unseen = () = $plain->messages;
    refused('over UDP', 500, 'plain-transport', $floor, uri => $CLEAR);
    pinned('where the address leaves it open', $floor, \%FLOOR, uri => $OPEN);
    pinned('where it says TCP', $floor, \%FLOOR, uri => "$OPEN;transport=tcp");
    pinned('where it says TLS', $floor, \%FLOOR);
    refused('no less by a flag', 500, 'plain-transport', $floor, uri => $CLEAR, flags => 'no-verify');
    my ($again) = within($floor, 'INVITE');
    is($again->status, 200, 're-INVITE');
    my %later = (route => [ reverse values_of($again, 'Record-Route') ]);
    is(body_of(\%later), '01 03', 'its pin is the same');
    refused('with the route set of the re-INVITE', 500, 'plain-transport', $floor, uri => $CLEAR, %later);
    within($floor, 'ACK', cseq => 1, uri => $CLEAR);
    within($floor, 'BYE');
    is(scalar(() = $plain->messages), $unseen, 'nothing was seen in clear');
    pinned('without the pin it is the row of the address', $floor, { %FLOOR, outbound_level => 'none', outbound_transport => 'udp',
        flags => undef }, uri => $CLEAR, changed($floor, sub { undef }));
    is(scalar(() = $plain->messages), $unseen + 1, 'which takes UDP');
    my $asked = call($biloxi, uri => 'sip:bob@clear.example', flags => 'tls');
    is(body_of($asked), '01 03', 'the same of a row of level none and the flag tls');
    refused('over UDP, without the flag', 500, 'plain-transport', $asked, uri => $CLEAR);
    is(body_of(call($biloxi, uri => 'sip:bob@clear.example;transport=tls')), '', 'of level none nothing is kept');
    $edge->apply("UPDATE trelay.outbound_policy SET level = 'domain', trust_set = 'fed', expected_domain = 'other.example'
        WHERE name = 'address'");
    refused('the row of the address asks for more, and is heard', 502, 'wrong-identity', $floor);
    $edge->apply("UPDATE trelay.outbound_policy SET level = 'none', trust_set = NULL, expected_domain = NULL WHERE name = 'address'");
};

# A call from the stream, which the phone answers: its dialog, as the phone has it.
sub call_in ($stream, $call_id) {
    my %theirs = (from => '<sip:bob@biloxi.example>;tag=caller', call_id => $call_id);
    $stream->send(request('INVITE', 'sip:alice@atlanta.example', via => $stream->via, %theirs, contact => "<$OPEN>"));
    my $invite = $edge->phone->receive;
    $edge->phone->reply($invite, response($invite, 200, 'OK', to_tag => 'phone', contact => $PHONE));
    my $ok;
    do { $ok = $stream->receive } while $ok && $ok->status < 200;
    is($ok->status, 200, 'answered');
    return { at => $biloxi, call_id => $call_id, from => scalar $ok->header('To'), to => $theirs{from},
        route => [ values_of($invite, 'Record-Route') ], cseq => 1 };
}

subtest 'what came over TLS is not answered in clear' => sub {
    $edge->apply("UPDATE trelay.server_profile SET client_auth = 'request'; INSERT INTO trelay.peer (name, address, action)
        VALUES ('nobody', '$here/32', 'accept')");
    my $stream = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $here, tls => { sni => 'atlanta.example' });
    my $back = call_in($stream, 'nobody@test.invalid');
    is(body_of($back), '02 03', 'who has proven nothing: a floor, on the way back alone');
    refused('over UDP', 500, 'plain-transport', $back, uri => $CLEAR);
    pinned('where the address leaves it open', $back, \%FLOOR, uri => $OPEN);
    $stream->close;
    my $proven = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $here,
        tls => { certificate => $leaf{gateway}, sni => 'atlanta.example' });
    $back = call_in($proven, 'proven@test.invalid');
    is(body_of($back), '02 03', 'a domain without a row of its own: likewise');
    refused('over UDP, too', 500, 'plain-transport', $back, uri => $CLEAR);
    $proven->close;
};

# A pin is made before the callee has a tag: whoever bears it with another one gets what it asks for, and no more.
subtest 'another tag of the callee' => sub {
    $edge->apply("UPDATE trelay.outbound_policy SET level = 'domain', trust_set = 'fed', expected_domain = 'biloxi.example'
        WHERE name = 'address'; UPDATE trelay.outbound_policy SET weaken = 'refused' WHERE name = 'biloxi'");
    my $own = call();
    my %other = (to => '<sip:bob@biloxi.example>;tag=other');
    my $refused = pins_refused();
    pinned('goes to who proves what the row of the pin asks for', $own, \%SAME, %other);
    refused('and to nobody else', 502, 'wrong-identity', $own, %other, at => $gateway);
    refused('nor with less by a flag', 403, 'weaken-refused', $own, %other, flags => 'no-verify');
    $edge->apply("UPDATE trelay.outbound_policy SET expected_domain = 'gateway.example' WHERE name = 'biloxi'");
    refused('as the row is today', 502, 'wrong-identity', $own, %other);
    $edge->apply("UPDATE trelay.outbound_policy SET expected_domain = NULL, level = 'chain' WHERE name = 'biloxi'");
    pinned('or as the call began', $own, \%SAME, %other);
    $edge->apply("UPDATE trelay.outbound_policy SET enabled = false WHERE name = 'biloxi';
        UPDATE trelay.outbound_policy SET level = 'chain' WHERE name = 'address'");
    refused('ordinary policy does not stand for less', 403, 'weaken-refused', $own, %other);
    $edge->apply("DELETE FROM trelay.outbound_policy WHERE name = 'address'");
    refused('nor does none', 403, 'no-policy', $own, %other);
    is(pins_refused(), $refused, 'all the time the pin was taken');
    $edge->apply("UPDATE trelay.outbound_policy SET enabled = true, level = 'domain' WHERE name = 'biloxi'");
    refused('of another call it is forged', 403, 'no-policy', $own, %other, call_id => 'borrowed@test.invalid');
    refused('of another caller, too', 403, 'no-policy', $own, %other, from => '<sip:alice@atlanta.example>;tag=borrower');
    is(pins_refused(), $refused + 2, 'and that is counted');
    refused('and without a tag nobody reads it', 403, 'no-policy', $own, to => '<sip:bob@biloxi.example>');
    is(pins_refused(), $refused + 2, 'whoever it is of');
    pinned('there it is again', $own, \%SAME, %other);
};

is($_->stop, 0, 'a server ends well') for $biloxi, $gateway, $plain;
$edge->stop;
done_testing;
