#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Each allocation on a request's way through the relay is made to fail, one after another: in by UDP, TCP and TLS, out by
# UDP, TCP and TLS, over connections that stand and such as are opened; behind a next hop that is dead, forked, cancelled,
# and as the ACK of a 2xx. The request is served, or refused with a final
# response, or its own connection ends; it never reaches anybody else or a connection that has not proven what its row
# wants, nobody hears the answer to another's, the records say so, the daemon goes on, and the next request is served. Then
# memory is gone for a while, from each allocation on (INV-21, ADV-25).
# TEST_EVERY: every how many-th beginning of the lasting shortage (t/950 asks for each).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);
use Trelay::Shortage;
use Trelay::SIP::Server;

use constant { ALLOCATIONS_MAX => 400, RESEND_S => 0.5, RESENDS => 32, PATIENCE => 20 };

my $memory = Trelay::Shortage->new;
sub shortage ($nth, $lasts = 0) { return $memory->refuse($nth, $lasts) }
sub plenty ()                   { return $memory->plenty }

my $edge = Trelay::Edge->start(configuration => <<'END');
limits {
    backoff = 1
    backoff_max = 1
}
timers {
    test = true
    c = 10000
}
listener "inside-tcp" {
    transport = "tcp"
    address = "@RELAY@"
}
END
my $ca   = $edge->pki->authority('federation');
my %leaf = map { $_ => $ca->leaf($_, uri => ["sip:$_.example"]) } qw(biloxi chicago fargo mallory us-b us-c carol dave);

# Rings until it is cancelled.
sub ring ($message, $) {
    state %invites;
    my $method = $message->method // return;
    return if $method eq 'ACK';
    return response($message, 200) if $method ne 'INVITE' && $method ne 'CANCEL';
    $invites{ $message->call_id } = $message if $method eq 'INVITE';
    return response($message, 180, 'Ringing', to_tag => 'ring') if $method eq 'INVITE';
    my $invite = $invites{ $message->call_id } // return response($message, 481);
    return (response($message, 200), response($invite, 487, 'Gone', to_tag => 'ring'));
}

# What is at a domain: the next hop, over what, and what we have to show there. At evil.example is mallory, who cannot
# prove it.
my %at = (
    biloxi  => { transport => 'tls', host => own_address(2), own => 'us-b' },
    chicago => { transport => 'tls', host => own_address(3), own => 'us-c' },
    denver  => { transport => 'udp', host => own_address(2) },
    elgin   => { transport => 'tcp', host => own_address(3) },
    fargo   => { transport => 'tls', host => own_address(3), own => 'us-b', answer => \&ring },
    mallory => { transport => 'tls', host => own_address(3) },
);
# Whom requests to a domain may reach: at second.example the first next hop is dead, both.example forks.
my %leads = ((map { $_ => [$_] } keys %at), second => ['denver'], both => [qw(biloxi denver)]);
for my $name (sort keys %at) {
    my $is_tls = $at{$name}{transport} eq 'tls';
    my $server = $at{$name}{server} = Trelay::SIP::Server->start(transport => $at{$name}{transport}, host => $at{$name}{host},
        answer => $at{$name}{answer}, $is_tls ? (tls => { certificate => $leaf{$name}, ask => 1 }) : ());
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
        . join(', ', (map { policy_sql($_, $at{$_}) } qw(biloxi chicago denver elgin fargo)), policy_sql('evil', $at{mallory}))
        . ", ('dead', 'dead.example', 'none', NULL, NULL, '{" . own_address(2) . ":1}')"
        . ';INSERT INTO trelay.route (name, priority, domain, next_hop, fork) VALUES'
        . " ('second-1', 1, 'second.example', 'sip:dead.example;transport=tcp', false),"
        . " ('second-2', 2, 'second.example', 'sip:denver.example', false),"
        . " ('both-1', 1, 'both.example', 'sip:biloxi.example', true), ('both-2', 1, 'both.example', 'sip:denver.example', true)"
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
        next if $message->cseq ne $sent->cseq;
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
# The same, cancelled as often as it takes: what is refused is asked for once more.
sub cancelled_by_wire ($caller, $method, $domain) {
    return by_wire($caller, $method, $domain) if $method ne 'INVITE';
    my $stream = stream_of($caller) // return 'closed';
    my ($text, $sent) = text_of($caller, $method, $domain, $stream->via);
    my $final = eval { $stream->send($text); final_of($stream, $sent, 0.02) // 'none' } // 'closed';
    for (1 .. RESENDS) {
        last if $final ne 'none';
        $final = eval { $stream->send(follow_up($sent, 'CANCEL')); final_of($stream, $sent, 1) // 'none' } // 'closed';
    }
    $final = 'closed' if !$final;
    eval { $stream->send(ack($sent, $final)); 1 } if ref $final && $final->status >= 300;
    hang_up($caller) if !ref $final;
    return ref $final ? $final->status : $final;
}
# The ACK of a 2xx, and behind it a request on the same connection that is answered when that has been forwarded, or not.
sub ack_by_wire ($caller, $method, $domain) {
    my $stream = stream_of($caller) // return 'closed';
    my ($text, $sent) = text_of($caller, 'ACK', $domain, $stream->via);
    eval { $stream->send($text =~ s/^(To: .*?)(\r\n)/$1;tag=called$2/mr); 1 } or hang_up($caller);
    return by_wire($caller, $method, $domain);
}
sub follow_up ($sent, $method) {
    return request($method, $sent->uri, via => $sent->header('Via'), from => $sent->header('From'),
        to => $sent->header('To'), call_id => $sent->call_id);
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
sub by_cancel ($caller, $domain) { return sub ($method) { return cancelled_by_wire($caller, $method, $domain) } }
sub by_ack ($caller, $domain) { return sub ($method) { return ack_by_wire($caller, $method, $domain) } }
my $opens  = 'no-conn-reuse';       # a connection for each request
my $rested = sub { sleep 0.003 }; # what has just failed is held off for a millisecond
my @ways = (
    [ 'OPTIONS, UDP to TLS that stands',      'OPTIONS', by_phone('biloxi'),            $stands ],
    [ 'INVITE, UDP to TLS that stands',       'INVITE',  by_phone('chicago'),           $stands ],
    [ 'OPTIONS, UDP to TLS that is opened',   'OPTIONS', by_phone('biloxi', $opens),    $rested ],
    [ 'INVITE, UDP to UDP',                   'INVITE',  by_phone('denver'),            $stands ],
    [ 'INVITE, UDP to UDP, by the rows of now', 'INVITE',  by_phone('denver', 'lookup=dst+live'), $stands ],
    [ 'OPTIONS, UDP to TCP that is opened',   'OPTIONS', by_phone('elgin', $opens),     $rested ],
    [ 'INVITE, TLS to TLS, both stand',       'INVITE',  by_stream('carol', 'biloxi'),  $stands ],
    [ 'OPTIONS, TLS that is opened to UDP',   'OPTIONS', by_stream('dave', 'denver'),   sub { hang_up('dave') } ],
    [ 'INVITE, TCP to TCP, both stand',       'INVITE',  by_stream('phone', 'elgin'),   $stands ],
    [ 'OPTIONS, TCP that is opened to TLS',   'OPTIONS', by_stream('phone', 'chicago'), sub { hang_up('phone') } ],
    [ 'OPTIONS, UDP to the second next hop',  'OPTIONS', by_phone('second'),            $rested ],
    [ 'INVITE, UDP to two next hops',         'INVITE',  by_phone('both'),              $stands ],
    [ 'INVITE, TCP to TLS, cancelled',        'INVITE',  by_cancel('phone', 'fargo'),   $stands, '487' ],
    [ 'ACK, TCP to TLS',                      'OPTIONS', by_ack('phone', 'chicago'),    $stands ],
);
for my $way (@ways) {
    my ($title, $method, $asker, $prepare, $usual) = @$way;
    recovers($asker);
    my $began = time;
    my ($count, $said) = starve($method, $asker, $prepare, $usual // '200');
    note(sprintf '%s: %d allocations in %.1f s, %s', $title, $count, time - $began,
        join ', ', map { "$_: $said->{$_}" } sort keys %$said);
    my $good = $title =~ /, UDP/ ? qr/^(?:200|[56]\d\d)$/ : qr/^(?:200|487|[56]\d\d|closed)$/;
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
sub is_for ($request, $name) {
    my $domain = ($asked{ $request->call_id } // return 0)->[1];
    return $request->uri =~ /\@\Q$domain\E\.example\b/ && grep { $_ eq $name } @{ $leads{$domain} };
}
for my $name (qw(biloxi chicago denver elgin fargo)) {
    my @requests = grep { defined $_->method } $at{$name}{server}->messages;
    my @wrong    = grep { !is_for($_, $name) } @requests;
    is(scalar @wrong, 0, "$name has heard nothing that was another's");
    $heard{ $_->call_id }++ for @requests;
    next if !$at{$name}{own};
    my $own   = $leaf{ $at{$name}{own} }->sha256;
    my @shown = grep { $_->{sha256} && $_->{sha256} ne $own } $at{$name}{server}->connections;
    is(scalar @shown, 0, "$name was shown no certificate but its own row's");
}

sub is_right ($row) {
    my ($caller, $domain) = @{ $asked{ $row->{call_id} } // return 0 };
    my @domains = @{ $leads{$domain} // [$domain] };
    push @domains, 'dead' if $domain eq 'second';
    my $is_unless = sub ($column, @values) {
        return !defined $row->{$column} || grep { $row->{$column} eq $_ } @values;
    };
    return $is_unless->('inbound_peer', $caller) && $is_unless->('outbound_policy', @domains)
        && $is_unless->('outbound_verified_domain', map { "$_.example" } @domains)
        && $is_unless->('outbound_own_certificate', map { ($at{$_} // {})->{own} // '' } @domains)
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
