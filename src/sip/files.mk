# Sources of src/sip, in libpure.
libpure_a_SOURCES += \
    src/sip/limits.h \
    src/sip/character.h \
    src/sip/defect.h src/sip/defect.c \
    src/sip/transport.h src/sip/transport.c \
    src/sip/method.h src/sip/method.c \
    src/sip/status.h src/sip/status.c \
    src/sip/header_name.h src/sip/header_name.c \
    src/sip/parameter.h src/sip/parameter.c \
    src/sip/host.h src/sip/host.c \
    src/sip/uri.h src/sip/uri.c src/sip/uri_form.c \
    src/sip/name_addr.h src/sip/name_addr.c \
    src/sip/via.h src/sip/via.c \
    src/sip/cseq.h src/sip/cseq.c \
    src/sip/line.h src/sip/line.c \
    src/sip/message.h src/sip/message.c \
    src/sip/message_private.h src/sip/message_build.c \
    src/sip/message_header.c src/sip/message_parse.c src/sip/message_salvage.c \
    src/sip/framing.h src/sip/framing.c \
    src/sip/validate.h src/sip/validate.c \
    src/sip/splice.h src/sip/splice.c \
    src/sip/compose.h src/sip/compose_request.c src/sip/compose_response.c src/sip/compose_hop.c
