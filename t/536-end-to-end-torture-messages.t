#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The torture messages of RFC 4475 and RFC 5118 (t/data/torture: the same defects in words of our own), sent to the
# relay over UDP, TCP and TLS with a next hop on the same transport: each is forwarded untouched, answered, or dropped,
# as doc/conformance.md says, nothing else arrives at the next hop, and the relay then serves as before.
# TORTURE_MESSAGES names another folder with messages of the same names.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Forwarded;
use Trelay::House qw(top_srcdir slurp);
use Trelay::Loopback qw(own_address);
use Trelay::Passage;
use Trelay::SIP qw(request response);
use Trelay::SIP::Server;

my $FOLDER = $ENV{TORTURE_MESSAGES} // top_srcdir() . '/t/data/torture';

# What comes of each, on every transport or on each kind:
#   forward   the next hop gets it with a proxy's edits alone, and its answer comes back; {...}: for Trelay::Forwarded
#   two       on a stream it is two requests, each forwarded; a datagram ends behind the first
#   NNN       that answer; with close a stream is closed, and what follows is not read
#   drop      nothing; wait: nothing, and the stream is closed in the end
my $CLOSE    = { close => 1 };
my @MESSAGES = (
    [ 'L-wsinv'                         => 'forward' ],
    [ 'L-intmeth'                       => 'forward' ],
    [ 'L-esc01'                         => 'forward' ],
    [ 'L-escnull'                       => 'forward' ],
    [ 'L-esc02'                         => 'forward' ],
    [ 'L-lwsdisp'                       => 'forward' ],
    [ 'L-longreq'                       => 'forward' ],
    [ 'L-dblreq'                        => 'two' ],
    [ 'L-semiuri'                       => 'forward' ],
    [ 'L-transports'                    => 'forward' ],
    [ 'L-mpart01'                       => 'forward', { uri => 'sip:127.0.0.1:5080', route => ['@URI@'] } ],
    [ 'L-unreason'                      => 'drop' ],
    [ 'L-noreason'                      => 'drop' ],
    [ 'L-badinv01'                      => 400 ],
    [ 'L-clerr'                         => { udp => 400, stream => 'wait' } ],
    [ 'L-ncl'                           => 400, $CLOSE ],
    [ 'L-scalar02'                      => 400 ],
    [ 'L-scalarlg'                      => 'drop' ],
    [ 'L-quotbal'                       => 400 ],
    [ 'L-ltgtruri'                      => 400 ],
    [ 'L-lwsruri'                       => 400 ],
    [ 'L-lwsstart'                      => 400 ],
    [ 'L-trws'                          => 400 ],
    [ 'L-escruri'                       => 400 ],
    [ 'L-baddate'                       => 'forward' ],
    [ 'L-regbadct'                      => 'forward' ],
    [ 'L-badaspec'                      => 400 ],
    [ 'L-baddn'                         => 400 ],
    [ 'L-badvers'                       => 505 ],
    [ 'L-mismatch01'                    => 400 ],
    [ 'L-mismatch02'                    => 501 ],
    [ 'L-bigcode'                       => 'drop' ],
    [ 'L-badbranch'                     => 400 ],
    [ 'L-insuf'                         => 400 ],
    [ 'L-unkscm'                        => 416 ],
    [ 'L-novelsc'                       => 416 ],
    [ 'L-unksm2'                        => 'forward' ],
    [ 'L-bext01'                        => 420 ],
    [ 'L-invut'                         => 'forward' ],
    [ 'L-regaut01'                      => 'forward' ],
    [ 'L-multi01'                       => 400 ],
    [ 'L-mcl01'                         => 400, $CLOSE ],
    [ 'L-bcast'                         => 'drop' ],
    [ 'L-zeromf'                        => 483 ],
    [ 'L-cparam01'                      => 'forward' ],
    [ 'L-cparam02'                      => 'forward' ],
    [ 'L-regescrt'                      => 'forward' ],
    [ 'L-sdp01'                         => 'forward' ],
    [ 'L-inv2543'                       => { udp => 'forward', stream => 400 }, $CLOSE ],
    [ 'L-test'                          => 'drop' ],
    [ 'L-ipv6-good'                     => 'forward' ],
    [ 'L-ipv6-bad'                      => 400 ],
    [ 'L-port-ambiguous'                => 'forward' ],
    [ 'L-port-unambiguous'              => 'forward' ],
    [ 'L-via-received-param-with-delim' => 'forward' ],
    [ 'L-via-received-param-no-delim'   => 'forward' ],
    [ 'L-ipv6-in-sdp'                   => 'forward' ],
    [ 'L-mult-ip-in-header'             => 'forward' ],
    [ 'L-mult-ip-in-sdp'                => 'forward' ],
    [ 'L-ipv4-mapped-ipv6'              => 'forward' ],
    [ 'L-ipv6-bug-abnf-3-colons'        => 'forward' ],
    [ 'L-ipv6-correct-abnf-2-colons'    => 'forward' ],
);

# As answers of the next hop, and the status that the caller gets; 603 ends what was dropped.
my @ANSWERS = (
    [ 'L-unreason' => 200 ],
    [ 'L-noreason' => 603 ],
    [ 'L-scalarlg' => 603 ],
    [ 'L-bigcode'  => 603 ],
    [ 'L-bcast'    => 603 ],
);

sub bytes_of ($id) {
    my ($name) = $id =~ /^L-(.*)/;
    my ($path) = grep { -f } "$FOLDER/$name", "$FOLDER/$name.dat";
    return slurp($path // die "$FOLDER/$name is not there\n");
}

# The same with Call-ID and branches of its own: no repetition of one sent before.
sub new_bytes_of ($id, $transport) {
    my $bytes = bytes_of($id);
    $bytes =~ s/^((?:Call-ID|i)[ \t]*:[ \t]*[^\r\n]+)/$1-$id-$transport/gim;
    $bytes =~ s/(;branch=z9hG4bK[^\s;,]+)/$1-$id-$transport/g;
    return $bytes;
}

# The message as a response to this request: Via, From, Call-ID and CSeq of the request, but for what is the defect.
sub as_answer ($request, $id) {
    my ($start, $lines, $body) = Trelay::Forwarded::split_message(bytes_of($id));
    my (undef, @more_via) = grep { Trelay::Forwarded::name_of($_) eq 'via' } @$lines;
    my ($own_via, @others) = map { "Via: $_" } $request->header('Via');
    my $has_bad_cseq = grep { /^CSeq: \d{11}/ } @$lines;
    my @kept = grep { !/^(?:Via|From|Call-ID)[ \t]*:/ && ($has_bad_cseq || !/^CSeq:/) } @$lines;
    my @head = ($own_via, @more_via ? @more_via : @others, 'From: ' . $request->header('From'),
        'Call-ID: ' . $request->call_id, $has_bad_cseq ? () : 'CSeq: ' . $request->cseq, @kept);
    return join("\r\n", $start, @head) . "\r\n\r\n" . $body;
}

sub answer ($message, $n) {
    return if !defined $message->method || $message->method eq 'ACK';
    my $id = $message->header('X-Answer') // return response($message, 200, 'OK', to_tag => 'd');
    return (as_answer($message, $id), response($message, 603, 'End', to_tag => 'd'));
}

my $passage = Trelay::Passage->new(answer => \&answer, configuration => "limits {\n message_timeout = 200\n}\n");

# One request of these bytes was forwarded as it was, and answered.
sub is_forwarded ($way, $bytes, $name, %edits) {
    my $sent  = Trelay::SIP::parse($bytes);
    my $id    = $sent->call_id;
    my $reply = $passage->final($passage->answer_way($way, $sent), $id);
    is($reply && $reply->status, 200, "$name: the answer of the next hop");
    my @seen = $passage->seen_with($id);
    is(scalar(@seen), 1, "$name: arrived once") or return;
    my ($uri) = $bytes =~ /\A\S+ (\S+) /;
    $edits{route} = [ map { s/\@URI\@/<$uri>/r } @{ $edits{route} } ] if $edits{route};
    is_deeply([ Trelay::Forwarded::request_differences($bytes, $seen[0]->text, source => own_address(1),
            port => $way->port, %edits) ], [], "$name: nothing but a proxy's edits") or diag($seen[0]->text);
    is(scalar(my @back = $reply->header('Via')), scalar(my @sent = $sent->header('Via')), "$name: Via of the answer");
    return;
}

sub is_refused ($way, $bytes, $status) {
    my $sent  = Trelay::SIP::parse($bytes);
    my $reply = $passage->final($way, $sent->call_id);
    is($reply && $reply->status, $status, 'answered') or return;
    for my $name (qw(From Call-ID CSeq)) {
        my $theirs = $sent->header($name);
        is_deeply([ $reply->header($name) ], [ $theirs // () ], "its $name is that of the request, or none");
    }
    my ($to, $their_to) = map { scalar $_->header('To') } $reply, $sent;
    ok(defined $their_to ? $to =~ /\A\Q$their_to\E(?:;tag=\w+)?\z/ : !defined $to, 'its To likewise') or diag($to);
    is(scalar(my @via = $reply->header('Via')), scalar(my @their_via = $sent->header('Via')), 'all its Via');
    is(scalar $reply->header('Unsupported'), scalar $sent->header('Proxy-Require'), 'Unsupported') if $status == 420;
    return;
}

my $SMUGGLED = 'smuggled@test.invalid';

sub smuggled () {
    return request('OPTIONS', 'sip:smuggled@callee.example', call_id => $SMUGGLED, via => 'SIP/2.0/TLS s.example');
}

# Two requests, and bytes behind them that are none: those hold a stream until it is closed.
sub judge_two ($way, $bytes, $is_stream, %edits) {
    my ($first, $rest) = $bytes =~ /\A(.*?\r\n\r\n)(?:\r\n)+(.*)\z/s;
    my ($head, $length) = $rest =~ /\A(.*?^Content-Length: (\d+)\r\n(?:\S.*?\r\n)*\r\n)/ms;
    my $second = substr $rest, 0, length($head) + $length;
    my $behind = substr $rest, length $second;
    $passage->put($way, $is_stream ? substr $bytes, 0, length($bytes) - length $behind : $bytes);
    is_forwarded($way, $first, 'the first', %edits);
    is_forwarded($way, $second, 'the second', %edits) if $is_stream;
    is(scalar($passage->seen_with(Trelay::SIP::parse($second)->call_id)), $is_stream ? 1 : 0, 'the second');
    $passage->put($way, $behind) if $is_stream;
    return;
}

sub judge ($transport, $id, $verdict, $how) {
    my $is_stream = $transport ne 'udp';
    my $way       = $passage->open_way($transport);
    my $bytes     = new_bytes_of($id, $transport);
    my $call_id   = Trelay::SIP::parse($bytes)->call_id // 'none';
    my $is_fatal  = $is_stream && $how->{close};
    my %edits     = (length => $is_stream, uri => $how->{uri}, route => $how->{route});
    $edits{route} //= $passage->route_of($bytes);
    $passage->answer_way($way, Trelay::SIP::parse($bytes)); # it is there before the answer
    $passage->put($way, $is_fatal ? $bytes . smuggled() : $bytes) if $verdict ne 'two';
    is_forwarded($way, $bytes, 'it', %edits)    if $verdict eq 'forward';
    judge_two($way, $bytes, $is_stream, %edits) if $verdict eq 'two';
    is_refused($passage->answer_way($way, Trelay::SIP::parse($bytes)), $bytes, $verdict) if $verdict =~ /^\d/;
    my @words = $passage->last_words($transport, $way, $is_fatal || $verdict eq 'wait' || ($is_stream && $verdict eq 'two'));
    is_deeply([ map { $_->first_line } grep { ($_->call_id // 'none') eq $call_id } @words ], [], 'no answer')
        if $verdict =~ /^(?:drop|wait)$/;
    is(scalar($passage->seen_with($call_id)), $verdict eq 'forward' ? 1 : 0, 'nothing else at the next hop') if $verdict ne 'two';
    return;
}

sub judge_answer ($transport, $id, $status) {
    my $way    = $passage->open_way($transport);
    my $invite = request('INVITE', 'sip:ida@callee.example', via => $way->via, headers => [ [ 'X-Answer' => $id ] ]);
    $passage->put($way, $invite);
    my $sent = Trelay::SIP::parse($invite);
    my @replies;
    while (my $reply = $way->receive) {
        next if ($reply->call_id // '') ne $sent->call_id || $reply->status == 100;
        push @replies, $reply;
        last if $reply->status >= 200;
    }
    is_deeply([ map { $_->status } @replies ], [$status], 'what comes back');
    my ($seen) = $passage->seen_with($sent->call_id);
    is_deeply([ Trelay::Forwarded::response_differences(as_answer($seen, $id), $replies[0]->text) ], [],
        'as the next hop sent it') if $status == 200;
    $way->close if $transport ne 'udp';
    return;
}

for my $transport (qw(udp tcp tls)) {
    $passage->use_next_hop($transport);
    for my $row (@MESSAGES) {
        my ($id, $verdict, $how) = @$row;
        $verdict = $verdict->{ $transport eq 'udp' ? 'udp' : 'stream' } if ref $verdict;
        subtest "$id over $transport" => sub { judge($transport, $id, $verdict, $how // {}) };
    }
    for my $row (@ANSWERS) {
        my ($id, $status) = @$row;
        subtest "$id as an answer over $transport" => sub { judge_answer($transport, $id, $status) };
    }
}

is(scalar($passage->seen_with($SMUGGLED)), 0, 'A03: what follows a broken length is never a request');

subtest 'L-port-ambiguous L-port-unambiguous: the port that is meant' => sub {
    my $edge = $passage->edge;
    my $six = Trelay::SIP::Server->start(transport => 'tcp', host => '::1');
    my $ambiguous = Trelay::SIP::Server->start(transport => 'udp', host => own_address(3));
    my $at = $ambiguous->host . ':' . $ambiguous->port;
    $edge->apply("UPDATE trelay.outbound_policy SET weaken = 'allowed' WHERE is_default;" # a look-up of ours is asked for
            . "INSERT INTO trelay.outbound_policy (name, address, level, next_hop) VALUES"
            . " ('ambiguous', '2001:db8::10:5070/128', 'none', '{$at}'), ('six', '::1/128', 'none', NULL)");
    my $reply = $edge->ask('OPTIONS', 'sip:[2001:db8::10:5070]', flags => 'lookup=addr');
    is($reply->status, 200, 'an answer');
    is(scalar(my @seen = $ambiguous->messages), 1, 'inside the brackets it belongs to the address');
    $reply = $edge->ask('OPTIONS', 'sip:[::1]:' . $six->port . ';transport=tcp', flags => 'lookup=addr');
    is($reply->status, 200, 'an answer');
    is($edge->record($reply)->{outbound_port}, $six->port, 'outside it is the port');
    is($_->stop, 0, 'it ends well') for $six, $ambiguous;
};

$passage->stop;
done_testing;
