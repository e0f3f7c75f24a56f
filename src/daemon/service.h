/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service.h - what the service manager is told (sd_notify); nothing when none runs us. */
#ifndef TRELAY_DAEMON_SERVICE_H
#define TRELAY_DAEMON_SERVICE_H

void service_ready(void);
void service_stopping(void);

#endif
