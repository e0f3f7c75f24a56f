/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_alert.h - the alerts of TLS, by number and name, and an alert as plaintext record.
 * In:    alert codes (RFC 8446 section 6, RFC 5246, RFC 6066, RFC 7301).
 * Out:   names for texts; seven bytes for a peer with whom no keys are agreed on yet.
 * Never: closes anything.
 */
#ifndef TRELAY_TLS_TLS_ALERT_H
#define TRELAY_TLS_TLS_ALERT_H

#include "base/buffer.h"

#define TLS_ALERT_LIST(X)                       \
    X(CLOSE_NOTIFY, 0, "close_notify")          \
    X(UNEXPECTED_MESSAGE, 10, "unexpected_message") \
    X(BAD_RECORD_MAC, 20, "bad_record_mac")     \
    X(DECRYPTION_FAILED, 21, "decryption_failed") \
    X(RECORD_OVERFLOW, 22, "record_overflow")   \
    X(DECOMPRESSION_FAILURE, 30, "decompression_failure") \
    X(HANDSHAKE_FAILURE, 40, "handshake_failure") \
    X(NO_CERTIFICATE, 41, "no_certificate")     \
    X(BAD_CERTIFICATE, 42, "bad_certificate")   \
    X(UNSUPPORTED_CERTIFICATE, 43, "unsupported_certificate") \
    X(CERTIFICATE_REVOKED, 44, "certificate_revoked") \
    X(CERTIFICATE_EXPIRED, 45, "certificate_expired") \
    X(CERTIFICATE_UNKNOWN, 46, "certificate_unknown") \
    X(ILLEGAL_PARAMETER, 47, "illegal_parameter") \
    X(UNKNOWN_CA, 48, "unknown_ca")             \
    X(ACCESS_DENIED, 49, "access_denied")       \
    X(DECODE_ERROR, 50, "decode_error")         \
    X(DECRYPT_ERROR, 51, "decrypt_error")       \
    X(PROTOCOL_VERSION, 70, "protocol_version") \
    X(INSUFFICIENT_SECURITY, 71, "insufficient_security") \
    X(INTERNAL_ERROR, 80, "internal_error")     \
    X(INAPPROPRIATE_FALLBACK, 86, "inappropriate_fallback") \
    X(USER_CANCELED, 90, "user_canceled")       \
    X(NO_RENEGOTIATION, 100, "no_renegotiation") \
    X(MISSING_EXTENSION, 109, "missing_extension") \
    X(UNSUPPORTED_EXTENSION, 110, "unsupported_extension") \
    X(UNRECOGNIZED_NAME, 112, "unrecognized_name") \
    X(BAD_CERTIFICATE_STATUS_RESPONSE, 113, "bad_certificate_status_response") \
    X(UNKNOWN_PSK_IDENTITY, 115, "unknown_psk_identity") \
    X(CERTIFICATE_REQUIRED, 116, "certificate_required") \
    X(NO_APPLICATION_PROTOCOL, 120, "no_application_protocol")

/* The numbers are the protocol's; TLS_ALERT_ABSENT is none of them. */
enum tls_alert {
    TLS_ALERT_ABSENT = -1,
#define X(name, code, text) TLS_ALERT_##name = code,
    TLS_ALERT_LIST(X)
#undef X
};

/* The protocol's name of an alert, "unknown_alert" for other numbers; static. */
const char *tls_alert_name(int code);

/* Appends ALERT as one fatal plaintext record; nothing for TLS_ALERT_ABSENT. */
void tls_alert_append(struct buffer *output, enum tls_alert alert);

#endif
