#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# What changes in PostgreSQL reaches connections that are up: an authority or a certificate of ours that is gone takes
# them out of use (INV-38, INV-40); reloads by trelayctl and psql act by their mode, when the new policy is in force,
# and say when they could not (DESIGN 10).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(response);
use Trelay::SIP::Server;

my $edge = Trelay::Edge->start(workers => 2);
my ($ca, $other_ca) = map { $edge->pki->authority($_) } qw(federation other);
my $biloxi = Trelay::SIP::Server->start(transport => 'tls', host => own_address(2),
    tls => { certificate => $ca->leaf('biloxi', uri => ['sip:biloxi.example']), ask => 1 });
my $place = $biloxi->host . ':' . $biloxi->port;
$edge->apply($edge->trust_sql('fed', $ca)
        . $edge->certificate_sql('us', $ca->leaf('us', uri => ['sip:atlanta.example']))
        . "INSERT INTO trelay.outbound_policy (name, domain, next_hop, level, expected_domain, trust_set, certificate) VALUES
            ('strict', 'strict.example', '{$place}', 'domain', 'biloxi.example', 'fed', NULL),
            ('mutual', 'mutual.example', '{$place}', 'domain', 'biloxi.example', 'fed', 'us'),
            ('lax', 'lax.example', '{$place}', 'encrypt', NULL, NULL, NULL)");

# The connection that a request to that partner takes.
sub ask ($name) {
    my $reply = $edge->ask('OPTIONS', "sip:bob\@$name.example");
    is($reply->status, 200, "$name is answered");
    return $reply->header('X-Conn');
}

sub log_of ($event) { return scalar(() = $edge->daemon->log =~ /event=\Q$event\E /g) }

# psql's tls_reload, and what the node said of it.
sub reload_by_psql ($mode) {
    my $id = $edge->sql("SELECT id FROM trelay.tls_reload('$mode')");
    return $edge->daemon->process->wait_until("the result of command $id", sub {
        my ($row) = $edge->rows("SELECT is_success, result FROM trelay.command WHERE id = $id AND done_at IS NOT NULL");
        return $row && ($row->{is_success} ? 'done: ' : 'failed: ') . $row->{result};
    });
}

my %at = map { $_ => ask($_) } qw(strict mutual lax);

subtest 'a certificate of ours that is replaced' => sub {
    my $renewed = $ca->leaf('us again', uri => ['sip:atlanta.example']);
    $edge->apply("UPDATE trelay.certificate SET chain_path = '" . $renewed->chain . "' WHERE name = 'us';
        UPDATE trelay.certificate_key SET key_path = '" . $renewed->key . "' WHERE certificate = 'us'");
    $biloxi->wait_for_end($at{mutual});
    like($edge->daemon->log, qr/event=connection-retired [^\n]*reason=unknown-certificate/, 'the log says why');
    is(ask('strict'), $at{strict}, 'the one that showed none stays');
    is(ask('lax'), $at{lax}, 'likewise');
    isnt($at{mutual} = ask('mutual'), $at{strict}, 'a request gets one with the new certificate');
};

subtest 'a reload of what has not changed' => sub {
    for my $mode (qw(revalidate drain drop)) {
        my $before = log_of('connection-revalidated');
        is(reload_by_psql($mode), 'done: reloaded', "$mode: psql hears of it");
        if ($mode eq 'revalidate') {
            $edge->daemon->process->wait_until('all are looked at', sub { log_of('connection-revalidated') >= $before + 2 });
            is(ask($_), $at{$_}, "$mode: $_ stays") for sort keys %at;
            next;
        }
        $biloxi->wait_for_end($_) for values %at;
        my %new = map { $_ => ask($_) } sort keys %at;
        ok($new{$_} > $at{$_}, "$mode: $_ has another connection") for sort keys %at;
        %at = %new;
    }
};

subtest 'ADV-50: an authority that is gone' => sub {
    my $row = "INSERT INTO trelay.trust_set (name) VALUES ('fed2');
        UPDATE trelay.trust_anchor SET trust_set = 'fed2' WHERE trust_set = 'fed';
        UPDATE trelay.outbound_policy SET trust_set = 'fed2' WHERE trust_set = 'fed'; DELETE FROM trelay.trust_set WHERE name = 'fed'";
    $edge->apply($row);
    is(ask('strict'), $at{strict}, 'the same anchors under another name are no change');
    $edge->apply("UPDATE trelay.trust_anchor SET path = '" . $other_ca->certificate . "' WHERE trust_set = 'fed2'");
    $biloxi->wait_for_end($at{$_}) for qw(strict mutual);
    like($edge->daemon->log, qr/event=connection-retired [^\n]*reason=unknown-trust-set/, 'the log says why');
    is(ask('lax'), $at{lax}, 'what was to prove nothing stays');
    my $reply = $edge->ask('OPTIONS', 'sip:bob@strict.example');
    is($reply->status, 502, 'a new one is not proven');
    is($edge->record($reply)->{reason}, 'chain-untrusted', 'indeed');
    $edge->apply("UPDATE trelay.trust_anchor SET path = '" . $ca->certificate . "' WHERE trust_set = 'fed2'");
    $edge->control('reload', 'revalidate');
    $at{$_} = ask($_) for qw(strict mutual);
};

subtest 'a row wants its peer proven often' => sub {
    my $before = log_of('connection-revalidated');
    $edge->apply("UPDATE trelay.outbound_policy SET revalidate_every = '1 s' WHERE name = 'strict'");
    is(ask('strict'), $at{strict}, 'on the connection that is there');
    $edge->daemon->process->wait_until('two more proofs', sub { log_of('connection-revalidated') >= $before + 2 });
    is(ask('strict'), $at{strict}, 'which passes each time');
    $edge->apply("UPDATE trelay.outbound_policy SET revalidate_every = NULL WHERE name = 'strict'");
};

subtest 'without the database' => sub {
    $edge->{postgres}->stop('immediate');
    $edge->daemon->process->wait_until('the end of the session', sub { !$edge->control('status')->{database} });
    my ($status, $said) = $edge->daemon->ctl('reload', 'drop');
    is($status, 1, 'a reload is refused');
    like($said, qr/no session with the database: nothing is reloaded/, 'and says why');
    is(ask('strict'), $at{strict}, 'connections stay');
    $edge->daemon->signal('HUP'); # waits for the next session
    is(ask('strict'), $at{strict}, 'and stay');
    $edge->{postgres}->start;
    $biloxi->wait_for_end($at{strict}, 40);
    isnt(ask('strict'), $at{strict}, 'until it has read the rows again');
};

$edge->stop;
is($biloxi->stop, 0, 'the partner ends well');
done_testing;
