// SPDX-License-Identifier: GPL-2.0-or-later
/* Names that users told: a record each, and all of a network told anew with each change. */
#include "runtime/names/names_user.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/fail.h"
#include "lib/jdec.h"

#define KIND   "name"
#define ID_MAX (NAMES_NET_MAX + NAMES_NAME_MAX + IP_STR_MAX + 2)

struct user_name {
	char net[NAMES_NET_MAX], name[NAMES_NAME_MAX];
	struct ip_addr addr;
	bool alias;
};

static const struct jdec_field fields[] = {
	JDEC_FIELD("Network", JDEC_STR, struct user_name, net, JDEC_REQUIRED),
	JDEC_FIELD("Name", JDEC_STR, struct user_name, name, JDEC_REQUIRED),
	JDEC_FIELD("Address", JDEC_IP, struct user_name, addr, JDEC_REQUIRED),
	JDEC_FIELD("Alias", JDEC_BOOL, struct user_name, alias, 0),
	{ 0 },
};

struct names_user {
	pthread_mutex_t lock;
	struct store *store; /* borrowed */
	struct names *names; /* borrowed */
	struct user_name *v; /* owned */
	size_t count;
};

static void unlockp(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

/* Of a network; @ret owned. */
static int records(const struct user_name *v, size_t count, const char *net,
		   struct name_record **ret, size_t *ret_count)
{
	struct name_record *recs = calloc(count + 1, sizeof(*recs));
	size_t n = 0;

	if (!recs)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(v[i].net, net) != 0)
			continue;
		memcpy(recs[n].name, v[i].name, sizeof(recs[n].name));
		recs[n].addr = v[i].addr;
		recs[n++].ptr = !v[i].alias;
	}
	*ret = recs;
	*ret_count = n;
	return 0;
}

static int tell(struct names_user *u, const struct user_name *v, size_t count,
		const char *net, struct err *err)
{
	_cleanup_free_ struct name_record *recs = NULL;
	size_t n;
	int r = records(v, count, net, &recs, &n);

	if (r < 0)
		return err_set(err, r, "no memory for names");
	return names_set(u->names, NAMES_USER, net, recs, n, err);
}

/* Without regard to case, as names are. */
static void id_of(const struct user_name *n, char id[static ID_MAX])
{
	char addr[IP_STR_MAX];
	int len = snprintf(id, ID_MAX, "%s/", n->net);

	for (const char *s = n->name; *s; s++)
		id[len++] =
			(char)(*s >= 'A' && *s <= 'Z' ? *s + 'a' - 'A' : *s);
	snprintf(id + len, ID_MAX - (size_t)len, "/%s", ip_str(&n->addr, addr));
}

static bool match(const struct user_name *a, const struct user_name *b)
{
	return strcmp(a->net, b->net) == 0 &&
	       strcasecmp(a->name, b->name) == 0 &&
	       (ip_is_none(&b->addr) || ip_equal(&a->addr, &b->addr));
}

/* ---- changes ------------------------------------------------------------ */

static int put(struct names_user *u, const struct user_name *n, struct err *err)
{
	_cleanup_(json_putp) json_object *o = jdec_to_json(fields, n);
	char id[ID_MAX];

	if (!o)
		return err_set(err, -ENOMEM, "no memory for a name");
	id_of(n, id);
	return store_put(u->store, KIND, id, n->net,
			 json_object_to_json_string(o), err);
}

/* The record first: a daemon that is killed between finds it. */
static int add_locked(struct names_user *u, const struct user_name *n,
		      struct err *err)
{
	char id[ID_MAX];
	int r;

	for (size_t i = 0; i < u->count; i++)
		if (match(&u->v[i], n))
			return 0;
	if (u->count >= NAMES_USER_MAX)
		return err_set(
			err, -ENOSPC,
			"%d names are told by users already: remove some",
			NAMES_USER_MAX);
	u->v[u->count] = *n;
	r = put(u, n, err);
	if (r < 0)
		return r;
	r = FAILPOINT("names.add");
	if (r < 0)
		err_set(err, r, "%s", n->name);
	else
		r = tell(u, u->v, u->count + 1, n->net, err);
	if (r < 0) {
		id_of(n, id);
		(void)store_del(u->store, KIND, id,
				NULL); /* @err has the cause */
		return r;
	}
	u->count++;
	return 0;
}

static int check(const struct user_name *n, struct err *err)
{
	if (!*n->net)
		return err_set(err, -EINVAL, "%s: of which network?", n->name);
	return names_valid(n->name, err);
}

static int fill(struct user_name *n, const char *net, const char *name,
		const struct ip_addr *addr, struct err *err)
{
	if (strlen(net) >= sizeof(n->net) || strlen(name) >= sizeof(n->name))
		return err_set(err, -EINVAL,
			       "a name of more than %d characters",
			       NAMES_NAME_MAX - 1);
	memcpy(n->net, net, strlen(net) + 1);
	memcpy(n->name, name, strlen(name) + 1);
	n->addr = *addr;
	return check(n, err);
}

int names_user_add(struct names_user *u, const char *net, const char *name,
		   const struct ip_addr *addr, bool alias, struct err *err)
{
	struct user_name n = { .alias = alias };
	int r = fill(&n, net, name, addr, err);

	if (r < 0)
		return r;
	if (ip_is_none(addr))
		return err_set(err, -EINVAL, "%s: which address?", name);
	pthread_mutex_lock(&u->lock);
	r = add_locked(u, &n, err);
	pthread_mutex_unlock(&u->lock);
	return r;
}

/* Of all from @left on. */
static int forget_records(struct names_user *u, size_t left, struct err *err)
{
	char id[ID_MAX];
	int r = store_begin(u->store, err);

	if (r < 0)
		return r;
	for (size_t i = left; r == 0 && i < u->count; i++) {
		id_of(&u->v[i], id);
		r = store_del(u->store, KIND, id, err);
	}
	if (r == 0)
		r = store_commit(u->store, err);
	store_rollback(u->store); /* after the commit it is nothing */
	return r;
}

/* Those that are not meant go first.  Return: how many. */
static size_t partition(struct user_name *v, size_t count,
			const struct user_name *n)
{
	struct user_name swap;
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		if (match(&v[i], n))
			continue;
		swap = v[left];
		v[left++] = v[i];
		v[i] = swap;
	}
	return left;
}

/* The table first: there is no way to fail after the records are gone. */
static int remove_locked(struct names_user *u, const struct user_name *n,
			 struct err *err)
{
	size_t left = partition(u->v, u->count, n);
	int r;

	if (left == u->count)
		return err_set(err, -ENOENT,
			       "no such name was added to network %s: %s",
			       n->net, n->name);
	r = tell(u, u->v, left, n->net, err);
	if (r < 0)
		return r;
	r = FAILPOINT("names.remove");
	if (r < 0)
		err_set(err, r, "%s", n->name);
	else
		r = forget_records(u, left, err);
	if (r < 0) {
		(void)tell(u, u->v, u->count, n->net, NULL);
		return r;
	}
	u->count = left;
	return 0;
}

int names_user_remove(struct names_user *u, const char *net, const char *name,
		      const struct ip_addr *addr, struct err *err)
{
	struct user_name n = { 0 };
	int r = fill(&n, net, name, addr, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&u->lock);
	r = remove_locked(u, &n, err);
	pthread_mutex_unlock(&u->lock);
	return r;
}

int names_user_nets(struct names_user *u, int (*fn)(void *arg, const char *net),
		    void *arg)
{
	_cleanup_(unlockp) pthread_mutex_t *locked = &u->lock;
	size_t k;
	int r = 0;

	pthread_mutex_lock(locked);
	for (size_t i = 0; r == 0 && i < u->count; i++) {
		for (k = 0; strcmp(u->v[k].net, u->v[i].net) != 0;)
			k++;
		if (k == i)
			r = fn(arg, u->v[i].net);
	}
	return r;
}

/* ---- life --------------------------------------------------------------- */

static int load_one(void *ctx, const char *id, const char *parent,
		    const char *json)
{
	_cleanup_(json_putp) json_object *o = NULL;
	struct names_user *u = ctx;
	struct user_name n = { 0 };
	int r = jdec_parse(json, strlen(json), &o, NULL);

	(void)id;
	(void)parent;
	if (r == 0)
		r = jdec_object(o, fields, &n, NULL);
	if (r == 0 && u->count < NAMES_USER_MAX)
		u->v[u->count++] = n;
	return r;
}

static int tell_one(void *arg, const char *net)
{
	struct names_user *u = arg;

	return tell(u, u->v, u->count, net, NULL);
}

int names_user_open(struct store *store, struct names *names,
		    struct names_user **ret, struct err *err)
{
	_cleanup_(names_user_closep) struct names_user *u =
		calloc(1, sizeof(*u));
	int r;

	if (!u)
		return err_set(err, -ENOMEM, "no memory for names");
	pthread_mutex_init(&u->lock, NULL);
	u->store = store;
	u->names = names;
	/* touched as far as it is used */
	u->v = calloc(NAMES_USER_MAX, sizeof(*u->v));
	if (!u->v)
		return err_set(err, -ENOMEM, "no memory for names");
	r = store_each(store, KIND, NULL, load_one, u, err);
	if (r == 0)
		r = names_user_nets(u, tell_one, u);
	if (r < 0)
		return err_wrap(err, r, "names on record");
	*ret = take_ptr(u);
	return 0;
}

void names_user_close(struct names_user *u)
{
	if (!u)
		return;
	pthread_mutex_destroy(&u->lock);
	free(u->v);
	free(u);
}
