/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arc_priv.h - what arc_write.c and arc_read.c share: the line at the end. */
#ifndef LIB_ARC_PRIV_H
#define LIB_ARC_PRIV_H

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdbool.h>

#include "lib/arc.h"
#include "lib/base.h"
#include "lib/digest.h"

/* A skippable frame of zstd: magic, length, text. */
#define ARC_TEXT_SIZE 90
#define ARC_END_SIZE  (8 + ARC_TEXT_SIZE)

void arc_end_make(uint8_t end[static ARC_END_SIZE], const char *sha256);
/* Return: the digest it tells, in @sha256; -EBADMSG: it is no such frame. */
int arc_end_parse(const uint8_t end[static ARC_END_SIZE],
		  char sha256[static DIGEST_HEX_MAX]);

/*
 * Names are bytes; libarchive converts them between character sets.  In this
 * locale there is nothing to convert, so that no converter is loaded.
 */
struct arc_locale {
	locale_t own, before;
};
int arc_locale_enter(struct arc_locale *l, struct err *err);
void arc_locale_leave(struct arc_locale *l);

/* What libarchive says of @a.  @code: to be returned; 0: its errno. */
int arc_fail(struct archive *a, int code, const char *what, struct err *err);

#endif
