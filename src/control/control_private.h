/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_private.h - one client of the control socket, for the commands. */
#ifndef TRELAY_CONTROL_CONTROL_PRIVATE_H
#define TRELAY_CONTROL_CONTROL_PRIVATE_H

#include "control/control.h"

#include <jansson.h>

struct control_client;

const struct control_environment *control_environment_of(const struct control *control);
/* NULL: the control is gone, and with it who asked. */
const struct control_environment *control_client_environment(const struct control_client *client);
/* Takes ANSWER (NULL: out of memory); the client is gone then. */
void control_answer(struct control_client *client, json_t *answer);
/* {"error": TEXT} */
void control_answer_error(struct control_client *client, const char *text);

/* command.c: does what QUESTION says; answers now or later. */
void control_command(struct control_client *client, json_t *question);
/* control_explain.c: MEMBERS as explain_question.h has them; IS_PROBE: and then a real handshake. DONE is called once,
 * now or later, and takes ANSWER; {"error": TEXT} when the question cannot be read. */
typedef void control_explained_fn(void *arg, json_t *answer);
void control_explain(const struct control_environment *environment, json_t *members, bool is_probe,
    control_explained_fn *done, void *arg);
/* What came of it, as the member "probe" of an answer. */
json_t *control_probe_json(const struct relay_probe_result *result);

#endif
