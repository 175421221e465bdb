/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_publish.c - "-p" in all the forms that docker run takes. */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/publish.h"

struct row {
	const char *name; /* what is typed */
	const char *
		want; /* "PROTO HOSTIP HOSTPORT-END PORT", ...; NULL: refused */
};

static const struct row rows[] = {
	{ "80", "6  0-0 80" },
	{ "8080:80", "6  8080-8080 80" },
	{ "8080:80/udp", "17  8080-8080 80" },
	{ "8080:80/TCP", "6  8080-8080 80" },
	{ "7:7/sctp", "132  7-7 7" },
	{ "127.0.0.1:8080:80", "6 127.0.0.1 8080-8080 80" },
	{ "127.0.0.1::80", "6 127.0.0.1 0-0 80" },
	{ "[::1]:8080:80", "6 ::1 8080-8080 80" },
	{ "[::]::53/udp", "17 :: 0-0 53" },
	{ "9000-9009:80", "6  9000-9009 80" },
	{ "9000-9002:90-92",
	  "6  9000-9000 90, 6  9001-9001 91, 6  9002-9002 92" },
	{ "90-91", "6  0-0 90, 6  0-0 91" },
	{ "65535:65535", "6  65535-65535 65535" },
	{ "", NULL },
	{ "0", NULL },
	{ "65536", NULL },
	{ "8080:", NULL },
	{ "8080:0", NULL },
	{ "x:80", NULL },
	{ "80/icmp", NULL },
	{ "80/", NULL },
	{ "9-8:80", NULL },
	{ "9000-9001:90-92", NULL },
	{ "::1:8080:80", NULL },
	{ "[127.0.0.1]:8080:80", NULL },
	{ "[::1:8080:80", NULL },
	{ "[::1]:80", NULL },
	{ "host:8080:80", NULL },
	{ "1.2.3.4:5:6:7", NULL },
	{ "-80", NULL },
	{ "80-", NULL },
	{ "8 0", NULL },
};

static int number(json_object *o, const char *key)
{
	return json_object_get_int(json_object_object_get(o, key));
}

static void run_row(void **state)
{
	_cleanup_(json_putp) json_object *ports = json_object_new_array();
	const struct row *row = *state;
	struct err err = { "" };
	char got[512] = "";
	int r = publish_parse(row->name, ports, &err);

	if (!row->want) {
		assert_int_equal(r, -EINVAL);
		assert_non_null(strstr(err.msg, "is no port to publish"));
		return;
	}
	assert_int_equal(r, 0);
	for (size_t i = 0; i < json_object_array_length(ports); i++) {
		json_object *p = json_object_array_get_idx(ports, i);
		size_t at = strlen(got);

		snprintf(got + at, sizeof(got) - at, "%s%d %s %d-%d %d",
			 i ? ", " : "", number(p, "Proto"),
			 json_object_get_string(
				 json_object_object_get(p, "HostIP")),
			 number(p, "HostPort"), number(p, "HostPortEnd"),
			 number(p, "Port"));
	}
	assert_string_equal(got, row->want);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];
	size_t n = TEST_ROWS(tests, rows, run_row);

	(void)n;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
