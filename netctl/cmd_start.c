// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * netctl start: a container that has exited begins again.
 *
 * What it is, is its record, which is read once the container is ours: id, name, networks,
 * ports, volumes, policy.  What it has (an address, a mount) is asked for anew by the monitor,
 * in the order and with the records of any other life (life.h), so who is killed on the way is
 * undone as there.  Until that monitor's first save the record says "exited".
 */
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "lib/base.h"
#include "lib/clock.h"
#include "lib/fail.h"
#include "netctl/box/life.h"
#include "netctl/box/starter.h"
#include "netctl/cmds.h"
#include "netctl/jget.h"

#define LOOK_MS     20
#define AWAITED_MAX 250 /* looks: one who waits may be stopped */

static bool is_state(const struct box *b, const char *state)
{
	return strcmp(box_state(b), state) == 0;
}

/* The record says so until what it had is given back: its process is what tells. */
static bool runs(const struct box *b)
{
	pid_t pid = (pid_t)jget_int(b->rec, "Pid");

	return is_state(b, BOX_RUNNING) && !*jget_str(b->rec, "Finished") &&
	       pid > 0 && kill(pid, 0) == 0;
}

enum { OURS, RUNS, NOT_YET };

/* Of one that somebody has.  Return: RUNS: also where it will by its policy; NOT_YET. */
static int look(struct box *b, struct err *err)
{
	int r = box_reload(b, err);

	if (r < 0)
		return r;
	return runs(b) || (is_state(b, BOX_RESTARTING) && !box_has(b, BOX_STOP))
		       ? RUNS
		       : NOT_YET;
}

/* @waited: looks at one that is free, and whose end "netctl wait" has yet to read. */
static int take(struct box *b, unsigned int *waited, struct err *err)
{
	int r;

	if (box_is_held(b))
		return look(b, err);
	if (box_is_awaited(b) && ++*waited < AWAITED_MAX)
		return NOT_YET;
	r = box_own(b, err);
	if (r == OURS)
		box_drop(b, BOX_STOP);
	return r == -EBUSY ? NOT_YET : r;
}

/*
 * It is ours, or it runs.  Another that only makes it, or gives back what it had, is waited
 * for.  Return: OURS, with no BOX_STOP; RUNS; -ETIMEDOUT; -ENOENT.
 */
static int own_or_runs(const struct ctl *ctl, struct box *b, struct err *err)
{
	uint64_t end = clock_mono_ms() + ctl->timeout_ms;
	unsigned int waited = 0;
	int r;

	while ((r = take(b, &waited, err)) == NOT_YET) {
		err->msg[0] = '\0';
		if (clock_mono_ms() >= end)
			return err_set(err, -ETIMEDOUT,
				       "container %s: another process is still "
				       "at work on it",
				       jget_str(b->rec, "Name"));
		(void)poll(NULL, 0, LOOK_MS);
	}
	return r == -ENOENT ? err_set(err, r, "container %s was removed",
				      jget_str(b->rec, "Name"))
			    : r;
}

/* Nothing of its last life is there, as after a monitor that was killed just now. */
static int clear(const struct ctl *ctl, struct box *b, struct err *err)
{
	const char *name = jget_str(b->rec, "Name");
	bool goes =
		is_state(b, BOX_REMOVING) || jget_bool(b->rec, "AutoRemove");
	int r;

	if (!goes && is_state(b, BOX_EXITED) && life_is_clean(b->rec))
		return 0;
	r = life_settle_one(ctl, b, err);
	if (goes)
		return r < 0 ? err_wrap(err, r, "container %s is being removed",
					name)
			     : err_set(err, -ENOENT, "container %s was removed",
				       name);
	return r < 0 ? err_wrap(err, r,
				"container %s: what it had is not given back "
				"yet",
				name)
		     : 0;
}

static int check_input(const struct box *b, struct err *err)
{
	if (!jget_bool(b->rec, "Tty") || isatty(0))
		return 0;
	return err_set(err, -ENOTTY,
		       "container %s: its terminal needs one here: leave out "
		       "-i",
		       jget_str(b->rec, "Name"));
}

/* Return: 0; > 0: an exit status: its own, or that a signal of ours asks for; -errno. */
static int begin(const struct ctl *ctl, struct box *b, bool front,
		 struct err *err)
{
	_cleanup_(starter_close) struct starter c = STARTER_NONE;
	_cleanup_free_ char *name = strdup(jget_str(b->rec, "Name"));
	bool input = ctl->box.interactive && jget_bool(b->rec, "Stdin");
	int r = name ? 0 : err_set(err, -ENOMEM, "out of memory");

	if (r == 0 && input)
		r = check_input(b, err);
	if (r == 0)
		r = starter_signals(&c, err);
	if (r < 0)
		return r;
	box_number(b, "RestartCount", 0);
	r = FAILPOINT("boxcmd.starting");
	if (r == 0)
		r = starter_open(ctl, b, front, input, &c, err);
	if (r == 0)
		r = starter_begun(&c, err);
	if (r > 0 && !*err->msg)
		return r;
	if (r != 0)
		return err_wrap(err, r < 0 ? r : -ECHILD, "container %s", name);
	return front ? starter_stay(&c, input, err) : cli_line(name, err);
}

static int start_one(struct ctl *ctl, const char *word, struct err *err)
{
	bool front = ctl->box.attach || ctl->box.interactive;
	struct box b = { .dir = -1, .lock = -1 };
	int r = box_find(ctl, word, &b, err);

	if (r == 0)
		r = own_or_runs(ctl, &b, err);
	if (r == RUNS && front)
		r = err_set(err, -EBUSY,
			    "container %s runs already: 'netctl logs -f' "
			    "shows what it writes",
			    jget_str(b.rec, "Name"));
	else if (r == RUNS)
		r = cli_line(jget_str(b.rec, "Name"), err);
	else if (r == OURS) {
		r = clear(ctl, &b, err);
		if (r == 0)
			r = begin(ctl, &b, front, err);
	}
	box_free(&b);
	return r;
}

static int start_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(starter_dirs_free) struct starter_dirs dirs = { 0 };
	int failed = 0, r = starter_from_the_root(ctl, &dirs, err);

	if (r < 0)
		return r;
	if ((ctl->box.attach || ctl->box.interactive) && ctl->arg_count > 1)
		return err_set(err, -EINVAL,
			       "--attach, --interactive: one container at a "
			       "time");
	life_settle(ctl);
	for (int i = 0; i < ctl->arg_count; i++) {
		struct err why = { 0 };

		r = start_one(ctl, ctl->args[i], &why);
		if (r > 0) { /* the one in front; or we are to end */
			if (failed < 0)
				cli_warn("%s", err->msg);
			return r;
		}
		cli_keep(r, &why, &failed, err);
	}
	return failed;
}

static const struct cli_own start_flags[] = {
	CLI_OWN('a', "attach", NULL, FLAG_SWITCH, box.attach,
		"or -a: stay with it, as run without -d"),
	CLI_OWN('i', "interactive", NULL, FLAG_SWITCH, box.interactive,
		"or -i: and its input (of one that was run with -i)"),
	{ .letter = 0 },
};

const struct cmd cmd_start = {
	.name = "start",
	.args = "CONTAINER...",
	.summary = "let containers that have exited begin again",
	.help = "\n"
		"With all that run was told: id, name, networks, ports, "
		"volumes.  An address that was\nnot asked for by --ip may be "
		"another one.  Its log goes on, its restarts are\ncounted from "
		"0.  One that runs is left as it is.\n"
		"\n"
		"Exit status: 1 where one was not started, after the others "
		"were; with -a the\ncontainer's.\n"
		"\n"
		"  netctl stop web && netctl start web\n",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.min_args = 1,
	.max_args = -1,
	.own = start_flags,
	.run = start_run,
};
