/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Are there IPsec policies?  Made with ip(8), one kind a row. */
#include "lib/test/nlk_test.h"

#include <poll.h>
#include <sys/socket.h>

#include "lib/nlk_xfrm.h"

#define OUT "src 10.0.0.0/8 dst 192.0.2.0/24 dir out"

struct row {
	const char *name, *add, *del;
	int want;
};

static const struct row rows[] = {
	{ "out, block", "policy add " OUT " action block", "policy del " OUT,
	  1 },
	{ "out, a template",
	  "policy add " OUT
	  " tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel",
	  "policy del " OUT, 1 },
	{ "in", "policy add src fd00::/8 dst fd01::/16 dir in",
	  "policy del src fd00::/8 dst fd01::/16 dir in", 1 },
	{ "fwd", "policy add src fd00::/8 dst fd01::/16 dir fwd",
	  "policy flush", 1 },
	{ "what none is for is blocked", "policy setdefault out block",
	  "policy setdefault out accept", 1 },
	{ "what none is for is accepted", "policy setdefault in accept",
	  "policy setdefault fwd accept", 0 },
};

static void policy(const char *what)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "ip xfrm %s", what);
	assert_int_equal(system(cmd), 0);
}

/* It is told, and what is said then is so. */
static void expect(struct nlk_xfrm *x, int want)
{
	struct pollfd p = { .fd = nlk_xfrm_fd(x), .events = POLLIN };
	struct err err;

	assert_int_equal(poll(&p, 1, 2000), 1);
	assert_int_equal(nlk_xfrm_read(x, &err), 1);
	assert_int_equal(nlk_xfrm_read(x, &err), 0);
	assert_int_equal(nlk_xfrm_any(x, &err), want);
}

static void each_kind(void **state)
{
	struct nlk_env *e = *state;

	NEED_NETNS();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(nlk_xfrm_closep) struct nlk_xfrm *x = NULL;

		print_message("# %s\n", rows[i].name);
		assert_int_equal(nlk_xfrm_open(&x, &e->err), 0);
		if (!x) {
			skip(); /* no IPsec in this kernel */
			return;
		}
		assert_int_equal(nlk_xfrm_any(x, &e->err), 0);
		policy(rows[i].add);
		expect(x, rows[i].want);
		policy(rows[i].del);
		expect(x, 0);
	}
}

/* Events that were lost count as a change. */
static void a_flood_is_a_change(void **state)
{
	_cleanup_(nlk_xfrm_closep) struct nlk_xfrm *x = NULL;
	struct nlk_env *e = *state;
	int least = 1;

	NEED_NETNS();
	assert_int_equal(nlk_xfrm_open(&x, &e->err), 0);
	if (!x) {
		skip();
		return;
	}
	assert_int_equal(setsockopt(nlk_xfrm_fd(x), SOL_SOCKET, SO_RCVBUF,
				    &least, sizeof(least)),
			 0);
	for (int i = 0; i < 30; i++) {
		policy("policy update " OUT " action block");
		policy("policy del " OUT);
	}
	policy("policy add " OUT " action block");
	assert_int_equal(nlk_xfrm_read(x, &e->err), 1);
	assert_int_equal(nlk_xfrm_any(x, &e->err), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NLK_TEST(each_kind),
		NLK_TEST(a_flood_is_a_change),
	};

	return nlk_test_run(tests, ARRAY_SIZE(tests));
}
