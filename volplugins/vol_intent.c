/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The intent of a request: announced, begun, taken back. */
#include "volplugins/vol_intent.h"

#include <stdio.h>

#include "lib/answer.h"
#include "lib/fail.h"
#include "lib/journal.h"

static int begin(struct vol_entry *e, struct store *s, const char *method,
		 const struct vol_request *q, bool unsynced, uint64_t *ret,
		 struct err *err)
{
	_cleanup_free_ char *body = vol_request_print(q);
	char key[160];
	int r = FAILPOINT("vol.request");

	if (r < 0)
		return r;
	if (!body)
		return answer_no_memory(err);
	snprintf(key, sizeof(key), "%.159s", e->name);
	if (unsynced)
		return journal_begin_unsynced(s, method, key, body, ret, err);
	return journal_begin(s, method, key, body, ret, err);
}

int vol_begin(struct vol_entry *e, struct store *s, const char *method,
	      const struct vol_request *q, uint64_t *ret, struct err *err)
{
	return begin(e, s, method, q, false, ret, err);
}

int vol_begin_copy(struct vol_entry *e, const char *method,
		   const struct vol_request *q, uint64_t *ret, struct err *err)
{
	return begin(e, e->core->d->state, method, q,
		     e->core->driver->writes_ahead, ret, err);
}

void vol_abort(struct vol_entry *e, struct store *s, uint64_t seq)
{
	if (journal_abort(s, seq, NULL) == 0)
		return;
	e->stale_store = s;
	e->stale_seq = seq;
}

void vol_announce(struct vol_announced *a, const struct vol_request *q)
{
	_cleanup_free_ char *body = vol_request_print(q);
	char key[160];

	snprintf(key, sizeof(key), "%.159s", q->name);
	if (body)
		a->seq = journal_announce(a->s, a->method, key, body);
}

struct vol_entry *vol_announce_taken(struct vol_announced *a,
				     struct vol_core *core,
				     const struct vol_request *q)
{
	if (vol_entry_take_within(core, q->name, 0, &a->e) == 0)
		return a->e;
	vol_announce(a, q);
	a->e = vol_entry_take(core, q->name);
	return a->e;
}

void vol_announced_fini(struct vol_announced *a)
{
	if (!a->seq)
		return;
	if (a->e && !a->e->stale_seq)
		vol_abort(a->e, a->s, a->seq);
	else
		(void)journal_abort(a->s, a->seq, NULL);
}

int vol_announced_begin(struct vol_announced *a, const struct vol_request *q,
			uint64_t *ret, struct err *err)
{
	int r;

	if (!a->seq)
		return vol_begin(a->e, a->s, a->method, q, ret, err);
	r = FAILPOINT("vol.announced");
	if (r == 0)
		r = journal_start(a->s, a->seq, err);
	if (r < 0)
		return r;
	*ret = a->seq;
	a->seq = 0;
	return 0;
}
