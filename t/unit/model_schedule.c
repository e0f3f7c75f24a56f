/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model_schedule.c - what happens next: one step is one event of one worker, peer, caller or operator, drawn by the
 * dice of that step; a failpoint inside the pool may draw what another thread does meanwhile.
 * At the end all works again: then everything must come to an end, and who is allowed must get through (L3).
 */
#include "model.h"

#include "base/error.h"

#include <string.h>

enum { SETTLE_ROUNDS = 400, PROBES = 6, CALM_BURST = 4 };

static struct model the_model;

struct model *model(void)
{
    return &the_model;
}

/* --- Chance --- */

uint64_t dice_mix(uint64_t a, uint64_t b)
{
    uint64_t z = a * 0x9E3779B97F4A7C15u + b + 0x632BE59BD9B4E019u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

uint32_t dice_roll(struct dice *dice, uint32_t sides)
{
    dice->state += 0x9E3779B97F4A7C15u;
    return (uint32_t)((dice_mix(dice->state, 0) >> 32) * sides >> 32);
}

bool dice_hits(struct dice *dice, uint32_t one_in)
{
    return dice_roll(dice, one_in) == 0;
}

static struct model_worker *any_worker(void)
{
    return &the_model.workers[dice_roll(&the_model.dice, MODEL_WORKERS)];
}

/* --- Steps --- */

static void start(struct model_request *request)
{
    model_turn(&the_model.workers[request->home]);
    model_request_start(request);
}

static void new_request(void)
{
    struct model_request *request = model_request_new();
    if (request != NULL)
        start(request);
}

static void new_probe(void)
{
    struct model_request *request = model_request_new();
    if (request == NULL)
        return;
    request->is_probe = true;
    request->has_client = false;
    request->bits &= ~(uint32_t)T_RELAY_NO_CONNECT;
    start(request);
}

static void lose_request(void)
{
    struct model_request *request = model_request_new();
    if (request == NULL)
        return;
    request->is_lost = true;
    start(request);
}

static void deliver_mail(void)
{
    struct model_worker *worker = any_worker();
    if (!model_mail(worker))
        (void)model_mail(&the_model.workers[(worker->number + 1) % MODEL_WORKERS]);
}

static void something_on_the_net(void)
{
    uint32_t first = dice_roll(&the_model.dice, MODEL_LINKS);
    for (uint32_t i = 0; i < MODEL_LINKS; i++)
        if (model_net(&the_model.links[(first + i) % MODEL_LINKS]))
            return;
}

static void end_turn(void)
{
    model_turn_end(any_worker());
}

static void pass_time(void)
{
    static const uint32_t lengths_ms[] = { 1, 5, 20, 20, 100, 100, 300, 1000, 1000, 10000 };
    the_model.now_ms += lengths_ms[dice_roll(&the_model.dice, ARRAY_SIZE(lengths_ms))];
}

static void set_clock(void)
{
    the_model.wall_offset_s += (int64_t)dice_roll(&the_model.dice, 241) - 120;
    model_note(NULL, NULL, "the clock is set: %lld", (long long)the_model.wall_offset_s);
}

static void withdraw(void)
{
    struct model_request *request = model_request_waiting(NULL);
    if (request != NULL)
        model_request_withdraw(request);
}

static void end_request(void)
{
    struct model_request *request = model_request_under_way(NULL);
    if (request != NULL)
        model_request_end(request);
}

static void follow(void)
{
    struct model_request *request = model_request_under_way(NULL);
    if (request != NULL)
        model_request_follow(request);
}

static void tell_policy(struct model_worker *worker)
{
    struct model *world = &the_model;
    model_turn(worker);
    policy_snapshot_unref(worker->snapshot);
    worker->snapshot = policy_snapshot_ref(world->snapshot);
    if (world->generation > worker->pool_generation)
        worker->pool_generation = world->generation;
    world->is_ours = true;
    flow_pool_set_snapshot(worker->pool, world->snapshot);
    world->is_ours = false;
    model_note(NULL, NULL, "worker %u has generation %llu", worker->number, (unsigned long long)world->generation);
}

static void policy_arrives(void)
{
    tell_policy(any_worker());
}

/* Those that read an older one must be heard of first, for the model keeps so many only. */
static void change_policy(void)
{
    for (size_t i = 0; i < MODEL_WORKERS; i++)
        if (the_model.generation - policy_snapshot_generation(the_model.workers[i].snapshot) > MODEL_GENERATIONS / 2)
            return;
    model_policy_change();
}

static void reload(void)
{
    struct model_worker *worker = any_worker();
    enum reload_mode mode = (enum reload_mode)(RELOAD_MODE_UNSET + 1 + dice_roll(&the_model.dice, 3));
    tell_policy(worker);
    the_model.is_ours = true;
    flow_pool_renew(worker->pool, mode);
    the_model.is_ours = false;
    model_note(NULL, NULL, "worker %u reloads: %s", worker->number, reload_mode_name(mode));
}

static void forget_failures(void)
{
    flow_pool_forget_failures(any_worker()->pool);
}

static void refuse_memory(void)
{
    the_model.refuse_in = 1 + dice_roll(&the_model.dice, 12);
}

static void congest(void)
{
    struct stream *link = &the_model.links[dice_roll(&the_model.dice, MODEL_LINKS)];
    link->is_congested = link->phase == LINK_CONNECTED && link->to_peer_length > 0;
}

static const struct {
    uint32_t weight;
    void (*run)(void);
} operations[] = {
    { 60, new_request }, { 60, deliver_mail }, { 200, something_on_the_net }, { 60, end_turn }, { 16, pass_time },
    { 1, set_clock }, { 4, withdraw }, { 40, end_request }, { 8, follow }, { 10, model_accept },
    { 12, model_inbound_answer }, { 3, model_close_known }, { 2, new_probe },
    { 4, lose_request }, { 6, model_consult }, { 8, change_policy }, { 12, policy_arrives },
    { 3, model_world_change_peer }, { 1, reload }, { 1, forget_failures }, { 2, refuse_memory }, { 3, congest },
};

static void step(void)
{
    uint32_t total = 0, drawn;
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
        total += operations[i].weight;
    drawn = dice_roll(&the_model.dice, total);
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        if (drawn < operations[i].weight) {
            operations[i].run();
            return;
        }
        drawn -= operations[i].weight;
    }
}

/* What another thread does in the middle of a turn. */
static void meanwhile(const struct model_worker *here)
{
    struct model_worker *other = &the_model.workers[(here->number + 1) % MODEL_WORKERS];
    struct model_request *request;
    switch (dice_roll(&the_model.dice, 6)) {
    case 0:
        request = model_request_waiting(here);
        if (request != NULL)
            model_request_withdraw(request);
        return;
    case 1:
        request = model_request_under_way(here);
        if (request != NULL)
            model_request_end(request);
        return;
    case 2:
        (void)model_mail(other);
        return;
    case 3:
        model_turn_end(other);
        return;
    default:
        for (size_t i = 0; i < MODEL_LINKS; i++)
            if (the_model.links[i].worker == other->number && model_net(&the_model.links[i]))
                return;
        return;
    }
}

void model_failpoint(void)
{
    struct model *world = &the_model;
    struct model_worker *here = world->at;
    struct stream *serving = world->serving;
    struct model_request *placing = world->placing;
    bool was_ours = world->is_ours;
    if (world->nested > 0 || world->settings.is_calm || world->is_stable || here == NULL ||
        !dice_hits(&world->dice, 12))
        return;
    world->nested++;
    world->is_ours = false;
    world->placing = NULL;
    meanwhile(here);
    world->nested--;
    world->at = here;
    world->serving = serving;
    world->placing = placing;
    world->is_ours = was_ours;
}

/* --- Beginning and end --- */

static void make_pools(void)
{
    struct model *world = &the_model;
    bool is_calm = world->settings.is_calm;
    const struct log_scope scope = LOG_SCOPE_NONE;
    for (uint32_t i = 0; i < MODEL_WORKERS; i++) {
        struct model_worker *worker = &world->workers[i];
        struct flow_pool_settings settings = { .worker = i, .hash_seed = 1, .limits = SIP_LIMITS_DEFAULT,
            .max_each = 4, .unverified = &world->descriptors, .max_waiters = is_calm ? 64 : MODEL_WAITERS_MAX,
            .connect_timeout_ms = 2000, .handshake_timeout_ms = 3000, .message_timeout_ms = 5000,
            .idle_timeout_s = MODEL_IDLE_S, .drain_timeout_ms = 200000, .backoff_ms = is_calm ? 0 : 200,
            .backoff_max_ms = 2000,
            .capabilities = { .upgrade = true, .crl = true } };
        for (size_t class = 0; class < FLOW_CLASS_COUNT; class ++)
            settings.max[class] = is_calm ? MODEL_CLASS_MAX_CALM : MODEL_CLASS_MAX;
        worker->number = i;
        list_init(&worker->loop.deferred);
        list_init(&worker->loop.retired);
        worker->mailbox.last = &worker->mailbox.first;
        world->at = worker;
        if (flow_pool_new(&settings, &worker->loop, NULL, &scope, NULL, &model_pool_ops, worker, &worker->pool) != 0)
            model_fail(NULL, NULL, "no pool");
        worker->snapshot = policy_snapshot_ref(world->snapshot);
        tell_policy(worker);
    }
}

static bool is_anything_open(void)
{
    for (size_t i = 0; i < MODEL_REQUESTS; i++)
        if (the_model.requests[i].is_used)
            return true;
    return false;
}

/* Until nothing more happens by itself. */
static void run_dry(void)
{
    bool has_happened = true;
    while (has_happened) {
        struct model_request *request = model_request_under_way(NULL);
        has_happened = request != NULL;
        if (request != NULL) {
            model_turn(&the_model.workers[request->home]);
            model_request_end(request);
        }
        model_inbound_forget();
        for (size_t i = 0; i < MODEL_WORKERS; i++) {
            has_happened = model_mail(&the_model.workers[i]) || has_happened;
            model_turn_end(&the_model.workers[i]);
        }
        for (size_t i = 0; i < MODEL_LINKS; i++)
            has_happened = model_net(&the_model.links[i]) || has_happened;
    }
}

static void settle(void)
{
    for (size_t i = 0; i < SETTLE_ROUNDS && is_anything_open(); i++) {
        run_dry();
        the_model.now_ms += 500;
    }
    if (is_anything_open())
        oracle_all_quiet(); /* which names it */
}

/* L3: who is allowed, and would be proven, gets through. */
static void probe(void)
{
    struct model_request *request = model_request_new();
    struct model_request asked = *request;
    request->bits &= ~(uint32_t)T_RELAY_NO_CONNECT;
    request->other_peer = request->peer;
    request->label = the_model.next_label = 1;
    model_turn(&the_model.workers[request->home]);
    int64_t asked_at = model_wall_s();
    asked = *request;
    model_request_start(request);
    settle();
    oracle_probe(&asked, asked_at, &the_model.observations[1]);
}

static void finish(void)
{
    struct model *world = &the_model;
    world->is_stable = true;
    world->refuse_in = 0;
    for (size_t i = 0; i < MODEL_WORKERS; i++)
        tell_policy(&world->workers[i]);
    run_dry(); /* turns that began before the clock was set the last time */
    settle();
    for (size_t i = 0; i < PROBES; i++) {
        for (size_t worker = 0; worker < MODEL_WORKERS; worker++)
            flow_pool_forget_failures(world->workers[worker].pool);
        probe();
    }
    for (size_t i = 0; i < MODEL_WORKERS; i++)
        flow_pool_drain(world->workers[i].pool);
    for (size_t i = 0; i < 8; i++) {
        world->now_ms += 2000;
        run_dry();
    }
    oracle_all_quiet();
}

static void free_all(void)
{
    for (size_t i = 0; i < MODEL_WORKERS; i++) {
        the_model.at = &the_model.workers[i];
        flow_pool_free(the_model.workers[i].pool);
        policy_snapshot_unref(the_model.workers[i].snapshot);
    }
    policy_snapshot_unref(the_model.snapshot);
}

static void begin(uint64_t seed, const struct model_settings *settings)
{
    struct model *world = &the_model;
    world->settings = *settings;
    world->seed = seed;
    world->dice.state = dice_mix(seed, 0);
    world->now_ms = 1000;
    world->descriptors.max = settings->is_calm ? 1000 : 12;
    model_requests_forget();
    model_tls_forget();
    model_world_make();
    make_pools();
}

/* --- Calm runs --- */

static void draw_burst(uint32_t burst)
{
    struct model *world = &the_model;
    uint32_t labels[CALM_BURST], count = 1 + dice_roll(&world->dice, CALM_BURST);
    struct model_request drawn[CALM_BURST];
    for (uint32_t i = 0; i < count; i++) {
        struct model_request *request = model_request_new();
        labels[i] = ++world->next_label;
        drawn[i] = *request;
        request->is_used = false;
    }
    uint64_t seed = dice_mix(world->seed, burst * 2 + 1);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = world->settings.is_reversed ? count - 1 - i : i;
        struct model_request *request = model_request_new();
        drawn[at].number = request->number;
        *request = drawn[at];
        request->label = labels[at];
        model_turn(&world->workers[request->home]);
        model_request_start(request);
        if (!world->settings.has_noise)
            continue;
        world->dice.state = dice_mix(seed, i);
        struct model_request *noise = model_request_new();
        noise->bits = T_RELAY_NO_VERIFY;
        model_turn(&world->workers[noise->home]);
        model_request_start(noise);
    }
}

static void calm_step(uint32_t burst)
{
    struct model *world = &the_model;
    if (world->next_label + CALM_BURST >= MODEL_LABELS)
        return;
    world->dice.state = dice_mix(world->seed, burst * 2);
    draw_burst(burst);
    run_dry();
    world->dice.state = dice_mix(~world->seed, burst);
    if (dice_hits(&world->dice, 2))
        model_policy_change();
    for (size_t i = 0; i < MODEL_WORKERS; i++)
        tell_policy(&world->workers[i]);
    world->now_ms += dice_hits(&world->dice, 4) ? 30000 : 700;
    run_dry();
}

void model_run(uint64_t seed, uint32_t steps, const struct model_settings *settings, const bool *skipped)
{
    struct model *world = &the_model;
    struct model_totals totals = world->totals;
    memset(world, 0, offsetof(struct model, trace));
    world->totals = totals;
    world->trace_count = 0;
    begin(seed, settings);
    for (uint32_t i = 0; i < steps; i++) {
        world->step = model_result()->step = i;
        if (skipped != NULL && skipped[i])
            continue;
        world->dice.state = dice_mix(seed, i + 1);
        if (settings->is_calm)
            calm_step(i);
        else
            step();
    }
    world->step = steps;
    world->dice.state = dice_mix(seed, UINT32_MAX);
    finish();
    free_all();
}
