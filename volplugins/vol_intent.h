/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vol_intent.h - the intent of a request: announced, begun, taken back. */
#ifndef VOLPLUGINS_VOL_INTENT_H
#define VOLPLUGINS_VOL_INTENT_H

#include <stdint.h>

#include "volplugins/vol_priv.h"
#include "volplugins/vol_record.h"

/* Write the intent of @q, which is @e's. */
int vol_begin(struct vol_entry *e, struct store *s, const char *method,
	      const struct vol_request *q, uint64_t *ret, struct err *err);
/* The same in state.db, for an op that the driver's .writes_ahead is about. */
int vol_begin_copy(struct vol_entry *e, const char *method,
		   const struct vol_request *q, uint64_t *ret, struct err *err);
/* End the intent @seq of a request that came to nothing. */
void vol_abort(struct vol_entry *e, struct store *s, uint64_t seq);

/*
 * The intent of a request that is here and has to wait, for its volume or for
 * something slow: if we are killed meanwhile, it is one of those that come again
 * without a body.  Who need not wait begins at once.
 */
struct vol_announced {
	struct vol_entry *e; /* borrowed; NULL: not locked yet */
	struct store *s;
	const char *method;
	uint64_t seq; /* 0: begun, not announced, or could not be written */
};

/* vol_announce() - @q has to wait: write that down, if it can be. */
void vol_announce(struct vol_announced *a, const struct vol_request *q);
/* vol_announce_taken() - the locked entry of @q; announced when it had to be waited
 * for.  NULL: out of memory. */
struct vol_entry *vol_announce_taken(struct vol_announced *a,
				     struct vol_core *core,
				     const struct vol_request *q);
/* vol_begin() of what was announced. */
int vol_announced_begin(struct vol_announced *a, const struct vol_request *q,
			uint64_t *ret, struct err *err);
/* What is announced still came to nothing. */
void vol_announced_fini(struct vol_announced *a);

#endif
