/* SPDX-License-Identifier: GPL-2.0-or-later */
/* intake.c - the rules of RFC 3261 16.3, SIPS, routing, then a look for loops; see intake.h. */
#include "relay/intake.h"

#include "relay/proxy_rules.h"

static void refuse(struct intake *intake, unsigned status, enum reason reason, const char *detail)
{
    intake->status = status;
    intake->reason = reason;
    intake->detail = detail;
}

/* 16.3. An answer without the lines that it needs is none. */
static void check_rules(const struct sip_message *request, struct intake *intake)
{
    struct proxy_rules rules = proxy_rules_of(request, &intake->lines);
    intake->max_breadth = rules.max_breadth;
    if (intake->lines.has_failed)
        refuse(intake, 503, REASON_NO_MEMORY, NULL);
    else if (rules.status != 0)
        refuse(intake, rules.status, rules.status == 400 ? REASON_BAD_REQUEST : REASON_NONE, rules.detail);
}

/* A SIPS request has come by TLS and leaves by TLS (RFC 5630 5.3, RFC 3261 26.2.2). */
static void check_sips_uri(const struct sip_uri *uri, const struct intake_terms *terms, struct intake *intake)
{
    enum reason reason = REASON_NONE;
    if (uri == NULL || uri->scheme != SIP_URI_SIPS)
        return;
    bool is_datagram = uri->transport == SIP_TRANSPORT_UDP;
    if (is_datagram)
        reason = REASON_BAD_REQUEST;
    else if (!terms->came_by_tls)
        reason = REASON_SIPS_NOT_ALLOWED;
    if (reason != REASON_NONE)
        refuse(intake, reason_status(reason), reason,
            is_datagram ? "there is no SIPS over UDP" : "a SIPS request has to come by TLS");
}

/* Behind a strict router the URI of the request is the last Route (16.4). */
static void check_restored(const struct routing *routing, const struct intake_terms *terms, struct intake *intake)
{
    struct sip_uri uri;
    if (routing->edits.route_remove_last && sip_uri_parse(routing->edits.request_uri, &uri) == 0)
        check_sips_uri(&uri, terms, intake);
}

void intake_decide(const struct sip_message *request, const struct intake_terms *terms, struct intake *intake_r,
    struct why *why)
{
    memset(intake_r, 0, offsetof(struct intake, routing.targets));
    check_rules(request, intake_r);
    if (intake_r->status == 0)
        check_sips_uri(sip_message_uri(request), terms, intake_r);
    if (intake_r->status != 0)
        return;
    struct routing *routing = &intake_r->routing;
    const struct peer_rule *peer = terms->source.peer;
    routing_decide(request, terms->settings, terms->snapshot, &terms->source, routing, why);
    if (routing->status != 0) {
        bool is_told = why != NULL && why->text[0] != '\0';
        refuse(intake_r, routing->status, routing->reason, is_told ? why->text : routing->phrase_detail);
        return;
    }
    check_restored(routing, terms, intake_r);
    if (intake_r->status != 0)
        return;
    /* The ACK of a 2xx has no branch that a loop could be told by; Max-Forwards ends it. */
    if (sip_message_method(request) == SIP_METHOD_ACK)
        return;
    intake_r->loop_hash = proxy_rules_loop_hash(request, routing, peer != NULL ? peer->name : NULL,
        policy_snapshot_generation(terms->snapshot), terms->hash_seed);
    /* RFC 5393 4.2: the next one would do as this one does, and so on. */
    if (proxy_rules_have_looped(request, terms->secret, intake_r->loop_hash))
        refuse(intake_r, 482, REASON_NONE, NULL);
}

void intake_fini(struct intake *intake)
{
    buffer_free(&intake->lines);
    routing_fini(&intake->routing);
}
