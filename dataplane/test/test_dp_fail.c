/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_dp_fail.c - a call that fails at any step leaves the kernel as it was,
 * and succeeds when it is made again.  One process a row: the fail points are
 * read once.
 */
#include "dataplane/test/dp_test.h"

#include "lib/base.h"

struct row {
	const char *point;
	int code;
	bool respect, many; /* the network; the publish holds ranges */
	int nth;            /* the pass that fails */
};

static const struct row rows[] = {
	{ "guard.load", ENOMEM, false, false, 1 },
	{ "dp.network.mapped", ENOSPC, false, false, 1 },
	{ "dp.network.mapped", ENOSPC, true, false, 1 },
	{ "guard.attach", ENOSPC, false, false, 1 },
	{ "guard.attach", ENOSPC, false, false, 2 },
	{ "dp.port.mapped", ENOSPC, false, false, 1 },
	{ "claim.hold", ENOSPC, false, false, 1 },
	{ "claim.hold", ENOSPC, false, false, 2 },
	{ "claim.hold", ENOSPC, false, true, 1 },
	{ "claim.reserved", ENOSPC, false, false, 1 },
	{ "claim.reserved", ENOSPC, false, false, 2 },
	{ "claim.reserved", ENOSPC, false, true, 2 },
	{ "dp.publish.claimed", ENOSPC, false, false, 1 },
	{ "dp.publish.claimed", ENOSPC, false, true, 1 },
	{ "dp.publish.copy", ENOMEM, false, true, 1 },
	{ "dp.publish.hooked", EPERM, false, false, 1 },
	{ "dp.publish.hooked", EPERM, false, true, 1 },
	{ "dp.publish.mapped", ENOMEM, false, false, 1 },
	{ "dp.publish.mapped", ENOMEM, true, true, 1 },
};

#define LEFT                                                               \
	"nft list ruleset; ip -br link | grep -vE '^(lo|br1|(c-)?v1@?)'; " \
	"tc qdisc show dev v1 clsact"

/* Everything that a call of ours can leave in the kernel. */
static void snapshot(char *to, size_t size)
{
	char cmd[1024];

	snprintf(cmd, sizeof(cmd),
		 "nft -s list ruleset; tc qdisc show dev v1; "
		 "tc filter show dev v1 ingress | grep -c handle; "
		 "tc filter show dev v1 egress | grep -c handle; ip -br link | "
		 "sed "
		 "'s/@.*//' | sort; "
		 "cat /proc/sys/net/ipv4/ip_local_reserved_ports; "
		 "bpftool map dump pinned %s/berth/v1/" DRIVER
		 "/sock_port 2>/dev/null | grep '\"value\"' | grep -v ': 0$'",
		 bpf_dir);
	sh(cmd);
	snprintf(to, size, "%.*s", (int)size - 1, out);
}

static int descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

enum step {
	STEP_NETWORK,
	STEP_PORT,
	STEP_PUBLISH,
	STEP_MAX,
};

static int do_step(struct dp *dp, const struct row *row, enum step step,
		   struct err *err)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_port p = port("n1", "e1", "v1", "10.0.1.2", "fd00:1::2");
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "fd00:1::2");
	int r;

	net.firewall = row->respect ? DP_FW_RESPECT : DP_FW_OPEN;
	if (step == STEP_NETWORK)
		return dp_network_add(dp, &net, err);
	if (step == STEP_PORT)
		return dp_port_add(dp, &p, err);
	for (int i = 0; i < (row->many ? 100 : 3); i++)
		want(&pub.ports, "", IPPROTO_TCP, 8080 + i, 8080 + i, 80 + i);
	want(&pub.ports, "", IPPROTO_UDP, 0, 0, 53);
	r = dp_publish_add(dp, &pub, err);
	portmap_free(&pub.ports);
	return r;
}

/* In the child; exits 0 when all is as it should be. */
static int run(const struct row *row)
{
	static char before[1 << 16], after[1 << 16];
	struct err err = { "" };
	char text[64];
	struct dp *dp;
	int failed = 0, fds, r;

	snprintf(text, sizeof(text), "%s:err=%s:nth=%d", row->point,
		 strerrorname_np(row->code), row->nth);
	setenv("BERTH_FP", text, 1);
	dp = open_dp();
	/* the hooks come with the first publish, and stay: have them before */
	for (enum step s = STEP_NETWORK; s < STEP_MAX; s++) {
		fds = descriptors();
		snapshot(before, sizeof(before));
		r = do_step(dp, row, s, &err);
		if (r == 0)
			continue;
		snapshot(after, sizeof(after));
		if (r != -row->code || strcmp(before, after) != 0)
			return 10 + (int)s;
		if (dp_check(dp, NULL, NULL, &err) != 0)
			return 20 + (int)s;
		if (try_serve("0.0.0.0", SOCK_STREAM, 8080) != 0)
			return 30 + (int)s;
		/* the loaded hooks keep theirs */
		if (s != STEP_PUBLISH && descriptors() != fds)
			return 40 + (int)s;
		failed++;
		if (do_step(dp, row, s, &err) < 0)
			return 50 + (int)s;
	}
	if (failed != 1 || dp_check(dp, NULL, NULL, &err) != 0)
		return 60;
	if (dp_publish_del(dp, "e1", &err) < 0 ||
	    dp_port_del(dp, "e1", &err) < 0 ||
	    dp_network_del(dp, "n1", &err) < 0)
		return 70;
	dp_close(dp);
	sh(LEFT);
	return out[0] ? 80 : 0;
}

/* A network that can't be removed is still all there: its port, its publish. */
static int run_del(void)
{
	static const struct row open_row = { .point = "" };
	static char before[1 << 16], after[1 << 16];
	struct err err = { "" };
	struct dp *dp;

	setenv("BERTH_FP", "dp.network.unmap:err=EIO:nth=1", 1);
	dp = open_dp();
	for (enum step s = STEP_NETWORK; s < STEP_MAX; s++)
		if (do_step(dp, &open_row, s, &err) < 0)
			return 10;
	snapshot(before, sizeof(before));
	if (dp_network_del(dp, "n1", &err) != -EIO)
		return 20;
	snapshot(after, sizeof(after));
	if (strcmp(before, after) != 0 || dp_check(dp, NULL, NULL, &err) != 0 ||
	    try_serve("0.0.0.0", SOCK_STREAM, 8080) == 0)
		return 30;
	if (dp_network_del(dp, "n1", &err) < 0 ||
	    try_serve("0.0.0.0", SOCK_STREAM, 8080) != 0)
		return 40;
	dp_close(dp);
	sh(LEFT);
	return out[0] ? 50 : 0;
}

/* The administrator's reserved ports survive a list that can't be read. */
static int run_reserved(void)
{
	static const char list[] =
		"cat /proc/sys/net/ipv4/ip_local_reserved_ports";
	struct dp_network net = network("n1", "br1", 1);
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "");
	struct err err = { "" };
	struct dp *dp;

	setenv("BERTH_FP", "claim.reserved.read:err=EIO:nth=1", 1);
	sh("sysctl -qw net.ipv4.ip_local_reserved_ports=4000-4010");
	for (int i = 0; i < 100; i++)
		want(&pub.ports, "", IPPROTO_TCP, 8080 + i, 8080 + i, 80 + i);
	dp = open_dp();
	if (dp_network_add(dp, &net, &err) < 0)
		return 10;
	if (dp_publish_add(dp, &pub, &err) != -EIO)
		return 20;
	if (sh(list) != 0 || strcmp(out, "4000-4010\n") != 0)
		return 30;
	if (dp_publish_add(dp, &pub, &err) < 0 || sh(list) != 0 ||
	    strcmp(out, "4000-4010,8080-8179\n") != 0)
		return 40;
	if (dp_network_del(dp, "n1", &err) < 0 || sh(list) != 0 ||
	    strcmp(out, "4000-4010\n") != 0)
		return 50;
	dp_close(dp);
	portmap_free(&pub.ports);
	sh("sysctl -qw net.ipv4.ip_local_reserved_ports=");
	return 0;
}

/* Somebody takes the port after the claim began, and before it holds it. */
static int run_race(void)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "");
	struct err err = { "" };
	struct dp *dp;
	pid_t pid;
	int st;

	setenv("BERTH_FP", "claim.hold:sleep=300:nth=2", 1);
	want(&pub.ports, "", IPPROTO_TCP, 8080, 8080, 80);
	dp = open_dp();
	if (dp_network_add(dp, &net, &err) < 0 ||
	    dp_publish_add(dp, &pub, &err) < 0)
		return 10;
	pid = fork();
	if (pid == 0) { /* has it until the claim is over */
		struct sockaddr_in in = { .sin_family = AF_INET,
					  .sin_port = htons(8080) };
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		while (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
			;
		pause();
	}
	if (dp_publish_del(dp, "e1", &err) < 0)
		return 20;
	st = dp_publish_add(dp, &pub, &err);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (st != -EADDRINUSE)
		return 30;
	if (dp_publish_add(dp, &pub, &err) < 0 ||
	    dp_network_del(dp, "n1", &err) < 0)
		return 40;
	dp_close(dp);
	portmap_free(&pub.ports);
	return 0;
}

/* A daemon that starts and can't attach its hooks holds by sockets, until and
 * after it can. */
static int run_no_hooks(void)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "");
	struct err err = { "" };
	struct dp *dp;

	/* each of the two claims, and the end of loading */
	setenv("BERTH_FP", "sock.attach:err=EIO:nth=1", 1);
	want(&pub.ports, "", IPPROTO_TCP, 8080, 8080, 80);
	want(&pub.ports, "", IPPROTO_UDP, 40000, 40000, 53);
	dp = open_dp();
	dp_load_begin(dp);
	if (dp_network_add(dp, &net, &err) < 0 ||
	    dp_publish_add(dp, &pub, &err) < 0)
		return 10;
	if (try_serve("0.0.0.0", SOCK_STREAM, 8080) != EADDRINUSE ||
	    try_serve("::", SOCK_STREAM, 8080) != EADDRINUSE ||
	    try_serve("0.0.0.0", SOCK_DGRAM, 40000) != EADDRINUSE)
		return 20;
	if (dp_load_end(dp, &err) < 0 || dp_check(dp, NULL, NULL, &err) != 0)
		return 30;
	if (try_serve("0.0.0.0", SOCK_STREAM, 8080) != EADDRINUSE)
		return 40;
	if (dp_network_del(dp, "n1", &err) < 0 ||
	    try_serve("0.0.0.0", SOCK_STREAM, 8080) != 0)
		return 50;
	dp_close(dp);
	portmap_free(&pub.ports);
	return 0;
}

/* Nor can the list be read: a few ports are held by sockets then. */
static int run_unlisted(void)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_publish low = publish("n1", "e0", "10.0.1.2", "");
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "");
	struct err err = { "" };
	struct dp *dp;
	int fds;

	setenv("BERTH_FP", "claim.reserved.read:err=EIO:nth=1", 1);
	want(&low.ports, "", IPPROTO_TCP, 8080, 8080, 80);
	want(&pub.ports, "", IPPROTO_TCP, 40000, 40000, 80);
	dp = open_dp();
	if (dp_network_add(dp, &net, &err) < 0 ||
	    dp_publish_add(dp, &low, &err) < 0) /* opens the hooks */
		return 10;
	fds = descriptors();
	if (dp_publish_add(dp, &pub, &err) < 0 || descriptors() != fds + 2)
		return 20;
	if (try_serve("0.0.0.0", SOCK_STREAM, 40000) != EADDRINUSE)
		return 30;
	if (dp_network_del(dp, "n1", &err) < 0)
		return 40;
	dp_close(dp);
	portmap_free(&low.ports);
	portmap_free(&pub.ports);
	return 0;
}

static void in_a_child(void **state)
{
	int (*const *fn)(void) = *state;
	pid_t pid = fork();
	int st;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit((*fn)());
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFEXITED(st));
	assert_int_equal(WEXITSTATUS(st), 0);
}

static void fails_cleanly(void **state)
{
	pid_t pid = fork();
	int st;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run(*state));
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFEXITED(st));
	assert_int_equal(WEXITSTATUS(st), 0);
}

static const struct {
	const char *name;
	int (*fn)(void);
} others[] = {
	{ "a network that stays is whole", run_del },
	{ "an unreadable list stays as it is", run_reserved },
	{ "who comes before the hold is seen", run_race },
	{ "without hooks there are sockets", run_no_hooks },
	{ "without the list there are sockets", run_unlisted },
};

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(others)];
	char names[ARRAY_SIZE(rows)][64];
	int failed;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(names[i], sizeof(names[i]), "%s%s%s%s", rows[i].point,
			 rows[i].nth > 1 ? ", second" : "",
			 rows[i].many ? ", as ranges" : "",
			 rows[i].respect ? ", respect" : "");
		tests[i] = (struct CMUnitTest){
			.name = names[i],
			.test_func = fails_cleanly,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		tests[ARRAY_SIZE(rows) + i] = (struct CMUnitTest){
			.name = others[i].name,
			.test_func = in_a_child,
			.initial_state = (void *)(uintptr_t)&others[i].fn,
		};
	if (!dp_test_host())
		return 0;
	dp_test_links("br1", "v1");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	dp_test_done();
	return failed;
}
