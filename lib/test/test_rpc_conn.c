/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plugin server: peers that come, stay, go and crowd; and its stop. */
#include "lib/test/rpc_test.h"

#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

/* ---- connections ------------------------------------------------------- */

static void thousand_pipelined(void **state)
{
	static const char one[] = POST_ECHO LEN("7") END "{\"a\":1}";
	const size_t count = 1000, size = 1 << 20;
	char *all = malloc(count * sizeof(one)), *buf = malloc(size);
	size_t got = 0;
	int fd = server_dial();

	(void)state;
	for (size_t i = 0; i < count; i++)
		memcpy(all + i * (sizeof(one) - 1), one, sizeof(one) - 1);
	peer_put(fd, all, count * (sizeof(one) - 1));
	buf[peer_get(fd, buf, size, 1000)] = '\0';
	for (char *p = buf; (p = strstr(p, "{\"a\":1}")); p++)
		got++;
	assert_int_equal(got, count);
	close(fd);
	free(all);
	free(buf);
}

static void half_closed_peer_gets_its_answer(void **state)
{
	char buf[1024];
	int fd = server_dial();

	(void)state;
	peer_put_text(fd, POST_ECHO LEN("7") END "{\"a\":1}");
	shutdown(fd, SHUT_WR);
	buf[peer_get(fd, buf, sizeof(buf), 1)] = '\0';
	assert_int_equal(peer_status(buf), 200);
	close(fd);
	server_still_serves();
}

static void peer_gone_before_the_answer(void **state)
{
	(void)state;
	atomic_store(&server()->hold, true);
	for (unsigned int i = 1; i <= 5; i++) {
		int fd = server_dial();

		peer_put_text(fd, "POST /T.Hold HTTP/1.1\r\n" LEN("0") END);
		server_wait_for(&server()->inside, i);
		close(fd);
	}
	atomic_store(&server()->hold, false);
	server_still_serves();
}

static void delivered_is_told(void **state)
{
	char buf[1024];

	(void)state;
	peer_ask("POST /T.Seq HTTP/1.1\r\n" LEN("0") END, "", buf, sizeof(buf));
	server_wait_for(&server()->delivered, 1);
	peer_ask(POST_ECHO LEN("0") END, "", buf, sizeof(buf));
	assert_int_equal(atomic_load(&server()->delivered), 1);
}

static void idle_connection_stays_usable(void **state)
{
	char buf[1024];
	int fd = server_dial();

	(void)state;
	for (int i = 0; i < 3; i++) {
		peer_put_text(fd, POST_ECHO LEN("2") END "{}");
		buf[peer_get(fd, buf, sizeof(buf), 1)] = '\0';
		assert_int_equal(peer_status(buf), 200);
		rpc_tick(server()->rpc);
	}
	close(fd);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* 1000 peers that never finish, in the head or in the body; and one that does. */
/* Each of a thousand that end at once has a thread for a moment: with a sanitizer, beside
 * other tests, that takes longer than the 5 s of one request. */
static void serves_again(void)
{
	char buf[1024];
	bool served = false;

	for (int i = 0; i < 12 && !served; i++)
		served = peer_ask(POST_ECHO LEN("2") END, "{}", buf,
				  sizeof(buf)) == 200;
	assert_true(served);
}

static void slow_senders_keep_nobody_waiting(void **state)
{
	static int fds[1000];
	double ms[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = server_dial();
		peer_put_text(fds[i], i % 2 ? "POST /T.Ec"
					    : POST_ECHO LEN("20") END "{");
	}
	for (size_t i = 0; i < ARRAY_SIZE(ms); i++) {
		struct timespec a;

		clock_gettime(CLOCK_MONOTONIC, &a);
		server_still_serves();
		ms[i] = test_ms_since(&a);
		peer_put_text(fds[i], "x"); /* and they go on, slowly */
	}
	qsort(ms, ARRAY_SIZE(ms), sizeof(*ms), by_value);
	print_message("# beside 1000 slow senders: p50 %.2f ms, p99 %.2f ms\n",
		      ms[100], ms[198]);
	assert_true(ms[100] < 1000);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	serves_again();
}

static void a_byte_at_a_time_is_served(void **state)
{
	static const char req[] = POST_ECHO LEN("7") END "{\"a\":1}";
	char buf[1024];
	int fd = server_dial();

	(void)state;
	for (size_t i = 0; i < sizeof(req) - 1; i++)
		peer_put(fd, req + i, 1);
	buf[peer_get(fd, buf, sizeof(buf), 1)] = '\0';
	assert_int_equal(peer_status(buf), 200);
	close(fd);
}

static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

/* More peers than descriptors: we wait without spinning, and recover. */
static void out_of_descriptors(void **state)
{
	const struct timespec second = { .tv_sec = 1 };
	struct rlimit lim, low;
	int tell[2], status;
	double used;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(tell), 0);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 100; i++)
			(void)server_dial();
		(void)!write(tell[1], "x", 1);
		nanosleep(&second, NULL);
		nanosleep(&second, NULL);
		_exit(0);
	}
	getrlimit(RLIMIT_NOFILE, &lim);
	low = lim;
	low.rlim_cur = 24;
	setrlimit(RLIMIT_NOFILE, &low);
	assert_int_equal(read(tell[0], &c, 1), 1);
	used = cpu_ms();
	nanosleep(&second, NULL);
	used = cpu_ms() - used;
	print_message("# a second without descriptors: %.1f ms of CPU\n", used);
	assert_true(used < 50);
	waitpid(pid, &status, 0);
	setrlimit(RLIMIT_NOFILE, &lim);
	server_still_serves();
	close(tell[0]);
	close(tell[1]);
}

static void more_peers_than_connections(void **state)
{
	char buf[1024];
	int fds[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = server_dial();
		peer_put_text(fds[i], POST_ECHO LEN("2") END "{}");
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		buf[peer_get(fds[i], buf, sizeof(buf), 1)] = '\0';
		assert_int_equal(peer_status(buf), 200);
		close(fds[i]);
	}
}

static void *serve_once(void *arg)
{
	(void)arg;
	server_still_serves();
	return NULL;
}

static void sixty_four_at_once(void **state)
{
	pthread_t t[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, serve_once, NULL),
				 0);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
}

static void others_than_root_are_refused(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("SKIP: needs root\n");
		skip();
	}
	chmod(server()->path, 0666);
	pid = fork();
	if (pid == 0) {
		char c;
		int fd;

		if (setuid(65534) < 0)
			_exit(1);
		fd = server_dial();
		peer_put_text(fd, POST_ECHO LEN("2") END "{}");
		_exit(recv(fd, &c, 1, 0) > 0 ? 2 : 0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(atomic_load(&server()->calls), 0);
}

static void another_listening_socket(void **state)
{
	struct err err = { 0 };

	(void)state;
	server_still_serves();
	assert_int_equal(rpc_relisten(server()->rpc,
				      server_listen_at(server()->path), &err),
			 0);
	server_still_serves();
	server_still_serves();
}

/* ---- stop -------------------------------------------------------------- */

static void *stop_later(void *arg)
{
	*(bool *)arg = rpc_stop(server()->rpc);
	return NULL;
}

static void stop_waits_for_the_handler(void **state)
{
	bool clean = false;
	char buf[1024];
	pthread_t t;
	int fd, idle;

	(void)state;
	idle = server_dial();
	fd = server_dial();
	atomic_store(&server()->hold, true);
	peer_put_text(fd, "POST /T.Hold HTTP/1.1\r\n" LEN("0") END);
	server_wait_for(&server()->inside, 1);
	pthread_create(&t, NULL, stop_later, &clean);
	/* the idle one is closed, nothing else */
	assert_int_equal(recv(idle, buf, 1, 0), 0);
	atomic_store(&server()->hold, false);
	buf[peer_get(fd, buf, sizeof(buf), 1)] = '\0';
	assert_int_equal(peer_status(buf), 200);
	assert_non_null(strstr(buf, "Connection: close"));
	pthread_join(t, NULL);
	assert_true(clean);
	close(fd);
	close(idle);
	server()->rpc = NULL;
}

/* What a pooled connection had sent before the stop is answered. */
static void stop_loses_no_request(void **state)
{
	bool clean = false;
	unsigned int answered = 0, refused = 0;
	pthread_t t;
	int fds[40];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		char buf[1024];

		fds[i] = server_dial();
		peer_put_text(fds[i], POST_ECHO LEN("2") END "{}");
		peer_get(fds[i], buf, sizeof(buf), 1);
	}
	pthread_create(&t, NULL, stop_later, &clean);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		static const char req[] = POST_ECHO LEN("7") END "{\"a\":1}";
		char buf[1024];

		if (send(fds[i], req, sizeof(req) - 1, MSG_NOSIGNAL) < 0) {
			refused++; /* whole: Go's client repeats it whole */
			continue;
		}
		buf[peer_get(fds[i], buf, sizeof(buf), 1)] = '\0';
		answered += peer_status(buf) == 200;
	}
	pthread_join(t, NULL);
	assert_true(clean);
	assert_int_equal(answered + refused, ARRAY_SIZE(fds));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	server()->rpc = NULL;
}

static void metrics_count_calls(void **state)
{
	json_object *m, *v = NULL;

	(void)state;
	server_still_serves();
	server_still_serves();
	m = rpc_metrics(server()->rpc);
	json_object_object_get_ex(m, "Methods", &v);
	json_object_object_get_ex(v, "T.Echo", &v);
	json_object_object_get_ex(v, "Count", &v);
	assert_int_equal(json_object_get_int(v), 2);
	json_object_put(m);
}

static void what_is_waited_for_takes_no_time(void **state)
{
	json_object *m, *echo = NULL, *v = NULL;
	char buf[512];

	(void)state;
	assert_int_equal(peer_ask(POST_ECHO LEN("21") END,
				  "{\"WaitedUs\":60000000}", buf, sizeof(buf)),
			 200);
	m = rpc_metrics(server()->rpc);
	json_object_object_get_ex(m, "Methods", &v);
	json_object_object_get_ex(v, "T.Echo", &echo);
	json_object_object_get_ex(echo, "Count", &v);
	assert_int_equal(json_object_get_int(v), 1);
	json_object_object_get_ex(echo, "SumUs", &v);
	assert_int_equal(json_object_get_int(v), 0);
	json_object_put(m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SERVED(thousand_pipelined),
		SERVED(half_closed_peer_gets_its_answer),
		SERVED(peer_gone_before_the_answer),
		SERVED(delivered_is_told),
		SERVED(idle_connection_stays_usable),
		SERVED(slow_senders_keep_nobody_waiting),
		SERVED(a_byte_at_a_time_is_served),
		SERVED(out_of_descriptors),
		SERVED(more_peers_than_connections),
		SERVED(sixty_four_at_once),
		SERVED(others_than_root_are_refused),
		SERVED(another_listening_socket),
		SERVED(stop_waits_for_the_handler),
		SERVED(stop_loses_no_request),
		SERVED(metrics_count_calls),
		SERVED(what_is_waited_for_takes_no_time),
	};

	server_tests_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
