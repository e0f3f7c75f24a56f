#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# libpq brings libssl into the process: none of its symbols, nor libcrypto's, is answered by wolfSSL's compatibility layer.
use v5.36;
use Test::More;

my $build   = $ENV{top_builddir} // '.';
my $program = "$build/t/tls-link";
plan skip_all => "$program is not built"                     if !-x $program;
plan skip_all => 'LD_DEBUG of the GNU C library is needed' if `getconf GNU_LIBC_VERSION 2>/dev/null` !~ /^glibc/;

# Every binding at start: which file asked, which answered, for what.
my $debug = `LD_BIND_NOW=1 LD_DEBUG=bindings '$program' 2>&1`;
my @bindings = $debug =~ /binding file (\S+) \[\d+\] to (\S+) \[\d+\]: normal symbol `([^']+)'/g;
my @of_openssl;
my %is_openssl;
my %library;
while (my ($from, $to, $symbol) = splice @bindings, 0, 3) {
    $library{$1} = $from if $from =~ m{/(lib(?:ssl|crypto|pq|wolfssl))\.so};
    push @of_openssl, [ $from, $to, $symbol ];
}
ok $library{libpq},  'libpq is in the process';
ok $library{libssl}, 'so is libssl';

# What libssl and libcrypto define.
for my $path (grep { defined } @library{qw(libssl libcrypto)}) {
    $is_openssl{ s/@.*//r } = 1 for map { (split)[-1] } grep { / [TDBRVW] / } `nm -D --defined-only '$path'`;
}
cmp_ok scalar(keys %is_openssl), '>', 4000, 'their symbols are known';
@of_openssl = grep { $is_openssl{ $_->[2] } } @of_openssl;
ok scalar(grep { $_->[0] =~ m{/libpq\.} && $_->[1] =~ m{/libssl\.} && $_->[2] eq 'SSL_new' } @of_openssl),
    'libpq asks libssl for a session';

my @stolen = grep { $_->[0] !~ m{/libwolfssl\.} && $_->[1] !~ m{/lib(?:ssl|crypto)\.} } @of_openssl;
is_deeply [ map { "@$_" } @stolen ], [], 'nothing of theirs is answered by anybody else';

# A static library leaves no symbol behind for others to find.
my @exported = map { (split)[-1] } grep { / T .*wolfSSL_| T wc_/ } `nm -D --defined-only '$program'`;
is_deeply \@exported, [], 'the program exports nothing of wolfSSL';

done_testing;
