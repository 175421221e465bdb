/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source.h - where an image is read from: the files of a directory, or of a tar of one.
 *
 * It is a stranger's.  A directory's files are opened below it, through no link; a tar's
 * are as lib/arc_members.h has them.
 */
#ifndef NETCTL_IMAGE_SOURCE_H
#define NETCTL_IMAGE_SOURCE_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/base.h"
#include "lib/digest.h"
#include "lib/err.h"

/* Of a manifest, an index, a configuration. */
#define IMAGE_TEXT_MAX (4u << 20)

struct image_source;

/* image_source_open() - @path: a directory, or a regular file.  @ret: owned. */
int image_source_open(const char *path, struct image_source **ret,
		      struct err *err);
void image_source_free(struct image_source *s);
DEFINE_CLEANUP(struct image_source, image_source_free)

/*
 * image_source_text() - a whole file.
 *
 * @name:   "index.json", "blobs/sha256/...".
 * @digest: gets its SHA-256.
 * @ret:    owned, with a NUL behind.
 * Return: 0; -ENOENT; -EFBIG: above IMAGE_TEXT_MAX; -errno.
 */
int image_source_text(struct image_source *s, const char *name, char **ret,
		      size_t *ret_len, char digest[static DIGEST_HEX_MAX],
		      struct err *err);

struct image_file;

/* image_file_open() - @ret: owned; of one source, one at a time. */
int image_file_open(struct image_source *s, const char *name,
		    struct image_file **ret, uint64_t *ret_size,
		    struct err *err);
/* image_file_read() - 0 at its end; -errno.  @ctx: a struct image_file. */
ssize_t image_file_read(void *ctx, void *buf, size_t size);
void image_file_free(struct image_file *f);
DEFINE_CLEANUP(struct image_file, image_file_free)

#endif
