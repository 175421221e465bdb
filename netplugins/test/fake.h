/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake.h - a network driver whose kernel is a piece of shared memory, so that
 * it outlives a daemon that is killed.
 */
#ifndef NETPLUGINS_TEST_FAKE_H
#define NETPLUGINS_TEST_FAKE_H

#include "netplugins/net_core.h"

#define FAKE_MAX 4096

struct fake_kernel {
	pthread_mutex_t lock; /* shared between processes, robust */
	struct fake_item {
		char id[65];
		char owner[65]; /* of an endpoint: its network */
		bool used, is_network, exposed;
		enum net_link_place place;
		uint16_t port; /* what was chosen */
		size_t ports;  /* ranges */
	} items[FAKE_MAX];
	char broken[65];    /* the endpoint that can't be added */
	char undying[65];   /* the network whose removal fails half way */
	unsigned int calls; /* of any op that changes something */
};

/* Before fork(). */
struct fake_kernel *fake_kernel_new(void);
extern const struct net_driver fake_driver;
void fake_use(struct fake_kernel *k);
struct fake_item *fake_find(struct fake_kernel *k, const char *id);
unsigned int fake_count(struct fake_kernel *k);

#endif
