/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolver.h - questions to the name service, answered from a small cache or by c-ares, without waiting.
 * In:    a name and a type. Out: the records with their order as received, or whether there are none or the service
 *        failed: these two are never confused.
 * Never: calls back from within resolver_ask(), asks twice what is being asked, reads hosts files or search lists.
 * The public way to it is net/locate.h.
 */
#ifndef TRELAY_NET_RESOLVER_H
#define TRELAY_NET_RESOLVER_H

#include "base/attributes.h"
#include "base/list.h"
#include "base/why.h"
#include "loop/loop.h"
#include "net/service_order.h"

#include <stdbool.h>
#include <stdint.h>

struct resolver;

struct resolver_settings {
    const char *servers;     /* "192.0.2.1:53,[2001:db8::1]:53"; NULL or "": those of resolv.conf */
    uint32_t timeout_ms;     /* of the first try; 0: 2000 */
    uint32_t tries;          /* of each server; 0: 3 */
    uint32_t cache_entries;  /* 0: 4096 */
    uint32_t ttl_min_s, ttl_max_s; /* what TTLs are clamped to; max 0: 3600 */
    uint32_t negative_ttl_s; /* how long "there are none" is believed; 0: 10 */
    service_random_fn *random; /* for weights; NULL: the kernel's */
    void *random_arg;
    uint64_t hash_seed;
};

/* One per worker, on its loop. */
int resolver_new(struct loop *loop, const struct resolver_settings *settings, struct resolver **resolver_r,
    struct why *why) MUST_CHECK;
/* All questions are cancelled or answered before it; not within an answer. */
void resolver_free(struct resolver *resolver);

/* Forgets the cache; questions under way go on. */
void resolver_forget(struct resolver *resolver);

enum resolver_type { RESOLVER_NONE = 0, RESOLVER_A, RESOLVER_AAAA, RESOLVER_SRV, RESOLVER_NAPTR };

enum resolver_status {
    RESOLVER_UNSET = 0,
    RESOLVER_FOUND,  /* at least one record */
    RESOLVER_EMPTY,  /* NXDOMAIN, or no record of this type */
    RESOLVER_FAILED, /* server failure, refusal, timeout, malformed: nothing is known */
};

/* A constant while the callback runs. */
struct resolver_answer {
    enum resolver_status status;
    enum resolver_type type;
    const char *failure; /* when FAILED; static */
    bool is_silent;      /* when FAILED: a server did not answer in time */
    size_t count;
    union {
        const struct address *addresses;
        const struct service_target *targets;    /* SRV */
        const struct service_pointer *pointers;  /* NAPTR */
    };
};

typedef void resolver_answer_fn(void *arg, const struct resolver_answer *answer);

/* One who waits; embedded in its owner. */
struct resolver_query {
    struct list_node node;
    resolver_answer_fn *answered;
    void *arg;
    struct resolver_entry *entry;
};

/* NAME in ASCII, at most 255 bytes. 0, ERROR_SYNTAX (no such name can exist), ERROR_LIMIT (too many questions under
 * way) or ERROR_MEMORY. After 0 the answer comes once, in this or a later turn, unless cancelled. */
int resolver_ask(struct resolver *resolver, enum resolver_type type, const char *name, resolver_answer_fn *answered,
    void *arg, struct resolver_query *query) MUST_CHECK;
/* Allowed for one that is answered. */
void resolver_query_cancel(struct resolver *resolver, struct resolver_query *query);

struct loop *resolver_loop(const struct resolver *resolver);
/* A number below BOUND from the source of the settings. */
uint32_t resolver_random(struct resolver *resolver, uint32_t bound);

struct resolver_counters {
    uint64_t asked;  /* questions that went out */
    uint64_t cached; /* answered from the cache */
    uint64_t joined; /* waited for somebody else's question */
    uint64_t failed;
};
const struct resolver_counters *resolver_counters(const struct resolver *resolver);

#endif
