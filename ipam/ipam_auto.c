/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pools that nobody asked for by name: the first of the default lists that
 * overlaps no pool, no route or address of this host, and none of its name
 * servers.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "ipam/ipam_priv.h"
#include "ipam/num.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* ---- the lists ------------------------------------------------------------ */

/* Docker's own. */
static const char default_v4[] =
	"172.17.0.0/16:16,172.18.0.0/15:16,172.20.0.0/14:16,172.24.0.0/13:16,"
	"192.168.0.0/16:20";
/* Of a /48 of this host (RFC 4193). */
#define ULA_BITS    48
#define ULA_SUBNETS 64

static int add_one(struct ipam_config *config, char *text, struct err *err)
{
	char *colon = strrchr(text, ':'), *slash = strchr(text, '/'), *end;
	struct ipam_default *d = &config->defaults[config->count];
	unsigned long size;
	unsigned int max;
	int r;

	if (config->count == IPAM_DEFAULTS_MAX)
		return err_set(err, -EINVAL, "more than %d default pools",
			       IPAM_DEFAULTS_MAX);
	if (!colon || !slash || colon < slash)
		return err_set(err, -EINVAL,
			       "\"%s\" is no default pool: write "
			       "10.0.0.0/8:24, a prefix and how long those cut "
			       "from it are",
			       text);
	*colon = '\0';
	r = ip_prefix_parse(text, &d->from, err);
	if (r < 0)
		return r;
	size = strtoul(colon + 1, &end, 10);
	max = d->from.addr.family == AF_INET ? 30 : 126;
	if (end == colon + 1 || *end || colon[1] == '-' || !d->from.len ||
	    size < d->from.len || size > max)
		return err_set(err, -EINVAL,
			       "\"%s\" can't be cut into pools of /%s: between "
			       "/%u and /%u",
			       text, colon + 1, d->from.len ? d->from.len : 1,
			       max);
	d->from.addr = ip_prefix_first(&d->from);
	d->size = (uint8_t)size;
	config->count++;
	return 0;
}

int ipam_config_add(struct ipam_config *config, const char *text,
		    struct err *err)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *one;
	int r = 0;

	if (!copy)
		return ipam_no_memory(err);
	while (r == 0 && (one = strsep(&rest, ",")))
		r = add_one(config, one, err);
	return r;
}

/* ---- this host's /48 ------------------------------------------------------ */

static int ula_make(struct ipam_core *core, struct err *err)
{
	struct ipam_record rec = { .pool = { .addr = { .family = AF_INET6 },
					     .len = ULA_BITS } };
	int r;

	rec.pool.addr.bytes[0] = 0xfd;
	if (getrandom(rec.pool.addr.bytes + 1, 5, 0) != 5)
		return err_set(err, -errno, "no random numbers: %s",
			       strerror(errno));
	ipam_now(rec.time);
	r = ipam_put(core->d->state, HOST_KIND, HOST_ULA, "", &rec, err);
	if (r == 0)
		core->ula = rec.pool;
	return r;
}

static int ula_get(struct ipam_core *core, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct ipam_record rec;
	struct err why = { 0 };
	int r;

	if (!ip_is_none(&core->ula.addr))
		return 0;
	r = store_get(core->d->state, HOST_KIND, HOST_ULA, &text, &why);
	if (r == -ENOENT)
		return ula_make(core, err);
	if (r == 0)
		r = ipam_record_parse(text, &rec, &why);
	if (r == 0 && rec.pool.addr.family != AF_INET6)
		r = err_set(&why, -EBADMSG, "it is no IPv6 prefix");
	if (r < 0)
		return err_set(err, r, "the record of this host's /48: %s",
			       why.msg);
	core->ula = rec.pool;
	return 0;
}

/* ---- what this host uses --------------------------------------------------- */

struct blockers {
	struct ip_prefix *items; /* owned */
	size_t count, room;
};

static void blockers_fini(struct blockers *b)
{
	free(b->items);
}

static int block(struct blockers *b, const struct ip_prefix *p)
{
	if (b->count == b->room) {
		size_t room = b->room ? b->room * 2 : 32;
		struct ip_prefix *grew =
			reallocarray(b->items, room, sizeof(*grew));

		if (!grew)
			return -ENOMEM;
		b->items = grew;
		b->room = room;
	}
	b->items[b->count++] = *p;
	return 0;
}

static int on_route(void *ctx, const struct nlk_route *r)
{
	if (nlk_is_default(&r->dst) || r->table == RT_TABLE_LOCAL ||
	    (r->type != RTN_UNICAST && r->type != RTN_BLACKHOLE &&
	     r->type != RTN_UNREACHABLE && r->type != RTN_PROHIBIT))
		return 0;
	return block(ctx, &r->dst);
}

static int on_address(void *ctx, int index, const struct ip_prefix *p)
{
	(void)index;
	return block(ctx, p);
}

static int block_resolvers(struct blockers *b)
{
	FILE *f = fopen(RESOLV_CONF, "re");
	char line[256], word[64];
	int r = 0;

	if (!f)
		return 0; /* none to be hidden */
	while (r == 0 && fgets(line, sizeof(line), f)) {
		struct ip_prefix p = { 0 };

		if (sscanf(line, " nameserver %63s", word) != 1 ||
		    ip_parse(word, &p.addr, NULL) < 0)
			continue;
		p.len = (uint8_t)(ip_bytes(&p.addr) * 8);
		r = block(b, &p);
	}
	fclose(f);
	return r;
}

static int look(struct ipam_core *core, int family, struct blockers *b,
		struct err *err)
{
	int r = 0;

	if (!core->nlk)
		r = nlk_open(&core->nlk, err);
	if (r == 0)
		r = nlk_route_each(core->nlk, family, on_route, b, err);
	if (r == 0)
		r = nlk_addr_each(core->nlk, 0, on_address, b, err);
	if (r == 0 && block_resolvers(b) < 0)
		r = ipam_no_memory(err);
	return r;
}

/* ---- the search ------------------------------------------------------------ */

/* What is in the way of @p; NULL: nothing. */
static const struct ip_prefix *in_the_way(struct ipam_core *core,
					  const struct blockers *b,
					  const struct ip_prefix *p)
{
	const struct ipam_net *net = ipam_net_find(core, p);
	const struct ipam_doubt *doubt = ipam_doubt_find(core, p);

	if (net)
		return &net->prefix;
	if (doubt)
		return &doubt->pool;
	for (size_t i = 0; i < b->count; i++)
		if (ip_prefix_overlaps(p, &b->items[i]))
			return &b->items[i];
	return NULL;
}

/* The first of @d that nothing is in the way of.  What is in the way is passed
 * as a whole, so that a /8 is not tried in a million steps. */
static bool search(struct ipam_core *core, const struct blockers *b,
		   const struct ipam_default *d, struct ip_prefix *ret)
{
	uint8_t family = d->from.addr.family;
	struct ip_addr last = ip_prefix_last(&d->from);
	unsigned int bits = ip_bytes(&last) * 8 - d->size;
	runs_num n = num_of(&d->from.addr), end = num_of(&last);

	for (;;) {
		struct ip_prefix p = { .addr = num_to_ip(family, n),
				       .len = d->size };
		const struct ip_prefix *way = in_the_way(core, b, &p);

		if (!way) {
			*ret = p;
			return true;
		}
		if (way->len > d->size)
			way = &p;
		last = ip_prefix_last(way);
		n = (num_of(&last) >> bits) + 1;
		if (n > end >> bits)
			return false;
		n <<= bits;
	}
}

static int try_list(struct ipam_core *core, const struct ipam_config *list,
		    int family, const struct blockers *b, struct ip_prefix *ret)
{
	bool any = false;

	for (unsigned int i = 0; i < list->count; i++) {
		if (list->defaults[i].from.addr.family != family)
			continue;
		any = true;
		if (search(core, b, &list->defaults[i], ret))
			return 0;
	}
	return any ? -ENOSPC : -ENOENT;
}

int ipam_auto_choose(struct ipam_core *core, bool v6, struct ip_prefix *ret,
		     struct err *err)
{
	_cleanup_(blockers_fini) struct blockers b = { 0 };
	struct ipam_config own = { 0 };
	int family = v6 ? AF_INET6 : AF_INET;
	int r = look(core, family, &b, err);

	if (r < 0)
		return r;
	r = try_list(core, &core->config, family, &b, ret);
	if (r == -ENOENT) { /* none configured */
		r = v6 ? ula_get(core, err)
		       : ipam_config_add(&own, default_v4, err);
		if (r < 0)
			return r;
		if (v6) {
			own.count = 1;
			own.defaults[0] =
				(struct ipam_default){ .from = core->ula,
						       .size = ULA_SUBNETS };
		}
		r = try_list(core, &own, family, &b, ret);
	}
	if (r < 0)
		return err_set(err, -ENOSPC,
			       "all default pools are in use by networks or "
			       "overlap routes of this host: give --subnet, "
			       "or start %s with more of --default-pool",
			       core->d->prog->name);
	return 0;
}

int ipam_auto_in_use(struct ipam_core *core, const struct ip_prefix *p,
		     bool *ret, struct err *err)
{
	_cleanup_(blockers_fini) struct blockers b = { 0 };
	int r = look(core, p->addr.family, &b, err);

	if (r == 0)
		*ret = in_the_way(core, &b, p);
	return r;
}
