# SPDX-License-Identifier: GPL-2.0-or-later
# House.pm - what the checks of scripts/ and the house tests share.
# Files of the tree, C text without comments and strings, exemptions, made-up trees to prove that a check can fail.
package Trelay::House;

use v5.36;

use Exporter 'import';
use File::Basename qw(dirname);
use File::Find ();
use File::Path qw(make_path);
use File::Spec;
use File::Temp ();

our @EXPORT_OK = qw(top_srcdir top_builddir files slurp lines code_of functions_of exemptions finish
    make_variable compiler made_up_tree made_up_library run_command run_check complaints);

# Directories that hold no source of ours, wherever they stand.
my $OTHERS = qr{(?:^|/)(?:\.git|\.deps|\.libs|var|_?build[^/]*|_inst|autom4te\.cache|trelay-[0-9][^/]*)$};

sub top_srcdir () { return File::Spec->rel2abs($ENV{top_srcdir} // '.') }
sub top_builddir () { return File::Spec->rel2abs($ENV{top_builddir} // '.') }

# The files under ROOT whose relative name matches, sorted.
sub files ($root, $pattern) {
    my @found;
    my $visit = sub {
        my $name = File::Spec->abs2rel($File::Find::name, $root);
        if (-d $File::Find::name && $name =~ $OTHERS) {
            $File::Find::prune = 1;
        }
        elsif ($name =~ $pattern && -f $File::Find::name) {
            push @found, $name;
        }
    };
    File::Find::find({ wanted => $visit, no_chdir => 1 }, $root);
    return sort @found;
}

sub slurp ($path) {
    open my $in, '<:raw', $path or die "$path: $!\n";
    local $/ = undef;
    return scalar(<$in>) // '';
}

sub lines ($path) { return split /\n/, slurp($path) }

# C text with comments and the inside of literals blanked; line numbers stay.
sub code_of ($text) {
    my $blank = sub ($piece) { return $piece =~ s/[^\n]/ /gr };
    $text =~ s{
        (?<comment> /\*.*?\*/ | //[^\n]* )
      | (?<literal> "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    }{ defined $+{comment} ? $blank->($+{comment}) : '"' . $blank->(substr($+{literal}, 2)) . '"' }gsex;
    return $text;
}

# The functions of a C file, by the braces in column 0: { name, line, length }.
sub functions_of ($text) {
    my ($name, $start, @functions) = ('?');
    my $number = 0;
    for my $line (split /\n/, code_of($text)) {
        $number++;
        if ($line =~ /^\{\s*$/) {
            $start = $number;
        }
        elsif ($line =~ /^\}/ && defined $start) {
            push @functions, { name => $name, line => $start, length => $number - $start + 1 };
            undef $start;
        }
        elsif (!defined $start && $line =~ /^[A-Za-z_].*?\b(\w+)\(/) {
            $name = $1;
        }
    }
    return @functions;
}

# src/EXEMPTIONS of one kind: what is exempt => the reason.
sub exemptions ($root, $kind) {
    my $path = "$root/src/EXEMPTIONS";
    my %exempt;
    return \%exempt if !-e $path;
    my $number = 0;
    for my $line (lines($path)) {
        $number++;
        next if $line =~ /^\s*(?:#|$)/;
        $line =~ /^(\S+)\s+(\S.*?)\s+--\s+(\S.*)$/ or die "$path:$number: not 'kind what -- reason'\n";
        $exempt{ $2 =~ s/\s+/ /gr } = $3 if $1 eq $kind;
    }
    return \%exempt;
}

# Prints the problems of a check and ends it with their status.
sub finish (@problems) {
    say for @problems;
    exit(@problems ? 1 : 0);
}

# A variable of the Makefile in the build directory, other variables in it expanded; '' when it is not there.
sub make_variable ($builddir, $name) {
    state %makefile;
    $makefile{$builddir} //= { slurp("$builddir/Makefile") =~ /^(\w+)[ \t]*=[ \t]*((?:[^\n]*\\\n)*[^\n]*)/mg };
    my $value = $makefile{$builddir}{$name} // '';
    $value =~ s/\\\n/ /g;
    $value =~ s/\$[({](\w+)[)}]/make_variable($builddir, $1)/ge;
    return $value;
}

# The compiler that the build directory is configured for, without a launcher in front of it (CC='ccache gcc').
sub compiler ($builddir) {
    my ($compiler) = grep { !m{(?:^|/)ccache$} } split ' ', make_variable($builddir, 'CC');
    return $compiler;
}

# A temporary tree with the files given as name => content; it goes with the object.
sub made_up_tree (%content) {
    my $tree = File::Temp->newdir('trelay-tree-XXXXXX', TMPDIR => 1);
    while (my ($name, $text) = each %content) {
        make_path(dirname("$tree/$name"));
        open my $out, '>:raw', "$tree/$name" or die "$tree/$name: $!\n";
        print {$out} $text;
        close $out or die "$tree/$name: $!\n";
    }
    return $tree;
}

# Runs a command with its output and errors caught together: (exit status, output).
sub run_command (@command) {
    my $pid = open(my $out, '-|') // die "fork: $!\n";
    if ($pid == 0) {
        open STDIN,  '<',  '/dev/null' or die $!;
        open STDERR, '>&', \*STDOUT    or die $!;
        exec @command or do { print "$command[0]: $!\n"; exit 127 };
    }
    local $/ = undef;
    my $text = <$out> // '';
    close $out;
    my $status = $? & 127 ? 128 + ($? & 127) : $? >> 8;
    return ($status, $text);
}

# A library made of one C text, in a tree made for it: TREE/one.a.
sub made_up_library ($builddir, $text, @flags) {
    my $tree = made_up_tree('one.c' => $text);
    my $cc = compiler($builddir) // 'cc';
    for my $command (
        [ $cc, '-O2', @flags, '-c', '-o', "$tree/one.o", "$tree/one.c" ],
        [ 'ar', 'cr', "$tree/one.a", "$tree/one.o" ],
    ) {
        my ($status, $output) = run_command(@$command);
        $status == 0 or die "@$command: $output";
    }
    return $tree;
}

# Runs scripts/NAME of the tree under test.
sub run_check ($name, @arguments) {
    return run_command(top_srcdir() . "/scripts/$name", @arguments);
}

# What a check has to complain of: '' when it is content. For is(complaints(...), '').
sub complaints ($name, @arguments) {
    my ($status, $output) = run_check($name, @arguments);
    return $status == 0 || $output ne '' ? $output : "exit status $status without a word\n";
}

1;
