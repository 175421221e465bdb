/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor's loop: one epoll, one event a turn, then what is due. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "lib/base.h"
#include "lib/clock.h"
#include "netctl/sup_priv.h"

/* Without a child or a client: nobody wants us, or nobody has come yet. */
#define IDLE_MS  500
#define BIRTH_MS 5000
#define LOOK_MS  1000 /* at the sockets' files */

int sup_watch(struct sup *s, int fd, enum sup_source src, size_t slot)
{
	struct epoll_event ev = { .events = EPOLLIN,
				  .data.u64 = (uint64_t)src << 32 | slot };

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

/* ---- before the loop ----------------------------------------------------- */

/* A clean end empties the file: a pid in it is of one that was killed. */
static int take_lock(struct sup *s, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -EBADF;
	char pid[16];
	int n;

	if (asprintf(&path, "%s/lock", s->dir) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? err_set(err, -EBUSY,
					 "a supervisor runs already in %s",
					 s->dir)
			       : err_set(err, -errno, "%s: %s", path,
					 strerror(errno));
	s->took_over = pread(fd, pid, sizeof(pid), 0) > 0;
	n = snprintf(pid, sizeof(pid), "%d\n", getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n)
		return err_set(err, -errno, "cannot write %s: %s", path,
			       strerror(errno));
	s->lock_fd = take_fd(fd);
	return 0;
}

static int open_notify(struct sup *s, struct err *err)
{
	int one = 1;

	s->notify_fd = sup_listen(s->notify_path, SOCK_DGRAM, err);
	if (s->notify_fd < 0)
		return s->notify_fd;
	if (setsockopt(s->notify_fd, SOL_SOCKET, SO_PASSCRED, &one,
		       sizeof(one)) < 0)
		return err_set(err, -errno, "SO_PASSCRED: %s", strerror(errno));
	return 0;
}

int sup_prepare(struct sup *s, struct err *err)
{
	int r;

	s->lock_fd = s->epoll_fd = s->signal_fd = -EBADF;
	s->ctl_fd = s->notify_fd = -EBADF;
	for (size_t i = 0; i < SUP_CLIENTS; i++)
		s->clients[i].fd = -EBADF;
	r = sup_mkdirs(s->run_dir, 0755, err);
	if (r == 0)
		r = sup_mkdirs(s->dir, 0700, err);
	if (r == 0)
		r = sup_mkdirs(s->plugin_dir, 0755, err);
	if (r == 0)
		r = take_lock(s, err);
	if (r == 0)
		r = open_notify(s, err);
	if (r < 0)
		return r;
	s->ctl_fd = sup_listen(s->ctl_path, SOCK_SEQPACKET, err);
	return s->ctl_fd < 0 ? s->ctl_fd : 0;
}

/* ---- events -------------------------------------------------------------- */

static void stop_all(struct sup *s)
{
	s->quit = true;
	for (size_t i = 0; i < SUP_CHILDREN; i++)
		if (s->children[i].state != SUP_NONE)
			sup_child_leave(&s->children[i]);
}

static void on_signal(struct sup *s)
{
	struct signalfd_siginfo si;

	if (read(s->signal_fd, &si, sizeof(si)) != sizeof(si))
		return;
	/* A hang-up ends what belongs to a terminal; the other has none. */
	if (si.ssi_signo == SIGHUP && !s->foreground)
		return;
	stop_all(s);
}

/* The sender's pid comes from the kernel: no other process can say READY. */
static void on_notify(struct sup *s)
{
	char text[1024], control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct ucred sender = { 0 };
	ssize_t n = recvmsg(s->notify_fd, &msg, MSG_DONTWAIT);

	if (n <= 0)
		return;
	text[n] = '\0';
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c;
	     c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET &&
		    c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&sender, CMSG_DATA(c), sizeof(sender));
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strcmp(line, "READY=1") != 0)
			continue;
		for (size_t i = 0; i < SUP_CHILDREN; i++)
			if (s->children[i].state != SUP_NONE &&
			    s->children[i].pid == sender.pid)
				sup_child_on_ready(&s->children[i]);
	}
}

static void on_event(struct sup *s, uint64_t data)
{
	size_t slot = (size_t)(data & 0xffffffff);

	switch ((enum sup_source)(data >> 32)) {
	case SUP_SRC_SIGNAL:
		on_signal(s);
		break;
	case SUP_SRC_CTL:
		sup_ctl_accept(s);
		break;
	case SUP_SRC_NOTIFY:
		on_notify(s);
		break;
	case SUP_SRC_CLIENT:
		sup_ctl_on_client(s, &s->clients[slot]);
		break;
	case SUP_SRC_EXIT:
		sup_child_on_exit(s, &s->children[slot]);
		break;
	case SUP_SRC_OUTPUT:
		sup_child_on_output(&s->children[slot]);
		break;
	default:
		break;
	}
}

static bool has_timer(const struct sup_child *c)
{
	return c->state == SUP_WAIT || c->state == SUP_BACKOFF ||
	       c->state == SUP_STOPPING;
}

static uint64_t idle_until(const struct sup *s)
{
	return s->idle_since_ms + (s->served ? IDLE_MS : BIRTH_MS);
}

/* Milliseconds until something is due; -1: nothing is. */
static int next_due(const struct sup *s)
{
	uint64_t due = UINT64_MAX, now = clock_mono_ms();
	bool idle = true;

	for (size_t i = 0; i < SUP_CHILDREN; i++) {
		idle = idle && s->children[i].state == SUP_NONE;
		if (has_timer(&s->children[i]) && s->children[i].due_ms < due)
			due = s->children[i].due_ms;
		if (s->children[i].state != SUP_NONE && s->look_ms < due)
			due = s->look_ms;
	}
	for (size_t i = 0; i < SUP_CLIENTS; i++) {
		idle = idle && !s->clients[i].used;
		if (s->clients[i].used && s->clients[i].due_ms < due)
			due = s->clients[i].due_ms;
	}
	if (idle && idle_until(s) < due)
		due = idle_until(s);
	if (due == UINT64_MAX)
		return -1;
	return due > now ? (int)(due - now) : 0;
}

/* Return: false when there is nothing left to be here for. */
static bool do_due(struct sup *s)
{
	uint64_t now = clock_mono_ms();
	bool children = false, clients = false, look = now >= s->look_ms;

	if (look)
		s->look_ms = now + LOOK_MS;
	for (size_t i = 0; i < SUP_CHILDREN; i++) {
		struct sup_child *c = &s->children[i];

		if (look && c->state != SUP_NONE)
			sup_child_look(s, c);
		if (has_timer(c) && now >= c->due_ms)
			sup_child_on_time(s, c);
	}
	sup_ctl_settle(s);
	for (size_t i = 0; i < SUP_CHILDREN; i++)
		children = children || s->children[i].state != SUP_NONE;
	for (size_t i = 0; i < SUP_CLIENTS; i++)
		clients = clients || s->clients[i].used;
	if (children)
		s->idle_since_ms = now;
	if (s->quit || s->first_failed)
		return children;
	return children || clients || now < idle_until(s);
}

static int start_loop(struct sup *s, struct err *err)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	(void)signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->epoll_fd < 0 || s->signal_fd < 0)
		return err_set(err, -errno, "epoll: %s", strerror(errno));
	r = sup_watch(s, s->signal_fd, SUP_SRC_SIGNAL, 0);
	if (r == 0)
		r = sup_watch(s, s->ctl_fd, SUP_SRC_CTL, 0);
	if (r == 0)
		r = sup_watch(s, s->notify_fd, SUP_SRC_NOTIFY, 0);
	return r < 0 ? err_set(err, r, "epoll: %s", strerror(-r)) : 0;
}

int sup_run(struct sup *s, json_object *first, struct err *err)
{
	struct epoll_event ev;
	bool told = false;
	int r = start_loop(s, err);

	if (r < 0)
		return r;
	s->born_ms = s->idle_since_ms = clock_mono_ms();
	if (first)
		sup_ctl_first(s, first);
	while (do_due(s)) {
		if (first && !told && !s->first_failed && !s->clients[0].used) {
			(void)sd_notify(0, "READY=1");
			told = true;
		}
		r = epoll_wait(s->epoll_fd, &ev, 1, next_due(s));
		if (r < 0 && errno != EINTR)
			return err_set(err, -errno, "epoll_wait: %s",
				       strerror(errno));
		if (r == 1)
			on_event(s, ev.data.u64);
		if (s->first_failed)
			stop_all(s);
	}
	return s->first_failed;
}

void sup_fini(struct sup *s)
{
	if (s->ctl_fd >= 0)
		(void)unlink(s->ctl_path);
	if (s->notify_fd >= 0)
		(void)unlink(s->notify_path);
	/* Failing that, the next one only waits a little longer. */
	if (s->lock_fd >= 0 && ftruncate(s->lock_fd, 0) < 0)
		fprintf(stderr, "netctl: %s/lock: %s\n", s->dir,
			strerror(errno));
	closep(&s->ctl_fd);
	closep(&s->notify_fd);
	closep(&s->epoll_fd);
	closep(&s->signal_fd);
	closep(&s->lock_fd);
	free(s->dir);
	free(s->plugin_dir);
	free(s->state_dir);
	free(s->run_dir);
	free(s->bpf_dir);
	free(s->cgroup);
	free(s->notify_path);
	free(s->ctl_path);
}
