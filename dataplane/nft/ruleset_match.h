/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ruleset_match.h - what the inet rules are made of: see fw_expr.h. */
#ifndef DATAPLANE_NFT_RULESET_MATCH_H
#define DATAPLANE_NFT_RULESET_MATCH_H

#include "dataplane/nft/ruleset_priv.h"

#include <limits.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>

#define DROP            FW_COUNTER, FW_VERDICT(NF_DROP), FW_END
#define ACCEPT          FW_VERDICT(NF_ACCEPT), FW_END
#define IIF_IN(set)     FW_META(0, NFT_META_IIFNAME), FW_LOOKUP(0, set)
#define OIF_IN(set)     FW_META(0, NFT_META_OIFNAME), FW_LOOKUP(0, set)
#define OIF_NOT_IN(set) FW_META(0, NFT_META_OIFNAME), FW_LOOKUP_NOT(0, set)
#define IIF_NOT_IN(set) FW_META(0, NFT_META_IIFNAME), FW_LOOKUP_NOT(0, set)
#define IFS_IN(set)                                                 \
	FW_META(0, NFT_META_IIFNAME), FW_META(4, NFT_META_OIFNAME), \
		FW_LOOKUP(0, set)
#define IFS_NOT_IN(set)                                             \
	FW_META(0, NFT_META_IIFNAME), FW_META(4, NFT_META_OIFNAME), \
		FW_LOOKUP_NOT(0, set)
#define CT_KNOWN                                         \
	FW_CT_STATE(NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | \
		    NF_CT_STATE_BIT(IP_CT_RELATED))
#define CT_INVALID FW_CT_STATE(NF_CT_STATE_INVALID_BIT)
#define CT_DNAT    FW_CT_STATUS(IPS_DST_NAT)
#define CT_NOT_DNAT \
	FW_CT(0, NFT_CT_STATUS), FW_AND32(0, IPS_DST_NAT), FW_EQ32(0, 0u)
/* destination address . protocol . port */
#define DEST4 \
	FW_IS_IP4, FW_IP4_DADDR(0), FW_META(1, NFT_META_L4PROTO), FW_TH_DPORT(2)
#define DEST6 \
	FW_IS_IP6, FW_IP6_DADDR(0), FW_META(4, NFT_META_L4PROTO), FW_TH_DPORT(5)
#define PORT FW_META(0, NFT_META_L4PROTO), FW_TH_DPORT(1)

#endif
