// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Empty requests that come together.
 *
 * A killed daemon breaks all its connections at one moment, and dockerd repeats
 * each request whose body it had written, read by us or not, with an empty body:
 * 1, 3, 7 and 15 s after that moment, all at the same times but for its own
 * scheduling.  So whoever is to be alone waits for TOGETHER_MS.  That is not enough
 * where we began to listen a moment ago: another may have found nobody, and
 * comes with the next repetition, up to 8 s later.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/rpc_priv.h"

#define TOGETHER_MS 500
#define NEXT_TRY_MS 8000

static struct rpc_meet *meet_find_locked(struct rpc *rpc, const char *method,
					 uint64_t now)
{
	struct rpc_meet *m;

	for (m = rpc->meets; m; m = m->next)
		if (now < m->end_ms && strcmp(m->method, method) == 0)
			return m;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->method = method;
	m->end_ms = now + TOGETHER_MS;
	if (rpc->listens_ms && now - rpc->listens_ms < TOGETHER_MS)
		m->end_ms += NEXT_TRY_MS;
	m->next = rpc->meets;
	rpc->meets = m;
	return m;
}

static void meet_leave_locked(struct rpc *rpc, struct rpc_meet *m)
{
	struct rpc_meet **at = &rpc->meets;

	if (--m->here)
		return;
	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	free(m);
}

static struct timespec timespec_of(uint64_t ms)
{
	return (struct timespec){
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};
}

static bool alone_locked(struct rpc *rpc, const char *method)
{
	struct rpc_meet *m = meet_find_locked(rpc, method, rpc_now_us() / 1000);
	struct timespec end;
	bool alone;

	if (!m)
		return false;
	m->here++;
	if (++m->count > 1)
		pthread_cond_broadcast(&rpc->moved);
	end = timespec_of(m->end_ms);
	while (m->count == 1 && !rpc->stopping &&
	       rpc_now_us() / 1000 < m->end_ms)
		pthread_cond_timedwait(&rpc->moved, &rpc->lock, &end);
	/* With no thread left there may be others that were not read. */
	alone = m->count == 1 && !rpc->stopping && !rpc_conns_full_locked(rpc);
	meet_leave_locked(rpc, m);
	return alone;
}

bool rpc_retry_alone(const struct rpc_call *call)
{
	struct rpc *rpc = call->rpc;
	bool alone;

	if (!rpc)
		return true;
	pthread_mutex_lock(&rpc->lock);
	alone = alone_locked(rpc, call->method);
	pthread_mutex_unlock(&rpc->lock);
	return alone;
}

void rpc_meets_free(struct rpc *rpc)
{
	while (rpc->meets) { /* nobody is in one any more */
		struct rpc_meet *m = rpc->meets;

		rpc->meets = m->next;
		free(m);
	}
}
