#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/coverage finds each branch that is not taken. Claims of base/never.h and assertions are none where coverage is
# measured, and are branches elsewhere.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Copy qw(copy);
use File::Path qw(make_path);
use Test::More;
use Trelay::House qw(top_srcdir top_builddir compiler made_up_tree run_command slurp);

# Programs of src/sip/one.c, built for gcov and run: each in a tree of its own.
my $one_way = <<'END';
int main(int count, char **words)
{
    (void)words;
    if (count > 1)
        return 1;
    return 0;
}
END
my $claims = <<'END';
#include "base/never.h"
#include <assert.h>
int main(int count, char **words)
{
    assert(count > 0);
    if (never(count > 7) || never(words == 0))
        return 1;
    return always(words[0] != 0) ? 0 : 3;
}
END

sub built ($program, @flags) {
    my $tree = made_up_tree('src/sip/one.c' => $program, 't/lib/Trelay/none' => '');
    make_path("$tree/$_") for 'scripts', 'src/base';
    copy(top_srcdir() . "/$_", "$tree/$_") or die "$_: $!\n"
        for 'scripts/coverage', 't/lib/Trelay/House.pm', 'src/base/never.h';
    my ($status, $output) = run_command('sh', '-c', 'cd "$1" && shift && cc="$1" && shift && '
            . '"$cc" -O0 --coverage -Isrc "$@" -c -o src/sip/one.o src/sip/one.c && '
            . '"$cc" --coverage -o one src/sip/one.o && ./one', 'sh', "$tree", compiler(top_builddir()), @flags);
    is($status, 0, 'a program is built and run') or diag($output);
    return $tree;
}

sub said ($tree, @options) {
    my ($code, $text) = run_command($^X, "$tree/scripts/coverage", @options, "$tree");
    return "$code " . join '; ', grep { /^coverage: / } split /\n/, $text;
}

my $tree = built($one_way);
is(said($tree), '0 ', 'nothing is asked for');
is(said($tree, '--at-least', 'sip=50'), '0 ', 'half of it was taken');
my $untaken = 'coverage: src/sip/one.c:4: 1 not taken: if (count > 1)';
for my $percent (51, 100) {
    is(said($tree, '--at-least', "sip=$percent"),
        "1 coverage: src/sip: fewer than $percent % of the branches were taken; $untaken", "and no more: $percent");
}
is(said($tree, '--at-least', 'decide=1'), '1 coverage: src/decide: nothing of it was built for gcov',
    'of what was not built nothing was taken');

# As configure --enable-coverage has it.
my ($flags) = slurp(top_srcdir() . '/m4/trelay.m4') =~ /--coverage -fprofile-update=atomic ([^"]*)"/;
ok(defined $flags, 'configure has flags for coverage');
is(said(built($claims, split ' ', $flags // ''), '--at-least', 'sip=100'), '0 ', 'a claim is no branch');
like(said(built($claims), '--at-least', 'sip=100'), qr/^1 .*never\(count > 7\).*always\(words/, 'but where it is in use');

done_testing;
