/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model_net.c - the net of the model: connections as two buffers, and peers that read and answer when the scheduler
 * lets them. Takes the place of src/net/stream.
 */
#include "model.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- src/net/stream --- */

static uint8_t peer_at(const struct endpoint *place)
{
    for (uint8_t i = 0; i < MODEL_PEERS; i++)
        if (endpoint_equal(&model()->peers[i].place, place))
            return i;
    model_fail(model()->placing, NULL, "S2: a connection to where nobody is");
}

static struct stream *free_link(void)
{
    uint32_t first = dice_roll(&model()->dice, MODEL_LINKS);
    for (uint32_t i = 0; i < MODEL_LINKS; i++) {
        struct stream *link = &model()->links[(first + i) % MODEL_LINKS];
        if (link->phase == LINK_FREE)
            return link;
    }
    return NULL;
}

int stream_connect(const struct stream_environment *environment, const struct endpoint *local,
    const struct endpoint *remote, uint32_t timeout_ms, const struct stream_handler *handler, void *arg,
    struct stream **stream_r)
{
    struct model *world = model();
    bool is_calm = world->settings.is_calm || world->is_stable;
    (void)environment;
    model_failpoint();
    struct stream *link = free_link();
    if (link == NULL || (!is_calm && dice_hits(&world->dice, 64)))
        return dice_hits(&world->dice, 2) ? ERROR_MEMORY : ERROR_SYSTEM;
    uint32_t serial = link->serial + 1;
    memset(link, 0, offsetof(struct stream, to_peer));
    link->phase = LINK_CONNECTING;
    link->serial = serial;
    link->worker = world->at->number;
    link->peer = peer_at(remote);
    link->class.local = local->address.family != ADDRESS_NONE;
    link->handler = handler;
    link->arg = arg;
    link->since_ms = world->now_ms;
    link->timeout_ms = timeout_ms;
    link->shown_sni = link->shown_credential = -1;
    uint8_t bound = link->class.local;
    oracle_dial(link, world->placing);
    if (link->class.local != bound)
        model_fail(world->placing, link, "S2: from another address of ours");
    link->is_tls = link->class.transport == TRANSPORT_TLS;
    world->totals.opened++;
    model_note(world->placing, link, "is dialled");
    *stream_r = link;
    return 0;
}

static void ask(struct stream *link)
{
    static const char text[] = "OPTIONS sip:a.example SIP/2.0\r\nVia: SIP/2.0/TLS b.example;branch=z9hG4bK2\r\n"
        "From: <sip:b@b.example>;tag=3\r\nTo: <sip:a@a.example>\r\nCall-ID: 0\r\nCSeq: 1 OPTIONS\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
    (void)model_say(link, 'A', text, sizeof(text) - 1);
}

int stream_adopt(const struct stream_environment *environment, int fd, const struct stream_handler *handler, void *arg,
    struct stream **stream_r)
{
    struct model *world = model();
    struct stream *link = free_link();
    (void)environment;
    (void)fd; /* there is none */
    if (link == NULL)
        return ERROR_SYSTEM;
    uint32_t serial = link->serial + 1;
    memset(link, 0, offsetof(struct stream, to_peer));
    *stream_r = link;
    link->phase = LINK_CONNECTED;
    link->serial = serial;
    link->worker = world->at->number;
    link->is_accepted = true;
    link->is_tls = world->is_accepting_tls;
    link->handler = handler;
    link->arg = arg;
    link->shown_sni = link->shown_credential = -1;
    world->totals.accepted++;
    model_note(NULL, link, "is accepted, %s", link->is_tls ? "TLS" : "plain");
    if (link->is_tls)
        (void)model_say(link, 'H', NULL, 0);
    else {
        oracle_published(link);
        ask(link);
    }
    return 0;
}

void stream_free(struct stream *stream)
{
    if (stream == NULL)
        return;
    model_note(NULL, stream, "is closed by us");
    oracle_closing(stream);
    if (stream->phase == LINK_FREE)
        model_fail(NULL, stream, "a stream is freed twice");
    stream->phase = LINK_FREE;
}

static int write_bytes(struct stream *stream, struct slice bytes)
{
    model_failpoint();
    if (stream->phase == LINK_FREE)
        model_fail(NULL, stream, "INV-29: written to a stream that is gone");
    if (stream->phase != LINK_CONNECTED)
        return ERROR_CLOSED;
    if (bytes.length > MODEL_BYTES - stream->to_peer_length)
        return ERROR_LIMIT;
    if (!stream->is_tls)
        oracle_write(stream, bytes);
    memcpy(stream->to_peer + stream->to_peer_length, bytes.data, bytes.length);
    stream->to_peer_length += bytes.length;
    return 0;
}

int stream_write(struct stream *stream, struct slice bytes)
{
    int rc = write_bytes(stream, bytes);
    if (!stream->is_tls)
        oracle_used(stream);
    return rc;
}

int stream_local(const struct stream *stream UNUSED, struct endpoint *endpoint_r)
{
    *endpoint_r = (struct endpoint){ 0 };
    return 0;
}

size_t stream_queued(const struct stream *stream)
{
    return stream->is_congested ? stream->to_peer_length : 0;
}

const char *stream_end_text(enum stream_end end)
{
    return end == STREAM_END_EOF ? "closed" : "failed";
}

/* --- The peer --- */

bool model_record(struct slice *rest, char *type_r, struct slice *bytes_r)
{
    if (rest->length < 3)
        return false;
    size_t length = (size_t)(uint8_t)rest->data[1] << 8 | (uint8_t)rest->data[2];
    if (rest->length < 3 + length)
        return false;
    *type_r = rest->data[0];
    *bytes_r = slice_first(slice_from(*rest, 3), length);
    *rest = slice_from(*rest, 3 + length);
    return true;
}

bool model_say(struct stream *link, char type, const void *bytes, size_t length)
{
    uint8_t head[3] = { (uint8_t)type, (uint8_t)(length >> 8), (uint8_t)length };
    size_t head_length = link->is_tls ? sizeof(head) : 0;
    if (head_length + length > MODEL_BYTES - link->to_us_length)
        return false;
    memcpy(link->to_us + link->to_us_length, head, head_length);
    if (length > 0)
        memcpy(link->to_us + link->to_us_length + head_length, bytes, length);
    link->to_us_length += head_length + length;
    return true;
}

static void answer_request(struct stream *link, uint32_t number)
{
    char text[256];
    int length = snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\n"
        "From: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>;tag=2\r\nCall-ID: %u\r\nCSeq: 1 OPTIONS\r\n"
        "Content-Length: 0\r\n\r\n", number);
    (void)model_say(link, 'A', text, (size_t)length);
}

static void read_plain(struct stream *link, struct slice plain)
{
    struct dice *dice = &model()->dice;
    char kind;
    uint32_t number, attempt;
    while (plain.length > 0) {
        if (model_token_read(plain, &kind, &number, &attempt)) {
            oracle_left(link, plain);
            if (kind == 'R' && dice_hits(dice, 3))
                answer_request(link, number);
            plain = slice_from(plain, MODEL_TOKEN_SIZE);
            continue;
        }
        if (plain.data[0] != '\r')
            model_fail(NULL, link, "INV-29: the peer is sent what nobody wrote");
        if (dice_hits(dice, 2))
            (void)model_say(link, 'A', "\r\n", 2);
        return;
    }
}

/* What it takes and shows depends on the name it is asked for, and on its manner. */
static void read_hello(struct stream *link, struct slice hello)
{
    const struct model_peer *peer = &model()->peers[link->peer];
    int8_t sni = (int8_t)hello.data[0];
    uint16_t suite = peer->manner == MANNER_OTHER_SUITE ? 0x00FF : peer->suite;
    uint8_t shown = peer->shows[sni >= 0 ? sni : MODEL_DOMAINS];
    uint8_t flight[5] = { shown, peer->is_old ? TLS_VERSION_1_2 : TLS_VERSION_1_3, (uint8_t)(suite >> 8),
        (uint8_t)suite, (uint8_t)peer->manner };
    if (peer->manner == MANNER_MUTE)
        return;
    (void)model_say(link, 'S', flight, sizeof(flight));
    if (peer->manner == MANNER_HANGS_UP)
        link->has_said_end = true;
}

/* Whoever calls us: shows a certificate or none, and does not wait to say more. */
static void read_greeting(struct stream *link)
{
    struct dice *dice = &model()->dice;
    uint8_t shown = (uint8_t)dice_roll(dice, MODEL_CERTIFICATES);
    bool has_one = !dice_hits(dice, 4);
    if (dice_hits(dice, 12))
        return; /* he has gone to sleep */
    (void)model_say(link, 'K', &shown, has_one);
    if (!dice_hits(dice, 3))
        ask(link);
}

void model_net_read(struct stream *link)
{
    struct slice rest = slice_of((const char *)link->to_peer, link->to_peer_length), bytes;
    char type;
    if (!link->is_tls)
        read_plain(link, rest);
    while (link->is_tls && model_record(&rest, &type, &bytes)) {
        if (type == 'G')
            read_greeting(link);
        else if (type == 'H')
            read_hello(link, bytes);
        else if (type == 'K' && link->version == TLS_VERSION_1_2)
            (void)model_say(link, 'F', NULL, 0);
        else if (type == 'A')
            read_plain(link, bytes);
    }
    link->to_peer_length = 0;
    link->is_congested = false;
}

/* --- What is told to the pool --- */

static void tell_end(struct stream *link, enum stream_end end, int os_error)
{
    model_note(NULL, link, "ends: %d", (int)end);
    link->phase = LINK_ENDED;
    link->handler->ended(link->arg, end, os_error);
}

static bool tell_connected(struct stream *link)
{
    const struct model_peer *peer = &model()->peers[link->peer];
    if (!peer->is_up) {
        tell_end(link, STREAM_END_REFUSED, ECONNREFUSED);
        return true;
    }
    if (model()->now_ms - link->since_ms >= link->timeout_ms) {
        tell_end(link, STREAM_END_CONNECT_TIMEOUT, 0);
        return true;
    }
    model_note(NULL, link, "is connected");
    link->phase = LINK_CONNECTED;
    if (!link->is_tls)
        oracle_published(link);
    link->handler->connected(link->arg);
    return true;
}

/* One record or all that there are. */
static void tell_received(struct stream *link)
{
    uint8_t bytes[MODEL_BYTES];
    size_t length = link->to_us_length;
    struct slice rest = slice_of((const char *)link->to_us, length), record;
    char type;
    if (link->is_tls && dice_hits(&model()->dice, 2) && model_record(&rest, &type, &record))
        length -= rest.length;
    memcpy(bytes, link->to_us, length);
    link->to_us_length -= length;
    memmove(link->to_us, link->to_us + length, link->to_us_length);
    model_note(NULL, link, "%zu bytes come", length);
    if (!link->is_tls)
        oracle_used(link);
    link->handler->received(link->arg, slice_of((const char *)bytes, length));
}

static bool happens(struct stream *link)
{
    struct dice *dice = &model()->dice;
    bool is_wild = !model()->settings.is_calm && !model()->is_stable;
    if (link->phase == LINK_CONNECTING)
        return tell_connected(link);
    if (link->phase != LINK_CONNECTED)
        return false;
    if (link->to_us_length > 0) {
        tell_received(link);
        return true;
    }
    if (link->to_peer_length > 0) {
        model_net_read(link);
        return true;
    }
    if (link->is_accepted && is_wild && link->is_published && dice_hits(dice, 4)) {
        ask(link);
        return true;
    }
    if (link->has_said_end || (is_wild && dice_hits(dice, 24))) {
        tell_end(link, dice_hits(dice, 2) ? STREAM_END_EOF : STREAM_END_RESET, 0);
        return true;
    }
    return false;
}

bool model_net(struct stream *link)
{
    struct model *world = model();
    if (link->phase == LINK_FREE)
        return false;
    model_turn(&world->workers[link->worker]);
    if (link->phase == LINK_FREE)
        return true; /* by a timer */
    world->serving = link;
    world->is_ours = true;
    bool has_happened = happens(link);
    world->serving = NULL;
    world->is_ours = false;
    return has_happened;
}
