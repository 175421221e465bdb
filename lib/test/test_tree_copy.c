/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying trees: what is kept, what is left out, and that nothing outside is touched. */
#include "lib/test/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/tree.h"
#include "lib/tree_copy.h"

struct fix {
	char path[64];
	int base, from, to;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->path, sizeof(f->path), "/tmp/berth-test-copy-XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	f->base = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(f->base, "from", 0700);
	mkdirat(f->base, "to", 0700);
	f->from = openat(f->base, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->to = openat(f->base, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return f->from < 0 || f->to < 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	int r = tree_empty(f->base, NULL, NULL, NULL);

	close(f->from);
	close(f->to);
	close(f->base);
	r |= rmdir(f->path);
	free(f);
	return r;
}

static void put(int dir, const char *name, const char *text)
{
	_cleanup_close_ int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static const char *get(int dir, const char *name)
{
	static char text[64];
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? "(none)" : text;
}

static struct stat look(int dir, const char *name)
{
	struct stat st = { 0 };

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s: %s", name, strerror(errno));
	return st;
}

static void copied(struct fix *f)
{
	struct err err = { 0 };
	int r = tree_copy(f->from, f->to, NULL, NULL, &err);

	assert_string_equal(err.msg, "");
	assert_int_equal(r, 0);
}

static void alike(struct fix *f, const char *name)
{
	struct stat a = look(f->from, name), b = look(f->to, name);

	assert_int_equal(a.st_mode, b.st_mode);
	assert_int_equal(a.st_uid, b.st_uid);
	assert_int_equal(a.st_gid, b.st_gid);
	assert_int_equal(a.st_rdev, b.st_rdev);
	assert_int_equal(a.st_nlink, b.st_nlink);
	assert_int_equal(a.st_mtim.tv_sec, b.st_mtim.tv_sec);
	assert_int_equal(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
	if (!S_ISDIR(a.st_mode))
		assert_int_equal(a.st_size, b.st_size);
}

static void all_kinds_are_kept(void **state)
{
	static const char *const names[] = { "file",  "again", "sub/once-more",
					     "sub",   "link",  "fifo",
					     "sub/d", "." };
	const struct timespec old[] = { { 1, 2 }, { 981173106, 7 } };
	struct fix *f = *state;
	char text[32] = "";

	put(f->from, "file", "hello");
	assert_int_equal(linkat(f->from, "file", f->from, "again", 0), 0);
	assert_int_equal(mkdirat(f->from, "sub", 0700), 0);
	assert_int_equal(mkdirat(f->from, "sub/d", 0700), 0);
	assert_int_equal(linkat(f->from, "file", f->from, "sub/once-more", 0),
			 0);
	assert_int_equal(symlinkat("/nowhere/at/all", f->from, "link"), 0);
	assert_int_equal(mkfifoat(f->from, "fifo", 0600), 0);
	assert_int_equal(fchmodat(f->from, "fifo", 0646, 0), 0);
	if (geteuid() == 0) {
		assert_int_equal(fchownat(f->from, "file", 5, 6, 0), 0);
		assert_int_equal(
			fchownat(f->from, "link", 8, 9, AT_SYMLINK_NOFOLLOW),
			0);
		assert_int_equal(fchown(f->from, 3, 4), 0);
	}
	assert_int_equal(fchmodat(f->from, "file", 06755, 0), 0);
	assert_int_equal(fchmodat(f->from, "sub/d", 01777, 0), 0);
	assert_int_equal(fchmod(f->from, 02750), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(
			utimensat(f->from, names[i], old, AT_SYMLINK_NOFOLLOW),
			0);
	copied(f);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		alike(f, names[i]);
	assert_string_equal(get(f->to, "sub/once-more"), "hello");
	assert_int_equal(look(f->to, "file").st_ino,
			 look(f->to, "sub/once-more").st_ino);
	assert_true(readlinkat(f->to, "link", text, sizeof(text)) > 0);
	assert_string_equal(text, "/nowhere/at/all");
}

static void holes_and_sizes_are_kept(void **state)
{
	struct fix *f = *state;
	_cleanup_close_ int big =
		openat(f->from, "big", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char a[4], b[4] = "";
	_cleanup_close_ int made = -EBADF;

	assert_int_equal(ftruncate(big, 300 << 20), 0);
	assert_int_equal(pwrite(big, "mid", 4, 100 << 20), 4);
	put(f->from, "empty", "");
	copied(f);
	made = openat(f->to, "big", O_RDONLY | O_CLOEXEC);
	assert_int_equal(look(f->to, "big").st_size, 300 << 20);
	assert_true(look(f->to, "big").st_blocks < (16 << 20) / 512);
	assert_int_equal(pread(big, a, 4, 100 << 20), 4);
	assert_int_equal(pread(made, b, 4, 100 << 20), 4);
	assert_memory_equal(a, b, 4);
	assert_int_equal(look(f->to, "empty").st_size, 0);
}

static void attributes(void **state)
{
	struct fix *f = *state;
	_cleanup_close_ int file = -EBADF, made = -EBADF;
	char v[8] = "";

	put(f->from, "file", "x");
	file = openat(f->from, "file", O_RDONLY | O_CLOEXEC);
	if (fsetxattr(file, "user.mine", "yes", 3, 0) < 0)
		skip(); /* a file system without */
	if (geteuid() == 0)
		assert_int_equal(
			fsetxattr(file, "trusted.overlay.opaque", "y", 1, 0),
			0);
	copied(f);
	made = openat(f->to, "file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(made, "user.mine", v, sizeof(v)), 3);
	assert_string_equal(v, "yes");
	assert_int_equal(
		fgetxattr(made, "trusted.overlay.opaque", v, sizeof(v)), -1);
}

static void sockets_are_left_out(void **state)
{
	struct fix *f = *state;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	_cleanup_close_ int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/from/sock", f->path);
	assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	put(f->from, "z", "x");
	copied(f);
	assert_string_equal(get(f->to, "z"), "x");
	assert_int_equal(faccessat(f->to, "sock", F_OK, 0), -1);
}

/* What is there already is nobody's way out. */
static void what_is_there_is_not_followed(void **state)
{
	static const char *const kinds[] = { "file", "dir" };
	struct fix *f = *state;

	assert_int_equal(mkdirat(f->base, "canary", 0755), 0);
	put(f->base, "canary/file", "safe");
	put(f->from, "file", "evil");
	assert_int_equal(mkdirat(f->from, "dir", 0700), 0);
	put(f->from, "dir/file", "evil");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		assert_int_equal(tree_empty(f->to, NULL, NULL, NULL), 0);
		assert_int_equal(symlinkat(i ? "../canary" : "../canary/file",
					   f->to, kinds[i]),
				 0);
		assert_int_equal(tree_copy(f->from, f->to, NULL, NULL, NULL),
				 -EEXIST);
		assert_string_equal(get(f->base, "canary/file"), "safe");
	}
}

static void too_deep_is_told(void **state)
{
	struct fix *f = *state;
	struct err err = { 0 };
	int at = fcntl(f->from, F_DUPFD_CLOEXEC, 0);

	for (int i = 0; i < TREE_COPY_DEPTH; i++) {
		int next;

		if (i == TREE_COPY_DEPTH - 1)
			copied(f);
		assert_int_equal(mkdirat(at, "d", 0700), 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	close(at);
	assert_int_equal(tree_empty(f->to, NULL, NULL, NULL), 0);
	assert_int_equal(tree_copy(f->from, f->to, NULL, NULL, &err),
			 -ENAMETOOLONG);
	assert_non_null(strstr(err.msg, "so many directories down"));
}

static bool second(void *ctx)
{
	return ++*(int *)ctx == 2;
}

static void stops_when_told(void **state)
{
	struct fix *f = *state;
	int asked = 0;

	put(f->from, "a", "");
	put(f->from, "b", "");
	put(f->from, "c", "");
	assert_int_equal(tree_copy(f->from, f->to, second, &asked, NULL),
			 -ETIME);
	assert_int_equal(asked, 2);
}

/* ---- what is special ------------------------------------------------------------------ */

static void devices_are_kept(void **state)
{
	struct fix *f = *state;
	mode_t before = umask(077);

	if (mknodat(f->from, "null", S_IFCHR | 0600, makedev(1, 3)) < 0) {
		umask(before);
		skip(); /* not root */
	}
	assert_int_equal(fchmodat(f->from, "null", 0666, 0), 0);
	copied(f);
	umask(before);
	alike(f, "null");
	assert_int_equal(look(f->to, "null").st_rdev, makedev(1, 3));
}

static void umask_is_not_asked(void **state)
{
	struct fix *f = *state;
	mode_t before = umask(077);

	put(f->from, "file", "x");
	assert_int_equal(mkdirat(f->from, "dir", 0700), 0);
	assert_int_equal(mkfifoat(f->from, "fifo", 0600), 0);
	assert_int_equal(fchmodat(f->from, "file", 0666, 0), 0);
	assert_int_equal(fchmodat(f->from, "dir", 0777, 0), 0);
	assert_int_equal(fchmodat(f->from, "fifo", 0666, 0), 0);
	copied(f);
	umask(before);
	alike(f, "file");
	alike(f, "dir");
	alike(f, "fifo");
}

static void capabilities_are_kept(void **state)
{
	/* revision 2, effective; cap_net_raw */
	static const uint32_t cap[] = { 0x02000001, 1 << 13, 0, 0, 0 };
	struct fix *f = *state;
	_cleanup_close_ int file = -EBADF, made = -EBADF;
	uint32_t got[5] = { 0 };

	put(f->from, "file", "x");
	file = openat(f->from, "file", O_RDONLY | O_CLOEXEC);
	if (fsetxattr(file, "security.capability", cap, sizeof(cap), 0) < 0)
		skip(); /* not root */
	copied(f);
	made = openat(f->to, "file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(
		fgetxattr(made, "security.capability", got, sizeof(got)),
		sizeof(cap));
	assert_memory_equal(got, cap, sizeof(cap));
}

/* A bound socket has one name, but link(2) gives it more. */
static void linked_sockets_are_left_out(void **state)
{
	struct fix *f = *state;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	_cleanup_close_ int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/from/sock", f->path);
	assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(linkat(f->from, "sock", f->from, "again", 0), 0);
	copied(f);
	assert_int_equal(faccessat(f->to, "sock", F_OK, 0), -1);
	assert_int_equal(faccessat(f->to, "again", F_OK, 0), -1);
}

static void what_is_mounted_is_left_out(void **state)
{
	struct fix *f = *state;
	char dir[96], file[96], other[96];

	snprintf(dir, sizeof(dir), "%s/from/dir", f->path);
	snprintf(file, sizeof(file), "%s/from/file", f->path);
	snprintf(other, sizeof(other), "%s/other", f->path);
	assert_int_equal(mkdir(dir, 0750), 0);
	put(f->from, "file", "below");
	put(f->base, "other", "mounted");
	if (mount("tmpfs", dir, "tmpfs", 0, "mode=700,uid=7") < 0)
		skip(); /* not root */
	put(f->from, "dir/in", "mounted");
	assert_int_equal(mount(other, file, NULL, MS_BIND, NULL), 0);
	copied(f);
	assert_int_equal(umount(file), 0);
	assert_int_equal(umount(dir), 0);
	assert_int_equal(faccessat(f->to, "file", F_OK, 0), -1);
	assert_int_equal(faccessat(f->to, "dir/in", F_OK, 0), -1);
	assert_int_equal(look(f->to, "dir").st_mode, S_IFDIR | 0755);
	assert_int_equal(look(f->to, "dir").st_uid, 0);
}

static void its_own_target_is_left_out(void **state)
{
	struct fix *f = *state;

	put(f->base, "x", "x");
	assert_int_equal(tree_copy(f->base, f->to, NULL, NULL, NULL), 0);
	assert_string_equal(get(f->to, "x"), "x");
	assert_int_equal(faccessat(f->to, "from", F_OK, 0), 0);
	assert_int_equal(faccessat(f->to, "to", F_OK, 0), -1);
}

/* ---- a file system that has less ------------------------------------------------------- */

/* An ACL in the kernel's form: owner rwx, user 5 rwx, group ---, mask rwx, others ---. */
static const struct {
	uint32_t version;
	struct {
		uint16_t tag, may;
		uint32_t id;
	} entries[5];
} acl = {
	2,
	{ { 0x01, 7, -1u },
	  { 0x02, 7, 5 },
	  { 0x04, 0, -1u },
	  { 0x10, 7, -1u },
	  { 0x20, 0, -1u } },
};

static void acls_are_kept(void **state)
{
	struct fix *f = *state;
	_cleanup_close_ int file = -EBADF, made = -EBADF;
	char got[sizeof(acl)] = "";

	put(f->from, "file", "x");
	file = openat(f->from, "file", O_RDONLY | O_CLOEXEC);
	if (fsetxattr(file, "system.posix_acl_access", &acl, sizeof(acl), 0) <
	    0)
		skip(); /* a file system without */
	assert_int_equal(look(f->from, "file").st_mode, S_IFREG | 0770);
	copied(f);
	alike(f, "file");
	made = openat(f->to, "file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(
		fgetxattr(made, "system.posix_acl_access", got, sizeof(got)),
		sizeof(acl));
	assert_memory_equal(got, &acl, sizeof(acl));
}

/* ramfs has no attributes at all. */
static void less_costs_what_it_lacks(void **state)
{
	struct fix *f = *state;
	_cleanup_close_ int file = -EBADF, to = -EBADF;
	char at[96];
	struct err err = { 0 };
	int r;

	snprintf(at, sizeof(at), "%s/to", f->path);
	put(f->from, "file", "x");
	file = openat(f->from, "file", O_RDONLY | O_CLOEXEC);
	if (fsetxattr(file, "user.mine", "yes", 3, 0) < 0 ||
	    fsetxattr(file, "system.posix_acl_access", &acl, sizeof(acl), 0) <
		    0 ||
	    mount("ramfs", at, "ramfs", 0, NULL) < 0)
		skip();
	to = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = tree_copy(f->from, to, NULL, NULL, &err);
	/* what the group may is not what user 5 might */
	assert_int_equal(r == 0 ? look(to, "file").st_mode : 0, S_IFREG | 0700);
	closep(&to);
	to = -EBADF;
	assert_int_equal(umount(at), 0);
	assert_string_equal(err.msg, "");
}

/* ---- while others are at work --------------------------------------------------------- */

static int broken_after; /* entries; 0: never */

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir)
{
	if (broken_after && --broken_after == 0) {
		errno = EIO;
		return NULL;
	}
	return __real_readdir(dir);
}

static void half_a_directory_is_no_copy(void **state)
{
	struct fix *f = *state;
	struct err err = { 0 };
	int r;

	put(f->from, "a", "");
	put(f->from, "b", "");
	for (int after = 1; after <= 5; after++) {
		assert_int_equal(tree_empty(f->to, NULL, NULL, NULL), 0);
		broken_after = after;
		r = tree_copy(f->from, f->to, NULL, NULL, &err);
		broken_after = 0;
		assert_int_equal(r, -EIO);
		assert_non_null(strstr(err.msg, "read"));
	}
}

static bool tenth(void *ctx)
{
	return ++*(int *)ctx == 10;
}

static void stops_within_a_file(void **state)
{
	struct fix *f = *state;
	_cleanup_close_ int big =
		openat(f->from, "big", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	static const char some[1 << 20] = "x";
	int asked = 0;

	for (int i = 0; i < 8; i++)
		assert_int_equal(write(big, some, sizeof(some)), sizeof(some));
	assert_int_equal(tree_copy(f->from, f->to, tenth, &asked, NULL),
			 -ETIME);
	assert_int_equal(asked, 10);
	assert_true(look(f->to, "big").st_blocks * 512 < 8 << 20);
}

/* A directory and a file that are links to what is outside every other moment. */
static void swaps(struct fix *f)
{
	for (;;) {
		(void)renameat2(f->from, "dir", f->from, "dir-link",
				RENAME_EXCHANGE);
		(void)renameat2(f->from, "file", f->from, "file-link",
				RENAME_EXCHANGE);
	}
}

static void nothing_outside_is_read(void **state)
{
	struct fix *f = *state;
	pid_t child;
	int done = 0;

	assert_int_equal(mkdirat(f->base, "secret", 0755), 0);
	put(f->base, "secret/file", "secret");
	assert_int_equal(mkdirat(f->from, "dir", 0755), 0);
	put(f->from, "dir/file", "mine");
	put(f->from, "file", "mine");
	assert_int_equal(symlinkat("../secret", f->from, "dir-link"), 0);
	assert_int_equal(symlinkat("../secret/file", f->from, "file-link"), 0);
	child = fork();
	if (child == 0)
		swaps(f);
	for (int i = 0; i < 2000; i++) {
		static const char *const files[] = { "file", "file-link" };
		static const char *const dirs[] = { "dir", "dir-link" };
		int r = tree_copy(f->from, f->to, NULL, NULL, NULL);

		done += r == 0;
		for (size_t k = 0; k < 2; k++) {
			struct stat st;
			char in[32];

			if (fstatat(f->to, files[k], &st,
				    AT_SYMLINK_NOFOLLOW) == 0 &&
			    S_ISREG(st.st_mode))
				assert_string_not_equal(get(f->to, files[k]),
							"secret");
			snprintf(in, sizeof(in), "%s/file", dirs[k]);
			if (fstatat(f->to, dirs[k], &st, AT_SYMLINK_NOFOLLOW) ==
				    0 &&
			    S_ISDIR(st.st_mode))
				assert_string_not_equal(get(f->to, in),
							"secret");
		}
		assert_int_equal(tree_empty(f->to, NULL, NULL, NULL), 0);
	}
	(void)kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_true(done > 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_kinds_are_kept),
		T(holes_and_sizes_are_kept),
		T(attributes),
		T(sockets_are_left_out),
		T(what_is_there_is_not_followed),
		T(too_deep_is_told),
		T(stops_when_told),
		T(devices_are_kept),
		T(umask_is_not_asked),
		T(capabilities_are_kept),
		T(linked_sockets_are_left_out),
		T(what_is_mounted_is_left_out),
		T(its_own_target_is_left_out),
		T(acls_are_kept),
		T(less_costs_what_it_lacks),
		T(half_a_directory_is_no_copy),
		T(stops_within_a_file),
		T(nothing_outside_is_read),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("tree_copy", tests, NULL, NULL);
}
