/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_limit.c - how many connections of each class a worker has, and which one makes room for another (INV-34).
 * In:    a class that is to grow. Out: room, at the cost of the class itself, or none.
 * Never: takes anything from another class: who proved nothing cannot push out, or keep out, who did.
 */
#include "base/error.h"
#include "base/hash.h"
#include "flow/flow_private.h"

#include <stdlib.h>

/* Of the connections that were silent longest, so many are looked at for one that nobody needs. */
enum { SPARE_LOOK_MAX = 32 };

static const struct {
    const char *name;
    bool is_verified;
} classes[FLOW_CLASS_COUNT] = {
#define X(code, word, verified) [code] = { word, verified },
    FLOW_CLASS_LIST(X)
#undef X
};

const char *flow_class_name(enum flow_class class)
{
    return class < FLOW_CLASS_COUNT ? classes[class].name : "unknown";
}

enum flow_class flow_class_of(const struct requirement_key *key)
{
    return level_needs_chain((enum level)key->level) ? FLOW_OPENED_VERIFIED : FLOW_OPENED;
}

/* What unverified connections of all workers share, beside the budget of each class: file descriptors. */
static struct flow_descriptors *shared(const struct flow_pool *pool, enum flow_class class)
{
    return classes[class].is_verified ? NULL : pool->settings.unverified;
}

static bool fits(const struct flow_pool *pool, enum flow_class class)
{
    const struct flow_descriptors *descriptors = shared(pool, class);
    if (pool->classes[class].count >= pool->settings.max[class])
        return false;
    return descriptors == NULL ||
        atomic_load_explicit(&descriptors->used, memory_order_relaxed) < descriptors->max;
}

void flow_class_join(struct flow *flow, enum flow_class class)
{
    struct flow_pool *pool = flow->pool;
    struct flow_descriptors *descriptors = shared(pool, class);
    flow->class = class;
    pool->classes[class].count++;
    list_append(&pool->classes[class].by_use, &flow->by_use);
    if (descriptors != NULL)
        atomic_fetch_add_explicit(&descriptors->used, 1, memory_order_relaxed);
}

void flow_class_leave(struct flow *flow)
{
    struct flow_pool *pool = flow->pool;
    struct flow_descriptors *descriptors = shared(pool, flow->class);
    if (!list_holds(&flow->by_use))
        return;
    list_remove(&flow->by_use);
    pool->classes[flow->class].count--;
    if (descriptors != NULL)
        atomic_fetch_sub_explicit(&descriptors->used, 1, memory_order_relaxed);
}

void flow_note_use(struct flow *flow)
{
    flow->used_ms = pool_now_ms(flow->pool);
    list_remove(&flow->by_use);
    list_append(&flow->pool->classes[flow->class].by_use, &flow->by_use);
}

/* Nobody waits for it or on it: what is lost is a handshake. An accepted one may be lost before it is ready, too:
 * whoever does not finish its handshake must not keep out those that would. */
static bool is_spare(const struct flow *flow)
{
    bool is_ready = flow->state == CONNECTION_READY || flow->state == CONNECTION_DRAINING;
    return !flow->is_closing && flow->waiter_count == 0 && (is_ready || flow->is_accepted) && !flow_is_busy(flow);
}

static struct flow *find_spare(const struct flow_pool *pool, enum flow_class class)
{
    unsigned looked_at = 0;
    list_for_each (node, &pool->classes[class].by_use) {
        struct flow *flow = CONTAINER_OF(node, struct flow, by_use);
        if (is_spare(flow))
            return flow;
        if (++looked_at >= SPARE_LOOK_MAX)
            break;
    }
    return NULL;
}

bool flow_pool_has_room(const struct flow_pool *pool, enum flow_class class)
{
    return !pool->is_draining && (fits(pool, class) || find_spare(pool, class) != NULL);
}

bool flow_pool_make_room(struct flow_pool *pool, enum flow_class class)
{
    struct flow *spare;
    if (pool->is_draining)
        return false;
    if (fits(pool, class))
        return true;
    spare = find_spare(pool, class);
    if (spare != NULL)
        flow_end(spare, REASON_LIMIT, NULL);
    return fits(pool, class);
}

/* Once a second: a flood must not become one of the log, too. */
void flow_pool_note_full(struct flow_pool *pool, enum flow_class class, const struct endpoint *peer)
{
    int64_t now_s = loop_wall_s(pool->loop);
    pool->counts.refused++;
    if (pool->full_logged_at == now_s)
        return;
    pool->full_logged_at = now_s;
    log_event(&pool->scope, LOG_LEVEL_WARN, LOG_EVENT_CONNECTION_FAILED, LOG_ENDPOINT("peer", peer),
        LOG_STRING("reason", reason_word(REASON_LIMIT)), LOG_STRING("class", flow_class_name(class)),
        LOG_UNSIGNED("connections", pool->classes[class].count));
}

/* One address that has connected to us. */
struct flow_origin {
    struct table_node node;
    struct address address;
    uint32_t count;
};

static uint64_t hash_of(const struct flow_pool *pool, const struct address *address)
{
    return hash_bytes(address->bytes, sizeof(address->bytes), pool->settings.hash_seed);
}

static struct flow_origin *find_origin(const struct flow_pool *pool, const struct address *address)
{
    struct table_node *node = table_first(&pool->origins, hash_of(pool, address));
    for (; node != NULL; node = table_next(node)) {
        struct flow_origin *origin = CONTAINER_OF(node, struct flow_origin, node);
        if (address_equal(&origin->address, address))
            return origin;
    }
    return NULL;
}

bool flow_origin_is_full(const struct flow_pool *pool, const struct address *address)
{
    const struct flow_origin *origin = find_origin(pool, address);
    return origin != NULL && origin->count >= pool->settings.max_each;
}

int flow_origin_join(struct flow *flow)
{
    struct flow_pool *pool = flow->pool;
    const struct address *address = &flow->peer.address;
    struct flow_origin *origin = find_origin(pool, address);
    if (origin == NULL) {
        origin = calloc(1, sizeof(*origin));
        if (origin == NULL)
            return ERROR_MEMORY;
        origin->address = *address;
        table_insert(&pool->origins, &origin->node, hash_of(pool, address));
    }
    origin->count++;
    flow->origin = origin;
    return 0;
}

void flow_origin_leave(struct flow *flow)
{
    struct flow_origin *origin = flow->origin;
    flow->origin = NULL;
    if (origin == NULL || --origin->count > 0)
        return;
    table_remove(&flow->pool->origins, &origin->node);
    free(origin);
}
