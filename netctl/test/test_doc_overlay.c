/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doctor and the rules that close an overlay network's ports: what it says of them opens
 * them.  (There is no WireGuard here: by which family hosts reach each other is not known,
 * where it is encrypted.) */
#include <netinet/in.h>

#include "lib/test/fw_test.h"
#include "netctl/doc.h"

#define INPUT(table, rules)                                               \
	"nft 'add table " table "; add chain " table " in { type filter " \
	"hook input priority 0; policy drop; }; " rules "'"
#define ESTABLISHED(table) \
	INPUT(table, "add rule " table " in ct state established accept")
#define WIRE6                                                        \
	"ip link add bx-0123456789ab type vxlan id 5 local fd00::1 " \
	"dstport 4789"

static struct fw *fw;
static char out[OUT_MAX];

struct row {
	const char *name, *rules;
	bool encrypted, wire6;
	const char *want; /* what it says to do, in order, a line each */
};

static const struct row rows[] = {
	{ "clear: nothing", "true", false, false, "" },
	{ "clear: iptables", "iptables-nft -P INPUT DROP", false, false,
	  "iptables -I INPUT -p udp --dport 4789 -j ACCEPT\n" },
	{ "clear: the other family", "ip6tables-nft -P INPUT DROP", false,
	  false, "" },
	{ "clear: by IPv6", "ip6tables-nft -P INPUT DROP", false, true,
	  "ip6tables -I INPUT -p udp --dport 4789 -j ACCEPT\n" },
	{ "clear: a table called as iptables'", INPUT("ip filter", ""), false,
	  false, "nft insert rule ip filter in udp dport 4789 accept\n" },
	{ "clear: it is no answer", ESTABLISHED("inet t"), false, false,
	  "nft insert rule inet t in udp dport 4789 accept\n" },
	{ "clear: open to what WireGuard unpacks",
	  INPUT("inet t", "add rule inet t in iifname berth-wg udp dport 4789 "
			  "accept"),
	  false, false, "nft insert rule inet t in udp dport 4789 accept\n" },
	{ "clear: and to all links of such names",
	  INPUT("inet t", "add rule inet t in iifname \"berth-*\" udp dport "
			  "4789 accept"),
	  false, false, "" },
	{ "encrypted: both families",
	  "iptables-nft -P INPUT DROP; ip6tables-nft -P INPUT DROP", true, true,
	  "iptables -I INPUT -p udp --dport 51821 -j ACCEPT\n"
	  "ip6tables -I INPUT -p udp --dport 51821 -j ACCEPT\n"
	  "ip6tables -I INPUT -i berth-wg -p udp --dport 4789 -j ACCEPT\n" },
	{ "encrypted: perhaps the other family", "iptables-nft -P INPUT DROP",
	  true, true, "" },
	{ "encrypted: the same, but for what was inside",
	  "ip6tables-nft -P INPUT DROP", true, true,
	  "ip6tables -I INPUT -i berth-wg -p udp --dport 4789 -j ACCEPT\n" },
	{ "encrypted: a policy", INPUT("inet t", ""), true, true,
	  "nft insert rule inet t in udp dport 51821 accept\n"
	  "nft insert rule inet t in iifname berth-wg udp dport 4789 "
	  "accept\n" },
	{ "encrypted: answers, but for what was inside", ESTABLISHED("inet t"),
	  true, true,
	  "nft insert rule inet t in iifname berth-wg udp dport 4789 "
	  "accept\n" },
	{ "encrypted: what was inside",
	  INPUT("inet t", "add rule inet t in ct state established accept; "
			  "add rule inet t in iifname berth-wg accept"),
	  true, true, "" },
};

static void run(const char *cmd)
{
	if (sh(out, cmd) != 0)
		fail_msg("%s: %s", cmd, out);
}

/* @text: a line for each finding: what to do, without the remark in brackets. */
static void look(const struct row *row, char *text, size_t size)
{
	struct doc_bridge b = { .id = "0123456789abcdef",
				.encrypted = row->encrypted,
				.wire_port = row->encrypted ? 51821 : 4789 };
	const struct ctl ctl = { .quiet = true };
	struct doc d = { .ctl = &ctl,
			 .fw = fw,
			 .bridges = &b,
			 .bridge_count = 1,
			 .check = "overlay-port",
			 .findings = json_object_new_array(),
			 .texts = json_object_new_array() };
	size_t len = 0;

	text[0] = '\0';
	assert_int_equal(nlk_open(&d.nlk, NULL), 0);
	doc_check_overlay_port(&d);
	for (size_t i = 0; i < json_object_array_length(d.findings); i++) {
		json_object *f = json_object_array_get_idx(d.findings, i);
		const char *fix = json_object_get_string(
			json_object_object_get(f, "Fix"));

		len += (size_t)snprintf(text + len, size - len, "%.*s\n",
					(int)strcspn(fix, "(") - 1, fix);
	}
	nlk_close(d.nlk);
	json_object_put(d.findings);
	json_object_put(d.texts);
}

static void what_it_says_opens_it(void **state)
{
	const struct row *row = *state;
	char fixes[512], after[512], cmd[1024];

	run("nft flush ruleset; ip link del bx-0123456789ab 2>/dev/null || :");
	if (row->wire6)
		run(WIRE6);
	run(row->rules);
	look(row, fixes, sizeof(fixes));
	assert_string_equal(fixes, row->want);
	snprintf(cmd, sizeof(cmd),
		 "set -e; iptables() { iptables-nft \"$@\"; }\n"
		 "ip6tables() { ip6tables-nft \"$@\"; }\n%s",
		 fixes);
	run(cmd);
	look(row, after, sizeof(after));
	assert_string_equal(after, "");
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];

	return fw_test_run(&fw, tests,
			   TEST_ROWS(tests, rows, what_it_says_opens_it));
}
