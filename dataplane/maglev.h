/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * maglev.h - which of several backends gets a new connection: Maglev hashing
 * (Eisenbud and others, NSDI 2016), with weights.  Pure arithmetic.
 *
 * Every backend has its share of a table of slots, and when one comes or goes few
 * slots change their owner but those that it takes or leaves.  What the table
 * holds depends on the set of backends alone, not on their order or history.
 */
#ifndef DATAPLANE_MAGLEV_H
#define DATAPLANE_MAGLEV_H

#include <stddef.h>
#include <stdint.h>

#define MAGLEV_NONE 0xffffu /* a slot that nobody has */

struct maglev_backend {
	uint64_t id;     /* what it is, the same for its life: maglev_id() */
	uint32_t weight; /* its share; 1..MAGLEV_WEIGHT_MAX */
};

#define MAGLEV_WEIGHT_MAX 100

/* A number that stands for @len bytes. */
uint64_t maglev_id(const void *bytes, size_t len);

/*
 * maglev_fill() - give each of @slots slots one of @count backends, by index.
 *
 * @list:  sorted by .id, each only once; fewer than MAGLEV_NONE.
 * @slots: a prime, much larger than @count.
 * @table: of @slots; all MAGLEV_NONE where there is no backend.
 */
void maglev_fill(const struct maglev_backend *list, size_t count,
		 uint16_t *table, uint32_t slots);

#endif
