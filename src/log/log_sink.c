/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log_sink.c - writing lines without waiting; see log_sink.h. */
#include "log/log_sink.h"

#include "base/error.h"
#include "base/integer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* O_NONBLOCK belongs to the open file, which other processes share: a second one of our own is opened on the same pipe
 * or terminal. -1 where that cannot be done. */
static int reopen(int fd)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

void log_sink_open_fd(struct log_sink_file *sink, int fd)
{
    *sink = (struct log_sink_file){ .kind = LOG_SINK_KIND_FILE, .fd = fd };
    struct stat status;
    if (fstat(fd, &status) != 0)
        return;
    if (S_ISSOCK(status.st_mode)) {
        sink->kind = LOG_SINK_KIND_STREAM;
    } else if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
        int own = reopen(fd);
        if (own >= 0)
            *sink = (struct log_sink_file){ .kind = LOG_SINK_KIND_FILE, .fd = own, .is_owned = true };
    }
}

int log_sink_open_syslog(struct log_sink_file *sink, const char *path, struct why *why)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (path == NULL)
        path = "/dev/log";
    int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (length < 0 || (size_t)length >= sizeof(address.sun_path))
        return why_fail(why, ERROR_LIMIT, "the path of the syslog socket is too long");
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return why_fail(why, ERROR_SYSTEM, "socket: %m");
    /* Only to learn at the start that somebody listens there. */
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int rc = why_fail(why, ERROR_SYSTEM, "syslog socket %s: %m", path);
        close(fd);
        return rc;
    }
    *sink = (struct log_sink_file){ .kind = LOG_SINK_KIND_DATAGRAM, .fd = fd, .is_owned = true,
        .address = address };
    return 0;
}

void log_sink_close(struct log_sink_file *sink)
{
    if (sink->is_owned)
        close(sink->fd);
    *sink = (struct log_sink_file){ .kind = LOG_SINK_KIND_NONE, .fd = -1 };
}

bool log_sink_is_journal(int fd)
{
    /* JOURNAL_STREAM=device:inode names the socket that systemd made for us, sd-journal's documented test. */
    struct slice text = slice_of_string(getenv("JOURNAL_STREAM"));
    struct stat status;
    uint64_t device, inode;
    size_t colon = slice_find(text, ':', 0);
    return !slice_is_absent(text) && fstat(fd, &status) == 0 &&
        integer_parse(slice_first(text, colon), UINT64_MAX, &device) == 0 &&
        integer_parse(slice_from(text, colon + 1), UINT64_MAX, &inode) == 0 && status.st_dev == device &&
        status.st_ino == inode;
}

static bool send_stream(int fd, struct slice line)
{
    ssize_t sent = send(fd, line.data, line.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
        return false;
    if ((size_t)sent == line.length)
        return true;
    /* The kernel can cut a line on a stream: end what it took, so that the next line is a line. */
    (void)!send(fd, "\n", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    return false;
}

/* By name each time: a restarted syslog daemon has a new socket under the old name. */
static bool send_datagram(const struct log_sink_file *sink, struct slice line)
{
    return sendto(sink->fd, line.data, line.length, MSG_DONTWAIT | MSG_NOSIGNAL,
               (const struct sockaddr *)&sink->address, sizeof(sink->address)) >= 0;
}

bool log_sink_write(const struct log_sink_file *sink, struct slice line)
{
    switch (sink->kind) {
    case LOG_SINK_KIND_NONE:
        break;
    case LOG_SINK_KIND_FILE:
        return write(sink->fd, line.data, line.length) == (ssize_t)line.length;
    case LOG_SINK_KIND_STREAM:
        return send_stream(sink->fd, line);
    case LOG_SINK_KIND_DATAGRAM:
        return send_datagram(sink, line);
    }
    return false;
}
