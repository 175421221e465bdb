// SPDX-License-Identifier: GPL-2.0-or-later
/* What the tests of the cluster share. */
#include "netplugins/overlay/cluster_test.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define SOON_MS 30000 /* on a machine that has much else to do */

struct cluster_box *box(void)
{
	static struct cluster_box b;

	return &b;
}

struct ip_prefix box_pool(const char *s)
{
	struct ip_prefix p = { 0 };

	if (*s)
		assert_int_equal(ip_prefix_parse(s, &p, NULL), 0);
	return p;
}

struct ip_addr box_addr(const char *s)
{
	struct ip_addr a = { 0 };

	if (*s)
		assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

struct ov_network box_network(const char *id, const char *name,
			      const char *pool4)
{
	struct ov_network n = { .pool4 = box_pool(pool4) };

	snprintf(n.id, sizeof(n.id), "%s", id);
	snprintf(n.name, sizeof(n.name), "%s", name);
	return n;
}

struct ov_endpoint box_endpoint(const char *id, const char *a4)
{
	struct ov_endpoint e = { .addr4 = box_addr(a4) };

	snprintf(e.id, sizeof(e.id), "%s", id);
	e.mac = mac_from_ip(&e.addr4);
	return e;
}

struct ov_dir *box_host_at(const struct etcd_servers *s, const char *node,
			   const char *machine, const char *vtep)
{
	struct cluster_config cfg = {
		.at.name = box()->cluster,
		.at.node = node,
		.at.machine = machine,
		.vtep = box_addr(vtep),
		.lease_s = box()->lease_s,
		.linger_s = box()->linger_s,
		.relist_s = box()->relist_s,
		.grace_s = 2,
		.at.etcd.timeout_ms = box()->timeout_ms,
	};
	struct err err = { 0 };
	struct ov_dir *d = NULL;

	etcd_servers_config(s, &cfg.at.etcd);
	if (cluster_open(&cfg, &d, &err) < 0)
		fail_msg("%s", err.msg);
	return d;
}

struct ov_dir *box_host(const char *node, const char *vtep)
{
	return box_host_at(&box()->one, node, node, vtep);
}

void box_host_close(struct ov_dir *d)
{
	d->ops->close(d);
}

uint32_t box_joined(struct ov_dir *d, struct ov_network net)
{
	struct err err = { 0 };

	if (d->ops->join(d, &net, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(net.vni > 0 && net.vni <= OV_VNI_MAX);
	return net.vni;
}

void box_has_put(struct ov_dir *d, const char *net, struct ov_endpoint ep)
{
	struct err err = { 0 };

	if (d->ops->put(d, net, &ep, false, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(err.msg, "");
}

bool box_view_is(struct ov_dir *d, const char *net, const struct box_want *w)
{
	struct ov_view v = { 0 };
	struct ip_addr vtep = box_addr(w->vtep ? w->vtep : "");
	bool ok;

	assert_int_equal(d->ops->view(d, net, &v, NULL), 0);
	assert_false(v.learn);
	ok = v.host_count == w->hosts && v.endpoint_count == w->endpoints &&
	     v.fenced_count == w->fenced && v.stale == w->stale;
	if (ok && w->vtep)
		ok = ip_equal(&vtep, v.endpoint_count ? &v.endpoints[0].vtep
						      : &v.hosts[0].vtep);
	ov_view_free(&v);
	return ok;
}

static void ignore(void *ctx, const char *net_id)
{
	(void)ctx;
	(void)net_id;
}

void box_view_gets(struct ov_dir *d, const char *net, struct box_want w)
{
	struct pollfd p = { .fd = d->ops->fd(d), .events = POLLIN };
	struct timespec start;
	struct ov_view v = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!box_view_is(d, net, &w)) {
		if (test_ms_since(&start) > SOON_MS) {
			assert_int_equal(d->ops->view(d, net, &v, NULL), 0);
			fail_msg("%zu hosts, %zu endpoints, %zu fenced, %s",
				 v.host_count, v.endpoint_count, v.fenced_count,
				 v.stale ? "stale" : "not stale");
		}
		/* Staleness comes with time alone. */
		poll(&p, 1, w.stale ? 50 : 500);
		d->ops->changed(d, ignore, NULL);
	}
}

struct said {
	char text[4096];
};

static void say(void *ctx, const char *line)
{
	struct said *s = ctx;

	strncat(s->text, line, sizeof(s->text) - strlen(s->text) - 1);
}

bool box_says(struct ov_dir *d, const char *what)
{
	struct said s = { "" };

	d->ops->check(d, say, &s);
	return strstr(s.text, what) != NULL;
}

void box_comes_to_say(struct ov_dir *d, const char *what)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!box_says(d, what)) {
		if (test_ms_since(&start) > SOON_MS)
			fail_msg("never said \"%s\"", what);
		poll(NULL, 0, 20);
	}
}

size_t box_keys(const char *below)
{
	char key[128], end[128];
	struct etcd_range q = { .key = key, .end = end, .count_only = true };
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;

	snprintf(key, sizeof(key), "/berth/%s/%s", box()->cluster, below);
	etcd_prefix_end(key, end);
	assert_int_equal(etcd_range(box()->raw, &q, &kvs, &head, NULL), 0);
	etcd_kvs_clear(&kvs);
	return kvs.total;
}

void box_keys_get(const char *below, size_t n)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (box_keys(below) != n) {
		if (test_ms_since(&start) > SOON_MS)
			fail_msg("%zu keys below %s, not %zu", box_keys(below),
				 below, n);
		poll(NULL, 0, 20);
	}
}

/* @value: NULL: remove it. */
static void raw(const char *below, const char *value, uint64_t lease)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	char key[256];

	snprintf(key, sizeof(key), "/berth/%s/%s", box()->cluster, below);
	if (value)
		etcd_txn_put(t, key, value, lease);
	else
		etcd_txn_del(t, key, NULL);
	assert_int_equal(etcd_txn_run(box()->raw, t, true, &res, NULL), 0);
	etcd_result_clear(&res);
}

void box_raw_put(const char *below, const char *value)
{
	raw(below, value, 0);
}

void box_raw_put_by(const char *below, const char *value, uint64_t lease)
{
	raw(below, value, lease);
}

void box_raw_del(const char *below)
{
	raw(below, NULL, 0);
}

uint64_t box_lease_at(const char *below)
{
	char key[256];
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;
	uint64_t lease;

	snprintf(key, sizeof(key), "/berth/%s/%s", box()->cluster, below);
	assert_int_equal(etcd_range(box()->raw,
				    &(struct etcd_range){ .key = key }, &kvs,
				    &head, NULL),
			 0);
	lease = kvs.count ? kvs.v[0].lease : 0;
	etcd_kvs_clear(&kvs);
	return lease;
}

uint64_t box_lease_of(const char *node)
{
	char below[64];

	snprintf(below, sizeof(below), "node/%s/host", node);
	return box_lease_at(below);
}

void box_leases_get(const char *below, const char *node)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!box_lease_at(below) ||
	       box_lease_at(below) != box_lease_of(node)) {
		if (test_ms_since(&start) > SOON_MS)
			fail_msg("%s is not by the lease of %s", below, node);
		poll(NULL, 0, 20);
	}
}

int box_test_up(void **state)
{
	static unsigned int n;

	(void)state;
	snprintf(box()->cluster, sizeof(box()->cluster), "c%u", n++);
	box()->relist_s = 1;
	box()->lease_s = 2;
	box()->linger_s = 2;
	box()->timeout_ms = 1000;
	return 0;
}

int box_up(void **state)
{
	struct etcd_config cfg = { 0 };

	(void)state;
	box()->ok = etcd_test_begin();
	if (!box()->ok)
		return 0;
	etcd_servers_start(&box()->one, 1, "http", NULL);
	etcd_servers_config(&box()->one, &cfg);
	etcd_servers_ready(&cfg);
	return etcd_open(&cfg, &box()->raw, NULL);
}

int box_down(void **state)
{
	(void)state;
	etcd_close(box()->raw);
	if (box()->ok)
		etcd_servers_stop(&box()->one);
	return 0;
}

void box_etcd_stop(void)
{
	int status = 0;

	kill(box()->one.pid[0], SIGSTOP);
	assert_int_equal(waitpid(box()->one.pid[0], &status, WUNTRACED),
			 box()->one.pid[0]);
	assert_true(WIFSTOPPED(status));
}
