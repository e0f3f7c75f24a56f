# Unit tests of src/sip. Program t/NNN-name.t from t/unit/name.c.
SIP_TEST_SUPPORT = t/unit/sip_support.c t/unit/sip_support.h

check_PROGRAMS += \
    t/110-sip-names-lead-to-codes.t \
    t/111-sip-uri-and-host.t \
    t/112-sip-header-values.t \
    t/113-sip-message-is-indexed.t \
    t/114-sip-framing-split-anywhere.t \
    t/115-sip-torture-messages.t \
    t/116-sip-splices-leave-the-rest-untouched.t \
    t/117-sip-memory-runs-out.t \
    t/118-sip-round-trips.t \
    t/120-sip-seldom-input.t

t_110_sip_names_lead_to_codes_t_SOURCES = t/unit/sip_names.c $(SIP_TEST_SUPPORT)
t_110_sip_names_lead_to_codes_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_110_sip_names_lead_to_codes_t_LDADD = $(PURE_TEST_LIBS)

t_111_sip_uri_and_host_t_SOURCES = t/unit/sip_uri.c $(SIP_TEST_SUPPORT)
t_111_sip_uri_and_host_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_111_sip_uri_and_host_t_LDADD = $(PURE_TEST_LIBS)

t_112_sip_header_values_t_SOURCES = t/unit/sip_values.c $(SIP_TEST_SUPPORT)
t_112_sip_header_values_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_112_sip_header_values_t_LDADD = $(PURE_TEST_LIBS)

t_113_sip_message_is_indexed_t_SOURCES = t/unit/sip_message.c $(SIP_TEST_SUPPORT)
t_113_sip_message_is_indexed_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_113_sip_message_is_indexed_t_LDADD = $(PURE_TEST_LIBS)

t_114_sip_framing_split_anywhere_t_SOURCES = t/unit/sip_framing.c $(SIP_TEST_SUPPORT)
t_114_sip_framing_split_anywhere_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_114_sip_framing_split_anywhere_t_LDADD = $(PURE_TEST_LIBS)

t_115_sip_torture_messages_t_SOURCES = t/unit/sip_torture.c $(SIP_TEST_SUPPORT)
t_115_sip_torture_messages_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_115_sip_torture_messages_t_LDADD = $(PURE_TEST_LIBS)

t_116_sip_splices_leave_the_rest_untouched_t_SOURCES = t/unit/sip_compose.c $(SIP_TEST_SUPPORT)
t_116_sip_splices_leave_the_rest_untouched_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_116_sip_splices_leave_the_rest_untouched_t_LDADD = $(PURE_TEST_LIBS)

t_117_sip_memory_runs_out_t_SOURCES = t/unit/sip_memory.c t/unit/refused_memory.h $(SIP_TEST_SUPPORT)
t_117_sip_memory_runs_out_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_117_sip_memory_runs_out_t_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
t_117_sip_memory_runs_out_t_LDADD = $(PURE_TEST_LIBS)

t_118_sip_round_trips_t_SOURCES = t/unit/sip_round_trip.c $(SIP_TEST_SUPPORT)
t_118_sip_round_trips_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_118_sip_round_trips_t_LDADD = $(PURE_TEST_LIBS)

t_120_sip_seldom_input_t_SOURCES = t/unit/sip_seldom.c $(SIP_TEST_SUPPORT)
t_120_sip_seldom_input_t_CPPFLAGS = $(UNIT_CPPFLAGS)
t_120_sip_seldom_input_t_LDADD = $(PURE_TEST_LIBS)

if HAVE_OSIP
check_PROGRAMS += t/119-sip-agrees-with-another-parser.t
t_119_sip_agrees_with_another_parser_t_SOURCES = t/unit/sip_differential.c $(SIP_TEST_SUPPORT)
t_119_sip_agrees_with_another_parser_t_CPPFLAGS = $(UNIT_CPPFLAGS) $(OSIP_CFLAGS)
t_119_sip_agrees_with_another_parser_t_LDADD = $(PURE_TEST_LIBS) $(OSIP_LIBS)
endif
