/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_name_addr.c - any bytes as From, To or Route: the parts lie inside, a list of values would not cut it, and
 * a tag that is added to a value without one is found there.
 */
#include "must.h"

#include "base/buffer.h"
#include "sip/message.h"

static void check_tag(const struct sip_name_addr *name_addr)
{
    struct buffer out = BUFFER_EMPTY;
    struct sip_name_addr again;
    buffer_append_slice(&out, name_addr->text);
    buffer_append_string(&out, ";tag=us");
    int rc = sip_name_addr_parse(buffer_slice(&out), &again);
    if (slice_is_absent(name_addr->tag)) {
        MUST(rc == 0);
        MUST(slice_equal(again.tag, SLICE_LITERAL("us")));
        MUST(slice_equal(again.uri, name_addr->uri));
    } else
        MUST(rc != 0);
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct slice input = slice_of((const char *)bytes, length);
    struct sip_name_addr name_addr;
    if (sip_name_addr_parse(input, &name_addr) != 0)
        return 0;
    const struct slice parts[] = { name_addr.display, name_addr.uri, name_addr.parameters, name_addr.tag };
    MUST(is_within(name_addr.text, input));
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        MUST(is_within(parts[i], name_addr.text));
    MUST(name_addr.uri.length > 0);
    struct slice rest = name_addr.text;
    struct slice text;
    MUST(sip_value_cut(&rest, &text) && slice_equal(text, name_addr.text) && slice_is_absent(rest));
    check_tag(&name_addr);
    return 0;
}
