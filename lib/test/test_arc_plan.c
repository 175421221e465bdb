/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a tree goes into an increment, row by row. */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/arc_plan.h"

/* ---- one file ---------------------------------------------------------------------- */

static const struct arc_entry file = {
	.mode = S_IFREG | 0644,
	.uid = 1,
	.gid = 2,
	.links = 1,
	.size = 10,
	.ino = 5,
	.mtime = { 100, 1 },
	.ctime = { 200, 2 },
	.meta = { 1 },
	.data = { 2 },
};

static const uint8_t one[ARC_DIGEST] = { 1 }, two[ARC_DIGEST] = { 2 };

struct look {
	const char *name;
	void (*change)(struct arc_entry *was, struct arc_entry *now);
	bool distrust;
	const uint8_t *meta, *data; /* NULL: not known */
	enum arc_look want;
};

static void nothing(struct arc_entry *was, struct arc_entry *now)
{
	(void)was;
	(void)now;
}

static void ctime_later(struct arc_entry *was, struct arc_entry *now)
{
	(void)was;
	now->ctime.tv_nsec++;
}

static void ctime_before(struct arc_entry *was, struct arc_entry *now)
{
	(void)was;
	now->ctime.tv_sec--;
}

static void mtime_ns(struct arc_entry *was, struct arc_entry *now)
{
	(void)was;
	now->mtime.tv_nsec++;
}

static void other_size(struct arc_entry *was, struct arc_entry *now)
{
	(void)was;
	now->size++;
}

static void other_mode(struct arc_entry *was, struct arc_entry *now)
{
	(void)was;
	now->mode ^= 1;
}

static void other_kind(struct arc_entry *was, struct arc_entry *now)
{
	(void)was;
	now->mode = S_IFIFO | 0644;
}

static void other_owner(struct arc_entry *was, struct arc_entry *now)
{
	(void)was;
	now->gid++;
}

static void other_inode(struct arc_entry *was, struct arc_entry *now)
{
	(void)was;
	now->ino++;
}

static void doubtful(struct arc_entry *was, struct arc_entry *now)
{
	(void)now;
	was->doubt = true;
}

static void doubtful_dir(struct arc_entry *was, struct arc_entry *now)
{
	was->mode = now->mode = S_IFDIR | 0755;
	was->doubt = true;
}

static const struct look looks[] = {
	{ .name = "the same", .change = nothing, .want = ARC_LOOK_SAME },
	{ .name = "another size",
	  .change = other_size,
	  .want = ARC_LOOK_OTHER },
	{ .name = "another mode",
	  .change = other_mode,
	  .want = ARC_LOOK_OTHER },
	{ .name = "another kind",
	  .change = other_kind,
	  .want = ARC_LOOK_OTHER },
	{ .name = "another owner",
	  .change = other_owner,
	  .want = ARC_LOOK_OTHER },
	{ .name = "a nanosecond of mtime",
	  .change = mtime_ns,
	  .want = ARC_LOOK_OTHER },
	{ .name = "mtime put back",
	  .change = ctime_later,
	  .want = ARC_LOOK_META },
	{ .name = "mtime put back, other attributes",
	  .change = ctime_later,
	  .meta = two,
	  .want = ARC_LOOK_OTHER },
	{ .name = "mtime put back, attributes known",
	  .change = ctime_later,
	  .meta = one,
	  .want = ARC_LOOK_DATA },
	{ .name = "mtime put back, other content",
	  .change = ctime_later,
	  .meta = one,
	  .data = one,
	  .want = ARC_LOOK_OTHER },
	{ .name = "a link more",
	  .change = ctime_later,
	  .meta = one,
	  .data = two,
	  .want = ARC_LOOK_SAME },
	{ .name = "an older one came back",
	  .change = ctime_before,
	  .want = ARC_LOOK_META },
	{ .name = "restored elsewhere",
	  .change = other_inode,
	  .want = ARC_LOOK_META },
	{ .name = "too young", .change = doubtful, .want = ARC_LOOK_META },
	{ .name = "in memory",
	  .change = nothing,
	  .distrust = true,
	  .want = ARC_LOOK_META },
	{ .name = "in memory, the same",
	  .change = nothing,
	  .distrust = true,
	  .meta = one,
	  .data = two,
	  .want = ARC_LOOK_SAME },
	{ .name = "a directory has no content",
	  .change = doubtful_dir,
	  .meta = one,
	  .want = ARC_LOOK_SAME },
};

static void look_row(void **state)
{
	const struct look *row = *state;
	struct arc_entry was = file, now = file;

	row->change(&was, &now);
	assert_int_equal(
		arc_look(&was, &now, !row->distrust, row->meta, row->data),
		row->want);
	assert_int_equal(arc_look(NULL, &now, true, NULL, NULL),
			 ARC_LOOK_OTHER);
}

/* ---- a tree ------------------------------------------------------------------------ */

struct name {
	const char *path;
	uint32_t mode; /* 0: a file */
	uint64_t ino;  /* several names: the same */
	uint32_t links;
	bool changed; /* in .now */
};

struct tree {
	const char *name;
	struct name was[8], now[8];
	const char *put, *deleted, *kept; /* "PATH PATH"; .kept: links */
};

#define DIR_(p) .path = (p), .mode = S_IFDIR

static const struct tree trees[] = {
	{ .name = "nothing changed",
	  .was = { { DIR_(".") }, { .path = "./a" } },
	  .now = { { DIR_(".") }, { .path = "./a" } },
	  .put = "",
	  .deleted = "",
	  .kept = "" },
	{ .name = "a directory whose file changed is put, not the one above",
	  .was = { { DIR_(".") },
		   { DIR_("./d") },
		   { DIR_("./d/e") },
		   { .path = "./d/e/f" },
		   { .path = "./g" } },
	  .now = { { DIR_(".") },
		   { DIR_("./d") },
		   { DIR_("./d/e") },
		   { .path = "./d/e/f", .changed = true },
		   { .path = "./g" } },
	  .put = "./d/e ./d/e/f",
	  .deleted = "",
	  .kept = "" },
	{ .name = "a tree deleted is one path",
	  .was = { { DIR_(".") },
		   { DIR_("./d") },
		   { .path = "./d-e" },
		   { DIR_("./d/e") },
		   { .path = "./d/e/f" } },
	  .now = { { DIR_(".") }, { .path = "./d-e" } },
	  .put = ".",
	  .deleted = "./d",
	  .kept = "" },
	{ .name = "a file became a directory",
	  .was = { { DIR_(".") }, { .path = "./a" } },
	  .now = { { DIR_(".") }, { DIR_("./a") }, { .path = "./a/b" } },
	  .put = ". ./a ./a/b",
	  .deleted = "./a",
	  .kept = "" },
	{ .name = "a directory became a file",
	  .was = { { DIR_(".") }, { DIR_("./a") }, { .path = "./a/b" } },
	  .now = { { DIR_(".") }, { .path = "./a" } },
	  .put = ". ./a",
	  .deleted = "./a",
	  .kept = "" },
	{ .name = "another mode of a directory leaves that above",
	  .was = { { DIR_(".") }, { DIR_("./d") }, { DIR_("./d/e") } },
	  .now = { { DIR_(".") },
		   { DIR_("./d") },
		   { DIR_("./d/e"), .changed = true } },
	  .put = "./d/e",
	  .deleted = "",
	  .kept = "" },
	{ .name = "renamed",
	  .was = { { DIR_(".") }, { .path = "./a", .ino = 5 } },
	  .now = { { DIR_(".") }, { .path = "./b", .ino = 5 } },
	  .put = ". ./b",
	  .deleted = "./a",
	  .kept = "" },
	{ .name = "a new link to what is kept",
	  .was = { { DIR_(".") }, { .path = "./a", .ino = 5 } },
	  .now = { { DIR_(".") },
		   { .path = "./a", .ino = 5, .links = 2 },
		   { .path = "./b", .ino = 5, .links = 2 } },
	  .put = ". ./b",
	  .deleted = "",
	  .kept = "./a" },
	{ .name = "a link gone",
	  .was = { { DIR_(".") },
		   { .path = "./a", .ino = 5, .links = 2 },
		   { .path = "./b", .ino = 5, .links = 2 } },
	  .now = { { DIR_(".") }, { .path = "./b", .ino = 5 } },
	  .put = ".",
	  .deleted = "./a",
	  .kept = "./b" },
	{ .name = "two files became one, of the same content",
	  .was = { { DIR_(".") },
		   { .path = "./a", .ino = 5 },
		   { .path = "./b", .ino = 6 } },
	  .now = { { DIR_(".") },
		   { .path = "./a", .ino = 5, .links = 2 },
		   { .path = "./b", .ino = 5, .links = 2 } },
	  .put = ". ./b",
	  .deleted = "",
	  .kept = "./a" },
	{ .name = "one file, the first name met when it had no other",
	  .was = { { DIR_(".") },
		   { .path = "./a", .ino = 5 },
		   { .path = "./b", .ino = 5, .links = 2 },
		   { .path = "./c", .ino = 5, .links = 3 } },
	  .now = { { DIR_(".") },
		   { .path = "./a", .ino = 5, .links = 3 },
		   { .path = "./b", .ino = 5, .links = 3 },
		   { .path = "./c", .ino = 5, .links = 3 } },
	  .put = ". ./b ./c",
	  .deleted = "",
	  .kept = "./a" },
	{ .name = "one file, the second name met when it had no other",
	  .was = { { DIR_(".") },
		   { .path = "./a", .ino = 5, .links = 2 },
		   { .path = "./b", .ino = 5 },
		   { .path = "./c", .ino = 5, .links = 2 } },
	  .now = { { DIR_(".") },
		   { .path = "./a", .ino = 5, .links = 3 },
		   { .path = "./b", .ino = 5, .links = 3 },
		   { .path = "./c", .ino = 5, .links = 3 } },
	  .put = ". ./b",
	  .deleted = "",
	  .kept = "./a" },
	{ .name = "one file became two, of the same content",
	  .was = { { DIR_(".") },
		   { .path = "./a", .ino = 5, .links = 2 },
		   { .path = "./b", .ino = 5, .links = 2 } },
	  .now = { { DIR_(".") },
		   { .path = "./a", .ino = 5 },
		   { .path = "./b", .ino = 6 } },
	  .put = ". ./b",
	  .deleted = "",
	  .kept = "./a" },
	{ .name = "restored elsewhere, links and all",
	  .was = { { DIR_(".") },
		   { .path = "./a", .ino = 5, .links = 2 },
		   { .path = "./b", .ino = 5, .links = 2 } },
	  .now = { { DIR_(".") },
		   { .path = "./a", .ino = 9, .links = 2 },
		   { .path = "./b", .ino = 9, .links = 2 } },
	  .put = "",
	  .deleted = "",
	  .kept = "./a" },
	{ .name = "nothing before",
	  .was = { { .path = NULL } },
	  .now = { { DIR_(".") }, { .path = "./a" } },
	  .put = ". ./a",
	  .deleted = "",
	  .kept = "" },
	{ .name = "nothing left",
	  .was = { { DIR_(".") },
		   { .path = "./a" },
		   { DIR_("./b") },
		   { .path = "./b/c" } },
	  .now = { { DIR_(".") } },
	  .put = ".",
	  .deleted = "./a ./b",
	  .kept = "" },
};

static struct arc_entry entry(const struct name *n, size_t i)
{
	return (struct arc_entry){
		.path = (char *)(uintptr_t)n->path,
		.mode = n->mode ? n->mode : S_IFREG,
		.ino = n->ino ? n->ino : 100 + i,
		.links = n->links ? n->links : 1,
	};
}

static void join(char *to, size_t size, const char *path)
{
	size_t used = strlen(to);

	snprintf(to + used, size - used, "%s%s", used ? " " : "", path);
}

static void tree_row(void **state)
{
	const struct tree *row = *state;
	char put[256] = "", deleted[256] = "", kept[256] = "";
	struct arc_index since = { 0 };
	struct arc_inodes links = { 0 };
	struct arc_plan p = { .since = &since };
	const char *path;
	size_t at = 0;

	for (size_t i = 0; i < 8 && row->was[i].path; i++) {
		struct arc_entry e = entry(&row->was[i], i);

		assert_int_equal(arc_index_add(&since, &e), 0);
	}
	arc_index_sort(&since);
	for (size_t i = 8; i-- > 0;) { /* in any order */
		struct arc_entry e = entry(&row->now[i], i);
		const struct arc_entry *was;

		if (!row->now[i].path)
			continue;
		was = arc_index_find(&since, e.path, strlen(e.path));
		assert_int_equal(arc_plan_add(&p, &e,
					      was && was->mode == e.mode &&
						      !row->now[i].changed),
				 0);
	}
	assert_int_equal(arc_plan_settle(&p, &links), 0);
	for (size_t i = 0; i < p.now.count; i++) {
		const struct arc_entry *e = &p.now.entries[i];
		const struct arc_inode *l = arc_inodes_find(&links, e->ino);

		if (p.steps[i].todo == ARC_PUT)
			join(put, sizeof(put), e->path);
		if (l && strcmp(l->made.path, e->path) == 0)
			join(kept, sizeof(kept), e->path);
		if (p.steps[i].todo == ARC_PUT && strrchr(e->path, '/'))
			assert_true(p.steps[0].below);
	}
	while ((path = arc_plan_deleted(&p, &at)))
		join(deleted, sizeof(deleted), path);
	assert_string_equal(put, row->put);
	assert_string_equal(deleted, row->deleted);
	assert_string_equal(kept, row->kept);
	arc_plan_fini(&p);
	arc_inodes_fini(&links);
	for (size_t i = 0; i < since.count; i++)
		free(since.entries[i].path);
	free(since.entries);
}

int main(void)
{
	struct CMUnitTest tests[64];
	size_t n = TEST_ROWS(tests, looks, look_row);

	n += TEST_ROWS(tests + n, trees, tree_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("arc_plan", tests, n, NULL, NULL);
}
