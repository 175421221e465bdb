/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that deletes links, so that nobody waits for RCU: whatever has
 * been queued meanwhile goes in one go.
 */
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "lib/log.h"
#include "netplugins/bridge/bridge.h"

#define QUEUE_MAX 1024
#define BATCH_MAX 64
#define TRIES_MAX 5
#define RETRY_S   1
#define NOTE      "reap:" /* + link: "alias endpoint" */

struct job {
	char name[IFNAMSIZ], alias[NLK_ALIAS_MAX], endpoint[65];
	unsigned int tries;
};

struct bridge_reaper {
	struct bridge_host *host; /* borrowed */
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t more, done; /* done: with a batch */
	pthread_cond_t wake; /* ends the pause before a retry; monotonic */
	/* under .lock */
	struct job queue[QUEUE_MAX];
	size_t head, count; /* those under way are still counted */
	bool stop;
};

static void note_key(const char *name, char buf[static 32])
{
	snprintf(buf, 32, NOTE "%s", name);
}

/* The link is gone: @deleted says how that went.  Return: 0, or what went
 * wrong first; the note stays then. */
static int finish(struct bridge_host *host, const struct job *job, int deleted,
		  struct err *err)
{
	char key[32];
	int r = deleted == -EPERM ? 0 : deleted; /* somebody else's by now */

	/* Only now: until its link is gone the port stays guarded. */
	if (r == 0)
		r = dp_port_del(host->dp, job->endpoint, err);
	if (r < 0)
		return r;
	note_key(job->name, key);
	return host->memo->del(host->memo->ctx, key, err);
}

static int reap(struct bridge_host *host, const struct job *job,
		struct err *err)
{
	return finish(host, job,
		      nlk_link_del(host->slow, job->name, job->alias, err),
		      err);
}

/* Return: how many are to be tried again: the first ones of @jobs then. */
static size_t reap_batch(struct bridge_host *host, struct job *jobs,
			 size_t count)
{
	struct nlk_link_ref refs[BATCH_MAX];
	struct err err = { 0 };
	size_t left = 0;
	int r = FAILPOINT("bridge.reap_batch");

	for (size_t i = 0; i < count; i++)
		refs[i] = (struct nlk_link_ref){ .name = jobs[i].name,
						 .alias = jobs[i].alias };
	if (r == 0)
		r = nlk_link_del_many(host->slow, refs, count, &err);
	for (size_t i = 0; i < count; i++) {
		int one = r < 0 ? r : refs[i].result;

		one = finish(host, &jobs[i], one, &err);
		if (one == 0)
			continue;
		log_debug("op=reap link=%s err=\"%s\"", jobs[i].name, err.msg);
		/* What never works stays noted for the next start. */
		if (++jobs[i].tries < TRIES_MAX)
			jobs[left++] = jobs[i];
	}
	return left;
}

/* Under r->lock, which is let go meanwhile. */
static void pause_before_retry(struct bridge_reaper *r)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += RETRY_S;
	while (!r->stop &&
	       pthread_cond_timedwait(&r->wake, &r->lock, &until) == 0)
		;
}

/* Under r->lock: the first @taken were tried, @again is left of them. */
static void next_jobs(struct bridge_reaper *r, size_t taken,
		      const struct job *again, size_t left)
{
	/* Their own places are free again: they fit. */
	for (size_t i = 0; i < left; i++)
		r->queue[(r->head + taken - left + i) % QUEUE_MAX] = again[i];
	r->head = (r->head + taken - left) % QUEUE_MAX;
	r->count -= taken - left;
	pthread_cond_broadcast(&r->done);
	if (left && !r->stop)
		pause_before_retry(r);
}

static void *reaper_loop(void *arg)
{
	struct bridge_reaper *r = arg;
	struct job batch[BATCH_MAX];

	pthread_mutex_lock(&r->lock);
	for (;;) {
		size_t taken, left;

		while (!r->count && !r->stop)
			pthread_cond_wait(&r->more, &r->lock);
		if (!r->count)
			break;
		taken = r->count < BATCH_MAX ? r->count : BATCH_MAX;
		for (size_t i = 0; i < taken; i++)
			batch[i] = r->queue[(r->head + i) % QUEUE_MAX];
		pthread_mutex_unlock(&r->lock);
		left = reap_batch(r->host, batch, taken);
		pthread_mutex_lock(&r->lock);
		/* the notes of what is dropped here are for the next start */
		next_jobs(r, taken, batch, r->stop ? 0 : left);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static bool enqueue(struct bridge_reaper *r, const struct job *job)
{
	bool fits;

	pthread_mutex_lock(&r->lock);
	fits = r->count < QUEUE_MAX;
	if (fits) {
		r->queue[(r->head + r->count++) % QUEUE_MAX] = *job;
		pthread_cond_signal(&r->more);
	}
	pthread_mutex_unlock(&r->lock);
	return fits;
}

int bridge_reaper_add(struct bridge_reaper *r, const char *name,
		      const char *alias, const char *endpoint, struct err *err)
{
	const struct net_memo *memo = r->host->memo;
	char key[32], text[NLK_ALIAS_MAX + 70];
	struct job job = { 0 };

	snprintf(job.name, sizeof(job.name), "%s", name);
	snprintf(job.alias, sizeof(job.alias), "%s", alias);
	snprintf(job.endpoint, sizeof(job.endpoint), "%s", endpoint);
	note_key(name, key);
	snprintf(text, sizeof(text), "%s %s", alias, endpoint);
	/* Without a note nobody would go on after a kill: do it at once. */
	if (memo->put(memo->ctx, key, text, NULL) < 0 || !enqueue(r, &job))
		return reap(r->host, &job, err);
	return 0;
}

void bridge_reaper_flush(struct bridge_reaper *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->count)
		pthread_cond_wait(&r->done, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

/* Under r->lock. */
static bool is_queued(const struct bridge_reaper *r, const char *endpoint)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->queue[(r->head + i) % QUEUE_MAX].endpoint,
			   endpoint) == 0)
			return true;
	return false;
}

void bridge_reaper_wait(struct bridge_reaper *r, const char *endpoint)
{
	pthread_mutex_lock(&r->lock);
	while (is_queued(r, endpoint))
		pthread_cond_wait(&r->done, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

/* What a killed daemon left to do.  Called before the thread starts. */
static int take_note(void *arg, const char *key, const char *text)
{
	struct bridge_reaper *r = arg;
	struct job job = { 0 };

	if (strncmp(key, NOTE, strlen(NOTE)) != 0 ||
	    sscanf(text, "%159s %64s", job.alias, job.endpoint) != 2)
		return 0;
	snprintf(job.name, sizeof(job.name), "%s", key + strlen(NOTE));
	(void)enqueue(r, &job); /* what doesn't fit is taken next time */
	return 0;
}

int bridge_reaper_open(struct bridge_host *host, struct bridge_reaper **ret,
		       struct err *err)
{
	struct bridge_reaper *r = calloc(1, sizeof(*r));
	pthread_condattr_t cond;
	pthread_attr_t attr;
	int e;

	if (!r)
		return err_set(err, -ENOMEM, "reaper");
	r->host = host;
	(void)pthread_mutex_init(&r->lock, NULL);
	(void)pthread_cond_init(&r->more, NULL);
	(void)pthread_cond_init(&r->done, NULL);
	pthread_condattr_init(&cond);
	pthread_condattr_setclock(&cond, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&r->wake, &cond);
	pthread_condattr_destroy(&cond);
	e = host->memo->each(host->memo->ctx, take_note, r, err);
	if (e == 0) {
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 128u << 10);
		e = -pthread_create(&r->thread, &attr, reaper_loop, r);
		pthread_attr_destroy(&attr);
	}
	r->running = e == 0;
	if (e < 0) {
		bridge_reaper_close(r);
		return err_wrap(err, e, "reaper");
	}
	*ret = r;
	return 0;
}

void bridge_reaper_close(struct bridge_reaper *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->more);
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	if (r->running)
		pthread_join(r->thread, NULL);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->more);
	pthread_cond_destroy(&r->done);
	pthread_cond_destroy(&r->wake);
	free(r);
}
