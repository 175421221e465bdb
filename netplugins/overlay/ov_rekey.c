/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another key of this host, in mid-traffic.
 *
 * A link has one key, and an address inside follows from it.  A daemon that starts and
 * finds another one in the file than the link has tells the cluster which one comes
 * next, and goes on with the old one.  The others make a peer of that, and hear the
 * network's packets by its address as well.  TELL_MS after the cluster has it on record,
 * however late that is, the link has it, and the
 * wires send from its address.  What others still send by the old one's sessions the
 * kernel goes on taking (until they would have been renewed), so that address stays
 * for as long; who hears late loses nothing of what he sends.
 *
 * Nothing of it is on record: a daemon that dies meanwhile begins again with what link
 * and file say.
 */
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/netns.h"
#include "netplugins/overlay/overlay.h"

#define TELL_MS  10000 /* others follow in 5 s, etcd's faults included */
#define RETRY_MS 1000
#define KEEP_MS \
	180000 /* as long as WireGuard takes what an old session sends */
#define SCRATCH "berth-wk"
#define ALIAS   "berth:" OVERLAY_DRIVER ":" OV_WG_ID

static const struct ip_prefix nowhere = {
	.addr = { .family = AF_INET6,
		  .bytes = { 0xfd, 0x62, 0x72, 0x74, [15] = 1 } },
	.len = 128,
};

/* Only the kernel can say it: by a link that is there for a moment. */
static int public_of(struct overlay_host *host, const struct nlk_wg_key *secret,
		     struct nlk_wg_key *ret, struct err *err)
{
	struct nlk_wg *wg = host->crypt.wg;
	struct nlk_wg_device d;
	int r = nlk_link_del(host->br->slow, SCRATCH, ALIAS, err), gone;

	if (r == 0)
		r = nlk_wg_add(host->br->nlk, SCRATCH, ALIAS, 0, err);
	if (r == 0)
		r = nlk_wg_set(wg, SCRATCH, secret, 0, err);
	if (r == 0)
		r = nlk_wg_get(wg, SCRATCH, &d, err);
	if (r == 0) {
		*ret = d.key;
		nlk_wg_device_fini(&d);
	}
	gone = nlk_link_del(host->br->slow, SCRATCH, ALIAS, r < 0 ? NULL : err);
	return r < 0 ? r : gone;
}

/* Nobody has to be told where nobody can be, or nobody reaches it by the old one. */
static bool is_reached(struct overlay_host *host, struct nlk_wg_key *key)
{
	struct nlk_wg_device d;
	struct nlk_link link;
	bool reached;

	if (!host->cluster ||
	    nlk_link_get(host->br->nlk, OV_WG_LINK, 0, &link, NULL) < 0 ||
	    nlk_wg_get(host->crypt.wg, OV_WG_LINK, &d, NULL) < 0)
		return false;
	reached = link.up && d.keyed && d.peer_count > 0;
	*key = d.key;
	nlk_wg_device_fini(&d);
	return reached;
}

int ov_rekey_begin(struct overlay_host *host, const struct nlk_wg_key *secret,
		   struct err *err)
{
	struct ov_crypt *c = &host->crypt;
	struct nlk_wg_key has, next;
	int r;

	c->turn_ms = 0;
	if (!is_reached(host, &has))
		return 0;
	r = public_of(host, secret, &next, err);
	if (r < 0 || nlk_wg_key_equal(&has, &next))
		return r;
	r = ov_crypt_address(&next, &c->next_inner, err);
	if (r < 0)
		return r;
	c->next = next;
	c->turn_ms = clock_boot_ms() + TELL_MS;
	log_info("op=rekey event=\"another key: the others are told first\" "
		 "s=%d",
		 TELL_MS / 1000);
	return 1;
}

struct holder {
	struct ip_addr ip;
	int index; /* of the link that has it; 0: none */
};

static int on_addr(void *ctx, int index, const struct ip_prefix *p)
{
	struct holder *h = ctx;

	if (ip_equal(&p->addr, &h->ip))
		h->index = index;
	return 0;
}

static int come_and_go(struct nlk *nlk, int index, struct err *err)
{
	int r = nlk_addr_add(nlk, index, &nowhere, err);

	return r < 0 ? r : nlk_addr_del(nlk, index, &nowhere, err);
}

int ov_link_reroute(struct overlay_host *host, const struct ip_addr *local,
		    struct err *err)
{
	struct holder h = { .ip = *local };
	struct nlk *nlk = host->br->nlk;
	struct nlk_link link = { .index = host->crypt.index };
	int r;

	if (local->family == AF_INET)
		return sysctl_set("net/ipv4/route/flush", "1", err);
	/* of IPv6 an address that goes does it, whichever it is */
	if (!link.index && nlk_link_get(nlk, "lo", 0, &link, NULL) == 0 &&
	    come_and_go(nlk, link.index, NULL) == 0)
		return 0;
	if (host->crypt.index)
		return come_and_go(nlk, host->crypt.index, err);
	/* lo may have no IPv6; who has @local does */
	r = nlk_addr_each(nlk, 0, on_addr, &h, err);
	return r < 0 || !h.index ? r : come_and_go(nlk, h.index, err);
}

void ov_rekey_sweep(struct overlay_host *host)
{
	struct holder h = { .ip = nowhere.addr };
	struct nlk *nlk = host->br->nlk;

	(void)nlk_link_del(host->br->slow, SCRATCH, ALIAS, NULL);
	if (nlk_addr_each(nlk, 0, on_addr, &h, NULL) == 0 && h.index)
		(void)nlk_addr_del(nlk, h.index, &nowhere, NULL);
}

static void wipe_key(struct nlk_wg_key *key)
{
	explicit_bzero(key, sizeof(*key));
}

/* The link has it: nothing that follows can undo that. */
static void is_taken(struct overlay_host *host)
{
	struct ov_crypt *c = &host->crypt;
	struct err why = { 0 };
	char text[sizeof(why.msg)];

	c->turn_ms = 0;
	c->was = c->inner;
	c->was_ms = clock_boot_ms() + KEEP_MS;
	c->key = c->next;
	c->inner = c->next_inner;
	log_info("op=rekey event=\"the new key is in use\"");
	if (ov_link_reroute(host, &c->inner, &why) < 0)
		log_warn("op=rekey err=%s",
			 log_quote(text, sizeof(text), why.msg));
}

/* Wires send from the new address, but to whom they sent already: then the key, and
 * then those as well.  So least is sent by one of them with the other's address. */
static int take_next(struct overlay_host *host, struct err *err)
{
	_cleanup_(wipe_key) struct nlk_wg_key secret;
	struct ov_crypt *c = &host->crypt;
	struct nlk_wg_key next;
	int r = ov_key_load(c->dir, &secret, err);

	if (r == 0)
		r = public_of(host, &secret, &next, err);
	if (r == 0 && !nlk_wg_key_equal(&next, &c->next)) {
		r = ov_crypt_give_key(host, err); /* begins anew */
		c->keyed = r == 0; /* else with the next look at a network */
		return r;
	}
	for (struct overlay_network *n = host->networks; r == 0 && n;
	     n = n->next)
		if (n->net.encrypt && n->wire_index)
			r = nlk_vxlan_set_local(host->br->nlk, n->wire_index,
						&c->next_inner, err);
	if (r == 0)
		r = NET_STEP("rekey.wires", err);
	if (r == 0)
		r = nlk_wg_set(c->wg, OV_WG_LINK, &secret, OV_WG_PORT, err);
	if (r < 0)
		return r;
	is_taken(host);
	r = ov_crypt_tell(host, err);
	return r < 0 ? r : NET_STEP("rekey.taken", err);
}

int ov_rekey_turn(struct overlay_host *host, struct err *err)
{
	struct ov_crypt *c = &host->crypt;
	uint64_t now = clock_boot_ms();
	int r;

	if (!c->index || !c->keyed)
		return 0;
	if (c->was_ms && now >= c->was_ms) {
		c->was_ms = 0;
		r = ov_crypt_addresses(host, err);
		if (r < 0)
			return r;
	}
	if (c->turn_ms && !cluster_host_told(host->cluster))
		c->turn_ms = now + TELL_MS;
	if (!c->turn_ms || now < c->turn_ms)
		return 0;
	r = take_next(host, err);
	if (r < 0 && c->turn_ms) /* not with each event */
		c->turn_ms = now + RETRY_MS;
	/* all that follows from it, also where it failed half way */
	for (struct overlay_network *n = host->networks; n; n = n->next)
		if (n->net.encrypt)
			ov_network_stir(n);
	return r;
}
