/* SPDX-License-Identifier: GPL-2.0-or-later */
/* row_check.c - what is wrong with a row by itself, or with what it names.
 * In:    a row as it was copied. Out: why it cannot be used, for people, or NULL; the names it gives resolved.
 * The database refuses most of this as well; a snapshot does not depend on that (INV-47).
 */
#include "policy/name.h"
#include "policy/snapshot_private.h"
#include "sip/uri.h"

#include <stdio.h>

#define IS_SET(value, count) ((value) > 0 && (value) < (count))

static const char UNSET_COLUMN[] = "a column that must say something is NULL or has an unknown value";

static const char *say_unusable(struct row_check *check, const char *kind, const char *name)
{
    snprintf(check->text, sizeof(check->text), "%s \"%.100s\" cannot be used", kind, name);
    return check->text;
}

static bool is_domain(const char *text)
{
    char name[DOMAIN_NAME_SIZE];
    return name_normalise(slice_of_string(text), name) == 0 && strcmp(name, text) == 0;
}

static bool is_pattern(const char *text)
{
    char name[DOMAIN_NAME_SIZE];
    return name_normalise_pattern(slice_of_string(text), name) == 0 && strcmp(name, text) == 0;
}

static const char *resolve_trust_set(struct row_check *check, const char *name, const struct policy_trust_set **out)
{
    *out = NULL;
    if (name == NULL)
        return NULL;
    const struct policy_trust_set *trust_set = policy_snapshot_trust_set(check->snapshot, name);
    if (trust_set == NULL || trust_set->unusable != NULL)
        return say_unusable(check, "trust set", name);
    *out = trust_set;
    return NULL;
}

static const char *resolve_credential(struct row_check *check, const char *name, const struct policy_credential **out)
{
    *out = NULL;
    if (name == NULL)
        return NULL;
    const struct policy_credential *credential = policy_snapshot_credential(check->snapshot, name);
    if (credential == NULL || credential->unusable != NULL)
        return say_unusable(check, "certificate", name);
    *out = credential;
    return NULL;
}

static bool is_prefix(const struct prefix *prefix)
{
    struct prefix masked = prefix_of(&prefix->address, prefix->length);
    unsigned bits = prefix->address.family == ADDRESS_V4 ? 32 : 128;
    return prefix->address.family != ADDRESS_NONE && prefix->length <= bits &&
        address_equal(&masked.address, &prefix->address);
}

static const char *match_defect(const struct outbound_policy *row)
{
    switch (row->match) {
    case MATCH_DOMAIN:
    case MATCH_SUFFIX:
    case MATCH_SOURCE:
        return row->match_name != NULL && is_domain(row->match_name) ? NULL : "what it matches is no domain name";
    case MATCH_PEER:
        return row->match_name != NULL && row->match_name[0] != '\0' ? NULL : "it matches a peer without a name";
    case MATCH_ADDRESS:
        return is_prefix(&row->match_prefix) ? NULL : "what it matches is no address prefix";
    case MATCH_DEFAULT:
        return NULL;
    case MATCH_UNSET:
        break;
    }
    return "it matches nothing";
}

static const char *floor_defect(enum tls_version minimum, enum tls_version maximum, const char *ciphers)
{
    if (!IS_SET(minimum, TLS_VERSION_COUNT) || (unsigned)maximum >= TLS_VERSION_COUNT)
        return UNSET_COLUMN;
    if (maximum != TLS_VERSION_UNSET && maximum < minimum)
        return "tls_max is below tls_min";
    if (ciphers != NULL && (ciphers[0] == '\0' || strlen(ciphers) >= CIPHERS_SIZE))
        return "its list of ciphers is empty or too long";
    return NULL;
}

/* Columns that say how far a peer is judged must go together. */
static const char *proof_defect(const struct outbound_policy *row)
{
    bool is_judged = level_needs_chain(row->level);
    if (row->pin_count > PINS_MAX)
        return "it has more pins than can be compared";
    if (is_judged && row->trust_set_name == NULL && row->pin_count == 0)
        return "its level needs a trust set (or pins) and it names none";
    if (!is_judged && row->pin_count > 0)
        return "pins need level chain or domain: below, nothing is compared";
    if (!is_judged && (row->crl == REVOCATION_HARD || row->ocsp == REVOCATION_HARD))
        return "hard revocation checking needs level chain or domain: below, nothing is checked";
    return NULL;
}

static const char *names_defect(const struct outbound_policy *row)
{
    if (row->expected_domain != NULL && !is_domain(row->expected_domain))
        return "expected_domain is no domain name";
    if (row->sni != NULL && !is_domain(row->sni))
        return "sni is no domain name";
    if (row->isolation != NULL && !name_is_row_name(slice_of_string(row->isolation)))
        return "isolation is no tag";
    for (size_t i = 0; i < row->next_hop_count; i++)
        if (row->next_hops[i].port == 0 || address_is_unspecified(&row->next_hops[i].address) ||
            address_is_multicast_or_broadcast(&row->next_hops[i].address))
            return "a fixed next hop is no address and port that can be reached";
    return NULL;
}

const char *outbound_defect(struct row_check *check, struct outbound_policy *row)
{
    bool is_complete = IS_SET(row->level, LEVEL_COUNT) && IS_SET(row->eku_mode, EKU_COUNT) &&
        IS_SET(row->crl, REVOCATION_COUNT) && IS_SET(row->ocsp, REVOCATION_COUNT) &&
        IS_SET(row->upgrade, UPGRADE_COUNT) && IS_SET(row->weaken, PERMISSION_COUNT) &&
        IS_SET(row->trust_flag, PERMISSION_COUNT) && IS_SET(row->scheme, SCHEME_COUNT);
    const char *defect = match_defect(row);
    if (defect == NULL && !is_complete)
        defect = UNSET_COLUMN;
    if (defect == NULL)
        defect = floor_defect(row->tls_min, row->tls_max, row->ciphers);
    if (defect == NULL)
        defect = proof_defect(row);
    if (defect == NULL)
        defect = names_defect(row);
    if (defect == NULL)
        defect = resolve_credential(check, row->certificate_name, &row->credential);
    if (defect == NULL)
        defect = resolve_trust_set(check, row->trust_set_name, &row->trust_set);
    return defect;
}

const char *profile_defect(struct row_check *check, struct server_profile *row)
{
    const char *defect = floor_defect(row->tls_min, row->tls_max, row->ciphers);
    if (!IS_SET(row->client_auth, CLIENT_AUTH_COUNT) || !IS_SET(row->eku_mode, EKU_COUNT) ||
        !IS_SET(row->crl, REVOCATION_COUNT) || !IS_SET(row->ocsp, REVOCATION_COUNT))
        return UNSET_COLUMN;
    if (row->server_name != NULL && !is_pattern(row->server_name))
        return "server_name is neither a domain name nor *.name";
    if (row->certificate_count == 0 || row->certificate_count > PROFILE_CERTIFICATES_MAX)
        return "it has no certificate, or too many";
    for (size_t i = 0; defect == NULL && i < row->certificate_count; i++)
        defect = row->certificate_names[i] != NULL
            ? resolve_credential(check, row->certificate_names[i], &row->certificates[i])
            : "it names a certificate that has no name";
    if (defect == NULL)
        defect = resolve_trust_set(check, row->trust_set_name, &row->trust_set);
    if (defect == NULL && row->client_auth == CLIENT_AUTH_REQUIRE && row->trust_set == NULL)
        defect = "it requires client certificates and names no trust set";
    return defect;
}

static const char *flags_defect(struct row_check *check, const struct flag_set *flags)
{
    struct why why = WHY_NONE;
    if (flags == NULL || flags_check(flags, &why) == 0)
        return NULL;
    snprintf(check->text, sizeof(check->text), "%s", why.text);
    return check->text;
}

const char *peer_defect(struct row_check *check, struct peer_rule *row)
{
    bool has_criterion = row->has_address || row->has_fingerprint || row->trust_set_name != NULL ||
        row->issuer != NULL || row->subject != NULL || row->san != NULL;
    const char *defect = resolve_trust_set(check, row->trust_set_name, &row->trust_set);
    if (!IS_SET(row->action, PEER_ACTION_COUNT))
        return UNSET_COLUMN;
    if (!has_criterion && row->action == PEER_ACCEPT)
        return "it has no criterion, so it would accept everybody";
    if (row->has_address && !is_prefix(&row->address))
        return "address is no address prefix";
    if (row->san != NULL && !is_domain(row->san))
        return "san is no domain name";
    if (row->name == NULL || row->name[0] == '\0')
        return "it has no name";
    if (row->check_from && row->trust_set_name == NULL)
        return "check_from needs trust_set";
    return defect != NULL ? defect : flags_defect(check, row->flags);
}

static bool is_sip_uri(const char *text)
{
    struct sip_uri uri;
    return sip_uri_parse(slice_of_string(text), &uri) == 0 && sip_uri_is_sip(&uri);
}

const char *route_defect(struct row_check *check, struct route *row)
{
    if (row->domain != NULL && !is_pattern(row->domain))
        return "domain is neither a domain name nor *.name";
    if ((row->header_name != NULL) != (row->header_value != NULL))
        return "header_name and header_value go together";
    if (row->next_hop != NULL && !is_sip_uri(row->next_hop))
        return "next_hop is no SIP URI";
    return flags_defect(check, row->flags);
}
