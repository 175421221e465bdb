/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes in memory, in a mount namespace of the test's own. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/jdec.h"
#include "lib/mnt.h"
#include "volplugins/tmpfs/tmpfs_priv.h"

struct fix {
	char dir[64];
	struct plugd d;
	struct tmpfs_host *h;
	struct err err; /* of OK() */
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct err err = { 0 };
	void *host;

	if (!f)
		return -1;
	*state = f;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		return 0;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/berth-test-tmpfs-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	/* shared, as /run is on a host with systemd */
	if (mount("run", f->dir, "tmpfs", 0, NULL) < 0 ||
	    mount(NULL, f->dir, NULL, MS_SHARED, NULL) < 0)
		return -1;
	f->d.dirs.run_dir = f->dir;
	if (tmpfs_driver.host_open(&f->d, &host, &err) < 0) {
		print_message("# %s\n", err.msg);
		return -1;
	}
	f->h = host;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	int r = 0;

	if (f->h) {
		tmpfs_driver.host_close(f->h);
		r = umount2(f->dir, MNT_DETACH) | rmdir(f->dir);
	}
	free(f);
	return r;
}

static void need(struct fix *f)
{
	if (!f->h) {
		print_message("SKIP: not root\n");
		skip();
	}
}

static struct vol_volume *volume(struct fix *f, const char *name,
				 const char *opts)
{
	struct vol_volume *v = calloc(1, tmpfs_driver.volume_size);
	_cleanup_(json_putp) json_object *map = NULL;
	struct err err = { 0 };

	assert_non_null(v);
	v->driver = &tmpfs_driver;
	v->host = f->h;
	snprintf(v->name, sizeof(v->name), "%s", name);
	snprintf(v->created, sizeof(v->created), "now");
	tmpfs_driver.defaults(v);
	assert_int_equal(jdec_parse(opts, strlen(opts), &map, NULL), 0);
	if (opts_decode(map, tmpfs_driver.options, &to_tmpfs(v)->opts, "x",
			&err) < 0 ||
	    tmpfs_driver.init(v, &err) < 0)
		fail_msg("%s", err.msg);
	return v;
}

static bool is_mounted(struct fix *f, const char *name)
{
	return mnt_is_mounted(f->h->volumes, name, NULL) == 1;
}

static bool exists(struct fix *f, const char *path)
{
	return faccessat(f->h->volumes, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* @size bytes in @path.  Return: 0; -errno. */
static int put(struct fix *f, const char *path, size_t size)
{
	_cleanup_close_ int fd = openat(f->h->volumes, path,
					O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static const char page[4096];

	if (fd < 0)
		return -errno;
	for (; size; size -= sizeof(page))
		if (write(fd, page, sizeof(page)) != sizeof(page))
			return -errno;
	return 0;
}

#define OK(call)                                    \
	do {                                        \
		if ((call) != 0)                    \
			fail_msg("%s", f->err.msg); \
	} while (0)

static void comes_and_goes(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	char path[4096];
	struct statvfs sv;
	struct stat st;

	need(f);
	v = volume(f, "v1",
		   "{\"size\":\"1m\",\"inodes\":\"10\",\"mode\":\"2750\","
		   "\"uid\":\"5\",\"gid\":\"6\",\"noexec\":\"on\"}");
	OK(tmpfs_driver.create(v, &f->err));
	assert_false(exists(f, "v1"));
	OK(tmpfs_driver.verify(v, &f->err));
	OK(tmpfs_driver.mount(v, &f->err));
	OK(tmpfs_driver.path(v, path, sizeof(path), &f->err));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 02750);
	assert_int_equal(st.st_uid, 5);
	assert_int_equal(st.st_gid, 6);
	assert_int_equal(statvfs(path, &sv), 0);
	assert_int_equal(sv.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC),
			 ST_NOSUID | ST_NODEV | ST_NOEXEC);
	assert_int_equal(sv.f_files, 10);
	assert_int_equal(put(f, "v1/a", 1048576), 0);
	assert_int_equal(put(f, "v1/b", 4096), -ENOSPC);
	OK(tmpfs_driver.mount(v, &f->err)); /* again */
	assert_true(exists(f, "v1/a"));
	OK(tmpfs_driver.unmount(v, &f->err));
	OK(tmpfs_driver.unmount(v, &f->err));
	assert_false(exists(f, "v1"));
	OK(tmpfs_driver.mount(v, &f->err));
	assert_false(exists(f, "v1/a"));
	OK(tmpfs_driver.remove(v, &f->err));
	OK(tmpfs_driver.remove(v, &f->err));
	assert_false(exists(f, "v1"));
}

static void inodes_are_limited(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;

	need(f);
	v = volume(f, "few", "{\"inodes\":\"2\"}");
	OK(tmpfs_driver.mount(v, &f->err));
	assert_int_equal(put(f, "few/a", 0), 0);
	assert_int_equal(put(f, "few/b", 0), -ENOSPC);
	OK(tmpfs_driver.remove(v, &f->err));
}

static void keeps_files_but_no_emptiness(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	struct err err = { 0 };

	need(f);
	v = volume(f, "kept", "{\"berth.keep\":\"on\",\"size\":\"1m\"}");
	OK(tmpfs_driver.mount(v, &f->err));
	OK(tmpfs_driver.unmount(v, &f->err));
	assert_false(is_mounted(f, "kept"));
	OK(tmpfs_driver.mount(v, &f->err));
	assert_int_equal(put(f, "kept/a", 4096), 0);
	OK(tmpfs_driver.unmount(v, &f->err));
	assert_true(is_mounted(f, "kept"));
	OK(tmpfs_driver.verify(v, &f->err));
	assert_int_equal(tmpfs_driver.unmake(v, &err), -ENOTEMPTY);
	OK(tmpfs_driver.mount(v, &f->err));
	assert_true(exists(f, "kept/a"));
	OK(tmpfs_driver.remove(v, &f->err));
	assert_false(exists(f, "kept"));
	/* an owner that somebody set is kept as well */
	OK(tmpfs_driver.mount(v, &f->err));
	assert_int_equal(fchownat(f->h->volumes, "kept", 7, 7, 0), 0);
	OK(tmpfs_driver.unmount(v, &f->err));
	assert_true(is_mounted(f, "kept"));
	OK(tmpfs_driver.remove(v, &f->err));
}

static void resizes(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	struct vol_usage u = { 0 };
	struct err err = { 0 };

	need(f);
	v = volume(f, "v1", "{\"o\":\"size=1m\"}");
	OK(tmpfs_driver.resize(v, 2097152, &f->err)); /* not mounted */
	OK(tmpfs_driver.mount(v, &f->err));
	assert_int_equal(put(f, "v1/a", 2097152), 0);
	assert_int_equal(put(f, "v1/b", 4096), -ENOSPC);
	assert_int_equal(tmpfs_driver.resize(v, 1048576, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "2097152 bytes are in use, more than "
					"1048576"));
	OK(tmpfs_driver.resize(v, 2097153, &f->err));
	assert_int_equal(put(f, "v1/b", 4096), 0);
	OK(tmpfs_driver.usage(v, &u, &f->err));
	assert_true(u.used_known);
	assert_int_equal(u.used_bytes, 2101248);
	assert_int_equal(u.limit_bytes, 2101248);
	OK(tmpfs_driver.resize(v, 2101248, &f->err)); /* the one it has */
	assert_int_equal(tmpfs_driver.resize(v, 0, &err), -EINVAL);
	OK(tmpfs_driver.remove(v, &f->err));
	u = (struct vol_usage){ 0 };
	OK(tmpfs_driver.usage(v, &u, &f->err));
	assert_int_equal(u.used_bytes, 0);
	assert_int_equal(u.limit_bytes, 2101248);
}

/* What is told of one that is not mounted is what it will have. */
static void limit_is_told_beforehand(void **state)
{
	static const char *const opts[] = { "{}", "{\"size\":\"25%\"}",
					    "{\"size\":\"5000\"}" };
	struct fix *f = *state;

	need(f);
	for (size_t i = 0; i < ARRAY_SIZE(opts); i++) {
		_cleanup_free_ struct vol_volume *v = volume(f, "v", opts[i]);
		struct vol_usage before = { 0 }, after = { 0 };

		OK(tmpfs_driver.usage(v, &before, &f->err));
		OK(tmpfs_driver.mount(v, &f->err));
		OK(tmpfs_driver.usage(v, &after, &f->err));
		OK(tmpfs_driver.remove(v, &f->err));
		assert_true(before.limit_bytes > 0);
		assert_in_range(after.limit_bytes, before.limit_bytes - 8192,
				before.limit_bytes + 8192);
	}
}

/* What is kept is at one name, and at that of somebody else's never. */
static void renamed_with_what_is_in_it(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL, *w = NULL, *other = NULL;
	_cleanup_close_ int fd = -EBADF;
	struct err err = { 0 };

	need(f);
	v = volume(f, "v", "{\"berth.keep\":\"on\",\"noexec\":\"on\"}");
	w = volume(f, "w", "{\"berth.keep\":\"on\",\"noexec\":\"on\"}");
	other = volume(f, "other", "{}");
	/* nothing of it is there */
	OK(tmpfs_driver.rename(v, "w", &f->err));
	assert_false(exists(f, "w"));

	OK(tmpfs_driver.mount(v, &f->err));
	OK(tmpfs_driver.mount(other, &f->err));
	assert_int_equal(put(f, "v/a", 4096), 0);
	assert_int_equal(tmpfs_driver.rename(v, "other", &err), -EEXIST);
	assert_true(exists(f, "v/a") && !exists(f, "other/a"));
	fd = openat(f->h->volumes, "v/a", O_RDONLY | O_CLOEXEC);
	assert_int_equal(tmpfs_driver.rename(v, "w", &err), -EBUSY);
	assert_true(exists(f, "v/a") && !exists(f, "w"));
	closep(&fd);
	fd = -EBADF;

	OK(tmpfs_driver.rename(v, "w", &f->err));
	assert_true(exists(f, "w/a") && !exists(f, "v"));
	OK(tmpfs_driver.rename(v, "w", &f->err));
	fd = openat(f->h->volumes, "w", O_RDONLY | O_CLOEXEC);
	{
		struct statvfs sv;

		assert_int_equal(fstatvfs(fd, &sv), 0);
		assert_int_equal(sv.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC),
				 ST_NOSUID | ST_NODEV | ST_NOEXEC);
	}
	closep(&fd);
	fd = -EBADF;

	/* killed between the two: at both */
	fd = mnt_clone(f->h->volumes, "w", false, &f->err);
	assert_true(fd >= 0);
	assert_int_equal(mkdirat(f->h->volumes, "v", 0700), 0);
	OK(mnt_attach(fd, f->h->volumes, "v", &f->err));
	closep(&fd);
	fd = -EBADF;
	OK(tmpfs_driver.rename(w, "v", &f->err));
	assert_true(exists(f, "v/a") && !exists(f, "w"));
	OK(tmpfs_driver.remove(v, &f->err));
	OK(tmpfs_driver.remove(other, &f->err));
}

static void in_use_stays(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	_cleanup_close_ int fd = -EBADF;
	struct err err = { 0 };

	need(f);
	v = volume(f, "busy", "{}");
	OK(tmpfs_driver.mount(v, &f->err));
	fd = openat(f->h->volumes, "busy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(tmpfs_driver.remove(v, &err), -EBUSY);
	assert_true(is_mounted(f, "busy"));
	assert_int_equal(tmpfs_driver.verify(v, &err), -EBUSY);
	closep(&fd);
	fd = -EBADF;
	OK(tmpfs_driver.remove(v, &f->err));
	/* not ours: told, and left alone */
	assert_int_equal(mkdirat(f->h->volumes, "busy", 0700), 0);
	assert_int_equal(fchdir(f->h->volumes), 0);
	assert_int_equal(mount("proc", "busy", "proc", 0, NULL), 0);
	assert_int_equal(tmpfs_driver.mount(v, &err), -EUCLEAN);
	assert_int_equal(tmpfs_driver.remove(v, &err), -EUCLEAN);
	assert_int_equal(umount("busy"), 0);
	assert_int_equal(chdir("/"), 0);
	OK(tmpfs_driver.remove(v, &f->err));
}

static void huge_as_the_kernel_has_it(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	struct err err = { 0 };
	int r;

	need(f);
	v = volume(f, "huge", "{\"huge\":\"within_size\"}");
	r = tmpfs_driver.create(v, &err);
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0) {
		assert_int_equal(r, 0);
		return;
	}
	assert_int_equal(r, -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "CONFIG_TRANSPARENT_HUGEPAGE"));
}

/* What the kernel does not take is an error of the Create. */
static void policy_of_no_kind(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	struct err err = { 0 };

	need(f);
	v = volume(f, "policy", "{\"o\":\"mpol=nonsense\"}");
	assert_int_equal(tmpfs_driver.create(v, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "mpol"));
	assert_false(exists(f, "policy"));
}

struct known {
	bool yes;
	char line[1024];
};

static bool is_known(void *ctx, const char *name)
{
	(void)name;
	return ((struct known *)ctx)->yes;
}

static void note_line(void *ctx, const char *line)
{
	struct known *k = ctx;

	snprintf(k->line, sizeof(k->line), "%s", line);
}

static void files_of_no_volume_stay(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL, *other = NULL;
	struct known k = { .yes = true };
	struct err err = { 0 };

	need(f);
	v = volume(f, "lost", "{\"size\":\"1m\"}");
	other = volume(f, "lost", "{\"size\":\"2m\"}");
	OK(tmpfs_driver.mount(v, &f->err));
	assert_int_equal(put(f, "lost/a", 4096), 0);
	assert_int_equal(
		tmpfs_driver.gc(f->h, false, is_known, note_line, &k, &err), 0);
	assert_string_equal(k.line, "");
	k.yes = false;
	assert_int_equal(
		tmpfs_driver.gc(f->h, false, is_known, note_line, &k, &err), 0);
	assert_non_null(strstr(k.line, "stays: it has files"));
	assert_true(exists(f, "lost/a"));
	/* taken up again */
	assert_int_equal(tmpfs_driver.create(v, &err), VOL_FOUND);
	assert_int_equal(tmpfs_driver.create(other, &err), -EEXIST);
	assert_true(exists(f, "lost/a"));
	assert_int_equal(unlinkat(f->h->volumes, "lost/a", 0), 0);
	k.line[0] = '\0';
	OK(tmpfs_driver.check(f->h, is_known, note_line, &k, &f->err));
	assert_non_null(strstr(k.line, "of no volume"));
	assert_true(is_mounted(f, "lost"));
	assert_int_equal(
		tmpfs_driver.gc(f->h, false, is_known, note_line, &k, &err), 1);
	assert_false(exists(f, "lost"));
}

static void restored_or_not_at_all(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL, *fleeting = NULL,
					 *owned = NULL;
	struct err err = { 0 };
	int fd, file;

	need(f);
	fleeting = volume(f, "v1", "{}");
	assert_int_equal(tmpfs_driver.stage(fleeting, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "berth.keep=on"));
	owned = volume(f, "v1",
		       "{\"berth.keep\":\"on\",\"type\":\"tmpfs\","
		       "\"device\":\"tmpfs\",\"o\":\"mode=755\"}");
	assert_int_equal(tmpfs_driver.stage(owned, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "mode"));
	v = volume(f, "v1", "{\"berth.keep\":\"on\"}");
	v->created[0] = '\0';
	for (int kept = 0; kept < 2; kept++) {
		fd = tmpfs_driver.stage(v, &err);
		if (fd < 0)
			fail_msg("%s", err.msg);
		file = openat(fd, "a", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(file >= 0);
		close(file);
		close(fd);
		assert_false(exists(f, "v1"));
		if (kept)
			OK(tmpfs_driver.settle(v, &f->err));
		tmpfs_driver.unstage(v);
		assert_int_equal(tmpfs_driver.verify(v, &err),
				 kept ? 0 : -ENOENT);
		assert_int_equal(exists(f, "v1/a"), kept);
	}
	OK(tmpfs_driver.remove(v, &f->err));
}

/* A failure of any step leaves no mount and no directory. */
static void fails_whole(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	struct err err = { 0 };

	need(f);
	v = volume(f, "v1", "{\"size\":\"1m\"}");
	/* BERTH_FP is read once: the third Mount fails at each of these */
	assert_int_equal(tmpfs_driver.mount(v, &err), -EIO);
	assert_false(exists(f, "v1"));
	assert_int_equal(tmpfs_driver.mount(v, &err), -ENOMEM);
	assert_false(exists(f, "v1"));
	OK(tmpfs_driver.mount(v, &f->err));
	assert_int_equal(put(f, "v1/a", 8192), 0);
	assert_int_equal(tmpfs_driver.resize(v, 4096, &err), -ENOSPC);
	assert_int_equal(put(f, "v1/b", 8192), 0);
	OK(tmpfs_driver.unmount(v, &f->err));
	OK(tmpfs_driver.mount(v, &f->err));
	assert_int_equal(tmpfs_driver.rename(v, "w", &err), -EIO);
	assert_true(is_mounted(f, "v1") && !exists(f, "w"));
	OK(tmpfs_driver.remove(v, &f->err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fails_whole),
		cmocka_unit_test(comes_and_goes),
		cmocka_unit_test(inodes_are_limited),
		cmocka_unit_test(keeps_files_but_no_emptiness),
		cmocka_unit_test(resizes),
		cmocka_unit_test(limit_is_told_beforehand),
		cmocka_unit_test(renamed_with_what_is_in_it),
		cmocka_unit_test(in_use_stays),
		cmocka_unit_test(huge_as_the_kernel_has_it),
		cmocka_unit_test(policy_of_no_kind),
		cmocka_unit_test(files_of_no_volume_stay),
		cmocka_unit_test(restored_or_not_at_all),
	};

	setenv("BERTH_FP",
	       "tmpfs.mount.shown:err=EIO:nth=1,"
	       "tmpfs.mount.place:err=ENOMEM:nth=2,"
	       "tmpfs.rename.shown:err=EIO:nth=1",
	       1);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
