// SPDX-License-Identifier: GPL-2.0-or-later
/* Docker's answers as names.  docker-20.10/ is what dockerd 20.10.24 said. */
#include "lib/test/test.h"

#include <stdio.h>
#include <string.h>

#include "lib/jdec.h"
#include "runtime/names/docker_names.h"
#include "runtime/names/nets.h"

#define CAPTURED "runtime/names/test/docker-20.10/"

static json_object *parse(const char *text)
{
	json_object *o = NULL;
	struct err err = { 0 };

	if (jdec_parse(text, strlen(text), &o, &err) < 0)
		fail_msg("%s: %s", err.msg, text);
	return o;
}

static json_object *captured(const char *file)
{
	char path[128], text[16384];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), CAPTURED "%s", file);
	f = fopen(path, "re");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return parse(text);
}

/* "NAME=ADDRESS[*] ..." of each network in turn, with '|' before it; '*': PTR. */
static void print(const struct docker_container *c, char *buf, size_t size)
{
	char addr[IP_STR_MAX];
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < c->count; i++) {
		n += (size_t)snprintf(buf + n, size - n, "|");
		for (size_t k = 0; k < c->nets[i].count; k++) {
			const struct name_record *r = &c->nets[i].recs[k];

			n += (size_t)snprintf(buf + n, size - n, " %s=%s%s",
					      r->name, ip_str(&r->addr, addr),
					      r->ptr ? "*" : "");
		}
	}
}

#define NET "\"NetworkID\":\"aa\","
#define ONE(networks)                                              \
	"{\"Id\":\"a1\",\"Name\":\"/web\",\"State\":{\"Running\":" \
	"true},\"NetworkSettings\":{\"Networks\":" networks "}}"

static const struct row {
	const char *name, *file, *json; /* one of them */
	const char *want;               /* NULL: -EBADMSG */
	unsigned int refused;           /* in the first network */
} rows[] = {
	{ "a container that runs", "running.json", NULL,
	  "| web=10.9.0.2* web=fd00:9::2* www=10.9.0.2 www=fd00:9::2 "
	  "app=10.9.0.2 app=fd00:9::2 873b120de96c=10.9.0.2 "
	  "873b120de96c=fd00:9::2 wh=10.9.0.2 wh=fd00:9::2",
	  0 },
	{ "renamed, in two networks, with an alias in one", "two-networks.json",
	  NULL,
	  "| web2=10.9.0.2* web2=fd00:9::2* 873b120de96c=10.9.0.2 "
	  "873b120de96c=fd00:9::2 wh=10.9.0.2 wh=fd00:9::2"
	  "| web2=172.18.0.2* al2=172.18.0.2 873b120de96c=172.18.0.2 "
	  "wh=172.18.0.2",
	  0 },
	{ "names of --link are its own alone", "linked.json", NULL,
	  "| link=10.9.0.3* link=fd00:9::3* f4de348a3688=10.9.0.3 "
	  "f4de348a3688=fd00:9::3",
	  0 },
	{ "stopped", "stopped.json", NULL, "", 0 },
	{ "never started", "created.json", NULL, "", 0 },
	{ "an alias that is its name, in capitals", NULL,
	  ONE("{\"n\":{" NET "\"IPAddress\":\"10.0.0.2\",\"Aliases\":["
	      "\"WEB\"]}}"),
	  "| web=10.0.0.2*", 0 },
	{ "of Docker 26: what it is called is in DNSNames", NULL,
	  ONE("{\"n\":{" NET "\"IPAddress\":\"10.0.0.2\",\"Aliases\":[\"al\"],"
	      "\"DNSNames\":[\"web\",\"al\",\"873b120de96c\",\"wh\"]}}"),
	  "| web=10.0.0.2* al=10.0.0.2 873b120de96c=10.0.0.2 wh=10.0.0.2", 0 },
	{ "aliases that are no names", NULL,
	  ONE("{\"n\":{" NET "\"IPAddress\":\"10.0.0.2\",\"Aliases\":["
	      "\"a b\",\"\",7,null,\"localhost\",\"ok\"]}}"),
	  "| web=10.0.0.2* ok=10.0.0.2", 5 },
	{ "on the host's network", NULL,
	  ONE("{\"host\":{" NET "\"IPAddress\":"
	      "\"\"}}"),
	  "", 0 },
	{ "networks null", NULL, ONE("null"), "", 0 },
	{ "an address that is none", NULL,
	  ONE("{\"n\":{" NET "\"IPAddress\":\"10.0.0\"}}"), NULL, 0 },
	{ "a network that is none", NULL, ONE("{\"n\":7}"), NULL, 0 },
	{ "no id", NULL, "{\"Name\":\"/a\",\"State\":{}}", NULL, 0 },
	{ "an error", NULL, "{\"message\":\"No such container: a\"}", NULL, 0 },
};

static void parse_row(void **state)
{
	const struct row *row = *state;
	json_object *o = row->file ? captured(row->file) : parse(row->json);
	struct docker_container c = { .count = 0 };
	struct err err = { 0 };
	char got[2048];
	int r = docker_names_parse(o, &c, &err);

	json_object_put(o);
	assert_int_equal(r, row->want ? 0 : -EBADMSG);
	print(&c, got, sizeof(got));
	assert_string_equal(got, row->want ? row->want : "");
	if (row->refused)
		assert_int_equal(c.nets[0].refused, row->refused);
	docker_names_clear(&c);
}

/* Of docker-20.10/events.json, line by line. */
#define WEB "873b120de96c054e62425164377d18dafa18fefa3cb5df1d374ece46cb6ad47e"

static void events(void **state)
{
	static const char *const want[] = {
		"networks", "",  /* create of a container: it has no address */
		WEB,        WEB, /* connect, start */
		WEB,             /* rename */
		WEB,        WEB, /* connect, disconnect */
		"",              /* unpause */
		WEB,        WEB, /* die, disconnect */
		WEB,             /* destroy */
	};
	size_t n = 0;
	char line[2048];
	FILE *f = fopen(CAPTURED "events.json", "re");

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		struct docker_event e;
		json_object *o;
		bool any;

		line[strcspn(line, "\n")] = '\0';
		o = parse(line);
		any = docker_event_parse(o, &e);
		json_object_put(o);
		assert_true(n < ARRAY_SIZE(want));
		assert_int_equal(any, want[n][0] != '\0');
		assert_int_equal(e.networks, !strcmp(want[n], "networks"));
		if (any && !e.networks)
			assert_string_equal(e.container, want[n]);
		n++;
	}
	fclose(f);
	assert_int_equal(n, ARRAY_SIZE(want));
}

static void events_of_others(void **state)
{
	static const char no_id[] =
		"{\"Type\":\"network\",\"Action\":\"connect\",\"Actor\":"
		"{\"Attributes\":{\"container\":7}}}";
	static const char *const none[] = {
		no_id,
		"{}",
		"{\"Type\":\"container\",\"Action\":\"exec_start: x\"}",
		"{\"Type\":\"network\",\"Action\":\"connect\",\"Actor\":{}}",
		"{\"Type\":7}",
	};
	struct docker_event e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		json_object *o = parse(none[i]);

		assert_false(docker_event_parse(o, &e));
		json_object_put(o);
	}
}

/* ---- berth-overlay's answer --------------------------------------------------- */

#define ROW                                                                    \
	"{\"NetworkID\":\"aa\",\"Bridge\":\"bo-1\",\"Internal\":true,"         \
	"\"Shared\":\"n.shop\",\"Subnets\":[\"10.9.0.0/24\",\"fd00:9::/64\"]," \
	"\"Gateways\":[\"10.9.0.1\",\"fd00:9::1\"]}"

static void networks(void **state)
{
	json_object *o = parse("{\"Networks\":[" ROW ",{\"NetworkID\":\"bb\","
			       "\"Bridge\":\"bo-2\",\"Subnets\":[]},"
			       "{\"NetworkID\":\"cc\",\"Bridge\":\"\"}]}");
	json_object *names = json_tokener_parse(
		"[{\"Id\":\"aa\",\"Name\":\"shop\"},{\"Id\":\"bb\",\"Name\":"
		"\"no name\"},{\"Id\":\"zz\",\"Name\":\"other\"}]");
	struct nets n = { .count = 0 }, again = { .count = 0 };
	char text[IP_STR_MAX];

	(void)state;
	assert_int_equal(nets_parse(o, NETS_OVERLAY, &n, NULL), 0);
	assert_int_equal(nets_parse(o, NETS_OVERLAY, &again, NULL), 0);
	assert_int_equal(n.count, 2); /* cc has no bridge yet */
	assert_true(nets_equal(&n, &again));
	nets_domains(&n, names);
	assert_false(nets_equal(&n, &again));
	assert_string_equal(n.v[0].serve.net, "n.shop");
	assert_string_equal(n.v[0].serve.domain, "shop");
	assert_string_equal(n.v[0].serve.ifname, "bo-1");
	assert_true(n.v[0].shared && n.v[0].serve.internal);
	assert_string_equal(ip_str(&n.v[0].serve.gateway[0], text), "10.9.0.1");
	assert_string_equal(ip_str(&n.v[0].serve.gateway[1], text),
			    "fd00:9::1");
	assert_int_equal(n.v[0].serve.subnet[1].len, 64);
	assert_string_equal(n.v[1].serve.net, "bb");
	assert_string_equal(n.v[1].serve.domain, "");
	assert_false(n.v[1].shared);
	assert_ptr_equal(nets_find(&n, "bb"), &n.v[1]);
	nets_clear(&n);
	nets_clear(&again);
	json_object_put(o);
	json_object_put(names);
}

/* berth-bridge's have none unless that is asked for. */
static void networks_of_two_drivers(void **state)
{
	json_object *o = parse("{\"Networks\":[{\"NetworkID\":\"aa\","
			       "\"Bridge\":\"bb-1\",\"Names\":true},"
			       "{\"NetworkID\":\"bb\",\"Bridge\":\"bb-2\"}]}");
	json_object *over = parse("{\"Networks\":[" ROW "]}");
	struct nets n = { .count = 0 }, all = { .count = 0 },
		    over_nets = { .count = 0 };

	(void)state;
	assert_int_equal(nets_parse(o, NETS_BRIDGE, &n, NULL), 0);
	assert_int_equal(n.count, 1);
	assert_string_equal(n.v[0].id, "aa");
	assert_int_equal(nets_parse(over, NETS_OVERLAY, &over_nets, NULL), 0);
	assert_int_equal(nets_add(&all, &over_nets, NETS_OVERLAY, NULL), 0);
	assert_false(nets_has(&all, NETS_BRIDGE));
	assert_int_equal(nets_add(&all, &n, NETS_BRIDGE, NULL), 0);
	assert_int_equal(all.count, 2);
	assert_true(nets_has(&all, NETS_BRIDGE));
	/* of another driver nothing is taken */
	assert_int_equal(nets_add(&all, &n, NETS_OVERLAY, NULL), 0);
	assert_int_equal(all.count, 2);
	nets_clear(&n);
	nets_clear(&over_nets);
	nets_clear(&all);
	json_object_put(o);
	json_object_put(over);
}

static void no_networks(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"Networks\":7}",
		"{\"Networks\":[7]}",
		"{\"Networks\":[{\"Bridge\":\"b\"}]}",
		"{\"Networks\":[{\"NetworkID\":\"a\",\"Bridge\":\"b\","
		"\"Subnets\":[\"x\"]}]}",
		"{\"Networks\":[{\"NetworkID\":\"a\",\"Bridge\":\"b\","
		"\"Gateways\":[7]}]}",
	};
	struct nets n = { .count = 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_object *o = parse(bad[i]);

		assert_int_equal(nets_parse(o, NETS_OVERLAY, &n, NULL),
				 -EBADMSG);
		assert_int_equal(n.count, 0);
		json_object_put(o);
	}
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 5];
	size_t n = TEST_ROWS(tests, rows, parse_row);

	tests[n++] = (struct CMUnitTest)cmocka_unit_test(events);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(events_of_others);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(networks);
	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test(networks_of_two_drivers);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(no_networks);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
