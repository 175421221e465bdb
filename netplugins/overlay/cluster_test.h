/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cluster_test.h - what the tests of the cluster share: one etcd, and hosts without
 * kernel objects.  What fails ends the test.
 */
#ifndef NETPLUGINS_OVERLAY_CLUSTER_TEST_H
#define NETPLUGINS_OVERLAY_CLUSTER_TEST_H

#include "lib/test/etcd_test.h"

#include "netplugins/overlay/cluster.h"

struct cluster_box {
	bool ok; /* else every test is a SKIP */
	struct etcd_servers one;
	struct etcd *raw;                  /* to look past the directory */
	unsigned int relist_s, timeout_ms; /* of hosts from now on */
	unsigned int lease_s;              /* a host's: 2 */
	unsigned int linger_s;             /* 2: not at all */
	char cluster[32];                  /* each test has one of its own */
};

struct cluster_box *box(void);
int box_up(void **state); /* of a group */
int box_down(void **state);
/* SIGSTOP to its only member: when this is back it answers nothing more. */
void box_etcd_stop(void);
int box_test_up(void **state); /* of each test */

#define BOX_OR_SKIP()             \
	do {                      \
		(void)state;      \
		if (!box()->ok) { \
			skip();   \
			return;   \
		}                 \
	} while (0)

#define BY_HAND(f)                            \
	{                                     \
		.name = #f, .test_func = (f), \
	}

struct ip_prefix box_pool(const char *s);
struct ip_addr box_addr(const char *s);
struct ov_network box_network(const char *id, const char *name,
			      const char *pool4);
struct ov_endpoint box_endpoint(const char *id, const char *a4);

struct ov_dir *box_host_at(const struct etcd_servers *s, const char *node,
			   const char *machine, const char *vtep);
struct ov_dir *box_host(const char *node, const char *vtep);
void box_host_close(struct ov_dir *d);
uint32_t box_joined(struct ov_dir *d, struct ov_network net);
void box_has_put(struct ov_dir *d, const char *net, struct ov_endpoint ep);

/* What a view is to have. */
struct box_want {
	size_t hosts, endpoints, fenced;
	const char *vtep; /* of the first endpoint, else of the first host */
	bool stale;
};

bool box_view_is(struct ov_dir *d, const char *net, const struct box_want *w);
/* By the directory's own word that something changed; 30 s. */
void box_view_gets(struct ov_dir *d, const char *net, struct box_want w);
/* Its check() has @what in it, now; within 30 s. */
bool box_says(struct ov_dir *d, const char *what);
void box_comes_to_say(struct ov_dir *d, const char *what);

/* Keys below /berth/CLUSTER/@below; until there are @n. */
size_t box_keys(const char *below);
void box_keys_get(const char *below, size_t n);
void box_raw_put(const char *below, const char *value);
void box_raw_put_by(const char *below, const char *value, uint64_t lease);
void box_raw_del(const char *below);
/* Of that record; 0: it is not there, or has none. */
uint64_t box_lease_at(const char *below);
uint64_t box_lease_of(const char *node); /* of the host's record */
/* Until it is by the lease that the host's record has, too; there are both. */
void box_leases_get(const char *below, const char *node);

#endif
