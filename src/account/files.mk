# Sources of src/account, in libedge.
libedge_a_SOURCES += \
    src/account/record.h \
    src/account/record_batch.h src/account/record_batch.c \
    src/account/record_row.h src/account/record_row.c
