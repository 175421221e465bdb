// SPDX-License-Identifier: GPL-2.0-or-later
/* The parts of a config.json, each by a function. */
#include "netctl/box/config.h"

#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/box/caps.h"
#include "netctl/box/seccomp.h"
#include "netctl/jget.h"

#define CPU_PERIOD_US 100000
#define PATH_DEFAULT \
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static void add_text(json_object *list, const char *text)
{
	json_object_array_add(list, json_object_new_string(text));
}

/* @texts: ended by NULL; owned. */
static json_object *list_of(const char *const *texts)
{
	json_object *list = json_object_new_array();

	for (; *texts; texts++)
		add_text(list, *texts);
	return list;
}

/* ---- the process ----------------------------------------------------------- */

static bool has_env(json_object *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < jget_len(env); i++) {
		const char *e = json_object_get_string(
			json_object_array_get_idx(env, i));

		if (strncmp(e, name, len) == 0 && e[len] == '=')
			return true;
	}
	return false;
}

static json_object *environment(json_object *rec, const char *hostname)
{
	json_object *given = jget_array(rec, "Env");
	json_object *env = json_object_new_array();
	_cleanup_free_ char *host = NULL;

	if (!has_env(given, "PATH"))
		add_text(env, PATH_DEFAULT);
	if (!has_env(given, "HOSTNAME") &&
	    asprintf(&host, "HOSTNAME=%s", hostname) >= 0)
		add_text(env, host);
	if (jget_bool(rec, "Tty") && !has_env(given, "TERM"))
		add_text(env, "TERM=xterm");
	for (size_t i = 0; i < jget_len(given); i++)
		json_object_array_add(
			env,
			json_object_get(json_object_array_get_idx(given, i)));
	return env;
}

static json_object *user_of(const struct box_user *u)
{
	json_object *o = json_object_new_object();
	json_object *groups = json_object_new_array();

	for (size_t i = 0; i < u->group_count; i++)
		json_object_array_add(groups,
				      json_object_new_int64(u->groups[i]));
	jset(o, "uid", json_object_new_int64(u->uid));
	jset(o, "gid", json_object_new_int64(u->gid));
	jset(o, "additionalGids", groups);
	return o;
}

/* Another user than root has them in the bounding set only: for setuid programs. */
static int capabilities(json_object *rec, bool is_root, json_object **ret,
			struct err *err)
{
	_cleanup_(json_putp) json_object *all = NULL;
	json_object *o;
	int r = box_caps(jget_array(rec, "CapAdd"), jget_array(rec, "CapDrop"),
			 &all, err);

	if (r < 0)
		return r;
	o = json_object_new_object();
	jset(o, "bounding", json_object_get(all));
	if (is_root) {
		jset(o, "effective", json_object_get(all));
		jset(o, "permitted", json_object_get(all));
	}
	*ret = o;
	return 0;
}

static int process(json_object *rec, const struct box_place *place,
		   json_object **ret, struct err *err)
{
	json_object *o = json_object_new_object(), *caps = NULL;
	int r = capabilities(rec, place->user.uid == 0, &caps, err);

	*ret = o;
	jset(o, "terminal", json_object_new_boolean(jget_bool(rec, "Tty")));
	jset(o, "user", user_of(&place->user));
	jset(o, "args", json_object_get(jget_array(rec, "Args")));
	jset(o, "env", environment(rec, place->hostname));
	jset_str(o, "cwd", jget_str(rec, "Cwd"));
	jset(o, "capabilities", caps);
	jset(o, "noNewPrivileges",
	     json_object_new_boolean(jget_bool(rec, "NoNewPrivileges")));
	return r;
}

/* ---- mounts ------------------------------------------------------------------ */

static void add_mount(json_object *list, const char *target, const char *type,
		      const char *source, const char *const *options)
{
	json_object *m = json_object_new_object();

	jset_str(m, "destination", target);
	jset_str(m, "type", type);
	jset_str(m, "source", source);
	jset(m, "options", list_of(options));
	json_object_array_add(list, m);
}

#define OPTIONS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void add_system(json_object *list)
{
	add_mount(list, "/proc", "proc", "proc",
		  OPTIONS("nosuid", "noexec", "nodev"));
	add_mount(list, "/dev", "tmpfs", "tmpfs",
		  OPTIONS("nosuid", "strictatime", "mode=755", "size=65536k"));
	add_mount(list, "/dev/pts", "devpts", "devpts",
		  OPTIONS("nosuid", "noexec", "newinstance", "ptmxmode=0666",
			  "mode=0620", "gid=5"));
	add_mount(list, "/sys", "sysfs", "sysfs",
		  OPTIONS("nosuid", "noexec", "nodev", "ro"));
	add_mount(list, "/sys/fs/cgroup", "cgroup", "cgroup",
		  OPTIONS("ro", "nosuid", "noexec", "nodev"));
	add_mount(list, "/dev/mqueue", "mqueue", "mqueue",
		  OPTIONS("nosuid", "noexec", "nodev"));
	add_mount(list, "/dev/shm", "tmpfs", "shm",
		  OPTIONS("nosuid", "noexec", "nodev", "mode=1777",
			  "size=65536k"));
}

/* noexec, nosuid and nodev are Docker's, and what is given is added to them. */
static void add_tmpfs(json_object *list, json_object *m)
{
	_cleanup_free_ char *given = strdup(jget_str(m, "Options"));
	json_object *o = json_object_new_object();
	json_object *options = list_of(OPTIONS("noexec", "nosuid", "nodev"));
	char *save = NULL;

	for (char *w = given ? strtok_r(given, ",", &save) : NULL; w;
	     w = strtok_r(NULL, ",", &save))
		add_text(options, w);
	jset_str(o, "destination", jget_str(m, "Target"));
	jset_str(o, "type", "tmpfs");
	jset_str(o, "source", "tmpfs");
	jset(o, "options", options);
	json_object_array_add(list, o);
}

static void add_given(json_object *list, json_object *m)
{
	bool alone = jget_bool(m, "NonRecursive");
	const char *propagation = jget_str(m, "Propagation");
	const char *options[4] = { alone ? "bind" : "rbind",
				   *propagation ? propagation : "rprivate" };

	if (strcmp(jget_str(m, "Type"), "tmpfs") == 0) {
		add_tmpfs(list, m);
		return;
	}
	if (jget_bool(m, "ReadOnly"))
		options[2] =
			alone || jget_bool(m, "WritableBelow") ? "ro" : "rro";
	add_mount(list, jget_str(m, "Target"), "bind",
		  *jget_str(m, "Bound") ? jget_str(m, "Bound")
					: jget_str(m, "Source"),
		  options);
}

static bool is_given(json_object *mounts, const char *target)
{
	for (size_t i = 0; i < jget_len(mounts); i++)
		if (strcmp(jget_str(json_object_array_get_idx(mounts, i),
				    "Target"),
			   target) == 0)
			return true;
	return false;
}

/* Each after those it lies in. */
static int by_target(const void *a, const void *b)
{
	json_object *const *x = a, *const *y = b;

	return strcmp(jget_str(*x, "Target"), jget_str(*y, "Target"));
}

/* Our own files, where no other one was given. */
static void add_files(json_object *list, json_object *given,
		      const struct box_place *place, bool readonly)
{
	static const char *const files[] = { "resolv.conf", "hostname",
					     "hosts" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *from = NULL, *to = NULL;

		if (asprintf(&from, "%s/%s", place->dir, files[i]) < 0 ||
		    asprintf(&to, "/etc/%s", files[i]) < 0)
			continue;
		if (!is_given(given, to))
			add_mount(list, to, "bind", from,
				  readonly ? OPTIONS("rbind", "rprivate", "ro")
					   : OPTIONS("rbind", "rprivate"));
	}
}

static json_object *mounts(json_object *rec, const struct box_place *place)
{
	json_object *list = json_object_new_array();
	json_object *given = jget_array(rec, "Mounts");
	bool added = false;

	add_system(list);
	if (given)
		json_object_array_sort(given, by_target);
	for (size_t i = 0; i < jget_len(given); i++) {
		json_object *m = json_object_array_get_idx(given, i);

		/* in what was given for /etc, not below it */
		if (!added && strcmp(jget_str(m, "Target"), "/etc") > 0) {
			add_files(list, given, place,
				  jget_bool(rec, "ReadOnly"));
			added = true;
		}
		add_given(list, m);
	}
	if (!added)
		add_files(list, given, place, jget_bool(rec, "ReadOnly"));
	return list;
}

/* ---- linux -------------------------------------------------------------------- */

static json_object *namespaces(const char *netns)
{
	static const char *const types[] = { "mount", "uts", "ipc", "pid",
					     "cgroup" };
	json_object *list = json_object_new_array(), *ns;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		ns = json_object_new_object();
		jset_str(ns, "type", types[i]);
		json_object_array_add(list, ns);
	}
	if (netns && !*netns)
		return list;
	ns = json_object_new_object();
	jset_str(ns, "type", "network");
	if (netns)
		jset_str(ns, "path", netns);
	json_object_array_add(list, ns);
	return list;
}

static void add_device(json_object *list, bool allow, const char *type,
		       int major, int minor, const char *access)
{
	json_object *o = json_object_new_object();

	jset(o, "allow", json_object_new_boolean(allow));
	if (type)
		jset_str(o, "type", type);
	if (major >= 0)
		jset(o, "major", json_object_new_int(major));
	if (minor >= 0)
		jset(o, "minor", json_object_new_int(minor));
	jset_str(o, "access", access);
	json_object_array_add(list, o);
}

static json_object *resources(json_object *rec)
{
	/* zero, null, urandom, random, tty, console */
	static const int chars[][2] = { { 1, 5 }, { 1, 3 }, { 1, 9 },
					{ 1, 8 }, { 5, 0 }, { 5, 1 } };
	json_object *o = json_object_new_object();
	json_object *devices = json_object_new_array(), *part;
	int64_t memory = jget_int(rec, "Memory");
	int64_t cpus = jget_int(rec, "NanoCpus");
	int64_t pids = jget_int(rec, "PidsLimit");

	add_device(devices, false, NULL, -1, -1, "rwm");
	for (size_t i = 0; i < ARRAY_SIZE(chars); i++)
		add_device(devices, true, "c", chars[i][0], chars[i][1], "rwm");
	jset(o, "devices", devices);
	if (memory) {
		part = json_object_new_object();
		jset(part, "limit", json_object_new_int64(memory));
		jset(o, "memory", part);
	}
	if (cpus) {
		part = json_object_new_object();
		jset(part, "period", json_object_new_int64(CPU_PERIOD_US));
		jset(part, "quota",
		     json_object_new_int64(cpus /
					   (1000000000 / CPU_PERIOD_US)));
		jset(o, "cpu", part);
	}
	if (pids) {
		part = json_object_new_object();
		jset(part, "limit", json_object_new_int64(pids));
		jset(o, "pids", part);
	}
	return o;
}

static json_object *linux_part(json_object *rec, const struct box_place *place)
{
	static const char *const masked[] = {
		"/proc/asound",
		"/proc/acpi",
		"/proc/kcore",
		"/proc/keys",
		"/proc/latency_stats",
		"/proc/timer_list",
		"/proc/timer_stats",
		"/proc/sched_debug",
		"/proc/scsi",
		"/sys/firmware",
		"/sys/devices/virtual/powercap",
		NULL,
	};
	static const char *const readonly[] = {
		"/proc/bus",           "/proc/fs", "/proc/irq", "/proc/sys",
		"/proc/sysrq-trigger", NULL,
	};
	json_object *o = json_object_new_object();

	jset_str(o, "cgroupsPath", place->cgroup);
	jset(o, "namespaces", namespaces(place->netns));
	jset(o, "resources", resources(rec));
	jset(o, "maskedPaths", list_of(masked));
	jset(o, "readonlyPaths", list_of(readonly));
	return o;
}

int box_config(json_object *rec, const struct box_place *place,
	       json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	json_object *root = json_object_new_object(), *proc = NULL;
	json_object *caps = NULL, *filter = NULL;
	int r;

	if (!o || !root) {
		json_object_put(root);
		return err_set(err, -ENOMEM, "out of memory");
	}
	jset_str(root, "path", jget_str(rec, "Root"));
	jset(root, "readonly",
	     json_object_new_boolean(jget_bool(rec, "ReadOnly")));
	jset_str(o, "ociVersion", "1.0.2");
	jset(o, "root", root);
	r = process(rec, place, &proc, err);
	jset(o, "process", proc);
	if (r < 0)
		return r;
	jset_str(o, "hostname", place->hostname);
	jset(o, "mounts", mounts(rec, place));
	jset(o, "linux", linux_part(rec, place));
	json_object_object_get_ex(proc, "capabilities", &caps);
	r = box_seccomp(rec, jget_array(caps, "bounding"), &filter, err);
	if (r < 0)
		return r;
	if (filter)
		jset(json_object_object_get(o, "linux"), "seccomp", filter);
	*ret = take_ptr(o);
	return 0;
}
