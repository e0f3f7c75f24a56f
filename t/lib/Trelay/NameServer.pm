# SPDX-License-Identifier: GPL-2.0-or-later
# NameServer.pm - an authoritative name server (Knot DNS) on a loopback port, and a record of what it is asked.
# In:  zones, as text or as lists of records. Out: an address for resolvers, the questions in order.
#
#   my $names = Trelay::NameServer->start('biloxi.example' => <<'ZONE');
#   @             NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp
#   _sips._tcp    SRV   10 60 5061 sip1
#   sip1          A     192.0.2.1
#   ZONE
#   $names->address          127.0.0.1:PORT
#   $names->asked            ('NAPTR biloxi.example', ...) since the last call
#   $names->zone(NAME, TEXT) another content from now on
#   $names->mute(1)          questions are recorded and not answered
#
# SOA and NS are added; TTL is 300 unless a record has its own. Between resolver and server stands a process that
# records; it carries UDP and TCP.
package Trelay::NameServer;

use v5.36;

use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use POSIX qw(_exit);

my %TYPES = (1 => 'A', 5 => 'CNAME', 28 => 'AAAA', 33 => 'SRV', 35 => 'NAPTR');

# Where knotd is, or undef: tests that need it are skipped then.
sub program ($class) {
    for my $directory (split(/:/, $ENV{PATH} // ''), '/usr/sbin', '/usr/local/sbin') {
        return "$directory/knotd" if -x "$directory/knotd";
    }
    return undef;
}

sub start ($class, %zones) {
    my $self = bless { directory => tempdir('trelay-names-XXXXXX', TMPDIR => 1, CLEANUP => 1), serial => 1,
        offset => 0, owner => $$ }, $class;
    $self->write_zone($_, $zones{$_}) for sort keys %zones;
    # Another process may take a port between our look and the server's bind.
    for my $try (1 .. 10) {
        $self->{port} = free_port();
        $self->write_configuration(sort keys %zones);
        last if $self->start_server;
        die "knotd does not start:\n$self->{output}" if $try == 10;
    }
    $self->start_recorder;
    return $self;
}

sub address ($self) { return "127.0.0.1:$self->{recorder_port}" }

sub free_port () {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp', Listen => 1) or die "socket: $!\n";
    return $socket->sockport;
}

sub write_file ($path, $text) {
    open my $file, '>', $path or die "$path: $!\n";
    print {$file} $text;
    close $file or die "$path: $!\n";
    return;
}

sub write_zone ($self, $name, $text) {
    my $serial = $self->{serial}++;
    write_file("$self->{directory}/$name.zone", <<~"ZONE" . $text);
        \$ORIGIN $name.
        \$TTL 300
        \@ SOA ns.invalid. root.invalid. $serial 3600 600 86400 300
        \@ NS ns.invalid.
        ZONE
    return;
}

sub write_configuration ($self, @zones) {
    my $directory = $self->{directory};
    write_file("$directory/knot.conf", <<~"CONFIGURATION" . join '', map { "  - domain: $_\n" } @zones);
        server:
            rundir: "$directory"
            listen: [ "127.0.0.1\@$self->{port}" ]
            udp-workers: 1
            tcp-workers: 1
            background-workers: 1
        database:
            storage: "$directory/database"
        log:
          - target: stdout
            any: info
        template:
          - id: default
            storage: "$directory"
            file: "%s.zone"
            journal-content: none
            zonefile-sync: -1
        zone:
        CONFIGURATION
    return;
}

# True once the server says that it has started.
sub start_server ($self) {
    $self->{server} = open($self->{log}, '-|') // die "fork: $!\n";
    if ($self->{server} == 0) {
        open STDERR, '>&', \*STDOUT or _exit(127);
        exec Trelay::NameServer->program, '-c', "$self->{directory}/knot.conf" or _exit(127);
    }
    $self->{output} = '';
    while (defined(my $line = readline $self->{log})) {
        $self->{output} .= $line;
        return 1 if $line =~ /server started/;
    }
    close $self->{log};
    delete $self->{server};
    return 0;
}

sub zone ($self, $name, $text) {
    $self->write_zone($name, $text);
    my $knotc = Trelay::NameServer->program =~ s/knotd$/knotc/r;
    open my $output, '-|', $knotc, '-s', "$self->{directory}/knot.sock", '-b', 'zone-reload', $name
        or die "knotc: $!\n";
    my $said = join '', readline $output;
    close $output or die "knotc zone-reload $name: $said\n";
    return;
}

sub asked ($self) {
    open my $file, '<', "$self->{directory}/asked" or die "asked: $!\n";
    seek $file, $self->{offset}, 0;
    my @lines = readline $file;
    $self->{offset} = tell $file;
    chomp @lines;
    return @lines;
}

sub mute ($self, $is_mute) {
    my $path = "$self->{directory}/mute";
    if ($is_mute) { write_file($path, '') }
    else          { unlink $path }
    return;
}

# The recorder: what comes in on its port goes to the server, and back.
sub start_recorder ($self) {
    my ($udp, $tcp);
    for (1 .. 10) {
        $tcp = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp', Listen => 16) or die "socket: $!\n";
        $udp = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $tcp->sockport, Proto => 'udp');
        last if $udp;
    }
    $udp or die "no port is free for UDP and TCP\n";
    write_file("$self->{directory}/asked", '');
    $self->{recorder_port} = $tcp->sockport;
    $self->{recorder} = fork // die "fork: $!\n";
    return if $self->{recorder};
    eval { $self->record($udp, $tcp); 1 } or print STDERR "name server: $@";
    _exit(1);
}

sub question ($message) {
    my ($at, @labels) = (12);
    while ((my $length = ord substr $message, $at, 1) > 0) {
        push @labels, substr $message, $at + 1, $length;
        $at += 1 + $length;
    }
    my $type = unpack 'n', substr $message, $at + 1, 2;
    return ($TYPES{$type} // "TYPE$type") . ' ' . join '.', @labels;
}

# False: to be left without an answer.
sub note ($self, $protocol, $message) {
    open my $file, '>>', "$self->{directory}/asked" or die "asked: $!\n";
    print {$file} question($message), $protocol eq 'tcp' ? ' over TCP' : '', "\n";
    close $file or die "asked: $!\n";
    return !-e "$self->{directory}/mute";
}

sub record ($self, $udp, $tcp) {
    my $select = IO::Select->new($udp, $tcp);
    my %asker; # of each socket towards the server
    while (my @ready = $select->can_read) {
        for my $socket (@ready) {
            if ($socket == $udp) {
                my $from = $udp->recv(my $message, 65535) // next;
                next if !$self->note('udp', $message);
                my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Proto => 'udp')
                    or die "socket: $!\n";
                $server->send($message);
                $asker{$server} = $from;
                $select->add($server);
            }
            elsif ($socket == $tcp) {
                $self->carry_tcp($tcp->accept // next);
            }
            else {
                my $from = delete $asker{$socket};
                my $is_read = defined $socket->recv(my $message, 65535);
                $udp->send($message, 0, $from) if $is_read;
                $select->remove($socket);
            }
        }
    }
    return;
}

# One connection after the other is enough here.
sub carry_tcp ($self, $client) {
    my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Proto => 'tcp') or return;
    while (defined(my $message = read_message($client))) {
        return if !$self->note('tcp', $message);
        print {$server} pack 'n/a', $message;
        my $answer = read_message($server) // return;
        print {$client} pack 'n/a', $answer;
    }
    return;
}

sub read_message ($socket) {
    read($socket, my $length, 2) == 2 or return undef;
    $length = unpack 'n', $length;
    read($socket, my $message, $length) == $length or return undef;
    return $message;
}

sub stop ($self) {
    for my $who (qw(recorder server)) {
        my $process = delete $self->{$who} or next;
        kill 'TERM', $process;
        local $?;
        if ($who eq 'server') { close $self->{log} }
        else                  { waitpid $process, 0 }
    }
    return;
}

sub DESTROY ($self) {
    local ($?, $@);
    $self->stop if $$ == $self->{owner};
    return;
}

1;
