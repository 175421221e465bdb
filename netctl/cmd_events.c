/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl events: what happens in all daemons, live, and that they come and go. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base.h"
#include "lib/clock.h"
#include "lib/jdec.h"
#include "netctl/askers.h"
#include "netctl/cmds.h"
#include "netctl/docker.h"
#include "netctl/drivers.h"
#include "netctl/events.h"
#include "netctl/events_held.h"
#include "netctl/jget.h"

#define STREAMS_MAX 16
#define ANSWER_MAX  500   /* events: a daemon may have more to tell */
#define AGAIN_MS    500   /* after one that failed; */
#define PAUSE_MS    10000 /* at most, of one that refuses */
#define FIRST_MS    2500  /* until each has said from where on it tells */
#define NAMES_MS    2000  /* a filter waits so long for a network's name, */
#define NAME_MS     500   /* the output so long, once for each network */
#define NAMES_AGAIN 200   /* ms; while one is waited for */
#define SILENT_MS   10000

/* A daemon.  Its thread reads .run and .last while it is asked, we change them only
 * when it is not. */
struct stream {
	const char *driver;
	bool all; /* what is kept from before as well */
	uint64_t run, last;
	/* ours alone */
	unsigned int took;
	bool tried, up, gone, broke, told, silent;
	bool caught_up; /* it had no more to tell */
	unsigned int
		pause_ms;  /* before it is asked again, of one that refuses */
	uint64_t again_ms; /* when to ask it next; 0: it is being asked */
};

/* What the askers' threads use: as long as one of them asks, it stays. */
struct asking {
	struct ctl ctl; /* what it points to are arguments, the environment */
	struct stream streams[STREAMS_MAX];
	struct question questions[STREAMS_MAX + 1]; /* the last: of names */
};

struct world {
	struct ctl *ctl;
	struct events_filter filter;
	struct asking
		*asking; /* owned, by a thread that hangs where one does */
	struct stream *streams; /* .asking's */
	size_t count;
	struct askers *askers; /* owned */
	struct events_held held;
	uint64_t names_ms;       /* when they were asked for */
	unsigned int names_took; /* how often they came */
	int64_t since_ns;
	uint64_t looked_ms,
		awake_ms; /* when last; since when without a stop (^Z) */
	bool who_told;    /* who answers */
};

static void world_fini(struct world *w)
{
	if (!w->askers || !askers_busy(w->askers, w->count + 1)) {
		askers_stop(w->askers);
		free(w->asking);
	}
	events_held_fini(&w->held);
}

/* ---- asking -------------------------------------------------------------------------- */

static int ask(void *ctx, const void *arg, void **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	const struct stream *s = arg;
	json_object *answer = NULL;
	int r;

	if (!body)
		return err_set(err, -ENOMEM, "out of memory");
	jset(body, "Run", json_object_new_uint64(s->run));
	jset(body, "After", json_object_new_uint64(s->last));
	jset(body, "WaitMs",
	     json_object_new_int((int)events_wait_ms(
		     ((const struct ctl *)ctx)->timeout_ms)));
	jset(body, "All", json_object_new_boolean(s->all));
	r = driver_call(ctx, s->driver, "Berth.Events", body, &answer, err);
	*ret = answer;
	return r;
}

static int start_asking(struct world *w, struct err *err)
{
	struct question *q;

	w->asking = calloc(1, sizeof(*w->asking));
	if (!w->asking)
		return err_set(err, -ENOMEM, "out of memory");
	w->asking->ctl = *w->ctl;
	w->streams = w->asking->streams;
	q = w->asking->questions;
	for (const struct driver *d = drivers;
	     d->name && w->count < STREAMS_MAX; d++) {
		struct stream *s = &w->streams[w->count];

		if (!events_filter_driver(&w->filter, d->name))
			continue;
		*s = (struct stream){ .driver = d->name,
				      .all = w->since_ns != 0,
				      .again_ms = 1 };
		q[w->count++] =
			(struct question){ .ask = ask, .free = jput, .arg = s };
	}
	q[w->count] = docker_names_question;
	return askers_start(q, w->count + 1, &w->asking->ctl, &w->askers, err);
}

static void ask_for_names(struct world *w, uint64_t now)
{
	w->names_ms = now;
	askers_ask(w->askers, w->count);
}

/* ---- what came ------------------------------------------------------------------------- */

static int64_t wall_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Takes @o.  What is of no type that is wanted keeps no other waiting for its name. */
static void add(struct world *w, const char *driver, json_object *o)
{
	if (events_filter_type(&w->filter, o))
		events_held_add(&w->held, driver, o, clock_mono_ms());
	else
		json_object_put(o);
}

/* One of our own: what no daemon can say of itself. */
static void say(struct world *w, const struct stream *s, const char *type,
		const char *action, const char *id, int64_t time_ns)
{
	json_object *o = json_object_new_object();

	jset(o, "Seq", NULL);
	jset(o, "TimeNs", json_object_new_int64(time_ns));
	jset_str(o, "Type", type);
	jset_str(o, "Action", action);
	jset_str(o, "ID", id);
	jset_str(o, "Of", "");
	add(w, s->driver, o);
}

/* What came before the first of @list. */
static int64_t before(json_object *list)
{
	json_object *first =
		jget_len(list) ? json_object_array_get_idx(list, 0) : NULL;

	return first ? jget_int(first, "TimeNs") - 1 : wall_ns();
}

/* A daemon that was not there, or is another than before. */
static void take_up(struct world *w, struct stream *s, uint64_t run,
		    int64_t time_ns)
{
	bool other = s->run && run != s->run;

	if (s->up && other)
		say(w, s, "daemon", "down", s->driver, time_ns - 1);
	if (other || s->gone)
		say(w, s, "daemon", "up", s->driver, time_ns);
	else if (!s->up && w->who_told)
		cli_warn("listening to %s", s->driver);
	s->up = true;
	s->gone = s->broke = s->told = false;
	s->run = run;
}

static void take_answer(struct world *w, struct stream *s, json_object *a)
{
	json_object *list = jget_array(a, "Events");
	int64_t missed = jget_int(a, "Missed");
	int64_t at = before(list);
	char text[24];

	take_up(w, s, (uint64_t)jget_int(a, "Run"), missed > 0 ? at - 1 : at);
	s->last = (uint64_t)jget_int(a, "Last");
	s->all = false;
	s->caught_up = jget_len(list) < ANSWER_MAX;
	if (missed > 0) {
		snprintf(text, sizeof(text), "%" PRId64, missed);
		say(w, s, "events", "missed", text, at);
	}
	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *o = json_object_array_get_idx(list, i);

		if (jget_int(o, "TimeNs") >= w->since_ns)
			add(w, s->driver, json_object_get(o));
	}
}

static void take_error(struct world *w, struct stream *s, int r,
		       const struct err *why)
{
	if (r == -ENOENT || r == -ECONNREFUSED) {
		if (s->up)
			say(w, s, "daemon", "down", s->driver, wall_ns());
		s->gone = true; /* until it answers */
		s->up = s->told = s->broke = false;
		/* Its first events are news as well, once it is there. */
		s->all |= !s->run;
	} else if (r == -ECONNRESET && !s->broke) {
		s->broke = true; /* the next try says why */
	} else if (!s->told) {
		cli_warn("%s: %s", s->driver, why->msg);
		s->told = true;
	}
}

/* One that refuses has no place for us, or no such method: it is asked less and less. */
static unsigned int pause_after(struct stream *s, int r)
{
	if (r >= 0)
		s->pause_ms = 0;
	else if (r != -EREMOTEIO || !s->pause_ms)
		s->pause_ms = AGAIN_MS;
	else
		s->pause_ms =
			s->pause_ms < PAUSE_MS / 2 ? s->pause_ms * 2 : PAUSE_MS;
	return s->pause_ms;
}

static void take(struct world *w, size_t i, uint64_t now)
{
	struct stream *s = &w->streams[i];
	struct asked a;
	bool silent;

	askers_look(w->askers, i, &a);
	silent = a.busy_ms > SILENT_MS && now - w->awake_ms > SILENT_MS;
	if (silent && !s->silent && s->up)
		say(w, s, "daemon", "silent", s->driver, wall_ns());
	s->silent = silent;
	if (a.took == s->took)
		return;
	s->took = a.took;
	if (a.r < 0)
		take_error(w, s, a.r, &a.err);
	else if (a.answer)
		take_answer(w, s, a.answer);
	s->tried = true;
	s->again_ms = now + pause_after(s, a.r);
}

static void take_names(struct world *w)
{
	struct asked a;

	askers_look(w->askers, w->count, &a);
	if (a.took == w->names_took)
		return;
	w->names_took = a.took;
	if (a.answer)
		events_held_name(&w->held,
				 ((struct docker_names *)a.answer)->networks);
}

static void take_all(struct world *w)
{
	uint64_t now = clock_mono_ms();

	if (now - w->looked_ms > SILENT_MS / 2)
		w->awake_ms = now;
	w->looked_ms = now;
	take_names(w);
	for (size_t i = 0; i < w->count; i++) {
		take(w, i, now);
		if (w->streams[i].again_ms && w->streams[i].again_ms <= now) {
			w->streams[i].again_ms = 0;
			askers_ask(w->askers, i);
		}
	}
}

/* ---- printing ---------------------------------------------------------------------------- */

static int print_one(struct world *w, json_object *o, struct err *err)
{
	const char *name = events_held_network(&w->held, o);
	_cleanup_free_ char *line = NULL;

	/* Given up, but it may have one by now: for the next event. */
	if (!*name && *events_network(o) &&
	    clock_mono_ms() - w->names_ms > NAMES_MS)
		ask_for_names(w, clock_mono_ms());
	if (!events_filter_match(&w->filter, o, name))
		return 0;
	if (w->ctl->format == OUT_JSON) {
		jset_str(o, "Network", name);
		return out_line(stdout, o, err);
	}
	line = events_text(o, name);
	if (!line || printf("%s\n", line) < 0 || fflush(stdout) != 0)
		return err_set(err, -EIO, "cannot write the output");
	return 0;
}

/* @all: hold nothing. */
static int print_due(struct world *w, bool all, struct err *err)
{
	_cleanup_(json_putp) json_object *due = NULL;
	uint64_t now = clock_mono_ms();
	int r = events_held_due(&w->held, now, all, &due);

	if (r < 0)
		return err_set(err, r, "out of memory");
	if (w->held.wanted && now - w->names_ms >= NAMES_AGAIN)
		ask_for_names(w, now);
	for (size_t i = 0; r == 0 && i < jget_len(due); i++)
		r = print_one(w, json_object_array_get_idx(due, i), err);
	return r;
}

/* ---- the loop -------------------------------------------------------------------------- */

/* Until an answer is there, or @ms are over. */
static int wait_some(struct world *w, int ms, struct err *err)
{
	struct pollfd p = { .fd = askers_fd(w->askers), .events = POLLIN };

	if (poll(&p, 1, ms) < 0 && errno != EINTR)
		return err_set(err, -errno, "poll: %s", strerror(errno));
	return 0;
}

static void say_who(const struct world *w)
{
	char text[512];
	size_t n = 0;

	for (size_t i = 0; i < w->count && n < sizeof(text); i++)
		if (w->streams[i].up)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
					      "%s%s", n ? ", " : "",
					      w->streams[i].driver);
	if (n)
		cli_warn("listening to %s", text);
	else
		cli_warn("no daemon answers yet: waiting for one");
}

static bool all_tried(const struct world *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (!w->streams[i].tried)
			return false;
	return true;
}

static bool caught_up(const struct world *w)
{
	for (size_t i = 0; i < w->count; i++) {
		const struct stream *s = &w->streams[i];

		if (!s->tried || (s->up && !s->caught_up))
			return false;
	}
	return w->names_took > 0;
}

/* Is --for over?  Who asked for what was --since is to have it, unless the daemons take
 * longer than --timeout for it. */
static bool is_over(const struct world *w, uint64_t start)
{
	uint64_t now = clock_mono_ms(), end = start + w->ctl->for_ms;

	if (!w->ctl->for_ms || now < end)
		return false;
	return !w->since_ns || caught_up(w) ||
	       (w->ctl->timeout_ms && now - end > w->ctl->timeout_ms);
}

static void say_who_not(const struct world *w)
{
	for (size_t i = 0; w->since_ns && i < w->count; i++) {
		const struct stream *s = &w->streams[i];

		if (!s->tried)
			cli_warn("%s has not answered: nothing of it is here",
				 s->driver);
		else if (s->up && !s->caught_up)
			cli_warn("%s has more to tell than is here", s->driver);
	}
}

static int run(struct world *w, struct err *err)
{
	uint64_t start = clock_mono_ms();
	int r = 0;

	ask_for_names(w, start);
	while (r == 0 && !is_over(w, start)) {
		take_all(w);
		r = print_due(w, false, err);
		if (!w->who_told &&
		    (all_tried(w) || clock_mono_ms() - start > FIRST_MS)) {
			say_who(w);
			w->who_told = true;
		}
		if (r == 0)
			r = wait_some(w,
				      jget_len(w->held.list)
					      ? EVENTS_HOLD_MS / 2
					      : AGAIN_MS / 2,
				      err);
		askers_clear(w->askers);
	}
	if (r < 0)
		return r;
	take_all(w); /* the last that came */
	say_who_not(w);
	return print_due(w, true, err);
}

static int events_run_verb(struct ctl *ctl, struct err *err)
{
	_cleanup_(world_fini) struct world w = { .ctl = ctl };
	int r = events_filter_parse(&ctl->events.filters, &w.filter, err);

	if (r < 0)
		return r;
	if (ctl->events.since_ms)
		w.since_ns =
			wall_ns() - (int64_t)ctl->events.since_ms * 1000000;
	r = events_held_init(&w.held, w.filter.network.n ? NAMES_MS : NAME_MS);
	if (r < 0)
		return err_set(err, r, "out of memory");
	/* Signals are left to do what they do: there is nothing to restore, and who reads
	 * the output slowly must not keep us from ending. */
	r = start_asking(&w, err);
	return r < 0 ? r : run(&w, err);
}

static const struct cli_own own_flags[] = {
	CLI_OWN('f', "filter", "KEY=VALUE", FLAG_PAIR, events.filters,
		"or -f: driver=, type= or network= that; again for each"),
	CLI_OWN(0, "since", "TIME", FLAG_DURATION, events.since_ms,
		"and what is kept of so long ago (default: from now on)"),
	{ .flag = { 0 } },
};

const struct cmd cmd_events = {
	.name = "events",
	.summary = "what happens in all daemons, live",
	.help = "\n"
		"A line for each: networks, endpoints, ports and volumes that "
		"come, go and are\n"
		"used, addresses that are handed out, firewall rules that "
		"others removed and a\n"
		"daemon put back, and daemons that go down and come up. Those "
		"of all daemons are\n"
		"in order of time. With --json an object a line.\n"
		"\n"
		"A daemon keeps its last 1024 events, and none over a restart; "
		"who is too late is\n"
		"told how many it missed. Several filters of one key: any of "
		"them; of different\n"
		"keys: all. docs/events.md lists types and actions.\n"
		"\n"
		"  netctl events\n"
		"  netctl events -f type=network -f type=endpoint -f "
		"network=shop\n"
		"  netctl events --since 10m --for 1s --json\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_DOCKER | CLI_TIMEOUT | CLI_FOR,
	.own = own_flags,
	.run = events_run_verb,
};
