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

my $EVENTS = <<'END';
#define LOG_EVENT_LIST(X)                     \
    X(LOG_EVENT_BEGAN, "began", "it begins")  \
    X(LOG_EVENT_ENDED, "ended", "it has ended")
END
my %events = ('src/log/event_name.h' => $EVENTS, 'src/relay/life.c' => "log_event(LOG_EVENT_BEGAN);\n",
    'doc/trelayd.8' => ".Sh LOG\n.It Cm began\n.It Cm ended\n.Sh FILES\n");
$tree = made_up_tree(%events, 'src/relay/death.c' => "log_event(LOG_EVENT_ENDED);\n");
is(complaints('check-docs', "$tree"), '', 'each event is logged');
$tree = made_up_tree(%events, 'src/relay/death.c' => "log_event(LOG_EVENT_ENDED_AT_LAST);\n");
is(complaints('check-docs', "$tree"), "src/log/event_name.h: no source logs the event ended\n", 'one that never comes');
$tree = made_up_tree(%events, 'src/relay/death.c' => "LOG_EVENT_ENDED\n",
    'doc/trelayd.8' => ".Sh LOG\n.It Cm began\n.It Cm ended\n.It Cm be\\-gone\n.Sh FILES\n");
is(complaints('check-docs', "$tree"), "doc/trelayd.8: there is no event be-gone\n", 'one that there is no more');

my %program = ('src/daemon/main.c' => qq{option = getopt(argc, argv, "c:tV");\n});
$tree = made_up_tree(%program, 'doc/trelayd.8' => ".Sh SYNOPSIS\n.Nm\n.Op Fl c Ar file\n.Nm\n.Fl t | V\n.Sh NEXT\n"
    . join('', map { ".It Fl $_\n" } 'c Ar file', 't', 'V'));
is(complaints('check-docs', "$tree"), '', 'each option is in the synopsis and in the list');
$tree = made_up_tree(%program, 'doc/trelayd.8' => ".Sh SYNOPSIS\n.Nm\n.Op Fl c Ar file\n.Fl t\n.Sh NEXT\n.Fl V\n"
    . join('', map { ".It Fl $_\n" } 'c Ar file', 'V'));
is(complaints('check-docs', "$tree"), "doc/trelayd.8: -V is not in the synopsis\ndoc/trelayd.8: -t is not listed\n",
    'one that is not in the one, one that is not in the other');

$tree = made_up_tree('README.md' => "Manuals: trelayd(8).\n", map { ("doc/$_" => "\n") } qw(trelayd.8 trelayctl.8));
is(complaints('check-docs', "$tree"), "README.md: trelayctl(8) is not mentioned\n", 'a page that the beginning does not name');

done_testing();
