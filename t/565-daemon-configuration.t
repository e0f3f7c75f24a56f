#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# A configuration that is not right is refused with the place and the reason, before anything is opened; one that is
# right and unwise is warned of; an address that is taken is nobody's to share.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use IO::Select ();
use IO::Socket::IP ();
use IO::Socket::UNIX ();
use Socket qw(SOCK_DGRAM);
use Test::More;
use Trelay::Daemon;
use Trelay::House qw(run_command);
use Trelay::Loopback qw(own_address free_port);
use Trelay::Postgres;
use Trelay::Process ();

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

# trelayd -t: (status, output, file).
sub check ($text) {
    my $file = File::Temp->new(TEMPLATE => 'trelay-conf-XXXXXX', TMPDIR => 1);
    print {$file} $text;
    close $file;
    return (run_command($program, '-t', '-c', $file->filename), $file->filename);
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
    [ 'no line end after a comment',      "$good# and that is all" ],
    [ 'braces in strings and comments',   "${good}aliases = { \"a.example\" } # }\n/* { */ log { level = 'info' }" ],
    [ 'a list that goes on',              $good . "aliases = { \"a.example\" }\naliases += { \"b.example\" }\n" ],
    [ 'the longest path of a socket',     $good . 'control { socket = "/' . 'x' x 106 . "\" }\n" ],
    [ 'a pause that does not grow',       $good . "limits { backoff = 30000 }\n" ],
    [ 'a database as a URI',              $good =~ s{dbname=trelay}{postgresql:///trelay}r ],
    (map { [ "families $_", $good . "dns {\n    families = \"$_\"\n}\n" ] } qw(auto 4 6 46 64)),
) {
    my ($what, $text) = @$case;
    my ($status, $output) = check($text);
    is($status, 0, "$what: is right") or diag($output);
}

for my $case (
    [ 'an unknown option',            $good . "speed = 9\n",                                  qr/:9: .*speed/ ],
    [ 'an unknown section',           $good . "magic {\n}\n",                                 qr/:9: .*magic/ ],
    [ 'no listener',                  $good =~ s/^listener.*//msr,                            qr/:4: no listener/ ],
    [ 'no node',                      $good =~ s/^node.*\n//mr,                               qr/node is missing/ ],
    [ 'no database',                  $good =~ s/^    connection.*\n//mr,                     qr/database .* is missing/ ],
    [ 'a number too large',           $good . "workers = 257\n",                              qr/:9: workers = 257: must be 0 to 256/ ],
    [ 'a number below',               $good . "limits {\n    connect_timeout = 9\n}\n",       qr/:10: limits\.connect_timeout = 9: must be 10/ ],
    [ 'a number beyond all',          $good . "limits {\n    max_age = 99999999999999999999\n}\n", qr/:10: .*'max_age' is out of range/ ],
    [ 'a number that is none',        $good . "drain = soon\n",                              qr/:9: .*'drain'/ ],
    [ 'a level of another kind',      $good . "log {\n    level = \"loud\"\n}\n",            qr/:10: log\.level must be .*"loud"/ ],
    [ 'a mode of another kind',       $good . "control {\n\n    mode = \"0999\"\n}\n",       qr/:11: control\.mode .*"0999"/ ],
    [ 'no path of a socket',          $good . "control {\n    socket = \"\"\n}\n",           qr/:10: control\.socket is empty/ ],
    [ 'a path that is too long',      $good . "control {\n    socket = \"/" . 'x' x 107 . "\"\n}\n", qr/:10: control\.socket .*too long/ ],
    [ 'a text without an end',        $good . "aliases = \"a.example\n",                      qr/:9: premature end of file/ ],
    (map { [ "the file ends $_->[0]", $_->[1], qr/:$_->[2]: the file ends in the middle/ ] }
        [ 'in a listener',     $good =~ s/^\}\n\z//mr, 7 ],
        [ 'in a log section',  "${good}log {\n    level = \"info\"\n", 10 ],
        [ 'in a brace',        "${good}log {", 9 ],
        [ 'before a value',    "${good}log {\n    level =", 10 ],
        [ 'before the node',   "$good" =~ s/^node.*\n//mr . 'node = ', 8 ],
        [ 'in a list',         "${good}aliases = { \"a.example\",", 9 ],
        [ 'in a comment',      "$good/* and more\n", 9 ],
        [ 'behind a comment',  "${good}log { # here\n", 9 ]),
    (map { [ "node $_", $good =~ s/"edge"/"$_"/r, qr/:1: node must be 1 to 63 letters.*"\Q$_\E"/ ] } 'bad name!', '-edge', 'x' x 64),
    [ 'an empty node',                $good =~ s/"edge"/""/r,                                 qr/:1: node is missing/ ],
    [ 'a listener without a name',    $good . listener('', @udp, 'port = 5070'),              qr/:13: the listener's name is missing/ ],
    [ 'a listener that no row names', $good . listener('a b', @udp, 'port = 5070'),           qr/the listener's name must be/ ],
    (map { [ "connection $_", $good =~ s/dbname=trelay/$_/r, qr/:3: database\.connection: the connection string cannot be used: / ] }
        'dbname', 'nosuch=1', 'postgresql://[::1', "host='a"),
    [ 'the database twice',           $good . "database {\n    connection = \"dbname=other\"\n}\n", qr/second time.*line \d/ ],
    [ 'a section twice',              $good . "log { level = \"info\" }\nlog { target = \"stderr\" }\n", qr/:10: log stands here for the second time, the first is in line 9/ ],
    [ 'a number twice',               "workers = 1\n" . $good . "workers = 2\n",              qr/:10: workers stands here for the second time, the first is in line 1/ ],
    [ 'a transport twice',            $good . listener('x', @udp, 'transport = "tcp"'),       qr/:12: transport stands here for the second time/ ],
    [ 'a pause longer than the longest', $good . "limits {\n    backoff_max = 500\n}\n",     qr/:10: limits\.backoff = 1000 must not exceed limits\.backoff_max = 500/ ],
    [ 'a first pause above the default of the longest', $good . "limits {\n    backoff = 40000\n}\n", qr/:10: limits\.backoff = 40000 must not exceed .*30000/ ],
    [ 'no look-up at all',            $good . "lookup = \"none\"\n",                         qr/:9: lookup = none .* every request would be refused/ ],
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
    my ($status, $output, $file) = check($text);
    is($status, 2, "$what: is refused");
    like($output, $pattern, "$what: says why");
    like($output, qr/\Atrelayd: \Q$file\E:\d+: [^\n]+\n\z/, "$what: in one line, with the place first");
}
my ($status, $output) = run_command($program, '-t', '-c', '/nonexistent/trelay.conf');
is($status, 2, 'no file: is refused');
like($output, qr{\Atrelayd: /nonexistent/trelay\.conf: No such file}, 'no file: says why');
($status, $output) = run_command($program, '-t', '-c', '/tmp');
is($status, 2, 'a directory: is refused');
like($output, qr{\Atrelayd: /tmp: Is a directory\n\z}, 'a directory: says so');
($status, $output) = check($good . '#' x 1048576);
is($status, 2, 'more than a MiB: is refused');
like($output, qr{\Atrelayd: \S+: longer than 1048576 bytes\n\z}, 'more than a MiB: says so');

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

# D19: allowed, and warned of. And what the service manager is told meanwhile.
my $directory = tempdir('trelay-notify-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$directory/notify") or die "$directory/notify: $!\n";
sub told () {
    return 'nothing' if !IO::Select->new($manager)->can_read(Trelay::Process::patience(20));
    $manager->recv(my $text, 4096);
    return $text;
}
my $daemon = Trelay::Daemon->start(postgres => $postgres, environment => { NOTIFY_SOCKET => "$directory/notify" },
    configuration =>
    "timers {\n    t1 = 100\n}\ncontrol {\n    socket = \"\@DIRECTORY\@/control\"\n}\n" . $good =~ s/dbname=trelay/\@DATABASE\@/r);
like($daemon->log, qr/level=warn event=configuration .*T1 below 500 ms is not recommended/, 'D19: T1 below 500 ms is warned of');
like(told(), qr/^READY=1$/m, 'the service manager is told that it serves');
ok(!IO::Select->new($manager)->can_read(0), 'and nothing more while it does');
$daemon->stop;
like(told(), qr/^STOPPING=1$/m, 'and that it ends');
done_testing;
