/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_memory.c - every allocation fails once, ours and the library's.
 * Rule: whichever fails, nothing becomes weaker: no text without a captured chain, no client certificate before the
 * release, no context without its floor; and what failed leaves nothing behind (the sanitizers watch).
 */
#include "tls/tls_session.h"

#include "base/error.h"
#include "base/list.h"
#include "tls/tls_library.h"

#include "tls_bench.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/memory.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Our allocations come by the linker's --wrap, the library's by its own hooks. */
static struct {
    long left; /* allocations that succeed yet; negative: all */
    bool has_failed;
    bool is_library_spared; /* while it loads a key: it then reads through the NULL it was given */
} supply = { .left = -1 };

static bool is_refused(void)
{
    if (supply.left < 0 || supply.left-- > 0)
        return false;
    supply.has_failed = true;
    return true;
}

#include "refused_memory.h"

/* The library's blocks, so that what it forgets in a shortage is known, and given back. */
struct block {
    struct list_node node;
    size_t size;
    max_align_t bytes[];
};

static struct list blocks;

static struct block *block_of(void *bytes)
{
    return CONTAINER_OF(bytes, struct block, bytes);
}

static void library_free(void *bytes)
{
    if (bytes == NULL)
        return;
    list_remove(&block_of(bytes)->node);
    free(block_of(bytes));
}

static void *library_malloc(size_t size)
{
    struct block *block = NULL;
    if (supply.is_library_spared || !is_refused())
        block = __real_malloc(sizeof(*block) + size);
    if (block == NULL)
        return NULL;
    *block = (struct block){ .size = size };
    list_append(&blocks, &block->node);
    return block->bytes;
}

static void *library_realloc(void *old, size_t size)
{
    void *grown = library_malloc(size);
    if (grown == NULL || old == NULL)
        return grown;
    memcpy(grown, old, block_of(old)->size < size ? block_of(old)->size : size);
    library_free(old);
    return grown;
}

/* Frees what the library has not, but for the first BEFORE blocks; returns how many. */
static size_t sweep(size_t before)
{
    size_t at = 0, forgotten = 0;
    list_for_each_safe (node, &blocks) {
        if (at++ < before)
            continue;
        list_remove(node);
        free(CONTAINER_OF(node, struct block, node));
        forgotten++;
    }
    return forgotten;
}

static size_t count_blocks(void)
{
    size_t count = 0;
    list_for_each (node, &blocks)
        count++;
    return count;
}

static int set_up(void **state)
{
    struct why why = WHY_NONE;
    struct identity *identities = calloc(2, sizeof(struct identity));
    assert_non_null(identities);
    list_init(&blocks);
    assert_int_equal(wolfSSL_SetAllocators(library_malloc, library_free, library_realloc), 0);
    if (tls_library_init(&why) != 0)
        fail_msg("%s", why.text);
    identity_init(&identities[0], PKI_EC_P256, 1, 0);
    identity_init(&identities[1], PKI_EC_P256, 1, 0);
    *state = identities;
    return 0;
}

static int tear_down(void **state)
{
    struct identity *identities = *state;
    identity_fini(&identities[0]);
    identity_fini(&identities[1]);
    free(identities);
    tls_library_thread_fini();
    tls_library_fini();
    return 0;
}

static int make_pair(struct pair *pair, const struct identity *identities, enum tls_version version)
{
    struct tls_settings settings;
    supply.is_library_spared = true;
    tls_settings_init(&settings);
    int result = tls_settings_set_versions(&settings, version, version, NULL);
    if (result == 0)
        result = tls_context_new(TLS_ROLE_CLIENT, &settings, identities[1].credential, &pair->client_context, NULL);
    settings.client_auth = CLIENT_AUTH_REQUIRE;
    if (result == 0)
        result = tls_context_new(TLS_ROLE_SERVER, &settings, identities[0].credential, &pair->server_context, NULL);
    supply.is_library_spared = false;
    if (result == 0)
        result = tls_session_new(pair->client_context, NULL, &pair->client, NULL);
    if (result == 0)
        result = tls_session_new(pair->server_context, NULL, &pair->server, NULL);
    return result;
}

/* One side's chain is what the other showed, whatever failed on the way there. */
static void check_chain(struct tls_session *session, const struct identity *shown)
{
    struct tls_chain chain;
    if (tls_session_take_chain(session, &chain) != 0)
        fail_msg("open without a chain");
    assert_int_equal(chain.count, shown->count);
    for (size_t i = 0; i < chain.count; i++)
        assert_true(slice_equal(chain.certificates[i], shown->chain[i]));
    tls_chain_free(&chain);
}

/* Contexts, sessions, handshake, text; true when all of it came to be. */
static bool live(const struct identity *identities, enum tls_version version)
{
    struct pair pair = { 0 };
    struct buffer plain = BUFFER_EMPTY;
    bool is_whole = false;
    if (make_pair(&pair, identities, version) != 0)
        goto out;
    pair_run(&pair);
    if (!tls_session_is_held(pair.client)) {
        assert_int_not_equal(tls_session_release(pair.client), 0);
        goto out;
    }
    assert_false(tls_session_has_chain(pair.server)); /* not before the release */
    if (!pair_complete(&pair))
        goto out;
    check_chain(pair.client, &identities[0]);
    check_chain(pair.server, &identities[1]);
    if (tls_session_write(pair.client, SLICE_LITERAL("text"), NULL) == 0) {
        if (tls_session_read(pair.server, tls_session_output(pair.client), &plain, NULL) == 0) {
            assert_true(slice_equal(buffer_slice(&plain), SLICE_LITERAL("text")));
            is_whole = true;
        }
    }
out:
    buffer_free(&plain);
    pair_fini(&pair);
    return is_whole;
}

static void a_life_without_memory_is_shorter_and_not_weaker(void **state)
{
    const struct identity *identities = *state;
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        long at = 0;
        for (;; at++) {
            size_t before = count_blocks();
            supply.left = at;
            supply.has_failed = false;
            bool is_whole = live(identities, version);
            supply.left = -1;
            size_t forgotten = sweep(before);
            assert_true(forgotten <= (supply.has_failed ? 1 : 0)); /* a key share, by the library */
            if (!supply.has_failed) {
                assert_true(is_whole);
                break;
            }
        }
        assert_true(at > 50); /* that many different allocations failed */
        assert_true(live(identities, version));
    }
}

static void a_credential_without_memory_is_none(void **state)
{
    const struct identity *identities = *state;
    struct slice key = buffer_slice((struct buffer *)(uintptr_t)&identities[0].key);
    long at = 0;
    for (;; at++) {
        struct tls_credential *credential = NULL;
        supply.left = at;
        supply.has_failed = false;
        supply.is_library_spared = true;
        int result = tls_credential_new(identities[0].chain, identities[0].count, key, SLICE_LITERAL("x"), &credential,
                                        NULL);
        supply.left = -1;
        assert_int_equal(result == 0, credential != NULL);
        tls_credential_unref(credential);
        if (!supply.has_failed) {
            assert_int_equal(result, 0);
            break;
        }
    }
    assert_true(at > 15);
}

/* A foreign key is taken in no shortage either. */
static void a_foreign_key_is_refused_in_any_shortage(void **state)
{
    const struct identity *identities = *state;
    struct slice key = buffer_slice((struct buffer *)(uintptr_t)&identities[1].key);
    for (long at = 0;; at++) {
        struct tls_credential *credential = NULL;
        supply.left = at;
        supply.has_failed = false;
        supply.is_library_spared = true;
        int result = tls_credential_new(identities[0].chain, identities[0].count, key, SLICE_LITERAL("x"), &credential,
                                        NULL);
        supply.left = -1;
        assert_int_not_equal(result, 0);
        assert_null(credential);
        if (!supply.has_failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life_without_memory_is_shorter_and_not_weaker),
        cmocka_unit_test(a_credential_without_memory_is_none),
        cmocka_unit_test(a_foreign_key_is_refused_in_any_shortage),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
