/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WireGuard by generic netlink.
 *
 * Asked about a link, the kernel tells whoever may change it the private key as well.
 * libnl copies each message out of a buffer that it frees as it is; recv_no_secret()
 * wipes the key in that buffer, before the copy.
 */
#include "lib/nlk_wg.h"

#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netlink/genl/ctrl.h>
#include <stdio.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/nlk_priv.h"

#define PEERS_A_MESSAGE 16 /* of some 150 bytes; a message is a page */

struct nlk_wg {
	struct nlk *nlk; /* owned */
	int family;      /* the message type */
};

/* ---- keys ------------------------------------------------------------------- */

int nlk_wg_key_parse(const char *text, struct nlk_wg_key *ret, struct err *err)
{
	size_t len = strlen(text), size = 0;
	char *raw = NULL;
	int r = len == NLK_WG_TEXT_MAX - 1
			? base64_decode(text, len, &raw, &size)
			: -EBADMSG;

	if (r == 0 && size == sizeof(ret->bytes))
		memcpy(ret->bytes, raw, sizeof(ret->bytes));
	else if (r != -ENOMEM)
		r = -EINVAL;
	if (raw)
		explicit_bzero(raw, size);
	free(raw);
	if (r == 0)
		return 0;
	return err_set(err, r,
		       r == -ENOMEM ? "key: out of memory"
				    : "not a WireGuard key: it has %d "
				      "characters, as wg genkey writes it",
		       NLK_WG_TEXT_MAX - 1);
}

int nlk_wg_key_str(const struct nlk_wg_key *key, char buf[NLK_WG_TEXT_MAX])
{
	_cleanup_free_ char *text =
		base64_encode(key->bytes, sizeof(key->bytes));

	if (!text)
		return -ENOMEM;
	snprintf(buf, NLK_WG_TEXT_MAX, "%s", text);
	explicit_bzero(text, NLK_WG_TEXT_MAX - 1);
	return 0;
}

bool nlk_wg_key_equal(const struct nlk_wg_key *a, const struct nlk_wg_key *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* ---- the socket --------------------------------------------------------------- */

/* The kernel's error for a missing kind is "Unknown device type". */
static int no_wireguard(struct err *err)
{
	return err_set(err, -EOPNOTSUPP,
		       "this host's kernel has no WireGuard: modprobe "
		       "wireguard, or boot a kernel that has it (Linux 5.6 or "
		       "later with CONFIG_WIREGUARD)");
}

static void wipe(struct nlmsghdr *h)
{
	struct nlattr *a = NULL;

	if (h->nlmsg_type >= NLMSG_MIN_TYPE)
		a = nlmsg_find_attr(h, GENL_HDRLEN, WGDEVICE_A_PRIVATE_KEY);
	if (a)
		explicit_bzero(nla_data(a), (size_t)nla_len(a));
}

static int recv_no_secret(struct nl_sock *sk, struct sockaddr_nl *from,
			  unsigned char **buf, struct ucred **creds)
{
	int n = nl_recv(sk, from, buf, creds), rest = n;

	if (n <= 0)
		return n;
	for (struct nlmsghdr *h = (void *)*buf; nlmsg_ok(h, rest);
	     h = nlmsg_next(h, &rest))
		wipe(h);
	return n;
}

int nlk_wg_open(struct nlk_wg **ret, struct err *err)
{
	_cleanup_(nlk_wg_closep) struct nlk_wg *wg = calloc(1, sizeof(*wg));
	int r;

	if (!wg)
		return err_set(err, -ENOMEM, "WireGuard: out of memory");
	r = nlk_open_family(NETLINK_GENERIC, &wg->nlk, err);
	if (r < 0)
		return r;
	wg->family = genl_ctrl_resolve(wg->nlk->sk, WG_GENL_NAME);
	if (wg->family < 0)
		return no_wireguard(err);
	nl_cb_overwrite_recv(wg->nlk->cb, recv_no_secret);
	*ret = take_ptr(wg);
	return 0;
}

void nlk_wg_close(struct nlk_wg *wg)
{
	if (!wg)
		return;
	nlk_close(wg->nlk);
	free(wg);
}

/* ---- making --------------------------------------------------------------------- */

int nlk_wg_add(struct nlk *nlk, const char *name, const char *alias,
	       uint32_t mtu, struct err *err)
{
	const struct nlk_stack_conf conf = {
		.kind = NLK_WIREGUARD,
		.name = name,
		.alias = alias,
		.mtu = mtu,
	};
	int r = nlk_stack_add(nlk, &conf, err);

	return r == -EOPNOTSUPP ? no_wireguard(err) : r;
}

int nlk_wg_up(struct nlk *nlk, int index, uint16_t port, struct err *err)
{
	int r = nlk_link_up(nlk, index, true, err);

	if (r != -EADDRINUSE)
		return r;
	return err_set(err, r,
		       "UDP port %u is in use on this host (ss -ulnp 'sport = "
		       ":%u' shows by whom, wg show a WireGuard link): "
		       "encryption between hosts needs it",
		       port, port);
}

/* ---- reading -------------------------------------------------------------------- */

struct look {
	const char *name;
	struct nlk_wg_device d;
	struct nlk_list peers;
	bool told; /* the last peer's address */
};

static void take_endpoint(struct nlk_wg_peer *p, const struct nlattr *a)
{
	struct sockaddr_in6 s6;
	struct sockaddr_in s4;

	if (nla_len(a) == (int)sizeof(s4)) {
		memcpy(&s4, nla_data(a), sizeof(s4));
		p->endpoint.family = AF_INET;
		memcpy(p->endpoint.bytes, &s4.sin_addr, 4);
		p->port = ntohs(s4.sin_port);
	} else if (nla_len(a) == (int)sizeof(s6)) {
		memcpy(&s6, nla_data(a), sizeof(s6));
		p->endpoint.family = AF_INET6;
		memcpy(p->endpoint.bytes, &s6.sin6_addr, 16);
		p->port = ntohs(s6.sin6_port);
	}
}

/* A second address, or one that is a whole network, is none. */
static int take_inner(struct look *l, struct nlk_wg_peer *p, struct nlattr *a)
{
	struct nlattr *tb[WGALLOWEDIP_A_MAX + 1];
	uint16_t family;
	uint8_t bits;

	if (nla_parse_nested(tb, WGALLOWEDIP_A_MAX, a, NULL) < 0 ||
	    !tb[WGALLOWEDIP_A_FAMILY] || !tb[WGALLOWEDIP_A_IPADDR] ||
	    !tb[WGALLOWEDIP_A_CIDR_MASK])
		return -EBADMSG;
	family = nla_get_u16(tb[WGALLOWEDIP_A_FAMILY]);
	bits = nla_get_u8(tb[WGALLOWEDIP_A_CIDR_MASK]);
	p->inner = (struct ip_addr){ 0 };
	if (!l->told && bits == (family == AF_INET ? 32 : 128))
		p->inner = nlk_ip_decode(family, tb[WGALLOWEDIP_A_IPADDR]);
	l->told = true;
	return 0;
}

/* A peer with much to tell comes in several parts, in a row. */
static struct nlk_wg_peer *peer_for(struct look *l, const struct nlattr *key)
{
	struct nlk_wg_peer p = { .port = 0 }, *peers;

	memcpy(p.key.bytes, nla_data(key), sizeof(p.key.bytes));
	peers = (void *)l->peers.items;
	if (l->peers.count &&
	    nlk_wg_key_equal(&peers[l->peers.count - 1].key, &p.key))
		return &peers[l->peers.count - 1];
	if (nlk_list_add(&l->peers, &p) < 0)
		return NULL;
	l->told = false;
	peers = (void *)l->peers.items;
	return &peers[l->peers.count - 1];
}

static int take_peer(struct look *l, struct nlattr *a)
{
	struct nlattr *tb[WGPEER_A_MAX + 1], *ip;
	struct nlk_wg_peer *p;
	int rest, r = 0;

	if (nla_parse_nested(tb, WGPEER_A_MAX, a, NULL) < 0 ||
	    !tb[WGPEER_A_PUBLIC_KEY] ||
	    nla_len(tb[WGPEER_A_PUBLIC_KEY]) != NLK_WG_KEY_LEN)
		return -EBADMSG;
	p = peer_for(l, tb[WGPEER_A_PUBLIC_KEY]);
	if (!p)
		return -ENOMEM;
	if (tb[WGPEER_A_ENDPOINT])
		take_endpoint(p, tb[WGPEER_A_ENDPOINT]);
	if (tb[WGPEER_A_LAST_HANDSHAKE_TIME] &&
	    nla_len(tb[WGPEER_A_LAST_HANDSHAKE_TIME]) >= 8)
		memcpy(&p->handshake,
		       nla_data(tb[WGPEER_A_LAST_HANDSHAKE_TIME]), 8);
	if (tb[WGPEER_A_ALLOWEDIPS])
		nla_for_each_nested(ip, tb[WGPEER_A_ALLOWEDIPS],
				    rest) if (r == 0) r = take_inner(l, p, ip);
	return r;
}

static int on_device(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *tb[WGDEVICE_A_MAX + 1], *peer;
	struct look *l = ctx;
	int rest, r = 0;

	if (nlmsg_parse(h, GENL_HDRLEN, tb, WGDEVICE_A_MAX, NULL) < 0)
		return -EBADMSG;
	if (tb[WGDEVICE_A_PUBLIC_KEY] &&
	    nla_len(tb[WGDEVICE_A_PUBLIC_KEY]) == NLK_WG_KEY_LEN) {
		memcpy(l->d.key.bytes, nla_data(tb[WGDEVICE_A_PUBLIC_KEY]),
		       NLK_WG_KEY_LEN);
		l->d.keyed = true;
	}
	if (tb[WGDEVICE_A_LISTEN_PORT])
		l->d.port = nla_get_u16(tb[WGDEVICE_A_LISTEN_PORT]);
	if (tb[WGDEVICE_A_PEERS])
		nla_for_each_nested(peer, tb[WGDEVICE_A_PEERS],
				    rest) if (r == 0) r = take_peer(l, peer);
	return r;
}

static void put_name(struct nlk_msg *b, void *ctx)
{
	nlk_put_str(b, WGDEVICE_A_IFNAME, ((struct look *)ctx)->name);
}

static void reset(void *ctx)
{
	struct look *l = ctx;

	l->peers.count = 0;
	l->d = (struct nlk_wg_device){ .port = 0 };
	l->told = false;
}

int nlk_wg_get(struct nlk_wg *wg, const char *name, struct nlk_wg_device *ret,
	       struct err *err)
{
	const struct genlmsghdr g = { .cmd = WG_CMD_GET_DEVICE,
				      .version = WG_GENL_VERSION };
	struct look l = { .name = name,
			  .peers = { .item = sizeof(struct nlk_wg_peer) } };
	int r = nlk_dump(wg->nlk, wg->family, &g, sizeof(g), put_name,
			 on_device, reset, &l, err, "WireGuard link");

	if (r < 0) {
		nlk_list_fini(&l.peers);
		return err_wrap(err, r, "%s", name);
	}
	*ret = l.d;
	ret->peers = (void *)take_ptr(l.peers.items);
	ret->peer_count = l.peers.count;
	return 0;
}

void nlk_wg_device_fini(struct nlk_wg_device *d)
{
	free(take_ptr(d->peers));
	d->peer_count = 0;
}

/* ---- changing ------------------------------------------------------------------- */

static struct nlk_msg set_new(const struct nlk_wg *wg, const char *name)
{
	const struct genlmsghdr g = { .cmd = WG_CMD_SET_DEVICE,
				      .version = WG_GENL_VERSION };
	struct nlk_msg b = nlk_msg_new(wg->family, 0, &g, sizeof(g));

	nlk_put_str(&b, WGDEVICE_A_IFNAME, name);
	return b;
}

static void secret_fini(struct nlk_msg *b)
{
	if (b->m)
		explicit_bzero(nlmsg_data(nlmsg_hdr(b->m)),
			       (size_t)nlmsg_datalen(nlmsg_hdr(b->m)));
	nlk_msg_fini(b);
}

int nlk_wg_set(struct nlk_wg *wg, const char *name,
	       const struct nlk_wg_key *private_key, uint16_t port,
	       struct err *err)
{
	_cleanup_(secret_fini) struct nlk_msg b = set_new(wg, name);

	nlk_put(&b, WGDEVICE_A_PRIVATE_KEY, private_key->bytes,
		sizeof(private_key->bytes));
	nlk_put(&b, WGDEVICE_A_LISTEN_PORT, &port, sizeof(port));
	return nlk_call(wg->nlk, &b, NULL, NULL, err, "WireGuard link", name);
}

static void put_endpoint(struct nlk_msg *b, const struct nlk_wg_peer *p)
{
	struct sockaddr_in6 s6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(p->port) };
	struct sockaddr_in s4 = { .sin_family = AF_INET,
				  .sin_port = htons(p->port) };

	if (p->endpoint.family == AF_INET) {
		memcpy(&s4.sin_addr, p->endpoint.bytes, 4);
		nlk_put(b, WGPEER_A_ENDPOINT, &s4, sizeof(s4));
	} else if (p->endpoint.family == AF_INET6) {
		memcpy(&s6.sin6_addr, p->endpoint.bytes, 16);
		nlk_put(b, WGPEER_A_ENDPOINT, &s6, sizeof(s6));
	}
}

static void put_inner(struct nlk_msg *b, const struct ip_addr *ip)
{
	const uint16_t family = ip->family;
	struct nlattr *list = nlk_nest(b, WGPEER_A_ALLOWEDIPS), *one;

	if (!ip_is_none(ip)) {
		one = nlk_nest(b, 0);
		nlk_put(b, WGALLOWEDIP_A_FAMILY, &family, sizeof(family));
		nlk_put_ip(b, WGALLOWEDIP_A_IPADDR, ip);
		nlk_put_u8(b, WGALLOWEDIP_A_CIDR_MASK,
			   family == AF_INET ? 32 : 128);
		nlk_nest_end(b, one);
	}
	nlk_nest_end(b, list);
}

static void put_peer(struct nlk_msg *b, const struct nlk_wg_peer *p, bool gone)
{
	struct nlattr *nest = nlk_nest(b, 0);

	nlk_put(b, WGPEER_A_PUBLIC_KEY, p->key.bytes, sizeof(p->key.bytes));
	nlk_put_u32(b, WGPEER_A_FLAGS,
		    gone ? WGPEER_F_REMOVE_ME : WGPEER_F_REPLACE_ALLOWEDIPS);
	if (!gone) {
		put_endpoint(b, p);
		put_inner(b, &p->inner);
	}
	nlk_nest_end(b, nest);
}

static int send_peers(struct nlk_wg *wg, const char *name,
		      const struct nlk_wg_peer *peers, size_t count, bool gone,
		      struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count;) {
		_cleanup_(nlk_msg_fini) struct nlk_msg b = set_new(wg, name);
		struct nlattr *list = nlk_nest(&b, WGDEVICE_A_PEERS);

		for (size_t n = 0; n < PEERS_A_MESSAGE && i < count; n++)
			put_peer(&b, &peers[i++], gone);
		nlk_nest_end(&b, list);
		r = nlk_call(wg->nlk, &b, NULL, NULL, err,
			     "peers of WireGuard link", name);
	}
	return r;
}

int nlk_wg_peers_set(struct nlk_wg *wg, const char *name,
		     const struct nlk_wg_peer *peers, size_t count,
		     struct err *err)
{
	return send_peers(wg, name, peers, count, false, err);
}

int nlk_wg_peers_del(struct nlk_wg *wg, const char *name,
		     const struct nlk_wg_peer *peers, size_t count,
		     struct err *err)
{
	return send_peers(wg, name, peers, count, true, err);
}
