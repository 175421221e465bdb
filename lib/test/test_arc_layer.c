/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Layers of images, honest and hostile, and tars read by name. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/arc_layer.h"
#include "lib/arc_members.h"
#include "lib/arc_priv.h"
#include "lib/test/loopfs.h"

/* ---- making one ------------------------------------------------------------------ */

struct file {
	char kind; /* of S_IF*: f d l(ink) h(ard) c b p s(parse, 1 MiB); 0: the end */
	const char *path, *text; /* content, or where a link leads */
	unsigned int mode;       /* 0: 0644, 0755 */
	const char *xattr, *value;
	int uid;
};

/* cap_net_raw, as version 2 has it */
static const char capable[20] = { [3] = 2, [5] = 0x20 };

static void put(struct archive *a, const struct file *f)
{
	static const struct {
		char kind;
		unsigned int type;
	} types[] = { { 'f', AE_IFREG }, { 'd', AE_IFDIR }, { 'l', AE_IFLNK },
		      { 'h', AE_IFREG }, { 'c', AE_IFCHR }, { 'b', AE_IFBLK },
		      { 'p', AE_IFIFO }, { 's', AE_IFREG } };
	struct archive_entry *e = archive_entry_new();
	size_t size = f->text && f->kind == 'f' ? strlen(f->text) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].kind == f->kind)
			archive_entry_set_filetype(e, types[i].type);
	archive_entry_copy_pathname(e, f->path);
	archive_entry_set_perm(e, f->mode          ? f->mode
				  : f->kind == 'd' ? 0755
						   : 0644);
	archive_entry_set_uid(e, f->uid);
	archive_entry_set_mtime(e, 1000000000, 500000000);
	if (f->kind == 'h')
		archive_entry_copy_hardlink(e, f->text);
	if (f->kind == 'l')
		archive_entry_copy_symlink(e, f->text);
	if (f->kind == 'c' || f->kind == 'b') {
		archive_entry_set_rdevmajor(e, 1);
		archive_entry_set_rdevminor(e, f->text ? 0 : 3);
		if (f->text)
			archive_entry_set_rdevmajor(e, 0);
	}
	if (f->xattr)
		archive_entry_xattr_add_entry(e, f->xattr, f->value,
					      f->value == capable
						      ? sizeof(capable)
						      : strlen(f->value));
	if (f->kind == 's') {
		archive_entry_set_size(e, 1 << 20);
		archive_entry_sparse_add_entry(e, (1 << 20) - 4, 4);
	} else if (f->kind != 'd') {
		archive_entry_set_size(e, (la_int64_t)size);
	}
	assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
	if (size)
		assert_int_equal(archive_write_data(a, f->text, size), size);
	if (f->kind == 's')
		for (int i = 0; i < (1 << 20) / 1024; i++) {
			char zero[1024] = { 0 };

			if (i == (1 << 20) / 1024 - 1)
				memcpy(zero + 1020, "end\n", 4);
			assert_int_equal(
				archive_write_data(a, zero, sizeof(zero)),
				sizeof(zero));
		}
	archive_entry_free(e);
}

enum packing { PLAIN, GZIP, ZSTD, TWICE };

#define ROOM (4u << 20)

static size_t make(void *buf, const struct file *files, enum packing how)
{
	struct archive *a = archive_write_new();
	size_t used = 0;

	archive_write_set_format_pax(a);
	if (how == GZIP || how == TWICE)
		archive_write_add_filter_gzip(a);
	if (how == ZSTD || how == TWICE)
		archive_write_add_filter_zstd(a);
	archive_write_open_memory(a, buf, ROOM, &used);
	for (; files->kind; files++)
		put(a, files);
	archive_write_close(a);
	archive_write_free(a);
	return used;
}

struct bytes {
	const char *p;
	size_t left;
	int code; /* returned at the end */
};

static ssize_t on_read(void *ctx, void *buf, size_t size)
{
	struct bytes *b = ctx;
	size_t n = b->left < size ? b->left : size;

	if (n > 1000)
		n = 1000;
	memcpy(buf, b->p, n);
	b->p += n;
	b->left -= n;
	return n ? (ssize_t)n : b->code;
}

static const struct arc_layer_limits many = { .entries = 1000,
					      .bytes = 8u << 20 };

/* Into a new directory "in/out". */
static int unpack(const void *buf, size_t size, int code,
		  const struct arc_layer_limits *lim, struct arc_layer_sum *sum,
		  struct err *err)
{
	struct bytes b = { .p = buf, .left = size, .code = code };
	const struct arc_from from = { .ctx = &b, .read = on_read };
	int fd, r;

	loopfs_must(&loopfs_ext4,
		    "rm -rf in && mkdir -p in/out && echo s >in/secret");
	fd = loopfs_file(&loopfs_ext4, "in/out", O_RDONLY | O_DIRECTORY);
	r = arc_layer_unpack(&from, fd, lim, sum, err);
	close(fd);
	return r;
}

/* ---- rows ------------------------------------------------------------------------- */

#define FILES(...)                \
	(const struct file[])     \
	{                         \
		__VA_ARGS__,      \
		{                 \
			.kind = 0 \
		}                 \
	}

struct row {
	const char *name;
	const struct file *files;
	int want;
	const char
		*then; /* a test in the directory, or a part of the message */
};

static const struct row rows[] = {
	{ "files of all kinds",
	  FILES({ .kind = 'd', .path = "./", .mode = 0711 },
		{ .kind = 'd', .path = "bin/", .mode = 0750 },
		{ .kind = 'f',
		  .path = "bin/su",
		  .text = "x",
		  .mode = 04755,
		  .uid = 7 },
		{ .kind = 'h', .path = "bin/sudo", .text = "bin/su" },
		{ .kind = 'l', .path = "sh", .text = "bin/su" },
		{ .kind = 'c', .path = "null" },
		{ .kind = 'p', .path = "fifo" },
		{ .kind = 'f', .path = "empty", .mode = 0600 }),
	  0,
	  "[ \"$(stat -c '%a %u %h %Y' bin/su)\" = '4755 7 2 1000000000' ] && "
	  "[ bin/su -ef bin/sudo ] && [ $(readlink sh) = bin/su ] && "
	  "[ \"$(stat -c '%a %Y' bin)\" = '750 1000000000' ] && [ -p fifo ] && "
	  "[ \"$(stat -c '%a %Y' .)\" = '711 1000000000' ] && "
	  "[ \"$(stat -c %t:%T null)\" = 1:3 ] && [ $(stat -c %a empty) = 600 "
	  "]" },
	{ "a hole", FILES({ .kind = 's', .path = "hole" }), 0,
	  "[ $(stat -c %s hole) = 1048576 ] && [ $(stat -c %b hole) -lt 100 ] "
	  "&& "
	  "[ \"$(tail -c4 hole)\" = end ]" },
	{ "directories that are not in it",
	  FILES({ .kind = 'f', .path = "a/b/c", .text = "x" }), 0,
	  "[ \"$(stat -c '%a %u' a/b)\" = '755 0' ] && [ $(cat a/b/c) = x ]" },
	{ "an absolute name",
	  FILES({ .kind = 'f', .path = "/etc/x", .text = "x" }), 0,
	  "[ -f etc/x ]" },
	{ "dots and slashes",
	  FILES({ .kind = 'f', .path = ".//a/./b", .text = "x" }), 0,
	  "[ -f a/b ]" },
	{ "above", FILES({ .kind = 'f', .path = "../secret", .text = "x" }),
	  -EBADMSG, "leads out" },
	{ "above, later",
	  FILES({ .kind = 'f', .path = "a/../../secret", .text = "x" }),
	  -EBADMSG, "leads out" },
	{ "through a link out",
	  FILES({ .kind = 'l', .path = "a", .text = "../.." },
		{ .kind = 'f', .path = "a/in/secret", .text = "x" }),
	  0, "[ -f in/secret ] && [ $(cat ../secret) = s ]" },
	{ "through an absolute link",
	  FILES({ .kind = 'l', .path = "a", .text = "/etc" },
		{ .kind = 'f', .path = "a/berth-x", .text = "x" }),
	  0, "[ -f etc/berth-x ] && [ ! -e /etc/berth-x ]" },
	{ "over a link",
	  FILES({ .kind = 'l', .path = "a", .text = "../secret" },
		{ .kind = 'f', .path = "a", .text = "x" }),
	  0, "[ ! -L a ] && [ $(cat a) = x ] && [ $(cat ../secret) = s ]" },
	{ "a directory over a link",
	  FILES({ .kind = 'l', .path = "a", .text = "/etc" },
		{ .kind = 'f', .path = "a/one", .text = "x" },
		{ .kind = 'd', .path = "a" },
		{ .kind = 'f', .path = "a/two", .text = "x" }),
	  0, "[ ! -L a ] && [ -f a/two ] && [ ! -e etc/two ]" },
	{ "a loop of links",
	  FILES({ .kind = 'l', .path = "a", .text = "a" },
		{ .kind = 'f', .path = "a/b", .text = "x" }),
	  -EBADMSG, "no directory" },
	{ "through a file",
	  FILES({ .kind = 'f', .path = "a", .text = "x" },
		{ .kind = 'f', .path = "a/b", .text = "x" }),
	  -EBADMSG, "no directory" },
	{ "a hard link out",
	  FILES({ .kind = 'h', .path = "a", .text = "../secret" }), -EBADMSG,
	  "leads out" },
	{ "a hard link through a link",
	  FILES({ .kind = 'l', .path = "a", .text = "../.." },
		{ .kind = 'h', .path = "b", .text = "a/in/secret" }),
	  -EBADMSG, "no file of the layer" },
	{ "a hard link to nothing",
	  FILES({ .kind = 'h', .path = "a", .text = "b" }), -EBADMSG,
	  "no file of the layer" },
	{ "a hard link to itself",
	  FILES({ .kind = 'f', .path = "a", .text = "x" },
		{ .kind = 'h', .path = "a", .text = "a" }),
	  -EBADMSG, "no file of the layer" },
	{ "a hard link to a directory",
	  FILES({ .kind = 'd', .path = "b" },
		{ .kind = 'h', .path = "a", .text = "b" }),
	  -EBADMSG, "no file of the layer" },
	{ "a hard link to the root",
	  FILES({ .kind = 'h', .path = "a", .text = "/" }), -EBADMSG,
	  "no file of the layer" },
	{ "a hard link to a link out",
	  FILES({ .kind = 'l', .path = "a", .text = "../secret" },
		{ .kind = 'h', .path = "b", .text = "a" }),
	  0, "[ -L b ]" },
	{ "twice the same name",
	  FILES({ .kind = 'f', .path = "a", .text = "1" },
		{ .kind = 'f', .path = "a", .text = "2" }),
	  0, "[ $(cat a) = 2 ]" },
	{ "a file over a directory",
	  FILES({ .kind = 'f', .path = "a/b/c", .text = "1" },
		{ .kind = 'f', .path = "a/b/d", .text = "1" },
		{ .kind = 'f', .path = "a/b", .text = "2" },
		{ .kind = 'f', .path = "a/c", .text = "3" }),
	  0, "[ $(cat a/b) = 2 ] && [ $(cat a/c) = 3 ]" },
	{ "the root as a file",
	  FILES({ .kind = 'f', .path = "./", .text = "x" }), -EBADMSG, NULL },
	{ "a whiteout", FILES({ .kind = 'f', .path = "d/.wh.gone" }), 0,
	  "[ \"$(stat -c %F:%t:%T d/gone)\" = 'character special file:0:0' ] "
	  "&& "
	  "[ ! -e d/.wh.gone ]" },
	{ "opaque",
	  FILES({ .kind = 'f', .path = "d/.wh..wh..opq" },
		{ .kind = 'f', .path = "d/a", .text = "x" }),
	  0,
	  "getfattr -n trusted.overlay.opaque d | grep -q '\"y\"' && [ -f d/a "
	  "]" },
	{ "opaque root", FILES({ .kind = 'f', .path = ".wh..wh..opq" }), 0,
	  "getfattr -n trusted.overlay.opaque . | grep -q '\"y\"'" },
	{ "removed and made anew",
	  FILES({ .kind = 'f', .path = ".wh.d" }, { .kind = 'd', .path = "d" },
		{ .kind = 'f', .path = "d/a", .text = "x" },
		{ .kind = 'd', .path = "e" }, { .kind = 'f', .path = ".wh.e" },
		{ .kind = 'f', .path = ".wh.f" },
		{ .kind = 'f', .path = "f", .text = "x" },
		{ .kind = 'f', .path = ".wh.f" }),
	  0,
	  "getfattr -n trusted.overlay.opaque d | grep -q '\"y\"' && [ -f d/a "
	  "] && "
	  "getfattr -n trusted.overlay.opaque e | grep -q '\"y\"' && [ -f f "
	  "]" },
	{ "a whiteout of nothing", FILES({ .kind = 'f', .path = "a/.wh." }),
	  -EBADMSG, "removes no file" },
	{ "a whiteout of the parent",
	  FILES({ .kind = 'f', .path = "a/.wh..." }), -EBADMSG,
	  "removes no file" },
	{ "a whiteout through a link",
	  FILES({ .kind = 'l', .path = "a", .text = "../.." },
		{ .kind = 'f', .path = "a/in/.wh.secret" }),
	  0, "[ -c in/secret ] && [ $(cat ../secret) = s ]" },
	{ "in a whiteout",
	  FILES({ .kind = 'f', .path = ".wh.a/b", .text = "x" }), -EBADMSG,
	  "in what is removed" },
	{ "in what was removed",
	  FILES({ .kind = 'f', .path = ".wh.a" },
		{ .kind = 'f', .path = "a/b", .text = "x" }),
	  -EBADMSG, "no directory" },
	{ "a hard link to a whiteout",
	  FILES({ .kind = 'f', .path = ".wh.a" },
		{ .kind = 'h', .path = "b", .text = "a" }),
	  -EBADMSG, "no file of the layer" },
	{ "AUFS' own",
	  FILES({ .kind = 'd', .path = ".wh..wh.plnk" },
		{ .kind = 'f', .path = ".wh..wh.plnk/1.2", .text = "x" },
		{ .kind = 'f', .path = ".wh..wh.aufs", .text = "x" }),
	  0, "[ -z \"$(ls -A)\" ]" },
	{ "attributes of overlayfs",
	  FILES({ .kind = 'd',
		  .path = "d",
		  .xattr = "trusted.overlay.opaque",
		  .value = "y" },
		{ .kind = 'd',
		  .path = "e",
		  .xattr = "trusted.overlay.redirect",
		  .value = "/etc" },
		{ .kind = 'f',
		  .path = "f",
		  .text = "x",
		  .xattr = "user.overlay.metacopy",
		  .value = "" }),
	  0,
	  "command -v getfattr >/dev/null && "
	  "[ -z \"$(getfattr -dm - d e f)\" ]" },
	{ "attributes",
	  FILES({ .kind = 'f',
		  .path = "f",
		  .text = "x",
		  .xattr = "user.note",
		  .value = "hello" },
		{ .kind = 'f',
		  .path = "c",
		  .text = "x",
		  .xattr = "security.capability",
		  .value = capable },
		{ .kind = 'd',
		  .path = "d",
		  .xattr = "security.selinux",
		  .value = "x" },
		{ .kind = 'd',
		  .path = "g",
		  .xattr = "security.capability",
		  .value = "x" }),
	  0,
	  "[ $(getfattr --only-values -n user.note f) = hello ] && "
	  "[ -z \"$(getfattr -dm - d g)\" ] && "
	  "getfattr -dm security.capability c | grep -q capability=" },
	{ "a capability that is none",
	  FILES({ .kind = 'f',
		  .path = "c",
		  .text = "x",
		  .xattr = "security.capability",
		  .value = "x" }),
	  -EINVAL, "c: " },
	{ "a name of 300", /* a component has 255 */
	  FILES({ .kind = 'f',
		  .path = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
			  "nnnnnnnn"
			  "nnnnnnnnnnnnnnnn"
			  "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
			  "nnnnnnnn"
			  "nnnnnnnnnnnnnnnn"
			  "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
			  "nnnnnnnn"
			  "nnnnnnnnnnnnnnnn"
			  "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
			  "nnnnnnnn"
			  "nnnnnnnnnnnnnnnn",
		  .text = "x" }),
	  -EBADMSG, "too long" },
	{ "bytes that are no UTF-8",
	  FILES({ .kind = 'f', .path = "a\xff", .text = "x" }), 0,
	  "[ -f \"$(printf 'a\\377')\" ]" },
};

static void row(void **state)
{
	const struct row *w = *state;
	struct arc_layer_sum sum = { 0 };
	struct err err = { 0 };
	char *buf, check[1024];
	int r;

	loopfs_need(&loopfs_ext4);
	buf = malloc(ROOM);
	r = unpack(buf, make(buf, w->files, PLAIN), 0, &many, &sum, &err);
	free(buf);
	if (r != w->want)
		print_message("%s\n", err.msg);
	assert_int_equal(r, w->want);
	loopfs_must(&loopfs_ext4,
		    "[ $(cat in/secret) = s ] && [ $(ls in | wc -l) = 2 ]");
	if (r < 0) {
		assert_non_null(strstr(err.msg, w->then ? w->then : ""));
		return;
	}
	snprintf(check, sizeof(check), "cd in/out && { %s; }",
		 w->then ? w->then : ":");
	loopfs_must(&loopfs_ext4, check);
}

/* ---- streams -------------------------------------------------------------------------- */

static const struct file some[] = {
	{ .kind = 'd', .path = "etc" },
	{ .kind = 'f', .path = "etc/a", .text = "hello" },
	{ .kind = 's', .path = "etc/b" },
	{ .kind = 0 }
};

static void sha256(const void *data, size_t size, char hex[DIGEST_HEX_MAX])
{
	struct digest *d = digest_new();

	digest_add(d, data, size);
	digest_end(d, hex);
	digest_free(d);
}

/* Plain or packed: one tar, and what is behind its end counts. */
static void digests(void **state)
{
	static const enum packing ways[] = { PLAIN, GZIP, ZSTD };
	char *buf, want[DIGEST_HEX_MAX], plain[DIGEST_HEX_MAX];
	struct arc_layer_sum sum;
	struct err err = { 0 };
	size_t size;

	(void)state;
	loopfs_need(&loopfs_ext4);
	buf = malloc(ROOM);
	size = make(buf, some, PLAIN);
	sha256(buf, size, plain);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		size = make(buf, some, ways[i]);
		sha256(buf, size, want);
		assert_int_equal(unpack(buf, size, 0, &many, &sum, &err), 0);
		assert_string_equal(sum.digest, want);
		assert_string_equal(sum.diff_id, plain);
		assert_int_equal(sum.size, size);
		assert_int_equal(sum.entries, 3);
		assert_int_equal(sum.bytes, 9);
		loopfs_must(&loopfs_ext4, "[ $(cat in/out/etc/a) = hello ]");
	}
	size = make(buf, some, PLAIN);
	memset(buf + size, 'x', 100000);
	sha256(buf, size + 100000, want);
	assert_int_equal(unpack(buf, size + 100000, 0, &many, &sum, &err), 0);
	assert_string_equal(sum.diff_id, want);
	free(buf);
}

static void refused(void **state)
{
	static const struct arc_layer_limits few = { .entries = 2,
						     .bytes = 8u << 20 },
					     small = { .entries = 10,
						       .bytes = 2000 };
	struct arc_layer_sum sum;
	struct err err = { 0 };
	size_t size;
	char *buf;

	(void)state;
	loopfs_need(&loopfs_ext4);
	buf = malloc(ROOM);
	size = make(buf, some, GZIP);
	assert_int_equal(unpack(buf, size, 0, &few, &sum, &err), -EFBIG);
	assert_int_equal(unpack(buf, size, 0, &small, &sum, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "2000 bytes"));
	err.msg[0] = '\0';
	assert_int_equal(unpack(buf, size / 2, 0, &many, &sum, &err), -EBADMSG);
	err.msg[0] = '\0';
	assert_int_equal(unpack(buf, size / 2, -EIO, &many, &sum, &err), -EIO);
	err.msg[0] = '\0';
	assert_int_equal(unpack(buf, 0, 0, &many, &sum, &err), -EBADMSG);
	err.msg[0] = '\0';
	assert_int_equal(unpack("no tar at all", 13, 0, &many, &sum, &err),
			 -EBADMSG);
	size = make(buf, FILES({ .kind = 'f', .path = "a/b/c", .text = "x" }),
		    PLAIN);
	assert_int_equal(unpack(buf, size, 0, &few, &sum, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "2 files"));
	size = make(buf, FILES({ .kind = 'f', .path = "a/b", .text = "x" }),
		    PLAIN);
	assert_int_equal(unpack(buf, size, 0, &few, &sum, &err), 0);
	size = make(buf, some, TWICE);
	assert_int_equal(unpack(buf, size, 0, &many, &sum, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "more than once"));
	/* cut in the middle of a file, without its end */
	size = make(buf, some, PLAIN);
	err.msg[0] = '\0';
	assert_int_equal(unpack(buf, 1600, 0, &many, &sum, &err), -EBADMSG);
	free(buf);
}

/* ---- pax, as Go writes it ------------------------------------------------------------- */

/* A header at @buf, and @data behind it; the bytes that it takes. */
static size_t block(char *buf, const char *name, char type, const char *data)
{
	size_t size = data ? strlen(data) : 0;
	unsigned int sum = 0;

	memset(buf, 0, 1024);
	snprintf(buf, 100, "%s", name);
	snprintf(buf + 100, 8, "0000644");
	snprintf(buf + 108, 8, "0000000");
	snprintf(buf + 116, 8, "0000000");
	snprintf(buf + 124, 12, "%011o", (unsigned int)size);
	snprintf(buf + 136, 12, "%011o", 1000u);
	memset(buf + 148, ' ', 8);
	buf[156] = type;
	buf[157] = type == '1' || type == '2' ? 'a' : '\0';
	memcpy(buf + 257, "ustar\00000", 8);
	for (size_t i = 0; i < 512; i++)
		sum += (unsigned char)buf[i];
	snprintf(buf + 148, 8, "%06o", sum);
	if (size)
		memcpy(buf + 512, data, size);
	return size ? 1024 : 512;
}

static void names_in_pax(void **state)
{
	static const struct {
		const char *pax;
		char type;
		const char *data;
		int want;
		const char *then;
	} all[] = {
		{ "11 path=a\xff\n", '0', "x", 0,
		  "[ -f \"$(printf 'a\\377')\" ]" },
		{ "15 linkpath=a\xff\n", '2', NULL, 0,
		  "[ \"$(readlink n)\" = \"$(printf 'a\\377')\" ]" },
		{ "15 linkpath=a\xff\n", '1', NULL, -EBADMSG,
		  "which is no file of the layer" },
		{ "99 linkpath=n\xff\n", '0', "x", -EBADMSG, "pax" },
		{ "17 path=../../\xff\xff\n", '0', "x", -EBADMSG,
		  "leads out of it" },
	};
	struct arc_layer_sum sum;
	char *buf, check[256];

	(void)state;
	loopfs_need(&loopfs_ext4);
	buf = calloc(1, ROOM);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct err err = { 0 };
		size_t size = block(buf, "x", 'x', all[i].pax);
		int r;

		size += block(buf + size, "n", all[i].type, all[i].data);
		memset(buf + size, 0, 1024);
		r = unpack(buf, size + 1024, 0, &many, &sum, &err);
		if (r != all[i].want)
			print_message("%zu: %s\n", i, err.msg);
		assert_int_equal(r, all[i].want);
		if (r < 0) {
			if (!strstr(err.msg, all[i].then))
				print_message("%zu: %s\n", i, err.msg);
			assert_non_null(strstr(err.msg, all[i].then));
			continue;
		}
		snprintf(check, sizeof(check), "cd in/out && %s", all[i].then);
		loopfs_must(&loopfs_ext4, check);
	}
	free(buf);
}

/* A layer's umask is nobody's business. */
static void masks(void **state)
{
	struct arc_layer_sum sum;
	struct err err = { 0 };
	mode_t before;
	char *buf;
	int r;

	(void)state;
	loopfs_need(&loopfs_ext4);
	buf = malloc(ROOM);
	before = umask(0077);
	r = unpack(buf,
		   make(buf,
			FILES({ .kind = 'f',
				.path = "a/b",
				.text = "x",
				.mode = 0666 },
			      { .kind = 'c', .path = "c", .mode = 0666 }),
			PLAIN),
		   0, &many, &sum, &err);
	assert_int_equal(umask(before), 0077);
	free(buf);
	assert_int_equal(r, 0);
	loopfs_must(&loopfs_ext4,
		    "cd in/out && [ \"$(stat -c %a a a/b c | xargs)\" = "
		    "'755 666 666' ]");
}

/* ---- by name --------------------------------------------------------------------------- */

static int members(const struct file *files, enum packing how,
		   struct arc_members **ret, int *ret_fd, struct err *err)
{
	char *buf = malloc(ROOM);
	size_t size = make(buf, files, how);
	int fd = memfd_create("tar", MFD_CLOEXEC);

	assert_int_equal(write(fd, buf, size), size);
	free(buf);
	*ret_fd = fd;
	return arc_members_open(fd, ret, err);
}

static void read_member(const struct arc_members *m, const char *name,
			const char *want)
{
	struct arc_member *f = NULL;
	struct err err = { 0 };
	char got[64] = "";
	uint64_t size;
	int r = arc_member_open(m, name, &f, &size, &err);

	if (!want) {
		assert_int_equal(r, -ENOENT);
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(size, strlen(want));
	assert_int_equal(arc_member_read(f, got, sizeof(got) - 1), size);
	assert_string_equal(got, want);
	assert_int_equal(arc_member_read(f, got, sizeof(got)), 0);
	arc_member_free(f);
}

static void by_name(void **state)
{
	const struct file *files = FILES(
		{ .kind = 'd', .path = "a" },
		{ .kind = 'f', .path = "./a/x", .text = "one" },
		{ .kind = 'l', .path = "b/x", .text = "../a/x" },
		{ .kind = 'l', .path = "a/y", .text = "x" },
		{ .kind = 'h', .path = "h", .text = "a/y" },
		{ .kind = 'l', .path = "out", .text = "../../etc/passwd" },
		{ .kind = 'l', .path = "abs", .text = "/etc/passwd" },
		{ .kind = 'l', .path = "loop", .text = "loop" },
		{ .kind = 'f', .path = "last", .text = "two" });
	static const enum packing ways[] = { PLAIN, GZIP, ZSTD };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct arc_members *m = NULL;
		struct err err = { 0 };
		int fd;

		assert_int_equal(members(files, ways[i], &m, &fd, &err), 0);
		read_member(m, "a/x", "one");
		read_member(m, "last", "two");
		read_member(m, "b/x", "one");
		read_member(m, "h", "one");
		read_member(m, "out", NULL);
		read_member(m, "abs", NULL);
		read_member(m, "loop", NULL);
		read_member(m, "a", NULL);
		read_member(m, "none", NULL);
		arc_members_free(m);
		close(fd);
	}
}

static void no_members(void **state)
{
	struct arc_members *m = NULL;
	struct err err = { 0 };
	int fd;

	(void)state;
	assert_int_equal(
		members(FILES({ .kind = 'f', .path = "a", .text = "1" },
			      { .kind = 'f', .path = "./a", .text = "2" }),
			PLAIN, &m, &fd, &err),
		-EBADMSG);
	assert_non_null(strstr(err.msg, "twice"));
	close(fd);
	err.msg[0] = '\0';
	assert_int_equal(
		members(FILES({ .kind = 'f', .path = "../a", .text = "1" }),
			PLAIN, &m, &fd, &err),
		-EBADMSG);
	close(fd);
	fd = memfd_create("none", MFD_CLOEXEC);
	assert_int_equal(write(fd, "no tar", 6), 6);
	err.msg[0] = '\0';
	assert_int_equal(arc_members_open(fd, &m, &err), -EBADMSG);
	close(fd);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 8];
	size_t n = TEST_ROWS(tests, rows, row);

	tests[n++] = (struct CMUnitTest)cmocka_unit_test(digests);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(refused);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(masks);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(names_in_pax);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(by_name);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(no_members);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("arc_layer", tests, n, loopfs_ext4_setup,
				       loopfs_ext4_teardown);
}
