# Files of t/fuzz for make dist.
EXTRA_DIST += t/fuzz/certificate.c t/fuzz/certificate_anchor.h t/fuzz/dict/certificate.dict t/fuzz/corpus/certificate
