/* SPDX-License-Identifier: GPL-2.0-or-later */
/* connection_facts.h - what accounting, routing and operators may know of one connection; counted, immutable.
 * In:    filled once, when the connection is ready. Out: read by any thread that holds a reference.
 */
#ifndef TRELAY_FLOW_CONNECTION_FACTS_H
#define TRELAY_FLOW_CONNECTION_FACTS_H

#include "base/attributes.h"
#include "decide/decide.h"
#include "pkix/certificate.h"
#include "policy/verdict.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct connection_facts {
    atomic_uint references;
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
    bool has_key_digest;
    uint8_t key_digest[DIGEST_SIZE]; /* SHA-256 of the connection key */
    struct verdict verdict;
    struct certificate_facts *certificate; /* the peer's; NULL when it sent none */
    const char **identities;               /* its SIP domain identities (RFC 5922 7.1), normalised; one allocation */
    size_t identity_count;
    uint64_t key_hash;                     /* keyed hash of the connection key; 0 of accepted ones */
};

/* Zeroed, with one reference; NULL when there is no memory. */
struct connection_facts *connection_facts_new(void);
struct connection_facts *connection_facts_ref(struct connection_facts *facts); /* NULL gives NULL */
void connection_facts_unref(struct connection_facts *facts);                   /* NULL is allowed */

/* "2.17.942": worker, slot and generation, as operators see and close it. */
enum { CONNECTION_ID_SIZE = 48 };
const char *connection_id_print(struct connection_handle handle, char out[CONNECTION_ID_SIZE]);
bool connection_id_parse(struct slice text, struct connection_handle *handle_r);

#endif
