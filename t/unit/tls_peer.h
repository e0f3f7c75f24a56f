/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_peer.h - the other side of a test: OpenSSL over memory, well-behaved or not.
 * Its header names nothing of OpenSSL, so that it can stand beside src/tls.
 */
#ifndef TRELAY_UNIT_TLS_PEER_H
#define TRELAY_UNIT_TLS_PEER_H

#include "tls_bench.h"

enum peer_verify { PEER_VERIFY_NONE = 0, PEER_VERIFY_REQUEST, PEER_VERIFY_REQUIRE };

struct peer_options {
    bool is_server;
    const struct identity *identity;         /* NULL: shows no certificate */
    const struct identity *key_of;           /* signs with that one's key: a peer that does not own its certificate */
    enum peer_verify verify;
    int minimum, maximum;                    /* 0x0301 to 0x0304; 0: no limit */
    const char *suites, *suites_1_3, *groups; /* OpenSSL's notation; NULL: its default */
    const char *server_name;
    const char *protocol;                    /* ALPN: offered, or the only one chosen */
    const struct pki_certificate *authority; /* client: its name goes into certificate_authorities */
    struct slice extension_3;                /* client: trusted_ca_keys with that body */
};

struct peer;
struct peer *peer_new(const struct peer_options *options);
#define PEER_NEW(...) peer_new(&(const struct peer_options){ __VA_ARGS__ })
void peer_free(struct peer *peer);

/* Takes INPUT, goes on with the handshake or with reading. */
void peer_step(struct peer *peer, struct slice input);
/* What it wants to send, until peer_sent(). */
struct slice peer_output(const struct peer *peer);
void peer_sent(struct peer *peer);

bool peer_is_done(const struct peer *peer);
bool peer_has_failed(const struct peer *peer);
bool peer_is_closed(const struct peer *peer); /* close_notify came */
int peer_alert(const struct peer *peer);      /* the last one received; -1: none */
const char *peer_error(const struct peer *peer);
const char *peer_version(const struct peer *peer);
bool peer_was_resumed(const struct peer *peer);
bool peer_was_name_acknowledged(const struct peer *peer);
bool peer_was_extension_3_answered(const struct peer *peer);
size_t peer_certificates(const struct peer *peer); /* how many the other side showed */
struct slice peer_plain(const struct peer *peer);

void peer_write(struct peer *peer, struct slice text);
void peer_shutdown(struct peer *peer);
void peer_renegotiate(struct peer *peer);
void peer_update_keys(struct peer *peer);
/* True when asking for a certificate now is possible for it. */
bool peer_request_certificate(struct peer *peer);

/* Lets SESSION and PEER go on until nothing moves any more. IS_RELEASING: holds are released.
 * PLAIN, if not NULL, receives what the session decrypts once it is open. Returns the session's progress. */
enum tls_progress peer_run(struct peer *peer, struct tls_session *session, bool is_releasing, struct why *why);
/* After the handshake: PEER's bytes to the session and the reverse, until nothing moves. Code of the last read. */
int peer_talk(struct peer *peer, struct tls_session *session, struct buffer *plain, struct why *why);

#endif
