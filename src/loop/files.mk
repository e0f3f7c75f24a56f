# Sources of src/loop, in libedge.
libedge_a_SOURCES += \
    src/loop/timer_wheel.h \
    src/loop/loop.h \
    src/loop/mailbox.h \
    src/loop/thread.h
