/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts that share pools by a real etcd: each is an IPAM core with stores of its own. */
#include "ipam/test/blocks_test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "ipam/ipam_record.h"
#include "lib/fail.h"

/* ---- tests ---------------------------------------------------------------------------- */

#define P "berth-global/10.1.0.0/16"

static void hosts_share_one_pool(void **state)
{
	struct host h[3];
	struct ip_addr a;
	char id[TEXT_MAX];

	UP();
	host_open(&h[0], "a");
	host_open(&h[1], "b");
	host_open(&h[2], "c");
	for (int i = 0; i < 3; i++) {
		OK(host_pool_get(&h[i], "10.1.0.0/16", NULL, id));
		assert_string_equal(id, P);
		OK(host_addr_get(&h[i], P, "10.1.0.1", IPAM_GATEWAY, &a));
	}
	/* each has a block before it needs one */
	assert_true(TEST_WITHIN_S(30, keys_of("block/") == 3));
	seen_add(&a);
	for (int i = 0; i < 3; i++)
		take_n(&h[i], P, 70);
	assert_int_equal(keys_of("block/"), 6);
	assert_int_equal(keys_of("pool4/"), 1);
	/* the gateway is the cluster's */
	OK(host_addr_put(&h[0], P, &a));
	assert_int_equal(
		host_addr_get(&h[0], P, "10.1.0.1", IPAM_ENDPOINT, NULL),
		-EADDRINUSE);
	assert_true(says_error("gateway"));
	for (int i = 0; i < 3; i++)
		OK(host_pool_put(&h[i], P));
	assert_true(TEST_WITHIN_S(30, keys_of("") == 0));
	for (int i = 0; i < 3; i++)
		host_close(&h[i]);
}

/* On a busy machine etcd does not answer in time, and is to be asked again. */
static bool busy(int r)
{
	return r == -EAGAIN || r == -ETIMEDOUT;
}

/* One of several that take what they can at the same time. */
struct taker {
	struct host h;
	pthread_t thread;
	struct ip_addr got[256];
	size_t n;
	int r; /* why it ended */
	struct err err;
};

static void *take_all(void *arg)
{
	struct taker *t = arg;
	struct ipam_addr_req q = { .pool_id = "berth-global/10.1.0.0/24",
				   .mac.bytes = { 2, 1 } };
	struct ip_prefix got;
	uint64_t seq;

	for (int slow = 0; t->n < ARRAY_SIZE(t->got) && slow < 100;) {
		t->r = ipam_addr_request(t->h.core, &q, &got, &seq, &t->err);
		if (t->r == 0)
			t->got[t->n++] = got.addr;
		else if (!busy(t->r))
			break;
		else if (++slow)
			poll(NULL, 0, 100);
	}
	return NULL;
}

static void all_at_once(void **state)
{
	static struct taker t[4];

	UP();
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		char name[] = { (char)('a' + i), '\0' };

		memset(&t[i], 0, sizeof(t[i]));
		host_open(&t[i].h, name);
		OK(host_pool_get(&t[i].h, "10.1.0.0/24", NULL, NULL));
	}
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_create(&t[i].thread, NULL, take_all, &t[i]);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i].thread, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		for (size_t k = 0; k < t[i].n; k++)
			seen_add(&t[i].got[k]);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (t[i].r != -ENOSPC)
			fail_msg("after %zu addresses: %s", t[i].n,
				 t[i].err.msg);
	assert_int_equal(seen->n, 254);
	assert_int_equal(keys_of("block/"), 16);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		host_close(&t[i].h);
}

static void the_gateway_is_the_same(void **state)
{
	struct host h[2];
	struct ip_addr a, b;

	UP();
	host_open(&h[0], "a");
	host_open(&h[1], "b");
	OK(host_pool_get(&h[0], "fd00:1::/64", "fd00:1::8:0/112", NULL));
	OK(host_pool_get(&h[1], "fd00:1::/64", "fd00:1::8:0/112", NULL));
#define V6 "berth-global/fd00:1::/64/fd00:1::8:0/112"
	OK(host_addr_get(&h[1], V6, NULL, IPAM_GATEWAY, &b));
	OK(host_addr_get(&h[0], V6, NULL, IPAM_GATEWAY, &a));
	assert_true(ip_equal(&a, &b));
	seen_add(&a);
	take_n(&h[0], V6, 66);
	take_n(&h[1], V6, 66);
	for (size_t i = 0; i < seen->n; i++)
		assert_int_equal(seen->v[i].bytes[13], 8);
	host_close(&h[0]);
	host_close(&h[1]);
}

static void pools_never_overlap(void **state)
{
	static const struct {
		const char *pool, *sub, *names;
	} rows[] = {
		{ "10.1.5.0/24", NULL, "10.1.0.0/16" },
		{ "10.0.0.0/8", NULL, "10.1.0.0/16" },
		{ "10.1.0.0/17", NULL, "10.1.0.0/16" },
		{ "10.1.0.0/15", NULL, "10.1.0.0/16" },
		{ "10.1.0.0/16", "10.1.4.0/24", "no range" },
	};
	struct host a, b;

	UP();
	host_open(&a, "a");
	host_open(&b, "b");
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(
			host_pool_get(&b, rows[i].pool, rows[i].sub, NULL),
			-EEXIST);
		assert_true(says_error(rows[i].names));
	}
	assert_true(TEST_WITHIN_S(30, keys_of("member/") == 1));
	OK(host_pool_get(&b, "10.2.0.0/16", NULL, NULL));
	OK(host_pool_get(&b, "10.0.0.0/16", NULL, NULL));
	host_close(&a);
	host_close(&b);
}

static void a_certain_one_is_claimed(void **state)
{
	struct host a, b;
	struct ip_addr x, far;

	UP();
	host_open(&a, "a");
	host_open(&b, "b");
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	OK(host_pool_get(&b, "10.1.0.0/16", NULL, NULL));
	OK(host_addr_get(&a, P, "10.1.200.5", IPAM_ENDPOINT, &far));
	assert_int_equal(
		host_addr_get(&b, P, "10.1.200.5", IPAM_ENDPOINT, NULL),
		-EADDRINUSE);
	assert_true(says_error("host a"));
	/* in the other's block, in one's own */
	OK(host_addr_get(&a, P, NULL, IPAM_ENDPOINT, &x));
	x.bytes[3] = (uint8_t)(x.bytes[3] + 9);
	{
		char text[IP_STR_MAX];

		ip_str(&x, text);
		assert_int_equal(
			host_addr_get(&b, P, text, IPAM_ENDPOINT, NULL),
			-EADDRINUSE);
		assert_true(says_error("host a"));
		OK(host_addr_get(&a, P, text, IPAM_ENDPOINT, NULL));
	}
	assert_int_equal(keys_of("addr/"), 1);
	assert_int_equal(host_addr_get(&b, P, "10.9.0.1", IPAM_ENDPOINT, NULL),
			 -EINVAL);
	OK(host_addr_put(&a, P, &far));
	assert_true(TEST_WITHIN_S(30, keys_of("addr/") == 0));
	OK(host_addr_get(&b, P, "10.1.200.5", IPAM_ENDPOINT, NULL));
	host_close(&a);
	host_close(&b);
}

static void without_etcd_it_goes_on_in_its_blocks(void **state)
{
	struct host a, b;
	struct ip_addr x;

	UP();
	host_open(&a, "a");
	host_open(&b, "b");
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	OK(host_pool_get(&b, "10.1.0.0/16", NULL, NULL));
	take_n(&a, P, 3);
	assert_true(TEST_WITHIN_S(30, keys_of("block/") == 2));
	take_n(&b, P, 1); /* it knows, too */
	kill(blocks_box.one.pid[0], SIGSTOP);
	take_n(&a, P, 3);
	assert_int_not_equal(
		host_addr_get(&a, P, "10.1.200.9", IPAM_ENDPOINT, NULL), 0);
	assert_true(says_error("etcd"));
	assert_int_not_equal(host_pool_get(&a, "10.7.0.0/16", NULL, NULL), 0);
	host_close(&a);
	host_open(&a, "a"); /* what it has it knows by itself */
	take_n(&a, P, 50);
	take_n(&b, P, 10);
	for (int i = 0; i < 10; i++) /* to the end of its block */
		if (host_addr_get(&a, P, NULL, IPAM_ENDPOINT, &x) < 0)
			break;
		else
			seen_add(&x);
	assert_true(says_error("etcd"));
	assert_true(TEST_WITHIN_S(30, says(&a, "etcd")));
	kill(blocks_box.one.pid[0], SIGCONT);
	assert_true(TEST_WITHIN_S(
		30, host_addr_get(&a, P, NULL, IPAM_ENDPOINT, &x) == 0));
	seen_add(&x);
	assert_true(TEST_WITHIN_S(30, !says(&a, "etcd")));
	assert_true(TEST_WITHIN_S(30, keys_of("block/") == 3));
	seen->n = 0;
	see_all(&a);
	see_all(&b);
	host_close(&a);
	host_close(&b);
}

#define S "berth-global/10.1.0.0/28"

static void a_small_pool_is_used_up(void **state)
{
	struct host h[2];
	struct ip_addr a, b = { 0 };
	unsigned int n = 0;
	int r;

	UP();
	host_open(&h[0], "a");
	host_open(&h[1], "b");
	OK(host_pool_get(&h[0], "10.1.0.0/28", NULL, NULL));
	OK(host_pool_get(&h[1], "10.1.0.0/28", NULL, NULL));
	OK(host_addr_get(&h[1], S, "10.1.0.1", IPAM_GATEWAY, &a));
	for (;; n++) {
		r = host_addr_get(&h[n % 2], S, NULL, IPAM_ENDPOINT, &a);
		if (r < 0)
			break;
		seen_add(&a);
		if (n % 2)
			b = a;
	}
	assert_int_equal(r, -ENOSPC);
	assert_true(says_error("full"));
	assert_int_equal(n, 13); /* 16, but network, broadcast and gateway */
	/* what one gives back the other gets */
	OK(host_addr_put(&h[1], S, &b));
	assert_true(TEST_WITHIN_S(
		30, host_addr_get(&h[0], S, NULL, IPAM_ENDPOINT, &a) == 0));
	assert_true(ip_equal(&a, &b));
	host_close(&h[0]);
	host_close(&h[1]);
}

static void an_unused_block_goes_back_but_one(void **state)
{
	struct host a;
	struct ip_addr x[70];

	UP();
	host_open(&a, "a");
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	for (int i = 0; i < 70; i++)
		OK(host_addr_get(&a, P, NULL, IPAM_ENDPOINT, &x[i]));
	assert_int_equal(keys_of("block/"), 2);
	for (int i = 0; i < 70; i++)
		OK(host_addr_put(&a, P, &x[i]));
	assert_true(TEST_WITHIN_S(30, keys_of("block/") == 1));
	host_close(&a);
	host_open(&a, "a");
	OK(host_addr_get(&a, P, NULL, IPAM_ENDPOINT, NULL));
	assert_int_equal(keys_of("block/"), 1);
	host_close(&a);
}

/* Joins another pool and has left it: what it had to settle is settled. */
static void settles(struct host *h)
{
	OK(host_pool_get(h, "10.2.0.0/16", NULL, NULL));
	OK(host_pool_put(h, "berth-global/10.2.0.0/16"));
	assert_true(TEST_WITHIN_S(30, keys_of("pool4/") == 1));
}

/* Its containers may run: another host would hand out their addresses. */
static void a_damaged_pool_keeps_its_blocks(void **state)
{
	struct host a;

	UP();
	host_open(&a, "a");
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	take_n(&a, P, 70);
	assert_int_equal(keys_of("block/"), 2);
	assert_int_equal(store_put(a.d.state, POOL_KIND, P, "", "?", NULL), 0);
	host_close(&a);
	host_open(&a, "a");
	for (int i = 0; i < 3; i++)
		settles(&a);
	assert_int_equal(keys_of("block/"), 2);
	assert_int_equal(host_pool_get(&a, "10.1.0.0/16", NULL, NULL), -EEXIST);
	assert_true(says_error("is damaged"));
	OK(host_pool_put(&a, P));
	assert_true(TEST_WITHIN_S(30, keys_of("") == 0));
	host_close(&a);
}

static void a_host_that_is_gone_for_ever(void **state)
{
	struct host a, c;
	struct ip_addr x;
	int lines = 0;

	UP();
	host_open(&a, "a");
	host_open(&c, "c");
	OK(host_pool_get(&c, "10.1.0.0/28", NULL, NULL));
	OK(host_pool_get(&a, "10.1.0.0/28", NULL, NULL));
	for (int i = 0; i < 13; i++)
		OK(host_addr_get(&c, S, NULL, IPAM_ENDPOINT, NULL));
	OK(host_addr_get(&a, S, NULL, IPAM_ENDPOINT, NULL));
	assert_int_equal(host_addr_get(&a, S, NULL, IPAM_ENDPOINT, NULL),
			 -ENOSPC);
	host_close(&c);
	assert_int_equal(
		ipam_forget_node(a.core, "a", false, count_line, &lines, NULL),
		-EINVAL);
	assert_int_equal(
		ipam_forget_node(a.core, "c", true, count_line, &lines, NULL),
		1);
	assert_int_equal(lines, 1);
	assert_int_equal(keys_of("member/"), 2);
	assert_int_equal(
		ipam_forget_node(a.core, "c", false, count_line, &lines, NULL),
		1);
	assert_int_equal(keys_of("member/"), 1);
	assert_int_equal(keys_of("block/"), 1);
	OK(host_addr_get(&a, S, NULL, IPAM_ENDPOINT, &x));
	/* It was not: what is free is its own again, of the other it is told. */
	host_open(&c, "c");
	assert_true(TEST_WITHIN_S(30, keys_of("block/") == 14));
	assert_true(TEST_WITHIN_S(30, says(&c, "is host a's by now")));
	assert_true(says(&c, "start them anew"));
	assert_false(says(&a, "by now"));
	host_close(&a);
	host_close(&c);
}

static void two_machines_of_one_name(void **state)
{
	struct host a, twin;

	UP();
	host_open(&a, "a");
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	assert_int_equal(host_begin(&twin, "a", "other"), 0);
	assert_int_equal(host_pool_get(&twin, "10.1.0.0/16", NULL, NULL),
			 -EEXIST);
	assert_true(says_error("--node"));
	host_close(&twin);
	host_close(&a);
	assert_int_equal(keys_of("member/"), 1);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct ipam_pool_req q = { .space = IPAM_SPACE_LOCAL, .cluster = true };
	struct ip_prefix p;
	struct ip_addr g;
	char id[IPAM_ID_MAX];
	struct err err = { 0 };
	struct host a;
	uint64_t seq;

	UP();
	host_open(&a, "a");
	assert_int_equal(ipam_pool_request(a.core, &q, id, &p, &g, &seq, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "--subnet"));
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	assert_int_equal(ip_prefix_parse("10.1.0.0/16", &q.pool, NULL), 0);
	q.cluster = false;
	q.space = IPAM_SPACE_GLOBAL;
	assert_int_equal(ipam_pool_request(a.core, &q, id, &p, &g, &seq, &err),
			 -EEXIST);
	assert_non_null(strstr(err.msg, "berth.cluster"));
	host_close(&a);
}

/* ---- a death at each step --------------------------------------------------------------- */

#define D "berth-global/10.1.0.0/26"

/* Once more where it failed, and while etcd is slow. */
#define AGAIN(call)                                            \
	({                                                     \
		int r_ = (call);                               \
                                                               \
		if (r_ < 0)                                    \
			r_ = (call);                           \
		for (int n_ = 0; busy(r_) && n_ < 100; n_++) { \
			poll(NULL, 0, 100);                    \
			r_ = (call);                           \
		}                                              \
		r_;                                            \
	})

/* Has this process passed the failpoint @name? */
static bool passed(const char *name)
{
	FILE *f = fopen(getenv("BERTH_FP_LOG"), "re");
	char line[80];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strncmp(line, name, strlen(name)) == 0 &&
			line[strlen(name)] == '\n';
	if (f)
		fclose(f);
	return found;
}

/* A host's life as another process: "life" CLUSTER DIR PORT; what fails is asked once
 * more, as by Docker.  It ends with what it has, or without anything. */
static int life(char **argv)
{
	struct ip_addr got[8];
	struct host a;
	int r;

	snprintf(blocks_box.cluster, sizeof(blocks_box.cluster), "%s", argv[0]);
	snprintf(blocks_box.dir, sizeof(blocks_box.dir), "%s", argv[1]);
	blocks_box.one =
		(struct etcd_servers){ .n = 1,
				       .port = (unsigned int)atoi(argv[2]) };
	if (host_begin(&a, "a", "m") < 0)
		return 2;
	r = AGAIN(host_pool_get(&a, "10.1.0.0/26", NULL, NULL));
	if (r == 0)
		(void)AGAIN(
			host_addr_get(&a, D, "10.1.0.1", IPAM_GATEWAY, NULL));
	for (int i = 0; r == 0 && i < 6; i++)
		r = AGAIN(host_addr_get(&a, D, NULL, IPAM_ENDPOINT, &got[i]));
	(void)AGAIN(host_addr_get(&a, D, "10.1.0.50", IPAM_ENDPOINT, &got[6]));
	for (int i = 2; r == 0 && i < 7; i++)
		r = host_addr_put(&a, D, &got[i]);
	if (r == 0 && !TEST_WITHIN_S(60, passed("blocks.given")))
		r = 1; /* the rest of its blocks go back */
	if (r == 0 && getenv("LEAVE")) {
		r = host_pool_put(&a, D);
		if (r == 0 && !TEST_WITHIN_S(60, passed("blocks.left")))
			r = 1;
	}
	host_close(&a);
	return r != 0;
}

static int life_of(const char *plan)
{
	char port[8], log[128];
	int status = -1;
	pid_t pid;

	snprintf(port, sizeof(port), "%u", blocks_box.one.port);
	snprintf(log, sizeof(log), "%s/passed", blocks_box.dir);
	unlink(log);
	pid = fork();
	if (pid == 0) {
		setenv("BERTH_FP", plan, 1);
		setenv("BERTH_FP_LOG", log, 1);
		if (strstr(plan, "leave") || strstr(plan, "left"))
			setenv("LEAVE", "1", 1);
		execl("/proc/self/exe", "test", "life", blocks_box.cluster,
		      blocks_box.dir, port, NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static const struct step_row {
	const char *name, *plan;
	int end; /* of the life */
} step_rows[] = {
	{ "killed before it joins", "blocks.join:kill", -SIGKILL },
	{ "killed when it has joined", "blocks.joined:kill", -SIGKILL },
	{ "killed before a block", "blocks.take:kill", -SIGKILL },
	{ "killed with a block", "blocks.taken:kill", -SIGKILL },
	{ "killed with a second block", "blocks.taken:kill:nth=2", -SIGKILL },
	{ "killed before a claim", "blocks.claim:kill:nth=2", -SIGKILL },
	{ "killed with the gateway", "blocks.claimed:kill:nth=1", -SIGKILL },
	{ "killed with a claim", "blocks.claimed:kill:nth=2", -SIGKILL },
	{ "killed before it unclaims", "blocks.unclaim:kill", -SIGKILL },
	{ "killed before it gives", "blocks.give:kill", -SIGKILL },
	{ "killed when it has given", "blocks.given:kill", -SIGKILL },
	{ "killed before it leaves", "blocks.leave:kill", -SIGKILL },
	{ "killed when it has left", "blocks.left:kill", -SIGKILL },
	{ "joining fails", "blocks.join:err=EIO:nth=1", 0 },
	{ "a block fails", "blocks.take:err=EIO:nth=2", 0 },
	{ "a block's record fails", "blocks.taken:err=EIO:nth=2", 0 },
	{ "a claim's record fails", "blocks.claimed:err=EIO:nth=2", 0 },
	{ "unclaiming fails", "blocks.unclaim:err=EIO:nth=1", 0 },
	{ "giving fails", "blocks.give:err=EIO:nth=1", 0 },
	{ "leaving fails", "blocks.leave:err=EIO:nth=1", 0 },
};

/* Whatever a life left: no address is twice, and with its pool all goes. */
static void step_row(void **state)
{
	const struct step_row *row = *state;
	struct host a, b;
	struct ip_addr x;

	UP();
	host_open(&b, "b");
	OK(host_pool_get(&b, "10.1.0.0/26", NULL, NULL));
	/* as its network does; its first block would soon have the address */
	OK(AGAIN(host_addr_get(&b, D, "10.1.0.1", IPAM_GATEWAY, NULL)));
	assert_int_equal(life_of(row->plan), row->end);
	/* The other takes all it gets while this one is away. */
	while (AGAIN(host_addr_get(&b, D, NULL, IPAM_ENDPOINT, &x)) == 0)
		seen_add(&x);
	assert_true(says_error("full"));
	host_open(&a, "a");
	see_all(&a);
	while (AGAIN(host_addr_get(&a, D, NULL, IPAM_ENDPOINT, &x)) == 0)
		seen_add(&x);
	assert_false(says(&a, "by now"));
	assert_false(says(&b, "by now"));
	OK(host_pool_put(&a, D));
	OK(host_pool_put(&a, D));
	OK(host_pool_put(&b, D));
	assert_true(TEST_WITHIN_S(30, keys_of("") == 0));
	host_close(&a);
	host_close(&b);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest by_hand[] = {
		BY_HAND(hosts_share_one_pool),
		BY_HAND(all_at_once),
		BY_HAND(the_gateway_is_the_same),
		BY_HAND(pools_never_overlap),
		BY_HAND(a_certain_one_is_claimed),
		BY_HAND(without_etcd_it_goes_on_in_its_blocks),
		BY_HAND(a_small_pool_is_used_up),
		BY_HAND(an_unused_block_goes_back_but_one),
		BY_HAND(a_damaged_pool_keeps_its_blocks),
		BY_HAND(a_host_that_is_gone_for_ever),
		BY_HAND(two_machines_of_one_name),
		BY_HAND(what_makes_no_sense_is_refused),
	};
	struct CMUnitTest tests[ARRAY_SIZE(step_rows) + ARRAY_SIZE(by_hand)];
	size_t n = 0;

	if (argc == 5 && !strcmp(argv[1], "life"))
		return life(argv + 2);
	for (size_t i = 0; i < ARRAY_SIZE(by_hand); i++)
		tests[n++] = by_hand[i];
	n += TEST_ROWS(tests + n, step_rows, step_row);
	for (size_t i = 0; i < n; i++)
		tests[i].setup_func = blocks_test_up;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, blocks_up, blocks_down);
}
