/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks: a bridge network, and what joins it to other hosts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "netplugins/overlay/overlay.h"

struct overlay_network *overlay_of(struct net_network *net)
{
	return container_of(net, struct overlay_network, br.base);
}

struct overlay_host *overlay_host_of(const struct net_network *net)
{
	return ((struct bridge_host *)net->host)->own;
}

/* ---- options ------------------------------------------------------------------ */

/* What is behind the "=" of a peer.  NULL: nothing is. */
static int parse_key(struct ov_network *net, const char *text, struct err *err)
{
	char *ret = net->peer_keys[net->peer_count];
	struct nlk_wg_key key;
	int r;

	ret[0] = '\0';
	if (!text)
		return 0;
	if (!net->encrypt)
		return err_set(err, -EINVAL,
			       "berth.peers: keys are for encrypted networks: "
			       "say berth.encrypt=on, or write addresses only");
	r = nlk_wg_key_parse(text, &key, err);
	if (r < 0)
		return err_wrap(err, r, "berth.peers: behind an =");
	for (size_t i = 0; i < net->peer_count; i++)
		if (strcmp(net->peer_keys[i], text) == 0)
			return err_set(err, -EINVAL,
				       "berth.peers: two hosts with key %s: "
				       "each has its own",
				       text);
	snprintf(ret, OV_KEY_MAX, "%s", text);
	return 0;
}

/* ADDRESS, or ADDRESS=KEY: cut there. */
static int parse_peer(struct overlay_network *n, char *text, struct err *err)
{
	struct ov_network *net = &n->net;
	char *key = strchr(text, '=');
	struct ip_addr ip;
	char shown[96];
	int r;

	if (key)
		*key++ = '\0';

	if (net->peer_count == OV_PEERS_MAX)
		return err_set(err, -EINVAL, "berth.peers: more than %d hosts",
			       OV_PEERS_MAX);
	if (ip_parse(text, &ip, NULL) < 0 || ip_is_any(&ip) ||
	    ip_is_loopback(&ip))
		return err_set(err, -EINVAL,
			       "berth.peers: %s is not the address of a host: "
			       "write them as 192.0.2.1,192.0.2.2",
			       log_quote(shown, sizeof(shown), text));
	if (net->peer_count && net->peers[0].family != ip.family)
		return err_set(err, -EINVAL,
			       "berth.peers: all of them are of one family, "
			       "and %s is of the other",
			       text);
	for (size_t i = 0; i < net->peer_count; i++)
		if (ip_equal(&net->peers[i], &ip))
			return err_set(err, -EINVAL,
				       "berth.peers: %s is there twice", text);
	r = parse_key(net, key, err);
	if (r == 0)
		net->peers[net->peer_count++] = ip;
	return r;
}

static int parse_peers(struct overlay_network *n, struct err *err)
{
	const char *text = n->opt.peers;
	bool more = *text;
	char item[128];
	int r = 0;

	while (r == 0 && more) {
		size_t len = strcspn(text, ",");

		snprintf(item, sizeof(item), "%.*s", (int)len, text);
		r = parse_peer(n, item, err);
		more = text[len] == ',';
		text += len + more;
	}
	return r;
}

/* As Docker has it, a list with a VNI a subnet; our networks have one. */
static int parse_vnis(struct overlay_network *n, struct err *err)
{
	const char *text = n->opt.vnis;
	unsigned long vni = 0;
	char shown[64], *end;

	while (*text) {
		size_t len = strspn(text, "0123456789");
		unsigned long one =
			len && len < 9 ? strtoul(text, &end, 10) : 0;

		if (one < 1 || one > OV_VNI_MAX ||
		    (text[len] && (text[len] != ',' || !text[len + 1])))
			return err_set(
				err, -EINVAL,
				"com.docker.network.driver.overlay.vxlanid_"
				"list: %s is not a list of numbers from 1 to "
				"%u",
				log_quote(shown, sizeof(shown), n->opt.vnis),
				OV_VNI_MAX);
		if (!vni)
			vni = one;
		text += len + (text[len] == ',');
	}
	n->net.vni = (uint32_t)vni;
	return 0;
}

int ov_network_parse(struct overlay_network *n, struct err *err)
{
	const struct net_network *base = &n->br.base;
	int r;

	snprintf(n->net.id, sizeof(n->net.id), "%s", base->id);
	snprintf(n->net.name, sizeof(n->net.name), "%s", n->opt.name);
	n->net.encrypt = n->opt.encrypt;
	n->net.pool4 = base->v4.pool;
	n->net.pool6 = base->v6.pool;
	snprintf(n->wire, sizeof(n->wire), "bx-%.12s", base->id);
	r = parse_vnis(n, err);
	return r < 0 ? r : parse_peers(n, err);
}

/* ---- what follows from the view and the underlay ------------------------------- */

/* What the user gave must fit; else it is what does. */
static int choose_mtu(struct overlay_network *n, bool fresh, struct err *err)
{
	uint32_t room = ov_underlay_room(&n->under, n->net.encrypt);

	if (n->br.opt.mtu) {
		if (!fresh || n->br.opt.mtu <= room)
			return 0;
		return err_set(err, -EINVAL,
			       "com.docker.network.driver.mtu=%u: the way to "
			       "the other hosts has room for %u",
			       n->br.opt.mtu, room);
	}
	if (room < (n->br.base.ipv6 ? 1280U : 68U))
		return err_set(err, -EINVAL,
			       "the way to the other hosts has room for an MTU "
			       "of %u only: too little",
			       room);
	n->br.base.kept_mtu = room;
	return 0;
}

static int find_underlay(struct overlay_host *host, struct overlay_network *n,
			 bool fresh, struct err *err)
{
	struct ov_underlay under;
	int r;

	pthread_mutex_lock(&host->lock); /* the event thread looks at it, too */
	r = ov_underlay_have(host, n, &under, err);
	if (r == 0) {
		n->under = under;
		r = choose_mtu(n, fresh, err);
	}
	pthread_mutex_unlock(&host->lock);
	return r;
}

/* The bridge's MTU follows; containers keep theirs, and are told (ICMP) of what
 * does not fit any more. */
static int follow_mtu(struct overlay_host *host, struct overlay_network *n,
		      struct err *err)
{
	uint32_t want = n->br.opt.mtu ? n->br.opt.mtu : n->br.base.kept_mtu;
	uint32_t was = n->br.mtu;
	int r;

	if (!want || was == want || !n->br.index)
		return 0;
	r = nlk_link_mtu(host->br->nlk, n->br.index, want, err);
	if (r < 0)
		return r;
	n->br.mtu = want;
	r = bridge_set_sysctls(&n->br, err);
	if (r < 0) /* both once more */
		n->br.mtu = was;
	return r;
}

/* ->vtep, ->vteps, ->far and ->owners, and in @v what the tables are to say. */
static int take_view(struct overlay_host *host, struct overlay_network *n,
		     struct ov_view *v, struct err *err)
{
	int r = 0;

	n->ruled &= n->known == !v->learn;
	n->known = !v->learn;
	n->partial = v->partial;
	n->refused = 0;
	n->vtep = n->under.local;
	if (n->net.encrypt)
		r = ov_crypt_sync(host, n, v, err);
	if (r < 0)
		return r;
	ov_view_clean(n, v);
	if (v->partial)
		r = ov_view_recall(host, n, v, err);
	return r < 0 ? r : ov_view_keep(n, v, err);
}

/* Only where each endpoint is known, and each guarded; what can't be told goes by the
 * bridge. */
static void tell_shortcut(struct overlay_host *host, struct overlay_network *n,
			  bool linked)
{
	bool wanted = linked && n->known && n->br.opt.guard &&
		      n->opt.shortcut == OV_SHORTCUT_AUTO;
	struct dp_shortcut s = { .far_count = 0 };
	char text[ERR_MSG_MAX];
	struct err err = { 0 };
	struct dp_far *far = NULL;
	int r;

	if (wanted)
		far = calloc(n->far_count + 1, sizeof(*far));
	for (size_t i = 0; far && i < n->far_count; i++) {
		const struct ov_endpoint *ep = &n->far[i];

		/* the same once more, by where it may come from as well */
		if (!ip_is_none(&ep->also) && ip_equal(&ep->also, &ep->vtep))
			continue;
		far[s.far_count++] = (struct dp_far){ .mac = ep->mac,
						      .ip4 = ep->addr4,
						      .ip6 = ep->addr6 };
	}
	memcpy(s.wire, n->wire, sizeof(s.wire));
	s.far = far;
	r = dp_shortcut(host->br->dp, n->net.id, far ? &s : NULL, &err);
	free(far);
	if (r < 0)
		log_warn("op=shortcut network=%.12s err=%s", n->net.id,
			 log_quote(text, sizeof(text), err.msg));
}

void ov_network_stir(struct overlay_network *n)
{
	n->stirred = true;
	ov_tables_forget(&n->tables);
}

int ov_network_sync(struct overlay_host *host, struct overlay_network *n,
		    struct err *err)
{
	struct ov_view view = { 0 };
	struct ov_counts counts = { 0 };
	int r = n->dir->ops->view(n->dir, n->net.id, &view, err), fenced;

	if (r < 0)
		return r;
	r = take_view(host, n, &view, err);
	/* whom it hears is said before it hears */
	if (r == 0 && !n->ruled)
		r = ov_wire_sync(host, err);
	if (r == 0) {
		n->ruled = !ov_wire_waits(host);
		r = NET_STEP("overlay.network.rules", err);
	}
	if (r == 0)
		r = follow_mtu(host, n, err);
	if (r == 0)
		r = ov_link_sync(host, n, err);
	tell_shortcut(host, n, r == 0);
	if (r == 0)
		r = NET_STEP("overlay.network.shortcut", err);
	if (r == 0)
		r = ov_table_sync(host->br->nlk, n->wire_index, n->br.index,
				  &view, &n->vtep, &n->tables, &counts, err);
	if (r == 0)
		r = NET_STEP("overlay.network.tables", err);
	if (r == 0 && n->net.encrypt)
		r = ov_crypt_settle(host, err);
	/* whatever was refused: who lost its address is cut off */
	fenced = ov_link_fence(host, n, &view, r < 0 ? NULL : err);
	r = r < 0 ? r : fenced;
	ov_view_free(&view);
	n->stirred = r < 0;
	return r < 0 ? r : counts.added || counts.removed;
}

/* ---- add ----------------------------------------------------------------------- */

/* All hosts' gateways have the same: a container keeps its neighbour entry when it
 * comes back on another host. */
static struct mac_addr gateway_mac(uint32_t vni)
{
	return (struct mac_addr){ { 0x02, 0x76, 0x78, (uint8_t)(vni >> 16),
				    (uint8_t)(vni >> 8), (uint8_t)vni } };
}

/* What was agreed on once is what the link has: a cluster that does not answer now
 * need not be asked. */
static void remember(struct overlay_host *host, struct overlay_network *n)
{
	struct nlk_vxlan v;

	if (nlk_vxlan_get(host->br->nlk, n->wire, &v, NULL) < 0)
		return;
	n->net.vni = v.vni;
	n->net.known = true;
}

static int join(struct overlay_host *host, struct overlay_network *n,
		bool fresh, struct err *err)
{
	struct ov_dir *dir = n->net.peer_count ? host->peers : host->cluster;
	int r;

	if (!dir)
		return err_set(err, -EINVAL,
			       "an overlay network needs to know its hosts: "
			       "say -o berth.peers=192.0.2.1,192.0.2.2 (each "
			       "host's own address may be among them), or "
			       "--store to the daemon");
	if (!fresh && dir == host->cluster)
		remember(host, n);
	r = dir->ops->join(dir, &n->net, err);
	if (r < 0)
		return r;
	n->dir = dir;
	n->br.mac = gateway_mac(n->net.vni);
	return 0;
}

_Static_assert(offsetof(struct overlay_network, br) == 0,
	       "overlay_network_info() casts");

void overlay_network_info(const struct net_network *net, struct net_info *ret)
{
	const struct overlay_network *n =
		(const struct overlay_network *)(const void *)net;

	bridge_network_info(net, ret);
	if (n->dir && n->dir == overlay_host_of(net)->cluster &&
	    cluster_net_name(&n->net, ret->shared, NULL) < 0)
		ret->shared[0] = '\0';
}

static void list(struct overlay_host *host, struct overlay_network *n)
{
	if (n->listed)
		return;
	n->next = host->networks;
	host->networks = n;
	n->listed = true;
}

static void unlist(struct overlay_host *host, struct overlay_network *n)
{
	struct overlay_network **at;

	for (at = &host->networks; *at && *at != n; at = &(*at)->next)
		;
	if (*at)
		*at = n->next;
	n->listed = false;
}

static int raise_wire(struct overlay_host *host, struct overlay_network *n,
		      struct err *err)
{
	int r;

	pthread_mutex_lock(&host->lock);
	list(host, n);
	ov_network_stir(n);
	r = ov_network_sync(host, n, err);
	pthread_mutex_unlock(&host->lock);
	return r < 0 ? r : 0;
}

/* Said before anything is made. */
static int can_encrypt(struct overlay_host *host, struct err *err)
{
	int r;

	pthread_mutex_lock(&host->lock);
	r = ov_crypt_need(host, err);
	pthread_mutex_unlock(&host->lock);
	return r < 0 ? err_wrap(err, r, "berth.encrypt=on") : 0;
}

static int raise_network(struct overlay_network *n, bool fresh, struct err *err)
{
	struct overlay_host *host = overlay_host_of(&n->br.base);
	int r = 0, found;

	if (n->net.encrypt)
		r = can_encrypt(host, err);
	if (r == 0)
		r = join(host, n, fresh, err);
	if (r == 0)
		r = NET_STEP("overlay.network.joined", err);
	if (r < 0)
		return r;
	found = find_underlay(host, n, fresh, err);
	if (found < 0 && fresh)
		return found;
	r = bridge_network_add(&n->br.base, fresh, err);
	if (r == 0)
		r = NET_STEP("overlay.network.bridge", err);
	if (r < 0)
		return r;
	/* No address yet, at boot: what is local works, the rest follows. */
	if (found < 0) {
		pthread_mutex_lock(&host->lock);
		list(host, n);
		pthread_mutex_unlock(&host->lock);
		return 0;
	}
	return raise_wire(host, n, err);
}

/* The rules do not know of it: nor may it hear anything.  What an earlier life left
 * in its tables stays, for the time when it can be joined again. */
static void cut_unlisted(struct overlay_network *n)
{
	struct overlay_host *host = overlay_host_of(&n->br.base);

	pthread_mutex_lock(&host->lock);
	if (!n->listed)
		ov_link_lower(host, n);
	pthread_mutex_unlock(&host->lock);
}

int overlay_network_add(struct net_network *net, bool fresh, struct err *err)
{
	struct overlay_network *n = overlay_of(net);
	struct err undo = { 0 };
	int r = raise_network(n, fresh, err);

	if (r < 0 && !fresh)
		cut_unlisted(n);
	/* A network that is on record keeps what is left of it. */
	if (r < 0 && fresh && overlay_network_del(net, &undo) < 0)
		return err_wrap(err, r, "%s; left behind", undo.msg);
	return r;
}

/* ---- del ----------------------------------------------------------------------- */

int overlay_network_del(struct net_network *net, struct err *err)
{
	struct overlay_network *n = overlay_of(net);
	struct overlay_host *host = overlay_host_of(net);
	int r;

	pthread_mutex_lock(&host->lock);
	/* what leads to the link goes before it */
	tell_shortcut(host, n, false);
	r = ov_link_del(host, n, err);
	if (r == 0)
		r = NET_STEP("overlay.network.unlink", err);
	if (r == 0) {
		unlist(host, n);
		r = ov_wire_sync(host, err);
	}
	if (r == 0 && n->net.encrypt)
		r = ov_crypt_leave(host, err);
	pthread_mutex_unlock(&host->lock);
	if (r == 0)
		r = bridge_network_del(net, err);
	if (r == 0)
		r = NET_STEP("overlay.network.down", err);
	if (r == 0 && n->dir)
		r = n->dir->ops->leave(n->dir, n->net.id, err);
	if (r == 0)
		n->dir = NULL;
	return r;
}

/* It does not leave: a daemon that ends will be back, and goes on with it. */
void overlay_network_fini(struct net_network *net)
{
	struct overlay_network *n = overlay_of(net);
	struct overlay_host *host = overlay_host_of(net);

	pthread_mutex_lock(&host->lock);
	unlist(host, n);
	pthread_mutex_unlock(&host->lock);
	ov_view_forget(n);
	ov_tables_forget(&n->tables);
	free(take_ptr(n->fenced));
	free(take_ptr(n->peers));
	bridge_network_fini(net);
}

bool overlay_network_lost(struct net_network *net)
{
	struct overlay_network *n = overlay_of(net);
	struct overlay_host *host = overlay_host_of(net);
	bool lost = bridge_network_lost(net);

	pthread_mutex_lock(&host->lock);
	lost |= n->lost;
	n->lost = false;
	pthread_mutex_unlock(&host->lock);
	return lost;
}
