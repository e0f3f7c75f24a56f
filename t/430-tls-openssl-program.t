#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# src/tls on a real socket against the openssl program: both roles, both versions, client certificates asked for,
# required and refused, weak offers, unknown names, foreign protocols, renegotiation.
use v5.36;
use FindBin;
use lib "$FindBin::Bin/lib";
use IPC::Open2 qw(open2);
use IPC::Open3 qw(open3);
use MIME::Base64 qw(decode_base64);
use Trelay::PKI;
use Test::More;

my $build    = $ENV{top_builddir} // '.';
my $endpoint = "$build/t/tls-endpoint";
plan skip_all => "$endpoint is not built" if !-x $endpoint;

$SIG{PIPE} = 'IGNORE';
$SIG{ALRM} = sub { die "a peer does not answer\n" };
alarm 120 * ($ENV{TEST_PATIENCE} // 1);

my $pki   = Trelay::PKI->new;
my $root  = $pki->authority('Root');
my %leaf  = map { $_ => $root->leaf('good.example', key => $_, dns => ['good.example']) } qw(ec rsa);
my $other = $root->leaf('caller.example', dns => ['caller.example']);

# PEM file to DER file; the path of the latter.
sub der ($pem) {
    open my $in, '<', $pem or die "$pem: $!\n";
    my $text = do { local $/; <$in> };
    my ($body) = $text =~ /-----BEGIN [^-]+-----(.+?)-----END/s or die "$pem is no PEM\n";
    open my $out, '>:raw', "$pem.der" or die "$pem.der: $!\n";
    print {$out} decode_base64($body);
    close $out or die "$pem.der: $!\n";
    return "$pem.der";
}

sub identity ($certificate) { return ('certificate=' . der($certificate->certificate), 'key=' . der($certificate->key)) }

my %running;

END { kill 'TERM', keys %running if %running }

# Starts a command; its output ends in a handle that is read line by line, its input is another.
sub start (@command) {
    my $pid = open3(my $in, my $out, undef, @command);
    $in->autoflush(1);
    $running{$pid} = 1;
    return { pid => $pid, in => $in, out => $out, text => '' };
}

# Reads until a line matches; what was read is in $process->{text}.
sub wait_for ($process, $pattern) {
    while (defined(my $line = readline $process->{out})) {
        $process->{text} .= $line;
        return $line if $line =~ $pattern;
    }
    return '';
}

sub finish ($process) {
    close $process->{in};
    wait_for($process, qr/(?!)/);
    waitpid $process->{pid}, 0;
    delete $running{ $process->{pid} };
    return $process->{text};
}

# Our server, then openssl s_client with ARGUMENTS; "hello" is sent once connected. Texts of both.
sub server_with_client ($ours, @arguments) {
    my $server = start($endpoint, 'server', @$ours);
    my ($port) = wait_for($server, qr/^listening/) =~ /(\d+)/ or die "no port: $server->{text}\n";
    my $client = start('openssl', 's_client', '-connect', "127.0.0.1:$port", '-CAfile', $root->certificate, @arguments);
    print { $client->{in} } "hello\n";
    my $line = wait_for($client, qr/^echo: hello|^SSL handshake has read|alert|error/i);
    wait_for($client, qr/^echo: hello/) if $line !~ /^echo/ && $line =~ /^SSL handshake has read [1-9]/;
    my $theirs = finish($client);
    return (finish($server), $theirs);
}

# openssl s_server with ARGUMENTS, then our client, which sends "hello". Texts of both.
sub client_with_server ($ours, @arguments) {
    my $server = start('openssl', 's_server', '-accept', '127.0.0.1:0', '-naccept', 1, '-rev', @arguments);
    my ($port) = wait_for($server, qr/^ACCEPT /) =~ /:(\d+)\s*$/ or die "no port: $server->{text}\n";
    my $client = start($endpoint, 'client', "port=$port", 'name=good.example', @$ours);
    wait_for($client, qr/^open|^failed/);
    print { $client->{in} } "hello\n";
    wait_for($client, qr/^olleh|^failed|^closed/) if $client->{text} !~ /^failed/m;
    my $text = finish($client);
    return ($text, finish($server));
}

sub server_identity ($key) { return ('-cert', $leaf{$key}->certificate, '-key', $leaf{$key}->key) }
my @client_identity = ('-cert', $other->certificate, '-key', $other->key);

for my $version ('1.2', '1.3') {
    my $flag = '-tls' . $version =~ tr/./_/r;
    for my $key ('ec', 'rsa') {
        my @ours = identity($leaf{$key});
        my ($text, $theirs) = server_with_client([@ours], $flag, '-servername', 'good.example', '-verify_return_error');
        like $text,   qr/^open \Q$version\E /m,        "server, TLS $version, $key: open";
        like $text,   qr/^hello good\.example$/m,      '... the name was read before';
        like $theirs, qr/^echo: hello/m,               '... text came back';
        like $theirs, qr/Verify return code: 0 \(ok\)/, '... the chain is whole';
        like $text,   qr/^closed/m,                    '... and close_notify came';

        ($text, $theirs) = server_with_client([ @ours, 'auth=require' ], $flag, @client_identity);
        like $text,   qr/^chain [12]$/m, "server, TLS $version, $key, certificate required: captured";
        like $theirs, qr/^echo: hello/m, '... text came back';
        like $theirs, qr/^(?:Client Certificate Types|Requested Signature Algorithms)/m, '... it was asked for';

        ($text, $theirs) = server_with_client([ @ours, 'auth=require' ], $flag);
        like $text,     qr/^failed/m, "server, TLS $version, $key, certificate required and not given: refused";
        unlike $theirs, qr/^echo/m,   '... no text came back';
        like $theirs, $version eq '1.3' ? qr/alert number 116/ : qr/alert handshake failure|alert number 40/, '... by alert';

        ($text, $theirs) = server_with_client([ @ours, 'auth=request' ], $flag);
        like $text,   qr/^chain 0$/m,    "server, TLS $version, $key, certificate asked for and not given: known";
        like $theirs, qr/^echo: hello/m, '... text came back';

        ($text, $theirs) = client_with_server([], $flag, server_identity($key));
        like $text, qr/^open \Q$version\E \S+ $/m, "client, TLS $version, $key: open, no certificate asked for";
        like $text, qr/^chain 1$/m,               '... the chain is captured';
        like $text, qr/^olleh$/m,                 '... text came back';

        ($text, $theirs) = client_with_server([ identity($other) ], $flag, server_identity($key), '-Verify', 1, '-CAfile',
            $root->certificate, '-verify_return_error');
        like $text, qr/^open \Q$version\E \S+ requested sent$/m, "client, TLS $version, $key: certificate asked for and sent";
        like $text, qr/^olleh$/m, '... and accepted';

        ($text, $theirs) = client_with_server([], $flag, server_identity($key), '-Verify', 1, '-CAfile', $root->certificate);
        unlike $text, qr/^olleh$/m,  "client, TLS $version, $key: without the certificate that is required, no text";
        like $text,   qr/^failed .*alert received/m, '... and the alert is reported';
    }
    my ($text, $theirs) = server_with_client([ identity($leaf{ec}), 'name=good.example' ], $flag, '-servername', 'nope.example');
    like $theirs, qr/alert number 112/, "TLS $version: an unknown name gets unrecognized_name";
    like $text,   qr/^failed unrecognized_name/m, '... before there is a session';

    ($text, $theirs) = server_with_client([ identity($leaf{ec}), 'protocol=sip/2' ], $flag, '-alpn', 'h2');
    like $theirs, qr/alert number 120/, "TLS $version: foreign protocols alone get no_application_protocol";
    ($text, $theirs) = server_with_client([ identity($leaf{ec}), 'protocol=sip/2' ], $flag, '-alpn', 'h2,sip/2');
    like $theirs, qr{^ALPN protocol: sip/2}m, "TLS $version: sip/2 among others is chosen";

    ($text, $theirs) = client_with_server([ identity($other), 'refuse=48' ], $flag, server_identity('ec'), '-Verify', 1,
        '-CAfile', $root->certificate);
    like $text,     qr/^chain [12]$/m,   "TLS $version: a refused server's chain was seen";
    unlike $text,   qr/^open/m,          '... nothing was opened';
    like $theirs,   qr/unknown ca|alert number 48/, '... the server reads the alert';
    unlike $theirs, qr/caller\.example/, '... and never saw our certificate';
}

# A client that offers post-handshake authentication is served, and not asked.
{
    my ($text, $theirs) = server_with_client([ identity($leaf{ec}) ], '-tls1_3', '-enable_pha', @client_identity);
    like $theirs, qr/^echo: hello/m,            'a client that offers post-handshake authentication is served';
    like $text,   qr/^open 1\.3 \S+ $/m,         '... and not asked';
}

# Floors, by name of what a client insists on.
for my $case (
    [ 'TLS 1.1', qr/alert number 70/, '-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0' ],
    [ 'TLS 1.0', qr/alert number 70/, '-tls1',   '-cipher', 'DEFAULT:@SECLEVEL=0' ],
    [ 'a NULL suite',     qr/alert number 40/, '-tls1_2', '-cipher', 'eNULL:@SECLEVEL=0' ],
    [ 'an anonymous suite', qr/alert number 40/, '-tls1_2', '-cipher', 'aNULL:@SECLEVEL=0' ],
    [ 'a CBC suite',      qr/alert number 40/, '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0' ],
    [ 'static RSA',       qr/alert number 40/, '-tls1_2', '-cipher', 'AES128-GCM-SHA256:@SECLEVEL=0' ],
) {
    my ($name, $alert, @arguments) = @$case;
    my ($text, $theirs) = server_with_client([ identity($leaf{ec}) ], @arguments);
    unlike $text, qr/^open/m, "$name is refused";
    like $theirs, $alert, '... by alert';
}
my ($text, $theirs) = client_with_server([], '-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0', server_identity('ec'));
unlike $text, qr/^open/m, 'a server of TLS 1.1 is refused';
($text) = client_with_server(['minimum=1.3'], '-tls1_2', server_identity('ec'));
unlike $text, qr/^open/m, 'a server of TLS 1.2 is refused where 1.3 is the floor';
($text) = client_with_server(['maximum=1.2'], server_identity('ec'));
like $text, qr/^open 1\.2 /m, 'the ceiling is kept to';

# ADV-55. "R" at the beginning of a line makes s_client ask for renegotiation.
{
    my $server = start($endpoint, 'server', identity($leaf{ec}));
    my ($port) = wait_for($server, qr/^listening/) =~ /(\d+)/;
    my $client = start('openssl', 's_client', '-connect', "127.0.0.1:$port", '-tls1_2', '-legacy_renegotiation');
    print { $client->{in} } "hello\n";
    wait_for($client, qr/^echo: hello/);
    print { $client->{in} } "R\n";
    wait_for($client, qr/RENEGOTIATING/);
    $theirs = finish($client);
    $text   = finish($server);
    like $text, qr/^open 1\.2/m, 'renegotiation: the connection was open';
    like $text, qr/^failed/m,    '... and is broken by it';
}

# Plain SIP on a TLS port gets nothing, not even an alert.
{
    my $server = start($endpoint, 'server', identity($leaf{ec}));
    my ($port) = wait_for($server, qr/^listening/) =~ /(\d+)/;
    require IO::Socket::INET;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "$!\n";
    print {$socket} "OPTIONS sip:good.example SIP/2.0\r\n\r\n";
    shutdown $socket, 1;
    my $answer = do { local $/; <$socket> };
    is $answer // '', '', 'plain text on a TLS port is not answered';
    like finish($server), qr/^failed this is not TLS/m, '... and named';
}

done_testing;
