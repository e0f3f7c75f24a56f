# Unit tests of src/db. Program t/NNN-name.t from t/unit/name.c.
