/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log_sink.c - where lines arrive, what is said at which level, and that a reader who does not read stops nobody. */
#include "base/attributes.h"
#include "base/integer.h"
#include "log/log.h"
#include "loop/thread.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static struct logger *logger_to(int fd, enum log_level level)
{
    const struct logger_settings settings = { .sink = LOG_SINK_STDERR, .level = level, .fd = fd };
    struct logger *logger;
    struct why why = WHY_NONE;
    assert_int_equal(logger_new(&settings, &logger, &why), 0);
    return logger;
}

/* What can be read now, as a string. */
static const char *read_all(int fd, char *out, size_t size)
{
    ssize_t length = read(fd, out, size - 1);
    out[length > 0 ? length : 0] = '\0';
    return out;
}

static const char *after_time(const char *line)
{
    assert_memory_equal(line, "time=2", 6);
    const char *level = strstr(line, "Z level=");
    assert_non_null(level);
    return level + 2;
}

static void describe_flow(const void *owner, struct log_line *line)
{
    log_line_add(line, LOG_UNSIGNED("flow", *(const unsigned *)owner));
}

static void describe_call(const void *owner, struct log_line *line)
{
    log_line_add(line, LOG_STRING("call", owner));
}

static void scopes_hand_their_fields_down(void **state)
{
    (void)state;
    int ends[2];
    char text[4 * LOG_LINE_SIZE];
    unsigned flow = 7;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    struct logger *logger = logger_to(ends[1], LOG_LEVEL_INFO);
    struct log_scope root, connection, call;
    log_scope_init(&root, logger);
    log_scope_init_child(&connection, &root, describe_flow, &flow);
    log_scope_init_child(&call, &connection, describe_call, "a b");
    log_event(&call, LOG_LEVEL_INFO, LOG_EVENT_DECISION, LOG_STRING("verdict", "reuse"));
    assert_string_equal(after_time(read_all(ends[0], text, sizeof(text))),
        "level=info event=decision flow=7 call=\"a b\" verdict=reuse\n");
    flow = 8;
    log_event(&connection, LOG_LEVEL_WARN, LOG_EVENT_CONNECTION_CLOSED);
    assert_string_equal(after_time(read_all(ends[0], text, sizeof(text))),
        "level=warn event=connection-closed flow=8\n");
    logger_free(logger);
    close(ends[0]);
    close(ends[1]);
}

static int never_called(void)
{
    fail_msg("a field was evaluated for a line that is not written");
    return 0;
}

static void levels_switch_lines(void **state)
{
    (void)state;
    int ends[2];
    char text[LOG_LINE_SIZE + 1];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    struct logger *logger = logger_to(ends[1], LOG_LEVEL_WARN);
    struct log_scope root, peer, silent = LOG_SCOPE_NONE;
    log_scope_init(&root, logger);
    log_scope_init_child(&peer, &root, NULL, NULL);
    log_event(&peer, LOG_LEVEL_INFO, LOG_EVENT_DECISION, LOG_SIGNED("n", never_called()));
    log_event(&silent, LOG_LEVEL_ERROR, LOG_EVENT_DECISION, LOG_SIGNED("n", never_called()));
    assert_false(log_is_on(&root, LOG_LEVEL_UNSET));
    assert_string_equal(read_all(ends[0], text, sizeof(text)), "");
    peer.level = LOG_LEVEL_DEBUG; /* debug for one peer */
    assert_true(log_is_on(&peer, LOG_LEVEL_DEBUG));
    assert_false(log_is_on(&root, LOG_LEVEL_INFO));
    struct log_scope child;
    log_scope_init_child(&child, &peer, NULL, NULL);
    log_event(&child, LOG_LEVEL_DEBUG, LOG_EVENT_DECISION);
    assert_string_equal(after_time(read_all(ends[0], text, sizeof(text))), "level=debug event=decision\n");
    logger_set_level(logger, LOG_LEVEL_ERROR);
    assert_int_equal(logger_level(logger), LOG_LEVEL_ERROR);
    assert_false(log_is_on(&root, LOG_LEVEL_WARN));
    logger_free(logger);
    close(ends[0]);
    close(ends[1]);
}

/* A full pipe without O_NONBLOCK: would a write wait, this test would never end. */
static void a_reader_who_does_not_read_stops_nobody(void **state)
{
    (void)state;
    int ends[2];
    char text[2 * LOG_LINE_SIZE];
    assert_int_equal(pipe(ends), 0);
    struct logger *logger = logger_to(ends[1], LOG_LEVEL_INFO);
    struct log_scope root;
    log_scope_init(&root, logger);
    while (logger_dropped_count(logger) < 3)
        log_event(&root, LOG_LEVEL_INFO, LOG_EVENT_DECISION, LOG_STRING("verdict", "open"));
    /* Every line before is whole. */
    size_t lines = 0;
    FILE *reader = fdopen(ends[0], "r");
    assert_non_null(reader);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    while (fgets(text, sizeof(text), reader) != NULL) {
        assert_string_equal(after_time(text), "level=info event=decision verdict=open\n");
        lines++;
    }
    assert_true(lines > 100);
    clearerr(reader);
    log_event(&root, LOG_LEVEL_INFO, LOG_EVENT_DECISION, LOG_STRING("verdict", "reuse"));
    assert_non_null(fgets(text, sizeof(text), reader));
    assert_string_equal(after_time(text), "level=info event=decision verdict=reuse\n");
    assert_non_null(fgets(text, sizeof(text), reader));
    assert_string_equal(after_time(text), "level=warn event=log-dropped lines=3\n");
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0); /* others write to it as before */
    logger_free(logger);
    fclose(reader);
    close(ends[1]);
}

static void journald_gets_priorities_and_no_time(void **state)
{
    (void)state;
    int ends[2];
    char text[LOG_LINE_SIZE + 1], name[64];
    struct stat status;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(fstat(ends[1], &status), 0);
    snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", name, 1);
    struct logger *logger = logger_to(ends[1], LOG_LEVEL_INFO);
    unsetenv("JOURNAL_STREAM");
    struct log_scope root;
    log_scope_init(&root, logger);
    log_event(&root, LOG_LEVEL_WARN, LOG_EVENT_STARTED);
    assert_string_equal(read_all(ends[0], text, sizeof(text)), "<4>level=warn event=started\n");
    while (logger_dropped_count(logger) == 0)
        log_event(&root, LOG_LEVEL_INFO, LOG_EVENT_STARTED);
    logger_free(logger);
    close(ends[0]);
    close(ends[1]);
}

static int listen_syslog(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void syslog_survives_a_restart(void **state)
{
    (void)state;
    char directory[] = "/tmp/trelay-syslog-XXXXXX", path[64], text[LOG_LINE_SIZE + 1], wanted[128];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/log", directory);
    const struct logger_settings settings = { .sink = LOG_SINK_SYSLOG, .level = LOG_LEVEL_INFO, .name = "trelayd",
        .syslog_path = path };
    struct logger *logger;
    struct why why = WHY_NONE;
    assert_int_not_equal(logger_new(&settings, &logger, &why), 0);
    assert_non_null(strstr(why.text, path));
    int fd = listen_syslog(path);
    assert_int_equal(logger_new(&settings, &logger, &why), 0);
    struct log_scope root;
    log_scope_init(&root, logger);
    log_event(&root, LOG_LEVEL_ERROR, LOG_EVENT_STARTED);
    snprintf(wanted, sizeof(wanted), "<27>trelayd[%ld]: level=error event=started\n", (long)getpid());
    assert_string_equal(read_all(fd, text, sizeof(text)), wanted);
    close(fd);
    unlink(path);
    log_event(&root, LOG_LEVEL_ERROR, LOG_EVENT_STARTED);
    assert_int_equal(logger_dropped_count(logger), 1);
    fd = listen_syslog(path);
    log_event(&root, LOG_LEVEL_ERROR, LOG_EVENT_STARTED);
    assert_string_equal(read_all(fd, text, sizeof(text)), wanted);
    while (logger_dropped_count(logger) == 1) /* until its queue is full */
        log_event(&root, LOG_LEVEL_ERROR, LOG_EVENT_STARTED);
    logger_free(logger);
    close(fd);
    unlink(path);
    rmdir(directory);
}

enum { THREADS = 4, LINES = 500 };

static void write_lines(void *arg)
{
    for (unsigned i = 0; i < LINES; i++)
        log_event((const struct log_scope *)arg, LOG_LEVEL_INFO, LOG_EVENT_DECISION, LOG_UNSIGNED("n", i));
}

static void threads_do_not_mix_their_lines(void **state)
{
    (void)state;
    int ends[2];
    char text[LOG_LINE_SIZE + 1];
    struct thread *threads[THREADS];
    struct why why = WHY_NONE;
    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) > 0);
    struct logger *logger = logger_to(ends[1], LOG_LEVEL_INFO);
    struct log_scope root;
    log_scope_init(&root, logger);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(thread_start("writer", write_lines, &root, &threads[i], &why), 0);
    for (size_t i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    logger_free(logger);
    close(ends[1]);
    unsigned seen[LINES] = { 0 }, lines = 0;
    FILE *reader = fdopen(ends[0], "r");
    while (fgets(text, sizeof(text), reader) != NULL) {
        static const char start[] = "level=info event=decision n=";
        const char *rest = after_time(text);
        uint64_t n;
        assert_memory_equal(rest, start, sizeof(start) - 1);
        struct slice number = slice_of_string(rest + sizeof(start) - 1);
        assert_int_equal(number.data[number.length - 1], '\n');
        assert_int_equal(integer_parse(slice_first(number, number.length - 1), LINES - 1, &n), 0);
        seen[n]++;
        lines++;
    }
    assert_int_equal(lines, THREADS * LINES);
    for (size_t i = 0; i < LINES; i++)
        assert_int_equal(seen[i], THREADS);
    fclose(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scopes_hand_their_fields_down),
        cmocka_unit_test(levels_switch_lines),
        cmocka_unit_test(a_reader_who_does_not_read_stops_nobody),
        cmocka_unit_test(journald_gets_priorities_and_no_time),
        cmocka_unit_test(syslog_survives_a_restart),
        cmocka_unit_test(threads_do_not_mix_their_lines),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
