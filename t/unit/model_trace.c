/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model_trace.c - what a failure leaves: its reason, the last operations of the request and connection concerned, and
 * the fewest steps that still lead to it.
 */
#include "model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHOWN_MAX = 60, TRIES_MAX = 400 };

static int32_t number_of(const struct model_request *request)
{
    return request != NULL ? (int32_t)request->number : -1;
}

static int32_t place_of(const struct stream *link)
{
    return link != NULL ? (int32_t)(link - model()->links) : -1;
}

void model_note(const struct model_request *request, const struct stream *link, const char *format, ...)
{
    struct model *world = model();
    if (!world->is_tracing)
        return;
    struct model_event *event = &world->trace[world->trace_count++ % MODEL_TRACE];
    *event = (struct model_event){ .step = (uint32_t)world->step, .request = number_of(request),
        .link = place_of(link) };
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(event->text, sizeof(event->text), format, arguments);
    va_end(arguments);
}

struct model_result *model_result(void)
{
    static struct model_result *result;
    if (result == NULL) {
        void *memory = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            abort();
        result = memory;
    }
    return result;
}

static bool concerns(const struct model_event *event)
{
    const struct model_result *result = model_result();
    bool is_general = event->request < 0 && event->link < 0;
    return is_general || (event->request >= 0 && event->request == result->request) ||
        (event->link >= 0 && event->link == result->link);
}

/* Where the request was seen last, if the failure does not say where. */
static void find_link(void)
{
    const struct model *world = model();
    struct model_result *result = model_result();
    uint32_t count = world->trace_count < MODEL_TRACE ? world->trace_count : MODEL_TRACE;
    for (uint32_t i = count; i > 0 && result->link < 0 && result->request >= 0; i--)
        if (world->trace[i - 1].request == result->request)
            result->link = world->trace[i - 1].link;
}

static void print_trace(void)
{
    const struct model *world = model();
    find_link();
    uint32_t oldest = world->trace_count > MODEL_TRACE ? world->trace_count - MODEL_TRACE : 0, shown = 0;
    uint32_t first = world->trace_count;
    while (first > oldest && shown < SHOWN_MAX)
        shown += concerns(&world->trace[--first % MODEL_TRACE]);
    printf("# request %d, connection %d\n", model_result()->request, model_result()->link);
    for (uint32_t i = first; i < world->trace_count; i++) {
        const struct model_event *event = &world->trace[i % MODEL_TRACE];
        if (!concerns(event))
            continue;
        printf("# step %5u", event->step);
        if (event->request >= 0)
            printf("  request %d", event->request);
        if (event->link >= 0)
            printf("  connection %d", event->link);
        printf("  %s\n", event->text);
    }
}

void model_fail(const struct model_request *request, const struct stream *link, const char *format, ...)
{
    struct model_result *result = model_result();
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->why, sizeof(result->why), format, arguments);
    va_end(arguments);
    result->request = number_of(request);
    result->link = place_of(link);
    if (model()->is_tracing)
        print_trace();
    (void)fflush(stdout);
    _exit(1);
}

static void run_all(uint64_t seed, uint64_t steps, const struct model_settings *settings, const bool *skipped)
{
    struct model_result *result = model_result();
    while (steps > 0) {
        uint32_t now = steps < MODEL_STEPS ? (uint32_t)steps : MODEL_STEPS;
        result->seed = seed++;
        model_run(result->seed, now, settings, skipped);
        steps -= now;
    }
    result->totals = model()->totals;
    memcpy(result->observations, model()->observations, sizeof(result->observations));
}

bool model_try(uint64_t seed, uint64_t steps, const struct model_settings *settings, const bool *skipped)
{
    struct model_result *result = model_result();
    int status = 0;
    memset(result, 0, sizeof(*result));
    result->request = result->link = -1;
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        run_all(seed, steps, settings, skipped);
        exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return false;
    if (status != 0 && result->why[0] == '\0')
        snprintf(result->why, sizeof(result->why), "crash: the process ends with status %x", (unsigned)status);
    return status == 0;
}

void model_show(uint64_t seed, uint32_t steps, const struct model_settings *settings, const bool *skipped)
{
    model()->is_tracing = true;
    if (model_try(seed, steps, settings, skipped))
        printf("# it does not fail a second time\n");
    model()->is_tracing = false;
}

/* By the same rule, up to its colon. */
static bool still_fails(uint64_t seed, uint32_t steps, const struct model_settings *settings, const bool *skipped,
    const char *rule)
{
    return !model_try(seed, steps, settings, skipped) &&
        strncmp(model_result()->why, rule, strcspn(rule, ":") + 1) == 0;
}

uint32_t model_shrink(uint64_t seed, uint32_t steps, const struct model_settings *settings, bool *skipped)
{
    bool tried[MODEL_STEPS];
    char rule[sizeof(model_result()->why)];
    memcpy(rule, model_result()->why, sizeof(rule));
    uint32_t left = steps, tries = 0;
    memset(skipped, 0, MODEL_STEPS * sizeof(*skipped));
    for (uint32_t size = steps / 2; size > 0 && tries < TRIES_MAX; size /= 2) {
        for (uint32_t from = 0; from < steps && tries < TRIES_MAX; from += size) {
            uint32_t dropped = 0;
            memcpy(tried, skipped, sizeof(tried));
            for (uint32_t i = from; i < steps && i < from + size; i++) {
                dropped += !tried[i];
                tried[i] = true;
            }
            if (dropped == 0)
                continue;
            tries++;
            if (!still_fails(seed, steps, settings, tried, rule))
                continue;
            memcpy(skipped, tried, sizeof(tried));
            left -= dropped;
        }
    }
    return left;
}
