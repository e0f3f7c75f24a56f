/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_material.c - certificates with keys and trust sets, made once for a content; see policy_material.h. */
#include "db/policy_material.h"

#include "base/error.h"
#include "base/table.h"
#include "db/material_file.h"
#include "db/server_text.h"
#include "pkix/certificate.h"
#include "pkix/digest.h"
#include "pkix/private_key.h"
#include "pkix/trust_store.h"
#include "tls/tls_credential.h"

#include <stdlib.h>
#include <string.h>

/* What was made of one content: an object, or the reason why there is none. */
struct entry {
    struct table_node node;
    uint8_t digest[DIGEST_SIZE]; /* of what went in */
    bool is_used;                /* in the loading under way */
    struct policy_credential credential; /* of a certificate; name is not kept */
    struct policy_trust_set trust_set;   /* of a trust set; likewise */
    struct why unusable;
    struct buffer problems;
    struct certificate_facts **facts;
    size_t *sources; /* which of the sources each of the facts came from */
    size_t fact_count;
};

struct policy_material {
    struct table entries;
    size_t made;
};

static void entry_free(struct entry *entry)
{
    if (entry == NULL)
        return;
    tls_credential_unref(entry->credential.credential);
    trust_store_unref(entry->trust_set.store);
    for (size_t i = 0; i < entry->fact_count; i++)
        certificate_facts_free(entry->facts[i]);
    free(entry->facts);
    free(entry->sources);
    buffer_free(&entry->problems);
    free(entry);
}

int policy_material_new(struct policy_material **material_r)
{
    struct policy_material *material = calloc(1, sizeof(*material));
    if (material == NULL || table_init(&material->entries) != 0) {
        free(material);
        return ERROR_MEMORY;
    }
    *material_r = material;
    return 0;
}

static void drop(struct policy_material *material, bool is_all)
{
    struct table_node *next;
    for (struct table_node *node = table_walk(&material->entries, NULL); node != NULL; node = next) {
        struct entry *entry = CONTAINER_OF(node, struct entry, node);
        next = table_walk(&material->entries, node);
        bool has_object = entry->credential.credential != NULL || entry->trust_set.store != NULL;
        if (is_all || !entry->is_used || !has_object) {
            table_remove(&material->entries, node);
            entry_free(entry);
        }
    }
}

void policy_material_free(struct policy_material *material)
{
    if (material == NULL)
        return;
    drop(material, true);
    table_fini(&material->entries);
    free(material);
}

void policy_material_begin(struct policy_material *material)
{
    material->made = 0;
    for (struct table_node *node = table_walk(&material->entries, NULL); node != NULL;
         node = table_walk(&material->entries, node))
        CONTAINER_OF(node, struct entry, node)->is_used = false;
}

void policy_material_end(struct policy_material *material)
{
    drop(material, false);
}

size_t policy_material_made(const struct policy_material *material)
{
    return material->made;
}

/* The digest is evenly spread already. */
static uint64_t hash_of(const uint8_t digest[DIGEST_SIZE])
{
    uint64_t hash;
    memcpy(&hash, digest, sizeof(hash));
    return hash;
}

static struct entry *find(struct policy_material *material, const uint8_t digest[DIGEST_SIZE])
{
    struct table_node *node = table_first(&material->entries, hash_of(digest));
    for (; node != NULL; node = table_next(node)) {
        struct entry *entry = CONTAINER_OF(node, struct entry, node);
        if (digest_equal(entry->digest, digest))
            return entry;
    }
    return NULL;
}

static struct entry *add(struct policy_material *material, const uint8_t digest[DIGEST_SIZE])
{
    struct entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return NULL;
    memcpy(entry->digest, digest, DIGEST_SIZE);
    entry->problems = BUFFER_EMPTY;
    table_insert(&material->entries, &entry->node, hash_of(digest));
    material->made++;
    return entry;
}

static void forget(struct policy_material *material, struct entry *entry)
{
    table_remove(&material->entries, &entry->node);
    entry_free(entry);
}

/* Reads what certificates say, for people. SOURCE: where they came from. */
static int add_facts(struct entry *entry, const struct certificate_chain *chain, size_t source)
{
    size_t count = entry->fact_count + chain->count;
    struct certificate_facts **facts = realloc(entry->facts, count * sizeof(struct certificate_facts *));
    if (facts == NULL)
        return ERROR_MEMORY;
    entry->facts = facts;
    size_t *sources = realloc(entry->sources, count * sizeof(*sources));
    if (sources == NULL)
        return ERROR_MEMORY;
    entry->sources = sources;
    for (size_t i = 0; i < chain->count; i++) {
        int rc = certificate_facts_read(certificate_chain_get(chain, i), &facts[entry->fact_count], &entry->unusable);
        if (rc != 0)
            return rc;
        sources[entry->fact_count++] = source;
    }
    return 0;
}

static void print_facts(const struct certificate_facts *facts, const char *table, const char *set, const char *row,
    struct buffer *out)
{
    char hex[DIGEST_HEX_SIZE];
    struct buffer name = BUFFER_EMPTY;
    if (out == NULL)
        return;
    buffer_append_format(&name, set != NULL ? "%s/%s" : "%s%s", set != NULL ? set : "", row);
    if (out->length > 0 && out->data[out->length - 1] == '}')
        buffer_append_byte(out, ',');
    struct json_object object = json_object_begin(out);
    json_text(&object, "table_name", slice_of_string(table));
    json_text(&object, "row_name", buffer_slice(&name));
    json_text(&object, "sha256", slice_of_string(digest_hex(facts->digest, hex)));
    json_text(&object, "subject", slice_of_string(facts->subject));
    json_text(&object, "issuer", slice_of_string(facts->issuer));
    json_text(&object, "serial", slice_of_string(facts->serial));
    json_number(&object, "not_before", facts->not_before);
    json_number(&object, "not_after", facts->not_after);
    json_object_end(&object);
    buffer_free(&name);
}

/* SHA-256 of the parts, each with its length ahead, absent apart from empty (INV-2). */
static int digest_parts(const struct slice *parts, size_t count, uint8_t digest_r[DIGEST_SIZE])
{
    struct slice *pieces = calloc(2 * count, sizeof(*pieces));
    uint64_t *lengths = calloc(count, sizeof(*lengths));
    int rc = ERROR_MEMORY;
    if (pieces == NULL || lengths == NULL)
        goto out;
    for (size_t i = 0; i < count; i++) {
        lengths[i] = slice_is_absent(parts[i]) ? UINT64_MAX : parts[i].length;
        pieces[2 * i] = slice_of((const char *)&lengths[i], sizeof(lengths[i]));
        pieces[2 * i + 1] = slice_is_absent(parts[i]) ? slice_of("", 0) : parts[i];
    }
    rc = digest_sha256(pieces, 2 * count, digest_r);
out:
    free(pieces);
    free(lengths);
    return rc;
}

/* Name of the pair by its content: of the chain as it is, and of the key by its public half. */
static int digest_credential(const struct certificate_chain *chain, const struct private_key *key,
    struct policy_credential *row, uint8_t pair_r[DIGEST_SIZE])
{
    struct slice *parts = calloc(chain->count, sizeof(*parts));
    if (parts == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < chain->count; i++)
        parts[i] = certificate_chain_get(chain, i);
    int rc = digest_parts(parts, chain->count, row->chain_digest);
    free(parts);
    if (rc != 0)
        return rc;
    memcpy(row->key_digest, private_key_digest(key), DIGEST_SIZE);
    const struct slice pair[] = { slice_of((const char *)row->chain_digest, DIGEST_SIZE),
        slice_of((const char *)row->key_digest, DIGEST_SIZE) };
    return digest_parts(pair, ARRAY_SIZE(pair), pair_r);
}

static int make_tls_credential(struct entry *entry, const struct certificate_chain *chain,
    const struct private_key *key)
{
    uint8_t pair[DIGEST_SIZE];
    struct policy_credential *row = &entry->credential;
    int rc = digest_credential(chain, key, row, pair);
    struct slice *certificates = rc == 0 ? calloc(chain->count, sizeof(*certificates)) : NULL;
    if (certificates == NULL)
        return ERROR_MEMORY;
    row->not_after = INT64_MAX;
    memcpy(row->leaf_digest, entry->facts[0]->digest, DIGEST_SIZE);
    for (size_t i = 0; i < chain->count; i++) {
        certificates[i] = certificate_chain_get(chain, i);
        if (entry->facts[i]->not_after < row->not_after)
            row->not_after = entry->facts[i]->not_after;
    }
    rc = tls_credential_new(certificates, chain->count, private_key_der(key), slice_of((const char *)pair, DIGEST_SIZE),
        &row->credential, &entry->unusable);
    free(certificates);
    return rc;
}

/* 0 also when it cannot be used: then ENTRY says why. */
static int make_credential(struct entry *entry, struct slice chain_pem, struct slice key_pem, struct slice passphrase)
{
    struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
    struct private_key *key = NULL;
    int rc = certificate_chain_read(chain_pem, &chain, &entry->unusable);
    if (rc == 0)
        rc = add_facts(entry, &chain, 0);
    if (rc != 0) {
        why_prefix(&entry->unusable, "chain");
        goto out;
    }
    rc = private_key_read(key_pem, passphrase, &key, &entry->unusable);
    if (rc != 0)
        why_prefix(&entry->unusable, "key");
    else if (!private_key_matches(key, certificate_chain_get(&chain, 0)))
        rc = why_fail(&entry->unusable, ERROR_CONFLICT,
            "the key does not belong to the first certificate of the chain");
    else
        rc = make_tls_credential(entry, &chain, key);
out:
    private_key_free(key);
    certificate_chain_fini(&chain);
    return rc == ERROR_MEMORY ? rc : 0;
}

static int find_or_make_credential(struct policy_material *material, const struct slice parts[4],
    struct entry **entry_r)
{
    uint8_t digest[DIGEST_SIZE];
    int rc = digest_parts(parts, 4, digest);
    struct entry *entry = rc == 0 ? find(material, digest) : NULL;
    if (rc == 0 && entry == NULL) {
        entry = add(material, digest);
        rc = entry == NULL ? ERROR_MEMORY : make_credential(entry, parts[1], parts[2], parts[3]);
        if (rc != 0 && entry != NULL)
            forget(material, entry);
    }
    if (rc == 0)
        *entry_r = entry;
    return rc;
}

/* What cannot even be read has the reason as its identity, so that it is noticed when that changes. */
static int cannot_read(struct material_identity *identity_r, const struct why *why)
{
    const struct slice parts[] = { SLICE_LITERAL("unreadable"), slice_of_string(why->text) };
    return digest_parts(parts, ARRAY_SIZE(parts), identity_r->digest);
}

int policy_material_credential(struct policy_material *material, const char *name,
    const struct credential_source *source, struct policy_credential *row_r, struct material_identity *identity_r,
    struct buffer *certificates, struct why *why)
{
    struct buffer chain_file = BUFFER_EMPTY, key_file = BUFFER_EMPTY;
    struct slice chain, key;
    struct entry *entry = NULL;
    *row_r = (struct policy_credential){ .name = name };
    int rc = material_read(&source->chain, "chain", &chain_file, &chain, why);
    if (rc == 0 && !slice_is_absent(source->key_uri))
        rc = why_fail(why, ERROR_UNSUPPORTED, "keys in a PKCS#11 module are not supported by this version");
    if (rc == 0)
        rc = material_read(&source->key, "key", &key_file, &key, why);
    if (rc != 0) {
        rc = rc == ERROR_MEMORY ? rc : cannot_read(identity_r, why);
        goto out;
    }
    const struct slice parts[] = { SLICE_LITERAL("credential"), chain, key, source->passphrase };
    rc = find_or_make_credential(material, parts, &entry);
    if (rc != 0)
        goto out;
    entry->is_used = true;
    memcpy(identity_r->digest, entry->digest, DIGEST_SIZE);
    for (size_t i = 0; i < entry->fact_count; i++)
        print_facts(entry->facts[i], "certificate", NULL, name, certificates);
    if (entry->credential.credential == NULL) {
        *why = entry->unusable;
        goto out;
    }
    *row_r = entry->credential;
    row_r->name = name;
    row_r->credential = tls_credential_ref(entry->credential.credential);
out:
    if (key_file.data != NULL)
        cleanse_bytes(key_file.data, key_file.capacity);
    buffer_free(&key_file);
    buffer_free(&chain_file);
    return rc;
}

static void note_problem(struct buffer *problems, const char *name, const struct why *why)
{
    if (problems != NULL)
        buffer_append_format(problems, "%s: %s\n", name, why->text);
}

/* 0 also when it cannot be used: then ENTRY says why. */
static int make_trust_set(struct entry *entry, const struct anchor_source *anchors, const struct slice *texts,
    size_t count, int64_t now_s)
{
    struct certificate_chain all = CERTIFICATE_CHAIN_EMPTY;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
        struct why why = WHY_NONE;
        if (slice_is_absent(texts[i]))
            continue; /* not readable, and told already */
        int read = certificate_chain_read(texts[i], &chain, &why);
        if (read == 0)
            rc = add_facts(entry, &chain, i);
        else if (read == ERROR_MEMORY)
            rc = read;
        else
            note_problem(&entry->problems, anchors[i].name, &why);
        for (size_t j = 0; rc == 0 && j < chain.count; j++)
            rc = certificate_chain_append(&all, certificate_chain_get(&chain, j));
        certificate_chain_fini(&chain);
    }
    if (rc == 0 && all.count == 0)
        rc = why_fail(&entry->unusable, ERROR_REFUSED, "it has no anchor that can be read");
    if (rc == 0)
        rc = trust_store_new(&all, now_s, &entry->trust_set.store, &entry->problems, &entry->unusable);
    if (rc == 0)
        memcpy(entry->trust_set.digest, trust_store_digest(entry->trust_set.store), DIGEST_SIZE);
    certificate_chain_fini(&all);
    return rc == ERROR_MEMORY || entry->problems.has_failed ? ERROR_MEMORY : 0;
}

/* TEXTS[i] is what anchor i has; absent when it cannot be read. */
static int read_anchors(const struct anchor_source *anchors, size_t count, struct buffer *files, struct slice *texts,
    struct buffer *problems)
{
    for (size_t i = 0; i < count; i++) {
        struct why why = WHY_NONE;
        files[i] = BUFFER_EMPTY;
        int rc = material_read(&anchors[i].certificates, "anchor", &files[i], &texts[i], &why);
        if (rc == ERROR_MEMORY)
            return rc;
        if (rc != 0) {
            texts[i] = SLICE_ABSENT;
            note_problem(problems, anchors[i].name, &why);
        }
    }
    return 0;
}

/* TEXTS has one element more, which tells trust sets from credentials. */
static int find_or_make_trust_set(struct policy_material *material, const struct anchor_source *anchors,
    const struct slice *texts, size_t count, int64_t now_s, struct entry **entry_r)
{
    uint8_t digest[DIGEST_SIZE];
    int rc = digest_parts(texts, count + 1, digest);
    struct entry *entry = rc == 0 ? find(material, digest) : NULL;
    if (rc == 0 && entry == NULL) {
        entry = add(material, digest);
        rc = entry == NULL ? ERROR_MEMORY : make_trust_set(entry, anchors, texts, count, now_s);
        if (rc != 0 && entry != NULL)
            forget(material, entry);
    }
    if (rc == 0)
        *entry_r = entry;
    return rc;
}

int policy_material_trust_set(struct policy_material *material, const char *name, const struct anchor_source *anchors,
    size_t count, int64_t now_s, struct policy_trust_set *row_r, struct material_identity *identity_r,
    struct buffer *certificates, struct buffer *problems, struct why *why)
{
    struct buffer *files = calloc(count + 1, sizeof(*files));
    struct slice *texts = calloc(count + 1, sizeof(*texts));
    struct entry *entry = NULL;
    int rc = files == NULL || texts == NULL ? ERROR_MEMORY : 0;
    *row_r = (struct policy_trust_set){ .name = name };
    if (rc == 0)
        rc = read_anchors(anchors, count, files, texts, problems);
    if (rc == 0) {
        texts[count] = SLICE_LITERAL("trust set");
        rc = find_or_make_trust_set(material, anchors, texts, count, now_s, &entry);
    }
    if (rc != 0)
        goto out;
    entry->is_used = true;
    memcpy(identity_r->digest, entry->digest, DIGEST_SIZE);
    buffer_append_slice(problems, buffer_slice(&entry->problems));
    for (size_t i = 0; i < entry->fact_count; i++)
        print_facts(entry->facts[i], "trust_anchor", name, anchors[entry->sources[i]].name, certificates);
    if (entry->trust_set.store == NULL) {
        *why = entry->unusable;
        goto out;
    }
    *row_r = entry->trust_set;
    row_r->name = name;
    row_r->store = trust_store_ref(entry->trust_set.store);
out:
    for (size_t i = 0; files != NULL && i < count; i++)
        buffer_free(&files[i]);
    free(files);
    free(texts);
    return rc;
}
