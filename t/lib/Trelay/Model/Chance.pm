# SPDX-License-Identifier: GPL-2.0-or-later
# Chance.pm - numbers that look random and follow from a seed alone, whatever else in the process asks for rand().
# In:  a seed. Out: the same choices in the same order, on every machine (xorshift of 32 bits).
package Trelay::Model::Chance;

use v5.36;

sub new ($class, $seed) {
    my $self = bless { state => ($seed * 2_654_435_761 + 88_675_123) & 0xffff_ffff || 1 }, $class;
    $self->next for 1 .. 8;
    return $self;
}

sub next ($self) {
    my $x = $self->{state};
    $x ^= $x << 13 & 0xffff_ffff;
    $x ^= $x >> 17;
    $x ^= $x << 5 & 0xffff_ffff;
    return $self->{state} = $x;
}

sub below ($self, $n) { return ($self->next >> 4) % $n }

# True in PERCENT of a hundred.
sub percent ($self, $percent) { return $self->below(100) < $percent }

sub pick ($self, @of) { return $of[ $self->below(scalar @of) ] }

# Of pairs, thing => weight, a thing.
sub weighed ($self, @pairs) {
    my $sum = 0;
    $sum += $pairs[ 2 * $_ + 1 ] for 0 .. @pairs / 2 - 1;
    my $at = $self->below($sum);
    while (my ($thing, $weight) = splice @pairs, 0, 2) {
        return $thing if $at < $weight;
        $at -= $weight;
    }
    die "weighed: nothing to choose from\n";
}

1;
