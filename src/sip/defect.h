/* SPDX-License-Identifier: GPL-2.0-or-later */
/* defect.h - everything that can be wrong with a SIP message, in one list.
 * Out: a code, the status a request is answered with (a response is dropped), whether the bytes
 *      that follow on a stream can still be told apart, and a text for log and Warning.
 */
#ifndef TRELAY_SIP_DEFECT_H
#define TRELAY_SIP_DEFECT_H

#include <stdbool.h>

/* code, status, framing is lost, text */
#define SIP_DEFECT_LIST(X)                                                                               \
    X(SIP_DEFECT_NONE, 0, false, "no defect")                                                            \
    /* the message as a run of lines */                                                                  \
    X(SIP_DEFECT_EMPTY, 400, false, "nothing but line ends")                                             \
    X(SIP_DEFECT_NOT_SIP, 400, true, "the bytes do not start as a SIP message does")                     \
    X(SIP_DEFECT_START_LINE, 400, false, "malformed start line")                                         \
    X(SIP_DEFECT_START_LINE_LONG, 414, false, "the start line is too long")                              \
    X(SIP_DEFECT_VERSION, 505, false, "the SIP version is not 2.0")                                      \
    X(SIP_DEFECT_STATUS_CODE, 400, false, "the status code is not in 100..699")                          \
    X(SIP_DEFECT_HEAD_INCOMPLETE, 400, true, "the headers do not end with an empty line")                \
    X(SIP_DEFECT_LINE_END, 400, true, "a CR or LF stands alone")                                         \
    X(SIP_DEFECT_FOLD, 400, true, "a folded line has nothing but white space")                           \
    X(SIP_DEFECT_NUL, 400, false, "a NUL outside a quoted pair")                                         \
    X(SIP_DEFECT_HEADER_LINE, 400, false, "malformed header line")                                       \
    X(SIP_DEFECT_HEADER_LINE_LONG, 513, false, "a header line is too long")                              \
    X(SIP_DEFECT_HEADER_COUNT, 513, false, "too many header lines")                                      \
    X(SIP_DEFECT_MESSAGE_LONG, 513, false, "the message is too long")                                    \
    X(SIP_DEFECT_HEAD_LONG, 513, true, "the headers are longer than a message may be")                   \
    X(SIP_DEFECT_CONTENT_LENGTH, 400, true, "Content-Length is not a number or is too large")            \
    X(SIP_DEFECT_CONTENT_LENGTH_CONFLICT, 400, true, "two different Content-Length values")              \
    X(SIP_DEFECT_CONTENT_LENGTH_MISSING, 400, true, "no Content-Length on a stream")                     \
    X(SIP_DEFECT_BODY_SHORT, 400, false, "the body is shorter than Content-Length says")                 \
    /* the fields that a proxy uses, RFC 3261 16.3(1) */                                                 \
    X(SIP_DEFECT_DUPLICATE_HEADER, 400, false, "a header that may stand once stands twice")              \
    X(SIP_DEFECT_VIA_MISSING, 400, false, "no Via")                                                      \
    X(SIP_DEFECT_VIA, 400, false, "malformed Via")                                                       \
    X(SIP_DEFECT_BRANCH, 400, false, "the branch is the magic cookie alone")                             \
    X(SIP_DEFECT_FROM_MISSING, 400, false, "no From")                                                    \
    X(SIP_DEFECT_FROM, 400, false, "malformed From")                                                     \
    X(SIP_DEFECT_TO_MISSING, 400, false, "no To")                                                        \
    X(SIP_DEFECT_TO, 400, false, "malformed To")                                                         \
    X(SIP_DEFECT_CALL_ID_MISSING, 400, false, "no Call-ID")                                              \
    X(SIP_DEFECT_CALL_ID, 400, false, "malformed Call-ID")                                               \
    X(SIP_DEFECT_CSEQ_MISSING, 400, false, "no CSeq")                                                    \
    X(SIP_DEFECT_CSEQ, 400, false, "malformed CSeq")                                                     \
    X(SIP_DEFECT_CSEQ_METHOD, 400, false, "the method in CSeq is not that of the request")               \
    X(SIP_DEFECT_CSEQ_METHOD_UNKNOWN, 501, false, "the method in CSeq is not the request's unknown one") \
    X(SIP_DEFECT_MAX_FORWARDS, 400, false, "Max-Forwards is not a number up to 255")                     \
    X(SIP_DEFECT_REQUEST_URI, 400, false, "malformed Request-URI")                                       \
    X(SIP_DEFECT_REQUEST_URI_SCHEME, 416, false, "the Request-URI's scheme is not sip, sips or tel")     \
    X(SIP_DEFECT_REQUEST_URI_HEADERS, 400, false, "the Request-URI carries headers")                     \
    X(SIP_DEFECT_SIPS_TRANSPORT, 400, false, "a SIPS URI names a transport without TLS")                 \
    X(SIP_DEFECT_ROUTE, 400, false, "malformed Route")                                                   \
    X(SIP_DEFECT_PROXY_REQUIRE, 400, false, "malformed Proxy-Require")                                   \
    X(SIP_DEFECT_NEXT_VIA, 400, false, "the response would go to a broadcast or unspecified address")

enum sip_defect_code {
#define X(code, status, is_framing_lost, text) code,
    SIP_DEFECT_LIST(X)
#undef X
        SIP_DEFECT_COUNT
};

struct sip_defect {
    enum sip_defect_code code;
    unsigned status;      /* 0 with SIP_DEFECT_NONE */
    bool is_framing_lost; /* on a stream: answer if possible, then close */
    const char *text;     /* static */
};

/* The row of a code; unknown codes give that of SIP_DEFECT_NOT_SIP. */
struct sip_defect sip_defect_of(enum sip_defect_code code);

#endif
