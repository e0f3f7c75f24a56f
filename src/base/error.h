/* SPDX-License-Identifier: GPL-2.0-or-later */
/* error.h - the codes that fallible functions return: 0, or one of these, all negative.
 * The text that goes with a failure travels in struct why (base/why.h) and is logged once, at the edge.
 */
#ifndef TRELAY_BASE_ERROR_H
#define TRELAY_BASE_ERROR_H

/* name, value, what it means */
#define ERROR_LIST(X)                                                          \
    X(ERROR_MEMORY, -1, "out of memory")                                       \
    X(ERROR_SYNTAX, -2, "malformed input")                                     \
    X(ERROR_LIMIT, -3, "a limit was exceeded")                                 \
    X(ERROR_UNKNOWN_NAME, -4, "unknown name")                                  \
    X(ERROR_CONFLICT, -5, "contradicting settings")                            \
    X(ERROR_REFUSED, -6, "refused by policy")                                  \
    X(ERROR_NOT_FOUND, -7, "not found")                                        \
    X(ERROR_SYSTEM, -8, "a system call failed")                                \
    X(ERROR_TIMEOUT, -9, "timed out")                                          \
    X(ERROR_CLOSED, -10, "closed by the other side")                           \
    X(ERROR_TLS, -11, "TLS failed")                                            \
    X(ERROR_VERDICT, -12, "the peer's certificate was refused")                \
    X(ERROR_DATABASE, -13, "the database failed")                              \
    X(ERROR_STATE, -14, "not possible in this state")                          \
    X(ERROR_UNSUPPORTED, -15, "not supported")

enum error {
#define X(name, value, text) name = value,
    ERROR_LIST(X)
#undef X
};

/* The text of a code, "unknown error" for others; static. */
const char *error_text(int code);

#endif
