/* SPDX-License-Identifier: GPL-2.0-or-later */
/* digest.c - digests and random bytes out of libcrypto; see digest.h. */
#include "pkix/digest.h"

#include "base/error.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <limits.h>

int digest_sha256(const struct slice *parts, size_t part_count, uint8_t digest_r[DIGEST_SIZE])
{
    int code = ERROR_MEMORY;
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
        goto out;
    for (size_t i = 0; i < part_count; i++)
        if (parts[i].length > 0 && EVP_DigestUpdate(context, parts[i].data, parts[i].length) != 1)
            goto out;
    if (EVP_DigestFinal_ex(context, digest, &length) != 1 || length != DIGEST_SIZE)
        goto out;
    memcpy(digest_r, digest, DIGEST_SIZE);
    code = 0;
out:
    EVP_MD_CTX_free(context);
    if (code != 0)
        ERR_clear_error();
    return code;
}

int digest_hmac_sha256(struct slice key, const struct slice *parts, size_t part_count, uint8_t digest_r[DIGEST_SIZE])
{
    if (key.length == 0)
        return ERROR_SYNTAX;
    int code = ERROR_MEMORY;
    char name[] = "SHA256";
    OSSL_PARAM parameters[] = { OSSL_PARAM_construct_utf8_string("digest", name, 0), OSSL_PARAM_construct_end() };
    uint8_t digest[DIGEST_SIZE];
    size_t length = 0;
    EVP_MAC_CTX *context = NULL;
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (mac == NULL || (context = EVP_MAC_CTX_new(mac)) == NULL)
        goto out;
    if (EVP_MAC_init(context, (const unsigned char *)key.data, key.length, parameters) != 1)
        goto out;
    for (size_t i = 0; i < part_count; i++)
        if (parts[i].length > 0 &&
            EVP_MAC_update(context, (const unsigned char *)parts[i].data, parts[i].length) != 1)
            goto out;
    if (EVP_MAC_final(context, digest, &length, sizeof(digest)) != 1 || length != sizeof(digest))
        goto out;
    memcpy(digest_r, digest, DIGEST_SIZE);
    code = 0;
out:
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    if (code != 0)
        ERR_clear_error();
    return code;
}

bool digest_equal(const uint8_t a[DIGEST_SIZE], const uint8_t b[DIGEST_SIZE])
{
    return CRYPTO_memcmp(a, b, DIGEST_SIZE) == 0;
}

bool bytes_equal(const void *a, const void *b, size_t length)
{
    return CRYPTO_memcmp(a, b, length) == 0;
}

const char *digest_hex(const uint8_t digest[DIGEST_SIZE], char out[DIGEST_HEX_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[DIGEST_HEX_SIZE - 1] = '\0';
    return out;
}

int random_bytes(void *out, size_t length)
{
    if (length > INT_MAX)
        return ERROR_SYSTEM;
    if (length > 0 && RAND_bytes(out, (int)length) != 1) {
        ERR_clear_error();
        return ERROR_SYSTEM;
    }
    return 0;
}

void cleanse_bytes(void *bytes, size_t length)
{
    OPENSSL_cleanse(bytes, length);
}
