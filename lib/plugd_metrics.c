/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A daemon's figures for Prometheus. */
#include "lib/plugd_metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/jdec.h"
#include "lib/log.h"

/* ---- the process --------------------------------------------------------------- */

static uint64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long size, resident = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t us_of(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

static void put_process(const struct plugd *d, struct prom *p)
{
	const struct prom_label build[] = { { "driver", d->prog->name },
					    { "version", BERTH_VERSION },
					    { 0 } };
	const struct prom_label own[] = { { "driver", d->prog->name }, { 0 } };
	struct rusage used = { 0 };

	getrusage(RUSAGE_SELF, &used);
	prom_family(p, "berth_build_info", PROM_GAUGE,
		    "1, of each daemon that runs, with its version.");
	prom_u64(p, "", build, 1);
	prom_family(p, "berth_cpu_seconds_total", PROM_COUNTER,
		    "Processor time of the daemon.");
	prom_us(p, "", own, us_of(used.ru_utime) + us_of(used.ru_stime));
	prom_family(p, "berth_resident_bytes", PROM_GAUGE,
		    "Memory of the daemon.");
	prom_u64(p, "", own, resident_bytes());
}

/* ---- rows ------------------------------------------------------------------------ */

static const struct rpc_method *find(const struct plugd *d, const char *name)
{
	for (const struct rpc_method *const *t = d->prog->tables; *t; t++)
		for (const struct rpc_method *m = *t; m->name; m++)
			if (strcmp(m->name, name) == 0)
				return m;
	return NULL;
}

/* @ret: owned; the array of the answer. */
static int ask(const struct plugd *d, const struct plugd_metric *m,
	       json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *body = NULL, *answer = NULL;
	const struct rpc_method *method = find(d, m->method);
	struct rpc_call call = { .method = m->method, .fd = -EBADF };
	json_object *rows = NULL;
	int r = 0;

	if (!method)
		return err_set(err, -ENOSYS, "no method %s", m->method);
	if (m->body)
		r = jdec_parse(m->body, strlen(m->body), &body, err);
	call.body = body;
	if (r == 0)
		r = method->handle(d->ctx, &call, &answer, err);
	if (r == 0 && (!json_object_object_get_ex(answer, m->rows, &rows) ||
		       !json_object_is_type(rows, json_type_array)))
		r = err_set(err, -EPROTO, "%s: no %s", m->method, m->rows);
	if (r == 0)
		*ret = json_object_get(rows);
	return r;
}

/* @path: a key, or two with a dot between. */
static json_object *member(json_object *row, const char *path)
{
	const char *dot = strchr(path, '.');
	json_object *o = NULL;
	char key[32];

	if (dot) {
		snprintf(key, sizeof(key), "%.*s", (int)(dot - path), path);
		return json_object_object_get_ex(row, key, &o)
			       ? member(o, dot + 1)
			       : NULL;
	}
	return json_object_object_get_ex(row, path, &o) ? o : NULL;
}

static bool is_known(const struct plugd_metric *m, json_object *row)
{
	return !m->known || json_object_get_boolean(member(row, m->known));
}

static void put_row(struct prom *p, const struct plugd *d,
		    const struct plugd_metric *m, json_object *row)
{
	struct prom_label labels[PLUGD_LABELS_MAX + 2] = { { "driver",
							     d->prog->name } };
	json_object *value = member(row, m->value), *o;
	size_t n = 1;

	if (!value || !is_known(m, row))
		return;
	for (size_t i = 0; i < PLUGD_LABELS_MAX && m->labels[i].key; i++) {
		o = member(row, m->labels[i].key);
		labels[n++] = (struct prom_label){ m->labels[i].label,
						   o ? json_object_get_string(o)
						     : "" };
	}
	prom_number(p, "", labels, json_object_to_json_string(value));
}

static void put_rows(struct prom *p, const struct plugd *d,
		     const struct plugd_metric *m, json_object *rows)
{
	const struct prom_label own[] = { { "driver", d->prog->name }, { 0 } };
	size_t count = json_object_array_length(rows);

	prom_family(p, m->name, m->type, m->help);
	if (!m->value)
		prom_u64(p, "", own, count);
	for (size_t i = 0; m->value && i < count; i++)
		put_row(p, d, m, json_object_array_get_idx(rows, i));
}

static bool asks_the_same(const struct plugd_metric *a,
			  const struct plugd_metric *b)
{
	return a && strcmp(a->method, b->method) == 0 && a->body == b->body &&
	       strcmp(a->rows, b->rows) == 0;
}

static int put_all(const struct plugd *d, struct prom *p, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL;
	const struct plugd_metric *asked = NULL;
	int r;

	for (const struct plugd_metric *m = d->prog->metrics; m && m->name;
	     m++) {
		if (!asks_the_same(asked, m)) {
			json_object_put(take_ptr(rows));
			r = ask(d, m, &rows, err);
			if (r < 0)
				return r;
		}
		asked = m;
		put_rows(p, d, m, rows);
	}
	return 0;
}

int plugd_metrics(void *ctx, struct rpc *rpc, char **ret, size_t *ret_len,
		  struct err *err)
{
	_cleanup_(prom_freep) struct prom *p = prom_new();
	const struct plugd *d = ctx;
	int r;

	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	put_process(d, p);
	rpc_prom(rpc, p);
	r = put_all(d, p, err);
	if (r < 0)
		return r;
	*ret = prom_end(p, ret_len);
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}
