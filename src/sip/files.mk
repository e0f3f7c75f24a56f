# Sources of src/sip, in libpure.
libpure_a_SOURCES +=
