/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard's user side: load, pin, attach, keep the map.
 *
 * A port's map entry comes before its programs and goes after them, so that a
 * program never meets a port it does not know.  The skeleton is let go once it
 * is loaded: descriptors of programs and maps are all that is needed.
 */
#include "dataplane/ebpf/guard.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "bpf/guard.skel.h"
#include "dataplane/ebpf/guard_entry.h"
#include "dataplane/ebpf/guard_priv.h"
#include "dataplane/ebpf/guard_rate.h"
#include "dataplane/ebpf/maps.h"
#include "dataplane/ebpf/tc.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "lib/netns.h"

DEFINE_CLEANUP(struct guard_bpf, guard_bpf__destroy)

_Static_assert(sizeof(struct guard_meta) == sizeof(struct maps_meta),
	       "maps_meta");

#define NAME    GUARD_NAME
#define A_ROUND 8 /* ports that a tick looks at */

/* ---- open ----------------------------------------------------------------- */

static struct maps_meta meta_of(const struct guard *g)
{
	return (struct maps_meta){ .netns_cookie = g->cookie,
				   .layout = GUARD_LAYOUT };
}

/* Whose are the pins? */
static int look_at_meta(struct guard *g, struct err *err)
{
	const struct maps_meta ours = meta_of(g);
	int r = maps_owner(g->pins, "guard_meta", &ours, err);

	if (r < 0)
		return r;
	g->foreign = r == MAPS_FOREIGN;
	g->other = r == MAPS_OTHER;
	return 0;
}

bool guard_is_other(const struct guard *g)
{
	return g->other;
}

int guard_open(struct pin_dir *pins, struct guard **ret, struct err *err)
{
	_cleanup_(guard_closep) struct guard *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return err_set(err, -ENOMEM, "guard: out of memory");
	g->pins = pins;
	g->in = g->out = g->wire = -EBADF;
	g->ports_map = g->rates_map = g->ways_map = -EBADF;
	pin_quiet_libbpf();
	r = netns_cookie(&g->cookie, err);
	if (r == 0)
		r = look_at_meta(g, err);
	if (r < 0)
		return err_wrap(err, r, "guard");
	*ret = take_ptr(g);
	return 0;
}

static void let_go(struct guard *g)
{
	int *const fds[] = { &g->in,        &g->out,       &g->wire,
			     &g->ports_map, &g->rates_map, &g->ways_map };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		closep(fds[i]);
		*fds[i] = -EBADF;
	}
	tc_close(take_ptr(g->tc));
}

void guard_close(struct guard *g)
{
	if (!g)
		return;
	let_go(g);
	guard_short_fini(g);
	free(g->ports);
	free(g->others);
	free(g);
}

/* ---- start ---------------------------------------------------------------- */

static int keep_fds(struct guard *g, const struct guard_bpf *skel,
		    struct err *err)
{
	const struct {
		int *to, from;
	} fds[] = {
		{ &g->in, bpf_program__fd(skel->progs.guard_ingress) },
		{ &g->out, bpf_program__fd(skel->progs.guard_egress) },
		{ &g->wire, bpf_program__fd(skel->progs.guard_wire) },
		{ &g->ports_map, bpf_map__fd(skel->maps.guard_port) },
		{ &g->rates_map, bpf_map__fd(skel->maps.guard_rate) },
		{ &g->ways_map, bpf_map__fd(skel->maps.guard_way) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		*fds[i].to = fcntl(fds[i].from, F_DUPFD_CLOEXEC, 3);
		if (*fds[i].to < 0)
			return err_set(err, -errno, "descriptors: %s",
				       strerror(errno));
	}
	return 0;
}

static int load(struct guard *g, struct err *err)
{
	_cleanup_(guard_bpf__destroyp) struct guard_bpf *skel =
		guard_bpf__open();
	const struct maps_meta meta = meta_of(g);
	/* the programs at ports, which work until they are replaced */
	static const char *const programs[] = { NAME "_in_*", NAME "_out_*",
						NULL };
	int r = 0;

	if (!skel)
		return err_set(err, -errno, "open: %s", strerror(errno));
	if (!g->other)
		r = maps_reuse(g->pins, skel->obj, err);
	if (r < 0)
		return r;
	r = guard_bpf__load(skel);
	if (r < 0)
		return err_set(err, r == -EINVAL ? -EOPNOTSUPP : r,
			       "load: %s (Linux 5.12 or later with "
			       "CONFIG_NET_CLS_BPF, CAP_BPF and CAP_NET_ADMIN)",
			       strerror(-r));
	r = maps_mark(skel->maps.guard_meta, &meta, err);
	if (r == 0 && g->other)
		r = maps_replace(g->pins, NAME "_", programs, NULL, skel->obj,
				 err);
	else if (r == 0)
		r = maps_pin(g->pins, skel->obj, err);
	return r < 0 ? r : keep_fds(g, skel, err);
}

int guard_start(struct guard *g, struct err *err)
{
	int r;

	if (g->tc)
		return 0;
	r = pin_make(g->pins, err);
	if (r == 0 && g->foreign)
		r = pin_remove(g->pins, "guard_", err);
	if (r == 0)
		r = FAILPOINT("guard.load");
	if (r == 0)
		r = load(g, err);
	/* clsact: tcx waits for a grace period for each port (tc.h) */
	if (r == 0)
		r = tc_open(g->pins, false, &g->tc, err);
	if (r == 0) {
		g->foreign = g->other = false;
		return 0;
	}
	let_go(g);
	return err_wrap(err, r, "guard of containers' ports");
}

int guard_stop(struct guard *g, struct err *err)
{
	int r = 0;

	/* an earlier daemon's, in this namespace */
	if (!g->tc && !g->foreign)
		r = tc_open(g->pins, false, &g->tc, err);
	if (r == 0 && g->tc)
		r = tc_sweep(g->tc, NAME, NULL, NULL, err);
	if (r >= 0)
		r = pin_remove(g->pins, "guard_", err);
	if (r < 0)
		return err_wrap(err, r, "guard");
	let_go(g);
	guard_short_fini(g);
	g->foreign = g->other = g->loading = false;
	g->count = g->other_count = g->next = 0;
	pin_rmdir(g->pins);
	return 0;
}

/* ---- entries -------------------------------------------------------------- */

static void del_entry(struct guard *g, int ifindex)
{
	__u32 key = (__u32)ifindex;

	(void)bpf_map_delete_elem(g->ports_map, &key);
	guard_rate_del(g->rates_map, ifindex);
}

static struct guard_port entry_of(const struct guard *g, const struct port *p)
{
	struct guard_port v = guard_entry(&p->conf, p->bridge);

	if (guard_short_has(g, p))
		v.flags |= GUARD_SHORT;
	return v;
}

/* The rate is there before its port says so, and goes after it. */
int guard_put_entry(struct guard *g, const struct port *p, struct err *err)
{
	struct guard_port v = entry_of(g, p);
	bool rated = v.flags & GUARD_RATED;
	int r = 0, rate = 0;

	if (rated)
		rate = guard_rate_put(g->rates_map, p->ifindex, &p->conf.rate,
				      err);
	if (rate > 0)
		r = FAILPOINT("guard.rate");
	if (r < 0)
		return err_set(err, r, "test: guard.rate");
	if (rate >= 0)
		r = guard_entry_put(g->ports_map, p->ifindex, &v, err);
	if (!rated && r >= 0)
		rate = guard_rate_put(g->rates_map, p->ifindex, &p->conf.rate,
				      err);
	return rate < 0 ? rate : r < 0 ? r : r || rate;
}

/* ---- ports ---------------------------------------------------------------- */

static struct port *find(struct guard *g, const char *ifname)
{
	for (size_t i = 0; i < g->count; i++)
		if (strcmp(g->ports[i].conf.ifname, ifname) == 0)
			return &g->ports[i];
	return NULL;
}

static struct port *find_index(struct guard *g, int ifindex)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->ports[i].ifindex == ifindex)
			return &g->ports[i];
	return NULL;
}

static int ingress_of(const struct guard *g, const struct guard_conf *c)
{
	return c->ingress >= 0 ? c->ingress : g->in;
}

/* @p: as it shall be.  Return: 1: something was missing; 0; -errno. */
static int attach(struct guard *g, struct port *p, struct err *err)
{
	const struct {
		enum tc_hook hook;
		int prog;
	} want[] = {
		{ TC_IN, ingress_of(g, &p->conf) },
		{ TC_OUT, g->out },
	};
	int changed = 0, r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		r = tc_is_attached(g->tc, NAME, p->ifindex, want[i].hook,
				   want[i].prog, err);
		if (r > 0)
			continue;
		if (r == 0)
			r = FAILPOINT("guard.attach");
		if (r == 0)
			r = tc_attach(g->tc, NAME, p->ifindex, want[i].hook,
				      want[i].prog, err);
		if (r == -EOPNOTSUPP)
			return err_set(err, r,
				       "guard of port %s: this kernel has no "
				       "clsact or no BPF in it (needs "
				       "CONFIG_NET_SCH_INGRESS and "
				       "CONFIG_NET_CLS_BPF)",
				       p->conf.ifname);
		if (r < 0)
			return err_wrap(err, r, "guard of port %s",
					p->conf.ifname);
		changed = 1;
	}
	p->suspect = false;
	return changed;
}

/* Return: 0; -errno: something of it is still there. */
static int strip(struct guard *g, int ifindex, struct err *err)
{
	int r = tc_detach(g->tc, NAME, ifindex, TC_IN, err);

	if (r == 0)
		r = tc_detach(g->tc, NAME, ifindex, TC_OUT, err);
	if (r == 0)
		del_entry(g, ifindex);
	return r;
}

/* Return: as attach(); -ENODEV: interface or bridge is gone. */
static int put_port(struct guard *g, struct port *p, struct err *err)
{
	int before = p->ifindex, r, entry;

	p->bridge = (int)if_nametoindex(p->conf.bridge);
	p->ifindex = (int)if_nametoindex(p->conf.ifname);
	/* the interface was made anew */
	if (before && before != p->ifindex)
		(void)strip(g, before, NULL);
	if (!p->ifindex || !p->bridge)
		return err_set(
			err, -ENODEV, "guard of port %s: %s is not there",
			p->conf.ifname, p->ifindex ? p->conf.bridge : "it");
	entry = guard_put_entry(g, p, err);
	if (entry < 0)
		return entry;
	r = attach(g, p, err);
	return r < 0 ? r : r || entry;
}

static void take_out(struct guard *g, struct port *p)
{
	*p = g->ports[--g->count];
}

static int add_room(struct guard *g, struct err *err)
{
	size_t room = g->room ? 2 * g->room : 16;
	struct port *ports;

	if (g->count < g->room)
		return 0;
	ports = reallocarray(g->ports, room, sizeof(*ports));
	if (!ports)
		return err_set(err, -ENOMEM, "guard: out of memory");
	g->ports = ports;
	g->room = room;
	return 0;
}

/* A port is guarded without it as well: guard_follow() tries again. */
static void sync_ways(struct guard *g)
{
	if (g->net_count)
		(void)guard_short_sync(g, NULL);
}

/* Half of it may be there. */
static void undo_add(struct guard *g, struct port *p,
		     const struct guard_conf *before)
{
	int ifindex = p->ifindex;

	if (before) {
		p->conf = *before;
		(void)put_port(g, p, NULL); /* else the next look mends it */
		sync_ways(g);
		return;
	}
	take_out(g, p);
	if (ifindex)
		(void)strip(g, ifindex, NULL);
}

int guard_port_add(struct guard *g, const struct guard_conf *conf,
		   struct err *err)
{
	struct port *p;
	struct guard_conf before;
	bool known;
	int r = guard_start(g, err);

	if (r == 0)
		r = add_room(g, err);
	if (r < 0)
		return r;
	p = find(g, conf->ifname);
	known = p != NULL;
	if (!known) {
		p = &g->ports[g->count++];
		*p = (struct port){ .conf = *conf };
	}
	before = p->conf;
	p->conf = *conf;
	r = put_port(g, p, err);
	if (r >= 0) {
		sync_ways(g);
		return 0;
	}
	if (g->loading) {
		p->suspect = true;
		return 0;
	}
	undo_add(g, p, known ? &before : NULL);
	return r;
}

int guard_port_del(struct guard *g, const char *ifname, struct err *err)
{
	struct port *p = find(g, ifname);
	int r = p && p->ifindex ? strip(g, p->ifindex, err) : 0;

	if (p && r == 0) {
		take_out(g, p);
		sync_ways(g);
	}
	return r;
}

int guard_set_others(struct guard *g, const struct guard_other *list,
		     size_t count, struct err *err)
{
	struct guard_other *copy = calloc(count ? count : 1, sizeof(*copy));
	int r = copy ? guard_start(g, err)
		     : err_set(err, -ENOMEM, "guard: out of memory");

	for (size_t i = 0; r >= 0 && i < count; i++) {
		const struct guard_port v = { .bridge = (__u32)list[i].bridge,
					      .flags = GUARD_OTHER };

		copy[i] = list[i];
		if (!find_index(g, list[i].ifindex)) /* an endpoint is none */
			r = guard_entry_put(g->ports_map, list[i].ifindex, &v,
					    err);
	}
	if (r < 0) {
		free(copy);
		return r;
	}
	for (size_t i = 0; i < g->other_count; i++) {
		size_t k = 0;

		while (k < count && list[k].ifindex != g->others[i].ifindex)
			k++;
		if (k == count && !find_index(g, g->others[i].ifindex))
			del_entry(g, g->others[i].ifindex);
	}
	free(g->others);
	g->others = copy;
	g->other_count = count;
	return 0;
}

/* ---- load ----------------------------------------------------------------- */

void guard_load_begin(struct guard *g)
{
	g->loading = true;
}

static bool is_told(void *ctx, int ifindex)
{
	struct guard *g = ctx;

	for (size_t i = 0; i < g->other_count; i++)
		if (g->others[i].ifindex == ifindex)
			return true;
	return find_index(g, ifindex) != NULL;
}

static bool keep(void *ctx, int ifindex, enum tc_hook hook)
{
	return find_index(ctx, ifindex) != NULL ||
	       (hook == TC_IN && guard_short_is_wire(ctx, ifindex));
}

int guard_load_end(struct guard *g, struct err *err)
{
	int r;

	g->loading = false;
	if (!g->tc)
		return 0;
	/* an earlier daemon's may be all there is */
	if (guard_short_sync(g, NULL) < 0)
		log_warn(
			"op=shortcut msg=\"frames between containers go by the "
			"bridge\"");
	r = tc_sweep(g->tc, NAME, keep, g, err);
	guard_entry_sweep(g->ports_map, is_told, g);
	guard_entry_sweep(g->rates_map, is_told, g);
	return r < 0 ? r : 0;
}

/* ---- others' hands -------------------------------------------------------- */

bool guard_lost(struct guard *g, int ifindex)
{
	bool found = false;

	for (size_t i = 0; i < g->count; i++)
		if (!ifindex || g->ports[i].ifindex == ifindex)
			g->ports[i].suspect = found = true;
	return guard_short_lost(g, ifindex) || found;
}

static int mend(struct guard *g, struct port *p)
{
	struct err err = { "" };
	char text[ERR_MSG_MAX];
	bool late = !p->ifindex;
	int r = put_port(g, p, &err);

	/* on its way out; the driver will tell */
	if (r == -ENODEV)
		return 0;
	if (r < 0)
		log_warn("op=guard port=%s err=%s", p->conf.ifname,
			 log_quote(text, sizeof(text), err.msg));
	else if (r > 0)
		log_warn("op=guard port=%s ifindex=%d msg=\"%s\"",
			 p->conf.ifname, p->ifindex,
			 late ? "the port came late; it is guarded"
			      : "somebody took the guard away; it is back");
	return r;
}

int guard_follow(struct guard *g, bool tick, struct err *err)
{
	size_t round = tick && g->count < A_ROUND ? g->count : A_ROUND;
	int mended = 0, failed = 0;

	if (!g->tc || g->loading)
		return 0;
	for (size_t i = 0; tick && i < round; i++) {
		g->next = (g->next + 1) % g->count;
		g->ports[g->next].suspect = true;
	}
	for (size_t i = 0; i < g->count; i++) {
		int r = g->ports[i].suspect ? mend(g, &g->ports[i]) : 0;

		if (r > 0)
			mended++;
		if (r < 0)
			failed = r;
	}
	g->short_due |= mended > 0;
	(void)guard_short_follow(g, tick);
	return failed < 0 ? err_set(err, failed,
				    "the guard of a container's port is "
				    "missing and can't be put back")
			  : mended;
}

/* ---- eyes ----------------------------------------------------------------- */

static const char *what_is_wrong(struct guard *g, const struct port *p)
{
	struct port as = *p;
	struct guard_port want, now;
	__u32 key = (__u32)p->ifindex;

	as.bridge = (int)if_nametoindex(p->conf.bridge);
	want = entry_of(g, &as);
	if (tc_is_attached(g->tc, NAME, p->ifindex, TC_IN,
			   ingress_of(g, &p->conf), NULL) <= 0)
		return "what the container sends is not guarded";
	if (tc_is_attached(g->tc, NAME, p->ifindex, TC_OUT, g->out, NULL) <= 0)
		return "what reaches the container is not guarded";
	if (bpf_map_lookup_elem(g->ports_map, &key, &now) < 0 ||
	    memcmp(&now, &want, sizeof(now)) != 0)
		return "its entry in the guard's map is another one";
	if (!guard_rate_is(g->rates_map, p->ifindex, &p->conf.rate))
		return "its rate (berth.rate) is another one";
	return NULL;
}

int guard_check(struct guard *g, void (*fn)(void *ctx, const char *line),
		void *ctx)
{
	int found = 0;

	if (!g->tc)
		return 0;
	for (size_t i = 0; i < g->count; i++) {
		const struct port *p = &g->ports[i];
		const char *wrong;
		char line[160];

		/* a link that is gone the driver tells */
		if (!if_nametoindex(p->conf.ifname))
			continue;
		wrong = what_is_wrong(g, p);
		if (!wrong)
			continue;
		snprintf(line, sizeof(line),
			 "port %s: %s: somebody changed tc there, or the pins",
			 p->conf.ifname, wrong);
		fn(ctx, line);
		found++;
	}
	return found + guard_short_check(g, fn, ctx);
}
