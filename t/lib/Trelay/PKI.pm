# SPDX-License-Identifier: GPL-2.0-or-later
# PKI.pm - authorities and certificates made up for a test by the openssl program, as PEM files in a temporary folder.
# In:  names, and what is to be odd about them. Out: paths of certificate, chain and key, and the SHA-256.
#
#   my $pki  = Trelay::PKI->new;
#   my $ca   = $pki->authority('Federation A');
#   my $leaf = $ca->leaf('sip.biloxi.example', uri => ['sip:biloxi.example'], dns => ['sip.biloxi.example']);
#   $leaf->chain, $leaf->key, $leaf->sha256, $ca->certificate
package Trelay::PKI;

use v5.36;

use File::Temp qw(tempdir);
use IPC::Open3 qw(open3);
use POSIX qw(strftime);
use Symbol qw(gensym);

my %CURVES = (ec => 'P-256', p224 => 'P-224', p384 => 'P-384', p521 => 'P-521');

sub new ($class) {
    my $directory = tempdir('trelay-pki-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    return bless { directory => $directory, count => 0, serial => 0x1000 }, $class;
}

sub directory ($self) { return $self->{directory} }

# A self-signed authority. Options as for make().
sub authority ($self, $name, %options) {
    return $self->make($name, undef, is_authority => 1, %options);
}

# The work of authority(), leaf() and intermediate(). ISSUER undef: self-signed.
#   dns, uri, ip, email    lists of names; or names => subjectAltName in the notation of openssl's configuration
#   key                    ec (default), p224, p384, p521, rsa, rsa:BITS, ed25519, or a certificate whose key is used again
#   not_before, not_after  seconds from now, or days as in '-1d' (default) and '30d'
#   extensions             [[name => value], ...] in that notation; one of a name given here replaces the default one,
#                          undef leaves it out; a dotted name is an OID
#   common_name, organization, digest (sha256), serial (a number), no_extensions (then it is of version 1)
#   is_forged              one bit of the signature is wrong
sub make ($self, $name, $issuer, %options) {
    my $base = sprintf '%s/%03d-%s', $self->{directory}, ++$self->{count}, $name =~ s/[^A-Za-z0-9.-]+/_/gr;
    my $made = bless { pki => $self, name => $name, base => $base, issuer => $issuer }, 'Trelay::PKI::Certificate';
    my $signer = $issuer // $made;
    $self->make_request($made, \%options);
    $made->write('ca.conf', $self->configuration($signer, $made, \%options));
    $made->write('serial',  sprintf "%016X\n", $options{serial} // ++$self->{serial});
    $signer->write('index.txt',      '') if !-e "$signer->{base}.index.txt";
    $signer->write('index.txt.attr', "unique_subject = no\n");
    run('openssl', 'ca', '-batch', '-notext', '-utf8', '-config', "$base.ca.conf", '-in', "$base.request.pem",
        '-out', "$base.cert.pem", $issuer ? () : '-selfsign',
        '-startdate', moment($options{not_before} // '-1d'), '-enddate', moment($options{not_after} // '30d'),
        $options{no_extensions} ? () : ('-extensions', 'extensions'));
    $made->read_back($options{is_forged});
    return $made;
}

sub make_request ($self, $made, $options) {
    my $kind = $options->{key} // 'ec';
    my @how  = ref $kind ? () : algorithm($kind);
    my $base = $made->{base};
    $made->write('key.pem', $kind->key_pem) if ref $kind;
    my $subject = '';
    for ([ O => $options->{organization} ], [ CN => $options->{common_name} // $made->{name} ]) {
        my ($type, $value) = @$_;
        $subject .= "/$type=" . $value =~ s{([/\\+])}{\\$1}gr if defined $value;
    }
    run('openssl', 'genpkey', @how, '-out', "$base.key.pem") if !ref $kind;
    run('openssl', 'req', '-new', '-utf8', '-config', '/dev/null', '-subj', $subject, '-key', "$base.key.pem",
        '-out', "$base.request.pem");
    return;
}

sub algorithm ($kind) {
    return ('-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:' . ($1 // 2048)) if $kind =~ /^rsa(?::(\d+))?$/;
    return ('-algorithm', 'ED25519') if $kind eq 'ed25519';
    my $curve = $CURVES{$kind} // die "no such kind of key: $kind\n";
    return ('-algorithm', 'EC', '-pkeyopt', "ec_paramgen_curve:$curve");
}

sub configuration ($self, $signer, $made, $options) {
    my $digest = $options->{digest} // 'sha256';
    my $text   = <<"END";
[ca]
default_ca = here
[here]
database = $signer->{base}.index.txt
new_certs_dir = $self->{directory}
serial = $made->{base}.serial
private_key = $signer->{base}.key.pem
certificate = $signer->{base}.cert.pem
default_md = $digest
default_days = 30
policy = any
crl_extensions = list
preserve = yes
copy_extensions = none
[any]
organizationName = optional
commonName = optional
[list]
authorityKeyIdentifier = keyid
[extensions]
END
    $text .= "$_->[0] = $_->[1]\n" for extensions($signer == $made, $options);
    return $text;
}

sub extensions ($is_self_signed, $options) {
    my @names = (
        (map { "URI:$_" } @{ $options->{uri} // [] }),
        (map { "DNS:$_" } @{ $options->{dns} // [] }),
        (map { "IP:$_" } @{ $options->{ip} // [] }),
        (map { "email:$_" } @{ $options->{email} // [] }),
    );
    my $names = $options->{names} // join ',', @names;
    my @common = (
        [ subjectKeyIdentifier => 'hash' ],
        $is_self_signed ? () : [ authorityKeyIdentifier => 'keyid' ],
        $names ne '' ? [ subjectAltName => $names ] : (),
    );
    my @kind = $options->{is_authority}
        ? ([ basicConstraints => 'critical,CA:TRUE' ], [ keyUsage => 'critical,keyCertSign,cRLSign' ])
        : (
        [ basicConstraints => 'critical,CA:FALSE' ],
        [ keyUsage         => 'critical,digitalSignature' ],
        [ extendedKeyUsage => 'serverAuth,clientAuth' ],
        );
    my @own = @{ $options->{extensions} // [] };
    my %is_replaced = map { $_->[0] => 1 } @own;
    return grep { defined $_->[1] } (grep { !$is_replaced{ $_->[0] } } @common, @kind), @own;
}

sub seconds ($text) { return $text =~ /^(-?\d+)d$/ ? $1 * 86400 : $text }

sub moment ($text) { return strftime '%Y%m%d%H%M%SZ', gmtime(time + seconds($text)) }

# Dies with what the program said unless it succeeds.
sub run (@command) {
    my $pid = open3(my $in, my $out, undef, @command);
    close $in;
    my $said = do { local $/ = undef; <$out> };
    waitpid $pid, 0;
    die "@command: $said\n" if $? != 0;
    return $said;
}

package Trelay::PKI::Certificate;

use v5.36;

use Digest::SHA ();
use MIME::Base64 ();

sub write ($self, $suffix, $text) {
    open my $out, '>', "$self->{base}.$suffix" or die "$self->{base}.$suffix: $!\n";
    print {$out} $text;
    close $out or die "$self->{base}.$suffix: $!\n";
    return;
}

sub slurp ($path) {
    open my $in, '<', $path or die "$path: $!\n";
    local $/ = undef;
    return scalar <$in>;
}

sub read_back ($self, $is_forged) {
    $self->{pem} = slurp("$self->{base}.cert.pem");
    if ($is_forged) {
        my $der = $self->der;
        substr($der, -1, 1) = chr(ord(substr $der, -1, 1) ^ 1);
        $self->{pem} = join "\n", '-----BEGIN CERTIFICATE-----', unpack('(A64)*', MIME::Base64::encode_base64($der, '')),
            "-----END CERTIFICATE-----\n";
        $self->write('cert.pem', $self->{pem});
    }
    $self->write('chain.pem', $self->chain_pem);
    return;
}

# Leaf first, up to but without the self-signed one at the top.
sub chain_pem ($self) {
    my $above = $self->{issuer};
    return $self->{pem} . ($above && $above->{issuer} ? $above->chain_pem : '');
}

sub leaf ($self, $name, %options)         { return $self->{pki}->make($name, $self, %options) }
sub intermediate ($self, $name, %options) { return $self->{pki}->make($name, $self, is_authority => 1, %options) }

sub certificate ($self) { return "$self->{base}.cert.pem" }
sub chain ($self)       { return "$self->{base}.chain.pem" }
sub key ($self)         { return "$self->{base}.key.pem" }
sub pem ($self)         { return $self->{pem} }
sub key_pem ($self)     { return slurp($self->key) }
sub name ($self)        { return $self->{name} }
sub issuer ($self)      { return $self->{issuer} }

# What this authority issued and revoked, for `openssl ocsp -index`.
sub index_file ($self) { return "$self->{base}.index.txt" }

sub der ($self) {
    my ($base64) = $self->{pem} =~ /BEGIN CERTIFICATE-----(.*?)-----END/s;
    return MIME::Base64::decode_base64($base64);
}

sub sha256 ($self) { return Digest::SHA::sha256_hex($self->der) }

# The path of a revocation list of this authority, with the given certificates and those of earlier calls in it.
# Options: next_update (seconds from now, or days as in '7d'), a moment after now.
sub revocation_list ($self, $revoked, %options) {
    my $base = $self->{base};
    my @how  = ('-config', "$base.ca.conf", '-cert', $self->certificate, '-keyfile', $self->key);
    $self->write('ca.conf', $self->{pki}->configuration($self, $self, {}));
    $self->write('index.txt', '') if !-e $self->index_file;
    Trelay::PKI::run('openssl', 'ca', @how, '-revoke', $_->certificate) for @$revoked;
    Trelay::PKI::run('openssl', 'ca', @how, '-gencrl', '-out', "$base.crl.pem",
        '-crl_nextupdate', Trelay::PKI::moment($options{next_update} // '7d'));
    return "$base.crl.pem";
}

1;
