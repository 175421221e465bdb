// SPDX-License-Identifier: GPL-2.0-or-later
/* VolumeDriver's part of dockerd. */
#include "netctl/box/vols.h"

#include <string.h>
#include <sys/stat.h>

#include "lib/fail.h"
#include "lib/jdec.h"
#include "netctl/box/fill.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"

static json_object *body_of(json_object *m, bool with_id)
{
	json_object *o = json_object_new_object();

	jset_str(o, "Name", jget_str(m, "Name"));
	if (with_id)
		jset_str(o, "ID", jget_str(m, "MountID"));
	return o;
}

static int call(const struct ctl *ctl, json_object *m, const char *method,
		bool with_id, json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *body = body_of(m, with_id);
	int r = driver_call(ctl, jget_str(m, "Driver"), method, body, ret, err);

	return r < 0 ? err_wrap(err, r, "volume %s", jget_str(m, "Name")) : r;
}

/* Return: 1, 0; -errno: nobody answered. */
static int is_there(const struct ctl *ctl, json_object *m, struct err *err)
{
	int r = call(ctl, m, "VolumeDriver.Get", false, NULL, err);

	if (r != -EREMOTEIO)
		return r < 0 ? r : 1;
	if (err)
		err->msg[0] = '\0';
	return 0;
}

static int ensure(const struct ctl *ctl, struct box *b, json_object *m,
		  struct err *err)
{
	int r = is_there(ctl, m, err);

	if (r != 0)
		return r < 0 ? r : 0;
	/* what box_vols_remove() has to remove */
	if (jget_bool(m, "Anonymous")) {
		jset(m, "Made", json_object_new_boolean(true));
		r = box_save(b, err);
	}
	if (r == 0)
		r = call(ctl, m, "VolumeDriver.Create", false, NULL, err);
	return r == 0 ? FAILPOINT("boxvol.created") : r;
}

static int mount_one(const struct ctl *ctl, struct box *b, json_object *m,
		     struct err *err)
{
	_cleanup_(json_putp) json_object *got = NULL;
	const char *at;
	int r = ensure(ctl, b, m, err);

	if (r < 0 && jget_bool(m, "Anonymous"))
		return err_wrap(err, r, "%s", jget_str(m, "Target"));
	if (r < 0)
		return r;
	jset(m, "Held", json_object_new_boolean(true));
	r = box_save(b, err);
	if (r == 0)
		r = call(ctl, m, "VolumeDriver.Mount", true, &got, err);
	if (r == 0)
		r = FAILPOINT("boxvol.mounted");
	if (r < 0)
		return r;
	at = jget_str(got, "Mountpoint");
	if (*at != '/')
		return err_set(err, -EBADMSG,
			       "volume %s: %s answered with the mount point "
			       "\"%s\"",
			       jget_str(m, "Name"), jget_str(m, "Driver"), at);
	jset_str(m, "Source", at);
	r = box_save(b, err);
	return r == 0 ? box_fill(b, m, err) : r;
}

/* As docker run -v: what is not there becomes a directory. */
static int make_source(json_object *m, struct err *err)
{
	_cleanup_free_ char *path = strdup(jget_str(m, "Source"));

	if (!path)
		return err_set(err, -ENOMEM, "out of memory");
	if (access(path, F_OK) == 0)
		return 0;
	for (char *p = strchr(path + 1, '/');; p = strchr(p + 1, '/')) {
		if (p)
			*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_set(err, -errno, "--volume: make %s: %s",
				       path, strerror(errno));
		if (!p)
			return 0;
		*p = '/';
	}
}

int box_vols_mount(const struct ctl *ctl, struct box *b, struct err *err)
{
	json_object *list = jget_array(b->rec, "Mounts");
	int r = 0;

	for (size_t i = 0; i < jget_len(list) && r == 0; i++) {
		json_object *m = json_object_array_get_idx(list, i);
		const char *type = jget_str(m, "Type");

		if (strcmp(type, "volume") == 0)
			r = mount_one(ctl, b, m, err);
		else if (strcmp(type, "bind") == 0)
			r = make_source(m, err);
	}
	return r;
}

/* Who filled it was killed, maybe with the host: it is mounted again, by the same id. */
static int settle_fill(const struct ctl *ctl, struct box *b, json_object *m,
		       struct err *err)
{
	_cleanup_(json_putp) json_object *got = NULL;
	int r;

	if (!*jget_str(m, "Fill"))
		return 0;
	r = is_there(ctl, m, err);
	if (r <= 0)
		return r;
	r = call(ctl, m, "VolumeDriver.Mount", true, &got, err);
	return r == 0 ? box_fill_settle(b, m, jget_str(got, "Mountpoint"), err)
		      : r;
}

static int unmount_one(const struct ctl *ctl, struct box *b, json_object *m,
		       struct err *err)
{
	int r = settle_fill(ctl, b, m, err);

	if (r == 0)
		r = call(ctl, m, "VolumeDriver.Unmount", true, NULL, err);
	/* one that was removed meanwhile is not mounted either */
	if (r == -EREMOTEIO && is_there(ctl, m, NULL) == 0)
		r = 0;
	if (r == 0)
		r = FAILPOINT("boxvol.unmounted");
	if (r < 0)
		return r;
	json_object_object_del(m, "Fill");
	json_object_object_del(m, "Held");
	return box_save(b, err);
}

int box_vols_unmount(const struct ctl *ctl, struct box *b, struct err *err)
{
	json_object *list = jget_array(b->rec, "Mounts");
	int r = 0;

	for (size_t i = 0; i < jget_len(list) && r == 0; i++) {
		json_object *m = json_object_array_get_idx(list, i);

		if (jget_bool(m, "Held"))
			r = unmount_one(ctl, b, m, err);
	}
	return r;
}

/* ---- anonymous ones ----------------------------------------------------------------- */

/* Return: 1: a container other than @b has the volume @m; 0; -errno. */
static int is_shared(const struct ctl *ctl, const struct box *b, json_object *m,
		     struct err *err)
{
	_cleanup_(json_putp) json_object *ids = NULL;
	int r = box_ids(ctl, &ids, err);

	for (size_t i = 0; i < jget_len(ids) && r == 0; i++) {
		const char *id = json_object_get_string(
			json_object_array_get_idx(ids, i));
		json_object *theirs;
		struct box o;

		if (strcmp(id, b->id) == 0 || box_open(ctl, id, &o, NULL) < 0)
			continue;
		theirs = jget_find(jget_array(o.rec, "Mounts"), "Name",
				   jget_str(m, "Name"));
		r = theirs && strcmp(jget_str(theirs, "Driver"),
				     jget_str(m, "Driver")) == 0;
		box_free(&o);
	}
	return r;
}

int box_vols_remove(const struct ctl *ctl, struct box *b, struct err *err)
{
	json_object *list = jget_array(b->rec, "Mounts");
	int r = 0;

	for (size_t i = 0; i < jget_len(list) && r == 0; i++) {
		json_object *m = json_object_array_get_idx(list, i);

		if (!jget_bool(m, "Anonymous") || !jget_bool(m, "Made"))
			continue;
		r = is_shared(ctl, b, m, err);
		if (r == 0)
			r = call(ctl, m, "VolumeDriver.Remove", false, NULL,
				 err);
		/* somebody else removed it */
		if (r == -EREMOTEIO && is_there(ctl, m, NULL) == 0)
			r = 0;
		if (r >= 0)
			r = FAILPOINT("boxvol.removed");
		if (r < 0)
			return r;
		json_object_object_del(m, "Made");
		r = box_save(b, err);
	}
	return r;
}

void box_vols_hide(json_object *m)
{
	static const char *const ours[] = { "Held", "Made", "Fill", "Filled" };

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		json_object_object_del(m, ours[i]);
}
