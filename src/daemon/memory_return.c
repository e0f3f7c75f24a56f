/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memory_return.c - see memory_return.h. The allocator keeps what lies between two pieces that are in use, and the
 * remains of a peak lie everywhere.
 */
#include "daemon/memory_return.h"

#include <malloc.h>

/* Some MiB: less is not worth the workers' waiting for their heaps. */
enum { LEAST = 4000 };

bool memory_return_look(struct memory_return *memory, uint64_t held)
{
    if (held > memory->peak)
        memory->peak = held;
    if (memory->peak - held < LEAST || held > memory->peak / 2)
        return false;
    memory->peak = held;
    (void)malloc_trim(0);
    return true;
}
