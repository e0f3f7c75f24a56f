/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tlschurn.c - many TLS connections: one after the other, or all held open. See usage and README.
 * churn: each process connects, shakes hands in full, sends one OPTIONS, awaits 200, closes; -d seconds long.
 * idle:  opens -n connections, one OPTIONS on each, prints a line, keeps them until its input ends.
 */
#include "program.h"
#include "tls_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char usage[] = "usage: tlschurn churn -d SECONDS [-j PROCESSES] [-r RATE] COMMON\n"
                            "       tlschurn idle -n CONNECTIONS COMMON\n"
                            "COMMON: -t IP:PORT -f FROM_IP [-c CHAIN -k KEY -a AUTHORITY] [-v 1.2|1.3]\n"
                            "        [-S SERVER_NAME]\n";

enum { CONNECTIONS_PER_ADDRESS = 20000, FAILURES_MAX = 200, REPLY_SIZE = 8192 };

struct settings {
    struct sockaddr_in to, from;
    struct tls_files tls;
    int version;
    const char *server_name;
    unsigned processes;
    uint64_t seconds, rate, count;
};

/* One process's results, shared with its parent. */
struct tally {
    uint64_t ok, failed;
    double handshake_s, cpu_s;
};

/* A connected socket from the INDEX-th address of ours, or -1. */
static int open_stream(const struct settings *settings, uint64_t index, struct sockaddr_in *local_r)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct timeval patience = { .tv_sec = 5 };
    struct sockaddr_in from = settings->from;
    from.sin_addr.s_addr = htonl(ntohl(from.sin_addr.s_addr) + (uint32_t)(index / CONNECTIONS_PER_ADDRESS));
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    socklen_t length = sizeof(*local_r);
    if (bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
        connect(fd, (const struct sockaddr *)&settings->to, sizeof(settings->to)) != 0 ||
        getsockname(fd, (struct sockaddr *)local_r, &length) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* One OPTIONS and its final response; true when that is 200. */
static bool ask(SSL *ssl, const struct sockaddr_in *local, uint64_t number)
{
    char host[INET_ADDRSTRLEN], request[1024], reply[REPLY_SIZE];
    inet_ntop(AF_INET, &local->sin_addr, host, sizeof(host));
    unsigned port = ntohs(local->sin_port), pid = (unsigned)getpid();
    unsigned long long n = number;
    int length = snprintf(request, sizeof(request),
        "OPTIONS sip:bob@biloxi.example SIP/2.0\r\nVia: SIP/2.0/TLS %s:%u;branch=z9hG4bK%x-%llu-%u;rport\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:alice@atlanta.example>;tag=%llu\r\nTo: <sip:bob@biloxi.example>\r\n"
        "Call-ID: %x-%llu@%s\r\nCSeq: 1 OPTIONS\r\nContact: <sip:alice@%s:%u;transport=tls>\r\n"
        "Content-Length: 0\r\n\r\n",
        host, port, pid, n, port, n, pid, n, host, host, port);
    if (SSL_write(ssl, request, length) != length)
        return false;
    for (size_t have = 0; have < sizeof(reply) - 1;) {
        int count = SSL_read(ssl, reply + have, (int)(sizeof(reply) - 1 - have));
        if (count <= 0)
            return false;
        have += (size_t)count;
        reply[have] = '\0';
        /* 100 may come first. */
        const char *final = reply;
        while (strncmp(final, "SIP/2.0 1", 9) == 0 && strstr(final, "\r\n\r\n") != NULL)
            final = strstr(final, "\r\n\r\n") + 4;
        if (strncmp(final, "SIP/2.0 1", 9) != 0 && strstr(final, "\r\n\r\n") != NULL)
            return strncmp(final, "SIP/2.0 200", 11) == 0;
    }
    return false;
}

/* A connection that has carried one OPTIONS, or NULL. */
static SSL *connect_and_ask(const struct settings *settings, SSL_CTX *context, uint64_t number, double *handshake_s)
{
    struct sockaddr_in local;
    int fd = open_stream(settings, number, &local);
    if (fd < 0)
        return NULL;
    SSL *ssl = SSL_new(context);
    if (ssl == NULL)
        program_fail("out of memory");
    SSL_set_fd(ssl, fd);
    if (settings->server_name != NULL)
        SSL_set_tlsext_host_name(ssl, settings->server_name);
    double began = program_now();
    if (SSL_connect(ssl) == 1) {
        *handshake_s += program_now() - began;
        if (ask(ssl, &local, number))
            return ssl;
    }
    ERR_clear_error();
    SSL_free(ssl);
    close(fd);
    return NULL;
}

/* By TCP reset: no heap of TIME-WAIT. */
static void end(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);
    struct linger reset = { .l_onoff = 1 };
    SSL_shutdown(ssl);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    SSL_free(ssl);
    close(fd);
}

static void wait_until(double moment)
{
    double left = moment - program_now();
    if (left <= 0)
        return;
    struct timespec pause = { .tv_sec = (time_t)left, .tv_nsec = (long)((left - (double)(time_t)left) * 1e9) };
    nanosleep(&pause, NULL);
}

static void churn(const struct settings *settings, unsigned process, double began, struct tally *tally)
{
    SSL_CTX *context = tls_peer_context(&settings->tls, false, settings->version);
    double interval = settings->rate > 0 ? (double)settings->processes / (double)settings->rate : 0;
    double next = began + interval * process / settings->processes;
    for (uint64_t i = 0; program_now() < began + (double)settings->seconds; i++, next += interval) {
        if (interval > 0)
            wait_until(next);
        SSL *ssl = connect_and_ask(settings, context, i % CONNECTIONS_PER_ADDRESS, &tally->handshake_s);
        if (ssl == NULL) {
            tally->failed++;
            continue;
        }
        tally->ok++;
        end(ssl);
    }
    tally->cpu_s = program_cpu_seconds();
}

static void run_churn(const struct settings *settings)
{
    size_t size = settings->processes * sizeof(struct tally);
    struct tally *tallies = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tallies == MAP_FAILED)
        program_fail("out of memory");
    double began = program_now();
    for (unsigned i = 0; i < settings->processes; i++) {
        pid_t pid = fork();
        if (pid < 0)
            program_fail("fork: %s", strerror(errno));
        if (pid == 0) {
            churn(settings, i, began, &tallies[i]);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        continue;
    struct tally sum = { 0 };
    for (unsigned i = 0; i < settings->processes; i++) {
        sum.ok += tallies[i].ok;
        sum.failed += tallies[i].failed;
        sum.handshake_s += tallies[i].handshake_s;
        sum.cpu_s += tallies[i].cpu_s;
    }
    double each = sum.ok > 0 ? (double)sum.ok : 1;
    printf("{\"ok\": %llu, \"failed\": %llu, \"seconds\": %.2f, \"handshake_ms\": %.2f, \"client_us\": %.1f}\n",
        (unsigned long long)sum.ok, (unsigned long long)sum.failed, program_now() - began, sum.handshake_s / each * 1e3,
        sum.cpu_s / each * 1e6);
}

static void run_idle(const struct settings *settings)
{
    program_raise_file_limit(settings->count + 100);
    SSL_CTX *context = tls_peer_context(&settings->tls, false, settings->version);
    uint64_t open = 0, failed = 0;
    double began = program_now(), handshake_s = 0;
    SSL **held = calloc(settings->count, sizeof(SSL *));
    if (held == NULL)
        program_fail("out of memory");
    for (uint64_t i = 0; i < settings->count && failed < FAILURES_MAX; i++) {
        held[open] = connect_and_ask(settings, context, i, &handshake_s);
        if (held[open] != NULL)
            open++;
        else
            failed++;
    }
    printf("{\"open\": %llu, \"failed\": %llu, \"seconds\": %.2f}\n", (unsigned long long)open,
        (unsigned long long)failed, program_now() - began);
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    for (uint64_t i = 0; i < open; i++)
        end(held[i]);
    free(held);
    SSL_CTX_free(context);
}

static void read_option(struct settings *settings, int option)
{
    switch (option) {
    case 't': settings->to = program_address(optarg); break;
    case 'f': settings->from = program_address(optarg); break;
    case 'c': settings->tls.certificate = optarg; break;
    case 'k': settings->tls.key = optarg; break;
    case 'a': settings->tls.authority = optarg; break;
    case 'v': settings->version = strcmp(optarg, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION; break;
    case 'S': settings->server_name = optarg; break;
    case 'j': settings->processes = (unsigned)program_number(optarg, 1000); break;
    case 'd': settings->seconds = program_number(optarg, 86400); break;
    case 'r': settings->rate = program_number(optarg, 1000000); break;
    case 'n': settings->count = program_number(optarg, 1000000); break;
    default: program_fail("%s", usage);
    }
}

int main(int argc, char **argv)
{
    struct settings settings = { .version = TLS1_3_VERSION, .processes = 2 };
    int option;
    while (argc > 1 && (option = getopt(argc - 1, argv + 1, "t:f:c:k:a:v:S:j:d:r:n:")) != -1)
        read_option(&settings, option);
    if (argc < 2 || settings.to.sin_family == 0 || settings.from.sin_family == 0)
        program_fail("%s", usage);
    if (strcmp(argv[1], "churn") == 0 && settings.seconds > 0 && settings.processes > 0)
        run_churn(&settings);
    else if (strcmp(argv[1], "idle") == 0 && settings.count > 0)
        run_idle(&settings);
    else
        program_fail("%s", usage);
    return 0;
}
