/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mount_opts.h - the options of a mount in config.json, sorted by what they are. */
#ifndef RUNTIME_OCI_MOUNT_OPTS_H
#define RUNTIME_OCI_MOUNT_OPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/jdec.h"

struct mount_opts {
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
 * mount_opts_parse() - @options (texts) by their tables.
 *
 * @ret: zeroed; mount_opts_fini() whatever is returned.
 * Return: 0; -EOPNOTSUPP for one that is known and not done; -ENOMEM.
 */
int mount_opts_parse(const struct jdec_array *options, struct mount_opts *ret,
		     struct err *err);
void mount_opts_fini(struct mount_opts *o);
/* mount_opts_is_sb() - a flag of the file system, not of the mount: "sync", ... */
bool mount_opts_is_sb(const char *option);

/* mount_opts_propagation() - "rslave" and the like.  Return: false: not one. */
bool mount_opts_propagation(const char *name, uint64_t *ret, bool *ret_rec);

/* mount_opts_name() - the @i-th option that there is, for 'features'; NULL past
 * the last. */
const char *mount_opts_name(size_t i);

#endif
