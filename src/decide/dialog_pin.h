/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dialog_pin.h - what the hops of a dialog had to prove when it began, as the parameter "pin" of our own Record-Route:
 * any node that has the secret reads it, and none has to remember the dialog. (Not the pins of certificates.)
 * In:    rows and flags of both directions; Call-ID and the tag of who made the dialog; secrets; the text that came.
 * Out:   the parameter's value, or what it says, for the direction from which the request comes.
 * Never: reads a byte of it ahead of its MAC; says anything of one that is not whole, ours, of this dialog and young.
 *
 * The text is base64url of: version, time of issue (4 bytes), which directions (bit 0 to the callee, bit 1 to the
 * caller); for each of them a byte of level and contents, and, unless that is a floor, the row's id (varint), the
 * domain and the flags where there are any (length, text); then 16 bytes of HMAC-SHA-256 over all that, Call-ID and
 * tag. The tag tells the directions apart: who made the dialog has it in From, and its peer in To.
 */
#ifndef TRELAY_DECIDE_DIALOG_PIN_H
#define TRELAY_DECIDE_DIALOG_PIN_H

#include "base/attributes.h"
#include "base/base64url.h"
#include "policy/row.h"

#include <stdbool.h>

enum { DIALOG_PIN_MAC_SIZE = 16, DIALOG_PIN_BYTES_MAX = 640 };
enum { DIALOG_PIN_TEXT_MAX = BASE64URL_LENGTH(DIALOG_PIN_BYTES_MAX) };

/* One direction. Level encrypt is a floor and nothing else: whoever has proven nothing chooses no row. */
struct dialog_part {
    int64_t row_id;                /* 0: a floor */
    enum level level;              /* encrypt, chain or domain; UNSET: nothing is known of this direction */
    char domain[DOMAIN_NAME_SIZE]; /* of the next hop then, where the row names none to expect; "" : none */
    struct flag_set flags;         /* of DIALOG_PIN_FLAGS */
};

/* The flags that shape what a peer has to prove, and to whom. The level is said by itself. */
enum {
    DIALOG_PIN_FLAGS = T_RELAY_VERIFY_DOMAIN | T_RELAY_CERT | T_RELAY_NO_CERT | T_RELAY_SNI | T_RELAY_NO_SNI |
        T_RELAY_TRUST | T_RELAY_CRL | T_RELAY_OCSP | T_RELAY_OCSP_HARD | T_RELAY_INITIAL_ONLY
};

struct dialog_pin {
    int64_t issued_at; /* seconds since the epoch */
    struct dialog_part to_callee, to_caller;
};

/* What libcrypto does for it: pkix/digest.h. */
struct dialog_pin_crypto {
    int (*hmac_sha256)(struct slice key, const struct slice *parts, size_t part_count, uint8_t digest_r[DIGEST_SIZE]);
    bool (*is_equal)(const void *a, const void *b, size_t length); /* in constant time */
};

/* The value for a request that makes a dialog, whose sender has FROM_TAG. Returns its length in OUT; 0: there is none,
 * for want of memory, a tag, a level worth it, or room. */
size_t dialog_pin_print(const struct dialog_pin *pin, struct slice call_id, struct slice from_tag,
    const struct dialog_secret *secret, const struct dialog_pin_crypto *crypto, char out[DIALOG_PIN_TEXT_MAX]);

/* code, word for the log */
#define DIALOG_PIN_RESULT_LIST(X)                                                  \
    X(DIALOG_PIN_VALID, "valid")                                                   \
    X(DIALOG_PIN_MALFORMED, "malformed") /* no such text, or of a later version */ \
    X(DIALOG_PIN_FORGED, "forged") /* tampered with, of another dialog, or under no secret that we have */ \
    X(DIALOG_PIN_TOO_OLD, "too-old") /* or of the future */                        \
    X(DIALOG_PIN_NO_MEMORY, "no-memory")
enum dialog_pin_result {
#define X(code, word) code,
    DIALOG_PIN_RESULT_LIST(X)
#undef X
};
const char *dialog_pin_result_word(enum dialog_pin_result result);

/* The request that brought the text. */
struct dialog_pin_bearer {
    struct slice call_id, from_tag, to_tag;
    int64_t now;       /* seconds since the epoch */
    uint32_t max_age_s; /* 0: any age */
};

/* *PIN_R and *IS_FROM_CALLER_R are set only of DIALOG_PIN_VALID. */
enum dialog_pin_result dialog_pin_read(struct slice text, const struct dialog_pin_bearer *bearer,
    const struct dialog_secrets *secrets, const struct dialog_pin_crypto *crypto, struct dialog_pin *pin_r,
    bool *is_from_caller_r) MUST_CHECK;

#endif
