# SPDX-License-Identifier: GPL-2.0-or-later
# DbProbe.pm - t/db-probe, which is all of src/db in a process of its own, driven by lines.
#   my $probe = Trelay::DbProbe->start($pg->conninfo(user => 'test_daemon'), 'edge1');
#   $probe->wait_for(qr/^loaded generation=1 /);
#   is $probe->ask('connected'), 'yes';
package Trelay::DbProbe;

use v5.36;

use File::Temp qw(tempdir);
use IO::Handle;
use POSIX qw(mkfifo);
use Test::More ();
use Trelay::Process;

# Options: poll_ms (an hour, so that only what is tested makes it read), backlog.
sub start ($class, $conninfo, $node, %options) {
    my $builddir = $ENV{top_builddir} // '.';
    Test::More::plan(skip_all => "$builddir/t/db-probe is not built") if !-x "$builddir/t/db-probe";
    my $self = bless { directory => tempdir('trelay-probe-XXXXXX', TMPDIR => 1, CLEANUP => 1) }, $class;
    my $fifo = "$self->{directory}/in";
    mkfifo($fifo, 0600) or die "$fifo: $!\n";
    $self->{process} = Trelay::Process->start(
        command => [ "$builddir/t/db-probe", $conninfo, $node, $options{poll_ms} // 3_600_000, $options{backlog} // 0 ],
        input   => $fifo,
    );
    open $self->{in}, '>', $fifo or die "$fifo: $!\n";
    $self->{in}->autoflush(1);
    return $self;
}

sub say ($self, @lines) { print { $self->{in} } map { "$_\n" } @lines; return $self }
sub wait_for ($self, $pattern) { return $self->{process}->wait_for_line($pattern) }
sub wait_until ($self, $what, $condition) { return $self->{process}->wait_until($what, $condition) }
sub output ($self) { return $self->{process}->output }

# A command and the rest of the line that answers it.
sub ask ($self, $line) {
    my ($word) = $line =~ /^(\w+)/;
    $word = 'name' if $word eq 'pattern';
    return $self->say($line)->wait_for(qr/^$word (.*)$/);
}

# Ends it in order; '' when all went well, else what was wrong.
sub stop ($self) {
    $self->say('quit');
    my $status = $self->{process}->wait_for_exit;
    my $report = $self->{process}->sanitizer_report;
    return $report ne '' ? $report : $status == 0 ? '' : "status $status: " . $self->output;
}

1;
