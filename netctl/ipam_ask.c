// SPDX-License-Identifier: GPL-2.0-or-later
/* IpamDriver's requests as dockerd sends them. */
#include "netctl/ipam_ask.h"

#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"

#define GATEWAY "com.docker.network.gateway"

int ipam_open(const struct ctl *ctl, const char *driver, struct ipam *ret,
	      struct err *err)
{
	_cleanup_(json_putp) json_object *can = NULL;
	int r;

	*ret = (struct ipam){ .ctl = ctl, .driver = driver };
	if (strcmp(driver, "null") == 0) {
		ret->is_null = true;
		return 0;
	}
	if (strcmp(driver, "default") == 0)
		return err_set(err, -EINVAL,
			       "the IPAM driver \"default\" is inside dockerd: "
			       "berth-ipam does the same");
	/* optional, says the protocol: without it nothing is required */
	if (driver_call(ctl, driver, "IpamDriver.GetCapabilities", NULL, &can,
			NULL) == 0)
		ret->needs_mac = jget_bool(can, "RequiresMACAddress");
	r = driver_call(ctl, driver, "IpamDriver.GetDefaultAddressSpaces", NULL,
			&ret->spaces, err);
	return r < 0 ? err_wrap(err, r, "%s", driver) : 0;
}

void ipam_close(struct ipam *i)
{
	json_object_put(take_ptr(i->spaces));
}

static int ask(const struct ipam *i, const char *method, json_object *body,
	       json_object **ret, struct err *err)
{
	int r = driver_call(i->ctl, i->driver, method, body, ret, err);

	return r < 0 ? err_wrap(err, r, "%s", i->driver) : 0;
}

int ipam_pool(const struct ipam *i, bool v6, const char *pool,
	      const char *range, json_object *options, json_object **ret,
	      struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *got = NULL;
	_cleanup_(json_putp) json_object *out = json_object_new_object();
	const char *space = jget_str(i->spaces, "LocalDefaultAddressSpace");
	const char *gateway;
	struct ip_prefix p;
	int r = 0;

	if (!body || !out)
		return err_set(err, -ENOMEM, "out of memory");
	if (i->is_null && *pool)
		return err_set(err, -EINVAL,
			       "the IPAM driver \"null\" takes no --subnet");
	jset_str(body, "AddressSpace", space);
	jset_str(body, "Pool", pool);
	jset_str(body, "SubPool", range);
	jset(body, "Options",
	     options ? json_object_get(options) : json_object_new_object());
	jset(body, "V6", json_object_new_boolean(v6));
	jset_str(out, "AddressSpace", i->is_null ? "null" : space);
	jset(out, "V6", json_object_new_boolean(v6));
	if (i->is_null) {
		jset_str(out, "Pool", v6 ? "::/0" : "0.0.0.0/0");
		jset_str(out, "PoolID", "");
		*ret = take_ptr(out);
		return 0;
	}
	r = ask(i, "IpamDriver.RequestPool", body, &got, err);
	if (r < 0)
		return r;
	if (ip_prefix_parse(jget_str(got, "Pool"), &p, NULL) < 0 ||
	    (p.addr.family == AF_INET6) != v6 || !*jget_str(got, "PoolID")) {
		if (*jget_str(got, "PoolID"))
			ipam_give_back(i->ctl, i->driver,
				       jget_str(got, "PoolID"), NULL, NULL);
		return err_set(err, -EBADMSG,
			       "%s gave no usable pool: PoolID \"%s\", Pool "
			       "\"%s\"",
			       i->driver, jget_str(got, "PoolID"),
			       jget_str(got, "Pool"));
	}
	jset_str(out, "Pool", jget_str(got, "Pool"));
	jset_str(out, "PoolID", jget_str(got, "PoolID"));
	gateway = jget_str(jget(got, "Data"), GATEWAY);
	if (*gateway)
		jset_str(out, "Gateway", gateway);
	*ret = take_ptr(out);
	return 0;
}

int ipam_address(const struct ipam *i, const char *pool_id, const char *address,
		 const char *key, const char *value,
		 char ret[static PREFIX_STR_MAX], struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *got = NULL;
	json_object *options = json_object_new_object();
	struct ip_prefix p;
	int r;

	if (key)
		jset_str(options, key, value);
	jset_str(body, "PoolID", pool_id);
	jset_str(body, "Address", address);
	jset(body, "Options", options);
	r = ask(i, "IpamDriver.RequestAddress", body, &got, err);
	if (r < 0)
		return r;
	if (ip_prefix_parse(jget_str(got, "Address"), &p, NULL) < 0)
		return err_set(err, -EBADMSG, "%s gave no address: \"%s\"",
			       i->driver, jget_str(got, "Address"));
	ip_prefix_str(&p, ret);
	return 0;
}

int ipam_give_back(const struct ctl *ctl, const char *driver,
		   const char *pool_id, const char *address, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	struct err why = { 0 };
	int r;

	if (strcmp(driver, "null") == 0)
		return 0;
	if (!body)
		return err_set(err, -ENOMEM, "out of memory");
	jset_str(body, "PoolID", pool_id);
	if (address) {
		_cleanup_free_ char *bare =
			strndup(address, strcspn(address, "/"));

		if (!bare)
			return err_set(err, -ENOMEM, "out of memory");
		jset_str(body, "Address", bare);
	}
	r = driver_call(ctl, driver,
			address ? "IpamDriver.ReleaseAddress"
				: "IpamDriver.ReleasePool",
			body, NULL, &why);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return err_set(err, r, "%s", why.msg);
	if (r < 0 && r != -EREMOTEIO)
		cli_warn("%s may still have %s of pool %s on record, 'netctl "
			 "ipam gc' looks: %s",
			 driver, address ? address : "a reference", pool_id,
			 why.msg);
	return 0;
}
