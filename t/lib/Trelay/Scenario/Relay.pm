# SPDX-License-Identifier: GPL-2.0-or-later
# Relay.pm - trelayd as a scenario wants it: listeners, timers and limits of its file, rows for its agents, hosts, routes.
# In:  a Trelay::Scenario at its real addresses, a database, certificates. Out: a running daemon, its records and counts.
package Trelay::Scenario::Relay;

use v5.36;

use JSON::PP ();
use Trelay::Daemon ();

my %TIMERS = (t1 => 500, t2 => 4000, t4 => 5000, c => 185_000);
my %MOST   = (t1 => 10_000, t2 => 60_000, t4 => 60_000, c => 3_600_000);

my $CONFIGURATION = <<'END';
node = "relay"
workers = 1
drain = 0
database {
    connection = "@DATABASE@"
}
control {
    socket = "@DIRECTORY@/control"
}
accounting {
    flush = 10
}
dns {
    servers = "@NAMES@"
    timeout = 5000
    tries = 1
}
END

# What nobody waits for does not happen: without a factor the timers are as long as they may be.
sub timers ($scenario, $factor) {
    my %timers = (%TIMERS, %{ $scenario->{timers} });
    return "timers {\n    test = true\n"
        . join('', map { sprintf "    %s = %d\n", $_, $factor ? $timers{$_} * $factor : $MOST{$_} } sort keys %timers) . "}\n";
}

sub list (@words) { return '{ ' . join(', ', map { qq("$_") } @words) . ' }' }

sub listener ($statement) {
    my ($name, $transport, $place, $host) = @{ $statement->{words} }[ 1 .. 4 ];
    my ($address, $port) = $place =~ /^\[?([^\]]*?)\]?:(\d+)$/;
    my $advertise = $host eq $address ? '' : qq(    advertise = "$host"\n);
    $advertise .= "    advertise_port = $statement->{port}\n" if $statement->{port} != $port;
    return qq(listener "$name" {\n    transport = "$transport"\n    address = "$address"\n    port = $port\n$advertise}\n);
}

sub configuration ($scenario, $factor) {
    my @trusted = map { $_->word(3) =~ s/:\d+$//r } grep { $_->has('trusted') } @{ $scenario->{agents} };
    my @aliases = map { $_->word(1) } @{ $scenario->{aliases} };
    my @limits = ('backoff = 0', 'handshake_timeout = 60000', $scenario->{limit} ? "transactions = $scenario->{limit}" : ());
    return join '', @trusted ? 'trusted_upstreams = ' . list(@trusted) . "\n" : '',
        @aliases ? 'aliases = ' . list(@aliases) . "\n" : '', $CONFIGURATION, timers($scenario, $factor),
        "limits {\n", (map { "    $_\n" } @limits), "}\n", map { listener($_) } @{ $scenario->{listeners} };
}

# ---- rows ----

sub quote ($value) { return defined $value ? "'" . $value =~ s/'/''/gr . "'" : 'NULL' }

sub insert ($table, %row) {
    my @columns = sort keys %row;
    return sprintf "INSERT INTO trelay.%s (%s) VALUES (%s);\n", $table, join(', ', @columns),
        join ', ', map { quote($row{$_}) } @columns;
}

sub boolean ($is) { return $is ? 'true' : 'false' }

sub proof ($transport) {
    return (level => 'none') if $transport ne 'tls';
    return (level => 'domain', trust_set => 'fed', certificate => 'us', expected_domain => 'partners.example');
}

sub agent_rows ($statement) {
    my ($name, $transport, $place) = @{ $statement->{words} }[ 1 .. 3 ];
    my $address = $place =~ s{:\d+$}{/32}r;
    my %who = $transport eq 'tls' ? (trust_set => 'fed', san => "$name.agents.example") : (address => $address);
    return insert('peer', name => $name, action => 'accept', transport_tls_param => boolean($statement->has('tls-param')), %who)
        . insert('outbound_policy', name => "agent-$name", address => $address, proof($transport));
}

sub host_rows ($scenario, $statement) {
    my (undef, $host, @names) = @{ $statement->{words} };
    my %agent = map { $_->word(1) => $_ } @{ $scenario->{agents} };
    my ($terms) = grep { $_->word(1) eq $host } @{ $scenario->{terms} };
    my %terms = $terms ? (via_host => $terms->value('via'), rr_host => $terms->value('rr'),
        transport_tls_param => boolean($terms->has('tls-param'))) : ();
    return insert('outbound_policy', name => "host-$host", domain => $host, %terms,
        next_hop => '{' . join(',', map { $agent{$_}->word(3) } @names) . '}', proof($agent{ $names[0] }->word(2)));
}

my %COLUMN = (domain => 'domain', user => 'user_prefix', method => 'method', peer => 'peer', next => 'next_hop',
    priority => 'priority', weight => 'weight', flags => 'flags', header => 'header_name', value => 'header_value');

sub route_row ($statement, $n) {
    my %row = map { $COLUMN{$_} => $statement->value($_) } grep { defined $statement->value($_) } keys %COLUMN;
    return insert('route', name => "row-$n", fork => boolean($statement->has('fork')), %row);
}

my @TABLES = qw(route outbound_policy peer server_profile certificate_key certificate trust_anchor trust_set transaction_record);

sub rows ($scenario, $trust) {
    my $n = 0;
    return join '', "BEGIN;\n", (map { "DELETE FROM trelay.$_;\n" } @TABLES), insert('trust_set', name => 'fed'),
        insert('trust_anchor', trust_set => 'fed', name => 'ca', path => $trust->{ca}->certificate),
        insert('certificate', name => 'us', chain_path => $trust->{us}->chain),
        insert('certificate_key', certificate => 'us', key_path => $trust->{us}->key),
        insert('server_profile', name => 'edge', client_auth => 'require', trust_set => 'fed'),
        insert('server_profile_certificate', server_profile => 'edge', certificate => 'us'),
        insert('outbound_policy', name => 'others', is_default => 'true', level => 'encrypt'),
        (map { agent_rows($_) } @{ $scenario->{agents} }), (map { host_rows($scenario, $_) } @{ $scenario->{hosts} }),
        (map { route_row($_, ++$n) } @{ $scenario->{routes} }), "COMMIT;\n";
}

# ---- the daemon ----

# Options: scenario; postgres; names (Trelay::Scenario::NoNames); trust => { ca, us } (certificates); factor of all times, or none.
sub start ($class, %options) {
    my $self = bless {%options}, $class;
    $self->{postgres}->run(rows($options{scenario}, $options{trust}));
    $self->{daemon} = Trelay::Daemon->start(postgres => $self->{postgres},
        values => { NAMES => $options{names}->address }, configuration => configuration($options{scenario}, $options{factor}));
    return $self;
}

sub log ($self) { return $self->{daemon}->log }

# What there still is: transactions that are not accounted for.
sub open_count ($self) {
    my ($status, $out) = $self->{daemon}->ctl('-j', 'status');
    die "trelayctl status: $status\n$out" if $status;
    return JSON::PP->new->decode($out)->{transactions};
}

# "STATUS REASON" of what was recorded of a call's method, the newest first.
sub records ($self, $call_id, $method) {
    return split /\n/, $self->{postgres}->value("SELECT coalesce(status, 0) || ' ' || reason FROM trelay.transaction_record"
            . ' WHERE call_id = ' . quote($call_id) . ' AND method = ' . quote($method) . ' ORDER BY recorded_at DESC');
}

# "": it ended well; else what was wrong.
sub stop ($self) {
    my $process = $self->{daemon}{process};
    $self->{daemon}{process} = undef;
    my $status = $process->stop('TERM');
    my $report = $process->sanitizer_report;
    return $status == 0 && $report eq '' ? '' : "trelayd ended with $status\n" . ($report || $process->output);
}

# ---- a name server that knows nobody: hosts of a scenario stand in its rows ----

package Trelay::Scenario::NoNames;

use v5.36;

use Trelay::Process ();
use Trelay::SIP ();

sub start ($class, $host) {
    my $udp = Trelay::SIP::UDP->new(host => $host);
    my $self = bless { place => $udp->host . ':' . $udp->port }, $class;
    $self->{process} = Trelay::Process->start(name => 'no names', code => sub {
        while (defined(my $from = recv $udp->{socket}, my $question, 4096, 0)) {
            my ($id, $rest) = unpack 'a2 x10 a*', $question;
            my ($asked) = $rest =~ /\A((?:[^\0].*?)?\0.{4})/s or next;
            send $udp->{socket}, pack('a2 n5 a*', $id, 0x8183, 1, 0, 0, 0, $asked), 0, $from; # NXDOMAIN
        }
    });
    return $self;
}

sub address ($self) { return $self->{place} }

1;
