/* SPDX-License-Identifier: GPL-2.0-or-later */
/* buffer.c - a growing run of bytes; see buffer.h. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = BUFFER_EMPTY;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    buffer->has_failed = false;
}

bool buffer_reserve(struct buffer *buffer, size_t more)
{
    if (buffer->has_failed)
        return false;
    if (buffer->capacity - buffer->length >= more)
        return true;
    size_t wanted = buffer->capacity > 0 ? buffer->capacity : 64;
    while (wanted - buffer->length < more) {
        if (wanted > SIZE_MAX / 2) {
            buffer->has_failed = true;
            return false;
        }
        wanted *= 2;
    }
    char *grown = realloc(buffer->data, wanted);
    if (grown == NULL) {
        buffer->has_failed = true;
        return false;
    }
    buffer->data = grown;
    buffer->capacity = wanted;
    return true;
}

void buffer_append_u16(struct buffer *buffer, uint16_t value)
{
    uint8_t bytes[2] = { (uint8_t)(value >> 8), (uint8_t)value };
    buffer_append(buffer, bytes, sizeof(bytes));
}

void buffer_append_u32(struct buffer *buffer, uint32_t value)
{
    uint8_t bytes[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value };
    buffer_append(buffer, bytes, sizeof(bytes));
}

void buffer_append_unsigned(struct buffer *buffer, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buffer_append(buffer, digits + at, sizeof(digits) - at);
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) {
        buffer->has_failed = true;
        return;
    }
    if (!buffer_reserve(buffer, (size_t)length + 1))
        return;
    va_start(arguments, format);
    vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->length += (size_t)length;
}

void buffer_consume(struct buffer *buffer, size_t length)
{
    if (length >= buffer->length) {
        buffer->length = 0;
        return;
    }
    memmove(buffer->data, buffer->data + length, buffer->length - length);
    buffer->length -= length;
}
