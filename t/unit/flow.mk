# Unit tests of src/flow. Program t/NNN-name.t from t/unit/name.c.
