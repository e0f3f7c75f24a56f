/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probe.c - one real handshake for one requirement, on a connection of its own, without a request.
 * In:    a requirement and its snapshot. Out: what was proven or why not, with the chain, to the thread that asked.
 * Never: a SIP byte on that connection; a request of anybody else on it; a back-off for those who come after.
 */
#include "base/error.h"
#include "relay/worker.h"

#include <stdlib.h>

struct probe_question {
    struct mail mail;
    struct mailbox *reply_to;
    relay_probe_fn *done;
    void *arg;
    struct worker *worker;
    struct placement *placement;
    struct certificate_chain chain;
};

static void question_free(struct probe_question *question)
{
    placement_free(question->placement);
    certificate_chain_fini(&question->chain);
    free(question);
}

static void deliver_outcome(void *receiver, struct mail *mail)
{
    (void)receiver;
    struct probe_question *question = CONTAINER_OF(mail, struct probe_question, mail);
    const struct placement *placement = question->placement;
    const struct relay_probe_result result = { .reason = placement->reason, .detail = placement->why.text,
        .facts = placement->facts, .chain = &question->chain };
    question->done(question->arg, &result);
    question_free(question);
}

/* On the owner's thread: the connection has served. */
static void on_placed(void *arg, struct placement *placement)
{
    struct probe_question *question = arg;
    if (placement->reason == REASON_NONE && placement->facts != NULL)
        ignore_result(flow_pool_close(question->worker->pool, placement->facts->handle, REASON_NONE));
    mail_post(question->reply_to, &question->mail, deliver_outcome);
}

static void deliver_probe(void *receiver, struct mail *mail)
{
    struct worker *worker = receiver;
    struct probe_question *question = CONTAINER_OF(mail, struct probe_question, mail);
    question->worker = worker;
    question->placement->done = on_placed;
    question->placement->arg = question;
    if (worker->pool != NULL) {
        flow_pool_probe(worker->pool, question->placement, &question->chain);
        return;
    }
    question->placement->reason = REASON_SHUTDOWN;
    mail_post(question->reply_to, &question->mail, deliver_outcome);
}

int relay_probe(struct relay *relay, const struct requirement *requirement, struct policy_snapshot *snapshot,
    struct mailbox *reply_to, relay_probe_fn *done, void *arg)
{
    struct probe_question *question = calloc(1, sizeof(*question));
    struct placement *placement = question != NULL ? placement_new(NULL, snapshot) : NULL;
    if (placement == NULL) {
        free(question);
        return ERROR_MEMORY;
    }
    placement->requirement = *requirement;
    placement->requirement.terms.may_reuse = false;
    connection_key_encode(&requirement->key, relay->hash_seed, &placement->key);
    question->placement = placement;
    question->reply_to = reply_to;
    question->done = done;
    question->arg = arg;
    uint32_t owner = address_worker(&requirement->key.destination.address, relay->worker_count);
    mail_post(relay->workers[owner].mailbox, &question->mail, deliver_probe);
    return 0;
}
