/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mntopt.h - Docker's type=, o= and device= of a volume, taken apart.
 *
 * `o` is split at its commas as Docker does, and each option looked up in the
 * allow-list of its file system (mntopt_table.c).  What comes out is passed to
 * the kernel one by one (fsconfig(2), mount_setattr(2)); no text is pasted
 * together, so no value can smuggle in another option.  What is not in the list
 * is refused, naming the nearest; secrets are refused without being repeated.
 *
 * Pure: reads nothing, resolves nothing, mounts nothing.
 */
#ifndef VOLPLUGINS_MNTOPT_H
#define VOLPLUGINS_MNTOPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/err.h"

enum mntopt_kind {
	MNTOPT_BIND,  /* a directory of this host */
	MNTOPT_TMPFS, /* memory */
	MNTOPT_NET,   /* nfs, cifs: a server, which may be dead */
	MNTOPT_BLOCK, /* a block device */
};

/* What volume options say; all borrowed, "" where not given. */
struct mntopt_given {
	const char *type, *o, *device;
	uint64_t size; /* -o size=; 0: not given */
};

struct mntopt_param {
	const char *key, *value; /* value NULL: a flag */
};

#define MNTOPT_PARAMS_MAX 64
#define MNTOPT_VALUE_MAX  255 /* bytes: what fsconfig(2) takes */

struct mntopt {
	enum mntopt_kind kind;
	const char *fs; /* for fsopen(2); NULL: a bind */
	/* For fsconfig(2), in this order; no source yet for MNTOPT_NET. */
	struct mntopt_param params[MNTOPT_PARAMS_MAX];
	size_t count;
	uint64_t attr;        /* MOUNT_ATTR_* to set */
	uint64_t attr_clr;    /* bind: to clear first */
	uint64_t propagation; /* MS_PRIVATE, MS_SLAVE, ... */
	bool recursive;       /* bind: with what is mounted below; attr and
				 propagation are for all of it */

	const char *device; /* bind: the directory; block: the device */
	/* MNTOPT_NET: a name or an address to be made an address of @family
	 * (AF_UNSPEC: any), then mntopt_resolved(). */
	const char *host;
	int family;
	const char *credentials; /* file with user and password, or NULL */

	char *text, *source; /* owned; all above point into them */
};

/*
 * mntopt_parse() - check and take apart.
 *
 * @given: borrowed for the call only.
 * @ret:   owned, mntopt_free().
 *
 * Return: 0; -EINVAL with what is wrong and what would be right.
 */
int mntopt_parse(const struct mntopt_given *given, struct mntopt **ret,
		 struct err *err);
void mntopt_free(struct mntopt *m); /* NULL is fine */
DEFINE_CLEANUP(struct mntopt, mntopt_free)

/* A limit of tmpfs: either is 0. */
struct mntopt_size {
	uint64_t bytes;
	uint32_t percent; /* of the host's memory */
};

/* mntopt_tmpfs_size() - what tmpfs(5) takes as its size, but for 0: that would
 * be no limit.  False: not one. */
bool mntopt_tmpfs_size(const char *s, struct mntopt_size *ret);

/*
 * mntopt_resolved() - add what the helpers of mount(8) would add: source and
 * server address.
 *
 * @addr: of m->host, as text; borrowed until mntopt_free().  Once only.
 * Return: 0; -EINVAL: too long for the kernel.
 */
int mntopt_resolved(struct mntopt *m, const char *addr, struct err *err);

#endif
