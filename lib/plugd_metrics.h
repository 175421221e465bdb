/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plugd_metrics.h - a daemon's figures for Prometheus: its process, its requests, and
 * what it holds, which are rows of the answers that its /Berth.* methods give.
 */
#ifndef LIB_PLUGD_METRICS_H
#define LIB_PLUGD_METRICS_H

#include "lib/plugd.h"
#include "lib/prom.h"

#define PLUGD_LABELS_MAX 8

/* One family: a sample for each row that has the value. */
struct plugd_metric {
	const char *name, *help;
	enum prom_type type;
	const char *method; /* "Berth.Networks": of the program's tables */
	const char *body;   /* of the request, JSON; NULL: none */
	const char *rows;   /* key of an array in the answer */
	/* Key of a number in a row, or "Stats.BytesIn" of an object in it.  NULL: how many rows there are, without labels. */
	const char *value;
	const char *known; /* key of a truth, false: no sample; NULL: always */
	/* Keys in a row and what they are called, both NULL at the end. */
	struct {
		const char *key, *label;
	} labels[PLUGD_LABELS_MAX];
};

/* plugd_metrics() - for rpc_config.page; @ctx: a struct plugd. */
int plugd_metrics(void *ctx, struct rpc *rpc, char **ret, size_t *ret_len,
		  struct err *err);

#endif
