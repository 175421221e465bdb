/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Maglev hashing: each backend has its own order in which it would like to have
 * the slots; they take turns, each the first on its list that is still free.  One
 * with half the weight of another gets every other turn.
 */
#include "dataplane/maglev.h"

/* splitmix64's finish: each bit of the result depends on all of @x. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

uint64_t maglev_id(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return mix(h);
}

/* The @nth slot on the backend's list: all of them come, as @slots is prime. */
static uint32_t wish(uint64_t id, uint32_t nth, uint32_t slots)
{
	uint64_t first, step;

	if (slots < 2)
		return 0;
	first = mix(id ^ 0x9e3779b97f4a7c15ull) % slots;
	step = mix(id + 0x9e3779b97f4a7c15ull) % (slots - 1) + 1;
	return (uint32_t)((first + nth * step) % slots);
}

static uint32_t heaviest(const struct maglev_backend *list, size_t count)
{
	uint32_t max = 1;

	for (size_t i = 0; i < count; i++)
		if (list[i].weight > max)
			max = list[i].weight;
	return max;
}

/* Its next free slot; there is one. */
static void take_slot(const struct maglev_backend *b, uint16_t index,
		      uint16_t *table, uint32_t slots)
{
	for (uint32_t nth = 0; nth < slots; nth++) {
		uint32_t slot = wish(b->id, nth, slots);

		if (table[slot] != MAGLEV_NONE)
			continue;
		table[slot] = index;
		return;
	}
}

void maglev_fill(const struct maglev_backend *list, size_t count,
		 uint16_t *table, uint32_t slots)
{
	const uint64_t max = heaviest(list, count);
	uint32_t taken = 0;

	for (uint32_t i = 0; i < slots; i++)
		table[i] = MAGLEV_NONE;
	if (!count)
		return;
	for (uint64_t round = 0; taken < slots; round++) {
		for (size_t i = 0; i < count && taken < slots; i++) {
			uint64_t w = list[i].weight;

			/* weight / max of a turn is due each round */
			if ((round + 1) * w / max == round * w / max)
				continue;
			take_slot(&list[i], (uint16_t)i, table, slots);
			taken++;
		}
	}
}
