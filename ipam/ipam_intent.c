/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request's row in the journal, from when it is here until its end.
 *
 * It says what was asked for.  What was chosen is put there by the transaction that
 * records it: before that one nothing is changed, so what a crash leaves is simply
 * asked again (ipam_recover.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/ipam_priv.h"
#include "lib/fail.h"
#include "lib/log.h"

#define KEY_MAX 160

static void print_key(char buf[static KEY_MAX], const struct ipam_record *rec)
{
	char addr[IP_STR_MAX];

	snprintf(buf, KEY_MAX, "%.100s%s%s", *rec->id ? rec->id : rec->space,
		 ip_is_none(&rec->addr) ? "" : " ", ip_str(&rec->addr, addr));
}

struct ipam_intent ipam_announce(struct store *s, const char *method,
				 const struct ipam_record *rec)
{
	struct ipam_intent i = { .store = s, .method = method };
	_cleanup_free_ char *body = ipam_record_print(rec);
	char key[KEY_MAX];

	print_key(key, rec);
	if (body)
		i.seq = journal_announce(s, method, key, body);
	return i;
}

int ipam_begin(struct ipam_intent *i, const struct ipam_record *rec,
	       struct err *err)
{
	_cleanup_free_ char *body = NULL;
	char key[KEY_MAX];
	int r = FAILPOINT("ipam.request");

	if (r < 0)
		return err_set(err, r, "%s: %s", i->method, strerror(-r));
	if (i->seq)
		return 0;
	body = ipam_record_print(rec);
	if (!body)
		return ipam_no_memory(err);
	print_key(key, rec);
	return journal_begin(i->store, i->method, key, body, &i->seq, err);
}

int ipam_intent_done(const struct ipam_intent *i, const struct ipam_record *rec,
		     json_object *answer, struct err *err)
{
	_cleanup_free_ char *body = ipam_record_print(rec);
	char key[KEY_MAX];
	int r;

	if (!body || !answer)
		return ipam_no_memory(err);
	print_key(key, rec);
	r = journal_start_as(i->store, i->seq, i->method, key, body, err);
	return r < 0 ? r
		     : journal_commit(i->store, i->seq,
				      json_object_to_json_string(answer), err);
}

int ipam_intent_idle(const struct ipam_intent *i, json_object *answer,
		     struct err *err)
{
	_cleanup_(store_rollbackp) struct store *s = i->store;
	const char *text = answer ? json_object_to_json_string(answer) : "{}";
	int r;

	if (!i->seq)
		return 0;
	r = store_begin(s, err);
	if (r == 0)
		r = journal_commit(s, i->seq, text, err);
	return r < 0 ? r : store_commit(s, err);
}

int ipam_ready(struct ipam_stale *s, struct err *err)
{
	int r;

	if (!s->seq)
		return 0;
	r = journal_abort(s->store, s->seq, err);
	if (r == 0)
		s->seq = 0;
	return r;
}

void ipam_abort(struct ipam_stale *stale, struct ipam_intent *i)
{
	struct err err = { 0 };

	if (!i->seq || journal_abort(i->store, i->seq, &err) == 0) {
		i->seq = 0;
		return;
	}
	log_warn("op=%s err=\"intent not taken back: %s\"", i->method, err.msg);
	if (!stale || stale->seq)
		return;
	stale->store = i->store;
	stale->seq = i->seq;
}
