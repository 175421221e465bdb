/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spec.h - config.json of the OCI runtime spec as structs, decoded once.
 *
 * Every text is borrowed from the document inside struct spec and lives as long.
 * Unknown fields are ignored, as the spec says; a field of the wrong type, and
 * one that asks for what berth-oci cannot do, is refused by its path.
 */
#ifndef RUNTIME_OCI_SPEC_H
#define RUNTIME_OCI_SPEC_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/err.h"
#include "lib/jdec.h"

#define SPEC_SIZE_MAX   (16u << 20) /* bytes of config.json */
#define SPEC_MOUNTS_MAX 4096
#define SPEC_UNSET      UINT32_MAX /* umask, where none is given */

/* The i-th text of an array of texts, the i-th element of an array. */
#define SPEC_TEXT(arr, i)       (((const char *const *)(arr).items)[i])
#define SPEC_ELEM(type, arr, i) (&((const type *)(arr).items)[i])

struct spec_user {
	uint32_t uid, gid, umask; /* umask: SPEC_UNSET */
	struct jdec_array groups; /* uint32_t */
};

struct spec_caps {
	struct jdec_array bounding, effective, inheritable, permitted, ambient;
};

struct spec_rlimit {
	const char *type; /* RLIMIT_NOFILE */
	uint64_t soft, hard;
};

struct spec_process {
	bool terminal, no_new_privs;
	uint16_t rows, cols; /* 0: not given */
	struct spec_user user;
	struct jdec_array args, env; /* texts */
	const char *cwd;
	struct spec_caps caps;
	struct jdec_array rlimits; /* struct spec_rlimit */
	int32_t oom_score_adj;     /* INT32_MIN: not given */
	const char *apparmor, *selinux;
	json_object *io_priority, *scheduler, *affinity;
};

struct spec_mount {
	const char *destination, *type, *source;
	struct jdec_array options, uid_map, gid_map;
};

struct spec_hook {
	const char *path;
	struct jdec_array args, env;
	uint32_t timeout_s; /* 0: none */
};

enum spec_point {
	SPEC_PRESTART,
	SPEC_CREATE_RUNTIME,
	SPEC_CREATE_CONTAINER,
	SPEC_START_CONTAINER,
	SPEC_POSTSTART,
	SPEC_POSTSTOP,
	SPEC_POINT_MAX,
};

struct spec_ns {
	const char *type, *path;
	int flag; /* CLONE_NEW* */
};

struct spec_map {
	uint32_t container_id, host_id, size;
};

struct spec_device {
	const char *type, *path;
	int64_t major, minor;
	uint32_t mode, uid, gid; /* mode 0: 0666 */
};

struct spec_linux {
	struct jdec_array namespaces; /* struct spec_ns */
	struct jdec_array uid_map, gid_map, devices;
	struct jdec_array masked, readonly; /* texts */
	json_object *sysctl, *resources, *seccomp;
	json_object *rdt, *personality, *time_offsets;
	const char *cgroups_path, *propagation, *mount_label;
};

struct spec {
	json_object *doc; /* owned */
	const char *version, *hostname, *domainname;
	const char *root_path;
	bool root_readonly;
	struct spec_process process;
	struct jdec_array mounts;
	struct jdec_array hooks[SPEC_POINT_MAX]; /* struct spec_hook */
	json_object *annotations;
	struct spec_linux linux_;
};

/*
 * spec_parse() - config.json's text to a checked spec.
 *
 * @ret: owned, spec_free(); untouched on failure.
 *
 * Return: 0; -EBADMSG for a wrong type or a missing field; -EINVAL for a value
 *         that cannot be; -EOPNOTSUPP for what berth-oci does not do.
 */
int spec_parse(const char *text, size_t len, struct spec **ret,
	       struct err *err);
/* spec_load() - the same from file @name of directory @dirfd. */
int spec_load(int dirfd, const char *name, struct spec **ret, struct err *err);
void spec_free(struct spec *spec); /* NULL: nothing */
DEFINE_CLEANUP(struct spec, spec_free)

/*
 * spec_process_load() - what 'exec --process FILE' takes.
 *
 * @ret_doc: owned; the texts of @ret lie in it.
 * @ret:     zeroed by the caller; spec_process_fini() whatever is returned.
 */
int spec_process_load(const char *path, json_object **ret_doc,
		      struct spec_process *ret, struct err *err);
int spec_process_check(const struct spec_process *p, struct err *err);
void spec_process_fini(struct spec_process *p);

/* spec_ns_find() - the namespace of @flag, NULL where it is not named. */
const struct spec_ns *spec_ns_find(const struct spec *spec, int flag);
/* spec_ns_new() - the CLONE_NEW* of those to be made. */
int spec_ns_new(const struct spec *spec);

#endif
