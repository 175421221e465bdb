/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl network ls, inspect, create, rm, prune. */
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/client.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/docker.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/nets.h"
#include "netctl/view.h"

static const struct out_col ls_cols[] = {
	{ "NetworkID", "NETWORK ID", OUT_ID, NULL },
	{ "Name", "NAME", OUT_TEXT, NULL },
	{ "Driver", "DRIVER", OUT_TEXT, NULL },
	{ "Subnets", "SUBNETS", OUT_LIST, NULL },
	{ "Bridge", "BRIDGE", OUT_TEXT, NULL },
	{ "Dataplane", "DATAPLANE", OUT_TEXT, NULL },
	{ "MTU", "MTU", OUT_NUM, NULL },
	{ "Endpoints", "ENDPOINTS", OUT_NUM, NULL },
	{ "Internal", "INTERNAL", OUT_BOOL, NULL },
	{ "IPv6", NULL, OUT_BOOL, NULL },
	{ "Gateways", NULL, OUT_LIST, NULL },
	{ "Options", NULL, OUT_PAIRS, NULL },
	{ "Created", NULL, OUT_TEXT, NULL },
	{ 0 },
};

#define ENDPOINT_COLS                                         \
	{ "EndpointID", "ENDPOINT ID", OUT_ID, NULL },        \
		{ "Container", "CONTAINER", OUT_TEXT, NULL }, \
		{ "Interface", "INTERFACE", OUT_TEXT, NULL }, \
		{ "Address", "ADDRESS", OUT_TEXT, NULL },     \
		{ "AddressIPv6", "IPV6", OUT_TEXT, NULL },    \
		{ "MacAddress", "MAC", OUT_TEXT, NULL },      \
		{ "Gateway", "GATEWAY", OUT_BOOL, NULL },     \
	{                                                     \
		"Sandbox", NULL, OUT_TEXT, NULL               \
	}

static const struct out_col endpoint_cols[] = {
	ENDPOINT_COLS,
	{ "Ports", NULL, OUT_ROWS, view_port_cols },
	{ 0 },
};

static const struct out_col endpoint_stat_json[] = {
	ENDPOINT_COLS,
	{ "Ports", NULL, OUT_ROWS, view_port_stat_json },
	{ "Stats", NULL, OUT_PAIRS, NULL },
	{ 0 },
};

static const struct out_col endpoint_stat_cols[] = {
	{ "EndpointID", "ENDPOINT ID", OUT_ID, NULL },
	{ "Container", "CONTAINER", OUT_TEXT, NULL },
	{ "Address", "ADDRESS", OUT_TEXT, NULL },
	VIEW_STAT_COLS,
	{ 0 },
};

#define INSPECT_COLS(endpoints, ports)                                        \
	{                                                                     \
		{ "NetworkID", "Network ID", OUT_ID, NULL },                  \
			{ "Name", "Name", OUT_TEXT, NULL },                   \
			{ "Driver", "Driver", OUT_TEXT, NULL },               \
			{ "Created", "Created", OUT_TEXT, NULL },             \
			{ "Bridge", "Bridge", OUT_TEXT, NULL },               \
			{ "Dataplane", "Dataplane", OUT_TEXT, NULL },         \
			{ "MTU", "MTU", OUT_NUM, NULL },                      \
			{ "Internal", "Internal", OUT_BOOL, NULL },           \
			{ "IPv6", "IPv6", OUT_BOOL, NULL },                   \
			{ "Subnets", "Subnets", OUT_LIST, NULL },             \
			{ "Gateways", "Gateways", OUT_LIST, NULL },           \
			{ "Options", "Options", OUT_PAIRS, NULL },            \
			{ "EndpointCount", "Endpoints", OUT_NUM, NULL },      \
			{ "EndpointList", "Endpoints", OUT_ROWS, endpoints }, \
			{ "Ports", "Published ports", OUT_ROWS, ports },      \
			{ 0 },                                                \
	}

static const struct out_col inspect_cols[] =
	INSPECT_COLS(endpoint_cols, view_port_cols);
static const struct out_col inspect_stat_json[] =
	INSPECT_COLS(endpoint_stat_json, view_port_stat_json);
static const struct out_col inspect_stat_cols[] =
	INSPECT_COLS(endpoint_stat_cols, view_port_stat_cols);

static const struct out_col *columns(const struct ctl *ctl)
{
	if (!ctl->stats)
		return inspect_cols;
	return ctl->format == OUT_JSON ? inspect_stat_json : inspect_stat_cols;
}

static void add_names(json_object *rows, const struct docker_names *names)
{
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);

		jset_str(row, "Name",
			 docker_network(names, jget_str(row, "NetworkID")));
	}
}

static bool nobody_serves(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED;
}

/* Those of drivers that are not Berth's, as far as our own record says. */
static void add_foreign(const struct ctl *ctl, json_object *rows)
{
	_cleanup_(json_putp) json_object *nets = NULL, *eps = NULL;

	if (nets_list(ctl, &nets, &eps, NULL) < 0)
		return;
	for (size_t i = 0; i < jget_len(nets); i++) {
		json_object *net = json_object_array_get_idx(nets, i);
		const char *id = jget_str(net, "NetworkID");
		json_object *subnets, *pools = jget_array(net, "Pools");
		int64_t count = 0;

		if (driver_find(jget_str(net, "Driver"), NULL))
			continue;
		subnets = json_object_new_array();
		for (size_t p = 0; p < jget_len(pools); p++)
			json_object_array_add(
				subnets,
				json_object_get(jget(
					json_object_array_get_idx(pools, p),
					"Pool")));
		for (size_t e = 0; e < jget_len(eps); e++)
			count += strcmp(jget_str(json_object_array_get_idx(eps,
									   e),
						 "NetworkID"),
					id) == 0;
		jset(net, "Subnets", subnets);
		jset(net, "Endpoints", json_object_new_int64(count));
		json_object_array_add(rows, json_object_get(net));
	}
}

static int ls_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL;
	_cleanup_(docker_names_fini) struct docker_names names = { 0 };
	int r, partial;

	partial = driver_collect(ctl, DRIVER_NETWORK, "Berth.Networks",
				 "Networks", NULL, &rows, err);
	if (nobody_serves(partial)) { /* there may be others' all the same */
		rows = json_object_new_array();
		add_foreign(ctl, rows);
	}
	if (partial < 0 && jget_len(rows) == 0)
		return partial;
	docker_names_load(ctl, &names);
	add_names(rows, &names);
	if (partial >= 0)
		add_foreign(ctl, rows);
	r = out_rows(stdout, ctl->format, ls_cols, rows, err);
	return r < 0 || partial < 0 ? r : partial;
}

/* By full id, else by Docker's name, else by a prefix that only one has. */
static int find_network(json_object *rows, const char *word, json_object **ret,
			struct err *err)
{
	json_object *by_prefix = NULL, *by_name = NULL;
	size_t prefixes = 0, names = 0;

	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		const char *id = jget_str(row, "NetworkID");

		if (strcmp(id, word) == 0) {
			*ret = row;
			return 0;
		}
		if (strcmp(jget_str(row, "Name"), word) == 0) {
			by_name = row;
			names++;
		}
		if (*word && strncmp(id, word, strlen(word)) == 0) {
			by_prefix = row;
			prefixes++;
		}
	}
	if (names > 1 || (names == 0 && prefixes > 1))
		return err_set(
			err, -ENOTUNIQ,
			"%zu networks are called \"%s\": give more of the id",
			names > 1 ? names : prefixes, word);
	*ret = by_name ? by_name : by_prefix;
	if (!*ret)
		return err_set(err, -ENOENT,
			       "no Berth network \"%s\": 'netctl network ls' "
			       "lists them",
			       word);
	return 0;
}

/* Names of the endpoints' containers, and all their ports in one list. */
static void add_endpoints(json_object *net, const struct docker_names *names)
{
	json_object *list = jget_array(net, "EndpointList");
	json_object *all = json_object_new_array();

	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *ep = json_object_array_get_idx(list, i);
		json_object *ports = jget_array(ep, "Ports");

		jset_str(ep, "Container",
			 docker_container(names, jget_str(ep, "EndpointID")));
		view_ports(ports, names);
		for (size_t p = 0; p < jget_len(ports); p++)
			json_object_array_add(
				all, json_object_get(json_object_array_get_idx(
					     ports, p)));
	}
	view_stats(list);
	view_stats(all);
	jset(net, "Ports", all);
}

static int inspect_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL, *net = NULL;
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(docker_names_fini) struct docker_names names = { 0 };
	json_object *row = NULL;
	int r, partial;

	partial = driver_collect(ctl, DRIVER_NETWORK, "Berth.Networks",
				 "Networks", NULL, &rows, err);
	if (partial < 0)
		return partial;
	docker_names_load(ctl, &names);
	add_names(rows, &names);
	r = find_network(rows, ctl->args[0], &row, err);
	if (r < 0)
		return r;
	jset_str(body, "NetworkID", jget_str(row, "NetworkID"));
	jset(body, "Stats", json_object_new_boolean(ctl->stats));
	r = driver_call(ctl, jget_str(row, "Driver"), "Berth.Network", body,
			&net, err);
	if (r < 0)
		return r;
	jset_str(net, "Name", jget_str(row, "Name"));
	jset_str(net, "Driver", jget_str(row, "Driver"));
	add_endpoints(net, &names);
	r = out_object(stdout, ctl->format, columns(ctl), net, err);
	return r < 0 ? r : partial;
}

/* dockerd would go on with a network that is not there any more. */
static int check_forgotten(const struct ctl *ctl, const char *id,
			   struct err *err)
{
	_cleanup_(json_putp) json_object *nets = NULL;
	struct err why = { 0 };
	int r = client_http_get(ctl->docker, "/networks", ctl->timeout_ms,
				&nets, &why);

	if (r < 0 && ctl->force)
		return 0;
	if (r < 0)
		return err_set(err, r,
			       "%s; whether it has network %.12s on record is "
			       "not known: start it, or give --force where "
			       "there is no Docker",
			       why.msg, id);
	for (size_t i = 0; i < jget_len(nets); i++) {
		json_object *net = json_object_array_get_idx(nets, i);

		if (strcmp(jget_str(net, "Id"), id) == 0)
			return err_set(err, -EBUSY,
				       "dockerd has network %.12s on record: "
				       "docker network rm %s",
				       id, jget_str(net, "Name"));
	}
	return 0;
}

static int create_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(book_closep) struct book *b = NULL;
	_cleanup_(json_putp) json_object *net = NULL;
	const struct net_spec spec = {
		.name = ctl->args[0],
		.driver = ctl->driver ? ctl->driver : "berth-bridge",
		.ipam = ctl->ipam ? ctl->ipam : "berth-ipam",
		.subnets = ctl->subnets,
		.gateways = ctl->gateways,
		.ranges = ctl->ranges,
		.aux = ctl->aux,
		.opts = ctl->opts,
		.ipam_opts = ctl->ipam_opts,
		.ipv6 = ctl->ipv6,
		.internal = ctl->internal,
	};
	int r = nets_open(ctl, true, &b, err);

	if (r == 0)
		r = nets_create(ctl, b, &spec, &net, err);
	if (r == 0)
		printf("%s\n", jget_str(net, "NetworkID"));
	return r;
}

/* Return: 1: netctl made none of that name or id; 0: removed. */
static int rm_own(struct ctl *ctl, const char *word, struct err *err)
{
	_cleanup_(book_closep) struct book *b = NULL;
	_cleanup_(json_putp) json_object *net = NULL;
	/* it may be half removed: that goes on first */
	int r = book_open(ctl, false, &b, err);

	if (r == 0)
		r = book_find_network(b, word, &net, err);
	/* a beginning may be that of a network of dockerd's as well */
	if (r == -ENOENT ||
	    (r == 0 && strcmp(jget_str(net, "Name"), word) != 0 &&
	     strcmp(jget_str(net, "NetworkID"), word) != 0))
		return 1;
	if (r == 0)
		r = nets_remove(ctl, b, net, err);
	if (r < 0)
		return r;
	printf("%s\n", jget_str(net, "NetworkID"));
	nets_settle(ctl, b);
	return 0;
}

static int rm_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL;
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(docker_names_fini) struct docker_names names = { 0 };
	json_object *row = NULL;
	const char *id;
	int r = rm_own(ctl, ctl->args[0], err);

	if (r <= 0)
		return r;
	r = driver_collect(ctl, DRIVER_NETWORK, "Berth.Networks", "Networks",
			   NULL, &rows, err);
	if (r < 0)
		return r;
	docker_names_load(ctl, &names);
	add_names(rows, &names);
	r = find_network(rows, ctl->args[0], &row, err);
	if (r < 0)
		return r;
	id = jget_str(row, "NetworkID");
	r = rm_own(ctl, id, err); /* by the beginning of its id */
	if (r <= 0)
		return r;
	r = check_forgotten(ctl, id, err);
	if (r < 0)
		return r;
	jset_str(body, "NetworkID", id);
	r = driver_call(ctl, jget_str(row, "Driver"),
			"NetworkDriver.DeleteNetwork", body, NULL, err);
	if (r == 0)
		printf("%s\n", id);
	return r;
}

static const struct out_col prune_cols[] = {
	{ "NetworkID", "NETWORK ID", OUT_ID, NULL },
	{ "Name", "REMOVED", OUT_TEXT, NULL },
	{ "Driver", "DRIVER", OUT_TEXT, NULL },
	{ 0 },
};

static const struct out_col prune_dry_cols[] = {
	{ "NetworkID", "NETWORK ID", OUT_ID, NULL },
	{ "Name", "WOULD REMOVE", OUT_TEXT, NULL },
	{ "Driver", "DRIVER", OUT_TEXT, NULL },
	{ 0 },
};

/* Return: 0; CLI_FAILED: one stays, told. */
static int prune_all(struct ctl *ctl, struct book *b, json_object *nets,
		     json_object *gone)
{
	int failed = 0;

	for (size_t i = 0; i < jget_len(nets); i++) {
		json_object *net = json_object_array_get_idx(nets, i);
		struct err why = { 0 };
		bool used = true;
		int r = nets_in_use(b, net, &used, &why);

		if (r == 0 && used)
			continue;
		if (r == 0 && !ctl->dry_run)
			r = nets_remove(ctl, b, net, &why);
		if (r == 0) {
			json_object_array_add(gone, json_object_get(net));
			continue;
		}
		cli_warn("%s: %s", jget_str(net, "Name"), why.msg);
		failed = CLI_FAILED;
	}
	return failed;
}

static int prune_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *nets = NULL;
	_cleanup_(json_putp) json_object *gone = json_object_new_array();
	_cleanup_(book_closep) struct book *b = NULL;
	int r = nets_open(ctl, false, &b, err), failed = 0;

	if (r == 0)
		r = book_networks(b, &nets, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (nets)
		failed = prune_all(ctl, b, nets, gone);
	r = out_rows(stdout, ctl->format,
		     ctl->dry_run ? prune_dry_cols : prune_cols, gone, err);
	return r < 0 ? r : failed;
}

const struct cmd cmd_network_ls = {
	.name = "network ls",
	.summary = "list networks",
	.help = "\n"
		"Names are Docker's, where dockerd answers within a second.\n"
		"\n"
		"  netctl network ls\n"
		"  netctl network ls --json | jq -r '.[].Bridge'\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_DOCKER | CLI_TIMEOUT,
	.run = ls_run,
};

const struct cmd cmd_network_inspect = {
	.name = "network inspect",
	.args = "NETWORK",
	.summary = "show one network, its endpoints and their ports",
	.help = "\n"
		"NETWORK is Docker's name, the id, or the beginning of the "
		"id.\n"
		"\n"
		"With --stats, what the eBPF dataplane counted of each "
		"endpoint and\n"
		"port: see netctl ports --help.\n"
		"\n"
		"  netctl network inspect n1\n"
		"  netctl network inspect 3f2a --json\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_DOCKER | CLI_TIMEOUT | CLI_STATS,
	.min_args = 1,
	.max_args = 1,
	.run = inspect_run,
};

const struct cmd cmd_network_create = {
	.name = "network create",
	.args = "NAME",
	.summary = "make a network without Docker",
	.help = "\n"
		"As docker network create, by the same plugins: any that has "
		"its socket in\n--plugin-dir.  'netctl attach' plugs network "
		"namespaces into it; dockerd does not\nknow it.  Options are "
		"the driver's, as with Docker.\n"
		"\n"
		"  netctl network create shop\n"
		"  netctl network create --subnet 10.1.0.0/16 --ip-range "
		"10.1.4.0/24 shop\n"
		"  netctl network create -d berth-macvlan -o parent=eth0 "
		"--subnet 192.168.1.0/24 lan\n",
	.takes = CLI_DIRS | CLI_TIMEOUT | CLI_OPT | CLI_DRIVER | CLI_POOLS,
	.min_args = 1,
	.max_args = 1,
	.run = create_run,
};

const struct cmd cmd_network_rm = {
	.name = "network rm",
	.args = "NETWORK",
	.summary = "remove a network that dockerd does not have",
	.help = "\n"
		"One that 'netctl network create' made, or that dockerd "
		"forgot:\n"
		"dockerd forgets a network whose removal failed, as by a "
		"daemon "
		"that was away; its\nsubnet stays taken.  Refused while "
		"containers are in it, and where dockerd has it\n(docker "
		"network rm), or does not answer and --force is not given.\n"
		"\n"
		"NETWORK is the id, or the beginning of the id: netctl network "
		"ls.\n"
		"\n"
		"  netctl network rm 3f2a\n",
	.takes = CLI_DIRS | CLI_DOCKER | CLI_TIMEOUT | CLI_FORCE,
	.min_args = 1,
	.max_args = 1,
	.run = rm_run,
};

const struct cmd cmd_network_prune = {
	.name = "network prune",
	.summary = "remove the networks that nothing is attached to",
	.help = "\n"
		"Of those that 'netctl network create' made.  A namespace that "
		"is gone is attached\nto nothing.\n"
		"\n"
		"  netctl network prune --dry-run\n"
		"  netctl network prune\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT | CLI_DRY_RUN,
	.run = prune_run,
};
