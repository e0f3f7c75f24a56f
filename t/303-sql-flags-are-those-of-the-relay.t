#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# trelay.flag_names() is FLAG_LIST of src/policy/flag.h, and what is no flag is refused where it is written, with the
# name of the flag and the list of those there are.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
my $source = Trelay::Postgres::top_srcdir() . '/src/policy/flag';

sub text_of {
    my ($path) = @_;
    open my $in, '<', $path or die "$path: $!";
    local $/;
    return scalar <$in>;
}

subtest 'the same table' => sub {
    my $header = text_of("$source.h");
    my ($list) = $header =~ /^#define FLAG_LIST\(X\)((?:.*\\\n)*.*)/m;
    my %kind = (NONE => '', OPTIONAL_DOMAIN => 'optional domain', DOMAIN => 'domain', ROW_NAME => undef, DURATION => 'duration',
        LOOKUP => 'look-ups');
    my @flags;
    while ($list =~ /X\((\w+),\s*(\d+),\s*"([^"]+)",\s*FLAG_VALUE_(\w+),\s*"([^"]+)"\)/g) {
        my ($code, $bit, $word, $value, $meaning) = ($1, $2, $3, $4, $5);
        my $kind = $kind{$value} // { cert => 'certificate', trust => 'trust set' }->{$word};
        push @flags, { code => $code, row => join '|', $word, $bit, $kind, $meaning };
    }
    cmp_ok scalar(@flags), '>', 15, 'the header was read';
    is $pg->value('SELECT flag, bit_number, value, meaning FROM trelay.flag_names() ORDER BY bit_number'),
        join("\n", map { $_->{row} } @flags), 'names, bits, values and meanings are equal';

    my ($conflicts) = text_of("$source.c") =~ /\} conflicts\[\] = \{(.*?)^\};/ms;
    my %word_of = map { $_->{code} => (split /\|/, $_->{row})[0] } @flags;
    my %conflicts;
    while ($conflicts =~ /T_RELAY_(\w+),\s*T_RELAY_(\w+)/g) {
        my ($a, $b) = @word_of{ $1, $2 };
        $conflicts{"$a $b"} = $conflicts{"$b $a"} = 1;
    }
    is $pg->value(q{SELECT string_agg(flag || ' ' || other, E'\n' ORDER BY flag, other COLLATE "C") FROM trelay.flag_names(), unnest(excludes) AS other}),
        join("\n", sort keys %conflicts), 'conflicts are equal';
};

subtest 'what has no effect yet' => sub {
    my ($idle) = text_of("$source.c") =~ /enum \{ WITHOUT_EFFECT = ([^}]*) \}/;
    my %is_idle = map { lc($_) =~ s/_/-/gr => 1 } ($idle // '') =~ /T_RELAY_(\w+)/g;
    cmp_ok scalar(keys %is_idle), '>', 1, 'the source was read';
    my @words = split /\n/, $pg->value("SELECT flag FROM trelay.flag_names() WHERE value IS NULL ORDER BY bit_number");
    is join(' ', grep { $pg->value("SELECT trelay.flags_without_effect('$_')") eq $_ } @words),
        join(' ', grep { $is_idle{$_} } @words), 'the same flags without a value';
    is $pg->value("SELECT trelay.flags_without_effect('$_->[0]')"), $_->[1], "\"$_->[0]\"" for [ '', '' ],
        [ 'lookup=dst+addr', '' ], [ 'lookup=dst+live', '' ], [ 'no-auto-477, tls, crl', 'crl' ],
        [ 'max-age=90,cert=a,lookup=none', '' ];
};

sub refused { return $pg->refused("INSERT INTO trelay.route (name, flags) VALUES ('r', '$_[0]')", role => 'trelay_admin') }

subtest 'what is refused' => sub {
    my $message = refused('verify-domian');
    like $message, qr/unknown relay flag "verify-domian"/, 'an unknown flag is named';
    like $message, qr/HINT:  There are: tls, verify-chain, verify-domain, .*no-100\./, 'and those there are';
    like refused('tls,,crl'), qr/unknown relay flag ""/, 'an empty flag';
    like refused('tls,tls'), qr/"tls" stands twice/, 'a doubled flag';
    like refused('cert=a,no-cert'), qr/"cert" and "no-cert" contradict/, 'a contradiction';
    like refused('no-cert,cert=a'), qr/"no-cert" and "cert" contradict/, 'in either order';
    like refused('no-verify,trust=x'), qr/contradict/, 'trust with no-verify';
    like refused('tls=1'), qr/"tls" takes no value/, 'a value too many';
    like refused('cert'), qr/"cert" needs a value/, 'a value missing';
    like refused('cert='), qr/row_name_ck/, 'an empty value';
    like refused('cert=a b'), qr/row_name_ck/, 'a value that is no name';
    like refused('sni=192.0.2.1'), qr/"192.0.2.1" is no domain name/, 'an address as server name';
    like refused('max-age=soon'), qr/takes a duration, not "soon"/, 'no duration';
    like refused('max-age=0'), qr/takes a duration/, 'no time at all';
    like refused('lookup=dst+moon'), qr/"moon" is no look-up/, 'an unknown look-up';
    like refused('lookup=none+dst'), qr/excludes/, 'none with others';
    like refused('lookup=live'), qr/names no look-up/, 'live alone';
    like refused('TLS'), qr/unknown relay flag "TLS"/, 'case counts';
};

subtest 'what is taken' => sub {
    my $count = 0;
    for my $flags ('', 'tls', ' tls , verify-domain=Biloxi.Example ', 'verify-domain,cert=fedA,no-conn-reuse', 'lookup=dst+addr+default+live',
        'lookup=none', 'max-age=90', 'max-age=2d,ocsp-hard,no-sni') {
        $count++;
        is $pg->refused("INSERT INTO trelay.route (name, flags) VALUES ('r$count', '$flags')", role => 'trelay_admin'), '', "\"$flags\"";
    }
};
done_testing;
