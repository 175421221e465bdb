// SPDX-License-Identifier: GPL-2.0-or-later
/* Follows a dockerd and a berth-overlay that this test plays, and lets hang and break. */
#include "lib/test/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "runtime/names/follow.h"
#include "runtime/names/share_priv.h"

#define NET  "aa11"
#define MAX  16
#define SOON 30

enum way {
	GONE,
	ANSWERED,
	HELD,   /* no answer until it is another way */
	HEAD,   /* half of the head, then the end */
	BROKEN, /* half of the answer, then the end */
};

/* What is played.  Containers are "c0", "c1", … with 10.9.0.10 and on. */
static struct {
	pthread_mutex_t lock;
	enum way ways[MAX];
	unsigned int streams; /* of events, in all */
	int stream;           /* the last; -1: none */
} play = { .lock = PTHREAD_MUTEX_INITIALIZER, .stream = -1 };

static char dir[] = "/tmp/berth-follow-XXXXXX", docker[64], overlay[64];

static void way_set(unsigned int c, enum way way)
{
	pthread_mutex_lock(&play.lock);
	play.ways[c] = way;
	pthread_mutex_unlock(&play.lock);
}

static enum way way_of(unsigned int c)
{
	enum way way;

	pthread_mutex_lock(&play.lock);
	way = c < MAX ? play.ways[c] : GONE;
	pthread_mutex_unlock(&play.lock);
	return way;
}

static void say(int fd, const char *text)
{
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void answer(int fd, const char *status, const char *body)
{
	char head[128];

	snprintf(head, sizeof(head),
		 "HTTP/1.1 %s\r\nContent-Length: %zu\r\n"
		 "Connection: close\r\n\r\n",
		 status, strlen(body));
	say(fd, head);
	say(fd, body);
}

static void on_list(int fd)
{
	char body[2048] = "[", one[128];

	for (unsigned int i = 0; i < MAX; i++) {
		if (way_of(i) == GONE)
			continue;
		snprintf(one, sizeof(one), "%s{\"Id\":\"c%u\",\"Names\":[]}",
			 body[1] ? "," : "", i);
		strcat(body, one);
	}
	answer(fd, "200 OK", strcat(body, "]"));
}

static void on_inspect(int fd, unsigned int c)
{
	char body[512];

	while (way_of(c) == HELD)
		test_pause_ms(10);
	if (way_of(c) == HEAD || way_of(c) == BROKEN) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Le");
		if (way_of(c) == BROKEN)
			say(fd, "ngth: 100\r\n\r\n{\"Id\":");
		return;
	}
	snprintf(body, sizeof(body),
		 "{\"Id\":\"c%u\",\"Name\":\"/c%u\",\"State\":{\"Running\":"
		 "true},\"NetworkSettings\":{\"Networks\":{\"shop\":{"
		 "\"NetworkID\":\"" NET "\",\"IPAddress\":\"10.9.0.%u\"}}}}",
		 c, c, 10 + c);
	if (way_of(c) == GONE)
		answer(fd, "404 Not Found",
		       "{\"message\":\"No such container\"}");
	else
		answer(fd, "200 OK", body);
}

/* Until the other side, or the test, ends it. */
static void on_events(int fd)
{
	char c;

	say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	pthread_mutex_lock(&play.lock);
	play.streams++;
	play.stream = fd;
	pthread_mutex_unlock(&play.lock);
	while (recv(fd, &c, 1, 0) > 0)
		;
	pthread_mutex_lock(&play.lock);
	if (play.stream == fd)
		play.stream = -1;
	pthread_mutex_unlock(&play.lock);
}

static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char asked[4096];
	unsigned int c;
	ssize_t n = recv(fd, asked, sizeof(asked) - 1, 0);

	asked[n > 0 ? n : 0] = '\0';
	if (strstr(asked, "Berth.Networks"))
		answer(fd, "200 OK",
		       "{\"Networks\":[{\"NetworkID\":\"" NET
		       "\",\"Bridge\":\"br1\",\"Shared\":\"n.shop\","
		       "\"Internal\":false,\"Subnets\":[\"10.9.0.0/24\"],"
		       "\"Gateways\":[\"10.9.0.1\"]}]}");
	else if (!strncmp(asked, "GET /events", 11))
		on_events(fd);
	else if (!strncmp(asked, "GET /networks", 13))
		answer(fd, "200 OK",
		       "[{\"Id\":\"" NET "\",\"Name\":\"shop\"}]");
	else if (!strncmp(asked, "GET /containers/json", 20))
		on_list(fd);
	else if (sscanf(asked, "GET /containers/c%u/json", &c) == 1)
		on_inspect(fd, c);
	close(fd);
	return NULL;
}

static void *serve(void *arg)
{
	int fd, at = *(int *)arg;
	pthread_t t;

	while ((fd = accept(at, NULL, NULL)) >= 0)
		if (pthread_create(&t, NULL, serve_one, (void *)(intptr_t)fd) ==
		    0)
			pthread_detach(t);
	return NULL;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (bind(fd, (void *)&addr, sizeof(addr)) < 0 || listen(fd, 64) < 0)
		abort();
	return fd;
}

/* dockerd sends @text as a part of its stream of events, and ends it where @end. */
static void stream_says(const char *text, bool end)
{
	char part[256];

	snprintf(part, sizeof(part), "%zx\r\n%s\r\n", strlen(text), text);
	pthread_mutex_lock(&play.lock);
	if (play.stream >= 0) {
		say(play.stream, part);
		if (end)
			shutdown(play.stream, SHUT_RDWR);
	}
	pthread_mutex_unlock(&play.lock);
}

static unsigned int streams(void)
{
	unsigned int n;

	pthread_mutex_lock(&play.lock);
	n = play.streams;
	pthread_mutex_unlock(&play.lock);
	return n;
}

/* ---- what is tested ---------------------------------------------------------- */

struct one {
	struct names *names;
	struct share share; /* without its thread */
	struct follow *follow;
};

static void begin(struct one *o)
{
	const struct follow_config cfg = {
		.docker = docker,
		.plugin_dir = dir,
		.inspect_ms = 1000,
	};

	*o = (struct one){ .names = NULL };
	pthread_mutex_init(&o->share.lock, NULL);
	o->share.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(names_new(&o->names, NULL), 0);
	assert_int_equal(
		follow_new(o->names, &o->share, &cfg, &o->follow, NULL), 0);
}

static void end(struct one *o)
{
	struct share_one *n;

	for (unsigned int i = 0; i < MAX; i++)
		way_set(i, GONE);
	follow_free(o->follow);
	while ((n = o->share.nets)) {
		o->share.nets = n->next;
		share_one_free(n);
	}
	close(o->share.wake);
	pthread_mutex_destroy(&o->share.lock);
	names_free(o->names);
}

static bool known(struct one *o, unsigned int c)
{
	struct ip_addr a;
	char name[8];

	snprintf(name, sizeof(name), "c%u", c);
	return names_find(o->names, "n.shop", name, AF_INET, &a, 1) == 1;
}

static bool cluster_told(struct one *o)
{
	bool ready;

	pthread_mutex_lock(&o->share.lock);
	ready = o->share.ready;
	pthread_mutex_unlock(&o->share.lock);
	return ready;
}

#define WAIT(cond) assert_true(TEST_WITHIN_S(SOON, cond))

static void names_come_and_go(void **state)
{
	struct one o;

	(void)state;
	way_set(0, ANSWERED);
	begin(&o);
	WAIT(known(&o, 0) && cluster_told(&o));
	way_set(1, ANSWERED);
	stream_says("{\"Type\":\"container\",\"Action\":\"start\","
		    "\"Actor\":{\"ID\":\"c1\"}}\n",
		    false);
	WAIT(known(&o, 1));
	way_set(0, GONE);
	stream_says("{\"Type\":\"container\",\"Action\":\"die\","
		    "\"Actor\":{\"ID\":\"c0\"}}\n",
		    false);
	WAIT(!known(&o, 0));
	end(&o);
}

/* Ten that dockerd holds: the eleventh's name is told before they all had their time. */
static void one_that_is_held_holds_up_nobody(void **state)
{
	struct timespec start;
	struct one o;

	(void)state;
	for (unsigned int i = 0; i < 10; i++)
		way_set(i, HELD);
	way_set(10, ANSWERED);
	begin(&o);
	clock_gettime(CLOCK_MONOTONIC, &start);
	WAIT(known(&o, 10));
	assert_true(test_ms_since(&start) < 8000); /* not 10 s */
	way_set(4, ANSWERED);
	stream_says("{\"Type\":\"container\",\"Action\":\"start\","
		    "\"Actor\":{\"ID\":\"c4\"}}\n",
		    false);
	WAIT(known(&o, 4));
	end(&o);
}

/* Asked to end, it does not ask about all the others first. */
static void ends_while_dockerd_holds_all(void **state)
{
	struct timespec start;
	struct one o;

	(void)state;
	begin(&o);
	WAIT(cluster_told(&o));
	for (unsigned int i = 0; i < MAX; i++)
		way_set(i, HELD);
	stream_says("{\"Type\"", true); /* all is asked for again */
	WAIT(streams() > 1);
	test_pause_ms(200);
	clock_gettime(CLOCK_MONOTONIC, &start);
	follow_free(o.follow);
	o.follow = NULL;
	assert_true(test_ms_since(&start) < 12000); /* not 16 s */
	end(&o);
}

/* What an earlier life told the cluster is replaced when all are known, not before. */
static void half_is_not_told_to_the_cluster(void **state)
{
	const enum way ways[] = { HELD, HEAD, BROKEN };
	struct one o;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		for (unsigned int c = 0; c < 8; c++)
			way_set(c, ANSWERED);
		way_set(3, ways[i]);
		begin(&o);
		WAIT(known(&o, 7)); /* the list's last is asked about first */
		test_pause_ms(1500);
		assert_false(cluster_told(&o));
		way_set(3, ANSWERED);
		WAIT(cluster_told(&o));
		for (unsigned int c = 0; c < 8; c++)
			assert_true(known(&o, c));
		end(&o);
	}
}

/* In the middle of a line, or with one that is none. */
static void a_stream_that_breaks_is_opened_again(void **state)
{
	static const char *const last[] = { "{\"Type\":\"contai", "{]\n", "\n",
					    "" };
	unsigned int had;
	struct one o;

	(void)state;
	begin(&o);
	WAIT(cluster_told(&o));
	for (unsigned int i = 0; i < ARRAY_SIZE(last); i++) {
		had = streams();
		way_set(i, ANSWERED); /* and no event says so */
		if (*last[i])
			stream_says(last[i], true);
		else
			stream_says("{}\n", true);
		WAIT(streams() > had);
		WAIT(known(&o, i));
	}
	end(&o);
}

static int up(void **state)
{
	static int fds[2];
	pthread_t t;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(docker, sizeof(docker), "%s/docker.sock", dir);
	snprintf(overlay, sizeof(overlay), "%s/berth-overlay.sock", dir);
	fds[0] = listen_at(docker);
	fds[1] = listen_at(overlay);
	for (int i = 0; i < 2; i++) {
		if (pthread_create(&t, NULL, serve, &fds[i]) != 0)
			return -1;
		pthread_detach(t);
	}
	return 0;
}

static int down(void **state)
{
	(void)state;
	test_rmdir(dir);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_come_and_go),
		cmocka_unit_test(one_that_is_held_holds_up_nobody),
		cmocka_unit_test(ends_while_dockerd_holds_all),
		cmocka_unit_test(half_is_not_told_to_the_cluster),
		cmocka_unit_test(a_stream_that_breaks_is_opened_again),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, up, down);
}
