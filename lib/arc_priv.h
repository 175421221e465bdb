/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arc_priv.h - what writing and reading share: the line and the frame at the end. */
#ifndef LIB_ARC_PRIV_H
#define LIB_ARC_PRIV_H

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdbool.h>

#include "lib/arc.h"
#include "lib/arc_index.h"
#include "lib/base.h"
#include "lib/digest.h"

/* A skippable frame of zstd: magic, length, text. */
#define ARC_TEXT_SIZE 90
#define ARC_END_SIZE  (8 + ARC_TEXT_SIZE)

void arc_end_make(uint8_t end[static ARC_END_SIZE], const char *sha256);
/* Return: the digest it tells, in @sha256; -EBADMSG: it is no such frame. */
int arc_end_parse(const uint8_t end[static ARC_END_SIZE],
		  char sha256[static DIGEST_HEX_MAX]);

#define ARC_NO_END                                                      \
	"the archive has no checksum at its end: it was cut, or is no " \
	"backup of netctl"

/* The frame of the index (arc_index.h): how it begins, what is in it first, and
 * the text at its end, with a NUL behind. */
#define ARC_INDEX_MAGIC                \
	{                              \
		0x5c, 0x2a, 0x4d, 0x18 \
	}
#define ARC_INDEX_HEAD "berth-index 1"
void arc_index_text(char text[static ARC_INDEX_TEXT + 1], uint64_t bytes,
		    const char *sha256);

/* The text of ARC_SINCE, with a NUL behind. */
#define ARC_SINCE_HEAD "berth-increment 1 after sha256 "
#define ARC_SINCE_SIZE (sizeof(ARC_SINCE_HEAD) + 64)
void arc_since_make(char text[static ARC_SINCE_SIZE + 1], const char *sha256);

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
