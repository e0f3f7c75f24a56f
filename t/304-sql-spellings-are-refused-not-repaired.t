#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Domain names, patterns, names, fingerprints, endpoints, durations have one spelling each (INV-14, INV-11): another
# one is refused with the name of the rule.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Trelay::Postgres;
use Test::More;

my $pg = Trelay::Postgres->with_schema;
my $long = join '.', ('a' x 62) x 4;    # 251
my @cases = (
    # type, text, '' or the rule
    ['domain_name', 'biloxi.example', ''],
    ['domain_name', 'xn--bcher-kva.example', ''],
    ['domain_name', 'localhost', ''],
    ['domain_name', '_sip._tls.biloxi.example', ''],
    ['domain_name', "a.$long", ''],
    ['domain_name', "aa.$long", 'length_ck'],
    ['domain_name', '', 'labels_ck'],
    ['domain_name', 'Biloxi.example', 'lower_case_ck'],
    ['domain_name', 'biloxi.example.', 'no_trailing_dot_ck'],
    ['domain_name', 'b..example', 'labels_ck'],
    ['domain_name', '.example', 'labels_ck'],
    ['domain_name', '-a.example', 'labels_ck'],
    ['domain_name', 'a-.example', 'labels_ck'],
    ['domain_name', ('a' x 64) . '.example', 'labels_ck'],
    ['domain_name', 'b cher.example', 'ascii_ck'],
    ['domain_name', "b\xc3\xbccher.example", 'ascii_ck'],
    ['domain_name', "biloxi\xe3\x80\x82example", 'ascii_ck'],
    ['domain_name', "\xef\xbc\x91.example", 'ascii_ck'],
    ['domain_name', "biloxi.example\n", 'ascii_ck'],
    ['domain_name', '192.0.2.1', 'no_address_ck'],
    ['domain_name', '127.1', 'no_address_ck'],
    ['domain_name', '2130706433', 'no_address_ck'],
    ['domain_name', '0x7f000001', 'no_address_ck'],
    ['domain_name', 'a.0x1', 'no_address_ck'],
    ['domain_name', '0x7g', ''],
    ['domain_name', '2001:db8::1', 'labels_ck'],
    ['domain_name', '*.example', 'labels_ck'],
    ['domain_pattern', '*.biloxi.example', ''],
    ['domain_pattern', 'biloxi.example', ''],
    ['domain_pattern', '*', 'labels_ck'],
    ['domain_pattern', '*.', 'labels_ck'],
    ['domain_pattern', '*biloxi.example', 'labels_ck'],
    ['domain_pattern', '*.*.example', 'labels_ck'],
    ['domain_pattern', '*.Biloxi.example', 'lower_case_ck'],
    ['domain_pattern', '', 'labels_ck'],
    ['row_name', 'fedA', ''],
    ['row_name', 'a' x 63, ''],
    ['row_name', 'a' x 64, 'row_name_ck'],
    ['row_name', '', 'row_name_ck'],
    ['row_name', 'fed A', 'row_name_ck'],
    ['row_name', 'a,b', 'row_name_ck'],
    ['row_name', 'a=b', 'row_name_ck'],
    ['row_name', '-a', 'row_name_ck'],
    ['fingerprint', 'ab' x 32, ''],
    ['fingerprint', 'AB' x 32, 'fingerprint_ck'],
    ['fingerprint', 'ab' x 31, 'fingerprint_ck'],
    ['fingerprint', join(':', ('ab') x 32), 'fingerprint_ck'],
    ['endpoint', '192.0.2.1:5061', ''],
    ['endpoint', '[2001:db8::1]:5061', ''],
    ['endpoint', '[2001:DB8::1]:5061', 'endpoint_ck'],
    ['endpoint', '[2001:db8:0:0:0:0:0:1]:5061', 'endpoint_ck'],
    ['endpoint', '2001:db8::1:5061', 'endpoint_ck'],
    ['endpoint', '[::ffff:192.0.2.1]:5061', 'endpoint_ck'],
    ['endpoint', '192.000.2.1:5061', 'endpoint_ck'],
    ['endpoint', '192.0.2.1', 'endpoint_ck'],
    ['endpoint', '192.0.2.1:0', 'endpoint_ck'],
    ['endpoint', '192.0.2.1:65536', 'endpoint_ck'],
    ['endpoint', '192.0.2.0/24:5061', 'endpoint_ck'],
    ['endpoint', '192.0.2:5061', 'endpoint_ck'],
    ['endpoint', '0.0.0.0:5061', 'endpoint_ck'],
    ['endpoint', '224.0.0.1:5061', 'endpoint_ck'],
    ['endpoint', '[ff02::1]:5061', 'endpoint_ck'],
    ['endpoint', 'biloxi.example:5061', 'endpoint_ck'],
    ['duration', '30 minutes', ''],
    ['duration', '0', 'duration_ck'],
    ['duration', '-1 hour', 'duration_ck'],
    ['duration', '400 days', 'duration_ck'],
    ['tcp_port', '5061', ''],
    ['tcp_port', '0', 'tcp_port_ck'],
    ['tcp_port', '65536', 'tcp_port_ck'],
);
for my $case (@cases) {
    my ($type, $text, $rule) = @$case;
    my $error = $pg->refused("SELECT \$text\$$text\$text\$::trelay.$type", role => 'trelay_admin');
    (my $shown = substr $text, 0, 40) =~ s/[^ -~]/?/g;
    $rule eq '' ? is($error, '', "$type \"$shown\" is taken") : like($error, qr/"\w*$rule"/, "$type \"$shown\" is refused by $rule");
}
is $pg->value("SELECT trelay.normal_domain('Biloxi.EXAMPLE.')"), 'biloxi.example', 'normal_domain shows the right spelling';
like $pg->refused("SELECT trelay.normal_domain('b\xc3\xbccher.example')"), qr/A-labels/, 'and says what it cannot do';
done_testing;
