/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_material.h - certificates with keys and sets of trust anchors, from rows or files, made once for a content.
 * In:    PEM text or the paths of files with it. Out: counted objects of src/tls and src/pkix, or why there is none.
 * The same content as in the loading before gives the same object (INV-41): SHA-256 over all that goes in.
 * Never: keeps key text; every copy of it made here is overwritten.
 */
#ifndef TRELAY_DB_POLICY_MATERIAL_H
#define TRELAY_DB_POLICY_MATERIAL_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "base/why.h"
#include "policy/row.h"

#include <stddef.h>
#include <stdint.h>

struct policy_material;

int policy_material_new(struct policy_material **material_r) MUST_CHECK;
void policy_material_free(struct policy_material *material); /* NULL is allowed */

/* Around one loading: what was asked for between the two stays for the next one, the rest is dropped; so is what could
 * not be made, because some of the reasons pass (a library that found no memory). */
void policy_material_begin(struct policy_material *material);
void policy_material_end(struct policy_material *material);

/* Exactly one of text and path is there, or neither. */
struct material_source {
    struct slice text;
    const char *path;
};

struct credential_source {
    struct material_source chain, key;
    struct slice key_uri, passphrase;
};

/* What an object is made of, for the digest of the policy's content. */
struct material_identity {
    uint8_t digest[DIGEST_SIZE];
};

/* Fills ROW. When it cannot be used, ROW's credential is NULL and WHY says why; then the result is 0, too. The
 * reference in ROW is the caller's. CERTIFICATES (may be NULL) gets one JSON object for each certificate, with ','
 * between one and the next. ERROR_MEMORY. */
int policy_material_credential(struct policy_material *material, const char *name,
    const struct credential_source *source, struct policy_credential *row_r, struct material_identity *identity_r,
    struct buffer *certificates, struct why *why) MUST_CHECK;

struct anchor_source {
    const char *name;
    struct material_source certificates;
};

/* The same for a trust set. An anchor that cannot be read or used is left out, which only ever makes the set stricter;
 * PROBLEMS gets a line "name: why" for each. */
int policy_material_trust_set(struct policy_material *material, const char *name, const struct anchor_source *anchors,
    size_t count, int64_t now_s, struct policy_trust_set *row_r, struct material_identity *identity_r,
    struct buffer *certificates, struct buffer *problems, struct why *why) MUST_CHECK;

/* How many objects were made, not found, since _begin. */
size_t policy_material_made(const struct policy_material *material);

#endif
