/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socket_option.c - options of TCP sockets; see socket_option.h. */
#include "net/socket_option.h"

#include "base/error.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>

int socket_set_tcp_options(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        { IPPROTO_TCP, TCP_NODELAY, 1 },
        { SOL_SOCKET, SO_KEEPALIVE, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, 120 }, /* seconds without traffic */
        { IPPROTO_TCP, TCP_KEEPINTVL, 30 },
        { IPPROTO_TCP, TCP_KEEPCNT, 4 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value)) != 0)
            return ERROR_SYSTEM;
    return 0;
}

int socket_set_stall_timeout(int fd, uint32_t timeout_ms)
{
    unsigned value = timeout_ms;
    if (timeout_ms > 0 && setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof(value)) != 0)
        return ERROR_SYSTEM;
    return 0;
}
