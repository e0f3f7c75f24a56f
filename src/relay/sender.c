/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sender.c - see sender.h. */
#include "relay/sender.h"

#include "relay/relay.h"

bool sender_is_proven(const struct connection_facts *connection, int64_t now_s)
{
    return connection != NULL && connection->certificate != NULL && connection->verdict.result == VERDICT_PROVEN &&
        level_needs_chain(connection->verdict.level) && now_s < connection->verdict.chain_not_after &&
        !connection_facts_is_withdrawn(connection);
}

void sender_facts(const struct connection_facts *connection, const struct address *source, int64_t now_s,
    struct peer_facts *facts_r)
{
    *facts_r = (struct peer_facts){ .address = *source };
    if (connection == NULL || connection->certificate == NULL)
        return;
    facts_r->fingerprint = connection->certificate->digest;
    facts_r->is_chain_proven = sender_is_proven(connection, now_s);
    if (!facts_r->is_chain_proven)
        return;
    facts_r->trust_digest = connection->verdict.trust_digest;
    facts_r->issuer = connection->certificate->issuer;
    facts_r->subject = connection->certificate->subject;
    facts_r->identities = connection->identities;
    facts_r->identity_count = connection->identity_count;
}

const struct peer_rule *relay_peer_of(const struct policy_snapshot *snapshot, const struct connection_facts *facts,
    int64_t now_s)
{
    struct peer_facts sender;
    sender_facts(facts, &facts->peer.address, now_s, &sender);
    return policy_peer(snapshot, &sender);
}
