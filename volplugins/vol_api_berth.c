/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our own methods on a volume daemon's socket: what netctl asks. */
#include <errno.h>
#include <string.h>

#include "lib/answer.h"
#include "volplugins/vol_api.h"
#include "volplugins/vol_api_priv.h"
#include "volplugins/vol_priv.h"

static int on_info(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	struct vol_core *core = ctx;
	json_object *list;
	int r = answer_info(ret, core->driver->name, "volume", &core->started,
			    &list, err);

	(void)call;
	if (r == 0)
		vol_problems(core, answer_line, list);
	return r;
}

/* What /Berth.Volumes and /Berth.Volume have in common. */
static int add_volume(const struct vol_info *v, json_object *to)
{
	json_object *opts = NULL;

	if (vol_opts_copy(v->opts, &opts, NULL) < 0)
		return -ENOMEM;
	if (!opts)
		opts = json_object_new_object();
	if (answer_put(to, "Options", opts) ||
	    answer_text(to, "Name", v->name) ||
	    answer_text(to, "Mountpoint", v->path) ||
	    answer_text(to, "Created", v->created) ||
	    answer_uint(to, "Users", v->users) ||
	    answer_bool(to, "UsageKnown", v->usage.used_known) ||
	    answer_uint(to, "UsedBytes", v->usage.used_bytes) ||
	    answer_uint(to, "LimitBytes", v->usage.limit_bytes) ||
	    answer_uint(to, "UsageAgeS", v->usage.age_s))
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
	int r = answer_list(ret, "Volumes", &list, err);

	(void)call;
	if (r < 0 || !names)
		return answer_no_memory(err);
	for (size_t i = 0; names[i] && r == 0; i++) {
		struct err one = { 0 };

		r = vol_get(ctx, names[i], false, list_volume, list, &one);
		if (r < 0 && r != -ENOMEM)
			r = 0; /* gone meanwhile, or a problem by itself */
	}
	return r < 0 ? answer_no_memory(err) : 0;
}

static int show_volume(void *ctx, const struct vol_info *v)
{
	json_object *to = ctx, *ids = json_object_new_array();

	if (add_volume(v, to) || vol_api_status(v, to) ||
	    answer_put(to, "Mounts", ids))
		return -ENOMEM;
	for (unsigned int i = 0; v->mounts && i < v->users; i++)
		answer_line(ids, v->mounts[i].id);
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
	int r = answer_list(ret, "Problems", &list, err);

	(void)call;
	return r < 0 ? r : vol_check(ctx, answer_line, list, err);
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
		r = answer_list(ret, "Removed", &list, err);
	if (r == 0)
		r = vol_gc(ctx, q.dry, answer_line, list, err);
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
