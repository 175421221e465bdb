/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The endpoints of all networks, as those of other networks have to know them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netplugins/lan/lan.h"
#include "netplugins/net_names.h"

/* Under host->lock. */
static struct lan_seat *find(struct lan_host *host, const char *id)
{
	for (struct lan_seat *s = host->seats; s; s = s->next)
		if (strcmp(s->id, id) == 0)
			return s;
	return NULL;
}

/* Under host->lock: who else on @parent has @mac; NULL @mac: anybody. */
static const struct lan_seat *holder(const struct lan_host *host,
				     const char *parent, const char *id,
				     const struct mac_addr *mac)
{
	for (const struct lan_seat *s = host->seats; s; s = s->next)
		if (strcmp(s->parent, parent) == 0 && strcmp(s->id, id) != 0 &&
		    (!mac || mac_equal(&s->mac, mac)))
			return s;
	return NULL;
}

/* As Docker does, from the address: a container that comes back with it has
 * the MAC its neighbours remember. */
static int choose_mac(const struct lan_host *host, const char *parent,
		      struct net_endpoint *ep, struct err *err)
{
	const struct lan_seat *other;
	char text[MAC_STR_MAX];

	if (ep->mac_given) {
		other = holder(host, parent, ep->id, &ep->mac);
		if (!other)
			return 0;
		return err_set(err, -EADDRINUSE,
			       "MacAddress %s is that of endpoint %.12s of "
			       "network %.12s, on the same parent",
			       mac_str(&ep->mac, text), other->id,
			       other->network);
	}
	if (!ip_is_none(&ep->addr4.addr))
		ep->mac = mac_from_ip(&ep->addr4.addr);
	else if (!ip_is_none(&ep->addr6.addr))
		ep->mac = mac_from_ip(&ep->addr6.addr);
	for (uint64_t seed = 0;
	     mac_is_none(&ep->mac) || holder(host, parent, ep->id, &ep->mac);
	     seed++) {
		uint64_t h = net_hash(ep->id, seed);

		ep->mac.bytes[0] = 0x02;
		for (unsigned int i = 1; i < 6; i++)
			ep->mac.bytes[i] = (uint8_t)(h >> (8 * i));
	}
	return 0;
}

static int check_new(const struct lan_host *host, struct net_endpoint *ep,
		     struct err *err)
{
	const struct lan_network *ln = lan_of(ep->network);
	const struct lan_kind *kind = ln->kind;
	const struct lan_seat *other;

	if (kind->is_alone && kind->is_alone(&ln->opt)) {
		other = holder(host, ln->parent, ep->id, NULL);
		if (!other)
			return 0;
		return err_set(err, -EBUSY,
			       "parent %s goes through to one container, and "
			       "endpoint %.12s has it",
			       ln->parent, other->id);
	}
	if (kind->own_mac)
		return choose_mac(host, ln->parent, ep, err);
	if (ep->mac_given)
		return err_set(
			err, -EINVAL,
			"MacAddress: all containers of an %s network "
			"have the parent's; leave out --mac-address "
			"and --ipam-driver berth-ipam, for which dockerd "
			"makes one up",
			kind->what);
	return 0;
}

static void fill(struct lan_seat *s, const struct net_endpoint *ep)
{
	const struct lan_network *ln = lan_of(ep->network);

	snprintf(s->id, sizeof(s->id), "%s", ep->id);
	snprintf(s->network, sizeof(s->network), "%s", ep->network->id);
	memcpy(s->parent, ln->parent, sizeof(s->parent));
	s->mac = ep->mac;
	s->ip4 = ep->addr4.addr;
	s->ip6 = ep->addr6.addr;
	s->access = ln->opt.host_access;
	s->host4 = ln->host4;
	s->host6 = ln->host6;
}

/* Under host->lock. */
static int take(struct lan_host *host, struct net_endpoint *ep,
		struct lan_seat **seat, struct err *err)
{
	int r = 0;

	if (find(host, ep->id))
		return 0;
	/* One of an earlier life has what it has. */
	if (!ep->ifname[0])
		r = check_new(host, ep, err);
	if (r < 0)
		return r;
	fill(*seat, ep);
	(*seat)->next = host->seats;
	host->seats = *seat;
	*seat = NULL;
	return 0;
}

int lan_seat_take(struct net_endpoint *ep, struct err *err)
{
	struct lan_host *host = ep->network->host;
	struct lan_seat *seat = calloc(1, sizeof(*seat));
	int r;

	if (!seat)
		return err_set(err, -ENOMEM, "endpoint");
	pthread_mutex_lock(&host->lock);
	r = take(host, ep, &seat, err);
	pthread_mutex_unlock(&host->lock);
	free(seat);
	return r;
}

void lan_seat_give(struct lan_host *host, const char *id)
{
	struct lan_seat *gone = NULL;

	pthread_mutex_lock(&host->lock);
	for (struct lan_seat **at = &host->seats; *at; at = &(*at)->next)
		if (strcmp((*at)->id, id) == 0) {
			gone = *at;
			*at = gone->next;
			break;
		}
	pthread_mutex_unlock(&host->lock);
	free(gone);
}

/* Under host->lock. */
void lan_seat_grown(struct lan_host *host, const char *network)
{
	for (struct lan_seat *s = host->seats; s; s = s->next)
		s->refit |= strcmp(s->network, network) == 0;
}

bool lan_seat_refit(struct lan_host *host, const char *id, bool refit)
{
	struct lan_seat *s;
	bool had = false;

	pthread_mutex_lock(&host->lock);
	s = find(host, id);
	if (s) {
		had = s->refit;
		s->refit = refit;
	}
	pthread_mutex_unlock(&host->lock);
	return had;
}

/* Under host->lock. */
unsigned int lan_seat_count(struct lan_host *host, const char *network)
{
	unsigned int n = 0;

	for (const struct lan_seat *s = host->seats; s; s = s->next)
		n += strcmp(s->network, network) == 0;
	return n;
}
