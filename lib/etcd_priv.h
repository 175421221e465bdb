/* SPDX-License-Identifier: GPL-2.0-or-later */
/* etcd_priv.h - what the files of etcd share. */
#ifndef LIB_ETCD_PRIV_H
#define LIB_ETCD_PRIV_H

#include <json-c/json.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/client.h"
#include "lib/etcd.h"

#define ETCD_ANSWER_MAX (8u << 20) /* bytes */

struct etcd {
	struct etcd_config cfg;
	struct client_tls tls; /* .ca NULL: plain */
	pthread_mutex_t lock;
	struct client *client;     /* owned */
	atomic_bool renew;         /* its connections are old */
	size_t at;                 /* the member that answered last */
	_Atomic uint64_t until_ms; /* no call goes on after; 0: any does */
	char *user, *password;     /* owned; NULL: no auth */
	char *token;               /* owned; NULL: to be asked for */
};

/*
 * etcd_call() - POST @body to /v3/@method at the first member that answers.
 * @repeat: also after a member that may have done it.
 */
int etcd_call(struct etcd *e, const char *method, json_object *body,
	      bool repeat, json_object **ret, struct err *err);

/* etcd_error() - the code and text of an object that etcd calls an error. */
int etcd_error(json_object *o, const char *method, struct err *err);

/* etcd_json.c: fields of an answer.  Left out is 0, false, NULL. */
int etcd_json_u64(json_object *o, const char *key, uint64_t *ret,
		  struct err *err);
int etcd_json_s64(json_object *o, const char *key, int64_t *ret,
		  struct err *err);
int etcd_json_bool(json_object *o, const char *key, bool *ret, struct err *err);
/* Borrowed; NULL: none. */
int etcd_json_object(json_object *o, const char *key, json_object **ret,
		     struct err *err);
int etcd_json_array(json_object *o, const char *key, json_object **ret,
		    struct err *err);
int etcd_json_head(json_object *o, struct etcd_head *ret, struct err *err);
int etcd_json_kv(json_object *o, struct etcd_kv *ret, struct err *err);
int etcd_json_kvs(json_object *o, struct etcd_kvs *ret, struct err *err);
void etcd_kv_clear(struct etcd_kv *kv);

/* Into a request.  Return: 0; -ENOMEM. */
int etcd_json_add(json_object *o, const char *key, json_object *value);
int etcd_json_add_text(json_object *o, const char *key, const char *text);
int etcd_json_add_bytes(json_object *o, const char *key, const char *text);
int etcd_json_add_s64(json_object *o, const char *key, int64_t n);
int etcd_json_add_range(json_object *o, const struct etcd_range *q);

#endif
