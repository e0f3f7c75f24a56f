/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_alert.c - names and bytes of alerts; see tls_alert.h. */
#include "tls/tls_alert.h"

const char *tls_alert_name(int code)
{
    switch (code) {
#define X(name, number, text) \
    case number:              \
        return text;
        TLS_ALERT_LIST(X)
#undef X
    default:
        return "unknown_alert";
    }
}

void tls_alert_append(struct buffer *output, enum tls_alert alert)
{
    if (alert == TLS_ALERT_ABSENT)
        return;
    /* Record type alert, version 1.2, two bytes: fatal, code. */
    const uint8_t record[] = { 21, 3, 3, 0, 2, 2, (uint8_t)alert };
    buffer_append(output, record, sizeof(record));
}
