#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Locating follows RFC 3263 section 4, RFC 2782 and RFC 7984 against a real name server: what is asked, and in which
# order the answers are tried. Where TLS is required nothing else is ever found.
use v5.36;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Open2 qw(open2);
use Test::More;
use Trelay::NameServer;

my $program = ($ENV{top_builddir} // '.') . '/t/net-locate';
plan skip_all => 'knotd is not installed' if !Trelay::NameServer->program;

my $names = Trelay::NameServer->start(
    'full.example' => <<'ZONE', 'srv.example' => <<'ZONE', 'plain.example' => <<'ZONE', 'odd.example' => <<'ZONE',
@             NAPTR 10 50 "s" "SIP+D2T"  "" _sip._tcp
@             NAPTR 20 50 "s" "SIPS+D2T" "" _secure
@             NAPTR 30 50 "s" "SIP+D2U"  "" _sip._udp
@             A     192.0.2.99
_sip._tcp     SRV   10 10 5070 sip1
_secure       SRV   20 10 5063 sip2
_secure       SRV   10 10 5062 sip1
_sips._tcp    SRV   10 10 5999 wrong
_sip._udp     SRV   10 10 5080 sip1
wrong         A     192.0.2.66
sip1          A     192.0.2.1
sip1          AAAA  2001:db8::1
sip2          A     192.0.2.2
ZONE
@             A     192.0.2.98
_sips._tcp    SRV   10 0 5061 v6.srv.example.
_sips._tcp    SRV   20 0 5064 both
_sip._tcp     SRV   10 0 5071 both
_sip._udp     SRV   10 0 5081 both
v6            AAAA  2001:db8::6
both          A     192.0.2.5
both          AAAA  2001:db8::5
ZONE
@             NAPTR 10 50 "s" "SIP+D2T" "" _sip._tcp
@             NAPTR 20 50 "s" "SIP+D2U" "" _sip._udp
_sip._tcp     SRV   10 0 5060 host
_sip._udp     SRV   10 0 5060 host
_sips._tcp    SRV   10 0 5061 host
host          A     192.0.2.20
ZONE
@             A     192.0.2.30
alone         A     192.0.2.31
alone         AAAA  2001:db8::31
alias         CNAME alone
v6only        AAAA  2001:db8::32
_sips._tcp.refused SRV 0 0 0 .
refused       A     192.0.2.33
_sip._udp.refused-udp SRV 0 0 0 .
refused-udp   A     192.0.2.34
_sips._tcp.aliased CNAME _sips._tcp.same
foreign       NAPTR 10 10 "u" "E2U+sip" "!^.*$!sip:a@b!" .
foreign       A     192.0.2.35
lost          NAPTR 10 10 "s" "SIPS+D2T" "" _nowhere.lost
lost          A     192.0.2.36
empty         TXT   "no address"
bad           A     0.0.0.0
bad           A     255.255.255.255
bad           A     224.0.0.1
bad           AAAA  ff02::1
bad           A     192.0.2.37
_sips._tcp.zero SRV 10 0 0 alone
zero          A     192.0.2.38
_sips._tcp.gone SRV 10 0 5061 not-there
_sips._tcp.gone SRV 20 0 5061 alone
_sips._tcp.same SRV 10 0 5061 alone
_sips._tcp.same SRV 20 0 5061 alias
_sips._tcp.weights SRV 10 0 5061 w0
_sips._tcp.weights SRV 10 50 5061 w50
_sips._tcp.weights SRV 5 1 5061 w1
w0            A     192.0.2.40
w50           A     192.0.2.41
w1            A     192.0.2.42
_sips._tcp.share SRV 10 60 5061 w0
_sips._tcp.share SRV 10 30 5061 w50
_sips._tcp.share SRV 10 10 5061 w1
_sips._tcp.share SRV 20 65535 5061 alone
_sips._tcp.never SRV 10 0 5061 w0
_sips._tcp.never SRV 10 100 5061 w50
_sips._tcp.star SRV 10 0 5061 x.wild
*.wild        A     192.0.2.43
circle        CNAME square
square        CNAME circle
_sips._tcp.round SRV 10 0 5061 circle
_sips._tcp.round SRV 20 0 5061 alone
chain         CNAME chain1
chain1        CNAME chain2
chain2        CNAME alone
mapped        AAAA  ::ffff:192.0.2.44
ZONE
    'large.example' => join('', map { "_sips._tcp SRV $_ 0 5061 h$_\nh$_ A 192.0.2.$_\n" } 1 .. 60),
    'wide.example' => join('', map { "_sips._tcp SRV 1 1 5061 h$_\nh$_ A 192.0.2.$_\n" } 1 .. 40),
);

my $pid = open2(my $out, my $in, $program, $names->address, 2000, 3);

# host, port, scheme, transport, allowed, families => answer; the questions that went out, sorted.
sub locates ($what, $question, $answer, @asked) {
    print {$in} "forget\nlocate $question\ngo\n";
    $in->flush;
    chomp(my $line = readline $out);
    like($line, ref $answer ? $answer : qr/^\Q$answer\E$/, "$what: answer");
    is_deeply([ sort $names->asked ], [ sort @asked ], "$what: questions") if !@asked || $asked[0] ne 'any';
    return;
}

my @secure = ('NAPTR full.example', 'SRV _secure.full.example', map { ("A $_.full.example", "AAAA $_.full.example") }
    qw(sip1 sip2));
my $secure = 'none tls=192.0.2.1:5062 tls=[2001:db8::1]:5062 tls=192.0.2.2:5063';

# NAPTR only for a bare name; a better order of a plain service does not count.
locates('E01 E02: sips, bare name', 'full.example 0 sips - udp+tcp+tls 46', $secure, @secure);
locates('E01 E03: sip, TLS required', 'full.example 0 sip - tls 46', $secure, @secure);
locates('E11: IPv6 first', 'full.example 0 sips - tls 64',
    'none tls=[2001:db8::1]:5062 tls=192.0.2.1:5062 tls=192.0.2.2:5063', 'any');
$names->asked;
locates('E11: IPv4 alone', 'full.example 0 sips - tls 4', 'none tls=192.0.2.1:5062 tls=192.0.2.2:5063',
    grep { !/^AAAA/ } @secure);
locates('E11: IPv6 alone', 'full.example 0 sips - tls 6', 'none tls=[2001:db8::1]:5062', grep { !/^A / } @secure);
locates('the case of a name is nothing', 'FULL.Example 0 sips - tls 4',
    'none tls=192.0.2.1:5062 tls=192.0.2.2:5063', grep { !/^AAAA/ } @secure);
locates('nor is the dot at the end', 'full.example. 0 sips - tls 4',
    'none tls=192.0.2.1:5062 tls=192.0.2.2:5063', grep { !/^AAAA/ } @secure);
# Without the requirement the domain's order holds.
locates('E01 E03: sip, anything allowed', 'full.example 0 sip - udp+tcp+tls 4',
    'none tcp=192.0.2.1:5070 tls=192.0.2.1:5062 tls=192.0.2.2:5063 udp=192.0.2.1:5080', 'any');
$names->asked;
locates('E03: TLS required, plain services only', 'plain.example 0 sip - tls 46', qr/^plain-transport /,
    'NAPTR plain.example');
locates('E02 E03: sips, plain services only', 'plain.example 0 sips - udp+tcp+tls 46', qr/^sips-not-allowed /,
    'NAPTR plain.example');
# No NAPTR: only the TLS service is asked for where TLS is required.
my @srv = ('NAPTR srv.example', 'SRV _sips._tcp.srv.example', map { ("A $_.srv.example", "AAAA $_.srv.example") }
    qw(v6 both));
# SRV targets keep their order, families within a target.
locates('E04 E11: no NAPTR', 'srv.example 0 sip - tls 46',
    'none tls=[2001:db8::6]:5061 tls=192.0.2.5:5064 tls=[2001:db8::5]:5064', @srv);
locates('E04 E11: no NAPTR, IPv6 cannot be used', 'srv.example 0 sip - tls 4', 'none tls=192.0.2.5:5064',
    grep { !/^AAAA/ } @srv);
locates('E04: no NAPTR, anything allowed', 'srv.example 0 sip - udp+tcp+tls 4',
    'none tls=192.0.2.5:5064 udp=192.0.2.5:5081 tcp=192.0.2.5:5071', grep { !/^AAAA/ } @srv,
    'SRV _sip._udp.srv.example', 'SRV _sip._tcp.srv.example');
# A transport and no port.
locates('E05: sips;transport=tcp', 'srv.example 0 sips tcp tls 4', 'none tls=192.0.2.5:5064',
    grep { !/^AAAA|NAPTR/ } @srv);
locates('E05 E08: sip;transport=tls', 'srv.example 0 sip tls tls 4', 'none tls=192.0.2.5:5064',
    grep { !/^AAAA|NAPTR/ } @srv);
locates('E05: sip;transport=tcp, TLS required', 'srv.example 0 sip tcp tls 4', 'none tls=192.0.2.5:5064',
    grep { !/^AAAA|NAPTR/ } @srv);
locates('E05: sip;transport=tcp', 'srv.example 0 sip tcp udp+tcp+tls 4', 'none tcp=192.0.2.5:5071',
    'SRV _sip._tcp.srv.example', 'A both.srv.example');
locates('E05: sip;transport=udp', 'srv.example 0 sip udp udp+tcp+tls 4', 'none udp=192.0.2.5:5081',
    'SRV _sip._udp.srv.example', 'A both.srv.example');
locates('E08: sips;transport=udp', 'srv.example 0 sips udp udp+tcp+tls 46', qr/^bad-request /);
locates('E09: sip;transport=udp, TLS required', 'srv.example 0 sip udp tls 46', qr/^plain-transport /);
# A port, even the default one.
locates('E06: a port', 'srv.example 5061 sip - tls 46', 'none tls=192.0.2.98:5061', 'A srv.example', 'AAAA srv.example');
locates('E06 E09: a port, anything allowed', 'srv.example 5099 sip - udp+tcp+tls 4', 'none udp=192.0.2.98:5099',
    'A srv.example');
# Addresses.
locates('E07: IPv4 address', '192.0.2.7 0 sips - tls 46', 'none tls=192.0.2.7:5061');
locates('E07 E09: IPv4 address, TLS required', '192.0.2.7 0 sip - tls 46', 'none tls=192.0.2.7:5061');
locates('E09: IPv4 address, anything allowed', '192.0.2.7 0 sip - udp+tcp+tls 46', 'none udp=192.0.2.7:5060');
locates('E07: IPv6 address with a port', '2001:db8::7 5099 sip tls tls 46', 'none tls=[2001:db8::7]:5099');
locates('E07 E11: IPv6 address, none can be used', '2001:db8::7 0 sip tls tls 4', qr/^no-address /);
locates('no destination at all', '0.0.0.0 0 sips - tls 46', qr/^no-address /);
locates('multicast', 'ff02::1 0 sips - tls 46', qr/^no-address /);
locates('an octal address is a name, and none', '192.0.02.7 0 sips - tls 4', qr/^(?:no-address|dns-failed) /, 'any');
$names->asked;
# No SRV.
locates('E07: an address record alone', 'alone.odd.example 0 sips - tls 46',
    'none tls=192.0.2.31:5061 tls=[2001:db8::31]:5061', 'NAPTR alone.odd.example', 'SRV _sips._tcp.alone.odd.example',
    'A alone.odd.example', 'AAAA alone.odd.example');
locates('E07 E09: an address record alone, anything allowed', 'alone.odd.example 0 sip - udp+tcp+tls 4',
    'none udp=192.0.2.31:5060', 'any');
locates('an alias', 'alias.odd.example 0 sips - tls 46', 'none tls=192.0.2.31:5061 tls=[2001:db8::31]:5061', 'any');
locates('an alias of SRV', 'aliased.odd.example 0 sips - tls 4', 'none tls=192.0.2.31:5061', 'any');
locates('a wildcard', 'star.odd.example 0 sips - tls 4', 'none tls=192.0.2.43:5061', 'any');
locates('NAPTR of another application', 'foreign.odd.example 0 sips - tls 4', 'none tls=192.0.2.35:5061', 'any');
locates('NAPTR that leads nowhere', 'lost.odd.example 0 sips - tls 4', 'none tls=192.0.2.36:5061', 'any');
locates('E10: SRV "."', 'refused.odd.example 0 sips - tls 46', qr/^no-address /, 'any');
locates('E10: SRV "." of TLS is no word on UDP', 'refused.odd.example 0 sip - udp+tcp+tls 4', 'none udp=192.0.2.33:5060',
    'any');
locates('E10: SRV "." of UDP', 'refused-udp.odd.example 0 sip - udp+tcp+tls 4', qr/^no-address /, 'any');
locates('E10: weights', 'weights.odd.example 0 sips - tls 4',
    'none tls=192.0.2.42:5061 tls=192.0.2.40:5061 tls=192.0.2.41:5061', 'any');
locates('port 0', 'zero.odd.example 0 sips - tls 4', qr/^no-address /, 'any');
locates('an alias that leads back to itself', 'circle.odd.example 5061 sips - tls 4', qr/^(?:no-address|dns-failed) /, 'any');
locates('a target that leads back to itself', 'round.odd.example 0 sips - tls 4', 'none tls=192.0.2.31:5061', 'any');
locates('a chain of aliases', 'chain.odd.example 5061 sips - tls 4', 'none tls=192.0.2.31:5061', 'any');
locates('E11: an IPv4 address in an AAAA record is one', 'mapped.odd.example 5061 sips - tls 46', 'none tls=192.0.2.44:5061',
    'any');
locates('E11: and none of IPv6', 'mapped.odd.example 5061 sips - tls 6', qr/^no-address /, 'any');
locates('a target that is not there', 'gone.odd.example 0 sips - tls 4', 'none tls=192.0.2.31:5061', 'any');
locates('two targets at one place', 'same.odd.example 0 sips - tls 4', 'none tls=192.0.2.31:5061', 'any');
locates('addresses that are no destinations', 'bad.odd.example 5061 sips - tls 46', 'none tls=192.0.2.37:5061', 'any');
# Nothing there.
locates('no such name', 'nobody.odd.example 0 sips - tls 46', qr/^no-address /, 'any');
locates('a name without addresses', 'empty.odd.example 0 sips - tls 46', qr/^no-address /, 'any');
locates('no IPv4 address', 'v6only.odd.example 0 sips - tls 4', qr/^no-address /, 'any');
locates('not a name', 'a..b 0 sips - tls 46', qr/^bad-request /, 'any');
locates('not a name either', 'a/b 0 sips - tls 46', qr/^bad-request /, 'any');
locates('too long for a name', ('a' x 60 . '.') x 5 . 'example 0 sips - tls 46', qr/^(?:bad-request|no-address) /, 'any');
$names->asked;

# Shares of 10,000 runs with numbers of a fixed seed: within four standard deviations, sqrt(n p (1 - p)), of the weight.
sub shares ($what, $question, %share) {
    print {$in} "tally 10000 88172645 $question\n";
    $in->flush;
    chomp(my $line = readline $out);
    my %count = map { split /=/ } split ' ', $line;
    is(join(' ', sort keys %count), join(' ', sort keys %share), "$what: who comes first");
    for my $target (sort keys %share) {
        my $p = $share{$target};
        my $off = abs(($count{$target} // 0) - 10000 * $p);
        cmp_ok($off, '<=', 4 * sqrt(10000 * $p * (1 - $p)), "$what: share of $target");
    }
    return;
}
shares('E10: weights 60, 30, 10', 'share.odd.example 0 sips - tls 4', '192.0.2.40:5061' => 0.6, '192.0.2.41:5061' => 0.3,
    '192.0.2.42:5061' => 0.1);
shares('E10: weights 0 and 100', 'never.odd.example 0 sips - tls 4', '192.0.2.40:5061' => 1 / 101,
    '192.0.2.41:5061' => 100 / 101);
shares('E10: forty of one weight', 'wide.example 0 sips - tls 4', map { ("192.0.2.$_:5061" => 1 / 40) } 1 .. 40);
is(scalar(grep { /^SRV/ && !/over TCP/ } $names->asked), 3, 'E10: all of it from one answer each');
# Larger than a datagram: over TCP; so many that not all are tried, but the first.
print {$in} "forget\nlocate large.example 0 sips - tls 4\ngo\n";
$in->flush;
chomp(my $line = readline $out);
like($line, qr/^none(?: tls=192\.0\.2\.\d+:5061){16}$/, 'a large answer');
like($line, qr/^none tls=192\.0\.2\.1:5061 tls=192\.0\.2\.2:5061 /, 'E10: its best priorities come first');
ok((grep { $_ eq 'SRV _sips._tcp.large.example over TCP' } $names->asked), 'a large answer comes over TCP');

close $in;
is(readline($out), undef, 'nothing more is said');
waitpid $pid, 0;
is($?, 0, 'an orderly end');
$names->stop;
done_testing;
