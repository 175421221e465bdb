/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config.json to structs: the tables, and what is checked after them. */
#include "runtime/oci/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct jdec_field user_fields[] = {
	JDEC_FIELD("uid", JDEC_U32, struct spec_user, uid, 0),
	JDEC_FIELD("gid", JDEC_U32, struct spec_user, gid, 0),
	JDEC_FIELD("umask", JDEC_U32, struct spec_user, umask, 0),
	JDEC_FIELD("additionalGids", JDEC_U32S, struct spec_user, groups, 0),
	{ 0 },
};

static const struct jdec_field size_fields[] = {
	JDEC_FIELD("height", JDEC_U16, struct spec_process, rows, 0),
	JDEC_FIELD("width", JDEC_U16, struct spec_process, cols, 0),
	{ 0 },
};

static const struct jdec_field caps_fields[] = {
	JDEC_FIELD("bounding", JDEC_TEXTS, struct spec_caps, bounding, 0),
	JDEC_FIELD("effective", JDEC_TEXTS, struct spec_caps, effective, 0),
	JDEC_FIELD("inheritable", JDEC_TEXTS, struct spec_caps, inheritable, 0),
	JDEC_FIELD("permitted", JDEC_TEXTS, struct spec_caps, permitted, 0),
	JDEC_FIELD("ambient", JDEC_TEXTS, struct spec_caps, ambient, 0),
	{ 0 },
};

static const struct jdec_field rlimit_fields[] = {
	JDEC_FIELD("type", JDEC_TEXT, struct spec_rlimit, type, JDEC_REQUIRED),
	JDEC_FIELD("soft", JDEC_U64, struct spec_rlimit, soft, JDEC_TO_MAX),
	JDEC_FIELD("hard", JDEC_U64, struct spec_rlimit, hard, JDEC_TO_MAX),
	{ 0 },
};

/* consoleSize lies flat in the struct of the process */
#define IN_PLACE(key_, sub_)                                   \
	{                                                      \
		.key = (key_), .type = JDEC_OBJ, .sub = (sub_) \
	}

static const struct jdec_field process_fields[] = {
	JDEC_FIELD("terminal", JDEC_BOOL, struct spec_process, terminal, 0),
	IN_PLACE("consoleSize", size_fields),
	JDEC_FIELD_OBJ("user", struct spec_process, user, user_fields, 0),
	JDEC_FIELD("args", JDEC_TEXTS, struct spec_process, args, 0),
	JDEC_FIELD("env", JDEC_TEXTS, struct spec_process, env, 0),
	JDEC_FIELD("cwd", JDEC_TEXT, struct spec_process, cwd, JDEC_REQUIRED),
	JDEC_FIELD_OBJ("capabilities", struct spec_process, caps, caps_fields,
		       0),
	JDEC_FIELD_ARRAY("rlimits", struct spec_process, rlimits,
			 struct spec_rlimit, rlimit_fields, 0),
	JDEC_FIELD("noNewPrivileges", JDEC_BOOL, struct spec_process,
		   no_new_privs, 0),
	JDEC_FIELD("oomScoreAdj", JDEC_I32, struct spec_process, oom_score_adj,
		   0),
	JDEC_FIELD("apparmorProfile", JDEC_TEXT, struct spec_process, apparmor,
		   0),
	JDEC_FIELD("selinuxLabel", JDEC_TEXT, struct spec_process, selinux, 0),
	JDEC_FIELD("ioPriority", JDEC_MAP, struct spec_process, io_priority, 0),
	JDEC_FIELD("scheduler", JDEC_MAP, struct spec_process, scheduler, 0),
	JDEC_FIELD("execCPUAffinity", JDEC_MAP, struct spec_process, affinity,
		   0),
	{ 0 },
};

static const struct jdec_field map_fields[] = {
	JDEC_FIELD("containerID", JDEC_U32, struct spec_map, container_id, 0),
	JDEC_FIELD("hostID", JDEC_U32, struct spec_map, host_id, 0),
	JDEC_FIELD("size", JDEC_U32, struct spec_map, size, 0),
	{ 0 },
};

static const struct jdec_field mount_fields[] = {
	JDEC_FIELD("destination", JDEC_TEXT, struct spec_mount, destination,
		   JDEC_REQUIRED),
	JDEC_FIELD("type", JDEC_TEXT, struct spec_mount, type, 0),
	JDEC_FIELD("source", JDEC_TEXT, struct spec_mount, source, 0),
	JDEC_FIELD("options", JDEC_TEXTS, struct spec_mount, options, 0),
	JDEC_FIELD_ARRAY("uidMappings", struct spec_mount, uid_map,
			 struct spec_map, map_fields, 0),
	JDEC_FIELD_ARRAY("gidMappings", struct spec_mount, gid_map,
			 struct spec_map, map_fields, 0),
	{ 0 },
};

static const struct jdec_field hook_fields[] = {
	JDEC_FIELD("path", JDEC_TEXT, struct spec_hook, path, JDEC_REQUIRED),
	JDEC_FIELD("args", JDEC_TEXTS, struct spec_hook, args, 0),
	JDEC_FIELD("env", JDEC_TEXTS, struct spec_hook, env, 0),
	JDEC_FIELD("timeout", JDEC_U32, struct spec_hook, timeout_s, 0),
	{ 0 },
};

#define HOOKS(key_, point)                                                  \
	JDEC_FIELD_ARRAY(key_, struct spec, hooks[point], struct spec_hook, \
			 hook_fields, 0)

static const struct jdec_field hooks_fields[] = {
	HOOKS("prestart", SPEC_PRESTART),
	HOOKS("createRuntime", SPEC_CREATE_RUNTIME),
	HOOKS("createContainer", SPEC_CREATE_CONTAINER),
	HOOKS("startContainer", SPEC_START_CONTAINER),
	HOOKS("poststart", SPEC_POSTSTART),
	HOOKS("poststop", SPEC_POSTSTOP),
	{ 0 },
};

static const struct jdec_field ns_fields[] = {
	JDEC_FIELD("type", JDEC_TEXT, struct spec_ns, type, JDEC_REQUIRED),
	JDEC_FIELD("path", JDEC_TEXT, struct spec_ns, path, 0),
	{ 0 },
};

static const struct jdec_field device_fields[] = {
	JDEC_FIELD("type", JDEC_TEXT, struct spec_device, type, JDEC_REQUIRED),
	JDEC_FIELD("path", JDEC_TEXT, struct spec_device, path, JDEC_REQUIRED),
	JDEC_FIELD("major", JDEC_I64, struct spec_device, major, 0),
	JDEC_FIELD("minor", JDEC_I64, struct spec_device, minor, 0),
	JDEC_FIELD("fileMode", JDEC_U32, struct spec_device, mode, 0),
	JDEC_FIELD("uid", JDEC_U32, struct spec_device, uid, 0),
	JDEC_FIELD("gid", JDEC_U32, struct spec_device, gid, 0),
	{ 0 },
};

static const struct jdec_field linux_fields[] = {
	JDEC_FIELD_ARRAY("namespaces", struct spec_linux, namespaces,
			 struct spec_ns, ns_fields, 0),
	JDEC_FIELD_ARRAY("uidMappings", struct spec_linux, uid_map,
			 struct spec_map, map_fields, 0),
	JDEC_FIELD_ARRAY("gidMappings", struct spec_linux, gid_map,
			 struct spec_map, map_fields, 0),
	JDEC_FIELD_ARRAY("devices", struct spec_linux, devices,
			 struct spec_device, device_fields, 0),
	JDEC_FIELD("maskedPaths", JDEC_TEXTS, struct spec_linux, masked, 0),
	JDEC_FIELD("readonlyPaths", JDEC_TEXTS, struct spec_linux, readonly, 0),
	JDEC_FIELD("sysctl", JDEC_MAP, struct spec_linux, sysctl, 0),
	JDEC_FIELD("resources", JDEC_MAP, struct spec_linux, resources, 0),
	JDEC_FIELD("seccomp", JDEC_MAP, struct spec_linux, seccomp, 0),
	JDEC_FIELD("intelRdt", JDEC_MAP, struct spec_linux, rdt, 0),
	JDEC_FIELD("personality", JDEC_MAP, struct spec_linux, personality, 0),
	JDEC_FIELD("timeOffsets", JDEC_MAP, struct spec_linux, time_offsets, 0),
	JDEC_FIELD("cgroupsPath", JDEC_TEXT, struct spec_linux, cgroups_path,
		   0),
	JDEC_FIELD("rootfsPropagation", JDEC_TEXT, struct spec_linux,
		   propagation, 0),
	JDEC_FIELD("mountLabel", JDEC_TEXT, struct spec_linux, mount_label, 0),
	{ 0 },
};

static const struct jdec_field root_fields[] = {
	JDEC_FIELD("path", JDEC_TEXT, struct spec, root_path, JDEC_REQUIRED),
	JDEC_FIELD("readonly", JDEC_BOOL, struct spec, root_readonly, 0),
	{ 0 },
};

static const struct jdec_field spec_fields[] = {
	JDEC_FIELD("ociVersion", JDEC_TEXT, struct spec, version,
		   JDEC_REQUIRED),
	JDEC_FIELD("hostname", JDEC_TEXT, struct spec, hostname, 0),
	JDEC_FIELD("domainname", JDEC_TEXT, struct spec, domainname, 0),
	{ .key = "root",
	  .type = JDEC_OBJ,
	  .flags = JDEC_REQUIRED,
	  .sub = root_fields },
	JDEC_FIELD_OBJ("process", struct spec, process, process_fields,
		       JDEC_REQUIRED),
	{ .key = "mounts",
	  .type = JDEC_ARRAY,
	  .offset = offsetof(struct spec, mounts),
	  .size = sizeof(struct jdec_array),
	  .sub = mount_fields,
	  .elem_size = sizeof(struct spec_mount),
	  .elem_max = SPEC_MOUNTS_MAX },
	IN_PLACE("hooks", hooks_fields),
	JDEC_FIELD("annotations", JDEC_MAP, struct spec, annotations, 0),
	JDEC_FIELD_OBJ("linux", struct spec, linux_, linux_fields, 0),
	{ 0 },
};

static const struct {
	const char *type;
	int flag;
} ns_types[] = {
	{ "user", CLONE_NEWUSER },     { "mount", CLONE_NEWNS },
	{ "pid", CLONE_NEWPID },       { "network", CLONE_NEWNET },
	{ "ipc", CLONE_NEWIPC },       { "uts", CLONE_NEWUTS },
	{ "cgroup", CLONE_NEWCGROUP },
};

const struct spec_ns *spec_ns_find(const struct spec *spec, int flag)
{
	for (size_t i = 0; i < spec->linux_.namespaces.count; i++) {
		const struct spec_ns *ns =
			SPEC_ELEM(struct spec_ns, spec->linux_.namespaces, i);

		if (ns->flag == flag)
			return ns;
	}
	return NULL;
}

int spec_ns_new(const struct spec *spec)
{
	int flags = 0;

	for (size_t i = 0; i < spec->linux_.namespaces.count; i++) {
		const struct spec_ns *ns =
			SPEC_ELEM(struct spec_ns, spec->linux_.namespaces, i);

		if (!ns->path)
			flags |= ns->flag;
	}
	return flags;
}

static int check_ns(const struct spec *spec, struct spec_ns *ns,
		    struct err *err)
{
	int flag = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ns_types); i++)
		if (strcmp(ns->type, ns_types[i].type) == 0)
			flag = ns_types[i].flag;
	if (!flag)
		return err_set(err, -EOPNOTSUPP,
			       "linux.namespaces: type \"%.32s\" is not one of "
			       "user, mount, pid, network, ipc, uts, cgroup",
			       ns->type);
	if (spec_ns_find(spec, flag))
		return err_set(err, -EINVAL,
			       "linux.namespaces: \"%s\" is there twice",
			       ns->type);
	if (ns->path && !*ns->path)
		ns->path = NULL;
	if (ns->path && ns->path[0] != '/')
		return err_set(err, -EINVAL,
			       "linux.namespaces: path \"%.128s\" of %s is not "
			       "absolute",
			       ns->path, ns->type);
	ns->flag = flag;
	return 0;
}

static int check_namespaces(struct spec *spec, struct err *err)
{
	const struct spec_ns *ns;
	int r = 0;

	for (size_t i = 0; r == 0 && i < spec->linux_.namespaces.count; i++)
		r = check_ns(
			spec,
			&((struct spec_ns *)spec->linux_.namespaces.items)[i],
			err);
	if (r < 0)
		return r;
	ns = spec_ns_find(spec, CLONE_NEWNS);
	if (!ns || ns->path)
		return err_set(err, -EOPNOTSUPP,
			       "linux.namespaces: a new \"mount\" namespace is "
			       "needed");
	ns = spec_ns_find(spec, CLONE_NEWUSER);
	if (spec->linux_.uid_map.count + spec->linux_.gid_map.count > 0 && !ns)
		return err_set(err, -EINVAL,
			       "linux.uidMappings need a \"user\" namespace");
	if (ns && !ns->path &&
	    (!spec->linux_.uid_map.count || !spec->linux_.gid_map.count))
		return err_set(err, -EINVAL,
			       "linux.namespaces: a new \"user\" namespace "
			       "needs linux.uidMappings and gidMappings");
	return 0;
}

/* The hostname of somebody else is not ours to change. */
static int check_uts(const struct spec *spec, struct err *err)
{
	const struct spec_ns *ns = spec_ns_find(spec, CLONE_NEWUTS);

	if (((spec->hostname && *spec->hostname) ||
	     (spec->domainname && *spec->domainname)) &&
	    !ns)
		return err_set(err, -EINVAL,
			       "hostname: needs a \"uts\" namespace");
	return 0;
}

/* setresuid(2) and setresgid(2) take it for "as it was": root's. */
static int check_id(const char *field, uint32_t id, struct err *err)
{
	return id == UINT32_MAX
		       ? err_set(err, -EINVAL, "process.user.%s: %u is no id",
				 field, id)
		       : 0;
}

static int check_user(const struct spec_user *u, struct err *err)
{
	int r = check_id("uid", u->uid, err);

	if (r == 0)
		r = check_id("gid", u->gid, err);
	for (size_t i = 0; r == 0 && i < u->groups.count; i++)
		r = check_id("additionalGids",
			     *SPEC_ELEM(uint32_t, u->groups, i), err);
	return r;
}

int spec_process_check(const struct spec_process *p, struct err *err)
{
	if (!p->args.count || !*SPEC_TEXT(p->args, 0))
		return err_set(err, -EINVAL, "process.args: empty");
	if (p->cwd[0] != '/')
		return err_set(err, -EINVAL,
			       "process.cwd: \"%.128s\" is not absolute",
			       p->cwd);
	if (p->oom_score_adj != INT32_MIN &&
	    (p->oom_score_adj < -1000 || p->oom_score_adj > 1000))
		return err_set(err, -EINVAL,
			       "process.oomScoreAdj: not in -1000..1000");
	if (p->apparmor && *p->apparmor)
		return err_set(err, -EOPNOTSUPP,
			       "process.apparmorProfile: not supported");
	if (p->selinux && *p->selinux)
		return err_set(err, -EOPNOTSUPP,
			       "process.selinuxLabel: not supported");
	if (p->io_priority || p->scheduler || p->affinity)
		return err_set(err, -EOPNOTSUPP, "process.%s: not supported",
			       p->io_priority ? "ioPriority"
			       : p->scheduler ? "scheduler"
					      : "execCPUAffinity");
	return check_user(&p->user, err);
}

static int check_linux(const struct spec_linux *l, struct err *err)
{
	const char *not = l->rdt                              ? "intelRdt"
			  : l->personality                    ? "personality"
			  : l->time_offsets                   ? "timeOffsets"
			  : l->mount_label && *l->mount_label ? "mountLabel"
							      : NULL;

	if (not )
		return err_set(err, -EOPNOTSUPP, "linux.%s: not supported",
			       not );
	return 0;
}

static int check_mounts(const struct spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->mounts.count; i++) {
		const struct spec_mount *m =
			SPEC_ELEM(struct spec_mount, spec->mounts, i);

		if (m->destination[strspn(m->destination, "/.")] == '\0')
			return err_set(err, -EINVAL,
				       "mounts[%zu].destination: \"%.64s\" "
				       "would cover the root",
				       i, m->destination);
		if (m->uid_map.count || m->gid_map.count)
			return err_set(err, -EOPNOTSUPP,
				       "mounts[%zu].uidMappings: id-mapped "
				       "mounts are not supported",
				       i);
	}
	return 0;
}

static int check_hooks(const struct spec *spec, struct err *err)
{
	for (size_t p = 0; p < SPEC_POINT_MAX; p++)
		for (size_t i = 0; i < spec->hooks[p].count; i++) {
			const struct spec_hook *h =
				SPEC_ELEM(struct spec_hook, spec->hooks[p], i);

			if (h->path[0] != '/')
				return err_set(err, -EINVAL,
					       "hooks: path \"%.128s\" is not "
					       "absolute",
					       h->path);
		}
	return 0;
}

static int check(struct spec *spec, struct err *err)
{
	int r = spec_process_check(&spec->process, err);

	if (strncmp(spec->version, "1.", 2) != 0)
		return err_set(err, -EOPNOTSUPP,
			       "ociVersion: \"%.32s\" is not 1.x",
			       spec->version);
	if (r == 0)
		r = check_namespaces(spec, err);
	if (r == 0)
		r = check_uts(spec, err);
	if (r == 0)
		r = check_linux(&spec->linux_, err);
	if (r == 0)
		r = check_mounts(spec, err);
	if (r == 0)
		r = check_hooks(spec, err);
	return r;
}

static void process_defaults(struct spec_process *p)
{
	p->oom_score_adj = INT32_MIN;
	p->user.umask = SPEC_UNSET;
}

int spec_parse(const char *text, size_t len, struct spec **ret, struct err *err)
{
	_cleanup_(spec_freep) struct spec *spec = calloc(1, sizeof(*spec));
	int r;

	if (!spec)
		return err_set(err, -ENOMEM, "out of memory");
	process_defaults(&spec->process);
	r = jdec_parse(text, len, &spec->doc, err);
	if (r == 0)
		r = jdec_object(spec->doc, spec_fields, spec, err);
	if (r == 0)
		r = check(spec, err);
	if (r < 0)
		return r;
	*ret = take_ptr(spec);
	return 0;
}

/* All of a regular file, up to SPEC_SIZE_MAX; @ret owned. */
static int read_file(int fd, char **ret, size_t *ret_len, struct err *err)
{
	_cleanup_free_ char *buf = NULL;
	struct stat st;
	size_t len = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	if (st.st_size > SPEC_SIZE_MAX)
		return err_set(err, -EFBIG, "larger than %u MiB",
			       SPEC_SIZE_MAX >> 20);
	buf = malloc((size_t)st.st_size +
		     65536); /* it may grow, or be a pipe */
	if (!buf)
		return err_set(err, -ENOMEM, "out of memory");
	while ((n = read(fd, buf + len, (size_t)st.st_size + 65535 - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	*ret = take_ptr(buf);
	*ret_len = len;
	return 0;
}

int spec_load(int dirfd, const char *name, struct spec **ret, struct err *err)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = read_file(fd, &text, &len, err);

	if (r == 0)
		r = spec_parse(text, len, ret, err);
	return r < 0 ? err_wrap(err, r, "%s", name) : 0;
}

int spec_process_load(const char *path, json_object **ret_doc,
		      struct spec_process *ret, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(json_putp) json_object *doc = NULL;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = read_file(fd, &text, &len, err);

	process_defaults(ret);
	if (r == 0)
		r = jdec_parse(text, len, &doc, err);
	if (r == 0)
		r = jdec_object(doc, process_fields, ret, err);
	if (r == 0)
		r = spec_process_check(ret, err);
	if (r < 0)
		return err_wrap(err, r, "%s", path);
	*ret_doc = take_ptr(doc);
	return 0;
}

void spec_process_fini(struct spec_process *p)
{
	jdec_free(process_fields, p);
}

void spec_free(struct spec *spec)
{
	if (!spec)
		return;
	jdec_free(spec_fields, spec);
	json_object_put(spec->doc);
	free(spec);
}
