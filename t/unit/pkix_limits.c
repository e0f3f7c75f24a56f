/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkix_limits.c - peers that present much.
 * Rule: the verdict is clear, and its cost is bounded by counts, not by the peer. */
#include "pkix_support.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

#define OK REASON_NONE

struct world {
    const struct pki_certificate *root, *leaf;
    struct trust_store *store;
    struct verdict_request request;
};

static int set_up(void **state)
{
    static struct world world;
    world.root = SUPPORT_MAKE(.subject = "CN=root", .is_ca = true);
    world.leaf = SUPPORT_MAKE(.subject = "CN=leaf", .issuer = world.root, .names = "DNS:good.example");
    world.store = support_store((support_list){ world.root });
    world.request = support_request(world.store, "good.example");
    *state = &world;
    return world.store == NULL;
}

static int tear_down(void **state)
{
    trust_store_unref(((struct world *)*state)->store);
    support_free_all();
    return 0;
}

static enum reason take(const struct world *world, const struct pki_certificate *leaf, const char *domain,
                        struct verdict *verdict)
{
    struct verdict_request request = world->request;
    request.expected_domain = domain;
    return support_take(&request, (support_list){ leaf }, verdict);
}

/* COUNT names nN.many.example. */
static struct buffer many_names(size_t count)
{
    struct pki_name *names = calloc(count, sizeof(*names));
    char(*texts)[40] = calloc(count, sizeof(*texts));
    assert_true(names != NULL && texts != NULL);
    for (size_t i = 0; i < count; i++) {
        snprintf(texts[i], sizeof(texts[i]), "n%zu.many.example", i);
        names[i] = (struct pki_name){ PKI_NAME_DNS, slice_of_string(texts[i]) };
    }
    struct buffer der = pki_names_der(names, count);
    free(names);
    free(texts);
    return der;
}

static void a_thousand_names_are_searched(void **state)
{
    const struct world *world = *state;
    static const size_t counts[] = { 1000, 5500 };
    for (int i = 0; i < 2; i++) {
        struct buffer names = many_names(counts[i]);
        const struct pki_certificate *leaf =
            SUPPORT_MAKE(.subject = "CN=many", .issuer = world->root, .names_der = buffer_slice(&names));
        buffer_free(&names);
        char last[64];
        snprintf(last, sizeof(last), "n%zu.many.example", counts[i] - 1);
        struct verdict verdict;
        assert_true(pki_der(leaf).length > 16384);
        support_expect(take(world, leaf, last, &verdict), OK, "the last of many", &verdict);
        assert_string_equal(verdict.matched_name, last);
        snprintf(last, sizeof(last), "n%zu.many.example", counts[i]);
        support_expect(take(world, leaf, last, &verdict), REASON_WRONG_IDENTITY, "one beyond", &verdict);
        assert_non_null(strstr(verdict.detail, "..."));
    }
}

static void a_certificate_beyond_the_limit_is_refused_unread(void **state)
{
    const struct world *world = *state;
    struct buffer names = many_names(8000);
    const struct pki_certificate *leaf =
        SUPPORT_MAKE(.subject = "CN=many", .issuer = world->root, .names_der = buffer_slice(&names));
    buffer_free(&names);
    assert_true(pki_der(leaf).length > CERTIFICATE_SIZE_MAX);
    struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
    assert_int_equal(certificate_chain_append(&chain, pki_der(leaf)), ERROR_LIMIT);
    certificate_chain_fini(&chain);
}

static void constraints_times_names_are_bounded(void **state)
{
    const struct world *world = *state;
    struct buffer constraints = BUFFER_EMPTY;
    for (int i = 0; i < 1500; i++)
        buffer_append_format(&constraints, "%sexcluded;DNS:x%d.example", i > 0 ? "," : "", i);
    buffer_append_byte(&constraints, 0);
    struct buffer names = many_names(1500);
    const struct pki_certificate *ca = SUPPORT_MAKE(.subject = "CN=ca", .is_ca = true, .issuer = world->root,
                                                    .name_constraints = constraints.data);
    const struct pki_certificate *leaf =
        SUPPORT_MAKE(.subject = "CN=many", .issuer = ca, .names_der = buffer_slice(&names));
    struct buffer uris = BUFFER_EMPTY;
    for (int i = 0; i < 1500; i++)
        buffer_append_format(&uris, "%sURI:sip:n%d.example", i > 0 ? "," : "", i);
    buffer_append_byte(&uris, 0);
    const struct pki_certificate *sip_leaf = SUPPORT_MAKE(.subject = "CN=many", .issuer = ca, .names = uris.data);
    struct verdict verdict;
    support_expect(support_take(&world->request, (support_list){ leaf, ca }, &verdict), REASON_CHAIN_INVALID,
                   "DNS names", &verdict);
    support_expect(support_take(&world->request, (support_list){ sip_leaf, ca }, &verdict), REASON_CHAIN_INVALID,
                   "sip: URIs", &verdict);
    buffer_free(&constraints);
    buffer_free(&names);
    buffer_free(&uris);
}

static void depth_is_limited(void **state)
{
    const struct world *world = *state;
    const struct pki_certificate *list[SUPPORT_CHAIN_MAX] = { NULL };
    const struct pki_certificate *issuer = world->root;
    for (int count = 1; count <= VERDICT_DEPTH_MAX + 1; count++) {
        char subject[32];
        snprintf(subject, sizeof(subject), "CN=ca %d", count);
        issuer = list[count] = SUPPORT_MAKE(.subject = subject, .is_ca = true, .issuer = issuer);
        list[0] = SUPPORT_MAKE(.subject = "CN=leaf", .issuer = issuer, .names = "DNS:good.example");
        struct verdict verdict;
        support_expect(support_take(&world->request, list, &verdict),
                       count <= VERDICT_DEPTH_MAX ? OK : REASON_CHAIN_INVALID, subject, &verdict);
    }
}

static void extra_certificates_are_carried_up_to_a_limit(void **state)
{
    const struct world *world = *state;
    const struct pki_certificate *list[SUPPORT_CHAIN_MAX] = { world->leaf };
    for (int count = 1; count <= VERDICT_PRESENTED_MAX; count++) {
        char subject[32];
        snprintf(subject, sizeof(subject), "CN=extra %d", count);
        list[count] = SUPPORT_MAKE(.subject = subject, .is_ca = count % 2 == 0);
        struct verdict verdict;
        support_expect(support_take(&world->request, list, &verdict),
                       count < VERDICT_PRESENTED_MAX ? OK : REASON_CHAIN_INVALID, subject, &verdict);
    }
}

static void bytes_in_all_are_limited(void **state)
{
    const struct world *world = *state;
    struct buffer names = many_names(4000);
    const struct pki_certificate *large = SUPPORT_MAKE(.subject = "CN=large", .names_der = buffer_slice(&names));
    buffer_free(&names);
    struct verdict verdict;
    support_expect(support_take(&world->request, (support_list){ world->leaf, large, large }, &verdict), OK,
                   "two large", &verdict);
    support_expect(support_take(&world->request, (support_list){ world->leaf, large, large, large, large }, &verdict),
                   REASON_CHAIN_INVALID, "four large", &verdict);
}

/* Every candidate is the issuer of every other by name: the builder must not try all orders. */
static void issuers_of_one_name_do_not_explode(void **state)
{
    const struct world *world = *state;
    const struct pki_certificate *list[SUPPORT_CHAIN_MAX] = { NULL };
    for (int i = 1; i < VERDICT_PRESENTED_MAX; i++)
        list[i] = SUPPORT_MAKE(.subject = "CN=x", .is_ca = true, .has_no_key_identifiers = true);
    list[0] = SUPPORT_MAKE(.subject = "CN=leaf", .issuer = list[1], .names = "DNS:good.example",
                           .has_no_key_identifiers = true);
    struct verdict verdict;
    assert_true(support_take(&world->request, list, &verdict) != OK);
    for (int i = 1; i < VERDICT_PRESENTED_MAX; i++)
        list[i] = SUPPORT_MAKE(.subject = "CN=x", .issuer_name = "CN=x", .is_ca = true, .signed_by = list[1],
                               .has_no_key_identifiers = true);
    assert_true(support_take(&world->request, list, &verdict) != OK);
}

static void extensions_are_limited(void **state)
{
    const struct world *world = *state;
    static const uint8_t der_null[] = { 0x05, 0x00 };
    static char oids[80][32];
    static struct pki_extension extensions[80];
    for (int i = 0; i < 80; i++) {
        snprintf(oids[i], sizeof(oids[i]), "1.3.6.1.4.1.99999.%d", i + 10);
        extensions[i] = (struct pki_extension){ oids[i], false, der_null, 2 };
    }
    static const struct {
        size_t count;
        enum reason expected;
    } counts[] = { { 60, OK }, { 80, REASON_CERTIFICATE_MALFORMED } };
    for (int i = 0; i < 2; i++) {
        const struct pki_certificate *leaf =
            SUPPORT_MAKE(.subject = "CN=leaf", .issuer = world->root, .names = "DNS:good.example",
                         .extensions = extensions, .extension_count = counts[i].count);
        struct verdict verdict;
        support_expect(take(world, leaf, "good.example", &verdict), counts[i].expected, "extensions", &verdict);
    }
}

static void long_texts_are_cut_not_trusted(void **state)
{
    const struct world *world = *state;
    char uri[700] = "URI:sip:good.example;p=";
    memset(uri + strlen(uri), 'x', 600);
    const struct pki_certificate *leaf = SUPPORT_MAKE(.subject = "CN=leaf", .issuer = world->root, .names = uri);
    struct verdict verdict;
    support_expect(take(world, leaf, "good.example", &verdict), OK, "long URI", &verdict);
    assert_string_equal(verdict.matched_name, "good.example");
    char domain[400];
    memset(domain, 'a', sizeof(domain));
    domain[sizeof(domain) - 1] = '\0';
    support_expect(take(world, leaf, domain, &verdict), REASON_NO_EXPECTED_DOMAIN, "long domain", &verdict);
    /* 253 bytes are a name */
    for (size_t i = 49; i < 253; i += 50)
        domain[i] = '.';
    domain[253] = '\0';
    support_expect(take(world, leaf, domain, &verdict), REASON_WRONG_IDENTITY, "longest domain", &verdict);
    assert_string_equal(verdict.expected_domain, domain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_names_are_searched),
        cmocka_unit_test(a_certificate_beyond_the_limit_is_refused_unread),
        cmocka_unit_test(constraints_times_names_are_bounded),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(extra_certificates_are_carried_up_to_a_limit),
        cmocka_unit_test(bytes_in_all_are_limited),
        cmocka_unit_test(issuers_of_one_name_do_not_explode),
        cmocka_unit_test(extensions_are_limited),
        cmocka_unit_test(long_texts_are_cut_not_trusted),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
