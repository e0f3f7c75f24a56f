# Sources of src/transaction, in libpure.
libpure_a_SOURCES +=
