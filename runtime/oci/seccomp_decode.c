/* SPDX-License-Identifier: GPL-2.0-or-later */
/* linux.seccomp to a profile.  The only file of seccomp with its JSON keys. */
#include <ctype.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>

#include "runtime/oci/seccomp_priv.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

struct name {
	const char *name;
	uint32_t value;
};

static const struct name actions[] = {
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) },
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
	{ "SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY },
	{ NULL, 0 },
};
static const struct name operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
	{ NULL, 0 },
};
/* One thread loads the filter, so there is none to bring in step: TSYNC is
 * taken, and has nothing to do. */
static const struct name flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", 0 },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
	  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
	{ NULL, 0 },
};

const char *const sec_action_names[] = {
	"SCMP_ACT_KILL",        "SCMP_ACT_KILL_PROCESS",
	"SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
	"SCMP_ACT_ERRNO",       "SCMP_ACT_TRACE",
	"SCMP_ACT_ALLOW",       "SCMP_ACT_LOG",
	"SCMP_ACT_NOTIFY",      NULL
};
const char *const sec_operator_names[] = { "SCMP_CMP_NE",        "SCMP_CMP_LT",
					   "SCMP_CMP_LE",        "SCMP_CMP_EQ",
					   "SCMP_CMP_GE",        "SCMP_CMP_GT",
					   "SCMP_CMP_MASKED_EQ", NULL };
const char *const sec_arch_names[] = {
	"SCMP_ARCH_X86",         "SCMP_ARCH_X86_64",
	"SCMP_ARCH_X32",         "SCMP_ARCH_ARM",
	"SCMP_ARCH_AARCH64",     "SCMP_ARCH_MIPS",
	"SCMP_ARCH_MIPS64",      "SCMP_ARCH_MIPS64N32",
	"SCMP_ARCH_MIPSEL",      "SCMP_ARCH_MIPSEL64",
	"SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC",
	"SCMP_ARCH_PARISC64",    "SCMP_ARCH_PPC",
	"SCMP_ARCH_PPC64",       "SCMP_ARCH_PPC64LE",
	"SCMP_ARCH_RISCV64",     "SCMP_ARCH_S390",
	"SCMP_ARCH_S390X",       NULL
};
const char *const sec_flag_names[] = { "SECCOMP_FILTER_FLAG_TSYNC",
				       "SECCOMP_FILTER_FLAG_LOG",
				       "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
				       "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
				       NULL };

static const struct name *find(const struct name *table, const char *name)
{
	for (; table->name; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

/* @errno_ret: -1: left out, then EPERM as by runc. */
static int to_action(const char *name, int64_t errno_ret, uint32_t *ret,
		     struct err *err)
{
	const struct name *a = find(actions, name);
	uint32_t n = errno_ret < 0 ? EPERM : (uint32_t)errno_ret;

	if (!a)
		return err_set(err, -EINVAL, "action \"%s\": there is none",
			       name);
	if (errno_ret > 0xffff)
		return err_set(err, -EINVAL, "errnoRet: %lld is above 65535",
			       (long long)errno_ret);
	*ret = a->value;
	if (a->value == SCMP_ACT_ERRNO(0))
		*ret = SCMP_ACT_ERRNO(n);
	else if (a->value == SCMP_ACT_TRACE(0))
		*ret = SCMP_ACT_TRACE(n);
	else if (errno_ret >= 0)
		return err_set(err, -EINVAL, "errnoRet: %s returns no errno",
			       name);
	return 0;
}

static int to_arch(const char *name, uint32_t *ret, struct err *err)
{
	char low[32] = "";
	size_t n = 0;

	if (!strncmp(name, "SCMP_ARCH_", 10))
		for (const char *p = name + 10; *p && n < sizeof(low) - 1; p++)
			low[n++] = (char)tolower(*p);
	*ret = *low ? seccomp_arch_resolve_name(low) : 0;
	if (!*ret || !strcmp(name, "SCMP_ARCH_NATIVE"))
		return err_set(err, -EINVAL,
			       "architecture \"%s\": libseccomp knows none",
			       name);
	return 0;
}

struct arg {
	uint32_t index;
	uint64_t value, value_two;
	char op[24];
};
static const struct jdec_field arg_fields[] = {
	JDEC_FIELD("index", JDEC_U32, struct arg, index, 0),
	JDEC_FIELD("value", JDEC_U64, struct arg, value, JDEC_TO_MAX),
	JDEC_FIELD("valueTwo", JDEC_U64, struct arg, value_two, JDEC_TO_MAX),
	JDEC_FIELD("op", JDEC_STR, struct arg, op, JDEC_REQUIRED),
	{ 0 },
};
struct call {
	struct jdec_array names, args;
	const char *action;
	int64_t errno_ret;
};
static const struct jdec_field call_fields[] = {
	JDEC_FIELD("names", JDEC_TEXTS, struct call, names, JDEC_REQUIRED),
	JDEC_FIELD("action", JDEC_TEXT, struct call, action, JDEC_REQUIRED),
	JDEC_FIELD("errnoRet", JDEC_I64, struct call, errno_ret, 0),
	JDEC_FIELD_ARRAY("args", struct call, args, struct arg, arg_fields, 0),
	{ 0 },
};

static int to_args(const struct jdec_array *args, struct sec_rule *rule,
		   struct err *err)
{
	const struct arg *a = args->items;

	if (args->count > SEC_ARGS_MAX)
		return err_set(err, -EINVAL, "args: more than %d conditions",
			       SEC_ARGS_MAX);
	for (size_t i = 0; i < args->count; i++) {
		const struct name *op = find(operators, a[i].op);

		if (!op)
			return err_set(err, -EINVAL,
				       "args[%zu].op: \"%s\": there is none", i,
				       a[i].op);
		if (a[i].index > 5)
			return err_set(err, -EINVAL,
				       "args[%zu].index: not in 0..5", i);
		rule->args[rule->arg_count++] = (struct scmp_arg_cmp){
			.arg = a[i].index,
			.op = (enum scmp_compare)op->value,
			.datum_a = a[i].value,
			.datum_b = a[i].value_two,
		};
	}
	return 0;
}

/* The agent could not be told of anything while its own messages are held. */
static int check_notify(const struct sec_rule *rule, struct err *err)
{
	const char *const *names = rule->names.items;

	for (size_t i = 0; i < rule->names.count; i++)
		if (!strcmp(names[i], "write"))
			return err_set(err, -EINVAL,
				       "SCMP_ACT_NOTIFY can't be had for "
				       "write: the runtime itself writes");
	return 0;
}

static int dec_rule(json_object *obj, struct sec_profile *p,
		    struct sec_rule *rule, struct err *err)
{
	struct call call = { .errno_ret = -1 };
	int r = jdec_object(obj, call_fields, &call, err);

	if (r == 0)
		r = to_action(call.action, call.errno_ret, &rule->action, err);
	if (r == 0)
		r = to_args(&call.args, rule, err);
	rule->names = call.names;
	call.names = (struct jdec_array){ 0 };
	jdec_free(call_fields, &call);
	if (r == 0 && rule->action == SCMP_ACT_NOTIFY) {
		p->notifies = true;
		r = check_notify(rule, err);
	}
	return r;
}

struct head {
	const char *action, *listener_path, *listener_metadata;
	int64_t errno_ret;
	struct jdec_array archs, flags;
};
static const struct jdec_field head_fields[] = {
	JDEC_FIELD("defaultAction", JDEC_TEXT, struct head, action,
		   JDEC_REQUIRED),
	JDEC_FIELD("defaultErrnoRet", JDEC_I64, struct head, errno_ret, 0),
	JDEC_FIELD("architectures", JDEC_TEXTS, struct head, archs, 0),
	JDEC_FIELD("flags", JDEC_TEXTS, struct head, flags, 0),
	JDEC_FIELD("listenerPath", JDEC_TEXT, struct head, listener_path, 0),
	JDEC_FIELD("listenerMetadata", JDEC_TEXT, struct head,
		   listener_metadata, 0),
	{ 0 },
};

static int take_head(const struct head *head, struct sec_profile *p,
		     struct err *err)
{
	const char *const *archs = head->archs.items;
	const char *const *words = head->flags.items;
	int r = to_action(head->action, head->errno_ret, &p->action, err);

	if (r == 0 && p->action == SCMP_ACT_NOTIFY)
		r = err_set(err, -EINVAL,
			    "SCMP_ACT_NOTIFY can't be the default action");
	if (r == 0 && head->archs.count > SEC_ARCHS_MAX)
		r = err_set(err, -EINVAL, "architectures: more than %d",
			    SEC_ARCHS_MAX);
	for (size_t i = 0; i < head->archs.count && r == 0; i++)
		r = to_arch(archs[i], &p->archs[p->arch_count++], err);
	for (size_t i = 0; i < head->flags.count && r == 0; i++) {
		const struct name *flag = find(flags, words[i]);

		if (flag)
			p->flags |= flag->value;
		else
			r = err_set(err, -EINVAL, "flags: there is no \"%s\"",
				    words[i]);
	}
	p->listener_path = head->listener_path;
	p->listener_metadata = head->listener_metadata;
	return r;
}

static int dec_head(json_object *obj, struct sec_profile *p, struct err *err)
{
	struct head head = { .errno_ret = -1 };
	int r = jdec_object(obj, head_fields, &head, err);

	if (r == 0)
		r = take_head(&head, p, err);
	jdec_free(head_fields, &head);
	return r;
}

static int dec_rules(json_object *obj, struct sec_profile *p, struct err *err)
{
	json_object *list = NULL;
	size_t n;

	if (!json_object_object_get_ex(obj, "syscalls", &list) || !list)
		return 0;
	if (!json_object_is_type(list, json_type_array))
		return err_set(err, -EBADMSG, "syscalls: not an array");
	n = json_object_array_length(list);
	p->rules = calloc(n ? n : 1, sizeof(*p->rules));
	if (!p->rules)
		return err_set(err, -ENOMEM, "syscalls: out of memory");
	for (size_t i = 0; i < n; i++) {
		int r = dec_rule(json_object_array_get_idx(list, i), p,
				 &p->rules[p->count++], err);

		if (r < 0)
			return err_wrap(err, r, "syscalls[%zu]", i);
	}
	return 0;
}

void sec_profile_free(struct sec_profile *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->count; i++)
		free(p->rules[i].names.items);
	free(p->rules);
	json_object_put(p->body);
	free(p);
}

int sec_decode(json_object *obj, struct sec_profile **ret, struct err *err)
{
	_cleanup_(sec_profile_freep) struct sec_profile *p =
		calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(err, -ENOMEM, "seccomp: out of memory");
	p->body = json_object_get(obj);
	r = dec_head(obj, p, err);
	if (r == 0)
		r = dec_rules(obj, p, err);
	if (r == 0 && p->notifies && (!p->listener_path || !*p->listener_path))
		r = err_set(err, -EINVAL,
			    "SCMP_ACT_NOTIFY without listenerPath");
	if (r < 0)
		return err_wrap(err, r, "linux.seccomp");
	*ret = take_ptr(p);
	return 0;
}

const char *sec_listener_path(const struct sec_profile *profile)
{
	return profile->notifies ? profile->listener_path : NULL;
}

const char *sec_listener_metadata(const struct sec_profile *profile)
{
	return profile->listener_metadata ? profile->listener_metadata : "";
}
