/* SPDX-License-Identifier: GPL-2.0-or-later */
/* endpoint.h - the network side of a load program: one UDP socket, or TLS connections, in one epoll set.
 * In:    messages to send, gathered during a turn. Out: messages received, one call each.
 * Sends at the end of the turn: UDP by sendmmsg, TLS one record for each message and one send() for all of them.
 * Never: asks more of the processor than it must, as the program under test shares it.
 */
#ifndef TRELAY_BENCH_ENDPOINT_H
#define TRELAY_BENCH_ENDPOINT_H

#include "base/slice.h"
#include "tls_peer.h"

#include <netinet/in.h>
#include <stdbool.h>

struct endpoint;
struct link; /* one TLS connection, or the UDP socket */

/* FROM: where a datagram came from, NULL over TLS. MESSAGE is whole and ends with the call. */
typedef void received_fn(void *arg, struct link *link, const struct sockaddr_in *from, struct slice message);

struct endpoint_settings {
    bool is_tls;
    bool is_server;           /* TLS: listens; else endpoint_connect() */
    struct sockaddr_in local; /* a TLS client's port is chosen by the system */
    struct tls_files tls;
    int tls_version;         /* as in tls_peer_context() */
    const char *server_name; /* NULL: a client sends none */
    received_fn *received;
    void *arg;
};

/* All functions end the program on failure. A client's connection that is lost ends it, too. */
struct endpoint *endpoint_new(const struct endpoint_settings *settings);

/* Closes all; what was gathered and not sent is lost. */
void endpoint_free(struct endpoint *endpoint);

/* The UDP socket as a link. */
struct link *endpoint_udp(struct endpoint *endpoint);

/* A TLS connection, its handshake done. */
struct link *endpoint_connect(struct endpoint *endpoint, const struct sockaddr_in *to);

/* Where we are: for Via and Contact. */
struct sockaddr_in endpoint_local(const struct endpoint *endpoint);

/* TO: for UDP. The bytes are copied. */
void link_send(struct link *link, const struct sockaddr_in *to, struct slice message);

/* Waits for at most TIMEOUT_MS, calls received() for all that came, sends what was gathered. */
void endpoint_turn(struct endpoint *endpoint, int timeout_ms);

/* Sends what was gathered. */
void endpoint_flush(struct endpoint *endpoint);

unsigned long endpoint_connection_count(const struct endpoint *endpoint); /* accepted, ever */

#endif
