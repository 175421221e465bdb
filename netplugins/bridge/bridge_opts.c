/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of bridge networks and endpoints: Docker's names, and ours. */
#include <stdio.h>
#include <string.h>

#include "netplugins/bridge/bridge.h"
#include "netplugins/net_names.h"

const char *const bridge_mode_names[] = { "nat", "nat-unprotected", "routed",
					  "isolated", NULL };
_Static_assert(ARRAY_SIZE(bridge_mode_names) == DP_GW_MAX + 1,
	       "enum dp_gateway_mode");
const char *const bridge_firewall_names[] = { "open", "respect", NULL };
_Static_assert(ARRAY_SIZE(bridge_firewall_names) == DP_FW_MAX + 1,
	       "enum dp_firewall");
static const char *const dataplane_names[] = { "nft", "ebpf", NULL };
_Static_assert(ARRAY_SIZE(dataplane_names) == DP_BACKEND_MAX + 1,
	       "enum dp_backend");

#define OPTIONS_POLICY(st_, at_)                                       \
	BRIDGE_OPTION_LIST(                                            \
		"berth.allow", st_, at_.allow,                         \
		"networks that may reach published ports, others may " \
		"not (everybody)"),                                    \
		BRIDGE_OPTION_LIST("berth.deny", st_, at_.deny,        \
				   "networks that may not"),           \
		BRIDGE_OPTION_LIST(                                    \
			"berth.limit", st_, at_.limit,                 \
			"N/s or N/s:BURST: new connections from one "  \
			"source (no limit)")

const struct opt_field bridge_network_options[] = {
	BRIDGE_OPTION("com.docker.network.bridge.name", OPT_STR, name,
		      "name of the bridge; one that exists is used and never "
		      "deleted"),
	BRIDGE_OPTION(
		"com.docker.network.bridge.enable_icc", OPT_BOOL, icc,
		"containers of the network may talk to each other (true)"),
	BRIDGE_OPTIONS,
	{ .key = "com.docker.network.driver.mtu",
	  .type = OPT_U32,
	  .offset = offsetof(struct bridge_network, opt.mtu),
	  .size = sizeof(uint32_t),
	  .min = 68,
	  .max = 65535,
	  .doc = "MTU of bridge and containers (that of the uplink's route)" },
	BRIDGE_REFUSED(
		"com.docker.network.bridge.default_bridge",
		"docker0 belongs to dockerd's own bridge driver; drop the "
		"option"),
	BRIDGE_REFUSED("com.docker.network.driver.overlay.vxlanid_list",
		       "it is for overlay networks: use berth-overlay"),
	BRIDGE_REFUSED("parent",
		       "a bridge network has no parent interface: use "
		       "berth-macvlan or berth-ipvlan"),
	BRIDGE_REFUSED("macvlan_mode",
		       "it is for macvlan networks: use berth-macvlan"),
	BRIDGE_REFUSED("ipvlan_mode",
		       "it is for ipvlan networks: use berth-ipvlan"),
	BRIDGE_REFUSED("ipvlan_flag",
		       "it is for ipvlan networks: use berth-ipvlan"),
	BRIDGE_OPTION_ENUM(
		"berth.dataplane", dataplane, dataplane_names,
		"nft: published ports and masquerade by nftables; ebpf: by "
		"programs before netfilter (the daemon's --dataplane)"),
	BRIDGE_OPTION("berth.names", OPT_BOOL, names,
		      "berth-dns answers containers at the gateway's address "
		      "(off)"),
	OPTIONS_POLICY(struct bridge_network, opt.policy),
	{ 0 },
};

const struct opt_field bridge_endpoint_options[] = {
	BRIDGE_REFUSED(
		"com.docker.network.endpoint.ifname",
		"dockerd ignores names that a plugin gives; set "
		"com.docker.network.container_iface_prefix on the network"),
	BRIDGE_REFUSED(
		"com.docker.network.endpoint.sysctls",
		"the container's namespace does not exist yet when a plugin "
		"is asked; use docker run --sysctl"),
	OPTIONS_POLICY(struct bridge_ep_options, policy),
	BRIDGE_OPTION_LIST(
		"berth.service", struct bridge_ep_options, service,
		"NAME[:PORT][*WEIGHT]: one of those that 'netctl port add "
		"--service NAME' balances over"),
	BRIDGE_OPTION_RATE(struct bridge_ep_options, rate),
	{ 0 },
};

void bridge_defaults(struct net_network *net)
{
	struct bridge_options *o = &bridge_of(net)->opt;

	o->icc = true;
	o->masquerade = true;
	o->guard = true;
	o->dataplane = BRIDGE_DATAPLANE_DEFAULT;
	strcpy(o->prefix, "eth");
}

const char *bridge_dataplane_name(enum dp_backend backend)
{
	return dataplane_names[backend];
}

int bridge_dataplane_parse(const char *name, enum dp_backend *ret,
			   struct err *err)
{
	for (int i = 0; i < DP_BACKEND_MAX; i++)
		if (strcmp(name, dataplane_names[i]) == 0) {
			*ret = (enum dp_backend)i;
			return 0;
		}
	return err_set(err, -EINVAL, "\"%s\" is not one of nft, ebpf", name);
}

static int init_name(struct bridge_network *br, struct err *err)
{
	if (!br->opt.name[0]) {
		snprintf(br->name, sizeof(br->name), "%s-%.12s",
			 br->kind->prefix, br->base.id);
		return 0;
	}
	if (!net_link_name_valid(br->opt.name, IFNAMSIZ - 1))
		return err_set(
			err, -EINVAL,
			"com.docker.network.bridge.name: \"%s\" is not a "
			"name for a link (1 to %d characters without "
			"blanks, slashes and colons)",
			br->opt.name, IFNAMSIZ - 1);
	memcpy(br->name, br->opt.name, strlen(br->opt.name) + 1);
	return 0;
}

static int init_prefix(const struct bridge_options *o, struct err *err)
{
	/* dockerd appends a number of up to four digits. */
	if (net_link_name_valid(o->prefix, IFNAMSIZ - 5))
		return 0;
	return err_set(err, -EINVAL,
		       "com.docker.network.container_iface_prefix: \"%s\" is "
		       "not the beginning of a link's name (1 to %d "
		       "characters)",
		       o->prefix, IFNAMSIZ - 5);
}

static int init_trusted(struct bridge_network *br, struct err *err)
{
	char text[sizeof(br->opt.trusted)], *save = NULL, *name;
	unsigned int n = 0;

	memcpy(text, br->opt.trusted, sizeof(text));
	for (name = strtok_r(text, ":", &save); name;
	     name = strtok_r(NULL, ":", &save)) {
		if (n == DP_TRUSTED_MAX)
			return err_set(err, -EINVAL,
				       "com.docker.network.bridge.trusted_host_"
				       "interfaces: more than %d",
				       DP_TRUSTED_MAX);
		if (!net_link_name_valid(name, IFNAMSIZ - 1))
			return err_set(
				err, -EINVAL,
				"com.docker.network.bridge.trusted_host_"
				"interfaces: \"%s\" is not a link's name",
				name);
		snprintf(br->trusted[n++], IFNAMSIZ, "%s", name);
	}
	return 0;
}

static int check_family(const struct ip_addr *a, int family, const char *key,
			struct err *err)
{
	if (ip_is_none(a) || a->family == family)
		return 0;
	return err_set(err, -EINVAL, "%s: not an IPv%d address", key,
		       family == AF_INET ? 4 : 6);
}

static int check_addresses(const struct bridge_options *o, struct err *err)
{
	int r = check_family(&o->host_binding4, AF_INET,
			     "com.docker.network.bridge.host_binding_ipv4",
			     err);

	if (r == 0)
		r = check_family(&o->host_snat4, AF_INET,
				 "com.docker.network.host_ipv4", err);
	if (r == 0)
		r = check_family(&o->host_snat6, AF_INET6,
				 "com.docker.network.host_ipv6", err);
	return r;
}

/* INPUT judges a host port.  What leads to a container without one never gets
 * there, and our accept rule in FORWARD stands before the rules that it would
 * meet: the option would promise what nobody does. */
static int check_firewall(const struct bridge_options *o, struct err *err)
{
	const int modes[] = { o->mode4, o->mode6 };

	if (o->firewall != DP_FW_RESPECT)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (modes[i] == DP_GW_ROUTED ||
		    modes[i] == DP_GW_NAT_UNPROTECTED)
			return err_set(
				err, -EINVAL,
				"berth.firewall=respect: the host's rules "
				"judge "
				"host ports, and with gateway mode %s "
				"containers are reached past them: use mode "
				"nat or leave the option out",
				bridge_mode_names[modes[i]]);
	if (o->trusted[0])
		return err_set(err, -EINVAL,
			       "berth.firewall=respect: the host's rules judge "
			       "host ports, and trusted_host_interfaces reach "
			       "containers past them: leave one of the two "
			       "out");
	return 0;
}

static int check_modes(const struct bridge_network *br, struct err *err)
{
	const struct bridge_options *o = &br->opt;

	if (!br->base.internal &&
	    (o->mode4 == DP_GW_ISOLATED || o->mode6 == DP_GW_ISOLATED))
		return err_set(err, -EINVAL,
			       "gateway mode isolated: only for an internal "
			       "network, as with Docker; add --internal");
	if (o->mtu && o->mtu < 1280 && br->base.ipv6)
		return err_set(err, -EINVAL,
			       "com.docker.network.driver.mtu=%u: IPv6 needs "
			       "1280 at least",
			       o->mtu);
	return 0;
}

/* Not for hosts: "this network", loopback, multicast and above; ::/8,
 * link-local, multicast. */
static bool is_special(const struct net_pool *p)
{
	const uint8_t *b = p->pool.addr.bytes;

	if (p->pool.addr.family == AF_INET)
		return b[0] == 0 || b[0] == 127 || b[0] >= 224;
	return p->pool.addr.family == AF_INET6 &&
	       (b[0] == 0 || b[0] == 0xff ||
		(b[0] == 0xfe && (b[1] & 0xc0) == 0x80));
}

static int check_pools(const struct bridge_network *br, struct err *err)
{
	const struct net_network *net = &br->base;
	const struct {
		const struct net_pool *p;
		bool gateway;
		const char *what;
	} pools[] = {
		{ &net->v4, br->opt.mode4 != DP_GW_ISOLATED, "IPv4" },
		{ &net->v6, br->opt.mode6 != DP_GW_ISOLATED, "IPv6" },
	};

	if (ip_is_none(&net->v4.pool.addr) && ip_is_none(&net->v6.pool.addr))
		return err_set(err, -EINVAL,
			       "a network on a bridge needs a subnet: Docker's "
			       "null IPAM gives none; leave out --ipam-driver "
			       "null");
	if (net->ipv6 && ip_is_none(&net->v6.pool.addr))
		return err_set(err, -EINVAL,
			       "IPv6 is on but there is no IPv6 subnet: add "
			       "--subnet fd00:.../64");
	for (size_t i = 0; i < ARRAY_SIZE(pools); i++) {
		const struct net_pool *p = pools[i].p;
		char text[PREFIX_STR_MAX];

		if (is_special(p))
			return err_set(err, -EINVAL,
				       "subnet %s has no addresses for hosts: "
				       "choose another with --subnet",
				       ip_prefix_str(&p->pool, text));
		if (ip_is_none(&p->pool.addr) || ip_is_none(&p->gateway.addr))
			continue;
		if (!ip_prefix_contains(&p->pool, &p->gateway.addr))
			return err_set(err, -EINVAL,
				       "the %s gateway is not in the subnet",
				       pools[i].what);
	}
	return 0;
}

/* Always the same for a network, and not the kernel's choice, which would
 * change with the ports. */
static struct mac_addr bridge_mac(const char *id)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *id; id++)
		h = (h ^ (uint8_t)*id) * 0x100000001b3;
	return (struct mac_addr){ { 0x02, (uint8_t)(h >> 32),
				    (uint8_t)(h >> 24), (uint8_t)(h >> 16),
				    (uint8_t)(h >> 8), (uint8_t)h } };
}

int bridge_init(struct net_network *net, const struct bridge_kind *kind,
		struct err *err)
{
	struct bridge_network *br = bridge_of(net);
	int r;

	br->kind = kind;
	r = init_name(br, err);

	if (r == 0)
		r = init_prefix(&br->opt, err);
	if (r == 0)
		r = init_trusted(br, err);
	if (r == 0)
		r = check_addresses(&br->opt, err);
	if (r == 0)
		r = check_modes(br, err);
	if (r == 0)
		r = check_firewall(&br->opt, err);
	if (r == 0)
		r = bridge_policy_init(br, err);
	if (r == 0)
		r = bridge_rate_init(br, err);
	if (r == 0)
		r = check_pools(br, err);
	if (r < 0)
		return r;
	bridge_alias(kind, net->id, br->alias);
	br->mac = bridge_mac(net->id);
	return 0;
}

void bridge_gateway_skip(const struct net_network *net, bool *skip4,
			 bool *skip6)
{
	const struct bridge_options *o = &bridge_of_const(net)->opt;

	/* As Docker: without an address on the bridge and without a default
	 * route nobody uses the gateway's. */
	*skip4 = o->mode4 == DP_GW_ISOLATED || (o->inhibit4 && net->internal);
	*skip6 = o->mode6 == DP_GW_ISOLATED;
}

bool bridge_has_gateway4(const struct bridge_network *br)
{
	return br->opt.mode4 != DP_GW_ISOLATED &&
	       !ip_is_none(&br->base.v4.gateway.addr);
}

bool bridge_has_gateway6(const struct bridge_network *br)
{
	return br->opt.mode6 != DP_GW_ISOLATED &&
	       !ip_is_none(&br->base.v6.gateway.addr);
}
