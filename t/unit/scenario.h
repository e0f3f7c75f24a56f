/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scenario.h - scenarios in files: messages in, messages expected, time that passes; t/data/scenario/README has the
 * language.
 * In:    a file. Out: whether the relay's pure core, on a clock and wires that are made up, does what it says.
 * The core is the real one: sip, transaction, and of the relay intake, routing and outgoing; scenario_relay.c stands
 * in for what has sockets.
 */
#ifndef TRELAY_UNIT_SCENARIO_H
#define TRELAY_UNIT_SCENARIO_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/list.h"
#include "policy/snapshot.h"
#include "relay/intake.h"
#include "sip/message.h"
#include "transaction/layer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SCENARIO_WORDS = 24,
    SCENARIO_LINES = 64,
    SCENARIO_AGENTS = 16,
    SCENARIO_MESSAGES = 128,
    SCENARIO_ROWS = 32,
    SCENARIO_VARIABLES = 32,
    SCENARIO_HOSTS = 16,
    SCENARIO_START_MS = 1000000
};

/* ---- the file (scenario_file.c) ---- */

struct statement {
    unsigned number; /* of its first line */
    const char *words[SCENARIO_WORDS];
    size_t word_count;
    char *rest;  /* what follows the first word */
    const char *lines[SCENARIO_LINES]; /* the indented ones behind it, without the indent */
    size_t line_count;
};

struct scenario {
    const char *path;
    char *text, *included;
    char *title; /* "C02 C15: ..." */
    char *fails; /* of scenarios that test the runner: what it must say; NULL: the scenario must hold */
    struct statement *statements;
    size_t count;
};

/* False: WHAT_R says why. */
bool scenario_read(const char *path, struct scenario *scenario_r, struct buffer *what_r);
void scenario_free(struct scenario *scenario);

/* The value of "name=..." among the words; NULL: none. */
const char *statement_value(const struct statement *statement, const char *name);
bool statement_has(const struct statement *statement, const char *word);

/* ---- the world ---- */

struct messages {
    struct sip_message *list[SCENARIO_MESSAGES];
    size_t count;
};

/* What reached an agent, and is not expected yet. */
struct arrival {
    struct sip_message *message;
    unsigned connection;
    uint64_t at_ms;
};

/* Somebody whom the relay talks to. Connections are numbered; those below lost_below are gone. */
struct agent {
    char name[32];
    enum sip_transport transport;
    struct endpoint endpoint;
    const struct listener_settings *listener; /* that it comes in by */
    struct peer_rule peer;
    const char *origin; /* who it is to the transaction layer; its name, but where it says otherwise */
    bool is_trusted, is_slow;
    enum reason unreachable; /* NONE: it is not */
    unsigned connection, lost_below;
    struct arrival waiting[SCENARIO_MESSAGES];
    size_t waiting_count;
    struct messages sent, received;
    unsigned requests_made;
};

struct host {
    const char *name;
    struct agent *agents[4];
    size_t agent_count;
};

/* What the policy row of a next hop says of names. */
struct terms {
    const char *host, *via_host, *rr_host;
    bool names_tls;
};

struct world {
    const struct scenario *scenario;
    const struct statement *at;
    struct buffer error; /* empty: none */

    struct relay_settings settings;
    struct listener_settings listeners[8];
    char aliases[8][SETTINGS_HOST_SIZE];
    struct route routes[SCENARIO_ROWS];
    struct flag_set route_flags[SCENARIO_ROWS];
    size_t route_count;
    struct terms terms[SCENARIO_HOSTS];
    size_t terms_count;
    struct agent agents[SCENARIO_AGENTS];
    size_t agent_count;
    struct host hosts[SCENARIO_HOSTS];
    size_t host_count;
    uint32_t max_servers;

    struct policy_snapshot *snapshot; /* made with the first step */
    struct transaction_layer *layer;  /* likewise */
    uint64_t now_ms;
    struct list hops; /* of client transactions that are open */
    enum request_outcome request_outcome;
    enum response_outcome response_outcome;
    unsigned recorded_status; /* of the last transaction that was answered */
    enum reason recorded_reason;
    bool is_recorded;

    struct {
        char name[32];
        char *value;
    } variables[SCENARIO_VARIABLES];
    size_t variable_count;
};

/* Notes the first error; false. */
bool scenario_fail(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- the relay (scenario_relay.c) ---- */

bool relay_begin(struct world *world);
void relay_end(struct world *world);
/* False: an error was noted. */
bool relay_take(struct world *world, struct agent *agent, unsigned connection, const char *origin,
    struct sip_message *message);
void relay_pass(struct world *world, uint64_t ms);
/* The requests that wait for a slow agent go out, or fail. */
void relay_connect(struct world *world, struct agent *agent, enum reason reason);
/* All connections with that agent are gone. */
void relay_lose(struct world *world, struct agent *agent);
/* What the relay sends is in order by itself; called for each message on its way to an agent. */
bool scenario_is_in_order(struct world *world, struct agent *agent, struct sip_message *message);

/* ---- agents (scenario_agent.c) ---- */

/* The message that a "from" statement describes; NULL: an error was noted. */
struct sip_message *agent_compose(struct world *world, struct agent *agent, const struct statement *statement);
struct agent *agent_find(struct world *world, const char *name);
/* The last of that method; OTHER: whatever is neither ACK nor CANCEL. CALL_ID may be NULL: any. */
struct sip_message *agent_last_request(const struct messages *messages, enum sip_method method, const char *call_id);
struct sip_message *agent_last_response(const struct messages *messages, unsigned class_from, unsigned class_to);
void messages_add(struct messages *messages, struct sip_message *message);

/* ---- expectations (scenario_match.c) ---- */

/* "*" is anything, "$name" a word: the first time any, later the same. */
bool match_pattern(struct world *world, const char *pattern, struct slice text);
/* The statement "to ..." and what waits for the agent; false: an error was noted. */
bool match_expect(struct world *world, struct agent *agent, const struct statement *statement);
/* TEXT with each "$name" replaced. */
bool match_replace(struct world *world, const char *text, struct buffer *out);

#endif
