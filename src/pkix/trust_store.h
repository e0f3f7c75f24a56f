/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trust_store.h - the anchors of one trust set, ready for verdicts.
 * In:    anchor certificates. Out: an immutable, counted object; any thread may use it.
 * Never: a directory, the system's anchors, or a certificate that was presented by a peer; never empty:
 *        a set without a usable anchor is an error, not a store (INV-21).
 */
#ifndef TRELAY_PKIX_TRUST_STORE_H
#define TRELAY_PKIX_TRUST_STORE_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/why.h"
#include "pkix/certificate.h"

#include <stddef.h>
#include <stdint.h>

struct trust_store;

/* Every anchor that can be one (X.509 version 3, basicConstraints cA, keyCertSign where keyUsage is there,
 * self-signed, strong enough) is taken, whatever its dates; each verdict looks at those. What is wrong with
 * the others, and anchors that NOW are expired or not yet valid, is told in PROBLEMS (NULL allowed), one line
 * each. ERROR_REFUSED when no anchor is left, ERROR_MEMORY. The store starts with one reference. */
int trust_store_new(const struct certificate_chain *anchors, int64_t now, struct trust_store **store_r,
                    struct buffer *problems, struct why *why) MUST_CHECK;

/* Returns STORE. */
struct trust_store *trust_store_ref(struct trust_store *store);
/* NULL is allowed. */
void trust_store_unref(struct trust_store *store);

/* SHA-256 over the sorted, distinct anchors and the flags of verification (INV-6). */
const uint8_t *trust_store_digest(const struct trust_store *store);
/* Distinct usable anchors. */
size_t trust_store_count(const struct trust_store *store);

#endif
