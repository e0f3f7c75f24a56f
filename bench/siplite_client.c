/* SPDX-License-Identifier: GPL-2.0-or-later */
/* siplite_client.c - the asking side of siplite: OPTIONS, or INVITE, ACK, hold, BYE, at a steady rate.
 * In:    responses. Out: requests; over UDP sent again as RFC 3261 has it: after half a second, one, two, then four. A
 *        transaction is given up after 8 s.
 * A response finds its call by the number in the branch: z9hG4bK<run>.<number>.<method>.
 */
#include "siplite.h"

#include "base/buffer.h"
#include "base/integer.h"
#include "latency.h"
#include "program.h"
#include "sip_text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const double T1_S = 0.5, T2_S = 4, GIVE_UP_S = 8, SCAN_S = 0.1;
enum { BURST = 200, IDLE_MS = 20, STATUS_END = 700 };

enum call_state {
    CALL_WAITING = 0, /* its turn has not come */
    CALL_ASKED,       /* the first request is out */
    CALL_HELD,        /* answered, ACK is out */
    CALL_ENDING,      /* BYE is out */
    CALL_DONE,
};

struct call {
    enum call_state state;
    double began, sent; /* seconds */
    double resend_s;    /* after SENT, when nothing comes */
    char *ack, *bye;    /* what may have to be sent again */
};

struct client {
    const struct siplite_settings *settings;
    struct endpoint *endpoint;
    struct link **links;
    struct call *calls;
    uint64_t started, done, failed, resent;
    uint64_t oldest, next_bye; /* all before are done; their BYE is out */
    char run[24];
    char here[64]; /* host:port */
    struct buffer text;
    struct latency latency;
    uint64_t answers[STATUS_END]; /* by the last status of each; 0: none came */
};

static const char session[] =
    "v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.3\r\ns=-\r\nc=IN IP4 127.0.0.3\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n";

/* What differs between the requests of one call. */
struct request_parts {
    const char *method;
    const char *uri; /* NULL: the user and domain of the settings */
    unsigned cseq;
    struct slice routes, to_tag;
};

static struct slice compose(struct client *client, uint64_t number, const struct request_parts *parts)
{
    const struct siplite_settings *settings = client->settings;
    const char *transport = settings->endpoint.is_tls ? "tls" : "udp";
    unsigned long long n = number;
    bool has_body = strcmp(parts->method, "INVITE") == 0;
    struct buffer *text = &client->text;
    buffer_clear(text);
    if (parts->uri != NULL)
        buffer_append_format(text, "%s %s SIP/2.0\r\n", parts->method, parts->uri);
    else
        buffer_append_format(text, "%s sip:%s@%s SIP/2.0\r\n", parts->method, settings->user, settings->domain);
    buffer_append_format(text, "Via: SIP/2.0/%s %s;branch=z9hG4bK%s.%llu.%s;rport\r\nMax-Forwards: 70\r\n",
        settings->endpoint.is_tls ? "TLS" : "UDP", client->here, client->run, n, parts->method);
    buffer_append_slice(text, parts->routes);
    buffer_append_format(text, "From: <sip:alice@atlanta.example>;tag=%llx\r\nTo: <sip:%s@%s>", n, settings->user,
        settings->domain);
    buffer_append_slice(text, parts->to_tag);
    buffer_append_format(text,
        "\r\nCall-ID: %llu.%s@%s\r\nCSeq: %u %s\r\nContact: <sip:alice@%s;transport=%s>\r\n%s"
        "Content-Length: %zu\r\n\r\n%s",
        n, client->run, client->here, parts->cseq, parts->method, client->here, transport,
        has_body ? "Content-Type: application/sdp\r\n" : "Accept: application/sdp\r\n",
        has_body ? sizeof(session) - 1 : 0, has_body ? session : "");
    if (text->has_failed)
        program_fail("out of memory");
    return buffer_slice(text);
}

static void send_text(struct client *client, uint64_t number, struct slice text)
{
    link_send(client->links[number % client->settings->links], &client->settings->to, text);
}

static void send_first(struct client *client, uint64_t number, double now)
{
    struct request_parts parts = { .method = client->settings->is_call ? "INVITE" : "OPTIONS", .cseq = 1 };
    client->calls[number].sent = now;
    send_text(client, number, compose(client, number, &parts));
}

static void send_bye(struct client *client, uint64_t number, double now)
{
    struct call *call = &client->calls[number];
    call->resend_s = call->state == CALL_ENDING ? call->resend_s : T1_S;
    call->state = CALL_ENDING;
    call->sent = now;
    send_text(client, number, slice_of_string(call->bye));
}

/* STATUS 0: it is given up. */
static void finish(struct client *client, struct call *call, uint64_t status)
{
    call->state = CALL_DONE;
    client->answers[status]++;
    if (status == 200)
        client->done++;
    else
        client->failed++;
    free(call->ack);
    free(call->bye);
    call->ack = call->bye = NULL;
}

static char *kept(struct slice text)
{
    char *copy = malloc(text.length + 1);
    if (copy == NULL)
        program_fail("out of memory");
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return copy;
}

/* Puts "Route: VALUE" for each value of a Record-Route line in front of what is there: the last comes first. */
static void prepend_routes(struct buffer *routes, struct slice value)
{
    while (value.length > 0) {
        size_t comma = slice_find(value, ',', 0);
        char rest[2048];
        struct slice old = buffer_slice(routes);
        if (old.length >= sizeof(rest))
            program_fail("the route set is too long");
        memcpy(rest, old.data, old.length);
        size_t length = old.length;
        buffer_clear(routes);
        buffer_append_string(routes, "Route: ");
        buffer_append_slice(routes, slice_trim(slice_first(value, comma)));
        buffer_append_string(routes, "\r\n");
        buffer_append(routes, rest, length);
        value = slice_from(value, comma + 1);
    }
}

/* The 200 of an INVITE: ACK now, BYE after the hold. */
static void take_answer(struct client *client, uint64_t number, struct slice response, double now)
{
    struct call *call = &client->calls[number];
    struct buffer routes = BUFFER_EMPTY;
    struct slice tag = slice_of("", 0), target = SLICE_ABSENT, line;
    size_t at = 0;
    while (sip_text_next_line(response, &at, &line)) {
        struct slice value = sip_text_value(line);
        if (sip_text_is(line, "To", 't'))
            tag = slice_from(value, sip_text_find(value, ";tag="));
        else if (sip_text_is(line, "Contact", 'm'))
            target = slice_from(value, slice_find(value, '<', 0) + 1);
        else if (sip_text_is(line, "Record-Route", 0))
            prepend_routes(&routes, value);
    }
    char uri[256];
    if (!slice_to_string(slice_first(target, slice_find(target, '>', 0)), uri, sizeof(uri)))
        program_fail("a Contact is too long");
    struct request_parts parts = { .method = "ACK", .uri = uri, .cseq = 1, .to_tag = tag };
    parts.routes = buffer_slice(&routes);
    call->ack = kept(compose(client, number, &parts));
    parts.method = "BYE";
    parts.cseq = 2;
    call->bye = kept(compose(client, number, &parts));
    buffer_free(&routes);
    send_text(client, number, slice_of_string(call->ack));
    call->state = CALL_HELD;
    call->sent = now;
    if (client->settings->hold_ms == 0)
        send_bye(client, number, now);
}

/* Which call and which of its requests a response is for; false: none of ours. */
static bool find_call(const struct client *client, struct slice response, uint64_t *number_r, bool *is_bye_r)
{
    char start[48];
    int length = snprintf(start, sizeof(start), "branch=z9hG4bK%s.", client->run);
    struct slice rest = slice_from(response, sip_text_find(response, start) + (size_t)length);
    size_t dot = slice_find(rest, '.', 0);
    if (dot == rest.length || integer_parse(slice_first(rest, dot), client->settings->count - 1, number_r) != 0)
        return false;
    *is_bye_r = slice_starts_with_nocase(slice_from(rest, dot + 1), SLICE_LITERAL("BYE"));
    return true;
}

static void received(void *arg, struct link *link, const struct sockaddr_in *from, struct slice message)
{
    struct client *client = arg;
    uint64_t status, number;
    bool is_bye;
    (void)link;
    (void)from;
    if (!slice_starts_with_nocase(message, SLICE_LITERAL("SIP/2.0 ")) ||
        integer_parse(slice_first(slice_from(message, 8), 3), 699, &status) != 0 || status < 200 ||
        !find_call(client, message, &number, &is_bye))
        return;
    struct call *call = &client->calls[number];
    double now = program_now();
    if (is_bye) {
        if (call->state == CALL_ENDING)
            finish(client, call, status);
    } else if (call->state == CALL_ASKED) {
        if (status == 200)
            latency_add(&client->latency, now - call->began);
        if (status == 200 && client->settings->is_call)
            take_answer(client, number, message, now);
        else
            finish(client, call, status);
    } else if (call->ack != NULL) {
        send_text(client, number, slice_of_string(call->ack)); /* the 200 came again */
    }
}

static void start_due(struct client *client, double now, double began)
{
    uint64_t target = (uint64_t)((now - began) * (double)client->settings->rate);
    if (target > client->settings->count)
        target = client->settings->count;
    for (int i = 0; client->started < target && i < BURST; i++) {
        struct call *call = &client->calls[client->started];
        call->state = CALL_ASKED;
        call->began = now;
        call->resend_s = T1_S;
        send_first(client, client->started++, now);
    }
}

static void end_due(struct client *client, double now)
{
    double hold = client->settings->hold_ms / 1e3;
    for (; client->next_bye < client->started; client->next_bye++) {
        const struct call *call = &client->calls[client->next_bye];
        if (call->state == CALL_ASKED || (call->state == CALL_HELD && call->sent + hold > now))
            return;
        if (call->state == CALL_HELD)
            send_bye(client, client->next_bye, now);
    }
}

/* Sends again, gives up, and ends held calls that stand behind one that is not answered. */
static void look_after(struct client *client, double now)
{
    const struct siplite_settings *settings = client->settings;
    while (client->oldest < client->started && client->calls[client->oldest].state == CALL_DONE)
        client->oldest++;
    for (uint64_t i = client->oldest; i < client->started; i++) {
        struct call *call = &client->calls[i];
        if (call->state == CALL_DONE)
            continue;
        if (call->state == CALL_HELD) {
            if (now - call->sent > settings->hold_ms / 1e3 + SCAN_S)
                send_bye(client, i, now);
        } else if (now - call->began > GIVE_UP_S + settings->hold_ms / 1e3) {
            finish(client, call, 0);
        } else if (!settings->endpoint.is_tls && now - call->sent > call->resend_s) {
            client->resent++;
            call->resend_s = call->resend_s * 2 < T2_S ? call->resend_s * 2 : T2_S;
            if (call->state == CALL_ASKED)
                send_first(client, i, now);
            else
                send_bye(client, i, now);
        }
    }
}

/* How long nothing need be sent. */
static int pause_ms(const struct client *client, double now, double began)
{
    if (client->started == client->settings->count)
        return IDLE_MS;
    double next = began + (double)(client->started + 1) / (double)client->settings->rate - now;
    if (next <= 0)
        return 0;
    return next < 0.001 ? 1 : next * 1e3 > IDLE_MS ? IDLE_MS : (int)(next * 1e3);
}

static double run_load(struct client *client)
{
    double began = program_now(), scanned = began, now = began;
    while (client->done + client->failed < client->settings->count) {
        now = program_now();
        start_due(client, now, began);
        if (client->settings->hold_ms > 0)
            end_due(client, now);
        if (now - scanned > SCAN_S) {
            look_after(client, now);
            scanned = now;
        }
        endpoint_flush(client->endpoint);
        endpoint_turn(client->endpoint, pause_ms(client, now, began));
    }
    return program_now() - began;
}

static void report(const struct client *client, double seconds)
{
    const struct latency *latency = &client->latency;
    const char *comma = "";
    printf("{\"answers\": {");
    for (unsigned status = 0; status < STATUS_END; status++)
        if (client->answers[status] > 0) {
            char word[8] = "none";
            if (status > 0)
                snprintf(word, sizeof(word), "%u", status);
            printf("%s\"%s\": %llu", comma, word, (unsigned long long)client->answers[status]);
            comma = ", ";
        }
    printf("}, \"ok\": %llu, \"failed\": %llu, \"resent\": %llu, \"seconds\": %.3f, \"rate\": %.1f, \"p50_ms\": %.2f, "
           "\"p99_ms\": %.2f, \"max_ms\": %.1f, \"over_500ms\": %llu, \"cpu_s\": %.3f}\n",
        (unsigned long long)client->done, (unsigned long long)client->failed, (unsigned long long)client->resent,
        seconds, (double)client->settings->count / seconds, latency_percentile_ms(latency, 0.5),
        latency_percentile_ms(latency, 0.99), latency->longest_s * 1e3, (unsigned long long)latency->slow_count,
        program_cpu_seconds());
}

void siplite_ask(struct siplite_settings *settings)
{
    struct client *client = calloc(1, sizeof(*client));
    settings->links = settings->endpoint.is_tls ? settings->links : 1;
    if (client == NULL || (client->calls = calloc(settings->count + 1, sizeof(*client->calls))) == NULL ||
        (client->links = calloc(settings->links, sizeof(struct link *))) == NULL)
        program_fail("out of memory");
    client->settings = settings;
    snprintf(client->run, sizeof(client->run), "%x%llx", (unsigned)getpid(), (unsigned long long)time(NULL));
    settings->endpoint.received = received;
    settings->endpoint.arg = client;
    client->endpoint = endpoint_new(&settings->endpoint);
    for (unsigned i = 0; i < settings->links; i++)
        client->links[i] = settings->endpoint.is_tls ? endpoint_connect(client->endpoint, &settings->to)
                                                     : endpoint_udp(client->endpoint);
    struct sockaddr_in local = endpoint_local(client->endpoint);
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &local.sin_addr, host, sizeof(host));
    snprintf(client->here, sizeof(client->here), "%s:%u", host, (unsigned)ntohs(local.sin_port));
    report(client, run_load(client));
    endpoint_free(client->endpoint);
    buffer_free(&client->text);
    free(client->links);
    free(client->calls);
    free(client);
}
