# SPDX-License-Identifier: GPL-2.0-or-later
# Dialogs.pm - calls that were answered, and what the phone sends within them: ACK, INFO and BYE, by address and with the
# route set that came back, for which there is the row of the pin, and
# perhaps one of the address.
# In:  a Trelay::Model::Run; answered INVITEs. Out: operations for it, requests for its oracle.
# An ACK has no answer: an INFO follows it on the same way, and when that has its own the ACK is where it goes.
package Trelay::Model::Dialogs;

use v5.36;

use Time::HiRes qw(time);
use Trelay::SIP qw(request);

use constant HELD => 8;

sub new ($class, $run) { return bless { run => $run, held => [], of => {}, count => 0, asked => [], served => 0, refused => 0 }, $class }

# An INVITE has its 200.
sub begin ($self, $invite, $ok) {
    my @path = map { split /,\s*/ } $ok->header('Record-Route');
    my ($peer) = split m{/}, $invite->{connection} // return;
    my $dialog = { invite => $invite, peer => $peer, host => $self->{run}->host_of($peer), route => [ reverse @path ], cseq => 1, within => {},
        map { $_ => scalar $ok->header($_) } qw(From To Call-ID) };
    push @{ $self->{held} }, $dialog;
    $self->{of}{ $invite->{token} } = $dialog;
    shift @{ $self->{held} } if @{ $self->{held} } > HELD;
    return;
}

# Whose answer MESSAGE is, if it is one to a request within the call that began with that token.
sub asked ($self, $token, $message) {
    my ($cseq) = $message->cseq =~ /^(\d+)/;
    my $dialog = $self->{of}{$token};
    return $dialog && $dialog->{within}{$cseq};
}

sub send ($self, $dialog, $method) {
    my $run   = $self->{run};
    my $token = "s$run->{seed}d" . ++$self->{count};
    my $cseq  = $method eq 'ACK' ? 1 : ++$dialog->{cseq};
    my $text  = request($method, "sip:token-$token\@" . $run->{peers}->place($dialog->{peer}) . ';transport=tls',
        via => $run->{edge}->phone->via, from => $dialog->{From}, to => $dialog->{To}, call_id => $dialog->{'Call-ID'},
        cseq => $cseq, headers => [ [ Subject => 200 ], map { [ Route => $_ ] } @{ $dialog->{route} } ]);
    my $request = { token => $token, method => $method, domain => $dialog->{invite}{domain}, flags => {}, wanted => 200,
        text => "within $dialog->{invite}{token}", dialog => $dialog, sent => ++$run->{tick}, sent_time => time,
        step => $run->{step} };
    $run->note("send $token: $method within $dialog->{invite}{token}, by address to $dialog->{peer}");
    $run->{oracle}{requests}{$token} = $request;
    if ($method ne 'ACK') {
        $dialog->{within}{$cseq} = $run->{in_flight}{$token} = $request;
        push @{ $self->{asked} }, $request;
    }
    $run->{edge}->phone->send($text, $run->{edge}->host, 5060);
    return $request;
}

# The next thing that the phone has to say in the call; the second time it is the last.
sub go_on ($self, $dialog) {
    if (!$dialog->{ack}) {
        $dialog->{ack}  = $self->send($dialog, 'ACK');
        $dialog->{info} = $self->send($dialog, 'INFO');
        return $dialog->{info};
    }
    @{ $self->{held} } = grep { $_ != $dialog } @{ $self->{held} };
    return $self->send($dialog, 'BYE');
}

# An answer has come.
sub answered ($self, $request) {
    my $dialog = $request->{dialog} // return;
    $dialog->{ack}{done} = $request->{done} if $request->{method} eq 'INFO';
    $self->{defined $request->{connection} ? 'served' : 'refused'}++;
    return;
}

# One of them that waits for nothing; most often one that has a pin.
sub any ($self) {
    my ($which, $has_pin) = ($self->{run}->chance->below(1000), $self->{run}->chance->percent(75));
    my @free = grep { !$_->{info} || defined $_->{info}{done} } @{ $self->{held} } or return;
    my @pinned = grep { $self->is_pinned($_) } @free;
    @free = @pinned if $has_pin && @pinned;
    return $free[ $which % @free ];
}

sub is_pinned ($self, $dialog) {
    my @needs = grep { !$_->{deny} } $self->{run}{oracle}->needs_of($dialog->{invite});
    return !grep { !Trelay::Model::World::is_validating($_->{level}) } @needs;
}

# --- Operations ---

sub do_dialog ($self) {
    my $dialog = $self->any // return;
    $self->go_on($dialog) if keys %{ $self->{run}{in_flight} } < Trelay::Model::Run::IN_FLIGHT();
    return;
}

# In a world at rest the answer is known, and that the ACK is there.
sub ask_at_rest ($self) {
    my $run     = $self->{run};
    my $dialog  = $self->any // return;
    my $request = $self->go_on($dialog);
    $run->wait_for_answers;
    $run->take_diary;
    return if !defined $request->{status};
    $run->{oracle}->judge_at_rest($request, $run->{peer});
    return if $request->{method} ne 'INFO' || !$request->{connection};
    my $ack = $dialog->{ack};
    my ($need, @more) = $run->{oracle}->needs_of($ack);
    return if @more || $need->{is_fresh} || $need->{max_age}; # it may have gone before INFO did where that did not go
    my $is_there = eval {
        $run->{edge}->daemon->process->wait_until('ACK', sub {
            $run->take_diary;
            return scalar @{ $run->{oracle}{seen}{ $ack->{token} } // [] };
        }, Trelay::Model::Run::PATIENCE_S());
    };
    $run->{oracle}->violation('L3 the ACK of a 200 is seen by nobody, and what follows it was', $ack) if !$is_there;
    return;
}

# Requests of this round that have their answer.
sub take_asked ($self) { return grep { defined $_->{status} } splice @{ $self->{asked} } }

1;
