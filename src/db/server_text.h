/* SPDX-License-Identifier: GPL-2.0-or-later */
/* server_text.h - text as PostgreSQL takes it: lines for COPY, elements of arrays, JSON.
 * In:    any bytes, from the wire too. Out: always valid UTF-8 without NUL: a byte that fits in no such text is
 *        written as \xNN, so that nothing is refused, or lost, for its spelling.
 * Appends to buffers; what finds no memory is told by buffer.has_failed.
 */
#ifndef TRELAY_DB_SERVER_TEXT_H
#define TRELAY_DB_SERVER_TEXT_H

#include "base/address.h"
#include "base/buffer.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line for COPY: columns in order, then the end. An absent slice is NULL, and differs from an empty one. */
struct copy_line {
    struct buffer *out;
    bool has_columns;
};

struct copy_line copy_line_begin(struct buffer *out);
void copy_text(struct copy_line *line, struct slice text);
void copy_null(struct copy_line *line);
/* One or more columns that another line made, tabs between them. */
void copy_columns(struct copy_line *line, struct slice columns);
void copy_number(struct copy_line *line, int64_t number);
/* Microseconds since 1970; INT64_MIN: NULL. */
void copy_time_us(struct copy_line *line, int64_t time_us);
/* NULL for no address. */
void copy_address(struct copy_line *line, const struct address *address);
/* ELEMENTS NULL: NULL; COUNT 0: an empty array. */
void copy_texts(struct copy_line *line, const struct slice *elements, size_t count);
void copy_line_end(struct copy_line *line);

/* A text[] literal: {"a","b"}. For parameters of commands. */
void array_append(struct buffer *out, const struct slice *elements, size_t count);

/* A flat JSON object: members in any order; an absent slice or time is left out, which is NULL in a record. */
struct json_object {
    struct buffer *out;
    bool has_members;
};

struct json_object json_object_begin(struct buffer *out);
void json_text(struct json_object *object, const char *name, struct slice text);
void json_number(struct json_object *object, const char *name, int64_t number);
void json_bool(struct json_object *object, const char *name, bool value);
void json_time_us(struct json_object *object, const char *name, int64_t time_us);
void json_address(struct json_object *object, const char *name, const struct address *address);
void json_texts(struct json_object *object, const char *name, const struct slice *elements, size_t count);
void json_object_end(struct json_object *object);

/* "2026-01-02 03:04:05.678901+00"; false for a year outside 1 to 9999. */
enum { TIME_TEXT_SIZE = 40 };
bool time_print_us(int64_t time_us, char out[TIME_TEXT_SIZE]);

#endif
