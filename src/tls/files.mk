# Sources of src/tls, in libedge.
libedge_a_SOURCES += \
    src/tls/tls_alert.h \
    src/tls/client_hello.h \
    src/tls/tls_settings.h \
    src/tls/tls_credential.h \
    src/tls/tls_context.h \
    src/tls/tls_session.h \
    src/tls/tls_library.h
