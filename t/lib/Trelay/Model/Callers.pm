# SPDX-License-Identifier: GPL-2.0-or-later
# Callers.pm - who calls the relay over TLS, with a certificate or without, on connections that stay over changes of the
# policy; whether the phone may hear of it.
# In:  a Trelay::Model::Run. Out: operations for it, violations for its oracle.
# The rows: a server profile, whose client_auth and trust_set change; a peer by trust set fed and the name caller.example;
# a peer by fingerprint, of a certificate that no authority of ours issued. All else is nobody.
package Trelay::Model::Callers;

use v5.36;

use IO::Select ();
use Time::HiRes qw(time);
use Trelay::Loopback qw(own_address);
use Trelay::Process;
use Trelay::SIP qw(request response);

use constant PATIENCE_S => 30;

my @NAMES = qw(caller caller-other impostor printed nobody);
use constant HELD => 6; # connections at one time

# Certificates of callers, as those of peers: name => [ issuer, names ].
sub leaves () {
    return (
        'caller'       => [ fed => uri => ['sip:caller.example'] ],
        'caller-other' => [ other => uri => ['sip:caller.example'] ],
        'impostor'     => [ fed => uri => ['sip:impostor.example'], dns => ['caller.example'] ],
        'printed'      => [ evil => uri => ['sip:caller.example'] ],
    );
}

sub new ($class, $run) { return bless { run => $run, held => [], heard => {} }, $class }

sub begin_sql ($self, $world) {
    my $run = $self->{run};
    my $identities = $run->{identities};
    my $phone = $run->{edge}->phone;
    $world->{callers} = { client_auth => 'request', trust_set => 'fed' };
    my $print = $identities->{leaves}{printed}{certificate}->sha256;
    return $run->{edge}->certificate_sql('front', $identities->{own}{front}) . <<"END";
INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'request', 'fed');
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'front');
INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('caller', 'fed', 'caller.example', 'accept');
INSERT INTO trelay.peer (name, fingerprint, action) VALUES ('printed', '$print', 'accept');
INSERT INTO trelay.route (name, domain, next_hop) VALUES ('in', 'atlanta.example',
    'sip:@{[ $phone->host ]}:@{[ $phone->port ]};transport=udp')
END
}

sub anchors ($world, $set) { return defined $set ? join ',', @{ $world->{trust}{$set} } : '' }

# What a connection that is opened in this world proves: a hash, or undef where none can be. An unproven certificate
# shown is one by its fingerprint.
sub proof ($world, $leaf) {
    my ($how, $set) = @{ $world->{callers} }{qw(client_auth trust_set)};
    my $anchors = anchors($world, $set);
    my $is_shown = $how ne 'none' && $leaf ne 'nobody';
    my $is_proven = $is_shown && grep { $world->{proofs}->is_issued_by($leaf, $_) } split /,/, $anchors;
    return if $how ne 'none' && $set && $anchors eq '' || $how eq 'require' && !$is_proven;
    return { leaf => $leaf, is_shown => $is_shown, anchors => $is_proven ? $anchors : '', set => $set // '' };
}

# Is the caller somebody to this world? And surely so: by the very set that the row names?
sub is_somebody ($world, $proof) {
    return 1 if $proof->{is_shown} && $proof->{leaf} eq 'printed';
    return 0 if $proof->{anchors} eq '' || !$world->{proofs}->has_name($proof->{leaf}, 'caller.example');
    return $proof->{anchors} eq anchors($world, 'fed');
}

# --- Operations ---

sub do_profile ($self) {
    my $run = $self->{run};
    my ($chance, $world) = ($run->chance, $run->world->copy);
    my ($how, $set) = ($chance->pick(qw(none request request require require)), $chance->pick(qw(fed fed other both)));
    $set = undef if $how eq 'none';
    my $is_awaited = $chance->percent(60);
    $world->{callers} = { client_auth => $how, trust_set => $set };
    my $in = defined $set ? "'$set'" : 'NULL';
    return $run->change("callers: $how " . ($set // '-'), $world,
        "UPDATE trelay.server_profile SET client_auth = '$how', trust_set = $in", $is_awaited);
}

# A new caller, or one that is there, sends a request.
sub do_call ($self, $is_at_rest = 0) {
    my $run = $self->{run};
    my $chance = $run->chance;
    my ($leaf, $is_new, $which) = ($chance->weighed(caller => 5, map { $_ => 1 } @NAMES), $chance->percent(50), $chance->below(1000));
    my $held = $self->{held};
    my $connection = $is_new || !@$held ? $self->connect($leaf) : $held->[ $which % @$held ];
    $self->call($connection, $is_at_rest) if $connection;
    return;
}

sub connect ($self, $leaf) {
    my $run = $self->{run};
    my $begin = ++$run->{tick};
    my $stream = eval {
        Trelay::SIP::Stream->connect(host => $run->{edge}->host, port => 5061, from => own_address(3),
            tls => { $leaf eq 'nobody' ? () : (certificate => $run->{identities}{leaves}{$leaf}{certificate}) });
    };
    my @worlds = $run->{oracle}->worlds_of({ sent => $begin, done => ++$run->{tick} });
    my @proofs = grep { defined } map { proof($_, $leaf) } @worlds;
    $run->note("caller $leaf: " . ($stream ? 'connected' : "no connection: $@" =~ s/\s+\z//r));
    if (!$stream) {
        $run->{oracle}->violation("L3 the caller $leaf gets no connection: $@") if @proofs == @worlds;
        return;
    }
    my $connection = { stream => $stream, leaf => $leaf, proofs => \@proofs, worlds => scalar @worlds, is_new => 1 };
    push @{ $self->{held} }, $connection;
    (shift @{ $self->{held} })->{stream}->close if @{ $self->{held} } > HELD;
    return $connection;
}

sub call ($self, $connection, $is_at_rest) {
    my $run = $self->{run};
    my $token = "s$run->{seed}c" . ++$self->{count};
    my $stream = $connection->{stream};
    my $request = { token => $token, method => 'OPTIONS', domain => 'atlanta.example', text => "from $connection->{leaf}",
        flags => {}, step => $run->{step}, sent => ++$run->{tick} };
    $run->note("send $token: caller $connection->{leaf}" . ($connection->{is_new} ? ' at first' : ' again'));
    my $text = request('OPTIONS', "sip:token-$token\@atlanta.example", via => $stream->via, call_id => "$token\@caller.invalid");
    my $is_sent = eval { $stream->send($text); 1 };
    my $status = $is_sent ? $self->answer_of($stream, $token) : undef;
    $request->{done} = ++$run->{tick};
    $run->note("answered $token: " . ($status // 'hung up'));
    $request->{status} = $status;
    $self->judge($connection, $request, $is_at_rest);
    @{ $self->{held} } = grep { $_ != $connection } @{ $self->{held} } if !defined $status;
    $connection->{is_new} = 0;
    return;
}

# The status that comes back, while the phone answers what it hears; undef when the connection ends.
sub answer_of ($self, $stream, $token) {
    my $run = $self->{run};
    my $phone = $run->{edge}->phone->{socket};
    my $deadline = time + Trelay::Process::patience(PATIENCE_S);
    while (time < $deadline) {
        my $pending = $stream->{socket}->pending;
        my @ready = $pending ? $stream->{socket} : IO::Select->new($phone, $stream->{socket})->can_read(1);
        $run->pump if grep { $_ == $phone } @ready;
        next if !grep { $_ == $stream->{socket} } @ready;
        my $count = eval { $stream->fill(time) };
        my $message = eval { $stream->receive(0) };
        return $message->status if $message && ($message->status // 0) >= 200 && $message->call_id =~ /^\Q$token\E\@/;
        return if !$message && defined $count && !$count;
    }
    $run->{oracle}->violation("L2 no answer to the caller's $token");
    return;
}

# The phone has heard a request.
sub hear ($self, $message) {
    my ($token) = $message->uri =~ /token-(\w+)/ or return;
    $self->{heard}{$token}++;
    my $phone = $self->{run}{edge}->phone;
    $phone->reply($message, response($message, 200, 'OK')) if $message->method ne 'ACK';
    return;
}

sub judge ($self, $connection, $request, $is_at_rest) {
    my $oracle  = $self->{run}{oracle};
    my $status  = $request->{status};
    my $heard   = $self->{heard}{ $request->{token} };
    my @worlds  = $oracle->worlds_of($request);
    my @proofs  = @{ $connection->{proofs} };
    my $allowed = grep { my $world = $_; grep { is_somebody($world, $_) } @proofs } @worlds;
    $request->{needs} = [ map { { deny => ["client_auth $_->{callers}{client_auth}, trust set "
        . ($_->{callers}{trust_set} // '-') . ', fed is ' . anchors($_, 'fed')] } } @worlds ];
    my $what = "the caller $connection->{leaf}" . ($connection->{is_new} ? '' : ' of before');
    $oracle->violation("S1 the phone heard $what", $request) if $heard && !$allowed;
    $oracle->violation("S5 the phone heard $what, who was told $status", $request) if $heard && defined $status && $status != 200;
    $oracle->violation("S1 $what was told 200, and the phone heard nothing", $request) if !$heard && ($status // 0) == 200;
    my $is_sure = $is_at_rest && $connection->{is_new} && @worlds == 1 && $connection->{worlds} == 1 && $allowed
        && ($proofs[0]{set} eq 'fed' || $connection->{leaf} eq 'printed');
    $oracle->violation("L3 $what was told " . ($status // 'nothing'), $request) if $is_sure && ($status // 0) != 200;
    return;
}

1;
