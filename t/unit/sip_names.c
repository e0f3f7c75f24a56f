/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sip_names.c - names of methods, headers, transports, status codes and defects lead to their code and back. */
#include "sip_support.h"

#include "sip/defect.h"
#include "sip/header_name.h"
#include "sip/method.h"
#include "sip/status.h"
#include "sip/transport.h"

#include <ctype.h>
#include <stdio.h>

static const struct {
    enum sip_header_id id;
    const char *name;
    char compact;
} headers[] = {
#define X(id, name, compact) { id, name, compact },
    SIP_HEADER_LIST(X)
#undef X
};

static void header_names_are_found_in_any_case(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_SIZE(headers), SIP_HEADER_COUNT - 1);
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        char text[32];
        size_t length = strlen(headers[i].name);
        assert_true(length < sizeof(text));
        assert_int_equal(sip_header_id(slice_of_string(headers[i].name)), headers[i].id);
        assert_slice(sip_header_name(headers[i].id), headers[i].name);
        for (size_t at = 0; at < length; at++)
            text[at] = (char)toupper((unsigned char)headers[i].name[at]);
        assert_int_equal(sip_header_id(slice_of(text, length)), headers[i].id);
        for (size_t at = 0; at < length; at++)
            text[at] = (char)tolower((unsigned char)headers[i].name[at]);
        assert_int_equal(sip_header_id(slice_of(text, length)), headers[i].id);
        /* One byte more, one less, one other: unknown. */
        text[length] = 's';
        assert_int_equal(sip_header_id(slice_of(text, length + 1)), SIP_HEADER_OTHER);
        if (length > 2) {
            assert_int_equal(sip_header_id(slice_of(text, length - 1)), SIP_HEADER_OTHER);
        }
        text[length - 1] = '~';
        assert_int_equal(sip_header_id(slice_of(text, length)), SIP_HEADER_OTHER);
    }
}

static void compact_forms_are_the_registered_ones(void **state)
{
    (void)state;
    /* IANA: letter, long name. */
    static const char registered[][24] = { "aAccept-Contact", "bReferred-By", "cContent-Type", "dRequest-Disposition",
        "eContent-Encoding", "fFrom", "iCall-ID", "jReject-Contact", "kSupported", "lContent-Length", "mContact",
        "oEvent", "rRefer-To", "sSubject", "tTo", "uAllow-Events", "vVia", "xSession-Expires", "yIdentity" };
    unsigned compact = 0;
    for (size_t i = 0; i < ARRAY_SIZE(registered); i++) {
        char upper = (char)toupper((unsigned char)registered[i][0]);
        enum sip_header_id id = sip_header_id(slice_of_string(registered[i] + 1));
        assert_int_not_equal(id, SIP_HEADER_OTHER);
        assert_int_equal(sip_header_id(slice_of(registered[i], 1)), id);
        assert_int_equal(sip_header_id(slice_of(&upper, 1)), id);
    }
    for (int c = 0; c < 256; c++) {
        char letter = (char)c;
        compact += sip_header_id(slice_of(&letter, 1)) != SIP_HEADER_OTHER;
    }
    assert_int_equal(compact, 2 * ARRAY_SIZE(registered));
}

static void header_sets_hold_what_was_added(void **state)
{
    (void)state;
    for (unsigned added = 1; added < SIP_HEADER_COUNT; added++) {
        struct sip_header_set set = { { 0, 0 } };
        sip_header_set_add(&set, (enum sip_header_id)added);
        for (unsigned asked = 0; asked < SIP_HEADER_COUNT; asked++)
            assert_int_equal(sip_header_set_has(&set, (enum sip_header_id)asked), asked == added);
    }
    struct sip_header_set set = { { 0, 0 } };
    sip_header_set_add(&set, SIP_HEADER_OTHER);
    assert_false(sip_header_set_has(&set, SIP_HEADER_OTHER));
}

static void methods_are_case_sensitive(void **state)
{
    (void)state;
#define X(code, name)                                                                         \
    assert_int_equal(sip_method_from_name(SLICE_LITERAL(name)), code);                        \
    assert_string_equal(sip_method_name(code), name);                                         \
    assert_int_equal(sip_method_from_name(slice_of(name, sizeof(name) - 2)), SIP_METHOD_OTHER); \
    assert_int_equal(sip_method_from_name(SLICE_LITERAL(name "S")), SIP_METHOD_OTHER);
    SIP_METHOD_LIST(X)
#undef X
    assert_int_equal(sip_method_from_name(SLICE_LITERAL("invite")), SIP_METHOD_OTHER);
    assert_int_equal(sip_method_from_name(SLICE_LITERAL("NEWMETHOD")), SIP_METHOD_OTHER);
    assert_int_equal(sip_method_from_name(SLICE_LITERAL("")), SIP_METHOD_NONE);
    assert_string_equal(sip_method_name(SIP_METHOD_NONE), "NONE");
    assert_string_equal(sip_method_name(SIP_METHOD_OTHER), "OTHER");
}

static void transports_are_known_by_both_names(void **state)
{
    (void)state;
#define X(code, via, uri)                                                 \
    assert_int_equal(sip_transport_from_name(SLICE_LITERAL(via)), code);  \
    assert_int_equal(sip_transport_from_name(SLICE_LITERAL(uri)), code);  \
    assert_string_equal(sip_transport_via_name(code), via);               \
    assert_string_equal(sip_transport_uri_name(code), uri);
    SIP_TRANSPORT_LIST(X)
#undef X
    assert_int_equal(sip_transport_from_name(SLICE_ABSENT), SIP_TRANSPORT_NONE);
    assert_int_equal(sip_transport_from_name(SLICE_LITERAL("")), SIP_TRANSPORT_OTHER);
    assert_int_equal(sip_transport_from_name(SLICE_LITERAL("tls1")), SIP_TRANSPORT_OTHER);
    assert_true(sip_transport_is_tls(SIP_TRANSPORT_TLS));
    assert_false(sip_transport_is_tls(SIP_TRANSPORT_TCP));
    assert_false(sip_transport_is_tls(SIP_TRANSPORT_OTHER));
    assert_true(sip_transport_is_stream(SIP_TRANSPORT_TLS));
    assert_false(sip_transport_is_stream(SIP_TRANSPORT_UDP));
}

static void every_status_has_a_phrase(void **state)
{
    (void)state;
    for (unsigned status = 100; status <= 699; status++)
        assert_true(sip_status_phrase(status).length > 0);
    assert_slice(sip_status_phrase(100), "Trying");
    assert_slice(sip_status_phrase(416), "Unsupported URI Scheme");
    assert_slice(sip_status_phrase(513), "Message Too Large");
    assert_slice(sip_status_phrase(299), "Success");
    assert_slice(sip_status_phrase(699), "Global Failure");
}

static void every_defect_can_be_answered(void **state)
{
    (void)state;
    assert_int_equal(sip_defect_of(SIP_DEFECT_NONE).status, 0);
    for (unsigned code = 1; code < SIP_DEFECT_COUNT; code++) {
        struct sip_defect defect = sip_defect_of((enum sip_defect_code)code);
        assert_int_equal(defect.code, code);
        assert_true(defect.status >= 400 && defect.status < 600);
        assert_true(strlen(defect.text) > 0);
    }
    assert_int_equal(sip_defect_of(SIP_DEFECT_COUNT).code, SIP_DEFECT_NOT_SIP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_names_are_found_in_any_case),
        cmocka_unit_test(compact_forms_are_the_registered_ones),
        cmocka_unit_test(header_sets_hold_what_was_added),
        cmocka_unit_test(methods_are_case_sensitive),
        cmocka_unit_test(transports_are_known_by_both_names),
        cmocka_unit_test(every_status_has_a_phrase),
        cmocka_unit_test(every_defect_can_be_answered),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
