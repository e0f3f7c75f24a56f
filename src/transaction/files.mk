# Sources of src/transaction, in libpure.
libpure_a_SOURCES += \
    src/transaction/step.h src/transaction/step.c src/transaction/step_private.h \
    src/transaction/invite_client.c \
    src/transaction/other_client.c \
    src/transaction/invite_server.c \
    src/transaction/other_server.c \
    src/transaction/timer_settings.h src/transaction/timer_settings.c \
    src/transaction/timer_wheel.h src/transaction/timer_wheel.c \
    src/transaction/handle.h src/transaction/handle.c \
    src/transaction/branch_id.h src/transaction/branch_id.c \
    src/transaction/transaction_key.h src/transaction/transaction_key.c \
    src/transaction/transaction_private.h src/transaction/transaction.c \
    src/transaction/server_transaction.h src/transaction/server_transaction.c \
    src/transaction/client_transaction.h src/transaction/client_transaction.c \
    src/transaction/best_response.h src/transaction/best_response.c \
    src/transaction/branch.c \
    src/transaction/response_context.h src/transaction/response_context.c \
    src/transaction/response_context_send.c \
    src/transaction/layer.h src/transaction/layer.c
