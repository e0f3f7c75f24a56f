#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# What the table of certificates (t/440) does not hold: a pinned certificate that signed itself, more names than anybody
# needs, chains of many bytes and of many certificates, a name in the wrong alphabet, a validity that begins soon, a peer
# who takes another key while the relay runs. Each has a clear verdict, and what is refused gets no byte.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);
use Trelay::SIP::Server;

my $edge = Trelay::Edge->start;
my $pki  = $edge->pki;
my $root = $pki->authority('root');
my $ours = $root->leaf('atlanta', dns => ['atlanta.example']);

# So many intermediates between root and leaf, each with an extension of so many bytes.
sub chain_of ($count, $bytes = 0) {
    my $above = $root;
    my @more = $bytes ? (extensions => [ [ nsComment => 'x' x $bytes ] ]) : ();
    $above = $above->intermediate("intermediate $_", @more) for 1 .. $count;
    return $above->leaf('far', uri => ['sip:far.example']);
}
my @names = map { "n$_.test" } 1 .. 1000;
my $U_LABEL = 'DER:30:11:82:0f:' . join ':', unpack '(H2)*', "b\xc3\xbccher.example";
# Name => certificate; what comes of it with the next hop: 200, or the reason; with a caller, whose domain is the same and
# of whom 64 names count; the domain, where it is another. "refused": nobody reads it, and the library says so itself.
my %case = (
    'pinned'       => [ $pki->make('alone', undef, uri => ['sip:far.example']), 200, 'refused' ],
    'pinned-other' => [ $pki->make('alone', undef, uri => ['sip:far.example']), 'pin-mismatch', 'refused' ],
    'names-first'  => [ $root->leaf('names', dns => [ 'far.example', @names ]), 200, 200 ],
    'names-last'   => [ $root->leaf('names', dns => [ @names, 'far.example' ]), 200, 403 ],
    'names-none'   => [ $root->leaf('names', dns => [@names]), 'wrong-identity', 403 ],
    '17-kib'       => [ chain_of(2, 8 * 1024), 200, 200 ],
    '32-kib'       => [ chain_of(4, 8 * 1024), 'refused', 'refused' ],
    'deep'         => [ chain_of(8), 200, 200 ],
    'too-deep'     => [ chain_of(9), 'refused', 'refused' ],
    'soon'         => [ $root->leaf('soon', uri => ['sip:far.example'], not_before => 600), 'certificate-not-yet-valid',
        'refused' ],
    'u-label'      => [ $root->leaf('u', names => $U_LABEL), 'no-identity', 403, 'xn--bcher-kva.example' ],
    'a-label'      => [ $root->leaf('a', dns => ['xn--bcher-kva.example']), 200, 200, 'xn--bcher-kva.example' ],
);
my %pins = (pinned => $case{pinned}[0]->sha256, 'pinned-other' => $case{pinned}[0]->sha256);
# The certificate by the server name, "soon.example"; read once, for it takes long.
sub next_hop ($version) {
    my %by_name = ('' => $ours, map { ("$_.example" => $case{$_}[0]) } keys %case);
    my %options = Trelay::SIP::Stream::ssl_options({ version => $version, certificate => \%by_name }, 1);
    my $context = IO::Socket::SSL::SSL_Context->new(%options) or die "TLS: $IO::Socket::SSL::SSL_ERROR\n";
    return Trelay::SIP::Server->start(transport => 'tls', host => own_address(2),
        tls => { options => { SSL_reuse_ctx => $context } });
}
my %server = map { $_ => next_hop($_) } qw(TLSv1_2 TLSv1_3);
sub policy_sql ($name, $where, $port, %is) {
    my ($trust, $pins) = $is{pins} ? ($is{trust} // 'NULL', "'{$is{pins}}'") : ("'fed'", 'NULL');
    my $domain = $is{domain} // 'far.example';
    my $hop = own_address(2) . ":$port";
    return 'INSERT INTO trelay.outbound_policy (name, domain, expected_domain, level, trust_set, pins, sni, next_hop)'
        . " VALUES ('$where', '$where.example', '$domain', 'domain', $trust, $pins, '$name.example', '{$hop}');\n";
}
my $listener = Trelay::SIP::Listener->new(host => own_address(2));
my ($old, $new) = map { $root->leaf($_, uri => ['sip:far.example']) } qw(old new);
my $rows = $edge->trust_sql('fed', $root) . $edge->certificate_sql('server', $ours) . <<"END";
INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');
INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'server');
INSERT INTO trelay.peer (name, trust_set, san, action) VALUES ('far', 'fed', 'far.example', 'accept'),
    ('a', 'fed', 'xn--bcher-kva.example', 'accept');
END
for my $name (sort keys %case) {
    my %is = (domain => $case{$name}[3], pins => $pins{$name});
    $rows .= policy_sql($name, "$name-" . $_->port, $_->port, %is) for values %server;
}
$rows .= policy_sql('rotated', 'rotated', $listener->port)
    . policy_sql('rotated', 'held', $listener->port, pins => $old->sha256, trust => "'fed'");
$edge->apply($rows);

# The records of these messages, by Call-ID.
sub records (@messages) {
    my $ids = join ',', map { "'" . $_->call_id . "'" } @messages;
    return $edge->daemon->process->wait_until('all records', sub {
        my @rows = $edge->rows("SELECT * FROM trelay.transaction_record WHERE call_id IN ($ids)");
        return @rows == @messages ? [ map { $_->{call_id} => $_ } @rows ] : undef;
    })->@*;
}

for my $version (sort keys %server) {
    my $server = $server{$version};
    subtest "as the next hop, $version" => sub {
        my %reply  = map { $_ => $edge->ask('OPTIONS', "sip:bob\@$_-" . $server->port . '.example') } sort keys %case;
        my %record = records(values %reply);
        my %seen   = map { $_->call_id => 1 } $server->messages;
        for my $name (sort keys %case) {
            my ($expected, $reply) = ($case{$name}[1], $reply{$name});
            my $reason = $record{ $reply->call_id }{reason};
            my $what = $expected eq '200' ? '200 none' : $expected eq 'refused' ? '500 tls-failed' : "502 $expected";
            is($reply->status . " $reason", $what, "$name: $what");
            is($seen{ $reply->call_id } // 0, $expected eq '200' ? 1 : 0, "$name: what the server got");
        }
    };
    subtest "as a caller, $version" => sub {
        for my $name (sort keys %case) {
            my $status = eval {
                my $stream = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => own_address(3),
                    tls => { certificate => $case{$name}[0], version => $version });
                $stream->send(request('OPTIONS', 'sip:bob@nowhere.example', via => $stream->via, max_forwards => 0));
                my $answer = $stream->receive;
                $stream->close;
                $answer && ($answer->status =~ s/483/200/r);
            };
            is($status // 'refused', $case{$name}[2], "$name: $case{$name}[2]");
        }
    };
}

# A request to that row, which shall open a connection; the certificate that it is shown, what comes of it.
sub ask_rotated ($row, $leaf) {
    $listener->{tls} = { certificate => $leaf };
    my $sent   = $edge->send('OPTIONS', "sip:bob\@$row.example");
    my $stream = eval { $listener->accept };
    my $seen   = $stream && $stream->receive;
    $stream->send(response($seen, 200)) if $seen;
    my $record = $edge->record($edge->final($sent));
    return ($stream, $seen ? 'served' : 'nothing', $record);
}

subtest 'a peer takes another key' => sub {
    my %first;
    for my $row (qw(rotated held)) {
        my ($stream, $what, $record) = ask_rotated($row, $old);
        is("$what $record->{outbound_decision} $record->{reason}", 'served open none', "$row: served, with the old one");
        $first{$row} = $stream;
    }
    for my $row (qw(rotated held)) {
        my $sent = $edge->send('OPTIONS', "sip:bob\@$row.example");
        my $seen = $first{$row}->receive;
        is($seen && $seen->call_id, $sent->call_id, "$row: a connection that has proven the old one serves on");
        $first{$row}->send(response($seen, 200));
        is($edge->final($sent)->status, 200, "$row: answered");
        $first{$row}->close;
    }
    my $at = ':' . $listener->port;
    $edge->daemon->process->wait_until('their ends', sub {
        return !grep { $_->{peer} =~ /$at\z/ } $edge->connections;
    });
    my (undef, $what, $record) = ask_rotated('rotated', $new);
    is("$what $record->{outbound_decision} $record->{reason}", 'served open none', 'the new one, by the same authority');
    is($record->{outbound_certificate_sha256}, $new->sha256, 'accounting says which it was');
    (undef, $what, $record) = ask_rotated('held', $new);
    is("$what $record->{reason}", 'nothing pin-mismatch', 'a row that has pinned the old one refuses it');
    my $both = join ',', $old->sha256, $new->sha256;
    $edge->apply("UPDATE trelay.outbound_policy SET pins = '{$both}' WHERE name = 'held'");
    (undef, $what, $record) = ask_rotated('held', $new);
    is("$what $record->{reason}", 'served none', 'until it has pinned both');
};

$edge->stop;
is($_->stop, 0, 'a peer ends well') for values %server;
done_testing;
