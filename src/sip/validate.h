/* SPDX-License-Identifier: GPL-2.0-or-later */
/* validate.h - may a proxy act on this message? RFC 3261 16.3(1) and 16.3(2).
 * In:    a parsed message. Out: 0, or the first defect with the status to answer a request with;
 *        a response with a defect is dropped.
 * Judged are the fields that the relay uses; all others pass unread. Max-Forwards 0, unknown
 * Proxy-Require tags and SIPS policy are the relay's to judge: they are not malformed.
 */
#ifndef TRELAY_SIP_VALIDATE_H
#define TRELAY_SIP_VALIDATE_H

#include "base/attributes.h"
#include "sip/defect.h"
#include "sip/message.h"

/* 0 or ERROR_SYNTAX with *DEFECT_R set. A salvaged message never passes. */
int sip_validate_request(const struct sip_message *message, struct sip_defect *defect_r) MUST_CHECK;
int sip_validate_response(const struct sip_message *message, struct sip_defect *defect_r) MUST_CHECK;

#endif
