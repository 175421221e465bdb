// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The monitor.  One loop a life of the container: its output goes to the log and then,
 * unread no further until that took it, to the client.
 */
#include "netctl/box/monitor.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/fdpass.h"
#include "netctl/box/console.h"
#include "netctl/box/life.h"
#include "netctl/box/log.h"
#include "netctl/box/restart.h"
#include "netctl/jget.h"

/* ---- output ------------------------------------------------------------------ */

/* Bytes of the container: into the log, then on to the client. */
struct way {
	int from; /* owned; -1: at its end */
	int to;   /* owned; -1: nobody */
	int stream;
	size_t at, len;
	char buf[4096];
};

struct monitor {
	const struct ctl *ctl;
	struct box *box;
	struct life life;
	struct box_log log;
	int signals;           /* owned */
	int client;            /* owned; -1: gone */
	int in_read, in_write; /* owned; the container's input */
	struct way ways[2];
	pid_t pid; /* of the container; 0: it has ended */
	int status;
};

static void close_fd(int *fd)
{
	closep(fd);
	*fd = -1;
}

static void way_read(struct monitor *m, struct way *w)
{
	ssize_t n = read(w->from, w->buf, sizeof(w->buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	/* a terminal without anybody says EIO */
	if (n <= 0) {
		close_fd(&w->from);
		return;
	}
	w->at = 0;
	w->len = w->to >= 0 ? (size_t)n : 0;
	/* a full disk costs the log, not the container */
	(void)box_log_write(&m->log, w->stream, w->buf, (size_t)n);
}

static void way_write(struct way *w)
{
	ssize_t n = write(w->to, w->buf + w->at, w->len - w->at);

	if (n >= 0)
		w->at += (size_t)n;
	else if (errno != EINTR && errno != EAGAIN) {
		close_fd(&w->to); /* the client is gone */
		w->at = w->len;
	}
}

static bool is_full(const struct way *w)
{
	return w->at < w->len;
}

static void ways_poll(struct monitor *m, struct pollfd p[static 2])
{
	for (int i = 0; i < 2; i++) {
		struct way *w = &m->ways[i];

		p[i] = is_full(w) ? (struct pollfd){ .fd = w->to,
						     .events = POLLOUT }
				  : (struct pollfd){ .fd = w->from,
						     .events = POLLIN };
	}
}

static void ways_step(struct monitor *m, const struct pollfd p[static 2])
{
	for (int i = 0; i < 2; i++) {
		struct way *w = &m->ways[i];

		if (p[i].fd < 0 || !p[i].revents)
			continue;
		if (is_full(w))
			way_write(w);
		else
			way_read(m, w);
	}
}

/* ---- the client ---------------------------------------------------------------- */

static void tell(struct monitor *m, enum monitor_what what, int code,
		 const char *text, int master)
{
	struct monitor_msg msg = { .what = what, .code = code };

	if (m->client < 0)
		return;
	snprintf(msg.text, sizeof(msg.text), "%s", text);
	/* gone is gone */
	(void)fdpass_send(m->client, &msg, sizeof(msg), &master, master >= 0);
}

int monitor_recv(int sock, struct monitor_msg *ret, int *ret_master)
{
	ssize_t n = fdpass_recv(sock, ret, sizeof(*ret), 0, ret_master, 1);

	return n == (ssize_t)sizeof(*ret) ? 0 : -EPIPE;
}

/* What it had of a first life is not there for a second. */
static void drop_client(struct monitor *m)
{
	close_fd(&m->client);
	close_fd(&m->ways[0].to);
	close_fd(&m->ways[1].to);
	close_fd(&m->in_read);
	close_fd(&m->in_write);
}

/* ---- a life ------------------------------------------------------------------------ */

/* The container's ends of pipes, closed in here once it has them. */
struct ends {
	int stdio[3];
	int listener;
};

static void ends_close(struct ends *e)
{
	for (int i = 0; i < 3; i++)
		closep(&e->stdio[i]);
	closep(&e->listener);
}

static int open_ends(struct monitor *m, bool tty, struct ends *e,
		     struct err *err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[2];

	*e = (struct ends){ .stdio = { null, -1, -1 }, .listener = -1 };
	if (null < 0)
		return err_set(err, -errno, "/dev/null: %s", strerror(errno));
	if (!tty && m->in_read >= 0) {
		close(null);
		e->stdio[0] = take_fd(m->in_read);
	}
	for (int i = 0; i < 2; i++) {
		m->ways[i].at = m->ways[i].len = 0;
		m->ways[i].stream = i ? BOX_STDERR : BOX_STDOUT;
		if (tty) {
			e->stdio[i + 1] = fcntl(null, F_DUPFD_CLOEXEC, 0);
			continue;
		}
		if (pipe2(fds, O_CLOEXEC) < 0)
			return err_set(err, -errno, "pipe: %s",
				       strerror(errno));
		m->ways[i].from = fds[0];
		e->stdio[i + 1] = fds[1];
	}
	return tty ? console_listen(m->box, &e->listener, err) : 0;
}

static int begin(struct monitor *m, bool first, struct err *err)
{
	_cleanup_(ends_close) struct ends e;
	bool tty = jget_bool(m->box->rec, "Tty");
	int master = -1;
	int r = open_ends(m, tty, &e, err);

	if (r == 0)
		r = life_start(&m->life, e.stdio, &m->pid, err);
	if (r == 0 && tty) {
		r = console_accept(e.listener, &master, err);
		if (r == 0)
			m->ways[0].from = master;
		else
			(void)life_end(&m->life, NULL);
	}
	console_drop(m->box);
	if (r < 0) {
		/* what the runtime wrote in there is in @err already */
		close_fd(&m->ways[0].from);
		close_fd(&m->ways[1].from);
		m->pid = 0;
	} else if (first) {
		tell(m, MONITOR_STARTED, 0, "", master);
	}
	return r;
}

static void ask_to_end(struct monitor *m)
{
	const char *const args[] = { "kill", m->box->id,
				     life_stop_signal(m->box->rec), NULL };

	(void)runtime_run(&m->life.rt, args, NULL, NULL, NULL);
}

/* The whole of the end of a host's session, or an administrator's "kill". */
static void on_term(struct monitor *m)
{
	(void)box_touch(m->box, BOX_STOP, NULL);
	if (m->pid)
		ask_to_end(m);
}

static void reap(struct monitor *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != m->pid)
			continue;
		m->pid = 0;
		m->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status)
						: WEXITSTATUS(status);
	}
}

static void on_signals(struct monitor *m)
{
	struct signalfd_siginfo si;

	while (read(m->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		if (si.ssi_signo == SIGTERM)
			on_term(m);
	reap(m);
}

static void watch(struct monitor *m)
{
	reap(m); /* it may have ended before we looked */
	while (m->pid) {
		struct pollfd p[4];
		int ms;

		ways_poll(m, p);
		p[2] = (struct pollfd){ .fd = m->signals, .events = POLLIN };
		ms = resolver_poll(m->life.resolver, &p[3]);
		if (poll(p, 4, ms) < 0)
			continue;
		ways_step(m, p);
		resolver_step(m->life.resolver, &p[3]);
		if (p[2].revents)
			on_signals(m);
	}
}

#define DRAIN_LOOK_MS 500

/*
 * All that was written, to a client as slow as it may be, unless somebody wants the end.
 * The container's processes are gone: where there is nothing to read now, nobody but a
 * stranger, who was handed the pipe, writes into it.
 */
static void drain(struct monitor *m)
{
	for (;;) {
		bool full = is_full(&m->ways[0]) || is_full(&m->ways[1]);
		struct pollfd p[3];
		int n;

		if (full && box_has(m->box, BOX_STOP))
			drop_client(m);
		for (int i = 0; i < 2; i++)
			if (m->ways[i].to < 0)
				m->ways[i].at = m->ways[i].len;
		ways_poll(m, p);
		if (p[0].fd < 0 && p[1].fd < 0)
			return;
		p[2] = (struct pollfd){ .fd = m->signals, .events = POLLIN };
		n = poll(p, 3, full ? DRAIN_LOOK_MS : 0);
		if (n == 0 && !full) {
			close_fd(&m->ways[0].from);
			close_fd(&m->ways[1].from);
		}
		if (n <= 0)
			continue;
		ways_step(m, p);
		if (p[2].revents)
			on_signals(m);
	}
}

static int finish(struct monitor *m, int code, const char *why, struct err *err)
{
	char when[BOX_TIME_MAX];
	int r = life_end(&m->life, err);

	box_number(m->box, "ExitCode", code);
	box_text(m->box, "Error", r < 0 ? err->msg : why);
	box_text(m->box, "Finished", box_now(when));
	return r;
}

/* Until the time has come, or somebody asks for the end. */
static void pause_for(struct monitor *m, unsigned int ms)
{
	_cleanup_close_ int look = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	uint64_t until = clock_mono_ms() + ms, now;
	char drop[1024];

	if (look >= 0)
		(void)inotify_add_watch(look, m->box->path, IN_CREATE);
	while (!box_has(m->box, BOX_STOP) && (now = clock_mono_ms()) < until) {
		struct pollfd p[] = {
			{ .fd = m->signals, .events = POLLIN },
			{ .fd = look, .events = POLLIN },
		};

		if (poll(p, 2, (int)(until - now)) <= 0)
			continue;
		if (p[0].revents)
			on_signals(m);
		while (look >= 0 && read(look, drop, sizeof(drop)) > 0)
			;
	}
}

/* Return: shall there be another one? */
static bool wait_for_next(struct monitor *m, unsigned int *pause, int code,
			  uint64_t ran_ms)
{
	const struct restart policy = {
		.name = jget_str(m->box->rec, "RestartName"),
		.max = jget_int(m->box->rec, "RestartMax"),
	};
	int64_t count = jget_int(m->box->rec, "RestartCount");

	if (!restart_due(&policy, count, code, box_has(m->box, BOX_STOP)))
		return false;
	box_set_state(m->box, BOX_RESTARTING);
	box_number(m->box, "RestartCount", count + 1);
	if (box_save(m->box, NULL) < 0)
		return false;
	*pause = restart_pause_ms(*pause, ran_ms);
	pause_for(m, *pause);
	return !box_has(m->box, BOX_STOP);
}

/* What a plugin that is away has of the last life is given back before the next begins,
 * however long that takes.  Return: false: somebody asked for the end. */
static bool give_back(struct monitor *m, unsigned int pause)
{
	struct err err = { 0 };

	while (!life_is_clean(m->box->rec) && life_end(&m->life, &err) < 0) {
		box_text(m->box, "Error", err.msg);
		if (box_has(m->box, BOX_STOP) || box_save(m->box, NULL) < 0)
			return false;
		pause = restart_pause_ms(pause, 0);
		pause_for(m, pause);
	}
	return !box_has(m->box, BOX_STOP);
}

static void end_record(struct monitor *m, bool clean)
{
	struct err err = { 0 };
	int r;

	if (clean && jget_bool(m->box->rec, "AutoRemove")) {
		box_set_state(m->box, BOX_REMOVING);
		r = box_save(m->box, &err);
		if (r == 0)
			r = life_remove(m->ctl, m->box, &err);
	} else {
		box_set_state(m->box, BOX_EXITED);
		r = box_save(m->box, &err);
	}
	if (r < 0)
		cli_warn("container %.12s: %s", m->box->id, err.msg);
}

static void run(struct monitor *m)
{
	unsigned int pause = 0;
	bool again = true;

	for (bool first = true; again; first = false) {
		struct err err = { 0 };
		uint64_t since = clock_mono_ms();
		int r = begin(m, first, &err), code, end;
		bool failed = r < 0;

		/* a "stop" that came while it was made found nobody to tell */
		if (!failed && box_has(m->box, BOX_STOP))
			ask_to_end(m);
		if (!failed)
			watch(m);
		code = failed ? life_exit_code(err.msg) : m->status;
		end = failed ? (life_is_clean(m->box->rec) ? 0 : -EIO) : 0;
		if (failed) {
			char when[BOX_TIME_MAX];

			box_number(m->box, "ExitCode", code);
			box_text(m->box, "Error", err.msg);
			box_text(m->box, "Finished", box_now(when));
		} else {
			end = finish(m, code, "", &err);
		}
		drain(m);
		again = !(first && failed) &&
			jget_str(m->box->rec, "RestartName")[0] != 'n';
		if (!again)
			end_record(m, end == 0);
		if (first) {
			tell(m, failed ? MONITOR_FAILED : MONITOR_EXITED, code,
			     err.msg, -1);
			drop_client(m);
		}
		if (again) {
			again = wait_for_next(m, &pause, code,
					      clock_mono_ms() - since) &&
				give_back(m, pause);
			if (!again)
				end_record(m, life_is_clean(m->box->rec));
		}
	}
}

/* ---- becoming one ------------------------------------------------------------------- */

/* Nothing of the caller's stays open: not its pipes, nor its terminal. */
static void keep_only(const int *keep, size_t n)
{
	unsigned int from = 3;

	for (;;) {
		unsigned int next = ~0u;

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= (int)from &&
			    (unsigned int)keep[i] < next)
				next = (unsigned int)keep[i];
		if (next == ~0u) {
			(void)close_range(from, ~0u, 0);
			return;
		}
		if (next > from)
			(void)close_range(from, next - 1, 0);
		from = next + 1;
	}
}

static int settle_in(struct monitor *m, struct err *err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = openat(m->box->dir, "monitor.log",
			 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	sigset_t all;

	if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
	    dup2(log, 2) < 0)
		return err_set(err, -errno, "the monitor: %s", strerror(errno));
	close(null);
	close(log);
	(void)setsid();
	(void)umask(
		022); /* the caller's is not for what is made in the container */
	(void)prctl(PR_SET_NAME, "netctl-monitor");
	sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	m->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m->signals < 0 || chdir("/") < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_set(err, -errno, "the monitor: %s", strerror(errno));
	return box_log_open(m->box->dir, BOX_LOG_SIZE, &m->log, err);
}

static void monitor_main(struct monitor *m)
{
	const int keep[] = { m->box->dir,  m->box->lock, m->client,
			     m->in_read,   m->in_write,  m->ways[0].to,
			     m->ways[1].to };
	struct err err = { 0 };
	int r;

	keep_only(keep, ARRAY_SIZE(keep));
	r = settle_in(m, &err);
	if (r == 0)
		r = FAILPOINT("monitor.began");
	if (r == 0)
		r = runtime_find(m->ctl, &m->life.rt, &err);
	if (r == 0) {
		run(m);
		return;
	}
	box_number(m->box, "ExitCode", 125);
	box_text(m->box, "Error", err.msg);
	end_record(m, true);
	tell(m, MONITOR_FAILED, 125, err.msg, -1);
}

struct pipes {
	int sock[2], in[2], out[2], err[2];
};

static void pipes_close(struct pipes *p)
{
	int *const all[] = { p->sock, p->in, p->out, p->err };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		closep(&all[i][0]);
		closep(&all[i][1]);
	}
}

static int open_pipes(struct pipes *p, bool input, bool output, struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->sock) <
		    0 ||
	    (input && pipe2(p->in, O_CLOEXEC) < 0) ||
	    (output &&
	     (pipe2(p->out, O_CLOEXEC) < 0 || pipe2(p->err, O_CLOEXEC) < 0)))
		return err_set(err, -errno, "pipe: %s", strerror(errno));
	for (int i = 0; i < 2 && output; i++)
		(void)fcntl(i ? p->err[1] : p->out[1], F_SETFL, O_NONBLOCK);
	return 0;
}

int monitor_spawn(const struct ctl *ctl, struct box *b, bool output, bool input,
		  struct monitor_client *ret, struct err *err)
{
	_cleanup_(pipes_close) struct pipes p = { .sock = { -1, -1 },
						  .in = { -1, -1 },
						  .out = { -1, -1 },
						  .err = { -1, -1 } };
	bool in = jget_bool(b->rec, "Stdin") && !jget_bool(b->rec, "Tty");
	int r = open_pipes(&p, in, output, err);
	pid_t pid;

	if (r == 0)
		r = FAILPOINT("monitor.forked");
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "cannot make a process: %s",
			       strerror(errno));
	if (pid == 0) {
		struct monitor m = {
			.ctl = ctl,
			.box = b,
			.life = { .ctl = ctl, .box = b },
			.log = { .fd = -1 },
			.client = p.sock[1],
			.in_read = p.in[0],
			/* with nobody to write, it waits all the same */
			.in_write = input ? -1 : p.in[1],
			.ways = { { .from = -1, .to = p.out[1] },
				  { .from = -1, .to = p.err[1] } },
		};

		/* a child of nobody who ends before it */
		pid = fork();
		if (pid == 0)
			monitor_main(&m);
		_exit(pid < 0 ? 1 : 0);
	}
	(void)waitpid(pid, NULL, 0);
	box_free(b);
	ret->sock = take_fd(p.sock[0]);
	ret->out = take_fd(p.out[0]);
	ret->err = take_fd(p.err[0]);
	ret->in = -1;
	if (input)
		ret->in = take_fd(p.in[1]);
	return 0;
}

void monitor_close(struct monitor_client *c)
{
	close_fd(&c->sock);
	close_fd(&c->out);
	close_fd(&c->err);
	close_fd(&c->in);
}
