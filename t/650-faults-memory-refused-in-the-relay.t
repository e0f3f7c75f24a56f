#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Each allocation on a request's way through the relay is made to fail, one after another: in by UDP, TCP and TLS, out by
# UDP, TCP and TLS, over connections that stand and such as are opened. The request is served, or refused with a final
# response, or its own connection ends; it never reaches anybody else or a connection that has not proven what its row
# wants, nobody hears the answer to another's, the records say so, the daemon goes on, and the next request is served. Then
# memory is gone for a while, from each allocation on (INV-21, ADV-25).
# TEST_EVERY: every how many-th beginning of the lasting shortage (t/950 asks for each).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp ();
use Test::More;
use Time::HiRes qw(sleep time);
use Trelay::Edge;
use Trelay::House qw(top_builddir);
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request);
use Trelay::SIP::Server;

use constant { ALLOCATIONS_MAX => 400, RESEND_S => 0.5, RESENDS => 32, PATIENCE => 20 };

my $numbers = File::Temp->new(TEMPLATE => 'trelay-shortage-XXXXXX', TMPDIR => 1);
chmod 0666, $numbers->filename;

# The numbers that the daemon shares: left, refused, asked, lasts.
sub write_numbers (@values) {
    open my $out, '+<:raw', $numbers->filename or die "$!\n";
    syswrite $out, pack('q4', @values) or die "$!\n";
    return;
}
sub refused_count () {
    open my $in, '<:raw', $numbers->filename or die "$!\n";
    sysread $in, my $bytes, 32 or die "$!\n";
    return (unpack 'q4', $bytes)[1];
}
sub shortage ($nth, $lasts = 0) { return write_numbers($nth, 0, 0, $lasts) }
sub plenty () {
    my $refused = refused_count();
    write_numbers(-1, 0, 0, 0);
    return $refused;
}
write_numbers(-1, 0, 0, 0);

local $ENV{TRELAYD}         = top_builddir() . '/t/trelayd-short';
local $ENV{TRELAY_SHORTAGE} = $numbers->filename;
my $edge = Trelay::Edge->start(configuration => <<'END');
limits {
    backoff = 1
    backoff_max = 1
}
listener "inside-tcp" {
    transport = "tcp"
    address = "@RELAY@"
}
END
my $ca   = $edge->pki->authority('federation');
my %leaf = map { $_ => $ca->leaf($_, uri => ["sip:$_.example"]) } qw(biloxi chicago mallory us-b us-c carol dave);

# What is at a domain: the next hop, over what, and what we have to show there. At evil.example is mallory, who cannot prove it.
my %at = (
    biloxi  => { transport => 'tls', host => own_address(2), own => 'us-b' },
    chicago => { transport => 'tls', host => own_address(3), own => 'us-c' },
    denver  => { transport => 'udp', host => own_address(2) },
    elgin   => { transport => 'tcp', host => own_address(3) },
    mallory => { transport => 'tls', host => own_address(3) },
);
for my $name (sort keys %at) {
    my $is_tls = $at{$name}{transport} eq 'tls';
    my $server = $at{$name}{server} = Trelay::SIP::Server->start(transport => $at{$name}{transport}, host => $at{$name}{host},
        $is_tls ? (tls => { certificate => $leaf{$name}, ask => 1 }) : ());
    $at{$name}{next_hop} = $server->host . ':' . $server->port;
}
sub policy_sql ($domain, $place) {
    my $own = $place->{own} ? "'$place->{own}'" : 'NULL';
    my $proof = $place->{transport} eq 'tls' ? "'domain', 'fed'" : "'none', NULL";
    return "('$domain', '$domain.example', $proof, $own, '{$place->{next_hop}}')";
}
$edge->apply($edge->trust_sql('fed', $ca)
        . join('', map { $edge->certificate_sql($_, $leaf{$_}) } qw(us-b us-c))
        . 'INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, next_hop) VALUES '
        . join(', ', (map { policy_sql($_, $at{$_}) } qw(biloxi chicago denver elgin)), policy_sql('evil', $at{mallory}))
        . ";INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');"
        . "INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us-b');"
        . "INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('carol', 'fed', 'carol.example', 'accept'),"
        . " ('dave', 'fed', 'dave.example', 'accept')");

# ---- who asks ----

my %asked; # Call-ID => [ peer row, domain ]
my @astray; # what somebody heard that was not for him

sub text_of ($caller, $method, $domain, $via, $flags = undef) {
    my $is_tcp = $domain eq 'elgin';
    my $text = request($method, "sip:bob\@$domain.example" . ($is_tcp ? ';transport=tcp' : ''), via => $via,
        headers => [ defined $flags ? [ 'X-Trelay-Flags' => $flags ] : () ]);
    my $sent = Trelay::SIP::parse($text);
    $asked{ $sent->call_id } = [ $caller, $domain ];
    return ($text, $sent);
}

# The final response to what was sent among what comes until then; undef: none yet, 0: nothing more will come.
sub final_of ($endpoint, $sent, $seconds) {
    my $until = time + $seconds;
    while ((my $wait = $until - time) > 0) {
        my $message = $endpoint->receive($wait);
        return defined $endpoint->{is_closed} ? 0 : undef if !$message;
        my $asker = $asked{ $message->call_id // '' };
        push @astray, $message->first_line if !$asker || $asker->[0] ne $asked{ $sent->call_id }[0];
        next if $message->call_id ne $sent->call_id || ($message->status // 0) < 200;
        return $message;
    }
    return;
}

# The phone, over UDP, sends again when nothing comes, for its datagram may have found no memory. Its final status.
sub phone ($method, $domain, $flags) {
    my $phone = $edge->phone;
    my ($text, $sent) = text_of('phone', $method, $domain, $phone->via, $flags);
    for (1 .. RESENDS) {
        $phone->send($text, $edge->host, 5060);
        my $final = final_of($phone, $sent, RESEND_S) // next;
        $edge->acknowledge($sent, $final, $phone) if $method eq 'INVITE' && $final->status >= 300;
        return $final->status;
    }
    return 'none';
}

# A caller over a stream sends once: the final status, or "closed" when the connection ends.
my %stream;
my %way_in = (
    carol => { port => 5061, from => own_address(3), tls => { certificate => $leaf{carol} } },
    dave  => { port => 5061, from => own_address(2), tls => { certificate => $leaf{dave} } },
    phone => { port => 5060, from => own_address(1) },
);
sub stream_of ($caller) {
    return $stream{$caller} //= eval { Trelay::SIP::Stream->connect(host => $edge->host, %{ $way_in{$caller} }) };
}
sub hang_up (@callers) {
    for my $stream (grep { defined } delete @stream{@callers}) {
        eval { $stream->close; 1 } or next; # it has ended already
    }
    return;
}
sub by_wire ($caller, $method, $domain) {
    my $stream = stream_of($caller) // return 'closed';
    my ($text, $sent) = text_of($caller, $method, $domain, $stream->via);
    my $final = eval { $stream->send($text); final_of($stream, $sent, PATIENCE) // 'none' } || 'closed';
    if (!ref $final) {
        hang_up($caller);
        return $final;
    }
    if ($method eq 'INVITE' && $final->status >= 300) {
        eval { $stream->send(ack($sent, $final)); 1 } or hang_up($caller);
    }
    return $final->status;
}
sub ack ($sent, $final) {
    return request('ACK', $sent->uri, via => $sent->header('Via'), from => $sent->header('From'),
        to => $final->header('To'), call_id => $sent->call_id);
}

# With memory again.
sub recovers (@askers) {
    for my $asker (@askers) {
        my $is_served = eval {
            $edge->daemon->process->wait_until('service', sub { return $asker->('OPTIONS') eq '200' });
        };
        return 0 if !$is_served;
    }
    return 1;
}

# ---- one allocation ----

# One shortage after the other, until a request asks for less than that and ends as it would without; what came of them.
sub starve ($method, $asker, $prepare, $usual = '200') {
    my %said;
    my ($nth, $in_vain) = (0, 0);
    while ($nth < ALLOCATIONS_MAX) {
        $prepare->();
        shortage($nth);
        my $outcome = $asker->($method);
        if (plenty()) {
            $nth++;
            $said{$outcome}++;
        }
        else {
            last if $outcome eq $usual || $in_vain++ > 20; # else it was turned away before it came so far
        }
    }
    return ($nth, \%said);
}

my $stands = sub { };
sub by_phone ($domain, $flags = undef) { return sub ($method) { return phone($method, $domain, $flags) } }
sub by_stream ($caller, $domain) { return sub ($method) { return by_wire($caller, $method, $domain) } }
my $opens  = 'no-conn-reuse';       # a connection for each request
my $rested = sub { sleep 0.003 }; # what has just failed is held off for a millisecond
my @ways = (
    [ 'OPTIONS, UDP to TLS that stands',      'OPTIONS', by_phone('biloxi'),            $stands ],
    [ 'INVITE, UDP to TLS that stands',       'INVITE',  by_phone('chicago'),           $stands ],
    [ 'OPTIONS, UDP to TLS that is opened',   'OPTIONS', by_phone('biloxi', $opens),    $rested ],
    [ 'INVITE, UDP to UDP',                   'INVITE',  by_phone('denver'),            $stands ],
    [ 'OPTIONS, UDP to TCP that is opened',   'OPTIONS', by_phone('elgin', $opens),     $rested ],
    [ 'INVITE, TLS to TLS, both stand',       'INVITE',  by_stream('carol', 'biloxi'),  $stands ],
    [ 'OPTIONS, TLS that is opened to UDP',   'OPTIONS', by_stream('dave', 'denver'),   sub { hang_up('dave') } ],
    [ 'INVITE, TCP to TCP, both stand',       'INVITE',  by_stream('phone', 'elgin'),   $stands ],
    [ 'OPTIONS, TCP that is opened to TLS',   'OPTIONS', by_stream('phone', 'chicago'), sub { hang_up('phone') } ],
);
for my $way (@ways) {
    my ($title, $method, $asker, $prepare) = @$way;
    recovers($asker);
    my $began = time;
    my ($count, $said) = starve($method, $asker, $prepare);
    note(sprintf '%s: %d allocations in %.1f s, %s', $title, $count, time - $began,
        join ', ', map { "$_: $said->{$_}" } sort keys %$said);
    my $good = $title =~ /, UDP/ ? qr/^(?:200|[56]\d\d)$/ : qr/^(?:200|[56]\d\d|closed)$/;
    ok($count > 0 && $count < ALLOCATIONS_MAX, "$title: each allocation was refused once, to the last");
    is(join(' ', grep { !/$good/ } keys %$said), '', "$title: served, or refused by a final response, or hung up on");
    ok(recovers($asker), "$title: and all is well afterwards");
}

# Who has none of the names that its row wants hears nothing, whichever allocation fails.
for my $asker (by_phone('evil'), by_stream('carol', 'evil')) {
    my ($count, $said) = starve('OPTIONS', $asker, $rested, 502);
    ok($count > 0, 'an impostor: allocations were refused');
    is(join(' ', grep { !/^(?:5\d\d|closed)$/ } keys %$said), '', 'an impostor: each request was refused');
}

# ---- no memory for a while ----

my @everybody = (
    (map { by_phone($_) } qw(biloxi chicago denver elgin)),
    (map { by_stream(@$_) } [ 'carol', 'biloxi' ], [ 'dave', 'chicago' ], [ 'phone', 'elgin' ]),
);

# Requests of everybody, from the nth allocation on in vain; what is left of them when memory is back.
sub drought ($nth) {
    my @waiting;
    stream_of($_) for qw(carol dave phone);
    shortage($nth, 1);
    for my $domain (qw(biloxi chicago denver elgin evil)) {
        my ($text, $sent) = text_of('phone', 'OPTIONS', $domain, $edge->phone->via);
        $edge->phone->send($text, $edge->host, 5060);
    }
    for my $pair ([ 'carol', 'biloxi' ], [ 'dave', 'chicago' ], [ 'phone', 'elgin' ]) {
        my ($caller, $domain) = @$pair;
        my $stream = $stream{$caller} // next;
        my ($text, $sent) = text_of($caller, 'INVITE', $domain, $stream->via);
        eval { $stream->send($text); push @waiting, [ $caller, $stream, $sent ] };
    }
    my $until = time + 0.1;
    while ((my $wait = $until - time) > 0) { $edge->phone->receive($wait) }
    my $refused = plenty();
    for my $pair (@waiting) {
        my ($caller, $stream, $sent) = @$pair;
        my $final = eval { final_of($stream, $sent, PATIENCE) // 'none' } || 'closed';
        return ($refused, "$caller: none") if $final eq 'none';
        if (ref $final && $final->status !~ /^(?:200|[56]\d\d)$/) { return ($refused, $final->status) }
        if (!ref $final) { hang_up($caller) }
        elsif ($final->status >= 300) { eval { $stream->send(ack($sent, $final)); 1 } or hang_up($caller) }
    }
    return ($refused, '');
}

my $every = $ENV{TEST_EVERY} // 13;
my ($droughts, $began) = (0, time);
for (my $nth = 0; $nth < ALLOCATIONS_MAX; $nth += $every) {
    my ($refused, $wrong) = drought($nth);
    last if !$refused;
    $droughts++;
    next if $wrong eq '' && recovers(@everybody);
    fail("no memory from allocation $nth on: $wrong");
    last;
}
note(sprintf '%d droughts in %.1f s', $droughts, time - $began);
cmp_ok($droughts, '>', 1, 'memory was gone for a while, several times');
ok(recovers(@everybody), 'and everybody is served when it is back');

# ---- who heard what, and what is written of it ----

is("@astray", '', 'nobody heard the answer to another');
is(scalar(my @heard = $at{mallory}{server}->messages), 0, 'the impostor has heard nothing');
my %heard;
for my $name (qw(biloxi chicago denver elgin)) {
    my @requests = grep { defined $_->method } $at{$name}{server}->messages;
    my @wrong    = grep { $_->uri !~ /\@\Q$name\E\.example\b/ || ($asked{ $_->call_id } // [ '', '' ])->[1] ne $name } @requests;
    is(scalar @wrong, 0, "$name has heard nothing that was another's");
    $heard{ $_->call_id }++ for @requests;
    next if !$at{$name}{own};
    my $own   = $leaf{ $at{$name}{own} }->sha256;
    my @shown = grep { $_->{sha256} && $_->{sha256} ne $own } $at{$name}{server}->connections;
    is(scalar @shown, 0, "$name was shown no certificate but its own row's");
}

sub is_right ($row) {
    my ($caller, $domain) = @{ $asked{ $row->{call_id} } // return 0 };
    my $is_unless = sub ($column, $value) { return !defined $row->{$column} || $row->{$column} eq $value };
    return $is_unless->('inbound_peer', $caller) && $is_unless->('outbound_policy', $domain)
        && $is_unless->('outbound_verified_domain', "$domain.example")
        && $is_unless->('outbound_own_certificate', ($at{$domain} // {})->{own} // '')
        && (($row->{status} // 0) != 200 || $heard{ $row->{call_id} });
}
$edge->stop; # all records are written
my @rows = $edge->rows('SELECT call_id, status, inbound_peer, outbound_policy, outbound_verified_domain,'
        . " outbound_own_certificate FROM trelay.transaction_record WHERE method <> 'ACK'");
my @wrong = grep { !is_right($_) } @rows;
cmp_ok(scalar @rows, '>', 100, 'there are records');
is(scalar @wrong, 0, 'no record tells of another caller, row, name or certificate') or diag(explain(\@wrong));

is($_->{server}->stop, 0, 'a partner ends well') for values %at;
done_testing;
