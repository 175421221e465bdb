/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doc.h - what netctl doctor looks at, and how a check says what it found.
 *
 * A check is a function that reads (never writes, runs nothing) and calls
 * doc_find() for each thing worth telling; one that finds nothing gets an "ok"
 * line of its own from the table in cmd_doctor.c.  Bridges come from the
 * kernel by their mark, so that a dead daemon blinds no check.
 */
#ifndef NETCTL_DOC_H
#define NETCTL_DOC_H

#include <json-c/json.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/fw.h"
#include "lib/ip.h"
#include "lib/nlk.h"
#include "netctl/cli.h"

#define DOC_DAEMONS  16
#define DOC_PREFIXES 8 /* of one bridge; more are not looked at */

enum doc_level {
	DOC_OK, /* nothing to do */
	DOC_WARN,
	DOC_BAD, /* a network or a volume does not work, or will not */
};

struct doc_bridge {
	int index;
	char name[IFNAMSIZ];
	char id[128];    /* of the network, from the alias */
	char driver[32]; /* likewise: the daemon that keeps its rules */
	uint32_t mtu;
	bool v4, v6;
	bool accept_in, accept_out, zoned; /* for doc_fw.c, one family's */
	bool internal, respect; /* as the daemon says; false if it is dead */
	bool fast;              /* likewise: eBPF carries it */
	bool encrypted;         /* likewise: between hosts */
	uint16_t
		wire_port; /* likewise: UDP, that other hosts send to; 0: none */
	struct ip_prefix prefixes[DOC_PREFIXES];
	size_t prefix_count;
};

/* A daemon, asked once at the start: one that hangs costs one time-out. */
struct doc_daemon {
	const char *name;
	int r;             /* of /Berth.Info: 0, -ENOENT: no socket, -errno */
	json_object *info; /* owned; NULL unless r is 0 */
	struct err err;
};

struct doc {
	const struct ctl *ctl;
	struct nlk *nlk;    /* NULL: no rtnetlink here */
	struct fw *fw;      /* NULL: no nf_tables here */
	json_object *ports; /* of all network daemons that answer */
	struct doc_daemon daemons[DOC_DAEMONS];
	size_t daemon_count;
	struct doc_bridge *bridges;
	size_t bridge_count;
	const char *check; /* the one that runs */
	json_object *findings;
	json_object *texts; /* what doc_text() made */
	size_t found, bad;
};

/*
 * doc_find() - one finding of the running check.
 * @what: what is so.  @why: what it does to networks.  @fix: what to do.
 * All are copied; @why and @fix may be NULL.
 */
void doc_find(struct doc *d, enum doc_level level, const char *what,
	      const char *why, const char *fix);
/* doc_text() - printf; borrowed until the end of the doctor. */
const char *doc_text(struct doc *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* doc_sysctl() - a number below /proc/sys; @none when it isn't there. */
long doc_sysctl(const char *path, long none);
/* doc_ask() - the array at @key of a daemon's answer to @method.
 * @ret: owned answer.  Return: borrowed from it; NULL: no answer. */
json_object *doc_ask(struct doc *d, const struct doc_daemon *who,
		     const char *method, const char *key, json_object **ret);
/* doc_bridge() - by name.  NULL: none of ours. */
struct doc_bridge *doc_bridge(struct doc *d, const char *name);
/* doc_uplink() - the interface of the default route.  -ENETUNREACH. */
int doc_uplink(struct doc *d, int family, struct nlk_link *ret);

/* doc_daemon.c */
void doc_check_daemons(struct doc *d);
void doc_check_drift(struct doc *d);
void doc_check_docker(struct doc *d);
/* doc_host.c */
void doc_check_forwarding(struct doc *d);
void doc_check_rp_filter(struct doc *d);
void doc_check_route_localnet(struct doc *d);
void doc_check_accept_ra(struct doc *d);
void doc_check_conntrack(struct doc *d);
void doc_check_space(struct doc *d);
/* doc_route.c */
void doc_check_routes(struct doc *d);
void doc_check_mtu(struct doc *d);
/* doc_fw.c */
void doc_check_forward_chain(struct doc *d);
void doc_check_legacy(struct doc *d);
void doc_check_firewalld(struct doc *d);
void doc_check_bridge_nf(struct doc *d);
void doc_check_docker_user(struct doc *d);
/* doc_bypass.c */
void doc_check_bypassed_rules(struct doc *d);
/* doc_overlay.c */
void doc_check_overlay_port(struct doc *d);
/* doc_kernel.c */
void doc_check_kernel(struct doc *d);
void doc_check_mounts(struct doc *d);

#endif
