/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_flag.c - every flag has its stable bit and its value, every contradiction is an error, and what is printed is
 * what was meant: parse(print(parse(x))) == parse(x). */
#include "policy_fixture.h"

#include "policy/flag.h"

#include <stdio.h>
#include <string.h>

/* Written down once more: a bit that moves breaks scripts. */
static const struct {
    uint32_t bit;
    const char *text; /* how it is written */
    const char *canonical;
} flags[] = {
    { 1u << 0, "tls", "tls" },
    { 1u << 1, "verify-chain", "verify-chain" },
    { 1u << 2, "verify-domain", "verify-domain" },
    { 1u << 2, "verify-domain=Biloxi.Example.", "verify-domain=biloxi.example" },
    { 1u << 3, "no-verify", "no-verify" },
    { 1u << 4, "cert=fedA", "cert=fedA" },
    { 1u << 5, "no-cert", "no-cert" },
    { 1u << 6, "sni=A.Example", "sni=a.example" },
    { 1u << 7, "no-sni", "no-sni" },
    { 1u << 8, "trust=fedB", "trust=fedB" },
    { 1u << 9, "crl", "crl" },
    { 1u << 10, "ocsp", "ocsp" },
    { 1u << 11, "ocsp-hard", "ocsp-hard" },
    { 1u << 12, "no-conn-reuse", "no-conn-reuse" },
    { 1u << 13, "no-connect", "no-connect" },
    { 1u << 14, "no-upgrade", "no-upgrade" },
    { 1u << 15, "initial-only", "initial-only" },
    { 1u << 16, "max-age=10m", "max-age=600s" },
    { 1u << 17, "lookup=src+live+default", "lookup=src+default+live" },
    { 1u << 17, "lookup=none", "lookup=none" },
    { 1u << 18, "no-dns-failover", "no-dns-failover" },
    { 1u << 19, "no-auto-477", "no-auto-477" },
    { 1u << 20, "no-100", "no-100" },
};

static int parse(const char *text, struct flag_set *set_r, struct why *why)
{
    *why = WHY_NONE;
    return flags_parse(slice_of_string(text), set_r, why);
}

static const char *print(const struct flag_set *set, char out[1024])
{
    struct buffer buffer = BUFFER_EMPTY;
    flags_print(set, &buffer);
    assert_true(slice_to_string(buffer_slice(&buffer), out, 1024));
    buffer_free(&buffer);
    return out;
}

static void assert_prints(const char *text, const char *canonical)
{
    struct flag_set set, again;
    struct why why;
    char printed[1024], twice[1024];
    if (parse(text, &set, &why) != 0)
        fail_msg("\"%s\": %s", text, why.text);
    assert_string_equal(print(&set, printed), canonical);
    assert_int_equal(parse(printed, &again, &why), 0);
    assert_string_equal(print(&again, twice), printed);
    assert_int_equal(again.bits, set.bits);
}

static void every_flag_has_its_bit_and_prints_as_itself(void **state)
{
    (void)state;
    uint32_t seen = 0;
    struct flag_description description;
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        struct flag_set set;
        struct why why;
        assert_int_equal(parse(flags[i].text, &set, &why), 0);
        assert_int_equal(set.bits, flags[i].bit);
        assert_prints(flags[i].text, flags[i].canonical);
        seen |= flags[i].bit;
    }
    unsigned count = 0;
    for (; flag_describe(count, &description); count++) {
        assert_true((seen & 1u << description.bit) != 0);
        assert_true(strlen(description.word) > 0 && strlen(description.meaning) > 0);
    }
    assert_int_equal(count, 21);
    assert_int_equal(seen, (1u << 21) - 1);
}

static void all_flags_that_go_together_are_printed_in_order_of_bits(void **state)
{
    (void)state;
    assert_prints("", "");
    assert_prints("  \t ", "");
    assert_prints(" no-100 , tls,cert = fedA ", "tls,cert=fedA,no-100");
    assert_prints("no-100,no-auto-477,no-dns-failover,lookup=dst,max-age=1h,initial-only,no-upgrade,no-connect,"
                  "ocsp-hard,ocsp,crl,trust=t,sni=s.example,cert=c,verify-domain=v.example,verify-chain,tls",
        "tls,verify-chain,verify-domain=v.example,cert=c,sni=s.example,trust=t,crl,ocsp,ocsp-hard,no-connect,"
        "no-upgrade,initial-only,max-age=3600s,lookup=dst,no-dns-failover,no-auto-477,no-100");
}

static void bad_text_is_an_error_that_leaves_the_result_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
        const char *says; /* part of the reason */
    } bad[] = {
        { "tsl", ERROR_UNKNOWN_NAME, "verify-domain" },
        { "TLS", ERROR_UNKNOWN_NAME, "\"TLS\"" },
        { "verify_domain", ERROR_UNKNOWN_NAME, "verify_domain" },
        { "tls;crl", ERROR_UNKNOWN_NAME, "tls;crl" },
        { "tls,", ERROR_SYNTAX, "empty" },
        { ",tls", ERROR_SYNTAX, "empty" },
        { "tls,,crl", ERROR_SYNTAX, "empty" },
        { "=x", ERROR_SYNTAX, "empty" },
        { "tls=yes", ERROR_SYNTAX, "takes no value" },
        { "no-verify=", ERROR_SYNTAX, "takes no value" },
        { "verify-domain=", ERROR_SYNTAX, "domain name" },
        { "verify-domain=192.0.2.1", ERROR_SYNTAX, "192.0.2.1" },
        { "verify-domain=*.example", ERROR_SYNTAX, "*.example" },
        { "sni", ERROR_SYNTAX, "sni" },
        { "sni=", ERROR_SYNTAX, "sni" },
        { "sni=b\xc3\xbc.example", ERROR_SYNTAX, "sni" },
        { "cert", ERROR_SYNTAX, "cert" },
        { "cert=", ERROR_SYNTAX, "cert" },
        { "cert=a b", ERROR_SYNTAX, "a b" },
        { "cert=../key", ERROR_SYNTAX, "../key" },
        { "trust=", ERROR_SYNTAX, "trust" },
        { "max-age", ERROR_SYNTAX, "max-age" },
        { "max-age=", ERROR_SYNTAX, "max-age" },
        { "max-age=0", ERROR_SYNTAX, "max-age" },
        { "max-age=0s", ERROR_SYNTAX, "max-age" },
        { "max-age=-1", ERROR_SYNTAX, "max-age" },
        { "max-age=1w", ERROR_SYNTAX, "max-age" },
        { "max-age=s", ERROR_SYNTAX, "max-age" },
        { "max-age=1.5h", ERROR_SYNTAX, "max-age" },
        { "max-age=4294967296", ERROR_SYNTAX, "max-age" },
        { "max-age=49711d", ERROR_SYNTAX, "max-age" }, /* 2^32 seconds and some */
        { "lookup", ERROR_SYNTAX, "lookup" },
        { "lookup=", ERROR_SYNTAX, "lookup" },
        { "lookup=dst+", ERROR_SYNTAX, "lookup" },
        { "lookup=dst+dst", ERROR_SYNTAX, "twice" },
        { "lookup=none+dst", ERROR_SYNTAX, "none" },
        { "lookup=live", ERROR_SYNTAX, "live" },
        { "lookup=dns", ERROR_SYNTAX, "dns" },
        { "tls,tls", ERROR_CONFLICT, "twice" },
        { "cert=a,cert=b", ERROR_CONFLICT, "twice" },
        { "verify-domain,verify-domain=a.example", ERROR_CONFLICT, "twice" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct flag_set set = { .bits = 0xdeadbeef };
        struct why why;
        int rc = parse(bad[i].text, &set, &why);
        if (rc != bad[i].error || strstr(why.text, bad[i].says) == NULL)
            fail_msg("\"%s\": %d, %s", bad[i].text, rc, why.text);
        assert_int_equal(set.bits, 0xdeadbeef);
    }
}

static void nul_bytes_end_nothing(void **state)
{
    (void)state;
    struct flag_set set;
    struct why why = WHY_NONE;
    assert_int_equal(flags_parse(slice_of("tls\0", 4), &set, &why), ERROR_UNKNOWN_NAME);
    assert_int_equal(flags_parse(slice_of("cert=a\0b", 8), &set, &why), ERROR_SYNTAX);
    assert_int_equal(flags_parse(slice_of("sni=a.example\0.b", 16), &set, &why), ERROR_SYNTAX);
    assert_int_equal(flags_parse(SLICE_ABSENT, &set, &why), 0);
    assert_int_equal(set.bits, 0);
}

/* Every pair of flags: which contradict each other is written down here. */
static void exactly_these_pairs_contradict_each_other(void **state)
{
    (void)state;
    static const char *const conflicts[][2] = {
        { "no-verify", "verify-chain" }, { "no-verify", "verify-domain" }, { "no-verify", "trust=fedB" },
        { "no-verify", "ocsp-hard" }, { "cert=fedA", "no-cert" }, { "sni=A.Example", "no-sni" },
        { "no-connect", "no-conn-reuse" },
    };
    for (size_t a = 0; a < ARRAY_SIZE(flags); a++) {
        for (size_t b = 0; b < ARRAY_SIZE(flags); b++) {
            bool is_conflict = flags[a].bit == flags[b].bit;
            for (size_t i = 0; i < ARRAY_SIZE(conflicts); i++) {
                bool is_named = strncmp(flags[a].text, conflicts[i][0], strlen(conflicts[i][0])) == 0 &&
                    strncmp(flags[b].text, conflicts[i][1], strlen(conflicts[i][1])) == 0;
                bool is_reversed = strncmp(flags[a].text, conflicts[i][1], strlen(conflicts[i][1])) == 0 &&
                    strncmp(flags[b].text, conflicts[i][0], strlen(conflicts[i][0])) == 0;
                is_conflict = is_conflict || is_named || is_reversed;
            }
            char text[256];
            struct flag_set set;
            struct why why;
            snprintf(text, sizeof(text), "%s,%s", flags[a].text, flags[b].text);
            int rc = parse(text, &set, &why);
            if (rc != (is_conflict ? ERROR_CONFLICT : 0))
                fail_msg("%s: %d %s", text, rc, why.text);
        }
    }
}

static void sets_that_no_parser_made_are_checked(void **state)
{
    (void)state;
    struct flag_set set = { .bits = T_RELAY_NO_VERIFY | T_RELAY_VERIFY_CHAIN };
    struct why why = WHY_NONE;
    assert_int_equal(flags_check(&set, &why), ERROR_CONFLICT);
    assert_non_null(strstr(why.text, "no-verify"));
    set.bits = T_RELAY_NO_VERIFY | T_RELAY_TLS;
    assert_int_equal(flags_check(&set, &why), 0);
}

static void durations_are_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t seconds;
    } durations[] = { { "max-age=30s", 30 }, { "max-age=10m", 600 }, { "max-age=1h", 3600 }, { "max-age=2d", 172800 },
        { "max-age=45", 45 }, { "max-age=4294967295", 4294967295u }, { "max-age=007", 7 } };
    for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
        struct flag_set set;
        struct why why;
        assert_int_equal(parse(durations[i].text, &set, &why), 0);
        assert_int_equal(set.max_age_s, durations[i].seconds);
    }
}

static void route_parameters_become_flags(void **state)
{
    (void)state;
    static const struct {
        const char *parameters, *canonical; /* NULL: refused */
    } routes[] = {
        { "lr;level=domain;expect=biloxi.example;cert=fedA;conn=fresh",
            "verify-domain=biloxi.example,cert=fedA,no-conn-reuse" },
        { ";lr;level=domain", "verify-domain" },
        { ";expect=Biloxi.Example;level=domain", "verify-domain=biloxi.example" },
        { ";expect=biloxi.example", "verify-domain=biloxi.example" },
        { ";expect=biloxi.example;level=chain", "verify-chain,verify-domain=biloxi.example" },
        { ";level=none", "" },
        { ";level=encrypt", "tls" },
        { ";LEVEL=Chain;Trust=fedB;SNI=a.example", "verify-chain,sni=a.example,trust=fedB" },
        { ";conn=reuse-only;max-age=1h", "no-connect,max-age=3600s" },
        { ";transport=tls;maddr=192.0.2.1;lr=on;ob;custom=level", "" },
        { ";ocsp-hard;No-Upgrade;initial-only", "ocsp-hard,no-upgrade,initial-only" },
        { ";verify-domain=a.example", "verify-domain=a.example" },
        { ";verify-domain;expect=a.example", "verify-domain=a.example" },
        { "", "" },
        { ";;;", "" },
        { ";level=", NULL },
        { ";level", NULL },
        { ";level=weak", NULL },
        { ";level=domain;level=none", NULL },
        { ";level=none;level=domain", NULL },
        { ";expect=a.example;expect=b.example", NULL },
        { ";expect=a.example;verify-domain=b.example", NULL },
        { ";expect", NULL },
        { ";expect=", NULL },
        { ";expect=192.0.2.1", NULL },
        { ";expect=a%2eexample", NULL },
        { ";cert=", NULL },
        { ";cert=fedA;no-cert", NULL },
        { ";conn=new", NULL },
        { ";conn=fresh;conn=reuse-only", NULL },
        { ";level=chain;no-verify", NULL },
        { ";tls=yes", NULL },
        { ";lookup=none", NULL },
        { ";lookup", NULL },
        { ";max-age=forever", NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        struct flag_set set = { .bits = 0xdeadbeef };
        struct why why = WHY_NONE;
        char printed[1024];
        int rc = flags_parse_route_parameters(slice_of_string(routes[i].parameters), &set, &why);
        if ((rc == 0) != (routes[i].canonical != NULL))
            fail_msg("\"%s\": %d %s", routes[i].parameters, rc, why.text);
        if (rc == 0)
            assert_string_equal(print(&set, printed), routes[i].canonical);
        else
            assert_true(set.bits == 0xdeadbeef && why.text[0] != '\0');
    }
}

static void of_two_sources_the_later_names_and_the_stricter_holds(void **state)
{
    (void)state;
    static const struct {
        const char *earlier, *later, *merged; /* NULL: a contradiction */
    } merges[] = {
        { "", "", "" },
        { "tls", "crl", "tls,crl" },
        { "tls", "tls", "tls" },
        { "cert=a", "cert=b", "cert=b" },
        { "cert=a", "no-cert", "no-cert" },
        { "no-cert", "cert=b", "cert=b" },
        { "sni=a.example", "no-sni", "no-sni" },
        { "no-sni", "sni=b.example", "sni=b.example" },
        { "sni=a.example", "sni=b.example", "sni=b.example" },
        { "trust=a", "trust=b", "trust=b" },
        { "verify-domain=a.example", "verify-domain=b.example", NULL },
        { "verify-domain=a.example", "verify-domain=a.example", "verify-domain=a.example" },
        { "verify-domain=a.example", "verify-domain", "verify-domain=a.example" },
        { "verify-domain", "verify-domain=b.example", "verify-domain=b.example" },
        { "verify-chain", "no-verify", "verify-chain" },
        { "no-verify", "verify-chain", "verify-chain" },
        { "no-verify", "verify-domain=a.example", "verify-domain=a.example" },
        { "trust=a", "no-verify", "trust=a" },
        { "ocsp-hard", "no-verify", "ocsp-hard" },
        { "no-verify", "no-verify", "no-verify" },
        { "no-verify", "tls", "tls,no-verify" },
        { "max-age=1h", "max-age=10m", "max-age=600s" },
        { "max-age=10m", "max-age=1h", "max-age=600s" },
        { "", "max-age=1h", "max-age=3600s" },
        { "lookup=dst", "lookup=src+default", "lookup=src+default" },
        { "lookup=dst", "tls", "tls,lookup=dst" },
        { "no-connect", "no-conn-reuse", NULL },
        { "no-conn-reuse", "no-connect", NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(merges); i++) {
        struct flag_set earlier, later, merged = { .bits = 0xdeadbeef };
        struct why why;
        char printed[1024];
        assert_int_equal(parse(merges[i].earlier, &earlier, &why), 0);
        assert_int_equal(parse(merges[i].later, &later, &why), 0);
        int rc = flags_merge(&earlier, &later, &merged, &why);
        if (rc != (merges[i].merged != NULL ? 0 : ERROR_CONFLICT))
            fail_msg("%s + %s: %d", merges[i].earlier, merges[i].later, rc);
        if (rc == 0)
            assert_string_equal(print(&merged, printed), merges[i].merged);
        else
            assert_int_equal(merged.bits, 0xdeadbeef);
    }
}

/* Whatever is merged with whatever: no demand for proof of either side is lost, and nothing contradicts itself. */
static void no_merge_loses_a_demand(void **state)
{
    (void)state;
    const uint32_t demands = T_RELAY_TLS | T_RELAY_VERIFY_CHAIN | T_RELAY_VERIFY_DOMAIN | T_RELAY_CRL | T_RELAY_OCSP |
        T_RELAY_OCSP_HARD | T_RELAY_TRUST | T_RELAY_NO_CONN_REUSE | T_RELAY_NO_UPGRADE;
    for (size_t a = 0; a < ARRAY_SIZE(flags); a++) {
        for (size_t b = 0; b < ARRAY_SIZE(flags); b++) {
            struct flag_set earlier, later, merged;
            struct why why;
            assert_int_equal(parse(flags[a].text, &earlier, &why), 0);
            assert_int_equal(parse(flags[b].text, &later, &why), 0);
            if (flags_merge(&earlier, &later, &merged, &why) != 0)
                continue;
            uint32_t wanted = (earlier.bits | later.bits) & demands;
            assert_int_equal(merged.bits & wanted, wanted);
            assert_int_equal(flags_check(&merged, &why), 0);
        }
    }
}

static void flags_without_effect_are_told(void **state)
{
    (void)state;
    struct flag_set set;
    struct why why;
    assert_int_equal(parse("tls,crl,ocsp,no-upgrade,initial-only,lookup=dst+live,no-auto-477,no-100", &set, &why), 0);
    assert_int_equal(flags_without_effect(&set), T_RELAY_CRL | T_RELAY_OCSP);
    assert_int_equal(parse("tls,ocsp-hard,lookup=dst", &set, &why), 0);
    assert_int_equal(flags_without_effect(&set), 0);
}

static void look_up_orders_are_words_joined_by_plus(void **state)
{
    (void)state;
    struct policy_lookup_order order = policy_lookup_order_default();
    assert_int_equal(order.count, 3);
    assert_int_equal(order.steps[0], LOOKUP_DST);
    assert_int_equal(order.steps[1], LOOKUP_ADDR);
    assert_int_equal(order.steps[2], LOOKUP_DEFAULT);
    assert_false(order.is_live || order.is_none);
    assert_int_equal(
        policy_lookup_order_parse(SLICE_LITERAL("peer+src+ruri+dst+addr+default+live"), &order, NULL), 0);
    assert_int_equal(order.count, 6);
    assert_true(order.is_live);
    struct buffer out = BUFFER_EMPTY;
    policy_lookup_order_print(&order, &out);
    assert_true(slice_equal(buffer_slice(&out), SLICE_LITERAL("peer+src+ruri+dst+addr+default+live")));
    buffer_free(&out);
    assert_int_equal(policy_lookup_order_parse(SLICE_LITERAL("live+live+dst"), &order, NULL), ERROR_CONFLICT);
    assert_int_equal(policy_lookup_order_parse(SLICE_LITERAL("none+none"), &order, NULL), ERROR_CONFLICT);
    assert_int_equal(policy_lookup_order_parse(SLICE_LITERAL("none+live"), &order, NULL), ERROR_CONFLICT);
    assert_int_equal(policy_lookup_order_parse(SLICE_LITERAL("DST"), &order, NULL), ERROR_UNKNOWN_NAME);
    assert_int_equal(policy_lookup_order_parse(SLICE_LITERAL(""), &order, NULL), ERROR_UNKNOWN_NAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flag_has_its_bit_and_prints_as_itself),
        cmocka_unit_test(all_flags_that_go_together_are_printed_in_order_of_bits),
        cmocka_unit_test(bad_text_is_an_error_that_leaves_the_result_alone),
        cmocka_unit_test(nul_bytes_end_nothing),
        cmocka_unit_test(exactly_these_pairs_contradict_each_other),
        cmocka_unit_test(sets_that_no_parser_made_are_checked),
        cmocka_unit_test(durations_are_seconds),
        cmocka_unit_test(route_parameters_become_flags),
        cmocka_unit_test(of_two_sources_the_later_names_and_the_stricter_holds),
        cmocka_unit_test(no_merge_loses_a_demand),
        cmocka_unit_test(flags_without_effect_are_told),
        cmocka_unit_test(look_up_orders_are_words_joined_by_plus),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
