/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transaction_machines.c - rule: each cell of the four tables is what RFC 3261 17 with RFC 6026 and 4320 says.
 * The expectation below was written from the figures of the RFCs. It must name every event in every state of every
 * machine once; what is missing fails, and what stands there twice fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/attributes.h"
#include "base/slice.h"
#include "transaction/step.h"

#include <stdio.h>
#include <string.h>

struct expectation {
    enum machine machine;
    enum transaction_state state;
    const char *events;  /* words of EVENT_LIST */
    const char *next;    /* word of STATE_LIST; "-": illegal */
    const char *actions; /* names of ACTION_LIST in order */
};

#define SERVER_EVENTS "request ack user-1xx user-2xx user-failure "
#define SERVER_TIMERS "timer-g timer-h timer-i timer-j timer-l timer-100 "
#define CLIENT_EVENTS "placed response-1xx response-2xx response-failure "
#define OTHER_CLIENT_TIMERS "timer-a timer-b timer-d timer-e timer-k timer-m "
#define CLIENT_TIMERS OTHER_CLIENT_TIMERS "timer-f "
#define COMMON_EVENTS "user-drop transport-error "
#define ALL_EVENTS SERVER_EVENTS SERVER_TIMERS CLIENT_EVENTS CLIENT_TIMERS COMMON_EVENTS

static const struct expectation expectations[] = {
    /* ---- INVITE client, figure 5 of RFC 3261 with figure 6 of RFC 6026 ---- */
    { MACHINE_INVITE_CLIENT, STATE_INITIAL, "placed", "calling", "START_A START_B" },
    { MACHINE_INVITE_CLIENT, STATE_INITIAL, "transport-error", "terminated", "TELL_ERROR" },
    { MACHINE_INVITE_CLIENT, STATE_INITIAL, "user-drop", "terminated", "" },
    { MACHINE_INVITE_CLIENT, STATE_INITIAL,
        "response-1xx response-2xx response-failure " CLIENT_TIMERS SERVER_EVENTS SERVER_TIMERS, "-", "" },

    { MACHINE_INVITE_CLIENT, STATE_CALLING, "response-1xx", "proceeding", "STOP_REPEAT STOP_TIMEOUT PASS" },
    { MACHINE_INVITE_CLIENT, STATE_CALLING, "response-2xx", "accepted", "STOP_REPEAT STOP_TIMEOUT PASS START_M" },
    { MACHINE_INVITE_CLIENT, STATE_CALLING, "response-failure", "completed",
        "STOP_REPEAT STOP_TIMEOUT PASS SEND_ACK START_D" },
    { MACHINE_INVITE_CLIENT, STATE_CALLING, "timer-a", "calling", "RESEND START_A" },
    { MACHINE_INVITE_CLIENT, STATE_CALLING, "timer-b", "terminated", "TELL_TIMEOUT" },
    { MACHINE_INVITE_CLIENT, STATE_CALLING, "transport-error", "terminated", "TELL_ERROR" },
    { MACHINE_INVITE_CLIENT, STATE_CALLING, "user-drop", "terminated", "" },
    { MACHINE_INVITE_CLIENT, STATE_CALLING,
        "placed timer-d timer-e timer-f timer-k timer-m " SERVER_EVENTS SERVER_TIMERS, "-", "" },

    { MACHINE_INVITE_CLIENT, STATE_PROCEEDING, "response-1xx", "proceeding", "PASS" },
    { MACHINE_INVITE_CLIENT, STATE_PROCEEDING, "response-2xx", "accepted", "PASS START_M" },
    { MACHINE_INVITE_CLIENT, STATE_PROCEEDING, "response-failure", "completed", "PASS SEND_ACK START_D" },
    { MACHINE_INVITE_CLIENT, STATE_PROCEEDING, "transport-error", "proceeding", "" },
    { MACHINE_INVITE_CLIENT, STATE_PROCEEDING, "user-drop", "terminated", "" },
    { MACHINE_INVITE_CLIENT, STATE_PROCEEDING, "placed " CLIENT_TIMERS SERVER_EVENTS SERVER_TIMERS, "-", "" },

    { MACHINE_INVITE_CLIENT, STATE_COMPLETED, "response-failure", "completed", "SEND_ACK" },
    { MACHINE_INVITE_CLIENT, STATE_COMPLETED, "response-1xx response-2xx", "completed", "" },
    { MACHINE_INVITE_CLIENT, STATE_COMPLETED, "timer-d", "terminated", "" },
    { MACHINE_INVITE_CLIENT, STATE_COMPLETED, "transport-error", "terminated", "TELL_ERROR" },
    { MACHINE_INVITE_CLIENT, STATE_COMPLETED,
        "placed user-drop timer-a timer-b timer-e timer-f timer-k timer-m " SERVER_EVENTS SERVER_TIMERS, "-", "" },

    { MACHINE_INVITE_CLIENT, STATE_ACCEPTED, "response-2xx", "accepted", "PASS" },
    { MACHINE_INVITE_CLIENT, STATE_ACCEPTED, "response-1xx response-failure transport-error", "accepted", "" },
    { MACHINE_INVITE_CLIENT, STATE_ACCEPTED, "timer-m", "terminated", "" },
    { MACHINE_INVITE_CLIENT, STATE_ACCEPTED,
        "placed user-drop timer-a timer-b timer-d timer-e timer-f timer-k " SERVER_EVENTS SERVER_TIMERS, "-", "" },

    { MACHINE_INVITE_CLIENT, STATE_TRYING, ALL_EVENTS, "-", "" },
    { MACHINE_INVITE_CLIENT, STATE_CONFIRMED, ALL_EVENTS, "-", "" },
    { MACHINE_INVITE_CLIENT, STATE_TERMINATED, ALL_EVENTS, "-", "" },

    /* ---- other client, figure 6 of RFC 3261 ---- */
    { MACHINE_OTHER_CLIENT, STATE_INITIAL, "placed", "trying", "START_E START_F" },
    { MACHINE_OTHER_CLIENT, STATE_INITIAL, "transport-error", "terminated", "TELL_ERROR" },
    { MACHINE_OTHER_CLIENT, STATE_INITIAL, "user-drop", "terminated", "" },
    { MACHINE_OTHER_CLIENT, STATE_INITIAL,
        "response-1xx response-2xx response-failure " CLIENT_TIMERS SERVER_EVENTS SERVER_TIMERS, "-", "" },

    { MACHINE_OTHER_CLIENT, STATE_TRYING, "response-1xx", "proceeding", "PASS" },
    { MACHINE_OTHER_CLIENT, STATE_TRYING, "response-2xx response-failure", "completed",
        "STOP_REPEAT STOP_TIMEOUT PASS START_K" },
    { MACHINE_OTHER_CLIENT, STATE_TRYING, "timer-e", "trying", "RESEND START_E" },
    { MACHINE_OTHER_CLIENT, STATE_TRYING, "timer-f", "terminated", "TELL_TIMEOUT" },
    { MACHINE_OTHER_CLIENT, STATE_TRYING, "transport-error", "terminated", "TELL_ERROR" },
    { MACHINE_OTHER_CLIENT, STATE_TRYING, "user-drop", "terminated", "" },
    { MACHINE_OTHER_CLIENT, STATE_TRYING,
        "placed timer-a timer-b timer-d timer-k timer-m " SERVER_EVENTS SERVER_TIMERS, "-", "" },

    { MACHINE_OTHER_CLIENT, STATE_PROCEEDING, "response-1xx", "proceeding", "PASS" },
    { MACHINE_OTHER_CLIENT, STATE_PROCEEDING, "response-2xx response-failure", "completed",
        "STOP_REPEAT STOP_TIMEOUT PASS START_K" },
    { MACHINE_OTHER_CLIENT, STATE_PROCEEDING, "timer-e", "proceeding", "RESEND START_E" },
    { MACHINE_OTHER_CLIENT, STATE_PROCEEDING, "timer-f", "terminated", "TELL_TIMEOUT" },
    { MACHINE_OTHER_CLIENT, STATE_PROCEEDING, "transport-error", "terminated", "TELL_ERROR" },
    { MACHINE_OTHER_CLIENT, STATE_PROCEEDING, "user-drop", "terminated", "" },
    { MACHINE_OTHER_CLIENT, STATE_PROCEEDING,
        "placed timer-a timer-b timer-d timer-k timer-m " SERVER_EVENTS SERVER_TIMERS, "-", "" },

    { MACHINE_OTHER_CLIENT, STATE_COMPLETED, "response-1xx response-2xx response-failure transport-error",
        "completed", "" },
    { MACHINE_OTHER_CLIENT, STATE_COMPLETED, "timer-k user-drop", "terminated", "" },
    { MACHINE_OTHER_CLIENT, STATE_COMPLETED,
        "placed timer-a timer-b timer-d timer-e timer-f timer-m " SERVER_EVENTS SERVER_TIMERS, "-", "" },

    { MACHINE_OTHER_CLIENT, STATE_CALLING, ALL_EVENTS, "-", "" },
    { MACHINE_OTHER_CLIENT, STATE_CONFIRMED, ALL_EVENTS, "-", "" },
    { MACHINE_OTHER_CLIENT, STATE_ACCEPTED, ALL_EVENTS, "-", "" },
    { MACHINE_OTHER_CLIENT, STATE_TERMINATED, ALL_EVENTS, "-", "" },

    /* ---- INVITE server, figure 7 of RFC 3261 with figure 7 of RFC 6026 ---- */
    { MACHINE_INVITE_SERVER, STATE_INITIAL, "request", "proceeding", "PASS START_100" },
    { MACHINE_INVITE_SERVER, STATE_INITIAL,
        "ack user-1xx user-2xx user-failure " SERVER_TIMERS CLIENT_EVENTS CLIENT_TIMERS COMMON_EVENTS, "-", "" },

    { MACHINE_INVITE_SERVER, STATE_PROCEEDING, "request", "proceeding", "RESEND" },
    { MACHINE_INVITE_SERVER, STATE_PROCEEDING, "ack transport-error", "proceeding", "" },
    { MACHINE_INVITE_SERVER, STATE_PROCEEDING, "user-1xx", "proceeding", "STOP_REPEAT SEND" },
    { MACHINE_INVITE_SERVER, STATE_PROCEEDING, "user-2xx", "accepted", "STOP_REPEAT SEND START_L" },
    { MACHINE_INVITE_SERVER, STATE_PROCEEDING, "user-failure", "completed", "STOP_REPEAT SEND START_G START_H" },
    { MACHINE_INVITE_SERVER, STATE_PROCEEDING, "user-drop", "terminated", "" },
    { MACHINE_INVITE_SERVER, STATE_PROCEEDING, "timer-100", "proceeding", "STOP_REPEAT SEND_100" },
    { MACHINE_INVITE_SERVER, STATE_PROCEEDING,
        "timer-g timer-h timer-i timer-j timer-l " CLIENT_EVENTS CLIENT_TIMERS, "-", "" },

    { MACHINE_INVITE_SERVER, STATE_COMPLETED, "request", "completed", "RESEND" },
    { MACHINE_INVITE_SERVER, STATE_COMPLETED, "ack", "confirmed", "STOP_REPEAT STOP_TIMEOUT START_I" },
    { MACHINE_INVITE_SERVER, STATE_COMPLETED, "timer-g", "completed", "RESEND START_G" },
    { MACHINE_INVITE_SERVER, STATE_COMPLETED, "timer-h", "terminated", "TELL_TIMEOUT" },
    { MACHINE_INVITE_SERVER, STATE_COMPLETED, "transport-error", "completed", "" },
    { MACHINE_INVITE_SERVER, STATE_COMPLETED,
        "user-1xx user-2xx user-failure user-drop timer-i timer-j timer-l timer-100 " CLIENT_EVENTS CLIENT_TIMERS,
        "-", "" },

    { MACHINE_INVITE_SERVER, STATE_CONFIRMED, "request ack transport-error", "confirmed", "" },
    { MACHINE_INVITE_SERVER, STATE_CONFIRMED, "timer-i", "terminated", "" },
    { MACHINE_INVITE_SERVER, STATE_CONFIRMED,
        "user-1xx user-2xx user-failure user-drop timer-g timer-h timer-j timer-l timer-100 "
        CLIENT_EVENTS CLIENT_TIMERS, "-", "" },

    { MACHINE_INVITE_SERVER, STATE_ACCEPTED, "request transport-error", "accepted", "" },
    { MACHINE_INVITE_SERVER, STATE_ACCEPTED, "ack", "accepted", "PASS" },
    { MACHINE_INVITE_SERVER, STATE_ACCEPTED, "user-2xx", "accepted", "SEND" },
    { MACHINE_INVITE_SERVER, STATE_ACCEPTED, "timer-l", "terminated", "" },
    { MACHINE_INVITE_SERVER, STATE_ACCEPTED,
        "user-1xx user-failure user-drop timer-g timer-h timer-i timer-j timer-100 " CLIENT_EVENTS CLIENT_TIMERS,
        "-", "" },

    { MACHINE_INVITE_SERVER, STATE_CALLING, ALL_EVENTS, "-", "" },
    { MACHINE_INVITE_SERVER, STATE_TRYING, ALL_EVENTS, "-", "" },
    { MACHINE_INVITE_SERVER, STATE_TERMINATED, ALL_EVENTS, "-", "" },

    /* ---- other server, figure 8 of RFC 3261; Timer F by RFC 4320 4.2 ---- */
    { MACHINE_OTHER_SERVER, STATE_INITIAL, "request", "trying", "PASS START_F START_100" },
    { MACHINE_OTHER_SERVER, STATE_INITIAL,
        "ack user-1xx user-2xx user-failure " SERVER_TIMERS CLIENT_EVENTS CLIENT_TIMERS COMMON_EVENTS, "-", "" },

    { MACHINE_OTHER_SERVER, STATE_TRYING, "request transport-error", "trying", "" },
    { MACHINE_OTHER_SERVER, STATE_TRYING, "user-1xx", "proceeding", "STOP_REPEAT SEND" },
    { MACHINE_OTHER_SERVER, STATE_TRYING, "user-2xx user-failure", "completed",
        "STOP_REPEAT STOP_TIMEOUT SEND START_J" },
    { MACHINE_OTHER_SERVER, STATE_TRYING, "user-drop", "terminated", "" },
    { MACHINE_OTHER_SERVER, STATE_TRYING, "timer-100", "proceeding", "STOP_REPEAT SEND_100" },
    { MACHINE_OTHER_SERVER, STATE_TRYING, "timer-f", "terminated", "TELL_TIMEOUT" },
    { MACHINE_OTHER_SERVER, STATE_TRYING,
        "ack timer-g timer-h timer-i timer-j timer-l " CLIENT_EVENTS OTHER_CLIENT_TIMERS, "-", "" },

    { MACHINE_OTHER_SERVER, STATE_PROCEEDING, "request", "proceeding", "RESEND" },
    { MACHINE_OTHER_SERVER, STATE_PROCEEDING, "user-1xx", "proceeding", "SEND" },
    { MACHINE_OTHER_SERVER, STATE_PROCEEDING, "user-2xx user-failure", "completed", "STOP_TIMEOUT SEND START_J" },
    { MACHINE_OTHER_SERVER, STATE_PROCEEDING, "timer-f", "terminated", "TELL_TIMEOUT" },
    { MACHINE_OTHER_SERVER, STATE_PROCEEDING, "user-drop", "terminated", "" },
    { MACHINE_OTHER_SERVER, STATE_PROCEEDING, "transport-error", "terminated", "TELL_ERROR" },
    { MACHINE_OTHER_SERVER, STATE_PROCEEDING, "ack " SERVER_TIMERS CLIENT_EVENTS OTHER_CLIENT_TIMERS, "-", "" },

    { MACHINE_OTHER_SERVER, STATE_COMPLETED, "request", "completed", "RESEND" },
    { MACHINE_OTHER_SERVER, STATE_COMPLETED, "user-2xx user-failure", "completed", "" },
    { MACHINE_OTHER_SERVER, STATE_COMPLETED, "timer-j", "terminated", "" },
    { MACHINE_OTHER_SERVER, STATE_COMPLETED, "transport-error", "terminated", "TELL_ERROR" },
    { MACHINE_OTHER_SERVER, STATE_COMPLETED,
        "ack user-1xx user-drop timer-g timer-h timer-i timer-l timer-100 " CLIENT_EVENTS CLIENT_TIMERS, "-", "" },

    { MACHINE_OTHER_SERVER, STATE_CALLING, ALL_EVENTS, "-", "" },
    { MACHINE_OTHER_SERVER, STATE_CONFIRMED, ALL_EVENTS, "-", "" },
    { MACHINE_OTHER_SERVER, STATE_ACCEPTED, ALL_EVENTS, "-", "" },
    { MACHINE_OTHER_SERVER, STATE_TERMINATED, ALL_EVENTS, "-", "" },
};

/* WORD is one of the blank-separated words of TEXT. */
static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += length)
        if ((at == text || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static void print_actions(uint32_t actions, char *out, size_t size)
{
    out[0] = '\0';
    uint32_t known = 0;
#define X(name, bit)                                                                  \
    if ((actions & ACTION_##name) != 0) {                                             \
        size_t used = strlen(out);                                                    \
        snprintf(out + used, size - used, "%s%s", used != 0 ? " " : "", #name);       \
    }                                                                                 \
    known |= ACTION_##name;
    ACTION_LIST(X)
#undef X
    assert_int_equal(actions & ~known, 0);
}

/* The one expectation of a cell; anything but one fails. */
static const struct expectation *expected(enum machine machine, enum transaction_state state,
    enum transaction_event event)
{
    const struct expectation *found = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(expectations); i++) {
        const struct expectation *e = &expectations[i];
        if (e->machine != machine || e->state != state || !has_word(e->events, transaction_event_name(event)))
            continue;
        if (found != NULL)
            fail_msg("%s, %s, %s: stands twice in the expectation", machine_name(machine),
                transaction_state_name(state), transaction_event_name(event));
        found = e;
    }
    if (found == NULL)
        fail_msg("%s, %s, %s: missing from the expectation", machine_name(machine), transaction_state_name(state),
            transaction_event_name(event));
    return found;
}

static void check_machine(enum machine machine)
{
    for (unsigned state = STATE_NONE + 1; state < STATE_COUNT; state++) {
        for (unsigned event = EVENT_NONE + 1; event < EVENT_COUNT; event++) {
            const struct expectation *want = expected(machine, state, event);
            struct step got = machine_step(machine, state, event);
            char actions[400], where[200];
            print_actions(got.actions, actions, sizeof(actions));
            const char *next = got.next == STATE_NONE ? "-" : transaction_state_name(got.next);
            snprintf(where, sizeof(where), "%s, %s, %s: ", machine_name(machine), transaction_state_name(state),
                transaction_event_name(event));
            if (strcmp(next, want->next) != 0 || strcmp(actions, want->actions) != 0)
                fail_msg("%s%s [%s], expected %s [%s]", where, next, actions, want->next, want->actions);
        }
    }
}

static void test_invite_client(void **state)
{
    (void)state;
    check_machine(MACHINE_INVITE_CLIENT);
}

static void test_other_client(void **state)
{
    (void)state;
    check_machine(MACHINE_OTHER_CLIENT);
}

static void test_invite_server(void **state)
{
    (void)state;
    check_machine(MACHINE_INVITE_SERVER);
}

static void test_other_server(void **state)
{
    (void)state;
    check_machine(MACHINE_OTHER_SERVER);
}

/* Every word of the expectation is one of the lists: a misspelt one would expect nothing. */
static void test_expectation_is_spelt_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(expectations); i++) {
        struct slice rest = slice_of_string(expectations[i].events);
        while (rest.length > 0) {
            struct slice word = slice_first(rest, slice_find(rest, ' ', 0));
            rest = slice_from(rest, word.length + 1);
            bool is_known = false;
            for (unsigned event = EVENT_NONE + 1; event < EVENT_COUNT; event++)
                is_known |= slice_equal(word, slice_of_string(transaction_event_name(event)));
            if (!is_known)
                fail_msg("unknown event %.*s", SLICE_PRINT(word));
        }
    }
}

/* Nothing but the lists is legal, whatever number comes in. */
static void test_steps_are_total(void **state)
{
    (void)state;
    for (unsigned machine = 0; machine <= MACHINE_COUNT + 1; machine++) {
        for (unsigned s = 0; s <= STATE_COUNT + 1; s++) {
            for (unsigned event = 0; event <= EVENT_COUNT + 1; event++) {
                if (machine > MACHINE_NONE && machine < MACHINE_COUNT && s > STATE_NONE && s < STATE_COUNT &&
                    event > EVENT_NONE && event < EVENT_COUNT)
                    continue;
                struct step step = machine_step(machine, s, event);
                assert_int_equal(step.next, STATE_NONE);
                assert_int_equal(step.actions, 0);
            }
        }
    }
    assert_string_equal(machine_name(MACHINE_NONE), "none");
    assert_string_equal(machine_name(MACHINE_COUNT), "none");
    assert_string_equal(transaction_state_name(STATE_NONE), "none");
    assert_string_equal(transaction_state_name((enum transaction_state)-1), "none");
    assert_string_equal(transaction_event_name(EVENT_COUNT), "none");
    assert_string_equal(transaction_event_name(EVENT_TIMER_100), "timer-100");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expectation_is_spelt_right),
        cmocka_unit_test(test_invite_client),
        cmocka_unit_test(test_other_client),
        cmocka_unit_test(test_invite_server),
        cmocka_unit_test(test_other_server),
        cmocka_unit_test(test_steps_are_total),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
