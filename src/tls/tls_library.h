/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_library.h - the TLS library as a whole: start, end, what it is, and whether it behaves as we rely on (INV-51).
 * In:    nothing. Out: a report for the log; a refusal to start on a library that would betray us.
 * Never: changes how the library treats other users in the process: there are none.
 */
#ifndef TRELAY_TLS_TLS_LIBRARY_H
#define TRELAY_TLS_TLS_LIBRARY_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/why.h"

/* Once per process, before anything else of src/tls and before threads. */
int tls_library_init(struct why *why) MUST_CHECK;
void tls_library_fini(void);

/* Handshakes in memory that prove what everything else is built on: the callback sees the peer's whole chain, a
 * wrong key is refused, held bytes stay held, nothing is ever resumed. Some 20 ms. ERROR_TLS and a text otherwise. */
int tls_library_self_check(struct why *why) MUST_CHECK;

/* One line: kind of build, version of header and library, and the flags that matter. */
void tls_library_report(struct buffer *text);

/* Each thread that used TLS calls it before it ends: the library keeps per-thread memory. */
void tls_library_thread_fini(void);

#endif
