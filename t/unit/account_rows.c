/* SPDX-License-Identifier: GPL-2.0-or-later */
/* account_rows.c - a record's row has each value in the column that the COPY command names; what a connection decides
 * of it is made once and is the same in every row; without memory no row is half written. Linked with --wrap.
 */
#include "sip_support.h"

#include "account/record_batch.h"
#include "account/record_row.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

/* Allocations until one is refused; below 0: none is. */
static long until_refusal = -1;

static bool is_refused(void)
{
    return until_refusal >= 0 && until_refusal-- == 0;
}

#include "refused_memory.h"

static const struct certificate_name names[] = {
    { .type = CERTIFICATE_NAME_URI, .text = "sip:biloxi.example" },
    { .type = CERTIFICATE_NAME_DNS, .text = "tab\there.example" },
};
static const struct certificate_facts certificate = { .subject = "CN=biloxi", .issuer = "CN=root", .serial = "0A",
    .digest = { 0xab, 0xcd }, .not_before = 0, .not_after = INT64_C(4102444799), .has_names = true, .name_count = 2,
    .names = names };
static const char *identities[] = { "biloxi.example" };

/* The certificate and the names are not the facts' own: taken out again before they are given back. */
static struct connection_facts *facts_new(const char *credential)
{
    struct connection_facts *facts = connection_facts_new();
    assert_non_null(facts);
    facts->handle = (struct connection_handle){ .worker = 1, .slot = 2, .generation = 3 };
    facts->transport = TRANSPORT_TLS;
    facts->tls_version = TLS_VERSION_1_3;
    snprintf(facts->suite, sizeof(facts->suite), "TLS_AES_128_GCM_SHA256");
    snprintf(facts->server_name, sizeof(facts->server_name), "sni.example");
    snprintf(facts->credential, sizeof(facts->credential), "%s", credential);
    facts->credential_digest[0] = 0x11;
    facts->has_key_digest = true;
    facts->key_digest[0] = 0x22;
    facts->verdict.result = VERDICT_PROVEN;
    snprintf(facts->verdict.expected_domain, sizeof(facts->verdict.expected_domain), "biloxi.example");
    facts->certificate = (struct certificate_facts *)(uintptr_t)&certificate;
    facts->identities = identities;
    facts->identity_count = 1;
    return facts;
}

static void facts_free(struct connection_facts *facts)
{
    facts->certificate = NULL;
    facts->identities = NULL;
    connection_facts_unref(facts);
}

static const struct endpoint source = { .address = { .family = ADDRESS_V4, .bytes = { 192, 0, 2, 1 } }, .port = 5060 };
static const struct endpoint target = { .address = { .family = ADDRESS_V4, .bytes = { 192, 0, 2, 2 } }, .port = 5061 };
static const struct peer_rule peer = { .name = "all" };
static const struct outbound_policy policy = { .name = "strict" };
static const struct route route = { .name = "first" };
static const struct flag_set flags = { .bits = T_RELAY_VERIFY_DOMAIN | T_RELAY_NO_UPGRADE,
    .verify_domain = "biloxi.example" };

static struct sip_message *request(void)
{
    return PARSED("OPTIONS sip:bob@biloxi.example SIP/2.0\r\n"
                  "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
                  "From: <sip:alice@atlanta.example>;tag=1\r\nTo: <sip:bob@biloxi.example>\r\n"
                  "Call-ID: a\\b\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
}

static struct account_record record_of(const struct sip_message *message)
{
    return (struct account_record){ .request = message, .started_us = INT64_C(1767323045000007), .duration_ms = 250,
        .status = 200, .in_transport = TRANSPORT_UDP, .in_source = &source, .listener = "inside", .peer = &peer,
        .has_target = true, .out_transport = TRANSPORT_TLS, .out_target = &target, .next_hop_domain = "biloxi.example",
        .row = &policy, .route = &route, .flags = &flags, .decision = DECISION_REUSE, .level = LEVEL_DOMAIN,
        .expected_domain = "biloxi.example", .is_pinned = true };
}

static struct buffer row_of(const struct account_record *record)
{
    struct buffer row = BUFFER_EMPTY;
    assert_int_equal(record_append_row(record, SLICE_LITERAL("node"), &row), 0);
    assert_int_equal(row.data[row.length - 1], '\n');
    row.length--;
    return row;
}

/* The N-th piece of TEXT; absent behind the last. */
static struct slice piece(struct slice text, char separator, size_t n)
{
    while (n-- > 0) {
        size_t end = slice_find(text, separator, 0);
        if (end == text.length)
            return SLICE_ABSENT;
        text = slice_from(text, end + 1);
    }
    return slice_first(text, slice_find(text, separator, 0));
}

static struct slice columns(void)
{
    struct slice command = slice_of_string(record_copy_command());
    size_t start = slice_find(command, '(', 0) + 1;
    return slice_of(command.data + start, slice_find(command, ')', 0) - start);
}

static struct slice trimmed(struct slice name)
{
    return name.length > 0 && name.data[0] == ' ' ? slice_from(name, 1) : name;
}

static void expect(const struct buffer *row, const char *column, const char *value)
{
    for (size_t n = 0;; n++) {
        struct slice name = piece(columns(), ',', n);
        if (slice_is_absent(name))
            fail_msg("the command names no column %s", column);
        if (!slice_equal(trimmed(name), slice_of_string(column)))
            continue;
        assert_slice(piece(buffer_slice(row), '\t', n), value);
        return;
    }
}

static size_t count_of(struct slice text, char separator)
{
    size_t count = 1;
    for (size_t at = slice_find(text, separator, 0); at < text.length; at = slice_find(text, separator, at + 1))
        count++;
    return count;
}

static const struct {
    const char *column, *value;
} values[] = {
    { "recorded_at", "2026-01-02 03:04:05.250007+00" },
    { "node", "node" },
    { "call_id", "a\\\\b" },
    { "method", "OPTIONS" },
    { "request_uri", "sip:bob@biloxi.example" },
    { "from_uri", "sip:alice@atlanta.example" },
    { "to_uri", "sip:bob@biloxi.example" },
    { "status", "200" },
    { "reason", "none" },
    { "duration_ms", "250" },
    { "flags", "verify-domain=biloxi.example,no-upgrade" },
    { "inbound_transport", "udp" },
    { "inbound_source_address", "192.0.2.1" },
    { "inbound_source_port", "5060" },
    { "inbound_listener", "inside" },
    { "inbound_peer", "all" },
    { "inbound_tls_version", "\\N" },
    { "inbound_cipher", "\\N" },
    { "inbound_certificate_subject", "\\N" },
    { "inbound_certificate_issuer", "\\N" },
    { "inbound_certificate_sans", "\\N" },
    { "inbound_certificate_serial", "\\N" },
    { "inbound_certificate_sha256", "\\N" },
    { "inbound_certificate_not_before", "\\N" },
    { "inbound_certificate_not_after", "\\N" },
    { "inbound_verified_domain", "\\N" },
    { "inbound_reason", "\\N" },
    { "outbound_transport", "tls" },
    { "outbound_address", "192.0.2.2" },
    { "outbound_port", "5061" },
    { "outbound_domain", "biloxi.example" },
    { "outbound_policy", "strict" },
    { "outbound_route", "first" },
    { "outbound_decision", "reuse" },
    { "outbound_level", "domain" },
    { "outbound_expected_domain", "biloxi.example" },
    { "outbound_pinned", "t" },
    { "outbound_connection_id", "1.2.3" },
    { "outbound_tls_version", "1.3" },
    { "outbound_cipher", "TLS_AES_128_GCM_SHA256" },
    { "outbound_own_certificate", "ours" },
    { "outbound_sni", "sni.example" },
    { "outbound_certificate_subject", "CN=biloxi" },
    { "outbound_certificate_issuer", "CN=root" },
    { "outbound_certificate_sans", "{\"uri:sip:biloxi.example\",\"dns:tab\\there.example\"}" },
    { "outbound_certificate_serial", "0A" },
    { "outbound_certificate_not_before", "1970-01-01 00:00:00.000000+00" },
    { "outbound_certificate_not_after", "2099-12-31 23:59:59.000000+00" },
    { "outbound_verified_domain", "biloxi.example" },
    { "outbound_key_digest", "2200000000000000000000000000000000000000000000000000000000000000" },
    { "outbound_own_certificate_sha256", "1100000000000000000000000000000000000000000000000000000000000000" },
    { "outbound_certificate_sha256", "abcd000000000000000000000000000000000000000000000000000000000000" },
};

static void each_value_has_its_column(void **state)
{
    (void)state;
    struct sip_message *message = request();
    struct connection_facts *facts = facts_new("ours");
    struct account_record record = record_of(message);
    record.out_facts = facts;
    assert_int_equal(count_of(columns(), ','), ARRAY_SIZE(values));
    for (unsigned round = 0; round < 2; round++) { /* the second one finds the connection's columns made */
        struct buffer row = row_of(&record);
        assert_int_equal(count_of(buffer_slice(&row), '\t'), ARRAY_SIZE(values));
        for (size_t i = 0; i < ARRAY_SIZE(values); i++)
            expect(&row, values[i].column, values[i].value);
        buffer_free(&row);
    }
    facts_free(facts);
    sip_message_unref(message);
}

static void each_leg_has_its_own_connection(void **state)
{
    (void)state;
    struct sip_message *message = request();
    struct connection_facts *in = facts_new("edge"), *out = facts_new("ours");
    out->handle.generation = 4;
    out->verdict.result = VERDICT_NOT_TAKEN;
    in->verdict.result = VERDICT_REFUSED;
    in->verdict.reason = REASON_CHAIN_UNTRUSTED;
    struct account_record record = record_of(message);
    record.in_facts = in;
    record.out_facts = out;
    struct buffer row = row_of(&record);
    expect(&row, "inbound_tls_version", "1.3");
    expect(&row, "inbound_certificate_subject", "CN=biloxi");
    expect(&row, "inbound_verified_domain", "\\N");
    expect(&row, "inbound_reason", "chain-untrusted");
    expect(&row, "outbound_connection_id", "1.2.4");
    expect(&row, "outbound_verified_domain", "\\N");
    buffer_free(&row);
    /* The same connections the other way round: neither has the other leg's columns. */
    in->verdict.result = VERDICT_PROVEN;
    record.in_facts = out;
    record.out_facts = in;
    row = row_of(&record);
    assert_int_equal(count_of(buffer_slice(&row), '\t'), ARRAY_SIZE(values));
    expect(&row, "inbound_verified_domain", "\\N");
    expect(&row, "inbound_reason", "\\N");
    expect(&row, "outbound_connection_id", "1.2.3");
    expect(&row, "outbound_own_certificate", "edge");
    buffer_free(&row);
    facts_free(in);
    facts_free(out);
    sip_message_unref(message);
}

static void nothing_is_known(void **state)
{
    (void)state;
    static const struct endpoint nowhere;
    struct sip_message *message = PARSED("OPTIONS sip:bob@biloxi.example SIP/2.0\r\n\r\n");
    struct account_record record = { .request = message, .in_source = &nowhere, .reason = REASON_BAD_REQUEST };
    struct buffer row = row_of(&record);
    assert_int_equal(count_of(buffer_slice(&row), '\t'), ARRAY_SIZE(values));
    expect(&row, "call_id", "\\N");
    expect(&row, "status", "\\N");
    expect(&row, "reason", "bad-request");
    expect(&row, "inbound_source_address", "\\N");
    expect(&row, "inbound_peer", "\\N");
    expect(&row, "flags", "\\N");
    expect(&row, "outbound_address", "\\N");
    expect(&row, "outbound_decision", "\\N");
    expect(&row, "outbound_key_digest", "\\N");
    buffer_free(&row);
    sip_message_unref(message);
}

/* Every allocation refused once: the batch holds whole rows only, and the same row goes in afterwards. */
static void no_row_is_half_written(void **state)
{
    (void)state;
    struct sip_message *message = request();
    struct account_record record = record_of(message);
    bool was_refused = true;
    for (long allowed = 0; was_refused; allowed++) {
        struct connection_facts *facts = facts_new("ours");
        record.in_facts = record.out_facts = facts;
        until_refusal = allowed;
        struct record_batch *batch = record_batch_new();
        int rc = batch != NULL ? record_batch_add(batch, &record, SLICE_LITERAL("node")) : ERROR_MEMORY;
        was_refused = until_refusal < 0;
        until_refusal = -1;
        if (batch == NULL)
            batch = record_batch_new();
        assert_non_null(batch);
        if (rc != 0) {
            assert_int_equal(rc, ERROR_MEMORY);
            assert_int_equal(batch->rows.length, 0);
            assert_int_equal(batch->count, 0);
            assert_int_equal(record_batch_add(batch, &record, SLICE_LITERAL("node")), 0);
        }
        assert_int_equal(batch->count, 1);
        assert_int_equal(count_of(buffer_slice(&batch->rows), '\t'), ARRAY_SIZE(values));
        record_batch_free(batch);
        facts_free(facts);
    }
    sip_message_unref(message);
}

static void a_batch_gets_full(void **state)
{
    (void)state;
    struct sip_message *message = request();
    struct account_record record = record_of(message);
    struct record_batch *batch = record_batch_new();
    size_t count = 0;
    while (!record_batch_is_full(batch) && count < 10000) {
        assert_int_equal(record_batch_add(batch, &record, SLICE_LITERAL("node")), 0);
        count++;
    }
    assert_in_range(count, 2, 9999);
    assert_int_equal(batch->count, count);
    assert_int_equal(count_of(buffer_slice(&batch->rows), '\n'), count + 1);
    record_batch_free(batch);
    sip_message_unref(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_value_has_its_column),
        cmocka_unit_test(each_leg_has_its_own_connection),
        cmocka_unit_test(nothing_is_known),
        cmocka_unit_test(no_row_is_half_written),
        cmocka_unit_test(a_batch_gets_full),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
