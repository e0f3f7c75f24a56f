#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Each parser of what strangers send has a fuzz target that `make fuzz` runs, with seeds and with words of its language.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_srcdir made_up_tree files slurp);

# What each language that is read from strangers is read by.
my @PARSERS = qw(sip_framing sip_message sip_uri sip_via sip_name_addr sip_route sip_content_length flags client_hello
    dialog_pin);

# The words of t/fuzz/files.mk behind NAME.
sub words ($root, $name) {
    my $text = slurp("$root/t/fuzz/files.mk") =~ s/\\\n/ /gr;
    return $text =~ /^\Q$name\E\s*\+?=\s*(.*)$/m ? split ' ', $1 : ();
}

sub problems ($root) {
    my @targets = words($root, 'FUZZ_TARGETS');
    my %is_shipped = map { $_ => 1 } words($root, 'EXTRA_DIST');
    my @problems;
    for my $name (@targets) {
        my ($first) = split /_/, $name;
        push @problems, "$name has no source"  if !-f "$root/t/fuzz/$name.c";
        push @problems, "$name is not shipped" if !$is_shipped{"t/fuzz/$name.c"};
        my @seeds = glob "$root/t/fuzz/corpus/$name/*";
        push @problems, "$name has fewer than two seeds" if @seeds < 2;
        my ($dictionary) = grep { -f } map { "$root/t/fuzz/dict/$_.dict" } $name, $first;
        push @problems, "$name has no dictionary" if !defined $dictionary;
        push @problems, "$name: its dictionary has fewer than ten words"
            if defined $dictionary && (() = slurp($dictionary) =~ /^(?:\w+=)?"(?:[^"\\]|\\.)+"$/mg) < 10;
    }
    my %is_target = map { $_ => 1 } @targets;
    push @problems, map { "$_ is not fuzzed" } grep { !$is_target{$_} } @PARSERS;
    push @problems, map { "$_ is no target" }
        grep { !$is_target{$_} } map { m{^t/fuzz/(\w+)\.c$} ? $1 : () } files($root, qr{^t/fuzz/\w+\.c$});
    return @problems;
}

is_deeply([ problems(top_srcdir()) ], [], 'all targets are whole');

my %WHOLE = map {
    ("t/fuzz/$_.c" => '', "t/fuzz/corpus/$_/a" => 'a', "t/fuzz/corpus/$_/b" => 'b',
        "t/fuzz/dict/$_.dict" => join '', map { "\"word$_\"\n" } 0 .. 9)
} @PARSERS;
my $LIST = "FUZZ_TARGETS = @PARSERS\nEXTRA_DIST += " . join(' ', map { "t/fuzz/$_.c" } @PARSERS) . "\n";

# What is said of a tree that is whole but for files that are missing and files that are others.
sub said ($missing, %other) {
    my %content = (%WHOLE, 't/fuzz/files.mk' => $LIST, %other);
    delete @content{@$missing};
    my $tree = made_up_tree(%content);
    return join '; ', problems("$tree");
}

is(said([]), '', 'a whole tree passes');
is(said(['t/fuzz/sip_uri.c']), 'sip_uri has no source', 'no source');
is(said(['t/fuzz/corpus/flags/b']), 'flags has fewer than two seeds', 'a seed too few');
is(said([ map { "t/fuzz/corpus/flags/$_" } 'a', 'b' ]), 'flags has fewer than two seeds', 'no seeds');
is(said(['t/fuzz/dict/sip_via.dict']), 'sip_via has no dictionary', 'no dictionary');
is(said(['t/fuzz/dict/sip_via.dict'], 't/fuzz/dict/sip.dict' => join '', map { "\"w$_\"\n" } 0 .. 9), '',
    'that of the first part of its name');
is(said([], 't/fuzz/dict/flags.dict' => qq{"one"\n# "two"\n}), 'flags: its dictionary has fewer than ten words', 'two words');
is(said([], 't/fuzz/other.c' => ''), 'other is no target', 'a target that nobody runs');
is(said([], 't/fuzz/files.mk' => $LIST =~ s/ client_hello//r), 'client_hello is not fuzzed; client_hello is no target',
    'a parser that nobody fuzzes');
is(said([], 't/fuzz/files.mk' => $LIST =~ s{ t/fuzz/flags\.c}{}r), 'flags is not shipped', 'not shipped');

done_testing;
