/* SPDX-License-Identifier: GPL-2.0-or-later */
/* linux.resources to structs.  The only file of cgroup with its JSON keys. */
#include <errno.h>
#include <string.h>

#include "runtime/oci/cgroup_priv.h"

#define NUM(key, member) \
	JDEC_FIELD(key, JDEC_I64, struct cgroup_resources, member, 0)

static const struct jdec_field cpu_fields[] = {
	NUM("shares", cpu.shares),
	NUM("quota", cpu.quota),
	NUM("period", cpu.period),
	NUM("burst", cpu.burst),
	NUM("idle", cpu.idle),
	NUM("realtimeRuntime", cpu.rt_runtime),
	NUM("realtimePeriod", cpu.rt_period),
	JDEC_FIELD("cpus", JDEC_TEXT, struct cgroup_resources, cpu.cpus, 0),
	JDEC_FIELD("mems", JDEC_TEXT, struct cgroup_resources, cpu.mems, 0),
	{ 0 },
};
static const struct jdec_field memory_fields[] = {
	NUM("limit", memory.limit),
	NUM("reservation", memory.reservation),
	NUM("swap", memory.swap),
	NUM("kernel", memory.kernel),
	NUM("kernelTCP", memory.kernel_tcp),
	NUM("swappiness", memory.swappiness),
	JDEC_FIELD("disableOOMKiller", JDEC_BOOL, struct cgroup_resources,
		   memory.oom_kill_disable, 0),
	JDEC_FIELD("useHierarchy", JDEC_BOOL, struct cgroup_resources,
		   memory.use_hierarchy, 0),
	JDEC_FIELD("checkBeforeUpdate", JDEC_BOOL, struct cgroup_resources,
		   memory.check_before_update, 0),
	{ 0 },
};
static const struct jdec_field pids_fields[] = {
	NUM("limit", pids.limit),
	{ 0 },
};
static const struct jdec_field io_fields[] = {
	NUM("weight", io.weight),
	NUM("leafWeight", io.leaf_weight),
	{ 0 },
};
static const struct jdec_field priority_fields[] = {
	JDEC_FIELD("name", JDEC_STR, struct cg_priority, name, JDEC_REQUIRED),
	JDEC_FIELD("priority", JDEC_U32, struct cg_priority, priority, 0),
	{ 0 },
};
static const struct jdec_field net_fields[] = {
	NUM("classID", net.class_id),
	JDEC_FIELD_ARRAY("priorities", struct cgroup_resources, net.priorities,
			 struct cg_priority, priority_fields, 0),
	{ 0 },
};
static const struct jdec_field hugepage_fields[] = {
	JDEC_FIELD("pageSize", JDEC_STR, struct cg_hugepage, size,
		   JDEC_REQUIRED),
	JDEC_FIELD("limit", JDEC_U64, struct cg_hugepage, limit, JDEC_TO_MAX),
	{ 0 },
};
/* The tables of the sections have offsets in the whole, too. */
#define SECTION(key_, fields)                                    \
	{                                                        \
		.key = (key_), .type = JDEC_OBJ, .sub = (fields) \
	}
static const struct jdec_field fields[] = {
	SECTION("cpu", cpu_fields),
	SECTION("memory", memory_fields),
	SECTION("pids", pids_fields),
	SECTION("blockIO", io_fields),
	SECTION("network", net_fields),
	JDEC_FIELD_ARRAY("hugepageLimits", struct cgroup_resources, hugepages,
			 struct cg_hugepage, hugepage_fields, 0),
	JDEC_FIELD("rdma", JDEC_MAP, struct cgroup_resources, rdma, 0),
	JDEC_FIELD("unified", JDEC_MAP, struct cgroup_resources, unified, 0),
	{ 0 },
};

/* ---- lists whose elements may leave numbers out ---- */

struct rule_text {
	bool allow;
	char type[2], access[8];
	int64_t major, minor;
};
static const struct jdec_field rule_fields[] = {
	JDEC_FIELD("allow", JDEC_BOOL, struct rule_text, allow, 0),
	JDEC_FIELD("type", JDEC_STR, struct rule_text, type, 0),
	JDEC_FIELD("access", JDEC_STR, struct rule_text, access, 0),
	JDEC_FIELD("major", JDEC_I64, struct rule_text, major, 0),
	JDEC_FIELD("minor", JDEC_I64, struct rule_text, minor, 0),
	{ 0 },
};

static int dec_rule(json_object *obj, void *out, struct err *err)
{
	struct rule_text t = { .type = "a", .major = -1, .minor = -1 };
	struct cg_device_rule *rule = out;
	int r = jdec_object(obj, rule_fields, &t, err);

	if (r < 0)
		return r;
	if (!*t.type)
		*t.type = 'a';
	if (!strchr("abcu", *t.type))
		return err_set(err, -EBADMSG, "type: not a, b, c or u");
	if (t.access[strspn(t.access, "rwm")])
		return err_set(err, -EBADMSG, "access: not of r, w and m");
	if (t.major < -1 || t.major > UINT32_MAX || t.minor < -1 ||
	    t.minor > UINT32_MAX)
		return err_set(err, -EBADMSG,
			       "device number: not in "
			       "-1..4294967295");
	*rule = (struct cg_device_rule){
		.allow = t.allow,
		.type = (char)(*t.type == 'u' ? 'c' : *t.type),
		.major = t.major,
		.minor = t.minor,
		.read = strchr(t.access, 'r') || !*t.access,
		.write = strchr(t.access, 'w') || !*t.access,
		.mknod = strchr(t.access, 'm') || !*t.access,
	};
	return 0;
}

static const struct jdec_field block_fields[] = {
	JDEC_FIELD("major", JDEC_U32, struct cg_block_device, major, 0),
	JDEC_FIELD("minor", JDEC_U32, struct cg_block_device, minor, 0),
	JDEC_FIELD("weight", JDEC_I64, struct cg_block_device, weight, 0),
	JDEC_FIELD("leafWeight", JDEC_I64, struct cg_block_device, leaf_weight,
		   0),
	JDEC_FIELD("rate", JDEC_I64, struct cg_block_device, rate, 0),
	{ 0 },
};

static int dec_block(json_object *obj, void *out, struct err *err)
{
	struct cg_block_device *dev = out;

	*dev = (struct cg_block_device){ .weight = CG_UNSET,
					 .leaf_weight = CG_UNSET,
					 .rate = CG_UNSET };
	return jdec_object(obj, block_fields, dev, err);
}

static int dec_list(json_object *in, const char *key, size_t size,
		    int (*dec)(json_object *obj, void *out, struct err *err),
		    struct cg_list *ret, struct err *err)
{
	json_object *list;
	size_t n;

	if (!in || !json_object_object_get_ex(in, key, &list) || !list)
		return 0;
	if (!json_object_is_type(list, json_type_array))
		return err_set(err, -EBADMSG, "%s: not an array", key);
	n = json_object_array_length(list);
	ret->items = calloc(n ? n : 1, size);
	if (!ret->items)
		return err_set(err, -ENOMEM, "%s: out of memory", key);
	for (; ret->count < n; ret->count++) {
		int r = dec(json_object_array_get_idx(list, ret->count),
			    (char *)ret->items + ret->count * size, err);

		if (r < 0)
			return err_wrap(err, r, "%s[%zu]", key, ret->count);
	}
	return 0;
}

static const char *const throttle_keys[CG_THROTTLE_MAX] = {
	[CG_READ_BPS] = "throttleReadBpsDevice",
	[CG_WRITE_BPS] = "throttleWriteBpsDevice",
	[CG_READ_IOPS] = "throttleReadIOPSDevice",
	[CG_WRITE_IOPS] = "throttleWriteIOPSDevice",
};

static int dec_lists(json_object *obj, struct cgroup_resources *res,
		     struct err *err)
{
	json_object *io = NULL;
	int r;

	r = dec_list(obj, "devices", sizeof(struct cg_device_rule), dec_rule,
		     &res->rules, err);
	if (r < 0)
		return r;
	if (!json_object_object_get_ex(obj, "blockIO", &io) || !io)
		return 0;
	r = dec_list(io, "weightDevice", sizeof(struct cg_block_device),
		     dec_block, &res->io.devices, err);
	for (int i = 0; r == 0 && i < CG_THROTTLE_MAX; i++)
		r = dec_list(io, throttle_keys[i],
			     sizeof(struct cg_block_device), dec_block,
			     &res->io.throttle[i], err);
	return r < 0 ? err_wrap(err, r, "blockIO") : 0;
}

static bool one_name(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0 && !strchr(name, ' ') &&
	       !strchr(name, '\n');
}

static int check_unified(json_object *unified, struct err *err)
{
	json_object_object_foreach(unified, key, val)
	{
		if (!one_name(key))
			return err_set(err, -EBADMSG,
				       "unified: \"%s\" is not the name of a "
				       "file",
				       key);
		if (!json_object_is_type(val, json_type_string))
			return err_set(err, -EBADMSG,
				       "unified.%s: not a string", key);
	}
	return 0;
}

static int check_rdma(json_object *rdma, struct err *err)
{
	json_object_object_foreach(rdma, dev, limits)
	{
		if (!one_name(dev) ||
		    !json_object_is_type(limits, json_type_object))
			return err_set(err, -EBADMSG,
				       "rdma.%s: not a device and its limits",
				       dev);
	}
	return 0;
}

static int check_names(const struct cgroup_resources *res, struct err *err)
{
	const struct cg_hugepage *pages = res->hugepages.items;
	int r = 0;

	for (size_t i = 0; i < res->hugepages.count; i++)
		if (!one_name(pages[i].size))
			return err_set(err, -EBADMSG,
				       "hugepageLimits[%zu].pageSize: not a "
				       "size like 2MB",
				       i);
	if (res->unified)
		r = check_unified(res->unified, err);
	if (r == 0 && res->rdma)
		r = check_rdma(res->rdma, err);
	return r;
}

void cgroup_resources_free(struct cgroup_resources *res)
{
	if (!res)
		return;
	jdec_free(fields, res);
	free(res->rules.items);
	free(res->io.devices.items);
	for (int i = 0; i < CG_THROTTLE_MAX; i++)
		free(res->io.throttle[i].items);
	json_object_put(res->body);
	free(res);
}

int cgroup_resources_decode(json_object *obj, struct cgroup_resources **ret,
			    struct err *err)
{
	_cleanup_(cgroup_resources_freep) struct cgroup_resources *res =
		calloc(1, sizeof(*res));
	int r;

	if (!res)
		return err_set(err, -ENOMEM, "resources: out of memory");
	res->cpu.shares = res->cpu.quota = res->cpu.period = CG_UNSET;
	res->cpu.burst = res->cpu.idle = CG_UNSET;
	res->cpu.rt_runtime = res->cpu.rt_period = CG_UNSET;
	res->memory.limit = res->memory.reservation = CG_UNSET;
	res->memory.swap = res->memory.kernel = CG_UNSET;
	res->memory.kernel_tcp = res->memory.swappiness = CG_UNSET;
	res->pids.limit = res->net.class_id = CG_UNSET;
	res->io.weight = res->io.leaf_weight = CG_UNSET;
	if (obj) {
		res->body = json_object_get(obj);
		r = jdec_object(obj, fields, res, err);
		if (r == 0)
			r = dec_lists(obj, res, err);
		if (r == 0)
			r = check_names(res, err);
		if (r < 0)
			return r;
	}
	*ret = take_ptr(res);
	return 0;
}
