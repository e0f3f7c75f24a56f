/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lookup_order.c - the words of lookup=; see lookup_order.h. */
#include "policy/lookup_order.h"

#include "base/error.h"

static const char *const words[LOOKUP_COUNT] = {
#define X(code, word) [code] = word,
    LOOKUP_LIST(X)
#undef X
};

static enum lookup lookup_from_word(struct slice word)
{
    for (unsigned step = 1; step < LOOKUP_COUNT; step++)
        if (slice_equal(word, slice_of_string(words[step])))
            return (enum lookup)step;
    return LOOKUP_UNSET;
}

static int add_word(struct policy_lookup_order *order, struct slice word, struct why *why)
{
    if (slice_equal(word, SLICE_LITERAL("live"))) {
        if (order->is_live)
            return why_fail(why, ERROR_CONFLICT, "live stands twice");
        order->is_live = true;
        return 0;
    }
    if (slice_equal(word, SLICE_LITERAL("none"))) {
        if (order->is_none)
            return why_fail(why, ERROR_CONFLICT, "none stands twice");
        order->is_none = true;
        return 0;
    }
    enum lookup step = lookup_from_word(word);
    if (step == LOOKUP_UNSET)
        return why_fail(why, ERROR_UNKNOWN_NAME,
            "\"%.*s\" is no look-up: there are dst, ruri, src, addr, peer, default, live, none", SLICE_PRINT(word));
    for (unsigned i = 0; i < order->count; i++)
        if (order->steps[i] == step)
            return why_fail(why, ERROR_CONFLICT, "%s stands twice", words[step]);
    order->steps[order->count++] = (uint8_t)step;
    return 0;
}

int policy_lookup_order_parse(struct slice text, struct policy_lookup_order *order_r, struct why *why)
{
    struct policy_lookup_order order = { 0 };
    for (size_t at = 0; at <= text.length;) {
        size_t end = slice_find(text, '+', at);
        int rc = add_word(&order, slice_of(text.data + at, end - at), why);
        if (rc != 0)
            return rc;
        at = end + 1;
    }
    if (order.is_none && (order.count > 0 || order.is_live))
        return why_fail(why, ERROR_CONFLICT, "none excludes every other look-up");
    if (!order.is_none && order.count == 0)
        return why_fail(why, ERROR_SYNTAX, "live says how to look up, not what: add dst, addr, default or another");
    *order_r = order;
    return 0;
}

void policy_lookup_order_print(const struct policy_lookup_order *order, struct buffer *out)
{
    const char *separator = "";
    for (unsigned i = 0; i < order->count; i++) {
        buffer_append_string(out, separator);
        buffer_append_string(out, words[order->steps[i]]);
        separator = "+";
    }
    if (order->is_live) {
        buffer_append_string(out, separator);
        buffer_append_string(out, "live");
    }
    if (order->is_none)
        buffer_append_string(out, "none");
}

struct policy_lookup_order policy_lookup_order_default(void)
{
    return (struct policy_lookup_order){ .count = 3, .steps = { LOOKUP_DST, LOOKUP_ADDR, LOOKUP_DEFAULT } };
}
