/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flows that end without a packet saying so: idle ones, and those of endpoints
 * and published ports that are no more.
 *
 * A flow is two entries, and each packet touches only its own direction's, so
 * an entry is as young as the younger of the two.  Both go together.
 */
#include "dataplane/ebpf/nat.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <time.h>

#include "bpf/sock_map.h"
#include "dataplane/ebpf/nat_filter.h"
#include "dataplane/ebpf/nat_priv.h"
#include "dataplane/ebpf/sock_entry.h"
#include "lib/fail.h"

#define BATCH    2048 /* entries read at once */
#define WALK_GAP 10   /* seconds from one walk's begin to the next one's */

/* ---- pairs -------------------------------------------------------------- */

static uint32_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint32_t)ts.tv_sec;
}

static int flows_fd(const struct nat *nat)
{
	return bpf_map__fd(nat->skel->maps.nat_flows);
}

static struct nat_tuple reverse(const struct nat_tuple *t)
{
	struct nat_tuple r = { .sport = t->dport,
			       .dport = t->sport,
			       .proto = t->proto };

	memcpy(r.saddr, t->daddr, sizeof(r.saddr));
	memcpy(r.daddr, t->saddr, sizeof(r.daddr));
	return r;
}

/* The other direction's entry. */
static bool find_pair(struct nat *nat, const struct nat_flow *f,
		      struct nat_flow *ret)
{
	struct nat_tuple key = reverse(&f->to);

	return bpf_map_lookup_elem(flows_fd(nat), &key, ret) == 0;
}

/* Return: entries removed. */
static int remove_pair(struct nat *nat, const struct nat_tuple *key,
		       const struct nat_flow *f)
{
	struct nat_tuple pair = reverse(&f->to);
	bool forward = f->flags & NAT_FORWARD;

	return nat_share_drop(nat, forward ? key : &pair,
			      forward ? &pair : key);
}

/* ---- what goes ---------------------------------------------------------- */

static uint32_t idle_limit(uint8_t proto, const struct nat_flow *f)
{
	static const uint32_t tcp[] = {
		[NAT_HALF] = NAT_IDLE_TCP_HALF,
		[NAT_REPLIED] = NAT_IDLE_TCP_REPLIED,
		[NAT_OPEN] = NAT_IDLE_TCP_OPEN,
		[NAT_CLOSING] = NAT_IDLE_TCP_CLOSING,
	};
	uint32_t state = f->state;

	if (proto == IPPROTO_TCP && state == NAT_CLOSING &&
	    f->tcp & NAT_TCP_DOUBT)
		return NAT_IDLE_TCP_OPEN;
	if (proto == IPPROTO_TCP && state == NAT_OPEN &&
	    !(f->tcp & NAT_TCP_SPOKE))
		return NAT_IDLE_TCP_SILENT;
	if (proto == IPPROTO_TCP)
		return state < ARRAY_SIZE(tcp) ? tcp[state]
					       : NAT_IDLE_TCP_CLOSING;
	if (proto == IPPROTO_UDP)
		return state == NAT_OPEN ? NAT_IDLE_UDP_OPEN
					 : NAT_IDLE_UDP_HALF;
	if (proto == IPPROTO_SCTP && state == NAT_REPLIED)
		return NAT_IDLE_SCTP_REPLIED;
	if (proto == IPPROTO_SCTP && state == NAT_OPEN)
		return NAT_IDLE_SCTP_OPEN;
	return NAT_IDLE_OTHER;
}

static bool older(uint32_t now, uint32_t seen, uint32_t limit)
{
	return now > seen && now - seen > limit;
}

static bool is_idle(struct nat *nat, const struct nat_tuple *key,
		    const struct nat_flow *f, uint32_t now)
{
	uint32_t limit = idle_limit(key->proto, f), other;
	struct nat_flow pair;

	if (!older(now, f->seen, limit))
		return false;
	if (!find_pair(nat, f, &pair))
		return true;
	other = idle_limit(key->proto, &pair);
	if (other > limit)
		limit = other;
	return older(now, f->seen, limit) && older(now, pair.seen, limit);
}

/* Does @dst, as found for some port, lead to container @ip?  Of several any: a
 * flow goes on when its container is taken off the list. */
static bool leads_to(const struct nat *nat, const struct sock_dst *dst,
		     const __u32 ip[4])
{
	__u32 v4[4] = { 0, 0, htonl(0xffff), dst->at };
	struct sock_ip6 v6;

	if (sock_dst_kind(dst) == SOCK_TO_IP4)
		return dst->at && nat_same(ip, v4);
	if (sock_dst_kind(dst) == SOCK_TO_IP6)
		return bpf_map_lookup_elem(
			       bpf_map__fd(nat->skel->maps.sock_ip6), &dst->at,
			       &v6) == 0 &&
		       nat_same(ip, v6.addr);
	return sock_dst_kind(dst) == SOCK_TO_POOL;
}

/* Where @p's port leads, on the address that is in it. */
static bool find_port(const struct nat *nat, const struct sock_prefix *p,
		      struct sock_dst *ret)
{
	struct sock_span span;

	if (bpf_map_lookup_elem(bpf_map__fd(nat->skel->maps.sock_pub), &p->key,
				ret) == 0)
		return true;
	if (bpf_map_lookup_elem(bpf_map__fd(nat->skel->maps.sock_range), p,
				&span) < 0)
		return false;
	*ret = span.dst;
	return true;
}

/* On any address, which is in it. */
static bool find_any(const struct nat *nat, const struct sock_prefix *p,
		     struct sock_dst *ret)
{
	const struct sock_entry e = { .key = *p };
	__u32 at = sock_entry_index(&e);

	if (p->key.proto != IPPROTO_SCTP &&
	    bpf_map_lookup_elem(bpf_map__fd(nat->skel->maps.sock_any), &at,
				ret) == 0 &&
	    sock_dst_kind(ret))
		return true;
	return find_port(nat, p, ret);
}

/* Is the port that the flow came by still published to that container? */
static bool is_published(const struct nat *nat, const struct nat_tuple *key,
			 const struct nat_flow *f)
{
	struct nat_ends e = nat_ends_of(key, f);
	struct sock_prefix p = { .bits = SOCK_KEY_BITS + 16,
				 .key = { .proto = key->proto,
					  .port = e.host_port } };
	bool v4 =
		e.host[0] == 0 && e.host[1] == 0 && e.host[2] == htonl(0xffff);
	struct sock_dst dst;

	memcpy(p.key.addr, e.host, 16);
	if (find_port(nat, &p, &dst))
		return leads_to(nat, &dst, e.container);
	if (v4)
		p.key.addr[3] = 0;
	else
		memset(p.key.addr, 0, 16);
	return find_any(nat, &p, &dst) && leads_to(nat, &dst, e.container);
}

/* Has the flow lost its endpoint or its port? */
static bool is_orphan(const struct nat *nat, const struct nat_tuple *key,
		      const struct nat_flow *f)
{
	bool from = f->flags & NAT_MASQ ? f->flags & NAT_FORWARD
					: !(f->flags & NAT_FORWARD);
	struct nat_ep ep;

	/* the container sends what is masqueraded, and answers the rest */
	if (bpf_map_lookup_elem(bpf_map__fd(nat->skel->maps.nat_ep),
				from ? key->saddr : f->to.daddr, &ep) < 0)
		return true;
	/* who gets it is gone, or another one by now, with the same address */
	if ((f->flags & NAT_PEER) &&
	    (bpf_map_lookup_elem(bpf_map__fd(nat->skel->maps.nat_ep),
				 f->to.daddr, &ep) < 0 ||
	     ep.ifindex != f->ifindex))
		return true;
	return !(f->flags & NAT_MASQ) && !is_published(nat, key, f);
}

/* ---- walking ------------------------------------------------------------ */

struct batch {
	struct nat_tuple *keys; /* owned, and so are the flows */
	struct nat_flow *flows;
	uint32_t room, count;
};

static void batch_fini(struct batch *b)
{
	free(b->keys);
	free(b->flows);
}

static int batch_init(struct batch *b, uint32_t room, struct err *err)
{
	struct nat_tuple *keys = reallocarray(b->keys, room, sizeof(*keys));
	struct nat_flow *flows;

	if (keys)
		b->keys = keys;
	flows = reallocarray(b->flows, room, sizeof(*flows));
	if (flows)
		b->flows = flows;
	if (!keys || !flows)
		return err_set(err, -ENOMEM, "flows: out of memory");
	b->room = room;
	return 0;
}

/* The next entries of a map. Return: 1: there are more; 0: that was all. */
static int batch_read(struct nat *nat, struct batch *b, bool *begun,
		      uint32_t *at, struct err *err)
{
	for (;;) {
		uint32_t next = 0;
		int r;

		b->count = b->room;
		r = bpf_map_lookup_batch(flows_fd(nat), *begun ? at : NULL,
					 &next, b->keys, b->flows, &b->count,
					 NULL);
		if (r == -ENOSPC) { /* a bucket with more than fits */
			r = batch_init(b, b->room * 2, err);
			if (r < 0)
				return r;
			continue;
		}
		if (r < 0 && r != -ENOENT)
			return err_set(err, r, "flows: %s", strerror(-r));
		*at = next;
		*begun = true;
		return r == 0;
	}
}

/* No flow since a walk that found none? */
static bool known_empty(struct nat *nat)
{
	uint64_t flows;

	return nat->walk.empty && nat_count_flows(nat, &flows, NULL) == 0 &&
	       flows == nat->walk.before;
}

/* @filters NULL: all of them.  @again: what was made since by who has address or
 * port now stays. */
static int forget_now(struct nat *nat, struct nat_filters *filters, bool again,
		      struct err *err)
{
	_cleanup_(batch_fini) struct batch b = { 0 };
	int r = batch_init(&b, BATCH, err), n = 0;
	uint64_t flows = 0, seen = 0;
	bool begun = false;
	uint32_t at = 0;

	if (r >= 0)
		r = nat_count_flows(nat, &flows, err);
	if (r < 0)
		return r;
	do {
		r = batch_read(nat, &b, &begun, &at, err);
		if (r < 0)
			return r;
		seen += b.count;
		for (uint32_t i = 0; i < b.count; i++)
			if ((!filters || nat_filters_match(filters, &b.keys[i],
							   &b.flows[i])) &&
			    (!again || is_orphan(nat, &b.keys[i], &b.flows[i])))
				n += remove_pair(nat, &b.keys[i], &b.flows[i]);
	} while (r > 0);
	/* looking through an empty map takes half a millisecond: not again */
	if (seen == 0 && !nat->walk.recheck) {
		nat->walk.empty = true;
		nat->walk.before = flows;
	}
	return n;
}

static int forget(struct nat *nat, const struct nat_filter *list, size_t count,
		  bool again, struct err *err)
{
	_cleanup_(nat_filters_fini) struct nat_filters filters = { 0 };
	int r;

	if (known_empty(nat))
		return 0;
	r = nat_filters_make(list, count, &filters, err);
	return r < 0 ? r : forget_now(nat, &filters, again, err);
}

int nat_flow_forget(struct nat *nat, const struct nat_filter *filters,
		    size_t count, struct err *err)
{
	struct nat_filter *again;
	int r = FAILPOINT("nat.flow.forget");

	if (r < 0)
		return err_set(err, r, "test: nat.flow.forget");
	if (count == 0 || !nat->skel)
		return 0;
	again = reallocarray(nat->again, nat->again_count + count,
			     sizeof(*again));
	if (again) {
		memcpy(&again[nat->again_count], filters,
		       count * sizeof(*again));
		nat->again = again;
		nat->again_count += count;
	}
	return forget(nat, filters, count, false, err);
}

int nat_flow_clear(struct nat *nat, struct err *err)
{
	return known_empty(nat) ? 0 : forget_now(nat, NULL, false, err);
}

void nat_flow_recheck(struct nat *nat)
{
	nat->walk.recheck = true;
	nat->walk.empty = false;
}

/* ---- idle ones ---------------------------------------------------------- */

static int begin_walk(struct nat *nat, uint32_t now, struct err *err)
{
	struct nat_walk *w = &nat->walk;
	int r = nat_count_flows(nat, &w->flows, err);

	if (r < 0)
		return r;
	w->running = true;
	w->begun = false;
	w->entries = w->established = 0;
	w->started = now;
	w->checking = w->recheck;
	w->recheck = false;
	return 0;
}

/* Return: entries removed. */
static int judge(struct nat *nat, const struct nat_tuple *key,
		 const struct nat_flow *f, uint32_t now)
{
	const struct nat_walk *w = &nat->walk;

	if (is_idle(nat, key, f, now) ||
	    (w->checking && is_orphan(nat, key, f)))
		return remove_pair(nat, key, f);
	return 0;
}

static void end_walk(struct nat_walk *w)
{
	w->running = false;
	w->empty = w->entries == 0;
	w->before = w->flows;
}

bool nat_is_crowded(bool was, uint64_t entries, uint32_t max, bool all)
{
	if (entries * 100 > (uint64_t)max * NAT_CROWDED)
		return true;
	return was && !(all && entries * 100 < (uint64_t)max * NAT_ROOMY);
}

static void look_at_room(struct nat *nat)
{
	const struct nat_walk *w = &nat->walk;

	nat->crowded = nat_is_crowded(nat->crowded, w->established,
				      nat_flow_room(nat), !w->running);
}

bool nat_flow_crowded(const struct nat *nat)
{
	return nat->crowded;
}

uint32_t nat_flow_room(const struct nat *nat)
{
	return nat->skel ? bpf_map__max_entries(nat->skel->maps.nat_flows) -
				   2 * bpf_map__max_entries(
					       nat->skel->maps.nat_ring)
			 : 0;
}

static int walk_on(struct nat *nat, uint32_t bound, uint32_t now,
		   struct err *err)
{
	_cleanup_(batch_fini) struct batch b = { 0 };
	struct nat_walk *w = &nat->walk;
	uint32_t done = 0;
	int r = batch_init(&b, BATCH < bound ? BATCH : bound, err), n = 0;

	while (r >= 0 && w->running && done < bound) {
		r = batch_read(nat, &b, &w->begun, &w->at, err);
		if (r < 0)
			break;
		for (uint32_t i = 0; i < b.count; i++) {
			int gone = judge(nat, &b.keys[i], &b.flows[i], now);

			n += gone;
			w->established += b.flows[i].state == NAT_OPEN && !gone;
		}
		done += b.count;
		w->entries += b.count;
		if (r == 0)
			end_walk(w);
	}
	look_at_room(nat);
	return r < 0 ? r : n;
}

int nat_flow_tick(struct nat *nat, uint32_t bound, struct err *err)
{
	struct nat_walk *w = &nat->walk;
	uint32_t now = now_s();
	int r = 0, n = 0;

	if (!nat->skel)
		return 0;
	if (nat->aside)
		n = nat_flow_clear(nat, err); /* one made meanwhile */
	else if (nat->again_count)
		n = forget(nat, nat->again, nat->again_count, true, err);
	if (n < 0)
		return n;
	free(take_ptr(nat->again));
	nat->again_count = 0;
	if (nat->aside)
		return n;
	if (!w->running && !known_empty(nat) &&
	    (!w->started || w->recheck || now - w->started >= WALK_GAP))
		r = begin_walk(nat, now, err);
	if (r == 0 && w->running)
		r = walk_on(nat, bound, now, err);
	return r < 0 ? r : n + r;
}
