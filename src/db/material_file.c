/* SPDX-License-Identifier: GPL-2.0-or-later */
/* material_file.c - the bytes of a certificate or key; see material_file.h. */
#include "db/material_file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, struct buffer *file, const char *path, struct why *why)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return why_fail(why, ERROR_SYSTEM, "%s is no regular file", path);
    if (status.st_size > MATERIAL_FILE_MAX)
        return why_fail(why, ERROR_LIMIT, "%s is too long", path);
    /* In one piece, so that a key leaves no copies behind by moving. It may have grown since. */
    size_t size = (size_t)status.st_size;
    for (;;) {
        size_t rest = size > file->length ? size - file->length : 0;
        if (!buffer_reserve(file, rest + 1))
            return ERROR_MEMORY;
        ssize_t count = read(fd, file->data + file->length, file->capacity - file->length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return why_fail(why, ERROR_SYSTEM, "%s: %m", path);
        if (count == 0)
            return 0;
        file->length += (size_t)count;
        if (file->length > MATERIAL_FILE_MAX)
            return why_fail(why, ERROR_LIMIT, "%s is too long", path);
    }
}

int material_read(const struct material_source *source, const char *what, struct buffer *file, struct slice *text_r,
    struct why *why)
{
    if (source->path == NULL) {
        if (slice_is_absent(source->text))
            return why_fail(why, ERROR_NOT_FOUND, "there is no %s", what);
        *text_r = source->text;
        return 0;
    }
    /* O_NONBLOCK: a pipe of that name must not stop the thread. */
    int fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return why_fail(why, ERROR_SYSTEM, "%s %s: %m", what, source->path);
    int rc = read_all(fd, file, source->path, why);
    (void)close(fd);
    if (rc == 0)
        *text_r = buffer_slice(file);
    return rc;
}
