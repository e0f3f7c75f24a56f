/* SPDX-License-Identifier: GPL-2.0-or-later */
/* name.c - the one normaliser; see name.h. */
#include "policy/name.h"

#include "base/address.h"
#include "base/error.h"

enum { LABEL_MAX = 63, NAME_MAX_LENGTH = 253 };

/* The byte as a normal name has it, or 0: none has it. */
#define LETTER(upper, lower) [upper] = lower, [lower] = lower
static const char normal_form[256] = { LETTER('A', 'a'), LETTER('B', 'b'), LETTER('C', 'c'), LETTER('D', 'd'),
    LETTER('E', 'e'), LETTER('F', 'f'), LETTER('G', 'g'), LETTER('H', 'h'), LETTER('I', 'i'), LETTER('J', 'j'),
    LETTER('K', 'k'), LETTER('L', 'l'), LETTER('M', 'm'), LETTER('N', 'n'), LETTER('O', 'o'), LETTER('P', 'p'),
    LETTER('Q', 'q'), LETTER('R', 'r'), LETTER('S', 's'), LETTER('T', 't'), LETTER('U', 'u'), LETTER('V', 'v'),
    LETTER('W', 'w'), LETTER('X', 'x'), LETTER('Y', 'y'), LETTER('Z', 'z'), ['0'] = '0', ['1'] = '1', ['2'] = '2',
    ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['-'] = '-',
    ['_'] = '_', ['.'] = '.' };
#undef LETTER

static bool is_label(const char *label, size_t length)
{
    return length > 0 && length <= LABEL_MAX && label[0] != '-' && label[length - 1] != '-';
}

/* Digits alone in the last label, or 0x and hexadecimal digits: an address or a mistake for one, as resolvers that
 * understand "0x7f000001" make, and never a domain (RFC 3696 section 2). */
static bool ends_in_number(struct slice label)
{
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
    size_t label = 0; /* where the last one begins */
    for (size_t i = 0; i < text.length; i++) {
        char c = normal_form[(unsigned char)text.data[i]];
        if (c == '\0' || (c == '.' && !is_label(name + label, i - label)))
            return ERROR_SYNTAX;
        if (c == '.')
            label = i + 1;
        name[i] = c;
    }
    if (!is_label(name + label, text.length - label) || ends_in_number(slice_of(name + label, text.length - label)))
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
