# Sources of src/control, in libedge.
libedge_a_SOURCES += \
    src/control/control.h src/control/control_private.h src/control/control.c \
    src/control/command.c src/control/explain_question.h src/control/explain_question.c src/control/control_explain.c src/control/control_probe.c src/control/ask.h src/control/ask.c
