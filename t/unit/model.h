/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model.h - a small world around the real pool of src/flow, and what must hold in it: layer A of the model-based test.
 * Real:  src/policy (snapshot, look-up), src/decide, all of src/flow: two pools, each with a worker of its own.
 * Faked: src/loop (clock, turn, mailbox), src/net/stream, src/tls, the verdict of src/pkix; each in model_*.c, linked
 *        in place of the real objects.
 * What is allowed is stated anew in model_oracle.c, from the rows as they were drawn; it calls nothing of src/decide.
 * Everything is drawn from a seed: step N of seed S has dice of its own, so that any step can be left out.
 */
#ifndef TRELAY_UNIT_MODEL_H
#define TRELAY_UNIT_MODEL_H

#include "flow/flow_pool.h"
#include "loop/mailbox.h"
#include "net/stream.h"
#include "pkix/certificate.h"

enum { MODEL_WORKERS = 2, MODEL_PEERS = 6, MODEL_DOMAINS = 8, MODEL_CERTIFICATES = 24, MODEL_ROOTS = 4,
    MODEL_TRUST_SETS = 4, MODEL_CREDENTIALS = 4, MODEL_CONTENTS = 64, MODEL_ROWS = 13, MODEL_LINKS = 96,
    MODEL_REQUESTS = 64, MODEL_GENERATIONS = 64, MODEL_BYTES = 2048, MODEL_SKEW_S = 5, MODEL_TRACE = 4096,
    MODEL_STEPS = 2500, MODEL_LABELS = 512, MODEL_INBOUND = 16, MODEL_KNOWN = 16, MODEL_PAST = 8, MODEL_LISTS = 32,
    MODEL_CLASS_MAX = 5, MODEL_CLASS_MAX_CALM = 20, MODEL_WAITERS_MAX = 4, MODEL_IDLE_S = 600 };

/* --- Chance --- */

struct dice {
    uint64_t state;
};
uint64_t dice_mix(uint64_t a, uint64_t b);
uint32_t dice_roll(struct dice *dice, uint32_t sides); /* 0 to sides - 1 */
bool dice_hits(struct dice *dice, uint32_t one_in);

/* --- The world --- */

/* What a peer can present: a leaf with its issuers. */
struct model_certificate {
    uint8_t names;  /* a bit for each domain */
    uint8_t root;
    bool is_for_clients; /* its extended key usage is that of clients alone */
    int64_t not_before, not_after; /* of the whole path */
};

enum model_manner {
    MANNER_GOOD = 0,
    MANNER_MUTE,          /* accepts and says nothing */
    MANNER_RESUMES,       /* pretends to resume a session, without a certificate */
    MANNER_RESUMES_SHOWS, /* the same, and shows one */
    MANNER_OTHER_SUITE,   /* takes a suite that was not offered */
    MANNER_HANGS_UP,      /* in the middle of the handshake */
    MANNER_COUNT
};

struct model_peer {
    struct endpoint place;
    bool is_up;
    enum model_manner manner;
    bool is_old;  /* speaks TLS 1.2 */
    uint16_t suite;
    uint8_t shows[MODEL_DOMAINS + 1]; /* by server name; the last one without any */
};

struct trust_store {
    unsigned references;
    uint8_t roots; /* a bit for each */
    uint8_t list;  /* of revoked certificates; 0: none */
};

struct tls_credential {
    unsigned references;
    uint8_t content;
};

/* As drawn; -1: none. */
struct model_row {
    bool is_there, may_upgrade, may_weaken, may_trust, may_reuse, send_sni, has_pins;
    int32_t priority;
    enum level level; /* UNSET: spoilt */
    int8_t expected, credential, trust_set, sni;
    enum tls_version tls_min, tls_max;
    uint8_t ciphers, isolation;
    enum revocation crl;
    uint8_t pins[2];  /* certificates */
    uint32_t max_age_s, revalidate_every_s, idle_timeout_s, keepalive_s;
};

/* What is asked of who connects to us. */
struct model_profile {
    bool is_there;
    enum client_auth client_auth;
    int8_t trust_set, credential;
};

/* Of one generation. */
struct model_policy {
    uint64_t generation;
    int64_t loaded_at;
    struct model_row rows[MODEL_ROWS];
    uint8_t trust_sets[MODEL_TRUST_SETS]; /* roots; 0: the set is gone */
    uint8_t lists[MODEL_TRUST_SETS];      /* of the set, from 1; 0: it has none */
    int8_t credentials[MODEL_CREDENTIALS]; /* content; -1: gone */
    struct model_profile profile;
};

/* What makes two connections different; compared as bytes. */
struct model_class {
    uint8_t transport, peer, local, isolation;
    int8_t credential, sni, domain; /* content, domains */
    uint8_t level, roots, crl, list, tls_min, tls_max, ciphers;
    uint32_t pins; /* a bit for each certificate; 0: any */
};

struct model_want {
    bool is_allowed;
    struct model_class class;
    bool may_reuse, may_connect, may_upgrade;
    uint32_t max_age_s, idle_timeout_s;
};

struct model_request {
    bool is_used, is_placed, is_done, is_under_way, is_withdrawn, has_client;
    bool is_mapped; /* its address is given as ::ffff:a.b.c.d */
    bool is_probe;  /* a handshake for its own sake */
    bool is_lost;   /* it is put on any connection, as by a look-up that is wrong */
    uint8_t followers; /* ACKs and CANCELs on their way */
    uint32_t label; /* of a calm run, from 1: what became of it is kept; 0: nobody asks */
    uint32_t number, attempt, written; /* ATTEMPT counts placements, WRITTEN how often the present one left */
    uint32_t home, owner;
    uint32_t bits; /* T_RELAY_* */
    int8_t domain, flag_domain, flag_sni, flag_certificate, flag_trust; /* -1: none */
    uint8_t peer, other_peer, local;
    uint8_t transport;
    uint32_t flag_max_age_s;
    uint64_t placed_at; /* step */
    bool was_full;      /* when it was done */
    bool expects_upgrade; /* all that may become its connection would, when it was placed */
    uint64_t failures;    /* of the world, by then */
    struct placement *placement;
    struct connection_facts *facts;
    struct certificate_chain seen; /* by a probe */
    uint32_t link, link_serial, link_class_serial; /* where it was written */
    enum decision decision;
    enum reason reason;
};

enum model_phase { LINK_FREE = 0, LINK_CONNECTING, LINK_CONNECTED, LINK_ENDED };

/* A connection as its two ends and the net see it; the pool knows it as its stream. */
struct stream {
    enum model_phase phase;
    uint32_t serial;        /* of the slot */
    uint32_t class_serial;  /* grows with each change of class */
    uint32_t worker;
    bool is_accepted, is_tls, is_exclusive, is_probe, is_congested, is_published;
    bool has_said_end;
    uint8_t peer;
    const struct stream_handler *handler;
    void *arg;
    uint64_t since_ms, timeout_ms;
    struct model_class class;
    uint32_t opener, opener_attempt;
    uint64_t published_at;  /* step */
    int64_t opened_at, proven_at;
    uint64_t opened_ms;     /* by the loop's clock */
    uint64_t used_ms;       /* bytes came or went: by the loop's clock */
    uint32_t idle_timeout_s; /* the shortest of those whose requests were written to it */
    uint64_t let_go_at;     /* step in which another thread ended a request on it, in the midst of a turn */
    unsigned under_way, carried; /* requests */
    uint8_t shown;          /* certificate */
    int8_t shown_sni, shown_credential; /* by us */
    bool was_resumed;
    enum tls_version version;
    uint16_t suite;
    struct tls_session *session;
    uint64_t published_generation;
    bool has_shown;         /* accepted: a certificate */
    size_t to_peer_length, to_us_length;
    uint8_t to_peer[MODEL_BYTES], to_us[MODEL_BYTES];
};

struct loop {
    uint64_t now_ms;
    int64_t wall_s;
    bool is_in_turn;
    struct loop_timer *timer;
    uint64_t timer_due_ms;
    struct list deferred, retired;
};

struct mailbox {
    struct mailbox_node *first, **last;
};

struct model_worker {
    uint32_t number;
    struct loop loop;
    struct mailbox mailbox;
    struct flow_pool *pool;
    struct policy_snapshot *snapshot; /* by which its own requests are asked */
    uint64_t generation;              /* of that, and of the pool's */
    uint64_t pool_generation;
    bool is_busy;                     /* in one of its turns */
};

/* What a calm run came to, for one request. */
struct model_observation {
    bool is_known, is_sent;
    bool was_full; /* all that unverified connections share was in use when it ended */
    struct model_class class;
    uint8_t shown;
};

/* What happened, so that a run that checks nothing shows. */
#define MODEL_TOTALS(X) \
    X(opened) X(handshakes) X(written) X(reused) X(joined) X(upgraded) X(denied) X(refused) X(stale) X(withdrawn) \
    X(messages) X(accepted) X(answered) X(closed) X(probed) X(lost) X(consulted) X(revoked) X(idle)
struct model_totals {
#define X(member) uint64_t member;
    MODEL_TOTALS(X)
#undef X
};

struct model_settings {
    bool is_calm;      /* nothing fails but what must */
    bool has_no_reuse; /* all requests say no-conn-reuse */
    bool is_reversed;  /* bursts run backwards */
    bool has_noise;    /* unverified requests beside the others */
    bool is_renamed;   /* rows, sets, certificates and tags have other names and numbers */
    bool is_respelled; /* domains are written in capitals and with a dot at the end */
};

/* A request that came on an accepted connection, to be answered there. */
struct model_inbound {
    uint32_t number; /* 0: free */
    uint32_t worker, link, link_serial;
    struct connection_facts *facts;
};

struct model_event {
    uint32_t step;
    int32_t request, link; /* -1: none */
    char text[104];
};

struct model {
    struct model_settings settings;
    uint64_t seed, step;
    struct dice dice;
    uint64_t now_ms;
    int64_t wall_offset_s;
    struct model_certificate certificates[MODEL_CERTIFICATES];
    struct model_peer peers[MODEL_PEERS];
    uint8_t dns[MODEL_DOMAINS];
    uint32_t domains_in_use, peers_in_use;
    int64_t credential_ends[MODEL_CONTENTS]; /* by content */
    uint8_t content_count, list_count;
    uint32_t lists[MODEL_LISTS]; /* by number: a bit for each certificate that is revoked */
    struct model_policy policies[MODEL_GENERATIONS];
    uint64_t generation;
    struct policy_snapshot *snapshot; /* the latest */
    struct model_worker workers[MODEL_WORKERS];
    struct flow_descriptors descriptors;
    struct stream links[MODEL_LINKS];
    struct model_request requests[MODEL_REQUESTS];
    uint32_t next_number;
    struct model_request past[MODEL_PAST]; /* some that are over: others ask for much the same */
    struct model_worker *at;          /* whose turn it is, or NULL */
    struct stream *serving;           /* whose event is being told */
    struct model_request *placing;
    bool is_ours;                     /* inside the pool: memory may be refused */
    bool is_stable;                   /* the end: everything works, so it must come to an end */
    uint32_t refuse_in;               /* allocations; 0: none is refused */
    uint64_t failures;                /* of memory, so far, and placements in the midst of others */
    uint32_t nested;
    uint32_t sessions;
    struct model_observation observations[MODEL_LABELS];
    uint32_t next_label;
    struct model_inbound inbound[MODEL_INBOUND];
    uint32_t next_inbound;
    /* Connections that an operator has seen, and may close when they are others, or gone. */
    struct model_known {
        struct connection_handle handle;
        uint32_t link, link_serial;
    } known[MODEL_KNOWN], *closing;
    uint32_t known_count;
    bool is_accepting_tls;
    struct model_totals totals;       /* of this run and those before */
    /* what outlives a run */
    struct model_event trace[MODEL_TRACE];
    uint32_t trace_count;
    bool is_tracing;
};

struct model *model(void);

/* model_world.c */
void model_world_make(void);
void model_world_change_peer(void);
void model_policy_change(void);   /* one more generation */
struct policy_snapshot *model_snapshot_build(const struct model_policy *policy);
const char *model_domain(int domain); /* NULL for -1 */
const char *model_trust_set_name(int set);
const char *model_credential_name(int credential);
const struct model_policy *model_policy(uint64_t generation);
int64_t model_wall_s(void);
void model_request_draw(struct model_request *request);

/* model_oracle.c: what must hold. Each ends the run when it does not. */
struct model_want model_want(const struct model_policy *policy, const struct model_request *request);
/* The chain proves what CLASS asks for, to a client, at that time. */
bool model_proves(const struct model_certificate *certificate, const struct model_class *class, int64_t now);
/* The link is that, as far as peer and handshake go, what CLASS asks for. */
bool model_was_made_for(const struct stream *link, const struct model_class *class);
bool model_meets_floor(const struct stream *link, const struct model_class *class);
bool model_is_too_old(const struct stream *link, const struct model_want *want, const struct loop *loop);
/* Nothing is under way on it, and it was silent for longer than those who used it, or who wants it now, allow. */
bool model_is_idle(const struct stream *link, const struct model_want *want, const struct loop *loop);
bool model_is_same(const struct model_class *a, const struct model_class *b);
void oracle_dial(struct stream *link, const struct model_request *request);
void oracle_release(struct stream *link);
void oracle_published(struct stream *link);
void oracle_used(struct stream *link);
void oracle_write(struct stream *link, struct slice message);
void oracle_left(const struct stream *link, struct slice message);
void oracle_server(const struct stream *link);
void oracle_heard(struct stream *link, const struct connection_facts *facts);
void oracle_closing(const struct stream *link);
void oracle_done(const struct model_request *request, const struct placement *placement);
void oracle_derived(const struct model_request *request, const struct model_policy *policy, enum reason reason);
/* So many connections, and so many that wait for one, and no more. */
void oracle_bounded(const struct model_worker *worker);
void oracle_all_quiet(void);
/* What a request came to when nothing was in its way. */
void oracle_probe(const struct model_request *request, int64_t asked_at, const struct model_observation *seen);
void model_observe(const struct model_request *request);

/* model_direct.c: parts of the pool are asked directly, with more than the pool would give them: each holds alone */
/* decide() is shown all connections of a worker. */
void model_consult(void);
/* There are some that may become REQUEST's connection, and each of them proves what it takes. */
bool model_expects_upgrade(const struct model_worker *worker, const struct model_request *request);
/* Instead of flow_pool_place(): REQUEST on whatever connection, after the look-up. False: there is none. */
bool model_lose(struct model_worker *worker, struct model_request *request);

/* model_request.c */
/* What is asked of SNAPSHOT for it. The placement's requirement and demand are filled. */
enum reason model_request_ask(const struct model_request *request, struct policy_snapshot *snapshot,
    struct placement *placement);
struct model_request *model_request_new(void); /* drawn; NULL: there are enough */
void model_request_start(struct model_request *request); /* in a turn of its home */
/* Its transaction is over; it is gone when nothing that belongs to it is on its way. */
void model_request_end(struct model_request *request);
void model_request_withdraw(struct model_request *request);
void model_requests_forget(void); /* ahead of a run */
void model_request_follow(struct model_request *request);
/* One that waits for a connection, or for its answer; NULL: none. OTHER: whose home is another worker. */
struct model_request *model_request_waiting(const struct model_worker *other);
struct model_request *model_request_under_way(const struct model_worker *other);
struct model_request *model_request_of(uint32_t number);

/* model_inbound.c: what the pool tells, and what comes of it */
extern const struct flow_pool_ops model_pool_ops;
void model_accept(void);
void model_inbound_answer(void);
void model_inbound_forget(void);
void model_close_known(void);
struct slice model_token(char kind, const struct model_request *request, uint8_t out[16]);
bool model_token_read(struct slice bytes, char *kind_r, uint32_t *number_r, uint32_t *attempt_r);
enum { MODEL_TOKEN_SIZE = 16 };

/* model_loop.c, model_net.c, model_tls.c: besides what they stand in for */
void model_turn(struct model_worker *worker);     /* it begins, unless it has */
void model_turn_end(struct model_worker *worker);
bool model_mail(struct model_worker *worker);     /* one piece; false: there is none */
bool model_net(struct stream *link);              /* something happens there; false: nothing can */
void model_net_read(struct stream *link);         /* the peer reads what it was sent */
bool model_say(struct stream *link, char type, const void *bytes, size_t length); /* the peer does */
/* Cuts the next record off *REST: one byte of type, two of length, the bytes. */
bool model_record(struct slice *rest, char *type_r, struct slice *bytes_r);
void model_tls_forget(void);

/* model_schedule.c */
/* One run of STEPS; it returns when all rules hold. SKIPPED: steps to leave out, or NULL. */
void model_run(uint64_t seed, uint32_t steps, const struct model_settings *settings, const bool *skipped);
/* What another thread may do meanwhile. */
void model_failpoint(void);

/* model_trace.c: runs are made in a process of their own, so that nothing is left of one that fails. */
struct model_result {
    char why[512];            /* "": nothing failed */
    uint64_t seed, step;      /* where it is, or ended */
    int32_t request, link;    /* that the failure is about; -1: none */
    struct model_totals totals;
    struct model_observation observations[MODEL_LABELS];
};
struct model_result *model_result(void); /* of the last process; memory of both */
/* One run after another until STEPS are made. True: all rules held. */
bool model_try(uint64_t seed, uint64_t steps, const struct model_settings *settings, const bool *skipped);
/* The same failure with as few steps as can be found; SKIPPED is filled. Returns how many are left. */
uint32_t model_shrink(uint64_t seed, uint32_t steps, const struct model_settings *settings, bool *skipped);
/* The failing run once more, and the operations of the request and connection concerned. */
void model_show(uint64_t seed, uint32_t steps, const struct model_settings *settings, const bool *skipped);

void model_note(const struct model_request *request, const struct stream *link, const char *format, ...)
    PRINTF_LIKE(3, 4);
_Noreturn void model_fail(const struct model_request *request, const struct stream *link, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif
