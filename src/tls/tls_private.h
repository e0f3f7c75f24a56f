/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_private.h - what the files of src/tls share and nobody else sees.
 * Never: included from outside src/tls.
 */
#ifndef TRELAY_TLS_TLS_PRIVATE_H
#define TRELAY_TLS_TLS_PRIVATE_H

#include "tls/tls_context.h"
#include "tls/tls_credential.h"
#include "tls/tls_session.h"
#include "tls/tls_settings.h"

#include <stdatomic.h>

struct tls_credential {
    atomic_uint references;
    enum tls_key_kind kind;
    struct slice digest;
    struct slice chain; /* the DERs, one behind the other, leaf first */
    struct slice leaf;  /* the first of them */
    struct slice key;
    char memory[]; /* of all the slices; the key is the last of them */
};

struct WOLFSSL_CTX;

struct tls_context {
    atomic_uint references;
    enum tls_role role;
    struct tls_settings settings;
    struct tls_credential *credential;
    struct WOLFSSL_CTX *library;
};

/* The library's name of a suite, and the version it belongs to; "" and UNSET for unknown ones. */
const char *tls_suite_library_name(unsigned suite);
enum tls_version tls_suite_version(unsigned suite);
/* 0 for unknown names. */
unsigned tls_group_from_name(struct slice name);

/* AES runs on the processor's own instructions in this build on this machine. */
bool tls_library_has_fast_aes(void);
/* The library's text for one of its error codes; static. */
const char *tls_library_error_text(int code);
/* Of a refusal: ERROR_MEMORY, where the library says that there was none; else OTHERWISE. */
int tls_library_error_code(int code, int otherwise);

/* Runs both sides against each other, without a wire, until nobody can go on; releases holds when IS_RELEASING.
 * 0 when both are done. */
int tls_pair_run(struct tls_session *client, struct tls_session *server, bool is_releasing, struct why *why) MUST_CHECK;

/* Proves by a handshake that CREDENTIAL's key is its certificate's. */
int tls_credential_prove(struct tls_credential *credential, struct why *why) MUST_CHECK;

/* A certificate (DER) and its key (DER), made on the spot. */
struct tls_specimen {
    struct buffer certificate, key;
};
int tls_specimen_new(struct tls_specimen *specimen_r, struct why *why) MUST_CHECK;
void tls_specimen_free(struct tls_specimen *specimen);

/* The library's mode of verification: which side asks for a certificate, and insists on it. */
int tls_context_verify_mode(const struct tls_settings *settings);

/* For the context's verify callback and the session, in tls_wire.c. */
struct WOLFSSL_X509_STORE_CTX;
int tls_session_capture(int is_verified, struct WOLFSSL_X509_STORE_CTX *store);

#endif
