# Unit tests of src/decide. Program t/NNN-name.t from t/unit/name.c.
