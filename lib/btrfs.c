/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * btrfs by its ioctls.
 *
 * What no ioctl tells is read from the file system's trees: the quota tree has
 * one item of usage and one of limits a group, and the root tree one ROOT_REF a
 * subvolume, with its parent as the key.  A subvolume is deleted by its number,
 * so that no path is walked that somebody could change meanwhile.
 */
#include "lib/btrfs.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "lib/base.h"
#include "lib/log.h"

#define SUPER_MAGIC 0x9123683e
#define LEVELS_MAX  64
#define MISSED_MAX  1000 /* subvolumes that another call deleted */
#define WAIT_MS     10
#define WAIT_MAX_MS 2000
#define FILE_ID     0x4d /* FILEID_BTRFS_WITHOUT_PARENT */

static const char in_use[] =
	": has it a swap file, is it being sent, is it the default?";

struct item {
	uint64_t offset; /* of the key */
	size_t len;
	union {
		uint8_t bytes[512];
		struct btrfs_root_ref ref;
		struct btrfs_inode_item inode;
		struct btrfs_qgroup_info_item info;
		struct btrfs_qgroup_limit_item limit;
		struct btrfs_qgroup_status_item status;
	};
};

bool btrfs_is(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && st.f_type == SUPER_MAGIC;
}

/*
 * The first item of @tree with this object and type whose offset is at least
 * @from and at most @to.  @min: bytes it must have.
 *
 * Return: 1; 0: none; -ENOENT: no such tree.
 */
static int find_item(int fd, uint64_t tree, uint64_t object, uint32_t type,
		     uint64_t from, uint64_t to, size_t min, struct item *ret)
{
	struct btrfs_ioctl_search_args args = {
		.key = { .tree_id = tree,
			 .min_objectid = object,
			 .max_objectid = object,
			 .min_type = type,
			 .max_type = type,
			 .min_offset = from,
			 .max_offset = to,
			 .max_transid = UINT64_MAX,
			 .nr_items = 1 },
	};
	struct btrfs_ioctl_search_header h;

	*ret = (struct item){ 0 };
	if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) < 0)
		return -errno;
	if (args.key.nr_items == 0)
		return 0;
	memcpy(&h, args.buf, sizeof(h));
	ret->offset = h.offset;
	ret->len = h.len < sizeof(ret->bytes) ? h.len : sizeof(ret->bytes);
	if (ret->len < min)
		return -EUCLEAN;
	memcpy(ret->bytes, args.buf + sizeof(h), ret->len);
	return 1;
}

/* ---- subvolumes -------------------------------------------------------- */

int btrfs_subvol_id(int fd, uint64_t *ret, struct err *err)
{
	struct btrfs_ioctl_ino_lookup_args args = {
		.objectid = BTRFS_FIRST_FREE_OBJECTID
	};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "stat: %s", strerror(errno));
	if (!btrfs_is(fd) || !S_ISDIR(st.st_mode) ||
	    st.st_ino != BTRFS_FIRST_FREE_OBJECTID)
		return err_set(err, -ENOTDIR, "not a btrfs subvolume");
	if (ioctl(fd, BTRFS_IOC_INO_LOOKUP, &args) < 0)
		return err_set(err, -errno, "the number of the subvolume: %s",
			       strerror(errno));
	*ret = args.treeid;
	return 0;
}

/* @name into a field of @size.  -EINVAL, -ENAMETOOLONG. */
static int put_name(char *field, size_t size, const char *name, struct err *err)
{
	int n;

	if (!*name || strchr(name, '/'))
		return err_set(err, -EINVAL, "not a name in a directory");
	n = snprintf(field, size, "%s", name);
	return n < 0 || (size_t)n >= size
		       ? err_set(err, -ENAMETOOLONG, "subvolume %s", name)
		       : 0;
}

int btrfs_subvol_make(int dirfd, const char *name, struct err *err)
{
	struct btrfs_ioctl_vol_args_v2 args = { 0 };
	int r = put_name(args.name, sizeof(args.name), name, err);

	if (r < 0)
		return r;
	if (ioctl(dirfd, BTRFS_IOC_SUBVOL_CREATE_V2, &args) < 0)
		return err_set(err, -errno, "make btrfs subvolume %s: %s", name,
			       strerror(errno));
	return 0;
}

int btrfs_subvol_snapshot(int src, int dirfd, const char *name, bool readonly,
			  struct err *err)
{
	struct btrfs_ioctl_vol_args_v2 args = {
		.fd = src, .flags = readonly ? BTRFS_SUBVOL_RDONLY : 0
	};
	uint64_t id;
	int r = put_name(args.name, sizeof(args.name), name, err);

	/* of a directory within the kernel would take the whole subvolume */
	if (r == 0)
		r = btrfs_subvol_id(src, &id, err);
	if (r < 0)
		return r;
	if (ioctl(dirfd, BTRFS_IOC_SNAP_CREATE_V2, &args) < 0)
		return err_set(err, -errno, "make btrfs snapshot %s: %s", name,
			       strerror(errno));
	return 0;
}

int btrfs_subvol_get(int fd, struct btrfs_subvol *ret, struct err *err)
{
	static const uint8_t none[BTRFS_UUID_SIZE];
	struct btrfs_ioctl_get_subvol_info_args info = { 0 };
	uint64_t id;
	int r = btrfs_subvol_id(fd, &id, err);

	if (r < 0)
		return r;
	if (ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &info) < 0)
		return err_set(err, -errno, "look at btrfs subvolume %llu: %s",
			       (unsigned long long)id, strerror(errno));
	*ret = (struct btrfs_subvol){
		.id = id,
		.generation = info.generation,
		.created_s = (int64_t)info.otime.sec,
		.readonly = info.flags & BTRFS_ROOT_SUBVOL_RDONLY,
		.received = memcmp(info.received_uuid, none, sizeof(none)) != 0,
	};
	return 0;
}

/* The first subvolume directly below @id.  Return: 1; 0; -errno. */
static int child_of(int fd, uint64_t id, uint64_t from, struct item *ret)
{
	return find_item(fd, BTRFS_ROOT_TREE_OBJECTID, id, BTRFS_ROOT_REF_KEY,
			 from, UINT64_MAX, sizeof(ret->ref), ret);
}

int btrfs_subvol_each(int fd, uint64_t id, int (*fn)(void *ctx, uint64_t id),
		      void *ctx, struct err *err)
{
	struct {
		uint64_t id, next;
	} level[LEVELS_MAX] = { { .id = id } };
	size_t depth = 1;
	struct item it;
	int r;

	while (depth) {
		r = child_of(fd, level[depth - 1].id, level[depth - 1].next,
			     &it);
		if (r < 0)
			return err_set(err, r, "look for subvolumes: %s",
				       strerror(-r));
		if (r == 0) {
			depth--;
			continue;
		}
		level[depth - 1].next = it.offset + 1;
		r = fn(ctx, it.offset);
		if (r != 0)
			return r;
		if (depth == LEVELS_MAX)
			return err_set(err, -E2BIG,
				       "subvolumes are more than %d deep",
				       LEVELS_MAX);
		level[depth].id = it.offset;
		level[depth++].next = 0;
	}
	return 0;
}

/* Return: a descriptor of the root of subvolume @id; -errno. */
static int open_subvol(int fd, uint64_t id)
{
	struct {
		struct file_handle h;
		struct {
			uint64_t object, root;
			uint32_t generation;
		} __attribute__((packed)) fid;
	} handle = {
		.h = { .handle_bytes = 20, .handle_type = FILE_ID },
		.fid = { .object = BTRFS_FIRST_FREE_OBJECTID, .root = id },
	};
	struct item it;
	int root, r = find_item(fd, id, BTRFS_FIRST_FREE_OBJECTID,
				BTRFS_INODE_ITEM_KEY, 0, 0, sizeof(it.inode),
				&it);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	handle.fid.generation = (uint32_t)le64toh(it.inode.generation);
	root = open_by_handle_at(fd, &handle.h,
				 O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -errno : root;
}

static void make_writable(int fd, uint64_t id)
{
	_cleanup_close_ int root = open_subvol(fd, id);
	uint64_t flags = 0;

	if (root >= 0)
		(void)ioctl(root, BTRFS_IOC_SUBVOL_SETFLAGS, &flags);
}

/* Delete the subvolume @id, that has none in it, from its parent. */
static int destroy_id(int fd, uint64_t id, uint64_t parent)
{
	struct btrfs_ioctl_vol_args_v2 args = { .flags =
							BTRFS_SUBVOL_SPEC_BY_ID,
						.subvolid = id };

	if (ioctl(fd, BTRFS_IOC_SNAP_DESTROY_V2, &args) == 0)
		return 0;
	if (errno != EROFS)
		return -errno;
	make_writable(fd, parent); /* a read-only one had it in it */
	return ioctl(fd, BTRFS_IOC_SNAP_DESTROY_V2, &args) < 0 ? -errno : 0;
}

static int parent_of(int fd, uint64_t id, struct item *ret)
{
	int r = find_item(fd, BTRFS_ROOT_TREE_OBJECTID, id,
			  BTRFS_ROOT_BACKREF_KEY, 0, UINT64_MAX,
			  sizeof(ret->ref), ret);

	return r == 0 ? -ENOENT : r;
}

static int blame(const struct item *it, uint64_t id, int r, struct err *err)
{
	size_t len = it->len - sizeof(it->ref);
	char name[160], shown[200];

	snprintf(name, sizeof(name), "%.*s", len < 128 ? (int)len : 128,
		 (const char *)it->bytes + sizeof(it->ref));
	return err_set(err, r, "delete btrfs subvolume %llu (%s): %s%s",
		       (unsigned long long)id,
		       log_quote(shown, sizeof(shown), name), strerror(-r),
		       r == -EPERM ? in_use : "");
}

/* Delete all subvolumes below @top, the innermost first: down to the first
 * child while there is one, else up again. */
static int destroy_below(int fd, uint64_t top, struct err *err)
{
	uint64_t at = top;
	struct item it;
	int r, missed = 0;

	for (;;) {
		r = child_of(fd, at, 0, &it);
		if (r == 1) {
			at = it.offset;
			continue;
		}
		if (r < 0 || at == top)
			break;
		r = parent_of(fd, at, &it);
		if (r == -ENOENT) { /* another call was faster */
			at = top;
			continue;
		}
		if (r < 0)
			break;
		r = destroy_id(fd, at, it.offset);
		if (r < 0 && (r != -ENOENT || missed++ == MISSED_MAX))
			return blame(&it, at, r, err);
		at = it.offset;
	}
	return r < 0 ? err_set(err, r, "look for subvolumes: %s", strerror(-r))
		     : 0;
}

static int open_named(int dirfd, const char *name, struct err *err)
{
	int fd = openat(dirfd, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : fd;

	if (r == -ELOOP)
		r = -ENOTDIR;
	return r < 0 ? err_set(err, r, "subvolume %s: %s", name, strerror(-r))
		     : r;
}

int btrfs_subvol_destroy(int dirfd, const char *name, struct err *err)
{
	struct btrfs_ioctl_vol_args_v2 args = { 0 };
	_cleanup_close_ int fd = -EBADF;
	uint64_t id = 0;
	int r = put_name(args.name, sizeof(args.name), name, err);

	if (r < 0)
		return r;
	fd = open_named(dirfd, name, err);
	if (fd < 0)
		return fd;
	r = btrfs_subvol_id(fd, &id, err);
	if (r == 0)
		r = destroy_below(fd, id, err);
	if (r < 0)
		return r;
	if (ioctl(dirfd, BTRFS_IOC_SNAP_DESTROY_V2, &args) < 0)
		return err_set(err, -errno, "delete btrfs subvolume %s: %s%s",
			       name, strerror(errno),
			       errno == EPERM ? in_use : "");
	return 0;
}

/* ---- quotas ------------------------------------------------------------ */

/* A key of the quota tree has no object.  Return: 1; 0: none, or no quotas. */
static int find_quota(int fd, uint32_t type, uint64_t id, size_t min,
		      struct item *ret, struct err *err)
{
	int r = find_item(fd, BTRFS_QUOTA_TREE_OBJECTID, 0, type, id, id, min,
			  ret);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? err_set(err, r, "read the btrfs quotas: %s",
			       strerror(-r))
		     : r;
}

int btrfs_quota_get(int fd, struct btrfs_quota *ret, struct err *err)
{
	struct item it;
	int r = find_quota(fd, BTRFS_QGROUP_STATUS_KEY, 0, sizeof(it.status),
			   &it, err);
	uint64_t flags;

	if (r < 0)
		return r;
	flags = r ? le64toh(it.status.flags) : 0;
	*ret = (struct btrfs_quota){
		.on = flags & BTRFS_QGROUP_STATUS_FLAG_ON,
		.exact = !(flags & (BTRFS_QGROUP_STATUS_FLAG_RESCAN |
				    BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT)),
	};
	return 0;
}

static void wait_for_count(int fd)
{
	const struct timespec step = { .tv_nsec = WAIT_MS * 1000000 };
	struct btrfs_ioctl_quota_rescan_args state = { 0 };

	for (int ms = 0; ms < WAIT_MAX_MS; ms += WAIT_MS) {
		if (ioctl(fd, BTRFS_IOC_QUOTA_RESCAN_STATUS, &state) < 0 ||
		    !state.flags)
			return;
		nanosleep(&step, NULL);
	}
}

int btrfs_quota_need(int fd, struct err *err)
{
	struct btrfs_ioctl_quota_ctl_args on = {
		.cmd = BTRFS_QUOTA_CTL_ENABLE
	};
	struct btrfs_ioctl_quota_rescan_args rescan = { 0 };
	struct btrfs_quota q;
	int r = btrfs_quota_get(fd, &q, err);

	if (r < 0)
		return r;
	if (!q.on && ioctl(fd, BTRFS_IOC_QUOTA_CTL, &on) < 0)
		return err_set(err, -errno, "turn btrfs quotas on: %s",
			       strerror(errno));
	/* refused while one runs, as after turning them on */
	if (q.on && !q.exact)
		(void)ioctl(fd, BTRFS_IOC_QUOTA_RESCAN, &rescan);
	if (!q.on || !q.exact)
		wait_for_count(fd);
	return 0;
}

int btrfs_qgroup_get(int fd, uint64_t id, struct btrfs_qgroup *ret,
		     struct err *err)
{
	struct btrfs_qgroup got = { 0 };
	struct item it;
	int r = find_quota(fd, BTRFS_QGROUP_INFO_KEY, id, sizeof(it.info), &it,
			   err);

	if (r == 0)
		return err_set(err, -ENODATA,
			       "no btrfs quota group for subvolume %llu",
			       (unsigned long long)id);
	if (r < 0)
		return r;
	got.used = le64toh(it.info.rfer);
	got.exclusive = le64toh(it.info.excl);
	r = find_quota(fd, BTRFS_QGROUP_LIMIT_KEY, id, sizeof(it.limit), &it,
		       err);
	if (r < 0)
		return r;
	if (r == 1 && le64toh(it.limit.flags) & BTRFS_QGROUP_LIMIT_MAX_RFER)
		got.limit = le64toh(it.limit.max_rfer);
	*ret = got;
	return 0;
}

int btrfs_qgroup_limit(int fd, uint64_t id, uint64_t bytes, struct err *err)
{
	struct btrfs_ioctl_qgroup_limit_args args = {
		.qgroupid = id,
		.lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER,
			 .max_rfer = bytes ? bytes : UINT64_MAX },
	};
	struct btrfs_ioctl_qgroup_create_args add = { .create = 1,
						      .qgroupid = id };
	struct btrfs_quota q;
	int r = btrfs_quota_get(fd, &q, err);

	if (r < 0)
		return r;
	if (!q.on)
		return err_set(err, -ENODATA,
			       "btrfs quotas are off on this file system");
	r = ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &args) < 0 ? -errno : 0;
	/* somebody has deleted the group */
	if (r == -ENOENT && ioctl(fd, BTRFS_IOC_QGROUP_CREATE, &add) == 0)
		r = ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &args) < 0 ? -errno : 0;
	return r < 0 ? err_set(err, r, "limit btrfs subvolume %llu: %s",
			       (unsigned long long)id, strerror(-r))
		     : 0;
}

int btrfs_qgroup_forget(int fd, uint64_t id)
{
	struct btrfs_ioctl_qgroup_create_args args = { .qgroupid = id };

	/* .create is 0 */
	return ioctl(fd, BTRFS_IOC_QGROUP_CREATE, &args) < 0 && errno == EBUSY
		       ? -EBUSY
		       : 0;
}

int btrfs_sync(int fd, struct err *err)
{
	return ioctl(fd, BTRFS_IOC_SYNC) < 0
		       ? err_set(err, -errno, "sync: %s", strerror(errno))
		       : 0;
}
