/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of a volume and its snapshots under another name: all or none. */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "volplugins/thin/thin.h"

struct fix {
	char dir[64];
	struct thin_host h;
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	struct err err = { 0 };

	if (!f)
		return -1;
	*state = f;
	snprintf(f->dir, sizeof(f->dir), "/tmp/berth-test-record-XXXXXX");
	return mkdtemp(f->dir) && store_open(f->dir, STORE_STATE,
					     &f->h.pool.store, &err) == 0
		       ? 0
		       : -1;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	store_close(f->h.pool.store);
	test_rmdir(f->dir);
	free(f);
	return 0;
}

static void put(struct fix *f, const char *name, const char *snap,
		uint32_t number)
{
	char key[THIN_KEY_MAX], json[128];

	thin_key(key, name, snap);
	snprintf(json, sizeof(json),
		 "{\"Number\":%u,\"Size\":%u,\"FS\":\"ext4\"}", number,
		 number << 20);
	assert_int_equal(store_put(f->h.pool.store, THIN_KIND, key,
				   *snap ? name : "", json, NULL),
			 0);
}

/* Its device; 0: no record. */
static uint32_t number_of(struct fix *f, const char *name, const char *snap)
{
	struct thin_record rec;
	char key[THIN_KEY_MAX];
	int r;

	thin_key(key, name, snap);
	r = thin_load(&f->h, key, &rec, NULL);
	assert_true(r == 0 || r == -ENOENT);
	if (r == 0)
		assert_int_equal(rec.size, rec.number << 20);
	return r == 0 ? rec.number : 0;
}

static int add_number(void *ctx, const char *snap,
		      const struct thin_record *rec)
{
	assert_true(*snap && !strchr(snap, '@'));
	*(uint32_t *)ctx += rec->number;
	return 0;
}

/* Of all its snapshots. */
static uint32_t sum(struct fix *f, const char *name)
{
	uint32_t n = 0;

	assert_int_equal(thin_each_snap(&f->h, name, add_number, &n, NULL), 0);
	return n;
}

static void all_of_them_move(void **state)
{
	struct fix *f = *state;
	struct err err = { 0 };

	put(f, "v", "", 1);
	put(f, "v", "s", 2);
	put(f, "v", ".own", 4);
	put(f, "vv", "", 8);
	put(f, "vv", "s", 16);
	assert_int_equal(thin_move(&f->h, "v", "a-longer-name", &err), 0);
	assert_int_equal(number_of(f, "v", ""), 0);
	assert_int_equal(sum(f, "v"), 0);
	assert_int_equal(number_of(f, "a-longer-name", ""), 1);
	assert_int_equal(number_of(f, "a-longer-name", "s"), 2);
	assert_int_equal(sum(f, "a-longer-name"), 2 + 4);
	/* done before */
	assert_int_equal(thin_move(&f->h, "v", "a-longer-name", &err), 0);
	/* and back */
	assert_int_equal(thin_move(&f->h, "a-longer-name", "v", &err), 0);
	assert_int_equal(number_of(f, "v", ""), 1);
	assert_int_equal(sum(f, "v"), 2 + 4);
	/* not onto somebody else's */
	assert_int_equal(thin_move(&f->h, "v", "vv", &err), -EEXIST);
	assert_non_null(strstr(err.msg, "vv"));
	assert_int_equal(number_of(f, "v", "s"), 2);
	assert_int_equal(number_of(f, "vv", "s"), 16);
	assert_int_equal(thin_move(&f->h, "none", "new", &err), -ENOENT);
	assert_non_null(strstr(err.msg, "gone"));
}

/* BERTH_FP is read once: main() has the first fail when all is written. */
static void or_none(void **state)
{
	struct fix *f = *state;
	struct err err = { 0 };

	put(f, "v", "", 1);
	put(f, "v", "s", 2);
	assert_int_equal(thin_move(&f->h, "v", "w", &err), -ENOSPC);
	assert_int_equal(number_of(f, "v", ""), 1);
	assert_int_equal(sum(f, "v"), 2);
	assert_int_equal(number_of(f, "w", ""), 0);
	assert_int_equal(sum(f, "w"), 0);
	assert_int_equal(thin_move(&f->h, "v", "w", &err), 0);
	assert_int_equal(sum(f, "w"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(or_none, setup, teardown),
		cmocka_unit_test_setup_teardown(all_of_them_move, setup,
						teardown),
	};

	setenv("BERTH_FP", "thin.rename.ready:err=ENOSPC:nth=1", 1);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
