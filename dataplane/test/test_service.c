/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_service.c - balanced ports at the facade: the tables hold who is alive and
 * nobody else, whatever comes and goes; a port has one holder; what cannot be is
 * refused; a failure leaves nothing.
 */
#include "dataplane/test/dp_test.h"

#include "dataplane/dp_priv.h"
#include "dataplane/ebpf/test/pool_slots.h"
#include "lib/base.h"

static struct err err;

/* ---- what is in the maps ---------------------------------------------------- */

/* Slots that port @to of @address has in pool @number; NULL: all that somebody
 * has.  -1: there is no such pool. */
static int slots(unsigned int number, const char *address, int to)
{
	struct ip_addr who = ip(address ? address : "");
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/berth/v1/" DRIVER, bpf_dir);
	return pool_slots(dir, number, &who, to);
}

static bool leads_somewhere(int number)
{
	char cmd[256], dir[128];

	snprintf(dir, sizeof(dir), "%s/berth/v1/" DRIVER, bpf_dir);
	if (any_port(dir, (unsigned int)number))
		return true;
	/* the key's last two bytes are the port */
	snprintf(cmd, sizeof(cmd),
		 "bpftool -j map dump pinned %s/berth/v1/" DRIVER
		 "/sock_pub 2>/dev/null | grep -q '\"0x%02x\",\"0x%02x\"\\],"
		 "\"value\"'",
		 bpf_dir, number / 256, number % 256);
	return sh(cmd) == 0;
}

/* ---- what is told ----------------------------------------------------------- */

static struct dp_network fast_network(const char *id, const char *bridge, int n)
{
	struct dp_network net = network(id, bridge, n);

	net.backend = DP_EBPF;
	return net;
}

static struct dp_service service(int number, const char *host, uint8_t proto)
{
	return (struct dp_service){ .host_ip = ip(host),
				    .proto = proto,
				    .port = (uint16_t)number };
}

static void member(struct dp_service *s, const char *address, int to,
		   int weight)
{
	s->members[s->count++] =
		(struct dp_member){ .ip = ip(address),
				    .port = (uint16_t)to,
				    .weight = (uint16_t)weight };
}

static const struct dp_port *ports(void)
{
	static struct dp_port list[3];

	list[0] = port("n1", "e1", "v1", "10.0.1.2", "fd00:1::2");
	list[1] = port("n1", "e2", "v2", "10.0.1.3", "fd00:1::3");
	list[2] = port("n2", "e3", "v3", "10.0.2.2", "");
	return list;
}

static void add_networks(struct dp *dp)
{
	struct dp_network n1 = fast_network("n1", "br1", 1);
	struct dp_network n2 = fast_network("n2", "br2", 2);

	ok(dp_network_add(dp, &n1, &err));
	ok(dp_network_add(dp, &n2, &err));
	for (int i = 0; i < 3; i++)
		ok(dp_port_add(dp, &ports()[i], &err));
}

static void end_all(struct dp *dp)
{
	static const char *const eps[] = { "e1", "e2", "e3" };
	char cmd[256];

	for (size_t i = 0; i < ARRAY_SIZE(eps); i++)
		ok(dp_port_del(dp, eps[i], &err));
	ok(dp_network_del(dp, "n1", &err));
	ok(dp_network_del(dp, "n2", &err));
	dp_close(dp);
	snprintf(cmd, sizeof(cmd),
		 "find %s/berth 2>/dev/null; nft list ruleset", bpf_dir);
	sh(cmd);
	assert_string_equal(out, "");
}

static void line_of(void *ctx, const char *line)
{
	(void)ctx;
	print_message("%s\n", line);
}

/* In the end; the guard and the rules have their own time. */
static int differences(struct dp *dp)
{
	double end = now_ms() + 20000;
	int n = -1;

	while (n != 0 && now_ms() < end) {
		usleep(20000);
		ok(dp_event(dp, &err));
		n = dp_check(dp, NULL, NULL, &err);
	}
	return n ? dp_check(dp, line_of, NULL, &err) : 0;
}

/* ---- alive and dead ---------------------------------------------------------- */

static void who_is_alive_has_the_slots(void **state)
{
	struct dp_service s = service(8080, "", IPPROTO_TCP);
	struct dp *dp = open_dp();

	(void)state;
	add_networks(dp);
	member(&s, "10.0.1.2", 80, 1);
	member(&s, "fd00:1::3", 81, 1); /* either of its addresses does */
	member(&s, "10.0.2.2", 80, 2);
	member(&s, "10.0.2.77", 80, 1); /* nobody yet */
	ok(dp_service_add(dp, &s, &err));
	assert_int_equal(s.number, 1);
	assert_string_equal(s.members[2].network, "n2");
	assert_in_range(slots(2, "10.0.1.2", 80), 250, 260);
	assert_in_range(slots(2, "10.0.1.3", 81), 250, 260);
	assert_in_range(slots(2, "10.0.2.2", 80), 506, 516);
	assert_in_range(slots(3, "fd00:1::2", 80), 510, 511);
	assert_in_range(slots(3, "fd00:1::3", 81), 510, 511);
	assert_true(leads_somewhere(8080));
	assert_int_equal(try_serve("127.0.0.1", SOCK_STREAM, 8080), EADDRINUSE);
	assert_int_equal(differences(dp), 0);

	/* said to go before its link does, and back */
	dp_service_leave(dp, "e1");
	assert_int_equal(slots(2, "10.0.1.2", 80), 0);
	assert_int_equal(slots(3, "fd00:1::3", 81), 1021);
	ok(dp_port_add(dp, &ports()[0], &err));
	assert_in_range(slots(2, "10.0.1.2", 80), 250, 260);
	ok(dp_port_del(dp, "e1", &err));
	assert_int_equal(slots(2, "10.0.1.2", 80), 0);
	ok(dp_port_del(dp, "e2", &err));
	assert_int_equal(slots(2, "10.0.2.2", 80), 1021);
	/* none with IPv6 is left: ::1 has the others */
	assert_int_equal(slots(3, "10.0.2.2", 80), 1021);
	ok(dp_port_del(dp, "e3", &err));
	assert_int_equal(slots(2, NULL, 0), -1);
	assert_int_equal(slots(3, NULL, 0), -1);
	assert_true(leads_somewhere(8080));
	assert_int_equal(try_serve("127.0.0.1", SOCK_STREAM, 8080), EADDRINUSE);
	assert_int_equal(differences(dp), 0);

	ok(dp_service_del(dp, &s, &err));
	ok(dp_service_del(dp, &s, &err));
	assert_false(leads_somewhere(8080));
	assert_int_equal(try_serve("127.0.0.1", SOCK_STREAM, 8080), 0);
	end_all(dp);
}

static void the_list_can_change(void **state)
{
	struct dp_service s = service(8080, "192.0.2.1", IPPROTO_UDP);
	struct dp *dp = open_dp();

	(void)state;
	sh("ip addr add 192.0.2.1/32 dev lo");
	add_networks(dp);
	member(&s, "10.0.1.2", 0, 1); /* the host port's number */
	ok(dp_service_add(dp, &s, &err));
	assert_int_equal(s.members[0].port, 8080);
	ok(dp_service_add(dp, &s, &err));
	assert_int_equal(slots(2, "10.0.1.2", 8080), 1021);
	assert_int_equal(slots(3, NULL, 0), -1); /* of no use to IPv6 */
	member(&s, "10.0.1.3", 80, 3);
	ok(dp_service_add(dp, &s, &err));
	assert_in_range(slots(2, "10.0.1.2", 8080), 250, 260);
	s.members[0] = s.members[1];
	s.count = 1;
	ok(dp_service_add(dp, &s, &err));
	assert_int_equal(slots(2, "10.0.1.3", 80), 1021);
	s.count = 0;
	ok(dp_service_add(dp, &s, &err));
	assert_int_equal(slots(2, NULL, 0), -1);
	assert_int_equal(differences(dp), 0);
	ok(dp_service_del(dp, &s, &err));
	sh("ip addr del 192.0.2.1/32 dev lo");
	end_all(dp);
}

/* Killed, and nobody said so yet: the link's end is enough. */
static void a_link_that_went_is_dead(void **state)
{
	struct dp_service s = service(8080, "", IPPROTO_TCP);
	struct dp *dp = open_dp();
	double end;

	(void)state;
	add_networks(dp);
	member(&s, "10.0.1.2", 80, 1);
	member(&s, "10.0.1.3", 80, 1);
	ok(dp_service_add(dp, &s, &err));
	sh("ip link set v2 nomaster"); /* tells the same, and is not gone */
	sh("ip link del v1");
	end = now_ms() + 500; /* less than a second, which is the next look */
	while (slots(2, "10.0.1.2", 80) && now_ms() < end) {
		usleep(1000);
		ok(dp_event(dp, &err));
	}
	assert_int_equal(slots(2, "10.0.1.3", 80), 1021);
	assert_int_equal(sh("ip link add v1 type veth peer name c-v1"), 0);
	ok(dp_port_add(dp, &ports()[0], &err));
	assert_in_range(slots(2, "10.0.1.2", 80), 510, 511);
	ok(dp_service_del(dp, &s, &err));
	end_all(dp);
}

static struct dp_port joining(int i, const char *name, int to, int weight)
{
	struct dp_port p = ports()[i];

	snprintf(p.join.name, sizeof(p.join.name), "%s", name);
	p.join.port = (uint16_t)to;
	p.join.weight = (uint16_t)weight;
	return p;
}

static void who_joins_is_in(void **state)
{
	struct dp_service s = service(8080, "", IPPROTO_TCP);
	struct dp_port p = joining(0, "web", 0, 1);
	struct dp *dp = open_dp();

	(void)state;
	add_networks(dp);
	strcpy(s.name, "web");
	ok(dp_service_add(dp, &s, &err));
	assert_int_equal(slots(2, NULL, 0), -1);
	ok(dp_port_add(dp, &p, &err));
	assert_int_equal(slots(2, "10.0.1.2", 8080), 1021);
	p = joining(2, "web", 80, 3);
	ok(dp_port_add(dp, &p, &err));
	assert_in_range(slots(2, "10.0.2.2", 80), 760, 772);
	p = joining(2, "shop", 80, 3);
	ok(dp_port_add(dp, &p, &err));
	assert_int_equal(slots(2, "10.0.1.2", 8080), 1021);
	/* told as well: once, with the weight it was told */
	member(&s, "10.0.1.2", 8080, 1);
	ok(dp_service_add(dp, &s, &err));
	assert_int_equal(slots(2, "10.0.1.2", 8080), 1021);
	ok(dp_port_del(dp, "e1", &err));
	assert_int_equal(slots(2, NULL, 0), -1);
	assert_int_equal(differences(dp), 0);
	ok(dp_service_del(dp, &s, &err));
	end_all(dp);
}

/* ---- lives ------------------------------------------------------------------- */

/* Its maps are the same for the next daemon; one that nobody tells it goes. */
static void it_is_taken_over(void **state)
{
	struct dp_service s = service(8080, "", IPPROTO_TCP);
	struct dp_service gone = service(8081, "", IPPROTO_TCP);
	struct dp *dp = open_dp();

	(void)state;
	add_networks(dp);
	member(&gone, "10.0.1.2", 80, 1);
	ok(dp_service_add(dp, &gone, &err));
	member(&s, "10.0.1.2", 80, 1);
	member(&s, "10.0.1.3", 80, 1);
	ok(dp_service_add(dp, &s, &err));
	assert_int_equal(s.number, 2);
	dp_close(dp);
	assert_in_range(slots(4, "10.0.1.2", 80), 510, 511);

	dp = open_dp();
	dp_load_begin(dp);
	add_networks(dp);
	s.members[1].ip = ip("10.0.9.9"); /* its network has gone meanwhile */
	strcpy(s.members[1].network, "n9");
	ok(dp_service_add(dp, &s, &err));
	assert_int_equal(s.number, 2);
	assert_in_range(slots(4, "10.0.1.2", 80), 510, 511); /* not yet */
	ok(dp_load_end(dp, &err));
	assert_int_equal(slots(4, "10.0.1.2", 80), 1021);
	assert_int_equal(slots(2, NULL, 0), -1);
	assert_false(leads_somewhere(8081));
	assert_true(leads_somewhere(8080));
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8081), 0);
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8080), EADDRINUSE);
	assert_int_equal(differences(dp), 0);
	ok(dp_service_del(dp, &s, &err));
	end_all(dp);
}

/* The last network takes the tables with it; the port is held, by the next daemon
 * as well, and open again with the next network. */
static void it_waits_for_a_network(void **state)
{
	struct dp_service s = service(8080, "", IPPROTO_TCP);
	struct dp *dp = open_dp();

	(void)state;
	add_networks(dp);
	member(&s, "10.0.1.2", 80, 1);
	ok(dp_service_add(dp, &s, &err));
	for (int i = 0; i < 3; i++)
		ok(dp_port_del(dp, ports()[i].endpoint, &err));
	ok(dp_network_del(dp, "n1", &err));
	assert_true(leads_somewhere(8080));
	ok(dp_network_del(dp, "n2", &err));
	assert_false(leads_somewhere(8080));
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8080), EADDRINUSE);
	add_networks(dp);
	assert_true(leads_somewhere(8080));
	assert_int_equal(slots(2, "10.0.1.2", 80), 1021);
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8080), EADDRINUSE);
	assert_int_equal(differences(dp), 0);
	for (int i = 0; i < 3; i++)
		ok(dp_port_del(dp, ports()[i].endpoint, &err));
	ok(dp_network_del(dp, "n1", &err));
	ok(dp_network_del(dp, "n2", &err));
	dp_close(dp);
	/* neither has the next daemon any */
	dp = open_dp();
	dp_load_begin(dp);
	ok(dp_service_add(dp, &s, &err));
	ok(dp_load_end(dp, &err));
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8080), EADDRINUSE);
	add_networks(dp);
	assert_true(leads_somewhere(8080));
	assert_int_equal(slots(2, "10.0.1.2", 80), 1021);
	for (int i = 0; i < 3; i++)
		ok(dp_port_del(dp, ports()[i].endpoint, &err));
	ok(dp_network_del(dp, "n1", &err));
	ok(dp_network_del(dp, "n2", &err));
	ok(dp_service_del(dp, &s, &err));
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8080), 0);
	end_all(dp);
}

static void what_others_change_is_told(void **state)
{
	struct dp_service s = service(8080, "", IPPROTO_TCP);
	struct dp *dp = open_dp();
	char cmd[256];

	(void)state;
	add_networks(dp);
	member(&s, "10.0.1.2", 80, 1);
	ok(dp_service_add(dp, &s, &err));
	assert_int_equal(differences(dp), 0);
	snprintf(cmd, sizeof(cmd),
		 "bpftool map delete pinned %s/berth/v1/" DRIVER
		 "/sock_pool key 2 0 0 0",
		 bpf_dir);
	assert_int_equal(sh(cmd), 0);
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 1);
	ok(dp_service_del(dp, &s, &err));
	end_all(dp);
}

static void note_line(void *ctx, const char *line)
{
	if (strstr(line, "balanced port"))
		snprintf(ctx, 512, "%s", line);
}

static void ipsec_closes_it(void **state)
{
	struct dp_service s = service(8080, "", IPPROTO_TCP);
	struct dp *dp = open_dp();
	char line[512] = "";

	(void)state;
	if (!dp->fast.xfrm) {
		dp_close(dp);
		skip();
		return;
	}
	add_networks(dp);
	member(&s, "10.0.1.2", 80, 1);
	ok(dp_service_add(dp, &s, &err));
	assert_int_equal(differences(dp), 0);
	sh("ip xfrm policy add src 10.0.1.0/24 dst 192.0.2.0/24 dir out");
	ok(dp_event(dp, &err));
	/* of both networks, and of the port */
	assert_int_equal(dp_check(dp, note_line, line, &err), 3);
	if (!strstr(line, "balanced port 8080/tcp: closed") ||
	    !strstr(line, "IPsec"))
		fail_msg("%s", line);
	sh("ip xfrm policy flush");
	assert_int_equal(differences(dp), 0);
	ok(dp_service_del(dp, &s, &err));
	end_all(dp);
}

/* ---- refused ------------------------------------------------------------------ */

static void refused(struct dp *dp, struct dp_service s, int code,
		    const char *text)
{
	assert_int_equal(dp_service_add(dp, &s, &err), code);
	if (!strstr(err.msg, text))
		fail_msg("\"%s\" is not in: %s", text, err.msg);
	assert_false(leads_somewhere(s.port));
}

static void one_port_one_holder(void **state)
{
	struct dp_service s = service(8080, "", IPPROTO_TCP), on_one;
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "fd00:1::2");
	struct dp *dp = open_dp();

	(void)state;
	add_networks(dp);
	member(&s, "10.0.1.2", 80, 1);
	ok(dp_service_add(dp, &s, &err));
	for (int i = 0; i < 20; i++)
		want(&pub.ports, "", IPPROTO_TCP, 8070 + i, 8070 + i, 70 + i);
	assert_int_equal(dp_publish_add(dp, &pub, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "8080/tcp is balanced"));
	portmap_free(&pub.ports);
	on_one = service(8080, "127.0.0.1", IPPROTO_TCP);
	member(&on_one, "10.0.1.3", 80, 1);
	assert_int_equal(dp_service_add(dp, &on_one, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "netctl port rm 8080/tcp"));
	want(&pub.ports, "", IPPROTO_UDP, 8080, 8080, 80); /* another one */
	for (int i = 0; i < 100; i++)
		want(&pub.ports, "", IPPROTO_TCP, 9000 + i, 9000 + i, 9000 + i);
	ok(dp_publish_add(dp, &pub, &err));
	portmap_free(&pub.ports);
	s = service(9050, "", IPPROTO_TCP);
	member(&s, "10.0.1.3", 80, 1);
	assert_int_equal(dp_service_add(dp, &s, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "published by endpoint e1"));
	ok(dp_publish_del(dp, "e1", &err));
	ok(dp_service_add(dp, &s, &err));
	ok(dp_service_del(dp, &s, &err));
	s = service(8080, "", IPPROTO_TCP);
	ok(dp_service_del(dp, &s, &err));
	end_all(dp);
}

static void what_cannot_be_is_refused(void **state)
{
	struct dp_service s = service(8080, "", IPPROTO_TCP);
	struct dp_network slow = network("n3", "br3", 3);
	struct dp_network inner = fast_network("n4", "br4", 4);
	struct dp_port p;
	struct dp *dp = open_dp();

	(void)state;
	inner.internal = true;
	refused(dp, s, -EINVAL, "there is no network with -o");
	add_networks(dp);
	ok(dp_network_add(dp, &slow, &err));
	ok(dp_network_add(dp, &inner, &err));
	member(&s, "10.0.3.2", 80, 1);
	refused(dp, s, -EINVAL, "nftables, which balances nothing");
	s.members[0].ip = ip("10.0.4.2");
	refused(dp, s, -EINVAL, "it is internal");
	s.members[0].ip = ip("10.0.5.2");
	refused(dp, s, -ENOENT, "no network of berth-bridge");
	s.members[0].ip = ip("10.0.1.2");
	s.members[0].weight = 0;
	refused(dp, s, -EINVAL, "weight of 1 to 100");
	s.members[0].weight = 101;
	refused(dp, s, -EINVAL, "weight of 1 to 100");
	s.members[0].weight = 1;
	member(&s, "10.0.1.2", 80, 2);
	refused(dp, s, -EINVAL, "twice");
	s.count = 1;
	s.proto = IPPROTO_SCTP;
	refused(dp, s, -EINVAL, "SCTP's checksum");
	s.proto = IPPROTO_ICMP;
	refused(dp, s, -EINVAL, "a protocol");
	p = port("n3", "e9", "v4", "10.0.3.2", "");
	strcpy(p.join.name, "web");
	assert_int_equal(dp_port_add(dp, &p, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "berth.service needs"));
	ok(dp_network_del(dp, "n3", &err));
	ok(dp_network_del(dp, "n4", &err));
	end_all(dp);
}

/* ---- failures ------------------------------------------------------------------ */

struct fail_row {
	const char *name, *point;
	int code;
};

static const struct fail_row fail_rows[] = {
	{ "the claim", "dp.service.claimed:err=ENOSPC:nth=1", ENOSPC },
	{ "the first table", "sock.pool:err=ENOMEM:nth=1", ENOMEM },
	{ "the second table", "sock.pool:err=ENOMEM:nth=2", ENOMEM },
	{ "the tables", "dp.service.filled:err=EIO:nth=1", EIO },
	{ "the first entry", "sock.publish:err=ENOSPC:nth=1", ENOSPC },
	{ "the second entry", "sock.publish:err=ENOSPC:nth=2", ENOSPC },
	{ "all", "dp.service.open:err=EIO:nth=1", EIO },
};

/* In a child: a fail point is read once a process. */
static int run(const struct fail_row *row)
{
	struct dp_service s = service(8080, "", IPPROTO_TCP);
	struct dp *dp;

	setenv("BERTH_FP", row->point, 1);
	dp = open_dp();
	add_networks(dp);
	member(&s, "10.0.1.2", 80, 1);
	if (dp_service_add(dp, &s, &err) != -row->code)
		return 1;
	if (leads_somewhere(8080) || slots(2, NULL, 0) != -1 ||
	    slots(3, NULL, 0) != -1)
		return 2;
	if (try_serve("0.0.0.0", SOCK_STREAM, 8080) != 0)
		return 3;
	if (dp_service_add(dp, &s, &err) < 0 || slots(2, NULL, 0) != 1021)
		return 4;
	ok(dp_service_del(dp, &s, &err));
	end_all(dp);
	return 0;
}

static void fail_row(void **state)
{
	const struct fail_row *row = *state;
	pid_t pid = fork();
	int st;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run(row));
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
}

/* A table that could not be replaced is, a second later. */
static int run_late(void)
{
	struct dp_service s = service(8080, "", IPPROTO_TCP);
	struct dp *dp;

	setenv("BERTH_FP", "sock.pool:err=ENOMEM:nth=3", 1);
	dp = open_dp();
	add_networks(dp);
	member(&s, "10.0.1.2", 80, 1);
	member(&s, "10.0.1.3", 80, 1);
	ok(dp_service_add(dp, &s, &err));
	ok(dp_port_del(dp, "e1", &err));
	if (slots(2, "10.0.1.2", 80) == 0)
		return 1; /* it did not fail */
	if (differences(dp) != 0)
		return 2;
	if (slots(2, "10.0.1.2", 80) != 0)
		return 3;
	ok(dp_service_del(dp, &s, &err));
	end_all(dp);
	return 0;
}

static void late_is_not_never(void **state)
{
	pid_t pid = fork();
	int st;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run_late());
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(who_is_alive_has_the_slots),
		cmocka_unit_test(a_link_that_went_is_dead),
		cmocka_unit_test(the_list_can_change),
		cmocka_unit_test(who_joins_is_in),
		cmocka_unit_test(it_is_taken_over),
		cmocka_unit_test(it_waits_for_a_network),
		cmocka_unit_test(what_others_change_is_told),
		cmocka_unit_test(ipsec_closes_it),
		cmocka_unit_test(one_port_one_holder),
		cmocka_unit_test(what_cannot_be_is_refused),
	};
	struct CMUnitTest tests[ARRAY_SIZE(plain) + ARRAY_SIZE(fail_rows) + 1];
	size_t n = TEST_ROWS(tests, fail_rows, fail_row); /* before any passes
							   * a fail point */
	int failed;

	tests[n++] = (struct CMUnitTest)cmocka_unit_test(late_is_not_never);
	memcpy(&tests[n], plain, sizeof(plain));

	if (!dp_test_host())
		return 0;
	dp_test_links("br1 br2 br3 br4", "v1 v2 v3 v4");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	dp_test_done();
	return failed;
}
