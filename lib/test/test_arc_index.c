/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Indexes of archives: there and back, damaged ones, records in any pieces. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/arc_priv.h"
#include "lib/test/arc_forge.h"

#define RECORD_MAX (1u << 20) /* of a record */

static const struct arc_entry samples[] = {
	{ .path = (char[]){ "./b/c" },
	  .mode = S_IFREG | 0644,
	  .uid = 7,
	  .gid = UINT32_MAX,
	  .links = 2,
	  .size = 1ull << 40,
	  .ino = UINT64_MAX,
	  .mtime = { -5, 999999999 },
	  .ctime = { 1000, 1 },
	  .meta = { 0xff, 1 },
	  .data = { 2, [15] = 0x0a } },
	{ .path = (char[]){ "." },
	  .mode = S_IFDIR | 01777,
	  .links = 3,
	  .ctime = { 2000, 0 } },
	{ .path = (char[]){ "./a\n \377" },
	  .mode = S_IFCHR,
	  .rdev = 0x103,
	  .ctime = { 1998, 0 },
	  .doubt = true },
	{ .path = (char[]){ "./b" }, .mode = S_IFDIR, .ctime = { 1999, 5 } },
};

/* An archive that is nothing but index and digest.  @more: an entry, which is there
 * @times, each with another inode; or NULL. */
static int archive_of(const struct arc_entry *more, unsigned int times)
{
	struct arc_index_out *o = arc_index_out_new();
	int fd = memfd_create("archive", MFD_CLOEXEC);
	const uint8_t *frame;
	size_t size;

	assert_non_null(o);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		assert_int_equal(arc_index_out_add(o, &samples[i], NULL), 0);
	for (unsigned int i = 0; i < times; i++) {
		struct arc_entry e = *more;

		e.ino += i;
		assert_int_equal(arc_index_out_add(o, &e, NULL), 0);
	}
	assert_int_equal(arc_index_out_end(o, &frame, &size, NULL), 0);
	arc_forge_put(fd, frame, size);
	arc_index_out_free(o);
	return fd;
}

static int archive(const struct arc_entry *more)
{
	return archive_of(more, more ? 1 : 0);
}

static struct arc_entry *find(const struct arc_index *x, const char *path)
{
	return arc_index_find(x, path, strlen(path));
}

static void same_entry(const struct arc_entry *got,
		       const struct arc_entry *want)
{
	assert_non_null(got);
	assert_string_equal(got->path, want->path);
	assert_int_equal(got->mode, want->mode);
	assert_int_equal(got->uid, want->uid);
	assert_int_equal(got->gid, want->gid);
	assert_int_equal(got->links, want->links);
	assert_int_equal(got->size, want->size);
	assert_int_equal(got->ino, want->ino);
	assert_int_equal(got->rdev, want->rdev);
	assert_int_equal(got->mtime.tv_sec, want->mtime.tv_sec);
	assert_int_equal(got->mtime.tv_nsec, want->mtime.tv_nsec);
	assert_int_equal(got->ctime.tv_sec, want->ctime.tv_sec);
	assert_int_equal(got->ctime.tv_nsec, want->ctime.tv_nsec);
	assert_memory_equal(got->meta, want->meta, ARC_DIGEST);
	assert_memory_equal(got->data, want->data, ARC_DIGEST);
}

static void there_and_back(void **state)
{
	_cleanup_close_ int fd = archive(NULL);
	_cleanup_(arc_index_freep) struct arc_index *x = NULL;

	(void)state;
	assert_int_equal(arc_index_load(fd, &x, NULL), 0);
	assert_int_equal(x->count, ARRAY_SIZE(samples));
	assert_int_equal(strlen(x->sha256), 64);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		same_entry(find(x, samples[i].path), &samples[i]);
	assert_null(find(x, "./b/"));
	assert_null(find(x, "./c"));
	assert_null(find(x, ""));
	assert_non_null(arc_index_find(x, "./b/c", 3));
}

/* The newest of them may have been changed again at the same time. */
static void the_newest_are_in_doubt(void **state)
{
	_cleanup_close_ int fd = archive(NULL);
	_cleanup_(arc_index_freep) struct arc_index *x = NULL;

	(void)state;
	assert_int_equal(arc_index_load(fd, &x, NULL), 0);
	assert_true(find(x, ".")->doubt);
	assert_true(find(x, "./b")->doubt);
	assert_true(find(x, "./a\n \377")->doubt);
	assert_false(find(x, "./b/c")->doubt);
}

/* A clock that was wrong once must not make all others old. */
static void a_time_to_come_is_no_newest(void **state)
{
	const struct arc_entry to_come = { .path = (char[]){ "./later" },
					   .mode = S_IFREG,
					   .ctime = { INT64_MAX, 0 } };
	_cleanup_close_ int fd = archive(&to_come);
	_cleanup_(arc_index_freep) struct arc_index *x = NULL;

	(void)state;
	assert_int_equal(arc_index_load(fd, &x, NULL), 0);
	assert_true(find(x, "./later")->doubt);
	assert_true(find(x, ".")->doubt);
	assert_true(find(x, "./b")->doubt);
	assert_false(find(x, "./b/c")->doubt);
}

/* Zeros that are some bytes in zstd must not be all of the memory. */
static void it_unpacks_to_no_multiple(void **state)
{
	static char path[RECORD_MAX / 2] = "./";
	const struct arc_entry large = { .path = path, .mode = S_IFREG };
	_cleanup_close_ int forged = -EBADF, deep = -EBADF;
	_cleanup_(arc_index_freep) struct arc_index *x = NULL;
	struct err err = { 0 };

	(void)state;
	memset(path + 2, 'x', sizeof(path) - 3);
	forged = archive_of(&large, 200); /* 100 MiB */
	assert_int_equal(arc_index_load(forged, &x, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "unpacks to more than"));
	path[4000] = '\0'; /* as deep as can be, one beside the other */
	deep = archive_of(&large, 4000);
	assert_int_equal(arc_index_load(deep, &x, NULL), 0);
	assert_int_equal(x->count, 4000 + ARRAY_SIZE(samples));
}

static void a_pipe_has_no_end(void **state)
{
	_cleanup_(arc_index_freep) struct arc_index *x = NULL;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(arc_index_load(ends[0], &x, NULL), -ESPIPE);
	close(ends[0]);
	close(ends[1]);
}

/* ---- damaged ----------------------------------------------------------------------- */

struct damage {
	const char *name;
	off_t cut;   /* bytes from the end */
	off_t wrong; /* a byte this far from the end is another; 0: none */
	int want;
};

static const struct damage damages[] = {
	{ .name = "as it was", .want = 0 },
	{ .name = "cut by one", .cut = 1, .want = -EBADMSG },
	{ .name = "no digest", .cut = ARC_END_SIZE, .want = -EBADMSG },
	{ .name = "another digest's word", .wrong = 80, .want = -EBADMSG },
	{ .name = "text's newline",
	  .wrong = ARC_END_SIZE + 1,
	  .want = -EBADMSG },
	{ .name = "text's head",
	  .wrong = ARC_END_SIZE + ARC_INDEX_TEXT,
	  .want = -ENODATA },
	{ .name = "number of bytes",
	  .wrong = ARC_END_SIZE + ARC_INDEX_TEXT - 20,
	  .want = -EBADMSG },
	{ .name = "the records",
	  .wrong = ARC_END_SIZE + ARC_INDEX_TEXT + 30,
	  .want = -EBADMSG },
};

static void damage_row(void **state)
{
	const struct damage *row = *state;
	_cleanup_close_ int fd = archive(NULL);
	_cleanup_(arc_index_freep) struct arc_index *x = NULL;
	off_t size = lseek(fd, 0, SEEK_END);
	struct err err = { 0 };
	char c;

	assert_int_equal(ftruncate(fd, size - row->cut), 0);
	if (row->wrong) {
		assert_int_equal(pread(fd, &c, 1, size - row->wrong), 1);
		c ^= 1;
		assert_int_equal(pwrite(fd, &c, 1, size - row->wrong), 1);
	}
	assert_int_equal(arc_index_load(fd, &x, &err), row->want);
	assert_int_equal(!!err.msg[0], row->want < 0);
}

/* ---- records ------------------------------------------------------------------------- */

#define ZEROS \
	"00000000000000000000000000000000 00000000000000000000000000000000 "
#define GOOD "100644 0 0 1 1.000000000 1.000000000 1 1 0 0 " ZEROS

struct text {
	const char *name, *record;
	int want;
};

static const struct text texts[] = {
	{ "a good one", GOOD "./a", 0 },
	{ "the root", GOOD ".", 0 },
	{ "no path", GOOD, -EBADMSG },
	{ "an absolute path", GOOD "/a", -EBADMSG },
	{ "a path from nowhere", GOOD "a", -EBADMSG },
	{ "half a path", GOOD "./", -EBADMSG },
	{ "empty", "", -EBADMSG },
	{ "no octal", "9" GOOD "./a", -EBADMSG },
	{ "a sign", "-" GOOD "./a", -EBADMSG },
	{ "a blank", " " GOOD "./a", -EBADMSG },
	{ "a mode too large", "7777777" GOOD "./a", -EBADMSG },
	{ "half a digest", "100644 0 0 1 1.0 1.0 1 1 0 0 00 00 ./a", -EBADMSG },
	{ "no digest",
	  "100644 0 0 1 1.0 1.0 1 1 0 0 zz000000000000000000000000000000 "
	  "00000000000000000000000000000000 ./a",
	  -EBADMSG },
	{ "too many parts of a second",
	  "100644 0 0 1 1.1000000000 1.0 1 1 0 0 " ZEROS "./a", -EBADMSG },
	{ "a doubtful doubt", "100644 0 0 1 1.0 1.0 1 1 0 2 " ZEROS "./a",
	  -EBADMSG },
	{ "too many bytes",
	  "100644 0 0 9223372036854775808 1.0 1.0 1 1 0 0 " ZEROS "./a",
	  -EBADMSG },
};

/* In pieces of any size it is the same. */
static void text_row(void **state)
{
	const struct text *row = *state;
	char all[512];
	size_t size = sizeof(ARC_INDEX_HEAD);

	memcpy(all, ARC_INDEX_HEAD, size);
	strcpy(all + size, row->record);
	size += strlen(row->record) + 1;
	for (size_t piece = 1; piece <= size; piece++) {
		struct arc_index *x = calloc(1, sizeof(*x));
		struct arc_index_rest rest = { 0 };
		int r = 0;

		for (size_t at = 0; r == 0 && at < size; at += piece)
			r = arc_index_parse(x, &rest, all + at,
					    size - at < piece ? size - at
							      : piece);
		assert_int_equal(r, row->want);
		assert_int_equal(x->count, row->want == 0);
		arc_index_free(x);
		free(rest.bytes);
	}
}

static void another_head(void **state)
{
	struct arc_index x = { 0 };
	struct arc_index_rest rest = { 0 };

	(void)state;
	assert_int_equal(arc_index_parse(&x, &rest, "berth-index 2", 14),
			 -EBADMSG);
	free(rest.bytes);
}

static void endless_record(void **state)
{
	static char many[1 << 16];
	struct arc_index x = { 0 };
	struct arc_index_rest rest = { 0 };
	int r = 0, i;

	(void)state;
	memset(many, '1', sizeof(many));
	for (i = 0; r == 0 && i < 100; i++)
		r = arc_index_parse(&x, &rest, many, sizeof(many));
	assert_int_equal(r, -EBADMSG);
	assert_true(i < 20);
	free(rest.bytes);
}

int main(void)
{
	struct CMUnitTest tests[64] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(the_newest_are_in_doubt),
		cmocka_unit_test(a_time_to_come_is_no_newest),
		cmocka_unit_test(it_unpacks_to_no_multiple),
		cmocka_unit_test(a_pipe_has_no_end),
		cmocka_unit_test(another_head),
		cmocka_unit_test(endless_record),
	};
	size_t n = 7;

	n += TEST_ROWS(tests + n, damages, damage_row);
	n += TEST_ROWS(tests + n, texts, text_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("arc_index", tests, n, NULL, NULL);
}
