#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A configuration that is not right is refused with the place and the reason, before anything is opened; one that is
# right and unwise is warned of; an address that is taken is nobody's to share.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp ();
use IO::Socket::IP ();
use Test::More;
use Trelay::Daemon;
use Trelay::House qw(run_command);
use Trelay::Loopback qw(own_address free_port);
use Trelay::Postgres;

my $program = Trelay::Daemon::program('trelayd');
my $here    = own_address(0);
my $good    = <<"END";
node = "edge"
database {
    connection = "dbname=trelay"
}
listener "inside" {
    transport = "udp"
    address = "$here"
}
END

# trelayd -t: (status, output).
sub check ($text) {
    my $file = File::Temp->new(TEMPLATE => 'trelay-conf-XXXXXX', TMPDIR => 1);
    print {$file} $text;
    close $file;
    return run_command($program, '-t', '-c', $file->filename);
}

sub listener ($name, @lines) { return "listener \"$name\" {\n" . join('', map { "    $_\n" } @lines) . "}\n" }
my @udp = ('transport = "udp"', "address = \"$here\"");
my @tls = ('transport = "tls"', "address = \"$here\"");

for my $case (
    [ 'as it should be',                  $good ],
    [ 'two transports at one port',       $good . listener('tcp', 'transport = "tcp"', "address = \"$here\"") ],
    [ 'two addresses',                    $good . listener('six', 'transport = "udp"', 'address = "2001:db8::1"') ],
    [ 'every address, with a name',       $good . listener('all', 'transport = "tls"', 'address = "::"', 'advertise = "a.example"') ],
    [ 'an IPv6 address is advertised',    $good . listener('six', @tls, 'advertise = "2001:db8::1"') ],
    (map { [ "families $_", $good . "dns {\n    families = \"$_\"\n}\n" ] } qw(auto 4 6 46 64)),
) {
    my ($what, $text) = @$case;
    my ($status, $output) = check($text);
    is($status, 0, "$what: is right") or diag($output);
}

for my $case (
    [ 'an unknown option',            $good . "speed = 9\n",                                  qr/:9: .*speed/ ],
    [ 'an unknown section',           $good . "magic {\n}\n",                                 qr/:9: .*magic/ ],
    [ 'no listener',                  $good =~ s/^listener.*//msr,                            qr/no listener/ ],
    [ 'no node',                      $good =~ s/^node.*\n//mr,                               qr/node is missing/ ],
    [ 'no database',                  $good =~ s/^    connection.*\n//mr,                     qr/database .* is missing/ ],
    [ 'a number too large',           $good . "workers = 257\n",                              qr/:9: workers = 257: must be 0 to 256/ ],
    [ 'a number below',               $good . "limits {\n    connect_timeout = 9\n}\n",       qr/:10: limits\.connect_timeout = 9: must be 10/ ],
    [ 'families of another kind',     $good . "dns {\n    families = \"5\"\n}\n",             qr/:10: dns\.families must be/ ],
    [ 'a transport of another kind',  $good . listener('ws', 'transport = "ws"', "address = \"$here\""), qr/:10: transport must be .*"ws"/ ],
    [ 'no transport',                 $good . listener('ws', "address = \"$here\""),          qr/transport must be/ ],
    [ 'no address',                   $good . listener('x', 'transport = "tls"'),             qr/address must be/ ],
    (map { [ "address $_", $good . listener('x', 'transport = "tls"', "address = \"$_\""), qr/:11: address must be .*\Q$_\E/ ] }
        'edge.example', '192.0.2.01', '127.1', '[::1]', '192.0.2.1:5061', '::ffff:192.0.2.01'),
    (map { [ "port $_", $good . listener('x', @tls, "port = $_"), qr/:12: port must be 1 to 65535/ ] } -1, 65536),
    (map { [ "advertise $_", $good . listener('x', @tls, "advertise = \"$_\""), qr/neither a host name nor an address/ ] }
        'a..b', '[::1]', 'a.example:5061', 'bad name', '-a.example;lr'),
    (map { [ "every address and no name, $_", $good . listener('x', 'transport = "tls"', "address = \"$_\""),
        qr/must say what to advertise/ ] } '0.0.0.0', '::'),
    [ 'one name twice',               $good . listener('inside', @tls),                       qr/inside/ ],
    [ 'one address twice',            $good . listener('again', @udp),                        qr/:10: two listeners at one address and port: "again"/ ],
    [ 'TCP and TLS at one port',      $good . listener('a', @tls) . listener('b', 'transport = "tcp"', "address = \"$here\"", 'port = 5061'),
        qr/two listeners at one address and port: "b"/ ],
    [ 'a trusted network that is none', $good . "trusted_upstreams = { \"192.0.2.1/24\" }\n", qr/:9: trusted_upstreams takes prefixes/ ],
    [ 'an alias that is no name',     $good . "aliases = {\n\"a.example\",\n\"a b\" }\n",    qr/:11: neither a host name nor an address/ ],
    [ 'a look-up of another kind',    $good . "lookup = \"dst+moon\"\n",                      qr/:9: lookup: .*moon/ ],
    [ 'Timer C of a minute',          $good . "timers {\n    c = 60000\n}\n",                 qr/Timer C .* three minutes/ ],
    [ 'T1 above T2',                  $good . "timers {\n    t1 = 5000\n}\n",                 qr/T1 .* must not exceed T2/ ],
) {
    my ($what, $text, $pattern) = @$case;
    my ($status, $output) = check($text);
    is($status, 2, "$what: is refused");
    like($output, $pattern, "$what: says why");
}
my ($status, $output) = run_command($program, '-t', '-c', '/nonexistent/trelay.conf');
is($status, 2, 'no file: is refused');
like($output, qr{/nonexistent/trelay\.conf: No such file}, 'no file: says why');

# What the daemon finds out when it starts.
my $postgres = Trelay::Postgres->with_schema;
my $database = $postgres->conninfo(user => 'test_daemon');
my $runs = $good =~ s/dbname=trelay/$database/r;
sub starts ($text) {
    my $file = File::Temp->new(TEMPLATE => 'trelay-conf-XXXXXX', TMPDIR => 1);
    print {$file} $text;
    close $file;
    return run_command($program, '-c', $file->filename);
}
for my $transport (qw(udp tcp)) {
    my $taken = IO::Socket::IP->new(LocalHost => $here, LocalPort => 0, Proto => $transport, ReusePort => 1,
        $transport eq 'tcp' ? (Listen => 1) : ()) or die "socket: $@\n";
    for my $workers (1, 2) {
        my ($code, $said) = starts("workers = $workers\n" . $runs . listener('taken', "transport = \"$transport\"",
            "address = \"$here\"", 'port = ' . $taken->sockport));
        is($code, 1, "$transport, $workers workers, a port that is taken: it does not start");
        like($said, qr/listener "taken".*Address already in use/, "$transport, $workers workers: says which and why");
    }
}
my ($code, $said) = starts($runs . "dns {\n    servers = \"not a server\"\n}\n");
is($code, 1, 'name servers that are none: it does not start');
like($said, qr/name servers "not a server"/, 'name servers that are none: says which');

# D19: allowed, and warned of.
my $daemon = Trelay::Daemon->start(postgres => $postgres, configuration =>
    "timers {\n    t1 = 100\n}\ncontrol {\n    socket = \"\@DIRECTORY\@/control\"\n}\n" . $good =~ s/dbname=trelay/\@DATABASE\@/r);
like($daemon->log, qr/level=warn event=configuration .*T1 below 500 ms is not recommended/, 'D19: T1 below 500 ms is warned of');
$daemon->stop;
done_testing;
