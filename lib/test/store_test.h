/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store_test.h - what the tests of the store share: a store in a directory of
 * its own.  What fails ends the test. */
#ifndef LIB_TEST_STORE_TEST_H
#define LIB_TEST_STORE_TEST_H

#include "lib/test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store_priv.h"

struct place {
	char root[64], dir[80];
	struct store *s;
	bool mounted;
};

/* A test's set-up and teardown; nothing is open yet. */
int place_new(void **state);
int place_free(void **state);
#define PLACE_TEST(f) cmocka_unit_test_setup_teardown(f, place_new, place_free)

void place_must(int r, const struct err *err);
void place_open(struct place *p, enum store_life life);
/* Close; begin another life of a STORE_STATE. */
void place_reopen(struct place *p);
int place_open_again(struct place *p, struct err *err);
void place_put(struct place *p, const char *kind, const char *id,
	       const char *parent, const char *json);
/* The record of kind "k"; NULL: there is none. */
void place_has(struct place *p, const char *id, const char *json);
/* A file of the store. */
void place_path(const struct place *p, const char *name, char *buf,
		size_t size);
bool place_there(const struct place *p, const char *name);
/* For store_each(): @ctx is an int. */
int place_count_one(void *ctx, const char *id, const char *parent,
		    const char *json);

/* A store with 50 records, closed, its copy up to date; an open one has them. */
void place_fifty(struct place *p);
void place_has_fifty(struct place *p);
/* A child commits ten records and is killed; the log has them all. */
void place_killed_writer(struct place *p);
/* What a person is told of it is @want. */
void place_told(const struct place *p, const char *want);

#endif
