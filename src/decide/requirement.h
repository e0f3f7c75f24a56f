/* SPDX-License-Identifier: GPL-2.0-or-later */
/* requirement.h - what one branch of one transaction needs of a connection, from one snapshot.
 * In:    row, flags, target. Out: everything that shapes handshake and verdict (the key), and the terms of use.
 * One list generates members, encoder, printer and mutation test (INV-1, INV-3): a field cannot be forgotten in one.
 * Never: filled half: a requirement that could not be built is a reason, not a weaker requirement.
 */
#ifndef TRELAY_DECIDE_REQUIREMENT_H
#define TRELAY_DECIDE_REQUIREMENT_H

#include "base/address.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/why.h"
#include "decide/dialog_pin.h"
#include "policy/level.h"
#include "policy/lookup.h"
#include "policy/reason.h"
#include "policy/verdict.h"

#include <stdbool.h>
#include <stdint.h>

enum transport { TRANSPORT_UNSET = 0, TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_TLS };
enum connection_role { ROLE_UNSET = 0, ROLE_OUT, ROLE_IN_ALIAS };

const char *transport_name(enum transport transport); /* "udp", "tcp", "tls", "unset" */

struct optional_digest {
    bool is_set;
    uint8_t bytes[DIGEST_SIZE];
};

struct pin_set {
    uint8_t count;
    uint8_t digests[PINS_MAX][DIGEST_SIZE]; /* sorted, each once */
};

typedef char requirement_name[DOMAIN_NAME_SIZE];
typedef char requirement_text[CIPHERS_SIZE];
typedef char requirement_tag[ROW_NAME_SIZE];

/* kind, type, member, tag (never reused), part, word for people.
 * Kinds: BYTE, ENDPOINT, ADDRESS, DIGEST, PINS, TEXT ("" is absent).
 * Parts, which matter to an upgrade only (INV-35): PLACE and HANDSHAKE must be those of the candidate, the FLOOR must
 * be met by what it negotiated, the JUDGEMENT is taken anew.
 * Below level chain nothing is judged and the JUDGEMENT has fixed values; on plain transports HANDSHAKE and FLOOR have,
 * too. Over TLS, level none is level encrypt. */
#define REQUIREMENT_LIST(X)                                                                                      \
    X(BYTE, uint8_t, role, 1, PLACE, "role")                  /* enum connection_role, INV-45 */                 \
    X(BYTE, uint8_t, transport, 2, PLACE, "transport")        /* enum transport */                               \
    X(ENDPOINT, struct endpoint, destination, 3, PLACE, "destination") /* INV-11 */                              \
    X(ADDRESS, struct address, local, 4, PLACE, "local-address") /* INV-12; family NONE: any */                  \
    X(DIGEST, struct optional_digest, credential_chain, 5, HANDSHAKE, "certificate") /* INV-9 */                 \
    X(DIGEST, struct optional_digest, credential_key, 6, HANDSHAKE, "certificate-key")                           \
    X(TEXT, requirement_name, sni, 7, HANDSHAKE, "sni")       /* INV-10 */                                       \
    X(BYTE, uint8_t, level, 8, JUDGEMENT, "level")            /* enum level, INV-5 */                            \
    X(TEXT, requirement_name, expected_domain, 9, JUDGEMENT, "expected-domain")                                  \
    X(BYTE, uint8_t, cn_fallback, 10, JUDGEMENT, "cn-fallback") /* INV-15 */                                     \
    X(BYTE, uint8_t, wildcard, 11, JUDGEMENT, "wildcard")                                                        \
    X(DIGEST, struct optional_digest, trust, 12, JUDGEMENT, "trust") /* INV-6 */                                 \
    X(BYTE, uint8_t, eku_mode, 13, JUDGEMENT, "eku-mode")     /* enum eku_mode */                                \
    X(BYTE, uint8_t, crl, 14, JUDGEMENT, "crl")               /* enum revocation, INV-7 */                       \
    X(BYTE, uint8_t, ocsp, 15, JUDGEMENT, "ocsp")             /* enum revocation */                              \
    X(DIGEST, struct optional_digest, crl_set, 16, JUDGEMENT, "crl-set")                                         \
    X(BYTE, uint8_t, tls_min, 17, FLOOR, "tls-min")           /* enum tls_version, INV-8 */                      \
    X(BYTE, uint8_t, tls_max, 18, FLOOR, "tls-max")                                                              \
    X(TEXT, requirement_text, ciphers, 19, FLOOR, "ciphers")                                                     \
    X(PINS, struct pin_set, pins, 20, JUDGEMENT, "pins")                                                         \
    X(TEXT, requirement_tag, isolation, 21, PLACE, "isolation") /* INV-13 */

struct requirement_key {
#define X(kind, type, member, tag, part, word) type member;
    REQUIREMENT_LIST(X)
#undef X
};

/* kind, type, member, word. What rules the use of a connection but not what it is.
 * Kinds: SECONDS (0: none), YES, ID, GENERATION, UPGRADE, ROW, TRUST_SET, CREDENTIAL. */
#define REQUIREMENT_TERM_LIST(X)                                                                                 \
    X(SECONDS, uint32_t, max_age_s, "max-age")                                                                   \
    X(SECONDS, uint32_t, revalidate_every_s, "revalidate-every")                                                 \
    X(SECONDS, uint32_t, idle_timeout_s, "idle-timeout")                                                         \
    X(SECONDS, uint32_t, keepalive_s, "keepalive")                                                               \
    X(UPGRADE, enum upgrade, upgrade, "upgrade")                                                                 \
    X(YES, bool, may_reuse, "may-reuse")     /* row's reuse and no no-conn-reuse flag */                         \
    X(YES, bool, may_connect, "may-connect") /* no no-connect flag */                                            \
    X(YES, bool, may_upgrade, "may-upgrade") /* level chain or domain, row's upgrade, no no-upgrade flag */      \
    X(YES, bool, is_crl_skipped, "crl-skipped")   /* asked for softly, and this version has no means */          \
    X(YES, bool, is_ocsp_skipped, "ocsp-skipped") /* likewise */                                                 \
    X(ID, int64_t, row_id, "row")         /* 0: flags alone */                                                \
    X(GENERATION, uint64_t, generation, "generation") /* of the snapshot it was built from */                         \
    X(ROW, const struct outbound_policy *, row, "row-name") /* lives as long as the snapshot; NULL: flags alone */ \
    X(TRUST_SET, const struct policy_trust_set *, trust_set, "trust-set") /* likewise; NULL: none is needed */   \
    X(CREDENTIAL, const struct policy_credential *, credential, "certificate-name") /* likewise; NULL: none */

struct requirement_terms {
#define X(kind, type, member, word) type member;
    REQUIREMENT_TERM_LIST(X)
#undef X
};

struct requirement {
    struct requirement_key key;
    struct requirement_terms terms;
};

/* What this build of the relay can do. Zero: nothing. */
struct capabilities {
    bool crl, ocsp;
    bool upgrade;
};

/* What stands for a row under lookup=none: flags alone, which must ask for validation and name the trust set. */
const struct outbound_policy *requirement_flags_alone(void);

struct requirement_target {
    enum transport transport;
    struct endpoint endpoint;
    const char *next_hop_domain; /* of the URI given to RFC 3263, normalised (RFC 5922 7.3); NULL: an address literal */
    struct address local;        /* family NONE: any */
    /* What the dialog's hop in this direction had to prove when it began, if that is what rules now: its domain stands
     * for the next hop's, its level is a floor, its flags hold unless the request's say otherwise. NULL: not so. */
    const struct dialog_part *pin;
};

struct requirement_defaults {
    uint32_t max_age_s, idle_timeout_s; /* where the row has none */
};

/* The row's floor, raised by the flags; lowered only where the row permits. FLAGS may be NULL. ROW is NULL only for
 * lookup=none. Returns REASON_NONE and fills *requirement_r, or the reason of the refusal with its text in WHY.
 * Total. */
enum reason requirement_build(const struct policy_snapshot *snapshot, const struct outbound_policy *row,
    const struct flag_set *flags, const struct requirement_target *target, const struct capabilities *capabilities,
    const struct requirement_defaults *defaults, struct requirement *requirement_r, struct why *why);

/* The level that row and flags ask for, whether or not a requirement can be built of them: what a target of a request
 * had to prove even if it failed before (INV-34). LEVEL_DOMAIN for a row without a valid level. */
enum level requirement_level(const struct outbound_policy *row, const struct flag_set *flags);

/* Likewise where PIN rules: its level is the floor. But domain is chain within a dialog that began by initial_only of
 * the row, or by the flag where the row may be weakened; not where FLAGS of this request ask for verify-domain. */
enum level requirement_pinned_level(const struct outbound_policy *row, const struct flag_set *flags,
    const struct dialog_part *pin);

/* What is kept of a requirement for the dialog that it begins. Of flags alone it is level and identity, for there is no
 * row to ask tomorrow. Of one without proof it is a floor: an address is all that is known of such a peer, and the
 * address rules, but not in clear. Of level none it is nothing: UNSET. */
void requirement_pin(const struct requirement *requirement, const struct flag_set *flags, const char *next_hop_domain,
    struct dialog_part *part_r);

/* The flags that a pin adds to those of a request, which it has to have in its question: tls, of a floor. What the row
 * of the next hop says holds, and no plain transport is taken; where nobody adds them, such a row is refused. */
uint32_t requirement_floor_flags(const struct dialog_part *pin); /* NULL: none */

/* Everything that a requirement follows from, but for the snapshot: with a later one it can be asked anew (INV-23). */
struct requirement_question {
    struct policy_query query; /* its address is the target's, whatever stands there */
    const struct policy_lookup_order *order;
    const struct policy_lookup_order *usual; /* ORDER is a sender's, this would rule without him; NULL: it is not */
    const struct flag_set *flags; /* NULL: none */
    bool is_senders_trust;        /* he names the trust set, and not the operator */
    struct requirement_target target;
    bool is_address_of_row;       /* the row names the addresses of the next hop, and the target is one of them */
    const struct dialog_part *pin; /* that the request brought; NULL: none. The target's own is not looked at */
};

/* The row that rules, and whether it does because of the pin. */
struct requirement_rule {
    const struct outbound_policy *row; /* of HIT and of REFUSED; else NULL */
    bool is_pinned;      /* with flags alone, too: the pin says whom to expect and the least level */
    bool is_row_of_hop;  /* the next hop itself leads to this row, too: its addresses are the row's, if it has any */
    enum reason reason;  /* of NONE and REFUSED */
};

/* policy_lookup() with ADDRESS (NULL: not known yet), and the pin. A pin stands for what its row still allows: if that
 * is gone or cannot be used, and if the row of this very hop asks for more, ordinary policy rules, which is refused
 * where it asks for less than the pin does (INV-33). So does it where the pin is a floor. A next hop with a name speaks
 * for itself if its row asks for as much. A sender's order leads to another row than the usual one only where that one
 * permits weakening.
 * lookup=none leads to requirement_flags_alone(), from a sender by that permission, and to less than the pin asks for
 * never. Where no row is asked, a sender names a trust set only if the usual row has it or lets flags name it
 * (doc/decision/0019). */
enum lookup_result requirement_look_up(const struct policy_snapshot *snapshot,
    const struct requirement_question *question, const struct address *address, struct requirement_rule *rule_r);

/* The highest level that the question could come to, whatever the address is: the floor that a target leaves behind
 * whose address never got known (INV-34). LEVEL_UNSET: no row could rule it. */
enum level requirement_highest_level(const struct policy_snapshot *snapshot,
    const struct requirement_question *question);

/* What a question that requirement_look_up() does not answer with a row leaves behind all the same, by the order that
 * was asked for, by the usual one and by the pin (INV-34): ADDRESS as there. LEVEL_UNSET: they name no row. */
enum level requirement_refused_level(const struct policy_snapshot *snapshot,
    const struct requirement_question *question, const struct address *address);

/* The row that rules, then requirement_build(). A row that does not lead to this address any more is refused, too. */
enum reason requirement_derive(const struct policy_snapshot *snapshot, const struct requirement_question *question,
    const struct capabilities *capabilities, const struct requirement_defaults *defaults,
    struct requirement *requirement_r, struct why *why);

/* Do both have the same values in these parts of the key? */
enum requirement_part { PART_PLACE = 1, PART_HANDSHAKE = 2, PART_FLOOR = 4, PART_JUDGEMENT = 8, PART_ALL = 15 };
bool requirement_key_equal(const struct requirement_key *a, const struct requirement_key *b, unsigned parts);

/* "role=out transport=tls destination=192.0.2.1:5061 ..."; absent fields are left out. */
void requirement_key_print(const struct requirement_key *fields, struct buffer *out);
/* "max-age=3600s upgrade=idle may-reuse=yes ..." */
void requirement_terms_print(const struct requirement_terms *terms, struct buffer *out);

#endif
