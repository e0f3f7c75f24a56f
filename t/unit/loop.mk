# Unit tests of src/loop. Program t/NNN-name.t from t/unit/name.c.
