/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_session.c - tests of tls/tls_session: pairs of our own sessions in memory. */
#include "tls/tls_session.h"

#include "base/error.h"
#include "tls/tls_library.h"

#include "tls_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct identities {
    struct identity ec, rsa, p384, ed25519, client, long_chain, large;
};

static struct identities *identities_of(void **state)
{
    return *state;
}

static int set_up(void **state)
{
    struct identities *all = calloc(1, sizeof(*all));
    struct why why = WHY_NONE;
    assert_non_null(all);
    if (tls_library_init(&why) != 0)
        fail_msg("%s", why.text);
    identity_init(&all->ec, PKI_EC_P256, 1, 0);
    identity_init(&all->rsa, PKI_RSA_2048, 1, 0);
    identity_init(&all->p384, PKI_EC_P384, 1, 0);
    identity_init(&all->ed25519, PKI_ED25519, 1, 0);
    identity_init(&all->client, PKI_EC_P256, 1, 0);
    identity_init(&all->long_chain, PKI_EC_P256, 5, 0);
    identity_init(&all->large, PKI_EC_P256, 1, 200);
    *state = all;
    return 0;
}

static int tear_down(void **state)
{
    struct identities *all = *state;
    identity_fini(&all->ec);
    identity_fini(&all->rsa);
    identity_fini(&all->p384);
    identity_fini(&all->ed25519);
    identity_fini(&all->client);
    identity_fini(&all->long_chain);
    identity_fini(&all->large);
    free(all);
    tls_library_thread_fini();
    tls_library_fini();
    return 0;
}

static void check_facts(const struct pair *pair, enum tls_version version, bool was_requested, bool was_sent)
{
    struct tls_session_facts client, server;
    assert_int_equal(tls_session_facts(pair->client, &client), 0);
    assert_int_equal(tls_session_facts(pair->server, &server), 0);
    assert_int_equal(client.version, version);
    assert_int_equal(server.version, version);
    assert_string_equal(client.suite, server.suite);
    assert_string_not_equal(client.suite, "");
    assert_string_equal(client.group, "X25519");
    assert_string_equal(server.group, "X25519");
    assert_true(slice_is_absent(client.protocol));
    assert_int_equal(client.was_certificate_requested, was_requested);
    assert_int_equal(server.was_certificate_requested, was_requested);
    assert_int_equal(client.was_certificate_sent, was_sent);
    assert_int_equal(server.was_certificate_sent, was_sent);
}

/* Both versions, all kinds of keys, all modes of client authentication, whole and byte by byte. */
static void every_combination_completes(void **state)
{
    struct identities *all = identities_of(state);
    const struct identity *const servers[] = { &all->ec, &all->rsa, &all->p384, &all->ed25519 };
    static const struct {
        enum client_auth client_auth;
        bool has_certificate;
    } modes[] = { { CLIENT_AUTH_NONE, true }, { CLIENT_AUTH_REQUEST, true }, { CLIENT_AUTH_REQUEST, false },
                  { CLIENT_AUTH_REQUIRE, true } };
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++)
        for (size_t i = 0; i < ARRAY_SIZE(servers) * ARRAY_SIZE(modes) * 2; i++) {
            const struct identity *server = servers[i / 2 % ARRAY_SIZE(servers)];
            size_t mode = i / 2 / ARRAY_SIZE(servers), step = i % 2;
            struct pair pair;
            PAIR_INIT(&pair, .server = server, .client = modes[mode].has_certificate ? &all->client : NULL,
                      .version = version, .client_auth = modes[mode].client_auth, .server_name = "good.example",
                      .step = step);
            if (!pair_complete(&pair))
                fail_msg("client: %s; server: %s", pair.client_why.text, pair.server_why.text);
            bool was_requested = modes[mode].client_auth != CLIENT_AUTH_NONE;
            bool was_sent = was_requested && modes[mode].has_certificate;
            check_facts(&pair, version, was_requested, was_sent);
            expect_chain(pair.client, server->chain, server->count);
            if (was_requested)
                expect_chain(pair.server, all->client.chain, was_sent ? all->client.count : 0);
            else
                assert_false(tls_session_has_chain(pair.server));
            check_facts(&pair, version, was_requested, was_sent);
            expect_text(pair.client, pair.server, SLICE_LITERAL("OPTIONS sip:good.example SIP/2.0\r\n"), step);
            expect_text(pair.server, pair.client, SLICE_LITERAL("SIP/2.0 200 OK\r\n"), step);
            pair_fini(&pair);
        }
}

static void chains_are_captured_at_any_length(void **state)
{
    struct identities *all = identities_of(state);
    const struct identity *const presented[] = { &all->long_chain, &all->large };
    assert_true(all->large.chain[0].length > 4096);
    assert_int_equal(all->long_chain.count, 6);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++)
        for (size_t i = 0; i < ARRAY_SIZE(presented); i++) {
            struct pair pair;
            PAIR_INIT(&pair, .server = presented[i], .client = presented[1 - i], .version = version,
                      .client_auth = CLIENT_AUTH_REQUIRE);
            assert_true(pair_complete(&pair));
            expect_chain(pair.client, presented[i]->chain, presented[i]->count);
            expect_chain(pair.server, presented[1 - i]->chain, presented[1 - i]->count);
            pair_fini(&pair);
        }
}

/* While the client holds, no byte leaves: the server sees no certificate, and waits (INV-18). */
static void nothing_leaves_a_client_before_the_verdict(void **state)
{
    struct identities *all = identities_of(state);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair pair;
        struct buffer plain = BUFFER_EMPTY;
        PAIR_INIT(&pair, .server = &all->ec, .client = &all->client, .version = version,
                  .client_auth = CLIENT_AUTH_REQUIRE);
        assert_int_equal(tls_session_release(pair.client), ERROR_STATE);
        pair_run(&pair);
        assert_true(tls_session_is_held(pair.client));
        assert_true(tls_session_has_chain(pair.client));
        assert_int_equal(tls_session_output(pair.client).length, 0);
        assert_false(tls_session_has_chain(pair.server));
        assert_int_equal(pair.server_progress, TLS_WANT_INPUT);
        assert_int_equal(tls_session_write(pair.client, SLICE_LITERAL("x"), NULL), ERROR_STATE);
        assert_int_equal(tls_session_read(pair.client, SLICE_ABSENT, &plain, NULL), ERROR_STATE);
        assert_int_equal(tls_session_output(pair.client).length, 0);
        assert_int_equal(tls_session_release(pair.client), 0);
        assert_true(tls_session_output(pair.client).length > 0);
        assert_true(pair_complete(&pair));
        expect_text(pair.client, pair.server, SLICE_LITERAL("x"), 0);
        buffer_free(&plain);
        pair_fini(&pair);
    }
}

/* Output of before the capture is not part of the hold, wherever the caller is with sending it. */
static void what_was_said_before_the_capture_may_still_leave(void **state)
{
    struct identities *all = identities_of(state);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair pair;
        PAIR_INIT(&pair, .server = &all->ec, .client = &all->client, .version = version,
                  .client_auth = CLIENT_AUTH_REQUIRE);
        tls_session_handshake(pair.client, SLICE_ABSENT, NULL);
        size_t length = tls_session_output(pair.client).length;
        tls_session_handshake(pair.server, tls_session_output(pair.client), NULL);
        tls_session_handshake(pair.client, tls_session_output(pair.server), NULL);
        assert_true(tls_session_is_held(pair.client));
        assert_int_equal(tls_session_output(pair.client).length, length);
        tls_session_sent(pair.client, length);
        assert_int_equal(tls_session_output(pair.client).length, 0);
        tls_session_sent(pair.server, tls_session_output(pair.server).length);
        assert_true(pair_complete(&pair));
        pair_fini(&pair);
    }
}

/* A failure while output is held: the held flight, with our certificate in it, never leaves. */
static void a_failure_while_held_drops_what_was_held(void **state)
{
    struct identities *all = identities_of(state);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair pair;
        struct buffer plain = BUFFER_EMPTY;
        PAIR_INIT(&pair, .server = &all->ec, .client = &all->client, .version = version,
                  .client_auth = CLIENT_AUTH_REQUIRE);
        pair_run(&pair);
        assert_true(tls_session_is_held(pair.client));
        if (version == TLS_VERSION_1_2) {
            assert_int_equal(tls_session_handshake(pair.client, SLICE_LITERAL("\x17\x03\x03\x00\x05hello"), NULL),
                             TLS_FAILED);
        } else { /* the client is through: what comes is kept, until it is too much */
            static char much[70000];
            assert_int_equal(tls_session_handshake(pair.client, slice_of(much, sizeof(much)), NULL), TLS_FAILED);
        }
        assert_false(tls_session_is_held(pair.client));
        assert_true(tls_session_output(pair.client).length < 50); /* an alert at most */
        if (version == TLS_VERSION_1_2) { /* which the server can read, though the keys of the flight never came */
            assert_int_equal(tls_session_handshake(pair.server, tls_session_output(pair.client), NULL), TLS_FAILED);
            assert_int_equal(tls_session_alert_received(pair.server), tls_session_alert_sent(pair.client));
        }
        assert_int_equal(tls_session_release(pair.client), ERROR_STATE);
        buffer_free(&plain);
        pair_fini(&pair);
    }
}

/* A server's plain text waits for the verdict on the client, and what the client sent early is not lost (INV-18). */
static void a_server_reads_nothing_before_the_verdict(void **state)
{
    struct identities *all = identities_of(state);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair pair;
        struct buffer plain = BUFFER_EMPTY;
        PAIR_INIT(&pair, .server = &all->ec, .client = &all->client, .version = version,
                  .client_auth = CLIENT_AUTH_REQUIRE);
        pair_run(&pair);
        assert_int_equal(tls_session_release(pair.client), 0);
        if (version == TLS_VERSION_1_3) /* the client is done and may write: its text comes with its Finished */
            assert_int_equal(tls_session_write(pair.client, SLICE_LITERAL("early"), NULL), 0);
        pair_run(&pair);
        assert_true(tls_session_is_held(pair.server));
        assert_int_equal(tls_session_output(pair.server).length, 0);
        assert_int_equal(tls_session_read(pair.server, SLICE_ABSENT, &plain, NULL), ERROR_STATE);
        assert_int_equal(tls_session_write(pair.server, SLICE_LITERAL("x"), NULL), ERROR_STATE);
        assert_int_equal(plain.length, 0);
        assert_true(pair_complete(&pair));
        assert_int_equal(tls_session_read(pair.server, SLICE_ABSENT, &plain, NULL), 0);
        assert_true(slice_equal(buffer_slice(&plain), version == TLS_VERSION_1_3 ? SLICE_LITERAL("early")
                                                                                 : SLICE_LITERAL("")));
        buffer_free(&plain);
        pair_fini(&pair);
    }
}

static void a_refused_peer_gets_an_alert_and_no_certificate(void **state)
{
    struct identities *all = identities_of(state);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair pair;
        PAIR_INIT(&pair, .server = &all->ec, .client = &all->client, .version = version,
                  .client_auth = CLIENT_AUTH_REQUIRE);
        pair_run(&pair);
        tls_session_refuse(pair.client, TLS_ALERT_UNKNOWN_CA);
        assert_true(slice_equal(tls_session_output(pair.client), SLICE_LITERAL("\x15\x03\x03\x00\x02\x02\x30")));
        assert_int_equal(tls_session_release(pair.client), ERROR_STATE);
        assert_int_equal(tls_session_handshake(pair.client, SLICE_ABSENT, NULL), TLS_FAILED);
        pair_run(&pair);
        assert_int_equal(pair.server_progress, TLS_FAILED);
        assert_false(tls_session_has_chain(pair.server));
        pair_fini(&pair);
    }
}

/* TLS 1.2: an alert instead of Finished. TLS 1.3: the client is through already, and is told close_notify. */
static void a_refused_client_is_told(void **state)
{
    struct identities *all = identities_of(state);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair pair;
        struct buffer plain = BUFFER_EMPTY;
        PAIR_INIT(&pair, .server = &all->ec, .client = &all->client, .version = version,
                  .client_auth = CLIENT_AUTH_REQUIRE);
        pair_run(&pair);
        assert_int_equal(tls_session_release(pair.client), 0);
        pair_run(&pair);
        assert_true(tls_session_is_held(pair.server));
        tls_session_refuse(pair.server, TLS_ALERT_CERTIFICATE_EXPIRED);
        struct slice output = tls_session_output(pair.server);
        assert_true(output.length > 0);
        if (version == TLS_VERSION_1_2) {
            assert_int_equal(tls_session_handshake(pair.client, output, NULL), TLS_FAILED);
            assert_int_equal(tls_session_alert_received(pair.client), TLS_ALERT_CERTIFICATE_EXPIRED);
        } else {
            assert_int_equal(tls_session_read(pair.client, output, &plain, NULL), ERROR_CLOSED);
            assert_int_equal(tls_session_alert_received(pair.client), TLS_ALERT_CLOSE_NOTIFY);
        }
        assert_int_equal(tls_session_write(pair.server, SLICE_LITERAL("x"), NULL), ERROR_STATE);
        buffer_free(&plain);
        pair_fini(&pair);
    }
}

static void a_required_certificate_is_required(void **state)
{
    struct identities *all = identities_of(state);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair pair;
        PAIR_INIT(&pair, .server = &all->ec, .version = version, .client_auth = CLIENT_AUTH_REQUIRE);
        assert_false(pair_complete(&pair));
        assert_int_equal(pair.server_progress, TLS_FAILED);
        assert_string_not_equal(pair.server_why.text, "");
        assert_int_equal(tls_session_release(pair.server), ERROR_STATE);
        pair_fini(&pair);
    }
}

/* Ranges, suites and groups that have nothing in common. */
static void floors_are_kept(void **state)
{
    struct identities *all = identities_of(state);
    static const struct {
        enum tls_version client_version, server_version;
        const char *client_suites, *server_suites, *client_groups, *server_groups;
    } cases[] = {
        { TLS_VERSION_1_2, TLS_VERSION_1_3, NULL, NULL, NULL, NULL },
        { TLS_VERSION_1_3, TLS_VERSION_1_2, NULL, NULL, NULL, NULL },
        { TLS_VERSION_1_3, TLS_VERSION_1_3, "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", NULL, NULL },
        { TLS_VERSION_1_2, TLS_VERSION_1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", NULL,
          NULL },
        { TLS_VERSION_1_2, TLS_VERSION_1_2, "ECDHE-RSA-AES128-GCM-SHA256", NULL, NULL, NULL },
        { TLS_VERSION_1_3, TLS_VERSION_1_3, NULL, NULL, "P-384", "X25519" },
        { TLS_VERSION_1_2, TLS_VERSION_1_2, NULL, NULL, "P-384:P-256", "X25519" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct pair pair = { 0 };
        struct tls_settings client = settings_of(cases[i].client_version, CLIENT_AUTH_UNSET, cases[i].client_suites,
                                                 cases[i].client_groups, NULL);
        struct tls_settings server = settings_of(cases[i].server_version, CLIENT_AUTH_NONE, cases[i].server_suites,
                                                 cases[i].server_groups, NULL);
        assert_int_equal(tls_context_new(TLS_ROLE_CLIENT, &client, NULL, &pair.client_context, NULL), 0);
        assert_int_equal(tls_context_new(TLS_ROLE_SERVER, &server, all->ec.credential, &pair.server_context, NULL), 0);
        assert_int_equal(tls_session_new(pair.client_context, NULL, &pair.client, NULL), 0);
        assert_int_equal(tls_session_new(pair.server_context, NULL, &pair.server, NULL), 0);
        if (pair_complete(&pair))
            fail_msg("case %zu succeeds", i);
        assert_true(pair.client_progress == TLS_FAILED || pair.server_progress == TLS_FAILED);
        pair_fini(&pair);
    }
}

/* Each suite and each group that can be asked for is what is then negotiated. */
static void suites_and_groups_are_those_asked_for(void **state)
{
    struct identities *all = identities_of(state);
    struct tls_settings settings;
    tls_settings_init(&settings);
    for (const uint16_t *suite = settings.suites; *suite != 0; suite++) {
        const char *name = tls_suite_name(*suite);
        struct pair pair;
        struct tls_session_facts facts;
        PAIR_INIT(&pair, .server = strstr(name, "ECDHE_RSA") != NULL ? &all->rsa : &all->ec,
                  .version = *suite >> 8 == 0x13 ? TLS_VERSION_1_3 : TLS_VERSION_1_2);
        pair_fini(&pair);
        struct tls_settings one = settings_of(*suite >> 8 == 0x13 ? TLS_VERSION_1_3 : TLS_VERSION_1_2,
                                              CLIENT_AUTH_UNSET, name, NULL, NULL);
        PAIR_INIT(&pair, .server = strstr(name, "ECDHE_RSA") != NULL ? &all->rsa : &all->ec,
                  .version = one.minimum, .suites = name);
        if (!pair_complete(&pair))
            fail_msg("%s: client: %s; server: %s", name, pair.client_why.text, pair.server_why.text);
        assert_int_equal(tls_session_facts(pair.server, &facts), 0);
        assert_string_equal(facts.suite, name);
        expect_text(pair.client, pair.server, SLICE_LITERAL("x"), 0);
        pair_fini(&pair);
    }
    static const char *const groups[] = { "X25519", "P-256", "P-384", "P-521" };
    for (size_t i = 0; i < 2 * ARRAY_SIZE(groups); i++) {
        const char *group = groups[i / 2];
        struct pair pair;
        struct tls_session_facts facts;
        /* RSA: an EC certificate would need its own curve among the groups of TLS 1.2. */
        PAIR_INIT(&pair, .server = &all->rsa, .version = i % 2 ? TLS_VERSION_1_3 : TLS_VERSION_1_2, .groups = group);
        if (!pair_complete(&pair))
            fail_msg("%s: client: %s; server: %s", group, pair.client_why.text, pair.server_why.text);
        assert_int_equal(tls_session_facts(pair.client, &facts), 0);
        assert_string_equal(facts.group, group);
        assert_int_equal(tls_session_facts(pair.server, &facts), 0);
        assert_string_equal(facts.group, group);
        pair_fini(&pair);
    }
}

/* Messages of many records, in one and in both directions, and in small pieces. */
static void long_messages_come_through(void **state)
{
    struct identities *all = identities_of(state);
    static const size_t lengths[] = { 1, 1023, 1024, 1025, 16384, 16385, 40000, 200000 };
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair pair;
        PAIR_INIT(&pair, .server = &all->ec, .version = version);
        assert_true(pair_complete(&pair));
        for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
            char *text = malloc(lengths[i]);
            assert_non_null(text);
            for (size_t at = 0; at < lengths[i]; at++)
                text[at] = (char)(at * 7 + at / 251);
            expect_text(pair.client, pair.server, slice_of(text, lengths[i]), 0);
            expect_text(pair.server, pair.client, slice_of(text, lengths[i]), 1000);
            free(text);
        }
        assert_int_equal(tls_session_write(pair.client, SLICE_LITERAL(""), NULL), 0);
        assert_int_equal(tls_session_output(pair.client).length, 0);
        assert_int_equal(tls_session_write(pair.client, slice_of("", (size_t)2 << 20), NULL), ERROR_LIMIT);
        pair_fini(&pair);
    }
}

/* Many small records in one piece are all read at once. */
static void many_records_in_one_segment_are_drained(void **state)
{
    struct identities *all = identities_of(state);
    struct pair pair;
    struct buffer plain = BUFFER_EMPTY;
    PAIR_INIT(&pair, .server = &all->ec);
    assert_true(pair_complete(&pair));
    for (int i = 0; i < 300; i++)
        assert_int_equal(tls_session_write(pair.client, SLICE_LITERAL("ab"), NULL), 0);
    assert_int_equal(tls_session_read(pair.server, tls_session_output(pair.client), &plain, NULL), 0);
    assert_int_equal(plain.length, 600);
    buffer_free(&plain);
    pair_fini(&pair);
}

static void one_message_is_one_record(void **state)
{
    struct identities *all = identities_of(state);
    struct pair pair;
    static char text[16000];
    PAIR_INIT(&pair, .server = &all->ec);
    assert_true(pair_complete(&pair));
    assert_int_equal(tls_session_write(pair.client, slice_of(text, sizeof(text)), NULL), 0);
    struct slice output = tls_session_output(pair.client);
    assert_int_equal((size_t)(uint8_t)output.data[3] << 8 | (uint8_t)output.data[4], output.length - 5);
    pair_fini(&pair);
}

static void close_notify_ends_a_connection_and_only_it(void **state)
{
    struct identities *all = identities_of(state);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair pair;
        struct buffer plain = BUFFER_EMPTY;
        PAIR_INIT(&pair, .server = &all->ec, .version = version);
        assert_true(pair_complete(&pair));
        assert_int_equal(tls_session_write(pair.client, SLICE_LITERAL("last"), NULL), 0);
        tls_session_close(pair.client);
        size_t length = tls_session_output(pair.client).length;
        tls_session_close(pair.client);
        assert_int_equal(tls_session_output(pair.client).length, length);
        assert_int_equal(tls_session_write(pair.client, SLICE_LITERAL("x"), NULL), ERROR_STATE);
        assert_int_equal(tls_session_read(pair.server, tls_session_output(pair.client), &plain, NULL), ERROR_CLOSED);
        assert_true(slice_equal(buffer_slice(&plain), SLICE_LITERAL("last")));
        assert_int_equal(tls_session_read(pair.server, SLICE_LITERAL("after"), &plain, NULL), ERROR_CLOSED);
        assert_int_equal(plain.length, 4);
        assert_int_equal(tls_session_write(pair.server, SLICE_LITERAL("x"), NULL), ERROR_STATE);
        tls_session_close(pair.server);
        assert_int_equal(tls_session_read(pair.client, tls_session_output(pair.server), &plain, NULL), ERROR_CLOSED);
        buffer_free(&plain);
        pair_fini(&pair);
    }
}

static void what_follows_close_notify_is_ignored_whatever_its_length(void **state)
{
    struct identities *all = identities_of(state);
    struct pair pair;
    static char noise[100000];
    struct buffer plain = BUFFER_EMPTY, input = BUFFER_EMPTY;
    PAIR_INIT(&pair, .server = &all->ec);
    assert_true(pair_complete(&pair));
    tls_session_close(pair.client);
    buffer_append_slice(&input, tls_session_output(pair.client));
    buffer_append(&input, noise, sizeof(noise));
    assert_int_equal(tls_session_read(pair.server, buffer_slice(&input), &plain, NULL), ERROR_CLOSED);
    assert_int_equal(plain.length, 0);
    buffer_free(&plain);
    buffer_free(&input);
    pair_fini(&pair);
}

/* Encrypted records of the client's flight may begin with any byte: none is taken for a certificate message. */
static void no_certificate_is_seen_where_none_was_asked_for(void **state)
{
    struct identities *all = identities_of(state);
    for (int i = 0; i < 300; i++) {
        struct pair pair;
        PAIR_INIT(&pair, .server = &all->ec, .client = &all->client, .version = TLS_VERSION_1_2);
        assert_true(pair_complete(&pair));
        check_facts(&pair, TLS_VERSION_1_2, false, false);
        pair_fini(&pair);
    }
}

/* A record with one bit changed is fatal, and nothing of it is passed on. */
static void a_changed_record_breaks_the_connection(void **state)
{
    struct identities *all = identities_of(state);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair pair;
        struct buffer plain = BUFFER_EMPTY, record = BUFFER_EMPTY;
        struct why why = WHY_NONE;
        PAIR_INIT(&pair, .server = &all->ec, .version = version);
        assert_true(pair_complete(&pair));
        assert_int_equal(tls_session_write(pair.client, SLICE_LITERAL("hello"), NULL), 0);
        buffer_append_slice(&record, tls_session_output(pair.client));
        record.data[record.length - 1] ^= 1;
        assert_int_equal(tls_session_read(pair.server, buffer_slice(&record), &plain, &why), ERROR_TLS);
        assert_string_not_equal(why.text, "");
        assert_int_equal(plain.length, 0);
        assert_int_equal(tls_session_write(pair.server, SLICE_LITERAL("x"), NULL), ERROR_STATE);
        assert_int_equal(tls_session_read(pair.server, SLICE_ABSENT, &plain, NULL), ERROR_STATE);
        buffer_free(&plain);
        buffer_free(&record);
        pair_fini(&pair);
    }
}

static void garbage_is_refused_in_both_roles(void **state)
{
    struct identities *all = identities_of(state);
    static const struct slice garbage[] = {
        SLICE_LITERAL("OPTIONS sip:good.example SIP/2.0\r\nVia: SIP/2.0/TLS a\r\n\r\n"),
        SLICE_LITERAL("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"),
        SLICE_LITERAL("\x16\x03\x03\x00\x04\x0E\x00\x00\x00"),
        SLICE_LITERAL("\x17\x03\x03\x00\x05hello"),
        SLICE_LITERAL("\x15\x03\x03\x00\x02\x02\x28"),
    };
    for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
        struct pair pair;
        PAIR_INIT(&pair, .server = &all->ec);
        assert_int_equal(tls_session_handshake(pair.client, SLICE_ABSENT, NULL), TLS_WANT_INPUT);
        assert_int_equal(tls_session_handshake(pair.client, garbage[i], NULL), TLS_FAILED);
        assert_int_equal(tls_session_handshake(pair.server, garbage[i], NULL), TLS_FAILED);
        assert_int_equal(tls_session_release(pair.server), ERROR_STATE);
        assert_int_equal(tls_session_handshake(pair.server, SLICE_ABSENT, NULL), TLS_FAILED);
        pair_fini(&pair);
    }
}

static void what_a_peer_sends_before_the_verdict_is_limited(void **state)
{
    struct identities *all = identities_of(state);
    struct pair pair;
    static char text[16000];
    PAIR_INIT(&pair, .server = &all->ec, .client = &all->client, .version = TLS_VERSION_1_3,
              .client_auth = CLIENT_AUTH_REQUIRE);
    pair_run(&pair);
    assert_int_equal(tls_session_release(pair.client), 0);
    pair_run(&pair);
    assert_int_equal(pair.server_progress, TLS_DONE);
    size_t sent = 0;
    while (pair.server_progress == TLS_DONE && sent < (size_t)1 << 20) {
        assert_int_equal(tls_session_write(pair.client, slice_of(text, sizeof(text)), NULL), 0);
        sent += sizeof(text);
        pair_run(&pair);
    }
    assert_int_equal(pair.server_progress, TLS_FAILED);
    assert_true(sent <= 96 * 1024);
    pair_fini(&pair);
    /* The same in one piece with the end of the handshake. */
    PAIR_INIT(&pair, .server = &all->ec, .client = &all->client, .version = TLS_VERSION_1_3,
              .client_auth = CLIENT_AUTH_REQUIRE);
    pair_run(&pair);
    assert_int_equal(tls_session_release(pair.client), 0);
    for (sent = 0; sent < 100000; sent += sizeof(text))
        assert_int_equal(tls_session_write(pair.client, slice_of(text, sizeof(text)), NULL), 0);
    assert_int_equal(tls_session_handshake(pair.server, tls_session_output(pair.client), NULL), TLS_FAILED);
    pair_fini(&pair);
}

static void application_protocols_are_agreed_on_or_refused(void **state)
{
    struct identities *all = identities_of(state);
    static const struct {
        const char *client, *server;
        bool is_agreed, succeeds;
    } cases[] = {
        { "sip/2", "sip/2", true, true },
        { NULL, "sip/2", false, true },
        { "sip/2", NULL, false, true },
        { "h2", "sip/2", false, false },
    };
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++)
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
            struct pair pair;
            PAIR_INIT(&pair, .server = &all->ec, .version = version, .client_protocol = cases[i].client,
                      .server_protocol = cases[i].server);
            assert_int_equal(pair_complete(&pair), cases[i].succeeds);
            if (!cases[i].succeeds) {
                assert_int_equal(tls_session_alert_sent(pair.server), TLS_ALERT_NO_APPLICATION_PROTOCOL);
                assert_int_equal(tls_session_alert_received(pair.client), TLS_ALERT_NO_APPLICATION_PROTOCOL);
            } else {
                struct tls_session_facts client, server;
                assert_int_equal(tls_session_facts(pair.client, &client), 0);
                assert_int_equal(tls_session_facts(pair.server, &server), 0);
                struct slice wanted = cases[i].is_agreed ? SLICE_LITERAL("sip/2") : SLICE_ABSENT;
                assert_true(slice_equal(client.protocol, wanted));
                assert_true(slice_equal(server.protocol, wanted));
            }
            pair_fini(&pair);
        }
}

/* The name as it goes over the wire, read by our own reader; or the refusal to send one. */
static void a_client_names_the_server_it_wants(void **state)
{
    struct identities *all = identities_of(state);
    static const struct {
        const char *name;
        bool is_sent;
    } cases[] = {
        { "good.example", true },     { "xn--bcher-kva.example", true }, { "a", true },
        { "_sips._tcp.example", true }, { "4.example", true },           { "192.0.2.1", false },
        { "2001:db8::1", false },     { "good.example.", false },        { "", false },
        { ".example", false },        { "a..example", false },           { "b\xC3\xBC" "cher.example", false },
        { "good example", false },    { "example.4", false },
    };
    (void)all;
    struct tls_settings settings = settings_of(TLS_VERSION_UNSET, CLIENT_AUTH_UNSET, NULL, NULL, NULL);
    struct tls_context *context;
    assert_int_equal(tls_context_new(TLS_ROLE_CLIENT, &settings, NULL, &context, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct tls_session_options options = { .server_name = slice_of_string(cases[i].name) };
        struct tls_session *session = NULL;
        struct why why = WHY_NONE;
        int result = tls_session_new(context, &options, &session, &why);
        assert_int_equal(result, cases[i].is_sent ? 0 : ERROR_SYNTAX);
        if (!cases[i].is_sent)
            continue;
        struct client_hello_reader reader;
        client_hello_reader_init(&reader);
        assert_int_equal(tls_session_handshake(session, SLICE_ABSENT, NULL), TLS_WANT_INPUT);
        assert_int_equal(client_hello_reader_feed(&reader, tls_session_output(session), NULL), CLIENT_HELLO_COMPLETE);
        assert_true(slice_equal(reader.hello.server_name, slice_of_string(cases[i].name)));
        client_hello_reader_fini(&reader);
        tls_session_free(session);
    }
    tls_context_unref(context);
}

/* What our own ClientHello offers, and what it must not. */
static void our_client_hello_offers_what_the_settings_say(void **state)
{
    (void)state;
    struct tls_settings settings = settings_of(TLS_VERSION_UNSET, CLIENT_AUTH_UNSET, NULL, NULL, "sip/2");
    struct tls_context *context;
    struct tls_session *session;
    struct client_hello_reader reader;
    assert_int_equal(tls_context_new(TLS_ROLE_CLIENT, &settings, NULL, &context, NULL), 0);
    assert_int_equal(tls_session_new(context, NULL, &session, NULL), 0);
    assert_int_equal(tls_session_handshake(session, SLICE_ABSENT, NULL), TLS_WANT_INPUT);
    client_hello_reader_init(&reader);
    assert_int_equal(client_hello_reader_feed(&reader, tls_session_output(session), NULL), CLIENT_HELLO_COMPLETE);
    const struct client_hello *hello = &reader.hello;
    size_t known = 0;
    for (size_t i = 0; i + 1 < hello->cipher_suites.length; i += 2) {
        const uint8_t *bytes = (const uint8_t *)hello->cipher_suites.data + i;
        unsigned suite = (unsigned)bytes[0] << 8 | bytes[1];
        if (suite == 0x00FF)
            continue; /* TLS_EMPTY_RENEGOTIATION_INFO_SCSV */
        assert_true(tls_settings_has_suite(&settings, suite));
        assert_int_equal(suite, settings.suites[known]);
        known++;
    }
    assert_int_equal(known, 9);
    assert_true(slice_is_absent(hello->server_name));
    assert_true(slice_equal(hello->supported_versions, SLICE_LITERAL("\x03\x04\x03\x03")));
    assert_true(slice_equal(hello->supported_groups, SLICE_LITERAL("\x00\x1D\x00\x17\x00\x18")));
    assert_true(client_hello_offers_protocol(hello, SLICE_LITERAL("sip/2")));
    assert_true(slice_is_absent(hello->trusted_authorities));
    assert_false(hello->requests_status);
    for (enum tls_key_kind kind = TLS_KEY_RSA; kind <= TLS_KEY_EC_P384; kind++)
        assert_true(client_hello_takes_key(hello, kind, TLS_VERSION_1_3));
    client_hello_reader_fini(&reader);
    tls_session_free(session);
    tls_context_unref(context);
}

/* One context, many sessions one after the other: each is a full handshake with the chain in it (INV-24, INV-27). */
static void no_session_is_ever_resumed(void **state)
{
    struct identities *all = identities_of(state);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++) {
        struct pair first;
        PAIR_INIT(&first, .server = &all->ec, .client = &all->client, .version = version,
                  .client_auth = CLIENT_AUTH_REQUIRE, .server_name = "good.example");
        assert_true(pair_complete(&first));
        expect_text(first.client, first.server, SLICE_LITERAL("x"), 0);
        expect_text(first.server, first.client, SLICE_LITERAL("y"), 0);
        for (int i = 0; i < 3; i++) {
            struct pair next = { .client_context = tls_context_ref(first.client_context),
                                 .server_context = tls_context_ref(first.server_context) };
            assert_int_equal(tls_session_new(next.client_context, NULL, &next.client, NULL), 0);
            assert_int_equal(tls_session_new(next.server_context, NULL, &next.server, NULL), 0);
            assert_true(pair_complete(&next));
            expect_chain(next.client, all->ec.chain, all->ec.count);
            expect_chain(next.server, all->client.chain, all->client.count);
            pair_fini(&next);
        }
        pair_fini(&first);
    }
}

/* Freed at every point of the handshake (the sanitizers watch). */
static void an_abandoned_handshake_leaves_nothing(void **state)
{
    struct identities *all = identities_of(state);
    for (enum tls_version version = TLS_VERSION_1_2; version < TLS_VERSION_COUNT; version++)
        for (size_t length = 0; length < 3000; length += 97) {
            struct pair pair;
            PAIR_INIT(&pair, .server = &all->ec, .client = &all->client, .version = version,
                      .client_auth = CLIENT_AUTH_REQUIRE);
            tls_session_handshake(pair.client, SLICE_ABSENT, NULL);
            struct slice output = tls_session_output(pair.client);
            tls_session_handshake(pair.server, slice_first(output, length), NULL);
            if (length >= output.length)
                tls_session_handshake(pair.client, slice_first(tls_session_output(pair.server), length - output.length),
                                      NULL);
            pair_fini(&pair);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_completes),
        cmocka_unit_test(chains_are_captured_at_any_length),
        cmocka_unit_test(nothing_leaves_a_client_before_the_verdict),
        cmocka_unit_test(what_was_said_before_the_capture_may_still_leave),
        cmocka_unit_test(a_failure_while_held_drops_what_was_held),
        cmocka_unit_test(a_server_reads_nothing_before_the_verdict),
        cmocka_unit_test(a_refused_peer_gets_an_alert_and_no_certificate),
        cmocka_unit_test(a_refused_client_is_told),
        cmocka_unit_test(a_required_certificate_is_required),
        cmocka_unit_test(floors_are_kept),
        cmocka_unit_test(suites_and_groups_are_those_asked_for),
        cmocka_unit_test(long_messages_come_through),
        cmocka_unit_test(many_records_in_one_segment_are_drained),
        cmocka_unit_test(one_message_is_one_record),
        cmocka_unit_test(close_notify_ends_a_connection_and_only_it),
        cmocka_unit_test(what_follows_close_notify_is_ignored_whatever_its_length),
        cmocka_unit_test(no_certificate_is_seen_where_none_was_asked_for),
        cmocka_unit_test(a_changed_record_breaks_the_connection),
        cmocka_unit_test(garbage_is_refused_in_both_roles),
        cmocka_unit_test(what_a_peer_sends_before_the_verdict_is_limited),
        cmocka_unit_test(application_protocols_are_agreed_on_or_refused),
        cmocka_unit_test(a_client_names_the_server_it_wants),
        cmocka_unit_test(our_client_hello_offers_what_the_settings_say),
        cmocka_unit_test(no_session_is_ever_resumed),
        cmocka_unit_test(an_abandoned_handshake_leaves_nothing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
