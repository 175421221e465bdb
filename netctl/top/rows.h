/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows.h - what "top" shows: a row for each network, endpoint and published port, with
 * its counters and what they grew by a second since the look before.
 *
 * An endpoint's bytes and packets are those of its interface in the container, which
 * the host asks for through the veth's other end; connections, and all of a port's,
 * are the daemon's Stats (the eBPF dataplane).  A network has the sum of its endpoints.
 */
#ifndef NETCTL_TOP_ROWS_H
#define NETCTL_TOP_ROWS_H

#include <json-c/json.h>
#include <net/if.h>

#include "lib/base.h"
#include "lib/err.h"
#include "netctl/docker.h"
#include "netctl/top/rate.h"

enum top_figure {
	TOP_BYTES_IN, /* in: to the container */
	TOP_BYTES_OUT,
	TOP_PACKETS_IN,
	TOP_PACKETS_OUT,
	TOP_CONNS,
	TOP_FIGURES,
};

enum top_kind { TOP_NETWORK, TOP_ENDPOINT, TOP_PORT, TOP_KINDS };

enum top_sort {
	TOP_SORT_BYTES,
	TOP_SORT_PACKETS,
	TOP_SORT_CONNS,
	TOP_SORT_NAME,
};

/* top_sort_parse() - "bytes", "packets", "conns", "name".  -EINVAL. */
int top_sort_parse(const char *text, enum top_sort *ret, struct err *err);

struct top_row {
	enum top_kind kind;
	char *key;          /* owned: what has another key has other counters */
	char *name, *of;    /* owned: what it is called, and whose it is */
	const char *driver; /* of drivers[] */
	json_object *
		what; /* owned: the daemon's words about it; NULL unless asked */
	char ifname[IFNAMSIZ]; /* endpoint: host side; "": none */
	size_t network;        /* endpoint: index of its network's row */
	struct top_count count[TOP_FIGURES];
	double rate[TOP_FIGURES]; /* a second; TOP_UNKNOWN */
};

struct top_rows {
	struct top_row *v; /* owned */
	size_t n, room;
	bool words; /* set before rows are added: with .what, for top_json() */
};

void top_rows_fini(struct top_rows *rows);

/*
 * top_rows_add() - those of a daemon's answer to Berth.Networks with Stats, which was
 * read at @at_ns.
 * @answer, @names: borrowed.  Return: 0; -ENOMEM.
 */
int top_rows_add(struct top_rows *rows, const char *driver, json_object *answer,
		 uint64_t at_ns, const struct docker_names *names,
		 struct err *err);

struct nlk;
/* top_rows_links() - read the endpoints' interfaces.  Where one can't be read its
 * figures are missing.  Return: 0; -errno: none of them could be. */
int top_rows_links(struct top_rows *rows, struct nlk *nlk, struct err *err);

/*
 * top_rows_rates() - by what was before (which is sorted for it), and the sums of
 * networks.  Once, before top_rows_sort().  A figure that was not read again since keeps its rate.
 */
void top_rows_rates(struct top_rows *rows, struct top_rows *was);

/* top_rows_sort() - networks, endpoints, ports, each by @by: the most first, or by
 * name.  Row indices (.network) do not hold after it. */
void top_rows_sort(struct top_rows *rows, enum top_sort by);

/* How many are of @kind. */
size_t top_rows_count(const struct top_rows *rows, enum top_kind kind);

#endif
