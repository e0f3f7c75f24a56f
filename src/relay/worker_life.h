/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker_life.h - making and ending a worker; for relay.c alone. */
#ifndef TRELAY_RELAY_WORKER_LIFE_H
#define TRELAY_RELAY_WORKER_LIFE_H

#include "relay/worker.h"

/* WORKER is zeroed; all steps of the end in any case. */
int worker_init(struct worker *worker, struct relay *relay, uint32_t index, struct why *why) MUST_CHECK;
/* Both take FD. LISTENER: its index in the settings. */
int worker_add_udp(struct worker *worker, size_t listener, int fd) MUST_CHECK;
int worker_add_listener(struct worker *worker, size_t listener, int fd) MUST_CHECK;
/* A thread's function. */
void worker_run(void *worker);
/* The end comes in three steps, each for all workers before the next: what one gives up may be another's to hear. */
void worker_close(struct worker *worker);     /* sockets and connections; mail that comes later finds no pool */
void worker_take_mail(struct worker *worker);
void worker_fini(struct worker *worker);

#endif
