/* SPDX-License-Identifier: GPL-2.0-or-later */
/* demand.c - see demand.h. */
#include "flow/demand.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct demand {
    atomic_uint references;
    bool is_address_of_row, has_usual, is_senders_trust;
    struct policy_lookup_order order, usual;
    const char *next_hop_domain, *request_domain, *source_domain, *peer; /* behind the flags; NULL: none */
    const struct dialog_part *pin;                                       /* behind the demand; NULL: none */
    const struct flag_set *flags;                                        /* behind the pin; NULL: none */
};

static size_t size_of(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text)
{
    size_t size = size_of(text);
    char *start = *at;
    if (size == 0)
        return NULL;
    memcpy(start, text, size);
    *at += size;
    return start;
}

struct demand *demand_new(const struct requirement_question *question)
{
    const struct policy_query *query = &question->query;
    bool has_flags = question->flags != NULL && question->flags->bits != 0;
    size_t flags_size = has_flags ? sizeof(struct flag_set) : 0;
    size_t pin_size = question->pin != NULL ? sizeof(struct dialog_part) : 0;
    struct demand *demand = malloc(sizeof(*demand) + flags_size + pin_size + size_of(query->next_hop_domain) +
        size_of(query->request_domain) + size_of(query->source_domain) + size_of(query->peer));
    if (demand == NULL)
        return NULL;
    struct dialog_part *pin = (struct dialog_part *)(demand + 1);
    struct flag_set *flags = (struct flag_set *)(void *)((char *)pin + pin_size);
    char *text = (char *)flags + flags_size;
    atomic_init(&demand->references, 1);
    demand->is_address_of_row = question->is_address_of_row;
    demand->order = *question->order;
    demand->is_senders_trust = question->is_senders_trust;
    demand->has_usual = question->usual != NULL;
    if (demand->has_usual)
        demand->usual = *question->usual;
    demand->flags = NULL;
    demand->pin = NULL;
    if (question->pin != NULL) {
        *pin = *question->pin;
        demand->pin = pin;
    }
    if (has_flags) {
        *flags = *question->flags;
        demand->flags = flags;
    }
    demand->next_hop_domain = put(&text, query->next_hop_domain);
    demand->request_domain = put(&text, query->request_domain);
    demand->source_domain = put(&text, query->source_domain);
    demand->peer = put(&text, query->peer);
    return demand;
}

struct demand *demand_ref(struct demand *demand)
{
    if (demand != NULL)
        atomic_fetch_add_explicit(&demand->references, 1, memory_order_relaxed);
    return demand;
}

void demand_unref(struct demand *demand)
{
    if (demand != NULL && atomic_fetch_sub_explicit(&demand->references, 1, memory_order_acq_rel) == 1)
        free(demand);
}

enum reason demand_ask(const struct demand *demand, const struct policy_snapshot *snapshot,
    const struct requirement_key *key, const struct capabilities *capabilities,
    const struct requirement_defaults *defaults, struct requirement *requirement_r, struct why *why)
{
    struct requirement_question question = {
        .query = { .next_hop_domain = demand->next_hop_domain, .request_domain = demand->request_domain,
            .source_domain = demand->source_domain, .peer = demand->peer },
        .order = &demand->order, .usual = demand->has_usual ? &demand->usual : NULL, .flags = demand->flags,
        .is_senders_trust = demand->is_senders_trust, .is_address_of_row = demand->is_address_of_row,
        .pin = demand->pin,
        .target = { .transport = (enum transport)key->transport, .endpoint = key->destination,
            .next_hop_domain = demand->next_hop_domain, .local = key->local },
    };
    return requirement_derive(snapshot, &question, capabilities, defaults, requirement_r, why);
}
