/* SPDX-License-Identifier: GPL-2.0-or-later */
/* must.h - what a fuzz target demands of every input. */
#ifndef TRELAY_FUZZ_MUST_H
#define TRELAY_FUZZ_MUST_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* A property that holds for every input. */
#define MUST(condition)                                                          \
    do {                                                                         \
        if (!(condition)) {                                                      \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);      \
            abort();                                                             \
        }                                                                        \
    } while (0)

/* PART is absent, or inside WHOLE. */
static inline bool is_within(struct slice part, struct slice whole)
{
    return part.data == NULL ||
        (part.data >= whole.data && part.data + part.length <= whole.data + whole.length);
}

#endif
