# Sources of src/loop, in libedge.
libedge_a_SOURCES += \
    src/loop/loop_wheel.h src/loop/loop_wheel.c \
    src/loop/loop_private.h \
    src/loop/loop.h src/loop/loop.c \
    src/loop/loop_watch.c src/loop/loop_signal.c \
    src/loop/mailbox.h src/loop/mailbox.c \
    src/loop/thread.h src/loop/thread.c
