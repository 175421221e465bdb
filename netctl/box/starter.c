// SPDX-License-Identifier: GPL-2.0-or-later
/* A monitor's client: its signals, and what it is told. */
#include "netctl/box/starter.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "netctl/box/front.h"
#include "netctl/box/life.h"

#define KILLED_MS 5000

void starter_dirs_free(struct starter_dirs *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(d->v); i++)
		free(take_ptr(d->v[i]));
}

int starter_from_the_root(struct ctl *ctl, struct starter_dirs *d,
			  struct err *err)
{
	const char **const dirs[] = { &ctl->plugin_dir, &ctl->state_dir,
				      &ctl->run_dir, &ctl->bpf_dir };

	_Static_assert(ARRAY_SIZE(dirs) == ARRAY_SIZE(d->v), "one each");
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		d->v[i] = cli_absolute(*dirs[i]);
		if (!d->v[i])
			return err_set(err, -ENOMEM, "out of memory");
		*dirs[i] = d->v[i];
	}
	return 0;
}

/* The monitor's lock goes a moment after its socket. */
static void after_killed(const struct starter *c)
{
	struct box b;

	if (box_open(c->ctl, c->id, &b, NULL) == 0) {
		(void)box_wait(&b, KILLED_MS);
		box_free(&b);
	}
	life_settle(c->ctl);
}

/* ---- ^C while it is made: it shall not begin, and if it has, end ------------------ */

int starter_signals(struct starter *c, struct err *err)
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction now;
	sigset_t set;
	int r;

	sigemptyset(&set);
	/* what nohup or a shell's "&" ignores for us ends nothing */
	for (size_t k = 0; k < ARRAY_SIZE(ending); k++)
		if (sigaction(ending[k], NULL, &now) == 0 &&
		    now.sa_handler != SIG_IGN)
			sigaddset(&set, ending[k]);
	(void)sigprocmask(SIG_BLOCK, &set, &c->before);
	c->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c->signals >= 0)
		return 0;
	r = -errno;
	(void)sigprocmask(SIG_SETMASK, &c->before, NULL);
	return err_set(err, r, "signalfd: %s", strerror(-r));
}

/* Return: -EINTR: the second one: who sends it does not want to wait. */
static int on_interrupt(struct starter *c)
{
	struct signalfd_siginfo si;
	struct box b;

	if (read(c->signals, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return 0;
	if (c->got)
		return -EINTR;
	c->got = (int)si.ssi_signo;
	if (box_open(c->ctl, c->id, &b, NULL) < 0)
		return 0; /* it has ended already */
	(void)box_touch(&b, BOX_STOP, NULL);
	box_free(&b);
	return 0;
}

/* Return: 0; -EPIPE: the monitor is gone; -EINTR: as on_interrupt(); -ETIMEDOUT. */
static int next_message(struct starter *c, int timeout_ms,
			struct monitor_msg *ret, int *ret_master)
{
	struct pollfd p[] = { { .fd = c->ends.sock, .events = POLLIN },
			      { .fd = c->signals, .events = POLLIN } };
	int r = 0;

	while (r == 0) {
		int n = poll(p, ARRAY_SIZE(p), timeout_ms);

		if (n == 0)
			return -ETIMEDOUT;
		if (n > 0 && p[0].revents)
			return monitor_recv(c->ends.sock, ret, ret_master);
		if (n > 0)
			r = on_interrupt(c);
	}
	return r;
}

/* It began all the same.  Until it has ended, or its monitor is at work alone. */
static void end_begun(struct starter *c)
{
	const char *const args[] = { "kill", c->id, "KILL", NULL };
	struct runtime rt = { 0 };
	struct monitor_msg msg;
	int master = -1;

	if (runtime_find(c->ctl, &rt, NULL) == 0)
		(void)runtime_run(&rt, args, NULL, NULL, NULL);
	runtime_free(&rt);
	closep(&c->ends.out); /* nobody reads what it says */
	closep(&c->ends.err);
	c->ends.out = c->ends.err = -1;
	(void)next_message(c, KILLED_MS, &msg, &master);
	closep(&master);
}

/* ---- one start ------------------------------------------------------------------- */

int starter_open(const struct ctl *ctl, struct box *b, bool output, bool input,
		 struct starter *c, struct err *err)
{
	c->ctl = ctl;
	snprintf(c->id, sizeof(c->id), "%s", b->id);
	return monitor_spawn(ctl, b, output, input, &c->ends, err);
}

void starter_close(struct starter *c)
{
	monitor_close(&c->ends);
	closep(&c->master);
	c->master = -1;
	if (c->signals < 0)
		return;
	closep(&c->signals);
	c->signals = -1;
	(void)sigprocmask(SIG_SETMASK, &c->before, NULL);
}

int starter_begun(struct starter *c, struct err *err)
{
	struct monitor_msg msg;
	int r = next_message(c, -1, &msg, &c->master);

	if (r == -EINTR)
		return 128 + c->got; /* the monitor does the rest */
	if (r < 0) {
		after_killed(c);
		return err_set(err, -ECONNRESET,
			       "the container's monitor was killed before it "
			       "had started anything");
	}
	if (msg.what == MONITOR_STARTED && !c->got)
		return 0;
	if (msg.what == MONITOR_STARTED)
		end_begun(c);
	if (c->got)
		return 128 + c->got;
	(void)err_set(err, -ECHILD, "%s", msg.text);
	return msg.code;
}

int starter_stay(struct starter *c, bool input, struct err *err)
{
	struct runtime rt = { 0 };
	int r = runtime_find(c->ctl, &rt, err);

	if (r == 0)
		r = front_wait(&c->ends, take_fd(c->master), input, &rt, c->id,
			       err);
	runtime_free(&rt);
	if (r == -EPIPE)
		after_killed(c);
	starter_done(c);
	return r;
}

void starter_done(struct starter *c)
{
	(void)sigprocmask(SIG_BLOCK, NULL, &c->before);
}
