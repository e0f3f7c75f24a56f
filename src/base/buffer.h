/* SPDX-License-Identifier: GPL-2.0-or-later */
/* buffer.h - bytes owned and growing.
 * In:    bytes to append. Out: one contiguous run of them.
 * Never: half appends: when memory runs out the buffer keeps what it held and says so
 *        for good (buffer_failed), so a writer may append many times and ask once.
 */
#ifndef TRELAY_BASE_BUFFER_H
#define TRELAY_BASE_BUFFER_H

#include "base/attributes.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buffer {
    char *data;
    size_t length;
    size_t capacity;
    bool has_failed; /* an append found no memory: the content is not what was meant */
};

#define BUFFER_EMPTY ((struct buffer){ NULL, 0, 0, false })

void buffer_free(struct buffer *buffer);

/* Forgets the content and the failure, keeps the memory. */
void buffer_clear(struct buffer *buffer);

/* Room for MORE further bytes; false (and has_failed) when there is no memory. */
bool buffer_reserve(struct buffer *buffer, size_t more);

static inline void buffer_append(struct buffer *buffer, const void *data, size_t length)
{
    bool has_room = !buffer->has_failed && buffer->capacity - buffer->length >= length;
    if (length == 0 || (!has_room && !buffer_reserve(buffer, length)))
        return;
    memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
}

static inline void buffer_append_slice(struct buffer *buffer, struct slice slice)
{
    buffer_append(buffer, slice.data, slice.length);
}

static inline void buffer_append_byte(struct buffer *buffer, uint8_t byte)
{
    buffer_append(buffer, &byte, 1);
}

static inline void buffer_append_string(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_u16(struct buffer *buffer, uint16_t value); /* big endian */
void buffer_append_u32(struct buffer *buffer, uint32_t value); /* big endian */
void buffer_append_unsigned(struct buffer *buffer, uint64_t value); /* decimal text */
void buffer_append_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

/* Drops the first LENGTH bytes. */
void buffer_consume(struct buffer *buffer, size_t length);

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return slice_of(buffer->data != NULL ? buffer->data : "", buffer->length);
}

#endif
