# SPDX-License-Identifier: GPL-2.0-or-later
# Postgres.pm - a throw-away PostgreSQL cluster for one test: own directory, Unix socket only, gone at the end.
# In:  nothing but the programs of PostgreSQL. Out: SQL run by psql as whichever role the test wants.
# As root the server runs as the user postgres. TRELAY_PG_BIN names the directory of another version's programs.
#
#   my $pg = Trelay::Postgres->with_schema;    # skips the test where there is no PostgreSQL
#   my $pg = Trelay::Postgres->new;            # without the schema of trelay, which scripts/trelay-schema installs:
#   $pg->install;
#   is $pg->value('SELECT 1'), 1;
#   like $pg->refused("INSERT INTO trelay.peer ...", role => 'trelay_admin'), qr/peer_matches_something_ck/;
package Trelay::Postgres;
use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::SHA ();
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use POSIX ();
use Test::More ();

my @running;

sub top_srcdir { return abs_path($ENV{top_srcdir} // dirname(__FILE__) . '/../../..') }

# The directory of initdb and postgres.
sub bin_directory {
    my @candidates = reverse sort { ($a =~ m{/(\d+)/bin})[0] <=> ($b =~ m{/(\d+)/bin})[0] } glob '/usr/lib/postgresql/[0-9]*/bin';
    unshift @candidates, $ENV{TRELAY_PG_BIN} if $ENV{TRELAY_PG_BIN};
    chomp(my $configured = `pg_config --bindir 2>/dev/null` // '');
    push @candidates, $configured if $configured;
    for my $directory (@candidates) {
        return $directory if -x "$directory/initdb" && -x "$directory/postgres";
    }
    return;
}

# Runs a program without a shell: exit status, stdout, stderr.
sub run_program {
    my ($input, @command) = @_;
    my $directory = tempdir('trelay-run-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    open my $in, '>', "$directory/in" or die "$directory/in: $!";
    print $in $input // '';
    close $in or die;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open STDIN,  '<', "$directory/in"  or die;
        open STDOUT, '>', "$directory/out" or die;
        open STDERR, '>', "$directory/err" or die;
        exec { $command[0] } @command or die "$command[0]: $!";
    }
    waitpid $pid, 0;
    my $status = $?;
    my @text = map { open my $fh, '<', "$directory/$_" or die; local $/; <$fh> // '' } qw(out err);
    remove_tree($directory);
    return ($status & 127 ? 128 + ($status & 127) : $status >> 8, @text);
}

# Options: settings => { name => value } of postgresql.conf.
sub new {
    my ($class, %options) = @_;
    my $self = $class->place;
    $self->must('initdb', '-D', $self->{data}, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--no-locale', '--no-sync',
        '--wal-segsize=1');
    return $self->configure(%options)->start;
}

# Like new and install, from a copy of a cluster that the first test to come here makes.
sub with_schema {
    my ($class, %options) = @_;
    my $self = $class->place;
    my $copy = $self->cluster_with_schema;
    my ($status, undef, $error) = run_program('', 'tar', '-C', $self->{base}, '-xpf', $copy);
    die "$copy: $error" if $status;
    return $self->configure(%options)->start;
}

# A directory for a cluster that is not yet made.
sub place {
    my ($class) = @_;
    my $bin = bin_directory() or Test::More::plan(skip_all => 'no PostgreSQL server programs here');
    my $base = tempdir('trelay-pg-XXXXXX', DIR => '/tmp', CLEANUP => 0);
    my $self = bless { bin => $bin, base => $base, data => "$base/data", port => 5432, is_up => 0, pid => $$,
        as => [], user => 'postgres' }, $class;
    if ($> == 0) {
        my ($uid, $gid) = (getpwnam 'postgres')[2, 3];
        defined $uid or Test::More::plan(skip_all => 'root runs no PostgreSQL server, and there is no user postgres');
        chown $uid, $gid, $base or die "$base: $!";
        $self->{as} = ['runuser', '-u', 'postgres', '--'];
    }
    chmod 0755, $base or die "$base: $!";
    $self->watch_over;
    push @running, $self;
    return $self;
}

sub configure {
    my ($self, %options) = @_;
    my %settings = (listen_addresses => "''", unix_socket_directories => "'$self->{base}'", fsync => 'off',
        synchronous_commit => 'off', full_page_writes => 'off', max_connections => 40, shared_buffers => "'32MB'",
        log_statement => "'none'", autovacuum => 'off', %{ $options{settings} // {} });
    my $text = join '', map { "$_ = $settings{$_}\n" } sort keys %settings;
    my ($status, undef, $error) = run_program($text, @{ $self->{as} }, 'tee', '-a', "$self->{data}/postgresql.conf");
    die "postgresql.conf: $error" if $status;
    return $self;
}

# The archive of a cluster that was stopped after install, named after all that it was made from.
sub cluster_with_schema {
    my ($self) = @_;
    my $directory = ($ENV{top_builddir} // top_srcdir()) . '/t';
    my $digest = Digest::SHA->new(256)->add($self->must('postgres', '--version'));
    my $sql = top_srcdir() . '/sql';
    $digest->addfile($_) for __FILE__, top_srcdir() . '/scripts/trelay-schema', "$sql/role.sql", sort glob "$sql/migrate/*.sql";
    my $wanted = sprintf '%s/cluster-%s.tar', $directory, $digest->hexdigest;
    File::Path::make_path($directory);
    open my $lock, '>', "$directory/cluster.lock" or die "$directory/cluster.lock: $!";
    flock $lock, LOCK_EX or die "$directory/cluster.lock: $!";
    my $is_there = eval { -e $wanted || $self->make_cluster($wanted) };
    my $why = $@;
    flock $lock, LOCK_UN; # closing is not enough: what was forked meanwhile has it open, too
    die $why if !$is_there;
    return $wanted;
}

sub make_cluster {
    my ($self, $wanted) = @_;
    unlink glob dirname($wanted) . '/cluster-*.tar';
    my $made = (ref $self)->new->install->stop;
    my ($status, undef, $error) = run_program('', 'tar', '-C', $made->{base}, '-cf', "$wanted.part", 'data');
    die "$wanted: $error" if $status;
    $made->destroy;
    rename "$wanted.part", $wanted or die "$wanted: $!";
    return 1;
}

# A process that outlives a test that is killed, and then removes what is left of the cluster.
sub watch_over {
    my ($self) = @_;
    pipe my $end, $self->{life} or die "pipe: $!"; # closed when this process is gone, however it went
    my $pid = fork // die "fork: $!";
    return if $pid;
    if (fork // 1) { POSIX::_exit(0) } # no child of ours for the test to wait for
    POSIX::setsid();
    $SIG{$_} = 'IGNORE' for qw(INT TERM HUP PIPE);
    close delete $self->{life};
    open STDIN,  '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    sysread $end, my $nothing, 1;
    if (-d $self->{data} && !$ENV{TRELAY_KEEP}) {
        system { ($self->{as}[0] // "$self->{bin}/pg_ctl") } @{ $self->{as} }, "$self->{bin}/pg_ctl", '-D', $self->{data}, '-m', 'immediate', '-w', 'stop';
        remove_tree($self->{base}, { error => \my $ignored });
    }
    POSIX::_exit(0);
}

sub must {
    my ($self, $program, @arguments) = @_;
    my ($status, $out, $error) = run_program('', @{ $self->{as} }, "$self->{bin}/$program", @arguments);
    die "$program failed:\n$out$error" if $status;
    return $out;
}

sub start {
    my ($self) = @_;
    $self->must('pg_ctl', '-D', $self->{data}, '-l', "$self->{base}/log", '-w', '-t', '60', 'start');
    $self->{is_up} = 1;
    return $self;
}

# MODE: fast (default), or immediate: as if it had crashed.
sub stop {
    my ($self, $mode) = @_;
    return $self unless $self->{is_up};
    $self->{is_up} = 0;
    $self->must('pg_ctl', '-D', $self->{data}, '-w', '-t', '60', '-m', $mode // 'fast', 'stop');
    return $self;
}

sub restart { my ($self, $mode) = @_; return $self->stop($mode)->start }

# Options: user (postgres), database (postgres).
sub conninfo {
    my ($self, %options) = @_;
    return sprintf 'host=%s port=%d user=%s dbname=%s', $self->{base}, $self->{port}, $options{user} // $self->{user},
        $options{database} // $self->{database} // 'postgres';
}

# Runs SQL by psql: status, unaligned output, messages. Options: user, database; role (SET ROLE first).
sub psql {
    my ($self, $sql, %options) = @_;
    $sql = "SET ROLE $options{role};\n$sql" if $options{role};
    local $ENV{PGOPTIONS} = $options{search_path} ? "-c search_path=$options{search_path}" : '-c search_path=';
    return run_program($sql, "$self->{bin}/psql", '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d',
        $self->conninfo(%options));
}

# Output of SQL that must work, without the last newline.
sub value {
    my ($self, $sql, %options) = @_;
    my ($status, $out, $error) = $self->psql($sql, %options);
    die "psql: $error\nSQL: $sql\n" if $status;
    chomp $out;
    return $out;
}

# Runs SQL that must work.
sub run { my ($self, @arguments) = @_; $self->value(@arguments); return $self }

# The error message of SQL that must fail; "" when it works.
sub refused {
    my ($self, $sql, %options) = @_;
    my ($status, undef, $error) = $self->psql($sql, %options);
    return $status ? $error : '';
}

# Runs scripts/trelay-schema: status, stdout, stderr. Options: user, database; sql (directory).
sub schema {
    my ($self, $command, %options) = @_;
    local $ENV{TRELAY_SQL_DIR} = $options{sql} // top_srcdir() . '/sql';
    local $ENV{PATH} = "$self->{bin}:$ENV{PATH}";
    return run_program('', top_srcdir() . '/scripts/trelay-schema', $command, $self->conninfo(%options));
}

# The schema of trelay, and login roles test_admin, test_daemon, test_reader of the three roles.
sub install {
    my ($self, %options) = @_;
    my ($status, $out, $error) = $self->schema('install', %options);
    die "trelay-schema install failed:\n$out$error" if $status;
    for my $kind (qw(admin daemon reader)) {
        $self->run("DO \$\$ BEGIN CREATE ROLE test_$kind LOGIN IN ROLE trelay_$kind; EXCEPTION WHEN duplicate_object THEN NULL; END \$\$",
            %options);
    }
    return $self;
}

sub log_text {
    my ($self) = @_;
    open my $fh, '<', "$self->{base}/log" or return '';
    local $/;
    return scalar <$fh>;
}

sub destroy {
    my ($self) = @_;
    return if $self->{pid} != $$ || $self->{is_destroyed}++;
    eval { $self->stop('immediate'); 1 } or warn $@;
    remove_tree($self->{base}) unless $ENV{TRELAY_KEEP};
    return;
}

END {
    my $status = $?;
    $_->destroy for @running;
    $? = $status;
}

# A test that is interrupted still cleans up.
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

1;
