/* SPDX-License-Identifier: GPL-2.0-or-later */
/* client_hello.h - reads the ClientHello of a new connection before any TLS object exists.
 * In:    the first bytes of a connection, in any pieces.
 * Out:   what the choice of our certificate needs, as slices into the reader's bytes; the bytes for the replay.
 * Never: decides, normalises names, or lets a peer make it hold more than CLIENT_HELLO_RAW_LIMIT bytes.
 */
#ifndef TRELAY_TLS_CLIENT_HELLO_H
#define TRELAY_TLS_CLIENT_HELLO_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/slice.h"
#include "base/why.h"
#include "policy/level.h"
#include "tls/tls_alert.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CLIENT_HELLO_LIMIT = 16384,             /* bytes of the handshake message */
    CLIENT_HELLO_RAW_LIMIT = 2 * 16384,     /* bytes of the records that carry it, and of what came with them */
};

enum client_hello_state {
    CLIENT_HELLO_NONE = 0,
    CLIENT_HELLO_INCOMPLETE, /* more bytes are needed */
    CLIENT_HELLO_COMPLETE,
    CLIENT_HELLO_REFUSED, /* not TLS, malformed or over a limit: send .alert (if any) and close */
};

/* Kinds of certificate keys between which a server can choose. */
enum tls_key_kind {
    TLS_KEY_NONE = 0,
    TLS_KEY_RSA,
    TLS_KEY_EC_P256,
    TLS_KEY_EC_P384,
    TLS_KEY_EC_P521,
    TLS_KEY_ED25519,
};

/* Types of trusted_ca_keys entries (RFC 6066 section 6). */
enum trusted_authority_type {
    TRUSTED_AUTHORITY_PRE_AGREED = 0, /* no identifier */
    TRUSTED_AUTHORITY_KEY_SHA1 = 1,   /* 20 bytes */
    TRUSTED_AUTHORITY_NAME = 2,       /* a DER distinguished name */
    TRUSTED_AUTHORITY_CERTIFICATE_SHA1 = 3, /* 20 bytes */
};

/* All slices are absent when the extension is; list slices are the list's bytes without its length field. */
struct client_hello {
    uint16_t legacy_version;
    struct slice server_name;                /* the host_name as sent: any bytes, not yet checked to be a name */
    struct slice cipher_suites;              /* two bytes each */
    struct slice supported_versions;         /* two bytes each */
    struct slice supported_groups;           /* two bytes each */
    struct slice signature_algorithms;       /* two bytes each */
    struct slice signature_algorithms_cert;  /* two bytes each */
    struct slice application_protocols;      /* ALPN names, each behind one byte of length */
    struct slice trusted_authorities;        /* trusted_ca_keys (3), see client_hello_next_authority() */
    struct slice certificate_authorities;    /* (47), see client_hello_next_name() */
    bool requests_status;                    /* status_request (5) with type ocsp */
};

struct client_hello_reader {
    enum client_hello_state state;
    struct client_hello hello;  /* valid when COMPLETE and until _fini */
    enum tls_alert alert;       /* when REFUSED; TLS_ALERT_ABSENT: close without a word */
    struct buffer raw;          /* everything received: to be replayed into the session */
    struct buffer message;      /* the handshake message where it spans records */
    size_t parsed;              /* how much of raw was cut into records */
};

void client_hello_reader_init(struct client_hello_reader *reader);
void client_hello_reader_fini(struct client_hello_reader *reader);

/* Appends INPUT and reads on. Returns the new state; the reason of a refusal is in WHY.
 * Not to be called again once the state is COMPLETE or REFUSED (it returns the state unchanged and drops INPUT). */
enum client_hello_state client_hello_reader_feed(struct client_hello_reader *reader, struct slice input,
                                                 struct why *why);

/* The version that a server with these limits would negotiate; UNSET: none. */
enum tls_version client_hello_version(const struct client_hello *hello, enum tls_version minimum,
                                      enum tls_version maximum);

/* Whether a certificate with a key of KIND can be shown to this client when VERSION is negotiated. */
bool client_hello_takes_key(const struct client_hello *hello, enum tls_key_kind kind, enum tls_version version);

/* Whether the client offers PROTOCOL in ALPN; false when it sent no ALPN at all. */
bool client_hello_offers_protocol(const struct client_hello *hello, struct slice protocol);

struct trusted_authority {
    enum trusted_authority_type type;
    struct slice identifier;
};

/* Cuts the next entry off *REST (which starts as hello->trusted_authorities); false at the end. */
bool client_hello_next_authority(struct slice *rest, struct trusted_authority *authority_r);

/* Cuts the next DER distinguished name off *REST (which starts as hello->certificate_authorities). */
bool client_hello_next_name(struct slice *rest, struct slice *name_r);

#endif
