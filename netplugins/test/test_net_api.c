/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests as dockerd 20.10 sends them, and as nobody should. */
#include "lib/test/test.h"

#include <stdio.h>
#include <string.h>

#include "netplugins/net_api.h"

/* ---- wrong requests ------------------------------------------------------------ */

struct row {
	const char *name, *method, *json, *msg;
};

#define D "NetworkDriver."

static const struct row rows[] = {
	{ "no id", D "CreateNetwork", "{}", "NetworkID: missing" },
	{ "an empty id", D "Leave", "{\"NetworkID\":\"\",\"EndpointID\":\"e\"}",
	  "NetworkID: missing" },
	{ "an id that is a number", D "Join", "{\"NetworkID\":7}",
	  "NetworkID: not a string" },
	{ "no endpoint id", D "Join", "{\"NetworkID\":\"n\"}",
	  "EndpointID: missing" },
	{ "internal as text", D "CreateNetwork",
	  "{\"NetworkID\":\"n\",\"Options\":{\"com.docker.network.internal\":"
	  "\"true\"}}",
	  "Options.com.docker.network.internal: not true or false" },
	{ "options as a list", D "CreateNetwork",
	  "{\"NetworkID\":\"n\",\"Options\":[]}", "Options: not an object" },
	{ "a pool without a pool", D "CreateNetwork",
	  "{\"NetworkID\":\"n\",\"IPv4Data\":[{\"Gateway\":\"10.0.0.1/8\"}]}",
	  "IPv4Data[0].Pool: missing" },
	{ "a pool that is no prefix", D "CreateNetwork",
	  "{\"NetworkID\":\"n\",\"IPv6Data\":[{\"Pool\":\"fd00::1\"}]}",
	  "IPv6Data[0].Pool: " },
	{ "a MAC with a letter too many", D "CreateEndpoint",
	  "{\"NetworkID\":\"n\",\"EndpointID\":\"e\",\"Interface\":{"
	  "\"MacAddress\":\"02:42:11:22:33:444\"}}",
	  "Interface.MacAddress: " },
	{ "a sandbox too long", D "Join",
	  "{\"NetworkID\":\"n\",\"EndpointID\":\"e\",\"SandboxKey\":\"/"
	  "0123456789012345678901234567890123456789012345678901234567890123456"
	  "0123456789012345678901234567890123456789012345678901234567890123456"
	  "0123456789012345678901234567890123456789012345678901234567890123456"
	  "012345678901234567890123456789012345678901234567890123456789\"}",
	  "SandboxKey: longer than 255" },
	{ "a port above the range", D "ProgramExternalConnectivity",
	  "{\"NetworkID\":\"n\",\"EndpointID\":\"e\",\"Options\":{\"com.docker."
	  "network.portmap\":[{\"Proto\":6,\"Port\":65536}]}}",
	  "Options.com.docker.network.portmap[0].Port: not in 0..65535" },
	{ "a negative port", D "ProgramExternalConnectivity",
	  "{\"NetworkID\":\"n\",\"EndpointID\":\"e\",\"Options\":{\"com.docker."
	  "network.portmap\":[{\"Proto\":6,\"Port\":-1}]}}",
	  "portmap[0].Port: not in 0..65535" },
	{ "a port without a protocol", D "ProgramExternalConnectivity",
	  "{\"NetworkID\":\"n\",\"EndpointID\":\"e\",\"Options\":{\"com.docker."
	  "network.portmap\":[{\"Port\":80}]}}",
	  "portmap[0].Proto: missing" },
};

static const struct jdec_field *fields_of(const char *method)
{
	for (const struct net_api_method *m = net_api_methods; m->name; m++)
		if (strcmp(m->name, method) == 0)
			return m->fields;
	fail_msg("%s is not in the list", method);
	return NULL;
}

/* Large enough for any of them. */
union any_request {
	struct net_req_network network;
	struct net_req_endpoint endpoint;
	struct net_req_join join;
	struct net_req_expose expose;
	struct net_req_endpoint_id id;
};

static void wrong(void **state)
{
	const struct row *row = *state;
	const struct jdec_field *fields = fields_of(row->method);
	_cleanup_(json_putp) json_object *body = json_tokener_parse(row->json);
	union any_request req;
	struct err err = { 0 };

	memset(&req, 0, sizeof(req));
	assert_non_null(body);
	assert_int_equal(jdec_object(body, fields, &req, &err), -EBADMSG);
	jdec_free(fields, &req);
	if (!strstr(err.msg, row->msg))
		fail_msg("\"%s\" is not in \"%s\"", row->msg, err.msg);
}

/* ---- right ones ------------------------------------------------------------------ */

static void full_network(void **state)
{
	static const char json[] =
		"{\"NetworkID\":\"08ed2b94\",\"Options\":{"
		"\"com.docker.network.enable_ipv6\":true,"
		"\"com.docker.network.generic\":{\"foo\":\"bar\"},"
		"\"com.docker.network.internal\":true},"
		"\"IPv4Data\":[{\"AddressSpace\":\"LocalDefault\","
		"\"AuxAddresses\":{\"printer\":\"10.50.8.4/16\","
		"\"router\":\"10.50.8.3/16\"},"
		"\"Gateway\":\"10.50.0.254/16\",\"Pool\":\"10.50.0.0/16\"}],"
		"\"IPv6Data\":[{\"AddressSpace\":\"LocalDefault\","
		"\"Gateway\":\"fd00:50::fe/64\",\"Pool\":\"fd00:50::/64\"}]}";
	_cleanup_(json_putp) json_object *body = json_tokener_parse(json);
	struct net_req_network req = { .network = "" };
	struct net_network net = { .id = "" };
	struct err err = { 0 };
	char text[PREFIX_STR_MAX];

	(void)state;
	if (jdec_object(body, net_network_fields, &req, &err) < 0 ||
	    net_api_pools(&req, &net, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(req.network, "08ed2b94");
	assert_true(req.options.ipv6 && req.options.internal);
	assert_int_equal(json_object_object_length(req.options.generic), 1);
	assert_string_equal(ip_prefix_str(&net.v4.gateway, text),
			    "10.50.0.254/16");
	assert_string_equal(ip_prefix_str(&net.v6.pool, text), "fd00:50::/64");
	assert_int_equal(net.v4.aux_count, 2);
	assert_string_equal(net.v4.aux[1].name, "router");
	jdec_free(net_network_fields, &req);
	free(net.v4.aux);
}

static void null_ipam(void **state)
{
	_cleanup_(json_putp) json_object *body = json_tokener_parse(
		"{\"NetworkID\":\"n\",\"IPv4Data\":[{\"AddressSpace\":\"null\","
		"\"Pool\":\"0.0.0.0/0\"}],\"Options\":{\"com.docker.network."
		"generic\":null}}");
	struct net_req_network req = { .network = "" };
	struct net_network net = { .id = "" };

	(void)state;
	assert_int_equal(jdec_object(body, net_network_fields, &req, NULL), 0);
	assert_int_equal(net_api_pools(&req, &net, NULL), 0);
	assert_true(ip_is_none(&net.v4.pool.addr));
	jdec_free(net_network_fields, &req);
}

/* As captured: one entry a port, in any order, with HostIP "" for any. */
static void ports(void **state)
{
	_cleanup_(json_putp) json_object *body = json_tokener_parse(
		"{\"NetworkID\":\"n\",\"EndpointID\":\"e\",\"Options\":{"
		"\"com.docker.network.endpoint.exposedports\":[],"
		"\"com.docker.network.portmap\":["
		"{\"Proto\":6,\"IP\":\"\",\"Port\":9002,\"HostIP\":\"\","
		"\"HostPort\":9002,\"HostPortEnd\":9002},"
		"{\"Proto\":6,\"IP\":\"\",\"Port\":9001,\"HostIP\":\"\","
		"\"HostPort\":9001,\"HostPortEnd\":9001},"
		"{\"Proto\":6,\"IP\":\"\",\"Port\":9000,\"HostIP\":\"\","
		"\"HostPort\":9000,\"HostPortEnd\":9000},"
		"{\"Proto\":6,\"IP\":\"\",\"Port\":60,\"HostIP\":\"::1\","
		"\"HostPort\":6060,\"HostPortEnd\":6060},"
		"{\"Proto\":6,\"IP\":\"\",\"Port\":82,\"HostIP\":\"\","
		"\"HostPort\":9100,\"HostPortEnd\":9110}]}}");
	struct net_req_expose req = { .network = "" };
	struct portmap map = { 0 };
	struct err err = { 0 };

	(void)state;
	if (jdec_object(body, net_expose_fields, &req, &err) < 0 ||
	    net_api_portmap(&req, &map, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(map.count, 3);
	assert_int_equal(portmap_total(&map), 5);
	jdec_free(net_expose_fields, &req);
	portmap_free(&map);
}

static void same_text(json_object *o, const char *want)
{
	assert_non_null(o);
	assert_string_equal(
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
		want);
	json_object_put(o);
}

static void own_options(void **state)
{
	_cleanup_(json_putp) json_object *o = json_tokener_parse(
		"{\"com.docker.network.portmap\":[1],"
		"\"com.docker.network.endpoint.exposedports\":[],"
		"\"com.docker.network.endpoint.macaddress\":\"AkIRIjNE\","
		"\"com.docker.network.endpoint.dnsservers\":[\"1.2.3.4\"],"
		"\"com.docker.network.driver.private.no_proxy_6to4\":true,"
		"\"a\":\"b\"}");

	(void)state;
	same_text(net_api_driver_options(o), "{\"a\":\"b\"}");
	same_text(net_api_driver_options(NULL), "{}");
}

static void slim(void **state)
{
	_cleanup_(json_putp) json_object *o = json_tokener_parse(
		"{\"NetworkID\":\"n\",\"X\":null,\"Options\":{\"com.docker."
		"network.portmap\":[1],\"a\":\"b\"}}");

	(void)state;
	same_text(net_api_slim(D "CreateEndpoint", o),
		  "{\"NetworkID\":\"n\",\"Options\":{\"a\":\"b\"}}");
	same_text(net_api_slim(D "Join", o), "{\"NetworkID\":\"n\"}");
	same_text(net_api_slim(D "Leave", o),
		  json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
}

static void answers(void **state)
{
	struct net_join_reply join = {
		.src_name = "bc1",
		.dst_prefix = "eth",
		.disable_gateway_service = true,
		.route_count = 2,
	};
	struct mac_addr none = { { 0 } };

	(void)state;
	assert_int_equal(
		ip_prefix_parse("10.2.0.0/16", &join.routes[0].dst, NULL), 0);
	join.routes[0].on_link = true;
	assert_int_equal(
		ip_prefix_parse("10.3.0.0/16", &join.routes[1].dst, NULL), 0);
	assert_int_equal(ip_parse("10.2.0.1", &join.routes[1].next_hop, NULL),
			 0);
	assert_int_equal(ip_parse("fd00::1", &join.gateway6, NULL), 0);
	same_text(net_api_join_reply(&join),
		  "{\"InterfaceName\":{\"SrcName\":\"bc1\",\"DstPrefix\":"
		  "\"eth\"},\"GatewayIPv6\":\"fd00::1\",\"StaticRoutes\":[{"
		  "\"Destination\":\"10.2.0.0\\/16\",\"RouteType\":1},{"
		  "\"Destination\":\"10.3.0.0\\/16\",\"RouteType\":0,"
		  "\"NextHop\":\"10.2.0.1\"}],\"DisableGatewayService\":true}");
	same_text(net_api_endpoint_reply(&none), "{\"Interface\":{}}");
	same_text(net_api_capabilities(true),
		  "{\"Scope\":\"local\",\"ConnectivityScope\":\"local\","
		  "\"GwAllocChecker\":true}");
	same_text(net_api_gw_reply(true, false),
		  "{\"SkipIPv4\":true,\"SkipIPv6\":false}");
}

#define TEST(fn_)                                \
	(struct CMUnitTest)                      \
	{                                        \
		.name = #fn_, .test_func = (fn_) \
	}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 6];
	size_t n = TEST_ROWS(tests, rows, wrong);

	tests[n++] = TEST(full_network);
	tests[n++] = TEST(null_ipam);
	tests[n++] = TEST(ports);
	tests[n++] = TEST(own_options);
	tests[n++] = TEST(slim);
	tests[n++] = TEST(answers);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
