/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_values.c - header values: parameters, name-addr, Via and CSeq. */
#include "sip_support.h"

#include "sip/cseq.h"
#include "sip/name_addr.h"
#include "sip/parameter.h"
#include "sip/via.h"

static void parameters_are_read_with_white_space_and_quotes(void **state)
{
    (void)state;
    struct slice rest = SLICE_LITERAL(" ;\r\n a = b ;c;d=\"x;,\\\"y\" ; e=[2001:db8::1]:5;f=YWI= ");
    static const char *const expected[][3] = { { "a", "b", "a = b" }, { "c", NULL, "c" },
        { "d", "\"x;,\\\"y\"", "d=\"x;,\\\"y\"" }, { "e", "[2001:db8::1]:5", "e=[2001:db8::1]:5" },
        { "f", "YWI=", "f=YWI=" } };
    struct sip_parameter parameter;
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_int_equal(sip_parameter_next(&rest, &parameter), SIP_NEXT_ONE);
        assert_slice(parameter.name, expected[i][0]);
        assert_slice(parameter.value, expected[i][1]);
        assert_slice(parameter.text, expected[i][2]);
    }
    assert_int_equal(sip_parameter_next(&rest, &parameter), SIP_NEXT_END);
    assert_true(sip_parameter_find(SLICE_LITERAL(";x;Y=1;y=2"), SLICE_LITERAL("y"), &parameter));
    assert_slice(parameter.value, "1");
    assert_false(sip_parameter_find(SLICE_LITERAL(";x;;y=2"), SLICE_LITERAL("y"), &parameter));
}

static void malformed_parameters_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = { "a", ";", "; ;a", ";=b", ";a=", ";a= ;b", ";a=\"b", ";a=\"b\\", ";a=<b>",
        ";\"a\"", ";a=\"b\\\r\n \"" };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct slice rest = slice_of_string(texts[i]);
        struct sip_parameter parameter;
        enum sip_next next;
        while ((next = sip_parameter_next(&rest, &parameter)) == SIP_NEXT_ONE)
            continue;
        if (next != SIP_NEXT_MALFORMED)
            print_error("# %s\n", texts[i]);
        assert_int_equal(next, SIP_NEXT_MALFORMED);
    }
}

static const struct {
    const char *value;
    const char *display;
    const char *uri;
    const char *parameters;
    const char *tag;
    bool has_brackets;
} good_name_addrs[] = {
    { "sip:a@h.example", NULL, "sip:a@h.example", "", NULL, false },
    { "<sip:a@h.example>", NULL, "sip:a@h.example", "", NULL, true },
    { "<sip:a@h.example;x=y?q=r,s>;tag=1", NULL, "sip:a@h.example;x=y?q=r,s", ";tag=1", "1", true },
    { "sip:a@h.example ; Tag = 9a ;x", NULL, "sip:a@h.example", " ; Tag = 9a ;x", "9a", false },
    { "Bob <sip:a@h.example>", "Bob", "sip:a@h.example", "", NULL, true },
    { "Bob  van\r\n Dam <sip:a@h.example>", "Bob  van\r\n Dam", "sip:a@h.example", "", NULL, true },
    { "caller<sip:a@h.example>;tag=t", "caller", "sip:a@h.example", ";tag=t", "t", true },
    { "\"B, \\\"<o\\\\\" <sip:a@h.example>", "\"B, \\\"<o\\\\\"", "sip:a@h.example", "", NULL, true },
    { "\"\"<sip:a@h.example>", "\"\"", "sip:a@h.example", "", NULL, true },
    { " \r\n <sip:a@h.example>\t", NULL, "sip:a@h.example", "", NULL, true },
    { "isbn:2983792873", NULL, "isbn:2983792873", "", NULL, false },
    { "<http://www.example>;tag=3", NULL, "http://www.example", ";tag=3", "3", true },
    { "token1~` t'+_ *%!.- <sip:m@h.example>;p''~=\"\xd1\x80\";tag=_t~1'+`*%!-.", "token1~` t'+_ *%!.-",
        "sip:m@h.example", ";p''~=\"\xd1\x80\";tag=_t~1'+`*%!-.", "_t~1'+`*%!-.", true },
};

static void good_name_addrs_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good_name_addrs); i++) {
        struct sip_name_addr got;
        int rc = sip_name_addr_parse(slice_of_string(good_name_addrs[i].value), &got);
        if (rc != 0)
            print_error("# %s\n", good_name_addrs[i].value);
        assert_int_equal(rc, 0);
        assert_slice(got.display, good_name_addrs[i].display);
        assert_slice(got.uri, good_name_addrs[i].uri);
        assert_slice(got.parameters, good_name_addrs[i].parameters);
        assert_slice(got.tag, good_name_addrs[i].tag);
        assert_int_equal(got.has_brackets, good_name_addrs[i].has_brackets);
    }
    struct sip_name_addr got;
    assert_int_equal(sip_name_addr_parse(SLICE_LITERAL("\"NUL:\\\0\" <sip:a@h.example>"), &got), 0);
    assert_bytes(got.display, SLICE_LITERAL("\"NUL:\\\0\""));
}

static void bad_name_addrs_are_refused(void **state)
{
    (void)state;
    static const char *const values[] = { "", " ", "<>", "< sip:a@h.example>", "<sip:a@h.example >", "<sip:a@h.example",
        "sip:a@h.example>", "\"Bob <sip:a@h.example>", "Bell, A <sip:a@h.example>", "\"A\" B <sip:a@h.example>",
        "<sip:a@h.example>x", "<sip:a@h.example> <sip:b@h.example>", "<sip:a@h.example>;", "<sip:a@h.example>;;tag=1",
        "<sip:a@h.example>;tag", "<sip:a@h.example>;tag=", "<sip:a@h.example>;tag=\"q\"",
        "<sip:a@h.example>;tag=1;tag=2",
        "sip:a@h.example?x=y", "sip:a@h.example,sip:b@h.example", "Bob", "Bob sip:a@h.example", "<a@h.example>",
        "<:a@h.example>", "<sip:>", "<sip:a b@h.example>", "<sip:a\r\n @h.example>", "<sip:a\"b@h.example>",
        "<sip:a\x7f@h.example>", "<sip:a\x01@h.example>", "sip:a<b@h.example", "sip:a>b@h.example",
        "sip:a\"b@h.example", "sip:<a@h.example>", "<<sip:a@h.example>>", "\"\\",
        "\"Bob\\\" <sip:a@h.example>" };
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct sip_name_addr got;
        int rc = sip_name_addr_parse(slice_of_string(values[i]), &got);
        if (rc == 0)
            print_error("# accepted: %s\n", values[i]);
        assert_int_not_equal(rc, 0);
    }
}

static struct sip_via via_of(const char *value)
{
    struct sip_via via;
    int rc = sip_via_parse(slice_of_string(value), &via);
    if (rc != 0)
        print_error("# %s\n", value);
    assert_int_equal(rc, 0);
    return via;
}

static void via_is_taken_apart(void **state)
{
    (void)state;
    struct sip_via via = via_of(" SIP/2.0/TLS h.example:5061;branch=z9hG4bKa;rport=77;received=192.0.2.4;ttl=3;"
                                "maddr=m.example;alias;keep=30;x;y=\"q;,\" ");
    assert_int_equal(via.transport, SIP_TRANSPORT_TLS);
    assert_int_equal(via.host.kind, SIP_HOST_NAME);
    assert_slice(via.host.text, "h.example");
    assert_int_equal(via.port, 5061);
    assert_slice(via.branch, "z9hG4bKa");
    assert_int_equal(via.rport, SIP_RPORT_VALUE);
    assert_int_equal(via.rport_port, 77);
    assert_slice(via.rport_text, "rport=77");
    assert_slice(via.received, "192.0.2.4");
    assert_slice(via.received_text, "received=192.0.2.4");
    assert_int_equal(via.received_address.family, ADDRESS_V4);
    assert_slice(via.ttl, "3");
    assert_slice(via.maddr, "m.example");
    assert_true(via.has_alias && via.has_keep);
    assert_slice(via.keep, "30");
    assert_true(sip_via_has_unique_branch(&via));

    via = via_of("sip/2.0/udp [2001:db8::9]");
    assert_int_equal(via.transport, SIP_TRANSPORT_UDP);
    assert_slice(via.host.text, "2001:db8::9");
    assert_int_equal(via.port, 0);
    assert_true(slice_is_absent(via.branch) && slice_is_absent(via.received) && slice_is_absent(via.maddr));
    assert_int_equal(via.rport, SIP_RPORT_ABSENT);
    assert_false(via.has_alias || via.has_keep);
    assert_false(sip_via_has_unique_branch(&via));
}

static void sent_by_is_compared_as_what_it_means(void **state)
{
    static const struct {
        const char *via, *host;
        uint16_t port;
        bool is_it;
    } cases[] = {
        { "SIP/2.0/TLS h.example:5061", "h.example", 5061, true },
        { "SIP/2.0/TLS H.Example:5061", "h.exAMPLE", 5061, true },
        { "SIP/2.0/TLS h.example", "h.example", 5061, true },
        { "SIP/2.0/TCP h.example", "h.example", 5060, true },
        { "SIP/2.0/TLS h.example", "h.example", 5060, false },
        { "SIP/2.0/TLS h.example:5061", "h.example", 5062, false },
        { "SIP/2.0/TLS g.example:5061", "h.example", 5061, false },
        { "SIP/2.0/TLS h.example.:5061", "h.example", 5061, false },
        { "SIP/2.0/UDP [2001:DB8:0:0::9]:5060", "2001:db8::9", 5060, true },
        { "SIP/2.0/UDP [2001:db8::8]:5060", "2001:db8::9", 5060, false },
        { "SIP/2.0/UDP 192.0.2.1:5060", "192.0.2.1", 5060, true },
        { "SIP/2.0/UDP 192.0.2.1:5060", "h.example", 5060, false },
        { "SIP/2.0/UDP h.example:5060", "192.0.2.1", 5060, false },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sip_via via = via_of(cases[i].via);
        if (sip_via_is_sent_by(&via, slice_of_string(cases[i].host), cases[i].port) != cases[i].is_it)
            fail_msg("%s and %s %u", cases[i].via, cases[i].host, cases[i].port);
    }
}

static void via_tolerates_what_others_write(void **state)
{
    (void)state;
    struct sip_via via = via_of("SIP  /\r\n 2.0 / UNKNOWN\t h.example : 5070 ; branch\r\n =  390skd ; rport ; keep");
    assert_int_equal(via.transport, SIP_TRANSPORT_OTHER);
    assert_slice(via.transport_text, "UNKNOWN");
    assert_int_equal(via.port, 5070);
    assert_slice(via.branch, "390skd");
    assert_int_equal(via.rport, SIP_RPORT_EMPTY);
    assert_true(via.has_keep && slice_is_absent(via.keep));
    assert_false(sip_via_has_unique_branch(&via));
    /* RFC 5118 4.5: both forms are the same address. */
    via = via_of("SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3");
    struct sip_via bare = via_of("SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3");
    assert_int_equal(via.received_address.family, ADDRESS_V6);
    assert_true(address_equal(&via.received_address, &bare.received_address));
    /* Nonsense in received and rport is no address and no port, and no reason to refuse. */
    via = via_of("SIP/2.0/UDP h.example;received=not_an_address;rport=99999");
    assert_int_equal(via.received_address.family, ADDRESS_NONE);
    assert_int_equal(via.rport, SIP_RPORT_VALUE);
    assert_int_equal(via.rport_port, 0);
}

static void bad_via_is_refused(void **state)
{
    (void)state;
    static const char *const values[] = { "", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/2.0 UDP h.example",
        "SIP/2.0/ h.example",
        "SIP/3.0/UDP h.example", "HTTP/2.0/UDP h.example", "SIP/2.0/UDPh.example", "SIP/2.0/UDP[::1]",
        "SIP/2.0/UDP 192.0.2.15;;,;,,", "SIP/2.0/UDP h.example;", "SIP/2.0/UDP h.example;;a",
        "SIP/2.0/UDP h.example;a=",
        "SIP/2.0/UDP h.example:", "SIP/2.0/UDP h.example:0", "SIP/2.0/UDP h.example:70000", "SIP/2.0/UDP h.example:a",
        "SIP/2.0/UDP [::1", "SIP/2.0/UDP ::1", "SIP/2.0/UDP 1.2.3", "SIP/2.0/UDP h.example x",
        "SIP/2.0/UDP a@h.example",
        "SIP/2.0/UDP h.example;branch", "SIP/2.0/UDP h.example;branch=a;branch=b",
        "SIP/2.0/UDP h.example;received=192.0.2.1;received=192.0.2.2", "SIP/2.0/UDP h.example;rport;rport=5",
        "SIP/2.0/UDP h.example;x=\"a", "SIP/2.0/UDP h.example, SIP/2.0/UDP i.example" };
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct sip_via via;
        int rc = sip_via_parse(slice_of_string(values[i]), &via);
        if (rc == 0)
            print_error("# accepted: %s\n", values[i]);
        assert_int_not_equal(rc, 0);
    }
}

static void received_is_needed_by_the_rule_of_the_rfc(void **state)
{
    (void)state;
    static const struct {
        const char *via;
        bool is_needed;
    } rows[] = {
        { "SIP/2.0/TLS 192.0.2.4:5061;branch=z9hG4bKa", false },
        { "SIP/2.0/TLS [::ffff:192.0.2.4];branch=z9hG4bKa", false },
        { "SIP/2.0/TLS 192.0.2.5:5061;branch=z9hG4bKa", true },
        { "SIP/2.0/TLS h.example;branch=z9hG4bKa", true },
        { "SIP/2.0/TLS 192.0.2.4;branch=z9hG4bKa;rport", true },
        { "SIP/2.0/TLS 192.0.2.4;branch=z9hG4bKa;received=198.51.100.9", true },
        { "SIP/2.0/TLS 192.0.2.4;branch=z9hG4bKa;received", true },
    };
    struct endpoint source = endpoint_of("192.0.2.4", 5061);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sip_via via = via_of(rows[i].via);
        assert_int_equal(sip_via_needs_received(&via, &source), rows[i].is_needed);
    }
}

static void the_magic_cookie_needs_something_behind_it(void **state)
{
    (void)state;
    struct sip_via via = via_of("SIP/2.0/TLS h.example;branch=z9hG4bK");
    assert_false(sip_via_has_unique_branch(&via));
    via = via_of("SIP/2.0/TLS h.example;branch=z9hG4bk1");
    assert_false(sip_via_has_unique_branch(&via));
    via = via_of("SIP/2.0/TLS h.example;branch=z9hG4bK1");
    assert_true(sip_via_has_unique_branch(&via));
}

static void cseq_is_a_number_and_a_method(void **state)
{
    (void)state;
    struct sip_cseq cseq;
    assert_int_equal(sip_cseq_parse(SLICE_LITERAL(" 0009\r\n  INVITE "), &cseq), 0);
    assert_int_equal(cseq.number, 9);
    assert_slice(cseq.number_text, "0009");
    assert_int_equal(cseq.method, SIP_METHOD_INVITE);
    assert_int_equal(sip_cseq_parse(SLICE_LITERAL("4294967295 RE%47"), &cseq), 0);
    assert_int_equal(cseq.number, UINT32_MAX);
    assert_int_equal(cseq.method, SIP_METHOD_OTHER);
    assert_slice(cseq.method_text, "RE%47");
    static const char *const bad[] = { "", "1", "1 ", "INVITE", "1INVITE", "-1 INVITE", "4294967296 INVITE",
        "36893488147419103232 REGISTER", "1 INVITE x", "1 IN VITE", "1 <INVITE>", "0x1 INVITE", "1, INVITE" };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_not_equal(sip_cseq_parse(slice_of_string(bad[i]), &cseq), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_read_with_white_space_and_quotes),
        cmocka_unit_test(malformed_parameters_are_refused),
        cmocka_unit_test(good_name_addrs_are_taken_apart),
        cmocka_unit_test(bad_name_addrs_are_refused),
        cmocka_unit_test(via_is_taken_apart),
        cmocka_unit_test(sent_by_is_compared_as_what_it_means),
        cmocka_unit_test(via_tolerates_what_others_write),
        cmocka_unit_test(bad_via_is_refused),
        cmocka_unit_test(received_is_needed_by_the_rule_of_the_rfc),
        cmocka_unit_test(the_magic_cookie_needs_something_behind_it),
        cmocka_unit_test(cseq_is_a_number_and_a_method),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
