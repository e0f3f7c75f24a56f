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
_sips._tcp.star SRV 10 0 5061 x.wild
*.wild        A     192.0.2.43
ZONE
    'large.example' => join('', map { "_sips._tcp SRV $_ 0 5061 h$_\nh$_ A 192.0.2.$_\n" } 1 .. 60),
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

# E01, E02: NAPTR only for a bare name; a better order of a plain service does not count.
locates('sips, bare name', 'full.example 0 sips - udp+tcp+tls 46', $secure, @secure);
locates('sip, TLS required', 'full.example 0 sip - tls 46', $secure, @secure);
locates('IPv6 first', 'full.example 0 sips - tls 64',
    'none tls=[2001:db8::1]:5062 tls=192.0.2.1:5062 tls=192.0.2.2:5063', 'any');
$names->asked;
locates('IPv4 alone', 'full.example 0 sips - tls 4', 'none tls=192.0.2.1:5062 tls=192.0.2.2:5063',
    grep { !/^AAAA/ } @secure);
locates('IPv6 alone', 'full.example 0 sips - tls 6', 'none tls=[2001:db8::1]:5062', grep { !/^A / } @secure);
locates('the case of a name is nothing', 'FULL.Example 0 sips - tls 4',
    'none tls=192.0.2.1:5062 tls=192.0.2.2:5063', grep { !/^AAAA/ } @secure);
locates('nor is the dot at the end', 'full.example. 0 sips - tls 4',
    'none tls=192.0.2.1:5062 tls=192.0.2.2:5063', grep { !/^AAAA/ } @secure);
# E03: without the requirement the domain's order holds.
locates('sip, anything allowed', 'full.example 0 sip - udp+tcp+tls 4',
    'none tcp=192.0.2.1:5070 tls=192.0.2.1:5062 tls=192.0.2.2:5063 udp=192.0.2.1:5080', 'any');
$names->asked;
locates('TLS required, plain services only', 'plain.example 0 sip - tls 46', qr/^plain-transport /,
    'NAPTR plain.example');
locates('sips, plain services only', 'plain.example 0 sips - udp+tcp+tls 46', qr/^sips-not-allowed /,
    'NAPTR plain.example');
# E04: no NAPTR; only the TLS service is asked for where TLS is required.
my @srv = ('NAPTR srv.example', 'SRV _sips._tcp.srv.example', map { ("A $_.srv.example", "AAAA $_.srv.example") }
    qw(v6 both));
# E11: SRV targets keep their order, families within a target.
locates('no NAPTR', 'srv.example 0 sip - tls 46',
    'none tls=[2001:db8::6]:5061 tls=192.0.2.5:5064 tls=[2001:db8::5]:5064', @srv);
locates('no NAPTR, IPv6 cannot be used', 'srv.example 0 sip - tls 4', 'none tls=192.0.2.5:5064',
    grep { !/^AAAA/ } @srv);
locates('no NAPTR, anything allowed', 'srv.example 0 sip - udp+tcp+tls 4',
    'none tls=192.0.2.5:5064 udp=192.0.2.5:5081 tcp=192.0.2.5:5071', grep { !/^AAAA/ } @srv,
    'SRV _sip._udp.srv.example', 'SRV _sip._tcp.srv.example');
# E05, E08: a transport and no port.
locates('sips;transport=tcp', 'srv.example 0 sips tcp tls 4', 'none tls=192.0.2.5:5064',
    grep { !/^AAAA|NAPTR/ } @srv);
locates('sip;transport=tls', 'srv.example 0 sip tls tls 4', 'none tls=192.0.2.5:5064', grep { !/^AAAA|NAPTR/ } @srv);
locates('sip;transport=tcp, TLS required', 'srv.example 0 sip tcp tls 4', 'none tls=192.0.2.5:5064',
    grep { !/^AAAA|NAPTR/ } @srv);
locates('sip;transport=tcp', 'srv.example 0 sip tcp udp+tcp+tls 4', 'none tcp=192.0.2.5:5071',
    'SRV _sip._tcp.srv.example', 'A both.srv.example');
locates('sip;transport=udp', 'srv.example 0 sip udp udp+tcp+tls 4', 'none udp=192.0.2.5:5081',
    'SRV _sip._udp.srv.example', 'A both.srv.example');
locates('sips;transport=udp', 'srv.example 0 sips udp udp+tcp+tls 46', qr/^bad-request /);
locates('sip;transport=udp, TLS required', 'srv.example 0 sip udp tls 46', qr/^plain-transport /);
# E06: a port, even the default one.
locates('a port', 'srv.example 5061 sip - tls 46', 'none tls=192.0.2.98:5061', 'A srv.example', 'AAAA srv.example');
locates('a port, anything allowed', 'srv.example 5099 sip - udp+tcp+tls 4', 'none udp=192.0.2.98:5099',
    'A srv.example');
# E07, E09: addresses.
locates('IPv4 address', '192.0.2.7 0 sips - tls 46', 'none tls=192.0.2.7:5061');
locates('IPv4 address, TLS required', '192.0.2.7 0 sip - tls 46', 'none tls=192.0.2.7:5061');
locates('IPv4 address, anything allowed', '192.0.2.7 0 sip - udp+tcp+tls 46', 'none udp=192.0.2.7:5060');
locates('IPv6 address with a port', '2001:db8::7 5099 sip tls tls 46', 'none tls=[2001:db8::7]:5099');
locates('IPv6 address, none can be used', '2001:db8::7 0 sip tls tls 4', qr/^no-address /);
locates('no destination at all', '0.0.0.0 0 sips - tls 46', qr/^no-address /);
locates('multicast', 'ff02::1 0 sips - tls 46', qr/^no-address /);
locates('an octal address is a name, and none', '192.0.02.7 0 sips - tls 4', qr/^(?:no-address|dns-failed) /, 'any');
$names->asked;
# E07: no SRV.
locates('an address record alone', 'alone.odd.example 0 sips - tls 46',
    'none tls=192.0.2.31:5061 tls=[2001:db8::31]:5061', 'NAPTR alone.odd.example', 'SRV _sips._tcp.alone.odd.example',
    'A alone.odd.example', 'AAAA alone.odd.example');
locates('an address record alone, anything allowed', 'alone.odd.example 0 sip - udp+tcp+tls 4',
    'none udp=192.0.2.31:5060', 'any');
locates('an alias', 'alias.odd.example 0 sips - tls 46', 'none tls=192.0.2.31:5061 tls=[2001:db8::31]:5061', 'any');
locates('an alias of SRV', 'aliased.odd.example 0 sips - tls 4', 'none tls=192.0.2.31:5061', 'any');
locates('a wildcard', 'star.odd.example 0 sips - tls 4', 'none tls=192.0.2.43:5061', 'any');
locates('NAPTR of another application', 'foreign.odd.example 0 sips - tls 4', 'none tls=192.0.2.35:5061', 'any');
locates('NAPTR that leads nowhere', 'lost.odd.example 0 sips - tls 4', 'none tls=192.0.2.36:5061', 'any');
# E10.
locates('SRV "."', 'refused.odd.example 0 sips - tls 46', qr/^no-address /, 'any');
locates('SRV "." of TLS is no word on UDP', 'refused.odd.example 0 sip - udp+tcp+tls 4', 'none udp=192.0.2.33:5060',
    'any');
locates('SRV "." of UDP', 'refused-udp.odd.example 0 sip - udp+tcp+tls 4', qr/^no-address /, 'any');
locates('weights', 'weights.odd.example 0 sips - tls 4',
    'none tls=192.0.2.42:5061 tls=192.0.2.40:5061 tls=192.0.2.41:5061', 'any');
locates('port 0', 'zero.odd.example 0 sips - tls 4', qr/^no-address /, 'any');
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
# Larger than a datagram: over TCP; so many that not all are tried, but the first.
print {$in} "forget\nlocate large.example 0 sips - tls 4\ngo\n";
$in->flush;
chomp(my $line = readline $out);
like($line, qr/^none(?: tls=192\.0\.2\.\d+:5061){16}$/, 'a large answer');
like($line, qr/^none tls=192\.0\.2\.\d+:5061/, 'a large answer has a first target');
ok((grep { $_ eq 'SRV _sips._tcp.large.example over TCP' } $names->asked), 'a large answer comes over TCP');

close $in;
is(readline($out), undef, 'nothing more is said');
waitpid $pid, 0;
is($?, 0, 'an orderly end');
$names->stop;
done_testing;
