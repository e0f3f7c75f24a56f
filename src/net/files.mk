# Sources of src/net, in libedge.
libedge_a_SOURCES +=
