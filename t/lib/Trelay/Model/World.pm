# SPDX-License-Identifier: GPL-2.0-or-later
# World.pm - what a request must get, by the rows that there are: the manual's words (trelay-policy(7), trelay-flags(7))
# written down a second time, without a look at the relay's own code.
# In:  rows, trust sets, certificates, a request. Out: for each next hop what it has to prove and what it must be shown,
#      or why the relay has to refuse.
# Never: what the relay did; connections.
package Trelay::Model::World;

use v5.36;

use Storable qw(dclone);

# What a column of a row has when nothing is said.
my %COLUMN = (priority => 100, level => 'domain', send_sni => 1, tls_min => '1.2', upgrade => 'idle', reuse => 1,
    weaken => 'refused', trust_flag => 'refused', initial_only => 0);
my %RANK = (encrypt => 1, chain => 2, domain => 3);

# proofs: a Trelay::Model::Proofs; own: name of a client's leaf => SHA-256.
sub new ($class, %options) {
    return bless { rows => {}, trust => {}, certificates => {}, routes => {}, callers => {}, %options }, $class;
}

sub copy ($self) {
    my $copy = bless {%$self}, ref $self;
    $copy->{$_} = dclone($self->{$_}) for qw(rows trust certificates routes callers);
    return $copy;
}

sub is_validating ($level) { return $RANK{$level} >= 2 }

# Would the database take this row? What it could name as wrong, nothing when it would.
sub refusal ($self, $new, $old_name = undef) {
    my %row = (%COLUMN, %$new);
    my @wrong;
    push @wrong, 'trust_set_needed' if is_validating($row{level}) && !$row{trust_set} && !$row{pins};
    push @wrong, 'pins_need' if $row{pins} && !is_validating($row{level});
    push @wrong, 'sni_not_without' if !$row{send_sni} && defined $row{sni};
    push @wrong, 'certificate_fk' if $row{certificate} && !exists $self->{certificates}{ $row{certificate} };
    push @wrong, 'trust_set_fk' if $row{trust_set} && !$self->{trust}{ $row{trust_set} };
    for my $other (grep { $_->{name} ne ($old_name // '') } values %{ $self->{rows} }) {
        push @wrong, 'outbound_policy_pk' if $other->{name} eq $row{name};
        push @wrong, 'priority_uq' if $other->{domain} eq $row{domain} && $other->{priority} == $row{priority};
    }
    return @wrong;
}

# Each new row has a number of its own, as in the database; another name or content does not change it.
my $written = 0;
sub put ($self, $row) {
    $self->{rows}{ $row->{name} } = { %COLUMN, %$row, serial => $row->{serial} // ++$written };
    return $self;
}

sub rename_row ($self, $old, $new) {
    $self->{rows}{$new} = { %{ delete $self->{rows}{$old} }, name => $new };
    return $self;
}

sub row_for ($self, $domain) {
    my @labels = split /\./, $domain;
    my @match = ($domain, map { join '.', '*', @labels[ $_ .. $#labels ] } 1 .. $#labels - 1);
    for my $match (@match) {
        my $first = $self->first_of($match);
        return $first if $first;
    }
    return;
}

sub first_of ($self, $match) {
    my ($first) = sort { $a->{priority} <=> $b->{priority} } grep { $_->{domain} eq $match } values %{ $self->{rows} };
    return $first;
}

# --- Flags of several sources ---

# Flags of two sources, each a hash: those of the later one, of which a contradiction is nobody's to choose from (undef).
my @OPPOSITE = ([qw(cert no-cert)], [qw(sni no-sni)]);
my @PROOF = qw(verify-chain verify-domain trust ocsp-hard);
sub merged ($earlier, $later) {
    return if !defined $earlier || !defined $later;
    my %flags = (%$earlier, %$later);
    for my $pair (@OPPOSITE) {
        next if !grep { exists $later->{$_} } @$pair;
        delete @flags{@$pair};
        $flags{$_} = $later->{$_} for grep { exists $later->{$_} } @$pair;
    }
    is_one_identity($earlier, $later, \%flags) or return;
    my ($age) = sort { $a <=> $b } grep { defined } map { $_->{'max-age'} } $earlier, $later;
    $flags{'max-age'} = $age if defined $age;
    delete $flags{'no-verify'} if grep { exists $flags{$_} } @PROOF;
    return if exists $flags{'no-connect'} && exists $flags{'no-conn-reuse'};
    return \%flags;
}

# Two that name an identity name the same one; one without a name takes none away.
sub is_one_identity ($earlier, $later, $flags) {
    my @names = grep { defined && $_ ne '' } map { $_->{'verify-domain'} } $later, $earlier;
    $flags->{'verify-domain'} = $names[0] if @names;
    return @names < 2 || $names[0] eq $names[1];
}

# As one source would write them.
sub flags_text ($flags) {
    my %has_value = map { $_ => 1 } qw(cert sni trust max-age lookup);
    return join ',', map { $has_value{$_} || ($_ eq 'verify-domain' && $flags->{$_} ne '') ? "$_=$flags->{$_}" : $_ } sort keys %$flags;
}

# --- Which row rules ---

my $USUAL = 'dst+addr+default';
# Nobody is found by a name here: whose row is not known without an address is refused for want of one.
my @UNKNOWN = qw(no-policy dns-failed no-address);
# Nor by flags alone, which name no address; but what stands against them may be told first (doc/decision/0019).
my @ALONE = qw(unknown-trust-set trust-flag-refused flag-conflict unsupported-feature);

# The row that these look-ups lead to, or reasons.
sub look_up ($self, $order, $domain, $request) {
    return (undef, @ALONE, @UNKNOWN) if $order eq 'none';
    my %row = (dst => sub { $self->row_for($domain) }, ruri => sub { $self->row_for($request->{domain}) },
        src => sub { $self->first_of($request->{source}) }, peer => sub { }, default => sub { }, live => sub { });
    for my $step (split /\+/, $order) {
        return (undef, @UNKNOWN) if $step eq 'addr';
        my $row = $row{$step}->();
        return $row if $row;
    }
    return (undef, @UNKNOWN);
}

# What a target with these flags needs; OWN are those of the route row. A sender's look-ups lead elsewhere only where the
# usual row permits it (doc/decision/0018).
sub ruled ($self, $domain, $flags, $own, $request) {
    my $usual_order = $own->{lookup} // $USUAL;
    my ($row, @deny) = $self->look_up($flags->{lookup} // $usual_order, $domain, $request);
    my $is_senders = exists(($request->{header} // {})->{lookup});
    my ($usual, @usual_deny) = $self->look_up($usual_order, $domain, $request);
    return { deny => [ @deny, $is_senders ? $self->denied_for($usual, $domain, $flags) : () ],
        $is_senders && $usual ? (level => $self->requirement($domain, $flags, $usual)->{level}) : () } if !$row;
    my $need = $self->requirement($domain, $flags, $row);
    return $need if !$is_senders || $usual && $usual == $row;
    return { deny => [ @usual_deny, @{ $need->{deny} // [] } ], level => $need->{level} } if !$usual;
    my $usually = $self->requirement($domain, $flags, $usual);
    my ($level) = sort { $RANK{$b} <=> $RANK{$a} } $need->{level}, $usually->{level};
    my @more = $self->is_unusable($row) ? @{ $need->{deny} } : ();
    return { deny => [ @{ $usually->{deny} }, @more ], level => $level } if $self->is_unusable($usual);
    return { deny => [ 'weaken-refused', @more ], level => $level } if $usual->{weaken} ne 'allowed';
    return $need;
}

# What may be said of the usual row, where a sender's look-ups lead to none.
sub denied_for ($self, $usual, $domain, $flags) {
    my @unusable = $usual && $self->is_unusable($usual) ? @{ $self->requirement($domain, $flags, $usual)->{deny} } : ();
    return ('weaken-refused', @unusable);
}

# The route rows that are followed, of those in their order: what comes after others is an alternative to each, with the
# same flags, or is passed over (doc/decision/0003). Those of one priority fork, each with its own.
sub followed (@routes) {
    my (@followed, @targets);
    for my $route (@routes) {
        my $flags = flags_text($route->{flags} // {});
        next if grep { $_->{priority} != $route->{priority} && flags_text($_->{flags} // {}) ne $flags } @targets;
        push @followed, $route;
        push @targets, $route if !grep { $_->{to} eq $route->{to} } @targets;
    }
    return @followed;
}

# The targets of a request, in order: each with group (those of one group are tried at one time), domain, and what
# requirement() says of it.
sub targets ($self, $request, $routing = $self) {
    my @routes = followed(sort { $a->{priority} <=> $b->{priority} } grep { $_->{domain} eq $request->{domain} }
        values %{ $routing->{routes} });
    @routes = { priority => 0, to => $request->{domain} } if !@routes;
    my @merged = map { scalar merged($_->{flags} // {}, $request->{flags}) } @routes;
    return map { { group => 0, domain => $_->{to}, deny => ['flag-conflict'] } } @routes if $request->{is_contradictory} || grep { !defined } @merged;
    my ($floor, $group, $level) = (0, -1, 0);
    my (@targets, %group_of);
    for my $route (@routes) {
        ($floor, $group) = ($level, $route->{priority}) if $route->{priority} != $group;
        my $flags  = shift @merged;
        next if ($group_of{ $route->{to} } //= $group) != $group; # no URI is tried twice (16.5)
        my $target = $self->ruled($route->{to}, $flags, $route->{flags} // {}, $request);
        my $rank = $target->{level} ? $RANK{ $target->{level} } : 0;
        $target = { deny => ['weaken-refused'] } if !$target->{deny} && $rank < $floor;
        $level = $rank if $rank > $level;
        push @targets, { %$target, group => $group, domain => $route->{to}, flags => $flags };
    }
    return @targets;
}

# What a request within a call must get that goes to PEER by the address HOST (doc/decision/0014). PIN is what the call began
# with: serial of the row, level, domain where the row names none, flags. The row of the address rules
# where it asks for more than the pin, and where the pin's row is gone if it asks for as much.
sub within ($self, $pin, $peer, $host) {
    my $address = $self->first_of($host);
    my ($row) = grep { $_->{serial} == $pin->{serial} } values %{ $self->{rows} };
    undef $row if !is_validating($pin->{level}) || $row && $self->first_of($row->{domain}) != $row;
    undef $row if $row && $self->is_unusable($row);
    my %place = (group => 0, domain => $peer);
    return { %place, deny => ['no-policy'] } if !$row && !$address;
    my %ordinary = (%{ $self->requirement(undef, {}, $address) }, %place) if $address;
    my $need = !$row ? \%ordinary : { $self->pinned($row, $pin), %place, is_pinned => 1 };
    return { %place, deny => [ @{ $ordinary{deny} // [] }, 'weaken-refused' ] }
        if !$row && is_validating($pin->{level}) && $RANK{ $address->{level} } < $RANK{ $pin->{level} };
    $need = \%ordinary if $address && ($self->is_unusable($address) || $RANK{ $address->{level} } > $RANK{ $need->{level} });
    return $need->{deny} ? $need : { %$need, peers => [$peer] };
}

sub pinned ($self, $row, $pin) {
    my $flags = $pin->{flags};
    my @kept  = grep { exists $flags->{$_} && ($_ ne 'verify-domain' || $flags->{$_} ne '') } qw(cert no-cert sni no-sni trust verify-domain
        crl ocsp);
    my $is_lighter = $row->{initial_only} || exists $flags->{'initial-only'} && $row->{weaken} eq 'allowed';
    return %{ $self->requirement($pin->{domain}, { map { $_ => $flags->{$_} } @kept }, $row, $pin->{level}, $is_lighter) };
}

# Of no use, whatever it is asked for.
sub is_unusable ($self, $row) {
    return $row->{trust_set} && !@{ $self->{trust}{ $row->{trust_set} } }
        || $row->{certificate} && !$self->{certificates}{ $row->{certificate} };
}

# What a next hop of that domain must be: a hash with deny => [reasons], or with level, expected, sni, client, anchors,
# and the rest of what tells connections apart. Of the ROW given, and no less than FLOOR, of which the domain was for the
# first request alone if it IS_LIGHTER.
sub requirement ($self, $domain, $flags, $row, $floor = 'encrypt', $is_lighter = 0) {
    my %need = (row => $row->{name}, level => $floor, map { $_ => $row->{$_} } qw(serial tls_min isolation pins upgrade max_age));
    $need{is_named} = defined $row->{expected_domain};
    my @deny;
    push @deny, qw(policy-unusable unknown-trust-set) if $row->{trust_set} && !@{ $self->{trust}{ $row->{trust_set} } };
    push @deny, qw(policy-unusable unknown-certificate)
        if $row->{certificate} && !$self->{certificates}{ $row->{certificate} };
    push @deny, $self->add_level($row, $flags, \%need, $is_lighter), $self->add_trust($row, $flags, \%need),
        $self->add_names($row, $flags, $domain, \%need), $self->add_certificate($row, $flags, \%need);
    push @deny, is_validating($need{level}) ? 'unsupported-feature' : 'flag-conflict' if exists $flags->{'ocsp-hard'};
    return { deny => \@deny, level => $need{level} } if @deny;
    $need{peers} = [ $flags->{'no-dns-failover'} ? $row->{next_hop}[0] : @{ $row->{next_hop} } ];
    $need{is_fresh} = $flags->{'no-conn-reuse'} || !$row->{reuse};
    $need{upgrade} = 'never' if $flags->{'no-upgrade'};
    my $asked = $flags->{'max-age'};
    $need{max_age} = $asked if defined $asked && (!$need{max_age} || $asked < $need{max_age});
    if (!is_validating($need{level})) {
        $need{anchors} = $need{pins} = undef;
    }
    else {
        $need{checks} = join '+', grep { exists $flags->{$_} } qw(crl ocsp);
    }
    return \%need;
}

sub add_level ($self, $row, $flags, $need, $is_lighter) {
    my $wanted = exists $flags->{'verify-domain'} ? 'domain'
        : exists $flags->{'verify-chain'} || exists $flags->{trust} ? 'chain'
        :                                                             'encrypt';
    my ($level) = sort { $RANK{$b} <=> $RANK{$a} } $wanted, $row->{level}, $need->{level};
    $need->{level} = $level eq 'domain' && $is_lighter ? 'chain' : $level;
    return if !exists $flags->{'no-verify'} || $need->{level} eq 'encrypt';
    return 'weaken-refused' if $row->{weaken} ne 'allowed';
    $need->{level} = 'encrypt';
    return;
}

sub add_trust ($self, $row, $flags, $need) {
    my $set = $row->{trust_set};
    my @deny;
    if (defined(my $by_flag = $flags->{trust})) {
        push @deny, 'trust-flag-refused' if $by_flag ne ($set // '') && $row->{trust_flag} ne 'allowed';
        push @deny, 'unknown-trust-set' if !@{ $self->{trust}{$by_flag} // [] };
        $set = $by_flag;
    }
    $need->{anchors} = $set && join ',', @{ $self->{trust}{$set} // [] };
    push @deny, 'unknown-trust-set' if is_validating($need->{level}) && !$set && !$row->{pins};
    return @deny;
}

sub add_names ($self, $row, $flags, $domain, $need) {
    my $by_flag = $flags->{'verify-domain'};
    $by_flag = undef if defined $by_flag && $by_flag eq '';
    my $by_row = $row->{expected_domain};
    my @deny = defined $by_flag && defined $by_row && $by_flag ne $by_row && $row->{weaken} ne 'allowed'
        && $need->{level} eq 'domain' ? 'flag-conflict' : ();
    my $expected = $by_flag // $by_row // $domain;
    push @deny, 'no-expected-domain' if !defined $expected && $need->{level} eq 'domain';
    $need->{expected} = $expected if $need->{level} eq 'domain';
    $need->{sni} = exists $flags->{'no-sni'} ? ''
        : $flags->{sni}                      ? $flags->{sni}
        : !$row->{send_sni}                  ? ''
        : $row->{sni} // ($need->{level} eq 'domain' ? $expected : $by_row // $domain) // '';
    return @deny;
}

sub add_certificate ($self, $row, $flags, $need) {
    my $name = exists $flags->{'no-cert'} ? undef : $flags->{cert} // $row->{certificate};
    $need->{client} = '';
    return if !defined $name;
    my $leaf = $self->{certificates}{$name} or return 'unknown-certificate';
    $need->{client} = $self->{own}{$leaf};
    return;
}

# Whether what a connection is (peer, leaf, sni, client, version) fulfils what is needed.
sub fits ($self, $need, $connection) {
    return 0 if $connection->{sni} ne $need->{sni};
    return 0 if $connection->{client} ne ($connection->{ask} eq 'none' ? '' : $need->{client});
    return 0 if $connection->{version} lt $need->{tls_min};
    return $self->{proofs}->proves($connection->{leaf}, $need);
}

# What tells connections apart, as text.
sub key ($need, $peer) {
    my @both = ($peer, map { $_ // '-' } @$need{qw(client sni tls_min isolation)});
    return join ' ', @both, 'encrypt' if !is_validating($need->{level});
    return join ' ', @both, $need->{level}, map { $_ // '-' } @$need{qw(expected anchors pins checks)};
}

# May a connection of the one key become one of the other? Its version is above the floor, wherever that was before.
sub may_become ($from, $to) {
    my @from = split / /, $from;
    my @to   = split / /, $to;
    return @from == 6 && @to > 6 && "@from[0 .. 2, 4]" eq "@to[0 .. 2, 4]";
}

package Trelay::Model::Proofs;

use v5.36;

use Trelay::PKI;

# authorities: name => authority; leaves: name => { certificate, uri => [], dns => [] }.
sub new ($class, %options) { return bless {%options}, $class }

# Which authorities' chains lead to, as the openssl program says: each pair is asked for once.
sub is_issued_by ($self, $leaf, $authority) {
    return $self->{known}{$leaf}{$authority} //= do {
        my $certificate = $self->{leaves}{$leaf}{certificate};
        my $anchor = $self->{authorities}{$authority}->certificate;
        my $is_good = eval {
            Trelay::PKI::run('openssl', 'verify', '-no-CApath', '-no-CAstore', '-x509_strict', '-purpose', 'sslserver',
                '-CAfile', $anchor, '-untrusted', $certificate->chain, $certificate->certificate);
        };
        $is_good ? 1 : 0;
    };
}

# RFC 5922: SIP URIs, and DNS names only where there is none.
sub has_name ($self, $leaf, $domain) {
    my ($uri, $dns) = @{ $self->{leaves}{$leaf} }{qw(uri dns)};
    my @names = $uri && @$uri ? map { s/^sip://r } @$uri : @{ $dns // [] };
    return scalar grep { lc $_ eq lc $domain } @names;
}

sub proves ($self, $leaf, $need) {
    return 1 if $need->{level} eq 'encrypt';
    return 0 if $need->{pins} && $self->{leaves}{$leaf}{certificate}->sha256 ne $need->{pins};
    return 0 if defined $need->{anchors} && !grep { $self->is_issued_by($leaf, $_) } split /,/, $need->{anchors};
    return $need->{level} eq 'chain' || $self->has_name($leaf, $need->{expected}) ? 1 : 0;
}

1;
