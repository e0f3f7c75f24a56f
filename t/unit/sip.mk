# Unit tests of src/sip. Program t/NNN-name.t from t/unit/name.c.
SIP_TEST_SUPPORT = t/unit/sip_support.c t/unit/sip_support.h

check_PROGRAMS += \
    t/110-sip-names-lead-to-codes.t \
    t/111-sip-uri-and-host.t \
    t/112-sip-header-values.t \
    t/113-sip-message-is-indexed.t \
    t/114-sip-framing-split-anywhere.t

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
