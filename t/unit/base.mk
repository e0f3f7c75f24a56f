# Unit tests of src/base. Program t/NNN-name.t from t/unit/name.c.
