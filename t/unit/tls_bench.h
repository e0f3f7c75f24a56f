/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_bench.h - what the tests of src/tls share: identities, pairs of our own sessions, and feeding them.
 * A failure to set up ends the test program.
 */
#ifndef TRELAY_UNIT_TLS_BENCH_H
#define TRELAY_UNIT_TLS_BENCH_H

#include "tls/tls_context.h"
#include "tls/tls_credential.h"
#include "tls/tls_session.h"

#include "pki.h"

enum { IDENTITY_CERTIFICATES = 8 };

/* A leaf, its intermediates and the root (which is not sent). */
struct identity {
    struct pki_certificate *all[IDENTITY_CERTIFICATES + 1]; /* leaf first, root last */
    struct slice chain[IDENTITY_CERTIFICATES];              /* as sent */
    size_t count;
    struct buffer key; /* DER */
    struct tls_credential *credential;
};

/* NAMES: how many subjectAltNames the leaf has, about 24 bytes each. */
void identity_init(struct identity *identity, enum pki_key key, size_t intermediates, size_t names);
void identity_fini(struct identity *identity);

/* The private key of CERTIFICATE as PKCS#8 (or traditional) DER. */
struct buffer key_der(const struct pki_certificate *certificate, bool is_traditional);

struct pair_options {
    const struct identity *server, *client;
    enum tls_version version; /* UNSET: both */
    enum client_auth client_auth;
    const char *suites, *groups;
    const char *client_protocol, *server_protocol;
    const char *server_name;
    size_t step; /* bytes handed over at a time; 0: all there are */
};

struct pair {
    struct tls_context *client_context, *server_context;
    struct tls_session *client, *server;
    enum tls_progress client_progress, server_progress;
    struct why client_why, server_why;
    size_t step;
};

void pair_init(struct pair *pair, const struct pair_options *options);
#define PAIR_INIT(pair, ...) pair_init((pair), &(const struct pair_options){ __VA_ARGS__ })
void pair_fini(struct pair *pair);

/* Lets both go on until nothing moves any more; releases nothing. */
void pair_run(struct pair *pair);
/* The same, and releases both whenever they hold. True: both done. */
bool pair_complete(struct pair *pair);
/* Sends TEXT from one to the other and compares what arrives. */
void expect_text(struct tls_session *from, struct tls_session *to, struct slice text, size_t step);
/* Takes the session's chain and compares it. */
void expect_chain(struct tls_session *session, const struct slice *certificates, size_t count);

/* Settings as the options have them. */
struct tls_settings settings_of(enum tls_version version, enum client_auth client_auth, const char *suites,
                                const char *groups, const char *protocol);

#endif
