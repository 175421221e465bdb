/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our own methods on a volume daemon's socket: what netctl asks. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "volplugins/vol_api.h"
#include "volplugins/vol_api_priv.h"
#include "volplugins/vol_priv.h"

static int add_uint(json_object *to, const char *key, uint64_t n)
{
	return vol_api_add(to, key, json_object_new_uint64(n));
}

static int add_text(json_object *to, const char *key, const char *s)
{
	return vol_api_add(to, key, json_object_new_string(s));
}

/* Lines into an array; a line that memory has no room for is lost. */
static void add_line(void *ctx, const char *line)
{
	json_object *list = ctx, *text = json_object_new_string(line);

	if (text && json_object_array_add(list, text) < 0)
		json_object_put(text);
}

/* An answer of one array, @key. */
static int new_list(json_object **ret, const char *key, json_object **list,
		    struct err *err)
{
	*ret = json_object_new_object();
	*list = json_object_new_array();
	return vol_api_add(*ret, key, *list) < 0 ? vol_api_no_memory(err) : 0;
}

static uint64_t uptime_ms(const struct vol_core *core)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)(now.tv_sec - core->started.tv_sec) * 1000 +
	       (uint64_t)(now.tv_nsec / 1000000) -
	       (uint64_t)(core->started.tv_nsec / 1000000);
}

static int on_info(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	struct vol_core *core = ctx;
	json_object *list;
	int r = new_list(ret, "Problems", &list, err);

	(void)call;
	if (r < 0)
		return r;
	if (add_text(*ret, "Name", core->driver->name) ||
	    add_text(*ret, "Version", BERTH_VERSION) ||
	    add_text(*ret, "Kind", "volume") ||
	    add_uint(*ret, "Pid", (uint64_t)getpid()) ||
	    add_uint(*ret, "UptimeMs", uptime_ms(core)))
		return vol_api_no_memory(err);
	vol_problems(core, add_line, list);
	return 0;
}

/* What /Berth.Volumes and /Berth.Volume have in common. */
static int add_volume(const struct vol_info *v, json_object *to)
{
	json_object *opts =
		v->opts ? json_object_get(v->opts) : json_object_new_object();

	if (vol_api_add(to, "Options", opts) || add_text(to, "Name", v->name) ||
	    add_text(to, "Mountpoint", v->path) ||
	    add_text(to, "Created", v->created) ||
	    add_uint(to, "Users", v->users) ||
	    vol_api_add(to, "UsageKnown",
			json_object_new_boolean(v->usage.used_known)) ||
	    add_uint(to, "UsedBytes", v->usage.used_bytes) ||
	    add_uint(to, "LimitBytes", v->usage.limit_bytes) ||
	    add_uint(to, "UsageAgeS", v->usage.age_s))
		return -ENOMEM;
	return 0;
}

static int list_volume(void *ctx, const struct vol_info *v)
{
	json_object *list = ctx, *vol = json_object_new_object();

	if (add_volume(v, vol) < 0 || json_object_array_add(list, vol) < 0) {
		json_object_put(vol);
		return -ENOMEM;
	}
	return 0;
}

static int on_volumes(void *ctx, struct rpc_call *call, json_object **ret,
		      struct err *err)
{
	_cleanup_(vol_names_freep) char **names = vol_names(ctx);
	json_object *list;
	int r = new_list(ret, "Volumes", &list, err);

	(void)call;
	if (r < 0 || !names)
		return vol_api_no_memory(err);
	for (size_t i = 0; names[i] && r == 0; i++) {
		struct err one = { 0 };

		r = vol_get(ctx, names[i], false, list_volume, list, &one);
		if (r < 0 && r != -ENOMEM)
			r = 0; /* gone meanwhile, or a problem by itself */
	}
	return r < 0 ? vol_api_no_memory(err) : 0;
}

static int show_volume(void *ctx, const struct vol_info *v)
{
	json_object *to = ctx, *ids = json_object_new_array();

	if (add_volume(v, to) || vol_api_status(v, to) ||
	    vol_api_add(to, "Mounts", ids))
		return -ENOMEM;
	for (unsigned int i = 0; v->mounts && i < v->users; i++)
		add_line(ids, v->mounts[i].id);
	return 0;
}

static int on_volume(void *ctx, struct rpc_call *call, json_object **ret,
		     struct err *err)
{
	struct vol_request q = { 0 };
	int r = vol_api_name(call, &q, err);

	if (r < 0)
		return r;
	*ret = json_object_new_object();
	return vol_get(ctx, q.name, false, show_volume, *ret, err);
}

static int on_check(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	json_object *list;
	int r = new_list(ret, "Problems", &list, err);

	(void)call;
	return r < 0 ? r : vol_check(ctx, add_line, list, err);
}

struct gc_request {
	bool dry;
};

static const struct jdec_field gc_fields[] = {
	JDEC_FIELD("DryRun", JDEC_BOOL, struct gc_request, dry, 0),
	{ 0 },
};

static int on_gc(void *ctx, struct rpc_call *call, json_object **ret,
		 struct err *err)
{
	struct gc_request q = { 0 };
	json_object *list;
	int r;

	if (!call->body) /* a mistake must not delete */
		return err_set(err, -EBADMSG, "the request has no body");
	r = jdec_object(call->body, gc_fields, &q, err);
	if (r == 0)
		r = new_list(ret, "Removed", &list, err);
	if (r == 0)
		r = vol_gc(ctx, q.dry, add_line, list, err);
	return r < 0 ? r : 0;
}

struct resize_request {
	char name[VOL_NAME_MAX], size[32];
};

static const struct jdec_field resize_fields[] = {
	JDEC_FIELD("Name", JDEC_ID, struct resize_request, name, JDEC_REQUIRED),
	JDEC_FIELD("Size", JDEC_STR, struct resize_request, size,
		   JDEC_REQUIRED),
	{ 0 },
};

static int on_resize(void *ctx, struct rpc_call *call, json_object **ret,
		     struct err *err)
{
	struct resize_request q = { 0 };
	uint64_t size = 0;
	int r;

	(void)ret;
	if (!call->body)
		return err_set(err, -EBADMSG, "the request has no body");
	r = jdec_object(call->body, resize_fields, &q, err);
	if (r == 0)
		r = opts_size(q.size, &size, err);
	if (r == 0 && size == 0)
		r = err_set(err, -EINVAL,
			    "size 0: a limit can be changed, "
			    "not taken away");
	return r < 0 ? r : vol_resize(ctx, q.name, size, &call->seq, err);
}

/* Berth.Metrics is every daemon's, plugd serves it. */
const struct rpc_method vol_api_berth_methods[] = {
	{ "Berth.Info", on_info },
	{ "Berth.Volumes", on_volumes },
	{ "Berth.Volume", on_volume },
	{ "Berth.Check", on_check },
	{ "Berth.Gc", on_gc },
	{ "Berth.VolumeResize", on_resize },
	{ 0 },
};
