/* SPDX-License-Identifier: GPL-2.0-or-later */
/* error.c - texts of the error codes; see error.h. */
#include "base/error.h"

const char *error_text(int code)
{
    switch (code) {
    case 0:
        return "success";
#define X(name, value, text) \
    case name:               \
        return text;
        ERROR_LIST(X)
#undef X
    default:
        return "unknown error";
    }
}
