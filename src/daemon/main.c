/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main.c - trelayd: command line, then daemon_run(); trelayd(8). Exit 0, 1 (failed), 2 (usage or configuration). */
#include "base/buffer.h"
#include "daemon/daemon.h"
#include "daemon/descriptors.h"
#include "tls/tls_library.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static void usage(FILE *out)
{
    fputs("usage: trelayd [-c FILE] [-t]\n"
          "  -c FILE  configuration (default /etc/trelay/trelay.conf), trelay.conf(5)\n"
          "  -t       read the configuration, say whether it is right, and end\n"
          "  -o       list the options with numbers: default, meaning, range\n"
          "  -V       version of trelay and of its TLS library\n",
        out);
}

static int print_version(void)
{
    struct buffer text = BUFFER_EMPTY;
    tls_library_report(&text);
    printf("trelayd " PACKAGE_VERSION "\n%.*s\n", (int)text.length, text.data != NULL ? text.data : "");
    buffer_free(&text);
    return 0;
}

int main(int argc, char **argv)
{
    const char *path = "/etc/trelay/trelay.conf";
    bool is_test = false;
    int option;
    while ((option = getopt(argc, argv, "c:tohV")) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 't':
            is_test = true;
            break;
        case 'o':
            options_print_help();
            return 0;
        case 'V':
            return print_version();
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    struct options options;
    struct why why = WHY_NONE;
    if (optind < argc || options_load(path, &options, &why) != 0) {
        if (optind < argc)
            usage(stderr);
        else
            fprintf(stderr, "trelayd: %s\n", why.text);
        return 2;
    }
    options.relay.descriptors = descriptors_raise();
    int status = EXIT_SUCCESS;
    if (is_test)
        printf("%s is right: node %s, %zu listeners\n", path, options.relay.node, options.relay.listener_count);
    else if (daemon_run(&options, &why) != 0) {
        fprintf(stderr, "trelayd: %s\n", why.text);
        status = EXIT_FAILURE;
    }
    options_fini(&options);
    return status;
}
