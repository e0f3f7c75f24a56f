/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socket_option.h - what every TCP socket of the relay is set to. */
#ifndef TRELAY_NET_SOCKET_OPTION_H
#define TRELAY_NET_SOCKET_OPTION_H

#include "base/attributes.h"

#include <stdint.h>

/* No delay of small writes, and keep-alive probes that find a dead peer within some minutes. Accepted sockets have
 * these from their listener. ERROR_SYSTEM, errno is set. */
int socket_set_tcp_options(int fd) MUST_CHECK;

/* A peer that acknowledges nothing for TIMEOUT_MS is given up; 0: the kernel's default. */
int socket_set_stall_timeout(int fd, uint32_t timeout_ms) MUST_CHECK;

#endif
