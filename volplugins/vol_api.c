/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VolumeDriver protocol: JSON in, a call of the core, JSON out. */
#include "volplugins/vol_api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/answer.h"
#include "volplugins/vol_api_priv.h"
#include "volplugins/vol_record.h"

static const struct jdec_field create_fields[] = {
	JDEC_FIELD("Name", JDEC_ID, struct vol_request, name, JDEC_REQUIRED),
	JDEC_FIELD("Opts", JDEC_MAP, struct vol_request, opts, 0),
	{ 0 },
};

static const struct jdec_field name_fields[] = {
	JDEC_FIELD("Name", JDEC_ID, struct vol_request, name, JDEC_REQUIRED),
	{ 0 },
};

static const struct jdec_field mount_fields[] = {
	JDEC_FIELD("Name", JDEC_ID, struct vol_request, name, JDEC_REQUIRED),
	JDEC_FIELD("ID", JDEC_ID, struct vol_request, id, JDEC_REQUIRED),
	{ 0 },
};

int vol_api_name(const struct rpc_call *call, struct vol_request *q,
		 struct err *err)
{
	if (!call->body)
		return err_set(err, -EBADMSG, "the request has no body");
	return jdec_object(call->body, name_fields, q, err);
}

/* A request that came again without its body: the kept answer, or an error. */
static int replay(struct vol_core *core, struct rpc_call *call,
		  json_object **ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = vol_replay(core, call->method, rpc_retry_alone(call), &text,
			   &call->seq, err);

	return r < 0 ? r : jdec_parse(text, strlen(text), ret, err);
}

static int on_create(void *ctx, struct rpc_call *call, json_object **ret,
		     struct err *err)
{
	struct vol_request q = { 0 };
	int r;

	if (!call->body)
		return replay(ctx, call, ret, err);
	r = jdec_object(call->body, create_fields, &q, err);
	if (r < 0)
		return r;
	return vol_create(ctx, q.name, q.opts, &call->seq, err);
}

static int on_remove(void *ctx, struct rpc_call *call, json_object **ret,
		     struct err *err)
{
	struct vol_request q = { 0 };
	int r;

	if (!call->body)
		return replay(ctx, call, ret, err);
	r = jdec_object(call->body, name_fields, &q, err);
	if (r < 0)
		return r;
	return vol_remove(ctx, q.name, &call->seq, err);
}

static int on_mount(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	char path[VOL_PATH_MAX];
	struct vol_request q = { 0 };
	int r;

	if (!call->body)
		return replay(ctx, call, ret, err);
	r = jdec_object(call->body, mount_fields, &q, err);
	if (r == 0)
		r = vol_mount(ctx, q.name, q.id, path, &call->seq, err);
	if (r < 0)
		return r;
	*ret = vol_mount_answer(path);
	return *ret ? 0 : answer_no_memory(err);
}

static int on_unmount(void *ctx, struct rpc_call *call, json_object **ret,
		      struct err *err)
{
	struct vol_request q = { 0 };
	int r;

	if (!call->body)
		return replay(ctx, call, ret, err);
	r = jdec_object(call->body, mount_fields, &q, err);
	if (r < 0)
		return r;
	return vol_unmount(ctx, q.name, q.id, &call->seq, err);
}

static int put_path(void *ctx, const struct vol_info *v)
{
	json_object **ret = ctx;

	*ret = vol_mount_answer(v->path);
	return *ret ? 0 : -ENOMEM;
}

static int on_path(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	struct vol_request q = { 0 };
	int r = vol_api_name(call, &q, err);

	return r < 0 ? r : vol_get(ctx, q.name, true, put_path, ret, err);
}

int vol_api_status(const struct vol_info *v, json_object *to)
{
	json_object *status = json_object_get(v->status);

	if (answer_uint(status, "users", v->users) ||
	    answer_text(status, "mountpoint", v->path) ||
	    (v->usage.used_known &&
	     answer_uint(status, "used", v->usage.used_bytes)) ||
	    (v->usage.used_known && v->usage.age_s &&
	     answer_uint(status, "used_age", v->usage.age_s)) ||
	    (v->usage.limit_bytes &&
	     answer_uint(status, "size", v->usage.limit_bytes))) {
		json_object_put(status);
		return -ENOMEM;
	}
	return answer_put(to, "Status", status);
}

static int put_volume(void *ctx, const struct vol_info *v)
{
	json_object **ret = ctx, *vol = json_object_new_object();

	if (answer_text(vol, "Name", v->name) ||
	    answer_text(vol, "Mountpoint", v->path) ||
	    answer_text(vol, "CreatedAt", v->created) ||
	    vol_api_status(v, vol)) {
		json_object_put(vol);
		return -ENOMEM;
	}
	*ret = json_object_new_object();
	return answer_put(*ret, "Volume", vol);
}

static int on_get(void *ctx, struct rpc_call *call, json_object **ret,
		  struct err *err)
{
	struct vol_request q = { 0 };
	int r = vol_api_name(call, &q, err);

	if (r == 0)
		r = vol_get(ctx, q.name, true, put_volume, ret, err);
	/* dockerd asks so before each Create */
	call->usual = r == -ENOENT;
	return r;
}

static int list_volume(void *ctx, const struct vol_info *v)
{
	json_object *list = ctx, *vol = json_object_new_object();

	if (answer_text(vol, "Name", v->name) ||
	    answer_text(vol, "Mountpoint", v->path) ||
	    json_object_array_add(list, vol) < 0) {
		json_object_put(vol);
		return -ENOMEM;
	}
	return 0;
}

static int on_list(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	json_object *list = json_object_new_array();

	(void)call;
	*ret = json_object_new_object();
	if (answer_put(*ret, "Volumes", list) < 0)
		return answer_no_memory(err);
	return vol_each(ctx, list_volume, list, err);
}

static int on_capabilities(void *ctx, struct rpc_call *call, json_object **ret,
			   struct err *err)
{
	json_object *caps = json_object_new_object();

	(void)ctx;
	(void)call;
	*ret = json_object_new_object();
	if (answer_put(caps, "Scope", json_object_new_string("local")) < 0) {
		json_object_put(caps);
		return answer_no_memory(err);
	}
	return answer_put(*ret, "Capabilities", caps) < 0
		       ? answer_no_memory(err)
		       : 0;
}

static const struct {
	const char *method;
	const struct jdec_field *fields;
} tables[] = {
	{ "VolumeDriver.Create", create_fields },
	{ "VolumeDriver.Remove", name_fields },
	{ "VolumeDriver.Mount", mount_fields },
	{ "VolumeDriver.Unmount", mount_fields },
	{ "VolumeDriver.Path", name_fields },
	{ "VolumeDriver.Get", name_fields },
	{ "Berth.Volume", name_fields },
};

const struct rpc_method vol_api_methods[] = {
	{ "VolumeDriver.Create", on_create },
	{ "VolumeDriver.Remove", on_remove },
	{ "VolumeDriver.Mount", on_mount },
	{ "VolumeDriver.Unmount", on_unmount },
	{ "VolumeDriver.Path", on_path },
	{ "VolumeDriver.Get", on_get },
	{ "VolumeDriver.List", on_list },
	{ "VolumeDriver.Capabilities", on_capabilities },
	{ 0 },
};

const struct jdec_field *vol_api_fields(const char *method)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (strcmp(tables[i].method, method) == 0)
			return tables[i].fields;
	return vol_api_copy_fields(method);
}
