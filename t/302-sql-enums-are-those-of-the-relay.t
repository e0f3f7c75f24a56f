#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The closed sets of the schema have exactly the words of src/policy/level.h, in that order.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
my $header = Trelay::Postgres::top_srcdir() . '/src/policy/level.h';
open my $in, '<', $header or die "$header: $!";
my $text = do { local $/; <$in> };
$text =~ s{\\\n}{ }g;
my %words;
while ($text =~ /^#define (\w+)_LIST\(X\)(.*)$/mg) {
    my ($set, $rows) = ($1, $2);
    $words{ lc $set } = join ' ', $rows =~ /X\(\w+,\s*"([^"]+)"\)/g;
}
is scalar(keys %words), 10, 'ten closed sets';
for my $set (sort keys %words) {
    isnt $words{$set}, '', "$set has words";
    is $pg->value("SELECT string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = to_regtype('trelay.$set')"),
        $words{$set}, "trelay.$set has them";
}
done_testing;
