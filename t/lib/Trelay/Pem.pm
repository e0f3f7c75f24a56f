# SPDX-License-Identifier: GPL-2.0-or-later
# Pem.pm - certificates of Trelay::PKI as text, for tests that put them into tables.
#   my $ca = Trelay::Pem::authority('CA one');                # { cert, key, sha256 }
#   my $leaf = Trelay::Pem::leaf($ca, 'biloxi.example');      # likewise
package Trelay::Pem;

use v5.36;

use Trelay::PKI;
use Trelay::Postgres;

my $pki;

sub texts ($made) {
    return { made => $made, cert => $made->pem, key => $made->key_pem, sha256 => $made->sha256 };
}

sub authority ($name) {
    $pki //= Trelay::PKI->new;
    return texts($pki->authority($name));
}

# Options as of Trelay::PKI::make().
sub leaf ($ca, $name, %options) {
    return texts($ca->{made}->leaf($name, dns => [$name], uri => ["sip:$name"], %options));
}

# The key as encrypted PKCS#8.
sub encrypted_key ($leaf, $passphrase) {
    my ($status, $out, $error) = Trelay::Postgres::run_program('', 'openssl', 'pkcs8', '-topk8', '-in', $leaf->{made}->key,
        '-passout', "pass:$passphrase");
    die "openssl pkcs8: $error" if $status;
    return $out;
}

1;
