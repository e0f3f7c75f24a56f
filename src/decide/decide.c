/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide.c - the decision, the check before each write, the check before publication; see decide.h. */
#include "decide/decide.h"

#include <string.h>

static const char *const decision_names[DECISION_COUNT] = {
#define X(code, word) [code] = word,
    DECISION_LIST(X)
#undef X
};

static const char *const state_names[CONNECTION_STATE_COUNT] = {
#define X(code, word) [code] = word,
    CONNECTION_STATE_LIST(X)
#undef X
};

static const char *const obstacle_names[UPGRADE_OBSTACLE_COUNT] = {
#define X(code, word) [code] = word,
    UPGRADE_OBSTACLE_LIST(X)
#undef X
};

const char *decision_name(enum decision decision)
{
    return decision > DECISION_UNSET && decision < DECISION_COUNT ? decision_names[decision] : "unset";
}

const char *connection_state_name(enum connection_state state)
{
    return state > CONNECTION_UNSET && state < CONNECTION_STATE_COUNT ? state_names[state] : "unset";
}

const char *upgrade_obstacle_name(enum upgrade_obstacle obstacle)
{
    return obstacle > UPGRADE_OBSTACLE_UNSET && obstacle < UPGRADE_OBSTACLE_COUNT ? obstacle_names[obstacle] : "unset";
}

static bool is_pinned(const struct pin_set *pins, const uint8_t digest[DIGEST_SIZE])
{
    for (unsigned i = 0; i < pins->count && i < PINS_MAX; i++)
        if (memcmp(pins->digests[i], digest, DIGEST_SIZE) == 0)
            return true;
    return pins->count == 0;
}

/* Does a verdict that says PROVEN prove what this key asks for, and not something else? (INV-16) */
static enum reason proof_defect(const struct requirement_key *key, const struct verdict *verdict, int64_t now)
{
    if (verdict->chain_not_after <= now)
        return REASON_CERTIFICATE_EXPIRED;
    if (!key->trust.is_set && key->pins.count == 0)
        return REASON_UNKNOWN_TRUST_SET;
    if (key->trust.is_set && memcmp(key->trust.bytes, verdict->trust_digest, DIGEST_SIZE) != 0)
        return REASON_CHAIN_UNTRUSTED;
    if (!is_pinned(&key->pins, verdict->leaf_digest))
        return REASON_PIN_MISMATCH;
    if ((key->crl == REVOCATION_HARD && !verdict->crl_checked) ||
        (key->ocsp == REVOCATION_HARD && !verdict->ocsp_checked))
        return REASON_REVOCATION_UNKNOWN;
    if (key->level != LEVEL_DOMAIN)
        return REASON_NONE;
    if (key->expected_domain[0] == '\0')
        return REASON_NO_EXPECTED_DOMAIN;
    if (strcmp(key->expected_domain, verdict->expected_domain) != 0 || verdict->matched_name[0] == '\0')
        return REASON_WRONG_IDENTITY;
    return REASON_NONE;
}

/* Does the verdict make the connection what its key promises: that, not less, not more? (INV-5) */
static enum reason verdict_defect(const struct requirement_key *key, const struct verdict *verdict, int64_t now)
{
    if (key->transport == TRANSPORT_TCP)
        return key->level == LEVEL_NONE ? REASON_NONE : REASON_PLAIN_TRANSPORT;
    if (key->transport != TRANSPORT_TLS || verdict == NULL)
        return REASON_CHAIN_UNTRUSTED;
    if (verdict->result == VERDICT_REFUSED)
        return verdict->reason != REASON_NONE ? verdict->reason : REASON_CHAIN_UNTRUSTED;
    if ((uint8_t)verdict->level != key->level)
        return REASON_VERDICT_STALE;
    if (key->level == LEVEL_ENCRYPT)
        return verdict->result == VERDICT_NOT_TAKEN ? REASON_NONE : REASON_CHAIN_UNTRUSTED;
    if ((key->level != LEVEL_CHAIN && key->level != LEVEL_DOMAIN) || verdict->result != VERDICT_PROVEN)
        return REASON_CHAIN_UNTRUSTED;
    return proof_defect(key, verdict, now);
}

/* The deadline is that of the request it was opened for; another may want a younger one, or its proof anew sooner. */
static bool is_too_old(const struct requirement_terms *terms, const struct connection_view *connection, int64_t now)
{
    if (now >= connection->deadline)
        return true;
    return terms->max_age_s != 0 && now >= connection->opened_at &&
        (uint64_t)now - (uint64_t)connection->opened_at >= terms->max_age_s;
}

bool decide_is_idle(const struct connection_view *connection, uint32_t timeout_s)
{
    uint32_t shortest_s = connection->idle_timeout_s < timeout_s ? connection->idle_timeout_s : timeout_s;
    return connection->in_flight == 0 && connection->idle_ms > (int64_t)shortest_s * 1000;
}

/* Its time is up, for this request: no timer needs to have seen it (INV-37). */
static bool is_over(const struct requirement_terms *terms, const struct connection_view *connection, int64_t now)
{
    return is_too_old(terms, connection, now) || decide_is_idle(connection, terms->idle_timeout_s);
}

enum reason decide_may_send(const struct requirement *requirement, const struct connection_key *key,
    const struct connection_view *connection, int64_t now)
{
    if (connection->state != CONNECTION_READY || connection->handle.generation == 0)
        return REASON_CONNECTION_LOST;
    if (connection->key == NULL || !connection_key_equal(key, connection->key))
        return REASON_VERDICT_STALE;
    if (is_over(&requirement->terms, connection, now))
        return REASON_CONNECTION_LOST;
    return verdict_defect(&requirement->key, connection->verdict, now);
}

/* What the steps of a decision look at. */
struct question {
    const struct requirement *requirement;
    const struct connection_key *key;
    const struct pool_view *pool;
    const struct capabilities *capabilities;
    int64_t now;
};

/* Returns true with *result_r filled when the matter is decided. */
typedef bool (*decide_step_fn)(const struct question *question, struct decision_result *result_r);

static bool reject(struct decision_result *result_r, enum reason reason)
{
    result_r->decision = DECISION_REJECT;
    result_r->reason = reason;
    return true;
}

static bool choose(struct decision_result *result_r, enum decision decision, const struct connection_view *connection)
{
    result_r->decision = decision;
    if (connection != NULL)
        result_r->handle = connection->handle;
    return true;
}

/* requirement_build() makes no such thing; whoever else did must not get a connection for it. */
static bool refuse_incomplete(const struct question *question, struct decision_result *result_r)
{
    const struct requirement_key *key = &question->requirement->key;
    bool is_plain = key->transport == TRANSPORT_UDP || key->transport == TRANSPORT_TCP;
    if (question->key->length == 0 || key->role != ROLE_OUT || key->destination.port == 0 ||
        address_is_unspecified(&key->destination.address) || (!is_plain && key->transport != TRANSPORT_TLS))
        return reject(result_r, REASON_POLICY_UNUSABLE);
    if (is_plain) {
        if (key->level == LEVEL_NONE)
            return false;
        return reject(result_r, REASON_PLAIN_TRANSPORT);
    }
    if (key->level < LEVEL_ENCRYPT || key->level >= LEVEL_COUNT || key->tls_min == TLS_VERSION_UNSET ||
        key->tls_max < key->tls_min)
        return reject(result_r, REASON_POLICY_UNUSABLE);
    if (key->level >= LEVEL_CHAIN && !key->trust.is_set && key->pins.count == 0)
        return reject(result_r, REASON_UNKNOWN_TRUST_SET);
    if (key->level == LEVEL_DOMAIN && key->expected_domain[0] == '\0')
        return reject(result_r, REASON_NO_EXPECTED_DOMAIN);
    return false;
}

/* Our own certificate has expired: its connections get no request any more (INV-37, INV-40). */
static bool refuse_own_expired(const struct question *question, struct decision_result *result_r)
{
    const struct policy_credential *credential = question->requirement->terms.credential;
    if (credential == NULL || credential->not_after > question->now)
        return false;
    return reject(result_r, REASON_UNKNOWN_CERTIFICATE);
}

static bool send_datagram(const struct question *question, struct decision_result *result_r)
{
    if (question->requirement->key.transport != TRANSPORT_UDP)
        return false;
    return choose(result_r, DECISION_DATAGRAM, NULL);
}

static bool reuse(const struct question *question, struct decision_result *result_r)
{
    const struct connection_view *best = NULL;
    if (!question->requirement->terms.may_reuse)
        return false;
    for (size_t i = 0; i < question->pool->equal_count; i++) {
        const struct connection_view *connection = &question->pool->equal[i];
        if (connection->is_exclusive || (best != NULL && best->in_flight <= connection->in_flight))
            continue;
        if (decide_may_send(question->requirement, question->key, connection, question->now) == REASON_NONE)
            best = connection;
    }
    if (best == NULL)
        return false;
    return choose(result_r, DECISION_REUSE, best);
}

static bool is_joinable(const struct question *question, const struct connection_view *connection)
{
    bool is_pending = connection->state == CONNECTION_DIALING || connection->state == CONNECTION_HANDSHAKING ||
        connection->state == CONNECTION_VERIFYING;
    return is_pending && !connection->is_exclusive && connection->handle.generation != 0 && connection->key != NULL &&
        connection_key_equal(question->key, connection->key);
}

/* no-connect means a connection that stands, not one that may come to stand. */
static bool join(const struct question *question, struct decision_result *result_r)
{
    const struct requirement_terms *terms = &question->requirement->terms;
    const struct connection_view *best = NULL;
    if (!terms->may_reuse || !terms->may_connect)
        return false;
    for (size_t i = 0; i < question->pool->equal_count; i++) {
        const struct connection_view *connection = &question->pool->equal[i];
        if (is_joinable(question, connection) && (best == NULL || connection->waiters < best->waiters))
            best = connection;
    }
    if (best == NULL)
        return false;
    if (best->waiters >= question->pool->waiters_max)
        return reject(result_r, REASON_LIMIT);
    return choose(result_r, DECISION_JOIN, best);
}

/* INV-35, in the order of UPGRADE_OBSTACLE_LIST. */
static enum upgrade_obstacle obstacle_of(const struct question *question, const struct connection_view *connection)
{
    const struct verdict *verdict = connection->verdict;
    struct requirement_key own;
    if (connection->state != CONNECTION_READY || connection->handle.generation == 0 || connection->is_exclusive ||
        is_over(&question->requirement->terms, connection, question->now))
        return UPGRADE_NOT_READY;
    if (verdict == NULL || verdict->result != VERDICT_NOT_TAKEN || verdict->level != LEVEL_ENCRYPT)
        return UPGRADE_NOT_UNVERIFIED;
    if (connection->key == NULL || connection_key_decode(connection->key, &own) != 0 || own.level != LEVEL_ENCRYPT)
        return UPGRADE_NOT_UNVERIFIED;
    if (!requirement_key_equal(&question->requirement->key, &own, PART_PLACE | PART_HANDSHAKE))
        return UPGRADE_OTHER_HANDSHAKE;
    if (!connection->is_full_handshake)
        return UPGRADE_RESUMED;
    if (!connection->meets_floor)
        return UPGRADE_BELOW_FLOOR;
    if (connection->in_flight > 0 || connection->waiters > 0)
        return UPGRADE_BUSY;
    return question->capabilities->upgrade ? UPGRADE_POSSIBLE : UPGRADE_NOT_SUPPORTED;
}

static bool upgrade(const struct question *question, struct decision_result *result_r)
{
    const struct requirement *requirement = question->requirement;
    const struct connection_view *candidate = NULL;
    result_r->upgrade = UPGRADE_NOT_WANTED;
    /* A level from chain on is over TLS, or refused above. */
    if (!requirement->terms.may_upgrade || !requirement->terms.may_reuse || requirement->key.level < LEVEL_CHAIN)
        return false;
    result_r->upgrade = UPGRADE_NO_CANDIDATE;
    for (size_t i = 0; i < question->pool->unverified_count; i++) {
        enum upgrade_obstacle obstacle = obstacle_of(question, &question->pool->unverified[i]);
        if (obstacle <= result_r->upgrade)
            continue;
        result_r->upgrade = obstacle;
        if (obstacle >= UPGRADE_NOT_SUPPORTED)
            candidate = &question->pool->unverified[i];
    }
    if (candidate == NULL)
        return false;
    result_r->upgrade_candidate = candidate->handle;
    if (result_r->upgrade != UPGRADE_POSSIBLE)
        return false;
    return choose(result_r, DECISION_UPGRADE, candidate);
}

/* When nothing else was decided. */
static void open_or_reject(const struct question *question, struct decision_result *result_r)
{
    if (!question->requirement->terms.may_connect)
        (void)reject(result_r, REASON_NO_CONNECTION);
    else if (question->pool->backoff_until > question->now)
        (void)reject(result_r, REASON_BACKOFF);
    else if (!question->pool->has_room)
        (void)reject(result_r, REASON_LIMIT);
    else
        (void)choose(result_r, DECISION_OPEN, NULL);
}

struct decision_result decide(const struct requirement *requirement, const struct connection_key *key,
    const struct pool_view *pool, const struct capabilities *capabilities, int64_t now)
{
    static const decide_step_fn steps[] = { refuse_incomplete, refuse_own_expired, send_datagram, reuse, join,
        upgrade };
    const struct question question = { .requirement = requirement, .key = key, .pool = pool,
        .capabilities = capabilities, .now = now };
    struct decision_result result = { .decision = DECISION_UNSET, .upgrade = UPGRADE_NOT_REACHED };
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        if (steps[i](&question, &result))
            return result;
    open_or_reject(&question, &result);
    return result;
}

static enum reason handshake_defect(const struct requirement_key *key, const struct handshake_facts *handshake)
{
    if (!handshake->is_full_handshake)
        return REASON_TLS_FAILED;
    if (!handshake->is_captured)
        return REASON_NO_CERTIFICATE;
    if (handshake->tls_version <= TLS_VERSION_UNSET || handshake->tls_version >= TLS_VERSION_COUNT ||
        (uint8_t)handshake->tls_version < key->tls_min || (uint8_t)handshake->tls_version > key->tls_max ||
        !handshake->is_suite_allowed)
        return REASON_TLS_FLOOR;
    return REASON_NONE;
}

enum reason decide_publish(const struct requirement_key *fields, const struct connection_key *current,
    const struct handshake_facts *handshake, const struct verdict *verdict, int64_t now)
{
    struct connection_key own;
    connection_key_encode(fields, 0, &own);
    if (current == NULL || !connection_key_equal(&own, current))
        return REASON_VERDICT_STALE;
    bool is_tls = fields->transport == TRANSPORT_TLS;
    if (!is_tls && (fields->transport != TRANSPORT_TCP || handshake != NULL))
        return REASON_PLAIN_TRANSPORT;
    if (is_tls && handshake == NULL)
        return REASON_TLS_FAILED;
    enum reason defect = is_tls ? handshake_defect(fields, handshake) : REASON_NONE;
    return defect != REASON_NONE ? defect : verdict_defect(fields, verdict, now);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Without running below the smallest time: a skew before the year dot is the year dot. What has no end has none. */
static int64_t before(int64_t time, uint32_t skew_s)
{
    if (time == INT64_MAX)
        return INT64_MAX;
    return time < INT64_MIN + (int64_t)skew_s ? INT64_MIN : time - (int64_t)skew_s;
}

/* The one computation, for opened and accepted ones. An end that is INT64_MAX is none. */
static int64_t deadline_of(int64_t opened_at, uint32_t max_age_s, int64_t own_not_after, int64_t chain_not_after,
    uint32_t skew_s)
{
    int64_t of_age = INT64_MAX;
    if (max_age_s != 0 && opened_at <= INT64_MAX - (int64_t)max_age_s)
        of_age = opened_at + (int64_t)max_age_s;
    return earlier(of_age, earlier(before(own_not_after, skew_s), before(chain_not_after, skew_s)));
}

int64_t decide_deadline(const struct requirement *requirement, const struct verdict *verdict, int64_t opened_at,
    uint32_t skew_s)
{
    const struct requirement_terms *terms = &requirement->terms;
    int64_t own = INT64_MAX, chain = INT64_MAX;
    bool is_tls = requirement->key.transport == TRANSPORT_TLS;
    if (is_tls && terms->credential != NULL)
        own = terms->credential->not_after;
    /* What is not proven has no time left. */
    bool is_proven = verdict != NULL && verdict->result == VERDICT_PROVEN;
    if (is_tls && requirement->key.level != LEVEL_ENCRYPT)
        chain = is_proven ? verdict->chain_not_after : INT64_MIN;
    return deadline_of(opened_at, terms->max_age_s, own, chain, skew_s);
}

int64_t decide_deadline_accepted(uint32_t max_age_s, int64_t own_not_after, const struct verdict *verdict,
    int64_t opened_at, uint32_t skew_s)
{
    bool is_proven = verdict != NULL && verdict->result == VERDICT_PROVEN;
    return deadline_of(opened_at, max_age_s, own_not_after, is_proven ? verdict->chain_not_after : INT64_MAX, skew_s);
}
