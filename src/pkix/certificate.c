/* SPDX-License-Identifier: GPL-2.0-or-later */
/* certificate.c - lists of certificates, from and to PEM and DER; see certificate.h. */
#include "pkix/certificate.h"

#include "base/error.h"
#include "pkix/certificate_private.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <limits.h>
#include <stdlib.h>
#include <time.h>

enum { FILE_SIZE_MAX = 2 * CERTIFICATE_LIST_SIZE_MAX };

int library_failure(int otherwise)
{
    int code = otherwise;
    unsigned long error;
    while ((error = ERR_get_error()) != 0)
        if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
            code = ERROR_MEMORY;
    return code;
}

X509 *certificate_parse(struct slice der)
{
    if (der.data == NULL || der.length == 0 || der.length > CERTIFICATE_SIZE_MAX)
        return NULL;
    const unsigned char *at = (const unsigned char *)der.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)der.length);
    if (certificate != NULL && at != (const unsigned char *)der.data + der.length) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

bool certificate_time(const ASN1_TIME *time, int64_t *seconds_r)
{
    struct tm broken_down;
    if (time == NULL || ASN1_TIME_to_tm(time, &broken_down) != 1) {
        ERR_clear_error();
        return false;
    }
    *seconds_r = timegm(&broken_down);
    return true;
}

enum key_type key_type_of(const EVP_PKEY *key)
{
    switch (key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE) {
    case EVP_PKEY_RSA:
        return KEY_TYPE_RSA;
    case EVP_PKEY_RSA_PSS:
        return KEY_TYPE_RSA_PSS;
    case EVP_PKEY_EC:
        return KEY_TYPE_EC;
    case EVP_PKEY_ED25519:
        return KEY_TYPE_ED25519;
    case EVP_PKEY_ED448:
        return KEY_TYPE_ED448;
    default:
        return KEY_TYPE_UNKNOWN;
    }
}

static uint32_t chain_size(const struct certificate_chain *chain)
{
    return chain->count > 0 ? chain->end[chain->count - 1] : 0;
}

int certificate_chain_append(struct certificate_chain *chain, struct slice der)
{
    if (der.data == NULL || der.length == 0)
        return ERROR_SYNTAX;
    uint32_t size = chain_size(chain);
    if (chain->count >= CERTIFICATE_COUNT_MAX || der.length > CERTIFICATE_SIZE_MAX ||
        der.length > CERTIFICATE_LIST_SIZE_MAX - size)
        return ERROR_LIMIT;
    uint8_t *bytes = realloc(chain->der, size + der.length);
    if (bytes == NULL)
        return ERROR_MEMORY;
    chain->der = bytes;
    uint32_t *end = realloc(chain->end, (chain->count + 1) * sizeof(*end));
    if (end == NULL)
        return ERROR_MEMORY;
    chain->end = end;
    memcpy(bytes + size, der.data, der.length);
    end[chain->count++] = size + (uint32_t)der.length;
    return 0;
}

struct slice certificate_chain_get(const struct certificate_chain *chain, size_t index)
{
    if (index >= chain->count)
        return SLICE_ABSENT;
    uint32_t start = index > 0 ? chain->end[index - 1] : 0;
    return slice_of((const char *)chain->der + start, chain->end[index] - start);
}

bool certificate_chain_equal(const struct certificate_chain *a, const struct certificate_chain *b)
{
    if (a->count != b->count)
        return false;
    return a->count == 0 || (memcmp(a->end, b->end, a->count * sizeof(a->end[0])) == 0 &&
                             memcmp(a->der, b->der, chain_size(a)) == 0);
}

void certificate_chain_fini(struct certificate_chain *chain)
{
    free(chain->der);
    free(chain->end);
    *chain = CERTIFICATE_CHAIN_EMPTY;
}

/* Appends one DER that must be a certificate. */
static int append_parsed(struct certificate_chain *chain, struct slice der, struct why *why)
{
    if (der.length > CERTIFICATE_SIZE_MAX)
        return why_fail(why, ERROR_LIMIT, "certificate %zu is larger than %d bytes", chain->count + 1,
                        CERTIFICATE_SIZE_MAX);
    X509 *certificate = certificate_parse(der);
    if (certificate == NULL) {
        int code = library_failure(ERROR_SYNTAX);
        return why_fail(why, code, code == ERROR_MEMORY ? "out of memory" : "certificate %zu cannot be read",
                        chain->count + 1);
    }
    X509_free(certificate);
    int code = certificate_chain_append(chain, der);
    if (code != 0)
        why_fail(why, code, "certificate %zu: %s", chain->count + 1, error_text(code));
    return code;
}

/* One PEM block; other blocks than certificates are skipped. */
static int append_block(struct certificate_chain *chain, const char *name, struct slice der, struct why *why)
{
    if (strcmp(name, PEM_STRING_X509_TRUSTED) == 0)
        return why_fail(why, ERROR_UNSUPPORTED,
                        "a %s block carries trust settings: convert it with openssl x509", PEM_STRING_X509_TRUSTED);
    if (strcmp(name, PEM_STRING_X509) != 0 && strcmp(name, PEM_STRING_X509_OLD) != 0)
        return 0;
    return append_parsed(chain, der, why);
}

static bool at_end_of_pem(void)
{
    unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static int read_pem(struct slice text, struct certificate_chain *chain, struct why *why)
{
    BIO *bio = BIO_new_mem_buf(text.data, (int)text.length);
    if (bio == NULL) {
        ERR_clear_error();
        return why_fail(why, ERROR_MEMORY, "out of memory");
    }
    int code = 0;
    while (code == 0) {
        char *name = NULL, *header = NULL;
        unsigned char *der = NULL;
        long length = 0;
        ERR_clear_error();
        if (PEM_read_bio(bio, &name, &header, &der, &length) != 1) {
            if (!at_end_of_pem()) {
                code = library_failure(ERROR_SYNTAX);
                why_fail(why, code, "PEM block after certificate %zu: %s", chain->count, error_text(code));
            }
            break;
        }
        code = append_block(chain, name, slice_of((const char *)der, (size_t)length), why);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)length); /* a key may stand in the same file */
    }
    ERR_clear_error();
    BIO_free(bio);
    return code;
}

/* A SEQUENCE with a length in the long form; text has no such second byte. */
static bool is_der(struct slice file)
{
    return file.length > 2 && (uint8_t)file.data[0] == 0x30 && (uint8_t)file.data[1] >= 0x80;
}

int certificate_chain_read(struct slice file, struct certificate_chain *chain_r, struct why *why)
{
    struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
    int code;
    if (file.length > FILE_SIZE_MAX)
        return why_fail(why, ERROR_LIMIT, "larger than %d bytes", FILE_SIZE_MAX);
    if (is_der(file))
        code = append_parsed(&chain, file, why);
    else
        code = file.length > 0 ? read_pem(file, &chain, why) : 0;
    if (code == 0 && chain.count == 0)
        code = why_fail(why, ERROR_NOT_FOUND, "no certificate in it");
    if (code != 0) {
        certificate_chain_fini(&chain);
        return code;
    }
    *chain_r = chain;
    return 0;
}

int certificate_chain_to_pem(const struct certificate_chain *chain, char **text_r)
{
    int code = ERROR_MEMORY;
    char *copy = NULL, *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL)
        goto out;
    for (size_t i = 0; i < chain->count; i++) {
        struct slice der = certificate_chain_get(chain, i);
        if (PEM_write_bio(bio, PEM_STRING_X509, "", (const unsigned char *)der.data, (long)der.length) <= 0)
            goto out;
    }
    long length = BIO_get_mem_data(bio, &text);
    if (length < 0 || (copy = malloc((size_t)length + 1)) == NULL)
        goto out;
    if (length > 0)
        memcpy(copy, text, (size_t)length);
    copy[length] = '\0';
    *text_r = copy;
    code = 0;
out:
    BIO_free(bio);
    if (code != 0)
        ERR_clear_error();
    return code;
}
