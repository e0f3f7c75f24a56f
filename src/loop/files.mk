# Sources of src/loop, in libedge.
libedge_a_SOURCES +=
