// SPDX-License-Identifier: GPL-2.0-or-later
/* Leases of etcd: what is attached to one goes with it. */
#include "lib/etcd_priv.h"
#include "lib/jdec.h"

static int ttl_of(json_object *o, unsigned int *ret, struct err *err)
{
	uint64_t ttl;
	int r = etcd_json_u64(o, "TTL", &ttl, err);

	if (r < 0)
		return r;
	*ret = ttl > 86400 ? 86400 : (unsigned int)ttl;
	return 0;
}

int etcd_lease_grant(struct etcd *e, unsigned int ttl_s, uint64_t *ret,
		     unsigned int *ret_ttl_s, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *o = NULL;
	uint64_t id = 0;
	int r;

	if (etcd_json_add_s64(body, "TTL", ttl_s) < 0)
		return err_set(err, -ENOMEM, "etcd");
	/* One more than we know of ends by itself. */
	r = etcd_call(e, "lease/grant", body, true, &o, err);
	if (r == 0)
		r = etcd_json_u64(o, "ID", &id, err);
	if (r == 0)
		r = ttl_of(o, ret_ttl_s, err);
	if (r == 0 && (!id || id > INT64_MAX || !*ret_ttl_s))
		r = err_set(err, -EBADMSG, "etcd's answer: a lease without ID");
	if (r == 0)
		*ret = id;
	return r;
}

static int on_lease(struct etcd *e, const char *method, uint64_t lease,
		    json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();

	if (etcd_json_add_s64(body, "ID", (int64_t)lease) < 0)
		return err_set(err, -ENOMEM, "etcd");
	return etcd_call(e, method, body, true, ret, err);
}

int etcd_lease_keep(struct etcd *e, uint64_t lease, unsigned int *ret_ttl_s,
		    struct err *err)
{
	_cleanup_(json_putp) json_object *o = NULL;
	json_object *res;
	int r = on_lease(e, "lease/keepalive", lease, &o, err);

	if (r == 0)
		r = etcd_json_object(o, "result", &res, err);
	if (r == 0 && !res)
		r = err_set(err, -EBADMSG, "etcd's answer: result: missing");
	if (r == 0)
		r = ttl_of(res, ret_ttl_s, err);
	if (r == 0 && !*ret_ttl_s)
		r = err_set(err, -ENOENT, "the lease has expired");
	return r;
}

int etcd_lease_revoke(struct etcd *e, uint64_t lease, struct err *err)
{
	_cleanup_(json_putp) json_object *o = NULL;
	struct err why = { 0 };
	int r = on_lease(e, "lease/revoke", lease, &o, &why);

	return r < 0 && r != -ENOENT ? err_set(err, r, "%s", why.msg) : 0;
}
