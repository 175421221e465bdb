/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting in the foreground: signals on, bytes to and fro. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base.h"
#include "runtime/oci/tty.h"

/* One direction: nothing is read before what was read is written. */
struct way {
	int from, to; /* -1: at its end */
	size_t at, len;
	char buf[4096]; /* no more than a pipe takes at once (PIPE_BUF) */
};

struct front {
	pid_t pid;
	int signals, master;
	bool raw; /* our terminal is to be put back */
	struct way in, out;
	struct termios saved;
};

static void all_but_faults(sigset_t *set)
{
	sigfillset(set);
	sigdelset(set, SIGSEGV);
	sigdelset(set, SIGBUS);
	sigdelset(set, SIGFPE);
	sigdelset(set, SIGILL);
	sigdelset(set, SIGABRT);
}

void tty_block(void)
{
	sigset_t set;

	all_but_faults(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void front_fini(struct front *f)
{
	if (f->raw)
		tcsetattr(0, TCSANOW, &f->saved);
	closep(&f->signals);
}

static void copy_size(int master)
{
	struct winsize size;

	if (master >= 0 && ioctl(0, TIOCGWINSZ, &size) == 0)
		(void)ioctl(master, TIOCSWINSZ, &size); /* no size, no harm */
}

static void make_raw(struct front *f)
{
	struct termios raw;

	if (f->master < 0 || tcgetattr(0, &f->saved) < 0)
		return;
	raw = f->saved;
	cfmakeraw(&raw);
	f->raw = tcsetattr(0, TCSANOW, &raw) == 0;
	copy_size(f->master);
}

static bool is_full(const struct way *w)
{
	return w->at < w->len;
}

/* Return: 0; -1 when one side is at its end. */
static int way_fill(struct way *w)
{
	ssize_t n = read(w->from, w->buf, sizeof(w->buf));

	w->at = 0;
	w->len = n > 0 ? (size_t)n : 0;
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)) ? 0 : -1;
}

static int way_empty(struct way *w)
{
	ssize_t n = write(w->to, w->buf + w->at, w->len - w->at);

	w->at += n > 0 ? (size_t)n : 0;
	return n >= 0 || errno == EINTR || errno == EAGAIN ? 0 : -1;
}

/* As far as it goes without waiting for either side. */
static void way_step(struct way *w, short from, short to)
{
	int r = 0;

	if (w->from < 0)
		return;
	if (!is_full(w) && from)
		r = way_fill(w);
	else if (is_full(w) && to)
		r = way_empty(w);
	if (r < 0)
		*w = (struct way){ .from = -1, .to = -1 };
}

static struct pollfd reads(const struct way *w)
{
	return (struct pollfd){ .fd = is_full(w) ? -1 : w->from,
				.events = POLLIN };
}

static struct pollfd writes(const struct way *w)
{
	return (struct pollfd){ .fd = is_full(w) ? w->to : -1,
				.events = POLLOUT };
}

/* Return: 1 when the child ended; 0. */
static int on_signal(struct front *f, int *ret_status)
{
	struct signalfd_siginfo si;
	int status;

	if (read(f->signals, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return 0;
	switch (si.ssi_signo) {
	case SIGCHLD:
		if (waitpid(f->pid, &status, WNOHANG) != f->pid)
			return 0;
		*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status)
						  : WEXITSTATUS(status);
		return 1;
	case SIGWINCH:
		copy_size(f->master);
		return 0;
	case SIGPIPE:
	case SIGURG:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return 0;
	default:
		(void)kill(f->pid, (int)si.ssi_signo); /* not reaped: its own */
		return 0;
	}
}

/* What it wrote last; whoever reads our output is waited for. */
static void drain(struct way *w)
{
	while (w->from >= 0) {
		struct pollfd p[] = { reads(w), writes(w) };

		if (poll(p, 2, is_full(w) ? -1 : 0) <= 0)
			break;
		way_step(w, p[0].revents, p[1].revents);
	}
}

/* A program that doesn't read may not hold up what it writes, nor signals. */
static void begin_copy(struct front *f)
{
	int flags;

	if (f->master < 0)
		return;
	flags = fcntl(f->master, F_GETFL);
	if (flags >= 0)
		(void)fcntl(f->master, F_SETFL, flags | O_NONBLOCK);
	f->in = (struct way){ .from = 0, .to = f->master };
	f->out = (struct way){ .from = f->master, .to = 1 };
}

int tty_wait(pid_t pid, int master, struct err *err)
{
	_cleanup_(front_fini) struct front f = { .pid = pid,
						 .master = master,
						 .in = { .from = -1 },
						 .out = { .from = -1 },
						 .signals = -EBADF };
	int status = 0;
	sigset_t set;

	all_but_faults(&set);
	f.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (f.signals < 0)
		return err_set(err, -errno, "signalfd: %s", strerror(errno));
	make_raw(&f);
	begin_copy(&f);
	/* it may have ended before we looked */
	if (waitpid(pid, &status, WNOHANG) == pid) {
		drain(&f.out);
		return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
					   : WEXITSTATUS(status);
	}
	for (;;) {
		struct pollfd p[] = { { .fd = f.signals, .events = POLLIN },
				      reads(&f.in),
				      writes(&f.in),
				      reads(&f.out),
				      writes(&f.out) };

		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return err_set(err, -errno, "poll: %s",
				       strerror(errno));
		way_step(&f.in, p[1].revents, p[2].revents);
		way_step(&f.out, p[3].revents, p[4].revents);
		if ((p[0].revents & POLLIN) && on_signal(&f, &status)) {
			drain(&f.out);
			return status;
		}
	}
}
