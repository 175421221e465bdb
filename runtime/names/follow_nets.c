// SPDX-License-Identifier: GPL-2.0-or-later
/* Networks here, and who is told of them and of the names in them. */
#include <stdio.h>
#include <string.h>

#include "lib/jdec.h"
#include "runtime/names/follow_priv.h"

static bool has_key(const struct nets *n, const char *key)
{
	for (size_t i = 0; i < n->count; i++)
		if (!strcmp(n->v[i].serve.net, key))
			return true;
	return false;
}

static int serve_tell(struct follow *f, const struct nets *n, struct err *err)
{
	_cleanup_free_ struct serve_net *list =
		calloc(n->count + 1, sizeof(*list));

	if (!list)
		return err_set(err, -ENOMEM, "networks");
	for (size_t i = 0; i < n->count; i++)
		list[i] = n->v[i].serve;
	return f->cfg.serve
		       ? f->cfg.serve(f->cfg.serve_arg, list, n->count, err)
		       : 0;
}

static int share_tell_nets(struct follow *f, const struct nets *n,
			   struct err *err)
{
	_cleanup_free_ struct share_net *list =
		calloc(n->count + 1, sizeof(*list));
	size_t count = 0;

	if (!list)
		return err_set(err, -ENOMEM, "networks");
	for (size_t i = 0; i < n->count; i++) {
		const struct serve_net *s = &n->v[i].serve;

		if (!n->v[i].shared)
			continue;
		memcpy(list[count].net, s->net, sizeof(s->net));
		memcpy(list[count].subnet, s->subnet, sizeof(s->subnet));
		count++;
	}
	return f->share ? share_nets_set(f->share, list, count, err) : 0;
}

/* What was told of those that are gone is so no more. */
static int drop_gone(struct follow *f, const struct nets *n, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->nets.count; i++)
		if (!has_key(n, f->nets.v[i].serve.net))
			r = names_set(f->names, NAMES_DOCKER,
				      f->nets.v[i].serve.net, NULL, 0, err);
	return r;
}

/* @n: taken, on success. */
static int replace(struct follow *f, struct nets *n, struct err *err)
{
	int r = serve_tell(f, n, err);

	if (r == 0)
		r = share_tell_nets(f, n, err);
	if (r == 0)
		r = drop_gone(f, n, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&f->lock);
	nets_clear(&f->nets);
	f->nets = *n;
	pthread_mutex_unlock(&f->lock);
	*n = (struct nets){ .count = 0 };
	f->changed = true;
	return 0;
}

static void domains_keep(const struct nets *old, struct nets *n)
{
	for (size_t i = 0; i < n->count; i++) {
		const struct nets_one *was = nets_find(old, n->v[i].id);

		if (was)
			memcpy(n->v[i].serve.domain, was->serve.domain,
			       sizeof(was->serve.domain));
	}
}

/* Of a driver that does not answer what it had.  That there is no berth-bridge is
 * worth no word where none of its networks has names. */
static int read_driver(struct follow *f, enum nets_driver driver,
		       struct nets *to, struct err *err)
{
	_cleanup_(nets_clear) struct nets part = { .count = 0 };
	struct err why = { 0 };
	int r = nets_read(f->cfg.plugin_dir, driver, &part, &why);
	bool quiet = driver == NETS_BRIDGE && !nets_has(&f->nets, driver);

	follow_note(f, &f->drivers[driver],
		    driver == NETS_OVERLAY ? "overlay" : "bridge",
		    r < 0 && !quiet ? &why : NULL);
	return nets_add(to, r < 0 ? &f->nets : &part, driver, err);
}

int follow_nets(struct follow *f, struct err *err)
{
	_cleanup_(nets_clear) struct nets n = { .count = 0 };
	int r = 0;

	for (int d = 0; r == 0 && d < NETS_DRIVERS; d++)
		r = read_driver(f, (enum nets_driver)d, &n, err);
	if (r < 0)
		return r;
	domains_keep(&f->nets, &n);
	/* the first time none is news too */
	if (f->nets.v && nets_equal(&f->nets, &n))
		return 0;
	f->domains_due = true;
	return replace(f, &n, err);
}

int follow_domains(struct follow *f, struct err *err)
{
	_cleanup_(nets_clear) struct nets n = { .count = 0 };
	_cleanup_(json_putp) json_object *list = NULL;
	int r = docker_networks(f->cfg.docker, &list, err);

	if (r < 0)
		return r;
	n.v = calloc(f->nets.count + 1, sizeof(*n.v));
	if (!n.v)
		return err_set(err, -ENOMEM, "networks");
	n.count = f->nets.count;
	if (n.count)
		memcpy(n.v, f->nets.v, n.count * sizeof(*n.v));
	nets_domains(&n, list);
	f->domains_due = false;
	return nets_equal(&f->nets, &n) ? 0 : replace(f, &n, err);
}

/* ---- names ---------------------------------------------------------------------- */

static const struct docker_net *net_of(const struct docker_container *c,
				       const char *id)
{
	for (size_t i = 0; i < c->count; i++)
		if (!strcmp(c->nets[i].id, id))
			return &c->nets[i];
	return NULL;
}

static int publish_one(struct follow *f, const struct nets_one *net,
		       struct err *err)
{
	_cleanup_free_ struct name_record *recs = NULL;
	const struct docker_net *in;
	size_t count = 0, at = 0;

	for (struct follow_known *k = f->known; k; k = k->next)
		if ((in = net_of(&k->c, net->id)))
			count += in->count;
	recs = calloc(count + 1, sizeof(*recs));
	if (!recs)
		return err_set(err, -ENOMEM, "names");
	for (struct follow_known *k = f->known; k; k = k->next) {
		in = net_of(&k->c, net->id);
		if (!in || !in->count)
			continue;
		memcpy(&recs[at], in->recs, in->count * sizeof(*recs));
		at += in->count;
	}
	return names_set(f->names, NAMES_DOCKER, net->serve.net, recs, count,
			 err);
}

int follow_publish(struct follow *f, bool all, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->nets.count; i++)
		r = publish_one(f, &f->nets.v[i], err);
	if (r < 0)
		return r;
	f->changed = false;
	if (!all)
		return 0;
	if (f->share)
		share_kick(f->share);
	f->told = true;
	return 0;
}
