# Sources of src/tls, in libedge.
libedge_a_SOURCES +=
