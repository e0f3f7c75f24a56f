/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_fixture.c - snapshots for tests; see policy_fixture.h. */
#include "policy_fixture.h"

#include <string.h>

static struct fixture_releases releases;

static char objects[64];

struct trust_store *fixture_store(unsigned number)
{
    return (struct trust_store *)(void *)&objects[number % 32];
}

struct tls_credential *fixture_key(unsigned number)
{
    return (struct tls_credential *)(void *)&objects[32 + number % 32];
}

static void release_store(struct trust_store *store)
{
    assert_non_null(store);
    releases.trust_stores++;
}

static void release_key(struct tls_credential *credential)
{
    assert_non_null(credential);
    releases.credentials++;
}

struct fixture_releases fixture_released(void)
{
    return releases;
}

void fixture_forget_releases(void)
{
    releases = (struct fixture_releases){ 0, 0 };
}

const struct policy_release_ops *fixture_release_ops(void)
{
    static const struct policy_release_ops ops = { .trust_store = release_store, .credential = release_key };
    return &ops;
}

struct outbound_policy fixture_outbound(int64_t id, const char *domain)
{
    return (struct outbound_policy){ .id = id, .name = domain, .match = MATCH_DOMAIN, .match_name = domain,
        .priority = 100, .level = LEVEL_ENCRYPT, .send_sni = true, .eku_mode = EKU_TLS_ROLE, .crl = REVOCATION_OFF,
        .ocsp = REVOCATION_OFF, .tls_min = TLS_VERSION_1_2, .upgrade = UPGRADE_IDLE, .scheme = SCHEME_ANY,
        .weaken = PERMISSION_REFUSED, .trust_flag = PERMISSION_REFUSED, .reuse = true };
}

struct policy_trust_set fixture_trust_set(const char *name, uint8_t content)
{
    struct policy_trust_set row = { .name = name, .store = fixture_store(content) };
    memset(row.digest, content, sizeof(row.digest));
    return row;
}

struct policy_credential fixture_credential(const char *name, uint8_t content)
{
    struct policy_credential row = { .name = name, .not_after = FIXTURE_LOADED_AT + 1000000,
        .credential = fixture_key(content) };
    memset(row.chain_digest, 0x10 + content, sizeof(row.chain_digest));
    memset(row.key_digest, 0x20 + content, sizeof(row.key_digest));
    return row;
}

struct server_profile fixture_profile(const char *name, const char *listener, const char *server_name)
{
    return (struct server_profile){ .name = name, .listener = listener, .server_name = server_name,
        .certificate_names = { "ours" }, .certificate_count = 1, .client_auth = CLIENT_AUTH_NONE,
        .eku_mode = EKU_TLS_ROLE, .crl = REVOCATION_OFF, .ocsp = REVOCATION_OFF, .tls_min = TLS_VERSION_1_2 };
}

struct peer_rule fixture_peer(int64_t id, const char *name)
{
    return (struct peer_rule){ .id = id, .name = name, .priority = 100, .action = PEER_ACCEPT };
}

struct route fixture_route(int64_t id, const char *domain)
{
    return (struct route){ .id = id, .name = "route", .priority = 100, .weight = 1, .domain = domain };
}

struct policy_builder *fixture_builder_bare(void)
{
    struct policy_builder *builder = NULL;
    assert_int_equal(policy_builder_new(fixture_release_ops(), FIXTURE_SEED, &builder), 0);
    return builder;
}

struct policy_builder *fixture_builder(void)
{
    struct policy_builder *builder = fixture_builder_bare();
    struct policy_trust_set anchors = fixture_trust_set("anchors", 1), others = fixture_trust_set("others", 2);
    struct policy_credential ours = fixture_credential("ours", 1), theirs = fixture_credential("theirs", 2);
    assert_int_equal(policy_builder_trust_set(builder, &anchors), 0);
    assert_int_equal(policy_builder_trust_set(builder, &others), 0);
    assert_int_equal(policy_builder_credential(builder, &ours), 0);
    assert_int_equal(policy_builder_credential(builder, &theirs), 0);
    return builder;
}

struct policy_snapshot *fixture_finish(struct policy_builder *builder)
{
    struct policy_snapshot *snapshot = NULL;
    struct why why = WHY_NONE;
    assert_int_equal(policy_builder_finish(builder, 7, FIXTURE_LOADED_AT, &snapshot, &why), 0);
    return snapshot;
}

struct address fixture_address(const char *text)
{
    struct address address = { .family = ADDRESS_NONE };
    assert_int_equal(address_parse(slice_of_string(text), &address), 0);
    return address;
}

struct prefix fixture_prefix(const char *text)
{
    struct prefix prefix = { .length = 0 };
    assert_int_equal(prefix_parse(slice_of_string(text), &prefix), 0);
    return prefix;
}

uint32_t fixture_random(uint32_t *state, uint32_t limit)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % limit;
}
