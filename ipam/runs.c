/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs of numbers in a treap: a binary tree by number and a heap by priority,
 * so it is balanced as long as the priorities are random.
 */
#include "ipam/runs.h"

#include <errno.h>
#include <stdlib.h>

struct run {
	runs_num first, last; /* both included */
	struct run *left, *right;
	uint32_t priority;
};

/* ---- the tree ---------------------------------------------------------- */

static uint32_t next_priority(struct runs *s) /* xorshift */
{
	uint32_t x = s->seed ? s->seed : 0x9e3779b9;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	s->seed = x;
	return x;
}

static struct run *turn_right(struct run *n)
{
	struct run *up = n->left;

	n->left = up->right;
	up->right = n;
	return up;
}

static struct run *turn_left(struct run *n)
{
	struct run *up = n->right;

	n->right = up->left;
	up->left = n;
	return up;
}

static struct run *insert(struct run *n, struct run *fresh)
{
	if (!n)
		return fresh;
	if (fresh->first < n->first) {
		n->left = insert(n->left, fresh);
		return n->left->priority > n->priority ? turn_right(n) : n;
	}
	n->right = insert(n->right, fresh);
	return n->right->priority > n->priority ? turn_left(n) : n;
}

/* All of @a is below all of @b. */
static struct run *join(struct run *a, struct run *b)
{
	if (!a)
		return b;
	if (!b)
		return a;
	if (a->priority > b->priority) {
		a->right = join(a->right, b);
		return a;
	}
	b->left = join(a, b->left);
	return b;
}

/* What is cut out becomes the spare: it may be wanted back at once. */
static void cut(struct runs *s, const struct run *gone)
{
	struct run **at = &s->root, *n;

	while (*at != gone)
		at = gone->first < (*at)->first ? &(*at)->left : &(*at)->right;
	n = *at;
	*at = join(n->left, n->right);
	s->count--;
	if (s->spare)
		free(n);
	else
		s->spare = n;
}

static int plant(struct runs *s, runs_num first, runs_num last)
{
	struct run *n = s->spare ? s->spare : malloc(sizeof(*n));

	if (!n)
		return -ENOMEM;
	s->spare = NULL;
	*n = (struct run){ .first = first,
			   .last = last,
			   .priority = next_priority(s) };
	s->root = insert(s->root, n);
	s->count++;
	return 0;
}

/* The run that begins at @n or below, and the one above it; NULL for none. */
static void around(const struct runs *s, runs_num n, struct run **below,
		   struct run **above)
{
	*below = *above = NULL;
	for (struct run *at = s->root; at;) {
		if (n < at->first) {
			*above = at;
			at = at->left;
		} else {
			*below = at;
			at = at->right;
		}
	}
}

static void free_tree(struct run *n)
{
	if (!n)
		return;
	free_tree(n->left);
	free_tree(n->right);
	free(n);
}

void runs_fini(struct runs *s)
{
	free_tree(s->root);
	free(s->spare);
	*s = (struct runs){ 0 };
}

/* ---- the set ----------------------------------------------------------- */

bool runs_has(const struct runs *s, runs_num n)
{
	struct run *below, *above;

	around(s, n, &below, &above);
	return below && n <= below->last;
}

bool runs_gap(const struct runs *s, runs_num from, runs_num to, runs_num *ret)
{
	struct run *below, *above;

	around(s, from, &below, &above);
	if (!below || from > below->last) {
		*ret = from;
		return true;
	}
	/* runs do not touch, so what follows one is not in the set */
	if (below->last >= to)
		return false;
	*ret = below->last + 1;
	return true;
}

int runs_add(struct runs *s, runs_num n)
{
	struct run *below, *above;
	bool after, before;

	around(s, n, &below, &above);
	after = below && below->last + 1 == n;
	before = above && n + 1 == above->first;
	if (after && before) {
		below->last = above->last;
		cut(s, above);
	} else if (after) {
		below->last = n;
	} else if (before) {
		above->first = n;
	} else {
		return plant(s, n, n);
	}
	return 0;
}

int runs_del(struct runs *s, runs_num n)
{
	struct run *below, *above;
	int r;

	around(s, n, &below, &above);
	if (!below || n > below->last)
		return -ENOENT;
	if (below->first == below->last) {
		cut(s, below);
	} else if (n == below->first) {
		below->first++;
	} else if (n == below->last) {
		below->last--;
	} else {
		r = plant(s, n + 1, below->last);
		if (r < 0)
			return r;
		below->last = n - 1;
	}
	return 0;
}

static int each(const struct run *n,
		int (*fn)(void *ctx, runs_num first, runs_num last), void *ctx)
{
	int r;

	if (!n)
		return 0;
	r = each(n->left, fn, ctx);
	if (r >= 0)
		r = fn(ctx, n->first, n->last);
	return r < 0 ? r : each(n->right, fn, ctx);
}

int runs_each(const struct runs *s,
	      int (*fn)(void *ctx, runs_num first, runs_num last), void *ctx)
{
	int r = each(s->root, fn, ctx);

	return r < 0 ? r : 0;
}
