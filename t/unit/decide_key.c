/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide_key.c - two keys are equal only if every field is (ADV-1), whatever the fields hold (ADV-2), and however bad
 * the hash is (ADV-3); decode(encode(x)) == x, and nothing else decodes. */
#include "decide_fixture.h"

#include "base/table.h"

#include <string.h>

static const struct requirement_key zero_key;

/* Every field has a value. */
static struct requirement_key full_key(void)
{
    struct requirement_key key = { .role = ROLE_OUT, .transport = TRANSPORT_TLS,
        .destination = { fixture_address("2001:db8::1"), 5061 }, .local = fixture_address("2001:db8::2"),
        .sni = "sni.example", .level = LEVEL_DOMAIN, .expected_domain = "expected.example", .cn_fallback = 1,
        .wildcard = 1, .eku_mode = EKU_SIP5924, .crl = REVOCATION_SOFT, .ocsp = REVOCATION_HARD,
        .tls_min = TLS_VERSION_1_2, .tls_max = TLS_VERSION_1_3, .ciphers = "A:B", .isolation = "tenant" };
    key.credential_chain.is_set = key.credential_key.is_set = key.trust.is_set = key.crl_set.is_set = true;
    memset(key.credential_chain.bytes, 1, DIGEST_SIZE);
    memset(key.credential_key.bytes, 2, DIGEST_SIZE);
    memset(key.trust.bytes, 3, DIGEST_SIZE);
    memset(key.crl_set.bytes, 4, DIGEST_SIZE);
    key.pins.count = 2;
    memset(key.pins.digests[0], 5, DIGEST_SIZE);
    memset(key.pins.digests[1], 6, DIGEST_SIZE);
    return key;
}

/* The longest that fields can hold. */
static struct requirement_key longest_key(void)
{
    struct requirement_key key = full_key();
    memset(key.sni, 'a', sizeof(key.sni) - 1);
    memset(key.expected_domain, 'b', sizeof(key.expected_domain) - 1);
    memset(key.ciphers, 'c', sizeof(key.ciphers) - 1);
    memset(key.isolation, 'd', sizeof(key.isolation) - 1);
    key.pins.count = PINS_MAX;
    return key;
}

enum { MUTATIONS_MAX = 512 };

struct mutation {
    const char *word;
    struct requirement_key fields;
    struct connection_key key;
    struct table_node node;
};

struct mutations {
    struct mutation entries[MUTATIONS_MAX];
    size_t count;
};

static struct requirement_key *add_mutation(struct mutations *mutations, const char *word,
    const struct requirement_key *base)
{
    assert_true(mutations->count < MUTATIONS_MAX);
    struct mutation *mutation = &mutations->entries[mutations->count++];
    mutation->word = word;
    mutation->fields = *base;
    return &mutation->fields;
}

/* Each MUTATE_kind changes one member in every way that matters: values, length, absence. */
#define NEW(member) (&add_mutation(mutations, word, base)->member)

#define MUTATE_BYTE(member, size)                       \
    for (uint8_t bit = 1; bit != 0; bit = (uint8_t)(bit << 1)) \
        *NEW(member) ^= bit;

#define MUTATE_ADDRESS(member, size)                    \
    for (unsigned i = 0; i < 16; i++)                   \
        NEW(member)->bytes[i] ^= 0x80;                  \
    for (unsigned bit = 0; bit < 32; bit += 8)          \
        NEW(member)->scope ^= 1u << bit;                \
    NEW(member)->family = ADDRESS_V4;                   \
    *NEW(member) = (struct address){ .family = ADDRESS_NONE };

#define MUTATE_ENDPOINT(member, size)                   \
    MUTATE_ADDRESS(member.address, size)                \
    NEW(member)->port ^= 1;                             \
    NEW(member)->port ^= 0x8000;

#define MUTATE_DIGEST(member, size)                     \
    for (unsigned i = 0; i < DIGEST_SIZE; i++)          \
        NEW(member)->bytes[i] ^= 1;                     \
    NEW(member)->is_set = false;                        \
    memset(NEW(member)->bytes, 0, DIGEST_SIZE);

#define MUTATE_PINS(member, size)                       \
    for (unsigned i = 0; i < DIGEST_SIZE; i++)          \
        NEW(member)->digests[1][i] ^= 1;                \
    for (uint8_t count = 0; count <= PINS_MAX; count++) \
        if (count != base->member.count)                \
            NEW(member)->count = count;

#define MUTATE_TEXT(member, size)                       \
    (*NEW(member))[0] ^= 1;                             \
    (*NEW(member))[0] = 'Z';                            \
    memset(*NEW(member), 0, size);                      \
    (*NEW(member))[strlen(base->member)] = 'x';         \
    (*NEW(member))[strlen(base->member) - 1] = '\0';

static void mutate_all(struct mutations *mutations, const struct requirement_key *base)
{
    mutations->count = 0;
    *add_mutation(mutations, "none", base) = *base;
#define X(kind, type, member, tag, part, word_)                   \
    {                                                             \
        const char *word = word_;                                 \
        MUTATE_##kind(member, sizeof(base->member))               \
    }
    REQUIREMENT_LIST(X)
#undef X
    for (size_t i = 0; i < mutations->count; i++)
        connection_key_encode(&mutations->entries[i].fields, FIXTURE_SEED, &mutations->entries[i].key);
}

/* INV-3, INV-12, INV-45 */
static void a_key_that_differs_in_one_field_is_another_key(void **state)
{
    static struct mutations mutations;
    struct requirement_key base = full_key();
    (void)state;
    mutate_all(&mutations, &base);
    assert_true(mutations.count > 200);
    for (size_t a = 0; a < mutations.count; a++) {
        for (size_t b = 0; b < mutations.count; b++) {
            const struct mutation *left = &mutations.entries[a], *right = &mutations.entries[b];
            if (connection_key_equal(&left->key, &right->key) != (a == b))
                fail_msg("%s (%zu) and %s (%zu)", left->word, a, right->word, b);
            assert_true(requirement_key_equal(&left->fields, &right->fields, PART_ALL) == (a == b));
        }
    }
}

/* ADV-3: with four bits of hash everything collides, and is told apart all the same (INV-2). */
static void a_truncated_hash_separates_as_well(void **state)
{
    static struct mutations mutations;
    struct requirement_key base = full_key();
    struct table table;
    (void)state;
    mutate_all(&mutations, &base);
    assert_int_equal(table_init(&table), 0);
    for (size_t i = 0; i < mutations.count; i++) {
        mutations.entries[i].key.hash &= 15;
        table_insert(&table, &mutations.entries[i].node, mutations.entries[i].key.hash);
    }
    size_t compared = 0;
    for (size_t i = 0; i < mutations.count; i++) {
        size_t found = 0;
        const struct connection_key *key = &mutations.entries[i].key;
        for (struct table_node *node = table_first(&table, key->hash); node != NULL; node = table_next(node)) {
            const struct mutation *other = CONTAINER_OF(node, struct mutation, node);
            compared++;
            if (!connection_key_equal(key, &other->key))
                continue;
            found++;
            assert_ptr_equal(other, &mutations.entries[i]);
        }
        assert_int_equal(found, 1);
    }
    assert_true(compared > 10 * mutations.count);
    table_fini(&table);
}

/* ADV-2, INV-2 */
static void what_is_said_in_one_field_is_not_said_in_another(void **state)
{
    (void)state;
    struct requirement_key keys[16];
    struct connection_key encoded[ARRAY_SIZE(keys)];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        keys[i] = (struct requirement_key){ .role = ROLE_OUT };
    memcpy(keys[count++].sni, "x", 1);
    memcpy(keys[count++].expected_domain, "x", 1);
    memcpy(keys[count++].ciphers, "x", 1);
    memcpy(keys[count++].isolation, "x", 1);
    /* SNI and expected domain share bytes that end in different places, or look like the next field's header. */
    memcpy(keys[count].sni, "ab", 2);
    memcpy(keys[count++].expected_domain, "c", 1);
    memcpy(keys[count].sni, "a", 1);
    memcpy(keys[count++].expected_domain, "bc", 2);
    memcpy(keys[count++].sni, "abc", 3);
    memcpy(keys[count++].sni, "a\x08\x01\x01", 4);
    memcpy(keys[count].sni, "a", 1);
    keys[count++].level = 1;
    /* Absent is not zero. */
    keys[count++].trust.is_set = true;
    keys[count++].crl_set.is_set = true;
    keys[count++].credential_chain.is_set = true;
    keys[count++].credential_key.is_set = true;
    keys[count++].local.family = ADDRESS_V4;
    keys[count++].local.family = ADDRESS_V6;
    keys[count++].pins.count = 1;
    assert_int_equal(count, ARRAY_SIZE(keys));
    for (size_t i = 0; i < count; i++)
        connection_key_encode(&keys[i], FIXTURE_SEED, &encoded[i]);
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < count; b++)
            assert_true(connection_key_equal(&encoded[a], &encoded[b]) == (a == b));
}

static void keys_depend_on_nothing_but_the_fields(void **state)
{
    (void)state;
    struct requirement_key a, b;
    struct connection_key first, second;
    struct requirement_key values = full_key();
    /* Padding and what stands behind a text's end are no part of it. */
    memset(&a, 0x55, sizeof(a));
    memset(&b, 0xaa, sizeof(b));
#define X(kind, type, member, tag, part, word) memcpy(&a.member, &values.member, sizeof(a.member));
    REQUIREMENT_LIST(X)
#undef X
#define X(kind, type, member, tag, part, word) memcpy(&b.member, &values.member, sizeof(b.member));
    REQUIREMENT_LIST(X)
#undef X
    memset(a.sni + strlen(a.sni) + 1, 'x', 5);
    memset(b.pins.digests[2], 'y', DIGEST_SIZE);
    memset(&first, 0x11, sizeof(first));
    memset(&second, 0x22, sizeof(second));
    connection_key_encode(&a, FIXTURE_SEED, &first);
    connection_key_encode(&b, FIXTURE_SEED, &second);
    assert_true(connection_key_equal(&first, &second));
    assert_true(first.hash == second.hash);
    connection_key_encode(&a, FIXTURE_SEED + 1, &second);
    assert_true(connection_key_equal(&first, &second));
    assert_true(first.hash != second.hash);
    /* An absent digest has no bytes. */
    a.trust.is_set = b.trust.is_set = false;
    memset(b.trust.bytes, 7, DIGEST_SIZE);
    connection_key_encode(&a, FIXTURE_SEED, &first);
    connection_key_encode(&b, FIXTURE_SEED, &second);
    assert_true(connection_key_equal(&first, &second));
}

static void an_empty_key_equals_nothing(void **state)
{
    (void)state;
    struct connection_key a = { .length = 0 }, b = { .length = 0 };
    assert_false(connection_key_equal(&a, &b));
    assert_false(connection_key_equal(&a, &a));
}

static void what_was_encoded_decodes_to_the_same(void **state)
{
    static struct mutations mutations;
    const struct requirement_key bases[] = { full_key(), longest_key() };
    (void)state;
    for (size_t base = 0; base < ARRAY_SIZE(bases); base++) {
        if (base == 0)
            mutate_all(&mutations, &bases[base]);
        for (size_t i = 0; i < (base == 0 ? mutations.count : 1); i++) {
            const struct requirement_key *fields = base == 0 ? &mutations.entries[i].fields : &bases[base];
            struct requirement_key decoded;
            struct connection_key key, again;
            connection_key_encode(fields, FIXTURE_SEED, &key);
            assert_true(key.length <= CONNECTION_KEY_MAX);
            assert_int_equal(connection_key_decode(&key, &decoded), 0);
            assert_true(requirement_key_equal(fields, &decoded, PART_ALL));
            connection_key_encode(&decoded, FIXTURE_SEED, &again);
            assert_true(connection_key_equal(&key, &again));
        }
    }
}

/* Any bytes: either they do not decode, or they are what encode() makes. */
static void nothing_else_decodes(void **unused)
{
    (void)unused;
    uint32_t state = 99;
    const struct requirement_key base = full_key();
    struct connection_key good, bad, again;
    struct requirement_key decoded;
    unsigned decodes = 0;
    connection_key_encode(&base, FIXTURE_SEED, &good);
    for (uint16_t length = 0; length < good.length; length++) {
        bad = good;
        bad.length = length;
        assert_int_equal(connection_key_decode(&bad, &decoded), ERROR_SYNTAX);
    }
    bad = good;
    bad.bytes[bad.length++] = 0;
    assert_int_equal(connection_key_decode(&bad, &decoded), ERROR_SYNTAX);
    for (unsigned round = 0; round < 200000; round++) {
        bad = good;
        for (unsigned change = 1 + fixture_random(&state, 3); change > 0; change--)
            bad.bytes[fixture_random(&state, bad.length)] = (uint8_t)fixture_random(&state, 256);
        if (connection_key_decode(&bad, &decoded) != 0)
            continue;
        decodes++;
        connection_key_encode(&decoded, FIXTURE_SEED, &again);
        assert_true(connection_key_equal(&bad, &again));
    }
    assert_true(decodes > 1000);
}

static void too_many_pins_do_not_overflow(void **state)
{
    (void)state;
    struct requirement_key fields = longest_key();
    struct connection_key key;
    fields.pins.count = 255;
    connection_key_encode(&fields, FIXTURE_SEED, &key);
    assert_true(key.length <= CONNECTION_KEY_MAX);
    assert_false(requirement_key_equal(&fields, &fields, PART_JUDGEMENT));
}

static void parts_of_a_key_are_compared_apart(void **state)
{
    (void)state;
    struct requirement_key a = full_key(), b = full_key();
    b.level = LEVEL_ENCRYPT;
    b.trust.is_set = false;
    assert_true(requirement_key_equal(&a, &b, PART_PLACE | PART_HANDSHAKE | PART_FLOOR));
    assert_false(requirement_key_equal(&a, &b, PART_JUDGEMENT));
    b = a;
    b.ciphers[0] = 'C';
    assert_true(requirement_key_equal(&a, &b, PART_PLACE | PART_HANDSHAKE | PART_JUDGEMENT));
    assert_false(requirement_key_equal(&a, &b, PART_FLOOR));
    b = a;
    b.sni[0] = 'S';
    assert_false(requirement_key_equal(&a, &b, PART_HANDSHAKE));
    b = a;
    b.isolation[0] = 'T';
    assert_false(requirement_key_equal(&a, &b, PART_PLACE));
}

static void every_field_is_printed_under_its_word(void **state)
{
    (void)state;
    struct requirement_key key = full_key();
    struct buffer out = BUFFER_EMPTY;
    char text[4096];
    requirement_key_print(&key, &out);
    assert_true(slice_to_string(buffer_slice(&out), text, sizeof(text)));
    buffer_free(&out);
#define X(kind, type, member, tag, part, word)                            \
    if (strstr(text, word "=") == NULL)                                   \
        fail_msg("%s is not in %s", word, text);
    REQUIREMENT_LIST(X)
#undef X
    assert_memory_equal(text, "role=out transport=tls destination=[2001:db8::1]:5061 local-address=2001:db8::2 ",
        strlen("role=out transport=tls destination=[2001:db8::1]:5061 local-address=2001:db8::2 "));
    assert_non_null(strstr(text, "level=domain expected-domain=expected.example"));
    assert_non_null(strstr(text, "eku-mode=sip5924 crl=soft ocsp=hard"));
    assert_non_null(strstr(text, "tls-min=1.2 tls-max=1.3"));
    requirement_key_print(&zero_key, &out);
    assert_false(out.has_failed);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_differs_in_one_field_is_another_key),
        cmocka_unit_test(a_truncated_hash_separates_as_well),
        cmocka_unit_test(what_is_said_in_one_field_is_not_said_in_another),
        cmocka_unit_test(keys_depend_on_nothing_but_the_fields),
        cmocka_unit_test(an_empty_key_equals_nothing),
        cmocka_unit_test(what_was_encoded_decodes_to_the_same),
        cmocka_unit_test(nothing_else_decodes),
        cmocka_unit_test(too_many_pins_do_not_overflow),
        cmocka_unit_test(parts_of_a_key_are_compared_apart),
        cmocka_unit_test(every_field_is_printed_under_its_word),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
