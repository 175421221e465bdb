/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arc.h - a directory tree to an archive and back: tar (pax) in zstd, as plain
 * `tar --zstd -x` reads it.  The only user of libarchive.
 *
 * Kept are owners and modes, times, links of both kinds, devices and fifos,
 * extended attributes, ACLs and holes.  At the end is a line with the SHA-256 of
 * all before, in a frame that zstd skips: what was cut or changed on its way is
 * told, and never a volume.
 */
#ifndef LIB_ARC_H
#define LIB_ARC_H

#include <stdint.h>
#include <time.h>

#include "lib/err.h"

struct arc_hooks {
	void *ctx;
	/* So many bytes of files so far.  Not 0: ends it, and is returned.
	 * May be NULL. */
	int (*progress)(void *ctx, uint64_t bytes);
	/* How many there will be, when that is known before.  May be NULL. */
	void (*total)(void *ctx, uint64_t bytes);
	/* Not in the archive, and why.  May be NULL. */
	void (*left_out)(void *ctx, const char *path, const char *why);
};

struct arc_sum {
	uint64_t files;   /* of any kind, the root directory among them */
	uint64_t bytes;   /* in regular files */
	uint64_t size;    /* of the archive */
	uint64_t deleted; /* of an increment: files, or trees as one */
	uint64_t
		lost; /* left out though they belong in it: files, or trees as one */
	char sha256[65];
};

struct arc_index; /* lib/arc_index.h */

/*
 * arc_write() - all that is below the directory @root, without leaving it,
 * following a link or opening a device; or an increment, of what is other than the
 * archive before and those before that make it.
 *
 * An increment begins with two members of its own: ARC_SINCE is a line with the
 * SHA-256 of the archive before, ARC_DELETED the paths to delete before the rest is
 * made, each with a NUL.
 *
 * Left out, by .left_out: sockets, and what is another file system.  So is, and is
 * counted in .lost, what nobody could restore: with more than 900 KiB of attributes, or
 * a path of 4095 bytes ("./" included) or more; the archive has the rest.  A file that
 * is changed meanwhile has the size it had when it was met.  A descriptor a level is
 * open.
 *
 * What is changed while it is read may not be in it.  Such files are marked in the
 * index, and the next increment compares their content.
 *
 * @begun: a time before @root was as it is read: before a snapshot was begun, or
 *         this call, where it is the tree itself.
 * @since: of the archive before; NULL: all.
 * @out:   written from where it stands; not synced.
 * Return: 0; -errno, @out half written.
 */
int arc_write(int root, time_t begun, const struct arc_index *since, int out,
	      const struct arc_hooks *hooks, struct arc_sum *ret,
	      struct err *err);
#define ARC_SINCE   "./.berth-since"
#define ARC_DELETED "./.berth-deleted"

/*
 * arc_read() - make in the directory @root what arc_write() has read; or of what the
 * archive before has made there, what it had read.
 *
 * Nothing outside of @root is touched, whatever the archive says, as long as
 * nobody else changes @root meanwhile.  The working directory is changed for the
 * time of the call, so no other thread may need it.
 *
 * @in:    read to its end.
 * @after: the SHA-256 of the archive before, as its .sha256; NULL: this is the first.
 * Return: 0; -EBADMSG: no archive of ours, cut, changed, or with a path that
 *         leads out; -EINVAL: an increment, but not of @after, or none and there is
 *         one; -errno.  After a failure @root holds a part.
 */
int arc_read(int in, int root, const char *after, const struct arc_hooks *hooks,
	     struct arc_sum *ret, struct err *err);

#endif
