# Sources of src/daemon, in libedge.
libedge_a_SOURCES +=
