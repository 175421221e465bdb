// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cluster-scale: plays the hosts of a cluster against a real etcd: each is a directory
 * of netplugins/overlay (the code that berth-overlay runs, its thread, its
 * connections), without kernel objects.
 *
 * cluster-scale play STORE CLUSTER HOSTS ENDPOINTS NETWORKS
 *     host I is in network I % NETWORKS.  Commands are read from standard input, a
 *     line each, and answered by a line of KEY=VALUE when they are done:
 *     join      every host joins its network, and sees the others
 *     put       every host puts its ENDPOINTS, and sees all of its network
 *     change N  an endpoint goes, N times, and comes again; one at a time
 *     leave     every host leaves
 * cluster-scale follow STORE CLUSTER COUNT
 *     one host more, in network 0, until it sees COUNT endpoints: its memory
 *
 * Sixteen threads do the hosts' calls.  Times are in seconds, of calls in microseconds.
 * Exit status 1 when a host has not seen what is there.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "netplugins/overlay/cluster.h"

#define WORKERS   16
#define POOL_BITS 17 /* of an address in a network: a /15 of 10.0.0.0/8 */
#define NETS_MAX  128
#define SEE_S     600 /* who has not seen it by then does not */
#define TOLD_MS   20000
#define LOOK_MS   20 /* between two looks at a view */

struct play {
	struct etcd_config store;
	const char *cluster;
	unsigned int hosts, endpoints, nets;
	struct ov_dir **dirs;  /* owned */
	uint32_t *us;          /* owned; of each put */
	struct pollfd *fds;    /* owned; of one network's hosts */
	uint32_t *call, *told; /* owned; of each change */
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static double since_s(uint64_t us)
{
	return (double)(now_us() - us) / 1e6;
}

static unsigned long rss_kib(void)
{
	unsigned long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%lu %lu", &size, &pages) != 2)
		errx(1, "/proc/self/statm: %s", strerror(errno));
	fclose(f);
	return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* " NAME_p50=… NAME_p99=… NAME_max=…"; @us is sorted. */
static void tell_times(const char *name, uint32_t *us, size_t n)
{
	if (!n)
		return;
	qsort(us, n, sizeof(*us), by_value);
	printf(" %s_p50=%u %s_p99=%u %s_max=%u", name, us[n / 2], name,
	       us[n * 99 / 100], name, us[n - 1]);
}

static struct ip_addr addr_of(uint32_t n)
{
	struct ip_addr a;
	char text[16];

	snprintf(text, sizeof(text), "%u.%u.%u.%u", n >> 24, n >> 16 & 0xff,
		 n >> 8 & 0xff, n & 0xff);
	if (ip_parse(text, &a, NULL) < 0)
		errx(1, "%s: no address", text);
	return a;
}

/* ---- what there is ---- */

static unsigned int net_of(const struct play *p, unsigned int host)
{
	return host % p->nets;
}

static unsigned int hosts_in(const struct play *p, unsigned int net)
{
	return (p->hosts - net + p->nets - 1) / p->nets;
}

static struct ov_network network_of(unsigned int net)
{
	struct ov_network n = { 0 };

	snprintf(n.id, sizeof(n.id), "net%u", net);
	snprintf(n.name, sizeof(n.name), "net%u", net);
	n.pool4.addr = addr_of((10U << 24) + (net << POOL_BITS));
	n.pool4.len = 32 - POOL_BITS;
	return n;
}

/* Ids are as long as Docker's. */
static struct ov_endpoint endpoint_of(const struct play *p, unsigned int host,
				      unsigned int i)
{
	uint32_t n = host / p->nets * p->endpoints + i + 2;
	struct ov_endpoint ep = { 0 };

	snprintf(ep.id, sizeof(ep.id), "%016llx%048x",
		 (unsigned long long)mix(((uint64_t)host << 32) | i), i);
	ep.addr4 = addr_of((10U << 24) + (net_of(p, host) << POOL_BITS) + n);
	ep.mac = mac_from_ip(&ep.addr4);
	return ep;
}

static struct ov_dir *dir_open(const struct play *p, const char *node,
			       unsigned int n)
{
	struct cluster_config cfg = { .at.etcd = p->store,
				      .at.name = p->cluster,
				      .at.node = node,
				      .at.machine = node,
				      .vtep = addr_of((172U << 24) +
						      (16U << 16) + n + 1) };
	struct err err = { 0 };
	struct ov_dir *d;

	if (cluster_open(&cfg, &d, &err) < 0)
		errx(1, "%s: %s", node, err.msg);
	return d;
}

/* A new network waits for etcd, and so does its user. */
static void dir_join(struct ov_dir *d, unsigned int net)
{
	struct ov_network n = network_of(net);
	uint64_t begin = now_us();
	struct err err = { 0 };
	int r = d->ops->join(d, &n, &err);

	while ((r == -EAGAIN || r == -ETIMEDOUT) && since_s(begin) < SEE_S) {
		poll(NULL, 0, 200);
		r = d->ops->join(d, &n, &err);
	}
	if (r < 0)
		errx(1, "net%u: %s", net, err.msg);
}

/* ---- all hosts at once ---- */

struct worker {
	struct play *p;
	unsigned int first;
	void (*act)(struct play *p, unsigned int host);
	pthread_t thread;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned int h = w->first; h < w->p->hosts; h += WORKERS)
		w->act(w->p, h);
	return NULL;
}

static void each_host(struct play *p, void (*act)(struct play *, unsigned int))
{
	struct worker w[WORKERS];

	for (unsigned int i = 0; i < WORKERS; i++) {
		w[i] = (struct worker){ .p = p, .first = i, .act = act };
		if (pthread_create(&w[i].thread, NULL, work, &w[i]) != 0)
			errx(1, "no thread");
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		pthread_join(w[i].thread, NULL);
}

static void no_matter(void *ctx, const char *net_id)
{
	(void)ctx;
	(void)net_id;
}

/* Until @d sees so many of network @net. */
static void sees(struct ov_dir *d, unsigned int net, size_t hosts,
		 size_t endpoints)
{
	struct pollfd fd = { .fd = d->ops->fd(d), .events = POLLIN };
	struct ov_network n = network_of(net);
	uint64_t begin = now_us();
	struct ov_view v = { 0 };
	struct err err = { 0 };
	bool all = false;

	while (!all) {
		d->ops->changed(d, no_matter, NULL);
		if (d->ops->view(d, n.id, &v, &err) < 0)
			errx(1, "%s: %s", n.id, err.msg);
		all = v.host_count >= hosts && v.endpoint_count >= endpoints;
		if (!all && since_s(begin) > SEE_S)
			errx(1,
			     "%s: a host sees %zu of %zu hosts, %zu of %zu "
			     "endpoints",
			     n.id, v.host_count, hosts, v.endpoint_count,
			     endpoints);
		ov_view_free(&v);
		if (!all && poll(&fd, 1, 500) > 0)
			poll(NULL, 0, LOOK_MS);
	}
}

static void all_see(struct play *p, unsigned int endpoints)
{
	for (unsigned int h = 0; h < p->hosts; h++) {
		unsigned int net = net_of(p, h), n = hosts_in(p, net) - 1;

		sees(p->dirs[h], net, n, (size_t)n * endpoints);
	}
}

/* ---- the commands ---- */

static void host_join(struct play *p, unsigned int host)
{
	dir_join(p->dirs[host], net_of(p, host));
}

static void play_join(struct play *p)
{
	uint64_t begin = now_us();
	double joined;

	each_host(p, host_join);
	joined = since_s(begin);
	all_see(p, 0);
	printf("join joined=%.2f seen=%.2f", joined, since_s(begin));
}

static void host_put(struct play *p, unsigned int host)
{
	struct ov_network n = network_of(net_of(p, host));
	struct ov_dir *d = p->dirs[host];
	struct err err = { 0 };

	for (unsigned int i = 0; i < p->endpoints; i++) {
		struct ov_endpoint ep = endpoint_of(p, host, i);
		uint64_t begin = now_us();

		if (d->ops->put(d, n.id, &ep, false, &err) < 0)
			errx(1, "host %u: %s", host, err.msg);
		p->us[(size_t)host * p->endpoints + i] =
			(uint32_t)(now_us() - begin);
	}
}

static void play_put(struct play *p)
{
	size_t n = (size_t)p->hosts * p->endpoints;
	uint64_t begin = now_us();
	double put;

	each_host(p, host_put);
	put = since_s(begin);
	all_see(p, p->endpoints);
	printf("put endpoints=%zu put=%.2f seen=%.2f rate=%.0f", n, put,
	       since_s(begin), (double)n / since_s(begin));
	tell_times("call", p->us, n);
}

/* The hosts that are to be told of what @host does; they have no word waiting. */
static nfds_t listeners(struct play *p, unsigned int host)
{
	nfds_t n = 0;

	for (unsigned int h = net_of(p, host); h < p->hosts; h += p->nets) {
		struct ov_dir *d = p->dirs[h];

		if (h == host)
			continue;
		d->ops->changed(d, no_matter, NULL);
		p->fds[n++] = (struct pollfd){ .fd = d->ops->fd(d),
					       .events = POLLIN };
	}
	return n;
}

/* Until each of them was told.  Return: microseconds since @begin. */
static uint32_t all_told(struct play *p, nfds_t n, uint64_t begin)
{
	while (n) {
		nfds_t left = 0;

		if (poll(p->fds, n, TOLD_MS) <= 0)
			errx(1, "%lu hosts were not told of a change in %d s",
			     (unsigned long)n, TOLD_MS / 1000);
		for (nfds_t i = 0; i < n; i++)
			if (!(p->fds[i].revents & POLLIN))
				p->fds[left++] = p->fds[i];
		n = left;
	}
	return (uint32_t)(now_us() - begin);
}

static void play_change(struct play *p, unsigned int count)
{
	uint64_t start = now_us();
	struct err err = { 0 };

	free(p->call);
	free(p->told);
	p->call = calloc(2 * (size_t)count + 1, sizeof(*p->call));
	p->told = calloc(2 * (size_t)count + 1, sizeof(*p->told));
	if (!p->call || !p->told)
		errx(1, "out of memory");
	for (unsigned int i = 0; i < 2 * count; i++) {
		unsigned int h = (unsigned int)(mix(i / 2) % p->hosts);
		struct ov_endpoint ep = endpoint_of(p, h, 0);
		struct ov_network net = network_of(net_of(p, h));
		struct ov_dir *d = p->dirs[h];
		nfds_t n = listeners(p, h);
		uint64_t begin = now_us();
		int r = i % 2 ? d->ops->put(d, net.id, &ep, false, &err)
			      : d->ops->del(d, net.id, ep.id, &err);

		if (r < 0)
			errx(1, "host %u: %s", h, err.msg);
		p->call[i] = (uint32_t)(now_us() - begin);
		p->told[i] = all_told(p, n, begin);
	}
	printf("change changes=%u s=%.2f", 2 * count, since_s(start));
	tell_times("call", p->call, (size_t)2 * count);
	tell_times("told", p->told, (size_t)2 * count);
	all_see(p, p->endpoints);
}

static void host_leave(struct play *p, unsigned int host)
{
	struct ov_network n = network_of(net_of(p, host));
	struct ov_dir *d = p->dirs[host];

	d->ops->leave(d, n.id, NULL);
}

static void play_leave(struct play *p)
{
	uint64_t begin = now_us();

	each_host(p, host_leave);
	printf("leave left=%.2f", since_s(begin));
}

static void play_line(struct play *p, const char *line)
{
	unsigned int n;

	if (!strcmp(line, "join\n"))
		play_join(p);
	else if (!strcmp(line, "put\n"))
		play_put(p);
	else if (sscanf(line, "change %u\n", &n) == 1)
		play_change(p, n);
	else if (!strcmp(line, "leave\n"))
		play_leave(p);
	else
		errx(1, "no command: %s", line);
	printf(" rss_kib=%lu\n", rss_kib());
	fflush(stdout);
}

static void play_close(struct play *p)
{
	for (unsigned int h = 0; h < p->hosts; h++)
		p->dirs[h]->ops->close(p->dirs[h]);
	free(p->dirs);
	free(p->us);
	free(p->fds);
	free(p->call);
	free(p->told);
}

static void play_run(struct play *p)
{
	char node[16], line[64];

	p->dirs = calloc(p->hosts, sizeof(struct ov_dir *));
	p->us = calloc((size_t)p->hosts * p->endpoints + 1, sizeof(*p->us));
	p->fds = calloc(p->hosts, sizeof(*p->fds));
	if (!p->dirs || !p->us || !p->fds)
		errx(1, "out of memory");
	for (unsigned int h = 0; h < p->hosts; h++) {
		snprintf(node, sizeof(node), "host-%04u", h);
		p->dirs[h] = dir_open(p, node, h);
	}
	while (fgets(line, sizeof(line), stdin))
		play_line(p, line);
	play_close(p);
}

static void follow_run(const struct play *p, unsigned int count)
{
	unsigned long before = rss_kib(), after;
	struct ov_network n = network_of(0);
	struct ov_dir *d = dir_open(p, "follower", 65535);
	uint64_t begin = now_us(), look;
	struct ov_view v = { 0 };
	struct err err = { 0 };
	double seen;

	dir_join(d, 0);
	sees(d, 0, 0, count);
	seen = since_s(begin);
	after = rss_kib();
	look = now_us();
	if (d->ops->view(d, n.id, &v, &err) < 0)
		errx(1, "%s", err.msg);
	printf("follow endpoints=%zu seen=%.2f before_kib=%lu after_kib=%lu "
	       "view_us=%lu\n",
	       v.endpoint_count, seen, before, after,
	       (unsigned long)(now_us() - look));
	ov_view_free(&v);
	d->ops->leave(d, n.id, NULL);
	d->ops->close(d);
}

/* ---- words ---- */

static unsigned int number(const char *s, unsigned int min, unsigned int max)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (*end || end == s || n < min || n > max)
		errx(1, "%s: not a number of %u..%u", s, min, max);
	return (unsigned int)n;
}

static void usage(void)
{
	fprintf(stderr,
		"usage: cluster-scale play STORE CLUSTER HOSTS ENDPOINTS "
		"NETWORKS\n"
		"       cluster-scale follow STORE CLUSTER COUNT\n");
	exit(2);
}

/* Ten descriptors a host. */
static void descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

int main(int argc, char **argv)
{
	struct play p = { 0 };
	struct err err = { 0 };
	bool play = argc == 7 && !strcmp(argv[1], "play");

	if (!play && !(argc == 5 && !strcmp(argv[1], "follow")))
		usage();
	if (etcd_config_members(&p.store, argv[2], &err) < 0)
		errx(1, "%s", err.msg);
	p.store.timeout_ms = 10000; /* all hosts share these processors */
	p.cluster = argv[3];
	descriptors();
	if (!play) {
		follow_run(&p, number(argv[4], 1, 1U << POOL_BITS));
		return 0;
	}
	p.hosts = number(argv[4], 2, 65000);
	p.endpoints = number(argv[5], 1, 65000);
	p.nets = number(argv[6], 1, NETS_MAX);
	if (p.hosts < 2 * p.nets ||
	    hosts_in(&p, 0) * p.endpoints + 2 >= 1U << POOL_BITS)
		errx(1, "a network has two hosts at least, and %u addresses",
		     (1U << POOL_BITS) - 2);
	play_run(&p);
	return 0;
}
