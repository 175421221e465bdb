/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dhcp_keep_priv.h - what dhcp_keep.c (which leases there are) and dhcp_renew.c (the
 * thread) share. */
#ifndef IPAM_DHCP_KEEP_PRIV_H
#define IPAM_DHCP_KEEP_PRIV_H

#include <pthread.h>

#include "ipam/dhcp_keep.h"

#define PAST_MAX 64 /* addresses given back that are remembered */
#define PORT_MAX 32 /* interfaces asked at one time */

struct entry {
	struct entry *next;
	struct dhcp_kept kept;
	uint64_t sent_ms; /* when it last asked */
};

/* A socket, while somebody waits for an answer on it. */
struct port {
	char ifname[IFNAMSIZ];
	int fd;
};

struct past {
	char ifname[IFNAMSIZ];
	struct mac_addr mac;
	struct ip_addr addr;
	uint64_t when;
};

struct dhcp_keep {
	struct store *run;
	struct problems *problems;
	pthread_mutex_t lock;  /* guards all below but .wake */
	struct entry *entries; /* owned */
	struct dhcp_taking *taking;
	struct past past[PAST_MAX];
	unsigned int past_at;
	struct port ports[PORT_MAX]; /* the thread's */
	unsigned int port_count;
	int wake; /* eventfd */
	bool started, stop;
	pthread_t thread;
};

void dhcp_unlockp(pthread_mutex_t **lock);
/* Locked: write its record. */
int dhcp_entry_save(struct dhcp_keep *k, const struct entry *e,
		    struct err *err);
/* Locked: does its MAC ask for one just now? */
bool dhcp_entry_asked(const struct dhcp_keep *k, const struct entry *e);
/* Locked: tell its server, and forget it; true when that is done. */
bool dhcp_entry_release(struct dhcp_keep *k, struct entry *e);
/* The thread. */
void *dhcp_renew_run(void *keep);

#endif
