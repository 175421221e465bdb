/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nlk_wg.h - WireGuard links: this host's key, and the peers.
 *
 * A peer here has one address of its own, and what comes from it has that as source
 * or is dropped by the kernel.  Private keys go into the kernel and never come out:
 * what it sends of them is wiped before anybody sees it.
 *
 * A handle is bound to the network namespace it was opened in and may be used by
 * several threads.
 */
#ifndef LIB_NLK_WG_H
#define LIB_NLK_WG_H

#include "lib/nlk.h"

#define NLK_WG_KEY_LEN  32
#define NLK_WG_TEXT_MAX 45 /* of a key in base64, with the NUL */

struct nlk_wg;

struct nlk_wg_key {
	uint8_t bytes[NLK_WG_KEY_LEN];
};

/* nlk_wg_key_parse() - as wg(8) writes them.  -EINVAL; @err does not repeat what was
 * given: it may be a private key. */
int nlk_wg_key_parse(const char *text, struct nlk_wg_key *ret, struct err *err);
/* Return: 0; -ENOMEM. */
int nlk_wg_key_str(const struct nlk_wg_key *key, char buf[NLK_WG_TEXT_MAX]);
bool nlk_wg_key_equal(const struct nlk_wg_key *a, const struct nlk_wg_key *b);

/*
 * nlk_wg_open() - @ret: owned; nlk_wg_close().
 * Return: 0; -EOPNOTSUPP when the kernel has no WireGuard (a module is loaded), with
 *         what to do.
 */
int nlk_wg_open(struct nlk_wg **ret, struct err *err);
void nlk_wg_close(struct nlk_wg *wg); /* NULL is fine */
DEFINE_CLEANUP(struct nlk_wg, nlk_wg_close)

/*
 * nlk_wg_add() - the link, down, with its alias; no key, no peers.
 * Return: 0; -EEXIST: the name is taken; -EOPNOTSUPP as above.
 */
int nlk_wg_add(struct nlk *nlk, const char *name, const char *alias,
	       uint32_t mtu, struct err *err);

struct nlk_wg_peer {
	struct nlk_wg_key key;
	struct ip_addr endpoint; /* where its packets go; none: nowhere yet */
	uint16_t port;
	struct ip_addr inner; /* its one address; none: none or several */
	int64_t handshake;    /* the last, seconds since 1970; 0: never */
};

struct nlk_wg_device {
	struct nlk_wg_key key; /* the public one */
	bool keyed;
	uint16_t port;             /* 0: not chosen yet */
	struct nlk_wg_peer *peers; /* owned; nlk_wg_device_fini() */
	size_t peer_count;
};

/* Return: 0; -ENODEV: no such link; -EOPNOTSUPP: it is no WireGuard. */
int nlk_wg_get(struct nlk_wg *wg, const char *name, struct nlk_wg_device *ret,
	       struct err *err);
void nlk_wg_device_fini(struct nlk_wg_device *d);

/*
 * nlk_wg_set() - give a link its key and UDP port; peers stay.
 * @private_key: borrowed; no copy of it outlives the call.
 * Return: 0; -EADDRINUSE: the port (of a link that is up).
 */
int nlk_wg_set(struct nlk_wg *wg, const char *name,
	       const struct nlk_wg_key *private_key, uint16_t port,
	       struct err *err);
/* nlk_link_up(); the port is taken only now.  -EADDRINUSE: by something else. */
int nlk_wg_up(struct nlk *nlk, int index, uint16_t port, struct err *err);
/* Peers that are there get endpoint and address anew; .handshake is not read.  An
 * address that another had is then this one's. */
int nlk_wg_peers_set(struct nlk_wg *wg, const char *name,
		     const struct nlk_wg_peer *peers, size_t count,
		     struct err *err);
/* By key; one that is not there: 0. */
int nlk_wg_peers_del(struct nlk_wg *wg, const char *name,
		     const struct nlk_wg_peer *peers, size_t count,
		     struct err *err);

#endif
