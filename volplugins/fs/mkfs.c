/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running mkfs. */
#include "volplugins/fs/mkfs.h"

#include <errno.h>
#include <string.h>

#include "lib/base.h"
#include "volplugins/fs/tool.h"

/* Blocks of 4096 bytes in both: that of the loop device, so that direct I/O
 * works on any disk.  Nothing is discarded, and what would be zeroed later, by
 * the kernel, is zeroed now: it would be by punching holes. */
#define EXT4_FEATURES                                                \
	"none,has_journal,ext_attr,resize_inode,dir_index,filetype," \
	"extent,64bit,flex_bg,sparse_super,large_file,huge_file,"    \
	"dir_nlink,extra_isize,metadata_csum"
#define EXT4(extended)                                                    \
	"/usr/sbin/mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-I", \
		"256", "-O", EXT4_FEATURES, "-E", "nodiscard," extended,  \
		TOOL_FILE, NULL

static const char *const ext4_argv[] = { EXT4(
	"lazy_itable_init=0,lazy_journal_init=0") };
/* The tables of inodes, over a percent of the device, are left as they are. */
static const char *const ext4_zeroed_argv[] = { EXT4(
	"assume_storage_prezeroed=1") };
static const char *const xfs_argv[] = {
	"/usr/sbin/mkfs.xfs", "-q", "-f",        "-K",      "-b",
	"size=4096",          "-s", "size=4096", TOOL_FILE, NULL,
};

static const struct {
	const char *fs;
	struct tool tool, zeroed;
} tools[] = {
	{ "ext4",
	  { "e2fsprogs", ext4_argv },
	  { "e2fsprogs", ext4_zeroed_argv } },
	{ "xfs", { "xfsprogs", xfs_argv }, { "xfsprogs", xfs_argv } },
};

static const struct tool *tool_of(const char *fs, bool zeroed, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++)
		if (strcmp(tools[i].fs, fs) == 0)
			return zeroed ? &tools[i].zeroed : &tools[i].tool;
	err_set(err, -EINVAL, "option fs: not ext4 or xfs");
	return NULL;
}

int mkfs_probe(const char *fs, struct err *err)
{
	const struct tool *t = tool_of(fs, false, err);

	return t ? tool_probe(t, err) : -EINVAL;
}

int mkfs_run(const char *fs, int image, bool zeroed, struct err *err)
{
	const struct tool *t = tool_of(fs, zeroed, err);

	return t ? tool_run(t, image, err) : -EINVAL;
}
