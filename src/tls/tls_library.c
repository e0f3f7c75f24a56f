/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_library.c - start, end and description of the TLS library; see tls_library.h. */
#include "tls/tls_library.h"

#include "base/error.h"
#include "tls/tls_private.h"
#include "tls/tls_wolfssl.h"

enum { VERSION_FLOOR = 0x05005004 };

int tls_library_init(struct why *why)
{
    /* The verify callback reads a struct of the header: a library older than its header may lay it out otherwise. */
    if (wolfSSL_lib_version_hex() < VERSION_FLOOR || wolfSSL_lib_version_hex() < LIBWOLFSSL_VERSION_HEX)
        return why_fail(why, ERROR_TLS, "wolfSSL %s is too old: 5.5.4 and %s (its headers) are needed",
                        wolfSSL_lib_version(), LIBWOLFSSL_VERSION_STRING);
    int result = wolfSSL_Init();
    if (result != WOLFSSL_SUCCESS)
        return why_fail(why, ERROR_TLS, "wolfSSL does not start: %s (%d)", tls_library_error_text(result), result);
    return 0;
}

void tls_library_fini(void)
{
    wolfSSL_Cleanup();
}

void tls_library_thread_fini(void)
{
#ifdef HAVE_WOLFSSL_ERR_CLEAR_ERROR
    wolfSSL_ERR_clear_error();
#endif
#ifdef HAVE_WC_ECC_FP_FREE
    wc_ecc_fp_free(); /* up to 12 MB for each thread that handled EC keys */
#endif
}

bool tls_library_has_fast_aes(void)
{
#if defined(WOLFSSL_AESNI) && (defined(__x86_64__) || defined(__i386__))
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(WOLFSSL_ARMASM)
    return true;
#else
    return false;
#endif
}

int tls_library_error_code(int code, int otherwise)
{
    return code == MEMORY_E || code == MEMORY_ERROR ? ERROR_MEMORY : otherwise;
}

const char *tls_library_error_text(int code)
{
    const char *text = wolfSSL_ERR_reason_error_string((unsigned long)(long)code);
    return text != NULL ? text : "unknown error";
}

/* Options of the build that change what the library does by itself; all of them are overruled in tls_context.c. */
static const char *const build_flags[] = {
#ifdef OPENSSL_COMPATIBLE_DEFAULTS
    "OPENSSL_COMPATIBLE_DEFAULTS",
#endif
#ifndef NO_SESSION_CACHE
    "session cache",
#endif
#ifdef HAVE_SESSION_TICKET
    "tickets",
#endif
#ifdef WOLFSSL_POST_HANDSHAKE_AUTH
    "post-handshake authentication",
#endif
#ifdef HAVE_SECURE_RENEGOTIATION
    "renegotiation",
#endif
#ifdef WOLFSSL_EARLY_DATA
    "early data",
#endif
#ifdef FP_ECC
    "FP_ECC",
#endif
    NULL,
};

void tls_library_report(struct buffer *text)
{
#ifdef TRELAY_WOLFSSL_STATIC
    const char *kind = "static";
#else
    const char *kind = "shared";
#endif
    buffer_append_format(text, "wolfSSL %s (%s, headers %s), AES %s; compiled in and switched off:",
                         wolfSSL_lib_version(), kind, LIBWOLFSSL_VERSION_STRING,
                         tls_library_has_fast_aes() ? "by processor instructions" : "in C");
    if (build_flags[0] == NULL)
        buffer_append_string(text, " nothing");
    for (size_t i = 0; build_flags[i] != NULL; i++)
        buffer_append_format(text, "%s %s", i > 0 ? "," : "", build_flags[i]);
}
