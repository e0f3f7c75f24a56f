# SPDX-License-Identifier: GPL-2.0-or-later
# Loopback.pm - addresses that no test running beside this one uses.
# In:  the number of the process. Out: four addresses of 127.0.0.0/8 for it alone, so that ports may be fixed.
package Trelay::Loopback;

use v5.36;

use Exporter 'import';
use IO::Socket::IP ();

our @EXPORT_OK = qw(own_address addresses_of further_addresses free_port);

my $OWNER = $$; # of a child, too, its parent's

# Address INDEX (0 to 3) of this test. Process numbers have 22 bits, loopback leaves 24.
sub own_address ($index = 0) {
    die "own_address: $index is not 0 to 3\n" if $index !~ /^[0-3]$/;
    return (addresses_of($OWNER))[$index];
}

# Those of another process that lives as long as they are used.
sub addresses_of ($pid) {
    return map { my $number = ($pid << 2 | $_) & 0xffffff; join '.', 127, map { $number >> $_ & 255 } 16, 8, 0 } 0 .. 3;
}

# COUNT more, a multiple of four: those of processes that do nothing else until this one ends.
sub further_addresses ($count) {
    require Trelay::Process;
    my @holders = map { Trelay::Process->start(name => 'holder', code => sub { sleep 1 while 1 }) } 1 .. $count / 4;
    return map { addresses_of($_->pid) } @holders;
}

# A port that was free a moment ago. For IPv6, where there is one address for all.
sub free_port ($host, $protocol = 'tcp') {
    my $socket = IO::Socket::IP->new(
        LocalHost => $host,
        LocalPort => 0,
        Proto     => $protocol,
        $protocol eq 'tcp' ? (Listen => 1) : (),
    ) or die "$host: $@\n";
    return $socket->sockport;
}

1;
