/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools and addresses in use, from dockerd's API and from the network daemons. */
#include "netctl/ipam_seen.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/client.h"
#include "lib/ip.h"
#include "lib/jdec.h"
#include "lib/store.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/nets.h"

#define IPAM_DRIVER "berth-ipam"

static void note(json_object *set, const char *key)
{
	if (*key)
		jset(set, key, json_object_new_boolean(true));
}

/* "10.1.0.2/16" and "10.1.0.2" are one address. */
static void note_addr(json_object *set, const char *text)
{
	char addr[IP_STR_MAX];

	snprintf(addr, sizeof(addr), "%.*s", (int)strcspn(text, "/"), text);
	note(set, addr);
}

/* As berth-ipam writes it: without host bits.  false: no prefix. */
static bool canonical(const char *text, char buf[static PREFIX_STR_MAX])
{
	struct ip_prefix p;

	if (ip_prefix_parse(text, &p, NULL) < 0)
		return false;
	p.addr = ip_prefix_first(&p);
	ip_prefix_str(&p, buf);
	return true;
}

/* ---- Docker ------------------------------------------------------------------ */

/* Docker does not name the PoolID, nor need its network say which space. */
static void note_config(struct ipam_seen *s, json_object *config)
{
	static const char *const spaces[] = { "berth-local", "berth-global" };
	char pool[PREFIX_STR_MAX], sub[PREFIX_STR_MAX], id[160];
	bool has_sub;

	if (!canonical(jget_str(config, "Subnet"), pool))
		return;
	has_sub = canonical(jget_str(config, "IPRange"), sub) &&
		  strcmp(sub, pool) != 0;
	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++) {
		snprintf(id, sizeof(id), "%s/%s%s%s", spaces[i], pool,
			 has_sub ? "/" : "", has_sub ? sub : "");
		note(s->pools, id);
	}
}

static void note_docker_networks(struct ipam_seen *s, json_object *networks)
{
	for (size_t i = 0; i < jget_len(networks); i++) {
		json_object *ipam =
			jget(json_object_array_get_idx(networks, i), "IPAM");
		json_object *configs = jget_array(ipam, "Config");

		if (strcmp(jget_str(ipam, "Driver"), IPAM_DRIVER) != 0)
			continue;
		for (size_t k = 0; k < jget_len(configs); k++)
			note_config(s, json_object_array_get_idx(configs, k));
	}
}

static void note_containers(struct ipam_seen *s, json_object *containers)
{
	for (size_t i = 0; i < jget_len(containers); i++) {
		json_object *c = json_object_array_get_idx(containers, i);
		json_object *nets =
			jget(jget(c, "NetworkSettings"), "Networks");

		if (!json_object_is_type(nets, json_type_object))
			continue;
		json_object_object_foreach(nets, name, net)
		{
			(void)name;
			note_addr(s->addrs, jget_str(net, "IPAddress"));
			note_addr(s->addrs, jget_str(net, "GlobalIPv6Address"));
		}
	}
}

static int load_docker(struct ctl *ctl, struct ipam_seen *s, struct err *err)
{
	_cleanup_(json_putp) json_object *nets = NULL, *containers = NULL;
	int r = client_http_get(ctl->docker, "/networks", ctl->timeout_ms,
				&nets, err);

	if (r == 0)
		r = client_http_get(ctl->docker, "/containers/json",
				    ctl->timeout_ms, &containers, err);
	if ((r == -ENOENT || r == -ECONNREFUSED) && ctl->force)
		return 0;
	if (r < 0)
		return err_wrap(err, r,
				"dockerd says nothing of what is used: start "
				"it, or give --force where there is no Docker");
	note_docker_networks(s, nets);
	note_containers(s, containers);
	return 0;
}

/* ---- our network daemons -------------------------------------------------------- */

static int load_network(struct ctl *ctl, struct ipam_seen *s, json_object *net,
			struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *answer = NULL;
	json_object *list = jget_array(net, "Subnets");
	char pool[PREFIX_STR_MAX];
	int r;

	for (size_t i = 0; i < jget_len(list); i++)
		if (canonical(json_object_get_string(
				      json_object_array_get_idx(list, i)),
			      pool))
			note(s->prefixes, pool);
	jset_str(body, "NetworkID", jget_str(net, "NetworkID"));
	r = driver_call(ctl, jget_str(net, "Driver"), "Berth.Network", body,
			&answer, err);
	if (r < 0)
		return r;
	list = jget_array(answer, "EndpointList");
	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *ep = json_object_array_get_idx(list, i);

		note_addr(s->addrs, jget_str(ep, "Address"));
		note_addr(s->addrs, jget_str(ep, "AddressIPv6"));
	}
	return 0;
}

/* A daemon that is down may have networks that dockerd does not know: podman's. */
static int check_down(const struct ctl *ctl, const struct driver *d,
		      struct err *err)
{
	_cleanup_free_ char *sock = driver_sock(ctl, d->name);
	_cleanup_free_ char *state = NULL;
	char cmd[DRIVER_COMMAND_MAX];
	struct err why = { 0 };
	int r;

	if (asprintf(&state, "%s/%s", ctl->state_dir, d->name) < 0)
		state = NULL;
	if (!sock || !state)
		return err_set(err, -ENOMEM, "out of memory");
	if (access(sock, F_OK) == 0)
		return 0;
	r = store_peek(state, STORE_STATE, "network", &why);
	if (r == 0 || r == -ENOENT)
		return 0;
	return err_set(err, -EAGAIN,
		       "%s is not running and %s%s, so what its networks use "
		       "is not known: first '%s'",
		       d->name,
		       r > 0 ? "has networks on record"
			     : "whether it has networks can't be seen: ",
		       why.msg, driver_command(d->name, false, cmd));
}

static int check_none_is_down(const struct ctl *ctl, struct err *err)
{
	int r = 0;

	for (const struct driver *d = drivers; r == 0 && d->name; d++)
		if (d->kind == DRIVER_NETWORK)
			r = check_down(ctl, d, err);
	return r;
}

static int load_ours(struct ctl *ctl, struct ipam_seen *s, struct err *err)
{
	_cleanup_(json_putp) json_object *nets = NULL;
	int r = check_none_is_down(ctl, err);

	if (r < 0)
		return r;
	r = driver_collect(ctl, DRIVER_NETWORK, "Berth.Networks", "Networks",
			   NULL, &nets, err);
	if (r == -ENOENT)
		return 0; /* none is installed */
	if (r > 0)
		return err_set(err, -EIO, "not all network daemons answer");
	for (size_t i = 0; r == 0 && i < jget_len(nets); i++)
		r = load_network(ctl, s, json_object_array_get_idx(nets, i),
				 err);
	return r;
}

/* ---- what netctl made itself ------------------------------------------------------ */

static int load_own(struct ctl *ctl, struct ipam_seen *s, struct err *err)
{
	_cleanup_(json_putp) json_object *nets = NULL, *eps = NULL;
	int r = nets_list(ctl, &nets, &eps, err);

	for (size_t i = 0; i < jget_len(nets); i++) {
		json_object *pools =
			jget_array(json_object_array_get_idx(nets, i), "Pools");

		for (size_t p = 0; p < jget_len(pools); p++)
			note(s->pools,
			     jget_str(json_object_array_get_idx(pools, p),
				      "PoolID"));
	}
	for (size_t i = 0; i < jget_len(eps); i++) {
		json_object *ep = json_object_array_get_idx(eps, i);

		note_addr(s->addrs, jget_str(ep, "Address"));
		note_addr(s->addrs, jget_str(ep, "AddressIPv6"));
	}
	return r;
}

int ipam_seen_load(struct ctl *ctl, struct ipam_seen *ret, struct err *err)
{
	int r;

	ret->pools = json_object_new_object();
	ret->prefixes = json_object_new_object();
	ret->addrs = json_object_new_object();
	if (!ret->pools || !ret->prefixes || !ret->addrs)
		return err_set(err, -ENOMEM, "out of memory");
	r = load_docker(ctl, ret, err);
	if (r == 0)
		r = load_ours(ctl, ret, err);
	return r < 0 ? r : load_own(ctl, ret, err);
}

void ipam_seen_fini(struct ipam_seen *s)
{
	json_object_put(take_ptr(s->pools));
	json_object_put(take_ptr(s->prefixes));
	json_object_put(take_ptr(s->addrs));
}

/* ---- the verdict ------------------------------------------------------------------ */

/* Of a time that can't be read nothing is known, so it is new. */
static bool is_old(const char *time_text)
{
	struct tm tm = { 0 };

	return strptime(time_text, "%Y-%m-%dT%H:%M:%SZ", &tm) &&
	       timegm(&tm) + IPAM_SEEN_AGE_S < time(NULL);
}

bool ipam_seen_pool_lost(const struct ipam_seen *s, json_object *pool)
{
	return is_old(jget_str(pool, "Created")) &&
	       !jget(s->pools, jget_str(pool, "PoolID")) &&
	       !jget(s->prefixes, jget_str(pool, "Pool"));
}

bool ipam_seen_lease_lost(const struct ipam_seen *s, json_object *lease)
{
	const char *text = jget_str(lease, "Address");
	char addr[IP_STR_MAX];

	snprintf(addr, sizeof(addr), "%.*s", (int)strcspn(text, "/"), text);
	return strcmp(jget_str(lease, "Use"), "endpoint") == 0 &&
	       is_old(jget_str(lease, "Since")) && !jget(s->addrs, addr);
}
