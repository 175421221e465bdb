/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_fw_read.c - foreign rules, rules for iptables to read, events. */
#include <poll.h>
#include <sys/socket.h>

#include "lib/test/test.h"

#include "lib/fw.h"
#include "lib/fw_expr.h"
#include "lib/test/fw_test.h"

#define MANY 60000

static struct fw *fw;
static char out[OUT_MAX];
static const struct fw_table t = { NFPROTO_INET, "t" };
static const struct fw_set ports = {
	.name = "ports",
	.key_type = FW_TYPES2(FW_TYPE_L4PROTO, FW_TYPE_PORT),
	.key_len = 8,
	.concat = true,
};

static void commit(struct fw_batch *b)
{
	struct err err = { 0 };

	if (fw_commit(b, &err) < 0)
		fail_msg("%s", err.msg);
}

static void nft(const char *cmd)
{
	if (sh(out, cmd) != 0)
		fail_msg("%s: %s", cmd, out);
}

static int fresh(void **state)
{
	struct fw_batch *b = fw_batch_new(fw);
	struct fw_chain other = { .name = "other" };

	fw_table_add(b, &t);
	fw_table_del(b, &t);
	fw_table_add(b, &t);
	fw_set_add(b, &t, &ports);
	fw_chain_add(b, &t, &other);
	*state = b;
	return fw_commit(b, NULL);
}

static int done(void **state)
{
	fw_batch_free(*state);
	return 0;
}

static void ports_add(struct fw_batch *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t key[8] = { IPPROTO_TCP, [4] = (uint8_t)(i >> 8),
				   (uint8_t)i };

		fw_elem_add(b, &t, &ports, &(struct fw_elem){ .key = key },
			    true);
	}
}

/* ---- reading ------------------------------------------------------------ */

struct seen {
	struct fw_rule_info r[8];
	size_t n;
};

static int see(void *ctx, const struct fw_rule_info *r)
{
	struct seen *s = ctx;

	assert_true(s->n < ARRAY_SIZE(s->r));
	s->r[s->n++] = *r;
	return 0;
}

static void chains_are_found(void **state)
{
	struct fw_table filter = { NFPROTO_IPV4, "filter" };
	struct err err = { 0 };
	bool base = false;

	(void)state;
	nft("iptables-nft -P FORWARD DROP && iptables-nft -N DOCKER-USER");
	assert_int_equal(fw_table_find(fw, &filter, &err), 0);
	assert_int_equal(fw_chain_find(fw, &filter, "FORWARD", &base, &err), 0);
	assert_true(base);
	assert_int_equal(fw_chain_find(fw, &filter, "DOCKER-USER", &base, &err),
			 0);
	assert_false(base);
	assert_int_equal(fw_chain_find(fw, &filter, "NONE", &base, &err),
			 -ENOENT);
	assert_string_equal(err.msg, "chain NONE of table ip filter: "
				     "No such file or directory");
	nft("nft delete table ip filter");
}

static void rules_of_iptables_are_read(void **state)
{
	struct fw_table filter = { NFPROTO_IPV4, "filter" };
	struct seen s = { 0 };
	struct err err = { 0 };

	(void)state;
	nft("iptables-nft -A FORWARD -i br0 -m comment --comment 'a b' "
	    "-j ACCEPT &&"
	    "iptables-nft -A FORWARD -o br+ -j DROP &&"
	    "iptables-nft -A FORWARD ! -i br0 -j DROP &&"
	    "iptables-nft -A FORWARD -s 10.0.0.0/8 -o br1 -j ACCEPT &&"
	    "iptables-nft -A FORWARD -j RETURN &&"
	    "nft add rule ip filter FORWARD oifname br2 accept comment c &&"
	    "nft add rule ip filter FORWARD limit rate 1/second drop");
	assert_int_equal(fw_rule_each(fw, &filter, "FORWARD", see, &s, &err),
			 0);
	assert_int_equal(s.n, 7);
	assert_true(s.r[0].simple && s.r[0].handle != 0);
	assert_string_equal(s.r[0].iifname, "br0");
	assert_string_equal(s.r[0].comment, "a b");
	assert_int_equal(s.r[0].verdict, NF_ACCEPT);
	assert_false(s.r[1].simple);
	assert_string_equal(s.r[1].oifname, "");
	assert_false(s.r[2].simple);
	assert_string_equal(s.r[2].iifname, "");
	assert_false(s.r[3].simple);
	assert_string_equal(s.r[3].oifname, "br1");
	assert_true(s.r[4].simple);
	assert_int_equal(s.r[4].verdict, (uint32_t)NFT_RETURN);
	assert_true(s.r[5].simple);
	assert_string_equal(s.r[5].oifname, "br2");
	assert_string_equal(s.r[5].comment, "c");
	assert_false(s.r[6].simple);
	assert_int_equal(fw_rule_each(fw, &filter, "GONE", see, &s, &err),
			 -ENOENT);
	nft("nft delete table ip filter");
}

/* What foreign.c writes must look sane to iptables, and to be found again. */
static void our_rule_is_printed_by_iptables(void **state)
{
	struct fw_batch *b = *state;
	struct fw_table filter = { NFPROTO_IPV4, "filter" };
	struct fw_expr in[] = { FW_IIFNAME("br0"), FW_COUNTER,
				FW_VERDICT(NF_ACCEPT), FW_END };
	struct fw_expr from[] = { FW_OIFNAME("br0"), FW_COUNTER,
				  FW_VERDICT(NF_ACCEPT), FW_END };
	struct seen s = { 0 };
	struct err err = { 0 };

	nft("iptables-nft -N DOCKER-USER && iptables-nft -A DOCKER-USER -j "
	    "RETURN");
	assert_int_equal(
		fw_rule_each(fw, &filter, "DOCKER-USER", see, &s, &err), 0);
	assert_int_equal(s.n, 1);
	fw_rule_add(b, &filter,
		    &(struct fw_rule){ .chain = "DOCKER-USER",
				       .exprs = in,
				       .comment = "berth:berth-bridge:0123",
				       .handle = s.r[0].handle });
	fw_rule_add(b, &filter,
		    &(struct fw_rule){ .chain = "DOCKER-USER",
				       .exprs = from,
				       .comment = "berth:berth-bridge:0123",
				       .insert = true });
	commit(b);
	nft("iptables-nft -S DOCKER-USER 2>&1");
	assert_string_equal(out, "-N DOCKER-USER\n"
				 "-A DOCKER-USER -o br0 -m comment --comment "
				 "\"berth:berth-bridge:0123\" -j ACCEPT\n"
				 "-A DOCKER-USER -i br0 -m comment --comment "
				 "\"berth:berth-bridge:0123\" -j ACCEPT\n"
				 "-A DOCKER-USER -j RETURN\n");
	s.n = 0;
	assert_int_equal(
		fw_rule_each(fw, &filter, "DOCKER-USER", see, &s, &err), 0);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.r[0].comment, "berth:berth-bridge:0123");
	fw_rule_del(b, &filter, "DOCKER-USER", s.r[0].handle);
	commit(b);
	/* iptables can delete what we wrote */
	nft("iptables-nft -D DOCKER-USER -i br0 -m comment --comment "
	    "berth:berth-bridge:0123 -j ACCEPT && nft delete table ip filter");
}

/* ---- events ------------------------------------------------------------- */

struct events {
	struct fw_event e[32];
	int n;
};

static void hear(void *ctx, const struct fw_event *e)
{
	struct events *ev = ctx;

	if (ev->n < (int)ARRAY_SIZE(ev->e))
		ev->e[ev->n] = *e;
	ev->n++;
}

static bool heard(const struct events *ev, bool deleted, const char *table,
		  const char *chain)
{
	for (int i = 0; i < ev->n && i < (int)ARRAY_SIZE(ev->e); i++)
		if (ev->e[i].deleted == deleted &&
		    strcmp(ev->e[i].table, table) == 0 &&
		    strcmp(ev->e[i].chain, chain) == 0)
			return true;
	return false;
}

static void monitor_sees_flush_and_who(void **state)
{
	_cleanup_(fw_monitor_closep) struct fw_monitor *m = NULL;
	struct fw_batch *b = *state;
	struct events ev = { 0 };
	struct err err = { 0 };

	assert_int_equal(fw_monitor_open(&m, &err), 0);
	ports_add(b, 2);
	commit(b);
	assert_int_equal(fw_monitor_read(m, hear, &ev, &err), 1);
	assert_true(heard(&ev, false, "t", ""));
	assert_int_equal(ev.e[0].portid, fw_portid(fw));
	assert_int_equal(ev.e[0].family, NFPROTO_INET);
	ev.n = 0;
	nft("nft add rule inet t other drop && nft flush ruleset");
	assert_true(fw_monitor_read(m, hear, &ev, &err) > 0);
	assert_true(heard(&ev, false, "t", "other"));
	assert_true(heard(&ev, true, "t", "other"));
	assert_true(heard(&ev, true, "t", ""));
	assert_int_not_equal(ev.e[0].portid, fw_portid(fw));
}

static void own_changes_wake_nobody_when_ignored(void **state)
{
	_cleanup_(fw_monitor_closep) struct fw_monitor *m = NULL;
	struct fw_batch *b = *state;
	struct events ev = { 0 };
	struct err err = { 0 };
	struct pollfd p;

	assert_int_equal(fw_monitor_open(&m, &err), 0);
	assert_int_equal(fw_monitor_ignore(m, fw_portid(fw), &err), 0);
	p = (struct pollfd){ .fd = fw_monitor_fd(m), .events = POLLIN };
	ports_add(b, MANY);
	commit(b);
	assert_int_equal(poll(&p, 1, 0), 0);
	nft("nft add chain inet t theirs");
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(fw_monitor_read(m, hear, &ev, &err), 1);
	assert_true(heard(&ev, false, "t", "theirs"));
}

static void overrun_is_reported(void **state)
{
	_cleanup_(fw_monitor_closep) struct fw_monitor *m = NULL;
	struct fw_batch *b = *state;
	struct events ev = { 0 };
	struct err err = { 0 };
	int small = 4096;

	assert_int_equal(fw_monitor_open(&m, &err), 0);
	assert_int_equal(setsockopt(fw_monitor_fd(m), SOL_SOCKET, SO_RCVBUF,
				    &small, sizeof(small)),
			 0);
	ports_add(b, MANY);
	commit(b);
	assert_true(fw_monitor_read(m, hear, &ev, &err) > 0);
	assert_true(ev.e[0].lost || ev.e[1].lost);
}

/* What the kernel counts as a user of connection tracking, in nftables' and in
 * iptables' words; and what it does not. */
struct user {
	const char *rules; /* made with nft and iptables-nft */
	bool tracks;
};

static const struct user users[] = {
	{ "nft add chain inet t c '{ type nat hook postrouting priority 0; }'",
	  true },
	{ "nft add rule inet t other ct state established accept", true },
	{ "nft add rule inet t other ct mark set 1", true },
	{ "nft add rule inet t other notrack", true },
	{ "nft add rule inet t other tcp dport 80 accept", false },
	{ "nft add rule inet t other meta mark set 1", false },
	{ "iptables-nft -A FORWARD -p tcp -j ACCEPT", false },
	{ "iptables-nft -A FORWARD -m conntrack --ctstate NEW -j DROP", true },
	{ "iptables-nft -A FORWARD -j CONNMARK --set-mark 1", true },
	{ "iptables-nft -t raw -A PREROUTING -j CT --notrack", true },
	{ "iptables-nft -t nat -A POSTROUTING -j ACCEPT", true },
	{ "ip6tables-nft -A INPUT -m state --state NEW -j DROP", true },
};

static void users_of_conntrack_are_seen(void **state)
{
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		nft("nft flush ruleset; nft 'add table inet t; "
		    "add chain inet t other'");
		assert_int_equal(fw_tracks(fw, "mine", &err), 0);
		nft(users[i].rules);
		print_message("# %s\n", users[i].rules);
		assert_int_equal(fw_tracks(fw, "mine", &err), users[i].tracks);
	}
	/* one's own do not count */
	nft("nft flush ruleset; nft 'add table inet t; add chain inet t other; "
	    "add rule inet t other ct state new accept; "
	    "add chain inet t nat { type nat hook output priority 0; }'");
	assert_int_equal(fw_tracks(fw, "mine", &err), 1);
	assert_int_equal(fw_tracks(fw, "t", &err), 0);
}

/* ---- who refuses ----------------------------------------------------------- */

static int tell(void *ctx, const struct fw_refusal *f)
{
	char *text = ctx;
	size_t len = strlen(text);

	snprintf(text + len, 256 - len, "%s%s:%s %zu", len ? ", " : "",
		 f->table.name, f->chain, f->rules);
	return 0;
}

static const struct {
	const char *rules, *want;
} refusers[] = {
	{ "iptables-nft -A FORWARD -p tcp --dport 80 -j DROP",
	  "filter:FORWARD 1" },
	{ "iptables-nft -A FORWARD -p tcp -j ACCEPT", "" },
	{ "iptables-nft -P FORWARD DROP", "" },
	{ "iptables-nft -A INPUT -j DROP", "" },
	{ "iptables-nft -N USER; iptables-nft -A FORWARD -j USER; "
	  "iptables-nft -A USER -s 10.0.0.1 -j REJECT; "
	  "iptables-nft -A USER -s 10.0.0.2 -j DROP",
	  "filter:USER 2" },
	{ "iptables-nft -N ALONE; iptables-nft -A ALONE -j DROP", "" },
	{ "iptables-nft -A FORWARD -p tcp -j NFQUEUE", "filter:FORWARD 1" },
	{ "ip6tables-nft -t raw -A PREROUTING -j DROP", "raw:PREROUTING 1" },
	{ "nft 'add chain inet t f { type filter hook forward priority 0; }; "
	  "add rule inet t f tcp dport 80 reject'",
	  "t:f 1" },
	/* through a map of verdicts */
	{ "nft 'add chain inet t f { type filter hook forward priority 0; }; "
	  "add rule inet t other drop; "
	  "add rule inet t f iifname vmap { \"lo\" : jump other }'",
	  "t:other 1" },
	/* two jumps, told in the other order */
	{ "nft 'add chain inet t two; add rule inet t two drop; "
	  "add rule inet t other goto two; "
	  "add chain inet t f { type filter hook forward priority 0; }; "
	  "add rule inet t f jump other'",
	  "t:two 1" },
	{ "nft 'add chain inet t o { type filter hook output priority 0; }; "
	  "add rule inet t o jump other; add rule inet t other drop'",
	  "" },
	{ "nft 'add table netdev n; add chain netdev n c { type filter hook "
	  "ingress device \"lo\" priority 0; }; add rule netdev n c drop'",
	  "n:c 1" },
};

static void chains_that_refuse_are_told(void **state)
{
	const uint32_t hooks = 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_FORWARD |
			       1 << NF_INET_INGRESS;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusers); i++) {
		char text[256] = "";

		nft("nft flush ruleset; nft 'add table inet t; "
		    "add chain inet t other'");
		nft(refusers[i].rules);
		print_message("# %s\n", refusers[i].rules);
		assert_int_equal(fw_refuse_each(fw, hooks, tell, text, &err),
				 0);
		assert_string_equal(text, refusers[i].want);
	}
}

/* ---- who lets no packet to a UDP port in ------------------------------------ */

#define INPUT(policy, rules)                                             \
	"nft 'add chain inet t in { type filter hook input priority 0; " \
	"policy " policy "; }; " rules "'"

struct barrier {
	const char *name, *rules, *want; /* "": it may get in */
};

static const struct barrier barriers[] = {
	{ "nothing", "", "" },
	{ "a policy", "iptables-nft -P INPUT DROP", "filter:INPUT policy" },
	{ "of the other family", "ip6tables-nft -P INPUT DROP", "" },
	{ "a policy, and answers, lo, another port, another protocol",
	  "iptables-nft -P INPUT DROP; iptables-nft -A INPUT -i lo -j ACCEPT; "
	  "iptables-nft -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED "
	  "-j ACCEPT; iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT; "
	  "iptables-nft -A INPUT -p udp --dport 53 -j ACCEPT; "
	  "iptables-nft -A INPUT -p icmp -j ACCEPT",
	  "filter:INPUT policy" },
	{ "a policy, and the port",
	  "iptables-nft -P INPUT DROP; "
	  "iptables-nft -A INPUT -p udp --dport 4789 -j ACCEPT",
	  "" },
	{ "a policy, and ports",
	  "iptables-nft -P INPUT DROP; "
	  "iptables-nft -A INPUT -p udp --dport 4000:5000 -j ACCEPT",
	  "" },
	{ "a policy, and some hosts",
	  "iptables-nft -P INPUT DROP; "
	  "iptables-nft -A INPUT -s 192.0.2.0/24 -j ACCEPT",
	  "" },
	{ "a rule",
	  "iptables-nft -A INPUT -p udp --dport 4789 -m comment --comment no "
	  "-j REJECT",
	  "filter:INPUT rule" },
	{ "a rule for TCP", "iptables-nft -A INPUT -p tcp --dport 4789 -j DROP",
	  "" },
	{ "a rule for some",
	  "iptables-nft -A INPUT -p udp --dport 4789 -s 10.0.0.1 -j DROP", "" },
	{ "behind one that lets it in",
	  "iptables-nft -A INPUT -p udp -j ACCEPT; "
	  "iptables-nft -A INPUT -j DROP",
	  "" },
	{ "in a chain, which returns for others",
	  "iptables-nft -N USER; iptables-nft -A INPUT -j USER; "
	  "iptables-nft -A USER -p udp --dport 53 -j RETURN; "
	  "iptables-nft -A USER -p udp -j DROP",
	  "filter:INPUT rule" },
	{ "in a chain, which returns",
	  "iptables-nft -N USER; iptables-nft -A INPUT -j USER; "
	  "iptables-nft -A USER -p udp --dport 4789 -j RETURN; "
	  "iptables-nft -A USER -p udp -j DROP",
	  "" },
	{ "nft: a policy, and what is not it",
	  INPUT("drop", "add rule inet t in iif lo accept; "
			"add rule inet t in ct state established,related "
			"accept; add rule inet t in meta nfproto ipv6 accept; "
			"add rule inet t in tcp dport 22 accept"),
	  "t:in policy" },
	{ "nft: the port",
	  INPUT("drop", "add rule inet t in udp dport 4789 "
			"accept"),
	  "" },
	{ "nft: ports in a set",
	  INPUT("drop", "add rule inet t in udp dport { 53, 4789 } accept"),
	  "" },
	{ "nft: a map",
	  INPUT("drop", "add rule inet t in iifname vmap { "
			"\"eth0\" : accept }"),
	  "" },
	{ "nft: reject at the end",
	  INPUT("accept", "add rule inet t in udp dport 4000-4788 accept; "
			  "add rule inet t in reject"),
	  "t:in rule" },
	{ "nft: gone to a chain that ends",
	  INPUT("drop", "add rule inet t in goto other; "
			"add rule inet t in accept"),
	  "t:in policy" },
	{ "nft: new ones",
	  INPUT("drop", "add rule inet t in ct state new "
			"accept"),
	  "" },
	{ "nft: what is not understood, where a known value was",
	  INPUT("drop", "add rule inet t in ip option lsrr exists accept"),
	  "" },
	{ "nft: a value of the rule's own",
	  INPUT("drop", "add rule inet t in udp dport 53 meta mark set 1 "
			"accept"),
	  "t:in policy" },
	{ "nft: a table that sleeps",
	  INPUT("drop", "add table inet t { flags dormant; }"), "" },
	{ "one that is left out",
	  "nft 'add table inet mine; add chain inet mine in { type filter "
	  "hook input priority 0; policy drop; }'",
	  "" },
	{ "at another hook",
	  "nft 'add chain inet t o { type filter hook output priority 0; "
	  "policy drop; }'",
	  "" },
};

/* Where what comes may be an answer. */
static const struct barrier answered[] = {
	{ "a policy, and answers",
	  "iptables-nft -P INPUT DROP; "
	  "iptables-nft -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED "
	  "-j ACCEPT",
	  "" },
	{ "which an answer is not either",
	  "iptables-nft -P INPUT DROP; "
	  "iptables-nft -A INPUT -m conntrack --ctstate RELATED -j ACCEPT",
	  "filter:INPUT policy" },
	{ "a rule, for answers too",
	  "iptables-nft -A INPUT -p udp --dport 4789 -j DROP; "
	  "iptables-nft -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED "
	  "-j ACCEPT",
	  "filter:INPUT rule" },
	{ "nft: answers",
	  INPUT("drop", "add rule inet t in ct state established,related "
			"accept"),
	  "" },
	{ "nft: what an answer is not either",
	  INPUT("drop", "add rule inet t in ct state related accept"),
	  "t:in policy" },
};

static void is_refused_as(const struct barrier *row, bool answers)
{
	const struct fw_udp to = { .family = NFPROTO_IPV4,
				   .port = 4789,
				   .answers = answers };
	struct fw_barrier b = { .family = 0 };
	struct err err = { 0 };
	char text[160] = "";

	nft("nft flush ruleset; nft 'add table inet t; add chain inet t "
	    "other'");
	if (row->rules[0])
		nft(row->rules);
	print_message("# %s\n", row->name);
	if (fw_udp_refused(fw, &to, "mine", &b, &err))
		snprintf(text, sizeof(text), "%s:%s %s", b.table, b.chain,
			 b.policy ? "policy" : "rule");
	assert_string_equal(err.msg, "");
	assert_string_equal(text, row->want);
}

static void who_refuses_a_port_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(barriers); i++)
		is_refused_as(&barriers[i], false);
}

static void who_refuses_answers_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answered); i++)
		is_refused_as(&answered[i], true);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(chains_are_found),
		T(rules_of_iptables_are_read),
		T(our_rule_is_printed_by_iptables),
		T(monitor_sees_flush_and_who),
		T(own_changes_wake_nobody_when_ignored),
		T(overrun_is_reported),
		T(users_of_conntrack_are_seen),
		T(chains_that_refuse_are_told),
		T(who_refuses_a_port_is_told),
		T(who_refuses_answers_is_told),
	};

	return fw_test_run(&fw, tests, ARRAY_SIZE(tests));
}
