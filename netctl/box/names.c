// SPDX-License-Identifier: GPL-2.0-or-later
/* A container's names at berth-dns. */
#include "netctl/box/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "lib/jdec.h"
#include "netctl/box/net.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/nets.h"

#define DNS "berth-dns"

static bool dns_runs(const struct ctl *ctl)
{
	return driver_call(ctl, DNS, "Berth.Info", NULL, NULL, NULL) == 0;
}

/* What its driver says of it; NULL: it has no names.  Owned. */
static json_object *named_net(const struct ctl *ctl, json_object *net)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	json_object *says = NULL;

	jset_str(body, "NetworkID", jget_str(net, "NetworkID"));
	/* somebody else's driver knows no such call */
	if (driver_call(ctl, jget_str(net, "Driver"), "Berth.Network", body,
			&says, NULL) < 0)
		return NULL;
	if (jget_bool(says, "Names") || *jget_str(says, "Shared"))
		return says;
	json_object_put(says);
	return NULL;
}

/* ---- what is to be told ---------------------------------------------------------- */

static void add_told(json_object *told, const char *network, const char *name,
		     const char *address, bool alias)
{
	json_object *o = json_object_new_object();
	char plain[64];

	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(address, "/"),
		 address);
	jset_str(o, "Network", network);
	jset_str(o, "Name", name);
	jset_str(o, "Address", plain);
	jset(o, "Alias", json_object_new_boolean(alias));
	json_object_array_add(told, o);
}

/* @network: as berth-dns has it on record: what hosts share, else the id. */
static void add_endpoint(json_object *told, const struct box *b,
			 const char *network, json_object *ep)
{
	static const char *const members[] = { "Address", "AddressIPv6" };
	const char *name = jget_str(b->rec, "Name");
	json_object *aliases = jget_array(b->rec, "Aliases");
	char id[13];
	bool named;

	snprintf(id, sizeof(id), "%.12s", b->id);
	named = *name && strcmp(name, id) != 0;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const char *address = jget_str(ep, members[i]);

		if (!*address)
			continue;
		add_told(told, network, id, address, named);
		if (named)
			add_told(told, network, name, address, false);
		for (size_t k = 0; k < jget_len(aliases); k++)
			add_told(told, network,
				 json_object_get_string(
					 json_object_array_get_idx(aliases, k)),
				 address, true);
	}
}

/* As berth-dns is told of a network. */
static json_object *net_said(json_object *net, json_object *says,
			     const char *key)
{
	json_object *o = json_object_new_object();
	json_object *subnets = jget_array(says, "Subnets");
	json_object *hosts = jget_array(says, "HostAddresses");

	jset_str(o, "Key", key);
	jset_str(o, "Domain", jget_str(net, "Name"));
	for (size_t i = 0; i < jget_len(subnets); i++) {
		const char *subnet = json_object_get_string(
			json_object_array_get_idx(subnets, i));

		jset_str(o, strchr(subnet, ':') ? "Subnet6" : "Subnet4",
			 subnet);
	}
	for (size_t i = 0; i < jget_len(hosts); i++) {
		const char *host = json_object_get_string(
			json_object_array_get_idx(hosts, i));

		jset_str(o, strchr(host, ':') ? "Host6" : "Host4", host);
	}
	return o;
}

/* None where a network without IPAM gave it none. */
static void set_address(json_object *guest, json_object *ep)
{
	const char *address = jget_str(ep, "Address");
	char plain[64];

	if (!*address)
		address = jget_str(ep, "AddressIPv6");
	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(address, "/"),
		 address);
	jset_str(guest, "Address", plain);
}

/* All names of all its networks that have some; @guest: who is asked in it, and of what. */
static int collect(const struct ctl *ctl, const struct box *b,
		   json_object *told, json_object *guest, struct err *err)
{
	_cleanup_(json_putp) json_object *eps = NULL, *nets = NULL;
	json_object *list = json_object_new_array();
	bool forward = false;
	int r = box_net_endpoints(ctl, b, &eps, err);

	jset(guest, "Networks", list);
	if (r == 0)
		r = nets_list(ctl, &nets, NULL, err);
	for (size_t i = 0; r == 0 && i < jget_len(eps); i++) {
		json_object *ep = json_object_array_get_idx(eps, i);
		json_object *net =
			jget_find(nets, "NetworkID", jget_str(ep, "NetworkID"));
		_cleanup_(json_putp) json_object *says =
			net ? named_net(ctl, net) : NULL;
		const char *key = jget_str(says, "Shared");

		if (!*jget_str(guest, "Address"))
			set_address(guest, ep);
		forward = forward || !jget_bool(net, "Internal");
		if (!says)
			continue;
		if (!*key)
			key = jget_str(ep, "NetworkID");
		add_endpoint(told, b, key, ep);
		json_object_array_add(list, net_said(net, says, key));
	}
	jset(guest, "Forward", json_object_new_boolean(forward));
	jset(guest, "Servers", json_object_get(jget_array(b->rec, "Dns")));
	return r;
}

/* ---- telling ------------------------------------------------------------------------ */

static bool has_row(json_object *list, json_object *row)
{
	for (size_t i = 0; i < jget_len(list); i++)
		if (json_object_equal(json_object_array_get_idx(list, i), row))
			return true;
	return false;
}

/* A name that can't be one, or a daemon that hangs, is no reason not to start. */
static void tell_all(const struct ctl *ctl, const struct box *b,
		     json_object *told)
{
	for (size_t i = 0; i < jget_len(told); i++) {
		json_object *o = json_object_array_get_idx(told, i);
		struct err err = { 0 };

		if (driver_call(ctl, DNS, "Berth.NameAdd", o, NULL, &err) < 0)
			cli_warn("container %.12s is not called %s: %s", b->id,
				 jget_str(o, "Name"), err.msg);
	}
}

/* Beside what a berth-dns that was away, or refused, has still of a life before. */
static void record_told(struct box *b, json_object *told)
{
	json_object *all = json_object_new_array();
	json_object *const lists[] = { jget_array(b->rec, "Told"), told };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (size_t k = 0; k < jget_len(lists[i]); k++) {
			json_object *o = json_object_array_get_idx(lists[i], k);

			if (!has_row(all, o))
				json_object_array_add(all, json_object_get(o));
		}
	jset(b->rec, "Told", all);
}

int box_names_tell(const struct ctl *ctl, struct box *b, pid_t pid,
		   struct resolver **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *guest = json_object_new_object();
	_cleanup_(json_putp) json_object *told = json_object_new_array();
	struct err why = { 0 };
	const char *name;
	int r;

	*ret = NULL;
	if (box_net_kind(b->rec, &name) != BOX_NET_NAMED || !dns_runs(ctl))
		return 0;
	(void)box_names_untell(ctl, b, NULL); /* else it stays on record */
	r = collect(ctl, b, told, guest, err);
	record_told(b, told);
	if (r < 0 || jget_len(told) == 0)
		return r;
	r = box_save(b, err);
	if (r < 0)
		return r;
	tell_all(ctl, b, told);
	if (resolver_new(ctl, pid, guest, ret, &why) < 0)
		cli_warn("container %.12s asks the host's resolvers alone: %s",
			 b->id, why.msg);
	return FAILPOINT("boxname.told");
}

/* Does berth-dns have it still?  One that refuses to say knows no such network; one
 * that says nothing may. */
static bool is_known(const struct ctl *ctl, json_object *told)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *says = NULL;
	json_object *list;
	bool found = false;
	int r;

	jset_str(body, "Network", jget_str(told, "Network"));
	r = driver_call(ctl, DNS, "Berth.Names", body, &says, NULL);
	if (r < 0)
		return r != -EREMOTEIO;
	list = jget_array(says, "Names");
	for (size_t i = 0; i < jget_len(list) && !found; i++) {
		json_object *o = json_object_array_get_idx(list, i);

		found = strcmp(jget_str(o, "Name"), jget_str(told, "Name")) ==
				0 &&
			strcmp(jget_str(o, "Address"),
			       jget_str(told, "Address")) == 0;
	}
	return found;
}

static int untell_one(const struct ctl *ctl, json_object *told, struct err *err)
{
	int r = driver_call(ctl, DNS, "Berth.NameRemove", told, NULL, err);

	return r == -EREMOTEIO && !is_known(ctl, told) ? 0 : r;
}

int box_names_untell(const struct ctl *ctl, struct box *b, struct err *err)
{
	json_object *told = jget_array(b->rec, "Told");
	int r = 0;

	if (!jget_len(told))
		return 0;
	r = FAILPOINT("boxname.untelling");
	for (size_t i = 0; r == 0 && i < jget_len(told); i++)
		r = untell_one(ctl, json_object_array_get_idx(told, i), err);
	if (r == 0)
		r = FAILPOINT("boxname.untold");
	if (r < 0)
		return r;
	if (err)
		err->msg[0] = '\0';
	jset(b->rec, "Told", json_object_new_array());
	return box_save(b, err);
}
