/* SPDX-License-Identifier: GPL-2.0-or-later */
/* siplite.h - the two sides of the SIP load: a server that answers, a client that asks at a steady rate. */
#ifndef TRELAY_BENCH_SIPLITE_H
#define TRELAY_BENCH_SIPLITE_H

#include "endpoint.h"

#include <stdint.h>

struct siplite_settings {
    struct endpoint_settings endpoint;
    /* the client's */
    struct sockaddr_in to;
    bool is_call;      /* INVITE, ACK, BYE; else OPTIONS */
    uint64_t rate;     /* a second */
    uint64_t count;    /* transactions, or calls */
    unsigned hold_ms;  /* from ACK to BYE */
    unsigned links;    /* TLS connections */
    const char *user, *domain;
};

/* Answers until SIGTERM, then prints what it saw as one line of JSON. */
void siplite_serve(struct siplite_settings *settings);

/* Runs the load, prints what came of it as one line of JSON. */
void siplite_ask(struct siplite_settings *settings);

#endif
