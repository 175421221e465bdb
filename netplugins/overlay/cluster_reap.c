/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks that no host of the cluster is in any more: taken away when somebody says so. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "lib/log.h"
#include "netplugins/overlay/cluster_priv.h"

struct reaping {
	struct cluster *c;
	bool dry;
	void (*fn)(void *ctx, const char *line);
	void *ctx;
};

static int all_networks(struct cluster *c, struct etcd_kvs *ret,
			struct err *err)
{
	char key[CL_KEY_MAX], end[CL_KEY_MAX];
	int r;

	cl_key(c, key, "net/");
	cl_key(c, end, "net0");
	cl_write_begin(c);
	r = cl_range(c, c->rw, &(struct etcd_range){ .key = key, .end = end },
		     ret, NULL, err);
	cl_write_end(c);
	return r;
}

/* Under ->write.  Return: 1: some host is in it; 0. */
static int is_used(struct cluster *c, const char *net_key, struct err *err)
{
	char key[CL_KEY_MAX], end[CL_KEY_MAX];
	struct etcd_kvs kvs = { 0 };
	int r;

	if (cl_net_by_key(c, net_key))
		return 1;
	cl_key(c, key, "member/%s/", net_key);
	cl_key(c, end, "member/%s0", net_key);
	r = cl_range(c, c->rw,
		     &(struct etcd_range){
			     .key = key, .end = end, .count_only = true },
		     &kvs, NULL, err);
	if (r < 0)
		return r;
	r = kvs.total > 0;
	etcd_kvs_clear(&kvs);
	return r;
}

static void tell(const struct reaping *w, const struct cl_net *n,
		 const struct cl_net_record *rec)
{
	char a[PREFIX_STR_MAX], b[PREFIX_STR_MAX], line[CL_NAME_MAX + 256];

	ip_prefix_str(&rec->pool4, a);
	ip_prefix_str(&rec->pool6, b);
	snprintf(line, sizeof(line),
		 "network %s: subnet %s%s%s, VNI %" PRIu32 ", made by host %s",
		 n->key, a, *a && *b ? " and " : "", b, rec->vni,
		 rec->node[0] ? rec->node : "?");
	if (!w->dry)
		log_info("op=cluster.reap net=%s vni=%" PRIu32, n->key,
			 rec->vni);
	w->fn(w->ctx, line);
}

/* Under ->write.  Return: 1: there is nothing more of it; 0: it stays. */
static int reap(const struct reaping *w, struct cl_net *n,
		const struct etcd_kv *kv, struct err *err)
{
	struct cl_net_record rec;
	char line[CL_NAME_MAX + 128];
	int r = is_used(w->c, n->key, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (cl_net_decode(kv, &rec) < 0) {
		snprintf(line, sizeof(line),
			 "network %s: stays, its record in etcd can't be read",
			 n->key);
		w->fn(w->ctx, line);
		return 0;
	}
	n->create_rev = kv->create_rev;
	n->net.vni = rec.vni;
	n->net.pool4 = rec.pool4;
	n->net.pool6 = rec.pool6;
	r = FAILPOINT("cluster.reap");
	if (r < 0)
		return err_set(err, r, "network %s", n->key);
	if (!w->dry)
		r = cl_net_remove(w->c, n, err);
	if (w->dry || r == 1)
		tell(w, n, &rec);
	return r;
}

int cluster_reap(struct ov_dir *dir, bool dry,
		 void (*fn)(void *ctx, const char *line), void *ctx,
		 struct err *err)
{
	struct cluster *c = cl_of(dir);
	struct reaping w = { .c = c, .dry = dry, .fn = fn, .ctx = ctx };
	_cleanup_free_ struct cl_net *n = calloc(1, sizeof(*n));
	struct etcd_kvs kvs = { 0 };
	char prefix[CL_KEY_MAX];
	int r = n ? cl_ready(c, err) : err_set(err, -ENOMEM, "networks");

	if (r == 0)
		r = all_networks(c, &kvs, err);
	if (r < 0)
		return r;
	cl_key(c, prefix, "net/");
	/* others' requests come between */
	for (size_t i = 0; r >= 0 && i < kvs.count; i++) {
		const char *key = kvs.v[i].key;

		if (strncmp(key, prefix, strlen(prefix)) != 0 ||
		    strlen(key) - strlen(prefix) >= sizeof(n->key))
			continue;
		*n = (struct cl_net){ 0 };
		snprintf(n->key, sizeof(n->key), "%s", key + strlen(prefix));
		cl_write_begin(c);
		r = reap(&w, n, &kvs.v[i], err);
		cl_write_end(c);
	}
	etcd_kvs_clear(&kvs);
	return r < 0 ? r : 0;
}
