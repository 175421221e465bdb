// SPDX-License-Identifier: GPL-2.0-or-later
/* Own times of handlers: four buckets an octave, so that a percentile read
 * from them is at most a quarter too high. */
#include <string.h>
#include <time.h>

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
