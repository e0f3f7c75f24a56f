#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A caller hangs up while it rings at a next hop whose connection another worker has, and memory is gone for a moment: as
# soon as there is some the next hop hears the CANCEL, on the connection of its INVITE, or that connection ends.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Apart qw(partners_apart);
use Trelay::Edge;
use Trelay::SIP qw(request response);
use Trelay::Shortage;

use constant { WORKERS => 8, ALLOCATIONS_MAX => 60, RESENDS => 10 };

# Timers that end long after the test has given up; and a retry soon.
my $memory = Trelay::Shortage->new;
my $edge   = Trelay::Edge->start(foresee => 0, workers => WORKERS, configuration => "timers {\n    test = true\n    t1 = 200\n}\n");
my %far    = partners_apart($edge);

# As the phone sends it with the INVITE.
sub follow_up ($sent, $method, $to = $sent->header('To')) {
    return request($method, $sent->uri, via => $sent->header('Via'), from => $sent->header('From'), to => $to,
        call_id => $sent->call_id);
}

# The CANCEL on STREAM, or 'closed', or nothing, within that time.
sub heard ($stream, $seconds) {
    my $message = $stream->receive($seconds);
    return defined $stream->{is_closed} ? 'closed' : $message ? $message->method : undef;
}

# The connection with that INVITE, and the INVITE as it came; before it there may be one for the CANCEL of a call whose own
# connection has ended.
sub invited ($far, $sent) {
    while (my $stream = $far->accept) {
        my $seen = $stream->receive;
        return ($stream, $seen) if $seen && $seen->method eq 'INVITE' && $seen->call_id eq $sent->call_id;
        $stream->close;
    }
    return;
}

# What the next hop hears when all allocations from the Nth on fail for a moment; and whether any did.
sub outcome ($n, $nth) {
    my $sent   = $edge->send('INVITE', "sip:bob\@$n.example", flags => 'no-conn-reuse');
    my ($stream, $invite) = invited($far{$n}, $sent);
    return ('no request', 0) if !$invite;
    $stream->send(response($invite, 180, 'Ringing', to_tag => 'far'));
    while (my $message = $edge->phone->receive) {
        last if $message->call_id eq $sent->call_id && $message->status == 180;
    }
    $memory->refuse($nth, 1);
    my ($heard, $refused);
    for (1 .. RESENDS) {
        $edge->phone->send(follow_up($sent, 'CANCEL'), $edge->host, 5060);
        $heard = heard($stream, 0.2);
        $refused //= $memory->plenty if $heard || $memory->refused;
        last if $heard;
    }
    $refused //= $memory->plenty;
    if (($heard // '') eq 'CANCEL') {
        $stream->send(response($invite, 487, 'Gone', to_tag => 'far'));
        $heard = 'no 487' if !phone_hears($sent, qr/487/);
    }
    $stream->close;
    return ($heard // 'nothing', $refused);
}

# Acknowledges it.
sub phone_hears ($sent, $status) {
    while (my $message = $edge->phone->receive) {
        next if $message->call_id ne $sent->call_id || $message->cseq !~ /INVITE/ || $message->status < 200;
        $edge->phone->send(follow_up($sent, 'ACK', $message->header('To')), $edge->host, 5060);
        return $message->status =~ $status;
    }
    return 0;
}

for my $n (sort keys %far) {
    my ($nth, $refused, @outcomes) = (0, 1);
    while ($refused && $nth < ALLOCATIONS_MAX) {
        (my $outcome, $refused) = outcome($n, $nth++);
        push @outcomes, $outcome;
    }
    cmp_ok(scalar @outcomes, '>', 1, "partner $n: memory was refused");
    is($outcomes[-1], 'CANCEL', "partner $n: with enough of it the CANCEL comes");
    is_deeply([ grep { !/^(?:CANCEL|closed)$/ } @outcomes ], [], "partner $n: it hears that (@outcomes)");
    ok(!$refused, "partner $n: there was an end of it");
}

$edge->stop;
done_testing;
