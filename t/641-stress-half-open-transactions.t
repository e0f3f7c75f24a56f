#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Calls that a next hop never answers: as many as the limit allows are kept, each ends in 408; the others get 503 with
# Retry-After at once, and their ACK goes nowhere. Who is in a dialog finds room, who is a stranger only half of it.
# TEST_HALF_OPEN: how many calls are kept (t/941 asks for 100,000).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;
use Trelay::Edge;
use Trelay::Load;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(response);

my $kept  = $ENV{TEST_HALF_OPEN} // 1750;
my $limit = int($kept * 8 / 7); # an eighth is for dialogs
my $over  = int $kept / 7;
# Timer B is 64*T1: long enough to fill the table, short enough to wait for.
my $t1 = $kept > 10000 ? 2000 : 100;
# The calls come from templates, as many as there is room for: too many to be asked about, and none gets further.
my $edge = Trelay::Edge->start(foresee => 0, configuration => <<"END");
limits {
    transactions = $limit
}
timers {
    test = true
    t1 = $t1
    t4 = 100
}
END
my ($relay, $phone, $silent, $stranger) = map { own_address($_) } 0 .. 3;
my $next_hop = Trelay::SIP::UDP->new(host => $silent);
$edge->apply("INSERT INTO trelay.outbound_policy (name, domain, level, next_hop) VALUES ('silent', 'silent.example',"
        . " 'none', '{$silent:" . $next_hop->port . "}'), ('talking', 'talking.example', 'none', '{$silent:5070}')");
my $server = Trelay::SIP::UDP->new(host => $silent, port => 5070);
setsockopt $edge->phone->{socket}, SOL_SOCKET, SO_RCVBUF, 4 << 20;

# Many calls: text from a template, numbers for what Trelay::SIP would make objects of.
my $via = $edge->phone->via('z9hG4bK-call-%d');
my $head = <<"END" =~ s/\n/\r\n/gr;
%s sip:bob\@silent.example SIP/2.0
Via: $via
Max-Forwards: 70
From: <sip:alice\@atlanta.example>;tag=%d
To: <sip:bob\@silent.example>%s
Call-ID: half-open-%d
CSeq: 1 %s
Content-Length: 0

END
my (%is_taken, %status, %tag, $sample); # by number of the call; one of the refusals

sub emit ($method, $number, $to_tag = '') {
    my $text = sprintf $head, $method, $number, $number, $to_tag, $number, $method;
    $edge->phone->send($text, $relay, 5060);
    return $number;
}

# Takes what has come; SECONDS: waits so long for the first.
sub take ($seconds = 0) {
    my $socket = $edge->phone->{socket};
    IO::Select->new($socket)->can_read($seconds) if $seconds;
    while (defined recv $socket, my $text, 65536, Socket::MSG_DONTWAIT()) {
        my ($status) = $text =~ m{^SIP/2\.0 ([1-6]\d\d)} or next;
        my ($number) = $text =~ /branch=z9hG4bK-call-(\d+)/ or next;
        $is_taken{$number} = 1;
        next if $status < 200 || $text =~ /^CSeq: 1 CANCEL/m;
        $sample = Trelay::SIP::parse($text) if $status == 503;
        ($status{$number}, $tag{$number}) = ($status, $text =~ /^To: .*(;tag=\S+)/m);
    }
    return;
}

# No faster than they are taken: 100 Trying, or a final response, comes for each.
sub place ($first, $last) {
    my $deadline = time + Trelay::Process::patience(60 + ($last - $first) / 500);
    for my $number ($first .. $last) {
        emit('INVITE', $number);
        take()    if $number % 20 == 0;
        take(0.1) while $number - keys %is_taken > 500 && time < $deadline;
    }
    take(0.1) while keys %is_taken < $last && time < $deadline;
    return is(scalar(keys %is_taken), $last, "$last calls have arrived");
}

sub wait_for_finals ($count, $seconds) {
    my $deadline = time + Trelay::Process::patience($seconds);
    take(1) while keys %status < $count && time < $deadline;
    return;
}

my $before = Trelay::Load::memory_kib($edge->daemon->pid);
place(1, $kept);
is(scalar(keys %status), 0, 'and are open');
my $memory = Trelay::Load::memory_kib($edge->daemon->pid);
diag(sprintf '%d half-open calls: %.1f KiB each', $kept, ($memory - $before) / $kept);

subtest 'no room for more' => sub {
    place($kept + 1, $kept + $over);
    wait_for_finals($over, 20);
    is_deeply([ sort { $a <=> $b } keys %status ], [ $kept + 1 .. $kept + $over ], "$over more are answered") or return;
    is(scalar(grep { $_ == 503 } values %status), $over, 'by 503');
    ok($sample->header('Retry-After') > 0, 'Retry-After');
    like($sample->header('Warning'), qr/^399 edge "limit: /, 'the reason');
    # Its ACK is nobody's: it must not reach the next hop (RFC 3261 8.2.7, 16.11).
    1 while $next_hop->receive(0);
    emit('ACK', $_, $tag{$_}) for $kept + 1 .. $kept + $over;
    my $ask = $edge->send('BYE', 'sip:bob@talking.example', to => '<sip:bob@talking.example>;tag=dialog');
    my $seen = $server->receive;
    is($seen && $seen->method, 'BYE', 'a request within a dialog finds room, and came behind the ACKs');
    $server->reply($seen, response($seen, 200, 'OK')) if $seen;
    is($edge->final($ask)->status, 200, 'it is answered');
    my $acks = 0;
    while (my $message = $next_hop->receive(0)) { $acks++ if $message->method eq 'ACK' }
    is($acks, 0, 'no ACK reached the next hop');
    my $other = Trelay::SIP::UDP->new(host => $stranger);
    my $refused = $edge->ask('OPTIONS', 'sip:bob@talking.example', from_socket => $other);
    is($refused->status, 403, 'a stranger is refused as before');
    is($edge->sql("SELECT count(*) FROM trelay.transaction_record WHERE call_id = '" . $refused->call_id . "'"), 0,
        'but takes no room: there is no transaction');
    emit('CANCEL', 1);
    my $reply_to_cancel;
    1 while ($reply_to_cancel = $edge->phone->receive) && ($reply_to_cancel->cseq // '') !~ /CANCEL/;
    is($reply_to_cancel && $reply_to_cancel->status, 200, 'CANCEL works all the same');
};

subtest 'all of them end' => sub {
    wait_for_finals($kept + $over, $t1 * 64 / 1000 + 60);
    my %count;
    $count{ $status{$_} // 'none' }++ for 2 .. $kept;
    is_deeply(\%count, { 408 => $kept - 1 }, '408 when the next hop has been silent for 64*T1');
    emit('ACK', $_, $tag{$_}) for grep { $tag{$_} } 1 .. $kept;
    # Acknowledged ones are kept for T4 more.
    my $answered = $edge->daemon->process->wait_until('room', sub {
        my $ask = $edge->send('OPTIONS', 'sip:bob@talking.example');
        my $seen = $server->receive(1) // return;
        $server->reply($seen, response($seen, 200, 'OK'));
        return if $seen->call_id ne $ask->call_id; # of an earlier try
        return $edge->final($ask)->status == 200;
    });
    ok($answered, 'there is room again');
    my $records = $edge->daemon->process->wait_until('records', sub {
        my $count = $edge->sql("SELECT count(*) FROM trelay.transaction_record WHERE status = 408");
        return $count >= $kept - 1 ? $count : undef;
    });
    is($records, $kept - 1, 'a record for each');
};

$edge->stop;
done_testing;
