// SPDX-License-Identifier: GPL-2.0-or-later
/* The directory in etcd when hosts die, are back, and say the same. */
#include "netplugins/overlay/cluster_test.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

/* F087 and a restart: what a host told lives as long as its lease. */
static void a_dead_host_goes_and_a_quick_one_stays(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct box_want there = { .hosts = 1,
				  .endpoints = 2,
				  .vtep = "192.0.2.1" };
	struct ov_dir *a, *b;
	struct timespec start;
	uint64_t lease;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.3"));
	box_view_gets(b, "n1", there);
	box_joined(a, box_network("n2", "old", "10.2.0.0/16"));
	lease = box_lease_of("a");
	assert_true(lease != 0);
	box_host_close(a);
	clock_gettime(CLOCK_MONOTONIC, &start);
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	/* By the lease of the first life.  So e2 is still there, and goes when
	 * nobody has put it again. */
	assert_int_equal(box_lease_of("a"), lease);
	while (test_ms_since(&start) < 700) { /* of two seconds */
		assert_true(box_view_is(b, "n1", &there));
		poll(NULL, 0, 50);
	}
	box_view_gets(b, "n1",
		      (struct box_want){ .hosts = 1,
					 .endpoints = 1,
					 .vtep = "192.0.2.1" });
	assert_int_equal(box_keys("addr/"), 1);
	box_keys_get("net/", 1); /* so does the network */
	box_host_close(a);
	box_view_gets(b, "n1", (struct box_want){ 0 });
	assert_int_equal(box_keys("addr/"), 0);
	assert_int_equal(box_keys("node/a/"), 0);
	box_host_close(b);
}

/* A load may take longer than the grace: that is counted from its end. */
static void nothing_goes_while_what_was_there_is_loaded(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_network old = box_network("n2", "old", "10.2.0.0/16");
	struct timespec start;
	struct ov_dir *a;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	box_joined(a, old);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.3"));
	box_host_close(a);
	a = box_host("a", "192.0.2.1");
	cluster_loading(a, true);
	clock_gettime(CLOCK_MONOTONIC, &start);
	box_joined(a, net);
	while (test_ms_since(&start) < 4500) { /* two graces and a check */
		assert_int_equal(box_keys("node/a/ep/"), 2);
		assert_int_equal(box_keys("net/"), 2);
		poll(NULL, 0, 50);
	}
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	cluster_loading(a, false);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (test_ms_since(&start) < 1500) {
		assert_int_equal(box_keys("node/a/ep/"), 2);
		poll(NULL, 0, 50);
	}
	box_keys_get("node/a/ep/", 1);
	box_keys_get("net/", 1);
	box_host_close(a);
}

/* F073 */
static void what_another_has_by_now_is_fenced(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint again = box_endpoint("e1", "10.1.0.2");
	struct err err = { 0 };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.3"));
	assert_int_equal(etcd_lease_revoke(box()->raw, box_lease_of("a"), NULL),
			 0);
	box_has_put(b, "n1", box_endpoint("e9", "10.1.0.2"));
	box_view_gets(a, "n1",
		      (struct box_want){ .hosts = 1,
					 .endpoints = 1,
					 .fenced = 1,
					 .vtep = "192.0.2.2" });
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	assert_true(box_says(a, "cut off: address 10.1.0.2 is endpoint e9's"));
	assert_int_equal(a->ops->put(a, "n1", &again, false, &err),
			 -EADDRINUSE);
	/* It is free again: taken at the next look. */
	assert_int_equal(b->ops->del(b, "n1", "e9", NULL), 0);
	box_view_gets(a, "n1", (struct box_want){ .hosts = 1 });
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 2 });
	box_host_close(a);
	box_host_close(b);
}

static uint64_t serial_of(struct ov_dir *d, const char *net)
{
	struct ov_view v = { 0 };
	uint64_t serial;

	assert_int_equal(d->ops->view(d, net, &v, NULL), 0);
	serial = v.serial;
	ov_view_free(&v);
	return serial;
}

/* What a container has already is kept, and cut off while another has its address. */
static void what_lives_is_fenced_not_refused(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint ep = box_endpoint("e9", "10.1.0.2");
	struct ov_endpoint twin = box_endpoint("e8", "10.1.0.2");
	struct err err = { 0 };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	assert_int_equal(b->ops->put(b, "n1", &ep, false, &err), -EADDRINUSE);
	err.msg[0] = '\0';
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(b->ops->put(b, "n1", &ep, true, &err), 0);
		assert_string_equal(err.msg, "");
	}
	assert_int_equal(b->ops->put(b, "n1", &twin, true, &err), 0);
	box_view_gets(
		b, "n1",
		(struct box_want){ .hosts = 1, .endpoints = 1, .fenced = 2 });
	assert_true(box_says(b, "cut off: address 10.1.0.2 is endpoint e1's"));
	assert_int_equal(b->ops->put(b, "n1", &ep, false, &err), -EADDRINUSE);
	assert_int_equal(b->ops->del(b, "n1", "e8", NULL), 0);
	/* It is free again. */
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1 });
	box_view_gets(a, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	box_host_close(a);
	box_host_close(b);
}

static void a_network_that_is_ours_again_is_told(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint ep = box_endpoint("e2", "10.1.0.3");
	struct ov_dir *a;
	uint64_t serial;
	char text[128];

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	snprintf(text, sizeof(text),
		 "{\"pool4\":\"10.1.0.0/16\",\"vni\":%u,\"encrypt\":true}",
		 box_joined(a, net));
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_raw_put("net/n.shop", text);
	assert_int_equal(etcd_lease_revoke(box()->raw, box_lease_of("a"), NULL),
			 0);
	box_view_gets(a, "n1", (struct box_want){ .fenced = 1 });
	assert_int_equal(a->ops->put(a, "n1", &ep, false, NULL), -EEXIST);
	assert_int_equal(a->ops->put(a, "n1", &ep, true, NULL), 0);
	box_view_gets(a, "n1", (struct box_want){ .fenced = 2 });
	serial = serial_of(a, "n1");
	strcpy(strstr(text, ",\"encrypt\""), "}");
	box_raw_put("net/n.shop", text);
	box_view_gets(a, "n1", (struct box_want){ 0 });
	assert_true(serial_of(a, "n1") > serial);
	box_keys_get("node/a/ep/", 2);
	box_host_close(a);
}

/* Is one lease enough for host @node to tell 4,000 endpoints?  Nobody else has its
 * network, 10.@net.0.0/16. */
static bool is_told_with_one_lease(const char *node, unsigned int net_id)
{
	enum { MANY = 4000 };
	char id[16], addr[16], pool[24], name[16], keys[32];
	struct ov_network net;
	struct timespec start;
	struct ov_dir *a;
	uint64_t lease;
	bool same;

	snprintf(pool, sizeof(pool), "10.%u.0.0/16", net_id);
	snprintf(name, sizeof(name), "shop%u", net_id);
	snprintf(keys, sizeof(keys), "node/%s/ep/", node);
	net = box_network("n1", name, pool);
	a = box_host(node, "192.0.2.1");
	box_joined(a, net);
	box_etcd_stop();
	for (unsigned int i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "e%u", i);
		snprintf(addr, sizeof(addr), "10.%u.%u.%u", net_id, 1 + i / 250,
			 1 + i % 250);
		box_has_put(a, "n1", box_endpoint(id, addr));
	}
	kill(box()->one.pid[0], SIGCONT);
	while (box_keys(keys) == 0)
		poll(NULL, 0, 20);
	lease = box_lease_of(node);
	clock_gettime(CLOCK_MONOTONIC, &start);
	/* or for as long as five of its leases, on a machine that is busy */
	while (box_keys(keys) < MANY && test_ms_since(&start) < 10000)
		poll(NULL, 0, 50);
	assert_in_range(box_keys(keys), 1, MANY);
	same = lease && box_lease_of(node) == lease;
	box_host_close(a);
	return same;
}

/* Whoever has much to tell keeps its lease of 2 s meanwhile.  A machine that does not
 * let it run for so long takes it away once, but not three times. */
static void much_to_tell_keeps_the_lease(void **state)
{
	bool kept = false;

	BOX_OR_SKIP();
	for (unsigned int i = 0; i < 3 && !kept; i++)
		kept = is_told_with_one_lease(
			(const char *[]){ "a", "b", "c" }[i], 1 + i);
	assert_true(kept);
}

/* What an earlier life left is named by its id, or by who has its address next. */
static void what_an_earlier_life_left_is_taken_back(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint next = box_endpoint("e3", "10.1.0.3");
	struct ov_dir *a;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.3"));
	box_host_close(a);
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	assert_int_equal(box_keys("node/a/ep/"), 1);
	assert_int_equal(box_keys("addr/") + box_keys("mac/"), 2);
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	assert_int_equal(a->ops->del(a, "n1", "../e2", NULL), 0);
	next.mac.bytes[5] ^= 1;
	box_has_put(a, "n1", next);
	assert_int_equal(box_keys("node/a/ep/"), 1);
	assert_int_equal(box_keys("addr/") + box_keys("mac/"), 2);
	box_host_close(a);
}

/* While etcd is away e1 goes, another is given its address, and e1 comes again: it does
 * not get it back, and all that is there is told when etcd answers. */
static void what_came_again_has_not_another_ones_address(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint e1 = box_endpoint("e1", "10.1.0.2");
	struct err err = { 0 };
	struct ov_dir *a;

	BOX_OR_SKIP();
	box()->timeout_ms = 1000;
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	box_has_put(a, "n1", e1);
	box_keys_get("node/a/ep/", 1);
	box_etcd_stop();
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.2"));
	box_has_put(a, "n1", box_endpoint("e3", "10.1.0.3"));
	assert_int_equal(a->ops->put(a, "n1", &e1, false, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "endpoint e2"));
	assert_int_equal(a->ops->put(a, "n1", &e1, true, NULL),
			 0); /* it lives */
	kill(box()->one.pid[0], SIGCONT);
	box_view_gets(a, "n1", (struct box_want){ .fenced = 1 });
	box_keys_get("addr/", 2);
	box_keys_get("node/a/ep/", 2);
	assert_int_equal(a->ops->del(a, "n1", "e2", NULL), 0);
	box_view_gets(a, "n1", (struct box_want){ 0 });
	box_keys_get("node/a/ep/", 2); /* e1 and e3 */
	box_host_close(a);
}

struct putter {
	struct ov_dir *dir;
	pthread_t thread;
};

static void *putter_run(void *arg)
{
	struct putter *p = arg;
	struct ov_endpoint ep = box_endpoint("e1", "10.1.0.2");

	(void)p->dir->ops->put(p->dir, "n1", &ep, false, NULL);
	return NULL;
}

/* A request waits for etcd; who tells this host's address waits for neither. */
static void an_address_is_told_without_waiting(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ip_addr moved = box_addr("192.0.2.9");
	struct putter p = { 0 };
	struct timespec start;
	struct ov_dir *b;

	BOX_OR_SKIP();
	box()->timeout_ms = 8000;
	p.dir = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(p.dir, net);
	box_joined(b, net);
	assert_true(cluster_host_told(p.dir));
	box_etcd_stop();
	pthread_create(&p.thread, NULL, putter_run, &p);
	poll(NULL, 0, 200);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(cluster_host_set(p.dir, &moved, "key", NULL, NULL), 0);
	assert_in_range(test_ms_since(&start), 0, 4000); /* not 8 s */
	assert_false(cluster_host_told(p.dir));
	kill(box()->one.pid[0], SIGCONT);
	pthread_join(p.thread, NULL);
	box_view_gets(b, "n1",
		      (struct box_want){ .hosts = 1,
					 .endpoints = 1,
					 .vtep = "192.0.2.9" });
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!cluster_host_told(p.dir)) {
		assert_in_range(test_ms_since(&start), 0, 5000);
		poll(NULL, 0, 20);
	}
	box_host_close(p.dir);
	box_host_close(b);
}

/* A host's life, as another process: "life" CLUSTER PORT.  What fails is tried again,
 * as Docker would. */
static int life(char **argv)
{
	struct etcd_servers s = { .n = 1, .port = (unsigned int)atoi(argv[1]) };
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint e1 = box_endpoint("e1", "10.1.0.2");
	struct ov_dir *a;
	int r = -1;

	snprintf(box()->cluster, sizeof(box()->cluster), "%s", argv[0]);
	box()->relist_s = 1;
	box()->linger_s = 2;
	box()->timeout_ms = 1000;
	a = box_host_at(&s, "a", "a", "192.0.2.1");
	for (unsigned int i = 0; r < 0 && i < 3; i++)
		r = a->ops->join(a, &net, NULL);
	for (unsigned int i = 0; r < 0 || i == 0; i++)
		r = i < 3 ? a->ops->put(a, "n1", &e1, false, NULL) : 1;
	if (r == 0)
		r = a->ops->del(a, "n1", "e1", NULL);
	if (r == 0)
		r = a->ops->leave(a, "n1", NULL);
	poll(NULL, 0, 300); /* what is left the thread does */
	a->ops->close(a);
	return r != 0;
}

static int life_of(const char *plan)
{
	char port[8];
	int status = -1;
	pid_t pid;

	snprintf(port, sizeof(port), "%u", box()->one.port);
	pid = fork();
	if (pid == 0) {
		setenv("BERTH_FP", plan, 1);
		execl("/proc/self/exe", "test", "life", box()->cluster, port,
		      NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static const struct step_row {
	const char *name, *plan;
	int end; /* of the life */
} step_rows[] = {
	{ "killed at nothing", "", 0 },
	{ "killed before its record", "cluster.host:kill", -SIGKILL },
	{ "killed before the network", "cluster.net:kill", -SIGKILL },
	{ "killed before an endpoint", "cluster.claim:kill", -SIGKILL },
	{ "killed before it is taken back", "cluster.disclaim:kill", -SIGKILL },
	{ "killed in leaving", "cluster.leave:kill", -SIGKILL },
	{ "its record fails", "cluster.host:err=EIO:nth=1", 0 },
	{ "the network fails", "cluster.net:err=EIO:nth=1", 0 },
	{ "an endpoint fails", "cluster.claim:err=EIO:nth=1", 0 },
	{ "taking back fails", "cluster.disclaim:err=EIO:nth=1", 0 },
	{ "leaving fails", "cluster.leave:err=EIO:nth=1", 0 },
};

/* Whatever a life left, the next one ends it, and nothing of it stays. */
static void step_row(void **state)
{
	const struct step_row *row = *state;
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_dir *b;

	BOX_OR_SKIP();
	b = box_host("b", "192.0.2.2");
	if (!strstr(row->plan, "net"))
		box_joined(b, net); /* then it is not the last */
	assert_int_equal(life_of(row->plan), row->end);
	assert_int_equal(life_of(""), 0);
	box_joined(b, net);
	assert_int_equal(box_keys("member/"), 1);
	assert_int_equal(box_keys("addr/") + box_keys("mac/"), 0);
	assert_int_equal(b->ops->leave(b, "n1", NULL), 0);
	assert_int_equal(box_keys(""), 2); /* the hosts themselves */
	box_host_close(b);
}

/* ---- networks of the dead ---------------------------------------------------- */

struct reaped {
	char text[1024];
};

static void note_reaped(void *ctx, const char *line)
{
	struct reaped *w = ctx;

	strncat(w->text, line, sizeof(w->text) - strlen(w->text) - 1);
}

static void reap_is(struct ov_dir *d, bool dry, const char *want)
{
	struct reaped w = { "" };
	struct err err = { 0 };

	if (cluster_reap(d, dry, note_reaped, &w, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(w.text, want);
}

#define GONE "network n.gone: subnet 10.2.0.0/16, VNI 4711, made by host b"

/* F087: what nobody is in goes when it is said, and nothing else. */
static void networks_of_the_dead_are_reaped(void **state)
{
	struct ov_network ours = box_network("n1", "ours", "10.1.0.0/16");
	struct ov_network gone = box_network("n2", "gone", "10.2.0.0/16");
	struct ov_network both = box_network("n3", "both", "10.3.0.0/16");
	struct ov_network next = box_network("n4", "next", "10.2.8.0/24");
	struct err err = { 0 };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, ours);
	box_joined(a, both);
	box_joined(b, both);
	gone.vni = 4711;
	box_joined(b, gone);
	box_has_put(b, "n2", box_endpoint("e1", "10.2.0.2"));
	reap_is(a, false, ""); /* somebody is in each */
	box_host_close(b);
	assert_int_equal(etcd_lease_revoke(box()->raw, box_lease_of("b"), NULL),
			 0);
	reap_is(a, true, GONE);
	assert_int_equal(box_keys("net/"), 3);
	assert_int_equal(a->ops->join(a, &next, &err), -EEXIST);
	reap_is(a, false, GONE);
	reap_is(a, false, "");
	assert_int_equal(box_keys("net/"), 2);
	assert_int_equal(box_keys("vni/"), 2);
	assert_int_equal(box_keys("sub4/"), 2);
	assert_int_equal(box_keys("addr/n.gone/"), 0);
	next.vni = 4711;
	assert_int_equal(box_joined(a, next), 4711);
	box_host_close(a);
}

/* A host that was only cut off comes back: it has its network again. */
static void who_was_only_cut_off_makes_it_again(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct reaped w = { "" };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	net.vni = 77;
	box_joined(b, net);
	box_has_put(b, "n1", box_endpoint("e1", "10.1.0.2"));
	assert_int_equal(etcd_lease_revoke(box()->raw, box_lease_of("b"), NULL),
			 0);
	/* either it was faster, or it makes it anew */
	assert_int_equal(cluster_reap(a, false, note_reaped, &w, NULL), 0);
	box_keys_get("node/b/ep/", 1);
	box_keys_get("addr/n.shop/", 1);
	assert_int_equal(box_joined(a, net), 77);
	box_view_gets(a, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	box_host_close(a);
	box_host_close(b);
}

/* ---- what others do to our records -------------------------------------------- */

/* Any host may take away another's member record, or write it by no lease: whose it is
 * puts it back, and the others have its endpoints again. */
static void a_member_record_is_put_back(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_network empty = box_network("n2", "empty", "10.2.0.0/16");
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(a, empty);
	box_joined(b, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	box_raw_del("member/n.shop/a");
	box_raw_del("member/n.empty/a");
	box_keys_get("member/n.shop/a", 1);
	box_keys_get("member/n.empty/a", 1);
	/* Whether b saw it gone or only back: it reads all of a by it. */
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.3"));
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 2 });
	box_raw_put("member/n.shop/a", "");
	box_leases_get("member/n.shop/a", "a");
	/* One that it has left stays left. */
	assert_int_equal(a->ops->leave(a, "n2", NULL), 0);
	box_keys_get("member/n.empty/a", 0);
	box_host_close(a);
	box_host_close(b);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest by_hand[] = {
		BY_HAND(a_dead_host_goes_and_a_quick_one_stays),
		BY_HAND(nothing_goes_while_what_was_there_is_loaded),
		BY_HAND(what_another_has_by_now_is_fenced),
		BY_HAND(what_lives_is_fenced_not_refused),
		BY_HAND(a_network_that_is_ours_again_is_told),
		BY_HAND(much_to_tell_keeps_the_lease),
		BY_HAND(what_an_earlier_life_left_is_taken_back),
		BY_HAND(what_came_again_has_not_another_ones_address),
		BY_HAND(an_address_is_told_without_waiting),
		BY_HAND(networks_of_the_dead_are_reaped),
		BY_HAND(who_was_only_cut_off_makes_it_again),
		BY_HAND(a_member_record_is_put_back),
	};
	struct CMUnitTest tests[ARRAY_SIZE(step_rows) + ARRAY_SIZE(by_hand)];
	size_t n = 0;

	if (argc == 4 && !strcmp(argv[1], "life"))
		return life(argv + 2);
	n += TEST_ROWS(tests + n, step_rows, step_row);
	for (size_t i = 0; i < ARRAY_SIZE(by_hand); i++)
		tests[n++] = by_hand[i];
	for (size_t i = 0; i < n; i++)
		tests[i].setup_func = box_test_up;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, box_up, box_down);
}
