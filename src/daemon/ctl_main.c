/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl_main.c - trelayctl: one question to a running trelayd, one answer on standard output; trelayctl(8).
 * In:    command line. Out: JSON, or a table of connections. Exit 0, 1 (refused by the daemon), 2 (usage, no daemon).
 */
#include "base/buffer.h"
#include "base/error.h"
#include "control/ask.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static void usage(FILE *out)
{
    fputs("usage: trelayctl [-s SOCKET] [-j] COMMAND [ARGUMENT...]\n"
          "  status                       what this node does and how much\n"
          "  connections                  its connections\n"
          "  explain DESTINATION [source=DOMAIN] [peer=NAME] [flags=FLAGS] [sender-flags=FLAGS]\n"
          "          [request=URI] [contact=URI] [pin=PIN call-id=ID from-tag=TAG to-tag=TAG]\n"
          "                               which row, key and decision a request would get, without sending it\n"
          "  probe DESTINATION ...        the same, and a real handshake: verdict, names, certificates of the peer\n"
          "  reload [drop|drain|revalidate]\n"
          "                               read rows and files again; then end the TLS connections (default), let them\n"
          "                               finish, or keep those whose peers still prove themselves\n"
          "  close ID                     end one connection\n"
          "  -s SOCKET  the daemon's control socket (default /run/trelay/control)\n"
          "  -j         JSON also where there is a table\n",
        out);
}

int main(int argc, char **argv)
{
    const char *socket = "/run/trelay/control";
    bool is_json = false;
    int option;
    while ((option = getopt(argc, argv, "s:jhV")) != -1) {
        switch (option) {
        case 's':
            socket = optarg;
            break;
        case 'j':
            is_json = true;
            break;
        case 'V':
            puts("trelayctl " PACKAGE_VERSION);
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (optind >= argc) {
        usage(stderr);
        return 2;
    }
    struct why why = WHY_NONE;
    int rc = ask_daemon(socket, argv + optind, (size_t)(argc - optind), is_json, &why);
    if (rc != 0)
        fprintf(stderr, "trelayctl: %s\n", why.text);
    return rc == 0 ? 0 : rc == ERROR_REFUSED ? 1 : 2;
}
