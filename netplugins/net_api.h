/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net_api.h - the words of Docker's NetworkDriver protocol: each request as a
 * struct, each answer from one.  The only place that knows the JSON keys.
 */
#ifndef NETPLUGINS_NET_API_H
#define NETPLUGINS_NET_API_H

#include <json-c/json.h>

#include "lib/jdec.h"
#include "netplugins/net_driver.h"

/* GwAllocCheck, and the Options of CreateNetwork. */
struct net_req_options {
	bool ipv6, internal;
	json_object *generic; /* borrowed from the body; the user's -o */
};

struct net_req_gw_check {
	struct net_req_options options;
};

/* One element of IPv4Data / IPv6Data. */
struct net_req_pool {
	char space[256];
	struct ip_prefix pool, gateway;
	json_object *aux; /* name -> "address/len" */
};

struct net_req_network {
	char network[65];
	struct net_req_options options;
	struct jdec_array v4, v6; /* of struct net_req_pool */
};

/* DeleteNetwork, FreeNetwork, AllocateNetwork: the id is all we need. */
struct net_req_id {
	char network[65];
};

struct net_req_interface {
	struct ip_prefix addr4, addr6;
	struct mac_addr mac;
	char mac_text[32]; /* "" when none was given; zeros are given */
};

struct net_req_endpoint {
	char network[65], endpoint[65];
	struct net_req_interface interface;
	json_object *options; /* borrowed; as sent */
};

/* DeleteEndpoint, EndpointOperInfo, Leave, RevokeExternalConnectivity. */
struct net_req_endpoint_id {
	char network[65], endpoint[65];
};

struct net_req_join {
	char network[65], endpoint[65], sandbox[256];
};

/* One entry of com.docker.network.portmap. */
struct net_req_port {
	uint8_t proto;
	struct ip_addr host_ip;
	uint16_t port, host_first, host_last;
};

struct net_req_gc {
	bool dry;
};

/* /Berth.Ports, /Berth.Networks, and with a network /Berth.Network. */
struct net_req_show {
	char network[65]; /* or the beginning of its id */
	bool stats;
};

struct net_req_ports {
	struct jdec_array list; /* of struct net_req_port */
};

/* ProgramExternalConnectivity.  The same list also comes with CreateEndpoint
 * and Join, where it must not be acted on. */
struct net_req_expose {
	char network[65], endpoint[65];
	struct net_req_ports ports;
};

extern const struct jdec_field net_gw_check_fields[];
extern const struct jdec_field net_network_fields[];
extern const struct jdec_field net_id_fields[];
extern const struct jdec_field net_port_add_fields[]; /* net_service.c */
extern const struct jdec_field net_port_del_fields[];
extern const struct jdec_field net_port_backends_fields[];
extern const struct jdec_field net_live_fields[]; /* net_live.c */
extern const struct jdec_field net_endpoint_fields[];
extern const struct jdec_field net_endpoint_id_fields[];
extern const struct jdec_field net_join_fields[];
extern const struct jdec_field net_expose_fields[];
extern const struct jdec_field net_gc_fields[];           /* /Berth.Gc */
extern const struct jdec_field net_ports_fields[];        /* /Berth.Ports */
extern const struct jdec_field net_network_show_fields[]; /* /Berth.Network */

/* Every method with a body, for the generator of malformed requests; ended by
 * { 0 }. */
struct net_api_method {
	const char *name; /* "NetworkDriver.Join" */
	const struct jdec_field *fields;
};
extern const struct net_api_method net_api_methods[];

/*
 * net_api_pools() - move the pools of a request into @net, whose .aux the
 * caller frees, also after a failure.
 *
 * Docker's null IPAM pool (0.0.0.0/0) is no pool.
 * Return: 0; -EINVAL for two pools of a family, an address of the wrong
 *         family, or more auxiliary addresses than NET_AUX_MAX.
 */
int net_api_pools(const struct net_req_network *req, struct net_network *net,
		  struct err *err);

/*
 * net_api_portmap() - the ports of a request, coalesced into ranges.
 * @ret: owned, portmap_free().
 */
int net_api_portmap(const struct net_req_expose *req, struct portmap *ret,
		    struct err *err);

/*
 * net_api_driver_options() - of CreateEndpoint's Options, those that are the
 * user's own (--driver-opt): not what dockerd puts there for every driver.
 *
 * Return: owned object, NULL when out of memory.
 */
json_object *net_api_driver_options(json_object *options);

/*
 * net_api_slim() - @body for the journal: of an endpoint's Options only what
 * is acted on when it is made.  10,000 ports come three times and are needed
 * once.
 *
 * Return: owned, NULL when out of memory.
 */
json_object *net_api_slim(const char *method, json_object *body);

/* Put a value into @obj.  @val is taken.  Return: false when out of memory. */
bool net_put(json_object *obj, const char *key, json_object *val);
bool net_put_str(json_object *obj, const char *key, const char *text);
bool net_put_bool(json_object *obj, const char *key, bool val);
bool net_put_int(json_object *obj, const char *key, uint64_t val);

/* Answers; owned by the caller, NULL when out of memory. */
json_object *net_api_capabilities(bool gw_check);
json_object *net_api_gw_reply(bool skip4, bool skip6);
json_object *net_api_endpoint_reply(const struct mac_addr *mac);
json_object *net_api_join_reply(const struct net_join_reply *join);
json_object *net_api_oper_reply(const struct net_endpoint *ep);

#endif
