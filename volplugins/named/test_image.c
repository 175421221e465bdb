/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes as file-system images, on real loop devices, in a mount namespace of
 * the test's own. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/fail.h"
#include "lib/jdec.h"
#include "lib/loop.h"
#include "lib/mnt.h"
#include "lib/tree.h"
#include "volplugins/fs/mkfs.h"
#include "volplugins/named/named_priv.h"

/* ext4 grows for who may spend what is reserved for root. */
static bool may_grow_ext4(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2] = { 0 };

	return syscall(SYS_capget, &head, data) == 0 &&
	       data[0].effective & 1u << CAP_SYS_RESOURCE;
}

struct fix {
	char dir[64];
	int fd, volumes;
	struct plugd d;
	void *host;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct err err = { 0 };

	if (!f)
		return -1;
	*state = f;
	if (geteuid() != 0 || loop_probe(NULL) < 0 || unshare(CLONE_NEWNS) < 0)
		return 0;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/berth-test-image-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->d.dirs.state_dir = f->dir;
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (named_driver.host_open(&f->d, &f->host, &err) < 0) {
		print_message("# %s\n", err.msg);
		return -1;
	}
	f->volumes = openat(f->fd, "berth-named/volumes",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->volumes < 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	int r = 0;

	if (f->host) {
		named_driver.host_close(f->host);
		close(f->volumes);
		r = tree_empty(f->fd, NULL, NULL, NULL) | rmdir(f->dir);
		close(f->fd);
	}
	free(f);
	return r;
}

static void need(struct fix *f, const char *fs)
{
	struct err err = { 0 };

	if (!f->host || mkfs_probe(fs, &err) < 0) {
		print_message("SKIP: no loop devices, or %s\n", err.msg);
		skip();
	}
}

/* As the core makes one; NULL: its options are refused, with @want in err. */
static struct vol_volume *volume(struct fix *f, const char *name,
				 const char *opts, struct err *err)
{
	struct vol_volume *v = calloc(1, named_driver.volume_size);
	_cleanup_(json_putp) json_object *map = NULL;
	int r;

	assert_non_null(v);
	v->driver = &named_driver;
	v->host = f->host;
	snprintf(v->name, sizeof(v->name), "%s", name);
	named_driver.defaults(v);
	assert_int_equal(jdec_parse(opts, strlen(opts), &map, NULL), 0);
	r = opts_decode(map, named_driver.options,
			(char *)v + named_driver.options_offset, "x", err);
	if (r == 0)
		r = named_driver.init(v, err);
	if (r == 0)
		return v;
	free(v);
	return NULL;
}

/* One created, or a message of why not. */
static struct vol_volume *made(struct fix *f, const char *name,
			       const char *opts)
{
	struct err err = { 0 };
	struct vol_volume *v = volume(f, name, opts, &err);

	if (!v || named_driver.create(v, &err) < 0) {
		print_message("# %s\n", err.msg);
		fail();
	}
	return v;
}

static bool exists(struct fix *f, const char *path)
{
	return faccessat(f->volumes, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put_file(struct fix *f, const char *path, size_t size)
{
	int fd = openat(f->volumes, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_free_ char *data = calloc(1, size + 1);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	assert_int_equal(fsync(fd), 0);
	close(fd);
}

static int below(void *ctx, unsigned int number, const char *file)
{
	const struct fix *f = ctx;

	(void)number;
	return strncmp(file, f->dir, strlen(f->dir)) == 0;
}

static bool has_loop(struct fix *f)
{
	return loop_each(below, f, NULL) == 1;
}

static void no_loop(struct fix *f)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 5000 && has_loop(f); i++)
		nanosleep(&ms, NULL);
	assert_false(has_loop(f));
}

static off_t size_of(struct fix *f, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(f->volumes, path, &st, AT_SYMLINK_NOFOLLOW),
			 0);
	return st.st_size;
}

static void all_reserved(struct fix *f, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(f->volumes, path, &st, AT_SYMLINK_NOFOLLOW),
			 0);
	assert_true((off_t)st.st_blocks * 512 >= st.st_size);
}

static void life(struct fix *f, const char *fs, const char *opts, off_t size)
{
	_cleanup_free_ struct vol_volume *v = made(f, "v", opts);
	struct vol_usage u = { 0 };
	struct err err = { 0 };
	struct stat st;
	struct statfs sf;
	int dir;

	no_loop(f); /* nothing stays mounted for it */
	assert_int_equal(size_of(f, "v/image"), size);
	all_reserved(f, "v/image");
	assert_int_equal(named_driver.mount(v, NULL), 0);
	assert_int_equal(named_driver.mount(v, NULL), 0);
	assert_true(has_loop(f));
	assert_int_equal(fstatat(f->volumes, "v/_data", &st, 0), 0);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_gid, 8);
	assert_int_equal(st.st_mode & 07777, 02770);
	assert_int_equal(st.st_nlink, 2);
	assert_false(exists(f, "v/_data/lost+found"));
	dir = openat(f->volumes, "v/_data", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstatfs(dir, &sf), 0);
	close(dir);
	assert_true(sf.f_flags & MS_NODEV);
	assert_true(sf.f_flags & MS_NOSUID);
	put_file(f, "v/_data/file", 1 << 20);
	assert_int_equal(named_driver.usage(v, &u, NULL), 0);
	assert_true(u.used_known && u.used_bytes >= 1 << 20);
	assert_int_equal(u.limit_bytes, size);
	assert_int_equal(named_driver.unmake(v, &err), -ENOTEMPTY);
	assert_int_equal(named_driver.unmount(v, NULL), 0);
	assert_int_equal(named_driver.unmount(v, NULL), 0);
	assert_false(exists(f, "v/_data/file"));
	no_loop(f);
	assert_int_equal(named_driver.unmake(v, &err), -ENOTEMPTY);
	u = (struct vol_usage){ 0 };
	assert_int_equal(named_driver.usage(v, &u, NULL), 0);
	assert_true(u.used_known && u.used_bytes >= 1 << 20);
	assert_int_equal(named_driver.create(v, NULL), VOL_FOUND);
	assert_int_equal(named_driver.mount(v, NULL), 0);
	assert_true(exists(f, "v/_data/file"));
	assert_int_equal(named_driver.remove(v, NULL), 0);
	assert_false(exists(f, "v"));
	no_loop(f);
	print_message("# %s: done\n", fs);
}

static void ext4_from_create_to_remove(void **state)
{
	struct fix *f = *state;

	need(f, "ext4");
	life(f, "ext4",
	     "{\"size\":\"16m\",\"uid\":\"7\",\"gid\":\"8\",\"mode\":\"2770\"}",
	     16 << 20);
}

static void xfs_from_create_to_remove(void **state)
{
	struct fix *f = *state;

	need(f, "xfs");
	life(f, "xfs",
	     "{\"size\":\"320m\",\"fs\":\"xfs\",\"uid\":\"7\",\"gid\":\"8\","
	     "\"mode\":\"2770\"}",
	     320 << 20);
}

static void grows(struct fix *f, const char *opts, uint64_t to)
{
	_cleanup_free_ struct vol_volume *v = made(f, "v", opts);
	uint64_t from = to_named(v)->meta.size;
	struct err err = { 0 };
	struct statfs sf;
	int fd;

	/* mounted, with a file open */
	assert_int_equal(named_driver.mount(v, NULL), 0);
	put_file(f, "v/_data/file", 3 << 20);
	fd = openat(f->volumes, "v/_data/file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(named_driver.resize(v, to, &err), 0);
	assert_int_equal(fstatfs(fd, &sf), 0);
	assert_true((uint64_t)sf.f_blocks * (uint64_t)sf.f_bsize > from);
	close(fd);
	assert_int_equal(named_driver.resize(v, to, &err), 0);
	assert_int_equal(named_driver.resize(v, 1 << 20, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "are in use"));
	assert_int_equal(named_driver.resize(v, from, &err), -EOPNOTSUPP);
	all_reserved(f, "v/image");
	/* and not mounted */
	assert_int_equal(named_driver.unmount(v, NULL), 0);
	no_loop(f);
	assert_int_equal(named_driver.resize(v, to * 2, &err), 0);
	no_loop(f);
	assert_int_equal(size_of(f, "v/image"), (off_t)to * 2);
	assert_int_equal(named_driver.mount(v, NULL), 0);
	assert_int_equal(size_of(f, "v/_data/file"), 3 << 20);
	fd = openat(f->volumes, "v/_data/file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstatfs(fd, &sf), 0);
	assert_true((uint64_t)sf.f_blocks * (uint64_t)sf.f_bsize > to);
	close(fd);
	assert_int_equal(named_driver.remove(v, &err), 0);
}

static void ext4_grows(void **state)
{
	struct fix *f = *state;

	need(f, "ext4");
	if (!may_grow_ext4()) {
		print_message("SKIP: no CAP_SYS_RESOURCE\n");
		skip();
	}
	grows(f, "{\"size\":\"16m\"}", 64 << 20);
}

static void xfs_grows(void **state)
{
	struct fix *f = *state;

	need(f, "xfs");
	grows(f, "{\"size\":\"300m\",\"fs\":\"xfs\"}", 400 << 20);
}

static void too_large_for_the_disk_leaves_nothing(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL, *w = NULL;
	struct err err = { 0 };
	int fs, fd;

	need(f, "ext4");
	/* a disk of its own, of 64 MiB */
	fs = mnt_open("tmpfs", NULL);
	assert_int_equal(mnt_set(fs, "size", "64m", NULL), 0);
	fd = mnt_make(fs, 0, NULL);
	assert_true(fd >= 0);
	close(fs);
	named_driver.host_close(take_ptr(f->host));
	close(f->volumes);
	assert_int_equal(mnt_attach(fd, f->fd, "berth-named", NULL), 0);
	close(fd);
	assert_int_equal(named_driver.host_open(&f->d, &f->host, NULL), 0);
	f->volumes = openat(f->fd, "berth-named/volumes",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	v = volume(f, "v", "{\"size\":\"1g\"}", &err);
	assert_int_equal(named_driver.create(v, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "on this host's disk"));
	assert_false(exists(f, "v"));
	assert_false(exists(f, ".staging/v"));
	w = made(f, "w", "{\"size\":\"16m\"}");
	assert_int_equal(named_driver.resize(w, 1 << 30, &err), -ENOSPC);
	assert_int_equal(size_of(f, "w/image"), 16 << 20);
	assert_int_equal(named_driver.mount(w, &err), 0);
	assert_int_equal(named_driver.resize(w, 1 << 30, &err), -ENOSPC);
	assert_int_equal(size_of(f, "w/image"), 16 << 20);
	if (may_grow_ext4())
		assert_int_equal(named_driver.resize(w, 32 << 20, &err), 0);
	assert_int_equal(named_driver.remove(w, &err), 0);
	no_loop(f);
	named_driver.host_close(take_ptr(f->host));
	close(f->volumes);
	assert_int_equal(mnt_detach(f->fd, "berth-named", false, NULL), 0);
	assert_int_equal(named_driver.host_open(&f->d, &f->host, NULL), 0);
	f->volumes = openat(f->fd, "berth-named/volumes",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void never_two_devices_for_one_image(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	struct stat one, two;
	int holder;

	need(f, "ext4");
	v = made(f, "v", "{\"size\":\"16m\"}");
	assert_int_equal(named_driver.mount(v, NULL), 0);
	/* as a container has it: a mount that outlives ours */
	holder = mnt_clone(f->volumes, "v/_data", false, NULL);
	assert_true(holder >= 0);
	assert_int_equal(named_driver.unmount(v, NULL), 0);
	assert_true(has_loop(f));
	assert_int_equal(named_driver.mount(v, NULL), 0);
	assert_int_equal(fstat(holder, &one), 0);
	assert_int_equal(fstatat(f->volumes, "v/_data", &two, 0), 0);
	assert_int_equal(one.st_dev, two.st_dev);
	assert_int_equal(named_driver.unmount(v, NULL), 0);
	close(holder);
	no_loop(f);
	assert_int_equal(named_driver.remove(v, NULL), 0);
}

static bool nobody(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return false;
}

static bool everybody(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return true;
}

static void join_lines(void *ctx, const char *line)
{
	strcat(ctx, line);
	strcat(ctx, "\n");
}

/* Daemon and guard were killed at once while it was copied. */
static void frozen_by_an_earlier_life_is_thawed(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	int root;

	need(f, "ext4");
	v = made(f, "v", "{\"size\":\"16m\"}");
	assert_int_equal(named_driver.mount(v, NULL), 0);
	root = openat(f->volumes, "v/_data", O_RDONLY | O_CLOEXEC);
	assert_int_equal(ioctl(root, FIFREEZE, 0), 0);
	named_driver.host_close(take_ptr(f->host));
	assert_int_equal(named_driver.host_open(&f->d, &f->host, NULL), 0);
	v->host = f->host;
	/* nothing to thaw any more, else this would be what thaws it */
	assert_int_equal(ioctl(root, FITHAW, 0), -1);
	assert_int_equal(errno, EINVAL);
	put_file(f, "v/_data/file", 1);
	close(root);
	assert_int_equal(named_driver.remove(v, NULL), 0);
	no_loop(f);
}

/* The records were lost while it was mounted. */
static void mount_of_nobody_is_told_and_goes(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL, *w = NULL;
	char lines[2048] = "";
	int fd;

	need(f, "ext4");
	v = made(f, "v", "{\"size\":\"16m\"}");
	w = made(f, "w", "{}");
	assert_int_equal(named_driver.mount(v, NULL), 0);
	/* what somebody mounted on a plain directory is none of ours */
	fd = mnt_clone(f->fd, "", false, NULL);
	assert_int_equal(mnt_attach(fd, f->volumes, "w/_data", NULL), 0);
	close(fd);
	assert_int_equal(
		named_driver.check(f->host, everybody, join_lines, lines, NULL),
		0);
	assert_string_equal(lines, "");
	assert_int_equal(
		named_driver.check(f->host, nobody, join_lines, lines, NULL),
		0);
	assert_non_null(strstr(lines, "/v/_data of no volume"));
	assert_non_null(strstr(lines, "loop device"));
	assert_int_equal(mnt_is_mounted(f->volumes, "v/_data", NULL), 1);
	assert_int_equal(
		named_driver.gc(f->host, true, nobody, join_lines, lines, NULL),
		1);
	assert_int_equal(named_driver.gc(f->host, false, nobody, join_lines,
					 lines, NULL),
			 1);
	assert_int_equal(mnt_is_mounted(f->volumes, "v/_data", NULL), 0);
	assert_true(exists(f, "v/image"));
	no_loop(f);
	assert_int_equal(mnt_is_mounted(f->volumes, "w/_data", NULL), 1);
	assert_int_equal(mnt_detach(f->volumes, "w/_data", false, NULL), 0);
	assert_int_equal(named_driver.remove(v, NULL), 0);
	assert_int_equal(named_driver.remove(w, NULL), VOL_LATER);
}

static void device_of_one_being_made_is_nothing_to_tell(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	char lines[2048] = "";
	int root;

	need(f, "ext4");
	v = volume(f, "v", "{\"size\":\"16m\"}", NULL);
	root = named_driver.stage(v, NULL); /* as a restore does, for long */
	assert_true(root >= 0 && has_loop(f));
	assert_int_equal(
		named_driver.check(f->host, everybody, join_lines, lines, NULL),
		0);
	assert_string_equal(lines, "");
	close(root);
	named_driver.unstage(v);
	no_loop(f);
}

static void device_of_a_removed_volume_is_told(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	char lines[2048] = "";
	int holder;

	need(f, "ext4");
	v = made(f, "v", "{\"size\":\"16m\"}");
	assert_int_equal(named_driver.mount(v, NULL), 0);
	holder = mnt_clone(f->volumes, "v/_data", false, NULL);
	assert_true(holder >= 0);
	assert_int_equal(named_driver.remove(v, NULL), 0);
	assert_int_equal(
		named_driver.check(f->host, everybody, join_lines, lines, NULL),
		0);
	assert_non_null(strstr(lines, "still has the image of v"));
	close(holder);
	no_loop(f);
	lines[0] = '\0';
	assert_int_equal(
		named_driver.check(f->host, everybody, join_lines, lines, NULL),
		0);
	assert_string_equal(lines, "");
}

static void unmake_takes_back_what_is_empty(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;

	need(f, "ext4");
	v = made(f, "v", "{\"size\":\"16m\"}");
	assert_int_equal(named_driver.unmake(v, NULL), 0);
	assert_false(exists(f, "v"));
	no_loop(f);
}

static void in_use_stays(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	struct err err = { 0 };
	int fd;

	need(f, "ext4");
	v = made(f, "v", "{\"size\":\"16m\"}");
	assert_int_equal(named_driver.mount(v, NULL), 0);
	put_file(f, "v/_data/file", 1);
	fd = openat(f->volumes, "v/_data/file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(named_driver.remove(v, &err), -EBUSY);
	assert_true(exists(f, "v/_data/file"));
	close(fd);
	assert_int_equal(named_driver.remove(v, &err), 0);
}

static void found_again_with_its_limit(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL, *w = NULL, *x = NULL;
	struct vol_usage u = { 0 };
	struct err err = { 0 };

	need(f, "ext4");
	v = made(f, "v", "{\"size\":\"16m\"}");
	w = made(f, "v", "{}");
	assert_int_equal(named_driver.usage(w, &u, NULL), 0);
	assert_int_equal(u.limit_bytes, 16 << 20);
	x = volume(f, "v", "{\"size\":\"32m\"}", &err);
	assert_int_equal(named_driver.create(x, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "size=16777216"));
	/* its image gone, it is not made anew, but can be removed */
	assert_int_equal(named_driver.mount(v, NULL), 0);
	assert_int_equal(unlinkat(f->volumes, "v/image", 0), 0);
	assert_int_equal(named_driver.create(v, &err), -ENOENT);
	assert_int_equal(named_driver.mount(v, &err), -ENOENT);
	assert_string_equal(err.msg, "volume v: its image is gone: restore it, "
				     "or remove the volume");
	assert_int_equal(named_driver.remove(v, &err), 0);
}

/* Only root gets at NAME; still, nothing there is followed. */
static void links_are_not_followed(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;

	need(f, "ext4");
	v = made(f, "v", "{\"size\":\"16m\"}");
	assert_int_equal(mkdirat(f->fd, "canary", 0700), 0);
	assert_int_equal(unlinkat(f->volumes, "v/_data", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("../../../canary", f->volumes, "v/_data"),
			 0);
	assert_int_equal(named_driver.mount(v, NULL), -ENOTDIR);
	assert_int_equal(mnt_is_mounted(f->fd, "canary", NULL), 0);
	no_loop(f);
	assert_int_equal(unlinkat(f->volumes, "v/_data", 0), 0);
	assert_int_equal(mkdirat(f->volumes, "v/_data", 0700), 0);
	assert_int_equal(renameat(f->volumes, "v/image", f->fd, "image"), 0);
	assert_int_equal(symlinkat("../../../image", f->volumes, "v/image"), 0);
	assert_int_equal(named_driver.mount(v, NULL), -ELOOP);
	assert_int_equal(named_driver.resize(v, 32 << 20, NULL), -ELOOP);
	no_loop(f);
	assert_int_equal(named_driver.remove(v, NULL), 0);
	assert_int_equal(faccessat(f->fd, "image", F_OK, 0), 0);
}

struct refusal {
	const char *opts, *want;
};

static void wrong_options(void **state)
{
	static const struct refusal rows[] = {
		{ "{\"size\":\"1m\"}", "at least 16m" },
		{ "{\"size\":\"100m\",\"fs\":\"xfs\"}", "at least 300m" },
		{ "{\"size\":\"100m\",\"fs\":\"ntfs\"}", "ext4 or xfs" },
		{ "{\"fs\":\"xfs\"}", "backing=image" },
		{ "{\"backing\":\"image\"}", "size: missing" },
		{ "{\"backing\":\"directory\",\"size\":\"1g\"}", "no limit" },
		{ "{\"backing\":\"img\"}", "not one of directory" },
		{ "{\"size\":\"-1\"}", "a size like" },
		{ "{\"size\":\"2048p\"}", "size" },
	};
	struct fix *f = *state;

	need(f, "ext4");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = { 0 };
		_cleanup_free_ struct vol_volume *v =
			volume(f, "v", rows[i].opts, &err);

		if (v)
			assert_true(named_driver.create(v, &err) < 0);
		if (!strstr(err.msg, rows[i].want))
			print_message("# %s: %s\n", rows[i].opts, err.msg);
		assert_non_null(strstr(err.msg, rows[i].want));
		assert_false(exists(f, "v"));
		assert_false(exists(f, ".staging/v"));
	}
}

static void what_is_installed_later_is_used(void **state)
{
	static const char opts[] = "{\"size\":\"16m\"}";
	static const char tool[] = "/usr/sbin/mkfs.ext4";
	struct fix *f = *state;
	struct err err = { 0 };
	_cleanup_free_ struct vol_volume *v = NULL;

	need(f, "ext4");
	named_driver.host_close(f->host);
	f->host = NULL;
	assert_int_equal(mount("/dev/null", tool, NULL, MS_BIND, NULL), 0);
	assert_int_equal(named_driver.host_open(&f->d, &f->host, &err), 0);
	v = volume(f, "v", opts, &err);
	assert_non_null(v);
	assert_int_equal(named_driver.create(v, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "backing=image can't be used here: "));
	assert_non_null(strstr(err.msg, "install the package e2fsprogs"));
	assert_false(exists(f, "v"));
	assert_int_equal(umount2(tool, MNT_DETACH), 0);
	assert_int_equal(named_driver.create(v, &err), 0);
	assert_true(exists(f, "v/image"));
	assert_int_equal(named_driver.remove(v, &err) < 0, 0);
}

static void size_0_is_no_limit(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;

	need(f, "ext4");
	v = made(f, "v", "{\"size\":\"0\"}");
	assert_true(exists(f, "v/_data"));
	assert_false(exists(f, "v/image"));
	assert_int_equal(named_driver.remove(v, NULL) < 0, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ext4_from_create_to_remove),
		TEST(xfs_from_create_to_remove),
		TEST(ext4_grows),
		TEST(xfs_grows),
		TEST(too_large_for_the_disk_leaves_nothing),
		TEST(never_two_devices_for_one_image),
		TEST(frozen_by_an_earlier_life_is_thawed),
		TEST(mount_of_nobody_is_told_and_goes),
		TEST(device_of_one_being_made_is_nothing_to_tell),
		TEST(device_of_a_removed_volume_is_told),
		TEST(unmake_takes_back_what_is_empty),
		TEST(in_use_stays),
		TEST(found_again_with_its_limit),
		TEST(links_are_not_followed),
		TEST(wrong_options),
		TEST(what_is_installed_later_is_used),
		TEST(size_0_is_no_limit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
