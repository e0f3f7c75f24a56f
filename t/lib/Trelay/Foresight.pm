# SPDX-License-Identifier: GPL-2.0-or-later
# Foresight.pm - INV-50 as an oracle: what explain says of each request ahead of it, and what its record says afterwards.
# In:  requests of the phone as they are sent, the control socket, the rows that route; records. Out: where the two differ.
# Never: tells the relay what will come: explain is asked about one hop, as an operator would. What cannot be compared is
#        left out: a request from somebody else, after a change of policy, or, of the decision, beside others under way; CANCEL
#        and the ACK of a refusal, which go where their INVITE went. The ACK of a success has no record, but a line of the log.
#
#   my $foresight = Trelay::Foresight->new(socket => "$directory/control", own => ['127.0.0.1', 'atlanta.example']);
#   $foresight->rows($json);                  # what ROWS_SQL gives
#   $foresight->before($text, log => 4711);   # then it is sent
#   $foresight->answered($message);           # its final response
#   my @differences = $foresight->differences(\@records, $log);   # one of them: too little could be compared
package Trelay::Foresight;

use v5.36;

use IO::Select ();
use IO::Socket::UNIX ();
use JSON::PP ();
use Trelay::SIP ();

use constant PATIENCE_S => 2; # who waits longer for a name service is not compared
# What part of the requests that went somewhere has to be comparable, but for a few of them.
use constant { COMPARED_MIN => 0.4, FEW => 2 };

# What the helper has to know of the policy to name next hops: not what they need.
use constant ROWS_SQL => <<'END';
SELECT jsonb_build_object('routes', (SELECT jsonb_agg(jsonb_build_object('name', name, 'domain', domain, 'next_hop', next_hop,
    'flags', flags)) FROM trelay.route WHERE enabled), 'record_route_hosts', (SELECT jsonb_agg(rr_host) FROM trelay.outbound_policy
    WHERE rr_host IS NOT NULL), 'flags', (SELECT flags FROM trelay.peer WHERE name = 'phone'))
END

# Columns of a record that must be the same as explain said; those of a connection where there was one.
my %SAME = (policy => 'outbound_policy', pinned => 'outbound_pinned', level => 'outbound_level',
    expected_domain => 'outbound_expected_domain', transport => 'outbound_transport', flags => 'flags');
my %SAME_CONNECTION = (key_digest => 'outbound_key_digest', certificate => 'outbound_own_certificate', sni => 'outbound_sni');

# Reasons for which a request is refused ahead of its next hop, or given up whatever that is.
my %IS_ELSEWHERE = map { $_ => 1 } qw(peer-unknown peer-refused from-unproven bad-request flag-unknown flag-conflict shutdown
    cancelled no-memory limit timeout policy-stale);

sub new ($class, %options) {
    return bless { peer => 'phone', rows => {}, asked => {}, branches => {}, under_way => {}, json => JSON::PP->new, %options }, $class;
}

sub rows ($self, $json) {
    $self->{rows} = $self->{json}->decode($json);
    return $self->policy_changes;
}

# What is under way is decided by the one policy or the other.
sub policy_changes ($self) {
    $_->{is_doubtful} = 1 for values %{ $self->{under_way} };
    return $self;
}

# trelayctl's question and answer, without a process; undef when none comes in time.
sub ask ($self, %members) {
    my $socket = IO::Socket::UNIX->new(Peer => $self->{socket}) or return;
    print {$socket} $self->{json}->encode({ command => 'explain', %members }), "\n";
    $socket->flush;
    my $answer = '';
    my $select = IO::Select->new($socket);
    while ($select->can_read(PATIENCE_S)) {
        sysread($socket, $answer, 65536, length $answer) or return $self->{json}->decode($answer);
    }
    return;
}

sub host_of ($uri) { return $uri =~ /^sips?:(?:[^\@]*\@)?(\[[^\]]*\]|[^:;?>]*)/i ? lc $1 : '' }

sub is_own ($self, $uri) {
    my $host = host_of($uri);
    return grep { $_ eq $host } @{ $self->{own} }, @{ $self->{rows}{record_route_hosts} // [] };
}

# Route values but ours, and the pin of the last of those; nothing when it takes more than this to follow them.
sub follow_route ($self, $message) {
    my @values = map { /<([^>]*)>/g } $message->header('Route');
    my $pin;
    for (1 .. 2) {
        last if !@values || !$self->is_own($values[0]);
        my $uri = shift @values;
        my @more = grep { !/^(?:lr|pin=.*|transport=\w+)$/i } (split /;/, $uri)[1 .. $uri =~ tr/;//];
        return if @more;
        $pin = $1 if $uri =~ /;pin=([\w-]+)/;
    }
    return if @values && $values[0] !~ /;lr\b/i;
    return { uris => \@values, pin => $pin };
}

sub fits ($route, $host) {
    my $domain = $route->{domain} // return 1;
    return $domain eq $host || ($domain =~ /^\*(\..*)/ && $host =~ /.\Q$1\E$/);
}

sub joined_flags (@lists) { return join ',', grep { defined && $_ ne '' } @lists }

# Next hops that the request may have: name of the route row ('' for none), URI, flags of the operator.
sub next_hops ($self, $message, $route) {
    my $own = joined_flags($self->{rows}{flags});
    return [ '', $route->{uris}[0] // $message->uri, $own ] if @{ $route->{uris} } || defined $message->to_tag;
    my @rows = grep { fits($_, host_of($message->uri)) } @{ $self->{rows}{routes} // [] };
    return [ '', $message->uri, $own ], map { [ $_->{name}, $_->{next_hop} // $message->uri, joined_flags($_->{flags}, $own) ] } @rows;
}

sub tag_of ($header) { return ($header // '') =~ /;\s*tag\s*=\s*([^;\s]+)/i ? $1 : undef }

# Asks about the request that is to be sent next. LOG: how long the relay's log is now.
sub before ($self, $text, %options) {
    my $message = Trelay::SIP::parse($text);
    my ($method, $branch) = ($message->method // '', $message->branch // '');
    return if $method !~ /^[A-Z]+$/ || $method eq 'CANCEL' || $branch eq '' || $self->{branches}{$branch}++;
    my $said = { branch => $branch, is_alone => !%{ $self->{under_way} }, log => $options{log} // 0, by_route => {} };
    $self->{under_way}{$branch} = $said if $method ne 'ACK'; # which has no answer
    push @{ $self->{asked}{ ($message->call_id // '') . " $method" } }, $said;
    my $route = $options{is_strange} ? undef : $self->follow_route($message);
    return if !$route || $message->uri !~ /^sips?:/i;
    my @next_hops = $self->next_hops($message, $route);
    my %question = (request => $message->uri, peer => $self->{peer}, 'sender-flags' => joined_flags($message->header('X-Trelay-Flags')));
    my ($source) = map { host_of($_) } ($message->header('From') // '') =~ /<?(sips?:[^>;]*)/i;
    $question{source} = $source if ($source // '') =~ /[a-z]/i;
    my ($contact) = ($message->header('Contact') // '') =~ /<([^>]*)>/;
    $question{contact} = $contact if defined $contact;
    @question{qw(pin call-id from-tag to-tag)} = ($route->{pin}, $message->call_id, tag_of(scalar $message->header('From')), $message->to_tag)
        if defined $route->{pin} && defined $message->to_tag;
    for my $next_hop (@next_hops) {
        my ($name, $uri, $flags) = @$next_hop;
        my $answer = $self->ask(%question, destination => $uri, flags => $flags);
        $answer //= { error => 'no answer', is_late => 1 };
        $said->{ $answer->{error} ? 'error' : 'by_route' }{$name} = $answer;
    }
    return;
}

sub answered ($self, $message) {
    delete $self->{under_way}{ $message->branch // '' };
    return;
}

# What the log says of ACKs that were placed by themselves, as far as a record would.
my %RECORDED = (policy => 'outbound_policy', decision => 'outbound_decision', transport => 'outbound_transport', level => 'outbound_level',
    expected => 'outbound_expected_domain', connection => 'outbound_connection_id', key => 'outbound_key_digest', reason => 'reason');
sub acks ($self, $log) {
    my @records;
    for my $line ($log =~ /event=decision (.*method=ACK .*)/g) {
        my %said = $line =~ /([\w-]+)=(\S+)/g;
        my ($address, $port) = ($said{target} // '') =~ /^\[?(.*?)\]?:(\d+)$/;
        push @records, { call_id => $said{'call-id'}, method => 'ACK', inbound_peer => $self->{peer}, reason => 'none',
            outbound_address => $address, outbound_port => $port, outbound_pinned => ($said{pinned} // '') eq 'yes' ? 1 : 0,
            map { $RECORDED{$_} => $said{$_} } grep { exists $said{$_} } keys %RECORDED };
        $records[-1]{outbound_transport} = undef if exists $said{reason}; # it went nowhere
    }
    return @records;
}

# Records of one call and method, and what was said of its requests, go together in order.
sub differences ($self, $records, $log) {
    my (%records, @differences);
    push @{ $records{"$_->{call_id} $_->{method}"} }, $_ for grep { defined $_->{call_id} && defined $_->{method} } @$records,
        $self->acks($log);
    $self->{compared} = { sent => 0, foretold => 0, records => 0, decisions => 0, late => 0 };
    for my $key (sort keys %records) {
        my ($said, $had) = ($self->{asked}{$key} // [], $records{$key});
        next if @$said != @$had;
        push @differences, map { $self->compare($said->[$_], $had->[$_], $log, $key) } 0 .. $#$had;
    }
    my $count = $self->{compared};
    push @differences, "of $count->{sent} requests that went somewhere only $count->{foretold} could be compared"
        if $count->{foretold} < $count->{sent} * COMPARED_MIN - FEW;
    return @differences;
}
sub compared ($self) { return $self->{compared} }

# Log lines behind POSITION that say that of a connection.
sub happened ($log, $position, $event, $connection) {
    return substr($log, $position) =~ /event=$event [^\n]*connection=\Q$connection\E\b/;
}

# An event that nobody who asks beforehand can know of: the connection is gone, or another has come.
sub is_overtaken ($explained, $record, $said, $log) {
    my $wanted = $explained->{connection};
    my $had    = $record->{outbound_connection_id};
    return 1 if grep { ($_ // '') eq 'backoff' } $explained->{reason}, $record->{reason}; # its time may be over
    return 1 if defined $wanted && happened($log, $said->{log}, 'connection-(?:closed|failed|retired|upgraded)', $wanted);
    return defined $had && ($record->{outbound_decision} // '') =~ /reuse|join|upgrade/
        && happened($log, $said->{log}, 'connection-(?:opened|upgraded)', $had);
}

sub same ($a, $b) { return (ref $a ? $a + 0 : $a // '') eq (ref $b ? $b + 0 : $b // '') }

sub compare ($self, $said, $record, $log, $key) {
    my $route = $record->{outbound_route} // '';
    return if $said->{is_doubtful} || ($record->{inbound_peer} // '') ne $self->{peer};
    my $error = $said->{error}{$route};
    $self->{compared}{late}++ if $error && $error->{is_late};
    $self->{compared}{sent}++ if defined $record->{outbound_transport} && ($said->{by_route}{$route} || $error);
    return "$key: explain said $error->{error} of what went somewhere"
        if $error && !$error->{is_late} && defined $record->{outbound_transport};
    my $explained = $said->{by_route}{$route} // return;
    my $say = sub ($what) { return "$key: $what (explain: " . join(' ', map { $explained->{$_} // '-' } qw(decision reason policy target level)) . ')' };
    my $had_target = defined $record->{outbound_transport};
    my $is_elsewhere = $IS_ELSEWHERE{ $record->{reason} };
    return if !$had_target && ($is_elsewhere || ($record->{status} // '') =~ /^(?:404|416|4[48]\d)$/);
    return if keys %{ $said->{by_route} } > 1 && $record->{reason} eq 'weaken-refused'; # what an earlier next hop had to prove
    if ($explained->{decision} eq 'reject') {
        return if $is_elsewhere || is_overtaken($explained, $record, $said, $log);
        return if !$said->{is_alone} && $explained->{reason} =~ /^(?:no-connection|limit)$/;
        $self->{compared}{$_}++ for qw(records decisions);
        return $explained->{reason} eq $record->{reason} ? () : $say->("refused with $record->{reason}");
    }
    return $say->("refused with $record->{reason} ahead of any address") if !$had_target;
    my $address = $record->{outbound_address} =~ /:/ ? "[$record->{outbound_address}]" : $record->{outbound_address};
    return if "$address:$record->{outbound_port}" ne $explained->{target}; # it failed over, or a name leads elsewhere
    $self->{compared}{$_}++ for qw(records foretold);
    my %same = (%SAME, defined $record->{outbound_connection_id} ? %SAME_CONNECTION : ());
    my @wrong = map { $say->("$_ was " . ($record->{ $same{$_} } // 'none') . ', explain said ' . ($explained->{$_} // 'none')) }
        grep { exists $record->{ $same{$_} } && !same($explained->{$_}, $record->{ $same{$_} }) } sort keys %same;
    my $is_comparable = $said->{is_alone} && keys %{ $said->{by_route} } == 1 && defined $record->{outbound_decision};
    return @wrong if !$is_comparable || is_overtaken($explained, $record, $said, $log);
    $self->{compared}{decisions}++;
    push @wrong, $say->("the decision was $record->{outbound_decision}") if $explained->{decision} ne $record->{outbound_decision};
    return @wrong;
}

1;
