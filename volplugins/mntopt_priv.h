/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mntopt_priv.h - what the parser of mount options shares: mntopt.c (options),
 * mntopt_device.c (type and device) and the allow-list, mntopt_table.c.
 */
#ifndef VOLPLUGINS_MNTOPT_PRIV_H
#define VOLPLUGINS_MNTOPT_PRIV_H

#include "volplugins/mntopt.h"

#define MNTOPT_SHOW_MAX 96 /* of a text quoted in an error */

/* Families of file systems; a row of the list is for one or more. */
enum {
	FS_BIND = 1 << 0,
	FS_TMPFS = 1 << 1,
	FS_NFS = 1 << 2,
	FS_CIFS = 1 << 3,
	FS_EXT = 1 << 4,
	FS_XFS = 1 << 5,
	FS_BTRFS = 1 << 6,
	FS_VFAT = 1 << 7,
	FS_EXFAT = 1 << 8,
	FS_ISO = 1 << 9,
	FS_SQUASHFS = 1 << 10,
	FS_ALL = (1 << 11) - 1,
	FS_MOUNTED = FS_ALL & ~FS_BIND,
	FS_NET = FS_NFS | FS_CIFS,
	FS_FAT = FS_VFAT | FS_EXFAT,
};

/* What an option looks like and where it goes. */
enum mntopt_shape {
	/* to the file system, by fsconfig(2) */
	SHAPE_FLAG,  /* the word alone */
	SHAPE_NUM,   /* =decimal */
	SHAPE_OCT,   /* =octal */
	SHAPE_TEXT,  /* =anything */
	SHAPE_MAYBE, /* alone, or =anything */
	SHAPE_SIZE,  /* =bytes, k, m, g, ..., or percent */
	SHAPE_USER,  /* =name, without a password */
	/* to the mount */
	SHAPE_RO,
	SHAPE_RW,
	SHAPE_ON,
	SHAPE_OFF,         /* .attr */
	SHAPE_ATIME,       /* .attr instead of the other atimes */
	SHAPE_PROPAGATION, /* .attr is MS_... */
	/* to us */
	SHAPE_BIND,
	SHAPE_HOST,        /* =the server, or its address */
	SHAPE_CREDENTIALS, /* =file */
	SHAPE_GUEST,
	SHAPE_NOTHING, /* says what is so anyway */
	SHAPE_REFUSED, /* .why */
};

struct mntopt_known {
	const char *key;
	uint32_t fs;
	enum mntopt_shape shape;
	uint64_t attr;
	const char *why;
};

struct mntopt_type {
	const char *name; /* of type= */
	enum mntopt_kind kind;
	uint32_t fs;
};

/* Taking apart: what is known so far. */
struct mntopt_parsing {
	struct mntopt *m;
	const struct mntopt_type *type;
	const char *host; /* of addr= or ip=, or NULL */
	uint64_t size;    /* of -o size= */
	bool bind, ro, atime, size_given, user_given;
	struct err *err;
};

/* Both ended by { 0 }.  The first row that is for the file system counts. */
extern const struct mntopt_known mntopt_known[];
extern const struct mntopt_type mntopt_types[];

/* ---- mntopt.c ---------------------------------------------------------- */

/* One more parameter for fsconfig(2); both borrowed.  -EINVAL: too many. */
int mntopt_add(struct mntopt_parsing *p, const char *key, const char *value);
/* Printable, and of at most @max bytes? */
bool mntopt_plain(const char *s, size_t max);

/* ---- mntopt_device.c --------------------------------------------------- */

int mntopt_find_type(struct mntopt_parsing *p, const char *name, bool bind);
/* @device: the parser's own copy, cut up. */
int mntopt_take_device(struct mntopt_parsing *p, char *device);

#endif
