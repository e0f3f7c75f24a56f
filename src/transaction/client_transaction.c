/* SPDX-License-Identifier: GPL-2.0-or-later */
/* client_transaction.c - the object around the two client machines; see client_transaction.h.
 * The CANCEL of an INVITE is a client transaction of its own kind: it hangs on the INVITE's, shares its branch id
 * and hop, has no branch, and ends with it at the latest.
 */
#include "transaction/client_transaction.h"

#include "transaction/transaction_private.h"

#include "base/error.h"
#include "base/never.h"
#include "sip/compose.h"

#include <string.h>

int client_transaction_new(struct transaction_layer *layer, struct branch *branch, enum sip_method method,
    const struct try_request *request, struct client_transaction **client_r)
{
    size_t size = sizeof(struct client_transaction) + request->origin.length + request->sent_by.length;
    struct client_transaction *client = slab_take_zeroed(layer->memory, size);
    if (client == NULL)
        return ERROR_MEMORY;
    int rc = handle_table_add(&layer->handles, HANDLE_CLIENT, client, &client->base.handle);
    if (rc != 0) {
        slab_give(layer->memory, client, size);
        return rc;
    }
    client->branch = branch;
    client->user = request->user;
    client->method = (uint8_t)method;
    client->loop_hash = request->loop_hash;
    client->origin_length = (uint32_t)request->origin.length;
    client->sent_by_length = (uint32_t)request->sent_by.length;
    client->sent_by_port = request->sent_by_port;
    if (request->origin.length != 0)
        memcpy(client->texts, request->origin.data, request->origin.length);
    if (request->sent_by.length != 0)
        memcpy(client->texts + request->origin.length, request->sent_by.data, request->sent_by.length);
    transaction_start(layer, &client->base,
        method == SIP_METHOD_INVITE ? MACHINE_INVITE_CLIENT : MACHINE_OTHER_CLIENT, request->is_reliable);
    *client_r = client;
    return 0;
}

void client_transaction_ended(struct transaction_layer *layer, struct client_transaction *client)
{
    if (client->invite != NULL) {
        client->invite->cancel = NULL;
        client->invite = NULL;
        return; /* the handle is the INVITE's */
    }
    handle_table_remove(&layer->handles, client->base.handle);
    if (client->cancel != NULL)
        transaction_end(layer, &client->cancel->base);
    struct branch *branch = client->branch;
    client->branch = NULL;
    if (branch != NULL)
        branch_client_gone(branch);
}

void client_transaction_free(struct transaction_layer *layer, struct client_transaction *client)
{
    if (client->user != NULL)
        layer->ops->client_closed(layer->arg, client->user);
    layer->counts.clients--;
    slab_give(layer->memory, client->request, client->request_length);
    slab_give(layer->memory, client, sizeof(*client) + client->origin_length + client->sent_by_length);
}

void client_transaction_drop(struct transaction_layer *layer, struct client_transaction *client)
{
    transaction_event(layer, &client->base, EVENT_USER_DROP, &(struct event_input){ 0 });
}

/* The INVITE as it was sent, to make an ACK or a CANCEL of. Its size was judged when it came in. */
static int parse_request(const struct client_transaction *client, struct sip_message **message_r)
{
    struct sip_defect defect;
    if (never(client->request == NULL)) /* an INVITE is kept when it is placed, and of no other is one made */
        return ERROR_STATE;
    struct slice bytes = slice_of(client->request, client->request_length);
    return sip_message_parse(bytes, &transaction_no_limits, message_r, &defect);
}

/* Without memory there is no ACK now: over an unreliable transport the final comes again, and on a reliable one the
 * other side's Timer H ends it. */
static void send_ack(struct transaction_layer *layer, struct client_transaction *client,
    const struct sip_message *response)
{
    struct sip_message *invite = NULL;
    struct buffer ack = transaction_output_take(layer);
    int rc = parse_request(client, &invite);
    if (rc == 0)
        rc = sip_compose_ack(&ack, invite, response);
    if (rc == 0)
        (void)layer->ops->send_request(layer->arg, client, CLIENT_SEND_ACK, buffer_slice(&ack));
    transaction_output_give(layer, &ack);
    sip_message_unref(invite);
}

static void resend(struct transaction_layer *layer, struct client_transaction *client)
{
    struct slice bytes = slice_of(client->request, client->request_length);
    if (client->invite != NULL)
        (void)layer->ops->send_request(layer->arg, client->invite, CLIENT_SEND_CANCEL, bytes);
    else
        (void)layer->ops->send_request(layer->arg, client, CLIENT_SEND_AGAIN, bytes);
}

void client_transaction_perform(struct transaction_layer *layer, struct client_transaction *client,
    uint32_t actions, const struct event_input *input)
{
    if ((actions & ACTION_PASS) != 0 && client->branch != NULL)
        branch_response(client->branch, client, input->response);
    if ((actions & ACTION_SEND_ACK) != 0)
        send_ack(layer, client, input->response);
    if ((actions & ACTION_RESEND) != 0 && always(client->request != NULL)) /* kept when it was placed */
        resend(layer, client);
    if ((actions & (ACTION_TELL_TIMEOUT | ACTION_TELL_ERROR)) != 0 && client->branch != NULL) {
        struct branch *branch = client->branch;
        client->branch = NULL; /* so that the branch may begin another try */
        branch->client = NULL;
        branch_try_over(branch, (actions & ACTION_TELL_TIMEOUT) != 0 ? REASON_TIMEOUT : input->reason);
    }
}

/* The bytes as they may be sent again. */
static int keep_request(struct transaction_layer *layer, struct client_transaction *client, struct slice bytes)
{
    client->request = slab_copy(layer->memory, bytes);
    client->request_length = (uint32_t)bytes.length;
    return client->request != NULL ? 0 : ERROR_MEMORY;
}

/* The transaction object for CANCEL. */
static int cancel_new(struct transaction_layer *layer, struct client_transaction *invite, struct slice bytes,
    struct client_transaction **cancel_r)
{
    struct client_transaction *cancel = slab_take_zeroed(layer->memory, sizeof(*cancel));
    if (cancel == NULL || keep_request(layer, cancel, bytes) != 0) {
        slab_give(layer->memory, cancel, sizeof(*cancel));
        return ERROR_MEMORY;
    }
    cancel->base.handle = invite->base.handle;
    cancel->invite = invite;
    cancel->method = SIP_METHOD_CANCEL;
    invite->cancel = cancel;
    transaction_start(layer, &cancel->base, MACHINE_OTHER_CLIENT, invite->base.is_reliable);
    *cancel_r = cancel;
    return 0;
}

int client_transaction_cancel(struct transaction_layer *layer, struct client_transaction *client, struct slice lines)
{
    struct sip_message *invite = NULL;
    struct client_transaction *cancel;
    if (client->base.state != STATE_PROCEEDING || client->cancel != NULL)
        return ERROR_STATE;
    struct buffer bytes = transaction_output_take(layer);
    int rc = parse_request(client, &invite);
    if (rc == 0)
        rc = sip_compose_cancel(&bytes, invite, lines);
    if (rc == 0)
        rc = cancel_new(layer, client, buffer_slice(&bytes), &cancel);
    if (rc == 0) {
        transaction_event(layer, &cancel->base, EVENT_PLACED, &(struct event_input){ 0 });
        if (!layer->ops->send_request(layer->arg, client, CLIENT_SEND_CANCEL,
                slice_of(cancel->request, cancel->request_length))) {
            transaction_end(layer, &cancel->base); /* as if it had not begun */
            rc = ERROR_MEMORY;
        }
    }
    transaction_output_give(layer, &bytes);
    sip_message_unref(invite);
    return rc;
}

/* ---- for the edge ---- */

struct transaction_handle client_transaction_handle(const struct client_transaction *client)
{
    return client->base.handle;
}

struct client_transaction *client_transaction_find(struct transaction_layer *layer, struct transaction_handle handle)
{
    return handle_table_find(&layer->handles, HANDLE_CLIENT, handle);
}

void client_transaction_set_origin(struct transaction_layer *layer, struct transaction_handle handle,
    struct slice origin)
{
    struct client_transaction *client = client_transaction_find(layer, handle);
    if (client != NULL && origin.length == client->origin_length && origin.length > 0)
        memcpy(client->texts, origin.data, origin.length);
}

void *client_transaction_user(const struct client_transaction *client)
{
    return client->user;
}

enum transaction_state client_transaction_state(const struct client_transaction *client)
{
    return client->base.state;
}

struct branch *client_transaction_branch(const struct client_transaction *client)
{
    return client->branch;
}

void client_transaction_branch_id(const struct transaction_layer *layer, const struct client_transaction *client,
    char out[BRANCH_ID_SIZE])
{
    struct branch_id id = { .client = client->base.handle, .loop_hash = client->loop_hash };
    branch_id_print(&id, &layer->settings.secret, out);
}

int client_transaction_placed(struct transaction_layer *layer, struct transaction_handle handle, struct slice request)
{
    struct client_transaction *client = client_transaction_find(layer, handle);
    if (client == NULL)
        return ERROR_NOT_FOUND;
    if (client->base.state != STATE_INITIAL)
        return ERROR_STATE;
    bool is_needed_again = client->method == SIP_METHOD_INVITE || !client->base.is_reliable;
    if (is_needed_again && keep_request(layer, client, request) != 0)
        return ERROR_MEMORY;
    transaction_enter(layer);
    transaction_event(layer, &client->base, EVENT_PLACED, &(struct event_input){ 0 });
    if (always(client->branch != NULL)) /* it loses it when it is answered or ends */
        branch_placed(client->branch);
    transaction_leave(layer);
    return 0;
}

void client_transaction_failed(struct transaction_layer *layer, struct transaction_handle handle, enum reason reason)
{
    struct client_transaction *client = client_transaction_find(layer, handle);
    if (client == NULL)
        return;
    transaction_enter(layer);
    transaction_event(layer, &client->base, EVENT_TRANSPORT_ERROR, &(struct event_input){ .reason = reason });
    transaction_leave(layer);
}
