/* SPDX-License-Identifier: GPL-2.0-or-later */
/* question.c - what the control thread asks the workers: their connections, to end one, and what they would decide.
 * A question travels from worker to worker and then back, so that nothing is shared and nobody waits.
 */
#include "base/error.h"
#include "relay/held.h"
#include "relay/worker.h"

#include <stdlib.h>

struct connections_question {
    struct mail mail;
    struct relay *relay;
    struct mailbox *reply_to;
    relay_connections_fn *done;
    void *arg;
    struct relay_connection *found;
    size_t count, room;
    uint32_t next; /* worker to ask */
};

static struct relay_connection *add_found(struct connections_question *question)
{
    if (question->count == question->room) {
        size_t room = question->room > 0 ? question->room * 2 : 16;
        struct relay_connection *grown = realloc(question->found, room * sizeof(*grown));
        if (grown == NULL)
            return NULL;
        question->found = grown;
        question->room = room;
    }
    return &question->found[question->count++];
}

static void visit(void *arg, const struct flow_status *status)
{
    struct relay_connection *found = add_found(arg);
    if (found == NULL)
        return;
    *found = (struct relay_connection){ .handle = status->handle, .state = status->state,
        .facts = connection_facts_ref(status->facts), .peer = status->peer, .is_accepted = status->is_accepted,
        .requests = status->requests, .in_flight = status->in_flight, .waiters = status->waiters,
        .opened_at = status->opened_at, .used_at = status->used_at, .proven_at = status->proven_at,
        .deadline = status->deadline };
    struct requirement_key fields;
    struct buffer text = BUFFER_EMPTY;
    if (status->key != NULL && connection_key_decode(status->key, &fields) == 0) {
        requirement_key_print(&fields, &text);
        (void)slice_to_string(slice_first(buffer_slice(&text), sizeof(found->key) - 1), found->key,
            sizeof(found->key));
    }
    buffer_free(&text);
}

static void deliver_answer(void *receiver, struct mail *mail)
{
    (void)receiver;
    struct connections_question *question = CONTAINER_OF(mail, struct connections_question, mail);
    question->done(question->arg, question->found, question->count);
    for (size_t i = 0; i < question->count; i++)
        connection_facts_unref(question->found[i].facts);
    free(question->found);
    free(question);
}

static void deliver_question(void *receiver, struct mail *mail)
{
    struct worker *worker = receiver;
    struct connections_question *question = CONTAINER_OF(mail, struct connections_question, mail);
    if (worker->pool != NULL)
        flow_pool_visit(worker->pool, visit, question);
    if (++question->next < question->relay->worker_count)
        mail_post(question->relay->workers[question->next].mailbox, &question->mail, deliver_question);
    else
        mail_post(question->reply_to, &question->mail, deliver_answer);
}

int relay_list_connections(struct relay *relay, struct mailbox *reply_to, relay_connections_fn *done, void *arg)
{
    struct connections_question *question = calloc(1, sizeof(*question));
    if (question == NULL)
        return ERROR_MEMORY;
    question->relay = relay;
    question->reply_to = reply_to;
    question->done = done;
    question->arg = arg;
    mail_post(relay->workers[0].mailbox, &question->mail, deliver_question);
    return 0;
}

struct close_question {
    struct mail mail;
    struct mailbox *reply_to;
    relay_closed_fn *done;
    void *arg;
    struct connection_handle handle;
    bool was_there;
};

static void deliver_closed(void *receiver, struct mail *mail)
{
    (void)receiver;
    struct close_question *question = CONTAINER_OF(mail, struct close_question, mail);
    question->done(question->arg, question->was_there);
    free(question);
}

static void deliver_close(void *receiver, struct mail *mail)
{
    struct worker *worker = receiver;
    struct close_question *question = CONTAINER_OF(mail, struct close_question, mail);
    question->was_there =
        worker->pool != NULL && flow_pool_close(worker->pool, question->handle, REASON_NONE) == 0;
    mail_post(question->reply_to, &question->mail, deliver_closed);
}

int relay_close_connection(struct relay *relay, struct connection_handle handle, struct mailbox *reply_to,
    relay_closed_fn *done, void *arg)
{
    if (handle.worker >= relay->worker_count)
        return ERROR_NOT_FOUND;
    struct close_question *question = calloc(1, sizeof(*question));
    if (question == NULL)
        return ERROR_MEMORY;
    question->reply_to = reply_to;
    question->done = done;
    question->arg = arg;
    question->handle = handle;
    mail_post(relay->workers[handle.worker].mailbox, &question->mail, deliver_close);
    return 0;
}

struct consider_question {
    struct mail mail;
    struct mailbox *reply_to;
    relay_consider_fn *done;
    void *arg;
    struct policy_snapshot *snapshot;
    struct requirement requirement;
    struct connection_key key;
    bool has_other;
    struct relay_considered considered;
    uint32_t next; /* worker to ask what it holds */
};

static void deliver_decision(void *receiver, struct mail *mail)
{
    (void)receiver;
    struct consider_question *question = CONTAINER_OF(mail, struct consider_question, mail);
    question->done(question->arg, &question->considered);
    policy_snapshot_unref(question->snapshot);
    free(question);
}

static void deliver_held(void *receiver, struct mail *mail)
{
    const struct worker *worker = receiver;
    struct consider_question *question = CONTAINER_OF(mail, struct consider_question, mail);
    struct relay_considered *considered = &question->considered;
    considered->silent += held_shows_place(worker, &question->requirement.key);
    considered->unavailable += held_shows_key(worker, question->key.hash);
    if (++question->next < considered->workers)
        mail_post(worker->relay->workers[question->next].mailbox, &question->mail, deliver_held);
    else
        mail_post(question->reply_to, &question->mail, deliver_decision);
}

static void deliver_consider(void *receiver, struct mail *mail)
{
    struct worker *worker = receiver;
    struct consider_question *question = CONTAINER_OF(mail, struct consider_question, mail);
    if (worker->pool == NULL || worker->is_stopping)
        question->considered.result = (struct decision_result){ .decision = DECISION_REJECT,
            .reason = REASON_SHUTDOWN };
    else
        question->considered.result = flow_pool_consider(worker->pool, &question->requirement, &question->key,
            question->has_other);
    mail_post(worker->relay->workers[0].mailbox, &question->mail, deliver_held);
}

int relay_consider(struct relay *relay, const struct requirement *requirement, struct policy_snapshot *snapshot,
    bool has_other, struct mailbox *reply_to, relay_consider_fn *done, void *arg)
{
    struct consider_question *question = calloc(1, sizeof(*question));
    if (question == NULL)
        return ERROR_MEMORY;
    question->reply_to = reply_to;
    question->done = done;
    question->arg = arg;
    question->snapshot = policy_snapshot_ref(snapshot);
    question->requirement = *requirement;
    question->has_other = has_other;
    question->considered.workers = relay->worker_count;
    connection_key_encode(&requirement->key, relay->hash_seed, &question->key);
    uint32_t owner = address_worker(&requirement->key.destination.address, relay->worker_count);
    mail_post(relay->workers[owner].mailbox, &question->mail, deliver_consider);
    return 0;
}
