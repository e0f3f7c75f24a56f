/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cseq.h - CSeq: a number and a method. */
#ifndef TRELAY_SIP_CSEQ_H
#define TRELAY_SIP_CSEQ_H

#include "base/attributes.h"
#include "base/slice.h"
#include "sip/method.h"

#include <stdint.h>

struct sip_cseq {
    uint32_t number;
    struct slice number_text; /* as written, leading zeros kept */
    enum sip_method method;
    struct slice method_text;
};

/* 0 or ERROR_SYNTAX; a number above 2^32-1 is malformed. */
int sip_cseq_parse(struct slice value, struct sip_cseq *cseq_r) MUST_CHECK;

#endif
