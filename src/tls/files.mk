# Sources of src/tls, in libedge.
libedge_a_SOURCES += \
    src/tls/tls_private.h src/tls/tls_wolfssl.h \
    src/tls/tls_alert.h src/tls/tls_alert.c \
    src/tls/client_hello.h src/tls/client_hello.c \
    src/tls/tls_settings.h src/tls/tls_settings.c \
    src/tls/tls_credential.h src/tls/tls_credential.c \
    src/tls/tls_context.h src/tls/tls_context.c src/tls/tls_context_cache.c \
    src/tls/tls_session.h src/tls/tls_session_private.h src/tls/tls_session.c \
    src/tls/tls_wire.c src/tls/tls_traffic.c \
    src/tls/tls_proof.c src/tls/tls_specimen.c src/tls/tls_self_check.c \
    src/tls/tls_library.h src/tls/tls_library.c
