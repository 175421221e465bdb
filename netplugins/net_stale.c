/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Endpoints nobody uses any more, and the thread that hears what others did
 * to the kernel.
 *
 * dockerd forgets an endpoint when it is killed, and when we don't answer
 * while it removes a container; it never tells later.
 */
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "lib/events.h"
#include "lib/log.h"
#include "netplugins/net_core.h"

#define EVENT_FDS 8
#define TICK_S    5 /* of one tick, for networks that are tried again */

/* ---- stale endpoints ----------------------------------------------------- */

/* Can we see where sandboxes are kept?  Not from another mount namespace than
 * dockerd's: then a missing one says nothing. */
static bool sandbox_dir_visible(const char *sandbox)
{
	char path[256];

	snprintf(path, sizeof(path), "%s", sandbox);
	return access(dirname(path), F_OK) == 0;
}

/* dockerd leaves the file for a minute when the namespace is gone: alive is
 * what has one mounted. */
bool net_sandbox_alive(const char *sandbox)
{
	struct statfs fs;

	return sandbox[0] && statfs(sandbox, &fs) == 0 &&
	       fs.f_type == NSFS_MAGIC;
}

static const char gone[] = "its link is gone from every namespace";

const char *net_stale_reason(struct net_slot *s)
{
	static const char no_sandbox[] = "its sandbox does not exist";
	const char *sandbox = s->ep.sandbox;
	int place;

	if (s->absent)
		return gone;
	place = s->ep.network->driver->endpoint_place(&s->ep, NULL);
	if (place < 0)
		return NULL;
	if (place == NET_LINK_GONE)
		return gone;
	if (place == NET_LINK_HERE) {
		if (net_sandbox_alive(sandbox))
			return NULL;
		return sandbox[0] ? no_sandbox : "no sandbox has it";
	}
	/* In a container, whose mount we may not see. */
	if (sandbox[0] && access(sandbox, F_OK) < 0 &&
	    sandbox_dir_visible(sandbox))
		return no_sandbox;
	return NULL;
}

static void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Does a process live in the network namespace of @ns?  True also where one may
 * not be looked at. */
static bool has_process(const struct stat *ns)
{
	_cleanup_(dir_closep) DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[64];
	struct stat st;

	while (proc && (entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s", entry->d_name);
		if (stat(path, &st) < 0)
			continue; /* gone meanwhile */
		snprintf(path, sizeof(path), "/proc/%.20s/ns/net",
			 entry->d_name);
		if (stat(path, &st) == 0) {
			if (st.st_ino == ns->st_ino && st.st_dev == ns->st_dev)
				return true;
		} else if (errno == EACCES || errno == EPERM) {
			/* it may have ended just now */
			*strrchr(path, '/') = '\0';
			if (stat(path, &st) == 0)
				return true;
		}
	}
	return !proc;
}

const char *net_dead_reason(struct net_slot *s)
{
	const char *why = net_stale_reason(s);
	struct stat st;

	if (why || !net_sandbox_alive(s->ep.sandbox))
		return why;
	/* A killed dockerd leaves it mounted, with the link in it. */
	if (stat(s->ep.sandbox, &st) == 0 && !has_process(&st))
		return "no process is left in its sandbox";
	return NULL;
}

struct sweep {
	struct net_core *core;
	time_t now;
	uint32_t grace_s;
	bool dry;
	void (*fn)(void *ctx, const char *line);
	void *ctx;
	int removed;
};

static void sweep_slot(struct sweep *w, struct net_entry *e, struct net_slot *s)
{
	const char *why = net_stale_reason(s);
	struct err err = { 0 };
	char line[200], id[65];

	if (!why) {
		s->gone_for = 0;
		return;
	}
	if (!s->gone_for)
		s->gone_for = w->now;
	/* What can only be a fault is told at once. */
	if (w->now - s->gone_for < (time_t)w->grace_s &&
	    !(w->dry && why == gone))
		return;
	snprintf(id, sizeof(id), "%s", s->ep.id);
	if (!w->dry && net_endpoint_drop(w->core, e, s, &err) < 0) {
		log_warn("op=gc endpoint=" NET_SHORT " err=\"%s\"", id,
			 err.msg);
		return;
	}
	w->removed++;
	snprintf(line, sizeof(line),
		 "endpoint " NET_SHORT " of network " NET_SHORT ": %s", id,
		 e->id, why);
	if (w->fn)
		w->fn(w->ctx, line);
	else
		log_info("op=gc removed=\"%s\"", line);
}

static int sweep_network(void *ctx, struct net_entry *e)
{
	struct net_endpoint *ep = e->net->endpoints;

	while (ep) {
		struct net_endpoint *next = ep->next;

		sweep_slot(ctx, e, net_slot_of(ep));
		ep = next;
	}
	return 0;
}

int net_stale_sweep(struct net_core *core, uint32_t grace_s, bool dry,
		    void (*fn)(void *ctx, const char *line), void *ctx)
{
	struct sweep w = { .core = core,
			   .now = net_now(),
			   .grace_s = grace_s,
			   .dry = dry,
			   .fn = fn,
			   .ctx = ctx };
	int r = net_table_each(&core->table, sweep_network, &w);

	return r < 0 ? r : w.removed;
}

/* What stood in a network's way may have gone.  One may wait for others' answers, and
 * the ticking thread is who says that this daemon lives: many are for many ticks. */
static int retry_network(void *ctx, struct net_entry *e)
{
	const struct net_core *core = ctx;

	if (!e->problem[0] || e->undeleted || e->retried == core->retry_turn)
		return 0;
	if (net_now() >= core->tick_end)
		return -EBUSY;
	e->retried = core->retry_turn;
	if (net_network_raise(e, NULL) == 0)
		log_info("op=retry network=" NET_SHORT " result=made-again",
			 e->id);
	return 0;
}

void net_core_tick(struct net_core *core)
{
	time_t now = net_now(), every = core->gc_grace_s / 4;

	net_journal_tick(core);
	if (now < core->next_gc)
		return;
	core->tick_end = now + TICK_S;
	if (!core->retrying) {
		(void)net_stale_sweep(core, core->gc_grace_s, false, NULL,
				      NULL);
		core->retry_turn++;
	}
	core->retrying =
		net_table_each(&core->table, retry_network, core) == -EBUSY;
	if (core->retrying)
		return;
	core->next_gc = now + (every < 1 ? 1 : every > 15 ? 15 : every);
}

/* ---- events -------------------------------------------------------------- */

/* Somebody deleted the network's link: make it again, and hang the endpoints
 * that are left back in. */
static int mend_network(void *ctx, struct net_entry *e)
{
	const struct net_core *core = ctx;
	struct err err = { 0 };
	int r;

	if (e->undeleted || !core->driver->network_lost(e->net))
		return 0;
	r = net_network_raise(e, &err);
	log_warn("op=mend network=" NET_SHORT " result=%s%s%s%s", e->id,
		 r < 0 ? "failed" : "made-again", r < 0 ? " err=\"" : "",
		 r < 0 ? err.msg : "", r < 0 ? "\"" : "");
	return 0;
}

static void on_event(struct net_core *core)
{
	struct err err = { 0 };
	bool news;
	int r = core->driver->event(core->host, &err);

	pthread_mutex_lock(&core->trouble_lock);
	news = r < 0 && strcmp(core->repair_trouble, err.msg) != 0;
	snprintf(core->repair_trouble, sizeof(core->repair_trouble), "%s",
		 r < 0 ? err.msg : "");
	if (r > 0)
		core->repairs += (uint64_t)r;
	pthread_mutex_unlock(&core->trouble_lock);
	if (r > 0) {
		char count[16];

		snprintf(count, sizeof(count), "%d", r);
		events_add(core->news, "rules", "repair", count, NULL);
		log_warn("op=repair count=%d", r);
	}
	if (news)
		log_error("op=repair err=\"%s\"", err.msg);
	if (core->driver->network_lost)
		(void)net_table_each(&core->table, mend_network, core);
}

static void *event_loop(void *arg)
{
	struct net_core *core = arg;
	struct pollfd polled[EVENT_FDS + 1] = { 0 };
	int fds[EVENT_FDS];

	for (;;) {
		size_t n = core->driver->fds
				   ? core->driver->fds(core->host, fds)
				   : 0;

		for (size_t i = 0; i < n; i++)
			polled[i] = (struct pollfd){ .fd = fds[i],
						     .events = POLLIN };
		polled[n] = (struct pollfd){ .fd = core->events_stop,
					     .events = POLLIN };
		if (poll(polled, n + 1, 1000) < 0 && errno != EINTR)
			return NULL;
		if (polled[n].revents)
			return NULL;
		on_event(core);
	}
}

int net_events_start(struct net_core *core, struct err *err)
{
	pthread_attr_t attr;
	int r;

	if (!core->driver->event)
		return 0;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256u << 10);
	r = pthread_create(&core->events, &attr, event_loop, core);
	pthread_attr_destroy(&attr);
	if (r != 0)
		return err_set(err, -r, "event thread: %s", strerror(r));
	core->events_run = true;
	return 0;
}

void net_events_stop(struct net_core *core)
{
	if (!core->events_run)
		return;
	if (eventfd_write(core->events_stop, 1) < 0)
		return;
	pthread_join(core->events, NULL);
	core->events_run = false;
}
