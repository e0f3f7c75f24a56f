/* SPDX-License-Identifier: GPL-2.0-or-later */
/* siplite_server.c - the answering side of siplite: 200 to everything, 180 before it for INVITE.
 * In:    requests. Out: responses to where they came from, on the connection they came on.
 */
#include "siplite.h"

#include "base/buffer.h"
#include "program.h"
#include "sip_text.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct server {
    char contact[96];
    uint64_t tags;
    uint64_t invites, acks, byes, others;
    struct buffer copied, routes, response;
};

static const char session[] = "v=0\r\no=u 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n"
                              "m=audio 6002 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/* The headers of a request that its responses repeat. */
static void copy_headers(struct server *server, struct slice request)
{
    buffer_clear(&server->copied);
    buffer_clear(&server->routes);
    size_t at = 0;
    struct slice line;
    while (sip_text_next_line(request, &at, &line)) {
        if (sip_text_is(line, "Via", 'v') || sip_text_is(line, "From", 'f') || sip_text_is(line, "Call-ID", 'i') ||
            sip_text_is(line, "CSeq", 0)) {
            buffer_append_slice(&server->copied, line);
        } else if (sip_text_is(line, "Record-Route", 0)) {
            buffer_append_slice(&server->routes, line);
        } else if (sip_text_is(line, "To", 't')) {
            bool has_tag = sip_text_find(line, ";tag=") < line.length;
            buffer_append_slice(&server->copied, slice_first(line, line.length - 2));
            if (!has_tag)
                buffer_append_format(&server->copied, ";tag=s%llx", (unsigned long long)++server->tags);
            buffer_append_string(&server->copied, "\r\n");
        }
    }
}

static void answer(struct server *server, struct link *link, const struct sockaddr_in *from, const char *status,
    bool is_invite, const char *body)
{
    struct buffer *response = &server->response;
    buffer_clear(response);
    buffer_append_format(response, "SIP/2.0 %s\r\n", status);
    buffer_append_slice(response, buffer_slice(&server->copied));
    if (is_invite) {
        buffer_append_slice(response, buffer_slice(&server->routes));
        buffer_append_string(response, server->contact);
    }
    if (body[0] != '\0')
        buffer_append_string(response, "Content-Type: application/sdp\r\n");
    buffer_append_format(response, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    if (response->has_failed)
        program_fail("out of memory");
    link_send(link, from, buffer_slice(response));
}

static void received(void *arg, struct link *link, const struct sockaddr_in *from, struct slice message)
{
    struct server *server = arg;
    struct slice method = slice_first(message, slice_find(message, ' ', 0));
    if (slice_equal(method, SLICE_LITERAL("SIP/2.0")))
        return;
    if (slice_equal(method, SLICE_LITERAL("ACK"))) {
        server->acks++;
        return;
    }
    bool is_invite = slice_equal(method, SLICE_LITERAL("INVITE"));
    copy_headers(server, message);
    if (is_invite) {
        server->invites++;
        answer(server, link, from, "180 Ringing", true, "");
    } else if (slice_equal(method, SLICE_LITERAL("BYE"))) {
        server->byes++;
    } else {
        server->others++;
    }
    answer(server, link, from, "200 OK", is_invite, is_invite ? session : "");
}

void siplite_serve(struct siplite_settings *settings)
{
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    int signals = signalfd(-1, &ending, SFD_NONBLOCK | SFD_CLOEXEC);

    struct server server = { .copied = BUFFER_EMPTY, .routes = BUFFER_EMPTY, .response = BUFFER_EMPTY };
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &settings->endpoint.local.sin_addr, host, sizeof(host));
    snprintf(server.contact, sizeof(server.contact), "Contact: <sip:bob@%s:%u;transport=%s>\r\n", host,
        (unsigned)ntohs(settings->endpoint.local.sin_port), settings->endpoint.is_tls ? "tls" : "udp");
    settings->endpoint.received = received;
    settings->endpoint.arg = &server;
    struct endpoint *endpoint = endpoint_new(&settings->endpoint);
    puts("ready");
    fflush(stdout);
    struct signalfd_siginfo signal;
    while (read(signals, &signal, sizeof(signal)) < 0)
        endpoint_turn(endpoint, 500);
    printf("{\"invite\": %llu, \"ack\": %llu, \"bye\": %llu, \"other\": %llu, \"connections\": %lu, \"cpu_s\": %.3f}\n",
        (unsigned long long)server.invites, (unsigned long long)server.acks, (unsigned long long)server.byes,
        (unsigned long long)server.others, endpoint_connection_count(endpoint), program_cpu_seconds());
    endpoint_free(endpoint);
    close(signals);
    buffer_free(&server.copied);
    buffer_free(&server.routes);
    buffer_free(&server.response);
}
