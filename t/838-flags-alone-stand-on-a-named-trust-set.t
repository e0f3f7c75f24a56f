#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# lookup=none: where no row is asked, the operator's flags have to ask for validation and name the trust set, and what a
# sender asks for needs the permission of the row that would have ruled without him (doc/decision/0019). In a dialog
# nothing goes where less is proven than the call began with.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);
use Trelay::SIP::Server;

my $edge = Trelay::Edge->start;
my ($ca, $other) = map { $edge->pki->authority($_) } qw(federation elsewhere);
my $here    = own_address(2);
my $partner = Trelay::SIP::Server->start(transport => 'tls', host => $here,
    tls    => { certificate => $ca->leaf('biloxi', uri => ['sip:biloxi.example']) },
    answer => sub ($message, $n) {
        return if ($message->method // 'ACK') eq 'ACK';
        return response($message, 200, 'OK', to_tag => 'callee', contact => "<sip:bob\@$here>");
    });
my $place = "$here:" . $partner->port;
my $BOB   = "sip:bob\@$place;transport=tls";
$edge->apply($edge->trust_sql('fed', $ca) . $edge->trust_sql('elsewhere', $other));

# What became of a request of the phone: status, reason, row, level, identity.
sub led ($method, $uri, %options) {
    my $reply = $edge->ask($method, $uri, %options);
    my $record = $edge->record($reply);
    return join ' ', map { $_ // '-' } @$record{qw(status reason outbound_policy outbound_level outbound_verified_domain)};
}
sub ask ($flags = undef) { return led('MESSAGE', 'sip:bob@biloxi.example', flags => $flags) }
sub own_flags ($flags) {
    return $edge->apply('DELETE FROM trelay.route; INSERT INTO trelay.route (name, domain, next_hop, flags)'
            . " VALUES ('own', 'biloxi.example', '$BOB', '$flags')");
}

subtest 'of the operator' => sub {
    own_flags('lookup=none,verify-domain=biloxi.example,trust=fed');
    is(ask(), '200 none lookup=none domain biloxi.example', 'validation against a named trust set');
    own_flags('lookup=none,trust=fed');
    is(ask(), '200 none lookup=none chain -', 'never less than chain');
    is(ask('no-verify'), '200 none lookup=none chain -', 'a sender does not lower it');
    like(ask('verify-domain=chicago.example'), qr/^502 wrong-identity lookup=none domain/, 'but raises it');
    my $seen = () = $partner->messages;
    is(ask('trust=elsewhere'), '403 trust-flag-refused - - -', 'nor names another trust set');
    own_flags('lookup=none,verify-domain=biloxi.example');
    is(ask(), '500 unknown-trust-set lookup=none - -', 'without one it is refused');
    is(ask('trust=fed'), '403 trust-flag-refused - - -', 'which is not for the sender to name');
    own_flags($_), is(ask(), '403 no-policy lookup=none - -', "$_: refused") for 'lookup=none', 'lookup=none,tls', 'lookup=none,no-verify';
    own_flags('lookup=none,verify-chain,trust=elsewhere');
    like(ask(), qr/^502 \S+ lookup=none chain -$/, 'whom it does not trust gets nothing');
    is(scalar(() = $partner->messages), $seen, 'nothing was sent');
    $edge->apply("DELETE FROM trelay.route; UPDATE trelay.peer SET flags = 'lookup=none,trust=fed' WHERE name = 'phone';"
            . "INSERT INTO trelay.outbound_policy (name, source_domain, level, weaken) VALUES ('source', 'atlanta.example', 'none', 'allowed')");
    is(led('MESSAGE', $BOB), '200 none lookup=none chain -', 'in the row of the peer');
    like(led('MESSAGE', "sip:bob\@$place;transport=udp"), qr/^500 plain-transport /, 'never in clear');
    is(led('MESSAGE', $BOB, flags => 'lookup=src'), '403 weaken-refused - - -', 'nor is it a sender\'s to look up rows then');
    $edge->apply("UPDATE trelay.peer SET flags = NULL WHERE name = 'phone'; DELETE FROM trelay.outbound_policy WHERE name = 'source'");
};

subtest 'of a sender' => sub {
    $edge->apply('INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop)'
            . " VALUES ('biloxi', 'biloxi.example', 'domain', 'elsewhere', '{$place}')");
    my $set = sub (%column) {
        $edge->apply('UPDATE trelay.outbound_policy SET '
                . join(', ', map { "$_ = '$column{$_}'" } sort keys %column) . " WHERE name = 'biloxi'");
    };
    $edge->apply('DELETE FROM trelay.route; INSERT INTO trelay.route (name, domain, next_hop, flags)'
            . " VALUES ('own', 'biloxi.example', 'sip:bob\@biloxi.example:5061;transport=tls', '')");
    my $flags = 'lookup=none,verify-domain,trust=fed';
    my $seen  = () = $partner->messages;
    is(ask($flags), '403 weaken-refused - - -', 'a row that permits no weakening');
    $set->(trust_flag => 'allowed');
    is(ask($flags), '403 weaken-refused - - -', 'though it lets flags name trust sets');
    $set->(trust_flag => 'refused', weaken => 'allowed');
    is(ask($flags), '403 trust-flag-refused - - -', 'or the other way round');
    $edge->apply("UPDATE trelay.outbound_policy SET enabled = false WHERE name = 'biloxi'");
    is(led('MESSAGE', $BOB, flags => "$flags,verify-chain"), '403 no-policy - - -', 'without a usual row');
    is(scalar(() = $partner->messages), $seen, 'nothing was sent');
    $edge->apply("DELETE FROM trelay.route; INSERT INTO trelay.outbound_policy (name, address, level, weaken, trust_flag)"
            . " VALUES ('address', '$here/32', 'encrypt', 'allowed', 'allowed')");
    is(led('MESSAGE', $BOB, flags => 'lookup=none,verify-domain=biloxi.example,trust=fed'),
        '200 none lookup=none domain biloxi.example', 'where the usual row permits both');
    like(led('MESSAGE', $BOB, flags => 'lookup=none,trust=elsewhere'), qr/^502 /, 'it is still proven');
    is(led('MESSAGE', $BOB, flags => 'lookup=none,tls'), '403 no-policy lookup=none - -', 'and never less than chain');
    is(led('MESSAGE', $BOB, flags => 'lookup=none,no-verify'), '403 no-policy lookup=none - -', 'whatever the row permits');
};

# What one target had to prove, the next one has to, though the first was refused for what the sender asked (INV-34).
subtest 'from one target to the next' => sub {
    $edge->apply("UPDATE trelay.outbound_policy SET enabled = true, weaken = 'refused' WHERE name = 'biloxi';"
            . 'INSERT INTO trelay.route (name, domain, next_hop, priority) VALUES'
            . " ('first', 'chicago.example', 'sip:bob\@biloxi.example:5061;transport=tls', 1), ('then', 'chicago.example', '$BOB', 2)");
    my $seen = () = $partner->messages;
    is(led('MESSAGE', 'sip:bob@chicago.example', flags => 'lookup=none,verify-chain,trust=fed'), '403 weaken-refused - - -',
        'level domain is not left behind');
    is(scalar(() = $partner->messages), $seen, 'nothing was sent');
    is(led('MESSAGE', 'sip:bob@chicago.example', flags => 'lookup=none,verify-domain=biloxi.example,trust=fed'),
        '200 none lookup=none domain biloxi.example', 'and who proves it is served');
    $edge->apply("DELETE FROM trelay.route; UPDATE trelay.outbound_policy SET enabled = false WHERE name = 'biloxi'");
};

subtest 'in a dialog' => sub {
    $edge->apply("INSERT INTO trelay.dialog_secret (secret) VALUES ('\\x" . '5a' x 32 . "');"
            . "UPDATE trelay.outbound_policy SET level = 'none', weaken = 'refused', trust_flag = 'refused' WHERE name = 'address'");
    own_flags('lookup=none,verify-domain=biloxi.example,trust=fed');
    my $phone  = '<sip:alice@' . $edge->phone->host . '>';
    my $invite = $edge->send('INVITE', 'sip:bob@biloxi.example', contact => $phone);
    my $ok = $edge->final($invite);
    is($ok->status, 200, 'INVITE');
    my @route = map { [ Route => $_ ] } reverse map { split /,\s*/ } $ok->header('Record-Route');
    is(scalar(grep { $_->[1] =~ /;pin=/ } @route), 1, 'it is pinned');
    my $cseq = 1;
    my $within = sub ($uri, $flags = undef) {
        return led('INFO', $uri, call_id => $ok->call_id, cseq => ++$cseq, from => scalar $ok->header('From'),
            to => scalar $ok->header('To'), contact => $phone, flags => $flags, headers => [@route]);
    };
    my $seen = () = $partner->messages;
    $edge->apply("UPDATE trelay.peer SET flags = 'lookup=none,trust=fed' WHERE name = 'phone'");
    is($within->($BOB), '200 none lookup=none domain biloxi.example', 'with the flags again: as the call began, by address');
    is(scalar(() = $partner->messages), $seen + 1, 'sent');
    $edge->apply("UPDATE trelay.peer SET flags = NULL WHERE name = 'phone'");
    my $reply = sub ($uri, $flags = undef) {
        return $edge->ask('INFO', $uri, call_id => $ok->call_id, cseq => ++$cseq, from => scalar $ok->header('From'),
            to => scalar $ok->header('To'), contact => $phone, flags => $flags, headers => [@route])->status;
    };
    is($reply->($BOB), 403, 'without: the row of the address asks for less');
    is($reply->("sip:bob\@$place;transport=udp"), 403, 'and does not lead into the clear');
    is($reply->($BOB, 'lookup=none,verify-domain,trust=fed'), 403, 'nor is it a sender\'s');
    is(scalar(() = $partner->messages), $seen + 1, 'nothing was sent');
    $edge->apply("UPDATE trelay.outbound_policy SET level = 'domain', trust_set = 'fed', expected_domain = 'biloxi.example'"
            . " WHERE name = 'address'");
    is($reply->($BOB), 200, 'a row that asks for as much rules');
};

is($partner->stop, 0, 'the partner ends well');
$edge->stop;
done_testing;
