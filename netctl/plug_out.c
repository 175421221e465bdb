// SPDX-License-Identifier: GPL-2.0-or-later
/* An endpoint found again, and undone at any stage. */
#include <string.h>
#include <unistd.h>

#include "lib/fail.h"
#include "lib/jdec.h"
#include "netctl/drivers.h"
#include "netctl/ipam_ask.h"
#include "netctl/jget.h"
#include "netctl/nets.h"
#include "netctl/plug_priv.h"
#include "netctl/sandbox.h"

int plug_call(const struct ctl *ctl, json_object *net, json_object *ep,
	      const char *method, json_object *body, json_object **ret,
	      struct err *err)
{
	jset_str(body, "NetworkID", jget_str(net, "NetworkID"));
	jset_str(body, "EndpointID", jget_str(ep, "EndpointID"));
	return driver_call(ctl, jget_str(net, "Driver"), method, body, ret,
			   err);
}

/* The same where the answer and a refusal do not matter. */
static void tell(const struct ctl *ctl, json_object *net, json_object *ep,
		 const char *method)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();

	plug_call(ctl, net, ep, method, body, NULL, NULL);
}

static int open_netns(json_object *ep, struct err *err)
{
	return sandbox_find(jget_str(ep, "Netns"), jget_str(ep, "NetnsID"),
			    err);
}

bool plug_alive(json_object *ep)
{
	int fd = open_netns(ep, NULL);

	if (fd >= 0)
		close(fd);
	return fd != -ENOENT;
}

int plug_find(struct book *b, json_object *net, const char *word,
	      json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *eps = NULL;
	_cleanup_free_ char *path = NULL;
	struct sandbox_id now = { "" };
	_cleanup_close_ int fd = -1;
	json_object *by_path = NULL;
	int r = sandbox_path(word, &path, err);

	if (r == 0)
		r = book_endpoints(b, jget_str(net, "NetworkID"), &eps, err);
	if (r < 0)
		return r;
	fd = sandbox_open(path, &now, NULL); /* gone is fine */
	for (size_t i = 0; i < jget_len(eps); i++) {
		json_object *ep = json_object_array_get_idx(eps, i);

		if (fd >= 0 && strcmp(jget_str(ep, "NetnsID"), now.s) == 0) {
			*ret = json_object_get(ep);
			return 0;
		}
		if (strcmp(jget_str(ep, "Netns"), path) == 0)
			by_path = ep;
	}
	if (!by_path)
		return err_set(err, -ENOENT, "%s is not attached to %s", path,
			       jget_str(net, "Name"));
	*ret = json_object_get(by_path);
	return 0;
}

/*
 * What is given back leaves the record first: killed in between it is lost, and
 * netctl ipam gc finds it, while given back twice it would be somebody else's.
 */
static int release_one(const struct ctl *ctl, struct book *b, json_object *net,
		       json_object *ep, bool v6, struct err *err)
{
	static const char *const pools[] = { "PoolID", "PoolIDv6" };
	const char *addr = jget_str(ep, v6 ? "AddressIPv6" : "Address");
	_cleanup_free_ char *pool = strdup(jget_str(ep, pools[v6]));
	int r;

	if (!pool)
		return err_set(err, -ENOMEM, "out of memory");
	if (!*pool)
		return 0;
	json_object_object_del(ep, pools[v6]);
	r = book_put_endpoint(b, ep, err);
	if (r == 0)
		r = ipam_give_back(ctl, jget_str(net, "Ipam"), pool, addr, err);
	if (r < 0) { /* nobody was asked */
		jset_str(ep, pools[v6], pool);
		book_put_endpoint(b, ep, NULL);
	}
	return r;
}

/* The link back to the host, where the driver deletes it. */
static int pull(json_object *ep, struct err *err)
{
	static const char *const macs[] = { "LinkMac", "MacAddress" };
	const char *src = jget_str(ep, "SrcName");
	_cleanup_close_ int fd = *src ? open_netns(ep, err) : -ENOENT;
	int r = fd < 0 && fd != -ENOENT ? fd : 0;

	for (size_t i = 0; i < ARRAY_SIZE(macs) && fd >= 0 && r == 0; i++) {
		struct mac_addr mac;

		if (mac_parse(jget_str(ep, macs[i]), &mac, NULL) == 0)
			r = sandbox_pull(fd, jget_str(ep, "Interface"), src,
					 &mac, err);
	}
	return r;
}

static int delete (const struct ctl *ctl, struct book *b, json_object *net,
		   json_object *ep, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	int r;

	if (jget_bool(ep, "Deleted"))
		return 0;
	r = plug_call(ctl, net, ep, "NetworkDriver.DeleteEndpoint", body, NULL,
		      err);
	/* a driver that never got to know it says so in its own words */
	if (r == -EREMOTEIO && !jget_bool(ep, "Made"))
		r = 0;
	if (r < 0 && ctl->force) {
		cli_warn("%s: %s", jget_str(ep, "Netns"), err->msg);
		r = 0;
	}
	if (r < 0)
		return r;
	r = FAILPOINT("plug.deleted");
	jset(ep, "Deleted", json_object_new_boolean(true));
	return r < 0 ? r : book_put_endpoint(b, ep, err);
}

int plug_detach(const struct ctl *ctl, struct book *b, json_object *net,
		json_object *ep, struct err *err)
{
	int r = 0;

	if (strcmp(jget_str(ep, "State"), NETS_THERE) == 0) {
		jset_str(ep, "State", NETS_REMOVING);
		r = book_put_endpoint(b, ep, err);
	}
	if (r < 0)
		return r;
	if (!jget_bool(ep, "Deleted")) {
		tell(ctl, net, ep, "NetworkDriver.RevokeExternalConnectivity");
		tell(ctl, net, ep, "NetworkDriver.Leave");
		r = FAILPOINT("plug.left");
		if (r == 0)
			r = pull(ep, err);
		if (r == 0)
			r = FAILPOINT("plug.pulled");
	}
	if (r == 0)
		r = delete (ctl, b, net, ep, err);
	for (int v6 = 0; v6 < 2 && r == 0; v6++)
		r = release_one(ctl, b, net, ep, v6, err);
	if (r == 0)
		r = FAILPOINT("plug.released");
	return r < 0 ? r
		     : book_del_endpoint(b, jget_str(ep, "EndpointID"), err);
}
