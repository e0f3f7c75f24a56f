/* SPDX-License-Identifier: GPL-2.0-or-later */
/* never.h - what cannot be, in conditions that stand all the same.
 * In:    a condition without side effects, of which the code elsewhere sees to it that it is never (always) true; the
 *        reason stands beside it. What anybody can bring about from outside is no such condition: it has a test.
 * Out:   the condition, so that a claim that is wrong fails closed and does no harm.
 *        Built for a sanitizer (TRELAY_CHECKED), such a claim ends the process.
 *        Built for coverage (TRELAY_COVERAGE), what is claimed: a branch that no test can take is none.
 */
#ifndef TRELAY_BASE_NEVER_H
#define TRELAY_BASE_NEVER_H

#include <stdbool.h>

#if defined(TRELAY_COVERAGE)
#define never(condition) (false && (condition))
#define always(condition) (true || (condition))
#elif defined(TRELAY_CHECKED)
#include <assert.h>
#define never(condition) ((condition) ? (assert(!#condition), true) : false)
#define always(condition) ((condition) ? true : (assert(!#condition), false))
#else
#define never(condition) (condition)
#define always(condition) (condition)
#endif

#endif
