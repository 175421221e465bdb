/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which hierarchies there are, and where in each a container's cgroup is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/oci/cgroup_priv.h"

static void filep(FILE **f)
{
	if (*f)
		fclose(*f);
}

int cg_path_clean(const char *path, char **ret)
{
	_cleanup_free_ char *out = calloc(1, strlen(path) + 2);
	size_t len = 0;

	if (!out)
		return -ENOMEM;
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && !strncmp(path, "..", 2)) {
			while (len > 0 && out[--len] != '/')
				;
		} else if (n > 0 && !(n == 1 && *path == '.')) {
			out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
		}
		path += n;
		path += strspn(path, "/");
	}
	if (len == 0)
		out[len++] = '/';
	out[len] = '\0';
	*ret = take_ptr(out);
	return 0;
}

int cg_part_add(struct cgroup *cg, const char *controllers, const char *mount,
		const char *dir, bool v2)
{
	struct cg_part *part = &cg->parts[cg->count];

	if (cg->count == CG_PARTS_MAX)
		return -E2BIG;
	*part = (struct cg_part){ .controllers = strdup(controllers),
				  .mount = strdup(mount),
				  .dir = strdup(dir),
				  .v2 = v2,
				  .fd = -EBADF };
	cg->count++;
	return part->controllers && part->mount && part->dir ? 0 : -ENOMEM;
}

void cgroup_free(struct cgroup *cg)
{
	if (!cg)
		return;
	for (size_t i = 0; i < cg->count; i++) {
		free(cg->parts[i].controllers);
		free(cg->parts[i].mount);
		free(cg->parts[i].dir);
		closep(&cg->parts[i].fd);
	}
	free(cg);
}

/* Is @word one of the list "a,b,c"? */
static bool in_list(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; *p; p += strspn(p, ",")) {
		size_t n = strcspn(p, ",");

		if (n == len && !strncmp(p, word, n))
			return true;
		p += n;
	}
	return false;
}

struct cg_part *cg_find(struct cgroup *cg, const char *controller)
{
	for (size_t i = 0; i < cg->count; i++)
		if (!cg->parts[i].v2 &&
		    in_list(cg->parts[i].controllers, controller))
			return &cg->parts[i];
	return NULL;
}

struct cg_part *cg_v2(struct cgroup *cg)
{
	for (size_t i = 0; i < cg->count; i++)
		if (cg->parts[i].v2)
			return &cg->parts[i];
	return NULL;
}

struct cg_part *cg_of(struct cgroup *cg, const char *controller)
{
	struct cg_part *part = cg_find(cg, controller);

	return part ? part : cg_v2(cg);
}

/* Super-block options that are no controllers. */
static bool is_flag(const char *word)
{
	static const char *const flags[] = { "rw",
					     "ro",
					     "none",
					     "xattr",
					     "noprefix",
					     "clone_children",
					     "cpuset_v2_mode",
					     "favordynmods" };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (!strcmp(word, flags[i]))
			return true;
	return !strncmp(word, "release_agent=", 14);
}

static void keep_controllers(char *options, char *out)
{
	char *save = NULL;

	*out = '\0';
	for (char *w = strtok_r(options, ",\n", &save); w;
	     w = strtok_r(NULL, ",\n", &save)) {
		if (is_flag(w))
			continue;
		if (*out)
			strcat(out, ",");
		strcat(out, w);
	}
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++)
		if (s[0] == '\\' && s[1] && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 +
				       (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	*to = '\0';
}

/* Our own cgroup in the hierarchy of @controllers, "/" when it isn't told. */
static int own_cgroup(const char *controllers, char **ret)
{
	_cleanup_(filep) FILE *f = fopen("/proc/self/cgroup", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	if (!f)
		return -errno;
	while (getline(&line, &room, f) > 0) {
		char *names = strchr(line, ':'), *path;

		path = names ? strchr(names + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		if (!strcmp(names + 1, controllers))
			return cg_path_clean(path, ret);
	}
	return cg_path_clean("/", ret);
}

/* @own without the part of the hierarchy that the mount doesn't show. */
static const char *below_root(const char *own, const char *root)
{
	size_t len = strlen(root);

	if (!strcmp(root, "/") || !strncmp(root, "/..", 3))
		return own;
	if (!strncmp(own, root, len) && (!own[len] || own[len] == '/'))
		return own + len;
	return "";
}

static int add_mount(struct cgroup *cg, const char *controllers,
		     const char *mount, const char *root, const char *path,
		     bool v2)
{
	_cleanup_free_ char *own = NULL, *dir = NULL, *clean = NULL;
	const char *base = "";
	int r;

	r = cg_path_clean(path, &clean);
	if (r < 0)
		return r;
	if (*path != '/') {
		r = own_cgroup(controllers, &own);
		if (r < 0)
			return r;
		/* v2 takes no processes beside those of the cgroups below */
		if (v2)
			*strrchr(own, '/') = '\0';
		base = below_root(own, root);
		if (!strcmp(base, "/"))
			base = "";
	}
	if (asprintf(&dir, "%s%s%s", mount, base, clean) < 0) {
		dir = NULL;
		return -ENOMEM;
	}
	return cg_part_add(cg, controllers, mount, dir, v2);
}

static bool known(const struct cgroup *cg, const char *controllers)
{
	for (size_t i = 0; i < cg->count; i++)
		if (!strcmp(cg->parts[i].controllers, controllers))
			return true;
	return false;
}

/* "30 22 0:27 ROOT MOUNT opts tags... - TYPE SOURCE OPTIONS" */
static int read_line(struct cgroup *cg, char *line, const char *path)
{
	char *field[6] = { 0 }, *save = NULL, *type, *options;
	_cleanup_free_ char *controllers = NULL;
	char *tail = strstr(line, " - ");

	if (!tail)
		return 0;
	*tail = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(field); i++)
		field[i] = strtok_r(i ? NULL : line, " ", &save);
	type = strtok_r(tail + 3, " ", &save);
	if (!field[4] || !type ||
	    (strcmp(type, "cgroup") != 0 && strcmp(type, "cgroup2") != 0))
		return 0;
	strtok_r(NULL, " ", &save);
	options = strtok_r(NULL, " \n", &save);
	if (!options)
		return 0;
	controllers = calloc(1, strlen(options) + 1);
	if (!controllers)
		return -ENOMEM;
	if (!strcmp(type, "cgroup"))
		keep_controllers(options, controllers);
	unescape(field[3]);
	unescape(field[4]);
	if (known(cg, controllers))
		return 0;
	return add_mount(cg, controllers, field[4], field[3], path,
			 !strcmp(type, "cgroup2"));
}

static bool is_systemd(const char *path)
{
	const char *colon = strchr(path, ':');

	return *path != '/' && colon && strchr(colon + 1, ':');
}

int cgroup_resolve(const char *path, const char *id, struct cgroup **ret,
		   struct err *err)
{
	_cleanup_(cgroup_freep) struct cgroup *cg = calloc(1, sizeof(*cg));
	_cleanup_(filep) FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL, *clean = NULL;
	size_t room = 0;
	int r;

	if (!cg)
		return err_set(err, -ENOMEM, "cgroup: out of memory");
	if (!f)
		return err_set(err, -errno, "/proc/self/mountinfo: %m");
	if (!path || !*path)
		path = id;
	if (is_systemd(path))
		return err_set(err, -EOPNOTSUPP,
			       "linux.cgroupsPath \"%s\" asks systemd for a "
			       "scope, which berth-oci does not do: use the "
			       "cgroupfs driver",
			       path);
	r = cg_path_clean(path, &clean);
	if (r < 0)
		return err_set(err, r, "cgroup: out of memory");
	if (!strcmp(clean, "/"))
		return err_set(err, -EINVAL,
			       "linux.cgroupsPath \"%s\": the root of the "
			       "hierarchy is not a container's",
			       path);
	while (getline(&line, &room, f) > 0) {
		r = read_line(cg, line, path);
		if (r < 0)
			return err_set(err, r, "cgroup of \"%s\": %s", path,
				       strerror(-r));
	}
	if (cg->count == 0)
		return err_set(err, -ENOENT,
			       "no cgroup file system is mounted; mount one on "
			       "/sys/fs/cgroup");
	*ret = take_ptr(cg);
	return 0;
}

int cgroup_save(const struct cgroup *cg, json_object **ret)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();

	if (!o)
		return -ENOMEM;
	for (size_t i = 0; i < cg->count; i++) {
		json_object *pair = json_object_new_array_ext(2);
		const struct cg_part *p = &cg->parts[i];

		if (!pair ||
		    json_object_object_add(o, p->controllers, pair) < 0) {
			json_object_put(pair);
			return -ENOMEM;
		}
		if (json_object_array_add(pair,
					  json_object_new_string(p->mount)) ||
		    json_object_array_add(pair, json_object_new_string(p->dir)))
			return -ENOMEM;
	}
	*ret = take_ptr(o);
	return 0;
}

static const char *text_at(json_object *pair, size_t i)
{
	json_object *o;

	if (!json_object_is_type(pair, json_type_array) ||
	    json_object_array_length(pair) != 2)
		return NULL;
	o = json_object_array_get_idx(pair, i);
	return json_object_is_type(o, json_type_string)
		       ? json_object_get_string(o)
		       : NULL;
}

int cgroup_load(json_object *paths, struct cgroup **ret, struct err *err)
{
	_cleanup_(cgroup_freep) struct cgroup *cg = calloc(1, sizeof(*cg));
	int r;

	if (!cg)
		return err_set(err, -ENOMEM, "cgroup: out of memory");
	if (!json_object_is_type(paths, json_type_object))
		return err_set(err, -EBADMSG, "cgroup paths: not an object");
	json_object_object_foreach(paths, controllers, pair)
	{
		const char *mount = text_at(pair, 0), *dir = text_at(pair, 1);
		size_t len = mount ? strlen(mount) : 0;

		if (!mount || !dir || *dir != '/' || strstr(dir, "/..") ||
		    strncmp(dir, mount, len) != 0 || dir[len] != '/')
			return err_set(err, -EBADMSG,
				       "cgroup paths: \"%s\" is not a mount "
				       "and a directory in it",
				       controllers);
		r = cg_part_add(cg, controllers, mount, dir, !*controllers);
		if (r < 0)
			return err_set(err, r, "cgroup paths: %s",
				       strerror(-r));
	}
	*ret = take_ptr(cg);
	return 0;
}

bool cgroup_part(const struct cgroup *cg, size_t i, struct cgroup_part *ret)
{
	if (i >= cg->count)
		return false;
	*ret = (struct cgroup_part){ .controllers = cg->parts[i].controllers,
				     .mount = cg->parts[i].mount,
				     .dir = cg->parts[i].dir,
				     .v2 = cg->parts[i].v2 };
	return true;
}

bool cgroup_unified(const struct cgroup *cg)
{
	return cg->count == 1 && cg->parts[0].v2;
}
