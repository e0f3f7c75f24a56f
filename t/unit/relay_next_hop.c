/* SPDX-License-Identifier: GPL-2.0-or-later */
/* relay_next_hop.c - which scheme may go to which next hop (RFC 5630), and by what it is looked for, case by case. */
#include "policy_fixture.h"
#include "relay/next_hop.h"

#include <stdlib.h>
#include <string.h>

static const struct flag_set no_flags;

/* A row of LEVEL and SCHEME; LEVEL_UNSET: none is known yet. */
static const struct outbound_policy *row_of(struct outbound_policy *row, enum level level, enum scheme scheme)
{
    *row = fixture_outbound(1, "a.test");
    row->level = level;
    row->scheme = scheme;
    return level != LEVEL_UNSET ? row : NULL;
}

struct scheme_case {
    bool is_sips, has_sip_contact;
    const char *uri;
    enum level level;
    enum scheme scheme;
    enum reason reason;
};

static const struct scheme_case scheme_cases[] = {
    /* SIPS to a URI of SIPS: under any row that does not refuse it */
    { true, false, "sips:a.test", LEVEL_UNSET, 0, REASON_NONE },
    { true, false, "sips:a.test", LEVEL_NONE, SCHEME_ANY, REASON_NONE },
    { true, false, "sips:a.test;transport=tcp", LEVEL_DOMAIN, SCHEME_ANY, REASON_NONE },
    { true, false, "sips:a.test;transport=udp", LEVEL_UNSET, 0, REASON_BAD_REQUEST },
    { true, false, "sips:a.test;transport=udp", LEVEL_DOMAIN, SCHEME_ANY, REASON_BAD_REQUEST },
    { true, false, "sips:a.test", LEVEL_DOMAIN, SCHEME_SIP, REASON_SIPS_NOT_ALLOWED },
    { true, false, "sips:a.test", LEVEL_DOMAIN, SCHEME_SIPS, REASON_NONE },
    /* SIPS to a URI of SIP: where policy sees to TLS */
    { true, false, "sip:a.test", LEVEL_UNSET, 0, REASON_NONE }, /* asked again with the address */
    { true, false, "sip:a.test;transport=udp", LEVEL_UNSET, 0, REASON_SIPS_NOT_ALLOWED },
    { true, false, "sip:a.test", LEVEL_NONE, SCHEME_ANY, REASON_SIPS_NOT_ALLOWED },
    { true, false, "sip:a.test;transport=tls", LEVEL_NONE, SCHEME_ANY, REASON_SIPS_NOT_ALLOWED },
    { true, false, "sip:a.test", LEVEL_ENCRYPT, SCHEME_ANY, REASON_NONE },
    { true, false, "sip:a.test;transport=tcp", LEVEL_ENCRYPT, SCHEME_ANY, REASON_NONE },
    { true, false, "sip:a.test;transport=udp", LEVEL_DOMAIN, SCHEME_ANY, REASON_SIPS_NOT_ALLOWED },
    /* SIP, wherever it goes */
    { false, false, "sip:a.test", LEVEL_NONE, SCHEME_ANY, REASON_NONE },
    { false, false, "sip:a.test;transport=udp", LEVEL_NONE, SCHEME_SIP, REASON_NONE },
    { false, false, "sips:a.test", LEVEL_DOMAIN, SCHEME_ANY, REASON_NONE },
    { false, false, "sips:a.test", LEVEL_DOMAIN, SCHEME_SIP, REASON_NONE },
    { false, false, "sips:a.test;transport=udp", LEVEL_DOMAIN, SCHEME_ANY, REASON_BAD_REQUEST },
    { false, false, "sip:a.test", LEVEL_DOMAIN, SCHEME_CONSISTENT, REASON_NONE },
    { false, false, "sip:a.test", LEVEL_DOMAIN, SCHEME_SIPS, REASON_SIPS_REQUIRED },
    { false, false, "sips:a.test", LEVEL_DOMAIN, SCHEME_SIPS, REASON_SIPS_REQUIRED },
    /* Contact */
    { true, true, "sips:a.test", LEVEL_UNSET, 0, REASON_NONE },
    { true, true, "sips:a.test", LEVEL_DOMAIN, SCHEME_ANY, REASON_NONE },
    { true, true, "sips:a.test", LEVEL_DOMAIN, SCHEME_CONSISTENT, REASON_BAD_REQUEST },
    { true, true, "sips:a.test", LEVEL_DOMAIN, SCHEME_SIPS, REASON_BAD_REQUEST },
    { false, true, "sip:a.test", LEVEL_DOMAIN, SCHEME_CONSISTENT, REASON_NONE },
    /* nothing known is nothing allowed */
    { false, false, "sip:a.test", LEVEL_DOMAIN, SCHEME_UNSET, REASON_POLICY_UNUSABLE },
    { true, false, "sips:a.test", LEVEL_DOMAIN, SCHEME_COUNT, REASON_POLICY_UNUSABLE },
};

static void schemes_are_kept_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(scheme_cases); i++) {
        const struct scheme_case *c = &scheme_cases[i];
        struct outbound_policy row;
        struct sip_uri uri;
        struct why why = WHY_NONE;
        assert_int_equal(sip_uri_parse(slice_of_string(c->uri), &uri), 0);
        const struct next_hop hop = { .uri = &uri, .domain = "a.test", .is_sips_request = c->is_sips,
            .has_sip_contact = c->has_sip_contact, .row = row_of(&row, c->level, c->scheme), .flags = &no_flags };
        enum reason reason = next_hop_check_scheme(&hop, &why);
        if (reason != c->reason)
            fail_msg("row %zu, %s: %s, not %s", i, c->uri, reason_word(reason), reason_word(c->reason));
        assert_int_equal(why.text[0] != '\0', reason != REASON_NONE);
        assert_int_equal(next_hop_check_scheme(&hop, NULL), c->reason);
    }
}

/* SIPS where the row takes none is refused, whatever flags ask for; and flags that raise the level see to TLS. */
static void flags_see_to_tls(void **state)
{
    (void)state;
    struct outbound_policy row;
    struct sip_uri uri;
    const struct flag_set tls = { .bits = T_RELAY_TLS };
    assert_int_equal(sip_uri_parse(SLICE_LITERAL("sip:a.test"), &uri), 0);
    struct next_hop hop = { .uri = &uri, .domain = "a.test", .is_sips_request = true,
        .row = row_of(&row, LEVEL_NONE, SCHEME_ANY), .flags = &tls };
    assert_int_equal(next_hop_check_scheme(&hop, NULL), REASON_NONE);
    row.scheme = SCHEME_SIP;
    assert_int_equal(next_hop_check_scheme(&hop, NULL), REASON_SIPS_NOT_ALLOWED);
}

struct target_case {
    bool is_sips;
    const char *uri;
    enum level level;
    uint32_t flags;
    enum reason reason;
    enum transport transport; /* of the one target; UNSET: a question about the name */
    const char *endpoint;
    unsigned allowed;         /* in the question */
};

static const struct target_case target_cases[] = {
    /* E09: an address */
    { false, "sip:192.0.2.1", LEVEL_DOMAIN, 0, REASON_NONE, TRANSPORT_TLS, "192.0.2.1:5061", 0 },
    { false, "sip:192.0.2.1", LEVEL_NONE, 0, REASON_NONE, TRANSPORT_UDP, "192.0.2.1:5060", 0 },
    { false, "sip:192.0.2.1", LEVEL_NONE, T_RELAY_TLS, REASON_NONE, TRANSPORT_TLS, "192.0.2.1:5061", 0 },
    { false, "sip:192.0.2.1:5070;transport=tcp", LEVEL_NONE, 0, REASON_NONE, TRANSPORT_TCP, "192.0.2.1:5070", 0 },
    { false, "sip:192.0.2.1;transport=tcp", LEVEL_DOMAIN, 0, REASON_NONE, TRANSPORT_TLS, "192.0.2.1:5061", 0 },
    { false, "sip:192.0.2.1;transport=udp", LEVEL_DOMAIN, 0, REASON_PLAIN_TRANSPORT, 0, NULL, 0 },
    { false, "sip:[2001:db8::1]:5070", LEVEL_ENCRYPT, 0, REASON_NONE, TRANSPORT_TLS, "[2001:db8::1]:5070", 0 },
    { true, "sips:192.0.2.1", LEVEL_NONE, 0, REASON_NONE, TRANSPORT_TLS, "192.0.2.1:5061", 0 },
    { true, "sips:192.0.2.1;transport=udp", LEVEL_NONE, 0, REASON_BAD_REQUEST, 0, NULL, 0 },
    { false, "sips:192.0.2.1", LEVEL_NONE, 0, REASON_NONE, TRANSPORT_TLS, "192.0.2.1:5061", 0 },
    /* a name */
    { false, "sip:a.test", LEVEL_DOMAIN, 0, REASON_NONE, TRANSPORT_UNSET, NULL, TRANSPORT_BIT_TLS },
    { false, "sip:a.test", LEVEL_NONE, 0, REASON_NONE, TRANSPORT_UNSET, NULL, TRANSPORT_BITS_ALL },
    { false, "sip:a.test", LEVEL_NONE, T_RELAY_VERIFY_DOMAIN, REASON_NONE, TRANSPORT_UNSET, NULL, TRANSPORT_BIT_TLS },
    { true, "sip:a.test", LEVEL_NONE, 0, REASON_NONE, TRANSPORT_UNSET, NULL, TRANSPORT_BIT_TLS },
    { false, "sips:a.test", LEVEL_NONE, 0, REASON_NONE, TRANSPORT_UNSET, NULL, TRANSPORT_BIT_TLS },
    { false, "sip:a.test", LEVEL_UNSET, 0, REASON_NONE, TRANSPORT_UNSET, NULL, TRANSPORT_BITS_ALL },
};

static void targets_are_of_the_transport_that_is_wanted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(target_cases); i++) {
        const struct target_case *c = &target_cases[i];
        struct outbound_policy row;
        struct sip_uri uri;
        const struct flag_set flags = { .bits = c->flags };
        struct locate_target *targets = NULL;
        struct locate_question question = { 0 };
        size_t count = 7;
        char text[ADDRESS_TEXT_SIZE];
        assert_int_equal(sip_uri_parse(slice_of_string(c->uri), &uri), 0);
        const struct next_hop hop = { .uri = &uri, .domain = uri.host.kind == SIP_HOST_NAME ? "a.test" : "",
            .is_sips_request = c->is_sips, .row = row_of(&row, c->level, SCHEME_ANY), .flags = &flags,
            .families = LOCATE_V6 };
        assert_int_equal(next_hop_targets(&hop, &targets, &count, &question), c->reason);
        assert_int_equal(count, c->endpoint != NULL);
        if (count > 0) {
            assert_int_equal(targets[0].transport, c->transport);
            assert_string_equal(endpoint_print(&targets[0].endpoint, text), c->endpoint);
        } else if (c->reason == REASON_NONE) {
            assert_int_equal(question.allowed, c->allowed);
            assert_int_equal(question.families, LOCATE_V6);
            assert_true(slice_equal(question.host, SLICE_LITERAL("a.test")));
        }
        free(targets);
    }
}

/* The row's own addresses stand instead of the name; only the transport is still the URI's, or TLS. */
static void rows_have_addresses_of_their_own(void **state)
{
    (void)state;
    struct outbound_policy row;
    struct sip_uri uri;
    struct endpoint hops[] = { { .address = fixture_address("192.0.2.7"), .port = 5071 },
        { .address = fixture_address("2001:db8::7"), .port = 5072 } };
    struct locate_target *targets = NULL;
    struct locate_question question;
    size_t count = 0;
    assert_int_equal(sip_uri_parse(SLICE_LITERAL("sip:a.test;transport=tcp"), &uri), 0);
    struct next_hop hop = { .uri = &uri, .domain = "a.test", .row = row_of(&row, LEVEL_NONE, SCHEME_ANY),
        .flags = &no_flags };
    row.next_hops = hops;
    row.next_hop_count = ARRAY_SIZE(hops);
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        row.level = is_tls ? LEVEL_DOMAIN : LEVEL_NONE;
        assert_int_equal(next_hop_targets(&hop, &targets, &count, &question), REASON_NONE);
        assert_int_equal(count, 2);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(targets[i].transport, is_tls ? TRANSPORT_TLS : TRANSPORT_TCP);
            assert_true(endpoint_equal(&targets[i].endpoint, &hops[i]));
        }
        free(targets);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "F01 F03 F04 F08: schemes are kept or refused", schemes_are_kept_or_refused, NULL, NULL, NULL },
        { "F08: flags see to TLS", flags_see_to_tls, NULL, NULL, NULL },
        { "E09 F02: targets are of the transport that is wanted", targets_are_of_the_transport_that_is_wanted, NULL,
            NULL, NULL },
        { "rows have addresses of their own", rows_have_addresses_of_their_own, NULL, NULL, NULL },
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
