// SPDX-License-Identifier: GPL-2.0-or-later
/* Ranges and transactions of etcd. */
#include <string.h>

#include "lib/etcd_priv.h"
#include "lib/jdec.h"

struct etcd_txn {
	json_object *compare, *success, *failure; /* owned arrays */
	int r; /* -ENOMEM: something was not added */
};

void etcd_prefix_end(const char *prefix, char *buf)
{
	size_t n = strlen(prefix);

	memcpy(buf, prefix, n + 1);
	if (n)
		buf[n - 1]++; /* our keys end in a character below 0x7f */
}

int etcd_range(struct etcd *e, const struct etcd_range *q, struct etcd_kvs *ret,
	       struct etcd_head *head, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *o = NULL;
	struct etcd_kvs got = { 0 };
	int r;

	if (etcd_json_add_range(body, q) < 0)
		return err_set(err, -ENOMEM, "etcd");
	r = etcd_call(e, "kv/range", body, true, &o, err);
	if (r == 0)
		r = etcd_json_head(o, head, err);
	if (r == 0)
		r = etcd_json_kvs(o, &got, err);
	if (r < 0) {
		etcd_kvs_clear(&got);
		return r;
	}
	*ret = got;
	return 0;
}

struct etcd_txn *etcd_txn_new(void)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->compare = json_object_new_array();
	t->success = json_object_new_array();
	t->failure = json_object_new_array();
	return t->compare && t->success && t->failure ? take_ptr(t) : NULL;
}

void etcd_txn_free(struct etcd_txn *t)
{
	if (!t)
		return;
	json_object_put(t->compare);
	json_object_put(t->success);
	json_object_put(t->failure);
	free(t);
}

/* @o: taken. */
static void put_in(struct etcd_txn *t, json_object *array, json_object *o,
		   int r)
{
	if (r == 0 && json_object_array_add(array, o) == 0)
		return;
	json_object_put(o);
	t->r = -ENOMEM;
}

static json_object *compare(const char *key, const char *target, int *r)
{
	json_object *o = json_object_new_object();

	*r = etcd_json_add_bytes(o, "key", key);
	if (*r == 0)
		*r = etcd_json_add_text(o, "target", target);
	if (*r == 0)
		*r = etcd_json_add_text(o, "result", "EQUAL");
	return o;
}

void etcd_txn_if_mod(struct etcd_txn *t, const char *key, int64_t rev)
{
	int r;
	json_object *o = compare(key, "MOD", &r);

	if (r == 0)
		r = etcd_json_add_s64(o, "mod_revision", rev);
	put_in(t, t->compare, o, r);
}

void etcd_txn_if_create(struct etcd_txn *t, const char *key, int64_t rev)
{
	int r;
	json_object *o = compare(key, "CREATE", &r);

	if (r == 0)
		r = etcd_json_add_s64(o, "create_revision", rev);
	put_in(t, t->compare, o, r);
}

void etcd_txn_if_value(struct etcd_txn *t, const char *key, const char *value)
{
	int r;
	json_object *o = compare(key, "VALUE", &r);

	if (r == 0)
		r = etcd_json_add_bytes(o, "value", value);
	put_in(t, t->compare, o, r);
}

void etcd_txn_if_lease(struct etcd_txn *t, const char *key, uint64_t lease)
{
	int r;
	json_object *o = compare(key, "LEASE", &r);

	if (r == 0)
		r = etcd_json_add_s64(o, "lease", (int64_t)lease);
	put_in(t, t->compare, o, r);
}

void etcd_txn_if_none(struct etcd_txn *t, const char *key, const char *end)
{
	int r;
	json_object *o = compare(key, "CREATE", &r);

	if (r == 0)
		r = etcd_json_add_bytes(o, "range_end", end);
	if (r == 0)
		r = etcd_json_add_s64(o, "create_revision", 0);
	put_in(t, t->compare, o, r);
}

/* {"@op": @in}; @in: taken. */
static void op(struct etcd_txn *t, json_object *array, const char *name,
	       json_object *in, int r)
{
	json_object *o = json_object_new_object();

	if (r == 0)
		r = etcd_json_add(o, name, in);
	else
		json_object_put(in);
	put_in(t, array, o, r);
}

void etcd_txn_put(struct etcd_txn *t, const char *key, const char *value,
		  uint64_t lease)
{
	json_object *in = json_object_new_object();
	int r = etcd_json_add_bytes(in, "key", key);

	if (r == 0)
		r = etcd_json_add_bytes(in, "value", value);
	if (r == 0 && lease)
		r = etcd_json_add_s64(in, "lease", (int64_t)lease);
	op(t, t->success, "request_put", in, r);
}

void etcd_txn_del(struct etcd_txn *t, const char *key, const char *end)
{
	json_object *in = json_object_new_object();
	int r = etcd_json_add_bytes(in, "key", key);

	if (r == 0 && end)
		r = etcd_json_add_bytes(in, "range_end", end);
	op(t, t->success, "request_delete_range", in, r);
}

void etcd_txn_get(struct etcd_txn *t, const struct etcd_range *q)
{
	json_object *in = json_object_new_object();
	int r = etcd_json_add_range(in, q);

	op(t, t->success, "request_range", in, r);
}

void etcd_txn_else_get(struct etcd_txn *t, const struct etcd_range *q)
{
	json_object *in = json_object_new_object();
	int r = etcd_json_add_range(in, q);

	op(t, t->failure, "request_range", in, r);
}

void etcd_result_clear(struct etcd_result *res)
{
	for (size_t i = 0; i < res->got_count; i++)
		etcd_kvs_clear(&res->got[i]);
	free(take_ptr(res->got));
	res->got_count = 0;
}

static int result_from(json_object *o, struct etcd_result *ret, struct err *err)
{
	json_object *a = NULL, *one, *range;
	size_t n;
	int r = etcd_json_head(o, &ret->head, err);

	if (r == 0)
		r = etcd_json_bool(o, "succeeded", &ret->done, err);
	if (r == 0)
		r = etcd_json_array(o, "responses", &a, err);
	if (r < 0 || !a)
		return r;
	n = json_object_array_length(a);
	ret->got = calloc(n ? n : 1, sizeof(*ret->got));
	if (!ret->got)
		return err_set(err, -ENOMEM, "etcd's answer");
	for (size_t i = 0; r == 0 && i < n; i++) {
		one = json_object_array_get_idx(a, i);
		if (!json_object_is_type(one, json_type_object))
			return err_set(err, -EBADMSG,
				       "etcd's answer: responses[%zu]: not an "
				       "object",
				       i);
		r = etcd_json_object(one, "response_range", &range, err);
		if (r == 0 && range)
			r = etcd_json_kvs(range, &ret->got[ret->got_count++],
					  err);
	}
	return r;
}

static size_t count_of(json_object *ops, const char *what)
{
	size_t n = 0;

	for (size_t i = 0; i < json_object_array_length(ops); i++)
		if (json_object_object_get_ex(json_object_array_get_idx(ops, i),
					      what, NULL))
			n++;
	return n;
}

/* How many answers the branch that was taken owes us. */
static size_t gets_of(json_object *ops)
{
	return count_of(ops, "request_range");
}

bool etcd_txn_puts(const struct etcd_txn *t)
{
	return count_of(t->success, "request_put");
}

int etcd_txn_run(struct etcd *e, const struct etcd_txn *t, bool repeat,
		 struct etcd_result *ret, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *o = NULL;
	struct etcd_result res = { 0 };
	int r = t->r;

	if (r < 0 || !body ||
	    etcd_json_add(body, "compare", json_object_get(t->compare)) < 0 ||
	    etcd_json_add(body, "success", json_object_get(t->success)) < 0 ||
	    etcd_json_add(body, "failure", json_object_get(t->failure)) < 0)
		return err_set(err, -ENOMEM, "etcd");
	r = etcd_call(e, "kv/txn", body, repeat, &o, err);
	if (r == 0)
		r = result_from(o, &res, err);
	if (r == 0 &&
	    res.got_count != gets_of(res.done ? t->success : t->failure))
		r = err_set(err, -EBADMSG,
			    "etcd's answer: %zu ranges instead of %zu",
			    res.got_count,
			    gets_of(res.done ? t->success : t->failure));
	if (r < 0) {
		etcd_result_clear(&res);
		return r;
	}
	*ret = res;
	return 0;
}
