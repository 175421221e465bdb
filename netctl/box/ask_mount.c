// SPDX-License-Identifier: GPL-2.0-or-later
/* Mounts of the command line and of an image. */
#include "netctl/box/ask_mount.h"

#include <ctype.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/book.h"
#include "netctl/jget.h"

#define DRIVER_DEFAULT    "berth-named"
#define IMAGE_VOLUMES_MAX 256

bool box_is_name(const char *s)
{
	if (!isalnum((unsigned char)*s) || !s[1])
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_.-", *s))
			return false;
	return true;
}

/* The path @s, which begins with "/", as Docker cleans it: no "//", ".", ".." nor "/" at
 * its end.  In place. */
static void clean(char *s)
{
	char *to = s, *from = s;

	while (*from) {
		size_t slashes = strspn(from, "/"), len;

		from += slashes;
		len = strcspn(from, "/");
		if (len == 2 && from[0] == '.' && from[1] == '.') {
			while (to > s && *--to != '/')
				;
		} else if (len && !(len == 1 && *from == '.')) {
			*to++ = '/';
			memmove(to, from, len);
			to += len;
		}
		from += len;
	}
	if (to == s)
		*to++ = '/';
	*to = '\0';
}

int box_mount_new(const char *flag, const char *text, const char *type,
		  char *target, json_object **ret, struct err *err)
{
	json_object *m;

	if (*target == '/')
		clean(target);
	if (*target != '/' || !target[1])
		return err_set(
			err, -EINVAL,
			"%s %.200s: \"%.200s\" is no path in the "
			"container: it begins with / and is not / itself",
			flag, text, target);
	m = json_object_new_object();
	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	jset_str(m, "Type", type);
	jset_str(m, "Target", target);
	*ret = m;
	return 0;
}

int box_mount_volume(json_object *m, const char *name, const char *driver,
		     struct err *err)
{
	char id[BOOK_ID_MAX], own[BOOK_ID_MAX];
	int r = book_new_id(id, err);

	if (r == 0 && !name)
		r = book_new_id(own, err);
	if (r < 0)
		return r;
	jset_str(m, "Name", name ? name : own);
	jset_str(m, "Driver", driver);
	jset_str(m, "MountID", id);
	if (!name)
		jset(m, "Anonymous", json_object_new_boolean(true));
	return 0;
}

/* ---- -v, --tmpfs ------------------------------------------------------------------ */

static int read_mode(const char *text, char *mode, bool is_volume,
		     json_object *m, struct err *err)
{
	char *save = NULL;

	for (char *w = strtok_r(mode, ",", &save); w;
	     w = strtok_r(NULL, ",", &save)) {
		if (strcmp(w, "ro") == 0 || strcmp(w, "rw") == 0)
			jset(m, "ReadOnly",
			     json_object_new_boolean(w[1] == 'o'));
		else if (is_volume && strcmp(w, "nocopy") == 0)
			jset(m, "NoCopy", json_object_new_boolean(true));
		else
			return err_set(err, -EINVAL,
				       "--volume %s: \"%s\" is not ro or rw%s",
				       text, w,
				       is_volume ? ", nor nocopy" : "");
	}
	return 0;
}

int box_ask_volume(const char *text, const char *driver, json_object **ret,
		   struct err *err)
{
	_cleanup_(json_putp) json_object *m = NULL;
	_cleanup_free_ char *copy = strdup(text);
	char *source = copy, *target, *mode = NULL;
	bool is_bind;
	int r;

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	target = strchr(copy, ':');
	if (target)
		*target++ = '\0';
	else if (*copy == '/')
		target = copy;
	else
		return err_set(err, -EINVAL,
			       "--volume %s: write /path, NAME:/path or "
			       "/of/the/host:/path, with :ro to read only",
			       text);
	is_bind = target != copy && *source == '/';
	if (target != copy && (mode = strchr(target, ':')))
		*mode++ = '\0';
	r = box_mount_new("--volume", text, is_bind ? "bind" : "volume", target,
			  &m, err);
	if (r < 0)
		return r;
	jset(m, "ReadOnly", json_object_new_boolean(false));
	if (target != copy && !is_bind && !box_is_name(source))
		return err_set(err, -EINVAL,
			       "--volume %s: \"%s\" is neither a volume's name "
			       "nor a path that begins with /",
			       text, source);
	if (is_bind)
		jset_str(m, "Source", source);
	else
		r = box_mount_volume(m, target == copy ? NULL : source, driver,
				     err);
	if (r == 0 && mode)
		r = read_mode(text, mode, !is_bind, m, err);
	if (r == 0)
		*ret = take_ptr(m);
	return r;
}

int box_ask_tmpfs(const char *text, json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *m = NULL;
	size_t len = strcspn(text, ":");
	_cleanup_free_ char *target = strndup(text, len);
	int r;

	if (!target)
		return err_set(err, -ENOMEM, "out of memory");
	r = box_mount_new("--tmpfs", text, "tmpfs", target, &m, err);
	if (r < 0)
		return r;
	jset_str(m, "Options", text[len] ? text + len + 1 : "");
	*ret = take_ptr(m);
	return 0;
}

/* ---- all of them -------------------------------------------------------------------- */

static const char *driver_of(const struct ctl *ctl)
{
	return ctl->box.volume_driver ? ctl->box.volume_driver : DRIVER_DEFAULT;
}

/* @m: taken. */
static int add(json_object *list, json_object *m, struct err *err)
{
	if (jget_find(list, "Target", jget_str(m, "Target"))) {
		int r = err_set(err, -EINVAL, "two mounts at %s",
				jget_str(m, "Target"));

		json_object_put(m);
		return r;
	}
	json_object_array_add(list, m);
	return 0;
}

/* One each, unless something else is there. */
static int add_image_volumes(const struct ctl *ctl, json_object *config,
			     json_object *list, struct err *err)
{
	json_object *volumes = jget(config, "Volumes");
	int r = 0, n = 0;

	if (!volumes)
		return 0;
	json_object_object_foreach(volumes, key, value)
	{
		_cleanup_(json_putp) json_object *m = NULL;
		_cleanup_free_ char *target = strdup(key);

		(void)value;
		if (!target)
			return err_set(err, -ENOMEM, "out of memory");
		r = box_mount_new("the image's", "VOLUME", "volume", target, &m,
				  err);
		if (r < 0)
			return r;
		if (jget_find(list, "Target", target))
			continue;
		if (n++ == IMAGE_VOLUMES_MAX)
			return err_set(err, -EINVAL,
				       "the image has more than %d volumes",
				       IMAGE_VOLUMES_MAX);
		r = box_mount_volume(m, NULL, driver_of(ctl), err);
		if (r < 0)
			return r;
		jset(m, "ReadOnly", json_object_new_boolean(false));
		jset(m, "OfImage", json_object_new_boolean(true));
		json_object_array_add(list, take_ptr(m));
	}
	return 0;
}

int box_ask_mounts(const struct ctl *ctl, json_object *config, json_object *rec,
		   struct err *err)
{
	const struct ctl_box *x = &ctl->box;
	json_object *list = json_object_new_array(), *m = NULL;
	int r = 0;

	jset(rec, "Mounts", list);
	for (size_t i = 0; i < x->volumes.n && r == 0; i++) {
		r = box_ask_volume(x->volumes.v[i], driver_of(ctl), &m, err);
		if (r == 0)
			r = add(list, m, err);
	}
	for (size_t i = 0; i < x->tmpfs.n && r == 0; i++) {
		r = box_ask_tmpfs(x->tmpfs.v[i], &m, err);
		if (r == 0)
			r = add(list, m, err);
	}
	for (size_t i = 0; i < x->mounts.n && r == 0; i++) {
		r = box_ask_mount(x->mounts.v[i], driver_of(ctl), &m, err);
		if (r == 0)
			r = add(list, m, err);
	}
	return r == 0 ? add_image_volumes(ctl, config, list, err) : r;
}
