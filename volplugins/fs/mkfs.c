/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running mkfs. */
#include "volplugins/fs/mkfs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base.h"
#include "volplugins/fs/tool.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* Blocks of 4096 bytes in both: that of the loop device, so that direct I/O
 * works on any disk.  Nothing is discarded, and what would be zeroed later, by
 * the kernel, is zeroed now: it would be by punching holes. */
#define EXT4_FEATURES                                                \
	"none,has_journal,ext_attr,resize_inode,dir_index,filetype," \
	"extent,64bit,flex_bg,sparse_super,large_file,huge_file,"    \
	"dir_nlink,extra_isize,metadata_csum"
#define EXT4(extended, ...)                                               \
	"/usr/sbin/mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-I", \
		"256", "-O", EXT4_FEATURES, "-E", "nodiscard," extended,  \
		__VA_ARGS__ TOOL_FILE, NULL
#define XFS(...)                                                         \
	"/usr/sbin/mkfs.xfs", "-q", "-f", "-K", "-b", "size=4096", "-s", \
		"size=4096", __VA_ARGS__ TOOL_FILE, NULL

static const char *const ext4_argv[] = { EXT4(
	"lazy_itable_init=0,lazy_journal_init=0", ) };
/* The tables of inodes, over a percent of the device, are left as they are. */
static const char *const ext4_zeroed_argv[] = { EXT4(
	"assume_storage_prezeroed=1", ) };
/* And so they are where they are no zeros: with metadata_csum nobody reads what was
 * never used.  The mount's option noinit_itable has the kernel leave them, too. */
#define LEAVE "lazy_itable_init=1,lazy_journal_init=0"
static const char *const ext4_leave_argv[] = { EXT4(LEAVE, ) };
static const char *const ext4_leave_large_argv[] = { EXT4(LEAVE, "-J",
							  "size=128", ) };
static const char *const xfs_argv[] = { XFS() };
static const char *const xfs_large_argv[] = { XFS("-l", "size=128m", ) };

#define JOURNAL_MOST (128 * MIB)

/* The last that fits. */
static const struct way {
	const char *fs;
	enum mkfs_content content;
	uint64_t from; /* bytes of the file */
	struct tool tool;
} ways[] = {
	{ "ext4", MKFS_ZERO, 0, { "e2fsprogs", ext4_argv } },
	{ "ext4", MKFS_ZEROED, 0, { "e2fsprogs", ext4_zeroed_argv } },
	{ "ext4", MKFS_LEAVE, 0, { "e2fsprogs", ext4_leave_argv } },
	{ "ext4",
	  MKFS_LEAVE,
	  32 * GIB,
	  { "e2fsprogs", ext4_leave_large_argv } },
	{ "xfs", MKFS_ZERO, 0, { "xfsprogs", xfs_argv } },
	/* its log is written in full, zeros or not */
	{ "xfs", MKFS_ZEROED, 0, { "xfsprogs", xfs_argv } },
	{ "xfs", MKFS_ZEROED, 256 * GIB, { "xfsprogs", xfs_large_argv } },
	{ "xfs", MKFS_LEAVE, 0, { "xfsprogs", xfs_argv } },
	{ "xfs", MKFS_LEAVE, 256 * GIB, { "xfsprogs", xfs_large_argv } },
};

static const struct tool *tool_of(const char *fs, enum mkfs_content content,
				  uint64_t size, struct err *err)
{
	const struct way *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (strcmp(ways[i].fs, fs) == 0 && ways[i].content == content &&
		    ways[i].from <= size)
			found = &ways[i];
	if (found)
		return &found->tool;
	err_set(err, -EINVAL, "option fs: not ext4 or xfs");
	return NULL;
}

int mkfs_probe(const char *fs, struct err *err)
{
	const struct tool *t = tool_of(fs, MKFS_ZERO, 0, err);

	return t ? tool_probe(t, err) : -EINVAL;
}

int mkfs_run(const char *fs, int image, enum mkfs_content content,
	     struct err *err)
{
	off_t size = lseek(image, 0, SEEK_END);
	const struct tool *t;

	if (size < 0)
		return err_set(err, -errno, "make a file system: %s",
			       strerror(errno));
	t = tool_of(fs, content, (uint64_t)size, err);
	return t ? tool_run(t, image, err) : -EINVAL;
}

/* ---- what it costs ------------------------------------------------------------- */

/* What mke2fs takes, by its ext2fs_default_journal_size(). */
static uint64_t ext4_journal(uint64_t size)
{
	return size < 128 * MIB  ? 4 * MIB
	       : size < GIB      ? 16 * MIB
	       : size < 2 * GIB  ? 32 * MIB
	       : size < 16 * GIB ? 64 * MIB
				 : JOURNAL_MOST;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Room to describe more groups; the descriptions, each again in up to 26 groups (powers
 * of 3, 5 and 7); the bitmaps at the beginning of every 16 groups; the rest. */
static uint64_t ext4_cost(uint64_t size, enum mkfs_content content,
			  uint64_t block)
{
	uint64_t groups = size / (128 * MIB) + 1;

	return (content == MKFS_LEAVE ? ext4_journal(size) : 0) +
	       smaller(size / 200, 5 * MIB) + groups * 64 * 27 +
	       (groups / 16 + 1) * 2 * block + MIB;
}

/* Its log, and the beginnings of its groups: four, from 4 TiB on one each TiB. */
static uint64_t xfs_cost(uint64_t size, uint64_t block)
{
	return (size > 128 * GIB ? JOURNAL_MOST : 64 * MIB) +
	       ((size >> 40) + 5) * 2 * block + 2 * MIB;
}

uint64_t mkfs_cost(const char *fs, uint64_t size, enum mkfs_content content,
		   uint64_t block)
{
	return strcmp(fs, "xfs") == 0 ? xfs_cost(size, block)
				      : ext4_cost(size, content, block);
}
