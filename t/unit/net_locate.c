/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_locate.c - locates what standard input asks for and prints where it is; driven by script tests.
 *   net-locate SERVERS TIMEOUT_MS TRIES [TTL_MAX_S [CACHE_ENTRIES]]
 * Lines: "locate HOST PORT sip|sips udp|tcp|tls|- ALLOWED FAMILIES" collects a question (ALLOWED: udp+tcp+tls;
 * FAMILIES: 46, 64, 4, 6); "cancel ..." the same, but it is cancelled at once; "go" asks all at the same time and
 * prints a line for each; "counters"; "forget". "tally TIMES SEED HOST PORT ..." locates the same TIMES times, one
 * after the other, and prints how often each target came first. Random numbers are the lowest but in a tally, where
 * they are those of the seed.
 */
#include "base/attributes.h"
#include "base/integer.h"
#include "net/locate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUESTIONS_MAX = 16, KINDS_MAX = 64, WORDS_MAX = 9, LINE_SIZE = 1024 };

struct desk;

struct inquiry {
    struct desk *desk;
    struct locate_question question;
    char host[LINE_SIZE];
    struct locate *locate;
    bool is_cancelled, is_in_call;
    struct locate_result result;
};

struct desk {
    struct loop *loop;
    struct resolver *resolver;
    struct inquiry inquiries[QUESTIONS_MAX];
    size_t count;
    size_t answered;
    uint64_t seed; /* 0: no drawing */
};

/* xorshift: the same numbers on every machine. */
static uint32_t draw(void *arg, uint32_t bound)
{
    struct desk *desk = arg;
    desk->seed ^= desk->seed << 13;
    desk->seed ^= desk->seed >> 7;
    desk->seed ^= desk->seed << 17;
    return (uint32_t)(desk->seed >> 16) % bound; /* of seed 0 always 0 */
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "net-locate: %s: %s\n", what, why);
    exit(2);
}

static void on_done(void *arg, const struct locate_result *result)
{
    struct inquiry *inquiry = arg;
    if (inquiry->is_cancelled)
        fail(inquiry->host, "answered although cancelled");
    if (inquiry->is_in_call)
        fail(inquiry->host, "answered from within the call");
    inquiry->result = *result;
    inquiry->locate = NULL;
    inquiry->desk->answered++;
}

static enum transport transport_of(struct slice word)
{
    for (enum transport t = TRANSPORT_UDP; t <= TRANSPORT_TLS; t++)
        if (slice_equal(word, slice_of_string(transport_name(t))))
            return t;
    return TRANSPORT_UNSET;
}

static unsigned transports_of(struct slice words)
{
    unsigned set = 0;
    for (;;) {
        size_t plus = slice_find(words, '+', 0);
        set |= 1u << transport_of(slice_first(words, plus));
        if (plus == words.length)
            return set & TRANSPORT_BITS_ALL;
        words = slice_from(words, plus + 1);
    }
}

static unsigned families_of(struct slice word)
{
    return (slice_find(word, '4', 0) < word.length ? LOCATE_V4 : 0u) |
        (slice_find(word, '6', 0) < word.length ? LOCATE_V6 : 0u) |
        (word.length > 0 && word.data[0] == '6' ? LOCATE_V6_FIRST : 0u);
}

static uint32_t number_of(struct slice word)
{
    uint64_t number;
    if (integer_parse(word, UINT32_MAX, &number) != 0)
        fail("not a number", word.data);
    return (uint32_t)number;
}

static void collect(struct desk *desk, const struct slice *words, bool is_cancelled)
{
    struct inquiry *inquiry = &desk->inquiries[desk->count++];
    if (desk->count > QUESTIONS_MAX || words[1].length >= LINE_SIZE)
        fail("too many questions", "or too long");
    *inquiry = (struct inquiry){ .desk = desk, .is_cancelled = is_cancelled };
    memcpy(inquiry->host, words[1].data, words[1].length);
    inquiry->question = (struct locate_question){ .host = slice_of(inquiry->host, words[1].length),
        .port = (uint16_t)number_of(words[2]), .is_sips = slice_equal(words[3], SLICE_LITERAL("sips")),
        .transport = transport_of(words[4]), .allowed = transports_of(words[5]), .families = families_of(words[6]) };
}

static void print(const struct locate_result *result)
{
    char text[ADDRESS_TEXT_SIZE];
    printf("%s", reason_word(result->reason));
    for (size_t i = 0; i < result->count; i++)
        printf(" %s=%s", transport_name(result->targets[i].transport),
            endpoint_print(&result->targets[i].endpoint, text));
    if (result->reason != REASON_NONE)
        printf(" (%s)", result->why.text);
    printf("\n");
}

static void ask_all(struct desk *desk)
{
    size_t expected = 0;
    desk->answered = 0;
    loop_turn(desk->loop, false); /* it has not turned while input was awaited: its time is old */
    for (size_t i = 0; i < desk->count; i++) {
        struct inquiry *inquiry = &desk->inquiries[i];
        inquiry->is_in_call = true;
        if (locate_start(desk->resolver, &inquiry->question, on_done, inquiry, &inquiry->locate) != 0)
            fail(inquiry->host, "locate_start");
        inquiry->is_in_call = false;
        expected += !inquiry->is_cancelled;
    }
    for (size_t i = 0; i < desk->count; i++)
        if (desk->inquiries[i].is_cancelled)
            locate_cancel(desk->inquiries[i].locate);
    while (desk->answered < expected)
        loop_turn(desk->loop, true);
}

static void go(struct desk *desk)
{
    ask_all(desk);
    for (size_t i = 0; i < desk->count; i++)
        if (!desk->inquiries[i].is_cancelled)
            print(&desk->inquiries[i].result);
    desk->count = 0;
}

static void tally(struct desk *desk, const struct slice *words)
{
    struct locate_target firsts[KINDS_MAX];
    unsigned counts[KINDS_MAX] = { 0 };
    size_t kinds = 0;
    char text[ADDRESS_TEXT_SIZE];
    desk->seed = number_of(words[2]);
    for (uint32_t times = number_of(words[1]); times > 0; times--) {
        collect(desk, words + 2, false);
        ask_all(desk);
        const struct locate_result *result = &desk->inquiries[0].result;
        desk->count = 0;
        if (result->count == 0)
            fail("tally", reason_word(result->reason));
        size_t i = 0;
        while (i < kinds && !endpoint_equal(&firsts[i].endpoint, &result->targets[0].endpoint))
            i++;
        if (i == KINDS_MAX)
            fail("tally", "too many targets");
        if (i == kinds)
            firsts[kinds++] = result->targets[0];
        counts[i]++;
    }
    desk->seed = 0;
    for (size_t i = 0; i < kinds; i++)
        printf("%s%s=%u", i > 0 ? " " : "", endpoint_print(&firsts[i].endpoint, text), counts[i]);
    printf("\n");
}

static void obey(struct desk *desk, struct slice line)
{
    struct slice words[WORDS_MAX];
    size_t count = 0;
    while (line.length > 0 && count < WORDS_MAX) {
        size_t blank = slice_find(line, ' ', 0);
        words[count++] = slice_first(line, blank);
        line = slice_from(line, blank + 1);
    }
    bool is_cancelled = count == 7 && slice_equal(words[0], SLICE_LITERAL("cancel"));
    if (count == 7 && (is_cancelled || slice_equal(words[0], SLICE_LITERAL("locate")))) {
        collect(desk, words, is_cancelled);
    } else if (count == 9 && slice_equal(words[0], SLICE_LITERAL("tally"))) {
        tally(desk, words);
    } else if (count == 1 && slice_equal(words[0], SLICE_LITERAL("go"))) {
        go(desk);
    } else if (count == 1 && slice_equal(words[0], SLICE_LITERAL("forget"))) {
        resolver_forget(desk->resolver);
    } else if (count == 1 && slice_equal(words[0], SLICE_LITERAL("counters"))) {
        const struct resolver_counters *counters = resolver_counters(desk->resolver);
        printf("asked=%u cached=%u joined=%u failed=%u\n", (unsigned)counters->asked, (unsigned)counters->cached,
            (unsigned)counters->joined, (unsigned)counters->failed);
    } else {
        fail("unknown command", count > 0 ? words[0].data : "");
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct desk desk;
    struct why why = WHY_NONE;
    char line[LINE_SIZE];
    if (argc < 4)
        fail("usage", "net-locate SERVERS TIMEOUT_MS TRIES [TTL_MAX_S [CACHE_ENTRIES]]");
    const struct resolver_settings settings = { .servers = argv[1],
        .timeout_ms = number_of(slice_of_string(argv[2])), .tries = number_of(slice_of_string(argv[3])),
        .ttl_max_s = argc > 4 ? number_of(slice_of_string(argv[4])) : 0,
        .cache_entries = argc > 5 ? number_of(slice_of_string(argv[5])) : 0, .random = draw,
        .random_arg = &desk };
    if (loop_new(&desk.loop, &why) != 0 || resolver_new(desk.loop, &settings, &desk.resolver, &why) != 0)
        fail("start", why.text);
    while (fgets(line, sizeof(line), stdin) != NULL)
        obey(&desk, slice_first(slice_of_string(line), strcspn(line, "\n")));
    resolver_free(desk.resolver);
    loop_free(desk.loop);
    return 0;
}
