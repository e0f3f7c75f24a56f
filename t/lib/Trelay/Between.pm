# SPDX-License-Identifier: GPL-2.0-or-later
# Between.pm - somebody between two programs over TCP who passes their bytes on, and may change, hold or add some.
# In:  where to listen, where to pass to, what to do with bytes. Out: nothing; both sides see what they see.
#
#   my $between = Trelay::Between->start(host => own_address(3), to => $server,
#       from_server => sub ($bytes) { $bytes });     # state stays within the connection's own process
#   ... $between->host, $between->port ...
#   is($between->stop, 0);
package Trelay::Between;

use v5.36;

use IO::Select ();
use IO::Socket::IP ();
use POSIX ();
use Time::HiRes qw(sleep);
use Trelay::Process ();
use Trelay::SIP ();

# Options: host, port; to (what has host and port), or choose: sub ($first_bytes) giving that; from_client, from_server:
# subs that are given bytes and return those to pass on; hold: seconds for which bytes are gathered before they go;
# connections: how many are accepted, then nobody listens any more (default: all).
sub start ($class, %options) {
    my $self = bless { hold => 0, choose => sub ($bytes) { return $options{to} }, %options }, $class;
    for my $change (qw(from_client from_server)) {
        $self->{$change} //= sub ($bytes) { return $bytes };
    }
    $self->{listener} = Trelay::SIP::Listener->new(host => $options{host}, port => $options{port});
    $self->{process} = Trelay::Process->start(name => 'between', code => sub { $self->serve });
    $self->{listener}->close;
    return $self;
}

sub host ($self) { return $self->{listener}->host }
sub port ($self) { return $self->{listener}->port }
sub stop ($self) { my $status = $self->{process}->stop; return $status == 128 + 15 ? 0 : $status }

# What follows runs in the child.

sub serve ($self) {
    local $SIG{CHLD} = 'IGNORE';
    my $left = $self->{connections};
    while (!defined $left || $left-- > 0) {
        my $client = $self->{listener}->accept_plain(3600) or last;
        next if fork // die "fork: $!\n";
        $self->{listener}->close;
        $self->pass($client->{socket});
        POSIX::_exit(0);
    }
    $self->{listener}->close;
    sleep 3600;
    return;
}

sub pass ($self, $client) {
    sysread $client, my $first, 65536 or return;
    my $to = $self->{choose}->($first);
    my $server = IO::Socket::IP->new(PeerHost => $to->host, PeerPort => $to->port, Proto => 'tcp') or return;
    setsockopt $server, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1;
    write_all($server, $self->{from_client}->($first));
    my $both = IO::Select->new($client, $server);
    while (1) {
        for my $from ($both->can_read) {
            sleep $self->{hold} if $self->{hold};
            sysread $from, my $bytes, 65536 or return;
            my ($to_whom, $change) = $from == $client ? ($server, 'from_client') : ($client, 'from_server');
            write_all($to_whom, $self->{$change}->($bytes)) or return;
        }
    }
    return;
}

sub write_all ($socket, $bytes) {
    while (length $bytes) {
        my $count = syswrite $socket, $bytes or return 0;
        substr $bytes, 0, $count, '';
    }
    return 1;
}

1;
