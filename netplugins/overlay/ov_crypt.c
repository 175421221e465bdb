/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encryption between hosts: one WireGuard link a host, which the wires of encrypted
 * networks go by.
 *
 * A host's address inside follows from its public key, and is all that its peers let
 * it send from: who has the key is the host, and needs no other record.  All of these
 * addresses are one prefix that leads to the link, so a peer that is not known (yet)
 * is sent nothing, instead of cleartext by the default route.  That no packet takes
 * another way, ov_wire.c sees to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/digest.h"
#include "lib/netns.h"
#include "netplugins/overlay/overlay.h"

#define ALIAS "berth:" OVERLAY_DRIVER ":" OV_WG_ID

static const uint8_t prefix[4] = { 0xfd, 0x62, 0x72, 0x74 }; /* fd "brt" */

static void wipe_key(struct nlk_wg_key *key)
{
	explicit_bzero(key, sizeof(*key));
}

int ov_crypt_address(const struct nlk_wg_key *key, struct ip_addr *ret,
		     struct err *err)
{
	_cleanup_(digest_freep) struct digest *d = digest_new();
	struct ip_addr ip = { .family = AF_INET6 };
	char hex[DIGEST_HEX_MAX], byte[3] = "";

	if (!d)
		return err_set(err, -ENOMEM, "address of a key");
	digest_add(d, key->bytes, sizeof(key->bytes));
	digest_end(d, hex);
	memcpy(ip.bytes, prefix, sizeof(prefix));
	for (size_t i = sizeof(prefix); i < sizeof(ip.bytes); i++) {
		memcpy(byte, hex + 2 * (i - sizeof(prefix)), 2);
		ip.bytes[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	*ret = ip;
	return 0;
}

/* ---- the link ------------------------------------------------------------------ */

int ov_crypt_need(struct overlay_host *host, struct err *err)
{
	struct ov_crypt *c = &host->crypt;

	if (!c->dir[0])
		return err_set(err, -ENOENT,
			       "there is no directory for this host's key");
	return c->wg ? 0 : nlk_wg_open(&c->wg, err);
}

static int link_del(struct overlay_host *host, struct err *err)
{
	int r = nlk_link_del(host->br->slow, OV_WG_LINK, ALIAS, err);

	if (r == 0) {
		host->crypt.index = 0;
		host->crypt.keyed = false;
	}
	return r;
}

int ov_crypt_tell(struct overlay_host *host, struct err *err)
{
	char key[NLK_WG_TEXT_MAX] = "", next[NLK_WG_TEXT_MAX] = "";
	const struct ov_crypt *c = &host->crypt;

	if (!host->cluster)
		return 0;
	if ((c->keyed && nlk_wg_key_str(&c->key, key) < 0) ||
	    (c->turn_ms && nlk_wg_key_str(&c->next, next) < 0))
		return err_set(err, -ENOMEM, "key");
	return cluster_host_set(host->cluster, &host->told.local,
				key[0] ? key : NULL, next[0] ? next : NULL,
				err);
}

/* A host that told its key must not seem to have none until it has read its records. */
void ov_crypt_recall(struct overlay_host *host, struct nlk *nlk,
		     char key[NLK_WG_TEXT_MAX])
{
	struct ov_crypt *c = &host->crypt;
	struct nlk_wg_device d;
	struct nlk_link link;

	key[0] = '\0';
	if (nlk_link_get(nlk, OV_WG_LINK, 0, &link, NULL) < 0 ||
	    strcmp(link.alias, ALIAS) != 0 || ov_crypt_need(host, NULL) < 0 ||
	    nlk_wg_get(c->wg, OV_WG_LINK, &d, NULL) < 0)
		return;
	if (d.keyed && nlk_wg_key_str(&d.key, key) < 0)
		key[0] = '\0';
	nlk_wg_device_fini(&d);
}

/* The kernel says what the public one is. */
int ov_crypt_take_key(struct overlay_host *host, struct err *err)
{
	struct ov_crypt *c = &host->crypt;
	struct nlk_wg_device d;
	int r = nlk_wg_get(c->wg, OV_WG_LINK, &d, err);

	if (r < 0)
		return r;
	c->key = d.key;
	nlk_wg_device_fini(&d);
	return ov_crypt_address(&c->key, &c->inner, err);
}

int ov_crypt_give_key(struct overlay_host *host, struct err *err)
{
	_cleanup_(wipe_key) struct nlk_wg_key secret;
	struct ov_crypt *c = &host->crypt;
	int r = ov_key_load(c->dir, &secret, err);

	if (r == 0)
		r = ov_rekey_begin(host, &secret, err);
	if (r == 0)
		r = nlk_wg_set(c->wg, OV_WG_LINK, &secret, OV_WG_PORT, err);
	if (r >= 0)
		r = ov_crypt_take_key(host, err);
	if (r < 0)
		return r;
	c->keyed = true;
	return ov_crypt_tell(host, err);
}

/* What is there is ours, or nothing is: one whose making was cut short goes. */
static int find_link(struct overlay_host *host, struct err *err)
{
	struct ov_crypt *c = &host->crypt;
	struct nlk_link link;
	int r = nlk_link_get(host->br->nlk, OV_WG_LINK, 0, &link, NULL);

	if (r == 0 && strcmp(link.alias, ALIAS) == 0 &&
	    strcmp(link.kind, "wireguard") == 0 &&
	    (!c->index || c->index == link.index)) {
		c->index = link.index;
		return 0;
	}
	c->keyed = false;
	c->index = 0;
	if (r == 0)
		r = link_del(host, err);
	return r < 0 && r != -ENODEV
		       ? err_wrap(err, r, "encryption between hosts")
		       : -ENODEV;
}

static int have_link(struct overlay_host *host, struct err *err)
{
	struct ov_crypt *c = &host->crypt;
	struct nlk_link link;
	int r = ov_crypt_need(host, err);

	if (r < 0)
		return r;
	r = find_link(host, err);
	if (r == -ENODEV) {
		r = nlk_wg_add(host->br->nlk, OV_WG_LINK, ALIAS, 0, err);
		if (r == 0)
			r = nlk_link_get(host->br->nlk, OV_WG_LINK, 0, &link,
					 err);
		if (r == 0)
			c->index = link.index;
	}
	if (r == 0)
		r = NET_STEP("overlay.crypt.link", err);
	return r == 0 && !c->keyed ? ov_crypt_give_key(host, err) : r;
}

/* ---- its address, MTU and state ------------------------------------------------- */

static uint32_t link_mtu(const struct overlay_host *host)
{
	uint32_t mtu = 0;

	for (const struct overlay_network *n = host->networks; n; n = n->next) {
		uint32_t room = ov_crypt_room(&n->under);

		if (n->net.encrypt && room && (!mtu || room < mtu))
			mtu = room;
	}
	return mtu;
}

struct others {
	const struct ov_crypt *crypt;
	struct ip_prefix found;
};

static bool is_own(const struct ov_crypt *c, const struct ip_addr *ip)
{
	return ip_equal(ip, &c->inner) ||
	       (c->turn_ms && ip_equal(ip, &c->next_inner)) ||
	       (c->was_ms && ip_equal(ip, &c->was));
}

static int on_addr(void *ctx, int index, const struct ip_prefix *p)
{
	struct others *o = ctx;

	(void)index;
	if (memcmp(p->addr.bytes, prefix, sizeof(prefix)) == 0 &&
	    !is_own(o->crypt, &p->addr))
		o->found = *p;
	return 0;
}

/* A key that went left an address. */
int ov_crypt_addresses(struct overlay_host *host, struct err *err)
{
	struct ov_crypt *c = &host->crypt;
	const struct ip_prefix own = { c->inner, 8 * sizeof(prefix) };
	const struct ip_prefix next = { c->next_inner, 8 * sizeof(prefix) };
	struct others o = { .crypt = c };
	int r = 0;

	/* the host's default may be to have none */
	if (access("/proc/sys/net/ipv6/conf/" OV_WG_LINK, F_OK) == 0)
		r = sysctl_set("net/ipv6/conf/" OV_WG_LINK "/disable_ipv6", "0",
			       err);
	if (r == 0)
		r = nlk_addr_add(host->br->nlk, c->index, &own, err);
	if (r == 0 && c->turn_ms)
		r = nlk_addr_add(host->br->nlk, c->index, &next, err);
	if (r == 0)
		r = nlk_addr_each(host->br->nlk, c->index, on_addr, &o, err);
	if (r == 0 && !ip_is_none(&o.found.addr))
		r = nlk_addr_del(host->br->nlk, c->index, &o.found, err);
	return r;
}

static int raise_link(struct overlay_host *host, struct err *err)
{
	struct nlk *nlk = host->br->nlk;
	struct ov_crypt *c = &host->crypt;
	uint32_t mtu = link_mtu(host);
	struct nlk_link link;
	int r = nlk_link_get(nlk, NULL, c->index, &link, err);

	if (r == 0 && mtu && link.mtu != mtu)
		r = nlk_link_mtu(nlk, c->index, mtu, err);
	if (r == 0 && !link.up)
		r = nlk_wg_up(nlk, c->index, OV_WG_PORT, err);
	if (r == 0)
		r = ov_crypt_addresses(host, err);
	if (r == 0)
		r = NET_STEP("overlay.crypt.up", err);
	return r;
}

/* ---- peers ----------------------------------------------------------------------- */

static void peers_fini(struct ov_peers *p)
{
	free(p->items);
}

static const struct nlk_wg_peer *find_peer(const struct nlk_wg_peer *peers,
					   size_t count,
					   const struct nlk_wg_key *key)
{
	for (size_t i = 0; i < count; i++)
		if (nlk_wg_key_equal(&peers[i].key, key))
			return &peers[i];
	return NULL;
}

static void add_peers(struct ov_peers *to, const struct nlk_wg_peer *peers,
		      size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!find_peer(to->items, to->count, &peers[i].key))
			to->items[to->count++] = peers[i];
}

int ov_crypt_gather(const struct overlay_host *host, struct ov_peers *ret,
		    struct err *err)
{
	const struct overlay_network *n;
	size_t room = 1;

	for (n = host->networks; n; n = n->next)
		room += n->peer_count;
	ret->count = 0;
	ret->items = calloc(room, sizeof(*ret->items));
	if (!ret->items)
		return err_set(err, -ENOMEM, "peers");
	for (n = host->networks; n; n = n->next)
		add_peers(ret, n->peers, n->peer_count - n->next_count);
	for (n = host->networks; n; n = n->next)
		add_peers(ret, n->peers + n->peer_count - n->next_count,
			  n->next_count);
	return 0;
}

static bool is_as(const struct nlk_wg_peer *now, const struct nlk_wg_peer *want)
{
	return now && ip_equal(&now->endpoint, &want->endpoint) &&
	       now->port == want->port && ip_equal(&now->inner, &want->inner);
}

/* While records are read the network of a peer may be the next, and while a cluster
 * is not, its host. */
static bool knows_all(const struct overlay_host *host)
{
	bool all = !host->silent;

	for (const struct overlay_network *n = host->networks; n; n = n->next)
		all &= !(n->net.encrypt && n->partial);
	return all;
}

/* What is on its way to it goes by it. */
static bool is_in_use(const struct overlay_host *host,
		      const struct nlk_wg_peer *p)
{
	for (const struct overlay_network *n = host->networks; n; n = n->next)
		for (size_t i = 0; n->net.encrypt && i < n->vtep_count; i++)
			if (ip_equal(&n->vteps[i], &p->inner))
				return true;
	return false;
}

static int drop_peer(struct overlay_host *host, const struct nlk_wg_peer *p,
		     struct err *err)
{
	if (is_in_use(host, p)) {
		host->crypt.spared = true;
		return 0;
	}
	return nlk_wg_peers_del(host->crypt.wg, OV_WG_LINK, p, 1, err);
}

/* Those that are right are not touched: their sessions go on.  Nobody goes before all
 * are known. */
static int change_peers(struct overlay_host *host, const struct ov_peers *want,
			const struct nlk_wg_device *now, struct err *err)
{
	struct nlk_wg *wg = host->crypt.wg;
	bool all = knows_all(host);
	int r = 0;

	for (size_t i = 0; r == 0 && all && i < now->peer_count; i++)
		if (!find_peer(want->items, want->count, &now->peers[i].key))
			r = drop_peer(host, &now->peers[i], err);
	for (size_t i = 0; r == 0 && i < want->count; i++)
		if (!is_as(find_peer(now->peers, now->peer_count,
				     &want->items[i].key),
			   &want->items[i]))
			r = nlk_wg_peers_set(wg, OV_WG_LINK, &want->items[i], 1,
					     err);
	return r;
}

static int sync_peers(struct overlay_host *host, struct err *err)
{
	_cleanup_(peers_fini) struct ov_peers want = { .count = 0 };
	struct nlk_wg_device now = { .peer_count = 0 };
	int r = ov_crypt_gather(host, &want, err);

	if (r == 0)
		r = nlk_wg_get(host->crypt.wg, OV_WG_LINK, &now, err);
	if (r == 0)
		r = change_peers(host, &want, &now, err);
	nlk_wg_device_fini(&now);
	if (r == 0)
		r = NET_STEP("overlay.crypt.peers", err);
	return r;
}

int ov_crypt_settle(struct overlay_host *host, struct err *err)
{
	if (!host->crypt.spared || !host->crypt.index)
		return 0;
	host->crypt.spared = false;
	return sync_peers(host, err);
}

/* ---- a network -------------------------------------------------------------------- */

int ov_crypt_sync(struct overlay_host *host, struct overlay_network *n,
		  struct ov_view *v, struct err *err)
{
	int r = have_link(host, err);

	if (r == 0)
		r = raise_link(host, err);
	free(take_ptr(n->peers));
	n->peer_count = n->next_count = 0;
	if (r == 0)
		r = ov_crypt_take_hosts(host, n, v, err);
	if (r == 0)
		r = sync_peers(host, err);
	if (r < 0)
		return r;
	ov_crypt_turn_inside(n, v);
	n->vtep = host->crypt.inner;
	return 0;
}

int ov_crypt_leave(struct overlay_host *host, struct err *err)
{
	int r;

	for (const struct overlay_network *n = host->networks; n; n = n->next)
		if (n->net.encrypt)
			return host->crypt.index ? sync_peers(host, err) : 0;
	r = link_del(host, err);
	return r == -EPERM ? 0 : r; /* another's, that has the name */
}

/* ---- the host ---------------------------------------------------------------------- */

uint32_t ov_crypt_room(const struct ov_underlay *u)
{
	/* IP, UDP 8, WireGuard's header and tag 32 */
	uint32_t taken = u->local.family == AF_INET6 ? 80 : 60;

	return u->mtu > taken ? u->mtu - taken : 0;
}

bool ov_crypt_is_up(struct overlay_host *host)
{
	struct nlk_link link;

	return nlk_link_get(host->br->nlk, OV_WG_LINK, 0, &link, NULL) == 0 &&
	       link.index == host->crypt.index && link.up;
}

/* Without a network the link is there for a moment only: the kernel is asked what
 * the public key is. */
static int find_key(struct overlay_host *host, struct nlk_wg_key *ret,
		    struct err *err)
{
	bool wanted = false;
	int r = have_link(host, err);

	if (r == 0)
		*ret = host->crypt.key;
	for (const struct overlay_network *n = host->networks; n; n = n->next)
		wanted |= n->net.encrypt;
	if (!wanted && host->crypt.index &&
	    link_del(host, r < 0 ? NULL : err) < 0 && r == 0)
		r = -EBUSY;
	return r;
}

int overlay_key(void *ctx, char *buf, size_t size, struct err *err)
{
	struct overlay_host *host = ((struct bridge_host *)ctx)->own;
	char text[NLK_WG_TEXT_MAX];
	struct nlk_wg_key key;
	int r;

	pthread_mutex_lock(&host->lock);
	r = find_key(host, &key, err);
	pthread_mutex_unlock(&host->lock);
	if (r < 0)
		return r;
	if (nlk_wg_key_str(&key, text) < 0 || strlen(text) >= size)
		return err_set(err, -ENOMEM, "key");
	memcpy(buf, text, strlen(text) + 1);
	return 0;
}

void ov_crypt_fini(struct overlay_host *host)
{
	nlk_wg_close(take_ptr(host->crypt.wg));
}
