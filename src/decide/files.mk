# Sources of src/decide, in libpure.
libpure_a_SOURCES += \
    src/decide/requirement.h \
    src/decide/connection_key.h \
    src/decide/decide.h
