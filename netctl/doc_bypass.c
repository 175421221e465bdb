/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doctor: rules of this host that networks carried by eBPF do not meet. */
#include "netctl/doc.h"

#include <linux/netfilter.h>
#include <string.h>

#define LIST_MAX 300

struct bypass {
	struct doc *d;
	const char *fast; /* names of the bridges, borrowed from the doctor */
	bool v4, v6;
	char where[LIST_MAX]; /* "ip filter DOCKER-USER, ..." */
	size_t rules;
};

/* Berth's own and those that others keep for interfaces of theirs: none of them
 * is meant for what goes to our containers. */
static bool is_about_others(const struct fw_refusal *f)
{
	static const char *const chains[] = { "DOCKER", "LIBVIRT_", "NETAVARK",
					      "CNI-" };

	if (strncmp(f->table.name, "berth-", 6) == 0)
		return true;
	if (strcmp(f->chain, "DOCKER-USER") == 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++)
		if (strncmp(f->chain, chains[i], strlen(chains[i])) == 0)
			return true;
	return false;
}

static int note_refusal(void *ctx, const struct fw_refusal *f)
{
	struct bypass *b = ctx;
	size_t len = strlen(b->where);

	if (is_about_others(f) || (f->table.family == NFPROTO_IPV4 && !b->v4) ||
	    (f->table.family == NFPROTO_IPV6 && !b->v6))
		return 0;
	b->rules += f->rules;
	snprintf(b->where + len, sizeof(b->where) - len, "%s%s %s %s",
		 len ? ", " : "", fw_family_str(f->table.family), f->table.name,
		 f->chain);
	return 0;
}

static void note_networks(struct bypass *b)
{
	for (size_t i = 0; i < b->d->bridge_count; i++) {
		const struct doc_bridge *br = &b->d->bridges[i];

		if (!br->fast)
			continue;
		b->fast = b->fast ? doc_text(b->d, "%s, %s", b->fast, br->name)
				  : br->name;
		b->v4 = b->v4 || br->v4;
		b->v6 = b->v6 || br->v6;
	}
}

void doc_check_bypassed_rules(struct doc *d)
{
	/* where what comes to a port or leaves a container would pass */
	const uint32_t hooks = UINT32_C(1) << NF_INET_PRE_ROUTING |
			       UINT32_C(1) << NF_INET_FORWARD |
			       UINT32_C(1) << NF_INET_INGRESS;
	struct bypass b = { .d = d };

	note_networks(&b);
	if (!b.fast || !d->fw ||
	    fw_refuse_each(d->fw, hooks, note_refusal, &b, NULL) < 0 ||
	    !b.rules)
		return;
	doc_find(d, DOC_WARN,
		 doc_text(d, "%zu rule(s) that refuse packets, in %s, %s",
			  b.rules, b.where,
			  "are not met by networks that eBPF carries"),
		 doc_text(d,
			  "published ports and connections out of %s go past "
			  "them: whom they refuse is served all the same",
			  b.fast),
		 "where they are meant for containers: -o "
		 "berth.firewall=respect for the network (nftables carries it "
		 "then), or -o berth.allow=CIDR for the port; else nothing");
}
