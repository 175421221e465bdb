/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A daemon's life without the daemon. */
#include "netplugins/test/life.h"

#include "lib/test/test.h"

#include <stdio.h>
#include <string.h>

void life_mkdir(char dir[static 32])
{
	strcpy(dir, "/tmp/berth-net-XXXXXX");
	if (!mkdtemp(dir))
		abort();
}

int life_open(struct life *l, const char *dir, const struct net_driver *drv,
	      struct err *err)
{
	struct net_core_config cfg = { .driver = drv,
				       .plugd = &l->d,
				       .gc_grace_s = 600 };
	char state[64], run[64];
	int r;

	*l = (struct life){ .core = NULL };
	snprintf(state, sizeof(state), "%s/state", dir);
	snprintf(run, sizeof(run), "%s/run", dir);
	r = store_open(state, STORE_STATE, &l->d.state, err);
	if (r == 0)
		r = store_open(run, STORE_RUN, &l->d.run, err);
	if (r == 0)
		r = net_core_open(&cfg, &l->core, err);
	if (r < 0)
		life_close(l);
	return r;
}

void life_close(struct life *l)
{
	net_core_close(take_ptr(l->core));
	store_close(take_ptr(l->d.run));
	store_close(take_ptr(l->d.state));
}

static const struct rpc_method *find(const struct rpc_method *m,
				     const char *name)
{
	for (; m->name; m++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

int life_call(struct life *l, const char *method, const char *body,
	      bool deliver, char ret[1024], struct err *err)
{
	_cleanup_(json_putp) json_object *obj =
		body ? json_tokener_parse(body) : NULL;
	_cleanup_(json_putp) json_object *answer = NULL;
	struct rpc_call call = { .method = method, .body = obj };
	const struct rpc_method *m = find(net_core_methods, method);
	int r;

	if (!m)
		m = find(net_berth_methods, method);
	if (!m || (body && !obj))
		abort();
	r = m->handle(l->core, &call, &answer, err);
	if (ret)
		snprintf(ret, 1024, "%s",
			 r < 0    ? ""
			 : answer ? json_object_to_json_string_ext(
					    answer, JSON_C_TO_STRING_PLAIN)
				  : "{}");
	if (r == 0 && deliver && call.seq)
		net_core_delivered(l->core, call.seq);
	return r;
}

void life_start(struct life *l, const char *dir, const struct net_driver *drv)
{
	struct err err = { 0 };

	if (life_open(l, dir, drv, &err) < 0)
		fail_msg("%s", err.msg);
}

void life_good(struct life *l, const char *method, const char *body,
	       char ret[1024])
{
	struct err err = { 0 };

	if (life_call(l, method, body, true, ret, &err) < 0)
		fail_msg("%s: %s", method, err.msg);
}

static int count_row(void *ctx, const char *id, const char *parent,
		     const char *json)
{
	(void)id;
	(void)parent;
	(void)json;
	++*(int *)ctx;
	return 0;
}

int life_records(struct life *l)
{
	int n = 0;

	store_each(l->d.state, NET_KIND_NETWORK, NULL, count_row, &n, NULL);
	store_each(l->d.run, NET_KIND_ENDPOINT, NULL, count_row, &n, NULL);
	return n;
}
