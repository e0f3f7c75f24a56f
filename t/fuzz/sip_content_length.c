/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_content_length.c - any header lines in front of a body: stream and datagram agree about its length with one
 * another and with a plain reading of the lines; what can be read in two ways is refused by both; and what is
 * forwarded has that length for the next reader, too.
 * Input: lines of a head; a line that begins with a space goes on with the one above.
 */
#include "must.h"

#include "base/buffer.h"
#include "sip/compose.h"
#include "sip/framing.h"
#include "sip/message.h"

#include <strings.h>

enum { BODY_LENGTH = 300, LENGTH_MAX = 2147483647 };

enum reading { NO_LENGTH, ONE_LENGTH, BAD_LENGTH };

/* A value of digits alone, below 2^31. */
static bool read_number(const char *from, const char *to, uint64_t *number_r)
{
    uint64_t number = 0;
    for (const char *at = from; at < to; at++) {
        if (*at < '0' || *at > '9')
            return false;
        number = number * 10 + (uint64_t)(*at - '0');
        if (number > LENGTH_MAX)
            return false;
    }
    *number_r = number;
    return from < to;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The line FROM..TO, folds and all, without its last CRLF. */
static enum reading read_line(const char *from, const char *to, uint64_t *number_r)
{
    const char *colon = memchr(from, ':', (size_t)(to - from));
    if (colon == NULL)
        return NO_LENGTH;
    const char *end = colon;
    while (end > from && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    size_t length = (size_t)(end - from);
    bool is_it = (length == 1 && (*from == 'l' || *from == 'L')) ||
        (length == 14 && strncasecmp(from, "content-length", 14) == 0);
    if (!is_it)
        return NO_LENGTH;
    const char *value = colon + 1;
    while (value < to && is_blank(*value))
        value++;
    while (to > value && is_blank(to[-1]))
        to--;
    return read_number(value, to, number_r) ? ONE_LENGTH : BAD_LENGTH;
}

/* The plain reading of a head that ends with its empty line. */
static enum reading read_plainly(struct slice head, uint64_t *length_r)
{
    enum reading all = NO_LENGTH;
    const char *at = head.data;
    const char *last = head.data + head.length - 2;
    while (at < last) {
        const char *end = at;
        uint64_t number = 0;
        do
            end = memmem(end + (end > at), (size_t)(head.data + head.length - end) - (end > at), "\r\n", 2);
        while (end + 2 < last && (end[2] == ' ' || end[2] == '\t'));
        enum reading one = read_line(at, end, &number);
        if (one == BAD_LENGTH || (one == ONE_LENGTH && all == ONE_LENGTH && number != *length_r))
            return BAD_LENGTH;
        if (one == ONE_LENGTH) {
            all = ONE_LENGTH;
            *length_r = number;
        }
        at = end + 2;
    }
    return all;
}

static enum sip_frame frame_of(struct slice bytes, size_t *length_r)
{
    struct sip_framing framing = SIP_FRAMING_INIT;
    const struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_defect defect;
    return sip_framing_next(&framing, bytes, &limits, length_r, &defect);
}

static void check_stream(struct slice bytes, size_t head_length, enum reading reading, uint64_t length, bool is_parsed)
{
    const struct sip_limits limits = SIP_LIMITS_DEFAULT;
    size_t whole = 0;
    enum sip_frame frame = frame_of(bytes, &whole);
    if (reading != ONE_LENGTH) {
        MUST(frame == SIP_FRAME_FATAL);
        return;
    }
    if (frame == SIP_FRAME_FATAL)
        MUST(!is_parsed); /* a line that is none to either */
    else if (head_length + length > limits.message_bytes)
        MUST(frame == SIP_FRAME_OVERSIZED && whole == head_length);
    else if (head_length + length > bytes.length)
        MUST(frame == SIP_FRAME_MORE && !is_parsed);
    else
        MUST(frame == SIP_FRAME_MESSAGE && whole == head_length + length);
}

static void check_datagram(const struct sip_message *message, struct slice bytes, size_t head_length,
    enum reading reading, uint64_t length)
{
    MUST(reading != BAD_LENGTH);
    MUST(sip_message_has_content_length(message) == (reading == ONE_LENGTH));
    MUST(sip_message_head(message).length == head_length);
    struct slice body = sip_message_body(message);
    MUST(body.length == (reading == ONE_LENGTH ? length : bytes.length - head_length));
    struct buffer out = BUFFER_EMPTY;
    const struct sip_request_edit edit = { .via = SLICE_LITERAL("SIP/2.0/TLS us.example;branch=z9hG4bKus"),
        .needs_content_length = true };
    MUST(sip_compose_request(&out, message, &edit) == 0);
    /* Another message right behind it: its end must be found. */
    size_t whole = 0, sent = out.length;
    buffer_append_string(&out, "OPTIONS sip:c SIP/2.0\r\n\r\n");
    MUST(frame_of(buffer_slice(&out), &whole) == SIP_FRAME_MESSAGE && whole == sent);
    MUST(slice_equal(slice_from(slice_first(buffer_slice(&out), sent), sent - body.length), body));
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct buffer text = BUFFER_EMPTY;
    struct slice rest = slice_of((const char *)bytes, length);
    buffer_append_string(&text, "OPTIONS sip:b SIP/2.0\r\nX: y\r\n");
    while (rest.length > 0) {
        size_t end = slice_find(rest, '\n', 0);
        struct slice line = slice_first(rest, end);
        if (line.length > 0) {
            buffer_append_slice(&text, line);
            buffer_append_string(&text, "\r\n");
        }
        rest = slice_from(rest, end + 1);
    }
    buffer_append_string(&text, "\r\n");
    size_t head_length = text.length;
    for (int i = 0; i < BODY_LENGTH / 6; i++)
        buffer_append_string(&text, "l: 9\r\n");
    MUST(!text.has_failed);
    struct slice all = buffer_slice(&text);
    uint64_t plain_length = 0;
    struct sip_message *message = NULL;
    struct sip_defect defect;
    bool ends_early = memmem(all.data, head_length - 2, "\r\n\r\n", 4) != NULL;
    if (!ends_early && head_length < limits.message_bytes) {
        enum reading reading = read_plainly(slice_first(all, head_length), &plain_length);
        bool is_parsed = sip_message_parse(all, &limits, &message, &defect) == 0;
        check_stream(all, head_length, reading, plain_length, is_parsed);
        if (is_parsed)
            check_datagram(message, all, head_length, reading, plain_length);
    }
    sip_message_unref(message);
    buffer_free(&text);
    return 0;
}
