/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service_order.c - RFC 3263 section 4 and RFC 2782 without the network; see service_order.h. */
#include "net/service_order.h"

#include "base/attributes.h"
#include "base/slice.h"

#include <stdio.h>

/* Without a word of the domain's owner, in this order: TLS where it can be had (RFC 5630 5.3), then UDP, which is what
 * SIP means by default (RFC 3263 4.1). */
static const struct {
    enum transport transport;
    const char *srv_prefix;
    const char *naptr_service;
} services[] = {
    { TRANSPORT_TLS, "_sips._tcp.", "SIPS+D2T" },
    { TRANSPORT_UDP, "_sip._udp.", "SIP+D2U" },
    { TRANSPORT_TCP, "_sip._tcp.", "SIP+D2T" },
};

uint16_t transport_default_port(enum transport transport)
{
    return transport == TRANSPORT_TLS ? 5061 : 5060;
}

static bool holds(unsigned set, enum transport transport)
{
    return (set & 1u << transport) != 0;
}

/* The transports of a SIP URI. */
static unsigned sip_transports(const struct service_request *request)
{
    unsigned allowed = request->allowed & TRANSPORT_BITS_ALL;
    switch (request->transport) {
    case TRANSPORT_UNSET:
        return allowed;
    case TRANSPORT_TCP:
        /* Where TLS is wanted, TCP means TLS over it (RFC 3263 4.1: the transport below TLS). */
        return holds(allowed, TRANSPORT_TCP) ? TRANSPORT_BIT_TCP : allowed & TRANSPORT_BIT_TLS;
    case TRANSPORT_UDP:
        return allowed & TRANSPORT_BIT_UDP;
    case TRANSPORT_TLS:
        return allowed & TRANSPORT_BIT_TLS;
    }
    return 0;
}

static enum transport default_transport(unsigned transports)
{
    if (holds(transports, TRANSPORT_UDP))
        return TRANSPORT_UDP;
    return holds(transports, TRANSPORT_TCP) ? TRANSPORT_TCP : TRANSPORT_TLS;
}

enum reason service_plan(const struct service_request *request, struct service_plan *plan_r)
{
    if (request->is_sips && request->transport == TRANSPORT_UDP)
        return REASON_BAD_REQUEST;
    struct service_plan plan = { .method = SERVICE_BY_POINTER };
    plan.transports = request->is_sips ? request->allowed & TRANSPORT_BIT_TLS : sip_transports(request);
    if (plan.transports == 0)
        return request->is_sips ? REASON_SIPS_NOT_ALLOWED : REASON_PLAIN_TRANSPORT;
    plan.default_transport = default_transport(plan.transports);
    plan.default_port = request->port != 0 ? request->port : transport_default_port(plan.default_transport);
    if (request->is_literal || request->port != 0)
        plan.method = SERVICE_BY_ADDRESS;
    else if (request->transport != TRANSPORT_UNSET)
        plan.method = SERVICE_BY_TARGET;
    *plan_r = plan;
    return REASON_NONE;
}

static bool is_of_sip(const struct service_pointer *pointer)
{
    struct slice service = slice_of_string(pointer->service);
    return slice_starts_with_nocase(service, SLICE_LITERAL("SIP+")) ||
        slice_starts_with_nocase(service, SLICE_LITERAL("SIPS+"));
}

/* TRANSPORT_UNSET: none that the plan allows, or not of the form of RFC 3263 4.1. */
static enum transport pointer_transport(const struct service_plan *plan, const struct service_pointer *pointer)
{
    if (!slice_equal_nocase(slice_of_string(pointer->flags), SLICE_LITERAL("s")) || pointer->has_regexp ||
        pointer->replacement[0] == '\0')
        return TRANSPORT_UNSET;
    for (size_t i = 0; i < ARRAY_SIZE(services); i++)
        if (holds(plan->transports, services[i].transport) &&
            slice_equal_nocase(slice_of_string(pointer->service), slice_of_string(services[i].naptr_service)))
            return services[i].transport;
    return TRANSPORT_UNSET;
}

static bool comes_before(const struct service_pointer *a, const struct service_pointer *b)
{
    return a->order != b->order ? a->order < b->order : a->preference < b->preference;
}

size_t service_candidates_from_pointers(const struct service_plan *plan, const struct service_pointer *pointers,
    size_t count, struct service_candidate candidates_r[SERVICE_CANDIDATES_MAX], bool *is_sip_r)
{
    const struct service_pointer *chosen[SERVICE_CANDIDATES_MAX];
    size_t number = 0;
    *is_sip_r = false;
    for (size_t i = 0; i < count; i++) {
        *is_sip_r = *is_sip_r || is_of_sip(&pointers[i]);
        if (pointer_transport(plan, &pointers[i]) == TRANSPORT_UNSET)
            continue;
        /* Sorted in; of too many the last ones go. */
        size_t at = number < SERVICE_CANDIDATES_MAX ? number++ : SERVICE_CANDIDATES_MAX;
        while (at > 0 && comes_before(&pointers[i], chosen[at - 1])) {
            if (at < SERVICE_CANDIDATES_MAX)
                chosen[at] = chosen[at - 1];
            at--;
        }
        if (at < SERVICE_CANDIDATES_MAX)
            chosen[at] = &pointers[i];
    }
    for (size_t i = 0; i < number; i++) {
        candidates_r[i].transport = pointer_transport(plan, chosen[i]);
        memcpy(candidates_r[i].name, chosen[i]->replacement, SERVICE_NAME_SIZE);
    }
    return number;
}

size_t service_candidates_from_domain(const struct service_plan *plan, const char *domain,
    struct service_candidate candidates_r[SERVICE_CANDIDATES_MAX])
{
    size_t number = 0;
    for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
        if (!holds(plan->transports, services[i].transport))
            continue;
        struct service_candidate *candidate = &candidates_r[number];
        int length = snprintf(candidate->name, sizeof(candidate->name), "%s%s", services[i].srv_prefix, domain);
        if (length < 0 || (size_t)length >= sizeof(candidate->name))
            continue; /* longer than a name can be: there is no such record */
        candidate->transport = services[i].transport;
        number++;
    }
    return number;
}

static void swap(struct service_target *a, struct service_target *b)
{
    struct service_target old = *a;
    *a = *b;
    *b = old;
}

/* Moves record FROM to TO (not after it); what lies between moves up by one and keeps its order. */
static void move_up(struct service_target *targets, size_t from, size_t to)
{
    for (; from > to; from--)
        swap(&targets[from], &targets[from - 1]);
}

static void sort_by_priority(struct service_target *targets, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        size_t to = i;
        while (to > 0 && targets[to - 1].priority > targets[i].priority)
            to--;
        move_up(targets, i, to);
    }
}

/* RFC 2782: weights are summed up, a number is drawn, and the first record whose running sum reaches it is next. The
 * number 0, which the RFC draws too, is drawn only where it has somebody to choose: a record of weight 0, which
 * stands first. Elsewhere it would give the first record more than its weight. */
static void draw_by_weight(struct service_target *targets, size_t count, service_random_fn *draw, void *arg)
{
    size_t zeros = 0;
    for (size_t i = 0; i < count; i++)
        if (targets[i].weight == 0)
            move_up(targets, i, zeros++);
    for (size_t first = 0; first + 1 < count; first++) {
        uint32_t total = 0, sum = 0;
        for (size_t i = first; i < count; i++)
            total += targets[i].weight;
        if (total == 0)
            return; /* no selection is meant: the order of the answer */
        uint32_t drawn = targets[first].weight == 0 ? draw(arg, total + 1) : 1 + draw(arg, total);
        size_t i = first;
        while (i + 1 < count && (sum += targets[i].weight) < drawn)
            i++;
        move_up(targets, i, first);
    }
}

void service_targets_order(struct service_target *targets, size_t count, service_random_fn *draw, void *arg)
{
    sort_by_priority(targets, count);
    for (size_t start = 0, end; start < count; start = end) {
        end = start + 1;
        while (end < count && targets[end].priority == targets[start].priority)
            end++;
        draw_by_weight(targets + start, end - start, draw, arg);
    }
}

bool service_targets_refuse(const struct service_target *targets, size_t count)
{
    return count == 1 && targets[0].name[0] == '\0';
}
