# SPDX-License-Identifier: GPL-2.0-or-later
# Edge.pm - a relay under test as its neighbours meet it: trelayd with a database of its own, certificates, a phone inside.
# In:  what the configuration adds, rows as SQL. Out: answers that the phone gets, what accounting says of them.
# Addresses (Trelay::Loopback): 0 the relay, 1 the phone, which is trusted, 2 and 3 whatever the test wants.
#
#   my $edge = Trelay::Edge->start;
#   my $ca = $edge->pki->authority('federation');
#   $edge->apply($edge->trust_sql('fed', $ca) . $edge->certificate_sql('us', $leaf) . "INSERT INTO ...");
#   my $reply = $edge->ask('OPTIONS', 'sip:bob@biloxi.example', flags => 'no-verify');
#   is($reply->status, 200);
#   is($edge->record($reply)->{outbound_decision}, 'open');
#   $edge->stop;
package Trelay::Edge;

use v5.36;

use JSON::PP ();
use Test::More ();
use Trelay::Daemon;
use Trelay::Foresight;
use Trelay::Loopback qw(own_address);
use Trelay::PKI;
use Trelay::Postgres;
use Trelay::SIP qw(request);

my $CONFIGURATION = <<'END';
node = "edge"
workers = @WORKERS@
drain = 60
trusted_upstreams = { "@PHONE@" }
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
    timeout = @NAMES_TIMEOUT@
    tries = 1
}
listener "inside" {
    transport = "udp"
    address = "@RELAY@"
}
listener "edge" {
    transport = "tls"
    address = "@RELAY@"
    advertise = "atlanta.example"
}
END

# The phone may send, and be sent to. Server profiles, policy and the rest are the test's.
my $ROWS = <<'END';
INSERT INTO trelay.peer (name, address, action) VALUES ('phone', '@PHONE@/32', 'accept');
INSERT INTO trelay.outbound_policy (name, address, level) VALUES ('phone', '@PHONE@/32', 'none');
END

# The text with MORE: options of a section that it has already go into that one, for it may stand once.
sub configuration_with ($more) {
    my ($text, $rest) = ($CONFIGURATION, '');
    for my $part (split /^(?=\w+ \{\n)/m, $more) {
        my ($section, $options, $after) = $part =~ /\A(\w+) \{\n(.*?)^\}\n(.*)\z/ms;
        if (defined $section && $text =~ /^$section \{\n(.*?)^\}\n/ms) {
            my ($start, $length, $kept) = ($-[1], $+[1] - $-[1], $1);
            my $names = join '|', $options =~ /^\s*(\w+)\s*=/mg;
            $kept =~ s/^\s*(?:$names)\s*=.*\n//mg;
            substr $text, $start, $length, $kept . $options;
            $part = $after;
        }
        $rest .= $part;
    }
    return $text . $rest;
}

# Options: workers (1), configuration (text that is added), rows (SQL before the start), pki; names (name servers, as
# Trelay::NameServer's address; default: one that is not there) and names_timeout (milliseconds, 50); foresee (1): explain
# is asked ahead of each request of send(), and stop() compares it with its record (Trelay::Foresight); 0 where load, or
# each question to the name servers, is the matter.
sub start ($class, %options) {
    my $self = bless {
        pki      => $options{pki} // Trelay::PKI->new,
        postgres => Trelay::Postgres->with_schema,
        phone    => Trelay::SIP::UDP->new(host => own_address(1)),
    }, $class;
    my $rows = $ROWS . ($options{rows} // '');
    my %value = (RELAY => own_address(0), PHONE => own_address(1), WORKERS => $options{workers} // 1,
        NAMES => $options{names} // '127.0.0.1:9', NAMES_TIMEOUT => $options{names_timeout} // 50);
    $rows =~ s/\@([A-Z]+)\@/$value{$1}/g;
    my $known = $self->{postgres}->value($rows . Trelay::Foresight::ROWS_SQL);
    $self->{daemon} = Trelay::Daemon->start(
        postgres      => $self->{postgres},
        configuration => configuration_with($options{configuration} // ''),
        values        => \%value,
    );
    return $self if !($options{foresee} // 1);
    $self->{foresight} = Trelay::Foresight->new(socket => $self->{daemon}->directory . '/control',
        own => [ own_address(0), 'atlanta.example' ]);
    $self->{foresight}->rows($known);
    return $self;
}

sub pki ($self)    { return $self->{pki} }
sub daemon ($self) { return $self->{daemon} }
sub phone ($self)  { return $self->{phone} }
sub host ($self)   { return own_address(0) }

sub stop ($self) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $self->compare_with_foresight if $self->{foresight};
    return $self->{daemon}->stop;
}

# INV-50: explain foretold what the records say. Two tests, but where there is nothing to compare.
sub compare_with_foresight ($self) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @records = $self->rows(<<'END');
SELECT * FROM trelay.transaction_record WHERE node = 'edge' ORDER BY recorded_at - duration_ms * interval '1 millisecond'
END
    my @differences = $self->{foresight}->differences(\@records, $self->daemon->log);
    my $count = $self->{foresight}->compared;
    return if !$count->{records} && !@differences;
    Test::More::note("explain foretold $count->{records} records and $count->{decisions} decisions; of $count->{sent} requests"
            . " that went somewhere $count->{foretold}; $count->{late} answers were late");
    return Test::More::is(join("\n", @differences), '', 'INV-50 explain foretold what became of the requests');
}

# SQL as the superuser; its output.
sub sql ($self, $text) { return $self->{postgres}->value($text) }

# What SQL gives, as hashes.
sub rows ($self, $query) {
    my $json = $self->sql("SELECT coalesce(json_agg(row_to_json(q)), '[]') FROM ($query) AS q");
    return @{ JSON::PP->new->decode($json) };
}

# Changes the policy, and returns when every worker goes by it. The change must be one that the relay can see.
sub apply ($self, $text) {
    my @lines = split /\n/,
        $self->sql("BEGIN; $text; COMMIT; SELECT version FROM trelay.policy_version;" . Trelay::Foresight::ROWS_SQL);
    my ($version, $known) = @lines[ -2, -1 ];
    $self->{foresight}->policy_changes if $self->{foresight};
    my $process = $self->daemon->process;
    $process->wait_until("policy version $version", sub {
        my @loaded = $process->output =~ /policy-loaded .*?\bversion=(\d+)/g;
        return @loaded && $loaded[-1] >= $version;
    });
    $self->control('connections'); # it has been to every worker, behind the policy
    $self->{foresight}->rows($known) if $self->{foresight};
    return $self;
}

sub trust_sql ($self, $name, @authorities) {
    my $sql = "INSERT INTO trelay.trust_set (name) VALUES ('$name');\n";
    my $n   = 0;
    $sql .= "INSERT INTO trelay.trust_anchor (trust_set, name, path) VALUES ('$name', 'ca" . ++$n . "', '"
        . (ref $_ ? $_->certificate : $_) . "');\n" for @authorities;
    return $sql;
}

sub certificate_sql ($self, $name, $leaf) {
    return "INSERT INTO trelay.certificate (name, chain_path) VALUES ('$name', '" . $leaf->chain . "');\n"
        . "INSERT INTO trelay.certificate_key (certificate, key_path) VALUES ('$name', '" . $leaf->key . "');\n";
}

# trelayctl that must work: its answer.
sub control ($self, @words) {
    my ($status, $out) = $self->daemon->ctl('-j', @words);
    die "trelayctl @words: status $status\n$out" if $status != 0;
    return JSON::PP->new->decode($out);
}

sub connections ($self, $direction = 'outbound') {
    return grep { $_->{direction} eq $direction } @{ $self->control('connections')->{connections} };
}

# Sends a request from the phone, or from => another UDP endpoint; options as of Trelay::SIP::request, and flags.
# Returns what was sent.
sub send ($self, $method, $uri, %options) {
    my $from = delete $options{from_socket} // $self->phone;
    my $flags = delete $options{flags};
    push @{ $options{headers} }, [ 'X-Trelay-Flags' => $flags ] if defined $flags;
    my $text = request($method, $uri, via => $from->via, %options);
    $self->{foresight}->before($text, log => $self->daemon->process->output_length, is_strange => $from != $self->phone)
        if $self->{foresight};
    $from->send($text, $self->host, 5060);
    return Trelay::SIP::parse($text);
}

# The next response to what was sent, of that status when one is given; others to it that come before are dropped.
# Responses to other requests are kept for who asks for them: several on their way may be answered in any order.
# A failed INVITE is acknowledged.
sub response_to ($self, $sent, $status = undef, $from = $self->phone) {
    my $kept = $self->{kept}{$from} //= [];
    my $is_for = sub ($message) {
        return $message->status && ($message->branch // '') eq $sent->branch && $message->cseq eq $sent->cseq;
    };
    my @earlier = grep { $is_for->($_) } @$kept;
    @$kept = grep { !$is_for->($_) } @$kept;
    while (my $message = shift(@earlier) // $from->receive) {
        if (!$is_for->($message)) {
            push @$kept, $message if $message->status;
            next;
        }
        next if defined $status && $message->status != $status;
        unshift @$kept, @earlier;
        $self->{foresight}->answered($message) if $self->{foresight} && $message->status >= 200;
        $self->acknowledge($sent, $message, $from) if $message->status >= 300 && $sent->method eq 'INVITE';
        return $message;
    }
    die $sent->method . ' ' . $sent->uri . ": no response\n" . $self->daemon->log;
}

sub acknowledge ($self, $sent, $final, $from) {
    my @route = map { [ Route => $_ ] } $sent->header('Route');
    return $from->send(request('ACK', $sent->uri, via => $sent->header('Via'), from => $sent->header('From'),
        to => $final->header('To'), call_id => $sent->call_id, headers => \@route), $self->host, 5060);
}

# The final response; provisional ones are kept in provisional().
sub final ($self, $sent, $from = $self->phone) {
    $self->{provisional} = [];
    while (1) {
        my $message = $self->response_to($sent, undef, $from);
        return $message if $message->status >= 200;
        push @{ $self->{provisional} }, $message->status;
    }
}
sub provisional ($self) { return @{ $self->{provisional} } }

sub ask ($self, $method, $uri, %options) {
    my $from = $options{from_socket} // $self->phone;
    return $self->final($self->send($method, $uri, %options), $from);
}

# The accounting row of a message's transaction, as soon as it is there. COUNT: it is that many-th of its call and method.
sub record ($self, $message, $count = 1) {
    my ($id, $method) = ($message->call_id, $message->cseq =~ s/^\d+\s+//r);
    my $query = "SELECT * FROM trelay.transaction_record WHERE call_id = '$id' AND method = '$method'"
        . ' ORDER BY recorded_at';
    return $self->daemon->process->wait_until("record $count of $method $id", sub {
        my @rows = $self->rows($query);
        return @rows >= $count ? $rows[-1] : undef;
    });
}

1;
