/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_private.h - one client of the control socket, for the commands. */
#ifndef TRELAY_CONTROL_CONTROL_PRIVATE_H
#define TRELAY_CONTROL_CONTROL_PRIVATE_H

#include "control/control.h"

#include <jansson.h>

struct control_client;

const struct control_environment *control_client_environment(const struct control_client *client);
/* Takes ANSWER (NULL: out of memory); the client is gone then. */
void control_answer(struct control_client *client, json_t *answer);
/* {"error": TEXT} */
void control_answer_error(struct control_client *client, const char *text);

/* command.c: does what QUESTION says; answers now or later. */
void control_command(struct control_client *client, json_t *question);
/* control_explain.c */
void control_explain(struct control_client *client, json_t *question);
/* The same question, and then a real handshake. */
void control_probe(struct control_client *client, json_t *question);
/* What came of it, as the member "probe" of an answer. */
json_t *control_probe_json(const struct relay_probe_result *result);

#endif
