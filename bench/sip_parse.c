/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_parse.c - what one message costs: framing, parsing, validating, forwarding, answering.
 * Prints nanoseconds of processor time per message, one line per step, the best of some rounds.
 *     make bench/sip_parse && bench/sip_parse [messages]
 */
#include "base/buffer.h"
#include "sip/compose.h"
#include "sip/framing.h"
#include "sip/message.h"
#include "sip/validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 7 };

static const char options_request[] =
    "OPTIONS sip:carol@chicago.example;transport=tls SIP/2.0\r\n"
    "Via: SIP/2.0/TLS proxy.atlanta.example:5061;branch=z9hG4bK74bf9.7a1c0d5e44b8;rport;alias\r\n"
    "Via: SIP/2.0/TCP 192.0.2.17:40112;branch=z9hG4bKhjhs8ass877;received=192.0.2.17;rport=40112\r\n"
    "Max-Forwards: 69\r\n"
    "To: \"Carol Smith\" <sip:carol@chicago.example>\r\n"
    "From: \"Alice\" <sip:alice@atlanta.example>;tag=1928301774\r\n"
    "Call-ID: a84b4c76e66710@pc33.atlanta.example\r\n"
    "CSeq: 63104 OPTIONS\r\n"
    "Contact: <sip:alice@pc33.atlanta.example:5061;transport=tls>\r\n"
    "Accept: application/sdp\r\n"
    "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO\r\n"
    "Supported: replaces, timer, path, outbound\r\n"
    "User-Agent: Example Edge 4.2\r\n"
    "Content-Length: 0\r\n"
    "\r\n";

struct work {
    struct slice bytes;
    struct sip_limits limits;
    struct sip_message *message;
    struct sip_request_edit edit;
    struct sip_local_response response;
    struct buffer out;
};

typedef void (*step_fn)(struct work *work);

static void fail(const char *what)
{
    fprintf(stderr, "sip_parse: %s failed\n", what);
    exit(1);
}

static void step_frame(struct work *work)
{
    struct sip_framing framing = SIP_FRAMING_INIT;
    struct sip_defect defect;
    size_t length;
    if (sip_framing_next(&framing, work->bytes, &work->limits, &length, &defect) != SIP_FRAME_MESSAGE)
        fail("framing");
}

static void step_parse(struct work *work)
{
    struct sip_message *message;
    struct sip_defect defect;
    if (sip_message_parse(work->bytes, &work->limits, &message, &defect) != 0)
        fail("parsing");
    sip_message_unref(message);
}

static void step_validate(struct work *work)
{
    struct sip_defect defect;
    if (sip_validate_request(work->message, &defect) != 0)
        fail("validating");
}

static void step_forward(struct work *work)
{
    buffer_clear(&work->out);
    if (sip_compose_request(&work->out, work->message, &work->edit) != 0)
        fail("forwarding");
}

static void step_answer(struct work *work)
{
    buffer_clear(&work->out);
    if (sip_compose_response(&work->out, work->message, &work->response) != 0)
        fail("answering");
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void measure(const char *name, step_fn step, struct work *work, unsigned long count)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (unsigned long i = 0; i < count; i++)
            step(work);
        double each = (now_ns() - start) / (double)count;
        if (round == 0 || each < best)
            best = each;
    }
    printf("%-9s %7.0f ns per message of %zu bytes\n", name, best, work->bytes.length);
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    static const uint8_t address[4] = { 192, 0, 2, 40 };
    struct endpoint source = { address_v4(address), 50612 };
    struct sip_defect defect;
    struct work work = {
        .bytes = { options_request, sizeof(options_request) - 1 },
        .limits = SIP_LIMITS_DEFAULT,
        .edit = {
            .via = SLICE_LITERAL("SIP/2.0/TLS edge.atlanta.example;branch=z9hG4bK1f0c9e2d7a3b4455;rport"),
            .source = &source,
            .record_route = { SLICE_LITERAL("<sip:edge.atlanta.example;lr;k=5b1e>"),
                SLICE_LITERAL("<sip:10.0.0.5;lr;k=5b1e>") },
            .record_route_count = 2,
            .sets_max_forwards = true,
            .max_forwards = 68,
            .needs_content_length = true,
        },
        .response = { .status = 200, .to_tag = SLICE_LITERAL("7c1e9a"), .source = &source },
        .out = BUFFER_EMPTY,
    };
    if (count == 0 || sip_message_parse(work.bytes, &work.limits, &work.message, &defect) != 0)
        fail("start");
    measure("frame", step_frame, &work, count);
    measure("parse", step_parse, &work, count);
    measure("validate", step_validate, &work, count);
    measure("forward", step_forward, &work, count);
    measure("answer", step_answer, &work, count);
    sip_message_unref(work.message);
    buffer_free(&work.out);
    return 0;
}
