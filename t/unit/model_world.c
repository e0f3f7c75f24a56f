/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model_world.c - what there is around the pool: peers and what they show, names, rows, authorities, certificates of
 * our own; drawn from the dice, and given to src/policy as the loader would give it.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WALL_BASE_S = 1700000000, FOREVER_S = 1000000000, PORT = 5061 };

static const char *const domains[MODEL_DOMAINS] = { "d0.example", "d1.example", "d2.example", "d3.example",
    "d4.example", "d5.example", "x.d6.example", "y.d6.example" };
/* What things are called, and by which name they go in a run where all have other names (M3). */
static const char *const set_names[][MODEL_TRUST_SETS] = { { "set0", "set1", "set2", "set3" },
    { "own1", "a", "zz.Anchors-of_4", "A" } };
static const char *const credential_names[][MODEL_CREDENTIALS] = { { "own0", "own1", "own2", "own3" },
    { "set2", "9", "b", "B" } };
static const char *const ciphers[] = { NULL, "TLS_AES_256_GCM_SHA384:ECDHE-RSA-AES256-GCM-SHA384" };
static const char *const tags[][3] = { { NULL, "tenant1", "tenant2" }, { NULL, "Z", "tenant1" } };

const char *model_domain(int domain)
{
    return domain >= 0 ? domains[domain] : NULL;
}

const char *model_trust_set_name(int set)
{
    return set_names[model()->settings.is_renamed][set];
}

const char *model_credential_name(int credential)
{
    return credential_names[model()->settings.is_renamed][credential];
}

const struct model_policy *model_policy(uint64_t generation)
{
    return &model()->policies[generation % MODEL_GENERATIONS];
}

int64_t model_wall_s(void)
{
    return WALL_BASE_S + model()->wall_offset_s + (int64_t)(model()->now_ms / 1000);
}

static int8_t one_or_none(struct dice *dice, uint32_t count, uint32_t none_in)
{
    return dice_hits(dice, none_in) ? -1 : (int8_t)dice_roll(dice, count);
}

/* --- Peers --- */

static void draw_certificate(struct dice *dice, struct model_certificate *certificate)
{
    int64_t now = WALL_BASE_S;
    bool is_calm = model()->settings.is_calm;
    *certificate = (struct model_certificate){ .root = dice_hits(dice, 2) ? (uint8_t)dice_roll(dice, MODEL_ROOTS) : 0,
        .not_before = now - 1000, .not_after = now + FOREVER_S };
    certificate->names = (uint8_t)(1u << dice_roll(dice, MODEL_DOMAINS));
    while (dice_hits(dice, 2))
        certificate->names |= (uint8_t)(1u << dice_roll(dice, MODEL_DOMAINS));
    certificate->is_for_clients = dice_hits(dice, 16);
    if (dice_hits(dice, 3))
        certificate->not_after = now + (int64_t)dice_roll(dice, is_calm ? 40000 : 400);
    if (dice_hits(dice, 16))
        certificate->not_before = now + (int64_t)dice_roll(dice, 200);
}

static void draw_peer(struct dice *dice, struct model_peer *peer)
{
    static const uint16_t suites[] = { 0x1302, 0xC030, 0x1301, 0xC02F };
    peer->is_up = !dice_hits(dice, 12);
    peer->manner = dice_hits(dice, 6) ? (enum model_manner)dice_roll(dice, MANNER_COUNT) : MANNER_GOOD;
    peer->is_old = dice_hits(dice, 3);
    peer->suite = suites[(dice_hits(dice, 3) ? 2 : 0) + (peer->is_old ? 1 : 0)];
    for (size_t i = 0; i < ARRAY_SIZE(peer->shows); i++)
        peer->shows[i] = (uint8_t)dice_roll(dice, MODEL_CERTIFICATES);
    /* Most have one for the names they are asked for. */
    for (unsigned name = 0; name < MODEL_DOMAINS; name++)
        for (uint8_t i = 0; i < MODEL_CERTIFICATES && !dice_hits(dice, 6); i++)
            if ((model()->certificates[i].names & 1u << name) != 0)
                peer->shows[name] = i;
    if (model()->settings.is_calm && peer->manner == MANNER_MUTE)
        peer->manner = MANNER_GOOD; /* nobody waits there */
}

static struct endpoint place_of(unsigned number)
{
    uint8_t bytes[16] = { 192, 0, 2, (uint8_t)(number + 1) };
    struct endpoint place = { address_v4(bytes), PORT };
    if (number + 1 < MODEL_PEERS)
        return place;
    memcpy(bytes, (const uint8_t[16]){ 0x20, 0x01, 0x0d, 0xb8, [15] = 1 }, sizeof(bytes));
    place.address = address_v6(bytes, 0);
    return place;
}

void model_world_change_peer(void)
{
    struct dice *dice = &model()->dice;
    unsigned number = dice_roll(dice, MODEL_PEERS);
    draw_peer(dice, &model()->peers[number]);
    model_note(NULL, NULL, "peer %u changes: up %d manner %d old %d", number, model()->peers[number].is_up,
        (int)model()->peers[number].manner, model()->peers[number].is_old);
}

/* --- Policy --- */

static void draw_row(struct dice *dice, struct model_row *row)
{
    static const enum level levels[] = { LEVEL_NONE, LEVEL_ENCRYPT, LEVEL_ENCRYPT, LEVEL_CHAIN, LEVEL_DOMAIN,
        LEVEL_DOMAIN };
    *row = (struct model_row){ .is_there = !dice_hits(dice, 10), .priority = (int32_t)dice_roll(dice, 3),
        .level = levels[dice_roll(dice, ARRAY_SIZE(levels))], .expected = one_or_none(dice, MODEL_DOMAINS, 2),
        .credential = one_or_none(dice, MODEL_CREDENTIALS, 2), .trust_set = one_or_none(dice, MODEL_TRUST_SETS, 12),
        .sni = dice_hits(dice, 4) ? (int8_t)dice_roll(dice, MODEL_DOMAINS) : -1, .send_sni = !dice_hits(dice, 4),
        .may_upgrade = !dice_hits(dice, 4), .may_weaken = dice_hits(dice, 2), .may_trust = dice_hits(dice, 2),
        .may_reuse = !dice_hits(dice, 6), .tls_min = TLS_VERSION_1_2, .crl = REVOCATION_OFF };
    if (dice_hits(dice, 40))
        row->level = LEVEL_UNSET;
    if (dice_hits(dice, 5))
        row->tls_min = TLS_VERSION_1_3;
    if (dice_hits(dice, 8))
        row->tls_max = TLS_VERSION_1_2; /* at times below the minimum */
    row->ciphers = dice_hits(dice, 6);
    row->isolation = dice_hits(dice, 4) ? (uint8_t)(1 + dice_roll(dice, 2)) : 0;
    if (dice_hits(dice, 5))
        row->crl = dice_hits(dice, 3) ? REVOCATION_HARD : REVOCATION_SOFT;
    if (row->level >= LEVEL_CHAIN && row->trust_set >= 0 && dice_hits(dice, 5)) {
        row->has_pins = true;
        row->pins[0] = (uint8_t)dice_roll(dice, MODEL_CERTIFICATES);
        row->pins[1] = (uint8_t)dice_roll(dice, MODEL_CERTIFICATES);
    }
    row->max_age_s = dice_hits(dice, 3) ? 1 + dice_roll(dice, 60) : 0;
    row->revalidate_every_s = dice_hits(dice, 4) ? 1 + dice_roll(dice, 30) : 0;
    row->idle_timeout_s = dice_hits(dice, 4) ? 1 + dice_roll(dice, 60) : 0;
    row->keepalive_s = dice_hits(dice, 4) ? 5 + dice_roll(dice, 30) : 0;
}

static void draw_trust_set(struct dice *dice, uint8_t *roots)
{
    *roots = dice_hits(dice, 16) ? 0 : (uint8_t)(1 + dice_roll(dice, (1 << MODEL_ROOTS) - 1));
    if (*roots != 0 && !dice_hits(dice, 3))
        *roots |= 1; /* most have the root that most peers are from */
}

/* A new list has those of the one before, and more; where it is not there, nothing can be checked hard. */
static void draw_list(struct dice *dice, uint8_t *list)
{
    struct model *world = model();
    uint32_t revoked = world->lists[*list];
    if (dice_hits(dice, 4)) {
        *list = 0;
        return;
    }
    if (world->list_count + 1 < MODEL_LISTS) {
        while (!dice_hits(dice, 4))
            revoked |= 1u << dice_roll(dice, MODEL_CERTIFICATES);
        world->lists[++world->list_count] = revoked;
        *list = world->list_count;
    }
}

/* A renewed certificate is another content, under the same name. */
static void draw_credential(struct dice *dice, int8_t *content)
{
    struct model *world = model();
    if (dice_hits(dice, 16)) {
        *content = -1;
        return;
    }
    if (world->content_count < MODEL_CONTENTS && !dice_hits(dice, 4)) {
        int64_t lasts_s = dice_hits(dice, 3) ? (int64_t)dice_roll(dice, 200) : FOREVER_S;
        world->credential_ends[world->content_count] = model_wall_s() + lasts_s;
        world->content_count++;
    }
    *content = world->content_count > 0 ? (int8_t)dice_roll(dice, world->content_count) : -1;
}

static void draw_profile(struct dice *dice, struct model_profile *profile)
{
    *profile = (struct model_profile){ .is_there = !dice_hits(dice, 8),
        .client_auth = (enum client_auth)(CLIENT_AUTH_NONE + dice_roll(dice, 3)),
        .trust_set = one_or_none(dice, MODEL_TRUST_SETS, 4), .credential = (int8_t)dice_roll(dice, MODEL_CREDENTIALS) };
}

static void change(struct dice *dice, struct model_policy *policy)
{
    switch (dice_roll(dice, 10)) {
    case 0:
    case 1:
        draw_trust_set(dice, &policy->trust_sets[dice_roll(dice, MODEL_TRUST_SETS)]);
        break;
    case 2:
    case 3:
        draw_credential(dice, &policy->credentials[dice_roll(dice, MODEL_CREDENTIALS)]);
        break;
    case 8:
        draw_profile(dice, &policy->profile);
        break;
    case 9:
        draw_list(dice, &policy->lists[dice_roll(dice, MODEL_TRUST_SETS)]);
        break;
    case 4:
        break; /* the same content in another generation (INV-41) */
    default:
        /* Those that somebody asks more than others. */
        draw_row(dice, &policy->rows[dice_roll(dice, dice_hits(dice, 3) ? MODEL_ROWS : model()->domains_in_use)]);
        break;
    }
}

void model_policy_change(void)
{
    struct model *world = model();
    struct model_policy policy = *model_policy(world->generation);
    policy.generation = ++world->generation;
    policy.loaded_at = model_wall_s();
    change(&world->dice, &policy);
    world->policies[world->generation % MODEL_GENERATIONS] = policy;
    policy_snapshot_unref(world->snapshot);
    world->snapshot = model_snapshot_build(&policy);
    model_note(NULL, NULL, "policy: generation %llu", (unsigned long long)world->generation);
}

static void release_store(struct trust_store *store)
{
    if (--store->references == 0)
        free(store);
}

static void release_credential(struct tls_credential *credential)
{
    if (--credential->references == 0)
        free(credential);
}

static void put_sets(const struct model_policy *policy, struct policy_builder *builder)
{
    for (size_t i = 0; i < MODEL_TRUST_SETS; i++) {
        if (policy->trust_sets[i] == 0)
            continue;
        struct policy_trust_set row = { .name = model_trust_set_name((int)i), .digest = { 'T', policy->trust_sets[i] },
            .has_crls = policy->lists[i] != 0, .crl_digest = { 'R', policy->lists[i] },
            .store = calloc(1, sizeof(*row.store)) };
        *row.store = (struct trust_store){ .references = 1, .roots = policy->trust_sets[i],
            .list = policy->lists[i] };
        if (policy_builder_trust_set(builder, &row) != 0)
            abort();
    }
    for (size_t i = 0; i < MODEL_CREDENTIALS; i++) {
        int8_t content = policy->credentials[i];
        if (content < 0)
            continue;
        struct policy_credential row = { .name = model_credential_name((int)i),
            .chain_digest = { 'C', (uint8_t)content }, .key_digest = { 'K', (uint8_t)content },
            .leaf_digest = { 'L', (uint8_t)content },
            .not_after = model()->credential_ends[content], .credential = calloc(1, sizeof(*row.credential)) };
        *row.credential = (struct tls_credential){ .references = 1, .content = (uint8_t)content };
        if (policy_builder_credential(builder, &row) != 0)
            abort();
    }
}

/* Rows 0 to 5 and 6, 7 match a domain each, 8 the first domain once more, 9 a suffix, 10 a place, 11 a net, 12 all. */
static void put_match(size_t number, struct outbound_policy *row)
{
    row->match = number <= 8 ? MATCH_DOMAIN : number == 9 ? MATCH_SUFFIX : number <= 11 ? MATCH_ADDRESS : MATCH_DEFAULT;
    if (row->match == MATCH_DOMAIN)
        row->match_name = domains[number % MODEL_DOMAINS];
    else if (row->match == MATCH_SUFFIX)
        row->match_name = "d6.example";
    else if (row->match == MATCH_ADDRESS)
        row->match_prefix = (struct prefix){ number == 10 ? model()->peers[0].place.address
                                                          : address_v4((const uint8_t[4]){ 192, 0, 2, 0 }),
            number == 10 ? 32 : 24 };
}

static void put_row(const struct model_row *from, size_t number, struct policy_builder *builder)
{
    uint8_t pins[2][DIGEST_SIZE] = { { 'P', from->pins[0] }, { 'P', from->pins[1] } };
    bool is_renamed = model()->settings.is_renamed;
    struct outbound_policy row = { .id = is_renamed ? 1000 - (int64_t)number : (int64_t)number + 1,
        .name = is_renamed ? "another" : "row", .priority = from->priority,
        .level = from->level, .expected_domain = model_domain(from->expected),
        .certificate_name = from->credential >= 0 ? model_credential_name(from->credential) : NULL,
        .trust_set_name = from->trust_set >= 0 ? model_trust_set_name(from->trust_set) : NULL,
        .send_sni = from->send_sni, .sni = model_domain(from->sni), .eku_mode = EKU_TLS_ROLE, .crl = from->crl,
        .ocsp = REVOCATION_OFF,
        .tls_min = from->tls_min, .tls_max = from->tls_max, .ciphers = ciphers[from->ciphers],
        .max_age_s = from->max_age_s, .revalidate_every_s = from->revalidate_every_s,
        .idle_timeout_s = from->idle_timeout_s, .keepalive_s = from->keepalive_s,
        .upgrade = from->may_upgrade ? UPGRADE_IDLE : UPGRADE_NEVER, .scheme = SCHEME_ANY,
        .weaken = from->may_weaken ? PERMISSION_ALLOWED : PERMISSION_REFUSED,
        .trust_flag = from->may_trust ? PERMISSION_ALLOWED : PERMISSION_REFUSED, .reuse = from->may_reuse,
        .isolation = tags[is_renamed][from->isolation], .pins = from->has_pins ? pins : NULL,
        .pin_count = from->has_pins ? 2 : 0 };
    if (!from->is_there)
        return;
    put_match(number, &row);
    if (policy_builder_outbound(builder, &row) != 0)
        abort();
}

static void put_profile(const struct model_profile *profile, struct policy_builder *builder)
{
    const struct server_profile row = { .name = "edge",
        .certificate_names = { model_credential_name(profile->credential) },
        .certificate_count = 1, .client_auth = profile->client_auth,
        .trust_set_name = profile->trust_set >= 0 ? model_trust_set_name(profile->trust_set) : NULL,
        .eku_mode = EKU_TLS_ROLE, .crl = REVOCATION_OFF, .ocsp = REVOCATION_OFF, .tls_min = TLS_VERSION_1_2 };
    if (profile->is_there && policy_builder_server_profile(builder, &row) != 0)
        abort();
}

struct policy_snapshot *model_snapshot_build(const struct model_policy *policy)
{
    static const struct policy_release_ops ops = { .trust_store = release_store, .credential = release_credential };
    struct policy_builder *builder;
    struct policy_snapshot *snapshot;
    struct why why = WHY_NONE;
    if (policy_builder_new(&ops, 1, &builder) != 0)
        abort();
    put_sets(policy, builder);
    for (size_t i = 0; i < MODEL_ROWS; i++)
        put_row(&policy->rows[i], i, builder);
    put_profile(&policy->profile, builder);
    if (policy_builder_finish(builder, policy->generation, policy->loaded_at, &snapshot, &why) != 0)
        abort();
    return snapshot;
}

void model_world_make(void)
{
    struct model *world = model();
    struct dice *dice = &world->dice;
    for (size_t i = 0; i < MODEL_CERTIFICATES; i++)
        draw_certificate(dice, &world->certificates[i]);
    for (unsigned i = 0; i < MODEL_PEERS; i++) {
        world->peers[i].place = place_of(i);
        draw_peer(dice, &world->peers[i]);
    }
    /* In a small world requests meet more often. */
    world->domains_in_use = dice_hits(dice, 2) ? 1 + dice_roll(dice, 3) : MODEL_DOMAINS;
    world->peers_in_use = dice_hits(dice, 2) ? 1 + dice_roll(dice, 2) : MODEL_PEERS;
    for (size_t i = 0; i < MODEL_DOMAINS; i++)
        world->dns[i] = (uint8_t)dice_roll(dice, world->peers_in_use);
    struct model_policy *policy = &world->policies[1];
    *policy = (struct model_policy){ .generation = 1, .loaded_at = model_wall_s() };
    world->generation = 1;
    for (size_t i = 0; i < MODEL_TRUST_SETS; i++)
        draw_trust_set(dice, &policy->trust_sets[i]);
    for (size_t i = 0; i < MODEL_TRUST_SETS; i++)
        if (dice_hits(dice, 2))
            draw_list(dice, &policy->lists[i]);
    for (size_t i = 0; i < MODEL_CREDENTIALS; i++)
        draw_credential(dice, &policy->credentials[i]);
    for (size_t i = 0; i < MODEL_ROWS; i++)
        draw_row(dice, &policy->rows[i]);
    draw_profile(dice, &policy->profile);
    world->snapshot = model_snapshot_build(policy);
}

/* --- Requests --- */

static uint32_t draw_flags(struct dice *dice)
{
    static const uint32_t single[] = { T_RELAY_TLS, T_RELAY_VERIFY_CHAIN, T_RELAY_VERIFY_DOMAIN, T_RELAY_NO_VERIFY,
        T_RELAY_CERT, T_RELAY_NO_CERT, T_RELAY_SNI, T_RELAY_NO_SNI, T_RELAY_TRUST, T_RELAY_CRL,
        T_RELAY_NO_CONN_REUSE, T_RELAY_NO_CONNECT, T_RELAY_NO_UPGRADE, T_RELAY_MAX_AGE };
    uint32_t bits = 0;
    for (size_t i = 0; i < ARRAY_SIZE(single); i++)
        if (dice_hits(dice, i < 4 ? 10 : 30)) /* the levels more than the others */
            bits |= single[i];
    if ((bits & T_RELAY_NO_VERIFY) != 0)
        bits &= ~(uint32_t)(T_RELAY_VERIFY_CHAIN | T_RELAY_VERIFY_DOMAIN | T_RELAY_TRUST);
    if ((bits & T_RELAY_CERT) != 0)
        bits &= ~(uint32_t)T_RELAY_NO_CERT;
    if ((bits & T_RELAY_SNI) != 0)
        bits &= ~(uint32_t)T_RELAY_NO_SNI;
    if ((bits & T_RELAY_NO_CONNECT) != 0)
        bits &= ~(uint32_t)T_RELAY_NO_CONN_REUSE;
    return bits;
}

/* To the same place under the same flags, but for the level: what was opened for the one may become the other's. */
static void draw_alike(struct dice *dice, struct model_request *request)
{
    static const uint32_t levels[] = { 0, T_RELAY_VERIFY_CHAIN, T_RELAY_VERIFY_DOMAIN, T_RELAY_NO_VERIFY };
    const struct model_request *past = &model()->past[dice_roll(dice, MODEL_PAST)];
    uint32_t all = levels[1] | levels[2] | levels[3], level = levels[dice_roll(dice, ARRAY_SIZE(levels))];
    if (past->number == 0)
        return;
    request->domain = past->domain;
    request->peer = past->peer;
    request->other_peer = past->other_peer;
    request->transport = past->transport;
    request->local = past->local;
    request->bits = (past->bits & ~all) | level;
    if (level == T_RELAY_NO_VERIFY)
        request->bits &= ~(uint32_t)T_RELAY_TRUST;
    request->flag_sni = past->flag_sni;
    request->flag_certificate = past->flag_certificate;
}

void model_request_draw(struct model_request *request)
{
    struct dice *dice = &model()->dice;
    bool is_calm = model()->settings.is_calm;
    uint32_t names = model()->domains_in_use, peers = model()->peers_in_use;
    request->domain = dice_hits(dice, 10) ? -1 : (int8_t)dice_roll(dice, names);
    request->peer = request->domain < 0 || dice_hits(dice, 3) ? (uint8_t)dice_roll(dice, peers)
                                                              : model()->dns[request->domain];
    request->other_peer = dice_hits(dice, 4) ? (uint8_t)dice_roll(dice, peers) : request->peer;
    request->transport = dice_hits(dice, 8) ? TRANSPORT_TCP : TRANSPORT_TLS;
    request->local = dice_hits(dice, 8);
    request->bits = draw_flags(dice);
    request->flag_domain = one_or_none(dice, MODEL_DOMAINS, 2);
    request->flag_sni = (int8_t)dice_roll(dice, MODEL_DOMAINS);
    request->flag_certificate = (int8_t)dice_roll(dice, MODEL_CREDENTIALS);
    request->flag_trust = (int8_t)dice_roll(dice, MODEL_TRUST_SETS);
    request->flag_max_age_s = 1 + dice_roll(dice, 30);
    request->has_client = is_calm || !dice_hits(dice, 5);
    request->home = dice_roll(dice, MODEL_WORKERS);
    request->is_mapped = dice_hits(dice, 6);
    if (!is_calm && dice_hits(dice, 4))
        draw_alike(dice, request);
    if (!is_calm)
        return;
    request->other_peer = request->peer;
    request->bits &= ~(uint32_t)T_RELAY_NO_CONNECT;
    if (model()->settings.has_no_reuse)
        request->bits |= T_RELAY_NO_CONN_REUSE;
}
