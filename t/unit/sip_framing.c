/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_framing.c - messages, pings and noise come off a stream alike however its bytes were split. */
#include "sip_support.h"

#include "sip/framing.h"

#include <stdlib.h>

enum { EVENTS = 32 };

struct event {
    enum sip_frame frame;
    size_t length;
    enum sip_defect_code defect;
};

struct reader {
    struct sip_framing framing;
    struct sip_limits limits;
    struct event events[EVENTS];
    size_t count;
    size_t unread; /* bytes that wait for more */
};

/* Reads as much as BYTES gives; the frames of a skipped body that touch count as one. */
static void read_frames(struct reader *reader, struct slice bytes)
{
    while (true) {
        size_t length = SIZE_MAX;
        struct sip_defect defect = sip_defect_of(SIP_DEFECT_NONE);
        enum sip_frame frame = sip_framing_next(&reader->framing, bytes, &reader->limits, &length, &defect);
        reader->unread = bytes.length;
        if (frame == SIP_FRAME_MORE) {
            assert_int_equal(length, 0);
            return;
        }
        assert_true(length <= bytes.length);
        struct event *last = reader->count > 0 ? &reader->events[reader->count - 1] : NULL;
        if (frame == SIP_FRAME_SKIP && last != NULL && last->frame == SIP_FRAME_SKIP)
            last->length += length;
        else {
            assert_true(reader->count < EVENTS);
            reader->events[reader->count++] = (struct event){ frame, length, defect.code };
        }
        if (frame == SIP_FRAME_FATAL)
            return;
        bytes = slice_from(bytes, length);
    }
}

static struct reader reader_with(uint32_t message_bytes)
{
    struct reader reader = { .framing = SIP_FRAMING_INIT, .limits = SIP_LIMITS_DEFAULT };
    reader.limits.message_bytes = message_bytes;
    return reader;
}

/* Feeds ALL in pieces that end at CUTS (ascending) and compares with the frames of the undivided stream. A copy of
 * exactly the bytes that are there shows a read beyond them. */
static void assert_same_frames(struct slice all, const size_t *cuts, size_t cut_count, const struct reader *expected)
{
    struct reader reader = reader_with(expected->limits.message_bytes);
    size_t start = 0;
    for (size_t i = 0; i <= cut_count; i++) {
        size_t end = i < cut_count ? cuts[i] : all.length;
        char *copy = malloc(end - start + 1);
        assert_non_null(copy);
        memcpy(copy, all.data + start, end - start);
        read_frames(&reader, slice_of(copy, end - start));
        free(copy);
        start = end - reader.unread;
    }
    assert_int_equal(reader.count, expected->count);
    for (size_t i = 0; i < reader.count; i++) {
        assert_int_equal(reader.events[i].frame, expected->events[i].frame);
        assert_int_equal(reader.events[i].length, expected->events[i].length);
        assert_int_equal(reader.events[i].defect, expected->events[i].defect);
    }
}

static void split_everywhere(struct slice all, uint32_t message_bytes, const struct event *events, size_t count)
{
    struct reader whole = reader_with(message_bytes);
    read_frames(&whole, all);
    assert_int_equal(whole.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(whole.events[i].frame, events[i].frame);
        assert_int_equal(whole.events[i].length, events[i].length);
        assert_int_equal(whole.events[i].defect, events[i].defect);
    }
    for (size_t cut = 0; cut <= all.length; cut++)
        assert_same_frames(all, &cut, 1, &whole);
    /* One byte at a time. */
    size_t *each = calloc(all.length, sizeof(*each));
    assert_non_null(each);
    for (size_t i = 0; i < all.length; i++)
        each[i] = i;
    assert_same_frames(all, each, all.length, &whole);
    /* Some cuts, drawn. */
    struct random random = { 20 };
    for (int round = 0; round < 300; round++) {
        size_t cuts = 0;
        for (size_t i = 0; i < all.length; i++)
            if (random_below(&random, 40) == 0)
                each[cuts++] = i;
        assert_same_frames(all, each, cuts, &whole);
    }
    free(each);
}

#define ONE "OPTIONS sip:a.example SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"
#define TWO "INVITE sip:b.example SIP/2.0\r\nl\t:\r\n 13\r\nCall-ID: 2\r\n\r\n\r\n\r\nSIP/2.0\r\n"
#define THREE "SIP/2.0 200 OK\r\nContent-Length : 0\r\nl: 0\r\nCall-ID: 3\r\n\r\n"

static void messages_pings_and_noise_are_told_apart_under_every_split(void **state)
{
    (void)state;
    const struct event events[] = {
        { SIP_FRAME_NOISE, 2, 0 },
        { SIP_FRAME_MESSAGE, sizeof(ONE) - 1, 0 },
        { SIP_FRAME_PING, 4, 0 },
        { SIP_FRAME_PING, 4, 0 },
        { SIP_FRAME_NOISE, 2, 0 },
        { SIP_FRAME_MESSAGE, sizeof(TWO) - 1, 0 },
        { SIP_FRAME_MESSAGE, sizeof(THREE) - 1, 0 },
        { SIP_FRAME_MESSAGE, sizeof(ONE) - 1, 0 },
        { SIP_FRAME_PING, 4, 0 },
    };
    split_everywhere(SLICE_LITERAL("\r\n" ONE "\r\n\r\n\r\n\r\n\r\n" TWO THREE ONE "\r\n\r\n"), 4096, events,
        ARRAY_SIZE(events));
}

static void an_oversized_message_is_skipped_under_every_split(void **state)
{
    (void)state;
    static const char big[] = "INVITE sip:b.example SIP/2.0\r\nContent-Length: 60\r\n\r\n";
    struct buffer all = BUFFER_EMPTY;
    const struct event events[] = {
        { SIP_FRAME_MESSAGE, sizeof(ONE) - 1, 0 },
        { SIP_FRAME_OVERSIZED, sizeof(big) - 1, SIP_DEFECT_MESSAGE_LONG },
        { SIP_FRAME_SKIP, 60, 0 },
        { SIP_FRAME_MESSAGE, sizeof(ONE) - 1, 0 },
        { SIP_FRAME_PING, 4, 0 },
    };
    buffer_append_string(&all, ONE);
    buffer_append_string(&all, big);
    for (int i = 0; i < 15; i++)
        buffer_append_string(&all, "\r\n\r\n"); /* no pings */
    buffer_append_string(&all, ONE "\r\n\r\n");
    split_everywhere(buffer_slice(&all), 100, events, ARRAY_SIZE(events));
    buffer_free(&all);
}

static void the_size_limit_is_inclusive(void **state)
{
    (void)state;
    static const char head[] = "INVITE sip:b.example SIP/2.0\r\nContent-Length: 10\r\n\r\n";
    struct reader reader = reader_with(sizeof(head) - 1 + 10);
    read_frames(&reader, SLICE_LITERAL("INVITE sip:b.example SIP/2.0\r\nContent-Length: 10\r\n\r\n0123456789"));
    assert_int_equal(reader.events[0].frame, SIP_FRAME_MESSAGE);
    reader = reader_with(sizeof(head) - 1 + 9);
    read_frames(&reader, SLICE_LITERAL("INVITE sip:b.example SIP/2.0\r\nContent-Length: 10\r\n\r\n0123456789"));
    assert_int_equal(reader.events[0].frame, SIP_FRAME_OVERSIZED);
    assert_int_equal(reader.events[0].defect, SIP_DEFECT_MESSAGE_LONG);
    /* A head alone of that size passes, one byte more never ends. */
    reader = reader_with(sizeof(ONE) - 1);
    read_frames(&reader, SLICE_LITERAL(ONE));
    assert_int_equal(reader.events[0].frame, SIP_FRAME_MESSAGE);
    reader = reader_with(sizeof(ONE) - 2);
    read_frames(&reader, SLICE_LITERAL(ONE));
    assert_int_equal(reader.events[0].frame, SIP_FRAME_FATAL);
    assert_int_equal(reader.events[0].defect, SIP_DEFECT_HEAD_LONG);
    assert_int_equal(reader.events[0].length, sizeof(ONE) - 2);
}

#define START "OPTIONS sip:a.example SIP/2.0\r\n"

static void whatever_leaves_two_readings_is_fatal(void **state)
{
    (void)state;
    static const struct {
        struct slice head; /* salvageable, whole */
        enum sip_defect_code code;
    } rows[] = {
        { SLICE_LITERAL(START "\r\n"), SIP_DEFECT_CONTENT_LENGTH_MISSING },
        { SLICE_LITERAL(START "X: Content-Length: 5\r\n\r\n"), SIP_DEFECT_CONTENT_LENGTH_MISSING },
        { SLICE_LITERAL(START "Contact: <sip:a>\r\n Content-Length: 5\r\n\r\n"), SIP_DEFECT_CONTENT_LENGTH_MISSING },
        { SLICE_LITERAL(START "Content-Lengthy: 5\r\n\r\n"), SIP_DEFECT_CONTENT_LENGTH_MISSING },
        { SLICE_LITERAL(START "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), SIP_DEFECT_CONTENT_LENGTH_CONFLICT },
        { SLICE_LITERAL(START "Content-Length: 5\r\nL: 6\r\n\r\n"), SIP_DEFECT_CONTENT_LENGTH_CONFLICT },
        { SLICE_LITERAL(START "Content-Length: 5, 5\r\n\r\n"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(START "Content-Length: -5\r\n\r\n"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(START "Content-Length:\r\n\r\n"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(START "Content-Length: 2147483648\r\n\r\n"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(START "Content-Length: 18446744073709551621\r\n\r\n"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(START "Content-Length\x0b: 7\r\nl: 5\r\n\r\n"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(START "Content-Length 7\r\nl: 5\r\n\r\n"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(START "l 7\r\nl: 5\r\n\r\n"), SIP_DEFECT_CONTENT_LENGTH },
        { SLICE_LITERAL(START "A: b\nContent-Length: 7\r\nl: 5\r\n\r\n"), SIP_DEFECT_LINE_END },
        { SLICE_LITERAL(START "A: b\rContent-Length: 7\r\nl: 5\r\n\r\n"), SIP_DEFECT_LINE_END },
        { SLICE_LITERAL("OPTIONS x\nl: 7\r\nl: 5\r\n\r\n"), SIP_DEFECT_LINE_END },
        { SLICE_LITERAL(START "A: b\r\n \t\r\nl: 5\r\n\r\n"), SIP_DEFECT_FOLD },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct reader reader = reader_with(4096);
        struct buffer all = BUFFER_EMPTY;
        buffer_append_slice(&all, rows[i].head);
        buffer_append_string(&all, "01234" ONE);
        read_frames(&reader, buffer_slice(&all));
        if (reader.events[0].defect != rows[i].code)
            print_error("# row %zu\n", i);
        assert_int_equal(reader.count, 1);
        assert_int_equal(reader.events[0].frame, SIP_FRAME_FATAL);
        assert_int_equal(reader.events[0].defect, rows[i].code);
        assert_int_equal(reader.events[0].length, rows[i].head.length);
        /* And stays so: what follows is never read as a request. */
        read_frames(&reader, SLICE_LITERAL(ONE));
        assert_int_equal(reader.count, 2);
        assert_int_equal(reader.events[1].frame, SIP_FRAME_FATAL);
        assert_int_equal(reader.events[1].length, 0);
        buffer_free(&all);
    }
}

static void defects_that_keep_the_framing_are_left_to_the_parser(void **state)
{
    (void)state;
    struct reader reader = reader_with(4096);
    read_frames(&reader, SLICE_LITERAL("OPTIONS x SIP/9.9\r\nno colon\r\nl: 3\r\n\r\nabc" ONE));
    assert_int_equal(reader.count, 2);
    assert_int_equal(reader.events[0].frame, SIP_FRAME_MESSAGE);
    assert_int_equal(reader.events[1].length, sizeof(ONE) - 1);
}

static void other_protocols_are_told_at_the_first_byte(void **state)
{
    (void)state;
    static const char *const texts[] = { "\x16\x03\x01", "\n", " ", "\r\r", "\rO", "{", "\xff", "\x80" };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct reader reader = reader_with(4096);
        read_frames(&reader, slice_of_string(texts[i]));
        assert_int_equal(reader.count, 1);
        assert_int_equal(reader.events[0].frame, SIP_FRAME_FATAL);
        assert_int_equal(reader.events[0].length, 0);
    }
    struct reader reader = reader_with(4096);
    read_frames(&reader, SLICE_LITERAL("\0"));
    assert_int_equal(reader.events[0].defect, SIP_DEFECT_NOT_SIP);
}

static void a_pong_is_told_only_when_expected(void **state)
{
    (void)state;
    struct reader reader = reader_with(4096);
    read_frames(&reader, SLICE_LITERAL("\r\n"));
    assert_int_equal(reader.count, 0);
    reader.framing.expects_pong = true;
    read_frames(&reader, SLICE_LITERAL("\r"));
    assert_int_equal(reader.count, 0);
    read_frames(&reader, SLICE_LITERAL("\r\n"));
    assert_int_equal(reader.count, 1);
    assert_int_equal(reader.events[0].frame, SIP_FRAME_PONG);
    assert_false(reader.framing.expects_pong);
    reader.framing.expects_pong = true;
    read_frames(&reader, SLICE_LITERAL("\r\n" ONE));
    assert_int_equal(reader.events[1].frame, SIP_FRAME_PONG);
    assert_int_equal(reader.events[2].frame, SIP_FRAME_MESSAGE);
    /* Both sides ping at once. */
    reader.framing.expects_pong = true;
    read_frames(&reader, SLICE_LITERAL("\r\n\r\n\r\n"));
    assert_int_equal(reader.events[3].frame, SIP_FRAME_PING);
    assert_int_equal(reader.events[4].frame, SIP_FRAME_PONG);
}

static void being_inside_a_message_is_known(void **state)
{
    (void)state;
    struct reader reader = reader_with(100);
    assert_false(sip_framing_is_inside(&reader.framing, SLICE_LITERAL("")));
    assert_false(sip_framing_is_inside(&reader.framing, SLICE_LITERAL("\r\n")));
    assert_true(sip_framing_is_inside(&reader.framing, SLICE_LITERAL("OPTIONS")));
    read_frames(&reader, SLICE_LITERAL("OPTIONS x SIP/2.0\r\nl: 200\r\n\r\nabc"));
    assert_true(sip_framing_is_inside(&reader.framing, SLICE_LITERAL("")));
}

/* Looking again at what was looked at would make one byte at a time cost the square of the length. */
static void scanned_bytes_are_not_scanned_again(void **state)
{
    (void)state;
    struct reader reader = reader_with(4096);
    read_frames(&reader, SLICE_LITERAL(START "A: b\r\n"));
    assert_int_equal(reader.framing.scanned, sizeof(START "A: b\r\n") - 1);
    read_frames(&reader, SLICE_LITERAL(START "A: b\r\nl: 5\r\n\r\nab"));
    assert_int_equal(reader.framing.head_length, sizeof(START "A: b\r\nl: 5\r\n\r\n") - 1);
    assert_int_equal(reader.framing.body_length, 5);
    assert_int_equal(reader.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "A01 A05: messages, pings and noise are told apart under every split",
            messages_pings_and_noise_are_told_apart_under_every_split, NULL, NULL, NULL },
        { "A19: an oversized message is skipped under every split", an_oversized_message_is_skipped_under_every_split,
            NULL, NULL, NULL },
        cmocka_unit_test(the_size_limit_is_inclusive),
        cmocka_unit_test(whatever_leaves_two_readings_is_fatal),
        cmocka_unit_test(defects_that_keep_the_framing_are_left_to_the_parser),
        cmocka_unit_test(other_protocols_are_told_at_the_first_byte),
        cmocka_unit_test(a_pong_is_told_only_when_expected),
        cmocka_unit_test(being_inside_a_message_is_known),
        cmocka_unit_test(scanned_bytes_are_not_scanned_again),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
