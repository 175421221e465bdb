// SPDX-License-Identifier: GPL-2.0-or-later
/* What we say ourselves: names of networks and of their addresses. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runtime/names/serve_priv.h"

bool serve_may_ask(const struct serve_net *net, const struct ip_addr *who)
{
	for (size_t i = 0; i < ARRAY_SIZE(net->subnet); i++)
		if (!ip_is_none(&net->subnet[i].addr) &&
		    ip_prefix_contains(&net->subnet[i], who))
			return true;
	return false;
}

/* This host, by its address in the first of the networks where it has one of that family:
 * what Docker calls host.docker.internal.  Nobody else can be called so.  Return: how many
 * there are; -ENOENT: the host has no address in any. */
static int find_host(const struct serve_scope *scope, int family,
		     struct ip_addr *ret)
{
	int r = -ENOENT;

	for (size_t i = 0; i < scope->count; i++)
		for (size_t k = 0; k < ARRAY_SIZE(scope->nets[i].gateway);
		     k++) {
			const struct ip_addr *a = &scope->nets[i].gateway[k];

			if (ip_is_none(a))
				continue;
			r = 0;
			if (a->family == family) {
				*ret = *a;
				return 1;
			}
		}
	return r;
}

/* "web.shop" is "web" where shop is the network's domain.  Return: as names_find(). */
static int find(struct names *names, const struct serve_net *net,
		const char *name, int family, struct ip_addr *ret)
{
	int r = names_find(names, net->net, name, family, ret, ADDRS_MAX);
	size_t len = strlen(name), tail = strlen(net->domain);
	char head[NAMES_NAME_MAX];

	if (r != -ENOENT || !tail || len <= tail + 1 ||
	    name[len - tail - 1] != '.' ||
	    strcasecmp(name + len - tail, net->domain) != 0)
		return r;
	memcpy(head, name, len - tail - 1);
	head[len - tail - 1] = '\0';
	return names_find(names, net->net, head, family, ret, ADDRS_MAX);
}

/* Each question begins with another, so that clients which take the first are
 * spread. */
static void rotate(struct ip_addr *a, size_t n, uint16_t by)
{
	struct ip_addr first;

	for (size_t k = n > 1 ? by % n : 0; k; k--) {
		first = a[0];
		memmove(a, a + 1, (n - 1) * sizeof(*a));
		a[n - 1] = first;
	}
}

static int answer_name(struct names *names, const struct serve_scope *scope,
		       const uint8_t *msg, const struct wire_query *q,
		       uint8_t *buf, size_t max)
{
	struct wire_answer a = { .ours = true, .forwards = scope->forwards };
	struct ip_addr addrs[ADDRS_MAX];
	int family = q->type == WIRE_AAAA ? AF_INET6 : AF_INET;
	bool host = strcasecmp(q->name, NAMES_HOST) == 0;
	int n = host ? find_host(scope, family, addrs) : -ENOENT;

	for (size_t i = 0; !host && n < 0 && i < scope->count; i++)
		n = find(names, &scope->nets[i], q->name, family, addrs);
	if (n < 0 && !host)
		return 0;
	if (n < 0)
		a.rcode = WIRE_NXDOMAIN; /* nobody outside knows it */
	/* Of other types the name has nothing, and the outside is not asked. */
	if (n >= 0 && (q->type == WIRE_A || q->type == WIRE_AAAA)) {
		a.count = n < ADDRS_MAX ? (size_t)n : ADDRS_MAX;
		a.addrs = addrs;
		rotate(addrs, a.count, q->id); /* ids are random */
	}
	return wire_answer_build(msg, q, &a, buf, max);
}

/* All addresses of its subnets are the network's own: nobody else knows them. */
static int answer_reverse(struct names *names, const struct serve_scope *scope,
			  const uint8_t *msg, const struct wire_query *q,
			  uint8_t *buf, size_t max)
{
	struct wire_answer a = { .ours = true, .forwards = scope->forwards };
	char name[NAMES_NAME_MAX], full[2 * NAMES_NAME_MAX];
	const struct serve_net *net = scope->nets;
	const struct serve_net *end = net + scope->count;
	struct ip_addr addr;

	if (wire_ptr_addr(q->name, &addr) < 0)
		return 0;
	while (net < end && !serve_may_ask(net, &addr))
		net++;
	if (net == end)
		return 0;
	if (names_reverse(names, net->net, &addr, name) < 0) {
		a.rcode = WIRE_NXDOMAIN;
	} else if (q->type == WIRE_PTR) {
		snprintf(full, sizeof(full), "%s%s%s", name,
			 *net->domain ? "." : "", net->domain);
		a.ptr = strlen(full) < NAMES_NAME_MAX ? full : name;
	}
	return wire_answer_build(msg, q, &a, buf, max);
}

int serve_refuse(const uint8_t *msg, const struct wire_query *q,
		 enum wire_rcode rcode, uint8_t *buf)
{
	struct wire_answer a = { .rcode = rcode };
	int n = wire_answer_build(msg, q, &a, buf, WIRE_UDP_MIN);

	return n > 0 ? n : -EBADMSG;
}

int serve_answer(struct names *names, const struct serve_scope *scope,
		 const uint8_t *msg, size_t len, bool tcp,
		 struct wire_query *ret_q, uint8_t *buf)
{
	int n, r = wire_query_parse(msg, len, ret_q);
	size_t max;

	if (r < 0)
		return -EBADMSG;
	max = tcp ? WIRE_MSG_MAX : ret_q->udp_size;
	if (r > 0)
		return serve_refuse(msg, ret_q, (enum wire_rcode)r, buf);
	n = answer_name(names, scope, msg, ret_q, buf, max);
	if (n == 0)
		n = answer_reverse(names, scope, msg, ret_q, buf, max);
	if (n == 0 && !scope->forwards)
		return serve_refuse(msg, ret_q, WIRE_REFUSED, buf);
	if (n < 0)
		return serve_refuse(msg, ret_q, WIRE_SERVFAIL, buf);
	return n;
}
