/* SPDX-License-Identifier: GPL-2.0-or-later */
/* header_name.h - the header names that are known, with their compact forms.
 * In:    a name as written, any case. Out: one identifier for all its forms.
 * The list is grouped by length, because that is how a name is looked up; an unknown name is OTHER
 * and passes untouched. The order within a group says what is tried first.
 */
#ifndef TRELAY_SIP_HEADER_NAME_H
#define TRELAY_SIP_HEADER_NAME_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* identifier, name, compact form or 0 */
#define SIP_HEADERS_2(X) X(SIP_HEADER_TO, "To", 't')
#define SIP_HEADERS_3(X) X(SIP_HEADER_VIA, "Via", 'v')
#define SIP_HEADERS_4(X)           \
    X(SIP_HEADER_FROM, "From", 'f') \
    X(SIP_HEADER_CSEQ, "CSeq", 0)  \
    X(SIP_HEADER_DATE, "Date", 0)  \
    X(SIP_HEADER_PATH, "Path", 0)  \
    X(SIP_HEADER_RACK, "RAck", 0)  \
    X(SIP_HEADER_RSEQ, "RSeq", 0)  \
    X(SIP_HEADER_JOIN, "Join", 0)
#define SIP_HEADERS_5(X)              \
    X(SIP_HEADER_ROUTE, "Route", 0)   \
    X(SIP_HEADER_ALLOW, "Allow", 0)   \
    X(SIP_HEADER_EVENT, "Event", 'o')
#define SIP_HEADERS_6(X)              \
    X(SIP_HEADER_ACCEPT, "Accept", 0) \
    X(SIP_HEADER_SERVER, "Server", 0) \
    X(SIP_HEADER_REASON, "Reason", 0) \
    X(SIP_HEADER_MIN_SE, "Min-SE", 0)
#define SIP_HEADERS_7(X)                  \
    X(SIP_HEADER_CALL_ID, "Call-ID", 'i') \
    X(SIP_HEADER_CONTACT, "Contact", 'm') \
    X(SIP_HEADER_EXPIRES, "Expires", 0)   \
    X(SIP_HEADER_REQUIRE, "Require", 0)   \
    X(SIP_HEADER_SUBJECT, "Subject", 's') \
    X(SIP_HEADER_WARNING, "Warning", 0)   \
    X(SIP_HEADER_PRIVACY, "Privacy", 0)
#define SIP_HEADERS_8(X)                    \
    X(SIP_HEADER_REFER_TO, "Refer-To", 'r') \
    X(SIP_HEADER_REPLACES, "Replaces", 0)   \
    X(SIP_HEADER_REPLY_TO, "Reply-To", 0)   \
    X(SIP_HEADER_PRIORITY, "Priority", 0)   \
    X(SIP_HEADER_IDENTITY, "Identity", 'y')
#define SIP_HEADERS_9(X)                      \
    X(SIP_HEADER_SUPPORTED, "Supported", 'k') \
    X(SIP_HEADER_TIMESTAMP, "Timestamp", 0)   \
    X(SIP_HEADER_CALL_INFO, "Call-Info", 0)   \
    X(SIP_HEADER_DIVERSION, "Diversion", 0)
#define SIP_HEADERS_10(X)                     \
    X(SIP_HEADER_USER_AGENT, "User-Agent", 0) \
    X(SIP_HEADER_ALERT_INFO, "Alert-Info", 0) \
    X(SIP_HEADER_ERROR_INFO, "Error-Info", 0) \
    X(SIP_HEADER_SESSION_ID, "Session-ID", 0)
#define SIP_HEADERS_11(X)                         \
    X(SIP_HEADER_MAX_BREADTH, "Max-Breadth", 0)   \
    X(SIP_HEADER_RETRY_AFTER, "Retry-After", 0)   \
    X(SIP_HEADER_UNSUPPORTED, "Unsupported", 0)   \
    X(SIP_HEADER_REFERRED_BY, "Referred-By", 'b') \
    X(SIP_HEADER_MIN_EXPIRES, "Min-Expires", 0)   \
    X(SIP_HEADER_IN_REPLY_TO, "In-Reply-To", 0)
#define SIP_HEADERS_12(X)                           \
    X(SIP_HEADER_MAX_FORWARDS, "Max-Forwards", 0)   \
    X(SIP_HEADER_RECORD_ROUTE, "Record-Route", 0)   \
    X(SIP_HEADER_CONTENT_TYPE, "Content-Type", 'c') \
    X(SIP_HEADER_ALLOW_EVENTS, "Allow-Events", 'u') \
    X(SIP_HEADER_MIME_VERSION, "MIME-Version", 0)   \
    X(SIP_HEADER_ORGANIZATION, "Organization", 0)   \
    X(SIP_HEADER_HISTORY_INFO, "History-Info", 0)
#define SIP_HEADERS_13(X)                           \
    X(SIP_HEADER_PROXY_REQUIRE, "Proxy-Require", 0) \
    X(SIP_HEADER_AUTHORIZATION, "Authorization", 0) \
    X(SIP_HEADER_SERVICE_ROUTE, "Service-Route", 0)
#define SIP_HEADERS_14(X)                               \
    X(SIP_HEADER_CONTENT_LENGTH, "Content-Length", 'l') \
    X(SIP_HEADER_X_TRELAY_FLAGS, "X-Trelay-Flags", 0)   \
    X(SIP_HEADER_ACCEPT_CONTACT, "Accept-Contact", 'a') \
    X(SIP_HEADER_REJECT_CONTACT, "Reject-Contact", 'j')
#define SIP_HEADERS_15(X)                                 \
    X(SIP_HEADER_SESSION_EXPIRES, "Session-Expires", 'x') \
    X(SIP_HEADER_ACCEPT_ENCODING, "Accept-Encoding", 0)   \
    X(SIP_HEADER_ACCEPT_LANGUAGE, "Accept-Language", 0)
#define SIP_HEADERS_16(X)                                   \
    X(SIP_HEADER_CONTENT_ENCODING, "Content-Encoding", 'e') \
    X(SIP_HEADER_WWW_AUTHENTICATE, "WWW-Authenticate", 0)
#define SIP_HEADERS_18(X) X(SIP_HEADER_PROXY_AUTHENTICATE, "Proxy-Authenticate", 0)
#define SIP_HEADERS_19(X)                                         \
    X(SIP_HEADER_P_ASSERTED_IDENTITY, "P-Asserted-Identity", 0)   \
    X(SIP_HEADER_PROXY_AUTHORIZATION, "Proxy-Authorization", 0)   \
    X(SIP_HEADER_REQUEST_DISPOSITION, "Request-Disposition", 'd')

#define SIP_HEADER_LIST(X)                                                                                  \
    SIP_HEADERS_2(X) SIP_HEADERS_3(X) SIP_HEADERS_4(X) SIP_HEADERS_5(X) SIP_HEADERS_6(X) SIP_HEADERS_7(X)   \
    SIP_HEADERS_8(X) SIP_HEADERS_9(X) SIP_HEADERS_10(X) SIP_HEADERS_11(X) SIP_HEADERS_12(X)                 \
    SIP_HEADERS_13(X) SIP_HEADERS_14(X) SIP_HEADERS_15(X) SIP_HEADERS_16(X) SIP_HEADERS_18(X)               \
    SIP_HEADERS_19(X)

enum sip_header_id {
    SIP_HEADER_OTHER = 0, /* any name that is not in the list */
#define X(id, name, compact) id,
    SIP_HEADER_LIST(X)
#undef X
        SIP_HEADER_COUNT
};

_Static_assert(SIP_HEADER_COUNT <= 128, "struct sip_header_set has 128 bits");

enum sip_header_id sip_header_id(struct slice name);
/* The long form as RFC 3261 writes it; "" for OTHER. */
struct slice sip_header_name(enum sip_header_id id);

/* A set of known headers; OTHER is never in one. */
struct sip_header_set {
    uint64_t bits[2];
};

static inline void sip_header_set_add(struct sip_header_set *set, enum sip_header_id id)
{
    if (id != SIP_HEADER_OTHER && id < SIP_HEADER_COUNT)
        set->bits[(unsigned)id / 64] |= UINT64_C(1) << ((unsigned)id % 64);
}

static inline bool sip_header_set_has(const struct sip_header_set *set, enum sip_header_id id)
{
    return (set->bits[(unsigned)id / 64] >> ((unsigned)id % 64) & 1) != 0;
}

#endif
