#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A target that fails before it was asked to prove anything (its name, its row, its certificates) opens no way for the
# next one to prove less (INV-34, ADV-26, ADV-40); two targets of one level follow each other over whatever transport
# each has.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address free_port);
use Trelay::SIP;
use Trelay::SIP::Server;

my $edge  = Trelay::Edge->start;
my $ca    = $edge->pki->authority('federation');
my $plain = Trelay::SIP::Server->start(host => own_address(2));
my $weak  = own_address(2) . ':' . $plain->port;
my $shut  = own_address(3) . ':' . free_port(own_address(3));
$edge->apply($edge->trust_sql('fed', $ca)
        . "INSERT INTO trelay.trust_set (name) VALUES ('empty');"
        . "INSERT INTO trelay.certificate (name, chain_path) VALUES ('lost', '/nonexistent/chain.pem');"
        . 'INSERT INTO trelay.outbound_policy (name, domain, address, level, trust_set, certificate, next_hop) VALUES '
        . join(',', map { $_ =~ s/\$shut/$shut/r }
            "('weak', NULL, '" . own_address(2) . "/32', 'none', NULL, NULL, NULL)",
            "('nameless', 'nameless.example', NULL, 'domain', 'fed', NULL, NULL)",
            "('no-anchor', 'no-anchor.example', NULL, 'domain', 'empty', NULL, '{\$shut}')",
            "('no-certificate', 'no-certificate.example', NULL, 'encrypt', NULL, 'lost', '{\$shut}')",
            "('even', 'even.example', NULL, 'none', NULL, NULL, '{\$shut}')"));

# Two route rows of one domain, the second to the plain neighbour.
sub two_ways ($domain, $first) {
    $edge->apply("INSERT INTO trelay.route (name, domain, priority, next_hop) VALUES ('$domain.1', '$domain', 1, '$first'),"
            . " ('$domain.2', '$domain', 2, 'sip:$weak')");
    return "sip:bob\@$domain";
}

for my $case (
    [ 'its name is not found',       'nameless.example',       'dns-failed|no-address' ],
    [ 'its row cannot be used',      'no-anchor.example',      'policy-unusable|unknown-trust-set' ],
    [ 'its certificate is missing',  'no-certificate.example', 'unknown-certificate|policy-unusable' ],
) {
    my ($what, $domain, $reason) = @$case;
    my $alone = $edge->ask('MESSAGE', "sip:bob\@$domain");
    like($edge->record($alone)->{reason}, qr/^(?:$reason)$/, "$what: alone it fails for that");
    my $reply = $edge->ask('MESSAGE', two_ways("$domain.test", "sip:$domain"));
    cmp_ok($reply->status, '>=', 400, "$what: the request fails");
    is(scalar(my @seen = $plain->messages), 0, "$what: the one that proves nothing saw nothing");
}

my $reply = $edge->ask('MESSAGE', two_ways('even.test', 'sip:even.example;transport=tls'));
is($reply->status, 200, 'after a target of level none over TLS comes one of level none over UDP');
is(scalar(my @seen = $plain->messages), 1, 'which has the message');

# No row names it: that of its address would rule it, and nobody learns the address.
$reply = $edge->ask('MESSAGE', two_ways('nobody.test', 'sip:nobody.example'));
is($reply->status, 200, 'after a name that is not found, and no address asks for anything, comes one of level none');
is(scalar(@seen = $plain->messages), 2, 'which has the message');
$edge->apply("INSERT INTO trelay.outbound_policy (name, address, level, trust_set) VALUES "
        . "('strict', '198.51.100.0/24', 'chain', 'fed')");
$reply = $edge->ask('MESSAGE', 'sip:bob@nobody.test');
cmp_ok($reply->status, '>=', 400, 'when one address has to prove something, the name may have had that address');
is(scalar(@seen = $plain->messages), 2, 'the one that proves nothing saw nothing');
like($edge->record($reply)->{reason}, qr/^(?:weaken-refused|dns-failed|no-address)$/, 'the record says why');

$edge->stop;
is($plain->stop, 0, 'the neighbour ends well');
done_testing;
