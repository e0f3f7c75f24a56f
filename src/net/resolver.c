/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolver.c - c-ares on the loop, with a cache; see resolver.h.
 * An entry is a question and its answer. It is ASKED while c-ares works on it, READY from its answer until those who
 * wait have been told (at the end of the turn), and CACHED thereafter. Only CACHED entries are evicted.
 */
#include "net/resolver.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/table.h"
#include "net/dns_answer.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/select.h>

enum {
    SOCKETS_MAX = 64,       /* of c-ares: UDP and TCP of each server */
    FAILURE_TTL_MS = 1000,  /* a failed question is not asked again at once (RFC 2308 7.1) */
    EDNS_SIZE = 1232,       /* larger answers come over TCP: no fragments */
};

enum entry_state { ENTRY_NONE = 0, ENTRY_ASKED, ENTRY_READY, ENTRY_CACHED };

struct resolver_entry {
    struct table_node node;
    struct list_node link; /* in resolver.ready, or in resolver.cached (longest unused first) */
    struct resolver *resolver;
    struct list waiters;
    enum entry_state state;
    struct resolver_answer answer;
    void *records; /* what the answer points at */
    uint64_t expires_ms;
    bool is_forgotten; /* asked before resolver_forget() */
    char name[]; /* lower case */
};

struct resolver_socket {
    int fd;
    struct loop_watch *watch; /* NULL: free */
    struct resolver *resolver;
};

struct resolver {
    struct loop *loop;
    struct resolver_settings settings;
    ares_channel channel;
    struct loop_timer timer;
    struct loop_deferred end_of_turn;
    struct table entries;
    struct list ready, cached;
    struct resolver_counters counters;
    bool is_ending;
    struct resolver_socket sockets[SOCKETS_MAX];
};

static void free_entry(struct resolver_entry *entry)
{
    table_remove(&entry->resolver->entries, &entry->node);
    list_remove(&entry->link);
    free(entry->records);
    free(entry);
}

/* c-ares tells which sockets it wants watched; neither flag: it is about to close this one. */
static struct resolver_socket *find_socket(struct resolver *resolver, int fd)
{
    struct resolver_socket *unused = NULL;
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        if (resolver->sockets[i].watch == NULL)
            unused = unused != NULL ? unused : &resolver->sockets[i];
        else if (resolver->sockets[i].fd == fd)
            return &resolver->sockets[i];
    }
    return unused;
}

static void on_ready(void *arg, unsigned events)
{
    struct resolver_socket *socket = arg;
    struct resolver *resolver = socket->resolver;
    int fd = socket->fd;
    ares_process_fd(resolver->channel, (events & LOOP_READABLE) != 0 ? fd : ARES_SOCKET_BAD,
        (events & LOOP_WRITABLE) != 0 ? fd : ARES_SOCKET_BAD);
    loop_defer(resolver->loop, &resolver->end_of_turn);
}

static void on_socket_state(void *arg, ares_socket_t fd, int is_readable, int is_writable)
{
    struct resolver *resolver = arg;
    struct resolver_socket *socket = find_socket(resolver, fd);
    unsigned events = (is_readable ? LOOP_READABLE : 0u) | (is_writable ? LOOP_WRITABLE : 0u);
    if (socket == NULL)
        return; /* not watched: its questions time out */
    if (socket->watch == NULL && events != 0) {
        *socket = (struct resolver_socket){ .fd = fd, .resolver = resolver };
        if (loop_watch_new(resolver->loop, fd, on_ready, socket, &socket->watch) != 0)
            socket->watch = NULL;
    }
    if (socket->watch != NULL && (events == 0 || loop_watch_want(socket->watch, events) != 0)) {
        loop_watch_free(socket->watch);
        socket->watch = NULL;
    }
}

static void on_timer(void *arg)
{
    struct resolver *resolver = arg;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    loop_defer(resolver->loop, &resolver->end_of_turn);
}

static void set_timer(struct resolver *resolver)
{
    struct timeval left;
    if (ares_timeout(resolver->channel, NULL, &left) == NULL) {
        loop_timer_stop(resolver->loop, &resolver->timer);
        return;
    }
    uint64_t left_ms = (uint64_t)left.tv_sec * 1000 + (uint64_t)left.tv_usec / 1000;
    loop_timer_start(resolver->loop, &resolver->timer, left_ms + 1);
}

/* An entry whose answer is told joins the cache, or goes when it is of no further use. */
static void settle_entry(struct resolver_entry *entry)
{
    struct resolver *resolver = entry->resolver;
    if (entry->is_forgotten || entry->expires_ms <= loop_now_ms(resolver->loop)) {
        free_entry(entry);
        return;
    }
    entry->state = ENTRY_CACHED;
    list_append(&resolver->cached, &entry->link);
}

static void tell_waiters(struct resolver_entry *entry)
{
    struct list_node *node;
    while ((node = list_take_first(&entry->waiters)) != NULL) {
        struct resolver_query *query = CONTAINER_OF(node, struct resolver_query, node);
        query->entry = NULL;
        query->answered(query->arg, &entry->answer);
    }
}

static void on_end_of_turn(void *arg)
{
    struct resolver *resolver = arg;
    while (!list_is_empty(&resolver->ready)) {
        struct resolver_entry *entry = CONTAINER_OF(resolver->ready.head.next, struct resolver_entry, link);
        tell_waiters(entry); /* who asks the same meanwhile joins those who wait */
        list_remove(&entry->link);
        settle_entry(entry);
    }
    set_timer(resolver);
}

static uint32_t clamp_ttl(const struct resolver_settings *settings, uint32_t ttl_s)
{
    if (ttl_s > settings->ttl_max_s)
        return settings->ttl_max_s;
    return ttl_s < settings->ttl_min_s ? settings->ttl_min_s : ttl_s;
}

/* Returns how long the answer holds, in milliseconds. */
static uint64_t read_answer(struct resolver_entry *entry, int status, const unsigned char *bytes, int length)
{
    const struct resolver_settings *settings = &entry->resolver->settings;
    struct dns_answer found = { 0 };
    bool is_answered = status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND;
    if (is_answered && !dns_answer_is_response(bytes, length))
        status = ARES_EBADRESP;
    if (status == ARES_SUCCESS) {
        int rc = dns_answer_read(entry->answer.type, bytes, length, &found);
        status = rc == 0 ? ARES_SUCCESS : rc == ERROR_MEMORY ? ARES_ENOMEM : ARES_EBADRESP;
    }
    if (status == ARES_SUCCESS && found.count > 0) {
        entry->records = found.records;
        entry->answer.status = RESOLVER_FOUND;
        entry->answer.count = found.count;
        entry->answer.addresses = found.records; /* or one of its brothers in the union */
        return (uint64_t)clamp_ttl(settings, found.ttl_s) * 1000;
    }
    free(found.records);
    /* EBADNAME: what cannot be asked cannot be there. */
    if (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND || status == ARES_EBADNAME) {
        entry->answer.status = RESOLVER_EMPTY;
        return (uint64_t)settings->negative_ttl_s * 1000;
    }
    entry->answer.status = RESOLVER_FAILED;
    entry->answer.failure = status == ARES_ECONNREFUSED ? "every server refuses or reports a failure"
        : ares_strerror(status);
    entry->resolver->counters.failed++;
    return FAILURE_TTL_MS;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *bytes, int length)
{
    struct resolver_entry *entry = arg;
    struct resolver *resolver = entry->resolver;
    if (resolver->is_ending)
        return;
    /* The status does not tell: c-ares tries the next server when one reports a failure, and forgets the report. */
    entry->answer.is_silent = timeouts > 0;
    entry->expires_ms = loop_now_ms(resolver->loop) + read_answer(entry, status, bytes, length);
    entry->state = ENTRY_READY;
    list_append(&resolver->ready, &entry->link);
    loop_defer(resolver->loop, &resolver->end_of_turn);
}

static int open_channel(struct resolver *resolver, struct why *why)
{
    const struct resolver_settings *settings = &resolver->settings;
    struct ares_options options = { .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
        .timeout = (int)settings->timeout_ms, .tries = (int)settings->tries, .ednspsz = EDNS_SIZE,
        .sock_state_cb = on_socket_state, .sock_state_cb_data = resolver };
    int status = ares_init_options(&resolver->channel, &options,
        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS)
        return why_fail(why, status == ARES_ENOMEM ? ERROR_MEMORY : ERROR_SYSTEM, "name service: %s",
            ares_strerror(status));
    if (settings->servers != NULL && settings->servers[0] != '\0')
        status = ares_set_servers_ports_csv(resolver->channel, settings->servers);
    if (status != ARES_SUCCESS) {
        ares_destroy(resolver->channel);
        return why_fail(why, ERROR_SYNTAX, "name servers \"%s\": %s", settings->servers, ares_strerror(status));
    }
    return 0;
}

static uint32_t kernel_random(void *arg, uint32_t bound)
{
    uint64_t number = 0;
    (void)arg;
    /* Without entropy the first of equals is chosen: a matter of load, not of safety. */
    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
        return 0;
    return (uint32_t)(number % bound);
}

static uint32_t or_default(uint32_t value, uint32_t value_if_0)
{
    return value != 0 ? value : value_if_0;
}

int resolver_new(struct loop *loop, const struct resolver_settings *settings, struct resolver **resolver_r,
    struct why *why)
{
    if (settings->timeout_ms > INT32_MAX || settings->tries > 1000)
        return why_fail(why, ERROR_LIMIT, "name service: timeout or tries are too large");
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    if (resolver == NULL)
        return why_fail(why, ERROR_MEMORY, "out of memory");
    resolver->loop = loop;
    resolver->settings = *settings;
    resolver->settings.timeout_ms = or_default(settings->timeout_ms, 2000);
    resolver->settings.tries = or_default(settings->tries, 3);
    resolver->settings.cache_entries = or_default(settings->cache_entries, 4096);
    resolver->settings.ttl_max_s = or_default(settings->ttl_max_s, 3600);
    resolver->settings.negative_ttl_s = or_default(settings->negative_ttl_s, 10);
    if (settings->random == NULL)
        resolver->settings.random = kernel_random;
    list_init(&resolver->ready);
    list_init(&resolver->cached);
    loop_timer_init(&resolver->timer, on_timer, resolver);
    loop_deferred_init(&resolver->end_of_turn, on_end_of_turn, resolver);
    int rc = table_init(&resolver->entries);
    if (rc == 0) {
        rc = open_channel(resolver, why);
        if (rc == 0) {
            resolver->settings.servers = NULL; /* borrowed for the call */
            *resolver_r = resolver;
            return 0;
        }
        table_fini(&resolver->entries);
    }
    free(resolver);
    return rc;
}

void resolver_free(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    resolver->is_ending = true;
    ares_destroy(resolver->channel);
    loop_timer_stop(resolver->loop, &resolver->timer);
    loop_deferred_cancel(&resolver->end_of_turn);
    struct table_node *node;
    while ((node = table_walk(&resolver->entries, NULL)) != NULL) {
        struct resolver_entry *entry = CONTAINER_OF(node, struct resolver_entry, node);
        assert(list_is_empty(&entry->waiters));
        free_entry(entry);
    }
    table_fini(&resolver->entries);
    free(resolver);
}

void resolver_forget(struct resolver *resolver)
{
    while (!list_is_empty(&resolver->cached))
        free_entry(CONTAINER_OF(resolver->cached.head.next, struct resolver_entry, link));
    for (struct table_node *node = NULL; (node = table_walk(&resolver->entries, node)) != NULL;)
        CONTAINER_OF(node, struct resolver_entry, node)->is_forgotten = true;
}

/* Lower case, without the dot at the end; ERROR_SYNTAX for what is no name at all. */
static int canonical_name(const char *name, char out[SERVICE_NAME_SIZE])
{
    size_t length = strnlen(name, SERVICE_NAME_SIZE + 1);
    if (length > 0 && name[length - 1] == '.')
        length--;
    if (length == 0 || length >= SERVICE_NAME_SIZE)
        return ERROR_SYNTAX;
    for (size_t i = 0; i < length; i++) {
        if (name[i] <= ' ' || name[i] > '~' || (name[i] == '.' && (i == 0 || name[i - 1] == '.')))
            return ERROR_SYNTAX;
        out[i] = ascii_lower(name[i]);
    }
    out[length] = '\0';
    return 0;
}

static uint64_t hash_of(const struct resolver *resolver, enum resolver_type type, const char *name)
{
    return hash_bytes(name, strlen(name), resolver->settings.hash_seed + (uint64_t)type);
}

static struct resolver_entry *find_entry(const struct resolver *resolver, enum resolver_type type, const char *name)
{
    struct table_node *node = table_first(&resolver->entries, hash_of(resolver, type, name));
    for (; node != NULL; node = table_next(node)) {
        struct resolver_entry *entry = CONTAINER_OF(node, struct resolver_entry, node);
        if (entry->answer.type == type && !entry->is_forgotten && strcmp(entry->name, name) == 0)
            return entry;
    }
    return NULL;
}

static int new_entry(struct resolver *resolver, enum resolver_type type, const char *name,
    struct resolver_entry **entry_r)
{
    if (resolver->entries.count >= resolver->settings.cache_entries) {
        if (list_is_empty(&resolver->cached))
            return ERROR_LIMIT; /* all are being asked */
        free_entry(CONTAINER_OF(resolver->cached.head.next, struct resolver_entry, link));
    }
    size_t length = strlen(name);
    struct resolver_entry *entry = malloc(sizeof(*entry) + length + 1);
    if (entry == NULL)
        return ERROR_MEMORY;
    *entry = (struct resolver_entry){ .resolver = resolver, .state = ENTRY_ASKED, .answer = { .type = type } };
    memcpy(entry->name, name, length + 1);
    list_init(&entry->waiters);
    table_insert(&resolver->entries, &entry->node, hash_of(resolver, type, name));
    *entry_r = entry;
    return 0;
}

static void join(struct resolver_entry *entry, resolver_answer_fn *answered, void *arg, struct resolver_query *query)
{
    *query = (struct resolver_query){ .answered = answered, .arg = arg, .entry = entry };
    list_append(&entry->waiters, &query->node);
}

/* A cached answer is told like a fresh one: at the end of the turn. */
static void take_from_cache(struct resolver_entry *entry)
{
    struct resolver *resolver = entry->resolver;
    list_remove(&entry->link);
    entry->state = ENTRY_READY;
    list_append(&resolver->ready, &entry->link);
    loop_defer(resolver->loop, &resolver->end_of_turn);
}

int resolver_ask(struct resolver *resolver, enum resolver_type type, const char *name, resolver_answer_fn *answered,
    void *arg, struct resolver_query *query)
{
    char canonical[SERVICE_NAME_SIZE];
    int rc = canonical_name(name, canonical);
    if (rc != 0)
        return rc;
    struct resolver_entry *entry = find_entry(resolver, type, canonical);
    if (entry != NULL && entry->state == ENTRY_CACHED && entry->expires_ms <= loop_now_ms(resolver->loop)) {
        free_entry(entry);
        entry = NULL;
    }
    if (entry != NULL) {
        if (entry->state == ENTRY_ASKED)
            resolver->counters.joined++;
        else
            resolver->counters.cached++;
        join(entry, answered, arg, query);
        if (entry->state == ENTRY_CACHED)
            take_from_cache(entry);
        return 0;
    }
    rc = new_entry(resolver, type, canonical, &entry);
    if (rc != 0)
        return rc;
    join(entry, answered, arg, query);
    resolver->counters.asked++;
    ares_query(resolver->channel, entry->name, ns_c_in, dns_answer_type(type), on_answer, entry);
    loop_defer(resolver->loop, &resolver->end_of_turn); /* for the timer */
    return 0;
}

void resolver_query_cancel(struct resolver *resolver, struct resolver_query *query)
{
    (void)resolver;
    if (query->entry == NULL)
        return;
    list_remove(&query->node);
    query->entry = NULL;
}

struct loop *resolver_loop(const struct resolver *resolver)
{
    return resolver->loop;
}

uint32_t resolver_random(struct resolver *resolver, uint32_t bound)
{
    return resolver->settings.random(resolver->settings.random_arg, bound);
}

const struct resolver_counters *resolver_counters(const struct resolver *resolver)
{
    return &resolver->counters;
}
