#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Clients that connect to the control socket and ask nothing, or half a question, lose their
# connections after a while: as many as there may be do not keep the operator out. Who asks too much is told so.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::UNIX;
use Test::More;
use Trelay::Edge;

use constant CLIENTS_MAX => 64;

my $edge   = Trelay::Edge->start;
my $socket = $edge->daemon->directory . '/control';

sub client (@options) { return IO::Socket::UNIX->new(Peer => $socket, @options) // die "$socket: $!\n" }
sub is_served ()      { return ($edge->daemon->ctl('status'))[0] == 0 }

ok(is_served(), 'the socket answers');
my @clients = map { client() } 1 .. CLIENTS_MAX;
syswrite $clients[0], '{"command": "sta';
ok(!is_served(), 'as many as there may be: nobody else is served');
ok($edge->daemon->process->wait_until('service', sub { is_served() }), 'but not for ever');
is(join('', map { readline($_) // '' } @clients), '',
    'they have lost their connections, without an answer');

my $last = client();
syswrite $last, qq({"command": "status"}\n);
like(readline($last), qr/"node":\s*"edge"/, 'who asks is answered');

# What is too long, whether or not it was all on the way when that was seen.
for my $count (1, 12) {
    my ($status, $output) = $edge->daemon->ctl('explain', ('flags=' . 'x' x 100_000) x $count);
    is($status, 1, "$count * 100000 characters: refused");
    is($output, "trelayctl: the question is longer than 65536 bytes\n", "$count * 100000 characters: and told why");
}
ok(is_served(), 'the next one is served');
$edge->stop;
done_testing;
