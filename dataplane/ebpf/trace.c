// SPDX-License-Identifier: GPL-2.0-or-later
/* The reading side of bpf/lib/trace.h. */
#include "dataplane/ebpf/trace.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/types.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bpf/guard_map.h"
#include "bpf/nat_map.h"
#include "bpf/trace_map.h"

struct trace {
	int until;                /* owned fd */
	struct ring_buffer *ring; /* owned */
	/* of the call under way */
	void (*fn)(void *ctx, const struct trace_drop *d);
	void *ctx;
	size_t left;
};

static const char *const wheres[TRACE_WHERE_MAX] = {
	[TRACE_GUARD_IN] = "from the container",
	[TRACE_GUARD_OUT] = "to the container",
	[TRACE_ENDPOINT] = "from the container",
	[TRACE_UPLINK] = "from the wire",
};

static const char *const guard_whys[GUARD_DROP_MAX] = {
	[GUARD_DROP_MAC] = "forged MAC",
	[GUARD_DROP_ETHERTYPE] = "not ARP, IPv4 or IPv6",
	[GUARD_DROP_SHORT] = "a header that cannot be read",
	[GUARD_DROP_ARP] = "ARP for an address that is not its own",
	[GUARD_DROP_IP4_OFF] = "IPv4 is off for this endpoint",
	[GUARD_DROP_IP6_OFF] = "IPv6 is off for this endpoint",
	[GUARD_DROP_ADDRESS] = "forged source address",
	[GUARD_DROP_REDIRECT] = "ICMP redirect",
	[GUARD_DROP_DHCP] = "DHCP server",
	[GUARD_DROP_ROUTER] = "router advertisement",
	[GUARD_DROP_NEIGHBOUR] =
		"neighbour advertisement for an address that is not its own",
	[GUARD_DROP_INTERNAL] = "the network is internal",
	[GUARD_DROP_ICC] =
		"containers of this network may not talk (icc=false)",
	[GUARD_DROP_HAIRPIN] = "its own broadcast back",
	[GUARD_DROP_STAMP] = "no rule of Berth's let it pass",
	[GUARD_DROP_RATE] = "above the container's rate (berth.rate)",
};

static const char *const nat_whys[NAT_COUNT_MAX] = {
	[NAT_DROP_FULL] = "no room for another established connection",
	[NAT_DROP_FORGED] = "from a wire, with a container's address",
	[NAT_DROP_REWRITE] = "it could not be rewritten",
	[NAT_DROP_GATEWAY] = "the gateway of another network",
	[NAT_DROP_HOPS] = "its hops end at this host",
	[NAT_DROP_POLICY] = "not on the list of who may (berth.allow, deny)",
	[NAT_DROP_LIMIT] = "too many new connections from there (berth.limit)",
	[NAT_DROP_SHARE] =
		"the container has half of all established connections",
	[NAT_DROP_BIG] = "too big for the way",
	[NAT_DROP_RATE] =
		"above the rate of the container it is for (berth.rate)",
};

static const char *why_text(const struct trace_event *e)
{
	const char *text = NULL;

	if (e->where == TRACE_GUARD_IN || e->where == TRACE_GUARD_OUT)
		text = e->why < GUARD_DROP_MAX ? guard_whys[e->why] : NULL;
	else if (e->why < NAT_COUNT_MAX)
		text = nat_whys[e->why];
	return text ? text : "?";
}

/* ---- the frame's head ---------------------------------------------------- */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void read_ports(struct trace_drop *d, const uint8_t *p, size_t len)
{
	if (len < 4 || (d->proto != IPPROTO_TCP && d->proto != IPPROTO_UDP &&
			d->proto != IPPROTO_SCTP))
		return;
	d->sport = get16(p);
	d->dport = get16(p + 2);
}

static void read_v4(struct trace_drop *d, const uint8_t *p, size_t len)
{
	size_t head = len ? (p[0] & 15u) * 4u : 0;

	if (len < 20)
		return;
	d->src = (struct ip_addr){ .family = AF_INET };
	d->dst = d->src;
	memcpy(d->src.bytes, p + 12, 4);
	memcpy(d->dst.bytes, p + 16, 4);
	d->proto = p[9];
	if (!(get16(p + 6) & 0x1fff) && len > head)
		read_ports(d, p + head, len - head);
}

static void read_v6(struct trace_drop *d, const uint8_t *p, size_t len)
{
	if (len < 40)
		return;
	d->src = (struct ip_addr){ .family = AF_INET6 };
	d->dst = d->src;
	memcpy(d->src.bytes, p + 8, 16);
	memcpy(d->dst.bytes, p + 24, 16);
	d->proto = p[6];
	read_ports(d, p + 40, len - 40);
}

static void read_arp(struct trace_drop *d, const uint8_t *p, size_t len)
{
	if (len < 28)
		return;
	d->src = (struct ip_addr){ .family = AF_INET };
	d->dst = d->src;
	memcpy(d->src.bytes, p + 14, 4);
	memcpy(d->dst.bytes, p + 24, 4);
}

static void read_head(struct trace_drop *d, const uint8_t *p, size_t len)
{
	if (len < ETH_HLEN)
		return;
	memcpy(d->smac.bytes, p + ETH_ALEN, ETH_ALEN);
	d->ethertype = get16(p + 12);
	if (d->ethertype == ETH_P_IP)
		read_v4(d, p + ETH_HLEN, len - ETH_HLEN);
	else if (d->ethertype == ETH_P_IPV6)
		read_v6(d, p + ETH_HLEN, len - ETH_HLEN);
	else if (d->ethertype == ETH_P_ARP)
		read_arp(d, p + ETH_HLEN, len - ETH_HLEN);
}

/* ---- the ring ------------------------------------------------------------ */

static int on_event(void *ctx, void *data, size_t size)
{
	const struct trace_event *e = data;
	struct trace *t = ctx;
	struct trace_drop d = { 0 };

	if (size < sizeof(*e) || e->where >= TRACE_WHERE_MAX)
		return 0;
	d.time_ns = e->time_ns;
	d.len = e->len;
	d.where = wheres[e->where];
	d.why = why_text(e);
	if (!if_indextoname(e->ifindex, d.ifname))
		d.ifname[0] = '\0';
	read_head(&d, e->head,
		  e->head_len < TRACE_HEAD ? e->head_len : TRACE_HEAD);
	t->fn(t->ctx, &d);
	/* what is told is taken out of the ring, the rest stays */
	return --t->left ? 0 : -ENOBUFS;
}

static int get_pin(const struct pin_dir *pins, const char *name,
		   struct err *err)
{
	char path[PIN_PATH_MAX];
	int fd = bpf_obj_get(pin_path(pins, name, path));

	if (fd < 0 && errno == ENOENT)
		return err_set(err, -ENOENT,
			       "there is nothing to watch: this driver has no "
			       "network");
	return fd < 0 ? err_set(err, -errno, "%s: %s", path, strerror(errno))
		      : fd;
}

int trace_open(const struct pin_dir *pins, struct trace **ret, struct err *err)
{
	_cleanup_(trace_closep) struct trace *t = calloc(1, sizeof(*t));
	_cleanup_close_ int ring = -EBADF;

	if (!t)
		return err_set(err, -ENOMEM, "trace");
	t->until = -EBADF;
	t->until = get_pin(pins, "guard_until", err);
	if (t->until < 0)
		return t->until;
	ring = get_pin(pins, "guard_ring", err);
	if (ring < 0)
		return ring;
	t->ring = ring_buffer__new(ring, on_event, t, NULL);
	if (!t->ring)
		return err_set(err, -errno, "trace: %s", strerror(errno));
	*ret = take_ptr(t);
	return 0;
}

void trace_close(struct trace *t)
{
	if (!t)
		return;
	ring_buffer__free(t->ring);
	if (t->until >= 0)
		close(t->until);
	free(t);
}

/* Listen for TRACE_LEASE_MS more. */
static int renew(struct trace *t, uint64_t *ret_lost, struct err *err)
{
	struct trace_until u;
	struct timespec now;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(t->until, &zero, &u) < 0)
		return err_set(err, -errno, "trace: %s", strerror(errno));
	*ret_lost = u.lost;
	clock_gettime(CLOCK_MONOTONIC, &now);
	u.time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec +
		    TRACE_LEASE_MS * UINT64_C(1000000);
	u.lost = 0;
	if (bpf_map_update_elem(t->until, &zero, &u, BPF_ANY) < 0)
		return err_set(err, -errno, "trace: %s", strerror(errno));
	return 0;
}

int trace_read(struct trace *t, unsigned int wait_ms, size_t max,
	       void (*fn)(void *ctx, const struct trace_drop *d), void *ctx,
	       uint64_t *ret_lost, struct err *err)
{
	int r = renew(t, ret_lost, err);

	if (r < 0)
		return r;
	t->fn = fn;
	t->ctx = ctx;
	t->left = max;
	r = ring_buffer__poll(t->ring, (int)wait_ms);
	if (r < 0 && r != -ENOBUFS && r != -EINTR)
		return err_set(err, r, "trace: %s", strerror(-r));
	return (int)(max - t->left);
}
