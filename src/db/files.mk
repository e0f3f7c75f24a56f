# Sources of src/db, in libedge.
libedge_a_SOURCES += \
    src/db/database.h src/db/database.c src/db/database_private.h src/db/database_session.c \
    src/db/server_text.h src/db/server_text.c \
    src/db/record_store.h src/db/record_store.c \
    src/db/connection_store.h src/db/connection_store.c \
    src/db/node_report.h src/db/node_report.c \
    src/db/material_file.h src/db/material_file.c \
    src/db/policy_material.h src/db/policy_material.c \
    src/db/policy_rows.h src/db/policy_rows.c \
    src/db/policy_reading.h src/db/policy_reading.c \
    src/db/policy_load.h src/db/policy_load.c \
    src/db/database_service.h src/db/database_service.c
EXTRA_DIST += src/db/README
