/* SPDX-License-Identifier: GPL-2.0-or-later */
/* defect.c - the rows of the list of defects; see defect.h. */
#include "sip/defect.h"

static const struct sip_defect rows[SIP_DEFECT_COUNT] = {
#define X(code, status, is_framing_lost, text) [code] = { code, status, is_framing_lost, text },
    SIP_DEFECT_LIST(X)
#undef X
};

struct sip_defect sip_defect_of(enum sip_defect_code code)
{
    return rows[(unsigned)code < SIP_DEFECT_COUNT ? code : SIP_DEFECT_NOT_SIP];
}
