#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# What could be read in two ways is refused, and not a byte of it arrives at the next hop: lengths, line ends, NULs,
# folds, fields that stand twice, messages above the limits; over UDP, TCP and TLS, in requests and in responses.
# Behind each message stands another request: it is read when the first one's end is certain, and never otherwise.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(time);
use Trelay::Forwarded;
use Trelay::Passage;
use Trelay::SIP qw(response);

# What the next hop answers, by the number in the caller's X-Answer: a response that must not be taken, then 603.
my @ANSWERS = (
    [ 'two lengths'            => "SIP/2.0 200 OK\r\n\@FIELDS\@Content-Length: 0\r\nContent-Length: 40\r\n\r\n" ],
    [ 'a negative length'      => "SIP/2.0 200 OK\r\n\@FIELDS\@Content-Length: -1\r\n\r\n" ],
    [ 'no length'              => "SIP/2.0 200 OK\r\n\@FIELDS\@\r\n", { udp => 200 } ],
    [ 'a bare LF'              => "SIP/2.0 200 OK\r\n\@FIELDS\@X: a\nY: b\r\nContent-Length: 0\r\n\r\n" ],
    [ 'a NUL'                  => "SIP/2.0 200 OK\r\n\@FIELDS\@X: a\0b\r\nContent-Length: 0\r\n\r\n", { stream => 603 } ],
    [ 'a NUL in its phrase'    => "SIP/2.0 200 O\0K\r\n\@FIELDS\@Content-Length: 0\r\n\r\n", { stream => 603 } ],
    [ 'another version'        => "SIP/2.1 200 OK\r\n\@FIELDS\@Content-Length: 0\r\n\r\n", { stream => 603 } ],
    [ 'a status of two digits' => "SIP/2.0 20 OK\r\n\@FIELDS\@Content-Length: 0\r\n\r\n", { stream => 603 } ],
    [ 'a status of 0'          => "SIP/2.0 000 OK\r\n\@FIELDS\@Content-Length: 0\r\n\r\n", { stream => 603 } ],
    [ 'a status above 699'     => "SIP/2.0 700 OK\r\n\@FIELDS\@Content-Length: 0\r\n\r\n", { stream => 603 } ],
    [ 'two CSeq'               => "SIP/2.0 200 OK\r\n\@FIELDS\@CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n", { stream => 603 } ],
    [ 'a fold of nothing'      => "SIP/2.0 200 OK\r\n\@FIELDS\@X: a\r\n \r\nContent-Length: 0\r\n\r\n" ],
    [ 'a header of 20000'      => "SIP/2.0 200 OK\r\n\@FIELDS\@X: " . 'x' x 20000 . "\r\nContent-Length: 0\r\n\r\n",
        { stream => 603 } ],
    [ 'a body of 50000'        => "SIP/2.0 200 OK\r\n\@FIELDS\@Content-Length: 50000\r\n\r\n" . 'x' x 50000, { stream => 603 } ],
);

sub answer ($message, $n) {
    return if !defined $message->method || $message->method eq 'ACK';
    my $number = $message->header('X-Answer') // return response($message, 200, 'OK', to_tag => 'd');
    my $fields = join '', map { "$_->[0]: $_->[1]\r\n" }
        grep { $_->[0] =~ /^(?:Via|From|To|Call-ID|CSeq)$/ } @{ $message->{headers} };
    my $bad = $ANSWERS[$number][1] =~ s/\@FIELDS\@/$fields/r;
    # On a stream they go out at once: what is behind the broken one must not be read.
    return $n ? $bad . response($message, 603, 'End', to_tag => 'd') : ($bad, response($message, 603, 'End', to_tag => 'd'));
}

my $LIMIT   = 40000;
my $passage = Trelay::Passage->new(answer => \&answer,
    configuration => "limits {\n message_bytes = $LIMIT\n message_timeout = 200\n}\n");

my $count = 0;

# A request with everything that it needs; START, FIELDS, LENGTH and BODY are what a case is about.
sub message (%is) {
    my $id     = sprintf 'm%06d@test.invalid', ++$count;
    my $start  = $is{start} // 'OPTIONS sip:ida@callee.example SIP/2.0';
    my $branch = sprintf 'z9hG4bK%06d', $count;
    my $fields = $is{fields} // '';
    my $length = $is{length} // "Content-Length: 0\r\n";
    my $bytes  = "$start\r\n" . ($is{first} // '') . "Via: SIP/2.0/UDP caller.example;branch=$branch\r\nMax-Forwards: 70\r\n"
        . "From: <sip:carl\@caller.example>;tag=1\r\nTo: <sip:ida\@callee.example>\r\nCall-ID: $id\r\nCSeq: 1 OPTIONS\r\n"
        . "$fields$length\r\n" . ($is{body} // '');
    return ($bytes, $id);
}

# A request of exactly that many bytes.
sub message_of ($size) {
    my ($bytes) = message(length => "Content-Length: 00000\r\n");
    my $body = $size - length $bytes;
    return length => sprintf("Content-Length: %05d\r\n", $body), body => 'x' x $body;
}

my $LONG_URI = 'OPTIONS sip:ida@callee.example;x=%s SIP/2.0';
sub start_of ($size) { return sprintf $LONG_URI, 'x' x ($size + 2 - length $LONG_URI) }
sub fields ($number) { return join '', map { "X-$_: y\r\n" } 1 .. $number }

# Name, what it consists of, what comes of it: one for all, or [UDP, streams]; "close": and the stream is closed.
my @LENGTHS = (
    [ 'A03 a negative length',    { length => "Content-Length: -5\r\n" },                     [ 400, '400 close' ] ],
    [ 'A03 a signed length',      { length => "Content-Length: +0\r\n" },                     [ 400, '400 close' ] ],
    [ 'A03 a hexadecimal length', { length => "Content-Length: 0x0\r\n" },                    [ 400, '400 close' ] ],
    [ 'A03 a fraction',           { length => "Content-Length: 0.0\r\n" },                    [ 400, '400 close' ] ],
    [ 'A03 a word',               { length => "Content-Length: none\r\n" },                   [ 400, '400 close' ] ],
    [ 'A03 nothing',              { length => "Content-Length:\r\n" },                        [ 400, '400 close' ] ],
    [ 'A03 a list',               { length => "Content-Length: 0, 0\r\n" },                   [ 400, '400 close' ] ],
    [ 'A03 two numbers',          { length => "Content-Length: 0 0\r\n" },                    [ 400, '400 close' ] ],
    [ 'A03 two numbers by fold',  { length => "Content-Length: 0\r\n 0\r\n" },                [ 400, '400 close' ] ],
    [ 'A03 a parameter',          { length => "Content-Length: 0;a=b\r\n" },                  [ 400, '400 close' ] ],
    [ 'A03 2^31',                 { length => "Content-Length: 2147483648\r\n" },             [ 400, '400 close' ] ],
    [ 'A03 2^32',                 { length => "Content-Length: 4294967296\r\n" },             [ 400, '400 close' ] ],
    [ 'A03 2^64 + 5',             { length => "Content-Length: 18446744073709551621\r\n" },   [ 400, '400 close' ] ],
    [ 'A03 two lengths',          { length => "Content-Length: 0\r\nContent-Length: 4\r\n" }, [ 400, '400 close' ] ],
    [ 'A03 two, one compact',     { length => "l: 4\r\nContent-Length: 0\r\n" },              [ 400, '400 close' ] ],
    [ 'A03 two, one folded',      { length => "Content-Length:\r\n 4\r\nl:0\r\n" },           [ 400, '400 close' ] ],
    [ 'A03 two, one spaced',      { length => "l: 0\r\ncOnTeNt-LeNgTh \t: 4\r\n" },           [ 400, '400 close' ] ],
    [ 'A03 one that has no colon', { length => "Content-Length: 0\r\nContent-Length 4\r\n" }, [ 400, '400 close' ] ],
    [ 'A03 one with a NUL',       { length => "Content-Length: 0\r\nContent-Length\0: 4\r\n" }, [ 400, '400 close' ] ],
    [ 'A03 one with a VT',        { length => "Content-Length: 0\r\nl\x0b: 4\r\n" },          [ 400, '400 close' ] ],
    [ 'the same length twice',    { length => "Content-Length: 0\r\nl: 0\r\n" },              400 ],
    [ 'A02 no length',            { length => '', body => 'body' },                           [ 'forward', '400 close' ] ],
    [ 'A06 a length by fold',     { length => "l\r\n :\r\n 0\r\n" },                          [ 400, '400 close' ] ],
    [ 'A06 a length, folded',     { length => "Content-Length:\r\n 0\r\n" },                  'forward' ],
    [ 'A06 a length with spaces', { length => "CONTENT-length \t: \t 0 \t\r\n" },             'forward' ],
    [ 'A06 a length with zeros',  { length => 'l:' . '0' x 40 . "2\r\n", body => 'xy' },      'forward' ],
    [ 'a length of another name', { fields => "X-Content-Length: 7\r\nLength: 8\r\n" },       'forward' ],
    [ 'A04 a body that is short', { length => "Content-Length: 5000\r\n", body => 'xy' },     [ 400, 'wait close' ] ],
    [ 'A04 a body 2^31 - 1 long', { length => "Content-Length: 2147483647\r\n", body => 'xy' }, [ 400, '513 skip' ] ],
);

my @LINES = (
    [ 'a bare LF for a line end',    { fields => "X: a\nContent-Length: 7\r\n" },       [ 400, '400 close' ] ],
    [ 'a bare CR for a line end',    { fields => "X: a\rContent-Length: 7\r\n" },       [ 400, '400 close' ] ],
    [ 'a CR too many',               { fields => "X: a\r\r\n" },                        [ 400, '400 close' ] ],
    [ 'an LF too many',              { fields => "X: a\r\n\n" },                        [ 400, '400 close' ] ],
    [ 'a head that ends with LF LF', { fields => "X: a\n\n" },                          [ 400, '400 close' ] ],
    [ 'a bare LF behind the start',  { start => "OPTIONS sip:ida\@callee.example SIP/2.0\nX: a" }, [ 400, '400 close' ] ],
    [ 'a fold of white space alone', { fields => "X: a\r\n \t \r\n" },                  [ 400, '400 close' ] ],
    [ 'a fold of nothing at the end', { length => "Content-Length: 0\r\n \r\n" },       [ 400, '400 close' ] ],
    [ 'a fold of the start line',    { first => " Content-Length: 7\r\n" },             400 ],
    [ 'a NUL in the start line',     { start => "OPTIONS sip:ida\0\@callee.example SIP/2.0" }, 400 ],
    [ 'a NUL in a name',             { fields => "X\0: a\r\n" },                        400 ],
    [ 'a NUL in a value',            { fields => "X: a\0b\r\n" },                       400 ],
    [ 'a NUL in quotes',             { fields => "X: \"a\0b\"\r\n" },                   400 ],
    [ 'a NUL by a pair in quotes',   { fields => "X: \"a\\\0b\"\r\n" },                 'forward' ],
    [ 'a line without a colon',      { fields => "Foo\r\n" },                           400 ],
    [ 'a line without a name',       { fields => ": a\r\n" },                           400 ],
    [ 'a name of two words',         { fields => "Foo Bar: a\r\n" },                    400 ],
    [ 'a name that is no token',     { fields => "F\xf6\xf6: a\r\n" },                  400 ],
    [ 'A06 white space, folds',      { fields => "X \t:\r\n  a\r\n\tb\r\ny:\r\n c\r\n" }, 'forward' ],
    [ 'a tab in the start line',     { start => "OPTIONS\tsip:ida\@callee.example SIP/2.0" }, 'drop' ],
    [ 'a start line of one word',    { start => 'OPTIONS' },                            'drop' ],
    [ 'a start line of four words',  { start => 'OPTIONS sip:ida@callee.example SIP/2.0 SIP/2.0' }, 400 ],
);

my @FIELDS = (
    [ 'two From',            { fields => "f: <sip:eve\@caller.example>;tag=2\r\n" },  400 ],
    [ 'two To',              { fields => "To: <sip:eve\@caller.example>\r\n" },       400 ],
    [ 'two Call-ID',         { fields => "i: other\r\n" },                            400 ],
    [ 'two CSeq',            { fields => "CSeq: 1 OPTIONS\r\n" },                     400 ],
    [ 'two Max-Forwards',    { fields => "Max-Forwards: 70\r\n" },                    400 ],
    [ 'two Max-Forwards, one of them folded', { fields => "Max-Forwards:\r\n 5\r\n" }, 400 ],
    [ 'an empty Via value',  { first => "v: , SIP/2.0/UDP a.example\r\n" },           400 ],
    [ 'a Route that is cut', { fields => "Route: <sip:r.example;lr\r\n" },            400 ],
    [ 'two fields that are not ours', { fields => "Date: a\r\nDate: b\r\nContent-Type: a/b\r\nc: c/d\r\n" }, 'forward' ],
);

my @LIMITS = (
    [ 'A19 a start line of 8192',  { start => start_of(8192) },                       'forward' ],
    [ 'A19 one byte more',         { start => start_of(8193) },                       414 ],
    [ 'A19 a header of 16384',     { fields => 'X: ' . 'x' x 16381 . "\r\n" },        'forward' ],
    [ 'A19 one byte more',         { fields => 'X: ' . 'x' x 16382 . "\r\n" },        513 ],
    [ 'A19 a header, folded, too long', { fields => 'X: ' . "x\r\n " x 4096 . "y\r\n" }, 513 ],
    [ 'A19 256 headers',           { fields => fields(249) },                         'forward' ],
    [ 'A19 one header more',       { fields => fields(250) },                         513 ],
    [ 'A19 a message of the limit', { message_of($LIMIT) },                           'forward' ],
    [ 'A19 one byte more',         { message_of($LIMIT + 1) },                        513 ],
    [ 'A19 twice the limit',       { message_of($LIMIT * 1.5) },                      513 ],
);

my %is_smuggled; # Call-ID => may it be read

sub judge ($transport, $what, $verdict) {
    my ($bytes, $id)     = message(%$what);
    my ($behind, $other) = message();
    my $way       = $passage->open_way($transport);
    my $is_stream = $transport ne 'udp';
    my $is_over   = $verdict =~ /close|skip/;
    $is_smuggled{$other} = 1;
    $passage->put($way, $verdict =~ /wait/ ? $bytes : $bytes . $behind);
    if ($verdict =~ /^(?:forward|\d+)/) {
        my $reply = $passage->final($way, $id);
        is($reply && $reply->status, $verdict eq 'forward' ? 200 : $verdict =~ s/ .*//r, 'answered');
    }
    if ($is_stream && !$is_over) {
        my $reply = $passage->final($way, $other);
        is($reply && $reply->status, 200, 'what follows is the next request');
    }
    $way->close if $verdict =~ /skip/;
    my @words = $verdict =~ /skip/ ? () : $passage->last_words($transport, $way, $is_stream && $is_over);
    my @seen = $passage->seen_with($id);
    is(scalar(@seen), $verdict eq 'forward' ? 1 : 0, 'the next hop gets it') if $verdict eq 'forward';
    is(scalar(@seen), 0, 'the next hop gets nothing') if $verdict ne 'forward';
    is(scalar($passage->seen_with($other)), $is_stream && !$is_over ? 1 : 0, 'what is behind it') if $verdict !~ /wait/;
    return if $verdict ne 'forward' || !@seen;
    my $expected = $is_stream || $bytes =~ /^(?:Content-Length|l)\s*:/im ? $bytes : $bytes . $behind;
    is_deeply([ Trelay::Forwarded::request_differences($expected, $seen[0]->text, source => $passage->caller_host,
            length => $is_stream, route => scalar $passage->route_of($bytes)) ], [], 'as it was');
    return;
}

sub judge_answer ($transport, $number, $expected) {
    my $way = $passage->open_way($transport);
    my ($bytes, $id) = message(fields => "X-Answer: $number\r\n");
    $passage->put($way, $bytes);
    my $reply = $passage->final($way, $id);
    is($reply && $reply->status, $expected, 'the answer');
    is_deeply([ map { $_->first_line } grep { $_->call_id eq $id } $passage->drain($way) ], [], 'and no other');
    $way->close if $transport ne 'udp';
    return;
}

for my $transport (qw(udp tcp tls)) {
    $passage->use_next_hop($transport);
    my $kind = $transport eq 'udp' ? 0 : 1;
    for my $row (@LENGTHS, @LINES, @FIELDS, @LIMITS) {
        my ($name, $what, $verdict) = @$row;
        subtest "$name, $transport" => sub { judge($transport, $what, ref $verdict ? $verdict->[$kind] : $verdict) };
    }
    for my $number (0 .. $#ANSWERS) {
        my ($name, undef, $expected) = @{ $ANSWERS[$number] };
        my $status = $expected->{ $kind ? 'stream' : 'udp' } // ($kind ? 502 : 603);
        subtest "an answer with $name, $transport" => sub { judge_answer($transport, $number, $status) };
    }
}

subtest 'a head that does not end' => sub {
    for my $transport (qw(tcp tls)) {
        my $way = $passage->open_way($transport);
        my ($bytes, $id) = message(fields => fields(8000));
        $passage->put($way, substr $bytes, 0, $LIMIT + 1); # no byte is left unread
        my $reply = $passage->final($way, $id);
        is($reply && $reply->status, 513, "$transport: too long, whatever follows");
        ok($way->wait_for_close, "$transport: closed");
        is(scalar($passage->seen_with($id)), 0, "$transport: nothing forwarded");
    }
};

# Each byte is there in time; the whole message is not.
subtest 'A24 a message in drops' => sub {
    for my $transport (qw(tcp tls)) {
        my $way = $passage->open_way($transport);
        my ($bytes, $id) = message();
        my $sent = 0;
        while ($sent < length $bytes) {
            last if defined $way->fill(time + 0.05) || !eval { $way->send(substr $bytes, $sent, 1) };
            $sent++;
        }
        cmp_ok($sent, '>', 1, "$transport: there is time for some of it");
        cmp_ok($sent, '<', length $bytes, "$transport: and not for all of it: closed");
        is(scalar($passage->seen_with($id)), 0, "$transport: nothing forwarded");
        my $other = $passage->open_way($transport);
        my ($whole, $other_id) = message();
        $passage->put($other, $whole);
        is($passage->final($other, $other_id)->status, 200, "$transport: others are served");
        $_->close for $way, $other;
    }
};

subtest 'a body on UDP that goes on behind its length' => sub {
    $passage->use_next_hop('udp');
    my $way = $passage->open_way('udp');
    my ($bytes, $id) = message(length => "Content-Length: 4\r\n", body => 'body');
    $passage->put($way, $bytes . "behind\r\n");
    is($passage->final($way, $id)->status, 200, 'answered');
    my ($seen) = $passage->seen_with($id);
    is($seen->body, 'body', 'it ends where its length says');
};

subtest 'A01 several messages in one read' => sub {
    for my $transport (qw(tcp tls)) {
        my $way = $passage->open_way($transport);
        my @all = map { [ message(body => "body $_", length => "l: 6\r\n") ] } 1 .. 5;
        $passage->put($way, join "\r\n", map { $_->[0] } @all);
        is_deeply([ map { $passage->final($way, $_->[1])->status } @all ], [ (200) x 5 ], "$transport: each is answered");
        my %is_ours = map { $_->[1] => 1 } @all;
        is_deeply([ map { $_->body } grep { $is_ours{ $_->call_id } } $passage->seen ], [ map { "body $_" } 1 .. 5 ],
            "$transport: each arrives, in their order");
        $way->close;
    }
};

$passage->stop;
done_testing;
