#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Attacks on and around a handshake, with real peers and somebody between: what is out of order ends it, who waits for it
# is judged by his own key, nothing is said before the proof, and no session is ever taken up again (INV-8,
# INV-16, INV-18, INV-20, INV-22, INV-24, INV-27, INV-30, INV-37).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Trelay::Between;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request);
use Trelay::SIP::Server;

my $edge = Trelay::Edge->start(configuration => "limits {\n    backoff = 0\n    handshake_timeout = 60000\n}\n");
my $fed  = $edge->pki->authority('federation');
my %ours = map { $_ => $fed->leaf($_, uri => ['sip:atlanta.example']) } qw(one two);
my $peer = own_address(3); # of who calls us
$edge->apply($edge->trust_sql('fed', $fed) . join('', map { $edge->certificate_sql($_, $ours{$_}) } sort keys %ours));

sub address ($server) { return $server->host . ':' . $server->port }

sub tls_server ($certificate, %options) {
    my $tls = { certificate => $certificate, ask => 1, %{ delete $options{tls} // {} } };
    return Trelay::SIP::Server->start(transport => 'tls', host => own_address(2), %options, tls => $tls);
}

sub leaf_for (@names) { return $fed->leaf($names[0], uri => [ map { "sip:$_.example" } @names ]) }

sub row ($name, $server, %different) {
    my %column = (name => $name, domain => "$name.example", level => 'domain', trust_set => 'fed', weaken => 'allowed',
        next_hop => '{' . address($server) . '}', %different);
    my @names = grep { defined $column{$_} } sort keys %column;
    $edge->apply('INSERT INTO trelay.outbound_policy (' . join(', ', @names) . ') VALUES ('
            . join(', ', map { "'$column{$_}'" } @names) . ')');
    return;
}

sub uri ($name) { return "sip:bob\@$name.example" }
sub ask ($name, %options) { return $edge->ask('OPTIONS', uri($name), %options) }
sub n ($reply) { return scalar $reply->header('X-Conn') }

# Refused because the handshake failed, and nothing said.
sub is_refused ($server, $reply, $reason, $what) {
    is($edge->record($reply)->{reason}, $reason, "$what: refused");
    return is(has_seen($server, $reply), 0, "$what: nothing was said");
}

sub has_seen ($server, $reply) { return scalar grep { $_->call_id eq $reply->call_id } $server->messages }

# A record of TLS in clear, as it may be put between others.
my $CHANGE_CIPHER_SPEC = "\x14\x03\x03\x00\x01\x01";

subtest 'ADV-16: ChangeCipherSpec ahead of its time' => sub {
    my $server = tls_server(leaf_for('early'), tls => { version => 'TLSv1_2' });
    my $inject = sub ($bytes) { return $bytes =~ /\x0e\x00\x00\x00\z/ ? $bytes . $CHANGE_CIPHER_SPEC : $bytes };
    my %between = (plain => Trelay::Between->start(host => own_address(2), to => $server, hold => 0.05),
        early => Trelay::Between->start(host => own_address(2), to => $server, hold => 0.05, from_server => $inject));
    row('plain', $between{plain}, expected_domain => 'early.example');
    row('early', $between{early});
    is(ask('plain')->status, 200, 'with nothing put in between');
    my $reply = ask('early');
    is_refused($server, $reply, 'tls-failed', 'behind ServerHelloDone');
    is($_->stop, 0, 'it ends well') for $server, values %between;
};

# Who says ServerHello himself, in TLS 1.3, with an extension more, and MORE behind it. Prints what he gets for it.
sub hello_server ($extension, $more) {
    my $listener = Trelay::SIP::Listener->new(host => own_address(2));
    my $process = Trelay::Process->start(name => 'hello', code => sub {
        while (my $client = $listener->accept_plain(3600)) {
            sysread $client->{socket}, my $hello, 16384;
            my $session = substr $hello, 44, ord substr $hello, 43, 1;
            # The generator of P-256 and the base point of X25519 are points like any other.
            my %share = ("\x00\x17" => pack('H*', '046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296'
                        . '4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5'), "\x00\x1d" => "\x09" . "\x00" x 31);
            my ($group) = $hello =~ /\x00\x33..(?:..)(\x00[\x17\x1d])/s or die "no key share for P-256 or X25519\n";
            my $extensions = "\x00\x2b\x00\x02\x03\x04" . "\x00\x33" . pack('n/a*', $group . pack('n/a*', $share{$group}))
                . $extension;
            my $body = "\x03\x03" . 'r' x 32 . pack('C/a*', $session) . "\x13\x01\x00" . pack('n/a*', $extensions);
            syswrite $client->{socket}, "\x16\x03\x03" . pack('n/a*', "\x02\x00" . pack('n/a*', $body)) . $more;
            $client->wait_for_close(0.5);
            my $answer = $client->rest =~ s/^\Q$CHANGE_CIPHER_SPEC\E//r;
            say 'answer of ', length $answer;
            $client->close;
        }
    });
    $listener->close;
    return ($listener, $process);
}

subtest 'ADV-15: TLS 1.3 with a key that nobody offered, and no certificate' => sub {
    my $nonsense = "\x17\x03\x03" . pack('n/a*', 'x' x 64);
    for my $case ([ 'nonsense', '', $nonsense ], [ 'psk', "\x00\x29\x00\x02\x00\x00", '' ]) {
        my ($name, @says) = @$case;
        my ($listener, $process) = hello_server(@says);
        row($name, $listener);
        my $reply = ask($name);
        is($edge->record($reply)->{reason}, 'tls-failed', "$name: the request fails");
        cmp_ok($process->wait_for_line(qr/^answer of (\d+)/), '<', 32, "$name: it gets an alert at most");
        $process->stop;
    }
};

subtest 'ADV-18: a request in one segment with the end of the handshake' => sub {
    my $text = request('MESSAGE', 'sip:alice@atlanta.example', via => 'SIP/2.0/TLS ' . own_address(2) . ';branch=z9hG4bKgreet');
    my ($call_id) = $text =~ /^Call-ID:\s*(\S+)/mi;
    for my $version (qw(TLSv1_2 TLSv1_3)) {
        my $server = tls_server(leaf_for('elsewhere'), greeting => $text, tls => { version => $version });
        my $between = Trelay::Between->start(host => own_address(2), to => $server, hold => 0.1);
        my $name = 'hasty' . lc $version =~ s/\D//gr;
        row($name, $between);
        my $reply = ask($name);
        is($reply->status, 502, "$version: the wrong name: refused");
        is(has_seen($server, $reply), 0, 'nothing was said to it');
        my $end = $server->wait_for_end(1);
        is($end->{rest} // '', '', 'and nothing answered');
        is($_->stop, 0, 'it ends well') for $between, $server;
    }
    is((my @rows = $edge->rows("SELECT * FROM trelay.transaction_record WHERE call_id = '$call_id'")), 0,
        'no transaction came of what it said');
};

# Sends all at once, then waits: the answers in order.
sub ask_all (@requests) {
    my @sent = map { $edge->send('OPTIONS', uri(shift @$_), @$_) } @requests;
    return map { $edge->final($_) } @sent;
}

subtest 'ADV-19: fifty equal requests wait for one verdict' => sub {
    my $server = tls_server(leaf_for('busy'), accept_delay => 1);
    row('busy', $server);
    my @replies = ask_all(map { ['busy'] } 1 .. 50);
    is(scalar(grep { $_->status != 200 } @replies), 0, 'all are served');
    is(scalar(my @made = $server->connections), 1, 'on one connection');
    is($server->stop, 0, 'it ends well');
};

subtest 'ADV-20: a burst on the way to the wrong name' => sub {
    my $server = tls_server(leaf_for('elsewhere'), accept_delay => 1);
    row('burst', $server);
    my @replies = ask_all(map { ['burst'] } 1 .. 30);
    is(scalar(grep { $_->status == 200 } @replies), 0, 'none is served');
    is(scalar(my @seen = $server->messages), 0, 'none was seen');
    is(scalar(grep { $_->{peer} eq address($server) || ($_->{identity} // '') =~ /elsewhere/ } $edge->connections), 0,
        'no connection is left');
    is($server->stop, 0, 'it ends well');
};

subtest 'ADV-22: two that want the same address while it shakes hands' => sub {
    my $server = tls_server(leaf_for('right', 'also'), accept_delay => 1);
    row($_, $server) for qw(right also wrong);
    my @replies = ask_all([ 'wrong', flags => 'no-verify' ], ['wrong']);
    is($replies[0]->status, 200, 'who proves nothing is served');
    is($replies[1]->status, 502, 'who needs a proof is judged by itself');
    is(has_seen($server, $replies[1]), 0, 'and not sent');
    @replies = ask_all(['right'], ['wrong'], ['also']);
    is(join(' ', map { $_->status } @replies), '200 502 200', 'by the name of each');
    isnt(n($replies[0]), n($replies[2]), 'on two connections');
    @replies = ask_all(map { [ 'right', flags => "cert=$_" ] } qw(one two));
    is(join(' ', map { $_->status } @replies), '200 200', 'two certificates of ours');
    my %shown = map { $_->{n} => $_->{sha256} } $server->connections;
    is($shown{ n($replies[$_]) }, $ours{ (qw(one two))[$_] }->sha256, 'each is shown for its own request') for 0, 1;
    is($server->stop, 0, 'it ends well');
};

subtest 'ADV-23: the leader is cancelled, the others wait on' => sub {
    my $server = tls_server(leaf_for('leader'), accept_delay => 1);
    row('leader', $server);
    my $invite = $edge->send('INVITE', uri('leader'));
    my @sent = map { $edge->send('OPTIONS', uri('leader')) } 1 .. 10;
    $edge->phone->send(request('CANCEL', $invite->uri, via => $invite->header('Via'), from => $invite->header('From'),
        to => $invite->header('To'), call_id => $invite->call_id), $edge->host, 5060);
    is($edge->final($invite)->status, 487, 'the leader is told that it was cancelled');
    is(scalar(grep { $edge->final($_)->status != 200 } @sent), 0, 'the others are served');
    is(scalar(my @made = $server->connections), 1, 'on the connection that was begun for it');
    is($server->stop, 0, 'it ends well');
};

subtest 'ADV-29: below the floor' => sub {
    my $weak = tls_server(leaf_for('weak'), tls => { version => 'TLSv1_2', ciphers => 'ECDHE-ECDSA-AES128-SHA' });
    my $old = tls_server(leaf_for('old'), tls => { version => 'TLSv1_2' });
    row('weak', $weak);
    row('old', $old);
    my $reply = ask('weak');
    is_refused($weak, $reply, 'tls-failed', 'a suite without authenticated encryption');
    is(ask('old')->status, 200, 'TLS 1.2');
    $edge->apply("UPDATE trelay.outbound_policy SET tls_min = '1.3' WHERE name = 'old'");
    $reply = ask('old');
    is_refused($old, $reply, 'tls-failed', 'the floor is raised, the connection that is up below it');
    is($_->stop, 0, 'it ends well') for $weak, $old;
};

subtest 'ADV-21 ADV-30: tickets are not taken' => sub {
    for my $version (qw(TLSv1_2 TLSv1_3)) {
        my $server = tls_server(leaf_for('tickets'), tls => { version => $version,
            options => { SSL_session_id_context => 'trelay' } });
        my $name = 'tickets' . lc $version =~ s/\D//gr;
        row($name, $server, expected_domain => 'tickets.example');
        row("$name-wrong", $server);
        my $outcomes = join ' ', map { ask($name, flags => 'no-conn-reuse')->status . ' ' . ask("$name-wrong")->status } 1 .. 25;
        is($outcomes, join(' ', ('200 502') x 25), "$version: each is judged anew");
        my @made = $server->wait_for_connections(50);
        is(scalar(grep { $_->{is_resumed} } @made), 0, "$version: no session is resumed");
        is($server->stop, 0, 'it ends well');
    }
};

# Outcomes of as many requests, each on a connection of its own, of which none is resumed; and who those connections prove.
sub fresh ($server, $name, $count = 2) {
    my $before = $server->connections;
    my @status = map { ask($name, flags => 'no-conn-reuse')->status } 1 .. $count;
    my @made   = $server->wait_for_connections($before + $count);
    return join ' ', @status, grep { $_->{is_resumed} } @made[ $before .. $#made ];
}

subtest 'ADV-32: a ticket is worth nothing after a change, nor before' => sub {
    my $other = $edge->pki->authority('elsewhere');
    $edge->apply($edge->trust_sql('other', $other));
    my @changes = (
        [ 'another certificate of ours', certificate => 'two', '200 200' ],
        [ 'the name to prove',           expected_domain => 'somebody.example', '502 502' ],
        [ 'the name is right again',     expected_domain => 'kept.example', '200 200' ],
        [ 'the anchors',                 trust_set => 'other', '502 502' ],
        [ 'the class',                   level => 'encrypt', '200 200' ],
        [ 'it is to be proven again',    level => 'domain', '502 502' ],
        [ 'the anchors are back',        trust_set => 'fed', '200 200' ],
    );
    for my $version (qw(TLSv1_2 TLSv1_3)) {
        my $server = tls_server(leaf_for('kept'), tls => { version => $version, options => { SSL_session_id_context => 'trelay' } });
        my $name = 'kept' . lc $version =~ s/\D//gr;
        row($name, $server, expected_domain => 'kept.example', certificate => 'one');
        is(fresh($server, $name), '200 200', "$version: proven, a ticket in hand");
        for my $change (@changes) {
            my ($what, $column, $value, $expected) = @$change;
            $edge->apply("UPDATE trelay.outbound_policy SET $column = '$value' WHERE name = '$name'");
            is(fresh($server, $name), $expected, "$version: $what: judged anew, in a full handshake");
        }
        $edge->apply("UPDATE trelay.outbound_policy SET tls_min = '1.3' WHERE name = '$name'");
        my @floor = map { ask($name, flags => 'no-conn-reuse')->status } 1 .. 2;
        is("@floor", $version eq 'TLSv1_2' ? '500 500' : '200 200', "$version: the floor");
        is(scalar(grep { $_->{is_resumed} } $server->connections), 0, "$version: and none was ever resumed");
        is($server->stop, 0, 'it ends well');
    }
};

# Twenty of them, and on until the certificate has ended: how many that are depends on the machine.
subtest 'ADV-33: a chain of tickets, and the end of what they would stand for' => sub {
    for my $version (qw(TLSv1_2 TLSv1_3)) {
        my $until = time + 12;
        my $server = tls_server($fed->leaf("chain$version", uri => ['sip:chain.example'], not_after => 12),
            tls => { version => $version, options => { SSL_session_id_context => 'trelay' } });
        my $name = 'chain' . lc $version =~ s/\D//gr;
        row($name, $server, expected_domain => 'chain.example');
        my ($count, $late, @status) = (0, 0);
        while ($count < 20 || time < $until + 1) {
            my $is_over = time > $until + 1;
            push @status, ask($name, flags => 'no-conn-reuse')->status;
            $late++ if $is_over && $status[-1] == 200;
            sleep 0.1 if ++$count > 20;
        }
        push @status, map { ask($name, flags => 'no-conn-reuse')->status } 1 .. 2;
        like("@status", qr/^(?:200 )+502(?: 502)*$/, "$version: proven until the certificate ends, and never after");
        is($late, 0, "$version: nothing is prolonged");
        is(scalar(grep { $_->{is_resumed} } $server->wait_for_connections(scalar @status)), 0, "$version: each by a full handshake");
        is($server->stop, 0, 'it ends well');
    }
};

subtest 'ADV-37: the peer resets as the connection comes free' => sub {
    my $server = tls_server(leaf_for('reset'), close => 'answer', reset => 1);
    row('reset', $server);
    my @status;
    for my $round (1 .. 15) {
        my $sent = $edge->send('OPTIONS', uri('reset'));
        $edge->control('reload', 'drain') if $round % 3 == 0;
        push @status, $edge->final($sent)->status;
    }
    is(scalar(grep { $_ != 200 && $_ < 500 } @status), 0, 'each request has an answer') or diag "@status";
    my %ids = map { $_->{id} => 1 } my @left = $edge->connections;
    is(scalar(keys %ids), scalar(@left), 'no connection is in two places');
    my %at = map { $_->{n} => scalar @{ $_->{messages} } } $server->connections;
    is(scalar(grep { $_ > 1 } values %at), 0, 'none was used again');
    is($server->stop, 0, 'it ends well');
};

subtest 'ADV-49: a certificate ends while the connection is busy' => sub {
    my $middle = $fed->intermediate('short', not_after => 14);
    my $until = time + 14;
    my %server = (leaf => tls_server($fed->leaf('leaf', uri => ['sip:leaf.example'], not_after => 14)),
        middle => tls_server($middle->leaf('middle', uri => ['sip:middle.example'])));
    row($_, $server{$_}) for sort keys %server;
    my %first = map { $_ => ask($_)->status } sort keys %server;
    is_deeply(\%first, { leaf => 200, middle => 200 }, 'before the end it is proven') or return;
    my %late = map { $_ => 0 } keys %server;
    while (time < $until + 2) {
        for my $name (sort keys %server) {
            my $begun = time;
            my $reply = ask($name);
            $late{$name}++ if $begun > $until + 1 && $reply->status == 200;
        }
        sleep 0.2;
    }
    is_deeply(\%late, { leaf => 0, middle => 0 }, 'after it no request is served');
    is(ask($_)->status, 502, "$_: refused now") for sort keys %server;
    is($_->stop, 0, 'it ends well') for values %server;
};

subtest 'ADV-34: a ticket of one name is none for another' => sub {
    $edge->apply("INSERT INTO trelay.peer (name, address, action) VALUES ('caller', '$peer/32', 'accept');"
            . join '', map {
        my ($name, $auth) = @$_;
        "INSERT INTO trelay.server_profile (name, server_name, client_auth, trust_set) VALUES ('$name', '$name.example',"
            . " '$auth', " . ($auth eq 'none' ? 'NULL' : "'fed'") . ');'
            . "INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('$name', 'one');"
    } [ 'open', 'none' ], [ 'shut', 'require' ]);
    for my $version (qw(TLSv1_2 TLSv1_3)) {
        my $cache = IO::Socket::SSL::Session_Cache->new(10);
        my $said = sub ($name) {
            my $caller = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $peer, tls => { sni => $name,
                version => $version, options => { SSL_session_cache => $cache, SSL_session_key => 'edge' } });
            $caller->send(request('OPTIONS', 'sip:atlanta.example', via => $caller->via, headers => [ [ 'Max-Forwards' => 0 ] ]));
            my $reply = $caller->receive;
            return ($reply ? $reply->status : 'ended') . ($caller->is_resumed ? ' resumed' : '');
        };
        like($said->('open.example'), qr/^\d+$/, "$version: where no certificate is asked for, served");
        like($said->('open.example'), qr/^\d+$/, "$version: again, and not resumed");
        is((eval { $said->('shut.example') } // 'ended'), 'ended', "$version: where one is required, not");
    }
};

$edge->stop;
done_testing;
