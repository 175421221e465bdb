/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arc_plan.h - what of a tree goes into an increment: pure comparison of two
 * indexes, no I/O.
 *
 * A name is kept when the archives before make it as it is now, and put
 * otherwise.  What is gone, or is of another kind now, is deleted first.
 * A directory in which a name is put or deleted is put as well: its
 * times would be those of the restore.
 */
#ifndef LIB_ARC_PLAN_H
#define LIB_ARC_PLAN_H

#include "lib/arc_index.h"
#include "lib/arc_inodes.h"

enum arc_look {
	ARC_LOOK_SAME,
	ARC_LOOK_OTHER,
	ARC_LOOK_META, /* compare the digest of attributes, then again */
	ARC_LOOK_DATA, /* and that of the content */
};

/* Was it changed since?  Of one file, which may have several names. */
bool arc_same_time(const struct arc_entry *was, const struct arc_entry *now);

/*
 * arc_look() - is @now what @was describes?
 *
 * @trust: equal change times prove it, where neither is in doubt.
 * @meta:  digest of attributes and link now; NULL: not known, asked for.
 * @data:  of the content.
 */
enum arc_look arc_look(const struct arc_entry *was, const struct arc_entry *now,
		       bool trust, const uint8_t *meta, const uint8_t *data);

enum arc_todo {
	ARC_KEEP,
	ARC_PUT,
};

struct arc_step {
	const struct arc_entry *was; /* borrowed; NULL: new */
	enum arc_todo todo;
	bool below; /* something in it is put or deleted */
	bool done;  /* for the caller */
};

struct arc_plan {
	const struct arc_index *since; /* borrowed */
	struct arc_index now;          /* owned */
	struct arc_step *steps;        /* owned; one an entry of .now */
	bool *gone;                    /* owned; one an entry of .since */
	uint64_t bytes;                /* to be put */
	uint64_t deletions;
};

void arc_plan_fini(struct arc_plan *p);

/* arc_plan_add() - what is there now, in any order.  @same: arc_look() says so; the
 * digests are in @now then.  0; -ENOMEM. */
int arc_plan_add(struct arc_plan *p, const struct arc_entry *now, bool same);

/*
 * arc_plan_settle() - all was added: what is to be put, and deleted.
 *
 * Names of one file are kept only as far as the archives before make them one
 * file, too.
 *
 * @kept: gets a kept name of each file that has several, and what is made of it.
 * Return: 0; -ENOMEM.
 */
int arc_plan_settle(struct arc_plan *p, struct arc_inodes *kept);

/* What is to be done with @path; NULL: it was not there.  @ret: its entry. */
struct arc_step *arc_plan_find(struct arc_plan *p, const char *path,
			       struct arc_entry **ret);

/* The topmost paths to delete, in order: the first at or after *@at, which is moved
 * behind it.  Borrowed; NULL: no more. */
const char *arc_plan_deleted(const struct arc_plan *p, size_t *at);

#endif
