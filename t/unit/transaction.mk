# Unit tests of src/transaction. Program t/NNN-name.t from t/unit/name.c.
