/* SPDX-License-Identifier: GPL-2.0-or-later */
/* backoff.c - see backoff.h. */
#include "flow/backoff.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* After its hold a failure is remembered for so long: what fails whenever it is tried is known all the time. */
enum { ENTRIES_MAX = 65536, MEMORY_MS = 60000 };

struct entry {
    struct table_node node;
    struct list_node link;
    int64_t failed_ms, until_ms;
    uint32_t hold_ms; /* of the last failure */
    uint16_t length;
    uint8_t bytes[];
};

int backoff_init(struct backoff_book *book, uint32_t first_ms, uint32_t longest_ms)
{
    *book = (struct backoff_book){ .first_ms = first_ms,
        .longest_ms = longest_ms > first_ms ? longest_ms : first_ms };
    list_init(&book->by_failure);
    return table_init(&book->entries);
}

static void drop(struct backoff_book *book, struct entry *entry)
{
    table_remove(&book->entries, &entry->node);
    list_remove(&entry->link);
    free(entry);
}

static struct entry *oldest(const struct backoff_book *book)
{
    return CONTAINER_OF(book->by_failure.head.next, struct entry, link);
}

void backoff_clear(struct backoff_book *book)
{
    while (!list_is_empty(&book->by_failure))
        drop(book, oldest(book));
}

void backoff_fini(struct backoff_book *book)
{
    backoff_clear(book);
    table_fini(&book->entries);
}

void backoff_place(const struct requirement_key *fields, uint64_t seed, struct connection_key *place_r)
{
    struct requirement_key place;
    memset(&place, 0, sizeof(place));
    place.role = fields->role;
    place.transport = fields->transport;
    place.destination = fields->destination;
    place.local = fields->local;
    connection_key_encode(&place, seed, place_r);
}

static struct entry *find(const struct backoff_book *book, const struct connection_key *key)
{
    if (book->entries.count == 0)
        return NULL;
    for (struct table_node *node = table_first(&book->entries, key->hash); node != NULL; node = table_next(node)) {
        struct entry *entry = CONTAINER_OF(node, struct entry, node);
        if (entry->length == key->length && memcmp(entry->bytes, key->bytes, key->length) == 0)
            return entry;
    }
    return NULL;
}

static struct entry *add(struct backoff_book *book, const struct connection_key *key)
{
    struct entry *entry = malloc(sizeof(*entry) + key->length);
    if (entry == NULL)
        return NULL;
    if (book->entries.count >= ENTRIES_MAX)
        drop(book, oldest(book));
    *entry = (struct entry){ .length = key->length };
    memcpy(entry->bytes, key->bytes, key->length);
    table_insert(&book->entries, &entry->node, key->hash);
    return entry;
}

void backoff_failed(struct backoff_book *book, const struct connection_key *key, int64_t now_ms)
{
    if (book->first_ms == 0)
        return;
    struct entry *entry = find(book, key);
    if (entry == NULL && (entry = add(book, key)) == NULL)
        return;
    /* Those that fail while it is held were under way: they are no further evidence. */
    if (now_ms >= entry->until_ms) {
        uint64_t hold_ms = entry->hold_ms == 0 ? book->first_ms : 2 * (uint64_t)entry->hold_ms;
        entry->hold_ms = hold_ms < book->longest_ms ? (uint32_t)hold_ms : book->longest_ms;
        entry->until_ms = now_ms + entry->hold_ms;
    }
    entry->failed_ms = now_ms;
    list_remove(&entry->link);
    list_append(&book->by_failure, &entry->link);
}

void backoff_hold(struct backoff_book *book, const struct connection_key *key, int64_t now_ms, uint64_t hold_ms)
{
    if (book->first_ms == 0)
        return;
    struct entry *entry = find(book, key);
    if (entry == NULL && (entry = add(book, key)) == NULL)
        return;
    int64_t until_ms = now_ms + (int64_t)(hold_ms < book->longest_ms ? hold_ms : book->longest_ms);
    entry->until_ms = entry->until_ms > until_ms ? entry->until_ms : until_ms;
    entry->failed_ms = now_ms;
    list_remove(&entry->link);
    list_append(&book->by_failure, &entry->link);
}

void backoff_worked(struct backoff_book *book, const struct connection_key *key)
{
    struct entry *entry = find(book, key);
    if (entry != NULL)
        drop(book, entry);
}

enum backoff_state backoff_state(const struct backoff_book *book, const struct connection_key *key, int64_t now_ms)
{
    const struct entry *entry = find(book, key);
    if (entry == NULL)
        return BACKOFF_NONE;
    return now_ms < entry->until_ms ? BACKOFF_HELD : BACKOFF_PROBATION;
}

void backoff_expire(struct backoff_book *book, int64_t now_ms)
{
    while (!list_is_empty(&book->by_failure) &&
        now_ms - oldest(book)->failed_ms > (int64_t)book->longest_ms + MEMORY_MS)
        drop(book, oldest(book));
}
