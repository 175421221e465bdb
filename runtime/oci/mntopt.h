/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mntopt.h - the options of a mount in config.json, sorted by what they are. */
#ifndef RUNTIME_OCI_MNTOPT_H
#define RUNTIME_OCI_MNTOPT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/jdec.h"

struct mntopt {
	uint64_t set, clear;         /* MOUNT_ATTR_* */
	uint64_t rec_set, rec_clear; /* the same, with all that is below */
	uint64_t propagation;        /* MS_PRIVATE, ...; 0: as it comes */
	bool propagation_rec;
	bool bind, bind_rec;
	/* what is left is the file system's: texts, borrowed, in @data */
	const char **data; /* owned */
	size_t data_count;
};

/*
 * mntopt_parse() - @options (texts) by their tables.
 *
 * @ret: zeroed; mntopt_fini() whatever is returned.
 * Return: 0; -EOPNOTSUPP for one that is known and not done; -ENOMEM.
 */
int mntopt_parse(const struct jdec_array *options, struct mntopt *ret,
		 struct err *err);
void mntopt_fini(struct mntopt *o);
/* mntopt_is_sb() - a flag of the file system, not of the mount: "sync", ... */
bool mntopt_is_sb(const char *option);

/* mntopt_propagation() - "rslave" and the like.  Return: false: not one. */
bool mntopt_propagation(const char *name, uint64_t *ret, bool *ret_rec);

/* mntopt_name() - the @i-th option that there is, for 'features'; NULL past
 * the last. */
const char *mntopt_name(size_t i);

#endif
