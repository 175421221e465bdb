/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Named volumes on a real file system: what is made, kept, taken away. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/jdec.h"
#include "lib/tree.h"
#include "volplugins/named/named.h"

struct fix {
	char dir[64];
	int fd, volumes;
	struct plugd d;
	void *host;
};

static int host_open(struct fix *f)
{
	struct err err = { 0 };
	int r = named_driver.host_open(&f->d, &f->host, &err);

	if (r < 0)
		print_message("# %s\n", err.msg);
	return r;
}

static void host_close(struct fix *f)
{
	named_driver.host_close(take_ptr(f->host));
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/berth-test-named-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->d.dirs.state_dir = f->dir;
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (host_open(f) < 0)
		return -1;
	f->volumes = openat(f->fd, "berth-named/volumes",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return f->volumes < 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	int r;

	if (f->host)
		host_close(f);
	r = tree_empty(f->fd, NULL, NULL, NULL) | rmdir(f->dir);
	close(f->volumes);
	close(f->fd);
	free(f);
	return r;
}

/* As the core makes one. */
static struct vol_volume *volume(struct fix *f, const char *name,
				 const char *opts)
{
	struct vol_volume *v = calloc(1, named_driver.volume_size);
	_cleanup_(json_putp) json_object *map = NULL;
	struct err err = { 0 };

	assert_non_null(v);
	v->driver = &named_driver;
	v->host = f->host;
	snprintf(v->name, sizeof(v->name), "%s", name);
	named_driver.defaults(v);
	assert_int_equal(jdec_parse(opts, strlen(opts), &map, NULL), 0);
	assert_int_equal(opts_decode(map, named_driver.options,
				     (char *)v + named_driver.options_offset,
				     "x", &err),
			 0);
	return v;
}

static bool exists(struct fix *f, const char *path)
{
	return faccessat(f->volumes, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put_file(struct fix *f, const char *path)
{
	int fd = openat(f->volumes, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static mode_t mode_of(struct fix *f, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(f->volumes, path, &st, AT_SYMLINK_NOFOLLOW),
			 0);
	return st.st_mode & 07777;
}

static bool trash_is_empty(struct fix *f)
{
	int r, fd = openat(f->volumes, ".trash", O_RDONLY | O_DIRECTORY);
	struct stat st;

	r = fstat(fd, &st);
	close(fd);
	return r == 0 && st.st_nlink == 2;
}

/* In the background: wait for it, at most five seconds. */
static void wait_for_trash(struct fix *f)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 5000 && !trash_is_empty(f); i++)
		nanosleep(&ms, NULL);
	assert_true(trash_is_empty(f));
}

static void made_as_asked(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = volume(f, "v", "{}");
	_cleanup_free_ struct vol_volume *w = volume(
		f, "w", "{\"uid\":\"7\",\"gid\":\"8\",\"mode\":\"2770\"}");
	char path[256], want[256];
	struct stat st;

	assert_int_equal(named_driver.create(v, NULL), VOL_LATER);
	assert_int_equal(mode_of(f, "v/_data"), 0755);
	assert_int_equal(named_driver.path(v, path, sizeof(path), NULL), 0);
	snprintf(want, sizeof(want), "%s/berth-named/volumes/v/_data", f->dir);
	assert_string_equal(path, want);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(named_driver.mount(v, NULL), 0);
	assert_int_equal(named_driver.verify(v, NULL), 0);
	assert_int_equal(named_driver.unmount(v, NULL), 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(named_driver.create(w, NULL), VOL_LATER);
	assert_int_equal(mode_of(f, "w/_data"), 02770);
	assert_int_equal(fstatat(f->volumes, "w/_data", &st, 0), 0);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_gid, 8);
}

static void closed_to_others(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = volume(f, "v", "{}");
	mode_t old = umask(0);

	assert_int_equal(named_driver.create(v, NULL), VOL_LATER);
	umask(old);
	assert_int_equal(mode_of(f, "v"), 0700);
	assert_int_equal(mode_of(f, "."), 0700);
	assert_int_equal(mode_of(f, ".."), 0700);
	assert_int_equal(mode_of(f, ".trash") & 077, 0);
	assert_int_equal(mode_of(f, ".staging"), 0700);
	/* and closed again, should somebody have opened it */
	host_close(f);
	assert_int_equal(fchmodat(f->volumes, ".", 0777, 0), 0);
	assert_int_equal(host_open(f), 0);
	assert_int_equal(mode_of(f, "."), 0700);
}

static void found_data_is_kept(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = volume(f, "v", "{}");

	assert_int_equal(mkdirat(f->volumes, "v", 0711), 0);
	assert_int_equal(mkdirat(f->volumes, "v/_data", 0711), 0);
	put_file(f, "v/_data/precious");
	assert_int_equal(named_driver.create(v, NULL), VOL_FOUND);
	assert_int_equal(named_driver.create(v, NULL), VOL_FOUND);
	assert_int_equal(mode_of(f, "v/_data"), 0711);
	assert_int_equal(named_driver.unmake(v, NULL), -ENOTEMPTY);
	assert_true(exists(f, "v/_data/precious"));
}

static void unmake_takes_back_what_is_empty(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = volume(f, "v", "{}");

	assert_int_equal(named_driver.unmake(v, NULL), 0);
	assert_int_equal(named_driver.create(v, NULL), VOL_LATER);
	assert_int_equal(named_driver.unmake(v, NULL), 0);
	assert_false(exists(f, "v"));
	assert_int_equal(named_driver.unmake(v, NULL), 0);
}

static void removed_with_all_in_it(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = volume(f, "v", "{}");

	assert_int_equal(mkdirat(f->fd, "canary", 0700), 0);
	assert_int_equal(mkdirat(f->fd, "canary/bird", 0700), 0);
	assert_int_equal(named_driver.create(v, NULL), VOL_LATER);
	assert_int_equal(
		symlinkat("../../../../canary", f->volumes, "v/_data/link"), 0);
	assert_int_equal(mkdirat(f->volumes, "v/_data/a", 0), 0);
	put_file(f, "v/_data/a/file");
	assert_int_equal(named_driver.remove(v, NULL), VOL_LATER);
	assert_false(exists(f, "v"));
	assert_true(trash_is_empty(f));
	assert_int_equal(faccessat(f->fd, "canary/bird", F_OK, 0), 0);
	assert_int_equal(named_driver.remove(v, NULL), VOL_LATER);
}

static void link_in_the_volumes_place_is_refused(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = volume(f, "v", "{}");
	_cleanup_free_ struct vol_volume *w = volume(f, "w", "{}");
	struct err err = { 0 };

	assert_int_equal(mkdirat(f->fd, "canary", 0700), 0);
	assert_int_equal(mkdirat(f->fd, "canary/_data", 0700), 0);
	assert_int_equal(symlinkat("../../canary", f->volumes, "v"), 0);
	assert_int_equal(named_driver.create(v, &err), -ENOTDIR);
	assert_int_equal(named_driver.mount(v, &err), -ENOTDIR);
	assert_int_equal(named_driver.remove(v, &err), -ENOTDIR);
	assert_int_equal(named_driver.unmake(v, &err), -ENOTDIR);
	assert_int_equal(mkdirat(f->volumes, "w", 0700), 0);
	assert_int_equal(
		symlinkat("../../../canary/_data", f->volumes, "w/_data"), 0);
	assert_int_equal(named_driver.create(w, &err), -ENOTDIR);
	assert_int_equal(named_driver.mount(w, &err), -ENOTDIR);
	assert_int_equal(faccessat(f->fd, "canary/_data", F_OK, 0), 0);
}

static void strangers_do_not_keep_others_from_the_disk(void **state)
{
	static const char *const names[] = { "gone", "link", "v", NULL };
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = volume(f, "v", "{}");
	struct err err = { 0 };

	assert_int_equal(symlinkat("/", f->volumes, "link"), 0);
	assert_int_equal(named_driver.create(v, NULL), VOL_LATER);
	assert_int_equal(named_driver.flush(f->host, names, &err), 0);
	assert_string_equal(err.msg, "");
}

static void gone_directory_is_an_error_with_advice(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = volume(f, "v", "{}");
	struct err err = { 0 };

	assert_int_equal(named_driver.mount(v, &err), -ENOENT);
	assert_string_equal(err.msg, "volume v: its directory is gone: restore "
				     "it, or remove the volume");
}

/* As Compose sends it at each "up". */
static void gone_is_made_again_only_where_nothing_is_lost(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = volume(f, "v", "{}");
	_cleanup_free_ struct vol_volume *c =
		volume(f, "c", "{\"from\":\"v\"}");
	struct err err = { 0 };

	v->recorded = c->recorded = true;
	strcpy(c->from.name, "v"); /* the core does */
	assert_int_equal(named_driver.create(c, &err), -ENOENT);
	assert_string_equal(err.msg, "volume c: its directory is gone: restore "
				     "it, or remove the volume");
	assert_int_equal(faccessat(f->volumes, "c", F_OK, 0), -1);
	v->users = 1;
	assert_int_equal(named_driver.create(v, &err), -ENOENT);
	v->users = 0;
	assert_int_equal(named_driver.create(v, &err), VOL_LATER);
	assert_int_equal(named_driver.remove(v, NULL), VOL_LATER);
}

static void immutable_file_keeps_the_volume_whole(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = volume(f, "v", "{}");
	int fd, flags = FS_IMMUTABLE_FL;
	struct err err = { 0 };

	assert_int_equal(named_driver.create(v, NULL), VOL_LATER);
	put_file(f, "v/_data/a");
	put_file(f, "v/_data/rock");
	put_file(f, "v/_data/z");
	fd = openat(f->volumes, "v/_data/rock", O_RDONLY | O_CLOEXEC);
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0) {
		close(fd);
		print_message("SKIP: chattr +i: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(named_driver.remove(v, &err), -EPERM);
	assert_string_equal(err.msg, "volume v stays: \"rock\", 1 directories "
				     "down, is immutable: chattr -i it first");
	assert_true(exists(f, "v/_data/a"));
	assert_true(exists(f, "v/_data/z"));
	flags = 0;
	assert_int_equal(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
	close(fd);
	assert_int_equal(named_driver.remove(v, &err), VOL_LATER);
}

/* What is looked at in few calls is looked at all the same. */
static void empty_volume_with_something_in_the_way_stays(void **state)
{
	static const struct {
		int flags;
		const char *why;
	} rows[] = {
		{ FS_IMMUTABLE_FL, "is immutable: chattr -i it first" },
		{ FS_APPEND_FL, "is append-only: chattr -a it first" },
		{ 0, "is a mount point: unmount it first" },
	};
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = volume(f, "v", "{}");
	char path[64];

	assert_int_equal(named_driver.create(v, NULL), VOL_LATER);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/v/_data", f->volumes);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int fd = openat(f->volumes, "v/_data", O_RDONLY | O_CLOEXEC);
		int flags = rows[i].flags, r;
		struct err err = { 0 };

		if ((flags ? ioctl(fd, FS_IOC_SETFLAGS, &flags)
			   : mount("none", path, "tmpfs", 0, NULL)) < 0) {
			close(fd);
			print_message("SKIP: %s: %m\n", rows[i].why);
			skip();
		}
		r = named_driver.remove(v, &err);
		if (flags) {
			flags = 0;
			ioctl(fd, FS_IOC_SETFLAGS, &flags);
		} else {
			umount2(path, MNT_DETACH);
		}
		close(fd);
		assert_true(r < 0);
		assert_non_null(strstr(err.msg, rows[i].why));
		assert_true(exists(f, "v/_data"));
	}
	/* a stranger beside _data goes as well */
	assert_int_equal(mkdirat(f->volumes, "v/stranger", 0700), 0);
	assert_int_equal(named_driver.remove(v, NULL), VOL_LATER);
	assert_false(exists(f, "v"));
	assert_true(trash_is_empty(f));
}

static void leftovers_go_at_start(void **state)
{
	struct fix *f = *state;

	host_close(f);
	assert_int_equal(mkdirat(f->volumes, ".staging/half", 0700), 0);
	assert_int_equal(mkdirat(f->volumes, ".staging/half/_data", 0700), 0);
	assert_int_equal(mkdirat(f->volumes, ".trash/123", 0700), 0);
	assert_int_equal(mkdirat(f->volumes, ".trash/123/_data", 0700), 0);
	put_file(f, ".trash/123/_data/file");
	assert_int_equal(mkdirat(f->volumes, "kept", 0700), 0);
	assert_int_equal(host_open(f), 0);
	assert_false(exists(f, ".staging/half"));
	wait_for_trash(f);
	assert_true(exists(f, "kept"));
}

static bool known_v(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "v") == 0;
}

static void join_lines(void *ctx, const char *line)
{
	strcat(ctx, line);
	strcat(ctx, "\n");
}

static void directory_without_a_volume_is_told_and_kept(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = volume(f, "v", "{}");
	char lines[1024] = "";

	assert_int_equal(named_driver.create(v, NULL), VOL_LATER);
	assert_int_equal(mkdirat(f->volumes, "lost", 0700), 0);
	put_file(f, "lost/file");
	assert_int_equal(
		named_driver.check(f->host, known_v, join_lines, lines, NULL),
		0);
	assert_string_equal(lines, "directory lost has no volume: docker "
				   "volume create -d berth-named lost takes "
				   "it up again\n");
	assert_int_equal(named_driver.gc(f->host, false, known_v, join_lines,
					 lines, NULL),
			 0);
	assert_true(exists(f, "lost/file"));
}

static void long_names_work(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	char name[VOL_NAME_MAX];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	v = volume(f, name, "{}");
	assert_int_equal(named_driver.create(v, NULL), VOL_LATER);
	assert_int_equal(named_driver.mount(v, NULL), 0);
	assert_int_equal(named_driver.remove(v, NULL), VOL_LATER);
	wait_for_trash(f); /* an empty one goes in the background */
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(made_as_asked),
		TEST(closed_to_others),
		TEST(found_data_is_kept),
		TEST(unmake_takes_back_what_is_empty),
		TEST(removed_with_all_in_it),
		TEST(link_in_the_volumes_place_is_refused),
		TEST(strangers_do_not_keep_others_from_the_disk),
		TEST(gone_directory_is_an_error_with_advice),
		TEST(gone_is_made_again_only_where_nothing_is_lost),
		TEST(immutable_file_keeps_the_volume_whole),
		TEST(empty_volume_with_something_in_the_way_stays),
		TEST(leftovers_go_at_start),
		TEST(directory_without_a_volume_is_told_and_kept),
		TEST(long_names_work),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
