/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_context.h - everything that sessions of one role, credential and floor have in common; immutable (INV-17).
 * In:    role, settings, credential. Out: a counted context for tls_session_new(), usable by all threads.
 * Never: holds CA certificates, resumes sessions, issues tickets, or changes after it was made.
 */
#ifndef TRELAY_TLS_TLS_CONTEXT_H
#define TRELAY_TLS_TLS_CONTEXT_H

#include "base/attributes.h"
#include "base/why.h"
#include "tls/tls_credential.h"
#include "tls/tls_settings.h"

#include <stddef.h>

enum tls_role { TLS_ROLE_NONE = 0, TLS_ROLE_CLIENT, TLS_ROLE_SERVER };

struct tls_context;

/* CREDENTIAL may be NULL for a client that shows no certificate; it is counted once more, not taken.
 * SETTINGS of a server need client_auth, those of a client must not have it. */
int tls_context_new(enum tls_role role, const struct tls_settings *settings, struct tls_credential *credential,
                    struct tls_context **context_r, struct why *why) MUST_CHECK;

/* NULL is allowed, and then nothing happens. */
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

enum tls_role tls_context_role(const struct tls_context *context);
const struct tls_settings *tls_context_settings(const struct tls_context *context);
struct tls_credential *tls_context_credential(const struct tls_context *context); /* borrowed, may be NULL */

/* Contexts found again by their content: role, settings and the credential's digest, compared as bytes.
 * Usable by all threads. */
struct tls_context_cache;

/* SEED: of the process's hash tables (base/hash.h). LIMIT: contexts kept though no session uses them. */
int tls_context_cache_new(uint64_t seed, size_t limit, struct tls_context_cache **cache_r) MUST_CHECK;
void tls_context_cache_free(struct tls_context_cache *cache);

/* The context of that content, made when there is none; the caller's reference. Arguments as for tls_context_new(). */
int tls_context_cache_get(struct tls_context_cache *cache, enum tls_role role, const struct tls_settings *settings,
                          struct tls_credential *credential, struct tls_context **context_r,
                          struct why *why) MUST_CHECK;

/* Drops the contexts that nobody else uses: for when the policy has changed. */
void tls_context_cache_sweep(struct tls_context_cache *cache);
size_t tls_context_cache_count(struct tls_context_cache *cache);

#endif
