/* SPDX-License-Identifier: GPL-2.0-or-later */
/* limits.h - how large a SIP message may be before it is refused instead of read.
 * The body counts in the message size. A limit is inclusive: as many bytes as it says still pass.
 */
#ifndef TRELAY_SIP_LIMITS_H
#define TRELAY_SIP_LIMITS_H

#include <stdint.h>

struct sip_limits {
    uint32_t message_bytes;     /* start line, headers and body */
    uint32_t start_line_bytes;  /* without its CRLF */
    uint32_t header_line_bytes; /* one header with its folded lines, without the last CRLF */
    uint32_t header_count;      /* header lines, folded ones once */
};

/* RFC 3261 18.1.1 wants 65535 bytes at least; a body of 64 KiB passes with its headers. */
#define SIP_LIMITS_DEFAULT                                              \
    ((struct sip_limits){ .message_bytes = 131072, .start_line_bytes = 8192, \
        .header_line_bytes = 16384, .header_count = 256 })

/* What a configuration may set message_bytes to at most: offsets in a message are 32 bits. */
enum { SIP_MESSAGE_BYTES_MAX = 16 * 1024 * 1024 };

#endif
