/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nat_env.h - what a daemon opens for nat.h, in its order, on a test's host.
 *
 * Each function fails the test with what was said.
 */
#ifndef DATAPLANE_EBPF_TEST_NAT_ENV_H
#define DATAPLANE_EBPF_TEST_NAT_ENV_H

#include "dataplane/ebpf/guard.h"
#include "dataplane/ebpf/nat.h"
#include "dataplane/ebpf/nat_stat.h"
#include "dataplane/ebpf/sock.h"
#include "dataplane/ebpf/tc.h"
#include "dataplane/ebpf/test/host.h"
#include "lib/nlk.h"

struct nat_env {
	struct sock *sock;
	struct guard *guard;
	struct tc *tc;
	struct nlk *nlk;
	struct nat *nat;
	struct nat_stats *stats;
	bool dropped; /* of nat_open() */
	struct err err;
};

#define NAT_CHECK(e, r)                                       \
	do {                                                  \
		if ((r) < 0)                                  \
			fail_msg("%s: %s", #r, (e)->err.msg); \
	} while (0)

void nat_env_open(struct nat_env *e, const struct host *h, uint32_t est_max);
void nat_env_attach(struct nat_env *e);
/* As a daemon that goes and comes again: everything stays in the kernel. */
void nat_env_close(struct nat_env *e);
/* As one that is removed; @e is closed. */
void nat_env_leave(struct nat_env *e, const struct host *h);

/*
 * nat_env_up() - for cmocka: a new one in *state, opened and attached as for a daemon with
 * no other life before it; only allocated where @host is not usable.
 * nat_env_down() - it leaves, and is freed.
 */
int nat_env_up(void **state, const struct host *host, uint32_t est_max);
int nat_env_down(void **state, const struct host *host);

/* A pinned map. Return: a descriptor, the caller's. */
int nat_env_map(const struct host *h, const char *name);

#endif
