# SPDX-License-Identifier: GPL-2.0-or-later
# Pem.pm - certificates and keys for tests of the database, made once per test by the openssl program.
#   my $ca = Trelay::Pem::authority('CA one');                    # { cert, key } as PEM text
#   my $leaf = Trelay::Pem::leaf($ca, 'biloxi.example');          # { cert, key }
package Trelay::Pem;
use strict;
use warnings;
use File::Temp qw(tempdir);
use Trelay::Postgres;

my $directory;
my $count = 0;

sub openssl {
    my (@arguments) = @_;
    my ($status, $out, $error) = Trelay::Postgres::run_program('', 'openssl', @arguments);
    die "openssl @arguments: $error" if $status;
    return $out;
}

sub text {
    my ($path) = @_;
    open my $in, '<', $path or die "$path: $!";
    local $/;
    return scalar <$in>;
}

sub new_key {
    $directory //= tempdir('trelay-pem-XXXXXX', DIR => '/tmp', CLEANUP => 1);
    my $base = "$directory/" . ++$count;
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', "$base.key");
    return $base;
}

sub authority {
    my ($name) = @_;
    my $base = new_key();
    openssl('req', '-x509', '-new', '-key', "$base.key", '-subj', "/CN=$name", '-days', 3650, '-out', "$base.crt");
    return { base => $base, cert => text("$base.crt"), key => text("$base.key") };
}

# Options: days; san (OpenSSL syntax).
sub leaf {
    my ($ca, $name, %options) = @_;
    my $base = new_key();
    my $san = $options{san} // "DNS:$name,URI:sip:$name";
    openssl('req', '-new', '-key', "$base.key", '-subj', "/CN=$name", '-addext', "subjectAltName=$san", '-out', "$base.csr");
    openssl('x509', '-req', '-in', "$base.csr", '-CA', "$ca->{base}.crt", '-CAkey', "$ca->{base}.key", '-CAcreateserial',
        '-copy_extensions', 'copyall', '-days', $options{days} // 365, '-out', "$base.crt");
    return { base => $base, cert => text("$base.crt"), key => text("$base.key") };
}

# The key of a leaf as encrypted PKCS#8.
sub encrypted_key {
    my ($leaf, $passphrase) = @_;
    return openssl('pkcs8', '-topk8', '-in', "$leaf->{base}.key", '-passout', "pass:$passphrase");
}

sub sha256 {
    my ($pem) = @_;
    require Digest::SHA;
    require MIME::Base64;
    my ($body) = $pem =~ /-----BEGIN CERTIFICATE-----\s*(.*?)-----END/s;
    return Digest::SHA::sha256_hex(MIME::Base64::decode_base64($body));
}

1;
