/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_publish_live.c - ports that come to what is published, and go again: the
 * others are served throughout, and a failure at any step leaves what was there.  On
 * both dataplanes.  One process a row: the fail points are read once.
 */
#include "dataplane/test/dp_test.h"

#include "dataplane/ebpf/test/pool_slots.h"
#include "lib/base.h"

static struct err err;

struct row {
	const char *name;
	const char *point; /* NULL: none */
	enum dp_backend backend;
	int code;
	bool leaves;  /* what fails is the going */
	bool choose;  /* the port that comes is chosen */
	bool many;    /* and is a range */
	bool respect; /* DP_FW_RESPECT */
	enum dp_gateway_mode mode;
};

#define BOTH(name, ...)                                        \
	{ name ", nft", __VA_ARGS__, .backend = DP_NFT },      \
	{                                                      \
		name ", ebpf", __VA_ARGS__, .backend = DP_EBPF \
	}

static const struct row rows[] = {
	BOTH("one comes and goes", NULL),
	BOTH("at a chosen port", NULL, .choose = true),
	BOTH("a range", NULL, .many = true),
	BOTH("the claim fails", "claim.hold", .code = ENOSPC),
	BOTH("its reservation fails", "claim.reserved", .code = ENOSPC),
	BOTH("when it is claimed", "dp.publish.claimed", .code = ENOSPC),
	BOTH("a chosen one is claimed", "dp.publish.claimed", .code = ENOSPC,
	     .choose = true),
	BOTH("when it is hooked", "dp.publish.hooked", .code = EPERM),
	BOTH("a range is hooked", "dp.publish.hooked", .code = EPERM,
	     .many = true),
	BOTH("when it is mapped", "dp.publish.mapped", .code = ENOMEM),
	BOTH("when it has gone from the rules", "dp.publish.mapped",
	     .code = ENOMEM, .leaves = true),
	BOTH("when a range has", "dp.publish.mapped", .code = ENOMEM,
	     .leaves = true, .many = true),
	{ "judged by the host, nft", "dp.publish.mapped", .code = ENOMEM,
	  .respect = true },
	{ "routed, nft", NULL, .mode = DP_GW_ROUTED },
	{ "routed, mapped, nft", "dp.publish.mapped", .code = ENOMEM,
	  .mode = DP_GW_ROUTED },
};

/* Everything that a call of ours can leave in the kernel. */
static char *snapshot(void)
{
	char cmd[1024], dir[128], *text = calloc(1, 1 << 18);
	size_t n;

	assert_non_null(text);
	snprintf(cmd, sizeof(cmd),
		 "nft -s list ruleset; "
		 "cat /proc/sys/net/ipv4/ip_local_reserved_ports; "
		 "cd %s/berth/v1/" DRIVER " && "
		 "for m in sock_pub sock_range sock_held sock_port; do "
		 "bpftool -j map dump pinned $m | tr '{' '\\n' | "
		 "grep -v '\"value\":0}' | sort; done "
		 "2>/dev/null",
		 bpf_dir);
	sh(cmd);
	n = (size_t)snprintf(text, 1 << 18, "%.*s", 1 << 17, out);
	snprintf(dir, sizeof(dir), "%s/berth/v1/" DRIVER, bpf_dir);
	any_ports(dir, text + n, (1 << 18) - n);
	return text;
}

static int say(const struct row *row, const char *what, int code)
{
	fprintf(stderr, "%s: %s: %d %s\n", row->name, what, code, err.msg);
	return 1;
}

static struct dp_publish fixed(void)
{
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "fd00:1::2");

	for (int i = 0; i < 3; i++)
		want(&pub.ports, "", IPPROTO_TCP, 8080 + i, 8080 + i, 80 + i);
	want(&pub.ports, "", IPPROTO_UDP, 5353, 5353, 53);
	assert_int_equal(portmap_normalize(&pub.ports, NULL), 0);
	return pub;
}

static void print(void *ctx, const char *line)
{
	(void)ctx;
	print_message("# %s\n", line);
}

/* Addresses come when the kernel has looked for duplicates: follow them. */
static int differences(struct dp *dp)
{
	double end = now_ms() + 20000;
	int n = dp_check(dp, NULL, NULL, &err);

	while (n != 0 && now_ms() < end) {
		usleep(20000);
		ok(dp_event(dp, &err));
		n = dp_check(dp, NULL, NULL, &err);
	}
	return n == 0 ? 0 : dp_check(dp, print, NULL, &err);
}

static void live(struct portmap *m, int number, int to, uint32_t count)
{
	const struct port_range r = { .proto = IPPROTO_TCP,
				      .host_first = (uint16_t)number,
				      .port_first = (uint16_t)to,
				      .count = count,
				      .live = true };

	assert_int_equal(portmap_append(m, &r, NULL), 0);
}

/* @what's live one comes: 8083, next to what is there. */
static int come(struct dp *dp, const struct row *row, struct dp_publish *what)
{
	live(&what->ports, row->choose ? 0 : 8083, 83, row->many ? 100 : 1);
	return dp_publish_add(dp, what, &err);
}

/* Where the first live one is in @m, which has one. */
static size_t live_at(const struct portmap *m)
{
	size_t i = 0;

	while (i < m->count && !m->ranges[i].live)
		i++;
	assert_true(i < m->count);
	return i;
}

static int live_number(const struct portmap *m)
{
	return m->ranges[live_at(m)].host_first;
}

static int leave(struct dp *dp, struct dp_publish *what)
{
	size_t i = live_at(&what->ports);

	what->ports.ranges[i] = what->ports.ranges[--what->ports.count];
	return dp_publish_add(dp, what, &err);
}

static bool is_held(int number)
{
	return try_serve("0.0.0.0", SOCK_STREAM, number) == EADDRINUSE;
}

/* @now is to be as @before, and what was published still held. */
static int unchanged(struct dp *dp, const struct row *row, const char *before,
		     const char *when)
{
	_cleanup_free_ char *now = snapshot();

	if (strcmp(before, now) != 0) {
		fprintf(stderr, "%s\n--\n%s\n", before, now);
		return say(row, when, 0);
	}
	if (differences(dp) != 0)
		return say(row, "dp_check", 0);
	if (row->mode != DP_GW_ROUTED && !is_held(8081))
		return say(row, "8081 is not held", 0);
	return 0;
}

static int begin(const struct row *row, struct dp **ret, struct dp_publish *pub)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_port p = port("n1", "e1", "v1", "10.0.1.2", "fd00:1::2");
	struct dp_publish other = publish("n1", "e2", "10.0.1.3", "");
	struct dp *dp;
	int r;

	net.backend = row->backend;
	net.firewall = row->respect ? DP_FW_RESPECT : DP_FW_OPEN;
	net.mode4 = net.mode6 = row->mode;
	dp = open_dp();
	*ret = dp;
	*pub = fixed();
	r = dp_network_add(dp, &net, &err);
	if (r == 0)
		r = dp_port_add(dp, &p, &err);
	if (r == 0)
		r = dp_publish_add(dp, pub, &err);
	want(&other.ports, "", IPPROTO_TCP, 7000, 7000, 70);
	if (r == 0)
		r = dp_publish_add(dp, &other, &err);
	portmap_free(&other.ports);
	return r < 0 ? r : differences(dp) ? -EIO : 0;
}

/* The step is made; where it is to fail it fails first, and nothing changed. */
static int step(struct dp *dp, const struct row *row, struct dp_publish *pub,
		bool leaves)
{
	_cleanup_free_ char *before = snapshot();
	struct portmap copy = { 0 };
	int r, bad;

	assert_int_equal(portmap_copy(&pub->ports, &copy, NULL), 0);
	r = leaves ? leave(dp, pub) : come(dp, row, pub);
	if (r < 0) {
		if (!row->point || row->leaves != leaves || r != -row->code)
			return say(row, "another failure", r);
		bad = unchanged(dp, row, before, "a failure left something");
		portmap_free(&pub->ports);
		pub->ports = copy;
		if (bad)
			return bad;
		return leaves ? leave(dp, pub) : come(dp, row, pub);
	}
	portmap_free(&copy);
	return row->point && row->leaves == leaves ? say(row, "no failure", 0)
						   : 0;
}

static int end(struct dp *dp, const struct row *row)
{
	char cmd[256];

	if (dp_publish_del(dp, "e1", &err) < 0 ||
	    dp_publish_del(dp, "e2", &err) < 0 ||
	    dp_port_del(dp, "e1", &err) < 0 ||
	    dp_network_del(dp, "n1", &err) < 0)
		return say(row, "removing", 0);
	dp_close(dp);
	snprintf(cmd, sizeof(cmd),
		 "nft list ruleset; find %s/berth 2>/dev/null; "
		 "cat /proc/sys/net/ipv4/ip_local_reserved_ports | grep .",
		 bpf_dir);
	sh(cmd);
	if (out[0])
		fprintf(stderr, "left: %s\n", out);
	return out[0] ? say(row, "something is left", 0) : 0;
}

/* The point's pass counts from here: what is before passes by, too. */
static void arm(const struct row *row)
{
	static const struct {
		const char *point;
		int before; /* passes of begin(), on both dataplanes */
	} points[] = {
		{ "claim.hold", 3 },         { "claim.reserved", 2 },
		{ "dp.publish.claimed", 2 }, { "dp.publish.hooked", 2 },
		{ "dp.publish.mapped", 2 },
	};
	char text[64];

	for (size_t i = 0; row->point && i < ARRAY_SIZE(points); i++) {
		if (strcmp(points[i].point, row->point) != 0)
			continue;
		snprintf(text, sizeof(text), "%s:err=%s:nth=%d", row->point,
			 strerrorname_np(row->code),
			 points[i].before + 1 + row->leaves);
		setenv("BERTH_FP", text, 1);
	}
}

/* In the child; exits 0 when all is as it should be. */
static int run(const struct row *row)
{
	_cleanup_free_ char *before = NULL;
	struct dp_publish pub;
	int number, bad;
	struct dp *dp;

	arm(row);
	if (begin(row, &dp, &pub) < 0)
		return say(row, "begin", 0);
	before = snapshot();
	if (step(dp, row, &pub, false) != 0)
		return say(row, "come", 0);
	number = live_number(&pub.ports);
	if (row->mode != DP_GW_ROUTED && (!is_held(number) || !is_held(8081)))
		return say(row, "not held", number);
	if (differences(dp) != 0)
		return say(row, "dp_check", 0);
	if (step(dp, row, &pub, true) != 0)
		return say(row, "leave", 0);
	if (row->mode != DP_GW_ROUTED && is_held(number))
		return say(row, "still held", number);
	bad = unchanged(dp, row, before, "it left something");
	portmap_free(&pub.ports);
	return bad ? bad : end(dp, row);
}

static int in_child(int (*fn)(const struct row *row), const struct row *row)
{
	pid_t pid = fork();
	int st;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn(row));
	assert_int_equal(waitpid(pid, &st, 0), pid);
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static void comes_and_goes(void **state)
{
	assert_int_equal(in_child(run, *state), 0);
}

/* ---- beside failures ------------------------------------------------------- */

static int conflicts_(const struct row *row)
{
	struct dp_publish pub, two;
	struct portmap copy;
	struct dp *dp;
	int fd, one = 1;
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(8090) };

	if (begin(row, &dp, &pub) < 0)
		return say(row, "begin", 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ||
	    listen(fd, 1) < 0)
		return say(row, "bind", errno);
	/* a process' and another endpoint's; both texts name the holder */
	two = pub;
	assert_int_equal(portmap_copy(&pub.ports, &copy, NULL), 0);
	two.ports = copy;
	live(&two.ports, 8090, 90, 1);
	if (dp_publish_add(dp, &two, &err) != -EADDRINUSE ||
	    !strstr(err.msg, "pid"))
		return say(row, "a process' port", 0);
	two.ports.ranges[two.ports.count - 1].host_first = 7000;
	if (dp_publish_add(dp, &two, &err) != -EADDRINUSE ||
	    !strstr(err.msg, "endpoint e2"))
		return say(row, "another's port", 0);
	/* its own, elsewhere */
	two.ports.ranges[two.ports.count - 1].host_first = 8081;
	if (dp_publish_add(dp, &two, &err) != -EEXIST)
		return say(row, "its own port", 0);
	portmap_free(&two.ports);
	portmap_free(&pub.ports);
	close(fd);
	return end(dp, row);
}

/* A later daemon is told it all at once, and takes one out all the same. */
static int restarts_(const struct row *row)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_port p = port("n1", "e1", "v1", "10.0.1.2", "fd00:1::2");
	struct dp_publish pub, other = publish("n1", "e2", "10.0.1.3", "");
	_cleanup_free_ char *before = NULL, *with = NULL;
	struct dp *dp;

	if (begin(row, &dp, &pub) < 0)
		return say(row, "begin", 0);
	before = snapshot();
	if (come(dp, row, &pub) < 0)
		return say(row, "come", 0);
	with = snapshot();
	dp_close(dp);
	dp = open_dp();
	net.backend = row->backend;
	want(&other.ports, "", IPPROTO_TCP, 7000, 7000, 70);
	dp_load_begin(dp);
	if (dp_network_add(dp, &net, &err) < 0 ||
	    dp_port_add(dp, &p, &err) < 0 ||
	    dp_publish_add(dp, &pub, &err) < 0 ||
	    dp_publish_add(dp, &other, &err) < 0 || dp_load_end(dp, &err) < 0)
		return say(row, "load", 0);
	if (unchanged(dp, row, with, "after the restart"))
		return 1;
	if (leave(dp, &pub) < 0 || unchanged(dp, row, before, "gone"))
		return say(row, "leave", 0);
	if (is_held(8083))
		return say(row, "8083 is still held", 0);
	portmap_free(&other.ports);
	portmap_free(&pub.ports);
	return end(dp, row);
}

/* Three, out of order, one of them chosen while another is wanted. */
static int several_(const struct row *row)
{
	_cleanup_free_ char *before = NULL;
	struct dp_publish pub;
	struct dp *dp;

	if (begin(row, &dp, &pub) < 0)
		return say(row, "begin", 0);
	before = snapshot();
	live(&pub.ports, 0, 90, 1);
	live(&pub.ports, 32768, 91, 1); /* the first that would be chosen */
	live(&pub.ports, 9000, 9000, 20);
	if (dp_publish_add(dp, &pub, &err) < 0)
		return say(row, "come", 0);
	for (int left = 3; left; left--) {
		int number = live_number(&pub.ports);

		if (!is_held(number))
			return say(row, "not held", number);
		if (leave(dp, &pub) < 0 || is_held(number))
			return say(row, "leave", number);
	}
	portmap_free(&pub.ports);
	return unchanged(dp, row, before, "several") ? 1 : end(dp, row);
}

/* What stays is not claimed, hooked or mapped anew: the passes say so. */
static int alone_(const struct row *row)
{
	static const char *const points[] = {
		"claim.hold:err=EIO:nth=5", "dp.publish.hooked:err=EIO:nth=5",
		"dp.publish.mapped:err=EIO:nth=5"
	};
	struct dp_publish pub;
	struct dp *dp;

	setenv("BERTH_FP", points[row->code], 1);
	if (begin(row, &dp, &pub) < 0 || come(dp, row, &pub) < 0 ||
	    leave(dp, &pub) < 0)
		return say(row, points[row->code], 0);
	portmap_free(&pub.ports);
	return end(dp, row);
}

static const struct row plain[] = {
	{ .name = "nft", .backend = DP_NFT },
	{ .name = "ebpf", .backend = DP_EBPF },
};

static void each(int (*fn)(const struct row *row))
{
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		assert_int_equal(in_child(fn, &plain[i]), 0);
}

static void conflicts(void **state)
{
	(void)state;
	each(conflicts_);
}

static void the_others_are_left_alone(void **state)
{
	struct row row = { .name = "nft" };

	(void)state;
	for (row.code = 0; row.code < 3; row.code++)
		assert_int_equal(in_child(alone_, &row), 0);
}

static void a_restart_keeps_it(void **state)
{
	(void)state;
	each(restarts_);
}

static void several_at_once(void **state)
{
	(void)state;
	each(several_);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 4];
	size_t n = TEST_ROWS(tests, rows, comes_and_goes);
	int failed;

	tests[n++] = (struct CMUnitTest)cmocka_unit_test(conflicts);
	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test(the_others_are_left_alone);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_restart_keeps_it);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(several_at_once);
	if (!dp_test_host())
		return 0;
	dp_test_links("br1", "v1");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	dp_test_done();
	return failed;
}
