# SPDX-License-Identifier: GPL-2.0-or-later
# Kamailio.pm - a Kamailio (Debian) as neighbour: UDP on port 5060, TLS on port 5061 of one address.
# In:  its routing script, its certificate and authority. Out: a running proxy that demands a certificate of others.
#
#   my $kamailio = Trelay::Kamailio->start(host => own_address(2), certificate => $leaf, authority => $ca,
#       script => 'request_route { sl_send_reply("200", "OK"); }', modules => [qw(rr siputils)]);
#   is($kamailio->stop, 0);
package Trelay::Kamailio;

use v5.36;

use File::Temp qw(tempdir);
use Trelay::Process ();

my $PROGRAM = $ENV{KAMAILIO} // '/usr/sbin/kamailio';

sub module_directory () { return (grep { -e "$_/tls.so" } glob '/usr/lib/*/kamailio/modules /usr/lib*/kamailio/modules')[0] }
sub is_there ($class)   { return -x $PROGRAM && defined module_directory() }

# Options: host, certificate (a leaf), authority (of the others' certificates), script, modules (besides tls sl tm pv
# textops), parameters (lines of modparam).
sub start ($class, %options) {
    my $self = bless { %options, directory => tempdir('trelay-kamailio-XXXXXX', TMPDIR => 1, CLEANUP => 1) }, $class;
    my $directory = $self->{directory};
    my $profile = join "\n", 'method = TLSv1.2+', 'verify_certificate = yes', 'require_certificate = yes',
        'certificate = ' . $options{certificate}->chain, 'private_key = ' . $options{certificate}->key,
        'ca_list = ' . $options{authority}->certificate, '';
    $self->write('tls.cfg', "[server:default]\n$profile\n[client:default]\n$profile");
    $self->{process} = Trelay::Process->start(
        name      => 'kamailio',
        directory => $directory,
        command   => [
            $PROGRAM, '-DD', '-E', '-f', $self->write('kamailio.cfg', $self->configuration), '-P', "$directory/pid",
            '-Y', $directory, '-m', 64, '-M', 8,
        ],
    );
    $self->{process}->wait_for_socket("$options{host}:5061");
    return $self;
}

sub write ($self, $name, $text) {
    open my $out, '>', "$self->{directory}/$name" or die "$name: $!\n";
    print {$out} $text;
    close $out or die "$name: $!\n";
    return "$self->{directory}/$name";
}

# One process for TLS: several corrupt its memory with OpenSSL 3.
sub configuration ($self) {
    my $modules = join "\n", map { "loadmodule \"$_.so\"" } qw(tls sl tm pv textops), @{ $self->{modules} // [] };
    return join "\n", '#!KAMAILIO', 'log_stderror=yes', 'children=1', 'tcp_children=1', 'auto_aliases=no',
        'enable_tls=yes', 'dns=no', 'rev_dns=no', "listen=udp:$self->{host}:5060", "listen=tls:$self->{host}:5061",
        'mpath="' . module_directory() . '/"', $modules, "modparam(\"tls\", \"config\", \"$self->{directory}/tls.cfg\")",
        $self->{parameters} // '', $self->{script}, '';
}

sub process ($self) { return $self->{process} }
sub stop ($self)    { return $self->{process}->stop }

1;
