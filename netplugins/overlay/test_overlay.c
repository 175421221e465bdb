/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of overlay networks, row by row; the VNI all hosts derive; and the
 * kernel's tables made equal to views. */
#include "lib/test/test.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jdec.h"
#include "netplugins/overlay/overlay.h"

#define P    "com.docker.network."
#define LIST P "driver.overlay.vxlanid_list"

struct row {
	const char *name, *options; /* JSON */
	const char *msg;            /* part of the error, NULL: accepted */
	uint32_t vni;
	size_t peers;
};

static const struct row rows[] = {
	{ "peers", "{\"berth.peers\":\"192.0.2.1,192.0.2.2\"}", NULL, 0, 2 },
	{ "peers by IPv6", "{\"berth.peers\":\"2001:db8::1\"}", NULL, 0, 1 },
	{ "a VNI", "{\"" LIST "\":\"4097\"}", NULL, 4097, 0 },
	{ "of several the first", "{\"" LIST "\":\"7,8\"}", NULL, 7, 0 },
	{ "the highest VNI", "{\"" LIST "\":\"16777215\"}", NULL, 16777215, 0 },
	{ "a name", "{\"berth.name\":\"shop\"}", NULL, 0, 0 },
	{ "no peer", "{\"berth.peers\":\"\"}", "berth.peers", 0, 0 },
	{ "a comma too many", "{\"berth.peers\":\"192.0.2.1,\"}",
	  "is not the address of a host", 0, 0 },
	{ "a name as a peer", "{\"berth.peers\":\"b.example\"}",
	  "is not the address of a host", 0, 0 },
	{ "loopback as a peer", "{\"berth.peers\":\"127.0.0.1\"}",
	  "is not the address of a host", 0, 0 },
	{ "both families", "{\"berth.peers\":\"192.0.2.1,2001:db8::1\"}",
	  "one family", 0, 0 },
	{ "a peer twice", "{\"berth.peers\":\"192.0.2.1,192.0.2.1\"}",
	  "is there twice", 0, 0 },
	{ "VNI 0", "{\"" LIST "\":\"0\"}", "numbers from 1 to 16777215", 0, 0 },
	{ "a VNI too high", "{\"" LIST "\":\"16777216\"}",
	  "numbers from 1 to 16777215", 0, 0 },
	{ "a list that ends in a comma", "{\"" LIST "\":\"7,\"}",
	  "numbers from 1 to 16777215", 0, 0 },
	{ "no number", "{\"" LIST "\":\"7a\"}", "numbers from 1 to 16777215", 0,
	  0 },
	{ "encryption", "{\"berth.encrypt\":\"on\"}", NULL, 0, 0 },
	{ "Docker's encryption", "{\"encrypted\":\"\"}", "berth.encrypt=on", 0,
	  0 },
	{ "eBPF", "{\"berth.dataplane\":\"ebpf\"}", "nft dataplane only", 0,
	  0 },
	{ "icc off", "{\"" P "bridge.enable_icc\":\"false\"}",
	  "talk to each other", 0, 0 },
	{ "a misspelt option", "{\"berth.pears\":\"192.0.2.1\"}",
	  "did you mean \"berth.peers\"", 0, 0 },
	{ "a bridge's option", "{\"" P "bridge.gateway_mode_ipv4\":\"routed\"}",
	  NULL, 0, 0 },
};

static void option_row(void **state)
{
	const struct row *row = *state;
	struct overlay_network *n = calloc(1, sizeof(*n));
	_cleanup_(json_putp) json_object *map =
		json_tokener_parse(row->options);
	struct net_network *net = &n->br.base;
	struct err err = { 0 };
	int r;

	assert_non_null(map);
	net->driver = &overlay_driver;
	memset(net->id, 'a', 64);
	overlay_driver.network_defaults(net);
	assert_int_equal(ip_prefix_parse("10.1.0.0/24", &net->v4.pool, NULL),
			 0);
	assert_int_equal(ip_prefix_parse("10.1.0.1/24", &net->v4.gateway, NULL),
			 0);
	r = opts_decode(map, overlay_driver.network_options, n, "a network",
			&err);
	if (r == 0)
		r = overlay_driver.network_init(net, &err);
	if (!row->msg && r < 0)
		fail_msg("%s", err.msg);
	if (row->msg) {
		assert_int_equal(r, -EINVAL);
		if (!strstr(err.msg, row->msg))
			fail_msg("\"%s\" is not in \"%s\"", row->msg, err.msg);
	} else {
		assert_int_equal(n->net.vni, row->vni);
		assert_int_equal(n->net.peer_count, row->peers);
		assert_string_equal(n->wire, "bx-aaaaaaaaaaaa");
		assert_string_equal(n->br.name, "bo-aaaaaaaaaaaa");
	}
	free(n);
}

static void every_option_is_documented(void **state)
{
	(void)state;
	for (const struct opt_field *f = overlay_driver.network_options; f->key;
	     f++)
		assert_true(f->doc && f->doc[0]);
}

/* ---- the VNI -------------------------------------------------------------------- */

/* Written down: another number and hosts of two versions would not meet. */
static void vni_is_derived(void **state)
{
	struct ov_network net = { .id = "1" };

	(void)state;
	assert_int_equal(ip_prefix_parse("10.9.0.77/24", &net.pool4, NULL), 0);
	assert_int_equal(ov_vni_derive(&net), 6686903);
	assert_int_equal(ip_prefix_parse("fd00:9::/64", &net.pool6, NULL), 0);
	assert_int_equal(ov_vni_derive(&net), 1327878);
	strcpy(net.name, "shop");
	assert_int_equal(ov_vni_derive(&net), 10802030);
}

static void peers_clash(void **state)
{
	struct ov_network one = { .id = "1", .vni = 7 },
			  two = { .id = "2", .vni = 7 };
	struct ov_view view;
	struct err err = { 0 };
	struct ov_dir *dir;

	(void)state;
	assert_int_equal(ov_peers_open(&dir, &err), 0);
	assert_int_equal(dir->ops->view(dir, "1", &view, &err), -ENOENT);
	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(dir->ops->join(dir, &one, &err), 0);
	assert_int_equal(dir->ops->join(dir, &two, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "VNI 7 is that of network 1"));
	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(dir->ops->leave(dir, "1", &err), 0);
	assert_int_equal(dir->ops->join(dir, &two, &err), 0);
	dir->ops->close(dir);
}

/* ---- tables ---------------------------------------------------------------------- */

static struct ip_addr addr(const char *text)
{
	struct ip_addr ip = { 0 };

	assert_int_equal(ip_parse(text, &ip, NULL), 0);
	return ip;
}

struct world {
	struct nlk *nlk;
	int wire, bridge;
	struct ip_addr local;
	struct ov_host hosts[3];
	struct ov_endpoint eps[3];
	struct ov_view view;
	struct ov_tables had;
};

static void world_open(struct world *w)
{
	const struct nlk_bridge_conf br = { .name = "b0",
					    .alias = "berth:t:1" };
	const struct nlk_vxlan_conf vx = { .name = "v0",
					   .alias = "berth:t:1",
					   .vni = 7,
					   .port = OV_PORT,
					   .local = addr("192.0.2.1") };
	struct nlk_link l;

	*w = (struct world){ .local = vx.local };
	assert_int_equal(nlk_open(&w->nlk, NULL), 0);
	assert_int_equal(nlk_bridge_add(w->nlk, &br, NULL), 0);
	assert_int_equal(nlk_vxlan_add(w->nlk, &vx, NULL), 0);
	assert_int_equal(nlk_link_get(w->nlk, "b0", 0, &l, NULL), 0);
	w->bridge = l.index;
	assert_int_equal(nlk_link_get(w->nlk, "v0", 0, &l, NULL), 0);
	w->wire = l.index;
	assert_int_equal(nlk_link_master(w->nlk, w->wire, w->bridge, NULL), 0);
	assert_int_equal(nlk_link_up(w->nlk, w->bridge, true, NULL), 0);
	for (int i = 0; i < 3; i++) {
		struct ov_endpoint *ep = &w->eps[i];

		w->hosts[i].vtep = addr("192.0.2.1");
		w->hosts[i].vtep.bytes[3] = (uint8_t)(i + 1);
		ep->addr4 = addr("10.9.0.2");
		ep->addr4.bytes[3] = (uint8_t)(i + 2);
		ep->addr6 = addr("fd00:9::2");
		ep->addr6.bytes[15] = (uint8_t)(i + 2);
		ep->mac = mac_from_ip(&ep->addr4);
		ep->vtep = addr("192.0.2.2");
	}
	w->view = (struct ov_view){ .hosts = w->hosts,
				    .host_count = 3,
				    .endpoints = w->eps,
				    .endpoint_count = 3 };
}

static void sync_is(struct world *w, unsigned int added, unsigned int removed)
{
	struct ov_counts c = { 0 };
	struct err err = { 0 };

	if (ov_table_sync(w->nlk, w->wire, w->bridge, &w->view, &w->local,
			  &w->had, &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(c.added, added);
	assert_int_equal(c.removed, removed);
}

static void tables_follow(void **state)
{
	struct ip_addr ip;
	struct world w;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("SKIP: no network namespace\n");
		skip();
	}
	world_open(&w);
	/* two hosts (not ourselves) and, of each endpoint, where its MAC is, that
	 * it is out there, and three addresses with fe80:: */
	sync_is(&w, 2 + 3 * (1 + 1 + 3), 0);
	sync_is(&w, 0, 0);
	/* it moves: a line in place of another */
	w.eps[0].vtep = w.hosts[2].vtep;
	sync_is(&w, 1, 0);
	sync_is(&w, 0, 0);
	/* its address is another MAC's now: the neighbours are replaced */
	w.eps[0].mac.bytes[5] = 99;
	sync_is(&w, 1 + 1 + 3, 1 + 1 + 1);
	sync_is(&w, 0, 0);
	/* somebody adds and takes: put right when it is looked at */
	assert_int_equal(system("bridge fdb append 02:00:00:00:00:77 dev v0 "
				"dst 192.0.2.9 self permanent"),
			 0);
	assert_int_equal(system("ip neigh del 10.9.0.3 dev b0"), 0);
	sync_is(&w, 0, 0);
	ip = addr("10.9.0.99"); /* nobody's */
	ov_tables_lost(&w.had, &ip);
	sync_is(&w, 0, 0);
	ip = addr("10.9.0.3");
	ov_tables_lost(&w.had, &ip);
	sync_is(&w, 1, 1);
	/* one goes, and then all */
	w.view.endpoint_count = 2;
	sync_is(&w, 0, 1 + 1 + 3);
	w.view.endpoint_count = w.view.host_count = 0;
	sync_is(&w, 0, 2 + 2 * (1 + 1 + 3));
	sync_is(&w, 0, 0);
	ov_tables_forget(&w.had);
	nlk_close(w.nlk);
}

/* The default route is the provider's, the other hosts are in a network of their own. */
static void peers_say_the_underlay(void **state)
{
	struct ov_network net = {
		.peers = { addr("10.0.0.2"), addr("10.0.0.1") }, .peer_count = 2
	};
	const struct ip_addr there = addr("10.0.0.1"), first = addr("10.0.0.9"),
			     world = addr("203.0.113.2");
	struct ov_underlay u;
	struct nlk *nlk;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("SKIP: no network namespace\n");
		skip();
	}
	assert_int_equal(system("ip link add out up type bridge &&"
				"ip addr add 203.0.113.2/24 dev out &&"
				"ip route add default via 203.0.113.1 &&"
				"ip link add lan up mtu 1400 type bridge &&"
				"ip addr add 10.0.0.9/24 dev lan &&"
				"ip addr add 10.0.0.1/24 dev lan"),
			 0);
	assert_int_equal(nlk_open(&nlk, NULL), 0);
	/* itself among them; not: its first address there; nobody named */
	assert_int_equal(ov_underlay_find(nlk, "", &net, 0, &u, NULL), 0);
	assert_true(ip_equal(&u.local, &there));
	assert_int_equal(u.mtu, 1400);
	net.peer_count = 1;
	assert_int_equal(ov_underlay_find(nlk, "", &net, 0, &u, NULL), 0);
	assert_true(ip_equal(&u.local, &first));
	net.peer_count = 0;
	assert_int_equal(ov_underlay_find(nlk, "", &net, 0, &u, NULL), 0);
	assert_true(ip_equal(&u.local, &world));
	nlk_close(nlk);
}

/* Told of an IPv6 address where the bridge has no IPv6: the kernel refuses those. */
static void a_refused_line_keeps_no_other_out(void **state)
{
	struct ov_counts c = { 0 };
	struct err err = { 0 };
	struct world w;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("SKIP: no network namespace\n");
		skip();
	}
	world_open(&w);
	assert_int_equal(system("sysctl -qw net.ipv6.conf.b0.disable_ipv6=1"),
			 0);
	assert_int_equal(ov_table_sync(w.nlk, w.wire, w.bridge, &w.view,
				       &w.local, &w.had, &c, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "IPv6 is disabled"));
	assert_int_equal(c.added, 2 + 3 * (1 + 1 + 1));
	/* and who went is taken away */
	w.view.endpoint_count = 2;
	assert_int_equal(ov_table_sync(w.nlk, w.wire, w.bridge, &w.view,
				       &w.local, &w.had, &c, &err),
			 -EINVAL);
	assert_int_equal(c.removed, 3);
	assert_int_equal(w.had.wire, 0); /* looked at once more */
	nlk_close(w.nlk);
}

static bool has_owner(const struct overlay_network *n,
		      const struct mac_addr *mac, const struct ip_addr *ip)
{
	for (size_t i = 0; i < n->owner_count; i++)
		if (mac_equal(&n->owners[i].mac, mac) &&
		    ip_equal(&n->owners[i].ip, ip))
			return true;
	return false;
}

/* A daemon that is back has not heard of anybody yet: who is there stays. */
static void partial_view_takes_nothing_away(void **state)
{
	struct overlay_network *n = calloc(1, sizeof(*n));
	struct bridge_host br = { .nlk = NULL };
	struct overlay_host host = { .br = &br };
	struct ov_view view = { .partial = true };
	struct world w;

	(void)state;
	assert_non_null(n);
	if (unshare(CLONE_NEWNET) < 0) {
		free(n);
		print_message("SKIP: no network namespace\n");
		skip();
	}
	world_open(&w);
	sync_is(&w, 2 + 3 * (1 + 1 + 3), 0);
	br.nlk = w.nlk;
	strcpy(n->wire, "v0");
	n->br.index = w.bridge;
	n->net.vni = 7;
	n->vtep = w.local;
	n->br.mac.bytes[0] = 2;
	/* one is known, and elsewhere than it was */
	view.endpoints = calloc(1, sizeof(*view.endpoints));
	assert_non_null(view.endpoints);
	view.endpoints[view.endpoint_count++] = w.eps[0];
	view.endpoints[0].vtep = w.hosts[2].vtep;
	strcpy(view.endpoints[0].id, "known");
	/* ... and has an address that another had */
	view.endpoints[0].addr4 = w.eps[1].addr4;
	assert_int_equal(ov_view_recall(&host, n, &view, NULL), 0);
	assert_int_equal(view.host_count, 2);
	assert_int_equal(view.endpoint_count, 3);
	assert_true(ip_equal(&view.endpoints[0].vtep, &w.hosts[2].vtep));
	assert_int_equal(ov_view_keep(n, &view, NULL), 0);
	assert_int_equal(n->vtep_count, 2);
	assert_int_equal(n->far_count, 3);
	/* its three, and of the others two and three */
	assert_int_equal(n->owner_count, 3 + 2 + 3);
	assert_true(has_owner(n, &w.eps[0].mac, &w.eps[1].addr4));
	assert_false(has_owner(n, &w.eps[1].mac, &w.eps[1].addr4));
	assert_true(has_owner(n, &w.eps[1].mac, &w.eps[1].addr6));
	assert_true(has_owner(n, &w.eps[2].mac, &w.eps[2].addr4));
	w.view = view;
	sync_is(&w, 1 + 1, 0);
	sync_is(&w, 0, 0);
	w.view.endpoint_count = w.view.host_count = 0;
	sync_is(&w, 0, 0);
	w.view.partial = false;
	sync_is(&w, 0, 2 + 3 * (1 + 1 + 3));
	ov_view_free(&view);
	ov_view_forget(n);
	free(n);
	nlk_close(w.nlk);
}

/* ---- what others say -------------------------------------------------------------- */

static const struct said_row {
	const char *name, *vtep, *mac, *addr4, *addr6, *why;
} said_rows[] = {
	{ "said: right", "192.0.2.2", "02:42:0a:09:00:02", "10.9.0.2",
	  "fd00:9::2", NULL },
	{ "said: the gateway's MAC", "192.0.2.2", "02:76:78:00:10:01",
	  "10.9.0.2", NULL, "endpoint e of host evil" },
	{ "said: the gateway's IPv4", "192.0.2.2", "02:42:0a:09:00:02",
	  "10.9.0.1", NULL, "the gateway" },
	{ "said: the gateway's IPv6", "192.0.2.2", "02:42:0a:09:00:02",
	  "10.9.0.2", "fd00:9::1", "the gateway" },
	{ "said: the gateway's fe80::", "192.0.2.2", "02:42:0a:09:00:02",
	  "10.9.0.2", "fe80::76:78ff:fe00:1001", "the gateway" },
	{ "said: the other family", "2001:db8::2", "02:42:0a:09:00:02",
	  "10.9.0.2", NULL, "host evil has an address of the other family" },
};

static void said_is_judged(void **state)
{
	const struct said_row *row = *state;
	struct overlay_network *n = calloc(1, sizeof(*n));
	struct ov_host host = { .node = "evil", .vtep = addr(row->vtep) };
	struct ov_endpoint ep = { .id = "e", .node = "evil" };
	struct ov_view v = { .hosts = &host,
			     .host_count = 1,
			     .endpoints = &ep,
			     .endpoint_count = 1 };

	assert_non_null(n);
	n->vtep = addr("192.0.2.1");
	n->br.base.ipv6 = true;
	n->br.base.v4.gateway.addr = addr("10.9.0.1");
	n->br.base.v6.gateway.addr = addr("fd00:9::1");
	assert_int_equal(mac_parse("02:76:78:00:10:01", &n->br.mac, NULL), 0);
	assert_int_equal(mac_parse(row->mac, &ep.mac, NULL), 0);
	ep.vtep = host.vtep;
	ep.addr4 = addr(row->addr4);
	if (row->addr6)
		ep.addr6 = addr(row->addr6);
	ov_view_clean(n, &v);
	assert_int_equal(v.endpoint_count, !row->why);
	assert_int_equal(n->refused, row->why ? 1 : 0);
	if (row->why)
		assert_non_null(strstr(n->why_refused, row->why));
	free(n);
}

/* The kernel's sets have each once: so have we, or the rules never seem right. */
static void each_is_kept_once(void **state)
{
	struct overlay_network *n = calloc(1, sizeof(*n));
	struct ov_host hosts[4] = { { .vtep = addr("192.0.2.3") },
				    { .vtep = addr("192.0.2.2") },
				    { .vtep = addr("192.0.2.3") },
				    { .vtep = addr("192.0.2.1") } };
	struct ov_endpoint eps[3] = { { .id = "1", .vtep = hosts[0].vtep },
				      { .id = "2", .vtep = hosts[1].vtep },
				      { .id = "3", .vtep = hosts[0].vtep } };
	struct ov_view v = { .hosts = hosts,
			     .host_count = 4,
			     .endpoints = eps,
			     .endpoint_count = 3 };

	(void)state;
	assert_non_null(n);
	n->vtep = addr("192.0.2.1");
	for (size_t i = 0; i < 3; i++)
		eps[i].mac.bytes[0] = 2;
	assert_int_equal(ov_view_keep(n, &v, NULL), 0);
	assert_int_equal(n->vtep_count, 2);
	assert_int_equal(n->far_count, 2);
	assert_true(ip_equal(&n->vteps[0], &hosts[1].vtep));
	/* the rules are told of what is another only */
	n->ruled = true;
	hosts[2].vtep = hosts[1].vtep;
	assert_int_equal(ov_view_keep(n, &v, NULL), 0);
	assert_true(n->ruled);
	eps[2].mac.bytes[5] = 1;
	assert_int_equal(ov_view_keep(n, &v, NULL), 0);
	assert_int_equal(n->far_count, 3);
	assert_false(n->ruled);
	/* one that has two addresses for a while is heard by both */
	n->ruled = true;
	hosts[0].also = eps[0].also = addr("192.0.2.7");
	assert_int_equal(ov_view_keep(n, &v, NULL), 0);
	assert_int_equal(n->vtep_count, 3);
	assert_int_equal(n->far_count, 4);
	assert_true(ip_equal(&n->far[3].vtep, &eps[0].also));
	assert_false(n->ruled);
	ov_view_forget(n);
	free(n);
}

/* Who may send from an address: fe80:: is of who has IPv6.  The rules are told when it
 * is another's, though no MAC moved. */
static void addresses_have_owners(void **state)
{
	struct overlay_network *n = calloc(1, sizeof(*n));
	struct ov_endpoint eps[2] = {
		{ .id = "1",
		  .addr4 = addr("10.9.0.2"),
		  .addr6 = addr("fd00:9::2") },
		{ .id = "2", .addr4 = addr("10.9.0.3") },
	};
	struct ov_view v = { .endpoints = eps, .endpoint_count = 2 };
	struct ip_addr fe80;

	(void)state;
	assert_non_null(n);
	for (size_t i = 0; i < 2; i++) {
		eps[i].mac = mac_from_ip(&eps[i].addr4);
		eps[i].vtep = addr("192.0.2.2");
	}
	assert_int_equal(ov_view_keep(n, &v, NULL), 0);
	assert_int_equal(n->owner_count, 4);
	fe80 = ip_from_mac(&eps[0].mac);
	assert_true(has_owner(n, &eps[0].mac, &eps[0].addr4));
	assert_true(has_owner(n, &eps[0].mac, &eps[0].addr6));
	assert_true(has_owner(n, &eps[0].mac, &fe80));
	assert_true(has_owner(n, &eps[1].mac, &eps[1].addr4));
	n->ruled = true;
	assert_int_equal(ov_view_keep(n, &v, NULL), 0);
	assert_true(n->ruled);
	eps[1].addr4 = addr("10.9.0.4");
	assert_int_equal(ov_view_keep(n, &v, NULL), 0);
	assert_false(n->ruled);
	assert_int_equal(n->owner_count, 4);
	/* said twice, the kernel's set has it once */
	eps[1].addr4 = eps[0].addr4;
	eps[1].mac = eps[0].mac;
	assert_int_equal(ov_view_keep(n, &v, NULL), 0);
	assert_int_equal(n->owner_count, 3);
	v.endpoint_count = 0;
	n->ruled = true;
	assert_int_equal(ov_view_keep(n, &v, NULL), 0);
	assert_int_equal(n->owner_count, 0);
	assert_false(n->ruled);
	ov_view_forget(n);
	free(n);
}

int main(void)
{
	struct CMUnitTest
		tests[ARRAY_SIZE(rows) + ARRAY_SIZE(said_rows) + 9] = {
			cmocka_unit_test(every_option_is_documented),
			cmocka_unit_test(vni_is_derived),
			cmocka_unit_test(peers_clash),
			cmocka_unit_test(tables_follow),
			cmocka_unit_test(a_refused_line_keeps_no_other_out),
			cmocka_unit_test(peers_say_the_underlay),
			cmocka_unit_test(partial_view_takes_nothing_away),
			cmocka_unit_test(each_is_kept_once),
			cmocka_unit_test(addresses_have_owners),
		};
	size_t n = 9;

	n += TEST_ROWS(&tests[n], rows, option_row);
	(void)TEST_ROWS(&tests[n], said_rows, said_is_judged);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
