/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model_memory.c - memory that is refused to the pool, when the scheduler says so; never to the model itself. */
#include "model.h"

static bool is_refused(void)
{
    bool is_hit = model()->is_ours && model()->refuse_in > 0 && --model()->refuse_in == 0;
    model()->failures += is_hit;
    return is_hit;
}

#include "refused_memory.h"
