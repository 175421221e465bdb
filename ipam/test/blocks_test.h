/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blocks_test.h - hosts that share pools by a real etcd: each is an IPAM core with stores
 * of its own.
 */
#ifndef IPAM_TEST_BLOCKS_TEST_H
#define IPAM_TEST_BLOCKS_TEST_H

#include "lib/test/etcd_test.h"

#include "ipam/ipam_core.h"

#define TEXT_MAX 160

/* What all hosts of a test program share; .cluster is another with each test. */
struct blocks_box {
	bool ok; /* else every test is a SKIP */
	struct etcd_servers one;
	struct etcd *raw;
	char cluster[32], dir[64];
	unsigned int n;
};
extern struct blocks_box blocks_box;

struct host {
	struct plugd d;
	struct ipam_config config;
	struct ipam_core *core;
	const char *node;
};

/* The config alone; a test may change it. */
void host_config(struct host *h, const char *node, const char *machine);
int host_start(struct host *h);
int host_begin(struct host *h, const char *node, const char *machine);
void host_open(struct host *h, const char *node);
void host_close(struct host *h);

/* Requests; what went wrong is kept for says_error(). */
int host_pool_get(struct host *h, const char *pool, const char *sub,
		  char ret[TEXT_MAX]);
int host_pool_put(struct host *h, const char *id);
int host_addr_get(struct host *h, const char *id, const char *addr,
		  enum ipam_use use, struct ip_addr *ret);
int host_addr_put(struct host *h, const char *id, const struct ip_addr *a);
const char *error_text(void);
bool says_error(const char *what);

#define OK(call)                                                 \
	do {                                                     \
		if ((call) != 0)                                 \
			fail_msg("%s: %s", #call, error_text()); \
	} while (0)

/* Addresses that were handed out, of all hosts: none twice. */
#define SEEN_MAX 2048
struct seen {
	struct ip_addr v[SEEN_MAX];
	size_t n;
};
extern struct seen *seen;
void seen_add(const struct ip_addr *a);
/* All that @h has handed out, with what was seen before. */
void see_all(struct host *h);
void take_n(struct host *h, const char *id, unsigned int n);

/* How many keys etcd has below. */
size_t keys_of(const char *below);
/* Does the doctor? */
bool says(struct host *h, const char *what);
void count_line(void *ctx, const char *line);

int blocks_test_up(void **state);
int blocks_up(void **state);
int blocks_down(void **state);

#define UP()                          \
	do {                          \
		(void)state;          \
		if (!blocks_box.ok) { \
			skip();       \
			return;       \
		}                     \
	} while (0)

#define BY_HAND(f)                            \
	{                                     \
		.name = #f, .test_func = (f), \
	}

#endif
