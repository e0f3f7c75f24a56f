/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_peer.h - an OpenSSL context as the peers of a load test use it: mutual authentication, no resumption.
 * It is another library than the relay's on purpose: the load shall not share its faults.
 */
#ifndef TRELAY_BENCH_TLS_PEER_H
#define TRELAY_BENCH_TLS_PEER_H

#include <openssl/ssl.h>
#include <stdbool.h>

/* Paths of PEM files. */
struct tls_files {
    const char *certificate; /* chain, leaf first; NULL: none is presented */
    const char *key;
    const char *authority; /* NULL: the other side is not verified; a server then asks for no certificate */
};

/* VERSION: TLS1_2_VERSION, TLS1_3_VERSION, or 0 for either. Ends the program when it cannot be made. */
SSL_CTX *tls_peer_context(const struct tls_files *files, bool is_server, int version);

#endif
