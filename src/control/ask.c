/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ask.c - see ask.h. */
#include "control/ask.h"

#include "base/buffer.h"
#include "base/error.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_TIMEOUT_S = 30 };

/* The name of the first plain argument of each command; others are name=value. */
static const struct {
    const char *command, *first;
    bool is_needed;
} shapes[] = {
    { "status", NULL, false },
    { "connections", NULL, false },
    { "explain", "destination", true },
    { "probe", "destination", true },
    { "reload", "mode", false },
    { "close", "id", true },
};

static int make_question(char **words, size_t count, json_t **question_r, struct why *why)
{
    size_t shape = 0;
    while (shape < ARRAY_SIZE(shapes) && strcmp(shapes[shape].command, words[0]) != 0)
        shape++;
    if (shape == ARRAY_SIZE(shapes))
        return why_fail(why, ERROR_SYNTAX, "unknown command \"%s\"; trelayctl -h lists them", words[0]);
    if (shapes[shape].is_needed && count < 2)
        return why_fail(why, ERROR_SYNTAX, "%s needs its %s", words[0], shapes[shape].first);
    json_t *question = json_pack("{s:s}", "command", words[0]);
    for (size_t i = 1; i < count; i++) {
        const char *equals = strchr(words[i], '=');
        bool is_first = i == 1 && shapes[shape].first != NULL;
        if (!is_first && equals == NULL) {
            json_decref(question);
            return why_fail(why, ERROR_SYNTAX, "\"%s\" is not name=value", words[i]);
        }
        if (is_first)
            (void)json_object_set_new(question, shapes[shape].first, json_string(words[i]));
        else
            (void)json_object_setn_new(question, words[i], (size_t)(equals - words[i]), json_string(equals + 1));
    }
    *question_r = question;
    return 0;
}

static int connect_to(const char *path, struct why *why)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
    if (!slice_to_string(slice_of_string(path), address.sun_path, sizeof(address.sun_path)))
        return why_fail(why, ERROR_SYNTAX, "the socket's path is too long");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) != 0) {
        int error = errno;
        if (fd >= 0)
            (void)close(fd);
        return why_fail(why, ERROR_SYSTEM, "no trelayd answers at %s: %s (see control.socket in trelay.conf)", path,
            strerror(error));
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return fd;
}

static int exchange(int fd, json_t *question, json_t **answer_r, struct why *why)
{
    struct buffer text = BUFFER_EMPTY;
    char bytes[65536];
    ssize_t length;
    char *line = json_dumps(question, JSON_COMPACT);
    if (line == NULL)
        return why_fail(why, ERROR_MEMORY, "out of memory");
    buffer_append_string(&text, line);
    buffer_append_byte(&text, '\n');
    free(line);
    /* A question that was not taken as a whole may have been answered all the same: that it is too long. */
    (void)send(fd, text.data, text.length, MSG_NOSIGNAL);
    buffer_clear(&text);
    while ((length = recv(fd, bytes, sizeof(bytes), 0)) > 0)
        buffer_append(&text, bytes, (size_t)length);
    json_error_t error;
    json_t *answer = text.length > 0 ? json_loadb(text.data, text.length, 0, &error) : NULL;
    buffer_free(&text);
    if (answer == NULL)
        return why_fail(why, ERROR_SYSTEM, "the daemon closed without an answer");
    *answer_r = answer;
    return 0;
}

static const char *column(json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text != NULL ? text : "-";
}

static void print_connections(json_t *rows)
{
    size_t index;
    json_t *row;
    static const char format[] = "%-12s %-9s %-8s %-22s %-4s %-11s %-8s %-24s %-16s %s\n";
    printf(format, "ID", "DIRECTION", "STATE", "PEER", "TLS", "CLASS", "LEVEL", "IDENTITY", "CERTIFICATE", "REQUESTS");
    json_array_foreach (rows, index, row) {
        char requests[24];
        snprintf(requests, sizeof(requests), "%lld",
            (long long)json_integer_value(json_object_get(row, "requests")));
        printf(format, column(row, "id"), column(row, "direction"), column(row, "state"), column(row, "peer"),
            column(row, "tls"), column(row, "class"), column(row, "level"), column(row, "identity"),
            column(row, "certificate"), requests);
    }
}

int ask_daemon(const char *socket_path, char **words, size_t count, bool is_json, struct why *why)
{
    json_t *question = NULL, *answer = NULL;
    int rc = make_question(words, count, &question, why);
    if (rc != 0)
        return rc;
    int fd = connect_to(socket_path, why);
    rc = fd < 0 ? fd : exchange(fd, question, &answer, why);
    if (fd >= 0)
        (void)close(fd);
    json_decref(question);
    if (rc != 0)
        return rc;
    const char *refusal = json_string_value(json_object_get(answer, "error"));
    if (refusal != NULL) {
        rc = why_fail(why, ERROR_REFUSED, "%s", refusal);
    } else if (!is_json && json_object_get(answer, "connections") != NULL) {
        print_connections(json_object_get(answer, "connections"));
    } else {
        (void)json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        putchar('\n');
    }
    json_decref(answer);
    return rc;
}
