/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_openssl.c - tests of tls/tls_session against OpenSSL in memory, both roles, both versions. */
#include "tls/tls_session.h"

#include "base/error.h"
#include "tls/tls_library.h"

#include "tls_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TLS_1_0 = 0x0301, TLS_1_1 = 0x0302, TLS_1_2 = 0x0303, TLS_1_3 = 0x0304 };

struct identities {
    struct identity ec, rsa, other_ec, other_rsa, client, huge;
};

static int set_up(void **state)
{
    struct identities *all = calloc(1, sizeof(*all));
    struct why why = WHY_NONE;
    assert_non_null(all);
    if (tls_library_init(&why) != 0)
        fail_msg("%s", why.text);
    identity_init(&all->ec, PKI_EC_P256, 1, 0);
    identity_init(&all->rsa, PKI_RSA_2048, 1, 0);
    identity_init(&all->other_ec, PKI_EC_P256, 0, 0);
    identity_init(&all->other_rsa, PKI_RSA_2048, 0, 0);
    identity_init(&all->client, PKI_EC_P256, 1, 0);
    identity_init(&all->huge, PKI_RSA_2048, 5, 300);
    *state = all;
    return 0;
}

static int tear_down(void **state)
{
    struct identities *all = *state;
    identity_fini(&all->ec);
    identity_fini(&all->rsa);
    identity_fini(&all->other_ec);
    identity_fini(&all->other_rsa);
    identity_fini(&all->client);
    identity_fini(&all->huge);
    free(all);
    tls_library_thread_fini();
    tls_library_fini();
    return 0;
}

/* A session of ours; CREDENTIAL may be NULL for clients. */
static struct tls_session *session_new(enum tls_role role, struct tls_credential *credential,
                                       enum client_auth client_auth, const char *protocol,
                                       const struct tls_session_options *options)
{
    struct tls_settings settings = settings_of(TLS_VERSION_UNSET, client_auth, NULL, NULL, protocol);
    struct tls_context *context = NULL;
    struct tls_session *session = NULL;
    struct why why = WHY_NONE;
    if (tls_context_new(role, &settings, credential, &context, &why) != 0 ||
        tls_session_new(context, options, &session, &why) != 0)
        fail_msg("%s", why.text);
    tls_context_unref(context);
    return session;
}

static struct tls_session *client_new(struct tls_credential *credential)
{
    const struct tls_session_options options = { .server_name = SLICE_LITERAL("good.example") };
    return session_new(TLS_ROLE_CLIENT, credential, CLIENT_AUTH_UNSET, NULL, &options);
}

static struct tls_session *server_new(struct tls_credential *credential, enum client_auth client_auth)
{
    return session_new(TLS_ROLE_SERVER, credential, client_auth, NULL, NULL);
}

/* Text both ways. */
static void converse(struct peer *peer, struct tls_session *session)
{
    struct buffer plain = BUFFER_EMPTY;
    struct why why = WHY_NONE;
    peer_write(peer, SLICE_LITERAL("from the peer"));
    assert_int_equal(peer_talk(peer, session, &plain, &why), 0);
    assert_true(slice_equal(buffer_slice(&plain), SLICE_LITERAL("from the peer")));
    size_t before = peer_plain(peer).length;
    assert_int_equal(tls_session_write(session, SLICE_LITERAL("from us"), &why), 0);
    assert_int_equal(peer_talk(peer, session, &plain, &why), 0);
    assert_true(slice_equal(slice_from(peer_plain(peer), before), SLICE_LITERAL("from us")));
    buffer_free(&plain);
}

static void clients_work_in_every_combination(void **state)
{
    struct identities *all = *state;
    const struct identity *const servers[] = { &all->ec, &all->rsa, &all->huge };
    for (int version = TLS_1_2; version <= TLS_1_3; version++)
        for (size_t i = 0; i < ARRAY_SIZE(servers) * 4; i++) {
            const struct identity *identity = servers[i / 4];
            bool is_requested = i % 4 >= 2, has_certificate = i % 2 == 1;
            struct why why = WHY_NONE;
            struct tls_session_facts facts;
            struct peer *peer = PEER_NEW(.is_server = true, .identity = identity, .minimum = version,
                                         .maximum = version,
                                         .verify = is_requested ? PEER_VERIFY_REQUEST : PEER_VERIFY_NONE);
            struct tls_session *session = client_new(has_certificate ? all->client.credential : NULL);
            if (peer_run(peer, session, true, &why) != TLS_DONE)
                fail_msg("%zu: %s", i, why.text);
            assert_true(peer_is_done(peer));
            expect_chain(session, identity->chain, identity->count);
            assert_int_equal(tls_session_facts(session, &facts), 0);
            assert_int_equal(facts.version, version == TLS_1_3 ? TLS_VERSION_1_3 : TLS_VERSION_1_2);
            assert_string_equal(facts.group, "X25519");
            assert_int_equal(facts.was_certificate_requested, is_requested);
            assert_int_equal(facts.was_certificate_sent, is_requested && has_certificate);
            assert_int_equal(peer_certificates(peer), is_requested && has_certificate ? all->client.count : 0);
            converse(peer, session);
            tls_session_free(session);
            peer_free(peer);
        }
}

static void servers_work_in_every_combination(void **state)
{
    struct identities *all = *state;
    const struct identity *const servers[] = { &all->ec, &all->rsa, &all->huge };
    for (int version = TLS_1_2; version <= TLS_1_3; version++)
        for (size_t i = 0; i < ARRAY_SIZE(servers) * 6; i++) {
            const struct identity *identity = servers[i / 6];
            enum client_auth client_auth = (enum client_auth)(CLIENT_AUTH_NONE + i % 3);
            bool has_certificate = i / 3 % 2 == 1, is_asked = client_auth != CLIENT_AUTH_NONE;
            struct why why = WHY_NONE;
            struct peer *peer = PEER_NEW(.identity = has_certificate ? &all->client : NULL, .minimum = version,
                                         .maximum = version, .server_name = "good.example");
            struct tls_session *session = server_new(identity->credential, client_auth);
            enum tls_progress progress = peer_run(peer, session, true, &why);
            if (client_auth == CLIENT_AUTH_REQUIRE && !has_certificate) {
                assert_int_equal(progress, TLS_FAILED);
                if (version == TLS_1_3)
                    assert_int_equal(peer_alert(peer), TLS_ALERT_CERTIFICATE_REQUIRED);
                else
                    assert_int_equal(peer_alert(peer), TLS_ALERT_HANDSHAKE_FAILURE);
            } else {
                if (progress != TLS_DONE || !peer_is_done(peer))
                    fail_msg("%zu: %s, %s", i, why.text, peer_error(peer));
                assert_int_equal(peer_certificates(peer), identity->count);
                if (is_asked)
                    expect_chain(session, all->client.chain, has_certificate ? all->client.count : 0);
                converse(peer, session);
            }
            tls_session_free(session);
            peer_free(peer);
        }
}

/* Our certificate does not leave before the verdict, whoever asks. */
static void an_asking_server_sees_nothing_before_the_verdict(void **state)
{
    struct identities *all = *state;
    for (int version = TLS_1_2; version <= TLS_1_3; version++) {
        struct peer *peer = PEER_NEW(.is_server = true, .identity = &all->rsa, .minimum = version, .maximum = version,
                                     .verify = PEER_VERIFY_REQUIRE);
        struct tls_session *session = client_new(all->client.credential);
        peer_run(peer, session, false, NULL);
        assert_true(tls_session_is_held(session));
        assert_int_equal(tls_session_output(session).length, 0);
        assert_int_equal(peer_certificates(peer), 0);
        assert_false(peer_is_done(peer));
        assert_int_equal(tls_session_release(session), 0);
        assert_int_equal(peer_run(peer, session, false, NULL), TLS_DONE);
        assert_int_equal(peer_certificates(peer), all->client.count);
        converse(peer, session);
        tls_session_free(session);
        peer_free(peer);
    }
}

static void a_refused_server_reads_the_alert(void **state)
{
    struct identities *all = *state;
    for (int version = TLS_1_2; version <= TLS_1_3; version++) {
        struct peer *peer = PEER_NEW(.is_server = true, .identity = &all->rsa, .minimum = version, .maximum = version,
                                     .verify = PEER_VERIFY_REQUIRE);
        struct tls_session *session = client_new(all->client.credential);
        peer_run(peer, session, false, NULL);
        tls_session_refuse(session, TLS_ALERT_CERTIFICATE_EXPIRED);
        peer_step(peer, tls_session_output(session));
        assert_int_equal(peer_alert(peer), TLS_ALERT_CERTIFICATE_EXPIRED);
        assert_int_equal(peer_certificates(peer), 0);
        tls_session_free(session);
        peer_free(peer);
    }
}

static void a_refused_client_reads_the_alert(void **state)
{
    struct identities *all = *state;
    for (int version = TLS_1_2; version <= TLS_1_3; version++) {
        struct peer *peer = PEER_NEW(.identity = &all->client, .minimum = version, .maximum = version);
        struct tls_session *session = server_new(all->rsa.credential, CLIENT_AUTH_REQUIRE);
        peer_run(peer, session, false, NULL);
        assert_true(tls_session_is_held(session));
        tls_session_refuse(session, TLS_ALERT_CERTIFICATE_REVOKED);
        peer_step(peer, tls_session_output(session));
        /* TLS 1.3: the library can say no more than close_notify by then. */
        assert_int_equal(peer_alert(peer), version == TLS_1_2 ? TLS_ALERT_CERTIFICATE_REVOKED : TLS_ALERT_CLOSE_NOTIFY);
        tls_session_free(session);
        peer_free(peer);
    }
}

/* A certificate without its key, in each role, version and kind of key. */
static void a_foreign_certificate_is_refused(void **state)
{
    struct identities *all = *state;
    for (size_t i = 0; i < 8; i++) {
        int version = i % 2 == 0 ? TLS_1_2 : TLS_1_3;
        bool is_rsa = i / 2 % 2 == 1, is_server = i / 4 == 1;
        const struct identity *shown = is_rsa ? &all->rsa : &all->ec;
        const struct identity *owned = is_rsa ? &all->other_rsa : &all->other_ec;
        struct why why = WHY_NONE;
        struct peer *peer = PEER_NEW(.is_server = is_server, .identity = shown, .key_of = owned, .minimum = version,
                                     .maximum = version);
        struct tls_session *session = is_server ? client_new(all->client.credential)
                                                : server_new(all->ec.credential, CLIENT_AUTH_REQUIRE);
        assert_int_equal(peer_run(peer, session, true, &why), TLS_FAILED);
        assert_string_not_equal(why.text, "");
        assert_int_equal(peer_certificates(peer), is_server ? 0 : all->ec.count);
        assert_int_not_equal(tls_session_alert_sent(session), TLS_ALERT_ABSENT);
        assert_int_equal(peer_alert(peer), tls_session_alert_sent(session)); /* held or not, an alert leaves */
        tls_session_free(session);
        peer_free(peer);
    }
}

/* What a peer may offer or insist on, and must not get. */
static void weak_offers_are_refused_in_both_roles(void **state)
{
    struct identities *all = *state;
    static const struct {
        int minimum, maximum;
        const char *suites, *groups;
    } cases[] = {
        { TLS_1_0, TLS_1_0, NULL, NULL },
        { TLS_1_1, TLS_1_1, NULL, NULL },
        { TLS_1_2, TLS_1_2, "ECDHE-ECDSA-NULL-SHA", NULL },
        { TLS_1_2, TLS_1_2, "eNULL", NULL },
        { TLS_1_2, TLS_1_2, "aNULL", NULL },
        { TLS_1_2, TLS_1_2, "ECDHE-ECDSA-AES128-SHA", NULL },
        { TLS_1_2, TLS_1_2, "ECDHE-ECDSA-AES128-SHA256", NULL },
        { TLS_1_2, TLS_1_2, "AES128-GCM-SHA256", NULL },
        { TLS_1_2, TLS_1_2, "DHE-RSA-AES128-GCM-SHA256", NULL },
        { TLS_1_2, TLS_1_2, "kRSA:kDHE", NULL },
        { TLS_1_2, TLS_1_2, "ECDHE-ECDSA-AES128-CCM", NULL },
        { TLS_1_3, TLS_1_3, NULL, "P-521" },
        { TLS_1_3, TLS_1_3, NULL, "ffdhe2048" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
        const size_t at = i / 2;
        bool is_server = i % 2 == 1;
        bool is_rsa = cases[at].suites != NULL && strstr(cases[at].suites, "ECDSA") == NULL;
        struct peer *peer = PEER_NEW(.is_server = is_server, .identity = is_rsa ? &all->rsa : &all->ec,
                                     .minimum = cases[at].minimum, .maximum = cases[at].maximum,
                                     .suites = cases[at].suites, .groups = cases[at].groups);
        struct tls_credential *own = is_rsa ? all->rsa.credential : all->ec.credential;
        struct tls_session *session = is_server ? client_new(NULL) : server_new(own, CLIENT_AUTH_NONE);
        peer_run(peer, session, true, NULL);
        if (peer_is_done(peer))
            fail_msg("case %zu succeeds, peer is %s", at, is_server ? "server" : "client");
        bool is_released = tls_session_release(session) == 0;
        assert_false(is_released && tls_session_write(session, SLICE_LITERAL("x"), NULL) == 0);
        if (!is_server && cases[at].groups == NULL)
            assert_int_not_equal(peer_alert(peer), -1); /* a refused client is told so */
        if (cases[at].maximum <= TLS_1_1)
            assert_int_equal(is_server ? tls_session_alert_received(session) : peer_alert(peer),
                             TLS_ALERT_PROTOCOL_VERSION);
        tls_session_free(session);
        peer_free(peer);
    }
}

/* Servers that want another group than the key share offered, clients likewise. */
static void another_group_is_asked_for_again(void **state)
{
    struct identities *all = *state;
    static const char *const groups[] = { "P-256", "P-384" };
    for (size_t i = 0; i < ARRAY_SIZE(groups) * 4; i++) {
        const char *group = groups[i / 4];
        bool is_server = i % 2 == 1;
        struct tls_session_facts facts;
        struct why why = WHY_NONE;
        int version = i / 2 % 2 == 1 ? TLS_1_3 : TLS_1_2;
        struct peer *peer = PEER_NEW(.is_server = is_server, .identity = &all->rsa, .groups = group,
                                     .minimum = version, .maximum = version);
        struct tls_session *session = is_server ? client_new(NULL) : server_new(all->rsa.credential, CLIENT_AUTH_NONE);
        if (peer_run(peer, session, true, &why) != TLS_DONE)
            fail_msg("%s: %s, %s", group, why.text, peer_error(peer));
        assert_int_equal(tls_session_facts(session, &facts), 0);
        assert_string_equal(facts.group, group);
        converse(peer, session);
        tls_session_free(session);
        peer_free(peer);
    }
}

/* OpenSSL sends two tickets after each TLS 1.3 handshake and one in TLS 1.2: taken note of by nobody. */
static void offered_tickets_are_ignored(void **state)
{
    struct identities *all = *state;
    for (int version = TLS_1_2; version <= TLS_1_3; version++)
        for (int i = 0; i < 3; i++) {
            struct peer *peer = PEER_NEW(.is_server = true, .identity = &all->ec, .minimum = version,
                                         .maximum = version);
            struct tls_session *session = client_new(all->client.credential);
            assert_int_equal(peer_run(peer, session, true, NULL), TLS_DONE);
            converse(peer, session);
            assert_false(peer_was_resumed(peer));
            tls_session_free(session);
            peer_free(peer);
        }
}

/* ADV-55: post-handshake authentication was not offered, and OpenSSL then cannot ask. */
static void post_handshake_authentication_is_not_offered(void **state)
{
    struct identities *all = *state;
    struct peer *peer = PEER_NEW(.is_server = true, .identity = &all->ec, .minimum = TLS_1_3);
    struct tls_session *session = client_new(all->client.credential);
    assert_int_equal(peer_run(peer, session, true, NULL), TLS_DONE);
    assert_false(peer_request_certificate(peer));
    converse(peer, session);
    assert_int_equal(peer_certificates(peer), 0);
    tls_session_free(session);
    peer_free(peer);
}

/* INV-43 */
static void renegotiation_is_refused(void **state)
{
    struct identities *all = *state;
    for (int is_server = 0; is_server <= 1; is_server++) {
        struct buffer plain = BUFFER_EMPTY;
        struct peer *peer = PEER_NEW(.is_server = is_server == 1, .identity = &all->ec, .maximum = TLS_1_2);
        struct tls_session *session = is_server == 1 ? client_new(all->client.credential)
                                                     : server_new(all->ec.credential, CLIENT_AUTH_NONE);
        assert_int_equal(peer_run(peer, session, true, NULL), TLS_DONE);
        converse(peer, session);
        peer_renegotiate(peer);
        int result = peer_talk(peer, session, &plain, NULL);
        /* A client says no_renegotiation and goes on (OpenSSL gives up over it); to a server it is fatal. */
        if (is_server == 1)
            assert_int_equal(peer_alert(peer), TLS_ALERT_NO_RENEGOTIATION);
        else
            assert_int_equal(result, ERROR_TLS);
        assert_int_equal(plain.length, 0);
        tls_session_free(session);
        peer_free(peer);
        buffer_free(&plain);
    }
}

static void keys_are_updated_when_the_peer_wants(void **state)
{
    struct identities *all = *state;
    for (int is_server = 0; is_server <= 1; is_server++) {
        struct peer *peer = PEER_NEW(.is_server = is_server == 1, .identity = &all->ec, .minimum = TLS_1_3);
        struct tls_session *session =
            is_server == 1 ? client_new(NULL) : server_new(all->ec.credential, CLIENT_AUTH_NONE);
        assert_int_equal(peer_run(peer, session, true, NULL), TLS_DONE);
        for (int i = 0; i < 3; i++) {
            converse(peer, session);
            peer_update_keys(peer);
            converse(peer, session);
        }
        tls_session_free(session);
        peer_free(peer);
    }
}

static void close_notify_goes_both_ways(void **state)
{
    struct identities *all = *state;
    for (int version = TLS_1_2; version <= TLS_1_3; version++) {
        struct buffer plain = BUFFER_EMPTY;
        struct peer *peer = PEER_NEW(.is_server = true, .identity = &all->ec, .minimum = version, .maximum = version);
        struct tls_session *session = client_new(NULL);
        assert_int_equal(peer_run(peer, session, true, NULL), TLS_DONE);
        tls_session_close(session);
        assert_int_equal(peer_talk(peer, session, &plain, NULL), 0);
        assert_true(peer_is_closed(peer));
        peer_shutdown(peer);
        assert_int_equal(peer_talk(peer, session, &plain, NULL), ERROR_CLOSED);
        tls_session_free(session);
        peer_free(peer);
        buffer_free(&plain);
    }
}

/* What a server learns from OpenSSL's ClientHello before it chooses, and the replay of the bytes. */
static void the_client_hello_is_read_and_replayed(void **state)
{
    struct identities *all = *state;
    static const struct slice authorities = SLICE_LITERAL("\x00\x15\x01" "aaaaaaaaaaaaaaaaaaaa");
    for (int version = TLS_1_2; version <= TLS_1_3; version++) {
        struct client_hello_reader reader;
        struct peer *peer = PEER_NEW(.minimum = version, .maximum = version, .server_name = "good.example",
                                     .protocol = "sip/2", .extension_3 = authorities,
                                     .authority = all->ec.all[all->ec.count]);
        struct trusted_authority authority;
        struct slice rest, name;
        struct why why = WHY_NONE;
        client_hello_reader_init(&reader);
        peer_step(peer, SLICE_ABSENT);
        assert_int_equal(client_hello_reader_feed(&reader, peer_output(peer), NULL), CLIENT_HELLO_COMPLETE);
        peer_sent(peer);
        const struct client_hello *hello = &reader.hello;
        assert_true(slice_equal(hello->server_name, SLICE_LITERAL("good.example")));
        enum tls_version negotiated = client_hello_version(hello, TLS_VERSION_1_2, TLS_VERSION_1_3);
        assert_int_equal(negotiated, version == TLS_1_3 ? TLS_VERSION_1_3 : TLS_VERSION_1_2);
        rest = hello->trusted_authorities;
        assert_true(client_hello_next_authority(&rest, &authority));
        assert_int_equal(authority.type, TRUSTED_AUTHORITY_KEY_SHA1);
        rest = hello->certificate_authorities;
        assert_int_equal(client_hello_next_name(&rest, &name), version == TLS_1_3);
        assert_true(client_hello_takes_key(hello, TLS_KEY_RSA, negotiated));
        /* trusted_ca_keys is answered in 1.2 only (RFC 8446 section 4.2.4). */
        struct tls_session_options options = { .server_name = hello->server_name };
        if (version == TLS_1_2)
            options.answered_authority = authority;
        struct tls_session *session =
            session_new(TLS_ROLE_SERVER, all->rsa.credential, CLIENT_AUTH_REQUEST, "sip/2", &options);
        assert_int_equal(tls_session_handshake(session, buffer_slice(&reader.raw), &why), TLS_WANT_INPUT);
        client_hello_reader_fini(&reader);
        if (peer_run(peer, session, true, &why) != TLS_DONE)
            fail_msg("%s, %s", why.text, peer_error(peer));
        assert_true(peer_was_name_acknowledged(peer));
        assert_int_equal(peer_was_extension_3_answered(peer), version == TLS_1_2);
        converse(peer, session);
        tls_session_free(session);
        peer_free(peer);
    }
}

static void a_pre_agreed_authority_is_harmless(void **state)
{
    struct identities *all = *state;
    static const struct slice authorities = SLICE_LITERAL("\x00\x01\x00");
    struct peer *peer = PEER_NEW(.maximum = TLS_1_2, .extension_3 = authorities);
    const struct tls_session_options options = { .answered_authority = { TRUSTED_AUTHORITY_PRE_AGREED, SLICE_ABSENT } };
    struct tls_session *session = session_new(TLS_ROLE_SERVER, all->ec.credential, CLIENT_AUTH_NONE, NULL, &options);
    assert_int_equal(peer_run(peer, session, true, NULL), TLS_DONE);
    assert_false(peer_was_extension_3_answered(peer));
    tls_session_free(session);
    peer_free(peer);
}

static void application_protocols_agree_with_openssl(void **state)
{
    struct identities *all = *state;
    for (int version = TLS_1_2; version <= TLS_1_3; version++)
        for (int i = 0; i < 4; i++) {
            bool is_server = i % 2 == 1, is_foreign = i / 2 == 1;
            struct tls_session_facts facts;
            struct peer *peer = PEER_NEW(.is_server = is_server, .identity = &all->ec, .minimum = version,
                                         .maximum = version, .protocol = is_foreign ? "h2" : "sip/2");
            struct tls_session *session =
                session_new(is_server ? TLS_ROLE_CLIENT : TLS_ROLE_SERVER, is_server ? NULL : all->ec.credential,
                            is_server ? CLIENT_AUTH_UNSET : CLIENT_AUTH_NONE, "sip/2", NULL);
            enum tls_progress progress = peer_run(peer, session, true, NULL);
            if (is_foreign) {
                assert_int_equal(progress, TLS_FAILED);
                assert_int_equal(is_server ? tls_session_alert_received(session) : peer_alert(peer),
                                 TLS_ALERT_NO_APPLICATION_PROTOCOL);
            } else {
                assert_int_equal(progress, TLS_DONE);
                assert_int_equal(tls_session_facts(session, &facts), 0);
                assert_true(slice_equal(facts.protocol, SLICE_LITERAL("sip/2")));
            }
            tls_session_free(session);
            peer_free(peer);
        }
}

/* The alert for a name nobody serves is sent before there is a session. */
static void an_unknown_name_is_told_so(void **state)
{
    (void)state;
    struct peer *peer = PEER_NEW(.server_name = "nope.example");
    struct buffer output = BUFFER_EMPTY;
    peer_step(peer, SLICE_ABSENT);
    tls_alert_append(&output, TLS_ALERT_UNRECOGNIZED_NAME);
    peer_step(peer, buffer_slice(&output));
    assert_true(peer_has_failed(peer));
    assert_int_equal(peer_alert(peer), TLS_ALERT_UNRECOGNIZED_NAME);
    buffer_free(&output);
    peer_free(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_work_in_every_combination),
        cmocka_unit_test(servers_work_in_every_combination),
        cmocka_unit_test(an_asking_server_sees_nothing_before_the_verdict),
        cmocka_unit_test(a_refused_server_reads_the_alert),
        cmocka_unit_test(a_refused_client_reads_the_alert),
        cmocka_unit_test(a_foreign_certificate_is_refused),
        cmocka_unit_test(weak_offers_are_refused_in_both_roles),
        cmocka_unit_test(another_group_is_asked_for_again),
        cmocka_unit_test(offered_tickets_are_ignored),
        cmocka_unit_test(post_handshake_authentication_is_not_offered),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(keys_are_updated_when_the_peer_wants),
        cmocka_unit_test(close_notify_goes_both_ways),
        cmocka_unit_test(the_client_hello_is_read_and_replayed),
        cmocka_unit_test(a_pre_agreed_authority_is_harmless),
        cmocka_unit_test(application_protocols_agree_with_openssl),
        cmocka_unit_test(an_unknown_name_is_told_so),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
