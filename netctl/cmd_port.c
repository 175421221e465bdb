/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl port add, rm, ls, backend add, backend rm: one host port balanced over
 * several containers; and, told by a second argument, ports of one (port_live.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/client.h"
#include "lib/ip.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/docker.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/port_live.h"
#include "netctl/portspec.h"

#define BALANCER "berth-bridge" /* the driver that has an eBPF dataplane */

/* ---- backends ------------------------------------------------------------- */

struct resolver {
	const struct ctl *ctl;
	json_object *networks; /* owned: the driver's; NULL: not asked yet */
};

static void resolver_fini(struct resolver *r)
{
	json_object_put(r->networks);
}

/* The driver's network of that id.  Borrowed; NULL: it is none of its. */
static json_object *find_network(json_object *networks, const char *id)
{
	json_object *list = jget_array(networks, "Networks");

	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *net = json_object_array_get_idx(list, i);

		if (*id && strcmp(jget_str(net, "NetworkID"), id) == 0)
			return net;
	}
	return NULL;
}

/* The one network that could balance; the only one at all says best why not. */
static int choose_network(struct resolver *r, json_object *container,
			  const char *name, json_object **ret, struct err *err)
{
	json_object *all = jget(jget(container, "NetworkSettings"), "Networks");
	json_object *any = NULL, *fast = NULL;
	int n = 0, fasts = 0;

	if (json_object_is_type(all, json_type_object)) {
		json_object_object_foreach(all, key, at)
		{
			json_object *net = find_network(
				r->networks, jget_str(at, "NetworkID"));

			(void)key;
			if (!net)
				continue;
			any = at;
			n++;
			if (strcmp(jget_str(net, "Dataplane"), "ebpf") != 0)
				continue;
			fast = at;
			fasts++;
		}
	}
	*ret = fast ? fast : any;
	if (!n)
		return err_set(err, -ENOENT,
			       "container %s is on no network of " BALANCER,
			       name);
	if (fasts > 1 || (!fasts && n > 1))
		return err_set(err, -ENOTUNIQ,
			       "container %s is on several networks: give "
			       "its address on one of them",
			       name);
	return 0;
}

static int ask_docker(struct resolver *r, const char *name, json_object **ret,
		      struct err *err)
{
	char path[192];

	if (strspn(name,
		   "abcdefghijklmnopqrstuvwxyz"
		   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != strlen(name))
		return err_set(err, -EINVAL,
			       "\"%s\" is no container's name and no address",
			       name);
	snprintf(path, sizeof(path), "/containers/%s/json", name);
	return client_http_get(r->ctl->docker, path, r->ctl->timeout_ms, ret,
			       err);
}

/* A container's address on its network, into @body. */
static int resolve_container(struct resolver *r, const char *name,
			     json_object *body, struct err *err)
{
	_cleanup_(json_putp) json_object *container = NULL;
	json_object *at = NULL;
	const char *ip;
	int code = ask_docker(r, name, &container, err);

	if (code == 0 && !r->networks)
		code = driver_call(r->ctl, BALANCER, "Berth.Networks", NULL,
				   &r->networks, err);
	if (code == 0)
		code = choose_network(r, container, name, &at, err);
	if (code < 0)
		return code;
	ip = jget_str(at, "IPAddress");
	if (!*ip)
		ip = jget_str(at, "GlobalIPv6Address");
	if (!*ip)
		return err_set(err, -ENOENT,
			       "container %s has no address: is it running?",
			       name);
	jset_str(body, "Address", ip);
	jset_str(body, "NetworkID", jget_str(at, "NetworkID"));
	return 0;
}

static int resolve(struct resolver *r, const char *text, json_object *list,
		   struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	struct backendspec b;
	struct ip_addr ip;
	int code = backendspec_parse(text, &b, err);

	if (code < 0)
		return code;
	if (ip_parse(b.name, &ip, NULL) == 0)
		jset_str(body, "Address", b.name);
	else
		code = resolve_container(r, b.name, body, err);
	if (code < 0)
		return code;
	if (b.port)
		jset(body, "Port", json_object_new_int(b.port));
	if (b.weight)
		jset(body, "Weight", json_object_new_int(b.weight));
	if (!body || json_object_array_add(list, body) < 0)
		return err_set(err, -ENOMEM, "backends");
	body = NULL;
	return 0;
}

/* ---- requests ------------------------------------------------------------ */

static int put_port(json_object *body, const char *text, struct err *err)
{
	struct portspec p;
	int r = portspec_parse(text, &p, err);

	if (r < 0)
		return r;
	jset_str(body, "HostIP", p.ip);
	jset_str(body, "Proto", p.proto);
	jset(body, "Port", json_object_new_int(p.port));
	return 0;
}

static int put_backends(const struct ctl *ctl, json_object *body,
			const char *key, const char *const *texts, size_t count,
			struct err *err)
{
	_cleanup_(resolver_fini) struct resolver r = { .ctl = ctl };
	json_object *list = json_object_new_array();
	int code = 0;

	jset(body, key, list);
	for (size_t i = 0; code == 0 && i < count; i++)
		code = resolve(&r, texts[i], list, err);
	return code;
}

/* Is it "CONTAINER PORT...", with nothing of the other form beside it? */
static int is_live(const struct ctl *ctl, bool *ret, struct err *err)
{
	bool balanced = ctl->backends.n || ctl->service;

	*ret = ctl->arg_count > 1;
	if (*ret && balanced)
		return err_set(
			err, -EINVAL,
			"--backend and --service balance one host port "
			"over containers; \"port add CONTAINER PORT...\" "
			"has neither");
	if (!*ret && ctl->network)
		return err_set(err, -EINVAL,
			       "--network is for a container's ports, and "
			       "which are they?  CONTAINER PORT...");
	return 0;
}

static int add_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	bool live;
	int r = is_live(ctl, &live, err);

	if (r < 0)
		return r;
	if (live)
		return port_live_add(ctl, err);
	r = put_port(body, ctl->args[0], err);
	if (!ctl->backends.n && !ctl->service)
		return err_set(
			err, -EINVAL,
			"\"%s\" alone says too little: \"netctl port add "
			"CONTAINER 8081:80\" publishes a port of a container, "
			"\"netctl port add 8080 --backend CONTAINER[:PORT]\" "
			"(for each, or --service NAME) balances one",
			ctl->args[0]);
	if (r == 0)
		r = put_backends(ctl, body, "Backends", ctl->backends.v,
				 ctl->backends.n, err);
	if (r < 0)
		return r;
	if (ctl->service)
		jset_str(body, "Service", ctl->service);
	return driver_call(ctl, BALANCER, "Berth.PortAdd", body, NULL, err);
}

/* The daemon takes a removal of nothing for done (it may be asked twice); who
 * types one wants to know.  @ret: borrowed from @answer. */
static int find_service(struct ctl *ctl, json_object *body,
			json_object **answer, json_object **ret,
			struct err *err)
{
	json_object *list;
	int r = driver_call(ctl, BALANCER, "Berth.Services", NULL, answer, err);

	if (r < 0)
		return r;
	list = jget_array(*answer, "Services");
	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *s = json_object_array_get_idx(list, i);

		*ret = s;
		if (jget_int(s, "Port") == jget_int(body, "Port") &&
		    strcmp(jget_str(s, "Proto"), jget_str(body, "Proto")) ==
			    0 &&
		    strcmp(jget_str(s, "HostIP"), jget_str(body, "HostIP")) ==
			    0)
			return 0;
	}
	return err_set(err, -ENOENT,
		       "no balanced port %s: 'netctl port ls' lists them",
		       ctl->args[0]);
}

static int rm_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *answer = NULL;
	json_object *service = NULL;
	bool live;
	int r = is_live(ctl, &live, err);

	if (r < 0)
		return r;
	if (live)
		return port_live_rm(ctl, err);
	r = put_port(body, ctl->args[0], err);
	if (r == 0)
		r = find_service(ctl, body, &answer, &service, err);
	return r < 0 ? r
		     : driver_call(ctl, BALANCER, "Berth.PortDel", body, NULL,
				   err);
}

static bool has_backend(json_object *service, json_object *want)
{
	json_object *list = jget_array(service, "Backends");
	int64_t port = jget_int(want, "Port");

	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *b = json_object_array_get_idx(list, i);

		if (!jget_bool(b, "Joined") &&
		    strcmp(jget_str(b, "Address"), jget_str(want, "Address")) ==
			    0 &&
		    (!port || port == jget_int(b, "Port")))
			return true;
	}
	return false;
}

static int check_backends(struct ctl *ctl, json_object *body, struct err *err)
{
	_cleanup_(json_putp) json_object *answer = NULL;
	json_object *service = NULL, *gone = jget_array(body, "Remove");
	int r = find_service(ctl, body, &answer, &service, err);

	for (size_t i = 0; r == 0 && i < jget_len(gone); i++)
		if (!has_backend(service, json_object_array_get_idx(gone, i)))
			r = err_set(err, -ENOENT,
				    "%s is no backend of port %s: 'netctl "
				    "port ls' lists them",
				    ctl->args[i + 1], ctl->args[0]);
	return r;
}

static int change(struct ctl *ctl, const char *key, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	int r = put_port(body, ctl->args[0], err);

	if (r == 0)
		r = put_backends(ctl, body, key,
				 (const char *const *)ctl->args + 1,
				 (size_t)ctl->arg_count - 1, err);
	if (r == 0)
		r = check_backends(ctl, body, err);
	return r < 0 ? r
		     : driver_call(ctl, BALANCER, "Berth.PortBackends", body,
				   NULL, err);
}

static int backend_add_run(struct ctl *ctl, struct err *err)
{
	return change(ctl, "Add", err);
}

static int backend_rm_run(struct ctl *ctl, struct err *err)
{
	return change(ctl, "Remove", err);
}

/* ---- ls ------------------------------------------------------------------ */

static const struct out_col ls_cols[] = {
	{ "Host", "PORT", OUT_TEXT, NULL },
	{ "Service", "SERVICE", OUT_TEXT, NULL },
	{ "Backend", "BACKEND", OUT_TEXT, NULL },
	{ "Weight", "WEIGHT", OUT_NUM, NULL },
	{ "State", "STATE", OUT_TEXT, NULL },
	{ "Container", "CONTAINER", OUT_TEXT, NULL },
	{ "Network", "NETWORK", OUT_TEXT, NULL },
	{ "Alive", NULL, OUT_BOOL, NULL },
	{ "Joined", NULL, OUT_BOOL, NULL },
	{ "HostIP", NULL, OUT_TEXT, NULL },
	{ "Proto", NULL, OUT_TEXT, NULL },
	{ "HostPort", NULL, OUT_NUM, NULL },
	{ "Address", NULL, OUT_TEXT, NULL },
	{ "Port", NULL, OUT_NUM, NULL },
	{ "NetworkID", NULL, OUT_ID, NULL },
	{ "EndpointID", NULL, OUT_ID, NULL },
	{ 0 },
};

static void set_place(json_object *row, const char *key, const char *ip,
		      int64_t port, const char *end)
{
	bool v6 = strchr(ip, ':') != NULL;
	char text[160];

	snprintf(text, sizeof(text), "%s%.60s%s%s%lld%.16s", v6 ? "[" : "", ip,
		 v6 ? "]" : "", *ip ? ":" : "", (long long)port, end);
	jset_str(row, key, text);
}

/* One line a backend; a port without any has a line as well. */
static void add_row(json_object *rows, json_object *service, json_object *b,
		    const struct docker_names *names)
{
	json_object *row = json_object_new_object();
	char proto[16];

	snprintf(proto, sizeof(proto), "/%.8s", jget_str(service, "Proto"));
	set_place(row, "Host", jget_str(service, "HostIP"),
		  jget_int(service, "Port"), proto);
	jset_str(row, "HostIP", jget_str(service, "HostIP"));
	jset_str(row, "Proto", jget_str(service, "Proto"));
	jset(row, "HostPort", json_object_new_int64(jget_int(service, "Port")));
	jset_str(row, "Service", jget_str(service, "Service"));
	if (b) {
		json_object_object_foreach(b, key, value)
		{
			jset(row, key, json_object_get(value));
		}
		set_place(row, "Backend", jget_str(b, "Address"),
			  jget_int(b, "Port"), "");
		jset_str(row, "Container",
			 docker_container(names, jget_str(b, "EndpointID")));
		jset_str(row, "Network",
			 docker_network(names, jget_str(b, "NetworkID")));
	}
	jset_str(row, "State",
		 !b                      ? "no backend"
		 : jget_bool(b, "Alive") ? "alive"
					 : "dead");
	if (json_object_array_add(rows, row) < 0)
		json_object_put(row);
}

static int ls_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = json_object_new_array();
	_cleanup_(json_putp) json_object *answer = NULL;
	_cleanup_(docker_names_fini) struct docker_names names = { 0 };
	json_object *list;
	int r;

	if (ctl->arg_count)
		return port_live_ls(ctl, err);
	if (ctl->network)
		return err_set(err, -EINVAL,
			       "--network is for a container's ports: \"port "
			       "ls CONTAINER\"");
	r = driver_call(ctl, BALANCER, "Berth.Services", NULL, &answer, err);
	if (r < 0)
		return r;
	docker_names_load(ctl, &names);
	list = jget_array(answer, "Services");
	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *s = json_object_array_get_idx(list, i);
		json_object *backends = jget_array(s, "Backends");

		if (!jget_len(backends))
			add_row(rows, s, NULL, &names);
		for (size_t k = 0; k < jget_len(backends); k++)
			add_row(rows, s, json_object_array_get_idx(backends, k),
				&names);
	}
	return out_rows(stdout, ctl->format, ls_cols, rows, err);
}

/* ---- verbs --------------------------------------------------------------- */

#define BACKEND_HELP                                                        \
	"A backend is a container of a network with -o "                    \
	"berth.dataplane=ebpf,\n"                                           \
	"by its name (its address is taken now and kept: docker run --ip "  \
	"keeps\nit over restarts) or by its address.  Without :PORT it is " \
	"the host\nport's number; *2 behind it is twice the share.\n"

#define LIVE_HELP                                                           \
	"CONTAINER is one of Docker's or of 'netctl run' (name or id), or " \
	"what 'netctl\nattach' was given with --netns (name, pid or "       \
	"path).  On several networks its way\nout is meant, as with "       \
	"docker run -p, or --network.\n"

const struct cmd cmd_port_add = {
	.name = "port add",
	.args = "CONTAINER PORT... | [IP:]PORT[/PROTO] --backend B...",
	.summary = "publish ports of a running container; or balance one",
	.help = "\n"
		"1. netctl port add CONTAINER [[IP:]HOST:]PORT[/PROTO]...\n"
		"\n"
		"publishes ports of a container that runs, in the forms of "
		"docker run -p.  Its\nother ports and their connections are "
		"not touched.  It holds until the container\nstops or leaves "
		"the network.  Says where each is.\n\n" LIVE_HELP "\n"
		"  netctl port add web 8081:80\n"
		"  netctl port add web 127.0.0.1:5353:53/udp 9000-9009:90-99\n"
		"  netctl port add web 80            (at a free host port)\n"
		"  netctl port add web 8081:80 --network front\n"
		"\n"
		"2. netctl port add [IP:]PORT[/PROTO] --backend B... | "
		"--service NAME\n"
		"\n"
		"balances a host port over several containers.\n" BACKEND_HELP
		"A backend counts while its container is there.  With "
		"--service\n"
		"NAME so does every container that was connected with the "
		"option\n"
		"berth.service=NAME[:PORT][*WEIGHT], whatever its address.\n"
		"\n"
		"  netctl port add 8080 --backend web1:80 --backend web2:80\n"
		"  netctl port add 10.0.0.1:53/udp --backend 172.18.0.5\n"
		"  netctl port add 8080 --service web\n"
		"  docker network connect --driver-opt berth.service=web:80 "
		"n1 web3\n",
	.takes = CLI_DIRS | CLI_DOCKER | CLI_TIMEOUT | CLI_BACKENDS |
		 CLI_NETWORK,
	.min_args = 1,
	.max_args = CLI_LIST_MAX + 1,
	.run = add_run,
};

const struct cmd cmd_port_rm = {
	.name = "port rm",
	.args = "CONTAINER PORT... | [IP:]PORT[/PROTO]",
	.summary = "take back what \"port add\" did",
	.help = "\n"
		"1. netctl port rm CONTAINER [[IP:]HOST:]PORT[/PROTO]...\n"
		"\n"
		"publishes them no more: ports that 'port add' added, as they "
		"were added; a range\ngoes as a whole.  Of a host port that "
		"was chosen PORT is enough.  Their\nconnections end.  What was "
		"published with the container goes with it.\n\n" LIVE_HELP "\n"
		"  netctl port rm web 8081:80\n"
		"\n"
		"2. netctl port rm [IP:]PORT[/PROTO]\n"
		"\n"
		"balances a host port no more.  Its connections end, but for "
		"those of this host\nitself, which lead straight to a "
		"container.\n"
		"\n"
		"  netctl port rm 8080\n",
	.takes = CLI_DIRS | CLI_DOCKER | CLI_TIMEOUT | CLI_NETWORK,
	.min_args = 1,
	.max_args = CLI_LIST_MAX + 1,
	.run = rm_run,
};

const struct cmd cmd_port_ls = {
	.name = "port ls",
	.args = "[CONTAINER]",
	.summary = "list a container's ports, or the balanced ones",
	.help = "\n"
		"Of CONTAINER every published port; LIVE says which were added "
		"by 'port add'.\nWithout it the balanced ports, and who of "
		"their backends is alive ('netctl\nports' lists the published "
		"ones of all containers).\n"
		"\n"
		"  netctl port ls web\n"
		"  netctl port ls\n"
		"  netctl port ls --json | jq '.[] | select(.Alive | not)'\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_DOCKER | CLI_TIMEOUT | CLI_NETWORK,
	.max_args = 1,
	.run = ls_run,
};

const struct cmd cmd_port_backend_add = {
	.name = "port backend add",
	.args = "[IP:]PORT[/PROTO] BACKEND...",
	.summary = "add backends to a balanced port, or change their weight",
	.help = "\n" BACKEND_HELP "\n"
		"No connection ends.\n"
		"\n"
		"  netctl port backend add 8080 web3:80 '172.18.0.9:80*2'\n",
	.takes = CLI_DIRS | CLI_DOCKER | CLI_TIMEOUT,
	.min_args = 2,
	.max_args = CLI_LIST_MAX + 1,
	.run = backend_add_run,
};

const struct cmd cmd_port_backend_rm = {
	.name = "port backend rm",
	.args = "[IP:]PORT[/PROTO] BACKEND...",
	.summary = "take backends off a balanced port",
	.help = "\n"
		"They get no new connection; those that are open go on, so "
		"this is\n"
		"how to drain one.  Without :PORT all of that address go.\n"
		"\n"
		"  netctl port backend rm 8080 web1\n",
	.takes = CLI_DIRS | CLI_DOCKER | CLI_TIMEOUT,
	.min_args = 2,
	.max_args = CLI_LIST_MAX + 1,
	.run = backend_rm_run,
};
