// SPDX-License-Identifier: GPL-2.0-or-later
/* The daemon skeleton, run as a process: flags, lock, socket, signals. */
#include "lib/test/test.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/client.h"
#include "lib/plugd.h"

/* ---- the daemon under test --------------------------------------------- */

struct config {
	char word[32];
	bool loud;
};

static struct config config = { .word = "none" };
static atomic_bool *napping; /* the daemon says so to the test */

static int set_word(struct plugd *d, void *c, const char *value,
		    struct err *err)
{
	(void)d;
	if (strlen(value) >= sizeof(config.word))
		return err_set(err, -EINVAL, "\"%s\" is too long", value);
	strcpy(((struct config *)c)->word, value);
	return 0;
}

static int set_loud(struct plugd *d, void *c, const char *value,
		    struct err *err)
{
	(void)d;
	(void)value;
	(void)err;
	((struct config *)c)->loud = true;
	return 0;
}

static int on_config(void *ctx, struct rpc_call *call, json_object **ret,
		     struct err *err)
{
	const struct config *c = ctx;

	(void)call;
	(void)err;
	*ret = json_object_new_object();
	json_object_object_add(*ret, "Word", json_object_new_string(c->word));
	json_object_object_add(*ret, "Loud", json_object_new_boolean(c->loud));
	return 0;
}

static int on_nap(void *ctx, struct rpc_call *call, json_object **ret,
		  struct err *err)
{
	const struct timespec nap = { .tv_nsec = 300000000 };

	(void)ctx;
	(void)call;
	(void)ret;
	(void)err;
	atomic_store(napping, true);
	nanosleep(&nap, NULL);
	return 0;
}

static int daemon_start(struct plugd *d, void **ret, struct err *err)
{
	struct config *c = d->prog->config;

	if (!strcmp(c->word, "refuse"))
		return err_set(err, -EINVAL, "told to refuse");
	*ret = c;
	return 0;
}

static const struct rpc_method methods[] = {
	{ "T.Config", on_config },
	{ "T.Nap", on_nap },
	{ 0 },
};
static const struct rpc_method *const tables[] = { methods, NULL };
static const char *const implements[] = { "NetworkDriver", NULL };
static const struct plugd_flag flags[] = {
	{ "word", "WORD", "a word", set_word },
	{ "loud", NULL, "a switch", set_loud },
	{ 0 },
};
static const struct plugd_program program = {
	.name = "berth-test",
	.summary = "A daemon for the test of the skeleton",
	.implements = implements,
	.flags = flags,
	.config = &config,
	.tables = tables,
	.start = daemon_start,
};

/* ---- running it -------------------------------------------------------- */

struct place {
	char root[64], sock[128], out[128];
	pid_t pid;
	int listen_fd; /* handed to the daemon; 0: none */
};

static int place_new(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->root, "/tmp/berth-plugd-XXXXXX");
	assert_non_null(mkdtemp(p->root));
	snprintf(p->sock, sizeof(p->sock), "%s/plugins/berth-test.sock",
		 p->root);
	snprintf(p->out, sizeof(p->out), "%s/out", p->root);
	*state = p;
	return 0;
}

static int place_free(void **state)
{
	struct place *p = *state;

	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	test_rmdir(p->root);
	free(p);
	return 0;
}

/* Fork the daemon with the directories of @p and what @more adds. */
static pid_t daemon_fork(const struct place *p, const char *const *more)
{
	char dirs[3][160];
	char *argv[16] = { (char *)(uintptr_t) "berth-test" };
	int argc = 1;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	snprintf(dirs[0], sizeof(dirs[0]), "--plugin-dir=%s/plugins", p->root);
	snprintf(dirs[1], sizeof(dirs[1]), "--state-dir=%s/state", p->root);
	snprintf(dirs[2], sizeof(dirs[2]), "--run-dir=%s/run", p->root);
	for (int i = 0; i < 3; i++)
		argv[argc++] = dirs[i];
	for (; more && *more && argc < 15; more++)
		argv[argc++] = (char *)(uintptr_t)*more;
	if (p->listen_fd) {
		char self[16];

		dup2(p->listen_fd, 3);
		snprintf(self, sizeof(self), "%d", getpid());
		setenv("LISTEN_PID", self, 1);
		setenv("LISTEN_FDS", "1", 1);
	}
	(void)!freopen(p->out, "a", stderr);
	(void)!freopen(p->out, "a", stdout);
	setvbuf(stdout, NULL, _IONBF, 0);
	setvbuf(stderr, NULL, _IONBF, 0);
	_exit(plugd_main(&program, argc, argv));
}

static int call(const struct place *p, const char *method, json_object **ret,
		struct err *err)
{
	return client_call(p->sock, method, NULL, 5000, ret, err);
}

static void wait_ready(const struct place *p)
{
	const struct timespec ms = { .tv_nsec = 5000000 };

	for (int i = 0; i < 1000; i++) {
		if (call(p, "Plugin.Activate", NULL, NULL) == 0)
			return;
		nanosleep(&ms, NULL);
	}
	fail_msg("the daemon does not answer on %s", p->sock);
}

static int exit_of(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void stop(struct place *p)
{
	kill(p->pid, SIGTERM);
	assert_int_equal(exit_of(p->pid), 0);
	p->pid = 0;
}

static void assert_said(const struct place *p, const char *text)
{
	char buf[8192] = "";
	int fd = open(p->out, O_RDONLY);

	assert_true(fd >= 0);
	(void)!read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (!strstr(buf, text))
		fail_msg("no \"%s\" in:\n%s", text, buf);
}

static int run_flags(struct place *p, const char *a, const char *b)
{
	const char *const more[] = { a, b, NULL };

	return exit_of(daemon_fork(p, more));
}

/* ---- tests ------------------------------------------------------------- */

static void serves_and_stops(void **state)
{
	struct place *p = *state;
	json_object *o = NULL;
	struct err err = { 0 };
	struct stat st;

	p->pid = daemon_fork(p, NULL);
	wait_ready(p);
	assert_int_equal(call(p, "Plugin.Activate", &o, &err), 0);
	assert_string_equal(json_object_to_json_string_ext(o, 0),
			    "{\"Implements\":[\"NetworkDriver\"]}");
	json_object_put(o);
	assert_int_equal(lstat(p->sock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	stop(p);
	assert_int_equal(lstat(p->sock, &st), -1); /* its own: removed */
	assert_said(p, "msg=stopped");
}

static void second_one_is_refused_fast(void **state)
{
	struct place *p = *state;
	struct timespec a, b;
	long ms;

	p->pid = daemon_fork(p, NULL);
	wait_ready(p);
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(exit_of(daemon_fork(p, NULL)), 1);
	clock_gettime(CLOCK_MONOTONIC, &b);
	ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
	print_message("# refused in %ld ms\n", ms);
	assert_true(ms < 100);
	assert_said(p, "is in use by pid");
	assert_int_equal(call(p, "T.Config", NULL, NULL), 0);
	stop(p);
}

static void stale_socket_is_replaced(void **state)
{
	struct place *p = *state;

	p->pid = daemon_fork(p, NULL);
	wait_ready(p);
	kill(p->pid, SIGKILL);
	exit_of(p->pid);
	assert_int_equal(access(p->sock, F_OK), 0);
	assert_int_equal(call(p, "T.Config", NULL, NULL), -ECONNREFUSED);
	p->pid = daemon_fork(p, NULL);
	wait_ready(p);
	stop(p);
}

static void socket_of_another_daemon_is_left(void **state)
{
	struct place *p = *state, other = *p;
	char link[160], target[160];

	p->pid = daemon_fork(p, NULL);
	wait_ready(p);
	/* another state directory, the same plugin directory */
	strcpy(other.root, "/tmp/berth-plugd-XXXXXX");
	assert_non_null(mkdtemp(other.root));
	snprintf(link, sizeof(link), "%s/plugins", other.root);
	snprintf(target, sizeof(target), "%s/plugins", p->root);
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(run_flags(&other, NULL, NULL), 1);
	assert_said(p, "is served by another daemon");
	assert_int_equal(call(p, "T.Config", NULL, NULL), 0);
	stop(p);
	test_rmdir(other.root);
}

static void file_in_the_sockets_place_stays(void **state)
{
	struct place *p = *state;
	char dir[128];
	int fd;

	snprintf(dir, sizeof(dir), "%s/plugins", p->root);
	mkdir(dir, 0755);
	fd = open(p->sock, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(run_flags(p, NULL, NULL), 1);
	assert_said(p, "exists and is no socket");
	assert_int_equal(access(p->sock, F_OK), 0);
}

static void plugin_dir_others_can_write_is_refused(void **state)
{
	struct place *p = *state;
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/plugins", p->root);
	mkdir(dir, 0755);
	chmod(dir, 0777);
	assert_int_equal(run_flags(p, NULL, NULL), 1);
	assert_said(p, "writable by nobody else");
}

static void lost_socket_is_made_again(void **state)
{
	struct place *p = *state;

	p->pid = daemon_fork(p, NULL);
	wait_ready(p);
	unlink(p->sock);
	wait_ready(p);
	assert_said(p, "made again");
	stop(p);
	assert_int_not_equal(access(p->sock, F_OK), 0);
}

static void term_waits_for_the_request(void **state)
{
	struct place *p = *state;
	pid_t caller;

	p->pid = daemon_fork(p, NULL);
	wait_ready(p);
	caller = fork();
	if (caller == 0)
		_exit(call(p, "T.Nap", NULL, NULL) == 0 ? 0 : 1);
	assert_true(TEST_WITHIN_S(30, atomic_load(napping)));
	stop(p);
	assert_int_equal(exit_of(caller), 0);
}

static void failed_start_is_told(void **state)
{
	struct place *p = *state;

	assert_int_equal(run_flags(p, "--word=refuse", NULL), 1);
	assert_said(p, "berth-test: told to refuse");
	assert_int_not_equal(access(p->sock, F_OK), 0);
}

static void config_file_and_command_line(void **state)
{
	struct place *p = *state;
	char path[128], flag[160];
	const char *const more[] = { flag, "--word=line", NULL };
	json_object *o = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "%s/conf", p->root);
	snprintf(flag, sizeof(flag), "--config=%s", path);
	f = fopen(path, "w");
	fprintf(f, "# a comment\n\n  word = file \nloud=true\n"
		   "log-level = debug\n");
	fclose(f);
	p->pid = daemon_fork(p, more);
	wait_ready(p);
	assert_int_equal(call(p, "T.Config", &o, NULL), 0);
	assert_string_equal(json_object_to_json_string_ext(o, 0),
			    "{\"Word\":\"line\",\"Loud\":true}");
	json_object_put(o);
	assert_said(p, "op=T.Config");
	stop(p);
}

static void config_file_errors(void **state)
{
	static const struct {
		const char *text, *says;
	} files[] = {
		{ "word\n", "line 1: \"word\" is not \"name = value\"" },
		{ "\nwrod = x\n", "line 2: there is no setting \"wrod\"" },
		{ "loud = maybe\n", "loud is true or false" },
		{ "help = true\n", "there is no setting \"help\"" },
		{ "config = other\n", "there is no setting \"config\"" },
		{ "log-level = noisy\n", "line 1: " },
	};
	struct place *p = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/conf", p->root);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		FILE *f = fopen(path, "w");

		fputs(files[i].text, f);
		fclose(f);
		assert_int_equal(run_flags(p, "--config", path), 2);
		assert_said(p, files[i].says);
	}
}

static void flags_that_print(void **state)
{
	struct place *p = *state;

	assert_int_equal(run_flags(p, "--help", NULL), 0);
	assert_said(p, "--word WORD");
	assert_said(p, "--plugin-dir DIR");
	assert_int_equal(run_flags(p, "--version", NULL), 0);
	assert_said(p, "berth-test " BERTH_VERSION);
	assert_int_equal(run_flags(p, "--list-failpoints", NULL), 0);
	assert_said(p, "store.commit");
}

static void wrong_flags(void **state)
{
	struct place *p = *state;

	assert_int_equal(run_flags(p, "--wrod=x", NULL), 2);
	assert_said(p, "Try 'berth-test --help'");
	assert_int_equal(run_flags(p, "--log-level", "noisy"), 2);
	assert_int_equal(run_flags(p, "word", NULL), 2);
	assert_said(p, "\"word\" is no flag");
	assert_int_equal(
		run_flags(p, "--word=0123456789012345678901234567890123456789",
			  NULL),
		2);
	assert_said(p, "is too long");
}

/* ---- NOTIFY_SOCKET ----------------------------------------------------- */

static void wait_told(int fd, const char *what)
{
	char buf[64];

	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		ssize_t n;

		assert_int_equal(poll(&pfd, 1, 5000), 1);
		n = recv(fd, buf, sizeof(buf) - 1, 0);
		assert_true(n > 0);
		buf[n] = '\0';
		if (!strcmp(buf, what))
			return;
	}
}

static void supervisor_is_told(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct place *p = *state;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/notify", p->root);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setenv("NOTIFY_SOCKET", addr.sun_path, 1);
	p->pid = daemon_fork(p, NULL);
	unsetenv("NOTIFY_SOCKET");
	wait_told(fd, "READY=1");
	assert_int_equal(call(p, "T.Config", NULL, NULL), 0); /* at once */
	wait_told(fd, "WATCHDOG=1");
	stop(p);
	wait_told(fd, "STOPPING=1");
	close(fd);
}

/* ---- LISTEN_FDS -------------------------------------------------------- */

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(strlen(path) < sizeof(addr.sun_path));
	strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 128), 0);
	return fd;
}

static void held_socket_outlives_the_daemon(void **state)
{
	struct place *p = *state;
	char dir[128];
	pid_t caller;

	snprintf(dir, sizeof(dir), "%s/plugins", p->root);
	mkdir(dir, 0755);
	p->listen_fd = listen_at(p->sock);
	p->pid = daemon_fork(p, NULL);
	wait_ready(p);
	stop(p);
	assert_int_equal(access(p->sock, F_OK), 0); /* not ours: left */
	/* nobody serves: the caller waits in the backlog */
	caller = fork();
	if (caller == 0)
		_exit(call(p, "T.Config", NULL, NULL) == 0 ? 0 : 1);
	p->pid = daemon_fork(p, NULL);
	assert_int_equal(exit_of(caller), 0);
	stop(p);
	close(p->listen_fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, place_new, place_free)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(serves_and_stops),
		TEST(second_one_is_refused_fast),
		TEST(stale_socket_is_replaced),
		TEST(socket_of_another_daemon_is_left),
		TEST(file_in_the_sockets_place_stays),
		TEST(plugin_dir_others_can_write_is_refused),
		TEST(lost_socket_is_made_again),
		TEST(term_waits_for_the_request),
		TEST(failed_start_is_told),
		TEST(config_file_and_command_line),
		TEST(config_file_errors),
		TEST(flags_that_print),
		TEST(wrong_flags),
		TEST(supervisor_is_told),
		TEST(held_socket_outlives_the_daemon),
	};

	napping = mmap(NULL, sizeof(*napping), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (napping == MAP_FAILED)
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
