/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decide_fixture.h - requirements, verdicts and connections as they should be, to be spoilt one member at a time. */
#ifndef TRELAY_UNIT_DECIDE_FIXTURE_H
#define TRELAY_UNIT_DECIDE_FIXTURE_H

#include "policy_fixture.h"

#include "decide/decide.h"

enum { FIXTURE_NOW = FIXTURE_LOADED_AT + 100 };

/* TLS to 192.0.2.1:5061 with SNI biloxi.example; at level none plain TCP. Everything is allowed. */
struct requirement fixture_requirement(enum level level);

/* The verdict that this key asks for. */
struct verdict fixture_verdict(const struct requirement_key *key);

/* READY, idle, for that key and verdict. */
struct connection_view fixture_connection(uint64_t generation, const struct connection_key *key,
    const struct verdict *verdict);

struct connection_key fixture_key_of(const struct requirement *requirement);

#endif
