# SPDX-License-Identifier: GPL-2.0-or-later
# Compose.pm - what an agent of a scenario sends: requests, and responses, ACK, CANCEL and requests in a dialog as a user
# agent makes them of what it has sent and received. t/unit/scenario_agent.c does the same.
# In:  a "from" statement, the agent, messages that know rows(NAME), row(NAME), uri, number, top_via, routes(ORDER), target,
#      has_to_tag: real ones, or (Trelay::Scenario::Sipp) those that SIPp will have. Out: the text.
package Trelay::Scenario::Compose;

use v5.36;

# REPLACE: what $name in a line becomes.
sub new ($class, $statement, $agent, $replace) {
    return bless { statement => $statement, agent => $agent, replace => $replace, text => '', used => {} }, $class;
}

sub value ($self, $name, $otherwise = undef) { return $self->{statement}->value($name) // $otherwise }

# The statement's lines of that header instead of ours.
sub is_given ($self, $name) {
    my $is = 0;
    my $lines = $self->{statement}{lines};
    for my $i (grep { $lines->[$_] =~ /^-?\Q$name\E(?=[:\s]|$)/i } 0 .. $#$lines) {
        $self->put_line($lines->[$i]);
        $is = $self->{used}{$i} = 1;
    }
    return $is;
}

sub put_line ($self, $line) {
    $self->{text} .= $self->{replace}->($line) . "\r\n" if $line !~ /^[-|]/;
    return;
}

sub put ($self, $name, $value) {
    $self->{text} .= "$name: $value\r\n" if !$self->is_given($name);
    return;
}

sub put_copy ($self, $message, $name) {
    $self->{text} .= $message->rows($name) if !$self->is_given($name);
    return;
}

# The lines that stand for nothing else, the length, the body.
sub put_end ($self) {
    my ($lines, $body) = ($self->{statement}{lines}, '');
    for my $i (0 .. $#$lines) {
        if    ($lines->[$i] =~ /^\|(.*)/) { $body .= "$1\r\n" }
        elsif (!$self->{used}{$i} && $lines->[$i] !~ /^-?Content-Length\b/i) { $self->put_line($lines->[$i]) }
    }
    $self->put('Content-Length', length $body);
    $self->{text} .= "\r\n$body";
    return $self->{text};
}

sub place ($self) { return "$self->{agent}{address}:$self->{agent}{port}" }

sub put_contact ($self) {
    return $self->put('Contact', "<sip:$self->{agent}{name}\@" . $self->place . ";transport=$self->{agent}{transport}>");
}

sub put_via ($self) {
    my $agent = $self->{agent};
    my $branch = $self->value('branch');
    $branch //= "z9hG4bK-$agent->{name}-" . ++$agent->{made} if !grep { /^Via\b/i } @{ $self->{statement}{lines} };
    return $self->put('Via', sprintf 'SIP/2.0/%s %s;branch=%s', uc $agent->{transport}, $self->place, $branch // '');
}

sub new_request ($self, $method, $uri) {
    my $name = $self->{agent}{name};
    my $to_tag = $self->value('to-tag');
    $self->{text} = "$method " . $self->{replace}->($uri) . " SIP/2.0\r\n";
    $self->put_via;
    $self->is_given('Route');
    $self->put('Max-Forwards', 70);
    $self->put('From', "<sip:$name\@near.example>;tag=" . $self->value('from-tag', $name));
    $self->put('To', '<sip:bob@far.example>' . (defined $to_tag ? ";tag=$to_tag" : ''));
    $self->put('Call-ID', $self->value('call', 'call'));
    $self->put('CSeq', $self->value('cseq', 1) . " $method");
    $self->put_contact if $method eq 'INVITE';
    return $self->put_end;
}

# CANCEL, and ACK of a failure: what RFC 3261 9.1 and 17.1.1.3 take from the INVITE.
sub request_like ($self, $method, $invite, $to_owner) {
    $self->{text} = "$method " . $invite->uri . " SIP/2.0\r\n";
    $self->put('Via', $invite->top_via);
    $self->put_copy($invite, 'Route');
    $self->put('Max-Forwards', 70);
    $self->put_copy($invite,   'From');
    $self->put_copy($to_owner, 'To');
    $self->put_copy($invite,   'Call-ID');
    $self->put('CSeq', $invite->number . " $method");
    return $self->put_end;
}

# 12.2.1.1: the route set in order for who was called, reversed for the caller.
sub in_dialog_of_caller ($self, $method, $invite, $ok) {
    $self->{text} = "$method " . $ok->target($invite) . " SIP/2.0\r\n";
    $self->put_via;
    $self->{text} .= $ok->routes(1) if !$self->is_given('Route');
    $self->put('Max-Forwards', 70);
    $self->put_copy($invite, 'From');
    $self->put_copy($ok,     'To');
    $self->put_copy($invite, 'Call-ID');
    $self->put('CSeq', ($invite->number + ($method eq 'ACK' ? 0 : 1)) . " $method");
    return $self->put_end;
}

sub in_dialog_of_called ($self, $method, $invite) {
    $self->{text} = "$method " . $invite->target($invite) . " SIP/2.0\r\n";
    $self->put_via;
    $self->{text} .= $invite->routes(0) if !$self->is_given('Route');
    $self->put('Max-Forwards', 70);
    $self->put('From', $invite->row('To') . ';tag=' . $self->value('tag', $self->{agent}{name}));
    $self->put('To', $invite->row('From'));
    $self->put_copy($invite, 'Call-ID');
    $self->put('CSeq', "1 $method");
    return $self->put_end;
}

# The last request among MESSAGES; of whatever method but ACK and CANCEL when none is named.
sub last_request ($messages, $method, $call_id) {
    my ($found) = grep {
        my $its = $_->method;
        $its && (defined $method ? $its eq $method : $its !~ /^(?:ACK|CANCEL)$/)
            && (!defined $call_id || $_->call_id eq $call_id)
    } reverse @$messages;
    return $found;
}

sub last_response ($messages, $least) {
    my ($found) = grep { $_->status && $_->status >= $least && ($least > 200 || $_->status < 300) } reverse @$messages;
    return $found;
}

# A request without a URI of its own: in the dialog that the agent has, CANCEL or ACK of its INVITE.
sub derived_request ($self, $method) {
    my ($agent, $call_id) = ($self->{agent}, $self->value('call'));
    my $invite = last_request($agent->{sent}, 'INVITE', $call_id);
    my ($final) = grep { $_->status && $_->status >= 200 } reverse @{ $agent->{received} };
    my $ok = last_response($agent->{received}, 200);
    my $called = last_request($agent->{received}, 'INVITE', $call_id);
    return $self->request_like($method, $invite, $invite) if $method eq 'CANCEL' && $invite;
    return $self->request_like($method, $invite, $final) if $method eq 'ACK' && $invite && $final && $final->status >= 300;
    return $self->in_dialog_of_caller($method, $invite, $ok) if $invite && $ok;
    return $self->in_dialog_of_called($method, $called) if $called;
    die "$agent->{name} has nothing to make $method of\n";
}

sub response ($self, $status) {
    my $agent = $self->{agent};
    my $request = last_request($agent->{received}, $self->value('of'), $self->value('call'))
        // die "$agent->{name} has received no request to answer\n";
    my $tag = $self->value('tag', $agent->{name});
    my $adds_tag = !$request->has_to_tag && $status != 100 && $tag ne 'none';
    $self->{text} = "SIP/2.0 $status Whatever\r\n";
    $self->put_copy($request, 'Via');
    $self->put_copy($request, 'Record-Route') if $status != 100 && $status < 300;
    $self->put_copy($request, 'From');
    $self->put('To', $request->row('To') . ($adds_tag ? ";tag=$tag" : ''));
    $self->put_copy($request, 'Call-ID');
    $self->put_copy($request, 'CSeq');
    $self->put_contact if $status =~ /^2/ && $request->method eq 'INVITE';
    return $self->put_end;
}

# Each line as it is; the first "|" ends the head.
sub raw ($self) {
    my $is_head = 1;
    for my $line (@{ $self->{statement}{lines} }) {
        my $is_body = $line =~ s/^\|//;
        $self->{text} .= "\r\n" if $is_body && $is_head;
        $is_head = 0 if $is_body;
        $self->{text} .= $self->{replace}->($line) . "\r\n";
    }
    $self->{text} .= "\r\n" if $is_head;
    return $self->{text};
}

sub text ($self) {
    my ($statement, $what) = ($self->{statement}, $self->{statement}->word(2));
    return $self->raw if $what eq 'raw';
    return $self->response($what) if $what =~ /^\d/;
    my $uri = $statement->uri;
    return defined $uri ? $self->new_request($what, $uri) : $self->derived_request($what);
}

# ---- a real message, as this needs it ----

package Trelay::SIP::Message;

use v5.36;

sub rows ($self, $name) { return join '', map { "$name: $_\r\n" } $self->header($name) }
sub row ($self, $name)  { return scalar $self->header($name) }
sub number ($self)      { return ($self->cseq =~ /^(\d+)/)[0] }
sub has_to_tag ($self)  { return defined $self->to_tag }

# Values of a header that is a list; commas within <> and quotes are none.
sub values ($self, $name) {
    return map { s/^\s+|\s+$//gr } map { /\G((?:"(?:\\.|[^"\\])*"|<[^>]*>|[^,])+),?/g } $self->header($name);
}
sub top_via ($self) { return ($self->values('Via'))[0] }

sub routes ($self, $is_reversed) {
    my @routes = $self->values('Record-Route');
    return join '', map { "Route: $_\r\n" } $is_reversed ? reverse @routes : @routes;
}

# The URI of Contact, or the one that the request went to.
sub target ($self, $request) {
    my $contact = $self->header('Contact') // return $request->uri;
    return $contact =~ /<([^>]*)>/ ? $1 : $contact =~ s/;.*//sr;
}

1;
