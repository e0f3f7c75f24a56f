/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socket_address.h - endpoints as the kernel has them.
 * ::ffff:a.b.c.d becomes IPv4 on the way in (INV-11); the way out of an IPv4 endpoint is AF_INET.
 */
#ifndef TRELAY_NET_SOCKET_ADDRESS_H
#define TRELAY_NET_SOCKET_ADDRESS_H

#include "base/address.h"
#include "base/attributes.h"

#include <sys/socket.h>

/* The size of the result; 0 for an endpoint without an address. */
socklen_t socket_address_from_endpoint(const struct endpoint *endpoint, struct sockaddr_storage *out);

/* ERROR_UNSUPPORTED for families other than IPv4 and IPv6 and for short addresses. */
int socket_address_to_endpoint(const struct sockaddr *address, socklen_t size, struct endpoint *endpoint_r) MUST_CHECK;

/* Of a socket. ERROR_SYSTEM when the kernel does not tell, e.g. the peer of a broken connection. */
int socket_local_endpoint(int fd, struct endpoint *endpoint_r) MUST_CHECK;
int socket_peer_endpoint(int fd, struct endpoint *endpoint_r) MUST_CHECK;

#endif
