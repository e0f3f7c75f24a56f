/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_via.c - any bytes as a Via value: its parts lie inside it, and a list of values would not cut it. */
#include "must.h"

#include "sip/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const uint8_t address[4] = { 192, 0, 2, 1 };
    const struct endpoint source = { address_v4(address), 5061 };
    struct slice input = slice_of((const char *)bytes, length);
    struct sip_via via;
    struct sip_via again;
    if (sip_via_parse(input, &via) != 0)
        return 0;
    const struct slice parts[] = { via.transport_text, via.host.text, via.parameters, via.branch, via.received,
        via.received_text, via.rport_text, via.maddr, via.ttl, via.keep };
    MUST(is_within(via.text, input));
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        MUST(is_within(parts[i], via.text));
    MUST(via.host.kind != SIP_HOST_NONE && via.transport != SIP_TRANSPORT_NONE);
    MUST(!sip_via_has_unique_branch(&via) || via.branch.length > 7);
    MUST(sip_via_parse(via.text, &again) == 0);
    MUST(slice_equal(again.branch, via.branch) && again.port == via.port && again.rport == via.rport);
    MUST(sip_via_needs_received(&via, &source) || via.rport == SIP_RPORT_ABSENT);
    struct slice rest = via.text;
    struct slice text;
    MUST(sip_value_cut(&rest, &text) && slice_equal(text, via.text) && slice_is_absent(rest));
    return 0;
}
