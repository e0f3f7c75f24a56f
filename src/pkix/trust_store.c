/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trust_store.c - the anchors of one trust set; see trust_store.h. */
#include "pkix/trust_store.h"

#include "base/error.h"
#include "pkix/certificate_private.h"
#include "pkix/digest.h"
#include "pkix/rule_private.h"
#include "pkix/trust_store_private.h"

#include <openssl/err.h>

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct anchor {
    X509 *certificate;
    struct slice der; /* borrowed from the list while the store is made, absent afterwards */
    uint8_t digest[DIGEST_SIZE];
};

struct trust_store {
    atomic_uint references;
    X509_STORE *library;
    uint8_t digest[DIGEST_SIZE];
    size_t count;
    struct anchor anchors[]; /* sorted by their bytes */
};

static void add_problem(struct buffer *problems, size_t index, X509 *certificate, const char *text)
{
    if (problems == NULL)
        return;
    char subject[160] = "";
    if (certificate != NULL)
        X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof(subject));
    buffer_append_format(problems, "anchor %zu%s%s: %s\n", index + 1, subject[0] != '\0' ? ", " : "", subject, text);
}

/* Whatever the date: may it be an anchor? 0, ERROR_REFUSED with the reason in WHY, ERROR_MEMORY. */
static int check_anchor(X509 *certificate, struct why *why)
{
    enum reason reason = rule_extensions(certificate, why);
    if (reason == REASON_NONE)
        reason = rule_issuer(certificate, why);
    if (reason == REASON_NONE)
        reason = rule_key(certificate, 0, 0, why);
    if (reason != REASON_NONE)
        return reason == REASON_NO_MEMORY ? ERROR_MEMORY : ERROR_REFUSED;
    if (X509_self_signed(certificate, 1) != 1) {
        int code = library_failure(ERROR_REFUSED);
        return why_fail(why, code, "not self-signed: an intermediate CA cannot be an anchor, add its root");
    }
    return 0;
}

static void warn_of_dates(X509 *certificate, size_t index, int64_t now, struct buffer *problems)
{
    int64_t not_before, not_after;
    if (!certificate_time(X509_get0_notBefore(certificate), &not_before) ||
        !certificate_time(X509_get0_notAfter(certificate), &not_after))
        add_problem(problems, index, certificate, "its validity cannot be read: everything below it is refused");
    else if (now >= not_after)
        add_problem(problems, index, certificate, "expired: everything below it is refused");
    else if (now < not_before)
        add_problem(problems, index, certificate, "not valid yet: everything below it is refused");
}

/* A refusal must repeat itself: the library hides some failed allocations, and an anchor must not go missing,
 * and with it the digest change, for one of those. */
static int parse_anchor(struct slice der, X509 **certificate_r, struct why *problem)
{
    X509 *certificate = NULL;
    int codes[2] = { 0, 0 };
    for (int try = 0; try < 2; try++) {
        X509_free(certificate);
        certificate = certificate_parse(der);
        codes[try] = certificate != NULL ? check_anchor(certificate, problem)
                                         : why_fail(problem, library_failure(ERROR_SYNTAX), "not a certificate");
        if (codes[try] == 0 || codes[try] == ERROR_MEMORY)
            break;
    }
    *certificate_r = certificate;
    bool is_repeated = codes[0] == codes[1];
    return codes[0] == 0 ? 0 : is_repeated ? codes[0] : ERROR_MEMORY;
}

/* 0: taken, or left out with a problem; ERROR_MEMORY. */
static int take_anchor(struct trust_store *store, struct slice der, size_t index, int64_t now,
                       struct buffer *problems, struct why *why)
{
    struct why problem = WHY_NONE;
    X509 *certificate = NULL;
    int code = parse_anchor(der, &certificate, &problem);
    if (code == 0) {
        struct anchor *anchor = &store->anchors[store->count];
        *anchor = (struct anchor){ .certificate = certificate, .der = der };
        code = digest_sha256(&der, 1, anchor->digest);
        if (code == 0) {
            warn_of_dates(certificate, index, now, problems);
            store->count++;
            return 0;
        }
    }
    if (code != ERROR_MEMORY) {
        add_problem(problems, index, certificate, problem.text);
        why_fail(why, ERROR_REFUSED, "anchor %zu: %s", index + 1, problem.text);
        code = 0;
    }
    X509_free(certificate);
    ERR_clear_error();
    return code;
}

static int compare_anchors(const void *a, const void *b)
{
    return slice_compare(((const struct anchor *)a)->der, ((const struct anchor *)b)->der);
}

static void sort_and_drop_doubles(struct trust_store *store)
{
    if (store->count == 0)
        return;
    qsort(store->anchors, store->count, sizeof(store->anchors[0]), compare_anchors);
    size_t kept = 1;
    for (size_t i = 1; i < store->count; i++) {
        if (slice_equal(store->anchors[i].der, store->anchors[kept - 1].der))
            X509_free(store->anchors[i].certificate);
        else
            store->anchors[kept++] = store->anchors[i];
    }
    store->count = kept;
}

/* Tagged and length-prefixed, so that no two stores have one encoding (INV-6). */
static int fill_digest(struct trust_store *store)
{
    struct buffer text = BUFFER_EMPTY;
    buffer_append_string(&text, "trelay trust store 1");
    buffer_append_u32(&text, VERIFY_FLAGS);
    buffer_append_u32(&text, VERIFY_AUTH_LEVEL);
    buffer_append_u32(&text, VERDICT_DEPTH_MAX);
    buffer_append_u32(&text, (uint32_t)store->count);
    for (size_t i = 0; i < store->count; i++) {
        buffer_append_u32(&text, (uint32_t)store->anchors[i].der.length);
        buffer_append_slice(&text, store->anchors[i].der);
        store->anchors[i].der = SLICE_ABSENT;
    }
    struct slice part = buffer_slice(&text);
    int code = text.has_failed ? ERROR_MEMORY : digest_sha256(&part, 1, store->digest);
    buffer_free(&text);
    return code;
}

static int fill_library(struct trust_store *store)
{
    store->library = X509_STORE_new();
    if (store->library == NULL)
        return library_failure(ERROR_MEMORY);
    for (size_t i = 0; i < store->count; i++)
        if (X509_STORE_add_cert(store->library, store->anchors[i].certificate) != 1)
            return library_failure(ERROR_MEMORY);
    return 0;
}

static void store_free(struct trust_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        X509_free(store->anchors[i].certificate);
    X509_STORE_free(store->library);
    free(store);
}

int trust_store_new(const struct certificate_chain *anchors, int64_t now, struct trust_store **store_r,
                    struct buffer *problems, struct why *why)
{
    struct why first = WHY_NONE;
    struct trust_store *store = calloc(1, sizeof(*store) + anchors->count * sizeof(store->anchors[0]));
    if (store == NULL)
        return why_fail(why, ERROR_MEMORY, "out of memory");
    atomic_init(&store->references, 1);
    int code = 0;
    for (size_t i = 0; i < anchors->count && code == 0; i++)
        code = take_anchor(store, certificate_chain_get(anchors, i), i, now, problems,
                           first.text[0] == '\0' ? &first : NULL);
    if (code == 0 && store->count == 0)
        code = why_fail(why, ERROR_REFUSED, "no usable anchor%s%s", first.text[0] != '\0' ? "; " : "", first.text);
    if (code == 0) {
        sort_and_drop_doubles(store);
        if ((code = fill_digest(store)) == 0)
            code = fill_library(store);
    }
    if (code == 0) {
        *store_r = store;
        return 0;
    }
    if (code != ERROR_REFUSED)
        why_fail(why, code, "%s", error_text(code));
    store_free(store);
    return code;
}

struct trust_store *trust_store_ref(struct trust_store *store)
{
    unsigned before = atomic_fetch_add_explicit(&store->references, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
    return store;
}

void trust_store_unref(struct trust_store *store)
{
    if (store != NULL && atomic_fetch_sub_explicit(&store->references, 1, memory_order_acq_rel) == 1)
        store_free(store);
}

const uint8_t *trust_store_digest(const struct trust_store *store)
{
    return store->digest;
}

size_t trust_store_count(const struct trust_store *store)
{
    return store->count;
}

X509_STORE *trust_store_library(const struct trust_store *store)
{
    return store->library;
}

const uint8_t *trust_store_anchor_digest(const struct trust_store *store, const X509 *certificate)
{
    for (size_t i = 0; i < store->count; i++)
        if (store->anchors[i].certificate == certificate)
            return store->anchors[i].digest;
    return NULL;
}
