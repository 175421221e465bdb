/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which endpoint is meant, and what is to be published there. */
#include "netctl/port_live.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/client.h"
#include "lib/jdec.h"
#include "netctl/book.h"
#include "netctl/box/net.h"
#include "netctl/docker.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/plug.h"
#include "netctl/publish.h"
#include "netctl/view.h"

/* ---- where it is ----------------------------------------------------------- */

/* What a container has: objects of NetworkID, EndpointID, Name (the network's), First
 * (the one that -p of netctl run is for), and, when Berth's daemons were asked, Driver,
 * Gateway, Ports. */

static int add_place(json_object *places, json_object *from, const char *name,
		     struct err *err)
{
	json_object *o = json_object_new_object();

	jset_str(o, "NetworkID", jget_str(from, "NetworkID"));
	jset_str(o, "EndpointID", jget_str(from, "EndpointID"));
	jset_str(o, "Name", name);
	jset(o, "First", json_object_new_boolean(jget_bool(from, "First")));
	if (o && json_object_array_add(places, o) == 0)
		return 0;
	json_object_put(o);
	return err_set(err, -ENOMEM, "out of memory");
}

/* @word: a network's name, or the begin of its id. */
static bool is_called(const char *name, const char *id, const char *word)
{
	return strcmp(name, word) == 0 ||
	       (strlen(word) >= 4 && strncmp(id, word, strlen(word)) == 0);
}

static bool is_dockers_name(const char *word)
{
	return strspn(word, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
	       strlen(word);
}

/* @ret_running: false: there is such a container, and it does not run.
 * @why: why there is none. */
static int ask_docker(const struct ctl *ctl, const char *word,
		      json_object *places, bool *ret_there, bool *ret_running,
		      struct err *why, struct err *err)
{
	_cleanup_(json_putp) json_object *container = NULL;
	json_object *all;
	char path[192];
	int r = 0;

	*ret_there = *ret_running = false;
	if (!is_dockers_name(word)) {
		err_set(why, -EINVAL, "it is no name of a container");
		return 0;
	}
	snprintf(path, sizeof(path), "/containers/%s/json", word);
	/* there may be no dockerd, or none that knows it */
	if (client_http_get(ctl->docker, path, ctl->timeout_ms, &container,
			    why) < 0)
		return 0;
	*ret_there = true;
	*ret_running = jget_bool(jget(container, "State"), "Running");
	all = jget(jget(container, "NetworkSettings"), "Networks");
	if (!json_object_is_type(all, json_type_object))
		return 0;
	json_object_object_foreach(all, name, at)
	{
		if (r == 0 && *jget_str(at, "EndpointID"))
			r = add_place(places, at, name, err);
	}
	return r;
}

static int ask_book(const struct ctl *ctl, const char *word,
		    json_object *places, struct err *err)
{
	_cleanup_(book_closep) struct book *b = NULL;
	_cleanup_(json_putp) json_object *nets = NULL;
	int r = book_open(ctl, false, &b, err);

	if (r == -ENOENT) {
		err->msg[0] = '\0';
		return 0;
	}
	if (r == 0)
		r = book_networks(b, &nets, err);
	for (size_t i = 0; r == 0 && i < jget_len(nets); i++) {
		json_object *net = json_object_array_get_idx(nets, i);
		_cleanup_(json_putp) json_object *ep = NULL;

		r = plug_find(b, net, word, &ep, err);
		if (r == 0)
			r = add_place(places, ep, jget_str(net, "Name"), err);
		else if (r == -ENOENT)
			r = 0;
	}
	if (r == 0)
		err->msg[0] = '\0';
	return r;
}

/* A container of netctl run.  @ret_there, @ret_running: as of ask_docker(). */
static int ask_box(const struct ctl *ctl, const char *word, json_object *places,
		   bool *ret_there, bool *ret_running, struct err *err)
{
	_cleanup_(json_putp) json_object *eps = NULL;
	struct box b = { .dir = -1, .lock = -1 };
	const char *first;
	int r = box_find(ctl, word, &b, err);

	*ret_there = r == 0;
	*ret_running = r == 0 && strcmp(box_state(&b), BOX_RUNNING) == 0;
	if (r == -ENOENT) {
		err->msg[0] = '\0';
		return 0;
	}
	if (*ret_running)
		r = box_net_endpoints(ctl, &b, &eps, err);
	first = jget_len(jget_array(b.rec, "Networks"))
			? json_object_get_string(json_object_array_get_idx(
				  jget_array(b.rec, "Networks"), 0))
			: "";
	for (size_t i = 0; r == 0 && i < jget_len(eps); i++) {
		json_object *ep = json_object_array_get_idx(eps, i);

		jset(ep, "First",
		     json_object_new_boolean(
			     is_called(jget_str(ep, "Network"),
				       jget_str(ep, "NetworkID"), first)));
		r = add_place(places, ep, jget_str(ep, "Network"), err);
	}
	box_free(&b);
	return r;
}

static int find_places(const struct ctl *ctl, const char *word,
		       json_object *places, struct err *err)
{
	bool docker, running, box = false, boxed = false;
	struct err why = { "" };
	size_t containers;
	int r = ask_docker(ctl, word, places, &docker, &running, &why, err);

	if (r == 0)
		r = ask_box(ctl, word, places, &box, &boxed, err);
	if (r < 0)
		return r;
	if (docker && box)
		return err_set(err, -ENOTUNIQ,
			       "%s is a container of Docker's and one of "
			       "netctl's: give its id",
			       word);
	containers = jget_len(places);
	r = ask_book(ctl, word, places, err);
	if (r < 0)
		return r;
	if ((docker || box) && jget_len(places) > containers)
		return err_set(err, -ENOTUNIQ,
			       "%s is a container and an attached namespace: "
			       "give the container's id, or the namespace's "
			       "path",
			       word);
	if (jget_len(places))
		return 0;
	if (docker || box)
		return err_set(err, -ENOENT, "container %s %s", word,
			       running || boxed ? "is on no network"
						: "does not run");
	return err_set(
		err, -ENOENT,
		"no namespace is attached as %s, and it is no container: "
		"%s",
		word, why.msg);
}

/* ---- what Berth's daemons say of it ---------------------------------------- */

/* @place gets Driver, Gateway and Ports. */
static int look_at(const struct ctl *ctl, json_object *place,
		   const char *driver, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *answer = NULL;
	json_object *ep;
	int r;

	jset_str(body, "NetworkID", jget_str(place, "NetworkID"));
	r = driver_call(ctl, driver, "Berth.Network", body, &answer, err);
	if (r < 0)
		return r;
	ep = jget_find(jget_array(answer, "EndpointList"), "EndpointID",
		       jget_str(place, "EndpointID"));
	jset_str(place, "Driver", driver);
	jset(place, "Gateway",
	     json_object_new_boolean(jget_bool(ep, "Gateway")));
	jset(place, "Ports", json_object_get(jget_array(ep, "Ports")));
	return 0;
}

/* Those of @places that are on Berth's networks, to @ret; @ret owned. */
static int ours(const struct ctl *ctl, json_object *places, json_object **ret,
		struct err *err)
{
	_cleanup_(json_putp) json_object *nets = NULL;
	_cleanup_(json_putp) json_object *list = json_object_new_array();
	int r = driver_collect(ctl, DRIVER_NETWORK, "Berth.Networks",
			       "Networks", NULL, &nets, err);

	for (size_t i = 0; r >= 0 && i < jget_len(places); i++) {
		json_object *place = json_object_array_get_idx(places, i);
		json_object *net = jget_find(nets, "NetworkID",
					     jget_str(place, "NetworkID"));

		if (!net)
			continue;
		r = look_at(ctl, place, jget_str(net, "Driver"), err);
		if (r == 0 &&
		    json_object_array_add(list, json_object_get(place)) < 0)
			r = err_set(err, -ENOMEM, "out of memory");
	}
	if (r < 0)
		return r;
	*ret = take_ptr(list);
	return 0;
}

static bool is_named(json_object *place, const char *network)
{
	return is_called(jget_str(place, "Name"), jget_str(place, "NetworkID"),
			 network);
}

/* The one that --network says, or, as Docker has it, the container's way out.
 * @ret: borrowed. */
static int choose(const struct ctl *ctl, json_object *places, const char *word,
		  json_object **ret, struct err *err)
{
	json_object *found = NULL;
	int n = 0;

	for (size_t i = 0; i < jget_len(places); i++) {
		json_object *place = json_object_array_get_idx(places, i);

		if (ctl->network ? !is_named(place, ctl->network)
				 : !jget_bool(place, "Gateway"))
			continue;
		if (!found || !jget_bool(found, "First"))
			found = place;
		n++;
	}
	if (n > 1 && !ctl->network && jget_bool(found, "First"))
		n = 1;
	if (!jget_len(places))
		return err_set(err, -ENOENT,
			       "%s is on no network of Berth's: ports are "
			       "added on those",
			       word);
	if (n > 1)
		return err_set(err, -ENOTUNIQ,
			       "%s goes out by several networks: --network "
			       "says which is meant",
			       word);
	if (!n && ctl->network)
		return err_set(err, -ENOENT,
			       "%s is on no network %s of Berth's", word,
			       ctl->network);
	if (!n)
		return err_set(err, -ENOENT,
			       "no network of Berth's is %s's way out: it "
			       "would answer by another one",
			       word);
	*ret = found;
	return 0;
}

/* The endpoint of ctl->args[0]; owned. */
static int find_place(const struct ctl *ctl, json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *all = json_object_new_array();
	_cleanup_(json_putp) json_object *list = NULL;
	json_object *place = NULL;
	int r = find_places(ctl, ctl->args[0], all, err);

	if (r == 0)
		r = ours(ctl, all, &list, err);
	if (r == 0)
		r = choose(ctl, list, ctl->args[0], &place, err);
	if (r == 0)
		*ret = json_object_get(place);
	return r;
}

/* ---- ports ----------------------------------------------------------------- */

/* The rows of one text, as publish.h has them; a range whose host ports are all
 * told comes and goes as one. */
static int add_rows(json_object *to, const char *text, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = json_object_new_array();
	json_object *first;
	size_t n;
	int r = publish_parse(text, rows, err);

	if (r < 0)
		return r;
	n = jget_len(rows);
	first = json_object_array_get_idx(rows, 0);
	if (n > 1 && jget_int(first, "HostPort")) {
		jset(first, "Count", json_object_new_int64((int64_t)n));
		json_object_object_del(first, "HostPortEnd");
		n = 1;
	}
	for (size_t i = 0; i < n; i++) {
		json_object *row = json_object_array_get_idx(rows, i);

		if (json_object_array_add(to, json_object_get(row)) < 0)
			return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* @ret_rows: how many were asked for; may be NULL. */
static int call(const struct ctl *ctl, const char *method, json_object **ret,
		size_t *ret_rows, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *place = NULL;
	json_object *rows = json_object_new_array();
	int r = 0;

	jset(body, "Ports", rows);
	for (int i = 1; r == 0 && i < ctl->arg_count; i++)
		r = add_rows(rows, ctl->args[i], err);
	if (r == 0)
		r = find_place(ctl, &place, err);
	if (r < 0)
		return r;
	*ret_rows = jget_len(rows);
	jset_str(body, "NetworkID", jget_str(place, "NetworkID"));
	jset_str(body, "EndpointID", jget_str(place, "EndpointID"));
	return driver_call(ctl, jget_str(place, "Driver"), method, body, ret,
			   err);
}

/* "0.0.0.0:8081 -> 10.1.0.2:80/tcp", a line each. */
static void print_ports(json_object *rows)
{
	static const struct docker_names nobody;

	view_ports(rows, &nobody);
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);

		printf("%s -> %s/%s\n", jget_str(row, "Host"),
		       jget_str(row, "Target"), jget_str(row, "Proto"));
	}
}

int port_live_add(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *answer = NULL;
	size_t asked;
	int r = call(ctl, "Berth.PortPublish", &answer, &asked, err);

	if (r == 0)
		print_ports(jget_array(answer, "Ports"));
	return r;
}

/* The daemon takes a removal of nothing for done (it may be asked twice); who
 * types one wants to know. */
int port_live_rm(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *answer = NULL;
	size_t asked, gone;
	int r = call(ctl, "Berth.PortUnpublish", &answer, &asked, err);

	if (r < 0)
		return r;
	gone = jget_len(jget_array(answer, "Removed"));
	if (gone >= asked)
		return 0;
	return err_set(err, -ENOENT,
		       "%zu of %zu were added to %s, and are gone: 'netctl "
		       "port ls %s' lists its ports",
		       gone, asked, ctl->args[0], ctl->args[0]);
}

int port_live_ls(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *all = json_object_new_array();
	_cleanup_(json_putp) json_object *list = NULL;
	_cleanup_(json_putp) json_object *rows = json_object_new_array();
	_cleanup_(docker_names_fini) struct docker_names names = { 0 };
	int r = find_places(ctl, ctl->args[0], all, err);

	if (r == 0)
		r = ours(ctl, all, &list, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *place = json_object_array_get_idx(list, i);
		json_object *ports = jget_array(place, "Ports");

		if (ctl->network && !is_named(place, ctl->network))
			continue;
		for (size_t k = 0; k < jget_len(ports); k++) {
			json_object *row = json_object_array_get_idx(ports, k);

			jset_str(row, "Driver", jget_str(place, "Driver"));
			if (json_object_array_add(rows, json_object_get(row)) <
			    0)
				return err_set(err, -ENOMEM, "out of memory");
		}
	}
	docker_names_load(ctl, &names);
	view_ports(rows, &names);
	return out_rows(stdout, ctl->format, view_port_cols, rows, err);
}
