// SPDX-License-Identifier: GPL-2.0-or-later
/* test_box_fill.c - a volume's first files: all of them or none, whatever a disk says. */
#include "lib/test/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "lib/tree.h"
#include "netctl/box/fill.h"
#include "netctl/jget.h"

struct fix {
	char path[64];
	int base;
	struct box box;
	json_object *mount; /* the box's */
};

static void dir_in(struct fix *f, const char *name)
{
	if (mkdirat(f->base, name, 0700) < 0)
		fail_msg("%s: %s", name, strerror(errno));
}

static void file_in(struct fix *f, const char *name)
{
	_cleanup_close_ int fd =
		openat(f->base, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
}

static bool has(struct fix *f, const char *name)
{
	return faccessat(f->base, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	json_object *list = json_object_new_array();
	char text[96];

	if (!f)
		return -1;
	snprintf(f->path, sizeof(f->path), "/tmp/berth-test-fill-XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	f->base = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir_in(f, "box");
	dir_in(f, "root");
	dir_in(f, "root/data");
	dir_in(f, "vol");
	f->box =
		(struct box){ .id = "1",
			      .path = f->path,
			      .dir = openat(f->base, "box",
					    O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			      .lock = -1,
			      .rec = json_object_new_object() };
	f->mount = json_object_new_object();
	json_object_array_add(list, f->mount);
	jset(f->box.rec, "Mounts", list);
	snprintf(text, sizeof(text), "%s/root", f->path);
	jset_str(f->box.rec, "Root", text);
	snprintf(text, sizeof(text), "%s/vol", f->path);
	jset_str(f->mount, "Source", text);
	jset_str(f->mount, "Name", "site");
	jset_str(f->mount, "Target", "/data");
	jset_str(f->mount, "MountID", "7");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	close(f->base);
	close(f->box.dir);
	json_object_put(f->box.rec);
	test_rmdir(f->path);
	free(f);
	return 0;
}

static int fill(struct fix *f)
{
	struct err err = { 0 };
	int r = box_fill(&f->box, f->mount, &err);

	assert_int_equal(*err.msg != '\0', r < 0);
	return r;
}

static void what_is_there_is_moved_in_once(void **state)
{
	struct fix *f = *state;

	file_in(f, "root/data/a");
	assert_int_equal(fill(f), 0);
	assert_true(has(f, "vol/a"));
	assert_true(jget_bool(f->mount, "Filled"));
	assert_int_equal(unlinkat(f->base, "vol/a", 0), 0);
	assert_int_equal(fill(f), 0);
	assert_false(has(f, "vol/a"));
}

/* As after a first start at a path that the runtime made. */
static void nothing_there_is_also_a_first_start(void **state)
{
	struct fix *f = *state;

	assert_int_equal(unlinkat(f->base, "root/data", AT_REMOVEDIR), 0);
	assert_int_equal(fill(f), 0);
	dir_in(f, "root/data");
	file_in(f, "root/data/a");
	assert_int_equal(fill(f), 0);
	assert_false(has(f, "vol/a"));
}

static void an_empty_one_gives_its_owner_and_mode(void **state)
{
	struct fix *f = *state;
	struct stat st;

	if (fchownat(f->base, "root/data", 5, 6, 0) < 0)
		skip(); /* not root */
	assert_int_equal(fchmodat(f->base, "root/data", 02751, 0), 0);
	assert_int_equal(fill(f), 0);
	assert_int_equal(fstatat(f->base, "vol", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 02751);
	assert_int_equal(st.st_uid, 5);
	assert_int_equal(st.st_gid, 6);
	assert_true(jget_bool(f->mount, "Filled"));
}

/* ---- a disk that can't be read for a moment --------------------------------------------- */

static int broken_after; /* reads of a directory; 0: never */

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

static int entries(struct fix *f)
{
	_cleanup_close_ int vol =
		openat(f->base, "vol", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(tree_closep) DIR *dir = tree_stream(vol);
	const struct dirent *e;
	int n = 0;

	assert_non_null(dir);
	while (tree_next(dir, &e) > 0)
		n++;
	return n;
}

static void all_or_none(void **state)
{
	struct fix *f = *state;
	int whole = 0, none = 0;

	file_in(f, "root/data/a");
	file_in(f, "root/data/b");
	dir_in(f, "root/data/sub");
	file_in(f, "root/data/sub/c");
	for (int after = 1;; after++) {
		_cleanup_close_ int vol = openat(
			f->base, "vol", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		bool passed;
		int r;

		broken_after = after;
		r = fill(f);
		passed = broken_after > 0;
		broken_after = 0;
		assert_int_equal(box_fill_settle(&f->box, f->mount,
						 jget_str(f->mount, "Source"),
						 false, NULL),
				 0);
		if (entries(f) == 0) {
			none++;
			assert_true(r < 0);
		} else {
			whole++;
			assert_int_equal(entries(f), 3);
			assert_true(has(f, "vol/a"));
			assert_true(has(f, "vol/b"));
			assert_true(has(f, "vol/sub/c"));
		}
		if (passed)
			break;
		assert_int_equal(tree_empty(vol, NULL, NULL, NULL), 0);
		json_object_object_del(f->mount, "Filled");
	}
	assert_true(none > 5);
	assert_true(whole > 5);
}

/* ---- a volume that is in the way ---------------------------------------------------------- */

static void given_up_only_where_that_is_said(void **state)
{
	struct fix *f = *state;
	struct err err = { 0 };

	jset_str(f->mount, "Fill", "move");
	file_in(f, "vol/.berth-fill-7"); /* no directory */
	assert_int_equal(box_fill_settle(&f->box, f->mount,
					 jget_str(f->mount, "Source"), false,
					 &err),
			 -ENOTDIR);
	assert_string_equal(jget_str(f->mount, "Fill"), "move");
	assert_int_equal(box_fill_settle(&f->box, f->mount,
					 jget_str(f->mount, "Source"), true,
					 NULL),
			 0);
	assert_string_equal(jget_str(f->mount, "Fill"), "");
	assert_true(has(f, "vol/.berth-fill-7"));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_there_is_moved_in_once),
		T(nothing_there_is_also_a_first_start),
		T(an_empty_one_gives_its_owner_and_mode),
		T(all_or_none),
		T(given_up_only_where_that_is_said),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("box_fill", tests, NULL, NULL);
}
