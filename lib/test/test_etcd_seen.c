/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What etcd's answers say of etcd. */
#include "lib/test/etcd_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/etcd_seen.h"

#define EOC "HTTP/1.1 200 OK\r\n\r\n" /* up to the end of the connection */
#define HEAD(cluster, revision)                                           \
	"\"header\":{\"cluster_id\":\"" cluster "\",\"member_id\":\"2\"," \
	"\"revision\":\"" revision "\"}"
#define AT(cluster, revision) EOC "{" HEAD(cluster, revision) "}"
#define FULL                                                                \
	"HTTP/1.1 429 T\r\n\r\n{\"error\":\"e\",\"message\":\"etcdserver: " \
	"mvcc: database space exceeded\",\"code\":8}"
#define DONE EOC "{" HEAD("1", "9") ",\"succeeded\":true}"
#define LONG 0x1000000u

enum ask { END, READ, PUT, ADOPT };

static const struct row {
	const char *name;
	struct {
		enum ask ask;
		const char *raw;
		int want;
		size_t fill;
	} step[6];
	const char *line; /* what is wrong in the end; NULL: nothing */
} rows[] = {
	{ "it answers", { { READ, AT("1", "5"), 0, 0 } }, NULL },
	{ "it grows",
	  { { READ, AT("1", "5"), 0, 0 }, { READ, AT("1", "6"), 0, 0 } },
	  NULL },
	{ "it does not answer",
	  { { READ, AT("1", "5"), 0, 0 }, { READ, "", -ETIMEDOUT, 0 } },
	  "has not answered" },
	{ "it is back",
	  { { READ, "", -ETIMEDOUT, 0 }, { READ, AT("1", "5"), 0, 0 } },
	  NULL },
	{ "an answer too long is one",
	  { { READ, "", -ETIMEDOUT, 0 }, { READ, EOC, -EMSGSIZE, LONG } },
	  NULL },
	{ "it went back",
	  { { READ, AT("1", "5"), 0, 0 }, { READ, AT("1", "4"), -ESTALE, 0 } },
	  "went back from revision 5 to 4" },
	{ "it went back, and is ahead again",
	  { { READ, AT("1", "5"), 0, 0 },
	    { READ, AT("1", "4"), -ESTALE, 0 },
	    { READ, AT("1", "6"), -ESTALE, 0 } },
	  "went back" },
	{ "that it went back is right",
	  { { READ, AT("1", "5"), 0, 0 },
	    { READ, AT("1", "4"), -ESTALE, 0 },
	    { ADOPT, NULL, 1, 0 },
	    { READ, AT("1", "4"), 0, 0 } },
	  NULL },
	{ "it goes back again",
	  { { READ, AT("1", "5"), 0, 0 },
	    { READ, AT("1", "4"), -ESTALE, 0 },
	    { ADOPT, NULL, 1, 0 },
	    { READ, AT("1", "4"), 0, 0 },
	    { READ, AT("1", "3"), -ESTALE, 0 } },
	  "went back from revision 4 to 3" },
	{ "nothing to adopt",
	  { { READ, AT("1", "5"), 0, 0 },
	    { ADOPT, NULL, 0, 0 },
	    { READ, AT("1", "4"), -ESTALE, 0 } },
	  "until `netctl adopt it`" },
	{ "it is another's",
	  { { READ, AT("1", "5"), 0, 0 }, { READ, AT("7", "6"), -ESTALE, 0 } },
	  "another etcd answers" },
	{ "it is full", { { PUT, FULL, -ENOSPC, 0 } }, "is full" },
	{ "it is full, and can be read",
	  { { PUT, FULL, -ENOSPC, 0 }, { READ, AT("1", "5"), 0, 0 } },
	  "is full" },
	{ "it was full",
	  { { PUT, FULL, -ENOSPC, 0 }, { PUT, DONE, 0, 0 } },
	  NULL },
};

static int ask(struct etcd_seen *seen, struct etcd *e, enum ask what,
	       struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { .done = false };
	struct etcd_kvs kvs = { 0 };
	int r;

	if (what == ADOPT)
		return etcd_seen_adopt(seen);
	if (what == READ) {
		r = etcd_seen_range(seen, e, &(struct etcd_range){ .key = "a" },
				    &kvs, NULL, err);
		etcd_kvs_clear(&kvs);
		return r;
	}
	etcd_txn_put(t, "a", "b", 0);
	r = etcd_seen_txn(seen, e, t, &res, err);
	etcd_result_clear(&res);
	return r;
}

static void keep_line(void *arg, const char *text)
{
	snprintf(arg, 600, "%s", text);
}

static void seen_row(void **state)
{
	const struct row *row = *state;
	struct fake_server s = { .raw = "" };
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	struct etcd_config cfg = { .member_count = 1, .timeout_ms = 20000 };
	struct etcd_seen seen;
	char line[600] = "";

	etcd_seen_init(&seen, "netctl adopt it");
	fake_server_start(&s);
	snprintf(cfg.member[0], ETCD_MEMBER_LEN, "127.0.0.1:%u", s.port);
	assert_int_equal(etcd_open(&cfg, &e, NULL), 0);
	for (size_t i = 0; row->step[i].ask != END; i++) {
		struct err err = { 0 };
		int r;

		if (row->step[i].raw)
			s.raw = row->step[i].raw;
		s.fill = row->step[i].fill;
		r = ask(&seen, e, row->step[i].ask, &err);
		if (r != row->step[i].want)
			fail_msg("step %zu: %d (%s)", i, r, err.msg);
	}
	etcd_close(take_ptr(e)); /* the server waits for the end */
	fake_server_stop(&s);
	etcd_seen_lines(&seen, keep_line, line);
	etcd_seen_fini(&seen);
	if (!line[0] != !row->line || (row->line && !strstr(line, row->line)))
		fail_msg("\"%s\"", line);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];

	TEST_ROWS(tests, rows, seen_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
