/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl top: what passes now, by network, endpoint and published port. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/clock.h"
#include "lib/jdec.h"
#include "lib/nlk.h"
#include "netctl/askers.h"
#include "netctl/cmds.h"
#include "netctl/docker.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/top/draw.h"
#include "netctl/top/rows.h"
#include "netctl/top/screen.h"

#define DAEMONS_MAX  8
#define DELAY_MIN_MS 100
#define DELAY_MAX_MS 3600000
#define GRACE_MS     500  /* a look waits so long for answers, */
#define FIRST_MS     2500 /* the first one, and for names */
#define LATE_MS      2000 /* a daemon that takes longer is told */
#define NAMES_MS     3000 /* names are asked for every so often */

/* What the askers' threads use: as long as one of them asks, it stays. */
struct asking {
	struct ctl ctl; /* what it points to are arguments, the environment */
	struct question questions[DAEMONS_MAX + 1]; /* the last: of names */
};

struct top {
	struct ctl *ctl;
	struct nlk *nlk;       /* owned */
	struct askers *askers; /* owned */
	struct asking
		*asking; /* owned, by a thread that hangs where one does */
	size_t daemons;
	bool heard[DAEMONS_MAX]; /* it answered once */
	uint64_t names_ms;       /* when they were asked for */
	struct top_rows rows, was;
	char problems[TOP_PROBLEMS_MAX][ERR_MSG_MAX];
	size_t problem_count;
	time_t now;
	enum top_sort sort;
	long looks; /* to be shown; 0: no end */
	bool live, stop;
	struct screen screen;
	int signals; /* signalfd; owned */
};

static void top_fini(struct top *t)
{
	screen_leave(&t->screen);
	if (!t->askers || !askers_busy(t->askers, t->daemons + 1)) {
		askers_stop(t->askers);
		free(t->asking);
	}
	top_rows_fini(&t->rows);
	top_rows_fini(&t->was);
	nlk_close(t->nlk);
	closep(&t->signals);
}

/* ---- asking ------------------------------------------------------------------------ */

static int ask_daemon(void *ctx, const void *arg, void **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	json_object *answer = NULL, *on = json_object_new_boolean(true);
	int r;

	if (!body || json_object_object_add(body, "Stats", on) < 0) {
		json_object_put(on);
		return err_set(err, -ENOMEM, "out of memory");
	}
	r = driver_call(ctx, arg, "Berth.Networks", body, &answer, err);
	*ret = answer;
	return r;
}

static int start_asking(struct top *t, struct err *err)
{
	struct question *q;

	t->asking = calloc(1, sizeof(*t->asking));
	if (!t->asking)
		return err_set(err, -ENOMEM, "out of memory");
	t->asking->ctl = *t->ctl;
	q = t->asking->questions;
	for (const struct driver *d = drivers; d->name; d++)
		if (d->kind == DRIVER_NETWORK && t->daemons < DAEMONS_MAX)
			q[t->daemons++] = (struct question){ .ask = ask_daemon,
							     .free = jput,
							     .arg = d->name };
	q[t->daemons] = docker_names_question;
	return askers_start(q, t->daemons + 1, &t->asking->ctl, &t->askers,
			    err);
}

static void ask_all(struct top *t)
{
	uint64_t now = clock_mono_ms();

	for (size_t i = 0; i < t->daemons; i++)
		askers_ask(t->askers, i);
	if (t->names_ms && now - t->names_ms < NAMES_MS)
		return;
	t->names_ms = now;
	askers_ask(t->askers, t->daemons);
}

/* ---- one look ------------------------------------------------------------------------ */

static void complain(struct top *t, const char *driver, const char *text)
{
	_cleanup_free_ char *safe = out_escape(text);

	if (t->problem_count == TOP_PROBLEMS_MAX)
		return;
	if (strncmp(text, driver, strlen(driver)) == 0)
		driver = "";
	snprintf(t->problems[t->problem_count++], ERR_MSG_MAX, "%s%s%s", driver,
		 *driver ? ": " : "", safe ? safe : "");
}

/* Return: is there an answer to be shown? */
static bool judge(struct top *t, size_t i, const struct asked *a)
{
	const char *driver = t->asking->questions[i].arg;
	char text[64];

	if (a->answer)
		t->heard[i] = true;
	if (a->busy_ms > LATE_MS) {
		snprintf(text, sizeof(text), "no answer for %u s",
			 (unsigned int)(a->busy_ms / 1000));
		complain(t, driver, text);
		return false;
	}
	if (a->r < 0 && (a->r != -ENOENT || t->heard[i]))
		complain(t, driver, a->err.msg);
	return a->answer;
}

static int collect(struct top *t, struct err *err)
{
	static const struct docker_names none;
	struct err e = { 0 };
	struct asked names;
	int r = 0;

	top_rows_fini(&t->was);
	t->was = t->rows;
	t->rows = (struct top_rows){ .words = t->ctl->format == OUT_JSON };
	t->problem_count = 0;
	t->now = time(NULL);
	askers_look(t->askers, t->daemons, &names);
	for (size_t i = 0; r == 0 && i < t->daemons; i++) {
		struct asked a;

		askers_look(t->askers, i, &a);
		if (judge(t, i, &a))
			r = top_rows_add(&t->rows, t->asking->questions[i].arg,
					 a.answer, a.at_ns,
					 names.answer ? names.answer : &none,
					 err);
	}
	if (r < 0)
		return r;
	r = top_rows_links(&t->rows, t->nlk, &e);
	if (r == -ENOMEM)
		return err_set(err, r, "%s", e.msg);
	if (r < 0) /* such as interfaces that change all the time */
		complain(t, "links", e.msg);
	top_rows_rates(&t->rows, &t->was);
	top_rows_sort(&t->rows, t->sort);
	return 0;
}

/* @i has a socket, as far as we know by now. */
static bool is_there(struct top *t, size_t i)
{
	_cleanup_free_ char *path = NULL;
	struct asked a;

	askers_look(t->askers, i, &a);
	if (a.took)
		return a.r != -ENOENT;
	path = driver_sock(t->ctl, t->asking->questions[i].arg);
	return !path || access(path, F_OK) == 0 || errno != ENOENT;
}

/* None of the daemons has a socket: nothing will come of it. */
static int check_any(struct top *t, struct err *err)
{
	for (size_t i = 0; i < t->daemons; i++)
		if (is_there(t, i))
			return 0;
	return err_set(err, -ENOENT,
		       "no network daemon has a socket in %s: start one with "
		       "`netctl up`",
		       t->ctl->plugin_dir);
}

/* ---- showing ------------------------------------------------------------------------- */

static int show(struct top *t, struct err *err)
{
	struct top_view v = { .rows = &t->rows,
			      .problem_count = t->problem_count,
			      .every_ms = t->ctl->top.delay_ms,
			      .now = t->now };
	_cleanup_(json_putp) json_object *o = NULL;
	_cleanup_free_ char *text = NULL;
	size_t width = 0, height = 0;

	for (size_t i = 0; i < t->problem_count; i++)
		v.problems[i] = t->problems[i];
	if (t->ctl->format == OUT_JSON) {
		o = top_json(&v);
		return o ? out_line(stdout, o, err)
			 : err_set(err, -ENOMEM, "out of memory");
	}
	if (t->live)
		screen_size(&width, &height);
	text = top_draw(&v, width, height);
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	if (t->live)
		screen_show(text);
	else if (printf("%s\n", text) < 0 || fflush(stdout) != 0)
		return err_set(err, -EIO, "cannot write the output: %s",
			       strerror(errno));
	return 0;
}

/* ---- waiting ------------------------------------------------------------------------- */

static int on_signal(struct top *t, struct err *err)
{
	struct signalfd_siginfo si;
	bool entered;

	if (read(t->signals, &si, sizeof(si)) != sizeof(si))
		return 0;
	switch (si.ssi_signo) {
	case SIGWINCH:
		return t->screen.entered ? show(t, err) : 0;
	case SIGTSTP:
		entered = t->screen.entered;
		screen_leave(&t->screen);
		raise(SIGSTOP);
		if (!entered) /* it is yet to be */
			return 0;
		screen_enter(&t->screen);
		return show(t, err);
	default:
		t->stop = true;
		return 0;
	}
}

static void on_key(struct top *t, short revents)
{
	char c;
	ssize_t n = read(STDIN_FILENO, &c, 1);

	/* Nothing may be there to read: another reader was first, or a stop
	 * changed how it is read. */
	if ((n == 0 && (revents & (POLLHUP | POLLERR | POLLNVAL))) ||
	    (n < 0 && errno != EINTR && errno != EAGAIN))
		t->screen.keys = false; /* it is gone */
	else if (n == 1 && (c == 'q' || c == 'Q'))
		t->stop = true;
}

/* @answers: how many of the questions to wait for; 0: until the time has come. */
static int wait_for(struct top *t, uint64_t until_ms, size_t answers,
		    struct err *err)
{
	int r = 0;

	while (r == 0 && !t->stop) {
		uint64_t now = clock_mono_ms();
		struct pollfd p[] = {
			{ .fd = t->signals, .events = POLLIN },
			{ .fd = answers ? askers_fd(t->askers) : -1,
			  .events = POLLIN },
			{ .fd = t->screen.entered && t->screen.keys
					? STDIN_FILENO
					: -1,
			  .events = POLLIN },
		};

		if (now >= until_ms ||
		    (answers && !askers_busy(t->askers, answers)))
			return 0;
		if (poll(p, ARRAY_SIZE(p), (int)(until_ms - now)) < 0 &&
		    errno != EINTR)
			return err_set(err, -errno, "poll: %s",
				       strerror(errno));
		if (p[0].revents)
			r = on_signal(t, err);
		if (p[1].revents)
			askers_clear(t->askers);
		if (p[2].revents && !t->stop)
			on_key(t, p[2].revents);
	}
	return r;
}

static int look(struct top *t, uint64_t grace_ms, size_t answers,
		struct err *err)
{
	int r;

	ask_all(t);
	r = wait_for(t, clock_mono_ms() + grace_ms, answers, err);
	if (r < 0 || t->stop)
		return r;
	return collect(t, err);
}

static int run(struct top *t, struct err *err)
{
	unsigned int delay = t->ctl->top.delay_ms;
	unsigned int grace = delay / 2 < GRACE_MS ? delay / 2 : GRACE_MS;
	uint64_t next;
	int r = look(t, FIRST_MS, t->daemons + 1, err);

	if (r == 0 && !t->stop)
		r = check_any(t, err);
	if (r == 0 && !t->stop && t->live) {
		screen_enter(&t->screen);
		r = show(t, err);
	}
	next = clock_mono_ms() + delay;
	for (long n = 0; r == 0 && !t->stop && (!t->looks || n < t->looks);
	     n++) {
		r = wait_for(t, next, 0, err);
		if (r == 0 && !t->stop)
			r = look(t, grace, t->daemons, err);
		if (r == 0 && !t->stop)
			r = show(t, err);
		next += delay;
		if (next < clock_mono_ms())
			next = clock_mono_ms() + delay;
	}
	return r;
}

/* ---- the verb ------------------------------------------------------------------------ */

static int read_flags(struct top *t, struct err *err)
{
	struct ctl *ctl = t->ctl;
	char *end;
	int r;

	if (ctl->top.delay_ms < DELAY_MIN_MS ||
	    ctl->top.delay_ms > DELAY_MAX_MS)
		return err_set(err, -EINVAL, "--delay is 100ms to 1h");
	r = ctl->top.sort ? top_sort_parse(ctl->top.sort, &t->sort, err) : 0;
	if (r < 0)
		return r;
	if (ctl->top.iterations) {
		errno = 0;
		t->looks = strtol(ctl->top.iterations, &end, 10);
		if (errno || *end || end == ctl->top.iterations || t->looks < 1)
			return err_set(err, -EINVAL,
				       "--iterations is a number from 1 on, "
				       "not \"%s\"",
				       ctl->top.iterations);
	}
	if (ctl->top.once)
		t->looks = 1;
	t->live = ctl->format != OUT_JSON && !ctl->top.once && screen_is();
	return 0;
}

/* Those that the live view has to hear of, without those that whoever started us had
 * ignored.  None for what is printed: there is no terminal to restore, and who reads
 * it slowly must not keep us from ending. */
static void signals_of(const struct top *t, sigset_t *ret)
{
	static const int all[] = { SIGINT,  SIGTERM,  SIGHUP,
				   SIGQUIT, SIGWINCH, SIGTSTP };

	sigemptyset(ret);
	for (size_t i = 0; t->live && i < ARRAY_SIZE(all); i++) {
		struct sigaction was;

		if (sigaction(all[i], NULL, &was) == 0 &&
		    was.sa_handler != SIG_IGN)
			sigaddset(ret, all[i]);
	}
}

static int top_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(top_fini) struct top t = { .ctl = ctl, .signals = -1 };
	sigset_t set;
	int r = read_flags(&t, err);

	if (r < 0)
		return r;
	signals_of(&t, &set);
	/* Before there are threads: none of them is to get one. */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	t.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t.signals < 0)
		return err_set(err, -errno, "signalfd: %s", strerror(errno));
	r = nlk_open(&t.nlk, err);
	if (r == 0)
		r = start_asking(&t, err);
	return r < 0 ? r : run(&t, err);
}

static const struct cli_own own_flags[] = {
	CLI_OWN('n', "iterations", "N", FLAG_PATH, top.iterations,
		"or -n: end after so many looks (default: until ^C)"),
	CLI_OWN('d', "delay", "TIME", FLAG_DURATION, top.delay_ms,
		"or -d: between looks (default: 1s)"),
	CLI_OWN('s', "sort", "KEY", FLAG_PATH, top.sort,
		"or -s: by bytes, packets, conns or name (default: bytes)"),
	CLI_OWN(0, "once", NULL, FLAG_SWITCH, top.once,
		"one look as plain tables, as -n 1"),
	{ .flag = { 0 } },
};

const struct cmd cmd_top = {
	.name = "top",
	.summary = "what passes now, by network, container and port",
	.help = "\n"
		"Bytes, packets and connections a second, of each network, "
		"endpoint and\n"
		"published port; IN is to the container. On a terminal it is "
		"drawn anew at\n"
		"each look until q or ^C; elsewhere each look is printed "
		"below the other,\n"
		"and with --json as an object a line.\n"
		"\n"
		"An endpoint has what its interface counts in the container, "
		"a network the\n"
		"sum of its endpoints, a port what the eBPF dataplane counted "
		"('netctl ports\n"
		"--stats'). \"-\": nobody counts it, or there is no look "
		"before to compare\n"
		"with. A daemon that does not answer is told, and keeps "
		"nobody waiting.\n"
		"docs/metrics.md has more.\n"
		"\n"
		"  netctl top\n"
		"  netctl top -s conns -d 5s\n"
		"  netctl top --once\n"
		"  netctl top --json -n 60 | jq '.Networks[] | [.Network, "
		".BytesInRate]'\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_DOCKER | CLI_TIMEOUT,
	.own = own_flags,
	.run = top_run,
};
