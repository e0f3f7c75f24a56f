# Sources of src/policy, in libpure.
libpure_a_SOURCES +=
