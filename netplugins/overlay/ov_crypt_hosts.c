/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom an encrypted network's wire goes to: of what the hosts say of their keys, which
 * peers WireGuard is to have, and where each host is inside.
 */
#include <stdlib.h>
#include <string.h>

#include "netplugins/overlay/overlay.h"

static int own_key_is(const struct overlay_host *host, const struct ov_host *h,
		      struct err *err)
{
	char own[NLK_WG_TEXT_MAX] = "";

	(void)nlk_wg_key_str(&host->crypt.key, own);
	if (!h->key[0] || strcmp(h->key, own) == 0)
		return 0;
	return err_set(err, -EINVAL,
		       "%s is this host, and its key is %s, not %s: say so to "
		       "all hosts",
		       h->node, own, h->key);
}

/* The record of a host that was copied, or taken over, may say the key of another one:
 * what is for that one must not go there. */
const struct ov_host *ov_crypt_first(const struct ov_view *v, size_t i)
{
	const struct ov_host *h = &v->hosts[i];

	for (size_t k = 0; h->key[0] && k < v->host_count; k++) {
		const struct ov_host *o = &v->hosts[k];

		if (k != i &&
		    ((o->since < h->since && strcmp(o->key, h->key) == 0) ||
		     (o->next_since < h->since &&
		      strcmp(o->next, h->key) == 0)))
			return o;
	}
	return NULL;
}

/* So may the key that it says it will have. */
static bool is_next_taken(const struct ov_view *v, const struct ov_host *h)
{
	for (size_t k = 0; k < v->host_count; k++) {
		const struct ov_host *o = &v->hosts[k];

		if (o != h && ((o->since < h->next_since &&
				strcmp(o->key, h->next) == 0) ||
			       (o->next_since < h->next_since &&
				strcmp(o->next, h->next) == 0)))
			return true;
	}
	return false;
}

/* It will have another key soon: known before it uses it.  One that can't be is not
 * worth a word: it is said when it is its key. */
static void take_next(struct overlay_host *host, struct overlay_network *n,
		      const struct ov_view *v, const struct ov_host *h)
{
	struct nlk_wg_peer p = { .endpoint = h->vtep, .port = OV_WG_PORT };

	if (h->next[0] && strcmp(h->next, h->key) != 0 &&
	    !is_next_taken(v, h) &&
	    nlk_wg_key_parse(h->next, &p.key, NULL) == 0 &&
	    !nlk_wg_key_equal(&p.key, &host->crypt.key) &&
	    ov_crypt_address(&p.key, &p.inner, NULL) == 0)
		n->peers[n->peer_count++] = p;
}

/* Is it to be left out?  Then that is counted. */
static bool is_copy(struct overlay_network *n, const struct ov_view *v,
		    size_t i)
{
	const struct ov_host *first = ov_crypt_first(v, i);

	if (first)
		ov_view_refuse(n,
			       "WireGuard key of host %s: it is host %s's: "
			       "remove wg.key there, and restart the daemon",
			       v->hosts[i].node, first->node);
	return first != NULL;
}

/* A host whose key is not known, or is none: of a list that is an error, a cluster may
 * tell it later, and the others have nothing to do with it. */
static int take_host(struct overlay_host *host, struct overlay_network *n,
		     const struct ov_host *h, bool listed, struct err *err)
{
	struct nlk_wg_peer p = { .endpoint = h->vtep, .port = OV_WG_PORT };
	struct err why = { 0 };
	int r;

	if (ip_equal(&h->vtep, &n->under.local))
		return listed ? own_key_is(host, h, err) : 0;
	if (!h->key[0])
		return listed ? err_set(err, -EINVAL,
					"berth.encrypt=on: the key of %s is "
					"not known: write %s=KEY in "
					"berth.peers (/Berth.Key on that host "
					"tells it)",
					h->node, h->node)
			      : 0;
	r = nlk_wg_key_parse(h->key, &p.key, &why);
	if (r == 0 && nlk_wg_key_equal(&p.key, &host->crypt.key))
		r = err_set(&why, -EINVAL, "it has the key of this host");
	if (r < 0 && !listed) {
		ov_view_refuse(n, "WireGuard key of host %s: %s", h->node,
			       why.msg);
		return 0;
	}
	if (r == 0)
		r = ov_crypt_address(&p.key, &p.inner, &why);
	if (r < 0)
		return err_set(err, r, "host %s: %s", h->node, why.msg);
	n->peers[n->peer_count++] = p;
	return 0;
}

/* @also: of the key that it will have. */
static const struct nlk_wg_peer *behind(const struct overlay_network *n,
					const struct ip_addr *vtep,
					struct ip_addr *also)
{
	const struct nlk_wg_peer *first = NULL;

	for (size_t i = 0; i < n->peer_count; i++) {
		if (!ip_equal(&n->peers[i].endpoint, vtep))
			continue;
		if (first)
			*also = n->peers[i].inner;
		else
			first = &n->peers[i];
	}
	return first;
}

/* Those that can't be reached safely are not in it. */
void ov_crypt_turn_inside(const struct overlay_network *n, struct ov_view *v)
{
	const struct nlk_wg_peer *p;
	size_t kept = 0;

	for (size_t i = 0; i < v->endpoint_count; i++) {
		p = behind(n, &v->endpoints[i].vtep, &v->endpoints[i].also);
		if (!p)
			continue;
		v->endpoints[kept] = v->endpoints[i];
		v->endpoints[kept++].vtep = p->inner;
	}
	v->endpoint_count = kept;
	kept = 0;
	for (size_t i = 0; i < v->host_count; i++) {
		p = behind(n, &v->hosts[i].vtep, &v->hosts[i].also);
		if (!p)
			continue;
		v->hosts[kept] = v->hosts[i];
		v->hosts[kept++].vtep = p->inner;
	}
	v->host_count = kept;
}

int ov_crypt_take_hosts(struct overlay_host *host, struct overlay_network *n,
			const struct ov_view *v, struct err *err)
{
	_cleanup_free_ bool *taken = calloc(v->host_count + 1, sizeof(*taken));
	size_t had;
	int r = 0;

	n->peers = calloc(2 * v->host_count + 1, sizeof(*n->peers));
	if (!n->peers || !taken)
		return err_set(err, -ENOMEM, "peers");
	for (size_t i = 0; r == 0 && i < v->host_count; i++) {
		if (is_copy(n, v, i))
			continue;
		had = n->peer_count;
		r = take_host(host, n, &v->hosts[i], v->learn, err);
		taken[i] = n->peer_count > had;
	}
	had = n->peer_count;
	for (size_t i = 0; r == 0 && i < v->host_count; i++)
		if (taken[i])
			take_next(host, n, v, &v->hosts[i]);
	n->next_count = n->peer_count - had;
	return r;
}
