/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runs.h - a set of numbers, kept as disjoint runs that do not touch, in a
 * balanced tree.
 *
 * Memory and time grow with the number of runs: numbers handed out one after
 * the other are one run, however many.  No lock: the caller holds one.
 */
#ifndef IPAM_RUNS_H
#define IPAM_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef unsigned __int128 runs_num; /* wide enough for an IPv6 address */

struct run;

struct runs { /* zeroed is empty */
	struct run *root, *spare;
	size_t count; /* of runs */
	uint32_t seed;
};

void runs_fini(struct runs *s);

bool runs_has(const struct runs *s, runs_num n);
/* runs_gap() - the lowest number of @from..@to (both included, @from <= @to)
 * that is not in the set.  Return: false when there is none. */
bool runs_gap(const struct runs *s, runs_num from, runs_num to, runs_num *ret);
/*
 * runs_add() - put @n in.  It was not: the caller has looked.
 *
 * Return: 0; -ENOMEM, the set is as it was.
 */
int runs_add(struct runs *s, runs_num n);
/*
 * runs_del() - take @n out.
 *
 * Return: 0; -ENOENT when it is not in; -ENOMEM, the set is as it was.  Never -ENOMEM for the number that
 * was put in last.
 */
int runs_del(struct runs *s, runs_num n);

/* Each run, ascending; a negative return ends the walk and is returned. */
int runs_each(const struct runs *s,
	      int (*fn)(void *ctx, runs_num first, runs_num last), void *ctx);

#endif
