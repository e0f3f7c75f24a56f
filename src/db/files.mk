# Sources of src/db, in libedge.
libedge_a_SOURCES +=
