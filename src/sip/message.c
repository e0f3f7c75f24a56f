/* SPDX-License-Identifier: GPL-2.0-or-later */
/* message.c - references to a message and its kept fields; see message.h. */
#include "sip/message.h"

#include "sip/message_private.h"

#include <stdlib.h>

struct sip_message *sip_message_ref(struct sip_message *message)
{
    atomic_fetch_add_explicit(&message->references, 1, memory_order_relaxed);
    return message;
}

void sip_message_unref(struct sip_message *message)
{
    /* Release: reads before this happen before the free; acquire: the free comes after all of them. */
    if (message != NULL && atomic_fetch_sub_explicit(&message->references, 1, memory_order_acq_rel) == 1)
        free(message);
}

struct slice sip_message_bytes(const struct sip_message *message)
{
    return message->bytes;
}

struct slice sip_message_body(const struct sip_message *message)
{
    return slice_from(message->bytes, message->head_length);
}

struct slice sip_message_head(const struct sip_message *message)
{
    return slice_first(message->bytes, message->head_length);
}

bool sip_message_is_request(const struct sip_message *message)
{
    return message->is_request;
}

bool sip_message_is_salvaged(const struct sip_message *message)
{
    return message->is_salvaged;
}

enum sip_method sip_message_method(const struct sip_message *message)
{
    return message->method;
}

struct slice sip_message_method_text(const struct sip_message *message)
{
    return message->method_text;
}

struct slice sip_message_request_uri(const struct sip_message *message)
{
    return message->request_uri;
}

unsigned sip_message_status(const struct sip_message *message)
{
    return message->status;
}

struct slice sip_message_reason_phrase(const struct sip_message *message)
{
    return message->reason;
}

const struct sip_uri *sip_message_uri(const struct sip_message *message)
{
    return message->has_uri ? &message->uri : NULL;
}

const struct sip_via *sip_message_top_via(const struct sip_message *message)
{
    return message->has_top_via ? &message->top_via : NULL;
}

const struct sip_cseq *sip_message_cseq(const struct sip_message *message)
{
    return message->has_cseq ? &message->cseq : NULL;
}

const struct sip_name_addr *sip_message_from(const struct sip_message *message)
{
    return message->has_from ? &message->from : NULL;
}

const struct sip_name_addr *sip_message_to(const struct sip_message *message)
{
    return message->has_to ? &message->to : NULL;
}

struct slice sip_message_call_id(const struct sip_message *message)
{
    return message->call_id;
}

struct slice sip_message_from_tag(const struct sip_message *message)
{
    return message->has_from ? message->from.tag : SLICE_ABSENT;
}

struct slice sip_message_to_tag(const struct sip_message *message)
{
    return message->has_to ? message->to.tag : SLICE_ABSENT;
}

enum sip_max_forwards sip_message_max_forwards(const struct sip_message *message, uint32_t *value_r)
{
    if (message->max_forwards_state == SIP_MAX_FORWARDS_VALUE)
        *value_r = message->max_forwards;
    return message->max_forwards_state;
}

bool sip_message_has_content_length(const struct sip_message *message)
{
    return message->has_content_length;
}
