#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# An accepted connection ends with the certificate that we showed on it, a margin for clocks that differ earlier; nobody is
# let in by a certificate that has ended (INV-37).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);

my $edge  = Trelay::Edge->start;
my $ca    = $edge->pki->authority('federation');
my $short = $ca->leaf('short', dns => ['atlanta.example'], not_after => 15);
my $long  = $ca->leaf('long', dns => ['atlanta.example']);
my $phone = $edge->phone->host . ':' . $edge->phone->port;
my $there = own_address(3);
$edge->apply($edge->certificate_sql('short', $short) . $edge->certificate_sql('long', $long) . <<"END");
INSERT INTO trelay.server_profile (name, client_auth) VALUES ('edge', 'none');
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'short');
INSERT INTO trelay.peer (name, address, action) VALUES ('caller', '$there', 'accept');
INSERT INTO trelay.route (name, domain, next_hop) VALUES ('phone', 'atlanta.example', 'sip:$phone;transport=udp');
END

sub call () { return Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $there, tls => {}) }

# What CALLER's request is answered.
sub ask ($caller) {
    $caller->send(request('MESSAGE', 'sip:alice@atlanta.example', via => $caller->via));
    my $seen = $edge->phone->receive // return;
    $edge->phone->reply($seen, response($seen, 200, 'OK'));
    while (my $reply = $caller->receive) {
        return $reply->status if $reply->status >= 200;
    }
    return;
}

my $caller = call();
is(ask($caller), 200, 'a caller is served');
my ($shown) = $edge->connections('inbound');
my ($ends) = $edge->rows("SELECT extract(epoch FROM min(not_after))::bigint AS at FROM trelay.loaded_certificate WHERE row_name = 'short'");
is($shown->{deadline}, $ends->{at} - 5, 'until five seconds before the end of the certificate');
ok($caller->wait_for_close(30), 'ADV-49: then it is closed');
eval { call() };
like($@, qr/unrecognized name/, 'and nobody is let in by that certificate');
$edge->apply("UPDATE trelay.server_profile_certificate SET certificate = 'long'");
is(ask(call()), 200, 'but by the next one');

$edge->stop;
done_testing;
