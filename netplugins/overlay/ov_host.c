/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The driver's hold on the host: what is open, and what is followed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "netplugins/overlay/overlay.h"

#define LOOK_MS 60000 /* all networks, by difference, that often */

const struct bridge_kind overlay_kind = {
	.driver = OVERLAY_DRIVER,
	.prefix = "bo",
	.no_ct = true,
};

/* ---- open, close ---------------------------------------------------------------- */

static void own_close(struct overlay_host *host)
{
	if (host->cluster)
		host->cluster->ops->close(host->cluster);
	if (host->peers)
		host->peers->ops->close(host->peers);
	nlk_monitor_close(host->links);
	fw_close(host->fw);
	ov_crypt_fini(host);
	ov_wire_forget(host);
	pthread_mutex_destroy(&host->lock);
	free(host);
}

/* Without an address yet it begins all the same: the event thread tells it. */
static int open_cluster(struct overlay_host *host,
			const struct cluster_config *given, struct err *err)
{
	static const struct ov_network anybody;
	struct cluster_config cfg = *given;
	char key[NLK_WG_TEXT_MAX];
	struct nlk *nlk;
	int r;

	if (!cfg.at.etcd.member_count)
		return 0;
	r = nlk_open(&nlk, err);
	if (r < 0)
		return r;
	if (ov_underlay_find(nlk, host->underlay, &anybody, 0, &host->told,
			     NULL) < 0)
		host->told = (struct ov_underlay){ .mtu = 0 };
	ov_crypt_recall(host, nlk, key);
	nlk_close(nlk);
	cfg.vtep = host->told.local;
	cfg.key = key[0] ? key : NULL;
	return cluster_open(&cfg, &host->cluster, err);
}

static int own_open(const struct plugd *d, const struct ov_config *cfg,
		    struct overlay_host **ret, struct err *err)
{
	struct overlay_host *host = calloc(1, sizeof(*host));
	int r = 0;

	if (!host)
		return err_set(err, -ENOMEM, "host");
	(void)pthread_mutex_init(&host->lock, NULL);
	if (cfg)
		memcpy(host->underlay, cfg->underlay, sizeof(host->underlay));
	if (d)
		r = snprintf(host->crypt.dir, sizeof(host->crypt.dir),
			     "%s/" OVERLAY_DRIVER, d->dirs.state_dir);
	if (r >= (int)sizeof(host->crypt.dir))
		host->crypt.dir[0] = '\0';
	r = ov_peers_open(&host->peers, err);
	if (r == 0)
		r = nlk_monitor_open(&host->links, err);
	if (r == 0)
		r = fw_open(&host->fw, err);
	if (r == 0 && cfg)
		r = open_cluster(host, &cfg->cluster, err);
	if (r < 0) {
		own_close(host);
		return r;
	}
	*ret = host;
	return 0;
}

int overlay_host_open(const struct plugd *d, const void *config,
		      const struct net_memo *memo, void **ret, struct err *err)
{
	const struct ov_config *cfg = config;
	struct overlay_host *own = NULL;
	int r = own_open(d, cfg, &own, err);

	if (r < 0)
		return r;
	r = bridge_host_open(d, &overlay_kind, cfg ? &cfg->br : NULL, memo, ret,
			     err);
	if (r < 0) {
		own_close(own);
		return r;
	}
	own->br = *ret;
	own->br->own = own;
	return 0;
}

void overlay_host_close(void *ctx)
{
	struct overlay_host *own = ((struct bridge_host *)ctx)->own;

	bridge_host_close(ctx);
	own_close(own);
}

/* One that fails keeps no other: the first error is told. */
static int first(int r, int next, struct err *err, const struct err *why)
{
	if (r < 0 || next >= 0)
		return r < 0 ? r : r + next;
	*err = *why;
	return next;
}

/* Rules that stand are replaced once, when all networks are known: those of none
 * are missing meanwhile.  A wire that is down stays so until then.  Where none stand,
 * each network's come before its wire. */
void overlay_load_begin(void *ctx)
{
	struct overlay_host *host = ((struct bridge_host *)ctx)->own;

	host->silent = true;
	host->standing = ov_wire_stands(host);
	if (host->cluster)
		cluster_loading(host->cluster, true);
	bridge_load_begin(ctx);
}

/* The rules know all networks now. */
static int raise_held(struct overlay_host *host, struct err *err)
{
	int r = 0;

	for (struct overlay_network *n = host->networks; n; n = n->next) {
		struct err why = { 0 };

		n->ruled = true;
		if (n->held)
			r = first(r, ov_network_sync(host, n, &why), err, &why);
	}
	return r;
}

int overlay_load_end(void *ctx, struct err *err)
{
	struct overlay_host *host = ((struct bridge_host *)ctx)->own;
	struct err why = { 0 };
	int r = bridge_load_end(ctx, err), wires;

	pthread_mutex_lock(&host->lock);
	host->silent = false;
	ov_rekey_sweep(host);
	wires = host->networks ? ov_wire_mend(host, &why)
			       : ov_wire_sync(host, &why);
	if (wires >= 0)
		wires = raise_held(host, &why);
	if (wires >= 0)
		wires = ov_crypt_leave(host, &why);
	pthread_mutex_unlock(&host->lock);
	if (host->cluster)
		cluster_loading(host->cluster, false);
	r = first(r, wires, err, &why);
	return r < 0 ? r : 0;
}

/* ---- events --------------------------------------------------------------------- */

size_t overlay_fds(void *ctx, int fds[static 8])
{
	struct overlay_host *host = ((struct bridge_host *)ctx)->own;
	size_t n = bridge_fds(ctx, fds);

	fds[n++] = nlk_monitor_fd(host->links);
	if (host->cluster)
		fds[n++] = host->cluster->ops->fd(host->cluster);
	return n;
}

/* A bridge that was down has no neighbours any more; a wire may have been taken out of
 * it, or be down: looked at by difference. */
static void stir(struct overlay_host *host, int index)
{
	for (struct overlay_network *n = host->networks; n; n = n->next)
		if (index && (index == n->wire_index || index == n->br.index))
			ov_network_stir(n);
}

/* Under host->lock. */
static void on_link(void *ctx, const struct nlk_event *e)
{
	struct overlay_host *host = ctx;

	switch (e->type) {
	case NLK_LINK_DEL:
		for (struct overlay_network *n = host->networks; n; n = n->next)
			if (n->wire_index && e->link.index == n->wire_index) {
				n->wire_index = 0;
				n->lost = true;
			}
		if (e->link.index == host->crypt.index)
			host->crypt.suspect = true;
		host->relook = true;
		break;
	case NLK_LOST:
		host->crypt.suspect = host->crypt.index != 0;
		for (struct overlay_network *n = host->networks; n; n = n->next)
			n->lost = true;
		host->relook = true;
		break;
	case NLK_LINK_NEW:
		if (e->link.index == host->crypt.index)
			host->crypt.suspect = true;
		stir(host, e->link.index);
		host->relook = true;
		break;
	case NLK_ADDR_NEW:
	case NLK_ADDR_DEL:
	case NLK_ROUTE_NEW:
	case NLK_ROUTE_DEL:
		host->relook = true;
		break;
	case NLK_TC_DEL:
		break;
	}
}

/* The underlay's address or MTU may be another.  Without one the wire stays as it
 * was: an address that comes back in a moment costs nothing. */
static int relook(struct overlay_host *host, struct overlay_network *n,
		  struct err *err)
{
	struct ov_underlay now;
	uint32_t room;
	int r = ov_underlay_have(host, n, &now, err);

	if (r == -EADDRNOTAVAIL)
		return 0;
	if (r < 0)
		return r;
	if (ip_equal(&now.local, &n->under.local) && now.mtu == n->under.mtu &&
	    n->wire_index)
		return 0;
	n->under = now;
	room = ov_underlay_room(&now, n->net.encrypt);
	if (!n->br.opt.mtu && room >= (n->br.base.ipv6 ? 1280U : 68U))
		n->br.base.kept_mtu = room;
	ov_network_stir(n);
	r = ov_network_sync(host, n, err);
	return r < 0 ? r : 1;
}

/* The others may reach this host by another address now. */
static int tell_address(struct overlay_host *host, struct err *err)
{
	int r = host->cluster ? ov_underlay_tell(host, err) : 0;

	return r == -EADDRNOTAVAIL ? 0 : r;
}

/* Under host->lock. */
static void on_change(void *ctx, const char *id)
{
	struct overlay_host *host = ctx;

	for (struct overlay_network *n = host->networks; n; n = n->next)
		if (strcmp(n->net.id, id) == 0)
			n->stirred = true;
}

/* No event tells of a neighbour or an entry that somebody took away. */
static void stir_all(struct overlay_host *host)
{
	struct timespec ts;
	int64_t now;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	now = ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
	if (now - host->looked_ms < LOOK_MS)
		return;
	host->looked_ms = now;
	for (struct overlay_network *n = host->networks; n; n = n->next)
		ov_network_stir(n);
}

/* What others told of their endpoints. */
static int follow_views(struct overlay_host *host, struct err *err)
{
	int r = 0;

	if (host->cluster)
		host->cluster->ops->changed(host->cluster, on_change, host);
	stir_all(host);
	for (struct overlay_network *n = host->networks; n; n = n->next) {
		struct err why = { 0 };

		if (!n->stirred || n->lost || !n->br.index ||
		    ip_is_none(&n->under.local))
			continue;
		r = first(r, ov_network_sync(host, n, &why), err, &why);
	}
	return r < 0 ? r : 0;
}

/* The core adds networks again that have lost what they go by. */
static void look_at_crypt(struct overlay_host *host)
{
	bool gone = host->crypt.suspect && !ov_crypt_is_up(host);

	host->crypt.suspect = false;
	for (struct overlay_network *n = host->networks; gone && n; n = n->next)
		n->lost |= n->net.encrypt;
}

static int follow_underlay(struct overlay_host *host, struct err *err)
{
	int r;

	if (!host->relook)
		return 0;
	host->relook = false;
	r = tell_address(host, err);
	for (struct overlay_network *n = host->networks; n; n = n->next) {
		struct err why = { 0 };

		if (n->lost || !n->br.index)
			continue; /* the core adds it again */
		r = first(r, relook(host, n, &why), err, &why);
	}
	host->relook = r < 0; /* at the next event */
	return r;
}

/* Under host->lock. */
static int follow(struct overlay_host *host, struct err *err)
{
	struct err why = { 0 };
	int r = nlk_monitor_read(host->links, on_link, host, err);

	r = first(r < 0 ? r : 0, ov_rekey_turn(host, &why), err, &why);
	r = first(r < 0 ? r : 0, follow_views(host, &why), err, &why);
	look_at_crypt(host);
	r = first(r, follow_underlay(host, &why), err, &why);
	return first(r, ov_wire_mend(host, &why), err, &why);
}

/* What a bridge can't do now must not keep the wires from being looked at, nor leave
 * unread what is told. */
int overlay_event(void *ctx, struct err *err)
{
	struct overlay_host *host = ((struct bridge_host *)ctx)->own;
	struct err why = { 0 };
	int r = bridge_event(ctx, err), mine;

	pthread_mutex_lock(&host->lock);
	mine = follow(host, &why);
	pthread_mutex_unlock(&host->lock);
	return first(r, mine, err, &why);
}

/* ---- check ---------------------------------------------------------------------- */

/* What other hosts say and is not used. */
static int check_refused(const struct overlay_network *n,
			 void (*fn)(void *ctx, const char *line), void *ctx)
{
	char line[300];

	if (!n->refused)
		return 0;
	snprintf(line, sizeof(line),
		 "network %.12s: %u records of other hosts are not used: %s%s",
		 n->br.base.id, n->refused, n->why_refused,
		 n->refused > 1 ? ", ..." : "");
	fn(ctx, line);
	return 1;
}

/* An MTU of the user's that fits no more, or a way too narrow for any. */
static int check_mtu(const struct overlay_network *n,
		     void (*fn)(void *ctx, const char *line), void *ctx)
{
	uint32_t room = ov_underlay_room(&n->under, n->net.encrypt);
	uint32_t mtu = n->br.opt.mtu ? n->br.opt.mtu : n->br.base.kept_mtu;
	char line[200];

	if (ip_is_none(&n->under.local) || !mtu || mtu <= room)
		return 0;
	snprintf(
		line, sizeof(line),
		"network %.12s: its MTU is %u, and the way to the other hosts "
		"has room for %u (an MTU of %u there): larger packets are lost",
		n->br.base.id, mtu, room, n->under.mtu);
	fn(ctx, line);
	return 1;
}

static int check_network(struct overlay_host *host,
			 const struct overlay_network *n,
			 void (*fn)(void *ctx, const char *line), void *ctx)
{
	char a[IP_STR_MAX], b[IP_STR_MAX], line[200];
	struct nlk_link link;

	if (ip_is_none(&n->under.local))
		snprintf(line, sizeof(line),
			 "network %.12s: this host has no address to reach "
			 "others from: see --underlay",
			 n->br.base.id);
	else if (host->cluster && n->dir == host->cluster &&
		 !ip_equal(&n->under.local, &host->told.local))
		snprintf(line, sizeof(line),
			 "network %.12s: this host sends from %s, and the "
			 "others are told %s",
			 n->br.base.id, ip_str(&n->under.local, a),
			 ip_is_none(&host->told.local)
				 ? "nothing"
				 : ip_str(&host->told.local, b));
	else if (nlk_link_get(host->br->nlk, n->wire, 0, &link, NULL) < 0)
		snprintf(line, sizeof(line),
			 "network %.12s: its VXLAN link %s is gone",
			 n->br.base.id, n->wire);
	else if (!link.up)
		snprintf(line, sizeof(line),
			 "network %.12s: its VXLAN link %s is down: ip link "
			 "set %s up",
			 n->br.base.id, n->wire, n->wire);
	else if (n->net.encrypt && !ov_crypt_is_up(host))
		snprintf(line, sizeof(line),
			 "network %.12s: its WireGuard link " OV_WG_LINK
			 " is gone or down: nothing passes",
			 n->br.base.id);
	else
		return 0;
	fn(ctx, line);
	return 1;
}

int overlay_check(void *ctx, void (*fn)(void *ctx, const char *line), void *arg,
		  struct err *err)
{
	struct overlay_host *host = ((struct bridge_host *)ctx)->own;
	int r = bridge_check(ctx, fn, arg, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&host->lock);
	for (const struct overlay_network *n = host->networks; n; n = n->next)
		r += check_network(host, n, fn, arg) + check_mtu(n, fn, arg) +
		     check_refused(n, fn, arg);
	pthread_mutex_unlock(&host->lock);
	if (host->cluster)
		host->cluster->ops->check(host->cluster, fn, arg);
	return r;
}

struct asker {
	struct overlay_host *host;
	bool (*known)(void *ctx, const char *id);
	void (*line)(void *ctx, const char *line);
	void *ctx;
};

/* The link between hosts is of all encrypted networks; the last takes it along. */
static bool is_owned(void *ctx, const char *id)
{
	const struct asker *a = ctx;
	const struct overlay_network *n;
	bool owned;

	if (strcmp(id, OV_WG_ID) != 0)
		return a->known(a->ctx, id);
	pthread_mutex_lock(&a->host->lock);
	owned = a->host->crypt.index != 0;
	for (n = a->host->networks; n; n = n->next)
		owned |= n->net.encrypt;
	pthread_mutex_unlock(&a->host->lock);
	return owned;
}

static void pass_on(void *ctx, const char *line)
{
	const struct asker *a = ctx;

	a->line(a->ctx, line);
}

int overlay_gc(void *ctx, bool dry, bool (*known)(void *ctx, const char *id),
	       void (*fn)(void *ctx, const char *line), void *arg,
	       struct err *err)
{
	struct asker a = { .host = ((struct bridge_host *)ctx)->own,
			   .known = known,
			   .line = fn,
			   .ctx = arg };

	return bridge_gc(ctx, dry, is_owned, pass_on, &a, err);
}

int overlay_adopt(void *ctx, struct err *err)
{
	struct overlay_host *host = ((struct bridge_host *)ctx)->own;

	if (!host->cluster)
		return err_set(err, -EOPNOTSUPP,
			       "this daemon runs without --store: there is "
			       "nothing to adopt");
	return cluster_adopt(host->cluster, err);
}

int overlay_reap(void *ctx, bool dry, void (*fn)(void *ctx, const char *line),
		 void *arg, struct err *err)
{
	struct overlay_host *host = ((struct bridge_host *)ctx)->own;

	if (!host->cluster)
		return err_set(err, -EOPNOTSUPP,
			       "this daemon runs without --store: it shares no "
			       "networks");
	return cluster_reap(host->cluster, dry, fn, arg, err);
}
