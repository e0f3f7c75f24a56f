/* SPDX-License-Identifier: GPL-2.0-or-later */
/* siplite.c - a small pair of SIP load programs in one; its command line. See usage and README.
 * It costs little, so that on a small machine the program under test is what saturates.
 */
#include "siplite.h"

#include "program.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: siplite server -l IP:PORT [-t udp|tls] [TLS]\n"
    "       siplite client -l IP[:PORT] -d IP:PORT [-t udp|tls] [TLS] [-s options|invite] [-r RATE] [-n COUNT]\n"
    "                      [-w HOLD_MS] [-C CONNECTIONS] [-u USER] [-D DOMAIN] [-S SERVER_NAME]\n"
    "TLS:   -c CHAIN.pem -k KEY.pem -a AUTHORITY.pem (without -a the other side is not verified)\n";

/* The one of two words that TEXT is. */
static bool is_second(const char *text, const char *first, const char *second)
{
    if (strcmp(text, first) != 0 && strcmp(text, second) != 0)
        program_fail("%s is neither %s nor %s", text, first, second);
    return strcmp(text, second) == 0;
}

static void read_option(struct siplite_settings *settings, int option)
{
    struct endpoint_settings *endpoint = &settings->endpoint;
    switch (option) {
    case 'l': endpoint->local = program_address(optarg); break;
    case 't': endpoint->is_tls = is_second(optarg, "udp", "tls"); break;
    case 'c': endpoint->tls.certificate = optarg; break;
    case 'k': endpoint->tls.key = optarg; break;
    case 'a': endpoint->tls.authority = optarg; break;
    case 'S': endpoint->server_name = optarg; break;
    case 'd': settings->to = program_address(optarg); break;
    case 's': settings->is_call = is_second(optarg, "options", "invite"); break;
    case 'r': settings->rate = program_number(optarg, 1000000); break;
    case 'n': settings->count = program_number(optarg, 100000000); break;
    case 'w': settings->hold_ms = (unsigned)program_number(optarg, 3600000); break;
    case 'C': settings->links = (unsigned)program_number(optarg, 10000); break;
    case 'u': settings->user = optarg; break;
    case 'D': settings->domain = optarg; break;
    default: program_fail("%s", usage);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2)
        program_fail("%s", usage);
    struct siplite_settings settings = {
        .rate = 100, .count = 1000, .links = 1, .user = "bob", .domain = "biloxi.example",
    };
    settings.endpoint.is_server = !is_second(argv[1], "server", "client");
    int option;
    while ((option = getopt(argc - 1, argv + 1, "l:t:c:k:a:S:d:s:r:n:w:C:u:D:")) != -1)
        read_option(&settings, option);
    if (settings.endpoint.local.sin_family == 0 || settings.rate == 0 || settings.links == 0 ||
        (!settings.endpoint.is_server && settings.to.sin_family == 0))
        program_fail("%s", usage);
    if (settings.endpoint.is_server)
        siplite_serve(&settings);
    else
        siplite_ask(&settings);
    return 0;
}
