/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of names. */
#include "lib/test/test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base.h"
#include "runtime/names/names.h"

/* ---- names_valid() ------------------------------------------------------ */

#define L63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"

static const struct valid_row {
	const char *name, *text, *msg; /* msg NULL: it may be told */
} valid_rows[] = {
	{ "one label", "web", NULL },
	{ "as Docker names them", "my_app-web-1", NULL },
	{ "one of the world's", "www.bank.com", NULL },
	{ "an upper-case one", "WEB", NULL },
	{ "63 in a label", L63, NULL },
	{ "64 in a label", L63 "x", "63 characters" },
	{ "253 in all",
	  L63 "." L63 "." L63
	      ".abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxy",
	  NULL },
	{ "254 in all",
	  L63 "." L63 "." L63
	      ".abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz",
	  "253 characters" },
	{ "nothing", "", "empty" },
	{ "a dot at the end", "web.", "ends in a dot" },
	{ "a dot at the head", ".web", "empty label" },
	{ "two dots", "web..shop", "empty label" },
	{ "a star", "*", "only letters" },
	{ "no ASCII", "b\303\244r", "only letters" },
	{ "a space", "a b", "only letters" },
	{ "localhost", "LocalHost", "localhost" },
	{ "below localhost", "web.localhost", "localhost" },
	{ "not below it", "mylocalhost", NULL },
	{ "an address", "10.9.0.1", "address" },
	{ "half an address", "10.9", "address" },
	{ "a digit first", "1web", NULL },
};

static void valid_row(void **state)
{
	const struct valid_row *row = *state;
	struct err err = { 0 };
	int r = names_valid(row->text, &err);

	assert_int_equal(r, row->msg ? -EINVAL : 0);
	if (row->msg && !strstr(err.msg, row->msg))
		fail_msg("says: %s", err.msg);
}

/* ---- the table ---------------------------------------------------------- */

static struct name_record rec(const char *name, const char *addr, bool ptr)
{
	struct name_record r = { .ptr = ptr };

	snprintf(r.name, sizeof(r.name), "%s", name);
	assert_int_equal(ip_parse(addr, &r.addr, NULL), 0);
	return r;
}

static int make(void **state)
{
	struct names *n = NULL;

	if (names_new(&n, NULL) < 0)
		return -1;
	*state = n;
	return 0;
}

static int drop(void **state)
{
	names_free(*state);
	return 0;
}

/* The addresses of a name, "a b", in the order given. */
static const char *found(struct names *n, const char *net, const char *name,
			 int family)
{
	static char text[512];
	struct ip_addr a[8];
	char one[IP_STR_MAX];
	int r = names_find(n, net, name, family, a, ARRAY_SIZE(a));

	if (r == -ENOENT)
		return "nobody";
	text[0] = '\0';
	for (int i = 0; i < r && i < (int)ARRAY_SIZE(a); i++) {
		strcat(text, i ? " " : "");
		strcat(text, ip_str(&a[i], one));
	}
	return text;
}

static void finds_what_was_told(void **state)
{
	struct names *n = *state;
	struct name_record recs[] = {
		rec("Web", "10.9.0.2", true),  rec("web", "fd00::2", false),
		rec("WEB", "10.9.0.3", false), rec("web", "10.9.0.3", false),
		rec("db", "10.9.0.4", true),
	};

	assert_int_equal(names_set(n, NAMES_DOCKER, "shop", recs,
				   ARRAY_SIZE(recs), NULL),
			 0);
	assert_string_equal(found(n, "shop", "wEb", AF_INET),
			    "10.9.0.2 10.9.0.3");
	assert_string_equal(found(n, "shop", "web", AF_INET6), "fd00::2");
	assert_string_equal(found(n, "shop", "db", AF_INET6), "");
	assert_string_equal(found(n, "shop", "we", AF_INET), "nobody");
	assert_string_equal(found(n, "sho", "web", AF_INET), "nobody");
}

static void a_source_replaces_its_own(void **state)
{
	struct names *n = *state;
	struct name_record a = rec("web", "10.9.0.2", true),
			   b = rec("web", "10.9.0.3", true),
			   c = rec("db", "10.9.0.4", true);

	names_set(n, NAMES_DOCKER, "shop", &a, 1, NULL);
	names_set(n, NAMES_HOSTS, "shop", &b, 1, NULL);
	names_set(n, NAMES_USER, "shop", &a, 1, NULL);
	assert_string_equal(found(n, "shop", "web", AF_INET),
			    "10.9.0.2 10.9.0.3");
	names_set(n, NAMES_HOSTS, "shop", &c, 1, NULL);
	assert_string_equal(found(n, "shop", "web", AF_INET), "10.9.0.2");
	assert_string_equal(found(n, "shop", "db", AF_INET), "10.9.0.4");
	names_set(n, NAMES_DOCKER, "shop", NULL, 0, NULL);
	assert_string_equal(found(n, "shop", "web", AF_INET), "10.9.0.2");
	names_set(n, NAMES_USER, "shop", NULL, 0, NULL);
	assert_string_equal(found(n, "shop", "web", AF_INET), "nobody");
}

static void one_bad_name_changes_nothing(void **state)
{
	struct names *n = *state;
	struct name_record was = rec("web", "10.9.0.2", true);
	struct name_record recs[] = { rec("db", "10.9.0.3", true),
				      rec("*", "10.9.0.4", true) };
	struct name_record none = { .name = "x" };
	struct err err = { 0 };

	names_set(n, NAMES_DOCKER, "shop", &was, 1, NULL);
	assert_int_equal(names_set(n, NAMES_DOCKER, "shop", recs, 2, &err),
			 -EINVAL);
	assert_string_equal(
		err.msg, "network shop: \"*\" can't be a name: only letters, "
			 "digits, '-', '_' and '.' can be in a name");
	assert_int_equal(names_set(n, NAMES_DOCKER, "shop", &none, 1, NULL),
			 -EINVAL);
	assert_int_equal(names_set(n, NAMES_DOCKER, "", &was, 1, NULL),
			 -EINVAL);
	assert_string_equal(found(n, "shop", "web", AF_INET), "10.9.0.2");
	assert_string_equal(found(n, "shop", "db", AF_INET), "nobody");
}

static void reverse(void **state)
{
	struct names *n = *state;
	struct name_record recs[] = {
		rec("alias", "10.9.0.2", false),
		rec("web", "10.9.0.2", true),
		rec("six", "fd00::2", true),
		rec("only-alias", "10.9.0.3", false),
	};
	char name[NAMES_NAME_MAX] = "";
	struct ip_addr a;

	names_set(n, NAMES_HOSTS, "shop", recs, ARRAY_SIZE(recs), NULL);
	a = recs[0].addr;
	assert_int_equal(names_reverse(n, "shop", &a, name), 0);
	assert_string_equal(name, "web");
	a = recs[2].addr;
	assert_int_equal(names_reverse(n, "shop", &a, name), 0);
	assert_string_equal(name, "six");
	a = recs[3].addr;
	assert_int_equal(names_reverse(n, "shop", &a, name), -ENOENT);
	assert_int_equal(names_reverse(n, "other", &a, name), -ENOENT);
}

static void more_than_asked_for(void **state)
{
	struct names *n = *state;
	struct name_record recs[20];
	struct ip_addr a[8];
	char text[32];

	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "10.9.0.%d", i + 2);
		recs[i] = rec("web", text, false);
	}
	names_set(n, NAMES_DOCKER, "shop", recs, 20, NULL);
	assert_int_equal(names_find(n, "shop", "web", AF_INET, a, 8), 20);
	assert_true(ip_equal(&a[7], &recs[7].addr));
}

static int list(void *arg, enum names_source source,
		const struct name_record *r)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s:%d ", r->name, source);
	return strcmp(r->name, "stop") == 0 ? 7 : 0;
}

static void listed_by_name(void **state)
{
	struct names *n = *state;
	struct name_record a[] = { rec("c", "10.9.0.2", true),
				   rec("A", "10.9.0.3", true) };
	struct name_record b[] = { rec("b", "10.9.0.4", true),
				   rec("stop", "10.9.0.4", true),
				   rec("x", "10.9.0.4", true) };
	char text[128] = "";

	names_set(n, NAMES_DOCKER, "shop", a, 2, NULL);
	names_set(n, NAMES_HOSTS, "shop", b, 3, NULL);
	assert_int_equal(names_each(n, "shop", list, text), 7);
	assert_string_equal(text, "A:0 b:2 c:0 stop:2 ");
	assert_int_equal(names_each(n, "none", list, text), 0);
}

/* ---- size and threads --------------------------------------------------- */

#define MANY 50000

static struct name_record *many(int shift)
{
	struct name_record *recs = calloc(MANY, sizeof(*recs));

	assert_non_null(recs);
	for (int i = 0; i < MANY; i++) {
		struct name_record *r = &recs[(i * 7919) % MANY];

		snprintf(r->name, sizeof(r->name), "container-%d", i);
		r->addr = (struct ip_addr){ .family = AF_INET,
					    .bytes = { 10, (uint8_t)shift,
						       (uint8_t)(i >> 8),
						       (uint8_t)i } };
		r->ptr = true;
	}
	return recs;
}

/* F101; sanitizers are several times slower. */
static void fifty_thousand_within_100_ms(void **state)
{
	_cleanup_free_ struct name_record *recs = many(1);
	struct names *n = *state;
	double ms;

	names_set(n, NAMES_HOSTS, "shop", recs, MANY, NULL);
	ms = test_cpu_ms();
	assert_int_equal(names_set(n, NAMES_HOSTS, "shop", recs, MANY, NULL),
			 0);
	ms = test_cpu_ms() - ms;
	print_message("# %d names told anew in %.1f ms\n", MANY, ms);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	assert_true(ms < 1000);
#else
	assert_true(ms < 100);
#endif
	for (int i = 0; i < MANY; i++) {
		struct ip_addr a;

		assert_int_equal(
			names_find(n, "shop", recs[i].name, AF_INET, &a, 1), 1);
		assert_true(ip_equal(&a, &recs[i].addr));
	}
}

struct race {
	struct names *n;
	bool end;
	int mixed, seen;
};

/* Of one set all addresses have the same second byte. */
static void *read_all(void *arg)
{
	struct race *race = arg;
	struct ip_addr a[2];

	while (!__atomic_load_n(&race->end, __ATOMIC_RELAXED)) {
		if (names_find(race->n, "shop", "web", AF_INET, a, 2) != 2 ||
		    a[0].bytes[1] != a[1].bytes[1])
			race->mixed++;
		race->seen++;
	}
	return NULL;
}

static void readers_see_one_set_or_the_other(void **state)
{
	struct name_record sets[2][2] = {
		{ rec("web", "10.1.0.2", true), rec("web", "10.1.0.3", true) },
		{ rec("web", "10.2.0.2", true), rec("web", "10.2.0.3", true) },
	};
	struct race race = { .n = *state };
	pthread_t reader;

	names_set(race.n, NAMES_HOSTS, "shop", sets[0], 2, NULL);
	assert_int_equal(pthread_create(&reader, NULL, read_all, &race), 0);
	for (int i = 0; i < 20000; i++)
		names_set(race.n, NAMES_HOSTS, "shop", sets[i & 1], 2, NULL);
	__atomic_store_n(&race.end, true, __ATOMIC_RELAXED);
	pthread_join(reader, NULL);
	assert_int_equal(race.mixed, 0);
	assert_true(race.seen > 0);
}

#define ON_TABLE(fn) cmocka_unit_test_setup_teardown(fn, make, drop)

int main(void)
{
	const struct CMUnitTest on_table[] = {
		ON_TABLE(finds_what_was_told),
		ON_TABLE(a_source_replaces_its_own),
		ON_TABLE(one_bad_name_changes_nothing),
		ON_TABLE(reverse),
		ON_TABLE(more_than_asked_for),
		ON_TABLE(listed_by_name),
		ON_TABLE(fifty_thousand_within_100_ms),
		ON_TABLE(readers_see_one_set_or_the_other),
	};
	struct CMUnitTest tests[ARRAY_SIZE(valid_rows) + ARRAY_SIZE(on_table)];
	size_t n = TEST_ROWS(tests, valid_rows, valid_row);

	memcpy(tests + n, on_table, sizeof(on_table));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
