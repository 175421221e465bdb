/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl doctor: what on this host breaks a network, and how to mend it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "lib/netns.h"
#include "netctl/cmds.h"
#include "netctl/doc.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"

#define ASK_MS 5000 /* a daemon that takes longer is a finding */

static const struct {
	const char *name;
	void (*run)(struct doc *d);
	const char *fine; /* what is so when it finds nothing */
} checks[] = {
	{ "kernel", doc_check_kernel, "has all that networks need" },
	{ "mounts", doc_check_mounts, "cgroup v2 and bpf are mounted" },
	{ "daemons", doc_check_daemons, "answer" },
	{ "drift", doc_check_drift, "records and kernel agree" },
	{ "forwarding", doc_check_forwarding, "as the networks need it" },
	{ "forward-chain", doc_check_forward_chain,
	  "no foreign rule stands in the way" },
	{ "legacy-iptables", doc_check_legacy, "no legacy tables in use" },
	{ "firewalld", doc_check_firewalld,
	  "does not run, or knows the bridges" },
	{ "bridge-netfilter", doc_check_bridge_nf, "harmless" },
	{ "docker-user", doc_check_docker_user, "every rule has its effect" },
	{ "bypassed-rules", doc_check_bypassed_rules,
	  "no rule is passed by that refuses" },
	{ "overlay-port", doc_check_overlay_port,
	  "no rule closes it to other hosts" },
	{ "rp-filter", doc_check_rp_filter, "not strict" },
	{ "route-localnet", doc_check_route_localnet, "off on uplinks" },
	{ "accept-ra", doc_check_accept_ra, "uplinks keep their routes" },
	{ "routes", doc_check_routes, "no overlap with networks" },
	{ "mtu", doc_check_mtu, "networks fit through the uplink" },
	{ "conntrack", doc_check_conntrack, "room in the table" },
	{ "space", doc_check_space, "room for records" },
	{ "docker", doc_check_docker, "nothing to say" },
};

static const struct out_col cols[] = {
	{ "Level", "LEVEL", OUT_TEXT, NULL },
	{ "Check", "CHECK", OUT_TEXT, NULL },
	{ "What", "WHAT", OUT_TEXT, NULL },
	{ "Why", "why", OUT_TEXT, NULL },
	{ "Fix", "do", OUT_TEXT, NULL },
	{ 0 },
};

/* ---- for the checks ------------------------------------------------------ */

static void add(struct doc *d, enum doc_level level, const char *what,
		const char *why, const char *fix)
{
	static const char *const names[] = {
		[DOC_OK] = "ok",
		[DOC_WARN] = "warn",
		[DOC_BAD] = "bad",
	};
	json_object *row;

	if (level == DOC_OK && d->ctl->quiet)
		return;
	row = json_object_new_object();
	jset_str(row, "Level", names[level]);
	jset_str(row, "Check", d->check);
	jset_str(row, "What", what);
	jset_str(row, "Why", why ? why : "");
	jset_str(row, "Fix", fix ? fix : "");
	json_object_array_add(d->findings, row);
}

void doc_find(struct doc *d, enum doc_level level, const char *what,
	      const char *why, const char *fix)
{
	d->found++;
	if (level == DOC_BAD)
		d->bad++;
	add(d, level, what, why, fix);
}

const char *doc_text(struct doc *d, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	json_object *o;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return "out of memory";
	}
	o = json_object_new_string(text);
	if (!o || json_object_array_add(d->texts, o) < 0)
		return "out of memory";
	return json_object_get_string(o);
}

long doc_sysctl(const char *path, long none)
{
	char buf[64], *end;
	long value;

	if (sysctl_get(path, buf, sizeof(buf), NULL) < 0)
		return none;
	value = strtol(buf, &end, 10);
	return end == buf ? none : value;
}

json_object *doc_ask(struct doc *d, const struct doc_daemon *who,
		     const char *method, const char *key, json_object **ret)
{
	struct ctl ask = *d->ctl;

	ask.timeout_ms = ASK_MS;
	if (who->r < 0 ||
	    driver_call(&ask, who->name, method, NULL, ret, NULL) < 0)
		return NULL;
	return jget_array(*ret, key);
}

struct best {
	struct nlk_route route;
	bool found;
};

static int note_default(void *ctx, const struct nlk_route *r)
{
	struct best *best = ctx;

	if (r->dst.len != 0 || r->oif == 0 || r->table != 254 /* main */)
		return 0;
	if (!best->found || r->metric < best->route.metric)
		best->route = *r;
	best->found = true;
	return 0;
}

int doc_uplink(struct doc *d, int family, struct nlk_link *ret)
{
	struct best best = { 0 };

	if (!d->nlk ||
	    nlk_route_each(d->nlk, family, note_default, &best, NULL) < 0 ||
	    !best.found)
		return -ENETUNREACH;
	return nlk_link_get(d->nlk, NULL, best.route.oif, ret, NULL);
}

/* ---- what they look at --------------------------------------------------- */

static struct doc_bridge *add_bridge(struct doc *d, const struct nlk_link *link,
				     const char *id, const char *driver,
				     size_t driver_len)
{
	struct doc_bridge *b =
		reallocarray(d->bridges, d->bridge_count + 1, sizeof(*b));

	if (!b)
		return NULL;
	d->bridges = b;
	b += d->bridge_count++;
	*b = (struct doc_bridge){ .index = link->index, .mtu = link->mtu };
	snprintf(b->name, sizeof(b->name), "%s", link->name);
	snprintf(b->id, sizeof(b->id), "%s", id);
	snprintf(b->driver, sizeof(b->driver), "%.*s", (int)driver_len, driver);
	return b;
}

/* A bridge with the mark "berth:<driver>:<id>". */
static int note_bridge(void *ctx, const struct nlk_link *link)
{
	const char *driver = link->alias + strlen("berth:");
	const char *id = strrchr(link->alias, ':');

	/* dm-: the parent of a network without a way out, where the kernel has
	 * no dummies */
	if (strcmp(link->kind, "bridge") != 0 ||
	    strncmp(link->alias, "berth:", 6) != 0 ||
	    strncmp(link->name, "dm-", 3) == 0)
		return 0;
	if (id <= driver)
		return 0;
	return add_bridge(ctx, link, id + 1, driver, (size_t)(id - driver))
		       ? 0
		       : -ENOMEM;
}

static int note_addr(void *ctx, int index, const struct ip_prefix *p)
{
	struct doc *d = ctx;

	for (size_t i = 0; i < d->bridge_count; i++) {
		struct doc_bridge *b = &d->bridges[i];

		if (b->index != index ||
		    (p->addr.family == AF_INET6 && p->addr.bytes[0] == 0xfe &&
		     (p->addr.bytes[1] & 0xc0) == 0x80)) /* link-local */
			continue;
		b->v4 = b->v4 || p->addr.family == AF_INET;
		b->v6 = b->v6 || p->addr.family == AF_INET6;
		if (b->prefix_count < DOC_PREFIXES)
			b->prefixes[b->prefix_count++] = *p;
	}
	return 0;
}

struct doc_bridge *doc_bridge(struct doc *d, const char *name)
{
	for (size_t i = 0; i < d->bridge_count; i++)
		if (strcmp(d->bridges[i].name, name) == 0)
			return &d->bridges[i];
	return NULL;
}

/* Adds what only the daemon knows; a bridge that an administrator made and
 * lent to a network (bridge.name) bears no mark. */
static void note_network(struct doc *d, const struct doc_daemon *who,
			 json_object *net)
{
	json_object *opts = jget(net, "Options");
	const char *respect = jget_str(opts, "berth.firewall");
	const char *name = jget_str(net, "Bridge");
	struct doc_bridge *b = doc_bridge(d, name);
	struct nlk_link link;

	if (!b && d->nlk && *name &&
	    nlk_link_get(d->nlk, name, 0, &link, NULL) == 0)
		b = add_bridge(d, &link, jget_str(net, "NetworkID"), who->name,
			       strlen(who->name));
	if (!b)
		return; /* told by the check of drift */
	b->internal = jget_bool(net, "Internal");
	b->respect = strcmp(respect, "respect") == 0;
	b->fast = strcmp(jget_str(net, "Dataplane"), "ebpf") == 0;
	if (strcmp(who->name, "berth-overlay") != 0)
		return;
	b->encrypted = strcmp(jget_str(opts, "berth.encrypt"), "on") == 0;
	b->wire_port = b->encrypted ? 51821 : 4789;
}

static void look_at_daemon(struct doc *d, const struct doc_daemon *who)
{
	_cleanup_(json_putp) json_object *nets = NULL, *ports = NULL;
	json_object *list =
		doc_ask(d, who, "Berth.Networks", "Networks", &nets);

	for (size_t i = 0; i < jget_len(list); i++)
		note_network(d, who, json_object_array_get_idx(list, i));
	list = doc_ask(d, who, "Berth.Ports", "Ports", &ports);
	for (size_t i = 0; i < jget_len(list); i++)
		json_object_array_add(
			d->ports,
			json_object_get(json_object_array_get_idx(list, i)));
}

static void look(struct doc *d)
{
	struct ctl ask = *d->ctl;

	ask.timeout_ms = ASK_MS;
	if (nlk_open(&d->nlk, NULL) == 0)
		(void)nlk_link_each(d->nlk, note_bridge, d, NULL);
	(void)fw_open(&d->fw, NULL);
	for (const struct driver *v = drivers;
	     v->name && d->daemon_count < DOC_DAEMONS; v++) {
		struct doc_daemon *who = &d->daemons[d->daemon_count++];

		who->name = v->name;
		who->r = driver_call(&ask, v->name, "Berth.Info", NULL,
				     &who->info, &who->err);
		if (who->r == 0 && v->kind == DRIVER_NETWORK)
			look_at_daemon(d, who);
	}
	if (d->nlk)
		(void)nlk_addr_each(d->nlk, 0, note_addr, d, NULL);
}

static void doc_fini(struct doc *d)
{
	nlk_close(d->nlk);
	fw_close(d->fw);
	for (size_t i = 0; i < d->daemon_count; i++)
		json_object_put(d->daemons[i].info);
	free(d->bridges);
	json_object_put(d->ports);
	json_object_put(d->findings);
	json_object_put(d->texts);
}

static int doctor_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(doc_fini) struct doc d = {
		.ctl = ctl,
		.ports = json_object_new_array(),
		.findings = json_object_new_array(),
		.texts = json_object_new_array(),
	};
	int r;

	if (geteuid() != 0)
		return err_set(err, -EPERM,
			       "must be root to see the firewall and the "
			       "daemons' sockets");
	look(&d);
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		d.check = checks[i].name;
		d.found = 0;
		checks[i].run(&d);
		if (d.found == 0)
			add(&d, DOC_OK, checks[i].fine, NULL, NULL);
	}
	r = out_blocks(stdout, ctl->format, cols, 3, d.findings, err);
	return r < 0 ? r : d.bad ? CLI_PROBLEMS : 0;
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.summary = "say what on this host breaks a network, and how to mend it",
	.help = "\n"
		"Reads only: the kernel's tables and settings, the daemons, "
		"dockerd.\n"
		"'bad' is something that does not work or will not; 'warn' may "
		"well be\n"
		"meant.  Exit status 3 when something is bad.\n"
		"\n"
		"  netctl doctor\n"
		"  netctl doctor --quiet\n"
		"  netctl doctor --json | jq -r '.[] | "
		"select(.Level==\"bad\").Fix'\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_DOCKER | CLI_TIMEOUT | CLI_QUIET,
	.run = doctor_run,
};
