# Sources of src/relay, in libedge.
libedge_a_SOURCES +=
