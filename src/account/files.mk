# Sources of src/account, in libedge.
libedge_a_SOURCES +=
