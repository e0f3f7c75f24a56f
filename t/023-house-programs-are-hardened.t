#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The programs are linked as configure means them to be: at any address, with tables that nothing writes to after the
# start, with a stack that nothing runs from, with guards on the stack. A made-up program without all that is found out.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::House qw(top_builddir make_variable compiler made_up_tree run_command);

# What a program lacks.
sub lacks ($program) {
    my ($status, $text) = run_command('readelf', '--wide', '--file-header', '--program-headers', '--dynamic',
        '--dyn-syms', $program);
    return "readelf: $text" if $status != 0;
    my %has = (
        'position-independent code' => scalar($text =~ /^\s*Type:\s+DYN\b/m && $text =~ /\bFLAGS_1\b.*\bPIE\b/),
        'read-only relocations'     => scalar($text =~ /^\s*GNU_RELRO\b/m),
        'binding at the start'      => scalar($text =~ /\bBIND_NOW\b|\bFLAGS_1\b.*\bNOW\b/),
        'a stack that is data'      => scalar($text =~ /^\s*GNU_STACK\s(?:\s*0x[0-9a-f]+){5}\s+RW\s/m),
        'guards on the stack'       => scalar($text =~ /\b__stack_chk_fail\b/),
    );
    return join ', ', grep { !$has{$_} } sort keys %has;
}

my $source = made_up_tree('program.c' => "#include <stdio.h>\nint main(void) { puts(\"\"); return 0; }\n");
my ($failure, $said) = run_command(compiler(top_builddir()), '-no-pie', '-fno-stack-protector', '-Wl,-z,norelro',
    '-Wl,-z,lazy', '-Wl,-z,execstack', '-o', "$source/program", "$source/program.c");
is($failure, 0, 'a program without any of it is made') or diag($said);
is(lacks("$source/program"), 'a stack that is data, binding at the start, guards on the stack, '
        . 'position-independent code, read-only relocations', 'and lacks all of it');

for my $program (qw(trelayd trelayctl)) {
    if (make_variable(top_builddir(), 'HARDENING_LDFLAGS') =~ /\S/) {
        is(lacks(top_builddir() . "/$program"), '', "$program lacks nothing");
    } else {
        pass("$program: nothing to check, configure was run with --disable-hardening");
    }
}
done_testing;
