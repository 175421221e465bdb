// SPDX-License-Identifier: GPL-2.0-or-later
/* Room on the disk: the blocks held back, and when growth is refused. */
#include <fcntl.h>
#include <sys/statvfs.h>

#include "lib/store_priv.h"

#define LOW_SPACE_BYTES (128 << 10)
#define RESERVE_BYTES   (1 << 20)
#define RESERVE_SHARE   8 /* of the whole disk at most this fraction */

void store_reserve_open(struct store *s)
{
	struct statvfs v;
	uint64_t share;

	if (fstatvfs(s->dir_fd, &v) < 0)
		return;
	s->reserve_fd = openat(
		s->dir_fd, store_name(s, ".reserve").s,
		O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (s->reserve_fd < 0)
		return;
	share = v.f_blocks * v.f_frsize / RESERVE_SHARE / 4096 * 4096;
	s->reserve_size =
		share && share < RESERVE_BYTES ? (int64_t)share : RESERVE_BYTES;
	store_reserve_take(s);
}

void store_reserve_give(struct store *s)
{
	if (s->reserve_fd >= 0 && ftruncate(s->reserve_fd, 0) == 0)
		s->reserve_held = false;
}

/* Move the log into the file and cut it to nothing. */
static void log_truncate(struct store *s)
{
	sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
				  NULL);
}

static bool reserve_allocate(struct store *s)
{
	if (fallocate(s->reserve_fd, 0, 0, s->reserve_size) == 0)
		return true;
	if (errno == EOPNOTSUPP)
		s->reserve_size = 0; /* such a file system: go without */
	(void)!ftruncate(s->reserve_fd, 0);
	return false;
}

void store_reserve_take(struct store *s)
{
	if (s->reserve_held || s->reserve_fd < 0 || !s->reserve_size)
		return;
	s->reserve_held = reserve_allocate(s);
	if (s->reserve_held || !s->reserve_size)
		return;
	log_truncate(s);
	s->reserve_held = reserve_allocate(s);
}

bool store_space_is_low(const struct store *s)
{
	struct statvfs v;

	return fstatvfs(s->dir_fd, &v) == 0 &&
	       v.f_bavail * v.f_frsize < LOW_SPACE_BYTES;
}

int store_grow_check(struct store *s, struct err *err)
{
	if (store_space_is_low(s)) /* the log may be what fills the disk */
		log_truncate(s);
	store_reserve_take(s);
	if (s->reserve_held || !s->reserve_size)
		return 0;
	return err_set(err, -ENOSPC,
		       "no space left on the disk for %s in %s; free some "
		       "there, deleting still works",
		       store_name(s, "").s, s->dir);
}
