# Unit tests of src/sip. Program t/NNN-name.t from t/unit/name.c.
