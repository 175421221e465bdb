/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request's intent, from before the kernel is touched until the peer has
 * its answer.
 *
 * A request writes one store only, and its intent lies in that one: networks
 * in state.db, endpoints in run.db.
 */
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "netplugins/net_core.h"

struct store *net_core_store(struct net_core *core, enum net_store where)
{
	return where == NET_IN_STATE ? core->state : core->run;
}

static const char *body_id(json_object *body, const char *key)
{
	json_object *val;

	if (!json_object_object_get_ex(body, key, &val) ||
	    !json_object_is_type(val, json_type_string))
		return "";
	return json_object_get_string(val);
}

/* False: too long, so it names nothing. */
static bool print_key(char key[static 160], const char *network,
		      const char *endpoint)
{
	int n = snprintf(key, 160, "%s%s%s", network, *endpoint ? "/" : "",
			 endpoint);

	return n > 0 && n < 160;
}

static void announce(struct net_call *c)
{
	_cleanup_(json_putp) json_object *slim = NULL;
	char key[160];

	if (!print_key(key, body_id(c->body, "NetworkID"),
		       body_id(c->body, "EndpointID")))
		return;
	slim = net_api_slim(c->method, c->body);
	if (!slim)
		return;
	c->intent = journal_announce(
		net_core_store(c->core, c->where), c->method, key,
		json_object_to_json_string_ext(slim, JSON_C_TO_STRING_PLAIN));
	c->waiting = c->intent != 0;
}

int net_intent_announce(struct net_call *c, struct err *err)
{
	if (!c->intent) /* else one that a crash left */
		announce(c);
	return NET_STEP("net.announced", err);
}

static int start(struct net_call *c, struct err *err)
{
	int r = journal_start(net_core_store(c->core, c->where), c->intent,
			      err);

	c->waiting = r < 0;
	return r < 0 ? err_wrap(err, r, "nothing was changed") : 0;
}

int net_intent_begin(struct net_call *c, const char *network,
		     const char *endpoint, struct err *err)
{
	_cleanup_(json_putp) json_object *slim = NULL;
	char key[160];
	int r;

	if (c->intent) /* announced, or one that a crash left: finish it */
		return c->waiting ? start(c, err) : 0;
	slim = net_api_slim(c->method, c->body);
	if (!slim)
		return err_set(err, -ENOMEM, "intent");
	print_key(key, network, endpoint ? endpoint : "");
	r = journal_begin(
		net_core_store(c->core, c->where), c->method, key,
		json_object_to_json_string_ext(slim, JSON_C_TO_STRING_PLAIN),
		&c->intent, err);
	return r < 0 ? err_wrap(err, r, "nothing was changed") : 0;
}

int net_intent_begin_removal(struct net_call *c, const char *network,
			     const char *endpoint, struct err *err)
{
	struct err why = { 0 };
	int r = net_intent_begin(c, network, endpoint, &why);

	/* Removing twice is harmless and frees what the disk lacks. */
	if (r == -ENOSPC || r == -EDQUOT || r == -EROFS) {
		log_warn("op=%s id=%.12s err=\"ignored: no intent: %s\"",
			 c->method, network, why.msg);
		return 0;
	}
	return r < 0 ? err_set(err, r, "%s", why.msg) : 0;
}

int net_txn_begin(struct net_call *c, struct err *err)
{
	return store_begin(net_core_store(c->core, c->where), err);
}

int net_txn_commit(struct net_call *c, struct err *err)
{
	struct store *s = net_core_store(c->core, c->where);
	const char *answer =
		c->answer ? json_object_to_json_string_ext(
				    c->answer, JSON_C_TO_STRING_PLAIN)
			  : "{}";
	int r = 0;

	if (c->intent)
		r = journal_commit(s, c->intent, answer, err);
	if (r == 0)
		r = store_commit(s, err);
	if (r < 0) {
		store_rollback(s);
		return r;
	}
	c->done = c->intent != 0;
	return 0;
}

void net_intent_abort(struct net_call *c)
{
	struct err err = { 0 };

	if (!c->intent)
		return;
	/* The next start would finish a request whose peer was told that it
	 * failed; the peer's next request for the same id puts it right. */
	if (journal_abort(net_core_store(c->core, c->where), c->intent, &err) <
	    0)
		log_warn("op=%s err=\"ignored: intent not taken back: %s\"",
			 c->method, err.msg);
	c->intent = 0;
	c->waiting = false;
}

/* ---- not finished after a crash --------------------------------------------- */

struct net_refused {
	struct net_refused *next;
	time_t at;
	int r;
	char method[48], why[ERR_MSG_MAX];
};

void net_refused_add(struct net_core *core, const char *method, int r,
		     const struct err *why)
{
	struct net_refused *f = calloc(1, sizeof(*f));

	if (!f) /* then it is not told why */
		return;
	f->at = net_now();
	f->r = r;
	snprintf(f->method, sizeof(f->method), "%s", method);
	snprintf(f->why, sizeof(f->why), "%s", why->msg);
	pthread_mutex_lock(&core->rolled_lock);
	f->next = core->refused;
	core->refused = f;
	pthread_mutex_unlock(&core->rolled_lock);
}

/* The only one of @method that is young enough, taken from the list; owned.  NULL:
 * none, or more than one. */
static struct net_refused *refused_take(struct net_core *core,
					const char *method)
{
	struct net_refused **at = NULL, *f = NULL;
	unsigned int n = 0;

	pthread_mutex_lock(&core->rolled_lock);
	for (struct net_refused **i = &core->refused; *i; i = &(*i)->next)
		if (!strcmp((*i)->method, method) &&
		    net_now() - (*i)->at <= JOURNAL_KEEP_MS / 1000) {
			at = i;
			n++;
		}
	if (n == 1) {
		f = *at;
		*at = f->next;
	}
	pthread_mutex_unlock(&core->rolled_lock);
	return f;
}

static int nothing_known(struct net_call *c, struct err *err)
{
	_cleanup_free_ struct net_refused *f = refused_take(c->core, c->method);

	if (f)
		return err_set(err, f->r,
			       "%s was cut off, and could not be finished: %s",
			       c->method, f->why);
	return err_set(err, -EBADMSG,
		       "%s: the body is empty and no request of this kind was "
		       "cut off",
		       c->method);
}

int net_journal_retry(struct net_call *c, bool alone, struct err *err)
{
	_cleanup_free_ char *answer = NULL;
	int r = journal_replay(net_core_store(c->core, c->where), c->method,
			       alone, &answer, &c->intent, net_undo, c->core,
			       err);

	if (r == -ENODATA)
		return nothing_known(c, err);
	if (r == -ENOTUNIQ)
		return err_set(err, r,
			       "%s: the body is empty and several requests of "
			       "this kind were cut off: all are undone, ask "
			       "for it again",
			       c->method);
	if (r < 0)
		return r;
	c->done = true; /* settled when it is delivered */
	return jdec_parse(answer, strlen(answer), &c->answer, err);
}

/* ---- finished, and not asked for ----------------------------------------- */

struct net_rolled {
	struct net_rolled *next;
	uint64_t seq;
	char key[160];
};

void net_rolled_add(struct net_core *core, const struct journal_intent *i)
{
	struct net_rolled *r = calloc(1, sizeof(*r));

	if (!r) /* at worst it is undone */
		return;
	r->seq = i->seq;
	snprintf(r->key, sizeof(r->key), "%s", i->key);
	r->next = core->rolled;
	core->rolled = r;
}

/* Does a request that names @network and @endpoint speak of @key? */
static bool names(const char *key, const char *network, const char *endpoint)
{
	size_t len = strlen(network);

	if (strncmp(key, network, len) != 0)
		return false;
	return key[len] == '\0' ||
	       (key[len] == '/' && strcmp(key + len + 1, endpoint) == 0);
}

void net_rolled_known(struct net_core *core, json_object *body)
{
	const char *network, *endpoint;

	pthread_mutex_lock(&core->rolled_lock);
	if (core->rolled) {
		network = body_id(body, "NetworkID");
		endpoint = body_id(body, "EndpointID");
		for (struct net_rolled *r = core->rolled; r; r = r->next) {
			if (!r->seq || !names(r->key, network, endpoint))
				continue;
			net_core_delivered(core, r->seq);
			r->seq = 0;
		}
	}
	pthread_mutex_unlock(&core->rolled_lock);
}

void net_rolled_clear(struct net_core *core)
{
	pthread_mutex_lock(&core->rolled_lock);
	while (core->rolled) {
		struct net_rolled *r = core->rolled;

		core->rolled = r->next;
		free(r);
	}
	while (core->refused) {
		struct net_refused *f = core->refused;

		core->refused = f->next;
		free(f);
	}
	pthread_mutex_unlock(&core->rolled_lock);
}

void net_journal_tick(struct net_core *core)
{
	struct err err = { 0 };

	if (net_now() - core->started > 4 * JOURNAL_KEEP_MS / 1000)
		net_rolled_clear(core); /* expired and undone long ago */

	for (int i = NET_IN_STATE; i <= NET_IN_RUN; i++)
		if (journal_expire(net_core_store(core, (enum net_store)i),
				   net_undo, core, &err) < 0)
			log_warn("op=journal.expire err=\"ignored: %s\"",
				 err.msg);
}

void net_core_sending(struct net_core *core, uint64_t seq)
{
	journal_sending(core->state, seq);
	journal_sending(core->run, seq);
}

void net_core_delivered(struct net_core *core, uint64_t seq)
{
	/* The numbers of the two never meet: one of these does nothing. */
	journal_settle(core->state, seq);
	journal_settle(core->run, seq);
}
