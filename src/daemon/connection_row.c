/* SPDX-License-Identifier: GPL-2.0-or-later */
/* connection_row.c - see connection_row.h. */
#include "daemon/connection_row.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/table.h"
#include "pkix/digest.h"

#include <stdlib.h>
#include <string.h>

enum { SANS_MAX = 32 };

/* What was shown of one connection. */
struct shown {
    struct table_node node;
    struct connection_handle handle;
    enum connection_state state;
    uint64_t requests;
    uint32_t in_flight;
    int64_t used_at, proven_at, deadline;
    uint64_t policy_generation; /* by which the peer row was found */
    char peer[ROW_NAME_SIZE];   /* "" for none */
    uint64_t round;
};

struct connection_mirror {
    struct connection_store *store;
    struct table shown;
    uint64_t seed, round;
    const struct policy_snapshot *snapshot; /* of this round */
    int64_t now_s;
};

int connection_mirror_new(struct connection_store *store, uint64_t hash_seed, struct connection_mirror **mirror_r)
{
    struct connection_mirror *mirror = calloc(1, sizeof(*mirror));
    if (mirror == NULL || table_init(&mirror->shown) != 0) {
        free(mirror);
        return ERROR_MEMORY;
    }
    mirror->store = store;
    mirror->seed = hash_seed;
    *mirror_r = mirror;
    return 0;
}

void connection_mirror_forget(struct connection_mirror *mirror)
{
    struct table_node *node;
    while ((node = table_walk(&mirror->shown, NULL)) != NULL) {
        table_remove(&mirror->shown, node);
        free(CONTAINER_OF(node, struct shown, node));
    }
}

void connection_mirror_free(struct connection_mirror *mirror)
{
    if (mirror == NULL)
        return;
    connection_mirror_forget(mirror);
    table_fini(&mirror->shown);
    free(mirror);
}

static uint64_t hash_of(const struct connection_mirror *mirror, struct connection_handle handle)
{
    uint64_t parts[2] = { (uint64_t)handle.worker << 32 | handle.slot, handle.generation };
    return hash_bytes(parts, sizeof(parts), mirror->seed);
}

static struct shown *find(struct connection_mirror *mirror, struct connection_handle handle)
{
    struct table_node *node = table_first(&mirror->shown, hash_of(mirror, handle));
    for (; node != NULL; node = table_next(node)) {
        struct shown *shown = CONTAINER_OF(node, struct shown, node);
        if (connection_handle_equal(shown->handle, handle))
            return shown;
    }
    return NULL;
}

static struct slice text_or_absent(const char *text)
{
    return text != NULL && text[0] != '\0' ? slice_of_string(text) : SLICE_ABSENT;
}

static int64_t to_us(int64_t seconds)
{
    return seconds == 0 || seconds == INT64_MAX ? INT64_MIN : seconds * 1000000;
}

/* Storage of what a row borrows. */
struct row_text {
    char id[CONNECTION_ID_SIZE], key[DIGEST_HEX_SIZE], own[DIGEST_HEX_SIZE], peer[DIGEST_HEX_SIZE];
    struct slice sans[SANS_MAX];
    struct buffer names;
};

static void fill_certificate(const struct certificate_facts *certificate, struct row_text *text,
    struct connection_row *row)
{
    row->peer_subject = text_or_absent(certificate->subject);
    row->peer_issuer = text_or_absent(certificate->issuer);
    row->peer_serial = text_or_absent(certificate->serial);
    row->peer_sha256 = slice_of_string(digest_hex(certificate->digest, text->peer));
    row->peer_san_count = certificate_names_list(certificate, &text->names, text->sans, SANS_MAX);
    row->peer_sans = text->sans;
    row->peer_not_before_us = to_us(certificate->not_before);
    row->peer_not_after_us = to_us(certificate->not_after);
}

static void fill_facts(const struct connection_facts *facts, struct row_text *text, struct connection_row *row)
{
    const struct verdict *verdict = &facts->verdict;
    bool is_tls = facts->transport == TRANSPORT_TLS;
    row->transport = slice_of_string(transport_name(facts->transport));
    row->local = facts->local;
    row->policy = text_or_absent(facts->policy);
    if (facts->has_key_digest)
        row->key_digest = slice_of_string(digest_hex(facts->key_digest, text->key));
    if (!is_tls)
        return;
    row->class_name = slice_of_string(verdict->result == VERDICT_PROVEN ? "verified" : "unverified");
    if (verdict->level != LEVEL_UNSET)
        row->level = slice_of_string(level_name(verdict->level));
    row->expected_domain = text_or_absent(verdict->expected_domain);
    if (verdict->result == VERDICT_PROVEN)
        row->verified_domain = text_or_absent(verdict->expected_domain);
    if (verdict->result == VERDICT_REFUSED)
        row->reason = slice_of_string(reason_word(verdict->reason));
    row->certificate = text_or_absent(facts->credential);
    if (facts->credential[0] != '\0')
        row->certificate_sha256 = slice_of_string(digest_hex(facts->credential_digest, text->own));
    row->sni = text_or_absent(facts->server_name);
    row->trust_set = text_or_absent(facts->trust_set);
    if (facts->tls_version != TLS_VERSION_UNSET)
        row->tls_version = slice_of_string(tls_version_name(facts->tls_version));
    row->cipher = text_or_absent(facts->suite);
    if (facts->certificate != NULL)
        fill_certificate(facts->certificate, text, row);
}

static void put(struct connection_mirror *mirror, const struct relay_connection *connection, const struct shown *shown)
{
    struct row_text text = { .names = BUFFER_EMPTY };
    struct connection_row row = { .id = slice_of_string(connection_id_print(connection->handle, text.id)),
        .direction = slice_of_string(connection->is_accepted ? "inbound" : "outbound"),
        .transport = SLICE_LITERAL("tls"), .state = slice_of_string(connection_state_name(connection->state)),
        .remote = connection->peer, .opened_at_us = to_us(connection->opened_at),
        .last_used_at_us = to_us(connection->used_at), .verified_at_us = to_us(connection->proven_at),
        .expires_at_us = to_us(connection->deadline), .peer = text_or_absent(shown->peer),
        .peer_not_before_us = INT64_MIN, .peer_not_after_us = INT64_MIN, .requests = connection->requests,
        .in_flight = connection->in_flight };
    if (connection->facts != NULL)
        fill_facts(connection->facts, &text, &row);
    if (!text.names.has_failed)
        ignore_result(connection_store_put(mirror->store, &row)); /* it comes again with its next change */
    buffer_free(&text.names);
}

/* The worker counts moments back from now, and may be one second off: that alone is no change. */
static bool has_moved(int64_t shown, int64_t now)
{
    return shown != now && (now < shown - 1 || now > shown + 1);
}

static bool has_changed(const struct shown *shown, const struct relay_connection *connection)
{
    return shown->state != connection->state || shown->requests != connection->requests ||
        shown->in_flight != connection->in_flight || has_moved(shown->used_at, connection->used_at) ||
        has_moved(shown->proven_at, connection->proven_at) || has_moved(shown->deadline, connection->deadline);
}

/* Whose requests would be taken by which row: it changes with the policy, and when what was proven does not hold any
 * more, which changes the state. True: it is another one than before. */
static bool find_peer(const struct connection_mirror *mirror, const struct relay_connection *connection,
    struct shown *shown)
{
    char before[ROW_NAME_SIZE];
    uint64_t generation = policy_snapshot_generation(mirror->snapshot);
    bool is_known = shown->policy_generation == generation && shown->state == connection->state;
    if (!connection->is_accepted || connection->facts == NULL || is_known)
        return false;
    const struct peer_rule *peer = relay_peer_of(mirror->snapshot, connection->facts, mirror->now_s);
    memcpy(before, shown->peer, sizeof(before));
    (void)slice_to_string(slice_of_string(peer != NULL ? peer->name : ""), shown->peer, sizeof(shown->peer));
    shown->policy_generation = generation;
    return strcmp(before, shown->peer) != 0;
}

static void show_one(struct connection_mirror *mirror, const struct relay_connection *connection)
{
    struct shown *shown = find(mirror, connection->handle);
    bool is_new = shown == NULL;
    if (is_new) {
        shown = calloc(1, sizeof(*shown));
        if (shown == NULL)
            return;
        shown->handle = connection->handle;
        shown->policy_generation = UINT64_MAX;
        table_insert(&mirror->shown, &shown->node, hash_of(mirror, connection->handle));
    }
    shown->round = mirror->round;
    bool has_other_peer = find_peer(mirror, connection, shown);
    if (!is_new && !has_other_peer && !has_changed(shown, connection))
        return;
    shown->state = connection->state;
    shown->requests = connection->requests;
    shown->in_flight = connection->in_flight;
    shown->used_at = connection->used_at;
    shown->proven_at = connection->proven_at;
    shown->deadline = connection->deadline;
    put(mirror, connection, shown);
}

/* Connections that were not among those of this round are gone. */
static void remove_others(struct connection_mirror *mirror)
{
    char id[CONNECTION_ID_SIZE];
    struct table_node *next;
    for (struct table_node *node = table_walk(&mirror->shown, NULL); node != NULL; node = next) {
        struct shown *shown = CONTAINER_OF(node, struct shown, node);
        next = table_walk(&mirror->shown, node);
        if (shown->round == mirror->round)
            continue;
        ignore_result(connection_store_remove(mirror->store,
            slice_of_string(connection_id_print(shown->handle, id)))); /* the next resync mends it */
        table_remove(&mirror->shown, node);
        free(shown);
    }
}

void connection_mirror_show(struct connection_mirror *mirror, const struct policy_snapshot *snapshot, int64_t now_s,
    const struct relay_connection *connections, size_t count)
{
    mirror->round++;
    mirror->snapshot = snapshot;
    mirror->now_s = now_s;
    for (size_t i = 0; i < count; i++)
        show_one(mirror, &connections[i]);
    remove_others(mirror);
    mirror->snapshot = NULL;
}
