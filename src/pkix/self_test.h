/* SPDX-License-Identifier: GPL-2.0-or-later */
/* self_test.h - is the verdict of this process, with the library it runs with, still a verdict?
 * A CA and a leaf with a sip: URI are made in memory; the right name must be proven and a wrong name, a wrong
 * CA and an expired date refused. The daemon asks at start and does not run on a failure (INV-51).
 */
#ifndef TRELAY_PKIX_SELF_TEST_H
#define TRELAY_PKIX_SELF_TEST_H

#include "base/attributes.h"
#include "base/why.h"

#include <stdint.h>

/* 0, or an error with the reason. Takes some milliseconds. */
int pkix_self_test(int64_t now, struct why *why) MUST_CHECK;

#endif
