/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_torture.c - the categories of RFC 4475 and RFC 5118, in messages of our own: what a relay that reads them
 * from a stream does with each. Those it refuses must be answerable, those it takes must leave as they came.
 */
#include "sip_support.h"

#include "base/error.h"
#include "sip/compose.h"
#include "sip/framing.h"
#include "sip/validate.h"

enum verdict { FORWARD, ANSWER, DROP, WAIT };

/* A request or response with all that is needed, but for what a row is about. */
#define REQUEST_LINE(method) method " sip:carol@c.example SIP/2.0\r\n"
#define VIA "Via: SIP/2.0/TLS a.example;branch=z9hG4bK17\r\n"
#define FROM "From: <sip:dave@d.example>;tag=4\r\n"
#define TO "To: <sip:carol@c.example>\r\n"
#define CALL_ID "Call-ID: t@a.example\r\n"
#define CSEQ(method) "CSeq: 8 " method "\r\n"
#define REST(method) FROM TO CALL_ID CSEQ(method)
#define ALL(method) VIA REST(method)
#define NO_BODY "Content-Length: 0\r\n\r\n"
#define URI(uri) "OPTIONS " uri " SIP/2.0\r\n" ALL("OPTIONS") NO_BODY
#define WITH(lines) REQUEST_LINE("OPTIONS") ALL("OPTIONS") lines NO_BODY

struct row {
    const char *name;
    struct slice bytes;
    enum verdict verdict;
    unsigned status; /* of the answer */
};

#define ROW(name, text, verdict, status) { name, SLICE_LITERAL(text), verdict, status }

/* RFC 4475 3.1.1: valid, however it looks. */
static const struct row valid[] = {
    ROW("L-wsinv: white space, folds, compact forms, odd case",
        REQUEST_LINE("INVITE") "TO :\r\n sip:carol@c.example ;   tag    = 19n\r\n"
        "from   : \"D A \\\\\\\"\"       <sip:dave@d.example>\r\n  ;\r\n  tag = 98a\r\nMaX-fOrWaRdS: 0068\r\n"
        "Call-ID: w@192.0.2.1\r\nContent-Length   : 3\r\ncseq: 0009\r\n  INVITE\r\n"
        "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skd\r\ns :\r\nBrandNew:   odd value\r\n"
        " continued odd value\r\nUnknown: ;;,,;;,;\r\nRoute:\r\n <sip:r.example;lr;a=b;c>\r\n"
        "v:  SIP  / 2.0  / TCP     s.example   ;\r\n  branch  =   z9hG4bK9i  ,\r\n SIP  /    2.0   / UDP  198.51.100.1"
        "   ; branch=\r\n z9hG4bK30\r\nm:\"Q \\\"\\\"\" <sip:dave@d.example> ; p =\r\n      v ;\r\n"
        "  q = 0.33\r\n\r\n1\r\n",
        FORWARD, 0),
    ROW("L-intmeth: every character a token or a URI may hold, a NUL in quotes",
        "!odd-Method09_*+`.%indeed'~ sip:1_u.U~(be!)&i'i+t$/c?,/;;*:&x=1,w*p$wo~d_t.(d'i)@c.example SIP/2.0\r\n"
        "Via: SIP/2.0/TCP h.example;branch=z9hG4bK-.!%66*_+`'~\r\n"
        "To: \"BEL:\\\a NUL:\\\0 DEL:\\\x7f\" <sip:1_u.U~(be!)&i'i+t$/c?,/;;*@c.example>\r\n"
        "From: t1~` t2'+_ t3*%!.- <sip:m@d.example>;f''~+*_!.-%=\"\xd1\x80\xd0\xb0\";tag=_t~1'+`*%!-.\r\n"
        "Call-ID: i.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\nCSeq: 1391 !odd-Method09_*+`.%indeed'~\r\n"
        "Max-Forwards: 255\r\next-!.%*+_`'~:\xef\xbb\xbf\xe5\xa4\xa7\r\nContent-Length: 0\r\n\r\n", FORWARD, 0),
    ROW("L-esc01: escapes in the user part", URI("sip:sips%3Auser%40c.example@d.example;%70=1"), FORWARD, 0),
    ROW("L-escnull: an escaped NUL", URI("sip:null-%00-null@c.example"), FORWARD, 0),
    ROW("L-esc02: escapes where they mean nothing",
        "RE%47IST%45R sip:c.example SIP/2.0\r\nC%6Fntact: <sip:x@c.example>\r\n" ALL("RE%47IST%45R") NO_BODY, FORWARD,
        0),
    ROW("L-lwsdisp: no space between name and <", REQUEST_LINE("OPTIONS") VIA "From: caller<sip:d.example>;tag=3\r\n" TO
        CALL_ID CSEQ("OPTIONS") NO_BODY, FORWARD, 0),
    ROW("L-longreq: long values and many Via rows without a branch",
        REQUEST_LINE("OPTIONS") "Via: SIP/2.0/TCP s3.example\r\n"
        "v: SIP/2.0/TCP s2.example\r\nV :  SIP/2.0/TCP s1.example;received=192.0.2.5;branch="
        "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\r\n"
        REST("OPTIONS") NO_BODY, FORWARD, 0),
    ROW("L-semiuri: a semicolon in the user part", URI("sip:user;par=u%40d.example@c.example"), FORWARD, 0),
    ROW("L-transports: unknown ones in Via",
        REQUEST_LINE("OPTIONS") VIA "Via: SIP/2.0/SCTP b.example;branch=z9hG4bKb\r\n"
        "Via: SIP/2.0/UNKNOWN c.example;branch=z9hG4bKc\r\n" REST("OPTIONS") NO_BODY, FORWARD, 0),
    ROW("L-mpart01: a binary body with NULs and a strict router", REQUEST_LINE("MESSAGE") ALL("MESSAGE")
        "Route: <sip:127.0.0.1:5080>\r\nContent-Type: multipart/mixed;boundary=7a\r\nContent-Length: 10\r\n\r\n"
        "\0\r\n\r\n\xff--7\0",
        FORWARD, 0),
    ROW("L-unreason: anything in a reason phrase", "SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe \xd1\x81\xd1\x82\r\n"
        ALL("INVITE") NO_BODY, FORWARD, 0),
    ROW("L-noreason: no reason phrase", "SIP/2.0 100 \r\n" ALL("INVITE") NO_BODY, FORWARD, 0),
};

/* RFC 4475 3.1.2: invalid. */
static const struct row invalid[] = {
    ROW("L-badinv01: empty parameters in Via", REQUEST_LINE("OPTIONS") "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n"
        REST("OPTIONS") NO_BODY, ANSWER, 400),
    ROW("L-clerr: Content-Length beyond what comes",
        REQUEST_LINE("INVITE") ALL("INVITE") "Content-Length: 9999\r\n\r\nv=0\r\n",
        WAIT, 0),
    ROW("L-ncl: negative Content-Length",
        REQUEST_LINE("INVITE") ALL("INVITE") "Content-Length: -999\r\n\r\nv=0\r\n", ANSWER, 400),
    ROW("L-scalar02: CSeq beyond 32 bits",
        REQUEST_LINE("OPTIONS") VIA FROM TO CALL_ID "CSeq: 36893488147419103232 OPTIONS\r\n"
        NO_BODY, ANSWER, 400),
    ROW("L-scalar02: Max-Forwards above 255", WITH("Max-Forwards: 300\r\n"), ANSWER, 400),
    ROW("L-scalarlg: a response with such a CSeq", "SIP/2.0 503 Service Unavailable\r\n" VIA FROM TO CALL_ID
        "CSeq: 92923948347723040232 OPTIONS\r\nRetry-After: 949302838503028349304023988\r\n" NO_BODY, DROP, 0),
    ROW("L-quotbal: a quote that does not end",
        REQUEST_LINE("OPTIONS") VIA FROM "To: \"C. Arol <sip:carol@c.example>\r\n"
        CALL_ID CSEQ("OPTIONS") NO_BODY, ANSWER, 400),
    ROW("L-ltgtruri: <> round the Request-URI", URI("<sip:carol@c.example>"), ANSWER, 400),
    ROW("L-lwsruri: white space in the Request-URI", URI("sip:carol@c.example; lr"), ANSWER, 400),
    ROW("L-lwsstart: two spaces in the start line",
        "OPTIONS  sip:carol@c.example  SIP/2.0\r\n" ALL("OPTIONS") NO_BODY, ANSWER, 400),
    ROW("L-trws: a space at the end of the start line",
        "OPTIONS sip:carol@c.example SIP/2.0  \r\n" ALL("OPTIONS") NO_BODY,
        ANSWER, 400),
    ROW("L-escruri: headers in the Request-URI", URI("sip:carol@c.example?Route=%3Csip:e.example%3E"), ANSWER, 400),
    ROW("L-baddate: a date in no known zone", WITH("Date: Fri, 01 Jan 2010 16:00:00 EST\r\n"), FORWARD, 0),
    ROW("L-regbadct: a Contact that wants <>",
        WITH("Contact: sip:dave@d.example?Route=%3Csip:s.example%3E\r\n"), FORWARD, 0),
    ROW("L-badaspec: spaces inside <>",
        REQUEST_LINE("OPTIONS") VIA FROM "To: \"C, A\" < sip:carol@c.example >\r\n" CALL_ID
        CSEQ("OPTIONS") NO_BODY, ANSWER, 400),
    ROW("L-baddn: a comma in an unquoted name",
        REQUEST_LINE("OPTIONS") VIA "From:    Bell, Al <sip:dave@d.example>;tag=4\r\n"
        TO CALL_ID CSEQ("OPTIONS") NO_BODY, ANSWER, 400),
    ROW("L-badvers: SIP/7.0", "OPTIONS sip:carol@c.example SIP/7.0\r\n" ALL("OPTIONS") NO_BODY, ANSWER, 505),
    ROW("L-mismatch01: CSeq of another method", REQUEST_LINE("OPTIONS") ALL("INVITE") NO_BODY, ANSWER, 400),
    ROW("L-mismatch02: the same for an unknown method", REQUEST_LINE("NEWMETHOD") ALL("INVITE") NO_BODY, ANSWER, 501),
    ROW("L-bigcode: a status code that wraps",
        "SIP/2.0 4294967301 better not break the receiver\r\n" ALL("INVITE") NO_BODY, DROP, 0),
    ROW("L-badbranch: the magic cookie alone", REQUEST_LINE("OPTIONS") "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK\r\n"
        REST("OPTIONS") NO_BODY, ANSWER, 400),
};

/* RFC 4475 3.3 and 3.4: what the fields say. */
static const struct row meaning[] = {
    ROW("L-insuf: no Call-ID, From or To", REQUEST_LINE("INVITE") VIA CSEQ("INVITE") NO_BODY, ANSWER, 400),
    ROW("L-insuf: no Via", REQUEST_LINE("INVITE") REST("INVITE") NO_BODY, DROP, 0),
    ROW("L-insuf: no CSeq", REQUEST_LINE("INVITE") VIA FROM TO CALL_ID NO_BODY, ANSWER, 400),
    ROW("L-unkscm: a scheme that nobody knows", URI("nobodyKnowsThis:totallyopaque"), ANSWER, 416),
    ROW("L-novelsc: a known scheme that is not SIP", URI("soap.beep://192.0.2.103:3002"), ANSWER, 416),
    ROW("L-unksm2: odd schemes elsewhere", REQUEST_LINE("REGISTER") VIA "To: isbn:2983792873\r\n"
        "From: <http://www.d.example>;tag=3\r\nContact: <name:John_Smith>\r\n" CALL_ID CSEQ("REGISTER") NO_BODY,
        FORWARD, 0),
    ROW("L-bext01: unknown extensions are the relay's matter",
        WITH("Require: a, b\r\nProxy-Require: c, d\r\n"), FORWARD, 0),
    ROW("L-bext01: a Proxy-Require that is no list of tokens", WITH("Proxy-Require: c,, d\r\n"), ANSWER, 400),
    ROW("L-invut: an unknown body", REQUEST_LINE("INVITE") ALL("INVITE") "Content-Type: application/unknown\r\n"
        "Content-Length: 2\r\n\r\n<>", FORWARD, 0),
    ROW("L-regaut01: an unknown way to authenticate",
        WITH("Authorization: NoOneKnows p=\"data here\"\r\n"), FORWARD, 0),
    ROW("L-multi01: fields that stand twice", WITH("CSeq: 59 OPTIONS\r\nTo: sip:e@e.example\r\n"), ANSWER, 400),
    ROW("L-multi01: two Max-Forwards", WITH("Max-Forwards: 5\r\nMax-Forwards: 5\r\n"), ANSWER, 400),
    ROW("L-multi01: one Content-Length twice", WITH("l: 0\r\n"), ANSWER, 400),
    ROW("L-mcl01: two Content-Lengths",
        REQUEST_LINE("OPTIONS") ALL("OPTIONS") "Content-Length: 13\r\nContent-Length: 5\r\n\r\n"
        "No way to know", ANSWER, 400),
    ROW("L-bcast: a response on its way to a broadcast address", "SIP/2.0 200 OK\r\n" VIA
        "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1s\r\n" REST("INVITE") NO_BODY, DROP, 0),
    ROW("L-bcast: to a multicast group by maddr",
        "SIP/2.0 200 OK\r\n" VIA "Via: SIP/2.0/UDP h.example;maddr=239.255.255.1\r\n"
        REST("INVITE") NO_BODY, DROP, 0),
    ROW("L-bcast: to nowhere, in one row",
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK1, SIP/2.0/UDP [::]\r\n"
        REST("INVITE") NO_BODY, DROP, 0),
    ROW("L-bcast: unless received says better",
        "SIP/2.0 200 OK\r\n" VIA "Via: SIP/2.0/UDP 0.0.0.0;received=192.0.2.4\r\n"
        REST("INVITE") NO_BODY, FORWARD, 0),
    ROW("L-zeromf: Max-Forwards 0 is the relay's matter", WITH("Max-Forwards: 0\r\n"), FORWARD, 0),
    ROW("L-cparam01, L-cparam02, L-regescrt: parameters in Contact",
        WITH("Contact: sip:+19725552222@g.example;up, <sip:x@c.example?Route="
        "%3Csip:s.example%3E>\r\n"), FORWARD, 0),
    ROW("L-sdp01: an odd Accept", WITH("Accept: text/nothing-that-exists\r\n"), FORWARD, 0),
    ROW("L-inv2543: no Content-Length on a stream", REQUEST_LINE("INVITE") ALL("INVITE") "\r\nv=0\r\n", ANSWER, 400),
    ROW("L-test: no version, no Via, a line without a colon",
        "INVITE sip:carol@c.example\r\nTO : carol@c.example\r\nFoo bar\r\n" NO_BODY,
        DROP, 0),
    ROW("a SIPS URI over UDP", URI("sips:carol@c.example;transport=udp"), ANSWER, 400),
    ROW("a SIPS URI that says transport=tls", URI("sips:carol@c.example;transport=tls"), FORWARD, 0),
    ROW("a tel URI", URI("tel:+12015550123"), FORWARD, 0),
    ROW("a Route without <>", WITH("Route: sip:r.example;lr\r\n"), ANSWER, 400),
    ROW("a Route that is no SIP URI", WITH("Route: <sip:r.example;lr>, <http://r.example>\r\n"), ANSWER, 400),
    ROW("a Call-ID in two words",
        REQUEST_LINE("OPTIONS") VIA FROM TO "Call-ID: a b\r\n" CSEQ("OPTIONS") NO_BODY, ANSWER, 400),
    ROW("an empty Call-ID", REQUEST_LINE("OPTIONS") VIA FROM TO "Call-ID:\r\n" CSEQ("OPTIONS") NO_BODY, ANSWER, 400),
    ROW("Proxy-Require in a CANCEL is not looked at",
        REQUEST_LINE("CANCEL") ALL("CANCEL") "Proxy-Require: ,\r\n" NO_BODY,
        FORWARD, 0),
    ROW("a request of an unknown method", REQUEST_LINE("NEWMETHOD") ALL("NEWMETHOD") NO_BODY, FORWARD, 0),
};

/* RFC 5118: IPv6. */
static const struct row ipv6[] = {
    ROW("L-ipv6-good: a reference in the Request-URI", URI("sip:[2001:db8::10]"), FORWARD, 0),
    ROW("L-ipv6-bad: an address without brackets", URI("sip:2001:db8::10"), ANSWER, 400),
    ROW("L-port-ambiguous: what looks like a port inside", URI("sip:[2001:db8::10:5070]"), FORWARD, 0),
    ROW("L-port-unambiguous: a port outside", URI("sip:[2001:db8::10]:5070"), FORWARD, 0),
    ROW("L-via-received-param-with-delim: received with brackets",
        REQUEST_LINE("OPTIONS") "Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];"
        "branch=z9hG4bKa\r\n" REST("OPTIONS") NO_BODY, FORWARD, 0),
    ROW("L-via-received-param-no-delim: received without brackets",
        REQUEST_LINE("OPTIONS") "Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;"
        "branch=z9hG4bKa\r\n" REST("OPTIONS") NO_BODY, FORWARD, 0),
    ROW("L-mult-ip-in-header: several families in one message",
        REQUEST_LINE("OPTIONS") "Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKa\r\n"
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKb\r\nVia: SIP/2.0/TCP [2001:db8::9:255];received=192.0.2.200\r\n"
        REST("OPTIONS") NO_BODY, FORWARD, 0),
    ROW("IPv4-mapped addresses",
        REQUEST_LINE("OPTIONS") "Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKa\r\n"
        "Contact: <sip:t@[::ffff:192.0.2.2]>\r\n" REST("OPTIONS") NO_BODY, FORWARD, 0),
    ROW("two colons before an embedded IPv4 address", URI("sip:u@[2001:db8::192.0.2.1]"), FORWARD, 0),
    ROW("L-ipv6-bug-abnf-3-colons: as the grammar once had it", URI("sip:u@[2001:db8:::192.0.2.1]"), FORWARD, 0),
    ROW("a zone in an address", URI("sip:u@[fe80::1%eth0]"), ANSWER, 400),
    ROW("a bracket that does not close", URI("sip:u@[2001:db8::1"), ANSWER, 400),
};

/* An answer to what was read must be a response that can be read. False: nothing can be answered. */
static bool can_be_answered(const struct sip_message *request, unsigned status)
{
    struct buffer out = BUFFER_EMPTY;
    struct endpoint source = endpoint_of("192.0.2.77", 40000);
    struct sip_local_response response = { .status = status, .to_tag = SLICE_LITERAL("us"), .source = &source };
    int rc = sip_compose_response(&out, request, &response);
    if (rc == 0) {
        struct sip_message *answer = parse_whole(buffer_slice(&out));
        assert_false(sip_message_is_request(answer));
        assert_int_equal(sip_message_status(answer), status);
        assert_int_equal(sip_message_header_rows(answer, SIP_HEADER_VIA), sip_message_header_rows(request,
        SIP_HEADER_VIA));
        assert_int_equal(sip_message_body(answer).length, 0);
        sip_message_unref(answer);
    } else
        assert_int_equal(rc, ERROR_STATE);
    buffer_free(&out);
    return rc == 0;
}

static enum verdict judge_refused(struct slice bytes, unsigned status)
{
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_message *message = NULL;
    if (sip_message_salvage(bytes, &limits, &message) != 0)
        return DROP;
    bool is_answered = can_be_answered(message, status);
    sip_message_unref(message);
    return is_answered ? ANSWER : DROP;
}

/* With our Via on top the rest is as it came. */
static void assert_forwarded_whole(const struct sip_message *message)
{
    struct buffer out = BUFFER_EMPTY;
    const struct sip_request_edit none = { .via = SLICE_ABSENT };
    const struct sip_request_edit pushed = { .via = SLICE_LITERAL("SIP/2.0/TLS us.example;branch=z9hG4bKus") };
    const struct sip_response_edit nothing = { .removes_top_via = false };
    static const char line[] = "Via: SIP/2.0/TLS us.example;branch=z9hG4bKus\r\n";
    struct slice bytes = sip_message_bytes(message);
    if (!sip_message_is_request(message)) {
        assert_int_equal(sip_compose_forwarded_response(&out, message, &nothing), 0);
        assert_bytes(buffer_slice(&out), bytes);
        buffer_free(&out);
        return;
    }
    assert_int_equal(sip_compose_request(&out, message, &none), 0);
    assert_bytes(buffer_slice(&out), bytes);
    buffer_clear(&out);
    assert_int_equal(sip_compose_request(&out, message, &pushed), 0);
    struct sip_message *sent = parse_whole(buffer_slice(&out));
    assert_slice(sip_message_top_via(sent)->branch, "z9hG4bKus");
    struct sip_header top;
    assert_true(sip_header_first(sent, SIP_HEADER_VIA, &top));
    assert_slice(top.line, line);
    size_t at = (size_t)(top.line.data - sip_message_bytes(sent).data);
    assert_bytes(slice_first(sip_message_bytes(sent), at), slice_first(bytes, at));
    assert_bytes(slice_from(sip_message_bytes(sent), at + sizeof(line) - 1), slice_from(bytes, at));
    sip_message_unref(sent);
    buffer_free(&out);
}

static enum verdict judge_message(struct slice bytes, unsigned *status)
{
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_message *message = NULL;
    struct sip_defect defect = sip_defect_of(SIP_DEFECT_NONE);
    if (sip_message_parse(bytes, &limits, &message, &defect) != 0) {
        *status = defect.status;
        return judge_refused(bytes, defect.status);
    }
    bool is_request = sip_message_is_request(message);
    int rc = is_request ? sip_validate_request(message, &defect) : sip_validate_response(message, &defect);
    enum verdict verdict = DROP;
    *status = defect.status;
    if (rc == 0) {
        assert_forwarded_whole(message);
        verdict = FORWARD;
    } else if (is_request && can_be_answered(message, defect.status))
        verdict = ANSWER;
    sip_message_unref(message);
    return verdict;
}

static enum verdict judge(struct slice bytes, unsigned *status)
{
    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_framing framing = SIP_FRAMING_INIT;
    struct sip_defect defect;
    size_t length;
    switch (sip_framing_next(&framing, bytes, &limits, &length, &defect)) {
    case SIP_FRAME_MORE:
        return WAIT;
    case SIP_FRAME_MESSAGE:
        return judge_message(slice_first(bytes, length), status);
    case SIP_FRAME_FATAL:
        assert_true(defect.is_framing_lost);
        *status = defect.status;
        return judge_refused(slice_first(bytes, length), defect.status);
    default:
        fail_msg("unexpected frame");
        return WAIT;
    }
}

static void judge_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned status = 0;
        enum verdict verdict = judge(rows[i].bytes, &status);
        if (verdict != rows[i].verdict || (verdict == ANSWER && status != rows[i].status))
            print_error("# %s: verdict %d, status %u\n", rows[i].name, (int)verdict, status);
        assert_int_equal(verdict, rows[i].verdict);
        if (verdict == ANSWER)
            assert_int_equal(status, rows[i].status);
    }
}

static void valid_messages_are_forwarded(void **state)
{
    (void)state;
    judge_rows(valid, ARRAY_SIZE(valid));
}

static void invalid_messages_are_refused(void **state)
{
    (void)state;
    judge_rows(invalid, ARRAY_SIZE(invalid));
}

static void fields_that_a_proxy_uses_are_judged(void **state)
{
    (void)state;
    judge_rows(meaning, ARRAY_SIZE(meaning));
}

static void ipv6_is_read_as_rfc_5118_says(void **state)
{
    (void)state;
    judge_rows(ipv6, ARRAY_SIZE(ipv6));
}

/* dblreq: what follows a message in a datagram is noise, on a stream it is the next message. */
static void two_requests_in_a_row(void **state)
{
    (void)state;
    static const char first[] = REQUEST_LINE("REGISTER") ALL("REGISTER") NO_BODY;
    static const char both[] = REQUEST_LINE("REGISTER") ALL("REGISTER") NO_BODY
        "\r\n" REQUEST_LINE("INVITE") ALL("INVITE") "Content-Length: 2\r\n\r\nv=0\r\n";
    struct sip_message *message = PARSED(REQUEST_LINE("REGISTER") ALL("REGISTER") NO_BODY
        "\r\n" REQUEST_LINE("INVITE") ALL("INVITE") "Content-Length: 2\r\n\r\nv=0\r\n");
    assert_bytes(sip_message_bytes(message), slice_of_string(first));
    sip_message_unref(message);

    struct sip_limits limits = SIP_LIMITS_DEFAULT;
    struct sip_framing framing = SIP_FRAMING_INIT;
    struct sip_defect defect;
    struct slice rest = slice_of_string(both);
    static const enum sip_frame frames[] = { SIP_FRAME_MESSAGE, SIP_FRAME_NOISE, SIP_FRAME_MESSAGE };
    for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
        size_t length;
        assert_int_equal(sip_framing_next(&framing, rest, &limits, &length, &defect), frames[i]);
        rest = slice_from(rest, length);
    }
    assert_slice(rest, "0\r\n");
}

/* inv2543: a datagram ends its body itself. */
static void a_datagram_needs_no_content_length(void **state)
{
    (void)state;
    struct sip_defect defect;
    struct sip_message *message = PARSED(REQUEST_LINE("INVITE") ALL("INVITE") "\r\nv=0\r\n");
    assert_int_equal(sip_validate_request(message, &defect), 0);
    assert_slice(sip_message_body(message), "v=0\r\n");
    sip_message_unref(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_messages_are_forwarded),
        cmocka_unit_test(invalid_messages_are_refused),
        cmocka_unit_test(fields_that_a_proxy_uses_are_judged),
        cmocka_unit_test(ipv6_is_read_as_rfc_5118_says),
        cmocka_unit_test(two_requests_in_a_row),
        cmocka_unit_test(a_datagram_needs_no_content_length),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
