/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cseq.c - CSeq; see cseq.h. */
#include "sip/cseq.h"

#include "base/error.h"
#include "sip/character.h"

int sip_cseq_parse(struct slice value, struct sip_cseq *cseq_r)
{
    struct slice s = sip_trim(value);
    struct sip_cseq cseq = { .number = 0 };
    uint64_t number = 0;
    size_t digits = sip_run(s, 0, SIP_IN_DIGITS);
    for (size_t i = 0; i < digits; i++) {
        number = number * 10 + (uint64_t)(s.data[i] - '0');
        if (number > UINT32_MAX)
            return ERROR_SYNTAX;
    }
    size_t at = sip_skip_space(s, digits);
    size_t length = sip_run(s, at, SIP_IN_TOKEN);
    if (digits == 0 || at == digits || length == 0 || at + length != s.length)
        return ERROR_SYNTAX;
    cseq.number = (uint32_t)number;
    cseq.number_text = slice_first(s, digits);
    cseq.method_text = slice_of(s.data + at, length);
    cseq.method = sip_method_from_name(cseq.method_text);
    *cseq_r = cseq;
    return 0;
}
