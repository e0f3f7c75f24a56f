/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_fixture.h - snapshots for tests: rows that are usable as they are, to be spoilt one column at a time. */
#ifndef TRELAY_UNIT_POLICY_FIXTURE_H
#define TRELAY_UNIT_POLICY_FIXTURE_H

/* In the order in which cmocka wants them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "policy/lookup.h"
#include "policy/snapshot.h"

enum { FIXTURE_LOADED_AT = 1700000000, FIXTURE_SEED = 4711 };

/* Counts what a snapshot gives back. */
struct fixture_releases {
    unsigned trust_stores, credentials;
};
struct fixture_releases fixture_released(void);
void fixture_forget_releases(void);
const struct policy_release_ops *fixture_release_ops(void);

/* Objects of the edge as the pure half sees them: pointers that are never followed. */
struct trust_store *fixture_store(unsigned number);
struct tls_credential *fixture_key(unsigned number);

struct outbound_policy fixture_outbound(int64_t id, const char *domain);
struct policy_trust_set fixture_trust_set(const char *name, uint8_t content);
struct policy_credential fixture_credential(const char *name, uint8_t content);
struct server_profile fixture_profile(const char *name, const char *listener, const char *server_name);
struct peer_rule fixture_peer(int64_t id, const char *name);
struct route fixture_route(int64_t id, const char *domain);

/* A builder with trust sets "anchors" (content 1) and "others" (2), certificates "ours" (1) and "theirs" (2). */
struct policy_builder *fixture_builder(void);
struct policy_builder *fixture_builder_bare(void);
/* Frees the builder. */
struct policy_snapshot *fixture_finish(struct policy_builder *builder);

struct address fixture_address(const char *text);
struct prefix fixture_prefix(const char *text);

/* A small generator: the same numbers in every run. */
uint32_t fixture_random(uint32_t *state, uint32_t limit);

#endif
