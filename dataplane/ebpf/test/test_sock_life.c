/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket hooks through a daemon's life: restarts, failures, other pins. */
#include "dataplane/ebpf/sock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/ebpf/test/sock_env.h"
#include "lib/test/test.h"

static void count_line(void *ctx, const char *line)
{
	(void)line;
	(*(int *)ctx)++;
}

/* ---- the daemon's life -------------------------------------------------- */

static void restart(struct env *e)
{
	sock_close(take_ptr(e->sock));
	if (env_open(e) < 0)
		fail_msg("%s", e->err.msg);
}

static void hooks_outlive_the_daemon(void **state)
{
	struct env *e = *state;
	int *fd = e->fds;

	NEED_HOST();
	fd[0] = env_server(HOST_C4);
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	fd[1] = host_sock(&host, host.net, AF_INET, SOCK_STREAM, NULL, 0,
			  false);
	assert_int_equal(host_connect(fd[1], "127.0.0.1", 8080), 0);
	sock_close(take_ptr(e->sock));
	assert_int_equal(env_dial(8080), 0);
	assert_int_equal(env_open(e), 0);
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	/* a connection from before keeps its face */
	assert_string_equal(env_peer(fd[1]), "127.0.0.1:8080");
	assert_int_equal(env_dial(8080), 0);
}

static void load_keeps_what_is_said_and_drops_the_rest(void **state)
{
	struct port_range held = env_ports(IPPROTO_TCP, NULL, 30000, 80, 100);
	struct env *e = *state;

	NEED_HOST();
	e->fds[0] = env_server(HOST_C4);
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8081, 80, 1));
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 20000, 80, 1000));
	assert_int_equal(sock_range_hold(e->sock, &held, &e->err), 0);
	restart(e);
	sock_load_begin(e->sock);
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8082, 80, 1));
	assert_int_equal(env_dial(8082), -ECONNREFUSED);
	assert_int_equal(env_dial(8081), 0);
	assert_int_equal(sock_load_end(e->sock, &e->err), 0);
	assert_int_equal(env_dial(8080), 0);
	assert_int_equal(env_dial(8082), 0);
	assert_int_equal(env_dial(8081), -ECONNREFUSED);
	assert_int_equal(env_dial(20000), -ECONNREFUSED);
	assert_int_equal(env_bind("0.0.0.0", 30000), 0);
}

/* A daemon that starts anew: what is held before and after is held throughout,
 * and what is held while loading is held at once. */
static void load_has_no_gap_in_what_is_held(void **state)
{
	struct port_range any = env_ports(IPPROTO_TCP, NULL, 30000, 80, 1);
	struct port_range one = env_ports(IPPROTO_TCP, "::1", 30001, 80, 1);
	struct port_range fresh = env_ports(IPPROTO_UDP, NULL, 30002, 80, 1);
	struct env *e = *state;

	NEED_HOST();
	assert_int_equal(sock_range_hold(e->sock, &any, &e->err), 0);
	assert_int_equal(sock_range_hold(e->sock, &one, &e->err), 0);
	sock_close(take_ptr(e->sock));
	assert_int_equal(env_bind("0.0.0.0", 30000), -EADDRINUSE);
	assert_int_equal(env_bind("::1", 30001), -EADDRINUSE);
	assert_int_equal(env_open(e), 0);
	sock_load_begin(e->sock);
	assert_int_equal(sock_ready(e->sock, &e->err), 0);
	assert_int_equal(sock_range_hold(e->sock, &any, &e->err), 0);
	assert_int_equal(sock_range_hold(e->sock, &one, &e->err), 0);
	assert_int_equal(sock_range_hold(e->sock, &fresh, &e->err), 0);
	assert_int_equal(env_bind_in(host.net, SOCK_DGRAM, "0.0.0.0", 30002),
			 -EADDRINUSE);
	assert_int_equal(env_bind("0.0.0.0", 30000), -EADDRINUSE);
	assert_int_equal(sock_load_end(e->sock, &e->err), 0);
	assert_int_equal(env_bind("0.0.0.0", 30000), -EADDRINUSE);
	assert_int_equal(env_bind("::1", 30001), -EADDRINUSE);
	/* counted once: one release is enough */
	assert_int_equal(sock_range_release(e->sock, &one, &e->err), 0);
	assert_int_equal(env_bind("::1", 30001), 0);
	assert_int_equal(sock_range_release(e->sock, &any, &e->err), 0);
	assert_int_equal(env_bind("0.0.0.0", 30000), 0);
}

static void load_of_nothing_makes_nothing(void **state)
{
	struct env *e = *state;

	NEED_HOST();
	sock_load_begin(e->sock);
	assert_int_equal(sock_load_end(e->sock, &e->err), 0);
	host_sh("test ! -e %s/berth", host.bpffs);
}

static void no_connection_fails_while_programs_are_replaced(void **state)
{
	struct env *e = *state;
	int status = -1, n = 0;
	pid_t pid;

	NEED_HOST();
	e->fds[0] = env_server(HOST_C4);
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	sock_close(take_ptr(e->sock)); /* or the child would hold the lock */
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) { /* accepts and dials until it fails or 400 are done */
		for (int i = 0; i < 400; i++) {
			if (env_dial(8080) < 0)
				_exit(1);
			close(accept(e->fds[0], NULL, NULL));
		}
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		restart(e);
		n++;
		sock_load_begin(e->sock);
		env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
		assert_int_equal(sock_load_end(e->sock, &e->err), 0);
	}
	assert_int_equal(status, 0);
	print_message("# replaced %d times\n", n);
}

static void one_daemon_at_a_time(void **state)
{
	struct env *e = *state, other = { 0 };

	NEED_HOST();
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	assert_int_equal(env_open(&other), -EBUSY);
	assert_non_null(strstr(other.err.msg, "another process"));
	assert_null(other.sock);
}

/* And have it accepted: the queue of who listens is short. */
static int dial(struct env *e, uint16_t port)
{
	int r = env_dial(port);

	if (r == 0)
		close(accept(e->fds[0], NULL, NULL));
	return r;
}

/* As a daemon of another version would have left it, @layout's bytes. */
static void leave_as_of_layout(const char *layout)
{
	host_sh("bpftool map update pinned %s/berth/v1/test/sock_meta key 0 0 "
		"0 0 value 0 0 0 0 0 0 0 0 %s 0 0 0 0",
		host.bpffs, layout);
}

/* Older ones, and newer ones: one that had a map and a hook that we know not. */
static void another_layout_is_replaced(void **state)
{
	static const char *const layouts[] = { "1 0 0 0", "2 0 4 0", "99 0 5 0",
					       "2 0 9 0" };
	struct port_range held = env_ports(IPPROTO_TCP, NULL, 30000, 80, 1);
	struct env *e = *state;

	NEED_HOST();
	e->fds[0] = env_server(HOST_C4);
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		int n = 0;

		env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
		env_publish(e, env_ports(IPPROTO_TCP, NULL, 8081, 80, 1));
		assert_int_equal(sock_range_hold(e->sock, &held, &e->err), 0);
		sock_close(take_ptr(e->sock));
		leave_as_of_layout(layouts[i]);
		host_sh("cd %s/berth/v1/test && bpftool map show pinned "
			"sock_pub >%s.pub && bpftool map create "
			"sock_odd type hash key 4 value 4 entries 8 name x && "
			"bpftool link pin pinned sock_link_bind4 "
			"sock_link_odd",
			host.bpffs, host.bpffs);
		assert_int_equal(env_open(e), 0);
		assert_true(sock_is_other(e->sock));
		sock_load_begin(e->sock);
		assert_int_equal(sock_ready(e->sock, &e->err), 0);
		env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
		env_publish(e, env_ports(IPPROTO_TCP, NULL, 8082, 80, 1));
		/* the old ones still */
		assert_int_equal(dial(e, 8080), 0);
		assert_int_equal(dial(e, 8081), 0);
		assert_int_equal(dial(e, 8082), -ECONNREFUSED);
		assert_int_equal(env_bind("0.0.0.0", 30000), -EADDRINUSE);
		assert_int_equal(sock_load_end(e->sock, &e->err), 0);
		assert_false(sock_is_other(e->sock));
		assert_int_equal(dial(e, 8080), 0);
		assert_int_equal(dial(e, 8081), -ECONNREFUSED);
		assert_int_equal(dial(e, 8082), 0);
		assert_int_equal(env_bind("0.0.0.0", 30000), 0);
		assert_int_equal(sock_check(e->sock, count_line, &n, NULL), 0);
		host_sh("cd %s/berth/v1/test && ! ls | grep odd && "
			"! bpftool map show pinned sock_pub | "
			"cmp -s - %s.pub && rm %s.pub",
			host.bpffs, host.bpffs, host.bpffs);
		restart(e); /* it is ours by now */
		assert_false(sock_is_other(e->sock));
		assert_int_equal(dial(e, 8082), 0);
		assert_int_equal(sock_detach(e->sock, &e->err), 0);
	}
}

/* Without a load nobody is to come: at once. */
static void another_layout_without_a_load(void **state)
{
	struct env *e = *state;

	NEED_HOST();
	e->fds[0] = env_server(HOST_C4);
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 2));
	sock_close(take_ptr(e->sock));
	leave_as_of_layout("1 0 0 0");
	assert_int_equal(env_open(e), 0);
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8082, 80, 1));
	assert_false(sock_is_other(e->sock));
	assert_int_equal(dial(e, 8080), -ECONNREFUSED);
	assert_int_equal(dial(e, 8082), 0);
}

static void no_connection_fails_while_a_layout_is_replaced(void **state)
{
	struct port_range held = env_ports(IPPROTO_TCP, NULL, 30000, 80, 1);
	struct env *e = *state;
	int status = -1, n = 0;
	pid_t pid;

	NEED_HOST();
	e->fds[0] = env_server(HOST_C4);
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	assert_int_equal(sock_range_hold(e->sock, &held, &e->err), 0);
	sock_close(take_ptr(e->sock)); /* or the child would hold the lock */
	pid = fork();
	assert_true(pid >= 0);
	/* dials, accepts, binds: to the first failure */
	while (pid == 0)
		if (dial(e, 8080) < 0 ||
		    env_bind("0.0.0.0", 30000) != -EADDRINUSE)
			_exit(1);
	while (n < 20 && waitpid(pid, &status, WNOHANG) == 0) {
		leave_as_of_layout("1 0 0 0");
		restart(e);
		n++;
		sock_load_begin(e->sock);
		env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
		assert_int_equal(sock_range_hold(e->sock, &held, &e->err), 0);
		assert_int_equal(sock_load_end(e->sock, &e->err), 0);
		sock_close(take_ptr(e->sock));
	}
	kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	assert_true(n == 20 && WIFSIGNALED(status));
	assert_int_equal(env_open(e), 0);
}

static void another_map_size_is_refused(void **state)
{
	struct env *e = *state;

	NEED_HOST();
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	sock_close(take_ptr(e->sock));
	host_sh("cd %s/berth/v1/test && rm sock_pub && bpftool map create "
		"sock_pub type hash key 4 value 4 entries 8 name x",
		host.bpffs);
	assert_int_equal(env_open(e), 0);
	assert_int_equal(sock_attach(e->sock, &e->err), -EPROTO);
	assert_non_null(strstr(e->err.msg, "sock_pub"));
}

static void pins_of_a_gone_namespace_are_replaced(void **state)
{
	struct env *e = *state;

	NEED_HOST();
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	sock_close(take_ptr(e->sock));
	host_enter(&host, host.container);
	assert_int_equal(env_open(e), 0);
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	host_enter(&host, host.net);
	e->fds[0] = env_server(HOST_C4);
	assert_true(TEST_WITHIN_S(5, env_dial(8080) == -ECONNREFUSED));
}

static void check_sees_a_missing_hook(void **state)
{
	struct env *e = *state;
	int n = 0;

	NEED_HOST();
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	assert_int_equal(sock_check(e->sock, count_line, &n, &e->err), 0);
	host_sh("rm %s/berth/v1/test/sock_link_bind4", host.bpffs);
	assert_int_equal(sock_check(e->sock, count_line, &n, &e->err), 1);
	assert_int_equal(n, 1);
	/* a restart puts it back */
	restart(e);
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	assert_int_equal(sock_check(e->sock, count_line, &n, &e->err), 0);
}

static void detach_leaves_nothing(void **state)
{
	struct env *e = *state;

	NEED_HOST();
	e->fds[0] = env_server(HOST_C4);
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	assert_int_equal(sock_detach(e->sock, &e->err), 0);
	assert_int_equal(sock_detach(e->sock, &e->err), 0);
	host_sh("test ! -e %s/berth", host.bpffs);
	assert_int_equal(env_dial(8080), -ECONNREFUSED);
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	assert_int_equal(env_dial(8080), 0);
}

/* This program again, with a fail point: attach and publish one port. */
static int again(const char *fail_point)
{
	char cmd[320];
	int status;

	snprintf(cmd, sizeof(cmd),
		 "BERTH_FP=%s /proc/%d/exe publish %s %s >/dev/null 2>&1",
		 fail_point, getpid(), host.bpffs, host.cgroup);
	status = system(cmd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int publish_once(char **argv)
{
	struct ip_addr ip4 = { .family = AF_INET, .bytes = { 10, 77, 0, 2 } };
	struct ip_addr ip6 = { .family = AF_INET6, .bytes = { 0xfd, 2 } };
	struct port_range r = { .proto = IPPROTO_TCP,
				.host_first = 8080,
				.port_first = 80,
				.count = 2 };
	struct portmap m = { .ranges = &r, .count = 1 };
	struct sock_config cfg = { .driver = "test",
				   .bpf_dir = argv[2],
				   .cgroup = argv[3] };
	_cleanup_(sock_closep) struct sock *s = NULL;
	int code = sock_open(&cfg, &s, NULL);

	if (code == 0)
		code = sock_publish_add(s, &m, &ip4, &ip6, NULL);
	return -code;
}

static void failure_at_each_step_leaves_nothing(void **state)
{
	char fp[64];
	struct env *e = *state;

	NEED_HOST();
	sock_close(take_ptr(e->sock));
	for (int i = 1; i <= 10; i++) {
		snprintf(fp, sizeof(fp), "sock.attach:err=EIO:nth=%d", i);
		assert_int_equal(again(fp), EIO);
		host_sh("test ! -e %s/berth", host.bpffs);
	}
	e->fds[0] = env_server(HOST_C4);
	/* the fourth of 127.0.0.1 and ::1, two ports each */
	assert_int_equal(again("sock.publish:err=ENOSPC:nth=4"), ENOSPC);
	assert_int_equal(env_dial(8080), -ECONNREFUSED);
	assert_int_equal(env_dial(8081), -ECONNREFUSED);
	assert_int_equal(again("sock.address:err=ENOSPC:nth=1"), ENOSPC);
	assert_int_equal(env_dial(8080), -ECONNREFUSED);
	host_sh("cd %s/berth/v1/test && bpftool -j map dump pinned sock_ip6 | "
		"grep -qx '\\[\\]'",
		host.bpffs);
	assert_int_equal(again(""), 0);
	assert_int_equal(env_dial(8080), 0);
	/* a daemon that takes over and fails leaves what was there */
	assert_int_equal(again("sock.attach:err=EIO:nth=5"), EIO);
	assert_int_equal(env_dial(8080), 0);
	assert_int_equal(env_open(e), 0);
}

static void killed_at_each_step_is_put_right(void **state)
{
	struct env *e = *state;
	char fp[64];

	NEED_HOST();
	sock_close(take_ptr(e->sock));
	e->fds[0] = env_server(HOST_C4);
	for (int i = 1; i <= 10; i += 3) {
		int n = 0;

		snprintf(fp, sizeof(fp), "sock.attach:kill:nth=%d", i);
		assert_int_not_equal(again(fp), 0);
		assert_int_equal(again(""), 0);
		assert_int_equal(env_dial(8080), 0);
		assert_int_equal(env_open(e), 0);
		assert_int_equal(sock_attach(e->sock, &e->err), 0);
		assert_int_equal(sock_check(e->sock, count_line, &n, NULL), 0);
		assert_int_equal(sock_detach(e->sock, &e->err), 0);
		sock_close(take_ptr(e->sock));
	}
	assert_int_equal(env_open(e), 0);
}

/* What stops half way leaves the old hooks or new ones, and the next one ends
 * what it began. */
static void a_layout_half_replaced_is_put_right(void **state)
{
	static const char *const steps[] = { "maps.replace", "sock.attach",
					     "sock.attach" };
	static const int nth[] = { 1, 1, 6 };
	struct env *e = *state;
	char fp[64];

	NEED_HOST();
	e->fds[0] = env_server(HOST_C4);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(steps); i++) {
		bool kill = i % 2;
		int n = 0;

		env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 2));
		sock_close(take_ptr(e->sock));
		leave_as_of_layout("1 0 0 0");
		snprintf(fp, sizeof(fp), "%s:%s:nth=%d", steps[i / 2],
			 kill ? "kill" : "err=EIO", nth[i / 2]);
		if (kill)
			assert_int_not_equal(again(fp), 0);
		else
			assert_int_equal(again(fp), EIO);
		assert_int_equal(env_open(e), 0);
		assert_true(sock_is_other(e->sock));
		sock_load_begin(e->sock);
		env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
		/* the new ones have nothing yet, and are not attached */
		if (nth[i / 2] == 1)
			assert_int_equal(dial(e, 8080), 0);
		assert_int_equal(sock_load_end(e->sock, &e->err), 0);
		assert_int_equal(dial(e, 8080), 0);
		assert_int_equal(sock_check(e->sock, count_line, &n, NULL), 0);
		assert_int_equal(sock_detach(e->sock, &e->err), 0);
		host_sh("test ! -e %s/berth", host.bpffs);
	}
}

static void bad_cgroup_is_named(void **state)
{
	struct sock_config cfg = { .driver = "test",
				   .bpf_dir = host.bpffs,
				   .cgroup = "/nowhere" };
	struct env *e = *state;
	struct sock *s = NULL;

	NEED_HOST();
	assert_int_equal(sock_open(&cfg, &s, &e->err), -ENOENT);
	assert_non_null(strstr(e->err.msg, "/nowhere"));
	cfg.cgroup = "/tmp";
	sock_close(take_ptr(e->sock));
	assert_int_equal(sock_open(&cfg, &s, &e->err), 0);
	assert_true(sock_attach(s, &e->err) < 0);
	assert_non_null(strstr(e->err.msg, "/tmp"));
	sock_close(s);
	host_sh("test ! -e %s/berth", host.bpffs);
}

static double us_since(const struct timespec *a)
{
	struct timespec b;

	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a->tv_sec) * 1e6 +
	       (double)(b.tv_nsec - a->tv_nsec) / 1e3;
}

static void many_ports_are_quick(void **state)
{
	struct env *e = *state;
	struct timespec t;

	NEED_HOST();
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	clock_gettime(CLOCK_MONOTONIC, &t);
	for (uint16_t i = 0; i < 5000; i++) /* every other port */
		env_publish(e, env_ports(IPPROTO_TCP, NULL,
					 (uint16_t)(2 * i + 2), 80, 1));
	print_message("# 5000 single ports: %.0f us\n", us_since(&t));
	clock_gettime(CLOCK_MONOTONIC, &t);
	env_publish(e, env_ports(IPPROTO_UDP, NULL, 1024, 1024, 60000));
	print_message("# a range of 60000: %.0f us\n", us_since(&t));
	clock_gettime(CLOCK_MONOTONIC, &t);
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 11111, 80, 1));
	print_message("# one port more: %.0f us\n", us_since(&t));
}

#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(hooks_outlive_the_daemon),
		T(load_keeps_what_is_said_and_drops_the_rest),
		T(load_has_no_gap_in_what_is_held),
		T(load_of_nothing_makes_nothing),
		T(no_connection_fails_while_programs_are_replaced),
		T(one_daemon_at_a_time),
		T(another_layout_is_replaced),
		T(another_layout_without_a_load),
		T(no_connection_fails_while_a_layout_is_replaced),
		T(another_map_size_is_refused),
		T(pins_of_a_gone_namespace_are_replaced),
		T(check_sees_a_missing_hook),
		T(detach_leaves_nothing),
		T(failure_at_each_step_leaves_nothing),
		T(killed_at_each_step_is_put_right),
		T(a_layout_half_replaced_is_put_right),
		T(bad_cgroup_is_named),
		T(many_ports_are_quick),
	};
	int r;

	if (argc == 4 && strcmp(argv[1], "publish") == 0)
		return publish_once(argv);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	host_make(&host);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	host_remove(&host);
	return r;
}
