/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkix_support.c - see pkix_support.h. The list of made certificates is the one global of these tests. */
#include "pkix_support.h"

#include <stdlib.h>

static struct pki_certificate *made[4096];
static size_t made_count;

const struct pki_certificate *support_make(const struct pki_spec *spec)
{
    assert_true(made_count < sizeof(made) / sizeof(made[0]));
    return made[made_count++] = pki_make(spec);
}

void support_free_all(void)
{
    while (made_count > 0)
        pki_free(made[--made_count]);
}

struct certificate_chain support_chain(const support_list list)
{
    struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
    for (size_t i = 0; i < SUPPORT_CHAIN_MAX && list[i] != NULL; i++)
        assert_int_equal(certificate_chain_append(&chain, pki_der(list[i])), 0);
    return chain;
}

struct trust_store *support_store(const support_list anchors)
{
    struct trust_store *store = NULL;
    struct certificate_chain chain = support_chain(anchors);
    int code = trust_store_new(&chain, PKI_NOW, &store, NULL, NULL);
    assert_true((code == 0) == (store != NULL));
    certificate_chain_fini(&chain);
    return store;
}

struct verdict_request support_request(const struct trust_store *store, const char *domain)
{
    return (struct verdict_request){
        .level = LEVEL_DOMAIN,
        .peer_role = PEER_ROLE_SERVER,
        .trust_store = store,
        .expected_domain = domain,
        .eku_mode = EKU_TLS_ROLE,
        .crl = REVOCATION_OFF,
        .ocsp = REVOCATION_OFF,
    };
}

static void check_record(const struct verdict_request *request, const struct verdict *verdict, int64_t now)
{
    static const uint8_t zero[DIGEST_SIZE];
    assert_int_equal(verdict->level, request->level);
    assert_int_equal(verdict->taken_at, now);
    assert_true((verdict->result == VERDICT_REFUSED) == (verdict->reason != REASON_NONE));
    if (verdict->result == VERDICT_REFUSED) {
        assert_string_not_equal(verdict->detail, "");
        assert_string_equal(verdict->matched_name, "");
        assert_memory_equal(verdict->anchor_digest, zero, DIGEST_SIZE);
    }
    if (verdict->result == VERDICT_PROVEN) {
        assert_memory_not_equal(verdict->anchor_digest, zero, DIGEST_SIZE);
        assert_memory_not_equal(verdict->leaf_digest, zero, DIGEST_SIZE);
        assert_true(verdict->chain_not_after > now);
        assert_true((request->level == LEVEL_DOMAIN) == (verdict->matched_name[0] != '\0'));
    }
}

enum reason support_take_at(const struct verdict_request *request, const support_list presented, int64_t now,
                            struct verdict *verdict_r)
{
    struct verdict verdict;
    memset(&verdict, 0xff, sizeof(verdict)); /* whatever was there must not show through */
    struct certificate_chain chain = support_chain(presented);
    int code = verdict_take(request, &chain, now, &verdict);
    certificate_chain_fini(&chain);
    assert_int_equal(code, 0);
    check_record(request, &verdict, now);
    if (verdict_r != NULL)
        *verdict_r = verdict;
    return verdict.reason;
}

enum reason support_take(const struct verdict_request *request, const support_list presented,
                         struct verdict *verdict_r)
{
    return support_take_at(request, presented, PKI_NOW, verdict_r);
}

void support_expect(enum reason is, enum reason expected, const char *title, const struct verdict *verdict)
{
    if (is != expected)
        print_error("%s: %s instead of %s (%s)\n", title, reason_word(is), reason_word(expected), verdict->detail);
    assert_string_equal(reason_word(is), reason_word(expected));
}

void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

bool support_is_excused(const struct pki_spec *spec)
{
    return spec->policy_constraints != NULL;
}

void support_excuse(bool is_excused, bool is_begin)
{
    void (*change)(void) = is_begin ? __lsan_disable : __lsan_enable;
    if (is_excused && change != NULL)
        change();
}
