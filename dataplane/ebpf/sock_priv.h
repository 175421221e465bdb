/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sock_priv.h - the handle of the socket hooks, shared by its files. */
#ifndef DATAPLANE_EBPF_SOCK_PRIV_H
#define DATAPLANE_EBPF_SOCK_PRIV_H

#include <bpf/libbpf.h>

#include "bpf/sock.skel.h"
#include "dataplane/ebpf/maps.h"
#include "dataplane/ebpf/pin.h"
#include "dataplane/ebpf/sock.h"
#include "dataplane/ebpf/sock_entry.h"

DEFINE_CLEANUP(struct sock_bpf, sock_bpf__destroy)

_Static_assert(sizeof(struct sock_meta) == sizeof(struct maps_meta),
	       "maps_meta");

#define SOCK_PROGS     10
#define SOCK_PORT_SIZE (SOCK_PORT_MAX * sizeof(uint64_t))
#define SOCK_ANY_SIZE  (SOCK_ANY_MAX * sizeof(uint64_t))

struct sock_ip6_row {
	struct sock_ip6 ip;
	__u32 number; /* key of sock_ip6 */
	__u32 refs;   /* entries that lead there */
};

struct sock_ip6_tab {
	struct sock_ip6_row *rows; /* owned; sorted by address */
	size_t count, room;
	__u32 last; /* number given */
};

struct sock {
	struct pin_dir pins;
	char cgroup[PIN_PATH_MAX];
	bool everybody;  /* cgroup is the root of all */
	uint64_t cookie; /* of our network namespace */
	uint32_t mark;   /* of our claims' sockets */
	bool foreign;    /* the pins are of another namespace */
	bool other;      /* the hooks run, or may, on maps of another layout */
	struct sock_bpf *skel;              /* owned; NULL: not attached */
	struct bpf_link *links[SOCK_PROGS]; /* owned; pinned */
	bool loading;
	bool late;                  /* sock_load_end() failed: still loading */
	struct sock_entries wanted; /* while loading */
	uint64_t *ports;            /* sock_port, mapped; NULL: not attached */
	uint64_t *any;              /* sock_any, likewise: struct sock_dst */
	struct sock_ip6_tab ip6;    /* what is in sock_ip6 */
	/* while loading, as sock_port; owned; NULL: none are wanted */
	uint64_t *wanted_ports;
	uint64_t dropped[65536 / 64];
};

/* sock.c: after sock_attach(): let the hooks run our programs, where they run
 * those of another layout.  Else: 0. */
int sock_switch(struct sock *s, struct err *err);

/* sock_maps.c: put right what an earlier daemon left; then, where nothing is
 * loading, attach and add all of @l or nothing; take it out. */
int sock_maps_add(struct sock *s, struct sock_entries *l, struct err *err);
void sock_maps_del(struct sock *s, struct sock_entries *l);

/* sock_addr.c: read what is in the map, which an earlier daemon's ports may lead
 * to; forget what was read. */
int sock_ip6_read(struct sock *s, struct err *err);
void sock_ip6_fini(struct sock *s);
/* The number of @ip.  Return: 0: it has none. */
__u32 sock_ip6_number(const struct sock *s, const struct sock_ip6 *ip);
/* One entry more leads to @ip, whose number is *@ret; one less. */
int sock_ip6_get(struct sock *s, const struct sock_ip6 *ip, __u32 *ret,
		 struct err *err);
void sock_ip6_put(struct sock *s, const struct sock_ip6 *ip);
/* The entries are those of @l by now, each once: what none leads to goes. */
void sock_ip6_recount(struct sock *s, const struct sock_entries *l);

#endif
