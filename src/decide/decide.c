/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide.c - the decision; see decide.h. */
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

const char *decision_name(enum decision decision)
{
    return decision > DECISION_UNSET && decision < DECISION_COUNT ? decision_names[decision] : "unset";
}

const char *connection_state_name(enum connection_state state)
{
    return state > CONNECTION_UNSET && state < CONNECTION_STATE_COUNT ? state_names[state] : "unset";
}

static struct decision_result reject(enum reason reason)
{
    return (struct decision_result){ .decision = DECISION_REJECT, .reason = reason };
}

static struct decision_result choose(enum decision decision, struct connection_handle handle)
{
    return (struct decision_result){ .decision = decision, .reason = REASON_NONE, .handle = handle };
}

/* Does the verdict prove what a connection of this key promises? (INV-5, INV-16) */
static enum reason verdict_defect(const struct requirement_key *key, const struct verdict *verdict)
{
    if (key->transport == TRANSPORT_TCP)
        return key->level == LEVEL_NONE ? REASON_NONE : REASON_PLAIN_TRANSPORT;
    if (key->transport != TRANSPORT_TLS || verdict == NULL)
        return REASON_CHAIN_UNTRUSTED;
    if (verdict->result == VERDICT_REFUSED)
        return verdict->reason != REASON_NONE ? verdict->reason : REASON_CHAIN_UNTRUSTED;
    if (key->level == LEVEL_ENCRYPT)
        return verdict->result == VERDICT_NOT_TAKEN && verdict->level == LEVEL_ENCRYPT ? REASON_NONE
                                                                                       : REASON_CHAIN_UNTRUSTED;
    if ((key->level != LEVEL_CHAIN && key->level != LEVEL_DOMAIN) || verdict->result != VERDICT_PROVEN ||
        (uint8_t)verdict->level != key->level)
        return REASON_CHAIN_UNTRUSTED;
    if (key->trust.is_set && memcmp(key->trust.bytes, verdict->trust_digest, DIGEST_SIZE) != 0)
        return REASON_CHAIN_UNTRUSTED;
    if (!key->trust.is_set && key->pins.count == 0)
        return REASON_CHAIN_UNTRUSTED;
    if (key->level == LEVEL_DOMAIN &&
        (key->expected_domain[0] == '\0' || strcmp(key->expected_domain, verdict->expected_domain) != 0))
        return REASON_WRONG_IDENTITY;
    return REASON_NONE;
}

enum reason decide_may_send(const struct requirement *requirement, const struct connection_key *key,
    const struct connection_view *connection, int64_t now)
{
    if (connection->state != CONNECTION_READY || connection->handle.generation == 0)
        return REASON_CONNECTION_LOST;
    if (connection->key == NULL || !connection_key_equal(key, connection->key))
        return REASON_CHAIN_UNTRUSTED;
    if (now >= connection->deadline)
        return REASON_CONNECTION_LOST;
    return verdict_defect(&requirement->key, connection->verdict);
}

static bool is_pending(enum connection_state state)
{
    return state == CONNECTION_DIALING || state == CONNECTION_HANDSHAKING || state == CONNECTION_VERIFYING;
}

static const struct connection_view *find_ready(const struct requirement *requirement,
    const struct connection_key *key, const struct pool_view *pool, int64_t now)
{
    for (size_t i = 0; i < pool->equal_count; i++) {
        const struct connection_view *connection = &pool->equal[i];
        if (!connection->is_exclusive && decide_may_send(requirement, key, connection, now) == REASON_NONE)
            return connection;
    }
    return NULL;
}

static const struct connection_view *find_pending(const struct connection_key *key, const struct pool_view *pool)
{
    for (size_t i = 0; i < pool->equal_count; i++) {
        const struct connection_view *connection = &pool->equal[i];
        if (!connection->is_exclusive && is_pending(connection->state) && connection->handle.generation != 0 &&
            connection->key != NULL && connection_key_equal(key, connection->key))
            return connection;
    }
    return NULL;
}

/* The candidate's own key, but for what the verdict adds, is the one asked for (INV-35). */
static bool may_become(const struct requirement_key *wanted, const struct connection_view *connection, int64_t now)
{
    struct requirement_key has;
    if (connection->key == NULL || connection_key_decode(connection->key, &has) != 0)
        return false;
    struct requirement_key stripped = *wanted;
    stripped.level = LEVEL_ENCRYPT;
    memset(stripped.expected_domain, 0, sizeof(stripped.expected_domain));
    stripped.cn_fallback = stripped.wildcard = stripped.eku_mode = stripped.crl = stripped.ocsp = 0;
    stripped.trust = stripped.crl_set = (struct optional_digest){ .is_set = false };
    stripped.pins = (struct pin_set){ .count = 0 };
    /* The floor of the other key is another handshake's; what was negotiated is what counts. */
    stripped.tls_min = has.tls_min;
    stripped.tls_max = has.tls_max;
    memcpy(stripped.ciphers, has.ciphers, sizeof(stripped.ciphers));
    struct connection_key expected;
    connection_key_encode(&stripped, 0, &expected);
    return connection_key_equal(&expected, connection->key) && connection->state == CONNECTION_READY &&
        connection->is_full_handshake && connection->meets_floor && connection->in_flight == 0 &&
        !connection->is_exclusive && now < connection->deadline && connection->verdict != NULL &&
        connection->verdict->result == VERDICT_NOT_TAKEN;
}

static const struct connection_view *find_upgrade(const struct requirement *requirement, const struct pool_view *pool,
    int64_t now)
{
    if (!requirement->terms.may_upgrade || !level_needs_chain((enum level)requirement->key.level) ||
        requirement->key.transport != TRANSPORT_TLS)
        return NULL;
    for (size_t i = 0; i < pool->unverified_count; i++)
        if (may_become(&requirement->key, &pool->unverified[i], now))
            return &pool->unverified[i];
    return NULL;
}

static enum reason defect_of(const struct requirement_key *key)
{
    bool is_tls = key->transport == TRANSPORT_TLS;
    if (key->role != ROLE_OUT || key->destination.port == 0)
        return REASON_POLICY_UNUSABLE;
    if (!is_tls)
        return key->level == LEVEL_NONE ? REASON_NONE : REASON_PLAIN_TRANSPORT;
    if (key->level <= LEVEL_NONE || key->level >= LEVEL_COUNT || key->tls_min == TLS_VERSION_UNSET)
        return REASON_POLICY_UNUSABLE;
    if (level_needs_chain((enum level)key->level) && !key->trust.is_set && key->pins.count == 0)
        return REASON_UNKNOWN_TRUST_SET;
    if (key->level == LEVEL_DOMAIN && key->expected_domain[0] == '\0')
        return REASON_NO_EXPECTED_DOMAIN;
    return REASON_NONE;
}

struct decision_result decide(const struct requirement *requirement, const struct connection_key *key,
    const struct pool_view *pool, const struct capabilities *capabilities, int64_t now)
{
    enum reason defect = defect_of(&requirement->key);
    if (defect != REASON_NONE)
        return reject(defect);
    if (requirement->key.transport == TRANSPORT_UDP)
        return choose(DECISION_DATAGRAM, (struct connection_handle){ 0 });
    if (requirement->key.transport != TRANSPORT_TCP && requirement->key.transport != TRANSPORT_TLS)
        return reject(REASON_POLICY_UNUSABLE);
    const struct requirement_terms *terms = &requirement->terms;
    const struct connection_view *found = terms->may_reuse ? find_ready(requirement, key, pool, now) : NULL;
    if (found != NULL)
        return choose(DECISION_REUSE, found->handle);
    if (pool->backoff_until > now)
        return reject(REASON_BACKOFF);
    /* no-connect means a connection that stands, not one that may come to stand. */
    found = terms->may_reuse && terms->may_connect ? find_pending(key, pool) : NULL;
    if (found != NULL)
        return found->waiters < pool->waiters_max ? choose(DECISION_JOIN, found->handle) : reject(REASON_LIMIT);
    found = terms->may_reuse && capabilities->upgrade ? find_upgrade(requirement, pool, now) : NULL;
    if (found != NULL)
        return choose(DECISION_UPGRADE, found->handle);
    if (!terms->may_connect)
        return reject(REASON_NO_CONNECTION);
    return pool->has_room ? choose(DECISION_OPEN, (struct connection_handle){ 0 }) : reject(REASON_LIMIT);
}

enum reason decide_publish(const struct requirement_key *key, const struct handshake_facts *handshake,
    const struct verdict *verdict)
{
    if (key->transport == TRANSPORT_TCP)
        return handshake == NULL ? verdict_defect(key, verdict) : REASON_PLAIN_TRANSPORT;
    if (key->transport != TRANSPORT_TLS || handshake == NULL)
        return REASON_TLS_FAILED;
    if (!handshake->is_full_handshake || !handshake->is_captured)
        return REASON_TLS_FAILED;
    if (handshake->tls_version == TLS_VERSION_UNSET || (uint8_t)handshake->tls_version < key->tls_min ||
        (uint8_t)handshake->tls_version > key->tls_max || !handshake->is_suite_allowed)
        return REASON_TLS_FLOOR;
    return verdict_defect(key, verdict);
}
