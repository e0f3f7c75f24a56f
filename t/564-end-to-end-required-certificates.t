#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Where the server profile requires a certificate, one that proves nothing is as none: the connection ends before a
# request is read, whatever peer row there is for the address. Where it is optional the rows decide.
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Loopback qw(own_address);
use Trelay::SIP qw(request response);

my $edge     = Trelay::Edge->start;
my $trusted  = $edge->pki->authority('trusted');
my $stranger = $edge->pki->authority('stranger');
my $there    = own_address(3);
my $phone    = $edge->phone->host . ':' . $edge->phone->port;
$edge->apply($edge->trust_sql('fed', $trusted)
        . $edge->certificate_sql('us', $trusted->leaf('us', dns => ['atlanta.example']))
        . "INSERT INTO trelay.server_profile (name, client_auth, trust_set) VALUES ('edge', 'require', 'fed');"
        . "INSERT INTO trelay.server_profile_certificate (server_profile, certificate) VALUES ('edge', 'us');"
        . "INSERT INTO trelay.peer (name, address, action) VALUES ('biloxi', '$there/32', 'accept');"
        . "INSERT INTO trelay.route (name, domain, next_hop) VALUES ('phone', 'atlanta.example', 'sip:$phone;transport=udp')");

my %leaf = (
    trusted  => $trusted->leaf('biloxi', uri => ['sip:biloxi.example']),
    stranger => $stranger->leaf('biloxi', uri => ['sip:biloxi.example']),
);

# A MESSAGE on a connection that shows that certificate: its answer's status, or how the connection ended. With TLS 1.3
# the client learns only then that its certificate is refused.
sub outcome ($which) {
    my $said = eval {
        my $caller = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $there,
            tls => { $which ? (certificate => $leaf{$which}) : () });
        $caller->send(request('MESSAGE', 'sip:alice@atlanta.example', via => $caller->via));
        if (my $request = $edge->phone->receive(1)) {
            $edge->phone->reply($request, response($request, 200, 'OK'));
        }
        my $reply = $caller->receive;
        $reply ? $reply->status : defined $caller->{is_closed} ? 'ended' : 'silent';
    };
    return $said // ($@ =~ /^(?:TLS|send): / ? 'ended' : $@);
}

is(outcome('trusted'),  200,     'required: a certificate of the trusted authority is served');
is(outcome('stranger'), 'ended', 'required: one of another authority is not');
is(outcome(undef),      'ended', 'required: none is not');
is($edge->phone->receive(0), undef, 'and the phone has heard nothing more');

$edge->apply("UPDATE trelay.server_profile SET client_auth = 'request'");
is(outcome('stranger'), 200, 'optional: the row for the address decides');

# A server name that no profile has ends the handshake, where names are told apart at all.
sub handshake ($name) {
    my $caller = eval {
        Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $there,
            tls => { certificate => $leaf{trusted}, sni => $name });
    };
    return 'done' if $caller;
    my $error = $@ =~ s/^TLS: //r;
    return $error =~ /unrecognized name/i ? 'unrecognized' : $error;
}
is(handshake('other.example'), 'done', 'X11: while no profile has a server name, any will do');
$edge->apply("UPDATE trelay.server_profile SET server_name = 'atlanta.example'");
is(handshake('atlanta.example'), 'done',         'X11: the name of a profile');
is(handshake('other.example'),   'unrecognized', 'X11: a name that no profile has');

# Whom From may name, where the row of the sender asks: a certificate that is valid is not enough.
$edge->apply("UPDATE trelay.server_profile SET server_name = NULL;"
        . "INSERT INTO trelay.peer (name, trust_set, san, action, priority, check_from) VALUES"
        . " ('checked', 'fed', 'biloxi.example', 'accept', 1, true)");
{
    my $caller = Trelay::SIP::Stream->connect(host => $edge->host, port => 5061, from => $there,
        tls => { certificate => $leaf{trusted} });
    # The answer to a MESSAGE with that From, and its record; FORWARDED: the phone gets it.
    my $ask = sub ($from, $forwarded, %options) {
        $caller->send(request('MESSAGE', $options{uri} // 'sip:alice@atlanta.example', via => $caller->via,
            from => $from, %options));
        my $request = $edge->phone->receive($forwarded ? 5 : 0);
        $edge->phone->reply($request, response($request, 200, 'OK')) if $request;
        my $reply = $caller->receive or return ('silent', undef);
        return ($reply->status, $edge->record($reply));
    };
    my ($status, $record) = $ask->('<sip:bob@biloxi.example>;tag=b', 1);
    is("$status $record->{reason}", '200 none', 'B30: From names the domain of the certificate');
    is($record->{inbound_peer}, 'checked', 'B30: by the row that asks');
    ($status, $record) = $ask->('<sip:bob@chicago.example>;tag=b', 0);
    is("$status $record->{reason}", '403 from-unproven', 'B30: it names another domain');
    ($status) = $ask->("<sip:bob\@$there>;tag=b", 0);
    is($status, 403, 'B30: it names an address');
    is($edge->phone->receive(0), undef, 'B30: the phone has heard of neither');
    ($status) = $ask->('<sip:bob@chicago.example>;tag=b', 1, uri => "sip:alice\@$phone;transport=udp",
        to => '<sip:alice@atlanta.example>;tag=a');
    is($status, 200, 'B30: with a To tag it is not compared');
    $edge->apply("UPDATE trelay.peer SET check_from = false WHERE name = 'checked'");
    ($status) = $ask->('<sip:bob@chicago.example>;tag=b', 1);
    is($status, 200, 'B30: nor where the row does not ask');
}

$edge->stop;
done_testing;
