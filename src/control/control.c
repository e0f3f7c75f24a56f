/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control.c - the socket, its clients, one question and one answer each; see control.h. */
#include "control/control.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/list.h"
#include "control/control_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENTS_MAX = 64 };
/* For the question to arrive, and likewise for the answer to be taken: who does neither must not keep others out. */
enum { CLIENT_MS = 5000 };

struct control {
    struct control_environment environment;
    char *path;
    int fd;
    struct loop_watch *watch;
    struct list clients;
    unsigned client_count;
};

struct control_client {
    struct list_node node;
    struct control *control; /* NULL: the control is gone, the answer has nowhere to go */
    int fd;
    struct loop_watch *watch;
    struct loop_timer patience;
    struct buffer in, out;
    bool is_asked, is_answered;
};

const struct control_environment *control_environment_of(const struct control *control)
{
    return &control->environment;
}

const struct control_environment *control_client_environment(const struct control_client *client)
{
    return client->control != NULL ? control_environment_of(client->control) : NULL;
}

static void client_close(struct control_client *client)
{
    loop_watch_free(client->watch);
    client->watch = NULL;
    if (client->fd >= 0)
        (void)close(client->fd);
    client->fd = -1;
    if (list_holds(&client->node)) {
        loop_timer_stop(client->control->environment.loop, &client->patience);
        list_remove(&client->node);
        client->control->client_count--;
    }
}

static void client_free(struct control_client *client)
{
    client_close(client);
    buffer_free(&client->in);
    buffer_free(&client->out);
    free(client);
}

static void on_late(void *arg)
{
    client_free(arg);
}

static void client_hurry(struct control_client *client)
{
    loop_timer_start(client->control->environment.loop, &client->patience, CLIENT_MS);
}

static void client_write(struct control_client *client)
{
    while (client->out.length > 0) {
        ssize_t sent = send(client->fd, client->out.data, client->out.length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN && loop_watch_want(client->watch, LOOP_WRITABLE) == 0)
            return;
        if (sent <= 0)
            break;
        buffer_consume(&client->out, (size_t)sent);
    }
    client_free(client);
}

void control_answer(struct control_client *client, json_t *answer)
{
    char *text = answer != NULL ? json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(answer);
    client->is_answered = true;
    buffer_append_string(&client->out, text != NULL ? text : "{\"error\":\"out of memory\"}");
    buffer_append_byte(&client->out, '\n');
    free(text);
    if (client->fd < 0) {
        client_free(client);
        return;
    }
    client_hurry(client);
    client_write(client);
}

void control_answer_error(struct control_client *client, const char *text)
{
    control_answer(client, json_pack("{s:s}", "error", text));
}

/* What more it sends is not read. */
static void client_has_asked(struct control_client *client)
{
    client->is_asked = true;
    loop_timer_stop(client->control->environment.loop, &client->patience);
    ignore_result(loop_watch_want(client->watch, 0));
}

static void client_ask(struct control_client *client, size_t length)
{
    json_error_t error;
    json_t *question = json_loadb(client->in.data, length, JSON_REJECT_DUPLICATES, &error);
    client_has_asked(client);
    if (!json_is_object(question))
        control_answer_error(client, "the question must be one JSON object on one line");
    else
        control_command(client, question);
    json_decref(question);
}

static void client_refuse_length(struct control_client *client)
{
    char text[64];
    snprintf(text, sizeof(text), "the question is longer than %d bytes", CONTROL_QUESTION_MAX);
    client_has_asked(client);
    control_answer_error(client, text);
}

static void client_read(struct control_client *client)
{
    char bytes[4096];
    ssize_t length = recv(client->fd, bytes, sizeof(bytes), 0);
    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0) {
        client_free(client);
        return;
    }
    if (client->in.length + (size_t)length > CONTROL_QUESTION_MAX) {
        client_refuse_length(client);
        return;
    }
    buffer_append(&client->in, bytes, (size_t)length);
    size_t end = slice_find(buffer_slice(&client->in), '\n', 0);
    if (client->in.has_failed)
        client_free(client);
    else if (end < client->in.length)
        client_ask(client, end);
}

static void on_client(void *arg, unsigned events)
{
    struct control_client *client = arg;
    if (client->is_answered)
        client_write(client);
    else if ((events & LOOP_READABLE) != 0 && !client->is_asked)
        client_read(client);
}

static void on_connection(void *arg, unsigned events)
{
    (void)events;
    struct control *control = arg;
    int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct control_client *client = control->client_count < CLIENTS_MAX ? calloc(1, sizeof(*client)) : NULL;
    if (client == NULL) {
        (void)close(fd);
        return;
    }
    client->control = control;
    client->fd = fd;
    list_append(&control->clients, &client->node);
    control->client_count++;
    loop_timer_init(&client->patience, on_late, client);
    client_hurry(client);
    if (loop_watch_new(control->environment.loop, fd, on_client, client, &client->watch) != 0 ||
        loop_watch_want(client->watch, LOOP_READABLE) != 0)
        client_free(client);
}

/* Somebody who answers owns the socket; a file that nobody answers is left over. */
static bool is_answered(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is = fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)address, sizeof(*address)) == 0;
    if (fd >= 0)
        (void)close(fd);
    return is;
}

static int read_path(const char *path, struct sockaddr_un *address_r, struct why *why)
{
    *address_r = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (path[0] == '\0')
        return why_fail(why, ERROR_LIMIT, "control.socket is empty");
    if (!slice_to_string(slice_of_string(path), address_r->sun_path, sizeof(address_r->sun_path)))
        return why_fail(why, ERROR_LIMIT, "control.socket \"%s\": the path is too long for a Unix socket", path);
    return 0;
}

int control_check_path(const char *path, struct why *why)
{
    struct sockaddr_un address;
    return read_path(path, &address, why);
}

static int open_socket(const char *path, unsigned mode, int *fd_r, struct why *why)
{
    struct sockaddr_un address;
    if (read_path(path, &address, why) != 0)
        return ERROR_LIMIT;
    if (is_answered(&address))
        return why_fail(why, ERROR_CONFLICT, "control.socket \"%s\": another process answers there", path);
    (void)unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return why_fail(why, ERROR_SYSTEM, "control.socket: %s", strerror(errno));
    /* Nobody gets in between bind and chmod. */
    mode_t old = umask(0177);
    int rc = bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address));
    (void)umask(old);
    if (rc != 0 || chmod(path, mode) != 0 || listen(fd, 16) != 0) {
        rc = why_fail(why, ERROR_SYSTEM, "control.socket \"%s\": %s", path, strerror(errno));
        (void)close(fd);
        return rc;
    }
    *fd_r = fd;
    return 0;
}

int control_new(const struct control_environment *environment, const char *path, unsigned mode,
    struct control **control_r, struct why *why)
{
    struct control *control = calloc(1, sizeof(*control));
    if (control == NULL)
        return why_fail(why, ERROR_MEMORY, "no memory for the control socket");
    control->environment = *environment;
    control->fd = -1;
    list_init(&control->clients);
    control->path = strdup(path);
    int rc = control->path != NULL ? open_socket(path, mode, &control->fd, why) : ERROR_MEMORY;
    if (rc == 0)
        rc = loop_watch_new(environment->loop, control->fd, on_connection, control, &control->watch);
    if (rc == 0)
        rc = loop_watch_want(control->watch, LOOP_READABLE);
    if (rc != 0) {
        control_free(control);
        return rc;
    }
    *control_r = control;
    return 0;
}

void control_free(struct control *control)
{
    if (control == NULL)
        return;
    while (!list_is_empty(&control->clients)) {
        struct control_client *client = CONTAINER_OF(control->clients.head.next, struct control_client, node);
        /* One that waits for a worker's answer is freed when that comes. */
        if (client->is_asked && !client->is_answered) {
            client_close(client);
            client->control = NULL;
        } else {
            client_free(client);
        }
    }
    loop_watch_free(control->watch);
    if (control->fd >= 0) {
        (void)close(control->fd);
        (void)unlink(control->path);
    }
    free(control->path);
    free(control);
}
