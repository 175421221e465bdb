/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of networks and containers from dockerd's API, as far as it answers, and
 * those of what netctl made. */
#include "netctl/docker.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/base.h"
#include "lib/client.h"
#include "lib/jdec.h"
#include "netctl/box/box.h"
#include "netctl/jget.h"
#include "netctl/nets.h"

#define ASK_MS 1000

static void load_networks(json_object *answer, json_object *networks)
{
	for (size_t i = 0; i < jget_len(answer); i++) {
		json_object *net = json_object_array_get_idx(answer, i);

		jset_str(networks, jget_str(net, "Id"), jget_str(net, "Name"));
	}
}

/* "/web" of the list of names, without the slash of the API. */
static const char *container_name(json_object *container)
{
	json_object *names = jget_array(container, "Names");
	const char *s;

	if (jget_len(names) == 0)
		return "";
	s = json_object_get_string(json_object_array_get_idx(names, 0));
	return s && *s == '/' ? s + 1 : s ? s : "";
}

static void load_endpoints(json_object *answer, json_object *endpoints)
{
	for (size_t i = 0; i < jget_len(answer); i++) {
		json_object *c = json_object_array_get_idx(answer, i);
		json_object *nets =
			jget(jget(c, "NetworkSettings"), "Networks");

		if (!json_object_is_type(nets, json_type_object))
			continue;
		json_object_object_foreach(nets, name, net)
		{
			const char *id = jget_str(net, "EndpointID");

			(void)name;
			if (*id)
				jset_str(endpoints, id, container_name(c));
		}
	}
}

/* Namespaces of netctl's own containers: their identity to their name.  Owned. */
static json_object *box_names(const struct ctl *ctl)
{
	_cleanup_(json_putp) json_object *ids = NULL;
	json_object *names = json_object_new_object();

	if (box_ids(ctl, &ids, NULL) < 0)
		return names;
	for (size_t i = 0; i < jget_len(ids); i++) {
		struct box b = { .dir = -1, .lock = -1 };
		const char *id = json_object_get_string(
			json_object_array_get_idx(ids, i));

		if (box_open(ctl, id, &b, NULL) == 0 &&
		    *jget_str(b.rec, "NetnsID") &&
		    jget_bool(b.rec, "NetnsOwned"))
			jset_str(names, jget_str(b.rec, "NetnsID"),
				 jget_str(b.rec, "Name"));
		box_free(&b);
	}
	return names;
}

static void load_own(const struct ctl *ctl, struct docker_names *to)
{
	_cleanup_(json_putp) json_object *nets = NULL, *eps = NULL;
	_cleanup_(json_putp) json_object *boxes = NULL;

	if (nets_list(ctl, &nets, &eps, NULL) < 0)
		return;
	for (size_t i = 0; i < jget_len(nets); i++) {
		json_object *net = json_object_array_get_idx(nets, i);

		jset_str(to->networks, jget_str(net, "NetworkID"),
			 jget_str(net, "Name"));
	}
	boxes = box_names(ctl);
	for (size_t i = 0; i < jget_len(eps); i++) {
		json_object *ep = json_object_array_get_idx(eps, i);
		const char *box = jget_str(boxes, jget_str(ep, "NetnsID"));

		jset_str(to->endpoints, jget_str(ep, "EndpointID"),
			 *box ? box : jget_str(ep, "Netns"));
	}
}

void docker_names_load(const struct ctl *ctl, struct docker_names *ret)
{
	_cleanup_(json_putp) json_object *nets = NULL, *containers = NULL;

	ret->networks = json_object_new_object();
	ret->endpoints = json_object_new_object();
	load_own(ctl, ret);
	/* No dockerd: no need to ask it twice. */
	if (client_http_get(ctl->docker, "/networks", ASK_MS, &nets, NULL) < 0)
		return;
	load_networks(nets, ret->networks);
	if (client_http_get(ctl->docker, "/containers/json", ASK_MS,
			    &containers, NULL) == 0)
		load_endpoints(containers, ret->endpoints);
}

void docker_names_fini(struct docker_names *n)
{
	json_object_put(take_ptr(n->networks));
	json_object_put(take_ptr(n->endpoints));
}

static int ask_names(void *ctx, const void *arg, void **ret, struct err *err)
{
	struct docker_names *names = calloc(1, sizeof(*names));

	(void)arg;
	if (!names)
		return err_set(err, -ENOMEM, "out of memory");
	docker_names_load(ctx, names);
	*ret = names;
	return 0;
}

static void free_names(void *answer)
{
	docker_names_fini(answer);
	free(answer);
}

const struct question docker_names_question = { .ask = ask_names,
						.free = free_names };

const char *docker_network(const struct docker_names *n, const char *id)
{
	return jget_str(n->networks, id);
}

const char *docker_container(const struct docker_names *n, const char *endpoint)
{
	return jget_str(n->endpoints, endpoint);
}
