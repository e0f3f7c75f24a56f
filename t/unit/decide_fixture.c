/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide_fixture.c - requirements, verdicts and connections for tests; see decide_fixture.h. */
#include "decide_fixture.h"

#include <string.h>

struct requirement fixture_requirement(enum level level)
{
    struct requirement requirement = { .terms = { .may_reuse = true, .may_connect = true } };
    struct requirement_key *key = &requirement.key;
    key->role = ROLE_OUT;
    key->transport = level == LEVEL_NONE ? TRANSPORT_TCP : TRANSPORT_TLS;
    key->destination = (struct endpoint){ fixture_address("192.0.2.1"), 5061 };
    key->level = (uint8_t)level;
    if (level == LEVEL_NONE)
        return requirement;
    memcpy(key->sni, "biloxi.example", sizeof("biloxi.example"));
    key->eku_mode = EKU_TLS_ROLE;
    key->crl = key->ocsp = REVOCATION_OFF;
    key->tls_min = TLS_VERSION_1_2;
    key->tls_max = TLS_VERSION_1_3;
    if (level < LEVEL_CHAIN)
        return requirement;
    requirement.terms.may_upgrade = true;
    key->trust.is_set = true;
    memset(key->trust.bytes, 1, DIGEST_SIZE);
    if (level == LEVEL_DOMAIN)
        memcpy(key->expected_domain, "biloxi.example", sizeof("biloxi.example"));
    return requirement;
}

struct verdict fixture_verdict(const struct requirement_key *key)
{
    struct verdict verdict = { .result = VERDICT_NOT_TAKEN, .level = (enum level)key->level,
        .taken_at = FIXTURE_NOW - 50, .chain_not_after = FIXTURE_NOW + 1000 };
    memset(verdict.leaf_digest, 9, DIGEST_SIZE);
    if (key->level < LEVEL_CHAIN)
        return verdict;
    verdict.result = VERDICT_PROVEN;
    if (key->trust.is_set)
        memcpy(verdict.trust_digest, key->trust.bytes, DIGEST_SIZE);
    if (key->level == LEVEL_DOMAIN) {
        memcpy(verdict.expected_domain, key->expected_domain, sizeof(verdict.expected_domain));
        memcpy(verdict.matched_name, key->expected_domain, sizeof(verdict.matched_name));
    }
    return verdict;
}

struct connection_view fixture_connection(uint64_t generation, const struct connection_key *key,
    const struct verdict *verdict)
{
    return (struct connection_view){ .handle = { .worker = 1, .slot = 2, .generation = generation },
        .state = CONNECTION_READY, .key = key, .verdict = verdict, .opened_at = FIXTURE_NOW - 60,
        .deadline = FIXTURE_NOW + 500, .is_full_handshake = true, .meets_floor = true };
}

struct connection_key fixture_key_of(const struct requirement *requirement)
{
    struct connection_key key;
    connection_key_encode(&requirement->key, FIXTURE_SEED, &key);
    return key;
}
