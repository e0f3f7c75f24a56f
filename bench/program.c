/* SPDX-License-Identifier: GPL-2.0-or-later */
/* program.c - what the load programs share; see program.h. */
#include "program.h"

#include "base/integer.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

void program_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

uint64_t program_number(const char *text, uint64_t limit)
{
    uint64_t value;
    if (integer_parse(slice_of_string(text), limit, &value) != 0)
        program_fail("%s is not a number up to %llu", text, (unsigned long long)limit);
    return value;
}

struct sockaddr_in program_address(const char *text)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    struct slice whole = slice_of_string(text);
    size_t colon = slice_find(whole, ':', 0);
    char host[INET_ADDRSTRLEN];
    if (!slice_to_string(slice_first(whole, colon), host, sizeof(host)) ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1)
        program_fail("%s is not IPV4 or IPV4:PORT", text);
    if (colon < whole.length)
        address.sin_port = htons((uint16_t)program_number(text + colon + 1, UINT16_MAX));
    return address;
}

double program_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double program_cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void program_raise_file_limit(uint64_t count)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        program_fail("getrlimit failed");
    if (limit.rlim_max < count)
        limit.rlim_max = count;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        program_fail("%llu open files are not allowed here", (unsigned long long)count);
}
