#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# Under load: the policy changes many times a second, the database goes and comes back, and the relay is told to end.
# No request goes astray or fails, every answered one has its record and one policy (INV-46), none that was
# taken loses its final response.
# TEST_SECONDS: of each load (t/944 asks for a minute).
use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Trelay::Edge;
use Trelay::Load;
use Trelay::Loopback qw(own_address);

my $seconds = $ENV{TEST_SECONDS} // 5;
my $rate    = 200;
my $edge = Trelay::Edge->start(workers => 2);
my $load = Trelay::Load->new;
my $ca   = $edge->pki->authority('federation');
my %leaf = map { $_ => $ca->leaf($_, uri => ["sip:$_.example"]) } qw(atlanta biloxi chicago);
my ($relay, $phone, $biloxi, $chicago) = map { own_address($_) } 0 .. 3;
my %host   = (biloxi => $biloxi, chicago => $chicago);
my %server = map { $_ => $load->server("$host{$_}:5061", certificate => $leaf{$_}, authority => $ca) } keys %host;
my $rows   = join ', ', map { "('$_', '$_.example', 'domain', 'fed', 'us', '{$host{$_}:5061}')" } sort keys %host;
$edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $leaf{atlanta})
        . "INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, certificate, next_hop) VALUES $rows;"
        . "INSERT INTO trelay.outbound_policy (name, address, level, trust_set, certificate, expected_domain) VALUES "
        . join(', ', map { "('$_-contact', '$host{$_}/32', 'domain', 'fed', 'us', '$_.example')" } sort keys %host));

my %port  = (biloxi => 5080, chicago => 5081);
my %asked = (biloxi => 0, chicago => 0);
sub ask (%options) {
    my %client;
    for my $name (sort keys %host) {
        $asked{$name} += $rate * $seconds;
        $client{$name} = $load->client(to => "$relay:5060", local => "$phone:$port{$name}", rate => $rate,
            count => $rate * $seconds, domain => "$name.example", %options);
    }
    return %client;
}
sub failures (%client) {
    my $failed = 0;
    $failed += $load->report($_, 60 + 3 * $seconds)->{failed} for values %client;
    return $failed;
}

subtest 'ADV-60: the policy changes 50 times a second' => sub {
    my %client = ask();
    my $changes = 0;
    my $script = join '', map {
        $changes++;
        "UPDATE trelay.outbound_policy SET remark = '$_', priority = " . (100 + $_ % 7) . "; SELECT pg_sleep(0.02);\n"
    } 1 .. 50 * $seconds;
    $edge->{postgres}->run($script);
    is(failures(%client), 0, 'no request fails');
    my $astray = $edge->sql("SELECT count(*) FROM trelay.transaction_record WHERE outbound_verified_domain IS DISTINCT"
            . " FROM outbound_policy || '.example' OR request_uri NOT LIKE '%' || outbound_policy || '.example%'");
    is($astray, 0, 'none goes by the other row, or to the other partner');
    my @loaded = $edge->daemon->log =~ /event=policy-loaded/g;
    diag("$changes changes, loaded " . @loaded . ' times');
    cmp_ok(scalar @loaded, '>', 3, 'the policy was loaded meanwhile');
};

subtest 'the database goes and comes back' => sub {
    my %client = ask();
    $edge->{postgres}->stop;
    select undef, undef, undef, $seconds / 2;
    $edge->{postgres}->start;
    is(failures(%client), 0, 'no request fails');
    my $expected = $asked{biloxi} + $asked{chicago};
    my $count = $edge->daemon->process->wait_until('all records', sub {
        my $n = $edge->sql('SELECT count(DISTINCT call_id) FROM trelay.transaction_record');
        return $n >= $expected ? $n : undef;
    }, 60);
    is($count, $expected, 'every request has its record, those of the time between, too');
};

# Only what comes behind the signal is refused: what the partners saw is answered, and all that was answered is written.
subtest 'SIGTERM' => sub {
    my %client = ask(calls => 1);
    select undef, undef, undef, $seconds / 3;
    $edge->daemon->signal('TERM');
    is($edge->daemon->process->wait_for_exit(90), 0, 'it ends by itself');
    my %report = map { $_ => $load->report($client{$_}, 60 + 3 * $seconds) } keys %client;
    my $served = 0;
    $served += $_->{ok} for values %report;
    diag("$served calls were whole before the end");
    my ($open) = $edge->sql(<<'END');
SELECT count(*) FROM trelay.transaction_record WHERE method = 'INVITE' AND status NOT IN (200, 503)
END
    is($open, 0, 'each call that was taken got its answer, the others 503');
    my %seen = map { $_ => $load->report($server{$_}) } keys %server;
    for my $name (sort keys %host) {
        my $n = $edge->sql("SELECT count(DISTINCT call_id) FROM trelay.transaction_record WHERE method = 'INVITE' AND"
                . " status = 200 AND outbound_policy = '$name'");
        is($n, $seen{$name}{invite}, "$name: as many answers are accounted as calls arrived");
    }
    is($edge->daemon->process->sanitizer_report, '', 'nothing to report');
};
$edge->daemon->{process} = undef;
done_testing;
