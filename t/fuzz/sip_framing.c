/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_framing.c - any bytes as a stream: split by its first bytes, it gives the frames of the whole; and the
 * parser finds in each message the length that framing found.
 */
#include "must.h"

#include "sip/framing.h"
#include "sip/message.h"

enum { FRAMES_MAX = 512, SIZES_MAX = 4 };

struct event {
    enum sip_frame frame;
    size_t length;
    enum sip_defect_code defect;
};

struct reader {
    struct sip_framing framing;
    struct sip_limits limits;
    size_t count;
    size_t unread;
    bool is_over;
    struct event events[FRAMES_MAX];
};

/* The parser may refuse what is in a message, but not for its length. */
static void check_message(struct slice bytes, const struct sip_limits *limits)
{
    struct sip_message *message = NULL;
    struct sip_defect defect;
    if (sip_message_parse(bytes, limits, &message, &defect) == 0) {
        MUST(slice_equal(sip_message_bytes(message), bytes));
        sip_message_unref(message);
        return;
    }
    MUST(!defect.is_framing_lost);
    MUST(defect.code != SIP_DEFECT_BODY_SHORT && defect.code != SIP_DEFECT_EMPTY &&
        defect.code != SIP_DEFECT_MESSAGE_LONG);
}

static void keep_event(struct reader *reader, struct event event)
{
    struct event *last = reader->count > 0 ? &reader->events[reader->count - 1] : NULL;
    if (event.frame == SIP_FRAME_SKIP && last != NULL && last->frame == SIP_FRAME_SKIP)
        last->length += event.length;
    else if (reader->count < FRAMES_MAX)
        reader->events[reader->count++] = event;
}

static void read_frames(struct reader *reader, struct slice bytes)
{
    while (!reader->is_over) {
        size_t length = SIZE_MAX;
        struct sip_defect defect = sip_defect_of(SIP_DEFECT_NONE);
        enum sip_frame frame = sip_framing_next(&reader->framing, bytes, &reader->limits, &length, &defect);
        reader->unread = bytes.length;
        if (frame == SIP_FRAME_MORE) {
            MUST(length == 0);
            return;
        }
        MUST(length <= bytes.length && (length > 0 || frame == SIP_FRAME_FATAL));
        MUST((defect.code != SIP_DEFECT_NONE) == (frame == SIP_FRAME_FATAL || frame == SIP_FRAME_OVERSIZED));
        if (frame == SIP_FRAME_MESSAGE)
            check_message(slice_first(bytes, length), &reader->limits);
        keep_event(reader, (struct event){ frame, length, defect.code });
        reader->is_over = frame == SIP_FRAME_FATAL;
        bytes = slice_from(bytes, length);
    }
}

static struct reader *reader_new(uint8_t limit)
{
    struct reader *reader = calloc(1, sizeof(*reader));
    MUST(reader != NULL);
    reader->framing = SIP_FRAMING_INIT;
    reader->limits = SIP_LIMITS_DEFAULT;
    reader->limits.message_bytes = 64u << (limit % 8);
    return reader;
}

static void compare(const struct reader *a, const struct reader *b)
{
    MUST(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        MUST(a->events[i].frame == b->events[i].frame && a->events[i].defect == b->events[i].defect);
        MUST(a->events[i].length == b->events[i].length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 1 + SIZES_MAX)
        return 0;
    struct slice all = slice_of((const char *)bytes + 1 + SIZES_MAX, length - 1 - SIZES_MAX);
    struct reader *whole = reader_new(bytes[0]);
    struct reader *pieces = reader_new(bytes[0]);
    read_frames(whole, all);
    size_t start = 0;
    size_t end = 0;
    for (size_t i = 0; end < all.length && !pieces->is_over; i++) {
        end += 1 + bytes[1 + i % SIZES_MAX];
        if (end > all.length)
            end = all.length;
        /* A copy of its own size: reading beyond what has come is an error. */
        char *copy = malloc(end - start);
        MUST(copy != NULL);
        memcpy(copy, all.data + start, end - start);
        read_frames(pieces, slice_of(copy, end - start));
        free(copy);
        start = end - pieces->unread;
    }
    compare(whole, pieces);
    free(whole);
    free(pieces);
    return 0;
}
