/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service.c - see service.h. */
#include "daemon/service.h"

#include <systemd/sd-daemon.h>

void service_ready(void)
{
    (void)sd_notify(0, "READY=1\nSTATUS=serving");
}

void service_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1\nSTATUS=waiting for open transactions");
}
