/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of the publishing programs: load, pin, take over, remove.
 *
 * Pins in the driver's directory: nat_* (maps) and publish_in_<ifindex>, the
 * program at an uplink.  A daemon that starts anew takes the maps with their
 * flows if the layout is its own; the programs are replaced in place, one
 * uplink and one endpoint after the other: old and new ones work on the same
 * maps, so a flow may meet both.
 */
#include "dataplane/ebpf/nat.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>

#include "dataplane/ebpf/nat_priv.h"
#include "dataplane/ebpf/nat_stat.h"
#include "dataplane/ebpf/sock.h"
#include "lib/fail.h"
#include "lib/netns.h"

DEFINE_CLEANUP(struct publish_bpf, publish_bpf__destroy)

#define BPF_F_IPV6_FLAG 128 /* BPF_F_IPV6, Linux 6.16 */

/* ---- open --------------------------------------------------------------- */

/* What the socket hooks have as well, and remove. */
static const char *const shared[] = { "nat_local", "nat_stat", NULL };

/* @all: nobody has them open. */
static int drop_pins(struct nat *nat, bool all, struct err *err)
{
	int r = tc_sweep(nat->cfg.tc, NAT_UPLINK_NAME, NULL, NULL, err);

	if (r < 0)
		return r;
	return all ? pin_remove(nat->cfg.pins, "nat_", err)
		   : pin_remove_but(nat->cfg.pins, "nat_", shared, err);
}

/* The maps whose size can be chosen. */
static int drop_flows(struct nat *nat, struct err *err)
{
	int r = tc_sweep(nat->cfg.tc, NAT_UPLINK_NAME, NULL, NULL, err);

	if (r >= 0)
		r = pin_remove(nat->cfg.pins, "nat_flows", err);
	if (r == 0)
		r = pin_remove(nat->cfg.pins, "nat_ring", err);
	/* what it counts is gone with them */
	return r == 0 ? pin_remove(nat->cfg.pins, "nat_share", err) : r;
}

/* Nobody follows the host's addresses any more. */
static void forget_local(struct nat *nat)
{
	char path[PIN_PATH_MAX];
	_cleanup_close_ int fd =
		bpf_obj_get(pin_path(nat->cfg.pins, "nat_local", path));
	__u32 key[4];

	while (fd >= 0 && bpf_map_get_next_key(fd, NULL, key) == 0 &&
	       bpf_map_delete_elem(fd, key) == 0)
		;
}

static int look_at_meta(struct nat *nat, bool *dropped, struct err *err)
{
	int r = maps_owner(nat->cfg.pins, "nat_meta", &nat->meta, err);

	if (r < 0)
		return r;
	*dropped = r == MAPS_OTHER || (nat->cfg.others && r != MAPS_NONE);
	nat->foreign = r == MAPS_FOREIGN;
	return *dropped ? drop_pins(nat, true, err) : 0;
}

int nat_open(const struct nat_config *cfg, struct nat **ret, bool *dropped,
	     struct err *err)
{
	_cleanup_(nat_closep) struct nat *nat = calloc(1, sizeof(*nat));
	int r;

	*dropped = false;
	if (!nat)
		return err_set(err, -ENOMEM, "published ports: out of memory");
	nat->cfg = *cfg;
	nat->meta.layout = NAT_LAYOUT;
	nat->masq_first = NAT_MASQ_FIRST;
	nat->masq_last = NAT_MASQ_LAST;
	nat->cpus = libbpf_num_possible_cpus();
	if (nat->cpus < 0)
		return err_set(err, nat->cpus, "number of CPUs: %s",
			       strerror(-nat->cpus));
	nat->percpu = calloc((size_t)nat->cpus, sizeof(*nat->percpu));
	if (!nat->percpu)
		return err_set(err, -ENOMEM, "published ports: out of memory");
	r = netns_cookie(&nat->meta.netns_cookie, err);
	if (r == 0)
		r = look_at_meta(nat, dropped, err);
	if (r < 0)
		return err_wrap(err, r, "published ports");
	*ret = take_ptr(nat);
	return 0;
}

void nat_close(struct nat *nat)
{
	if (!nat)
		return;
	nat_share_close(nat);
	publish_bpf__destroy(nat->skel);
	free(nat->percpu);
	free(nat->uplinks);
	free(nat->again);
	free(nat);
}

bool nat_is_attached(const struct nat *nat)
{
	return nat->skel != NULL;
}

bool nat_resized(const struct nat *nat)
{
	return nat->resized;
}

bool nat_is_pinned(const struct nat *nat)
{
	return !nat->foreign && pin_exists(nat->cfg.pins, "nat_meta");
}

static int put_ports(const struct nat *nat, struct publish_bpf *skel,
		     struct err *err)
{
	const __u32 zero = 0;
	const __u32 value = NAT_PORTS(nat->masq_first, nat->masq_last);
	int r = bpf_map_update_elem(bpf_map__fd(skel->maps.nat_ports), &zero,
				    &value, BPF_ANY);

	return r < 0 ? err_set(err, r, "BPF map of ports for masquerade: %s",
			       strerror(-r))
		     : 0;
}

int nat_masquerade_ports(struct nat *nat, uint16_t first, uint16_t last,
			 struct err *err)
{
	nat->masq_first = first;
	nat->masq_last = last;
	return nat->skel ? put_ports(nat, nat->skel, err) : 0;
}

int nat_endpoint_program(const struct nat *nat)
{
	return nat->skel ? bpf_program__fd(nat->skel->progs.publish_endpoint)
			 : -EBADF;
}

/* ---- attach ------------------------------------------------------------- */

/* Does bpf_l4_csum_replace() know of IPv6, where a changed address does not
 * change a CHECKSUM_COMPLETE?  It refuses flags that it does not know. */
static bool knows_csum_ipv6(void)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_2,
		  .imm = 40 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_5,
		  .imm = BPF_F_IPV6_FLAG },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_l4_csum_replace },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	_cleanup_close_ int prog =
		bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, NULL, "GPL", code,
			      ARRAY_SIZE(code), NULL);
	char packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet,
		    .data_size_in = sizeof(packet), .repeat = 1);

	return prog >= 0 && bpf_prog_test_run_opts(prog, &opts) == 0 &&
	       opts.retval == 0;
}

/* A power of two: the round goes on where the turns begin again at 0. */
static uint32_t places(uint32_t young)
{
	uint32_t n = 1;

	while (n < young / 2)
		n *= 2;
	return n;
}

static void set_sizes(const struct nat *nat, struct publish_bpf *skel)
{
	uint32_t young =
		places(nat->cfg.new_max ? nat->cfg.new_max : NAT_NEW_MAX);
	uint32_t est = nat->cfg.est_max ? nat->cfg.est_max : NAT_EST_MAX;

	(void)bpf_map__set_max_entries(skel->maps.nat_flows, 2 * young + est);
	(void)bpf_map__set_max_entries(skel->maps.nat_ring, young);
	skel->rodata->young_max = young;
	/* two entries a flow, one of them the endpoint's: half of the flows */
	skel->rodata->est_share = est / 4;
	(void)bpf_map__set_max_entries(skel->maps.nat_stat,
				       nat_stats_size(nat->cpus));
}

static int load(struct nat *nat, struct publish_bpf **ret, struct err *err)
{
	_cleanup_(publish_bpf__destroyp) struct publish_bpf *skel =
		publish_bpf__open();
	int r;

	if (!skel)
		return err_set(err, -errno, "open: %s", strerror(errno));
	skel->rodata->csum_ipv6 = knows_csum_ipv6();
	skel->rodata->claim_mark = SOCK_CLAIM_MARK;
	set_sizes(nat, skel);
	r = maps_reuse(nat->cfg.pins, skel->obj, err);
	if (r == 0)
		r = FAILPOINT("nat.load");
	if (r < 0)
		return r;
	r = publish_bpf__load(skel);
	if (r == -EPERM)
		return err_set(err, r,
			       "load: %s (needs CAP_BPF and CAP_NET_ADMIN)",
			       strerror(-r));
	if (r < 0)
		return err_set(err, -EOPNOTSUPP,
			       "this kernel does not take the programs (%s; "
			       "they are made for Linux 6.1 and later with "
			       "CONFIG_NET_CLS_ACT)",
			       strerror(-r));
	r = maps_mark(skel->maps.nat_meta, &nat->meta, err);
	if (r == 0)
		r = put_ports(nat, skel, err);
	if (r == 0)
		r = maps_pin(nat->cfg.pins, skel->obj, err);
	if (r == 0)
		r = nat_share_open(nat, bpf_map__fd(skel->maps.nat_share), err);
	if (r < 0)
		return r;
	*ret = take_ptr(skel);
	return 0;
}

static int take_or_make(struct nat *nat, struct err *err)
{
	int r = load(nat, &nat->skel, err);

	if (r != -EPROTO)
		return r;
	nat->resized = true;
	r = drop_flows(nat, err); /* of other sizes */
	if (r == 0)
		r = load(nat, &nat->skel, err);
	if (r != -EPROTO)
		return r;
	r = drop_pins(nat, false, err); /* half made */
	return r == 0 ? load(nat, &nat->skel, err) : r;
}

int nat_attach(struct nat *nat, struct err *err)
{
	bool fresh;
	int r = 0;

	if (nat->skel)
		return 0;
	nat->resized = false;
	if (nat->foreign)
		r = drop_pins(nat, false, err);
	nat->foreign = false;
	fresh = !pin_exists(nat->cfg.pins, "nat_meta");
	if (r == 0)
		r = take_or_make(nat, err);
	if (r < 0 && fresh)
		(void)pin_remove_but(nat->cfg.pins, "nat_", shared, NULL);
	return r < 0 ? err_wrap(err, r, "published ports by eBPF") : 0;
}

int nat_detach(struct nat *nat, struct err *err)
{
	int r = drop_pins(nat, false, err);

	nat_share_close(nat);
	forget_local(nat);
	publish_bpf__destroy(take_ptr(nat->skel));
	free(take_ptr(nat->uplinks));
	nat->uplink_count = 0;
	free(take_ptr(nat->again));
	nat->again_count = 0;
	nat->walk = (struct nat_walk){ 0 };
	nat->crowded = false;
	nat->foreign = false;
	return r < 0 ? err_wrap(err, r, "published ports by eBPF") : 0;
}

/* ---- counters ----------------------------------------------------------- */

static const char *const count_names[] = {
	[NAT_COUNT_IN] = "in",
	[NAT_COUNT_OUT] = "out",
	[NAT_COUNT_ICMP] = "icmp-errors",
	[NAT_COUNT_FLOW] = "flows",
	[NAT_COUNT_PORTS] = "no-port-left",
	[NAT_DROP_FULL] = "drop-full",
	[NAT_DROP_FORGED] = "drop-forged",
	[NAT_DROP_REWRITE] = "drop-rewrite",
	[NAT_DROP_GATEWAY] = "drop-gateway",
	[NAT_DROP_HOPS] = "drop-hops",
	[NAT_DROP_POLICY] = "drop-policy",
	[NAT_DROP_LIMIT] = "drop-limit",
	[NAT_DROP_SHARE] = "drop-share",
	[NAT_DROP_BIG] = "drop-big",
	[NAT_DROP_RATE] = "drop-rate",
};
_Static_assert(ARRAY_SIZE(count_names) == NAT_COUNT_MAX, "enum nat_count");

const char *nat_count_name(unsigned int which)
{
	return which < NAT_COUNT_MAX ? count_names[which] : NULL;
}

static int count_of(struct nat *nat, __u32 which, uint64_t *ret,
		    struct err *err)
{
	int r = bpf_map_lookup_elem(bpf_map__fd(nat->skel->maps.nat_count),
				    &which, nat->percpu);

	if (r < 0)
		return err_set(err, r, "counters: %s", strerror(-r));
	*ret = 0;
	for (int i = 0; i < nat->cpus; i++)
		*ret += nat->percpu[i];
	return 0;
}

int nat_counts(struct nat *nat, uint64_t ret[static NAT_COUNT_MAX],
	       struct err *err)
{
	int r = 0;

	memset(ret, 0, NAT_COUNT_MAX * sizeof(*ret));
	for (__u32 i = 0; r == 0 && nat->skel && i < NAT_COUNT_MAX; i++)
		r = count_of(nat, i, &ret[i], err);
	return r;
}

int nat_count_flows(struct nat *nat, uint64_t *ret, struct err *err)
{
	return count_of(nat, NAT_COUNT_FLOW, ret, err);
}
