#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Each requirement of doc/conformance.md has its tests, which carry its id, or a decision.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_srcdir made_up_tree run_check complaints);

my ($status, $output) = run_check('check-conformance', '-v', top_srcdir());
is($status, 0, 'the document and the tests agree');
note($output) if $status == 0;
diag($output) if $status != 0;

my %TESTS = (
    't/501-first.t'      => "subtest 'A01 A02: both' => sub {\n",
    't/unit/second.c'    => "{ \"A02 second\", f },\n",
    't/unit/base.mk'     => "t_100_other_t_SOURCES = t/unit/other.c\n",
    't/unit/sip.mk'      => "t_110_second_t_SOURCES = t/unit/second.c x.c\n",
    't/scenario/one.txt' => "name A01 one\n",
);

# What the check says of a document with these lines, without the name of the file.
sub said ($ids, @rows) {
    my $text = "# C\n\n$ids\n\n| id | requirement | tests | decision |\n|---|---|---|---|\n" . join '', map { "$_\n" } @rows;
    my $tree = made_up_tree(%TESTS, 'doc/conformance.md' => $text);
    return complaints('check-conformance', "$tree") =~ s{^doc/conformance\.md:?\d*:? ?}{}gmr;
}

my $A01 = '| A01 | something | `t/501`, `t/scenario/one.txt` | |';
my $A02 = '| A02 | something else | `t/501` `t/110` | because |';
is(said('Ids: A01-A02', $A01, $A02), '', 'script, program and another file');
is(said("Ids: A01\nA02", $A01, $A02), '', 'ids on two lines');
is(said('Ids: A01', '| A01 | x | | not for us |'), '', 'a decision alone');
is(said('Ids: A01', '| A01 | x | | open: |'), '', 'an open one');
is(said('Ids: A01', '| A01 | x | | |'), "A01 has neither a test nor a decision\n", 'nothing');
is(said('Ids: A01', '| A01 | | | y |'), "A01 does not say what is required\n", 'no requirement');
is(said('Ids: A01', '| A01 | x | y |'), "a row is | id | requirement | tests | decision |\nA01 has no row\n", 'a cell too few');
is(said('Ids: A01', '| A01 | x | 501 | |'), "tests are given as `t/NNN`\nA01 has neither a test nor a decision\n", 'no path');
is(said('Ids: A01-A03', $A01, $A02), "A03 has no row\n", 'a row missing');
is(said('Ids: A01', $A01, $A02), "A02 is not in Ids\n", 'a row too many');
is(said('Ids: A01-A02', $A01, $A02, $A01), "A01 has a row already\n", 'a row twice');
is(said('Ids: A01 ADV-7', $A01, '| ADV-7 | an attack | `t/501` | |'),
    "t/501-first.t has no test whose name begins with ADV-7\n", 'an attack that no test speaks of');
is(said('Ids: A01 ADV-8', $A01, '| ADV-8 | an attack | `t/one` `t/scenario/one.txt` | |'),
    "t/one is no test\nt/scenario/one.txt has no test whose name begins with ADV-8\n", 'nor this one');
is(said('Ids: A01 A01', $A01), "A01 is in Ids twice\n", 'an id twice');
is(said('Ids: A1', '| A1 | x | | y |'),
    "A1 in Ids is no id\nno row of an id\nis missing or has no Ids\n", 'what is no id');
is(said('Ids: A01', '| A01 | x | `t/110` | |'), "t/unit/second.c has no test whose name begins with A01\n",
    'a program that does not name it');
is(said('Ids: A03', '| A03 | x | `t/501` | |'), "t/501-first.t has no test whose name begins with A03\n",
    'a script that does not name it');
is(said('Ids: A01', '| A01 | x | `t/502` | |'), "t/502 is no test\n", 'a test that is not there');
{
    local $TESTS{'t/501-other.t'} = "'A01'";
    is(said('Ids: A01', '| A01 | x | `t/501` | |'), "t/501 is several tests\n", 'a number that is given twice');
}
# And from the scenarios to the rows.
{
    my $path = 't/data/scenario';
    local $TESTS{"$path/a.scenario"}         = "title A01 A02: a title\nfrom x OPTIONS\n";
    local $TESTS{"$path/b.scenario"}         = "title what A02: is about\n";
    local $TESTS{"$path/failing/c.scenario"} = "title A01: fails\n";
    my $by = sub ($id) { return "| $id | something | `$path/a.scenario` | |" };
    is(said('Ids: A01-A02', $by->('A01'), $by->('A02')), '', 'a scenario that the rows of both its ids name');
    is(said('Ids: A01-A02', $by->('A01'), $A02), "the row of A02 does not name $path/a.scenario\n", 'one row of two does not');
    is(said('Ids: A01-A02', $A01, $A02), join('', map { "the row of $_ does not name $path/a.scenario\n" } qw(A01 A02)),
        'none does');
    is(said('Ids: A02', $by->('A02')), "the row of A01 does not name $path/a.scenario\n", 'an id that has no row');
}
is(complaints('check-conformance', '' . made_up_tree('README' => "x\n")),
    "doc/conformance.md is missing or has no Ids\n", 'no document');

# A decision may say less than the norm: its tests are not those of the norm.
my $both = made_up_tree(%TESTS, 'doc/conformance.md' => join "\n", '# C', '', 'Ids: A01-A04', '', $A01,
    '| A02 | x | `t/501` | so, and not as it says |', '| A03 | x | | not for us |', '| A04 | x | | open: later |', '');
my (undef, $counted) = run_check('check-conformance', '-v', "$both");
like($counted, qr/^4 ids: 1 tested, 1 tested as a decision says, 1 decided without a test, 1 open$/m, 'rows are counted apart');

done_testing();
