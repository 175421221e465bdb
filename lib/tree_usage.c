/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much a directory tree holds, while others change it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/tree.h"
#include "lib/tree_priv.h"

#define SEEN_FIRST 64
#define SEEN_MAX   65536 /* 1 MiB */

/* Files with several names that were counted: open addressing, at most three
 * quarters full. */
struct seen {
	struct file {
		uint64_t dev, ino; /* ino 0: free */
	} * slots;
	size_t room, count;
};

struct sum {
	struct tree_usage u;
	struct seen seen;
	bool (*stop)(void *ctx);
	void *ctx;
};

static struct file *slot(const struct seen *s, struct file f)
{
	size_t i = (f.ino * 0x9e3779b97f4a7c15u ^ f.dev) & (s->room - 1);

	while (s->slots[i].ino &&
	       (s->slots[i].ino != f.ino || s->slots[i].dev != f.dev))
		i = (i + 1) & (s->room - 1);
	return &s->slots[i];
}

/* Room for one more; false: there is none to be had. */
static bool seen_grow(struct seen *s)
{
	struct seen more = { .room = s->room ? s->room * 2 : SEEN_FIRST };

	if (s->count < s->room / 4 * 3)
		return true;
	if (more.room > SEEN_MAX * 2)
		return false;
	more.slots = calloc(more.room, sizeof(*more.slots));
	if (!more.slots)
		return false;
	for (size_t i = 0; i < s->room; i++)
		if (s->slots[i].ino)
			*slot(&more, s->slots[i]) = s->slots[i];
	more.count = s->count;
	free(s->slots);
	*s = more;
	return true;
}

static void add(struct sum *sum, const struct statx *sx)
{
	const struct file f = { makedev(sx->stx_dev_major, sx->stx_dev_minor),
				sx->stx_ino };
	uint64_t bytes = sx->stx_blocks * 512;
	struct file *at;

	sum->u.entries++;
	if (S_ISDIR(sx->stx_mode) || sx->stx_nlink < 2) {
		sum->u.bytes += bytes;
		return;
	}
	if (!seen_grow(&sum->seen)) {
		sum->u.bytes += bytes / sx->stx_nlink;
		return;
	}
	at = slot(&sum->seen, f);
	if (at->ino)
		return;
	*at = f;
	sum->seen.count++;
	sum->u.bytes += bytes;
}

static int stat_in(int fd, const char *name, int flags, struct statx *sx)
{
	return statx(fd, name,
		     flags | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
			     AT_STATX_DONT_SYNC,
		     STATX_TYPE | STATX_NLINK | STATX_INO | STATX_BLOCKS,
		     sx) < 0
		       ? -errno
		       : 0;
}

static int look(struct tree_walk *w, const char *name)
{
	struct sum *sum = w->ctx;
	struct statx sx;

	if (sum->stop && sum->stop(sum->ctx))
		return err_set(w->err, -ETIME, "not done yet");
	/* gone, or not to be seen: somebody else is at work in here */
	if (stat_in(w->fd, name, 0, &sx) < 0 ||
	    sx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return 0;
	add(sum, &sx);
	return S_ISDIR(sx.stx_mode) ? tree_walk_later(w, name) : 0;
}

int tree_usage(int dirfd, struct tree_usage *ret, bool (*stop)(void *ctx),
	       void *ctx, struct err *err)
{
	struct sum sum = { .stop = stop, .ctx = ctx };
	struct tree_walk w = {
		.look = look, .ctx = &sum, .lenient = true, .err = err
	};
	struct statx sx;
	int r = stat_in(dirfd, "", AT_EMPTY_PATH, &sx);

	if (r < 0)
		return err_set(err, r, "stat: %s", strerror(-r));
	add(&sum, &sx);
	r = tree_walk(&w, dirfd);
	free(sum.seen.slots);
	if (r == 0)
		*ret = sum.u;
	return r;
}
