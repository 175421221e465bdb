/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_net_live.c - ports of a container that runs: beside what dockerd asked for,
 * over a restart, to the end of both; a failure at any step leaves what there was.
 */
#include "lib/test/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/base.h"
#include "lib/events.h"
#include "lib/log.h"
#include "netplugins/test/fake.h"
#include "netplugins/test/life.h"
#include "netplugins/test/requests.h"

#define ADD  "Berth.PortPublish"
#define RM   "Berth.PortUnpublish"
#define PROG D "ProgramExternalConnectivity"

/* Of TCP; @host as "8081", "0" to be chosen. */
#define ROW(host, port) "{\"Proto\":6,\"Port\":" port ",\"HostPort\":" host "}"
#define AT(ip, host, port)                                  \
	"{\"Proto\":6,\"HostIP\":\"" ip "\",\"Port\":" port \
	",\"HostPort\":" host "}"
#define LIVE(rows) "{" IDS ",\"Ports\":[" rows "]}"

static struct fake_kernel *kernel;
static char dir[32];

static int setup(void **state)
{
	(void)state;
	memset(kernel->items, 0, sizeof(kernel->items));
	life_mkdir(dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_rmdir(dir);
	return 0;
}

static void begin(struct life *l)
{
	life_start(l, dir, &fake_driver);
	life_good(l, D "CreateNetwork", NETWORK1, NULL);
	life_good(l, D "CreateEndpoint", ENDPOINT1, NULL);
	life_good(l, D "Join", JOIN1, NULL);
	life_good(l, PROG, PORTS("8080", "8080"), NULL);
}

static void bad(struct life *l, const char *method, const char *body, int want,
		const char *text)
{
	struct err err = { 0 };

	assert_int_equal(life_call(l, method, body, true, NULL, &err), want);
	if (!strstr(err.msg, text))
		fail_msg("\"%s\" is not in \"%s\"", text, err.msg);
}

/* "8080:80 8081:81+", those that are live with a plus. */
static const char *listed(struct life *l)
{
	static char text[256];
	char answer[1024] = "";
	_cleanup_(json_putp) json_object *o = NULL;
	json_object *list = NULL;
	size_t n = 0;

	life_good(l, "Berth.Ports", "{}", answer);
	text[0] = '\0';
	o = json_tokener_parse(answer);
	json_object_object_get_ex(o, "Ports", &list);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *row = json_object_array_get_idx(list, i);
		json_object *host = NULL, *port = NULL, *live = NULL;

		json_object_object_get_ex(row, "HostFirst", &host);
		json_object_object_get_ex(row, "ContainerFirst", &port);
		json_object_object_get_ex(row, "Live", &live);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d:%d%s",
				      i ? " " : "", json_object_get_int(host),
				      json_object_get_int(port),
				      json_object_get_boolean(live) ? "+" : "");
	}
	if (fake_find(kernel, EP)->ports != json_object_array_length(list))
		return "the kernel has others";
	return text;
}

static void again(struct life *l)
{
	life_close(l);
	life_start(l, dir, &fake_driver);
}

static void comes_and_goes(void **state)
{
	struct life l;
	char one[1024], two[1024];

	(void)state;
	begin(&l);
	life_good(&l, ADD, LIVE(ROW("8081", "81")), one);
	assert_non_null(strstr(one, "\"HostFirst\":8081"));
	life_good(&l, ADD, LIVE(ROW("8081", "81")), two);
	assert_string_equal(one, two);
	assert_string_equal(listed(&l), "8080:80 8081:81+");
	again(&l);
	assert_string_equal(listed(&l), "8080:80 8081:81+");
	/* dockerd asks for another list, and has no say in ours */
	life_good(&l, PROG, PORTS("8090", "8090"), NULL);
	assert_string_equal(listed(&l), "8081:81+ 8090:80");
	life_good(&l, RM, LIVE(ROW("8081", "81")), one);
	assert_non_null(strstr(one, "\"HostFirst\":8081"));
	life_good(&l, RM, LIVE(ROW("8081", "81")), two);
	assert_string_equal(two, "{\"Removed\":[]}");
	assert_string_equal(listed(&l), "8090:80");
	again(&l);
	assert_string_equal(listed(&l), "8090:80");
	life_close(&l);
}

static void a_chosen_port_stays(void **state)
{
	struct life l;
	char one[1024], two[1024];

	(void)state;
	begin(&l);
	life_good(&l, ADD, LIVE(ROW("0", "81") "," ROW("0", "82")), one);
	life_good(&l, ADD, LIVE(ROW("0", "81") "," ROW("0", "82")), two);
	assert_string_equal(one, two);
	again(&l);
	/* another that leads there is another */
	life_good(&l, ADD, LIVE(ROW("8081", "81")), NULL);
	life_good(&l, ADD, LIVE(ROW("0", "81") "," ROW("0", "82")), two);
	assert_string_equal(one, two);
	bad(&l, RM, LIVE(ROW("0", "81")), -ENOTUNIQ, "say which");
	life_good(&l, RM, LIVE(ROW("8081", "81")), NULL);
	life_good(&l, RM, LIVE(ROW("0", "81") "," ROW("0", "82")), one);
	assert_string_equal(listed(&l), "8080:80");
	life_close(&l);
}

static void ends_with_the_endpoint(void **state)
{
	static const char *const ends[] = { D "Leave", D "DeleteEndpoint",
					    D "RevokeExternalConnectivity" };
	struct life l;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		begin(&l);
		life_good(&l, ADD, LIVE(ROW("8081", "81")), NULL);
		life_good(&l, ends[i], "{" IDS "}", NULL);
		if (fake_find(kernel, EP))
			assert_string_equal(listed(&l), "");
		again(&l);
		if (fake_find(kernel, EP)) {
			assert_int_equal(fake_find(kernel, EP)->ports, 0);
			life_good(&l, D "DeleteEndpoint", "{" IDS "}", NULL);
		}
		life_good(&l, D "DeleteNetwork", "{\"NetworkID\":\"" NET "\"}",
			  NULL);
		life_close(&l);
	}
}

static const char *news(struct life *l)
{
	_cleanup_(events_copy_fini) struct events_copy got = { 0 };
	static char text[256];
	size_t n = 0;

	text[0] = '\0';
	assert_int_equal(events_read(l->core->news, 0, 99, &got), 0);
	for (size_t i = 0; i < got.count; i++) {
		assert_string_equal(got.list[i].type, "port");
		assert_string_equal(got.list[i].id, EP);
		assert_string_equal(got.list[i].of, NET);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ",
				      got.list[i].action);
	}
	return text;
}

static void is_told_where_there_are_ports(void **state)
{
	static const char *const ends[] = { D "RevokeExternalConnectivity",
					    D "Leave" };
	static const char none[] = "{" IDS ",\"Options\":{}}";
	struct life l;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		_cleanup_(events_freep) struct events *e = events_new();

		begin(&l);
		life_good(&l, D "RevokeExternalConnectivity", "{" IDS "}",
			  NULL);
		l.core->news = e;
		life_good(&l, PROG, none, NULL);
		life_good(&l, PROG, none, NULL);
		life_good(&l, D "RevokeExternalConnectivity", "{" IDS "}",
			  NULL);
		assert_string_equal(news(&l), "");
		life_good(&l, PROG, PORTS("8080", "8080"), NULL);
		life_good(&l, PROG, PORTS("8080", "8080"), NULL);
		assert_string_equal(news(&l), "publish publish ");
		life_good(&l, PROG, none, NULL);
		life_good(&l, PROG, PORTS("8081", "8081"), NULL);
		life_good(&l, ends[i], "{" IDS "}", NULL);
		life_good(&l, ends[i], "{" IDS "}", NULL);
		assert_string_equal(news(&l), "publish publish unpublish "
					      "publish unpublish ");
		life_good(&l, D "DeleteEndpoint", "{" IDS "}", NULL);
		life_good(&l, D "DeleteNetwork", "{\"NetworkID\":\"" NET "\"}",
			  NULL);
		life_close(&l);
	}
}

static void what_can_not_be(void **state)
{
	struct life l;

	(void)state;
	begin(&l);
	bad(&l, ADD, LIVE(ROW("8080", "81")), -EEXIST, "8080->80/tcp");
	bad(&l, ADD, LIVE(ROW("8081", "0")), -EINVAL, "container port 0");
	bad(&l, ADD, LIVE(""), -EINVAL, "Ports: none");
	bad(&l, ADD, "{" IDS2 ",\"Ports\":[" ROW("1", "1") "]}", -ENOENT,
	    "is not known");
	bad(&l, RM, LIVE(ROW("8080", "80")), -EPERM, "with the container");
	/* that is there: nobody adds it twice */
	life_good(&l, ADD, LIVE(ROW("8080", "80")), NULL);
	assert_string_equal(listed(&l), "8080:80");
	life_good(&l, ADD,
		  LIVE("{\"Proto\":6,\"Port\":90,\"HostPort\":9000,"
		       "\"Count\":10}"),
		  NULL);
	bad(&l, RM, LIVE(ROW("9003", "93")), -EINVAL,
	    "9000-9009->90-99/tcp that was added");
	life_good(&l, ADD, LIVE(ROW("7001", "70") "," ROW("7002", "70")), NULL);
	bad(&l, RM, LIVE(ROW("0", "70")), -ENOTUNIQ, "say which");
	assert_string_equal(listed(&l), "7001:70+ 7002:70+ 8080:80 9000:90+");
	/* an any-address is each of its family */
	life_good(&l, ADD, LIVE(AT("0.0.0.0", "8085", "85")), NULL);
	bad(&l, RM, LIVE(AT("127.0.0.1", "8085", "85")), -EINVAL,
	    "8085->85/tcp that was added");
	life_good(&l, ADD, LIVE(AT("::", "8085", "85")), NULL);
	bad(&l, RM, LIVE(ROW("8085", "85")), -ENOTUNIQ, "IP:8085:85");
	life_good(&l, RM, LIVE(AT("::", "8085", "85")), NULL);
	life_good(&l, RM, LIVE(ROW("8085", "85")), NULL);
	life_good(&l, D "RevokeExternalConnectivity", "{" IDS "}", NULL);
	bad(&l, ADD, LIVE(ROW("8081", "81")), -EINVAL, "way out");
	life_good(&l, D "Leave", "{" IDS "}", NULL);
	bad(&l, ADD, LIVE(ROW("8081", "81")), -ENOENT, "has no container");
	life_close(&l);
}

/* ---- failures -------------------------------------------------------------- */

struct row {
	const char *name, *point;
	bool killed;
	bool leaves;      /* it is the removal that fails */
	const char *left; /* after it, or after the restart */
};

#define BOTH "8080:80 8081:81+"

static const struct row rows[] = {
	{ "the driver refuses", "fake.expose", false, false, "8080:80" },
	{ "before the record", "net.live.kernel", false, false, "8080:80" },
	{ "killed before the record", "net.live.kernel", true, false,
	  "8080:80" },
	{ "killed after it", "net.live.committed", true, false, BOTH },
	{ "the driver keeps it", "fake.expose", false, true, BOTH },
	{ "after the record", "net.unlive.recorded", false, true, BOTH },
	{ "killed after the record", "net.unlive.recorded", true, true,
	  "8080:80" },
	{ "killed at the end", "net.unlive.committed", true, true, "8080:80" },
};

static bool is_expose(const struct row *row)
{
	return strcmp(row->point, "fake.expose") == 0;
}

/* In a child: what fails here may not go on with the tests. */
static int good(struct life *l, const char *method, const char *body)
{
	struct err err = { 0 };

	return life_call(l, method, body, true, NULL, &err);
}

static int ends_as(struct life *l, const struct row *row)
{
	const char *got = listed(l);

	if (strcmp(got, row->left) == 0)
		return 0;
	fprintf(stderr, "%s: \"%s\", not \"%s\"\n", row->name, got, row->left);
	return 1;
}

static int do_steps(const struct row *row)
{
	struct life l;
	char text[64];
	int r;

	snprintf(text, sizeof(text), "%s:%s:nth=%d", row->point,
		 row->killed ? "kill" : "err=EIO",
		 !is_expose(row) ? 1
		 : row->leaves   ? 3
				 : 2);
	setenv("BERTH_FP", text, 1);
	life_start(&l, dir, &fake_driver);
	r = good(&l, D "CreateNetwork", NETWORK1);
	if (r == 0)
		r = good(&l, D "CreateEndpoint", ENDPOINT1);
	if (r == 0)
		r = good(&l, D "Join", JOIN1);
	if (r == 0)
		r = good(&l, PROG, PORTS("8080", "8080"));
	if (r < 0)
		return 2;
	r = good(&l, ADD, LIVE(ROW("8081", "81")));
	if (row->leaves && r == 0)
		r = good(&l, RM, LIVE(ROW("8081", "81")));
	if (r != -EIO)
		return 3;
	r = ends_as(&l, row);
	life_close(&l);
	return r;
}

static int after(const struct row *row)
{
	struct life l;
	int r;

	life_start(&l, dir, &fake_driver);
	r = ends_as(&l, row);
	life_close(&l);
	return r;
}

static int in_child(int (*fn)(const struct row *row), const struct row *row)
{
	pid_t pid = fork();
	int st;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn(row));
	assert_int_equal(waitpid(pid, &st, 0), pid);
	return st;
}

/* The fail points are read once: a process for each, and one that has none. */
static void failure(void **state)
{
	const struct row *row = *state;
	int st = in_child(do_steps, row);

	if (row->killed)
		assert_true(WIFSIGNALED(st));
	else
		assert_int_equal(st, 0);
	assert_int_equal(in_child(after, row), 0);
}

#define CASE(fn_, name_, arg_)                                            \
	(struct CMUnitTest)                                               \
	{                                                                 \
		.name = (name_), .test_func = (fn_), .setup_func = setup, \
		.teardown_func = teardown,                                \
		.initial_state = (void *)(uintptr_t)(arg_)                \
	}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 5];
	size_t n = 0;

	log_level_set("error", NULL);
	kernel = fake_kernel_new();
	fake_use(kernel);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[n++] = CASE(failure, rows[i].name, &rows[i]);
	tests[n++] = CASE(comes_and_goes, "comes and goes", NULL);
	tests[n++] = CASE(a_chosen_port_stays, "a chosen port stays", NULL);
	tests[n++] =
		CASE(ends_with_the_endpoint, "ends with the endpoint", NULL);
	tests[n++] = CASE(is_told_where_there_are_ports,
			  "is told where there are ports", NULL);
	tests[n++] = CASE(what_can_not_be, "what can not be", NULL);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
