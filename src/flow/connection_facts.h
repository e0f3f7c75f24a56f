/* SPDX-License-Identifier: GPL-2.0-or-later */
/* connection_facts.h - what accounting, routing and operators may know of one connection; counted, immutable
 * but for the texts made of them.
 * In:    filled once, when the connection is ready. Out: read by any thread that holds a reference.
 */
#ifndef TRELAY_FLOW_CONNECTION_FACTS_H
#define TRELAY_FLOW_CONNECTION_FACTS_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "decide/decide.h"
#include "pkix/certificate.h"
#include "policy/verdict.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Texts that others make of the facts and that are dear to make: accounting's columns of each leg. */
enum connection_text { CONNECTION_TEXT_INBOUND = 0, CONNECTION_TEXT_OUTBOUND, CONNECTION_TEXT_COUNT };

struct connection_facts {
    atomic_uint references;
    atomic_uint under_way;       /* see connection_facts_begin() */
    atomic_bool is_withdrawn;    /* see connection_facts_withdraw(); all else never changes */
    struct connection_handle handle;
    bool is_accepted;            /* the peer connected to us */
    enum transport transport;
    struct endpoint peer, local;
    int64_t opened_at;           /* seconds since the epoch */
    int64_t deadline;            /* likewise; INT64_MAX: none */
    enum tls_version tls_version; /* UNSET on plain TCP */
    char suite[48];
    char server_name[DOMAIN_NAME_SIZE]; /* sent by us, or by the peer; "" for none */
    char credential[ROW_NAME_SIZE];     /* our certificate's row; "" for none */
    uint8_t credential_digest[DIGEST_SIZE];
    char policy[ROW_NAME_SIZE];         /* the outbound row that it was opened or upgraded for; "" for none */
    char trust_set[ROW_NAME_SIZE];      /* that its peer was proven against; "" for none */
    bool has_key_digest;
    uint8_t key_digest[DIGEST_SIZE]; /* SHA-256 of the connection key */
    struct verdict verdict;
    struct certificate_facts *certificate; /* the peer's; NULL when it sent none */
    const char **identities;               /* its SIP domain identities (RFC 5922 7.1), normalised; one allocation */
    size_t identity_count;
    _Atomic(char *) texts[CONNECTION_TEXT_COUNT]; /* each set at most once, by connection_facts_keep_text() */
};

/* Zeroed, with one reference; NULL when there is no memory. */
struct connection_facts *connection_facts_new(void);
struct connection_facts *connection_facts_ref(struct connection_facts *facts); /* NULL gives NULL */
void connection_facts_unref(struct connection_facts *facts);                   /* NULL is allowed */

/* One request on the connection has begun, ours or the peer's, and has ended: its transaction is over. From any thread
 * that holds a reference; between the two the connection is not idle, and not what another class may take over
 * (INV-36). The count is exact: each begin has its end. */
void connection_facts_begin(struct connection_facts *facts);
void connection_facts_end(struct connection_facts *facts);
unsigned connection_facts_under_way(const struct connection_facts *facts);

/* What the peer proved does not hold under the policy of today: nobody is served by it any more (INV-38). From any
 * thread, and for good. */
void connection_facts_withdraw(struct connection_facts *facts);
bool connection_facts_is_withdrawn(const struct connection_facts *facts);

/* A text that was made of these facts before; NULL: none was. It lives as long as they do. */
const char *connection_facts_text(const struct connection_facts *facts, enum connection_text which);
/* Keeps what was made, with its NUL, and empties MADE. From any thread: all makers get the text that came first. */
const char *connection_facts_keep_text(struct connection_facts *facts, enum connection_text which,
    struct buffer *made);

/* "2.17.942": worker, slot and generation, as operators see and close it. */
enum { CONNECTION_ID_SIZE = 48 };
const char *connection_id_print(struct connection_handle handle, char out[CONNECTION_ID_SIZE]);
bool connection_id_parse(struct slice text, struct connection_handle *handle_r);

#endif
