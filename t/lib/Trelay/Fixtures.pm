# SPDX-License-Identifier: GPL-2.0-or-later
# Fixtures.pm - the table of certificates that a peer may present, and what each must be answered (RFC 5280, 5922, 5924).
# In:  a Trelay::PKI. Out: for each row the files to present, the root to trust, and the expected reasons.
#
#   my $pki = Trelay::PKI->new;
#   for my $row (Trelay::Fixtures::rows()) {
#       my $peer = Trelay::Fixtures::make($pki, $row);    # ->{chain}, ->{key}, ->{trust}: paths
#       my $word = Trelay::Fixtures::expected($row, 'client', 'either');    # 'proven', or a reason's word
#   }
#
# The expected domain is $row->{domain}; cn_fallback and wildcard are those of the row.
package Trelay::Fixtures;

use v5.36;

my $SIP_DOMAIN = '1.3.6.1.5.5.7.3.20';
my $UNKNOWN    = [ '1.3.6.1.4.1.99999.1' => 'critical,DER:05:00' ];
my $NUL_NAME   = 'DER:30:17:82:15:' . join ':', unpack '(H2)*', "example.com\0.evil.net";

sub eku ($value)   { return [ extendedKeyUsage => $value ] }
sub plain (@more)  { return extensions => [ eku(undef), @more ] }
sub here (@more)   { return uri => ['sip:example.com'], plain(@more) }
sub ca_with (@ext) { return intermediate => { extensions => \@ext } }

# name; leaf => options of PKI; what is expected: a word, or [server: tls-role either sip5924, client: the same].
# domain, cn_fallback, wildcard as the policy row would have them. intermediate => options, or 0 for none;
# above => options of another intermediate over it; root => options; presents => which of leaf, intermediate, above,
# root; trusts => 'other' for a root of the same name. library => what plain verification says where it says otherwise
# than this table does of the path ('ok' or 'error').
my @rows = (
    [ 'sip-uri',          leaf => { here() },                                           expected => 'proven' ],
    [ 'sip-uri-capitals', leaf => { uri => ['SIP:Example.COM'], plain() },              expected => 'proven' ],
    [ 'dns',              leaf => { dns => ['example.com'], plain() },                  expected => 'proven' ],
    [ 'dns-capitals',     leaf => { dns => ['EXAMPLE.COM'], plain() },                  expected => 'proven' ],
    [ 'sip-uri-hides-dns', leaf => { uri => ['sip:other.example'], dns => ['example.com'], plain() },
        expected => 'wrong-identity' ],
    [ 'sips-uri',         leaf => { uri => ['sips:example.com'], plain() },             expected => 'no-identity' ],
    [ 'sip-uri-of-user',  leaf => { uri => ['sip:u@example.com'], plain() },            expected => 'no-identity' ],
    [ 'http-uri',         leaf => { uri => ['http://example.com'], plain() },           expected => 'no-identity' ],
    [ 'sips-uri-and-dns', leaf => { uri => ['sips:example.com'], dns => ['example.com'], plain() },
        expected => 'proven' ],
    [ 'common-name', leaf => { common_name => 'example.com', plain() }, expected => 'no-identity' ],
    [ 'common-name-allowed', leaf => { common_name => 'example.com', plain() }, cn_fallback => 1,
        expected => 'proven' ],
    [ 'common-name-beside-email', leaf => { common_name => 'example.com', email => ['a@example.com'], plain() },
        cn_fallback => 1, expected => 'no-identity' ],
    [ 'common-name-beside-address', leaf => { common_name => 'example.com', ip => ['192.0.2.1'], plain() },
        cn_fallback => 1, expected => 'no-identity' ],
    [ 'wildcard', leaf => { dns => ['*.example.com'], plain() }, domain => 'sip.example.com',
        expected => 'no-identity' ],
    [ 'wildcard-allowed', leaf => { dns => ['*.example.com'], plain() }, domain => 'sip.example.com', wildcard => 1,
        expected => 'proven' ],
    [ 'wildcard-for-parent', leaf => { dns => ['*.example.com'], plain() }, wildcard => 1,
        expected => 'wrong-identity' ],
    [ 'wildcard-for-two-labels', leaf => { dns => ['*.example.com'], plain() }, domain => 'a.b.example.com',
        wildcard => 1, expected => 'wrong-identity' ],
    [ 'wildcard-in-label', leaf => { dns => ['s*.example.com'], plain() }, domain => 'sip.example.com', wildcard => 1,
        expected => 'no-identity' ],
    [ 'wildcard-top-level', leaf => { dns => ['*.com'], plain() }, wildcard => 1, expected => 'no-identity' ],
    [ 'leading-dot',  leaf => { dns => ['.example.com'], plain() }, expected => 'no-identity' ],
    [ 'trailing-dot', leaf => { dns => ['example.com.'], plain() }, expected => 'no-identity' ],
    [ 'nul',          leaf => { names => $NUL_NAME, plain() },      expected => 'certificate-malformed' ],
    [ 'a-label', leaf => { dns => ['xn--bcher-kva.example'], plain() }, domain => 'xn--bcher-kva.example',
        expected => 'proven' ],
    [ 'address', leaf => { ip => ['192.0.2.1'], plain() }, domain => '192.0.2.1', expected => 'no-expected-domain' ],

    [ 'expired',       leaf => { here(), not_before => '-9d', not_after => '-1d' }, expected => 'certificate-expired' ],
    [ 'not-yet-valid', leaf => { here(), not_before => '1d' }, expected => 'certificate-not-yet-valid' ],
    [ 'unknown-ca',    leaf => { here() }, trusts => 'other', expected => 'chain-untrusted' ],
    [ 'no-intermediate', leaf => { here() }, presents => ['leaf'], expected => 'chain-untrusted' ],
    [ 'root-presented-too', leaf => { here() }, presents => [qw(leaf intermediate root)], expected => 'proven' ],
    [ 'out-of-order', leaf => { here() }, above => {}, presents => [qw(leaf root above intermediate)],
        expected => 'proven' ],
    [ 'ca-false', leaf => { here() }, ca_with([ basicConstraints => 'critical,CA:FALSE' ]),
        expected => 'chain-invalid' ],
    [ 'no-basic-constraints', leaf => { here() }, ca_with([ basicConstraints => undef ]), expected => 'chain-invalid' ],
    [ 'no-key-cert-sign', leaf => { here() }, ca_with([ keyUsage => 'critical,cRLSign' ]),
        expected => 'chain-invalid' ],
    [ 'path-length', leaf => { here() }, above => { extensions => [[ basicConstraints => 'critical,CA:TRUE,pathlen:0' ]] },
        expected => 'chain-invalid' ],
    [ 'intermediate-expired', leaf => { here() }, intermediate => { not_before => '-9d', not_after => '-1d' },
        expected => 'certificate-expired' ],
    [ 'intermediate-forged', leaf => { here() }, intermediate => { is_forged => 1 }, expected => 'chain-untrusted' ],
    [ 'root-expired', leaf => { here() }, root => { not_before => '-9d', not_after => '-1d' },
        expected => 'certificate-expired' ],
    [ 'forged', leaf => { here(), is_forged => 1 }, expected => 'chain-untrusted' ],
    [ 'self-signed', leaf => { here() }, intermediate => 0, is_self_signed => 1, expected => 'chain-untrusted' ],

    [ 'dns-permitted', leaf => { dns => ['example.com'], plain() },
        ca_with([ nameConstraints => 'permitted;DNS:example.com' ]), expected => 'proven' ],
    [ 'dns-permitted-elsewhere', leaf => { dns => ['example.com'], plain() },
        ca_with([ nameConstraints => 'permitted;DNS:other.example' ]), expected => 'chain-invalid' ],
    [ 'dns-permitted-label-boundary', leaf => { dns => ['evilexample.com'], plain() }, domain => 'evilexample.com',
        ca_with([ nameConstraints => 'permitted;DNS:example.com' ]), expected => 'chain-invalid' ],
    [ 'dns-excluded', leaf => { dns => ['example.com'], plain() },
        ca_with([ nameConstraints => 'excluded;DNS:example.com' ]), expected => 'chain-invalid' ],
    [ 'dns-constraint-above', leaf => { dns => ['example.com'], plain() },
        above => { extensions => [[ nameConstraints => 'permitted;DNS:other.example' ]] }, expected => 'chain-invalid' ],
    [ 'uri-constraint', leaf => { here() }, ca_with([ nameConstraints => 'permitted;URI:example.com' ]),
        expected => 'chain-invalid' ],
    [ 'dns-constraint-on-sip-uri', leaf => { here() }, ca_with([ nameConstraints => 'permitted;DNS:other.example' ]),
        expected => 'chain-invalid', library => 'ok' ],

    [ 'critical-extension', leaf => { here($UNKNOWN) }, expected => 'chain-invalid' ],
    [ 'critical-extension-in-ca', leaf => { here() }, ca_with($UNKNOWN), expected => 'chain-invalid' ],
    [ 'critical-netscape-type', leaf => { here([ nsCertType => 'critical,server' ]) }, expected => 'chain-invalid',
        library => 'ok' ],
    [ 'key-usage', leaf => { here([ keyUsage => 'critical,keyEncipherment' ]) }, expected => 'key-usage',
        library => 'ok' ],
    [ 'for-servers', leaf => { here(eku('serverAuth')) }, library => 'ok',
        expected => [qw(proven proven extended-key-usage extended-key-usage proven extended-key-usage)] ],
    [ 'for-clients', leaf => { here(eku('clientAuth')) }, library => 'ok',
        expected => [ ('extended-key-usage') x 3, qw(proven proven extended-key-usage) ] ],
    [ 'for-sip-domains', leaf => { here(eku($SIP_DOMAIN)) }, expected => 'proven' ],
    [ 'for-email', leaf => { here(eku('emailProtection')) }, expected => 'extended-key-usage', library => 'ok' ],
    [ 'for-anything', leaf => { here(eku('anyExtendedKeyUsage')) }, expected => 'proven' ],
    [ 'ca-for-email', leaf => { here() }, ca_with(eku('emailProtection')), expected => 'extended-key-usage',
        library => 'ok' ],

    [ 'rsa-2048',     leaf => { here(), key => 'rsa' },      expected => 'proven' ],
    [ 'rsa-1024',     leaf => { here(), key => 'rsa:1024' }, expected => 'weak-certificate', library => 'ok' ],
    [ 'ed25519',      leaf => { here(), key => 'ed25519' },  expected => 'proven' ],
    [ 'sha1',         leaf => { here(), digest => 'sha1' },  expected => 'weak-certificate', library => 'ok' ],
    [ 'md5', leaf => { here(), digest => 'md5' }, intermediate => { key => 'rsa' }, expected => 'weak-certificate',
        library => 'ok' ],
    [ 'ca-sha1',      leaf => { here() }, intermediate => { digest => 'sha1' }, expected => 'weak-certificate',
        library => 'ok' ],
    [ 'ca-rsa-1024',  leaf => { here() }, intermediate => { key => 'rsa:1024' }, expected => 'weak-certificate',
        library => 'ok' ],

    [ 'no-key-identifiers', leaf => { here([ subjectKeyIdentifier => undef ], [ authorityKeyIdentifier => undef ]) },
        ca_with([ subjectKeyIdentifier => undef ], [ authorityKeyIdentifier => undef ]), expected => 'proven' ],
    [ 'ca-by-old-tool', leaf => { here() }, ca_with([ basicConstraints => 'CA:TRUE' ], [ keyUsage => undef ]),
        root => { extensions => [ [ basicConstraints => 'CA:TRUE' ], [ keyUsage => undef ] ] },
        expected => 'proven' ],
);

sub rows () {
    return map { my ($name, %row) = @$_; { name => $name, domain => 'example.com', %row } } @rows;
}

# ROLE: what the peer is, server or client. MODE: of extended key usage.
sub expected ($row, $role, $mode) {
    return $row->{expected} if !ref $row->{expected};
    my %column = ('tls-role' => 0, either => 1, sip5924 => 2);
    return $row->{expected}[ ($role eq 'client' ? 3 : 0) + $column{$mode} ];
}

# The files of a row: chain and key for the peer, trust for us, and the paths of the single certificates.
sub make ($pki, $row) {
    my $root  = common_root($pki, $row->{root});
    my $above = $row->{above} && $root->intermediate('above', %{ $row->{above} });
    my $under = $above || $root;
    my $intermediate
        = $row->{intermediate} || !defined $row->{intermediate}
        ? common_intermediate($pki, $under, $row)
        : undef;
    my $leaf = $row->{is_self_signed}
        ? $pki->make('leaf', undef, %{ $row->{leaf} })
        : ($intermediate || $root)->leaf('leaf', %{ $row->{leaf} });
    my %by_name  = (leaf => $leaf, intermediate => $intermediate, above => $above, root => $root);
    my @presents = grep { $by_name{$_} } @{ $row->{presents} // [qw(leaf intermediate above)] };
    my $trusted  = ($row->{trusts} // '') eq 'other' ? common_root($pki, undef, 'other') : $root;
    $leaf->write('presented.pem', join '', map { $by_name{$_}->pem } @presents);
    return {
        chain => "$leaf->{base}.presented.pem",
        key   => $leaf->key,
        trust => $trusted->certificate,
        leaf  => $leaf,
    };
}

# Rows that need nothing odd of the authorities share them.
sub common_root ($pki, $options, $which = 'own') {
    return $pki->authority('fixture root', %$options) if $options;
    return $pki->{fixtures}{"root $which"} //= $pki->authority('fixture root');
}

sub common_intermediate ($pki, $under, $row) {
    my $is_common = !$row->{intermediate} && !$row->{above} && !$row->{root};
    return $under->intermediate('fixture intermediate', %{ $row->{intermediate} // {} }) if !$is_common;
    return $pki->{fixtures}{intermediate} //= $under->intermediate('fixture intermediate');
}

1;
