/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base64url.h - bytes as text that may stand in a URI, RFC 4648 5, without padding.
 * Never: reads two texts as the same bytes: bits that mean nothing must be zero.
 */
#ifndef TRELAY_BASE_BASE64URL_H
#define TRELAY_BASE_BASE64URL_H

#include "base/attributes.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

#define BASE64URL_LENGTH(bytes) (((bytes) * 4 + 2) / 3)

/* OUT has room for BASE64URL_LENGTH(LENGTH); no NUL is written. Returns how many were. */
size_t base64url_print(const uint8_t *bytes, size_t length, char *out);

/* 0 with *LENGTH_R bytes in OUT, or ERROR_SYNTAX, or ERROR_LIMIT when they are more than SIZE. */
int base64url_parse(struct slice text, uint8_t *out, size_t size, size_t *length_r) MUST_CHECK;

#endif
