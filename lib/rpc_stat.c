// SPDX-License-Identifier: GPL-2.0-or-later
/* Own times of handlers: four buckets an octave, so that a percentile read
 * from them is at most a quarter too high. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/prom.h"
#include "lib/rpc_priv.h"

uint64_t rpc_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Upper bound of bucket @i in microseconds: 8, 10, 12, 14, 16, 20, ... */
static uint64_t bucket_bound(unsigned int i)
{
	return ((uint64_t)4 + i % 4) << (i / 4 + 1);
}

static unsigned int bucket_of(uint64_t us)
{
	unsigned int i = 0;

	while (i < RPC_BUCKETS - 1 && us > bucket_bound(i))
		i++;
	return i;
}

static size_t methods_count(const struct rpc_method *table)
{
	size_t n = 0;

	while (table && table[n].name)
		n++;
	return n;
}

static struct rpc_stat *stats_fill(struct rpc_stat *to,
				   const struct rpc_method *table)
{
	for (; table && table->name; table++)
		(to++)->method = table->name;
	return to;
}

int rpc_stat_open(struct rpc *rpc)
{
	const struct rpc_method *const *t;
	size_t n = methods_count(rpc->cfg.own);
	struct rpc_stat *to;

	for (t = rpc->cfg.tables; t && *t; t++)
		n += methods_count(*t);
	rpc->stats = calloc(n ? n : 1, sizeof(*rpc->stats));
	if (!rpc->stats)
		return -ENOMEM;
	rpc->stat_count = n;
	to = stats_fill(rpc->stats, rpc->cfg.own);
	for (t = rpc->cfg.tables; t && *t; t++)
		to = stats_fill(to, *t);
	return 0;
}

void rpc_stat_add(struct rpc *rpc, const char *method, uint64_t us, int code)
{
	pthread_mutex_lock(&rpc->lock);
	for (size_t i = 0; i < rpc->stat_count; i++) {
		struct rpc_stat *s = &rpc->stats[i];

		if (strcmp(s->method, method) != 0)
			continue;
		s->count++;
		s->errors += code < 0;
		s->sum_us += us;
		s->max_us = us > s->max_us ? us : s->max_us;
		s->buckets[bucket_of(us)]++;
		break;
	}
	pthread_mutex_unlock(&rpc->lock);
}

static void put_u64(json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_uint64(v));
}

static json_object *stat_to_json(const struct rpc_stat *s)
{
	json_object *o = json_object_new_object();
	json_object *list = json_object_new_array();

	put_u64(o, "Count", s->count);
	put_u64(o, "Errors", s->errors);
	put_u64(o, "SumUs", s->sum_us);
	put_u64(o, "MaxUs", s->max_us);
	for (unsigned int i = 0; i < RPC_BUCKETS; i++) {
		json_object *b;

		if (!s->buckets[i])
			continue;
		b = json_object_new_object();
		put_u64(b, "LeUs", bucket_bound(i));
		put_u64(b, "Count", s->buckets[i]);
		json_object_array_add(list, b);
	}
	json_object_object_add(o, "Buckets", list);
	return o;
}

json_object *rpc_metrics(struct rpc *rpc)
{
	json_object *o = json_object_new_object();
	json_object *methods = json_object_new_object();

	pthread_mutex_lock(&rpc->lock);
	put_u64(o, "Connections", (uint64_t)rpc->count);
	for (size_t i = 0; i < rpc->stat_count; i++) {
		const struct rpc_stat *s = &rpc->stats[i];

		if (s->count)
			json_object_object_add(methods, s->method,
					       stat_to_json(s));
	}
	pthread_mutex_unlock(&rpc->lock);
	json_object_object_add(o, "Methods", methods);
	return o;
}

/* ---- the same for Prometheus --------------------------------------------------- */

/* Each eighth bucket: 28 us, 112 us, 448 us, 1.8 ms, ... up to half a minute. */
#define COARSE       8
#define MAX_SHOWN_US 32000000

typedef void stat_fn(struct prom *p, const struct rpc_stat *s,
		     struct prom_label *labels);

static void put_count(struct prom *p, const struct rpc_stat *s,
		      struct prom_label *labels)
{
	prom_u64(p, "", labels, s->count);
}

static void put_errors(struct prom *p, const struct rpc_stat *s,
		       struct prom_label *labels)
{
	prom_u64(p, "", labels, s->errors);
}

/* @labels: room for one more at [2]. */
static void put_times(struct prom *p, const struct rpc_stat *s,
		      struct prom_label *labels)
{
	uint64_t so_far = 0, us;
	char le[32];

	for (unsigned int i = 0; i < RPC_BUCKETS; i++) {
		so_far += s->buckets[i];
		us = bucket_bound(i);
		if (i % COARSE != COARSE - 1 || us > MAX_SHOWN_US)
			continue;
		snprintf(le, sizeof(le), "%llu.%06llu",
			 (unsigned long long)(us / 1000000),
			 (unsigned long long)(us % 1000000));
		labels[2] = (struct prom_label){ "le", le };
		prom_u64(p, "_bucket", labels, so_far);
	}
	labels[2] = (struct prom_label){ "le", "+Inf" };
	prom_u64(p, "_bucket", labels, s->count);
	labels[2] = (struct prom_label){ 0 };
	prom_us(p, "_sum", labels, s->sum_us);
	prom_u64(p, "_count", labels, s->count);
}

static void each_stat(struct rpc *rpc, struct prom *p, stat_fn *fn)
{
	struct prom_label labels[4] = { { "driver", rpc->cfg.driver } };

	for (size_t i = 0; i < rpc->stat_count; i++) {
		if (!rpc->stats[i].count)
			continue;
		labels[1] =
			(struct prom_label){ "method", rpc->stats[i].method };
		fn(p, &rpc->stats[i], labels);
	}
}

void rpc_prom(struct rpc *rpc, struct prom *p)
{
	const struct prom_label labels[] = { { "driver", rpc->cfg.driver },
					     { 0 } };

	pthread_mutex_lock(&rpc->lock);
	prom_family(p, "berth_connections", PROM_GAUGE,
		    "Connections to the daemon's socket.");
	prom_u64(p, "", labels, (uint64_t)rpc->count);
	prom_family(p, "berth_requests_total", PROM_COUNTER,
		    "Requests answered, by method.");
	each_stat(rpc, p, put_count);
	prom_family(p, "berth_request_errors_total", PROM_COUNTER,
		    "Requests answered with an error, by method.");
	each_stat(rpc, p, put_errors);
	prom_family(p, "berth_request_seconds", PROM_HISTOGRAM,
		    "Time from a request's end to its answer, by method.");
	each_stat(rpc, p, put_times);
	pthread_mutex_unlock(&rpc->lock);
}
