/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socket_address.c - endpoints as the kernel has them; see socket_address.h. */
#include "net/socket_address.h"

#include "base/error.h"

#include <netinet/in.h>
#include <string.h>

socklen_t socket_address_from_endpoint(const struct endpoint *endpoint, struct sockaddr_storage *out)
{
    const struct address *address = &endpoint->address;
    *out = (struct sockaddr_storage){ .ss_family = AF_UNSPEC };
    if (address->family == ADDRESS_V4) {
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(endpoint->port) };
        memcpy(&v4.sin_addr, address->bytes, sizeof(v4.sin_addr));
        memcpy(out, &v4, sizeof(v4));
        return sizeof(v4);
    }
    if (address->family == ADDRESS_V6) {
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(endpoint->port),
            .sin6_scope_id = address->scope };
        memcpy(&v6.sin6_addr, address->bytes, sizeof(v6.sin6_addr));
        memcpy(out, &v6, sizeof(v6));
        return sizeof(v6);
    }
    return 0;
}

int socket_address_to_endpoint(const struct sockaddr *address, socklen_t size, struct endpoint *endpoint_r)
{
    if (size >= sizeof(struct sockaddr_in) && address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        uint8_t bytes[4];
        memcpy(bytes, &v4.sin_addr, sizeof(bytes));
        *endpoint_r = (struct endpoint){ .address = address_v4(bytes), .port = ntohs(v4.sin_port) };
        return 0;
    }
    if (size >= sizeof(struct sockaddr_in6) && address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        *endpoint_r = (struct endpoint){ .address = address_v6(v6.sin6_addr.s6_addr, v6.sin6_scope_id),
            .port = ntohs(v6.sin6_port) };
        return 0;
    }
    return ERROR_UNSUPPORTED;
}

int socket_local_endpoint(int fd, struct endpoint *endpoint_r)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return ERROR_SYSTEM;
    return socket_address_to_endpoint((struct sockaddr *)&address, size, endpoint_r);
}

int socket_peer_endpoint(int fd, struct endpoint *endpoint_r)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    if (getpeername(fd, (struct sockaddr *)&address, &size) != 0)
        return ERROR_SYSTEM;
    return socket_address_to_endpoint((struct sockaddr *)&address, size, endpoint_r);
}
