# Sources of src/pkix, in libedge.
libedge_a_SOURCES += \
    src/pkix/digest.h \
    src/pkix/certificate.h \
    src/pkix/private_key.h \
    src/pkix/trust_store.h \
    src/pkix/identity.h \
    src/pkix/verdict.h \
    src/pkix/self_test.h
