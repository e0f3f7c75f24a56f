/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp_steering.h - tells the kernel which of several sockets bound to one endpoint gets a datagram.
 * The program computes address_worker() of the source address (base/address.c): the two are one function in two
 * languages, and t/unit/net_udp.c compares them.
 */
#ifndef TRELAY_NET_UDP_STEERING_H
#define TRELAY_NET_UDP_STEERING_H

#include "base/attributes.h"

#include <stdint.h>

/* FD is any socket of the group; FAMILY an enum address_family. ERROR_SYSTEM, errno is set. */
int udp_steering_attach(int fd, uint8_t family, uint32_t worker_count) MUST_CHECK;

#endif
