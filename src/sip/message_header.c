/* SPDX-License-Identifier: GPL-2.0-or-later */
/* message_header.c - walking over the headers of a message and their values; see message.h. */
#include "sip/character.h"
#include "sip/message_private.h"

#include <assert.h>

uint32_t sip_message_header_count(const struct sip_message *message)
{
    return message->row_count;
}

struct sip_header sip_message_header_at(const struct sip_message *message, uint32_t row)
{
    assert(row < message->row_count);
    const struct sip_line *line = &message->rows[row].line;
    const char *bytes = message->bytes.data;
    return (struct sip_header){
        .id = (enum sip_header_id)message->rows[row].id,
        .row = row,
        .name = slice_of(bytes + line->start, line->name_length),
        .value = slice_of(bytes + line->value, line->value_end - line->value),
        .line = slice_of(bytes + line->start, line->end - line->start),
    };
}

uint32_t sip_message_header_rows(const struct sip_message *message, enum sip_header_id id)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < message->row_count; row++)
        count += message->rows[row].id == (uint8_t)id;
    return count;
}

static bool find_from(const struct sip_message *message, enum sip_header_id id, uint32_t row,
    struct sip_header *header_r)
{
    for (; row < message->row_count; row++)
        if (message->rows[row].id == (uint8_t)id) {
            *header_r = sip_message_header_at(message, row);
            return true;
        }
    return false;
}

bool sip_header_first(const struct sip_message *message, enum sip_header_id id, struct sip_header *header_r)
{
    if (id != SIP_HEADER_OTHER && !sip_header_set_has(&message->seen, id))
        return false;
    return find_from(message, id, 0, header_r);
}

bool sip_header_next(const struct sip_message *message, struct sip_header *header)
{
    return find_from(message, header->id, header->row + 1, header);
}

bool sip_header_find(const struct sip_message *message, struct slice name, struct sip_header *header_r)
{
    enum sip_header_id id = name.length > 0 ? sip_header_id(name) : SIP_HEADER_OTHER;
    struct sip_header header;
    if (id != SIP_HEADER_OTHER)
        return sip_header_first(message, id, header_r);
    for (bool is = find_from(message, SIP_HEADER_OTHER, 0, &header); is; is = sip_header_next(message, &header))
        if (slice_equal_nocase(header.name, name)) {
            *header_r = header;
            return true;
        }
    return false;
}

/* Where the value that starts at 0 ends: at its comma or at the end. A quote or "<" that never closes hides nothing:
 * the value then reaches to the end, and its parser refuses it. */
static size_t value_end(struct slice s)
{
    size_t comma = slice_find(s, ',', 0), at = 0;
    struct slice plain = slice_first(s, comma);
    if (slice_find(plain, '"', 0) == comma && slice_find(plain, '<', 0) == comma)
        return comma;
    while (at < s.length && s.data[at] != ',') {
        if (s.data[at] == '"') {
            size_t length = sip_quoted_length(s, at);
            if (length == 0)
                return s.length;
            at += length;
        } else if (s.data[at] == '<') {
            at = slice_find(s, '>', at);
            at += at < s.length;
        } else
            at++;
    }
    return at;
}

bool sip_value_cut(struct slice *rest, struct slice *text_r)
{
    if (rest->data == NULL)
        return false;
    size_t end = value_end(*rest);
    *text_r = sip_trim(slice_first(*rest, end));
    *rest = end == rest->length ? SLICE_ABSENT : slice_from(*rest, end + 1);
    return true;
}

struct sip_values sip_values_of(const struct sip_message *message, enum sip_header_id id)
{
    return (struct sip_values){ .message = message, .header = { .id = id }, .rest = SLICE_ABSENT };
}

bool sip_values_next(struct sip_values *values, struct sip_value *value_r)
{
    if (values->rest.data == NULL) {
        if (!(values->is_started ? sip_header_next(values->message, &values->header)
                                 : sip_header_first(values->message, values->header.id, &values->header)))
            return false;
        values->is_started = true;
        values->rest = values->header.value;
    }
    value_r->row = values->header.row;
    return sip_value_cut(&values->rest, &value_r->text);
}
