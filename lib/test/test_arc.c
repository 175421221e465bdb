/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Archives, against tar(1), and forged ones. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/arc_priv.h"
#include "lib/test/arc_forge.h"
#include "lib/test/loopfs.h"

static void shell(const char *command)
{
	loopfs_must(&loopfs_ext4, command);
}

static int open_at(const char *name, int flags)
{
	return loopfs_file(&loopfs_ext4, name, flags);
}

/* ---- there and back ------------------------------------------------------------ */

struct heard {
	uint64_t bytes;
	unsigned int left_out;
	char path[64], why[64];
	int stop; /* to be returned */
};

static int on_progress(void *ctx, uint64_t bytes)
{
	struct heard *h = ctx;

	assert_true(bytes >= h->bytes);
	h->bytes = bytes;
	return h->stop;
}

static void on_left_out(void *ctx, const char *path, const char *why)
{
	struct heard *h = ctx;

	h->left_out++;
	snprintf(h->path, sizeof(h->path), "%s", path);
	snprintf(h->why, sizeof(h->why), "%s", why);
}

static int write_it(const char *dir, const char *file, struct heard *h,
		    struct arc_sum *sum, struct err *err)
{
	const struct arc_hooks hooks = { .ctx = h,
					 .progress = on_progress,
					 .left_out = on_left_out };
	_cleanup_close_ int root = open_at(dir, O_RDONLY | O_DIRECTORY);
	_cleanup_close_ int out = open_at(file, O_WRONLY | O_CREAT | O_TRUNC);

	*h = (struct heard){ .stop = h->stop };
	return arc_write(root, time(NULL), NULL, out, &hooks, sum, err);
}

static int read_it(const char *file, const char *dir, struct arc_sum *sum,
		   struct err *err)
{
	static const struct arc_hooks hooks;
	_cleanup_close_ int root = open_at(dir, O_RDONLY | O_DIRECTORY);
	_cleanup_close_ int in = open_at(file, O_RDONLY);

	return arc_read(in, root, NULL, &hooks, sum, err);
}

/* One of everything. */
static void tree(void)
{
	shell("rm -rf t u p; mkdir t u p; cd t; echo hello >file; "
	      "mkdir -p d/e/f; chown 7:8 d; chmod 3751 d; ln file d/hard; "
	      "ln -s ../nowhere d/soft; mknod d/null c 1 3; mkfifo d/fifo; "
	      "printf x >d/suid; chown 5 d/suid; chmod 4711 d/suid; "
	      "truncate -s 64M sparse; printf end >>sparse; "
	      "setfattr -n user.colour -v blue file; "
	      "setfattr -n trusted.thing -v 0x0001ff d/e; "
	      "setfacl -m u:4242:rw file; setfacl -d -m g:77:rx d; "
	      "head -c 3000000 /dev/urandom >random; "
	      "touch -d '2001-02-03 04:05:06.789' file d/e; "
	      "touch \"$(printf 'a\\377b')\" 'new\nline' '\303\244'; "
	      "n=$(printf 'long%.0s' $(seq 50)); mkdir -p $n/$n/$n; "
	      "echo deep >$n/$n/$n/file; chmod 0 random; chmod 2755 .");
}

static void same_trees(const char *a, const char *b)
{
	loopfs_alike(&loopfs_ext4, a, b, "the archive");
}

static void round_trip(void **state)
{
	struct arc_sum sum = { 0 }, back = { 0 };
	struct heard h = { 0 };

	(void)state;
	loopfs_need(&loopfs_ext4);
	tree();
	shell("python3 -c 'import socket;s=socket.socket(socket.AF_UNIX);"
	      "s.bind(\"t/sock\")'");
	assert_int_equal(write_it("t", "a.tar.zst", &h, &sum, NULL), 0);
	assert_int_equal(h.left_out, 1);
	assert_string_equal(h.path, "./sock");
	assert_string_equal(h.why, "a socket");
	assert_int_equal(h.bytes, sum.bytes);
	assert_true(sum.bytes > (64u << 20) + 3000000);
	assert_int_equal(read_it("a.tar.zst", "u", &back, NULL), 0);
	assert_int_equal(back.files, sum.files);
	assert_int_equal(back.size, sum.size);
	assert_string_equal(back.sha256, sum.sha256);
	shell("rm t/sock; touch -r u t; test $(du -k u/sparse | cut -f1) -lt "
	      "1000");
	same_trees("t", "u");
	shell("test $(stat -c %s a.tar.zst) -lt 4000000");
	assert_int_equal(access("a.tar.zst", F_OK), -1); /* cwd is as it was */
}

static void plain_tar_reads_it(void **state)
{
	struct arc_sum sum = { 0 };
	struct heard h = { 0 };

	(void)state;
	loopfs_need(&loopfs_ext4);
	tree();
	assert_int_equal(write_it("t", "a.tar.zst", &h, &sum, NULL), 0);
	shell("tar --zstd --xattrs --xattrs-include='*' --acls -xpf a.tar.zst "
	      "-C p --numeric-owner 2>tar.log; zstd -tq a.tar.zst");
	same_trees("t", "p");
	/* and the checksum is that of the stream before it */
	{
		char line[256];

		snprintf(line, sizeof(line),
			 "test \"$(head -c -98 a.tar.zst | sha256sum)\" = "
			 "'%s  -' && tail -c 90 a.tar.zst | grep -q "
			 "'^berth-backup 1 sha256 %s *$'",
			 sum.sha256, sum.sha256);
		shell(line);
	}
}

static void what_others_do_is_kept_out(void **state)
{
	struct arc_sum sum = { 0 };
	struct heard h = { 0 };

	(void)state;
	loopfs_need(&loopfs_ext4);
	shell("rm -rf t u; mkdir -p t/m u; touch t/x; mount -t tmpfs none t/m;"
	      "touch t/m/inside");
	assert_int_equal(write_it("t", "a", &h, &sum, NULL), 0);
	shell("umount t/m");
	assert_string_equal(h.path, "./m");
	assert_int_equal(sum.files, 2);
	assert_int_equal(read_it("a", "u", &sum, NULL), 0);
	shell("test \"$(find u | sort | tr '\\n' ' ')\" = 'u u/x '");
}

static void stopped_when_asked(void **state)
{
	struct arc_sum sum = { 0 };
	struct heard h = { .stop = -EINTR };

	(void)state;
	loopfs_need(&loopfs_ext4);
	tree();
	assert_int_equal(write_it("t", "a", &h, &sum, NULL), -EINTR);
	assert_int_equal(read_it("a", "u", &sum, NULL), -EBADMSG);
}

static void deep_trees(void **state)
{
	struct arc_sum sum = { 0 };
	struct heard h = { 0 };

	(void)state;
	loopfs_need(&loopfs_ext4);
	shell("rm -rf t u; mkdir t u; cd t; for i in $(seq 300); do mkdir d; "
	      "cd d; done; echo end >file");
	assert_int_equal(write_it("t", "a", &h, &sum, NULL), 0);
	assert_int_equal(sum.files, 302);
	assert_int_equal(read_it("a", "u", &sum, NULL), 0);
	shell("diff -r t u");
}

/* More attributes than libarchive reads back; paths longer than the kernel takes.  What
 * is left out is told, and the rest is there. */
static void large_heads(void **state)
{
	struct arc_sum sum = { 0 }, back = { 0 };
	struct heard h = { 0 };

	(void)state;
	loopfs_need(&loopfs_ext4);
	shell("rm -rf t u; mkdir t u; mount -t tmpfs none t; "
	      "mount -t tmpfs none u; cd t; mkdir big big/in; "
	      "python3 -c '\n"
	      "import os\n"
	      "for name, n in (\"many\", 13), (\"more\", 17), (\"big\", 17):\n"
	      "    if name != \"big\": open(name, \"w\").write(name)\n"
	      "    for i in range(n):\n"
	      "        os.setxattr(name, \"trusted.%d\" % i, b\"x\" * 65536)\n"
	      "'; ln more less; echo z >z");
	assert_int_equal(write_it("t", "a", &h, &sum, NULL), 0);
	assert_int_equal(h.left_out, 3); /* and its other name */
	assert_int_equal(sum.lost, 3);
	assert_int_equal(sum.files, 3);
	assert_non_null(
		strstr(h.why, "attributes are too large for a restore"));
	assert_int_equal(read_it("a", "u", &back, NULL), 0);
	assert_int_equal(back.files, sum.files);
	shell("test $(ls u | wc -l) = 2; cmp t/z u/z; cmp t/many u/many; "
	      "getfattr -dm - t/many >1; getfattr -dm - u/many >2; "
	      "sed -i 1d 1 2; cmp 1 2; test $(wc -l <1) -ge 13");
	shell("umount t u");
}

/* libarchive makes no directory whose path is longer than the kernel takes. */
static void deepest_trees(void **state)
{
	struct arc_sum sum = { 0 }, back = { 0 };
	struct heard h = { 0 };

	(void)state;
	loopfs_need(&loopfs_ext4);
	shell("rm -rf t u; mkdir t u; cd t; n=$(printf 'd%.0s' $(seq 250)); "
	      "for i in $(seq 16); do mkdir $n; cd -P $n; done; "
	      "ln -s x $(printf 'f%.0s' $(seq 76)); "
	      "touch $(printf 'g%.0s' $(seq 77)); "
	      "mkdir $n; cd -P $n; touch below");
	assert_int_equal(write_it("t", "a", &h, &sum, NULL), 0);
	assert_int_equal(h.left_out, 2);
	assert_int_equal(sum.lost, 2);
	assert_int_equal(sum.files, 18);
	assert_int_equal(read_it("a", "u", &back, NULL), 0);
	assert_int_equal(back.files, sum.files);
	shell("test $(find u | wc -l) = 18; rm -r t/*");
}

static void disk_full(void **state)
{
	struct arc_sum sum = { 0 };
	struct heard h = { 0 };
	struct err err = { 0 };

	(void)state;
	loopfs_need(&loopfs_ext4);
	tree();
	shell("mkdir -p m; mount -t tmpfs -o size=1m none m");
	assert_int_equal(write_it("t", "m/a", &h, &sum, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "write the archive: No space left"));
	assert_int_equal(write_it("t", "a", &h, &sum, &err), 0);
	shell("rm m/a; mkdir m/u");
	assert_int_equal(read_it("a", "m/u", &sum, &err), -ENOSPC);
	shell("umount m; rmdir m");
}

/* ---- damaged --------------------------------------------------------------------- */

struct damage {
	const char *name, *how, *msg;
};

static const struct damage damages[] = {
	{ "cut at the end", "head -c -1 a >b", "no checksum at its end" },
	{ "cut before the checksum", "head -c -98 a >b",
	  "no checksum at its end" },
	{ "cut in the middle", "head -c 2000000 a >b", NULL },
	{ "empty", ": >b", NULL },
	{ "short", "head -c 50 a >b", NULL },
	{ "another checksum",
	  "{ head -c -98 a; tail -c 98 a | head -c 30; tail -c 68 a | tr 0-9 "
	  "1-90; } >b",
	  "was changed since it was written" },
	{ "something after it", "{ cat a; echo; } >b",
	  "no checksum at its end" },
	{ "twice", "cat a a >b", "was changed since it was written" },
	{ "a plain tar", "tar -C t --zstd -cf b .", "no checksum at its end" },
	{ "not even a tar", "head -c 100000 /dev/urandom >b", NULL },
	{ "a byte changed",
	  "cp a b; printf '\\377' | dd of=b bs=1 seek=1500000 conv=notrunc "
	  "2>/dev/null; cmp -s a b && printf '\\376' | dd of=b bs=1 "
	  "seek=1500000 conv=notrunc 2>/dev/null; true",
	  NULL },
};

static void damage_row(void **state)
{
	const struct damage *row = *state;
	struct arc_sum sum = { 0 };
	struct heard h = { 0 };
	struct err err = { 0 };

	loopfs_need(&loopfs_ext4);
	tree();
	assert_int_equal(write_it("t", "a", &h, &sum, NULL), 0);
	shell(row->how);
	assert_int_equal(read_it("b", "u", &sum, &err), -EBADMSG);
	if (row->msg && !strstr(err.msg, row->msg))
		fail_msg("says: %s", err.msg);
	assert_true(err.msg[0]);
}

/* ---- forged ------------------------------------------------------------------------ */

struct member {
	const char *path;
	mode_t type;
	const char *link; /* symlink's target, or a hard link's */
};

struct forgery {
	const char *name;
	struct member members[3];
	unsigned int times; /* all of them; 0: once */
	bool contained;     /* made in another way, inside */
};

static const struct forgery forgeries[] = {
	{ .name = "absolute path", .members = { { "/ABS", S_IFREG, NULL } } },
	{ .name = "dot dot", .members = { { "../out", S_IFREG, NULL } } },
	{ .name = "dot dot inside",
	  .members = { { "a/../../out", S_IFREG, NULL } } },
	{ .name = "dot dot at the end",
	  .members = { { "a/..", S_IFDIR, NULL } } },
	{ .name = "through a symbolic link",
	  .members = { { "l", S_IFLNK, ".." }, { "l/out", S_IFREG, NULL } } },
	{ .name = "through an absolute link",
	  .members = { { "l", S_IFLNK, "DIR" }, { "l/out", S_IFREG, NULL } } },
	{ .name = "through two links",
	  .members = { { "l", S_IFLNK, "m" },
		       { "m", S_IFLNK, ".." },
		       { "l/out", S_IFREG, NULL } } },
	{ .name = "a directory made of a link",
	  .members = { { "l", S_IFLNK, ".." },
		       { "l", S_IFDIR, NULL },
		       { "l/out", S_IFREG, NULL } },
	  .contained = true },
	{ .name = "hard link to the outside",
	  .members = { { "h", S_IFREG, "../secret" } } },
	{ .name = "hard link to an absolute path",
	  .members = { { "h", S_IFREG, "DIR/secret" } } },
	{ .name = "hard link through a link",
	  .members = { { "l", S_IFLNK, ".." }, { "h", S_IFREG, "l/secret" } } },
	{ .name = "a directory, of many names, without end",
	  .members = { { "./d", S_IFDIR, NULL }, { "d//./", S_IFDIR, NULL } },
	  .times = 6000 },
	{ .name = "device through a link",
	  .members = { { "l", S_IFLNK, ".." }, { "l/out", S_IFCHR, NULL } } },
};

/* "DIR" is the directory around. */
static void expand(const char *from, char *to, size_t size)
{
	if (strncmp(from, "DIR", 3) == 0)
		snprintf(to, size, "%s%s", loopfs_ext4.dir, from + 3);
	else if (strncmp(from, "/ABS", 4) == 0)
		snprintf(to, size, "%s/out", loopfs_ext4.dir);
	else
		snprintf(to, size, "%s", from);
}

static void add_member(struct archive *a, const struct member *m)
{
	struct archive_entry *e = archive_entry_new();
	char text[256];

	expand(m->path, text, sizeof(text));
	archive_entry_set_pathname(e, text);
	archive_entry_set_mode(e, m->type | 0666);
	archive_entry_set_size(e, 0);
	if (m->link) {
		expand(m->link, text, sizeof(text));
		if (m->type == S_IFLNK)
			archive_entry_set_symlink(e, text);
		else
			archive_entry_set_hardlink(e, text);
	} else if (m->type == S_IFREG) {
		archive_entry_set_size(e, 4);
	}
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	if (m->type == S_IFREG && !m->link)
		assert_int_equal(archive_write_data(a, "evil", 4), 4);
	archive_entry_free(e);
}

static void forge(const struct forgery *row, const char *file)
{
	static char buf[1 << 16];
	_cleanup_close_ int fd = open_at(file, O_WRONLY | O_CREAT | O_TRUNC);
	size_t used = 0;
	struct archive *a = arc_forge_open(buf, sizeof(buf), &used);

	for (unsigned int n = 0; n == 0 || n < row->times; n++)
		for (size_t i = 0; i < 3 && row->members[i].path; i++)
			add_member(a, &row->members[i]);
	arc_forge_close(a, fd, buf, &used);
}

static void forgery_row(void **state)
{
	const struct forgery *row = *state;
	struct arc_sum sum = { 0 };
	struct err err = { 0 };
	int r;

	loopfs_need(&loopfs_ext4);
	shell("rm -rf u out; mkdir u; echo secret >secret; chmod 600 secret");
	forge(row, "f");
	shell("find . -path ./u -prune -o -printf '%p %m %n %s\\n' | sort >A");
	r = read_it("f", "u", &sum, &err);
	assert_true(row->contained ? r == 0 : r < 0 && err.msg[0]);
	shell("find . -path ./u -prune -o -printf '%p %m %n %s\\n' | sort >B;"
	      "sed -i '/^.\\/[AB] /d' A B; diff A B >&2; "
	      "grep -q secret secret");
}

/* The forging itself is right: what stays inside is made. */
static void harmless_one(void **state)
{
	static const struct forgery good = {
		.name = "harmless",
		.members = { { "d", S_IFDIR, NULL },
			     { "d/f", S_IFREG, NULL },
			     { "h", S_IFREG, "d/f" } },
	};
	struct arc_sum sum = { 0 };

	(void)state;
	loopfs_need(&loopfs_ext4);
	shell("rm -rf u; mkdir u");
	forge(&good, "f");
	assert_int_equal(read_it("f", "u", &sum, NULL), 0);
	shell("test $(cat u/h) = evil");
	shell("rm -rf u; mkdir u"); /* a live tree may show a name twice */
	forge(&(struct forgery){ .members = { { "./d", S_IFDIR, NULL } },
				 .times = 100 },
	      "f");
	assert_int_equal(read_it("f", "u", &sum, NULL), 0);
}

int main(void)
{
	struct CMUnitTest tests[64] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(plain_tar_reads_it),
		cmocka_unit_test(what_others_do_is_kept_out),
		cmocka_unit_test(stopped_when_asked),
		cmocka_unit_test(deep_trees),
		cmocka_unit_test(large_heads),
		cmocka_unit_test(deepest_trees),
		cmocka_unit_test(disk_full),
		cmocka_unit_test(harmless_one),
	};
	size_t n = 9;

	n += TEST_ROWS(tests + n, damages, damage_row);
	n += TEST_ROWS(tests + n, forgeries, forgery_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("arc", tests, n, loopfs_ext4_setup,
				       loopfs_ext4_teardown);
}
