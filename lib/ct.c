/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conntrack entries: one look at all, matched here, deleted one by one.
 *
 * Netlink's dump locks each of the table's buckets: 13 ms for 262,144 of them,
 * however few the entries.  /proc/net/nf_conntrack does not lock: 0.2 ms, but
 * each read starts over, so it is for short tables only, and not every kernel
 * has it.
 *
 * A port published on "any address" must not take with it what this host's
 * containers have open to the same port elsewhere (every https connection,
 * when 443 is published): so the original destination has to be an address of
 * this host, which the routing table tells.
 */
#include "lib/ct.h"

#include <errno.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/ct_text.h"
#include "lib/netns.h"
#include "lib/nlk.h"

#define TEXT_MAX 1000 /* entries: above that the dump is the quicker way */

static void nfct_closep(struct nfct_handle **h)
{
	if (*h)
		nfct_close(*h);
}

struct flush {
	const struct ct_filter *filters;
	size_t count;
	uint8_t ports[65536 / 8]; /* bit set: some filter wants the port */
	struct nlk *nlk;          /* opened when first needed */
	struct ip_addr last_dst;  /* memo of is_local() */
	bool last_local;
	struct nf_conntrack **found; /* owned, each */
	size_t found_count, room;
	int failed;
};

static void flush_free(struct flush *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->found_count; i++)
		nfct_destroy(f->found[i]);
	free(f->found);
	nlk_close(f->nlk);
	free(f);
}
DEFINE_CLEANUP(struct flush, flush_free)

static void mark_ports(struct flush *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct ct_filter *w = &f->filters[i];

		if (!w->first && !w->last) {
			memset(f->ports, 0xff, sizeof(f->ports));
			return;
		}
		for (unsigned int p = w->first; p <= w->last; p++)
			f->ports[p / 8] |= (uint8_t)(1u << (p % 8));
	}
}

static struct ip_addr addr_of(const struct nf_conntrack *ct,
			      enum nf_conntrack_attr v4,
			      enum nf_conntrack_attr v6)
{
	bool four = nfct_get_attr_u8(ct, ATTR_ORIG_L3PROTO) == AF_INET;
	const void *bytes = nfct_get_attr(ct, four ? v4 : v6);
	struct ip_addr ip = { 0 };

	if (!bytes)
		return ip;
	ip.family = four ? AF_INET : AF_INET6;
	memcpy(ip.bytes, bytes, four ? 4 : 16);
	return ip;
}

static bool is_local(struct flush *f, const struct ip_addr *ip)
{
	struct nlk_route route = { 0 };

	if (ip_equal(ip, &f->last_dst))
		return f->last_local;
	if (!f->nlk && nlk_open(&f->nlk, NULL) < 0)
		return false;
	f->last_dst = *ip;
	f->last_local = nlk_route_lookup(f->nlk, ip, &route, NULL) == 0 &&
			route.type == RTN_LOCAL;
	return f->last_local;
}

static bool matches(struct flush *f, const struct ct_filter *w,
		    const struct nf_conntrack *ct, uint16_t port)
{
	struct ip_addr dst, src;

	if (w->proto && w->proto != nfct_get_attr_u8(ct, ATTR_ORIG_L4PROTO))
		return false;
	if ((w->first || w->last) && (port < w->first || port > w->last))
		return false;
	dst = addr_of(ct, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST);
	if (ip_is_any(&w->orig_dst) ? dst.family != w->orig_dst.family
				    : !ip_is_none(&w->orig_dst) &&
					      !ip_equal(&dst, &w->orig_dst))
		return false;
	if (!ip_is_none(&w->reply_src)) {
		src = addr_of(ct, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC);
		return ip_equal(&src, &w->reply_src);
	}
	return !(ip_is_none(&w->orig_dst) || ip_is_any(&w->orig_dst)) ||
	       is_local(f, &dst);
}

static bool wanted(struct flush *f, const struct nf_conntrack *ct)
{
	uint16_t port = ntohs(nfct_get_attr_u16(ct, ATTR_ORIG_PORT_DST));

	if (!(f->ports[port / 8] & (1u << (port % 8))))
		return false;
	for (size_t i = 0; i < f->count; i++)
		if (matches(f, &f->filters[i], ct, port))
			return true;
	return false;
}

static int keep(struct flush *f, struct nf_conntrack *ct)
{
	if (f->found_count == f->room) {
		size_t room = f->room ? f->room * 2 : 64;
		void *p = reallocarray(f->found, room, sizeof(f->found[0]));

		if (!p)
			return -ENOMEM;
		f->found = p;
		f->room = room;
	}
	f->found[f->found_count++] = ct;
	return 0;
}

/* Entries are deleted after the dump: it runs on this very socket. */
static int on_entry(enum nf_conntrack_msg_type type, struct nf_conntrack *ct,
		    void *data)
{
	struct flush *f = data;

	(void)type;
	if (f->failed || !wanted(f, ct))
		return NFCT_CB_CONTINUE;
	f->failed = keep(f, ct);
	return f->failed ? NFCT_CB_CONTINUE : NFCT_CB_STOLEN;
}

static void fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* Return: true when all were seen. */
static bool look_at_text(struct flush *f)
{
	_cleanup_(fclosep) FILE *file =
		fopen("/proc/thread-self/net/nf_conntrack", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	if (!file)
		return false;
	while (f->failed == 0 && getline(&line, &room, file) > 0) {
		struct nf_conntrack *ct = ct_text_parse(line);

		if (!ct)
			continue;
		if (wanted(f, ct)) {
			ct_text_complete(ct);
			f->failed = keep(f, ct);
			if (f->failed == 0)
				continue;
		}
		nfct_destroy(ct);
	}
	return !ferror(file);
}

/* The count of this namespace; the table itself is everybody's. */
static unsigned long tracked(void)
{
	char buf[32];
	int r = sysctl_get("net/netfilter/nf_conntrack_count", buf, sizeof(buf),
			   NULL);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? ULONG_MAX : strtoul(buf, NULL, 10);
}

static int delete_found(struct nfct_handle *h, struct flush *f, struct err *err)
{
	int n = 0;

	for (size_t i = 0; i < f->found_count; i++) {
		if (nfct_query(h, NFCT_Q_DESTROY, f->found[i]) == 0)
			n++;
		else if (errno != ENOENT) /* gone meanwhile */
			return err_set(err, -errno,
				       "connection tracking: delete: %s",
				       strerror(errno));
	}
	return n;
}

int ct_flush(const struct ct_filter *filters, size_t count, struct err *err)
{
	_cleanup_(flush_freep) struct flush *f = NULL;
	_cleanup_(nfct_closep) struct nfct_handle *h = NULL;
	const uint32_t family = AF_UNSPEC;
	unsigned long entries = count ? tracked() : 0;

	if (entries == 0)
		return 0;
	f = calloc(1, sizeof(*f));
	if (!f)
		return err_set(err, -ENOMEM,
			       "connection tracking: out of memory");
	f->filters = filters;
	f->count = count;
	mark_ports(f);
	h = nfct_open(NFNL_SUBSYS_CTNETLINK, 0);
	if (!h)
		return err_set(err, -errno, "connection tracking: %s",
			       strerror(errno));
	nfct_callback_register(h, NFCT_T_ALL, on_entry, f);
	if ((entries > TEXT_MAX || !look_at_text(f)) &&
	    nfct_query(h, NFCT_Q_DUMP, &family) < 0)
		return err_set(err, -errno, "connection tracking: list: %s",
			       strerror(errno));
	if (f->failed)
		return err_set(err, f->failed,
			       "connection tracking: out of memory");
	return delete_found(h, f, err);
}

int ct_flush_port(uint8_t proto, const struct ip_addr *orig_dst, uint16_t first,
		  uint16_t last, struct err *err)
{
	struct ct_filter w = { .proto = proto, .first = first, .last = last };

	if (orig_dst)
		w.orig_dst = *orig_dst;
	return ct_flush(&w, 1, err);
}

int ct_flush_addr(const struct ip_addr *ip, struct err *err)
{
	struct ct_filter w = { .reply_src = *ip };

	return ct_flush(&w, 1, err);
}
