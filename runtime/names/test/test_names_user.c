// SPDX-License-Identifier: GPL-2.0-or-later
/* Names that users told: in the table and on record, or in neither. */
#include "lib/test/store_test.h"

#include "runtime/names/names_user.h"

/* Each is passed by one test alone, so the number is that test's. */
#define FAULTS                     \
	"names.add:err=EIO:nth=1," \
	"names.part:err=ENOMEM:nth=4,names.remove:err=EIO:nth=2"

struct told {
	struct names *names;
	struct names_user *user;
};

static struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static void begin(struct told *t, struct place *p)
{
	struct err err = { 0 };

	assert_int_equal(names_new(&t->names, NULL), 0);
	place_must(names_user_open(p->s, t->names, &t->user, &err), &err);
}

static void end(struct told *t)
{
	names_user_close(t->user);
	names_free(t->names);
}

static int add(struct told *t, const char *name, const char *at)
{
	struct ip_addr a = addr(at);

	return names_user_add(t->user, "n.shop", name, &a, false, NULL);
}

static int drop(struct told *t, const char *name, const char *at)
{
	struct ip_addr a = at ? addr(at) : (struct ip_addr){ 0 };

	return names_user_remove(t->user, "n.shop", name, &a, NULL);
}

static int found(struct told *t, const char *name)
{
	struct ip_addr a[8];

	return names_find(t->names, "n.shop", name, AF_INET, a, 8);
}

static int on_record(struct place *p)
{
	int n = 0;

	assert_int_equal(
		store_each(p->s, "name", NULL, place_count_one, &n, NULL), 0);
	return n;
}

/* One after another, as the faults are counted. */
static void in_both_or_in_neither(void **state)
{
	struct place *p = *state;
	struct told t;

	place_open(p, STORE_STATE);
	begin(&t, p);
	assert_int_equal(add(&t, "web", "10.9.0.2"), -EIO);
	assert_int_equal(found(&t, "web"), -ENOENT);
	assert_int_equal(on_record(p), 0);
	assert_int_equal(add(&t, "web", "10.9.0.2"), 0); /* parts: 1 */
	assert_int_equal(add(&t, "WEB", "10.9.0.2"), 0);
	assert_int_equal(add(&t, "web", "10.9.0.3"), 0); /* 2 */
	assert_int_equal(add(&t, "db", "10.9.0.4"), 0);  /* 3 */
	assert_int_equal(on_record(p), 3);

	assert_int_equal(drop(&t, "web", NULL), -ENOMEM); /* 4 */
	assert_int_equal(found(&t, "web"), 2);
	assert_int_equal(on_record(p), 3);
	assert_int_equal(drop(&t, "web", "10.9.0.2"), 0);
	assert_int_equal(found(&t, "web"), 1);
	assert_int_equal(on_record(p), 2);
	assert_int_equal(drop(&t, "db", NULL), -EIO);
	assert_int_equal(found(&t, "db"), 1);
	assert_int_equal(on_record(p), 2);

	end(&t);
	place_reopen(p);
	begin(&t, p);
	assert_int_equal(found(&t, "web"), 1);
	assert_int_equal(found(&t, "db"), 1);
	assert_int_equal(drop(&t, "Web", NULL), 0);
	assert_int_equal(drop(&t, "web", NULL), -ENOENT);
	assert_int_equal(drop(&t, "db", "10.9.0.5"), -ENOENT);
	assert_int_equal(drop(&t, "db", NULL), 0);
	assert_int_equal(found(&t, "db"), -ENOENT);
	assert_int_equal(on_record(p), 0);
	end(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		PLACE_TEST(in_both_or_in_neither),
	};

	setenv("BERTH_FP", FAULTS, 1);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
