/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_key.c - the fields of 17.2.3, each with its length; see transaction_key.h. */
#include "transaction/transaction_key.h"

#include "base/error.h"
#include "base/hash.h"

enum { FORM_UNIQUE_BRANCH = 1, FORM_2543 = 2 };

/* An absent field differs from an empty one. */
static void append_field(struct buffer *out, struct slice field)
{
    buffer_append_u32(out, slice_is_absent(field) ? UINT32_MAX : (uint32_t)field.length);
    buffer_append_slice(out, field);
}

/* Host names are alike in any case; an address is one value however it is written. */
static void append_sent_by(struct buffer *out, const struct sip_via *via)
{
    buffer_append_byte(out, via->host.address.family);
    if (via->host.address.family != ADDRESS_NONE) {
        buffer_append(out, via->host.address.bytes, sizeof(via->host.address.bytes));
    } else {
        buffer_append_u32(out, (uint32_t)via->host.text.length);
        for (size_t i = 0; i < via->host.text.length; i++)
            buffer_append_byte(out, (uint8_t)ascii_lower(via->host.text.data[i]));
    }
    buffer_append_u16(out, via->port);
}

static int append_2543(struct buffer *out, const struct sip_message *request, const struct sip_via *via)
{
    const struct sip_cseq *cseq = sip_message_cseq(request);
    struct slice call_id = sip_message_call_id(request);
    if (cseq == NULL || slice_is_absent(call_id) || sip_message_from(request) == NULL)
        return ERROR_SYNTAX;
    append_field(out, sip_message_request_uri(request));
    append_field(out, sip_message_from_tag(request));
    append_field(out, call_id);
    buffer_append_u32(out, cseq->number);
    append_field(out, via->text);
    return 0;
}

int transaction_key_of(const struct sip_message *request, struct slice origin, uint64_t hash_seed,
    struct buffer *scratch, struct transaction_key *key_r)
{
    const struct sip_via *via = sip_message_top_via(request);
    if (via == NULL)
        return ERROR_SYNTAX;
    bool is_2543 = !sip_via_has_unique_branch(via);
    buffer_clear(scratch);
    buffer_append_byte(scratch, is_2543 ? FORM_2543 : FORM_UNIQUE_BRANCH);
    append_field(scratch, origin);
    if (is_2543) {
        int rc = append_2543(scratch, request, via);
        if (rc != 0)
            return rc;
    } else {
        append_sent_by(scratch, via);
        append_field(scratch, via->branch);
    }
    if (scratch->has_failed)
        return ERROR_MEMORY;
    struct slice bytes = buffer_slice(scratch);
    *key_r = (struct transaction_key){ .bytes = bytes, .hash = hash_bytes(bytes.data, bytes.length, hash_seed),
        .is_2543 = is_2543 };
    return 0;
}
