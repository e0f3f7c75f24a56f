# SPDX-License-Identifier: GPL-2.0-or-later
# Spin.pm - a model exhausted by Spin: the verifier is made, compiled and run in a directory of its own.
# In:  a model of the tree and names to define, "NAME" or "NAME=VALUE". Out: whether a property broke, how many states there were.
#
#   my $run = Trelay::Spin->run('src/flow/pool.pml', 'FAULT_OF_SOME_KIND');
#   $run->error        what broke first; undef: nothing
#   $run->is_complete  every state was seen
package Trelay::Spin;

use v5.36;

use Cwd qw(getcwd);
use File::Temp ();
use Trelay::House qw(top_srcdir run_command);

sub is_there ($class) {
    my ($status) = run_command('spin', '-V');
    return $status == 0;
}

sub command (@words) {
    my ($status, $output) = run_command(@words);
    die "@words: $output" if $status != 0;
    return $output;
}

# What a fault leads to is soon found: less time for the compiler, then.
sub compiler (@defined) {
    return ('gcc', '-O1') if !grep { /^FAULT_/ } @defined;
    state $quickest = eval { command('clang', '--version') } ? 'clang' : 'gcc';
    return ($quickest, '-O0');
}

sub run ($class, $model, @defined) {
    my $directory = File::Temp->newdir('trelay-spin-XXXXXX', TMPDIR => 1);
    my ($source, $before) = (top_srcdir(), getcwd());
    $source = "$before/$source" if $source !~ m{^/};
    chdir $directory or die "$directory: $!\n";
    my $output = eval {
        command('spin', '-a', (map { "-D$_" } @defined), "$source/$model");
        command(compiler(@defined), '-w', '-DSAFETY', '-DCOLLAPSE', '-DVECTORSZ=1024', '-o', 'pan', 'pan.c');
        (run_command('./pan', '-m100000', '-w20'))[1];
    };
    my $failure = $@;
    chdir $before or die "$before: $!\n";
    die $failure if !defined $output;
    return bless { output => $output }, $class;
}

sub output ($self) { return $self->{output} }

sub error ($self) {
    return $1 if $self->{output} =~ /^pan:1: (.*)$/m;
    return $self->{output} =~ /errors: 0$/m ? undef : "no result: $self->{output}";
}

sub is_complete ($self) {
    return $self->{output} !~ /Search not completed|max search depth|out of memory|reached -DMEMLIM/;
}

sub states ($self) { return $self->{output} =~ /^\s*([\d.e+]+) states, stored/m ? $1 + 0 : 0 }

# Statements of the processes of those names that no run came to.
sub unreached ($self, $names) {
    my ($process, @lines) = ('');
    for (split /\n/, $self->{output}) {
        if (/^unreached in proctype (\w+)/) { $process = $1 }
        elsif ($process =~ $names && /^\s+\S+\.pml:\d+, state \d+, (.*)/) { push @lines, "$process: $1" }
    }
    return @lines;
}

1;
