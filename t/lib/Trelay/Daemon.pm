# SPDX-License-Identifier: GPL-2.0-or-later
# Daemon.pm - trelayd for one test: own directory, own addresses, the database that it is given.
# In:  the text of a configuration. Out: a running daemon, its control command, its database, what it logged.
# Fails the test when the daemon ends with a bad status or a sanitizer complained.
#
#   my $pg = Trelay::Postgres->with_schema;
#   my $daemon = Trelay::Daemon->start(postgres => $pg, configuration => <<'END');
#   database { connection = "@DATABASE@" }
#   control { socket = "@DIRECTORY@/control" }
#   END
#   $daemon->sql("INSERT INTO ..."), $daemon->ctl('status'), $daemon->stop
package Trelay::Daemon;

use v5.36;

use File::Temp qw(tempdir);
use Test::More ();
use Trelay::House qw(top_builddir run_command);
use Trelay::Process ();

# Programs are those of the build directory, or TRELAYD and TRELAYCTL of the environment.
sub program ($name) { return $ENV{ uc $name } // top_builddir() . "/$name" }

# Options:
#   configuration   text; @DIRECTORY@, @DATABASE@ and each @KEY@ of values => {} are replaced
#   postgres        a Trelay::Postgres with the schema installed
#   user            the database role of the daemon, default test_daemon
#   ready           a line that says so, default /\bevent=started\b/; or wait_for => path of a socket
#   arguments       of the daemon, default -c CONFIGURATION; control, of trelayctl, default -s DIRECTORY/control
#   environment     {}
sub start ($class, %options) {
    my $self = bless { user => 'test_daemon', ready => qr/\bevent=started\b/, values => {}, %options }, $class;
    $self->{directory} = tempdir('trelayd-XXXXXX', TMPDIR => 1, CLEANUP => !$ENV{TRELAY_KEEP});
    chmod 0755, $self->{directory};
    $self->{file} = "$self->{directory}/trelay.conf";
    $self->configure($options{configuration});
    $self->launch;
    return $self;
}

sub directory ($self) { return $self->{directory} }
sub process ($self)   { return $self->{process} }
sub pid ($self)       { return $self->{process}->pid }
sub log ($self)       { return $self->{process}->output }

# Writes the configuration anew; it is read at the next start or reload.
sub configure ($self, $text) {
    my %value = (
        DIRECTORY => $self->{directory},
        DATABASE  => $self->{postgres} ? $self->{postgres}->conninfo(user => $self->{user}) : '',
        %{ $self->{values} },
    );
    $text =~ s/\@([A-Z_0-9]+)\@/$value{$1} \/\/ die "no value for \@$1\@\n"/ge;
    open my $out, '>', $self->{file} or die "$self->{file}: $!\n";
    print {$out} $text;
    close $out or die "$self->{file}: $!\n";
    return $self;
}

sub launch ($self) {
    $self->{process} = Trelay::Process->start(
        name        => 'trelayd',
        command     => [ program('trelayd'), $self->{arguments} ? @{ $self->{arguments} } : ('-c', $self->{file}) ],
        environment => $self->{environment} // {},
    );
    if   ($self->{wait_for}) { $self->{process}->wait_for_socket($self->{wait_for}) }
    else                     { $self->{process}->wait_for_line($self->{ready}) }
    return $self;
}

# The next line of the log that matches (once each, in order).
sub wait_for_log ($self, $pattern, $seconds = 20) { return $self->{process}->wait_for_line($pattern, $seconds) }

sub signal ($self, $name) { $self->{process}->signal($name); return $self }

# trelayctl with these arguments: (exit status, output).
sub ctl ($self, @arguments) {
    my @where = $self->{control} ? @{ $self->{control} } : ('-s', "$self->{directory}/control");
    return run_command(program('trelayctl'), @where, @arguments);
}

# SQL as the superuser, its output; dies when it is refused.
sub sql ($self, $text, %options) { return $self->{postgres}->value($text, %options) }

# Ends it by SIGTERM (or another signal) and checks how it went: one test.
sub stop ($self, $signal = 'TERM', $expected = 0) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $process = $self->{process} // return 1;
    $self->{process} = undef;
    my $status = $process->stop($signal);
    my $report = $process->sanitizer_report;
    return Test::More::ok($status == $expected && $report eq '', 'trelayd ends well')
        || Test::More::diag("status $status, expected $expected\n", $report || $process->output);
}

sub restart ($self) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $self->stop;
    return $self->launch;
}

# A test that forgets stop() still hears of a bad end.
sub DESTROY ($self) {
    return if ${^GLOBAL_PHASE} eq 'DESTRUCT' || !$self->{process};
    $self->stop;
    return;
}

1;
