/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory of what was typed: berth.peers.  It knows hosts and no endpoints, so
 * what is sent to all goes to each of them, and the kernel learns who is where.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netplugins/net_names.h"
#include "netplugins/overlay/overlay.h"

#define VNI_DERIVED 4096U /* from here on; below is for those who count */

struct entry {
	struct ov_network net;
	struct entry *next;
};

struct peers {
	struct ov_dir dir;
	pthread_mutex_t lock;
	struct entry *entries; /* owned */
};

static struct peers *peers_of(struct ov_dir *dir)
{
	return container_of(dir, struct peers, dir);
}

uint32_t ov_vni_derive(const struct ov_network *net)
{
	char text[2 * PREFIX_STR_MAX + 8], a[PREFIX_STR_MAX], b[PREFIX_STR_MAX];
	struct ip_prefix p4 = net->pool4, p6 = net->pool6;

	p4.addr = ip_prefix_first(&p4);
	p6.addr = ip_prefix_first(&p6);
	if (net->name[0])
		snprintf(text, sizeof(text), "name %s", net->name);
	else
		snprintf(text, sizeof(text), "%s %s",
			 ip_is_none(&p4.addr) ? "-" : ip_prefix_str(&p4, a),
			 ip_is_none(&p6.addr) ? "-" : ip_prefix_str(&p6, b));
	return VNI_DERIVED +
	       (uint32_t)(net_hash(text, 0) % (OV_VNI_MAX + 1 - VNI_DERIVED));
}

/* Under the lock. */
static struct entry **find(struct peers *p, const char *id)
{
	struct entry **at;

	for (at = &p->entries; *at && strcmp((*at)->net.id, id) != 0;
	     at = &(*at)->next)
		;
	return at;
}

/* Under the lock. */
static int enter(struct peers *p, const struct ov_network *net, struct err *err)
{
	struct entry **at = find(p, net->id), *e = *at;

	for (const struct entry *o = p->entries; o; o = o->next)
		if (o->net.vni == net->vni && o != e)
			return err_set(err, -EEXIST,
				       "VNI %u is that of network %.12s: "
				       "choose another with -o com.docker."
				       "network.driver.overlay.vxlanid_list=",
				       net->vni, o->net.id);
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return err_set(err, -ENOMEM, "peers");
		*at = e;
	}
	e->net = *net;
	return 0;
}

static int join(struct ov_dir *dir, struct ov_network *net, struct err *err)
{
	struct peers *p = peers_of(dir);
	int r;

	if (!net->vni)
		net->vni = ov_vni_derive(net);
	pthread_mutex_lock(&p->lock);
	r = enter(p, net, err);
	pthread_mutex_unlock(&p->lock);
	return r;
}

static int leave(struct ov_dir *dir, const char *id, struct err *err)
{
	struct peers *p = peers_of(dir);
	struct entry **at, *e;

	(void)err;
	pthread_mutex_lock(&p->lock);
	at = find(p, id);
	e = *at;
	if (e)
		*at = e->next;
	pthread_mutex_unlock(&p->lock);
	free(e);
	return 0;
}

/* Who has an address is not known here, and Docker gives what it was told to. */
static int put(struct ov_dir *dir, const char *id, const struct ov_endpoint *ep,
	       bool living, struct err *err)
{
	(void)dir;
	(void)id;
	(void)ep;
	(void)living;
	(void)err;
	return 0;
}

static int del(struct ov_dir *dir, const char *id, const char *endpoint_id,
	       struct err *err)
{
	(void)dir;
	(void)id;
	(void)endpoint_id;
	(void)err;
	return 0;
}

static int fill(const struct ov_network *net, struct ov_view *ret,
		struct err *err)
{
	struct ov_host *hosts;

	ret->learn = true;
	hosts = calloc(net->peer_count + 1, sizeof(*hosts));
	if (!hosts)
		return err_set(err, -ENOMEM, "peers");
	for (size_t i = 0; i < net->peer_count; i++) {
		hosts[i].vtep = net->peers[i];
		(void)ip_str(&hosts[i].vtep, hosts[i].node);
		memcpy(hosts[i].key, net->peer_keys[i], sizeof(hosts[i].key));
	}
	ret->hosts = hosts;
	ret->host_count = net->peer_count;
	return 0;
}

static int view(struct ov_dir *dir, const char *id, struct ov_view *ret,
		struct err *err)
{
	struct peers *p = peers_of(dir);
	const struct entry *e;
	int r;

	*ret = (struct ov_view){ 0 };
	pthread_mutex_lock(&p->lock);
	e = *find(p, id);
	r = e ? fill(&e->net, ret, err)
	      : err_set(err, -ENOENT, "network %.12s has no peers", id);
	pthread_mutex_unlock(&p->lock);
	return r;
}

static int fenced(struct ov_dir *dir, const char *id, struct ov_view *ret,
		  struct err *err)
{
	(void)dir;
	(void)id;
	(void)err;
	*ret = (struct ov_view){ 0 };
	return 0;
}

static int fd(struct ov_dir *dir)
{
	(void)dir;
	return -1;
}

static void changed(struct ov_dir *dir,
		    void (*fn)(void *ctx, const char *net_id), void *ctx)
{
	(void)dir;
	(void)fn;
	(void)ctx;
}

static void check(struct ov_dir *dir, void (*fn)(void *ctx, const char *line),
		  void *ctx)
{
	(void)dir;
	(void)fn;
	(void)ctx;
}

static void close_peers(struct ov_dir *dir)
{
	struct peers *p = peers_of(dir);

	while (p->entries) {
		struct entry *e = p->entries;

		p->entries = e->next;
		free(e);
	}
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int ov_peers_open(struct ov_dir **ret, struct err *err)
{
	static const struct ov_dir_ops ops = {
		.join = join,
		.leave = leave,
		.put = put,
		.del = del,
		.view = view,
		.fenced = fenced,
		.fd = fd,
		.changed = changed,
		.check = check,
		.close = close_peers,
	};
	struct peers *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(err, -ENOMEM, "peers");
	p->dir.ops = &ops;
	(void)pthread_mutex_init(&p->lock, NULL);
	*ret = &p->dir;
	return 0;
}
