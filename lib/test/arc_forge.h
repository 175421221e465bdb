/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arc_forge.h - archives of any members, in the format that lib/arc.h reads: it
 * takes the digest at their end for good.
 */
#ifndef LIB_TEST_ARC_FORGE_H
#define LIB_TEST_ARC_FORGE_H

#include "lib/arc_priv.h"

/* To @buf, whose first *@used bytes are the archive when it is closed. */
struct archive *arc_forge_open(void *buf, size_t size, size_t *used);
/* Close and free @a, and write it to @fd as arc_forge_put() does. */
void arc_forge_close(struct archive *a, int fd, const void *buf,
		     const size_t *used);
/* Write @data and the digest of it. */
void arc_forge_put(int fd, const void *data, size_t size);

#endif
