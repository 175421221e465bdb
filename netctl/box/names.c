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

static json_object *find_net(json_object *nets, const char *id)
{
	for (size_t i = 0; i < jget_len(nets); i++) {
		json_object *net = json_object_array_get_idx(nets, i);

		if (strcmp(jget_str(net, "NetworkID"), id) == 0)
			return net;
	}
	return NULL;
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
		     const char *address)
{
	json_object *o = json_object_new_object();
	char plain[64];

	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(address, "/"),
		 address);
	jset_str(o, "Network", network);
	jset_str(o, "Name", name);
	jset_str(o, "Address", plain);
	json_object_array_add(told, o);
}

static void add_endpoint(json_object *told, const struct box *b,
			 json_object *ep)
{
	static const char *const members[] = { "Address", "AddressIPv6" };
	const char *name = jget_str(b->rec, "Name");
	char id[13];

	snprintf(id, sizeof(id), "%.12s", b->id);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const char *address = jget_str(ep, members[i]);

		if (!*address)
			continue;
		add_told(told, jget_str(ep, "NetworkID"), id, address);
		if (*name && strcmp(name, id) != 0)
			add_told(told, jget_str(ep, "NetworkID"), name,
				 address);
	}
}

/* All names of all its networks that have some, and who answers in the first. */
static int collect(const struct ctl *ctl, const struct box *b,
		   json_object *told, json_object *servers, struct err *err)
{
	_cleanup_(json_putp) json_object *eps = NULL, *nets = NULL;
	int r = box_net_endpoints(ctl, b, &eps, err);

	if (r == 0)
		r = nets_list(ctl, &nets, NULL, err);
	for (size_t i = 0; r == 0 && i < jget_len(eps); i++) {
		json_object *ep = json_object_array_get_idx(eps, i);
		json_object *net = find_net(nets, jget_str(ep, "NetworkID"));
		_cleanup_(json_putp) json_object *says =
			net ? named_net(ctl, net) : NULL;
		json_object *at = jget_array(says, "Gateways");

		if (!says)
			continue;
		add_endpoint(told, b, ep);
		for (size_t k = 0; k < jget_len(at) && i == 0; k++)
			json_object_array_add(
				servers,
				json_object_get(
					json_object_array_get_idx(at, k)));
	}
	return r;
}

/* ---- telling ------------------------------------------------------------------------ */

static int tell_all(const struct ctl *ctl, json_object *told, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < jget_len(told); i++)
		r = driver_call(ctl, DNS, "Berth.NameAdd",
				json_object_array_get_idx(told, i), NULL, err);
	return r;
}

int box_names_tell(const struct ctl *ctl, struct box *b,
		   json_object **ret_servers, struct err *err)
{
	json_object *told = json_object_new_array();
	json_object *servers = json_object_new_array();
	const char *name;
	int r;

	*ret_servers = servers;
	if (box_net_kind(b->rec, &name) != BOX_NET_NAMED || !dns_runs(ctl)) {
		json_object_put(told);
		return 0;
	}
	r = collect(ctl, b, told, servers, err);
	jset(b->rec, "Told", told);
	if (r < 0 || jget_len(told) == 0)
		return r;
	r = box_save(b, err);
	if (r == 0)
		r = tell_all(ctl, told, err);
	return r == 0 ? FAILPOINT("boxname.told") : r;
}

/* Does berth-dns have it still?  One that refuses to say knows no such network. */
static bool is_known(const struct ctl *ctl, json_object *told)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *says = NULL;
	json_object *list;
	bool found = false;

	jset_str(body, "Network", jget_str(told, "Network"));
	if (driver_call(ctl, DNS, "Berth.Names", body, &says, NULL) < 0)
		return false;
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
	for (size_t i = 0; r == 0 && i < jget_len(told); i++)
		r = untell_one(ctl, json_object_array_get_idx(told, i), err);
	if (r == 0)
		r = FAILPOINT("boxname.untold");
	if (r < 0)
		return r;
	err->msg[0] = '\0';
	jset(b->rec, "Told", json_object_new_array());
	return box_save(b, err);
}
