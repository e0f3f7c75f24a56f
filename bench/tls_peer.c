/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_peer.c - OpenSSL contexts of the load programs; see tls_peer.h. */
#include "tls_peer.h"

#include "program.h"

#include <openssl/err.h>

static _Noreturn void fail(const char *what)
{
    ERR_print_errors_fp(stderr);
    program_fail("TLS: %s", what);
}

SSL_CTX *tls_peer_context(const struct tls_files *files, bool is_server, int version)
{
    SSL_CTX *context = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    if (context == NULL)
        fail("no context");
    if (!SSL_CTX_set_min_proto_version(context, version != 0 ? version : TLS1_2_VERSION) ||
        !SSL_CTX_set_max_proto_version(context, version))
        fail("no such version");
    if (files->certificate != NULL && SSL_CTX_use_certificate_chain_file(context, files->certificate) != 1)
        fail(files->certificate);
    if (files->certificate != NULL && SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM) != 1)
        fail(files->key != NULL ? files->key : "no key");
    if (files->authority != NULL) {
        if (SSL_CTX_load_verify_locations(context, files->authority, NULL) != 1)
            fail(files->authority);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (is_server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    }
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    return context;
}
