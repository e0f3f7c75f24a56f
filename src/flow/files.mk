# Sources of src/flow, in libedge.
libedge_a_SOURCES +=
