/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_portspec.c - ports and backends as they are typed. */
#include "lib/test/test.h"

#include <errno.h>
#include <string.h>

#include "lib/base.h"
#include "netctl/portspec.h"

struct port_row {
	const char *name, *ip, *proto;
	uint16_t port; /* 0: refused */
};

static const struct port_row ports[] = {
	{ "8080", "", "tcp", 8080 },
	{ "8080/udp", "", "udp", 8080 },
	{ "1/sctp", "", "sctp", 1 },
	{ "10.0.0.1:65535", "10.0.0.1", "tcp", 65535 },
	{ "[::1]:80/tcp", "::1", "tcp", 80 },
	{ "[0:0::1]:80", "::1", "tcp", 80 },
	{ "host:80", "", "", 0 },
	{ "0", "", "", 0 },
	{ "65536", "", "", 0 },
	{ "080", "", "", 0 },
	{ "80x", "", "", 0 },
	{ "-1", "", "", 0 },
	{ "", "", "", 0 },
	{ ":80", "", "", 0 },
	{ "10.0.0.1:", "", "", 0 },
	{ "80/", "", "", 0 },
	{ "80/icmp", "", "", 0 },
	{ "[::1]", "", "", 0 },
	{ "[::1]80", "", "", 0 },
	{ "::1:80", "", "", 0 },
	{ "80-90", "", "", 0 },
};

static void port_row(void **state)
{
	const struct port_row *row = *state;
	struct err err = { "" };
	struct portspec got;
	int r = portspec_parse(row->name, &got, &err);

	if (!row->port) {
		assert_int_equal(r, -EINVAL);
		assert_non_null(strstr(err.msg, "is no port"));
		return;
	}
	assert_int_equal(r, 0);
	assert_string_equal(got.ip, row->ip);
	assert_string_equal(got.proto, row->proto);
	assert_int_equal(got.port, row->port);
}

struct backend_row {
	const char *name, *host; /* host NULL: refused */
	uint16_t port, weight;
};

static const struct backend_row backends[] = {
	{ "web", "web", 0, 0 },
	{ "web:80", "web", 80, 0 },
	{ "web*3", "web", 0, 3 },
	{ "web:80*100", "web", 80, 100 },
	{ "10.0.0.2", "10.0.0.2", 0, 0 },
	{ "10.0.0.2:80", "10.0.0.2", 80, 0 },
	{ "fd00::2", "fd00::2", 0, 0 },
	{ "[fd00:0::02]:80", "fd00::2", 80, 0 },
	{ "[fd00::2]", "fd00::2", 0, 0 },
	{ "[fd00::2]:80*2", "fd00::2", 80, 2 },
	{ "", NULL, 0, 0 },
	{ ":80", NULL, 0, 0 },
	{ "[]:80", NULL, 0, 0 },
	{ "web:", NULL, 0, 0 },
	{ "web:0", NULL, 0, 0 },
	{ "web:http", NULL, 0, 0 },
	{ "web:65536", NULL, 0, 0 },
	{ "web*", NULL, 0, 0 },
	{ "web*0", NULL, 0, 0 },
	{ "web*101", NULL, 0, 0 },
	{ "web*2:80", NULL, 0, 0 },
	{ "[fd00::2", NULL, 0, 0 },
};

static void backend_row(void **state)
{
	const struct backend_row *row = *state;
	struct err err = { "" };
	struct backendspec got;
	int r = backendspec_parse(row->name, &got, &err);

	if (!row->host) {
		assert_int_equal(r, -EINVAL);
		assert_non_null(strstr(err.msg, "is no backend"));
		return;
	}
	assert_int_equal(r, 0);
	assert_string_equal(got.name, row->host);
	assert_int_equal(got.port, row->port);
	assert_int_equal(got.weight, row->weight);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(ports) + ARRAY_SIZE(backends)];
	size_t n = TEST_ROWS(tests, ports, port_row);

	n += TEST_ROWS(tests + n, backends, backend_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
