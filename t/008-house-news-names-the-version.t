#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# NEWS opens with the version of configure.ac and says something about it.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_srcdir made_up_tree complaints);

is(complaints('check-news', top_srcdir()), '', 'NEWS is up to date');

sub said ($news) {
    my $tree = made_up_tree('configure.ac' => "AC_INIT([trelay], [2.1.0])\n", defined $news ? ('NEWS' => $news) : ());
    return complaints('check-news', "$tree");
}

is(said("trelay 2.1.0\n============\n\nFixed\n-----\n- A bug.\n\ntrelay 2.0.0\n"), '', 'the newest entry first');
is(said(undef), "NEWS is missing\n", 'no NEWS');
like(said("trelay 2.0.0\n============\n\nFixed\n-----\n- A bug.\n"),
    qr/newest entry is trelay 2\.0\.0, configure\.ac says 2\.1\.0/, 'an old one');
is(said("trelay 2.1.0\n============\n\ntrelay 2.0.0\n- A bug.\n"), "NEWS: nothing stands under trelay 2.1.0\n",
    'an empty entry');
like(said("trelay 2.1.0\n============\n\nNovelties\n---------\n- A bug.\n"), qr/Novelties is none of Upgrade/,
    'another heading');

done_testing();
