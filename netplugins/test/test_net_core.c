/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life cycle of networks and endpoints, without a kernel: a fake driver. */
#include "lib/test/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/log.h"
#include "netplugins/test/fake.h"
#include "netplugins/test/life.h"

#define NET  "aaaaaaaaaaaaaaaa"
#define EP   "bbbbbbbbbbbbbbbb"
#define EP2  "cccccccccccccccc"
#define IDS  "\"NetworkID\":\"" NET "\",\"EndpointID\":\"" EP "\""
#define IDS2 "\"NetworkID\":\"" NET "\",\"EndpointID\":\"" EP2 "\""
#define D    "NetworkDriver."

#define NETWORK(id, pool, gw, generic)                                   \
	"{\"NetworkID\":\"" id "\",\"Options\":{\"com.docker.network."   \
	"generic\":{" generic "}},\"IPv4Data\":[{\"Pool\":\"" pool "\"," \
	"\"Gateway\":\"" gw "\"}],\"IPv6Data\":[]}"
#define NETWORK1 NETWORK(NET, "10.1.0.0/24", "10.1.0.1/24", "")
#define ENDPOINT(ids, addr)                                                \
	"{" ids ",\"Interface\":{\"Address\":\"" addr "\",\"MacAddress\":" \
	"\"\"}}"
#define ENDPOINT1 ENDPOINT(IDS, "10.1.0.2/24")
#define PORTS(first, last)                                                  \
	"{" IDS ",\"Options\":{\"com.docker.network.portmap\":[{\"Proto\":" \
	"6,\"IP\":\"\",\"Port\":80,\"HostIP\":\"\",\"HostPort\":" first     \
	",\"HostPortEnd\":" last "}]}}"
#define JOIN1 "{" IDS ",\"SandboxKey\":\"/nowhere/ns1\"}"

struct step {
	const char *method, *body;
};

/* What dockerd sends for a container with a port, start to end; then the same
 * address given out again, as after a dockerd that was killed. */
static const struct step script[] = {
	{ D "CreateNetwork", NETWORK1 },
	{ D "CreateEndpoint", ENDPOINT1 },
	{ D "Join", JOIN1 },
	{ D "ProgramExternalConnectivity", PORTS("8080", "8080") },
	{ D "RevokeExternalConnectivity", "{" IDS "}" },
	{ D "ProgramExternalConnectivity", PORTS("0", "0") },
	{ D "Leave", "{" IDS "}" },
	{ D "CreateEndpoint", ENDPOINT(IDS2, "10.1.0.2/24") },
	{ D "DeleteEndpoint", "{" IDS2 "}" },
	{ D "DeleteEndpoint", "{" IDS "}" },
	{ D "CreateEndpoint", ENDPOINT1 }, /* left for DeleteNetwork */
	{ D "DeleteNetwork", "{\"NetworkID\":\"" NET "\"}" },
};

/* Shared with the children. */
struct report {
	int at;     /* the call under way */
	int failed; /* 0, or which check, from 1 */
	char text[400];
	char answers[ARRAY_SIZE(script)][1024];
};

static struct fake_kernel *kernel;
static struct report *report;
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

static void open_life(struct life *l)
{
	struct err err = { 0 };

	if (life_open(l, dir, &fake_driver, &err) < 0)
		fail_msg("%s", err.msg);
}

static void good(struct life *l, const char *method, const char *body,
		 char ret[1024])
{
	struct err err = { 0 };

	if (life_call(l, method, body, true, ret, &err) < 0)
		fail_msg("%s: %s", method, err.msg);
}

static void bad(struct life *l, const char *method, const char *body, int want,
		const char *text)
{
	struct err err = { 0 };
	unsigned int before = fake_count(kernel);

	assert_int_equal(life_call(l, method, body, true, NULL, &err), want);
	if (!strstr(err.msg, text))
		fail_msg("\"%s\" is not in \"%s\"", text, err.msg);
	assert_int_equal(fake_count(kernel), before);
}

/* ---- kills ----------------------------------------------------------------- */

static int count_row(void *ctx, const char *id, const char *parent,
		     const char *json)
{
	(void)id;
	(void)parent;
	(void)json;
	++*(int *)ctx;
	return 0;
}

static int count_records(struct life *l)
{
	int n = 0;

	store_each(l->d.state, NET_KIND_NETWORK, NULL, count_row, &n, NULL);
	store_each(l->d.run, NET_KIND_ENDPOINT, NULL, count_row, &n, NULL);
	return n;
}

static void child_fail(int check, const char *what, const char *text)
{
	report->failed = check;
	snprintf(report->text, sizeof(report->text), "%s: %s", what, text);
	_exit(1);
}

/* Play the script from @from; the first call with an empty body if @retry. */
static void play(int from, bool empty, bool compare)
{
	struct life l;
	struct err err = { 0 };

	if (life_open(&l, dir, &fake_driver, &err) < 0)
		child_fail(1, "open", err.msg);
	for (int i = from; i < (int)ARRAY_SIZE(script); i++) {
		bool retry = i == from && empty;
		char answer[1024];

		report->at = i;
		err.msg[0] = '\0';
		if (life_call(&l, script[i].method,
			      retry ? NULL : script[i].body, true, answer,
			      &err) < 0)
			child_fail(2, script[i].method, err.msg);
		if (!compare)
			strcpy(report->answers[i], answer);
		else if (strcmp(answer, report->answers[i]) != 0)
			child_fail(3, script[i].method, answer);
	}
	if (fake_count(kernel))
		child_fail(4, "kernel", "objects left");
	if (count_records(&l))
		child_fail(5, "store", "records left");
	life_close(&l);
}

/* @point NULL: no fault. Return: waitpid's status. */
static int in_child(const char *point, const char *what, int from, bool empty,
		    bool compare)
{
	char plan[128];
	int status = 0;
	pid_t pid;

	report->failed = 0;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		unsetenv("BERTH_FP");
		if (point) {
			snprintf(plan, sizeof(plan), "%s:%s:nth=1", point,
				 what);
			setenv("BERTH_FP", plan, 1);
		}
		play(from, empty, compare);
		fflush(NULL);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fail_msg("fork");
	return status;
}

static bool killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void must_end_well(int status, const char *point, const char *how)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("%s, %s: status %x, check %d at call %d: %s", point,
			 how, (unsigned int)status, report->failed, report->at,
			 report->text);
}

static void clean_run(void **state)
{
	(void)state;
	must_end_well(in_child(NULL, NULL, 0, false, false), "none", "clean");
}

/* R1-R3: killed at the point, dockerd retries (with an empty body where the
 * request had been read, whole where the connection was refused). */
static void killed_at(void **state)
{
	const char *point = *state;

	for (int empty = 0; empty <= 1; empty++) {
		int status;

		if (empty) { /* unfetched answers are kept for 20 s */
			teardown(state);
			life_mkdir(dir);
		}
		status = in_child(point, "kill", 0, false, true);

		if (!killed(status)) {
			must_end_well(status, point, "not reached");
			print_message("not reached: %s\n", point);
			return;
		}
		must_end_well(in_child(NULL, NULL, report->at, empty, true),
			      point, empty ? "empty retry" : "whole retry");
		/* a new daemon on the same directory finds nothing */
		must_end_well(in_child(NULL, NULL, 0, false, true), point,
			      "again");
	}
}

/* Killed at the point, and again while recovering from that. */
static void killed_twice(void **state)
{
	static const char *const late[] = { "net.recover.network",
					    "net.recover.endpoint",
					    "net.recover.intent",
					    "journal.replay.taken" };
	const char *point = *state;

	for (size_t i = 0; i < ARRAY_SIZE(late); i++) {
		int status = in_child(point, "kill", 0, false, true), at;

		if (!killed(status))
			return;
		at = report->at;
		status = in_child(late[i], "kill", at, true, true);
		if (killed(status))
			status = in_child(NULL, NULL, at, true, true);
		must_end_well(status, point, late[i]);
	}
}

/* R2: an error at the point is answered, nothing of the request remains, and
 * the same request then succeeds. */
static void error_at(void **state)
{
	const char *point = *state;
	int status = in_child(point, "err=ENOSPC", 0, false, true);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return; /* not on this path, or the point can't fail */
	if (report->failed != 2)
		fail_msg("%s: check %d: %s", point, report->failed,
			 report->text);
	must_end_well(in_child(NULL, NULL, report->at, false, true), point,
		      "after the error");
}

/* Ports are published, then @end fails at @point.
 * Fail points are read once a process: each life is a child. */
static void fail_and_end(const char *end, const char *point)
{
	static const struct step begin[] = {
		{ D "CreateNetwork", NETWORK1 },
		{ D "CreateEndpoint", ENDPOINT1 },
		{ D "Join", JOIN1 },
		{ D "ProgramExternalConnectivity", PORTS("8080", "8080") },
	};
	struct err err = { 0 };
	struct life l;

	setenv("BERTH_FP", point, 1);
	if (life_open(&l, dir, &fake_driver, &err) < 0)
		_exit(1);
	for (size_t i = 0; i < ARRAY_SIZE(begin); i++)
		if (life_call(&l, begin[i].method, begin[i].body, true, NULL,
			      &err) < 0)
			_exit(2);
	_exit(life_call(&l, end, "{" IDS "}", true, NULL, &err) == -EIO ? 0
									: 3);
}

static void next_life(void)
{
	struct err err = { 0 };
	struct life l;

	fake_find(kernel, EP)->exposed = false; /* all is told anew */
	unsetenv("BERTH_FP");
	if (life_open(&l, dir, &fake_driver, &err) < 0)
		_exit(1);
	_exit(fake_find(kernel, EP)->exposed ? 4 : 0);
}

/* dockerd does not repeat a Revoke or Leave that failed. */
static void failed_end_is_not_published_again(void **state)
{
	const struct step *end = *state;
	int status = 0;

	for (int life = 0; life < 2; life++) {
		pid_t pid;

		fflush(NULL);
		pid = fork();
		if (pid == 0 && life == 0)
			fail_and_end(end->method, end->body);
		else if (pid == 0)
			next_life();
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

/* A method, and where it fails. */
static const struct step ends[] = {
	{ D "RevokeExternalConnectivity", "net.revoke.kernel:err=EIO" },
	{ D "Leave", "net.leave.kernel:err=EIO" },
	{ D "Leave", "net.close.recorded:err=EIO" },
};

/* ---- answers ----------------------------------------------------------------- */

static void answers(void **state)
{
	struct life l;
	char text[1024];

	(void)state;
	open_life(&l);
	good(&l, D "GetCapabilities", "{}", text);
	assert_string_equal(
		text, "{\"Scope\":\"local\",\"ConnectivityScope\":\"local\"}");
	good(&l, D "CreateNetwork", NETWORK1, text);
	assert_string_equal(text, "{}");
	good(&l, D "CreateEndpoint", ENDPOINT1, text);
	assert_string_equal(
		text, "{\"Interface\":{\"MacAddress\":\"02:42:0a:01:00:02\"}}");
	good(&l, D "Join", JOIN1, text);
	assert_string_equal(text,
			    "{\"InterfaceName\":{\"SrcName\":\"bcbbbbbbbbbbb\","
			    "\"DstPrefix\":\"eth\"},\"Gateway\":\"10.1.0.1\"}");
	good(&l, D "EndpointOperInfo", "{" IDS "}", text);
	assert_string_equal(
		text, "{\"Value\":{\"berth.interface\":\"bvbbbbbbbbbbb\"}}");
	/* an error would stop a container: see net_core.c */
	good(&l, D "EndpointOperInfo", NULL, text);
	good(&l, D "DiscoverNew", "{}", text);
	good(&l, D "AllocateNetwork", "{}", text);
	life_close(&l);
}

static void again(void **state)
{
	static const char other_mac[] =
		"{" IDS ",\"Interface\":{\"Address\":\"10.1.0.2/24\","
		"\"MacAddress\":\"02:42:0a:01:00:09\"}}";
	struct life l;
	char one[1024], two[1024];

	(void)state;
	open_life(&l);
	for (int i = 0; i < 2; i++) {
		char *text = i ? two : one;

		good(&l, D "CreateNetwork", NETWORK1, text);
		good(&l, D "CreateEndpoint", ENDPOINT1, text);
		good(&l, D "Join", JOIN1, text);
		good(&l, D "ProgramExternalConnectivity", PORTS("0", "0"),
		     text);
		good(&l, "Berth.Ports", "{}", text);
	}
	assert_string_equal(one, two);
	assert_int_equal(fake_count(kernel), 2);
	bad(&l, D "CreateNetwork",
	    NETWORK(NET, "10.2.0.0/24", "10.2.0.1/24", ""), -EEXIST,
	    "with other options");
	bad(&l, D "CreateEndpoint", ENDPOINT(IDS, "10.1.0.3/24"), -EEXIST,
	    "with another");
	bad(&l, D "CreateEndpoint", other_mac, -EEXIST, "with another");
	life_close(&l);
}

static void unknown_things(void **state)
{
	struct life l;

	(void)state;
	open_life(&l);
	good(&l, D "DeleteNetwork", "{\"NetworkID\":\"" NET "\"}", NULL);
	good(&l, D "DeleteEndpoint", "{" IDS "}", NULL);
	good(&l, D "Leave", "{" IDS "}", NULL);
	good(&l, D "RevokeExternalConnectivity", "{" IDS "}", NULL);
	bad(&l, D "Join", JOIN1, -ENOENT, "is not known");
	bad(&l, D "CreateEndpoint", ENDPOINT1, -ENOENT, "is not known");
	bad(&l, D "EndpointOperInfo", "{" IDS "}", -ENOENT, "is not known");
	good(&l, D "CreateNetwork", NETWORK1, NULL);
	bad(&l, D "Join", JOIN1, -ENOENT, "is not known on network");
	bad(&l, D "ProgramExternalConnectivity", PORTS("1", "1"), -ENOENT,
	    "is not known");
	bad(&l, D "CreateNetwork", NULL, -EBADMSG, "the body is empty");
	bad(&l, D "Join", NULL, -EBADMSG, "the body is empty");
	bad(&l, D "GwAllocCheck", NULL, -EBADMSG, "the body is empty");
	life_close(&l);
}

struct refusal {
	const char *name, *method, *body, *text;
	int want;
};

static const struct refusal refusals[] = {
	{ "an option nobody knows", D "CreateNetwork",
	  NETWORK("n2", "10.2.0.0/24", "10.2.0.1/24", "\"flagg\":\"1\""),
	  "did you mean", -EINVAL },
	{ "two subnets of a family", D "CreateNetwork",
	  "{\"NetworkID\":\"n2\",\"IPv4Data\":[{\"Pool\":\"10.2.0.0/24\"},"
	  "{\"Pool\":\"10.3.0.0/24\"}]}",
	  "one of each family", -EINVAL },
	{ "a subnet of the other family", D "CreateNetwork",
	  "{\"NetworkID\":\"n2\",\"IPv4Data\":[{\"Pool\":\"fd00::/64\"}]}",
	  "other family", -EINVAL },
	{ "null IPAM for a driver that needs a subnet", D "CreateNetwork",
	  "{\"NetworkID\":\"n2\",\"IPv4Data\":[{\"Pool\":\"0.0.0.0/0\"}]}",
	  "no subnet", -EINVAL },
	{ "address outside the subnet", D "CreateEndpoint",
	  ENDPOINT(IDS2, "10.9.0.2/24"), "not in subnet", -EINVAL },
	{ "address of the gateway", D "CreateEndpoint",
	  ENDPOINT(IDS2, "10.1.0.1/24"), "gateway", -EADDRINUSE },
	{ "broadcast address", D "CreateEndpoint",
	  ENDPOINT(IDS2, "10.1.0.255/24"), "broadcast", -EINVAL },
	{ "network address", D "CreateEndpoint", ENDPOINT(IDS2, "10.1.0.0/24"),
	  "broadcast", -EINVAL },
	{ "multicast MAC", D "CreateEndpoint",
	  "{" IDS2 ",\"Interface\":{\"Address\":\"10.1.0.3/24\","
	  "\"MacAddress\":\"03:00:00:00:00:01\"}}",
	  "MacAddress", -EINVAL },
	{ "zero MAC", D "CreateEndpoint",
	  "{" IDS2 ",\"Interface\":{\"Address\":\"10.1.0.3/24\","
	  "\"MacAddress\":\"00:00:00:00:00:00\"}}",
	  "MacAddress", -EINVAL },
	{ "another endpoint's MAC", D "CreateEndpoint",
	  "{" IDS2 ",\"Interface\":{\"Address\":\"10.1.0.3/24\","
	  "\"MacAddress\":\"02:42:0a:01:00:02\"}}",
	  "is that of endpoint", -EADDRINUSE },
	{ "an endpoint option nobody knows", D "CreateEndpoint",
	  "{" IDS2 ",\"Interface\":{\"Address\":\"10.1.0.3/24\"},"
	  "\"Options\":{\"berth.rat\":\"1\"}}",
	  "did you mean", -EINVAL },
	{ "a network with a container that lives", D "DeleteNetwork",
	  "{\"NetworkID\":\"" NET "\"}", "in use by 1 endpoint", -EBUSY },
	{ "another network's endpoint", D "CreateEndpoint",
	  ENDPOINT("\"NetworkID\":\"n0\",\"EndpointID\":\"" EP "\"",
		   "10.7.0.2/24"),
	  "is there already, on network aaaaaaaaaaaa", -EEXIST },
	{ "no sandbox", D "Join", "{" IDS "}", "SandboxKey: missing",
	  -EBADMSG },
	{ "a second sandbox", D "Join",
	  "{" IDS ",\"SandboxKey\":\"/nowhere/ns2\"}", "is joined to sandbox",
	  -EBUSY },
	{ "a port of no protocol", D "ProgramExternalConnectivity",
	  "{" IDS ",\"Options\":{\"com.docker.network.portmap\":[{\"Proto\":1,"
	  "\"Port\":80,\"HostPort\":80,\"HostPortEnd\":80}]}}",
	  "", -EINVAL },
	{ "an id with a slash", D "CreateNetwork",
	  "{\"NetworkID\":\"a/b\",\"IPv4Data\":[]}", "NetworkID", -EBADMSG },
	{ "an id that is too long", D "DeleteNetwork",
	  "{\"NetworkID\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
	  "NetworkID", -EBADMSG },
};

static void refused(void **state)
{
	const struct refusal *row = *state;
	struct life l;

	open_life(&l);
	good(&l, D "CreateNetwork", NETWORK1, NULL);
	good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
	good(&l, D "Join", "{" IDS ",\"SandboxKey\":\"/proc/self/ns/net\"}",
	     NULL);
	good(&l, D "CreateNetwork",
	     NETWORK("n0", "10.7.0.0/24", "10.7.0.1/24", ""), NULL);
	bad(&l, row->method, row->body, row->want, row->text);
	good(&l, D "EndpointOperInfo", "{" IDS "}", NULL);
	life_close(&l);
}

/* ---- stale endpoints ---------------------------------------------------------- */

static void same_address_replaces(void **state)
{
	struct life l;

	(void)state;
	open_life(&l);
	good(&l, D "CreateNetwork", NETWORK1, NULL);
	good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
	good(&l, D "Join", JOIN1, NULL);
	good(&l, D "CreateEndpoint", ENDPOINT(IDS2, "10.1.0.2/24"), NULL);
	assert_null(fake_find(kernel, EP));
	assert_non_null(fake_find(kernel, EP2));
	good(&l, D "DeleteEndpoint", "{" IDS "}", NULL);
	assert_non_null(fake_find(kernel, EP2));
	life_close(&l);
}

static void sweep(void **state)
{
	struct life l;
	char text[1024];

	(void)state;
	open_life(&l);
	good(&l, D "CreateNetwork", NETWORK1, NULL);
	good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
	good(&l, D "CreateEndpoint", ENDPOINT(IDS2, "10.1.0.3/24"), NULL);
	good(&l, D "Join", "{" IDS ",\"SandboxKey\":\"/proc/self\"}", NULL);
	fake_find(kernel, EP)->place = NET_LINK_AWAY;
	good(&l, D "Join", "{" IDS2 ",\"SandboxKey\":\"/proc/gone\"}", NULL);
	fake_find(kernel, EP2)->place = NET_LINK_AWAY;
	/* within the grace: only noticed */
	assert_int_equal(net_stale_sweep(l.core, 600, false, NULL, NULL), 0);
	good(&l, "Berth.Gc", "{\"DryRun\":true}", text);
	assert_non_null(strstr(text, "cccccccccccc"));
	assert_null(strstr(text, "bbbbbbbbbbbb"));
	assert_non_null(fake_find(kernel, EP2));
	good(&l, "Berth.Gc", "{}", text);
	assert_null(fake_find(kernel, EP2));
	assert_non_null(fake_find(kernel, EP));
	/* a sandbox that we could not see anyway says nothing */
	good(&l, D "CreateEndpoint", ENDPOINT(IDS2, "10.1.0.3/24"), NULL);
	good(&l, D "Join", "{" IDS2 ",\"SandboxKey\":\"/nowhere/x\"}", NULL);
	fake_find(kernel, EP2)->place = NET_LINK_AWAY;
	assert_int_equal(net_stale_sweep(l.core, 0, false, NULL, NULL), 0);
	/* gone from every namespace */
	fake_find(kernel, EP2)->used = false;
	good(&l, "Berth.Check", "{}", text);
	assert_non_null(strstr(text, "gone from every namespace"));
	assert_int_equal(net_stale_sweep(l.core, 0, false, NULL, NULL), 1);
	assert_int_equal(count_records(&l), 2);
	life_close(&l);
}

static void reboot(void **state)
{
	struct life l;
	char text[1024];

	(void)state;
	open_life(&l);
	good(&l, D "CreateNetwork", NETWORK1, NULL);
	good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
	good(&l, D "ProgramExternalConnectivity", PORTS("1", "1"), NULL);
	life_close(&l);
	memset(kernel->items, 0, sizeof(kernel->items));
	open_life(&l);
	assert_non_null(fake_find(kernel, NET)); /* made again */
	assert_null(fake_find(kernel, EP));
	good(&l, "Berth.Ports", "{}", text);
	assert_string_equal(text, "{\"Ports\":[]}");
	bad(&l, D "Join", JOIN1, -ENODEV, "its link is gone");
	/* the same address asked for again, as dockerd does */
	good(&l, D "CreateEndpoint", ENDPOINT(IDS2, "10.1.0.2/24"), NULL);
	good(&l, D "DeleteEndpoint", "{" IDS2 "}", NULL);
	good(&l, D "DeleteNetwork", "{\"NetworkID\":\"" NET "\"}", NULL);
	assert_int_equal(fake_count(kernel), 0);
	assert_int_equal(count_records(&l), 0);
	life_close(&l);
}

/* Finished after a crash; the peer comes back with the whole request, so it
 * knows the object and nothing is kept for undoing. */
static void whole_retry_keeps(void **state)
{
	struct life l;

	(void)state;
	assert_true(killed(in_child("net.create_endpoint.kernel", "kill", 0,
				    false, true)));
	open_life(&l);
	assert_non_null(fake_find(kernel, EP));
	good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
	bad(&l, D "CreateEndpoint", NULL, -EBADMSG, "the body is empty");
	good(&l, D "EndpointOperInfo", "{" IDS "}", NULL);
	life_close(&l);
}

/* ---- many at once ------------------------------------------------------------- */

#define THREADS 16
#define ROUNDS  20

struct worker {
	struct life *l;
	unsigned int n;
	int failed;
};

static void one_call(struct worker *w, const char *method, const char *body)
{
	struct err err = { 0 };
	int r = life_call(w->l, method, body, true, NULL, &err);

	if (r < 0 && !w->failed) {
		w->failed = r;
		fprintf(stderr, "%s: %s\n", method, err.msg);
	}
}

/* A third on a network of their own, the rest on a shared one. */
static void *work(void *arg)
{
	struct worker *w = arg;
	char net[32], body[512];
	bool own = w->n % 3 == 0;

	snprintf(net, sizeof(net), own ? "net%u" : "shared", w->n);
	for (unsigned int i = 0; i < ROUNDS && !w->failed; i++) {
		if (own) {
			snprintf(body, sizeof(body),
				 "{\"NetworkID\":\"%s\",\"IPv4Data\":[{"
				 "\"Pool\":\"10.%u.0.0/16\"}]}",
				 net, 10 + w->n);
			one_call(w, D "CreateNetwork", body);
		}
		snprintf(body, sizeof(body),
			 "{\"NetworkID\":\"%s\",\"EndpointID\":\"e%u-%u\","
			 "\"Interface\":{\"Address\":\"10.%u.%u.%u/16\"}}",
			 net, w->n, i, own ? 10 + w->n : 9, w->n, i + 2);
		one_call(w, D "CreateEndpoint", body);
		snprintf(body, sizeof(body),
			 "{\"NetworkID\":\"%s\",\"EndpointID\":\"e%u-%u\","
			 "\"SandboxKey\":\"/proc/self\"}",
			 net, w->n, i);
		one_call(w, D "Join", body);
		one_call(w, D "ProgramExternalConnectivity", body);
		one_call(w, "Berth.Networks", "{}");
		one_call(w, D "RevokeExternalConnectivity", body);
		one_call(w, D "Leave", body);
		one_call(w, D "DeleteEndpoint", body);
		snprintf(body, sizeof(body), "{\"NetworkID\":\"%s\"}", net);
		if (own)
			one_call(w, D "DeleteNetwork", body);
	}
	return NULL;
}

static void parallel(void **state)
{
	pthread_t threads[THREADS];
	struct worker workers[THREADS];
	struct life l;

	(void)state;
	open_life(&l);
	good(&l, D "CreateNetwork",
	     "{\"NetworkID\":\"shared\",\"IPv4Data\":[{\"Pool\":"
	     "\"10.9.0.0/16\"}]}",
	     NULL);
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .l = &l, .n = i };
		assert_int_equal(
			pthread_create(&threads[i], NULL, work, &workers[i]),
			0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		net_core_tick(l.core);
		pthread_join(threads[i], NULL);
		assert_int_equal(workers[i].failed, 0);
	}
	good(&l, D "DeleteNetwork", "{\"NetworkID\":\"shared\"}", NULL);
	assert_int_equal(fake_count(kernel), 0);
	assert_int_equal(count_records(&l), 0);
	life_close(&l);
}

/* Create and delete of one network from all sides: one order or another. */
static void *race(void *arg)
{
	struct worker *w = arg;
	struct err err = { 0 };

	for (unsigned int i = 0; i < ROUNDS * 4; i++)
		if (w->n % 2)
			(void)life_call(w->l, D "CreateNetwork", NETWORK1, true,
					NULL, &err);
		else
			(void)life_call(w->l, D "DeleteNetwork",
					"{\"NetworkID\":\"" NET "\"}", true,
					NULL, &err);
	return NULL;
}

static void create_delete_race(void **state)
{
	pthread_t threads[8];
	struct worker workers[8];
	struct life l;

	(void)state;
	open_life(&l);
	for (unsigned int i = 0; i < 8; i++) {
		workers[i] = (struct worker){ .l = &l, .n = i };
		assert_int_equal(
			pthread_create(&threads[i], NULL, race, &workers[i]),
			0);
	}
	for (unsigned int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(fake_count(kernel), count_records(&l));
	good(&l, D "DeleteNetwork", "{\"NetworkID\":\"" NET "\"}", NULL);
	assert_int_equal(fake_count(kernel), 0);
	life_close(&l);
}

/* ---- main ---------------------------------------------------------------------- */

static const char *const points[] = {
	"net.create_network.intent",
	"fake.network_add.before",
	"fake.network_add.after",
	"net.create_network.kernel",
	"net.create_network.committed",
	"net.create_endpoint.intent",
	"fake.endpoint_add.before",
	"fake.endpoint_add.after",
	"net.create_endpoint.kernel",
	"net.create_endpoint.committed",
	"net.join.intent",
	"net.join.kernel",
	"net.join.committed",
	"net.expose.intent",
	"fake.expose",
	"net.expose.kernel",
	"net.expose.committed",
	"net.revoke.intent",
	"net.close.recorded",
	"fake.unexpose",
	"net.revoke.kernel",
	"net.revoke.committed",
	"net.leave.intent",
	"net.leave.kernel",
	"net.leave.committed",
	"net.drop_endpoint.kernel",
	"net.delete_endpoint.intent",
	"fake.endpoint_del",
	"net.delete_endpoint.kernel",
	"net.delete_endpoint.committed",
	"net.delete_network.intent",
	"fake.network_del",
	"net.delete_network.kernel",
};

#define CASE(fn_, name_, arg_)                                            \
	(struct CMUnitTest)                                               \
	{                                                                 \
		.name = (name_), .test_func = (fn_), .setup_func = setup, \
		.teardown_func = teardown,                                \
		.initial_state = (void *)(uintptr_t)(arg_)                \
	}

static char names[3 * ARRAY_SIZE(points)][80];

static void add_points(struct CMUnitTest *tests, size_t *n)
{
	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		char *name = names[3 * i];

		snprintf(name, sizeof(names[0]), "killed at %s", points[i]);
		tests[(*n)++] = CASE(killed_at, name, points[i]);
		name = names[3 * i + 1];
		snprintf(name, sizeof(names[0]), "killed twice, %s", points[i]);
		tests[(*n)++] = CASE(killed_twice, name, points[i]);
		name = names[3 * i + 2];
		snprintf(name, sizeof(names[0]), "error at %s", points[i]);
		tests[(*n)++] = CASE(error_at, name, points[i]);
	}
}

int main(void)
{
	struct CMUnitTest tests[3 * ARRAY_SIZE(points) + ARRAY_SIZE(refusals) +
				ARRAY_SIZE(ends) + 10];
	size_t n = 0;

	log_level_set("error", NULL);
	kernel = fake_kernel_new();
	fake_use(kernel);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED)
		return 1;
	tests[n++] = CASE(clean_run, "whole script", NULL);
	add_points(tests, &n);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		tests[n++] = CASE(failed_end_is_not_published_again,
				  ends[i].body, &ends[i]);
	tests[n++] = CASE(whole_retry_keeps, "whole retry keeps", NULL);
	tests[n++] = CASE(answers, "answers", NULL);
	tests[n++] = CASE(again, "the same again", NULL);
	tests[n++] = CASE(unknown_things, "unknown things", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		tests[n++] = CASE(refused, refusals[i].name, &refusals[i]);
	tests[n++] = CASE(same_address_replaces, "same address replaces", NULL);
	tests[n++] = CASE(sweep, "stale endpoints are swept", NULL);
	tests[n++] = CASE(reboot, "kernel objects gone", NULL);
	tests[n++] = CASE(parallel, "16 clients", NULL);
	tests[n++] = CASE(create_delete_race, "create and delete race", NULL);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return n == ARRAY_SIZE(tests)
		       ? cmocka_run_group_tests(tests, NULL, NULL)
		       : 1;
}
