/* SPDX-License-Identifier: GPL-2.0-or-later */
/* message_build.c - one allocation for a message that was read, and the fields kept with it. */
#include "base/error.h"
#include "base/never.h"
#include "sip/character.h"
#include "sip/message_private.h"

#include <stdlib.h>

enum { MAX_FORWARDS_LIMIT = 255 };

/* The same bytes in the message's own copy. */
static struct slice moved(struct slice s, const char *from, const char *to)
{
    return s.data == NULL ? s : slice_of(to + (s.data - from), s.length);
}

static struct slice row_value(const struct sip_message *message, const struct sip_line *line)
{
    return slice_of(message->bytes.data + line->value, line->value_end - line->value);
}

static void keep_top_via(struct sip_message *message, struct slice value)
{
    struct slice text;
    bool has_value = sip_value_cut(&value, &text); /* a header that is there has a first one, empty at least */
    message->has_top_via = always(has_value) && sip_via_parse(text, &message->top_via) == 0;
}

static void keep_max_forwards(struct sip_message *message, struct slice value)
{
    uint32_t number = 0;
    message->max_forwards_state = SIP_MAX_FORWARDS_MALFORMED;
    if (!sip_is_all(value, SIP_IN_DIGITS))
        return;
    for (size_t i = 0; i < value.length; i++) {
        number = number * 10 + (uint32_t)(value.data[i] - '0');
        if (number > MAX_FORWARDS_LIMIT)
            return;
    }
    message->max_forwards_state = SIP_MAX_FORWARDS_VALUE;
    message->max_forwards = number;
}

/* The first row of each field counts; whether there is a second one is for validation to ask. */
static void keep_field(struct sip_message *message, enum sip_header_id id, const struct sip_line *line)
{
    switch (id) {
    case SIP_HEADER_VIA:
        keep_top_via(message, row_value(message, line));
        break;
    case SIP_HEADER_FROM:
        message->has_from = sip_name_addr_parse(row_value(message, line), &message->from) == 0;
        break;
    case SIP_HEADER_TO:
        message->has_to = sip_name_addr_parse(row_value(message, line), &message->to) == 0;
        break;
    case SIP_HEADER_CALL_ID:
        message->call_id = row_value(message, line);
        break;
    case SIP_HEADER_CSEQ:
        message->has_cseq = sip_cseq_parse(row_value(message, line), &message->cseq) == 0;
        break;
    case SIP_HEADER_MAX_FORWARDS:
        keep_max_forwards(message, row_value(message, line));
        break;
    default:
        break;
    }
}

static void keep_fields(struct sip_message *message)
{
    for (uint32_t i = 0; i < message->row_count; i++) {
        enum sip_header_id id = (enum sip_header_id)message->rows[i].id;
        if (sip_header_set_has(&message->seen, id))
            sip_header_set_add(&message->seen_twice, id);
        else {
            sip_header_set_add(&message->seen, id);
            keep_field(message, id, &message->rows[i].line);
        }
    }
    if (message->is_request) {
        message->method = sip_method_from_name(message->method_text);
        message->has_uri = sip_uri_parse(message->request_uri, &message->uri) == 0;
    } else if (message->has_cseq) {
        message->method = message->cseq.method;
        message->method_text = message->cseq.method_text;
    }
}

int sip_message_build(const struct sip_reading *reading, struct sip_message **message_r)
{
    size_t rows_size = reading->row_count * sizeof(struct sip_row);
    struct sip_message *message = malloc(sizeof(*message) + rows_size + reading->bytes.length);
    if (message == NULL)
        return ERROR_MEMORY;
    char *copy = (char *)message + sizeof(*message) + rows_size;
    const char *from = reading->bytes.data;
    memset(message, 0, sizeof(*message));
    memcpy(message->rows, reading->rows, rows_size);
    memcpy(copy, from, reading->bytes.length);
    atomic_init(&message->references, 1);
    message->is_request = reading->is_request;
    message->is_salvaged = reading->is_salvaged;
    message->has_content_length = reading->has_content_length;
    message->status = reading->status;
    message->head_length = reading->head_length;
    message->row_count = reading->row_count;
    message->bytes = slice_of(copy, reading->bytes.length);
    message->method_text = moved(reading->method_text, from, copy);
    message->request_uri = moved(reading->request_uri, from, copy);
    message->reason = moved(reading->reason, from, copy);
    keep_fields(message);
    *message_r = message;
    return 0;
}
