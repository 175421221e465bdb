/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl ipam pools, leases, check, gc. */
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/ip.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/drivers.h"
#include "netctl/ipam_seen.h"
#include "netctl/jget.h"

static const struct out_col pool_cols[] = {
	{ "Pool", "POOL", OUT_TEXT, NULL },
	{ "SubPool", "RANGE", OUT_TEXT, NULL },
	{ "Networks", "NETWORKS", OUT_NUM, NULL },
	{ "Leases", "LEASES", OUT_NUM, NULL },
	{ "Reserved", "RESERVED", OUT_NUM, NULL },
	{ "Resting", "RESTING", OUT_NUM, NULL },
	{ "Size", "SIZE", OUT_NUM, NULL },
	{ "Automatic", "AUTOMATIC", OUT_BOOL, NULL },
	{ "DhcpParent", "DHCP", OUT_TEXT, NULL },
	{ "PoolID", NULL, OUT_TEXT, NULL },
	{ "AddressSpace", NULL, OUT_TEXT, NULL },
	{ "Created", NULL, OUT_TEXT, NULL },
	{ "Driver", NULL, OUT_TEXT, NULL },
	{ 0 },
};

static const struct out_col lease_cols[] = {
	{ "Address", "ADDRESS", OUT_TEXT, NULL },
	{ "Use", "USE", OUT_TEXT, NULL },
	{ "MacAddress", "MAC", OUT_TEXT, NULL },
	{ "Fixed", "FIXED", OUT_BOOL, NULL },
	{ "PoolID", "POOL ID", OUT_TEXT, NULL },
	{ "Since", "SINCE", OUT_TEXT, NULL },
	{ "DhcpState", "DHCP", OUT_TEXT, NULL },
	{ "DhcpLeftMs", "LEFT", OUT_SPAN, NULL },
	{ "DhcpServer", "SERVER", OUT_TEXT, NULL },
	{ "DhcpParent", NULL, OUT_TEXT, NULL },
	{ "DhcpRouter", NULL, OUT_TEXT, NULL },
	{ "DhcpError", NULL, OUT_TEXT, NULL },
	{ "Networks", NULL, OUT_NUM, NULL },
	{ "Driver", NULL, OUT_TEXT, NULL },
	{ 0 },
};

static const struct out_col problem_cols[] = {
	{ "Driver", "DRIVER", OUT_TEXT, NULL },
	{ "Text", "PROBLEM", OUT_TEXT, NULL },
	{ 0 },
};

static const struct out_col removed_cols[] = {
	{ "Driver", "DRIVER", OUT_TEXT, NULL },
	{ "Text", "RELEASED", OUT_TEXT, NULL },
	{ 0 },
};

static const struct out_col dry_cols[] = {
	{ "Driver", "DRIVER", OUT_TEXT, NULL },
	{ "Text", "WOULD RELEASE", OUT_TEXT, NULL },
	{ 0 },
};

static int get_pools(const struct ctl *ctl, json_object **ret, struct err *err)
{
	return driver_collect(ctl, DRIVER_IPAM, "Berth.IpamPools", "Pools",
			      NULL, ret, err);
}

static int get_leases(const struct ctl *ctl, json_object **ret, struct err *err)
{
	return driver_collect(ctl, DRIVER_IPAM, "Berth.IpamLeases", "Leases",
			      NULL, ret, err);
}

/* ---- pools, leases -------------------------------------------------------------- */

static int pools_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL;
	int r, partial = get_pools(ctl, &rows, err);

	if (partial < 0)
		return partial;
	r = out_rows(stdout, ctl->format, pool_cols, rows, err);
	return r < 0 ? r : partial;
}

/* A PoolID, its pool or range, or an address in it. */
static bool lease_matches(json_object *lease, const char *word)
{
	const char *id = jget_str(lease, "PoolID");
	const char *slash = strchr(id, '/');
	struct ip_prefix want, has;

	if (strcmp(id, word) == 0 || (slash && strcmp(slash + 1, word) == 0))
		return true;
	return ip_prefix_parse(word, &want, NULL) == 0 &&
	       ip_prefix_parse(jget_str(lease, "Address"), &has, NULL) == 0 &&
	       ip_prefix_contains(&want, &has.addr);
}

static int leases_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL;
	_cleanup_(json_putp) json_object *chosen = json_object_new_array();
	int r, partial = get_leases(ctl, &rows, err);

	if (partial < 0)
		return partial;
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);

		if (!ctl->arg_count || lease_matches(row, ctl->args[0]))
			json_object_array_add(chosen, json_object_get(row));
	}
	r = out_rows(stdout, ctl->format, lease_cols, chosen, err);
	return r < 0 ? r : partial;
}

/* ---- check, gc -------------------------------------------------------------------- */

/* What is handed out, and what of that somebody uses. */
struct compared {
	json_object *pools, *leases;
	struct ipam_seen seen;
};

static void compared_fini(struct compared *c)
{
	json_object_put(c->pools);
	json_object_put(c->leases);
	ipam_seen_fini(&c->seen);
}

static int compare(struct ctl *ctl, struct compared *c, struct err *err)
{
	int r = get_pools(ctl, &c->pools, err);

	if (r == 0)
		r = get_leases(ctl, &c->leases, err);
	if (r == 0)
		r = ipam_seen_load(ctl, &c->seen, err);
	return r;
}

static void add_row(json_object *rows, const char *driver, const char *text)
{
	json_object *row = json_object_new_object();

	jset_str(row, "Driver", driver);
	jset_str(row, "Text", text);
	json_object_array_add(rows, row);
}

static void pool_text(json_object *pool, char *buf, size_t size)
{
	snprintf(buf, size, "pool %s, which no network has",
		 jget_str(pool, "PoolID"));
}

static void lease_text(json_object *lease, char *buf, size_t size)
{
	snprintf(buf, size,
		 "address %s of %s (MAC %s, since %s), which no container has",
		 jget_str(lease, "Address"), jget_str(lease, "PoolID"),
		 jget_str(lease, "MacAddress"), jget_str(lease, "Since"));
}

/* Pools that are lost are told; their leases go with them. */
static int each_lost(const struct compared *c,
		     int (*fn)(void *ctx, json_object *row, bool pool,
			       const char *text, struct err *err),
		     void *ctx, struct err *err)
{
	_cleanup_(json_putp) json_object *told = json_object_new_object();
	char text[512];
	int r = 0;

	for (size_t i = 0; r == 0 && i < jget_len(c->pools); i++) {
		json_object *pool = json_object_array_get_idx(c->pools, i);

		if (!ipam_seen_pool_lost(&c->seen, pool))
			continue;
		jset(told, jget_str(pool, "PoolID"),
		     json_object_new_boolean(true));
		pool_text(pool, text, sizeof(text));
		r = fn(ctx, pool, true, text, err);
	}
	for (size_t i = 0; r == 0 && i < jget_len(c->leases); i++) {
		json_object *lease = json_object_array_get_idx(c->leases, i);

		if (jget(told, jget_str(lease, "PoolID")) ||
		    !ipam_seen_lease_lost(&c->seen, lease))
			continue;
		lease_text(lease, text, sizeof(text));
		r = fn(ctx, lease, false, text, err);
	}
	return r;
}

static int tell_lost(void *ctx, json_object *row, bool pool, const char *text,
		     struct err *err)
{
	(void)pool;
	(void)err;
	add_row(ctx, jget_str(row, "Driver"), text);
	return 0;
}

static int check_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL;
	_cleanup_(compared_fini) struct compared c = { .pools = NULL };
	struct err why = { 0 };
	int r, partial = driver_collect(ctl, DRIVER_IPAM, "Berth.Check",
					"Problems", NULL, &rows, err);

	if (partial < 0)
		return partial;
	r = compare(ctl, &c, &why);
	if (r < 0) {
		cli_warn("not compared with what is used: %s", why.msg);
		partial = CLI_FAILED;
	} else {
		(void)each_lost(&c, tell_lost, rows, NULL);
	}
	r = out_rows(stdout, ctl->format, problem_cols, rows, err);
	if (r < 0)
		return r;
	return jget_len(rows) ? CLI_PROBLEMS : partial;
}

struct releasing {
	struct ctl *ctl;
	json_object *rows;
};

static int release(void *ctx, json_object *row, bool pool, const char *text,
		   struct err *err)
{
	struct releasing *g = ctx;
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	const char *driver = jget_str(row, "Driver"), *addr;
	char plain[IP_STR_MAX];
	int64_t n = pool ? jget_int(row, "Networks") : 1;
	int r = 0;

	addr = jget_str(row, "Address");
	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(addr, "/"), addr);
	jset_str(body, "PoolID", jget_str(row, "PoolID"));
	if (!pool) {
		jset_str(body, "Address", plain);
		jset_str(body, "MacAddress", jget_str(row, "MacAddress"));
		jset_str(body, "Since", jget_str(row, "Since"));
	}
	for (; !g->ctl->dry_run && r == 0 && n > 0; n--)
		r = driver_call(g->ctl, driver,
				pool ? "IpamDriver.ReleasePool"
				     : "Berth.IpamForget",
				body, NULL, err);
	if (r == 0)
		add_row(g->rows, driver, text);
	return r;
}

/* What a host that is gone for ever has of the cluster's pools. */
static int gc_node(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *rows = NULL;
	int r, partial;

	jset_str(body, "Node", ctl->node);
	jset(body, "DryRun", json_object_new_boolean(ctl->dry_run));
	partial = driver_collect(ctl, DRIVER_IPAM, "Berth.Gc", "Removed", body,
				 &rows, err);
	if (partial < 0)
		return partial;
	r = out_rows(stdout, ctl->format,
		     ctl->dry_run ? dry_cols : removed_cols, rows, err);
	return r < 0 ? r : partial;
}

static int gc_here(struct ctl *ctl, struct err *err)
{
	_cleanup_(compared_fini) struct compared c = { .pools = NULL };
	_cleanup_(json_putp) json_object *rows = json_object_new_array();
	struct releasing g = { .ctl = ctl, .rows = rows };
	struct err why = { 0 };
	int r = compare(ctl, &c, err), failed;

	if (r < 0)
		return r;
	failed = each_lost(&c, release, &g, &why);
	r = out_rows(stdout, ctl->format,
		     ctl->dry_run ? dry_cols : removed_cols, rows, err);
	if (r == 0 && failed < 0)
		return err_set(err, failed, "%s", why.msg);
	return r;
}

static int gc_run(struct ctl *ctl, struct err *err)
{
	return ctl->node ? gc_node(ctl, err) : gc_here(ctl, err);
}

/* ---- the verbs -------------------------------------------------------------------- */

const struct cmd cmd_ipam_pools = {
	.name = "ipam pools",
	.summary = "list address pools and how full they are",
	.help = "\n"
		"RESTING are addresses released a short while ago, which are "
		"handed\n"
		"out last.\n"
		"\n"
		"  netctl ipam pools\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT,
	.run = pools_run,
};

const struct cmd cmd_ipam_leases = {
	.name = "ipam leases",
	.args = "[POOL]",
	.summary = "list addresses that are handed out",
	.help = "\n"
		"POOL is a pool, a range or any prefix: what lies in it is "
		"listed.\n"
		"DHCP is how an address that a DHCP server leases is held: "
		"bound,\n"
		"renewing (past half of its time), rebinding (any server will "
		"do)\n"
		"or lost; LEFT is its time.\n"
		"\n"
		"  netctl ipam leases 10.9.0.0/16\n"
		"  netctl ipam leases --json | jq -r '.[].Address'\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT,
	.max_args = 1,
	.run = leases_run,
};

const struct cmd cmd_ipam_check = {
	.name = "ipam check",
	.summary = "compare handed-out addresses with what Docker uses",
	.help = "\n"
		"Lists what is wrong in berth-ipam's records, and pools and "
		"addresses\n"
		"older than a minute that no network or container of this "
		"Docker and\n"
		"no network of Berth's has.  Changes nothing.  Exit status 3 "
		"when\n"
		"there is something.  --force: where there is no Docker.\n"
		"\n"
		"  netctl ipam check\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT | CLI_DOCKER | CLI_FORCE,
	.run = check_run,
};

const struct cmd cmd_ipam_gc = {
	.name = "ipam gc",
	.summary = "release addresses and pools that nobody uses",
	.help = "\n"
		"Releases what 'netctl ipam check' finds lost.  Not where "
		"several\n"
		"dockerds share berth-ipam: only the one at --docker is "
		"asked.\n"
		"--force: where there is no Docker.\n"
		"\n"
		"With --node: what that host has of the pools that the "
		"cluster's hosts\n"
		"share.  Only when it is gone for ever: the addresses of its "
		"containers\n"
		"are given to others.\n"
		"\n"
		"  netctl ipam gc --dry-run\n"
		"  netctl ipam gc\n"
		"  netctl ipam gc --node host-c\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT | CLI_DOCKER |
		 CLI_DRY_RUN | CLI_NODE | CLI_FORCE,
	.run = gc_run,
};
