/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stream.h - a TCP connection on a loop.
 * In:    bytes to write, copied as far as the kernel does not take them at once.
 * Out:   bytes read, in the worker's scratch memory; the events of struct stream_handler.
 * Never: waits; calls its owner from within a stream_ function; calls it after stream_free(); holds a buffer while
 *        idle (about 300 bytes per connection, the loop's part included).
 */
#ifndef TRELAY_NET_STREAM_H
#define TRELAY_NET_STREAM_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/slice.h"
#include "loop/loop.h"
#include "net/net_scratch.h"

#include <stdbool.h>
#include <stdint.h>

/* How a connection ended. code, word, text */
#define STREAM_END_LIST(X)                                                                       \
    X(STREAM_END_EOF, "eof", "the peer closed its direction")                                    \
    X(STREAM_END_RESET, "reset", "the peer reset the connection")                                \
    X(STREAM_END_REFUSED, "refused", "the peer refused the connection")                          \
    X(STREAM_END_UNREACHABLE, "unreachable", "there is no way to the peer")                      \
    X(STREAM_END_CONNECT_TIMEOUT, "connect-timeout", "the peer did not answer in time")          \
    X(STREAM_END_TIMEOUT, "timeout", "the peer acknowledged nothing for too long")               \
    X(STREAM_END_MEMORY, "memory", "out of memory")                                              \
    X(STREAM_END_FAILED, "failed", "a system call failed")

enum stream_end {
    STREAM_END_NONE = 0, /* it has not ended */
#define X(code, word, text) code,
    STREAM_END_LIST(X)
#undef X
        STREAM_END_COUNT
};

const char *stream_end_name(enum stream_end end); /* total: "unknown" */
const char *stream_end_text(enum stream_end end);

/* All are required. Each may call any stream_ function, stream_free() included. */
struct stream_handler {
    /* stream_connect() succeeded: it can be read and written. Not called for adopted streams. */
    void (*connected)(void *arg);
    /* BYTES (at least one) are valid during the call. May come after a stream_write() found the connection reset: what
     * the peer sent before that is not lost. */
    void (*received)(void *arg, struct slice bytes);
    /* What was queued fell to the low-water mark after stream_is_congested() had been true. */
    void (*drained)(void *arg);
    /* Once, or twice when EOF comes first. After EOF the stream can still be written; after anything else it is dead.
     * The owner calls stream_free() in any case, here or later. OS_ERROR: an errno value, or 0. */
    void (*ended)(void *arg, enum stream_end end, int os_error);
};

/* What all streams of one worker share; a constant that outlives them. */
struct stream_environment {
    struct loop *loop;
    struct net_scratch *scratch;
    uint32_t high_water;        /* queued bytes from which a stream is congested */
    uint32_t low_water;         /* queued bytes at which it has drained */
    uint32_t queue_limit;       /* queued bytes that are never exceeded; 0: no limit */
    uint32_t read_limit;        /* bytes read from one stream in one turn; 0: NET_SCRATCH_STREAM_SIZE * 4 */
    uint32_t stall_timeout_ms;  /* unacknowledged for so long: STREAM_END_TIMEOUT; 0: the kernel's default */
};

struct stream;

/* LOCAL: NULL or family NONE: any address; port 0: any port. HANDLER is a constant. TIMEOUT_MS is at least 1. The
 * outcome is told by connected() or ended(), never from within the call. Failures of the call itself: ERROR_MEMORY,
 * ERROR_SYSTEM (errno is set), ERROR_UNSUPPORTED (not an address one can connect to). */
int stream_connect(const struct stream_environment *environment, const struct endpoint *local,
    const struct endpoint *remote, uint32_t timeout_ms, const struct stream_handler *handler, void *arg,
    struct stream **stream_r) MUST_CHECK;

/* A connected, non-blocking descriptor (of listener.h). Takes FD, also when it fails. */
int stream_adopt(const struct stream_environment *environment, int fd, const struct stream_handler *handler, void *arg,
    struct stream **stream_r) MUST_CHECK;

/* Closes: what is queued is lost, what the kernel has is sent with a FIN (or a RST, where bytes came that were not
 * read). No callback comes afterwards; the memory
 * goes at the end of the turn. NULL is allowed. */
void stream_free(struct stream *stream);
/* The same with a RST, and nothing more is sent. */
void stream_abort(struct stream *stream);

/* Sends what the kernel takes and queues a copy of the rest, in order: all of BYTES, or on failure none.
 * Allowed before connected(). ERROR_LIMIT: the queue limit; ERROR_CLOSED: it has ended (ended() tells or told);
 * ERROR_STATE: after stream_finish(); ERROR_MEMORY. */
int stream_write(struct stream *stream, struct slice bytes) MUST_CHECK;

/* Sends a FIN behind what is queued: half-close. Reading goes on. */
void stream_finish(struct stream *stream);

/* Back pressure on the peer. */
void stream_pause_reading(struct stream *stream);
void stream_resume_reading(struct stream *stream);

bool stream_is_congested(const struct stream *stream); /* from high water until drained() */
bool stream_is_connected(const struct stream *stream);
size_t stream_queued(const struct stream *stream);      /* bytes the kernel has not taken */
int stream_local(const struct stream *stream, struct endpoint *endpoint_r) MUST_CHECK;
int stream_peer(const struct stream *stream, struct endpoint *endpoint_r) MUST_CHECK;

#endif
