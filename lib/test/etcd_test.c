// SPDX-License-Identifier: GPL-2.0-or-later
/* What the tests of etcd share. */
#include "lib/test/etcd_test.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define ARGS_MAX 48

static void pause_ms(unsigned int ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
			      .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

bool etcd_test_begin(void)
{
	struct ifreq lo = { .ifr_flags = IFF_UP };
	_cleanup_close_ int fd = -EBADF;

	signal(SIGPIPE, SIG_IGN);
	if (access("/usr/bin/etcd", X_OK) < 0) {
		print_message("SKIP: there is no etcd\n");
		return false;
	}
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("SKIP: unshare: %s\n", strerror(errno));
		return false;
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(lo.ifr_name, "lo");
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	return true;
}

static void cluster_text(const struct etcd_servers *s, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < s->n; i++)
		len += (size_t)snprintf(buf + len, size - len,
					"%sm%u=http://127.0.0.1:%u",
					i ? "," : "", i, s->port + 2 * i + 1);
}

static pid_t start(struct etcd_servers *s, unsigned int i, const char *scheme,
		   const char *const *extra)
{
	char client[64], peer[64], dir[96], name[8], all[256], log[128];
	const char *args[ARGS_MAX] = {
		"etcd", "--name",
		name,   "--data-dir",
		dir,    "--listen-client-urls",
		client, "--advertise-client-urls",
		client, "--listen-peer-urls",
		peer,   "--initial-advertise-peer-urls",
		peer,   "--initial-cluster",
		all,    "--heartbeat-interval",
		"20",   "--election-timeout",
		"200",
	};
	size_t n = 19;
	pid_t pid;
	int fd;

	snprintf(client, sizeof(client), "%s://127.0.0.1:%u", scheme,
		 s->port + 2 * i);
	snprintf(peer, sizeof(peer), "http://127.0.0.1:%u",
		 s->port + 2 * i + 1);
	snprintf(dir, sizeof(dir), "%s/%u", s->dir, i);
	snprintf(log, sizeof(log), "%s/log%u", s->dir, i);
	snprintf(name, sizeof(name), "m%u", i);
	cluster_text(s, all, sizeof(all));
	for (; extra && *extra && n < ARGS_MAX - 1; extra++)
		args[n++] = *extra;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		execv("/usr/bin/etcd", (char *const *)(uintptr_t)args);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

void etcd_servers_start(struct etcd_servers *s, unsigned int n,
			const char *scheme, const char *const *extra)
{
	static unsigned int port = 20000;

	memset(s, 0, sizeof(*s));
	s->n = n;
	s->port = port;
	port += 10;
	strcpy(s->dir, "/tmp/berth-etcd-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	for (unsigned int i = 0; i < n; i++)
		s->pid[i] = start(s, i, scheme, extra);
}

void etcd_servers_again(struct etcd_servers *s, unsigned int i,
			const char *scheme, const char *const *extra)
{
	s->pid[i] = start(s, i, scheme, extra);
}

void etcd_servers_kill(struct etcd_servers *s, unsigned int i)
{
	if (s->pid[i] <= 0)
		return;
	kill(s->pid[i], SIGKILL);
	waitpid(s->pid[i], NULL, 0);
	s->pid[i] = 0;
}

void etcd_servers_stop(struct etcd_servers *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		etcd_servers_kill(s, i);
	test_rmdir(s->dir);
}

void etcd_servers_config(const struct etcd_servers *s, struct etcd_config *cfg)
{
	for (unsigned int i = 0; i < s->n; i++)
		snprintf(cfg->member[i], ETCD_MEMBER_LEN, "127.0.0.1:%u",
			 s->port + 2 * i);
	cfg->member_count = s->n;
}

void etcd_servers_ready(struct etcd_config *cfg)
{
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	struct err err = { 0 };
	int r = 0;

	assert_int_equal(etcd_open(cfg, &e, &err), 0);
	etcd_txn_put(t, "ready", "", 0);
	for (unsigned int i = 0; i < 400; i++) {
		r = etcd_txn_run(e, t, true, &res, &err);
		if (r == 0)
			break;
		pause_ms(25);
	}
	if (r < 0)
		fail_msg("etcd: %s", err.msg);
	etcd_result_clear(&res);
}

static void give(struct fake_server *s, int fd)
{
	static const char fill[4096] = { [0 ... 4095] = 'x' };
	size_t left = s->fill, len = strlen(s->raw);
	ssize_t n;

	for (size_t i = 0; s->slow_ms && i < len; i++) {
		if (send(fd, s->raw + i, 1, MSG_NOSIGNAL) < 0)
			return;
		pause_ms(s->slow_ms);
	}
	if (!s->slow_ms && send(fd, s->raw, len, MSG_NOSIGNAL) < 0)
		return;
	for (; left > 0; left -= (size_t)n) {
		n = send(fd, fill, left < sizeof(fill) ? left : sizeof(fill),
			 MSG_NOSIGNAL);
		if (n < 0)
			return;
	}
}

static void *serve(void *arg)
{
	struct fake_server *s = arg;
	char buf[4096];
	int fd;

	while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		s->served++;
		if (recv(fd, buf, sizeof(buf), 0) > 0)
			give(s, fd);
		shutdown(fd, SHUT_WR);
		while (!s->slow_ms && recv(fd, buf, sizeof(buf), 0) > 0)
			;
		close(fd);
	}
	return NULL;
}

void fake_server_start(struct fake_server *s)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(at);

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s->served = 0;
	assert_int_equal(bind(s->fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

void fake_server_stop(struct fake_server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

void etcd_test_put(struct etcd *e, const char *key, const char *value,
		   uint64_t lease)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	struct err err = { 0 };

	etcd_txn_put(t, key, value, lease);
	if (etcd_txn_run(e, t, true, &res, &err) < 0)
		fail_msg("%s", err.msg);
	etcd_result_clear(&res);
}
