#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The pure half calls only what src/ALLOWED-SYMBOLS names: no socket, no clock, no log, no library.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_builddir made_up_tree made_up_library complaints);

my $build = top_builddir();
is(complaints('check-pure', "$build/libpure.a"), '', 'libpure.a asks for nothing else');

my $allowed = made_up_tree('list' => "strlen -- reads its argument\n__asan_* -- sanitizer\n");

sub said ($more) {
    my $text = "#include <string.h>\n#include <time.h>\nunsigned long f(const char *s) { return strlen(s) + $more; }\n";
    my $library = made_up_library($build, $text);
    return complaints('check-pure', "$library/one.a", "$allowed/list");
}

is(said('1'), '', 'an allowed symbol passes');
is(said('(unsigned long)time(0)'), "libpure: time is not in ALLOWED-SYMBOLS, but one.o asks for it\n",
    'another is refused, by name and object');
like(complaints('check-pure', "$allowed/none.a", "$allowed/list"), qr/none\.a: No such file/,
    'no library is not a clean one');

done_testing();
