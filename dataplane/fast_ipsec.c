// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IPsec: the programs send packets on past the host's policies (xfrm), and no
 * helper of the kernel's asks those.  So while there are any the programs stand
 * aside, and nftables carries their networks, in the stack, which asks.
 *
 * Policies are not read: whether one concerns a packet depends on marks,
 * interfaces, ports and the policies before it, as only the kernel knows.
 */
#include <stdio.h>
#include <string.h>

#include "dataplane/dp_priv.h"
#include "lib/log.h"

int dp_fast_ipsec_open(struct dp *dp, struct err *err)
{
	return nlk_xfrm_open(&dp->fast.xfrm, err);
}

void dp_fast_ipsec_close(struct dp *dp)
{
	nlk_xfrm_close(take_ptr(dp->fast.xfrm));
}

int dp_fast_ipsec_read(struct dp *dp, struct err *err)
{
	int r = dp->fast.xfrm ? nlk_xfrm_read(dp->fast.xfrm, err) : 0;

	if (r > 0)
		dp->fast.reipsec = true;
	return r < 0 ? r : 0;
}

bool dp_fast_is_judged(const struct dp *dp, const struct dp_network *net)
{
	if (!dp_policy_is_none(&net->policy))
		return true;
	for (size_t i = 0; i < dp->st.ports.count; i++) {
		const struct state_port *p = dp->st.ports.items[i];

		if (strcmp(p->port.network, net->id) == 0 &&
		    !dp_policy_is_none(&p->port.policy))
			return true;
	}
	return false;
}

static void say(const struct dp *dp)
{
	char quoted[ERR_MSG_MAX + 64];
	int closed = 0;

	if (!dp->fast.ipsec) {
		log_info(
			"event=dataplane-back text=%s",
			log_quote(quoted, sizeof(quoted),
				  "the last IPsec policy of this host is gone: "
				  "the eBPF programs take packets again"));
		return;
	}
	for (size_t i = 0; i < dp->st.networks.count; i++)
		closed += dp_fast_is_judged(dp, dp->st.networks.items[i]);
	log_warn("event=dataplane-stands-aside closed_networks=%d text=%s",
		 closed,
		 log_quote(quoted, sizeof(quoted),
			   DP_IPSEC_TEXT
			   ": nftables carries networks with "
			   "berth.dataplane=ebpf; their flows end, and ports "
			   "with berth.allow, berth.deny or berth.limit, and "
			   "balanced ones, are closed"));
}

int dp_fast_ipsec_look(struct dp *dp, bool anew, struct err *err)
{
	struct dp_fast *f = &dp->fast;
	bool before = f->ipsec;
	int any = f->xfrm ? nlk_xfrm_any(f->xfrm, err) : 0, r;

	if (any < 0)
		return any;
	if (!anew && any == f->ipsec) {
		f->reipsec = false;
		return 0;
	}
	r = nat_stand_aside(f->nat, any, err);
	if (r < 0)
		return r;
	f->ipsec = any;
	f->reipsec = false;
	if (f->ipsec != before)
		say(dp);
	return 0;
}
