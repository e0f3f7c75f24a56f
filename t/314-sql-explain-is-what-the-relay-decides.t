#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# trelay.explain() and the relay's own code (src/policy/lookup.c, src/decide/requirement.c, by way of src/db) say the
# same of the same rows, over many random cases; so do the checks of names and flags.
use v5.36;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::DbProbe;
use Trelay::Pem;
use Trelay::Postgres;
use Test::More;

# TRELAY_SEED repeats a run.
my $seed = $ENV{TRELAY_SEED} // time ^ $$;
srand $seed;
note "TRELAY_SEED=$seed";
sub one_of (@list) { return $list[rand @list] }
sub chance ($percent) { return rand(100) < $percent }

my $pg = Trelay::Postgres->with_schema;
my $ca = Trelay::Pem::authority('CA one');
my @leaf = map { Trelay::Pem::leaf($ca, "$_.example") } qw(a b);
my @pin = map { $_ x 64 } qw(c a b);
my @domains = map { my $top = $_; ($top, "x.$top", "y.x.$top", "z.y.x.$top") } qw(biloxi.example chicago.example test);
my @networks = qw(0.0.0.0/0 192.0.0.0/8 192.0.2.0/24 192.0.2.0/25 192.0.2.7/32 2001:db8::/32 2001:db8::/64 2001:db8::1/128 ::/0);
my @addresses = qw(192.0.2.7 192.0.2.8 192.0.2.200 192.1.1.1 198.51.100.1 2001:db8::1 2001:db8::2 2001:db8:1::1 2001:db9::1);
my @peers = qw(pa pb);

# As explain() spells a refusal: what the row would have asked for beyond its name is not compared.
sub columns ($text) { return $text =~ /^allow/ ? $text : join '|', (split /\|/, $text, -1)[0 .. 2] }

sub quoted ($text) { return defined $text ? "'$text'" : 'NULL' }

sub random_row ($number) {
    my %row = (name => "r$number", level => one_of(qw(none encrypt chain domain)), priority => one_of(10, 20, 30));
    my $match = int rand 10;
    if    ($match < 4)  { $row{domain}        = (chance(50) ? '*.' : '') . one_of(@domains) }
    elsif ($match < 7)  { $row{address}       = one_of(@networks) }
    elsif ($match == 7) { $row{source_domain} = one_of(@domains) }
    elsif ($match == 8) { $row{peer}          = one_of(@peers) }
    else                { $row{is_default}    = 'true' }
    my $is_judged = $row{level} =~ /chain|domain/;
    $row{trust_set}       = one_of(qw(t1 t1 t1 t2 t2 t2 empty)) if chance($is_judged ? 90 : 40);
    $row{pins}            = '{' . join(',', map { one_of(@pin) } 1 .. 1 + rand 3) . '}' if $is_judged && (!$row{trust_set} || chance(20));
    $row{expected_domain} = one_of(@domains) if chance(30);
    $row{certificate}     = one_of(qw(a a a b b b keyless module)) if chance(40);
    $row{send_sni}        = 'false' if chance(20);
    $row{sni}             = one_of(@domains) if !$row{send_sni} && chance(30);
    $row{crl}             = one_of(qw(soft), $is_judged && chance(20) ? 'hard' : ()) if chance(20);
    $row{ocsp}            = one_of(qw(soft), $is_judged && chance(20) ? 'hard' : ()) if chance(20);
    $row{weaken}          = 'allowed' if chance(30);
    $row{trust_flag}      = 'allowed' if chance(50);
    $row{enabled}         = 'false'   if chance(10);
    my @names = sort keys %row;
    return sprintf 'INSERT INTO trelay.outbound_policy (%s) VALUES (%s) ON CONFLICT DO NOTHING;', join(', ', @names),
        join(', ', map { quoted($row{$_}) } @names);
}

sub random_flags () {
    my %value = (
        'verify-domain' => sub { chance(50) ? one_of(@domains) : undef },
        cert     => sub { one_of(qw(a b keyless module nobody)) },
        trust    => sub { one_of(qw(t1 t2 empty nobody)) },
        sni      => sub { one_of(@domains) },
        'max-age' => sub { one_of(qw(30 90s 2m 1h 1d)) },
        lookup   => sub {
            return 'none' if chance(20);
            my @steps = sort { rand() <=> 0.5 } qw(dst ruri src addr peer default);
            return join '+', @steps[0 .. rand @steps], chance(20) ? 'live' : ();
        },
    );
    my @words = qw(tls verify-chain verify-domain no-verify cert no-cert sni no-sni trust crl ocsp ocsp-hard no-conn-reuse no-connect
        no-upgrade initial-only max-age lookup no-dns-failover no-auto-477 no-100);
    my %chosen = map { one_of(@words) => 1 } 1 .. rand 4;
    $chosen{lookup} = 1 if chance(40);
    my $text = join ',', map { my $value = $value{$_} && $value{$_}->(); defined $value ? "$_=$value" : $_ } sort keys %chosen;
    return $text =~ /lookup=none/ && $text !~ /trust|no-verify/ && chance(60) ? "$text,trust=t1" : $text;
}

sub maybe ($percent, $value) { return chance($percent) ? $value : '' }

my $probe = Trelay::DbProbe->start($pg->conninfo(user => 'test_daemon'), 'edge1');
$probe->wait_for(qr/^loaded/);
$pg->run(<<SQL, user => 'test_admin');
SELECT trelay.import_trust_set('t1', '$ca->{cert}'), trelay.import_trust_set('t2', '$leaf[0]{cert}$ca->{cert}');
INSERT INTO trelay.trust_set VALUES ('empty');
SELECT trelay.import_certificate('a', '$leaf[0]{cert}', '$leaf[0]{key}'), trelay.import_certificate('b', '$leaf[1]{cert}', '$leaf[1]{key}');
SELECT trelay.import_certificate('module', '$leaf[0]{cert}', 'pkcs11:object=a');
INSERT INTO trelay.certificate (name, chain_pem) VALUES ('keyless', '$leaf[0]{cert}');
INSERT INTO trelay.peer (name, address, action) VALUES ('pa', '192.0.2.1', 'accept'), ('pb', '192.0.2.2', 'accept');
SQL
$probe->wait_for(qr/^loaded/);

my %seen;
for my $round (1 .. 5) {
    $pg->run("BEGIN; DELETE FROM trelay.outbound_policy;\n" . join("\n", map { random_row($_) } 1 .. 12 * $round) . "\nCOMMIT;", user => 'test_admin');
    my $version = $pg->value('SELECT version FROM trelay.policy_version');
    $probe->wait_until("version $version", sub { $pg->value("SELECT policy_version = $version FROM trelay.node") eq 't' });
    my (@questions, @sql);
    for (1 .. 400) {
        my $is_address = chance(20);
        my $address = one_of(@addresses);
        my %question = (domain => $is_address ? '' : one_of(@domains), source => maybe(50, one_of(@domains)), flags => random_flags(),
            address => $is_address || chance(60) ? $address : '', peer => maybe(40, one_of(@peers)), request => maybe(40, one_of(@domains)),
            transport => chance(80) ? 'tls' : one_of(qw(tcp udp)));
        push @questions, join '|', 'explain', @question{qw(domain source flags address peer request transport)};
        push @sql, sprintf q{SELECT public.try(%s, %s, %s, %s, %s, %s, %s);}, map { $_ eq '' ? 'NULL' : "'$_'" }
            $question{domain} eq '' ? $address : $question{domain}, @question{qw(source flags address peer request transport)};
    }
    $pg->run(<<'SQL') if $round == 1;
CREATE FUNCTION public.try(text, text, text, inet, text, text, text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
    SELECT concat_ws('|', action, reason, coalesce(policy, ''), coalesce(level, ''), coalesce(expected_domain, ''), coalesce(certificate, ''),
                     coalesce(sni, ''), coalesce(trust_set, ''), '{' || coalesce(array_to_string(pins, ','), '') || '}', coalesce(crl, ''),
                     coalesce(ocsp, ''), flags_in_effect)
      INTO STRICT answer FROM trelay.explain($1, $2, coalesce($3, ''), $4, $5, $6, $7);
    RETURN answer;
EXCEPTION WHEN check_violation THEN
    RETURN 'flags';
END $$;
SQL
    my @theirs = split /\n/, $pg->value(join("\n", @sql), user => 'postgres');
    my $mark = $probe->output =~ tr/\n//;
    $probe->say(@questions, 'connected');
    $probe->wait_for(qr/^connected/);
    my @ours = ((split /\n/, $probe->output)[$mark .. ($probe->output =~ tr/\n//) - 1]);
    @ours = map { s/^explain //r } grep { /^explain / } @ours;
    is scalar(@ours), scalar(@theirs), "round $round: as many answers";
    my @different;
    for my $i (0 .. $#ours) {
        my ($ours, $theirs) = map { /^flags/ ? 'flags' : columns($_) } $ours[$i], $theirs[$i];
        # Plain transports have no revocation at all in the relay's key, and none to speak of here.
        $_ = s/\|off\|off\|/|||/r for $ours, $theirs;
        $seen{'flags alone'}++ if $ours =~ /^allow\|none\|lookup=none\|/;
        $seen{ join '|', grep { defined } (split /\|/, $ours)[0, 1] }++;
        push @different, "$questions[$i]\n  relay: $ours\n  SQL:   $theirs" if $ours ne $theirs;
    }
    is "@different[0 .. ($#different < 4 ? $#different : 4)]", '', "round $round: no difference in " . @ours . ' cases';
}
note "$_: $seen{$_}" for sort keys %seen;
cmp_ok $seen{$_} // 0, '>', 0, "cases came to $_"
    for 'flags alone', 'allow|none', 'needs-address|none', map { "reject|$_" } qw(no-policy policy-unusable weaken-refused trust-flag-refused unknown-trust-set
        unknown-certificate plain-transport flag-conflict no-expected-domain);

subtest 'names' => sub {
    my @names;
    for (1 .. 600) {
        my @labels = map { join '', map { one_of('a' .. 'c', 'A', 'Z', 0 .. 9, '-', '_', chance(3) ? (' ', "\xc3\xbc", '*', ':') : ()) } 1 .. 1 + rand 4 } 1 .. 1 + rand 3;
        $labels[-1] = one_of('0x1f', '12', '0x', 'xn--abc', 'a' x one_of(62, 63, 64)) if chance(15);
        push @labels, ('a' x 60) x 4 if chance(3);
        push @names, (chance(15) ? '*.' : '') . join(one_of('.', chance(5) ? '..' : '.'), @labels) . (chance(10) ? '.' : '');
    }
    my $mark = $probe->output =~ tr/\n//;
    $probe->say((map { "name|$_" } @names), (map { "pattern|$_" } @names), 'connected');
    $probe->wait_for(qr/^connected/);
    my @ours = map { s/^name //r } grep { /^name / } (split /\n/, $probe->output)[$mark .. ($probe->output =~ tr/\n//) - 1];
    $pg->run(<<'SQL');
CREATE FUNCTION public.name(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN trelay.normal_domain($1); EXCEPTION WHEN check_violation THEN RETURN 'refused'; END $$;
CREATE FUNCTION public.pattern(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN $1::trelay.domain_pattern; EXCEPTION WHEN check_violation THEN RETURN 'refused'; END $$;
SQL
    my @theirs = split /\n/, $pg->value(join '', (map { "SELECT public.name('$_');\n" } @names), (map { "SELECT public.pattern('$_');\n" } @names));
    my $taken = grep { $_ ne 'refused' } @ours[0 .. $#names];
    cmp_ok $taken, '>', 50, "some are taken ($taken)";
    my @different = grep { $ours[$_] ne $theirs[$_] } 0 .. $#names;
    is join(' ', map { "<$names[$_]: $ours[$_], $theirs[$_]>" } @different), '', 'one normaliser';
    # A pattern is stored in normal form or not at all.
    @different = grep { $theirs[$_] ne 'refused' ? $ours[$_] ne $theirs[$_] : $ours[$_] eq $names[ $_ - @names ] } @names .. $#ours;
    is join(' ', map { "<$names[$_ - @names]: $ours[$_], $theirs[$_]>" } @different), '', 'patterns in normal form, and only those, are taken';
};

subtest 'flags' => sub {
    my @texts = map { chance(70) ? random_flags() : join ',', map { one_of(random_flags(), 'tsl', '', ' tls ', 'sni=', 'cert=a b', 'max-age=0', 'max-age=1w',
        'lookup=', 'lookup=dst+dst', 'lookup=live', 'tls=1', 'max-age=4294967295', 'max-age=4294967296', 'max-age=71582789m', 'sni=A.Example.', 'trust') } 1 .. 2 } 1 .. 400;
    my $mark = $probe->output =~ tr/\n//;
    $probe->say((map { "flags|$_" } @texts), 'connected');
    $probe->wait_for(qr/^connected/);
    my @ours = map { s/^flags //r } grep { /^flags / } (split /\n/, $probe->output)[$mark .. ($probe->output =~ tr/\n//) - 1];
    $pg->run(<<'SQL');
CREATE FUNCTION public.flags(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
    RETURN (SELECT flags_in_effect FROM trelay.explain('a.example', flags => $1)); EXCEPTION WHEN check_violation THEN RETURN 'refused'; END $$;
SQL
    my @theirs = split /\n/, $pg->value(join('', map { "SELECT public.flags('$_');\n" } @texts) . "SELECT 'end'");
    is scalar(@ours), scalar(@texts), 'as many answers';
    my @different = grep { $ours[$_] ne $theirs[$_] } 0 .. $#texts;
    is join("\n", map { "<$texts[$_]>: $ours[$_], $theirs[$_]" } @different), '', 'taken and refused alike, and spelled alike';
};
is $probe->stop, '', 'ends in order';
done_testing;
