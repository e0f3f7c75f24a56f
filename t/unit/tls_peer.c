/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_peer.c - OpenSSL as the other side; see tls_peer.h. */
#include "tls_peer.h"

#include "base/error.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct peer {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
    struct buffer output, plain;
    struct slice extension_3;
    char protocol[16], error[256];
    int alert;
    bool is_done, has_failed, is_closed, was_extension_3_answered;
};

/* OpenSSL's macros cast constness away, which clang does not let pass. */
static void *unqualified(const char *text)
{
    return (void *)(uintptr_t)text;
}

static int verify_anything(int is_verified, X509_STORE_CTX *store)
{
    (void)is_verified;
    (void)store;
    return 1;
}

static void note_alert(const SSL *ssl, int where, int value)
{
    struct peer *peer = SSL_get_app_data(ssl);
    if ((where & SSL_CB_ALERT) && (where & SSL_CB_READ))
        peer->alert = value & 0xFF;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *length, const unsigned char *offered,
                           unsigned offered_length, void *argument)
{
    struct peer *peer = argument;
    (void)ssl;
    return SSL_select_next_proto((unsigned char **)(uintptr_t)out, length, (const unsigned char *)peer->protocol,
                                 (unsigned)peer->protocol[0] + 1, offered, offered_length) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int add_extension_3(SSL *ssl, unsigned type, unsigned where, const unsigned char **out, size_t *length, X509 *x,
                           size_t index, int *alert, void *argument)
{
    struct peer *peer = argument;
    (void)ssl, (void)type, (void)where, (void)x, (void)index, (void)alert;
    *out = (const unsigned char *)peer->extension_3.data;
    *length = peer->extension_3.length;
    return 1;
}

static int parse_extension_3(SSL *ssl, unsigned type, unsigned where, const unsigned char *in, size_t length, X509 *x,
                             size_t index, int *alert, void *argument)
{
    struct peer *peer = argument;
    (void)ssl, (void)type, (void)where, (void)in, (void)x, (void)index, (void)alert;
    peer->was_extension_3_answered = length == 0;
    return 1;
}

static X509 *x509_of(struct slice der)
{
    const unsigned char *bytes = (const unsigned char *)der.data;
    X509 *certificate = d2i_X509(NULL, &bytes, (long)der.length);
    assert_non_null(certificate);
    return certificate;
}

static EVP_PKEY *private_key_of(const struct identity *identity)
{
    const unsigned char *bytes = (const unsigned char *)identity->key.data;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &bytes, (long)identity->key.length);
    assert_non_null(key);
    return key;
}

/* The public half of one key with the private half of another: OpenSSL takes it for the certificate's own. */
static EVP_PKEY *mixed_key(EVP_PKEY *public_half, EVP_PKEY *private_half)
{
    EVP_PKEY *mixed = NULL;
    bool is_rsa = EVP_PKEY_is_a(public_half, "RSA") == 1;
    OSSL_PARAM *of_public, *of_private, *both;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, is_rsa ? "RSA" : "EC", NULL);
    BIGNUM *secret = NULL;
    unsigned char bytes[512];
    assert_int_equal(EVP_PKEY_todata(public_half, EVP_PKEY_PUBLIC_KEY, &of_public), 1);
    assert_int_equal(EVP_PKEY_get_bn_param(private_half, is_rsa ? "d" : "priv", &secret), 1);
    int length = BN_num_bytes(secret);
    assert_int_equal(BN_bn2nativepad(secret, bytes, length), length);
    OSSL_PARAM one[] = { OSSL_PARAM_BN(is_rsa ? "d" : "priv", bytes, (size_t)length), OSSL_PARAM_END };
    of_private = one;
    both = OSSL_PARAM_merge(of_public, of_private);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &mixed, EVP_PKEY_KEYPAIR, both), 1);
    OSSL_PARAM_free(both);
    OSSL_PARAM_free(of_public);
    BN_free(secret);
    EVP_PKEY_CTX_free(context);
    return mixed;
}

static void use_identity(SSL_CTX *context, const struct identity *identity, const struct identity *key_of)
{
    EVP_PKEY *key = private_key_of(identity);
    X509 *leaf = x509_of(identity->chain[0]);
    if (key_of != NULL) {
        EVP_PKEY *own = key, *other = private_key_of(key_of);
        key = mixed_key(own, other);
        EVP_PKEY_free(own);
        EVP_PKEY_free(other);
    }
    assert_int_equal(SSL_CTX_use_certificate(context, leaf), 1);
    if (SSL_CTX_use_PrivateKey(context, key) != 1)
        fail_msg("%s", ERR_error_string(ERR_get_error(), NULL));
    for (size_t i = 1; i < identity->count; i++)
        assert_int_equal(SSL_CTX_add_extra_chain_cert(context, x509_of(identity->chain[i])), 1);
    X509_free(leaf);
    EVP_PKEY_free(key);
}

static void set_limits(SSL_CTX *context, const struct peer_options *options)
{
    SSL_CTX_set_security_level(context, 0); /* it may be as bad as it likes */
    assert_int_equal(SSL_CTX_set_min_proto_version(context, options->minimum), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, options->maximum), 1);
    if (options->suites != NULL)
        assert_int_equal(SSL_CTX_set_cipher_list(context, options->suites), 1);
    if (options->suites_1_3 != NULL)
        assert_int_equal(SSL_CTX_set_ciphersuites(context, options->suites_1_3), 1);
    if (options->groups != NULL)
        assert_int_equal(SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, unqualified(options->groups)), 1);
}

static void set_extensions(struct peer *peer, const struct peer_options *options)
{
    if (options->protocol != NULL) {
        snprintf(peer->protocol, sizeof(peer->protocol), "%c%s", (char)strlen(options->protocol), options->protocol);
        if (options->is_server)
            SSL_CTX_set_alpn_select_cb(peer->context, choose_protocol, peer);
        else
            SSL_CTX_set_alpn_protos(peer->context, (const unsigned char *)peer->protocol,
                                    (unsigned)peer->protocol[0] + 1);
    }
    if (!slice_is_absent(options->extension_3)) {
        peer->extension_3 = options->extension_3;
        assert_int_equal(SSL_CTX_add_custom_ext(peer->context, 3,
                                                SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_2_SERVER_HELLO |
                                                    SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS,
                                                add_extension_3, NULL, peer, parse_extension_3, peer),
                         1);
    }
    if (options->authority != NULL) {
        X509 *root = x509_of(pki_der(options->authority));
        STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
        sk_X509_NAME_push(names, X509_NAME_dup(X509_get_subject_name(root)));
        SSL_CTX_set0_CA_list(peer->context, names);
        X509_free(root);
    }
}

static void open_session(struct peer *peer, const struct peer_options *options)
{
    peer->ssl = SSL_new(peer->context);
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    assert_true(peer->ssl != NULL && peer->in != NULL && peer->out != NULL);
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    SSL_set_app_data(peer->ssl, peer);
    SSL_set_info_callback(peer->ssl, note_alert);
    if (options->server_name != NULL)
        assert_int_equal(SSL_ctrl(peer->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                  unqualified(options->server_name)),
                         1);
    if (options->is_server)
        SSL_set_accept_state(peer->ssl);
    else
        SSL_set_connect_state(peer->ssl);
}

struct peer *peer_new(const struct peer_options *options)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    assert_non_null(peer);
    peer->alert = -1;
    peer->context = SSL_CTX_new(options->is_server ? TLS_server_method() : TLS_client_method());
    assert_non_null(peer->context);
    set_limits(peer->context, options);
    if (options->identity != NULL)
        use_identity(peer->context, options->identity, options->key_of);
    int mode = options->verify == PEER_VERIFY_REQUIRE ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
               : options->verify == PEER_VERIFY_REQUEST ? SSL_VERIFY_PEER
                                                        : SSL_VERIFY_NONE;
    SSL_CTX_set_verify(peer->context, mode, verify_anything);
    SSL_CTX_set_options(peer->context, SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    set_extensions(peer, options);
    open_session(peer, options);
    return peer;
}

void peer_free(struct peer *peer)
{
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
    buffer_free(&peer->output);
    buffer_free(&peer->plain);
    free(peer);
}

/* Remembers why it failed; true when it may go on later. */
static bool may_go_on(struct peer *peer, int result)
{
    int code = SSL_get_error(peer->ssl, result);
    if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE)
        return true;
    if (code == SSL_ERROR_ZERO_RETURN) {
        peer->is_closed = true;
        return true;
    }
    peer->has_failed = true;
    ERR_error_string_n(ERR_get_error(), peer->error, sizeof(peer->error));
    ERR_clear_error();
    return false;
}

static void drain(struct peer *peer)
{
    char bytes[4096];
    int length;
    while ((length = BIO_read(peer->out, bytes, sizeof(bytes))) > 0)
        buffer_append(&peer->output, bytes, (size_t)length);
}

void peer_step(struct peer *peer, struct slice input)
{
    char bytes[4096];
    int result = 1;
    if (input.length > 0)
        BIO_write(peer->in, input.data, (int)input.length);
    if (!peer->is_done && !peer->has_failed) {
        result = SSL_do_handshake(peer->ssl);
        peer->is_done = result == 1;
        if (result != 1)
            may_go_on(peer, result);
    }
    while (peer->is_done && !peer->has_failed && (result = SSL_read(peer->ssl, bytes, sizeof(bytes))) > 0)
        buffer_append(&peer->plain, bytes, (size_t)result);
    if (peer->is_done && result <= 0 && !peer->has_failed)
        may_go_on(peer, result);
    drain(peer);
}

struct slice peer_output(const struct peer *peer)
{
    return buffer_slice(&peer->output);
}

void peer_sent(struct peer *peer)
{
    buffer_clear(&peer->output);
}

bool peer_is_done(const struct peer *peer)
{
    return peer->is_done && !peer->has_failed;
}

bool peer_has_failed(const struct peer *peer)
{
    return peer->has_failed;
}

bool peer_is_closed(const struct peer *peer)
{
    return peer->is_closed;
}

int peer_alert(const struct peer *peer)
{
    return peer->alert;
}

const char *peer_error(const struct peer *peer)
{
    return peer->error;
}

const char *peer_version(const struct peer *peer)
{
    return SSL_get_version(peer->ssl);
}

bool peer_was_resumed(const struct peer *peer)
{
    return SSL_session_reused(peer->ssl) == 1;
}

bool peer_was_name_acknowledged(const struct peer *peer)
{
    return SSL_SESSION_get0_hostname(SSL_get0_session(peer->ssl)) != NULL;
}

bool peer_was_extension_3_answered(const struct peer *peer)
{
    return peer->was_extension_3_answered;
}

size_t peer_certificates(const struct peer *peer)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(peer->ssl);
    X509 *leaf = SSL_get0_peer_certificate(peer->ssl);
    size_t count = chain != NULL ? (size_t)sk_X509_num(chain) : 0;
    return SSL_is_server(peer->ssl) && leaf != NULL ? count + 1 : count;
}

struct slice peer_plain(const struct peer *peer)
{
    return buffer_slice(&peer->plain);
}

void peer_write(struct peer *peer, struct slice text)
{
    assert_int_equal(SSL_write(peer->ssl, text.data, (int)text.length), (int)text.length);
    drain(peer);
}

void peer_shutdown(struct peer *peer)
{
    SSL_shutdown(peer->ssl);
    drain(peer);
}

void peer_renegotiate(struct peer *peer)
{
    assert_int_equal(SSL_renegotiate(peer->ssl), 1);
    SSL_do_handshake(peer->ssl);
    drain(peer);
}

void peer_update_keys(struct peer *peer)
{
    assert_int_equal(SSL_key_update(peer->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    SSL_do_handshake(peer->ssl);
    drain(peer);
}

bool peer_request_certificate(struct peer *peer)
{
    SSL_set_verify(peer->ssl, SSL_VERIFY_PEER, verify_anything);
    bool is_possible = SSL_verify_client_post_handshake(peer->ssl) == 1;
    ERR_clear_error();
    if (is_possible)
        SSL_do_handshake(peer->ssl);
    drain(peer);
    return is_possible;
}

enum tls_progress peer_run(struct peer *peer, struct tls_session *session, bool is_releasing, struct why *why)
{
    enum tls_progress progress = tls_session_handshake(session, SLICE_ABSENT, why);
    peer_step(peer, SLICE_ABSENT);
    for (bool has_moved = true; has_moved;) {
        has_moved = false;
        struct slice output = tls_session_output(session);
        if (output.length > 0) {
            peer_step(peer, output);
            tls_session_sent(session, output.length);
            has_moved = true;
        }
        if (peer->output.length > 0) {
            if (progress != TLS_FAILED)
                progress = tls_session_handshake(session, peer_output(peer), why);
            peer_sent(peer);
            has_moved = true;
        }
        if (is_releasing && tls_session_is_held(session) && tls_session_release(session) == 0)
            has_moved = true;
    }
    if (is_releasing && progress == TLS_DONE)
        assert_int_equal(tls_session_release(session), 0);
    return progress;
}

int peer_talk(struct peer *peer, struct tls_session *session, struct buffer *plain, struct why *why)
{
    int result = 0;
    do {
        if (result == 0)
            result = tls_session_read(session, peer_output(peer), plain, why);
        peer_sent(peer);
        struct slice output = tls_session_output(session);
        if (output.length > 0)
            peer_step(peer, output);
        tls_session_sent(session, output.length);
    } while (peer->output.length > 0);
    return result;
}
