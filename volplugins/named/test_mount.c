/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes that mount something, in a mount namespace of the test's own. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "lib/jdec.h"
#include "lib/mnt.h"
#include "lib/tree.h"
#include "volplugins/named/named_priv.h"

/* An unmount that hangs as long as its server is dead, unless it is lazy. */
static atomic_bool dead;
static atomic_int hanging, lazy_ones;

int __real_mnt_detach(int dirfd, const char *name, bool lazy, struct err *err);
int __wrap_mnt_detach(int dirfd, const char *name, bool lazy, struct err *err);
int __wrap_mnt_detach(int dirfd, const char *name, bool lazy, struct err *err)
{
	lazy_ones += lazy;
	if (!lazy && dead) {
		hanging++;
		while (dead)
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 },
				  NULL);
		hanging--;
	}
	return __real_mnt_detach(dirfd, name, lazy, err);
}

struct fix {
	char dir[64];
	int fd, volumes;
	struct plugd d;
	void *host;
	int fuse; /* a server that is dead; -EBADF: none */
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct err err = { 0 };

	if (!f)
		return -1;
	*state = f;
	f->fuse = -EBADF;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		return 0;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/berth-test-mount-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	/* shared, as on a host with systemd */
	if (mount("tmpfs", f->dir, "tmpfs", 0, NULL) < 0 ||
	    mount(NULL, f->dir, NULL, MS_SHARED, NULL) < 0)
		return -1;
	f->d.dirs.state_dir = f->dir;
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(f->fd, "src", 0755);
	mkdirat(f->fd, "src/sub", 0755);
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

	closep(&f->fuse);
	if (f->host) {
		named_driver.host_close(f->host);
		close(f->volumes);
		close(f->fd);
		r = umount2(f->dir, MNT_DETACH) | rmdir(f->dir);
	}
	free(f);
	return r;
}

static void need(struct fix *f)
{
	if (!f->host) {
		print_message("SKIP: not root\n");
		skip();
	}
}

static void put_file(struct fix *f, const char *path)
{
	int fd = openat(f->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static bool exists(struct fix *f, const char *path)
{
	return faccessat(f->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A volume with Docker's options, as the core makes one; NULL: refused. */
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

static struct vol_volume *made(struct fix *f, const char *name,
			       const char *type, const char *o,
			       const char *device)
{
	struct err err = { 0 };
	struct vol_volume *v;
	char opts[512];

	snprintf(opts, sizeof(opts),
		 "{\"type\":\"%s\",\"o\":\"%s\",\"device\":\"%s%s\"}", type, o,
		 device[0] == '~' ? f->dir : "", device + (device[0] == '~'));
	v = volume(f, name, opts, &err);
	if (!v || named_driver.create(v, &err) < 0) {
		print_message("# %s\n", err.msg);
		fail();
	}
	return v;
}

static void attached(struct vol_volume *v)
{
	struct err err = { 0 };
	int r = named_driver.mount(v, &err);

	if (r < 0)
		print_message("# %s\n", err.msg);
	assert_int_equal(r, 0);
}

static unsigned long flags_of(struct fix *f, const char *name)
{
	struct statvfs st;
	char path[128];

	snprintf(path, sizeof(path), "%s/berth-named/volumes/%s/_data", f->dir,
		 name);
	assert_int_equal(statvfs(path, &st), 0);
	return st.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC);
}

static bool mounted(struct fix *f, const char *name)
{
	_cleanup_close_ int dir = tree_open(f->volumes, name, NULL);

	assert_true(dir >= 0);
	return mnt_is_mounted(dir, "_data", NULL) == 1;
}

static void fails_to_attach(struct vol_volume *v, int want, const char *msg)
{
	struct err err = { 0 };

	assert_int_equal(named_driver.mount(v, &err), want);
	assert_string_equal(err.msg, msg);
}

/* ---- tests ---------------------------------------------------------------- */

static void memory_lives_while_it_is_mounted(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	struct vol_usage u = { 0 };
	_cleanup_close_ int fd = -EBADF;

	need(f);
	v = made(f, "v", "tmpfs", "size=1m,mode=0750,noexec", "tmpfs");
	assert_false(mounted(f, "v"));
	attached(v);
	put_file(f, "berth-named/volumes/v/_data/file");
	attached(v); /* the second user */
	assert_true(exists(f, "berth-named/volumes/v/_data/file"));
	assert_int_equal(flags_of(f, "v"), ST_NOSUID | ST_NODEV | ST_NOEXEC);
	fd = openat(f->volumes, "v/_data/file", O_WRONLY | O_CLOEXEC);
	assert_int_equal(posix_fallocate(fd, 0, 512 << 10), 0);
	assert_int_equal(posix_fallocate(fd, 0, 2 << 20), ENOSPC);
	closep(&fd);
	fd = -EBADF;
	assert_int_equal(named_driver.usage(v, &u, NULL), 0);
	assert_true(u.used_known);
	assert_in_range(u.used_bytes, 512 << 10, 1 << 20);
	assert_int_equal(u.limit_bytes, 1 << 20);
	assert_int_equal(named_driver.unmount(v, NULL), 0);
	assert_int_equal(named_driver.unmount(v, NULL), 0);
	u = (struct vol_usage){ 0 };
	assert_int_equal(named_driver.usage(v, &u, NULL), 0);
	assert_int_equal(u.used_bytes, 0);
	attached(v);
	assert_false(exists(f, "berth-named/volumes/v/_data/file"));
	assert_int_equal(named_driver.remove(v, NULL), 0);
	assert_false(exists(f, "berth-named/volumes/v"));
}

static void bind_shows_the_source_and_leaves_it(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;

	need(f);
	put_file(f, "src/precious");
	v = made(f, "v", "none", "bind", "~/src");
	attached(v);
	assert_true(exists(f, "berth-named/volumes/v/_data/precious"));
	assert_int_equal(flags_of(f, "v"), ST_NOSUID | ST_NODEV);
	/* in use: the core would not ask, but should it */
	assert_int_equal(named_driver.remove(v, NULL), 0);
	assert_false(exists(f, "berth-named/volumes/v"));
	assert_true(exists(f, "src/precious"));
	assert_true(exists(f, "src/sub"));
}

static void options_of_a_bind_are_its_own(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *ro = NULL, *suid = NULL;

	need(f);
	ro = made(f, "ro", "none", "bind,ro,noexec", "~/src");
	suid = made(f, "suid", "none", "bind,suid,dev", "~/src");
	attached(ro);
	attached(suid);
	assert_int_equal(flags_of(f, "ro"),
			 ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC);
	assert_int_equal(flags_of(f, "suid"), 0);
	put_file(f, "src/still-writable");
	assert_int_equal(named_driver.remove(ro, NULL), 0);
	assert_int_equal(named_driver.remove(suid, NULL), 0);
}

/* A tree that was bound and is taken away stays where it came from. */
static void rbind_does_not_reach_back(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *plain = NULL, *tree = NULL;
	char sub[96], late[96];

	need(f);
	snprintf(sub, sizeof(sub), "%s/src/sub", f->dir);
	snprintf(late, sizeof(late), "%s/src/late", f->dir);
	assert_int_equal(mount("tmpfs", sub, "tmpfs", 0, NULL), 0);
	put_file(f, "src/sub/below");
	plain = made(f, "plain", "none", "bind", "~/src");
	tree = made(f, "tree", "none", "rbind,ro", "~/src");
	attached(plain);
	attached(tree);
	assert_false(exists(f, "berth-named/volumes/plain/_data/sub/below"));
	assert_true(exists(f, "berth-named/volumes/tree/_data/sub/below"));
	assert_int_equal(openat(f->volumes, "tree/_data/sub/x",
				O_WRONLY | O_CREAT | O_CLOEXEC, 0600),
			 -1);
	assert_int_equal(errno, EROFS);
	/* what is mounted there later comes along */
	assert_int_equal(mkdirat(f->fd, "src/late", 0755), 0);
	assert_int_equal(mount("tmpfs", late, "tmpfs", 0, NULL), 0);
	put_file(f, "src/late/below");
	assert_true(exists(f, "berth-named/volumes/tree/_data/late/below"));
	assert_false(exists(f, "berth-named/volumes/plain/_data/late/below"));
	assert_int_equal(named_driver.unmount(tree, NULL), 0);
	assert_int_equal(named_driver.unmount(plain, NULL), 0);
	assert_false(mounted(f, "tree"));
	assert_true(exists(f, "src/sub/below"));
	assert_true(exists(f, "src/late/below"));
	assert_int_equal(named_driver.remove(tree, NULL), 0);
	assert_int_equal(named_driver.remove(plain, NULL), 0);
	assert_int_equal(umount(sub) | umount(late), 0);
}

static void source_is_what_it_was_said_to_be(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *link = NULL, *file = NULL,
					 *none = NULL, *magic = NULL,
					 *own = NULL, *block = NULL;
	char msg[256];

	need(f);
	put_file(f, "src/precious");
	assert_int_equal(symlinkat("src", f->fd, "current"), 0);
	link = made(f, "link", "none", "bind", "~/current");
	attached(link);
	assert_true(exists(f, "berth-named/volumes/link/_data/precious"));
	file = made(f, "file", "none", "bind", "~/src/precious");
	snprintf(msg, sizeof(msg),
		 "volume file: device %s/src/precious: Not a directory",
		 f->dir);
	fails_to_attach(file, -ENOTDIR, msg);
	none = made(f, "none", "none", "bind", "~/nowhere");
	snprintf(msg, sizeof(msg),
		 "volume none: device %s/nowhere: No such file or directory",
		 f->dir);
	fails_to_attach(none, -ENOENT, msg);
	magic = made(f, "magic", "none", "bind", "/proc/self/root/etc");
	fails_to_attach(magic, -ELOOP,
			"volume magic: device /proc/self/root/etc: Too many "
			"levels of symbolic links");
	own = made(f, "own", "none", "bind", "~/berth-named/volumes/link");
	snprintf(msg, sizeof(msg),
		 "volume own: device %s/berth-named/volumes/link is a volume "
		 "of berth-named: use that volume by its name",
		 f->dir);
	fails_to_attach(own, -EPERM, msg);
	block = made(f, "block", "ext4", "ro", "~/src/precious");
	snprintf(msg, sizeof(msg),
		 "volume block: type=ext4: device %s/src/precious is not a "
		 "block device: attach the file with losetup",
		 f->dir);
	fails_to_attach(block, -ENOTBLK, msg);
	assert_false(mounted(f, "own") || mounted(f, "block"));
}

static void what_cannot_be_mounted_says_why(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL, *w = NULL, *x = NULL;

	need(f);
	v = made(f, "v", "tmpfs", "huge=gigantic", "tmpfs");
	fails_to_attach(v, -EINVAL,
			"volume v: type=tmpfs: mount option huge: tmpfs: Bad "
			"value for 'huge' (Invalid argument)");
	w = made(f, "w", "cifs", "credentials=/nonexistent/cred",
		 "//127.0.0.1/x");
	x = made(f, "x", "nfs", "addr=127.0.0.1", ":/x");
	/* a server, or the file system, is missing */
	assert_true(named_driver.mount(w, NULL) < 0);
	assert_true(named_driver.mount(x, NULL) < 0);
	assert_false(mounted(f, "v") || mounted(f, "w") || mounted(f, "x"));
}

static void busy_mount_is_told_and_tried_again(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	struct err err = { 0 };
	int fd;

	need(f);
	v = made(f, "v", "tmpfs", "", "tmpfs");
	attached(v);
	fd = openat(f->volumes, "v/_data", O_RDONLY | O_CLOEXEC);
	assert_int_equal(named_driver.unmount(v, &err), -EBUSY);
	assert_string_equal(err.msg, "volume v: unmount _data: a process of "
				     "this host is using it");
	assert_int_equal(named_driver.remove(v, &err), -EBUSY);
	assert_true(mounted(f, "v"));
	close(fd);
	assert_int_equal(named_driver.remove(v, &err), 0);
}

/* Somebody else's mount on the place is not ours to take away or to empty. */
static void foreign_mount_keeps_the_volume(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	char src[96], data[128];
	struct err err = { 0 };

	need(f);
	put_file(f, "src/precious");
	snprintf(src, sizeof(src), "%s/src", f->dir);
	snprintf(data, sizeof(data), "%s/berth-named/volumes/v/_data", f->dir);
	v = made(f, "v", "tmpfs", "", "tmpfs");
	assert_int_equal(mount(src, data, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(src, data, NULL, MS_BIND, NULL), 0);
	assert_int_equal(named_driver.remove(v, &err), -EBUSY);
	assert_string_equal(err.msg, "volume v stays: _data is still mounted");
	assert_true(exists(f, "src/precious"));
	assert_int_equal(umount(data), 0);
	assert_int_equal(named_driver.remove(v, NULL), 0);
	assert_true(exists(f, "src/precious"));
}

static void found_directory_must_fit(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL, *again = NULL,
					 *plain = NULL;
	struct err err = { 0 };

	need(f);
	v = made(f, "v", "tmpfs", "", "tmpfs");
	/* as after state.db was lost */
	plain = volume(f, "v", "{}", &err);
	assert_int_equal(named_driver.create(plain, &err), -EEXIST);
	assert_string_equal(err.msg, "directory v is there already with "
				     "backing=mount: say what it mounts with "
				     "type=, o= and device=");
	again = made(f, "v", "tmpfs", "size=1m", "tmpfs");
	attached(again);
	assert_int_equal(named_driver.remove(again, NULL), 0);
	free(take_ptr(plain));
	plain = volume(f, "p", "{\"backing\":\"directory\"}", &err);
	assert_int_equal(named_driver.create(plain, &err), VOL_LATER);
	free(take_ptr(again));
	again = volume(f, "p", "{\"type\":\"tmpfs\"}", &err);
	assert_int_equal(named_driver.create(again, &err), -EEXIST);
	assert_string_equal(err.msg, "directory p is there already with "
				     "backing=directory: leave type=, o= and "
				     "device= out");
}

static void options_that_do_not_go_together(void **state)
{
	static const struct {
		const char *opts, *msg;
	} rows[] = {
		{ "{\"type\":\"tmpfs\",\"uid\":\"5\"}",
		  "options uid, gid and mode are for volumes that are made "
		  "here: what is mounted has its own (type=tmpfs takes them in "
		  "o=)" },
		{ "{\"type\":\"tmpfs\",\"backing\":\"image\"}",
		  "option backing=image: with type=, o= and device= the volume "
		  "is what they mount" },
		{ "{\"backing\":\"mount\"}",
		  "option type: missing, o= and device= only say how to mount "
		  "what" },
		{ "{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/x\","
		  "\"size\":\"1m\"}",
		  "option size: type=none has no limit that we could set, the "
		  "file system that is mounted has its own" },
		{ "{\"o\":\"password=hunter2\",\"type\":\"cifs\"}",
		  "mount option \"password\" is refused: options are shown by "
		  "docker volume inspect and kept in clear. Put username=, "
		  "password= and domain= into a file of root's with mode 0600, "
		  "a line each, and say credentials=FILE" },
	};
	struct fix *f = *state;

	need(f);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = { 0 };

		assert_null(volume(f, "v", rows[i].opts, &err));
		assert_string_equal(err.msg, rows[i].msg);
	}
}

/* A file system whose server never answers: /dev/fuse, and nobody reads it. */
static void dead_server(struct fix *f)
{
	char at[96], opts[96];

	assert_int_equal(mkdirat(f->fd, "dead", 0755), 0);
	snprintf(at, sizeof(at), "%s/dead", f->dir);
	f->fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(opts, sizeof(opts),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0", f->fuse);
	if (f->fuse < 0 || mount("dead", at, "fuse", 0, opts) < 0) {
		print_message("SKIP: fuse: %s\n", strerror(errno));
		skip();
	}
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void dead_server_holds_up_nobody(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL, *w = NULL;
	char msg[256];
	int64_t begin;

	need(f);
	dead_server(f);
	v = made(f, "v", "none", "bind", "~/dead/dir");
	w = made(f, "w", "tmpfs", "", "tmpfs");
	begin = now_ms();
	snprintf(msg, sizeof(msg),
		 "volume v: %s/dead/dir does not answer: nothing is mounted, "
		 "start the container again when it does",
		 f->dir);
	fails_to_attach(v, -ETIMEDOUT, msg);
	assert_in_range(now_ms() - begin, 2900, 20000);
	begin = now_ms();
	attached(w);
	assert_in_range(now_ms() - begin, 0, 2500);
	assert_int_equal(named_driver.unmount(v, NULL), 0);
	assert_int_equal(named_driver.remove(v, NULL), 0);
	assert_int_equal(named_driver.remove(w, NULL), 0);
	assert_in_range(now_ms() - begin, 0, 2500);
}

/* It died while it was mounted. */
static void dead_mount_can_be_looked_at_and_taken_away(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL;
	_cleanup_(json_putp) json_object *status = json_object_new_object();
	struct vol_usage u = { 0 };
	int64_t begin = now_ms();

	need(f);
	dead_server(f);
	v = made(f, "v", "none", "bind", "~/dead");
	attached(v);
	assert_int_equal(named_driver.verify(v, NULL), -EBUSY); /* no users */
	v->users = 1;
	assert_int_equal(named_driver.verify(v, NULL), 0);
	assert_int_equal(named_driver.usage(v, &u, NULL), 0);
	assert_false(u.used_known);
	assert_int_equal(named_driver.status(v, status, NULL), 0);
	assert_string_equal(json_object_get_string(
				    json_object_object_get(status, "mounted")),
			    "true");
	attached(v);
	assert_int_equal(named_driver.unmount(v, NULL), 0);
	assert_int_equal(named_driver.remove(v, NULL), 0);
	assert_in_range(now_ms() - begin, 0, 2900);
}

/* The volume is removed, and another has its name: nothing of it may be answered by
 * what still hangs for the first. */
static void hung_unmount_is_of_its_volume(void **state)
{
	struct fix *f = *state;
	_cleanup_free_ struct vol_volume *v = NULL, *w = NULL;

	need(f);
	v = made(f, "v", "none", "bind", "~/src");
	attached(v);
	lazy_ones = 0;
	dead = true;
	assert_int_equal(named_driver.unmount(v, NULL), 0);
	assert_int_equal(lazy_ones, 1);
	assert_int_equal(hanging, 1);
	assert_int_equal(named_driver.remove(v, NULL), 0);
	w = made(f, "v", "tmpfs", "", "tmpfs");
	attached(w);
	/* it hangs no less, but is one more */
	assert_int_equal(named_driver.unmount(w, NULL), 0);
	assert_int_equal(lazy_ones, 2);
	assert_int_equal(hanging, 2);
	dead = false;
	assert_true(TEST_WITHIN_S(10, !hanging));
	attached(w);
	assert_int_equal(named_driver.unmount(w, NULL), 0);
	assert_int_equal(lazy_ones, 2);
	assert_false(mounted(f, "v"));
	assert_int_equal(named_driver.remove(w, NULL), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(memory_lives_while_it_is_mounted),
		TEST(bind_shows_the_source_and_leaves_it),
		TEST(options_of_a_bind_are_its_own),
		TEST(rbind_does_not_reach_back),
		TEST(source_is_what_it_was_said_to_be),
		TEST(what_cannot_be_mounted_says_why),
		TEST(busy_mount_is_told_and_tried_again),
		TEST(foreign_mount_keeps_the_volume),
		TEST(found_directory_must_fit),
		TEST(options_that_do_not_go_together),
		TEST(dead_server_holds_up_nobody),
		TEST(dead_mount_can_be_looked_at_and_taken_away),
		TEST(hung_unmount_is_of_its_volume),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
