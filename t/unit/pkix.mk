# Unit tests of src/pkix. Program t/NNN-name.t from t/unit/name.c.
