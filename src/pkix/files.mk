# Sources of src/pkix, in libedge.
libedge_a_SOURCES +=
