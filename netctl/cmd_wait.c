// SPDX-License-Identifier: GPL-2.0-or-later
/* netctl wait: until containers have ended for good. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "netctl/box/life.h"
#include "netctl/cmds.h"
#include "netctl/jget.h"

/* One that is waited for; its directory and its lock are open before the first wait, so
 * that it may be removed during another's. */
struct awaited {
	struct box box;
	int watch;  /* owned */
	int failed; /* -errno: there is none, @why */
	struct err why;
};

static void find_one(struct ctl *ctl, const char *word, struct awaited *w)
{
	w->watch = -1;
	w->failed = box_find(ctl, word, &w->box, &w->why);
	if (w->failed == 0)
		w->watch = box_watch(&w->box, &w->why);
	if (w->watch < 0 && w->failed == 0)
		w->failed = w->watch;
}

static bool has_ended(const struct box *b)
{
	return strcmp(box_state(b), BOX_EXITED) == 0 ||
	       strcmp(box_state(b), BOX_REMOVING) == 0;
}

static int await_end(struct ctl *ctl, struct awaited *w, int *ret_code,
		     struct err *err)
{
	int r = box_await(&w->box, w->watch, ret_code, err);

	if (r == 0 && !has_ended(&w->box)) {
		/* its monitor was killed: it is ended by who sees it first */
		life_settle(ctl);
		r = box_await(&w->box, w->watch, ret_code, err);
	}
	if (r == -ENOENT)
		return 0;
	/* what a plugin keeps for now does not keep it alive */
	if (r == 0 && !has_ended(&w->box) && jget_bool(w->box.rec, "Made"))
		return err_set(err, -EIO,
			       "the monitor of container %s was killed, and "
			       "it could not be ended",
			       jget_str(w->box.rec, "Name"));
	return r;
}

static int wait_one(struct ctl *ctl, struct awaited *w, struct err *err)
{
	int code = 0, r = w->failed;
	char text[16];

	if (r < 0)
		*err = w->why;
	else
		r = await_end(ctl, w, &code, err);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%d", code);
	return cli_line(text, err);
}

static int wait_run(struct ctl *ctl, struct err *err)
{
	size_t n = (size_t)ctl->arg_count;
	_cleanup_free_ struct awaited *all = calloc(n, sizeof(*all));
	int failed = 0;

	if (!all)
		return err_set(err, -ENOMEM, "out of memory");
	life_settle(ctl);
	for (size_t i = 0; i < n; i++)
		find_one(ctl, ctl->args[i], &all[i]);
	for (size_t i = 0; i < n; i++) {
		struct err why = { 0 };
		int r = wait_one(ctl, &all[i], &why);

		closep(&all[i].watch);
		box_free(&all[i].box);
		cli_keep(r, &why, &failed, err);
	}
	return failed;
}

const struct cmd cmd_wait = {
	.name = "wait",
	.args = "CONTAINER...",
	.summary = "wait until containers have ended; print their exit codes",
	.help = "\n"
		"A line each, in the order given; at once for one that has "
		"ended.  Also of one that\nis removed meanwhile, as by run "
		"--rm.  One that is restarted has not ended.  What\nit had is "
		"given back on return.\n"
		"\n"
		"  code=$(netctl wait job)\n",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.min_args = 1,
	.max_args = -1,
	.run = wait_run,
};
