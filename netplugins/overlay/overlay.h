/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * overlay.h - one network over many hosts: on each a network on a bridge, as
 * berth-bridge makes it, and one port more, a VXLAN link ("wire") to the others.
 *
 * What is known of other hosts a directory says (directory.h).  Where it knows the
 * endpoints nothing is learnt or flooded: the kernel's tables say where each is
 * (ov_table.c).  Where it knows only hosts, the kernel learns.
 *
 * Each host has the same gateway, address and MAC, for its own containers; nothing
 * of it passes a wire (ov_wire.c), so a host's own processes and published ports
 * reach the containers of that host.
 */
#ifndef NETPLUGINS_OVERLAY_OVERLAY_H
#define NETPLUGINS_OVERLAY_OVERLAY_H

#include "lib/fw.h"
#include "lib/nlk_vxlan.h"
#include "lib/nlk_wg.h"
#include "netplugins/bridge/bridge.h"
#include "netplugins/overlay/cluster.h"
#include "netplugins/overlay/directory.h"

#define OVERLAY_DRIVER "berth-overlay"
#define OV_PORT        4789
#define OV_WG_LINK     "berth-wg"
#define OV_WG_ID       "wireguard" /* in its mark, where others have a network's */
#define OV_WG_PORT     51821       /* UDP, between hosts */

extern const struct net_driver overlay_driver;
extern const struct bridge_kind overlay_kind;

/* ---- networks and the host ------------------------------------------------ */

/* From where this host's packets to the others go out. */
struct ov_underlay {
	struct ip_addr local;
	uint32_t mtu;
};

struct overlay_options {
	char peers[6144], name[64], vnis[256]; /* peers: with keys */
	bool encrypt;
	int shortcut; /* enum ov_shortcut */
};

enum ov_shortcut {
	OV_SHORTCUT_AUTO, /* where it can be */
	OV_SHORTCUT_OFF,
};

/* Who on another host has an address. */
struct ov_owner {
	struct mac_addr mac;
	struct ip_addr ip;
};

/* A line of one of the kernel's tables. */
struct ov_line {
	struct mac_addr mac; /* none: what is for all */
	struct ip_addr ip;   /* host, or address; none in the bridge's */
	bool learnt;
};

struct ov_lines {
	struct ov_line *items; /* owned */
	size_t count, room;
	int failed;
};

enum { OV_TABLES = 3 };

/* Of one network, as ov_table_sync() left them. */
struct ov_tables {
	int wire, bridge; /* indexes; 0: not known what they hold */
	struct ov_lines lines[OV_TABLES];
};

struct overlay_network {
	struct bridge_network br;
	struct overlay_options opt;
	struct ov_network net; /* as the directory is told of it */
	char wire[IFNAMSIZ];
	struct ov_dir *dir; /* borrowed: one of the host's; NULL: not joined */
	/* under host->lock */
	struct ov_underlay under; /* as last applied; .local none: nothing */
	struct ip_addr vtep; /* what the wire sends from: .under's, or inside
			      * WireGuard */
	struct nlk_wg_peer *peers;     /* owned; of an encrypted network */
	size_t peer_count, next_count; /* the last ones are of keys to come */
	int wire_index;                /* 0: not there */
	bool listed, lost, known; /* known: all endpoints are, none is learnt */
	struct ip_addr *vteps;    /* owned: whom the wire hears */
	size_t vtep_count;
	struct ov_endpoint *far; /* owned: those of other hosts */
	size_t far_count;
	struct ov_owner *owners; /* owned: of ->far's addresses, fe80:: too */
	size_t owner_count;
	char (*fenced)[65]; /* owned: endpoints of ours that are cut off */
	size_t fenced_count;
	bool stirred; /* its view changed, or what follows from it may have */
	struct ov_tables tables; /* owned: what the kernel's hold, as told */
	bool partial;            /* its view is: what is missing may be there */
	bool ruled; /* the rules were told what ->vteps, ->far, ->owners are */
	bool held;  /* its wire is down: the rules that stand may not know it */
	unsigned int refused;  /* of what other hosts say, in the last view */
	char why_refused[160]; /* the first of them */
	struct overlay_network *next;
};

struct ov_config {
	struct bridge_config br;       /* the first: its flags go there */
	char underlay[64];             /* "": the default route's */
	struct cluster_config cluster; /* .at without members: none */
};

/* What encrypted networks go by (ov_crypt.c); under host->lock. */
struct ov_crypt {
	char dir[256];         /* where the key is; "": none */
	struct nlk_wg *wg;     /* owned; NULL: not needed yet */
	int index;             /* of the link; 0: not there */
	bool keyed;            /* the next two are so */
	struct nlk_wg_key key; /* public */
	struct ip_addr inner;  /* what follows from it */
	bool suspect;          /* the link may be gone or down */
	bool spared;           /* peers are there that nobody wants */
	/* ov_rekey.c */
	struct nlk_wg_key next;    /* the file's, public, while .turn_ms */
	struct ip_addr next_inner; /* what follows from that */
	uint64_t turn_ms;          /* when it is taken; 0: there is none */
	struct ip_addr was;        /* .inner before, while .was_ms */
	uint64_t was_ms;           /* when that goes */
};

struct overlay_host {
	struct bridge_host *br;
	char underlay[64];
	struct ov_dir *peers;      /* owned */
	struct ov_dir *cluster;    /* owned; NULL: no --store */
	struct ov_underlay told;   /* under ->lock: what it was told of us, and
				  * all its networks' wires send from */
	struct nlk_monitor *links; /* owned; the event thread's */
	struct fw *fw;             /* owned */
	struct ov_crypt crypt;
	bool relook;   /* the event thread's: underlay changed */
	bool silent;   /* between load_begin and load_end */
	bool standing; /* then: rules of an earlier life stand, and are replaced
			* once, when all networks are known */
	int64_t looked_ms; /* the event thread's: all networks were looked at */
	pthread_mutex_t lock;
	struct overlay_network *networks; /* that have a wire or want one */
	uint32_t generation; /* of the ruleset when ours was seen right */
	bool ruled;          /* our tables are there */
	struct ov_wire_elem *elems; /* owned: then, what their sets were told */
	size_t elem_count;
};

struct overlay_network *overlay_of(struct net_network *net);
struct overlay_host *overlay_host_of(const struct net_network *net);

/* berth.peers, berth.name, vxlanid_list: ->net.  Reaches no kernel. */
int ov_network_parse(struct overlay_network *n, struct err *err);

/* ---- the underlay (ov_underlay.c) ------------------------------------------ */

/*
 * ov_underlay_find() - the address that the others reach this host by, as @want
 * says: an address, an interface, or "": that of @net's peers which this host has,
 * else what the route to one of them uses, else that to the world.
 * @family: what is in use, where @net has no peers; 0: any.
 * Return: 0; -EADDRNOTAVAIL, saying what is missing.
 */
int ov_underlay_find(struct nlk *nlk, const char *want,
		     const struct ov_network *net, uint8_t family,
		     struct ov_underlay *ret, struct err *err);
/*
 * ov_underlay_have() - what @n's wire is to send from, under host->lock: of a cluster's
 * networks all the same, which the others are told.  There IPv4 is taken where there is
 * one; IPv6 is stayed with once a host was heard of that is reached by it.
 */
int ov_underlay_have(struct overlay_host *host, const struct overlay_network *n,
		     struct ov_underlay *ret, struct err *err);
/* The cluster's alone: told to it, where it is another. */
int ov_underlay_tell(struct overlay_host *host, struct err *err);
/* What VXLAN leaves of an MTU by that family, and WireGuard where @encrypt. */
uint32_t ov_underlay_room(const struct ov_underlay *u, bool encrypt);

/* ---- the wire (ov_link.c): under host->lock --------------------------------- */

/*
 * ov_link_sync() - have the VXLAN link there, a port of the bridge, as ->net, ->under
 * and ->known say; what is there and fits stays.
 * Return: 0; -EEXIST, -EADDRINUSE: another has the VNI or the UDP port.
 */
int ov_link_sync(struct overlay_host *host, struct overlay_network *n,
		 struct err *err);
int ov_link_del(struct overlay_host *host, struct overlay_network *n,
		struct err *err);
/* Nothing passes until the next ov_link_sync(); what its tables say stays. */
void ov_link_lower(struct overlay_host *host, const struct overlay_network *n);
/* Cut off those endpoints of this host that @view says are fenced, and let those be
 * that are not any more. */
int ov_link_fence(struct overlay_host *host, struct overlay_network *n,
		  const struct ov_view *view, struct err *err);

/* ---- views (ov_view.c): under host->lock --------------------------------------- */

/* Take away what can't be: hosts of another family than ->vtep, endpoints that say
 * they are the gateway.  They are counted, for doctor. */
void ov_view_clean(struct overlay_network *n, struct ov_view *v);
/* Something that another host says is not used: count it, keep the first text. */
void ov_view_refuse(struct overlay_network *n, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A partial view: what the kernel's tables have and @v does not is added, as it is:
 * hosts without a name, endpoints without an id. */
int ov_view_recall(struct overlay_host *host, struct overlay_network *n,
		   struct ov_view *v, struct err *err);
/* ->vteps, ->far and ->owners are those of @v from now on.  Where they are others:
 * ->ruled is false. */
int ov_view_keep(struct overlay_network *n, const struct ov_view *v,
		 struct err *err);
void ov_view_forget(struct overlay_network *n);

/* ---- the kernel's tables (ov_table.c) ---------------------------------------- */

struct ov_counts {
	unsigned int added, removed;
};

/*
 * ov_table_sync() - make the tables of @wire and @bridge (indexes) say what @view
 * says: only what differs is touched.  Of a partial view nothing is taken away.  A line
 * that the kernel refuses keeps no other out: the first error is told in the end.
 * @local: this host's own address, no peer.
 * @had:   what the tables were made to hold by the call before, which is not read again;
 *         ov_tables_forget() where they may hold something else.
 */
int ov_table_sync(struct nlk *nlk, int wire, int bridge,
		  const struct ov_view *view, const struct ip_addr *local,
		  struct ov_tables *had, struct ov_counts *ret,
		  struct err *err);
void ov_tables_forget(struct ov_tables *t);
/* Somebody else changed who has @ip. */
void ov_tables_lost(struct ov_tables *t, const struct ip_addr *ip);

/* ---- encryption (ov_crypt.c, ov_key.c): under host->lock ---------------------- */

/* The key of @dir, a directory: made with the first call.  The caller wipes @ret.
 * Return: 0; -EPERM: others can read it; -EINVAL: it is none. */
int ov_key_load(const char *dir, struct nlk_wg_key *ret, struct err *err);
/* Where the host with public key @key is inside WireGuard. */
int ov_crypt_address(const struct nlk_wg_key *key, struct ip_addr *ret,
		     struct err *err);
/* What WireGuard leaves of an MTU by that family. */
uint32_t ov_crypt_room(const struct ov_underlay *u);
/* Can this host encrypt?  -EOPNOTSUPP: its kernel has no WireGuard. */
int ov_crypt_need(struct overlay_host *host, struct err *err);
/*
 * ov_crypt_sync() - have the link there, its peers the hosts of all encrypted
 * networks.  @n, listed: ->peers and ->vtep are filled.  @v: VTEPs are those inside
 * from then on; hosts without a key, and what is behind them, are not in it.
 * Return: 0; -EINVAL: berth.peers lacks a key, or has a wrong one for this host.
 */
int ov_crypt_sync(struct overlay_host *host, struct overlay_network *n,
		  struct ov_view *v, struct err *err);

struct ov_peers {
	struct nlk_wg_peer *items; /* owned; free() */
	size_t count;
};

/* Of all encrypted networks, each once: a key that a host of some network has is that
 * host's, whoever says in another one that it will be its own. */
int ov_crypt_gather(const struct overlay_host *host, struct ov_peers *ret,
		    struct err *err);
/* ov_crypt_hosts.c: ->peers, empty before, are those of @v; where each host is inside.
 * -EINVAL, as above. */
int ov_crypt_take_hosts(struct overlay_host *host, struct overlay_network *n,
			const struct ov_view *v, struct err *err);
void ov_crypt_turn_inside(const struct overlay_network *n, struct ov_view *v);
/* Another host than the @i-th of @v has told its key before it.  NULL: none has. */
const struct ov_host *ov_crypt_first(const struct ov_view *v, size_t i);
/* A network is not listed any more: its peers go, with the last one the link. */
int ov_crypt_leave(struct overlay_host *host, struct err *err);
/* Peers that were kept until no table named them go. */
int ov_crypt_settle(struct overlay_host *host, struct err *err);
/* The link gets the key of the file; where it has another one, that others reach it by,
 * these are told first. */
int ov_crypt_give_key(struct overlay_host *host, struct err *err);
/* ->crypt.key is that of the link from now on, and ->inner what follows. */
int ov_crypt_take_key(struct overlay_host *host, struct err *err);
/* The link has its addresses, and no other of ours. */
int ov_crypt_addresses(struct overlay_host *host, struct err *err);
/* Tell a cluster where this host is, and its key where it has one. */
int ov_crypt_tell(struct overlay_host *host, struct err *err);
/* The key that an earlier life's link has; "": there is none. */
void ov_crypt_recall(struct overlay_host *host, struct nlk *nlk,
		     char key[NLK_WG_TEXT_MAX]);
bool ov_crypt_is_up(struct overlay_host *host);
void ov_crypt_fini(struct overlay_host *host);
/* ---- another key (ov_rekey.c): under host->lock -------------------------------- */

/*
 * ov_rekey_begin() - the link, which others reach, has another key than @secret: they are
 * told that it will have that one soon.  Return: 1: ov_rekey_turn() gives it to the link
 * in time; 0: it is the same; -errno.
 */
int ov_rekey_begin(struct overlay_host *host, const struct nlk_wg_key *secret,
		   struct err *err);
/* What is due of it; networks that are to be looked at are stirred. */
int ov_rekey_turn(struct overlay_host *host, struct err *err);
/* What a daemon left that was killed in the middle of it goes. */
void ov_rekey_sweep(struct overlay_host *host);
/* VXLAN's own memory of where to send from is void. */
int ov_link_reroute(struct overlay_host *host, const struct ip_addr *local,
		    struct err *err);
/* net_driver.key.  Takes host->lock. */
int overlay_key(void *ctx, char *buf, size_t size, struct err *err);

/* ---- what may pass a wire (ov_wire.c): under host->lock ---------------------- */

/* Have the rules say what the networks are.  Without one they go. */
int ov_wire_sync(struct overlay_host *host, struct err *err);
/* Frees what it remembers. */
void ov_wire_forget(struct overlay_host *host);
/* Does some of an earlier life's stand? */
bool ov_wire_stands(struct overlay_host *host);
/* Are they not to be changed now, while networks are loaded? */
static inline bool ov_wire_waits(const struct overlay_host *host)
{
	return host->silent && host->standing;
}
/* Are they as they should be?  Mended where not.  Return: repairs made. */
int ov_wire_mend(struct overlay_host *host, struct err *err);

/* ---- directories -------------------------------------------------------------- */

/* berth.peers (peers.c). */
int ov_peers_open(struct ov_dir **ret, struct err *err);
/* The VNI that all hosts give a network that says none. */
uint32_t ov_vni_derive(const struct ov_network *net);

/* ---- networks (ov_net.c), endpoints (ov_ep.c), the host (ov_host.c) ---------- */

int overlay_network_add(struct net_network *net, bool fresh, struct err *err);
int overlay_network_del(struct net_network *net, struct err *err);
void overlay_network_fini(struct net_network *net);
bool overlay_network_lost(struct net_network *net);
void overlay_network_info(const struct net_network *net, struct net_info *ret);
/* Look at the view and the underlay again: all that follows from them.  Under
 * host->lock.  Return: 1: something was changed; 0; -errno. */
int ov_network_sync(struct overlay_host *host, struct overlay_network *n,
		    struct err *err);
/* What the kernel has of it may be another: ov_network_sync() is due, and reads it. */
void ov_network_stir(struct overlay_network *n);

int overlay_endpoint_add(struct net_endpoint *ep, struct err *err);
int overlay_endpoint_del(struct net_endpoint *ep, struct err *err);

int overlay_host_open(const struct plugd *d, const void *config,
		      const struct net_memo *memo, void **ret, struct err *err);
void overlay_host_close(void *ctx);
void overlay_load_begin(void *ctx);
int overlay_load_end(void *ctx, struct err *err);
size_t overlay_fds(void *ctx, int fds[static 8]);
int overlay_event(void *ctx, struct err *err);
int overlay_check(void *ctx, void (*fn)(void *ctx, const char *line), void *arg,
		  struct err *err);
int overlay_gc(void *ctx, bool dry, bool (*known)(void *ctx, const char *id),
	       void (*fn)(void *ctx, const char *line), void *arg,
	       struct err *err);
int overlay_adopt(void *ctx, struct err *err);
int overlay_reap(void *ctx, bool dry, void (*fn)(void *ctx, const char *line),
		 void *arg, struct err *err);

#endif
