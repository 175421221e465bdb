/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filters: what is refused, what a process under one may do, the cache. */
#include "lib/test/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/oci/seccomp_priv.h"

static struct sec_profile *profile(const char *json)
{
	_cleanup_(json_putp) json_object *o = json_tokener_parse(json);
	struct sec_profile *p = NULL;
	struct err err = { 0 };

	assert_non_null(o);
	if (sec_decode(o, &p, &err) < 0)
		fail_msg("%s", err.msg);
	return p;
}

static struct sec_filter *built(const char *json, const char *cache)
{
	_cleanup_(sec_profile_freep) struct sec_profile *p = profile(json);
	struct sec_filter *f = NULL;
	struct err err = { 0 };

	if (sec_build(p, cache, &f, &err) < 0)
		fail_msg("%s", err.msg);
	return f;
}

/* ---- what is refused ---- */

struct row {
	const char *name, *json, *msg;
};
#define CALL(text) \
	"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{" text "}]}"
static const struct row rows[] = {
	{ "no default action", "{}", "defaultAction: missing" },
	{ "an action there isn't", "{\"defaultAction\":\"SCMP_ACT_NO\"}",
	  "action \"SCMP_ACT_NO\"" },
	{ "notify as default", "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}",
	  "can't be the default" },
	{ "notify without a listener",
	  CALL("\"names\":[\"read\"],\"action\":\"SCMP_ACT_NOTIFY\""),
	  "without listenerPath" },
	{ "notify of write",
	  CALL("\"names\":[\"write\"],\"action\":\"SCMP_ACT_NOTIFY\""),
	  "for write" },
	{ "an errno of allow",
	  CALL("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\","
	       "\"errnoRet\":1"),
	  "SCMP_ACT_ALLOW returns no errno" },
	{ "an errno too large",
	  CALL("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\","
	       "\"errnoRet\":65536"),
	  "syscalls[0]: errnoRet" },
	{ "an operator there isn't",
	  CALL("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":"
	       "[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_XX\"}]"),
	  "args[0].op" },
	{ "a seventh argument",
	  CALL("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":"
	       "[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]"),
	  "not in 0..5" },
	{ "no names", CALL("\"action\":\"SCMP_ACT_ERRNO\""), "names: missing" },
	{ "an architecture there isn't",
	  "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"X86\"]}",
	  "architecture \"X86\"" },
	{ "a flag there isn't",
	  "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"X\"]}",
	  "there is no \"X\"" },
};

static void refused_row(void **state)
{
	const struct row *row = *state;
	_cleanup_(json_putp) json_object *o = json_tokener_parse(row->json);
	struct sec_profile *p = NULL;
	struct err err = { 0 };

	assert_true(sec_decode(o, &p, &err) < 0);
	assert_null(p);
	if (!strstr(err.msg, row->msg))
		fail_msg("\"%s\" has no \"%s\"", err.msg, row->msg);
}

/* ---- what a process may do ---- */

/* The exit status of a child under @f: what @fn returns; 128+N: signal N. */
static int under(const struct sec_filter *f, int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGSYS, SIG_DFL); /* cmocka has it */
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (sec_load(f, NULL) < 0)
			_exit(120);
		syscall(SYS_exit_group, fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

static int errno_of(long r)
{
	return r < 0 ? errno : 0;
}

static int asks_ppid(void)
{
	return errno_of(syscall(SYS_getppid));
}

static int asks_new_call(void)
{
	return errno_of(syscall(600, 0, 0, 0));
}

static int asks_old_call(void)
{
	return errno_of(syscall(SYS_swapoff, NULL));
}

static int asks_personality(void)
{
	return errno_of(syscall(SYS_personality, 0xffffffff)) * 10 +
	       errno_of(syscall(SYS_personality, 0x20));
}

#define ALL_BUT(text)                                                     \
	"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":" \
	"[\"getppid\",\"no_such_call\"]," text "}]}"

static void actions_are_done(void **state)
{
	static const struct {
		const char *json;
		int (*fn)(void);
		int want;
	} is[] = {
		{ ALL_BUT("\"action\":\"SCMP_ACT_ERRNO\""), asks_ppid, EPERM },
		{ ALL_BUT("\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38"),
		  asks_ppid, ENOSYS },
		{ ALL_BUT("\"action\":\"SCMP_ACT_KILL_PROCESS\""), asks_ppid,
		  128 + SIGSYS },
		{ ALL_BUT("\"action\":\"SCMP_ACT_TRAP\""), asks_ppid,
		  128 + SIGSYS },
		{ ALL_BUT("\"action\":\"SCMP_ACT_LOG\""), asks_ppid, 0 },
		/* nobody traces */
		{ ALL_BUT("\"action\":\"SCMP_ACT_TRACE\""), asks_ppid, ENOSYS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(is); i++) {
		_cleanup_(sec_filter_freep) struct sec_filter *f =
			built(is[i].json, NULL);

		assert_int_equal(under(f, is[i].fn), is[i].want);
	}
}

#define LIST                                                               \
	"\"syscalls\":[{\"names\":[\"exit_group\",\"clone3\"],\"action\":" \
	"\"SCMP_ACT_ALLOW\"}]}"

static void newer_calls_are_not_there(void **state)
{
	static const struct {
		const char *json;
		int (*fn)(void);
		int want;
	} is[] = {
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\"," LIST, asks_new_call,
		  ENOSYS },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\"," LIST, asks_old_call,
		  EPERM },
		{ "{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\"," LIST,
		  asks_new_call, ENOSYS },
		{ "{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\"," LIST,
		  asks_old_call, 128 + SIGSYS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(is); i++) {
		_cleanup_(sec_filter_freep) struct sec_filter *f =
			built(is[i].json, NULL);

		assert_int_equal(under(f, is[i].fn), is[i].want);
	}
}

static void arguments_decide(void **state)
{
	static const struct {
		const char *arg;
		int want; /* personality(0xffffffff), personality(0x20) */
	} is[] = {
		{ "\"value\":32,\"op\":\"SCMP_CMP_EQ\"", 1 },
		{ "\"value\":32,\"op\":\"SCMP_CMP_NE\"", 10 },
		{ "\"value\":32,\"op\":\"SCMP_CMP_LE\"", 1 },
		{ "\"value\":32,\"op\":\"SCMP_CMP_LT\"", 0 },
		{ "\"value\":32,\"op\":\"SCMP_CMP_GT\"", 10 },
		{ "\"value\":32,\"op\":\"SCMP_CMP_GE\"", 11 },
		{ "\"value\":240,\"valueTwo\":32,\"op\":\"SCMP_CMP_MASKED_EQ\"",
		  1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(is); i++) {
		_cleanup_(sec_filter_freep) struct sec_filter *f = NULL;
		char json[512];

		snprintf(json, sizeof(json),
			 CALL("\"names\":[\"personality\"],\"action\":"
			      "\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":0,%s}]"),
			 is[i].arg);
		f = built(json, NULL);
		assert_int_equal(under(f, asks_personality), is[i].want);
	}
}

/* Two conditions on one argument: either. */
static void one_argument_twice(void **state)
{
	_cleanup_(sec_filter_freep) struct sec_filter *f =
		built(CALL("\"names\":[\"personality\"],\"action\":"
			   "\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":0,\"value\""
			   ":32,\"op\":\"SCMP_CMP_EQ\"},{\"index\":0,\"value\":"
			   "4294967295,\"op\":\"SCMP_CMP_EQ\"}]"),
		      NULL);

	(void)state;
	assert_int_equal(under(f, asks_personality), 11);
}

/* ---- the cache ---- */

static char cache[64];

static int cache_new(void **state)
{
	(void)state;
	if (geteuid() != 0)
		return 0;
	strcpy(cache, "/tmp/berth-seccomp-XXXXXX");
	return mkdtemp(cache) ? 0 : -1;
}

static int cache_drop(void **state)
{
	(void)state;
	if (geteuid() == 0)
		test_rmdir(cache);
	return 0;
}

static void need_root(void)
{
	if (geteuid() != 0) {
		print_message("SKIP: the cache is root's\n");
		skip();
	}
}

#define SMALL ALL_BUT("\"action\":\"SCMP_ACT_ERRNO\"")

static bool is_cached(const char *json)
{
	_cleanup_(sec_filter_freep) struct sec_filter *f = built(json, cache);

	assert_int_equal(under(f, asks_ppid), EPERM);
	return f->cached;
}

static void the_file(char path[static 256])
{
	DIR *d = opendir(cache);
	struct dirent *e;

	assert_non_null(d);
	*path = '\0';
	while ((e = readdir(d)))
		if (*e->d_name != '.')
			snprintf(path, 256, "%.64s/%.64s", cache, e->d_name);
	closedir(d);
	assert_true(*path);
}

static void second_time_is_cached(void **state)
{
	(void)state;
	need_root();
	assert_false(is_cached(SMALL));
	assert_true(is_cached(SMALL));
	assert_false(is_cached(ALL_BUT("\"action\":\"SCMP_ACT_ERRNO\","
				       "\"errnoRet\":1")));
}

static void harmed_file_is_made_anew(void **state)
{
	char path[256];
	struct stat st;

	(void)state;
	need_root();
	assert_false(is_cached(SMALL));
	the_file(path);
	assert_int_equal(stat(path, &st), 0);
	for (off_t at = 0; at < st.st_size; at += 7) {
		int fd = open(path, O_RDWR | O_CLOEXEC);
		unsigned char c = 0;

		assert_int_equal(pread(fd, &c, 1, at), 1);
		c ^= 0x40;
		assert_int_equal(pwrite(fd, &c, 1, at), 1);
		close(fd);
		assert_false(is_cached(SMALL));
	}
	assert_int_equal(truncate(path, st.st_size - 8), 0);
	assert_false(is_cached(SMALL));
	assert_int_equal(truncate(path, st.st_size + 8), 0);
	assert_false(is_cached(SMALL));
	assert_true(is_cached(SMALL));
}

static void what_others_may_write_is_not_used(void **state)
{
	char path[256], other[300];

	(void)state;
	need_root();
	assert_false(is_cached(SMALL));
	the_file(path);
	assert_int_equal(chmod(path, 0620), 0);
	assert_false(is_cached(SMALL)); /* and replaced */
	assert_true(is_cached(SMALL));
	assert_int_equal(chown(path, 1, 0), 0);
	assert_false(is_cached(SMALL));
	snprintf(other, sizeof(other), "%s-x", path);
	assert_int_equal(link(path, other), 0);
	assert_false(is_cached(SMALL));
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_false(is_cached(SMALL));
	assert_true(is_cached(SMALL));
	assert_int_equal(chmod(cache, 0755), 0);
	assert_false(is_cached(SMALL));
	assert_int_equal(chmod(cache, 0700), 0);
	assert_int_equal(chown(cache, 1, 0), 0);
	assert_false(is_cached(SMALL));
	assert_int_equal(chown(cache, 0, 0), 0);
	assert_true(is_cached(SMALL));
}

static void the_cache_is_bounded(void **state)
{
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	(void)state;
	need_root();
	for (int i = 1; i <= 80; i++) {
		_cleanup_(sec_filter_freep) struct sec_filter *f = NULL;
		char json[256];

		snprintf(json, sizeof(json),
			 ALL_BUT("\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":"
				 "%d"),
			 i);
		f = built(json, cache);
	}
	d = opendir(cache);
	assert_non_null(d);
	while ((e = readdir(d)))
		n += *e->d_name != '.';
	closedir(d);
	assert_int_equal(n, 64);
}

/* ---- notify ---- */

#define NOTIFY                                                           \
	"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"%s\"," \
	"\"listenerMetadata\":\"meta\",\"syscalls\":[{\"names\":"        \
	"[\"getppid\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}"

static int listen_at(char path[static 64])
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(path, 64, "/tmp/berth-agent-%d", getpid());
	strcpy(at.sun_path, path);
	assert_int_equal(bind(sock, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(sock, 1), 0);
	return sock;
}

static int receive(int sock, char *text, size_t size)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { text, size - 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	_cleanup_close_ int from = accept(sock, NULL, NULL);
	ssize_t n = recvmsg(from, &msg, 0);
	struct cmsghdr *c;
	int fd;

	assert_true(n > 0);
	text[n] = '\0';
	c = CMSG_FIRSTHDR(&msg);
	if (!c)
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void agent_is_given_the_descriptor(void **state)
{
	_cleanup_(json_putp) json_object *status =
		json_tokener_parse("{\"id\":\"c1\",\"status\":\"creating\"}");
	_cleanup_(sec_profile_freep) struct sec_profile *p = NULL;
	_cleanup_(sec_filter_freep) struct sec_filter *f = NULL;
	char path[64], json[512], text[1024], want[256];
	struct seccomp_notif_resp answer = { .val = 77 };
	struct seccomp_notif ask = { 0 };
	int sock = listen_at(path), to[2], fd = -1, mine, got, exit_status;
	struct err err = { 0 };
	pid_t pid;

	(void)state;
	snprintf(json, sizeof(json), NOTIFY, path);
	p = profile(json);
	assert_string_equal(sec_listener_path(p), path);
	assert_int_equal(sec_build(p, NULL, &f, &err), 0);
	assert_int_equal(pipe(to), 0);
	pid = fork();
	if (pid == 0) {
		int listener = -1;

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (sec_load(f, &listener) < 0 ||
		    write(to[1], &listener, sizeof(listener)) < 0)
			_exit(120);
		syscall(SYS_exit_group, (int)syscall(SYS_getppid));
	}
	assert_int_equal(read(to[0], &fd, sizeof(fd)), sizeof(fd));
	mine = sec_notify_take(pid, fd, &err);
	if (mine < 0)
		fail_msg("%s", err.msg);
	if (sec_notify_send(p, mine, pid, status, &err) < 0)
		fail_msg("%s", err.msg);
	close(mine);
	got = receive(sock, text, sizeof(text));
	snprintf(want, sizeof(want),
		 "{\"ociVersion\":\"1.1.0\",\"fds\":[\"seccompFd\"],\"pid\":%d,"
		 "\"metadata\":\"meta\",\"state\":{\"id\":\"c1\","
		 "\"status\":\"creating\"}}",
		 pid);
	assert_string_equal(text, want);
	assert_int_equal(ioctl(got, SECCOMP_IOCTL_NOTIF_RECV, &ask), 0);
	assert_int_equal(ask.data.nr, SYS_getppid);
	answer.id = ask.id;
	assert_int_equal(ioctl(got, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
	assert_int_equal(waitpid(pid, &exit_status, 0), pid);
	assert_int_equal(WEXITSTATUS(exit_status), 77);
	close(got);
	close(sock);
	close(to[0]);
	close(to[1]);
	unlink(path);
	assert_int_equal(sec_notify_send(p, 0, 1, status, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "is the seccomp agent running?"));
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(actions_are_done),
		cmocka_unit_test(newer_calls_are_not_there),
		cmocka_unit_test(arguments_decide),
		cmocka_unit_test(one_argument_twice),
		cmocka_unit_test_setup_teardown(second_time_is_cached,
						cache_new, cache_drop),
		cmocka_unit_test_setup_teardown(harmed_file_is_made_anew,
						cache_new, cache_drop),
		cmocka_unit_test_setup_teardown(
			what_others_may_write_is_not_used, cache_new,
			cache_drop),
		cmocka_unit_test_setup_teardown(the_cache_is_bounded, cache_new,
						cache_drop),
		cmocka_unit_test(agent_is_given_the_descriptor),
	};
	struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(others)];
	size_t n = TEST_ROWS(tests, rows, refused_row);

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		tests[n++] = others[i];
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("seccomp", tests, n, NULL, NULL);
}
