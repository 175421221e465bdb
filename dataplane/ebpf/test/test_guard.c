/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard's programs, frame by frame (BPF_PROG_TEST_RUN), on ports that
 * guard.h was told of; then guard.h itself.
 *
 *   b0 10.65.0.1/24 fd00:65::1/64: ports g, apart, no4, no6, inner, loose, other
 *   b1: port far.  u0 192.0.2.1/24, the way to the world.
 */
#include "dataplane/ebpf/guard.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <string.h>

#include "bpf/guard_map.h"
#include "dataplane/ebpf/test/guard_env.h"
#include "dataplane/ebpf/test/host.h"
#include "lib/test/test.h"

static struct host host;
static struct pin_dir pins = { .lock = -EBADF };
static struct guard *guard;

/* ---- frames, in hex ------------------------------------------------------- */

/* clang-format off */
#define OWN     "02420a410002" /* the port's MAC */
#define VICTIM  "02420a410003"
#define GROUP   "ffffffffffff"
#define FROM(mac, type) GROUP mac type
#define ETH(type) FROM(OWN, type)

#define ME      "0a410002" /* 10.65.0.2 */
#define YOU     "0a410003"
#define GATE    "0a410001"
#define LAN     "c6336401" /* 198.51.100.1, by the default route */
#define HOST    "c0000201" /* 192.0.2.1 */
#define IP4_(ihl, frag, proto, src, dst) \
	ETH("0800") "4" ihl "00 0040 0000" frag "40" proto "0000" src dst
#define IP4(proto, src) IP4_("5", "0000", proto, src, YOU)
#define WORD    "01010101" /* of options */
#define WORDS10 WORD WORD WORD WORD WORD WORD WORD WORD WORD WORD
#define UDP     "1388 1389 0008 0000"
#define DHCP    "0043 0044 0008 0000"
#define ECHO    "08 00 0000 0000 0000"
#define CHANGE  "05 01 0000" GATE /* a redirect */

#define ME6     "fd000065 00000000 00000000 00000002"
#define LL6     "fe800000 00000000 00420aff fe410002" /* of the MAC */
#define YOU6    "fd000065 00000000 00000000 00000003"
#define GATE6   "fd000065 00000000 00000000 00000001"
#define LAN6    "20010db8 00990000 00000000 00000001"
#define HOST6   "20010db8 00020000 00000000 00000001"
#define ALL6    "ff020000 00000000 00000000 00000001"
#define ONE6    "00000000 00000000 00000000 00000001"
#define ANY6    "00000000 00000000 00000000 00000000"
#define IP6(next, src) ETH("86dd") "60000000 0040" next "ff" src YOU6
#define IP6_TO(next, dst) ETH("86dd") "60000000 0040" next "ff" ME6 dst
#define HOP(next)  next "00 0104 00000000" /* also routing and destination */
#define LONG(next) next "01 010c" WORD WORD WORD
#define AUTH(next) next "01 0000 00000000 00000000"
#define FRAG(next, off) next "00" off "00000007"
#define ND(type, target) type "00 0000 00000000" target
#define DHCP6   "0223 0222 0008 0000"

#define ARP_(form, op, sha, spa) \
	ETH("0806") form op sha spa "000000000000" YOU
#define ARP(op, sha, spa) ARP_("0001 0800 06 04", op, sha, spa)
/* clang-format on */

enum where {
	G,
	APART,
	NO4,
	NO6,
	INNER,
	LOOSE, /* no source guard, internal */
	OTHER,
	FAR,
	UNKNOWN, /* told to nobody */
	WHERES,
};

static const char *const names[WHERES] = { "g",     "apart", "no4",
					   "no6",   "inner", "loose",
					   "other", "far",   "u0" };
static int index_of[WHERES];

#define PASS   (-1)
#define SILENT (-2) /* dropped, not counted */

struct in_row {
	const char *name, *frame;
	int want; /* PASS, SILENT, enum guard_drop */
	enum where port;
};

/* clang-format off */
static const struct in_row in_rows[] = {
	/* MAC, type */
	{ "udp", IP4("11", ME) UDP, PASS, G },
	{ "tcp", IP4("06", ME) UDP, PASS, G },
	{ "icmp", IP4("01", ME) ECHO, PASS, G },
	{ "sctp", IP4("84", ME) UDP, PASS, G },
	{ "another's MAC", FROM(VICTIM, "9000"), GUARD_DROP_MAC, G },
	{ "one bit of the MAC", FROM("02420a410006", "9000"), GUARD_DROP_MAC, G },
	{ "the first bit of the MAC", FROM("82420a410002", "9000"), GUARD_DROP_MAC, G },
	{ "no MAC", FROM("000000000000", "0806"), GUARD_DROP_MAC, G },
	{ "802.1Q", ETH("8100") "0005 0800 4500", GUARD_DROP_ETHERTYPE, G },
	{ "802.1ad", ETH("88a8") "0005 8100 0006 0800", GUARD_DROP_ETHERTYPE, G },
	{ "802.3", ETH("0026") "424203000000", GUARD_DROP_ETHERTYPE, G },
	{ "LLDP", ETH("88cc") "0207", GUARD_DROP_ETHERTYPE, G },
	{ "802.1X", ETH("888e") "01", GUARD_DROP_ETHERTYPE, G },
	{ "PPPoE", ETH("8863") "11", GUARD_DROP_ETHERTYPE, G },
	{ "MPLS", ETH("8847") "11", GUARD_DROP_ETHERTYPE, G },
	{ "loopback test", ETH("9000") "11", GUARD_DROP_ETHERTYPE, G },
	{ "a port that is not told", IP4("11", ME) UDP, SILENT, UNKNOWN },
	/* IPv4; a header cut off is none that a test run takes: isolation tests */
	{ "20 bytes of IPv4", IP4("06", ME), PASS, G },
	{ "version 6 in IPv4", ETH("0800") "6500 0040 0000 0000 4006 0000" ME YOU, GUARD_DROP_ADDRESS, G },
	{ "four words of IPv4", IP4_("4", "0000", "06", ME, YOU), GUARD_DROP_ADDRESS, G },
	{ "from another", IP4("11", YOU) UDP, GUARD_DROP_ADDRESS, G },
	{ "from the gateway", IP4("11", GATE) UDP, GUARD_DROP_ADDRESS, G },
	{ "from loopback", IP4("06", "7f000001") UDP, GUARD_DROP_ADDRESS, G },
	{ "from 0.0.0.0", IP4("06", "00000000") UDP, GUARD_DROP_ADDRESS, G },
	{ "from everybody", IP4("06", "ffffffff") UDP, GUARD_DROP_ADDRESS, G },
	{ "from a group", IP4("06", "e0000001") UDP, GUARD_DROP_ADDRESS, G },
	{ "options", IP4_("6", "0000", "11", ME, YOU) WORD UDP, PASS, G },
	{ "ten words of options", IP4_("f", "0000", "11", ME, YOU) WORDS10 UDP, PASS, G },
	{ "redirect", IP4("01", ME) CHANGE, GUARD_DROP_REDIRECT, G },
	{ "redirect of another's", IP4("01", YOU) CHANGE, GUARD_DROP_REDIRECT, G },
	{ "redirect behind options", IP4_("7", "0000", "01", ME, YOU) WORD WORD CHANGE, GUARD_DROP_REDIRECT, G },
	{ "redirect, first fragment", IP4_("5", "2000", "01", ME, YOU) CHANGE, GUARD_DROP_REDIRECT, G },
	{ "DHCP server", IP4("11", ME) DHCP, GUARD_DROP_DHCP, G },
	{ "DHCP server behind options", IP4_("f", "0000", "11", ME, YOU) WORDS10 DHCP, GUARD_DROP_DHCP, G },
	{ "DHCP server, first fragment", IP4_("5", "2000", "11", ME, YOU) DHCP, GUARD_DROP_DHCP, G },
	{ "DHCP client", IP4("11", ME) "0044 0043 0008 0000", PASS, G },
	{ "ports of DHCP in tcp", IP4("06", ME) DHCP, PASS, G },
	{ "no ports", IP4("11", ME), GUARD_DROP_SHORT, G },
	{ "three bytes of ports", IP4("11", ME) "004300", GUARD_DROP_SHORT, G },
	{ "no type of ICMP", IP4("01", ME), GUARD_DROP_SHORT, G },
	{ "first fragment", IP4_("5", "2000", "11", ME, YOU) UDP, PASS, G },
	{ "first fragment without ports", IP4_("5", "2000", "11", ME, YOU), GUARD_DROP_SHORT, G },
	{ "later fragment", IP4_("5", "0001", "11", ME, YOU) DHCP, PASS, G },
	{ "later fragment of another's", IP4_("5", "0001", "11", YOU, YOU) DHCP, GUARD_DROP_ADDRESS, G },
	{ "no IPv4 here", IP4("06", ME) UDP, GUARD_DROP_IP4_OFF, NO4 },
	/* ARP */
	{ "request", ARP("0001", OWN, ME), PASS, G },
	{ "reply", ARP("0002", OWN, ME), PASS, G },
	{ "probe", ARP("0001", OWN, "00000000"), PASS, G },
	{ "reply from nobody", ARP("0002", OWN, "00000000"), GUARD_DROP_ARP, G },
	{ "request of another's", ARP("0001", OWN, YOU), GUARD_DROP_ARP, G },
	{ "reply for the gateway", ARP("0002", OWN, GATE), GUARD_DROP_ARP, G },
	{ "another's MAC in ARP", ARP("0002", VICTIM, ME), GUARD_DROP_ARP, G },
	{ "probe with another's MAC", ARP("0001", VICTIM, "00000000"), GUARD_DROP_ARP, G },
	{ "reverse ARP in ARP", ARP("0003", OWN, ME), GUARD_DROP_ARP, G },
	{ "inverse ARP", ARP("0008", OWN, ME), GUARD_DROP_ARP, G },
	{ "operation 0x0101", ARP("0101", OWN, ME), GUARD_DROP_ARP, G },
	{ "ARP of another link", ARP_("0006 0800 06 04", "0001", OWN, ME), GUARD_DROP_ARP, G },
	{ "ARP of another protocol", ARP_("0001 86dd 06 04", "0001", OWN, ME), GUARD_DROP_ARP, G },
	{ "ARP of other lengths", ARP_("0001 0800 08 04", "0001", OWN, ME), GUARD_DROP_ARP, G },
	{ "ARP cut off", ETH("0806") "0001 0800 06 04 0001" OWN ME, GUARD_DROP_ARP, G },
	{ "no ARP here", ARP("0001", OWN, ME), GUARD_DROP_IP4_OFF, NO4 },
	/* IPv6 */
	{ "udp6", IP6("11", ME6) UDP, PASS, G },
	{ "link-local", IP6("06", LL6) UDP, PASS, G },
	{ "from another, 6", IP6("11", YOU6) UDP, GUARD_DROP_ADDRESS, G },
	{ "from the gateway, 6", IP6("11", GATE6) UDP, GUARD_DROP_ADDRESS, G },
	{ "from ::1", IP6("11", ONE6) UDP, GUARD_DROP_ADDRESS, G },
	{ "from ::", IP6("11", ANY6) UDP, GUARD_DROP_ADDRESS, G },
	{ "version 4 in IPv6", ETH("86dd") "40000000 0040 3b ff" ME6 YOU6, GUARD_DROP_ADDRESS, G },
	{ "no next header", IP6("3b", ME6), PASS, G },
	{ "ESP", IP6("32", ME6) WORD, PASS, G },
	{ "no IPv6 here", IP6("11", ME6) UDP, GUARD_DROP_IP6_OFF, NO6 },
	{ "no IPv6 here, link-local", IP6("11", LL6) UDP, GUARD_DROP_IP6_OFF, NO6 },
	{ "RA", IP6("3a", LL6) "86", GUARD_DROP_ROUTER, G },
	{ "RA of another's", IP6("3a", YOU6) "86", GUARD_DROP_ROUTER, G },
	{ "RA, hop-by-hop", IP6("00", ME6) HOP("3a") "86", GUARD_DROP_ROUTER, G },
	{ "RA, destination options", IP6("3c", ME6) HOP("3a") "86", GUARD_DROP_ROUTER, G },
	{ "RA, long options", IP6("3c", ME6) LONG("3a") "86", GUARD_DROP_ROUTER, G },
	{ "RA, routing", IP6("2b", ME6) HOP("3a") "86", GUARD_DROP_ROUTER, G },
	{ "RA, AH", IP6("33", ME6) AUTH("3a") "86", GUARD_DROP_ROUTER, G },
	{ "RA, atomic fragment", IP6("2c", ME6) FRAG("3a", "0000") "86", GUARD_DROP_ROUTER, G },
	{ "RA, first fragment", IP6("2c", ME6) FRAG("3a", "0001") "86", GUARD_DROP_ROUTER, G },
	{ "RA, four headers", IP6("00", ME6) HOP("2b") HOP("2c") FRAG("3c", "0001") HOP("3a") "86", GUARD_DROP_ROUTER, G },
	{ "RA, eight headers", IP6("00", ME6) HOP("3c") HOP("3c") HOP("3c") HOP("3c") HOP("3c") HOP("3c") HOP("3c") HOP("3a") "86", GUARD_DROP_ROUTER, G },
	{ "udp, eight headers", IP6("00", ME6) HOP("3c") HOP("3c") HOP("3c") HOP("3c") HOP("3c") HOP("3c") HOP("3c") HOP("11") UDP, PASS, G },
	{ "nine headers", IP6("00", ME6) HOP("3c") HOP("3c") HOP("3c") HOP("3c") HOP("3c") HOP("3c") HOP("3c") HOP("3c") HOP("11") UDP, GUARD_DROP_SHORT, G },
	{ "the type is in another fragment", IP6("2c", ME6) FRAG("3a", "0001"), GUARD_DROP_SHORT, G },
	{ "a header is in another fragment", IP6("2c", ME6) FRAG("3c", "0001") "3a0f", GUARD_DROP_SHORT, G },
	{ "a header longer than the packet", IP6("3c", ME6) "3aff 0104 00000000", GUARD_DROP_SHORT, G },
	{ "later fragment, 6", IP6("2c", ME6) FRAG("3a", "0008") "86", PASS, G },
	{ "later fragment of another's, 6", IP6("2c", YOU6) FRAG("3a", "0008") "86", GUARD_DROP_ADDRESS, G },
	{ "fragment 32 of another's", IP6("2c", YOU6) FRAG("3a", "0100") "86", GUARD_DROP_ADDRESS, G },
	{ "redirect, 6", IP6("3a", LL6) "89", GUARD_DROP_REDIRECT, G },
	{ "echo, 6", IP6("3a", ME6) "80", PASS, G },
	{ "RS", IP6("3a", LL6) "85", PASS, G },
	{ "NA", IP6("3a", ME6) ND("88", ME6), PASS, G },
	{ "NA of the link-local one", IP6("3a", LL6) ND("88", LL6), PASS, G },
	{ "NA for another", IP6("3a", ME6) ND("88", YOU6), GUARD_DROP_NEIGHBOUR, G },
	{ "NA for the gateway", IP6("00", LL6) HOP("3a") ND("88", GATE6), GUARD_DROP_NEIGHBOUR, G },
	{ "NA cut off", IP6("3a", ME6) "88 00 0000 00000000 fd000065", GUARD_DROP_NEIGHBOUR, G },
	{ "NA from ::", IP6("3a", ANY6) ND("88", ME6), GUARD_DROP_ADDRESS, G },
	{ "NA of its own from another's", IP6("3a", YOU6) ND("88", ME6), GUARD_DROP_ADDRESS, G },
	{ "NS", IP6("3a", ME6) ND("87", YOU6), PASS, G },
	{ "NS from ::, its own", IP6("3a", ANY6) ND("87", ME6), PASS, G },
	{ "NS from ::, its link-local", IP6("3a", ANY6) ND("87", LL6), PASS, G },
	{ "NS from ::, another's", IP6("3a", ANY6) ND("87", YOU6), GUARD_DROP_ADDRESS, G },
	{ "NS of its own from another's", IP6("3a", YOU6) ND("87", ME6), GUARD_DROP_ADDRESS, G },
	{ "MLD 2 from ::", IP6("00", ANY6) HOP("3a") "8f", PASS, G },
	{ "MLD 1 from ::", IP6("00", ANY6) HOP("3a") "83", GUARD_DROP_ADDRESS, G },
	{ "DHCPv6 server", IP6("11", LL6) DHCP6, GUARD_DROP_DHCP, G },
	{ "DHCPv6 server, options", IP6("3c", LL6) LONG("11") DHCP6, GUARD_DROP_DHCP, G },
	{ "DHCPv6 client", IP6("11", LL6) "0222 0223 0008 0000", PASS, G },
	{ "no ports, 6", IP6("11", ME6) "0223", GUARD_DROP_SHORT, G },
	/* internal */
	{ "inside", IP4("06", ME) UDP, PASS, INNER },
	{ "to the world", IP4_("5", "0000", "06", ME, LAN) UDP, GUARD_DROP_INTERNAL, INNER },
	{ "to a neighbour of the host", IP4_("5", "0000", "06", ME, "c0000202") UDP, GUARD_DROP_INTERNAL, INNER },
	{ "to the host itself", IP4_("5", "0000", "06", ME, HOST) UDP, PASS, INNER },
	{ "to where no route leads", IP4_("5", "0000", "06", ME, "cb007101") UDP, PASS, INNER },
	{ "to a group", IP4_("5", "0000", "11", ME, "e00000fb") UDP, PASS, INNER },
	{ "to everybody", IP4_("5", "0000", "11", ME, "ffffffff") UDP, PASS, INNER },
	{ "inside, 6", IP6("06", ME6) UDP, PASS, INNER },
	{ "to the world, 6", IP6_TO("06", LAN6) UDP, GUARD_DROP_INTERNAL, INNER },
	{ "to the host itself, 6", IP6_TO("06", HOST6) UDP, PASS, INNER },
	{ "to a group, 6", IP6_TO("11", ALL6) UDP, PASS, INNER },
	{ "to a link-local one", IP6_TO("06", LL6) UDP, PASS, INNER },
	{ "to the world by another port", IP4_("5", "0000", "06", ME, LAN) UDP, PASS, G },
	/* no source guard */
	{ "any MAC and address", FROM(VICTIM, "0800") "4500 0040 0000 0000 4006 0000" YOU ME, PASS, LOOSE },
	{ "any tag", ETH("8100") "0005 0800", PASS, LOOSE },
	{ "any ARP", ARP("0002", OWN, GATE), PASS, LOOSE },
	{ "out, with a forged address", IP4_("5", "0000", "06", YOU, LAN) UDP, GUARD_DROP_INTERNAL, LOOSE },
};
/* clang-format on */

struct out_row {
	const char *name;
	enum where port, from;
	bool local, group, stamped;
	uint32_t priority; /* where not stamped */
	int want;
};

static const struct out_row out_rows[] = {
	{ "from this host", G, 0, true, false, false, 0, PASS },
	{ "from this host to an apart one", APART, 0, true, false, false, 0,
	  PASS },
	{ "routed", G, UNKNOWN, false, false, false, 0, GUARD_DROP_STAMP },
	{ "routed, some priority", G, UNKNOWN, false, false, false, 6,
	  GUARD_DROP_STAMP },
	{ "routed, almost the stamp", G, UNKNOWN, false, false, false,
	  GUARD_STAMP + 1, GUARD_DROP_STAMP },
	{ "routed, judged", G, UNKNOWN, false, false, true, 0, PASS },
	{ "routed, judged, apart", APART, UNKNOWN, false, false, true, 0,
	  PASS },
	{ "from a port of another bridge", G, FAR, false, false, false, 0,
	  GUARD_DROP_STAMP },
	{ "from a neighbour", G, NO6, false, false, false, 0, PASS },
	{ "from a neighbour to all", G, NO6, false, true, false, 0, PASS },
	{ "from an apart neighbour", G, APART, false, false, false, 0,
	  GUARD_DROP_ICC },
	{ "to an apart neighbour", APART, G, false, false, false, 0,
	  GUARD_DROP_ICC },
	{ "from an apart one to all", G, APART, false, true, false, 0,
	  GUARD_DROP_ICC },
	{ "between apart ones, judged", APART, G, false, false, true, 0, PASS },
	{ "from the user's cable", G, OTHER, false, false, false, 0, PASS },
	{ "from the user's cable to an apart one", APART, OTHER, false, false,
	  false, 0, PASS },
	{ "its own to all", G, G, false, true, false, 0, GUARD_DROP_HAIRPIN },
	{ "its own to all, judged", G, G, false, true, true, 0,
	  GUARD_DROP_HAIRPIN },
	{ "its own back", G, G, false, false, false, 0, PASS },
	{ "its own published port, apart", APART, APART, false, false, true, 0,
	  PASS },
	{ "to a port that is not told", UNKNOWN, 0, true, false, false, 0,
	  SILENT },
};

static uint64_t count_of(uint32_t why)
{
	_cleanup_close_ int fd = guard_pinned(&pins, "guard_count");
	uint64_t each[256] = { 0 }, sum = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &why, each), 0);
	for (size_t i = 0; i < ARRAY_SIZE(each); i++)
		sum += each[i];
	return sum;
}

/* Return: the reason, by the counter that moved. */
static int run(const char *prog, struct __sk_buff *ctx, const char *frame)
{
	_cleanup_close_ int fd = guard_pinned(&pins, prog);
	uint64_t before[GUARD_DROP_MAX];
	struct __sk_buff after = { 0 };
	uint8_t data[512];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .ctx_in = ctx,
		    .ctx_size_in = sizeof(*ctx), .ctx_out = &after,
		    .ctx_size_out = sizeof(after));
	int why = SILENT;

	for (uint32_t i = 0; i < GUARD_DROP_MAX; i++)
		before[i] = count_of(i);
	opts.data_size_in = (__u32)guard_unhex(frame, data, sizeof(data));
	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
	*ctx = after;
	for (uint32_t i = 0; i < GUARD_DROP_MAX; i++) {
		uint64_t moved = count_of(i) - before[i];

		assert_true(moved <= 1);
		assert_true(!moved || why == SILENT);
		if (moved)
			why = (int)i;
	}
	if (opts.retval == (__u32)TC_ACT_UNSPEC && why == SILENT)
		return PASS;
	assert_int_equal(opts.retval, TC_ACT_SHOT);
	return why;
}

static const char *pin_of(enum where port, const char *way)
{
	static char name[64];

	/* one that is not told has none: the program is the same */
	snprintf(name, sizeof(name), "guard_%s_%d", way,
		 index_of[port == UNKNOWN ? G : port]);
	return name;
}

static void sends(void **state)
{
	const struct in_row *row = *state;
	struct __sk_buff ctx = { .ifindex = 0 };

	NEED_HOST();
	ctx.ifindex = (__u32)index_of[row->port];
	assert_int_equal(run(pin_of(row->port, "in"), &ctx, row->frame),
			 row->want);
	if (row->want == PASS)
		assert_int_equal(ctx.priority,
				 row->port == LOOSE ? 0 : GUARD_SEEN);
}

static void reaches(void **state)
{
	const struct out_row *row = *state;
	struct __sk_buff ctx = { .priority = row->stamped ? GUARD_STAMP
							  : row->priority };

	NEED_HOST();
	ctx.ifindex = (__u32)index_of[row->port];
	ctx.ingress_ifindex = row->local ? 0 : (__u32)index_of[row->from];
	assert_int_equal(
		run(pin_of(row->port, "out"), &ctx,
		    row->group ? GROUP VICTIM "0806" : OWN VICTIM "0806"),
		row->want);
	if (row->want == PASS)
		assert_int_equal(ctx.priority,
				 row->stamped ? 0 : row->priority);
}

/* ---- guard.h -------------------------------------------------------------- */

static struct ip_addr ip(const char *s)
{
	struct ip_addr a = { 0 };

	assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static struct guard_conf conf_of(enum where w)
{
	struct guard_conf c = { .ip4 = ip("10.65.0.2"),
				.ip6 = ip("fd00:65::2"),
				.source = w != LOOSE,
				.apart = w == APART,
				.internal4 = w == INNER || w == LOOSE,
				.internal6 = w == INNER || w == LOOSE,
				.ingress = -1 };

	snprintf(c.ifname, sizeof(c.ifname), "%s", names[w]);
	snprintf(c.bridge, sizeof(c.bridge), w == FAR ? "b1" : "b0");
	assert_int_equal(mac_parse("02:42:0a:41:00:02", &c.mac, NULL), 0);
	assert_int_equal(ip_prefix_parse("10.65.0.1/24", &c.subnet4, NULL), 0);
	assert_int_equal(ip_prefix_parse("fd00:65::1/64", &c.subnet6, NULL), 0);
	if (w == NO4)
		c.ip4 = (struct ip_addr){ 0 };
	if (w == NO6)
		c.ip6 = (struct ip_addr){ 0 };
	return c;
}

static void add(enum where w)
{
	struct guard_conf c = conf_of(w);
	struct err err = { "" };

	if (guard_port_add(guard, &c, &err) < 0)
		fail_msg("%s: %s", names[w], err.msg);
}

static void tell_all(void)
{
	struct guard_other other = { index_of[OTHER],
				     (int)if_nametoindex("b0") };

	for (enum where w = 0; w < UNKNOWN; w++)
		if (w != OTHER)
			add(w);
	assert_int_equal(guard_set_others(guard, &other, 1, NULL), 0);
}

static void open_guard(void)
{
	struct err err = { "" };

	if (guard_open(&pins, &guard, &err) < 0)
		fail_msg("%s", err.msg);
}

static bool is_bare(enum where w)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "tc qdisc show dev %s | grep -q clsact",
		 names[w]);
	return system(cmd) != 0;
}

static int entries(void)
{
	_cleanup_close_ int fd = guard_pinned(&pins, "guard_port");
	__u32 key = 0, next;
	int n = 0;

	for (; bpf_map_get_next_key(fd, n ? &key : NULL, &next) == 0; n++)
		key = next;
	return n;
}

static void say(void *ctx, const char *line)
{
	(void)ctx;
	print_message("# %s\n", line);
}

/* What a daemon left works on; what the next is not told goes. */
static void another_daemon(void **state)
{
	(void)state;
	NEED_HOST();
	guard_close(take_ptr(guard));
	assert_false(is_bare(FAR));
	open_guard();
	guard_load_begin(guard);
	for (enum where w = 0; w < FAR; w++)
		if (w != OTHER)
			add(w);
	host_sh("ip link del no4");
	assert_int_equal(guard_load_end(guard, NULL), 0);
	assert_true(is_bare(FAR));
	assert_false(is_bare(G));
	assert_int_equal(guard_check(guard, say, NULL), 0);
	assert_int_equal(guard_port_del(guard, "no4", NULL), 0);
	assert_int_equal(entries(), 5);
}

/* A port whose link is away when the daemon starts. */
static void a_link_that_comes_late(void **state)
{
	struct guard_conf c = conf_of(NO4);

	(void)state;
	NEED_HOST();
	assert_int_equal(guard_port_add(guard, &c, NULL), -ENODEV);
	guard_load_begin(guard);
	tell_all();
	assert_int_equal(guard_load_end(guard, NULL), 0);
	assert_int_equal(guard_follow(guard, false, NULL), 0);
	host_sh("ip link add no4 type veth peer name c-no4");
	assert_int_equal(guard_follow(guard, true, NULL), 1);
	assert_false(is_bare(NO4));
	index_of[NO4] = (int)if_nametoindex("no4");
	assert_int_equal(entries(), 8);
}

static void somebody_takes_it_away(void **state)
{
	static const char *const hands[] = {
		"tc qdisc del dev g clsact",
		"tc filter del dev g ingress",
		"tc filter del dev g egress",
	};

	(void)state;
	NEED_HOST();
	for (size_t i = 0; i < ARRAY_SIZE(hands); i++) {
		host_sh("%s", hands[i]);
		assert_int_equal(guard_check(guard, say, NULL), 1);
		assert_int_equal(guard_follow(guard, false, NULL), 0);
		assert_false(guard_lost(guard, 4711));
		assert_true(guard_lost(guard, index_of[G]));
		assert_int_equal(guard_follow(guard, false, NULL), 1);
		assert_int_equal(guard_check(guard, say, NULL), 0);
		host_sh("%s", hands[i]);
		/* without an event: at the next look round */
		assert_int_equal(guard_follow(guard, true, NULL), 1);
		assert_int_equal(guard_check(guard, say, NULL), 0);
	}
}

static void a_changed_port(void **state)
{
	struct guard_conf c = conf_of(G);
	struct __sk_buff ctx = { .ifindex = (__u32)index_of[G] };

	(void)state;
	NEED_HOST();
	c.ip4 = ip("10.65.0.99");
	assert_int_equal(guard_port_add(guard, &c, NULL), 0);
	assert_int_equal(run(pin_of(G, "in"), &ctx, in_rows[0].frame),
			 GUARD_DROP_ADDRESS);
	add(G);
	ctx = (struct __sk_buff){ .ifindex = (__u32)index_of[G] };
	assert_int_equal(run(pin_of(G, "in"), &ctx, in_rows[0].frame), PASS);
}

/* The eBPF dataplane's own program in place of the guard's. */
static void a_program_from_outside(void **state)
{
	_cleanup_close_ int prog = -EBADF;
	struct guard_conf c = conf_of(FAR);

	(void)state;
	NEED_HOST();
	prog = guard_pinned(&pins, pin_of(G, "out"));
	c.ingress = prog;
	assert_int_equal(guard_port_add(guard, &c, NULL), 0);
	host_sh("tc filter show dev far ingress | grep -q guard_egress");
	host_sh("tc qdisc del dev far clsact");
	guard_lost(guard, 0);
	assert_int_equal(guard_follow(guard, false, NULL), 1);
	host_sh("tc filter show dev far ingress | grep -q guard_egress");
	add(FAR);
	host_sh("tc filter show dev far ingress | grep -q guard_ingress");
}

/* Older, newer: the old programs guard by the old maps, port by port until it is
 * told anew. */
static void another_layout(void **state)
{
	static const char *const layouts[] = { "1", "99" };
	struct __sk_buff ctx = { 0 };

	(void)state;
	NEED_HOST();
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		guard_close(take_ptr(guard));
		host_sh("cd %s/berth/v1/test && bpftool map update pinned "
			"guard_meta key 0 0 0 0 value 0 0 0 0 0 0 0 0 %s 0 0 0 "
			"0 0 0 0 && bpftool map create guard_odd type hash key "
			"4 value 4 entries 8 name x",
			host.bpffs, layouts[i]);
		open_guard();
		assert_true(guard_is_other(guard));
		guard_load_begin(guard);
		assert_int_equal(guard_start(guard, NULL), 0);
		assert_false(guard_is_other(guard));
		host_sh("! ls %s/berth/v1/test | grep odd", host.bpffs);
		/* nobody has told a port: the old programs stand */
		host_sh("tc filter show dev g ingress | grep -q guard_ingress "
			"&& tc filter show dev g egress | grep -q "
			"guard_egress");
		ctx = (struct __sk_buff){ .ifindex = (__u32)index_of[G] };
		assert_int_equal(run(pin_of(G, "in"), &ctx, in_rows[0].frame),
				 PASS);
		/* counted where nobody looks any more */
		assert_int_equal(
			run(pin_of(G, "in"), &ctx, FROM(VICTIM, "9000")),
			SILENT);
		tell_all();
		assert_int_equal(guard_load_end(guard, NULL), 0);
		assert_int_equal(guard_check(guard, say, NULL), 0);
		ctx = (struct __sk_buff){ .ifindex = (__u32)index_of[G] };
		assert_int_equal(run(pin_of(G, "in"), &ctx, in_rows[0].frame),
				 PASS);
	}
	guard_close(take_ptr(guard));
	open_guard(); /* ours by now */
	assert_false(guard_is_other(guard));
	tell_all();
}

static void stop_leaves_nothing(void **state)
{
	(void)state;
	NEED_HOST();
	assert_int_equal(guard_port_del(guard, "far", NULL), 0);
	assert_int_equal(guard_port_del(guard, "far", NULL), 0);
	assert_true(is_bare(FAR));
	assert_int_equal(guard_stop(guard, NULL), 0);
	for (enum where w = 0; w < UNKNOWN; w++)
		assert_true(is_bare(w));
	host_sh("! ls %s | grep -q berth", host.bpffs);
	assert_int_equal(guard_stop(guard, NULL), 0);
	/* of a daemon that is gone */
	tell_all();
	guard_close(take_ptr(guard));
	open_guard();
	assert_int_equal(guard_stop(guard, NULL), 0);
	assert_true(is_bare(G));
	host_sh("! ls %s | grep -q berth", host.bpffs);
}

/* ---- main ----------------------------------------------------------------- */

static void make_links(void)
{
	host_sh("sysctl -qw net.ipv4.ip_forward=1 "
		"net.ipv6.conf.all.forwarding=1 && "
		"ip link add b0 type bridge && ip link add b1 type bridge && "
		"ip addr add 10.65.0.1/24 dev b0 && "
		"ip addr add fd00:65::1/64 dev b0 nodad");
	/* the other ends stay down: nothing but our frames is to be counted */
	host_sh("for l in g apart no4 no6 inner loose other; do ip link add $l "
		"type veth peer name c-$l && ip link set $l master b0 up || "
		"exit; done; "
		"ip link add far type veth peer name c-far && "
		"ip link set far master b1; ip link set b0 up");
	host_sh("ip link add u0 type veth peer name u1 && ip link set u1 up && "
		"ip link set u0 up && ip addr add 192.0.2.1/24 dev u0 && "
		"ip addr add 2001:db8:2::1/64 dev u0 nodad && "
		"ip route add default via 192.0.2.2 && "
		"ip route add unreachable 203.0.113.0/24 && "
		"ip -6 route add default via 2001:db8:2::2");
	for (enum where w = 0; w < WHERES; w++)
		index_of[w] = (int)if_nametoindex(names[w]);
}

static bool prepare(void)
{
	struct err err = { "" };

	make_links();
	if (!test_local6("2001:db8:2::1"))
		return false;
	if (pin_init(&pins, host.bpffs, "test", &err) < 0 ||
	    guard_open(&pins, &guard, &err) < 0) {
		print_error("%s\n", err.msg);
		return false;
	}
	return true;
}

static void told(void **state)
{
	(void)state;
	NEED_HOST();
	tell_all();
	assert_int_equal(guard_check(guard, say, NULL), 0);
}

int main(void)
{
	static const struct CMUnitTest life[] = {
		cmocka_unit_test(a_changed_port),
		cmocka_unit_test(somebody_takes_it_away),
		cmocka_unit_test(another_daemon),
		cmocka_unit_test(a_link_that_comes_late),
		cmocka_unit_test(a_program_from_outside),
		cmocka_unit_test(another_layout),
		cmocka_unit_test(stop_leaves_nothing),
	};
	static struct CMUnitTest tests[1 + ARRAY_SIZE(in_rows) +
				       ARRAY_SIZE(out_rows) + ARRAY_SIZE(life)];
	size_t n = 0;
	int r;

	tests[n++] = (struct CMUnitTest)cmocka_unit_test(told);
	n += TEST_ROWS(tests + n, in_rows, sends);
	n += TEST_ROWS(tests + n, out_rows, reaches);
	memcpy(tests + n, life, sizeof(life));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	host_make(&host);
	if (host.usable && !prepare())
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	guard_close(guard);
	pin_fini(&pins);
	host_remove(&host);
	return r;
}
