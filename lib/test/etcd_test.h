/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * etcd_test.h - real etcds on the loopback of a network namespace, and a server of
 * raw answers.  What fails ends the test.
 */
#ifndef LIB_TEST_ETCD_TEST_H
#define LIB_TEST_ETCD_TEST_H

#include "lib/test/test.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "lib/etcd.h"

/* Into a namespace of our own, with lo up.  False: it was told why not; SKIP. */
bool etcd_test_begin(void);

#define ETCD_SERVERS 3

/* One etcd of @n members. */
struct etcd_servers {
	unsigned int n;
	pid_t pid[ETCD_SERVERS];
	unsigned int port; /* client port of the first; +2 of the next */
	char dir[64];
};

/* @extra: further arguments, NULL-ended; NULL: none.  @scheme: "http", "https". */
void etcd_servers_start(struct etcd_servers *s, unsigned int n,
			const char *scheme, const char *const *extra);
/* Again, with the data that is there; member @i alone. */
void etcd_servers_again(struct etcd_servers *s, unsigned int i,
			const char *scheme, const char *const *extra);
void etcd_servers_kill(struct etcd_servers *s, unsigned int i);
void etcd_servers_stop(struct etcd_servers *s); /* and remove all */
/* "etcd://..." of all members. */
void etcd_servers_config(const struct etcd_servers *s, struct etcd_config *cfg);
/* Until it answers a write; 10 s. */
void etcd_servers_ready(struct etcd_config *cfg);
/* etcd_test_put() - @lease: 0: none. */
void etcd_test_put(struct etcd *e, const char *key, const char *value,
		   uint64_t lease);

/* A server that gives @raw to everyone. */
struct fake_server {
	int fd;
	unsigned int port;
	const char *raw;
	size_t fill;          /* after it so many 'x' */
	unsigned int slow_ms; /* between two bytes */
	unsigned int served;
	pthread_t thread;
};
void fake_server_start(struct fake_server *s);
void fake_server_stop(struct fake_server *s);

#endif
