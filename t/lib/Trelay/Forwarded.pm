# SPDX-License-Identifier: GPL-2.0-or-later
# Forwarded.pm - what a relay changed in a message on its way, told from what it may change (RFC 3261 16.6, 16.7).
# In:  the bytes before and behind it. Out: differences as text, none when only the expected edits were made.
# It reads bytes by itself, line by line: nothing here is the code under test, nor Trelay::SIP's.
#
#   is_deeply([ Trelay::Forwarded::request_differences($sent, $seen, source => '127.0.0.2') ], []);
package Trelay::Forwarded;

use v5.36;

# A message as start line, header lines (folds joined to their line), body.
sub split_message ($bytes) {
    my ($head, $body) = $bytes =~ /\A(.*?)\r\n\r\n(.*)\z/s or return ($bytes, [], '');
    my ($start, @lines) = split /\r\n(?![ \t])/, $head;
    return ($start, \@lines, $body);
}

sub name_of ($line) {
    state %full = (v => 'via', l => 'content-length');
    my ($name) = $line =~ /\A([^\s:]+)[ \t]*:/ or return '';
    return $full{ lc $name } // lc $name;
}

# The first value of a Via line with the address that it came from (18.2.1): put in place of another, or at the end;
# and its port where that was asked for (RFC 3581).
sub marked_via ($line, $source, $port) {
    my ($first, $rest) = $line =~ /\A([^,]*?)(\s*(?:,.*)?)\z/s;
    $first =~ s/;(\s*)rport(?:\s*=\s*[^;\s]*)?(?=\s*(?:;|\z))/;$1rport=$port/i;
    $first =~ s/;(\s*)received(\s*=\s*)[^;\s]+/;$1received=$source/i or $first .= ";received=$source";
    return $first . $rest;
}

# Options:
#   source, port   the sender's; no source: no received expected
#   uri            the Request-URI behind the relay, when it is another
#   route          the Route values behind the relay, when they are others (then Route lines are not compared)
#   record_routes  how many Record-Route values of its own the relay must add (default: any number up to 2)
#   length         Content-Length must be added when it is missing
sub request_differences ($before, $behind, %options) {
    my ($start, $lines, $body) = split_message($before);
    my ($seen_start, $seen, $seen_body) = split_message($behind);
    my @differences;
    $start =~ s/ \S+ / $options{uri} / if defined $options{uri};
    push @differences, "start line: $seen_start" if $seen_start ne $start;
    push @differences, 'the body is another' if $seen_body ne $body;
    my @expected = expected_lines($lines, \%options, length $body);
    my @rest = without_own_lines($seen, \%options, \@differences);
    if ($options{route}) {
        my @route = map { s/\A[^:]*:\s*//sr } grep { name_of($_) eq 'route' } @rest;
        push @differences, "Route: @route" if "@route" ne "@{ $options{route} }";
        @$_ = grep { name_of($_) ne 'route' } @$_ for \@rest, \@expected;
    }
    return @differences, line_differences(\@expected, \@rest);
}

sub expected_lines ($lines, $options, $body_length) {
    my ($has_via, $has_max_forwards, $has_max_breadth, $has_length);
    my @expected;
    for my $line (@$lines) {
        my $name = name_of($line);
        next if $name eq 'x-trelay-flags';
        my $copy = $line;
        $copy = marked_via($line, @$options{qw(source port)})
            if $name eq 'via' && !$has_via++ && defined $options->{source};
        $copy =~ s/(:\s*)(\d+)/$1 . ($2 - 1)/e if $name eq 'max-forwards' && !$has_max_forwards++;
        $has_max_breadth = 1 if $name eq 'max-breadth';
        $has_length      = 1 if $name eq 'content-length';
        push @expected, $copy;
    }
    push @expected, 'Max-Forwards: 70' if !$has_max_forwards;
    push @expected, 'Max-Breadth: 60'  if !$has_max_breadth;    # RFC 5393 5.3.3
    push @expected, "Content-Length: $body_length" if !$has_length && $options->{length};
    return @expected;
}

# The lines without those that the relay put in: Via on top of all others, Record-Route.
sub without_own_lines ($lines, $options, $differences) {
    my ($has_via, $record_routes, @rest) = (0, 0);
    for my $line (@$lines) {
        my $name = name_of($line);
        if ($name eq 'via' && !$has_via++) {
            push @$differences, "top Via: $line"
                if $line !~ m{\AVia: SIP/2\.0/(?:UDP|TCP|TLS) [\w.-]+:\d+;branch=z9hG4bK[^;,\s]+(?:;rport)?\z};
            next;
        }
        if ($line =~ /\ARecord-Route: <sips?:[\w.-]+(?::\d+)?[^<>,]*;lr>\z/) {
            $record_routes++;
            next;
        }
        push @rest, $line;
    }
    my $wanted = $options->{record_routes};
    push @$differences, "$record_routes Record-Route of the relay's"
        if defined $wanted ? $record_routes != $wanted : $record_routes > 2;
    return @rest;
}

# The relay's own lines stand anywhere, so Max-Forwards, Max-Breadth and Content-Length of its own count at any place.
sub line_differences ($expected, $seen) {
    my @expected = @$expected;
    my @seen = @$seen;
    for my $own ('Max-Forwards: 70', 'Max-Breadth: 60', grep { /\AContent-Length: \d+\z/ } @expected) {
        next if (grep { $_ eq $own } @expected) != 1 || (grep { $_ eq $own } @seen) != 1;
        @$_ = grep { $_ ne $own } @$_ for \@expected, \@seen;
    }
    my @differences;
    for my $i (0 .. ($#expected > $#seen ? $#expected : $#seen)) {
        my ($is, $was) = ($seen[$i] // '(none)', $expected[$i] // '(none)');
        next if $is eq $was;
        push @differences, "line " . ($i + 1) . ": <$is> instead of <$was>";
        last;
    }
    return @differences;
}

# A response: nothing but the first Via line may be gone.
sub response_differences ($before, $behind) {
    my ($start, $lines, $body) = split_message($before);
    my ($seen_start, $seen, $seen_body) = split_message($behind);
    my $has_via = 0;
    my @expected = grep { name_of($_) ne 'via' || $has_via++ } @$lines;
    return (
        $seen_start ne $start ? "start line: $seen_start"    : (),
        $seen_body ne $body   ? 'the body is another'        : (),
        line_differences(\@expected, $seen),
    );
}

1;
