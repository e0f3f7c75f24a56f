#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The examples load, twice too, all into one database; what they promise, explain() says.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
my $sql = Trelay::Postgres::top_srcdir() . '/sql';

sub run_file {
    my ($path, %options) = @_;
    return Trelay::Postgres::run_program('', "$pg->{bin}/psql", '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
        @{ $options{set} // [] }, '-d', $pg->conninfo(user => $options{user}), '-f', $path);
}

my @examples = sort glob "$sql/example/*.sql";
is scalar(@examples), 5, 'five examples';
for my $round ('loads', 'loads again') {
    for my $path (@examples) {
        my ($status, $out, $error) = run_file($path, user => 'test_admin');
        is "$status$out$error", '0', "$path $round";
    }
}
is $pg->value('SELECT * FROM trelay.problem'), '', 'no contradiction among them';

my %said = (
    "'proxy.atlanta.internal', transport => 'udp'" => 'allow|none|inside-domain|none|||',
    "'10.0.0.7', transport => 'udp'" => 'allow|none|inside-address|none|||',
    "'berlin.corp.example'" => 'allow|none|corp-sites|domain|berlin.corp.example|corp|corp-ca',
    "'berlin.corp.example', transport => 'tcp'" => 'reject|plain-transport|corp-sites|domain|||',
    "'biloxi.example'" => 'allow|none|fed-a-biloxi|domain|biloxi.example|fed-a|fed-a',
    "'denver.example'" => 'allow|none|fed-b-denver|domain|denver.example|fed-b|fed-b',
    "'denver.example', flags => 'no-verify'" => 'reject|weaken-refused|fed-b-denver|domain|||',
    "'denver.example', flags => 'trust=fed-a'" => 'reject|trust-flag-refused|fed-b-denver|domain|denver.example||fed-a',
    "'east.example'" => 'allow|none|partner-east|domain|east.example|atlanta|partner-east',
    "'west.example'" => 'allow|none|partner-west|domain|west.example|atlanta|partner-west',
    "'somewhere.example', 'tenant1.example', 'lookup=src+dst+default'" => 'allow|none|tenant1|domain|somewhere.example|tenant1|public',
    "'somewhere.example', 'tenant3.example', 'lookup=src+dst+default'" => 'reject|no-policy|||||',
    "'somewhere.example'" => 'needs-address|none|||||',
    "'somewhere.example', address => '198.51.100.1'" => 'reject|no-policy|||||',
);
is $pg->value("SELECT action, reason, policy, level, expected_domain, certificate, trust_set FROM trelay.explain($_)", user => 'test_reader'), $said{$_}, $_
    for sort keys %said;

for my $path (sort glob "$sql/admin/*.sql") {
    my ($status, undef, $error) = run_file($path, user => 'test_admin', set => ['-v', 'row=corp-sites']);
    is "$status$error", '0', "$path works";
}
done_testing;
