// SPDX-License-Identifier: GPL-2.0-or-later
/* Endpoints of a container, made in order and undone by the namespace's identity. */
#include "netctl/box/net.h"

#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "lib/jdec.h"
#include "lib/nlk.h"
#include "netctl/jget.h"
#include "netctl/nets.h"
#include "netctl/plug.h"
#include "netctl/sandbox.h"

enum box_net box_net_kind(json_object *rec, const char **ret_name)
{
	json_object *list = jget_array(rec, "Networks");
	const char *first =
		jget_len(list) ? json_object_get_string(
					 json_object_array_get_idx(list, 0))
			       : "none";

	*ret_name = "";
	if (strcmp(first, "none") == 0)
		return BOX_NET_NONE;
	if (strcmp(first, "host") == 0)
		return BOX_NET_HOST;
	if (strncmp(first, "container:", 10) == 0) {
		*ret_name = first + 10;
		return BOX_NET_CONTAINER;
	}
	return BOX_NET_NAMED;
}

int box_net_of(const struct ctl *ctl, const char *name, struct box *ret_box,
	       struct err *err)
{
	char path[48];
	int r = box_find(ctl, name, ret_box, err);

	if (r < 0)
		return r;
	if (strcmp(box_state(ret_box), BOX_RUNNING) != 0)
		return err_set(err, -ESRCH,
			       "--network container:%s: it does not run", name);
	if (!*jget_str(ret_box->rec, "NetnsID"))
		return err_set(err, -EINVAL,
			       "--network container:%s: that one has the "
			       "host's network: --network host",
			       name);
	snprintf(path, sizeof(path), "/proc/%lld/ns/net",
		 (long long)jget_int(ret_box->rec, "Pid"));
	r = sandbox_find(path, jget_str(ret_box->rec, "NetnsID"), err);
	return r < 0 ? err_wrap(err, r, "--network container:%s", name) : r;
}

int box_net_check(const struct ctl *ctl, json_object *rec, struct err *err)
{
	_cleanup_(book_closep) struct book *b = NULL;
	json_object *list = jget_array(rec, "Networks");
	const char *name;
	int r;

	if (box_net_kind(rec, &name) != BOX_NET_NAMED)
		return 0;
	r = book_open(ctl, true, &b, err);
	for (size_t i = 0; i < jget_len(list) && r == 0; i++) {
		_cleanup_(json_putp) json_object *net = NULL;

		r = book_find_network(
			b,
			json_object_get_string(
				json_object_array_get_idx(list, i)),
			&net, err);
		if (r == 0 && i == 0 && jget_bool(net, "Internal") &&
		    jget_len(jget_array(rec, "Ports")))
			r = err_set(err, -EINVAL,
				    "network %s is internal: nothing comes "
				    "in, so no port can be published",
				    jget_str(net, "Name"));
	}
	return r;
}

static int lo_up(int netns, struct err *err)
{
	_cleanup_(nlk_closep) struct nlk *in = NULL;
	struct nlk_link lo;
	int r = nlk_open_in(netns, &in, err);

	if (r == 0)
		r = nlk_link_get(in, "lo", 0, &lo, err);
	return r == 0 ? nlk_link_up(in, lo.index, true, err) : r;
}

static const char *or_null(const char *s)
{
	return *s ? s : NULL;
}

static int attach_one(const struct ctl *ctl, struct book *bk, struct box *b,
		      const char *path, size_t i, json_object *addrs,
		      struct err *err)
{
	static const char *const members[] = { "Address", "AddressIPv6" };
	_cleanup_(json_putp) json_object *net = NULL, *ep = NULL;
	json_object *ports = jget_array(b->rec, "Ports");
	struct plug_spec spec = { .netns = path };
	int r = book_find_network(
		bk,
		json_object_get_string(json_object_array_get_idx(
			jget_array(b->rec, "Networks"), i)),
		&net, err);

	if (r < 0)
		return r;
	if (i == 0) { /* what is said of one is said of the first */
		spec.ip = or_null(jget_str(b->rec, "Ip"));
		spec.ip6 = or_null(jget_str(b->rec, "Ip6"));
		spec.mac = or_null(jget_str(b->rec, "Mac"));
		for (size_t k = 0; k < jget_len(ports) && k < CLI_LIST_MAX; k++)
			spec.ports.v[spec.ports.n++] = json_object_get_string(
				json_object_array_get_idx(ports, k));
	}
	r = plug_attach(ctl, bk, net, &spec, &ep, err);
	for (size_t k = 0; k < ARRAY_SIZE(members) && r == 0; k++)
		if (*jget_str(ep, members[k]))
			json_object_array_add(
				addrs, json_object_new_string(
					       jget_str(ep, members[k])));
	return r;
}

int box_net_join(const struct ctl *ctl, struct box *b, pid_t pid,
		 json_object **ret_addrs, struct err *err)
{
	_cleanup_(book_closep) struct book *bk = NULL;
	json_object *list = jget_array(b->rec, "Networks");
	json_object *addrs = json_object_new_array();
	_cleanup_close_ int netns = -1;
	struct sandbox_id id;
	char path[48];
	const char *name;
	enum box_net kind = box_net_kind(b->rec, &name);
	int r;

	*ret_addrs = addrs;
	if (kind == BOX_NET_HOST)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	netns = sandbox_open(path, &id, err);
	if (netns < 0)
		return netns;
	box_text(b, "NetnsID", id.s);
	box_flag(b, "NetnsOwned", kind != BOX_NET_CONTAINER);
	r = box_save(b, err);
	if (r == 0 && kind != BOX_NET_CONTAINER)
		r = lo_up(netns, err);
	if (r < 0 || kind != BOX_NET_NAMED)
		return r;
	r = nets_open(ctl, true, &bk, err);
	for (size_t i = 0; i < jget_len(list) && r == 0; i++)
		r = attach_one(ctl, bk, b, path, i, addrs, err);
	return r == 0 ? FAILPOINT("boxnet.joined") : r;
}

static int detach_all(const struct ctl *ctl, struct box *b, struct err *err)
{
	_cleanup_(book_closep) struct book *bk = NULL;
	_cleanup_(json_putp) json_object *eps = NULL, *nets = NULL;
	int r = book_open(ctl, false, &bk, err);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = book_endpoints(bk, NULL, &eps, err);
	if (r == 0)
		r = book_networks(bk, &nets, err);
	for (size_t i = 0; i < jget_len(eps) && r == 0; i++) {
		json_object *ep = json_object_array_get_idx(eps, i);
		json_object *net =
			jget_find(nets, "NetworkID", jget_str(ep, "NetworkID"));

		if (net && strcmp(jget_str(ep, "NetnsID"),
				  jget_str(b->rec, "NetnsID")) == 0)
			r = plug_detach(ctl, bk, net, ep, err);
	}
	return r;
}

int box_net_leave(const struct ctl *ctl, struct box *b, struct err *err)
{
	const char *name;
	int r = 0;

	if (!*jget_str(b->rec, "NetnsID"))
		return 0;
	if (jget_bool(b->rec, "NetnsOwned") &&
	    box_net_kind(b->rec, &name) == BOX_NET_NAMED)
		r = detach_all(ctl, b, err);
	if (r == 0)
		r = FAILPOINT("boxnet.left");
	if (r < 0)
		return r;
	box_text(b, "NetnsID", "");
	return box_save(b, err);
}

int box_net_endpoints(const struct ctl *ctl, const struct box *b,
		      json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *nets = NULL, *eps = NULL;
	json_object *out = json_object_new_array();
	const char *id = jget_str(b->rec, "NetnsID");
	int r = *id ? nets_list(ctl, &nets, &eps, err) : 0;

	for (size_t i = 0; i < jget_len(eps) && r == 0; i++) {
		json_object *ep = json_object_array_get_idx(eps, i);
		json_object *net =
			jget_find(nets, "NetworkID", jget_str(ep, "NetworkID"));

		if (strcmp(jget_str(ep, "NetnsID"), id) != 0)
			continue;
		jset_str(ep, "Network", net ? jget_str(net, "Name") : "");
		json_object_array_add(out, json_object_get(ep));
	}
	*ret = out;
	return r;
}
