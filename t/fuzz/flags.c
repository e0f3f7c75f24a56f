/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flags.c - fuzz target of policy/flag: any text as flags and as parameters of our Route URI.
 * Holds: what is parsed contradicts nothing and prints to text that means the same; what is refused leaves the result
 * alone and says why; merging with any other set loses no demand for proof.
 */
#include "policy/flag.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum {
    DEMANDS = T_RELAY_TLS | T_RELAY_VERIFY_CHAIN | T_RELAY_VERIFY_DOMAIN | T_RELAY_TRUST | T_RELAY_CRL | T_RELAY_OCSP |
        T_RELAY_OCSP_HARD | T_RELAY_NO_CONN_REUSE,
    UNTOUCHED = 0x40000000,
};

static void need(bool condition)
{
    if (!condition)
        abort();
}

static void check_fix_point(const struct flag_set *set)
{
    struct buffer text = BUFFER_EMPTY, again = BUFFER_EMPTY;
    struct flag_set parsed;
    need(flags_check(set, NULL) == 0);
    flags_print(set, &text);
    need(flags_parse(buffer_slice(&text), &parsed, NULL) == 0);
    need(parsed.bits == set->bits && parsed.max_age_s == set->max_age_s);
    flags_print(&parsed, &again);
    need(slice_equal(buffer_slice(&text), buffer_slice(&again)));
    buffer_free(&text);
    buffer_free(&again);
}

static void check_merge(const struct flag_set *earlier, const struct flag_set *later)
{
    struct flag_set merged = { .bits = UNTOUCHED };
    if (flags_merge(earlier, later, &merged, NULL) != 0) {
        need(merged.bits == UNTOUCHED);
        return;
    }
    uint32_t wanted = (earlier->bits | later->bits) & DEMANDS;
    need((merged.bits & wanted) == wanted);
    check_fix_point(&merged);
}

static bool parse(int (*parser)(struct slice, struct flag_set *, struct why *), struct slice text,
    struct flag_set *set_r)
{
    struct why why = WHY_NONE;
    *set_r = (struct flag_set){ .bits = UNTOUCHED };
    if (parser(text, set_r, &why) == 0)
        return true;
    need(set_r->bits == UNTOUCHED && why.text[0] != '\0');
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct slice text = slice_of((const char *)bytes, size);
    size_t middle = slice_find(text, '\n', 0);
    struct flag_set first, second, route;
    bool has_first = parse(flags_parse, slice_first(text, middle), &first);
    bool has_second = parse(flags_parse, slice_from(text, middle + 1), &second);
    bool has_route = parse(flags_parse_route_parameters, text, &route);
    if (has_first)
        check_fix_point(&first);
    if (has_route)
        check_fix_point(&route);
    if (has_first && has_second)
        check_merge(&first, &second);
    if (has_first && has_route)
        check_merge(&first, &route);
    return 0;
}
