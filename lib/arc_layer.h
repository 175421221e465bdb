/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arc_layer.h - a layer of an image (tar; plain, gzip or zstd) into a directory, as a
 * lower directory of overlayfs.
 *
 * A layer is a stranger's: whatever is in it, nothing outside of the directory is
 * reached.  Links are followed as in a chroot, ".." is refused, a later file of a name
 * replaces an earlier one.  Owners, modes (setuid too), times, links of both kinds,
 * devices and fifos are kept; of extended attributes security.capability and user.*
 * are, and no other is ever set: not overlayfs' own.
 *
 * "Whiteouts" become overlayfs': .wh.NAME is NAME removed, .wh..wh..opq is all of the
 * directory that the layers below have.  The rest of .wh..wh.* is AUFS' own, and left
 * out.  Directories that the layer does not have, and that are needed, are root's,
 * mode 0755.
 */
#ifndef LIB_ARC_LAYER_H
#define LIB_ARC_LAYER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/digest.h"
#include "lib/err.h"

/* Where the bytes of a layer come from. */
struct arc_from {
	void *ctx;
	/* 0: its end; -errno */
	ssize_t (*read)(void *ctx, void *buf, size_t size);
};

struct arc_layer_limits {
	uint64_t entries; /* of the tar, and directories that they need */
	uint64_t bytes;   /* of the tar, unpacked, and in files */
};

struct arc_layer_sum {
	uint64_t entries;             /* as limited */
	uint64_t bytes;               /* in files, as written */
	uint64_t size;                /* of the layer, as packed */
	char digest[DIGEST_HEX_MAX];  /* of it as packed */
	char diff_id[DIGEST_HEX_MAX]; /* of the tar */
};

/*
 * arc_layer_unpack() - the layer is read to its end, for both digests.
 *
 * The umask is changed for the time of the call, so no other thread may need it.
 *
 * @root: an empty directory that nobody else looks into meanwhile.
 * @lim:  what is above is refused.
 * Return: 0; -EBADMSG: no layer, or a hostile one; -EFBIG: above @lim; -errno.
 *         After a failure @root holds a part.
 */
int arc_layer_unpack(const struct arc_from *from, int root,
		     const struct arc_layer_limits *lim,
		     struct arc_layer_sum *ret, struct err *err);

#endif
