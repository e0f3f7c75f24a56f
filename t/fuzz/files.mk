# Files of t/fuzz for make dist.
EXTRA_DIST += t/fuzz/certificate.c t/fuzz/certificate_anchor.h t/fuzz/dict/certificate.dict t/fuzz/corpus/certificate
EXTRA_DIST += t/fuzz/flags.c t/fuzz/dict/flags.dict t/fuzz/corpus/flags t/fuzz/connection_key.c \
    t/fuzz/corpus/connection_key
