/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What netctl composes of a port: host, target and Docker's names. */
#include "netctl/view.h"

#include "lib/base.h"
#include "lib/jdec.h"
#include "lib/test/test.h"
#include "netctl/jget.h"

struct row {
	const char *name, *port, *host, *target, *network, *container;
};

static const struct row rows[] = {
	{ "single port of IPv4",
	  "{\"HostIP\":\"192.0.2.1\",\"HostFirst\":80,\"HostLast\":80,"
	  "\"ContainerIP\":\"10.0.0.2\",\"ContainerFirst\":8080,"
	  "\"ContainerLast\":8080,\"NetworkID\":\"n\",\"EndpointID\":\"e\"}",
	  "192.0.2.1:80", "10.0.0.2:8080", "front", "web" },
	{ "range",
	  "{\"HostIP\":\"0.0.0.0\",\"HostFirst\":80,\"HostLast\":90,"
	  "\"ContainerIP\":\"10.0.0.2\",\"ContainerFirst\":80,"
	  "\"ContainerLast\":90}",
	  "0.0.0.0:80-90", "10.0.0.2:80-90", "", "" },
	{ "IPv6 in brackets",
	  "{\"HostIP\":\"::1\",\"HostFirst\":1,\"HostLast\":1,"
	  "\"ContainerIPv6\":\"fd00::2\",\"ContainerFirst\":2,"
	  "\"ContainerLast\":2}",
	  "[::1]:1", "[fd00::2]:2", "", "" },
	{ "any address", "{\"HostIP\":\"\",\"HostFirst\":1,\"HostLast\":1}",
	  "*:1", "*:0", "", "" },
	{ "nothing known", "{}", "*:0", "*:0", "", "" },
	{ "names Docker does not know",
	  "{\"NetworkID\":\"x\",\"EndpointID\":\"y\"}", "*:0", "*:0", "", "" },
};

static void view_row(void **state)
{
	const struct row *row = *state;
	_cleanup_(json_putp) json_object *list = json_object_new_array();
	struct docker_names names = {
		.networks = json_tokener_parse("{\"n\":\"front\"}"),
		.endpoints = json_tokener_parse("{\"e\":\"web\"}"),
	};
	json_object *port = json_tokener_parse(row->port);

	json_object_array_add(list, port);
	view_ports(list, &names);
	docker_names_fini(&names);
	assert_string_equal(jget_str(port, "Host"), row->host);
	assert_string_equal(jget_str(port, "Target"), row->target);
	assert_string_equal(jget_str(port, "Network"), row->network);
	assert_string_equal(jget_str(port, "Container"), row->container);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];

	(void)TEST_ROWS(tests, rows, view_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
