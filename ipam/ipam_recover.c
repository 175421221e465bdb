/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What belongs to an earlier life: run its requests that have no end yet, answer
 * those that come again without a body, and take back what nobody asked for again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/dhcp_talk.h"
#include "ipam/ipam_priv.h"
#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/log.h"

#define EXPIRE_TICKS 5

/* ---- done, and no answer yet ------------------------------------------------- */

/* What the request made or counted that @rec speaks of: not what was given back
 * and handed out anew since. */
static struct ipam_lease *lease_of(struct ipam_range *range,
				   const struct ipam_record *rec)
{
	struct ipam_lease *l = ipam_lease_find(range->net, &rec->addr);
	char since[32];

	if (!l || range->born != rec->born ||
	    strcmp(ipam_use_to_string(l->use), rec->use) != 0)
		return NULL;
	if (l->use != IPAM_ENDPOINT)
		return l;
	ipam_time(since, l->since);
	return l->range == range && mac_equal(&l->mac, &rec->mac) &&
			       strcmp(since, rec->time) == 0
		       ? l
		       : NULL;
}

static int note_kept(void *ctx, const struct journal_intent *i)
{
	struct ipam_core *core = ctx;
	struct ipam_record rec;
	struct ipam_range *range;
	struct ipam_lease *l = NULL;

	if (ipam_record_parse(i->body, &rec, NULL) < 0)
		return 0;
	range = ipam_range_of(core, &rec);
	if (range && strcmp(i->method, ipam_method_pool) == 0)
		range->unsure++;
	if (range && strcmp(i->method, ipam_method_addr) == 0)
		l = lease_of(range, &rec);
	if (l)
		l->unsure++;
	return 0;
}

/* ---- open intents ---------------------------------------------------------- */

/* Nothing was changed for them: they are asked again. */
static int redo(struct ipam_core *core, struct store *s,
		const struct journal_intent *i, struct ipam_record *rec,
		struct err *err)
{
	struct ipam_intent in = {
		.store = s, .method = i->method, .seq = i->seq, .redo = true
	};

	if (strcmp(i->method, ipam_method_pool) == 0)
		return ipam_pool_run(core, &in, rec, err);
	if (strcmp(i->method, ipam_method_pool_release) == 0)
		return ipam_pool_release_run(core, &in, rec, err);
	if (strcmp(i->method, ipam_method_addr) == 0)
		return ipam_addr_run(core, &in, rec, err);
	if (strcmp(i->method, ipam_method_addr_release) == 0)
		return ipam_addr_release_run(core, &in, rec, err);
	ipam_abort(&core->stale, &in);
	return err_set(err, -EBADMSG, "a method nobody knows");
}

static void refuse(struct ipam_core *core, struct store *s,
		   const struct journal_intent *i)
{
	struct ipam_intent in = { .store = s,
				  .method = i->method,
				  .seq = i->seq };

	ipam_abort(&core->stale, &in);
}

static int recover_one(struct ipam_core *core, struct store *s,
		       const struct journal_intent *i)
{
	struct ipam_record rec = { 0 };
	struct err err = { 0 };
	char why[256], addr[IP_STR_MAX];
	int r = ipam_record_parse(i->body, &rec, &err);

	if (r == 0)
		r = FAILPOINT("ipam.recover.redo");
	if (r < 0)
		refuse(core, s, i);
	else
		r = redo(core, s, i, &rec, &err);
	log_info("op=recover method=%s pool=%s address=%s result=%s err=%s",
		 i->method, rec.id, ip_str(&rec.addr, addr),
		 r < 0 ? "refused" : "done",
		 log_quote(why, sizeof(why), err.msg));
	return 0;
}

static int recover_state(void *ctx, const struct journal_intent *i)
{
	struct ipam_core *core = ctx;

	return recover_one(core, core->d->state, i);
}

static int recover_run(void *ctx, const struct journal_intent *i)
{
	struct ipam_core *core = ctx;

	return recover_one(core, core->d->run, i);
}

static int recover(struct ipam_core *core, struct err *err)
{
	struct store *state = core->d->state, *run = core->d->run;
	int r = ipam_load(core, err);

	if (r == 0)
		ipam_cluster_check(core);
	if (r == 0)
		r = journal_each_kept(state, note_kept, core, err);
	if (r == 0)
		r = journal_each_kept(run, note_kept, core, err);
	if (r == 0)
		r = journal_each_open(state, recover_state, core, err);
	return r < 0 ? r : journal_each_open(run, recover_run, core, err);
}

/* ---- taking back what nobody asked for again -------------------------------- */

static int undo_pool(struct ipam_core *core, const struct ipam_record *rec)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->pools_lock;
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };
	int r;

	pthread_mutex_lock(lock);
	ipam_hold_take(core, rec->id, &h);
	if (!h.range || h.range->born != rec->born || !h.range->unsure)
		return 0; /* somebody knows of it */
	r = ipam_pool_release_apply(&h, 0, NULL);
	if (r == 0 && h.range)
		h.range->unsure--;
	return r;
}

static int undo_addr(struct ipam_core *core, const struct ipam_record *rec)
{
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };
	struct ipam_lease *l;
	bool shared;
	int r;

	ipam_hold_take(core, rec->id, &h);
	l = h.range ? lease_of(h.range, rec) : NULL;
	if (!l || !l->unsure)
		return 0;
	shared = l->refs > 1;
	r = ipam_addr_release_apply(&h, l, 0, NULL);
	if (r == 0 && shared)
		l->unsure--;
	return r; /* where it failed it is tried again */
}

static int undo(void *ctx, const struct journal_intent *i)
{
	struct ipam_core *core = ctx;
	struct ipam_record rec;
	int r = 0;

	if (ipam_record_parse(i->body, &rec, NULL) < 0)
		return 0;
	if (strcmp(i->method, ipam_method_pool) == 0)
		r = undo_pool(core, &rec);
	if (strcmp(i->method, ipam_method_addr) == 0)
		r = undo_addr(core, &rec);
	if (r < 0)
		log_warn("op=undo pool=%s err=\"%s\"", rec.id, strerror(-r));
	return r; /* what was released stays so */
}

/* An address may be in either store: one candidate in each is two. */
static int replay_addr(struct ipam_core *core, const char *method, bool alone,
		       char **ret, uint64_t *ret_seq, struct err *err)
{
	struct store *state = core->d->state, *run = core->d->run;
	int in_state = journal_candidates(state, method, err);
	int in_run = in_state < 0 ? 0 : journal_candidates(run, method, err);
	int r;

	if (in_state < 0 || in_run < 0)
		return in_state < 0 ? in_state : in_run;
	if (!in_state || !in_run)
		return journal_replay(in_state ? state : run, method, alone,
				      ret, ret_seq, undo, core, err);
	r = journal_refuse(state, method, undo, core, err);
	if (r == 0)
		r = journal_refuse(run, method, undo, core, err);
	return r < 0 ? r
		     : err_set(err, -ENOTUNIQ,
			       "%s came without a body (a retry of a broken "
			       "request) and may be any of %d: undone",
			       method, in_state + in_run);
}

int ipam_replay(struct ipam_core *core, const char *method, bool alone,
		char **ret, uint64_t *ret_seq, struct err *err)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->replay_lock;
	bool pool = strcmp(method, ipam_method_pool) == 0 ||
		    strcmp(method, ipam_method_pool_release) == 0;
	int r;

	pthread_mutex_lock(lock);
	r = pool ? journal_replay(core->d->state, method, alone, ret, ret_seq,
				  undo, core, err)
		 : replay_addr(core, method, alone, ret, ret_seq, err);
	return r == -ENODATA ? -EBADMSG : r; /* the message is right */
}

void ipam_core_tick(struct ipam_core *core)
{
	struct store *const stores[] = { core->d->state, core->d->run };

	if (++core->ticks % EXPIRE_TICKS != 0)
		return;
	ipam_dhcp_settle(core);
	for (size_t i = 0; i < ARRAY_SIZE(stores); i++) {
		struct err err = { 0 };

		if (journal_expire(stores[i], undo, core, &err) < 0)
			log_debug("op=expire err=\"%s\"", err.msg);
	}
}

/* ---- open and close ---------------------------------------------------------- */

int ipam_core_open(const struct plugd *d, const struct ipam_config *config,
		   struct ipam_core **ret, struct err *err)
{
	_cleanup_(ipam_core_closep) struct ipam_core *core =
		calloc(1, sizeof(*core));
	int r;

	if (!core)
		return ipam_no_memory(err);
	core->d = d;
	core->config = *config;
	pthread_mutex_init(&core->pools_lock, NULL);
	pthread_mutex_init(&core->replay_lock, NULL);
	pthread_mutex_init(&core->lock, NULL);
	problems_init(&core->problems);
	clock_gettime(CLOCK_BOOTTIME, &core->started);
	r = dhcp_keep_open(d->run, &core->problems, &core->dhcp, err);
	if (r == 0)
		r = ipam_cluster_open(core, err);
	/* several requests of an earlier life may have a dead server to ask */
	core->dhcp_until = clock_boot_ms() + DHCP_WAIT_MS;
	if (r == 0)
		r = recover(core, err);
	core->dhcp_until = 0;
	if (r < 0)
		return r;
	ipam_dhcp_settle(core);
	r = dhcp_keep_start(core->dhcp, err);
	if (r == 0)
		r = blocks_start(core->blocks, err);
	if (r < 0)
		return r;
	*ret = take_ptr(core);
	return 0;
}

void ipam_core_close(struct ipam_core *core)
{
	if (!core)
		return;
	dhcp_keep_close(core->dhcp);
	blocks_close(core->blocks); /* its thread looks at the table */
	ipam_table_free(core);
	ipam_doubts_free(core);
	nlk_close(core->nlk);
	problems_fini(&core->problems);
	pthread_mutex_destroy(&core->lock);
	pthread_mutex_destroy(&core->replay_lock);
	pthread_mutex_destroy(&core->pools_lock);
	free(core);
}
