/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_uri.c - hosts and URIs: what is read, what is refused, and what is equal (RFC 3261 19.1, RFC 5118). */
#include "sip_support.h"

#include "sip/host.h"
#include "sip/uri.h"

/* A NULL text stands for a part that is absent. */
static const struct {
    const char *text;
    enum sip_uri_scheme scheme;
    const char *user;
    const char *password;
    enum sip_host_kind kind;
    const char *host;
    uint16_t port;
    const char *parameters;
    const char *headers;
} good[] = {
    { "sip:alice@atlanta.example", SIP_URI_SIP, "alice", NULL, SIP_HOST_NAME, "atlanta.example", 0, "", NULL },
    { "SIPS:atlanta.example:5061", SIP_URI_SIPS, NULL, NULL, SIP_HOST_NAME, "atlanta.example", 5061, "", NULL },
    { "sip:a:secret@b", SIP_URI_SIP, "a", "secret", SIP_HOST_NAME, "b", 0, "", NULL },
    { "sip:a:@b", SIP_URI_SIP, "a", "", SIP_HOST_NAME, "b", 0, "", NULL },
    { "sip:+1-212-555:1234@gw.example;user=phone", SIP_URI_SIP, "+1-212-555", "1234", SIP_HOST_NAME, "gw.example", 0,
        ";user=phone", NULL },
    { "sip:a@b.example;maddr=192.0.2.1;ttl=15;transport=tls", SIP_URI_SIP, "a", NULL, SIP_HOST_NAME, "b.example", 0,
        ";maddr=192.0.2.1;ttl=15;transport=tls", NULL },
    { "sip:b.example;method=REGISTER?to=alice%40b.example&x=", SIP_URI_SIP, NULL, NULL, SIP_HOST_NAME, "b.example", 0,
        ";method=REGISTER", "to=alice%40b.example&x=" },
    { "sip:192.0.2.7:5070", SIP_URI_SIP, NULL, NULL, SIP_HOST_V4, "192.0.2.7", 5070, "", NULL },
    /* The user part may hold what ends other parts. */
    { "sip:u;p=x%40y?q=1@h.example", SIP_URI_SIP, "u;p=x%40y?q=1", NULL, SIP_HOST_NAME, "h.example", 0, "", NULL },
    { "sip:a%00b@h.example", SIP_URI_SIP, "a%00b", NULL, SIP_HOST_NAME, "h.example", 0, "", NULL },
    { "sip:*21#@h.example", SIP_URI_SIP, "*21#", NULL, SIP_HOST_NAME, "h.example", 0, "", NULL },
    { "sip:a@h.example.", SIP_URI_SIP, "a", NULL, SIP_HOST_NAME, "h.example.", 0, "", NULL },
    { "sip:3f2a9b.pod_7:5060", SIP_URI_SIP, NULL, NULL, SIP_HOST_NAME, "3f2a9b.pod_7", 5060, "", NULL },
    { "sip:h.example;lr;x=%61[1]:/&+$", SIP_URI_SIP, NULL, NULL, SIP_HOST_NAME, "h.example", 0, ";lr;x=%61[1]:/&+$",
        NULL },
    /* RFC 5118: a port stands behind the bracket, or it is part of the address. */
    { "sip:[2001:db8::7]", SIP_URI_SIP, NULL, NULL, SIP_HOST_V6, "2001:db8::7", 0, "", NULL },
    { "sip:[2001:db8::7]:5070", SIP_URI_SIP, NULL, NULL, SIP_HOST_V6, "2001:db8::7", 5070, "", NULL },
    { "sip:[2001:db8::7:5070]", SIP_URI_SIP, NULL, NULL, SIP_HOST_V6, "2001:db8::7:5070", 0, "", NULL },
    { "sip:u@[2001:db8::192.0.2.9]", SIP_URI_SIP, "u", NULL, SIP_HOST_V6, "2001:db8::192.0.2.9", 0, "", NULL },
    { "sip:u@[2001:db8:::192.0.2.9]", SIP_URI_SIP, "u", NULL, SIP_HOST_V6, "2001:db8:::192.0.2.9", 0, "", NULL },
    { "sip:u@[::ffff:192.0.2.9]", SIP_URI_SIP, "u", NULL, SIP_HOST_V6, "::ffff:192.0.2.9", 0, "", NULL },
    { "tel:+1-201-555-0123", SIP_URI_TEL, "+1-201-555-0123", NULL, SIP_HOST_NONE, NULL, 0, "", NULL },
    { "tel:7042;phone-context=b.example", SIP_URI_TEL, "7042", NULL, SIP_HOST_NONE, NULL, 0, ";phone-context=b.example",
        NULL },
    { "tel:*21#;phone-context=+49", SIP_URI_TEL, "*21#", NULL, SIP_HOST_NONE, NULL, 0, ";phone-context=+49", NULL },
    { "soap.beep://192.0.2.3:3002", SIP_URI_OTHER, NULL, NULL, SIP_HOST_NONE, NULL, 0, "", NULL },
    { "urn:service:sos", SIP_URI_OTHER, NULL, NULL, SIP_HOST_NONE, NULL, 0, "", NULL },
};

static void good_uris_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct sip_uri uri;
        int rc = sip_uri_parse(slice_of_string(good[i].text), &uri);
        if (rc != 0)
            print_error("# %s\n", good[i].text);
        assert_int_equal(rc, 0);
        assert_slice(uri.text, good[i].text);
        assert_int_equal(uri.scheme, good[i].scheme);
        assert_slice(uri.user, good[i].user);
        assert_slice(uri.password, good[i].password);
        assert_int_equal(uri.host.kind, good[i].kind);
        assert_slice(uri.host.text, good[i].host);
        assert_int_equal(uri.port, good[i].port);
        assert_slice(uri.parameters, good[i].parameters);
        assert_slice(uri.headers, good[i].headers);
    }
}

static const char *const bad[] = {
    "", "sip", "sip:", ":h.example", "sip:@h.example", "1sip:h.example", "<sip:h.example>",
    /* white space and bytes that stand nowhere in a URI */
    "sip: h.example", "sip:u@h.example; lr", "sip:u@h.example ", " sip:h.example", "sip:u@h.example\r\n",
        "sip:u\t@h.example",
    "sip:\"u\"@h.example", "sip:u<@h.example", "sip:u\\@h.example", "sip:\xc3\xbc@h.example", "sip:u@h\x01.example",
    /* escapes */
    "sip:%@h.example", "sip:%4@h.example", "sip:%4g@h.example", "sip:u@h%41.example", "sip:u@h.example;x=%zz",
    /* two at signs */
    "sip:a@b@h.example", "sip:u@h.example?x=a@b", "sip:u@h.example;x=a@b",
    /* hosts and ports */
    "sip:u@", "sip:u@:5060", "sip:u@h.example:", "sip:u@h.example:0", "sip:u@h.example:65536", "sip:u@h.example:+1",
    "sip:u@h.example:50x", "sip:u@-h.example", "sip:u@h-.example", "sip:u@h..example", "sip:u@.example", "sip:u@.",
    "sip:u@256.0.2.1", "sip:u@192.0.2", "sip:u@192.0.2.01", "sip:u@192.0.2.1.", "sip:u@1", "sip:u@0x7f000001",
    "sip:u@a.0x1f", "sip:u@192.0.2.1.5", "sip:u@[192.0.2.1]", "sip:u@[]", "sip:u@[::1", "sip:u@::1", "sip:2001:db8::1",
    "sip:u@[::1]5060", "sip:u@[::1%25eth0]", "sip:u@[2001:db8::1::2]", "sip:u@[2001:db8:::1:::2]", "sip:u@[:::]x",
    "sip:u@[2001:db8:::192.0.2.1:192.0.2.1:192.0.2.1:192.0.2.1:192.0.2.1:192.0.2.1]",
    /* parameters */
    "sip:h.example;", "sip:h.example;;lr", "sip:h.example;=x", "sip:h.example;x=", "sip:h.example;x=a=b",
    "sip:h.example;x=\"a\"", "sip:h.example;x,y", "sip:h.example;transport", "sip:h.example;maddr",
    "sip:h.example;lr;lr", "sip:h.example;x=1;y;X=2", "tel:12;x;y;x", "sip:h.example;maddr=a;maddr=b",
    "sip:h.example;transport=tls;Transport=udp",
    "sip:h.example;method=A;method=B", "sip:h.example;ttl=1;ttl=1", "sip:h.example;user=phone;user=ip",
    /* headers */
    "sip:h.example?", "sip:h.example?a", "sip:h.example?=b", "sip:h.example?a=b&", "sip:h.example?a=b&&c=d",
    "sip:h.example?a=b?c=<d>",
    /* tel and others */
    "tel:", "tel:+", "tel:1+2", "tel:12 34", "tel:name", "tel:12;", "tel:12;;x", "other:", "other:a b", "other:<a>",
};

static void bad_uris_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct sip_uri uri = { .port = 77 };
        int rc = sip_uri_parse(slice_of_string(bad[i]), &uri);
        if (rc == 0)
            print_error("# accepted: %s\n", bad[i]);
        assert_int_not_equal(rc, 0);
        assert_int_equal(uri.port, 77);
    }
    struct sip_uri uri;
    assert_int_not_equal(sip_uri_parse(SLICE_LITERAL("sip:u\0v@h.example"), &uri), 0);
    assert_int_not_equal(sip_uri_parse(SLICE_LITERAL("sip:h.example\0.evil.example"), &uri), 0);
    assert_int_not_equal(sip_uri_parse(SLICE_ABSENT, &uri), 0);
}

static void long_host_names_are_refused(void **state)
{
    (void)state;
    char name[256];
    struct sip_host host;
    memset(name, 'a', sizeof(name));
    assert_int_equal(sip_host_parse(slice_of(name, 255), &host), 0);
    assert_int_not_equal(sip_host_parse(slice_of(name, 256), &host), 0);
}

static void parameters_are_not_endless(void **state)
{
    (void)state;
    struct buffer text = BUFFER_EMPTY;
    struct sip_uri uri;
    buffer_append_string(&text, "sip:h.example");
    for (unsigned i = 0; i < SIP_URI_PARAMETERS_MAX; i++)
        buffer_append_format(&text, ";%u", i);
    assert_int_equal(sip_uri_parse(buffer_slice(&text), &uri), 0);
    buffer_append_string(&text, ";x");
    assert_int_not_equal(sip_uri_parse(buffer_slice(&text), &uri), 0);
    buffer_free(&text);
}

static void known_parameters_are_found(void **state)
{
    (void)state;
    struct sip_uri uri;
    struct sip_parameter parameter;
    assert_int_equal(sip_uri_parse(SLICE_LITERAL("sips:h.example;Transport=TLS;MADDR=[2001:db8::1];ttl=1;"
                                                 "method=BYE;user=phone;lr=on;other;x=%59"), &uri), 0);
    assert_int_equal(uri.transport, SIP_TRANSPORT_TLS);
    assert_slice(uri.transport_text, "TLS");
    assert_slice(uri.maddr, "[2001:db8::1]");
    assert_slice(uri.ttl, "1");
    assert_slice(uri.method, "BYE");
    assert_slice(uri.user_type, "phone");
    assert_true(uri.has_lr);
    assert_true(sip_uri_parameter_find(&uri, SLICE_LITERAL("OTHER"), &parameter));
    assert_true(slice_is_absent(parameter.value));
    assert_true(sip_uri_parameter_find(&uri, SLICE_LITERAL("x"), &parameter));
    assert_slice(parameter.value, "%59");
    assert_slice(parameter.text, "x=%59");
    assert_false(sip_uri_parameter_find(&uri, SLICE_LITERAL("y"), &parameter));
    assert_int_equal(sip_uri_parse(SLICE_LITERAL("sip:h.example;lrx;xmaddr=a"), &uri), 0);
    assert_false(uri.has_lr);
    assert_true(slice_is_absent(uri.maddr));
    assert_int_equal(uri.transport, SIP_TRANSPORT_NONE);
}

static void addresses_of_hosts_are_canonical(void **state)
{
    (void)state;
    static const char *const pairs[][2] = { { "192.0.2.9", "192.0.2.9" }, { "[::ffff:192.0.2.9]", "192.0.2.9" },
        { "[2001:DB8:0::1]", "2001:db8::1" }, { "[2001:db8:::192.0.2.1]", "2001:db8::c000:201" } };
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        struct sip_host host;
        struct endpoint expected = endpoint_of(pairs[i][1], 0);
        assert_int_equal(sip_host_parse(slice_of_string(pairs[i][0]), &host), 0);
        assert_true(address_equal(&host.address, &expected.address));
    }
    struct sip_host host;
    assert_int_equal(sip_host_parse_bare(SLICE_LITERAL("2001:db8::9:255"), &host), 0);
    assert_int_equal(host.kind, SIP_HOST_V6);
    assert_int_equal(sip_host_parse_bare(SLICE_LITERAL("[2001:db8::9:255]"), &host), 0);
    assert_int_equal(sip_host_parse_bare(SLICE_LITERAL("h.example"), &host), 0);
    assert_int_equal(host.kind, SIP_HOST_NAME);
    assert_int_not_equal(sip_host_parse_bare(SLICE_LITERAL("1:2"), &host), 0);
    assert_int_not_equal(sip_host_parse_bare(SLICE_ABSENT, &host), 0);
}

static const struct {
    const char *a;
    const char *b;
    bool is_equal;
} comparisons[] = {
    { "sip:a@h.example", "SIP:a@H.Example", true },
    { "sip:a@h.example", "sip:A@h.example", false },
    { "sip:a@h.example", "sips:a@h.example", false },
    { "sip:a@h.example", "sip:a@h.example:5060", false },
    { "sip:a@h.example", "sip:h.example", false },
    { "sip:a@h.example", "sip:a@i.example", false },
    { "sip:a@192.0.2.1", "sip:a@192.0.2.2", false },
    { "sip:a:@h.example", "sip:a@h.example", false },
    { "sip:a:b@h.example", "sip:a:c@h.example", false },
    { "sip:a@h.example;x", "sip:a@h.example;x=1", false },
    { "sip:a@h.example;x=1", "sip:a@h.example", true },
    { "sip:a@h.example;x=1", "sip:a@h.example;x=2", false },
    { "sip:a@h.example;x=1;y=2", "sip:a@h.example;Y=2;X=1", true },
    { "sip:a@h.example;transport=tls", "sip:a@h.example", false },
    { "sip:a@h.example;transport=tls", "sip:a@h.example;transport=TLS", true },
    { "sip:a@h.example", "sip:a@h.example;maddr=192.0.2.1", false },
    { "sip:a@h.example?a=b", "sip:a@h.example", false },
    { "sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]", true },
    { "sip:a@[::ffff:192.0.2.1]", "sip:a@192.0.2.1", true },
    { "sip:a@192.0.2.1", "sip:a@h.example", false },
    { "tel:+12", "tel:+12", true },
    { "tel:+12", "tel:12", false },
    { "urn:x", "urn:x", true },
    { "urn:x", "urn:X", false },
};

static void equality_follows_the_rfc(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(comparisons); i++) {
        struct sip_uri a;
        struct sip_uri b;
        assert_int_equal(sip_uri_parse(slice_of_string(comparisons[i].a), &a), 0);
        assert_int_equal(sip_uri_parse(slice_of_string(comparisons[i].b), &b), 0);
        if (sip_uri_equal(&a, &b) != comparisons[i].is_equal)
            print_error("# %s and %s\n", comparisons[i].a, comparisons[i].b);
        assert_int_equal(sip_uri_equal(&a, &b), comparisons[i].is_equal);
        assert_int_equal(sip_uri_equal(&b, &a), comparisons[i].is_equal);
    }
}

static void parts_can_be_left_out(void **state)
{
    (void)state;
    struct sip_uri uri;
    struct buffer out = BUFFER_EMPTY;
    const struct slice names[] = { SLICE_LITERAL("maddr"), SLICE_LITERAL("transport") };
    assert_int_equal(sip_uri_parse(SLICE_LITERAL("sip:u:p@h.example:5061;Maddr=h;a;method=X;transport=tcp?x=y"),
        &uri), 0);
    sip_uri_append_request_uri(&out, &uri);
    assert_slice(buffer_slice(&out), "sip:u:p@h.example:5061;Maddr=h;a;transport=tcp");
    buffer_clear(&out);
    sip_uri_append_without(&out, &uri, names, ARRAY_SIZE(names), true);
    assert_slice(buffer_slice(&out), "sip:u:p@h.example;a;method=X");
    buffer_clear(&out);
    assert_int_equal(sip_uri_parse(SLICE_LITERAL("sips:[2001:db8::1]:5070;lr"), &uri), 0);
    sip_uri_append_without(&out, &uri, NULL, 0, false);
    assert_slice(buffer_slice(&out), "sips:[2001:db8::1]:5070;lr");
    buffer_clear(&out);
    sip_uri_append_without(&out, &uri, NULL, 0, true);
    assert_slice(buffer_slice(&out), "sips:[2001:db8::1];lr");
    buffer_clear(&out);
    assert_int_equal(sip_uri_parse(SLICE_LITERAL("tel:12;a=b;method=x"), &uri), 0);
    sip_uri_append_request_uri(&out, &uri);
    assert_slice(buffer_slice(&out), "tel:12;a=b");
    buffer_clear(&out);
    assert_int_equal(sip_uri_parse(SLICE_LITERAL("urn:service:sos"), &uri), 0);
    sip_uri_append_request_uri(&out, &uri);
    assert_slice(buffer_slice(&out), "urn:service:sos");
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_uris_are_taken_apart),
        cmocka_unit_test(bad_uris_are_refused),
        cmocka_unit_test(long_host_names_are_refused),
        cmocka_unit_test(parameters_are_not_endless),
        cmocka_unit_test(known_parameters_are_found),
        cmocka_unit_test(addresses_of_hosts_are_canonical),
        cmocka_unit_test(equality_follows_the_rfc),
        cmocka_unit_test(parts_can_be_left_out),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
