#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The table of certificates over real handshakes, in both roles and with both versions of TLS: presented by the next
# hop, and presented by a caller. Who is not proven gets no SIP byte of ours, and none of his is answered with 200 (ADV-13, INV-15).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp ();
use Test::More;

# The peers may present what is too weak for the library that they use.
BEGIN {
    my $file = File::Temp->new;
    print {$file} "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = weak\n[weak]\n"
        . "CipherString = ALL:\@SECLEVEL=0\n";
    $file->flush;
    local $ENV{OPENSSL_CONF} = $file->filename;
    require IO::Socket::SSL;
}

use Trelay::Edge;
use Trelay::Fixtures;
use Trelay::Loopback qw(own_address);
use Trelay::PKI;
use Trelay::SIP qw(request);
use Trelay::SIP::Server;

my @VERSIONS = (TLSv1_2 => '1.2', TLSv1_3 => '1.3');

# Debian's build of the library ends the handshake itself at a critical extension that it does not know.
open my $config, '<', "$ENV{top_builddir}/config.h" or die "config.h: $!\n";
my $is_lean = grep { /^#define TRELAY_WOLFSSL_STATIC 1/ } <$config>;
close $config or die "config.h: $!\n";
my %IS_REFUSED_BY_LIBRARY = $is_lean ? () : ('critical-extension' => 1);

my $pki  = Trelay::PKI->new;
my @rows = Trelay::Fixtures::rows();
my @made = map { Trelay::Fixtures::make($pki, $_) } @rows;
my $ours = $pki->authority('ours')->leaf('atlanta.example', dns => ['atlanta.example']);

# What ssl_options() asks of a certificate.
package Presented { sub chain ($self) { return $self->{chain} } sub key ($self) { return $self->{key} } }
sub presented ($made) { return bless {%$made}, 'Presented' }

# One server process for all rows and both versions: the certificate by the server name, "r3-12.example".
# OpenSSL picks by exact name, so that the row is asked for by sni.
sub server_name ($i, $version) { return "r$i-" . $version =~ s/\D//gr . '.example' }

sub next_hop ($version) {
    my %by_name = map { server_name($_, $version) => presented($made[$_]) } 0 .. $#rows;
    $by_name{''} = $ours;
    # Made once, for it takes long.
    my %options = Trelay::SIP::Stream::ssl_options(
        { certificate => \%by_name, version => $version }, 1);
    my $context = IO::Socket::SSL::SSL_Context->new(%options) or die "TLS: $IO::Socket::SSL::SSL_ERROR\n";
    return Trelay::SIP::Server->start(transport => 'tls', host => own_address(2),
        tls => { options => { SSL_reuse_ctx => $context } });
}

my $edge = Trelay::Edge->start(pki => $pki);
my %trust_name;
my $trust_rows = '';
for my $made (@made) {
    next if $trust_name{ $made->{trust} };
    my $name = $trust_name{ $made->{trust} } = 'trust' . keys %trust_name;
    $trust_rows .= $edge->trust_sql($name, $made->{trust});
}

sub boolean ($value) { return $value ? 'true' : 'false' }

my @MODES = ('tls-role', 'either', 'sip5924');

sub modes_of ($row) { return ref $row->{expected} ? @MODES : 'tls-role' }

# ---- as the next hop ----

my (%hop, %case);
my $policy_rows = '';
my $domains = 0;
for my $version (map { $VERSIONS[ 2 * $_ ] } 0, 1) {
    my $server = $hop{$version} = next_hop($version);
    for my $i (0 .. $#rows) {
        my $row = $rows[$i];
        for my $mode (modes_of($row)) {
            my $name = "$row->{name}-$mode-$version" =~ s/_/./r;
            my $match = 'd' . ++$domains . '.example';
            my $is_domain = $row->{domain} !~ /^[\d.]+$/;
            my $expected_domain = $is_domain ? "'$row->{domain}'" : 'NULL';
            my $endpoint = $server->host . ':' . $server->port;
            # Without a domain name there is nothing to compare: the next hop is named by its address.
            my $where = $is_domain ? "domain, expected_domain" : 'address';
            my $what  = $is_domain ? "'$match', $expected_domain" : "'192.0.2.1/32'";
            next if !$is_domain && $case{ $row->{name} }++;
            $policy_rows .= "INSERT INTO trelay.outbound_policy (name, $where, level, trust_set, sni, eku_mode, cn_fallback,"
                . " wildcard, next_hop) VALUES ('$name', $what, 'domain', '$trust_name{ $made[$i]{trust} }', '"
                . server_name($i, $version) . "', '$mode', " . boolean($row->{cn_fallback}) . ', '
                . boolean($row->{wildcard}) . ", '{$endpoint}');\n";
            $case{$name} = { name => $name, row => $row, version => $version, i => $i,
                uri => 'sip:' . ($is_domain ? $match : '192.0.2.1'),
                expected => Trelay::Fixtures::expected($row, 'server', $mode) };
        }
    }
}
my @cases = sort { $a->{name} cmp $b->{name} } grep { ref } values %case;
$edge->apply($trust_rows . $policy_rows);

subtest 'as the next hop' => sub {
    my %reply;
    for my $case (@cases) {
        $case->{sent} = $edge->send('OPTIONS', $case->{uri});
        $reply{ $case->{sent}->branch } = $edge->final($case->{sent});
    }
    my %record;
    $edge->daemon->process->wait_until('all records', sub {
        $record{ $_->{call_id} } = $_ for $edge->rows('SELECT * FROM trelay.transaction_record');
        return keys %record == @cases;
    });
    my %version_of = @VERSIONS;
    my %seen = map { $_->call_id => 1 } map { $_->messages } values %hop;
    my %connection;
    for my $version (keys %hop) {
        push @{ $connection{ $_->{sni} } }, $_ for grep { defined $_ && $_->{sni} } $hop{$version}->connections;
    }
    for my $case (@cases) {
        my $id = $case->{sent}->call_id;
        my ($reply, $record) = ($reply{ $case->{sent}->branch }, $record{$id});
        my $word = $record->{reason};
        # OpenSSL has no suite of TLS 1.2 for a key that may not sign.
        my $is_unspeakable = $case->{expected} eq 'key-usage' && $case->{version} eq 'TLSv1_2';
        $word = $case->{expected}
            if $word eq 'tls-failed' && ($is_unspeakable || $IS_REFUSED_BY_LIBRARY{ $case->{row}{name} });
        my $status = $case->{expected} eq 'proven' ? 200 : $record->{reason} =~ /^(?:tls-failed|no-expected-domain)$/ ? 500 : 502;
        is($reply && $reply->status, $status, "$case->{name}: status");
        is($word, $case->{expected} eq 'proven' ? 'none' : $case->{expected}, "$case->{name}: reason");
        if ($case->{expected} eq 'proven') {
            is($record->{outbound_verified_domain}, $case->{row}{domain}, "$case->{name}: what was proven");
            is($record->{outbound_tls_version}, $version_of{ $case->{version} }, "$case->{name}: TLS");
        }
        else {
            ok(!$seen{$id}, "$case->{name}: the server saw no request");
            is($record->{outbound_verified_domain}, undef, "$case->{name}: nothing was proven");
        }
    }
    my @told = grep { @{ $_->{messages} } || ($_->{rest} // '') ne '' } map { @$_ } values %connection;
    my $proven = grep { $_->{expected} eq 'proven' } @cases;
    is(scalar(keys %seen), $proven, 'one message for each that was proven, and no other');
    is(scalar(@told), $proven, 'on a connection of its own each, and no byte on the others');
};

$_->stop for values %hop;

# ---- as a caller ----

# A profile for each trust set and mode, found by server name; whoever is proven for the row's domain is a peer.
my (%profile, @callers);
my $rows_in = $edge->certificate_sql('server', $ours);
$rows_in .= "INSERT INTO trelay.outbound_policy (name, domain, level, next_hop) VALUES ('inside', 'inside.example', 'none',"
    . " '{" . own_address(1) . ':' . $edge->phone->port . "}');\n";
for my $i (0 .. $#rows) {
    my $row = $rows[$i];
    for my $mode (modes_of($row)) {
        for my $auth (qw(require request)) {
            my $trust = $trust_name{ $made[$i]{trust} };
            my $name = "$trust-$mode-$auth";
            $profile{$name} //= do {
                $rows_in .= "INSERT INTO trelay.server_profile (name, server_name, client_auth, trust_set, eku_mode) VALUES"
                    . " ('$name', '$name.example', '$auth', '$trust', '$mode');\n"
                    . "INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('$name', 'server');\n";
                1;
            };
            push @callers, { name => "$row->{name}-$mode-$auth", row => $row, i => $i, sni => "$name.example", auth => $auth,
                expected => Trelay::Fixtures::expected($row, 'client', $mode) };
        }
    }
}
for my $trust (sort values %trust_name) {
    for my $domain (qw(example.com xn--bcher-kva.example)) {
        $rows_in .= "INSERT INTO trelay.peer (name, trust_set, san, action) VALUES"
            . " ('$domain-$trust', '$trust', '$domain', 'accept');\n";
    }
}
$edge->apply($rows_in);

# What a caller must be answered: whose identity is not in the allow-list, or cannot be (a wildcard names nobody, nor
# does a common name), is as unknown as who shows none.
sub is_peer ($case) {
    my $row = $case->{row};
    return $case->{expected} eq 'proven' && $row->{domain} =~ /^(?:example\.com|xn--bcher-kva\.example)$/
        && !$row->{cn_fallback} && !$row->{wildcard};
}

# The chain itself is sound, whatever name it carries.
sub is_sound ($case) {
    return $case->{expected} =~ /^(?:proven|no-identity|wrong-identity|no-expected-domain)$/;
}

# One request over a connection of its own: the status, or "refused" when the connection ends without an answer.
sub call ($case, $version) {
    my $status = eval {
        my $stream = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => own_address(3), tls => {
            certificate => presented($made[ $case->{i} ]), sni => $case->{sni}, version => $version,
        });
        $stream->send(request('OPTIONS', 'sip:phone@inside.example', via => $stream->via));
        my $message;
        my $reader = IO::Select->new($stream->{socket}, $edge->phone->{socket});
        while (!$message) {
            my @ready = $reader->can_read(Trelay::Process::patience(10)) or die "no answer\n";
            for my $socket (@ready) {
                if ($socket == $edge->phone->{socket}) {
                    my $request = $edge->phone->receive(0) or next;
                    $edge->phone->reply($request, Trelay::SIP::response($request, 200, 'OK'));
                }
                else {
                    $message = $stream->receive(10) or die "closed\n";
                }
            }
        }
        $stream->close;
        $message->status;
    };
    return $status // ($@ =~ /no answer/ ? 'no answer' : 'refused');
}

for my $version (map { $VERSIONS[ 2 * $_ ] } 0, 1) {
    subtest "as a caller, $version" => sub {
        for my $case (@callers) {
            my $expected = is_peer($case) ? 200 : is_sound($case) || $case->{auth} eq 'request' ? 403 : 'refused';
            my $status = call($case, $version);
            $expected = 'refused' if $IS_REFUSED_BY_LIBRARY{ $case->{row}{name} };
            is($status, $expected, "$case->{name}: $expected");
        }
    };
}

$edge->stop;
done_testing;
