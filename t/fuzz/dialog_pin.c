/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dialog_pin.c - fuzz target of decide/dialog_pin: any text as the pin of a dialog, under a MAC that is always right.
 * Holds: what is read says encrypt, and nothing more, or chain or domain, of at least one direction, and is printed to
 * what reads as the same.
 */
#include "decide/dialog_pin.h"

#include "must.h"

#include <string.h>

static int any_mac(struct slice key, const struct slice *parts, size_t count, uint8_t digest_r[DIGEST_SIZE])
{
    (void)key;
    (void)parts;
    (void)count;
    memset(digest_r, 0, DIGEST_SIZE);
    return 0;
}

static bool always(const void *a, const void *b, size_t length)
{
    (void)a;
    (void)b;
    return length > 0;
}

static void check_part(const struct dialog_part *part, const struct dialog_part *again)
{
    bool is_floor = part->level == LEVEL_ENCRYPT;
    MUST(part->level == LEVEL_UNSET || is_floor || part->level == LEVEL_CHAIN || part->level == LEVEL_DOMAIN);
    MUST(!is_floor || (part->row_id == 0 && part->domain[0] == '\0' && part->flags.bits == 0));
    MUST((part->flags.bits & ~(uint32_t)DIALOG_PIN_FLAGS) == 0);
    MUST(part->level == again->level && part->row_id == again->row_id && part->flags.bits == again->flags.bits);
    MUST(strcmp(part->domain, again->domain) == 0 && strcmp(part->flags.cert, again->flags.cert) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const struct dialog_pin_crypto crypto = { any_mac, always };
    const struct dialog_secrets secrets = { .count = 1, .secrets = { { .length = DIALOG_SECRET_MIN } } };
    const struct dialog_pin_bearer bearer = { .call_id = SLICE_LITERAL("c"), .from_tag = SLICE_LITERAL("f"),
        .to_tag = SLICE_LITERAL("t"), .now = UINT32_MAX };
    struct dialog_pin pin, again;
    bool is_from_caller;
    char text[DIALOG_PIN_TEXT_MAX];
    struct slice given = slice_of((const char *)bytes, length);
    if (dialog_pin_read(given, &bearer, &secrets, &crypto, &pin, &is_from_caller) != DIALOG_PIN_VALID)
        return 0;
    MUST(is_from_caller && (pin.to_callee.level != LEVEL_UNSET || pin.to_caller.level != LEVEL_UNSET));
    size_t printed = dialog_pin_print(&pin, bearer.call_id, bearer.from_tag, &secrets.secrets[0], &crypto, text);
    if (printed == 0) /* flags that are longer in their usual form */
        return 0;
    MUST(dialog_pin_read(slice_of(text, printed), &bearer, &secrets, &crypto, &again, &is_from_caller) ==
        DIALOG_PIN_VALID);
    MUST(again.issued_at == pin.issued_at);
    check_part(&pin.to_callee, &again.to_callee);
    check_part(&pin.to_caller, &again.to_caller);
    return 0;
}
