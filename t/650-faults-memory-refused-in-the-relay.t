#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Each allocation on a request's way through the relay is made to fail, one after another: the request is served or
# refused with a final response, it never reaches anybody else or a connection that has not proven what its row wants,
# the daemon goes on, and the next request is served (INV-21, ADV-25).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp ();
use Test::More;
use Trelay::Edge;
use Trelay::House qw(top_builddir);
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request);
use Trelay::SIP::Server;

use constant { ALLOCATIONS_MAX => 400, PATIENCE => 4 };

my $numbers = File::Temp->new(TEMPLATE => 'trelay-shortage-XXXXXX', TMPDIR => 1);
chmod 0666, $numbers->filename;

# The numbers that the daemon shares: left, refused, asked.
sub write_numbers (@values) {
    open my $out, '+<:raw', $numbers->filename or die "$!\n";
    syswrite $out, pack('q3', @values) or die "$!\n";
    return;
}
sub read_numbers () {
    open my $in, '<:raw', $numbers->filename or die "$!\n";
    sysread $in, my $bytes, 24 or die "$!\n";
    return unpack 'q3', $bytes;
}
write_numbers(-1, 0, 0);

local $ENV{TRELAYD}         = top_builddir() . '/t/trelayd-short';
local $ENV{TRELAY_SHORTAGE} = $numbers->filename;
my $edge = Trelay::Edge->start(configuration => "limits {\n    backoff = 1\n    backoff_max = 1\n}\n");
my $ca = $edge->pki->authority('federation');
my %partner = map {
    $_->[0] => Trelay::SIP::Server->start(transport => 'tls', host => own_address($_->[1]),
        tls => { certificate => $ca->leaf($_->[0], uri => ["sip:$_->[0].example"]) })
} [ 'biloxi', 2 ], [ 'chicago', 3 ], [ 'mallory', 3 ];
# evil.example is said to be where mallory is, who cannot prove it.
$edge->apply($edge->trust_sql('fed', $ca)
        . "INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop) VALUES "
        . join ', ', map { "('$_', '$_.example', 'domain', 'fed', '{" . own_address($_ eq 'biloxi' ? 2 : 3) . ':'
            . $partner{ $_ eq 'evil' ? 'mallory' : $_ }->port . "}')" } qw(biloxi chicago evil));

# A request, sent again when nothing comes, for its datagram may have found no memory: its final status.
sub outcome ($method, $domain) {
    my $text = request($method, "sip:bob\@$domain.example", via => $edge->phone->via);
    my $sent = Trelay::SIP::parse($text);
    for (1 .. 4) {
        $edge->phone->send($text, $edge->host, 5060);
        while (my $message = $edge->phone->receive(PATIENCE)) {
            next if ($message->branch // '') ne $sent->branch || $message->cseq ne $sent->cseq;
            next if ($message->status // 0) < 200;
            $edge->acknowledge($sent, $message, $edge->phone) if $method eq 'INVITE' && $message->status >= 300;
            return $message->status;
        }
    }
    return 'none';
}

# With memory again.
sub recovers ($domain) {
    my $is_served = sub { return outcome('OPTIONS', $domain) eq '200' };
    return $edge->daemon->process->wait_until("service of $domain", $is_served);
}

# One shortage after the other, until a request asks for less than that; what came of them.
sub starve ($method, $domain, $prepare = sub { }) {
    my (%said, $count);
    for my $nth (0 .. ALLOCATIONS_MAX) {
        $prepare->();
        write_numbers($nth, 0, 0);
        my $status = outcome($method, $domain);
        my (undef, $refused) = read_numbers();
        write_numbers(-1, 0, 0);
        last if !$refused;
        $count++;
        $said{$status}++;
    }
    return ($count // 0, \%said);
}

sub close_all () {
    $edge->control('close', $_->{id}) for $edge->connections;
    $edge->daemon->process->wait_until('no connection', sub { return !$edge->connections });
    return;
}

my @ways = (
    [ 'OPTIONS over a connection that stands',  'OPTIONS', 'biloxi',  sub { } ],
    [ 'INVITE over a connection that stands',   'INVITE',  'chicago', sub { } ],
    [ 'OPTIONS that opens a connection',        'OPTIONS', 'biloxi',  \&close_all ],
);
for my $way (@ways) {
    my ($title, $method, $domain, $prepare) = @$way;
    recovers($domain);
    my ($count, $said) = starve($method, $domain, $prepare);
    note("$title: $count allocations, ", join ', ', map { "$_: $said->{$_}" } sort keys %$said);
    ok($count > 0 && $count < ALLOCATIONS_MAX, "$title: each allocation was refused once, to the last");
    is(join(' ', grep { !/^(?:200|[56]\d\d)$/ } keys %$said), '', "$title: served, or refused by a final response");
    ok(recovers($domain), "$title: and all is well afterwards");
}

# Who has none of the names that its row wants hears nothing, whichever allocation fails.
my ($count, $said) = starve('OPTIONS', 'evil');
ok($count > 0, 'an impostor: allocations were refused');
is(join(' ', grep { !/^5\d\d$/ } keys %$said), '', 'an impostor: each request was refused');

is(scalar(my @heard = $partner{mallory}->messages), 0, 'the impostor has heard nothing');
for my $name (qw(biloxi chicago)) {
    my @astray = grep { $_->uri !~ /\@\Q$name\E\.example$/ } grep { defined $_->method } $partner{$name}->messages;
    is(scalar @astray, 0, "$name has heard nothing that was another's");
}

$edge->stop;
is($_->stop, 0, 'a partner ends well') for values %partner;
done_testing;
