#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The certificates made for handshake tests are what they are called: each row of the table is judged as it says, in
# both roles and all modes, and what is proven plain verification by the openssl program accepts too.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Fixtures;
use Trelay::PKI;

my $judge = ($ENV{top_builddir} // '.') . '/t/pkix-judge';
BAIL_OUT("$judge is not built") if !-x $judge;

sub output_of (@command) {
    open my $out, '-|', @command or die "$command[0]: $!\n";
    local $/ = undef;
    my $said = <$out> // '';
    close $out; # its status is in what it said
    return $said;
}

sub verdict ($peer, $row, $role, $mode) {
    my $said = output_of($judge, "trust=$peer->{trust}", "chain=$peer->{chain}", "domain=$row->{domain}", "role=$role",
        "eku=$mode", map { "$_=" . ($row->{$_} // 0) } qw(cn_fallback wildcard));
    return $said =~ /^(?:(proven) |refused ([a-z-]+):)/ ? $1 // $2 : "no verdict: $said";
}

# Dates, signatures, constraints: what needs no expected domain, purpose or strength.
sub library_says ($peer) {
    my $said = output_of('sh', '-c', 'exec openssl verify -auth_level 0 -CAfile "$1" -untrusted "$2" "$3" 2>&1', 'sh',
        $peer->{trust}, $peer->{chain}, $peer->{leaf}->certificate);
    return $said =~ /: OK$/m ? 'ok' : 'error';
}

my %is_of_the_path = map { $_ => 1 } qw(chain-untrusted chain-invalid certificate-expired certificate-not-yet-valid
    weak-certificate key-usage extended-key-usage);

my $pki = Trelay::PKI->new;
my %seen;
for my $row (Trelay::Fixtures::rows()) {
    ok(!$seen{ $row->{name} }++, "$row->{name} is one row");
    my $peer = Trelay::Fixtures::make($pki, $row);
    my (@got, @expected);
    for my $role (qw(server client)) {
        for my $mode (qw(tls-role either sip5924)) {
            push @got,      "$role $mode " . verdict($peer, $row, $role, $mode);
            push @expected, "$role $mode " . Trelay::Fixtures::expected($row, $role, $mode);
        }
    }
    is_deeply(\@got, \@expected, "verdicts on $row->{name}");
    my $library = $row->{library} // ($is_of_the_path{ ref $row->{expected} ? '' : $row->{expected} } ? 'error' : 'ok');
    is(library_says($peer), $library, "plain verification of $row->{name}");
    fail("$row->{name}: proven, but plain verification refuses") if $library ne 'ok' && grep { / proven$/ } @got;
}

# The maker itself.
my $ca   = $pki->authority('Maker & Sons/Ltd');
my $leaf = $ca->leaf('one', dns => ['one.example'], serial => 0xabc);
my $text = output_of('openssl', 'x509', '-noout', '-serial', '-fingerprint', '-sha256', '-in', $leaf->certificate);
like($text, qr/^serial=0ABC$/m, 'the serial asked for');
is(lc($text =~ s/.*Fingerprint=([0-9A-F:]+).*/$1/sr) =~ tr/://dr, $leaf->sha256, 'its SHA-256');
is($leaf->chain_pem, $leaf->pem, 'a chain is without the root');
my $again = $ca->leaf('again', key => $leaf);
is($again->key_pem, $leaf->key_pem, 'a key used again');
isnt($again->sha256, $leaf->sha256, 'by another certificate');
my $list = output_of('openssl', 'crl', '-noout', '-text', '-in', $ca->revocation_list([$leaf]));
like($list, qr/Serial Number: 0ABC\b/, 'a revocation list names the revoked');
unlike($list, qr/No Revoked/, 'and is not empty');

done_testing();
