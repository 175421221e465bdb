/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs that may hang; named_job.h. */
#include "volplugins/named/named_job.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define START_MS   3000
#define IN_VAIN_MS 200 /* after a wait in vain, for so many seconds: */
#define IN_VAIN_S  60

struct job {
	struct job *next;        /* by jobs->lock */
	struct named_jobs *jobs; /* a reference */
	unsigned int refs;       /* the thread's, the list's and waiters' */
	char *key;
	int (*run)(void *arg, uint64_t *ret_used, struct err *err);
	void (*free)(void *arg);
	void *arg;

	bool done;
	int result; /* owned, if a descriptor that nobody took */
	uint64_t used;
	struct err err;
};

/* Outlives the host for as long as a job hangs. */
struct named_jobs {
	pthread_mutex_t lock; /* of all below, and the jobs' state */
	pthread_cond_t ended; /* one of them */
	unsigned int refs, count;
	struct job *list; /* under way */
	pthread_t starter;
	time_t in_vain; /* CLOCK_MONOTONIC: when the starter last was; 0 */
};

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* ---- references; the lock is held on entry, and gone if true comes back --- */

static bool jobs_unref(struct named_jobs *jobs)
{
	bool last = --jobs->refs == 0;

	if (!last)
		return false;
	pthread_mutex_unlock(&jobs->lock);
	pthread_cond_destroy(&jobs->ended);
	pthread_mutex_destroy(&jobs->lock);
	free(jobs);
	return true;
}

static void job_free(struct job *j)
{
	if (j->arg)
		j->free(j->arg);
	if (j->result > 0)
		close(j->result);
	free(j->key);
	free(j);
}

/* Leaves the lock open. */
static void job_unref_unlock(struct job *j)
{
	struct named_jobs *jobs = j->jobs;
	bool last = --j->refs == 0;

	if (!last) {
		pthread_mutex_unlock(&jobs->lock);
		return;
	}
	if (!jobs_unref(jobs))
		pthread_mutex_unlock(&jobs->lock);
	job_free(j);
}

/* ---- the thread ---------------------------------------------------------- */

static void unlist(struct job *j)
{
	struct job **p = &j->jobs->list;

	while (*p != j)
		p = &(*p)->next;
	*p = j->next;
	j->jobs->count--;
	j->refs--;
}

static void *worker(void *arg)
{
	struct job *j = arg;
	struct err err = { 0 };
	uint64_t used = 0;
	int r = j->run(j->arg, &used, &err);

	/* what it worked with may hold a secret, or a descriptor */
	j->free(j->arg);
	pthread_mutex_lock(&j->jobs->lock);
	j->arg = NULL;
	j->result = r;
	j->used = used;
	j->err = err;
	j->done = true;
	unlist(j);
	pthread_cond_broadcast(&j->jobs->ended);
	job_unref_unlock(j);
	return NULL;
}

static int thread_start(struct job *j)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 512 << 10); /* getaddrinfo() */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&thread, &attr, worker, j);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

/* ---- who waits ----------------------------------------------------------- */

static struct job *find(struct named_jobs *jobs, const char *key)
{
	struct job *j = jobs->list;

	while (j && strcmp(j->key, key) != 0)
		j = j->next;
	return j;
}

/* A new job in the list, its thread running, one reference for the caller.
 * The lock is held. */
static int begin(struct named_jobs *jobs, const struct named_job_spec *spec,
		 struct job **ret, struct err *err)
{
	struct job *j = calloc(1, sizeof(*j));
	int r;

	if (j)
		j->key = strdup(spec->key);
	if (!j || !j->key) {
		free(j);
		spec->free(spec->arg);
		return no_memory(err);
	}
	j->jobs = jobs;
	j->run = spec->run;
	j->free = spec->free;
	j->arg = spec->arg;
	r = jobs->count < NAMED_JOBS_MAX ? thread_start(j) : -EAGAIN;
	if (r < 0) {
		job_free(j);
		return err_set(err, r,
			       "can't start one more mount beside %u that "
			       "hang: %s",
			       jobs->count, strerror(-r));
	}
	j->refs = 3; /* the thread's, the list's and the caller's */
	j->next = jobs->list;
	jobs->list = j;
	jobs->count++;
	jobs->refs++;
	*ret = j;
	return 0;
}

static void deadline(struct timespec *ts, int ms)
{
	clock_gettime(CLOCK_MONOTONIC, ts);
	ts->tv_sec += ms / 1000;
	ts->tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_nsec -= 1000000000;
		ts->tv_sec++;
	}
}

static time_t seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + 1; /* 0 is never */
}

/* How long this thread may wait; the lock is held. */
static int patience(const struct named_jobs *jobs, int wait_ms)
{
	int most;

	if (!pthread_equal(jobs->starter, pthread_self()))
		return wait_ms;
	most = jobs->in_vain && seconds() - jobs->in_vain < IN_VAIN_S
		       ? IN_VAIN_MS
		       : START_MS;
	return wait_ms < most ? wait_ms : most;
}

/* The lock is held. */
static int await(struct job *j, const struct named_job_spec *spec,
		 struct err *err)
{
	struct named_jobs *jobs = j->jobs;
	struct timespec until;

	deadline(&until, patience(jobs, spec->wait_ms));
	while (!j->done)
		if (pthread_cond_timedwait(&jobs->ended, &jobs->lock, &until) ==
		    ETIMEDOUT)
			break;
	if (j->done) {
		if (err)
			*err = j->err;
		return j->result;
	}
	if (pthread_equal(jobs->starter, pthread_self()))
		jobs->in_vain = seconds();
	return err_set(err, -ETIMEDOUT, "%s", spec->slow);
}

int named_job_run(struct named_jobs *jobs, const struct named_job_spec *spec,
		  uint64_t *ret_used, struct err *err)
{
	struct job *j;
	int r = 0;

	pthread_mutex_lock(&jobs->lock);
	j = find(jobs, spec->key);
	if (j) {
		j->refs++;
		spec->free(spec->arg);
	} else {
		r = begin(jobs, spec, &j, err);
	}
	if (!j) { /* begin() failed */
		pthread_mutex_unlock(&jobs->lock);
		return r;
	}
	r = await(j, spec, err);
	if (j->done) {
		j->result = 0; /* taken */
		if (ret_used && r >= 0)
			*ret_used = j->used;
	}
	job_unref_unlock(j);
	return r;
}

int named_jobs_new(struct named_jobs **ret, struct err *err)
{
	struct named_jobs *jobs = calloc(1, sizeof(*jobs));
	pthread_condattr_t attr;

	if (!jobs)
		return no_memory(err);
	pthread_mutex_init(&jobs->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&jobs->ended, &attr);
	pthread_condattr_destroy(&attr);
	jobs->starter = pthread_self();
	jobs->refs = 1;
	*ret = jobs;
	return 0;
}

void named_jobs_free(struct named_jobs *jobs)
{
	if (!jobs)
		return;
	pthread_mutex_lock(&jobs->lock);
	if (!jobs_unref(jobs))
		pthread_mutex_unlock(&jobs->lock);
}
