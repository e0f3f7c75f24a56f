/* SPDX-License-Identifier: GPL-2.0-or-later */
/* explain.h - a decision in lines of text for people (INV-50).
 * In:    what policy and decide made. Out: "word: text" lines, each with a newline.
 * Never: decides anything itself.
 */
#ifndef TRELAY_DECIDE_EXPLAIN_H
#define TRELAY_DECIDE_EXPLAIN_H

#include "base/buffer.h"
#include "decide/decide.h"

/* "row: 17 biloxi (domain biloxi.example, priority 100)"; for NULL "row: none". */
void explain_row(const struct outbound_policy *row, struct buffer *out);

/* "refused: 403 no-policy: ..." with the text of WHY when there is one. */
void explain_refusal(enum reason reason, const struct why *why, struct buffer *out);

/* "requirement: ...", "terms: ..." */
void explain_requirement(const struct requirement *requirement, struct buffer *out);

/* "decision: reuse 0.17.3", "upgrade: busy", "key: 4f0c51ab33e0d97c, 254 bytes" */
void explain_decision(const struct decision_result *result, const struct connection_key *key, struct buffer *out);

#endif
