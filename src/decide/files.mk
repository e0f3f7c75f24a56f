# Sources of src/decide, in libpure.
libpure_a_SOURCES += \
    src/decide/requirement.h src/decide/requirement.c \
    src/decide/requirement_print.c \
    src/decide/dialog_rule.c \
    src/decide/dialog_pin.h src/decide/dialog_pin.c \
    src/decide/connection_key.h src/decide/connection_key.c \
    src/decide/decide.h src/decide/decide.c \
    src/decide/explain.h src/decide/explain.c
