/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_link.c - a program that links what the daemon links, libpq and the TLS library among it, for the test of
 * who answers for whose symbols.
 */
#include "tls/tls_library.h"

#include <libpq-fe.h>
#include <stdio.h>

int main(void)
{
    struct why why = WHY_NONE;
    if (tls_library_init(&why) != 0 || PQlibVersion() <= 0)
        return 1;
    tls_library_fini();
    puts("linked");
    return 0;
}
