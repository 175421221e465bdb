// SPDX-License-Identifier: GPL-2.0-or-later
/* VolumeDriver's part of dockerd. */
#include "netctl/box/vols.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/fail.h"
#include "lib/inroot.h"
#include "lib/jdec.h"
#include "lib/mnt.h"
#include "netctl/box/fill.h"
#include "netctl/box/refs.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"

static json_object *body_of(json_object *m, const char *method, bool with_id)
{
	json_object *o = json_object_new_object();

	jset_str(o, "Name", jget_str(m, "Name"));
	if (with_id)
		jset_str(o, "ID", jget_str(m, "MountID"));
	if (strcmp(method, "VolumeDriver.Create") == 0 && jget(m, "DriverOpts"))
		jset(o, "Opts", json_object_get(jget(m, "DriverOpts")));
	return o;
}

static int call(const struct ctl *ctl, json_object *m, const char *method,
		bool with_id, json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *body = body_of(m, method, with_id);
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
	/* a new one would be empty, and look as if all were well */
	if (*jget_str(m, "Source"))
		return err_set(err, -ENOENT,
			       "no such volume: %s was removed since the "
			       "container was last started: make it again, or "
			       "'netctl rm %s' the container",
			       jget_str(m, "Name"), jget_str(b->rec, "Name"));
	/* what box_vols_remove() has to remove */
	if (jget_bool(m, "Anonymous")) {
		jset(m, "Made", json_object_new_boolean(true));
		r = box_save(b, err);
	}
	if (r == 0)
		r = call(ctl, m, "VolumeDriver.Create", false, NULL, err);
	return r == 0 ? FAILPOINT("boxvol.created") : r;
}

/* ---- a part of a volume ----------------------------------------------------------- */

/* Held by a mount of ours: the path to it may lead elsewhere a moment later. */
#define SUB_MAX 96

static const char *sub_name(json_object *m, char buf[static SUB_MAX])
{
	snprintf(buf, SUB_MAX, "sub-%.64s", jget_str(m, "MountID"));
	return buf;
}

static int sub_open(json_object *m, struct err *err)
{
	const char *sub = jget_str(m, "Subpath");
	_cleanup_close_ int vol =
		open(jget_str(m, "Source"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = vol < 0 ? -errno : inroot_beneath(vol, sub, O_PATH);

	if (fd == -EXDEV)
		return err_set(err, fd,
			       "volume %s: volume-subpath %s leads out of the "
			       "volume",
			       jget_str(m, "Name"), sub);
	if (fd < 0)
		return err_set(err, fd, "cannot access path %s/%s: %s%s",
			       jget_str(m, "Source"), sub, strerror(-fd),
			       fd == -ENOENT ? ": volume-subpath is not made, "
					       "it has to be in the volume"
					     : "");
	return fd;
}

/* Where it is mounted: of the same kind. */
static int sub_point(struct box *b, const char *name, bool dir)
{
	_cleanup_close_ int fd = -EBADF;

	if (dir)
		return mkdirat(b->dir, name, 0700) < 0 ? -errno : 0;
	fd = openat(b->dir, name, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : 0;
}

static int sub_mount(struct box *b, json_object *m, struct err *err)
{
	_cleanup_close_ int fd = sub_open(m, err), mount = -EBADF;
	_cleanup_free_ char *path = NULL;
	char name[SUB_MAX];
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "volume-subpath: %s",
			       strerror(errno));
	if (asprintf(&path, "%s/%s", b->path, sub_name(m, name)) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	r = sub_point(b, name, S_ISDIR(st.st_mode));
	if (r < 0)
		return err_set(err, r, "make %s: %s", path, strerror(-r));
	mount = mnt_clone(fd, "", false, err);
	if (mount < 0)
		return mount;
	jset_str(m, "Bound", path);
	r = mnt_attach(mount, b->dir, name, err);
	return r == 0 ? FAILPOINT("boxvol.submounted") : r;
}

static int sub_unmount(struct box *b, json_object *m, struct err *err)
{
	char name[SUB_MAX];
	int r;

	if (!*jget_str(m, "Subpath"))
		return 0;
	r = mnt_detach(b->dir, sub_name(m, name), true, err);
	if (r < 0)
		return r;
	if (unlinkat(b->dir, name, AT_REMOVEDIR) < 0 &&
	    (errno != ENOTDIR || unlinkat(b->dir, name, 0) < 0) &&
	    errno != ENOENT)
		return err_set(err, -errno, "%s/%s: %s", b->path, name,
			       strerror(errno));
	json_object_object_del(m, "Bound");
	return FAILPOINT("boxvol.subunmounted");
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
	if (r == 0)
		r = *jget_str(m, "Subpath") ? sub_mount(b, m, err)
					    : box_fill(b, m, err);
	/* now, as it is mounted; else unmount_one() has to mount it once more */
	if (r < 0)
		(void)box_fill_settle(b, m, at, true, NULL);
	return r;
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
		else if (strcmp(type, "bind") == 0 &&
			 !jget_bool(m, "MustExist"))
			r = make_source(m, err);
	}
	return r;
}

/* Who filled it was killed, maybe with the host: it is mounted again, by the same id. */
static int settle_fill(const struct ctl *ctl, struct box *b, json_object *m,
		       struct err *err)
{
	_cleanup_(json_putp) json_object *got = NULL;
	struct err why = { 0 };
	int r;

	if (!*jget_str(m, "Fill"))
		return 0;
	r = is_there(ctl, m, err);
	if (r <= 0)
		return r;
	r = call(ctl, m, "VolumeDriver.Mount", true, &got, &why);
	if (r == 0)
		return box_fill_settle(b, m, jget_str(got, "Mountpoint"), true,
				       err);
	/* its driver can't either, and may never */
	if (r == -EREMOTEIO) {
		box_fill_give_up(b, m, why.msg);
		return 0;
	}
	return err_set(err, r, "%s", why.msg);
}

static int unmount_one(const struct ctl *ctl, struct box *b, json_object *m,
		       struct err *err)
{
	int r = sub_unmount(b, m, err);

	if (r == 0)
		r = settle_fill(ctl, b, m, err);
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

struct sharing {
	const struct box *b;
	json_object *m;
	bool found;
};

static void look(void *ctx, const struct box *other, json_object *m)
{
	struct sharing *s = ctx;

	if (strcmp(other->id, s->b->id) != 0 &&
	    box_refs_is(m, jget_str(s->m, "Name"), jget_str(s->m, "Driver")))
		s->found = true;
}

/* Return: 1: a container other than @b has the volume @m; 0; -errno: that can't be told. */
static int is_shared(const struct ctl *ctl, const struct box *b, json_object *m,
		     struct err *err)
{
	struct sharing s = { .b = b, .m = m };
	int r = box_refs(ctl, look, &s, err);

	return s.found ? 1 : r;
}

static int remove_one(const struct ctl *ctl, struct box *b, json_object *m,
		      struct err *err)
{
	struct err why = { 0 };
	int r = is_shared(ctl, b, m, err);

	if (r < 0)
		return r;
	if (r == 0)
		r = call(ctl, m, "VolumeDriver.Remove", false, NULL, &why);
	if (r < 0 && r != -EREMOTEIO)
		return err_set(err, r, "%s", why.msg);
	/* somebody uses it, or it has snapshots: no container stays for that */
	if (r == -EREMOTEIO && is_there(ctl, m, NULL) != 0)
		cli_warn("container %.12s goes, but not all of its volumes: %s",
			 b->id, why.msg);
	r = FAILPOINT("boxvol.removed");
	if (r < 0)
		return r;
	json_object_object_del(m, "Made");
	return box_save(b, err);
}

int box_vols_remove(const struct ctl *ctl, struct box *b, struct err *err)
{
	json_object *list = jget_array(b->rec, "Mounts");
	int r = 0;

	for (size_t i = 0; i < jget_len(list) && r == 0; i++) {
		json_object *m = json_object_array_get_idx(list, i);

		if (jget_bool(m, "Anonymous") && jget_bool(m, "Made"))
			r = remove_one(ctl, b, m, err);
	}
	return r;
}

/* ---- before anything is made --------------------------------------------------------- */

int box_vols_check(const struct ctl *ctl, json_object *rec, struct err *err)
{
	json_object *list = jget_array(rec, "Mounts");
	const char *answered = "";

	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *m = json_object_array_get_idx(list, i);
		const char *driver = jget_str(m, "Driver");
		const char *target = jget_str(m, "Target");
		char cmd[DRIVER_COMMAND_MAX];
		struct err why = { 0 };
		int r;

		if (!*driver || strcmp(driver, answered) == 0)
			continue;
		r = is_there(ctl, m, &why);
		answered = driver;
		if (r >= 0)
			continue;
		if (!jget_bool(m, "OfImage"))
			return err_set(err, r, "%s: %s", target, why.msg);
		return err_set(
			err, r,
			"the image's VOLUME %s needs %s: '%s', or cover it "
			"with -v DIR:%s or --tmpfs %s: %s",
			target, driver,
			driver_find(driver, NULL)
				? driver_command(driver, false, cmd)
				: "start it",
			target, target, why.msg);
	}
	return 0;
}

void box_vols_hide(json_object *m)
{
	static const char *const ours[] = { "Held",   "Made",  "Fill",
					    "Filled", "Bound", "OfImage" };

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		json_object_object_del(m, ours[i]);
}
