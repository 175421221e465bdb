/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls the daemons' /Berth.* methods, one daemon or all of a kind. */
#include "netctl/drivers.h"

#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/client.h"
#include "lib/jdec.h"
#include "lib/opts.h"
#include "netctl/jget.h"

const struct driver drivers[] = {
	{ "berth-bridge", DRIVER_NETWORK },  { "berth-dns", DRIVER_NAMES },
	{ "berth-ipam", DRIVER_IPAM },       { "berth-ipvlan", DRIVER_NETWORK },
	{ "berth-macvlan", DRIVER_NETWORK }, { "berth-named", DRIVER_VOLUME },
	{ "berth-overlay", DRIVER_NETWORK }, { "berth-thin", DRIVER_VOLUME },
	{ "berth-tmpfs", DRIVER_VOLUME },    { 0 },
};

/* "a", "b" and "c": all there are. */
static void list_names(char *buf, size_t size)
{
	size_t n = 0;

	for (const struct driver *d = drivers; d->name && n < size; d++)
		n += (size_t)snprintf(buf + n, size - n, "%s\"%s\"",
				      d == drivers ? ""
				      : !d[1].name ? " and "
						   : ", ",
				      d->name);
}

const struct driver *driver_find(const char *name, struct err *err)
{
	struct opt_field names[ARRAY_SIZE(drivers)] = { 0 };
	char all[ERR_MSG_MAX];
	const char *near;

	for (const struct driver *d = drivers; d->name; d++) {
		names[d - drivers].key = d->name;
		if (strcmp(d->name, name) == 0)
			return d;
	}
	near = opts_nearest(name, names);
	if (near) {
		err_set(err, -EINVAL, "no driver \"%s\": did you mean \"%s\"?",
			name, near);
		return NULL;
	}
	list_names(all, sizeof(all));
	err_set(err, -EINVAL, "no driver \"%s\": there are %s", name, all);
	return NULL;
}

static bool under_systemd(const char *name)
{
	static const char *const dirs[] = { "/etc/systemd/system",
					    "/usr/local/lib/systemd/system",
					    "/usr/lib/systemd/system",
					    "/lib/systemd/system" };
	char path[128];

	if (access("/run/systemd/system", F_OK) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s.socket", dirs[i], name);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

const char *driver_command(const char *name, bool restart,
			   char buf[static DRIVER_COMMAND_MAX])
{
	if (under_systemd(name))
		snprintf(buf, DRIVER_COMMAND_MAX, "systemctl %s %s",
			 restart ? "restart" : "start", name);
	else
		snprintf(buf, DRIVER_COMMAND_MAX, "netctl %s %s",
			 restart ? "restart" : "up", name);
	return buf;
}

char *driver_sock(const struct ctl *ctl, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s.sock", ctl->plugin_dir, name) < 0 ? NULL
									: path;
}

int driver_call(const struct ctl *ctl, const char *name, const char *method,
		json_object *body, json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *sent =
		body ? json_object_get(body) : json_object_new_object();
	_cleanup_free_ char *path = driver_sock(ctl, name);
	int r;

	if (!path || !sent)
		return err_set(err, -ENOMEM, "out of memory");
	r = client_call(path, method, sent, ctl->timeout_ms, ret, err);
	if (r == -EACCES || r == -EPERM)
		return err_set(err, r, "%s: only root may use it", path);
	return r;
}

static void append_rows(json_object *all, json_object *rows, const char *driver)
{
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *item =
			json_object_get(json_object_array_get_idx(rows, i));
		json_object *row = item;

		if (!json_object_is_type(item, json_type_object)) {
			row = json_object_new_object();
			jset(row, "Text", item);
		}
		jset_str(row, "Driver", driver);
		json_object_array_add(all, row);
	}
}

/* What went wrong first, absent daemons last; the others are told at once. */
struct failures {
	int count; /* of daemons that have a socket */
	int r;
	struct err err;
};

static void note_failure(struct failures *f, const char *name, int r,
			 const struct err *e)
{
	bool named = strncmp(e->msg, name, strlen(name)) == 0;
	struct err text = { 0 };

	err_set(&text, r, "%s%s%s", named ? "" : name, named ? "" : ": ",
		e->msg);
	if (r != -ENOENT && ++f->count > 1) {
		cli_warn("%s", text.msg);
		return;
	}
	if (r == -ENOENT && f->r)
		return;
	f->r = r;
	f->err = text;
}

int driver_collect(const struct ctl *ctl, enum driver_kind kind,
		   const char *method, const char *key, json_object *body,
		   json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *all = json_object_new_array();
	struct failures failures = { 0 };
	int answered = 0;

	for (const struct driver *d = drivers; d->name; d++) {
		_cleanup_(json_putp) json_object *answer = NULL;
		struct err e = { 0 };
		int r;

		if (kind != DRIVER_ANY && d->kind != kind)
			continue;
		r = driver_call(ctl, d->name, method, body, &answer, &e);
		if (r < 0) {
			note_failure(&failures, d->name, r, &e);
			continue;
		}
		answered++;
		append_rows(all, jget(answer, key), d->name);
	}
	if (!answered)
		return err_set(err, failures.r ? failures.r : -ENOENT, "%s",
			       failures.err.msg);
	if (failures.count)
		cli_warn("%s", failures.err.msg);
	*ret = take_ptr(all);
	return failures.count ? CLI_FAILED : 0;
}
