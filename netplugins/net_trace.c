/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /Berth.Trace: packets that the dataplane's programs drop, as they do. */
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dataplane/dataplane.h"
#include "dataplane/ebpf/trace.h"
#include "lib/rpc.h"
#include "netplugins/net_api.h"
#include "netplugins/net_core.h"

#define WAIT_MAX_MS 2000
#define EVENTS_MAX  500 /* an answer */

struct trace_req {
	uint32_t wait_ms;
};

static const struct jdec_field trace_fields[] = {
	JDEC_FIELD("WaitMs", JDEC_U32, struct trace_req, wait_ms, 0),
	{ 0 },
};

struct events {
	json_object *list; /* owned */
	int64_t to_wall_ns;
	bool failed;
};

static void end_text(const struct ip_addr *ip, uint16_t port, char *buf,
		     size_t size)
{
	char text[IP_STR_MAX];

	ip_str(ip, text);
	if (!port)
		snprintf(buf, size, "%s", text);
	else
		snprintf(buf, size,
			 ip->family == AF_INET6 ? "[%s]:%u" : "%s:%u", text,
			 port);
}

static const char *kind_text(const struct trace_drop *d, char buf[static 16])
{
	if (d->ethertype == ETH_P_ARP)
		return "arp";
	if (ip_is_none(&d->src)) {
		snprintf(buf, 16, "0x%04x", d->ethertype);
		return buf;
	}
	switch (d->proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "icmp";
	default:
		snprintf(buf, 16, "ip/%u", d->proto);
		return buf;
	}
}

static void add_event(void *ctx, const struct trace_drop *d)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	char src[IP_STR_MAX + 8], dst[IP_STR_MAX + 8], mac[MAC_STR_MAX];
	struct events *ev = ctx;
	char kind[16];

	end_text(&d->src, d->sport, src, sizeof(src));
	end_text(&d->dst, d->dport, dst, sizeof(dst));
	if (!o ||
	    !net_put_int(o, "TimeNs",
			 (uint64_t)((int64_t)d->time_ns + ev->to_wall_ns)) ||
	    !net_put_str(o, "Interface", d->ifname) ||
	    !net_put_str(o, "Where", d->where) ||
	    !net_put_str(o, "Why", d->why) ||
	    !net_put_str(o, "Kind", kind_text(d, kind)) ||
	    !net_put_str(o, "MAC", mac_str(&d->smac, mac)) ||
	    !net_put_str(o, "From", src) || !net_put_str(o, "To", dst) ||
	    !net_put_int(o, "Length", d->len) ||
	    json_object_array_add(ev->list, o) < 0)
		ev->failed = true;
	else
		o = NULL; /* the list's */
}

static int64_t wall_minus_monotonic_ns(void)
{
	struct timespec wall, mono;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	return ((int64_t)wall.tv_sec - (int64_t)mono.tv_sec) * 1000000000 +
	       wall.tv_nsec - mono.tv_nsec;
}

int net_on_trace(void *ctx, struct rpc_call *call, json_object **ret,
		 struct err *err)
{
	struct events ev = { .to_wall_ns = wall_minus_monotonic_ns() };
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	struct trace_req req = { 0 };
	struct net_core *core = ctx;
	uint64_t lost = 0;
	int r = jdec_object(call->body, trace_fields, &req, err);

	if (r < 0)
		return r;
	if (req.wait_ms > WAIT_MAX_MS)
		return err_set(err, -EINVAL, "WaitMs: not in 0..%u",
			       WAIT_MAX_MS);
	if (!core->driver->trace)
		return err_set(err, -EOPNOTSUPP, "%s has nothing to trace",
			       core->driver->name);
	ev.list = json_object_new_array();
	if (!o || !ev.list || !net_put(o, "Events", ev.list))
		return err_set(err, -ENOMEM, "answer");
	r = core->driver->trace(core->host, req.wait_ms, EVENTS_MAX, add_event,
				&ev, &lost, err);
	if (r < 0)
		return r;
	if (ev.failed || !net_put_int(o, "Lost", lost))
		return err_set(err, -ENOMEM, "answer");
	*ret = take_ptr(o);
	return 0;
}
