/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decision_log.c - the line of a decision; see decision_log.h. */
#include "relay/decision_log.h"

#include "pkix/digest.h"

/* The flags that do nothing, as text in TEXT; absent: there are none. */
static struct slice idle_flags(const struct relay_step *step, struct buffer *text)
{
    struct flag_set idle = step->flags != NULL ? *step->flags : FLAG_SET_EMPTY;
    idle.bits = flags_without_effect(&idle);
    flags_print(&idle, text);
    return idle.bits != 0 ? buffer_slice(text) : SLICE_ABSENT;
}

void decision_log(const struct relay_step *step, enum decision decision, const struct connection_facts *facts,
    enum reason reason)
{
    char id[CONNECTION_ID_SIZE] = "";
    struct buffer idle = BUFFER_EMPTY;
    const struct exchange *exchange = step->exchange;
    if (!log_is_on(&exchange->worker->scope, LOG_LEVEL_INFO))
        return;
    if (facts != NULL)
        (void)connection_id_print(facts->handle, id);
    if (decision == DECISION_UNSET && reason != REASON_NONE)
        decision = DECISION_REJECT; /* it came to none */
    bool has_key = facts != NULL && facts->has_key_digest;
    log_event(&exchange->worker->scope, LOG_LEVEL_INFO, LOG_EVENT_DECISION,
        LOG_SLICE("call-id", sip_message_call_id(exchange->request)),
        LOG_SLICE("method", sip_message_method_text(exchange->request)),
        LOG_STRING("policy", step->used_row != NULL ? step->used_row->name : NULL),
        LOG_STRING("pinned", step->is_pinned ? "yes" : NULL), LOG_STRING("decision", decision_name(decision)),
        LOG_STRING("transport", transport_name(step->target.transport)),
        LOG_ENDPOINT("target", &step->target.endpoint),
        LOG_STRING("level", step->level != LEVEL_UNSET ? level_name(step->level) : NULL),
        LOG_STRING("expected", step->expected_domain[0] != '\0' ? step->expected_domain : NULL),
        LOG_STRING("connection", id[0] != '\0' ? id : NULL),
        LOG_HEX("key", has_key ? slice_of((const char *)facts->key_digest, DIGEST_SIZE) : SLICE_ABSENT),
        LOG_STRING("verdict", facts != NULL ? facts->verdict.result == VERDICT_PROVEN ? "proven" : "none" : NULL),
        LOG_SLICE("without-effect", idle_flags(step, &idle)),
        LOG_STRING("reason", reason != REASON_NONE ? reason_word(reason) : NULL), LOG_WHY(&step->why));
    buffer_free(&idle);
}
