# Unit tests of src/tls. Program t/NNN-name.t from t/unit/name.c.
