/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkix_support.h - what the tests of src/pkix share: verdicts on chains of test certificates. */
#ifndef TRELAY_UNIT_PKIX_SUPPORT_H
#define TRELAY_UNIT_PKIX_SUPPORT_H

#include "pki.h"

#include "pkix/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SUPPORT_CHAIN_MAX = 40 };

/* A list of test certificates, ended by the first NULL. */
typedef const struct pki_certificate *support_list[SUPPORT_CHAIN_MAX];

struct certificate_chain support_chain(const support_list list);
/* NULL when there is no usable anchor. */
struct trust_store *support_store(const support_list anchors);

/* Level domain, peer is server, mode tls-role, no revocation. */
struct verdict_request support_request(const struct trust_store *store, const char *domain);

/* At PKI_NOW. Fails the test if the record contradicts itself. */
enum reason support_take(const struct verdict_request *request, const support_list presented,
                         struct verdict *verdict_r);
enum reason support_take_at(const struct verdict_request *request, const support_list presented, int64_t now,
                            struct verdict *verdict_r);

/* Makes a certificate and remembers it until support_free_all(). */
const struct pki_certificate *support_make(const struct pki_spec *spec);
#define SUPPORT_MAKE(...) support_make(&(const struct pki_spec){ __VA_ARGS__ })
void support_free_all(void);

/* libcrypto 3.0 forgets the policy constraints of a certificate that names no policies, 42 bytes each: LeakSanitizer,
 * where it is linked, looks away while such a one is used (IS_BEGIN, then not). */
bool support_is_excused(const struct pki_spec *spec);
void support_excuse(bool is_excused, bool is_begin);

/* Compares reasons by word, so that a failure can be read; TITLE says which case. */
void support_expect(enum reason is, enum reason expected, const char *title, const struct verdict *verdict);

#endif
