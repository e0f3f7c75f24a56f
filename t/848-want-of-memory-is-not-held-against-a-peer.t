#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# INV-20: what fails for want of our memory says nothing of the peer. Each allocation of the opening of a connection, over
# TLS and TCP, is made to fail once; the request fails, or is served, and the next one is served at once: no back-off.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::Shortage;
use Trelay::SIP::Server;

use constant ALLOCATIONS_MAX => 400;

my $memory = Trelay::Shortage->new;
my $edge = Trelay::Edge->start(configuration => <<'END');
limits {
    backoff = 600000
    backoff_max = 600000
}
END
my $ca  = $edge->pki->authority('federation');
my %far = (
    tls => Trelay::SIP::Server->start(transport => 'tls', host => own_address(2),
        tls => { certificate => $ca->leaf('biloxi', uri => ['sip:biloxi.example']), ask => 1 }),
    tcp => Trelay::SIP::Server->start(transport => 'tcp', host => own_address(2)),
);
my %place = map { $_ => own_address(2) . ':' . $far{$_}->port } keys %far;
$edge->apply($edge->trust_sql('fed', $ca)
        . $edge->certificate_sql('us', $ca->leaf('us', uri => ['sip:atlanta.example']))
        . "INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, next_hop) VALUES"
        . " ('biloxi', 'biloxi.example', 'domain', 'fed', 'us', '{$place{tls}}'),"
        . " ('elgin', 'elgin.example', 'none', NULL, NULL, '{$place{tcp}}')");
my %uri = (tls => 'sip:bob@biloxi.example', tcp => 'sip:bob@elgin.example;transport=tcp');

# The final response to a request on a connection of its own; the phone asks again where its datagram found no memory.
sub ask ($transport) {
    my $sent = $edge->send('OPTIONS', $uri{$transport}, flags => 'no-conn-reuse');
    for (1 .. 32) {
        while (my $message = $edge->phone->receive(0.5)) {
            return $message if $message->call_id eq $sent->call_id && $message->status >= 200;
        }
        $edge->phone->send($sent->text, $edge->host, 5060);
    }
    die "no answer\n" . $edge->daemon->log;
}

for my $transport (sort keys %far) {
    my ($nth, $failed, $misled, @held) = (0, 0, 0);
    while ($nth < ALLOCATIONS_MAX) {
        $memory->refuse($nth);
        my $reply = ask($transport);
        last if !$memory->plenty;
        $failed++ if $reply->status >= 300;
        my $next = ask($transport);
        $nth++;
        next if $next->status == 200;
        my $why = $reply->header('Warning');
        # What the TLS library takes for something else we cannot know.
        if ($why =~ /the handshake failed: /) { $misled++ }
        else { push @held, "allocation $nth: $why, then " . $next->header('Warning') }
        $edge->control('reload'); # forgets it
    }
    cmp_ok($failed, '>', 3, "$transport: requests failed for want of memory");
    is_deeply(\@held, [], "$transport: and the next one was served at once");
    note("$transport: $nth allocations, $misled of them where the library says something else");
}

$edge->stop;
is($_->stop, 0, 'a partner ends well') for values %far;
done_testing;
