// SPDX-License-Identifier: GPL-2.0-or-later
/* The client's end of a container's pipes. */
#include "netctl/box/front.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>

struct front {
	struct monitor_client *c;
	const struct runtime *rt;
	const char *id;
	int signals; /* owned */
	int master;  /* owned; -1: no terminal */
	int to;      /* borrowed: where input goes; -1: nowhere */
	size_t at, len;
	char buf[4096];
	bool raw; /* our terminal is to be put back */
	struct termios saved;
	bool exited;
	int code;
};

static void front_fini(struct front *f)
{
	if (f->raw)
		(void)tcsetattr(0, TCSANOW, &f->saved);
	closep(&f->signals);
	closep(&f->master);
}

static void copy_size(int master)
{
	struct winsize size;

	if (ioctl(0, TIOCGWINSZ, &size) == 0)
		(void)ioctl(master, TIOCSWINSZ, &size);
}

static void open_terminal(struct front *f, bool input)
{
	struct termios raw;

	if (f->master < 0)
		return;
	copy_size(f->master);
	if (!input || tcgetattr(0, &f->saved) < 0)
		return;
	raw = f->saved;
	cfmakeraw(&raw);
	f->raw = tcsetattr(0, TCSANOW, &raw) == 0;
}

static int open_signals(struct front *f, struct err *err)
{
	sigset_t set;

	/* who reads no further is seen by the write; a terminal is put back */
	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (size_t i = 0; i < 8; i++)
		sigaddset(&set, (const int[]){ SIGINT, SIGTERM, SIGHUP, SIGQUIT,
					       SIGUSR1, SIGUSR2, SIGWINCH,
					       SIGALRM }[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	f->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return f->signals < 0
		       ? err_set(err, -errno, "signalfd: %s", strerror(errno))
		       : 0;
}

static void on_signal(struct front *f)
{
	struct signalfd_siginfo si;
	char number[16];
	const char *const args[] = { "kill", f->id, number, NULL };

	while (read(f->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGWINCH) {
			if (f->master >= 0)
				copy_size(f->master);
			continue;
		}
		snprintf(number, sizeof(number), "%u", si.ssi_signo);
		/* one that has ended needs none */
		(void)runtime_run(f->rt, args, NULL, NULL, NULL);
	}
}

static int pass_on(int *from, int to)
{
	char buf[65536];
	ssize_t n = read(*from, buf, sizeof(buf));

	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0) {
		closep(from);
		*from = -1;
		return 0;
	}
	for (ssize_t done = 0; done < n;) {
		ssize_t w = write(to, buf + done, (size_t)(n - done));

		if (w < 0 && errno != EINTR)
			return -errno;
		done += w > 0 ? w : 0;
	}
	return 0;
}

static void end_input(struct front *f)
{
	f->to = -1;
	f->at = f->len = 0;
	closep(&f->c->in);
	f->c->in = -1;
}

static void step_input(struct front *f, const struct pollfd *p)
{
	ssize_t n;

	if (!p->revents)
		return;
	if (f->at < f->len) {
		n = write(f->to, f->buf + f->at, f->len - f->at);
		if (n > 0)
			f->at += (size_t)n;
		else if (errno != EINTR && errno != EAGAIN)
			end_input(f);
		return;
	}
	n = read(0, f->buf, sizeof(f->buf));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		end_input(f);
		return;
	}
	f->at = 0;
	f->len = (size_t)n;
}

static struct pollfd input_poll(const struct front *f)
{
	if (f->to < 0)
		return (struct pollfd){ .fd = -1 };
	if (f->at < f->len)
		return (struct pollfd){ .fd = f->to, .events = POLLOUT };
	return (struct pollfd){ .fd = 0, .events = POLLIN };
}

static int on_message(struct front *f, struct err *err)
{
	struct monitor_msg msg;
	int master, r = monitor_recv(f->c->sock, &msg, &master);

	closep(&master);
	if (r < 0)
		return err_set(err, r,
			       "the container's monitor was killed, and the "
			       "container with it");
	if (msg.what == MONITOR_EXITED) {
		f->exited = true;
		f->code = msg.code;
		closep(&f->c->sock);
		f->c->sock = -1;
	}
	return 0;
}

static int loop(struct front *f, struct err *err)
{
	int r = 0;

	while (r == 0 && (!f->exited || f->c->out >= 0 || f->c->err >= 0)) {
		struct pollfd p[] = {
			{ .fd = f->c->out, .events = POLLIN },
			{ .fd = f->c->err, .events = POLLIN },
			{ .fd = f->c->sock, .events = POLLIN },
			{ .fd = f->signals, .events = POLLIN },
			input_poll(f),
		};

		if (poll(p, ARRAY_SIZE(p), -1) < 0)
			continue;
		if (p[0].revents)
			r = pass_on(&f->c->out, 1);
		if (r == 0 && p[1].revents)
			r = pass_on(&f->c->err, 2);
		if (r < 0)
			return err_set(err, r, "the output: %s", strerror(-r));
		if (p[3].revents)
			on_signal(f);
		step_input(f, &p[4]);
		if (p[2].revents)
			r = on_message(f, err);
	}
	return r < 0 ? r : f->code;
}

int front_wait(struct monitor_client *c, int master, bool input,
	       const struct runtime *rt, const char *id, struct err *err)
{
	_cleanup_(front_fini) struct front f = {
		.c = c,
		.rt = rt,
		.id = id,
		.signals = -1,
		.master = master,
		.to = !input        ? -1
		      : master >= 0 ? master
				    : c->in,
	};
	int r = open_signals(&f, err), flags;

	if (r < 0)
		return r;
	open_terminal(&f, input);
	flags = f.to >= 0 ? fcntl(f.to, F_GETFL) : -1;
	if (flags >= 0)
		(void)fcntl(f.to, F_SETFL, flags | O_NONBLOCK);
	return loop(&f, err);
}
