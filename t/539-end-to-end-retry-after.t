#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# C09, RFC 3261 21.5.4: who answers 503 with Retry-After is left alone for that time by requests that have another next
# hop, over TLS and UDP; not by requests with another key, nor by those that have no other; reload forgets it.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(response);
use Trelay::SIP::Server;

# What is held is a worker's own: there is one.
my $edge = Trelay::Edge->start(workers => 1, configuration => <<'END');
limits {
    backoff = 1
    backoff_max = 600000
}
END
my $ca   = $edge->pki->authority('federation');
my $leaf = $ca->leaf('biloxi', uri => [ 'sip:biloxi.example', 'sip:chicago.example' ]);

sub server ($transport, $host, @headers) {
    return Trelay::SIP::Server->start(transport => $transport, host => $host,
        $transport eq 'tls' ? (tls => { certificate => $leaf }) : (),
        answer => @headers ? sub ($message, $) {
            return $message->method ne 'ACK' ? response($message, 503, 'Busy', headers => \@headers) : ();
        } : undef);
}
my %partner = (
    tls => [ server('tls', own_address(2), [ 'Retry-After' => '300 (r);duration=60' ]), server('tls', own_address(3)) ],
    udp => [ server('udp', own_address(2), [ 'Retry-After' => '300' ]), server('udp', own_address(3)) ],
);
my $never = server('tls', own_address(2), [ 'Retry-After' => 'soon' ]);
sub place ($server) { return $server->host . ':' . $server->port }
my %next_hop = map { $_ => join ',', map { place($_) } @{ $partner{$_} } } keys %partner;
my $lone  = place($partner{tls}[0]);
my $other = place($never) . ',' . place($partner{tls}[1]);
$edge->apply($edge->trust_sql('fed', $ca) . <<"END");
INSERT INTO trelay.outbound_policy (name, domain, expected_domain, level, trust_set, next_hop) VALUES
    ('tls', 'tls.example', 'biloxi.example', 'domain', 'fed', '{$next_hop{tls}}'),
    ('same', 'same.example', 'biloxi.example', 'domain', 'fed', '{$next_hop{tls}}'),
    ('other', 'other.example', 'chicago.example', 'domain', 'fed', '{$next_hop{tls}}'),
    ('lone', 'lone.example', 'biloxi.example', 'domain', 'fed', '{$lone}'),
    ('soon', 'soon.example', 'biloxi.example', 'domain', 'fed', '{$other}'),
    ('udp', 'udp.example', NULL, 'none', NULL, '{$next_hop{udp}}');
END

# How often the busy one of them is asked by a request for that domain, and its answer.
sub asked ($domain, $busy) {
    my $seen  = () = $busy->messages;
    my $reply = $edge->ask('OPTIONS', "sip:bob\@$domain.example");
    return (scalar(() = $busy->messages) - $seen, $reply->status);
}

# Where explain has a request for that domain go.
sub foretold ($domain) {
    my $explained = $edge->control('explain', "sip:bob\@$domain.example");
    return join ' ', $explained->{target}, map { "instead of $_->{target} $_->{reason}" } @{ $explained->{passed_over} // [] };
}

for my $transport (qw(tls udp)) {
    my $busy = $partner{$transport}[0];
    is_deeply([ asked($transport, $busy) ], [ 1, 200 ], "C09 $transport: it is asked, and answers 503; the other serves");
    is(foretold($transport), place($partner{$transport}[1]) . ' instead of ' . place($busy) . ' backoff', "$transport: which explain foretells");
    is_deeply([ asked($transport, $busy) ], [ 0, 200 ], "C09 $transport: from then on the other one alone is asked");
}
my $busy = $partner{tls}[0];
is_deeply([ asked('same', $busy) ],  [ 0, 200 ], 'by a request of another row with the same key as well');
is_deeply([ asked('other', $busy) ], [ 1, 200 ], 'who has to prove another name is asked');
is_deeply($edge->control('explain', 'sip:bob@lone.example')->{held}, { why => 'unavailable', workers => 1, of => 1 },
    'explain tells of it where there is no other');
is_deeply([ asked('lone', $busy) ],  [ 1, 500 ], 'where there is no other, it is asked');
is_deeply([ asked('soon', $never) ], [ 1, 200 ], 'without a number') for 1 .. 2;
$edge->control('reload');
is(foretold('tls'), place($busy), 'after a reload explain knows nothing of it');
is_deeply([ asked('tls', $busy) ], [ 1, 200 ], 'a reload forgets it');

$edge->stop;
is($_->stop, 0, 'a partner ends well') for $never, map { @$_ } values %partner;
done_testing;
