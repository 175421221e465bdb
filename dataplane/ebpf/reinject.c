/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device and the program that bring accepted packets in again.
 *
 * The device is a bridge without ports: every kernel that can run this driver
 * has that kind, and it needs no other end.  It does no ARP, so that a copy
 * leaves at once.
 */
#include "dataplane/ebpf/reinject.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "bpf/reinject.skel.h"
#include "dataplane/ebpf/pin.h"
#include "lib/base.h"
#include "lib/fail.h"

DEFINE_CLEANUP(struct reinject_bpf, reinject_bpf__destroy)

static int load(struct reinject_bpf **ret, struct err *err)
{
	_cleanup_(reinject_bpf__destroyp) struct reinject_bpf *skel =
		reinject_bpf__open();
	int r;

	if (!skel)
		return err_set(err, -errno, "program: %s", strerror(errno));
	skel->rodata->mark = REINJECT_MARK;
	r = reinject_bpf__load(skel);
	if (r < 0)
		return err_set(err, r, "program: load: %s", strerror(-r));
	*ret = take_ptr(skel);
	return 0;
}

/* The filter keeps the program; it goes with the device. */
static int attach(int index, struct err *err)
{
	_cleanup_(reinject_bpf__destroyp) struct reinject_bpf *skel = NULL;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = index,
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1,
		    .flags = BPF_TC_F_REPLACE);
	int r = load(&skel, err);

	if (r < 0)
		return r;
	r = bpf_tc_hook_create(&hook);
	if (r < 0 && r != -EEXIST)
		return err_set(err, r == -ENOENT ? -EOPNOTSUPP : r,
			       "clsact: %s", strerror(-r));
	opts.prog_fd = bpf_program__fd(skel->progs.reinject_egress);
	r = bpf_tc_attach(&hook, &opts);
	if (r < 0)
		return err_set(err, r, "tc egress: %s", strerror(-r));
	return 0;
}

/* dup asks the routing table; for IPv4 it takes any address for on-link. */
static int add_route6(struct nlk *nlk, int index, struct err *err)
{
	struct nlk_route route = { .dst.len = 128, .oif = index };
	int r = ip_parse(REINJECT_GW6, &route.dst.addr, err);

	if (r == 0)
		r = nlk_route_add(nlk, &route, err);
	/* EACCES and such: IPv6 is off on this host, then nothing comes in */
	if (r == -EEXIST || r == -EACCES || r == -EOPNOTSUPP ||
	    r == -EAFNOSUPPORT || r == -ENODEV)
		return 0;
	return r;
}

static int make_device(struct nlk *nlk, const struct reinject_conf *conf,
		       struct nlk_link *ret, bool *made, struct err *err)
{
	struct nlk_bridge_conf br = { .name = conf->ifname,
				      .alias = conf->alias };
	int r = nlk_link_get(nlk, conf->ifname, 0, ret, err);

	*made = r == -ENODEV;
	if (r == -ENODEV) {
		r = nlk_bridge_add(nlk, &br, err);
		if (r == 0)
			r = nlk_link_get(nlk, conf->ifname, 0, ret, err);
	}
	if (r == 0 && strcmp(ret->alias, conf->alias) != 0)
		r = err_set(err, -EEXIST,
			    "link %s: the name is taken, its alias is \"%s\"",
			    conf->ifname, ret->alias);
	return r;
}

static int set_up(struct nlk *nlk, int index, struct err *err)
{
	int r = nlk_link_arp(nlk, index, false, err);

	if (r == 0)
		r = nlk_link_up(nlk, index, true, err);
	if (r == 0)
		r = add_route6(nlk, index, err);
	if (r == 0)
		r = FAILPOINT("reinject.attach");
	return r < 0 ? r : attach(index, err);
}

int reinject_add(struct nlk *nlk, const struct reinject_conf *conf,
		 int *ret_index, struct err *err)
{
	struct nlk_link link = { 0 };
	bool made;
	int r;

	pin_quiet_libbpf();
	r = make_device(nlk, conf, &link, &made, err);
	if (r == 0)
		r = set_up(nlk, link.index, err);
	if (r < 0) {
		if (made)
			(void)nlk_link_del(nlk, conf->ifname, conf->alias,
					   NULL);
		return err_wrap(err, r, "reinject");
	}
	*ret_index = link.index;
	return 0;
}

int reinject_del(struct nlk *nlk, const struct reinject_conf *conf,
		 struct err *err)
{
	return nlk_link_del(nlk, conf->ifname, conf->alias, err);
}
