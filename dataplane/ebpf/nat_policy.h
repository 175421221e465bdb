/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nat_policy.h - who may begin a flow to a published port: the lists of
 * dataplane/policy.h as entries of the map nat_policy.
 *
 * A list is known by a number that its endpoints' entries bear (nat_ep.policy).
 * A number without entries lets nobody in, so a list is made before the
 * endpoints that have it are, and goes after them.
 */
#ifndef DATAPLANE_EBPF_NAT_POLICY_H
#define DATAPLANE_EBPF_NAT_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "dataplane/ebpf/nat.h"
#include "dataplane/policy.h"

/* The number is an interface index: the bridge's for a network's list, that of
 * the host's side of the veth for an endpoint's.  So it is the same after a
 * restart, and two lists never exchange theirs while a program looks. */
struct nat_policy_list {
	uint32_t id;                    /* not 0 */
	const struct dp_policy *policy; /* borrowed; not none */
};

/*
 * nat_policy_sync() - make the map equal to @lists.  What denies is added
 * before what allows, and what is not wanted is deleted last.  On failure what
 * was added new is taken out again.
 * Return: entries changed; -E2BIG: the map is full; -errno.
 */
int nat_policy_sync(struct nat *nat, const struct nat_policy_list *lists,
		    size_t count, struct err *err);
/* Return: how many entries nat_policy_sync() would change. */
int nat_policy_differ(struct nat *nat, const struct nat_policy_list *lists,
		      size_t count, struct err *err);

#endif
