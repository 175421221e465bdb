/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All volumes of this host, from our daemons and from dockerd. */
#include "netctl/volumes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/client.h"
#include "lib/jdec.h"
#include "netctl/box/refs.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"

void volumes_add_usage(json_object *row)
{
	json_object *used = jget(row, "UsedBytes");
	json_object *limit = jget(row, "LimitBytes");

	jset(row, "Used",
	     jget_bool(row, "UsageKnown") ? json_object_get(used) : NULL);
	jset(row, "Limit",
	     jget_int(row, "LimitBytes") ? json_object_get(limit) : NULL);
}

bool volumes_is_anonymous(const char *name)
{
	return strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64;
}

/* The row of exactly @name; NULL. */
static json_object *row_of(json_object *rows, const char *name)
{
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);

		if (strcmp(jget_str(row, "Name"), name) == 0)
			return row;
	}
	return NULL;
}

/* ---- what dockerd says --------------------------------------------------- */

static void copy_text(json_object *to, const char *key, json_object *from,
		      const char *from_key)
{
	jset_str(to, key, jget_str(from, from_key));
}

static void add_docker_volume(json_object *rows, json_object *volume)
{
	json_object *row = json_object_new_object();
	json_object *opts = jget(volume, "Options");
	json_object *status = jget(volume, "Status");

	copy_text(row, "Name", volume, "Name");
	copy_text(row, "Driver", volume, "Driver");
	copy_text(row, "Mountpoint", volume, "Mountpoint");
	copy_text(row, "Created", volume, "CreatedAt");
	jset(row, "Options",
	     opts ? json_object_get(opts) : json_object_new_object());
	if (status)
		jset(row, "Status", json_object_get(status));
	jset(row, "Users", json_object_new_int(0));
	jset(row, "Used", NULL);
	jset(row, "Limit", NULL);
	jset(row, "Ours", json_object_new_boolean(0));
	if (json_object_array_add(rows, row) < 0)
		json_object_put(row);
}

/* Ours that have the name, and that dockerd does not mean by it. */
static void mark_others(json_object *rows, json_object *volume)
{
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);

		if (jget_bool(row, "Ours") &&
		    strcmp(jget_str(row, "Name"), jget_str(volume, "Name")) ==
			    0 &&
		    strcmp(jget_str(row, "Driver"),
			   jget_str(volume, "Driver")) != 0)
			copy_text(row, "DockerDriver", volume, "Driver");
	}
}

static void count(json_object *row, const char *key)
{
	jset(row, key, json_object_new_int64(jget_int(row, key) + 1));
}

/* Each container, running or not: what it refers to. */
static void add_container(json_object *rows, json_object *container)
{
	bool runs = strcmp(jget_str(container, "State"), "running") == 0 ||
		    strcmp(jget_str(container, "State"), "paused") == 0;
	json_object *mounts = jget_array(container, "Mounts");

	for (size_t i = 0; i < jget_len(mounts); i++) {
		json_object *m = json_object_array_get_idx(mounts, i);
		json_object *row = row_of(rows, jget_str(m, "Name"));

		if (!row)
			continue;
		count(row, "Containers");
		if (runs && !jget_bool(row, "Ours"))
			count(row, "Users");
	}
}

static void add_size(json_object *rows, json_object *volume)
{
	json_object *row = row_of(rows, jget_str(volume, "Name"));
	json_object *usage = jget(volume, "UsageData");

	if (!row || jget_bool(row, "Ours") || jget_int(usage, "Size") < 0 ||
	    !jget(usage, "Size"))
		return;
	jset(row, "Used", json_object_get(jget(usage, "Size")));
}

static void set_containers(json_object *rows, bool known)
{
	for (size_t i = 0; i < jget_len(rows); i++)
		jset(json_object_array_get_idx(rows, i), "Containers",
		     known ? json_object_new_int(0) : NULL);
}

static int ask_docker(const struct ctl *ctl, unsigned int what,
		      json_object *rows, struct err *err)
{
	_cleanup_(json_putp) json_object *all = NULL, *containers = NULL,
					 *df = NULL;
	json_object *list;
	int r = client_http_get(ctl->docker, "/volumes", ctl->timeout_ms, &all,
				err);

	if (r == 0)
		r = client_http_get(ctl->docker, "/containers/json?all=1",
				    ctl->timeout_ms, &containers, err);
	if (r == 0 && (what & VOLUMES_USAGE) == VOLUMES_USAGE)
		r = client_http_get(ctl->docker, "/system/df?type=volume",
				    ctl->timeout_ms, &df, err);
	if (r < 0)
		return r;
	list = jget_array(all, "Volumes");
	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *v = json_object_array_get_idx(list, i);

		if (row_of(rows, jget_str(v, "Name")))
			mark_others(rows, v);
		else
			add_docker_volume(rows, v);
	}
	set_containers(rows, true);
	for (size_t i = 0; i < jget_len(containers); i++)
		add_container(rows, json_object_array_get_idx(containers, i));
	list = jget_array(df, "Volumes");
	for (size_t i = 0; i < jget_len(list); i++)
		add_size(rows, json_object_array_get_idx(list, i));
	return 0;
}

/* ---- what netctl's containers have ------------------------------------------ */

static void add_own(void *ctx, const struct box *b, json_object *m)
{
	json_object *rows = ctx;

	(void)b;
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);

		if (jget(row, "Containers") &&
		    box_refs_is(m, jget_str(row, "Name"),
				jget_str(row, "Driver")))
			count(row, "Containers");
	}
}

static void ask_own(const struct ctl *ctl, json_object *rows)
{
	struct err err = { 0 };

	if (box_refs(ctl, add_own, rows, &err) == 0)
		return;
	cli_warn("how many containers refer to a volume is not known: %s",
		 err.msg);
	set_containers(rows, false);
}

/* ---- both ---------------------------------------------------------------- */

int volumes_load(const struct ctl *ctl, unsigned int what, struct volumes *ret,
		 struct err *err)
{
	struct err why = { 0 };
	int r;

	*ret = (struct volumes){ 0 };
	r = driver_collect(ctl, DRIVER_VOLUME, "Berth.Volumes", "Volumes", NULL,
			   &ret->rows, err);
	ret->partial = r > 0 ? r : 0;
	if (r < 0 && what == VOLUMES_OURS)
		return r;
	if (r < 0) { /* dockerd may still have some */
		ret->rows = json_object_new_array();
		ret->partial = CLI_FAILED;
	}
	for (size_t i = 0; i < jget_len(ret->rows); i++) {
		json_object *row = json_object_array_get_idx(ret->rows, i);

		volumes_add_usage(row);
		jset(row, "Ours", json_object_new_boolean(1));
	}
	ret->none = strcmp(ctl->docker, "none") == 0;
	set_containers(ret->rows, ret->none);
	if (what == VOLUMES_OURS)
		return 0;
	ret->docker = !ret->none && ask_docker(ctl, what, ret->rows, &why) == 0;
	ask_own(ctl, ret->rows);
	snprintf(ret->why, sizeof(ret->why), "%.255s", why.msg);
	if (r < 0 && !ret->docker)
		return r;
	if (r < 0)
		cli_warn("%s", err->msg);
	return 0;
}

void volumes_fini(struct volumes *v)
{
	json_object_put(take_ptr(v->rows));
}

int volumes_find(const struct volumes *v, const char *word, json_object **ret,
		 struct err *err)
{
	json_object *by_prefix = NULL;
	size_t exact = 0, prefixes = 0;

	for (size_t i = 0; i < jget_len(v->rows); i++) {
		json_object *row = json_object_array_get_idx(v->rows, i);
		const char *name = jget_str(row, "Name");

		if (strcmp(name, word) == 0) {
			*ret = row;
			exact++;
		} else if (*word && strncmp(name, word, strlen(word)) == 0) {
			by_prefix = row;
			prefixes++;
		}
	}
	if (exact == 0 && prefixes == 1)
		*ret = by_prefix;
	if (exact + prefixes == 0)
		return err_set(err, -ENOENT,
			       "no %svolume \"%s\": 'netctl volume %s' lists "
			       "them",
			       v->docker ? "" : "Berth ", word,
			       v->docker ? "df" : "ls");
	if (exact > 1 || (exact == 0 && prefixes > 1))
		return err_set(
			err, -ENOTUNIQ,
			"%zu volumes are called \"%s\": give more of the name",
			exact > 1 ? exact : prefixes, word);
	return 0;
}

/* ---- what verbs need --------------------------------------------------------- */

int volumes_ref(const struct ctl *ctl, const char *word, bool need,
		struct volumes_ref *ret, struct err *err)
{
	_cleanup_(volumes_fini) struct volumes v = { 0 };
	_cleanup_free_ char *name = strndup(word, strcspn(word, "@"));
	const char *at = strchr(word, '@');
	json_object *row = NULL;
	int r = name ? volumes_load(ctl, VOLUMES_OURS, &v, err)
		     : err_set(err, -ENOMEM, "out of memory");

	if (r == 0 && (at ? !at[1] : need))
		r = err_set(err, -EINVAL,
			    "\"%s\" names no snapshot: write VOLUME@SNAPSHOT",
			    word);
	if (r == 0)
		r = volumes_find(&v, name, &row, err);
	if (r == 0 && need && strcmp(jget_str(row, "Name"), name) != 0)
		r = err_set(err, -EINVAL,
			    "this takes whole names only: did you mean %s?",
			    jget_str(row, "Name"));
	if (r < 0)
		return r;
	snprintf(ret->name, sizeof(ret->name), "%s", jget_str(row, "Name"));
	snprintf(ret->driver, sizeof(ret->driver), "%s",
		 jget_str(row, "Driver"));
	snprintf(ret->snap, sizeof(ret->snap), "%s", at ? at + 1 : "");
	ret->used = jget_bool(row, "UsageKnown")
			    ? (uint64_t)jget_int(row, "UsedBytes")
			    : 0;
	if (at && strlen(at + 1) >= sizeof(ret->snap))
		return err_set(err, -ENAMETOOLONG,
			       "the snapshot's name is too "
			       "long");
	return 0;
}

int volumes_call(const struct ctl *ctl, const char *driver, const char *method,
		 json_object *body, json_object **ret, struct err *err)
{
	struct ctl patient = *ctl;
	int r;

	patient.timeout_ms = 0;
	r = driver_call(&patient, driver, method, body, ret, err);
	json_object_put(body);
	return r;
}

json_object *volumes_body(const struct volumes_ref *ref)
{
	json_object *body = json_object_new_object();

	jset_str(body, "Name", ref->name);
	if (ref->snap[0])
		jset_str(body, "Snapshot", ref->snap);
	return body;
}

int volumes_is_new(const struct ctl *ctl, const char *name, const char *driver,
		   struct err *err)
{
	_cleanup_(volumes_fini) struct volumes v = { 0 };
	json_object *row;
	int r = volumes_load(ctl, VOLUMES_DOCKER, &v, err);

	if (r < 0)
		return r;
	row = row_of(v.rows, name);
	if (!row ||
	    (driver && jget_bool(row, "Ours") && !jget(row, "DockerDriver") &&
	     strcmp(jget_str(row, "Driver"), driver) == 0))
		return 0;
	return err_set(err, -EEXIST,
		       "there is a volume %s already, of driver %s", name,
		       jget(row, "DockerDriver") ? jget_str(row, "DockerDriver")
						 : jget_str(row, "Driver"));
}

int volumes_is_one(json_object *row, struct err *err)
{
	const char *name = jget_str(row, "Name");
	const char *theirs = jget_str(row, "DockerDriver");

	if (!*theirs)
		return 0;
	return err_set(err, -ENOTUNIQ,
		       "there are two volumes %s, dockerd's of driver %s and "
		       "one of %s, and dockerd would remove its own: 'docker "
		       "volume rm %s' removes that one, or 'netctl volume "
		       "rename %s NEW' gives Berth's another name",
		       name, theirs, jget_str(row, "Driver"), name, name);
}

json_object *volumes_opts(const struct ctl *ctl)
{
	json_object *opts = json_object_new_object();

	for (size_t i = 0; opts && i < ctl->opts.n; i++) {
		const char *pair = ctl->opts.v[i];
		_cleanup_free_ char *key = strndup(pair, strcspn(pair, "="));

		if (key)
			jset_str(opts, key, strchr(pair, '=') + 1);
	}
	return opts;
}
