# Sources of src/transaction, in libpure.
libpure_a_SOURCES += \
    src/transaction/step.h \
    src/transaction/timer_settings.h \
    src/transaction/timer_wheel.h \
    src/transaction/handle.h \
    src/transaction/branch_id.h \
    src/transaction/transaction_key.h \
    src/transaction/server_transaction.h \
    src/transaction/client_transaction.h \
    src/transaction/response_context.h \
    src/transaction/layer.h
