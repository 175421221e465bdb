/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names_priv.h - what one source tells of one network, once told never changed.
 *
 * So a new one is built beside the old, without a lock, and takes its place in one
 * store; a look-up never sees half of it.
 */
#ifndef RUNTIME_NAMES_NAMES_PRIV_H
#define RUNTIME_NAMES_NAMES_PRIV_H

#include "runtime/names/names.h"

struct part_rec {
	const char *name; /* in the part's own text, as told */
	struct ip_addr addr;
	bool ptr;
};

struct names_part {
	struct part_rec *recs; /* by name, family, address; each once */
	size_t count;
	char *text;
	/* Open addressing, a power of two of slots, at most half full: a place in
	 * @recs and 1, or 0.  By name it is the name's first. */
	uint32_t *by_name, *by_addr;
	size_t slots;
	uint64_t seed; /* so that nobody can choose names that collide */
};

/* Return: 0; -EINVAL; -ENOMEM.  @ret: NULL for no records. */
int names_part_new(const struct name_record *recs, size_t count,
		   struct names_part **ret, struct err *err);
void names_part_free(struct names_part *p);
DEFINE_CLEANUP(struct names_part, names_part_free)

/* The first record of @name and, by @ret_count, how many have it.  NULL.  @p: NULL
 * is an empty one. */
const struct part_rec *names_part_find(const struct names_part *p,
				       const char *name, size_t *ret_count);
/* What @addr is called: the first by name.  NULL. */
const char *names_part_reverse(const struct names_part *p,
			       const struct ip_addr *addr);

#endif
