/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pool.pml - the protocol by which two workers and the control thread share connections, for the model checker Spin.
 * In:    requests of three kinds, made by the worker that does not own the destination; a reload of the policy at any
 *        moment; a network that refuses, delays, answers and closes as it likes.
 * Out:   for every interleaving: no message is on a connection of another key, none is sent that today's policy of the
 *        owner would not send there, and every placement comes back exactly once, with an outcome.
 * Which step is which function: src/flow/README. Faults to be found: -DFAULT_..., t/160.
 * More happens with EVERYTHING (both requests are cancelled and followed, connections are drained), SEND_AGAIN (what
 * does not reach its connection is placed once more), PEER_ASKS (a request of the peer, and the response to it) and
 * ORDERS_IN_STEPS, and with requests that are both of any kind, ANY_KINDS; less with ONE_KIND.
 */

#ifndef REQUESTS
#define REQUESTS 2
#endif
#define SLOTS 2

/* Connection keys. PROVEN is by the anchors of that policy: reload changes them. */
#define UNVERIFIED 1
#define PROVEN_0   2
#define PROVEN_1   3

/* What a policy asks of each kind of request: nothing under both; proof under both; proof under the new one only. */
#define OPEN_KIND   0
#define PROVEN_KIND 1
#define RAISED_KIND 2
#define KEY(kind, policy) ((kind) == OPEN_KIND -> UNVERIFIED : ((kind) == PROVEN_KIND -> PROVEN_0 + (policy) : \
    ((policy) == 0 -> UNVERIFIED : PROVEN_1)))

#define HOME  0
#define OWNER 1

/* letters: what mailboxes carry */
mtype = { PLACE, PLACED, TELL, BACK, RESPONSE, ASKED, REPLY, CLOSED, ATTENTION };
chan box_of_home  = [2 * REQUESTS + 6] of { mtype, byte, byte };
chan box_of_owner = [2 * REQUESTS + 4] of { mtype, byte, byte };

/* requests: their own worker's, except while a placement is under way; the stage is shared */
#define NEW        0
#define PLACING    1
#define SENT       2
#define ANSWERED   3
#define FAILED     4
#define QUEUED     0
#define SENDING    1
#define WITHDRAWN  2
#define STALE      1
#define REFUSED    2
#define WRITTEN    3
byte kind[REQUESTS], policy_of[REQUESTS], key[REQUESTS], state[REQUESTS], stage[REQUESTS], outcome[REQUESTS];
byte hop_slot[REQUESTS], hop_generation[REQUESTS], under_way[REQUESTS];
bool hop_life[REQUESTS], has_told[REQUESTS], is_telling[REQUESTS], is_again[REQUESTS];

/* connections: the owner's */
#define FREE        0
#define HANDSHAKING 1
#define READY       2
#define DRAINING    3
byte conn_state[SLOTS], conn_key[SLOTS], conn_generation[SLOTS], conn_waiters[SLOTS], conn_flight[SLOTS];
byte conn_proof[SLOTS];  /* what its handshake really proved, as the peer and its certificates have it */
bool conn_life[SLOTS];   /* which of its facts it has: those it was published with, or those of its upgrade */
#define GENERATIONS 12
byte in_letters[GENERATIONS]; /* how many letters name that generation */
bool has_asked, is_asked_on[SLOTS]; /* the peer has, on that one, which is there since */
#define ASKED_BIT (1 << REQUESTS) /* in conn_flight */

/* the policy: what control has set, what each worker goes by */
byte policy_set, policy_taken[2];
byte orders[2];
#define ORDER_SNAPSHOT 1
#define ORDER_DROP     2
bool is_letter_out[2], is_reloaded, is_drop_due;

#define BIT(r) (1 << (r))
/* What a letter names a connection by: its handle, and the facts that it had. */
#define FACTS(generation, life)      ((generation) * 2 + (life))
#define NAME(slot, generation, life) (FACTS(generation, life) * SLOTS + (slot))
#define SLOT(name)                   ((name) % SLOTS)
#define FACTS_OF(name)               ((name) / SLOTS)
#define GENERATION(name)             (FACTS_OF(name) / 2)

#ifdef SEND_AGAIN
#define MAY_COME_AGAIN(r) (!has_told[r] || is_telling[r] || is_again[r])
#else
#define MAY_COME_AGAIN(r) false
#endif

/* What nobody looks at any more is forgotten: states that differ in nothing else are one. */
inline forget_request(r)
{
    d_step {
        if
        :: state[r] == FAILED || (state[r] >= SENT && !MAY_COME_AGAIN(r)) ->
            kind[r] = 0;
            policy_of[r] = 0;
            stage[r] = 0;
            outcome[r] = 0
        :: else
        fi;
        if
        :: (state[r] == ANSWERED && has_told[r]) || state[r] == FAILED ->
            hop_slot[r] = 0;
            hop_generation[r] = 0;
            hop_life[r] = 0;
            has_told[r] = true;
            if
            :: !is_telling[r] && !is_again[r] && under_way[r] == 0 -> key[r] = 0
            :: else
            fi
        :: else
        fi
    }
}

/* --- The properties --- */

/* A message leaves on slot s for request r. */
inline assert_right_connection(s, r)
{
    assert(conn_state[s] == READY || conn_state[s] == DRAINING);
    assert(conn_key[s] == key[r]);
    assert(conn_proof[s] == key[r]);
}

inline assert_may_write(s, r)
{
    assert_right_connection(s, r);
    assert(conn_state[s] == READY);
    assert(stage[r] == SENDING);
    assert(key[r] == KEY(kind[r], policy_taken[OWNER]));
}

/* Whoever is in flight stays on what carried it. */
inline assert_flights(s)
{
    d_step {
        byte f = 0;
        do
        :: f < REQUESTS ->
            if
            :: (conn_flight[s] & BIT(f)) -> assert(conn_key[s] == key[f] && conn_proof[s] == key[f])
            :: else
            fi;
            f++
        :: else -> break
        od
    }
}

/* --- The owner: flow_pool and its files --- */

inline give_back(r, what)
{
    d_step {
        outcome[r] = what;
        under_way[r]--
    };
    box_of_home ! PLACED(r, 0)
}

/* A later policy gives the same key, or the request goes home to be decided anew. */
inline renew(r, is_stale)
{
    d_step {
        is_stale = false;
        if
        :: policy_taken[OWNER] > policy_of[r] ->
            policy_of[r] = policy_taken[OWNER];
            is_stale = (KEY(kind[r], policy_of[r]) != key[r])
        :: else
        fi
    }
}

inline place_on(s, r)
{
    if
#ifndef FAULT_NO_CHECK_AT_USE
    :: conn_state[s] != READY || conn_key[s] != key[r] ->
        assert(conn_key[s] == key[r]); /* nobody was led to another's connection, to be turned away there */
        give_back(r, REFUSED)
#endif
    :: else ->
        if
        :: stage[r] == QUEUED -> stage[r] = SENDING;
            assert_may_write(s, r);
            d_step {
                conn_flight[s] = conn_flight[s] | BIT(r);
                hop_slot[r] = s;
                hop_generation[r] = conn_generation[s];
                hop_life[r] = conn_life[s]
            };
#ifdef FAULT_CLOSED_OVERTAKES_PLACED
            fresh = r;
            if
            :: true
            :: true -> end_connection(s)
            fi;
            give_back(fresh, WRITTEN)
#else
            give_back(r, WRITTEN)
#endif
        :: stage[r] == WITHDRAWN -> give_back(r, REFUSED)
        fi
    fi
}

/* Waiters that are left go home with the reason; those whose policy changed to be decided anew. */
inline give_back_waiters(s)
{
    w = 0;
    do
    :: w < REQUESTS ->
        if
        :: (conn_waiters[s] & BIT(w)) ->
            conn_waiters[s] = conn_waiters[s] & ~BIT(w);
            renew(w, is_stale);
            if
            :: is_stale -> give_back(w, STALE)
            :: else -> give_back(w, REFUSED)
            fi
        :: else
        fi;
        w++
    :: else -> break
    od
}

inline end_connection(s)
{
    d_step {
        /* Of connections that nobody was placed on there is nothing to tell. */
        ended_generation = conn_generation[s];
        was_ready = (conn_state[s] == READY || conn_state[s] == DRAINING) && (hop_generation[0] == ended_generation ||
            hop_generation[1] == ended_generation || hop_generation[REQUESTS - 1] == ended_generation);
        conn_state[s] = FREE;
        conn_flight[s] = 0;
        conn_key[s] = 0;
        conn_proof[s] = 0;
        conn_life[s] = 0;
        conn_generation[s] = 0;
        is_asked_on[s] = false
    };
#ifdef FAULT_WAITERS_ARE_FORGOTTEN
    conn_waiters[s] = 0;
#else
    give_back_waiters(s);
#endif
    if
    :: was_ready ->
        in_letters[ended_generation]++;
        box_of_home ! CLOSED(s, ended_generation)
    :: else
    fi
}

/* A number that nobody holds: only whether two are equal matters. */
inline new_generation(s)
{
    fresh = 1;
    do
    :: conn_generation[0] == fresh || conn_generation[1] == fresh || hop_generation[0] == fresh ||
        hop_generation[1] == fresh || hop_generation[REQUESTS - 1] == fresh || in_letters[fresh] != 0 ->
        fresh++
    :: else -> break
    od;
    conn_generation[s] = fresh;
    fresh = 0
}

inline open_connection(s, r)
{
    d_step {
        new_generation(s);
        conn_key[s] = key[r];
        conn_waiters[s] = BIT(r);
#ifdef FAULT_PUBLISHED_BEFORE_THE_VERDICT
        conn_state[s] = READY
#else
        conn_state[s] = HANDSHAKING
#endif
    }
#ifdef FAULT_PUBLISHED_BEFORE_THE_VERDICT
    ;
    place_waiters(s)
#endif
}

inline place_waiters(s)
{
    w = 0;
    do
    :: w < REQUESTS && conn_state[s] == READY ->
        if
        :: (conn_waiters[s] & BIT(w)) ->
            conn_waiters[s] = conn_waiters[s] & ~BIT(w);
            place_on(s, w)
        :: else
        fi;
        w++
    :: else -> break
    od
}

/* Everybody that waits is asked again, then published, once, with all that is known (INV-19, INV-22, INV-23); a
 * connection that nobody wants any more is over. */
inline publish(s, is_over)
{
#ifndef FAULT_WAITERS_ARE_NOT_ASKED_AGAIN
    w = 0;
    do
    :: w < REQUESTS ->
        if
        :: (conn_waiters[s] & BIT(w)) ->
            renew(w, is_stale);
            if
            :: is_stale -> conn_waiters[s] = conn_waiters[s] & ~BIT(w); give_back(w, STALE)
            :: else
            fi
        :: else
        fi;
        w++
    :: else -> break
    od;
#endif
    if
    :: conn_waiters[s] == 0 -> is_over = true
    :: else -> conn_state[s] = READY; place_waiters(s)
    fi
}

/* decide(): reuse, join, upgrade, open or reject, in that order. FOUND is a slot, or SLOTS. */
inline find(r)
{
    d_step {
        reuse = SLOTS;
        join = SLOTS;
        upgrade = SLOTS;
        room = SLOTS;
        s = 0;
        do
        :: s < SLOTS ->
            if
            :: conn_state[s] == READY && conn_key[s] == key[r] -> reuse = s
#ifdef FAULT_JOINED_BY_DESTINATION
            :: conn_state[s] == HANDSHAKING -> join = s
#else
            :: conn_state[s] == HANDSHAKING && conn_key[s] == key[r] -> join = s
#endif
            :: conn_state[s] == READY && conn_key[s] == UNVERIFIED && key[r] != UNVERIFIED &&
#ifndef FAULT_UPGRADED_WHILE_BUSY
                conn_flight[s] == 0 &&
#endif
                conn_waiters[s] == 0 -> upgrade = s
            :: conn_state[s] == FREE -> room = s
            :: else
            fi;
            s++
        :: else -> break
        od
    }
}

/* The captured chain proves what is asked for: the connection leaves its key for good, and its facts, so that nobody
 * who knew it as unverified reaches it any more (INV-36). It keeps its handle. */
inline rise(s, r)
{
    d_step {
        conn_key[s] = key[r];
        conn_proof[s] = key[r];
        conn_life[s] = 1
#ifdef FAULT_UPGRADE_CHANGES_THE_HANDLE
        ;
        new_generation(s)
#endif
    };
    assert_flights(s)
}

inline place(r)
{
#ifdef FAULT_POLICY_GOES_BACK
    policy_taken[OWNER] = policy_of[r];
#else
    if
    :: policy_of[r] > policy_taken[OWNER] -> policy_taken[OWNER] = policy_of[r]
    :: else
    fi;
#endif
#ifdef FAULT_NOT_DECIDED_ANEW
    is_stale = false;
#else
    renew(r, is_stale);
#endif
    if
    :: is_stale -> give_back(r, STALE)
    :: else ->
        find(r);
        s = SLOTS;
        if
        :: reuse < SLOTS -> s = reuse
        :: reuse == SLOTS && join < SLOTS -> conn_waiters[join] = conn_waiters[join] | BIT(r)
        :: reuse == SLOTS && join == SLOTS && upgrade < SLOTS -> rise(upgrade, r); s = upgrade
        :: reuse == SLOTS && join == SLOTS && room < SLOTS -> open_connection(room, r) /* or no upgrade proved it */
        :: reuse == SLOTS && join == SLOTS && room == SLOTS -> give_back(r, REFUSED)
        fi;
        if
        :: s < SLOTS -> place_on(s, r)
        :: else
        fi
    fi
}

/* ACK and CANCEL: by handle and facts, or nowhere. */
inline tell(r, name)
{
    s = SLOT(name);
    if
    :: (conn_state[s] == READY || conn_state[s] == DRAINING) &&
#ifndef FAULT_HANDLE_WITHOUT_GENERATION
        conn_generation[s] == GENERATION(name) &&
#endif
#ifndef FAULT_FACTS_ARE_NOT_COMPARED
        FACTS(conn_generation[s], conn_life[s]) == FACTS_OF(name) &&
#endif
        true ->
        assert_right_connection(s, r);
        is_telling[r] = false
#ifdef SEND_AGAIN
    :: else -> box_of_home ! BACK(r, 0)
#else
    :: else -> is_telling[r] = false
#endif
    fi
}

/* The response to the peer's own request: by handle alone, whatever the connection has proven meanwhile. */
inline reply(name)
{
    s = SLOT(name);
    if
    :: (conn_state[s] == READY || conn_state[s] == DRAINING) &&
#ifndef FAULT_HANDLE_WITHOUT_GENERATION
        conn_generation[s] == GENERATION(name) &&
#endif
        true -> assert(is_asked_on[s])
    :: else -> assert(!is_asked_on[s]) /* it is not lost while its connection lives */
    fi;
    is_asked_on[s] = false
}

inline take_orders_of_owner()
{
#ifdef FAULT_ORDERS_ARE_CLEARED_AFTERWARDS
    taken = orders[OWNER];
    is_letter_out[OWNER] = false;
#else
    atomic { is_letter_out[OWNER] = false; taken = orders[OWNER]; orders[OWNER] = 0 };
#endif
    if
    :: (taken & ORDER_SNAPSHOT) && policy_set > policy_taken[OWNER] -> policy_taken[OWNER] = policy_set
    :: else
    fi;
    if
    :: atomic { (taken & ORDER_DROP) ->
        d = 0;
        do
        :: d < SLOTS ->
            if
            :: conn_state[d] != FREE -> end_connection(d)
            :: else
            fi;
            d++
        :: else -> break
        od;
        is_drop_due = false }
    :: else
    fi
#ifdef FAULT_ORDERS_ARE_CLEARED_AFTERWARDS
    ;
    orders[OWNER] = 0
#endif
}

#define ANSWER(d, r) \
    :: (conn_flight[d] & BIT(r)) -> conn_flight[d] = conn_flight[d] & ~BIT(r); box_of_home ! RESPONSE(r, 0)

/* The network, which does something to connection d. */
inline network(d)
{
    if
    :: conn_state[d] == HANDSHAKING -> conn_proof[d] = conn_key[d]; publish(d, is_over) /* or it ends */
#ifdef PEER_ASKS
    :: (conn_state[d] == READY || conn_state[d] == DRAINING) && !has_asked ->
        has_asked = true;
        is_asked_on[d] = true;
        conn_flight[d] = conn_flight[d] | ASKED_BIT;
        in_letters[conn_generation[d]]++;
        box_of_home ! ASKED(NAME(d, conn_generation[d], conn_life[d]), 0)
#endif
#ifdef EVERYTHING
    :: conn_state[d] == READY && conn_flight[d] != 0 -> conn_state[d] = DRAINING
#endif
    ANSWER(d, 0)
    ANSWER(d, 1)
#if REQUESTS > 2
    ANSWER(d, 2)
#endif
    :: true -> is_over = true
    fi;
    if
    :: is_over -> end_connection(d)
    :: else
    fi
}

/* What a turn leaves behind would make states differ that are the same. */
inline forget()
{
    d_step {
        r = 0; s = 0; w = 0; d = 0; reuse = 0; join = 0; upgrade = 0; room = 0; taken = 0; ended_generation = 0;
        is_stale = false; was_ready = false; is_over = false
    }
}

/* A turn of the loop is one step: what it shares with others meanwhile, stages and mailboxes, it touches once. */
active proctype owner()
{
    byte r, s, w, d, reuse, join, upgrade, room, taken, ended_generation, fresh;
    bool is_stale, was_ready, is_over;
end:
    do
    :: atomic { box_of_owner ? PLACE(r, _) -> place(r); forget() }
    :: atomic { box_of_owner ? TELL(r, d) -> in_letters[GENERATION(d)]--; tell(r, d); forget_request(r); forget() }
#ifdef PEER_ASKS
    :: atomic { box_of_owner ? REPLY(d, _) -> reply(d); in_letters[GENERATION(d)]--; forget() }
#endif
    :: box_of_owner ? ATTENTION(_, _) -> take_orders_of_owner(); forget()
    :: atomic { (conn_state[0] != FREE || conn_state[1] != FREE) ->
        if
        :: conn_state[0] != FREE
        :: conn_state[1] != FREE -> d = 1
        fi;
        network(d);
        forget() }
    od
}

/* --- The home of the requests: t_relay and transmit --- */

inline decide_from_the_row_on(r)
{
    d_step {
        key[r] = KEY(kind[r], policy_of[r]);
        stage[r] = QUEUED;
        state[r] = PLACING;
        under_way[r]++;
        assert(under_way[r] == 1)
    };
    box_of_owner ! PLACE(r, 0)
}

/* Nobody is told of a connection before who is on it. */
inline come_home(r)
{
    assert(is_again[r] || state[r] == PLACING || state[r] == FAILED);
    assert(is_again[r] || outcome[r] != WRITTEN || state[r] == PLACING); /* what was withdrawn has left no byte */
    if
    :: is_again[r] -> is_again[r] = false /* it is there, or nowhere */
    :: !is_again[r] && outcome[r] == STALE && state[r] == PLACING -> outcome[r] = 0; decide_from_the_row_on(r)
    :: !is_again[r] && outcome[r] == WRITTEN && state[r] == PLACING -> state[r] = SENT
    :: else -> state[r] = FAILED
    fi;
    forget_request(r)
}

inline lose(slot, generation)
{
    d_step {
        f = 0;
        do
        :: f < REQUESTS ->
            if
            :: state[f] == SENT &&
#ifndef FAULT_HANDLE_WITHOUT_GENERATION
                hop_generation[f] == generation &&
#endif
                hop_slot[f] == slot ->
                assert(conn_generation[slot] != hop_generation[f]); /* what lives is not given up */
                state[f] = FAILED;
                forget_request(f)
            :: else
            fi;
            f++
        :: else -> break
        od
    }
}

inline forget_at_home()
{
    d_step { r = 0; s = 0; f = 0; taken = 0 }
}

inline begin(r)
{
    policy_of[r] = policy_taken[HOME];
    decide_from_the_row_on(r)
}

/* ACK of a refusal, CANCEL while it rings: what belongs to the hop of the request. */
inline follow(r)
{
    has_told[r] = true;
    is_telling[r] = true;
    in_letters[hop_generation[r]]++;
    box_of_owner ! TELL(r, NAME(hop_slot[r], hop_generation[r], hop_life[r]));
    forget_request(r)
}

/* The ACK did not reach its connection: it goes where the key of its request leads to now, as a placement. */
inline send_again(r)
{
    is_telling[r] = false;
    if
    :: state[r] == ANSWERED ->
        assert(key[r] == KEY(kind[r], policy_of[r]));
        d_step {
            is_again[r] = true;
            stage[r] = QUEUED;
            under_way[r]++;
            assert(under_way[r] == 1)
        };
        box_of_owner ! PLACE(r, 0)
    :: else -> forget_request(r) /* it is over, and nobody waits for anything */
    fi
}

/* The peer's request is answered and over; what it was on is not busy with it any more. */
inline answer(name)
{
    box_of_owner ! REPLY(name, 0);
    s = SLOT(name);
    if
    :: conn_generation[s] == GENERATION(name) -> conn_flight[s] = conn_flight[s] & ~ASKED_BIT
    :: else
    fi
}

inline choose_kind(r)
{
    if
    :: kind[r] = PROVEN_KIND
#ifndef ONE_KIND
    :: kind[r] = OPEN_KIND
    :: kind[r] = RAISED_KIND
#endif
    fi
}

/* The branch is answered at once when nothing has left, and then nothing leaves any more. */
#ifdef FAULT_WITHDRAWAL_IS_TWO_STEPS
#define CANCEL(r) :: state[r] == PLACING && stage[r] == QUEUED -> stage[r] = WITHDRAWN; state[r] = FAILED
#else
#define CANCEL(r) :: atomic { state[r] == PLACING && stage[r] == QUEUED -> stage[r] = WITHDRAWN; state[r] = FAILED }
#endif
#define BEGIN(r) :: atomic { state[r] == NEW -> begin(r); forget_at_home() }
#define FOLLOW(r) \
    :: atomic { (state[r] == SENT || state[r] == ANSWERED) && !has_told[r] -> follow(r); forget_at_home() }

active proctype home()
{
    byte r, s, f, taken;
    atomic {
#ifndef EVERYTHING
        has_told[1] = true;
#endif
        choose_kind(0);
#ifdef ANY_KINDS
        choose_kind(1)
#else
        kind[1] = PROVEN_KIND
#endif
#if REQUESTS > 2
        ;
        choose_kind(2)
#endif
    };
end:
    do
    :: atomic { box_of_home ? PLACED(r, s) -> come_home(r); forget_at_home() }
    :: atomic { box_of_home ? RESPONSE(r, s) ->
        /* its placement came home before, unless it was given up meanwhile */
        assert(state[r] == SENT || state[r] == FAILED || (state[r] == ANSWERED && has_told[r]));
        if
        :: state[r] == SENT -> state[r] = ANSWERED
        :: else
        fi;
        forget_request(r);
        forget_at_home() }
#ifdef SEND_AGAIN
    :: atomic { box_of_home ? BACK(r, s) -> send_again(r); forget_at_home() }
#endif
#ifdef PEER_ASKS
    :: atomic { box_of_home ? ASKED(r, _) -> answer(r); forget_at_home() }
#endif
    :: atomic { box_of_home ? CLOSED(s, r) ->
        in_letters[r]--;
        lose(s, r);
        forget_at_home() }
    :: atomic { box_of_home ? ATTENTION(_, _) ->
        is_letter_out[HOME] = false;
        taken = orders[HOME];
        orders[HOME] = 0;
        if
        :: policy_set > policy_taken[HOME] -> policy_taken[HOME] = policy_set
        :: else
        fi;
        forget_at_home() }
    BEGIN(0)
    CANCEL(0)
    FOLLOW(0)
    BEGIN(1)
#ifdef EVERYTHING
    CANCEL(1)
    FOLLOW(1)
#endif
#if REQUESTS > 2
    BEGIN(2)
#endif
    od
}

/* --- Control: a new policy, then every connection is dropped --- */

/* order_all(): flags that are there already are taken with the letter that is on its way. */
#ifdef ORDERS_IN_STEPS
#define AT_ONCE
#else
#define AT_ONCE atomic
#endif
inline order(worker, what, box)
{
    atomic { f = orders[worker]; orders[worker] = f | what };
    if
    :: f == 0 ->
        atomic { assert(!is_letter_out[worker]); is_letter_out[worker] = true; box ! ATTENTION(0, 0) }
    :: else
    fi
}

active proctype control()
{
    byte f;
    AT_ONCE {
        policy_set = 1;
        order(HOME, ORDER_SNAPSHOT, box_of_home);
        order(OWNER, ORDER_SNAPSHOT, box_of_owner)
    };
    if
    :: AT_ONCE { is_drop_due = true; order(OWNER, ORDER_DROP, box_of_owner); f = 0; is_reloaded = true }
    :: is_reloaded = true /* the rows changed, nobody asked for a reload */
    fi
}

/* When nothing moves any more, nobody waits. */
active proctype judge()
{
    byte f;
    timeout;
    assert(is_reloaded && !is_drop_due && policy_taken[HOME] == 1 && policy_taken[OWNER] == 1);
    do
    :: f < REQUESTS ->
        assert(under_way[f] == 0);
        assert(state[f] == ANSWERED || state[f] == FAILED);
        f++
    :: else -> break
    od;
    assert(conn_waiters[0] == 0 && conn_waiters[1] == 0)
}
