# SPDX-License-Identifier: GPL-2.0-or-later
# Shortage.pm - memory that runs short when a test wants it, in a daemon that is t/trelayd-short (t/unit/short_memory.c).
# In:  which allocation of a worker is refused, and whether those behind it are. Out: how many were.
# Made before the daemon, whose environment it sets.
package Trelay::Shortage;

use v5.36;

use File::Temp ();
use Trelay::House qw(top_builddir);

sub new ($class) {
    my $self = bless { file => File::Temp->new(TEMPLATE => 'trelay-shortage-XXXXXX', TMPDIR => 1) }, $class;
    chmod 0666, $self->{file}->filename;
    $self->set(-1, 0, 0, 0);
    $ENV{TRELAYD}         = top_builddir() . '/t/trelayd-short';
    $ENV{TRELAY_SHORTAGE} = $self->{file}->filename;
    return $self;
}

# The numbers that the daemon shares: left, refused, asked, lasts.
sub set ($self, @values) {
    open my $out, '+<:raw', $self->{file}->filename or die "$!\n";
    syswrite $out, pack('q4', @values) or die "$!\n";
    return;
}

# The Nth allocation from now on (0: the next one) is refused; all behind it, too, if it LASTS.
sub refuse ($self, $nth, $lasts = 0) { return $self->set($nth, 0, 0, $lasts) }

# How many have been refused so far.
sub refused ($self) {
    open my $in, '<:raw', $self->{file}->filename or die "$!\n";
    sysread $in, my $bytes, 32 or die "$!\n";
    return (unpack 'q4', $bytes)[1];
}

# There is memory again: how many allocations were refused.
sub plenty ($self) {
    my $refused = $self->refused;
    $self->set(-1, 0, 0, 0);
    return $refused;
}

1;
