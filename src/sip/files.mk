# Sources of src/sip, in libpure.
libpure_a_SOURCES += \
    src/sip/limits.h \
    src/sip/defect.h \
    src/sip/transport.h \
    src/sip/method.h \
    src/sip/status.h \
    src/sip/header_name.h \
    src/sip/parameter.h \
    src/sip/host.h \
    src/sip/uri.h \
    src/sip/name_addr.h \
    src/sip/via.h \
    src/sip/cseq.h \
    src/sip/message.h \
    src/sip/framing.h \
    src/sip/validate.h \
    src/sip/compose.h
