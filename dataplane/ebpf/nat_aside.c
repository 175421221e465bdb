/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Standing aside: the programs are there, and let the stack have everything. */
#include "dataplane/ebpf/nat.h"

#include <bpf/bpf.h>

#include "dataplane/ebpf/nat_priv.h"
#include "lib/fail.h"

int nat_stand_aside(struct nat *nat, bool on, struct err *err)
{
	const __u32 zero = 0, value = on;
	int r = FAILPOINT("nat.aside");

	if (r == 0)
		r = bpf_map_update_elem(bpf_map__fd(nat->skel->maps.nat_aside),
					&zero, &value, BPF_ANY);
	if (r < 0)
		return err_set(err, r, "eBPF programs, standing aside: %s",
			       strerror(-r));
	nat->aside = on;
	/* The stack knows nothing of them, and they must not come back when it
	 * is over, when the stack may know others. */
	r = on ? nat_flow_clear(nat, err) : 0;
	return r < 0 ? r : 0;
}
