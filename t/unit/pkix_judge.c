/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkix_judge.c - the verdict on certificate files, for tests that are scripts.
 *   pkix-judge trust=FILE chain=FILE [now=SECONDS] [level=domain] [domain=NAME] [role=server|client]
 *              [eku=tls-role|either|sip5924] [crl=off] [ocsp=off] [cn_fallback=1] [wildcard=1]
 * Out: "proven NAME", "not-taken", or "refused REASON: DETAIL". Status 0 proven or not taken, 1 refused, 2 misuse.
 */
#include "base/buffer.h"
#include "base/error.h"
#include "base/integer.h"
#include "pkix/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct arguments {
    const char *trust, *chain;
    uint64_t now;
    struct verdict_request request;
};

static bool set(struct arguments *arguments, struct slice name, struct slice value)
{
    struct verdict_request *request = &arguments->request;
    if (slice_equal(name, SLICE_LITERAL("trust")))
        arguments->trust = value.data;
    else if (slice_equal(name, SLICE_LITERAL("chain")))
        arguments->chain = value.data;
    else if (slice_equal(name, SLICE_LITERAL("domain")))
        request->expected_domain = value.data;
    else if (slice_equal(name, SLICE_LITERAL("now")))
        return integer_parse(value, INT64_MAX, &arguments->now) == 0;
    else if (slice_equal(name, SLICE_LITERAL("level")))
        request->level = level_from_name(value);
    else if (slice_equal(name, SLICE_LITERAL("role")))
        request->peer_role = slice_equal(value, SLICE_LITERAL("client")) ? PEER_ROLE_CLIENT : PEER_ROLE_SERVER;
    else if (slice_equal(name, SLICE_LITERAL("eku")))
        request->eku_mode = eku_mode_from_name(value);
    else if (slice_equal(name, SLICE_LITERAL("crl")))
        request->crl = revocation_from_name(value);
    else if (slice_equal(name, SLICE_LITERAL("ocsp")))
        request->ocsp = revocation_from_name(value);
    else if (slice_equal(name, SLICE_LITERAL("cn_fallback")))
        request->cn_fallback = slice_equal(value, SLICE_LITERAL("1"));
    else if (slice_equal(name, SLICE_LITERAL("wildcard")))
        request->wildcard = slice_equal(value, SLICE_LITERAL("1"));
    else
        return false;
    return true;
}

static struct certificate_chain read_file(const char *path)
{
    struct certificate_chain chain = CERTIFICATE_CHAIN_EMPTY;
    struct buffer bytes = BUFFER_EMPTY;
    struct why why = WHY_NONE;
    char block[4096];
    size_t length;
    FILE *file = path != NULL ? fopen(path, "rb") : NULL;
    if (file == NULL) {
        fprintf(stderr, "cannot open %s\n", path != NULL ? path : "a file that is not named");
        exit(2);
    }
    while ((length = fread(block, 1, sizeof(block), file)) > 0)
        buffer_append(&bytes, block, length);
    fclose(file);
    if (certificate_chain_read(buffer_slice(&bytes), &chain, &why) != 0) {
        fprintf(stderr, "%s: %s\n", path, why.text);
        exit(2);
    }
    buffer_free(&bytes);
    return chain;
}

static int print(const struct verdict *verdict)
{
    if (verdict->result == VERDICT_PROVEN)
        printf("proven %s\n", verdict->matched_name);
    else if (verdict->result == VERDICT_NOT_TAKEN)
        printf("not-taken\n");
    else
        printf("refused %s: %s\n", reason_word(verdict->reason), verdict->detail);
    return verdict->result == VERDICT_PROVEN || verdict->result == VERDICT_NOT_TAKEN ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct arguments arguments = { .request = { .level = LEVEL_DOMAIN,
                                                .peer_role = PEER_ROLE_SERVER,
                                                .eku_mode = EKU_TLS_ROLE,
                                                .crl = REVOCATION_OFF,
                                                .ocsp = REVOCATION_OFF } };
    for (int i = 1; i < argc; i++) {
        struct slice argument = slice_of_string(argv[i]);
        size_t at = slice_find(argument, '=', 0);
        if (!set(&arguments, slice_first(argument, at), slice_from(argument, at + 1))) {
            fprintf(stderr, "pkix-judge: %s?\n", argv[i]);
            return 2;
        }
    }
    int64_t now = arguments.now != 0 ? (int64_t)arguments.now : (int64_t)time(NULL);
    struct certificate_chain anchors = read_file(arguments.trust), chain = read_file(arguments.chain);
    struct trust_store *store = NULL;
    struct why why = WHY_NONE;
    struct verdict verdict;
    if (trust_store_new(&anchors, now, &store, NULL, &why) != 0)
        fprintf(stderr, "%s: %s\n", arguments.trust, why.text);
    arguments.request.trust_store = store; /* NULL refuses */
    int code = verdict_take(&arguments.request, &chain, now, &verdict);
    if (code != 0)
        fprintf(stderr, "%s\n", error_text(code));
    int status = print(&verdict);
    trust_store_unref(store);
    certificate_chain_fini(&anchors);
    certificate_chain_fini(&chain);
    return status;
}
