/* SPDX-License-Identifier: GPL-2.0-or-later */
/* framing.h - where messages end in a stream, RFC 3261 18.3 and RFC 5626 3.5.1.
 * In:    the unread bytes of a connection, more of them at each call. Out: what the first of them are.
 * It remembers how far it looked, so that any split of the bytes costs the same and gives the same.
 * Never: guesses: whatever leaves two readings of the length open is fatal (request smuggling).
 */
#ifndef TRELAY_SIP_FRAMING_H
#define TRELAY_SIP_FRAMING_H

#include "base/slice.h"
#include "sip/defect.h"
#include "sip/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sip_frame {
    SIP_FRAME_MORE = 0,  /* length 0: call again with more bytes behind the same ones */
    SIP_FRAME_MESSAGE,   /* length: one whole message, for sip_message_parse() */
    SIP_FRAME_PING,      /* CRLFCRLF between messages: answer with CRLF */
    SIP_FRAME_PONG,      /* CRLF, and one was expected */
    SIP_FRAME_NOISE,     /* CRLF that means nothing */
    SIP_FRAME_OVERSIZED, /* length: the head of a message that is too long; its body will be skipped (SKIP) */
    SIP_FRAME_SKIP,      /* length: bytes of the body of an oversized message, to be dropped */
    SIP_FRAME_FATAL      /* length: what may be salvaged for an answer; nothing more can be read, close */
};

struct sip_framing {
    size_t scanned;      /* bytes of the input in which no end of head was found */
    size_t head_length;  /* 0: not known yet */
    uint64_t body_length;
    uint64_t skip;       /* bytes of an oversized body still to come */
    bool expects_pong;   /* set by the owner after it sent a ping; cleared when the pong is reported */
    enum sip_defect_code fatal; /* NONE until FATAL was reported */
};

#define SIP_FRAMING_INIT ((struct sip_framing){ 0 })

/* What INPUT starts with. Unless it is MORE, the caller removes *LENGTH_R bytes from the front before the next
 * call (also for OVERSIZED: the body follows as SKIP). *DEFECT_R is set with OVERSIZED and FATAL.
 * After FATAL it stays FATAL. A body above 2^31-1 bytes is FATAL. */
enum sip_frame sip_framing_next(struct sip_framing *framing, struct slice input, const struct sip_limits *limits,
    size_t *length_r, struct sip_defect *defect_r);

/* A message has begun and is not complete: a close now loses it, and a timer should run. */
bool sip_framing_is_inside(const struct sip_framing *framing, struct slice input);

#endif
