// SPDX-License-Identifier: GPL-2.0-or-later
/* netctl ps, logs, inspect, stop, kill, rm: containers that "run" made. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/jdec.h"
#include "netctl/box/life.h"
#include "netctl/box/log.h"
#include "netctl/box/net.h"
#include "netctl/box/vols.h"
#include "netctl/cmds.h"
#include "netctl/jget.h"

#define STOP_MS 10000
#define KILL_MS 200

/* Each of the operands; the first that fails is what is told, after the others were
 * done. */
static int each(struct ctl *ctl,
		int (*fn)(struct ctl *ctl, struct box *b, struct err *err),
		struct err *err)
{
	int failed = 0;

	life_settle(ctl);
	for (int i = 0; i < ctl->arg_count; i++) {
		struct box b = { .dir = -1, .lock = -1 };
		struct err why = { 0 };
		int r = box_find(ctl, ctl->args[i], &b, &why);

		if (r == 0)
			r = fn(ctl, &b, &why);
		box_free(&b);
		cli_keep(r, &why, &failed, err);
	}
	return failed;
}

static int told(const struct box *b, struct err *err)
{
	return cli_line(jget_str(b->rec, "Name"), err);
}

/* ---- ps ------------------------------------------------------------------------ */

static const struct out_col cols[] = {
	{ "ID", "ID", OUT_ID, NULL },
	{ "Name", "NAME", OUT_TEXT, NULL },
	{ "Root", "ROOT", OUT_TEXT, NULL },
	{ "Command", "COMMAND", OUT_TEXT, NULL },
	{ "Status", "STATUS", OUT_TEXT, NULL },
	{ "Networks", "NETWORKS", OUT_LIST, NULL },
	{ "Ports", "PORTS", OUT_LIST, NULL },
	{ "State", NULL, OUT_TEXT, NULL },
	{ "ExitCode", NULL, OUT_NUM, NULL },
	{ "Error", NULL, OUT_TEXT, NULL },
	{ "RestartCount", NULL, OUT_NUM, NULL },
	{ "Pid", NULL, OUT_NUM, NULL },
	{ "Created", NULL, OUT_TEXT, NULL },
	{ "Started", NULL, OUT_TEXT, NULL },
	{ "Finished", NULL, OUT_TEXT, NULL },
	{ "Labels", NULL, OUT_PAIRS, NULL },
	{ 0 },
};

static void add_command(json_object *rec)
{
	json_object *args = jget_array(rec, "Args");
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	for (size_t i = 0; f && i < jget_len(args); i++)
		fprintf(f, "%s%s", i ? " " : "",
			json_object_get_string(
				json_object_array_get_idx(args, i)));
	if (f && fclose(f) == 0 && text)
		jset_str(rec, "Command", text);
}

static void add_status(json_object *rec)
{
	const char *state = jget_str(rec, "State");
	char text[64];

	snprintf(text, sizeof(text), "%s", state);
	if (strcmp(state, BOX_EXITED) == 0 ||
	    strcmp(state, BOX_RESTARTING) == 0)
		snprintf(text, sizeof(text), "%.20s (%lld)", state,
			 (long long)jget_int(rec, "ExitCode"));
	jset_str(rec, "Status", text);
}

static int ps_rows(struct ctl *ctl, json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *ids = NULL;
	json_object *rows = json_object_new_array();
	int r = box_ids(ctl, &ids, err);

	for (size_t i = 0; i < jget_len(ids) && r == 0; i++) {
		struct box b;

		if (box_open(ctl,
			     json_object_get_string(
				     json_object_array_get_idx(ids, i)),
			     &b, NULL) < 0)
			continue; /* half made, or gone meanwhile */
		if (ctl->all || strcmp(box_state(&b), BOX_EXITED) != 0) {
			add_command(b.rec);
			add_status(b.rec);
			if (*jget_str(b.rec, "ImageName"))
				jset_str(b.rec, "Root",
					 jget_str(b.rec, "ImageName"));
			json_object_array_add(rows, json_object_get(b.rec));
		}
		box_free(&b);
	}
	*ret = rows;
	return r;
}

static int newest_first(const void *a, const void *b)
{
	json_object *const *x = a, *const *y = b;

	return strcmp(jget_str(*y, "Created"), jget_str(*x, "Created"));
}

static int ps_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL;
	int r;

	life_settle(ctl);
	r = ps_rows(ctl, &rows, err);
	if (r < 0)
		return r;
	json_object_array_sort(rows, newest_first);
	if (!ctl->quiet)
		return out_rows(stdout, ctl->format, cols, rows, err);
	for (size_t i = 0; i < jget_len(rows); i++)
		printf("%.12s\n",
		       jget_str(json_object_array_get_idx(rows, i), "ID"));
	return 0;
}

/* ---- inspect --------------------------------------------------------------------- */

/* Without what is of use to nobody but us. */
static int inspect_one(struct ctl *ctl, struct box *b, struct err *err)
{
	static const char *const ours[] = { "Made",     "NetnsOwned",
					    "Boot",     "HostnameNow",
					    "RootHeld", "RemoveVolumes" };
	json_object *mounts = jget_array(b->rec, "Mounts"), *eps = NULL;
	int r = box_net_endpoints(ctl, b, &eps, err);

	jset(b->rec, "Endpoints", eps);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		json_object_object_del(b->rec, ours[i]);
	for (size_t i = 0; i < jget_len(mounts); i++)
		box_vols_hide(json_object_array_get_idx(mounts, i));
	if (r == 0)
		printf("%s%s", ctl->service ? ",\n" : "",
		       json_object_to_json_string_ext(
			       b->rec, JSON_C_TO_STRING_PRETTY |
					       JSON_C_TO_STRING_NOSLASHESCAPE));
	ctl->service = ""; /* there was one before */
	return r;
}

static int inspect_run(struct ctl *ctl, struct err *err)
{
	int r;

	printf("[\n");
	r = each(ctl, inspect_one, err);
	printf("\n]\n");
	return r;
}

/* ---- logs -------------------------------------------------------------------------- */

static bool has_ended(void *ctx)
{
	return !box_is_held(ctx);
}

static int logs_run(struct ctl *ctl, struct err *err)
{
	struct box b = { .dir = -1, .lock = -1 };
	struct box_log_show s = {
		.tail = -1,
		.follow = ctl->box.follow,
		.ended = has_ended,
		.ctx = &b,
		.out = stdout,
		.err = stderr,
	};
	const char *tail = ctl->box.tail;
	char *end;
	int r;

	if (tail && strcmp(tail, "all") != 0) {
		s.tail = strtol(tail, &end, 10);
		if (*end || s.tail < 0)
			return err_set(err, -EINVAL,
				       "--tail \"%s\" is neither a number nor "
				       "all",
				       tail);
	}
	life_settle(ctl);
	r = box_find(ctl, ctl->args[0], &b, err);
	if (r == 0)
		r = box_log_show(b.dir, &s, err);
	box_free(&b);
	return r;
}

/* ---- stop, kill, rm ------------------------------------------------------------------ */

static int send(struct ctl *ctl, const struct box *b, const char *sig,
		struct err *err)
{
	const char *const args[] = { "kill", b->id, sig, NULL };
	struct runtime rt = { 0 };
	int r = runtime_find(ctl, &rt, err);

	if (r == 0)
		r = runtime_run(&rt, args, NULL, NULL, err);
	runtime_free(&rt);
	return r;
}

static int not_ended(const struct box *b, struct err *err)
{
	return err_set(err, -ETIMEDOUT,
		       "container %s does not end: its monitor is still at "
		       "work",
		       jget_str(b->rec, "Name"));
}

/* SIGKILL, also one that only just begins, until its monitor has done the rest. */
static int end_it(struct ctl *ctl, const struct box *b, struct err *err)
{
	unsigned int waited = 0;

	while (box_is_ending(b)) {
		if (waited > ctl->timeout_ms)
			return not_ended(b, err);
		(void)send(ctl, b, "KILL", NULL);
		(void)box_wait_end(b, KILL_MS);
		waited += KILL_MS;
	}
	return 0;
}

static int stop_one(struct ctl *ctl, struct box *b, struct err *err)
{
	unsigned int ms = STOP_MS;
	int r = 0;

	if (ctl->box.seconds)
		r = cli_duration(ctl->box.seconds, &ms, err);
	if (r < 0)
		return r;
	if (!box_is_held(b))
		return told(b, err);
	r = box_touch(b, BOX_STOP, err);
	if (r == 0)
		r = FAILPOINT("boxcmd.stopping");
	if (r < 0)
		return r;
	/* one that waits to be restarted ends by the file */
	if (box_is_ending(b))
		(void)send(ctl, b, life_stop_signal(b->rec), NULL);
	if (box_wait_end(b, ms) < 0)
		r = end_it(ctl, b, err);
	return r < 0 ? r : told(b, err);
}

static int stop_run(struct ctl *ctl, struct err *err)
{
	return each(ctl, stop_one, err);
}

/* As "sigabbrev_np" has it, where it is one. */
static const char *signal_name(const char *sig)
{
	const char *name = NULL;

	if (*sig >= '0' && *sig <= '9')
		name = sigabbrev_np((int)strtol(sig, NULL, 10));
	return name ? name : strncasecmp(sig, "SIG", 3) == 0 ? sig + 3 : sig;
}

/* The one that the container is stopped by is meant to stop it. */
static bool is_final(const struct box *b, const char *sig)
{
	const char *const final[] = {
		"KILL", "TERM", signal_name(jget_str(b->rec, "StopSignal"))
	};

	sig = signal_name(sig);
	for (size_t i = 0; i < ARRAY_SIZE(final); i++)
		if (strcasecmp(sig, final[i]) == 0)
			return true;
	return false;
}

static int kill_one(struct ctl *ctl, struct box *b, struct err *err)
{
	const char *sig = ctl->box.signal ? ctl->box.signal : "KILL";
	int r = 0;

	if (!box_is_held(b) || strcmp(box_state(b), BOX_RUNNING) != 0)
		return err_set(err, -ESRCH, "container %s is not running",
			       jget_str(b->rec, "Name"));
	/* as Docker: what is ended by hand is not restarted */
	if (is_final(b, sig))
		r = box_touch(b, BOX_STOP, err);
	if (r == 0)
		r = send(ctl, b, sig, err);
	return r;
}

/* As Docker: it has ended on return, so "start" begins it again. */
static int await_killed(const struct ctl *ctl, const struct box *b,
			struct err *err)
{
	const char *sig = ctl->box.signal ? ctl->box.signal : "KILL";

	return strcasecmp(signal_name(sig), "KILL") == 0 &&
			       box_wait_end(b, STOP_MS) < 0
		       ? not_ended(b, err)
		       : 0;
}

struct killed {
	struct box box; /* owned */
	int r;
	struct err why;
};

/* All of them, then what is to be waited for: they end together. */
static int kill_run(struct ctl *ctl, struct err *err)
{
	size_t n = (size_t)ctl->arg_count;
	_cleanup_free_ struct killed *all = calloc(n, sizeof(*all));
	int failed = 0;

	if (!all)
		return err_set(err, -ENOMEM, "out of memory");
	life_settle(ctl);
	for (size_t i = 0; i < n; i++) {
		struct killed *k = &all[i];

		k->r = box_find(ctl, ctl->args[i], &k->box, &k->why);
		if (k->r == 0)
			k->r = kill_one(ctl, &k->box, &k->why);
	}
	for (size_t i = 0; i < n; i++) {
		struct killed *k = &all[i];

		if (k->r == 0)
			k->r = await_killed(ctl, &k->box, &k->why);
		if (k->r == 0)
			k->r = told(&k->box, &k->why);
		cli_keep(k->r, &k->why, &failed, err);
		box_free(&k->box);
	}
	return failed;
}

static int remove_it(struct ctl *ctl, struct box *b, struct err *err)
{
	struct life l = { .ctl = ctl, .box = b };
	int r;

	box_set_state(b, BOX_REMOVING);
	/* forced and without -v: nor what an earlier one wanted and could not */
	if (ctl->box.remove_volumes || ctl->force)
		box_flag(b, "RemoveVolumes", ctl->box.remove_volumes);
	r = box_save(b, err);
	if (r == 0)
		r = FAILPOINT("boxcmd.removing");
	if (r == 0 && !life_is_clean(b->rec)) {
		r = runtime_find(ctl, &l.rt, err);
		if (r == 0)
			r = life_end(&l, err);
		runtime_free(&l.rt);
	}
	return r == 0 ? life_remove(ctl, b, err) : r;
}

/* Also from a "start" that waits for the end and has it first.  As box_own(). */
static int own_by_force(struct ctl *ctl, struct box *b, struct err *err)
{
	uint64_t end = clock_mono_ms() + ctl->timeout_ms;
	int r;

	do {
		r = box_is_held(b) ? box_touch(b, BOX_STOP, err) : 0;
		if (r == 0)
			r = end_it(ctl, b, err);
		if (r == 0)
			r = box_own(b, err);
	} while (r == -EBUSY && clock_mono_ms() < end);
	return r;
}

static int rm_one(struct ctl *ctl, struct box *b, struct err *err)
{
	int r;

	if (box_is_held(b) && !ctl->force)
		return err_set(err, -EBUSY,
			       "container %s is %s: 'netctl stop' it, or "
			       "--force",
			       jget_str(b->rec, "Name"), box_state(b));
	r = ctl->force ? own_by_force(ctl, b, err) : box_own(b, err);
	if (r == -ENOENT) /* --rm did it */
		r = 0;
	else if (r == 0)
		r = remove_it(ctl, b, err);
	return r < 0 ? r : told(b, err);
}

static int rm_run(struct ctl *ctl, struct err *err)
{
	return each(ctl, rm_one, err);
}

/* ---- the verbs ------------------------------------------------------------------------ */

static const struct cli_own ps_flags[] = {
	CLI_OWN('a', "all", NULL, FLAG_SWITCH, all,
		"or -a: those that have exited as well"),
	CLI_OWN('q', "quiet", NULL, FLAG_SWITCH, quiet,
		"or -q: their ids only"),
	{ .letter = 0 },
};

const struct cmd cmd_ps = {
	.name = "ps",
	.summary = "list containers",
	.help = "\n"
		"Those of 'netctl run'; Docker's are docker ps's.\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT,
	.own = ps_flags,
	.run = ps_run,
};

const struct cmd cmd_inspect = {
	.name = "inspect",
	.args = "CONTAINER...",
	.summary = "show all there is to know of a container, as JSON",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.min_args = 1,
	.max_args = -1,
	.run = inspect_run,
};

static const struct cli_own logs_flags[] = {
	CLI_OWN('f', "follow", NULL, FLAG_SWITCH, box.follow,
		"or -f: and what comes, until it ends"),
	CLI_OWN('n', "tail", "LINES", FLAG_PATH, box.tail,
		"or -n: the last ones only (default: all)"),
	{ .letter = 0 },
};

const struct cmd cmd_logs = {
	.name = "logs",
	.args = "CONTAINER",
	.summary = "show what a container wrote",
	.help = "\n"
		"Its output to the output, its errors to the errors; the last "
		"10 to 20 MiB.\n",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.min_args = 1,
	.max_args = 1,
	.own = logs_flags,
	.run = logs_run,
};

static const struct cli_own stop_flags[] = {
	CLI_OWN('t', "time", "SECONDS", FLAG_PATH, box.seconds,
		"or -t: before SIGKILL (default: 10)"),
	{ .letter = 0 },
};

const struct cmd cmd_stop = {
	.name = "stop",
	.args = "CONTAINER...",
	.summary = "end a container: SIGTERM or its stop signal, later SIGKILL",
	.help = "\n"
		"It is not restarted, whatever its policy.  What it had is "
		"given back on return.\n",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.min_args = 1,
	.max_args = -1,
	.own = stop_flags,
	.run = stop_run,
};

static const struct cli_own kill_flags[] = {
	CLI_OWN('s', "signal", "SIGNAL", FLAG_PATH, box.signal,
		"or -s: another than KILL"),
	{ .letter = 0 },
};

const struct cmd cmd_kill = {
	.name = "kill",
	.args = "CONTAINER...",
	.summary = "send a signal to a container",
	.help = "\n"
		"After KILL or TERM it is not restarted.  After KILL it has "
		"ended on return, or\nthat is an error: what it had is not "
		"given back within 10 seconds.\n",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.min_args = 1,
	.max_args = -1,
	.own = kill_flags,
	.run = kill_run,
};

static const struct cli_own rm_flags[] = {
	CLI_OWN('f', "force", NULL, FLAG_SWITCH, force,
		"or -f: end it first where it runs"),
	CLI_OWN('v', "volumes", NULL, FLAG_SWITCH, box.remove_volumes,
		"or -v: its anonymous volumes as well"),
	{ .letter = 0 },
};

const struct cmd cmd_rm = {
	.name = "rm",
	.args = "CONTAINER...",
	.summary = "remove containers that have exited",
	.help = "\n"
		"With their logs, and what those of an image wrote.  Root "
		"directories and volumes\nstay; with -v those volumes go that "
		"'netctl run -v /path' or an image made, and\nthat no other "
		"container has.\n",
	.takes = CLI_DIRS | CLI_TIMEOUT,
	.min_args = 1,
	.max_args = -1,
	.own = rm_flags,
	.run = rm_run,
};
