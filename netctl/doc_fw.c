/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doctor: rules of others that drop our packets, or that miss them. */
#include "netctl/doc.h"

#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

#include "netctl/drivers.h"
#include "netctl/jget.h"

struct family {
	struct fw_table table;
	const char *tool; /* whose chains these are */
	bool v6;
};

static const struct family families[] = {
	{ { NFPROTO_IPV4, "filter" }, "iptables", false },
	{ { NFPROTO_IPV6, "filter" }, "ip6tables", true },
};

static const char nf_call_v4[] = "net/bridge/bridge-nf-call-iptables";
static const char nf_call_v6[] = "net/bridge/bridge-nf-call-ip6tables";

/* ---- FORWARD ------------------------------------------------------------- */

static void forget_accepts(struct doc *d)
{
	for (size_t i = 0; i < d->bridge_count; i++)
		d->bridges[i].accept_in = d->bridges[i].accept_out = false;
}

static int note_accept(void *ctx, const struct fw_rule_info *r)
{
	struct doc_bridge *in = doc_bridge(ctx, r->iifname);
	struct doc_bridge *out = doc_bridge(ctx, r->oifname);

	if (!r->simple || r->verdict != NF_ACCEPT)
		return 0;
	if (in && !r->oifname[0])
		in->accept_in = true;
	if (out && !r->iifname[0])
		out->accept_out = true;
	/* Ours, or all there is of an internal network, whose daemon alone
	 * knows that it is one. */
	if (in && in == out &&
	    (in->internal || strncmp(r->comment, "berth:", 6) == 0))
		in->accept_in = in->accept_out = true;
	return 0;
}

static void judge_bridge(struct doc *d, const struct family *f,
			 const struct doc_bridge *b, uint32_t policy)
{
	char cmd[DRIVER_COMMAND_MAX];
	const char *rules;

	if (b->respect || !(f->v6 ? b->v6 : b->v4) ||
	    (b->accept_in && b->accept_out))
		return;
	if (b->internal)
		rules = doc_text(d, "%s -I FORWARD -i %s -o %s -j ACCEPT",
				 f->tool, b->name, b->name);
	else
		rules = doc_text(d,
				 "%s -I FORWARD -i %s -j ACCEPT; %s -I FORWARD "
				 "-o %s -j ACCEPT",
				 f->tool, b->name, f->tool, b->name);
	doc_find(d, policy == NF_DROP ? DOC_BAD : DOC_WARN,
		 doc_text(d,
			  "%s FORWARD has policy %s and no accept rule for %s",
			  f->tool, policy == NF_DROP ? "DROP" : "ACCEPT",
			  b->name),
		 policy == NF_DROP
			 ? "packets to and from this network are dropped "
			   "there, whatever Berth's own table says"
			 : "any dropping rule of that chain hits this network",
		 doc_text(d, "%s (it keeps such rules), or: %s",
			  driver_command(b->driver, true, cmd), rules));
}

void doc_check_forward_chain(struct doc *d)
{
	for (size_t i = 0; d->fw && i < ARRAY_SIZE(families); i++) {
		const struct fw_table *t = &families[i].table;
		uint32_t policy;

		if (fw_chain_policy(d->fw, t, "FORWARD", &policy, NULL) < 0)
			continue;
		forget_accepts(d);
		(void)fw_rule_each(d->fw, t, "DOCKER-USER", note_accept, d,
				   NULL);
		(void)fw_rule_each(d->fw, t, "FORWARD", note_accept, d, NULL);
		for (size_t n = 0; n < d->bridge_count; n++)
			judge_bridge(d, &families[i], &d->bridges[n], policy);
	}
}

/* ---- legacy xtables ------------------------------------------------------ */

/* Is "filter" among the tables that the old interface has made here? */
static bool has_legacy_filter(const char *path)
{
	char buf[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	closep(&fd);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	for (char *save = NULL, *s = strtok_r(buf, "\n", &save); s;
	     s = strtok_r(NULL, "\n", &save))
		if (strcmp(s, "filter") == 0)
			return true;
	return false;
}

/* Its rules can't be read by nf_tables: all that is known is that there is a
 * table, so it is a warning with the commands that look and mend. */
static void legacy_of(struct doc *d, const char *path, const char *tool,
		      bool v6)
{
	if (!has_legacy_filter(path))
		return;
	for (size_t i = 0; i < d->bridge_count; i++) {
		const struct doc_bridge *b = &d->bridges[i];

		if (b->respect || !(v6 ? b->v6 : b->v4))
			continue;
		doc_find(d, DOC_WARN,
			 doc_text(d,
				  "legacy %s rules are loaded beside nf_tables",
				  tool),
			 doc_text(d,
				  "if their FORWARD chain drops (%s-legacy -S "
				  "FORWARD), network %.12s does not work; "
				  "Berth writes no legacy rules",
				  tool, b->id),
			 doc_text(d,
				  "%s-legacy -I FORWARD -i %s -j ACCEPT; "
				  "%s-legacy -I FORWARD -o %s -j ACCEPT",
				  tool, b->name, tool, b->name));
	}
}

void doc_check_legacy(struct doc *d)
{
	legacy_of(d, "/proc/net/ip_tables_names", "iptables", false);
	legacy_of(d, "/proc/net/ip6_tables_names", "ip6tables", true);
}

/* ---- firewalld ----------------------------------------------------------- */

static int note_zone(void *ctx, const struct fw_rule_info *r)
{
	struct doc_bridge *b = doc_bridge(ctx, r->iifname);

	if (b)
		b->zoned = true;
	return 0;
}

/* It ends its forward chain with a reject, which an accept elsewhere can't
 * undo: the daemon keeps its rules there too, where firewalld lets it. */
void doc_check_firewalld(struct doc *d)
{
	static const struct fw_table t = { NFPROTO_INET, "firewalld" };
	/* else what stays within a bridge meets no FORWARD chain */
	bool frames_pass = doc_sysctl(nf_call_v4, 0) == 1 ||
			   doc_sysctl(nf_call_v6, 0) == 1;

	if (!d->fw ||
	    fw_chain_find(d->fw, &t, "filter_FORWARD", NULL, NULL) < 0)
		return;
	forget_accepts(d);
	(void)fw_rule_each(d->fw, &t, "filter_FORWARD", note_accept, d, NULL);
	/* the second: before firewalld 1.0 */
	(void)fw_rule_each(d->fw, &t, "filter_FORWARD_ZONES", note_zone, d,
			   NULL);
	(void)fw_rule_each(d->fw, &t, "filter_FORWARD_IN_ZONES", note_zone, d,
			   NULL);
	for (size_t i = 0; i < d->bridge_count; i++) {
		const struct doc_bridge *b = &d->bridges[i];

		if (b->zoned || (b->accept_in && b->accept_out) ||
		    (b->internal && !frames_pass))
			continue;
		doc_find(d, DOC_BAD,
			 doc_text(d, "firewalld runs and knows nothing of %s",
				  b->name),
			 "it rejects what containers of this network send, "
			 "except answers from published ports",
			 doc_text(d,
				  "firewall-cmd --permanent --zone=trusted "
				  "--add-interface=%s; firewall-cmd --reload",
				  b->name));
	}
}

/* ---- bridge netfilter ---------------------------------------------------- */

void doc_check_bridge_nf(struct doc *d)
{
	static const struct {
		const char *path, *tool;
		bool v6;
	} knobs[] = {
		{ nf_call_v4, "iptables", false },
		{ nf_call_v6, "ip6tables", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++) {
		size_t bridges = 0;

		for (size_t n = 0; n < d->bridge_count; n++)
			bridges += knobs[i].v6 ? d->bridges[n].v6
					       : d->bridges[n].v4;
		if (!bridges || doc_sysctl(knobs[i].path, 0) != 1)
			continue;
		doc_find(
			d, DOC_OK,
			doc_text(d,
				 "on: frames between containers of one network "
				 "also pass %s FORWARD (dockerd turns it on)",
				 knobs[i].tool),
			"harmless as long as forward-chain above is ok", NULL);
	}
}

/* ---- DOCKER-USER --------------------------------------------------------- */

struct user_rules {
	struct doc *d;
	const struct family *family;
	unsigned int number; /* as iptables --line-numbers counts */
	unsigned int ended;  /* number of the rule that ends the chain; 0 */
	size_t after;        /* rules after it */
};

static bool is_unconditional(const struct fw_rule_info *r)
{
	return r->simple && !r->iifname[0] && !r->oifname[0] && !r->jump[0] &&
	       r->verdict != UINT32_MAX;
}

/* A published port that the rule names, as it was before DNAT. */
static json_object *hit_port(struct doc *d, const struct fw_rule_info *r)
{
	for (size_t i = 0; i < jget_len(d->ports); i++) {
		json_object *p = json_object_array_get_idx(d->ports, i);
		int64_t first = jget_int(p, "HostFirst");
		int64_t last = jget_int(p, "HostLast");

		if (first != jget_int(p, "ContainerFirst") &&
		    first <= r->dport_last && last >= r->dport_first)
			return p;
	}
	return NULL;
}

static int judge_user_rule(void *ctx, const struct fw_rule_info *r)
{
	struct user_rules *u = ctx;
	json_object *port;

	u->number++;
	if (strncmp(r->comment, "berth:", 6) == 0)
		return 0;
	if (u->ended) {
		u->after++;
		return 0;
	}
	if (is_unconditional(r)) {
		u->ended = u->number;
		return 0;
	}
	port = r->dport ? hit_port(u->d, r) : NULL;
	if (!port)
		return 0;
	doc_find(u->d, DOC_WARN,
		 doc_text(u->d,
			  "rule %u of DOCKER-USER (%s) compares the "
			  "destination port with published port %lld",
			  u->number, u->family->tool,
			  (long long)jget_int(port, "HostFirst")),
		 doc_text(u->d,
			  "it has no effect: there the packet already bears "
			  "the container's port, %lld",
			  (long long)jget_int(port, "ContainerFirst")),
		 doc_text(u->d,
			  "write it with -m conntrack --ctorigdstport %lld in "
			  "place of --dport",
			  (long long)jget_int(port, "HostFirst")));
	return 0;
}

void doc_check_docker_user(struct doc *d)
{
	for (size_t i = 0; d->fw && i < ARRAY_SIZE(families); i++) {
		struct user_rules u = { .d = d, .family = &families[i] };

		if (fw_rule_each(d->fw, &families[i].table, "DOCKER-USER",
				 judge_user_rule, &u, NULL) < 0)
			continue;
		if (u.after)
			doc_find(d, DOC_WARN,
				 doc_text(d,
					  "DOCKER-USER (%s) ends with rule %u; "
					  "after it: %zu more",
					  families[i].tool, u.ended, u.after),
				 "they are never reached and have no effect",
				 doc_text(d,
					  "put them before it: %s -I "
					  "DOCKER-USER ... in place of -A",
					  families[i].tool));
	}
}
