/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image.h - what the parts of backing=image share: backing_image.c, its copies
 * (backing_image_snap.c) and how a file is copied (image_copy.c). */
#ifndef VOLPLUGINS_NAMED_IMAGE_H
#define VOLPLUGINS_NAMED_IMAGE_H

#include <stdint.h>

#include "volplugins/named/named_priv.h"

#define IMAGE "image"

/* ---- backing_image.c ----------------------------------------------------- */

/* Return: fd, for reading and writing; -ENOENT; -EUCLEAN: not a file. */
int image_open_at(int dir, const char *name, struct err *err);
/* All of @image's blocks up to @size, now. */
int image_reserve(int image, uint64_t size, struct err *err);
/* The file system in @image, mounted and not attached.  Return: an O_PATH fd,
 * which holds the loop device, too; -errno. */
int image_mount(const struct named_volume *v, int image, bool readonly,
		struct err *err);
/* A descriptor of the root of @mount that can be used.  It keeps the mount. */
int image_root_of(int mount, struct err *err);
/* The same of the volume in @dir, attached or not. */
int image_root(const struct named_volume *v, int dir, int image,
	       struct err *err);

/* ---- backing_image_snap.c: ops of the backing ------------------------------ */

int image_snap_add(struct named_volume *v, int dir, int snaps, const char *name,
		   struct err *err);
int image_snap_del(struct named_host *h, int snaps, const char *name,
		   struct err *err);
int image_snap_get(int snaps, const char *name, struct vol_snapshot *ret,
		   struct err *err);
int image_snap_open(struct named_volume *v, int snaps, const char *name,
		    struct err *err);
int image_copy_volume(struct named_volume *v, int dir, struct named_volume *src,
		      int from, int snaps, const char *snap, struct err *err);
int image_stamp(int dir, uint64_t *ret, struct err *err);

/* ---- image_copy.c -------------------------------------------------------- */

/*
 * image_copy() - the file @in into the empty file @out: its blocks shared where
 * the file system can (then of one moment, whoever writes), else what is in use
 * copied.
 *
 * @frozen:  file system to freeze while it is copied, by a descriptor of its
 *           root; -EBADF: nobody writes to @in.
 * @reserve: all of @out, if it is copied: it will be written to.
 * @until_ms: of clock_mono_ms(); 0: it may take as long as it takes.
 * Return:   0; -ETIME; -errno.
 */
int image_copy(int in, int out, int frozen, bool reserve, uint64_t until_ms,
	       struct err *err);

#endif
