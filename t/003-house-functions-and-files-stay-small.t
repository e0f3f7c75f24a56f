#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# No function is longer than 100 lines and no file longer than 700, but for what src/EXEMPTIONS lists.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_srcdir made_up_tree run_check complaints functions_of);

my ($status, $output) = run_check('check-size', '-v', top_srcdir());
is($status, 0, 'the tree keeps the budget');
note($output) if $status == 0;
diag($output) if $status != 0;

# A function of so many lines from brace to brace.
sub function ($name, $lines) { return "int $name(void)\n{\n" . "    ;\n" x ($lines - 2) . "}\n" }

my $TWO = "int (*pick(int a))(void)\n{\n}\n\nstatic int two(int a,\n    int b)\n{\n    /* {\n} */\n}\n";
is_deeply([ functions_of($TWO) ],
    [ { name => 'pick', line => 2, length => 2 }, { name => 'two', line => 7, length => 4 } ], 'functions are found');

my $tree = made_up_tree('src/base/a.c' => function('fits', 100) . function('bursts', 101));
is(complaints('check-size', "$tree"),
    "src/base/a.c:103: function of 101 lines, the limit is 100: src/base/a.c bursts\n", 'a long function is refused');

$tree = made_up_tree(
    'src/base/a.c'   => function('bursts', 101),
    'src/EXEMPTIONS' => "function src/base/a.c bursts -- a table\n",
);
is(complaints('check-size', "$tree"), '', 'unless it is listed');

$tree = made_up_tree('src/base/a.c' => function('a', 2), 'src/EXEMPTIONS' => "function src/base/a.c a -- was long\n");
is(complaints('check-size', "$tree"), "src/EXEMPTIONS: function src/base/a.c a is not needed any more\n",
    'and a needless line is refused too');

$tree = made_up_tree('src/base/a.c' => "\n" x 701);
like(complaints('check-size', "$tree"), qr{file of 701 lines}, 'a long file is refused');

done_testing();
