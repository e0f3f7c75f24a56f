/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model_tls.c - TLS without ciphers, and certificates without signatures: a handshake is three records, what a peer
 * shows is a number. Takes the place of src/tls and of the verdict of src/pkix; keeps their promises, and sees to it
 * that the pool keeps its own: nothing in or out before the verdict.
 */
#include "model.h"

#include "base/error.h"
#include "pkix/certificate.h"
#include "pkix/digest.h"
#include "pkix/identity.h"
#include "pkix/verdict.h"
#include "tls/tls_session.h"

#include <stdlib.h>
#include <string.h>

enum { SESSIONS = MODEL_LINKS * 2 };

struct tls_context {
    int8_t credential; /* content; -1: none */
    struct tls_settings settings;
};

struct tls_session {
    bool is_used, is_server, has_hello, has_begun, has_chain, is_taken, is_released, is_done, has_failed, is_closed;
    struct stream *link;
    uint32_t link_serial;
    int8_t sni;
    struct tls_context context;
    struct slice certificate;
    uint8_t der[2];
    size_t output_length, plain_length;
    uint8_t output[MODEL_BYTES], plain[MODEL_BYTES];
};

static struct tls_session sessions[SESSIONS];
static struct tls_context last_context;

void model_tls_forget(void)
{
    for (size_t i = 0; i < SESSIONS; i++)
        sessions[i].is_used = false;
}

/* --- Contexts --- */

bool tls_library_has_fast_aes(void); /* tls/tls_private.h, which knows another struct tls_credential */
bool tls_library_has_fast_aes(void)
{
    return true;
}

int tls_context_cache_get(struct tls_context_cache *cache, enum tls_role role, const struct tls_settings *settings,
    struct tls_credential *credential, struct tls_context **context_r, struct why *why)
{
    (void)cache;
    (void)role;
    if (!model()->is_stable && !model()->settings.is_calm && dice_hits(&model()->dice, 200))
        return why_fail(why, ERROR_MEMORY, "no memory");
    last_context = (struct tls_context){ .credential = credential != NULL ? (int8_t)credential->content : -1,
        .settings = *settings };
    *context_r = &last_context;
    return 0;
}

void tls_context_unref(struct tls_context *context)
{
    (void)context;
}

enum tls_key_kind tls_credential_key_kind(const struct tls_credential *credential)
{
    (void)credential;
    return TLS_KEY_EC_P256;
}

/* --- Sessions --- */

static void put(struct tls_session *session, char type, struct slice bytes)
{
    const uint8_t head[3] = { (uint8_t)type, (uint8_t)(bytes.length >> 8), (uint8_t)bytes.length };
    if (sizeof(head) + bytes.length > MODEL_BYTES - session->output_length)
        return;
    memcpy(session->output + session->output_length, head, sizeof(head));
    if (bytes.length > 0)
        memcpy(session->output + session->output_length + sizeof(head), bytes.data, bytes.length);
    session->output_length += sizeof(head) + bytes.length;
}

int tls_session_new(struct tls_context *context, const struct tls_session_options *options,
    struct tls_session **session_r, struct why *why)
{
    struct tls_session *session = sessions;
    while (session < sessions + SESSIONS && session->is_used)
        session++;
    if (session == sessions + SESSIONS || model()->serving == NULL)
        return why_fail(why, ERROR_MEMORY, "no session");
    memset(session, 0, offsetof(struct tls_session, output));
    session->is_used = true;
    session->link = model()->serving;
    session->link_serial = session->link->serial;
    session->context = *context;
    session->sni = -1;
    for (int8_t i = 0; i < MODEL_DOMAINS; i++)
        if (slice_equal(options->server_name, slice_of_string(model_domain(i))))
            session->sni = i;
    session->is_server = session->link->is_accepted;
    session->link->session = session;
    session->link->shown_sni = session->sni;
    session->link->shown_credential = context->credential;
    if (session->is_server)
        oracle_server(session->link);
    model()->sessions++;
    *session_r = session;
    return 0;
}

void tls_session_free(struct tls_session *session)
{
    if (session == NULL)
        return;
    if (!session->is_used)
        model_fail(NULL, session->link, "a session is freed twice");
    session->is_used = false;
    model()->sessions--;
}

static struct stream *link_of(const struct tls_session *session)
{
    if (!session->is_used || session->link->serial != session->link_serial)
        model_fail(NULL, session->link, "INV-29: a session is used whose connection is gone");
    return session->link;
}

/* To who calls us: his hello, then what he shows, if he was asked and has something. */
static bool take_from_client(struct tls_session *session, char type, struct slice bytes)
{
    struct stream *link = link_of(session);
    bool is_asked = session->context.settings.client_auth != CLIENT_AUTH_NONE;
    if (type == 'H') {
        put(session, 'G', SLICE_ABSENT);
        return true;
    }
    if (type != 'K' || session->has_hello)
        return false;
    session->has_hello = true;
    link->version = TLS_VERSION_1_3;
    link->suite = 0x1301;
    session->has_chain = is_asked;
    session->is_done = !is_asked;
    link->has_shown = is_asked && bytes.length == 1;
    link->shown = link->has_shown ? (uint8_t)bytes.data[0] : 0;
    memcpy(session->der, (const uint8_t[2]){ 'X', link->shown }, sizeof(session->der));
    model_note(NULL, link, "the caller shows %d", link->has_shown ? link->shown : -1);
    return true;
}

/* The peer's flight: certificate, version, suite, manner. False: no handshake comes of it. */
static bool take_flight(struct tls_session *session, struct slice flight)
{
    struct stream *link = link_of(session);
    if (session->has_chain || flight.length != 5)
        return false;
    const uint8_t *bytes = (const uint8_t *)flight.data;
    link->shown = bytes[0];
    link->version = (enum tls_version)bytes[1];
    link->suite = (uint16_t)(bytes[2] << 8 | bytes[3]);
    link->was_resumed = bytes[4] == MANNER_RESUMES || bytes[4] == MANNER_RESUMES_SHOWS;
    model()->totals.handshakes++;
    model_note(NULL, link, "shows certificate %u of root %u, version %d, suite %x", link->shown,
        model()->certificates[link->shown].root, (int)link->version, link->suite);
    if (bytes[4] == MANNER_RESUMES) {
        session->is_done = true;
        return true;
    }
    session->has_chain = true;
    memcpy(session->der, (const uint8_t[2]){ 'X', link->shown }, sizeof(session->der));
    put(session, 'K', SLICE_ABSENT);
    return true;
}

static bool take_record(struct tls_session *session, char type, struct slice bytes)
{
    switch (type) {
    case 'H':
    case 'K':
        return session->is_server && take_from_client(session, type, bytes);
    case 'S':
        return !session->is_server && take_flight(session, bytes);
    case 'F':
        session->is_done = session->is_released;
        return session->is_released;
    case 'A':
        if (bytes.length > MODEL_BYTES - session->plain_length)
            return false;
        memcpy(session->plain + session->plain_length, bytes.data, bytes.length);
        session->plain_length += bytes.length;
        return session->has_chain || session->has_hello;
    default:
        return false;
    }
}

enum tls_progress tls_session_handshake(struct tls_session *session, struct slice input, struct why *why)
{
    struct stream *link = link_of(session);
    struct slice rest = input, bytes;
    char type;
    model_failpoint();
    if (!session->has_begun && !session->is_server) {
        put(session, 'H', slice_of((const char *)&session->sni, 1));
    }
    session->has_begun = true;
    while (!session->has_failed && model_record(&rest, &type, &bytes))
        session->has_failed = !take_record(session, type, bytes);
    if (session->has_failed) {
        (void)why_fail(why, ERROR_TLS, "an unexpected record");
        return TLS_FAILED;
    }
    if (session->has_chain && session->is_released && link->version == TLS_VERSION_1_3)
        session->is_done = true;
    if (session->is_done && session->is_released && !link->is_published)
        oracle_published(link);
    return session->is_done ? TLS_DONE : TLS_WANT_INPUT;
}

bool tls_session_lacks_memory(const struct tls_session *session UNUSED)
{
    return false; /* here a handshake fails for what the peer sends */
}

bool tls_session_has_chain(const struct tls_session *session)
{
    return session->has_chain;
}

int tls_session_take_chain(struct tls_session *session, struct tls_chain *chain_r)
{
    if (!session->has_chain || session->is_taken)
        return ERROR_STATE;
    session->is_taken = true;
    session->certificate = slice_of((const char *)session->der, sizeof(session->der));
    *chain_r = (struct tls_chain){ .certificates = &session->certificate,
        .count = !session->is_server || session->link->has_shown };
    return 0;
}

void tls_chain_free(struct tls_chain *chain)
{
    *chain = (struct tls_chain){ .count = 0 };
}

int tls_session_release(struct tls_session *session)
{
    bool is_due = session->has_chain || (session->is_server && session->is_done);
    if (!is_due || session->has_failed)
        return ERROR_STATE;
    oracle_release(link_of(session));
    session->is_released = true;
    if (session->is_done)
        oracle_published(session->link);
    return 0;
}

void tls_session_refuse(struct tls_session *session, enum tls_alert alert)
{
    (void)alert;
    session->has_failed = true;
    session->output_length = 0;
}

struct slice tls_session_output(const struct tls_session *session)
{
    bool is_held = session->has_chain && !session->is_released;
    return slice_of((const char *)session->output, is_held ? 0 : session->output_length);
}

void tls_session_sent(struct tls_session *session, size_t length)
{
    session->output_length -= length;
    memmove(session->output, session->output + length, session->output_length);
}

int tls_session_read(struct tls_session *session, struct slice input, struct buffer *plain, struct why *why)
{
    struct slice rest = input, bytes;
    char type;
    model_failpoint();
    if (!session->is_done || !session->is_released)
        model_fail(NULL, link_of(session), "INV-18: read before the verdict");
    while (!session->has_failed && model_record(&rest, &type, &bytes))
        session->has_failed = type != 'A' || !take_record(session, type, bytes);
    buffer_append_slice(plain, slice_of((const char *)session->plain, session->plain_length));
    if (session->plain_length > 0)
        oracle_used(session->link);
    session->plain_length = 0;
    return session->has_failed ? why_fail(why, ERROR_TLS, "an unexpected record") : 0;
}

static int write_plain(struct tls_session *session, struct slice message, struct why *why)
{
    struct stream *link = link_of(session);
    bool is_wild = !model()->settings.is_calm && !model()->is_stable;
    model_failpoint();
    if (!session->is_done || !session->is_released)
        model_fail(NULL, link, "INV-18: written before the verdict");
    if (session->is_closed || session->has_failed)
        return why_fail(why, ERROR_TLS, "it is closed");
    if (message.length + 3 > MODEL_BYTES - session->output_length || (is_wild && dice_hits(&model()->dice, 100)))
        return why_fail(why, ERROR_LIMIT, "too much");
    if (is_wild && dice_hits(&model()->dice, 100)) {
        session->has_failed = true;
        return why_fail(why, ERROR_MEMORY, "no memory");
    }
    oracle_write(link, message);
    put(session, 'A', message);
    if (is_wild && dice_hits(&model()->dice, 8))
        link->is_congested = true;
    return 0;
}

/* To try is to use it, too. */
int tls_session_write(struct tls_session *session, struct slice message, struct why *why)
{
    int rc = write_plain(session, message, why);
    oracle_used(session->link);
    return rc;
}

void tls_session_close(struct tls_session *session)
{
    session->is_closed = true;
}

int tls_session_facts(const struct tls_session *session, struct tls_session_facts *facts_r)
{
    const struct stream *link = link_of(session);
    if (!session->is_done)
        return ERROR_STATE;
    *facts_r = (struct tls_session_facts){ .version = link->version, .suite = "", .suite_number = link->suite,
        .group = "", .was_resumed = link->was_resumed };
    return 0;
}

/* --- src/tls/client_hello: one record --- */

void client_hello_reader_init(struct client_hello_reader *reader)
{
    *reader = (struct client_hello_reader){ .state = CLIENT_HELLO_INCOMPLETE };
}

void client_hello_reader_fini(struct client_hello_reader *reader)
{
    buffer_free(&reader->raw);
}

enum client_hello_state client_hello_reader_feed(struct client_hello_reader *reader, struct slice input,
    struct why *why)
{
    buffer_append_slice(&reader->raw, input);
    reader->state = reader->raw.has_failed ? CLIENT_HELLO_REFUSED : CLIENT_HELLO_COMPLETE;
    if (reader->raw.has_failed)
        (void)why_fail(why, ERROR_MEMORY, "no memory");
    return reader->state;
}

enum tls_version client_hello_version(const struct client_hello *hello, enum tls_version minimum,
    enum tls_version maximum)
{
    (void)hello;
    (void)minimum;
    return maximum;
}

bool client_hello_takes_key(const struct client_hello *hello, enum tls_key_kind kind, enum tls_version version)
{
    (void)hello;
    (void)kind;
    (void)version;
    return true;
}

void tls_alert_append(struct buffer *output, enum tls_alert alert)
{
    (void)output; /* nobody reads it */
    (void)alert;
}

/* --- src/pkix --- */

int verdict_take(const struct verdict_request *request, const struct certificate_chain *presented, int64_t now,
    struct verdict *verdict_r)
{
    struct slice der = certificate_chain_get(presented, 0);
    struct model_class class = { .level = (uint8_t)request->level, .domain = -1,
        .roots = request->trust_store != NULL ? request->trust_store->roots : 0 };
    bool is_wild = !model()->settings.is_calm && !model()->is_stable;
    model_failpoint();
    *verdict_r = (struct verdict){ .result = VERDICT_REFUSED, .reason = REASON_CHAIN_UNTRUSTED,
        .level = request->level, .taken_at = now };
    if (is_wild && dice_hits(&model()->dice, 100)) {
        model()->failures++;
        verdict_r->reason = REASON_NO_MEMORY;
        return ERROR_MEMORY;
    }
    if (der.length == 0 && request->level == LEVEL_ENCRYPT) {
        *verdict_r = (struct verdict){ .result = VERDICT_NOT_TAKEN, .level = LEVEL_ENCRYPT, .taken_at = now,
            .chain_not_after = INT64_MAX };
        return 0;
    }
    if (der.length != 2 || request->level < LEVEL_ENCRYPT || request->peer_role == PEER_ROLE_UNSET)
        return 0;
    const struct model_certificate *certificate = &model()->certificates[(uint8_t)der.data[1]];
    verdict_r->leaf_digest[0] = 'P';
    verdict_r->leaf_digest[1] = (uint8_t)der.data[1];
    verdict_r->chain_not_after = certificate->not_after;
    if (request->level == LEVEL_ENCRYPT) {
        verdict_r->result = VERDICT_NOT_TAKEN;
        verdict_r->reason = REASON_NONE;
        return 0;
    }
    for (size_t i = 0; i < request->pin_count; i++)
        class.pins |= 1u << request->pins[i].digest[1];
    for (int8_t i = 0; request->expected_domain != NULL && i < MODEL_DOMAINS; i++)
        if (strcmp(request->expected_domain, model_domain(i)) == 0)
            class.domain = i;
    if (request->crl != REVOCATION_OFF && request->trust_store != NULL)
        class.list = request->trust_store->list;
    if ((model()->lists[class.list] & 1u << (certificate - model()->certificates)) != 0) {
        verdict_r->reason = REASON_REVOKED;
        model()->totals.revoked++;
    } else if (request->crl == REVOCATION_HARD && class.list == 0)
        verdict_r->reason = REASON_REVOCATION_UNKNOWN;
    if ((class.level == LEVEL_DOMAIN && class.domain < 0) || !model_proves(certificate, &class, now) ||
        verdict_r->reason == REASON_REVOCATION_UNKNOWN)
        return 0;
    verdict_r->crl_checked = class.list != 0;
    verdict_r->result = VERDICT_PROVEN;
    verdict_r->reason = REASON_NONE;
    verdict_r->trust_digest[0] = 'T';
    verdict_r->trust_digest[1] = class.roots;
    if (class.level == LEVEL_DOMAIN) {
        (void)slice_to_string(slice_of_string(request->expected_domain), verdict_r->expected_domain,
            sizeof(verdict_r->expected_domain));
        memcpy(verdict_r->matched_name, verdict_r->expected_domain, sizeof(verdict_r->matched_name));
    }
    return 0;
}

/* Names are not what the pool decides by. */
int certificate_facts_read(struct slice der, struct certificate_facts **facts_r, struct why *why)
{
    if (der.length != 2)
        return why_fail(why, ERROR_SYNTAX, "no certificate");
    *facts_r = calloc(1, sizeof(**facts_r));
    if (*facts_r == NULL)
        return ERROR_MEMORY;
    **facts_r = (struct certificate_facts){ .subject = "", .issuer = "", .serial = "" };
    return 0;
}

void certificate_facts_free(struct certificate_facts *facts)
{
    free(facts);
}

int digest_sha256(const struct slice *parts, size_t count, uint8_t digest[DIGEST_SIZE])
{
    (void)parts;
    (void)count;
    memset(digest, 1, DIGEST_SIZE);
    return 0;
}
