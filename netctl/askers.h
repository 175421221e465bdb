/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * askers.h - questions that may take long, each asked in a thread of its own, so that
 * one that hangs keeps nobody waiting.
 */
#ifndef NETCTL_ASKERS_H
#define NETCTL_ASKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/err.h"

struct askers;

struct question {
	/* Runs in the thread.  @ret: owned.  Return: 0; -errno with text. */
	int (*ask)(void *ctx, const void *arg, void **ret, struct err *err);
	void (*free)(void *answer);
	const void *arg;
};

/* How it stands with one. */
struct asked {
	void *answer; /* borrowed until the next askers_look() of it: the last one
			 * that came; NULL: none did, or the last try failed */
	uint64_t at_ns;    /* CLOCK_MONOTONIC: the middle of the time it took */
	unsigned int took; /* how often an answer or an error came */
	int r;             /* of the last try: 0; -errno, */
	struct err err;    /* its text */
	uint64_t busy_ms;  /* for so long it has been asked; 0: it is not */
};

/* askers_start() - @ctx is given to every .ask and must stay until the process ends, as
 * must @q.  Return: 0; -errno. */
int askers_start(const struct question *q, size_t count, void *ctx,
		 struct askers **ret, struct err *err);
/* askers_stop() - with those that still ask the process has to end: their threads, and
 * what they use, are left as they are.  NULL is fine. */
void askers_stop(struct askers *p);
DEFINE_CLEANUP(struct askers, askers_stop)

/* askers_ask() - question @i, unless it is being asked. */
void askers_ask(struct askers *p, size_t i);
/* askers_fd() - readable when an answer came since askers_clear().  Borrowed. */
int askers_fd(const struct askers *p);
void askers_clear(struct askers *p);
/* Is any of the first @count being asked? */
bool askers_busy(struct askers *p, size_t count);
void askers_look(struct askers *p, size_t i, struct asked *ret);

#endif
