/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of a volume in memory.  Docker's spelling (type=, o=, device=) goes
 * through the allow-list that berth-named has (mntopt.h); both spellings end up
 * in the same fields, each of which tmpfs_mount.c passes to the kernel by itself.
 */
#include <errno.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mnt.h"
#include "volplugins/tmpfs/tmpfs_priv.h"

#define SIZE_LARGEST (1ull << 60)
#define INODES_LEAST 2 /* the root directory is one */
#define INODES_MOST  (1ull << 40)
#define MODE_DEFAULT 01777 /* tmpfs's own, and what Docker gives */
#define NOT_GIVEN    UINT32_MAX

const char *const tmpfs_huge[] = { "never", "always", "within_size", "advise",
				   NULL };

/* Even: yes.  OPT_BOOL can't tell "no" from "not given". */
static const char *const yes_no[] = { "on", "off", "true", "false", "yes",
				      "no", "1",   "0",    NULL };
/* -o noexec alone is "": yes. */
static const char *const flag[] = { "",   "off", "on", "false", "true",
				    "no", "yes", "0",  "1",     NULL };

#define GIVEN(key_, type_, member_, doc_) \
	OPT_FIELD(key_, type_, struct tmpfs_options, given.member_, doc_)

#define GIVEN_NAME(key_, member_, names_, doc_)                          \
	{                                                                \
		.key = (key_), .type = OPT_ENUM,                         \
		.offset = offsetof(struct tmpfs_options, given.member_), \
		.size = sizeof(int), .names = (names_), .doc = (doc_),   \
	}

#define GIVEN_ID(key_, member_, doc_)                                    \
	{                                                                \
		.key = (key_), .type = OPT_U32,                          \
		.offset = offsetof(struct tmpfs_options, given.member_), \
		.size = sizeof(uint32_t), .max = UINT32_MAX - 1,         \
		.doc = (doc_),                                           \
	}

const struct opt_field tmpfs_options[] = {
	{ .key = "size",
	  .type = OPT_STR,
	  .offset = offsetof(struct tmpfs_options, given.size),
	  .size = sizeof(((struct tmpfs_options *)0)->given.size),
	  .min = 1,
	  .doc = "how much fits in, at most: bytes, 64m, 1g, or 50% of the "
		 "host's memory; default half of it" },
	GIVEN("inodes", OPT_SIZE, inodes,
	      "how many files, at most; default by the kernel"),
	GIVEN("mode", OPT_MODE, mode,
	      "permissions of the volume's root directory; default 1777"),
	GIVEN_ID("uid", uid, "owner of the volume's root directory; default 0"),
	GIVEN_ID("gid", gid, "group of the volume's root directory; default 0"),
	GIVEN_NAME("noexec", noexec, flag, "nothing in it can be run"),
	GIVEN_NAME("huge", huge, tmpfs_huge,
		   "huge pages: never, always, within_size or advise"),
	GIVEN_NAME("berth.keep", keep, yes_no,
		   "on: what is in it stays when the last user is gone, until "
		   "the volume is removed or the host restarts"),
	GIVEN_NAME("keep", keep_short, yes_no, "the same as berth.keep"),
	GIVEN("type", OPT_STR, type, "tmpfs, as for Docker's local driver"),
	GIVEN("o", OPT_STR, o, "mount options of tmpfs, separated by commas"),
	GIVEN("device", OPT_STR, device,
	      "what df shows as its device; default a mark with its name"),
	{ 0 },
};

void tmpfs_defaults(struct vol_volume *v)
{
	struct tmpfs_given *g = &to_tmpfs(v)->opts.given;

	g->inodes = UINT64_MAX;
	g->mode = g->uid = g->gid = NOT_GIVEN;
	g->huge = g->noexec = g->keep = g->keep_short = -1;
}

/* ---- one value ----------------------------------------------------------- */

int tmpfs_size_round(uint64_t *size, struct err *err)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (!*size)
		return err_set(err, -EINVAL,
			       "option size: 0 would be no limit");
	if (*size > SIZE_LARGEST)
		return err_set(err, -EINVAL, "option size: more than 1 EiB");
	*size = (*size + page - 1) / page * page;
	return 0;
}

static int set_inodes(struct tmpfs_options *o, uint64_t n, struct err *err)
{
	if (n < INODES_LEAST || n > INODES_MOST)
		return err_set(err, -EINVAL,
			       "option inodes: not in %d..%llu (the root "
			       "directory is one, and 0 would be no limit)",
			       INODES_LEAST, INODES_MOST);
	o->inodes = n;
	return 0;
}

static int set_id(uint32_t *id, const char *key, const char *val,
		  struct err *err)
{
	uint64_t n = strtoull(val, NULL, 10);

	if (n >= UINT32_MAX)
		return err_set(err, -EINVAL, "mount option %s=%s: not in 0..%u",
			       key, val, UINT32_MAX - 1);
	*id = (uint32_t)n;
	return 0;
}

static int set_huge(struct tmpfs_options *o, const char *val, struct err *err)
{
	char shown[64];

	for (uint32_t i = 0; tmpfs_huge[i]; i++)
		if (strcmp(tmpfs_huge[i], val) == 0) {
			o->huge = i + 1;
			return 0;
		}
	return err_set(err, -EINVAL,
		       "mount option huge=%s: not one of never, always, "
		       "within_size, advise",
		       log_quote(shown, sizeof(shown), val));
}

/* ---- what mntopt has taken apart ------------------------------------------ */

static int take_size(struct tmpfs_options *o, const char *val, struct err *err)
{
	struct mntopt_size size;

	if (!mntopt_tmpfs_size(val, &size))
		return err_set(err, -EINVAL, "mount option size: not a size");
	o->bytes = size.bytes;
	o->percent = size.percent;
	return size.percent ? 0 : tmpfs_size_round(&o->bytes, err);
}

static int take_blocks(struct tmpfs_options *o, const char *val,
		       struct err *err)
{
	o->percent = 0;
	o->bytes = strtoull(val, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
	return tmpfs_size_round(&o->bytes, err);
}

static int take_inodes(struct tmpfs_options *o, const char *val,
		       struct err *err)
{
	return set_inodes(o, strtoull(val, NULL, 10), err);
}

static int take_mode(struct tmpfs_options *o, const char *val, struct err *err)
{
	o->mode = (uint32_t)strtoul(val, NULL, 8);
	return o->mode > 07777
		       ? err_set(err, -EINVAL,
				 "mount option mode=%s: not in 0..7777", val)
		       : 0;
}

static int take_uid(struct tmpfs_options *o, const char *val, struct err *err)
{
	return set_id(&o->uid, "uid", val, err);
}

static int take_gid(struct tmpfs_options *o, const char *val, struct err *err)
{
	return set_id(&o->gid, "gid", val, err);
}

static int take_mpol(struct tmpfs_options *o, const char *val, struct err *err)
{
	(void)err;
	memset(o->mpol, 0, sizeof(o->mpol)); /* of an earlier, longer one */
	snprintf(o->mpol, sizeof(o->mpol), "%s", val);
	return 0;
}

static int take_source(struct tmpfs_options *o, const char *val,
		       struct err *err)
{
	(void)err;
	if (o->given.device[0])
		snprintf(o->source, sizeof(o->source), "%s", val);
	return 0;
}

static const struct {
	const char *key;
	int (*take)(struct tmpfs_options *o, const char *val, struct err *err);
} valued[] = {
	{ "size", take_size },        { "nr_blocks", take_blocks },
	{ "nr_inodes", take_inodes }, { "mode", take_mode },
	{ "uid", take_uid },          { "gid", take_gid },
	{ "huge", set_huge },         { "mpol", take_mpol },
	{ "source", take_source },
};

static const struct {
	const char *key;
	uint32_t set, clear;
} words[] = {
	{ "sync", TMPFS_SYNC, 0 },
	{ "async", 0, TMPFS_SYNC },
	{ "dirsync", TMPFS_DIRSYNC, 0 },
	{ "lazytime", TMPFS_LAZYTIME, 0 },
	{ "nolazytime", 0, TMPFS_LAZYTIME },
	{ "inode32", TMPFS_INODE32, TMPFS_INODE64 },
	{ "inode64", TMPFS_INODE64, TMPFS_INODE32 },
	{ "noswap", TMPFS_NOSWAP, 0 },
	{ "ro", TMPFS_RO, 0 },
};

static int take(struct tmpfs_options *o, const struct mntopt_param *p,
		struct err *err)
{
	for (size_t i = 0; p->value && i < ARRAY_SIZE(valued); i++)
		if (strcmp(valued[i].key, p->key) == 0)
			return valued[i].take(o, p->value, err);
	for (size_t i = 0; !p->value && i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i].key, p->key) == 0) {
			o->words = (o->words & ~words[i].clear) | words[i].set;
			return 0;
		}
	return err_set(err, -EINVAL, "mount option %s: not for berth-tmpfs",
		       p->key);
}

static int take_docker(struct tmpfs_options *o, struct err *err)
{
	_cleanup_(mntopt_freep) struct mntopt *m = NULL;
	const struct mntopt_given given = {
		.type = "tmpfs",
		.o = o->given.o,
		.device = o->given.device,
	};
	char shown[48];
	int r;

	if (o->given.type[0] && strcmp(o->given.type, given.type) != 0)
		return err_set(err, -EINVAL,
			       "option type=%s: a volume of berth-tmpfs is in "
			       "memory (type=tmpfs); berth-named mounts others",
			       log_quote(shown, sizeof(shown), o->given.type));
	r = mntopt_parse(&given, &m, err);
	for (size_t i = 0; r == 0 && i < m->count; i++)
		r = take(o, &m->params[i], err);
	if (r < 0)
		return r;
	o->attr = m->attr;
	o->propagation = m->propagation;
	return 0;
}

/* ---- our own spelling ------------------------------------------------------ */

static int twice(const char *key, struct err *err)
{
	return err_set(err, -EINVAL,
		       "option %s: given twice, here and in o=", key);
}

static int own_size(struct tmpfs_options *o, struct err *err)
{
	const char *text = o->given.size;
	struct mntopt_size size;

	if (!*text)
		return 0;
	if (o->bytes || o->percent)
		return twice("size", err);
	if (mntopt_tmpfs_size(text, &size)) {
		o->bytes = size.bytes;
		o->percent = size.percent;
	} else if (strchr(text, '%')) {
		return err_set(err, -EINVAL,
			       "option size: not a percentage in 1%%..100%%");
	} else {
		int r = opts_size(text, &o->bytes, err);

		if (r < 0)
			return err_wrap(err, r, "option size");
	}
	return o->percent ? 0 : tmpfs_size_round(&o->bytes, err);
}

/* uid, gid and mode: one of both, or @other. */
static int own_number(uint32_t given, uint32_t *at, uint32_t other,
		      const char *key, struct err *err)
{
	if (given != NOT_GIVEN && *at != NOT_GIVEN)
		return twice(key, err);
	if (given != NOT_GIVEN)
		*at = given;
	if (*at == NOT_GIVEN)
		*at = other;
	return 0;
}

static int own_keep(struct tmpfs_options *o, struct err *err)
{
	const struct tmpfs_given *g = &o->given;

	if (g->keep >= 0 && g->keep_short >= 0)
		return err_set(err, -EINVAL,
			       "options keep and berth.keep are the same: give "
			       "one");
	o->keep = (g->keep >= 0 && g->keep % 2 == 0) ||
		  (g->keep_short >= 0 && g->keep_short % 2 == 0);
	return 0;
}

static int take_own(struct tmpfs_options *o, struct err *err)
{
	const struct tmpfs_given *g = &o->given;
	int r = own_size(o, err);

	if (r == 0 && g->inodes != UINT64_MAX && o->inodes)
		r = twice("inodes", err);
	if (r == 0 && g->inodes != UINT64_MAX)
		r = set_inodes(o, g->inodes, err);
	if (r == 0)
		r = own_number(g->mode, &o->mode, MODE_DEFAULT, "mode", err);
	if (r == 0)
		r = own_number(g->uid, &o->uid, 0, "uid", err);
	if (r == 0)
		r = own_number(g->gid, &o->gid, 0, "gid", err);
	if (r == 0 && g->huge >= 0 && o->huge)
		r = twice("huge", err);
	if (r == 0 && g->huge >= 0)
		o->huge = (uint32_t)g->huge + 1;
	if (g->noexec >= 0 && g->noexec % 2 == 0)
		o->attr |= MOUNT_ATTR_NOEXEC;
	return r < 0 ? r : own_keep(o, err);
}

int tmpfs_init(struct vol_volume *v, struct err *err)
{
	struct tmpfs_options *o = &to_tmpfs(v)->opts;
	int r;

	o->mode = o->uid = o->gid = NOT_GIVEN;
	r = take_docker(o, err);
	to_tmpfs(v)->owned = o->mode != NOT_GIVEN || o->uid != NOT_GIVEN ||
			     o->gid != NOT_GIVEN;
	if (r == 0)
		r = take_own(o, err);
	memset(&o->given, 0, sizeof(o->given));
	return r;
}

/* ---- sizes ------------------------------------------------------------------ */

/* Does the mount option @word (of @len) say a size? */
static bool says_size(const char *word, size_t len)
{
	static const char *const keys[] = { "size=", "nr_blocks=" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (len >= strlen(keys[i]) &&
		    strncmp(word, keys[i], strlen(keys[i])) == 0)
			return true;
	return false;
}

int tmpfs_unsize(json_object *opts)
{
	json_object *o = NULL;
	_cleanup_free_ char *left = NULL;
	const char *word;
	size_t len, at = 0;

	if (!json_object_object_get_ex(opts, "o", &o))
		return 0;
	word = json_object_get_string(o);
	left = calloc(1, strlen(word) + 2);
	if (!left)
		return -ENOMEM;
	for (; *word; word += len + (word[len] == ',')) {
		len = strcspn(word, ",");
		if (!len || says_size(word, len))
			continue;
		if (at)
			left[at++] = ',';
		memcpy(left + at, word, len);
		at += len;
	}
	if (!at) {
		json_object_object_del(opts, "o");
		return 0;
	}
	o = json_object_new_string(left);
	if (o && json_object_object_add(opts, "o", o) == 0)
		return 0;
	json_object_put(o);
	return -ENOMEM;
}

uint64_t tmpfs_limit(const struct tmpfs_options *o)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), all;
	struct sysinfo si;

	if (o->bytes)
		return o->bytes;
	if (sysinfo(&si) < 0)
		return 0;
	all = (uint64_t)si.totalram * si.mem_unit;
	return all / page * (o->percent ? o->percent : 50) / 100 * page;
}
