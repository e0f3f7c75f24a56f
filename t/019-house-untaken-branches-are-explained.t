#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# src/UNCOVERED speaks of lines that are there, and scripts/coverage finds what it does not explain and what it explains
# in vain.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Copy qw(copy);
use File::Path qw(make_path);
use Test::More;
use Trelay::House qw(top_srcdir top_builddir compiler made_up_tree lines uncovered run_command);

for my $row (uncovered(top_srcdir())) {
    my $path = top_srcdir() . "/src/$row->{file}";
    my @same = -f $path ? grep { s/^\s+|\s+$//gr eq $row->{code} } lines($path) : ();
    ok(scalar @same, "$row->{file}: $row->{code}");
}

# A program with a branch that is not taken, built for gcov, run, and looked at under some list.
my $program = <<'END';
int main(int count, char **words)
{
    (void)words;
    if (count > 1)
        return 1;
    return 0;
}
END
my $tree = made_up_tree('src/sip/one.c' => $program, 't/lib/Trelay/none' => '');
make_path("$tree/scripts");
copy(top_srcdir() . "/$_", "$tree/$_") or die "$_: $!\n" for 'scripts/coverage', 't/lib/Trelay/House.pm';
my ($status, $output) = run_command('sh', '-c', 'cd "$1" && "$2" -O0 --coverage -c -o src/sip/one.o src/sip/one.c && '
        . '"$2" --coverage -o one src/sip/one.o && ./one', 'sh', "$tree", compiler(top_builddir()));
is($status, 0, 'a program is built and run') or diag($output);

sub said ($list, @options) {
    open my $out, '>', "$tree/src/UNCOVERED" or die $!;
    print {$out} $list;
    close $out;
    my ($code, $text) = run_command($^X, "$tree/scripts/coverage", @options, "$tree");
    return "$code " . join '; ', grep { /^coverage: / } split /\n/, $text;
}

is(said('', '--whole', 'sip'), '1 coverage: src/sip/one.c: 1 untaken, 0 explained: if (count > 1)', 'not explained');
is(said("sip/one.c 1 if (count > 1) -- why\n", '--whole', 'sip'), '0 ', 'explained');
is(said("sip/one.c 1 return 0; -- why\nsip/one.c 1 if (count > 1) -- why\n", '--whole', 'sip'),
    '1 coverage: src/sip/one.c: 0 untaken, 1 explained: return 0;', 'explained in vain');
is(said("sip/one.c 2 if (count > 1) -- why\n", '--whole', 'sip'),
    '1 coverage: src/sip/one.c: 1 untaken, 2 explained: if (count > 1)', 'fewer than explained');
is(said("sip/two.c 1 if (x) -- why\n", '--whole', 'decide'), '0 ', 'another directory is not looked at');
is(said('', '--at-least', 'sip=50'), '0 ', 'half of it was taken');
is(said('', '--at-least', 'sip=51'), '1 coverage: src/sip: fewer than 51 % of the branches were taken', 'and no more');

done_testing;
