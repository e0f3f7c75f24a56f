/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proxy_rules.c - Max-Forwards, Proxy-Require, Max-Breadth, loops; see proxy_rules.h. */
#include "relay/proxy_rules.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/integer.h"
#include "policy/name.h"
#include "transaction/response_context.h"

static bool is_out_of_hops(const struct sip_message *request)
{
    uint32_t max_forwards;
    return sip_message_max_forwards(request, &max_forwards) == SIP_MAX_FORWARDS_VALUE && max_forwards == 0;
}

/* No extension that a proxy could be required to have is known here: each tag goes back (20.40). */
static bool requires_something(const struct sip_message *request, struct buffer *lines)
{
    struct sip_values values = sip_values_of(request, SIP_HEADER_PROXY_REQUIRE);
    struct sip_value value;
    if (sip_message_header_rows(request, SIP_HEADER_PROXY_REQUIRE) == 0)
        return false;
    buffer_append_string(lines, "Unsupported: ");
    for (bool is_first = true; sip_values_next(&values, &value); is_first = false) {
        buffer_append_string(lines, is_first ? "" : ", ");
        buffer_append_slice(lines, value.text);
    }
    buffer_append_string(lines, "\r\n");
    return true;
}

/* 0, or the status. Too large a number is as good as our own maximum. */
static unsigned read_max_breadth(const struct sip_message *request, uint32_t *breadth)
{
    struct sip_header header;
    uint64_t value;
    *breadth = MAX_BREADTH_DEFAULT;
    if (!sip_header_first(request, SIP_HEADER_MAX_BREADTH, &header))
        return 0;
    if (sip_message_header_rows(request, SIP_HEADER_MAX_BREADTH) > 1)
        return 400;
    int rc = integer_parse(header.value, MAX_BREADTH_DEFAULT, &value);
    if (rc == ERROR_SYNTAX)
        return 400;
    if (rc == 0)
        *breadth = (uint32_t)value;
    return *breadth == 0 ? 440 : 0;
}

struct proxy_rules proxy_rules_of(const struct sip_message *request, struct buffer *lines)
{
    struct proxy_rules rules = { 0 };
    if (is_out_of_hops(request))
        rules.status = 483;
    else if (sip_message_method(request) != SIP_METHOD_ACK /* 8.2.2.3 */ && requires_something(request, lines))
        rules.status = 420;
    else
        rules.status = read_max_breadth(request, &rules.max_breadth);
    rules.detail = rules.status == 400 ? "Max-Breadth cannot be read" : NULL;
    return rules;
}

bool proxy_rules_from_is_proven(const struct sip_message *request, const struct peer_facts *facts)
{
    struct sip_uri uri;
    char domain[DOMAIN_NAME_SIZE];
    const struct sip_name_addr *from = sip_message_from(request);
    if (!facts->is_chain_proven || from == NULL || sip_uri_parse(from->uri, &uri) != 0 || !sip_uri_is_sip(&uri) ||
        uri.host.kind != SIP_HOST_NAME || name_normalise(uri.host.text, domain) != 0)
        return false;
    for (size_t i = 0; i < facts->identity_count; i++)
        if (strcmp(facts->identities[i], domain) == 0)
            return true;
    return false;
}

/* ---- loops ---- */

/* The hash so far is the next one's seed, so that no two texts can be taken for one. */
static uint64_t add_bytes(uint64_t hash, const void *data, size_t length)
{
    return hash_bytes(data, length, hash);
}

static uint64_t add_slice(uint64_t hash, struct slice text)
{
    return add_bytes(hash, slice_is_absent(text) ? "" : text.data, text.length);
}

static uint64_t add_number(uint64_t hash, uint64_t number)
{
    return add_bytes(hash, &number, sizeof(number));
}

static uint64_t add_target(uint64_t hash, const struct routing_target *target)
{
    const struct flag_set *flags = &target->flags;
    hash = add_slice(hash, target->next_hop.text);
    hash = add_number(hash, target->route != NULL ? (uint64_t)target->route->id : 0);
    hash = add_number(hash, (uint64_t)flags->bits << 32 | flags->max_age_s);
    hash = add_slice(hash, slice_of_string(flags->verify_domain));
    hash = add_slice(hash, slice_of_string(flags->cert));
    hash = add_slice(hash, slice_of_string(flags->sni));
    hash = add_slice(hash, slice_of_string(flags->trust));
    return add_bytes(hash, &flags->lookup, sizeof(flags->lookup));
}

uint64_t proxy_rules_loop_hash(const struct sip_message *request, const struct routing *routing, const char *peer,
    uint64_t generation, uint64_t seed)
{
    const struct sip_name_addr *from = sip_message_from(request);
    uint64_t hash = add_slice(seed, sip_message_request_uri(request));
    struct sip_header header;
    for (bool is = sip_header_first(request, SIP_HEADER_ROUTE, &header); is; is = sip_header_next(request, &header))
        hash = add_slice(hash, header.value);
    hash = add_number(hash, slice_is_absent(sip_message_to_tag(request)) ? 0 : 1);
    hash = add_slice(hash, from != NULL ? from->uri : SLICE_ABSENT);
    hash = add_slice(hash, peer != NULL ? slice_of_string(peer) : SLICE_ABSENT);
    hash = add_number(hash, generation);
    for (size_t i = 0; i < routing->target_count; i++)
        hash = add_target(hash, &routing->targets[i]);
    return hash;
}

bool proxy_rules_have_looped(const struct sip_message *request, const struct transaction_secret *secret, uint64_t hash)
{
    struct sip_values values = sip_values_of(request, SIP_HEADER_VIA);
    struct sip_value value;
    struct sip_via below;
    const struct sip_via *via = sip_message_top_via(request); /* which is read already */
    for (bool is_top = true; sip_values_next(&values, &value); is_top = false) {
        struct branch_id id;
        if (!is_top || via == NULL)
            via = sip_via_parse(value.text, &below) == 0 ? &below : NULL;
        if (via != NULL && branch_id_parse(via->branch, secret, &id) && id.loop_hash == hash)
            return true;
    }
    return false;
}
