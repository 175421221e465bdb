/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters that are taken, and that rest. */
#include "dataplane/ebpf/stat_index.h"

#include <errno.h>
#include <stdlib.h>

/* Any other state: free, from that second on. */
#define TAKEN UINT64_MAX
#define NOTED (UINT64_MAX - 1)

int stat_index_init(struct stat_index *x, uint32_t size, struct err *err)
{
	*x = (struct stat_index){ .size = size, .next = 1 };
	x->state = calloc(size ? size : 1, sizeof(*x->state));
	return x->state ? 0 : err_set(err, -ENOMEM, "counters: out of memory");
}

void stat_index_fini(struct stat_index *x)
{
	free(x->state);
	*x = (struct stat_index){ 0 };
}

static bool is_one(const struct stat_index *x, uint32_t index)
{
	return index && index < x->size;
}

uint32_t stat_index_take(struct stat_index *x, uint64_t now)
{
	for (uint32_t i = 1; i < x->size; i++) {
		uint32_t at = x->next;

		x->next = at + 1 < x->size ? at + 1 : 1;
		if (x->state[at] <= now) {
			x->state[at] = TAKEN;
			return at;
		}
	}
	return 0;
}

void stat_index_put(struct stat_index *x, uint32_t index, uint64_t now)
{
	if (is_one(x, index) && x->state[index] == TAKEN)
		x->state[index] = now + STAT_INDEX_RESTS;
}

void stat_index_note(struct stat_index *x, uint32_t index)
{
	if (is_one(x, index) && x->state[index] != TAKEN)
		x->state[index] = NOTED;
}

bool stat_index_claim(struct stat_index *x, uint32_t index)
{
	if (!is_one(x, index) || x->state[index] == TAKEN)
		return false;
	x->state[index] = TAKEN;
	return true;
}

void stat_index_sweep(struct stat_index *x, uint64_t now)
{
	for (uint32_t i = 1; i < x->size; i++)
		if (x->state[i] == NOTED)
			x->state[i] = now + STAT_INDEX_RESTS;
}
