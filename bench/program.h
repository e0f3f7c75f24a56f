/* SPDX-License-Identifier: GPL-2.0-or-later */
/* program.h - what the load programs share: ending with a reason, command line values, clocks. */
#ifndef TRELAY_BENCH_PROGRAM_H
#define TRELAY_BENCH_PROGRAM_H

#include "base/attributes.h"

#include <netinet/in.h>
#include <stdint.h>

/* Ends the program with status 2 and the text. */
_Noreturn void program_fail(const char *format, ...) PRINTF_LIKE(1, 2);

/* A number of the command line, at most LIMIT. */
uint64_t program_number(const char *text, uint64_t limit);

/* IPV4 or IPV4:PORT. */
struct sockaddr_in program_address(const char *text);

double program_now(void);         /* seconds, monotonic */
double program_cpu_seconds(void); /* user and system time of this process */

/* As many open files as the system lets us have, and at least COUNT. */
void program_raise_file_limit(uint64_t count);

#endif
