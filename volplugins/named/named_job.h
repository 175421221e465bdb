/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * named_job.h - what may hang for as long as a server is dead: in a thread of
 * its own, waited for a bounded time.
 *
 * A job has no access to a volume: it makes a detached mount, or takes one
 * away.  When nobody waits for it any more its result is closed, which undoes
 * it.  One job of a key at a time: who comes again waits for the one that is
 * under way, so a dead server costs one thread a volume and no more.
 */
#ifndef VOLPLUGINS_NAMED_NAMED_JOB_H
#define VOLPLUGINS_NAMED_NAMED_JOB_H

#include <stdint.h>

#include "lib/base.h"
#include "lib/err.h"

#define NAMED_JOBS_MAX 32 /* under way; more are refused (TasksMax=) */

struct named_jobs;

/* Called by the thread that also answers for the daemon's start, whose waits
 * are short.  -ENOMEM. */
int named_jobs_new(struct named_jobs **ret, struct err *err);
/* Jobs that hang are left to the end of the process.  NULL is fine. */
void named_jobs_free(struct named_jobs *jobs);
DEFINE_CLEANUP(struct named_jobs, named_jobs_free)

struct named_job_spec {
	const char *key; /* of the thing: its name and all that defines it */
	/* Return: 0 or a descriptor (owned); -errno.  Touches nothing but
	 * @arg, @ret_used (a figure, where it has one) and @err. */
	int (*run)(void *arg, uint64_t *ret_used, struct err *err);
	void (*free)(void *arg);
	void *arg; /* taken, also on failure */
	int wait_ms;
	const char *slow; /* what is wrong when it takes longer */
};

/*
 * named_job_run() - run it and wait.
 *
 * On the thread of the start the wait is three seconds at most, and short for a
 * minute after one that was in vain: a server that is dead must not hold up the
 * volumes of the others.
 *
 * @ret_used: may be NULL.
 * Return: what .run returned; -ETIMEDOUT: it is still under way; -EAGAIN: too
 *         many are.
 */
int named_job_run(struct named_jobs *jobs, const struct named_job_spec *spec,
		  uint64_t *ret_used, struct err *err);

#endif
