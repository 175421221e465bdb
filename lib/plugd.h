/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plugd.h - the skeleton of every daemon: flags, locks, socket, signals.
 *
 * main() fills a struct plugd_program and returns plugd_main(): parse flags
 * (and --config FILE, the same names without dashes, "key = value"), lock and
 * open the stores, let the program start and recover, take the listening
 * socket from LISTEN_FDS or make it (0600, root; a stale file is removed only
 * under the lock), serve, READY=1, wait for SIGTERM/SIGINT, stop, exit 0.
 */
#ifndef LIB_PLUGD_H
#define LIB_PLUGD_H

#include <stdbool.h>

#include "lib/err.h"
#include "lib/rpc.h"
#include "lib/store.h"

/* What the flags said; strings are borrowed for the life of the process. */
struct plugd_dirs {
	const char *plugin_dir; /* /run/docker/plugins */
	const char *state_dir;  /* /var/lib/berth */
	const char *run_dir;    /* /run/berth */
	const char *bpf_dir;    /* /sys/fs/bpf */
	const char *cgroup;     /* NULL: the cgroup v2 root in mountinfo */
};

struct plugd {
	const struct plugd_program *prog;
	struct events *events; /* owned; NULL in tests without (events.h) */
	struct plugd_dirs dirs;
	struct store *state; /* owned */
	struct store *run;   /* owned */
	struct rpc *rpc;     /* owned; NULL until it serves */
	void *ctx;           /* the program's own, from .start */
};

/* A flag of one program, beside the common ones. */
struct plugd_flag {
	const char *name; /* "gc-grace" */
	const char *arg;  /* "DURATION", NULL: a switch */
	const char *help;
	/* Return: 0; -EINVAL with text. */
	int (*set)(struct plugd *d, void *config, const char *value,
		   struct err *err);
};

struct plugd_metric;
struct plugd_event;
struct events;

struct plugd_program {
	const char *name;    /* "berth-bridge": binary, plugin and socket */
	const char *summary; /* one line for --help */
	const char *const *implements;  /* {"NetworkDriver", NULL} */
	const struct plugd_flag *flags; /* ended by { 0 }; may be NULL */
	void *config;                   /* what .set fills */
	const struct rpc_method *const *tables; /* NULL-ended */
	/* Open what the program needs and recover; the stores are open, the
	 * socket not yet.  @ret is d->ctx, given to handlers. */
	int (*start)(struct plugd *d, void **ret, struct err *err);
	void (*stop)(void *ctx);                    /* may be NULL */
	void (*sending)(void *ctx, uint64_t seq);   /* may be NULL */
	void (*delivered)(void *ctx, uint64_t seq); /* may be NULL */
	/* Called about once a second from the main thread.  May be NULL. */
	void (*tick)(void *ctx);
	/* What GET /metrics has beside the daemon's own figures (plugd_metrics.h);
	 * ended by { 0 }; those of one method after each other.  May be NULL. */
	const struct plugd_metric *metrics;
	/* Methods whose success is an event (plugd_events.h); ended by { 0 }.  May be
	 * NULL. */
	const struct plugd_event *events;
};

/* plugd_main() - the whole daemon.  Return: the exit status: 0, 1 (told on
 * stderr, once), 2 for a usage error. */
int plugd_main(const struct plugd_program *prog, int argc, char **argv);

/*
 * plugd_starting() - for a program's .start, before each step of which there may be
 * many: the service manager (systemd) waits for READY=1 for PLUGD_STEP_S from now
 * on, if it would not anyway.  Any thread; nothing where nobody listens.
 */
#define PLUGD_STEP_S 90
void plugd_starting(void);

#define BERTH_VERSION "0.1.0"

#endif
