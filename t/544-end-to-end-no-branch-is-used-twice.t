#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The branch of each request that leaves is new, also after a restart, which forgets all that was sent before (RFC 3261
# 8.1.1.7: across space and time); two requests that are the same byte for byte but for their own branch have two.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);

my ($ROUNDS, $WINDOW) = (50, 40);
my $edge = Trelay::Edge->start(foresee => 0, workers => 2);
my $far  = Trelay::SIP::UDP->new(host => own_address(2));
my $place = $far->host . ':' . $far->port;
$edge->apply("INSERT INTO trelay.outbound_policy (name, domain, level, next_hop) VALUES ('far', 'far.example', 'none', '{$place}')");

my (%branch, $odd);
# The same requests in each life, in WINDOW transactions; what comes at the next hop, repetitions aside, is noted and answered.
sub send_window ($start) {
    my %waiting = map { $_ => 1 } 1 .. $WINDOW;
    my %text = map { $_ => request('OPTIONS', 'sip:bob@far.example;transport=udp', via => $edge->phone->via("z9hG4bK-$start-$_"),
        from => '<sip:alice@atlanta.example>;tag=a', call_id => "same-$start") } 1 .. $WINDOW;
    $edge->phone->send($text{$_}, $edge->host, 5060) for 1 .. $WINDOW;
    while (%waiting) {
        my $message = $far->receive // return;
        my ($n) = ($message->header('Via'))[1] =~ /z9hG4bK-\Q$start\E-(\d+)/;
        $far->reply($message, response($message, 200, 'OK'));
        next if !delete $waiting{$n}; # a datagram may come twice
        $branch{ $message->branch }++;
        $odd //= $message->branch if $message->branch !~ /^z9hG4bK/;
    }
    1 while $edge->phone->receive(0); # answers
    return;
}

for my $life (1, 2) {
    send_window("round-$_") for 1 .. $ROUNDS;
    is(scalar(keys %branch), $life * $ROUNDS * $WINDOW, "B25 life $life: each request had a branch of its own");
    $edge->daemon->restart if $life == 1;
}
is($odd, undef, 'B25 each begins with z9hG4bK');

$edge->stop;
done_testing;
