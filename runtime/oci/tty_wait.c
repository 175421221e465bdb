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

struct front {
	pid_t pid;
	int signals, master;
	bool raw, input; /* our terminal is to be put back; stdin is open */
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

/* Return: bytes; 0 at the end. */
static ssize_t copy(int from, int to)
{
	char buf[4096];
	ssize_t n = read(from, buf, sizeof(buf)), done = 0, w;

	while (n > 0 && done < n) {
		w = write(to, buf + done, (size_t)(n - done));
		if (w < 0 && errno != EINTR && errno != EAGAIN)
			return 0;
		done += w > 0 ? w : 0;
	}
	return n > 0 ? n : 0;
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

/* What it wrote last. */
static void drain(int master)
{
	struct pollfd p = { .fd = master, .events = POLLIN };

	while (master >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLIN) &&
	       copy(master, 1) > 0)
		;
}

int tty_wait(pid_t pid, int master, struct err *err)
{
	_cleanup_(front_fini) struct front f = {
		.pid = pid, .master = master, .input = true, .signals = -EBADF
	};
	int status = 0;
	sigset_t set;

	all_but_faults(&set);
	f.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (f.signals < 0)
		return err_set(err, -errno, "signalfd: %s", strerror(errno));
	make_raw(&f);
	/* it may have ended before we looked */
	if (waitpid(pid, &status, WNOHANG) == pid) {
		drain(f.master);
		return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
					   : WEXITSTATUS(status);
	}
	for (;;) {
		struct pollfd p[3] = {
			{ .fd = f.signals, .events = POLLIN },
			{ .fd = f.master, .events = POLLIN },
			{ .fd = f.master >= 0 && f.input ? 0 : -1,
			  .events = POLLIN },
		};

		if (poll(p, 3, -1) < 0 && errno != EINTR)
			return err_set(err, -errno, "poll: %s",
				       strerror(errno));
		if (p[1].revents && copy(f.master, 1) == 0)
			f.master = -EBADF; /* hung up: the caller closes it */
		if (p[2].revents && copy(0, f.master) == 0)
			f.input = false;
		if ((p[0].revents & POLLIN) && on_signal(&f, &status)) {
			drain(f.master);
			return status;
		}
	}
}
