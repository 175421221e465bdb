// SPDX-License-Identifier: GPL-2.0-or-later
/* One source's names of one network: sorted, and two hashes over them. */
#include "runtime/names/names_priv.h"

#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "lib/fail.h"

static uint8_t lower(char c)
{
	return (uint8_t)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
}

/* FNV-1a from a random start, and the end of murmur3's mixing, as FNV's low bits
 * know little of its last byte. */
static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	return h ^ h >> 33;
}

static uint64_t hash_name(uint64_t seed, const char *name)
{
	uint64_t h = seed;

	for (; *name; name++)
		h = (h ^ lower(*name)) * 0x100000001b3u;
	return mix(h);
}

static uint64_t hash_addr(uint64_t seed, const struct ip_addr *a)
{
	uint64_t h = (seed ^ a->family) * 0x100000001b3u;

	for (unsigned int i = 0; i < ip_bytes(a); i++)
		h = (h ^ a->bytes[i]) * 0x100000001b3u;
	return mix(h);
}

static int rec_cmp(const void *left, const void *right)
{
	const struct part_rec *a = left, *b = right;
	int r = strcasecmp(a->name, b->name);

	return r ? r : ip_cmp(&a->addr, &b->addr);
}

/* Alike ones follow each other; the name that a reverse lookup gives is one of them. */
static void drop_doubles(struct names_part *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++) {
		if (n && rec_cmp(&p->recs[n - 1], &p->recs[i]) == 0)
			p->recs[n - 1].ptr |= p->recs[i].ptr;
		else
			p->recs[n++] = p->recs[i];
	}
	p->count = n;
}

static void index_name(struct names_part *p, size_t i)
{
	size_t at = hash_name(p->seed, p->recs[i].name) & (p->slots - 1);

	if (i && strcasecmp(p->recs[i - 1].name, p->recs[i].name) == 0)
		return;
	while (p->by_name[at])
		at = (at + 1) & (p->slots - 1);
	p->by_name[at] = (uint32_t)i + 1;
}

static void index_addr(struct names_part *p, size_t i)
{
	size_t at = hash_addr(p->seed, &p->recs[i].addr) & (p->slots - 1);

	if (!p->recs[i].ptr)
		return;
	while (p->by_addr[at]) {
		if (ip_equal(&p->recs[p->by_addr[at] - 1].addr,
			     &p->recs[i].addr))
			return;
		at = (at + 1) & (p->slots - 1);
	}
	p->by_addr[at] = (uint32_t)i + 1;
}

static int make_index(struct names_part *p)
{
	for (p->slots = 16; p->slots < 2 * p->count;)
		p->slots *= 2;
	p->by_name = calloc(p->slots, sizeof(*p->by_name));
	p->by_addr = calloc(p->slots, sizeof(*p->by_addr));
	if (!p->by_name || !p->by_addr)
		return -ENOMEM;
	if (getrandom(&p->seed, sizeof(p->seed), GRND_NONBLOCK) < 0)
		p->seed = (uintptr_t)p; /* early at boot */
	for (size_t i = 0; i < p->count; i++) {
		index_name(p, i);
		index_addr(p, i);
	}
	return 0;
}

static int copy(struct names_part *p, const struct name_record *recs,
		size_t count, struct err *err)
{
	size_t size = 0, len;
	int r;

	for (size_t i = 0; i < count; i++) {
		r = names_valid(recs[i].name, err);
		if (r < 0)
			return r;
		if (ip_is_none(&recs[i].addr))
			return err_set(err, -EINVAL, "%s has no address",
				       recs[i].name);
		size += strlen(recs[i].name) + 1;
	}
	p->text = malloc(size);
	p->recs = calloc(count, sizeof(*p->recs));
	if (!p->text || !p->recs)
		return -ENOMEM;
	size = 0;
	for (size_t i = 0; i < count; i++) {
		len = strlen(recs[i].name) + 1;
		memcpy(p->text + size, recs[i].name, len);
		p->recs[i] = (struct part_rec){ .name = p->text + size,
						.addr = recs[i].addr,
						.ptr = recs[i].ptr };
		size += len;
	}
	p->count = count;
	return 0;
}

int names_part_new(const struct name_record *recs, size_t count,
		   struct names_part **ret, struct err *err)
{
	_cleanup_(names_part_freep) struct names_part *p = NULL;
	int r;

	if (count == 0) {
		*ret = NULL;
		return 0;
	}
	if (count >= UINT32_MAX)
		return err_set(err, -EINVAL, "%zu names are too many", count);
	r = FAILPOINT("names.part");
	if (r < 0)
		return err_set(err, r, "%zu names", count);
	p = calloc(1, sizeof(*p));
	r = p ? copy(p, recs, count, err) : -ENOMEM;
	if (r == 0) {
		qsort(p->recs, p->count, sizeof(*p->recs), rec_cmp);
		drop_doubles(p);
		r = make_index(p);
	}
	if (r == -ENOMEM)
		return err_set(err, r, "no memory for %zu names", count);
	if (r == 0)
		*ret = take_ptr(p);
	return r;
}

void names_part_free(struct names_part *p)
{
	if (!p)
		return;
	free(p->recs);
	free(p->text);
	free(p->by_name);
	free(p->by_addr);
	free(p);
}

const struct part_rec *names_part_find(const struct names_part *p,
				       const char *name, size_t *ret_count)
{
	size_t at, i, end;

	if (!p)
		return NULL;
	at = hash_name(p->seed, name) & (p->slots - 1);
	for (; p->by_name[at]; at = (at + 1) & (p->slots - 1)) {
		i = p->by_name[at] - 1;
		if (strcasecmp(p->recs[i].name, name) != 0)
			continue;
		for (end = i + 1; end < p->count; end++)
			if (strcasecmp(p->recs[end].name, name) != 0)
				break;
		*ret_count = end - i;
		return &p->recs[i];
	}
	return NULL;
}

const char *names_part_reverse(const struct names_part *p,
			       const struct ip_addr *addr)
{
	size_t at, i;

	if (!p)
		return NULL;
	at = hash_addr(p->seed, addr) & (p->slots - 1);
	for (; p->by_addr[at]; at = (at + 1) & (p->slots - 1)) {
		i = p->by_addr[at] - 1;
		if (ip_equal(&p->recs[i].addr, addr))
			return p->recs[i].name;
	}
	return NULL;
}
