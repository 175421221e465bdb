// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whose host ports are: what is published claims its own, those that are live each
 * by itself.
 */
#include <string.h>

#include "dataplane/dp_priv.h"
#include "lib/fail.h"

struct own_ctx {
	const struct dp *dp;
	const char *endpoint;
	const struct portmap *mine;    /* of the same publish; or NULL */
	const struct port_range *self; /* of .mine */
};

int dp_publish_clash(const struct dp *dp, const struct port_range *r,
		     const char *except, struct err *err)
{
	uint16_t port = 0;
	const struct state_row *row = state_clash(&dp->st, r, except, &port);
	char ip[IP_STR_MAX];

	if (!row)
		return 0;
	ip_str(&r->host_ip, ip);
	return err_set(err, -EADDRINUSE,
		       "host port %s%s%u/%s is published by endpoint %.12s of "
		       "network %.12s: remove that container or publish "
		       "another port",
		       ip, ip[0] ? " " : "", port, proto_name(r->proto),
		       row->id, state_row_network(row));
}

/* Another of the same publish: its claim does not refuse us. */
static int check_mine(const struct own_ctx *own, const struct port_range *r,
		      struct err *err)
{
	char text[128];

	for (size_t i = 0; own->mine && i < own->mine->count; i++) {
		const struct port_range *o = &own->mine->ranges[i];

		if (o == own->self || !port_range_meets(o, r))
			continue;
		return err_set(err, -EADDRINUSE,
			       "host port %u/%s is this container's already: "
			       "%s",
			       r->host_first, proto_name(r->proto),
			       port_range_str(o, text, sizeof(text)));
	}
	return 0;
}

static int own_check(void *ctx, const struct port_range *r, struct err *err)
{
	const struct own_ctx *own = ctx;
	int code = check_mine(own, r, err);

	if (code == 0)
		code = dp_publish_clash(own->dp, r, own->endpoint, err);
	return code < 0 ? code : dp_service_clash(own->dp, r, NULL, err);
}

/* Claim @p's range @r, which is live, and hang that behind @p->claim. */
static int hold_live(struct dp *dp, struct state_pub *p, struct port_range *r,
		     struct err *err)
{
	struct own_ctx own = { dp, p->id, &p->pub.ports, r };
	struct portmap one = { 0 };
	struct claim *c = NULL;
	int code = portmap_append(&one, r, err);

	if (code == 0)
		code = claim_take(&dp->host, &one, own_check, &own, &c, err);
	if (code == 0) {
		r->host_first = one.ranges[0].host_first;
		claim_add(p->claim, c, r);
	}
	portmap_free(&one);
	return code;
}

/* Those that are told before those to be chosen. */
int dp_hold_live(struct dp *dp, struct state_pub *p, const struct portmap *had,
		 struct err *err)
{
	int r = 0;

	for (int chosen = 0; r == 0 && chosen < 2; chosen++) {
		for (size_t i = 0; r == 0 && i < p->pub.ports.count; i++) {
			struct port_range *one = &p->pub.ports.ranges[i];

			if (!one->live || (one->host_first == 0) != chosen ||
			    (had && portmap_find(had, one)))
				continue;
			r = hold_live(dp, p, one, err);
		}
	}
	return r;
}

/* @m without those that are live, or those alone. */
static int pick(const struct portmap *m, bool live, struct portmap *to,
		struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->count; i++)
		if (m->ranges[i].live == live)
			r = portmap_append(to, &m->ranges[i], err);
	return r;
}

static int hold_both(struct dp *dp, struct state_pub *p, struct portmap *all,
		     struct err *err)
{
	struct own_ctx own = { .dp = dp, .endpoint = p->id };
	_cleanup_(portmap_free) struct portmap live = { 0 };
	int r = pick(&p->pub.ports, true, &live, err);

	if (r == 0)
		r = pick(&p->pub.ports, false, all, err);
	own.mine = &live;
	if (r == 0)
		r = claim_take(&dp->host, all, own_check, &own, &p->claim, err);
	for (size_t i = 0; r == 0 && i < live.count; i++)
		r = portmap_append(all, &live.ranges[i], err);
	return r;
}

static int hold_all(struct dp *dp, struct state_pub *p, struct err *err)
{
	struct portmap all = { 0 }, before = p->pub.ports;
	int r = hold_both(dp, p, &all, err);

	if (r == 0) {
		p->pub.ports = all;
		r = dp_hold_live(dp, p, NULL, err);
	}
	if (r < 0) {
		claim_free(take_ptr(p->claim));
		p->pub.ports = before;
		portmap_free(&all);
		return r;
	}
	portmap_free(&before);
	return portmap_normalize(&p->pub.ports, err);
}

int dp_hold_ports(struct dp *dp, struct state_pub *p, struct err *err)
{
	bool chosen = true;
	int r;

	if (!p->holds)
		return 0;
	for (size_t i = 0; i < p->pub.ports.count; i++)
		chosen = chosen && p->pub.ports.ranges[i].host_first;
	r = hold_all(dp, p, err);
	if (r < 0 && dp->loading && chosen) {
		if (err)
			err->msg[0] = '\0';
		return 0;
	}
	return r;
}
