/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our own methods about copies of a volume and its name: snapshots, and the views that netctl
 * reads a backup from and fills a restored volume through. */
#include <errno.h>
#include <string.h>

#include "lib/answer.h"
#include "volplugins/vol_api.h"
#include "volplugins/vol_api_priv.h"

struct copy_request {
	char name[VOL_NAME_MAX], snap[VOL_NAME_MAX], view[VOL_VIEW_MAX];
	char to[VOL_NAME_MAX];
	bool live, keep;
	json_object *opts; /* borrowed from the body */
};

static const struct jdec_field name_fields[] = {
	JDEC_FIELD("Name", JDEC_ID, struct copy_request, name, JDEC_REQUIRED),
	{ 0 },
};

static const struct jdec_field snapshot_fields[] = {
	JDEC_FIELD("Name", JDEC_ID, struct copy_request, name, JDEC_REQUIRED),
	JDEC_FIELD("Snapshot", JDEC_ID, struct copy_request, snap,
		   JDEC_REQUIRED),
	{ 0 },
};

static const struct jdec_field rename_fields[] = {
	JDEC_FIELD("Name", JDEC_ID, struct copy_request, name, JDEC_REQUIRED),
	JDEC_FIELD("To", JDEC_ID, struct copy_request, to, JDEC_REQUIRED),
	{ 0 },
};

static const struct jdec_field open_fields[] = {
	JDEC_FIELD("Name", JDEC_ID, struct copy_request, name, JDEC_REQUIRED),
	JDEC_FIELD("Snapshot", JDEC_ID, struct copy_request, snap, 0),
	JDEC_FIELD("Live", JDEC_BOOL, struct copy_request, live, 0),
	{ 0 },
};

static const struct jdec_field stage_fields[] = {
	JDEC_FIELD("Name", JDEC_ID, struct copy_request, name, JDEC_REQUIRED),
	JDEC_FIELD("Opts", JDEC_MAP, struct copy_request, opts, 0),
	{ 0 },
};

static const struct jdec_field close_fields[] = {
	JDEC_FIELD("View", JDEC_ID, struct copy_request, view, JDEC_REQUIRED),
	JDEC_FIELD("Keep", JDEC_BOOL, struct copy_request, keep, 0),
	{ 0 },
};

static int decode(const struct rpc_call *call, const struct jdec_field *fields,
		  struct copy_request *q, struct err *err)
{
	if (!call->body)
		return err_set(err, -EBADMSG, "the request has no body");
	return jdec_object(call->body, fields, q, err);
}

/* A figure that is not known is left out. */
static int add_bytes(json_object *to, const char *key, bool known, uint64_t n)
{
	return known ? answer_put(to, key, json_object_new_uint64(n)) : 0;
}

static int on_snapshot(void *ctx, struct rpc_call *call, json_object **ret,
		       struct err *err)
{
	struct copy_request q = { 0 };
	int r = decode(call, snapshot_fields, &q, err);

	(void)ret;
	return r < 0 ? r
		     : vol_snapshot_add(ctx, q.name, q.snap, &call->seq, err);
}

static int on_snapshot_remove(void *ctx, struct rpc_call *call,
			      json_object **ret, struct err *err)
{
	struct copy_request q = { 0 };
	int r = decode(call, snapshot_fields, &q, err);

	(void)ret;
	return r < 0 ? r
		     : vol_snapshot_del(ctx, q.name, q.snap, &call->seq, err);
}

static int on_rollback(void *ctx, struct rpc_call *call, json_object **ret,
		       struct err *err)
{
	struct copy_request q = { 0 };
	int r = decode(call, snapshot_fields, &q, err);

	(void)ret;
	return r < 0 ? r : vol_rollback(ctx, q.name, q.snap, &call->seq, err);
}

static int on_rename(void *ctx, struct rpc_call *call, json_object **ret,
		     struct err *err)
{
	struct copy_request q = { 0 };
	int r = decode(call, rename_fields, &q, err);

	(void)ret;
	return r < 0 ? r : vol_rename(ctx, q.name, q.to, &call->seq, err);
}

/* One that memory has no room for is lost. */
static void list_snapshot(void *ctx, const struct vol_snapshot *s)
{
	json_object *list = ctx, *row = json_object_new_object();

	if (answer_text(row, "Name", s->name) ||
	    (s->created[0] && answer_text(row, "Created", s->created)) ||
	    add_bytes(row, "UsedBytes", s->used_known, s->used_bytes) ||
	    add_bytes(row, "OwnBytes", s->own_known, s->own_bytes) ||
	    json_object_array_add(list, row) < 0)
		json_object_put(row);
}

static int by_name(const void *a, const void *b)
{
	json_object *const *x = a, *const *y = b, *m, *n;

	return json_object_object_get_ex(*x, "Name", &m) &&
			       json_object_object_get_ex(*y, "Name", &n)
		       ? strcmp(json_object_get_string(m),
				json_object_get_string(n))
		       : 0;
}

static int on_snapshots(void *ctx, struct rpc_call *call, json_object **ret,
			struct err *err)
{
	json_object *list = json_object_new_array();
	struct copy_request q = { 0 };
	int r;

	*ret = json_object_new_object();
	if (answer_put(*ret, "Snapshots", list) < 0)
		return answer_no_memory(err);
	r = decode(call, name_fields, &q, err);
	if (r == 0)
		r = vol_snapshots(ctx, q.name, list_snapshot, list, err);
	if (r == 0)
		json_object_array_sort(list, by_name);
	return r;
}

static int put_view(const struct vol_view_info *v, json_object **ret,
		    struct err *err)
{
	*ret = json_object_new_object();
	if (answer_text(*ret, "View", v->id) ||
	    answer_text(*ret, "Path", v->path) ||
	    answer_put(*ret, "Live", json_object_new_boolean(v->live)))
		return answer_no_memory(err);
	return 0;
}

static int on_open(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	struct copy_request q = { 0 };
	struct vol_view_info v;
	int pid = 0, peer, r = decode(call, open_fields, &q, err);

	if (r < 0)
		return r;
	peer = rpc_peer(call, &pid, err);
	if (peer < 0)
		return peer;
	r = vol_view_open(ctx, q.name, q.snap, q.live, peer, pid, &v, err);
	return r < 0 ? r : put_view(&v, ret, err);
}

static int on_stage(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	struct copy_request q = { 0 };
	struct vol_view_info v;
	int pid = 0, peer, r = decode(call, stage_fields, &q, err);

	if (r < 0)
		return r;
	peer = rpc_peer(call, &pid, err);
	if (peer < 0)
		return peer;
	r = vol_view_stage(ctx, q.name, q.opts, peer, pid, &v, err);
	return r < 0 ? r : put_view(&v, ret, err);
}

static int on_close(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	struct copy_request q = { 0 };
	bool shared = false;
	int r = decode(call, close_fields, &q, err);

	if (r == 0)
		r = vol_view_close(ctx, q.view, q.keep, &shared, &call->seq,
				   err);
	if (r < 0)
		return r;
	*ret = json_object_new_object();
	return answer_put(*ret, "Shared", json_object_new_boolean(shared)) < 0
		       ? answer_no_memory(err)
		       : 0;
}

const struct rpc_method vol_api_copy_methods[] = {
	{ "Berth.VolumeSnapshot", on_snapshot },
	{ "Berth.VolumeSnapshots", on_snapshots },
	{ "Berth.VolumeSnapshotRemove", on_snapshot_remove },
	{ "Berth.VolumeRollback", on_rollback },
	{ "Berth.VolumeRename", on_rename },
	{ "Berth.VolumeOpen", on_open },
	{ "Berth.VolumeStage", on_stage },
	{ "Berth.VolumeClose", on_close },
	{ 0 },
};

const struct jdec_field *vol_api_copy_fields(const char *method)
{
	static const struct {
		const char *method;
		const struct jdec_field *fields;
	} tables[] = {
		{ "Berth.VolumeSnapshot", snapshot_fields },
		{ "Berth.VolumeSnapshots", name_fields },
		{ "Berth.VolumeSnapshotRemove", snapshot_fields },
		{ "Berth.VolumeRollback", snapshot_fields },
		{ "Berth.VolumeRename", rename_fields },
		{ "Berth.VolumeOpen", open_fields },
		{ "Berth.VolumeStage", stage_fields },
		{ "Berth.VolumeClose", close_fields },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (strcmp(tables[i].method, method) == 0)
			return tables[i].fields;
	return NULL;
}
