# SPDX-License-Identifier: GPL-2.0-or-later
# Apart.pm - two next hops whose connections belong to two workers, so that one of them at least is not the worker of the
# requests: addresses decide that, and those of a test are given to it.
# In:  an edge with several workers. Out: name => listener, for the rows NAME.example.
package Trelay::Apart;

use v5.36;

use Exporter 'import';
use Trelay::Loopback qw(own_address further_addresses);
use Trelay::SIP qw(response);

our @EXPORT_OK = qw(partners_apart);

use constant FURTHER => 8;

sub partners_apart ($edge) {
    my $ca    = $edge->pki->authority('federation');
    my @hosts = (own_address(2), own_address(3), further_addresses(FURTHER));
    my %far   = map { ("p$_" => Trelay::SIP::Listener->new(host => $hosts[$_],
        tls => { certificate => $ca->leaf("far $_", uri => ["sip:p$_.example"]) })) } 0 .. $#hosts;
    $edge->apply($edge->trust_sql('fed', $ca) . join ';', map {
        "INSERT INTO trelay.outbound_policy (name, domain, level, trust_set, next_hop) VALUES"
            . " ('$_', '$_.example', 'domain', 'fed', '{" . $far{$_}->host . ':' . $far{$_}->port . "}')"
    } sort keys %far);
    my %on; # worker => name
    for my $name (sort keys %far) {
        $on{ worker_of($edge, $name, $far{$name}) } //= $name;
        return map { $_ => $far{$_} } values %on if keys %on == 2;
    }
    die "all partners are on one worker\n";
}

# By a request that opens a connection.
sub worker_of ($edge, $name, $far) {
    my $sent   = $edge->send('OPTIONS', "sip:bob\@$name.example");
    my $stream = $far->accept    // die "$name: no connection\n";
    my $seen   = $stream->receive // die "$name: no request\n";
    $stream->send(response($seen, 200, 'OK', to_tag => 'far'));
    $edge->final($sent);
    $stream->close;
    my ($worker) = $edge->daemon->log =~ /event=connection-opened connection=(\d+)\.[^\n]* peer=\Q@{[ $far->host ]}\E:/
        or die "$name: no worker\n";
    return $worker;
}

1;
