/* SPDX-License-Identifier: GPL-2.0-or-later */
/* relay_routing.c - where a request goes: Route of RFC 3261 16.4 to 16.6, route rows, flags; and which URIs are the
 * relay itself. One row of a table for each request. */
#include "policy_fixture.h"
#include "relay/own_uri.h"
#include "relay/routing.h"
#include "sip_support.h"

#include <stdio.h>
#include <string.h>

/* The relay: "edge.test" on TLS 5061 and UDP 5060 of 192.0.2.1, also called "alias.test". */
static struct listener_settings listeners[] = {
    { .name = "tls", .transport = SIP_TRANSPORT_TLS, .advertised_host = "edge.test", .advertised_port = 5061 },
    { .name = "udp", .transport = SIP_TRANSPORT_UDP, .advertised_host = "edge.test", .advertised_port = 5060 },
};
static char aliases[][SETTINGS_HOST_SIZE] = { "alias.test" };
static const struct relay_settings settings = { .listeners = listeners, .listener_count = ARRAY_SIZE(listeners),
    .aliases = aliases, .alias_count = ARRAY_SIZE(aliases) };

static int make_settings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(listeners); i++)
        listeners[i].endpoint = endpoint_of("192.0.2.1", listeners[i].advertised_port);
    return 0;
}

/* own_uri */

struct own_row {
    const char *uri;
    bool is_own;
};

static const struct own_row own_rows[] = {
    { "sip:edge.test", true },
    { "sip:EDGE.test;lr", true },
    { "sip:edge.test:5060;lr", true },
    { "sip:edge.test:5061;transport=tls;lr", true },
    { "sips:edge.test;lr", true },
    { "sip:anyone@edge.test;lr", true },
    { "sip:192.0.2.1:5060;lr", true },
    { "sip:alias.test;lr", true },
    { "sip:alias.test:5061;lr", true },
    { "sip:edge.test:5070;lr", false },
    { "sip:alias.test:5070;lr", false },
    { "sip:192.0.2.1:5070", false },
    { "sip:192.0.2.2:5060", false },
    { "sip:edge.test.evil.test;lr", false },
    { "sip:xedge.test;lr", false },
    { "sip:test;lr", false },
    { "sip:edge.test@evil.test;lr", false },
    { "sip:evil.test;x=edge.test;lr", false },
    { "sip:evil.test;maddr=edge.test;lr", false },
    { "sip:alias.test.evil.test", false },
    { "tel:+15551234", false },
};

static void own_uri_is_judged_by_host_and_port(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(own_rows); i++) {
        struct sip_uri uri;
        assert_int_equal(sip_uri_parse(slice_of_string(own_rows[i].uri), &uri), 0);
        if (own_uri_is_own(&settings, &uri) != own_rows[i].is_own)
            fail_msg("%s: own is not %d", own_rows[i].uri, own_rows[i].is_own);
    }
}

/* routing */

enum { UNTRUSTED, TRUSTED };

struct request_row {
    const char *name;
    const char *method, *uri, *to_tag;
    const char *headers; /* whole lines */
    int trust;
    const char *peer;    /* NULL: "plain" */
    /* what comes of it */
    unsigned status;
    const char *targets;     /* next hops, blank between them */
    const char *request_uri; /* NULL: unchanged */
    unsigned remove_first;
    bool remove_last;
    const char *append, *push; /* of the first target; NULL: none */
    uint32_t flags;            /* of the first target */
    const char *groups;        /* of all targets; NULL: not looked at */
    const char *pin;           /* of the dialog; NULL: none */
};

static const struct request_row request_rows[] = {
    { .name = "no Route", .uri = "sip:bob@far.test", .targets = "sip:bob@far.test" },
    { .name = "Route to another", .uri = "sip:bob@far.test", .headers = "Route: <sip:proxy.test;lr>\r\n",
        .targets = "sip:proxy.test;lr" },
    { .name = "Route goes before route rows", .uri = "sip:bob@rows.test", .headers = "Route: <sip:proxy.test;lr>\r\n",
        .targets = "sip:proxy.test;lr" },
    { .name = "own Route", .uri = "sip:bob@far.test", .headers = "Route: <sip:edge.test;lr>\r\n",
        .targets = "sip:bob@far.test", .remove_first = 1 },
    { .name = "own Route, then another", .uri = "sip:bob@far.test",
        .headers = "Route: <sip:edge.test;lr>, <sip:proxy.test;lr>\r\n", .targets = "sip:proxy.test;lr",
        .remove_first = 1 },
    { .name = "double own Route over two rows", .uri = "sip:bob@far.test",
        .headers = "Route: <sip:edge.test:5061;lr>\r\nRoute: <sip:edge.test:5060;lr>,<sip:proxy.test;lr>\r\n",
        .targets = "sip:proxy.test;lr", .remove_first = 2 },
    { .name = "a third own Route is not ours to take", .uri = "sip:bob@far.test",
        .headers = "Route: <sip:edge.test;lr>,<sip:edge.test;lr>,<sip:edge.test;lr>\r\n",
        .targets = "sip:edge.test;lr", .remove_first = 2 },
    { .name = "a pin in our own Route", .uri = "sip:bob@far.test", .to_tag = "x",
        .headers = "Route: <sip:edge.test;pin=AbC-_9;lr>\r\n", .targets = "sip:bob@far.test", .remove_first = 1,
        .pin = "AbC-_9" },
    { .name = "a pin in the first of two", .uri = "sip:bob@far.test",
        .headers = "Route: <sip:edge.test;PIN=first;lr>,<sip:edge.test;lr>\r\n", .targets = "sip:bob@far.test",
        .remove_first = 2, .pin = "first" },
    { .name = "of two pins the one of the next hop", .uri = "sip:bob@far.test",
        .headers = "Route: <sip:edge.test;pin=first;lr>,<sip:edge.test;pin=second;lr>\r\n",
        .targets = "sip:bob@far.test", .remove_first = 2, .pin = "second" },
    { .name = "a pin in another's Route", .uri = "sip:bob@far.test;pin=a",
        .headers = "Route: <sip:edge.test;lr>,<sip:proxy.test;pin=b;lr>\r\n", .targets = "sip:proxy.test;pin=b;lr",
        .remove_first = 1 },
    { .name = "a pin without a value", .uri = "sip:bob@far.test", .headers = "Route: <sip:edge.test;pin;lr>\r\n",
        .targets = "sip:bob@far.test", .remove_first = 1 },
    { .name = "a pin in the Request-URI of a strict router", .uri = "sip:edge.test;lr;pin=strict",
        .headers = "Route: <sip:bob@far.test>\r\n", .targets = "sip:bob@far.test", .request_uri = "sip:bob@far.test",
        .remove_last = true, .pin = "strict" },
    { .name = "own Route behind another stays", .uri = "sip:bob@far.test",
        .headers = "Route: <sip:proxy.test;lr>,<sip:edge.test;lr>\r\n", .targets = "sip:proxy.test;lr" },
    { .name = "look-alike host", .uri = "sip:bob@far.test", .headers = "Route: <sip:edge.test.evil.test;lr>\r\n",
        .targets = "sip:edge.test.evil.test;lr" },
    { .name = "look-alike user", .uri = "sip:bob@far.test", .headers = "Route: <sip:edge.test@evil.test;lr>\r\n",
        .targets = "sip:edge.test@evil.test;lr" },
    { .name = "unreadable Route", .uri = "sip:bob@far.test", .headers = "Route: <sip:edge.test;lr>,<:>\r\n",
        .status = 400 },
    { .name = "strict router upstream", .uri = "sip:edge.test;lr",
        .headers = "Route: <sip:proxy.test;lr>,<sip:bob@far.test>\r\n", .targets = "sip:proxy.test;lr",
        .request_uri = "sip:bob@far.test", .remove_last = true },
    { .name = "strict router upstream, nothing else", .uri = "sip:edge.test;lr",
        .headers = "Route: <sip:bob@far.test>\r\n", .targets = "sip:bob@far.test", .request_uri = "sip:bob@far.test",
        .remove_last = true },
    { .name = "strict router upstream, flags in our URI", .uri = "sip:edge.test;lr;level=domain", .trust = TRUSTED,
        .headers = "Route: <sip:bob@far.test>\r\n", .targets = "sip:bob@far.test", .request_uri = "sip:bob@far.test",
        .remove_last = true, .flags = T_RELAY_VERIFY_DOMAIN },
    { .name = "strict router upstream, flags from anybody else", .uri = "sip:edge.test;lr;cert=ours",
        .headers = "Route: <sip:bob@far.test>\r\n", .targets = "sip:bob@far.test", .request_uri = "sip:bob@far.test",
        .remove_last = true },
    { .name = "strict router downstream", .uri = "sip:bob@far.test", .headers = "Route: <sip:strict.test>\r\n",
        .targets = "sip:strict.test", .request_uri = "sip:strict.test", .remove_first = 1,
        .append = "<sip:bob@far.test>" },
    { .name = "own Route, then strict", .uri = "sip:bob@far.test",
        .headers = "Route: <sip:edge.test;lr>,<sip:strict.test>\r\n", .targets = "sip:strict.test",
        .request_uri = "sip:strict.test", .remove_first = 2, .append = "<sip:bob@far.test>" },
    { .name = "strict on both sides, a long last Route", .uri = "sip:edge.test;lr",
        .headers = "Route: <sip:strict.test>,<sip:a-long-user-part-that-is-longer-than-the-request-uri-that-came-in-"
                   "and-goes-on-and-on-and-on-so-that-memory-moves-if-it-may-and-on-and-on-and-on-and-on@far.test;"
                   "maddr=edge.test>\r\n",
        .targets = "sip:strict.test", .request_uri = "sip:strict.test", .remove_first = 1, .remove_last = true,
        .append = "<sip:a-long-user-part-that-is-longer-than-the-request-uri-that-came-in-and-goes-on-and-on-and-on-"
                  "so-that-memory-moves-if-it-may-and-on-and-on-and-on-and-on@far.test>" },
    { .name = "own maddr goes", .uri = "sip:bob@far.test;maddr=edge.test", .targets = "sip:bob@far.test",
        .request_uri = "sip:bob@far.test" },
    { .name = "own maddr, an address", .uri = "sip:bob@far.test;maddr=192.0.2.1", .targets = "sip:bob@far.test",
        .request_uri = "sip:bob@far.test" },
    { .name = "foreign maddr", .uri = "sip:bob@far.test;maddr=evil.test", .status = 403 },
    { .name = "foreign maddr, but Route leads elsewhere", .uri = "sip:bob@far.test;maddr=evil.test",
        .headers = "Route: <sip:proxy.test;lr>\r\n", .targets = "sip:proxy.test;lr" },
    { .name = "foreign maddr, but a row leads elsewhere", .uri = "sip:bob@deep.wild.test;maddr=evil.test",
        .targets = "sip:wild-hop.test;lr", .push = "<sip:wild-hop.test;lr>" },
    { .name = "foreign maddr, and the row has no next hop", .uri = "sip:bob@stay.test;maddr=evil.test", .status = 403 },
    { .name = "foreign maddr in Route", .uri = "sip:bob@far.test",
        .headers = "Route: <sip:proxy.test;maddr=evil.test;lr>\r\n", .status = 403 },
    { .name = "rr_host of a row is our own Route", .uri = "sip:bob@far.test",
        .headers = "Route: <sip:hosted.test;lr>, <sip:192.0.2.1:5060;lr>\r\n", .targets = "sip:bob@far.test",
        .remove_first = 2 },
    { .name = "rr_host with a port of others is not", .uri = "sip:bob@far.test",
        .headers = "Route: <sip:hosted.test:5070;lr>\r\n", .targets = "sip:hosted.test:5070;lr" },
    { .name = "rr_host, strict router upstream", .uri = "sip:hosted.test:5061;lr",
        .headers = "Route: <sip:bob@far.test>\r\n", .targets = "sip:bob@far.test", .request_uri = "sip:bob@far.test",
        .remove_last = true },
    { .name = "rr_host is no domain of ours", .uri = "sip:bob@hosted.test", .targets = "sip:bob@hosted.test" },
    { .name = "own domain without a row", .uri = "sip:bob@edge.test", .status = 404 },
    { .name = "alias without a row", .uri = "sip:bob@alias.test", .status = 404 },
    { .name = "tel without a row", .uri = "tel:+15551234", .status = 404 },
    { .name = "unknown scheme", .uri = "xmpp:bob@far.test", .status = 416 },
    { .name = "row by domain, and its equal for failover", .uri = "sip:bob@rows.test",
        .targets = "sip:one.test sip:two.test", .push = "<sip:one.test;lr>", .groups = "0 1" },
    { .name = "rows that fork go together, each with its flags, and ahead", .uri = "sip:bob@fork.test",
        .targets = "sip:f2.test sip:f1.test", .push = "<sip:f2.test;lr>", .groups = "0 0" },
    { .name = "rows that fork, with one flag, and what follows them", .uri = "sip:bob@ring.test",
        .targets = "sip:r1.test sip:r2.test sip:r3.test sip:r4.test sip:r5.test", .push = "<sip:r1.test;lr>",
        .groups = "0 0 1 2 2" },
    { .name = "one next hop in two rows is one target", .uri = "sip:bob@twice.test",
        .targets = "sip:bob@Twice.test;x=1", .push = "<sip:bob@Twice.test;x=1;lr>", .groups = "0" },
    { .name = "row without next hop", .uri = "sip:bob@stay.test", .targets = "sip:bob@stay.test" },
    { .name = "row by suffix", .uri = "sip:bob@deep.wild.test", .targets = "sip:wild-hop.test;lr",
        .push = "<sip:wild-hop.test;lr>" },
    { .name = "a suffix is not its own subdomain", .uri = "sip:bob@wild.test", .targets = "sip:bob@wild.test" },
    { .name = "row by user prefix", .uri = "sip:+49301@prefix.test", .targets = "sip:berlin.test",
        .push = "<sip:berlin.test;lr>" },
    { .name = "row by user prefix, another user", .uri = "sip:+48301@prefix.test",
        .targets = "sip:+48301@prefix.test" },
    { .name = "row by method", .method = "MESSAGE", .uri = "sip:bob@method.test", .targets = "sip:texts.test",
        .push = "<sip:texts.test;lr>" },
    { .name = "row by method, another method", .uri = "sip:bob@method.test", .targets = "sip:bob@method.test" },
    { .name = "row by header", .uri = "sip:bob@header.test", .headers = "X-Trunk: red\r\n", .targets = "sip:red.test",
        .push = "<sip:red.test;lr>" },
    { .name = "row by header, other case", .uri = "sip:bob@header.test", .headers = "X-Trunk: Red\r\n",
        .targets = "sip:bob@header.test" },
    { .name = "row by header, none", .uri = "sip:bob@header.test", .targets = "sip:bob@header.test" },
    { .name = "row by peer", .uri = "sip:bob@peer.test", .peer = "carrier", .targets = "sip:carrier-hop.test",
        .push = "<sip:carrier-hop.test;lr>" },
    { .name = "row by peer, another peer", .uri = "sip:bob@peer.test", .targets = "sip:bob@peer.test" },
    { .name = "rows with other flags are no way around", .uri = "sip:bob@strong.test", .targets = "sip:strong-hop.test",
        .push = "<sip:strong-hop.test;lr>", .flags = T_RELAY_VERIFY_DOMAIN },
    { .name = "row that cannot be used", .uri = "sip:bob@broken.test", .status = 500 },
    { .name = "row whose next hop is no SIP URI", .uri = "sip:bob@no-uri.test", .status = 500 },
    { .name = "in a dialog rows do not count", .uri = "sip:bob@rows.test", .to_tag = "t1",
        .targets = "sip:bob@rows.test" },
    { .name = "flags of a trusted sender", .uri = "sip:bob@far.test", .headers = "X-Trelay-Flags: verify-chain\r\n",
        .trust = TRUSTED, .targets = "sip:bob@far.test", .flags = T_RELAY_VERIFY_CHAIN },
    { .name = "flags of anybody else", .uri = "sip:bob@far.test", .headers = "X-Trelay-Flags: no-verify,cert=ours\r\n",
        .targets = "sip:bob@far.test" },
    { .name = "unknown flag of a trusted sender", .uri = "sip:bob@far.test", .headers = "X-Trelay-Flags: verfy\r\n",
        .trust = TRUSTED, .status = 500 },
    { .name = "unknown flag of anybody else", .uri = "sip:bob@far.test", .headers = "X-Trelay-Flags: verfy\r\n",
        .targets = "sip:bob@far.test" },
    { .name = "flags in our own Route", .uri = "sip:bob@far.test", .trust = TRUSTED,
        .headers = "Route: <sip:edge.test;lr;conn=fresh>\r\n", .targets = "sip:bob@far.test", .remove_first = 1,
        .flags = T_RELAY_NO_CONN_REUSE },
    { .name = "flags in our own Route, from anybody else", .uri = "sip:bob@far.test",
        .headers = "Route: <sip:edge.test;lr;conn=fresh>\r\n", .targets = "sip:bob@far.test", .remove_first = 1 },
    { .name = "flags in the Route of another", .uri = "sip:bob@far.test", .trust = TRUSTED,
        .headers = "Route: <sip:proxy.test;lr;conn=fresh>\r\n", .targets = "sip:proxy.test;lr;conn=fresh" },
    { .name = "Route and header flags add up", .uri = "sip:bob@far.test", .trust = TRUSTED,
        .headers = "Route: <sip:edge.test;lr;conn=fresh>\r\nX-Trelay-Flags: tls\r\n", .targets = "sip:bob@far.test",
        .remove_first = 1, .flags = T_RELAY_NO_CONN_REUSE | T_RELAY_TLS },
    { .name = "two header rows are one list", .uri = "sip:bob@far.test", .trust = TRUSTED,
        .headers = "X-Trelay-Flags: tls\r\nX-Trelay-Flags:\r\nX-Trelay-Flags: no-sni,verify-chain\r\n",
        .targets = "sip:bob@far.test", .flags = T_RELAY_TLS | T_RELAY_NO_SNI | T_RELAY_VERIFY_CHAIN },
    { .name = "contradiction of two header rows", .uri = "sip:bob@far.test", .trust = TRUSTED,
        .headers = "X-Trelay-Flags: no-verify\r\nX-Trelay-Flags: verify-domain\r\n", .status = 500 },
    { .name = "two header rows of anybody else", .uri = "sip:bob@far.test", .targets = "sip:bob@far.test",
        .headers = "X-Trelay-Flags: no-verify\r\nX-Trelay-Flags: verify-domain\r\n" },
    { .name = "contradiction in the header", .uri = "sip:bob@far.test", .trust = TRUSTED,
        .headers = "X-Trelay-Flags: no-conn-reuse,no-connect\r\n", .status = 500 },
    { .name = "contradiction of Route and header", .uri = "sip:bob@far.test", .trust = TRUSTED,
        .headers = "Route: <sip:edge.test;lr;conn=fresh>\r\nX-Trelay-Flags: no-connect\r\n", .status = 500 },
    { .name = "two domains to expect of Route and header", .uri = "sip:bob@far.test", .trust = TRUSTED,
        .headers = "Route: <sip:edge.test;lr;expect=a.test>\r\nX-Trelay-Flags: verify-domain=b.test\r\n",
        .status = 500 },
    { .name = "one domain of Route and header", .uri = "sip:bob@far.test", .trust = TRUSTED,
        .headers = "Route: <sip:edge.test;lr;expect=a.test>\r\nX-Trelay-Flags: verify-domain\r\n",
        .targets = "sip:bob@far.test", .remove_first = 1, .flags = T_RELAY_VERIFY_DOMAIN },
    { .name = "flags of the peer row", .uri = "sip:bob@far.test", .peer = "careful", .targets = "sip:bob@far.test",
        .flags = T_RELAY_VERIFY_CHAIN },
    { .name = "no-verify does not survive the peer row", .uri = "sip:bob@far.test", .peer = "careful",
        .trust = TRUSTED, .headers = "X-Trelay-Flags: no-verify\r\n", .targets = "sip:bob@far.test",
        .flags = T_RELAY_VERIFY_CHAIN },
};

static const struct flag_set strong = { .bits = T_RELAY_VERIFY_DOMAIN };

static struct policy_snapshot *make_snapshot(void)
{
    struct policy_builder *builder = fixture_builder();
    const struct route rows[] = {
        { .domain = "rows.test", .next_hop = "sip:one.test", .priority = 1 },
        { .domain = "rows.test", .next_hop = "sip:two.test", .priority = 2 },
        { .domain = "stay.test" },
        { .domain = "*.wild.test", .next_hop = "sip:wild-hop.test;lr" },
        { .domain = "prefix.test", .user_prefix = "+49", .next_hop = "sip:berlin.test" },
        { .domain = "method.test", .method = "MESSAGE", .next_hop = "sip:texts.test" },
        { .domain = "header.test", .header_name = "X-Trunk", .header_value = "red", .next_hop = "sip:red.test" },
        { .domain = "peer.test", .peer = "carrier", .next_hop = "sip:carrier-hop.test" },
        { .domain = "strong.test", .next_hop = "sip:strong-hop.test", .flags = &strong, .priority = 1 },
        { .domain = "strong.test", .next_hop = "sip:weak-hop.test", .priority = 2 },
        { .domain = "broken.test", .next_hop = "sip:broken-hop.test", .unusable = "spoilt", .priority = 1 },
        { .domain = "broken.test", .next_hop = "sip:whole-hop.test", .priority = 2 },
        { .domain = "no-uri.test", .next_hop = "tel" },
        { .domain = "fork.test", .next_hop = "sip:f1.test", .flags = &strong, .fork = true, .weight = 1 },
        { .domain = "fork.test", .next_hop = "sip:f2.test", .fork = true, .weight = 2 },
        { .domain = "fork.test", .next_hop = "sip:f3.test", .weight = 9 },
        { .domain = "fork.test", .next_hop = "sip:f4.test", .flags = &strong, .priority = 2, .fork = true },
        { .domain = "ring.test", .next_hop = "sip:r1.test", .fork = true },
        { .domain = "ring.test", .next_hop = "sip:r2.test", .fork = true },
        { .domain = "ring.test", .next_hop = "sip:r3.test" },
        { .domain = "ring.test", .next_hop = "sip:r4.test", .priority = 2, .fork = true },
        { .domain = "ring.test", .next_hop = "sip:r5.test", .priority = 2, .fork = true },
        { .domain = "ring.test", .next_hop = "sip:r6.test", .priority = 3, .fork = true, .flags = &strong },
        { .domain = "twice.test", .next_hop = "sip:bob@Twice.test;x=1", .fork = true },
        { .domain = "twice.test", .next_hop = "sip:bob@twice.test", .fork = true },
        { .domain = "twice.test", .priority = 2 },
    };
    struct outbound_policy hosted = fixture_outbound(1, "partner.test");
    hosted.rr_host = "hosted.test";
    assert_int_equal(policy_builder_outbound(builder, &hosted), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct route row = rows[i];
        char name[16];
        (void)snprintf(name, sizeof(name), "route%zu", i);
        row.id = (int64_t)i + 1;
        row.name = name;
        row.weight = row.weight != 0 ? row.weight : 1;
        assert_int_equal(policy_builder_route(builder, &row), 0);
    }
    return fixture_finish(builder);
}

static struct sip_message *make_request(const struct request_row *row)
{
    char text[2048];
    const char *method = row->method != NULL ? row->method : "INVITE";
    int length = snprintf(text, sizeof(text),
        "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:alice@near.test>;tag=f1\r\n"
        "To: <sip:bob@far.test>%s%s\r\nCall-ID: c1\r\nCSeq: 1 %s\r\n%sContent-Length: 0\r\n\r\n",
        method, row->uri, row->to_tag != NULL ? ";tag=" : "", row->to_tag != NULL ? row->to_tag : "", method,
        row->headers != NULL ? row->headers : "");
    assert_in_range(length, 1, sizeof(text) - 1);
    return parse_whole(slice_of(text, (size_t)length));
}

static void expect_text(const struct request_row *row, const char *what, struct slice got, const char *expected)
{
    bool is_equal = expected != NULL ? slice_equal(got, slice_of_string(expected)) : slice_is_absent(got);
    if (!is_equal)
        fail_msg("%s: %s is \"%.*s\", not \"%s\"", row->name, what, SLICE_PRINT(got),
            expected != NULL ? expected : "(none)");
}

static void expect_routing(const struct request_row *row, const struct routing *routing)
{
    if (routing->status != row->status)
        fail_msg("%s: status %u, not %u", row->name, routing->status, row->status);
    if (row->status != 0)
        return;
    struct buffer text = BUFFER_EMPTY;
    for (size_t i = 0; i < routing->target_count; i++) {
        buffer_append_string(&text, i > 0 ? " " : "");
        buffer_append_slice(&text, routing->targets[i].next_hop.text);
    }
    expect_text(row, "targets", buffer_slice(&text), row->targets);
    buffer_clear(&text);
    for (size_t i = 0; i < routing->target_count; i++)
        buffer_append_format(&text, i > 0 ? " %u" : "%u", routing->targets[i].group);
    if (row->groups != NULL)
        expect_text(row, "groups", buffer_slice(&text), row->groups);
    buffer_free(&text);
    expect_text(row, "Request-URI", routing->edits.request_uri, row->request_uri);
    expect_text(row, "appended Route", routing->edits.route_append, row->append);
    expect_text(row, "pushed Route", routing->targets[0].route_push, row->push);
    if (routing->edits.route_remove_first != row->remove_first || routing->edits.route_remove_last != row->remove_last)
        fail_msg("%s: removes %u first and %d last", row->name, routing->edits.route_remove_first,
            routing->edits.route_remove_last);
    if (!slice_equal(routing->pin, slice_of_string(row->pin)))
        fail_msg("%s: pin \"%.*s\"", row->name, SLICE_PRINT(routing->pin));
    if (routing->targets[0].flags.bits != row->flags)
        fail_msg("%s: flags %x, not %x", row->name, routing->targets[0].flags.bits, row->flags);
}

static void each_request_goes_its_way(void **state)
{
    (void)state;
    static const struct flag_set careful = { .bits = T_RELAY_VERIFY_CHAIN };
    struct policy_snapshot *snapshot = make_snapshot();
    for (size_t i = 0; i < ARRAY_SIZE(request_rows); i++) {
        const struct request_row *row = &request_rows[i];
        struct peer_rule peer = fixture_peer(1, row->peer != NULL ? row->peer : "plain");
        if (strcmp(peer.name, "careful") == 0)
            peer.flags = &careful;
        struct routing_source source = { .peer = &peer, .is_trusted = row->trust == TRUSTED };
        struct sip_message *request = make_request(row);
        struct routing routing;
        struct why why = WHY_NONE;
        routing_decide(request, &settings, snapshot, &source, &routing, &why);
        expect_routing(row, &routing);
        routing_fini(&routing);
        sip_message_unref(request);
    }
    policy_snapshot_unref(snapshot);
}

/* Peer row, then route row, then the sender; and whose look-up and trust set it is in the end. */
static void each_flag_has_its_owner(void **state)
{
    (void)state;
    static const struct {
        const char *peer, *route, *header, *flags; /* flags: in effect; route NULL: no row */
        bool is_senders_lookup, is_senders_trust;
        const char *own_lookup;                    /* "": none */
    } cases[] = {
        { "", "", "", "", false, false, "" },
        { "trust=a", NULL, "", "trust=a", false, false, "" },
        { "trust=a", "trust=b", "", "trust=b", false, false, "" },
        { "trust=a", "tls", "", "tls,trust=a", false, false, "" },
        { "trust=a", "trust=b", "trust=b", "trust=b", false, false, "" },
        { "trust=a", "trust=b", "trust=a", "trust=a", false, true, "" },
        { "", "", "trust=a", "trust=a", false, true, "" },
        { "", NULL, "trust=a", "trust=a", false, true, "" },
        { "trust=a", NULL, "trust=b", "trust=b", false, true, "" },
        { "lookup=none", "lookup=dst", "", "lookup=dst", false, false, "lookup=dst" },
        { "lookup=dst", "lookup=none", "lookup=src", "lookup=src", true, false, "lookup=none" },
        { "lookup=dst", NULL, "lookup=none", "lookup=none", true, false, "lookup=dst" },
        { "", "", "lookup=none,trust=a", "trust=a,lookup=none", true, true, "" },
        { "cert=a", "no-cert", "", "no-cert", false, false, "" },
        { "cert=a", "no-cert", "cert=b", "cert=b", false, false, "" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct flag_set of_peer, of_route, own = FLAG_SET_EMPTY;
        struct policy_builder *builder = fixture_builder();
        char headers[64] = "";
        struct request_row row = { .name = "", .uri = "sip:bob@own.test", .headers = headers };
        assert_int_equal(flags_parse(slice_of_string(cases[i].peer), &of_peer, NULL), 0);
        struct route route = { .id = 1, .name = "own", .domain = "own.test", .weight = 1, .flags = &of_route };
        if (cases[i].route != NULL) {
            assert_int_equal(flags_parse(slice_of_string(cases[i].route), &of_route, NULL), 0);
            assert_int_equal(policy_builder_route(builder, &route), 0);
        }
        struct policy_snapshot *snapshot = fixture_finish(builder);
        struct peer_rule peer = fixture_peer(1, "plain");
        peer.flags = &of_peer;
        struct routing_source source = { .peer = &peer, .is_trusted = true };
        if (cases[i].header[0] != '\0')
            (void)snprintf(headers, sizeof(headers), "X-Trelay-Flags: %s\r\n", cases[i].header);
        struct sip_message *request = make_request(&row);
        struct routing routing;
        routing_decide(request, &settings, snapshot, &source, &routing, NULL);
        assert_int_equal(routing.target_count, 1);
        const struct routing_target *target = &routing.targets[0];
        struct buffer text = BUFFER_EMPTY, lookup = BUFFER_EMPTY;
        flags_print(&target->flags, &text);
        if (target->own_lookup != NULL) {
            own.bits = T_RELAY_LOOKUP;
            own.lookup = *target->own_lookup;
        }
        flags_print(&own, &lookup);
        bool is_right = slice_equal(buffer_slice(&text), slice_of_string(cases[i].flags)) &&
            slice_equal(buffer_slice(&lookup), slice_of_string(cases[i].own_lookup)) &&
            target->has_senders_lookup == cases[i].is_senders_lookup &&
            target->has_senders_trust == cases[i].is_senders_trust;
        if (!is_right)
            fail_msg("case %zu: \"%.*s\", own \"%.*s\", %d %d", i, SLICE_PRINT(buffer_slice(&text)),
                SLICE_PRINT(buffer_slice(&lookup)), target->has_senders_lookup, target->has_senders_trust);
        buffer_free(&text);
        buffer_free(&lookup);
        routing_fini(&routing);
        sip_message_unref(request);
        policy_snapshot_unref(snapshot);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_uri_is_judged_by_host_and_port),
        cmocka_unit_test(each_request_goes_its_way),
        cmocka_unit_test(each_flag_has_its_owner),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_settings, NULL);
}
