// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A host that comes and goes, or says another address, several times a second: each of
 * its changes would be a transaction of every other host, and new tables in all their
 * kernels.  So who has changed a few times in a row is read (or, of this host, told)
 * only now and then until it is calm: the last word is heard a little later, and none
 * but it need be.
 */
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "netplugins/overlay/cluster_priv.h"

#define FREE    4     /* changes that are followed at once */
#define CALM_MS 10000 /* without one: it is calm again */
#define HOLD_MS 2000  /* between two, while it is not */

void cl_pace_note(struct cl_pace *p)
{
	uint64_t now = clock_boot_ms();

	p->count = now - p->changed_ms < CALM_MS ? p->count + 1 : 1;
	p->changed_ms = now;
}

uint64_t cl_pace_next(const struct cl_pace *p)
{
	if (p->count <= FREE || clock_boot_ms() - p->changed_ms >= CALM_MS)
		return 0;
	return p->done_ms + HOLD_MS;
}

uint64_t cl_host_next(struct cluster *c, uint64_t not_before_ms)
{
	uint64_t next;

	pthread_mutex_lock(&c->lock);
	next = c->host_due ? cl_pace_next(&c->told_pace) : 0;
	pthread_mutex_unlock(&c->lock);
	if (!next)
		return UINT64_MAX;
	return next > not_before_ms ? next : not_before_ms;
}

/* The one of @node in network @net; NULL: nothing is known of it. */
static struct cl_flap *find(struct cluster *c, const char *net,
			    const char *node)
{
	for (size_t i = 0; i < CL_FLAPS; i++)
		if (!strcmp(c->flaps[i].node, node) &&
		    !strcmp(c->flaps[i].net, net))
			return &c->flaps[i];
	return NULL;
}

/* In the place of the one that has been calm for longest and is not waited for. */
static struct cl_flap *add(struct cluster *c, const char *net, const char *node)
{
	struct cl_flap *best = NULL;

	for (size_t i = 0; i < CL_FLAPS; i++) {
		struct cl_flap *f = &c->flaps[i];

		if (!f->held &&
		    (!best || f->pace.changed_ms < best->pace.changed_ms))
			best = f;
	}
	if (!best)
		return NULL;
	*best = (struct cl_flap){ .held = false };
	snprintf(best->net, sizeof(best->net), "%s", net);
	snprintf(best->node, sizeof(best->node), "%s", node);
	return best;
}

void cl_flap_note(struct cluster *c, const char *net, const char *node)
{
	struct cl_flap *f = find(c, net, node);

	if (!f)
		f = add(c, net, node);
	if (f)
		cl_pace_note(&f->pace);
}

bool cl_flap_hold(struct cluster *c, const char *net, const char *node)
{
	struct cl_flap *f = find(c, net, node);
	uint64_t now = clock_boot_ms();

	if (!f)
		return false;
	f->held = cl_pace_next(&f->pace) > now;
	if (!f->held)
		f->pace.done_ms = now;
	return f->held;
}

uint64_t cl_flap_next(const struct cluster *c)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < CL_FLAPS; i++) {
		const struct cl_flap *f = &c->flaps[i];

		if (f->held && cl_pace_next(&f->pace) < next)
			next = cl_pace_next(&f->pace);
	}
	return next;
}

int cl_flap_fetch(struct cluster *c, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < CL_FLAPS; i++) {
		struct cl_flap *f = &c->flaps[i];
		char node[1][OV_NODE_MAX];

		if (!f->held || cl_flap_hold(c, f->net, f->node))
			continue;
		memcpy(node[0], f->node, sizeof(node[0]));
		r = cl_fetch(c, f->net, node, 1, err);
		if (r < 0)
			f->held = true;
	}
	return r;
}
