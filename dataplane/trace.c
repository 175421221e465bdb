// SPDX-License-Identifier: GPL-2.0-or-later
/* Listening to what is dropped, beside everything else that goes on. */
#include "dataplane/ebpf/trace.h"

#include "dataplane/dataplane.h"
#include "dataplane/dp_priv.h"

int dp_trace(struct dp *dp, unsigned int wait_ms, size_t max,
	     void (*fn)(void *ctx, const struct trace_drop *d), void *ctx,
	     uint64_t *ret_lost, struct err *err)
{
	_cleanup_(trace_closep) struct trace *t = NULL;
	int r;

	if (pthread_mutex_trylock(&dp->tracing) != 0)
		return err_set(err, -EBUSY,
			       "somebody else traces this driver's packets");
	/* opened each time: the ring goes and comes with the last network */
	r = trace_open(sock_pins(dp->sock), &t, err);
	if (r == 0)
		r = trace_read(t, wait_ms, max, fn, ctx, ret_lost, err);
	pthread_mutex_unlock(&dp->tracing);
	return r;
}
