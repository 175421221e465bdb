/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * starter.h - who asked for a container to begin ("run", "start"): until it runs, or until
 * it has ended, with its output here.
 *
 * All that is made is the monitor's; what is in here goes with us and takes nothing of
 * the container along.
 */
#ifndef NETCTL_BOX_STARTER_H
#define NETCTL_BOX_STARTER_H

#include <signal.h>

#include "netctl/box/monitor.h"

/* Where things are, from the root: the monitor lives in "/". */
struct starter_dirs {
	char *v[4]; /* owned */
};

/* starter_from_the_root() - before any container is opened.  @ctl's directories are @d's
 * from here on. */
int starter_from_the_root(struct ctl *ctl, struct starter_dirs *d,
			  struct err *err);
void starter_dirs_free(struct starter_dirs *d);

struct starter {
	const struct ctl *ctl;
	char id[BOOK_ID_MAX];
	struct monitor_client ends; /* owned */
	int master;                 /* owned: a terminal's; -1: none */
	int signals;                /* owned */
	int got;                    /* the one that shall end us; 0: none */
	sigset_t before;            /* of ours, as they were */
};

#define STARTER_NONE                                                     \
	{                                                                \
		.ends = { -1, -1, -1, -1 }, .master = -1, .signals = -1, \
	}

/*
 * starter_signals() - from here to starter_close() a signal that would end us waits, and then
 * keeps the container from beginning.  Before its record is made, or says another thing.
 * @c: STARTER_NONE.
 */
int starter_signals(struct starter *c, struct err *err);
/*
 * starter_open() - let a monitor begin.  @b: ours; given away on success, untouched on
 * failure.  @output, @input: as monitor_spawn() has them.  After starter_signals().
 */
int starter_open(const struct ctl *ctl, struct box *b, bool output, bool input,
		 struct starter *c, struct err *err);

/*
 * starter_begun() - until it runs.
 * Return: 0; > 0: it does not, and the exit status to tell so: @err says why, and is as it
 * was where that is a signal for us; -errno: its monitor was killed.
 */
int starter_begun(struct starter *c, struct err *err);
/* starter_stay() - until it has ended.  @input: ours is its own.
 * Return: its exit status; -errno. */
int starter_stay(struct starter *c, bool input, struct err *err);
/* starter_done() - what we exit with is known: a signal that comes late does not change it. */
void starter_done(struct starter *c);
void starter_close(struct starter *c);

#endif
