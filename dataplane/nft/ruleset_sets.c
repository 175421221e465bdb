// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sets and maps of both tables.
 *
 * Single ports are in hash maps, one of address . protocol . port and one of
 * protocol . port a family: an exact host address may stand beside "any", and
 * adding or removing ten thousand costs what adding them one by one costs.
 * Ranges whose container ports equal the host ports are one interval each
 * (pipapo), with the address alone as data: the port is kept.
 */
#include "dataplane/nft/ruleset_priv.h"

#include "lib/fw_typeof.h"

#define IF     FW_TYPE_IFNAME
#define IF_LEN FW_IFNAME_LEN

#define NAMES(n)                                               \
	{                                                      \
		.name = (n), .key_type = IF, .key_len = IF_LEN \
	}
#define PAIRS(n)                                            \
	{                                                   \
		.name = (n), .key_type = FW_TYPES2(IF, IF), \
		.key_len = 2 * IF_LEN, .concat = true       \
	}
#define NAME_AND(n, type, len)                                \
	{                                                     \
		.name = (n), .key_type = FW_TYPES2(IF, type), \
		.key_len = IF_LEN + (len), .concat = true     \
	}
#define SUBNETS(n, type, len)                                      \
	{                                                          \
		.name = (n), .key_type = (type), .key_len = (len), \
		.interval = true                                   \
	}
#define LOCAL(n, type, len)                                                  \
	{                                                                    \
		.name = (n), .key_type = FW_TYPES2(IF, type),                \
		.key_len = IF_LEN + (len), .concat = true, .interval = true, \
		.field_len = { IF_LEN, (len) }, .field_count = 2             \
	}
#define ADDR_PORT(type) FW_TYPES3(type, FW_TYPE_L4PROTO, FW_TYPE_PORT)
#define ADDR_MAP(n, type, len)                              \
	{                                                   \
		.name = (n), .key_type = ADDR_PORT(type),   \
		.key_len = (len) + 8, .concat = true,       \
		.data_type = FW_TYPES2(type, FW_TYPE_PORT), \
		.data_len = (len) + 4                       \
	}
#define ANY_MAP(n, type, len)                                         \
	{                                                             \
		.name = (n),                                          \
		.key_type = FW_TYPES2(FW_TYPE_L4PROTO, FW_TYPE_PORT), \
		.key_len = 8, .concat = true,                         \
		.data_type = FW_TYPES2(type, FW_TYPE_PORT),           \
		.data_len = (len) + 4                                 \
	}
#define ADDR_RANGES(n, type, len)                                       \
	{                                                               \
		.name = (n), .key_type = ADDR_PORT(type),               \
		.key_len = (len) + 8, .concat = true, .interval = true, \
		.field_len = { (len), 1, 2 }, .field_count = 3,         \
		.data_type = (type), .data_len = (len)                  \
	}
#define ANY_RANGES(n, type, len)                                              \
	{                                                                     \
		.name = (n),                                                  \
		.key_type = FW_TYPES2(FW_TYPE_L4PROTO, FW_TYPE_PORT),         \
		.key_len = 8, .concat = true, .interval = true,               \
		.field_len = { 1, 2 }, .field_count = 2, .data_type = (type), \
		.data_len = (len)                                             \
	}
#define OPEN(n, type, len)                                \
	{                                                 \
		.name = (n), .key_type = ADDR_PORT(type), \
		.key_len = (len) + 8, .concat = true      \
	}
#define OPEN_RANGES(n, type, len)                                       \
	{                                                               \
		.name = (n), .key_type = ADDR_PORT(type),               \
		.key_len = (len) + 8, .concat = true, .interval = true, \
		.field_len = { (len), 1, 2 }, .field_count = 3          \
	}

#define PORTS(n)                                                      \
	{                                                             \
		.name = (n),                                          \
		.key_type = FW_TYPES2(FW_TYPE_L4PROTO, FW_TYPE_PORT), \
		.key_len = 8, .concat = true                          \
	}
#define PORT_RANGES(n)                                                \
	{                                                             \
		.name = (n),                                          \
		.key_type = FW_TYPES2(FW_TYPE_L4PROTO, FW_TYPE_PORT), \
		.key_len = 8, .concat = true, .interval = true,       \
		.field_len = { 1, 2 }, .field_count = 2               \
	}

/* a neighbour message's target */
static const uint8_t typeof_target[] = {
	FW_TYPEOF_CONCAT(FW_TYPEOF_IIFNAME_LEN + FW_TYPEOF_TH_LEN,
			 FW_TYPEOF_IIFNAME(0), FW_TYPEOF_TH(1, 64, 128)),
};

#define TYPE_NFPROTO 2

const struct fw_set ruleset_sets[SET_MAX] = {
	[SET_NETS] = NAMES("nets"),
	[SET_SAME] = PAIRS("same"),
	[SET_ICC] = PAIRS("icc"),
	[SET_TRUSTED] = PAIRS("trusted"),
	[SET_INTERNAL4] = NAMES("internal4"),
	[SET_INTERNAL6] = NAMES("internal6"),
	[SET_ISOLATED4] = NAMES("isolated4"),
	[SET_ISOLATED6] = NAMES("isolated6"),
	[SET_ROUTED4] = NAMES("routed4"),
	[SET_ROUTED6] = NAMES("routed6"),
	[SET_DIRECT4] = NAMES("direct4"),
	[SET_DIRECT6] = NAMES("direct6"),
	[SET_MASQ4] = NAMES("masq4"),
	[SET_MASQ6] = NAMES("masq6"),
	[SET_SNAT4] = { .name = "snat4",
			.key_type = IF,
			.key_len = IF_LEN,
			.data_type = FW_TYPE_IPV4,
			.data_len = 4 },
	[SET_SNAT6] = { .name = "snat6",
			.key_type = IF,
			.key_len = IF_LEN,
			.data_type = FW_TYPE_IPV6,
			.data_len = 16 },
	[SET_GATES4] = { .name = "gates4",
			 .key_type = FW_TYPE_IPV4,
			 .key_len = 4 },
	[SET_GATES6] = { .name = "gates6",
			 .key_type = FW_TYPE_IPV6,
			 .key_len = 16 },
	[SET_GATE4] = NAME_AND("gate4", FW_TYPE_IPV4, 4),
	[SET_GATE6] = NAME_AND("gate6", FW_TYPE_IPV6, 16),
	[SET_SUBNETS4] = SUBNETS("subnets4", FW_TYPE_IPV4, 4),
	[SET_SUBNETS6] = SUBNETS("subnets6", FW_TYPE_IPV6, 16),
	[SET_LOCAL4] = LOCAL("local4", FW_TYPE_IPV4, 4),
	[SET_LOCAL6] = LOCAL("local6", FW_TYPE_IPV6, 16),
	[SET_ADDR4] = ADDR_MAP("addr4", FW_TYPE_IPV4, 4),
	[SET_ADDR6] = ADDR_MAP("addr6", FW_TYPE_IPV6, 16),
	[SET_ANY4] = ANY_MAP("any4", FW_TYPE_IPV4, 4),
	[SET_ANY6] = ANY_MAP("any6", FW_TYPE_IPV6, 16),
	[SET_ADDR4R] = ADDR_RANGES("addr4r", FW_TYPE_IPV4, 4),
	[SET_ADDR6R] = ADDR_RANGES("addr6r", FW_TYPE_IPV6, 16),
	[SET_ANY4R] = ANY_RANGES("any4r", FW_TYPE_IPV4, 4),
	[SET_ANY6R] = ANY_RANGES("any6r", FW_TYPE_IPV6, 16),
	[SET_OPEN4] = OPEN("open4", FW_TYPE_IPV4, 4),
	[SET_OPEN6] = OPEN("open6", FW_TYPE_IPV6, 16),
	[SET_OPEN4R] = OPEN_RANGES("open4r", FW_TYPE_IPV4, 4),
	[SET_OPEN6R] = OPEN_RANGES("open6r", FW_TYPE_IPV6, 16),
	[SET_JUDGE_ADDR4] = OPEN("judge-addr4", FW_TYPE_IPV4, 4),
	[SET_JUDGE_ADDR6] = OPEN("judge-addr6", FW_TYPE_IPV6, 16),
	[SET_JUDGE_ANY4] = PORTS("judge-any4"),
	[SET_JUDGE_ANY6] = PORTS("judge-any6"),
	[SET_JUDGE_ADDR4R] = OPEN_RANGES("judge-addr4r", FW_TYPE_IPV4, 4),
	[SET_JUDGE_ADDR6R] = OPEN_RANGES("judge-addr6r", FW_TYPE_IPV6, 16),
	[SET_JUDGE_ANY4R] = PORT_RANGES("judge-any4r"),
	[SET_JUDGE_ANY6R] = PORT_RANGES("judge-any6r"),
	[SET_PORTS] = NAMES("ports"),
	[SET_FOREIGN] = NAMES("foreign"),
	[SET_FRIENDS] = NAMES("friends"),
	[SET_WITHIN] = PAIRS("within"),
	[SET_STOP] = { .name = "stop", .key_type = TYPE_NFPROTO, .key_len = 1 },
	[SET_NO_CT] = NAMES("no-ct"),
	[SET_GUARDED] = NAMES("guarded"),
	[SET_PORTS4] = NAMES("ports4"),
	[SET_PORTS6] = NAMES("ports6"),
	[SET_SELF] = PAIRS("self"),
	[SET_APART] = NAMES("apart"),
	[SET_MAC] = NAME_AND("mac", FW_TYPE_ETHER, 8),
	[SET_SENDER4] = { .name = "sender4",
			  .key_type =
				  FW_TYPES3(IF, FW_TYPE_ETHER, FW_TYPE_IPV4),
			  .key_len = IF_LEN + 12,
			  .concat = true },
	[SET_FROM4] = NAME_AND("from4", FW_TYPE_IPV4, 4),
	[SET_FROM6] = NAME_AND("from6", FW_TYPE_IPV6, 16),
	[SET_TARGET6] = { .name = "target6",
			  .key_type = FW_TYPES2(IF, FW_TYPE_INTEGER),
			  .key_len = IF_LEN + 16,
			  .concat = true,
			  .userdata = typeof_target,
			  .userdata_len = sizeof(typeof_target) },
};
