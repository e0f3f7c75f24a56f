/* SPDX-License-Identifier: GPL-2.0-or-later */
/* certificate.c - fuzz target: whatever bytes a peer presents as certificates.
 * In:    one DER, or several, each after its length in two bytes. Out: a trap when a rule is broken.
 * Rules: facts hold printable text; an identity is a normalised name and matches itself; nothing is proven.
 */
#include "base/buffer.h"
#include "pkix/identity.h"
#include "pkix/verdict.h"
#include "policy/name.h"

#include "certificate_anchor.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define REQUIRE(condition)  \
    do {                    \
        if (!(condition))   \
            __builtin_trap(); \
    } while (0)

static void check_text(const char *text)
{
    for (; *text != '\0'; text++)
        REQUIRE(*text >= ' ' && *text < 0x7f);
}

static void check_identities(const struct certificate_facts *facts)
{
    const struct identity_rule rule = { true, true };
    struct identity_walk walk = { 0 };
    struct identity identity;
    size_t count = 0;
    while (identity_next(&walk, facts, &rule, &identity)) {
        char name[DOMAIN_NAME_SIZE];
        REQUIRE(name_normalise(slice_of_string(identity.name), name) == 0 && strcmp(name, identity.name) == 0);
        REQUIRE(identity.is_wildcard || identity_matches(facts, &rule, name, NULL));
        REQUIRE(++count <= facts->name_count + 1);
    }
}

static void check_facts(struct slice der)
{
    struct certificate_facts *facts = NULL;
    if (certificate_facts_read(der, &facts, NULL) != 0)
        return;
    for (size_t i = 0; i < facts->name_count; i++)
        check_text(facts->names[i].text);
    if (facts->common_name != NULL)
        check_text(facts->common_name);
    for (const char *c = facts->subject; *c != '\0'; c++)
        REQUIRE((unsigned char)*c >= ' ' && *c != 0x7f);
    char text[100];
    certificate_names_print(facts, text, sizeof(text));
    check_text(text);
    check_identities(facts);
    certificate_facts_free(facts);
}

static struct certificate_chain split(struct slice bytes)
{
    struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
    if (bytes.length > 0 && bytes.data[0] == 0x30) {
        (void)!certificate_chain_append(&chain, bytes);
        return chain;
    }
    while (bytes.length > 2) {
        size_t length = (size_t)(uint8_t)bytes.data[0] << 8 | (uint8_t)bytes.data[1];
        bytes = slice_from(bytes, 2);
        (void)!certificate_chain_append(&chain, slice_first(bytes, length));
        bytes = slice_from(bytes, length);
    }
    return chain;
}

static struct trust_store *store_of_anchor(void)
{
    struct certificate_chain anchors = CERTIFICATE_CHAIN_EMPTY;
    struct trust_store *store = NULL;
    REQUIRE(certificate_chain_read(SLICE_LITERAL(ANCHOR_PEM), &anchors, NULL) == 0);
    REQUIRE(trust_store_new(&anchors, ANCHOR_NOW, &store, NULL, NULL) == 0);
    certificate_chain_fini(&anchors);
    return store;
}

static void check_verdict(const struct certificate_chain *chain, const struct trust_store *store)
{
    struct verdict verdict;
    const struct verdict_request request = {
        .level = LEVEL_CHAIN,
        .peer_role = PEER_ROLE_CLIENT,
        .trust_store = store,
        .eku_mode = EKU_EITHER,
        .crl = REVOCATION_OFF,
        .ocsp = REVOCATION_OFF,
    };
    int code = verdict_take(&request, chain, ANCHOR_NOW, &verdict);
    REQUIRE(code == 0 || verdict.reason == REASON_NO_MEMORY);
    REQUIRE(verdict.result == VERDICT_REFUSED && verdict.reason != REASON_NONE);
    check_text(verdict.detail);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct trust_store *store;
    if (store == NULL)
        store = store_of_anchor();
    struct slice input = slice_of((const char *)bytes, length);
    struct certificate_chain chain = split(input);
    for (size_t i = 0; i < chain.count; i++)
        check_facts(certificate_chain_get(&chain, i));
    check_verdict(&chain, store);
    certificate_chain_fini(&chain);
    struct certificate_chain list = CERTIFICATE_CHAIN_EMPTY;
    if (certificate_chain_read(input, &list, NULL) == 0)
        certificate_chain_fini(&list);
    return 0;
}
