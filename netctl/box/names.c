// SPDX-License-Identifier: GPL-2.0-or-later
/* A container's names at berth-dns. */
#include "netctl/box/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/fail.h"
#include "lib/ip.h"
#include "lib/jdec.h"
#include "lib/netns.h"
#include "netctl/box/net.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/nets.h"

#define DNS       "berth-dns"
#define ASK_TRIES 4
#define ASK_MS    500

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

/* @network: as berth-dns has it on record: what hosts share, else the id. */
static void add_endpoint(json_object *told, const struct box *b,
			 const char *network, json_object *ep)
{
	static const char *const members[] = { "Address", "AddressIPv6" };
	const char *name = jget_str(b->rec, "Name");
	char id[13];

	snprintf(id, sizeof(id), "%.12s", b->id);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const char *address = jget_str(ep, members[i]);

		if (!*address)
			continue;
		add_told(told, network, id, address);
		if (*name && strcmp(name, id) != 0)
			add_told(told, network, name, address);
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
		json_object *net =
			jget_find(nets, "NetworkID", jget_str(ep, "NetworkID"));
		_cleanup_(json_putp) json_object *says =
			net ? named_net(ctl, net) : NULL;
		json_object *at = jget_array(says, "Gateways");

		if (!says)
			continue;
		add_endpoint(told, b,
			     *jget_str(says, "Shared")
				     ? jget_str(says, "Shared")
				     : jget_str(ep, "NetworkID"),
			     ep);
		for (size_t k = 0; k < jget_len(at) && i == 0; k++)
			json_object_array_add(
				servers,
				json_object_get(
					json_object_array_get_idx(at, k)));
	}
	return r;
}

/* ---- who answers -------------------------------------------------------------------- */

struct question {
	struct ip_addr at;
};

/* "berth." A, of a class that is refused at once: any answer is one. */
static int ask(void *ctx, struct err *err)
{
	static const unsigned char text[] = { 0xbe, 0x27, 1,   0,   0,   1,
					      0,    0,    0,   0,   0,   0,
					      5,    'b',  'e', 'r', 't', 'h',
					      0,    0,    1,   0,   3 };
	const struct question *q = ctx;
	bool six = q->at.family == AF_INET6;
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(53) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(53) };
	_cleanup_close_ int fd =
		socket(q->at.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned char got[512];

	(void)err;
	memcpy(&in.sin_addr, q->at.bytes, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, q->at.bytes, sizeof(in6.sin6_addr));
	if (fd < 0 || connect(fd, six ? (void *)&in6 : (void *)&in,
			      six ? sizeof(in6) : sizeof(in)) < 0)
		return 0;
	for (int i = 0; i < ASK_TRIES; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (send(fd, text, sizeof(text), MSG_NOSIGNAL) < 0 ||
		    poll(&p, 1, ASK_MS) <= 0)
			continue;
		if (recv(fd, got, sizeof(got), 0) >= 12 && got[0] == text[0] &&
		    got[1] == text[1])
			return 1;
	}
	return 0;
}

/* Without those that do not answer, as the container asks: somebody else may have the
 * port, or the host's firewall be in the way. */
static json_object *answering(json_object *servers, pid_t pid)
{
	json_object *out = json_object_new_array();
	_cleanup_close_ int netns = -1;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	netns = netns_open(path, NULL);
	for (size_t i = 0; netns >= 0 && i < jget_len(servers); i++) {
		json_object *o = json_object_array_get_idx(servers, i);
		struct question q;

		if (ip_parse(json_object_get_string(o), &q.at, NULL) == 0 &&
		    netns_run(netns, ask, &q, NULL) == 1)
			json_object_array_add(out, json_object_get(o));
	}
	return out;
}

/* ---- telling ------------------------------------------------------------------------ */

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

int box_names_tell(const struct ctl *ctl, struct box *b, pid_t pid,
		   json_object **ret_servers, struct err *err)
{
	_cleanup_(json_putp) json_object *servers = json_object_new_array();
	json_object *told = json_object_new_array();
	const char *name;
	int r;

	*ret_servers = NULL;
	if (box_net_kind(b->rec, &name) != BOX_NET_NAMED || !dns_runs(ctl)) {
		json_object_put(told);
		return 0;
	}
	r = collect(ctl, b, told, servers, err);
	jset(b->rec, "Told", told);
	if (r < 0 || jget_len(told) == 0)
		return r;
	r = box_save(b, err);
	if (r < 0)
		return r;
	tell_all(ctl, b, told);
	*ret_servers = answering(servers, pid);
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
