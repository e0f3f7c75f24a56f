/* SPDX-License-Identifier: GPL-2.0-or-later */
/* certificate.h - certificates as bytes, and what one of them says.
 * In:    PEM or DER, from files, rows or a handshake. Out: lists of DERs; facts as plain text and numbers.
 * Facts are what the certificate claims; whether any of it is true is pkix/verdict's to say.
 * Never: a name cut at a NUL: bytes that are not printable ASCII are escaped (\00), so that a name with
 *        such bytes is visible and cannot equal a domain name.
 */
#ifndef TRELAY_PKIX_CERTIFICATE_H
#define TRELAY_PKIX_CERTIFICATE_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "base/why.h"
#include "policy/verdict.h" /* DIGEST_SIZE */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CERTIFICATE_SIZE_MAX = 128 * 1024,        /* of one DER */
    CERTIFICATE_COUNT_MAX = 4096,             /* of one list */
    CERTIFICATE_LIST_SIZE_MAX = 16 * 1024 * 1024, /* of all DERs of one list */
};

/* A list of certificates as DER, in the order given: a presented chain, leaf first, or a set of anchors.
 * All bytes lie in one block. Zero-initialised is empty. */
struct certificate_chain {
    size_t count;
    uint8_t *der;  /* one after the other */
    uint32_t *end; /* offset in der at which certificate i ends */
};

#define CERTIFICATE_CHAIN_EMPTY ((struct certificate_chain){ 0, NULL, NULL })

/* Appends a copy, not looked into. ERROR_MEMORY, ERROR_LIMIT, or ERROR_SYNTAX for no bytes at all. */
int certificate_chain_append(struct certificate_chain *chain, struct slice der) MUST_CHECK;

/* Borrowed until the chain changes; absent beyond the end. */
struct slice certificate_chain_get(const struct certificate_chain *chain, size_t index);

/* Same certificates, byte for byte, in the same order. */
bool certificate_chain_equal(const struct certificate_chain *a, const struct certificate_chain *b);

/* Frees the content; the chain is empty then. */
void certificate_chain_fini(struct certificate_chain *chain);

/* The certificates of a PEM text (other PEM blocks and text between them are skipped), or one DER.
 * Each must parse. ERROR_SYNTAX, ERROR_LIMIT, ERROR_MEMORY; ERROR_NOT_FOUND when there is none. */
int certificate_chain_read(struct slice file, struct certificate_chain *chain_r, struct why *why) MUST_CHECK;

/* PEM text of all certificates, to be freed with free(). */
int certificate_chain_to_pem(const struct certificate_chain *chain, char **text_r) MUST_CHECK;

enum certificate_name_type {
    CERTIFICATE_NAME_NONE = 0,
    CERTIFICATE_NAME_URI,
    CERTIFICATE_NAME_DNS,
    CERTIFICATE_NAME_IP, /* as text */
    CERTIFICATE_NAME_EMAIL,
    CERTIFICATE_NAME_OTHER, /* directoryName, otherName, ...: text is empty */
};

struct certificate_name {
    enum certificate_name_type type;
    const char *text; /* escaped: printable ASCII only, a backslash doubled */
};

enum key_type {
    KEY_TYPE_UNKNOWN = 0,
    KEY_TYPE_RSA,
    KEY_TYPE_RSA_PSS,
    KEY_TYPE_EC,
    KEY_TYPE_ED25519,
    KEY_TYPE_ED448,
};

/* One allocation; all text is NUL-terminated and lives as long as the facts. */
struct certificate_facts {
    const char *subject; /* RFC 2253, UTF-8 with control bytes escaped; "" when empty */
    const char *issuer;
    const char *serial;      /* hexadecimal, upper case, "-" ahead of a negative one */
    const char *common_name; /* escaped like a name; NULL unless the subject has exactly one */
    uint8_t digest[DIGEST_SIZE];     /* SHA-256 of the certificate */
    uint8_t key_digest[DIGEST_SIZE]; /* SHA-256 of the SubjectPublicKeyInfo */
    int64_t not_before, not_after;   /* seconds since the epoch */
    enum key_type key_type;
    unsigned key_bits;
    bool is_ca;            /* basicConstraints with cA */
    bool is_self_issued;   /* subject equals issuer */
    bool has_names;        /* a subjectAltName extension is there, even an empty one */
    bool has_unclean_name; /* a NUL or control byte in a subjectAltName or common name */
    size_t name_count;
    const struct certificate_name *names; /* in the certificate's order */
};

/* ERROR_SYNTAX (why says what), ERROR_MEMORY. */
int certificate_facts_read(struct slice der, struct certificate_facts **facts_r, struct why *why) MUST_CHECK;
void certificate_facts_free(struct certificate_facts *facts);

/* "uri:sip:a.example, dns:b.example", or "cn:c.example" without subjectAltName; cut with "..." when long. */
void certificate_names_print(const struct certificate_facts *facts, char *out, size_t out_size);

/* Each name by itself as "uri:sip:a.example", without those that have no text: into NAMES_R, at most MAX, stored in
 * TEXT (which starts empty). How many; 0 when TEXT has failed. */
size_t certificate_names_list(const struct certificate_facts *facts, struct buffer *text, struct slice *names_r,
    size_t max);

/* "uri", "dns", "ip", "email", "other"; "rsa", "ec", "ed25519", ...: as accounting and rules have them. */
const char *certificate_name_type_word(enum certificate_name_type type);
const char *key_type_word(enum key_type type);

#endif
