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
#include "netplugins/test/requests.h"

static struct fake_kernel *kernel;
static char dir[32];

static int setup(void **state)
{
	(void)state;
	memset(kernel->items, 0, sizeof(kernel->items));
	kernel->broken[0] = 0;
	life_mkdir(dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_rmdir(dir);
	return 0;
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

/* ---- answers ----------------------------------------------------------------- */

static void answers(void **state)
{
	struct life l;
	char text[1024];

	(void)state;
	life_start(&l, dir, &fake_driver);
	life_good(&l, D "GetCapabilities", "{}", text);
	assert_string_equal(
		text, "{\"Scope\":\"local\",\"ConnectivityScope\":\"local\"}");
	life_good(&l, D "CreateNetwork", NETWORK1, text);
	assert_string_equal(text, "{}");
	life_good(&l, D "CreateEndpoint", ENDPOINT1, text);
	assert_string_equal(
		text, "{\"Interface\":{\"MacAddress\":\"02:42:0a:01:00:02\"}}");
	life_good(&l, D "Join", JOIN1, text);
	assert_string_equal(text,
			    "{\"InterfaceName\":{\"SrcName\":\"bcbbbbbbbbbbb\","
			    "\"DstPrefix\":\"eth\"},\"Gateway\":\"10.1.0.1\"}");
	life_good(&l, D "EndpointOperInfo", "{" IDS "}", text);
	assert_string_equal(
		text, "{\"Value\":{\"berth.interface\":\"bvbbbbbbbbbbb\"}}");
	/* an error would stop a container: see net_core.c */
	life_good(&l, D "EndpointOperInfo", NULL, text);
	life_good(&l, D "DiscoverNew", "{}", text);
	life_good(&l, D "AllocateNetwork", "{}", text);
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
	life_start(&l, dir, &fake_driver);
	for (int i = 0; i < 2; i++) {
		char *text = i ? two : one;

		life_good(&l, D "CreateNetwork", NETWORK1, text);
		life_good(&l, D "CreateEndpoint", ENDPOINT1, text);
		life_good(&l, D "Join", JOIN1, text);
		life_good(&l, D "ProgramExternalConnectivity", PORTS("0", "0"),
			  text);
		life_good(&l, "Berth.Ports", "{}", text);
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
	life_start(&l, dir, &fake_driver);
	life_good(&l, D "DeleteNetwork", "{\"NetworkID\":\"" NET "\"}", NULL);
	life_good(&l, D "DeleteEndpoint", "{" IDS "}", NULL);
	life_good(&l, D "Leave", "{" IDS "}", NULL);
	life_good(&l, D "RevokeExternalConnectivity", "{" IDS "}", NULL);
	bad(&l, D "Join", JOIN1, -ENOENT, "is not known");
	bad(&l, D "CreateEndpoint", ENDPOINT1, -ENOENT, "is not known");
	bad(&l, D "EndpointOperInfo", "{" IDS "}", -ENOENT, "is not known");
	life_good(&l, D "CreateNetwork", NETWORK1, NULL);
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
	  "MacAddress", -EBADMSG },
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

	life_start(&l, dir, &fake_driver);
	life_good(&l, D "CreateNetwork", NETWORK1, NULL);
	life_good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
	life_good(&l, D "Join",
		  "{" IDS ",\"SandboxKey\":\"/proc/self/ns/net\"}", NULL);
	life_good(&l, D "CreateNetwork",
		  NETWORK("n0", "10.7.0.0/24", "10.7.0.1/24", ""), NULL);
	bad(&l, row->method, row->body, row->want, row->text);
	life_good(&l, D "EndpointOperInfo", "{" IDS "}", NULL);
	life_close(&l);
}

/* ---- stale endpoints ---------------------------------------------------------- */

static void same_address_replaces(void **state)
{
	struct life l;

	(void)state;
	life_start(&l, dir, &fake_driver);
	life_good(&l, D "CreateNetwork", NETWORK1, NULL);
	life_good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
	life_good(&l, D "Join", JOIN1, NULL);
	life_good(&l, D "CreateEndpoint", ENDPOINT(IDS2, "10.1.0.2/24"), NULL);
	assert_null(fake_find(kernel, EP));
	assert_non_null(fake_find(kernel, EP2));
	life_good(&l, D "DeleteEndpoint", "{" IDS "}", NULL);
	assert_non_null(fake_find(kernel, EP2));
	life_close(&l);
}

static void same_mac_replaces(void **state)
{
	struct life l;

	(void)state;
	life_start(&l, dir, &fake_driver);
	life_good(&l, D "CreateNetwork", NETWORK1, NULL);
	life_good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
	life_good(&l, D "Join", JOIN1, NULL);
	life_good(&l, D "CreateEndpoint",
		  "{" IDS2 ",\"Interface\":{\"Address\":\"10.1.0.3/24\","
		  "\"MacAddress\":\"02:42:0a:01:00:02\"}}",
		  NULL);
	assert_null(fake_find(kernel, EP));
	assert_non_null(fake_find(kernel, EP2));
	life_close(&l);
}

static int refuse_init(struct net_network *net, struct err *err)
{
	(void)net;
	return err_set(err, -EINVAL, "refused by a stricter daemon");
}

static int unknown;

static int gc_asks(void *host, bool dry,
		   bool (*known)(void *ctx, const char *id),
		   void (*fn)(void *ctx, const char *line), void *ctx,
		   struct err *err)
{
	(void)host;
	(void)dry;
	(void)fn;
	(void)err;
	unknown = !known(ctx, NET) + !known(ctx, EP) +
		  !known(ctx, "somebody else's");
	return 0;
}

/* What an earlier daemon took and this one refuses is kept for the next. */
static void records_not_understood_stay(void **state)
{
	struct net_driver strict = fake_driver;
	struct life l;

	(void)state;
	strict.network_init = refuse_init;
	strict.gc = gc_asks;
	life_start(&l, dir, &fake_driver);
	life_good(&l, D "CreateNetwork", NETWORK1, NULL);
	life_good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
	life_good(&l, D "Join", "{" IDS ",\"SandboxKey\":\"/proc/self\"}",
		  NULL);
	life_close(&l);
	life_start(&l, dir, &strict);
	assert_int_equal(life_records(&l), 2);
	life_good(&l, "Berth.Gc", "{}", NULL);
	assert_int_equal(unknown, 1);
	bad(&l, D "EndpointOperInfo", "{" IDS "}", -ENOENT, "is not known");
	life_close(&l);
	life_start(&l, dir, &fake_driver);
	life_good(&l, D "EndpointOperInfo", "{" IDS "}", NULL);
	life_close(&l);
}

static void sweep(void **state)
{
	struct life l;
	char text[1024];

	(void)state;
	life_start(&l, dir, &fake_driver);
	life_good(&l, D "CreateNetwork", NETWORK1, NULL);
	life_good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
	life_good(&l, D "CreateEndpoint", ENDPOINT(IDS2, "10.1.0.3/24"), NULL);
	life_good(&l, D "Join", "{" IDS ",\"SandboxKey\":\"/proc/self\"}",
		  NULL);
	fake_find(kernel, EP)->place = NET_LINK_AWAY;
	life_good(&l, D "Join", "{" IDS2 ",\"SandboxKey\":\"/proc/gone\"}",
		  NULL);
	fake_find(kernel, EP2)->place = NET_LINK_AWAY;
	/* within the grace: only noticed */
	assert_int_equal(net_stale_sweep(l.core, 600, false, NULL, NULL), 0);
	life_good(&l, "Berth.Gc", "{\"DryRun\":true}", text);
	assert_non_null(strstr(text, "cccccccccccc"));
	assert_null(strstr(text, "bbbbbbbbbbbb"));
	assert_non_null(fake_find(kernel, EP2));
	life_good(&l, "Berth.Gc", "{}", text);
	assert_null(fake_find(kernel, EP2));
	assert_non_null(fake_find(kernel, EP));
	/* a sandbox that we could not see anyway says nothing */
	life_good(&l, D "CreateEndpoint", ENDPOINT(IDS2, "10.1.0.3/24"), NULL);
	life_good(&l, D "Join", "{" IDS2 ",\"SandboxKey\":\"/nowhere/x\"}",
		  NULL);
	fake_find(kernel, EP2)->place = NET_LINK_AWAY;
	assert_int_equal(net_stale_sweep(l.core, 0, false, NULL, NULL), 0);
	/* gone from every namespace */
	fake_find(kernel, EP2)->used = false;
	life_good(&l, "Berth.Check", "{}", text);
	assert_non_null(strstr(text, "gone from every namespace"));
	assert_int_equal(net_stale_sweep(l.core, 0, false, NULL, NULL), 1);
	assert_int_equal(life_records(&l), 2);
	life_close(&l);
}

static void reboot(void **state)
{
	struct life l;
	char text[1024];

	(void)state;
	life_start(&l, dir, &fake_driver);
	life_good(&l, D "CreateNetwork", NETWORK1, NULL);
	life_good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
	life_good(&l, D "ProgramExternalConnectivity", PORTS("1", "1"), NULL);
	life_close(&l);
	memset(kernel->items, 0, sizeof(kernel->items));
	life_start(&l, dir, &fake_driver);
	assert_non_null(fake_find(kernel, NET)); /* made again */
	assert_null(fake_find(kernel, EP));
	life_good(&l, "Berth.Ports", "{}", text);
	assert_string_equal(text, "{\"Ports\":[]}");
	bad(&l, D "Join", JOIN1, -ENODEV, "its link is gone");
	/* the same address asked for again, as dockerd does */
	life_good(&l, D "CreateEndpoint", ENDPOINT(IDS2, "10.1.0.2/24"), NULL);
	life_good(&l, D "DeleteEndpoint", "{" IDS2 "}", NULL);
	life_good(&l, D "DeleteNetwork", "{\"NetworkID\":\"" NET "\"}", NULL);
	assert_int_equal(fake_count(kernel), 0);
	assert_int_equal(life_records(&l), 0);
	life_close(&l);
}

static void tick(struct life *l)
{
	l->core->next_gc = 0;
	net_core_tick(l->core);
}

/* One endpoint that can't be raised, whichever comes first: the other is, new
 * ones are made, and the problem goes with its cause. */
static void one_broken(void **state)
{
	static const char *const eps[] = { EP, EP2 };
	struct life l;
	char text[1024];

	(void)state;
	life_start(&l, dir, &fake_driver);
	life_good(&l, D "CreateNetwork", NETWORK1, NULL);
	life_good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
	life_good(&l, D "ProgramExternalConnectivity", PORTS("1", "1"), NULL);
	life_good(&l, D "CreateEndpoint", ENDPOINT(IDS2, "10.1.0.3/24"), NULL);
	life_good(&l, D "ProgramExternalConnectivity", PORTS_OF(IDS2, "2", "2"),
		  NULL);
	for (size_t i = 0; i < 2; i++) {
		const char *broken = eps[i], *other = eps[1 - i];

		strcpy(kernel->broken, broken);
		life_close(&l);
		fake_find(kernel, broken)->exposed = false;
		fake_find(kernel, other)->exposed = false;
		life_start(&l, dir, &fake_driver);
		assert_true(fake_find(kernel, other)->exposed);
		life_good(&l, "Berth.Check", "{}", text);
		assert_non_null(strstr(text, "fake link of the same name"));
		fake_find(kernel, other)->exposed = false;
		tick(&l);
		assert_true(fake_find(kernel, other)->exposed);
		assert_false(fake_find(kernel, broken)->exposed);
		life_good(&l, "Berth.Check", "{}", text);
		assert_non_null(strstr(text, "fake link of the same name"));
		life_good(&l, D "CreateEndpoint", ENDPOINT(IDS3, "10.1.0.4/24"),
			  NULL);
		life_good(&l, D "DeleteEndpoint", "{" IDS3 "}", NULL);
		kernel->broken[0] = 0;
		tick(&l);
		assert_true(fake_find(kernel, broken)->exposed);
		life_good(&l, "Berth.Check", "{}", text);
		assert_null(strstr(text, "fake link"));
	}
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
		one_call(w, "Berth.Networks",
			 i % 2 ? "{\"Stats\":true}" : "{}");
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
	life_start(&l, dir, &fake_driver);
	life_good(&l, D "CreateNetwork",
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
	life_good(&l, D "DeleteNetwork", "{\"NetworkID\":\"shared\"}", NULL);
	assert_int_equal(fake_count(kernel), 0);
	assert_int_equal(life_records(&l), 0);
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
	life_start(&l, dir, &fake_driver);
	for (unsigned int i = 0; i < 8; i++) {
		workers[i] = (struct worker){ .l = &l, .n = i };
		assert_int_equal(
			pthread_create(&threads[i], NULL, race, &workers[i]),
			0);
	}
	for (unsigned int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(fake_count(kernel), life_records(&l));
	life_good(&l, D "DeleteNetwork", "{\"NetworkID\":\"" NET "\"}", NULL);
	assert_int_equal(fake_count(kernel), 0);
	life_close(&l);
}

/* ---- main ---------------------------------------------------------------------- */

#define CASE(fn_, name_, arg_)                                            \
	(struct CMUnitTest)                                               \
	{                                                                 \
		.name = (name_), .test_func = (fn_), .setup_func = setup, \
		.teardown_func = teardown,                                \
		.initial_state = (void *)(uintptr_t)(arg_)                \
	}

#define DELETE1 "{\"NetworkID\":\"" NET "\"}"

/* dockerd forgets it whatever is answered: it is told, and left alone until somebody
 * uses it or removes it again. */
static void removal_failed(void **state)
{
	struct life l;
	char text[1024];

	(void)state;
	life_start(&l, dir, &fake_driver);
	life_good(&l, D "CreateNetwork", NETWORK1, NULL);
	for (int i = 0; i < 2; i++) {
		strcpy(kernel->undying, NET);
		assert_int_equal(life_call(&l, D "DeleteNetwork", DELETE1, true,
					   NULL, NULL),
				 -EBUSY);
		tick(&l);
		assert_null(fake_find(kernel, NET));
		life_good(&l, "Berth.Check", "{}", text);
		assert_non_null(strstr(text, "its removal failed: fake rules"));
		assert_non_null(strstr(text, "netctl network rm"));
		kernel->undying[0] = 0;
		if (i > 0)
			continue;
		life_good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
		assert_non_null(fake_find(kernel, NET));
		life_good(&l, "Berth.Check", "{}", text);
		assert_null(strstr(text, "its removal failed"));
		life_good(&l, D "DeleteEndpoint", "{" IDS "}", NULL);
	}
	life_good(&l, D "DeleteNetwork", DELETE1, NULL);
	life_good(&l, "Berth.Check", "{}", text);
	assert_string_equal(text, "{\"Problems\":[]}");
	assert_int_equal(life_records(&l), 0);
	life_close(&l);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(refusals) + 12];
	size_t n = 0;

	log_level_set("error", NULL);
	kernel = fake_kernel_new();
	fake_use(kernel);
	tests[n++] = CASE(answers, "answers", NULL);
	tests[n++] = CASE(again, "the same again", NULL);
	tests[n++] = CASE(unknown_things, "unknown things", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		tests[n++] = CASE(refused, refusals[i].name, &refusals[i]);
	tests[n++] = CASE(same_address_replaces, "same address replaces", NULL);
	tests[n++] = CASE(same_mac_replaces, "the same MAC replaces", NULL);
	tests[n++] = CASE(records_not_understood_stay,
			  "records that are not understood stay", NULL);
	tests[n++] = CASE(sweep, "stale endpoints are swept", NULL);
	tests[n++] = CASE(reboot, "kernel objects gone", NULL);
	tests[n++] = CASE(one_broken, "one endpoint can't be raised", NULL);
	tests[n++] = CASE(removal_failed, "a removal failed half way", NULL);
	tests[n++] = CASE(parallel, "16 clients", NULL);
	tests[n++] = CASE(create_delete_race, "create and delete race", NULL);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return n == ARRAY_SIZE(tests)
		       ? cmocka_run_group_tests(tests, NULL, NULL)
		       : 1;
}
