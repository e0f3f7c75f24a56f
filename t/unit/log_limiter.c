/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log_limiter.c - what strangers can make us say has a budget of lines, and what is left out is counted and told. */
#include "log/log_limiter.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct desk {
    int ends[2];
    struct logger *logger;
    struct log_scope scope, strangers;
    struct log_limiter limiter;
    char text[64 * 1024];
};

static void desk_init(struct desk *desk, enum log_level level)
{
    struct why why = WHY_NONE;
    assert_int_equal(pipe2(desk->ends, O_NONBLOCK), 0);
    const struct logger_settings settings = { .sink = LOG_SINK_STDERR, .level = level, .fd = desk->ends[1] };
    assert_int_equal(logger_new(&settings, &desk->logger, &why), 0);
    log_scope_init(&desk->scope, desk->logger);
    log_limiter_init(&desk->limiter, &desk->strangers, &desk->scope);
    log_limiter_turn(&desk->limiter, &desk->scope, 1000000); /* a span begins */
}

static void desk_fini(struct desk *desk)
{
    logger_free(desk->logger);
    close(desk->ends[0]);
    close(desk->ends[1]);
}

static void say(struct desk *desk, enum log_event_name event, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        log_event(&desk->strangers, LOG_LEVEL_INFO, event);
}

/* The lines that were written since the last look. */
static unsigned look(struct desk *desk)
{
    ssize_t length = read(desk->ends[0], desk->text, sizeof(desk->text) - 1);
    unsigned lines = 0;
    desk->text[length > 0 ? length : 0] = '\0';
    for (const char *at = desk->text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    return lines;
}

static void the_budget_is_one_of_each_event(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk, LOG_LEVEL_INFO);
    say(&desk, LOG_EVENT_MESSAGE_DROPPED, LOG_LIMITER_LINES);
    assert_int_equal(look(&desk), LOG_LIMITER_LINES);
    say(&desk, LOG_EVENT_MESSAGE_DROPPED, 7);
    assert_int_equal(look(&desk), 0);
    say(&desk, LOG_EVENT_PIN_REFUSED, 3);
    assert_int_equal(look(&desk), 3);
    for (unsigned i = 0; i < LOG_LIMITER_LINES; i++) /* whom nobody limits is not */
        log_event(&desk.scope, LOG_LEVEL_INFO, LOG_EVENT_MESSAGE_DROPPED);
    assert_int_equal(look(&desk), LOG_LIMITER_LINES);
    desk_fini(&desk);
}

static void what_is_left_out_is_told_when_the_span_is_over(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk, LOG_LEVEL_INFO);
    say(&desk, LOG_EVENT_MESSAGE_DROPPED, LOG_LIMITER_LINES + 7);
    say(&desk, LOG_EVENT_CONNECTION_FAILED, LOG_LIMITER_LINES + 1);
    say(&desk, LOG_EVENT_PIN_REFUSED, LOG_LIMITER_LINES);
    (void)look(&desk);
    log_limiter_turn(&desk.limiter, &desk.scope, 1000000 + LOG_LIMITER_SPAN_MS - 1);
    assert_int_equal(look(&desk), 0);
    log_limiter_turn(&desk.limiter, &desk.scope, 1000000 + LOG_LIMITER_SPAN_MS);
    assert_int_equal(look(&desk), 2);
    assert_non_null(strstr(desk.text, "level=warn event=log-limited what=message-dropped lines=7\n"));
    assert_non_null(strstr(desk.text, "level=warn event=log-limited what=connection-failed lines=1\n"));
    say(&desk, LOG_EVENT_MESSAGE_DROPPED, LOG_LIMITER_LINES + 2); /* a new span */
    assert_int_equal(look(&desk), LOG_LIMITER_LINES);
    log_limiter_tell(&desk.limiter, &desk.scope);
    assert_int_equal(look(&desk), 1);
    assert_non_null(strstr(desk.text, "what=message-dropped lines=2\n"));
    log_limiter_tell(&desk.limiter, &desk.scope); /* once */
    assert_int_equal(look(&desk), 0);
    desk_fini(&desk);
}

static void what_nobody_would_have_read_is_not_counted(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk, LOG_LEVEL_WARN);
    say(&desk, LOG_EVENT_MESSAGE_DROPPED, 2 * LOG_LIMITER_LINES);
    log_limiter_tell(&desk.limiter, &desk.scope);
    assert_int_equal(look(&desk), 0);
    assert_false(log_limiter_admits(&desk.limiter, LOG_EVENT_COUNT));
    desk_fini(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_budget_is_one_of_each_event),
        cmocka_unit_test(what_is_left_out_is_told_when_the_span_is_over),
        cmocka_unit_test(what_nobody_would_have_read_is_not_counted),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
