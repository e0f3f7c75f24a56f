/* SPDX-License-Identifier: GPL-2.0-or-later */
/* server_text.c - text as PostgreSQL takes it; see server_text.h. */
#include "db/server_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* How many bytes of TEXT from AT are one character that a UTF-8 database takes; 0: none. */
static size_t character_length(struct slice text, size_t at)
{
    const unsigned char *byte = (const unsigned char *)text.data + at;
    size_t rest = text.length - at, length;
    if (byte[0] == 0)
        return 0;
    if (byte[0] < 0x80)
        return 1;
    if (byte[0] >= 0xc2 && byte[0] <= 0xdf)
        length = 2;
    else if ((byte[0] & 0xf0) == 0xe0)
        length = 3;
    else if (byte[0] >= 0xf0 && byte[0] <= 0xf4)
        length = 4;
    else
        return 0;
    if (rest < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
    /* Overlong forms, surrogates, beyond the last plane. */
    if ((byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xed && byte[1] > 0x9f) ||
        (byte[0] == 0xf0 && byte[1] < 0x90) || (byte[0] == 0xf4 && byte[1] > 0x8f))
        return 0;
    return length;
}

/* Appends each character by WRITE; of others each byte as \xNN, its backslash by WRITE too. */
typedef void write_character_fn(struct buffer *out, const char *character, size_t length);

/* Eight bytes at once: none is a control, beyond '~', a backslash or a quote. Says no for some words that are. */
static bool is_plain_word(const char *bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
    uint64_t word, quotes, backslashes, deletes;
    memcpy(&word, bytes, sizeof(word));
    quotes = word ^ ones * '"';
    backslashes = word ^ ones * '\\';
    deletes = word ^ ones * 0x7f;
    uint64_t found = word | ((word - ones * ' ') & ~word) | ((quotes - ones) & ~quotes) |
        ((backslashes - ones) & ~backslashes) | ((deletes - ones) & ~deletes);
    return (found & highs) == 0;
}

/* How many bytes from AT on stand for themselves in every form of text: most of what is ever written. */
static size_t plain_length(struct slice text, size_t at)
{
    size_t end = at;
    while (text.length - end >= 8 && is_plain_word(text.data + end))
        end += 8;
    while (end < text.length && text.data[end] >= ' ' && text.data[end] <= '~' && text.data[end] != '\\' &&
        text.data[end] != '"')
        end++;
    return end - at;
}

static void append_characters(struct buffer *out, struct slice text, write_character_fn *write_character)
{
    for (size_t at = 0; at < text.length;) {
        size_t plain = plain_length(text, at);
        buffer_append(out, text.data + at, plain);
        at += plain;
        if (at == text.length)
            break;
        size_t length = character_length(text, at);
        if (length > 0) {
            write_character(out, text.data + at, length);
            at += length;
            continue;
        }
        write_character(out, "\\", 1);
        buffer_append_format(out, "x%02x", (unsigned)(unsigned char)text.data[at]);
        at++;
    }
}

static void write_copy_character(struct buffer *out, const char *character, size_t length)
{
    static const char special[] = "\\\n\r\t\b\f\v", word[] = "\\nrtbfv";
    const char *found = length == 1 ? memchr(special, character[0], sizeof(special) - 1) : NULL;
    if (found == NULL) {
        buffer_append(out, character, length);
        return;
    }
    buffer_append_byte(out, '\\');
    buffer_append_byte(out, (uint8_t)word[found - special]);
}

static void write_array_character(struct buffer *out, const char *character, size_t length)
{
    if (length == 1 && (character[0] == '"' || character[0] == '\\'))
        buffer_append_byte(out, '\\');
    buffer_append(out, character, length);
}

static void write_json_character(struct buffer *out, const char *character, size_t length)
{
    if (length == 1 && (unsigned char)character[0] < 0x20) {
        buffer_append_format(out, "\\u%04x", (unsigned)(unsigned char)character[0]);
        return;
    }
    if (length == 1 && (character[0] == '"' || character[0] == '\\'))
        buffer_append_byte(out, '\\');
    buffer_append(out, character, length);
}

static void put_digits(char *at, unsigned count, uint32_t number)
{
    for (; count > 0; number /= 10)
        at[--count] = (char)('0' + number % 10);
}

bool time_print_us(int64_t time_us, char out[TIME_TEXT_SIZE])
{
    int64_t seconds = time_us / 1000000, rest = time_us % 1000000;
    if (rest < 0) {
        rest += 1000000;
        seconds--;
    }
    time_t when = (time_t)seconds;
    struct tm parts;
    if (gmtime_r(&when, &parts) == NULL || parts.tm_year < 1 - 1900 || parts.tm_year > 9999 - 1900)
        return false;
    put_digits(out, 4, (uint32_t)parts.tm_year + 1900);
    put_digits(out + 5, 2, (uint32_t)parts.tm_mon + 1);
    put_digits(out + 8, 2, (uint32_t)parts.tm_mday);
    put_digits(out + 11, 2, (uint32_t)parts.tm_hour);
    put_digits(out + 14, 2, (uint32_t)parts.tm_min);
    put_digits(out + 17, 2, (uint32_t)parts.tm_sec);
    put_digits(out + 20, 6, (uint32_t)rest);
    out[4] = out[7] = '-';
    out[10] = ' ';
    out[13] = out[16] = ':';
    out[19] = '.';
    memcpy(out + 26, "+00", 4);
    return true;
}

void array_append(struct buffer *out, const struct slice *elements, size_t count)
{
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < count; i++) {
        buffer_append_string(out, i > 0 ? ",\"" : "\"");
        append_characters(out, elements[i], write_array_character);
        buffer_append_byte(out, '"');
    }
    buffer_append_byte(out, '}');
}

struct copy_line copy_line_begin(struct buffer *out)
{
    return (struct copy_line){ .out = out };
}

static void begin_column(struct copy_line *line)
{
    if (line->has_columns)
        buffer_append_byte(line->out, '\t');
    line->has_columns = true;
}

void copy_null(struct copy_line *line)
{
    begin_column(line);
    buffer_append_string(line->out, "\\N");
}

void copy_text(struct copy_line *line, struct slice text)
{
    if (slice_is_absent(text)) {
        copy_null(line);
        return;
    }
    begin_column(line);
    append_characters(line->out, text, write_copy_character);
}

void copy_columns(struct copy_line *line, struct slice columns)
{
    begin_column(line);
    buffer_append_slice(line->out, columns);
}

void copy_number(struct copy_line *line, int64_t number)
{
    begin_column(line);
    if (number >= 0)
        buffer_append_unsigned(line->out, (uint64_t)number);
    else
        buffer_append_format(line->out, "%" PRId64, number);
}

void copy_time_us(struct copy_line *line, int64_t time_us)
{
    char text[TIME_TEXT_SIZE];
    bool is_time = time_us != INT64_MIN && time_print_us(time_us, text);
    if (is_time)
        copy_columns(line, slice_of_string(text));
    else
        copy_null(line);
}

void copy_address(struct copy_line *line, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    bool is_address = address != NULL && address->family != ADDRESS_NONE;
    if (is_address)
        copy_columns(line, slice_of_string(address_print(address, text)));
    else
        copy_null(line);
}

void copy_texts(struct copy_line *line, const struct slice *elements, size_t count)
{
    struct buffer array = BUFFER_EMPTY;
    if (elements != NULL)
        array_append(&array, elements, count);
    line->out->has_failed = line->out->has_failed || array.has_failed;
    copy_text(line, elements != NULL ? buffer_slice(&array) : SLICE_ABSENT);
    buffer_free(&array);
}

void copy_line_end(struct copy_line *line)
{
    buffer_append_byte(line->out, '\n');
}

struct json_object json_object_begin(struct buffer *out)
{
    buffer_append_byte(out, '{');
    return (struct json_object){ .out = out };
}

static void begin_member(struct json_object *object, const char *name)
{
    buffer_append_format(object->out, "%s\"%s\":", object->has_members ? "," : "", name);
    object->has_members = true;
}

static void append_json_string(struct buffer *out, struct slice text)
{
    buffer_append_byte(out, '"');
    append_characters(out, text, write_json_character);
    buffer_append_byte(out, '"');
}

void json_text(struct json_object *object, const char *name, struct slice text)
{
    if (slice_is_absent(text))
        return;
    begin_member(object, name);
    append_json_string(object->out, text);
}

void json_number(struct json_object *object, const char *name, int64_t number)
{
    begin_member(object, name);
    buffer_append_format(object->out, "%" PRId64, number);
}

void json_bool(struct json_object *object, const char *name, bool value)
{
    begin_member(object, name);
    buffer_append_string(object->out, value ? "true" : "false");
}

void json_time_us(struct json_object *object, const char *name, int64_t time_us)
{
    char text[TIME_TEXT_SIZE];
    if (time_us != INT64_MIN && time_print_us(time_us, text))
        json_text(object, name, slice_of_string(text));
}

void json_address(struct json_object *object, const char *name, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    if (address != NULL && address->family != ADDRESS_NONE)
        json_text(object, name, slice_of_string(address_print(address, text)));
}

void json_texts(struct json_object *object, const char *name, const struct slice *elements, size_t count)
{
    if (elements == NULL)
        return;
    begin_member(object, name);
    buffer_append_byte(object->out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_byte(object->out, ',');
        append_json_string(object->out, elements[i]);
    }
    buffer_append_byte(object->out, ']');
}

void json_object_end(struct json_object *object)
{
    buffer_append_byte(object->out, '}');
}
