#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Every source file has its licence line, header comment and guard, and none has what is banned.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_srcdir made_up_tree complaints);

is(complaints('check-style', top_srcdir()), '', 'the tree keeps the style');

my $LICENCE = '/* SPDX-License-Identifier: GPL-2.0-or-later */';
my $TOP     = "$LICENCE\n/* one.c - a made-up file. */\n";

# What the check says of src/base/one.c with this text, without the file's name.
sub said ($text, $name = 'src/base/one.c') {
    my $tree = made_up_tree($name => $text);
    return complaints('check-style', "$tree") =~ s/^\Q$name\E//mgr;
}

is(said("${TOP}int one(void);\n"), '', 'a plain file passes');
is(said("/* one.c - a made-up file. */\n"), <<"END", 'no licence');
:1: first line is not $LICENCE
:2: no header comment '/* one.c - what it is'
:2: the header comment is longer than ten lines
END
is(said("$LICENCE\nint one;\n/* */\n"), ":2: no header comment '/* one.c - what it is'\n", 'no header comment');
is(said("$LICENCE\n/* one.c - long\n" . " * and\n" x 10 . " */\n"), ":2: the header comment is longer than ten lines\n",
    'a long header comment');
is(said("${TOP}int one; \n"),   ":3: trailing white space\n",        'trailing white space');
is(said("${TOP}\tint one;\n"),  ":3: a tab\n",                       'tab');
is(said("${TOP}int one;"),      ": no newline at the end\n",         'no newline at the end');
is(said("${TOP}int one;\n\n"),  ": empty lines at the end\n",        'empty lines at the end');
is(said($TOP . '/* ' . 'x' x 115 . " */\n"), ":3: longer than 120 characters\n", 'long line');

like(said("${TOP}int f(void) { return $_(a, b); }\n"), qr/\A:3: \Q$_\E\(\) is banned, use \S/, "$_ is banned")
    for qw(wolfSSL_set_session wolfSSL_get1_session wolfSSL_SetServerID wolfSSL_write_early_data), # INV-24
    qw(strcpy strcat sprintf vsprintf atoi strtok gets alloca system sleep rand localtime inet_ntoa);
is(said("${TOP}/* not strcpy(a, b) */ const char *f(void) { return \"strcpy(\"; }\n"), '',
    'not in comments and strings');
is(said("${TOP}int f(void) { return my_sleep(1) + x.sleep(2) + y->sleep(3); }\n"), '', 'not as a part of other names');

is(said("${TOP}extern int counter;\n"), ":3: an extern variable\n", 'extern variable');
is(said("${TOP}typedef struct one one;\n"), ":3: a typedef of a struct, union or enum\n", 'struct typedef');
is(said("${TOP}typedef int (*visit)(void *argument);\n"), ":3: a function type is named ..._fn\n", 'function typedef');
is(said("${TOP}typedef int (*visit_fn)(void *argument);\ntypedef struct one *done_fn(void);\n"), '', 'a good one');
is(said("${TOP}#if 0\n#endif\n"), ":3: dead code\n", 'dead code');
like(said("${TOP}/* TODO: later */\n"), qr/\A:3: an open end/, 'TODO without an issue');
is(said("${TOP}/* TODO(#12): later */\n"), '', 'TODO with one');

is(said("$LICENCE\n/* one.h - x */\n#ifndef ONE_H\n#define ONE_H\n#endif\n", 'src/base/one.h'),
    ": its include guard is not TRELAY_BASE_ONE_H\n", 'wrong guard');
is(said("$LICENCE\n/* one.h - x */\n#ifndef TRELAY_BASE_ONE_H\n#define TRELAY_BASE_ONE_H\n#endif\n", 'src/base/one.h'),
    '', 'right guard');
like(said("#!/bin/sh\necho\n", 'scripts/one'), qr/\A:1: does not begin with SPDX/, 'script without licence line');

done_testing();
