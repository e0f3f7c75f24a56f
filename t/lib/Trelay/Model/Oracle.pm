# SPDX-License-Identifier: GPL-2.0-or-later
# Oracle.pm - was what happened permitted? The peers' diary, the answers and the records are held against each world
# that a request may have met.
# In:  worlds with the moments (ticks of the driver) of their begin and of their being in force everywhere; requests;
#      events of the diary; records. Out: violations, as texts.
# Never: asks the relay.
#
# What holds (the letters are in the texts of violations):
#   S1  who must be refused is seen by nobody
#   S2  a connection carries requests of one key; an unverified one may become a verified one, once
#   S3  who is seen by a peer whose identity was to be proven is seen by one that proves it, to the openssl program
#   S4  no connection is older than a request allows, none is resumed; certificates and anchors are those of the world
#   S5  one message for each branch, one branch for each next hop; CANCEL and ACK where their INVITE is, or was lost
#   L1  who could use a connection that is there does so;  L3 who is served by a world at rest is served
#   R   the record says what happened, once
package Trelay::Model::Oracle;

use v5.36;

use Trelay::Model::World;

# A peer's moment of the first message is after the relay's proof; what is younger may be a matter of clocks.
use constant AGE_SLACK_S => 3;

my %STATUS = map { $_ => 403 } qw(weaken-refused trust-flag-refused no-policy);
my %IS_VERDICT = map { $_ => 1 } qw(no-certificate certificate-malformed chain-untrusted chain-invalid certificate-expired
    certificate-not-yet-valid weak-certificate key-usage extended-key-usage no-identity wrong-identity pin-mismatch);

sub new ($class) {
    return bless { worlds => [], requests => {}, connections => {}, seen => {}, branch => {}, key_of => {}, violations => [],
        connection_id => {}, judged => 0, followed => 0 }, $class;
}

# A world that may rule from this moment on; the number of it.
sub add_world ($self, $world, $tick) {
    push @{ $self->{worlds} }, { world => $world, begin => $tick };
    return $#{ $self->{worlds} };
}
sub world_rules ($self, $number, $tick) {
    $_->{applied} //= $tick for @{ $self->{worlds} }[ 0 .. $number ];
    return;
}
sub newest ($self) { return $self->{worlds}[-1]{world} }

sub violation ($self, $what, $request = undef) {
    push @{ $self->{violations} }, { what => $what, request => $request };
    return;
}

# The worlds that a request may have been decided by.
sub worlds_of ($self, $request) {
    my @worlds = @{ $self->{worlds} };
    my @possible;
    for my $i (0 .. $#worlds) {
        next if defined $request->{done} && $worlds[$i]{begin} > $request->{done};
        my $next = $worlds[ $i + 1 ];
        next if $next && defined $next->{applied} && $next->{applied} < $request->{sent};
        push @possible, $worlds[$i]{world};
    }
    return @possible;
}

# Every target that the request may have had. Routes stand as the request found them; a next hop's row may be a later one
# (doc/decision/0007).
sub needs_of ($self, $request) {
    return @{ $request->{needs} } if $request->{needs};
    my @worlds = $self->worlds_of($request);
    my @needs;
    @needs = $self->needs_within($request->{dialog}, @worlds) if $request->{dialog};
    for my $i ($request->{dialog} ? () : 0 .. $#worlds) {
        my @routing = %{ $worlds[$i]{routes} } ? @worlds[ 0 .. $i ] : $worlds[$i];
        push @needs, map { $worlds[$i]->targets($request, $_) } @routing;
    }
    $request->{needs} = \@needs if defined $request->{done};
    return @needs;
}

# What the call may have begun with: where several rows could have led to whom it was answered by, each of them.
sub needs_within ($self, $dialog, @worlds) {
    my $connection = $self->{connections}{ $dialog->{invite}{connection} };
    my %pin;
    for my $need (grep { !$_->{deny} && $self->is_hop($_, $dialog->{peer}) } $self->needs_of($dialog->{invite})) {
        next if $connection && defined $connection->{leaf} && !$self->newest->fits($need, $connection);
        my %part = (serial => $need->{serial}, level => $need->{level}, domain => $need->{is_named} ? undef : $need->{domain});
        my $flags = Trelay::Model::World::flags_text($need->{flags});
        $pin{ join ' ', $flags, map { $_ // '' } @part{qw(serial level domain)} } = { %part, flags => $need->{flags} };
    }
    return map { my $world = $_; map { $world->within($pin{$_}, @$dialog{qw(peer host)}) } sort keys %pin } @worlds;
}

# --- The diary ---

sub absorb ($self, @events) {
    for my $event (@events) {
        my $name = "$event->{peer}/$event->{n}";
        my $connection = $self->{connections}{$name} //= { name => $name, peer => $event->{peer}, is_open => 1 };
        if ($event->{event} eq 'tls') {
            $connection->{$_} = $event->{$_} for qw(sni client leaf version ask);
            $self->violation("S4 G4 $name: a session was resumed") if $event->{is_resumed};
        }
        elsif ($event->{event} eq 'end') { $connection->{is_open} = 0 }
        elsif ($event->{event} eq 'message') {
            $connection->{first_message} //= $event->{time};
            $connection->{last_turn} = $event->{turn};
            push @{ $self->{unjudged} }, { %$event, connection => $connection };
            push @{ $self->{seen}{ $event->{token} } }, $event;
        }
    }
    return;
}

sub open_connections ($self, $peer) {
    return grep { $_->{is_open} && $_->{peer} eq $peer && defined $_->{leaf} } values %{ $self->{connections} };
}

# The peers that have the INVITE with that token, on connections that are there.
sub rings_at ($self, $token) {
    my @invites = grep { $_->{method} eq 'INVITE' } @{ $self->{seen}{$token} // [] };
    return map { $_->{peer} } grep { $self->{connections}{"$_->{peer}/$_->{n}"}{is_open} } @invites;
}

# Is its INVITE on a connection that has ended?
sub is_lost ($self, $token) {
    return scalar grep { $_->{method} eq 'INVITE' && !$self->{connections}{"$_->{peer}/$_->{n}"}{is_open} } @{ $self->{seen}{$token} // [] };
}

sub is_follower ($self, $seen) {
    my $request = $self->{requests}{ $seen->{token} };
    return $request && !$request->{dialog} && $seen->{method} =~ /^(?:ACK|CANCEL)$/;
}

# Where the INVITEs of that branch were seen.
sub before ($self, $seen) {
    my @invites = grep { $_->{method} eq 'INVITE' && $_->{branch} eq $seen->{branch} } @{ $self->{seen}{ $seen->{token} } };
    return map { $self->{connections}{"$_->{peer}/$_->{n}"} } @invites;
}

# Connections that must have ended, since an ACK or CANCEL went elsewhere, and have not yet as far as the diary goes.
sub ends_to_come ($self) {
    return grep { $_->{is_open} } map { my $seen = $_; grep { $_ != $seen->{connection} } $self->before($seen) }
        grep { $self->is_follower($_) } @{ $self->{unjudged} // [] };
}

# Everything seen so far by requests that have their answer.
sub judge ($self) {
    for my $seen (splice @{ $self->{unjudged} // [] }) {
        my $request = $self->{requests}{ $seen->{token} };
        if (!$request) {
            $self->violation("S1 $seen->{connection}{name} saw $seen->{method} of nobody (token \"$seen->{token}\")");
            next;
        }
        $self->judge_branch($request, $seen) or next;
        $self->judge_place($request, $seen);
        $self->{judged}++;
    }
    return;
}

# CANCEL and ACK go where their INVITE went, or, when that has ended, on another connection of its key (doc/decision/0012).
# Nothing is there after that: a peer that finds both ready notes either first, and the other at its next turn at the latest.
sub may_follow ($self, $request, $before, $seen) {
    my $now = $seen->{connection};
    return 1 if $before->{name} eq $now->{name};
    return 0 if $before->{is_open} || $before->{peer} ne $now->{peer} || $before->{last_turn} > $seen->{turn} + 1;
    my $world   = $self->newest;
    my @allowed = grep { !$_->{deny} && $self->is_hop($_, $now->{peer}) && $world->fits($_, $before) && $world->fits($_, $now) }
        $self->needs_of($request);
    return 0 if !@allowed;
    return 1 if $request->{follows}{ $now->{name} }++; # the ACK of what was cancelled there
    $self->{followed}++;
    $self->judge_company($request, $now, "$now->{name}, by a $seen->{method}", @allowed);
    return 1;
}

# Whoever was not asked has shown nothing.
sub same_client ($one, $other) {
    return 1 if grep { ($_->{ask} // 'none') eq 'none' } $one, $other;
    return ($one->{client} // '') eq ($other->{client} // '');
}

# True for a request that stands for itself.
sub judge_branch ($self, $request, $seen) {
    my ($method, $name) = ($seen->{method}, $seen->{connection}{name});
    $self->violation("S5 $method twice on branch $seen->{branch}", $request) if $self->{branch}{"$method $seen->{branch}"}++;
    if ($self->is_follower($seen)) {
        my @before = $self->before($seen);
        my $where  = join ', ', map { "$_->{name}, " . ($_->{is_open} ? 'there' : 'ended') . ", leaf $_->{leaf}, last turn $_->{last_turn}" } @before;
        $self->violation("S5 $method on $name (leaf $seen->{connection}{leaf}, turn $seen->{turn}), where its INVITE is not ($where)", $request)
            if !grep { $self->may_follow($request, $_, $seen) } @before;
        return 0;
    }
    $self->violation("S5 $method came as $request->{method}", $request) if $method ne $request->{method};
    return 1;
}

sub judge_place ($self, $request, $seen) {
    my $connection = $seen->{connection};
    my $where = sprintf '%s (leaf %s, SNI "%s", client %s, TLS %s)', $connection->{name}, map { $_ || 'none' }
        @$connection{qw(leaf sni client version)};
    my @needs = $self->needs_of($request);
    my @allowed = grep { !$_->{deny} } @needs;
    return $self->violation("S1 G3 seen on $where, though it had to be refused", $request) if !@allowed;
    @allowed = grep { $self->is_hop($_, $connection->{peer}) } @allowed;
    return $self->violation("S5 seen on $where, which is no next hop of its", $request) if !@allowed;
    my $world = $self->newest;
    @allowed = grep { $world->fits($_, $connection) } @allowed;
    return $self->violation("S3 G1 G2 seen on $where, which is not what it needs", $request) if !@allowed;
    my $age = $request->{sent_time} - $connection->{first_message};
    @allowed = grep { !$_->{max_age} || $age <= $_->{max_age} + AGE_SLACK_S } @allowed;
    return $self->violation("S4 seen on $where, which is older than it allows ($age s)", $request) if !@allowed;
    my $limit = grep { $_->{domain} ne $request->{domain} } @needs;
    my $count = grep { $_->{peer} eq $connection->{peer} && $_->{method} !~ /^(?:ACK|CANCEL)$/ } @{ $self->{seen}{ $request->{token} } };
    $self->violation("S5 seen $count times by $connection->{peer}", $request) if $count > 1 && !$limit;
    return $self->judge_company($request, $connection, $where, @allowed);
}

sub is_hop ($self, $need, $peer) { return scalar grep { $_ eq $peer } @{ $need->{peers} } }

# Is there one key that all requests of the connection had, or one before an upgrade and one after?
sub judge_company ($self, $request, $connection, $where, @allowed) {
    my %now;
    for my $need (@allowed) {
        my $key = Trelay::Model::World::key($need, $connection->{peer});
        my $fresh = $need->{is_fresh} ? 1 : 0;
        if (!$connection->{keys}) {
            $now{"$key|$fresh"} = [ $key, $fresh ];
            next;
        }
        next if $fresh;
        for my $before (values %{ $connection->{keys} }) {
            next if $before->[1];
            my $is_possible = $before->[0] eq $key
                || $need->{upgrade} eq 'idle' && Trelay::Model::World::may_become($before->[0], $key);
            $now{"$key|0"} = [ $key, 0 ] if $is_possible;
        }
    }
    if (!%now) {
        my $before = join '; ', sort keys %{ $connection->{keys} };
        my $wanted = join '; ', map { Trelay::Model::World::key($_, $connection->{peer}) . ($_->{is_fresh} ? '|1' : '|0') } @allowed;
        $self->violation("S2 seen on $where among requests of another key: there $before; it needs $wanted", $request);
    }
    $connection->{keys} = \%now if %now;
    my %key = map { $_->[0] => 1 } values %now;
    $request->{key}{ $connection->{name} } = (keys %key)[0] if keys %key == 1;
    return;
}

# --- A world at rest ---

# How peers are now: name => as set. Whether a new connection would do.
sub would_open ($self, $need, $peer) {
    return 0 if !$peer->{up} || $peer->{handshake} ne 'normal' || $peer->{newest} lt $need->{tls_min};
    return 0 if $peer->{ask} eq 'require' && $need->{client} eq '';
    return $self->newest->{proofs}->proves($peer->{leaf}, $need);
}

# Judges the answer of a request that met one world and peers that did not change. Returns the outcome as text where
# the model knows it whole.
sub judge_at_rest ($self, $request, $peers) {
    my @targets = $self->needs_of($request);
    return if $request->{dialog} && @targets != 1; # of a call that should not have been none is known
    my $status  = $request->{status};
    my $is_served = defined $request->{connection};
    return $self->judge_many($request, $peers, @targets) if @targets > 1;
    my ($need) = @targets;
    return $self->judge_refused($request, $need) if $need->{deny};
    my @hops = @{ $need->{peers} };
    my ($must) = grep { $self->would_open($need, $peers->{$_}) } @hops;
    my @could = grep { my $hop = $_; grep { $self->newest->fits($need, $_) } $self->open_connections($hop) } @hops;
    if ($is_served) {
        my ($peer) = split m{/}, $request->{connection};
        my @before = grep { my $hop = $_; $hop ne $peer } @hops[ 0 .. (grep { $hops[$_] eq $peer } 0 .. $#hops)[0] ];
        $self->violation("L3 served by $peer, although $_ would have", $request)
            for grep { $self->would_open($need, $peers->{$_}) } $request->{flags}{'no-connect'} ? () : @before;
        $self->violation("L3 answered $status instead of $request->{wanted}", $request) if $status != $request->{wanted};
    }
    elsif ($must && !$request->{flags}{'no-connect'}) {
        $self->violation("L3 answered $status ($request->{reason}), although $must would serve it", $request);
    }
    elsif (!$must && !@could && @hops == 1 && !$request->{flags}{'no-connect'}) {
        my $peer = $peers->{ $hops[0] };
        my $is_either = $peer->{ask} eq 'require' && $need->{client} eq ''; # whoever looks first
        my $is_proof = $peer->{up} && $peer->{handshake} eq 'normal' && $peer->{newest} ge $need->{tls_min};
        $self->violation("L3 refused with $status $request->{reason} instead of a verdict", $request)
            if $is_proof && !$is_either && ($status != 502 || !$IS_VERDICT{ $request->{reason} });
        $self->violation("L3 refused with a verdict $request->{reason} instead of a failure", $request)
            if !$is_proof && $IS_VERDICT{ $request->{reason} };
    }
    return $must && $must eq $hops[0] && !$request->{flags}{'no-connect'} ? $self->outcome($request) : undef;
}

sub judge_refused ($self, $request, $need) {
    my ($status, $reason) = @$request{qw(status reason)};
    $self->violation("S1 answered $status by $request->{connection}", $request) if $request->{connection};
    $self->violation("L3 refused with $reason instead of @{ $need->{deny} }", $request)
        if !grep { $_ eq $reason } @{ $need->{deny} };
    my $expected = $STATUS{$reason} // 500;
    $self->violation("L3 refused with $status $reason, which is $expected", $request) if $status != $expected;
    return "$status $reason";
}

# Several targets: only that what must be served is. Of two rows to one next hop either may be the one that is taken.
sub judge_many ($self, $request, $peers, @targets) {
    my @group = grep { $_->{group} == $targets[0]{group} } @targets;
    my %is_served;
    for my $target (@group) {
        my $would = !$target->{deny} && $self->would_open($target, $peers->{ $target->{peers}[0] });
        $is_served{ $target->{domain} } = ($is_served{ $target->{domain} } // 1) && $would;
    }
    my @serving = grep { $is_served{ $_->{domain} } } @group;
    return if !@serving || $request->{flags}{'no-connect'};
    $self->violation("L3 answered $request->{status} ($request->{reason}), although $serving[0]{domain} would serve it", $request)
        if !defined $request->{connection};
    return;
}

# Status and identities of a request that was served: what has to be the same without reuse (M1). Not among them is our
# certificate: a connection may be from a time at which the peer did not ask for one, or did; same_client() tells.
sub outcome ($self, $request) {
    return "$request->{status} $request->{reason}" if !$request->{connection};
    my $connection = $self->{connections}{ $request->{connection} };
    return join ' ', $request->{status}, map { $_ || '-' } @$connection{qw(peer sni)};
}

# --- Accounting ---

sub judge_record ($self, $request, @records) {
    return $self->violation('R ' . @records . ' records', $request) if @records != 1;
    my ($record) = @records;
    my $say = sub ($what) { $self->violation("R record: $what", $request) };
    $say->("status $record->{status}, answered $request->{status}") if $record->{status} != $request->{status};
    $request->{decision} = $record->{outbound_decision} // '';
    $request->{digest} = $record->{outbound_key_digest} // '';
    if (!$request->{connection}) {
        $say->("reason $record->{reason}, told $request->{reason}")
            if $request->{reason} ne '' && $record->{reason} ne $request->{reason};
        return;
    }
    my $connection = $self->{connections}{ $request->{connection} };
    my $world = $self->newest;
    my %told = (
        outbound_sni                    => $connection->{sni},
        outbound_own_certificate_sha256 => $connection->{ask} eq 'none' ? undef : $connection->{client},
        outbound_certificate_sha256     => $world->{proofs}{leaves}{ $connection->{leaf} }{certificate}->sha256,
        outbound_tls_version            => $connection->{version},
    );
    for my $column (sort keys %told) {
        next if !defined $told{$column};
        $say->("$column is " . ($record->{$column} // 'NULL') . ", the peer saw \"$told{$column}\"")
            if ($record->{$column} // '') ne $told{$column};
    }
    my @rows = grep { !$_->{deny} && $_->{row} eq ($record->{outbound_policy} // '')
        && $_->{level} eq ($record->{outbound_level} // '') && $self->is_hop($_, $connection->{peer}) } $self->needs_of($request);
    $say->(sprintf 'row %s of level %s is not the one', map { $_ // 'NULL' } @$record{qw(outbound_policy outbound_level)}) if !@rows;
    my $verified = $record->{outbound_verified_domain};
    my %verifies = (encrypt => sub ($row) { !defined $verified }, chain => sub ($row) { 1 },
        domain => sub ($row) { ($verified // '') eq $row->{expected} });
    $say->('verified domain ' . ($verified // 'NULL') . ' is of none of its rows')
        if @rows && !grep { $verifies{ $_->{level} }->($_) } @rows;
    return $self->judge_identifiers($request, $record, $connection);
}

# Has it its row from a pin? Nobody but a call that goes on has.
sub judge_pinned ($self, $request, $record, @more) {
    return if !$record || @more || !$request->{connection};
    my $is_pinned = $record->{outbound_pinned} ? 1 : 0;
    my @rows = grep { !$_->{deny} && $_->{row} eq ($record->{outbound_policy} // '') } $self->needs_of($request);
    $self->violation("R record: pinned is $is_pinned", $request) if !grep { ($_->{is_pinned} // 0) == $is_pinned } @rows;
    return;
}

# One name for one connection, one digest for one key, one key for one digest.
sub judge_identifiers ($self, $request, $record, $connection) {
    my $id = $record->{outbound_connection_id} // 'NULL';
    my $known = $self->{connection_id}{$id} //= $connection->{name};
    $self->violation("R connection $id is $connection->{name}, and was $known", $request) if $known ne $connection->{name};
    my $key = $request->{key}{ $connection->{name} } // return;
    my $before = $self->{key_of}{ $record->{outbound_key_digest} } //= $key;
    $self->violation("S2 one digest for two keys: $before; $key", $request) if $before ne $key;
    my $digest = $self->{digest_of}{$key} //= $record->{outbound_key_digest};
    $self->violation("INV-41 two digests for one key: $key", $request) if $digest ne $record->{outbound_key_digest};
    return;
}

1;
