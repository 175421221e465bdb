// SPDX-License-Identifier: GPL-2.0-or-later
/* etcd's JSON: numbers as strings, keys and values in base64, zeros left out. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/etcd_priv.h"

static int bad(struct err *err, const char *key, const char *why)
{
	return err_set(err, -EBADMSG, "etcd's answer: %s: %s", key, why);
}

/* Return: 1: it is there and has that type; 0: it is not. */
static int field(json_object *o, const char *key, enum json_type type,
		 json_object **ret, struct err *err)
{
	*ret = NULL;
	if (!json_object_object_get_ex(o, key, ret) || !*ret)
		return 0;
	if (!json_object_is_type(*ret, type))
		return bad(err, key, "of another type");
	return 1;
}

/* Digits and nothing else. */
static int digits(const char *s, uint64_t *ret)
{
	uint64_t n = 0;

	if (!*s)
		return -EBADMSG;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' ||
		    __builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
			return -EBADMSG;
	}
	*ret = n;
	return 0;
}

int etcd_json_u64(json_object *o, const char *key, uint64_t *ret,
		  struct err *err)
{
	json_object *v;
	int r = field(o, key, json_type_string, &v, err);

	*ret = 0;
	if (r <= 0)
		return r;
	if (digits(json_object_get_string(v), ret) < 0)
		return bad(err, key, "not a number");
	return 0;
}

int etcd_json_s64(json_object *o, const char *key, int64_t *ret,
		  struct err *err)
{
	uint64_t n;
	int r = etcd_json_u64(o, key, &n, err);

	*ret = 0;
	if (r < 0)
		return r;
	if (n > INT64_MAX)
		return bad(err, key, "out of range");
	*ret = (int64_t)n;
	return 0;
}

int etcd_json_bool(json_object *o, const char *key, bool *ret, struct err *err)
{
	json_object *v;
	int r = field(o, key, json_type_boolean, &v, err);

	*ret = r > 0 && json_object_get_boolean(v);
	return r < 0 ? r : 0;
}

int etcd_json_object(json_object *o, const char *key, json_object **ret,
		     struct err *err)
{
	int r = field(o, key, json_type_object, ret, err);

	return r < 0 ? r : 0;
}

int etcd_json_array(json_object *o, const char *key, json_object **ret,
		    struct err *err)
{
	int r = field(o, key, json_type_array, ret, err);

	return r < 0 ? r : 0;
}

int etcd_json_head(json_object *o, struct etcd_head *ret, struct err *err)
{
	json_object *h;
	int r = etcd_json_object(o, "header", &h, err);

	if (r < 0)
		return r;
	if (!h)
		return bad(err, "header", "missing");
	r = etcd_json_u64(h, "cluster_id", &ret->cluster_id, err);
	if (r == 0)
		r = etcd_json_u64(h, "member_id", &ret->member_id, err);
	if (r == 0)
		r = etcd_json_s64(h, "revision", &ret->revision, err);
	return r;
}

static int bytes(json_object *o, const char *key, char **ret, size_t *len,
		 struct err *err)
{
	json_object *v;
	int r = field(o, key, json_type_string, &v, err);

	if (r < 0)
		return r;
	r = base64_decode(r ? json_object_get_string(v) : "",
			  r ? (size_t)json_object_get_string_len(v) : 0, ret,
			  len);
	return r == -EBADMSG ? bad(err, key, "not base64")
	       : r < 0       ? err_set(err, r, "etcd's answer")
			     : 0;
}

void etcd_kv_clear(struct etcd_kv *kv)
{
	free(take_ptr(kv->key));
	free(take_ptr(kv->value));
}

int etcd_json_kv(json_object *o, struct etcd_kv *ret, struct err *err)
{
	size_t key_len;
	int r;

	if (!json_object_is_type(o, json_type_object))
		return bad(err, "kv", "not an object");
	r = bytes(o, "key", &ret->key, &key_len, err);
	if (r < 0)
		return r;
	/* Nothing of ours: counted, and never found by its name. */
	if (strlen(ret->key) != key_len)
		ret->key[0] = '\0';
	r = bytes(o, "value", &ret->value, &ret->value_len, err);
	if (r == 0)
		r = etcd_json_s64(o, "create_revision", &ret->create_rev, err);
	if (r == 0)
		r = etcd_json_s64(o, "mod_revision", &ret->mod_rev, err);
	if (r == 0)
		r = etcd_json_u64(o, "lease", &ret->lease, err);
	return r;
}

void etcd_kvs_clear(struct etcd_kvs *kvs)
{
	for (size_t i = 0; i < kvs->count; i++)
		etcd_kv_clear(&kvs->v[i]);
	free(take_ptr(kvs->v));
	kvs->count = 0;
}

int etcd_json_kvs(json_object *o, struct etcd_kvs *ret, struct err *err)
{
	json_object *a;
	size_t n;
	int r = etcd_json_array(o, "kvs", &a, err);

	if (r == 0)
		r = etcd_json_u64(o, "count", &ret->total, err);
	if (r == 0)
		r = etcd_json_bool(o, "more", &ret->more, err);
	if (r < 0 || !a)
		return r;
	n = json_object_array_length(a);
	ret->v = calloc(n ? n : 1, sizeof(*ret->v));
	if (!ret->v)
		return err_set(err, -ENOMEM, "etcd's answer");
	while (r == 0 && ret->count < n) {
		r = etcd_json_kv(json_object_array_get_idx(a, ret->count),
				 &ret->v[ret->count], err);
		ret->count++; /* a half one is cleared with the rest */
	}
	return r;
}

int etcd_json_add(json_object *o, const char *key, json_object *value)
{
	if (value && o && json_object_object_add(o, key, value) == 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

int etcd_json_add_text(json_object *o, const char *key, const char *text)
{
	return etcd_json_add(o, key, json_object_new_string(text));
}

int etcd_json_add_bytes(json_object *o, const char *key, const char *text)
{
	_cleanup_free_ char *b = base64_encode(text, strlen(text));

	return b ? etcd_json_add_text(o, key, b) : -ENOMEM;
}

int etcd_json_add_s64(json_object *o, const char *key, int64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, n);
	return etcd_json_add_text(o, key, text);
}

int etcd_json_add_range(json_object *o, const struct etcd_range *q)
{
	int r = etcd_json_add_bytes(o, "key", q->key);

	if (r == 0 && q->end)
		r = etcd_json_add_bytes(o, "range_end", q->end);
	if (r == 0 && (q->limit || q->highest_only))
		r = etcd_json_add_s64(o, "limit",
				      q->highest_only ? 1 : q->limit);
	if (r == 0 && q->min_mod)
		r = etcd_json_add_s64(o, "min_mod_revision", q->min_mod);
	if (r == 0 && q->count_only)
		r = etcd_json_add(o, "count_only",
				  json_object_new_boolean(true));
	if (r == 0 && q->highest_only)
		r = etcd_json_add_text(o, "sort_order", "DESCEND");
	return r;
}
