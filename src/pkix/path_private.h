/* SPDX-License-Identifier: GPL-2.0-or-later */
/* path_private.h - from a presented leaf to an anchor, by RFC 5280 section 6 as libcrypto does it. */
#ifndef TRELAY_PKIX_PATH_PRIVATE_H
#define TRELAY_PKIX_PATH_PRIVATE_H

#include "pkix/rule_private.h"
#include "pkix/trust_store.h"

struct path {
    STACK_OF(X509) *certificates;       /* leaf first, anchor last; each counted */
    uint8_t anchor_digest[DIGEST_SIZE]; /* SHA-256 of the anchor */
};

void path_fini(struct path *path);

/* A path from LEAF over any of UNTRUSTED to an anchor of STORE, valid at NOW. */
enum reason path_find(const struct trust_store *store, X509 *leaf, STACK_OF(X509) *untrusted, int64_t now,
                      struct path *path, struct why *why);

/* A pinned self-signed leaf as its own anchor: its signature and its dates. */
enum reason path_of_pinned(X509 *leaf, const struct certificate_facts *facts, int64_t now, struct path *path,
                           struct why *why);

/* The reason that an error of libcrypto's verification stands for. */
enum reason path_error_reason(int error);

#endif
