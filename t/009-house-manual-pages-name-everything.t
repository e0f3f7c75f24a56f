#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Flags, reasons, tables, options, events and commands stand in their manual pages.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_srcdir made_up_tree run_check complaints);

my ($status, $output) = run_check('check-docs', '-v', top_srcdir());
is($status, 0, 'every name stands in its page');
note($output) if $status == 0;
diag($output) if $status != 0;

my $FLAGS = <<'END';
#define FLAG_LIST(X)           \
    X(TLS, 0, "tls", NONE, "") \
    X(NO_100, 20, "no-100", NONE, "")
END

sub said ($page) {
    my $tree = made_up_tree('src/policy/flag.h' => $FLAGS, 'doc/trelay-flags.7' => $page);
    return complaints('check-docs', "$tree");
}

is(said(".It Cm tls\n.It Cm no\\-100\n"), '', 'both named');
is(said(".It Cm no-tls\n.It Cm no\\-100\n"), "doc/trelay-flags.7: the flag tls is not mentioned\n",
    'one only within another');

my $tree = made_up_tree('src/policy/flag.h' => "enum flag;\n", 'doc/trelay-flags.7' => "tls\n");
like(complaints('check-docs', "$tree"), qr/no flag name in src\/policy\/flag\.h: mend/,
    'a source that moved is noticed');

done_testing();
