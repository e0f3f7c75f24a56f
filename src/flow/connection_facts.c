/* SPDX-License-Identifier: GPL-2.0-or-later */
/* connection_facts.c - counted facts of a connection; see connection_facts.h. */
#include "flow/connection_facts.h"

#include "base/integer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct connection_facts *connection_facts_new(void)
{
    struct connection_facts *facts = calloc(1, sizeof(*facts));
    if (facts != NULL)
        atomic_init(&facts->references, 1);
    return facts;
}

struct connection_facts *connection_facts_ref(struct connection_facts *facts)
{
    if (facts != NULL)
        atomic_fetch_add_explicit(&facts->references, 1, memory_order_relaxed);
    return facts;
}

void connection_facts_unref(struct connection_facts *facts)
{
    if (facts == NULL || atomic_fetch_sub_explicit(&facts->references, 1, memory_order_acq_rel) != 1)
        return;
    certificate_facts_free(facts->certificate);
    free(facts->identities);
    for (unsigned i = 0; i < CONNECTION_TEXT_COUNT; i++)
        free(atomic_load_explicit(&facts->texts[i], memory_order_relaxed));
    free(facts);
}

void connection_facts_begin(struct connection_facts *facts)
{
    atomic_fetch_add_explicit(&facts->under_way, 1, memory_order_relaxed);
}

/* Who sees that nothing is under way sees all that was done before. */
void connection_facts_end(struct connection_facts *facts)
{
    atomic_fetch_sub_explicit(&facts->under_way, 1, memory_order_release);
}

unsigned connection_facts_under_way(const struct connection_facts *facts)
{
    return atomic_load_explicit(&facts->under_way, memory_order_acquire);
}

void connection_facts_withdraw(struct connection_facts *facts)
{
    atomic_store_explicit(&facts->is_withdrawn, true, memory_order_release);
}

bool connection_facts_is_withdrawn(const struct connection_facts *facts)
{
    return atomic_load_explicit(&facts->is_withdrawn, memory_order_acquire);
}

const char *connection_facts_text(const struct connection_facts *facts, enum connection_text which)
{
    return atomic_load_explicit(&facts->texts[which], memory_order_acquire);
}

const char *connection_facts_keep_text(struct connection_facts *facts, enum connection_text which,
    struct buffer *made)
{
    char *first = NULL;
    if (atomic_compare_exchange_strong_explicit(&facts->texts[which], &first, made->data, memory_order_acq_rel,
            memory_order_acquire)) {
        first = made->data;
        *made = BUFFER_EMPTY;
    }
    buffer_free(made);
    return first;
}

const char *connection_id_print(struct connection_handle handle, char out[CONNECTION_ID_SIZE])
{
    snprintf(out, CONNECTION_ID_SIZE, "%" PRIu32 ".%" PRIu32 ".%" PRIu64, handle.worker, handle.slot,
        handle.generation);
    return out;
}

bool connection_id_parse(struct slice text, struct connection_handle *handle_r)
{
    uint64_t parts[3];
    for (unsigned i = 0; i < 3; i++) {
        size_t end = i < 2 ? slice_find(text, '.', 0) : text.length;
        if (integer_parse(slice_first(text, end), i < 2 ? UINT32_MAX : UINT64_MAX, &parts[i]) != 0)
            return false;
        text = slice_from(text, end + 1);
    }
    *handle_r = (struct connection_handle){ .worker = (uint32_t)parts[0], .slot = (uint32_t)parts[1],
        .generation = parts[2] };
    return true;
}
