// SPDX-License-Identifier: GPL-2.0-or-later
/* A profile, of a table or of a file as Docker has them, as the OCI runtime takes it. */
#include "netctl/box/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/box/seccomp_calls.h"
#include "netctl/jget.h"

#define FILE_MAX   (1 << 20)
#define UNCONFINED "unconfined"
#define ALG        38 /* the kernel's ciphers, by code that few use */
#define VSOCK      40 /* reaches the hypervisor, and other guests of it */
#define PERMANENT  0xffffffffu /* personality: only asks */

/* Of clone's flags: whatever makes a namespace. */
#define CLONE_SPACES                                                   \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* Docker's and Go's word, then the kernel's, and those that it runs as well. */
#if defined(__x86_64__)
#define GOARCH "amd64"
static const char *const arches[] = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
				      "SCMP_ARCH_X32", NULL };
#elif defined(__aarch64__)
#define GOARCH "arm64"
static const char *const arches[] = { "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",
				      NULL };
#else
#define GOARCH ""
static const char *const arches[] = { NULL };
#endif

/* ---- the default ------------------------------------------------------------- */

static bool has(json_object *list, const char *text)
{
	for (size_t i = 0; i < jget_len(list); i++)
		if (strcmp(json_object_get_string(
				   json_object_array_get_idx(list, i)),
			   text) == 0)
			return true;
	return false;
}

static json_object *rule(json_object *rules, json_object *names,
			 const char *action)
{
	json_object *o = json_object_new_object();

	jset(o, "names", names);
	jset_str(o, "action", action);
	json_object_array_add(rules, o);
	return o;
}

static json_object *one(const char *name)
{
	json_object *names = json_object_new_array();

	json_object_array_add(names, json_object_new_string(name));
	return names;
}

/* Allow @name where its first argument is so.  Several rules of a name: any of them. */
static void rule_if(json_object *rules, const char *name, const char *op,
		    uint64_t value, uint64_t second)
{
	json_object *o = rule(rules, one(name), "SCMP_ACT_ALLOW");
	json_object *args = json_object_new_array();
	json_object *arg = json_object_new_object();

	jset(arg, "index", json_object_new_int(0));
	jset(arg, "value", json_object_new_uint64(value));
	jset(arg, "valueTwo", json_object_new_uint64(second));
	jset_str(arg, "op", op);
	json_object_array_add(args, arg);
	jset(o, "args", args);
}

static void add_words(json_object *list, const char *words)
{
	for (size_t len; *words; words += len + (words[len] == ' ')) {
		len = strcspn(words, " ");
		json_object_array_add(
			list, json_object_new_string_len(words, (int)len));
	}
}

static json_object *arch_list(void)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; arches[i]; i++)
		json_object_array_add(list, json_object_new_string(arches[i]));
	return list;
}

static json_object *builtin(json_object *caps)
{
	/* Linux, 32 bits, and each with UNAME26 */
	static const uint32_t personalities[] = { 0, 0x8, 0x20000, 0x20008,
						  PERMANENT };
	json_object *o = json_object_new_object();
	json_object *rules = json_object_new_array();
	json_object *names = json_object_new_array();

	jset_str(o, "defaultAction", "SCMP_ACT_ERRNO");
	jset(o, "defaultErrnoRet", json_object_new_int(EPERM));
	if (arches[0])
		jset(o, "architectures", arch_list());
	for (const struct seccomp_calls *c = seccomp_calls; c->names; c++)
		if (!c->cap || has(caps, c->cap))
			add_words(names, c->names);
	(void)rule(rules, names, "SCMP_ACT_ALLOW");
	for (size_t i = 0; i < ARRAY_SIZE(personalities); i++)
		rule_if(rules, "personality", "SCMP_CMP_EQ", personalities[i],
			0);
	rule_if(rules, "socket", "SCMP_CMP_LT", ALG, 0);
	rule_if(rules, "socket", "SCMP_CMP_EQ", ALG + 1, 0);
	rule_if(rules, "socket", "SCMP_CMP_GT", VSOCK, 0);
	if (!has(caps, "CAP_SYS_ADMIN")) {
		rule_if(rules, "clone", "SCMP_CMP_MASKED_EQ", CLONE_SPACES, 0);
		/* its flags are in memory, where no filter looks: a C library takes
		 * clone then */
		jset(rule(rules, one("clone3"), "SCMP_ACT_ERRNO"), "errnoRet",
		     json_object_new_int(ENOSYS));
	}
	jset(o, "syscalls", rules);
	return o;
}

/* ---- a file's ------------------------------------------------------------------ */

static bool any_cap(json_object *list, json_object *caps)
{
	for (size_t i = 0; i < jget_len(list); i++)
		if (has(caps, json_object_get_string(
				      json_object_array_get_idx(list, i))))
			return true;
	return false;
}

static bool all_caps(json_object *list, json_object *caps)
{
	for (size_t i = 0; i < jget_len(list); i++)
		if (!has(caps, json_object_get_string(
				       json_object_array_get_idx(list, i))))
			return false;
	return true;
}

static bool is_kernel(const char *least)
{
	unsigned int want[2] = { 0, 0 }, is[2] = { 0, 0 };
	struct utsname u;

	if (!*least)
		return true;
	if (uname(&u) < 0 || sscanf(least, "%u.%u", &want[0], &want[1]) != 2 ||
	    sscanf(u.release, "%u.%u", &is[0], &is[1]) != 2)
		return false;
	return is[0] > want[0] || (is[0] == want[0] && is[1] >= want[1]);
}

static json_object *part(json_object *o, const char *key)
{
	json_object *v = NULL;

	json_object_object_get_ex(o, key, &v);
	return v;
}

/* Docker's "includes" and "excludes" are of the container and the machine. */
static bool applies(json_object *r, json_object *caps)
{
	json_object *in = part(r, "includes"), *out = part(r, "excludes");
	json_object *only = jget_array(in, "arches");

	if (jget_len(only) && !has(only, GOARCH))
		return false;
	return all_caps(jget_array(in, "caps"), caps) &&
	       is_kernel(jget_str(in, "minKernel")) &&
	       !has(jget_array(out, "arches"), GOARCH) &&
	       !any_cap(jget_array(out, "caps"), caps);
}

static json_object *of_file(json_object *file, json_object *caps)
{
	static const char *const kept[] = { "defaultAction", "defaultErrnoRet",
					    "architectures", "flags" };
	json_object *o = json_object_new_object();
	json_object *rules = json_object_new_array();
	json_object *from = jget_array(file, "syscalls");

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (part(file, kept[i]))
			jset(o, kept[i], json_object_get(part(file, kept[i])));
	if (jget_len(jget_array(file, "archMap")) && arches[0])
		jset(o, "architectures", arch_list());
	for (size_t i = 0; i < jget_len(from); i++) {
		json_object *r = json_object_array_get_idx(from, i);

		if (applies(r, caps))
			json_object_array_add(rules, json_object_get(r));
	}
	jset(o, "syscalls", rules);
	return o;
}

int box_seccomp(json_object *rec, json_object *caps, json_object **ret,
		struct err *err)
{
	json_object *file = part(rec, "SeccompProfile");

	*ret = NULL;
	if (strcmp(jget_str(rec, "Seccomp"), UNCONFINED) == 0)
		return 0;
	if (file && !*jget_str(file, "defaultAction"))
		return err_set(err, -EINVAL,
			       "--security-opt seccomp=%s: no profile: it has "
			       "no defaultAction",
			       jget_str(rec, "Seccomp"));
	*ret = file ? of_file(file, caps) : builtin(caps);
	return 0;
}

/* ---- what was asked for ------------------------------------------------------ */

static int read_profile(const char *path, json_object **ret, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = malloc(FILE_MAX);
	ssize_t n = fd < 0 || !text ? -1 : read(fd, text, FILE_MAX);
	int r;

	if (n < 0)
		return err_set(err, -errno, "--security-opt seccomp=%s: %s",
			       path, strerror(errno));
	r = n == FILE_MAX
		    ? err_set(err, -EFBIG, "larger than %d bytes", FILE_MAX - 1)
		    : jdec_parse(text, (size_t)n, ret, err);
	return r < 0 ? err_wrap(err, r, "--security-opt seccomp=%s", path) : 0;
}

static int ask_seccomp(json_object *rec, const char *value, struct err *err)
{
	json_object *profile = NULL;
	int r = 0;

	jset_str(rec, "Seccomp", value);
	if (strcmp(value, UNCONFINED) == 0 || strcmp(value, "builtin") == 0)
		return 0;
	r = read_profile(value, &profile, err);
	if (r == 0)
		jset(rec, "SeccompProfile", profile);
	return r;
}

int box_seccomp_ask(const struct ctl *ctl, json_object *rec, struct err *err)
{
	const struct cli_list *list = &ctl->box.security;
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->n; i++) {
		const char *text = list->v[i];
		size_t len = strcspn(text, "=:"); /* Docker takes both */
		const char *value = text[len] ? text + len + 1 : "";

		if (len == 7 && strncmp(text, "seccomp", len) == 0 && *value)
			r = ask_seccomp(rec, value, err);
		else if (len == 17 &&
			 strncmp(text, "no-new-privileges", len) == 0 &&
			 (!text[len] || strcmp(value, "true") == 0 ||
			  strcmp(value, "false") == 0))
			jset(rec, "NoNewPrivileges",
			     json_object_new_boolean(strcmp(value, "false") !=
						     0));
		else
			r = err_set(err, -EINVAL,
				    "--security-opt \"%s\": there are "
				    "seccomp=unconfined, seccomp=builtin, "
				    "seccomp=FILE and no-new-privileges",
				    text);
	}
	return r;
}
