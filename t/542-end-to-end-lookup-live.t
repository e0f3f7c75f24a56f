#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# lookup=...+live: the request is decided by what the database has when it comes, though nobody told the relay of it;
# all others by the snapshot. A database that is away, or silent, refuses it, and nobody else. Those that wait together
# are one question, and a CANCEL does not wait.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::Process;
use Trelay::SIP qw(request response);
use Trelay::SIP::Server;

# No look of its own for an hour. Whoever asks explain with live changes what is in force: it is asked by hand.
sub edge (%options) {
    return Trelay::Edge->start(foresee => 0, names_timeout => $options{bound} // 20000,
        configuration => "database {\n    poll = 3600\n}\n");
}

my $edge = edge();
my $ca   = $edge->pki->authority('federation');

sub server () {
    return Trelay::SIP::Server->start(transport => 'tls', host => own_address(2),
        tls => { certificate => $ca->leaf('biloxi', uri => ['sip:biloxi.example']) });
}
my @partners = (server(), server());
my @places   = map { $_->host . ':' . $_->port } @partners;
my $insider  = Trelay::SIP::UDP->new(host => own_address(3));

sub rows ($edge) {
    my $inside = own_address(3);
    $edge->apply($edge->trust_sql('fed', $ca) . <<"END");
INSERT INTO trelay.peer (name, address, flags, action) VALUES ('insider', '$inside/32', 'lookup=dst+addr+live', 'accept');
INSERT INTO trelay.outbound_policy (name, address, level) VALUES ('insider', '$inside/32', 'none');
INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop) VALUES
    ('biloxi', 'biloxi.example', 'domain', 'fed', '{$places[0]}');
INSERT INTO trelay.route (name, domain, next_hop, flags, fork) VALUES
    ('live', 'live.example', 'sip:biloxi.example', 'lookup=dst+live', false),
    ('ring', 'ring.example', 'sip:biloxi.example', 'lookup=dst+live', true),
    ('ring-too', 'ring.example', 'sip:carol\@biloxi.example', 'lookup=dst', true);
END
    # From here on a commit moves the version, and its notice is lost.
    my $announce = $edge->sql("SELECT pg_get_functiondef('trelay.announce_commit'::regproc)");
    $edge->sql($announce =~ s/PERFORM pg_notify\([^;]*;//r);
    return $edge;
}
rows($edge);

my $BOB = 'sip:bob@biloxi.example';
my $LIVE = 'lookup=dst+live';

# Which partner got it.
sub taken_by ($reply) {
    return join ' ', grep { grep { $_->call_id eq $reply->call_id } $partners[$_]->messages } 0 .. $#partners;
}

sub move_to ($n) { return $edge->sql("UPDATE trelay.outbound_policy SET next_hop = '{$places[$n]}' WHERE name = 'biloxi'") }

sub asks (%options) {
    my $reply = $edge->ask($options{method} // 'OPTIONS', $options{uri} // $BOB, %options);
    return $reply->status . ' ' . taken_by($reply);
}

subtest 'the row of now' => sub {
    my $to = 0;
    for my $case (
        [ 'the header of a trusted sender', flags => $LIVE ],
        [ 'flags of the route row', uri => 'sip:bob@live.example' ],
        [ 'flags of the peer row', from_socket => $insider ],
        [ 'an INVITE', method => 'INVITE', flags => $LIVE ],
    ) {
        my ($what, %options) = @$case;
        my $from = $to;
        move_to($to = 1 - $to);
        is(asks(), "200 $from", "$what: the snapshot is of before");
        is(asks(%options), "200 $to", 'and with live the row is');
        is(asks(), "200 $to", 'which is in force for all from then on');
    }
};

subtest 'all rows of now: of senders and routes as well' => sub {
    $edge->sql("UPDATE trelay.peer SET action = 'reject', status = 488, flags = NULL WHERE name = 'insider'");
    is(asks(from_socket => $insider), '488 ', 'who is not accepted any more');
    $edge->sql("UPDATE trelay.peer SET action = 'accept', status = NULL, flags = 'lookup=dst+addr+live' WHERE name = 'insider'");
    is(asks(from_socket => $insider), '488 ', 'nobody whom the snapshot refuses asks the database');
    is(asks(flags => $LIVE) =~ s/ .*//r, 200, 'somebody else does');
    is(asks(from_socket => $insider) =~ s/ .*//r, 200, 'and he is accepted again');
    $edge->sql("INSERT INTO trelay.route (name, domain, next_hop) VALUES ('new', 'atlanta.example', 'sip:biloxi.example')");
    is(asks(uri => 'sip:bob@atlanta.example'), '404 ', 'a route that is not known yet');
    is(asks(uri => 'sip:bob@atlanta.example', flags => $LIVE) =~ s/ .*//r, 200, 'is found');
    $edge->sql("UPDATE trelay.outbound_policy SET enabled = false WHERE name = 'biloxi'");
    is(asks() =~ s/ .*//r, 200, 'a row that is gone rules in the snapshot');
    my $refused = $edge->ask('OPTIONS', $BOB, flags => $LIVE);
    is($refused->status, 403, 'and with live nothing');
    is($edge->record($refused)->{reason}, 'no-policy', 'which the record says');
    is(taken_by($refused), '', 'not a byte of it left');
    $edge->sql("UPDATE trelay.outbound_policy SET enabled = true WHERE name = 'biloxi'");
};

subtest 'what explain says is of now, too' => sub {
    is($edge->control('explain', 'biloxi.example', 'flags=lookup=dst')->{reason}, 'no-policy', 'without live it is of the snapshot');
    is($edge->control('explain', 'biloxi.example', "flags=$LIVE")->{policy}, 'biloxi', 'with live of the database');
};

subtest 'a call, of which each request asks, and a fork' => sub {
    my $invite = $edge->send('INVITE', $BOB, from_socket => $insider);
    my $ok = $edge->final($invite, $insider);
    is($ok->status, 200, 'INVITE');
    my @route = map { [ Route => $_ ] } reverse map { split /,\s*/ } $ok->header('Record-Route');
    my %dialog = (call_id => $ok->call_id, from => scalar $ok->header('From'), to => scalar $ok->header('To'),
        headers => \@route, from_socket => $insider);
    $edge->send('ACK', $BOB, %dialog);
    is($edge->ask('BYE', $BOB, %dialog, cseq => 2)->status, 200, 'BYE');
    my ($server) = map { $partners[$_] } taken_by($ok);
    is(join(' ', map { $_->method } grep { $_->call_id eq $ok->call_id } $server->messages), 'INVITE ACK BYE',
        'and the ACK between them');
    is($edge->ask('INVITE', 'sip:bob@ring.example')->status, 200, 'one branch that asks is enough to ask');
};

# A session that keeps the version from being read, until it is let go.
sub lock_version ($edge) {
    my $process = Trelay::Process->start(command => [ "$edge->{postgres}{bin}/psql", '-X', '-d',
        $edge->{postgres}->conninfo, '-c', 'BEGIN; LOCK TABLE trelay.policy_version IN ACCESS EXCLUSIVE MODE;'
            . " SELECT pg_sleep(600) /* holds */" ]);
    my $held = q{SELECT l.pid FROM pg_locks AS l WHERE l.relation = 'trelay.policy_version'::regclass AND l.granted}
        . q{ AND l.mode = 'AccessExclusiveLock'};
    my $pid = $process->wait_until('the lock', sub { return $edge->sql($held) || undef });
    return sub {
        $edge->sql("SELECT pg_terminate_backend($pid)");
        $process->wait_for_exit;
    };
}

sub waits_for_version ($edge) {
    my $waiting = q{SELECT count(*) FROM pg_locks WHERE relation = 'trelay.policy_version'::regclass AND NOT granted};
    return $edge->daemon->process->wait_until('the question', sub { return $edge->sql($waiting) > 0 });
}

# How often the version was asked for, which the server's log knows.
sub questions () { return scalar(() = $edge->{postgres}->log_text =~ /SELECT version, changed_at FROM trelay\.policy_version/g) }

subtest 'those that wait together are one question' => sub {
    $edge->sql("ALTER SYSTEM SET log_statement = 'all'");
    $edge->sql('SELECT pg_reload_conf()');
    $edge->daemon->process->wait_until('the log of statements', sub { asks(flags => $LIVE); return questions() > 0 });
    my $before = questions();
    my $release = lock_version($edge);
    my @sent = ($edge->send('OPTIONS', $BOB, flags => $LIVE));
    waits_for_version($edge);
    push @sent, map { $edge->send($_ % 2 ? 'OPTIONS' : 'INVITE', $BOB, flags => $LIVE) } 1 .. 20;
    is(asks() =~ s/ .*//r, 200, 'who does not ask does not wait');
    is($edge->response_to($sent[2])->status, 100, 'an INVITE hears that it is under way');
    $edge->phone->send($sent[2]->text, $edge->host, 5060);
    is($edge->response_to($sent[2])->status, 100, 'also when it is repeated');

    my $cancelled = $edge->send('INVITE', $BOB, flags => $LIVE);
    my %same = (via => $cancelled->header('Via'), from => $cancelled->header('From'), to => $cancelled->header('To'),
        call_id => $cancelled->call_id);
    $edge->phone->send(request('CANCEL', $cancelled->uri, %same), $edge->host, 5060);
    is($edge->final($cancelled)->status, 487, 'a CANCEL ends it at once');
    is($edge->record($cancelled)->{status}, 487, 'and its record');

    $release->();
    is_deeply([ map { $edge->final($_)->status } @sent ], [ (200) x 21 ], 'all go when it answers');
    is(taken_by($cancelled), '', 'but what was cancelled');
    is(scalar(grep { $_->call_id eq $sent[2]->call_id } map { $_->messages } @partners), 1, 'and none twice');
    is(questions() - $before, 2, 'two questions: of the first, and of all that came behind it');
};

subtest 'without a database it is refused, and nobody else' => sub {
    $edge->{postgres}->stop;
    $edge->daemon->process->wait_until('the end of the session', sub { return !$edge->control('status')->{database} });
    my $refused = $edge->ask('INVITE', $BOB, flags => $LIVE);
    is($refused->status, 503, 'refused');
    like($refused->header('Warning'), qr/^399 edge "policy-stale: /, 'and why');
    is(taken_by($refused), '', 'nothing left');
    is(asks() =~ s/ .*//r, 200, 'without live the snapshot serves');
    is($edge->control('explain', 'biloxi.example', "flags=$LIVE")->{reason}, 'policy-stale', 'explain says so, too');
    is($edge->control('explain', 'biloxi.example', "flags=$LIVE", 'sender-flags=lookup=dst')->{reason}, 'policy-stale',
        'whatever a sender looks up');
    $edge->{postgres}->start;
    $edge->daemon->process->wait_until('the session', sub { return asks(flags => $LIVE) =~ /^200/ });
    is($edge->record($refused)->{reason}, 'policy-stale', 'accounting');
};

# What cannot be read now cannot be read a moment later: not each request makes the database work for nothing.
subtest 'a policy that cannot be read is not read for each request' => sub {
    $edge->sql('REVOKE SELECT ON trelay.route FROM trelay_daemon');
    move_to($_) for 0, 1;
    my $failures = sub { return scalar(() = $edge->daemon->process->output =~ /event=policy-stale /g) };
    my $before = $failures->();
    my %answers;
    $answers{ asks(flags => $LIVE) }++ for 1 .. 60;
    is_deeply(\%answers, { '503 ' => 60 }, 'all are refused');
    cmp_ok($failures->() - $before, '<', 60, 'and not each has asked for a reading');
    cmp_ok($failures->() - $before, '>=', 1, 'one has');
    $edge->sql('GRANT SELECT ON trelay.route TO trelay_daemon');
    $edge->daemon->process->wait_until('it is read again', sub { return asks(flags => $LIVE) =~ /^200/ });
};

subtest 'the end does not wait' => sub {
    my $release = lock_version($edge);
    my $waits = $edge->send('INVITE', $BOB, flags => $LIVE);
    waits_for_version($edge);
    $edge->daemon->signal('TERM');
    $edge->stop;
    is(taken_by($waits), '', 'nothing left');
    $release->();
};

subtest 'a database that is silent is not waited for' => sub {
    my $short = rows(edge(bound => 300));
    my $release = lock_version($short);
    my $refused = $short->ask('OPTIONS', $BOB, flags => $LIVE);
    is($refused->status, 503, 'refused');
    like($refused->header('Warning'), qr/"policy-stale: the database did not answer in time/, 'and why');
    is($short->ask('OPTIONS', $BOB)->status, 200, 'without live the snapshot serves');
    $release->();
    $short->daemon->process->wait_until('the answer', sub { return $short->ask('OPTIONS', $BOB, flags => $LIVE)->status == 200 });
    $short->stop;
};

done_testing;
