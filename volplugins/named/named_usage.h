/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * named_usage.h - how much is in volumes that only a walk can tell of.
 *
 * Asking never walks: it gives the last figure with its age, and has a thread
 * take a new one if that is older than a minute.  The thread walks by
 * descriptor (lib/tree), at idle I/O priority, rests as long as it works, and
 * leaves a volume alone for 100 times as long as its last walk took: at most
 * one hundredth of the time goes into it, however many files there are.
 */
#ifndef VOLPLUGINS_NAMED_NAMED_USAGE_H
#define VOLPLUGINS_NAMED_NAMED_USAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "volplugins/vol_driver.h"

struct named_figure;

struct named_walker {
	int volumes;          /* borrowed */
	unsigned int fresh_s; /* how old a figure may be: 60 */
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;  /* work, or stop */
	pthread_t thread;     /* begun with the first question */
	bool started, stop;
	void *figures;              /* tsearch(3) tree of named_figure */
	struct named_figure *queue; /* to be walked, first first */
	struct named_figure *at;    /* being walked */
};

/* @volumes_fd: borrowed, the directory with NAME/_data. */
void named_walker_init(struct named_walker *w, int volumes_fd);
/* Ends a walk under way within a moment. */
void named_walker_fini(struct named_walker *w);

/*
 * named_walker_ask() - the last figure of the volume @name, and a new one for
 * the next time.
 *
 * Return: 0, used_known and age_s set; -ENODATA: none yet.
 */
int named_walker_ask(struct named_walker *w, const char *name,
		     struct vol_usage *ret, struct err *err);
/* The volume is gone: the next of its name begins without a figure. */
void named_walker_forget(struct named_walker *w, const char *name);

#endif
