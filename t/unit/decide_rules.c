/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide_rules.c - from row and flags to the decision, every combination of a small world, against the rules in words:
 * which outcomes a rule permits. Exactly one must be permitted, and that is the decision. The rules know classes and
 * states, and nothing of keys, verdicts and how they are compared (INV-30, INV-47). */
#include "decide_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The classes that connections have and requests want: nothing weaker serves, nothing stronger (INV-5). */
enum class { PLAIN, ENCRYPTED, CHAIN, DOMAIN_A, DOMAIN_B, CLASS_COUNT };

/* What a request wants, in words. */
struct wish {
    enum class class;
    bool is_datagram;
    bool has_certificate; /* shows ours */
    bool shares;          /* the row and no-conn-reuse: other people's connections, and its own for others */
    bool connects;        /* no-connect */
    bool upgrades;        /* the row and no-upgrade */
    bool is_impatient;    /* max-age: wants no connection that is a minute old */
    bool is_tidy;         /* the row: wants no connection that was silent for more than a minute; others two */
};

/* --- The flags: one line each (level, and what else it does); 0 means that nothing changes --- */

enum { NOTHING, LOWERS, SHOWS_CERTIFICATE, IS_ALONE, STAYS, KEEPS_CLASS, IS_IMPATIENT };

static const struct {
    const char *text;
    enum level raises;
    int effect;
    unsigned excludes; /* flags, by index, that cannot stand beside it */
} flags[] = {
    { "tls", LEVEL_ENCRYPT, NOTHING, 0 },
    { "verify-chain", LEVEL_CHAIN, NOTHING, 1u << 4 },
    { "verify-domain", LEVEL_DOMAIN, NOTHING, 1u << 3 | 1u << 4 },
    { "verify-domain=b.example", LEVEL_DOMAIN, NOTHING, 1u << 2 | 1u << 4 },
    { "no-verify", LEVEL_NONE, LOWERS, 1u << 1 | 1u << 2 | 1u << 3 },
    { "cert=ours", LEVEL_NONE, SHOWS_CERTIFICATE, 0 },
    { "no-conn-reuse", LEVEL_NONE, IS_ALONE, 1u << 7 },
    { "no-connect", LEVEL_NONE, STAYS, 1u << 6 },
    { "no-upgrade", LEVEL_NONE, KEEPS_CLASS, 0 },
    { "max-age=60", LEVEL_NONE, IS_IMPATIENT, 0 },
};
enum { NAMES_B = 1u << 3, FLAG_SETS = 1u << 10 };
_Static_assert(1u << ARRAY_SIZE(flags) == FLAG_SETS, "one bit each");

static bool is_contradictory(unsigned set)
{
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++)
        if ((set & 1u << i) != 0 && (set & flags[i].excludes) != 0)
            return true;
    return false;
}

static bool has_effect(unsigned set, int effect)
{
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++)
        if ((set & 1u << i) != 0 && flags[i].effect == effect)
            return true;
    return false;
}

/* The rows: all combinations. */
struct row_kind {
    enum level level;
    enum permission weaken;
    enum upgrade upgrade;
    bool shares, is_tidy;
};
enum { ROW_KINDS = 4 * 2 * 2 * 2 * 2 };

static struct row_kind row_kind(unsigned number)
{
    return (struct row_kind){ .level = (enum level)(LEVEL_NONE + number % 4),
        .weaken = number / 4 % 2 == 0 ? PERMISSION_REFUSED : PERMISSION_ALLOWED,
        .upgrade = number / 8 % 2 == 0 ? UPGRADE_NEVER : UPGRADE_IDLE, .shares = number / 16 % 2 == 0,
        .is_tidy = number / 32 != 0 };
}

/* The row is the floor, flags raise it, no-verify lowers it where the row permits; TLS where the level is more than
 * none. REASON_NONE, or why there is no wish. */
static enum reason wish_of(const struct row_kind *row, unsigned set, enum transport transport, struct wish *wish_r)
{
    enum level level = row->level;
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++)
        if ((set & 1u << i) != 0 && flags[i].raises > level)
            level = flags[i].raises;
    if (has_effect(set, LOWERS) && level > LEVEL_ENCRYPT) {
        if (row->weaken == PERMISSION_REFUSED)
            return REASON_WEAKEN_REFUSED;
        level = LEVEL_ENCRYPT;
    }
    bool is_plain = transport != TRANSPORT_TLS, has_certificate = has_effect(set, SHOWS_CERTIFICATE);
    if (is_plain && (level > LEVEL_NONE || has_certificate))
        return REASON_PLAIN_TRANSPORT;
    *wish_r = (struct wish){ .is_datagram = transport == TRANSPORT_UDP, .has_certificate = has_certificate,
        .class = is_plain ? PLAIN : level <= LEVEL_ENCRYPT ? ENCRYPTED : level == LEVEL_CHAIN ? CHAIN
            : (set & NAMES_B) != 0 ? DOMAIN_B : DOMAIN_A,
        .shares = row->shares && !has_effect(set, IS_ALONE), .connects = !has_effect(set, STAYS),
        .upgrades = row->upgrade == UPGRADE_IDLE && !has_effect(set, KEEPS_CLASS) && level >= LEVEL_CHAIN,
        .is_impatient = has_effect(set, IS_IMPATIENT), .is_tidy = row->is_tidy };
    return REASON_NONE;
}

/* --- Requests --- */

struct request {
    struct wish wish;
    struct requirement requirement;
    struct connection_key key;
};

static struct policy_snapshot *snapshot;
static struct request *requests; /* each different requirement once */
static size_t request_count;

static struct outbound_policy make_row(unsigned number, char name[32])
{
    struct row_kind kind = row_kind(number);
    snprintf(name, 32, "row%u.example", number);
    struct outbound_policy row = fixture_outbound((int64_t)number + 1, name);
    row.level = kind.level;
    row.weaken = kind.weaken;
    row.upgrade = kind.upgrade;
    row.reuse = kind.shares;
    row.idle_timeout_s = kind.is_tidy ? 60 : 0;
    row.trust_set_name = "anchors";
    row.sni = "s.example";
    return row;
}

static const struct outbound_policy *row_of(unsigned number)
{
    char name[32];
    struct policy_lookup_order order = policy_lookup_order_default();
    struct policy_query query = { .next_hop_domain = name };
    const struct outbound_policy *row = NULL;
    enum reason reason;
    snprintf(name, sizeof(name), "row%u.example", number);
    assert_int_equal(policy_lookup(snapshot, &query, &order, &row, &reason), LOOKUP_RESULT_HIT);
    return row;
}

static enum reason build(const struct outbound_policy *row, const struct flag_set *set, enum transport transport,
    struct requirement *requirement_r)
{
    static const struct capabilities none;
    static const struct requirement_defaults defaults = { .max_age_s = 3600, .idle_timeout_s = 120 };
    struct requirement_target target = { .transport = transport, .next_hop_domain = "a.example",
        .endpoint = { fixture_address("192.0.2.1"), 5061 } };
    return requirement_build(snapshot, row, set, &target, &none, &defaults, requirement_r, NULL);
}

static bool is_same_wish(const struct wish *a, const struct wish *b)
{
    return a->class == b->class && a->is_datagram == b->is_datagram && a->has_certificate == b->has_certificate &&
        a->shares == b->shares && a->connects == b->connects && a->upgrades == b->upgrades &&
        a->is_impatient == b->is_impatient && a->is_tidy == b->is_tidy;
}

/* One wish, one key and one set of terms, whatever row and flags it came from. */
static void keep_request(const struct request *request)
{
    for (size_t i = 0; i < request_count; i++) {
        if (!is_same_wish(&requests[i].wish, &request->wish))
            continue;
        assert_true(connection_key_equal(&requests[i].key, &request->key));
        assert_int_equal(requests[i].requirement.terms.may_reuse, request->requirement.terms.may_reuse);
        assert_int_equal(requests[i].requirement.terms.may_connect, request->requirement.terms.may_connect);
        assert_int_equal(requests[i].requirement.terms.may_upgrade, request->requirement.terms.may_upgrade);
        assert_int_equal(requests[i].requirement.terms.max_age_s, request->requirement.terms.max_age_s);
        assert_int_equal(requests[i].requirement.terms.idle_timeout_s, request->requirement.terms.idle_timeout_s);
        return;
    }
    requests = realloc(requests, (request_count + 1) * sizeof(*requests));
    assert_non_null(requests);
    requests[request_count++] = *request;
}

static void parse_set(unsigned set, bool is_expected, struct flag_set *set_r)
{
    struct buffer text = BUFFER_EMPTY;
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++)
        if ((set & 1u << i) != 0)
            buffer_append_format(&text, "%s%s", text.length > 0 ? "," : "", flags[i].text);
    int rc = flags_parse(buffer_slice(&text), set_r, NULL);
    if ((rc == 0) != is_expected)
        fail_msg("\"%.*s\": %d", SLICE_PRINT(buffer_slice(&text)), rc);
    buffer_free(&text);
}

static void every_row_and_flag_makes_the_wish(void **state)
{
    static const enum transport transports[] = { TRANSPORT_TLS, TRANSPORT_TCP, TRANSPORT_UDP };
    unsigned long built = 0, refused = 0;
    (void)state;
    for (unsigned set = 0; set < FLAG_SETS; set++) {
        struct flag_set parsed;
        parse_set(set, !is_contradictory(set), &parsed);
        if (is_contradictory(set))
            continue;
        for (unsigned number = 0; number < ROW_KINDS; number++) {
            struct row_kind row = row_kind(number);
            const struct outbound_policy *found = row_of(number);
            for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
                struct request request;
                enum reason expected = wish_of(&row, set, transports[i], &request.wish);
                enum reason reason = build(found, &parsed, transports[i], &request.requirement);
                if (reason != expected)
                    fail_msg("row %u, flags %x: %s, not %s", number, set, reason_word(reason), reason_word(expected));
                reason == REASON_NONE ? built++ : refused++;
                if (reason != REASON_NONE)
                    continue;
                request.key = fixture_key_of(&request.requirement);
                keep_request(&request);
            }
        }
    }
    assert_true(built > 10000 && refused > 10000);
    print_message("# %lu requirements of %zu kinds, %lu refusals\n", built, request_count, refused);
}

/* --- Connections --- */

enum promise { AS_PROMISED, MISSING, REFUSED }; /* the verdict */

struct spot {
    enum class class;
    bool has_certificate, is_elsewhere; /* another port */
    enum connection_state state;
    bool is_late;       /* at its deadline */
    bool is_old;        /* opened a minute ago */
    bool is_owned;      /* by a no-conn-reuse request */
    unsigned silence;   /* for a minute, for longer, for longer than those who used it allow */
    unsigned waiters, in_flight;
    enum promise promise;
    bool is_resumed, is_below_floor;
};

/* What a connection of each class, certificate and place is made of. */
static struct made {
    struct connection_key key;
    struct verdict verdict[3]; /* by promise; MISSING is not used */
} made[CLASS_COUNT][2][2];

static void make_connections(void)
{
    static const char *const texts[CLASS_COUNT] = { "", "tls", "verify-chain", "verify-domain",
        "verify-domain=b.example" };
    for (unsigned class = 0; class < CLASS_COUNT; class++)
        for (unsigned certificate = 0; certificate < (class == PLAIN ? 1 : 2); certificate++)
            for (unsigned elsewhere = 0; elsewhere < 2; elsewhere++) {
                struct made *one = &made[class][certificate][elsewhere];
                struct requirement requirement;
                struct flag_set set;
                char text[64];
                snprintf(text, sizeof(text), "%s%s", texts[class], certificate ? ",cert=ours" : "");
                assert_int_equal(flags_parse(slice_of_string(text), &set, NULL), 0);
                assert_int_equal(build(row_of(0), &set, class == PLAIN ? TRANSPORT_TCP : TRANSPORT_TLS, &requirement),
                    REASON_NONE);
                requirement.key.destination.port = (uint16_t)(requirement.key.destination.port + elsewhere);
                one->key = fixture_key_of(&requirement);
                one->verdict[AS_PROMISED] = one->verdict[REFUSED] = fixture_verdict(&requirement.key);
                one->verdict[REFUSED].result = VERDICT_REFUSED;
            }
}

static struct connection_view view_of(const struct spot *spot, uint64_t generation)
{
    const struct made *one = &made[spot->class][spot->has_certificate][spot->is_elsewhere];
    bool has_verdict = spot->class != PLAIN && spot->promise != MISSING;
    struct connection_view view = fixture_connection(generation, &one->key,
        has_verdict ? &one->verdict[spot->promise] : NULL);
    view.state = spot->state;
    view.deadline = spot->is_late ? FIXTURE_NOW : FIXTURE_NOW + 1;
    view.opened_at = spot->is_old ? FIXTURE_NOW - 60 : FIXTURE_NOW - 59;
    view.is_exclusive = spot->is_owned;
    view.idle_timeout_s = 90;
    view.idle_ms = spot->silence == 0 ? 60000 : spot->silence == 1 ? 60001 : 90001;
    view.waiters = spot->waiters;
    view.in_flight = spot->in_flight;
    view.is_full_handshake = !spot->is_resumed;
    view.meets_floor = !spot->is_below_floor;
    return view;
}

/* --- The world that a request meets, and the rules --- */

enum { EQUAL_MAX = 2, UNVERIFIED_MAX = 2, WAITERS_MAX = 4 };

struct world {
    const struct wish *wish;
    struct spot equal[EQUAL_MAX], unverified[UNVERIFIED_MAX];
    unsigned equal_count, unverified_count;
    bool has_failed_just_now, has_room, is_own_certificate_expired;
};

static bool is_its_own_kind(const struct spot *spot, const struct wish *wish)
{
    return spot->class == wish->class && spot->has_certificate == wish->has_certificate && !spot->is_elsewhere;
}

/* What is under way on it keeps it, however silent it is. */
static bool is_forgotten(const struct spot *spot, const struct wish *wish)
{
    return spot->in_flight == 0 && spot->silence > (wish->is_tidy ? 0 : 1);
}

static bool is_alive(const struct spot *spot, const struct wish *wish)
{
    return spot->state == CONNECTION_READY && !spot->is_late && !(wish->is_impatient && spot->is_old) &&
        !is_forgotten(spot, wish);
}

static bool keeps_its_promise(const struct spot *spot)
{
    return spot->class == PLAIN || spot->promise == AS_PROMISED;
}

static bool may_carry(const struct spot *spot, const struct wish *wish)
{
    return is_its_own_kind(spot, wish) && is_alive(spot, wish) && keeps_its_promise(spot);
}

static bool serves(const struct spot *spot, const struct wish *wish)
{
    return wish->shares && !spot->is_owned && may_carry(spot, wish);
}

static bool comes_to_serve(const struct spot *spot, const struct wish *wish)
{
    bool is_pending = spot->state == CONNECTION_DIALING || spot->state == CONNECTION_HANDSHAKING ||
        spot->state == CONNECTION_VERIFYING;
    return wish->shares && wish->connects && !spot->is_owned && is_pending && is_its_own_kind(spot, wish);
}

static bool may_rise(const struct spot *spot, const struct wish *wish)
{
    bool is_same_handshake = spot->has_certificate == wish->has_certificate && !spot->is_elsewhere;
    bool is_quiescent = spot->in_flight == 0 && spot->waiters == 0;
    return wish->shares && wish->upgrades && !spot->is_owned && spot->class == ENCRYPTED && is_alive(spot, wish) &&
        keeps_its_promise(spot) && is_same_handshake && !spot->is_resumed && !spot->is_below_floor && is_quiescent;
}

typedef bool (*property_fn)(const struct spot *spot, const struct wish *wish);

/* The one with the property that has least to do, the first of several; -1: none has it. */
static int best(const struct spot *spots, unsigned count, property_fn has, const struct wish *wish)
{
    int chosen = -1;
    for (unsigned i = 0; i < count; i++)
        if (has(&spots[i], wish) && (chosen < 0 || (has == serves && spots[i].in_flight < spots[chosen].in_flight) ||
                (has == comes_to_serve && spots[i].waiters < spots[chosen].waiters)))
            chosen = (int)i;
    return chosen;
}

static int best_equal(const struct world *world, property_fn has)
{
    return best(world->equal, world->equal_count, has, world->wish);
}

/* An outcome: its decision, reason, and the connection's place in its list. */
struct outcome {
    enum decision decision;
    enum reason reason;
    int which;
};

/* Each rule: may this outcome be? ("Verdicts, in the order tried") */

static bool is_sendable(const struct world *world)
{
    return !(world->wish->has_certificate && world->is_own_certificate_expired);
}

static bool is_connectionless(const struct world *world)
{
    return world->wish->is_datagram;
}

static bool finds_nothing(const struct world *world)
{
    return is_sendable(world) && !is_connectionless(world) && best_equal(world, serves) < 0 &&
        best_equal(world, comes_to_serve) < 0 && best(world->unverified, world->unverified_count, may_rise,
        world->wish) < 0;
}

static bool may_reuse(const struct world *world, int which)
{
    return is_sendable(world) && !is_connectionless(world) && which >= 0 && which == best_equal(world, serves);
}

static bool waits(const struct world *world, int which)
{
    return is_sendable(world) && !is_connectionless(world) && best_equal(world, serves) < 0 && which >= 0 &&
        which == best_equal(world, comes_to_serve);
}

static bool may_join(const struct world *world, int which)
{
    return waits(world, which) && world->equal[which].waiters < WAITERS_MAX;
}

static bool too_many_wait(const struct world *world, int which)
{
    (void)which;
    int there = best_equal(world, comes_to_serve);
    return there >= 0 && waits(world, there) && world->equal[there].waiters >= WAITERS_MAX;
}

static bool may_upgrade(const struct world *world, int which)
{
    return is_sendable(world) && !is_connectionless(world) && best_equal(world, serves) < 0 &&
        best_equal(world, comes_to_serve) < 0 && which >= 0 &&
        which == best(world->unverified, world->unverified_count, may_rise, world->wish);
}

static bool may_open(const struct world *world, int which)
{
    (void)which;
    return finds_nothing(world) && world->wish->connects && !world->has_failed_just_now && world->has_room;
}

static bool must_not_connect(const struct world *world, int which)
{
    (void)which;
    return finds_nothing(world) && !world->wish->connects;
}

static bool failed_just_now(const struct world *world, int which)
{
    (void)which;
    return finds_nothing(world) && world->wish->connects && world->has_failed_just_now;
}

static bool has_no_room(const struct world *world, int which)
{
    (void)which;
    return finds_nothing(world) && world->wish->connects && !world->has_failed_just_now && !world->has_room;
}

static bool is_expired(const struct world *world, int which)
{
    (void)which;
    return !is_sendable(world);
}

static bool may_send_datagram(const struct world *world, int which)
{
    (void)which;
    return is_sendable(world) && is_connectionless(world);
}

static const struct rule {
    const char *name;
    enum decision decision;
    enum reason reason;
    bool (*permits)(const struct world *world, int which);
} rules[] = {
    { "what stands and is its own kind is used", DECISION_REUSE, REASON_NONE, may_reuse },
    { "what is on its way and its own kind is waited for", DECISION_JOIN, REASON_NONE, may_join },
    { "by no more than may wait", DECISION_REJECT, REASON_LIMIT, too_many_wait },
    { "an idle unverified connection may rise", DECISION_UPGRADE, REASON_NONE, may_upgrade },
    { "otherwise one is opened", DECISION_OPEN, REASON_NONE, may_open },
    { "unless the request forbids it", DECISION_REJECT, REASON_NO_CONNECTION, must_not_connect },
    { "or the same was refused a moment ago", DECISION_REJECT, REASON_BACKOFF, failed_just_now },
    { "or there is no room", DECISION_REJECT, REASON_LIMIT, has_no_room },
    { "our own certificate must be valid", DECISION_REJECT, REASON_UNKNOWN_CERTIFICATE, is_expired },
    { "a datagram needs no connection", DECISION_DATAGRAM, REASON_NONE, may_send_datagram },
};
static unsigned long uses[ARRAY_SIZE(rules)], world_count;

/* The only outcome that the rules permit. */
static struct outcome permitted(const struct world *world)
{
    struct outcome outcome = { .decision = DECISION_UNSET };
    unsigned count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        bool needs_one = rules[i].decision == DECISION_REUSE || rules[i].decision == DECISION_JOIN ||
            rules[i].decision == DECISION_UPGRADE;
        for (int which = needs_one ? 0 : -1; which < (needs_one ? 2 : 0); which++) {
            if (!rules[i].permits(world, which))
                continue;
            outcome = (struct outcome){ rules[i].decision, rules[i].reason, which };
            uses[i]++;
            count++;
        }
    }
    assert_int_equal(count, 1);
    return outcome;
}

static void describe(const struct world *world, char *text, size_t size)
{
    const struct wish *wish = world->wish;
    int length = snprintf(text, size, "class %d%s%s%s%s%s%s", wish->class, wish->has_certificate ? " cert" : "",
        wish->shares ? "" : " alone", wish->connects ? "" : " no-connect", wish->upgrades ? " upgrades" : "",
        wish->is_impatient ? " impatient" : "", wish->is_tidy ? " tidy" : "");
    for (unsigned i = 0; i < world->equal_count + world->unverified_count; i++) {
        const struct spot *spot =
            i < world->equal_count ? &world->equal[i] : &world->unverified[i - world->equal_count];
        length += snprintf(text + length, size - (size_t)length,
            "; %s: class %d%s%s %s late %d old %d silent %u owned %d waiters %u busy %u verdict %d resumed %d below %d",
            i < world->equal_count ? "equal" : "unverified", spot->class, spot->has_certificate ? " cert" : "",
            spot->is_elsewhere ? " elsewhere" : "", connection_state_name(spot->state), spot->is_late, spot->is_old,
            spot->silence, spot->is_owned, spot->waiters, spot->in_flight, spot->promise, spot->is_resumed,
            spot->is_below_floor);
    }
}

static void check_world(const struct request *request, const struct world *world)
{
    static const struct capabilities capabilities = { .upgrade = true };
    struct connection_view equal[EQUAL_MAX], unverified[UNVERIFIED_MAX];
    struct requirement requirement = request->requirement;
    struct policy_credential expired;
    for (unsigned i = 0; i < world->equal_count; i++)
        equal[i] = view_of(&world->equal[i], 10 + i);
    for (unsigned i = 0; i < world->unverified_count; i++)
        unverified[i] = view_of(&world->unverified[i], 20 + i);
    if (world->is_own_certificate_expired && requirement.terms.credential != NULL) {
        expired = *requirement.terms.credential;
        expired.not_after = FIXTURE_NOW;
        requirement.terms.credential = &expired;
    }
    struct pool_view pool = { .equal = equal, .equal_count = world->equal_count, .unverified = unverified,
        .unverified_count = world->unverified_count, .waiters_max = WAITERS_MAX, .has_room = world->has_room,
        .backoff_until = world->has_failed_just_now ? FIXTURE_NOW + 1 : 0 };
    struct decision_result result = decide(&requirement, &request->key, &pool, &capabilities, FIXTURE_NOW);
    struct outcome outcome = permitted(world);
    unsigned base = outcome.decision == DECISION_UPGRADE ? 20 : 10;
    uint64_t generation = outcome.which < 0 ? 0 : base + (unsigned)outcome.which;
    world_count++;
    if (result.decision == outcome.decision && result.reason == outcome.reason &&
        result.handle.generation == generation)
        return;
    char text[1024];
    describe(world, text, sizeof(text));
    fail_msg("%s %s %u, the rules say %s %s %u: %s", decision_name(result.decision), reason_word(result.reason),
        (unsigned)result.handle.generation, decision_name(outcome.decision), reason_word(outcome.reason),
        (unsigned)generation, text);
}

/* --- The worlds --- */

/* Cuts the next digit off *NUMBER. */
static unsigned digit(unsigned *number, unsigned base)
{
    unsigned value = *number % base;
    *number /= base;
    return value;
}

static const enum connection_state states[] = { CONNECTION_READY, CONNECTION_DIALING, CONNECTION_HANDSHAKING,
    CONNECTION_VERIFYING, CONNECTION_DRAINING, CONNECTION_DEAD, CONNECTION_UNSET };

/* Every spot there is, by number; false beyond the last. Plain ones have no certificate. */
enum { SPOTS = CLASS_COUNT * 2 * 2 * 7 * 2 * 2 * 2 * 2 * 3 * 3 };

static struct spot any_spot(unsigned number)
{
    struct spot spot = { .class = digit(&number, CLASS_COUNT) };
    spot.has_certificate = digit(&number, 2) != 0 && spot.class != PLAIN;
    spot.is_elsewhere = digit(&number, 2) != 0;
    spot.state = states[digit(&number, 7)];
    spot.is_late = digit(&number, 2) != 0;
    spot.is_old = digit(&number, 2) != 0;
    spot.is_owned = digit(&number, 2) != 0;
    spot.waiters = digit(&number, 2) != 0 ? WAITERS_MAX : 0;
    spot.promise = digit(&number, 3);
    spot.silence = digit(&number, 3);
    return spot;
}

/* Those that differ in what matters beside another. */
enum { NEIGHBOURS = 2 * 6 * 2 * 2 * 2 };

static struct spot neighbour(unsigned number, const struct wish *wish)
{
    static const enum connection_state few[] = { CONNECTION_READY, CONNECTION_DIALING, CONNECTION_VERIFYING,
        CONNECTION_DRAINING, CONNECTION_DEAD, CONNECTION_READY };
    bool is_own_kind = digit(&number, 2) == 0;
    struct spot spot = { .class = is_own_kind ? wish->class : wish->class == CHAIN ? DOMAIN_A : CHAIN,
        .has_certificate = wish->has_certificate };
    unsigned state = digit(&number, ARRAY_SIZE(few));
    spot.state = few[state];
    spot.silence = state == 5 ? 2 : 0;
    spot.waiters = digit(&number, 2) != 0 ? WAITERS_MAX : WAITERS_MAX - 1;
    spot.in_flight = digit(&number, 2);
    spot.is_owned = digit(&number, 2) != 0;
    return spot;
}

static void set_pool(struct world *world, unsigned pool)
{
    world->has_failed_just_now = (pool & 1) != 0;
    world->has_room = (pool & 2) == 0;
    world->is_own_certificate_expired = (pool & 4) != 0;
}

static void one_connection_of_every_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < request_count; i++)
        for (unsigned spot = 0; spot < SPOTS; spot++) {
            struct world world = { .wish = &requests[i].wish, .equal = { any_spot(spot) }, .equal_count = 1 };
            set_pool(&world, spot % 8);
            check_world(&requests[i], &world);
            struct connection_view view = view_of(&world.equal[0], 10);
            enum reason reason = decide_may_send(&requests[i].requirement, &requests[i].key, &view, FIXTURE_NOW);
            if (!requests[i].wish.is_datagram)
                assert_int_equal(reason == REASON_NONE, may_carry(&world.equal[0], world.wish));
        }
}

static void one_unverified_connection_of_every_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < request_count; i++)
        for (unsigned number = 0; number < SPOTS; number++)
            for (unsigned more = 0; more < 8; more++) {
                struct world world = { .wish = &requests[i].wish, .unverified = { any_spot(number) },
                    .unverified_count = 1 };
                world.unverified[0].is_resumed = more == 1;
                world.unverified[0].is_below_floor = more == 2;
                world.unverified[0].in_flight = more == 3;
                set_pool(&world, more > 3 ? more - 3 : 0);
                check_world(&requests[i], &world);
            }
}

static void two_of_each_beside_each_other(void **state)
{
    (void)state;
    /* A tidy one sees no more here than the others. */
    for (size_t i = 0; i < request_count; i++)
        for (unsigned number = 0; !requests[i].wish.is_tidy && number < NEIGHBOURS * NEIGHBOURS * 4 * 4; number++) {
            unsigned rest = number;
            const struct wish *wish = &requests[i].wish;
            struct world world = { .wish = wish, .equal_count = 2 };
            world.equal[0] = neighbour(digit(&rest, NEIGHBOURS), wish);
            world.equal[1] = neighbour(digit(&rest, NEIGHBOURS), wish);
            unsigned unverified = digit(&rest, 4);
            world.unverified_count = unverified > 0 ? 2 : 0;
            for (unsigned at = 0; at < 2; at++)
                world.unverified[at] = (struct spot){ .class = ENCRYPTED, .has_certificate = wish->has_certificate,
                    .state = CONNECTION_READY, .in_flight = (unverified & 1u << at) != 0 };
            set_pool(&world, digit(&rest, 4));
            check_world(&requests[i], &world);
        }
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (uses[i] == 0)
            fail_msg("never: %s", rules[i].name);
    print_message("# %lu worlds\n", world_count);
}

/* A handshake that was begun for one request, ended, and is to be published while today's policy asks for another. */
static void what_is_published_is_what_was_dialled_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < request_count; i++)
        for (size_t j = 0; j < request_count; j++)
            for (unsigned class = 0; class < CLASS_COUNT; class++)
                for (unsigned spoilt = 0; spoilt < 5; spoilt++) {
                    const struct wish *dialled = &requests[i].wish, *current = &requests[j].wish;
                    struct handshake_facts handshake = { .is_full_handshake = spoilt != 1, .is_captured = spoilt != 2,
                        .is_suite_allowed = spoilt != 3, .tls_version = TLS_VERSION_1_3 };
                    bool is_plain = dialled->class == PLAIN;
                    enum reason reason = decide_publish(&requests[i].requirement.key, &requests[j].key,
                        is_plain ? NULL : &handshake,
                        class == PLAIN || is_plain ? NULL : &made[class][0][0].verdict[spoilt == 4 ? REFUSED
                                                                                                    : AS_PROMISED],
                        FIXTURE_NOW);
                    bool is_same = dialled->class == current->class && !dialled->is_datagram &&
                        !current->is_datagram && dialled->has_certificate == current->has_certificate;
                    bool is_proven = is_plain || (spoilt == 0 && class == (unsigned)dialled->class);
                    if ((reason == REASON_NONE) != (is_same && is_proven))
                        fail_msg("class %d, current %d, verdict %u, spoilt %u: %s", dialled->class, current->class,
                            class, spoilt, reason_word(reason));
                }
}

static int build_rows(void **state)
{
    (void)state;
    struct policy_builder *builder = fixture_builder();
    for (unsigned number = 0; number < ROW_KINDS; number++) {
        char name[32];
        struct outbound_policy row = make_row(number, name);
        assert_int_equal(policy_builder_outbound(builder, &row), 0);
    }
    snapshot = fixture_finish(builder);
    make_connections();
    return 0;
}

static int free_rows(void **state)
{
    (void)state;
    policy_snapshot_unref(snapshot);
    free(requests);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_and_flag_makes_the_wish),
        cmocka_unit_test(one_connection_of_every_kind),
        cmocka_unit_test(one_unverified_connection_of_every_kind),
        cmocka_unit_test(two_of_each_beside_each_other),
        cmocka_unit_test(what_is_published_is_what_was_dialled_for),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, build_rows, free_rows);
}
