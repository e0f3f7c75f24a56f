# Unit tests of src/net. Program t/NNN-name.t from t/unit/name.c.
