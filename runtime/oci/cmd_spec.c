/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this program can do: a config.json to begin with, and 'features'. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "runtime/oci/caps.h"
#include "runtime/oci/mount_opts.h"
#include "runtime/oci/oci.h"
#include "runtime/oci/seccomp.h"

#define PRETTY (JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE)

#define CAPS   "[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]"
#define MOUNT(at, type, source, options)               \
	"{\"destination\":\"" at "\",\"type\":\"" type \
	"\",\"source\":\"" source "\",\"options\":[" options "]}"

/* What 'runc spec' gives, which is what its users expect of theirs. */
static const char template
	[] =
		"{\"ociVersion\":\"" OCI_VERSION
		"\",\"process\":{\"terminal\":true,"
		"\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],\"env\":["
		"\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/"
		"sbin:/bin\","
		"\"TERM=xterm\"],\"cwd\":\"/"
		"\",\"capabilities\":{\"bounding\":" CAPS ",\"effective\":" CAPS
		",\"permitted\":" CAPS "},\"rlimits\":[{"
		"\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}],"
		"\"noNewPrivileges\":true},\"root\":{\"path\":\"rootfs\","
		"\"readonly\":true},\"hostname\":\"berth\",\"mounts\":[" MOUNT("/proc", "proc", "proc", "") "," MOUNT(
			"/dev", "tmpfs", "tmpfs",
			"\"nosuid\",\"strictatime\",\"mode=755\",\"size="
			"65536k\"") "," MOUNT("/dev/pts", "devpts", "devpts",
					      "\"nosuid\",\"noexec\","
					      "\"newinstance\","
					      "\"ptmxmode=0666\",\"mode="
					      "0620\",\"gid=5\"") "," MOUNT("/d"
									    "ev"
									    "/s"
									    "h"
									    "m",
									    "tm"
									    "pf"
									    "s",
									    "sh"
									    "m",
									    "\""
									    "no"
									    "su"
									    "id"
									    "\""
									    ","
									    "\""
									    "no"
									    "ex"
									    "ec"
									    "\""
									    ","
									    "\""
									    "no"
									    "de"
									    "v"
									    "\""
									    ","
									    "\""
									    "mo"
									    "de"
									    "=1"
									    "77"
									    "7"
									    "\""
									    ","
									    "\""
									    "si"
									    "ze"
									    "=6"
									    "55"
									    "36"
									    "k"
									    "\"") "," MOUNT("/dev/mqueue",
											    "mqueue",
											    "mqueue", "\"nosuid\",\"noexec\",\"nodev\"") "," MOUNT("/sys", "sysfs", "sysfs", "\"nosuid\",\"noexec\",\"nodev\",\"ro\"") "," MOUNT("/sys/fs/cgroup", "cgroup", "cgroup", "\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"") "],\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,"
																																							      "\"access\":\"rwm\"}]},\"namespaces\":[{\"type\":\"pid\"},"
																																							      "{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
																																							      "{\"type\":\"mount\"},{\"type\":\"cgroup\"}],\"maskedPaths\":["
																																							      "\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\","
																																							      "\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/timer_stats\","
																																							      "\"/proc/sched_debug\",\"/sys/firmware\",\"/proc/scsi\"],"
																																							      "\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\","
																																							      "\"/proc/sys\",\"/proc/sysrq-trigger\"]}}";

int cmd_spec(struct oci *oci, int argc, char **argv, struct err *err)
{
	static const struct option options[] = {
		{ "bundle", required_argument, NULL, 'b' },
		{ 0 },
	};
	_cleanup_(json_putp) json_object *doc = NULL;
	_cleanup_close_ int dir = -EBADF;
	_cleanup_close_ int fd = -EBADF;
	const char *bundle = ".";
	int c, r;

	(void)oci;
	while ((c = oci_option(argc, argv, "+:b:", options, err)) > 0)
		bundle = optarg;
	if (c < 0)
		return c;
	if (optind < argc)
		return err_set(err, -EINVAL, "spec takes no operand");
	r = jdec_parse(template, strlen(template), &doc, err);
	if (r < 0)
		return r;
	dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0644);
	if (fd < 0)
		return err_set(err, -errno, "%s/config.json: %s", bundle,
			       strerror(errno));
	if (dprintf(fd, "%s\n", json_object_to_json_string_ext(doc, PRETTY)) <
	    0)
		return err_set(err, -errno, "%s/config.json: %s", bundle,
			       strerror(errno));
	return 0;
}

static void add_text(json_object *list, const char *text)
{
	json_object_array_add(list, json_object_new_string(text));
}

static json_object *texts_of(const char *const *texts)
{
	json_object *list = json_object_new_array();

	for (; *texts; texts++)
		add_text(list, *texts);
	return list;
}

static json_object *cap_names(void)
{
	json_object *list = json_object_new_array();
	const char *name;

	for (unsigned int i = 0; (name = caps_name(i)); i++)
		add_text(list, name);
	return list;
}

static json_object *mount_names(void)
{
	json_object *list = json_object_new_array();
	const char *name;

	for (size_t i = 0; (name = mount_opts_name(i)); i++)
		add_text(list, name);
	return list;
}

static json_object *seccomp_features(void)
{
	json_object *obj = json_object_new_object();

	json_object_object_add(obj, "enabled", json_object_new_boolean(1));
	json_object_object_add(obj, "actions", texts_of(sec_action_names));
	json_object_object_add(obj, "operators", texts_of(sec_operator_names));
	json_object_object_add(obj, "archs", texts_of(sec_arch_names));
	json_object_object_add(obj, "knownFlags", texts_of(sec_flag_names));
	return obj;
}

static json_object *enabled(bool yes)
{
	json_object *obj = json_object_new_object();

	json_object_object_add(obj, "enabled", json_object_new_boolean(yes));
	return obj;
}

static json_object *cgroup_features(void)
{
	json_object *obj = json_object_new_object();

	json_object_object_add(obj, "v1", json_object_new_boolean(1));
	json_object_object_add(obj, "v2", json_object_new_boolean(1));
	json_object_object_add(obj, "systemd", json_object_new_boolean(0));
	json_object_object_add(obj, "systemdUser", json_object_new_boolean(0));
	return obj;
}

int cmd_features(struct oci *oci, int argc, char **argv, struct err *err)
{
	static const char *const hooks[] = { "prestart",
					     "createRuntime",
					     "createContainer",
					     "startContainer",
					     "poststart",
					     "poststop",
					     NULL };
	static const char *const spaces[] = { "cgroup",  "ipc", "mount",
					      "network", "pid", "user",
					      "uts",     NULL };
	static const struct option none[] = { { 0 } };
	_cleanup_(json_putp) json_object *top = json_object_new_object();
	json_object *l = json_object_new_object();
	int r = oci_option(argc, argv, "+:", none, err);

	(void)oci;
	json_object_object_add(top, "ociVersionMin",
			       json_object_new_string("1.0.0"));
	json_object_object_add(top, "ociVersionMax",
			       json_object_new_string(OCI_VERSION));
	json_object_object_add(top, "hooks", texts_of(hooks));
	json_object_object_add(top, "mountOptions", mount_names());
	json_object_object_add(top, "linux", l);
	json_object_object_add(l, "namespaces", texts_of(spaces));
	json_object_object_add(l, "capabilities", cap_names());
	json_object_object_add(l, "cgroup", cgroup_features());
	json_object_object_add(l, "seccomp", seccomp_features());
	json_object_object_add(l, "apparmor", enabled(false));
	json_object_object_add(l, "selinux", enabled(false));
	json_object_object_add(l, "intelRdt", enabled(false));
	if (r < 0)
		return r;
	puts(json_object_to_json_string_ext(top, PRETTY));
	return 0;
}
