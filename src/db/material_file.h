/* SPDX-License-Identifier: GPL-2.0-or-later */
/* material_file.h - the bytes of a certificate or key: as they stand in a row, or from the file that the row names.
 * Read on the thread that asks (the control thread), which may wait for a disk.
 */
#ifndef TRELAY_DB_MATERIAL_FILE_H
#define TRELAY_DB_MATERIAL_FILE_H

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/why.h"
#include "db/policy_material.h"

/* Longer files are refused. */
enum { MATERIAL_FILE_MAX = 16 * 1024 * 1024 };

/* *TEXT_R points into the source, or into FILE, which is filled. WHAT is for the reason.
 * ERROR_NOT_FOUND (neither text nor path), ERROR_SYSTEM, ERROR_LIMIT, ERROR_MEMORY. */
int material_read(const struct material_source *source, const char *what, struct buffer *file, struct slice *text_r,
    struct why *why) MUST_CHECK;

#endif
