/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets through the programs, and scripts of them; see publish_env.h. */
#include "dataplane/ebpf/test/publish_env_priv.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/guard_map.h"
#include "bpf/nat_map.h"
#include "dataplane/ebpf/test/frame.h"
#include "lib/base.h"
#include "lib/test/test.h"

static const uint8_t uplink_mac[6] = { 2, 0, 0, 0, 2, 1 };

static char star[64];

/* ---- one step ------------------------------------------------------------ */

static const char *const drops[NAT_COUNT_MAX] = {
	[NAT_DROP_FULL] = "full",       [NAT_DROP_FORGED] = "forged",
	[NAT_DROP_REWRITE] = "rewrite", [NAT_DROP_GATEWAY] = "gateway",
	[NAT_DROP_HOPS] = "hops",       [NAT_DROP_POLICY] = "policy",
	[NAT_DROP_LIMIT] = "limit",     [NAT_DROP_SHARE] = "share",
	[NAT_DROP_BIG] = "big",         [NAT_DROP_RATE] = "rate",
};

static void read_counts(uint64_t ret[static NAT_COUNT_MAX])
{
	uint64_t *each = calloc((size_t)publish_cpus, sizeof(*each));

	assert_non_null(each);
	for (__u32 i = 0; i < NAT_COUNT_MAX; i++) {
		assert_int_equal(
			bpf_map_lookup_elem(
				bpf_map__fd(publish_skel->maps.nat_count), &i,
				each),
			0);
		ret[i] = 0;
		for (int c = 0; c < publish_cpus; c++)
			ret[i] += each[c];
	}
	free(each);
}

static const char *verdict(__u32 retval, const uint64_t before[],
			   const uint64_t after[])
{
	bool icmp = after[NAT_COUNT_ICMP] > before[NAT_COUNT_ICMP];
	static char text[64];

	if (retval == TC_ACT_SHOT) {
		for (size_t i = 0; i < NAT_COUNT_MAX; i++)
			if (drops[i] && after[i] > before[i]) {
				snprintf(text, sizeof(text), "drop %s",
					 drops[i]);
				return text;
			}
		return "drop";
	}
	if (retval == (__u32)TC_ACT_UNSPEC)
		return "pass";
	if (retval != TC_ACT_REDIRECT)
		return "what?";
	if (after[NAT_DROP_BIG] > before[NAT_DROP_BIG])
		return "told";
	if (after[NAT_COUNT_IN] > before[NAT_COUNT_IN])
		return icmp ? "icmp-peer" : "peer";
	if (after[NAT_COUNT_OUT] > before[NAT_COUNT_OUT])
		return icmp ? "icmp-wire" : "wire";
	return "up";
}

/* Not where an ICMP error takes the packet's place, nor where nobody looks. */
static uint32_t sums_of(const struct frame *f, const char *packet)
{
	return f->len > 900 || strstr(packet, " nosum") ? 0 : publish_sums;
}

/* The bridge's rules are told by @skb of what the guard looked at, and nothing of
 * what it did not. */
static bool is_marked(const struct __sk_buff *skb, bool wire, bool passed)
{
	struct guard_port port = { .flags = 0 };
	bool seen;

	if (!wire)
		(void)bpf_map_lookup_elem(
			bpf_map__fd(publish_skel->maps.guard_port),
			&skb->ifindex, &port);
	seen = passed && port.flags & GUARD_SOURCE;
	return skb->priority == (seen ? GUARD_SEEN : 0);
}

static void run(const char *hook, const char *packet, char *ret, size_t size)
{
	bool wire = hook[0] == 'U';
	struct bpf_program *prog = wire ? publish_skel->progs.publish_uplink
					: publish_skel->progs.publish_endpoint;
	char ifname[8] = "up0";
	uint64_t before[NAT_COUNT_MAX], after[NAT_COUNT_MAX];
	uint8_t out[FRAME_MAX + 64];
	struct frame f;
	const char *said;
	char text[512];

	if (!wire)
		snprintf(ifname, sizeof(ifname), "v%c",
			 hook[1] ? hook[1] : '1');
	else if (hook[1])
		snprintf(ifname, sizeof(ifname), "br%c", hook[1]);
	frame_make(&f, packet,
		   wire && !hook[1] ? uplink_mac : publish_bridge_mac);
	struct __sk_buff ctx = { .ifindex = if_nametoindex(ifname),
				 .gso_size = f.gso,
				 .gso_segs = f.gso ? 2 : 0 };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = f.bytes,
		    .data_size_in = (__u32)f.len, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .ctx_out = &ctx,
		    .ctx_size_out = sizeof(ctx), .repeat = 1,
		    .flags = sums_of(&f, packet));
	read_counts(before);
	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &o) < 0) {
		snprintf(ret, size, "not run: %s", strerror(errno));
		return;
	}
	read_counts(after);
	said = verdict(o.retval, before, after);
	snprintf(ret, size, "%s", said);
	if (!is_marked(&ctx, wire, strcmp(said, "pass") == 0)) {
		snprintf(ret, size, "%s, priority %x", said, ctx.priority);
		return;
	}
	if (strcmp(said, "pass") == 0 || strcmp(said, "up") == 0 ||
	    strncmp(said, "drop", 4) == 0) {
		/* what the stack gets must be as it came */
		if (o.data_size_out != f.len ||
		    memcmp(out, f.bytes, f.len) != 0)
			snprintf(ret, size, "%s, changed", said);
		return;
	}
	if ((strstr(said, "peer") || strcmp(said, "told") == 0) &&
	    (memcmp(out, publish_container_mac, 6) != 0 ||
	     memcmp(out + 6, publish_bridge_mac, 6) != 0))
		said = "peer with wrong MACs";
	snprintf(ret, size, "%s %s", said,
		 frame_text(out, o.data_size_out, text, sizeof(text)));
}

static __u8 proto_of(const char *name)
{
	static const struct {
		const char *name;
		__u8 number;
	} all[] = {
		{ "tcp", IPPROTO_TCP },
		{ "udp", IPPROTO_UDP },
		{ "sctp", IPPROTO_SCTP },
		{ "icmp", IPPROTO_ICMP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(name, all[i].name) == 0)
			return all[i].number;
	fail_msg("no protocol: %s", name);
	return 0;
}

/* An echo's id stands where nat_map.h has it. */
static void tuple_of(const char *packet, struct nat_tuple *ret)
{
	char proto[8], src[64], dst[64];
	struct nat_tuple t = { 0 };
	char *colon;

	assert_int_equal(sscanf(packet, "%7s %63[^>]>%63s", proto, src, dst),
			 3);
	colon = strrchr(src, ':');
	t.sport = htons((uint16_t)atoi(colon + 1));
	*colon = '\0';
	colon = strrchr(dst, ':');
	t.dport = htons((uint16_t)atoi(colon + 1));
	*colon = '\0';
	publish_key(src, t.saddr);
	publish_key(dst, t.daddr);
	t.proto = proto_of(proto);
	*ret = t;
}

static const char *state_of(const char *packet)
{
	static const char *const names[] = {
		[NAT_HALF] = "half",
		[NAT_REPLIED] = "replied",
		[NAT_OPEN] = "open",
		[NAT_CLOSING] = "closing",
	};
	struct nat_tuple t;
	struct nat_flow f;

	tuple_of(packet, &t);
	if (bpf_map_lookup_elem(bpf_map__fd(publish_skel->maps.nat_flows), &t,
				&f) < 0)
		return "none";
	return f.state < ARRAY_SIZE(names) ? names[f.state] : "gone";
}

void publish_env_fill(void)
{
	struct nat_flow f = { .state = NAT_OPEN };
	struct nat_tuple t = { .proto = IPPROTO_SCTP };
	int fd = bpf_map__fd(publish_skel->maps.nat_flows), r = 0;

	for (t.saddr[0] = 1; r == 0; t.saddr[0]++)
		r = bpf_map_update_elem(fd, &t, &f, BPF_NOEXIST);
	assert_int_equal(r, -E2BIG);
	assert_in_range(t.saddr[0], PUBLISH_ENV_ROOM / 2, PUBLISH_ENV_ROOM + 2);
}

const char *publish_env_state(const char *packet)
{
	return state_of(packet);
}

/* "part PACKET": its entry goes, and the other direction's stays.  Return: false:
 * another word. */
static bool part(const char *what, const char *packet, char *ret, size_t size)
{
	struct nat_tuple t;

	if (strcmp(what, "part") != 0)
		return false;
	tuple_of(packet, &t);
	snprintf(ret, size, "%s",
		 bpf_map_delete_elem(bpf_map__fd(publish_skel->maps.nat_flows),
				     &t) == 0
			 ? "done"
			 : "none");
	return true;
}

/* "spoke PACKET": both entries know it.  Return: false: another word. */
static bool spoke(const char *what, const char *packet, char *ret, size_t size)
{
	int fd = bpf_map__fd(publish_skel->maps.nat_flows);
	struct nat_flow f, pair;
	struct nat_tuple t, back;

	if (strcmp(what, "spoke") != 0)
		return false;
	tuple_of(packet, &t);
	assert_int_equal(bpf_map_lookup_elem(fd, &t, &f), 0);
	back = f.to;
	memcpy(back.saddr, f.to.daddr, sizeof(back.saddr));
	memcpy(back.daddr, f.to.saddr, sizeof(back.daddr));
	back.sport = f.to.dport;
	back.dport = f.to.sport;
	assert_int_equal(bpf_map_lookup_elem(fd, &back, &pair), 0);
	snprintf(ret, size, "%s",
		 f.tcp & pair.tcp & NAT_TCP_SPOKE     ? "yes"
		 : (f.tcp | pair.tcp) & NAT_TCP_SPOKE ? "half"
						      : "no");
	return true;
}

/* ---- a script ------------------------------------------------------------ */

/* Is @got as @want, whose * stands for anything? */
static bool matches(const char *want, const char *got)
{
	const char *at = strchr(want, '*');
	size_t before, after, len = strlen(got);

	if (!at)
		return strcmp(want, got) == 0;
	before = (size_t)(at - want);
	after = strlen(at + 1);
	if (len < before + after || strncmp(want, got, before) != 0 ||
	    strcmp(got + len - after, at + 1) != 0)
		return false;
	snprintf(star, sizeof(star), "%.*s", (int)(len - before - after),
		 got + before);
	return true;
}

static void expand(const char *line, char *ret, size_t size)
{
	size_t n = 0;

	for (; *line && n + 64 < size; line++)
		if (*line == '$')
			n += (size_t)snprintf(ret + n, size - n, "%s", star);
		else
			ret[n++] = *line;
	ret[n] = '\0';
}

static void play(char *line)
{
	char *want = strstr(line, line[0] == 'f' ? " = " : " => ");
	char got[640], *packet;

	assert_non_null(want);
	*want = '\0';
	want += line[0] == 'f' ? 3 : 4;
	packet = line + strcspn(line, " ");
	assert_int_equal(*packet, ' ');
	*packet++ = '\0';
	if (strcmp(line, "flow") == 0)
		snprintf(got, sizeof(got), "%s", state_of(packet));
	else if (!publish_step_stat(line, packet, got, sizeof(got)) &&
		 !publish_step_host(line, packet, got, sizeof(got)) &&
		 !publish_step_port(line, packet, got, sizeof(got)) &&
		 !publish_step_rate(line, packet, got, sizeof(got)) &&
		 !part(line, packet, got, sizeof(got)) &&
		 !spoke(line, packet, got, sizeof(got)))
		run(line, packet, got, sizeof(got));
	if (!matches(want, got))
		fail_msg("%s %s\n  got:  %s\n  want: %s", line, packet, got,
			 want);
}

void publish_env_play(const char *steps)
{
	char line[640], raw[512];

	while (*steps) {
		size_t n = strcspn(steps, "\n");

		assert_true(n < sizeof(raw));
		memcpy(raw, steps, n);
		raw[n] = '\0';
		expand(raw, line, sizeof(line));
		play(line);
		steps += n + (steps[n] == '\n');
	}
}

void publish_env_star(char ret[static 64])
{
	memcpy(ret, star, sizeof(star));
}
