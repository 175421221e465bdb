/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tmpfs_priv.h - what the parts of the driver share: tmpfs_options.c (what is
 * asked for), tmpfs_mount.c (from that to a mount), tmpfs_host.c (what is there
 * for all volumes, and what no volume owns) and tmpfs.c (a volume's life).
 */
#ifndef VOLPLUGINS_TMPFS_TMPFS_PRIV_H
#define VOLPLUGINS_TMPFS_TMPFS_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"
#include "volplugins/mntopt.h"
#include "volplugins/tmpfs/tmpfs.h"

/* Words of tmpfs(5) and mount(8) that take no value. */
enum {
	TMPFS_SYNC = 1 << 0,
	TMPFS_DIRSYNC = 1 << 1,
	TMPFS_LAZYTIME = 1 << 2,
	TMPFS_INODE32 = 1 << 3,
	TMPFS_INODE64 = 1 << 4,
	TMPFS_NOSWAP = 1 << 5,
	TMPFS_RO = 1 << 6,
};

/* As options, and as Docker spells them.  All zero once tmpfs_init() has taken
 * them apart. */
struct tmpfs_given {
	char size[32];
	uint64_t inodes;
	uint32_t mode, uid, gid; /* all bits set: not given; so inodes */
	int huge, noexec, keep,
		keep_short; /* index into names; -1: not given */
	char type[32], o[512], device[MNTOPT_VALUE_MAX + 1];
};

/*
 * The core compares all of it bytewise with that of a Create that comes again:
 * what is not set is zero, holes included, and two spellings of one volume are
 * equal.
 */
struct tmpfs_options {
	struct tmpfs_given given;
	uint64_t bytes;  /* whole pages; 0: see percent */
	uint64_t inodes; /* 0: as the kernel has it */
	uint64_t attr;   /* MOUNT_ATTR_* */
	uint64_t propagation;
	uint32_t percent; /* of the host's memory */
	uint32_t mode, uid, gid;
	uint32_t words; /* TMPFS_* */
	uint32_t huge;  /* 0: not given; else 1 + index into tmpfs_huge */
	uint32_t keep;  /* 1: content stays without users */
	char mpol[MNTOPT_VALUE_MAX + 1];
	char source[MNTOPT_VALUE_MAX + 1]; /* "": our mark */
};

struct tmpfs_volume {
	struct vol_volume base;
	struct tmpfs_options opts;
	bool owned; /* "o" says one of mode, uid and gid */
	int staged; /* detached mount, being filled; 0: none */
};

struct tmpfs_host {
	int volumes;     /* directory */
	char root[2048]; /* its path, for containers */
};

static inline struct tmpfs_volume *to_tmpfs(struct vol_volume *v)
{
	return container_of(v, struct tmpfs_volume, base);
}

static inline struct tmpfs_host *tmpfs_host_of(const struct tmpfs_volume *v)
{
	return v->base.host;
}

/* ---- tmpfs_options.c --------------------------------------------------- */

extern const struct opt_field tmpfs_options[];
extern const char *const tmpfs_huge[]; /* ended by NULL */

void tmpfs_defaults(struct vol_volume *v);
int tmpfs_init(struct vol_volume *v, struct err *err);
int tmpfs_unsize(json_object *opts);
/* To whole pages; -EINVAL: 0, or more than 1 EiB. */
int tmpfs_size_round(uint64_t *size, struct err *err);
/* What a mount of it would be limited to, by the memory there is now. */
uint64_t tmpfs_limit(const struct tmpfs_options *o);

/* ---- tmpfs_mount.c ------------------------------------------------------- */

/* An empty one, attached nowhere.  Return: fd; -EINVAL with what this kernel
 * does not take. */
int tmpfs_make(const struct tmpfs_volume *v, struct err *err);
/* tmpfs_show() - attach it where containers find it.  FAILPOINTs in it: not
 * shown when it fails. */
int tmpfs_show(const struct tmpfs_volume *v, int mount, struct err *err);
/* tmpfs_hide() - unmount it and all that is in it; not mounted: 0.  -EBUSY. */
int tmpfs_hide(const struct tmpfs_volume *v, struct err *err);
/*
 * tmpfs_move() - what is mounted of @v is shown at @name, and then no more at its own
 * name.  Not mounted: 0.  Killed between the two it is at both: again.
 *
 * Return: 0; -EEXIST: another one is at @name; -EBUSY: in use.
 */
int tmpfs_move(const struct tmpfs_volume *v, const char *name, struct err *err);
/* Is it mounted?  1; 0; -EUCLEAN when something else is. */
int tmpfs_mounted(const struct tmpfs_volume *v, struct err *err);

struct tmpfs_figures {
	uint64_t bytes, used_bytes;
	uint64_t inodes, used_inodes; /* inodes 0: no limit */
};

/* Of one that is mounted. */
int tmpfs_figures(const struct tmpfs_volume *v, struct tmpfs_figures *ret,
		  struct err *err);
/* Is it as tmpfs_make() made it, so that another one is as good?  1; 0. */
int tmpfs_pristine(const struct tmpfs_volume *v, struct err *err);
/* Another limit for one that is mounted.  -ENOSPC: more is in use. */
int tmpfs_limit_set(const struct tmpfs_volume *v, uint64_t size,
		    struct err *err);

/* ---- tmpfs_host.c -------------------------------------------------------- */

int tmpfs_host_open(const struct plugd *d, void **ret, struct err *err);
void tmpfs_host_close(void *host);
int tmpfs_host_check(void *host, bool (*known)(void *ctx, const char *name),
		     void (*fn)(void *ctx, const char *line), void *ctx,
		     struct err *err);
int tmpfs_host_gc(void *host, bool dry,
		  bool (*known)(void *ctx, const char *name),
		  void (*fn)(void *ctx, const char *line), void *ctx,
		  struct err *err);

#endif
