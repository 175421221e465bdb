/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The overlay driver's table, its options and flags. */
#include <stdio.h>
#include <string.h>

#include "netplugins/overlay/overlay.h"

_Static_assert(offsetof(struct overlay_network, br) == 0,
	       "options of a bridge network are at its offsets");
_Static_assert(offsetof(struct ov_config, br) == 0, "flags of bridge networks");

#define OPTION(key_, member_, doc_) \
	OPT_FIELD(key_, OPT_STR, struct overlay_network, opt.member_, doc_)

static const char *const shortcut_names[] = { "auto", "off", NULL };

static const struct opt_field options[] = {
	{ .key = "berth.peers",
	  .type = OPT_STR,
	  .offset = offsetof(struct overlay_network, opt.peers),
	  .size = sizeof(((struct overlay_network *)0)->opt.peers),
	  .min = 1,
	  .doc = "addresses of the network's hosts, separated by commas; a "
		 "host's own may be among them" },
	OPTION("berth.name", name,
	       "what the network is called on all hosts (its subnets)"),
	OPTION("com.docker.network.driver.overlay.vxlanid_list", vnis,
	       "the VXLAN network identifier; of several the first (one "
	       "derived from berth.name, or the subnets)"),
	BRIDGE_OPTIONS,
	{ .key = "com.docker.network.driver.mtu",
	  .type = OPT_U32,
	  .offset = offsetof(struct overlay_network, br.opt.mtu),
	  .size = sizeof(uint32_t),
	  .min = 68,
	  .max = 65535,
	  .doc = "MTU of bridge and containers (what VXLAN leaves of the "
		 "underlay's: 50 bytes less, by IPv6 70)" },
	OPT_FIELD("berth.encrypt", OPT_BOOL, struct overlay_network,
		  opt.encrypt,
		  "encrypt between hosts, by WireGuard; berth.peers is then "
		  "ADDRESS=KEY,... (off)"),
	{ .key = "berth.shortcut",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct overlay_network, opt.shortcut),
	  .size = sizeof(int),
	  .names = shortcut_names,
	  .doc = "auto: in a cluster, frames between containers go past the "
		 "bridge and the host's rules for what is bridged; off: they "
		 "do not (auto)" },
	BRIDGE_REFUSED("encrypted", "say berth.encrypt=on, which is WireGuard "
				    "and not Docker's IPsec"),
	BRIDGE_REFUSED("berth.dataplane",
		       "overlay networks have the nft dataplane only: leave it "
		       "out"),
	BRIDGE_REFUSED("berth.allow", "it needs the ebpf dataplane, which "
				      "overlay networks do not have"),
	BRIDGE_REFUSED("berth.deny", "it needs the ebpf dataplane, which "
				     "overlay networks do not have"),
	BRIDGE_REFUSED("berth.limit", "it needs the ebpf dataplane, which "
				      "overlay networks do not have"),
	BRIDGE_REFUSED("com.docker.network.bridge.name",
		       "the bridge of an overlay network is made on each host "
		       "and named by Berth"),
	BRIDGE_REFUSED("com.docker.network.bridge.enable_icc",
		       "containers of an overlay network talk to each other: "
		       "that is what it is for"),
	BRIDGE_REFUSED("com.docker.network.bridge.default_bridge",
		       "docker0 belongs to dockerd's own bridge driver; drop "
		       "the option"),
	BRIDGE_REFUSED("parent",
		       "an overlay network has no parent interface: say "
		       "--underlay to the daemon"),
	BRIDGE_REFUSED("macvlan_mode",
		       "it is for macvlan networks: use berth-macvlan"),
	BRIDGE_REFUSED("ipvlan_mode",
		       "it is for ipvlan networks: use berth-ipvlan"),
	BRIDGE_REFUSED("ipvlan_flag",
		       "it is for ipvlan networks: use berth-ipvlan"),
	{ 0 },
};

static int set_underlay(struct plugd *d, void *config, const char *value,
			struct err *err)
{
	struct ov_config *cfg = net_flag_config(config);

	(void)d;
	if (!value[0] || strlen(value) >= sizeof(cfg->underlay))
		return err_set(err, -EINVAL,
			       "\"%s\" is no address and no interface", value);
	memcpy(cfg->underlay, value, strlen(value) + 1);
	return 0;
}

static struct cluster_at *cluster_of(void *config)
{
	struct ov_config *cfg = net_flag_config(config);

	return &cfg->cluster.at;
}

CLUSTER_AT_SETTERS(cluster_of)

static const struct plugd_flag flags[] = {
	{ "underlay", "ADDRESS|INTERFACE",
	  "what other hosts reach this one by (the default route's)",
	  set_underlay },
	CLUSTER_AT_FLAGS("the cluster's etcd: networks, hosts and endpoints "
			 "(none: berth.peers)"),
	{ 0 },
};

static int network_init(struct net_network *net, struct err *err)
{
	struct overlay_network *n = overlay_of(net);
	int r;

	n->br.opt.dataplane = DP_NFT;
	r = bridge_init(net, &overlay_kind, err);
	return r < 0 ? r : ov_network_parse(n, err);
}

const struct net_driver overlay_driver = {
	.name = OVERLAY_DRIVER,
	.summary = "one container network over many hosts, by VXLAN",
	BRIDGE_OPS,
	.network_info = overlay_network_info,
	.network_size = sizeof(struct overlay_network),
	.network_options = options,
	.endpoint_options = bridge_endpoint_options,
	.flags = flags,
	.config_size = sizeof(struct ov_config),
	.host_open = overlay_host_open,
	.host_close = overlay_host_close,
	.load_begin = overlay_load_begin,
	.load_end = overlay_load_end,
	.fds = overlay_fds,
	.event = overlay_event,
	.check = overlay_check,
	.gc = overlay_gc,
	.key = overlay_key,
	.adopt = overlay_adopt,
	.reap = overlay_reap,
	.network_lost = overlay_network_lost,
	.network_init = network_init,
	.network_fini = overlay_network_fini,
	.network_add = overlay_network_add,
	.network_del = overlay_network_del,
	.endpoint_add = overlay_endpoint_add,
	.endpoint_del = overlay_endpoint_del,
};
