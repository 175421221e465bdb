// SPDX-License-Identifier: GPL-2.0-or-later
/* The directory in etcd when a host comes and goes, or moves, ten times a second (F079). */
#include "netplugins/overlay/cluster_test.h"

#include <poll.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "netplugins/overlay/cluster_priv.h"

#define FLAP_MS 4000
#define EACH_MS 100
/* What is undamped: one for each of two changes a turn. */
#define UNDAMPED (FLAP_MS / EACH_MS)

static uint64_t serial_of(struct ov_dir *d)
{
	struct ov_view v = { 0 };
	uint64_t serial;

	assert_int_equal(d->ops->view(d, "n1", &v, NULL), 0);
	serial = v.serial;
	ov_view_free(&v);
	return serial;
}

static bool has_endpoint(struct ov_dir *d, const char *id, const char *vtep)
{
	struct ip_addr at = box_addr(vtep);
	struct ov_view v = { 0 };
	bool has = false;

	assert_int_equal(d->ops->view(d, "n1", &v, NULL), 0);
	for (size_t i = 0; i < v.endpoint_count; i++)
		has |= strcmp(v.endpoints[i].id, id) == 0 &&
		       ip_equal(&v.endpoints[i].vtep, &at);
	ov_view_free(&v);
	return has;
}

static void wait_for_endpoint(struct ov_dir *d, const char *id,
			      const char *vtep, bool there)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (has_endpoint(d, id, vtep) != there) {
		assert_in_range(test_ms_since(&start), 0, 30000);
		poll(NULL, 0, 20);
	}
}

/* A host without a daemon: records alone. */
static void host_raw(const char *node, const char *vtep, const char *id,
		     unsigned int last)
{
	char key[64], text[160];

	snprintf(key, sizeof(key), "node/%s/host", node);
	snprintf(text, sizeof(text), "{\"node\":\"%s\",\"vtep\":\"%s\"}", node,
		 vtep);
	box_raw_put(key, text);
	snprintf(key, sizeof(key), "node/%s/ep/n.shop/%s", node, id);
	snprintf(text, sizeof(text),
		 "{\"node\":\"%s\",\"id\":\"%s\",\"mac\":\"02:42:0a:01:00:%"
		 "02x\","
		 "\"addr4\":\"10.1.0.%u\"}",
		 node, id, last, last);
	box_raw_put(key, text);
	snprintf(key, sizeof(key), "member/n.shop/%s", node);
	box_raw_put(key, "");
}

/* Who hears of it follows it a few times, and then now and then; in the end it is as it
 * is, and another host was never away. */
static void one_that_comes_and_goes_is_followed_slowly(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct timespec start;
	struct ov_dir *a;
	uint64_t before;
	bool there = true;

	BOX_OR_SKIP();
	box()->relist_s = 20; /* by the watch, but for what etcd forgets */
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	host_raw("calm", "192.0.2.8", "e8", 8);
	host_raw("flaps", "192.0.2.9", "e9", 9);
	box_view_gets(a, "n1", (struct box_want){ .hosts = 2, .endpoints = 2 });
	before = serial_of(a);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (test_ms_since(&start) < FLAP_MS) {
		there = !there;
		if (there)
			box_raw_put("member/n.shop/flaps", "");
		else
			box_raw_del("member/n.shop/flaps");
		assert_true(has_endpoint(a, "e8", "192.0.2.8"));
		poll(NULL, 0, EACH_MS);
	}
	/* four times gone and back, then one reading in two seconds */
	assert_in_range(serial_of(a) - before, 2, UNDAMPED / 2);
	if (there)
		box_raw_del("member/n.shop/flaps");
	wait_for_endpoint(a, "e9", "192.0.2.9", false);
	box_raw_put("member/n.shop/flaps", "");
	wait_for_endpoint(a, "e9", "192.0.2.9", true);
	/* More of them than are kept in mind: the last word of each is heard. */
	for (unsigned int i = 0; i < 4 * 40; i++) {
		char key[64];

		snprintf(key, sizeof(key), "member/n.shop/h%u", i % 40);
		box_raw_put(key, "");
		box_raw_del(key);
	}
	box_raw_del("member/n.shop/flaps");
	wait_for_endpoint(a, "e9", "192.0.2.9", false);
	box_view_gets(a, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	box_host_close(a);
}

/* So is one that says another address each time. */
static void one_that_moves_is_followed_slowly(void **state)
{
	static const char *const at[] = { "192.0.2.9", "192.0.2.10" };
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct timespec start;
	unsigned int i = 0;
	struct ov_dir *a;
	uint64_t before;

	BOX_OR_SKIP();
	box()->relist_s = 20;
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	host_raw("flaps", at[0], "e9", 9);
	box_view_gets(a, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	before = serial_of(a);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (test_ms_since(&start) < FLAP_MS) {
		host_raw("flaps", at[++i % 2], "e9", 9);
		poll(NULL, 0, EACH_MS);
	}
	assert_in_range(serial_of(a) - before, 2, UNDAMPED / 2);
	host_raw("flaps", "192.0.2.11", "e9", 9);
	wait_for_endpoint(a, "e9", "192.0.2.11", true);
	box_host_close(a);
}

static char *host_text(void)
{
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;
	char key[96], *text;

	snprintf(key, sizeof(key), "/berth/%s/node/a/host", box()->cluster);
	assert_int_equal(etcd_range(box()->raw,
				    &(struct etcd_range){ .key = key }, &kvs,
				    &head, NULL),
			 0);
	text = kvs.count ? strdup(kvs.v[0].value) : strdup("");
	etcd_kvs_clear(&kvs);
	assert_non_null(text);
	return text;
}

static bool is_told(const char *vtep)
{
	char *text = host_text();
	bool is = strstr(text, vtep) != NULL;

	free(text);
	return is;
}

/* And a host whose own address changes does not write to etcd each time, but the last. */
static void who_moves_tells_it_slowly(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	unsigned int told = 0, i = 0;
	struct timespec start;
	char vtep[32], *was, *now;
	struct ov_dir *a;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	was = host_text();
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (test_ms_since(&start) < FLAP_MS) {
		struct ip_addr ip;

		snprintf(vtep, sizeof(vtep), "192.0.2.%u", 100 + i++ % 100);
		ip = box_addr(vtep);
		assert_int_equal(cluster_host_set(a, &ip, NULL, NULL, NULL), 0);
		poll(NULL, 0, EACH_MS);
		now = host_text();
		told += strcmp(was, now) != 0;
		free(was);
		was = now;
	}
	free(was);
	assert_in_range(told, 2, UNDAMPED / 3);
	clock_gettime(CLOCK_MONOTONIC, &start);
	snprintf(vtep, sizeof(vtep), "192.0.2.%u", 100 + (i - 1) % 100);
	while (!is_told(vtep)) {
		assert_in_range(test_ms_since(&start), 0, 5000);
		poll(NULL, 0, 20);
	}
	box_host_close(a);
}

/* Its time came between two looks at the clock: it is due, and not at the next occasion. */
static void what_is_overdue_is_told(void **state)
{
	struct cluster *c = calloc(1, sizeof(*c));
	uint64_t now = clock_boot_ms();

	(void)state;
	assert_non_null(c);
	assert_int_equal(pthread_mutex_init(&c->lock, NULL), 0);
	for (unsigned int i = 0; i < 10; i++)
		cl_pace_note(&c->told_pace);
	c->told_pace.done_ms = now - 3000;
	assert_true(cl_host_next(c, 0) == UINT64_MAX);
	c->host_due = true;
	assert_true(cl_host_next(c, 0) <= now);
	/* there is no lease to be had before */
	assert_true(cl_host_next(c, now + 4000) == now + 4000);
	c->told_pace.done_ms = now;
	assert_in_range(cl_host_next(c, 0), now + 1, now + 3000);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* There is no place for one more: it is followed at once, and the others stay held. */
static void with_all_places_held_one_more_is_followed(void **state)
{
	struct cluster *c = calloc(1, sizeof(*c));
	uint64_t now = clock_boot_ms();
	char node[16];

	(void)state;
	assert_non_null(c);
	for (unsigned int i = 0; i <= CL_FLAPS; i++) {
		snprintf(node, sizeof(node), "h%u", i);
		assert_false(cl_flap_hold(c, "n", node));
		for (unsigned int k = 0; k < 10; k++)
			cl_flap_note(c, "n", node);
		cl_flap_hold(c, "n", node); /* followed now */
		assert_int_equal(cl_flap_hold(c, "n", node), i < CL_FLAPS);
	}
	assert_true(cl_flap_hold(c, "n", "h0"));
	assert_in_range(cl_flap_next(c), now + 1, now + 3000);
	free(c);
}

#define FLAP_TEST(f)                                                    \
	{                                                               \
		.name = #f, .test_func = (f), .setup_func = box_test_up \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FLAP_TEST(one_that_comes_and_goes_is_followed_slowly),
		FLAP_TEST(one_that_moves_is_followed_slowly),
		FLAP_TEST(who_moves_tells_it_slowly),
		cmocka_unit_test(what_is_overdue_is_told),
		cmocka_unit_test(with_all_places_held_one_more_is_followed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, box_up, box_down);
}
