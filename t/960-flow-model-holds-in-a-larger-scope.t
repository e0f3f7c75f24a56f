#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The protocol of src/flow/pool.pml in a larger scope than t/160 has: both requests are followed by CANCEL or ACK and may
# be cancelled, connections are drained, orders come word by word, what is lost is sent again, the peer has requests of
# its own. Minutes.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Spin;

plan skip_all => 'Spin is not installed' if !Trelay::Spin->is_there;

my @scopes = (
    [qw(EVERYTHING ANY_KINDS)], [qw(ORDERS_IN_STEPS ANY_KINDS)], [qw(EVERYTHING ORDERS_IN_STEPS)],
    [qw(SEND_AGAIN ANY_KINDS)], [qw(PEER_ASKS ANY_KINDS)], [qw(SEND_AGAIN PEER_ASKS)],
);
for my $scope (@scopes) {
    my $run = Trelay::Spin->run('src/flow/pool.pml', @$scope);
    is($run->error, undef, "@$scope: no state breaks a property") or diag($run->output);
    ok($run->is_complete, "@$scope: all states were seen: " . $run->states);
}

done_testing;
