/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard's counters, read by their pin. */
#include "dataplane/ebpf/guard_count.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/guard_map.h"
#include "lib/base.h"

static const char *const names[] = {
	[GUARD_DROP_MAC] = "guard-mac",
	[GUARD_DROP_ETHERTYPE] = "guard-ethertype",
	[GUARD_DROP_SHORT] = "guard-short",
	[GUARD_DROP_ARP] = "guard-arp",
	[GUARD_DROP_IP4_OFF] = "guard-ipv4-off",
	[GUARD_DROP_IP6_OFF] = "guard-ipv6-off",
	[GUARD_DROP_ADDRESS] = "guard-address",
	[GUARD_DROP_REDIRECT] = "guard-redirect",
	[GUARD_DROP_DHCP] = "guard-dhcp",
	[GUARD_DROP_ROUTER] = "guard-router",
	[GUARD_DROP_NEIGHBOUR] = "guard-neighbour",
	[GUARD_DROP_INTERNAL] = "guard-internal",
	[GUARD_DROP_ICC] = "guard-icc",
	[GUARD_DROP_HAIRPIN] = "guard-hairpin",
	[GUARD_DROP_STAMP] = "guard-stamp",
	[GUARD_DROP_RATE] = "guard-rate",
};
_Static_assert(ARRAY_SIZE(names) == GUARD_DROP_MAX, "enum guard_drop");

int guard_counts(const struct pin_dir *pins,
		 void (*fn)(void *ctx, const char *name, uint64_t value),
		 void *ctx, struct err *err)
{
	char path[PIN_PATH_MAX];
	_cleanup_close_ int fd =
		bpf_obj_get(pin_path(pins, "guard_count", path));
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *each = NULL;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (cpus < 0)
		return err_set(err, cpus, "processors: %s", strerror(-cpus));
	each = calloc((size_t)cpus, sizeof(*each));
	if (!each)
		return err_set(err, -ENOMEM, "counters: out of memory");
	for (__u32 why = 0; why < GUARD_DROP_MAX; why++) {
		uint64_t sum = 0;

		if (bpf_map_lookup_elem(fd, &why, each) < 0)
			return err_set(err, -errno, "%s: %s", path,
				       strerror(errno));
		for (int i = 0; i < cpus; i++)
			sum += each[i];
		fn(ctx, names[why], sum);
	}
	return 0;
}
