# SPDX-License-Identifier: GPL-2.0-or-later
# Run.pm - a relay with its database and several peers, random operations by a seed, and the oracle that judges them.
# In:  a seed, a number of steps. Out: violations with the operations that led there; what the requests at rest got.
# Each round is a stir, in which requests, changes and misbehaving peers meet as they will, and a rest, in which nothing
# but requests happens, so that the answer of each is known beforehand. The choices follow from the seed, and from
# nothing that the relay does; its threads and the kernel do not, so that a seed leads the same way, not bit by bit.
package Trelay::Model::Run;

use v5.36;

use DBI ();
use File::Temp ();
use IO::Select ();
use IO::Socket::UNIX ();
use JSON::PP ();
use Time::HiRes qw(time sleep);
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::Model::Callers;
use Trelay::Model::Chance;
use Trelay::Model::Dialogs;
use Trelay::Model::Oracle;
use Trelay::Model::Peers;
use Trelay::Model::World;
use Trelay::Process;
use Trelay::SIP qw(request);

my $CONFIGURATION = <<'END';
limits {
    backoff = 0
    handshake_timeout = 60000
}
END

my @DOMAINS = qw(biloxi.example chicago.example d1.example d2.example x.wild.example);
# The last one is not of a next hop, but of who asks: only look-ups that say so lead there.
use constant { SOURCE => 'atlanta.example' };
my @MATCHES = (qw(biloxi.example chicago.example d1.example d2.example *.wild.example), SOURCE);
my @ROUTED  = qw(fork.example seq.example);
use constant { IN_FLIGHT => 12, PATIENCE_S => 60, END_S => 5, RING_S => 1 };

# Certificates for all runs of one process: they cost more than anything else.
sub identities ($class, $pki = Trelay::PKI->new) {
    my %authority = map { $_ => $pki->authority($_) } qw(fed other evil);
    my $below = $authority{fed}->intermediate('below');
    my %names = (
        biloxi => [ fed => uri => ['sip:biloxi.example'] ],
        both   => [ fed => uri => [ 'sip:biloxi.example', 'sip:chicago.example', 'sip:d1.example' ] ],
        dns    => [ fed => dns => [ 'biloxi.example', 'd2.example', 'x.wild.example' ] ],
        beside => [ fed => uri => ['sip:impostor.example'], dns => [ 'biloxi.example', 'chicago.example' ] ],
        chicago => [ other => uri => ['sip:chicago.example'] ],
        elsewhere => [ other => uri => ['sip:biloxi.example'], dns => ['d2.example'] ],
        evil    => [ evil => uri => [ 'sip:biloxi.example', 'sip:chicago.example', 'sip:d1.example' ] ],
        expired => [ fed => uri => ['sip:biloxi.example'], not_before => '-9d', not_after => '-2d' ],
        below   => [ below => uri => [ 'sip:biloxi.example', 'sip:chicago.example' ] ],
        wild    => [ fed => dns => [ '*.example', '*.wild.example' ] ],
        Trelay::Model::Callers::leaves(),
    );
    my %leaf;
    for my $name (sort keys %names) {
        my ($issuer, %options) = @{ $names{$name} };
        my $certificate = ($issuer eq 'below' ? $below : $authority{$issuer})->leaf($name, %options);
        $leaf{$name} = { certificate => $certificate, map { $_ => $options{$_} } qw(uri dns) };
    }
    my %own = map { $_ => $authority{fed}->leaf($_, uri => ['sip:atlanta.example']) } qw(own1 own2 own3 own4 front);
    return { pki => $pki, authorities => \%authority, leaves => \%leaf, own => \%own };
}

# Options: seed; identities; is_reuse_off: every row says that nothing is reused.
sub start ($class, %options) {
    my $self = bless { tick => 0, step => 0, log => [], in_flight => {}, requests => [], outcomes => [], pending => [],
        %options }, $class;
    my $identities = $self->{identities} //= $class->identities;
    $self->{chance} = Trelay::Model::Chance->new($options{seed});
    $self->{edge}   = Trelay::Edge->start(workers => 2, pki => $identities->{pki}, configuration => $CONFIGURATION);
    $self->{peers}  = Trelay::Model::Peers->start(
        leaves => { map { $_ => $identities->{leaves}{$_}{certificate} } keys %{ $identities->{leaves} } },
        hosts  => { map { $_ => own_address($_ =~ /[abe]/ ? 2 : 3) } qw(a b c d e) },
    );
    $self->{oracle} = Trelay::Model::Oracle->new;
    $self->{callers} = Trelay::Model::Callers->new($self);
    $self->{dialogs} = Trelay::Model::Dialogs->new($self);
    $self->{filed} = File::Temp::tempdir('trelay-filed-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    $self->{peer} = { map { $_ => { up => 1, handshake => 'normal', request => 'answer', ask => 'ask', newest => '1.3' } }
            $self->{peers}->names };
    $self->begin;
    return $self;
}

sub chance ($self) { return $self->{chance} }
sub world ($self)  { return $self->{oracle}->newest }
sub connections ($self) { return scalar keys %{ $self->{oracle}{connections} } }

sub note ($self, $text) {
    push @{ $self->{log} }, sprintf '%5d %s', $self->{step}, $text;
    return;
}

# --- Policy ---

sub database ($self) {
    return $self->{database} //= do {
        my $where = $self->{edge}{postgres}->conninfo =~ s/ /;/gr;
        DBI->connect("dbi:Pg:$where", undef, undef, { RaiseError => 0, PrintError => 0, AutoCommit => 1 })
            // die 'database: ' . DBI->errstr . "\n";
    };
}

sub quote ($value) { return defined $value ? "'" . $value =~ s/'/''/gr . "'" : 'NULL' }

# SQL in one transaction: the version of the policy after it, or (undef, why not).
sub commit ($self, $sql) {
    my $database = $self->database;
    if (!defined $database->do("BEGIN; $sql; COMMIT")) {
        my $why = $database->errstr;
        $database->do('ROLLBACK');
        return (undef, $why);
    }
    my ($version) = $database->selectrow_array('SELECT version FROM trelay.policy_version');
    return $version // die 'policy_version: ' . $database->errstr . "\n";
}

# A change of the world: WORLD is what it will be. Awaited at once, or later.
sub change ($self, $what, $world, $sql, $is_awaited = 1) {
    $self->note("policy: $what");
    my $tick = ++$self->{tick};
    my ($version, $why) = $self->commit($sql);
    die "seed $self->{seed}: $what: $why\n$sql\n" if !defined $version;
    push @{ $self->{pending} }, [ $self->{oracle}->add_world($world, $tick), $version ];
    $self->await if $is_awaited;
    return;
}

# Until every worker goes by the newest policy.
sub await ($self) {
    my $last = $self->{pending}[-1] // return;
    $self->{edge}->daemon->process->wait_until("policy version $last->[1]", sub { $self->loaded >= $last->[1] }, PATIENCE_S);
    $self->control('connections');
    $self->{oracle}->world_rules($last->[0], ++$self->{tick});
    $self->{pending} = [];
    return;
}

# The last version that the node says it goes by, whether it changed anything or not.
sub loaded ($self) {
    my ($version) = $self->database->selectrow_array('SELECT policy_version FROM trelay.node');
    return $version // 0;
}

# One question on the control socket, without a process for it.
sub control ($self, $command, %more) {
    my $socket = IO::Socket::UNIX->new(Peer => $self->{edge}->daemon->directory . '/control') or die "control: $!\n";
    syswrite $socket, JSON::PP->new->encode({ command => $command, %more }) . "\n";
    my $text = '';
    my $deadline = time + Trelay::Process::patience(PATIENCE_S);
    while (IO::Select->new($socket)->can_read($deadline - time)) {
        sysread $socket, $text, 65536, length $text or last;
    }
    return JSON::PP->new->decode($text || '{"error":"no answer"}');
}

sub row_sql ($self, $row, $is_there = 0) {
    my %column = ((map { $_ => $row->{$_} } grep { $_ ne 'serial' } keys %$row),
        next_hop => '{' . join(',', map { $self->{peers}->place($_) } @{ $row->{next_hop} }) . '}');
    $column{pins} = "{$row->{pins}}" if $row->{pins};
    $column{send_sni} = $row->{send_sni} ? 'true' : 'false' if exists $row->{send_sni};
    $column{reuse} = $row->{reuse} ? 'true' : 'false' if exists $row->{reuse};
    $column{max_age} = "$row->{max_age} s" if $row->{max_age};
    $column{initial_only} = $row->{initial_only} ? 'true' : 'false' if exists $row->{initial_only};
    @column{qw(domain address next_hop)} = (undef, "$row->{domain}/32", undef) if $row->{domain} =~ /^[\d.]+\z/;
    @column{qw(domain source_domain)} = (undef, $row->{domain}) if $row->{domain} eq SOURCE;
    my @names = sort keys %column;
    return 'UPDATE trelay.outbound_policy SET (' . join(', ', @names) . ') = (' . join(', ', map { quote($column{$_}) } @names)
        . ") WHERE name = '$row->{name}'" if $is_there;
    return 'INSERT INTO trelay.outbound_policy (' . join(', ', @names) . ') VALUES (' . join(', ', map { quote($column{$_}) } @names) . ')';
}

sub certificate_sql ($self, $name, $leaf) {
    my $own = $self->{identities}{own}{$leaf};
    return 'UPDATE trelay.certificate SET chain_path = ' . quote($own->chain) . " WHERE name = '$name'; "
        . "INSERT INTO trelay.certificate_key (certificate, key_path) VALUES ('$name', " . quote($own->key) . ')'
        . ' ON CONFLICT (certificate) DO UPDATE SET key_path = excluded.key_path';
}

sub trust_sql ($self, $set, $anchors) {
    return "DELETE FROM trelay.trust_anchor WHERE trust_set = '$set'" . join '', map {
        "; INSERT INTO trelay.trust_anchor (trust_set, name, path) VALUES ('$set', '$_', "
            . quote($self->{identities}{authorities}{$_}->certificate) . ')'
    } @$anchors;
}

# The world that a run begins with.
sub begin ($self) {
    my $identities = $self->{identities};
    my $world = Trelay::Model::World->new(
        proofs => Trelay::Model::Proofs->new(authorities => $identities->{authorities}, leaves => $identities->{leaves}),
        own    => { map { $_ => $identities->{own}{$_}->sha256 } keys %{ $identities->{own} } },
    );
    $world->{trust} = { fed => ['fed'], other => ['other'], both => [qw(fed other)], empty => [] };
    $world->{certificates} = { us1 => 'own1', us2 => 'own2', filed => 'own3', keyless => undef };
    $self->write_files('own3');
    my $edge = $self->{edge};
    my $sql = join '; ', (map { "INSERT INTO trelay.trust_set (name) VALUES ('$_'); " . $self->trust_sql($_, $world->{trust}{$_}) }
            sort keys %{ $world->{trust} }),
        (map { my $leaf = $world->{certificates}{$_} // 'own1'; $edge->certificate_sql($_, $identities->{own}{$leaf}) }
            sort keys %{ $world->{certificates} }),
        "UPDATE trelay.certificate SET chain_path = '$self->{filed}/chain.pem' WHERE name = 'filed'",
        "UPDATE trelay.certificate_key SET key_path = '$self->{filed}/key.pem' WHERE certificate = 'filed'",
        $self->{callers}->begin_sql($world),
        "DELETE FROM trelay.certificate_key WHERE certificate = 'keyless'",
        'DO $$ BEGIN PERFORM trelay.rotate_dialog_secret(); END $$';
    for my $match (@MATCHES) {
        my $row = $self->random_row($match);
        $row = $self->random_row($match) while $world->refusal($row);
        $world->put($row);
        $sql .= '; ' . $self->row_sql($row);
    }
    my %route = ('f1' => [ fork => 1, 'biloxi.example' ], 'f2' => [ fork => 1, 'chicago.example' ],
        's1' => [ seq => 1, 'biloxi.example' ], 's2' => [ seq => 2, 'd1.example' ], 'd2' => [ d2 => 1, 'd2.example' ]);
    for my $name (sort keys %route) {
        my ($kind, $priority, $to) = @{ $route{$name} };
        my %row = (name => $name, domain => "$kind.example", priority => $priority, to => $to);
        $row{flags} = $self->random_route_flags;
        $world->{routes}{$name} = \%row;
        $sql .= '; INSERT INTO trelay.route (name, domain, priority, fork, next_hop, flags) VALUES '
            . "('$name', '$row{domain}', $priority, " . ($kind eq 'fork' ? 'true' : 'false') . ", 'sip:$to;transport=tls', "
            . flags_sql($row{flags}) . ')';
    }
    $self->set_peer($_, leaf => $self->random_leaf) for $self->{peers}->names;
    return $self->change('the beginning', $world, $sql);
}

sub random_row ($self, $match, %fixed) {
    my $chance = $self->chance;
    my $level  = $chance->weighed(encrypt => 4, chain => 2, domain => 6);
    my @hops   = $chance->pick([ 'a' ], [ 'b' ], [ 'c' ], [ 'd' ], [ 'e' ], [qw(a c)], [qw(b d)], [qw(c a)]);
    my %row = (
        name            => 'r' . ++$self->{row_count},
        domain          => $match,
        level           => $level,
        expected_domain => $chance->weighed('' => 3, 'biloxi.example' => 4, 'chicago.example' => 2) || undef,
        certificate     => $chance->weighed('' => 5, us1 => 6, us2 => 3, filed => 2, keyless => 1) || undef,
        trust_set       => $chance->weighed('' => 1, fed => 8, other => 3, both => 6, empty => 1) || undef,
        send_sni        => $chance->percent(85) ? 1 : 0,
        sni             => $chance->percent(15) ? 'sni.example' : undef,
        upgrade         => $chance->pick(qw(idle idle never)),
        reuse           => $chance->percent(85) ? 1 : 0,
        weaken          => $chance->pick(qw(refused allowed)),
        trust_flag      => $chance->pick(qw(refused allowed)),
        tls_min         => $chance->percent(20) ? '1.3' : '1.2',
        isolation       => $chance->percent(20) ? 'tenant' : undef,
        max_age         => $chance->percent(15) ? 1 : undef,
        initial_only    => $chance->percent(15) ? 1 : 0,
        pins            => $chance->percent(10) ? $self->{identities}{leaves}{ $chance->pick(qw(biloxi both)) }{certificate}->sha256 : undef,
        priority        => $chance->percent(80) ? 100 : 50,
        next_hop        => $hops[0],
        %fixed,
    );
    $row{reuse} = 0 if $self->{is_reuse_off};
    return with_anchors(\%row);
}

# A pin alone proves certificates that are their own issuer; the peers have none.
sub with_anchors ($row) {
    $row->{trust_set} //= 'fed' if $row->{pins};
    return $row;
}

# --- Operations on the policy ---

sub do_insert ($self) {
    my $row = $self->random_row($self->chance->pick(@MATCHES));
    return $self->try_row("insert $row->{name}", $row, $self->chance->percent(60));
}

# The row of a match gives way to another.
sub do_replace ($self) {
    my $match = $self->chance->pick(@MATCHES);
    my $is_awaited = $self->chance->percent(60);
    my @old = sort map { $_->{name} } grep { $_->{domain} eq $match } values %{ $self->world->{rows} };
    return $self->try_row("replace @old", $self->random_row($match), $is_awaited, @old);
}

sub do_update ($self) {
    my ($chance, $world) = ($self->chance, $self->world);
    my $drawn  = $self->random_row('d1.example');
    my $column = $chance->pick(qw(level expected_domain certificate trust_set send_sni sni upgrade reuse weaken tls_min isolation
        max_age initial_only next_hop));
    my $which = $chance->below(1000);
    my $is_awaited = $chance->percent(60);
    my @names = sort keys %{ $world->{rows} } or return;
    my $old = $world->{rows}{ $names[ $which % @names ] };
    my %row = (%$old, $column => $drawn->{$column});
    return $self->try_row("update $old->{name}.$column", with_anchors(\%row), $is_awaited, $old->{name});
}

# What a row asks for changes under the calls that began with it.
sub do_level ($self) {
    my ($chance, $world) = ($self->chance, $self->world);
    my ($level, $which, $is_awaited) = ($chance->pick(qw(encrypt chain chain domain)), $chance->below(1000), $chance->percent(60));
    my @names = sort keys %{ $world->{rows} } or return;
    my $old = $world->{rows}{ $names[ $which % @names ] };
    return $self->try_row("update $old->{name}.level", { %$old, level => $level }, $is_awaited, $old->{name});
}

sub host_of ($self, $peer) { return $self->{peers}->place($peer) =~ s/:\d+\z//r }

# The address of a peer has a row, or none any more: only who goes there by address meets it.
sub do_address ($self) {
    my ($chance, $world) = ($self->chance, $self->world);
    my $host = $self->host_of($chance->pick($self->{peers}->names));
    my ($is_there, $is_awaited) = ($chance->percent(60), $chance->percent(60));
    my $row = $self->random_row($host, next_hop => []);
    my @old = map { $_->{name} } $world->first_of($host) // ();
    return $self->try_row("the address $host", $row, $is_awaited, @old) if $is_there;
    return if !@old;
    my $copy = $world->copy;
    delete $copy->{rows}{ $old[0] };
    return $self->change("the address $host has no row", $copy, "DELETE FROM trelay.outbound_policy WHERE name = '$old[0]'", $is_awaited);
}

# The database takes a row when the model says so, and otherwise names what is wrong.
sub try_row ($self, $what, $row, $is_awaited, @without) {
    my $world = $self->world->copy;
    delete $world->{rows}{$_} for @without;
    my @wrong = $world->refusal($row);
    my $is_same = @without == 1 && $without[0] eq $row->{name};
    my $sql = $is_same ? $self->row_sql($row, 1)
        : join '; ', (map { "DELETE FROM trelay.outbound_policy WHERE name = '$_'" } @without), $self->row_sql($row);
    $what .= ' ' . join ' ', map { my $value = $row->{$_}; "$_=" . (ref $value ? "@$value" : $value) } grep { defined $row->{$_} } sort keys %$row;
    if (@wrong) {
        $self->note("policy: refused (@wrong): $what");
        my ($version, $why) = $self->commit($sql);
        return $self->{oracle}->violation("INV-47 the database took what it should refuse (@wrong): $what") if defined $version;
        $self->{oracle}->violation("INV-47 refused with \"$why\", not for @wrong: $what") if !grep { $why =~ /\Q$_/ } @wrong;
        return;
    }
    return $self->change($what, $world->put($row), $sql, $is_awaited);
}

sub do_delete ($self) {
    my ($which, $is_awaited) = ($self->chance->below(1000), $self->chance->percent(60));
    my @names = sort keys %{ $self->world->{rows} };
    return if @names < 3;
    my $name  = $names[ $which % @names ];
    my $world = $self->world->copy;
    delete $world->{rows}{$name};
    return $self->change("delete $name", $world, "DELETE FROM trelay.outbound_policy WHERE name = '$name'", $is_awaited);
}

# M3: a row is not what it is called.
sub do_rename ($self) {
    my ($which, $is_awaited) = ($self->chance->below(1000), $self->chance->percent(60));
    my @names = sort keys %{ $self->world->{rows} } or return;
    my $old = $names[ $which % @names ];
    my $new = 'r' . ++$self->{row_count};
    return $self->change("$old is called $new", $self->world->copy->rename_row($old, $new),
        "UPDATE trelay.outbound_policy SET name = '$new' WHERE name = '$old'", $is_awaited);
}

sub do_certificate ($self) {
    my ($chance, $world) = ($self->chance, $self->world->copy);
    my ($name, $leaf) = ($chance->pick(qw(us1 us2)), $chance->pick(qw(own1 own2 own3 own4), undef));
    my $is_awaited = $chance->percent(60);
    $world->{certificates}{$name} = $leaf;
    my $sql = $leaf ? $self->certificate_sql($name, $leaf) : "DELETE FROM trelay.certificate_key WHERE certificate = '$name'";
    return $self->change("certificate $name is " . ($leaf // 'without key'), $world, $sql, $is_awaited);
}

# What is broken is whole again: sets without anchors, certificates without key, domains without a row.
sub do_repair ($self) {
    my $world = $self->world->copy;
    my @sql;
    my %trust = (fed => ['fed'], other => ['other'], both => [qw(fed other)]);
    for my $set (sort grep { !@{ $world->{trust}{$_} } } keys %trust) {
        $world->{trust}{$set} = $trust{$set};
        push @sql, $self->trust_sql($set, $trust{$set});
    }
    for my $name (grep { !$world->{certificates}{$_} } qw(us1 us2)) {
        $world->{certificates}{$name} = 'own1';
        push @sql, $self->certificate_sql($name, 'own1');
    }
    for my $match (@MATCHES) {
        next if grep { $_->{domain} eq $match } values %{ $world->{rows} };
        my $row = $self->random_row($match, trust_set => 'fed', certificate => undef, pins => undef, sni => undef);
        $world->put($row);
        push @sql, $self->row_sql($row);
    }
    return @sql ? $self->change('repair', $world, join '; ', @sql) : undef;
}

# The same paths with another content: nothing happens before a reload, and with it everything.
sub write_files ($self, $leaf) {
    my $own = $self->{identities}{own}{$leaf};
    for ([ 'chain.pem', $own->chain_pem ], [ 'key.pem', $own->key_pem ]) {
        open my $out, '>', "$self->{filed}/$_->[0].new" or die "$_->[0]: $!\n";
        print {$out} $_->[1];
        close $out or die "$_->[0]: $!\n";
        rename "$self->{filed}/$_->[0].new", "$self->{filed}/$_->[0]" or die "$_->[0]: $!\n";
    }
    return;
}

sub do_file ($self) {
    my $leaf = $self->chance->pick(qw(own1 own2 own3 own4));
    $self->await;
    $self->{edge}->daemon->process->wait_until('a database', sub { $self->control('status')->{database} }, PATIENCE_S);
    $self->note("policy: files of certificate filed are $leaf, reload");
    my @worlds = map { $self->world->copy } 0, 1;
    @{$_}{certificates} = { %{ $_->{certificates} } } for @worlds;
    $worlds[0]{certificates}{filed} = undef; # one file of each
    $worlds[1]{certificates}{filed} = $leaf;
    my ($tick, $number) = ++$self->{tick};
    $number = $self->{oracle}->add_world($_, $tick) for @worlds;
    $self->write_files($leaf);
    my $answer = $self->control('reload', mode => 'revalidate');
    $self->{oracle}->violation("reload: $answer->{error}") if $answer->{error};
    $self->control('connections');
    $self->{oracle}->world_rules($number, ++$self->{tick});
    return;
}

sub do_trust ($self) {
    my ($chance, $world) = ($self->chance, $self->world->copy);
    my $set = $chance->pick(qw(fed other both));
    my @anchors = @{ $chance->weighed(['fed'] => 4, ['other'] => 3, [qw(fed other)] => 3, [] => 1) };
    my $is_awaited = $chance->percent(60);
    $world->{trust}{$set} = \@anchors;
    return $self->change("trust set $set is (@anchors)", $world, $self->trust_sql($set, \@anchors), $is_awaited);
}

sub do_route ($self) {
    my ($chance, $world) = ($self->chance, $self->world->copy);
    my ($name, $to) = ($chance->pick(qw(f1 f2 s1 s2 d2)), $chance->pick(@DOMAINS));
    my ($flags, $is_awaited) = ($self->random_route_flags, $chance->percent(60));
    $to = 'd2.example' if $name eq 'd2';
    @{ $world->{routes}{$name} }{qw(to flags)} = ($to, $flags);
    return $self->change("route $name to $to [" . Trelay::Model::World::flags_text($flags) . ']', $world,
        "UPDATE trelay.route SET (next_hop, flags) = ('sip:$to;transport=tls', " . flags_sql($flags) . ") WHERE name = '$name'", $is_awaited);
}

# --- Operations on the peers ---

sub set_peer ($self, $name, %how) {
    $self->note("peer $name: " . join ' ', map { "$_=$how{$_}" } sort keys %how);
    $self->{peers}->set($name, %how);
    $self->{peer}{$name} = { %{ $self->{peer}{$name} }, %how };
    ++$self->{tick};
    return;
}

sub do_leaf ($self) {
    my $chance = $self->chance;
    my ($name, $leaf, $is_cut) = ($chance->pick($self->{peers}->names), $self->random_leaf, $chance->percent(30));
    $self->set_peer($name, leaf => $leaf);
    return $self->cut($name, 0) if $is_cut || $self->{is_reuse_off};
    return;
}

sub random_leaf ($self) {
    return $self->chance->weighed(both => 12, biloxi => 4, below => 2, dns => 2, chicago => 2, beside => 1, elsewhere => 1,
        evil => 1, expired => 1, wild => 1);
}

sub do_manner ($self) {
    my $chance = $self->chance;
    my $name = $chance->pick($self->{peers}->names);
    my $what = $chance->weighed(handshake => 4, request => 5, up => 1, ask => 1, newest => 1);
    my %of = (
        handshake => [qw(normal stall stall wait-close close reset plain after)],
        request   => [qw(answer hold hold close reset last busy)],
        up        => [ 0, 1, 1 ],
        ask       => [qw(ask ask none require)],
        newest    => [qw(1.3 1.3 1.2)],
    );
    return $self->set_peer($name, $what => $chance->pick(@{ $of{$what} }));
}

sub do_cut ($self) {
    my ($name, $is_reset) = ($self->chance->pick($self->{peers}->names), $self->chance->percent(50));
    return $self->cut($name, $is_reset);
}
sub cut ($self, $name, $is_reset) {
    $self->note("peer $name ends its connections" . ($is_reset ? ' by reset' : ''));
    $self->{peers}->cut($name, $is_reset ? 1 : 0);
    return;
}

sub do_release ($self) {
    $self->note('peers let go');
    $self->{peers}->release;
    return;
}

sub do_call    ($self) { return $self->{callers}->do_call }
sub do_profile ($self) { return $self->{callers}->do_profile }
sub do_dialog  ($self) { return $self->{dialogs}->do_dialog }

# The database goes, requests come, it comes back.
sub do_database ($self) {
    $self->note('the database goes');
    $self->{database}->disconnect if $self->{database};
    $self->{database} = undef;
    my $postgres = $self->{edge}{postgres};
    $postgres->stop;
    $self->do_send;
    $self->do_burst;
    $self->pump(0.05);
    $postgres->start;
    $self->note('the database is back');
    return;
}

sub do_reload ($self) {
    my $mode = $self->chance->pick(qw(revalidate revalidate drain drop));
    $self->note("reload $mode");
    my $answer = $self->control('reload', mode => $mode);
    $self->{oracle}->violation("reload $mode: $answer->{error}") if ($answer->{error} // 'no session with') !~ /^no session with/;
    return;
}

# --- Requests ---

# Of "name=value" or "name"; a name alone is "1", and of verify-domain ''.
sub flags_of (@words) {
    return { map { my ($name, $value) = split /=/; $name => $value // ($name eq 'verify-domain' ? '' : 1) } grep { $_ ne '' } @words };
}

sub flags_sql ($flags) { return quote(%$flags ? Trelay::Model::World::flags_text($flags) : undef) }

# Words of what a sender may say in X-Trelay-Flags. Not no-auto-477: its silence lasts 64*T1, and t/541 has the patience;
# nor live, which t/542 has.
sub random_flags ($self) {
    my $chance = $self->chance;
    my $level = $chance->weighed('' => 10, 'verify-chain' => 1, 'verify-domain' => 1, 'verify-domain=biloxi.example' => 1,
        'verify-domain=chicago.example' => 1, 'no-verify' => 4, 'trust=other' => 1, 'trust=fed' => 1, 'trust=empty' => 1);
    return ($level, $chance->weighed('' => 10, 'cert=us1' => 1, 'cert=us2' => 1, 'cert=filed' => 1, 'cert=keyless' => 1, 'no-cert' => 2),
        $chance->weighed('' => 10, 'sni=other.example' => 1, 'no-sni' => 1),
        $chance->weighed('' => 12, 'no-conn-reuse' => 2, 'no-connect' => 1), $chance->weighed('' => 8, 'no-upgrade' => 1),
        $chance->weighed('' => 12, 'max-age=1' => 1), $chance->weighed('' => 8, 'no-dns-failover' => 1),
        $chance->weighed('' => 12, tls => 1), $chance->weighed('' => 10, crl => 1), $chance->weighed('' => 10, ocsp => 1),
        $chance->weighed('' => 30, $level eq 'no-verify' ? '' : 'ocsp-hard' => 1), $chance->weighed('' => 6, 'initial-only' => 1),
        $chance->weighed('' => 30, 'no-100' => 2),
        $chance->weighed('' => 24, 'lookup=dst+default' => 1, 'lookup=src+dst' => 3, 'lookup=src' => 1, 'lookup=ruri+dst' => 1,
            'lookup=addr+dst' => 1, 'lookup=default' => 1, 'lookup=none' => 1));
}

# Likewise in parameters of our Route URI, some in its own words; most senders bring none.
my %PARAMETER = ('verify-chain' => 'level=chain', 'no-conn-reuse' => 'conn=fresh', 'no-connect' => 'conn=reuse-only', tls => 'level=encrypt',
    'verify-domain' => 'level=domain', 'verify-domain=biloxi.example' => 'expect=biloxi.example');
sub random_parameters ($self) {
    my $chance = $self->chance;
    my ($has_some, $in_own_words) = ($chance->percent(15), $chance->percent(50));
    my @words = (
        $chance->weighed('' => 4, 'verify-chain' => 1, 'verify-domain' => 1, 'verify-domain=biloxi.example' => 1, 'no-verify' => 3, tls => 1),
        $chance->weighed('' => 4, 'cert=us1' => 1, 'no-cert' => 1), $chance->weighed('' => 5, 'sni=third.example' => 1, 'no-sni' => 1),
        $chance->weighed('' => 8, 'no-conn-reuse' => 1, 'no-connect' => 1), $chance->weighed('' => 5, 'crl' => 1, 'initial-only' => 1),
    );
    return ({}, '') if !$has_some;
    return (flags_of(@words), join '', map { ';' . ($in_own_words ? $PARAMETER{$_} // $_ : $_) } grep { $_ ne '' } @words);
}

# What an operator writes into a route row; not whether connections are shared, which tests ask for in one more flag.
sub random_route_flags ($self) {
    my $chance = $self->chance;
    return flags_of($chance->weighed('' => 8, 'verify-chain' => 2, 'verify-domain' => 1, 'verify-domain=biloxi.example' => 1, 'no-verify' => 2),
        $chance->weighed('' => 8, 'cert=us2' => 2, 'no-cert' => 1), $chance->weighed('' => 8, 'sni=fourth.example' => 1, 'no-sni' => 1),
        $chance->weighed('' => 5, ocsp => 1, 'initial-only' => 1), $chance->weighed('' => 8, 'max-age=1' => 1, 'no-dns-failover' => 1),
        $chance->weighed('' => 8, 'lookup=src+dst' => 1, 'lookup=dst' => 1));
}

sub random_request ($self, $is_at_rest = 0) {
    my $chance = $self->chance;
    my @flags  = $self->random_flags;
    my ($of_route, $parameters) = $self->random_parameters;
    my $header = flags_of(@flags);
    my $both   = Trelay::Model::World::merged($of_route, $header);
    my $domain = $chance->weighed((map { $_ => 4 } @DOMAINS), (map { $_ => 3 } @ROUTED), 'nobody.example' => 1);
    my $method = $chance->weighed(OPTIONS => 5, MESSAGE => 3, INVITE => 4);
    my $wanted = $chance->weighed(200 => 8, $method eq 'INVITE' ? 486 : 404 => 2);
    my $spelled = $chance->weighed($domain => 8, uc $domain => 1, "$domain." => 1); # M5: all of them the same name
    return { method => $method, domain => $domain, source => SOURCE, spelled => $spelled, header => $header, of_route => $of_route, parameters => $parameters,
        flags => $both // {}, is_contradictory => !$both, text => join(',', grep { $_ ne '' } @flags), wanted => $wanted };
}

sub send ($self, $request) {
    my ($edge, $phone) = ($self->{edge}, $self->{edge}->phone);
    my $id = sprintf '%x', ++$self->{request_count};
    my $token = "s$self->{seed}x$id";
    my $text = request($request->{method}, "sip:token-$token\@$request->{spelled}", via => $phone->via,
        call_id => "$token\@model.invalid", headers => [ [ Subject => $request->{wanted} ],
            $request->{parameters} ne '' ? [ Route => '<sip:' . $edge->host . ":5060;lr$request->{parameters}>" ] : (),
            $request->{text} ne '' ? [ 'X-Trelay-Flags' => $request->{text} ] : () ]);
    %$request = (%$request, token => $token, message => Trelay::SIP::parse($text), sent => ++$self->{tick}, sent_time => time,
        step => $self->{step});
    $self->note("send $token: $request->{method} $request->{spelled} [$request->{text}]$request->{parameters} wants $request->{wanted}");
    $self->{oracle}{requests}{$token} = $self->{in_flight}{$token} = $request;
    push @{ $self->{requests} }, $request;
    $phone->send($text, $edge->host, 5060);
    return $request;
}

sub do_send ($self) {
    for (1 .. $self->chance->weighed(1 => 5, 2 => 3, 4 => 2)) {
        my $request = $self->random_request;
        $self->send($request) if keys %{ $self->{in_flight} } < IN_FLIGHT;
    }
    return;
}

# The same thing wanted several times at once.
sub do_burst ($self) {
    my $request = $self->random_request;
    for (1 .. 2 + $self->chance->below(3)) {
        my $copy = $self->chance->percent(25) ? alone($request) : {%$request};
        $self->send($copy) if keys %{ $self->{in_flight} } < IN_FLIGHT;
    }
    return;
}

sub do_cancel ($self) {
    my $which = $self->chance->below(1000);
    my @calls = sort grep { my $call = $self->{in_flight}{$_}; $call->{method} eq 'INVITE' && !$call->{is_cancelled} }
        keys %{ $self->{in_flight} } or return;
    return $self->cancel($self->{in_flight}{ $calls[ $which % @calls ] });
}

# A call rings, and its connection is lost: where its CANCEL goes is doc/decision/0012. The peer may be another by then.
sub do_lost ($self) {
    my $chance = $self->chance;
    my ($is_reset, $is_moved, $leaf, $asked) = ($chance->percent(20), $chance->percent(50), $self->random_leaf, $self->random_request);
    return if keys %{ $self->{in_flight} } >= IN_FLIGHT;
    my %manner = map { $_ => $self->{peer}{$_}{request} } $self->{peers}->names;
    $self->set_peer($_, request => 'hold') for sort keys %manner;
    my $call = $self->send({ %$asked, method => 'INVITE' });
    my ($deadline, @at) = time + Trelay::Process::patience(RING_S);
    while (!(@at = $self->{oracle}->rings_at($call->{token})) && !defined $call->{done} && time < $deadline) {
        $self->pump(0.01);
        $self->take_diary;
    }
    $self->set_peer($_, request => $manner{$_}) for sort keys %manner;
    return if !@at;
    $self->set_peer($at[0], leaf => $leaf) if $is_moved;
    $self->cut($at[0], $is_reset);
    return $self->cancel($call);
}

# What rang on a connection that is gone would ring until timer C.
sub cancel_lost ($self) {
    $self->take_diary;
    for my $call (map { $self->{in_flight}{$_} } sort keys %{ $self->{in_flight} }) {
        $self->cancel($call) if $call->{method} eq 'INVITE' && !$call->{is_cancelled} && $self->{oracle}->is_lost($call->{token});
    }
    return;
}

sub cancel ($self, $call) {
    $call->{is_cancelled} = 1;
    $self->note("cancel $call->{token}");
    my $message = $call->{message};
    my $text = request('CANCEL', $message->uri, via => scalar $message->header('Via'), from => scalar $message->header('From'),
        to => scalar $message->header('To'), call_id => $message->call_id);
    $self->{edge}->phone->send($text, $self->{edge}->host, 5060);
    return;
}

# Takes what has come to the phone; waits for the first of it up to SECONDS.
sub pump ($self, $seconds = 0) {
    my $phone = $self->{edge}->phone;
    while (IO::Select->new($phone->{socket})->can_read($seconds)) {
        $seconds = 0;
        my $message = $phone->receive(0) // last;
        $self->hear($message);
    }
    return;
}

sub hear ($self, $message) {
    my $status = $message->status // return $self->{callers}->hear($message);
    my ($token) = ($message->call_id // '') =~ /^(\w+)\@model/ or return;
    my $request = $self->{dialogs}->asked($token, $message) // $self->{oracle}{requests}{$token} // return;
    return if $status < 200 || $message->cseq !~ /\Q$request->{method}\E$/;
    $self->{edge}->acknowledge($request->{message}, $message, $self->{edge}->phone) if $request->{method} eq 'INVITE' && $status >= 300;
    return if defined $request->{done};
    my ($reason) = map { /"([a-z0-9-]+)[:"]/ ? $1 : () } $message->header('Warning');
    %$request = (%$request, status => $status, reason => $reason // '', connection => scalar $message->header('X-Conn'),
        done => ++$self->{tick}, warning => join('; ', $message->header('Warning')));
    delete $self->{in_flight}{ $request->{token} };
    $self->{dialogs}->begin($request, $message) if $request->{method} eq 'INVITE' && $status < 300;
    $self->{dialogs}->answered($request);
    $self->note("answered $request->{token}: $status " . ($request->{connection} // '') . " $request->{warning}");
    return;
}

sub wait_for_answers ($self) {
    my $deadline = time + Trelay::Process::patience(PATIENCE_S);
    while (%{ $self->{in_flight} }) {
        $self->pump(0.2);
        last if !$self->{edge}->daemon->process->is_alive || time > $deadline;
    }
    for my $token (sort keys %{ $self->{in_flight} }) {
        my $request = delete $self->{in_flight}{$token};
        $request->{done} = ++$self->{tick};
        $self->{oracle}->violation('L2 no final response', $request);
    }
    return;
}

# --- Rounds ---

my @STIR = (do_send => 30, do_burst => 8, do_insert => 3, do_replace => 6, do_update => 10, do_delete => 2, do_certificate => 3,
    do_trust => 4, do_route => 2, do_leaf => 6, do_manner => 12, do_cut => 5, do_release => 4, do_reload => 2, do_cancel => 5, do_lost => 5,
    do_repair => 3, do_file => 1, do_call => 5, do_profile => 2, do_database => 1, do_dialog => 8, do_rename => 2, do_address => 5,
    do_level => 4);

sub step ($self, $operation) {
    $self->{step}++;
    $self->$operation;
    return $self->pump($operation =~ /^do_(?:send|burst)$/ ? $self->chance->pick(0, 0, 0.005, 0.02) : 0);
}

# At least STEPS steps, or until violations are found; true when there are none.
sub run ($self, $steps, $is_over = sub { 0 }) {
    my $until = $self->{step} + $steps;
    while ($self->{step} < $until && !@{ $self->{oracle}{violations} } && !$is_over->()) {
        eval { $self->round; 1 } or $self->{oracle}->violation("G5 the run ended: $@");
    }
    return !@{ $self->{oracle}{violations} };
}

sub round ($self) {
    $self->step($self->chance->weighed(@STIR)) for 1 .. 5 + $self->chance->below(15);
    $self->rest;
    $self->account;
    return;
}

# Everything comes to its end; then requests whose answer is known.
sub rest ($self) {
    my @restless = grep { $self->{peer}{$_}{handshake} ne 'normal' || $self->{peer}{$_}{request} ne 'answer' } $self->{peers}->names;
    $self->set_peer($_, handshake => 'normal', request => 'answer') for @restless;
    $self->do_repair if $self->chance->percent(60);
    $self->await;
    $self->do_release;
    $self->cancel_lost;
    $self->wait_for_answers;
    $self->settle;
    for (1 .. 2 + $self->chance->below(3)) {
        $self->{step}++;
        $self->chance->percent(70) ? $self->ask_one : $self->ask_several;
    }
    $self->{callers}->do_call(1) if $self->chance->percent(50);
    $self->{dialogs}->ask_at_rest for 1 .. $self->chance->below(3);
    return;
}

# Until relay and peers agree on how many connections there are.
sub settle ($self) {
    my $oracle = $self->{oracle};
    my ($theirs, $ours);
    my $is_settled = eval {
        $self->{edge}->daemon->process->wait_until('agreement on connections', sub {
            $self->pump;
            $self->take_diary;
            my @shown = grep { $_->{direction} eq 'outbound' && ($_->{transport} // 'tls') eq 'tls' } @{ $self->control('connections')->{connections} };
            my %once = map { $_->{id} => 1 } @shown;
            $oracle->violation('G6 a connection is shown twice') if keys %once != @shown;
            $theirs = grep { $_->{is_open} } values %{ $oracle->{connections} };
            $ours   = @shown;
            return $theirs == $ours && !grep { $_->{state} !~ /^(?:ready|draining)$/ } @shown;
        }, PATIENCE_S);
    };
    $oracle->violation("L2 the relay has $ours connections, the peers $theirs: $@") if !$is_settled;
    return;
}

sub take_diary ($self) {
    $self->{oracle}->absorb($self->{peers}->events);
    return;
}

# One request, of which explain knows beforehand what will come of it; then twice more.
sub ask_one ($self) {
    my $asked = $self->random_request(1);
    my $is_routed = grep { $_ eq $asked->{domain} } @ROUTED;
    my $explained = $is_routed ? undef : $self->explain($asked);
    my $request = $self->served_at_rest({%$asked});
    push @{ $self->{outcomes} }, $request->{outcome} // '?';
    $self->{explained}{ $request->{token} } = $explained if $explained;
    return if !$request->{connection} || $is_routed;
    my %there = map { $_->{name} => 1 } $self->{oracle}->open_connections($request->{connection} =~ s{/.*}{}r);
    my ($need) = $self->{oracle}->needs_of($request);
    my $again = $self->served_at_rest({%$asked});
    my $is_kept = $self->{oracle}{connections}{ $request->{connection} }{is_open}; # it may have had its age
    $self->{oracle}->violation("L1 on $again->{connection}, although $request->{connection} was there", $again)
        if !$need->{is_fresh} && !$need->{max_age} && $again->{connection} && !$there{ $again->{connection} } && $is_kept;
    return if $asked->{flags}{'no-connect'} || $asked->{flags}{'no-conn-reuse'};
    my $alone = $self->served_at_rest(alone($asked));
    my @met = map { $_->{connection} ? $self->{oracle}{connections}{ $_->{connection} } : () } $alone, $request;
    my $is_same = ($alone->{outcome} // '') eq ($request->{outcome} // '') && (@met < 2 || Trelay::Model::Oracle::same_client(@met));
    $self->{oracle}->violation("M1 \"$alone->{outcome}\" without reuse, \"$request->{outcome}\" with it", $alone)
        if $alone->{outcome} && $request->{outcome} && $alone->{leaf} eq $request->{leaf} && !$is_same;
    $self->served_at_rest({%$asked}); # not where that one was
    return;
}

# What the relay says beforehand; undef where flags of our Route URI, which nobody can be asked about, contradict others.
sub explain ($self, $asked) {
    my ($own) = map { $_->{flags} } grep { $_->{domain} eq $asked->{domain} } values %{ $self->world->{routes} };
    my $flags = Trelay::Model::World::merged($own // {}, $asked->{of_route}) // return;
    return $self->control('explain', destination => "sip:token-none\@$asked->{spelled}", source => $asked->{source},
        %$flags ? (flags => Trelay::Model::World::flags_text($flags)) : (),
        $asked->{text} ne '' ? ('sender-flags' => $asked->{text}) : ());
}

# The same request on a connection of its own.
sub alone ($asked) {
    return {%$asked} if $asked->{is_contradictory} || $asked->{flags}{'no-connect'} || $asked->{flags}{'no-conn-reuse'};
    return { %$asked, flags => { %{ $asked->{flags} }, 'no-conn-reuse' => 1 }, header => { %{ $asked->{header} }, 'no-conn-reuse' => 1 },
        text => join ',', grep { $_ ne '' } $asked->{text}, 'no-conn-reuse' };
}

sub unverified ($asked) {
    return { %$asked, parameters => '', is_contradictory => 0, text => 'no-verify', map { $_ => { 'no-verify' => 1 } } qw(flags header) };
}

sub served_at_rest ($self, $request) {
    return ($self->served_together($request))[0];
}

sub ask_several ($self) {
    my @drawn = map { $self->random_request(1) } 1 .. 4;
    my @requests = $self->served_together(map { {%$_} } @drawn);
    push @{ $self->{outcomes} }, map { $_->{outcome} // '?' } @requests;
    # M2, M4: the same in another order, beside unverified requests to the same next hops.
    my @others = $self->served_together(map { (unverified($_), {%$_}) } reverse @drawn);
    for my $request (@requests) {
        my (undef, $again) = splice @others, -2;
        my $is_known = defined $request->{outcome} && defined $again->{outcome} && $request->{leaf} eq $again->{leaf};
        $self->{oracle}->violation("M2 M4 \"$again->{outcome}\" in another order beside others, \"$request->{outcome}\" before", $again)
            if $is_known && $request->{outcome} ne $again->{outcome};
    }
    return;
}

# All at one time.
sub served_together ($self, @asked) {
    my @requests = map { $self->send($_) } @asked;
    $self->wait_for_answers;
    $self->judge_served($_) for @requests;
    return @requests;
}

sub judge_served ($self, $request) {
    $self->take_diary;
    $request->{leaf} = $request->{connection} ? $self->{oracle}{connections}{ $request->{connection} }{leaf} : '';
    $request->{outcome} = $self->{oracle}->judge_at_rest($request, $self->{peer}) if defined $request->{status};
    return $request;
}

# What the records say of the round's requests.
sub account ($self) {
    my $oracle = $self->{oracle};
    $self->take_diary;
    # What has not ended by then is judged as being there.
    eval { $self->{edge}->daemon->process->wait_until('ends of connections', sub { $self->take_diary; !$oracle->ends_to_come }, END_S) };
    $oracle->judge;
    my %asked = map { my $begun = $_->{dialog} ? $_->{dialog}{invite} : $_; ("$begun->{token}\@model.invalid $_->{method}" => $_) }
        splice(@{ $self->{requests} }), $self->{dialogs}->take_asked;
    my $wanted = join ',', map { quote(s/ .*//r) } sort keys %asked or return;
    my %records;
    my $is_there = eval {
        $self->{edge}->daemon->process->wait_until('records', sub {
            my $rows = $self->database->selectall_arrayref("SELECT * FROM trelay.transaction_record WHERE call_id IN ($wanted)",
                { Slice => {} }) // return 0;
            %records = ();
            push @{ $records{"$_->{call_id} $_->{method}"} }, $_ for @$rows;
            return !grep { !$records{$_} } keys %asked;
        }, PATIENCE_S);
    };
    $oracle->violation("R records are missing: $@") if !$is_there;
    for my $name (grep { defined $asked{$_}{status} } sort keys %asked) {
        my ($request, @records) = ($asked{$name}, @{ $records{$name} // [] });
        $oracle->judge_record($request, @records);
        $oracle->judge_pinned($request, @records);
        $self->compare_with_explained($request, $records[0]);
    }
    return;
}

sub compare_with_explained ($self, $request, $record) {
    my $explained = delete $self->{explained}{ $request->{token} } // return;
    my $told = ($explained->{decision} // $explained->{error} // '?') . ' ' . ($explained->{reason} // '');
    my $say = sub ($what) { $self->{oracle}->violation("INV-50 explain said \"$told\", $what", $request) };
    if (!$request->{connection}) {
        my $is_known = ($explained->{decision} // '') ne 'reject' || $explained->{reason} eq $record->{reason};
        return $is_known ? undef : $say->("the request was refused with $record->{reason}");
    }
    if (($explained->{decision} // 'reject') eq 'reject') {
        my ($need) = $self->{oracle}->needs_of($request);
        my $is_of_one = $request->{flags}{'no-connect'} && @{ $need->{peers} // [] } > 1; # explain tells of the first next hop
        return $is_of_one ? undef : $say->('the request was served');
    }
    my ($peer) = split m{/}, $request->{connection};
    return if $explained->{target} ne $self->{peers}->place($peer);
    my $may_age = grep { $_->{max_age} } $self->{oracle}->needs_of($request); # between the question and the request
    $say->("the decision was $record->{outbound_decision}")
        if !$may_age && $explained->{decision} ne $record->{outbound_decision};
    $say->("the key was another: $record->{outbound_key_digest}") if $explained->{key_digest} ne $record->{outbound_key_digest};
    return;
}

# --- The end ---

# Ends everything; the violations, each with what led there.
sub finish ($self) {
    my $oracle = $self->{oracle};
    my $process = $self->{edge}->daemon->process;
    $self->{edge}->daemon->{process} = undef;
    my $status = $process->stop;
    my $report = $process->sanitizer_report;
    $oracle->violation("G5 trelayd ended with $status\n$report") if $status || $report ne '';
    my ($twice) = $self->database->selectrow_array('SELECT string_agg(call_id, $$ $$) FROM (SELECT call_id FROM'
            . ' trelay.transaction_record GROUP BY call_id, method HAVING count(*) > 1) AS q');
    $oracle->violation("R several records: $twice") if defined $twice;
    my $peers = $self->{peers}->stop;
    $oracle->violation("the peers ended with $peers: " . $self->{peers}{process}->output) if $peers;
    $self->database->disconnect;
    $self->{edge}{postgres}->destroy;
    return map { $self->tell($_) } @{ $oracle->{violations} };
}

sub tell ($self, $violation) {
    my $request = $violation->{request};
    my $text = "seed $self->{seed}, step " . ($request ? $request->{step} : $self->{step}) . ": $violation->{what}\n";
    return $text if !$request;
    $text .= "  request $request->{token}: $request->{method} $request->{domain} flags [$request->{text}]" . ($request->{parameters} // '') . ", answered "
        . join(' ', map { $_ // '-' } @$request{qw(status reason connection)}) . "\n";
    for my $need ($self->{oracle}->needs_of($request)) {
        $text .= '  could need: ' . join(' ', map { my $value = $need->{$_}; "$_=" . (ref $value eq 'ARRAY' ? "@$value" : $value) }
            grep { defined $need->{$_} && $_ ne 'flags' } sort keys %$need) . "\n";
    }
    for my $seen (@{ $self->{oracle}{seen}{ $request->{token} } // [] }) {
        $text .= "  seen: $seen->{method} on $seen->{peer}/$seen->{n}\n";
    }
    my @rows = map { $_->{row} // () } $self->{oracle}->needs_of($request);
    my $concerned = join '|', map { quotemeta } $request->{token}, $request->{spelled} // (), $request->{domain}, @rows, 'the beginning', 'repair';
    my @lines = grep { /\b(?:$concerned)\b|peer |trust set|certificate us|reload|let go/ && !(/ answered (\w+)/ && $1 ne $request->{token}) }
        @{ $self->{log} };
    splice @lines, 0, @lines - 60 if @lines > 60;
    return $text . join '', map { "  $_\n" } @lines;
}

1;
