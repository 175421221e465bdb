/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stat_index.h - which entries of a table of counters are taken.
 *
 * Pure data, no I/O.  Entry 0 is nobody's.  One that was given back rests for a
 * while, since flows that are just being ended may still count there.
 */
#ifndef DATAPLANE_EBPF_STAT_INDEX_H
#define DATAPLANE_EBPF_STAT_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

#define STAT_INDEX_RESTS 5 /* seconds */

struct stat_index {
	uint64_t *state;     /* owned; one an entry: stat_index.c */
	uint32_t size, next; /* next: where the search goes on */
};

int stat_index_init(struct stat_index *x, uint32_t size, struct err *err);
void stat_index_fini(struct stat_index *x);

/* stat_index_take() - one that rests no more at @now (seconds, any clock).
 * Return: 0: there is none. */
uint32_t stat_index_take(struct stat_index *x, uint64_t now);
/* Give it back.  0, and what is not taken: nothing happens. */
void stat_index_put(struct stat_index *x, uint32_t index, uint64_t now);

/*
 * After a restart: stat_index_note() each that an earlier daemon's entries name,
 * so that none of them is given to another; stat_index_claim() what is found to
 * be somebody's still; stat_index_sweep() gives back what was only noted.
 *
 * stat_index_claim() takes @index also where it was given back and not taken
 * since.  Return: false: 0, out of range, or another's.
 */
void stat_index_note(struct stat_index *x, uint32_t index);
bool stat_index_claim(struct stat_index *x, uint32_t index);
void stat_index_sweep(struct stat_index *x, uint64_t now);

#endif
