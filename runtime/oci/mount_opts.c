/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mount options to attributes, propagation and what the file system gets. */
#include "runtime/oci/mount_opts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/base.h"

#define ATIME MOUNT_ATTR__ATIME

/* "ro" sets, "rro" sets for all that is below. */
static const struct {
	const char *name;
	uint64_t set, clear;
} attrs[] = {
	{ "ro", MOUNT_ATTR_RDONLY, 0 },
	{ "rw", 0, MOUNT_ATTR_RDONLY },
	{ "nosuid", MOUNT_ATTR_NOSUID, 0 },
	{ "suid", 0, MOUNT_ATTR_NOSUID },
	{ "nodev", MOUNT_ATTR_NODEV, 0 },
	{ "dev", 0, MOUNT_ATTR_NODEV },
	{ "noexec", MOUNT_ATTR_NOEXEC, 0 },
	{ "exec", 0, MOUNT_ATTR_NOEXEC },
	{ "nodiratime", MOUNT_ATTR_NODIRATIME, 0 },
	{ "diratime", 0, MOUNT_ATTR_NODIRATIME },
	{ "relatime", MOUNT_ATTR_RELATIME, ATIME },
	{ "norelatime", MOUNT_ATTR_STRICTATIME, ATIME },
	{ "noatime", MOUNT_ATTR_NOATIME, ATIME },
	{ "atime", MOUNT_ATTR_RELATIME, ATIME },
	{ "strictatime", MOUNT_ATTR_STRICTATIME, ATIME },
	{ "nostrictatime", MOUNT_ATTR_RELATIME, ATIME },
	{ "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW },
};

static const struct {
	const char *name;
	uint64_t flag;
} propagations[] = {
	{ "private", MS_PRIVATE },
	{ "shared", MS_SHARED },
	{ "slave", MS_SLAVE },
	{ "unbindable", MS_UNBINDABLE },
};

static const char *const sb_flags[] = { "sync",     "async",      "dirsync",
					"lazytime", "nolazytime", "mand",
					"nomand",   "iversion",   "noiversion",
					"silent",   "loud" };
static const char *const others[] = { "bind", "rbind", "defaults" };

bool mount_opts_is_sb(const char *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(sb_flags); i++)
		if (strcmp(option, sb_flags[i]) == 0)
			return true;
	return false;
}

bool mount_opts_propagation(const char *name, uint64_t *ret, bool *ret_rec)
{
	bool rec = name[0] == 'r';

	for (size_t i = 0; i < ARRAY_SIZE(propagations); i++)
		if (strcmp(name + rec, propagations[i].name) == 0) {
			*ret = propagations[i].flag;
			*ret_rec = rec;
			return true;
		}
	return false;
}

static void change(uint64_t *set, uint64_t *clear, uint64_t on, uint64_t off)
{
	*set = (*set & ~off) | on;
	*clear = (*clear & ~on) | off;
}

static bool is_attr(const char *name, struct mount_opts *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++) {
		if (strcmp(name, attrs[i].name) == 0) {
			change(&o->set, &o->clear, attrs[i].set,
			       attrs[i].clear);
			return true;
		}
		if (name[0] == 'r' && strcmp(name + 1, attrs[i].name) == 0) {
			change(&o->rec_set, &o->rec_clear, attrs[i].set,
			       attrs[i].clear);
			return true;
		}
	}
	return false;
}

static bool is_bind(const char *name, struct mount_opts *o)
{
	if (strcmp(name, "bind") == 0 || strcmp(name, "rbind") == 0) {
		o->bind = true;
		o->bind_rec = o->bind_rec || name[0] == 'r';
		return true;
	}
	return false;
}

static int parse_one(const char *name, struct mount_opts *o, struct err *err)
{
	if (!*name || strcmp(name, "defaults") == 0)
		return 0;
	if (is_bind(name, o) || is_attr(name, o) ||
	    mount_opts_propagation(name, &o->propagation, &o->propagation_rec))
		return 0;
	if (strcmp(name, "tmpcopyup") == 0)
		return err_set(err, -EOPNOTSUPP,
			       "option tmpcopyup is not supported");
	if (strcmp(name, "idmap") == 0 || strcmp(name, "ridmap") == 0)
		return err_set(err, -EOPNOTSUPP, "option %s is not supported",
			       name);
	o->data[o->data_count++] = name;
	return 0;
}

int mount_opts_parse(const struct jdec_array *options, struct mount_opts *ret,
		     struct err *err)
{
	int r = 0;

	ret->data = calloc(options->count + 1, sizeof(*ret->data));
	if (!ret->data)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < options->count; i++)
		r = parse_one(((const char **)options->items)[i], ret, err);
	return r;
}

void mount_opts_fini(struct mount_opts *o)
{
	free(o->data);
	*o = (struct mount_opts){ 0 };
}

const char *mount_opts_name(size_t i)
{
	if (i < ARRAY_SIZE(attrs))
		return attrs[i].name;
	i -= ARRAY_SIZE(attrs);
	if (i < ARRAY_SIZE(propagations))
		return propagations[i].name;
	i -= ARRAY_SIZE(propagations);
	if (i < ARRAY_SIZE(sb_flags))
		return sb_flags[i];
	i -= ARRAY_SIZE(sb_flags);
	return i < ARRAY_SIZE(others) ? others[i] : NULL;
}
