/* SPDX-License-Identifier: GPL-2.0-or-later */
/* integer.h - decimal text to numbers, with limits; no sign, no space, no overflow. */
#ifndef TRELAY_BASE_INTEGER_H
#define TRELAY_BASE_INTEGER_H

#include "base/attributes.h"
#include "base/slice.h"

#include <stdint.h>

/* All of S must be digits (at least one) and at most LIMIT: 0, ERROR_SYNTAX or ERROR_LIMIT. */
int integer_parse(struct slice s, uint64_t limit, uint64_t *value_r) MUST_CHECK;

#endif
