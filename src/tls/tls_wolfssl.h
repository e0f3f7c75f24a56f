/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_wolfssl.h - the one place where the library's headers come in; <openssl/ssl.h> cannot stand beside them.
 * Never: included from another header or from outside src/tls.
 */
#ifndef TRELAY_TLS_TLS_WOLFSSL_H
#define TRELAY_TLS_TLS_WOLFSSL_H

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfio.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

#endif
