# Sources of src/decide, in libpure.
libpure_a_SOURCES +=
