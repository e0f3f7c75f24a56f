/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp_steering.c - the filter program; see udp_steering.h. */
#include "net/udp_steering.h"

#include "base/address.h"
#include "base/error.h"

#include <linux/filter.h>
#include <sys/socket.h>

/* Where the source address stands in the network header; SKF_NET_OFF makes the offset relative to that. */
enum { V4_SOURCE = 12, V6_SOURCE = 8, MULTIPLIER_SHIFT = 16 };
static const uint32_t MULTIPLIER = 2654435761u;

#define LOAD_WORD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + (offset)))
#define MIX_WORD(offset) \
    BPF_STMT(BPF_MISC | BPF_TAX, 0), LOAD_WORD(offset), BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0)
/* A = ((A * MULTIPLIER) >> 16) % count */
#define CHOOSE(count)                                         \
    BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, MULTIPLIER),          \
    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, MULTIPLIER_SHIFT),    \
    BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, (count)),             \
    BPF_STMT(BPF_RET | BPF_A, 0)

int udp_steering_attach(int fd, uint8_t family, uint32_t worker_count)
{
    struct sock_filter v4[] = { LOAD_WORD(V4_SOURCE), CHOOSE(worker_count) };
    struct sock_filter v6[] = { LOAD_WORD(V6_SOURCE), MIX_WORD(V6_SOURCE + 4), MIX_WORD(V6_SOURCE + 8),
        MIX_WORD(V6_SOURCE + 12), CHOOSE(worker_count) };
    struct sock_fprog program = { .len = ARRAY_SIZE(v4), .filter = v4 };
    if (family == ADDRESS_V6)
        program = (struct sock_fprog){ .len = ARRAY_SIZE(v6), .filter = v6 };
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) != 0)
        return ERROR_SYSTEM;
    return 0;
}
