#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# No variable of the libraries outlives a call: .data and .bss hold nothing of ours.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_builddir made_up_library complaints);

my $build = top_builddir();
is(complaints('check-state', "$build/libpure.a", "$build/libedge.a"), '', 'the libraries hold no mutable variable');

# What the check says of a library made of one C text; exemptions of the tree are not needed there.
sub said ($text, @flags) {
    my $library = made_up_library($build, $text, @flags);
    return complaints('check-state', "$library/one.a") =~ s/^src\/EXEMPTIONS.*\n//mgr;
}

my $TABLE = "static const char *const words[] = { \"a\", \"b\" };\nconst char *word(int i) { return words[i]; }\n";
is(said($TABLE, $_), '', "a constant table of strings is welcome ($_)") for '-fPIE', '-fno-pie';

my $COUNTER = "int count(void) { static int calls%s; return ++calls; }\n";
like(said(sprintf $COUNTER, ''),         qr/^one\.o: calls\S* in \.bss/,  'a counter in .bss');
like(said(sprintf $COUNTER, ' = 7'),     qr/^one\.o: calls\S* in \.data/, 'a counter in .data');
like(said("_Thread_local int calls;\n"), qr/^one\.o: calls in \.tbss/,    'a counter of a thread');
like(said("int calls;\n", '-fcommon'),   qr/^one\.o: calls in \*COM\*/,   'a common one');
like(said("const char *words[] = { \"a\" };\n"), qr/^one\.o: words in \.data/, 'a table that can be changed');

done_testing();
