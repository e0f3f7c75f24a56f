# Unit tests of src/policy. Program t/NNN-name.t from t/unit/name.c.
