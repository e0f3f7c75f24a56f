#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Telephones in use (baresip) on both sides, over UDP and TCP inside and TLS outside: call, hold, transfer, cancel,
# re-INVITE, MESSAGE, OPTIONS, begun from either side; every request outside goes to a proven neighbour.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Baresip;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::NameServer;

plan(skip_all => 'no baresip here')             if !Trelay::Baresip->is_there;
plan(skip_all => 'no name server (knotd) here') if !Trelay::NameServer->program;

my ($relay, $inside, $biloxi, $chicago) = map { own_address($_) } 0 .. 3;
my $edge = Trelay::Edge->start(configuration => <<'END');
listener "inside-tcp" {
    transport = "tcp"
    address = "@RELAY@"
}
END
my $ca = $edge->pki->authority('federation');
my %leaf = map { $_ => $ca->leaf($_, uri => ["sip:$_.example"], dns => ["$_.example"]) } qw(atlanta biloxi chicago);

# anna comes over TCP, from the address that the kernel chooses.
my $anna_sql = "INSERT INTO trelay.peer (name, address, action, transport_tls_param) VALUES ('anna', '127.0.0.1/32', 'accept', true);";
# Contacts of telephones are addresses: their rows say who must be there. They read Record-Route as RFC 3261 wrote it.
sub partner_sql ($name, $host) {
    my $terms = "'$name.example', 'domain', 'fed', 'us', true";
    return <<"END";
INSERT INTO trelay.outbound_policy
    (name, domain, address, next_hop, expected_domain, level, trust_set, certificate, transport_tls_param) VALUES
    ('$name', '$name.example', NULL, '{$host:5061}', $terms), ('$name-phone', NULL, '$host/32', NULL, $terms);
INSERT INTO trelay.peer (name, trust_set, san, action, transport_tls_param) VALUES ('$name', 'fed', '$name.example', 'accept', true);
END
}
$edge->apply($anna_sql . $edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $leaf{atlanta})
        . partner_sql('biloxi', $biloxi) . partner_sql('chicago', $chicago) . <<"END");
INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us');
INSERT INTO trelay.route (name, domain, user_prefix, next_hop) VALUES
    ('alice', 'atlanta.example', 'alice', 'sip:$inside:5070'),
    ('anna', 'atlanta.example', 'anna', 'sip:$inside:5080;transport=tcp');
END

my $names = Trelay::NameServer->start('atlanta.example' => "\@ A $relay\n");
sub telephone ($user, $domain, @options) {
    return Trelay::Baresip->start(user => $user, domain => "$domain.example", dns => $names->address, @options);
}
sub partner ($user, $domain, $host) {
    return telephone($user, $domain, host => $host, port => 5060, transport => 'tls', proxy => "$relay:5061",
        certificate => $leaf{$domain}, trust => $ca->certificate, contact => 'sip:alice@atlanta.example');
}
my $alice = telephone('alice', 'atlanta', host => $inside, port => 5070, proxy => "$relay:5060",
    contact => 'sip:bob@biloxi.example');
my $bob   = partner('bob',   'biloxi',  $biloxi);
my $carol = partner('carol', 'chicago', $chicago);

# What accounting says of a call: "METHOD STATUS PROVEN" in order, PROVEN the neighbour's domain outside.
sub records_of ($id, $count) {
    my $query = <<"END";
SELECT method || ' ' || status || ' ' || coalesce(inbound_verified_domain, outbound_verified_domain, 'nobody')
    FROM trelay.transaction_record WHERE call_id = '$id' ORDER BY recorded_at, (method = 'BYE')
END
    my $rows = $edge->daemon->process->wait_until("$count records of $id", sub {
        my @rows = split /\n/, $edge->sql($query);
        return @rows >= $count ? \@rows : undef;
    });
    return @$rows;
}

# From the one's dialling to the other's answering: the event that tells the caller, with the Call-ID.
sub call ($caller, $called, $uri) {
    $caller->command('dial', $uri);
    $called->wait_for('CALL_INCOMING');
    $caller->wait_for('CALL_RINGING');
    $called->command('accept');
    $called->wait_for('CALL_ESTABLISHED');
    return $caller->wait_for('CALL_ESTABLISHED')->{id};
}

# Who holds sends a re-INVITE that says so; the other hears of it, and of the end.
sub hold ($one, $other) {
    for my $case ([ hold => 'sendonly' ], [ resume => 'sendrecv' ]) {
        my ($command, $direction) = @$case;
        $one->command($command);
        $one->wait_for('CALL_REMOTE_SDP', qr/answer/);
        my $offer = (grep { ($_->method // '') eq 'INVITE' } $other->received)[-1];
        like($offer->body, qr/^a=$direction\r$/m, "$one->{user} $command: $other->{user} hears of it");
    }
    return;
}

subtest 'from the inside' => sub {
    my $id = call($alice, $bob, 'sip:bob@biloxi.example');
    hold($alice, $bob);
    hold($bob,   $alice);
    $alice->command('reinvite');
    $alice->wait_for('CALL_REMOTE_SDP', qr/answer/);
    $bob->command('hangup');
    $alice->wait_for('CALL_CLOSED');
    is_deeply([ records_of($id, 7) ], [ ('INVITE 200 biloxi.example') x 6, 'BYE 200 biloxi.example' ], 'accounting');
};

subtest 'from the outside' => sub {
    my $id = call($bob, $alice, 'sip:alice@atlanta.example');
    hold($bob,   $alice);
    hold($alice, $bob);
    $bob->command('reinvite');
    $bob->wait_for('CALL_REMOTE_SDP', qr/answer/);
    $alice->command('hangup');
    $bob->wait_for('CALL_CLOSED');
    is_deeply([ records_of($id, 7) ], [ ('INVITE 200 biloxi.example') x 6, 'BYE 200 biloxi.example' ], 'accounting');
};

subtest 'given up or refused while it rings' => sub {
    for my $case ([ $alice, $bob, 'sip:bob@biloxi.example' ], [ $bob, $alice, 'sip:alice@atlanta.example' ]) {
        my ($caller, $called, $uri) = @$case;
        $caller->command('dial', $uri);
        my $id = $called->wait_for('CALL_INCOMING')->{id};
        $caller->command('hangup');
        $called->wait_for('CALL_CLOSED');
        is_deeply([ records_of($id, 1) ], ['INVITE 487 biloxi.example'], "$caller->{user} gives up");
        $caller->command('dial', $uri);
        $id = $called->wait_for('CALL_INCOMING')->{id};
        $called->command('hangup');
        like($caller->wait_for('CALL_CLOSED', qr/\d{3}/)->{param}, qr/^486/, "$called->{user} refuses");
        is_deeply([ records_of($id, 1) ], ['INVITE 486 biloxi.example'], 'accounting');
    }
};

subtest 'MESSAGE and OPTIONS' => sub {
    for my $case ([ $alice, $bob ], [ $bob, $alice ]) {
        my ($one, $other) = @$case;
        $one->command('message', "Hello $other->{user}");
        is($other->wait_for_line(qr/^(Hello \w+)/), "Hello $other->{user}", "$one->{user} writes to $other->{user}");
        $one->command('options', $one->{contact});
        ok($one->wait_for_line(qr/^----- OPTIONS of/), "$other->{user} says what it can");
    }
};

subtest 'transfer' => sub {
    for my $case ([ $alice, $bob, 'sip:bob@biloxi.example' ], [ $bob, $alice, 'sip:alice@atlanta.example' ]) {
        my ($caller, $called, $uri) = @$case;
        call($caller, $called, $uri);
        $called->command('transfer', 'sip:carol@chicago.example');
        my $id = $carol->wait_for('CALL_INCOMING', qr/$caller->{user}/)->{id};
        $carol->command('accept');
        $carol->wait_for('CALL_ESTABLISHED');
        $called->wait_for('CALL_CLOSED');
        pass("$called->{user} hears that $caller->{user} reached carol, and lets go");
        $carol->command('hangup');
        $caller->wait_for('CALL_CLOSED', qr/^/);
        my @records = records_of($id, 2);
        is($records[0] =~ s/ \w+\.example$//r, 'INVITE 200', 'accounting of the new call');
    }
};

subtest 'TCP inside' => sub {
    my $anna = telephone('anna', 'atlanta', host => $inside, port => 5080, control => 4445, transport => 'tcp',
        proxy => "$relay:5060");
    my $id = call($anna, $bob, 'sip:bob@biloxi.example');
    hold($bob, $anna);
    $bob->command('hangup');
    $anna->wait_for('CALL_CLOSED');
    is_deeply([ records_of($id, 4) ], [ ('INVITE 200 biloxi.example') x 3, 'BYE 200 biloxi.example' ], 'accounting');
    is($anna->stop, 0, 'anna ends well');
};

my ($proven, $unproven) = map { $edge->sql(<<"END") } '', 'NOT';
SELECT count(*) FROM trelay.transaction_record WHERE 'tls' IN (inbound_transport, outbound_transport) AND $_ (
    (inbound_transport <> 'tls' OR inbound_verified_domain IS NOT NULL) AND
    (outbound_transport <> 'tls' OR outbound_verified_domain IS NOT NULL))
END
cmp_ok($proven, '>=', 40, 'requests passed the outside with proof');
is($unproven, 0, 'none without');
is($_->stop, 0, "$_->{user} ends well") for $alice, $bob, $carol;
$edge->stop;
done_testing;
