# Files of scripts for make dist.
EXTRA_DIST += scripts/build-wolfssl
