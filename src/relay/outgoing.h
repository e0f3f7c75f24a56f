/* SPDX-License-Identifier: GPL-2.0-or-later */
/* outgoing.h - a request as it leaves: our Via, Record-Route for each side, Route, Max-Forwards, Max-Breadth.
 * In:    the request as it came, what routing changes in it, and where this one goes. Out: its bytes.
 * Never: sends, or lets out what is for us alone (X-Trelay-Flags).
 */
#ifndef TRELAY_RELAY_OUTGOING_H
#define TRELAY_RELAY_OUTGOING_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "relay/routing.h"
#include "relay/settings.h"
#include "sip/message.h"

#include <stdbool.h>
#include <stdint.h>

struct outgoing {
    const struct sip_message *request;
    const struct relay_settings *settings;
    const struct listener_settings *in_side; /* where it came in */
    struct endpoint source;                  /* from whom; for received and rport */
    const struct routing_edits *edits;
    struct slice route_push;                 /* absent: none */
    const struct sip_uri *next_hop;
    enum sip_transport transport;            /* of the address it goes to */
    uint8_t family;
    struct slice branch_id;                  /* value of our Via's branch */
    const char *via_host, *rr_host;          /* of the policy row; NULL: the listener's */
    struct slice pin;                        /* of the dialog, for Record-Route; absent: none */
    bool out_names_tls, in_names_tls;        /* that side wants transport=tls in Record-Route */
    uint32_t max_breadth;                    /* 0: left as it came */
};

/* Whether a request of that method gets Record-Route. */
bool outgoing_makes_dialog(enum sip_method method);

/* The host, without brackets, and the port of our Via towards TRANSPORT and FAMILY. VIA_HOST: of the policy row, or
 * NULL. Good as long as SETTINGS and VIA_HOST are. */
const char *outgoing_sent_by(const struct relay_settings *settings, enum sip_transport transport, uint8_t family,
    const char *via_host, uint16_t *port_r);

/* Appends to OUT. SCRATCH: cleared, written over. 0, ERROR_MEMORY, or as sip_compose_request(). */
int outgoing_compose(const struct outgoing *outgoing, struct buffer *scratch, struct buffer *out) MUST_CHECK;

#endif
