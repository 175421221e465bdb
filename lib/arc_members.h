/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arc_members.h - the files in a tar (plain, gzip or zstd) by their names, without
 * unpacking it.
 *
 * The tar is a stranger's: names are compared and lead nowhere, links in it are
 * followed in it only, and a name that is there twice is none.
 */
#ifndef LIB_ARC_MEMBERS_H
#define LIB_ARC_MEMBERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base.h"
#include "lib/err.h"

struct arc_members;

/*
 * arc_members_open() - read what is in it: all names, no content.
 *
 * @fd:  a regular file; borrowed for as long.
 * @ret: owned.
 * Return: 0; -EBADMSG: no tar, or with names that lead out or are there twice;
 *         -EFBIG: more names than an image has; -errno.
 */
int arc_members_open(int fd, struct arc_members **ret, struct err *err);
void arc_members_free(struct arc_members *m);
DEFINE_CLEANUP(struct arc_members, arc_members_free)

struct arc_member;

/*
 * arc_member_open() - the file @name, through links; from its start.
 *
 * @name:     as "a/b".
 * @ret:      owned; the file of @m is read anew for it.
 * @ret_size: bytes it will give.
 * Return: 0; -ENOENT: there is no such regular file; -EBADMSG; -errno.
 */
int arc_member_open(const struct arc_members *m, const char *name,
		    struct arc_member **ret, uint64_t *ret_size,
		    struct err *err);
/* arc_member_read() - 0 at its end; -errno. */
ssize_t arc_member_read(struct arc_member *f, void *buf, size_t size);
void arc_member_free(struct arc_member *f);
DEFINE_CLEANUP(struct arc_member, arc_member_free)

#endif
