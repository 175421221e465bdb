// SPDX-License-Identifier: GPL-2.0-or-later
/* A volume's first files. */
#include "netctl/box/fill.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/fail.h"
#include "lib/inroot.h"
#include "lib/tree.h"
#include "lib/tree_copy.h"
#include "netctl/jget.h"

#define STAGE_MAX 96

static const char *stage_name(json_object *m, char buf[static STAGE_MAX])
{
	snprintf(buf, STAGE_MAX, ".berth-fill-%.64s", jget_str(m, "MountID"));
	return buf;
}

/* Return: 1, 0; -errno. */
static int is_empty(int fd)
{
	_cleanup_(tree_closep) DIR *dir = tree_stream(fd);
	const struct dirent *e;
	int r = dir ? tree_next(dir, &e) : -errno;

	return r < 0 ? r : r == 0;
}

/* What the root has there; no directory: -ENOTDIR, -ENOENT. */
static int open_original(const struct box *b, json_object *m)
{
	_cleanup_close_ int root = open(jget_str(b->rec, "Root"),
					O_PATH | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? -errno
			: inroot_open(root, jget_str(m, "Target"),
				      O_RDONLY | O_DIRECTORY);
}

static int open_volume(json_object *m, const char *at, struct err *err)
{
	int fd = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_set(err, -errno, "volume %s: %s: %s",
				jget_str(m, "Name"), at, strerror(errno))
		      : fd;
}

/* ---- out of the directory of ours -------------------------------------------------- */

/* What somebody else has made meanwhile stays: his is the newer one.  Return: how many were
 * moved; -errno. */
static int move_pass(int stage, int vol, struct err *err)
{
	_cleanup_(tree_closep) DIR *dir = tree_stream(stage);
	const struct dirent *e;
	int r = dir ? 0 : -errno, moved = 0;

	while (r == 0 && (r = tree_next(dir, &e)) > 0) {
		r = tree_rename_new(stage, e->d_name, vol, e->d_name);
		if (r < 0 && r != -EEXIST && r != -ENOENT)
			return err_set(err, r, "move %s: %s", e->d_name,
				       strerror(-r));
		moved += r == 0;
		r = 0;
	}
	return r < 0 ? err_set(err, r, "read a directory: %s", strerror(-r))
		     : moved;
}

static int take_owner(int from, int vol, struct err *err)
{
	struct stat st;

	if (fstat(from, &st) < 0 || fchown(vol, st.st_uid, st.st_gid) < 0 ||
	    fchmod(vol, st.st_mode & 07777) < 0)
		return err_set(err, -errno, "owner and mode: %s",
			       strerror(errno));
	return 0;
}

static int move_out(int stage, int vol, struct err *err)
{
	int r;

	do /* a stream may miss entries while others go */
		r = move_pass(stage, vol, err);
	while (r > 0);
	return r < 0 ? r : take_owner(stage, vol, err);
}

static int drop(int vol, int stage, const char *name, struct err *err)
{
	int r = tree_empty(stage, NULL, NULL, err);

	if (r == 0 && unlinkat(vol, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = err_set(err, -errno, "%s: %s", name, strerror(errno));
	return r;
}

/* @ret_stuck: it is the volume that is in the way. */
static int settle(json_object *m, const char *at, bool moves, bool *ret_stuck,
		  struct err *err)
{
	_cleanup_close_ int vol = open_volume(m, at, err), stage = -EBADF;
	char name[STAGE_MAX];
	int r = 0;

	*ret_stuck = true;
	if (vol < 0)
		return vol;
	stage = tree_open(vol, stage_name(m, name), err);
	if (stage < 0 && stage != -ENOENT)
		return stage;
	if (stage >= 0 && moves)
		r = move_out(stage, vol, err);
	if (stage >= 0 && r == 0) {
		r = FAILPOINT("boxfill.moved");
		*ret_stuck = r == 0;
	}
	if (stage >= 0 && r == 0)
		r = drop(vol, stage, name, err);
	/* what the record forgets is done, also where the host loses its power */
	if (r == 0) {
		r = tree_sync(vol);
		if (r < 0)
			err_set(err, r, "sync: %s", strerror(-r));
	}
	return r < 0 ? err_wrap(err, r, "volume %s", jget_str(m, "Name")) : 0;
}

int box_fill_settle(struct box *b, json_object *m, const char *at, bool give_up,
		    struct err *err)
{
	bool moves = strcmp(jget_str(m, "Fill"), "move") == 0, stuck;
	struct err why = { 0 };
	int r;

	if (!*jget_str(m, "Fill"))
		return 0;
	r = settle(m, at, moves, &stuck, &why);
	if (r < 0 && (!stuck || !give_up))
		return err_set(err, r, "%s", why.msg);
	if (r < 0)
		box_fill_give_up(b, m, why.msg);
	json_object_object_del(m, "Fill");
	if (moves)
		jset(m, "Filled", json_object_new_boolean(true));
	return box_save(b, err);
}

void box_fill_give_up(const struct box *b, json_object *m, const char *why)
{
	char name[STAGE_MAX];

	cli_warn("container %.12s: what was being copied into volume %s stays "
		 "there, in %s: %s",
		 b->id, jget_str(m, "Name"), stage_name(m, name), why);
	json_object_object_del(m, "Fill");
}

/* ---- into it --------------------------------------------------------------------------- */

static bool is_unwanted(void *ctx)
{
	return box_has(ctx, BOX_STOP);
}

static int copy(struct box *b, json_object *m, int from, int vol,
		struct err *err)
{
	_cleanup_close_ int stage = -EBADF;
	char name[STAGE_MAX];
	int r;

	jset_str(m, "Fill", "copy");
	r = box_save(b, err);
	if (r < 0)
		return r;
	if (mkdirat(vol, stage_name(m, name), 0700) < 0)
		return err_set(err, -errno, "make %s: %s", name,
			       strerror(errno));
	stage = tree_open(vol, name, err);
	if (stage < 0)
		return stage;
	r = tree_copy(from, stage, is_unwanted, b, err);
	if (r == -ETIME)
		r = err_set(err, -ECANCELED,
			    "somebody asked for the container's end");
	if (r == 0)
		r = FAILPOINT("boxfill.copied");
	/* all or none, also where the host loses its power */
	if (r == 0 && syncfs(stage) < 0)
		r = err_set(err, -errno, "sync: %s", strerror(errno));
	if (r < 0)
		return r;
	jset_str(m, "Fill", "move");
	return box_save(b, err);
}

/* Of an empty volume. */
static int fill(struct box *b, json_object *m, int from, int vol,
		struct err *err)
{
	int r = is_empty(from);

	if (r < 0)
		return err_set(err, r, "%s", strerror(-r));
	if (r == 0)
		return copy(b, m, from, vol, err);
	jset(m, "Filled", json_object_new_boolean(true));
	return take_owner(from, vol, err);
}

int box_fill(struct box *b, json_object *m, struct err *err)
{
	_cleanup_close_ int from = -EBADF, vol = -EBADF;
	int r;

	if (jget_bool(m, "NoCopy") || jget_bool(m, "Filled"))
		return 0;
	from = open_original(b, m);
	if (from == -ENOENT || from == -ENOTDIR) {
		/* the runtime makes it, and that is no first file */
		jset(m, "Filled", json_object_new_boolean(true));
		return 0;
	}
	if (from < 0)
		return err_set(err, from, "%s in the container: %s",
			       jget_str(m, "Target"), strerror(-from));
	vol = open_volume(m, jget_str(m, "Source"), err);
	if (vol < 0)
		return vol;
	r = is_empty(vol);
	if (r > 0)
		r = fill(b, m, from, vol, err);
	else if (r < 0)
		(void)err_set(err, r, "%s", strerror(-r));
	else
		jset(m, "Filled", json_object_new_boolean(true));
	if (r < 0)
		return err_wrap(err, r, "volume %s: the files of %s",
				jget_str(m, "Name"), jget_str(m, "Target"));
	return box_fill_settle(b, m, jget_str(m, "Source"), false, err);
}
