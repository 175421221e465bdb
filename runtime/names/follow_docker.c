// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Containers, as dockerd says.
 *
 * Its list has no aliases, so each is asked about, once, and again when an event or the
 * list says that it changed: the list has the id of each endpoint, and an alias comes
 * with a new one.
 */
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/jdec.h"
#include "lib/log.h"
#include "runtime/names/follow_priv.h"

#define RETRY_MS     1000
#define RETRY_MAX_MS 30000

static void known_free(struct follow_known *k)
{
	docker_names_clear(&k->c);
	free(k->sum);
	free(k);
}

void follow_known_clear(struct follow *f)
{
	struct follow_known *k;

	while ((k = f->known)) {
		f->known = k->next;
		known_free(k);
	}
}

static struct follow_known *get(struct follow *f, const char *id)
{
	struct follow_known *k;

	for (k = f->known; k; k = k->next)
		if (!strcmp(k->c.id, id))
			return k;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	snprintf(k->c.id, sizeof(k->c.id), "%s", id);
	k->due = true;
	k->next = f->known;
	f->known = k;
	return k;
}

static void forget(struct follow *f, struct follow_known *k)
{
	struct follow_known **at = &f->known;

	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	if (k->c.count)
		f->changed = true;
	known_free(k);
}

int follow_due(struct follow *f, const char *id)
{
	struct follow_known *k = get(f, id);

	if (!k)
		return -ENOMEM;
	k->due = true;
	k->retry_ms = k->held_ms = 0;
	return 0;
}

void follow_all_due(struct follow *f)
{
	for (struct follow_known *k = f->known; k; k = k->next)
		k->due = true;
}

struct row {
	char id[DOCKER_ID_MAX];
	json_object *settings; /* borrowed */
};

static const struct jdec_field row_fields[] = {
	JDEC_FIELD("Id", JDEC_ID, struct row, id, JDEC_REQUIRED),
	JDEC_FIELD("NetworkSettings", JDEC_MAP, struct row, settings, 0),
	{ 0 },
};

/* Owned: what changes when a name does. */
static char *sum_of(json_object *o, const struct row *row)
{
	json_object *names = NULL;
	char *text;

	json_object_object_get_ex(o, "Names", &names);
	if (asprintf(&text, "%s %s", json_object_to_json_string(names),
		     json_object_to_json_string(row->settings)) < 0)
		return NULL;
	return text;
}

static int row_take(struct follow *f, json_object *o, struct err *err)
{
	_cleanup_free_ char *sum = NULL;
	struct row row = { .settings = NULL };
	struct follow_known *k;
	int r = jdec_object(o, row_fields, &row, err);

	if (r < 0)
		return err_wrap(err, r, "dockerd's list of containers");
	k = get(f, row.id);
	sum = sum_of(o, &row);
	if (!k || !sum)
		return err_set(err, -ENOMEM, "containers");
	k->seen = true;
	if (k->sum && !strcmp(k->sum, sum))
		return 0;
	free(k->sum);
	k->sum = take_ptr(sum);
	k->due = true;
	return 0;
}

int follow_list(struct follow *f, struct err *err)
{
	_cleanup_(json_putp) json_object *list = NULL;
	struct follow_known *k, *next;
	int r = docker_list(f->cfg.docker, &list, err);

	for (k = f->known; k; k = k->next)
		k->seen = false;
	for (size_t i = 0; r == 0 && i < json_object_array_length(list); i++)
		r = row_take(f, json_object_array_get_idx(list, i), err);
	for (k = f->known; r == 0 && k; k = next) {
		next = k->next;
		if (!k->seen)
			forget(f, k);
	}
	return r;
}

static bool same(const struct docker_container *a,
		 const struct docker_container *b)
{
	bool is = a->count == b->count;

	for (size_t i = 0; is && i < a->count; i++)
		is = !strcmp(a->nets[i].id, b->nets[i].id) &&
		     a->nets[i].count == b->nets[i].count &&
		     !memcmp(a->nets[i].recs, b->nets[i].recs,
			     a->nets[i].count * sizeof(*a->nets[i].recs));
	return is;
}

/* When dockerd holds it no more, an event says so. */
static void later(struct follow_known *k)
{
	k->held_ms = k->held_ms ? 2 * k->held_ms : RETRY_MS;
	if (k->held_ms > RETRY_MAX_MS)
		k->held_ms = RETRY_MAX_MS;
	k->retry_ms = clock_boot_ms() + k->held_ms;
}

static int inspect(struct follow *f, struct follow_known *k, struct err *err)
{
	struct docker_container c = { .count = 0 };
	struct err why = { 0 };
	char quoted[256];
	int r = docker_inspect(f->cfg.docker, k->c.id, f->cfg.inspect_ms, &c,
			       &why);

	if (r == -ENOENT) {
		forget(f, k);
		return 0;
	}
	if (r == -EREMOTEIO || r == -EBADMSG || r == -ETIMEDOUT) {
		if (!k->held_ms)
			log_warn("op=names.docker container=%.12s err=%s",
				 k->c.id,
				 log_quote(quoted, sizeof(quoted), why.msg));
		later(k);
		return r == -ETIMEDOUT ? r : 0;
	}
	if (r < 0)
		return err_set(err, r, "%s", why.msg);
	f->changed = f->changed || !same(&k->c, &c);
	docker_names_clear(&k->c);
	k->c = c;
	k->due = false;
	k->asked = true;
	k->retry_ms = k->held_ms = 0;
	return 0;
}

/* Those that were never held are asked about first.  NULL: nobody is due. */
static struct follow_known *most_due(const struct follow *f, uint64_t now)
{
	struct follow_known *best = NULL;

	for (struct follow_known *k = f->known; k; k = k->next)
		if (k->due && k->retry_ms <= now &&
		    (!best || k->retry_ms < best->retry_ms))
			best = k;
	return best;
}

int follow_inspect(struct follow *f, struct err *err)
{
	uint64_t now = clock_boot_ms();
	struct follow_known *k;
	int r = 0;

	while (r == 0 && !follow_stopped(f) && (k = most_due(f, now)))
		r = inspect(f, k, err);
	return r == -ETIMEDOUT ? 0 : r;
}

bool follow_complete(const struct follow *f)
{
	for (const struct follow_known *k = f->known; k; k = k->next)
		if (!k->asked)
			return false;
	return f->listed;
}

uint64_t follow_next_ms(const struct follow *f)
{
	uint64_t next = UINT64_MAX;

	for (const struct follow_known *k = f->known; k; k = k->next)
		if (k->due && k->retry_ms < next)
			next = k->retry_ms;
	return next;
}
