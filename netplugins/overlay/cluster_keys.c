// SPDX-License-Identifier: GPL-2.0-or-later
/* Keys and records of the cluster, as text and back.  What others wrote is not
 * believed further than it goes. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/jdec.h"
#include "netplugins/overlay/cluster_priv.h"

void cl_key(const struct cluster *c, char buf[static CL_KEY_MAX],
	    const char *fmt, ...)
{
	size_t n = strlen(c->prefix);
	va_list ap;

	memcpy(buf, c->prefix, n);
	va_start(ap, fmt);
	vsnprintf(buf + n, CL_KEY_MAX - n, fmt, ap);
	va_end(ap);
}

static size_t pool_text(const struct ip_prefix *p, char *buf, size_t size)
{
	struct ip_addr first = ip_prefix_first(p);
	char text[IP_STR_MAX];

	if (ip_is_none(&p->addr))
		return 0;
	return (size_t)snprintf(buf, size, "%s-%u", ip_str(&first, text),
				p->len);
}

int cluster_net_name(const struct ov_network *net,
		     char buf[static CLUSTER_NET_MAX], struct err *err)
{
	size_t n;

	if (net->name[0]) {
		if (!cluster_word_valid(net->name))
			return err_set(err, -EINVAL,
				       "berth.name=%s: letters, digits, '_', "
				       "'.' and '-' make a name",
				       net->name);
		snprintf(buf, CL_NAME_MAX, "n.%s", net->name);
		return 0;
	}
	if (ip_is_none(&net->pool4.addr) && ip_is_none(&net->pool6.addr))
		return err_set(err, -EINVAL,
			       "a network of a cluster needs a subnet or "
			       "berth.name=");
	n = (size_t)snprintf(buf, CL_NAME_MAX, "p.");
	n += pool_text(&net->pool4, buf + n, CL_NAME_MAX - n);
	if (!ip_is_none(&net->pool4.addr) && !ip_is_none(&net->pool6.addr))
		n += (size_t)snprintf(buf + n, CL_NAME_MAX - n, "+");
	(void)pool_text(&net->pool6, buf + n, CL_NAME_MAX - n);
	return 0;
}

void cl_subnet_key(const struct cluster *c, const struct ip_addr *a,
		   char buf[static CL_KEY_MAX])
{
	char hex[33] = "";

	for (unsigned int i = 0; i < ip_bytes(a); i++)
		snprintf(hex + 2 * i, 3, "%02x", a->bytes[i]);
	cl_key(c, buf, "sub%c/%s", a->family == AF_INET ? '4' : '6', hex);
}

#define F(key, type, st, member, flags) JDEC_FIELD(key, type, st, member, flags)

static const struct jdec_field net_fields[] = {
	F("name", JDEC_STR, struct cl_net_record, name, 0),
	F("node", JDEC_STR, struct cl_net_record, node, 0),
	F("pool4", JDEC_PREFIX, struct cl_net_record, pool4, 0),
	F("pool6", JDEC_PREFIX, struct cl_net_record, pool6, 0),
	F("vni", JDEC_U32, struct cl_net_record, vni, JDEC_REQUIRED),
	F("encrypt", JDEC_BOOL, struct cl_net_record, encrypt, 0),
	{ 0 },
};

static const struct jdec_field subnet_fields[] = {
	F("subnet", JDEC_PREFIX, struct cl_subnet_record, subnet,
	  JDEC_REQUIRED),
	F("net", JDEC_STR, struct cl_subnet_record, net, JDEC_REQUIRED),
	{ 0 },
};

static const struct jdec_field owner_fields[] = {
	F("node", JDEC_ID, struct cl_owner, node, JDEC_REQUIRED),
	F("id", JDEC_ID, struct cl_owner, id, JDEC_REQUIRED),
	{ 0 },
};

static const struct jdec_field host_fields[] = {
	F("node", JDEC_ID, struct cl_host_record, node, JDEC_REQUIRED),
	F("machine", JDEC_STR, struct cl_host_record, machine, 0),
	F("key", JDEC_STR, struct cl_host_record, key, 0),
	F("next", JDEC_STR, struct cl_host_record, next, 0),
	F("vtep", JDEC_IP, struct cl_host_record, vtep, JDEC_REQUIRED),
	{ 0 },
};

/* Whose it is stands in it even where the host has no address yet. */
static const struct jdec_field writer_fields[] = {
	F("node", JDEC_ID, struct cl_host_record, node, JDEC_REQUIRED),
	F("machine", JDEC_STR, struct cl_host_record, machine, JDEC_REQUIRED),
	{ 0 },
};

static const struct jdec_field endpoint_fields[] = {
	F("node", JDEC_ID, struct ov_endpoint, node, JDEC_REQUIRED),
	F("id", JDEC_ID, struct ov_endpoint, id, JDEC_REQUIRED),
	F("mac", JDEC_MAC, struct ov_endpoint, mac, JDEC_REQUIRED),
	F("addr4", JDEC_IP, struct ov_endpoint, addr4, 0),
	F("addr6", JDEC_IP, struct ov_endpoint, addr6, 0),
	F("multicast", JDEC_BOOL, struct ov_endpoint, multicast, 0),
	{ 0 },
};

static char *encode(const struct jdec_field *fields, const void *in)
{
	_cleanup_(json_putp) json_object *o = jdec_to_json(fields, in);
	const char *text =
		o ? json_object_to_json_string_ext(
			    o, JSON_C_TO_STRING_PLAIN |
				       JSON_C_TO_STRING_NOSLASHESCAPE)
		  : NULL;

	return text ? strdup(text) : NULL;
}

static int decode(const struct etcd_kv *kv, const struct jdec_field *fields,
		  void *out)
{
	_cleanup_(json_putp) json_object *o = NULL;
	int r = jdec_parse(kv->value, kv->value_len, &o, NULL);

	return r < 0 ? r : jdec_object(o, fields, out, NULL);
}

char *cl_net_encode(const struct cl_net_record *r)
{
	return encode(net_fields, r);
}

char *cl_subnet_encode(const struct cl_subnet_record *r)
{
	return encode(subnet_fields, r);
}

char *cl_owner_encode(const struct cl_owner *r)
{
	return encode(owner_fields, r);
}

char *cl_host_encode(const struct cl_host_record *r)
{
	return encode(host_fields, r);
}

char *cl_endpoint_encode(const struct ov_endpoint *ep)
{
	return encode(endpoint_fields, ep);
}

int cl_net_decode(const struct etcd_kv *kv, struct cl_net_record *ret)
{
	struct cl_net_record got = { 0 };
	int r = decode(kv, net_fields, &got);

	if (r < 0)
		return r;
	if (got.vni == 0 || got.vni > OV_VNI_MAX)
		return -EBADMSG;
	*ret = got;
	return 0;
}

int cl_subnet_decode(const struct etcd_kv *kv, struct cl_subnet_record *ret)
{
	struct cl_subnet_record got = { 0 };
	int r = decode(kv, subnet_fields, &got);

	if (r == 0)
		*ret = got;
	return r;
}

int cl_owner_decode(const struct etcd_kv *kv, struct cl_owner *ret)
{
	struct cl_owner got = { 0 };
	int r = decode(kv, owner_fields, &got);

	if (r == 0)
		*ret = got;
	return r;
}

/* Of one host, as a wire can go to it. */
static bool unicast(const struct ip_addr *a)
{
	if (ip_is_none(a) || ip_is_any(a) || ip_is_loopback(a))
		return false;
	return a->family == AF_INET ? a->bytes[0] < 224 : a->bytes[0] != 0xff;
}

int cl_host_decode(const struct etcd_kv *kv, const char *node,
		   struct cl_host_record *ret)
{
	struct cl_host_record got = { 0 };
	int r = decode(kv, host_fields, &got);

	if (r < 0)
		return r;
	if (strcmp(got.node, node) != 0 || !unicast(&got.vtep))
		return -EBADMSG;
	*ret = got;
	return 0;
}

int cl_host_writer(const struct etcd_kv *kv, const char *node,
		   struct cl_host_record *ret)
{
	struct cl_host_record got = { 0 };
	int r = cl_host_decode(kv, node, ret);

	if (r == 0)
		return 0;
	r = decode(kv, writer_fields, &got);
	if (r == 0 && strcmp(got.node, node) != 0)
		r = -EBADMSG;
	if (r == 0)
		*ret = got;
	return r;
}

/* A family that the network has no subnet of is outside; none known at all: any is in. */
static bool inside(const struct ip_addr *a, const struct ov_network *net,
		   int family)
{
	const struct ip_prefix *pool =
		family == AF_INET ? &net->pool4 : &net->pool6;

	if (ip_is_none(a))
		return true;
	if (a->family != family || !unicast(a))
		return false;
	return (ip_is_none(&net->pool4.addr) && ip_is_none(&net->pool6.addr)) ||
	       ip_prefix_contains(pool, a);
}

int cl_endpoint_decode(const struct etcd_kv *kv, const char *prefix,
		       const char *node, const struct ov_network *net,
		       struct ov_endpoint *ret)
{
	struct ov_endpoint got = { 0 };
	size_t n = strlen(prefix);
	int r;

	if (strncmp(kv->key, prefix, n) != 0)
		return -EBADMSG;
	r = decode(kv, endpoint_fields, &got);
	if (r < 0)
		return r;
	if (strcmp(got.node, node) != 0 || strcmp(got.id, kv->key + n) != 0 ||
	    mac_check(&got.mac, NULL) < 0 ||
	    !inside(&got.addr4, net, AF_INET) ||
	    !inside(&got.addr6, net, AF_INET6))
		return -EBADMSG;
	*ret = got;
	return 0;
}
