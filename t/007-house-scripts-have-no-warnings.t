#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Shell scripts pass shellcheck, Perl passes perl -c, Python parses.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_srcdir made_up_tree complaints);

is(complaints('check-scripts', top_srcdir()), '', 'all scripts are clean');

sub said (%files) {
    my $tree = made_up_tree(%files);
    return complaints('check-scripts', "$tree");
}

is(said('scripts/a' => "#!/bin/sh\necho \"\$1\"\n", 't/b.t' => "#!/usr/bin/perl\nuse v5.36;\nsay 1;\n"), '',
    'clean ones pass');
like(said('scripts/a' => "#!/bin/bash\ncd /tmp\nrm -rf \$x/*\nunused=1\n"), qr/^scripts\/a: shellcheck:.*SC2034/s,
    'shell');
like(said('t/lib/B.pm' => "package B;\nuse v5.36;\nmy \$x = 1;\nmy \$x = 2;\n1;\n"), qr/^t\/lib\/B\.pm: perl:.*masks/s,
    'a Perl warning');
like(said('t/b.t' => "#!/usr/bin/perl\nuse v5.36;\n\$undeclared = 1;\n"), qr/^t\/b\.t: perl:.*undeclared/s,
    'a Perl error');
like(said('bench/c' => "#!/usr/bin/python3\ndef (:\n"), qr/^bench\/c: python3:.*SyntaxError/s, 'Python');

done_testing();
