/* SPDX-License-Identifier: GPL-2.0-or-later */
/* descriptors.h - file descriptors of this process: one for each connection.
 * Out:   as many as the system lets us have.
 */
#ifndef TRELAY_DAEMON_DESCRIPTORS_H
#define TRELAY_DAEMON_DESCRIPTORS_H

#include <stdint.h>

/* Raises the soft limit to the hard one and returns what holds then; 0: not known. */
uint32_t descriptors_raise(void);

#endif
