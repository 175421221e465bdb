/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * maps.h - maps that outlive the daemon: pinned under their own name, used by
 * several objects, and taken over by the next daemon if they are its own kind.
 *
 * Each set of maps has a "<set>_meta" of one entry, which says whose they are:
 * struct sock_meta, guard_meta and nat_meta are all struct maps_meta.
 * It is pinned before the others and removed after them, so that none of them
 * is ever without one to tell its layout.
 */
#ifndef DATAPLANE_EBPF_MAPS_H
#define DATAPLANE_EBPF_MAPS_H

#include <stddef.h>
#include <stdint.h>

#include "dataplane/ebpf/pin.h"
#include "lib/err.h"

struct bpf_object; /* libbpf's */
struct bpf_map;

struct maps_meta {
	uint64_t netns_cookie;
	uint32_t layout, pad;
};

/* The socket hooks' maps, of which some are nat_map.h's. */
#define MAPS_SOCK_LAYOUT (SOCK_LAYOUT | NAT_LAYOUT << 16)

enum maps_owner {
	MAPS_NONE,    /* not pinned */
	MAPS_OURS,    /* of this namespace and layout */
	MAPS_FOREIGN, /* of another network namespace */
	MAPS_OTHER,   /* of another layout: never to be read */
};

/* maps_owner() - whose is the set that has @meta? Return: enum maps_owner;
 * -errno. */
int maps_owner(const struct pin_dir *d, const char *meta,
	       const struct maps_meta *ours, struct err *err);

/*
 * maps_reuse() - before load: let each map of @obj be the one that is pinned
 * under its name, if there is one.  maps_pin() - after load: pin the others.
 * The object's own data (.rodata) is neither.
 * Return: 0; -EPROTO: a map of that name has another form.
 */
int maps_reuse(const struct pin_dir *d, struct bpf_object *obj,
	       struct err *err);
int maps_pin(const struct pin_dir *d, struct bpf_object *obj, struct err *err);
/*
 * maps_replace() - after load, in place of maps_pin() and without maps_reuse():
 * pins of another layout, "<set>_..." (pattern @keep is not one of them, nor are
 * those of @more, NULL: none), give way to @obj's maps.  Programs that have the
 * old ones keep them.
 */
int maps_replace(struct pin_dir *d, const char *set, const char *const *keep,
		 const char *const *more, struct bpf_object *obj,
		 struct err *err);
/* Write @ours into the map of one entry. */
int maps_mark(struct bpf_map *meta, const struct maps_meta *ours,
	      struct err *err);

/* Entries of a hash map or a trie to be, each a key and behind it a value. */
struct maps_list {
	size_t key_size, value_size; /* multiples of 4 */
	char *items;                 /* owned */
	size_t count, room;
};

void maps_list_fini(struct maps_list *l);
/* A key that comes twice: the later value counts. */
int maps_list_add(struct maps_list *l, const void *key, const void *value,
		  struct err *err);

/*
 * maps_sync() - make the hash map @fd (not per CPU), or the trie, whose keys have no
 * bits set behind their prefix, equal to @want, which is sorted.  What is wanted is
 * added and changed first, then the rest is deleted: a key in both never misses.
 * Return: number of entries changed; -E2BIG: the map is full; -errno.
 */
int maps_sync(int fd, const char *what, struct maps_list *want,
	      struct err *err);
/* maps_differ() - how many entries maps_sync() would change. */
int maps_differ(int fd, const char *what, struct maps_list *want,
		struct err *err);

#endif
