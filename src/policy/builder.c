/* SPDX-License-Identifier: GPL-2.0-or-later */
/* builder.c - rows are copied into a snapshot in the making; see snapshot.h. What becomes of them: builder_finish.c. */
#include "policy/builder_private.h"

#include "base/error.h"
#include "policy/name.h"

#include <stdlib.h>

int policy_builder_new(const struct policy_release_ops *ops, uint64_t hash_seed, struct policy_builder **builder_r)
{
    struct policy_builder *builder = calloc(1, sizeof(*builder));
    struct policy_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (builder == NULL || snapshot == NULL) {
        free(builder);
        free(snapshot);
        return ERROR_MEMORY;
    }
    atomic_init(&snapshot->references, 1);
    snapshot->ops = *ops;
    snapshot->seed = hash_seed;
#define X(kind, type, member) snapshot->member.row_size = sizeof(type);
    ROW_STORE_LIST(X)
#undef X
    builder->snapshot = snapshot;
    text_pool_init(&builder->pool, &snapshot->arena, hash_seed);
    *builder_r = builder;
    return 0;
}

void policy_builder_free(struct policy_builder *builder)
{
    if (builder == NULL)
        return;
    text_pool_fini(&builder->pool);
    policy_snapshot_unref(builder->snapshot);
    free(builder);
}

static int failed(struct policy_builder *builder)
{
    builder->has_failed = true;
    return ERROR_MEMORY;
}

/* Copies *TEXT in place; NULL stays NULL. For text that is each row's own. */
static bool keep_own(struct policy_builder *builder, const char **text)
{
    if (*text != NULL)
        *text = arena_copy(&builder->snapshot->arena, slice_of_string(*text));
    return *text != NULL;
}

/* Likewise for text that rows share. */
static bool keep_shared(struct policy_builder *builder, const char **text)
{
    if (*text != NULL)
        *text = text_pool_keep(&builder->pool, slice_of_string(*text));
    return *text != NULL;
}

typedef bool (*keep_fn)(struct policy_builder *builder, const char **text);

static bool keep_all(struct policy_builder *builder, keep_fn keep, const char **const *texts, size_t count)
{
    bool is_kept = true;
    for (size_t i = 0; i < count; i++) {
        bool is_absent = *texts[i] == NULL;
        is_kept = (keep(builder, texts[i]) || is_absent) && is_kept;
    }
    return is_kept;
}

/* Domain names are kept as the one normaliser has them; what it refuses is kept as it is, for row_check.c to tell. */
static bool keep_domain(struct policy_builder *builder, keep_fn keep, const char **text,
    int (*normalise)(struct slice text, char out[DOMAIN_NAME_SIZE]))
{
    char name[DOMAIN_NAME_SIZE];
    if (*text == NULL)
        return true;
    const char *kept = normalise(slice_of_string(*text), name) == 0 ? name : *text;
    bool is_kept = keep(builder, &kept);
    *text = kept;
    return is_kept;
}

/* *BYTES become a copy, or NULL when SIZE is 0. */
static bool keep_bytes(struct policy_builder *builder, const void **bytes, size_t size)
{
    const void *copy = size > 0 ? text_pool_keep(&builder->pool, slice_of(*bytes, size)) : NULL;
    *bytes = copy;
    return size == 0 || copy != NULL;
}

static bool keep_flags(struct policy_builder *builder, const struct flag_set **flags)
{
    const void *bytes = *flags;
    bool is_kept = keep_bytes(builder, &bytes, *flags != NULL ? sizeof(**flags) : 0);
    *flags = bytes;
    return is_kept;
}

int policy_builder_problem(struct policy_builder *builder, const char *kind, const char *name, const char *text)
{
    struct policy_problem *problem = row_store_add(&builder->snapshot->problems);
    if (problem == NULL)
        return failed(builder);
    *problem = (struct policy_problem){ kind, name != NULL ? name : "", text };
    if (!keep_shared(builder, &problem->kind) || !keep_own(builder, &problem->name) ||
        !keep_shared(builder, &problem->text))
        return failed(builder);
    return 0;
}

int policy_builder_dialog_secret(struct policy_builder *builder, struct slice secret)
{
    struct dialog_secrets *secrets = &builder->snapshot->dialog_secrets;
    if (secret.length < DIALOG_SECRET_MIN || secret.length > DIALOG_SECRET_MAX || secrets->count == DIALOG_SECRETS_MAX)
        return ERROR_LIMIT;
    struct dialog_secret *kept = &secrets->secrets[secrets->count++];
    memcpy(kept->bytes, secret.data, secret.length);
    kept->length = secret.length;
    return 0;
}

int policy_builder_trust_set(struct policy_builder *builder, const struct policy_trust_set *row)
{
    struct policy_trust_set *kept = row_store_add(&builder->snapshot->trust_sets);
    if (kept == NULL) {
        if (row->store != NULL)
            builder->snapshot->ops.trust_store(row->store);
        return failed(builder);
    }
    *kept = *row;
    const char **const texts[] = { &kept->name, &kept->unusable };
    return keep_all(builder, keep_own, texts, ARRAY_SIZE(texts)) ? 0 : failed(builder);
}

int policy_builder_credential(struct policy_builder *builder, const struct policy_credential *row)
{
    struct policy_credential *kept = row_store_add(&builder->snapshot->credentials);
    if (kept == NULL) {
        if (row->credential != NULL)
            builder->snapshot->ops.credential(row->credential);
        return failed(builder);
    }
    *kept = *row;
    const char **const texts[] = { &kept->name, &kept->unusable };
    return keep_all(builder, keep_own, texts, ARRAY_SIZE(texts)) ? 0 : failed(builder);
}

static bool keep_match(struct policy_builder *builder, struct outbound_policy *row)
{
    if (row->match == MATCH_PEER)
        return row->match_name == NULL || keep_shared(builder, &row->match_name);
    return keep_domain(builder, keep_own, &row->match_name, name_normalise);
}

int policy_builder_outbound(struct policy_builder *builder, const struct outbound_policy *row)
{
    struct outbound_policy *kept = row_store_add(&builder->snapshot->outbound);
    if (kept == NULL)
        return failed(builder);
    *kept = *row;
    kept->trust_set = NULL;
    kept->credential = NULL;
    const char **const own[] = { &kept->name };
    const char **const shared[] = { &kept->unusable, &kept->certificate_name, &kept->trust_set_name, &kept->ciphers,
        &kept->via_host, &kept->rr_host, &kept->isolation };
    const void *next_hops = row->next_hops, *pins = row->pins;
    bool is_kept = keep_all(builder, keep_own, own, ARRAY_SIZE(own));
    is_kept = keep_all(builder, keep_shared, shared, ARRAY_SIZE(shared)) && is_kept;
    is_kept = keep_match(builder, kept) && is_kept;
    is_kept = keep_domain(builder, keep_shared, &kept->expected_domain, name_normalise) && is_kept;
    is_kept = keep_domain(builder, keep_shared, &kept->sni, name_normalise) && is_kept;
    is_kept = keep_bytes(builder, &next_hops, row->next_hop_count * sizeof(*row->next_hops)) && is_kept;
    is_kept = keep_bytes(builder, &pins, row->pin_count * sizeof(*row->pins)) && is_kept;
    kept->next_hops = next_hops;
    kept->pins = pins;
    return is_kept ? 0 : failed(builder);
}

int policy_builder_server_profile(struct policy_builder *builder, const struct server_profile *row)
{
    struct server_profile *kept = row_store_add(&builder->snapshot->profiles);
    if (kept == NULL)
        return failed(builder);
    *kept = *row;
    kept->trust_set = NULL;
    const char **const texts[] = { &kept->name, &kept->unusable, &kept->listener, &kept->trust_set_name,
        &kept->ciphers };
    bool is_kept = keep_all(builder, keep_shared, texts, ARRAY_SIZE(texts));
    is_kept = keep_domain(builder, keep_own, &kept->server_name, name_normalise_pattern) && is_kept;
    for (size_t i = 0; i < PROFILE_CERTIFICATES_MAX; i++) {
        const char **const name[] = { &kept->certificate_names[i] };
        kept->certificates[i] = NULL;
        if (i >= row->certificate_count)
            kept->certificate_names[i] = NULL;
        is_kept = keep_all(builder, keep_shared, name, 1) && is_kept;
    }
    return is_kept ? 0 : failed(builder);
}

int policy_builder_peer(struct policy_builder *builder, const struct peer_rule *row)
{
    struct peer_rule *kept = row_store_add(&builder->snapshot->peers);
    if (kept == NULL)
        return failed(builder);
    *kept = *row;
    kept->trust_set = NULL;
    const char **const texts[] = { &kept->name, &kept->unusable, &kept->trust_set_name, &kept->issuer,
        &kept->subject };
    bool is_kept = keep_all(builder, keep_shared, texts, ARRAY_SIZE(texts));
    is_kept = keep_domain(builder, keep_shared, &kept->san, name_normalise) && is_kept;
    is_kept = keep_flags(builder, &kept->flags) && is_kept;
    return is_kept ? 0 : failed(builder);
}

int policy_builder_route(struct policy_builder *builder, const struct route *row)
{
    struct route *kept = row_store_add(&builder->snapshot->routes);
    if (kept == NULL)
        return failed(builder);
    *kept = *row;
    const char **const own[] = { &kept->name, &kept->user_prefix };
    const char **const shared[] = { &kept->unusable, &kept->method, &kept->peer, &kept->header_name,
        &kept->header_value, &kept->next_hop };
    bool is_kept = keep_all(builder, keep_own, own, ARRAY_SIZE(own));
    is_kept = keep_all(builder, keep_shared, shared, ARRAY_SIZE(shared)) && is_kept;
    is_kept = keep_domain(builder, keep_shared, &kept->domain, name_normalise_pattern) && is_kept;
    is_kept = keep_flags(builder, &kept->flags) && is_kept;
    return is_kept ? 0 : failed(builder);
}
