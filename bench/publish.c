// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * publish: what publishing costs at dataplane.h, after decoding: 1,000 single
 * ports by a call each and by one call, one range of 10,000, and the memory of
 * many.
 *
 * publish DATAPLANE BPF-DIR CGROUP [MEMORY-CGROUP]
 *
 * In the network namespace it is started in, with pins below BPF-DIR and socket
 * hooks at CGROUP ("-": the root).  MEMORY-CGROUP is the directory of one that it
 * is in alone; it counts the kernel's memory, too.  Prints "KEY=VALUE" lines:
 * milliseconds, each the median of the rounds, and bytes a port.
 */
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "dataplane/dataplane.h"

#define ROUNDS  7
#define NETWORK "bench"

struct bench {
	struct dp *dp;
	const char *memory;
	struct err err;
};

static void must(struct bench *b, int r, const char *what)
{
	if (r < 0) {
		fprintf(stderr, "publish: %s: %s\n", what, b->err.msg);
		exit(2);
	}
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static struct dp_publish publish_new(struct bench *b, unsigned int n)
{
	struct dp_publish p = { .network = NETWORK };

	/* as long as Docker's ids are */
	snprintf(p.endpoint, sizeof(p.endpoint), "%064x", n);
	must(b, ip_parse("10.90.0.2", &p.ip4, &b->err), "address");
	return p;
}

static void want(struct bench *b, struct dp_publish *p, unsigned int first,
		 unsigned int last)
{
	must(b,
	     portmap_add(&p->ports, &(struct ip_addr){ 0 }, IPPROTO_TCP,
			 (uint16_t)first, (uint16_t)last, (uint16_t)first,
			 &b->err),
	     "port");
}

/*
 * @calls publishes of @each ports, every other one, so that none joins its
 * neighbour to a range.
 */
struct work {
	const char *name;
	unsigned int calls, each;
	bool range; /* @each in a row instead, as one entry */
};

static struct dp_publish *work_new(struct bench *b, const struct work *w)
{
	struct dp_publish *p = calloc(w->calls, sizeof(*p));
	unsigned int port = 1025;

	if (!p)
		must(b, -ENOMEM, w->name);
	for (unsigned int i = 0; i < w->calls; i++) {
		p[i] = publish_new(b, i);
		if (w->range)
			want(b, &p[i], port, port + w->each - 1);
		for (unsigned int n = 0; !w->range && n < w->each; n++)
			want(b, &p[i], port + 2 * n, port + 2 * n);
		port += 2 * w->each;
	}
	return p;
}

static void work_free(const struct work *w, struct dp_publish *p)
{
	for (unsigned int i = 0; i < w->calls; i++)
		portmap_free(&p[i].ports);
	free(p);
}

static double add_all(struct bench *b, const struct work *w,
		      struct dp_publish *p)
{
	double start = now_ms();

	for (unsigned int i = 0; i < w->calls; i++)
		must(b, dp_publish_add(b->dp, &p[i], &b->err), w->name);
	return now_ms() - start;
}

static double del_all(struct bench *b, const struct work *w,
		      const struct dp_publish *p)
{
	double start = now_ms();

	for (unsigned int i = 0; i < w->calls; i++)
		must(b, dp_publish_del(b->dp, p[i].endpoint, &b->err), w->name);
	return now_ms() - start;
}

static void timed(struct bench *b, const struct work *w)
{
	double add[ROUNDS], del[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		struct dp_publish *p = work_new(b, w);

		add[i] = add_all(b, w, p);
		del[i] = del_all(b, w, p);
		work_free(w, p);
	}
	printf("%s_add=%.3f\n", w->name, median(add, ROUNDS));
	printf("%s_del=%.3f\n", w->name, median(del, ROUNDS));
}

/* Version 1 and version 2 of cgroups: what is charged, and how the pages that
 * each processor has charged in advance are given back. */
static const char *const usage_files[] = { "memory.usage_in_bytes",
					   "memory.current" };
static const char *const drain_files[] = { "memory.force_empty",
					   "memory.reclaim" };

static FILE *open_either(struct bench *b, const char *const names[2],
			 const char *mode)
{
	char path[512];
	FILE *f = NULL;

	for (int i = 0; i < 2 && !f; i++) {
		snprintf(path, sizeof(path), "%s/%s", b->memory, names[i]);
		f = fopen(path, mode);
	}
	return f;
}

static double bytes_once(struct bench *b)
{
	FILE *f = open_either(b, drain_files, "r+e");
	double n = 0;

	if (f) {
		fputs("0", f);
		fclose(f); /* may fail: it could give back nothing more */
	}
	f = open_either(b, usage_files, "re");
	if (!f || fscanf(f, "%lf", &n) != 1) {
		fprintf(stderr, "publish: %s: no number\n", b->memory);
		exit(2);
	}
	fclose(f);
	return n;
}

/* What was freed before and is kept by malloc() would hide what is taken now;
 * what RCU, the sets' worker and the maps' caches free is freed some time
 * later: when two looks see the same. */
static double bytes_now(struct bench *b)
{
	double n, last = -1;

	malloc_trim(0);
	n = bytes_once(b);
	for (int i = 0; i < 20 && n != last; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 400000000 }, NULL);
		last = n;
		n = bytes_once(b);
	}
	return n;
}

/* The publish itself is made before and freed after: what stays is counted. */
static void memory(struct bench *b, const struct work *w)
{
	struct dp_publish *p = work_new(b, w);
	double before = bytes_now(b);

	add_all(b, w, p);
	printf("%s_bytes=%.0f\n", w->name,
	       (bytes_now(b) - before) / (w->calls * w->each));
	del_all(b, w, p);
	work_free(w, p);
}

static void network_add(struct bench *b, enum dp_backend backend)
{
	struct dp_network net = { .id = NETWORK,
				  .bridge = "bench0",
				  .backend = backend,
				  .masquerade4 = true,
				  .icc = true,
				  .guard = true };

	must(b, ip_prefix_parse("10.90.0.1/24", &net.gateway4, &b->err), "net");
	must(b, ip_prefix_parse("10.90.0.0/24", &net.subnet4, &b->err), "net");
	must(b, dp_network_add(b->dp, &net, &b->err), "network");
}

int main(int argc, char **argv)
{
	static const struct work times[] = {
		{ .name = "single_calls", .calls = 1000, .each = 1 },
		{ .name = "single_one_call", .calls = 1, .each = 1000 },
		{ .name = "range", .calls = 1, .each = 10000, .range = true },
	};
	static const struct work many[] = {
		{ .name = "range", .calls = 1, .each = 30000, .range = true },
		{ .name = "single_one_call", .calls = 10, .each = 1000 },
		{ .name = "single_calls", .calls = 5000, .each = 1 },
	};
	struct dp_config cfg = { .driver = "berth-bridge" };
	struct bench b = { .dp = NULL };
	struct rlimit files;
	bool ebpf;

	if (argc < 4) {
		fprintf(stderr, "usage: publish DATAPLANE BPF-DIR CGROUP "
				"[MEMORY-CGROUP]\n");
		return 2;
	}
	ebpf = strcmp(argv[1], "ebpf") == 0;
	if (!ebpf && strcmp(argv[1], "nft") != 0) {
		fprintf(stderr, "publish: no dataplane %s here\n", argv[1]);
		return 77;
	}
	/* where the hooks are not for everybody, sockets hold single ports */
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	cfg.bpf_dir = argv[2];
	cfg.cgroup = strcmp(argv[3], "-") == 0 ? NULL : argv[3];
	b.memory = argc > 4 ? argv[4] : NULL;
	must(&b, dp_open(&cfg, &b.dp, &b.err), "open");
	network_add(&b, ebpf ? DP_EBPF : DP_NFT);
	timed(&b, &(struct work){ .name = "first", .calls = 1, .each = 1 });
	for (size_t i = 0; b.memory && i < ARRAY_SIZE(many); i++)
		memory(&b, &many[i]);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		timed(&b, &times[i]);
	must(&b, dp_network_del(b.dp, NETWORK, &b.err), "network");
	dp_close(b.dp);
	return 0;
}
