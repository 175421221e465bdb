/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks and endpoints as records on disk, and back. */
#include <stdio.h>
#include <string.h>

#include "netplugins/net_core.h"

/* A network's record is its request, word for word. */
struct network_record {
	json_object *request; /* belongs to the text's object */
	char created[32];
	bool borrowed;
	uint32_t mtu;
	char dataplane[8];
};

static const struct jdec_field network_fields[] = {
	JDEC_FIELD("Request", JDEC_MAP, struct network_record, request, 0),
	JDEC_FIELD("Created", JDEC_STR, struct network_record, created, 0),
	JDEC_FIELD("Borrowed", JDEC_BOOL, struct network_record, borrowed, 0),
	JDEC_FIELD("MTU", JDEC_U32, struct network_record, mtu, 0),
	JDEC_FIELD("Dataplane", JDEC_STR, struct network_record, dataplane, 0),
	{ 0 },
};

struct endpoint_record {
	char id[65];
	struct ip_prefix addr4, addr6;
	struct mac_addr mac;
	bool mac_given, exposed;
	char ifname[IFNAMSIZ], peer[IFNAMSIZ], sandbox[256];
	json_object *options;
	struct jdec_array asked, ports; /* of struct port_range */
};

static const struct jdec_field range_fields[] = {
	JDEC_FIELD("Proto", JDEC_U8, struct port_range, proto, JDEC_REQUIRED),
	JDEC_FIELD("HostIP", JDEC_IP, struct port_range, host_ip, 0),
	JDEC_FIELD("Host", JDEC_U16, struct port_range, host_first, 0),
	JDEC_FIELD("Port", JDEC_U16, struct port_range, port_first, 0),
	JDEC_FIELD("Count", JDEC_U32, struct port_range, count, JDEC_REQUIRED),
	JDEC_FIELD("ChooseFirst", JDEC_U16, struct port_range, choose_first, 0),
	JDEC_FIELD("ChooseLast", JDEC_U16, struct port_range, choose_last, 0),
	JDEC_FIELD("Live", JDEC_BOOL, struct port_range, live, 0),
	{ 0 },
};

static const struct jdec_field endpoint_fields[] = {
	JDEC_FIELD("ID", JDEC_ID, struct endpoint_record, id, JDEC_REQUIRED),
	JDEC_FIELD("Address", JDEC_PREFIX, struct endpoint_record, addr4, 0),
	JDEC_FIELD("AddressIPv6", JDEC_PREFIX, struct endpoint_record, addr6,
		   0),
	JDEC_FIELD("MacAddress", JDEC_MAC, struct endpoint_record, mac, 0),
	JDEC_FIELD("MacGiven", JDEC_BOOL, struct endpoint_record, mac_given, 0),
	JDEC_FIELD("Interface", JDEC_STR, struct endpoint_record, ifname, 0),
	JDEC_FIELD("Peer", JDEC_STR, struct endpoint_record, peer, 0),
	JDEC_FIELD("Sandbox", JDEC_STR, struct endpoint_record, sandbox, 0),
	JDEC_FIELD("Exposed", JDEC_BOOL, struct endpoint_record, exposed, 0),
	JDEC_FIELD("Options", JDEC_MAP, struct endpoint_record, options, 0),
	JDEC_FIELD_ARRAY("Asked", struct endpoint_record, asked,
			 struct port_range, range_fields, 0),
	JDEC_FIELD_ARRAY("Ports", struct endpoint_record, ports,
			 struct port_range, range_fields, 0),
	{ 0 },
};

static int put_record(struct store *s, const char *kind, const char *id,
		      const char *parent, json_object *obj, struct err *err)
{
	const char *text =
		json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN);

	if (!text)
		return err_set(err, -ENOMEM, "record of %s " NET_SHORT, kind,
			       id);
	return store_put(s, kind, id, parent, text, err);
}

int net_record_network(struct store *s, const struct net_entry *e,
		       struct err *err)
{
	struct network_record rec = { .request = NULL };
	_cleanup_(json_putp) json_object *request = NULL;
	int r = jdec_parse(e->request, strlen(e->request), &request, err);

	if (r < 0)
		return r;
	rec.request = request;
	rec.borrowed = e->borrowed;
	rec.mtu = e->kept_mtu;
	memcpy(rec.dataplane, e->kept_dataplane, sizeof(rec.dataplane));
	snprintf(rec.created, sizeof(rec.created), "%s", e->created);
	_cleanup_(json_putp) json_object *obj =
		jdec_to_json(network_fields, &rec);
	if (!obj)
		return err_set(err, -ENOMEM, "record of network " NET_SHORT,
			       e->id);
	return put_record(s, NET_KIND_NETWORK, e->id, "", obj, err);
}

int net_record_network_load(const char *json, struct net_entry *e,
			    json_object **ret_request, struct err *err)
{
	_cleanup_(json_putp) json_object *obj = NULL;
	struct network_record rec = { 0 };
	int r = jdec_parse(json, strlen(json), &obj, err);

	if (r == 0)
		r = jdec_object(obj, network_fields, &rec, err);
	if (r == 0 && !rec.request)
		r = err_set(err, -EBADMSG, "Request: missing");
	if (r < 0)
		return err_wrap(err, r, "record of network " NET_SHORT, e->id);
	snprintf(e->created, sizeof(e->created), "%s", rec.created);
	e->borrowed = rec.borrowed;
	e->kept_mtu = rec.mtu;
	memcpy(e->kept_dataplane, rec.dataplane, sizeof(e->kept_dataplane));
	*ret_request = json_object_get(rec.request);
	e->request = strdup(json_object_to_json_string_ext(
		rec.request, JSON_C_TO_STRING_PLAIN));
	return e->request ? 0 : err_set(err, -ENOMEM, "network record");
}

/* Endpoint ids are unique in their network only. */
static void record_key(const struct net_endpoint *ep,
		       char key[static NET_KEY_MAX])
{
	snprintf(key, NET_KEY_MAX, "%s/%s", ep->network->id, ep->id);
}

int net_record_endpoint_del(struct store *s, const struct net_endpoint *ep,
			    struct err *err)
{
	char key[NET_KEY_MAX];

	record_key(ep, key);
	return store_del(s, NET_KIND_ENDPOINT, key, err);
}

int net_record_endpoint(struct store *s, const struct net_slot *slot,
			struct err *err)
{
	char key[NET_KEY_MAX];
	const struct net_endpoint *ep = &slot->ep;
	struct endpoint_record rec = {
		.addr4 = ep->addr4,
		.addr6 = ep->addr6,
		.mac = ep->mac,
		.mac_given = ep->mac_given,
		.exposed = ep->exposed,
		.options = slot->options,
		.asked = { slot->asked.ranges, slot->asked.count },
		.ports = { ep->ports.ranges, ep->ports.count },
	};

	snprintf(rec.id, sizeof(rec.id), "%s", ep->id);
	snprintf(rec.ifname, sizeof(rec.ifname), "%s", ep->ifname);
	snprintf(rec.peer, sizeof(rec.peer), "%s", ep->peer);
	snprintf(rec.sandbox, sizeof(rec.sandbox), "%s", ep->sandbox);
	_cleanup_(json_putp) json_object *obj =
		jdec_to_json(endpoint_fields, &rec);
	if (!obj)
		return err_set(err, -ENOMEM, "record of endpoint " NET_SHORT,
			       ep->id);
	record_key(ep, key);
	return put_record(s, NET_KIND_ENDPOINT, key, ep->network->id, obj, err);
}

static void move_ranges(struct jdec_array *from, struct portmap *to)
{
	*to = (struct portmap){ from->items, from->count };
	*from = (struct jdec_array){ 0 };
}

static int fill_slot(struct endpoint_record *rec, struct net_slot *s,
		     struct err *err)
{
	struct net_endpoint *ep = &s->ep;

	snprintf(ep->id, sizeof(ep->id), "%s", rec->id);
	ep->addr4 = rec->addr4;
	ep->addr6 = rec->addr6;
	ep->mac = rec->mac;
	ep->mac_given = rec->mac_given;
	ep->exposed = rec->exposed;
	snprintf(ep->ifname, sizeof(ep->ifname), "%s", rec->ifname);
	snprintf(ep->peer, sizeof(ep->peer), "%s", rec->peer);
	snprintf(ep->sandbox, sizeof(ep->sandbox), "%s", rec->sandbox);
	move_ranges(&rec->asked, &s->asked);
	move_ranges(&rec->ports, &ep->ports);
	return net_slot_options(s, rec->options, err);
}

int net_record_endpoint_load(const char *json, struct net_network *net,
			     struct net_slot **ret, struct err *err)
{
	_cleanup_(net_slot_freep) struct net_slot *s = calloc(1, sizeof(*s));
	_cleanup_(json_putp) json_object *obj = NULL;
	struct endpoint_record rec = { 0 };
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "endpoint record");
	s->ep.network = net;
	r = jdec_parse(json, strlen(json), &obj, err);
	if (r == 0)
		r = jdec_object(obj, endpoint_fields, &rec, err);
	if (r == 0)
		r = fill_slot(&rec, s, err);
	jdec_free(endpoint_fields, &rec);
	if (r < 0)
		return err_wrap(err, r, "record of an endpoint of " NET_SHORT,
				net->id);
	*ret = take_ptr(s);
	return 0;
}

int net_slot_options(struct net_slot *s, json_object *options, struct err *err)
{
	static const struct opt_field none[] = { { 0 } };
	const struct net_driver *drv = s->ep.network->driver;
	char what[64];

	if (drv->endpoint_options_size) {
		s->ep.options = calloc(1, drv->endpoint_options_size);
		if (!s->ep.options)
			return err_set(err, -ENOMEM, "endpoint options");
	}
	if (options && json_object_object_length(options))
		s->options = json_object_get(options);
	snprintf(what, sizeof(what), "%s endpoint", drv->name);
	return opts_decode(options,
			   drv->endpoint_options ? drv->endpoint_options : none,
			   s->ep.options, what, err);
}
