/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record_row.c - see record_row.h. The columns are trelay.transaction_record's, in this file's order. */
#include "account/record_row.h"

#include "base/error.h"
#include "db/server_text.h"
#include "pkix/digest.h"

/* Of the request; of the two connections, each in one piece (connection_columns below). */
#define INBOUND_CONNECTION                                                                                            \
    "inbound_tls_version, inbound_cipher, inbound_certificate_subject, inbound_certificate_issuer,"                   \
    " inbound_certificate_sans, inbound_certificate_serial, inbound_certificate_sha256,"                              \
    " inbound_certificate_not_before, inbound_certificate_not_after, inbound_verified_domain, inbound_reason"
#define OUTBOUND_CONNECTION                                                                                           \
    "outbound_key_digest, outbound_connection_id, outbound_tls_version, outbound_cipher, outbound_own_certificate,"   \
    " outbound_own_certificate_sha256, outbound_sni, outbound_certificate_subject, outbound_certificate_issuer,"      \
    " outbound_certificate_sans, outbound_certificate_serial, outbound_certificate_sha256,"                           \
    " outbound_certificate_not_before, outbound_certificate_not_after, outbound_verified_domain"

const char *record_copy_command(void)
{
    return "COPY trelay.transaction_record (recorded_at, node, call_id, method, request_uri, from_uri, to_uri, status,"
           " reason, duration_ms, flags, inbound_transport, inbound_source_address, inbound_source_port,"
           " inbound_listener, inbound_peer, " INBOUND_CONNECTION
           ", outbound_transport, outbound_address, outbound_port, outbound_domain, outbound_policy, outbound_route,"
           " outbound_decision, outbound_level, outbound_expected_domain,"
           " outbound_pinned, " OUTBOUND_CONNECTION ") FROM STDIN";
}

enum { NAMES_MAX = 64, CERTIFICATE_COLUMNS = 7 };

static void copy_string(struct copy_line *row, const char *text)
{
    copy_text(row, text != NULL && text[0] != '\0' ? slice_of_string(text) : SLICE_ABSENT);
}

/* A word of our own tables, which holds nothing that COPY reads otherwise. */
static void copy_word(struct copy_line *row, const char *word)
{
    if (word != NULL)
        copy_columns(row, slice_of_string(word));
    else
        copy_null(row);
}

static void copy_port(struct copy_line *row, uint16_t port)
{
    if (port == 0)
        copy_null(row);
    else
        copy_number(row, port);
}

/* DIGEST may be NULL. */
static void copy_digest(struct copy_line *row, const uint8_t *digest)
{
    char hex[DIGEST_HEX_SIZE];
    copy_string(row, digest != NULL ? digest_hex(digest, hex) : NULL);
}

static void copy_seconds(struct copy_line *row, int64_t seconds)
{
    bool is_time = seconds > INT64_MIN / 1000000 && seconds < INT64_MAX / 1000000;
    copy_time_us(row, is_time ? seconds * 1000000 : INT64_MIN);
}

static void copy_flags(struct copy_line *row, const struct flag_set *flags)
{
    struct buffer text = BUFFER_EMPTY;
    if (flags == NULL || flags->bits == 0) {
        copy_null(row);
        return;
    }
    flags_print(flags, &text);
    copy_text(row, buffer_slice(&text));
    row->out->has_failed = row->out->has_failed || text.has_failed;
    buffer_free(&text);
}

static void add_request(struct copy_line *row, const struct account_record *record)
{
    const struct sip_message *request = record->request;
    const struct sip_name_addr *from = sip_message_from(request), *to = sip_message_to(request);
    copy_text(row, sip_message_call_id(request));
    copy_text(row, sip_message_method_text(request));
    copy_text(row, sip_message_request_uri(request));
    copy_text(row, from != NULL ? from->uri : SLICE_ABSENT);
    copy_text(row, to != NULL ? to->uri : SLICE_ABSENT);
    if (record->status != 0)
        copy_number(row, record->status);
    else
        copy_null(row);
    copy_string(row, reason_word(record->reason));
    copy_number(row, record->duration_ms);
    copy_flags(row, record->flags);
}

static void add_certificate(struct copy_line *row, const struct certificate_facts *certificate)
{
    struct slice names[NAMES_MAX];
    struct buffer text = BUFFER_EMPTY;
    if (certificate == NULL) {
        for (unsigned i = 0; i < CERTIFICATE_COLUMNS; i++)
            copy_null(row);
        return;
    }
    copy_string(row, certificate->subject);
    copy_string(row, certificate->issuer);
    copy_texts(row, names, certificate_names_list(certificate, &text, names, NAMES_MAX));
    row->out->has_failed = row->out->has_failed || text.has_failed;
    buffer_free(&text);
    copy_string(row, certificate->serial);
    copy_digest(row, certificate->digest);
    copy_seconds(row, certificate->not_before);
    copy_seconds(row, certificate->not_after);
}

static const char *tls_version_of(const struct connection_facts *facts)
{
    return facts != NULL && facts->tls_version != TLS_VERSION_UNSET ? tls_version_name(facts->tls_version) : NULL;
}

static void add_inbound_connection(struct copy_line *row, const struct connection_facts *facts)
{
    bool is_proven = facts != NULL && facts->verdict.result == VERDICT_PROVEN;
    bool is_refused = facts != NULL && facts->verdict.result == VERDICT_REFUSED;
    copy_string(row, tls_version_of(facts));
    copy_string(row, facts != NULL ? facts->suite : NULL);
    add_certificate(row, facts != NULL ? facts->certificate : NULL);
    copy_string(row, is_proven && facts->identity_count > 0 ? facts->identities[0] : NULL);
    copy_string(row, is_refused ? reason_word(facts->verdict.reason) : NULL);
}

static void add_outbound_connection(struct copy_line *row, const struct connection_facts *facts)
{
    char id[CONNECTION_ID_SIZE];
    bool is_proven = facts != NULL && facts->verdict.result == VERDICT_PROVEN;
    copy_digest(row, facts != NULL && facts->has_key_digest ? facts->key_digest : NULL);
    copy_string(row, facts != NULL ? connection_id_print(facts->handle, id) : NULL);
    copy_string(row, tls_version_of(facts));
    copy_string(row, facts != NULL ? facts->suite : NULL);
    copy_string(row, facts != NULL ? facts->credential : NULL);
    copy_digest(row, facts != NULL && facts->credential[0] != '\0' ? facts->credential_digest : NULL);
    copy_string(row, facts != NULL ? facts->server_name : NULL);
    add_certificate(row, facts != NULL ? facts->certificate : NULL);
    copy_string(row, is_proven ? facts->verdict.expected_domain : NULL);
}

typedef void add_connection_fn(struct copy_line *row, const struct connection_facts *facts);

static const struct {
    add_connection_fn *add;
    const char *absent; /* the same of no connection */
} connection_columns[CONNECTION_TEXT_COUNT] = {
    [CONNECTION_TEXT_INBOUND] = { add_inbound_connection, "\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N" },
    [CONNECTION_TEXT_OUTBOUND] = { add_outbound_connection,
        "\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N" },
};

/* The columns of a connection never change, like its facts: made by the first record that needs them. */
static void add_connection(struct copy_line *row, struct connection_facts *facts, enum connection_text which)
{
    struct buffer made = BUFFER_EMPTY;
    const char *text = facts != NULL ? connection_facts_text(facts, which) : connection_columns[which].absent;
    if (text == NULL) {
        struct copy_line columns = copy_line_begin(&made);
        connection_columns[which].add(&columns, facts);
        buffer_append_byte(&made, '\0');
        if (made.has_failed) {
            row->out->has_failed = true;
            buffer_free(&made);
            return;
        }
        text = connection_facts_keep_text(facts, which, &made);
    }
    copy_columns(row, slice_of_string(text));
}

static void add_inbound(struct copy_line *row, const struct account_record *record)
{
    copy_word(row, transport_name(record->in_transport));
    copy_address(row, &record->in_source->address);
    copy_port(row, record->in_source->port);
    copy_string(row, record->listener);
    copy_string(row, record->peer != NULL ? record->peer->name : NULL);
    add_connection(row, record->in_facts, CONNECTION_TEXT_INBOUND);
}

static void add_outbound(struct copy_line *row, const struct account_record *record)
{
    copy_word(row, record->has_target ? transport_name(record->out_transport) : NULL);
    copy_address(row, record->out_target != NULL ? &record->out_target->address : NULL);
    copy_port(row, record->out_target != NULL ? record->out_target->port : 0);
    copy_string(row, record->next_hop_domain);
    copy_string(row, record->row != NULL ? record->row->name : NULL);
    copy_string(row, record->route != NULL ? record->route->name : NULL);
    copy_word(row, record->decision != DECISION_UNSET ? decision_name(record->decision) : NULL);
    copy_word(row, record->level != LEVEL_UNSET ? level_name(record->level) : NULL);
    copy_string(row, record->expected_domain);
    copy_word(row, record->has_target ? record->is_pinned ? "t" : "f" : NULL);
    add_connection(row, record->out_facts, CONNECTION_TEXT_OUTBOUND);
}

int record_append_row(const struct account_record *record, struct slice node, struct buffer *out)
{
    size_t start = out->length;
    struct copy_line row = copy_line_begin(out);
    copy_time_us(&row, record->started_us + (int64_t)record->duration_ms * 1000);
    copy_text(&row, node);
    add_request(&row, record);
    add_inbound(&row, record);
    add_outbound(&row, record);
    copy_line_end(&row);
    if (!out->has_failed)
        return 0;
    out->length = start;
    out->has_failed = false;
    return ERROR_MEMORY;
}
