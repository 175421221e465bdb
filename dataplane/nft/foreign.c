/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign.c - keeps our accept rules in the FORWARD chains of others.
 *
 * Each family is read (FORWARD, and DOCKER-USER where it exists), compared with
 * what is wanted, and the difference is one transaction.  A rule that vanishes
 * between the two makes the kernel refuse the transaction; then it is read
 * again.
 */
#include "dataplane/nft/foreign.h"

#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fw_expr.h"

#define DOCKER_USER "DOCKER-USER"
#define COMMENT_MAX 128
#define TRIES       5 /* somebody changes the chains at the same time */

/* A network's rules: has one been seen in the right place?  An internal one has
 * the first only, for what stays on its bridge. */
struct want {
	const struct foreign_net *net;
	bool in, out;
};

/* Where a packet that we accept may still be dropped.  firewalld rejects what
 * is forwarded from interfaces it was not told of. */
struct place {
	struct fw_table table;
	const char *forward; /* the base chain */
	bool docker;         /* may have DOCKER-USER */
};

static const struct place places[] = {
	{ { NFPROTO_IPV4, "filter" }, "FORWARD", true },
	{ { NFPROTO_IPV6, "filter" }, "FORWARD", true },
	{ { NFPROTO_INET, "firewalld" }, "filter_FORWARD", false },
};

/* One place's comparison. */
struct job {
	const struct place *place;
	const struct fw_table *table;
	char prefix[COMMENT_MAX - sizeof(((struct foreign_net *)0)->id)];
	struct want *wants; /* sorted by network id */
	size_t count;
	bool act;               /* else only tell */
	struct fw_batch *batch; /* NULL unless @act */
	void (*fn)(void *ctx, const char *line);
	void *ctx;
	bool user; /* our place is DOCKER-USER, which FORWARD jumps to */
	const char *chain; /* the one being read */
	uint64_t before;   /* DOCKER-USER's unconditional return; 0: none */
	int changes, made; /* all; of these, added */
	int moved;         /* in all places */
};

static int want_cmp(const void *a, const void *b)
{
	const struct want *x = a, *y = b;

	return strcmp(x->net->id, y->net->id);
}

static struct want *want_find(struct job *job, const char *id)
{
	struct foreign_net net = { 0 };
	struct want key = { .net = &net };

	if (strlen(id) >= sizeof(net.id))
		return NULL;
	memcpy(net.id, id, strlen(id) + 1);
	return bsearch(&key, job->wants, job->count, sizeof(key), want_cmp);
}

static void tell(struct job *job, const char *what, const char *rule)
{
	char line[256];

	job->changes++;
	if (!job->fn)
		return;
	snprintf(line, sizeof(line), "chain %s of table %s %s: rule %s %s",
		 job->chain,
		 job->table->family == NFPROTO_IPV4   ? "ip"
		 : job->table->family == NFPROTO_IPV6 ? "ip6"
						      : "inet",
		 job->table->name, rule, what);
	job->fn(job->ctx, line);
}

/* Which of its network's two rules is this?  NULL: none, or not wanted. */
static bool *rule_slot(struct job *job, const struct fw_rule_info *r)
{
	struct want *w = want_find(job, r->comment + strlen(job->prefix));

	if (!w || !r->simple || r->verdict != NF_ACCEPT)
		return NULL;
	if (!w->net->out)
		return strcmp(r->iifname, w->net->bridge) == 0 &&
				       strcmp(r->oifname, w->net->bridge) == 0
			       ? &w->in
			       : NULL;
	if (strcmp(r->iifname, w->net->bridge) == 0 && !r->oifname[0])
		return &w->in;
	if (strcmp(r->oifname, w->net->bridge) == 0 && !r->iifname[0])
		return &w->out;
	return NULL;
}

static int rule_judge(void *ctx, const struct fw_rule_info *r)
{
	struct job *job = ctx;
	bool at_home = job->user == (strcmp(job->chain, DOCKER_USER) == 0);
	bool *slot;

	if (strncmp(r->comment, job->prefix, strlen(job->prefix)) != 0) {
		/* what comes after it is never reached */
		if (job->user && at_home && !job->before && r->simple &&
		    !r->iifname[0] && !r->oifname[0] &&
		    r->verdict == (uint32_t)NFT_RETURN)
			job->before = r->handle;
		return 0;
	}
	slot = at_home && !job->before ? rule_slot(job, r) : NULL;
	if (slot && !*slot) {
		*slot = true;
		return 0;
	}
	tell(job, "is not wanted", r->comment);
	if (job->batch)
		fw_rule_del(job->batch, job->table, job->chain, r->handle);
	return 0;
}

static int rule_jumps(void *ctx, const struct fw_rule_info *r)
{
	struct job *job = ctx;

	if (r->simple && !r->iifname[0] && !r->oifname[0] &&
	    strcmp(r->jump, DOCKER_USER) == 0)
		job->user = true;
	return 0;
}

static void rule_make(struct job *job, const struct foreign_net *net, bool in)
{
	const struct fw_expr from[] = { FW_IIFNAME(net->bridge), FW_COUNTER,
					FW_VERDICT(NF_ACCEPT), FW_END };
	const struct fw_expr to[] = { FW_OIFNAME(net->bridge), FW_COUNTER,
				      FW_VERDICT(NF_ACCEPT), FW_END };
	const struct fw_expr within[] = { FW_IIFNAME(net->bridge),
					  FW_OIFNAME(net->bridge), FW_COUNTER,
					  FW_VERDICT(NF_ACCEPT), FW_END };
	char comment[COMMENT_MAX];
	struct fw_rule rule = {
		.chain = job->chain,
		.exprs = !net->out ? within
			 : in      ? from
				   : to,
		.comment = comment,
		.handle = job->before,
		.insert = !job->user,
	};

	snprintf(comment, sizeof(comment), "%s%s", job->prefix, net->id);
	tell(job, in ? "is missing (in)" : "is missing (out)", comment);
	job->made++;
	if (job->batch)
		fw_rule_add(job->batch, job->table, &rule);
}

/* What is there against what is wanted.  -ENOENT: no such firewall here. */
static int family_compare(struct fw *fw, struct job *job, struct err *err)
{
	bool base = false;
	bool user;
	const char *forward = job->place->forward;
	int r = fw_chain_find(fw, job->table, forward, &base, err);

	if (r < 0 || !base)
		return r;
	user = job->place->docker &&
	       fw_chain_find(fw, job->table, DOCKER_USER, NULL, NULL) == 0;
	if (user)
		r = fw_rule_each(fw, job->table, forward, rule_jumps, job, err);
	if (r < 0)
		return r;
	job->chain = forward;
	r = fw_rule_each(fw, job->table, forward, rule_judge, job, err);
	if (r < 0)
		return r;
	if (user) {
		job->chain = DOCKER_USER;
		r = fw_rule_each(fw, job->table, DOCKER_USER, rule_judge, job,
				 err);
		if (r < 0)
			return r;
	}
	job->chain = job->user ? DOCKER_USER : forward;
	for (size_t i = 0; i < job->count; i++) {
		if (!job->wants[i].in)
			rule_make(job, job->wants[i].net, true);
		if (!job->wants[i].out)
			rule_make(job, job->wants[i].net, false);
	}
	return 0;
}

/* Back to before the comparison. */
static void job_reset(struct job *job)
{
	job->user = false;
	job->before = 0;
	job->changes = job->made = 0;
	for (size_t i = 0; i < job->count; i++) {
		job->wants[i].in = false;
		job->wants[i].out = !job->wants[i].net->out;
	}
}

static int family_try(struct fw *fw, struct job *job, struct err *err)
{
	_cleanup_(fw_batch_freep) struct fw_batch *b = NULL;
	int r;

	if (job->act) {
		b = fw_batch_new(fw);
		if (!b)
			return err_set(err, -ENOMEM,
				       "rules in %s: out of memory",
				       job->place->forward);
	}
	job_reset(job);
	job->batch = b;
	r = family_compare(fw, job, err);
	job->batch = NULL;
	if (r == 0 && b)
		r = fw_commit(b, err);
	/* firewalld owns its table; foreign_check() tells what is missing */
	if (r == -EPERM && job->table->family == NFPROTO_INET)
		return 0;
	return r < 0 ? r : job->changes;
}

static int family_sync(struct fw *fw, struct job *job, struct err *err)
{
	int r = 0;

	for (int i = 0; i < TRIES; i++) {
		r = family_try(fw, job, err);
		if (r != -ENOENT)
			return r;
		/* gone since it was read, or nothing here to care for */
		if (fw_chain_find(fw, job->table, job->place->forward, NULL,
				  NULL) == -ENOENT)
			return 0;
	}
	return r;
}

static int job_init(struct job *job, const char *driver,
		    const struct foreign_net *nets, size_t count)
{
	int n = snprintf(job->prefix, sizeof(job->prefix), "berth:%s:", driver);

	if (n < 0 || (size_t)n >= sizeof(job->prefix))
		return -ENAMETOOLONG;
	job->wants = calloc(count + 1, sizeof(*job->wants));
	if (!job->wants)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		job->wants[job->count++].net = &nets[i];
	qsort(job->wants, job->count, sizeof(*job->wants), want_cmp);
	return 0;
}

/* What was added for what was removed. */
static int moved(const struct job *job)
{
	int gone = job->changes - job->made;

	return 2 * (gone < job->made ? gone : job->made);
}

static int all_places(struct fw *fw, struct job *job, struct err *err)
{
	int failed = 0, changes = 0;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct err why = { 0 };
		int r;

		job->place = &places[i];
		job->table = &places[i].table;
		r = family_sync(fw, job, &why);
		if (r > 0)
			job->moved += moved(job);
		if (r >= 0)
			changes += r;
		else if (!failed)
			failed = err_set(err, r, "%s", why.msg);
	}
	return failed ? failed : changes;
}

static int job_run(struct fw *fw, struct job *job, const char *driver,
		   const struct foreign_net *nets, size_t count,
		   struct err *err)
{
	int r = job_init(job, driver, nets, count);

	if (r == 0)
		r = all_places(fw, job, err);
	else
		err_set(err, r, "rules in FORWARD: %s", strerror(-r));
	free(job->wants);
	return r;
}

int foreign_sync(struct fw *fw, const char *driver,
		 const struct foreign_net *nets, size_t count, int *moved,
		 struct err *err)
{
	struct job job = { .act = true };
	int r = job_run(fw, &job, driver, nets, count, err);

	if (moved)
		*moved = job.moved;
	return r;
}

int foreign_check(struct fw *fw, const char *driver,
		  const struct foreign_net *nets, size_t count,
		  void (*fn)(void *ctx, const char *line), void *ctx,
		  struct err *err)
{
	struct job job = { .fn = fn, .ctx = ctx };

	return job_run(fw, &job, driver, nets, count, err);
}

bool foreign_cares(const struct fw_event *e)
{
	if (e->lost)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const struct place *p = &places[i];

		if (e->family == p->table.family &&
		    strcmp(e->table, p->table.name) == 0 &&
		    (!e->chain[0] || strcmp(e->chain, p->forward) == 0 ||
		     (p->docker && strcmp(e->chain, DOCKER_USER) == 0)))
			return true;
	}
	return false;
}
