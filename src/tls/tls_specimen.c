/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_specimen.c - a certificate and key made on the spot, for handshakes in memory.
 * Out:   a P-256 key and a certificate around it whose signature is nonsense: nothing here validates certificates.
 * Never: leaves the process.
 */
#include "tls/tls_private.h"
#include "tls/tls_wolfssl.h"

#include "base/error.h"

#include <wolfssl/wolfcrypt/asn_public.h>

#include <string.h>

enum { POINT_SIZE = 65, KEY_DER_SIZE = 256 };

/* Parts of the certificate that are the same for all. */
#define SIGNATURE_ALGORITHM "\x30\x0A\x06\x08\x2A\x86\x48\xCE\x3D\x04\x03\x02" /* ecdsa-with-SHA256 */
#define KEY_ALGORITHM "\x30\x13\x06\x07\x2A\x86\x48\xCE\x3D\x02\x01\x06\x08\x2A\x86\x48\xCE\x3D\x03\x01\x07"
#define NAME(letters) "\x30\x0F\x31\x0D\x30\x0B\x06\x03\x55\x04\x03\x0C\x04" letters /* CN of four letters */
#define VALIDITY "\x30\x1E\x17\x0D" "200101000000Z" "\x17\x0D" "491231235959Z"
#define NONSENSE_SIGNATURE "\x03\x09\x00\x30\x06\x02\x01\x01\x02\x01\x01"

/* Wraps what follows START in OUT into an element of TAG; lengths below 65536. */
static void wrap(struct buffer *out, size_t start, uint8_t tag)
{
    size_t length = out->length - start;
    uint8_t header[4] = { tag, 0x82, (uint8_t)(length >> 8), (uint8_t)length };
    size_t header_length = 4;
    if (length < 128) {
        header[1] = (uint8_t)length;
        header_length = 2;
    } else if (length < 256) {
        header[1] = 0x81;
        header[2] = (uint8_t)length;
        header_length = 3;
    }
    buffer_append(out, header, header_length);
    if (out->has_failed)
        return;
    memmove(out->data + start + header_length, out->data + start, length);
    memcpy(out->data + start, header, header_length);
}

static void write_certificate(const uint8_t point[POINT_SIZE], struct buffer *out)
{
    buffer_append_slice(out, SLICE_LITERAL("\xA0\x03\x02\x01\x02" /* version 3 */ "\x02\x01\x01" /* serial */
                                           SIGNATURE_ALGORITHM NAME("self") VALIDITY NAME("test")));
    size_t key_start = out->length;
    buffer_append_slice(out, SLICE_LITERAL(KEY_ALGORITHM "\x03\x42\x00"));
    buffer_append(out, point, POINT_SIZE);
    wrap(out, key_start, 0x30);
    wrap(out, 0, 0x30);
    buffer_append_slice(out, SLICE_LITERAL(SIGNATURE_ALGORITHM NONSENSE_SIGNATURE));
    wrap(out, 0, 0x30);
}

static int make_key(uint8_t point[POINT_SIZE], uint8_t key_der[KEY_DER_SIZE], size_t *key_length_r)
{
    WC_RNG random;
    ecc_key key;
    word32 point_length = POINT_SIZE;
    int result = ERROR_TLS;
    if (wc_InitRng(&random) != 0)
        return ERROR_TLS;
    if (wc_ecc_init(&key) != 0)
        goto out;
    if (wc_ecc_make_key(&random, 32, &key) == 0 && wc_ecc_export_x963(&key, point, &point_length) == 0 &&
        point_length == POINT_SIZE) {
        int length = wc_EccKeyToDer(&key, key_der, KEY_DER_SIZE);
        if (length > 0) {
            *key_length_r = (size_t)length;
            result = 0;
        }
    }
    wc_ecc_free(&key);
out:
    wc_FreeRng(&random);
    return result;
}

int tls_specimen_new(struct tls_specimen *specimen_r, struct why *why)
{
    struct tls_specimen specimen = { BUFFER_EMPTY, BUFFER_EMPTY };
    uint8_t point[POINT_SIZE], key_der[KEY_DER_SIZE];
    size_t key_length;
    if (make_key(point, key_der, &key_length) != 0)
        return why_fail(why, ERROR_TLS, "the library makes no key");
    write_certificate(point, &specimen.certificate);
    buffer_append(&specimen.key, key_der, key_length);
    explicit_bzero(key_der, sizeof(key_der));
    if (specimen.certificate.has_failed || specimen.key.has_failed) {
        tls_specimen_free(&specimen);
        return why_fail(why, ERROR_MEMORY, "out of memory");
    }
    *specimen_r = specimen;
    return 0;
}

void tls_specimen_free(struct tls_specimen *specimen)
{
    if (specimen->key.data != NULL)
        explicit_bzero(specimen->key.data, specimen->key.length);
    buffer_free(&specimen->certificate);
    buffer_free(&specimen->key);
}
