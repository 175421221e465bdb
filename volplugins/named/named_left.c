/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mounts and loop devices that are left of volumes nobody knows any more: of
 * removed ones (a mount in another namespace kept them), or of those whose
 * records were lost.  What marks them as ours is that they are below volumes/
 * and that NAME/meta names a backing that mounts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mnt.h"
#include "lib/mounts.h"
#include "lib/tree.h"
#include "volplugins/named/freeze.h"
#include "volplugins/named/named_priv.h"

struct left {
	struct named_host *h;
	bool dry;
	bool (*known)(void *ctx, const char *name);
	void (*fn)(void *ctx, const char *line);
	void *ctx;
	int count;
};

/* "NAME/_data", ".trash/N/_data", ".staging/NAME/_data" -> a descriptor of the
 * directory that _data is in; @name gets what names it. */
static int parent_of(struct named_host *h, const char *path,
		     char name[static VOL_NAME_MAX])
{
	_cleanup_close_ int fd = -EBADF;
	int at = h->volumes;
	const char *slash;

	name[0] = '\0';
	while ((slash = strchr(path, '/'))) {
		int next;

		if (slash == path || slash - path >= VOL_NAME_MAX ||
		    (name[0] && name[0] != '.'))
			return -EINVAL;
		snprintf(name, VOL_NAME_MAX, "%.*s", (int)(slash - path), path);
		next = tree_open(at, name, NULL);
		if (next < 0)
			return next;
		closep(&fd);
		at = fd = next;
		path = slash + 1;
	}
	return strcmp(path, NAMED_DATA) == 0 && fd >= 0 ? take_fd(fd) : -EINVAL;
}

static bool is_ours(int dir)
{
	const struct named_backing *b;
	struct named_meta m;

	if (named_meta_read(dir, &m, NULL) < 0)
		return false;
	b = named_backing_find(m.backing);
	return b && b->detach;
}

static int look_at_mount(void *ctx, const char *target)
{
	struct left *l = ctx;
	char name[VOL_NAME_MAX], line[4096];
	struct err why = { 0 };
	_cleanup_close_ int dir =
		parent_of(l->h, target + strlen(l->h->root) + 1, name);

	if (dir < 0 || (name[0] != '.' && l->known(l->ctx, name)) ||
	    !is_ours(dir))
		return 0;
	if (!l->dry && mnt_detach(dir, NAMED_DATA, false, &why) < 0) {
		snprintf(line, sizeof(line), "mount %s of no volume stays: %s",
			 target, why.msg);
	} else {
		snprintf(line, sizeof(line), "mount %s of no volume", target);
		l->count++;
	}
	if (l->fn)
		l->fn(l->ctx, line);
	return 0;
}

int named_left_mounts(struct named_host *h, bool dry,
		      bool (*known)(void *ctx, const char *name),
		      void (*fn)(void *ctx, const char *line), void *ctx,
		      struct err *err)
{
	struct left l = {
		.h = h, .dry = dry, .known = known, .fn = fn, .ctx = ctx
	};
	int r = mounts_below(h->root, look_at_mount, &l, err);

	return r < 0 ? r : l.count;
}

static int thaw(void *ctx, const char *target)
{
	struct named_host *h = ctx;
	char name[VOL_NAME_MAX], buf[2 * VOL_NAME_MAX];
	struct err why = { 0 };
	struct named_meta m;
	_cleanup_close_ int dir =
		parent_of(h, target + strlen(h->root) + 1, name);
	_cleanup_close_ int root = -EBADF;
	int r;

	if (dir < 0 || named_meta_read(dir, &m, NULL) < 0 ||
	    strcmp(m.backing, named_image.name) != 0)
		return 0;
	root = tree_open(dir, NAMED_DATA, &why);
	r = root < 0 ? root : freeze_lift(root, &why);
	if (r != 0)
		log_warn("op=start volume=%s err=\"%s\"",
			 log_quote(buf, sizeof(buf), name),
			 r < 0 ? why.msg
			       : "its file system was frozen: thawed");
	return 0;
}

void named_left_thaw(struct named_host *h)
{
	struct err why = { 0 };

	if (mounts_below(h->root, thaw, h, &why) < 0)
		log_warn("op=start err=\"%s: a file system that was being "
			 "copied may be frozen (fsfreeze -u thaws it)\"",
			 why.msg);
}

static int look_at_loop(void *ctx, unsigned int number, const char *file)
{
	struct left *l = ctx;
	char mark[LOOP_MARK_MAX], name[VOL_NAME_MAX], line[4096];
	size_t n = strlen(l->h->root);

	if (strncmp(file, l->h->root, n) != 0 || file[n] != '/')
		return 0;
	file += n + 1;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(file, "/"), file);
	/* what is staged is being made, copied or restored: the start leaves
	 * nothing there, and no mount of it is ever shown */
	if (strcmp(name, ".staging") == 0 ||
	    (name[0] != '.' && l->known(l->ctx, name)))
		return 0;
	loop_mark(number, mark); /* it may be cut: the name is in the path */
	n = strlen(l->h->mark);
	if (strncmp(mark, l->h->mark, n) != 0)
		return 0;
	snprintf(line, sizeof(line),
		 "loop device /dev/loop%u still has the image of %s, which is "
		 "no volume: a mount of it is left in another mount namespace",
		 number, mark + n);
	l->fn(l->ctx, line);
	return 0;
}

int named_left_loops(struct named_host *h,
		     bool (*known)(void *ctx, const char *name),
		     void (*fn)(void *ctx, const char *line), void *ctx,
		     struct err *err)
{
	struct left l = { .h = h, .known = known, .fn = fn, .ctx = ctx };

	return loop_each(look_at_loop, &l, err);
}
