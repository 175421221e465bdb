/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hosts tell each other of names: one record a network and host. */
#include "runtime/names/test/share_test.h"

#include <stdlib.h>
#include <string.h>

#define HEAD "{\"node\":\"b\","

static const struct row {
	const char *name, *text;
	bool bad;
	size_t count;
	unsigned int refused;
} rows[] = {
	{ "two names of an address",
	  HEAD "\"names\":{\"10.9.0.2\":[\"web\",\"www\"]},\"ptr\":{"
	       "\"10.9.0.2\":\"WEB\"}}",
	  false, 2, 0 },
	{ "no names", "{\"node\":\"b\"}", false, 0, 0 },
	{ "not JSON", "web", true, 0, 0 },
	{ "nothing", "", true, 0, 0 },
	{ "another node's", "{\"node\":\"c\",\"names\":{\"10.9.0.2\":[\"a\"]}}",
	  true, 0, 0 },
	{ "no node", "{\"names\":{\"10.9.0.2\":[\"a\"]}}", true, 0, 0 },
	{ "names of another type", HEAD "\"names\":[]}", true, 0, 0 },
	{ "an address of another network",
	  HEAD "\"names\":{\"10.8.0.2\":[\"a\"],\"fd00:8::2\":[\"a\"],"
	       "\"10.9.0.3\":[\"a\"]}}",
	  false, 1, 2 },
	{ "no address", HEAD "\"names\":{\"web\":[\"a\"],\"\":[\"a\"]}}", false,
	  0, 2 },
	{ "a list that is none", HEAD "\"names\":{\"10.9.0.2\":7}}", false, 0,
	  1 },
	{ "names that are none",
	  HEAD "\"names\":{\"10.9.0.2\":[7,null,\"\",\"a b\",\"localhost\","
	       "\"x.localhost\",\"10.9.0.2\",\"ok\"]}}",
	  false, 1, 7 },
	{ "a PTR of another type",
	  HEAD "\"names\":{\"10.9.0.2\":[\"a\"]},\"ptr\":{\"10.9.0.2\":7}}",
	  false, 1, 0 },
};

static void decode_row(void **state)
{
	const struct row *row = *state;
	struct share_net net = network("n.shop");
	char node[] = "b";
	struct share_peer p = { .node = node };

	assert_int_equal(share_decode(row->text, strlen(row->text), &net, &p),
			 0);
	assert_int_equal(p.bad, row->bad);
	assert_int_equal(p.count, row->count);
	assert_int_equal(p.refused, row->refused);
	if (row == &rows[0])
		assert_true(p.recs[0].ptr && !p.recs[1].ptr);
	free(p.recs);
}

/* What one writes the other reads; names that hosts told are not told on. */
static void there_and_back(void **state)
{
	struct name_record recs[] = {
		record("web", "10.9.0.2", true),
		record("web", "fd00:9::2", true),
		record("www", "10.9.0.2", false),
		record("far", "10.8.0.2", false), /* of no network here */
	};
	struct name_record others = record("other", "10.9.0.9", true);
	struct share_net net = network("n.shop");
	char node[] = "b";
	struct share_peer p = { .node = node };
	struct names *names = NULL;
	size_t left_out = 1;
	char *text;

	(void)state;
	assert_int_equal(names_new(&names, NULL), 0);
	assert_int_equal(names_set(names, NAMES_DOCKER, net.net, recs,
				   ARRAY_SIZE(recs), NULL),
			 0);
	assert_int_equal(names_set(names, NAMES_USER, net.net, recs, 1, NULL),
			 0);
	assert_int_equal(
		names_set(names, NAMES_HOSTS, net.net, &others, 1, NULL), 0);
	text = share_encode(names, &net, "b", &left_out);
	assert_non_null(text);
	assert_int_equal(left_out, 0);
	assert_null(strstr(text, "other"));
	assert_int_equal(share_decode(text, strlen(text), &net, &p), 0);
	assert_false(p.bad);
	assert_int_equal(p.count, 3);
	assert_int_equal(p.refused, 0);
	free(text);
	free(p.recs);
	names_free(names);
}

/* A reverse lookup says on other hosts what it says here: Docker's name, else the first. */
static void one_name_back(void **state)
{
	struct name_record docker = record("web", "10.9.0.2", true);
	struct name_record user[] = {
		record("www", "10.9.0.2", true),
		record("printer", "10.9.0.3", true),
		record("zebra", "10.9.0.3", true),
	};
	struct share_net net = network("n.shop");
	struct names *names = NULL;
	size_t left_out = 0;
	char *text;

	(void)state;
	assert_int_equal(names_new(&names, NULL), 0);
	assert_int_equal(
		names_set(names, NAMES_DOCKER, net.net, &docker, 1, NULL), 0);
	assert_int_equal(names_set(names, NAMES_USER, net.net, user,
				   ARRAY_SIZE(user), NULL),
			 0);
	text = share_encode(names, &net, "b", &left_out);
	assert_non_null(text);
	assert_non_null(strstr(text, "\"10.9.0.2\":\"web\""));
	assert_non_null(strstr(text, "\"10.9.0.3\":\"printer\""));
	free(text);
	names_free(names);
}

/* What has no room is left out and counted; the rest is a record that is taken. */
static void too_many(void **state)
{
	enum { N = 6000 };
	struct name_record *recs = calloc(N, sizeof(*recs));
	struct share_net net = { .subnet[0] = prefix("10.0.0.0/8") };
	char node[] = "b";
	struct share_peer p = { .node = node };
	struct names *names = NULL;
	size_t left_out = 0;
	char *text;

	(void)state;
	assert_non_null(recs);
	strcpy(net.net, "n.big");
	for (unsigned int i = 0; i < N; i++) {
		char name[80], addr[32];

		snprintf(name, sizeof(name), "a-rather-long-name-of-%05u", i);
		snprintf(addr, sizeof(addr), "10.9.%u.%u", i >> 8, i & 255);
		recs[i] = record(name, addr, true);
	}
	assert_int_equal(names_new(&names, NULL), 0);
	assert_int_equal(names_set(names, NAMES_DOCKER, net.net, recs, N, NULL),
			 0);
	text = share_encode(names, &net, "b", &left_out);
	assert_non_null(text);
	assert_true(left_out > 0 && left_out < N);
	assert_true(strlen(text) <= SHARE_VALUE_MAX);
	assert_int_equal(share_decode(text, strlen(text), &net, &p), 0);
	assert_false(p.bad);
	assert_int_equal(p.count, N - left_out);
	free(text);
	free(p.recs);
	free(recs);
	names_free(names);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 3];
	size_t n = TEST_ROWS(tests, rows, decode_row);

	tests[n++] = (struct CMUnitTest)cmocka_unit_test(there_and_back);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(one_name_back);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(too_many);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
