/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model_request.c - requests as the relay step makes them: asked of the policy, placed with the owner of the address,
 * brought home, followed by ACK or CANCEL, and over at last. A stale one is asked anew, a failed one goes elsewhere.
 */
#include "model.h"

#include "base/error.h"
#include "policy/name.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ATTEMPTS_MAX = 5, FOLLOWERS = 32 };

/* An ACK or CANCEL on its way to the owner of the connection. */
static struct follower {
    struct mail mail;
    struct connection_facts *facts; /* NULL: free */
    uint32_t number;
} followers[FOLLOWERS];

void model_requests_forget(void)
{
    memset(followers, 0, sizeof(followers));
}

struct model_request *model_request_of(uint32_t number)
{
    struct model_request *request = &model()->requests[number % MODEL_REQUESTS];
    return request->is_used && request->number == number ? request : NULL;
}

struct slice model_token(char kind, const struct model_request *request, uint8_t out[MODEL_TOKEN_SIZE])
{
    uint32_t numbers[3] = { request->number, request->attempt, 0 };
    memcpy(out, (const uint8_t[4]){ 'T', 'O', 'K', (uint8_t)kind }, 4);
    memcpy(out + 4, numbers, sizeof(numbers));
    return slice_of((const char *)out, MODEL_TOKEN_SIZE);
}

bool model_token_read(struct slice bytes, char *kind_r, uint32_t *number_r, uint32_t *attempt_r)
{
    if (bytes.length < MODEL_TOKEN_SIZE || memcmp(bytes.data, "TOK", 3) != 0)
        return false;
    *kind_r = bytes.data[3];
    memcpy(number_r, bytes.data + 4, sizeof(*number_r));
    memcpy(attempt_r, bytes.data + 8, sizeof(*attempt_r));
    return true;
}

/* --- Asked --- */

/* As whoever asks spells it, through the one door that all names take (INV-14). */
static void normalise(int domain, char name_r[DOMAIN_NAME_SIZE])
{
    char spelled[DOMAIN_NAME_SIZE];
    int length = snprintf(spelled, sizeof(spelled), "%s", model_domain(domain));
    for (int i = 0; i < length && model()->settings.is_respelled; i++)
        spelled[i] = (char)toupper((unsigned char)spelled[i]);
    if (model()->settings.is_respelled)
        spelled[length++] = '.';
    if (name_normalise(slice_of(spelled, (size_t)length), name_r) != 0)
        model_fail(NULL, NULL, "M5: \"%.*s\" is a name", length, spelled);
}

static void make_flags(const struct model_request *request, struct flag_set *flags)
{
    *flags = (struct flag_set){ .bits = request->bits, .max_age_s = request->flag_max_age_s };
    if ((request->bits & T_RELAY_VERIFY_DOMAIN) != 0 && request->flag_domain >= 0)
        normalise(request->flag_domain, flags->verify_domain);
    if ((request->bits & T_RELAY_SNI) != 0)
        normalise(request->flag_sni, flags->sni);
    if ((request->bits & T_RELAY_CERT) != 0)
        snprintf(flags->cert, sizeof(flags->cert), "%s", model_credential_name(request->flag_certificate));
    if ((request->bits & T_RELAY_TRUST) != 0)
        snprintf(flags->trust, sizeof(flags->trust), "%s", model_trust_set_name(request->flag_trust));
}

/* ::ffff:192.0.2.1 as somebody would have it who does not know that it is 192.0.2.1 (INV-11). */
static struct address mapped(const struct address *address)
{
    struct address form = { .family = ADDRESS_V6, .bytes = { [10] = 0xff, [11] = 0xff } };
    memcpy(form.bytes + 12, address->bytes, 4);
    return form;
}

enum reason model_request_ask(const struct model_request *request, struct policy_snapshot *snapshot,
    struct placement *placement)
{
    static const struct capabilities capabilities = { .upgrade = true, .crl = true };
    static const struct requirement_defaults defaults = { .max_age_s = 0, .idle_timeout_s = MODEL_IDLE_S };
    const struct policy_lookup_order order = policy_lookup_order_default();
    char name[DOMAIN_NAME_SIZE];
    const char *domain = request->domain >= 0 ? name : NULL;
    struct flag_set flags;
    if (domain != NULL)
        normalise(request->domain, name);
    make_flags(request, &flags);
    struct requirement_question question = { .query = { .next_hop_domain = domain }, .order = &order,
        .flags = &flags, .target = { .transport = (enum transport)request->transport,
            .endpoint = model()->peers[request->peer].place, .next_hop_domain = domain } };
    if (request->is_mapped && question.target.endpoint.address.family == ADDRESS_V4)
        question.target.endpoint.address = mapped(&question.target.endpoint.address);
    if (request->local != 0)
        question.target.local = address_v4((const uint8_t[4]){ 192, 0, 2, 200 });
    enum reason reason = requirement_derive(snapshot, &question, &capabilities, &defaults, &placement->requirement,
        NULL);
    placement->demand = demand_new(&question);
    return reason;
}

/* --- Placed --- */

static void on_done(void *arg, struct placement *placement);

static void place_here(struct model_request *request)
{
    struct model *world = model();
    struct model_worker *worker = world->at;
    struct model_request *outer = world->placing;
    bool was_ours = world->is_ours;
    uint64_t generation = policy_snapshot_generation(request->placement->snapshot);
    if (generation > worker->pool_generation)
        worker->pool_generation = generation;
    request->placed_at = world->step;
    request->is_placed = true;
    world->failures += outer != NULL;
    request->expects_upgrade = model_expects_upgrade(worker, request);
    request->failures = world->failures;
    world->placing = request;
    world->is_ours = true;
    if (request->is_probe)
        flow_pool_probe(worker->pool, request->placement, &request->seen);
    else if (!request->is_lost || !model_lose(worker, request))
        flow_pool_place(worker->pool, request->placement);
    world->placing = outer;
    world->is_ours = was_ours;
}

static void deliver_to_owner(void *receiver, struct mail *mail)
{
    struct placement *placement = CONTAINER_OF(mail, struct placement, mail);
    (void)receiver;
    place_here(placement->arg);
}

static void release(struct model_request *request)
{
    if (request->followers > 0 || request->is_under_way)
        return;
    connection_facts_unref(request->facts);
    model()->past[request->number % MODEL_PAST] = *request;
    *request = (struct model_request){ .is_used = false };
}

/* By SNAPSHOT; the request is over when that denies it. */
static void start_by(struct model_request *request, struct policy_snapshot *snapshot)
{
    struct model *world = model();
    struct placement *placement = placement_new(NULL, snapshot);
    if (placement == NULL)
        abort();
    enum reason reason = model_request_ask(request, snapshot, placement);
    model_note(request, NULL, "asked of generation %llu: %s; peer %u, domain %d, flags %x, home %u",
        (unsigned long long)policy_snapshot_generation(snapshot), reason == REASON_NONE ? "yes" : reason_word(reason),
        request->peer, request->domain, request->bits, request->home);
    oracle_derived(request, model_policy(policy_snapshot_generation(snapshot)), reason);
    if (reason != REASON_NONE) {
        request->reason = reason;
        world->totals.denied++;
        placement_free(placement);
        model_observe(request);
        release(request);
        return;
    }
    uint8_t token[MODEL_TOKEN_SIZE];
    request->attempt++;
    request->written = 0;
    request->is_placed = request->is_done = false;
    request->owner = request->peer % MODEL_WORKERS;
    request->placement = placement;
    connection_key_encode(&placement->requirement.key, 1, &placement->key);
    if (!request->is_probe)
        buffer_append_slice(&placement->message, model_token('R', request, token));
    placement->has_other = request->other_peer != request->peer;
    placement->done = on_done;
    placement->arg = request;
    placement->home = request->home;
    placement->client.generation = request->has_client;
    if (request->owner == request->home)
        place_here(request);
    else
        mail_post(&world->workers[request->owner].mailbox, &placement->mail, deliver_to_owner);
}

void model_request_start(struct model_request *request)
{
    start_by(request, model()->at->snapshot);
}

struct model_request *model_request_new(void)
{
    struct model *world = model();
    for (unsigned i = 0; i < MODEL_REQUESTS; i++) {
        uint32_t number = ++world->next_number;
        struct model_request *request = &world->requests[number % MODEL_REQUESTS];
        if (request->is_used)
            continue;
        *request = (struct model_request){ .is_used = true, .number = number };
        model_request_draw(request);
        return request;
    }
    return NULL;
}

/* --- Home --- */

static void go_elsewhere(struct model_request *request)
{
    uint8_t peer = request->peer;
    request->peer = request->other_peer;
    request->other_peer = peer;
    start_by(request, model()->at->snapshot);
}

static void come_home(struct model_request *request)
{
    struct model *world = model();
    struct placement *placement = request->placement;
    bool is_last = request->attempt >= ATTEMPTS_MAX || request->is_withdrawn;
    struct policy_snapshot *newer = policy_snapshot_ref(placement->snapshot);
    request->placement = NULL;
    request->is_lost = false; /* once is enough */
    certificate_chain_fini(&request->seen);
    if (request->reason == REASON_NONE) {
        request->facts = connection_facts_ref(placement->facts);
        request->is_under_way = request->has_client;
    }
    placement_free(placement);
    if (request->reason == REASON_NONE) {
        model_observe(request);
        release(request);
    } else if (request->reason == REASON_VERDICT_STALE && !is_last) {
        world->totals.stale++;
        start_by(request, newer);
    } else if (request->other_peer != request->peer && !is_last) {
        go_elsewhere(request);
    } else {
        world->totals.refused++;
        model_observe(request);
        release(request);
    }
    policy_snapshot_unref(newer);
}

static void deliver_home(void *receiver, struct mail *mail)
{
    struct placement *placement = CONTAINER_OF(mail, struct placement, mail);
    (void)receiver;
    come_home(placement->arg);
}

/* It has served, as the relay has it. */
static void close_probe(const struct placement *placement)
{
    struct model *world = model();
    world->totals.probed++;
    world->is_ours = true;
    if (flow_pool_close(world->at->pool, placement->facts->handle, REASON_NONE) != 0)
        model_fail(placement->arg, NULL, "INV-49: the connection of a probe is gone");
    world->is_ours = false;
}

static void on_done(void *arg, struct placement *placement)
{
    struct model *world = model();
    struct model_request *request = arg;
    bool was_ours = world->is_ours;
    world->is_ours = false;
    model_note(request, NULL, "done: %s, %s", decision_name(placement->decision), reason_word(placement->reason));
    oracle_done(request, placement);
    request->is_done = true;
    request->was_full = atomic_load(&world->descriptors.used) >= world->descriptors.max;
    request->decision = placement->decision;
    request->reason = placement->reason;
    world->totals.reused += placement->reason == REASON_NONE && placement->decision == DECISION_REUSE;
    world->totals.joined += placement->reason == REASON_NONE && placement->decision == DECISION_JOIN;
    if (request->is_probe && placement->reason == REASON_NONE)
        close_probe(placement);
    if (request->home == world->at->number)
        come_home(request);
    else
        mail_post(&world->workers[request->home].mailbox, &placement->mail, deliver_home);
    world->is_ours = was_ours;
}

/* --- Afterwards --- */

void model_request_end(struct model_request *request)
{
    struct stream *link = &model()->links[request->link];
    model_note(request, NULL, "is over");
    if (request->is_under_way) {
        request->is_under_way = false;
        connection_facts_end(request->facts);
        if (link->serial == request->link_serial) {
            link->under_way--;
            link->let_go_at = model()->nested > 0 ? model()->step : link->let_go_at;
        }
    }
    release(request);
}

void model_request_withdraw(struct model_request *request)
{
    if (!placement_withdraw(request->placement))
        return;
    request->is_withdrawn = true;
    model()->totals.withdrawn++;
    model_note(request, NULL, "is withdrawn");
}

static void deliver_follower(void *receiver, struct mail *mail)
{
    struct follower *follower = CONTAINER_OF(mail, struct follower, mail);
    struct model_worker *worker = receiver;
    struct model_request *request = model_request_of(follower->number);
    uint8_t token[MODEL_TOKEN_SIZE];
    model()->is_ours = true;
    ignore_result(flow_pool_send(worker->pool, follower->facts->handle, follower->facts,
        model_token('F', request, token)));
    model()->is_ours = false;
    connection_facts_unref(follower->facts);
    follower->facts = NULL;
    request->followers--;
    release(request);
}

void model_request_follow(struct model_request *request)
{
    for (size_t i = 0; i < FOLLOWERS; i++) {
        struct follower *follower = &followers[i];
        if (follower->facts != NULL)
            continue;
        follower->facts = connection_facts_ref(request->facts);
        follower->number = request->number;
        request->followers++;
        model_note(request, NULL, "is followed");
        mail_post(&model()->workers[request->owner].mailbox, &follower->mail, deliver_follower);
        return;
    }
}

static struct model_request *any(bool (*is_wanted)(const struct model_request *request),
    const struct model_worker *other)
{
    uint32_t first = dice_roll(&model()->dice, MODEL_REQUESTS);
    for (uint32_t i = 0; i < MODEL_REQUESTS; i++) {
        struct model_request *request = &model()->requests[(first + i) % MODEL_REQUESTS];
        if (request->is_used && is_wanted(request) && (other == NULL || request->home != other->number))
            return request;
    }
    return NULL;
}

static bool is_waiting(const struct model_request *request)
{
    return request->placement != NULL && !request->is_done && !request->is_withdrawn;
}

static bool is_under_way(const struct model_request *request)
{
    return request->is_under_way;
}

struct model_request *model_request_waiting(const struct model_worker *other)
{
    return any(is_waiting, other);
}

struct model_request *model_request_under_way(const struct model_worker *other)
{
    return any(is_under_way, other);
}
