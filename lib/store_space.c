// SPDX-License-Identifier: GPL-2.0-or-later
/* Room on the disk: the blocks held back, and when growth is refused. */
#include <fcntl.h>
#include <sys/statvfs.h>

#include "lib/store_priv.h"

#define LOW_SPACE_BYTES (128 << 10)
#define RESERVE_BYTES   (1 << 20)
#define RESERVE_SHARE   8 /* of the whole disk at most this fraction */
#define RESERVE_PARTS   16
#define BLOCK           4096

void store_reserve_open(struct store *s)
{
	struct statvfs v;
	uint64_t size = RESERVE_BYTES, share;

	if (fstatvfs(s->dir_fd, &v) < 0)
		return;
	s->reserve_fd = openat(
		s->dir_fd, store_name(s, ".reserve").s,
		O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (s->reserve_fd < 0)
		return;
	share = v.f_blocks * v.f_frsize / RESERVE_SHARE;
	if (share && share < size)
		size = share;
	s->reserve_part = (int64_t)(size / RESERVE_PARTS / BLOCK * BLOCK);
	if (s->reserve_part < BLOCK)
		s->reserve_part = BLOCK;
	s->reserve_size = (int64_t)size / s->reserve_part * s->reserve_part;
	store_reserve_take(s);
}

bool store_reserve_give(struct store *s, int64_t bytes)
{
	int64_t parts = (bytes + s->reserve_part - 1) / s->reserve_part;
	int64_t left = s->reserve_held - parts * s->reserve_part;

	if (s->reserve_held == 0)
		return false;
	if (left < 0)
		left = 0;
	if (ftruncate(s->reserve_fd, left) < 0)
		return false;
	s->reserve_held = left;
	return true;
}

/* Move the log into the file and cut it to nothing. */
static bool log_truncate(struct store *s)
{
	return sqlite3_wal_checkpoint_v2(s->db, NULL,
					 SQLITE_CHECKPOINT_TRUNCATE, NULL,
					 NULL) == SQLITE_OK;
}

/*
 * As much of it as there is room for.  Part by part: a btrfs frees an extent when
 * none of it is in use, and what is one block short is to be short of one part, not
 * of all.
 */
static bool reserve_allocate(struct store *s)
{
	while (s->reserve_held < s->reserve_size) {
		if (fallocate(s->reserve_fd, 0, s->reserve_held,
			      s->reserve_part) == 0) {
			s->reserve_held += s->reserve_part;
			continue;
		}
		if (errno == EOPNOTSUPP)
			s->reserve_size =
				0; /* such a file system: go without */
		(void)!ftruncate(s->reserve_fd, s->reserve_held);
		return false;
	}
	return true;
}

void store_reserve_take(struct store *s)
{
	if (s->reserve_fd < 0 || reserve_allocate(s) || !s->reserve_size)
		return;
	/* The log may be what has the room; to move it may take some, too. */
	if (log_truncate(s) ||
	    (store_reserve_give(s, s->reserve_part) && log_truncate(s)))
		reserve_allocate(s);
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
		(void)log_truncate(s);
	store_reserve_take(s);
	if (s->reserve_held == s->reserve_size)
		return 0;
	return err_set(err, -ENOSPC,
		       "no space left on the disk for %s in %s; free some "
		       "there, deleting still works",
		       store_name(s, "").s, s->dir);
}
