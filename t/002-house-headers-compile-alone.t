#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Every header includes what it needs, with each compiler at hand.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_srcdir top_builddir made_up_tree complaints run_check);

my $build = top_builddir();
is(complaints('check-headers', $build, top_srcdir()), '', 'every header of src/ compiles alone');

my $tree = made_up_tree(
    'src/base/good.h' => "#include <stddef.h>\nsize_t good_length(const char *text);\n",
    'src/base/bad.h'  => "size_t bad_length(const char *text);\n",
);
my ($status, $output) = run_check('check-headers', $build, "$tree");
is($status, 1, 'a header that leans on another is refused');
like($output, qr{^src/base/bad\.h does not compile alone}m, 'and named');
unlike($output, qr{good\.h does not}, 'one that stands alone is not');

done_testing();
