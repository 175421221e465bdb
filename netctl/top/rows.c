/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of "top" out of what the daemons and the kernel say. */
#include "netctl/top/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/jdec.h"
#include "lib/nlk.h"
#include "lib/opts.h"
#include "netctl/jget.h"
#include "netctl/view.h"

#define SHORT_ID 12

int top_sort_parse(const char *text, enum top_sort *ret, struct err *err)
{
	static const char *const names[] = {
		[TOP_SORT_BYTES] = "bytes",
		[TOP_SORT_PACKETS] = "packets",
		[TOP_SORT_CONNS] = "conns",
		[TOP_SORT_NAME] = "name",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum top_sort)i;
			return 0;
		}
	return err_set(err, -EINVAL,
		       "--sort is bytes, packets, conns or name, not \"%s\"",
		       text);
}

/* ---- a list of rows ---------------------------------------------------------------- */

static void row_fini(struct top_row *row)
{
	free(row->key);
	free(row->name);
	free(row->of);
	json_object_put(row->what);
}

void top_rows_fini(struct top_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		row_fini(&rows->v[i]);
	free(rows->v);
	*rows = (struct top_rows){ .words = rows->words };
}

size_t top_rows_count(const struct top_rows *rows, enum top_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->n; i++)
		n += rows->v[i].kind == kind;
	return n;
}

static char *show(const char *name, const char *id)
{
	_cleanup_free_ char *cut = strndup(id, SHORT_ID);

	return *name ? out_escape(name) : cut ? out_escape(cut) : NULL;
}

/* A row at the end; NULL: out of memory. */
static struct top_row *grow(struct top_rows *rows)
{
	if (rows->n == rows->room) {
		size_t room = rows->room ? 2 * rows->room : 64;
		struct top_row *v = reallocarray(rows->v, room, sizeof(*v));

		if (!v)
			return NULL;
		rows->v = v;
		rows->room = room;
	}
	rows->v[rows->n] = (struct top_row){ 0 };
	for (size_t i = 0; i < TOP_FIGURES; i++)
		rows->v[rows->n].rate[i] = TOP_UNKNOWN;
	return &rows->v[rows->n++];
}

/* ---- a daemon's answer --------------------------------------------------------------- */

struct answer {
	struct top_rows *rows;
	const char *driver;
	uint64_t at_ns;
	const struct docker_names *names;
	json_object *net; /* borrowed: whose endpoints are being read */
	size_t at;        /* its row */
};

static struct top_count count_of(const struct answer *a, json_object *o,
				 const char *key)
{
	json_object *v = jget(jget(o, "Stats"), key);

	if (!json_object_is_type(v, json_type_int))
		return (struct top_count){ 0 };
	return (struct top_count){ json_object_get_uint64(v), a->at_ns };
}

static const char *network_name(const struct answer *a)
{
	return docker_network(a->names, jget_str(a->net, "NetworkID"));
}

/* What all rows have in JSON. */
static json_object *words(const struct answer *a)
{
	json_object *o = json_object_new_object();

	jset_str(o, "Driver", a->driver);
	jset_str(o, "NetworkID", jget_str(a->net, "NetworkID"));
	jset_str(o, "Network", network_name(a));
	jset_str(o, "Dataplane", jget_str(a->net, "Dataplane"));
	return o;
}

static void copy(json_object *from, struct top_row *row, const char *key)
{
	if (row->what)
		jset(row->what, key, json_object_get(jget(from, key)));
}

static void say_endpoint(struct top_row *row, const char *id,
			 const char *container)
{
	if (!row->what)
		return;
	jset_str(row->what, "EndpointID", id);
	jset_str(row->what, "Container", container);
}

static struct top_row *add_row(const struct answer *a, enum top_kind kind)
{
	struct top_row *row = grow(a->rows);

	if (!row)
		return NULL;
	row->kind = kind;
	row->driver = a->driver;
	row->network = a->at;
	if (!a->rows->words)
		return row;
	row->what = words(a);
	return row->what ? row : NULL;
}

static int add_network(struct answer *a)
{
	struct top_row *row;

	a->at = a->rows->n;
	row = add_row(a, TOP_NETWORK);
	if (!row)
		return -ENOMEM;
	row->name = show(network_name(a), jget_str(a->net, "NetworkID"));
	row->of = out_escape(a->driver);
	copy(a->net, row, "Endpoints");
	if (asprintf(&row->key, "n %s %s", a->driver,
		     jget_str(a->net, "NetworkID")) < 0)
		row->key = NULL;
	return row->name && row->of && row->key ? 0 : -ENOMEM;
}

static int add_endpoint(struct answer *a, json_object *ep)
{
	const char *id = jget_str(ep, "EndpointID");
	const char *container = docker_container(a->names, id);
	struct top_row *row = add_row(a, TOP_ENDPOINT);

	if (!row)
		return -ENOMEM;
	row->name = show(container, id);
	row->of = show(network_name(a), jget_str(a->net, "NetworkID"));
	snprintf(row->ifname, sizeof(row->ifname), "%s",
		 jget_str(ep, "Interface"));
	row->count[TOP_CONNS] = count_of(a, ep, "Flows");
	say_endpoint(row, id, container);
	copy(ep, row, "Interface");
	copy(ep, row, "Address");
	copy(ep, row, "AddressIPv6");
	if (asprintf(&row->key, "e %s %s", a->driver, id) < 0)
		row->key = NULL;
	return row->name && row->of && row->key ? 0 : -ENOMEM;
}

static int add_port(struct answer *a, json_object *port)
{
	static const char *const keys[TOP_FIGURES] = {
		[TOP_BYTES_IN] = "BytesIn",
		[TOP_BYTES_OUT] = "BytesOut",
		[TOP_PACKETS_IN] = "PacketsIn",
		[TOP_PACKETS_OUT] = "PacketsOut",
		[TOP_CONNS] = "Flows",
	};
	static const char *const say[] = { "Proto",     "Host",      "Target",
					   "HostIP",    "HostFirst", "HostLast",
					   "Dataplane", "Live" };
	const char *id = jget_str(port, "EndpointID");
	const char *container = docker_container(a->names, id);
	struct top_row *row = add_row(a, TOP_PORT);
	char host[160];

	if (!row)
		return -ENOMEM;
	snprintf(host, sizeof(host), "%s/%s", jget_str(port, "Host"),
		 jget_str(port, "Proto"));
	row->name = out_escape(host);
	row->of = show(container, id);
	for (size_t i = 0; i < TOP_FIGURES; i++)
		row->count[i] = count_of(a, port, keys[i]);
	say_endpoint(row, id, container);
	for (size_t i = 0; i < ARRAY_SIZE(say); i++)
		copy(port, row, say[i]);
	if (asprintf(&row->key, "p %s %s %s", a->driver, id, host) < 0)
		row->key = NULL;
	return row->name && row->of && row->key ? 0 : -ENOMEM;
}

static int add_ports(struct answer *a, json_object *ports)
{
	int r = 0;

	view_ports(ports, a->names); /* Host, Target */
	for (size_t i = 0; r == 0 && i < jget_len(ports); i++)
		r = add_port(a, json_object_array_get_idx(ports, i));
	return r;
}

static int add_all(struct answer *a)
{
	json_object *eps = jget_array(a->net, "EndpointList");
	int r = add_network(a);

	for (size_t i = 0; r == 0 && i < jget_len(eps); i++) {
		json_object *ep = json_object_array_get_idx(eps, i);

		r = add_endpoint(a, ep);
		if (r == 0)
			r = add_ports(a, jget_array(ep, "Ports"));
	}
	return r;
}

int top_rows_add(struct top_rows *rows, const char *driver, json_object *answer,
		 uint64_t at_ns, const struct docker_names *names,
		 struct err *err)
{
	json_object *nets = jget_array(answer, "Networks");
	struct answer a = {
		.rows = rows, .driver = driver, .at_ns = at_ns, .names = names
	};

	for (size_t i = 0; i < jget_len(nets); i++) {
		a.net = json_object_array_get_idx(nets, i);
		if (add_all(&a) < 0)
			return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* ---- interfaces ------------------------------------------------------------------------ */

struct links {
	struct nlk_link *v; /* owned; by name */
	size_t n, room;
};

static void links_fini(struct links *l)
{
	free(l->v);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct nlk_link *)a)->name,
		      ((const struct nlk_link *)b)->name);
}

static int keep_veth(void *ctx, const struct nlk_link *link)
{
	struct links *l = ctx;

	if (strcmp(link->kind, "veth") != 0 || link->peer_index <= 0 ||
	    (link->peer_elsewhere && link->peer_nsid < 0))
		return 0;
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct nlk_link *v = reallocarray(l->v, room, sizeof(*v));

		if (!v)
			return -ENOMEM;
		l->v = v;
		l->room = room;
	}
	l->v[l->n++] = *link;
	return 0;
}

/* Its end in the container.  One that was made anew is another row, although its
 * endpoint is the same. */
static int read_link(struct top_row *row, struct nlk *nlk,
		     const struct nlk_link *host)
{
	struct nlk_counts c;
	uint64_t at;
	char *key;

	if (nlk_link_counts(nlk, host->peer_nsid, host->peer_index, &c, NULL) <
	    0)
		return 0; /* it went meanwhile */
	if (c.peer_index != host->index)
		return 0; /* and its number, or its namespace's, is another's */
	if (asprintf(&key, "%s %d", row->key, host->index) < 0)
		return -ENOMEM;
	free(row->key);
	row->key = key;
	at = clock_mono_ns();
	row->count[TOP_BYTES_IN] = (struct top_count){ c.rx_bytes, at };
	row->count[TOP_BYTES_OUT] = (struct top_count){ c.tx_bytes, at };
	row->count[TOP_PACKETS_IN] = (struct top_count){ c.rx_packets, at };
	row->count[TOP_PACKETS_OUT] = (struct top_count){ c.tx_packets, at };
	return 0;
}

int top_rows_links(struct top_rows *rows, struct nlk *nlk, struct err *err)
{
	_cleanup_(links_fini) struct links l = { 0 };
	int r;

	if (top_rows_count(rows, TOP_ENDPOINT) == 0)
		return 0;
	r = nlk_link_each(nlk, keep_veth, &l, err);
	if (r < 0)
		return r;
	qsort(l.v, l.n, sizeof(*l.v), by_name);
	for (size_t i = 0; i < rows->n; i++) {
		struct top_row *row = &rows->v[i];
		struct nlk_link want = { 0 }, *host;

		if (row->kind != TOP_ENDPOINT || !row->ifname[0])
			continue;
		memcpy(want.name, row->ifname, sizeof(want.name));
		host = bsearch(&want, l.v, l.n, sizeof(*l.v), by_name);
		if (host && read_link(row, nlk, host) < 0)
			return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* ---- rates ------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct top_row *)a)->key,
		      ((const struct top_row *)b)->key);
}

static void rate_row(struct top_row *row, const struct top_row *was)
{
	for (size_t i = 0; i < TOP_FIGURES; i++)
		row->rate[i] = was->count[i].at_ns == row->count[i].at_ns
				       ? was->rate[i]
				       : top_rate(was->count[i], row->count[i]);
}

static void add_to(struct top_row *net, const struct top_row *ep)
{
	for (size_t i = 0; i < TOP_FIGURES; i++) {
		if (ep->count[i].at_ns) {
			net->count[i].value += ep->count[i].value;
			net->count[i].at_ns = ep->count[i].at_ns;
		}
		if (ep->rate[i] < 0)
			continue;
		if (net->rate[i] < 0)
			net->rate[i] = 0;
		net->rate[i] += ep->rate[i];
	}
}

void top_rows_rates(struct top_rows *rows, struct top_rows *was)
{
	if (was->n)
		qsort(was->v, was->n, sizeof(*was->v), by_key);
	for (size_t i = 0; i < rows->n; i++) {
		struct top_row *row = &rows->v[i];
		const struct top_row *before =
			was->n && row->kind != TOP_NETWORK
				? bsearch(row, was->v, was->n, sizeof(*was->v),
					  by_key)
				: NULL;

		if (before)
			rate_row(row, before);
		if (row->kind == TOP_ENDPOINT)
			add_to(&rows->v[row->network], row);
	}
}

/* ---- order --------------------------------------------------------------------------------- */

static double weight(const struct top_row *row, enum top_sort by)
{
	switch (by) {
	case TOP_SORT_BYTES:
		return row->rate[TOP_BYTES_IN] + row->rate[TOP_BYTES_OUT];
	case TOP_SORT_PACKETS:
		return row->rate[TOP_PACKETS_IN] + row->rate[TOP_PACKETS_OUT];
	case TOP_SORT_CONNS:
		return row->rate[TOP_CONNS];
	case TOP_SORT_NAME:
	default:
		return 0;
	}
}

static int by_weight(const void *x, const void *y, void *ctx)
{
	const struct top_row *a = x, *b = y;
	const enum top_sort *by = ctx;
	double wa = weight(a, *by), wb = weight(b, *by);
	int r;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (wa != wb)
		return wa > wb ? -1 : 1;
	r = strverscmp(a->name, b->name);
	return r ? r : strcmp(a->key, b->key);
}

void top_rows_sort(struct top_rows *rows, enum top_sort by)
{
	if (rows->n)
		qsort_r(rows->v, rows->n, sizeof(*rows->v), by_weight, &by);
}
