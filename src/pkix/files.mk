# Sources of src/pkix, in libedge.
libedge_a_SOURCES += \
    src/pkix/digest.h src/pkix/digest.c \
    src/pkix/certificate.h src/pkix/certificate_private.h src/pkix/certificate.c src/pkix/certificate_facts.c \
    src/pkix/private_key.h src/pkix/private_key.c \
    src/pkix/trust_store.h src/pkix/trust_store_private.h src/pkix/trust_store.c \
    src/pkix/identity.h src/pkix/identity.c \
    src/pkix/rule_private.h src/pkix/rule.c src/pkix/rule_path.c \
    src/pkix/path_private.h src/pkix/path.c \
    src/pkix/verdict.h src/pkix/verdict.c \
    src/pkix/self_test.h src/pkix/self_test.c
