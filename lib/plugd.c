// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The life of a daemon, from its flags to exit 0.
 *
 * Order matters: signals are blocked before any thread exists; the stores are
 * locked before the socket's file is touched; the program has recovered before
 * a request can come in, and READY=1 is said after that.  On the way out the
 * socket goes first, then the requests finish, then the program, then the
 * stores.
 */
#include "lib/plugd.h"
#include "lib/events.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "lib/journal.h"
#include "lib/log.h"
#include "lib/plugd_events.h"
#include "lib/plugd_metrics.h"
#include "lib/plugd_priv.h"

#define COPY_EVERY_S 600 /* renew the stores' copies when they changed */

/* ---- methods of every daemon ------------------------------------------- */

static int on_activate(void *ctx, struct rpc_call *call, json_object **ret,
		       struct err *err)
{
	const struct plugd *d = ctx;
	json_object *list = json_object_new_array();

	(void)call;
	(void)err;
	for (const char *const *s = d->prog->implements; s && *s; s++)
		json_object_array_add(list, json_object_new_string(*s));
	*ret = json_object_new_object();
	json_object_object_add(*ret, "Implements", list);
	return 0;
}

static int on_metrics(void *ctx, struct rpc_call *call, json_object **ret,
		      struct err *err)
{
	(void)ctx;
	(void)err;
	*ret = rpc_metrics(call->rpc);
	return 0;
}

static const struct rpc_method own_methods[] = {
	{ "Plugin.Activate", on_activate },
	{ "Berth.Metrics", on_metrics },
	{ "Berth.Events", plugd_on_events },
	{ 0 },
};

/* ---- start ------------------------------------------------------------- */

/* Small and bounded: two arenas, freed memory goes back, descriptors as many
 * as we may have (a claimed port is one). */
static void limits_set(void)
{
	struct rlimit lim;

	mallopt(M_ARENA_MAX, 2);
	mallopt(M_TRIM_THRESHOLD, 64 << 10);
	mallopt(M_MMAP_THRESHOLD, 64 << 10);
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim); /* the soft limit stays */
	}
	umask(0077);
	signal(SIGPIPE, SIG_IGN);
}

/* What it made stays: its peer may use it.  If the peer does not know of it, it is
 * found where what is left over is looked for (netctl gc, netctl ipam check). */
static int sent_tell(void *ctx, const struct journal_intent *i)
{
	char key[2 * sizeof(i->key)];

	(void)ctx;
	log_warn("op=recover method=%s key=%s result=kept err=\"its answer was "
		 "on its way when the last daemon died: whether it arrived "
		 "can't be known\"",
		 i->method, log_quote(key, sizeof(key), i->key));
	return 0;
}

static int store_in(const struct plugd *d, const char *parent,
		    enum store_life life, struct store **ret, struct err *err)
{
	char dir[PATH_MAX];
	int n = snprintf(dir, sizeof(dir), "%s/%s", parent, d->prog->name);
	int r;

	if (n < 0 || (size_t)n >= sizeof(dir))
		return err_set(err, -ENAMETOOLONG, "%s", parent);
	r = plugd_mkdirs(parent, 0700, err);
	if (r == 0)
		r = store_open(dir, life, ret, err);
	if (r < 0)
		return r;
	if (store_was_restored(*ret))
		log_error("dir=%s err=\"the store was damaged and replaced by "
			  "its last copy\"",
			  dir);
	if (store_is_readonly(*ret))
		log_error("dir=%s err=\"read-only: nothing can be changed\"",
			  dir);
	return journal_each_sent(*ret, sent_tell, NULL, err);
}

static int stores_open(struct plugd *d, struct err *err)
{
	int r = store_in(d, d->dirs.state_dir, STORE_STATE, &d->state, err);

	if (r == 0)
		r = store_in(d, d->dirs.run_dir, STORE_RUN, &d->run, err);
	return r;
}

static int serve(struct plugd *d, struct plugd_sock *k, struct err *err)
{
	struct rpc_config cfg = {
		.tables = d->prog->tables,
		.ctx = d->ctx,
		.own = own_methods,
		.own_ctx = d,
		.sending = d->prog->sending,
		.delivered = d->prog->delivered,
		.page = plugd_metrics,
		.done = plugd_event_done,
		.driver = d->prog->name,
	};
	int r = plugd_sock_open(k, d, err);

	if (r < 0)
		return r;
	cfg.listen_fd = take_fd(k->fd);
	cfg.held = !k->ours;
	r = rpc_start(&cfg, &d->rpc, err);
	if (r < 0)
		plugd_sock_unlink(k);
	return r;
}

/* ---- run --------------------------------------------------------------- */

static void sock_watch(struct plugd *d, struct plugd_sock *k)
{
	struct err err = { 0 };
	int r;

	if (!plugd_sock_lost(k)) {
		k->told = false;
		return;
	}
	r = plugd_sock_make(k, &err);
	if (r == 0)
		r = rpc_relisten(d->rpc, take_fd(k->fd), &err);
	if (r == 0)
		log_warn("socket=%s msg=\"its file was gone: made again\"",
			 k->path);
	else if (!k->told) /* and tried every second from now on */
		log_error("socket=%s err=\"%s\"", k->path, err.msg);
	k->told = r < 0;
}

static void copies_renew(struct plugd *d, unsigned int *seconds)
{
	struct err err = { 0 };

	if (++*seconds < COPY_EVERY_S)
		return;
	*seconds = 0;
	if (store_copy_if_due(d->state, &err) < 0 ||
	    store_copy_if_due(d->run, &err) < 0)
		log_warn("err=\"%s\"", err.msg);
}

static void run(struct plugd *d, struct plugd_sock *k, const sigset_t *stop)
{
	const struct timespec second = { .tv_sec = 1 };
	unsigned int seconds = 0;

	while (sigtimedwait(stop, NULL, &second) < 0) {
		sd_notify(0, "WATCHDOG=1"); /* who wants it, listens */
		rpc_tick(d->rpc);
		sock_watch(d, k);
		copies_renew(d, &seconds);
		if (d->prog->tick)
			d->prog->tick(d->ctx);
	}
}

/* Return: false when a handler hangs: nothing it uses may be freed. */
static bool stop(struct plugd *d, const struct plugd_sock *k)
{
	sd_notify(0, "STOPPING=1");
	plugd_sock_unlink(k);
	events_end(d->events);
	if (!rpc_stop(d->rpc)) {
		log_error("err=\"a request hangs: left to the journal\"");
		return false;
	}
	d->rpc = NULL;
	return true;
}

static int start(struct plugd *d, struct plugd_sock *k, struct err *err)
{
	int r;

	d->events = events_new();
	if (!d->events)
		return err_set(err, -ENOMEM, "out of memory");
	r = stores_open(d, err);

	if (r < 0)
		return r;
	r = d->prog->start(d, &d->ctx, err);
	if (r < 0)
		return r;
	r = serve(d, k, err);
	if (r < 0 && d->prog->stop)
		d->prog->stop(d->ctx);
	return r;
}

int plugd_main(const struct plugd_program *prog, int argc, char **argv)
{
	struct plugd d = {
		.prog = prog,
		.dirs = { .plugin_dir = "/run/docker/plugins",
			  .state_dir = "/var/lib/berth",
			  .run_dir = "/run/berth",
			  .bpf_dir = "/sys/fs/bpf" },
	};
	struct plugd_sock sock = { .fd = -EBADF };
	struct err err = { 0 };
	sigset_t signals;
	int r = plugd_flags(&d, argc, argv);

	if (r != 0)
		return r > 0 ? 0 : 2;
	limits_set();
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	r = start(&d, &sock, &err);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", prog->name, err.msg);
		store_close(d.run);
		store_close(d.state);
		events_free(d.events);
		return 1;
	}
	sd_notify(0, "READY=1");
	log_info("driver=%s version=%s msg=ready", prog->name, BERTH_VERSION);
	run(&d, &sock, &signals);
	if (!stop(&d, &sock))
		return 1;
	if (prog->stop)
		prog->stop(d.ctx);
	store_close(d.run);
	store_close(d.state);
	events_free(d.events);
	log_info("driver=%s msg=stopped", prog->name);
	return 0;
}
