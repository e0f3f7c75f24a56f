# Sources of src/control, in libedge.
libedge_a_SOURCES +=
