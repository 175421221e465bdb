// SPDX-License-Identifier: GPL-2.0-or-later
/* VolumeDriver's part of dockerd. */
#include "netctl/box/vols.h"

#include <string.h>
#include <sys/stat.h>

#include "lib/fail.h"
#include "lib/jdec.h"
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

static int ensure(const struct ctl *ctl, json_object *m, struct err *err)
{
	int r = call(ctl, m, "VolumeDriver.Get", false, NULL, err);

	if (r != -EREMOTEIO)
		return r;
	if (err)
		err->msg[0] = '\0';
	return call(ctl, m, "VolumeDriver.Create", false, NULL, err);
}

static int mount_one(const struct ctl *ctl, struct box *b, json_object *m,
		     struct err *err)
{
	_cleanup_(json_putp) json_object *got = NULL;
	const char *at;
	int r = ensure(ctl, m, err);

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
	return box_save(b, err);
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

int box_vols_unmount(const struct ctl *ctl, struct box *b, struct err *err)
{
	json_object *list = jget_array(b->rec, "Mounts");
	int r = 0;

	for (size_t i = 0; i < jget_len(list) && r == 0; i++) {
		json_object *m = json_object_array_get_idx(list, i);

		if (!jget_bool(m, "Held"))
			continue;
		r = call(ctl, m, "VolumeDriver.Unmount", true, NULL, err);
		/* one that was removed meanwhile is not mounted either */
		if (r == -EREMOTEIO && call(ctl, m, "VolumeDriver.Get", false,
					    NULL, NULL) == -EREMOTEIO)
			r = 0;
		if (r == 0)
			r = FAILPOINT("boxvol.unmounted");
		if (r == 0) {
			json_object_object_del(m, "Held");
			r = box_save(b, err);
		}
	}
	return r;
}
