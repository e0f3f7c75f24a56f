/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_probe.c - what a handshake came to, for people and scripts.
 * In:    the outcome of a probe. Out: JSON: verdict, names, what was negotiated, the chain as presented.
 * What a chain says of itself is a claim; what holds of it the verdict says.
 */
#include "control/control_private.h"
#include "pkix/certificate.h"
#include "pkix/digest.h"

#include <time.h>

static json_t *text_or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *moment(int64_t seconds)
{
    char text[32];
    time_t time = (time_t)seconds;
    struct tm broken;
    if (gmtime_r(&time, &broken) == NULL || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &broken) == 0)
        return json_null();
    return json_string(text);
}

static json_t *names_json(const struct certificate_facts *facts)
{
    json_t *names = json_array();
    for (size_t i = 0; i < facts->name_count; i++) {
        const struct certificate_name *name = &facts->names[i];
        (void)json_array_append_new(names,
            json_sprintf("%s:%s", certificate_name_type_word(name->type), name->text));
    }
    return names;
}

static json_t *certificate_json(struct slice der)
{
    struct certificate_facts *facts = NULL;
    char hex[DIGEST_HEX_SIZE];
    json_t *json = json_object();
    if (certificate_facts_read(der, &facts, NULL) != 0) {
        (void)json_object_set_new(json, "error", json_string("it cannot be read"));
        return json;
    }
    (void)json_object_set_new(json, "subject", text_or_null(facts->subject));
    (void)json_object_set_new(json, "issuer", text_or_null(facts->issuer));
    (void)json_object_set_new(json, "serial", text_or_null(facts->serial));
    (void)json_object_set_new(json, "sha256", json_string(digest_hex(facts->digest, hex)));
    (void)json_object_set_new(json, "not_before", moment(facts->not_before));
    (void)json_object_set_new(json, "not_after", moment(facts->not_after));
    (void)json_object_set_new(json, "key", json_sprintf("%s %u", key_type_word(facts->key_type), facts->key_bits));
    (void)json_object_set_new(json, "is_ca", json_boolean(facts->is_ca));
    (void)json_object_set_new(json, "names", names_json(facts));
    certificate_facts_free(facts);
    return json;
}

/* What came of it the verdict says. */
static const char *checked(bool is_checked)
{
    return is_checked ? "checked" : "not-checked";
}

static void add_facts(json_t *json, const struct connection_facts *facts)
{
    const struct verdict *verdict = &facts->verdict;
    char hex[DIGEST_HEX_SIZE];
    json_t *identities = json_array();
    for (size_t i = 0; i < facts->identity_count; i++)
        (void)json_array_append_new(identities, json_string(facts->identities[i]));
    if (facts->tls_version != TLS_VERSION_UNSET)
        (void)json_object_set_new(json, "tls", json_string(tls_version_name(facts->tls_version)));
    (void)json_object_set_new(json, "suite", text_or_null(facts->suite));
    (void)json_object_set_new(json, "sni", text_or_null(facts->server_name));
    (void)json_object_set_new(json, "certificate", text_or_null(facts->credential));
    (void)json_object_set_new(json, "identities", identities);
    (void)json_object_set_new(json, "identity", text_or_null(verdict->matched_name));
    (void)json_object_set_new(json, "crl", json_string(checked(verdict->crl_checked)));
    (void)json_object_set_new(json, "ocsp", json_string(checked(verdict->ocsp_checked)));
    if (verdict->result != VERDICT_PROVEN)
        return;
    (void)json_object_set_new(json, "anchor", json_string(digest_hex(verdict->anchor_digest, hex)));
    (void)json_object_set_new(json, "proven_until", moment(verdict->chain_not_after));
}

/* What the verdict was; "none" when the handshake did not come to one. */
static const char *verdict_word(const struct relay_probe_result *result)
{
    if (result->facts == NULL)
        return "none";
    switch (result->facts->verdict.result) {
    case VERDICT_PROVEN:
        return "proven";
    case VERDICT_REFUSED:
        return "refused";
    case VERDICT_NOT_TAKEN:
        return "not-taken";
    case VERDICT_UNSET:
        break;
    }
    return "none";
}

json_t *control_probe_json(const struct relay_probe_result *result)
{
    json_t *json = json_object(), *chain = json_array();
    bool is_good = result->reason == REASON_NONE;
    (void)json_object_set_new(json, "result", json_string(is_good ? "connected" : "failed"));
    (void)json_object_set_new(json, "verdict", json_string(verdict_word(result)));
    (void)json_object_set_new(json, "reason", json_string(reason_word(result->reason)));
    (void)json_object_set_new(json, "detail",
        is_good ? json_null() : text_or_null(result->detail[0] != '\0' ? result->detail : reason_text(result->reason)));
    if (result->facts != NULL)
        add_facts(json, result->facts);
    for (size_t i = 0; i < result->chain->count; i++)
        (void)json_array_append_new(chain, certificate_json(certificate_chain_get(result->chain, i)));
    (void)json_object_set_new(json, "chain", chain);
    return json;
}
