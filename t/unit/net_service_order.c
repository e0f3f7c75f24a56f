/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_service_order.c - RFC 3263 section 4 and RFC 2782 on paper: what is asked, and in which order it is tried. */
#include "net/service_order.h"

#include "base/attributes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    UDP = TRANSPORT_BIT_UDP,
    TCP = TRANSPORT_BIT_TCP,
    TLS = TRANSPORT_BIT_TLS,
    ALL = TRANSPORT_BITS_ALL,
};

struct plan_case {
    bool is_sips, is_literal;
    uint16_t port;
    enum transport transport;
    unsigned allowed;
    enum reason reason;
    enum service_method method;
    unsigned transports;
    enum transport default_transport;
    uint16_t default_port;
};

static void plans_follow_the_uri_and_the_policy(void **state)
{
    (void)state;
    static const struct plan_case cases[] = {
        /* sips: NAPTR only for a bare name (E01), TLS in every case (E02, E05, E07) */
        { true, false, 0, TRANSPORT_UNSET, ALL, REASON_NONE, SERVICE_BY_POINTER, TLS, TRANSPORT_TLS, 5061 },
        { true, false, 0, TRANSPORT_TCP, ALL, REASON_NONE, SERVICE_BY_TARGET, TLS, TRANSPORT_TLS, 5061 },
        { true, false, 0, TRANSPORT_TLS, ALL, REASON_NONE, SERVICE_BY_TARGET, TLS, TRANSPORT_TLS, 5061 },
        { true, false, 5061, TRANSPORT_UNSET, ALL, REASON_NONE, SERVICE_BY_ADDRESS, TLS, TRANSPORT_TLS, 5061 },
        { true, false, 5060, TRANSPORT_UNSET, ALL, REASON_NONE, SERVICE_BY_ADDRESS, TLS, TRANSPORT_TLS, 5060 },
        { true, true, 0, TRANSPORT_UNSET, ALL, REASON_NONE, SERVICE_BY_ADDRESS, TLS, TRANSPORT_TLS, 5061 },
        { true, true, 0, TRANSPORT_UNSET, UDP | TCP, REASON_SIPS_NOT_ALLOWED, 0, 0, 0, 0 },
        { true, false, 0, TRANSPORT_UDP, ALL, REASON_BAD_REQUEST, 0, 0, 0, 0 }, /* E08 */
        { true, false, 0, TRANSPORT_UDP, TLS, REASON_BAD_REQUEST, 0, 0, 0, 0 },
        /* sip, where policy asks for TLS */
        { false, false, 0, TRANSPORT_UNSET, TLS, REASON_NONE, SERVICE_BY_POINTER, TLS, TRANSPORT_TLS, 5061 },
        { false, false, 0, TRANSPORT_TCP, TLS, REASON_NONE, SERVICE_BY_TARGET, TLS, TRANSPORT_TLS, 5061 }, /* E05 */
        { false, false, 0, TRANSPORT_TLS, TLS, REASON_NONE, SERVICE_BY_TARGET, TLS, TRANSPORT_TLS, 5061 },
        { false, false, 0, TRANSPORT_UDP, TLS, REASON_PLAIN_TRANSPORT, 0, 0, 0, 0 }, /* never UDP (E09) */
        { false, true, 0, TRANSPORT_UNSET, TLS, REASON_NONE, SERVICE_BY_ADDRESS, TLS, TRANSPORT_TLS, 5061 },
        { false, false, 5061, TRANSPORT_UNSET, TLS, REASON_NONE, SERVICE_BY_ADDRESS, TLS, TRANSPORT_TLS, 5061 },
        { false, true, 0, TRANSPORT_UDP, TLS, REASON_PLAIN_TRANSPORT, 0, 0, 0, 0 },
        /* sip, where policy allows plain transports */
        { false, false, 0, TRANSPORT_UNSET, ALL, REASON_NONE, SERVICE_BY_POINTER, ALL, TRANSPORT_UDP, 5060 },
        { false, false, 5070, TRANSPORT_UNSET, ALL, REASON_NONE, SERVICE_BY_ADDRESS, ALL, TRANSPORT_UDP, 5070 },
        { false, true, 0, TRANSPORT_UNSET, ALL, REASON_NONE, SERVICE_BY_ADDRESS, ALL, TRANSPORT_UDP, 5060 },
        { false, true, 0, TRANSPORT_UNSET, TCP | TLS, REASON_NONE, SERVICE_BY_ADDRESS, TCP | TLS, TRANSPORT_TCP, 5060 },
        { false, false, 0, TRANSPORT_TCP, ALL, REASON_NONE, SERVICE_BY_TARGET, TCP, TRANSPORT_TCP, 5060 },
        { false, false, 0, TRANSPORT_UDP, ALL, REASON_NONE, SERVICE_BY_TARGET, UDP, TRANSPORT_UDP, 5060 },
        { false, false, 0, TRANSPORT_TLS, ALL, REASON_NONE, SERVICE_BY_TARGET, TLS, TRANSPORT_TLS, 5061 },
        { false, true, 0, TRANSPORT_TLS, ALL, REASON_NONE, SERVICE_BY_ADDRESS, TLS, TRANSPORT_TLS, 5061 },
        { false, false, 0, TRANSPORT_TLS, UDP | TCP, REASON_PLAIN_TRANSPORT, 0, 0, 0, 0 },
        /* nothing known is nothing allowed */
        { false, false, 0, TRANSPORT_UNSET, 0, REASON_PLAIN_TRANSPORT, 0, 0, 0, 0 },
        { false, false, 0, TRANSPORT_UNSET, 1, REASON_PLAIN_TRANSPORT, 0, 0, 0, 0 },
        { false, false, 0, (enum transport)7, ALL, REASON_PLAIN_TRANSPORT, 0, 0, 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct plan_case *c = &cases[i];
        const struct service_request request = { .is_sips = c->is_sips, .is_literal = c->is_literal, .port = c->port,
            .transport = c->transport, .allowed = c->allowed };
        struct service_plan plan = { 0 };
        assert_int_equal(service_plan(&request, &plan), c->reason);
        assert_int_equal(plan.method, c->method);
        assert_int_equal(plan.transports, c->transports);
        assert_int_equal(plan.default_transport, c->default_transport);
        assert_int_equal(plan.default_port, c->default_port);
    }
}

static struct service_pointer pointer(uint16_t order, uint16_t preference, const char *flags, const char *service,
    bool has_regexp, const char *replacement)
{
    struct service_pointer result = { .order = order, .preference = preference, .has_regexp = has_regexp };
    snprintf(result.flags, sizeof(result.flags), "%s", flags);
    snprintf(result.service, sizeof(result.service), "%s", service);
    snprintf(result.replacement, sizeof(result.replacement), "%s", replacement);
    return result;
}

static const char *join_candidates(const struct service_candidate *candidates, size_t count, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s:%s", i > 0 ? " " : "",
            transport_name(candidates[i].transport), candidates[i].name);
    return out;
}

static const char *chosen(unsigned transports, const struct service_pointer *pointers, size_t count, bool *is_sip_r)
{
    static char text[4096];
    struct service_candidate candidates[SERVICE_CANDIDATES_MAX];
    const struct service_plan plan = { .method = SERVICE_BY_POINTER, .transports = transports };
    size_t number = service_candidates_from_pointers(&plan, pointers, count, candidates, is_sip_r);
    return join_candidates(candidates, number, text, sizeof(text));
}

static void pointers_are_kept_by_service_and_sorted(void **state)
{
    (void)state;
    const struct service_pointer pointers[] = {
        pointer(20, 10, "s", "SIP+D2U", false, "udp"),
        pointer(10, 20, "S", "sips+d2t", false, "tls-b"), /* case does not matter */
        pointer(10, 10, "s", "SIPS+D2T", false, "tls-a"),
        pointer(5, 1, "s", "SIP+D2T", false, "tcp"),
        pointer(1, 1, "s", "SIPS+D2S", false, "sctp"),
        pointer(1, 1, "u", "E2U+sip", true, ""),
    };
    bool is_sip;
    assert_string_equal(chosen(ALL, pointers, ARRAY_SIZE(pointers), &is_sip),
        "tcp:tcp tls:tls-a tls:tls-b udp:udp");
    assert_true(is_sip);
    /* E02: a better order of SIP+D2T does not help it where TLS is required. */
    assert_string_equal(chosen(TLS, pointers, ARRAY_SIZE(pointers), &is_sip), "tls:tls-a tls:tls-b");
    assert_string_equal(chosen(UDP, pointers, ARRAY_SIZE(pointers), &is_sip), "udp:udp");
}

/* E03: a domain that offers only plain transports offers nothing, which is not the same as having no records. */
static void a_domain_without_tls_is_told_from_one_without_records(void **state)
{
    (void)state;
    const struct service_pointer plain[] = {
        pointer(10, 10, "s", "SIP+D2U", false, "udp"),
        pointer(20, 10, "s", "SIP+D2T", false, "tcp"),
    };
    const struct service_pointer foreign[] = { pointer(10, 10, "u", "E2U+sip", true, "") };
    bool is_sip;
    assert_string_equal(chosen(TLS, plain, ARRAY_SIZE(plain), &is_sip), "");
    assert_true(is_sip);
    assert_string_equal(chosen(TLS, foreign, ARRAY_SIZE(foreign), &is_sip), "");
    assert_false(is_sip);
    assert_string_equal(chosen(TLS, NULL, 0, &is_sip), "");
    assert_false(is_sip);
}

static void pointers_of_another_form_offer_nothing(void **state)
{
    (void)state;
    const struct service_pointer odd[] = {
        pointer(10, 10, "a", "SIPS+D2T", false, "flag-a"),
        pointer(10, 10, "", "SIPS+D2T", false, "flag-none"),
        pointer(10, 10, "su", "SIPS+D2T", false, "flag-two"),
        pointer(10, 10, "s", "SIPS+D2T", true, "regexp"),
        pointer(10, 10, "s", "SIPS+D2T", false, ""),
        pointer(10, 10, "s", "SIPS+D2TX", false, "longer"),
        pointer(10, 10, "s", "SIPS+D2", false, "shorter"),
    };
    bool is_sip;
    assert_string_equal(chosen(ALL, odd, ARRAY_SIZE(odd), &is_sip), "");
    assert_true(is_sip);
}

static void of_too_many_the_best_are_kept(void **state)
{
    (void)state;
    struct service_pointer many[3 * SERVICE_CANDIDATES_MAX];
    char name[16];
    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        uint16_t order = (uint16_t)(i * 7 % ARRAY_SIZE(many)); /* each once */
        snprintf(name, sizeof(name), "n%u", order);
        many[i] = pointer(order, 0, "s", "SIPS+D2T", false, name);
    }
    bool is_sip;
    assert_string_equal(chosen(TLS, many, ARRAY_SIZE(many), &is_sip),
        "tls:n0 tls:n1 tls:n2 tls:n3 tls:n4 tls:n5 tls:n6 tls:n7");
}

static void without_pointers_the_allowed_services_are_asked(void **state)
{
    (void)state;
    struct service_candidate candidates[SERVICE_CANDIDATES_MAX];
    char text[1024], longest[SERVICE_NAME_SIZE];
    struct service_plan plan = { .transports = TLS };
    size_t count = service_candidates_from_domain(&plan, "biloxi.example", candidates);
    assert_string_equal(join_candidates(candidates, count, text, sizeof(text)),
        "tls:_sips._tcp.biloxi.example"); /* E04 */
    plan.transports = ALL;
    count = service_candidates_from_domain(&plan, "biloxi.example", candidates);
    assert_string_equal(join_candidates(candidates, count, text, sizeof(text)),
        "tls:_sips._tcp.biloxi.example udp:_sip._udp.biloxi.example tcp:_sip._tcp.biloxi.example");
    memset(longest, 'a', sizeof(longest));
    longest[SERVICE_NAME_SIZE - 1] = '\0';
    assert_int_equal(service_candidates_from_domain(&plan, longest, candidates), 0);
}

/* A generator of its own: the same numbers on every machine. */
static uint32_t draw(void *arg, uint32_t bound)
{
    uint64_t *state = arg;
    assert_true(bound > 0);
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 16) % bound;
}

static struct service_target target(uint16_t priority, uint16_t weight, const char *name)
{
    struct service_target result = { .priority = priority, .weight = weight, .port = 5061 };
    snprintf(result.name, sizeof(result.name), "%s", name);
    return result;
}

enum { RUNS = 10000 };

/* E10: how often each record of one priority comes first, against its share of the weights. */
static void first_places_follow_the_weights(void **state)
{
    (void)state;
    static const uint16_t sets[][4] = { { 60, 20, 10, 10 }, { 1, 1, 1, 1 }, { 65535, 65535, 1, 65535 }, { 3, 1, 0, 0 },
        { 10, 0, 0, 0 } };
    uint64_t seed = 2463534242;
    for (size_t s = 0; s < ARRAY_SIZE(sets); s++) {
        unsigned first[4] = { 0 };
        uint32_t total = 0;
        for (int i = 0; i < 4; i++)
            total += sets[s][i];
        for (int run = 0; run < RUNS; run++) {
            struct service_target targets[4];
            for (int i = 0; i < 4; i++)
                targets[i] = target(10, sets[s][i], (const char[]){ (char)('a' + i), '\0' });
            service_targets_order(targets, 4, draw, &seed);
            first[targets[0].name[0] - 'a']++;
            unsigned seen = 0;
            for (int i = 0; i < 4; i++)
                seen |= 1u << (targets[i].name[0] - 'a');
            assert_int_equal(seen, 15); /* all are there, once */
        }
        bool has_zero = sets[s][3] == 0;
        unsigned zeros = 0;
        for (int i = 0; i < 4; i++) {
            double expected = (double)RUNS * sets[s][i] / (total + (has_zero ? 1 : 0));
            double slack = 4 * 50 + 1; /* four standard deviations at most, of the widest case */
            if (sets[s][i] == 0)
                zeros += first[i];
            else
                assert_true(first[i] > expected - slack && first[i] < expected + slack);
        }
        /* "A very small chance": one number of those that can be drawn. */
        double expected = has_zero ? (double)RUNS / (total + 1) : 0;
        assert_true(zeros >= expected * 0.8 && zeros <= expected * 1.2);
    }
}

static void priorities_come_before_weights(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    for (int run = 0; run < 1000; run++) {
        struct service_target targets[] = { target(20, 60000, "c"), target(10, 1, "a"), target(30, 0, "e"),
            target(10, 1, "b"), target(20, 1, "d"), target(30, 0, "f") };
        service_targets_order(targets, ARRAY_SIZE(targets), draw, &seed);
        for (size_t i = 1; i < ARRAY_SIZE(targets); i++)
            assert_true(targets[i - 1].priority <= targets[i].priority);
        /* All weights 0: no selection is meant. */
        assert_string_equal(targets[4].name, "e");
        assert_string_equal(targets[5].name, "f");
    }
}

static uint32_t draw_scripted(void *arg, uint32_t bound)
{
    uint32_t **next = arg;
    assert_true(**next < bound);
    return *(*next)++;
}

/* The example by hand: weights 0, 1, 2, 3; running sums 0, 1, 3, 6. */
static void a_number_chooses_the_first_running_sum_that_reaches_it(void **state)
{
    (void)state;
    static const struct {
        uint32_t drawn;
        const char *first;
    } cases[] = { { 0, "a" }, { 1, "b" }, { 2, "c" }, { 3, "c" }, { 4, "d" }, { 6, "d" } };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct service_target targets[] = { target(1, 1, "b"), target(1, 2, "c"), target(1, 0, "a"),
            target(1, 3, "d") };
        uint32_t numbers[] = { cases[i].drawn, 0, 0, 0 }, *next = numbers;
        service_targets_order(targets, ARRAY_SIZE(targets), draw_scripted, &next);
        assert_string_equal(targets[0].name, cases[i].first);
    }
}

static void the_root_refuses(void **state)
{
    (void)state;
    struct service_target targets[] = { target(0, 0, ""), target(0, 0, "a") };
    assert_true(service_targets_refuse(targets, 1));
    assert_false(service_targets_refuse(targets, 2));
    assert_false(service_targets_refuse(targets + 1, 1));
    assert_false(service_targets_refuse(NULL, 0));
    service_targets_order(NULL, 0, draw, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_follow_the_uri_and_the_policy),
        cmocka_unit_test(pointers_are_kept_by_service_and_sorted),
        cmocka_unit_test(a_domain_without_tls_is_told_from_one_without_records),
        cmocka_unit_test(pointers_of_another_form_offer_nothing),
        cmocka_unit_test(of_too_many_the_best_are_kept),
        cmocka_unit_test(without_pointers_the_allowed_services_are_asked),
        cmocka_unit_test(first_places_follow_the_weights),
        cmocka_unit_test(priorities_come_before_weights),
        cmocka_unit_test(a_number_chooses_the_first_running_sum_that_reaches_it),
        cmocka_unit_test(the_root_refuses),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
