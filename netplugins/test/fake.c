/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver for tests: every object is a row in shared memory. */
#include "netplugins/test/fake.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/fail.h"

static struct fake_kernel *kernel; /* of this process */

struct fake_network {
	struct net_network base;
	struct {
		bool flag;
		uint32_t number;
	} opt;
};

static const struct opt_field network_options[] = {
	OPT_FIELD("flag", OPT_BOOL, struct fake_network, opt.flag, "a flag"),
	{ 0 },
};

struct fake_ep_options {
	uint32_t rate;
};

static const struct opt_field endpoint_options[] = {
	OPT_FIELD("berth.rate", OPT_U32, struct fake_ep_options, rate, "rate"),
	{ 0 },
};

struct fake_kernel *fake_kernel_new(void)
{
	struct fake_kernel *k = mmap(NULL, sizeof(*k), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attr;

	if (k == MAP_FAILED)
		abort();
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&k->lock, &attr);
	return k;
}

void fake_use(struct fake_kernel *k)
{
	kernel = k;
}

static void lock(struct fake_kernel *k)
{
	if (pthread_mutex_lock(&k->lock) == EOWNERDEAD)
		pthread_mutex_consistent(&k->lock);
}

static struct fake_item *find(struct fake_kernel *k, const char *id)
{
	for (size_t i = 0; i < FAKE_MAX; i++)
		if (k->items[i].used && strcmp(k->items[i].id, id) == 0)
			return &k->items[i];
	return NULL;
}

struct fake_item *fake_find(struct fake_kernel *k, const char *id)
{
	struct fake_item *it;

	lock(k);
	it = find(k, id);
	pthread_mutex_unlock(&k->lock);
	return it;
}

unsigned int fake_count(struct fake_kernel *k)
{
	unsigned int n = 0;

	lock(k);
	for (size_t i = 0; i < FAKE_MAX; i++)
		n += k->items[i].used;
	pthread_mutex_unlock(&k->lock);
	return n;
}

/* Make or find; @fresh: it must not be there yet. */
static int add(const char *id, const char *owner, bool is_network)
{
	struct fake_item *it;

	lock(kernel);
	it = find(kernel, id);
	for (size_t i = 0; !it && i < FAKE_MAX; i++)
		if (!kernel->items[i].used)
			it = &kernel->items[i];
	if (it && !it->used) {
		*it = (struct fake_item){ .used = true,
					  .is_network = is_network,
					  .place = NET_LINK_HERE };
		snprintf(it->id, sizeof(it->id), "%s", id);
		snprintf(it->owner, sizeof(it->owner), "%s", owner);
	}
	kernel->calls++;
	pthread_mutex_unlock(&kernel->lock);
	return it ? 0 : -ENOSPC;
}

static void del(const char *id)
{
	struct fake_item *it;

	lock(kernel);
	it = find(kernel, id);
	if (it)
		it->used = false;
	kernel->calls++;
	pthread_mutex_unlock(&kernel->lock);
}

static int host_open(const struct plugd *d, const void *config,
		     const struct net_memo *memo, void **ret, struct err *err)
{
	static char host;

	(void)d;
	(void)config;
	(void)memo;
	(void)err;
	*ret = &host;
	return 0;
}

static void host_close(void *host)
{
	(void)host;
}

static int network_init(struct net_network *net, struct err *err)
{
	if (ip_is_none(&net->v4.pool.addr))
		return err_set(err, -EINVAL, "no subnet");
	return 0;
}

static int network_add(struct net_network *net, bool fresh, struct err *err)
{
	int r = FAILPOINT("fake.network_add.before");

	(void)fresh;
	if (r == 0)
		r = add(net->id, "", true);
	if (r == 0)
		r = FAILPOINT("fake.network_add.after");
	if (r < 0)
		del(net->id);
	return r < 0 ? err_set(err, r, "fake network_add") : 0;
}

static int network_del(struct net_network *net, struct err *err)
{
	int r = FAILPOINT("fake.network_del");

	if (r < 0)
		return err_set(err, r, "fake network_del");
	del(net->id);
	if (strcmp(net->id, kernel->undying) == 0)
		return err_set(err, -EBUSY, "fake rules are in use");
	return 0;
}

static int endpoint_add(struct net_endpoint *ep, struct err *err)
{
	int r = FAILPOINT("fake.endpoint_add.before");

	if (strcmp(ep->id, kernel->broken) == 0)
		return err_set(err, -EEXIST, "fake link of the same name");
	if (r == 0)
		r = add(ep->id, ep->network->id, false);
	if (r == 0)
		r = FAILPOINT("fake.endpoint_add.after");
	if (r < 0) {
		del(ep->id);
		return err_set(err, r, "fake endpoint_add");
	}
	snprintf(ep->ifname, sizeof(ep->ifname), "bv%.11s", ep->id);
	snprintf(ep->peer, sizeof(ep->peer), "bc%.11s", ep->id);
	if (mac_is_none(&ep->mac))
		ep->mac = mac_from_ip(&ep->addr4.addr);
	return 0;
}

static int endpoint_del(struct net_endpoint *ep, struct err *err)
{
	int r = FAILPOINT("fake.endpoint_del");

	if (r < 0)
		return err_set(err, r, "fake endpoint_del");
	del(ep->id);
	return 0;
}

static int endpoint_place(struct net_endpoint *ep, struct err *err)
{
	struct fake_item *it;
	int place;

	(void)err;
	lock(kernel);
	it = find(kernel, ep->id);
	place = it ? (int)it->place : NET_LINK_GONE;
	pthread_mutex_unlock(&kernel->lock);
	return place;
}

static int join(struct net_endpoint *ep, struct net_join_reply *ret,
		struct err *err)
{
	(void)err;
	snprintf(ret->src_name, sizeof(ret->src_name), "%s", ep->peer);
	strcpy(ret->dst_prefix, "eth");
	ret->gateway4 = ep->network->v4.gateway.addr;
	return 0;
}

static int set_exposed(struct net_endpoint *ep, bool exposed)
{
	static uint16_t next = 40000;
	struct fake_item *it;

	lock(kernel);
	it = find(kernel, ep->id);
	if (it) {
		it->exposed = exposed;
		it->ports = exposed ? ep->ports.count : 0;
		for (size_t i = 0; exposed && i < ep->ports.count; i++) {
			struct port_range *r = &ep->ports.ranges[i];

			if (!r->host_first)
				r->host_first = next++;
			it->port = r->host_first;
		}
	}
	kernel->calls++;
	pthread_mutex_unlock(&kernel->lock);
	return it ? 0 : -ENODEV;
}

static int expose(struct net_endpoint *ep, struct err *err)
{
	int r = FAILPOINT("fake.expose");

	if (r == 0)
		r = set_exposed(ep, true);
	return r < 0 ? err_set(err, r, "fake expose") : 0;
}

static int unexpose(struct net_endpoint *ep, struct err *err)
{
	int r = FAILPOINT("fake.unexpose");

	if (r < 0)
		return err_set(err, r, "fake unexpose");
	(void)set_exposed(ep, false);
	return 0;
}

const struct net_driver fake_driver = {
	.name = "berth-fake",
	.summary = "for tests",
	.network_size = sizeof(struct fake_network),
	.options_offset = 0,
	.network_options = network_options,
	.endpoint_options_size = sizeof(struct fake_ep_options),
	.endpoint_options = endpoint_options,
	.host_open = host_open,
	.host_close = host_close,
	.network_init = network_init,
	.network_add = network_add,
	.network_del = network_del,
	.endpoint_add = endpoint_add,
	.endpoint_del = endpoint_del,
	.endpoint_place = endpoint_place,
	.join = join,
	.expose = expose,
	.unexpose = unexpose,
};
