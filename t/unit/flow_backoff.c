/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_backoff.c - how long what failed is left alone (RFC 4321 1.3, INV-20), with a clock of the test's own. */
#include "flow/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { FIRST_MS = 1000, LONGEST_MS = 8000, MEMORY_MS = 60000, SEED = 11 };

static struct requirement_key fields_of(unsigned port)
{
    struct requirement_key fields;
    memset(&fields, 0, sizeof(fields));
    fields.role = ROLE_OUT;
    fields.transport = TRANSPORT_TLS;
    fields.level = LEVEL_ENCRYPT;
    fields.destination = (struct endpoint){ .address = address_v4((const uint8_t[]){ 192, 0, 2, 1 }),
        .port = (uint16_t)port };
    return fields;
}

static struct connection_key key_of(unsigned port)
{
    struct requirement_key fields = fields_of(port);
    struct connection_key key;
    connection_key_encode(&fields, SEED, &key);
    return key;
}

static int open_book(void **state)
{
    static struct backoff_book book;
    *state = &book;
    return backoff_init(&book, FIRST_MS, LONGEST_MS);
}

static int close_book(void **state)
{
    backoff_fini(*state);
    return 0;
}

static void who_asks_for_rest_has_it_for_so_long(void **state)
{
    struct backoff_book *book = *state;
    const struct connection_key key = key_of(1), other = key_of(2);
    backoff_hold(book, &key, 5000, 3000);
    assert_int_equal(backoff_state(book, &key, 7999), BACKOFF_HELD);
    assert_int_equal(backoff_state(book, &other, 7999), BACKOFF_NONE);
    assert_int_not_equal(backoff_state(book, &key, 8000), BACKOFF_HELD);
    backoff_hold(book, &key, 9000, UINT64_MAX);
    backoff_hold(book, &key, 9500, 1000); /* what was asked for before is not taken back */
    assert_int_equal(backoff_state(book, &key, 9000 + LONGEST_MS - 1), BACKOFF_HELD);
    assert_int_not_equal(backoff_state(book, &key, 9000 + LONGEST_MS), BACKOFF_HELD);
    backoff_expire(book, 9500 + LONGEST_MS + MEMORY_MS + 1);
    assert_int_equal(backoff_state(book, &key, 9501), BACKOFF_NONE);
}

static void each_failure_holds_for_longer(void **state)
{
    struct backoff_book *book = *state;
    const struct connection_key key = key_of(1), other = key_of(2);
    static const int64_t holds[] = { 1000, 2000, 4000, 8000, 8000, 8000 };
    int64_t now = 5000;
    assert_int_equal(backoff_state(book, &key, now), BACKOFF_NONE);
    for (size_t i = 0; i < sizeof(holds) / sizeof(holds[0]); i++) {
        backoff_failed(book, &key, now);
        assert_int_equal(backoff_state(book, &key, now), BACKOFF_HELD);
        /* Those that were under way at the same time fail too, and say nothing new. */
        backoff_failed(book, &key, now + holds[i] / 2);
        assert_int_equal(backoff_state(book, &key, now + holds[i] - 1), BACKOFF_HELD);
        assert_int_equal(backoff_state(book, &key, now + holds[i]), BACKOFF_PROBATION);
        assert_int_equal(backoff_state(book, &other, now), BACKOFF_NONE);
        now += holds[i] + 1;
    }
    backoff_worked(book, &key);
    assert_int_equal(backoff_state(book, &key, now), BACKOFF_NONE);
    backoff_failed(book, &key, now);
    assert_int_equal(backoff_state(book, &key, now + FIRST_MS), BACKOFF_PROBATION);
}

static void it_is_forgotten_in_the_end(void **state)
{
    struct backoff_book *book = *state;
    const struct connection_key early = key_of(1), late = key_of(2);
    backoff_failed(book, &early, 0);
    backoff_failed(book, &late, 100);
    backoff_expire(book, LONGEST_MS + MEMORY_MS);
    assert_int_equal(backoff_state(book, &early, LONGEST_MS + MEMORY_MS), BACKOFF_PROBATION);
    backoff_expire(book, LONGEST_MS + MEMORY_MS + 1);
    assert_int_equal(backoff_state(book, &early, LONGEST_MS + MEMORY_MS + 1), BACKOFF_NONE);
    assert_int_equal(backoff_state(book, &late, LONGEST_MS + MEMORY_MS + 1), BACKOFF_PROBATION);
    backoff_worked(book, &early); /* nothing to forget */
    backoff_expire(book, INT64_MAX / 2);
    assert_int_equal(backoff_state(book, &late, 200), BACKOFF_NONE);
    backoff_failed(book, &early, 0);
    backoff_failed(book, &late, 0);
    backoff_clear(book);
    assert_int_equal(backoff_state(book, &early, 0), BACKOFF_NONE);
    assert_int_equal(backoff_state(book, &late, 0), BACKOFF_NONE);
}

/* Failures of others push out the oldest, and memory has an end. */
static void a_book_has_an_end(void **state)
{
    struct backoff_book *book = *state;
    const struct connection_key first = key_of(1), second = key_of(2), last = key_of(65535);
    backoff_failed(book, &first, 0);
    backoff_failed(book, &second, 0);
    for (unsigned port = 3; port <= 65535; port++) {
        struct connection_key key = key_of(port);
        backoff_failed(book, &key, 0);
    }
    assert_int_equal(backoff_state(book, &first, 0), BACKOFF_HELD); /* 65535 have room */
    struct requirement_key fields = fields_of(1);
    struct connection_key more;
    for (unsigned tag = 'a'; tag <= 'b'; tag++) {
        fields.isolation[0] = (char)tag;
        connection_key_encode(&fields, SEED, &more);
        backoff_failed(book, &more, 0);
    }
    assert_int_equal(backoff_state(book, &first, 0), BACKOFF_NONE);
    assert_int_equal(backoff_state(book, &second, 0), BACKOFF_HELD);
    assert_int_equal(backoff_state(book, &last, 0), BACKOFF_HELD);
    assert_int_equal(backoff_state(book, &more, 0), BACKOFF_HELD);
}

/* What a key asks to be proven is no part of its place; where it goes, and from where, is. */
static void a_place_is_where_and_nothing_else(void **state)
{
    (void)state;
    const struct requirement_key plain = fields_of(5061);
    struct requirement_key fields = plain;
    struct connection_key place, same;
    backoff_place(&plain, SEED, &place);
    fields.level = LEVEL_DOMAIN;
    fields.trust.is_set = fields.credential_chain.is_set = true;
    memcpy(fields.expected_domain, "biloxi.example", sizeof("biloxi.example"));
    memcpy(fields.sni, "biloxi.example", sizeof("biloxi.example"));
    backoff_place(&fields, SEED, &same);
    assert_true(connection_key_equal(&place, &same));
    assert_int_equal(place.hash, same.hash);
    fields = plain;
    fields.destination.port++;
    backoff_place(&fields, SEED, &same);
    assert_false(connection_key_equal(&place, &same));
    fields = plain;
    fields.destination.address.bytes[3]++;
    backoff_place(&fields, SEED, &same);
    assert_false(connection_key_equal(&place, &same));
    fields = plain;
    fields.transport = TRANSPORT_TCP;
    backoff_place(&fields, SEED, &same);
    assert_false(connection_key_equal(&place, &same));
    fields = plain;
    fields.local = address_v4((const uint8_t[]){ 192, 0, 2, 2 });
    backoff_place(&fields, SEED, &same);
    assert_false(connection_key_equal(&place, &same));
}

static void nothing_is_held_where_it_is_switched_off(void **state)
{
    (void)state;
    struct backoff_book book;
    const struct connection_key key = key_of(1);
    assert_int_equal(backoff_init(&book, 0, LONGEST_MS), 0);
    backoff_failed(&book, &key, 0);
    assert_int_equal(backoff_state(&book, &key, 0), BACKOFF_NONE);
    backoff_fini(&book);
    /* A limit below the first hold is that hold. */
    assert_int_equal(backoff_init(&book, FIRST_MS, 0), 0);
    backoff_failed(&book, &key, 0);
    backoff_failed(&book, &key, FIRST_MS);
    assert_int_equal(backoff_state(&book, &key, 2 * FIRST_MS - 1), BACKOFF_HELD);
    assert_int_equal(backoff_state(&book, &key, 2 * FIRST_MS), BACKOFF_PROBATION);
    backoff_fini(&book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "C09: who asks for rest has it", who_asks_for_rest_has_it_for_so_long, open_book, close_book, NULL },
        { "D20: each failure holds for longer", each_failure_holds_for_longer, open_book, close_book, NULL },
        { "D20: it is forgotten in the end", it_is_forgotten_in_the_end, open_book, close_book, NULL },
        { "a book has an end", a_book_has_an_end, open_book, close_book, NULL },
        { "D20: a place is where, and nothing else", a_place_is_where_and_nothing_else, NULL, NULL, NULL },
        { "nothing is held where it is switched off", nothing_is_held_where_it_is_switched_off, NULL, NULL, NULL },
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
