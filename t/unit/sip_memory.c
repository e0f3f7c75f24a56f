/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_memory.c - the n-th allocation fails, for every n: the call says so, and nothing leaks or half stays.
 * The linker sends the library's malloc, calloc and realloc here (--wrap).
 */
#include "sip_support.h"

#include "base/error.h"
#include "sip/compose.h"

#include <stdlib.h>

/* Allocations that still succeed; negative: all do. */
static long left = -1;
static long asked;

static bool is_refused(void)
{
    asked++;
    return left >= 0 && left-- == 0;
}

#include "refused_memory.h"

typedef int (*step_fn)(void *arg);

/* Runs STEP with 0, 1, 2.. allocations granted until it succeeds; returns how many it needed. */
static long starve(step_fn step, void *arg)
{
    for (long granted = 0; granted < 100; granted++) {
        left = granted;
        int rc = step(arg);
        left = -1;
        if (rc == 0)
            return granted;
        assert_int_equal(rc, ERROR_MEMORY);
    }
    fail_msg("never succeeds");
    return -1;
}

static const char small[] = "INVITE sip:b@b.example SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\r\nFrom: <sip:a>\r\n"
    "To: <sip:b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nRoute: <sip:r;lr>\r\n\r\n";

static int parse_step(void *arg)
{
    const struct slice *bytes = arg;
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_message *message = NULL;
    struct sip_defect defect = { .status = 77 };
    int rc = sip_message_parse(*bytes, &limits, &message, &defect);
    assert_int_equal(defect.status, 77);
    assert_int_equal(rc == 0, message != NULL);
    sip_message_unref(message);
    return rc;
}

static void parsing_takes_one_allocation(void **state)
{
    (void)state;
    struct slice bytes = slice_of_string(small);
    assert_int_equal(starve(parse_step, &bytes), 1);
}

static void many_lines_take_two(void **state)
{
    (void)state;
    struct buffer text = BUFFER_EMPTY;
    buffer_append_slice(&text, slice_first(slice_of_string(small), sizeof(small) - 3));
    for (int i = 0; i < 100; i++)
        buffer_append_string(&text, "X: y\r\n");
    buffer_append_string(&text, "\r\n");
    struct slice bytes = buffer_slice(&text);
    assert_int_equal(starve(parse_step, &bytes), 2);
    buffer_free(&text);
}

static int salvage_step(void *arg)
{
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_message *message = NULL;
    (void)arg;
    int rc = sip_message_salvage(slice_of_string(small), &limits, &message);
    assert_int_equal(rc == 0, message != NULL);
    sip_message_unref(message);
    return rc;
}

static void salvaging_takes_one(void **state)
{
    (void)state;
    assert_int_equal(starve(salvage_step, NULL), 1);
}

/* Composes into a buffer that already holds something and must keep it. */
struct composing {
    struct sip_message *invite;
    struct sip_message *response;
    int what;
};

static int compose(struct buffer *out, const struct composing *composing)
{
    struct endpoint source = endpoint_of("192.0.2.1", 5061);
    const struct sip_request_edit request = { .via = SLICE_LITERAL("SIP/2.0/TLS us"), .source = &source,
        .sets_max_forwards = true, .max_forwards = 70, .needs_content_length = true };
    const struct sip_response_edit forwarded = { .removes_top_via = true };
    const struct sip_local_response local = { .status = 404, .to_tag = SLICE_LITERAL("us"), .source = &source };
    switch (composing->what) {
    case 0:
        return sip_compose_request(out, composing->invite, &request);
    case 1:
        return sip_compose_forwarded_response(out, composing->response, &forwarded);
    case 2:
        return sip_compose_response(out, composing->invite, &local);
    case 3:
        return sip_compose_cancel(out, composing->invite, SLICE_ABSENT);
    default:
        return sip_compose_ack(out, composing->invite, composing->response);
    }
}

static int compose_step(void *arg)
{
    struct buffer out = BUFFER_EMPTY;
    long granted = left;
    left = -1;
    buffer_append_string(&out, "before");
    left = granted;
    int rc = compose(&out, arg);
    assert_slice(slice_first(buffer_slice(&out), 6), "before");
    assert_int_equal(rc == 0, out.length > 6);
    buffer_free(&out);
    return rc;
}

static void composing_keeps_the_buffer(void **state)
{
    (void)state;
    struct composing composing = { .invite = PARSED("INVITE sip:b@b.example SIP/2.0\r\n"
        "Via: SIP/2.0/TLS a;branch=z9hG4bK1\r\nFrom: <sip:a>\r\nTo: <sip:b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n"),
        .response = PARSED("SIP/2.0 404 No\r\nVia: SIP/2.0/TLS us, SIP/2.0/TLS a\r\nTo: <sip:b>;tag=1\r\n\r\n") };
    for (composing.what = 0; composing.what < 5; composing.what++)
        assert_int_equal(starve(compose_step, &composing), 1);
    /* With room in the buffer, no memory is asked for. */
    struct buffer out = BUFFER_EMPTY;
    assert_true(buffer_reserve(&out, 8192));
    long before = asked;
    for (composing.what = 0; composing.what < 5; composing.what++) {
        buffer_clear(&out);
        assert_int_equal(compose(&out, &composing), 0);
    }
    assert_int_equal(asked, before);
    buffer_free(&out);
    sip_message_unref(composing.invite);
    sip_message_unref(composing.response);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsing_takes_one_allocation),
        cmocka_unit_test(many_lines_take_two),
        cmocka_unit_test(salvaging_takes_one),
        cmocka_unit_test(composing_keeps_the_buffer),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
