// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * This host's lease: what it told goes when the host does.
 *
 * A daemon that starts again takes the lease that its host's record has, if it still
 * runs: else all that others know of this host would go and come.  (The longer one of a
 * life that ended in good order it leaves, and puts what it has by one of its own.)  Two machines that
 * have one node name by mistake must not take turns in that, so the record says which
 * machine wrote it, and whoever finds another's there, at whatever time, gives way.
 */
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "netplugins/overlay/cluster_priv.h"

void cl_lease_lost(struct cluster *c)
{
	c->lease = 0;
	pthread_mutex_lock(&c->lock);
	c->host_due = true;
	c->host_told = false;
	for (struct cl_net *n = c->nets; n; n = n->next) {
		n->told = false;
		n->due = true;
		for (struct cl_mine *m = n->mine; m; m = m->next) {
			m->told = m->alone = false;
			m->due = true;
		}
	}
	pthread_mutex_unlock(&c->lock);
	cl_wake(c);
}

/* What was told by a lease of our own, before that was seen, ends with it. */
static int twin(struct cluster *c, const struct cl_host_record *rec,
		struct err *err)
{
	char at[IP_STR_MAX];

	pthread_mutex_lock(&c->lock);
	snprintf(c->twin_why, sizeof(c->twin_why),
		 "another machine (at %s) has the node name %s: give this one "
		 "another by --node",
		 ip_is_none(&rec->vtep) ? "no address yet"
					: ip_str(&rec->vtep, at),
		 c->node);
	pthread_mutex_unlock(&c->lock);
	if (c->lease)
		cl_lease_lost(c);
	return err_set(err, -EEXIST, "%s", c->twin_why);
}

static void keep_after(struct cluster *c, uint64_t ms)
{
	pthread_mutex_lock(&c->lock);
	c->keep_ms = clock_boot_ms() + ms;
	pthread_mutex_unlock(&c->lock);
}

/* One that a life left which ended in good order would keep a dead host for long, whatever
 * that life and this one were told of lingering; etcd gives a little more than is asked. */
static bool is_long(const struct cluster *c, unsigned int ttl_s)
{
	return ttl_s > 2 * c->lease_s;
}

/* The lease of an earlier life, or a new one.  @was: our record's; 0: none. */
static int lease_get(struct cluster *c, uint64_t was, struct err *err)
{
	struct err why = { 0 };
	unsigned int ttl;
	int r;

	if (was && etcd_lease_keep(c->rw, was, &ttl, NULL) == 0 &&
	    !is_long(c, ttl)) {
		c->lease = was;
		keep_after(c, (uint64_t)c->lease_s * 1000 / 3);
		return 0;
	}
	r = etcd_lease_grant(c->rw, c->lease_s, &c->lease, &ttl, &why);
	etcd_seen_note(&c->seen, r, &why);
	if (r < 0)
		return err_set(err, r, "%s", why.msg);
	keep_after(c, (uint64_t)c->lease_s * 1000 / 3);
	cl_wake(c); /* the thread may sleep for longer */
	return 0;
}

int cl_lease_keep(struct cluster *c, struct err *err)
{
	uint64_t lease, at;
	unsigned int ttl = 0;
	int r;

	pthread_mutex_lock(&c->lock);
	at = c->keep_ms;
	pthread_mutex_unlock(&c->lock);
	if (clock_boot_ms() < at)
		return 0;
	cl_write_begin(c);
	lease = c->lease;
	cl_write_end(c);
	if (!lease) {
		keep_after(c, (uint64_t)c->lease_s * 1000 / 3);
		return 0;
	}
	etcd_limit(c->ro, c->limit_ms);
	r = etcd_lease_keep(c->ro, lease, &ttl, err);
	etcd_seen_note(&c->seen, r, err);
	if (r == 0)
		keep_after(c, (uint64_t)c->lease_s * 1000 / 3);
	if (r != -ENOENT)
		return r;
	log_warn("op=cluster.lease event=\"expired: all is told again\"");
	cl_write_begin(c);
	if (c->lease == lease)
		cl_lease_lost(c);
	cl_write_end(c);
	return 0;
}

char *cl_host_text(struct cluster *c)
{
	struct cl_host_record rec = { 0 };

	memcpy(rec.node, c->node, sizeof(rec.node));
	memcpy(rec.machine, c->machine, sizeof(rec.machine));
	pthread_mutex_lock(&c->lock);
	rec.vtep = c->vtep;
	memcpy(rec.key, c->key, sizeof(rec.key));
	memcpy(rec.next, c->next, sizeof(rec.next));
	pthread_mutex_unlock(&c->lock);
	return cl_host_encode(&rec);
}

/* Return: 1: it is written; 0: somebody was faster. */
static int host_put(struct cluster *c, const char *key,
		    const struct etcd_kv *kv, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	_cleanup_free_ char *text = cl_host_text(c);
	struct etcd_result res = { 0 };
	bool done;
	int r;

	if (!t || !text)
		return err_set(err, -ENOMEM, "node %s", c->node);
	etcd_txn_if_mod(t, key, kv ? kv->mod_rev : 0);
	etcd_txn_put(t, key, text, c->lease);
	r = cl_txn(c, c->rw, t, &res, err);
	done = res.done;
	etcd_result_clear(&res);
	return r < 0 ? r : done;
}

static int host_have(struct cluster *c, struct err *err)
{
	struct cl_host_record rec = { 0 };
	struct etcd_kvs kvs = { 0 };
	struct etcd_kv *kv;
	char key[CL_KEY_MAX];
	bool known;
	int r;

	cl_key(c, key, "node/%s/host", c->node);
	r = cl_range(c, c->rw, &(struct etcd_range){ .key = key }, &kvs, NULL,
		     err);
	if (r < 0)
		return r;
	kv = kvs.count ? &kvs.v[0] : NULL;
	known = kv && cl_host_writer(kv, c->node, &rec) == 0;
	if (known && strcmp(rec.machine, c->machine) != 0)
		r = twin(c, &rec, err);
	else if (!c->lease)
		r = lease_get(c, known ? kv->lease : 0, err);
	if (r == 0)
		r = FAILPOINT("cluster.host");
	if (r == 0)
		r = host_put(c, key, kv, err);
	etcd_kvs_clear(&kvs);
	return r;
}

static int lease_have(struct cluster *c, struct err *err)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < 4; i++) {
		r = host_have(c, err);
		if (r == -ENOENT) { /* it expired meanwhile */
			c->lease = 0;
			r = 0;
		}
	}
	return r ? r
		 : err_set(err, -EAGAIN, "node %s: its record is fought over",
			   c->node);
}

int cl_lease_have(struct cluster *c, struct err *err)
{
	bool due;
	int r;

	/* Before it is read: it may change again while it is written. */
	pthread_mutex_lock(&c->lock);
	due = !c->lease ||
	      (c->host_due && cl_pace_next(&c->told_pace) <= clock_boot_ms());
	if (due) {
		c->host_due = false;
		c->told_pace.done_ms = clock_boot_ms();
	}
	pthread_mutex_unlock(&c->lock);
	if (!due)
		return 0;
	r = lease_have(c, err);
	pthread_mutex_lock(&c->lock);
	if (r < 0) {
		c->host_due = true;
	} else {
		c->host_told = !c->host_due;
		c->twin_why[0] = '\0';
	}
	/* Each network's members are told by a new member record. */
	for (struct cl_net *n = c->nets; r >= 0 && n; n = n->next) {
		n->told = false;
		n->due = true;
	}
	pthread_mutex_unlock(&c->lock);
	return r < 0 ? r : 0;
}

int cluster_host_set(struct ov_dir *dir, const struct ip_addr *vtep,
		     const char *key, const char *next, struct err *err)
{
	struct cluster *c = cl_of(dir);
	bool other;

	if ((key && strlen(key) >= sizeof(c->key)) ||
	    (next && strlen(next) >= sizeof(c->next)))
		return err_set(err, -EINVAL, "a key of too many characters");
	pthread_mutex_lock(&c->lock);
	/* Nothing comes back, and the watch is silent, by the old one. */
	other = !ip_equal(&c->vtep, vtep);
	if (other)
		cl_pace_note(&c->told_pace);
	c->gen += other;
	c->vtep = *vtep;
	snprintf(c->key, sizeof(c->key), "%s", key ? key : "");
	snprintf(c->next, sizeof(c->next), "%s", next ? next : "");
	c->host_due = true;
	c->host_told = false;
	pthread_mutex_unlock(&c->lock);
	if (other) {
		etcd_renew(c->rw);
		etcd_renew(c->ro);
	}
	cl_wake(c); /* the thread tells it */
	return 0;
}

bool cluster_host_told(struct ov_dir *dir)
{
	struct cluster *c = cl_of(dir);
	bool told;

	pthread_mutex_lock(&c->lock);
	told = c->host_told;
	pthread_mutex_unlock(&c->lock);
	return told;
}
