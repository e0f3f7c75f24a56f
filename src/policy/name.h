/* SPDX-License-Identifier: GPL-2.0-or-later */
/* name.h - the one normaliser of domain names and row names (INV-14).
 * In:    text from rows, flags, URIs, certificates. Out: A-label, lower case, no trailing dot.
 * Never: repairs: NUL, controls, non-ASCII, empty labels, labels over 63, names over 253, addresses
 *        and anything but letters, digits, hyphens and underscores are refused.
 */
#ifndef TRELAY_POLICY_NAME_H
#define TRELAY_POLICY_NAME_H

#include "base/attributes.h"
#include "base/slice.h"
#include "policy/verdict.h" /* DOMAIN_NAME_SIZE */

#include <stdbool.h>

enum { ROW_NAME_SIZE = 64 };

/* 0 or ERROR_SYNTAX; one trailing dot is dropped, letters become lower case. */
int name_normalise(struct slice text, char out[DOMAIN_NAME_SIZE]) MUST_CHECK;

/* A name, or "*." and a name. */
int name_normalise_pattern(struct slice text, char out[DOMAIN_NAME_SIZE]) MUST_CHECK;

/* Names of rows: letters, digits, '-', '_', '.', 1 to 63, beginning with a letter or digit; case counts. */
bool name_is_row_name(struct slice text);

#endif
