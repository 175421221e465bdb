/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.h - packets that the tc programs drop, as they drop them.
 *
 * The programs tell only while somebody listens: trace_read() asks for it, for
 * TRACE_LEASE_MS from then on, so a listener that is killed costs nothing.  The
 * ring has one reader: one handle a driver.  Not locked.
 */
#ifndef DATAPLANE_EBPF_TRACE_H
#define DATAPLANE_EBPF_TRACE_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/ebpf/pin.h"
#include "lib/base.h"
#include "lib/err.h"
#include "lib/ip.h"

#define TRACE_LEASE_MS 5000

struct trace;

struct trace_drop {
	uint64_t time_ns;      /* monotonic clock */
	char ifname[IFNAMSIZ]; /* "" when it is gone by now */
	const char *where;     /* "from the container", static */
	const char *why;       /* "forged source address", static */
	struct mac_addr smac;
	uint16_t ethertype;
	struct ip_addr src, dst; /* none: not IP, or cut off */
	uint8_t proto;
	uint16_t sport, dport; /* 0: it has none */
	uint32_t len;          /* of the frame */
};

/* trace_open() - the ring that the guard's maps have pinned in @pins.  Return: 0;
 * -ENOENT: no port is guarded. */
int trace_open(const struct pin_dir *pins, struct trace **ret, struct err *err);
void trace_close(struct trace *t); /* NULL is fine */
DEFINE_CLEANUP(struct trace, trace_close)

/*
 * trace_read() - call @fn for each drop, at most @max of them, and wait for the
 * first up to @wait_ms.
 * @ret_lost: drops since the last call that found no room.
 * Return: their number; -errno.
 */
int trace_read(struct trace *t, unsigned int wait_ms, size_t max,
	       void (*fn)(void *ctx, const struct trace_drop *d), void *ctx,
	       uint64_t *ret_lost, struct err *err);

#endif
