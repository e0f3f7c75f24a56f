#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Trelay::Foresight finds each difference between what explain said and a record, and makes none of what it cannot know
# (INV-50).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Foresight;
use Trelay::SIP qw(request);

my %explained = (decision => 'reuse', reason => 'none', policy => 'biloxi', pinned => 0, level => 'domain', expected_domain => 'biloxi.example',
    transport => 'tls', flags => undef, key_digest => 'd1', certificate => 'us', sni => 'biloxi.example', target => '127.0.0.2:5061',
    connection => '0.1.1');
my %record = (call_id => 'c', method => 'OPTIONS', inbound_peer => 'phone', reason => 'none', status => 200, outbound_address => '127.0.0.2',
    outbound_port => 5061, outbound_transport => 'tls', outbound_policy => 'biloxi', outbound_pinned => 0, outbound_level => 'domain',
    outbound_expected_domain => 'biloxi.example', outbound_decision => 'reuse', outbound_connection_id => '0.1.1', outbound_key_digest => 'd1',
    outbound_own_certificate => 'us', outbound_sni => 'biloxi.example');

# What is found when explain or the record has these values instead. said => { ... } of the request; log => text.
sub found ($explained, $record, %more) {
    my $foresight = Trelay::Foresight->new(socket => '/nowhere', own => []);
    $foresight->{asked}{'c OPTIONS'} = [ { branch => 'b', is_alone => 1, log => 0, by_route => { '' => { %explained, %$explained } },
        %{ $more{said} // {} } } ];
    my @differences = $foresight->differences([ { %record, %$record }, @{ $more{records} // [] } ], $more{log} // '');
    return join "\n", @differences;
}

is(found({}, {}), '', 'the same is no difference');
my %changed = (outbound_policy => 'other', outbound_pinned => 1, outbound_level => 'chain', outbound_expected_domain => undef,
    outbound_transport => 'tcp', flags => 'tls', outbound_key_digest => 'd2', outbound_own_certificate => undef, outbound_sni => 'x',
    outbound_decision => 'open');
like(found({}, { $_ => $changed{$_} }), qr/^c OPTIONS: [^\n]+$/, "$_: one difference") for sort keys %changed;
my @nowhere = (outbound_transport => undef, outbound_address => undef, outbound_port => undef, outbound_connection_id => undef);
like(found({}, { @nowhere, reason => 'no-policy', status => 403 }), qr/refused with no-policy ahead/, 'refused, though explain did not say so');
my %refused = (decision => 'reject', reason => 'weaken-refused');
like(found(\%refused, {}), qr/refused with none/, 'served, though explain said no');
like(found(\%refused, { reason => 'no-policy' }), qr/refused with no-policy/, 'refused for another reason');
is(found(\%refused, { reason => 'weaken-refused' }), '', 'for the same');

is(found({ policy => 'x' }, {}, said => { is_doubtful => 1 }), '', 'the policy changed meanwhile');
is(found({ policy => 'x' }, { inbound_peer => 'other' }), '', 'from another peer');
is(found({ policy => 'x' }, {}, records => [ \%record ]), '', 'more records than requests');
is(found({ policy => 'x' }, { outbound_port => 5062 }), '', 'at another address');
is(found({ policy => 'x' }, { outbound_route => 'r' }), '', 'by a route row of which nothing was asked');
is(found({}, { @nowhere, reason => 'peer-refused', status => 403 }), '', 'refused ahead of its next hop');
is(found({}, { outbound_decision => 'open', outbound_connection_id => '0.2.2' }, log => "x event=connection-closed worker=0 connection=0.1.1 y\n"), '',
    'the connection closed meanwhile');
like(found({}, { outbound_decision => 'open', outbound_connection_id => '0.2.2' }, log => "x event=connection-closed worker=0 connection=0.1.11 y\n"), qr/decision/,
    'another one did');
is(found({}, { outbound_decision => 'open', outbound_connection_id => '0.2.2' }, said => { is_alone => 0 }), '', 'others were under way');
like(found({ level => 'chain' }, {}, said => { is_alone => 0 }), qr/level was domain, explain said chain/, 'but they change no level');
my $refused = { error => 'unknown flag' };
like(found({}, {}, said => { by_route => {}, error => { '' => $refused } }), qr/explain said unknown flag of what went somewhere/, 'explain would not say');
is(found({}, { @nowhere, reason => 'flag-unknown', status => 403 }, said => { by_route => {}, error => { '' => $refused } }), '', 'nor did it go anywhere');
my %late = (is_alone => 1, log => 0, by_route => {}, error => { '' => { error => 'no answer', is_late => 1 } });
is(found({}, {}, said => \%late), '', 'an answer that did not come in time');
my $late = Trelay::Foresight->new(socket => '/nowhere', own => []);
$late->{asked}{'c OPTIONS'} = [ map { { branch => $_, %late } } 1 .. 6 ];
like(join("\n", $late->differences([ map { \%record } 1 .. 6 ], '')), qr/^of 6 requests .* only 0 could be compared$/, 'but not most of them');

# An ACK that was placed by itself is one line of the log.
my $ack = 'x event=decision call-id=c method=ACK policy=%s decision=reuse transport=tls target=127.0.0.2:5061 level=domain expected=biloxi.example'
    . " connection=0.1.1 key=d1 verdict=proven\n";
for my $policy (qw(biloxi other)) {
    my $foresight = Trelay::Foresight->new(socket => '/nowhere', own => []);
    $foresight->{asked}{'c ACK'} = [ { branch => 'b', is_alone => 1, log => 0, by_route => { '' => \%explained } } ];
    my $found = join "\n", $foresight->differences([], sprintf $ack, $policy);
    $policy eq 'biloxi' ? is($found, '', 'an ACK goes as foretold') : like($found, qr/^c ACK: policy was other/, 'an ACK that does not');
    is($foresight->compared->{decisions}, 1, 'which was compared');
}

subtest 'next hops' => sub {
    my $foresight = Trelay::Foresight->new(socket => '/nowhere', own => ['192.0.2.1']);
    $foresight->rows('{"routes": [{"name": "r", "domain": "*.example", "next_hop": "sip:192.0.2.9", "flags": "tls"}], "record_route_hosts": ["rr.example"], "flags": "no-100"}');
    my $hops = sub (@more) {
        my $message = Trelay::SIP::parse(request('OPTIONS', 'sip:bob@biloxi.example', @more));
        my $route = $foresight->follow_route($message) // return 'nothing';
        return join ' | ', map { join ' ', @$_ } $foresight->next_hops($message, $route);
    };
    is($hops->(), ' sip:bob@biloxi.example no-100 | r sip:192.0.2.9 tls,no-100', 'the Request-URI, and the route row');
    is($hops->(headers => [ [ 'X-Trelay-Flags' => 'crl' ] ]), ' sip:bob@biloxi.example no-100 | r sip:192.0.2.9 tls,no-100', 'flags of the sender are told apart');
    is($hops->(to => '<sip:bob@biloxi.example>;tag=t'), ' sip:bob@biloxi.example no-100', 'within a dialog no row');
    my @route = map { [ Route => $_ ] } '<sip:rr.example;lr>', '<sip:192.0.2.1;transport=tls;lr;pin=ab-c>', '<sip:192.0.2.7;lr>';
    is($hops->(headers => \@route), ' sip:192.0.2.7;lr no-100', 'past our own Route values');
    is($foresight->follow_route(Trelay::SIP::parse(request('BYE', 'sip:a', headers => \@route)))->{pin}, 'ab-c', 'with the pin');
    is($hops->(headers => [ [ Route => '<sip:192.0.2.1;lr;level=chain>' ] ]), 'nothing', 'not with flags in it');
    is($hops->(headers => [ [ Route => '<sip:192.0.2.7>' ] ]), 'nothing', 'nor to a strict router');
};
done_testing;
