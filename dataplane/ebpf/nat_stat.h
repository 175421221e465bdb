/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nat_stat.h - the counters of published ports and endpoints: who has which
 * entry of nat_stat (bpf/nat_map.h), and what is in it.
 *
 * The map is the socket hooks' (sock.h), which makes and removes it; here it is
 * opened by its pin whenever it is needed.  A daemon that starts anew finds in
 * the maps who had which entry, so that the figures go on.
 *
 * Not locked: one thread at a time.
 */
#ifndef DATAPLANE_EBPF_NAT_STAT_H
#define DATAPLANE_EBPF_NAT_STAT_H

#include <linux/types.h>
#include <stdint.h>

#include "bpf/nat_map.h"
#include "dataplane/ebpf/pin.h"
#include "dataplane/portmap.h"
#include "lib/base.h"
#include "lib/err.h"
#include "lib/ip.h"

struct nat_stats;

/* Entries that nat_stat has on a host with @cpus possible processors. */
uint32_t nat_stats_size(int cpus);

/* nat_stats_open() - @pins: borrowed for the handle's life. */
int nat_stats_open(struct pin_dir *pins, struct nat_stats **ret,
		   struct err *err);
void nat_stats_close(struct nat_stats *s); /* NULL is fine */
DEFINE_CLEANUP(struct nat_stats, nat_stats_close)

/* nat_stats_take() - @n counters that begin at 0, into @ret: 0 where all are
 * taken, or where they can't be set to 0. */
void nat_stats_take(struct nat_stats *s, uint32_t *ret, size_t n);
/* Has it, as after nat_stats_put(), with what it has counted.  Return: @index; 0:
 * it is another's by now. */
uint32_t nat_stats_keep(struct nat_stats *s, uint32_t index);
void nat_stats_put(struct nat_stats *s, uint32_t index); /* 0: nothing */

/*
 * nat_stats_recall() - before anything is loaded again: keep aside what an
 * earlier daemon's maps name.  Between that and nat_stats_recalled(), which gives
 * back what was not asked for, the two others find and keep the counter of a port
 * or endpoint as it was.
 * Return of those: 0: it had none.
 */
int nat_stats_recall(struct nat_stats *s, struct err *err);
uint32_t nat_stats_of_port(struct nat_stats *s, const struct port_range *r,
			   const struct ip_addr *ip4,
			   const struct ip_addr *ip6);
uint32_t nat_stats_of_endpoint(struct nat_stats *s, const struct ip_addr *ip4,
			       const struct ip_addr *ip6, int ifindex);
void nat_stats_recalled(struct nat_stats *s);

/* nat_stats_read() - what all processors counted. Return: 0; -ENOENT: index 0. */
int nat_stats_read(struct nat_stats *s, uint32_t index, struct nat_stat *ret,
		   struct err *err);

#endif
