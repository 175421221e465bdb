/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts that share pools, where something goes wrong between them and etcd. */
#include "ipam/test/blocks_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define P "berth-global/10.1.0.0/16"

/* ---- the clock on the wall ---------------------------------------------------- */

static long wall_ahead_s;

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	int r = __real_clock_gettime(clock, ts);

	if (clock == CLOCK_REALTIME)
		ts->tv_sec += wall_ahead_s;
	return r;
}

/* Threads in a wait of bounded time. */
static atomic_int waiting;

int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until);

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until)
{
	int r;

	waiting++;
	r = __real_pthread_cond_timedwait(cond, lock, until);
	waiting--;
	return r;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* It was an hour ahead, and is put right: nothing is put off for an hour. */
static void the_clock_is_set_back(void **state)
{
	struct host a, b;
	int lines = 0;

	UP();
	wall_ahead_s = 3600;
	host_open(&a, "a");
	wall_ahead_s = 0;
	host_open(&b, "b");
	wall_ahead_s = 3600;
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	OK(host_pool_get(&b, "10.1.0.0/16", NULL, NULL));
	assert_true(TEST_WITHIN_S(30, waiting == 2)); /* by that clock */
	wall_ahead_s = 0;
	assert_int_equal(
		ipam_forget_node(b.core, "a", false, count_line, &lines, NULL),
		1);
	assert_true(TEST_WITHIN_S(30, keys_of("member/") == 2));
	host_close(&a);
	host_close(&b);
}

/* ---- etcd is slow ------------------------------------------------------------- */

/* A member that takes connections, and nothing more.  Return: its socket. */
static int mute(char member[ETCD_MEMBER_LEN], unsigned int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*ret_port = ntohs(at.sin_port);
	snprintf(member, ETCD_MEMBER_LEN, "127.0.0.1:%u", *ret_port);
	return fd;
}

static void a_request_has_its_time(void **state)
{
	struct etcd_config *cfg;
	uint64_t start;
	struct host a;
	int fds[8];

	UP();
	host_config(&a, "a", "m");
	cfg = &a.config.cluster.at.etcd;
	cfg->member_count = ARRAY_SIZE(fds);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		unsigned int port;

		fds[i] = mute(cfg->member[i], &port);
	}
	cfg->timeout_ms = 10000;
	a.config.cluster.limit_ms = 800;
	assert_int_equal(host_start(&a), 0);
	start = now_ms();
	assert_int_not_equal(host_pool_get(&a, "10.1.0.0/16", NULL, NULL), 0);
	assert_true(says_error("etcd does not answer"));
	assert_true(now_ms() - start < 8000);
	host_close(&a);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* A member that keeps a request with certain words, until it is told to carry it out. */
static struct late {
	const char *word, *too;
	int fd;
	unsigned int port;
	bool armed;
	pthread_mutex_t lock;
	pthread_t thread;
	char held[8192];
	size_t len;
} late;

static int connect_to(unsigned int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Return: its length; 0: the other side is gone. */
static size_t read_request(int fd, char *buf, size_t size)
{
	size_t n = 0, want = size - 1;

	while (n < want) {
		ssize_t got = read(fd, buf + n, want - n);
		const char *body, *length;

		if (got <= 0)
			return 0;
		n += (size_t)got;
		buf[n] = '\0';
		body = strstr(buf, "\r\n\r\n");
		length = strcasestr(buf, "content-length:");
		if (body && length)
			want = (size_t)(body + 4 - buf) +
			       (size_t)atoi(length + 15);
	}
	return n;
}

static bool keep_it(const char *buf, size_t n)
{
	bool ret;

	pthread_mutex_lock(&late.lock);
	ret = late.armed && strstr(buf, late.word) && strstr(buf, late.too);
	if (ret) {
		memcpy(late.held, buf, n);
		late.len = n;
		late.armed = false;
	}
	pthread_mutex_unlock(&late.lock);
	return ret;
}

static void relay(int from, int to)
{
	struct pollfd p[] = { { .fd = from, .events = POLLIN },
			      { .fd = to, .events = POLLIN } };
	char buf[8192];
	size_t n;

	while (poll(p, 2, -1) > 0) {
		if (p[1].revents) {
			ssize_t got = read(to, buf, sizeof(buf));

			if (got <= 0 || write(from, buf, (size_t)got) != got)
				return;
		}
		if (!p[0].revents)
			continue;
		n = read_request(from, buf, sizeof(buf));
		if (!n)
			return;
		if (!keep_it(buf, n) && write(to, buf, n) != (ssize_t)n)
			return;
	}
}

static void *late_serve(void *arg)
{
	int from, to;

	(void)arg;
	while ((from = accept(late.fd, NULL, NULL)) >= 0) {
		to = connect_to(blocks_box.one.port);
		if (to >= 0) {
			relay(from, to);
			close(to);
		}
		close(from);
	}
	return NULL;
}

static void late_arm(const char *word, const char *too)
{
	pthread_mutex_lock(&late.lock);
	late.word = word;
	late.too = too;
	late.armed = true;
	pthread_mutex_unlock(&late.lock);
}

static bool late_keeps(void)
{
	bool ret;

	pthread_mutex_lock(&late.lock);
	ret = !late.armed;
	pthread_mutex_unlock(&late.lock);
	return ret;
}

/* The first of two ways to etcd that @h has. */
static void late_begin(struct host *h)
{
	struct etcd_config *cfg = &h->config.cluster.at.etcd;

	late = (struct late){ .fd = -1 };
	pthread_mutex_init(&late.lock, NULL);
	cfg->member_count = 2;
	memcpy(cfg->member[1], cfg->member[0], sizeof(cfg->member[0]));
	late.fd = mute(cfg->member[0], &late.port);
	assert_int_equal(pthread_create(&late.thread, NULL, late_serve, NULL),
			 0);
}

static void late_end(void)
{
	shutdown(late.fd, SHUT_RDWR);
	pthread_join(late.thread, NULL);
	close(late.fd);
	pthread_mutex_destroy(&late.lock);
}

/* What it kept reaches etcd now. */
static void late_send(void)
{
	int fd = connect_to(blocks_box.one.port);
	char answer[4096];

	pthread_mutex_lock(&late.lock);
	assert_true(late.len > 0);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, late.held, late.len), late.len);
	pthread_mutex_unlock(&late.lock);
	assert_true(read(fd, answer, sizeof(answer)) > 0);
	close(fd);
}

/* It gives a block back by a member that does not answer, then by the next; has it
 * again; and then the first member wakes up. */
static void a_member_that_is_late(void **state)
{
	struct ip_addr x[70];
	struct host a;

	UP();
	host_config(&a, "a", "m");
	late_begin(&a);
	assert_int_equal(host_start(&a), 0);
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	for (int i = 0; i < 70; i++)
		OK(host_addr_get(&a, P, NULL, IPAM_ENDPOINT, &x[i]));
	assert_int_equal(keys_of("block/"), 2);
	late_arm("request_delete_range", "");
	for (int i = 0; i < 70; i++)
		OK(host_addr_put(&a, P, &x[i]));
	assert_true(TEST_WITHIN_S(30, keys_of("block/") == 1));
	take_n(&a, P, 126);
	assert_int_equal(keys_of("block/"), 2);
	late_send();
	assert_int_equal(keys_of("block/"), 2);
	host_close(&a);
	late_end();
}

/* ---- etcd is away ------------------------------------------------------------- */

/* Until one of its threads has seen the signal the others go on, and answer. */
static void etcd_stops(void)
{
	pid_t pid = blocks_box.one.pid[0];
	int status = 0;

	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
}

/* Is there a request that it has not read? */
static bool etcd_is_asked(void)
{
	FILE *f = fopen("/proc/self/net/tcp", "re");
	unsigned int port, unread;
	char line[256];
	bool found = false;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		found |= sscanf(line, "%*u: %*x:%x %*x:%*x %*x %*x:%x", &port,
				&unread) == 2 &&
			 port == blocks_box.one.port && unread > 0;
	fclose(f);
	return found;
}

static void etcd_goes_on(void)
{
	kill(blocks_box.one.pid[0], SIGCONT);
}

/* Its container is restarted. */
static void a_claim_stays_while_etcd_is_away(void **state)
{
	struct ip_addr x;
	struct host a;
	int r;

	UP();
	host_open(&a, "a");
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	OK(host_addr_get(&a, P, "10.1.200.5", IPAM_ENDPOINT, &x));
	etcd_stops();
	OK(host_addr_put(&a, P, &x));
	/* it is to be given back */
	assert_true(TEST_WITHIN_S(30, etcd_is_asked()));
	r = host_addr_get(&a, P, "10.1.200.5", IPAM_ENDPOINT, NULL);
	etcd_goes_on();
	OK(r);
	assert_int_equal(keys_of("addr/"), 1);
	host_close(&a);
}

/* The last address of a block is the last bit of its record, too. */
static void what_is_claimed_is_on_record(void **state)
{
	struct ip_addr x;
	struct host a;
	int r;

	UP();
	host_open(&a, "a");
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	OK(host_addr_get(&a, P, "10.1.0.63", IPAM_GATEWAY, &x));
	seen_add(&x);
	take_n(&a, P, 1);
	etcd_stops();
	host_close(&a);
	host_open(&a, "a");
	take_n(&a, P, 61);
	r = host_addr_get(&a, P, NULL, IPAM_ENDPOINT, NULL);
	etcd_goes_on();
	assert_int_not_equal(r, 0);
	host_close(&a);
}

/* What is left behind of a network is not in the way of the next, whoever is first: the
 * thread that gives it back or the request. */
static void the_next_network_has_another_range(void **state)
{
	static const char *const ranges[] = { "10.1.4.0/24", "10.1.5.0/24" };
	char id[TEXT_MAX];
	struct host a;

	UP();
	host_open(&a, "a");
	for (int i = 0; i < 60; i++) {
		OK(host_pool_get(&a, "10.1.0.0/16", ranges[i % 2], id));
		OK(host_pool_put(&a, id));
	}
	assert_true(TEST_WITHIN_S(30, keys_of("") == 0));
	host_close(&a);
}

/* ---- a host that was given up ---------------------------------------------------- */

static void give_up(struct host *by, const char *node)
{
	int lines = 0;

	assert_int_equal(ipam_forget_node(by->core, node, false, count_line,
					  &lines, NULL),
			 1);
}

/* One of its addresses is another's by now, and its block is its own again. */
static void a_host_is_back_and_has_an_heir(void **state)
{
	struct host a, c;
	struct ip_addr x;
	char text[IP_STR_MAX];

	UP();
	host_open(&a, "a");
	host_open(&c, "c");
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	OK(host_pool_get(&c, "10.1.0.0/16", NULL, NULL));
	OK(host_addr_get(&c, P, NULL, IPAM_ENDPOINT, &x));
	ip_str(&x, text);
	host_close(&c);
	give_up(&a, "c");
	OK(host_addr_get(&a, P, text, IPAM_ENDPOINT, NULL));
	seen_add(&x);
	host_open(&c, "c");
	assert_true(TEST_WITHIN_S(30, says(&c, "is host a's by now")));
	assert_false(says(&a, "by now"));
	OK(host_addr_put(&c, P, &x));
	assert_true(TEST_WITHIN_S(30, !says(&c, "by now")));
	take_n(&c, P, 80);
	assert_int_equal(keys_of("addr/"), 1);
	host_close(&a);
	host_close(&c);
}

/* It was not gone, and asks for more: it need not wait for its next look. */
static void a_host_that_was_not_gone_joins_at_once(void **state)
{
	struct host a, c;
	struct ip_addr x;

	UP();
	host_open(&a, "a");
	host_config(&c, "c", "m");
	c.config.cluster.relist_ms = 60000;
	assert_int_equal(host_start(&c), 0);
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	OK(host_pool_get(&c, "10.1.0.0/16", NULL, NULL));
	take_n(&c, P, 62);
	give_up(&a, "c");
	while (host_addr_get(&c, P, NULL, IPAM_ENDPOINT, &x) == 0)
		seen_add(&x);
	assert_true(says_error("was removed from pool"));
	assert_true(TEST_WITHIN_S(
		30, host_addr_get(&c, P, NULL, IPAM_ENDPOINT, &x) == 0));
	seen_add(&x);
	assert_int_equal(keys_of("member/"), 2);
	host_close(&a);
	host_close(&c);
}

/* It takes its block again, and another host is faster. */
static void its_block_went_to_another_meanwhile(void **state)
{
	struct host a, c;

	UP();
	host_config(&a, "a", "m");
	a.config.cluster.relist_ms = 60000;
	late_begin(&a);
	assert_int_equal(host_start(&a), 0);
	host_open(&c, "c");
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	OK(host_addr_get(&a, P, NULL, IPAM_ENDPOINT, NULL));
	OK(host_pool_get(&c, "10.1.0.0/16", NULL, NULL));
	take_n(&c, P, 64);
	late_arm("request_put", "request_range"); /* a block */
	give_up(&c, "a");
	assert_int_not_equal(
		host_addr_get(&a, P, "10.1.200.5", IPAM_ENDPOINT, NULL), 0);
	assert_true(TEST_WITHIN_S(30, late_keeps()));
	take_n(&c, P, 1); /* of the lowest one that is free: that of a */
	assert_true(TEST_WITHIN_S(30, says(&a, "by now")));
	take_n(&a, P, 2);
	take_n(&c, P, 62);
	assert_true(TEST_WITHIN_S(30, says(&a, "is host c's by now")));
	host_close(&a);
	host_close(&c);
	late_end();
}

/* ---- who else has a part of it ------------------------------------------------------ */

static void one_pool_is_shared_or_not(void **state)
{
	struct ipam_pool_req q = { .space = IPAM_SPACE_GLOBAL };
	char id[IPAM_ID_MAX];
	struct err err = { 0 };
	struct ip_prefix p;
	struct ip_addr g;
	struct host a;
	uint64_t seq;

	UP();
	host_open(&a, "a");
	OK(host_pool_get(&a, "10.1.0.0/16", NULL, NULL));
	assert_int_equal(ip_prefix_parse("10.1.0.0/16", &q.pool, NULL), 0);
	assert_int_equal(ip_prefix_parse("10.1.4.0/24", &q.sub, NULL), 0);
	assert_int_equal(ipam_pool_request(a.core, &q, id, &p, &g, &seq, &err),
			 -EEXIST);
	assert_non_null(strstr(err.msg, "berth.cluster"));
	host_close(&a);
}

#define S "berth-global/10.1.0.0/29"

static void three_hosts_of_a_very_small_pool(void **state)
{
	struct host h[3];
	struct ip_addr x;
	unsigned int n = 0, fails = 0;

	UP();
	for (int i = 0; i < 3; i++) {
		host_open(&h[i], (const char *[]){ "a", "b", "c" }[i]);
		OK(host_pool_get(&h[i], "10.1.0.0/29", NULL, NULL));
		OK(host_addr_get(&h[i], S, "10.1.0.1", IPAM_GATEWAY, &x));
	}
	seen_add(&x);
	while (fails < 3) {
		int r = host_addr_get(&h[n % 3], S, NULL, IPAM_ENDPOINT, &x);

		n++;
		fails = r < 0 ? fails + 1 : 0;
		if (r == 0)
			seen_add(&x);
	}
	assert_true(says_error("full"));
	assert_int_equal(seen->n, 6);
	/* who has it is known: no wait, and no other host's */
	assert_int_equal(
		host_addr_get(&h[0], S, "10.1.0.1", IPAM_ENDPOINT, NULL),
		-EADDRINUSE);
	for (int i = 0; i < 3; i++)
		OK(host_pool_put(&h[i], S));
	assert_true(TEST_WITHIN_S(30, keys_of("") == 0));
	for (int i = 0; i < 3; i++)
		host_close(&h[i]);
}

static int test_up(void **state)
{
	wall_ahead_s = 0;
	return blocks_test_up(state);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		BY_HAND(the_clock_is_set_back),
		BY_HAND(a_request_has_its_time),
		BY_HAND(a_member_that_is_late),
		BY_HAND(a_claim_stays_while_etcd_is_away),
		BY_HAND(what_is_claimed_is_on_record),
		BY_HAND(the_next_network_has_another_range),
		BY_HAND(a_host_is_back_and_has_an_heir),
		BY_HAND(a_host_that_was_not_gone_joins_at_once),
		BY_HAND(its_block_went_to_another_meanwhile),
		BY_HAND(one_pool_is_shared_or_not),
		BY_HAND(three_hosts_of_a_very_small_pool),
	};

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tests[i].setup_func = test_up;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, blocks_up, blocks_down);
}
