#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The daemon of a test gets its configuration, and a bad end or a sanitizer's report fails the test.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Builder::Tester;
use Test::More;
use Trelay::Daemon;
use Trelay::House qw(made_up_tree slurp);

# Programs that stand in for ours.
my $tree = made_up_tree(
    'trelayd'   => <<'END',
#!/bin/sh
trap "sed -n 's/^end=//p' $2; exit $(sed -n 's/^status=//p' $2)" TERM
trap "echo reloaded" HUP
cat "$2"
echo "event=started"
while :; do sleep 0.01; done
END
    'trelayctl' => "#!/bin/sh\necho \"asked: \$*\"\nexit 4\n",
);
chmod 0755, "$tree/trelayd", "$tree/trelayctl";
@ENV{qw(TRELAYD TRELAYCTL)} = ("$tree/trelayd", "$tree/trelayctl");

sub daemon ($text) { return Trelay::Daemon->start(configuration => $text, values => { PORT => 5061 }) }

my $daemon = daemon("directory=\@DIRECTORY\@\nport=\@PORT\@\nstatus=0\n");
is(slurp($daemon->directory . '/trelay.conf'), "directory=" . $daemon->directory . "\nport=5061\nstatus=0\n",
    'the configuration is filled in');
is_deeply([ $daemon->ctl('status', '-v') ], [ 4, 'asked: -s ' . $daemon->directory . "/control status -v\n" ],
    'the control command');
$daemon->signal('HUP');
is($daemon->wait_for_log(qr/reloaded/), 'reloaded', 'a signal and the log');
my $pid = $daemon->pid;
$daemon->restart;
isnt($daemon->pid, $pid, 'another process after a restart');
$daemon->stop;
ok(!kill(0, $pid), 'nothing is left');

ok(!eval { daemon('@NOTHING@'); 1 }, 'a value that is missing is noticed');

# A bad end must fail the test that had it.
for my $bad ([ 'a bad status', "status=3\n" ], [ 'a report', "status=0\nend===1==ERROR: LeakSanitizer: detected\n" ]) {
    my ($name, $text) = @$bad;
    my $sick = daemon($text);
    test_out('not ok 1 - trelayd ends well');
    $sick->stop;
    test_test(title => "$name is a failure", skip_err => 1);
}

done_testing();
