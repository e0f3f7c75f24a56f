#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A certificate or a bundle of anchors gets in by one call; twice the same changes nothing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Pem;
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
my @ca = map { Trelay::Pem::authority("CA $_") } 1 .. 3;
my $leaf = Trelay::Pem::leaf($ca[0], 'atlanta.example');
my @sha256 = map { $_->{sha256} } @ca;

sub import_set {
    my ($name, $pem, $more) = @_;
    return $pg->value("SELECT sha256 || ' ' || action FROM trelay.import_trust_set('$name', '$pem'" . ($more // '') . ')', user => 'test_admin');
}

subtest 'trust set' => sub {
    my $bundle = "# two authorities\r\n$ca[0]{cert}\nsome words\n$ca[1]{cert}$ca[0]{cert}";
    is import_set('fed', $bundle), "$sha256[0] added\n$sha256[1] added", 'each certificate once, whatever stands between';
    is import_set('fed', $bundle), "$sha256[0] kept\n$sha256[1] kept", 'again: nothing new';
    is import_set('fed', $ca[2]{cert}), "$sha256[2] added", 'one more';
    is $pg->value("SELECT count(*) FROM trelay.trust_anchor WHERE trust_set = 'fed'"), 3, 'three';
    is join("\n", sort split /\n/, import_set('fed', $ca[1]{cert}, ', replace => true')),
        join("\n", sort "$sha256[0] removed", "$sha256[1] kept", "$sha256[2] removed"), 'replace leaves what is in the bundle';
    is $pg->value("SELECT trelay.pem_fingerprints(pem) FROM trelay.trust_anchor"), "{$sha256[1]}", 'it is there';
    like $pg->refused("SELECT trelay.import_trust_set('fed', 'nothing')", user => 'test_admin'), qr/no whole PEM certificate/, 'a text without certificates is refused';
    (my $cut = $ca[0]{cert}) =~ s/-----END.*//s;
    like $pg->refused("SELECT trelay.import_trust_set('fed', '$cut')", user => 'test_admin'), qr/no whole PEM certificate/, 'so is half a one';
    is $pg->value("SELECT count(*) FROM trelay.trust_anchor"), 1, 'and nothing changed';
};

subtest 'certificate' => sub {
    is $pg->value("SELECT trelay.import_certificate('a', '$leaf->{cert}', '$leaf->{key}')", user => 'test_admin'), $leaf->{sha256}, 'PEM; the fingerprint comes back';
    is $pg->value("SELECT trelay.import_certificate('a', '/etc/a.pem', '/etc/a.key')", user => 'test_admin'), '', 'paths take their place';
    is $pg->value("SELECT chain_pem IS NULL, chain_path, key_pem IS NULL, key_path FROM trelay.certificate JOIN trelay.certificate_key ON name = certificate"),
        't|/etc/a.pem|t|/etc/a.key', 'of both';
    $pg->run("SELECT trelay.import_certificate('a', '$leaf->{cert}', 'pkcs11:token=hsm;object=a')", user => 'test_admin');
    is $pg->value('SELECT key_uri FROM trelay.certificate_key'), 'pkcs11:token=hsm;object=a', 'a key in a module';
    like $pg->refused("SELECT trelay.import_certificate('b', '$leaf->{cert}', '$leaf->{cert}')", user => 'test_admin'), qr/certificate_key_pem_ck/, 'a certificate is no key';
    like $pg->refused("SELECT trelay.import_certificate('b', '$leaf->{key}', '$leaf->{cert}')", user => 'test_admin'), qr/certificate_chain_pem/, 'nor the reverse';
    is $pg->value('SELECT count(*) FROM trelay.certificate'), 1, 'and nothing is left of it';
    like $pg->refused("SELECT trelay.import_certificate('b', NULL, 'x')", user => 'test_admin'), qr/all needed/, 'nothing is nothing';
    like $pg->refused("SELECT trelay.import_certificate('b', '$leaf->{cert}', '$leaf->{key}')", user => 'test_reader'), qr/permission denied/, 'readers do not import';
};
done_testing;
