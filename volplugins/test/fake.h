/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake.h - for tests of the volume core: a driver whose kernel is a directory,
 * lives of a daemon as child processes, and requests that check themselves.
 *
 * What a life leaves on disk is all that the next one knows.
 */
#ifndef VOLPLUGINS_TEST_FAKE_H
#define VOLPLUGINS_TEST_FAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "volplugins/vol_core.h"

/* Its "kernel": "vol-NAME" exists, "mnt-NAME" is mounted, "data-NAME" holds
 * data; "stuck-NAME" can't be removed or renamed, "late-NAME" is and fails, "busy-NAME" can't be unmounted,
 * "unable-NAME" can't be snapshotted, "full-NAME" for want of room, "holed-NAME" has no usage,
 * "slow-NAME" takes longer to copy than a start may.  "snap-NAME@S" is a
 * snapshot, "of-NAME" a copy, "unseen-NAME" seems to be there, made or not,
 * "rolled-NAME" was rolled back, "staged-NAME" is being filled. */
bool fake_there(const char *kind, const char *name);
/* Another boot, in which @name is as its last flush left it ("was-NAME",
 * "wasnot-NAME": there or not); "unwritable-NAME" can't be flushed. */
void fake_cut_power(const char *name);
int fake_set(const char *kind, const char *name, bool on);

/* Lives from now on have a driver without the optional operations. */
extern bool fake_is_plain;

/* Bytes of "vol-NAME". */
uint64_t fake_size(const char *name);

struct life {
	struct plugd d;
	struct vol_core *core;
};

/* In a child assertions are told and end it. */
#define CHECK(cond)                                                          \
	do {                                                                 \
		if (!(cond)) {                                               \
			fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, \
				#cond);                                      \
			_exit(1);                                            \
		}                                                            \
	} while (0)

/* @call sees a struct err by the name of err. */
#define OK(call)                                                          \
	do {                                                              \
		struct err err = { 0 };                                   \
		int r_ = (call);                                          \
                                                                          \
		if (r_ != 0) {                                            \
			fprintf(stderr, "# %s:%d: %s: %d %s\n", __FILE__, \
				__LINE__, #call, r_, err.msg);            \
			_exit(1);                                         \
		}                                                         \
	} while (0)

/* Once, before the tests: memory that the children share. */
void fake_init(void);
void *fake_shared(size_t size);
/* Before and after each test. */
int fake_setup(void **state);
int fake_teardown(void **state);

/* Run @fn in a life of its own, with the fault @fp (NULL: none).  Return: what
 * waitpid() says. */
int live(void (*fn)(struct life *l, void *arg), void *arg, const char *fp);
bool was_killed(int status);
/* The directory that lives have their files in. */
int fake_dir(void);
const char *fake_path_of_dir(void);
/* Let the time of kept answers pass. */
void fake_expire(struct life *l);

/* Requests; an answer counts as delivered. */
int create(struct life *l, const char *name, const char *opts);
int mount_id(struct life *l, const char *name, const char *id);
int unmount_id(struct life *l, const char *name, const char *id);
int resize(struct life *l, const char *name, uint64_t size);
int remove_it(struct life *l, const char *name);
int users(struct life *l, const char *name); /* -1: no such volume */
int count_one(void *ctx, const struct vol_info *v);
int problems(struct life *l);

#endif
