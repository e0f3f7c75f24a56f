/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_rows.c - rows of the policy tables become rows of the snapshot's builder; see policy_rows.h.
 * Each table is an X-list of columns, which makes both the query and the enum of positions, so that the two agree.
 */
#include "db/policy_rows.h"

#include "base/error.h"
#include "base/integer.h"
#include "policy/name.h"
#include "tls/tls_settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NEXT_HOPS_MAX = 16, PINS_IN_ROW_MAX = 4 };

#define SECONDS_OF(column) "pg_catalog.date_part('epoch', " column ")::bigint"

/* position, expression */
#define OUTBOUND_LIST(X)                                         \
    X(OUT_ID, "id")                                              \
    X(OUT_NAME, "name")                                          \
    X(OUT_DOMAIN, "domain")                                      \
    X(OUT_ADDRESS, "address")                                    \
    X(OUT_SOURCE_DOMAIN, "source_domain")                        \
    X(OUT_PEER, "peer")                                          \
    X(OUT_IS_DEFAULT, "is_default")                              \
    X(OUT_PRIORITY, "priority")                                  \
    X(OUT_LEVEL, "level")                                        \
    X(OUT_EXPECTED_DOMAIN, "expected_domain")                    \
    X(OUT_CERTIFICATE, "certificate")                            \
    X(OUT_TRUST_SET, "trust_set")                                \
    X(OUT_SEND_SNI, "send_sni")                                  \
    X(OUT_SNI, "sni")                                            \
    X(OUT_EKU_MODE, "eku_mode")                                  \
    X(OUT_CN_FALLBACK, "cn_fallback")                            \
    X(OUT_WILDCARD, "wildcard")                                  \
    X(OUT_CRL, "crl")                                            \
    X(OUT_OCSP, "ocsp")                                          \
    X(OUT_TLS_MIN, "tls_min")                                    \
    X(OUT_TLS_MAX, "tls_max")                                    \
    X(OUT_CIPHERS, "ciphers")                                    \
    X(OUT_MAX_AGE, SECONDS_OF("max_age"))                        \
    X(OUT_REVALIDATE_EVERY, SECONDS_OF("revalidate_every"))      \
    X(OUT_IDLE_TIMEOUT, SECONDS_OF("idle_timeout"))              \
    X(OUT_KEEPALIVE, SECONDS_OF("keepalive"))                    \
    X(OUT_UPGRADE, "upgrade")                                    \
    X(OUT_SCHEME, "scheme")                                      \
    X(OUT_WEAKEN, "weaken")                                      \
    X(OUT_TRUST_FLAG, "trust_flag")                              \
    X(OUT_INITIAL_ONLY, "initial_only")                          \
    X(OUT_ALIAS, "alias")                                        \
    X(OUT_TRANSPORT_TLS_PARAM, "transport_tls_param")            \
    X(OUT_REUSE, "reuse")                                        \
    X(OUT_VIA_HOST, "via_host")                                  \
    X(OUT_RR_HOST, "rr_host")                                    \
    X(OUT_ISOLATION, "isolation")                                \
    X(OUT_NEXT_HOP, "pg_catalog.array_to_string(next_hop, ',')") \
    X(OUT_PINS, "pg_catalog.array_to_string(pins, ',')")
#define PROFILE_LIST(X)             \
    X(PROFILE_NAME, "name")         \
    X(PROFILE_LISTENER, "listener") \
    X(PROFILE_SERVER_NAME, "server_name") \
    X(PROFILE_CLIENT_AUTH, "client_auth") \
    X(PROFILE_TRUST_SET, "trust_set") \
    X(PROFILE_EKU_MODE, "eku_mode") \
    X(PROFILE_CRL, "crl")           \
    X(PROFILE_OCSP, "ocsp")         \
    X(PROFILE_TLS_MIN, "tls_min")   \
    X(PROFILE_TLS_MAX, "tls_max")   \
    X(PROFILE_CIPHERS, "ciphers")   \
    X(PROFILE_CERTIFICATES, "(SELECT pg_catalog.string_agg(c.certificate, ',' ORDER BY c.position) " \
        "FROM trelay.server_profile_certificate AS c WHERE c.server_profile = t.name)")
#define PEER_LIST(X)               \
    X(PEER_ID, "id")               \
    X(PEER_NAME, "name")           \
    X(PEER_PRIORITY, "priority")   \
    X(PEER_ADDRESS, "address")     \
    X(PEER_FINGERPRINT, "fingerprint") \
    X(PEER_TRUST_SET, "trust_set") \
    X(PEER_ISSUER, "issuer")       \
    X(PEER_SUBJECT, "subject")     \
    X(PEER_SAN, "san")             \
    X(PEER_ACTION, "action")       \
    X(PEER_STATUS, "coalesce(status, 403)") \
    X(PEER_FLAGS, "flags")         \
    X(PEER_ALIAS, "alias")         \
    X(PEER_CHECK_FROM, "check_from") \
    X(PEER_TRANSPORT_TLS_PARAM, "transport_tls_param")
#define ROUTE_LIST(X)                  \
    X(ROUTE_ID, "id")                  \
    X(ROUTE_NAME, "name")              \
    X(ROUTE_PRIORITY, "priority")      \
    X(ROUTE_WEIGHT, "weight")          \
    X(ROUTE_FORK, "fork")              \
    X(ROUTE_DOMAIN, "domain")          \
    X(ROUTE_USER_PREFIX, "user_prefix") \
    X(ROUTE_METHOD, "method")          \
    X(ROUTE_PEER, "peer")              \
    X(ROUTE_HEADER_NAME, "header_name") \
    X(ROUTE_HEADER_VALUE, "header_value") \
    X(ROUTE_NEXT_HOP, "next_hop")      \
    X(ROUTE_FLAGS, "flags")

#define X(position, expression) position,
enum { OUTBOUND_LIST(X) OUT_COUNT };
enum { PROFILE_LIST(X) PROFILE_COUNT };
enum { PEER_LIST(X) PEER_COUNT };
enum { ROUTE_LIST(X) ROUTE_COUNT };
#undef X

/* "true" makes the comma behind the last column harmless. */
#define X(position, expression) expression ", "
const char *policy_rows_outbound_query(void)
{
    return "SELECT " OUTBOUND_LIST(X) "true FROM trelay.outbound_policy AS t WHERE enabled ORDER BY id";
}

const char *policy_rows_server_profile_query(void)
{
    return "SELECT " PROFILE_LIST(X) "true FROM trelay.server_profile AS t WHERE enabled ORDER BY name";
}

const char *policy_rows_peer_query(void)
{
    return "SELECT " PEER_LIST(X) "true FROM trelay.peer AS t WHERE enabled ORDER BY id";
}

const char *policy_rows_route_query(void)
{
    return "SELECT " ROUTE_LIST(X) "true FROM trelay.route AS t WHERE enabled ORDER BY id";
}
#undef X

/* One row being read. What goes wrong first is the reason of the tombstone. */
struct reader {
    const struct database_result *result;
    size_t row;
    bool is_unusable;
    struct why why;
};

static void reject(struct reader *reader, const char *format, ...) PRINTF_LIKE(2, 3);

static void reject(struct reader *reader, const char *format, ...)
{
    if (reader->is_unusable)
        return;
    reader->is_unusable = true;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(reader->why.text, sizeof(reader->why.text), format, arguments);
    va_end(arguments);
}

static struct slice cell(const struct reader *reader, size_t column)
{
    return database_cell(reader->result, reader->row, column);
}

/* NULL for NULL. */
static const char *text(const struct reader *reader, size_t column)
{
    return cell(reader, column).data;
}

static bool boolean(const struct reader *reader, size_t column)
{
    return slice_equal(cell(reader, column), SLICE_LITERAL("t"));
}

/* 0 for NULL. */
static int64_t number(struct reader *reader, size_t column, const char *name, int64_t limit)
{
    struct slice digits = cell(reader, column);
    bool is_negative = digits.length > 0 && digits.data[0] == '-';
    uint64_t value;
    if (slice_is_absent(digits))
        return 0;
    if (integer_parse(slice_from(digits, is_negative ? 1 : 0), (uint64_t)limit, &value) != 0) {
        reject(reader, "%s is out of range", name);
        return 0;
    }
    return is_negative ? -(int64_t)value : (int64_t)value;
}

static uint32_t seconds(struct reader *reader, size_t column, const char *name)
{
    int64_t value = number(reader, column, name, UINT32_MAX);
    if (value < 0)
        reject(reader, "%s is negative", name);
    return value > 0 ? (uint32_t)value : 0;
}

/* The spelling that the normaliser gives must be the one that is there: the table promises it (INV-14). */
static const char *domain(struct reader *reader, size_t column, const char *name, bool is_pattern)
{
    char normal[DOMAIN_NAME_SIZE];
    struct slice given = cell(reader, column);
    if (slice_is_absent(given))
        return NULL;
    int rc = is_pattern ? name_normalise_pattern(given, normal) : name_normalise(given, normal);
    if (rc != 0 || !slice_equal(given, slice_of_string(normal)))
        reject(reader, "%s \"%.*s\" is no domain name in normal form", name, SLICE_PRINT(given));
    return given.data;
}

static bool digest(struct slice hex, uint8_t out[DIGEST_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    if (hex.length != 2 * DIGEST_SIZE)
        return false;
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        const char *high = memchr(digits, hex.data[2 * i], 16), *low = memchr(digits, hex.data[2 * i + 1], 16);
        if (high == NULL || low == NULL)
            return false;
        out[i] = (uint8_t)((high - digits) << 4 | (low - digits));
    }
    return true;
}

/* A cidr always has its length. */
static bool prefix(struct reader *reader, size_t column, struct prefix *prefix_r)
{
    struct slice given = cell(reader, column);
    if (slice_is_absent(given))
        return false;
    if (prefix_parse(given, prefix_r) != 0)
        reject(reader, "\"%.*s\" is no network", SLICE_PRINT(given));
    return true;
}

static bool endpoint(struct slice given, struct endpoint *endpoint_r)
{
    bool is_v6 = given.length > 0 && given.data[0] == '[';
    size_t end = is_v6 ? slice_find(given, ']', 0) : slice_find(given, ':', 0);
    size_t colon = end + (is_v6 ? 1 : 0);
    uint64_t port;
    if (colon >= given.length || given.data[colon] != ':' ||
        address_parse(slice_of(given.data + (is_v6 ? 1 : 0), end - (is_v6 ? 1 : 0)), &endpoint_r->address) != 0 ||
        integer_parse(slice_from(given, colon + 1), UINT16_MAX, &port) != 0 || port == 0)
        return false;
    endpoint_r->port = (uint16_t)port;
    return true;
}

/* The element of a list joined by commas that begins at *AT, which is moved behind it. */
static struct slice next_element(struct slice list, size_t *at)
{
    size_t end = slice_find(list, ',', *at);
    struct slice element = slice_of(list.data + *at, end - *at);
    *at = end + 1;
    return element;
}

static size_t next_hops(struct reader *reader, struct endpoint out[NEXT_HOPS_MAX])
{
    struct slice list = cell(reader, OUT_NEXT_HOP);
    size_t count = 0;
    for (size_t at = 0; at < list.length; count++) {
        struct slice element = next_element(list, &at);
        if (count == NEXT_HOPS_MAX || !endpoint(element, &out[count])) {
            reject(reader, "next_hop \"%.*s\" is no endpoint, or one too many", SLICE_PRINT(element));
            return count;
        }
    }
    return count;
}

static size_t pins(struct reader *reader, uint8_t out[PINS_IN_ROW_MAX][DIGEST_SIZE])
{
    struct slice list = cell(reader, OUT_PINS);
    size_t count = 0;
    if (!slice_is_absent(list) && list.length == 0)
        reject(reader, "pins is an empty list");
    for (size_t at = 0; at < list.length; count++) {
        struct slice element = next_element(list, &at);
        if (count == PINS_IN_ROW_MAX || !digest(element, out[count])) {
            reject(reader, "pin \"%.*s\" is no fingerprint, or one too many", SLICE_PRINT(element));
            return count;
        }
    }
    return count;
}

static const char *ciphers(struct reader *reader, size_t column)
{
    struct tls_settings settings;
    struct slice names = cell(reader, column);
    struct why why = WHY_NONE;
    if (slice_is_absent(names))
        return NULL;
    tls_settings_init(&settings);
    if (tls_settings_set_suites(&settings, names, &why) != 0)
        reject(reader, "ciphers: %s", why.text);
    return names.data;
}

/* NULL for no flags. */
static const struct flag_set *flags(struct reader *reader, size_t column, struct flag_set *set)
{
    struct slice words = cell(reader, column);
    struct why why = WHY_NONE;
    *set = FLAG_SET_EMPTY;
    if (slice_is_absent(words))
        return NULL;
    if (flags_parse(words, set, &why) != 0)
        reject(reader, "flags: %s", why.text);
    return set;
}

static void set_match(struct reader *reader, struct outbound_policy *policy)
{
    const char *pattern = domain(reader, OUT_DOMAIN, "domain", true);
    const char *source = domain(reader, OUT_SOURCE_DOMAIN, "source_domain", false);
    const char *peer = text(reader, OUT_PEER);
    struct prefix network = { .length = 0 };
    bool has_network = prefix(reader, OUT_ADDRESS, &network), is_default = boolean(reader, OUT_IS_DEFAULT);
    if ((pattern != NULL) + (source != NULL) + (peer != NULL) + has_network + is_default != 1)
        reject(reader, "it has not exactly one match");
    if (pattern != NULL) {
        bool is_suffix = strncmp(pattern, "*.", 2) == 0;
        policy->match = is_suffix ? MATCH_SUFFIX : MATCH_DOMAIN;
        policy->match_name = is_suffix ? pattern + 2 : pattern;
    } else if (has_network) {
        policy->match = MATCH_ADDRESS;
        policy->match_prefix = network;
    } else if (source != NULL) {
        policy->match = MATCH_SOURCE;
        policy->match_name = source;
    } else if (peer != NULL) {
        policy->match = MATCH_PEER;
        policy->match_name = peer;
    } else if (is_default) {
        policy->match = MATCH_DEFAULT;
    }
}

static void set_closed_sets(const struct reader *reader, struct outbound_policy *policy)
{
    policy->level = level_from_name(cell(reader, OUT_LEVEL));
    policy->eku_mode = eku_mode_from_name(cell(reader, OUT_EKU_MODE));
    policy->crl = revocation_from_name(cell(reader, OUT_CRL));
    policy->ocsp = revocation_from_name(cell(reader, OUT_OCSP));
    policy->tls_min = tls_version_from_name(cell(reader, OUT_TLS_MIN));
    policy->tls_max = tls_version_from_name(cell(reader, OUT_TLS_MAX));
    policy->upgrade = upgrade_from_name(cell(reader, OUT_UPGRADE));
    policy->scheme = scheme_from_name(cell(reader, OUT_SCHEME));
    policy->weaken = permission_from_name(cell(reader, OUT_WEAKEN));
    policy->trust_flag = permission_from_name(cell(reader, OUT_TRUST_FLAG));
}

static void set_times(struct reader *reader, struct outbound_policy *policy)
{
    policy->max_age_s = seconds(reader, OUT_MAX_AGE, "max_age");
    policy->revalidate_every_s = seconds(reader, OUT_REVALIDATE_EVERY, "revalidate_every");
    policy->idle_timeout_s = seconds(reader, OUT_IDLE_TIMEOUT, "idle_timeout");
    policy->keepalive_s = seconds(reader, OUT_KEEPALIVE, "keepalive");
}

static void set_switches(const struct reader *reader, struct outbound_policy *policy)
{
    policy->send_sni = boolean(reader, OUT_SEND_SNI);
    policy->cn_fallback = boolean(reader, OUT_CN_FALLBACK);
    policy->wildcard = boolean(reader, OUT_WILDCARD);
    policy->initial_only = boolean(reader, OUT_INITIAL_ONLY);
    policy->alias = boolean(reader, OUT_ALIAS);
    policy->transport_tls_param = boolean(reader, OUT_TRANSPORT_TLS_PARAM);
    policy->reuse = boolean(reader, OUT_REUSE);
}

int policy_rows_outbound(struct policy_builder *builder, const struct database_result *result, size_t row)
{
    struct reader reader = { .result = result, .row = row };
    struct endpoint hops[NEXT_HOPS_MAX];
    uint8_t pinned[PINS_IN_ROW_MAX][DIGEST_SIZE];
    struct outbound_policy policy = {
        .id = number(&reader, OUT_ID, "id", INT64_MAX),
        .name = text(&reader, OUT_NAME),
        .priority = (int32_t)number(&reader, OUT_PRIORITY, "priority", INT32_MAX),
        .expected_domain = domain(&reader, OUT_EXPECTED_DOMAIN, "expected_domain", false),
        .certificate_name = text(&reader, OUT_CERTIFICATE),
        .trust_set_name = text(&reader, OUT_TRUST_SET),
        .sni = domain(&reader, OUT_SNI, "sni", false),
        .ciphers = ciphers(&reader, OUT_CIPHERS),
        .via_host = domain(&reader, OUT_VIA_HOST, "via_host", false),
        .rr_host = domain(&reader, OUT_RR_HOST, "rr_host", false),
        .isolation = text(&reader, OUT_ISOLATION),
        .next_hops = hops,
        .next_hop_count = next_hops(&reader, hops),
        .pins = pinned,
        .pin_count = pins(&reader, pinned),
    };
    set_match(&reader, &policy);
    set_closed_sets(&reader, &policy);
    set_times(&reader, &policy);
    set_switches(&reader, &policy);
    if (policy.tls_max == TLS_VERSION_UNSET && text(&reader, OUT_TLS_MAX) != NULL)
        reject(&reader, "tls_max \"%s\" is unknown to this version", text(&reader, OUT_TLS_MAX));
    policy.unusable = reader.is_unusable ? reader.why.text : NULL;
    return policy_builder_outbound(builder, &policy);
}

/* Names are copied out of the joined list, because each needs an end of its own. */
static size_t certificate_names(struct reader *reader, char copies[PROFILE_CERTIFICATES_MAX][ROW_NAME_SIZE],
    const char *names[PROFILE_CERTIFICATES_MAX])
{
    struct slice list = cell(reader, PROFILE_CERTIFICATES);
    size_t count = 0;
    for (size_t at = 0; at < list.length; count++) {
        struct slice name = next_element(list, &at);
        if (count == PROFILE_CERTIFICATES_MAX || !slice_to_string(name, copies[count], ROW_NAME_SIZE)) {
            reject(reader, "certificate \"%.*s\" is one too many, or its name is too long", SLICE_PRINT(name));
            return count;
        }
        names[count] = copies[count];
    }
    return count;
}

int policy_rows_server_profile(struct policy_builder *builder, const struct database_result *result, size_t row)
{
    struct reader reader = { .result = result, .row = row };
    char copies[PROFILE_CERTIFICATES_MAX][ROW_NAME_SIZE];
    struct server_profile profile = {
        .name = text(&reader, PROFILE_NAME),
        .listener = text(&reader, PROFILE_LISTENER),
        .server_name = domain(&reader, PROFILE_SERVER_NAME, "server_name", true),
        .client_auth = client_auth_from_name(cell(&reader, PROFILE_CLIENT_AUTH)),
        .trust_set_name = text(&reader, PROFILE_TRUST_SET),
        .eku_mode = eku_mode_from_name(cell(&reader, PROFILE_EKU_MODE)),
        .crl = revocation_from_name(cell(&reader, PROFILE_CRL)),
        .ocsp = revocation_from_name(cell(&reader, PROFILE_OCSP)),
        .tls_min = tls_version_from_name(cell(&reader, PROFILE_TLS_MIN)),
        .tls_max = tls_version_from_name(cell(&reader, PROFILE_TLS_MAX)),
        .ciphers = ciphers(&reader, PROFILE_CIPHERS),
    };
    profile.certificate_count = certificate_names(&reader, copies, profile.certificate_names);
    if (profile.crl == REVOCATION_UNSET || profile.ocsp == REVOCATION_UNSET)
        reject(&reader, "crl or ocsp has a value unknown to this version");
    if (profile.tls_max == TLS_VERSION_UNSET && text(&reader, PROFILE_TLS_MAX) != NULL)
        reject(&reader, "tls_max \"%s\" is unknown to this version", text(&reader, PROFILE_TLS_MAX));
    profile.unusable = reader.is_unusable ? reader.why.text : NULL;
    return policy_builder_server_profile(builder, &profile);
}

int policy_rows_peer(struct policy_builder *builder, const struct database_result *result, size_t row)
{
    struct reader reader = { .result = result, .row = row };
    struct flag_set set;
    struct peer_rule peer = {
        .id = number(&reader, PEER_ID, "id", INT64_MAX),
        .name = text(&reader, PEER_NAME),
        .priority = (int32_t)number(&reader, PEER_PRIORITY, "priority", INT32_MAX),
        .trust_set_name = text(&reader, PEER_TRUST_SET),
        .issuer = text(&reader, PEER_ISSUER),
        .subject = text(&reader, PEER_SUBJECT),
        .san = domain(&reader, PEER_SAN, "san", false),
        .action = peer_action_from_name(cell(&reader, PEER_ACTION)),
        .status = (uint16_t)number(&reader, PEER_STATUS, "status", 699),
        .flags = flags(&reader, PEER_FLAGS, &set),
        .alias = boolean(&reader, PEER_ALIAS),
        .check_from = boolean(&reader, PEER_CHECK_FROM),
        .transport_tls_param = boolean(&reader, PEER_TRANSPORT_TLS_PARAM),
    };
    peer.has_address = prefix(&reader, PEER_ADDRESS, &peer.address);
    peer.has_fingerprint = text(&reader, PEER_FINGERPRINT) != NULL;
    if (peer.has_fingerprint && !digest(cell(&reader, PEER_FINGERPRINT), peer.fingerprint))
        reject(&reader, "\"%s\" is no fingerprint", text(&reader, PEER_FINGERPRINT));
    peer.unusable = reader.is_unusable ? reader.why.text : NULL;
    return policy_builder_peer(builder, &peer);
}

int policy_rows_route(struct policy_builder *builder, const struct database_result *result, size_t row)
{
    struct reader reader = { .result = result, .row = row };
    struct flag_set set;
    struct route route = {
        .id = number(&reader, ROUTE_ID, "id", INT64_MAX),
        .name = text(&reader, ROUTE_NAME),
        .priority = (int32_t)number(&reader, ROUTE_PRIORITY, "priority", INT32_MAX),
        .weight = (uint32_t)number(&reader, ROUTE_WEIGHT, "weight", UINT16_MAX),
        .fork = boolean(&reader, ROUTE_FORK),
        .domain = domain(&reader, ROUTE_DOMAIN, "domain", true),
        .user_prefix = text(&reader, ROUTE_USER_PREFIX),
        .method = text(&reader, ROUTE_METHOD),
        .peer = text(&reader, ROUTE_PEER),
        .header_name = text(&reader, ROUTE_HEADER_NAME),
        .header_value = text(&reader, ROUTE_HEADER_VALUE),
        .next_hop = text(&reader, ROUTE_NEXT_HOP),
        .flags = flags(&reader, ROUTE_FLAGS, &set),
    };
    route.unusable = reader.is_unusable ? reader.why.text : NULL;
    return policy_builder_route(builder, &route);
}
