#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A base name of src/ points to one file; tests, migrations and decisions are numbered; nothing stays out of a release.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_srcdir made_up_tree complaints);

is(complaints('check-names', top_srcdir()), '', 'the tree keeps the rules of names');

sub said (%files) {
    my $tree = made_up_tree(%files);
    return complaints('check-names', "$tree");
}

my %good = (
    'src/base/slice.c'                    => "struct slice {\n};\n",
    'src/base/files.mk'                   => "libpure_a_SOURCES += src/base/slice.c src/sip/slice.c\n",
    't/unit/base.mk'                      => "check_PROGRAMS += t/100-base-slice.t\n",
    't/500-relay-forwards.t'              => "#!/usr/bin/perl\n",
    'sql/migrate/0001-create-schema.sql'  => '',
    'sql/migrate/0002-create-types.sql'   => '',
    'doc/decision/0000-record-them.md'    => '',
);
is(said(%good), '', 'a made-up tree passes');
is(said(%good, 'src/sip/slice.c' => ''), "slice.[ch] is in src/base src/sip: base names are unique\n",
    'a name used twice');
is(said(%good, 'src/sip/slice.c' => '', 'src/EXEMPTIONS' => "base-name slice -- two\n"), '', 'unless it is listed');
is(said(%good, 'src/base/list.c' => ''), "src/base/list.c: in no files.mk\n", 'a file that no files.mk names');
like(said('src/base/slice_util.c' => ''), qr/a name that does not say what it is/, 'an empty word in a file name');
like(said('src/base/one.c' => "struct peer_info {\n};\n"), qr/one\.c:1: struct peer_info does not say/, 'in a struct');
is(said('t/500_relay.t' => "#!/usr/bin/perl\n"), "t/500_relay.t: 500_relay.t is not NNN-area-behaviour.t\n",
    'a test name');
like(said('t/750-relay-forwards.t' => "#!/usr/bin/perl\n"), qr/is in no range of t\/README/, 'a test number');
like(said('t/500-relay-forwards.t' => "use v5.36;\n"), qr/does not begin with #!/, 'a test without first line');
is(said('t/unit/a.mk' => "check_PROGRAMS += \\\n    t/slice.t\n"), "t/unit/a.mk: slice.t is not NNN-area-behaviour.t\n",
    'a program name');
is(said('sql/migrate/0001-a.sql' => '', 'sql/migrate/0003-c.sql' => ''),
    "sql/migrate/0003-c.sql: the next number is 0002\n", 'a number left out');
is(said('sql/migrate/0001-a.sql' => '', 'sql/migrate/0001-b.sql' => ''),
    "sql/migrate/0001-b.sql: the next number is 0002\n", 'a number used twice');

done_testing();
