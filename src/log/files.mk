# Sources of src/log, in libedge.
libedge_a_SOURCES +=
