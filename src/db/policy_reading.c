/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_reading.c - one reading of all policy tables; see policy_reading.h.
 * All commands are given at once; the last one, COMMIT, ends the reading whatever happened before.
 */
#include "db/policy_reading.h"

#include "base/error.h"
#include "base/integer.h"
#include "db/policy_rows.h"
#include "pkix/digest.h"
#include "pkix/trust_store.h"
#include "tls/tls_credential.h"

#include <stdlib.h>
#include <string.h>

struct policy_reading {
    struct policy_material *material;
    struct policy_builder *builder;
    int64_t now_s;
    policy_reading_fn *done;
    void *arg;
    struct policy_mark mark;
    uint8_t content[DIGEST_SIZE];
    struct buffer scratch;      /* a row's bytes on their way into the digest */
    struct buffer certificates; /* JSON objects joined by ',' */
    struct buffer anchors;      /* copies of struct anchor_row of the trust set being read */
    char set_name[ROW_NAME_SIZE];
    bool has_set;
    bool has_defects;
    bool has_failed;
    struct why why;
};

const char *policy_mark_query(void)
{
    return "SELECT version, changed_at FROM trelay.policy_version";
}

void policy_mark_read(const struct database_result *result, size_t row, struct policy_mark *mark_r)
{
    struct policy_mark mark = { .version = 0 };
    uint64_t version;
    if (integer_parse(database_cell(result, row, 0), INT64_MAX, &version) == 0 &&
        slice_to_string(database_cell(result, row, 1), mark.changed_at, sizeof(mark.changed_at)))
        mark.version = (int64_t)version;
    *mark_r = mark;
}

bool policy_mark_equal(const struct policy_mark *a, const struct policy_mark *b)
{
    return a->version != 0 && a->version == b->version && strcmp(a->changed_at, b->changed_at) == 0;
}

static void fail(struct policy_reading *reading, const char *text)
{
    if (reading->has_failed)
        return;
    reading->has_failed = true;
    (void)why_fail(&reading->why, 0, "%s", text);
}

static void fail_memory(struct policy_reading *reading, int rc)
{
    if (rc != 0)
        fail(reading, "no memory for the policy");
}

/* Each row changes the digest by all its columns; NULL differs from empty, and the order of rows counts. */
static void digest_row(struct policy_reading *reading, const char *table, const struct database_result *result,
    size_t row)
{
    struct buffer *bytes = &reading->scratch;
    buffer_clear(bytes);
    buffer_append_string(bytes, table);
    for (size_t column = 0; column < database_column_count(result); column++) {
        struct slice cell = database_cell(result, row, column);
        buffer_append_u32(bytes, slice_is_absent(cell) ? UINT32_MAX : (uint32_t)cell.length);
        if (!slice_is_absent(cell))
            buffer_append_slice(bytes, cell);
    }
    const struct slice parts[] = { slice_of((const char *)reading->content, DIGEST_SIZE), buffer_slice(bytes) };
    fail_memory(reading, bytes->has_failed ? ERROR_MEMORY : digest_sha256(parts, ARRAY_SIZE(parts), reading->content));
}

/* What went in, and whether it could be used: the same content may fare better the next time. */
static void digest_material(struct policy_reading *reading, const struct material_identity *identity,
    const char *unusable)
{
    const struct slice parts[] = { slice_of((const char *)reading->content, DIGEST_SIZE),
        slice_of((const char *)identity->digest, DIGEST_SIZE), slice_of_string(unusable != NULL ? unusable : "") };
    reading->has_defects = reading->has_defects || unusable != NULL;
    fail_memory(reading, digest_sha256(parts, ARRAY_SIZE(parts), reading->content));
}

static void on_mark(void *arg, const struct database_result *result)
{
    struct policy_reading *reading = arg;
    if (database_row_count(result) > 0)
        policy_mark_read(result, 0, &reading->mark);
}

typedef int add_row_fn(struct policy_builder *builder, const struct database_result *result, size_t row);

static void add_rows(struct policy_reading *reading, const char *table, const struct database_result *result,
    add_row_fn *add_row)
{
    for (size_t row = 0; row < database_row_count(result) && !reading->has_failed; row++) {
        digest_row(reading, table, result, row);
        if (!reading->has_failed)
            fail_memory(reading, add_row(reading->builder, result, row));
    }
}

static void on_outbound(void *arg, const struct database_result *result)
{
    add_rows(arg, "outbound_policy", result, policy_rows_outbound);
}

static void on_profile(void *arg, const struct database_result *result)
{
    add_rows(arg, "server_profile", result, policy_rows_server_profile);
}

static void on_peer(void *arg, const struct database_result *result)
{
    add_rows(arg, "peer", result, policy_rows_peer);
}

static void on_route(void *arg, const struct database_result *result)
{
    add_rows(arg, "route", result, policy_rows_route);
}

static int add_credential(struct policy_reading *reading, const struct database_result *result, size_t row)
{
    struct slice name = database_cell(result, row, 0);
    const struct credential_source source = {
        .chain = { .text = database_cell(result, row, 1), .path = database_cell(result, row, 2).data },
        .key = { .text = database_cell(result, row, 3), .path = database_cell(result, row, 4).data },
        .key_uri = database_cell(result, row, 5),
        .passphrase = database_cell(result, row, 6),
    };
    struct policy_credential credential;
    struct material_identity identity;
    struct why why = WHY_NONE;
    int rc = policy_material_credential(reading->material, name.data, &source, &credential, &identity,
        &reading->certificates, &why);
    if (rc != 0)
        return rc;
    credential.unusable = credential.credential == NULL ? why.text : NULL;
    digest_material(reading, &identity, credential.unusable);
    return policy_builder_credential(reading->builder, &credential);
}

static void on_credential(void *arg, const struct database_result *result)
{
    struct policy_reading *reading = arg;
    for (size_t row = 0; row < database_row_count(result) && !reading->has_failed; row++) {
        digest_row(reading, "certificate", result, row);
        if (!reading->has_failed)
            fail_memory(reading, add_credential(reading, result, row));
    }
    if (reading->scratch.data != NULL)
        cleanse_bytes(reading->scratch.data, reading->scratch.capacity); /* there were keys in it */
}

static int hex_value(char digit)
{
    return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* A secret as hexadecimal digits, of which PostgreSQL gives the lower case. False: it cannot be used. */
static bool add_secret(struct policy_builder *builder, struct slice hex)
{
    uint8_t bytes[DIALOG_SECRET_MAX];
    bool is_good = hex.length % 2 == 0 && hex.length <= 2 * sizeof(bytes);
    for (size_t i = 0; is_good && i < hex.length / 2; i++) {
        int high = hex_value(hex.data[2 * i]), low = hex_value(hex.data[2 * i + 1]);
        is_good = high >= 0 && low >= 0;
        bytes[i] = is_good ? (uint8_t)(high << 4 | low) : 0;
    }
    is_good = is_good && policy_builder_dialog_secret(builder, slice_of((const char *)bytes, hex.length / 2)) == 0;
    cleanse_bytes(bytes, sizeof(bytes));
    return is_good;
}

static void on_secret(void *arg, const struct database_result *result)
{
    struct policy_reading *reading = arg;
    for (size_t row = 0; row < database_row_count(result) && !reading->has_failed; row++) {
        digest_row(reading, "dialog_secret", result, row);
        if (!add_secret(reading->builder, database_cell(result, row, 1)))
            fail_memory(reading, policy_builder_problem(reading->builder, "dialog_secret",
                database_cell(result, row, 0).data, "it is too short or too long"));
    }
    if (reading->scratch.data != NULL)
        cleanse_bytes(reading->scratch.data, reading->scratch.capacity);
}

/* The anchors of one set come row by row; text and path are copied: each row's answer is gone after its call. */
struct anchor_row {
    char name[ROW_NAME_SIZE];
    char *text, *path;
};

static size_t anchor_count(const struct policy_reading *reading)
{
    return reading->anchors.length / sizeof(struct anchor_row);
}

static struct anchor_row *anchor_at(const struct policy_reading *reading, size_t index)
{
    return (struct anchor_row *)(void *)reading->anchors.data + index;
}

static void forget_anchors(struct policy_reading *reading)
{
    for (size_t i = 0; i < anchor_count(reading); i++) {
        free(anchor_at(reading, i)->text);
        free(anchor_at(reading, i)->path);
    }
    buffer_clear(&reading->anchors);
    reading->has_set = false;
}

/* Lines "name: why" as problems of the anchors. */
static int add_anchor_problems(struct policy_reading *reading, struct buffer *lines)
{
    int rc = lines->has_failed ? ERROR_MEMORY : 0;
    for (size_t at = 0; rc == 0 && at < lines->length;) {
        struct buffer text = BUFFER_EMPTY;
        size_t end = slice_find(buffer_slice(lines), '\n', at);
        buffer_append(&text, lines->data + at, end - at);
        buffer_append_byte(&text, '\0');
        rc = text.has_failed ? ERROR_MEMORY
                             : policy_builder_problem(reading->builder, "trust_set", reading->set_name, text.data);
        buffer_free(&text);
        at = end + 1;
    }
    return rc;
}

static int make_set(struct policy_reading *reading, const struct anchor_source *anchors, size_t count)
{
    struct policy_trust_set trust_set;
    struct material_identity identity;
    struct buffer problems = BUFFER_EMPTY;
    struct why why = WHY_NONE;
    int rc = policy_material_trust_set(reading->material, reading->set_name, anchors, count, reading->now_s, &trust_set,
        &identity, &reading->certificates, &problems, &why);
    if (rc == 0) {
        trust_set.unusable = trust_set.store == NULL ? why.text : NULL;
        digest_material(reading, &identity, trust_set.unusable);
        rc = policy_builder_trust_set(reading->builder, &trust_set);
    }
    if (rc == 0)
        rc = add_anchor_problems(reading, &problems);
    buffer_free(&problems);
    return rc;
}

/* The set whose last row has been seen. */
static void finish_set(struct policy_reading *reading)
{
    size_t count = anchor_count(reading);
    if (!reading->has_set || reading->has_failed)
        return;
    struct anchor_source *anchors = calloc(count + 1, sizeof(*anchors));
    for (size_t i = 0; anchors != NULL && i < count; i++) {
        const struct anchor_row *row = anchor_at(reading, i);
        anchors[i] = (struct anchor_source){ .name = row->name,
            .certificates = { .text = slice_of_string(row->text), .path = row->path } };
    }
    fail_memory(reading, anchors == NULL ? ERROR_MEMORY : make_set(reading, anchors, count));
    free(anchors);
    forget_anchors(reading);
}

static char *copy_cell(const struct database_result *result, size_t row, size_t column)
{
    const char *text = database_cell(result, row, column).data;
    return text != NULL ? strdup(text) : NULL;
}

static int add_anchor(struct policy_reading *reading, const struct database_result *result, size_t row)
{
    struct anchor_row anchor = { .text = copy_cell(result, row, 2), .path = copy_cell(result, row, 3) };
    bool is_copied = (anchor.text != NULL) == !slice_is_absent(database_cell(result, row, 2)) &&
        (anchor.path != NULL) == !slice_is_absent(database_cell(result, row, 3));
    if (!is_copied || !slice_to_string(database_cell(result, row, 1), anchor.name, sizeof(anchor.name)) ||
        !buffer_reserve(&reading->anchors, sizeof(anchor))) {
        free(anchor.text);
        free(anchor.path);
        return ERROR_MEMORY;
    }
    buffer_append(&reading->anchors, &anchor, sizeof(anchor));
    return 0;
}

static void on_anchor(void *arg, const struct database_result *result)
{
    struct policy_reading *reading = arg;
    for (size_t row = 0; row < database_row_count(result) && !reading->has_failed; row++) {
        struct slice set = database_cell(result, row, 0);
        if (!reading->has_set || !slice_equal(set, slice_of_string(reading->set_name))) {
            finish_set(reading);
            reading->has_set = slice_to_string(set, reading->set_name, sizeof(reading->set_name));
        }
        digest_row(reading, "trust_set", result, row);
        if (!slice_is_absent(database_cell(result, row, 1)))
            fail_memory(reading, add_anchor(reading, result, row));
    }
}

/* Every command but the last: a failure is remembered for the last. */
static void on_step(void *arg, const struct database_error *error)
{
    struct policy_reading *reading = arg;
    if (error != NULL)
        fail(reading, error->why.text);
}

static void on_anchors_done(void *arg, const struct database_error *error)
{
    on_step(arg, error);
    finish_set(arg);
}

static void reading_free(struct policy_reading *reading)
{
    if (reading == NULL)
        return;
    policy_builder_free(reading->builder);
    forget_anchors(reading);
    buffer_free(&reading->anchors);
    buffer_free(&reading->scratch);
    buffer_free(&reading->certificates);
    free(reading);
}

static void on_end(void *arg, const struct database_error *error)
{
    struct policy_reading *reading = arg;
    on_step(reading, error);
    if (reading->mark.version == 0)
        fail(reading, "trelay.policy_version has no row");
    buffer_append_byte(&reading->certificates, ']');
    if (reading->certificates.has_failed)
        fail_memory(reading, ERROR_MEMORY);
    if (reading->has_failed) {
        reading->done(reading->arg, NULL, &reading->why);
    } else {
        struct policy_reading_result result = { .builder = reading->builder, .mark = reading->mark,
            .read_at_s = reading->now_s, .has_defects = reading->has_defects,
            .certificates = buffer_slice(&reading->certificates) };
        memcpy(result.content, reading->content, DIGEST_SIZE);
        reading->builder = NULL;
        reading->done(reading->arg, &result, NULL);
    }
    reading_free(reading);
}

struct step {
    const char *sql;
    database_rows_fn *rows;
    database_done_fn *done;
};

static int give_commands(struct database *database, struct policy_reading *reading)
{
    const struct step steps[] = {
        { "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL, on_step },
        { policy_mark_query(), on_mark, on_step },
        { "SELECT s.name, a.name, a.pem, a.path FROM trelay.trust_set AS s "
          "LEFT JOIN trelay.trust_anchor AS a ON a.trust_set = s.name ORDER BY s.name, a.name",
            on_anchor, on_anchors_done },
        { "SELECT c.name, c.chain_pem, c.chain_path, k.key_pem, k.key_path, k.key_uri, k.passphrase "
          "FROM trelay.certificate AS c LEFT JOIN trelay.certificate_key AS k ON k.certificate = c.name "
          "ORDER BY c.name",
            on_credential, on_step },
        { policy_rows_outbound_query(), on_outbound, on_step },
        { policy_rows_server_profile_query(), on_profile, on_step },
        { policy_rows_peer_query(), on_peer, on_step },
        { policy_rows_route_query(), on_route, on_step },
        { "SELECT id, pg_catalog.encode(secret, 'hex') FROM trelay.dialog_secret ORDER BY id DESC LIMIT 2", on_secret,
            on_step },
        { "COMMIT", NULL, on_end },
    };
    struct database_command commands[ARRAY_SIZE(steps)];
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        commands[i] = (struct database_command){ .sql = steps[i].sql, .is_streamed = steps[i].rows != NULL,
            .rows = steps[i].rows, .done = steps[i].done, .arg = reading };
    return database_query_all(database, commands, ARRAY_SIZE(commands));
}

int policy_reading_begin(struct database *database, struct policy_material *material, uint64_t hash_seed,
    int64_t now_s, policy_reading_fn *done, void *arg, struct policy_reading **reading_r, struct why *why)
{
    static const struct policy_release_ops ops = { .trust_store = trust_store_unref,
        .credential = tls_credential_unref };
    struct policy_reading *reading = calloc(1, sizeof(*reading));
    if (reading == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory for the policy");
    reading->material = material;
    reading->now_s = now_s;
    reading->done = done;
    reading->arg = arg;
    reading->scratch = reading->certificates = reading->anchors = BUFFER_EMPTY;
    buffer_append_byte(&reading->certificates, '[');
    if (policy_builder_new(&ops, hash_seed, &reading->builder) != 0) {
        reading_free(reading);
        return why_fail(why, ERROR_MEMORY, "no memory for the policy");
    }
    int rc = give_commands(database, reading);
    if (rc != 0) {
        reading_free(reading);
        return why_fail(why, rc, "no session to read the policy in");
    }
    *reading_r = reading;
    return 0;
}
