# Sources of src/log, in libedge.
libedge_a_SOURCES += \
    src/log/event_name.h src/log/event_name.c \
    src/log/log_limiter.h src/log/log_limiter.c \
    src/log/log_line.h src/log/log_line.c \
    src/log/log_sink.h src/log/log_sink.c \
    src/log/log.h src/log/log.c
