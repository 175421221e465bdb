/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts that share pools by a real etcd. */
#include "ipam/test/blocks_test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct blocks_box blocks_box;

static const struct plugd_program prog = { .name = "berth-ipam" };
static char last_error[ERR_MSG_MAX];

void host_config(struct host *h, const char *node, const char *machine)
{
	*h = (struct host){ .d.prog = &prog, .node = node };
	etcd_servers_config(&blocks_box.one, &h->config.cluster.at.etcd);
	h->config.cluster.at.etcd.timeout_ms = 2000;
	h->config.cluster.at.name = blocks_box.cluster;
	h->config.cluster.at.node = node;
	h->config.cluster.at.machine = machine;
	h->config.cluster.relist_ms = 500;
	h->config.cluster.rest_ms = 200;
}

int host_start(struct host *h)
{
	struct err err = { 0 };
	char dir[128];
	int r;

	snprintf(dir, sizeof(dir), "%s/%s-%s-%s", blocks_box.dir,
		 blocks_box.cluster, h->node, h->config.cluster.at.machine);
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	r = store_open(dir, STORE_STATE, &h->d.state, &err);
	if (r == 0)
		r = store_open(dir, STORE_RUN, &h->d.run, &err);
	if (r == 0)
		r = ipam_core_open(&h->d, &h->config, &h->core, &err);
	if (r < 0)
		fprintf(stderr, "# %s\n", err.msg);
	return r;
}

int host_begin(struct host *h, const char *node, const char *machine)
{
	host_config(h, node, machine);
	return host_start(h);
}

void host_open(struct host *h, const char *node)
{
	assert_int_equal(host_begin(h, node, "m"), 0);
}

void host_close(struct host *h)
{
	ipam_core_close(h->core);
	store_close(h->d.run);
	store_close(h->d.state);
}

/* ---- requests ------------------------------------------------------------------ */

static int keep(int r, const struct err *err)
{
	snprintf(last_error, sizeof(last_error), "%s", err->msg);
	return r;
}

int host_pool_get(struct host *h, const char *pool, const char *sub,
		  char ret[TEXT_MAX])
{
	struct ipam_pool_req q = { .space = IPAM_SPACE_LOCAL, .cluster = true };
	char id[IPAM_ID_MAX] = "";
	struct ip_addr gateway;
	struct ip_prefix p;
	struct err err = { 0 };
	uint64_t seq = 0;
	int r;

	assert_int_equal(ip_prefix_parse(pool, &q.pool, NULL), 0);
	if (sub)
		assert_int_equal(ip_prefix_parse(sub, &q.sub, NULL), 0);
	q.v6 = strchr(pool, ':');
	r = ipam_pool_request(h->core, &q, id, &p, &gateway, &seq, &err);
	if (r == 0)
		ipam_core_delivered(h->core, seq);
	if (ret)
		snprintf(ret, TEXT_MAX, "%s", id);
	return keep(r, &err);
}

int host_pool_put(struct host *h, const char *id)
{
	struct err err = { 0 };
	uint64_t seq = 0;
	int r = ipam_pool_release(h->core, id, &seq, &err);

	if (r == 0)
		ipam_core_delivered(h->core, seq);
	return keep(r, &err);
}

int host_addr_get(struct host *h, const char *id, const char *addr,
		  enum ipam_use use, struct ip_addr *ret)
{
	static unsigned int mac;
	struct ipam_addr_req q = { .pool_id = id, .use = use };
	struct ip_prefix got = { 0 };
	struct err err = { 0 };
	uint64_t seq = 0;
	int r;

	if (addr)
		assert_int_equal(ip_parse(addr, &q.addr, NULL), 0);
	if (use == IPAM_ENDPOINT) {
		mac++;
		q.mac.bytes[0] = 2;
		q.mac.bytes[4] = (uint8_t)(mac >> 8);
		q.mac.bytes[5] = (uint8_t)mac;
	}
	r = ipam_addr_request(h->core, &q, &got, &seq, &err);
	if (r == 0)
		ipam_core_delivered(h->core, seq);
	if (ret)
		*ret = got.addr;
	return keep(r, &err);
}

int host_addr_put(struct host *h, const char *id, const struct ip_addr *a)
{
	struct err err = { 0 };
	uint64_t seq = 0;
	int r = ipam_addr_release(h->core, id, a, &seq, &err);

	if (r == 0)
		ipam_core_delivered(h->core, seq);
	return keep(r, &err);
}

const char *error_text(void)
{
	return last_error;
}

bool says_error(const char *what)
{
	if (!strstr(last_error, what))
		print_message("# \"%s\" without \"%s\"\n", last_error, what);
	return strstr(last_error, what);
}

/* ---- what there is ---------------------------------------------------------------- */

struct seen *seen;

void seen_add(const struct ip_addr *a)
{
	char text[IP_STR_MAX];

	for (size_t i = 0; i < seen->n; i++)
		if (ip_equal(&seen->v[i], a))
			fail_msg("%s twice", ip_str(a, text));
	assert_true(seen->n < SEEN_MAX);
	seen->v[seen->n++] = *a;
}

static int see_lease(void *ctx, const struct ipam_lease_info *l)
{
	(void)ctx;
	if (l->use == IPAM_ENDPOINT)
		seen_add(&l->addr.addr);
	return 0;
}

/* All that @h has handed out, with what was seen before. */
void see_all(struct host *h)
{
	assert_int_equal(ipam_leases_each(h->core, NULL, see_lease, NULL, NULL),
			 0);
}

void take_n(struct host *h, const char *id, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct ip_addr a;

		OK(host_addr_get(h, id, NULL, IPAM_ENDPOINT, &a));
		seen_add(&a);
	}
}

size_t keys_of(const char *below)
{
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;
	char key[160], end[160];
	size_t n;

	snprintf(key, sizeof(key), "/berth/%s/ipam/%s", blocks_box.cluster,
		 below);
	etcd_prefix_end(key, end);
	assert_int_equal(
		etcd_range(blocks_box.raw,
			   &(struct etcd_range){ .key = key, .end = end }, &kvs,
			   &head, NULL),
		0);
	n = kvs.count;
	etcd_kvs_clear(&kvs);
	return n;
}

static void find_line(void *ctx, const char *line)
{
	const char **what = ctx;

	if (*what && strstr(line, *what))
		*what = NULL;
}

bool says(struct host *h, const char *what)
{
	ipam_problems(h->core, find_line, &what);
	return !what;
}

void count_line(void *ctx, const char *line)
{
	(void)line;
	++*(int *)ctx;
}

/* ---- the frame ------------------------------------------------------------------- */

int blocks_test_up(void **state)
{
	(void)state;
	if (!blocks_box.ok)
		return 0;
	seen->n = 0;
	/* a test that failed while etcd was stopped is one, not all that follow */
	kill(blocks_box.one.pid[0], SIGCONT);
	snprintf(blocks_box.cluster, sizeof(blocks_box.cluster), "t%u",
		 blocks_box.n++);
	return 0;
}

int blocks_up(void **state)
{
	struct etcd_config cfg = { .timeout_ms = 2000 };

	(void)state;
	seen = calloc(1, sizeof(*seen));
	blocks_box.ok = seen && etcd_test_begin();
	if (!blocks_box.ok)
		return 0;
	snprintf(blocks_box.dir, sizeof(blocks_box.dir),
		 "%s/berth-test-blocks-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(blocks_box.dir))
		return -1;
	etcd_servers_start(&blocks_box.one, 1, "http", NULL);
	etcd_servers_config(&blocks_box.one, &cfg);
	etcd_servers_ready(&cfg);
	return etcd_open(&cfg, &blocks_box.raw, NULL);
}

int blocks_down(void **state)
{
	(void)state;
	free(seen);
	if (!blocks_box.ok)
		return 0;
	etcd_close(blocks_box.raw);
	etcd_servers_stop(&blocks_box.one);
	test_rmdir(blocks_box.dir);
	return 0;
}
