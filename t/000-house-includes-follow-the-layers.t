#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Includes go down the layers of src/LAYERS only, and each library enters through its one door.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_srcdir made_up_tree complaints run_check);

is(complaints('check-layers', top_srcdir()), '', 'the tree follows src/LAYERS');

my $LAYERS = "base:\nsip: base\nlog: base\ntls: base log\n<wolfssl/: tls\n";

sub finds ($name, $expected, %files) {
    my $tree = made_up_tree('src/LAYERS' => $LAYERS, 'src/base/slice.h' => '', 'src/log/log.h' => '', %files);
    my ($status, $output) = run_check('check-layers', "$tree");
    is($status, 1, "$name: refused");
    like($output, $expected, "$name: named");
    return;
}

my $good = made_up_tree(
    'src/LAYERS'       => $LAYERS,
    'src/base/slice.h' => "#include <string.h>\n",
    'src/sip/uri.c'    => "#include \"sip/uri.h\"\n#include \"base/slice.h\"\n",
    'src/sip/uri.h'    => '',
    'src/tls/door.c'   => "#include <wolfssl/ssl.h>\n",
);
is(complaints('check-layers', "$good"), '', 'a made-up tree that follows them passes');

finds('upwards', qr{src/sip/uri\.c:1: sip may not include from log}, 'src/sip/uri.c' => "#include \"log/log.h\"\n");
finds('wrong door', qr{src/log/log\.c:2: only src/tls includes <wolfssl/ssl\.h>},
    'src/log/log.c' => "#include \"log/log.h\"\n#include <wolfssl/ssl.h>\n");
finds('without directory', qr{"slice\.h" is not of the form}, 'src/base/slice.c' => "#include \"slice.h\"\n");
finds('no such header', qr{src/base/none\.h does not exist}, 'src/sip/uri.c' => "#include \"base/none.h\"\n");
finds('own header not first', qr{src/log/log\.c: its own header log/log\.h is not included first},
    'src/log/log.c' => "#include \"base/slice.h\"\n#include \"log/log.h\"\n");
finds('unknown directory', qr{src/new/file\.c: new is not in src/LAYERS}, 'src/new/file.c' => '');
finds('a list that goes upwards', qr{src/LAYERS:1: sip does not stand above base}, 'src/LAYERS' => "base: sip\nsip:\n");

done_testing();
