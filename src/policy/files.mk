# Sources of src/policy, in libpure.
libpure_a_SOURCES += \
    src/policy/reason.h src/policy/reason.c \
    src/policy/level.h src/policy/level.c \
    src/policy/verdict.h
