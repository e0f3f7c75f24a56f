# Sources of src/base, in libpure.
libpure_a_SOURCES += \
    src/base/attributes.h \
    src/base/never.h \
    src/base/slice.h src/base/slice.c \
    src/base/buffer.h src/base/buffer.c \
    src/base/error.h src/base/error.c \
    src/base/why.h src/base/why.c \
    src/base/list.h \
    src/base/hash.h src/base/hash.c \
    src/base/table.h src/base/table.c \
    src/base/integer.h src/base/integer.c \
    src/base/siphash.h src/base/siphash.c \
    src/base/base64url.h src/base/base64url.c \
    src/base/address.h src/base/address.c \
    src/base/arena.h src/base/arena.c \
    src/base/slab.h src/base/slab.c
