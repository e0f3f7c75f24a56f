/* SPDX-License-Identifier: GPL-2.0-or-later */
/* held.c - see held.h. */
#include "relay/held.h"

#include "base/error.h"
#include "base/integer.h"

#include <string.h>

static int64_t now_of(const struct worker *worker)
{
    return (int64_t)loop_now_ms(worker->loop);
}

static void place_of(const struct worker *worker, const struct endpoint *endpoint, struct connection_key *place_r)
{
    const struct requirement_key fields = { .role = ROLE_OUT, .transport = TRANSPORT_UDP, .destination = *endpoint };
    backoff_place(&fields, worker->relay->hash_seed, place_r);
}

/* The book of places that do not answer datagrams, and the place of the last try in it; NULL: it is none. */
static struct backoff_book *silent_place(const struct relay_step *step, struct connection_key *place_r)
{
    struct worker *worker = step->exchange->worker;
    if (step->target.transport != TRANSPORT_UDP)
        return NULL;
    place_of(worker, &step->target.endpoint, place_r);
    return &worker->silent;
}

void held_heard(struct relay_step *step)
{
    struct connection_key place;
    struct backoff_book *book = NULL;
    step->is_heard = true;
    if (step->exchange->worker->silent.entries.count > 0)
        book = silent_place(step, &place);
    if (book != NULL)
        backoff_worked(book, &place);
}

void held_silent(struct relay_step *step)
{
    struct connection_key place;
    struct backoff_book *book = step->is_heard ? NULL : silent_place(step, &place);
    int64_t now_ms = now_of(step->exchange->worker);
    if (book == NULL)
        return;
    backoff_expire(book, now_ms);
    backoff_failed(book, &place, now_ms);
}

bool held_is_place(const struct relay_step *step)
{
    struct connection_key place;
    const struct worker *worker = step->exchange->worker;
    if (worker->silent.entries.count == 0)
        return false;
    int64_t now_ms = now_of(worker);
    struct backoff_book *book = silent_place(step, &place);
    enum backoff_state state = book != NULL ? backoff_state(book, &place, now_ms) : BACKOFF_NONE;
    if (state == BACKOFF_PROBATION)
        backoff_failed(book, &place, now_ms);
    return state == BACKOFF_HELD;
}

/* The hash stands for the key: it is of the process's seed, and what is passed over wrongly once in 2^64 is served by
 * another address under the same row. */
static struct connection_key key_of(uint64_t hash)
{
    struct connection_key key;
    key.hash = hash;
    key.length = sizeof(hash);
    memcpy(key.bytes, &hash, sizeof(hash));
    return key;
}

/* Delta-seconds, whatever stands behind them (20.33); 0: none. */
static uint32_t retry_after_s(const struct sip_message *response)
{
    struct sip_header header;
    uint64_t seconds;
    size_t digits = 0;
    if (!sip_header_first(response, SIP_HEADER_RETRY_AFTER, &header))
        return 0;
    while (digits < header.value.length && header.value.data[digits] >= '0' && header.value.data[digits] <= '9')
        digits++;
    int rc = integer_parse(slice_first(header.value, digits), UINT32_MAX, &seconds);
    return rc == 0 ? (uint32_t)seconds : rc == ERROR_LIMIT ? UINT32_MAX : 0;
}

void held_unavailable(struct relay_step *step, const struct sip_message *response)
{
    struct worker *worker = step->exchange->worker;
    uint32_t seconds = retry_after_s(response);
    if (seconds == 0)
        return;
    const struct connection_key key = key_of(step->key_hash);
    backoff_expire(&worker->unavailable, now_of(worker));
    backoff_hold(&worker->unavailable, &key, now_of(worker), (uint64_t)seconds * 1000);
}

bool held_is_key(const struct relay_step *step)
{
    return held_shows_key(step->exchange->worker, step->key_hash);
}

bool held_shows_key(const struct worker *worker, uint64_t hash)
{
    if (worker->unavailable.entries.count == 0)
        return false;
    const struct connection_key key = key_of(hash);
    return backoff_state(&worker->unavailable, &key, now_of(worker)) == BACKOFF_HELD;
}

bool held_shows_place(const struct worker *worker, const struct requirement_key *fields)
{
    struct connection_key place;
    if (fields->transport != TRANSPORT_UDP || worker->silent.entries.count == 0)
        return false;
    place_of(worker, &fields->destination, &place);
    return backoff_state(&worker->silent, &place, now_of(worker)) == BACKOFF_HELD;
}
