/* SPDX-License-Identifier: GPL-2.0-or-later */
/* name.c - the one normaliser; see name.h. */
#include "policy/name.h"

#include "base/address.h"
#include "base/error.h"

enum { LABEL_MAX = 63, NAME_MAX_LENGTH = 253 };

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Digits alone in the last label, or 0x and hexadecimal digits: an address or a mistake for one, as resolvers that
 * understand "0x7f000001" make, and never a domain (RFC 3696 section 2). */
static bool ends_in_number(struct slice name)
{
    size_t start = name.length;
    while (start > 0 && name.data[start - 1] != '.')
        start--;
    struct slice label = slice_from(name, start);
    bool is_hexadecimal = label.length >= 2 && label.data[0] == '0' && label.data[1] == 'x';
    for (size_t i = is_hexadecimal ? 2 : 0; i < label.length; i++) {
        char c = label.data[i];
        if ((c < '0' || c > '9') && (!is_hexadecimal || c < 'a' || c > 'f'))
            return false;
    }
    return true;
}

int name_normalise(struct slice text, char out[DOMAIN_NAME_SIZE])
{
    if (text.length > 0 && text.data[text.length - 1] == '.')
        text.length--;
    if (text.length == 0 || text.length > NAME_MAX_LENGTH)
        return ERROR_SYNTAX;
    char name[DOMAIN_NAME_SIZE];
    size_t label = 0;
    for (size_t i = 0; i < text.length; i++) {
        char c = ascii_lower(text.data[i]);
        bool is_dot = c == '.';
        if (is_dot ? label == 0 || name[i - 1] == '-' : !is_name_byte(c) || (label == 0 && c == '-'))
            return ERROR_SYNTAX;
        label = is_dot ? 0 : label + 1;
        if (label > LABEL_MAX)
            return ERROR_SYNTAX;
        name[i] = c;
    }
    if (label == 0 || name[text.length - 1] == '-' || ends_in_number(slice_of(name, text.length)))
        return ERROR_SYNTAX;
    memcpy(out, name, text.length);
    out[text.length] = '\0';
    return 0;
}

int name_normalise_pattern(struct slice text, char out[DOMAIN_NAME_SIZE])
{
    char name[DOMAIN_NAME_SIZE];
    if (text.length < 2 || text.data[0] != '*' || text.data[1] != '.')
        return name_normalise(text, out);
    int rc = name_normalise(slice_from(text, 2), name);
    size_t length = rc == 0 ? strlen(name) : 0;
    if (rc != 0 || length + 2 >= DOMAIN_NAME_SIZE)
        return ERROR_SYNTAX;
    memcpy(out, "*.", 2);
    memcpy(out + 2, name, length + 1);
    return 0;
}

bool name_is_row_name(struct slice text)
{
    if (text.length == 0 || text.length >= ROW_NAME_SIZE)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        char c = ascii_lower(text.data[i]);
        bool is_alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!is_alphanumeric && (i == 0 || (c != '-' && c != '_' && c != '.')))
            return false;
    }
    return true;
}
