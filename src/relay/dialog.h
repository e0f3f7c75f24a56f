/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dialog.h - the pin of a dialog at the relay's edge: taken from a request, made for its Record-Route; private to
 * src/relay.
 * In:    requests within and outside dialogs, the secrets of the policy. Out: exchange->pin; the value to write.
 * Never: refuses a request, or lets it go with less: without a pin that holds, ordinary policy rules.
 */
#ifndef TRELAY_RELAY_DIALOG_H
#define TRELAY_RELAY_DIALOG_H

#include "base/attributes.h"
#include "relay/worker.h"

/* TEXT: the parameter of our own Route; absent: none. Of a request outside dialogs it means nothing. False: there was
 * no memory to read it, and nobody knows what the request must ask for. */
bool dialog_take_pin(struct exchange *exchange, struct slice text) MUST_CHECK;

/* What the next hop of a request had to prove when its dialog began, NULL: nothing that we know. */
const struct dialog_part *dialog_requirement(const struct exchange *exchange);

/* The value for the Record-Route of a request that goes out under REQUIREMENT; absent: none. */
struct slice dialog_make_pin(const struct relay_step *step, const struct requirement *requirement,
    char out[DIALOG_PIN_TEXT_MAX]);

#endif
