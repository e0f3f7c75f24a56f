# Sources of src/log, in libedge.
libedge_a_SOURCES += \
    src/log/event_name.h \
    src/log/log.h
