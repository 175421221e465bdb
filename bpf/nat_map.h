/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nat_map.h - layout of the maps of publish.bpf.c; included by bpf/ and
 * dataplane/ebpf/nat*.c.  The includer brings __u32 (linux/types.h).
 *
 * Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d; ports are
 * in network order; an ICMP echo's id stands for the port of who asks, and the
 * other one is 0.  Which host port leads where is in sock_map.h's maps, which
 * these programs share.
 *
 * A flow is two entries, one a direction: the key is the packet's tuple as it
 * arrives, the value the tuple as it goes on.  So the other direction's key is
 * the value with source and destination exchanged, and its value is the key,
 * exchanged.  Both are in nat_flows, and come and go together.  Half open and
 * closing flows have a place in nat_ring as well, which goes round: who wants a
 * place that is taken has the flow there give way if it is none of the
 * established by then.  Those never do.
 */
#ifndef BPF_NAT_MAP_H
#define BPF_NAT_MAP_H

#define NAT_LAYOUT  9u /* raised with every change of this file */

#define NAT_NEW_MAX 65536  /* entries, two a flow; can be set at load */
#define NAT_EST_MAX 262144 /* likewise */
#define NAT_FLOW_MAX \
	(NAT_NEW_MAX + NAT_EST_MAX) /* entries of nat_flows; nat_ring has a
				     * place for each two that may give way */
#define NAT_SHARE_SLOTS \
	16384             /* counts of an endpoint's part, by its ifindex;
			       * two that meet in one share a part */
#define NAT_UDP_LASTS  2u /* seconds, before a flow is established */
#define NAT_FRAG_MAX   4096
#define NAT_FRAG_LASTS 30u    /* seconds, as the kernel's reassembly waits */
#define NAT_EP_MAX     131072 /* two a container */
#define NAT_LINK_MAX   4096
#define NAT_SOURCE_MAX 8192
#define NAT_LOCAL_MAX  8192
#define NAT_POLICY_MAX 65536
#define NAT_LIMIT_MAX  32768 /* sources; the oldest give way */

/* Source ports and echo ids of what leaves masqueraded, host order: as many as a
 * container's own ephemeral ports, and none of this host's.  None that is published,
 * or that a server of this host has: a container chooses what its packets look like
 * out there, and could so take what its peer means for another. */
#define NAT_MASQ_FIRST 1024u
#define NAT_MASQ_LAST  32767u

/* The one entry of nat_ports: from where to where by now, as one word, which is read
 * at once.  0: from nowhere, the stack does it. */
#define NAT_PORTS(first, last) ((__u32)(first) | (__u32)(last) << 16)

struct nat_tuple {
	__u32 saddr[4], daddr[4];
	__u16 sport, dport;
	__u8 proto;  /* IPPROTO_* */
	__u8 pad[3]; /* 0 */
};

enum nat_state {
	NAT_HALF,    /* one side has spoken */
	NAT_REPLIED, /* both have */
	NAT_OPEN,    /* established */
	NAT_CLOSING, /* both said FIN, or one RST; with NAT_TCP_DOUBT it may yet
		      * go on */
	NAT_GONE,    /* somebody removes it */
};

enum nat_flow_flags {
	NAT_FORWARD = 1 << 0, /* the direction of the first packet */
	NAT_PEER = 1 << 1,    /* on to a container: ifindex is the host's side
			       * of its veth.  Else out of the host, by route */
	NAT_FIN = 1 << 2,     /* this direction said FIN */
	NAT_GW6 = 1 << 3,     /* next hop is IPv6, whatever the packet is */
	NAT_MASQ = 1 << 4,    /* out with the host's address; else published */
	NAT_INSIDE = 1 << 5,  /* its packets come out of a container: from a
			       * wire they are forged */
	NAT_RATED = 1 << 6,   /* with NAT_PEER: that container has a rate
			       * (guard_map.h), which its packets are charged to */
};

/* Of both entries, but for what two processors make of it. */
enum nat_flow_tcp {
	NAT_TCP_DOUBT = 1 << 0, /* established, and a RST came that need not be
				 * of whom it says */
	NAT_TCP_SPOKE = 1 << 1, /* established, and who was asked has said more
				 * than SYN ACK since */
};

/* nat_flows' entries of 48, 40 and these bytes, and 8 of the allocator, just fit
 * one of 192. */
struct nat_flow {
	struct nat_tuple to; /* proto is the key's */
	union {
		__u32 next_hop[4]; /* no NAT_PEER: IPv4 in the first word */
		struct {
			__u8 dmac[6], smac[6]; /* NAT_PEER: container, bridge */
		};
	};
	__u32 ifindex; /* where it goes out */
	__u32 seen;    /* last packet, seconds of the monotonic clock */
	__u32 born;    /* first packet, likewise */
	__u32 routed;  /* no NAT_PEER: when the route was looked up */
	__u32 state; /* enum nat_state; that of NAT_FORWARD is changed first, by
		      * compare and swap: who does so counts (nat_share) */
	__u32 turn;  /* NAT_FORWARD: which place in nat_ring it has, or had */
	__u16 mtu;   /* no NAT_PEER: of the route */
	__u8 flags;  /* enum nat_flow_flags */
	__u8 tcp;    /* enum nat_flow_tcp */
	__u32 port_stat; /* index of nat_stat: of the published port; */
	__u16 from_stat; /* of the endpoint that sends these packets, */
	__u16 to_stat;   /* of the one that gets them. 0: not counted */
	__u32 ack; /* TCP, host order: what this direction is to acknowledge, by
		    * the other's SYN, and has last since it is established */
};

/* A place in nat_ring: turn % their number.  The next turn is nat_turn's. */
struct nat_young {
	struct nat_tuple key; /* of its entry with NAT_FORWARD; proto 0: free */
	__u32 turn;           /* not nat_flow's: a flow that is no more */
};

enum nat_ep_flags {
	NAT_EP_MASQ = 1 << 0,     /* what leaves gets the host's address */
	NAT_EP_INTERNAL = 1 << 1, /* nothing leaves, nothing comes in */
	NAT_EP_RATED = 1 << 2,    /* it has a rate: guard_map.h */
};

/* By container address: who can be reached through the maps. */
struct nat_ep {
	__u32 gateway[4]; /* the host's address on this network; :: none */
	__u32 snat[4];    /* the host's address for what leaves; :: by link */
	__u32 ifindex;    /* host's side of the veth */
	__u32 bridge;
	__u32 flags; /* enum nat_ep_flags */
	__u8 mac[6], bridge_mac[6];
	__u32 policy;    /* who may begin a flow; 0: everybody */
	__u32 limit_gap; /* ns between two of one source; 0: no limit */
	__u32 limit_burst;
	__u32 stat; /* index of nat_stat; 0: not counted */
};

/* Key of the trie that says who may: the first bits of .policy and .addr. */
struct nat_policy_key {
	__u32 bits;
	__u32 policy; /* nat_ep.policy */
	__u32 addr[4];
};

#define NAT_POLICY_BITS 32u /* of struct nat_policy_key, before .addr */

/* Its value. Nothing found: denied. */
enum nat_policy_verdict {
	NAT_POLICY_DENY,
	NAT_POLICY_ALLOW,
};

/* By list and source, IPv6 by /64: when its next flow is due if it keeps to the
 * rate, ns of the monotonic clock (__u64). */
struct nat_limit_key {
	__u32 policy;
	__u32 saddr[4];
};

enum nat_link_flags {
	NAT_LINK_OURS = 1 << 0,   /* a bridge of a Berth network */
	NAT_LINK_CLOSED = 1 << 1, /* somebody else's network on this host */
	NAT_LINK_MANY = 1 << 2, /* several subnets: nat_source is to be asked */
};

/* By interface index: everything that packets may leave by. Not there: no
 * masquerade by it (the stack decides). */
struct nat_link {
	__u32 ip6[4], ip4; /* its address for masquerade; 0: none */
	__u32 flags;       /* enum nat_link_flags */
};

/* Key of the trie that says with which of a link's addresses something leaves: the
 * first bits of .ifindex and of .addr, who gets it next, IPv6: at last. */
struct nat_source_key {
	__u32 bits;
	__u32 ifindex;
	__u32 addr[4];
};

#define NAT_SOURCE_BITS 32u /* of struct nat_source_key, before .addr */

/* Its value.  Nothing found: nat_link's. */
struct nat_source {
	__u32 addr[4];
};

/* By address: this host's own, loopback addresses excepted. */
struct nat_local {
	__u32 bridge; /* interface index where the address is the gateway of a
		       * Berth network, else 0 */
};

/*
 * What became of the packets of one published port or one endpoint: the value of
 * nat_stat (per CPU), whose entry 0 counts nobody.  "In" is to the container.
 * Packets and bytes are those of the wire: of an aggregate the segments, each
 * with its own headers; a packet's length is the frame's, without its checksum.
 */
struct nat_stat {
	__u64 packets_in, bytes_in;
	__u64 packets_out, bytes_out;
	__u64 flows;   /* begun */
	__u64 refused; /* to begin, or to go on: policy, limit, no room */
};

/* Entries of nat_stat, whatever the number of CPUs: they are allocated whole. */
#define NAT_STAT_MAX   8192u
#define NAT_STAT_BYTES (16u << 20)
#define NAT_STAT_LEAST 256u

/* Fragments after the first: the ports of the first. */
struct nat_frag_key {
	__u32 saddr[4], daddr[4];
	__u32 id; /* IPv4: 16 bits */
	__u8 proto;
	__u8 pad[3]; /* 0 */
};

struct nat_frag {
	__u16 sport, dport;
	__u32 seen; /* seconds of the monotonic clock */
};

/* What became of packets; the key of nat_count (per CPU, __u64). */
enum nat_count {
	NAT_COUNT_IN,    /* to a container, translated */
	NAT_COUNT_OUT,   /* from a container, translated */
	NAT_COUNT_ICMP,  /* errors about flows */
	NAT_COUNT_FLOW,  /* new flows */
	NAT_COUNT_PORTS, /* no source port left: the stack did it */
	/* dropped: */
	NAT_DROP_FULL,    /* no room for an established flow */
	NAT_DROP_FORGED,  /* from a wire with a container's address */
	NAT_DROP_REWRITE, /* the kernel refused (memory) */
	NAT_DROP_GATEWAY, /* to the gateway of another network */
	NAT_DROP_HOPS,    /* of a flow, and its hops end here */
	NAT_DROP_POLICY,  /* its source is not on the list of who may */
	NAT_DROP_LIMIT,   /* its source begins too many flows */
	NAT_DROP_SHARE,   /* its container has half of all established flows */
	NAT_DROP_BIG,     /* too big for its way: the stack tells its sender */
	NAT_DROP_RATE,    /* above the rate of the container it is for */
	NAT_COUNT_MAX,
};

struct nat_meta {
	__u64 netns_cookie; /* whose packets these maps are for */
	__u32 layout;       /* NAT_LAYOUT */
	__u32 pad;          /* 0 */
};

_Static_assert(sizeof(struct nat_tuple) == 40, "nat_tuple has a hole");
_Static_assert(sizeof(struct nat_flow) == 96, "nat_flow has a hole");
_Static_assert(sizeof(struct nat_young) == 44, "nat_young has a hole");
_Static_assert(NAT_STAT_MAX <= 65536, "nat_flow.to_stat is too short");
_Static_assert(NAT_STAT_MAX <= 16384, "sock_dst.stat is too short");
_Static_assert(sizeof(struct nat_stat) == 48, "nat_stat has a hole");
_Static_assert(sizeof(struct nat_ep) == 72, "nat_ep has a hole");
_Static_assert(sizeof(struct nat_policy_key) == 24,
	       "nat_policy_key has a hole");
_Static_assert(sizeof(struct nat_limit_key) == 20, "nat_limit_key has a hole");
_Static_assert(sizeof(struct nat_link) == 24, "nat_link has a hole");
_Static_assert(sizeof(struct nat_source_key) == 24,
	       "nat_source_key has a hole");
_Static_assert(sizeof(struct nat_frag_key) == 40, "nat_frag_key has a hole");
_Static_assert(sizeof(struct nat_meta) == 16, "nat_meta has a hole");

#endif
