/* SPDX-License-Identifier: GPL-2.0-or-later */
/* private_key.c - private keys from PEM to the DER the TLS library takes; see private_key.h.
 * Kept: that DER, and the public half for comparisons. libcrypto's own copy is gone after reading.
 */
#include "pkix/private_key.h"

#include "base/error.h"
#include "pkix/certificate_private.h"
#include "pkix/digest.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <stdlib.h>

enum { KEY_FILE_SIZE_MAX = 1024 * 1024 };

struct private_key {
    unsigned char *der; /* secret */
    size_t der_length;
    EVP_PKEY *public_key;
    enum key_type type;
    unsigned bits;
    uint8_t digest[DIGEST_SIZE];
};

struct passphrase {
    struct slice text;
    bool was_asked;
};

/* libcrypto's question for a passphrase; ARG is struct passphrase. */
static int answer_passphrase(char *out, int size, int is_writing, void *arg)
{
    struct passphrase *passphrase = arg;
    passphrase->was_asked = true;
    if (is_writing || slice_is_absent(passphrase->text) || passphrase->text.length > (size_t)size)
        return -1;
    memcpy(out, passphrase->text.data, passphrase->text.length);
    return (int)passphrase->text.length;
}

static int read_key(struct slice pem, struct slice text, EVP_PKEY **key_r, struct why *why)
{
    struct passphrase passphrase = { text, false };
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.length);
    if (bio == NULL)
        return why_fail(why, library_failure(ERROR_MEMORY), "out of memory");
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, answer_passphrase, &passphrase);
    BIO_free(bio);
    if (key != NULL) {
        *key_r = key;
        ERR_clear_error();
        return 0;
    }
    int code = library_failure(ERROR_SYNTAX);
    if (code == ERROR_MEMORY)
        return why_fail(why, code, "out of memory");
    if (passphrase.was_asked && slice_is_absent(text))
        return why_fail(why, ERROR_REFUSED, "the private key is encrypted and there is no passphrase for it");
    if (passphrase.was_asked)
        return why_fail(why, code, "the private key is damaged, or the passphrase is wrong");
    if (memmem(pem.data, pem.length, "PRIVATE KEY-----", 16) == NULL)
        return why_fail(why, ERROR_NOT_FOUND, "no private key in it");
    return why_fail(why, code, "the private key cannot be read");
}

/* The public half, by way of its encoding. */
static int fill_public(struct private_key *key, EVP_PKEY *pair)
{
    unsigned char *spki = NULL;
    int length = i2d_PUBKEY(pair, &spki);
    if (length <= 0)
        return library_failure(ERROR_SYNTAX);
    const unsigned char *at = spki;
    key->public_key = d2i_PUBKEY(NULL, &at, length);
    struct slice part = slice_of((const char *)spki, (size_t)length);
    int code = key->public_key != NULL ? digest_sha256(&part, 1, key->digest) : library_failure(ERROR_SYNTAX);
    OPENSSL_free(spki);
    return code;
}

static int fill(struct private_key *key, EVP_PKEY *pair, struct why *why)
{
    key->type = key_type_of(pair);
    if (key->type == KEY_TYPE_UNKNOWN || key->type == KEY_TYPE_RSA_PSS)
        return why_fail(why, ERROR_UNSUPPORTED, "keys of this type are not supported: use RSA, EC or Ed25519");
    key->bits = EVP_PKEY_get_bits(pair) > 0 ? (unsigned)EVP_PKEY_get_bits(pair) : 0;
    int length = i2d_PrivateKey(pair, &key->der);
    int code = length > 0 ? 0 : library_failure(ERROR_SYNTAX);
    if (code == 0) {
        key->der_length = (size_t)length;
        code = fill_public(key, pair);
    }
    return code == 0 ? 0 : why_fail(why, code, "the private key cannot be encoded: %s", error_text(code));
}

int private_key_read(struct slice pem, struct slice passphrase, struct private_key **key_r, struct why *why)
{
    if (slice_starts_with_nocase(slice_trim(pem), SLICE_LITERAL("pkcs11:")))
        return why_fail(why, ERROR_UNSUPPORTED, "pkcs11: keys are not supported yet: give the key as PEM");
    if (pem.length > KEY_FILE_SIZE_MAX)
        return why_fail(why, ERROR_LIMIT, "larger than %d bytes", KEY_FILE_SIZE_MAX);
    if (pem.length == 0)
        return why_fail(why, ERROR_NOT_FOUND, "no private key in it");
    EVP_PKEY *pair = NULL;
    int code = read_key(pem, passphrase, &pair, why);
    if (code != 0)
        return code;
    struct private_key *key = calloc(1, sizeof(*key));
    code = key != NULL ? fill(key, pair, why) : why_fail(why, ERROR_MEMORY, "out of memory");
    EVP_PKEY_free(pair);
    if (code != 0) {
        private_key_free(key);
        return code;
    }
    *key_r = key;
    return 0;
}

void private_key_free(struct private_key *key)
{
    if (key == NULL)
        return;
    OPENSSL_clear_free(key->der, key->der_length);
    EVP_PKEY_free(key->public_key);
    free(key);
}

struct slice private_key_der(const struct private_key *key)
{
    return slice_of((const char *)key->der, key->der_length);
}

enum key_type private_key_type(const struct private_key *key)
{
    return key->type;
}

unsigned private_key_bits(const struct private_key *key)
{
    return key->bits;
}

const uint8_t *private_key_digest(const struct private_key *key)
{
    return key->digest;
}

bool private_key_matches(const struct private_key *key, struct slice leaf_der)
{
    X509 *leaf = certificate_parse(leaf_der);
    const EVP_PKEY *leaf_key = leaf != NULL ? X509_get0_pubkey(leaf) : NULL;
    bool matches = leaf_key != NULL && EVP_PKEY_eq(key->public_key, leaf_key) == 1;
    X509_free(leaf);
    ERR_clear_error();
    return matches;
}
